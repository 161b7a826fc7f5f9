"""Contents that tell where they belong, and readers that check every byte.

The content of a version is a repeated block in which each 4 KiB page is stamped with
the version and the page's number, so a byte from another place, another object or
another version is found wherever it appears.
"""
import hashlib
import mmap
import os
import random

PAGE = 4096


def content(seed, size):
    """`size` bytes of version `seed` (any text)."""
    filler = hashlib.sha512(str(seed).encode()).digest() * (PAGE // 64)
    stamp = hashlib.sha256(str(seed).encode()).digest()[:8]
    pages = (stamp + n.to_bytes(8, "big") + filler[16:] for n in range((size + PAGE - 1) // PAGE))
    return b"".join(pages)[:size]


def check_at(fd, expected, at, size):
    data = os.pread(fd, size, at)
    assert data == expected[at:at + size], f"{len(data)} bytes at {at} differ (wanted {size})"


def sequential(fd, expected, chance):
    step = chance.choice([5000, 65536, 131072, 1 << 20])
    for at in range(0, len(expected) + 1, step):
        check_at(fd, expected, at, step)


def backward(fd, expected, chance):
    step = chance.choice([10_001, 131072, 700_000])
    for at in range(len(expected) // step * step, -1, -step):
        check_at(fd, expected, at, step)


def strided(fd, expected, chance):
    stride = chance.choice([200_000, 1 << 20])
    for at in range(chance.randrange(PAGE), len(expected), stride):
        check_at(fd, expected, at, chance.choice([1, PAGE, 40_000]))


def scattered(fd, expected, chance):
    for _ in range(40):
        check_at(fd, expected, chance.randrange(len(expected) + 10),
                 chance.choice([1, 511, PAGE, 131_072, 300_000]))


def mapped(fd, expected, chance):
    if not expected:
        return
    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as view:
        for _ in range(40):
            at = chance.randrange(len(expected))
            assert view[at:at + 100] == expected[at:at + 100], f"mapping differs at {at}"


def jumping(fd, expected, chance):
    """Runs in sequence between jumps, as readers of column files do."""
    for _ in range(6):
        at = chance.randrange(len(expected) + 1)
        for _ in range(8):
            check_at(fd, expected, at, 100_000)
            at += 100_000


READS = (sequential, backward, strided, scattered, jumping)
WAYS = (*READS, mapped)  # a mapping whose file fails is SIGBUS, not an errno


def check_file(path, expected, seed, ways=WAYS):
    """One open, one way of reading, every byte compared; the way is chosen by seed."""
    chance = random.Random(seed)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert os.fstat(fd).st_size == len(expected)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # or the kernel would answer for us
        chance.choice(ways)(fd, expected, chance)
    finally:
        os.close(fd)

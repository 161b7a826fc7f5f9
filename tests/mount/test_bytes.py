"""Bytes through a mount equal the bytes that were put: large, many, at once."""
import concurrent.futures
import hashlib
import mmap
import os
import random

import pytest
from mounting import options

BUCKET = "test-bucket-1"
GIB = 1 << 30
SEGMENT = 16 << 20
READERS = 16
SMALL_FILES = 2000


def segment(number):
    """Segment of the large object: cheap to make, different everywhere."""
    block = hashlib.sha256(b"segment %d" % number).digest() * 2048  # 64 KiB
    return b"".join(bytes([number & 255, i & 255]) + block[2:] for i in range(SEGMENT // len(block)))


class Pattern:
    """A readable stream of all segments, for the uploading client."""

    def __init__(self):
        self.number, self.rest = 0, b""

    def read(self, size=-1):
        out = []
        while size > 0 and self.number <= GIB // SEGMENT:
            if not self.rest:
                if self.number == GIB // SEGMENT:
                    break
                self.rest = segment(self.number)
                self.number += 1
            out.append(self.rest[:size])
            self.rest = self.rest[size:]
            size -= len(out[-1])
        return b"".join(out)


@pytest.fixture(scope="module")
def large(emu):
    emu.owner.upload_fileobj(Pattern(), BUCKET, "large/one-gib.bin")
    assert emu.owner.head_object(Bucket=BUCKET, Key="large/one-gib.bin")["ContentLength"] == GIB
    return "one-gib.bin"


def direct(emu, *more):
    return options(emu, "profile=admin2", *more)


def check_segments(path, numbers):
    with open(path, "rb", buffering=0) as f:
        for n in numbers:
            f.seek(n * SEGMENT)
            data = b""
            while len(data) < SEGMENT:
                piece = f.read(SEGMENT - len(data))
                assert piece, f"end of file in segment {n}"
                data += piece
            assert data == segment(n), f"segment {n} differs"
    return len(numbers)


def test_one_gib_in_one_stream(emu, admin, large):
    point = admin.mount(f"s3://{BUCKET}/large", direct(emu))
    assert check_segments(point / large, range(GIB // SEGMENT)) == GIB // SEGMENT


def test_one_gib_by_sixteen_readers(emu, admin, large):
    point = admin.mount(f"s3://{BUCKET}/large", direct(emu, "memory=64M"))
    segments = list(range(GIB // SEGMENT))
    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        done = pool.map(lambda r: check_segments(point / large, segments[r::READERS]), range(READERS))
        assert sum(done) == GIB // SEGMENT


def test_random_and_mapped_reads(emu, admin, large):
    point = admin.mount(f"s3://{BUCKET}/large", direct(emu))
    chance = random.Random(7)
    with open(point / large, "rb", buffering=0) as f:
        for _ in range(50):
            at = chance.randrange(GIB - 70000)
            size = chance.choice([1, 100, 4096, 65537])
            n = at // SEGMENT
            expected = (segment(n) + segment(n + 1))[at - n * SEGMENT:][:size]
            assert os.pread(f.fileno(), size, at) == expected
        assert os.pread(f.fileno(), 10, GIB) == b""
        assert os.pread(f.fileno(), 10, GIB - 3) == segment(GIB // SEGMENT - 1)[-3:]
        with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            assert mapped[5 * SEGMENT + 17] == segment(5)[17]


def small_bytes(i):
    return hashlib.sha256(b"small %d" % i).digest() * (i % 300)


@pytest.fixture(scope="module")
def small(emu):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: emu.owner.put_object(
            Bucket=BUCKET, Key=f"small/{i % 20:02}/{i:04}.bin", Body=small_bytes(i)),
            range(SMALL_FILES)))


def test_two_thousand_small_files_by_sixteen_readers(emu, admin, small):
    point = admin.mount(f"s3://{BUCKET}/small", direct(emu))
    names = sorted(os.path.join(d, f) for d, _, fs in os.walk(point) for f in fs)
    assert len(names) == SMALL_FILES

    def check(path):
        i = int(os.path.basename(path)[:4])
        with open(path, "rb") as f:
            assert f.read() == small_bytes(i), path
        assert os.path.getsize(path) == len(small_bytes(i))

    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        list(pool.map(check, names))
    operations = [r["operation"] for r in emu.admin("GET", "requests")]
    assert operations.count("HeadObject") == 0, "entries come from LIST alone"

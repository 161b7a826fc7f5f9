"""What the bucket holds, put there when the first row needs it.

Each set is a prefix; the object `PREFIX-SCALE.ready` tells that it is complete, so that a
kept data folder (BENCH_DATA=) is filled once. SCALE= makes everything smaller, for a
try of the benchmark itself.
"""
import io
import os
import tarfile

from s3 import PART

MIB = 1 << 20
SCALE = float(os.environ.get("SCALE", "1"))


def scaled(count):
    return max(int(count * SCALE), 1)


BIG = scaled(1024) * MIB
FOURTH = scaled(128) * MIB
HALF = scaled(512) * MIB
SMALL = 8192


def noise(size, seed):
    """Bytes that do not compress, the same for the same seed."""
    unit = bytearray(os.urandom(64 << 10))
    unit[:8] = seed.to_bytes(8, "little")
    return (bytes(unit) * (size // len(unit) + 1))[:size]


def put_large(s3, key, size):
    s3.put_parts(key, size, lambda i: noise(min(PART, size - i * PART), i), connections=4)


def put_files(s3, prefix, count, size):
    width = len(str(count - 1))
    body = os.urandom(size) if size else b""
    s3.put_many(((f"{prefix}/{i:0{width}}", body) for i in range(count)))


def put_tree(s3):
    s3.put_many(((f"tree/dir{d:02}/file{f:03}", b"x" * 100)
                 for d in range(20) for f in range(scaled(100))))


def put_archive(s3):
    """A tar of members of a megabyte or so: who lists it skips what lies between the headers."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        for i in range(scaled(300)):
            info = tarfile.TarInfo(f"{i:03}")
            info.size = 600_000 + i * 7_919_317 % 900_000
            out.addfile(info, io.BytesIO(noise(info.size, i)))
    body = tar.getbuffer()
    s3.put_parts("archive/members.tar", len(body), lambda i: bytes(body[i * PART:(i + 1) * PART]), connections=4)


SETS = {
    "big": lambda s3: put_large(s3, "big/object", BIG),
    "four": lambda s3: [put_large(s3, f"four/{i}", FOURTH) for i in range(4)],
    "keys10k": lambda s3: put_files(s3, "keys10k", scaled(10_000), 0),
    "keys100k": lambda s3: put_files(s3, "keys100k", scaled(100_000), 0),
    "tree": put_tree,
    "archive": put_archive,
    "few": lambda s3: put_files(s3, "few", scaled(200), SMALL),
    "small": lambda s3: put_files(s3, "small", scaled(2000), SMALL),
    "out": lambda s3: s3.put("out/kept", b"so that the folder exists\n"),
    "change": lambda s3: s3.put("change/kept", b"so that the folder exists\n"),
}


def require(s3, name):
    mark = f"{name}-{SCALE}.ready"
    if not s3.exists(mark):
        print(f"putting {name} into the bucket ...", flush=True)
        s3.delete_below(name + "/")
        SETS[name](s3)
        s3.put(mark, b"")


unchanged = {}  # key -> etag


# --- before each mount, for rows that change things ----------------------------------------------

def empty(s3, prefix):
    s3.delete_below(prefix)


def half(s3, key, other):
    """An unchanged object of 512 MiB at key, none at other."""
    s3.delete_below(other)
    put_large(s3, key, HALF)
    unchanged[key] = s3.call("HEAD", key)[0]["etag"]


def thousand(s3, prefix, other):
    s3.delete_below(other + "/")
    put_files(s3, prefix, scaled(1000), 100)


# --- after what is acknowledged ------------------------------------------------------------------

def has(s3, key, size):
    """An object of that size at key."""
    return s3.exists(key) and int(s3.call("HEAD", key)[0]["content-length"]) == size


def differs(s3, key, size):
    """The same, and it is not what was there before."""
    return has(s3, key, size) and s3.call("HEAD", key)[0]["etag"] != unchanged[key]


def holds(s3, prefix, count):
    """At least so many objects below the prefix, folder markers aside."""
    wanted = scaled(count) if count == 1000 else count
    return sum(not key.endswith("/") for key in s3.keys_below(prefix)) >= wanted


def write_tar(path, count):
    with tarfile.open(path, "w") as tar:
        for i in range(count):
            info = tarfile.TarInfo(f"{i:03}")
            info.size = SMALL
            tar.addfile(info, io.BytesIO(os.urandom(SMALL)))


def prepare_work(work):
    """The archives that writing rows unpack."""
    write_tar(work / "few.tar", 200)
    write_tar(work / "hundred.tar", 100)

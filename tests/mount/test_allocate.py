"""fallocate: what it changes is saved, and what it does not change stays as it was."""
import ctypes
import os
import threading

import pytest
from mounting import options, wait_until

BUCKET = "test-bucket-1"
KEEP_SIZE, PUNCH_HOLE = 1, 2
NOTHING = {"allocated already": (0, 100), "space behind the end": (KEEP_SIZE, 20 << 20),
           "a hole behind the end": (KEEP_SIZE | PUNCH_HOLE, 20 << 20)}
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]


def allocate(path, mode, at, size=1000):
    fd = os.open(path, os.O_RDWR)
    try:
        assert libc.fallocate(fd, mode, at, size) == 0, os.strerror(ctypes.get_errno())
    finally:
        os.close(fd)


def mount(emu, place, prefix, *more):
    return place.mount(f"s3://{BUCKET}/{prefix}",
                       options(emu, "profile=admin2", f"state-dir={place.dir}/state", *more))


def keys(emu, prefix):
    found = emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return [o["Key"] for o in found if not o["Key"].endswith("/")]


@pytest.mark.parametrize("what", NOTHING)
def test_a_file_that_stayed_as_it_was_is_removed(emu, admin, request, what):
    """Its object has another etag after the move, because it was made of parts."""
    prefix = request.node.name
    point = mount(emu, admin, prefix)
    (point / "a").mkdir()
    (point / "a" / "f").write_bytes(b"x" * (9 << 20))
    allocate(point / "a" / "f", *NOTHING[what])
    (point / "a").rename(point / "b")
    (point / "b" / "f").unlink()
    assert admin.run("sync", point).returncode == 0
    assert keys(emu, prefix) == []


@pytest.mark.parametrize("what", NOTHING)
def test_a_file_that_stayed_as_it_was_shows_what_others_put(emu, admin, request, what):
    prefix = request.node.name
    point = mount(emu, admin, prefix, "metadata-ttl=1s")
    (point / "f").write_bytes(b"mine")
    before = (point / "f").stat().st_mtime_ns
    mode, at = NOTHING[what]
    allocate(point / "f", mode, at if mode else 0, 4)
    assert (point / "f").stat().st_mtime_ns == before
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/f", Body=b"of another host")
    wait_until(lambda: (point / "f").stat().st_size == 15)


def test_what_it_makes_is_saved(emu, admin, request):
    prefix = request.node.name
    point = mount(emu, admin, prefix)
    (point / "f").write_bytes(b"abcdefgh")
    allocate(point / "f", 0, 8, 4)
    allocate(point / "f", KEEP_SIZE | PUNCH_HOLE, 2, 3)
    saved = emu.owner.get_object(Bucket=BUCKET, Key=f"{prefix}/f")["Body"].read()
    assert saved == b"ab\0\0\0fgh\0\0\0\0"


def test_a_file_written_while_it_is_synced_is_removed(emu, admin, request):
    prefix = request.node.name
    point = mount(emu, admin, prefix)
    for turn in range(20):
        folder = point / f"d{turn}"
        folder.mkdir()
        with open(folder / "f", "wb", buffering=0) as f:
            f.write(b"x" * (9 << 20))
            syncing = threading.Thread(target=os.fsync, args=(f.fileno(),))
            syncing.start()
            while syncing.is_alive():
                f.write(b"y")
            syncing.join()
        folder.rename(point / f"e{turn}")
        (point / f"e{turn}" / "f").unlink()
    assert admin.run("sync", point).returncode == 0
    assert keys(emu, prefix) == []

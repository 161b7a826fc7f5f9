"""The cache on disk through real mounts: what outlives a mount, and what never comes out of it."""
import os
import pathlib
import signal
import subprocess
import threading

import pytest
from mounting import AP_ARN, options, wait_until

SIZE = 6 * (1 << 20) + 12345


def content(seed):
    import random
    return random.Random(seed).randbytes(SIZE)


@pytest.fixture
def large(emu):
    data = content(1)
    emu.owner.put_object(Bucket="test-bucket-1", Key="cache/large", Body=data)
    emu.owner.put_object(Bucket="test-bucket-1", Key="cache/small", Body=b"small\n")
    return data


def mount(place, emu, *more):
    return place.mount(AP_ARN + "/cache", options(emu, "profile=demo", *more))


def gets(emu, key="cache/large"):
    return [r for r in emu.admin("GET", "requests")
            if r["operation"] == "GetObject" and r["key"] == key]


def read_and_keep(place, emu, data, *more):
    """Fills the cache by one mount."""
    point = mount(place, emu, *more)
    assert (point / "large").read_bytes() == data
    assert (point / "small").read_bytes() == b"small\n"
    wait_until(lambda: place.status(point)["cache"]["filled_bytes"] >= len(data) + 6)
    place.umount(point)
    emu.admin("DELETE", "requests")


def blocks_of(place, suffix):
    return list((place.dir / "cache" / "chunks").rglob(f"*{suffix}"))


CELL = 128 << 10


def fetched(emu):
    return sum(r["bytes"] for r in gets(emu))


def test_a_remount_proves_its_access_and_reads_the_rest_from_disk(emu, place, large):
    read_and_keep(place, emu, large)
    point = mount(place, emu)
    assert (point / "large").read_bytes() == large
    assert (point / "small").read_bytes() == b"small\n"
    assert len(gets(emu)) == 1 and fetched(emu) <= CELL
    assert place.status(point)["cache"]["hit_bytes"] >= SIZE - CELL
    assert (place.dir / "cache").stat().st_mode & 0o777 == 0o700


def test_what_is_denied_now_is_not_read_from_disk(emu, place, large):
    read_and_keep(place, emu, large)
    emu.admin("POST", "faults", {"operation": "GetObject", "key": "cache/*", "count": -1,
                                 "effect": "error", "status": 403, "code": "AccessDenied"})
    point = mount(place, emu)
    for name in ("large", "small"):
        with pytest.raises(PermissionError):
            (point / name).read_bytes()


def test_nothing_is_kept_where_it_is_turned_off(emu, place, large):
    point = mount(place, emu, "cache-size=0")
    assert (point / "large").read_bytes() == large
    assert place.status(point)["cache"] == {}
    assert not (place.dir / "cache").exists()


def test_a_replaced_object_is_never_served_from_disk(emu, place, large):
    read_and_keep(place, emu, large)
    other = content(2)
    emu.owner.put_object(Bucket="test-bucket-1", Key="cache/large", Body=other)
    point = mount(place, emu)
    assert (point / "large").read_bytes() == other


def test_replaced_under_an_open_reader_it_is_never_a_mix(emu, place, large):
    read_and_keep(place, emu, large)
    point = mount(place, emu)
    with open(point / "large", "rb", buffering=0) as f:
        first = f.read(1 << 16)
        assert first == large[:1 << 16]
        emu.owner.put_object(Bucket="test-bucket-1", Key="cache/large", Body=content(2))
        rest = b""
        try:
            while chunk := f.read(1 << 20):
                rest += chunk
        except OSError:
            pass
        assert large[1 << 16:].startswith(rest)


def test_damaged_blocks_are_fetched_again(emu, place, large):
    read_and_keep(place, emu, large)
    (path,) = blocks_of(place, ".d")
    with open(path, "r+b") as f:
        f.seek(3 << 20)
        byte = f.read(1)
        f.seek(3 << 20)
        f.write(bytes([byte[0] ^ 4]))
    point = mount(place, emu)
    assert (point / "large").read_bytes() == large
    assert len(gets(emu)) >= 1
    assert place.status(point)["cache"]["bad_blocks"] == 1


def test_two_mounts_share_a_directory(emu, place, large):
    first, second = mount(place, emu), mount(place, emu)
    results = []

    def read(point):
        results.append((point / "large").read_bytes() == large)
    threads = [threading.Thread(target=read, args=(p,)) for p in (first, second, first, second)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [True] * 4
    for point in (first, second):
        place.umount(point)
    emu.admin("DELETE", "requests")
    assert (mount(place, emu) / "large").read_bytes() == large
    assert fetched(emu) <= CELL


def test_a_killed_mount_leaves_a_cache_that_can_be_used(emu, place, large):
    point = mount(place, emu)
    pid = int(place.status(point)["pid"])
    assert (point / "large").read_bytes() == large
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}/maps").exists()
               or not pathlib.Path(f"/proc/{pid}/maps").read_bytes())
    subprocess.run(["umount", "-l", str(point)], check=True)
    place.mounts.remove(point)
    assert (mount(place, emu) / "large").read_bytes() == large


def test_cache_command(emu, place, large):
    read_and_keep(place, emu, large)
    where = place.dir / "cache"
    assert "2 objects" in place.run("cache", "stat", where).stdout
    sound = place.run("cache", "verify", where).stdout
    assert "50 blocks are sound, 0 were damaged" in sound
    point = mount(place, emu)
    assert "2 objects" in place.run("cache", "stat", point).stdout
    assert "removed" in place.run("cache", "clear", point).stdout
    assert blocks_of(place, ".m") == []
    assert (point / "large").read_bytes() == large
    assert place.run("cache", "burn").returncode == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a loop device")
def test_a_full_cache_disk_harms_nobody(emu, place, large):
    image, disk = place.dir / "image", place.dir / "disk"
    with open(image, "wb") as f:
        f.truncate(16 << 20)
    disk.mkdir()
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    done = subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=False)
    if done.returncode != 0:
        pytest.skip("no loop device")
    try:
        with open(disk / "filler", "wb") as f:
            f.write(bytes(9 << 20))
        point = mount(place, emu, f"cache-dir={disk}/cache", "cache-free=0")
        for _ in range(2):
            assert (point / "large").read_bytes() == large
            assert (point / "small").read_bytes() == b"small\n"
        wait_until(lambda: "cannot be written" in place.log()
                   or place.status(point)["cache"]["filled_bytes"] > 0)
        place.umount(point)
        point = mount(place, emu, f"cache-dir={disk}/cache")
        assert (point / "large").read_bytes() == large
        place.umount(point)
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_a_cache_directory_that_cannot_be_used_is_said_once(emu, place, large):
    point = mount(place, emu, "cache-dir=/proc/none")
    assert (point / "large").read_bytes() == large
    assert place.log().count("there is no cache on disk") == 1

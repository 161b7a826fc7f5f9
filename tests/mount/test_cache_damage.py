"""The cache on disk shared, damaged, full, capped, killed: the bytes are right always."""
import concurrent.futures
import errno
import itertools
import os
import pathlib
import random
import shutil
import subprocess
import time

import pytest
from mounting import AP_ARN, VARIANT, Place, options, wait_until
from patterns import READS, check_file, content

BUCKET = "test-bucket-1"
MIB = 1 << 20
SIZES = [0, 1, 5000, 131072, 131073, 3 * MIB + 17, 8 * MIB + 1, 17 * MIB + 5]
OPENS = 60 if VARIANT == "release" else 24


@pytest.fixture(scope="module")
def patterned(emu):
    contents = {f"{size}.bin": content(f"cached {size}", size) for size in SIZES}
    for name, body in contents.items():
        emu.owner.put_object(Bucket=BUCKET, Key=f"cached/{name}", Body=body)
    return contents


def with_admin(place):
    place.add_owner()
    place.cache = place.dir / "cache"
    return place


@pytest.fixture
def admin(place):
    return with_admin(place)


def mount(admin, emu, *more, prefix="cached", cache=None):
    return admin.mount(f"s3://{BUCKET}/{prefix}", options(
        emu, "profile=admin2", "path-style", f"cache-dir={cache or admin.cache}", *more))


def check_all(point, contents, opens=OPENS, ways=READS, seed=0):
    """Every file once from end to end, then many at once by every way."""
    for name, body in contents.items():
        assert (point / name).read_bytes() == body, name
    names = itertools.cycle(contents)
    jobs = [(seed + n, next(names)) for n in range(opens)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda j: check_file(point / j[1], contents[j[1]], j[0], ways), jobs))


def files_of(cache):
    return [p for p in pathlib.Path(cache).rglob("*") if p.is_file()]


def bytes_of(cache):
    return sum(p.stat().st_blocks * 512 for p in files_of(cache))


def settled(cache, seconds=30):
    """Waits until what is kept behind the readers has stopped to grow."""
    deadline = time.monotonic() + seconds
    last, since = -1, time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < 0.7:
        now = bytes_of(cache)
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def filled(emu, patterned):
    """A cache that earlier mounts filled. Blocks that the disk was too slow for were
    skipped, so it may take more than one."""
    place = with_admin(Place())
    total = sum(map(len, patterned.values()))
    for _ in range(10):
        point = mount(place, emu)
        for name, body in patterned.items():
            assert (point / name).read_bytes() == body
        settled(place.cache)
        place.umount(point)
        if bytes_of(place.cache) >= total:
            break
    assert bytes_of(place.cache) >= total
    yield place.cache
    place.close()


@pytest.fixture
def warm(admin, filled, emu):
    """This test's own copy of it."""
    shutil.copytree(filled, admin.cache)
    emu.admin("DELETE", "requests")
    return admin


def fetched(emu):
    return sum(r["bytes"] for r in emu.admin("GET", "requests") if r["operation"] == "GetObject")


def flip(path, chance):
    with open(path, "r+b") as f:
        for _ in range(3):
            at = chance.randrange(path.stat().st_size)
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ (1 << chance.randrange(8))]))


def shorten(path, chance):
    os.truncate(path, chance.randrange(path.stat().st_size))


def scribble(path, chance):
    path.write_bytes(chance.randbytes(path.stat().st_size // 2))


def swap(path, chance):
    """The content of another file of the cache, as after a mishap with a backup."""
    others = [p for p in path.parents[1].rglob("*") if p.is_file() and p.suffix == path.suffix]
    shutil.copyfile(chance.choice(others), path.with_name("swapped"))
    os.replace(path.with_name("swapped"), path)


@pytest.mark.parametrize("harm", [flip, shorten, scribble, swap, lambda p, _: p.unlink()],
                         ids=["flipped bits", "cut", "garbage", "another's", "gone"])
@pytest.mark.parametrize("which", [0, 1], ids=["some", "all"])
def test_damage_is_never_served(emu, warm, patterned, harm, which):
    """Every kind of harm to the files of a cache at rest."""
    chance = random.Random(which)
    harmed = [p for i, p in enumerate(sorted(files_of(warm.cache)))
              if p.stat().st_size > 0 and (which == 1 or i % 2 == 0)]
    assert harmed
    for path in harmed:
        harm(path, chance)
    check_all(mount(warm, emu), patterned, opens=8)


def test_damage_under_a_live_mount(emu, warm, patterned):
    """Bits that turn, and files that go, while the mount holds them open."""
    point = mount(warm, emu, "memory=16M")
    check_all(point, patterned, opens=8)
    chance = random.Random(5)
    for path in sorted(files_of(warm.cache)):
        if path.stat().st_size > 0:
            flip(path, chance)
    check_all(point, patterned, opens=16, seed=100)
    shutil.rmtree(warm.cache)
    check_all(point, patterned, opens=16, seed=200)


def test_two_mounts_share_a_cache(emu, admin, patterned):
    points = [mount(admin, emu, "memory=16M") for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda p: check_all(p[1], patterned, seed=p[0] * 1000), enumerate(points)))
    settled(admin.cache)
    for point in points:
        admin.umount(point)
    emu.admin("DELETE", "requests")
    check_all(mount(admin, emu), patterned, opens=8)
    assert fetched(emu) < sum(map(len, patterned.values())) / 10


def test_a_mount_killed_while_it_fills_the_cache(emu, admin, patterned):
    """Whatever stood on the disk at that moment: the next mount reads the right bytes."""
    for attempt in range(3):
        point = mount(admin, emu)
        pid = admin.status(point)["pid"]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(until_error, point / name, patterned[name])
                       for name in list(patterned)[-4:]]
            time.sleep(0.05 * (attempt + 1))
            os.kill(pid, 9)
            for r in readers:
                r.result(timeout=60)
        admin.umount(point)
        after = mount(admin, emu)
        check_all(after, patterned, opens=8, seed=attempt)
        admin.umount(after)
        if attempt == 1:
            shutil.rmtree(admin.cache)


def until_error(path, expected):
    try:
        with open(path, "rb", buffering=0) as f:
            at = 0
            while piece := f.read(100_000):
                assert piece == expected[at:at + len(piece)]
                at += len(piece)
    except OSError as e:
        assert e.errno in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO), e


def test_another_identity_gets_nothing_from_the_cache(emu, admin):
    """What the owner's mount kept is no way around a denial for somebody else."""
    body = content("for the owner", 2 * MIB)
    emu.owner.put_object(Bucket=BUCKET, Key="cached/owned", Body=body)
    point = mount(admin, emu)
    assert (point / "owned").read_bytes() == body
    settled(admin.cache)
    other = admin.mount(AP_ARN + "/cached", options(emu, "profile=demo", f"cache-dir={admin.cache}"))
    emu.admin("POST", "faults", {"operation": "GetObject", "key": "cached/owned", "effect": "error",
                                 "status": 403, "code": "AccessDenied"})
    with pytest.raises(PermissionError):
        (other / "owned").read_bytes()
    emu.admin("DELETE", "faults")
    emu.owner.delete_object(Bucket=BUCKET, Key="cached/owned")


def test_the_cap_is_kept(emu, admin, patterned):
    cap = 12 * MIB
    point = mount(admin, emu, f"cache-size={cap}", "memory=16M")
    largest = 0
    for seed in range(3):
        check_all(point, patterned, opens=8, seed=seed)
        settled(admin.cache)
        largest = max(largest, bytes_of(admin.cache))
    assert 0 < largest <= cap * 1.25, f"{largest >> 20} MiB in a cache of {cap >> 20}"


# --- a disk that is full --------------------------------------------------------------------------

@pytest.fixture
def small_disk(admin):
    """A file system of 24 MiB."""
    image, point = admin.dir / "image", admin.dir / "disk"
    with open(image, "wb") as f:
        f.truncate(24 * MIB)
    point.mkdir()
    made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=False, capture_output=True)
    if made.returncode == 0:
        made = subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=False,
                              capture_output=True)
    if made.returncode != 0:
        pytest.skip("no loop device can be mounted here: " + made.stderr.decode().strip())
    yield point
    for mounted in list(admin.mounts):
        admin.umount(mounted)
    subprocess.run(["umount", str(point)], check=True)


def test_a_full_disk_costs_nothing_but_speed(emu, admin, patterned, small_disk):
    """Smaller than what is read; then filled to the last byte by somebody else."""
    point = mount(admin, emu, "cache-free=0", "memory=16M", cache=small_disk / "cache")
    check_all(point, patterned)
    with open(small_disk / "other", "wb", buffering=0) as f, pytest.raises(OSError):
        while True:
            f.write(bytes(MIB))
    check_all(point, patterned, seed=1000)
    os.unlink(small_disk / "other")
    check_all(point, patterned, opens=8, seed=2000)


def test_what_has_to_stay_free_stays_free(emu, admin, patterned, small_disk):
    """While it fills, and when others take it: then an idle mount gives blocks back."""
    def free():
        fs = os.statvfs(small_disk)
        return fs.f_bavail * fs.f_frsize

    floor = free() // 2
    point = mount(admin, emu, f"cache-free={floor}", "memory=32M", cache=small_disk / "cache")
    for size in SIZES[:-1]:
        assert (point / f"{size}.bin").read_bytes() == patterned[f"{size}.bin"]
        assert free() > floor - MIB // 4, "folders take some"
    settled(small_disk / "cache")
    assert bytes_of(small_disk / "cache") > 4 * MIB
    assert free() > floor - MIB // 4
    with open(small_disk / "other", "wb") as f:
        f.write(bytes(free() - 4 * MIB))
        os.fsync(f.fileno())
    wait_until(lambda: free() >= floor, 30)
    check_all(point, patterned, opens=8)
    assert not admin.status(point)["cache"]["failing"]
    assert "cannot be written" not in admin.log()

"""Listings: big folders, walks, what they cost in requests and memory."""
import concurrent.futures
import hashlib
import os
import pathlib

import pytest
from lister import Lister
from mounting import VARIANT, wait_until


@pytest.fixture
def lister():
    """lister(keys, ...): a server, ended with the test."""
    made = []

    def start(*args, **more):
        made.append(Lister(*args, **more))
        return made[-1]
    yield start
    for one in made:
        one.stop()


def mount(place, server, *more, source="s3://bucket"):
    return place.mount(source, [f"endpoint-url={server.endpoint}", "region=us-east-1",
                                "profile=demo", "path-style", *more])


def digests(count):
    return [hashlib.md5(str(i).encode()).hexdigest() for i in range(count)]


FOLDERS = {
    "counting": [f"f{i:06}.csv" for i in range(12_345)],
    "counting folders": [f"d{i:05}/x" for i in range(5_000)],
    "counting with tails": [f"part-{i:05}-{d}.parquet" for i, d in enumerate(digests(6_000))],
    "digests": digests(14_000),
    "with holes": [f"n{i:06}" for i in range(9_000) if i % 997 > 3],
    "small": [f"s{i}" for i in range(1_500)],
}


@pytest.mark.parametrize("names", FOLDERS.values(), ids=FOLDERS.keys())
def test_a_big_folder_is_whole_and_costs_its_pages(place, lister, names):
    server = lister([f"top/{n}" for n in names], delay=0.005)
    point = mount(place, server)
    seen = os.listdir(point / "top")
    assert sorted(seen) == sorted(n.partition("/")[0] for n in names)
    place.umount(point)  # what is under way ends
    assert len(server.lists("top/")) <= -(-len(names) // 1000) + 2
    assert not [r for r in server.requests if r["method"] == "HEAD" and r["key"] != "top"]


def test_large_folders_are_listed_ahead_of_who_walks(place, lister):
    """As a loader of a data set does that has a folder for each class."""
    server = lister([f"top/class{d:03}/f{f:04}" for d in range(24) for f in range(600)], delay=0.1)
    point = mount(place, server)
    seen = {os.path.basename(d): len(files) for d, _, files in os.walk(point / "top") if files}
    assert seen == {f"class{d:03}": 600 for d in range(24)}
    assert server.most > 4
    place.umount(point)
    assert len(server.lists("top/")) <= 24 + 2
    assert not [r for r in server.requests if r["method"] == "HEAD" and r["key"] != "top"]


def test_large_folders_are_not_listed_ahead_of_who_picks_some(place, lister):
    server = lister([f"top/class{d:03}/f{f:04}" for d in range(24) for f in range(600)])
    point = mount(place, server)
    for d in (20, 3, 11, 3, 7):
        assert len(os.listdir(point / "top" / f"class{d:03}")) == 600
    place.umount(point)
    below = {r["prefix"] for r in server.lists("top/class")}
    assert below == {f"top/class{d:03}/" for d in (3, 7, 11, 20)}


@pytest.mark.parametrize("kind", ["counting", "digests"])
def test_its_pages_are_asked_for_side_by_side(place, lister, kind):
    server = lister([f"top/{n}" for n in FOLDERS[kind]], delay=0.2)
    point = mount(place, server)
    assert len(os.listdir(point / "top")) == len(FOLDERS[kind])
    assert server.most == 3


def test_a_server_that_cannot_start_within(place, lister):
    """It ignores start-after: that is noticed, and said of the whole source."""
    names = FOLDERS["counting"]
    server = lister([f"{top}/{n}" for top in "ab" for n in names], start_after=False)
    point = mount(place, server)
    assert sorted(os.listdir(point / "a")) == names
    assert sorted(os.listdir(point / "b")) == names
    assert not [r for r in server.lists("b/") if "start-after" in r["query"]]


def test_a_reader_that_stops(place, lister):
    server = lister([f"top/{n}" for n in FOLDERS["digests"]], delay=0.02)
    point = mount(place, server)
    with os.scandir(point / "top") as entries:
        for _ in range(10):
            next(entries)
    place.umount(point)
    assert len(server.lists("top/")) <= 4


def anonymous(pid):
    """Bytes of memory that the process has for itself."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def test_names_beyond_their_share_of_memory_are_dropped(place, lister):
    """A quarter of 16 MiB holds less than 20,000 of them."""
    server = lister([f"top/{i:05}" for i in range(50_000)])
    point = mount(place, server, "memory=16M")
    with (point / "top" / "00007").open("rb") as held:
        with os.scandir(point / "top") as entries:
            assert sum(e.stat().st_nlink > 0 for e in entries) == 50_000
        wait_until(lambda: place.status(point)["inodes"] < 20_000)
        assert os.readlink(f"/proc/self/fd/{held.fileno()}") == str(point / "top" / "00007")
        assert os.stat(held.fileno()).st_ino == (point / "top" / "00007").stat().st_ino
    assert (point / "top" / "49999").stat().st_size == (point / "top" / "00000").stat().st_size


@pytest.mark.skipif(VARIANT != "release", reason="sanitizers keep memory of their own")
def test_100000_names_in_32_mib(place, lister):
    server = lister([f"top/{i:06}" for i in range(100_000)])
    point = mount(place, server)
    pid = place.status(point)["pid"]
    before = anonymous(pid)
    with os.scandir(point / "top") as entries:
        assert sum(e.stat().st_nlink > 0 for e in entries) == 100_000
    wait_until(lambda: anonymous(pid) - before <= 32 << 20)  # without the replies that were just taken apart


# --- over a remount -------------------------------------------------------------------------------

NAMES = ["a", "b", "c", "sub/x"]


def shelf(place):
    return [p for p in (place.dir / "cache" / "listings").iterdir() if len(p.name) == 32]


def remount(place, point, server, *more):
    """What was listed is kept first."""
    place.umount(point)
    assert shelf(place)
    server.requests.clear()
    return mount(place, server, *more)


def in_time(work):
    """The result of work(), which must not wait for anything that does not come."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(timeout=60)


def test_a_remount_answers_without_a_list(place, lister):
    server = lister([f"top/{n}" for n in NAMES])
    point = mount(place, server)
    assert sorted(os.listdir(point)) == ["top"]
    assert sorted(os.listdir(point / "top")) == ["a", "b", "c", "sub"]
    point = remount(place, point, server)
    server.gate.clear()
    assert sorted(in_time(lambda: os.listdir(point / "top"))) == ["a", "b", "c", "sub"]
    assert in_time(lambda: os.listdir(point)) == ["top"]
    server.gate.set()
    wait_until(lambda: server.lists("top/"))  # and asks behind


def test_a_remount_answers_for_a_large_folder(place, lister):
    server = lister([f"top/image-{i:07}.jpg" for i in range(100_000)])
    point = mount(place, server)
    assert len(os.listdir(point / "top")) == 100_000
    point = remount(place, point, server)
    server.gate.clear()
    assert len(in_time(lambda: os.listdir(point / "top"))) == 100_000
    server.keys[77_777] += ".gone"
    assert os.path.exists(point / "top" / "image-0077777.jpg")
    server.gate.set()
    wait_until(lambda: not os.path.exists(point / "top" / "image-0077777.jpg"), 60)


def test_many_folders_are_asked_for_as_a_walk(place, lister):
    server = lister([f"top/d{d:02}/f{f:03}" for d in range(20) for f in range(100)])
    point = mount(place, server)
    seen = sorted(d for d, _, _ in os.walk(point))
    point = remount(place, point, server)
    server.gate.clear()
    assert in_time(lambda: sorted(d for d, _, _ in os.walk(point))) == \
        [d.replace("mnt0", "mnt1") if "mnt1" in str(point) else d for d in seen]
    server.gate.set()
    wait_until(lambda: len(server.lists()) >= 4)
    place.umount(point)
    assert len(server.lists()) <= 6


def test_what_changed_meanwhile_is_seen(place, lister):
    server = lister([f"top/{n}" for n in NAMES])
    point = mount(place, server)
    os.listdir(point)
    os.listdir(point / "top")
    server.keys = ["top/a", "top/b", "top/new", "top/sub/x"]
    point = remount(place, point, server)
    server.gate.clear()
    top = point / "top"
    assert sorted(in_time(lambda: os.listdir(top))) == ["a", "b", "c", "sub"]
    assert os.path.exists(top / "c")  # the kernel believes it, too
    server.gate.set()
    wait_until(lambda: not os.path.exists(top / "c"), 8)  # sooner than what is kept would end
    assert sorted(os.listdir(top)) == ["a", "b", "new", "sub"]


def test_what_is_denied_now_is_shown_no_more(place, lister):
    server = lister([f"top/{n}" for n in NAMES])
    point = mount(place, server)
    os.listdir(point)
    os.listdir(point / "top")
    point = remount(place, point, server)
    server.denied = "top/"

    def denied():
        try:
            return os.listdir(point / "top") is None
        except PermissionError:
            return True
    wait_until(denied)
    wait_until(lambda: len(shelf(place)) == 1)


def test_nothing_is_shown_where_the_mount_may_not_list(place, lister):
    server = lister([f"top/{n}" for n in NAMES])
    point = mount(place, server)
    assert os.listdir(point) == ["top"] and os.listdir(point / "top")
    server.denied = ""
    point = remount(place, point, server)
    for folder in (point, point / "top"):
        with pytest.raises(PermissionError):
            os.listdir(folder)


@pytest.mark.parametrize("at", [0, 9, 30, -1])
def test_a_damaged_file_is_harmless(place, lister, at):
    server = lister([f"top/{n}" for n in NAMES])
    point = mount(place, server)
    os.listdir(point / "top")
    place.umount(point)
    for path in shelf(place):
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)
    server.requests.clear()
    point = mount(place, server)
    assert sorted(os.listdir(point / "top")) == ["a", "b", "c", "sub"]
    asked = [r for r in server.requests if r["method"] == "GET" and r["prefix"] == "top/"]
    assert len(asked) == 1, "that of the look-up, which shows all of it"


def test_no_listing_is_kept_without_a_ttl_or_a_cache(place, lister):
    server = lister([f"top/{n}" for n in NAMES])
    for option in ("metadata-ttl=0", "cache-size=0"):
        point = mount(place, server, option)
        os.listdir(point / "top")
        place.umount(point)
    listings = place.dir / "cache" / "listings"
    assert not listings.exists() or not list(listings.iterdir())


def test_clearing_the_cache_clears_listings(place, lister):
    server = lister([f"top/{n}" for n in NAMES])
    point = mount(place, server)
    os.listdir(point / "top")
    place.umount(point)
    assert shelf(place)
    assert place.run("cache", "clear", place.dir / "cache").returncode == 0
    assert not shelf(place)

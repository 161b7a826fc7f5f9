"""Listings: big folders, walks, what they cost in requests and memory."""
import hashlib
import os

import pytest
from lister import Lister


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

"""A folder of small files, more than memory holds, that is read through more than once."""
import os
import time

import pytest
from mounting import options, wait_until
from test_reading import at_once

BUCKET = "test-bucket-1"
COUNT = 150
SIZE = 120_000  # all of a file is its first cell
HELD = 16 << 20  # no less than memory holds


@pytest.fixture(scope="module")
def bodies(emu):
    contents = {f"{n:03}": os.urandom(SIZE) for n in range(COUNT)}
    at_once(lambda n: emu.owner.put_object(Bucket=BUCKET, Key=f"pass/{n}", Body=contents[n]), contents)
    return contents


def mount(place, emu, *more):
    return place.mount(f"s3://{BUCKET}/pass",
                       options(emu, "profile=admin2", "path-style", "memory=16M", *more))


def read_through(point, bodies):
    for name, body in bodies.items():
        with open(point / name, "rb") as f:
            assert f.read() == body
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def asked(emu):
    return [r["key"] for r in emu.admin("GET", "requests") if r["operation"] == "GetObject"]


def read_and_keep(place, emu, point, bodies):
    os.listdir(point)
    read_through(point, bodies)
    assert len(asked(emu)) == COUNT
    wait_until(lambda: place.status(point)["cache"]["filled_bytes"] == COUNT * SIZE)
    emu.admin("DELETE", "requests")


def deny(emu, key):
    emu.admin("POST", "faults", {"operation": "GetObject", "key": key, "count": -1,
                                 "effect": "error", "status": 403, "code": "AccessDenied"})


def test_what_was_proved_lately_is_read_from_disk(emu, admin, bodies):
    point = mount(admin, emu, "metadata-ttl=1h")
    read_and_keep(admin, emu, point, bodies)
    for number in (1, 2):
        read_through(point, bodies)
        assert asked(emu) == []
        assert admin.status(point)["cache"]["hit_bytes"] >= number * (COUNT * SIZE - HELD)


def test_a_right_that_was_taken_counts_for_metadata_ttl(emu, admin, bodies):
    """The first file is out of memory each time, and on disk."""
    point = mount(admin, emu, "metadata-ttl=1h")
    read_and_keep(admin, emu, point, bodies)
    deny(emu, "pass/*")
    assert (point / "000").read_bytes() == bodies["000"]
    assert asked(emu) == []


def test_a_right_that_was_taken_before_is_noticed(emu, admin, bodies):
    point = mount(admin, emu, "metadata-ttl=1s")
    read_and_keep(admin, emu, point, bodies)
    deny(emu, "pass/*")
    time.sleep(1.1)
    with pytest.raises(PermissionError):
        (point / "000").read_bytes()
    assert "pass/000" in asked(emu)


def test_a_version_that_was_replaced_is_noticed(emu, admin, bodies):
    point = mount(admin, emu, "metadata-ttl=1s")
    read_and_keep(admin, emu, point, bodies)
    emu.owner.put_object(Bucket=BUCKET, Key="pass/000", Body=bodies["001"])
    time.sleep(1.1)
    assert (point / "000").read_bytes() == bodies["001"]
    emu.owner.put_object(Bucket=BUCKET, Key="pass/000", Body=bodies["000"])


def test_without_a_disk_each_pass_fetches_ahead(emu, admin, bodies):
    """Many are asked for before the first answer comes, and each file once."""
    point = mount(admin, emu, "cache-size=0", "metadata-ttl=1h")
    os.listdir(point)
    for _ in range(3):
        emu.admin("DELETE", "requests")
        read_through(point, {n: bodies[n] for n in list(bodies)[:8]})
        wait_until(lambda: len(asked(emu)) > 16)
        read_through(point, {n: bodies[n] for n in list(bodies)[8:]})
        assert sorted(asked(emu)) == sorted(set(asked(emu)))

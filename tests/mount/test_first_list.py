"""The LIST that every mount begins with is not asked twice."""
import os

import pytest
from mounting import options, wait_until

BUCKET = "test-bucket-1"


@pytest.fixture(scope="module", autouse=True)
def folders(emu):
    for key in ("first/d/sub/f", "first/e/f", "first/g"):
        emu.owner.put_object(Bucket=BUCKET, Key=key, Body=b"x")


def mount(emu, admin, *words):
    point = admin.mount(f"s3://{BUCKET}/first", options(emu, "profile=admin2", *words))
    emu.admin("DELETE", "requests")
    return point


def requests(emu):
    return [r["operation"] for r in emu.admin("GET", "requests")]


def test_folders_that_it_showed_are_found_without_a_request(emu, admin):
    point = mount(emu, admin)
    assert (point / "d").is_dir() and (point / "e").is_dir()
    assert requests(emu) == []
    assert (point / "g").is_file()
    assert requests(emu).count("HeadObject") == 1  # a LIST does not tell whether it is a link


def test_who_opens_the_root_gets_what_is_there_then(emu, admin):
    point = mount(emu, admin)
    emu.owner.put_object(Bucket=BUCKET, Key="first/new", Body=b"x")
    try:
        assert sorted(os.listdir(point)) == ["d", "e", "g", "new"]
    finally:
        emu.owner.delete_object(Bucket=BUCKET, Key="first/new")


@pytest.mark.parametrize("how", ["consistency=close-to-open", "metadata-ttl=0"])
def test_it_is_not_used_where_nothing_may_be_old(emu, admin, how):
    emu.owner.put_object(Bucket=BUCKET, Key="first/gone/f", Body=b"x")
    point = mount(emu, admin, how)
    emu.owner.delete_object(Bucket=BUCKET, Key="first/gone/f")
    assert not (point / "gone").exists()


def test_it_gets_old(emu, admin):
    emu.owner.put_object(Bucket=BUCKET, Key="first/gone/f", Body=b"x")
    point = mount(emu, admin, "metadata-ttl=2")
    emu.owner.delete_object(Bucket=BUCKET, Key="first/gone/f")
    wait_until(lambda: not (point / "gone").exists())


def test_what_an_earlier_mount_owed_is_not_overlooked(emu, admin):
    """Its removal of a folder's last file comes after that LIST."""
    state = f"state-dir={admin.dir}/owing"
    emu.owner.put_object(Bucket=BUCKET, Key="first/owed/f", Body=b"x")
    point = mount(emu, admin, state, "writeback")
    (point / "first-change").touch()
    os.remove(point / "first-change")
    emu.admin("POST", "faults", {"operation": "DeleteObject*", "effect": "error", "status": 503,
                                 "code": "SlowDown", "count": -1})
    os.remove(point / "owed" / "f")
    os.rmdir(point / "owed") if (point / "owed").exists() else None
    admin.kill(point)
    emu.admin("DELETE", "faults")
    point = mount(emu, admin, state, "writeback")
    assert not (point / "owed").exists()

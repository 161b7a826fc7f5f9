"""Many directories in one configuration: one mount, and no storm of requests."""
import collections
import os

from mounting import GRANTS_BUCKET

COUNT = 1000
PROBERS = 16  # more ask for keys at once at no time


def requests(emu):
    return collections.Counter(r["operation"] for r in emu.admin("GET", "requests"))


def threads(place, point):
    return len(os.listdir(f"/proc/{place.status(point)['pid']}/task"))


def test_a_thousand_directories_below_one_grant(emu, place):
    """003-M13: they start without a storm of requests."""
    words = ["access = grants", "profile = usera", "path-style = yes", "account = 333333333333"]
    source = place.config(emu, {f"d{i:04}": [f"source = s3://{GRANTS_BUCKET}/Product/p{i}", *words]
                                for i in range(COUNT)})
    emu.grants_owner.put_object(Bucket=GRANTS_BUCKET, Key="Product/p777/here", Body=b"found\n")
    emu.admin("DELETE", "requests")
    point = place.mount(source)
    asked = requests(emu)
    assert asked["ListObjectsV2"] <= COUNT
    assert asked["GetDataAccess"] <= PROBERS, "one grant serves them all"
    assert sorted(os.listdir(point)) == [f"d{i:04}" for i in range(COUNT)]
    for i in range(COUNT):
        os.stat(point / f"d{i:04}")
    assert (point / "d0777" / "here").read_bytes() == b"found\n"
    later = requests(emu)
    assert later["GetDataAccess"] == asked["GetDataAccess"]
    assert sum(later.values()) <= sum(asked.values()) + 4, later
    assert len(place.status(point)["directories"]) == COUNT
    assert threads(place, point) < 100

"""Sources that vanish under a live mount and come back: an errno that says so, the others untouched, no remount."""
import errno
import os

import pytest
from emulator import ADMINS, Emulator
from mounting import AP_ARN, wait_until

OWNER = "222222222222"
BUCKET = "test-bucket-1"
KEYS = ("one", "sub/two")


@pytest.fixture
def world():
    instance = Emulator()
    instance.s3 = instance.client(ADMINS[OWNER], s3={"addressing_style": "path"})
    instance.control = instance.client(ADMINS[OWNER], "s3control")
    fill(instance)
    yield instance
    instance.stop()


def fill(emu):
    for key in KEYS:
        emu.s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())


def empty_and_delete(emu):
    for o in emu.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        emu.s3.delete_object(Bucket=BUCKET, Key=o["Key"])
    emu.s3.delete_bucket(Bucket=BUCKET)


def outcome(call, *args):
    try:
        return call(*args)
    except OSError as e:
        return e.errno


@pytest.fixture
def point(world, place):
    """Three directories; the third is of another bucket."""
    place.add_owner()
    world.s3.create_bucket(Bucket="stays")
    world.s3.put_object(Bucket="stays", Key="here", Body=b"here")
    words = ["profile = admin2", "metadata-ttl = 0", "negative-ttl = 0", "path-style = yes"]
    point = place.mount(place.config(world, {"ap": [f"source = {AP_ARN}", "profile = demo", *words[1:3]],
                                           "bucket": [f"source = s3://{BUCKET}", *words],
                                           "stays": ["source = s3://stays", *words]}))
    assert (point / "ap" / "one").read_bytes() == (point / "bucket" / "one").read_bytes() == b"one"
    return point


def gone(call, *args):
    assert outcome(call, *args) == errno.ENODEV


def test_an_access_point_goes_and_comes(world, place, point):
    policy = world.control.get_access_point_policy(AccountId=OWNER, Name="test-ap-1")["Policy"]
    world.control.delete_access_point(AccountId=OWNER, Name="test-ap-1")
    for path in KEYS:
        gone((point / "ap" / path).read_bytes)
    gone(os.listdir, point / "ap")
    assert "NoSuchAccessPoint" in place.log()
    assert (point / "bucket" / "sub" / "two").read_bytes() == b"sub/two" and os.listdir(point / "stays") == ["here"]
    world.control.create_access_point(AccountId=OWNER, Name="test-ap-1", Bucket=BUCKET)
    world.control.put_access_point_policy(AccountId=OWNER, Name="test-ap-1", Policy=policy)
    wait_until(lambda: outcome((point / "ap" / "sub" / "two").read_bytes) == b"sub/two")


def test_a_bucket_goes_and_comes(world, place, point):
    with open(point / "bucket" / "sub" / "two", "rb", buffering=0) as f:
        empty_and_delete(world)
        assert outcome(os.pread, f.fileno(), 3, 0) in (errno.ENOENT, errno.ENODEV, errno.ESTALE)
    for path in KEYS:
        gone((point / "bucket" / path).read_bytes)
    gone(os.listdir, point / "bucket")
    gone((point / "bucket" / "new").write_bytes, b"x")
    assert "NoSuchBucket" in place.log()
    assert os.listdir(point / "stays") == ["here"]
    world.s3.create_bucket(Bucket=BUCKET)
    fill(world)
    wait_until(lambda: outcome((point / "bucket" / "sub" / "two").read_bytes) == b"sub/two")
    assert place.status(point)["pending"] == []

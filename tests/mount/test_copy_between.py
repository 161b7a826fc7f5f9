"""copy_file_range and cp from one source of a mount to another: by the service, signed by the target's identity."""
import errno
import os
import random
import subprocess

import pytest
from emulator import Emulator

ACCOUNT = "222222222222"
ADMIN = ("AKIACOPYADMIN0000001", "administrator/of/copies/222222222222")
READER = ("AKIACOPYREADER000001", "reader/of/copies/222222222222/000000")
WRITER = ("AKIACOPYWRITER000001", "writer/of/copies/222222222222/000000")
SIZE = 3 << 20


def arn(name, region="us-east-1"):
    return f"arn:aws:s3:{region}:{ACCOUNT}:accesspoint/{name}-ap"


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*names):
    """Everything in these buckets through the access points of their names."""
    return {"Effect": "Allow", "Action": "s3:*", "Resource": [
        r for n in names for r in (f"arn:aws:s3:::{n}-bucket", f"arn:aws:s3:::{n}-bucket/*",
                                   f"arn:aws:s3:*:{ACCOUNT}:accesspoint/{n}-ap",
                                   f"arn:aws:s3:*:{ACCOUNT}:accesspoint/{n}-ap/*")]}


def user(name, keys, *statements):
    return {"name": name, "access-keys": [{"id": keys[0], "secret": keys[1]}],
            "policies": {"all": policy(*statements)}}


def world():
    private = {"Effect": "Deny", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/writer"},
               "Action": "s3:GetObject", "Resource": f"{arn('from')}/object/private/*"}
    return {
        "region": "us-east-1",
        "accounts": [{"id": ACCOUNT, "users": [
            user("admin", ADMIN, {"Effect": "Allow", "Action": "*", "Resource": "*"}),
            user("reader", READER, allow("from", "far")),
            user("writer", WRITER, allow("from", "far", "to")),
        ]}],
        "buckets": [{"name": "from-bucket", "account": ACCOUNT},
                    {"name": "to-bucket", "account": ACCOUNT},
                    {"name": "far-bucket", "account": ACCOUNT, "region": "eu-west-3"}],
        "access-points": [
            {"name": "from-ap", "account": ACCOUNT, "bucket": "from-bucket",
             "policy": policy(private)},
            {"name": "to-ap", "account": ACCOUNT, "bucket": "to-bucket"},
            {"name": "far-ap", "account": ACCOUNT, "bucket": "far-bucket", "region": "eu-west-3"},
        ],
    }


@pytest.fixture(scope="module")
def aws():
    instance = Emulator(world())
    instance.admin_client = instance.client(ADMIN, s3={"addressing_style": "path"})
    yield instance
    instance.stop()


@pytest.fixture
def point(aws, place):
    place.add_profile("reader", READER)
    place.add_profile("writer", WRITER)
    config = place.config(aws, {
        "from": [f"source={arn('from')}", "profile=reader"],
        "bucket": ["source=s3://from-bucket/shared", "profile=reader"],
        "far": [f"source={arn('far', 'eu-west-3')}", "profile=reader"],
        "to": [f"source={arn('to')}/work", "profile=writer"],
    })
    where = place.mount(config)
    yield where


def put(aws, key, seed, bucket="from-bucket", **more):
    data = random.Random(seed).randbytes(SIZE)
    aws.admin_client.put_object(Bucket=bucket, Key=key, Body=data, **more)
    return data


def body(aws, key):
    return aws.admin_client.get_object(Bucket="to-bucket", Key=f"work/{key}")["Body"].read()


def copy(src, dst):
    """copy_file_range as cp uses it; the kernel reads and writes where the mount cannot."""
    with open(src, "rb", buffering=0) as a, open(dst, "wb", buffering=0) as b:
        left = os.fstat(a.fileno()).st_size
        while left > 0:
            done = os.copy_file_range(a.fileno(), b.fileno(), left)
            assert done > 0
            left -= done


def copies(aws):
    """But those that ask which conditions the server honours."""
    return [r for r in aws.admin("GET", "requests")
            if r["operation"] == "CopyObject" and ".s3apfs-probe-" not in str(r)]


def moved(aws):
    return sum(r["received"] for r in aws.admin("GET", "requests"))


@pytest.mark.parametrize("folder", ["from/shared", "bucket"])
def test_no_bytes_move(aws, point, folder):
    """000-M9: a copy between two access points is one request."""
    name = f"a b+ü {folder[:4]}"
    data = put(aws, f"shared/{name}", 1, Tagging="whose=theirs")
    aws.admin("DELETE", "requests")
    copy(point / folder / name, point / "to" / name)
    assert [r["status"] for r in copies(aws)] == [200]
    assert {r["access_key_id"] for r in copies(aws)} == {WRITER[0]}
    assert moved(aws) < 1 << 18
    assert body(aws, name) == data
    assert (point / "to" / name).read_bytes() == data
    tags = aws.admin_client.get_object_tagging(Bucket="to-bucket", Key=f"work/{name}")["TagSet"]
    assert tags == []  # as with reading and writing


def test_cp_of_a_folder(aws, point):
    data = {f"shared/tree/{i % 3}/f{i}": put(aws, f"shared/tree/{i % 3}/f{i}", i) for i in range(6)}
    aws.admin("DELETE", "requests")
    subprocess.run(["cp", "-r", point / "from" / "shared" / "tree", point / "to" / "tree"],
                   check=True, timeout=120)
    assert len(copies(aws)) == 6 and moved(aws) < 1 << 18
    for key, content in data.items():
        assert body(aws, key.removeprefix("shared/")) == content


def test_what_the_target_may_not_read_is_read_by_the_source(aws, point):
    first, second = put(aws, "private/one", 11), put(aws, "private/two", 12)
    aws.admin("DELETE", "requests")
    copy(point / "from" / "private" / "one", point / "to" / "one")
    copy(point / "from" / "private" / "two", point / "to" / "two")
    assert [r["status"] for r in copies(aws)] == [403]  # and not asked again for each file
    assert {r["access_key_id"] for r in copies(aws)} == {WRITER[0]}
    assert body(aws, "one") == first and body(aws, "two") == second
    wrote = [r for r in aws.admin("GET", "requests") if r["operation"] == "PutObject"]
    assert {r["access_key_id"] for r in wrote} == {WRITER[0]}


def test_another_region_is_not_asked(aws, point):
    data = put(aws, "f", 21, bucket="far-bucket")
    aws.admin("DELETE", "requests")
    copy(point / "far" / "f", point / "to" / "far")
    assert copies(aws) == [] and body(aws, "far") == data


def test_another_version_is_not_copied(aws, point):
    """What was read of before stays that version, as it does without a copy by the service."""
    old = put(aws, "shared/changing", 31)
    with open(point / "from" / "shared" / "changing", "rb", buffering=0) as a:
        assert a.read(1) == old[:1]
        put(aws, "shared/changing", 32)
        aws.admin("DELETE", "requests")
        with open(point / "to" / "changing", "wb", buffering=0) as b, \
                pytest.raises(OSError) as refused:
            at = 0
            while at < SIZE:
                at += os.copy_file_range(a.fileno(), b.fileno(), SIZE - at, at, at)
    assert refused.value.errno == errno.ESTALE
    assert [r["status"] for r in copies(aws)] == [412]
    assert old.startswith(body(aws, "changing"))


def test_the_store_decides_by_the_target(aws, point):
    """One server-side copy needs s3:GetObject of the source's access point by who writes."""
    put(aws, "private/direct", 41)
    put(aws, "shared/direct", 42)
    writer = aws.client(WRITER, s3={"addressing_style": "path"})
    ask = {"Bucket": arn("to"), "Key": "work/direct"}
    writer.copy_object(CopySource={"Bucket": arn("from"), "Key": "shared/direct"}, **ask)
    with pytest.raises(writer.exceptions.ClientError) as refused:
        writer.copy_object(CopySource={"Bucket": arn("from"), "Key": "private/direct"}, **ask)
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    reader = aws.client(READER, s3={"addressing_style": "path"})
    with pytest.raises(reader.exceptions.ClientError) as refused:
        reader.copy_object(CopySource={"Bucket": arn("from"), "Key": "shared/direct"}, **ask)
    assert refused.value.response["Error"]["Code"] == "AccessDenied"

"""Targets beyond buckets and general access points, by clients that know how AWS addresses them.

The emulator stands behind TLS under AWS's own host names; boto3 resolves them to it.
"""
import json
import pathlib
import sys

import emulator as support
import pytest
import targets
from targets import (ADMIN, BUCKET, DIRECTORY, DIRECTORY_AP, FAR_AP, FAR_BUCKET, FSX_ALIAS, MRAP,
                     OUTPOSTS_ALIAS, OUTPOSTS_AP, STRANGER, VPC_AP, lambda_arn)
from scenario import refused
from test_js import node  # noqa: F401

AWS = pathlib.Path(sys.executable).parent / "aws"


@pytest.fixture(autouse=True)
def undisturbed():
    """Tests here put back what they change."""


@pytest.fixture(scope="module")
def cert(tmp_path_factory):
    return targets.certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(cert):
    e = support.Emulator(targets.world(), tls=cert)
    with targets.everything_is_here(e.port):
        yield e
    e.stop()


@pytest.fixture(scope="module")
def s3(secure, cert):
    client = targets.client(cert=cert[0])
    client.put_object(Bucket=BUCKET, Key="a/x", Body=b"bytes of x")
    return client


@pytest.fixture(scope="module")
def emulator():
    """Without TLS, under localhost: for clients in processes of their own."""
    e = support.Emulator(targets.world())
    yield e
    e.stop()


def read(client, bucket, key="a/x", **more):
    return client.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def keys(client, bucket, **more):
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, **more)
    return [o["Key"] for page in pages for o in page.get("Contents", [])]


def test_multi_region_access_point_takes_sigv4a_only(s3, cert):
    pytest.importorskip("awscrt", reason="awscrt (SigV4a) is not installed")
    assert read(s3, MRAP) == b"bytes of x" and keys(s3, MRAP) == ["a/x"]
    s3.put_object(Bucket=MRAP, Key="b", Body=b"b")
    s3.delete_object(Bucket=MRAP, Key="b")
    with refused("MethodNotAllowed", status=405):
        s3.delete_objects(Bucket=MRAP, Delete={"Objects": [{"Key": "b"}]})
    plain = targets.client(cert=cert[0], signature_version="s3v4")
    with refused("InvalidRequest", "AWS4-ECDSA-P256-SHA256", status=400):
        plain.get_object(Bucket=MRAP, Key="a/x")
    with refused("SignatureDoesNotMatch"):
        targets.client((ADMIN[0], "wrong"), cert[0]).get_object(Bucket=MRAP, Key="a/x")
    with refused("AccessDenied"):
        targets.client(STRANGER, cert[0]).get_object(Bucket=MRAP, Key="a/x")


def test_object_lambda(s3, cert):
    assert read(s3, lambda_arn("upper")) == b"BYTES OF X"
    assert keys(s3, lambda_arn("upper")) == ["a/x"]
    with refused("NotImplemented", status=501):
        read(s3, lambda_arn("upper"), Range="bytes=0-1")
    assert read(s3, lambda_arn("ranged"), Range="bytes=6-7") == b"OF"
    hidden = s3.get_object(Bucket=lambda_arn("twice"), Key="a/x")
    assert "ContentLength" not in hidden and hidden["Body"].read() == b"bytes of x" * 2
    assert s3.head_object(Bucket=lambda_arn("twice"), Key="a/x")["ContentLength"] == 10
    with refused("AccessDenied"):
        targets.client(STRANGER, cert[0]).get_object(Bucket=lambda_arn("upper"), Key="a/x")


def test_outposts_by_arn_and_by_alias(s3):
    for name in (OUTPOSTS_AP, OUTPOSTS_ALIAS):
        assert read(s3, name) == b"bytes of x" and keys(s3, name) == ["a/x"]


def test_other_regions(s3, secure):
    s3.put_object(Bucket=FAR_AP, Key="far", Body=b"far")  # the ARN's Region, not the client's
    assert keys(s3, FAR_AP) == ["far"]
    assert keys(s3, FAR_BUCKET) == ["far"]  # redirected


def test_vpc_only_access_point(s3, emulator):
    with refused("AccessDenied"):
        s3.get_object(Bucket=VPC_AP, Key="a/x")


def test_file_system_access_point_lacks_operations(s3):
    assert read(s3, FSX_ALIAS) == b"bytes of x"
    with refused("MethodNotAllowed", status=405):
        s3.get_bucket_policy(Bucket=FSX_ALIAS)


@pytest.mark.parametrize("name", [DIRECTORY, DIRECTORY_AP])
def test_directory_bucket_by_session(s3, cert, name):
    for i in range(25):
        s3.put_object(Bucket=name, Key=f"d/{i:02}", Body=b"%d" % i)
    assert read(s3, name, "d/07") == b"7"
    listed = keys(s3, name, Prefix="d/", MaxKeys=10)
    assert listed != sorted(listed) and len(listed) == 25 and len(set(listed)) == 25
    folders = s3.list_objects_v2(Bucket=name, Delimiter="/")["CommonPrefixes"]
    assert folders == [{"Prefix": "d/"}]
    with refused("InvalidRequest", "prefix", status=400):
        s3.list_objects_v2(Bucket=name, Prefix="d")
    with refused("InvalidRequest", "delimiter", status=400):
        s3.list_objects_v2(Bucket=name, Prefix="d/", Delimiter="0")
    with refused("NotImplemented", status=501):
        s3.list_objects_v2(Bucket=name, StartAfter="d/")
    with refused("NotImplemented", status=501):
        s3.get_object_tagging(Bucket=name, Key="d/07")
    with refused("AccessDenied"):
        targets.client(STRANGER, cert[0]).get_object(Bucket=name, Key="d/07")
    s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": k} for k in listed]})
    assert keys(s3, name) == []


@pytest.mark.parametrize("name", [DIRECTORY, DIRECTORY_AP])
def test_directory_bucket_renames(s3, name):
    """In one step, and what is renamed stays what it is; conditions of both sides; a token makes it happen once."""
    s3.put_object(Bucket=name, Key="from/x", Body=b"bytes", Metadata={"kept": "yes"})
    s3.put_object(Bucket=name, Key="taken", Body=b"taken")
    was = s3.head_object(Bucket=name, Key="from/x")

    def rename(old, new, **more):
        s3.rename_object(Bucket=name, Key=new, RenameSource=f"{name}/{old}", **more)
    rename("from/x", "to/y", SourceIfMatch=was["ETag"], ClientToken=f"token-{name}")
    rename("from/x", "to/y", SourceIfMatch=was["ETag"], ClientToken=f"token-{name}")
    now = s3.head_object(Bucket=name, Key="to/y")
    assert [now[k] for k in ("ETag", "LastModified", "Metadata", "ContentLength")] == [
        was[k] for k in ("ETag", "LastModified", "Metadata", "ContentLength")]
    assert read(s3, name, "to/y") == b"bytes" and sorted(keys(s3, name)) == ["taken", "to/y"]
    with refused("IdempotencyParameterMismatch", status=400):
        rename("to/y", "elsewhere", ClientToken=f"token-{name}")
    with refused("NoSuchKey", status=404):
        rename("from/x", "to/z")
    for more in ({"DestinationIfNoneMatch": "*"}, {"SourceIfMatch": '"other"'}, {"DestinationIfMatch": '"other"'},
                 {"SourceIfNoneMatch": was["ETag"]}):
        with refused("PreconditionFailed", status=412):
            rename("to/y", "taken", **more)
    assert read(s3, name, "taken") == b"taken"
    for old, new in (("to/", "in/"), ("to/y", "in/"), ("to/y", "to/y")):
        with refused("InvalidRequest", status=400):
            rename(old, new)
    with refused("InvalidRequest", "another bucket", status=400):
        s3.rename_object(Bucket=name, Key="k", RenameSource=f"{BUCKET}/to/y")
    rename("to/y", "taken")
    assert read(s3, name, "taken") == b"bytes" and keys(s3, name) == ["taken"]
    s3.delete_object(Bucket=name, Key="taken")


@pytest.mark.parametrize("name", [DIRECTORY, DIRECTORY_AP])
def test_directory_bucket_appends(s3, name):
    key = "log-" + name

    def append(offset, data, **more):
        return s3.put_object(Bucket=name, Key=key, Body=data, WriteOffsetBytes=offset, **more)
    assert append(0, b"one ", Metadata={"kept": "yes"})["Size"] == 4  # 0: a new object
    first = s3.head_object(Bucket=name, Key=key)["ETag"]
    reply = append(4, b"two ", IfMatch=first)
    assert reply["Size"] == 8 and reply["ETag"] != first
    assert append(8, b"3" * (3 << 20))["Size"] == 8 + (3 << 20)
    got = s3.get_object(Bucket=name, Key=key, ChecksumMode="ENABLED")  # boto3 checks the sum of the whole
    assert got["Body"].read() == b"one two " + b"3" * (3 << 20)
    assert got["Metadata"] == {"kept": "yes"} and got["ChecksumType"] == "FULL_OBJECT"
    for offset in (0, 4, 1 << 30):
        with refused("InvalidWriteOffset", status=400):
            append(offset, b"x")
    with refused("PreconditionFailed", status=412):
        append(8 + (3 << 20), b"x", IfMatch=first)
    with refused("InvalidRequest", "algorithm", status=400):
        append(8 + (3 << 20), b"x", ChecksumAlgorithm="SHA256")
    with refused("InvalidWriteOffset", status=400):
        s3.put_object(Bucket=name, Key="nothing", Body=b"x", WriteOffsetBytes=5)
    s3.delete_object(Bucket=name, Key=key)


def test_other_buckets_do_not_append(s3):
    with refused("NotImplemented", status=501):
        s3.put_object(Bucket=BUCKET, Key="appended", Body=b"k", WriteOffsetBytes=0)


def test_other_buckets_do_not_rename(s3):
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"k")
    with refused("NotImplemented", status=501):
        s3.rename_object(Bucket=BUCKET, Key="l", RenameSource=f"{BUCKET}/k")


def test_a_session_is_for_one_bucket_and_mode(s3, cert):
    s3.put_object(Bucket=DIRECTORY, Key="k", Body=b"k")
    session = s3.create_session(Bucket=DIRECTORY, SessionMode="ReadOnly")["Credentials"]
    assert 290 <= (session["Expiration"] - session["Expiration"].now(session["Expiration"].tzinfo)
                   ).total_seconds() <= 300
    plain = targets.client((session["AccessKeyId"], session["SecretAccessKey"]), cert[0],
                           s3={"addressing_style": "virtual"})
    with refused("InvalidAccessKeyId"):  # a session's token is part of it
        plain.list_objects_v2(Bucket=BUCKET)
    with refused("InvalidRequest", status=400):
        s3.create_session(Bucket=BUCKET)


@pytest.mark.subdomains
def test_directory_bucket_by_the_aws_cli(run):
    aws = [AWS, "s3api", "--output", "json"]
    run([*aws, "put-object", "--bucket", DIRECTORY, "--key", "cli/x", "--body", __file__], ADMIN)
    listed = json.loads(run([*aws, "list-objects-v2", "--bucket", DIRECTORY_AP, "--prefix", "cli/"],
                            ADMIN))
    assert [o["Key"] for o in listed["Contents"]] == ["cli/x"]
    run([*aws, "delete-object", "--bucket", DIRECTORY, "--key", "cli/x"], ADMIN)


@pytest.mark.subdomains
def test_targets_by_the_aws_sdk_for_javascript(node, emulator):  # noqa: F811
    told = node("targets.mjs", emulator.endpoint, DIRECTORY, lambda_arn("upper"), keys=ADMIN)
    assert told == {"read": "bytes of JavaScript", "keys": ["js/x"], "upper": "BYTES OF JAVASCRIPT",
                    "badPrefix": "InvalidRequest"}

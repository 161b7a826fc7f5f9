"""Mounts of every kind of target, under the host names that AWS gives them.

The emulator stands behind TLS; connect-to sends every connection to it, so hosts, signatures and
regions are those of AWS itself.
"""
import hashlib
import os

import pytest
import targets
from emulator import Emulator
from mounting import credentials_text
from targets import (ADMIN, AP, BUCKET, DIRECTORY, DIRECTORY_AP, FAR_AP, FAR_BUCKET, FSX_ALIAS,
                     MRAP, OTHER, OUTPOSTS_ALIAS, OUTPOSTS_AP, PAYING_BUCKET, STRANGER, VPC_AP,
                     VPCE, lambda_arn)

BIG = bytes(range(256)) * 4096 * 12  # 12 MiB: more than one part
TEXT = b"bytes of x\n"


@pytest.fixture(scope="module")
def cert(tmp_path_factory):
    return targets.certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def aws(cert):
    instance = Emulator(targets.world(), tls=cert)
    with targets.everything_is_here(instance.port):
        client = targets.client(cert=cert[0])
        for bucket in (BUCKET, PAYING_BUCKET, FAR_AP, DIRECTORY):
            payer = {"RequestPayer": "requester"} if bucket == PAYING_BUCKET else {}
            client.put_object(Bucket=bucket, Key="a/x", Body=TEXT, **payer)
        client.put_object(Bucket=BUCKET, Key="big", Body=BIG)
        for i in range(1100):
            client.put_object(Bucket=DIRECTORY, Key=f"many/{i:04}", Body=b"")
        instance.client = client
        yield instance
    instance.stop()


@pytest.fixture
def here(aws, cert, place):
    """Options of a mount whose AWS is the emulator."""
    (place.dir / "credentials").write_text(credentials_text(
        {"admin": (*ADMIN, None), "stranger": (*STRANGER, None)}))

    def make(*more, profile="admin", region="us-east-1", port=None):
        return [f"connect-to=localhost:{port or aws.port}", f"ca-bundle={cert[0]}",
                f"region={region}", f"profile={profile}", *more]
    return make


def told(aws, what):
    import json
    import ssl
    import urllib.request
    context = ssl._create_unverified_context()
    with urllib.request.urlopen(f"https://localhost:{aws.port}/_emulator/{what}",
                                context=context, timeout=30) as reply:
        return json.loads(reply.read())


def world_of(aws):
    return told(aws, "world")


def seen(aws, operation=None):
    return [r for r in told(aws, "requests") if operation in (None, r["operation"])]


def forget(aws, path="requests", method="DELETE", body=None):
    import json
    import ssl
    import urllib.request
    request = urllib.request.Request(f"https://localhost:{aws.port}/_emulator/{path}",
                                     data=None if body is None else json.dumps(body).encode(),
                                     method=method)
    urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=30).close()


@pytest.mark.parametrize("source", [AP, MRAP, OUTPOSTS_AP, OUTPOSTS_ALIAS, FSX_ALIAS],
                         ids=["access-point", "mrap", "outposts-arn", "outposts-alias", "fsx"])
def test_reading(aws, here, place, source):
    point = place.mount(source, here())
    assert sorted(os.listdir(point)) == ["a", "big"]
    assert (point / "a" / "x").read_bytes() == TEXT
    assert hashlib.sha256((point / "big").read_bytes()).digest() == hashlib.sha256(BIG).digest()
    with open(point / "big", "rb") as f:
        f.seek(9 << 20)
        assert f.read(1000) == BIG[9 << 20:][:1000]


def test_multi_region_access_point_is_signed_for_every_region(aws, here, place):
    forget(aws)
    point = place.mount(MRAP + "/a", here(region="eu-west-3"))
    assert os.listdir(point) == ["x"]
    assert {r["host"] for r in seen(aws)} == {f"{targets.MRAP_ALIAS}.accesspoint.s3-global.amazonaws.com"}
    result, _ = place.try_mount(MRAP, here("dualstack"))
    assert result.returncode != 0 and "ual" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("source", [DIRECTORY, DIRECTORY_AP], ids=["bucket", "access-point"])
def test_directory_bucket(aws, here, place, source):
    forget(aws)
    name = source if source.endswith("--xa-s3") else "s3://" + source
    point = place.mount(name, here())
    assert sorted(os.listdir(point)) == ["a", "many"]
    assert sorted(os.listdir(point / "many")) == [f"{i:04}" for i in range(1100)]
    assert (point / "a" / "x").read_bytes() == TEXT
    assert not (point / "a" / "y").exists()
    assert len(seen(aws, "CreateSession")) == 1
    assert {r["access_key_id"] for r in seen(aws, "CreateSession")} == {ADMIN[0]}
    assert ADMIN[0] not in {r["access_key_id"] for r in seen(aws) if r["operation"] != "CreateSession"}


def test_files_that_may_be_listed_and_not_read_in_a_directory_bucket(aws, here, place):
    """A folder has to be listed for them: directory buckets take no name as a prefix."""
    point = place.mount(f"s3://{DIRECTORY}", here("metadata-ttl=0s", "negative-ttl=0s"))
    for operation in ("HeadObject", "GetObject"):
        forget(aws, "faults", "POST", {"operation": operation, "effect": "error", "status": 403,
                                       "code": "AccessDenied", "count": -1})
    try:
        forget(aws)
        assert os.stat(point / "a" / "x").st_size == len(TEXT)
        for name in ("0000", "0555", "1099"):  # on either page of the folder
            assert os.stat(point / "many" / name).st_size == 0
        assert os.path.isdir(point / "many")
        for absent in ("a/y", "many/055", "many/05555", "z"):
            with pytest.raises(FileNotFoundError):
                os.stat(point / absent)
        with pytest.raises(PermissionError):
            (point / "a" / "x").read_bytes()
        assert {r["status"] for r in seen(aws) if r["operation"] == "ListObjectsV2"} == {200}
    finally:
        forget(aws, "faults")
    assert (point / "a" / "x").read_bytes() == TEXT


def test_session_is_renewed_before_it_ends(aws, here, place):
    point = place.mount(f"s3://{DIRECTORY}", here("metadata-ttl=0s", "negative-ttl=0s"))
    forget(aws)
    try:
        forget(aws, "clock", "POST", {"shift-ms": 310 * 1000})  # it ended; the mount cannot know
        os.listdir(point / "a")
        assert len(seen(aws, "CreateSession")) == 1
    finally:
        forget(aws, "clock", "POST", {"shift-ms": 0})


def test_many_directories_in_one_directory_bucket(aws, here, place):
    """Their sessions are renewed by a few threads, not by one each."""
    words = [f"{k} = {v}" for k, v in (o.split("=", 1) for o in here())]
    (place.dir / "team.conf").write_text("[mount]\n" + "\n".join(words) + "\n" + "".join(
        f"[dir d{i:03}]\nsource = s3://{DIRECTORY}/many-dirs/{i}\n" for i in range(200)))
    point = place.mount(place.dir / "team.conf")
    for i in range(200):
        assert os.listdir(point / f"d{i:03}") == []
    (point / "d100" / "one").write_bytes(b"1")
    assert len(os.listdir(f"/proc/{place.status(point)['pid']}/task")) < 100


def test_directory_bucket_denied(aws, here, place):
    result, _ = place.try_mount(f"s3://{DIRECTORY}", here(profile="stranger"))
    assert result.returncode == 3 and result.stderr.count("\n") == 1
    assert "AccessDenied" in result.stderr


def test_object_lambda_that_takes_no_range(aws, here, place):
    forget(aws)
    point = place.mount(lambda_arn("upper"), here())
    assert (point / "a" / "x").read_bytes() == TEXT.upper()
    assert hashlib.sha256((point / "big").read_bytes()).digest() == hashlib.sha256(BIG.upper()).digest()
    with open(point / "big", "rb") as f:
        f.seek(9 << 20)
        assert f.read(1000) == BIG.upper()[9 << 20:][:1000]
    ranged = [r for r in seen(aws, "GetObject") if "range" in r]
    assert len(ranged) == 1 and ranged[0]["status"] == 501  # learned once


def test_object_lambda_whose_answer_has_another_size_and_no_length(aws, here, place):
    point = place.mount(lambda_arn("twice"), here())
    assert (point / "a" / "x").read_bytes() == TEXT * 2
    assert os.stat(point / "a" / "x").st_size == 2 * len(TEXT)
    assert hashlib.sha256((point / "big").read_bytes()).digest() == hashlib.sha256(BIG * 2).digest()


def test_object_lambda_that_takes_ranges(aws, here, place):
    point = place.mount(lambda_arn("ranged"), here())
    forget(aws)
    assert (point / "a" / "x").read_bytes() == TEXT.upper()
    with open(point / "big", "rb") as f:
        f.seek(9 << 20)
        assert f.read(1000) == BIG.upper()[9 << 20:][:1000]
    assert all(r["status"] == 206 for r in seen(aws, "GetObject"))


def test_region_of_a_bucket_is_found(aws, here, place):
    point = place.mount(f"s3://{FAR_BUCKET}", here())
    assert (point / "a" / "x").read_bytes() == TEXT
    forget(aws)
    assert not (point / "b").exists()
    assert {r["status"] for r in seen(aws)} == {200, 404}  # no detour any more


def test_region_of_an_alias_is_found(aws, here, place):
    """It names none: the answer to the first request does."""
    alias = next(a["alias"] for a in world_of(aws)["access-points"] if a["name"] == "far")
    point = place.mount(alias, here())
    assert (point / "a" / "x").read_bytes() == TEXT
    forget(aws)
    assert not (point / "b").exists()
    assert {r["status"] for r in seen(aws)} == {200, 404}
    assert {r["host"] for r in seen(aws)} == {f"{alias}.s3.eu-west-3.amazonaws.com"}


def test_region_of_an_arn_is_followed_and_kept(aws, here, place):
    point = place.mount(FAR_AP, here())
    assert (point / "a" / "x").read_bytes() == TEXT
    wrong = FAR_AP.replace("eu-west-3", "us-east-1")
    result, _ = place.try_mount(wrong, here())
    assert result.returncode == 1 and "NoSuchAccessPoint" in result.stderr


def test_vpc_only_access_point(aws, here, place):
    """003-M6: inside of its VPC it is mounted, outside it is refused."""
    outside = place.mount(VPC_AP, here())  # S3 does not say why: names may yet be readable
    with pytest.raises(PermissionError):
        os.listdir(outside)
    with pytest.raises(PermissionError):
        open(outside / "a" / "x", "rb")
    point = place.mount(VPC_AP, here(port=aws.vpce_port(VPCE)))
    assert (point / "a" / "x").read_bytes() == TEXT


@pytest.mark.parametrize("option,host", [
    ("fips", "general-222222222222.s3-accesspoint-fips.us-east-1.amazonaws.com"),
    ("dualstack", "general-222222222222.s3-accesspoint.dualstack.us-east-1.amazonaws.com"),
    ("endpoint-url=https://accesspoint.vpce-0a1b2c3d.s3.us-east-1.vpce.amazonaws.com",
     "general-222222222222.accesspoint.vpce-0a1b2c3d.s3.us-east-1.vpce.amazonaws.com"),
], ids=["fips", "dualstack", "privatelink"])
def test_endpoints(aws, here, place, option, host):
    forget(aws)
    point = place.mount(AP, here(option))
    assert (point / "a" / "x").read_bytes() == TEXT
    assert {r["host"] for r in seen(aws)} == {host}


def test_requester_pays_and_expected_owner_on_every_call(aws, here, place):
    source = f"s3://{PAYING_BUCKET}"
    unpaid = place.mount(source, here(profile="stranger"))
    with pytest.raises(PermissionError):
        open(unpaid / "a" / "x", "rb")
    forget(aws)
    point = place.mount(source, here("requester-pays", "expected-bucket-owner=222222222222",
                                     profile="stranger"))
    assert (point / "a" / "x").read_bytes() == TEXT
    assert not (point / "nothing").exists()
    assert {(r["request_payer"], r["expected_bucket_owner"]) for r in seen(aws)} == {
        ("requester", "222222222222")}
    other = place.mount(source, here("requester-pays", f"expected-bucket-owner={OTHER}",
                                     profile="stranger"))
    with pytest.raises(PermissionError):
        open(other / "a" / "x", "rb")

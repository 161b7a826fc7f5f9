"""Access points by boto3 and the AWS CLI: administration, names, pages, networks, restarts."""
import json
import pathlib
import subprocess
import sys

import emulator as support
import pytest
from scenario import admin, allow, bare, plainly, policy, refused, text

pytestmark = pytest.mark.subdomains

A, B = "111111111111", "222222222222"
REGION = "us-east-1"
VPCE, VPC = "vpce-0123456789abcdef0", "vpc-0123456789abcdef0"
AWS = pathlib.Path(sys.executable).parent / "aws"


@pytest.fixture(autouse=True)
def undisturbed():
    """Every test has an emulator of its own: nothing to put back."""


@pytest.fixture
def emulator():
    e = support.Emulator(bare(A, B, **{
        "vpc-endpoints": [{"id": VPCE, "vpc": VPC, "port": 0},
                          {"id": "vpce-other", "vpc": "vpc-other", "port": 0}]}))
    yield e
    e.stop()


@pytest.fixture
def s3(connect):
    client = connect("s3", keys=admin(B))
    client.create_bucket(Bucket="data-bucket")
    client.put_object(Bucket="data-bucket", Key="a/x", Body=b"x")
    return client


@pytest.fixture
def control(connect, s3):
    return connect("s3control", keys=admin(B))


def arn(name, account=B):
    return f"arn:aws:s3:{REGION}:{account}:accesspoint/{name}"


def test_life_of_an_access_point(s3, control):
    made = control.create_access_point(AccountId=B, Name="my-ap", Bucket="data-bucket")
    assert made["AccessPointArn"] == arn("my-ap")
    assert made["Alias"].startswith("my-ap-") and made["Alias"].endswith("-s3alias")
    shown = control.get_access_point(AccountId=B, Name="my-ap")
    assert shown["NetworkOrigin"] == "Internet" and shown["Bucket"] == "data-bucket"
    assert all(shown["PublicAccessBlockConfiguration"].values())
    assert shown["Endpoints"]["ipv4"] == "s3-accesspoint.us-east-1.amazonaws.com"
    for name in (arn("my-ap"), made["Alias"]):
        assert s3.get_object(Bucket=name, Key="a/x")["Body"].read() == b"x"
        assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 1
    with refused("AccessPointAlreadyOwnedByYou", status=409):
        control.create_access_point(AccountId=B, Name="my-ap", Bucket="data-bucket")
    control.delete_access_point(AccountId=B, Name="my-ap")
    with refused("NoSuchAccessPoint", status=404):
        control.get_access_point(AccountId=B, Name="my-ap")
    with pytest.raises(s3.exceptions.ClientError):
        s3.get_object(Bucket=arn("my-ap"), Key="a/x")


def test_policies_and_their_status(control):
    control.create_access_point(AccountId=B, Name="my-ap", Bucket="data-bucket",
                                PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    with refused("NoSuchAccessPointPolicy", status=404):
        control.get_access_point_policy(AccountId=B, Name="my-ap")
    document = text(policy(allow("s3:GetObject", arn("my-ap") + "/object/*",
                                 {"AWS": f"arn:aws:iam::{A}:root"})))
    control.put_access_point_policy(AccountId=B, Name="my-ap", Policy=document)
    assert control.get_access_point_policy(AccountId=B, Name="my-ap")["Policy"] == document
    status = control.get_access_point_policy_status(AccountId=B, Name="my-ap")
    assert status["PolicyStatus"]["IsPublic"] is False
    control.put_access_point_policy(AccountId=B, Name="my-ap", Policy=text(policy(
        allow("s3:GetObject", arn("my-ap") + "/object/*", "*"))))
    status = control.get_access_point_policy_status(AccountId=B, Name="my-ap")
    assert status["PolicyStatus"]["IsPublic"] is True
    with refused("MalformedPolicy", status=400):
        control.put_access_point_policy(AccountId=B, Name="my-ap", Policy="{}")
    control.delete_access_point_policy(AccountId=B, Name="my-ap")
    with refused("NoSuchAccessPointPolicy", status=404):
        control.get_access_point_policy(AccountId=B, Name="my-ap")


def test_lists_in_pages_and_by_bucket(s3, control):
    s3.create_bucket(Bucket="other-bucket")
    for i in range(7):
        control.create_access_point(AccountId=B, Name=f"ap-{i}",
                                    Bucket="data-bucket" if i % 2 else "other-bucket")
    names, token, pages = [], None, 0
    while True:
        page = control.list_access_points(AccountId=B, MaxResults=3,
                                          **({"NextToken": token} if token else {}))
        names += [p["Name"] for p in page["AccessPointList"]]
        pages += 1
        token = page.get("NextToken")
        if not token:
            break
    assert names == [f"ap-{i}" for i in range(7)] and pages == 3
    found = control.list_access_points(AccountId=B, Bucket="data-bucket")["AccessPointList"]
    assert [p["Name"] for p in found] == ["ap-1", "ap-3", "ap-5"]
    assert found[0]["BucketAccountId"] == B and found[0]["Alias"].endswith("-s3alias")


def test_by_the_command_line(control, run):
    keys = admin(B)
    run([AWS, "s3control", "create-access-point", "--account-id", B, "--name", "cli-ap",
         "--bucket", "data-bucket"], keys=keys)
    listed = json.loads(run([AWS, "s3control", "list-access-points", "--account-id", B], keys=keys))
    assert [p["Name"] for p in listed["AccessPointList"]] == ["cli-ap"]
    run([AWS, "s3control", "put-access-point-policy", "--account-id", B, "--name", "cli-ap",
         "--policy", text(policy(allow("s3:GetObject", arn("cli-ap") + "/object/*",
                                       {"AWS": f"arn:aws:iam::{A}:root"})))], keys=keys)
    assert "a/x" in run([AWS, "s3", "ls", "--recursive", "s3://" + arn("cli-ap") + "/"], keys=keys)
    run([AWS, "s3api", "get-object", "--bucket", arn("cli-ap"), "--key", "a/x", "out.txt"], keys=keys)
    run([AWS, "s3control", "delete-access-point", "--account-id", B, "--name", "cli-ap"], keys=keys)


def test_bad_wishes(control, connect):
    for name in ("Upper", "ab", "-ab-", "a.b", "x" * 51):
        with pytest.raises(Exception):
            control.create_access_point(AccountId=B, Name=name, Bucket="data-bucket")
    with refused("NoSuchBucket", status=404):
        control.create_access_point(AccountId=B, Name="my-ap", Bucket="no-such-bucket")
    with refused("InvalidRequest", status=400):
        connect("s3control", keys=admin(B), region="eu-west-1").create_access_point(
            AccountId=B, Name="my-ap", Bucket="data-bucket")
    with plainly():
        connect("s3control", keys=admin(A)).get_access_point(AccountId=B, Name="my-ap")
    assert control.list_access_points(AccountId=B)["AccessPointList"] == []


def test_an_access_point_of_another_account_gives_nothing_by_itself(s3, connect):
    control = connect("s3control", keys=admin(A))
    control.create_access_point(AccountId=A, Name="theirs", Bucket="data-bucket", BucketAccountId=B)
    reader = connect("s3", keys=admin(A))
    with plainly():
        reader.get_object(Bucket=arn("theirs", A), Key="a/x")
    s3.put_bucket_policy(Bucket="data-bucket", Policy=text(policy(
        allow("s3:*", ["arn:aws:s3:::data-bucket", "arn:aws:s3:::data-bucket/*"], {"AWS": "*"},
              {"StringEquals": {"s3:DataAccessPointAccount": A}}))))
    assert reader.get_object(Bucket=arn("theirs", A), Key="a/x")["Body"].read() == b"x"


def test_vpc_only(emulator, s3, control, connect):
    control.create_access_point(AccountId=B, Name="inside", Bucket="data-bucket",
                                VpcConfiguration={"VpcId": VPC})
    shown = control.get_access_point(AccountId=B, Name="inside")
    assert shown["NetworkOrigin"] == "VPC" and shown["VpcConfiguration"] == {"VpcId": VPC}
    with plainly():
        s3.get_object(Bucket=arn("inside"), Key="a/x")
    with plainly():
        connect("s3", keys=admin(B), port=emulator.vpce_port("vpce-other")).get_object(
            Bucket=arn("inside"), Key="a/x")
    inside = connect("s3", keys=admin(B), port=emulator.vpce_port(VPCE))
    assert inside.get_object(Bucket=arn("inside"), Key="a/x")["Body"].read() == b"x"


def test_what_was_made_survives_a_restart(tmp_path):
    config = tmp_path / "world.json"
    config.write_text(json.dumps(bare(B)))

    def start():
        ready = tmp_path / "ready"
        ready.unlink(missing_ok=True)
        e = support.Emulator.__new__(support.Emulator)
        e.ready, e.log_path = ready, tmp_path / "log"
        e.log = open(e.log_path, "wb")
        e.process = subprocess.Popen(
            [str(support.BIN / "s3apfs-emulator"), "--config", str(config), "--port", "0", "--data",
             str(tmp_path / "data"), "--ready-file", str(ready)], stdout=e.log, stderr=e.log)
        e.port = e._wait()["port"]
        return e

    def end(e):
        e.process.terminate()
        assert e.process.wait(60) == 0
        e.log.close()

    import boto3

    def client(service, e):
        key, secret = admin(B)
        return boto3.client(service, region_name=REGION, aws_access_key_id=key,
                            endpoint_url=f"http://localhost:{e.port}", aws_secret_access_key=secret)

    e = start()
    client("s3", e).create_bucket(Bucket="data-bucket")
    alias = client("s3control", e).create_access_point(AccountId=B, Name="kept",
                                                       Bucket="data-bucket")["Alias"]
    client("s3", e).put_object(Bucket=arn("kept"), Key="k", Body=b"v")
    end(e)
    e = start()
    assert client("s3control", e).get_access_point(AccountId=B, Name="kept")["Alias"] == alias
    assert client("s3", e).get_object(Bucket=alias, Key="k")["Body"].read() == b"v"
    end(e)

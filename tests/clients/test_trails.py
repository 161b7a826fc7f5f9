"""CloudTrail-shaped records: who is told what about a call."""
import json
import subprocess

import emulator as support
import pytest
from scenario import admin, allow, bare, make_user, policy, text

pytestmark = pytest.mark.subdomains

A, B = "123456789010", "111122223333"
REGION = "eu-west-3"
AP = f"arn:aws:s3:{REGION}:{B}:accesspoint/research"


@pytest.fixture(autouse=True)
def undisturbed():
    """Every test has an emulator of its own: nothing to put back."""


@pytest.fixture
def emulator(tmp_path):
    config, ready = tmp_path / "world.json", tmp_path / "ready"
    config.write_text(json.dumps(bare(A, B)))
    e = support.Emulator.__new__(support.Emulator)
    e.ready, e.log_path, e.trail = ready, tmp_path / "log", tmp_path / "trail"
    e.log = open(e.log_path, "wb")
    e.process = subprocess.Popen(
        [str(support.BIN / "s3apfs-emulator"), "--config", str(config), "--port", "0", "--data",
         str(tmp_path / "data"), "--ready-file", str(ready), "--trail", str(e.trail)],
        stdout=e.log, stderr=e.log)
    e.port = e._wait()["port"]
    yield e
    e.process.terminate()
    assert e.process.wait(60) == 0
    e.log.close()


def test_object_events_go_to_the_bucket_owner_and_administration_to_its_own(emulator, connect):
    s3 = connect("s3", keys=admin(A), region=REGION)
    control = connect("s3control", keys=admin(B), region=REGION)
    s3.create_bucket(Bucket="data-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="data-bucket", Key="k/x y", Body=b"12345")
    control.create_access_point(AccountId=B, Name="research", Bucket="data-bucket", BucketAccountId=A)
    s3.put_bucket_policy(Bucket="data-bucket", Policy=text(policy(
        allow("s3:GetObject", "arn:aws:s3:::data-bucket/*", {"AWS": "*"},
              {"StringEquals": {"s3:DataAccessPointAccount": B}}))))
    jane = connect("s3", keys=make_user(connect("iam", keys=admin(B)), "Jane", p=policy(
        allow("s3:GetObject", AP + "/object/k/*"))), region=REGION)
    control.put_access_point_policy(AccountId=B, Name="research", Policy=text(policy(
        allow("s3:GetObject", AP + "/object/k/*", {"AWS": f"arn:aws:iam::{B}:user/Jane"}))))
    good = jane.get_object(Bucket=AP, Key="k/x y")
    with pytest.raises(jane.exceptions.ClientError) as bad:
        jane.get_object(Bucket=AP, Key="other")

    records = [json.loads(line) for line in emulator.trail.read_text().splitlines()]
    by_request = {}
    for r in records:
        by_request.setdefault(r["requestID"], []).append(r)
    read = by_request[good["ResponseMetadata"]["RequestId"]]
    assert sorted(r["recipientAccountId"] for r in read) == [B, A]
    assert len({r["sharedEventID"] for r in read}) == 1 and len({r["eventID"] for r in read}) == 2
    for r in read:
        assert (r["eventSource"], r["eventName"], r["awsRegion"]) == (
            "s3.amazonaws.com", "GetObject", REGION)
        assert r["userIdentity"]["type"] == "IAMUser" and r["userIdentity"]["userName"] == "Jane"
        assert r["requestParameters"]["key"] == "k/x y"
        assert {"type": "AWS::S3::AccessPoint", "ARN": AP, "accountId": B} in r["resources"]
        assert r["eventCategory"] == "Data" and r["readOnly"] is True
        assert r["additionalEventData"]["bytesTransferredOut"] == 5 and "errorCode" not in r
    denied = by_request[bad.value.response["ResponseMetadata"]["RequestId"]]
    assert {r["errorCode"] for r in denied} == {"AccessDenied"}
    assert denied[0]["errorMessage"] == bad.value.response["Error"]["Message"]
    made = [r for r in records if r["eventName"] == "CreateAccessPoint"]
    assert [r["recipientAccountId"] for r in made] == [B]
    assert made[0]["eventCategory"] == "Management" and made[0]["readOnly"] is False
    assert [r["eventSource"] for r in records if r["eventName"] == "CreateUser"] == [
        "iam.amazonaws.com"]
    text_of_all = emulator.trail.read_text()
    assert admin(A)[1] not in text_of_all and "SecretAccessKey" not in text_of_all

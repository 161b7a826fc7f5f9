"""STS and IAM by boto3 and the AWS CLI."""
import datetime
import json
import pathlib
import sys

import emulator as support
import pytest
from mfa import SEED, code
from scenario import (IDENTITY, TRUST, admin, allow, assume, bare, keys_of, make_role, make_user,
                      policy, refused, text, trust)

A, B = "444444444444", "555555555555"
DEVICE = f"arn:aws:iam::{A}:mfa/ann"
AWS = pathlib.Path(sys.executable).parent / "aws"
ROLE = f"arn:aws:iam::{B}:role/r"


@pytest.fixture(autouse=True)
def undisturbed():
    """Every test has an emulator of its own: nothing to put back."""


@pytest.fixture
def emulator():
    world = bare(A, B, organization=[A, B])
    world["accounts"][0]["users"].append({
        "name": "ann", "access-keys": [{"id": "AKIAANN", "secret": "secret-of-ann"}],
        "policies": {"assume": policy(allow(["sts:AssumeRole", "sts:TagSession",
                                             "sts:SetSourceIdentity"], "*"))},
        "mfa-devices": [{"serial": DEVICE, "seed": SEED}]})
    world["accounts"][1]["access-keys"] = [{"id": "AKIAROOT", "secret": "secret-of-root"}]
    e = support.Emulator(world)
    yield e
    e.stop()


ANN = ("AKIAANN", "secret-of-ann")


@pytest.fixture
def ann(connect):
    return connect("sts", keys=ANN)


@pytest.fixture
def role(connect):
    """make(trust document, **options of create_role): the role r of account B."""
    iam = connect("iam", keys=admin(B))

    def make(document, **options):
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=text(document), **options)
        return iam
    return make


ANN_ARN = f"arn:aws:iam::{A}:user/ann"


def test_identities(connect, ann, role, run):
    assert ann.get_caller_identity()["Arn"] == ANN_ARN
    assert connect("sts", keys=("AKIAROOT", "secret-of-root")).get_caller_identity()[
        "Arn"] == f"arn:aws:iam::{B}:root"
    role(trust({"AWS": ANN_ARN}))
    reply = ann.assume_role(RoleArn=ROLE, RoleSessionName="my-session")
    assert reply["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{B}:assumed-role/r/my-session"
    keys = keys_of(reply)
    said = json.loads(run([AWS, "sts", "get-caller-identity"], keys=keys))
    assert said["Arn"] == f"arn:aws:sts::{B}:assumed-role/r/my-session"
    assert said["Account"] == B
    assert said["UserId"].startswith("AROA") and said["UserId"].endswith(":my-session")


def test_wrong_keys(connect, ann, role):
    with refused("InvalidClientTokenId"):
        connect("sts", keys=("AKIANOBODY", "x")).get_caller_identity()
    with refused("SignatureDoesNotMatch"):
        connect("sts", keys=("AKIAANN", "wrong")).get_caller_identity()
    role(trust({"AWS": ANN_ARN}))
    key, secret, token = assume(ann, ROLE)
    with refused("InvalidClientTokenId"):
        connect("sts", keys=(key, secret, "x" + token)).get_caller_identity()


def test_expired_sessions(emulator, connect, ann, role):
    role(trust({"AWS": ANN_ARN}))
    reply = ann.assume_role(RoleArn=ROLE, RoleSessionName="s1", DurationSeconds=900)
    left = reply["Credentials"]["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert 890 <= left.total_seconds() <= 901
    emulator.admin("POST", "clock", {"shift-ms": 895 * 1000})
    session = connect("sts", keys=keys_of(reply))
    session.get_caller_identity()
    emulator.admin("POST", "clock", {"shift-ms": 905 * 1000})
    with pytest.raises(session.exceptions.ClientError) as e:
        session.get_caller_identity()
    assert e.value.response["Error"]["Code"] in ("ExpiredToken", "ExpiredTokenException")


def test_external_id(ann, role):
    role(trust({"AWS": ANN_ARN}, {"StringEquals": {"sts:ExternalId": "magic"}}))
    with refused("AccessDenied", TRUST):
        assume(ann, ROLE)
    with refused("AccessDenied", TRUST):
        assume(ann, ROLE, ExternalId="wrong")
    assume(ann, ROLE, ExternalId="magic")


def test_session_names_in_the_trust_policy(ann, role):
    role(trust({"AWS": ANN_ARN}, {"StringLike": {"sts:RoleSessionName": "${aws:username}-*"}}))
    with refused("AccessDenied", TRUST):
        assume(ann, ROLE, "bob-1")
    assume(ann, ROLE, "ann-1")


def test_mfa(connect, ann, role, run):
    iam = role(trust({"AWS": ANN_ARN}, {"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    with refused("AccessDenied", TRUST):
        assume(ann, ROLE)
    with refused("AccessDenied", "invalid MFA one time pass code"):
        assume(ann, ROLE, SerialNumber=DEVICE, TokenCode="000000")
    with refused("AccessDenied", "unable to validate MFA code"):
        assume(ann, ROLE, SerialNumber=DEVICE + "x", TokenCode=code())
    used = code()
    assume(ann, ROLE, SerialNumber=DEVICE, TokenCode=used)
    with refused("AccessDenied", "invalid MFA one time pass code"):
        assume(ann, ROLE, SerialNumber=DEVICE, TokenCode=used)
    assert iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"]["Version"] == "2012-10-17"


def test_mfa_by_session_token(connect, ann, role):
    role(trust({"AWS": ANN_ARN}, {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}))
    plain = connect("sts", keys=keys_of(ann.get_session_token()))
    with refused("AccessDenied", TRUST):
        assume(plain, ROLE)
    strong = connect("sts", keys=keys_of(ann.get_session_token(SerialNumber=DEVICE,
                                                               TokenCode=code())))
    assert strong.get_caller_identity()["Arn"] == ANN_ARN
    assume(strong, ROLE)


def test_durations(connect, ann, role):
    iam = role(trust({"AWS": [ANN_ARN, f"arn:aws:iam::{B}:root"]}), MaxSessionDuration=7200)
    ann.assume_role(RoleArn=ROLE, RoleSessionName="s1", DurationSeconds=7200)
    with refused("ValidationError", "MaxSessionDuration", status=400):
        ann.assume_role(RoleArn=ROLE, RoleSessionName="s1", DurationSeconds=7201)
    make_role(iam, "first", trust({"AWS": ANN_ARN}), p=policy(allow("sts:AssumeRole", ROLE)))
    chained = connect("sts", keys=assume(ann, f"arn:aws:iam::{B}:role/first"))
    chained.assume_role(RoleArn=ROLE, RoleSessionName="s1", DurationSeconds=3600)
    with refused("ValidationError", "1 hour session limit", status=400):
        chained.assume_role(RoleArn=ROLE, RoleSessionName="s1", DurationSeconds=3601)


def test_tags_reach_policies_and_source_identity_sticks(connect, ann, role):
    iam = role(trust({"AWS": [ANN_ARN, f"arn:aws:iam::{B}:root"]},
                     actions=["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]))
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=text(policy(
        allow("s3:CreateBucket", "*", condition={
            "StringEquals": {"aws:PrincipalTag/team": "red", "aws:SourceIdentity": "ann"}}))))
    reply = ann.assume_role(RoleArn=ROLE, RoleSessionName="s1", SourceIdentity="ann",
                            Tags=[{"Key": "team", "Value": "red"}])
    assert reply["SourceIdentity"] == "ann"
    connect("s3", keys=keys_of(reply)).create_bucket(Bucket="made-by-tag")
    blue = assume(ann, ROLE, SourceIdentity="ann", Tags=[{"Key": "team", "Value": "blue"}])
    with refused("AccessDenied", IDENTITY.format("s3:CreateBucket")):
        connect("s3", keys=blue).create_bucket(Bucket="made-by-tag-2")


def test_iam_by_the_command_line(run, connect):
    keys = admin(A)
    run([AWS, "iam", "create-user", "--user-name", "eve", "--tags", "Key=k,Value=v"], keys=keys)
    run([AWS, "iam", "put-user-policy", "--user-name", "eve", "--policy-name", "p",
         "--policy-document", text(policy(allow("s3:*", "*")))], keys=keys)
    shown = json.loads(run([AWS, "iam", "get-user-policy", "--user-name", "eve", "--policy-name",
                            "p"], keys=keys))
    assert shown["PolicyDocument"]["Statement"][0]["Action"] == "s3:*"
    made = json.loads(run([AWS, "iam", "create-access-key", "--user-name", "eve"], keys=keys))
    eve = (made["AccessKey"]["AccessKeyId"], made["AccessKey"]["SecretAccessKey"])
    assert json.loads(run([AWS, "sts", "get-caller-identity"], keys=eve))[
        "Arn"] == f"arn:aws:iam::{A}:user/eve"
    run([AWS, "iam", "update-access-key", "--user-name", "eve", "--access-key-id", eve[0],
         "--status", "Inactive"], keys=keys)
    assert run([AWS, "sts", "get-caller-identity"], keys=eve, check=False).returncode != 0
    assert run([AWS, "iam", "delete-user", "--user-name", "eve"], keys=keys,
               check=False).returncode != 0
    run([AWS, "iam", "delete-access-key", "--user-name", "eve", "--access-key-id", eve[0]], keys=keys)
    run([AWS, "iam", "delete-user-policy", "--user-name", "eve", "--policy-name", "p"], keys=keys)
    run([AWS, "iam", "delete-user", "--user-name", "eve"], keys=keys)
    names = [u["UserName"] for u in json.loads(run([AWS, "iam", "list-users"], keys=keys))["Users"]]
    assert names == ["admin", "ann"]


def test_iam_errors(connect):
    iam = connect("iam", keys=admin(A))
    with refused("NoSuchEntity", status=404):
        iam.get_role(RoleName="none")
    with refused("EntityAlreadyExists", status=409):
        iam.create_user(UserName="ann")
    with refused("MalformedPolicyDocument", status=400):
        iam.create_role(RoleName="x", AssumeRolePolicyDocument="{")
    with refused("NoSuchEntity", status=404):
        iam.get_role(RoleName="x")
    with refused("AccessDenied", IDENTITY.format("iam:CreateUser")):
        connect("iam", keys=ANN).create_user(UserName="mallory")
    make_user(iam, "two-keys")
    iam.create_access_key(UserName="two-keys")
    with refused("LimitExceeded", status=409):
        iam.create_access_key(UserName="two-keys")


def test_mfa_devices_are_administered(connect, run, tmp_path):
    """Made, enabled by two codes in a row, used, listed, taken away: by boto3 and the AWS CLI."""
    iam = connect("iam", keys=admin(A))
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Path="/team/")["VirtualMFADevice"]
    serial, seed = made["SerialNumber"], made["Base32StringSeed"].decode()
    assert serial == f"arn:aws:iam::{A}:mfa/team/phone" and len(seed) == 64
    with refused("EntityAlreadyExists", status=409):
        iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Path="/team/")

    def enable(first, second, user="admin"):
        iam.enable_mfa_device(UserName=user, SerialNumber=serial, AuthenticationCode1=first, AuthenticationCode2=second)
    for codes in (("000000", "000001"), (code(seed), code(seed)), (code(seed), code(seed, -30))):
        with refused("InvalidAuthenticationCode"):
            enable(*codes)
    with refused("NoSuchEntity", status=404):
        enable(code(seed, -30), code(seed), user="nobody")
    listed = iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"]
    assert [d["SerialNumber"] for d in listed] == [serial]
    enable(code(seed, -30), code(seed))
    with refused("EntityAlreadyExists", status=409):
        enable(code(seed), code(seed, 30))
    aws = [AWS, "iam", "--output", "json"]
    said = json.loads(run([*aws, "list-mfa-devices", "--user-name", "admin"], keys=admin(A)))
    assert [d["SerialNumber"] for d in said["MFADevices"]] == [serial]
    said = json.loads(run([*aws, "list-virtual-mfa-devices"], keys=admin(A)))["VirtualMFADevices"]
    assert {d["SerialNumber"]: d["User"]["UserName"] for d in said} == {serial: "admin", DEVICE: "ann"}
    sts = connect("sts", keys=admin(A))
    assert sts.get_session_token(SerialNumber=serial, TokenCode=code(seed, 30))["Credentials"]
    with refused("DeleteConflict", status=409):
        iam.delete_virtual_mfa_device(SerialNumber=serial)
    iam.deactivate_mfa_device(UserName="admin", SerialNumber=serial)
    with refused("AccessDenied"):
        sts.get_session_token(SerialNumber=serial, TokenCode=code(seed, 30))
    run([*aws, "delete-virtual-mfa-device", "--serial-number", serial], keys=admin(A))
    with refused("NoSuchEntity", status=404):
        iam.delete_virtual_mfa_device(SerialNumber=serial)

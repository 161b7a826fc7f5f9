"""Seed 001: Access Grants from the instance to the last byte, by boto3 and the AWS CLI."""
import json
import pathlib
import sys
import types

import emulator as support
import pytest
from scenario import (admin, allow, assume, bare, keys_of, make_role, make_user, policy, refused,
                      text, trust)

pytestmark = pytest.mark.subdomains

C, D = "333333333333", "666666666666"
REGION = "us-east-1"
BUCKET = f"blog-access-grants-{C}-{REGION}"
ARN = f"arn:aws:s3:::{BUCKET}"
INSTANCE = f"arn:aws:s3:{REGION}:{C}:access-grants/default"
AWS = pathlib.Path(sys.executable).parent / "aws"
READ = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAcl", "s3:ListMultipartUploadParts"]
WRITE = ["s3:PutObject", "s3:PutObjectAcl", "s3:DeleteObject", "s3:AbortMultipartUpload"]
CONDITION = {"StringEquals": {"aws:ResourceAccount": C},
             "ArnEquals": {"s3:AccessGrantsInstanceArn": INSTANCE}}
SERVICE = {"Service": "access-grants.s3.amazonaws.com"}
ASK = policy(allow(["s3:GetDataAccess", "s3:ListCallerAccessGrants",
                    "s3:GetAccessGrantsInstanceForPrefix"], INSTANCE))


@pytest.fixture(autouse=True)
def undisturbed():
    """Every test has an emulator of its own: nothing to put back."""


@pytest.fixture
def emulator():
    e = support.Emulator(bare(C, D, organization=[C, D]))
    yield e
    e.stop()


def grantee(user):
    return {"GranteeType": "IAM", "GranteeIdentifier": f"arn:aws:iam::{C}:role/sagemaker-{user}-role"}


@pytest.fixture
def seed(connect):
    """The article's world, built as its stack would."""
    w = types.SimpleNamespace(ids={})
    w.s3, w.iam = connect("s3", keys=admin(C)), connect("iam", keys=admin(C))
    w.control = connect("s3control", keys=admin(C))
    w.s3.create_bucket(Bucket=BUCKET)
    for folder in ("Product", "UserA", "UserB", "UserA2"):
        w.s3.put_object(Bucket=BUCKET, Key=folder + "/abalone.csv", Body=folder.encode())
    location_role = make_role(
        w.iam, "location", trust(SERVICE, actions=["sts:AssumeRole", "sts:SetSourceIdentity"]),
        p=policy(allow(READ, ARN + "/*", condition=CONDITION),
                 allow(WRITE, ARN + "/*", condition=CONDITION),
                 allow("s3:ListBucket", ARN, condition=CONDITION)))
    w.control.create_access_grants_instance(AccountId=C)
    w.location = w.control.create_access_grants_location(
        AccountId=C, LocationScope=f"s3://{BUCKET}", IAMRoleArn=location_role)["AccessGrantsLocationId"]
    studio = make_user(w.iam, "studio", p=policy(allow("sts:AssumeRole", "*")))
    w.user, w.keys = {}, {}
    for user, folder in (("usera", "UserA"), ("userb", "UserB")):
        make_role(w.iam, f"sagemaker-{user}-role", trust({"AWS": f"arn:aws:iam::{C}:user/studio"}),
                  ask=ASK)
        for prefix in ("Product/*", folder + "/*"):
            made = w.control.create_access_grant(
                AccountId=C, AccessGrantsLocationId=w.location, Grantee=grantee(user),
                AccessGrantsLocationConfiguration={"S3SubPrefix": prefix}, Permission="READWRITE")
            w.ids[user, prefix] = made["AccessGrantId"]
        w.keys[user] = assume(connect("sts", keys=studio),
                              f"arn:aws:iam::{C}:role/sagemaker-{user}-role", user)
        w.user[user] = connect("s3control", keys=w.keys[user])

    def data(user, target, permission="READ", **more):
        return w.user[user].get_data_access(AccountId=C, Target=f"s3://{BUCKET}/{target}",
                                            Permission=permission, **more)

    w.data = data
    w.open = lambda *a, **k: connect("s3", keys=keys_of(data(*a, **k)))
    return w


def denied(permission, target):
    return refused("AccessDenied", f"You do not have {permission} permissions to the requested S3 "
                                   f"Prefix: s3://{BUCKET}/{target}")


def test_001_the_articles_calls(seed):
    """Targets without a star, READ out of READWRITE, ListObjects version 1."""
    reply = seed.data("usera", "UserA/", "READWRITE")
    assert reply["MatchedGrantTarget"] == f"s3://{BUCKET}/UserA/*"
    assert reply["Grantee"] == grantee("usera")
    s3 = seed.open("usera", "UserA/", "READWRITE")
    for i in range(3):
        s3.put_object(Bucket=BUCKET, Key=f"UserA/output/train/part-0000{i}", Body=b"M,0.4\n" * 10)
    reader = seed.open("usera", "UserA/output/train", "READ")
    listed = reader.list_objects(Bucket=BUCKET, Prefix="UserA/output/train")
    assert [o["Key"][-10:] for o in listed["Contents"]] == ["part-00000", "part-00001", "part-00002"]
    assert reader.get_object(Bucket=BUCKET, Key=listed["Contents"][0]["Key"])["ContentLength"] == 60
    first = reader.list_objects(Bucket=BUCKET, Prefix="UserA/output/train", MaxKeys=2)
    assert first["IsTruncated"] and "NextMarker" not in first
    second = reader.list_objects(Bucket=BUCKET, Prefix="UserA/output/train",
                                 Marker=first["Contents"][-1]["Key"])
    assert [o["Key"][-10:] for o in second["Contents"]] == ["part-00002"]


def test_001_user_b_is_denied_user_as_folder(seed):
    with denied("READWRITE", "UserA/"):
        seed.data("userb", "UserA/", "READWRITE")
    with denied("READ", "UserA/output/train"):
        seed.data("userb", "UserA/output/train")
    with denied("READ", "UserB/*"):
        seed.data("usera", "UserB/*")
    shared = {user: seed.open(user, "Product/*", "READWRITE") for user in ("usera", "userb")}
    shared["usera"].put_object(Bucket=BUCKET, Key="Product/new", Body=b"by a")
    assert shared["userb"].get_object(Bucket=BUCKET, Key="Product/new")["Body"].read() == b"by a"
    assert seed.open("userb", "UserB/*").get_object(
        Bucket=BUCKET, Key="UserB/abalone.csv")["Body"].read() == b"UserB"


def test_001_roles_have_nothing_of_their_own(seed, connect):
    s3 = connect("s3", keys=seed.keys["usera"])
    with refused("AccessDenied"):
        s3.get_object(Bucket=BUCKET, Key="UserA/abalone.csv")
    with refused("AccessDenied"):
        s3.list_objects_v2(Bucket=BUCKET, Prefix="UserA/")


def test_vended_keys_end_at_the_scope(seed):
    s3 = seed.open("usera", "UserA/*", "READWRITE")
    s3.get_object(Bucket=BUCKET, Key="UserA/abalone.csv")
    s3.list_objects_v2(Bucket=BUCKET, Prefix="UserA/")
    for key in ("UserA2/abalone.csv", "UserB/abalone.csv", "Product/abalone.csv", "x"):
        with refused("AccessDenied", "because no session policy allows the s3:GetObject action"):
            s3.get_object(Bucket=BUCKET, Key=key)
    for prefix in ("", "User", "UserA2/", "UserB/"):
        with refused("AccessDenied", "s3:ListBucket"):
            s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    with denied("READ", "UserA2/*"):
        seed.data("usera", "UserA2/*")


def test_read_cannot_write_and_write_cannot_read(seed):
    reader, writer = (seed.open("usera", "UserA/*", p) for p in ("READ", "WRITE"))
    with refused("AccessDenied", "s3:PutObject"):
        reader.put_object(Bucket=BUCKET, Key="UserA/x", Body=b"x")
    with refused("AccessDenied", "s3:DeleteObject"):
        reader.delete_object(Bucket=BUCKET, Key="UserA/abalone.csv")
    writer.put_object(Bucket=BUCKET, Key="UserA/x", Body=b"x")
    with refused("AccessDenied", "s3:GetObject"):
        writer.get_object(Bucket=BUCKET, Key="UserA/x")
    with refused("AccessDenied", "s3:ListBucket"):
        writer.list_objects_v2(Bucket=BUCKET, Prefix="UserA/")
    upload = writer.create_multipart_upload(Bucket=BUCKET, Key="UserA/big")["UploadId"]
    writer.abort_multipart_upload(Bucket=BUCKET, Key="UserA/big", UploadId=upload)


def test_default_and_minimal_privilege(seed):
    target = "UserA/abalone.csv"
    assert seed.data("usera", target)["MatchedGrantTarget"] == f"s3://{BUCKET}/UserA/*"
    reply = seed.data("usera", target, Privilege="Minimal", TargetType="Object")
    assert reply["MatchedGrantTarget"] == f"s3://{BUCKET}/{target}"
    seed.s3.put_object(Bucket=BUCKET, Key="UserA/other", Body=b"x")
    one = seed.open("usera", target, Privilege="Minimal")
    one.get_object(Bucket=BUCKET, Key=target)
    with refused("AccessDenied"):
        one.get_object(Bucket=BUCKET, Key="UserA/other")
    folder = seed.open("usera", "UserA/sub/*", "READWRITE", Privilege="Minimal")
    folder.put_object(Bucket=BUCKET, Key="UserA/sub/x", Body=b"x")
    with refused("AccessDenied"):
        folder.get_object(Bucket=BUCKET, Key=target)
    # Without a star a Minimal target is the one object of that name.
    slash = seed.open("usera", "UserA/", Privilege="Minimal")
    with refused("AccessDenied"):
        slash.get_object(Bucket=BUCKET, Key=target)


def test_the_closest_grant_serves(seed):
    seed.control.create_access_grant(
        AccountId=C, AccessGrantsLocationId=seed.location, Grantee=grantee("usera"),
        AccessGrantsLocationConfiguration={"S3SubPrefix": "UserA/deep/*"}, Permission="READ")
    assert seed.data("usera", "UserA/deep/x")["MatchedGrantTarget"].endswith("/UserA/deep/*")
    assert seed.data("usera", "UserA/deep/x", "WRITE")["MatchedGrantTarget"].endswith("/UserA/*")
    assert seed.data("usera", "UserA/deeper/x")["MatchedGrantTarget"].endswith("/UserA/*")


def test_object_grants_and_byte_prefixes(seed):
    for prefix, more in (("UserB/abalone.csv", {"S3PrefixType": "Object"}), ("Use*", {})):
        seed.control.create_access_grant(
            AccountId=C, AccessGrantsLocationId=seed.location, Grantee=grantee("usera"),
            AccessGrantsLocationConfiguration={"S3SubPrefix": prefix}, Permission="READ", **more)
    reply = seed.data("usera", "UserB/abalone.csv", TargetType="Object")
    assert reply["MatchedGrantTarget"] == f"s3://{BUCKET}/UserB/abalone.csv"
    assert seed.data("usera", "UserA2/*")["MatchedGrantTarget"] == f"s3://{BUCKET}/Use*"
    with refused("InvalidAccessGrant", status=400):
        seed.control.create_access_grant(
            AccountId=C, AccessGrantsLocationId=seed.location, Grantee=grantee("usera"),
            AccessGrantsLocationConfiguration={"S3SubPrefix": "no-star"}, Permission="READ")


def test_revoked_at_once(seed):
    seed.data("usera", "UserA/*")
    seed.control.delete_access_grant(AccountId=C, AccessGrantId=seed.ids["usera", "UserA/*"])
    with denied("READ", "UserA/*"):
        seed.data("usera", "UserA/*")
    seed.control.create_access_grant(
        AccountId=C, AccessGrantsLocationId=seed.location, Grantee=grantee("usera"),
        AccessGrantsLocationConfiguration={"S3SubPrefix": "UserA/*"}, Permission="READ")
    seed.data("usera", "UserA/*")
    with denied("WRITE", "UserA/*"):
        seed.data("usera", "UserA/*", "WRITE")


def test_every_layer_removed_in_turn(seed):
    s3 = seed.open("usera", "UserA/*")
    seed.iam.delete_role_policy(RoleName="sagemaker-usera-role", PolicyName="ask")
    with refused("AccessDenied", "s3:GetDataAccess", "because no identity-based policy allows"):
        seed.data("usera", "UserA/*")
    seed.iam.put_role_policy(RoleName="sagemaker-usera-role", PolicyName="ask",
                             PolicyDocument=text(ASK))
    seed.iam.update_assume_role_policy(RoleName="location", PolicyDocument=text(
        trust({"Service": "ec2.amazonaws.com"})))
    with refused("StsNotAuthorizedError", f"arn:aws:iam::{C}:role/location"):
        seed.data("usera", "UserA/*")
    seed.iam.update_assume_role_policy(RoleName="location", PolicyDocument=text(trust(SERVICE)))
    seed.iam.delete_role_policy(RoleName="location", PolicyName="p")
    with refused("AccessDenied", "because no identity-based policy allows the s3:GetObject action"):
        s3.get_object(Bucket=BUCKET, Key="UserA/abalone.csv")
    seed.s3.put_bucket_policy(Bucket=BUCKET, Policy=text(policy(
        allow("s3:*", ARN + "/*", "*", {"StringNotLike": {"aws:userid": "AIDA*"}}, effect="Deny"))))
    with refused("AccessDenied", "with an explicit deny in a resource-based policy"):
        s3.get_object(Bucket=BUCKET, Key="UserA/abalone.csv")


def test_durations(seed):
    for seconds in (899, 43201):
        with pytest.raises(Exception):
            seed.data("usera", "UserA/*", DurationSeconds=seconds)
    with refused("StsValidationError", status=400):
        seed.data("usera", "UserA/*", DurationSeconds=7200)
    seed.iam.update_role(RoleName="location", MaxSessionDuration=43200)
    reply = seed.data("usera", "UserA/*", DurationSeconds=43200)
    assert reply["Credentials"]["Expiration"].timestamp() > 0


def test_callers_list_their_grants(seed):
    def scopes(**args):
        return [g["GrantScope"][len(f"s3://{BUCKET}/"):] for page in
                seed.user["usera"].get_paginator("list_caller_access_grants").paginate(
                    AccountId=C, **args) for g in page["CallerAccessGrantsList"]]
    assert scopes() == ["Product/*", "UserA/*"]
    assert scopes(PaginationConfig={"PageSize": 1}) == ["Product/*", "UserA/*"]
    assert scopes(GrantScope=f"s3://{BUCKET}/UserA*") == ["UserA/*"]
    assert scopes(GrantScope=f"s3://{BUCKET}/UserB/*") == []
    assert scopes(AllowedByApplication=True) == ["Product/*", "UserA/*"]


def test_the_instance_for_a_prefix(seed):
    reply = seed.user["usera"].get_access_grants_instance_for_prefix(
        AccountId=C, S3Prefix=f"s3://{BUCKET}/UserA/*")
    assert reply["AccessGrantsInstanceArn"] == INSTANCE
    with refused("AccessGrantsInstanceNotExistsError", status=404):
        seed.user["usera"].get_access_grants_instance_for_prefix(AccountId=C, S3Prefix="s3://other/*")


def test_shared_with_another_account(seed, connect):
    iam = connect("iam", keys=admin(D))
    keys = make_user(iam, "guest", ask=ASK)
    guest = connect("s3control", keys=keys)
    target = f"s3://{BUCKET}/Product/*"
    arn = f"arn:aws:iam::{D}:user/guest"
    seed.control.create_access_grant(
        AccountId=C, AccessGrantsLocationId=seed.location, Permission="READ",
        Grantee={"GranteeType": "IAM", "GranteeIdentifier": arn},
        AccessGrantsLocationConfiguration={"S3SubPrefix": "Product/*"})
    with refused("AccessDenied", "because no resource-based policy allows the s3:GetDataAccess"):
        guest.get_data_access(AccountId=C, Target=target, Permission="READ")
    seed.control.put_access_grants_instance_resource_policy(AccountId=C, Policy=text(policy(
        allow(["s3:GetDataAccess", "s3:ListCallerAccessGrants",
               "s3:GetAccessGrantsInstanceForPrefix"], INSTANCE, {"AWS": arn}))))
    reply = guest.get_access_grants_instance_for_prefix(AccountId=D, S3Prefix=target)
    assert reply["AccessGrantsInstanceArn"] == INSTANCE
    reply = guest.get_data_access(AccountId=C, Target=target, Permission="READ")
    s3 = connect("s3", keys=keys_of(reply))
    assert s3.get_object(Bucket=BUCKET, Key="Product/abalone.csv")["Body"].read() == b"Product"


def test_administration_by_the_command_line(seed, run):
    keys = admin(C)

    def cli(*args, check=True, keys=keys):
        out = run([AWS, "s3control", *args, "--account-id", C], keys=keys, check=check)
        return json.loads(out) if check and out else out

    assert cli("get-access-grants-instance")["AccessGrantsInstanceArn"] == INSTANCE
    assert len(cli("list-access-grants-instances")["AccessGrantsInstancesList"]) == 1
    locations = cli("list-access-grants-locations")["AccessGrantsLocationsList"]
    assert [x["LocationScope"] for x in locations] == [f"s3://{BUCKET}"]
    grants = cli("list-access-grants", "--permission", "READWRITE")["AccessGrantsList"]
    assert len(grants) == 4
    assert cli("get-access-grant", "--access-grant-id", grants[0]["AccessGrantId"])[
        "GrantScope"] == f"s3://{BUCKET}/Product/*"
    assert len(cli("list-access-grants", "--grantee-type", "IAM", "--grantee-identifier",
                   grantee("userb")["GranteeIdentifier"])["AccessGrantsList"]) == 2
    data = cli("get-data-access", "--target", f"s3://{BUCKET}/UserA/*", "--permission", "READ",
               keys=seed.keys["usera"])
    vended = data["Credentials"]
    assert "abalone.csv" in run([AWS, "s3", "ls", f"s3://{BUCKET}/UserA/"], keys=(
        vended["AccessKeyId"], vended["SecretAccessKey"], vended["SessionToken"]))
    assert cli("delete-access-grants-instance", check=False).returncode != 0
    for g in grants:
        cli("delete-access-grant", "--access-grant-id", g["AccessGrantId"])
    cli("delete-access-grants-location", "--access-grants-location-id", seed.location)
    cli("delete-access-grants-instance")
    assert "AccessGrantsInstanceNotExistsError" in cli("get-access-grants-instance",
                                                       check=False).stderr


def test_administration_errors(seed):
    control = seed.control
    with refused("AccessGrantsInstanceAlreadyExists", status=409):
        control.create_access_grants_instance(AccountId=C)
    role = f"arn:aws:iam::{C}:role/location"
    with refused("AccessGrantsLocationAlreadyExistsError", status=409):
        control.create_access_grants_location(AccountId=C, LocationScope=f"s3://{BUCKET}",
                                              IAMRoleArn=role)
    with refused("InvalidIamRole", status=400):
        control.create_access_grants_location(AccountId=C, LocationScope="s3://",
                                              IAMRoleArn=role + "x")
    with refused("NoSuchAccessGrantError", status=404):
        control.get_access_grant(AccountId=C, AccessGrantId="none")
    with refused("NoSuchAccessGrantsLocationError", status=404):
        control.delete_access_grants_location(AccountId=C, AccessGrantsLocationId="none")
    with refused("AccessGrantsLocationNotEmptyError", status=400):
        control.delete_access_grants_location(AccountId=C, AccessGrantsLocationId=seed.location)
    with refused("AccessGrantAlreadyExists", status=409):
        control.create_access_grant(
            AccountId=C, AccessGrantsLocationId=seed.location, Grantee=grantee("usera"),
            AccessGrantsLocationConfiguration={"S3SubPrefix": "UserA/*"}, Permission="READWRITE")
    with refused("AccessGrantsInstanceResourcePolicyNotExists", status=404):
        control.get_access_grants_instance_resource_policy(AccountId=C)


def test_tags_and_the_default_location(seed):
    role = f"arn:aws:iam::{C}:role/location"
    made = seed.control.create_access_grants_location(
        AccountId=C, LocationScope="s3://", IAMRoleArn=role, Tags=[{"Key": "k", "Value": "v"}])
    assert made["AccessGrantsLocationId"] == "default"
    arn = made["AccessGrantsLocationArn"]
    assert seed.control.list_tags_for_resource(AccountId=C, ResourceArn=arn)["Tags"] == [
        {"Key": "k", "Value": "v"}]
    seed.control.tag_resource(AccountId=C, ResourceArn=arn, Tags=[{"Key": "k2", "Value": "v2"}])
    seed.control.untag_resource(AccountId=C, ResourceArn=arn, TagKeys=["k"])
    assert seed.control.list_tags_for_resource(AccountId=C, ResourceArn=arn)["Tags"] == [
        {"Key": "k2", "Value": "v2"}]
    grant = seed.control.create_access_grant(
        AccountId=C, AccessGrantsLocationId="default", Grantee=grantee("userb"),
        AccessGrantsLocationConfiguration={"S3SubPrefix": f"{BUCKET}/UserA2/*"}, Permission="READ")
    assert grant["GrantScope"] == f"s3://{BUCKET}/UserA2/*"
    s3 = seed.open("userb", "UserA2/*")
    assert s3.get_object(Bucket=BUCKET, Key="UserA2/abalone.csv")["Body"].read() == b"UserA2"

"""Grants to users and groups of a corporate directory, by boto3: the session's identity context decides."""
import types

import directory
import emulator as support
import pytest
from directory import ANN, BOB, INSTANCE, TEAM
from scenario import admin, allow, bare, keys_of, make_role, make_user, policy, refused, trust

pytestmark = pytest.mark.subdomains

A = "333333333333"
BUCKET = "corporate-data"
APP = f"arn:aws:iam::{A}:user/app"
ACTIONS = ["sts:AssumeRole", "sts:SetContext"]


@pytest.fixture(autouse=True)
def undisturbed():
    """Every test has an emulator of its own: nothing to put back."""


@pytest.fixture
def emulator():
    e = support.Emulator(bare(A, sso=directory.described()))
    yield e
    e.stop()


@pytest.fixture
def world(connect):
    w = types.SimpleNamespace(iam=connect("iam", keys=admin(A)), control=connect("s3control", keys=admin(A)))
    s3 = connect("s3", keys=admin(A))
    s3.create_bucket(Bucket=BUCKET)
    for folder in ("ann", "bob", "team", "role"):
        s3.put_object(Bucket=BUCKET, Key=f"{folder}/x", Body=folder.encode())
    w.app = connect("sts", keys=make_user(w.iam, "app", p=policy(allow(ACTIONS, "*"))))
    w.role = make_role(w.iam, "portal", trust({"AWS": APP}, actions=ACTIONS), p=policy(allow(
        ["s3:GetDataAccess", "s3:ListCallerAccessGrants"], "*")))
    location = make_role(w.iam, "location", trust({"Service": "access-grants.s3.amazonaws.com"}),
                         p=policy(allow("s3:*", "*")))
    w.control.create_access_grants_instance(AccountId=A)
    w.location = w.control.create_access_grants_location(
        AccountId=A, LocationScope=f"s3://{BUCKET}", IAMRoleArn=location)["AccessGrantsLocationId"]

    def grant(kind, who, prefix, permission="READ"):
        return w.control.create_access_grant(
            AccountId=A, AccessGrantsLocationId=w.location, Permission=permission,
            Grantee={"GranteeType": kind, "GranteeIdentifier": who},
            AccessGrantsLocationConfiguration={"S3SubPrefix": prefix})["AccessGrantId"]

    def ask(user, prefix, permission="READ"):
        caller = connect("s3control", keys=keys_of(directory.assume(w.app, w.role, user)))
        return caller.get_data_access(AccountId=A, Target=f"s3://{BUCKET}/{prefix}*", Permission=permission)

    def listed(user):
        caller = connect("s3control", keys=keys_of(directory.assume(w.app, w.role, user)))
        return sorted(g["GrantScope"] for g in caller.list_caller_access_grants(AccountId=A)["CallerAccessGrantsList"])
    w.grant, w.ask, w.listed = grant, ask, listed
    return w


def test_the_instance_has_to_know_the_directory(world):
    with refused("InvalidAccessGrant", "Identity Center", status=400):
        world.grant("DIRECTORY_USER", ANN, "ann/*")
    with refused("InvalidIdentityCenterInstance", status=400):
        world.control.associate_access_grants_identity_center(AccountId=A, IdentityCenterArn=INSTANCE + "0")
    world.control.associate_access_grants_identity_center(AccountId=A, IdentityCenterArn=INSTANCE)
    assert world.control.get_access_grants_instance(AccountId=A)["IdentityCenterInstanceArn"] == INSTANCE
    made = world.grant("DIRECTORY_USER", ANN, "ann/*")
    with refused("InvalidRequest", status=400):
        world.control.dissociate_access_grants_identity_center(AccountId=A)
    world.control.delete_access_grant(AccountId=A, AccessGrantId=made)
    world.control.dissociate_access_grants_identity_center(AccountId=A)
    assert "IdentityCenterInstanceArn" not in world.control.get_access_grants_instance(AccountId=A)


def test_who_somebody_is_decides(world, connect):
    world.control.associate_access_grants_identity_center(AccountId=A, IdentityCenterArn=INSTANCE)
    world.grant("DIRECTORY_USER", ANN, "ann/*", "READWRITE")
    world.grant("DIRECTORY_USER", BOB, "bob/*")
    world.grant("DIRECTORY_GROUP", TEAM, "team/*")
    world.grant("IAM", world.role, "role/*")
    reply = world.ask("ann", "team/")
    assert reply["Grantee"] == {"GranteeType": "DIRECTORY_GROUP", "GranteeIdentifier": TEAM}
    s3 = connect("s3", keys=keys_of(reply))
    assert s3.get_object(Bucket=BUCKET, Key="team/x")["Body"].read() == b"team"
    with refused("AccessDenied"):
        s3.get_object(Bucket=BUCKET, Key="ann/x")
    assert world.ask("ann", "ann/", "READWRITE")["Grantee"]["GranteeIdentifier"] == ANN
    assert world.ask("bob", "bob/")["Grantee"]["GranteeIdentifier"] == BOB
    for user, prefix in (("ann", "bob/"), ("bob", "ann/"), ("bob", "team/"), (None, "ann/"), (None, "team/")):
        with refused("AccessDenied", "You do not have READ permissions"):
            world.ask(user, prefix)
    assert world.ask(None, "role/")["Grantee"]["GranteeType"] == "IAM"
    scopes = {p: f"s3://{BUCKET}/{p}/*" for p in ("ann", "bob", "team", "role")}
    assert world.listed("ann") == sorted([scopes["ann"], scopes["team"], scopes["role"]])
    assert world.listed("bob") == sorted([scopes["bob"], scopes["role"]])
    assert world.listed(None) == [scopes["role"]]


def test_the_context_has_to_be_allowed(world, connect):
    with refused("InvalidParameterValue", status=400):
        directory.assume(world.app, world.role, "nobody")
    blind = make_role(world.iam, "blind", trust({"AWS": APP}), p=policy(allow("s3:*", "*")))
    directory.assume(world.app, blind, None)
    with refused("AccessDenied", "because no role trust policy allows the sts:SetContext action"):
        directory.assume(world.app, blind, "ann")
    tied = make_role(world.iam, "tied", trust({"AWS": APP}, actions=ACTIONS, condition={
        "ForAllValues:StringEquals": {"sts:RequestContextProviders": [directory.PROVIDER]}}), p=policy(
            allow("s3:ListAllMyBuckets", "*", condition={"StringEquals": {"identitystore:UserId": ANN}})))
    connect("s3", keys=keys_of(directory.assume(world.app, tied, "ann"))).list_buckets()
    with refused("AccessDenied"):
        connect("s3", keys=keys_of(directory.assume(world.app, tied, "bob"))).list_buckets()

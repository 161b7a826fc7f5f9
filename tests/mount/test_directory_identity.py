"""Mounts whose keys carry the identity of a corporate directory's user: grants to that user and his groups are theirs."""
import os

import boto3
import directory
import pytest
from directory import ANN, BOB, INSTANCE, TEAM
from emulator import Emulator
from mounting import credentials_text, options

ACCOUNT, BUCKET = "333333333333", "corporate-data"
ADMIN = ("AKIADIRECTORYADMIN01", "secret/of/the/administrator/000000000000")
APP = ("AKIADIRECTORYAPP0001", "secret/of/the/application/0000000000000")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/portal"
ACTIONS = ["sts:AssumeRole", "sts:SetContext"]


def policy(**statement):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def user(name, keys):
    return {"name": name, "access-keys": [{"id": keys[0], "secret": keys[1]}],
            "policies": {"all": policy(Action="*", Resource="*")}}


def grant(kind, who, prefix):
    return {"location": "default", "sub-prefix": f"{BUCKET}/{prefix}/*", "permission": "READ",
            "grantee": {"type": kind, "id": who}}


WORLD = {
    "accounts": [{"id": ACCOUNT, "users": [user("admin", ADMIN), user("app", APP)], "roles": [
        {"name": "portal", "trust": policy(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/app"}, Action=ACTIONS),
         "policies": {"ask": policy(Action=["s3:GetDataAccess", "s3:ListCallerAccessGrants"], Resource="*")}},
        {"name": "location", "policies": {"all": policy(Action="s3:*", Resource="*")},
         "trust": policy(Principal={"Service": "access-grants.s3.amazonaws.com"}, Action="sts:AssumeRole")}]}],
    "sso": directory.described(),
    "buckets": [{"name": BUCKET, "account": ACCOUNT}],
    "access-grants": [{"account": ACCOUNT, "region": "us-east-1", "identity-center": INSTANCE, "locations": [
        {"id": "default", "scope": "s3://", "role": f"arn:aws:iam::{ACCOUNT}:role/location"}], "grants": [
            grant("DIRECTORY_USER", ANN, "ann"), grant("DIRECTORY_USER", BOB, "bob"),
            grant("DIRECTORY_GROUP", TEAM, "team"), grant("IAM", ROLE, "role")]}],
}


@pytest.fixture(scope="module")
def emu():
    instance = Emulator(WORLD)

    def client(service, keys):
        return boto3.client(service, endpoint_url=instance.endpoint, region_name="us-east-1",
                            aws_access_key_id=keys[0], aws_secret_access_key=keys[1])
    for folder in ("ann", "bob", "team", "role"):
        client("s3", ADMIN).put_object(Bucket=BUCKET, Key=f"{folder}/x", Body=folder.encode())
    instance.app = client("sts", APP)
    yield instance
    instance.stop()


@pytest.fixture
def people(emu, place):
    """Profiles of ann, bob and nobody in particular; what an application or a credential_process delivers."""
    sessions = {}
    for name in ("ann", "bob", None):
        keys = directory.assume(emu.app, ROLE, name)["Credentials"]
        sessions[name or "nobody"] = keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
    (place.dir / "credentials").write_text(credentials_text(sessions))


def test_the_tree_is_the_user_s(emu, place, people):
    for name, folders in (("ann", ["ann", "role", "team"]), ("bob", ["bob", "role"]), ("nobody", ["role"])):
        point = place.mount(f"grants:{ACCOUNT}", options(emu, f"profile={name}"))
        assert sorted(os.listdir(point / BUCKET)) == folders
        for folder in folders:
            assert (point / BUCKET / folder / "x").read_text() == folder


def test_prefixes_by_user_and_group(emu, place, people):
    words = ["access=grants", f"account={ACCOUNT}"]
    point = place.mount(f"s3://{BUCKET}/team", options(emu, "profile=ann", *words))
    assert (point / "x").read_text() == "team"
    assert TEAM in place.run("explain", point / "x").stdout
    for name, prefix in (("bob", "team"), ("nobody", "ann"), ("bob", "ann")):
        result, _ = place.try_mount(f"s3://{BUCKET}/{prefix}", options(emu, f"profile={name}", *words))
        assert result.returncode == 3 and "GetDataAccess: AccessDenied" in result.stderr, result.stderr

"""One `grants` source over several instances of Access Grants: accounts, Regions, all pages, and one that fails."""
import json
import os

import boto3
import pytest
from emulator import Emulator
from mounting import credentials_text, options, wait_until

NEAR, FAR = "111111111111", "222222222222"
ANN = ("AKIAEXAMPLEANN000001", "secret/of/ann/0000000000000000000000000")
ADMINS = {a: (f"AKIAADMIN{a}", f"administrator/of/{a}/000000000000000000") for a in (NEAR, FAR)}
ANN_ARN = f"arn:aws:iam::{NEAR}:user/ann"
MANY = 1100  # of one instance: more than a page
SOURCE = f"grants:{NEAR},{FAR}:us-west-2"


def policy(**statement):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def user(name, keys):
    return {"name": name, "access-keys": [{"id": keys[0], "secret": keys[1]}],
            "policies": {"all": policy(Action="*", Resource="*")}}


def account(number, *users):
    return {"id": number, "users": [user("admin", ADMINS[number]), *users], "roles": [
        {"name": "location", "policies": {"all": policy(Action="s3:*", Resource="*")},
         "trust": policy(Principal={"Service": "access-grants.s3.amazonaws.com"}, Action="sts:AssumeRole")}]}


def instance(number, region, *grants):
    """Grants: (prefix with its bucket, permission)."""
    return {"account": number, "region": region, "policy": policy(
        Principal={"AWS": NEAR}, Action=["s3:GetDataAccess", "s3:ListCallerAccessGrants"],
        Resource=f"arn:aws:s3:{region}:{number}:access-grants/default"), "locations": [
            {"id": "default", "scope": "s3://", "role": f"arn:aws:iam::{number}:role/location"}], "grants": [
                {"location": "default", "sub-prefix": p + "*", "permission": permission,
                 "grantee": {"type": "IAM", "id": ANN_ARN}} for p, permission in grants]}


WORLD = {
    "accounts": [account(NEAR, user("ann", ANN)), account(FAR)],
    "buckets": [{"name": "near", "account": NEAR},
                {"name": "far", "account": FAR, "region": "us-west-2"}, {"name": "both", "account": FAR}],
    "access-grants": [
        instance(NEAR, "us-east-1", ("near/a/", "READ"), ("both/shared/", "READ"), ("both/shared/mine/", "READ")),
        instance(FAR, "us-west-2", ("far/many/", "READWRITE"),
                 *((f"far/many/{i:04}/", "READ") for i in range(MANY)), ("far/zz/", "READ")),
        instance(FAR, "us-east-1", ("both/shared/", "READWRITE"))],
}


@pytest.fixture(scope="module")
def emu():
    e = Emulator(WORLD)
    for number, region, bucket, keys in (
            (NEAR, "us-east-1", "near", ["a/x"]), (FAR, "us-west-2", "far", ["many/x", "many/0007/y", "zz/last"]),
            (FAR, "us-east-1", "both", ["shared/x", "shared/mine/y"])):
        s3 = boto3.client("s3", endpoint_url=e.endpoint, region_name=region, aws_access_key_id=ADMINS[number][0],
                          aws_secret_access_key=ADMINS[number][1])
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=f"{bucket}/{key}".encode())
    yield e
    e.stop()


@pytest.fixture(autouse=True)
def ann(place):
    (place.dir / "credentials").write_text(credentials_text({"ann": (*ANN, None)}))


def seen(emu, operation):
    return [r for r in emu.admin("GET", "requests") if r["operation"] == operation]


def test_several_accounts_and_regions_are_one_tree(emu, place):
    emu.admin("DELETE", "requests")
    point = place.mount(SOURCE, options(emu, "profile=ann", f"state-dir={place.dir}/state"))
    assert sorted(os.listdir(point)) == ["both", "far", "near"]
    assert len(seen(emu, "ListCallerAccessGrants")) == 3  # the far one has two pages
    assert (point / "near" / "a" / "x").read_text() == "near/a/x"
    assert (point / "far" / "zz" / "last").read_text() == "far/zz/last"  # of the second page
    assert (point / "far" / "many" / "0007" / "y").read_text() == "far/many/0007/y"
    (point / "far" / "many" / "new").write_text("written")
    assert (point / "far" / "many" / "x").read_text() == "far/many/x"
    with pytest.raises(PermissionError):
        (point / "near" / "a" / "new").write_text("no")
    assert (place.hand_out(point) / "near" / "a" / "new").read_text() == "no"
    assert len(seen(emu, "GetCallerIdentity")) == 0
    status = place.status(point)["directories"][0]
    assert status["grants"] == f"{MANY + 5} scopes by grants of accounts {NEAR},{FAR}:us-west-2"
    told = json.loads(place.run("credentials", point / "far" / "zz" / "last").stdout)
    assert told["AccessKeyId"].startswith("ASIA")


def test_equal_scopes_of_two_instances(emu, place):
    """The one that allows more is used; what is nested below it is the other's."""
    point = place.mount(f"grants:{NEAR}:us-east-1,{FAR}:us-east-1", options(
        emu, "profile=ann", f"state-dir={place.dir}/state")) / "both" / "shared"
    assert (point / "x").read_text() == "both/shared/x"
    (point / "written").write_text("by the far account's grant")
    os.unlink(point / "written")


def test_an_instance_that_fails(emu, place):
    """The others are shown; when all fail, the mount does."""
    fault = {"operation": "ListCallerAccessGrants", "effect": "error", "status": 403, "code": "AccessDenied",
             "message": "not you"}
    emu.admin("POST", "faults", {**fault, "skip": 1, "count": 1})
    point = place.mount(SOURCE, options(emu, "profile=ann", "metadata-ttl=1s"))
    assert os.listdir(point) == ["both", "near"]
    line = f"the grants of account {FAR} in us-west-2 cannot be listed, those of the other accounts are: " \
           "ListCallerAccessGrants: AccessDenied"
    assert place.log().count(line) == 1
    wait_until(lambda: "far" in os.listdir(point))  # it came back
    place.umount(point)
    emu.admin("POST", "faults", {**fault, "count": -1})
    result, _ = place.try_mount(SOURCE, options(emu, "profile=ann"))
    assert result.returncode == 3 and "ListCallerAccessGrants: AccessDenied" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("source,said", [
    (f"grants:{NEAR},{FAR}", "account= does not go with a list"), (f"grants:{NEAR},", "12 digits"),
    (f"grants:{NEAR},{NEAR}", "listed twice"), (f"grants:{NEAR}:us-east-1,{FAR}:", "lacks its region")])
def test_lists_that_are_none(emu, place, source, said):
    words = options(emu, "profile=ann", *([f"account={NEAR}"] if "account=" in said else []))
    result, _ = place.try_mount(source, words)
    assert result.returncode in (1, 2) and said in result.stderr, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1

"""Commands beside mounts: access points, and keys for other programs."""
import json
import os

import pytest
from emulator import ADMINS, SESSIONS
from mounting import AP_ARN, GRANTS_BUCKET, S3APFS, endpoints, options

OWNER = "222222222222"


@pytest.fixture
def as_admin(place):
    place.add_profile("admin", ADMINS[OWNER])
    return "--profile", "admin"


def test_accesspoints(emu, place, as_admin):
    """003-M5: the access points of the account, and the line that mounts each."""
    wired = ("-o", endpoints(emu, ","))
    table = place.run("accesspoints", *as_admin, *wired)
    assert table.returncode == 0, table.stderr
    assert f"s3apfs mount {AP_ARN} DIR" in table.stdout and "test-bucket-1" in table.stdout
    listed = json.loads(place.run("accesspoints", *as_admin, "--account", OWNER, "--json",
                                  *wired).stdout)
    assert [(a["name"], a["bucket"], a["network_origin"]) for a in listed] == [
        ("test-ap-1", "test-bucket-1", "Internet")]
    assert listed[0]["arn"] == AP_ARN and listed[0]["mount"] == f"s3apfs mount {AP_ARN} DIR"


def test_accesspoints_of_another_account_are_refused(emu, place):
    told = place.run("accesspoints", "--profile", "demo", "--account", OWNER, "-o",
                     endpoints(emu, ","))
    assert told.returncode == 3 and told.stderr.count("\n") == 1
    assert "AccessDenied" in told.stderr and "assumed-role/demo" in told.stderr
    assert place.run("accesspoints", "--account", "1").returncode == 2
    assert place.run("accesspoints", "extra").returncode == 2


def reader(emu, document):
    return emu.client([document["AccessKeyId"], document["SecretAccessKey"], document.get("SessionToken")])


def keys(place, *args):
    told = place.run("credentials", *args)
    assert told.returncode == 0, told.stderr
    document = json.loads(told.stdout)
    assert document["Version"] == 1
    return document


def test_credentials_of_a_grant(emu, place):
    wired = ",".join(options(emu, "access=grants", "profile=usera"))
    source = f"s3://{GRANTS_BUCKET}/UserA"
    document = keys(place, source, "-o", wired)
    assert document["Expiration"].endswith("Z")
    got = reader(emu, document).get_object(Bucket=GRANTS_BUCKET, Key="UserA/abalone.csv")
    assert got["Body"].read() == b"UserA\n"
    with pytest.raises(Exception, match="AccessDenied"):
        reader(emu, document).put_object(Bucket=GRANTS_BUCKET, Key="UserA/new", Body=b"")
    writer = reader(emu, keys(place, source, "--permission", "readwrite", "-o", wired))
    writer.put_object(Bucket=GRANTS_BUCKET, Key="UserA/new", Body=b"")
    writer.delete_object(Bucket=GRANTS_BUCKET, Key="UserA/new")
    denied = place.run("credentials", f"s3://{GRANTS_BUCKET}/UserB", "-o", wired)
    assert denied.returncode == 3 and denied.stdout == ""
    assert "UserB" in denied.stderr and denied.stderr.count("\n") == 1


def test_credentials_of_a_path(emu, place):
    config = place.config(emu, {"mine": ["source = grants", "profile = usera"],
                                "one": [f"source = s3://{GRANTS_BUCKET}/Product",
                                        "access = grants", "profile = userb"],
                                "ap": [f"source = {AP_ARN}", "profile = demo"]})
    point = place.mount(config, ["log-level=debug"])
    document = keys(place, point / "mine" / GRANTS_BUCKET / "UserA")
    assert reader(emu, document).list_objects_v2(Bucket=GRANTS_BUCKET, Prefix="UserA/")["KeyCount"] == 1
    file = keys(place, point / "one" / "abalone.csv")
    assert reader(emu, file).get_object(Bucket=GRANTS_BUCKET, Key="Product/abalone.csv")
    assert keys(place, point / "ap")["SecretAccessKey"] == SESSIONS["demo"][1]
    assert keys(place, point / "ap" / "sample2.csv")["SessionToken"] == SESSIONS["demo"][2]
    for word in (document["SecretAccessKey"], document["SessionToken"]):
        assert word not in place.log()
    whole = place.run("credentials", point / "mine")
    assert whole.returncode == 1 and "one bucket" in whole.stderr
    denied = place.run("credentials", point / "mine" / GRANTS_BUCKET / "UserA", "--permission", "bad")
    assert denied.returncode == 2


def test_credentials_as_credential_process(emu, place):
    """001-M10: keys of a grant for programs that have no mount."""
    wired = ",".join(options(emu, "access=grants", "profile=usera"))
    script = place.dir / "vend"
    script.write_text("#!/bin/sh\nexec env " + " ".join(
        f"{k}={v}" for k, v in place.env.items() if k.startswith("AWS_")) +
        f" '{S3APFS}' credentials "
        f"s3://{GRANTS_BUCKET}/UserA -o '{wired}'\n")
    script.chmod(0o755)
    (place.dir / "config").write_text(f"[profile vended]\ncredential_process = {script}\n")
    point = place.mount(f"s3://{GRANTS_BUCKET}/UserA", options(emu, "profile=vended"))
    assert os.listdir(point) == ["abalone.csv"]


def test_credentials_usage(emu, place):
    assert place.run("credentials").returncode == 2
    for source, words in (("grants", "all grants"), ("no-such-thing", "no-such-thing")):
        told = place.run("credentials", source, "-o", endpoints(emu, ","))
        assert told.returncode == 1 and words in told.stderr and told.stderr.count("\n") == 1

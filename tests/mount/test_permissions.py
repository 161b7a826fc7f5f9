"""docs/permissions.md against the emulator's record of requests: those calls, no others."""
import os
import pathlib
import re
import shutil

import pytest
import targets
from emulator import ADMINS, ROOT, Emulator
from mounting import AP_ARN, GRANTS_BUCKET, credentials_text, endpoints, options, wait_until

CALL = re.compile(r"\b(?:(?:List|Get|Head|Create|Put|Upload|Complete|Abort|Copy|Rename|Delete)[A-Z]\w+|AssumeRole\w*)")


def documented():
    """First cell -> the calls that the second names."""
    rows, before = {}, set()
    for line in (ROOT / "docs" / "permissions.md").read_text().splitlines():
        cells = [c.strip() for c in line.split("|")[1:-1]]
        if len(cells) == 3:
            calls = set(CALL.findall(cells[1]))
            before = rows[cells[0]] = before if cells[1] == "the same" else calls
    return rows


TABLE = documented()
READING = TABLE["access point, bucket"]


def seen(emu):
    return [r for r in emu.admin("GET", "requests") if r["operation"] != "Unknown"]


def calls(emu):
    return {r["operation"] for r in seen(emu)}


def use(point, file):
    """What programs do in a mount: look for what is not there, walk, read."""
    assert not (point / file).with_name("absent").exists()
    for _ in os.walk(point):
        pass
    (point / file).read_bytes()


@pytest.fixture(autouse=True)
def nothing_seen_yet(emu):
    emu.admin("DELETE", "requests")


def test_the_table_is_read():
    assert READING == {"ListObjectsV2", "GetObject", "HeadObject"}
    assert TABLE["Object Lambda, Outposts access point"] == READING


@pytest.mark.parametrize("source", [AP_ARN + "/sub", "s3://test-bucket-1/sub"],
                         ids=["access-point", "bucket"])
def test_access_points_and_buckets(emu, place, source):
    profile = "demo" if source == AP_ARN + "/sub" else "admin"
    place.add_profile("admin", ADMINS["222222222222"])
    point = place.mount(source, options(emu, f"profile={profile}"))
    use(point, pathlib.Path("deep", "known.csv"))
    assert calls(emu) == READING
    for r in seen(emu):
        assert r.get("key", r.get("prefix")).startswith("sub/"), r


WRITING = "writing, in addition, from the first change on"


def change(point):
    """What programs change in a mount with a file x: every way of writing, renaming and removing."""
    (point / "small").write_bytes(b"small")
    (point / "large").write_bytes(bytes(12 << 20))
    with open(point / "large", "ab") as f:
        f.write(b"more")
    (point / "folder").mkdir()
    os.chmod(point / "small", 0o600)
    os.rename(point / "small", point / "folder" / "moved")
    shutil.rmtree(point / "folder")
    os.unlink(point / "large")
    os.unlink(point / "x")


UPLOADING = {"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
ON_THE_WAY = {"CreateSession", "GetDataAccess", "ListCallerAccessGrants"}  # not about objects


def held_to(requests, wanted, prefix, least=frozenset({"CopyObject"})):
    """Every call is one of those, and about nothing outside of the prefix."""
    more = {r["operation"] for r in requests}
    assert UPLOADING | least <= more, more
    assert more <= wanted, more - wanted
    for r in requests:
        if r["operation"] not in ON_THE_WAY:
            assert r.get("key", r.get("prefix", prefix)).startswith(prefix), r


@pytest.mark.parametrize("source", [AP_ARN, "s3://test-bucket-1"], ids=["access-point", "bucket"])
def test_writing(emu, place, source):
    place.add_profile("admin", ADMINS["222222222222"])
    emu.owner.put_object(Bucket="test-bucket-1", Key="permissions/x", Body=b"x")
    emu.admin("DELETE", "requests")
    point = place.mount(source + "/permissions", options(
        emu, "profile=admin", f"state-dir={place.dir}/state"))
    use(point, "x")
    assert calls(emu) == READING  # nothing that only writing needs, before somebody writes
    change(point)
    place.umount(point)
    held_to(seen(emu), READING | TABLE[WRITING], "permissions/")


def test_writing_by_grants(emu, place):
    emu.grants_owner.put_object(Bucket=GRANTS_BUCKET, Key="UserA/permissions/x", Body=b"x")
    emu.admin("DELETE", "requests")
    point = place.mount(f"s3://{GRANTS_BUCKET}/UserA/permissions", options(
        emu, "profile=usera", "access=grants", "account=333333333333"))
    use(point, "x")
    assert calls(emu) == TABLE["Access Grants prefix"]
    change(point)
    place.umount(point)
    held_to(seen(emu), TABLE["Access Grants prefix"] | TABLE[WRITING], "UserA/permissions/")


def test_writing_in_a_tree_of_grants(emu, place):
    emu.grants_owner.put_object(Bucket=GRANTS_BUCKET, Key="UserA/permissions/x", Body=b"x")
    emu.admin("DELETE", "requests")
    point = place.mount("grants:333333333333", options(emu, "profile=usera", f"state-dir={place.dir}/state"))
    use(point / GRANTS_BUCKET / "UserA" / "permissions", "x")
    reading = TABLE["`grants`"] - {"GetCallerIdentity"}
    assert calls(emu) == reading
    change(point / GRANTS_BUCKET / "UserA" / "permissions")
    place.umount(point)
    held_to(seen(emu), reading | TABLE[WRITING], "UserA/")
    for r in seen(emu):  # the identity's own keys ask for grants and sign nothing else
        own = ":assumed-role/sagemaker-usera-role/" in r["caller"]
        assert own == (r["operation"] in ON_THE_WAY), r


def test_writing_to_a_directory_bucket(place):
    e = Emulator(targets.world())
    try:
        (place.dir / "credentials").write_text(credentials_text({"admin": (*targets.ADMIN, None)}))
        point = place.mount(f"s3://{targets.DIRECTORY}/permissions", options(e, "profile=admin"))
        (point / "x").write_bytes(b"x")
        e.admin("DELETE", "requests")
        change(point)
        place.umount(point)
        held_to(seen(e), TABLE["directory bucket, its access point"] | TABLE[WRITING] |
                TABLE["... where a file or folder of it is renamed"], "permissions/", {"CopyObject", "RenameObject"})
    finally:
        e.stop()


def test_grants(emu, place):
    source = f"s3://{GRANTS_BUCKET}/UserA"
    point = place.mount(source, options(emu, "profile=usera", "access=grants",
                                        "account=333333333333"))
    use(point, "abalone.csv")
    assert calls(emu) == TABLE["Access Grants prefix"]
    place.umount(point)
    emu.admin("DELETE", "requests")
    use(place.mount(source, options(emu, "profile=usera", "access=grants")), "abalone.csv")
    wanted = TABLE["Access Grants prefix"] | TABLE["... without `account=`"]
    assert calls(emu) == wanted
    for r in seen(emu):
        assert r.get("key", r.get("prefix", "UserA/")).startswith("UserA/"), r


def test_grants_denied(emu, place):
    result, _ = place.try_mount(f"s3://{GRANTS_BUCKET}/UserB", options(
        emu, "profile=usera", "access=grants", "account=333333333333"))
    assert result.returncode == 3
    row = TABLE["... when the grant is denied at mount time"]
    assert calls(emu) == {"GetDataAccess", "GetCallerIdentity"} | row  # the message names who asked


def test_tree(emu, place):
    point = place.mount("grants:333333333333", options(emu, "profile=usera"))
    use(point, pathlib.Path(GRANTS_BUCKET, "UserA", "abalone.csv"))
    assert calls(emu) == TABLE["`grants`"] - {"GetCallerIdentity"}
    place.umount(point)
    emu.admin("DELETE", "requests")
    use(place.mount("grants", options(emu, "profile=usera")),
        pathlib.Path(GRANTS_BUCKET, "UserA", "abalone.csv"))
    assert calls(emu) == TABLE["`grants`"]
    assert [r["operation"] for r in seen(emu)].count("GetCallerIdentity") == 1


def test_tier(place):
    """By keys that may get and put there and nothing else."""
    e = Emulator(targets.world())
    try:
        client = targets.client(endpoint=e.endpoint, s3={"addressing_style": "path"})
        client.put_object(Bucket=targets.BUCKET, Key="a/x", Body=bytes(5 << 20))
        (place.dir / "credentials").write_text(credentials_text({"admin": (*targets.ADMIN, None)}))
        (place.dir / "key").write_bytes(bytes(range(32)))
        (place.dir / "key").chmod(0o600)
        for tier, row in ((targets.BUCKET + "/tier", "`cache-tier`, by the keys of `cache-tier-profile`"),
                          (targets.DIRECTORY + "/tier", "... in a directory bucket")):
            for _ in range(2):
                point = place.mount(f"s3://{targets.BUCKET}/a", options(
                    e, "profile=admin", "path-style", "cache-size=0", f"cache-tier=s3://{tier}",
                    f"cache-tier-key-file={place.dir}/key", "cache-tier-timeout=60s"))
                wait_until(lambda p=point: place.status(p)["cache"]["tier"]["ready"])
                e.admin("DELETE", "requests")
                (point / "x").read_bytes()
                place.umount(point)
                of_tier = [r for r in seen(e) if r.get("key", "a/").startswith("tier/")]
                assert of_tier and {r["operation"] for r in of_tier} <= TABLE[row]
                others = [r for r in seen(e) if r not in of_tier]
                assert {r["operation"] for r in others} <= READING | TABLE[row]
                for r in others:
                    assert r["operation"] == "CreateSession" or \
                        r.get("key", r.get("prefix")).startswith("a/"), r
    finally:
        e.stop()


@pytest.mark.parametrize("row,command", [
    ("`s3apfs grants`", ["grants"]),
    ("`s3apfs accesspoints`", ["accesspoints"]),
])
def test_listing_commands(emu, place, row, command):
    place.add_profile("admin", ADMINS["333333333333"])
    wired = ["--profile", "admin", "-o", endpoints(emu, ",")]
    assert place.run(*command, *wired).returncode == 0
    assert calls(emu) == TABLE[row]
    emu.admin("DELETE", "requests")
    assert place.run(*command, "--account", "333333333333", *wired).returncode == 0
    assert calls(emu) == TABLE[row] - {"GetCallerIdentity"}


def test_credentials_command(emu, place):
    wired = ",".join(options(emu, "profile=usera", "access=grants", "account=333333333333"))
    assert place.run("credentials", f"s3://{GRANTS_BUCKET}/UserA", "-o", wired).returncode == 0
    assert calls(emu) == TABLE["`s3apfs credentials`"]
    emu.admin("DELETE", "requests")
    wired = ",".join(options(emu, "profile=demo"))
    assert place.run("credentials", AP_ARN, "-o", wired).returncode == 0
    assert calls(emu) == set()


def test_status(emu, place):
    point = place.mount(AP_ARN, options(emu, "profile=demo"))
    emu.admin("DELETE", "requests")
    place.status(point)
    place.run("explain", point)
    assert calls(emu) == TABLE["`s3apfs status`, `explain` and the log"]


def test_directory_buckets_and_object_lambda(place):
    e = Emulator(targets.world())
    try:
        client = targets.client(endpoint=e.endpoint, s3={"addressing_style": "path"})
        client.put_object(Bucket=targets.BUCKET, Key="a/x", Body=b"x")
        (place.dir / "credentials").write_text(credentials_text({"admin": (*targets.ADMIN, None)}))
        for source, row in (("s3://" + targets.DIRECTORY, "directory bucket, its access point"),
                            (targets.lambda_arn("upper"), "Object Lambda, Outposts access point")):
            e.admin("DELETE", "requests")
            point = place.mount(source, options(e, "profile=admin"))
            assert not (point / "absent").exists()
            for _ in os.walk(point):
                pass
            if "object-lambda" in source:
                assert (point / "a" / "x").read_bytes() == b"X"
                assert calls(e) == TABLE[row]
            else:
                assert calls(e) == TABLE[row] - {"GetObject"}  # it is empty
            place.umount(point)
    finally:
        e.stop()

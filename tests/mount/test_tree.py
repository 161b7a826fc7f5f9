"""SOURCE `grants`: every grant of the caller as directories, following the grants as they change."""
import errno
import json
import os

import pytest
from emulator import ADMINS
from mounting import GRANTS_BUCKET, options, wait_until

ACCOUNT = "333333333333"
LOCATION = "00000001-0000-4000-8000-0000000000aa"  # the bucket
USERA = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-usera-role"


@pytest.fixture(scope="module")
def admin(emu):
    """S3 Control of the grants' account, by path: host names below localhost need not resolve."""
    client = emu.client(ADMINS[ACCOUNT], "s3control")

    def bare_host(request, **_):
        request.url = request.url.replace(f"//{ACCOUNT}.localhost", "//localhost")
    client.meta.events.register("before-sign.s3-control", bare_host)
    return client


@pytest.fixture
def grant(admin):
    """grant("prefix*", "READ"): an id; ungrant(id). What is left is taken back afterwards."""
    made = []

    def give(sub_prefix, permission="READ", whole=False):
        more = {"S3PrefixType": "Object"} if whole else {}
        told = admin.create_access_grant(
            AccountId=ACCOUNT, AccessGrantsLocationId=LOCATION, Permission=permission,
            AccessGrantsLocationConfiguration={"S3SubPrefix": sub_prefix},
            Grantee={"GranteeType": "IAM", "GranteeIdentifier": USERA}, **more)
        made.append(told["AccessGrantId"])
        return made[-1]

    def take(grant_id):
        admin.delete_access_grant(AccountId=ACCOUNT, AccessGrantId=grant_id)
        made.remove(grant_id)
    give.back = take
    yield give
    for grant_id in list(made):
        take(grant_id)


@pytest.fixture(scope="module", autouse=True)
def objects(emu):
    for key in ("Extra/one", "Extra/sub/two", "Extra-list", "lonely/file.csv", "lonely/other.csv"):
        emu.grants_owner.put_object(Bucket=GRANTS_BUCKET, Key=key, Body=key.encode())


def tree(top):
    return sorted(os.path.relpath(os.path.join(d, f), top) for d, _, fs in os.walk(top) for f in fs)


def mount(emu, place, source="grants", *more):
    return place.mount(source, options(emu, "profile=usera", *more))


def test_everything_granted_and_nothing_else(emu, place):
    point = mount(emu, place, f"grants:{ACCOUNT}:us-east-1")
    assert os.listdir(point) == [GRANTS_BUCKET]
    assert tree(point / GRANTS_BUCKET) == ["Product/abalone.csv", "UserA/abalone.csv"]
    assert (point / GRANTS_BUCKET / "UserA" / "abalone.csv").read_text() == "UserA\n"
    assert not (point / GRANTS_BUCKET / "UserB").exists()
    assert not (point / "another-bucket").exists()
    prefixes = {r.get("prefix") for r in emu.admin("GET", "requests")
                if r["operation"] == "ListObjectsV2"}
    assert prefixes <= {"Product/", "UserA/", "Product/abalone.csv/", "UserA/abalone.csv/"}
    for r in emu.admin("GET", "requests"):
        if r["operation"] in ("GetObject", "HeadObject", "ListObjectsV2"):
            assert "access-grants-location" in r["caller"], r
    status = place.status(point)["directories"][0]
    assert status["kind"] == "access grants" and status["grants"].startswith("2 scopes")
    explained = place.run("explain", point / GRANTS_BUCKET / "Product" / "abalone.csv").stdout
    assert f"s3://{GRANTS_BUCKET}/Product/*" in explained


def test_own_account_is_found(emu, place):
    point = mount(emu, place)
    assert os.listdir(point / GRANTS_BUCKET) == ["Product", "UserA"]


def test_objects_prefixes_within_a_name_and_nested_scopes(emu, place, grant):
    grant("Extra*")
    grant("Extra/sub/*", "READWRITE")
    grant("lonely/file.csv", whole=True)
    grant("drop/*", "WRITE")
    point = mount(emu, place) / GRANTS_BUCKET
    assert sorted(os.listdir(point)) == ["Extra", "Extra-list", "Product", "UserA", "drop", "lonely"]
    assert os.listdir(point / "lonely") == ["file.csv"]
    assert (point / "lonely" / "file.csv").read_text() == "lonely/file.csv"
    assert not (point / "lonely" / "other.csv").exists()
    assert tree(point / "Extra") == ["one", "sub/two"]
    assert (point / "Extra" / "sub" / "two").read_text() == "Extra/sub/two"
    assert (point / "Extra-list").read_text() == "Extra-list"
    with pytest.raises(PermissionError):  # WRITE alone does not list
        os.listdir(point / "drop")


@pytest.mark.parametrize("privilege", ["default", "minimal"])
def test_what_is_asked_of_access_grants(emu, place, grant, privilege):
    """An object's grant is asked for as one, a prefix with a star; minimal keys are for that and nothing else."""
    grant("lonely/file.csv", whole=True)
    point = mount(emu, place, "grants", f"privilege={privilege}") / GRANTS_BUCKET
    emu.admin("DELETE", "requests")
    assert (point / "lonely" / "file.csv").read_text() == "lonely/file.csv"
    assert (point / "UserA" / "abalone.csv").exists()
    asked = {(r["target"], r.get("target_type"), r.get("privilege"))
             for r in emu.admin("GET", "requests") if r["operation"] == "GetDataAccess"}
    word = "Minimal" if privilege == "minimal" else None
    assert asked == {(f"s3://{GRANTS_BUCKET}/lonely/file.csv", "Object", word),
                     (f"s3://{GRANTS_BUCKET}/UserA/*", None, word)}


@pytest.mark.parametrize("privilege,reaches", [("default", True), ("minimal", False)])
def test_how_far_the_keys_reach(emu, place, grant, privilege, reaches):
    """Of a mount below the grant's prefix: with privilege=minimal they end where it ends."""
    grant("Extra/*")
    source = f"s3://{GRANTS_BUCKET}/Extra/sub"
    words = options(emu, "profile=usera", "access=grants", f"privilege={privilege}")
    assert (place.mount(source, words) / "two").read_text() == "Extra/sub/two"
    told = json.loads(place.run("credentials", source, "-o", ",".join(words)).stdout)
    client = emu.client((told["AccessKeyId"], told["SecretAccessKey"], told["SessionToken"]))
    assert client.get_object(Bucket=GRANTS_BUCKET, Key="Extra/sub/two")["Body"].read() == b"Extra/sub/two"
    if reaches:
        assert client.get_object(Bucket=GRANTS_BUCKET, Key="Extra/one")["Body"].read() == b"Extra/one"
    else:
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            client.get_object(Bucket=GRANTS_BUCKET, Key="Extra/one")


def on_disk(place):
    """Everything that the cache directory holds."""
    files = [p for p in (place.dir / "cache").glob("**/*") if p.is_file()]
    return b"".join(p.read_bytes() for p in files)


def test_grants_come(emu, place, grant):
    point = mount(emu, place, "grants", "metadata-ttl=1s") / GRANTS_BUCKET
    assert not (point / "Extra").exists()
    grant("Extra/*")
    wait_until(lambda: (point / "Extra").exists())
    assert tree(point / "Extra") == ["one", "sub/two"]


def test_grants_go(emu, place, grant):
    gone = grant("Extra/*")
    point = mount(emu, place, "grants", "metadata-ttl=1s",
                  f"cache-dir={place.dir}/cache") / GRANTS_BUCKET
    assert (point / "Extra" / "sub" / "two").read_text() == "Extra/sub/two"
    wait_until(lambda: b"Extra/sub/two" in on_disk(place))
    with open(point / "Extra" / "one", "rb", buffering=0) as f:
        assert f.read(5) == b"Extra"
        grant.back(gone)
        wait_until(lambda: "Extra" not in os.listdir(point))
        wait_until(lambda: not os.path.exists(point / "Extra"))

        def denied():
            try:
                return os.pread(f.fileno(), 5, 0) is None
            except OSError as e:
                return e.errno == errno.EACCES
        wait_until(denied)  # no byte of it is kept
    wait_until(lambda: b"Extra/" not in on_disk(place))
    assert tree(point) == ["Product/abalone.csv", "UserA/abalone.csv"]


def test_a_list_that_fails_changes_nothing(emu, place):
    point = mount(emu, place, "grants", "metadata-ttl=1s") / GRANTS_BUCKET
    emu.admin("POST", "faults", {"operation": "ListCallerAccessGrants", "effect": "error",
                                 "status": 403, "code": "AccessDenied"})
    wait_until(lambda: emu.admin("GET", "faults")[0]["hits"] >= 2)
    assert (point / "UserA" / "abalone.csv").read_text() == "UserA\n"
    assert place.log().count("cannot be listed") == 1


def test_a_list_that_fails_at_mount(emu, place):
    emu.admin("POST", "faults", {"operation": "ListCallerAccessGrants", "effect": "error",
                                 "status": 403, "code": "AccessDenied"})
    result, _ = place.try_mount("grants", options(emu, "profile=usera"))
    assert result.returncode == 3 and result.stderr.count("\n") == 1
    assert "AccessDenied" in result.stderr


def test_beside_other_directories(emu, place):
    config = place.config(emu, {"mine": ["source = grants", "profile = usera"],
                                "theirs": ["source = grants", "profile = userb"]})
    point = place.mount(config)
    assert os.listdir(point / "mine" / GRANTS_BUCKET) == ["Product", "UserA"]
    assert "UserB" in os.listdir(point / "theirs" / GRANTS_BUCKET)
    assert "UserA" not in os.listdir(point / "theirs" / GRANTS_BUCKET)


# --- writing: permission=auto asks for more when somebody writes ---

def vended(emu):
    return [r for r in emu.admin("GET", "requests") if r["operation"] == "GetDataAccess"]


def test_a_prefix_is_written_with_keys_of_its_own(emu, place):
    point = place.mount(f"s3://{GRANTS_BUCKET}/UserA", options(
        emu, "profile=usera", "access=grants", f"state-dir={place.dir}/state"))
    assert (point / "abalone.csv").read_text() == "UserA\n"
    assert len(vended(emu)) == 1  # READ
    (point / "written").write_text("by a grant")
    assert len(vended(emu)) == 2
    assert emu.grants_owner.get_object(Bucket=GRANTS_BUCKET, Key="UserA/written")["Body"].read() \
        == b"by a grant"
    os.unlink(point / "written")
    assert len(vended(emu)) == 2 and not (point / "written").exists()


def test_the_tree_is_written_where_grants_allow_it(emu, place, grant):
    grant("Extra/*")
    point = mount(emu, place, "grants", f"state-dir={place.dir}/state") / GRANTS_BUCKET
    (point / "UserA" / "written").write_text("through the tree")
    assert emu.grants_owner.get_object(Bucket=GRANTS_BUCKET, Key="UserA/written")["Body"].read() \
        == b"through the tree"
    os.rename(point / "UserA" / "written", point / "UserA" / "moved")
    assert (point / "UserA" / "moved").read_text() == "through the tree"
    with pytest.raises(OSError) as caught:
        os.rename(point / "UserA" / "moved", point / "Product" / "moved")
    assert caught.value.errno == errno.EXDEV
    os.unlink(point / "UserA" / "moved")
    assert os.stat(point / "UserA").st_mode & 0o222
    assert not os.stat(point / "Extra" / "one").st_mode & 0o222
    assert not os.stat(point).st_mode & 0o222
    with pytest.raises(PermissionError):
        with open(point / "Extra" / "new", "w") as f:
            f.write("x")
    assert emu.grants_owner.list_objects_v2(Bucket=GRANTS_BUCKET, Prefix="Extra/new")["KeyCount"] == 0
    assert (place.hand_out(point.parent) / GRANTS_BUCKET / "Extra" / "new").read_text() == "x"

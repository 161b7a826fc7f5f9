"""The two packages that use Access Grants from Python, in the article's world, unchanged.

They have an environment of their own (grants.txt), because s3fs holds boto3 back.
"""
import emulator as support
import pytest
from scenario import admin, allow, policy, text
from test_access_grants import BUCKET, C, emulator, seed, undisturbed  # noqa: F401

pytestmark = pytest.mark.subdomains

PYTHON = support.ROOT / "build" / "grants-clients" / "bin" / "python"

PLUGIN = """
import boto3, botocore.exceptions, botocore.session
from aws_s3_access_grants_boto3_plugin.s3_access_grants_plugin import S3AccessGrantsPlugin
s3 = boto3.client("s3")
S3AccessGrantsPlugin(s3, fallback_enabled=False, customer_session=botocore.session.get_session()).register()
B = %r
def body(key):
    return s3.get_object(Bucket=B, Key=key)["Body"].read()
def refused(call, code, **more):
    try:
        call(Bucket=B, **more)
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == code, e
    else:
        raise AssertionError("it was allowed")
assert body("UserA/abalone.csv") == b"UserA"
for i in range(3):
    s3.put_object(Bucket=B, Key=f"UserA/out/part-{i}", Body=b"%%d" %% i)
listed = s3.list_objects_v2(Bucket=B, Prefix="UserA/out/")["Contents"]
assert [o["Key"][-6:] for o in listed] == ["part-0", "part-1", "part-2"]
s3.copy_object(Bucket=B, Key="UserA/out/copy", CopySource=B + "/UserA/out/part-2")
assert s3.head_object(Bucket=B, Key="UserA/out/copy")["ContentLength"] == 1
s3.delete_objects(Bucket=B, Delete={"Objects": [{"Key": "UserA/out/part-0"}, {"Key": "UserA/out/part-1"}]})
listed = s3.list_objects_v2(Bucket=B, Prefix="UserA/out/")["Contents"]
assert [o["Key"][10:] for o in listed] == ["copy", "part-2"]
refused(s3.get_object, "AccessDenied", Key="UserB/abalone.csv")
refused(s3.put_object, "AccessDenied", Key="UserB/new", Body=b"")
print(body("Product/abalone.csv").decode())
""" % BUCKET

FALLBACK = """
import boto3
from aws_s3_access_grants_boto3_plugin.s3_access_grants_plugin import S3AccessGrantsPlugin
s3 = boto3.client("s3")
S3AccessGrantsPlugin(s3, fallback_enabled=True).register()
print(s3.get_object(Bucket=%r, Key="UserA2/abalone.csv")["Body"].read().decode())
""" % BUCKET

S3FS = """
import fsspec, s3fs_access_grants
s3fs_access_grants.register(account_id=%r, region="us-east-1")
fs = fsspec.filesystem("s3")
assert type(fs).__name__ == "BoundScopedS3FileSystem", type(fs)
B = %r
assert fs.cat(B + "/UserA/abalone.csv") == b"UserA"
big = bytes(range(256)) * 4096 * 11  # more than one part
fs.pipe(B + "/UserA/out/big", big, chunksize=5 << 20)  # open() for writing is not scoped in 0.1.1
assert fs.cat_file(B + "/UserA/out/big", start=6 << 20, end=(6 << 20) + 1000) == big[6 << 20:][:1000]
assert sorted(n.rsplit("/", 1)[1] for n in fs.ls(B + "/UserA/")) == ["abalone.csv", "out"]
fs.cp(B + "/UserA/out/big", B + "/UserA/out/copy")
assert fs.info(B + "/UserA/out/copy")["size"] == len(big)
for name in ("big", "copy"):
    fs.rm_file(B + "/UserA/out/" + name)  # neither are removals in bulk
fs.invalidate_cache()
found = fs.find(B + "/UserA/")
assert found == [B + "/UserA/abalone.csv"], found
for call in (fs.cat, lambda p: fs.pipe(p, b"x")):
    try:
        call(B + "/UserB/abalone.csv")
    except PermissionError:
        pass
    else:
        raise AssertionError("it was allowed")
try:
    fs.cp(B + "/UserA/abalone.csv", B + "/Product/copied")
except s3fs_access_grants.CrossScopeCopyError:
    pass
print(fs.cat(B + "/Product/abalone.csv").decode())
""" % (C, BUCKET)


@pytest.fixture(autouse=True)
def environment():
    if not PYTHON.exists():
        pytest.skip("build/grants-clients is not there: make check KINDS=clients makes it")


def test_boto3_plugin(seed, run, requests_seen):  # noqa: F811
    assert run([PYTHON, "-c", PLUGIN], keys=seed.keys["usera"]) == "Product\n"
    asked = [r for r in requests_seen() if r["operation"] == "GetDataAccess"]
    assert {r["access_key_id"] for r in asked} == {seed.keys["usera"][0]}
    assert requests_seen("GetAccessGrantsInstanceForPrefix")
    data = [r for r in requests_seen() if r.get("key", "").startswith("UserA/")]
    assert data and seed.keys["usera"][0] not in {r["access_key_id"] for r in data}


def test_boto3_plugin_falls_back_to_the_callers_rights(seed, run):  # noqa: F811
    """Which a mount never does."""
    done = run([PYTHON, "-c", FALLBACK], keys=seed.keys["usera"], check=False)
    assert done.returncode != 0 and "AccessDenied" in done.stderr
    seed.iam.put_role_policy(RoleName="sagemaker-usera-role", PolicyName="own", PolicyDocument=text(
        policy(allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/UserA2/*"))))
    assert run([PYTHON, "-c", FALLBACK], keys=seed.keys["usera"]) == "UserA2\n"


def test_s3fs(seed, run, requests_seen):  # noqa: F811
    assert run([PYTHON, "-c", S3FS], keys=seed.keys["usera"]) == "Product\n"
    assert requests_seen("ListCallerAccessGrants")
    asked = requests_seen("GetDataAccess")
    assert {r["access_key_id"] for r in asked} == {seed.keys["usera"][0]}
    assert len(asked) == 2  # one a scope


def test_s3fs_without_grants_leaves_s3_alone(seed, run):  # noqa: F811
    program = S3FS.split("fs = ")[0] + 'print(fsspec.get_filesystem_class("s3").__name__)'
    assert run([PYTHON, "-c", program], keys=admin(C)) == "S3FileSystem\n"

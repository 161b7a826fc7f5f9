"""The two core scenarios: an access point of another account, Access Grants prefixes."""
import errno
import os
import stat

import pytest
from mounting import AP_ALIAS, AP_ARN, GRANTS_BUCKET, options


def tree(top):
    return sorted(os.path.relpath(os.path.join(d, f), top) for d, _, fs in os.walk(top) for f in fs)


@pytest.mark.parametrize("source", [AP_ARN, AP_ALIAS], ids=["arn", "alias"])
def test_access_point_of_another_account(emu, place, source):
    point = place.mount(source, options(emu, "profile=demo"))
    assert tree(point) == ["sample2.csv", "sub/deep/known.csv"]
    assert (point / "sample2.csv").read_bytes() == b"a,b\n1,2\n"
    st = os.stat(point / "sample2.csv")
    assert stat.S_ISREG(st.st_mode) and st.st_size == 8
    explained = place.run("explain", point / "sample2.csv").stdout
    assert "assumed-role/demo/" in explained and source in explained
    place.umount(point)
    assert os.listdir(point) == []


@pytest.mark.parametrize("suffix", ["/sub", "/sub/", "//sub/", "/object/sub/*"])
def test_prefix_of_an_access_point(emu, place, suffix):
    point = place.mount(AP_ARN + suffix, options(emu, "profile=demo"))
    assert tree(point) == ["deep/known.csv"]


def test_several_directories_and_identities(emu, place):
    """000-M10: each directory with its own access point and keys."""
    config = place.config(emu, {
        "customers": [f"source = {AP_ARN}", "profile = demo"],
        "team/product": [f"source = s3://{GRANTS_BUCKET}/Product", "access = grants", "profile = usera"],
        "team/mine": [f"source = s3://{GRANTS_BUCKET}/UserA/", "access = grants", "profile = usera"],
    })
    point = place.mount(config)
    assert tree(point) == ["customers/sample2.csv", "customers/sub/deep/known.csv",
                           "team/mine/abalone.csv", "team/product/abalone.csv"]
    status = {d["path"]: d for d in place.status(point)["directories"]}
    assert "assumed-role/demo/" in status["customers"]["identity"]
    assert "grant" not in status["customers"]
    mine = status["team/mine"]
    assert f"s3://{GRANTS_BUCKET}/UserA/*" in mine["grant"] and mine["permission"] == "READ"
    assert "sagemaker-usera-role" in mine["identity"] and mine["credentials_expire"]


def test_grants_fetch_keys_per_prefix_and_use_nothing_else(emu, place):
    point = place.mount(f"s3://{GRANTS_BUCKET}/UserA", options(emu, "access=grants", "profile=usera"))
    assert (point / "abalone.csv").read_text() == "UserA\n"
    seen = emu.admin("GET", "requests")
    operations = [r["operation"] for r in seen]
    assert operations.count("GetDataAccess") == 1
    for r in seen:
        if r["operation"] in ("GetObject", "HeadObject", "ListObjectsV2"):
            assert "access-grants-location" in r["caller"], r


def test_user_b_is_denied_user_a(emu, place):
    result, point = place.try_mount(f"s3://{GRANTS_BUCKET}/UserA",
                                    options(emu, "access=grants", "profile=userb"))
    assert result.returncode == 3
    line = result.stderr.strip()
    assert line.count("\n") == 0, line
    assert "sagemaker-userb-role" in line and "AccessDenied" in line
    assert f"s3://{GRANTS_BUCKET}/UserB/*" in line, "says what is granted instead"
    assert os.listdir(point) == []


def test_one_denied_directory_leaves_the_others(emu, place):
    config = place.config(emu, {
        "Product": [f"source = s3://{GRANTS_BUCKET}/Product", "access = grants", "profile = userb"],
        "UserA": [f"source = s3://{GRANTS_BUCKET}/UserA", "access = grants", "profile = userb"],
    })
    point = place.mount(config)
    assert sorted(os.listdir(point)) == ["Product", "UserA"]
    assert (point / "Product" / "abalone.csv").read_text() == "Product\n"
    for attempt in (lambda: os.listdir(point / "UserA"),
                    lambda: open(point / "UserA" / "abalone.csv", "rb")):
        with pytest.raises(OSError) as caught:
            attempt()
        assert caught.value.errno == errno.EACCES
    assert "cannot be used now" in place.log()


def test_bucket_without_a_grant_for_it_names_the_granted_prefixes(emu, place):
    result, _ = place.try_mount(f"s3://{GRANTS_BUCKET}", options(emu, "access=grants", "profile=usera"))
    assert result.returncode == 3
    for prefix in ("Product", "UserA"):
        assert f"s3://{GRANTS_BUCKET}/{prefix}/*" in result.stderr


def test_no_fall_back_to_own_keys(emu, place):
    """The role may read the bucket itself; a grants mount must not use that."""
    result, _ = place.try_mount(f"s3://{GRANTS_BUCKET}/UserB",
                                options(emu, "access=grants", "profile=admin"),
                                env={"AWS_SHARED_CREDENTIALS_FILE": str(admin_credentials(place))})
    assert result.returncode == 3, result.stderr
    point = place.mount(f"s3://{GRANTS_BUCKET}/UserB", options(emu, "profile=admin"),
                        env={"AWS_SHARED_CREDENTIALS_FILE": str(admin_credentials(place))})
    assert (point / "abalone.csv").read_text() == "UserB\n"


def admin_credentials(place):
    path = place.dir / "admin-credentials"
    path.write_text("[admin]\naws_access_key_id = AKIAEXAMPLEADMIN0003\n"
                    "aws_secret_access_key = example/secret+of/admin/333333333333/0000\n")
    return path


def test_grants_command(emu, place):
    result = place.run("grants", "--profile", "usera", "-o", ",".join(options(emu)))
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("READWRITE") == 2
    assert f"s3apfs mount s3://{GRANTS_BUCKET}/UserA DIR -o access=grants" in result.stdout
    result = place.run("grants", "--profile", "usera", "--json", "-o", ",".join(options(emu)))
    assert '"scope"' in result.stdout and result.returncode == 0


def test_get_without_list(emu, place):
    """s3:GetObject alone: names must be known, and then everything can be read."""
    policy = emu.owner.get_bucket_policy(Bucket="test-bucket-1")["Policy"]
    emu.owner.put_bucket_policy(Bucket="test-bucket-1",
                                Policy=policy.replace('"s3:ListBucket"', '"s3:GetObjectTagging"'))
    try:
        result, point = place.try_mount(AP_ARN, options(emu, "profile=demo"))
        assert result.returncode == 0, result.stderr
        assert "listing is not allowed" in place.log()
        with pytest.raises(PermissionError):
            os.listdir(point)
        assert (point / "sample2.csv").read_bytes() == b"a,b\n1,2\n"
        assert (point / "sub" / "deep" / "known.csv").read_bytes() == b"deep\n"
        for absent in ("absent.csv", "sub/absent.csv"):
            with pytest.raises(OSError) as caught:
                (point / absent).read_bytes()
            assert caught.value.errno in (errno.EACCES, errno.EISDIR, errno.ENOENT)
    finally:
        emu.owner.put_bucket_policy(Bucket="test-bucket-1", Policy=policy)


def test_writing_is_refused(emu, place):
    point = place.mount(AP_ARN, options(emu, "profile=demo"))
    for attempt in (lambda: open(point / "new", "wb"), lambda: open(point / "sample2.csv", "r+b"),
                    lambda: os.mkdir(point / "d"), lambda: os.unlink(point / "sample2.csv"),
                    lambda: os.rename(point / "sample2.csv", point / "x"),
                    lambda: os.chmod(point / "sample2.csv", 0o600),
                    lambda: os.symlink("x", point / "l")):
        with pytest.raises(OSError) as caught:
            attempt()
        assert caught.value.errno == errno.EACCES


def test_only_the_data_plane_is_needed(emu, place):
    """STS and S3 Control lead nowhere: an access point mounts and reads all the same."""
    dead = ["s3control-endpoint-url=http://127.0.0.1:1", "sts-endpoint-url=http://127.0.0.1:1"]
    point = place.mount(AP_ARN, [f"endpoint-url={emu.endpoint}", "region=us-east-1", "profile=demo",
                                 *dead])
    assert (point / "sample2.csv").read_bytes() == b"a,b\n1,2\n"
    assert "profile demo" in place.status(point)["directories"][0]["identity"]
    assert {r["operation"] for r in emu.admin("GET", "requests")} <= {"ListObjectsV2", "GetObject",
                                                                     "HeadObject"}

"""The AWS CLI as the emulator's client."""
import hashlib
import json
import os
import pathlib
import sys
import urllib.error
import urllib.request

import pytest

import emulator as support
from conftest import OWNER

AWS = pathlib.Path(sys.executable).parent / "aws"


@pytest.fixture
def aws(run):
    if not AWS.exists():
        pytest.skip("the AWS CLI is not installed beside this Python")
    return lambda *args, **kwargs: run([AWS, *args], **kwargs)


def digests(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def tree(tmp_path):
    """Small files, one above the multipart threshold, names that need care."""
    top = tmp_path / "tree"
    (top / "sub dir" / "deep").mkdir(parents=True)
    (top / "plain.txt").write_text("plain\n")
    (top / "empty").touch()
    (top / "sub dir" / "ü+ß.csv").write_text("a,b\n" * 100)
    (top / "sub dir" / "deep" / "x").write_bytes(os.urandom(1000))
    (top / "big.bin").write_bytes(os.urandom(1 << 20) * 10)
    for path in top.rglob("*"):
        os.utime(path, (1700000000, 1700000000))
    return top


def test_cp_both_ways(aws, bucket, tmp_path, tree):
    aws("s3", "cp", tree / "big.bin", f"s3://{bucket}/dir/big.bin")
    aws("s3", "cp", f"s3://{bucket}/dir/big.bin", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tree / "big.bin").read_bytes()
    assert aws("s3", "cp", f"s3://{bucket}/dir/big.bin", "-", "--range",
               check=False).returncode != 0


def test_cp_recursive_and_ls(aws, bucket, tmp_path, tree):
    aws("s3", "cp", "--recursive", tree, f"s3://{bucket}/t/")
    listed = aws("s3", "ls", "--recursive", f"s3://{bucket}/")
    assert len(listed.splitlines()) == 5 and "t/sub dir/ü+ß.csv" in listed
    top = aws("s3", "ls", f"s3://{bucket}/t/")
    assert "PRE sub dir/" in top and "plain.txt" in top and "deep" not in top
    aws("s3", "cp", "--recursive", f"s3://{bucket}/t/", tmp_path / "back")
    assert digests(tmp_path / "back") == digests(tree)


def test_sync(aws, bucket, tmp_path, tree):
    aws("s3", "sync", tree, f"s3://{bucket}/s")
    assert aws("s3", "sync", tree, f"s3://{bucket}/s") == ""
    (tree / "plain.txt").write_text("changed now\n")
    (tree / "empty").unlink()
    out = aws("s3", "sync", "--delete", tree, f"s3://{bucket}/s")
    assert "plain.txt" in out and "delete:" in out and "big.bin" not in out
    aws("s3", "sync", f"s3://{bucket}/s", tmp_path / "back")
    assert digests(tmp_path / "back") == digests(tree)


def test_server_side_copies_and_rm(aws, bucket, tree, requests_seen):
    aws("s3", "cp", tree / "plain.txt", f"s3://{bucket}/a")
    aws("s3", "cp", f"s3://{bucket}/a", f"s3://{bucket}/b")
    aws("s3", "mv", f"s3://{bucket}/b", f"s3://{bucket}/c")
    assert len(requests_seen("CopyObject")) == 2 and not requests_seen("GetObject")
    assert aws("s3", "cp", f"s3://{bucket}/c", "-") == "plain\n"
    aws("s3", "rm", "--recursive", f"s3://{bucket}/")
    assert aws("s3", "ls", "--recursive", f"s3://{bucket}/", check=False).stdout == ""


def test_s3api(aws, bucket, tree):
    told = json.loads(aws("s3api", "put-object", "--bucket", bucket, "--key", "k", "--body",
                          tree / "plain.txt", "--metadata", "a=1"))
    head = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "k"))
    assert head["ETag"] == told["ETag"] and head["Metadata"] == {"a": "1"}
    listed = json.loads(aws("s3api", "list-objects-v2", "--bucket", bucket))
    assert [o["Key"] for o in listed["Contents"]] == ["k"]
    denied = aws("s3api", "get-object", "--bucket", bucket, "--key", "no", "out", check=False)
    assert denied.returncode != 0 and "NoSuchKey" in denied.stderr
    denied = aws("s3api", "list-objects-v2", "--bucket", bucket, check=False,
                 keys=support.ADMINS["111111111111"])
    assert "AccessDenied" in denied.stderr


def test_presign(aws, bucket, tree, tmp_path):
    aws("s3", "cp", tree / "plain.txt", f"s3://{bucket}/k")
    # Without this the CLI still signs links of us-east-1 in the old way, which
    # buckets made today refuse.
    config = tmp_path / "config"
    config.write_text("[default]\ns3 =\n  signature_version = s3v4\n")
    url = aws("s3", "presign", f"s3://{bucket}/k", env={"AWS_CONFIG_FILE": str(config)}).strip()
    with urllib.request.urlopen(url) as reply:
        assert reply.read() == b"plain\n"
    old = aws("s3", "presign", f"s3://{bucket}/k").strip()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(old)
    assert caught.value.code == 400 and b"AWS4-HMAC-SHA256" in caught.value.read()


@pytest.mark.subdomains
def test_an_access_point_by_arn(aws, bucket, tree, tmp_path):
    name = "cli-" + bucket[5:]
    made = json.loads(aws("s3control", "create-access-point", "--account-id", OWNER, "--name",
                          name, "--bucket", bucket))
    arn = made["AccessPointArn"]
    aws("s3", "sync", tree, f"s3://{arn}/here")
    aws("s3", "sync", f"s3://{made['Alias']}/here", tmp_path / "back")
    assert digests(tmp_path / "back") == digests(tree)
    assert "PRE here/" in aws("s3", "ls", f"s3://{arn}/")
    aws("s3", "rm", "--recursive", f"s3://{arn}/")
    aws("s3control", "delete-access-point", "--account-id", OWNER, "--name", name)


def test_sts(aws):
    told = json.loads(aws("sts", "get-caller-identity", keys=support.SESSIONS["demo"]))
    assert told["Arn"].startswith("arn:aws:sts::111111111111:assumed-role/demo/")

"""The same binary against an S3 server of somebody else that verifies signatures."""
import os

import other_server
import pytest
from mounting import credentials_text

BIG = bytes(range(256)) * 65536  # 16 MiB


@pytest.fixture(scope="module")
def server():
    with other_server.running() as (url, keys):
        s3 = other_server.client("s3", url, *keys)
        s3.create_bucket(Bucket="plain-bucket")
        s3.put_object(Bucket="plain-bucket", Key="top.txt", Body=b"top\n")
        s3.put_object(Bucket="plain-bucket", Key="a/b/big.bin", Body=BIG)
        for i in range(30):
            s3.put_object(Bucket="plain-bucket", Key=f"many/{i:02} +&.txt", Body=b"%d" % i)
        yield url, keys


@pytest.fixture
def keys(place, server):
    right = server[1]
    (place.dir / "credentials").write_text(credentials_text(
        {"other": (*right, None), "wrong": (right[0], "x" * 40, None)}))
    return place


def words(server, profile="other"):
    return [f"endpoint-url={server[0]}", "path-style", "region=us-east-1", f"profile={profile}"]


def test_reads_through_another_server(server, keys):
    point = keys.mount("s3://plain-bucket", words(server))
    assert sorted(os.listdir(point)) == ["a", "many", "top.txt"]
    assert (point / "top.txt").read_bytes() == b"top\n"
    assert (point / "a" / "b" / "big.bin").read_bytes() == BIG
    names = sorted(os.listdir(point / "many"))
    assert names == [f"{i:02} +&.txt" for i in range(30)]
    for i, name in enumerate(names):
        assert (point / "many" / name).read_bytes() == b"%d" % i
    assert not (point / "absent").exists()
    with open(point / "a" / "b" / "big.bin", "rb", buffering=0) as f:
        assert os.pread(f.fileno(), 1000, 9999999) == BIG[9999999:10000999]


def test_prefix_and_bucket_errors(server, keys):
    point = keys.mount("s3://plain-bucket/a/b", words(server))
    assert os.listdir(point) == ["big.bin"]
    result, _ = keys.try_mount("s3://there-is-none", words(server))
    assert result.returncode == 1 and "NoSuchBucket" in result.stderr


def test_a_wrong_secret_is_noticed_by_that_server(server, keys):
    result, _ = keys.try_mount("s3://plain-bucket", words(server, "wrong"))
    assert result.returncode == 3 and "SignatureDoesNotMatch" in result.stderr, result.stderr

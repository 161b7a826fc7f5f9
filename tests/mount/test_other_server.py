"""The same binary against an S3 server of somebody else that verifies signatures."""
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import boto3
import botocore.config
import pytest
from mounting import credentials_text

MOTO = pathlib.Path(sys.executable).with_name("moto_server")
BIG = bytes(range(256)) * 65536  # 16 MiB
SET_UP_CALLS = 3  # made before the server starts to check signatures


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def client(service, url, key, secret):
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", aws_access_key_id=key,
                        aws_secret_access_key=secret,
                        config=botocore.config.Config(s3={"addressing_style": "path"}))


def make_user(url):
    """A user who may do everything, with SET_UP_CALLS calls; its keys."""
    iam = client("iam", url, "anything", "goes-at-first")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps(
        {"Version": "2012-10-17",
         "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
    return key["AccessKeyId"], key["SecretAccessKey"]


def wait_for(port, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise RuntimeError("the server did not start")


@pytest.fixture(scope="module")
def server():
    port = free_port()
    process = subprocess.Popen(
        [str(MOTO), "-H", "127.0.0.1", "-p", str(port)], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=dict(os.environ, INITIAL_NO_AUTH_ACTION_COUNT=str(SET_UP_CALLS)))
    try:
        wait_for(port, process)
        url = f"http://127.0.0.1:{port}"
        keys = make_user(url)
        s3 = client("s3", url, *keys)
        s3.create_bucket(Bucket="plain-bucket")
        s3.put_object(Bucket="plain-bucket", Key="top.txt", Body=b"top\n")
        s3.put_object(Bucket="plain-bucket", Key="a/b/big.bin", Body=BIG)
        for i in range(30):
            s3.put_object(Bucket="plain-bucket", Key=f"many/{i:02} +&.txt", Body=b"%d" % i)
        yield url, keys
    finally:
        process.terminate()
        process.wait(timeout=30)


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

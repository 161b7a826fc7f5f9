"""The benchmark itself: its relay changes nothing and counts right, and its rows run."""
import json
import os
import pathlib
import subprocess
import sys

import boto3
import botocore.config
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from servers import Relay, passed  # noqa: E402

from emulator import ADMINS  # noqa: E402

BUCKET = "test-bucket-1"
PART = 5 << 20


@pytest.fixture(scope="module")
def tools():
    subprocess.run(["make", "-s", "bench-tools"], cwd=ROOT, check=True, timeout=300)


@pytest.fixture
def relay(emulator, tools, tmp_path):
    instance = Relay(emulator, tmp_path, far=True)
    yield instance
    instance.stop()


def client(relay):
    key_id, secret = ADMINS["222222222222"]
    return boto3.client("s3", endpoint_url=relay.endpoint, region_name="us-east-1",
                        aws_access_key_id=key_id, aws_secret_access_key=secret,
                        config=botocore.config.Config(s3={"addressing_style": "path"},
                                                      retries={"max_attempts": 1}))


def test_what_passes_the_relay_is_whole_and_counted(relay):
    """Bodies with a length and chunked ones, many requests on one connection."""
    s3 = client(relay)
    before = relay.counters()
    body = os.urandom(PART + 12345)
    s3.put_object(Bucket=BUCKET, Key="relay/put", Body=body)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="relay/parts")["UploadId"]
    names = {"Bucket": BUCKET, "Key": "relay/parts", "UploadId": upload}
    first = s3.upload_part(**names, PartNumber=1, Body=body)
    second = s3.upload_part_copy(**names, PartNumber=2,
                                 CopySource={"Bucket": BUCKET, "Key": "relay/put"})
    s3.complete_multipart_upload(**names, MultipartUpload={"Parts": [
        {"PartNumber": 1, "ETag": first["ETag"]},
        {"PartNumber": 2, "ETag": second["CopyPartResult"]["ETag"]}]})
    s3.copy_object(Bucket=BUCKET, Key="relay/copy", CopySource={"Bucket": BUCKET, "Key": "relay/put"})
    assert s3.get_object(Bucket=BUCKET, Key="relay/parts")["Body"].read() == body + body
    assert s3.get_object(Bucket=BUCKET, Key="relay/copy", Range="bytes=5-9")["Body"].read() == body[5:10]
    assert s3.head_object(Bucket=BUCKET, Key="relay/put")["ContentLength"] == len(body)
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="relay/")["KeyCount"] == 3
    s3.delete_object(Bucket=BUCKET, Key="relay/copy")
    went = passed(before, relay.counters())
    assert went["requests"] == {"PUT": 1, "CREATE": 1, "PART": 1, "PART-COPY": 1, "COMPLETE": 1,
                                "COPY": 1, "GET": 2, "HEAD": 1, "LIST": 1, "DELETE": 1}
    assert 2 * len(body) < went["up"] < 2 * len(body) + 100_000
    assert 2 * len(body) < went["down"] < 2 * len(body) + 100_000


def test_chunked_requests(emulator, relay):
    """curl sends what it reads from a pipe in chunks; the next request is seen after them."""
    body = os.urandom(3_000_000)
    url = f"{relay.endpoint}/{BUCKET}/relay/chunked"
    command = ["curl", "-sS", "--upload-file", "-", url, "--next", "-sS", "-I", url]
    before = relay.counters()
    subprocess.run(command, input=body, check=True, capture_output=True, timeout=60)
    assert passed(before, relay.counters())["requests"] == {"PUT": 1, "HEAD": 1}
    assert passed(before, relay.counters())["up"] > len(body)


def bench(**variables):
    """What a small run on s3apfs alone said, and what it left behind."""
    result = subprocess.run([sys.executable, str(ROOT / "bench" / "run.py")], cwd=ROOT, check=False,
                            capture_output=True, text=True, timeout=300,
                            env=dict(os.environ, CLIENTS="s3apfs", ROUNDS="1", SCALE="0.01", **variables))
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout, json.loads((ROOT / "build" / "bench" / "latest.json").read_text())["servers"]


def expect_figures(report, names):
    for name in names:
        held = report[name]["s3apfs"]
        assert not held["why"], f"{name}: {held['why']}"
        assert held["rounds"][0]["seconds"] > 0 and held["rounds"][0]["memory"] > 0
        assert held["rounds"][0]["requests"] > 0


def test_rows_run_and_are_reported(tools):
    """A small run of rows of every kind; each gives figures."""
    names = ["read-near", "read-far", "tree", "small-threads", "random", "first"]
    _, servers = bench(ROWS=",".join(names))
    assert list(servers) == ["emulator"]
    report = servers["emulator"]["rows"]
    expect_figures(report, names)
    assert report["random"]["s3apfs"]["rounds"][0]["GET"] >= 10


def test_one_run_covers_several_servers(emulator, tools):
    """The emulator, and the other that a variable names: each has its figures and its tables."""
    key_id, secret = ADMINS["222222222222"]
    other = dict(ENDPOINT=emulator.endpoint, BUCKET=BUCKET, AWS_ACCESS_KEY_ID=key_id,
                 AWS_SECRET_ACCESS_KEY=secret, ROWS="first,read-near")
    said, servers = bench(**other)
    assert list(servers) == ["emulator", "other"]
    assert servers["other"]["server"] == emulator.endpoint
    for held in servers.values():
        expect_figures(held["rows"], ["first", "read-near"])
    text = (ROOT / "build" / "bench" / "latest.txt").read_text()
    for shown in (said, text):
        assert f"server: {emulator.endpoint}" in shown and "server: s3apfs-emulator" in shown
        assert shown.count("goals (medians of s3apfs") == 2
    assert list(bench(**other, SERVERS="other")[1]) == ["other"]

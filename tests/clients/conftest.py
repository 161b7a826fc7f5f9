"""Real clients against the emulator: one process for each test module."""
import os
import pathlib
import socket
import subprocess
import sys
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import emulator as support  # noqa: E402

OWNER = "222222222222"
REGION = "us-east-1"


def pytest_collection_modifyitems(items):
    """Names below localhost must resolve: libcurl does it alone, other clients need the system to."""
    try:
        socket.getaddrinfo("some-name.localhost", 80)
    except OSError:
        reason = pytest.mark.skip(reason="names below localhost do not resolve (libnss-myhostname)")
        for item in items:
            if item.get_closest_marker("subdomains"):
                item.add_marker(reason)


def pytest_configure(config):
    config.addinivalue_line("markers", "subdomains: uses NAME.localhost")


@pytest.fixture(scope="module")
def emulator():
    e = support.Emulator()
    yield e
    e.stop()


def calm(e):
    """No faults, no delays, the true time, no recorded requests."""
    e.admin("DELETE", "faults")
    e.admin("DELETE", "requests")
    e.admin("POST", "clock", {"shift-ms": 0})
    e.admin("POST", "pace", {"latency-ms": 0, "bandwidth": 0})


@pytest.fixture(autouse=True)
def undisturbed(request):
    """Every test starts on a calm emulator."""
    yield
    if "emulator" in request.fixturenames:
        calm(request.getfixturevalue("emulator"))


@pytest.fixture
def connect(emulator):
    """connect("s3", keys=..., region=..., port=..., **config): a boto3 client."""
    import boto3
    from botocore.config import Config

    def make(service="s3", keys=support.ADMINS[OWNER], region=REGION, port=None, **config):
        config.setdefault("retries", {"total_max_attempts": 1, "mode": "standard"})
        return boto3.client(
            service, region_name=region,
            endpoint_url=f"http://localhost:{port or emulator.port}",
            aws_access_key_id=keys[0], aws_secret_access_key=keys[1],
            aws_session_token=keys[2] if len(keys) > 2 else None, config=Config(**config))
    return make


@pytest.fixture
def s3(connect):
    return connect()


@pytest.fixture
def bucket(emulator, s3):
    """A new bucket, emptied and removed afterwards."""
    name = "test-" + uuid.uuid4().hex[:16]
    s3.create_bucket(Bucket=name)
    yield name
    calm(emulator)
    empty(s3, name)
    s3.delete_bucket(Bucket=name)


def empty(s3, name):
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        keys = [{"Key": o["Key"]} for o in page.get("Contents", [])]
        if keys:
            s3.delete_objects(Bucket=name, Delete={"Objects": keys, "Quiet": True})


@pytest.fixture
def requests_seen(emulator):
    """The emulator's record of requests, those of one operation or all."""
    def seen(operation=None):
        return [r for r in emulator.admin("GET", "requests")
                if operation is None or r["operation"] == operation]
    return seen


@pytest.fixture
def run(emulator, tmp_path):
    """Runs a program with the emulator as its AWS; returns its standard output."""
    def call(command, keys=support.ADMINS[OWNER], check=True, env=None):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        clean.update(
            AWS_ACCESS_KEY_ID=keys[0], AWS_SECRET_ACCESS_KEY=keys[1], AWS_DEFAULT_REGION=REGION,
            AWS_REGION=REGION, AWS_ENDPOINT_URL=emulator.endpoint, AWS_MAX_ATTEMPTS="1",
            AWS_EC2_METADATA_DISABLED="true", AWS_PAGER="",
            AWS_CONFIG_FILE=str(tmp_path / "no-config"),
            AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "no-credentials"))
        if len(keys) > 2:
            clean["AWS_SESSION_TOKEN"] = keys[2]
        clean.update(env or {})
        done = subprocess.run([str(c) for c in command], env=clean, cwd=tmp_path, timeout=300,
                              capture_output=True, text=True)
        if check and done.returncode != 0:
            raise AssertionError(f"{command[0]} ended with {done.returncode}: "
                                 f"{done.stdout}{done.stderr}")
        return done if not check else done.stdout
    return call

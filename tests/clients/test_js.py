"""The AWS SDK for JavaScript as the emulator's client."""
import json
import os
import pathlib
import shutil

import pytest

from conftest import OWNER

HERE = pathlib.Path(__file__).parent
MODULES = HERE.parents[1] / "build" / "js" / "node_modules"


@pytest.fixture
def node(run):
    """Runs a script of js/; the SDK is found in build/js, or where NODE_PATH says."""
    path = os.environ.get("NODE_PATH", str(MODULES))
    program = shutil.which("node")
    if not program or not (pathlib.Path(path) / "@aws-sdk" / "client-s3").exists():
        pytest.skip(f"no node, or no AWS SDK for JavaScript in {path}")
    return lambda script, *args, **more: json.loads(
        run([program, HERE / "js" / script, *args], env={"NODE_PATH": path}, **more))


@pytest.mark.subdomains
def test_objects(node, emulator, connect, bucket):
    name = "js-" + bucket[5:]
    control = connect("s3control")
    made = control.create_access_point(AccountId=OWNER, Name=name, Bucket=bucket)
    told = node("objects.mjs", emulator.endpoint, bucket, made["AccessPointArn"])
    control.delete_access_point(AccountId=OWNER, Name=name)
    assert told.pop("identity") == f"arn:aws:iam::{OWNER}:user/admin"
    assert told == {
        "metadata": {"m": "1"}, "same": True, "range": "of",
        "missing": "NoSuchKey", "condition": "PreconditionFailed",
        "ChecksumCRC32": "y/Q5Jg==", "ChecksumCRC32C": "4waSgw==",
        "ChecksumSHA1": "98O8HYCOBHMq32eZZczDTKeuNEE=",
        "ChecksumSHA256": "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
        "streamed": True, "parts": True,
        "keys": ["js/a b+ü!'()*.txt", "js/stream", "sum/CRC32", "sum/CRC32C",
                 "sum/SHA1", "sum/SHA256"],
        "folders": ["js/", "sum/"], "nextMarker": "js/", "presigned": True,
        "accessPoint": "stream", "copied": True, "deleted": True,
    }

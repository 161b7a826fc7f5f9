"""The emulator's instance metadata service, as boto3 and plain HTTP see it."""
import json
import sys
import urllib.error
import urllib.request

import boto3
import emulator as support
import pytest
from scenario import admin, allow, bare, make_role, policy, trust

A = "444444444444"
PRINT_CALLER = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"


@pytest.fixture(scope="module")
def emulator():
    e = support.Emulator(bare(A, instances=[
        {"id": "i-1", "role": f"arn:aws:iam::{A}:role/machine", "session-duration": 3600},
        {"id": "i-none", "role": f"arn:aws:iam::{A}:role/gone"}]))
    yield e
    e.stop()


@pytest.fixture(scope="module", autouse=True)
def machine(emulator):
    iam = boto3.client("iam", endpoint_url=emulator.endpoint, region_name="us-east-1",
                       aws_access_key_id=admin(A)[0], aws_secret_access_key=admin(A)[1])
    make_role(iam, "machine", trust({"Service": "ec2.amazonaws.com"}), p=policy(allow("s3:*", "*")))


@pytest.fixture
def ask(emulator):
    """ask(path, method, headers) -> (status, text)"""
    def call(path, method="GET", instance="i-1", **headers):
        request = urllib.request.Request(f"{emulator.endpoint}/_instance/{instance}/latest/{path}",
                                         method=method,
                                         headers={k.replace("_", "-"): v for k, v in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
    return call


TTL = {"x_aws_ec2_metadata_token_ttl_seconds": "60"}
KEYS = "meta-data/iam/security-credentials/"


def environment(emulator, instance="i-1"):
    return {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{emulator.endpoint}/_instance/{instance}/"}


def test_boto3_and_the_command_line_take_the_keys(emulator, run, requests_seen):
    env = environment(emulator)
    assert run([sys.executable, "-c", PRINT_CALLER], env=env).strip() == \
        f"arn:aws:sts::{A}:assumed-role/machine/i-1"
    seen = [r["operation"] for r in requests_seen() if r["operation"].startswith("Metadata")]
    assert seen == ["MetadataToken", "MetadataRole", "MetadataCredentials"]
    aws = sys.executable.rsplit("/", 1)[0] + "/aws"
    assert json.loads(run([aws, "sts", "get-caller-identity"], env=env))["Arn"].endswith("machine/i-1")


def test_boto3_finds_none_where_the_role_is_gone(emulator, run):
    done = run([sys.executable, "-c", PRINT_CALLER], env=environment(emulator, "i-none"), check=False)
    assert "NoCredentials" in done.stderr


def test_tokens(emulator, ask):
    assert ask("api/token", "PUT")[0] == 400
    assert ask("api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds="21601")[0] == 400
    assert ask("api/token", "PUT", X_Forwarded_For="10.0.0.1", **TTL)[0] == 403
    status, token = ask("api/token", "PUT", **TTL)
    assert status == 200
    with_token = {"x_aws_ec2_metadata_token": token}
    assert ask(KEYS, **with_token) == (200, "machine")
    assert ask(KEYS + "other", **with_token)[0] == 404
    assert ask("meta-data/placement/region", **with_token) == (200, "us-east-1")
    for bad in ({}, {"x_aws_ec2_metadata_token": token + "0"}, {"x_aws_ec2_metadata_token": "9"}):
        assert ask(KEYS, **bad)[0] == 401
    assert ask(KEYS, instance="i-none", **with_token)[0] == 401
    assert ask(KEYS, "POST", **with_token)[0] == 405
    assert ask(KEYS, instance="i-2", **with_token)[0] == 404
    emulator.admin("POST", "clock", {"shift-ms": 61 * 1000})
    assert ask(KEYS, **with_token)[0] == 401


def test_keys_are_the_same_until_five_minutes_before_their_end(emulator, ask):
    def keys():
        token = ask("api/token", "PUT", **TTL)[1]
        return json.loads(ask(KEYS + "machine", x_aws_ec2_metadata_token=token)[1])
    first = keys()
    assert first["Code"] == "Success" and first["Type"] == "AWS-HMAC"
    emulator.admin("POST", "clock", {"shift-ms": 3200 * 1000})
    assert keys()["AccessKeyId"] == first["AccessKeyId"]
    emulator.admin("POST", "clock", {"shift-ms": 3400 * 1000})
    assert keys()["AccessKeyId"] != first["AccessKeyId"]


def test_faults_reach_it(emulator, ask):
    emulator.admin("POST", "faults", {"operation": "MetadataToken", "effect": "error", "status": 500})
    assert ask("api/token", "PUT", **TTL)[0] == 500

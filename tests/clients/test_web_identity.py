"""sts:AssumeRoleWithWebIdentity by boto3: whose tokens are taken, and what each refusal says."""
import sys

import boto3
import botocore
import emulator as support
import oidc
import pytest
from scenario import admin, allow, bare, keys_of, make_role, policy, refused

A = "444444444444"
ROLE = f"arn:aws:iam::{A}:role/pod"


@pytest.fixture(autouse=True)
def undisturbed():
    """Every test has an emulator of its own: nothing to put back."""


@pytest.fixture(scope="module")
def provider():
    return oidc.Provider()


@pytest.fixture
def emulator(provider):
    world = bare(A)
    world["accounts"][0]["oidc-providers"] = [provider.described()]
    e = support.Emulator(world)
    yield e
    e.stop()


@pytest.fixture
def sts(connect, provider):
    iam = connect("iam", keys=admin(A))
    make_role(iam, "pod", oidc.trust(A, provider), p=policy(allow("s3:*", "*")))
    return boto3.client("sts", region_name="us-east-1",
                        endpoint_url=connect("sts", keys=admin(A)).meta.endpoint_url,
                        config=botocore.config.Config(signature_version=botocore.UNSIGNED))


def assume(sts, token, **more):
    return sts.assume_role_with_web_identity(RoleArn=ROLE, RoleSessionName="pod-1",
                                             WebIdentityToken=token, **more)


def test_session_of_a_token(connect, sts, provider):
    reply = assume(sts, provider.token(), DurationSeconds=900)
    assert reply["SubjectFromWebIdentityToken"] == "repo:demo"
    assert reply["Audience"] == oidc.CLIENT
    assert reply["Provider"] == f"arn:aws:iam::{A}:oidc-provider/token.example.com/pool"
    session = f"arn:aws:sts::{A}:assumed-role/pod/pod-1"
    assert reply["AssumedRoleUser"]["Arn"] == session
    assert connect("sts", keys=keys_of(reply)).get_caller_identity()["Arn"] == session
    connect("s3", keys=keys_of(reply)).create_bucket(Bucket="made-by-a-pod")
    assume(sts, provider.token(aud=["somebody-else", oidc.CLIENT]))


def test_refused_tokens(emulator, sts, provider):
    stranger = oidc.Provider()
    for token, code, said in (
            ("no-token-at-all", "InvalidIdentityToken", "not a valid JWT"),
            (stranger.token(), "InvalidIdentityToken", "signature"),
            (provider.token(header={"kid": "k2"}), "InvalidIdentityToken", "signature"),
            (provider.token(header={"alg": "none"}), "InvalidIdentityToken", "signature"),
            (provider.token(iss="https://elsewhere.example.com"), "InvalidIdentityToken",
             "No OpenIDConnect provider found in your account for https://elsewhere.example.com"),
            (provider.token(aud="somebody-else"), "InvalidIdentityToken", "audience"),
            (provider.token(lifetime=-10), "ExpiredTokenException", "Token expired")):
        with refused(code, said, status=400):
            assume(sts, token)
    token = provider.token(lifetime=600)
    emulator.admin("POST", "clock", {"shift-ms": 700 * 1000})
    with refused("ExpiredTokenException", status=400):
        assume(sts, token)


def test_trust_policy_decides(connect, sts, provider):
    with refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"):
        assume(sts, provider.token(subject="repo:other"))
    with refused("ValidationError", "MaxSessionDuration", status=400):
        assume(sts, provider.token(), DurationSeconds=7200)


def test_boto3_takes_it_from_the_environment(run, emulator, sts, provider, tmp_path):
    token = tmp_path / "token"
    token.write_text(provider.token())
    out = run([sys.executable, "-c", "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"],
              env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ROLE_ARN": ROLE,
                   "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_SESSION_NAME": "by-boto3"})
    assert out.strip() == f"arn:aws:sts::{A}:assumed-role/pod/by-boto3"


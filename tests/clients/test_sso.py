"""The emulator's IAM Identity Center: boto3 and the AWS CLI work with its sign-ons."""
import json
import sys
import urllib.error

import boto3
import botocore
import emulator as support
import pytest
import signon
from scenario import admin, allow, bare, make_role, policy, refused, trust

A = "444444444444"
ROLE = f"arn:aws:iam::{A}:role/signed-on"


@pytest.fixture
def emulator():
    e = support.Emulator(bare(A, sso=signon.described(ROLE, A, ("ann", "token-of-ann", "refresh-of-ann"))))
    iam = boto3.client("iam", endpoint_url=e.endpoint, region_name="us-east-1",
                       aws_access_key_id=admin(A)[0], aws_secret_access_key=admin(A)[1])
    make_role(iam, "signed-on", trust({"Service": "sso.amazonaws.com"}), p=policy(allow("s3:*", "*")))
    yield e
    e.stop()


@pytest.fixture(autouse=True)
def undisturbed():
    """Every test has an emulator of its own: nothing to put back."""


def client(emulator, service):
    return boto3.client(service, region_name="us-east-1", endpoint_url=f"{emulator.endpoint}/_sso",
                        config=botocore.config.Config(signature_version=botocore.UNSIGNED,
                                                      retries={"total_max_attempts": 1}))


def test_portal(emulator):
    portal = client(emulator, "sso")
    keys = portal.get_role_credentials(roleName="Reader", accountId=A, accessToken="token-of-ann")
    assert keys["roleCredentials"]["accessKeyId"].startswith("ASIA")
    with refused("UnauthorizedException", status=401):
        portal.get_role_credentials(roleName="Reader", accountId=A, accessToken="nobody's")
    for role, account in (("Writer", A), ("Reader", "111111111111")):
        with refused("ForbiddenException", status=403):
            portal.get_role_credentials(roleName=role, accountId=account, accessToken="token-of-ann")
    emulator.admin("POST", "clock", {"shift-ms": 9 * 3600 * 1000})
    with refused("UnauthorizedException", status=401):
        portal.get_role_credentials(roleName="Reader", accountId=A, accessToken="token-of-ann")


def test_refresh_tokens_are_good_once(emulator):
    oidc = client(emulator, "sso-oidc")
    more = {"clientId": "client-1", "grantType": "refresh_token", "refreshToken": "refresh-of-ann"}
    with pytest.raises(oidc.exceptions.ClientError):
        oidc.create_token(clientSecret="wrong", **more)
    fresh = oidc.create_token(clientSecret=signon.CLIENT["client-secret"], **more)
    assert fresh["expiresIn"] == 28800 and fresh["accessToken"] and fresh["refreshToken"]
    with pytest.raises(oidc.exceptions.ClientError):
        oidc.create_token(clientSecret=signon.CLIENT["client-secret"], **more)
    portal = client(emulator, "sso")
    portal.get_role_credentials(roleName="Reader", accountId=A, accessToken=fresh["accessToken"])
    with refused("UnauthorizedException", status=401):
        portal.get_role_credentials(roleName="Reader", accountId=A, accessToken="token-of-ann")


def test_a_device_signs_on(emulator):
    """RegisterClient, StartDeviceAuthorization, CreateToken until a person has decided; then the portal."""
    oidc, portal = client(emulator, "sso-oidc"), client(emulator, "sso")
    made = oidc.register_client(clientName="tests", clientType="public", scopes=["sso:account:access"])
    who = {"clientId": made["clientId"], "clientSecret": made["clientSecret"]}
    assert made["clientSecretExpiresAt"] - made["clientIdIssuedAt"] == 90 * 86400
    start = {**who, "startUrl": signon.START_URL}

    def token(device):
        return oidc.create_token(grantType="urn:ietf:params:oauth:grant-type:device_code",
                                 deviceCode=device["deviceCode"], **who)
    device = oidc.start_device_authorization(**start)
    assert device["userCode"] in device["verificationUriComplete"] and device["interval"] == 1
    with pytest.raises(oidc.exceptions.AuthorizationPendingException):
        token(device)
    with pytest.raises(oidc.exceptions.InvalidClientException):
        oidc.start_device_authorization(**{**start, "clientSecret": "wrong"})
    with pytest.raises(urllib.error.HTTPError):
        emulator.admin("POST", "sign-on", {"user-code": device["userCode"], "user": "nobody"})
    emulator.admin("POST", "sign-on", {"user-code": device["userCode"], "user": "ann"})
    told = token(device)
    keys = portal.get_role_credentials(roleName="Reader", accountId=A, accessToken=told["accessToken"])
    assert keys["roleCredentials"]["accessKeyId"].startswith("ASIA")
    with pytest.raises(oidc.exceptions.InvalidGrantException):
        token(device)  # it is good once
    assert oidc.create_token(grantType="refresh_token", refreshToken=told["refreshToken"], **who)["accessToken"]
    refused_one, late = oidc.start_device_authorization(**start), oidc.start_device_authorization(**start)
    emulator.admin("POST", "sign-on", {"user-code": refused_one["userCode"]})
    with pytest.raises(oidc.exceptions.AccessDeniedException):
        token(refused_one)
    emulator.admin("POST", "clock", {"shift-ms": 601 * 1000})
    with pytest.raises(oidc.exceptions.ExpiredTokenException):
        token(late)


@pytest.mark.parametrize("form", ["session", "legacy"])
def test_profiles_of_the_command_line(emulator, run, tmp_path, form):
    (tmp_path / "config").write_text(signon.profile("p", A, form))
    signon.write(tmp_path, "token-of-ann", form=form)
    env = {**signon.environment(emulator, tmp_path), "AWS_CONFIG_FILE": str(tmp_path / "config"),
           "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "p"}
    aws = sys.executable.rsplit("/", 1)[0] + "/aws"
    said = json.loads(run([aws, "sts", "get-caller-identity"], env=env))
    assert said["Arn"] == f"arn:aws:sts::{A}:assumed-role/signed-on/ann"


def test_boto3_renews_the_token(emulator, run, tmp_path):
    (tmp_path / "config").write_text(signon.profile("p", A))
    file = signon.write(tmp_path, "token-of-ann", "refresh-of-ann", seconds=60)
    env = {**signon.environment(emulator, tmp_path), "AWS_CONFIG_FILE": str(tmp_path / "config"),
           "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "p"}
    run([sys.executable, "-c", "import boto3; boto3.client('sts').get_caller_identity()"], env=env)
    assert json.loads(file.read_text())["accessToken"] != "token-of-ann"

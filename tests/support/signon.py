"""Sign-ons to IAM Identity Center: the emulator's description, and the cached token."""
import datetime
import hashlib
import json

CLIENT = {"client-id": "client-1", "client-secret": "secret/of/the/client"}
START_URL, REGION, SESSION = "https://corp.awsapps.com/start", "us-east-1", "corp"


def described(role_arn, account, *users):
    """The world's "sso": each user is (name, access token, refresh token)."""
    return {**CLIENT, "roles": [{"name": "Reader", "account": account, "role": role_arn}],
            "users": [{"name": n, "access-token": a, "refresh-token": r} for n, a, r in users]}


def profile(name, account, form="session", role="Reader"):
    lines = [f"[profile {name}]", f"sso_account_id = {account}", f"sso_role_name = {role}"]
    if form == "session":
        return "\n".join([*lines, f"sso_session = {SESSION}", f"[sso-session {SESSION}]",
                          f"sso_start_url = {START_URL}", f"sso_region = {REGION}", ""])
    return "\n".join([*lines, f"sso_start_url = {START_URL}", f"sso_region = {REGION}", ""])


def path(home, form="session"):
    name = SESSION if form == "session" else START_URL
    return home / ".aws" / "sso" / "cache" / (hashlib.sha1(name.encode()).hexdigest() + ".json")


def write(home, access, refresh=None, seconds=3600, form="session", **more):
    """What `aws sso login` leaves; the file."""
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    document = {"startUrl": START_URL, "region": REGION, "accessToken": access,
                "expiresAt": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
    if refresh:
        document.update(refreshToken=refresh, clientId=CLIENT["client-id"],
                        clientSecret=CLIENT["client-secret"],
                        registrationExpiresAt="2099-01-01T00:00:00Z")
    document.update(more)
    file = path(home, form)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))
    file.chmod(0o600)
    return file


def environment(emulator, home):
    url = f"{emulator.endpoint}/_sso"
    return {"HOME": str(home), "AWS_ENDPOINT_URL_SSO": url, "AWS_ENDPOINT_URL_SSO_OIDC": url}

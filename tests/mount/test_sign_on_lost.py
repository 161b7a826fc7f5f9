"""A sign-on whose refresh token is used up: the reply with the next one was lost, or another program has it."""
import json
import threading

import boto3
import botocore
import pytest
import signon
from emulator import with_object
from mounting import options, wait_until
from test_credentials import ADMIN, AP, HOUR, OWNER, WORLD, arn

LOGIN = "run: aws sso login --sso-session corp"
PEOPLE = [(name, f"token-of-{name}", f"refresh-of-{name}") for name in ("ann", "bob", "eve")]


@pytest.fixture(scope="module")
def emu():
    world = json.loads(json.dumps({**WORLD, "sso": signon.described(arn("machine"), OWNER, *PEOPLE)}))
    for role in world["accounts"][1]["roles"]:
        if role["name"] == "machine":
            role["max-session-duration"] = HOUR
    with with_object(world, ADMIN, "data-bucket") as instance:
        yield instance


@pytest.fixture
def env(emu, place):
    (place.dir / "config").write_text(signon.profile("s", OWNER))
    yield signon.environment(emu, place.dir)
    emu.admin("DELETE", "faults")
    shift(emu, 0)


def oidc(emu):
    return boto3.client("sso-oidc", region_name="us-east-1", endpoint_url=f"{emu.endpoint}/_sso",
                        config=botocore.config.Config(signature_version=botocore.UNSIGNED,
                                                      retries={"total_max_attempts": 1}))


def sign_on(emu, name):
    """What `aws sso login` does; the new tokens."""
    client = oidc(emu)
    known = client.register_client(clientName="cli", clientType="public")
    who = {k: known[k] for k in ("clientId", "clientSecret")}
    device = client.start_device_authorization(startUrl=signon.START_URL, **who)
    emu.admin("POST", "sign-on", {"user-code": device["userCode"], "user": name})
    made = client.create_token(grantType="urn:ietf:params:oauth:grant-type:device_code",
                               deviceCode=device["deviceCode"], **who)
    return made, who


def asked(emu):
    return [r["operation"] for r in emu.admin("GET", "requests")].count("SsoCreateToken")


def shift(emu, seconds):
    emu.admin("POST", "clock", {"shift-ms": seconds * 1000})


def reads(point):
    try:
        return (point / "file.csv").read_bytes() == b"content"
    except OSError:
        return False


def mount_and_lose(emu, place, env, name):
    """A mount whose keys are due and whose sign-on ends soon; the reply with the next token is lost."""
    signon.write(place.dir, f"token-of-{name}", f"refresh-of-{name}", seconds=HOUR)
    point = place.mount(AP, options(emu, "profile=s", "metadata-ttl=0", "negative-ttl=0"), env=env)
    assert reads(point) and asked(emu) == 0
    emu.admin("POST", "faults", {"operation": "SsoCreateToken", "effect": "drop", "bytes": 0, "count": 1})
    shift(emu, HOUR - 300)
    wait_until(lambda: reads(point) and asked(emu) == 2)  # one was lost, the other refused
    return point


def test_a_lost_reply_is_told_and_a_new_sign_on_is_found(emu, place, env):
    point = mount_and_lose(emu, place, env, "ann")
    wait_until(lambda: LOGIN in place.log())
    assert reads(point)  # with the keys that it has
    assert place.log().count("profile s: SSO: the sign-on cannot be renewed") == 1
    shift(emu, 13 * HOUR)
    with pytest.raises(PermissionError):
        (point / "file.csv").read_bytes()
    wait_until(lambda: not reads(point) and "have ended" in place.log())
    told = [line for line in place.log().splitlines() if "have ended" in line]
    assert len(told) == 1 and f"profile s: SSO: the sign-on has ended and cannot be renewed; {LOGIN}" in told[0]
    assert point.is_mount() and place.status(point)["mount"] == str(point)
    assert asked(emu) == 2  # it is not sent again
    made, who = sign_on(emu, "ann")
    signon.write(place.dir, made["accessToken"], made["refreshToken"], seconds=20 * HOUR, **who)
    wait_until(lambda: reads(point), 120)
    for secret in ("token-of-ann", "refresh-of-ann", made["accessToken"], made["refreshToken"]):
        assert secret not in place.log()


def test_login_does_not_wait(emu, place, env):
    """After a new sign-on `s3apfs login` renews at once."""
    point = mount_and_lose(emu, place, env, "bob")
    shift(emu, 13 * HOUR)
    assert not reads(point)
    failed = place.run("login", point)
    assert failed.returncode != 0 and LOGIN in failed.stdout + failed.stderr
    made, who = sign_on(emu, "bob")
    signon.write(place.dir, made["accessToken"], made["refreshToken"], seconds=20 * HOUR, **who)
    result = place.run("login", point)
    assert result.returncode == 0, result.stderr
    assert reads(point)


def test_another_program_was_faster(emu, place, env):
    """It has used the refresh token while this mount asks, and has left the next one."""
    signon.write(place.dir, "token-of-eve", "refresh-of-eve", seconds=-60)
    made = oidc(emu).create_token(clientId=signon.CLIENT["client-id"], clientSecret=signon.CLIENT["client-secret"],
                                  grantType="refresh_token", refreshToken="refresh-of-eve")
    emu.admin("DELETE", "requests")
    emu.admin("POST", "faults", {"operation": "SsoCreateToken", "effect": "none", "ms": 3000, "count": 1})

    def leave():
        wait_until(lambda: emu.admin("GET", "faults")[0]["hits"] == 1)
        signon.write(place.dir, made["accessToken"], made["refreshToken"])
    other = threading.Thread(target=leave)
    other.start()
    point = place.mount(AP, options(emu, "profile=s"), env=env)
    other.join()
    assert reads(point) and LOGIN not in place.log()
    assert asked(emu) == 1

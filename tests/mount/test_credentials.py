"""Mounts whose keys come from roles: by options, by profiles, with MFA, one or many in a mount."""
import json
import os
import pathlib
import socket
import stat
import subprocess
import tempfile
import time

import oidc
import pytest
import signon
from emulator import with_object
from mfa import SEED, code, on_terminal
from mounting import S3APFS, options, wait_until

USERS, OWNER = "444444444444", "555555555555"
ANN = ("AKIAEXAMPLEANN000001", "secret/of/ann/0000000000000000000000000")
ADMIN = ("AKIAEXAMPLEOWNER0001", "secret/of/the/owner/00000000000000000000")
DEVICE, SPARE = f"arn:aws:iam::{USERS}:mfa/ann", f"arn:aws:iam::{USERS}:mfa/spare"  # a code is good once
AP = f"arn:aws:s3:us-east-1:{OWNER}:accesspoint/data"


def arn(name, account=OWNER):
    return f"arn:aws:iam::{account}:role/{name}"


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions, resource="*", **more):
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def trust(principal, condition=None):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal},
                 "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"]}
    if condition:
        statement["Condition"] = condition
    return policy(statement)


def role(name, principal, condition=None, actions="s3:*", **more):
    return {"name": name, "trust": trust(principal, condition),
            "policies": {"p": policy(allow(actions))}, **more}


PROVIDER = oidc.Provider()
ANN_ARN = f"arn:aws:iam::{USERS}:user/ann"
WORLD = {
    "organization": {"id": "o-credentials", "accounts": [USERS, OWNER]},
    "accounts": [
        {"id": USERS, "users": [
            {"name": "ann", "access-keys": [{"id": ANN[0], "secret": ANN[1]}],
             "mfa-devices": [{"serial": s, "seed": SEED} for s in (DEVICE, SPARE)],
             "policies": {"p": policy(allow(["sts:AssumeRole", "sts:SetSourceIdentity"]))}}],
         "roles": [role("first", ANN_ARN, actions=["sts:AssumeRole"], **{"max-session-duration": 43200})]},
        {"id": OWNER, "oidc-providers": [PROVIDER.described()], "users": [
            {"name": "admin", "access-keys": [{"id": ADMIN[0], "secret": ADMIN[1]}],
             "policies": {"p": policy(allow("*"))}}],
         "roles": [
             role("reader", [ANN_ARN, arn("first", USERS), arn("machine")], **{"max-session-duration": 43200}),
             role("asks", ANN_ARN, {"StringEquals": {"sts:ExternalId": "magic"}}),
             role("careful", ANN_ARN, {"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
             role("blind", ANN_ARN, actions="s3:PutObject"),
             role("nobody", arn("other")),
             role("machine", arn("other"), **{"max-session-duration": 43200}),
             {"name": "location", "policies": {"p": policy(allow("s3:*"))}, "max-session-duration": 43200,
              "trust": policy({"Effect": "Allow", "Principal": {"Service": "access-grants.s3.amazonaws.com"},
                               "Action": "sts:AssumeRole"})},
             {"name": "pod", "trust": oidc.trust(OWNER, PROVIDER),
              "policies": {"p": policy(allow("s3:*"))}}]}],
    "sso": signon.described(arn("machine"), OWNER, ("ann", "token-of-ann", "refresh-of-ann"),
                            *((t, f"token-of-a-{t}", f"refresh-of-a-{t}") for t in ("week", "day"))),
    "instances": [{"id": "i-1", "role": arn("machine")}],
    "buckets": [{"name": "data-bucket", "account": OWNER}],
    "access-points": [{"name": "data", "account": OWNER, "bucket": "data-bucket"}],
    "access-grants": [{"account": OWNER, "region": "us-east-1", "locations": [
        {"id": "default", "scope": "s3://", "role": arn("location")}], "grants": [
            {"location": "default", "sub-prefix": "data-bucket/granted/*", "permission": "READ",
             "grantee": {"type": "IAM", "id": f"arn:aws:iam::{OWNER}:user/admin"}}]}],
}


@pytest.fixture(scope="module")
def emu():
    with with_object(WORLD, ADMIN, "data-bucket") as instance:
        instance.client(ADMIN).put_object(Bucket="data-bucket", Key="granted/file.csv", Body=b"content")
        yield instance


@pytest.fixture
def ann(place):
    """The files of a user with keys; more profiles by what is returned."""
    (place.dir / "credentials").write_text(
        f"[ann]\naws_access_key_id = {ANN[0]}\naws_secret_access_key = {ANN[1]}\n")

    def profiles(text):
        (place.dir / "config").write_text(text)
    return profiles


def callers(emu, operation="GetObject"):
    return {r["caller"] for r in emu.admin("GET", "requests") if r["operation"] == operation}


def refused(place, words, status, *said, env=None, source=AP):
    result, point = place.try_mount(source, words, env=env)
    assert result.returncode == status, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for part in said:
        assert part in result.stderr, result.stderr
    assert ANN[1] not in result.stderr
    assert not os.path.ismount(point)


def test_role_by_options(emu, place, ann):
    point = place.mount(AP, options(emu, "profile=ann", f"role-arn={arn('reader')}",
                                    "role-session-name=of-ann", "source-identity=ann", "duration=2h"))
    assert (point / "file.csv").read_bytes() == b"content"
    assert callers(emu) == {f"arn:aws:sts::{OWNER}:assumed-role/reader/of-ann"}
    directory = place.status(point)["directories"][0]
    assert directory["identity"] == f"arn:aws:sts::{OWNER}:assumed-role/reader/of-ann"
    assert directory["credentials_expire"]


def test_default_session_name_tells_user_and_host(emu, place, ann):
    point = place.mount(AP, options(emu, "profile=ann", f"role-arn={arn('reader')}"))
    assert (point / "file.csv").read_bytes() == b"content"
    name = callers(emu).pop().rsplit("/", 1)[1]
    assert name.startswith("s3apfs-") and socket.gethostname()[:8] in name


def test_role_by_profiles_and_an_hour_for_a_chain(emu, place, ann):
    ann(f"[profile first]\nrole_arn = {arn('first', USERS)}\nsource_profile = ann\nduration_seconds = 43200\n"
        f"[profile second]\nrole_arn = {arn('reader')}\nsource_profile = first\nduration_seconds = 7200\n")
    point = place.mount(AP, options(emu, "profile=second"))
    assert (point / "file.csv").read_bytes() == b"content"
    assert any(":assumed-role/first/" in c for c in callers(emu, "AssumeRole"))
    assert "for an hour at most" in place.log()


def test_external_id(emu, place, ann):
    words = options(emu, "profile=ann", f"role-arn={arn('asks')}")
    refused(place, words, 3, f"role-arn: {arn('asks')} cannot be assumed: AccessDenied",
            "no role trust policy allows the sts:AssumeRole action")
    point = place.mount(AP, [*words, "external-id=magic"])
    assert (point / "file.csv").read_bytes() == b"content"


def test_credential_source(emu, place, ann):
    env = {"AWS_ACCESS_KEY_ID": ANN[0], "AWS_SECRET_ACCESS_KEY": ANN[1]}
    words = options(emu, f"role-arn={arn('reader')}", "credential-source=Environment")
    refused(place, words, 1, "environment")
    point = place.mount(AP, words, env=env)
    assert (point / "file.csv").read_bytes() == b"content"


def test_several_roles_in_one_mount(emu, place, ann):
    """004-M6: one role that cannot be assumed does not take the others down."""
    config = place.config(emu, {
        "mine": [f"source = {AP}", "profile = ann", f"role-arn = {arn('reader')}"],
        "asked": [f"source = {AP}", "profile = ann", f"role-arn = {arn('asks')}", "external-id = magic"],
        "lost": [f"source = {AP}", "profile = ann", f"role-arn = {arn('nobody')}"]})
    point = place.mount(config)
    for name, who in (("mine", "reader"), ("asked", "asks")):
        assert (point / name / "file.csv").read_bytes() == b"content"
        assert any(f"assumed-role/{who}/" in c for c in callers(emu))
    with pytest.raises(PermissionError):
        os.listdir(point / "lost")
    problems = {d["path"]: d.get("problem") for d in place.status(point)["directories"]}
    assert problems["mine"] is None and "cannot be assumed: AccessDenied" in problems["lost"]


@pytest.mark.parametrize("words,said", [
    (["external-id=x1"], "'external-id' goes with role-arn"),
    (["mfa-serial=x1"], "'mfa-serial' goes with role-arn"),
    (["role-arn=reader"], "'reader' is no role's ARN"),
    ([f"role-arn={arn('reader')}", "role-session-name=a b"], "session name 'a b'"),
    ([f"role-arn={arn('reader')}", "source-identity=!"], "source identity '!'"),
    ([f"role-arn={arn('reader')}", "external-id=x"], "2 to 1224"),
    ([f"role-arn={arn('reader')}", "credential-source=Environment"], "exclude each other"),
    ([f"role-arn={arn('reader')}", "web-identity-token-file=/t", "external-id=xx"], "takes neither"),
])
def test_options_that_do_not_fit(emu, place, ann, words, said):
    refused(place, options(emu, "profile=ann", *words), 1, said)


def test_refused_port_of_sts(emu, place, ann):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    words = [w for w in options(emu, "profile=ann", f"role-arn={arn('reader')}") if "sts-endpoint" not in w]
    refused(place, [*words, f"sts-endpoint-url=http://127.0.0.1:{port}"], 1, "role-arn:", "cannot be assumed")
    refused(place, words, 1, "role-arn:", "cannot be assumed",
            env={"AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{port}"})


@pytest.fixture
def later(emu):
    """later(seconds): the emulator's clock goes on; back to the true time at the end."""
    yield lambda seconds: emu.admin("POST", "clock", {"shift-ms": seconds * 1000})
    emu.admin("POST", "clock", {"shift-ms": 0})


def mount_on_terminal(place, emu, answer, device=DEVICE):
    point = place.mount_point()
    words = options(emu, "profile=ann", "metadata-ttl=0", "negative-ttl=0", f"role-arn={arn('careful')}", f"mfa-serial={device}",
                    f"log={place.dir}/log", f"cache-dir={place.dir}/cache", "allow-core")
    done = on_terminal([S3APFS, "mount", "-o", f"state-dir={place.dir}/state",
                        AP, point, "-o", ",".join(words)], answer, env=place.env)
    if done[0] == 0:
        place.mounts.append(point)
    return (*done, point)


def test_mfa_is_asked_for_on_a_terminal(emu, place, ann):
    status, shown, said, point = mount_on_terminal(place, emu, code)
    assert status == 0, shown + said
    assert f"MFA code of {DEVICE}: " in shown and shown.count("MFA code") == 1
    assert (point / "file.csv").read_bytes() == b"content"


def test_wrong_mfa_code(emu, place, ann):
    status, _, said, point = mount_on_terminal(place, emu, lambda: "000000")
    assert status == 3 and "invalid MFA one time pass code" in said
    assert len(said.strip().splitlines()) == 1
    assert not os.path.ismount(point)


def test_mfa_without_a_terminal_is_refused(emu, place, ann):
    refused(place, options(emu, "profile=ann", f"role-arn={arn('careful')}", f"mfa-serial={DEVICE}"), 1,
            f"{arn('careful')} needs a code of the MFA device {DEVICE}", "there is no terminal")


@pytest.fixture
def token(place):
    path = place.dir / "token"
    path.write_text(PROVIDER.token())
    return path


def web_environment(token):
    return {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": arn("pod"),
            "AWS_ROLE_SESSION_NAME": "pod-7", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}


def test_web_identity_of_the_environment(emu, place, token):
    point = place.mount(AP, options(emu), env=web_environment(token))
    assert (point / "file.csv").read_bytes() == b"content"
    assert callers(emu) == {f"arn:aws:sts::{OWNER}:assumed-role/pod/pod-7"}


@pytest.mark.parametrize("how", ["profile", "options"])
def test_web_identity_of_profile_and_options(emu, place, ann, token, how):
    ann(f"[profile w]\nrole_arn = {arn('pod')}\nweb_identity_token_file = {token}\n")
    words = ["profile=w"] if how == "profile" else [f"role-arn={arn('pod')}",
                                                    f"web-identity-token-file={token}"]
    point = place.mount(AP, options(emu, *words))
    assert (point / "file.csv").read_bytes() == b"content"


@pytest.mark.parametrize("claims,status,said", [
    ({"subject": "repo:other"}, 3, "AccessDenied"), ({"lifetime": -10}, 1, "ExpiredTokenException"),
    ({"aud": "else"}, 1, "Incorrect token audience")])
def test_refused_web_identity(emu, place, token, claims, status, said):
    token.write_text(PROVIDER.token(**claims))
    refused(place, options(emu), status, f"web identity: {arn('pod')} cannot be assumed", said,
            env=web_environment(token))


def test_web_identity_without_its_parts(emu, place, token):
    env = web_environment(token)
    refused(place, options(emu), 1, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not",
            env=dict(env, AWS_ROLE_ARN=""))
    refused(place, options(emu), 1, "web identity: the web identity token /nowhere cannot be read",
            env=dict(env, AWS_WEB_IDENTITY_TOKEN_FILE="/nowhere"))
    token.write_text("")
    refused(place, options(emu), 1, f"web identity: {token} holds no web identity token", env=env)


def instance_environment(emu):
    return {"AWS_EC2_METADATA_DISABLED": "false", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{emu.endpoint}/_instance/i-1"}


def test_instance_metadata(emu, place):
    """002-M9: the role of an instance."""
    point = place.mount(AP, options(emu), env=instance_environment(emu))
    assert (point / "file.csv").read_bytes() == b"content"
    assert callers(emu) == {f"arn:aws:sts::{OWNER}:assumed-role/machine/i-1"}


def test_instance_metadata_behind_a_hop_limit(emu, place):
    """The token's answer does not reach a container; the emulator's instances need one."""
    emu.admin("POST", "faults", {"operation": "MetadataToken", "effect": "hang", "count": -1})
    refused(place, options(emu), 1, "instance metadata: ", "status 401 when asked for the role's name",
            env=instance_environment(emu))


@pytest.mark.parametrize("operation,said", [
    ("MetadataToken", "asked for a token"), ("MetadataRole", "asked for the role's name"),
    ("MetadataCredentials", "asked for keys")])
def test_refusals_of_instance_metadata(emu, place, operation, said):
    emu.admin("POST", "faults", {"operation": operation, "effect": "error", "status": 400, "count": -1})
    refused(place, options(emu), 1, "instance metadata: ", f"status 400 when {said}",
            env=instance_environment(emu))


def test_role_by_the_keys_of_an_instance(emu, place, ann):
    """004-M1: from IMDS, by a profile and by options."""
    ann(f"[profile r]\nrole_arn = {arn('reader')}\ncredential_source = Ec2InstanceMetadata\n")
    for words in (["profile=r"], [f"role-arn={arn('reader')}", "credential-source=Ec2InstanceMetadata"]):
        point = place.mount(AP, options(emu, *words), env=instance_environment(emu))
        assert (point / "file.csv").read_bytes() == b"content"
        assert any("/machine/i-1" in c for c in callers(emu, "AssumeRole"))
        place.umount(point)


def login(place, point, text):
    return subprocess.run([S3APFS, "login", point], input=text, text=True, capture_output=True,
                          env=place.env, timeout=120, check=False)


def test_an_ended_mfa_session_leaves_the_mount_until_login(emu, place, ann, later):
    """004-M3: reads are EACCES with one line in the log; a code brings them back."""
    status, shown, said, point = mount_on_terminal(place, emu, code, SPARE)
    assert status == 0, shown + said
    assert (point / "file.csv").read_bytes() == b"content"
    later(2 * 3600)
    for _ in range(3):
        with pytest.raises(PermissionError):
            (point / "file.csv").read_bytes()
    assert os.path.ismount(point)
    lines = [l for l in place.log().splitlines() if "have ended and cannot be renewed" in l]
    assert len(lines) == 1 and "s3apfs login" in lines[0]
    for text, expected, said in (("000000\n", 3, "invalid MFA one time pass code"),
                                 ("12\n", 2, "has six digits"), ("", 2, "there is no code")):
        result = login(place, point, text)
        assert result.returncode == expected and said in result.stderr, result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    with pytest.raises(PermissionError):
        (point / "file.csv").read_bytes()
    result = login(place, point, code(shift=2 * 3600) + "\n")
    assert result.returncode == 0 and "until " in result.stdout, result.stderr
    wait_until(lambda: readable(point / "file.csv"))
    assert (point / "file.csv").read_bytes() == b"content"


def readable(path, failure=PermissionError):
    try:
        return path.read_bytes() is not None
    except failure:
        return False


def test_login_where_nothing_waits_for_it(emu, place, ann):
    point = place.mount(AP, options(emu, "profile=ann", f"role-arn={arn('reader')}"))
    result = login(place, point, "")
    assert result.returncode == 0 and "nothing waits for a login" in result.stdout
    assert place.run("login", place.dir).returncode == 1
    assert place.run("login").returncode == 2


@pytest.fixture
def signed_on(emu, place):
    """Profiles whose keys come from a sign-on; their environment."""
    def make(form="session", role="Reader"):
        (place.dir / "config").write_text(
            signon.profile("s", OWNER, form, role) +
            f"[profile r]\nrole_arn = {arn('reader')}\nsource_profile = s\n")
        return signon.environment(emu, place.dir)
    return make


@pytest.mark.parametrize("form", ["session", "legacy"])
def test_sign_on(emu, place, signed_on, form):
    env = signed_on(form)
    signon.write(place.dir, "token-of-ann", form=form)
    point = place.mount(AP, options(emu, "profile=s"), env=env)
    assert (point / "file.csv").read_bytes() == b"content"
    assert callers(emu) == {f"arn:aws:sts::{OWNER}:assumed-role/machine/ann"}


def test_role_by_a_sign_on(emu, place, signed_on):
    """004-M1: from SSO, by a profile chain."""
    env = signed_on()
    signon.write(place.dir, "token-of-ann")
    point = place.mount(AP, options(emu, "profile=r"), env=env)
    assert (point / "file.csv").read_bytes() == b"content"
    assert any("assumed-role/reader/" in c for c in callers(emu))


@pytest.mark.parametrize("token,status,said", [
    (None, 1, "nobody has signed on yet; run: aws sso login --sso-session corp"),
    (("nobody's",), 1, "the portal does not take the token (401); run: aws sso login"),
    (("token-of-ann", None, -60), 1, "the sign-on has ended; run: aws sso login"),
    (("token-of-ann", "refresh-of-nobody", -60), 1, "has ended and cannot be renewed; run: aws sso login"),
    ("{", 1, "is malformed: it is not a JSON object"), ("{}", 1, "is malformed: accessToken"),
])
def test_sign_ons_that_are_none(emu, place, signed_on, token, status, said):
    env = signed_on()
    if isinstance(token, str):
        signon.write(place.dir, "x").write_text(token)
    elif token:
        signon.write(place.dir, *token)
    refused(place, options(emu, "profile=s"), status, "profile s: SSO: ", said, env=env)


def test_roles_that_are_not_assigned(emu, place, signed_on):
    env = signed_on(role="Writer")
    signon.write(place.dir, "token-of-ann")
    refused(place, options(emu, "profile=s"), 3, "role Writer of account", "is not assigned to this user",
            env=env)


@pytest.mark.parametrize("operation,code,said", [
    ("SsoGetRoleCredentials", 404, "status 404 when asked for keys"),
    ("SsoGetRoleCredentials", 500, "status 500 when asked for keys")])
def test_refusals_of_the_portal(emu, place, signed_on, operation, code, said):
    env = signed_on()
    signon.write(place.dir, "token-of-ann")
    emu.admin("POST", "faults", {"operation": operation, "effect": "error", "status": code, "count": -1})
    refused(place, options(emu, "profile=s"), 1, "profile s: SSO: ", said, env=env)
    refused(place, options(emu, "profile=s"), 1, "profile s: SSO: ", "cannot be asked",
            env=dict(env, AWS_ENDPOINT_URL_SSO="http://127.0.0.1:1"))


def test_a_failing_sign_on_is_renewed_once_a_minute(emu, place, signed_on):
    """Two identities share the sign-on; its token lasts ten minutes more."""
    env = signed_on()
    signon.write(place.dir, "token-of-ann", "refresh-of-ann", seconds=600)
    emu.admin("POST", "faults", {"operation": "SsoCreateToken", "effect": "error", "status": 400, "count": -1})
    point = place.mount(place.config(emu, {"s": [f"source = {AP}", "profile = s"],
                                           "r": [f"source = {AP}", "profile = r"]}), env=env)
    for name in ("s", "r"):
        assert (point / name / "file.csv").read_bytes() == b"content"
    asked = [r["operation"] for r in emu.admin("GET", "requests")]
    assert asked.count("SsoCreateToken") == 1 and asked.count("SsoGetRoleCredentials") == 2


def test_a_sign_on_is_renewed_and_written_back(emu, place, signed_on):
    """Last of its kind: the tokens are others afterwards."""
    env = signed_on()
    file = signon.write(place.dir, "token-of-ann", "refresh-of-ann", seconds=60, other="kept")
    file.chmod(0o644)
    point = place.mount(AP, options(emu, "profile=s"), env=env)
    assert (point / "file.csv").read_bytes() == b"content"
    kept = json.loads(file.read_text())
    assert kept["accessToken"] != "token-of-ann" and kept["refreshToken"] != "refresh-of-ann"
    assert kept["other"] == "kept" and kept["expiresAt"] > "2026"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    for secret in ("token-of-ann", "refresh-of-ann", kept["accessToken"], kept["refreshToken"]):
        assert secret not in place.log()


HOUR = 3600


BAD = [{"effect": "error", "status": 403, "code": "AccessDenied"}, {"effect": "error", "status": 400, "code": "Odd"},
       {"effect": "garbage"}, {"effect": "error", "status": 404, "code": "NoSuchEntity"}]


def fail(emu, effect):
    """The services that give keys do this from now on."""
    emu.admin("POST", "faults", [{"operation": o, "count": -1, **effect} for o in
                                 ("AssumeRole", "GetDataAccess", "SsoGetRoleCredentials")])
    undone = effect if effect["effect"] == "error" else BAD[1]  # of a spoilt answer the next refresh token is lost
    emu.admin("POST", "faults", {"operation": "SsoCreateToken", "count": -1, **undone})


@pytest.fixture
def memory():
    """A directory whose files no disk delays: hours pass by in a moment here."""
    with tempfile.TemporaryDirectory(prefix="s3apfs-home-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as d:
        yield pathlib.Path(d)


@pytest.fixture
def held(memory, emu, place, ann, request):
    """A mount by a role, a grant and a sign-on, all for twelve hours, and by an instance's keys of six; its directories."""
    ann(signon.profile("s", OWNER))
    time_of = "week" if "week" in request.node.name else "day"  # who has signed on once has other tokens afterwards
    signon.write(memory, f"token-of-a-{time_of}", f"refresh-of-a-{time_of}", seconds=8 * HOUR)
    with open(place.dir / "credentials", "a") as f:
        f.write(f"[admin]\naws_access_key_id = {ADMIN[0]}\naws_secret_access_key = {ADMIN[1]}\n")
    words = ["duration = 12h", "metadata-ttl = 0", "negative-ttl = 0"]
    point = place.mount(place.config(emu, {
        "role": [f"source = {AP}", "profile = ann", f"role-arn = {arn('reader')}", *words],
        "grant": ["source = s3://data-bucket/granted", "access = grants", f"account = {OWNER}", "profile = admin",
                  *words],
        "sign-on": [f"source = {AP}", "profile = s", *words[1:]],
        "instance": [f"source = {AP}", *words[1:]]}),
        env={"AWS_EC2_METADATA_DISABLED": "false", **signon.environment(emu, memory),
             "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{emu.endpoint}/_instance/i-1"})
    return {name: point / name / "file.csv" for name in ("role", "grant", "sign-on", "instance")}


def test_a_week_with_hours_without_new_keys(emu, place, held, later):
    """Sessions of twelve hours are renewed in the tenth; in every seven hours the services that give keys refuse
    for two, one way after the other, so whatever is asked again in time is got: no read notices, in a week. An
    instance's sessions of six hours have new keys five minutes ahead, so its service fails in the middle of each."""
    for hour in range(7 * 24):
        if hour % 7 in (0, 5) or hour % 6 in (1, 4):
            emu.admin("DELETE", "faults")
            if hour % 7 >= 5:
                fail(emu, BAD[hour // 7 % len(BAD)])
            if hour % 6 in (1, 2, 3):
                emu.admin("POST", "faults", {"operation": "Metadata*", "count": -1, **BAD[hour // 6 % len(BAD)]})
        later(hour * HOUR)
        for path in held.values():
            assert path.read_bytes() == b"content", hour
        # a renewal runs behind the readers and has to be over before the services fail again
        time.sleep(0.4 if (hour + 1) % 7 == 5 else 0.05)
    used = [r for r in emu.admin("GET", "requests") if r["operation"] == "HeadObject" and r["status"] == 200]
    for who, least in (("reader/", 14), ("location/", 14), ("machine/week", 14), ("machine/i-1", 28)):
        keys = {r["access_key_id"] for r in used if f":assumed-role/{who}" in r["caller"]}
        assert least <= len(keys) <= 2 * least + 2, (who, len(keys))  # one in twelve, or six, hours at least
    assert "have ended" not in place.log()


def test_a_day_without_new_keys_fails_with_the_old_ones_and_heals(emu, place, held, later):
    """What cannot be avoided begins when the last keys end, and ends when there are new ones."""
    for path in held.values():
        path.read_bytes()
    fail(emu, BAD[1])  # a denial would be remembered for a while
    failed = {name: [] for name in held}
    for hour in range(0, 24):
        later(hour * HOUR)
        for name, path in held.items():
            try:
                assert path.read_bytes() == b"content"
            except OSError:
                failed[name].append(hour)
    assert failed == {name: list(range(12, 24)) if name != "instance" else [] for name in held}
    emu.admin("DELETE", "faults")
    for path in held.values():
        wait_until(lambda p=path: readable(p, OSError), 60)


def test_a_sleep_through_the_end_and_a_service_that_comes_back(emu, place, ann, later):
    point = place.mount(AP, options(emu, "profile=ann", f"role-arn={arn('reader')}", "metadata-ttl=0",
                                    "negative-ttl=0"))
    assert (point / "file.csv").read_bytes() == b"content"
    later(72 * HOUR)
    assert (point / "file.csv").read_bytes() == b"content"  # the read that finds out waits for new keys
    emu.admin("POST", "faults", {"operation": "AssumeRole", "effect": "error", "status": 403,
                                 "code": "AccessDenied", "count": -1})
    later(80 * HOUR)
    with pytest.raises(PermissionError):
        (point / "file.csv").read_bytes()
    for name in ("file.csv", "never-seen.csv"):  # where nobody could be asked a name is not taken for a folder
        with pytest.raises(PermissionError):
            os.stat(point / name)
    assert place.log().count("have ended and cannot be renewed") == 1
    emu.admin("DELETE", "faults")
    wait_until(lambda: readable(point / "file.csv"), 60)

"""Every provider against every bad answer at each of its steps: one line that names the provider, no mount, no secret."""
import contextlib
import http.server
import json
import os
import socket
import subprocess
import threading
import time

import oidc
import pytest
import signon
import targets
from emulator import Emulator
from mounting import S3APFS, options

USERS, OWNER = "444444444444", "555555555555"
ANN = ("AKIAEXAMPLEANN000001", "secret/of/ann/0000000000000000000000000")
AP = f"arn:aws:s3:us-east-1:{OWNER}:accesspoint/data"
GRANT = "s3://data-bucket/granted"
STATUSES = (400, 401, 403, 404, 500)
PROVIDER = oidc.Provider()


def allow(actions):
    return {"p": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}}


def role(name, principal):
    return {"name": name, "policies": allow("*"), "trust": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}}


ROLE = f"arn:aws:iam::{OWNER}:role/reader"
WORLD = {
    "accounts": [
        {"id": USERS, "users": [{"name": "ann", "access-keys": [{"id": ANN[0], "secret": ANN[1]}],
                                 "policies": allow("*")}]},
        {"id": OWNER, "oidc-providers": [PROVIDER.described()],
         "roles": [role("reader", {"AWS": USERS}), role("location", {"Service": "access-grants.s3.amazonaws.com"}),
                   {"name": "pod", "trust": oidc.trust(OWNER, PROVIDER), "policies": allow("*")}]}],
    "sso": signon.described(ROLE, OWNER, ("ann", "token-of-ann", "refresh-of-ann"),
                            ("eve", "token-of-eve", "refresh-of-eve")),
    "instances": [{"id": "i-1", "role": ROLE}],
    "buckets": [{"name": "data-bucket", "account": OWNER}, {"name": targets.DIRECTORY, "account": USERS}],
    "access-points": [{"name": "data", "account": OWNER, "bucket": "data-bucket"}],
    "access-grants": [{"account": USERS, "region": "us-east-1", "locations": [
        {"id": "default", "scope": "s3://", "role": f"arn:aws:iam::{OWNER}:role/location"}], "grants": [
            {"location": "default", "sub-prefix": "data-bucket/granted/*", "permission": "READ",
             "grantee": {"type": "IAM", "id": f"arn:aws:iam::{USERS}:user/ann"}}]}],
}


@pytest.fixture(scope="module")
def emu():
    instance = Emulator(WORLD)
    yield instance
    instance.stop()


@pytest.fixture
def files(place):
    (place.dir / "credentials").write_text(
        f"[ann]\naws_access_key_id = {ANN[0]}\naws_secret_access_key = {ANN[1]}\n")
    (place.dir / "config").write_text(
        f"[profile r]\nrole_arn = {ROLE}\nsource_profile = ann\n" + signon.profile("s", OWNER))
    (place.dir / "token").write_text(PROVIDER.token())
    signon.write(place.dir, "token-of-ann")


@contextlib.contextmanager
def refused_port():
    """Bound and not listening: nobody else takes it meanwhile."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield f"http://localhost:{s.getsockname()[1]}"


def one_line(result, *said):
    assert result.returncode in (1, 3), (result.returncode, result.stderr)
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for part in said:
        assert part in result.stderr, (part, result.stderr)
    for secret in (ANN[1], "token-of-ann", "refresh-of-ann", PROVIDER.token(), "eyJ"):
        assert secret not in result.stderr, result.stderr


def refused(place, source, words, env, *said):
    result, point = place.try_mount(source, words, env=env)
    assert not os.path.ismount(point), said
    one_line(result, *said)


def web(place, emu):
    return {"AWS_WEB_IDENTITY_TOKEN_FILE": str(place.dir / "token"), "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_ROLE_ARN": f"arn:aws:iam::{OWNER}:role/pod"}


def instance(place, emu):
    return {"AWS_EC2_METADATA_DISABLED": "false", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{emu.endpoint}/_instance/i-1"}


def ended_sign_on(place, emu):
    signon.write(place.dir, "token-of-ann", "refresh-of-ann", seconds=-60)
    return signon.environment(emu, place.dir)


def nothing(place, emu):
    return {}


def session(emu):
    """Keys as a container or a program tells them."""
    keys = emu.client(ANN, "sts").assume_role(RoleArn=ROLE, RoleSessionName="told")["Credentials"]
    return json.dumps({"Version": 1, "AccessKeyId": keys["AccessKeyId"], "SecretAccessKey": keys["SecretAccessKey"],
                       "SessionToken": keys["SessionToken"], "Token": keys["SessionToken"],
                       "Expiration": keys["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()


# operation -> (source, options, environment, how the line begins to name the provider)
STEPS = {
    "AssumeRole": (AP, ["profile=r"], nothing, f"profile r: {ROLE}"),
    "AssumeRole by options": (AP, ["profile=ann", f"role-arn={ROLE}"], nothing, f"role-arn: {ROLE}"),
    "AssumeRoleWithWebIdentity": (AP, [], web, "web identity: "),
    "SsoGetRoleCredentials": (AP, ["profile=s"], lambda p, e: signon.environment(e, p.dir), "profile s: SSO: "),
    "SsoCreateToken": (AP, ["profile=s"], ended_sign_on, "profile s: SSO: "),
    "MetadataToken": (AP, [], instance, "instance metadata: "),
    "MetadataRole": (AP, [], instance, "instance metadata: "),
    "MetadataCredentials": (AP, [], instance, "instance metadata: "),
    "GetDataAccess": (GRANT, ["profile=ann", "access=grants", f"account={USERS}"], nothing, "GetDataAccess"),
    "GetAccessGrantsInstanceForPrefix": (GRANT, ["profile=ann", "access=grants"], nothing,
                                         "GetAccessGrantsInstanceForPrefix"),
    "GetCallerIdentity": (GRANT, ["profile=ann", "access=grants"], nothing, "GetCallerIdentity"),
    "ListCallerAccessGrants": (f"grants:{USERS}", ["profile=ann"], nothing, "ListCallerAccessGrants"),
    "CreateSession": (f"s3://{targets.DIRECTORY}", ["profile=ann"], nothing, "CreateSession"),
}


@pytest.mark.parametrize("step", STEPS)
def test_bad_answers_of_each_step(emu, place, files, step):
    source, words, environment, said = STEPS[step]
    env = environment(place, emu)
    for status in STATUSES:
        if step == "MetadataToken" and status in (403, 404):
            continue  # no token service: version 1 is asked instead
        emu.admin("POST", "faults", {"operation": step.split()[0], "effect": "error", "status": status,
                                     "code": "Broken", "message": "it is", "count": -1})
        refused(place, source, options(emu, *words), env, said)
        emu.admin("DELETE", "faults")
    for effect in ({"effect": "garbage"}, {"effect": "drop", "bytes": 1}):
        emu.admin("POST", "faults", {"operation": step.split()[0], "count": -1, **effect})
        refused(place, source, options(emu, *words), env, said)
        emu.admin("DELETE", "faults")


@pytest.mark.parametrize("step", ["AssumeRole", "AssumeRoleWithWebIdentity", "GetDataAccess", "GetCallerIdentity",
                                  "ListCallerAccessGrants", "CreateSession", "SsoGetRoleCredentials", "SsoCreateToken"])
def test_refused_port_of_each_service(emu, place, files, step):
    """Instance metadata and containers: tests/unit/cred/test_imds.c, test_container.c."""
    source, words, environment, said = STEPS[step]
    env = environment(place, emu)
    with refused_port() as url:
        wired = [w.split("=")[0] + "=" + url if "endpoint-url" in w else w for w in options(emu, *words)]
        if "Sso" in step:
            wired, env = options(emu, *words), dict(env, AWS_ENDPOINT_URL_SSO=url, AWS_ENDPOINT_URL_SSO_OIDC=url)
        refused(place, source, wired, env, said, "cannot be asked" if "Sso" in step else "ConnectionRefused")


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_outlasts_the_deadline(emu, place, files, step):
    """It ends well without that option (where this world has what is asked for, and a token left to renew)."""
    source, words, environment, said = STEPS[step]
    env = {"AWS_METADATA_SERVICE_TIMEOUT": "20", **environment(place, emu)}
    if step == "SsoGetRoleCredentials":
        signon.write(place.dir, "token-of-eve")  # ann's was renewed by other tests, and their replies were lost
    emu.admin("POST", "faults", {"operation": step.split()[0], "effect": "none", "ms": 3000, "count": -1})
    try:
        refused(place, source, options(emu, "deadline=1s", *words), env, said)
        if step not in ("SsoCreateToken", "GetAccessGrantsInstanceForPrefix", "GetCallerIdentity"):
            place.umount(place.mount(source, options(emu, *words), env=env))
    finally:
        emu.admin("DELETE", "faults")


class Container(http.server.BaseHTTPRequestHandler):
    status, body, delay = 200, b"", 0

    def do_GET(self):
        time.sleep(self.delay)
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args):
        pass


@pytest.fixture
def container(place):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Container)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.server_port}/eyJsecret-path",
           "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "HOME": str(place.dir)}
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("status,body,said", [
    *[(status, b"{}", f"answered with status {status}") for status in STATUSES if status != 500],
    (200, b"", "not a JSON object"), (200, b"{", "not a JSON object"), (200, b"<a/>", "not a JSON object"),
    (200, b"[]", "not a JSON object"), (200, b'{"AccessKeyId": 7}', "AccessKeyId"),
    (200, b'{"AccessKeyId": "A", "SecretAccessKey": "b", "Expiration": "soon"}', "Expiration"),
    (200, b"x" * 200000, "")])
def test_bad_answers_of_a_container(emu, place, container, status, body, said):
    Container.status, Container.body = status, body
    refused(place, AP, options(emu), container, "container credentials: ", said)


def test_a_container_that_outlasts_the_deadline(emu, place, container, monkeypatch):
    monkeypatch.setattr(Container, "body", session(emu))
    monkeypatch.setattr(Container, "delay", 1.4)
    refused(place, AP, options(emu, "deadline=1s"), container, "container credentials: ")
    place.umount(place.mount(AP, options(emu), env=container))


def test_a_process_that_outlasts_the_deadline(emu, place):
    (place.dir / "told").write_bytes(session(emu))
    program = place.dir / "program"
    program.write_text(f"#!/bin/sh\nsleep 3\ncat {place.dir}/told\n")
    program.chmod(0o700)
    (place.dir / "config").write_text(f"[profile c]\ncredential_process = {program}\n")
    refused(place, AP, options(emu, "profile=c", "deadline=1s"), {}, "profile c: credential_process",
            "did not end within 1 s and was killed")
    place.umount(place.mount(AP, options(emu, "profile=c")))


@pytest.mark.parametrize("script,said", [
    ("exit 3", "status 3"), ("echo no >&2; exit 1", "no"), ("kill -9 $$", "signal 9"), ("echo", "not a JSON object"),
    ("echo '{'", "not a JSON object"), ("echo '[1]'", "not a JSON object"), ("echo '{\"Version\": 1}'", "AccessKeyId"),
    ("echo '{\"Version\": 3, \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"b\"}'", "Version"),
    ("head -c 200000 /dev/zero", "more than 64 KiB")])
def test_bad_answers_of_a_process(emu, place, script, said):
    """One that hangs: process_group_is_killed_in_time of tests/unit/cred/test_providers.c."""
    program = place.dir / "program"
    program.write_text("#!/bin/sh\n" + script + "\n")
    program.chmod(0o700)
    (place.dir / "config").write_text(f"[profile c]\ncredential_process = {program}\n")
    refused(place, AP, options(emu, "profile=c"), {}, "profile c: credential_process", said)


def as_somebody(place, *words, env):
    """s3apfs as a user to whom file modes apply."""
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    return subprocess.run([*drop, S3APFS, "credentials", AP, "-o", ",".join(words)], text=True, capture_output=True,
                          env=dict(place.env, **env), timeout=60, check=False, stdin=subprocess.DEVNULL)


FILES = {  # file without permissions -> (options, environment, the provider)
    "credentials": (["profile=ann"], nothing, "credentials"),
    "config": (["profile=r"], nothing, "config"),
    "token": ([], web, "web identity: "),
    "container-token": ([], lambda p, e: {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(p.dir / "container-token")}, "container credentials: "),
    "sso": (["profile=s"], lambda p, e: signon.environment(e, p.dir), "profile s: SSO: "),
    "program": (["profile=c"], nothing, "profile c: credential_process"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_may_not_be_read(emu, place, files, name):
    words, environment, said = FILES[name]
    path = signon.path(place.dir) if name == "sso" else place.dir / name
    if name in ("container-token", "program"):
        path.write_text("#!/bin/sh\n")
    with open(place.dir / "config", "a") as f:
        f.write(f"[profile c]\ncredential_process = {place.dir}/program\n")
    for folder, _, names in os.walk(place.dir):
        os.chmod(folder, 0o755)
        for file in names:
            os.chmod(os.path.join(folder, file), 0o644)
    path.chmod(0)
    result = as_somebody(place, *options(emu, *words), env={"HOME": str(place.dir), **environment(place, emu)})
    one_line(result, said, "Permission denied")

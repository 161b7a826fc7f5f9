"""Services of credentials that take the connection and never answer: a mount whose keys still hold goes
on without a pause, one whose keys have ended says so in time, and heals when they speak again.

All providers keep silent at the same time, each for a mount of its own, because each is left after a
time, here `deadline`, which is shorter than their own (docs/credentials.md)."""
import concurrent.futures
import contextlib
import errno
import http.server
import json
import os
import threading

import pytest
import signon
import targets
from emulator import Emulator
from mounting import Place, options, wait_until
from test_credentials import (ADMIN, ANN, AP, HOUR, OWNER, PROVIDER, WORLD, arn, instance_environment,
                              web_environment)

READERS = 4
BOUND = 150  # seconds; nobody is left for longer than 60 s (docs/credentials.md), and this is a busy machine
ENDED = "the credentials have ended and cannot be renewed"
GRANT = ["profile=admin"]


@pytest.fixture(scope="module")
def emu():
    world = json.loads(json.dumps(WORLD))
    for role in world["accounts"][1]["roles"]:
        if role["name"] == "machine":
            role["max-session-duration"] = HOUR
    world["buckets"].append({"name": targets.DIRECTORY, "account": OWNER})
    instance = Emulator(world)
    instance.s3 = instance.client(ADMIN, s3={"addressing_style": "path"})
    for key in ("file.csv", "granted/file.csv"):
        instance.s3.put_object(Bucket="data-bucket", Key=key, Body=b"content")
    instance.s3.put_object(Bucket=targets.DIRECTORY, Key="file.csv", Body=b"content")
    yield instance
    instance.stop()


def session(emu, hours):
    """Keys as a program or a container tells them."""
    keys = emu.client(ANN, "sts").assume_role(RoleArn=arn("reader"), RoleSessionName="told",
                                              DurationSeconds=hours * HOUR)["Credentials"]
    told = {k: keys[k] for k in ("AccessKeyId", "SecretAccessKey")}
    return {**told, "SessionToken": keys["SessionToken"], "Token": keys["SessionToken"], "Version": 1,
            "Expiration": keys["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")}


class Container(http.server.ThreadingHTTPServer):
    """The endpoint of a container; silent while `speaks` is not set."""
    daemon_threads = True

    def __init__(self, emu):
        self.speaks = threading.Event()
        self.sessions = [session(emu, 12), session(emu, 1)]
        self.speak()
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def speak(self):
        self.told = json.dumps(self.sessions.pop()).encode()
        self.speaks.set()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.speaks.wait()
            body = self.server.told
            with contextlib.suppress(OSError):  # nobody waits any more
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *args):
            pass


class Mount:
    """A mount of one provider; what it asks the emulator; how it is told from others."""

    def __init__(self, emu, source, words, env=None, operations=(), file="file.csv", ends_as=errno.ETIMEDOUT,
                 lives=HOUR, place=None, said=None):
        self.emu, self.operations, self.ends_as, self.lives = emu, operations, ends_as, lives
        self.said = said
        self.place = place or Place()
        self.source, self.words, self.env, self.file = source, words, env or {}, file

    def mount(self):
        self.point = self.place.mount(self.source, options(self.emu, "metadata-ttl=0", "negative-ttl=0", "deadline=5s",
                                                           *self.words), env=self.env)
        return self

    def read(self):
        path = self.point / self.file
        return path.read_bytes(), os.path.basename(path) in os.listdir(path.parent)

    def hush(self):
        for operation in self.operations:
            self.emu.admin("POST", "faults", {"operation": operation, "effect": "hang", "count": -1})

    def speak(self):
        pass


def place_of_ann():
    place = Place()
    (place.dir / "credentials").write_text("".join(
        f"[{n}]\naws_access_key_id = {k[0]}\naws_secret_access_key = {k[1]}\n"
        for n, k in (("ann", ANN), ("admin", ADMIN))))
    return place


def by_web_identity(emu, place):
    (place.dir / "token").write_text(PROVIDER.token(lifetime=100 * HOUR))
    return Mount(emu, AP, [], web_environment(place.dir / "token"), ["AssumeRoleWithWebIdentity"], place=place,
                 said=f"{ENDED}: web identity: ")


def by_sign_on(emu, place):
    (place.dir / "config").write_text(signon.profile("s", OWNER))
    signon.write(place.dir, "token-of-ann", seconds=100 * HOUR)
    return Mount(emu, AP, ["profile=s"], signon.environment(emu, place.dir), ["SsoGetRoleCredentials"], place=place,
                 said=f"{ENDED}: profile s: SSO: ")


def by_container(emu, place):
    server = Container(emu)
    made = Mount(emu, AP, [], {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.server_port}/",
                               "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}, place=place,
                 said=f"{ENDED}: container credentials: ")
    made.hush, made.speak = server.speaks.clear, server.speak
    return made


def by_process(emu, place):
    silent, told = place.dir / "silent", place.dir / "told"
    program = place.dir / "program"
    program.write_text(f"#!/bin/sh\nwhile [ -e {silent} ]; do sleep 0.1; done\ncat {told}\n")
    program.chmod(0o700)
    (place.dir / "config").write_text(f"[profile c]\ncredential_process = {program}\n")
    made = Mount(emu, AP, ["profile=c"], place=place, said=f"{ENDED}: profile c: credential_process ")

    sessions = [session(emu, 12), session(emu, 1)]

    def speak():
        told.write_text(json.dumps(sessions.pop()))
        silent.unlink(missing_ok=True)
    made.hush, made.speak = silent.touch, speak
    speak()
    return made


def by_mount(source, words, *operations, **more):
    return lambda emu, place: Mount(emu, source, words, None, operations, place=place, **more)


PROVIDERS = {
    "role": by_mount(AP, ["profile=ann", f"role-arn={arn('reader')}"], "AssumeRole", said=f"{ENDED}: role-arn: "),
    "web identity": by_web_identity, "sign-on": by_sign_on, "container": by_container, "process": by_process,
    # the last keys of an instance are used on, and S3 takes them or not
    "instance": lambda emu, place: Mount(emu, AP, [], instance_environment(emu), ["Metadata*"], ends_as=errno.EACCES,
                                         place=place),
    "grant": by_mount("s3://data-bucket/granted", [*GRANT, "access=grants", f"account={OWNER}"], "GetDataAccess"),
    "tree of grants": by_mount(f"grants:{OWNER}", GRANT, "ListCallerAccessGrants", "GetDataAccess",
                               file="data-bucket/granted/file.csv"),
    # S3 knows the session no more before the mount's clock says that it has ended
    "session": by_mount(f"s3://{targets.DIRECTORY}", GRANT, "CreateSession", lives=300, ends_as=errno.EACCES)}


def outcome(mount):
    try:
        return mount.read()
    except OSError as e:
        return e.errno


def together(mounts, readers=1):
    """Name -> what each reader of that mount got, all at the same time; "late": no answer came in time."""
    with concurrent.futures.ThreadPoolExecutor(len(mounts) * readers) as pool:
        asked = {name: [pool.submit(outcome, m) for _ in range(readers)] for name, m in mounts.items()}
        concurrent.futures.wait([f for fs in asked.values() for f in fs], BOUND)
        return {name: [f.result() if f.done() else "late" for f in fs] for name, fs in asked.items()}


@pytest.fixture(scope="module")
def silence(emu):
    """What became of each provider's mount: (held, ended, healed, log)."""
    mounts = {name: make(emu, place_of_ann()) for name, make in PROVIDERS.items()}
    told = {name: {"held": []} for name in mounts}

    def later(seconds):
        emu.admin("POST", "clock", {"shift-ms": seconds * 1000})
    try:
        for m in mounts.values():
            m.mount().read()
        for m in mounts.values():
            m.hush()
        for at in [*range(60, 300, 60), *range(45 * 60, HOUR, 120)]:
            later(at)
            for name, got in together({n: m for n, m in mounts.items() if at < m.lives}).items():
                told[name]["held"] += got
        later(7 * HOUR)
        for name, got in together(mounts, READERS).items():
            told[name]["ended"] = got
        emu.admin("DELETE", "faults")
        for name, m in mounts.items():
            m.speak()
        for name, m in mounts.items():
            wait_until(lambda m=m: outcome(m) == (b"content", True), 120)
            told[name].update(log=m.place.log(), ends_as=m.ends_as, said=m.said)
        yield told
        for m in mounts.values():
            m.place.close()
    finally:
        emu.admin("DELETE", "faults")
        later(0)
        for m in mounts.values():
            m.place.abandon()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_silence(silence, provider):
    told = silence[provider]
    assert told["held"] and set(told["held"]) == {(b"content", True)}  # while the keys hold
    assert told["ended"] == [told["ends_as"]] * READERS, told["log"]
    assert told["said"] is None or told["said"] in told["log"]
    for secret in (ANN[1], ADMIN[1], "token-of-ann", PROVIDER.token()):
        assert secret not in told["log"]

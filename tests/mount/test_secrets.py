"""No secret that the emulator knows or issued is where others can read: logs, status, command lines,
environments, files of state and cache, core dumps."""
import contextlib
import copy
import os
import pathlib
import resource
import signal
import stat
import subprocess
import sys

import pytest
import signon
from emulator import with_object
from mounting import AP_ARN, GRANTS_BUCKET, S3APFS, options, wait_until
from targets import DIRECTORY
from test_credentials import ADMIN, ANN, AP, OWNER, PROVIDER, WORLD, arn, instance_environment

MEMBERS = {"secret", "token", "seed", "access-token", "refresh-token", "client-secret"}
PROCESS = """#!/bin/sh
tr '\\0' '\\n' < /proc/$$/environ > %(place)s/child.environ
tr '\\0' '\\n' < /proc/$$/cmdline > %(place)s/child.cmdline
echo '{"Version": 1, "AccessKeyId": "%(id)s", "SecretAccessKey": "%(secret)s"}'
"""


def secrets_of(emu):
    """Every text of the emulator's world that is one."""
    found, rest = set(), [emu.admin("GET", "world")]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            found |= {v for k, v in item.items() if k in MEMBERS and isinstance(v, str)}
            rest += item.values()
        elif isinstance(item, list):
            rest += item
    return found


def readable_files(*folders):
    for folder in folders:
        for path in pathlib.Path(folder).rglob("*"):
            with contextlib.suppress(OSError):  # it went meanwhile
                if stat.S_ISREG(path.lstat().st_mode):
                    yield str(path), path.read_bytes()


def processes():
    """(name, bytes) of every command line, and of the environment of our mounts."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            yield str(entry / "cmdline"), command
            if command.startswith(os.fsencode(S3APFS) + b"\0"):
                yield str(entry / "environ"), (entry / "environ").read_bytes()


def nowhere(secrets, *places):
    looked = 0
    for name, content in (pair for place in places for pair in place):
        looked += 1
        for s in secrets:
            assert s.encode() not in content, f"{s!r} is in {name}"
    return looked


def shown(place, point, *paths):
    """What the commands print about a mount."""
    for words in (["status", point], ["status", point, "--json"], *(["explain", p] for p in paths)):
        result = place.run(*words)
        assert result.returncode == 0, result.stderr
        yield " ".join(map(str, words)), (result.stdout + result.stderr).encode()


@pytest.fixture
def roles():
    world = copy.deepcopy(WORLD)
    world["buckets"].append({"name": DIRECTORY, "account": OWNER})
    with with_object(world, ADMIN, "data-bucket") as instance:
        yield instance


def every_provider(emu, place):
    """A mount with a directory for each kind of keys; the environment it needs."""
    script = place.dir / "process"
    script.write_text(PROCESS % {"place": place.dir, "id": ADMIN[0], "secret": ADMIN[1]})
    script.chmod(0o700)
    (place.dir / "credentials").write_text(
        f"[ann]\naws_access_key_id = {ANN[0]}\naws_secret_access_key = {ANN[1]}\n")
    (place.dir / "config").write_text(
        f"[profile process]\ncredential_process = {script}\n" + signon.profile("sso", OWNER))
    (place.dir / "token").write_text(PROVIDER.token())
    signon.write(place.dir, "token-of-ann", "refresh-of-ann", seconds=600)  # renewed at once
    env = signon.environment(emu, place.dir)
    env.update({k: v for k, v in instance_environment(emu).items() if k != "AWS_SHARED_CREDENTIALS_FILE"})
    source = f"source = {AP}"
    return env, place.config(emu, {
        "role": [source, "profile = ann", f"role-arn = {arn('reader')}"],
        "process": [source, "profile = process"],
        "zone": [f"source = s3://{DIRECTORY}", "profile = process"],
        "sso": [source, "profile = sso"],
        "web": [source, f"role-arn = {arn('pod')}", f"web-identity-token-file = {place.dir}/token"],
        "instance": [source, f"role-arn = {arn('reader')}", "credential-source = Ec2InstanceMetadata"],
    }, "metadata-ttl = 0\nnegative-ttl = 0\n")


def test_keys_of_every_provider(roles, place):
    env, config = every_provider(roles, place)
    point = place.mount(config, ["log-level=debug", "writeback"], env=env)
    secrets = secrets_of(roles)
    for name in ("role", "process", "sso", "web", "instance"):
        assert (point / name / "file.csv").read_bytes() == b"content"
    for name in ("role", "zone"):
        (point / name / "new").write_bytes(b"new")
    secrets |= secrets_of(roles)
    roles.admin("POST", "clock", {"shift-ms": 30 * 60 * 1000})  # renewals, some refused
    roles.admin("POST", "faults", {"operation": "AssumeRole", "effect": "error", "status": 403,
                                   "code": "AccessDenied", "count": 2})
    for name in ("role", "process", "sso", "web", "instance"):
        assert (point / name / "file.csv").read_bytes() == b"content"
    secrets |= secrets_of(roles) | {PROVIDER.token().split(".")[1], (place.dir / "token").read_text()}
    assert len(secrets) > 12
    output = shown(place, point, *(point / name for name in ("role", "zone", "web")))
    assert nowhere(secrets, output, processes(), [("log", place.log().encode())]) > 8
    own = [(n, c) for n, c in readable_files(place.dir / "state", place.dir / "cache")]
    child = [(n, (place.dir / n).read_bytes()) for n in ("child.environ", "child.cmdline")]
    assert own and all(c for _, c in child)
    nowhere(secrets, own, child)
    place.umount(point)
    nowhere(secrets, [("log", place.log().encode())])


def test_granted_keys(emu, place):
    point = place.mount("grants:333333333333", options(emu, "profile=usera", "log-level=debug"))
    file = point / GRANTS_BUCKET / "UserA" / "abalone.csv"
    assert file.read_bytes() == b"UserA\n"
    secrets = secrets_of(emu)
    denied, _ = place.try_mount(f"s3://{GRANTS_BUCKET}/UserB", options(
        emu, "profile=usera", "access=grants", "account=333333333333", "log-level=debug"))
    assert denied.returncode == 3
    assert {t for r in emu.admin("GET", "requests") if r["operation"] == "GetObject"
            for t in [r["access_key_id"]]}
    output = shown(place, point, file)
    nowhere(secrets, output, processes(), [("log", place.log().encode()), ("refusal", denied.stderr.encode())],
            readable_files(place.dir / "cache"))


def without_limit():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def dumps(command, folder, env=None, ready=lambda: True):
    """Whether the kernel writes a core of this program when it is aborted."""
    process = subprocess.Popen([str(c) for c in command], cwd=folder, env=env, preexec_fn=without_limit,
                               stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or ready(), 60)
        with contextlib.suppress(PermissionError):  # then its own limit holds, too
            resource.prlimit(process.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
        process.send_signal(signal.SIGABRT)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = -1
    finally:
        process.kill()
    assert os.WIFSIGNALED(status), status
    return os.WCOREDUMP(status)


def test_no_core_is_dumped(emu, place):
    if not dumps([sys.executable, "-c", "import time; time.sleep(600)"], place.dir):
        pytest.skip("no program's core is dumped here (core_pattern, or the folder)")
    point = place.mount_point()
    words = options(emu, "profile=demo", f"log={place.dir}/log", f"cache-dir={place.dir}/cache",
                    f"state-dir={place.dir}/state")
    for core, more in ((False, []), (True, ["allow-core"])):
        command = [S3APFS, "mount", "-f", AP_ARN, point, "-o", ",".join(words + more)]
        try:
            assert dumps(command, place.dir, place.env, lambda: os.path.ismount(point)) == core
        finally:
            subprocess.run(["umount", "-l", str(point)], check=True)

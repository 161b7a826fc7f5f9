"""What the scenario programs share.

A scenario builds its world on a bare emulator through AWS's own administration
calls (boto3) and runs the article's commands with the AWS CLI; then the same
through a mount; then with each policy taken out in turn. Every check has the id
of the requirement it holds ("000-M1") and prints one line; a program ends with 0
when all held. Run one alone after a build: tests/scenarios/seed_000.
"""
import contextlib
import errno
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = ROOT / "build" / "venv" / "bin" / "python"
for folder in ("support", "clients"):
    sys.path.insert(0, str(ROOT / "tests" / folder))


def with_clients():
    """Starts the program again by the interpreter that has boto3, where this one lacks it."""
    try:
        import boto3  # noqa: F401
    except ImportError:
        if not PYTHON.exists() or pathlib.Path(sys.executable) == PYTHON:
            sys.exit("boto3 is missing; `make check KINDS=scenarios` brings it")
        os.execv(PYTHON, [str(PYTHON), *sys.argv])


with_clients()

import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402

import emulator as emulator_module  # noqa: E402
from mounting import Place, wait_until  # noqa: E402
from scenario import admin, bare  # noqa: E402

AWS_CLI = pathlib.Path(sys.executable).parent / "aws"


class Failed(Exception):
    """A requirement does not hold."""


class Scene:
    """One emulator, its clients, and the mounts of a scenario."""

    def __init__(self, *accounts, region="us-east-1", adjust=None, **world):
        """adjust: changes the bare world where no administration call would."""
        self.region = region
        document = bare(*accounts, **world)
        if adjust:
            adjust(document)
        self.emulator = emulator_module.Emulator(document)
        self.place = Place()
        self.credentials = {}
        self.held = 0
        self.broken = []

    # --- clients that nobody here wrote ---

    def connect(self, service, keys, port=None, region=None):
        return boto3.client(
            service, region_name=region or self.region,
            endpoint_url=f"http://localhost:{port or self.emulator.port}",
            aws_access_key_id=keys[0], aws_secret_access_key=keys[1],
            aws_session_token=keys[2] if len(keys) > 2 else None,
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}))

    def aws(self, command, keys, port=None):
        """An `aws ...` line as an article prints it; the completed process."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        env.update(AWS_ACCESS_KEY_ID=keys[0], AWS_SECRET_ACCESS_KEY=keys[1],
                   AWS_DEFAULT_REGION=self.region, AWS_REGION=self.region, AWS_MAX_ATTEMPTS="1",
                   AWS_ENDPOINT_URL=f"http://localhost:{port or self.emulator.port}", AWS_PAGER="",
                   AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/nonexistent",
                   AWS_SHARED_CREDENTIALS_FILE="/nonexistent")
        if len(keys) > 2:
            env["AWS_SESSION_TOKEN"] = keys[2]
        words = command.split() if isinstance(command, str) else command
        return subprocess.run([str(AWS_CLI), *words[1:]], env=env, cwd=self.place.dir, text=True,
                              capture_output=True, timeout=300, check=False)

    # --- s3apfs ---

    def profile(self, name, keys):
        """Writes the keys as a profile of this scene's credentials file."""
        self.credentials[name] = keys
        lines = []
        for profile, k in self.credentials.items():
            lines += [f"[{profile}]", f"aws_access_key_id = {k[0]}", f"aws_secret_access_key = {k[1]}"]
            if len(k) > 2:
                lines.append(f"aws_session_token = {k[2]}")
        path = self.place.dir / "credentials"
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o600)

    def options(self, profile, *more, port=None):
        url = f"http://localhost:{port or self.emulator.port}"
        return [f"endpoint-url={url}", f"s3control-endpoint-url={url}", f"sts-endpoint-url={url}",
                f"region={self.region}", f"profile={profile}", *more]

    def mount(self, source, profile, *more, port=None):
        return self.place.mount(source, self.options(profile, *more, port=port))

    def try_mount(self, source, profile, *more, port=None):
        return self.place.try_mount(source, self.options(profile, *more, port=port))

    @contextlib.contextmanager
    def mounted(self, source, profile, *more, port=None):
        point = self.mount(source, profile, *more, port=port)
        try:
            yield point
        finally:
            self.place.umount(point)

    # --- checks ---

    @contextlib.contextmanager
    def check(self, ids, what):
        """What happens inside must hold; the scenario goes on when it does not."""
        try:
            yield
        except Exception as e:  # pylint: disable=broad-except
            self.broken.append(f"{ids} {what}")
            print(f"FAILED {ids} {what}: {e}", flush=True)
            traceback.print_exc()
        else:
            self.held += 1
            print(f"ok     {ids} {what}", flush=True)

    def end(self):
        if self.broken:
            print(self.place.log()[-4000:])
            self.place.abandon()
        else:
            self.place.close()
        self.emulator.stop()
        print(f"{self.held} passed, {len(self.broken)} failed")
        return 1 if self.broken else 0


def expect(condition, why):
    if not condition:
        raise Failed(why)


@contextlib.contextmanager
def denied(number=errno.EACCES):
    """The call inside fails with EACCES (or the errno given)."""
    try:
        yield
    except OSError as e:
        expect(e.errno == number, f"errno {errno.errorcode.get(e.errno)} instead of "
                                  f"{errno.errorcode[number]}")
        return
    raise Failed("it was allowed")


def mount_denied(result, *parts):
    """A mount that was refused for access: exit status 3, one line that says why."""
    expect(result.returncode == 3, f"exit status {result.returncode}: {result.stderr}")
    expect(result.stderr.strip().count("\n") == 0, f"more than one line: {result.stderr}")
    for part in parts:
        expect(part in result.stderr, f"'{part}' is not in: {result.stderr}")


def run(build, *parts):
    """Runs the parts of a scenario on a scene; the program's exit status."""
    scene = build()
    try:
        for part in parts:
            part(scene)
    except Exception:  # pylint: disable=broad-except
        scene.broken.append("the scenario itself")
        traceback.print_exc()
    return scene.end()


__all__ = ["AWS_CLI", "Failed", "Scene", "admin", "denied", "errno", "expect", "mount_denied", "os",
           "pathlib", "re", "run", "tempfile", "wait_until"]

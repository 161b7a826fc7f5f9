"""Real mounts for tests: credentials, configuration, the program, and its end."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from emulator import ADMINS, BIN, SESSIONS, VARIANT

S3APFS = BIN / "s3apfs"
AP_ARN = "arn:aws:s3:us-east-1:222222222222:accesspoint/test-ap-1"
AP_ALIAS = "test-ap-1-examplealias0000000000000000000000-s3alias"
GRANTS_BUCKET = "blog-access-grants-333333333333-us-east-1"


def credentials_text(sessions=None):
    lines = []
    for name, (key_id, secret, token) in (sessions or SESSIONS).items():
        lines += [f"[{name}]", f"aws_access_key_id = {key_id}", f"aws_secret_access_key = {secret}"]
        if token:
            lines += [f"aws_session_token = {token}"]
    return "\n".join(lines) + "\n"


class Place:
    """A folder with credentials, configurations and mount points; ends what it started."""

    def __init__(self):
        self.temp = tempfile.TemporaryDirectory(prefix="s3apfs-mount-")
        self.dir = pathlib.Path(self.temp.name)
        self.mounts = []
        self.owner_keys = ADMINS["222222222222"]
        (self.dir / "credentials").write_text(credentials_text())
        (self.dir / "credentials").chmod(0o600)
        (self.dir / "config").write_text("")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        self.env.update(AWS_SHARED_CREDENTIALS_FILE=str(self.dir / "credentials"),
                        AWS_CONFIG_FILE=str(self.dir / "config"),
                        AWS_EC2_METADATA_DISABLED="true")
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
            self.env[name] = (self.env.get(name, "") + f":log_path={self.dir}/sanitizer").lstrip(":")

    def add_profile(self, name, keys):
        """One more profile in the credentials file."""
        with (self.dir / "credentials").open("a") as f:
            f.write(credentials_text({name: (*keys, None)}))

    def add_owner(self):
        """The administrator of the bucket's account, as profile admin2."""
        self.add_profile("admin2", self.owner_keys)

    def run(self, *args, env=None, timeout=180):
        """s3apfs with these arguments; the completed process with text output."""
        if args[:1] == ("mount",) and len(args) > 2 and "state-dir=" not in " ".join(map(str, args)):
            args = (*args, "-o", f"state-dir={self.dir}/state")  # not the machine's own
        return subprocess.run([str(S3APFS), *map(str, args)], text=True, capture_output=True,
                              env=dict(self.env, **(env or {})), timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL)

    def mount_point(self):
        path = self.dir / f"mnt{len(self.mounts)}"
        path.mkdir(exist_ok=True)
        return path

    def try_mount(self, source, options=(), env=None):
        """(completed process, mount point)."""
        point = self.mount_point()
        words = ["log=" + str(self.dir / "log"), *options]
        if not any(w.startswith("cache-dir=") for w in options):
            words.append("cache-dir=" + str(self.dir / "cache"))
        if VARIANT != "release":
            words.append("allow-core")  # the leak checker has to look at the process
        result = self.run("mount", source, point, "-o", ",".join(words), env=env)
        if result.returncode == 0:
            self.mounts.append(point)
        return result, point

    def mount(self, source, options=(), env=None):
        result, point = self.try_mount(source, options, env)
        assert result.returncode == 0, result.stderr + self.log()
        return point

    def config(self, emulator, sections, mount_options=""):
        """Writes a configuration: sections maps directory -> lines of options."""
        path = self.dir / f"team{len(list(self.dir.glob('team*')))}.conf"
        text = f"[mount]\n{endpoints(emulator)}\n{mount_options}\n"
        for name, lines in sections.items():
            text += f"[dir {name}]\n" + "\n".join(lines) + "\n"
        path.write_text(text)
        return path

    def log(self):
        path = self.dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def umount(self, point):
        result = self.run("umount", point)
        assert result.returncode == 0, result.stderr
        self.mounts.remove(point)

    def kill(self, point):
        """Ends the mount without a word, and takes it from the tree."""
        os.kill(self.status(point)["pid"], signal.SIGKILL)
        subprocess.run(["umount", "-l", str(point)], check=True)
        self.mounts.remove(point)

    def hand_out(self, point):
        """Writes out what cannot be sent, which umount would tell of; the folder."""
        folder = self.dir / "out"
        result = self.run("sync", point, "--export", folder)
        assert result.returncode == 0, result.stdout + result.stderr
        return folder

    def status(self, point):
        result = self.run("status", point, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)[0]

    def close(self):
        for point in list(self.mounts):
            self.umount(point)
        reports = [p.read_text(errors="replace") for p in self.dir.glob("sanitizer*")]
        log = self.log()
        self.temp.cleanup()
        assert not reports, reports[0][:8000]
        for _, secret, token in SESSIONS.values():
            assert secret not in log and token not in log, "a secret is in the log"

    def abandon(self):
        """After a failed test: get rid of mounts without judging."""
        for point in self.mounts:
            subprocess.run(["umount", "-l", str(point)], check=False, capture_output=True)
        with contextlib.suppress(OSError):
            self.temp.cleanup()


def endpoints(emulator, separator="\n"):
    return separator.join([f"endpoint-url={emulator.endpoint}",
                           f"s3control-endpoint-url={emulator.endpoint}",
                           f"sts-endpoint-url={emulator.endpoint}", "region=us-east-1"])


def options(emulator, *more):
    return [*endpoints(emulator, ",").split(","), *emulator.mount_options, *more]


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def open_files(pid):
    try:
        return os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return []


def wait_for_what_is_under_way(emu, pid):
    """A request that the mount sent whole before its death may still be carried out. The server
    has done with it when it closes its end: until then its socket waits in CLOSE_WAIT (8)."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        sockets = [line.split() for name in ("tcp", "tcp6")
                   for line in pathlib.Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
        if not open_files(pid) and not any(
                s[3] == "08" and int(s[1].split(":")[1], 16) == emu.port for s in sockets):
            return
        time.sleep(0.01)
    raise AssertionError("the server does not end the requests of the dead mount")


def end_process(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=60)

"""The file systems that are compared: how each mounts a bucket.

Each client is one class; the s3fs and rclone of the system are used when they are
there, other peers when a variable names their program (MOUNT_S3=, GEESEFS=).
Every client runs in the foreground as our child, so that its costs can be read,
and mounts the whole bucket with its defaults.
"""
import os
import pathlib
import shutil
import subprocess
import time

from measure import Failed, cpu_seconds, end, peak_memory
from servers import BIN

MOUNT_SECONDS = 30


def is_mounted(point):
    """By the kernel's table: a dead mount cannot be asked itself."""
    mounts = pathlib.Path("/proc/self/mounts").read_text()
    return any(line.split()[1] == str(point) for line in mounts.splitlines())


class Client:
    """One program; `program` is None when the machine does not have it."""

    name = ""
    caches = True  # can keep what it read on disk

    def __init__(self, program):
        self.program = program

    def command(self, access, point, cache):
        """argv for a mount of access (an s3.S3) at point."""
        raise NotImplementedError

    def writing(self, folder):
        """More words of argv for a mount that is to be written to."""
        return []

    def reading(self):
        """The same for one that is to be read only."""
        return []

    def unmounting(self, point):
        return ["fusermount3", "-u", str(point)]

    def environment(self, access):
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        env.update(AWS_ACCESS_KEY_ID=access.keys[0], AWS_SECRET_ACCESS_KEY=access.keys[1],
                   AWS_REGION=access.region, AWS_EC2_METADATA_DISABLED="true")
        return env


class S3apfs(Client):
    name = "s3apfs"

    def command(self, access, point, cache):
        words = ["foreground", f"endpoint-url={access.endpoint}", f"region={access.region}",
                 "path-style"]
        words.append(f"cache-dir={cache}" if cache else "cache-size=0")
        words += os.environ.get("S3APFS_OPTIONS", "").split(",")
        return [self.program, "mount", f"s3://{access.bucket}", str(point), "-o",
                ",".join(filter(None, words))]

    def writing(self, folder):
        return ["-o", f"state-dir={folder / 'state'}"]

    def reading(self):
        return ["-o", "ro"]

    def unmounting(self, point):
        # Waits for what is behind the journal, which the next mount would go on with.
        return [self.program, "umount", str(point)]


class MountS3(Client):
    name = "mount-s3"

    def command(self, access, point, cache):
        return [self.program, access.bucket, str(point), "--foreground", "--endpoint-url",
                access.endpoint, "--region", access.region, "--force-path-style", "--allow-delete",
                "--allow-overwrite", *(["--cache", str(cache)] if cache else [])]

    def reading(self):
        return ["--read-only"]


class Geesefs(Client):
    name = "geesefs"
    caches = False  # its cache keeps only what overflows memory

    def command(self, access, point, cache):
        return [self.program, "-f", "--endpoint", access.endpoint, "--region", access.region,
                "--list-type", "2", access.bucket, str(point)]


class S3fs(Client):
    name = "s3fs"

    def command(self, access, point, cache):
        return [self.program, access.bucket, str(point), "-f", "-o",
                f"url={access.endpoint},endpoint={access.region},use_path_request_style"
                + (f",use_cache={cache}" if cache else "")]


class Rclone(Client):
    name = "rclone"

    def command(self, access, point, cache):
        return [self.program, "mount", f":s3:{access.bucket}", str(point), "--s3-provider", "Other",
                "--s3-env-auth", "--s3-endpoint", access.endpoint, "--s3-region", access.region,
                "--config", "/dev/null",
                *(["--vfs-cache-mode", "full", "--cache-dir", str(cache)] if cache else
                  ["--vfs-cache-mode", "writes", "--cache-dir", str(point.parent / "rclone")])]


def all_clients():
    """Every client that this machine has, s3apfs first."""
    found = [S3apfs(str(BIN / "s3apfs")), MountS3(os.environ.get("MOUNT_S3")),
             Geesefs(os.environ.get("GEESEFS")), S3fs(shutil.which("s3fs")),
             Rclone(shutil.which("rclone"))]
    return [c for c in found if c.program]


class Mounted:
    """A fresh mount for one measurement, with `more` words; gone at the end whatever happened."""

    def __init__(self, client, access, folder, cache=None, more=()):
        self.client = client
        self.point = folder / "mnt"
        self.command = client.command(access, self.point, cache) + list(more)
        self.environment = client.environment(access)
        self.log = folder / f"{client.name}.log"

    def __enter__(self):
        self.point.mkdir(exist_ok=True)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=log,
                                            stdin=subprocess.DEVNULL, stderr=log)
        deadline = time.monotonic() + MOUNT_SECONDS
        while not is_mounted(self.point):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                text = self.log.read_text(errors="replace").strip()
                raise Failed("does not mount: " + (text.splitlines() or ["no word"])[-1])
            time.sleep(0.005)
        return self

    def cpu(self):
        return cpu_seconds(self.process.pid)

    def memory(self):
        return peak_memory(self.process.pid)

    def abandon(self):
        """For a mount that does not answer: its process goes first."""
        self.process.kill()
        subprocess.run(["umount", "-l", str(self.point)], check=False, capture_output=True)

    def __exit__(self, *_):
        if is_mounted(self.point):
            subprocess.run(self.client.unmounting(self.point), check=False, capture_output=True)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            end(self.process)
        if is_mounted(self.point):
            subprocess.run(["umount", "-l", str(self.point)], check=False, capture_output=True)

"""The disk of the state-dir: the machine stops and loses what was not synced, or the disk is full.
An ext4 image on a loop device; its file, copied while it is in use, has what a crash would leave."""
import contextlib
import errno
import os
import pathlib
import shutil
import signal
import subprocess
import threading

import pytest
from mounting import options, wait_for_what_is_under_way, wait_until

BUCKET = "test-bucket-1"


class Disk:
    """An ext4 file system of its own, mounted at `top`."""

    def __init__(self, folder, size):
        self.image, self.top = folder / "image", folder / "disk"
        self.top.mkdir()
        with open(self.image, "wb") as f:
            f.truncate(size)
        for words in (["mkfs.ext4", "-q", "-F", self.image], ["mount", "-o", "loop", self.image, self.top]):
            try:
                result = subprocess.run(words, capture_output=True, text=True, check=False)
            except FileNotFoundError as e:
                pytest.skip(str(e))
            if result.returncode != 0:
                pytest.skip(f"no file system on a loop device here: {result.stderr.strip()}")

    def crash(self):
        """What was not synced is lost, as far as the kernel has not written it by itself."""
        shutil.copyfile(self.image, f"{self.image}.crashed")

    def come_back(self):
        subprocess.run(["umount", self.top], check=True)
        os.replace(f"{self.image}.crashed", self.image)
        subprocess.run(["mount", "-o", "loop", self.image, self.top], check=True)

    def fill_up(self):
        """Of what root may use, too."""
        with open(self.top / "filler", "wb", buffering=0) as f, contextlib.suppress(OSError):
            free = os.statvfs(self.top)
            os.posix_fallocate(f.fileno(), 0, (free.f_bfree - 64) * free.f_bsize)
            while os.write(f.fileno(), bytes(free.f_bsize)):
                os.fsync(f.fileno())

    def make_room(self):
        """What fill_up() took, if it came to that."""
        (self.top / "filler").unlink(missing_ok=True)

    def end(self):
        subprocess.run(["umount", "-l", self.top], check=False, capture_output=True)


class Mount:
    def __init__(self, emu, place, disk, prefix, *more):
        (place.dir / "credentials").open("a").write(
            "[admin2]\naws_access_key_id = AKIAEXAMPLEADMIN0002\n"
            "aws_secret_access_key = example/secret+of/admin/222222222222/0000\n")
        self.emu, self.place, self.source = emu, place, f"s3://{BUCKET}/{prefix}"
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/good", Body=b"good" * 5000)
        self.words = options(emu, "profile=admin2", f"state-dir={disk.top}/state", *more)
        self.point = pathlib.Path(place.mount(self.source, self.words))

    def kill(self):
        pid = self.place.status(self.point)["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for_what_is_under_way(self.emu, pid)
        subprocess.run(["umount", "-l", str(self.point)], check=True)

    def again(self):
        result = self.place.run("mount", self.source, self.point, "-o", ",".join(
            ["log=" + str(self.place.dir / "log"), "cache-dir=" + str(self.place.dir / "cache"), *self.words]))
        assert result.returncode == 0, result.stderr


@pytest.fixture
def disk(place, request):
    made = Disk(place.dir, request.param)
    yield made
    for point in list(place.mounts):
        if not getattr(request.node, "failed_call", False):
            place.umount(point)
    made.end()


@pytest.mark.parametrize("disk", [64 << 20], indirect=True)
def test_a_crash_of_the_machine_keeps_what_was_acknowledged(emu, place, disk):
    mounted = Mount(emu, place, disk, "crashed", "writeback")
    point = mounted.point
    (point / "first").write_text("the first of its kind is sent at once")
    assert place.run("sync", point).returncode == 0
    emu.admin("POST", "faults", {"operation": "*Object*", "effect": "error", "status": 503,
                                 "code": "SlowDown", "count": -1, "method": "PUT"})
    emu.admin("POST", "faults", {"operation": "*Upload*", "effect": "error", "status": 503,
                                 "code": "SlowDown", "count": -1})
    (point / "small").write_bytes(b"small" * 100)
    (point / "large").write_bytes(bytes(range(256)) * 4096 * 3)
    kept = os.open(point / "synced", os.O_WRONLY | os.O_CREAT, 0o644)
    over = os.open(point / "good", os.O_RDWR)
    os.write(kept, b"synced" * 1000)
    os.fsync(kept)
    os.write(kept, b"and not")
    os.write(over, b"half a save")
    (disk.top / "unsynced").write_bytes(b"unsynced" * 1000)
    disk.crash()
    mounted.kill()
    for fd in (kept, over):
        with contextlib.suppress(OSError):
            os.close(fd)
    emu.admin("DELETE", "faults")
    disk.come_back()
    unsynced = disk.top / "unsynced"
    assert not unsynced.exists() or unsynced.read_bytes() != b"unsynced" * 1000, "this was no crash"
    mounted.again()
    assert (point / "small").read_bytes() == b"small" * 100
    assert (point / "large").read_bytes() == bytes(range(256)) * 4096 * 3
    assert (point / "synced").read_bytes() == b"synced" * 1000
    assert (point / "good").read_bytes() == b"good" * 5000
    assert place.status(point)["pending"] == []
    body = emu.owner.get_object(Bucket=BUCKET, Key="crashed/large")["Body"].read()
    assert body == bytes(range(256)) * 4096 * 3


def fill(disk, leave):
    """Leaves so many bytes free."""
    with open(disk.top / "filler", "wb") as f:
        free = os.statvfs(disk.top)
        os.posix_fallocate(f.fileno(), 0, free.f_bavail * free.f_bsize - leave)


def save(path, data):
    """The errors of writing and closing, or none."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    failed = []
    for at in range(0, len(data), 1 << 20):
        try:
            os.write(fd, data[at:at + (1 << 20)])
        except OSError as e:
            failed.append(e.errno)
            break
    try:
        os.close(fd)
    except OSError as e:
        failed.append(e.errno)
    return failed


@pytest.mark.parametrize("more", [(), ("writeback",)], ids=["in S3", "in the journal"])
@pytest.mark.parametrize("disk", [48 << 20], indirect=True)
def test_a_full_disk_loses_nothing(emu, place, disk, more):
    mounted = Mount(emu, place, disk, "full" + "".join(more), *more)
    point = mounted.point
    (point / "kept").write_bytes(b"kept" * 1000)
    fill(disk, 2 << 20)
    failed = save(point / "large", os.urandom(8 << 20))
    assert failed and set(failed) == {errno.ENOSPC}
    assert (point / "kept").read_bytes() == b"kept" * 1000
    disk.fill_up()
    os.unlink(point / "large")
    assert not (point / "large").exists()
    (disk.top / "filler").unlink()
    data = os.urandom(8 << 20)
    assert save(point / "large", data) == []
    assert place.run("sync", point).returncode == 0
    assert place.status(point)["pending"] == []
    mounted.kill()
    mounted.again()
    assert (point / "large").read_bytes() == data
    assert (point / "kept").read_bytes() == b"kept" * 1000
    assert (point / "good").read_bytes() == b"good" * 5000


@pytest.mark.parametrize("more", [(), ("writeback",)], ids=["in S3", "in the journal"])
@pytest.mark.parametrize("disk", [48 << 20], indirect=True)
def test_what_was_sent_when_the_disk_was_full_is_not_waited_for(emu, place, disk, more):
    mounted = Mount(emu, place, disk, "sent" + "".join(more), *more)
    point = mounted.point
    (point / "first").write_text("the first of its kind is sent at once")
    emu.admin("POST", "faults", {"operation": "PutObject", "key": "sent*/late", "effect": "none", "ms": 2000})
    failed = []
    writer = threading.Thread(target=lambda: failed.extend(save(point / "late", b"late" * 1000)))
    writer.start()
    wait_until(lambda: emu.admin("GET", "faults")[0]["hits"] > 0)
    disk.fill_up()
    writer.join()
    key = mounted.source.split("/", 3)[3] + "/late"
    wait_until(lambda: emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents"))
    assert failed == []
    (disk.top / "filler").unlink()
    assert place.run("sync", point, timeout=60).returncode == 0
    assert place.status(point)["pending"] == []
    mounted.kill()
    mounted.again()
    assert sorted(os.listdir(point)) == ["first", "good", "late"]
    assert (point / "late").read_bytes() == b"late" * 1000
    assert place.status(point)["pending"] == []


@pytest.mark.parametrize("killed", [False, True], ids=["lives on", "killed"])
@pytest.mark.parametrize("disk", [48 << 20], indirect=True)
def test_what_waits_can_be_removed_when_the_disk_is_full(emu, place, disk, killed):
    """The journal cannot note it; it gets room by what is removed. Before that a kill may bring the file back, never a wreck."""
    mounted = Mount(emu, place, disk, "removed" + str(killed), "writeback")
    point, data = mounted.point, os.urandom(4 << 20)
    (point / "first").write_text("the first of its kind is sent at once")
    for operation in ("PutObject", "*Upload*"):
        emu.admin("POST", "faults", {"operation": operation, "key": "removed*/waits", "effect": "error", "status": 503,
                                     "code": "SlowDown", "count": -1})
    assert save(point / "waits", data) == []
    disk.fill_up()
    os.unlink(point / "waits")
    if killed:
        mounted.kill()
    emu.admin("DELETE", "faults")
    disk.make_room()
    if killed:
        mounted.again()
    assert place.run("sync", point).returncode == 0
    assert place.status(point)["pending"] == []
    left = sorted(p.name for p in point.iterdir())
    assert left == ["first", "good"] or killed and left == ["first", "good", "waits"] and (point / "waits").read_bytes() == data

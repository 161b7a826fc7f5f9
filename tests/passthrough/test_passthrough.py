"""FUSE passthrough, with a libfuse that has it: what the kernel reads from the disk cache by itself."""
import json
import mmap
import pathlib
import random
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import pytest  # noqa: E402

import emulator  # noqa: E402
import trixie  # noqa: E402
from mounting import AP_ARN, Place, credentials_text, options, wait_until  # noqa: E402

SIZE = (5 << 20) + 4711
MOUNT = "/work/mnt"


def content(seed):
    return random.Random(seed).randbytes(SIZE)


@pytest.fixture(scope="module")
def debian():
    try:
        trixie.prepare()
    except trixie.Unavailable as why:
        pytest.skip(str(why))
    made = trixie.build()
    assert made.returncode == 0, made.stdout + made.stderr
    with trixie.entered() as work:
        yield work


@pytest.fixture(scope="module")
def emu():
    instance = emulator.Emulator()
    instance.owner = instance.client(emulator.ADMINS["222222222222"], s3={"addressing_style": "path"})
    yield instance
    instance.stop()


class Mounted:
    """One mount in the tree; its cache stays for the next."""

    def __init__(self, work, emu, folder, *words):
        self.work, self.dir = work, work / "mnt"
        self.env = {"AWS_SHARED_CREDENTIALS_FILE": "/work/credentials", "AWS_CONFIG_FILE": "/work/config"}
        (work / "credentials").write_text(credentials_text())
        (work / "credentials").chmod(0o600)
        (work / "config").write_text("")
        self.dir.mkdir(exist_ok=True)
        done = trixie.run("mount", f"{AP_ARN}/{folder}", MOUNT, "-o", ",".join(options(
            emu, "profile=demo", "log=/work/log", f"cache-dir=/work/cache-{folder}",
            "state-dir=/work/state", "metadata-ttl=1s", *words)), env=self.env)
        assert done.returncode == 0, done.stderr

    def __enter__(self):
        return self

    def __exit__(self, *_):
        done = trixie.run("umount", MOUNT, env=self.env)
        if done.returncode != 0:
            subprocess.run(["umount", "-l", str(self.dir)], check=False)
        assert done.returncode == 0, done.stderr

    def status(self):
        done = trixie.run("status", MOUNT, "--json", env=self.env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)[0]

    def passed(self):
        return self.status()["cache"]["passthrough_opens"]

    def settle(self):
        """The kernel tells of a close a little later."""
        wait_until(lambda: self.status()["open_files"] == 0)

    def read(self, data, name="f"):
        self.settle()
        assert (self.dir / name).read_bytes() == data

    def read_until_passed(self, data):
        """What the last reader left to be verified is verified a little later."""
        before, deadline = self.passed(), time.monotonic() + 60
        while self.passed() == before:
            assert time.monotonic() < deadline, "nothing was passed through"
            self.read(data)


def filled(work, emu, folder, *words):
    """A mount whose cache an earlier one has filled."""
    data = content(folder)
    emu.owner.put_object(Bucket="test-bucket-1", Key=f"{folder}/f", Body=data)
    with Mounted(work, emu, folder, "ro") as m:
        m.read(data)
        wait_until(lambda: m.status()["cache"]["filled_bytes"] >= SIZE)
        assert m.passed() == 0
    return Mounted(work, emu, folder, *words), data


def data_file(work, folder):
    (path,) = (work / f"cache-{folder}").rglob("*.d")
    return path


def test_the_kernel_reads_what_was_verified(debian, emu):
    mounted, data = filled(debian, emu, "kernel", "ro")
    with mounted as m:
        m.read(data)
        m.read_until_passed(data)
        m.settle()
        before = m.status()["cache"]
        emu.admin("DELETE", "requests")
        with open(m.dir / "f", "rb") as f, open(m.dir / "f", "rb") as g:
            assert f.read(100) == data[:100]
            g.seek(SIZE - 100)
            assert g.read() == data[-100:]
            with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as pages:
                assert pages[:] == data
        after = m.status()["cache"]
        assert after["passthrough_opens"] == before["passthrough_opens"] + 2
        assert after["hit_bytes"] == before["hit_bytes"], "the kernel asked"


def test_what_was_damaged_since_is_not_passed_through(debian, emu):
    mounted, data = filled(debian, emu, "damaged", "ro")
    with mounted as m:
        m.read(data)
        m.read_until_passed(data)
        m.settle()
        with open(data_file(debian, "damaged"), "r+b") as f:
            f.seek(3 << 20)
            byte = f.read(1)
            f.seek(3 << 20)
            f.write(bytes([byte[0] ^ 8]))
        # What memory or the kernel's pages have of it is sound in any case.
        for _ in range(3):
            m.read(data)
    with Mounted(debian, emu, "damaged", "ro") as m:
        for _ in range(3):
            m.read(data)


def test_what_is_damaged_already_is_never_passed_through(debian, emu):
    mounted, data = filled(debian, emu, "bad", "ro")
    with mounted as m:
        with open(data_file(debian, "bad"), "r+b") as f:
            f.seek(2 << 20)
            f.write(b"nonsense")
        m.read(data)
        m.read_until_passed(data)
        assert m.status()["cache"]["bad_blocks"] == 1


def test_a_replaced_object_is_seen(debian, emu):
    mounted, data = filled(debian, emu, "replaced", "ro")
    other = content("other")
    with mounted as m:
        m.read(data)
        m.read_until_passed(data)
        m.settle()
        with open(m.dir / "f", "rb") as held:
            emu.owner.put_object(Bucket="test-bucket-1", Key="replaced/f", Body=other)
            wait_until(lambda: (m.dir / "f").read_bytes() == other)
            assert held.read() == data, "never a mix"
        m.read(other)


def test_a_mount_that_writes_asks(debian, emu):
    mounted, data = filled(debian, emu, "written")
    with mounted as m:
        for _ in range(4):
            m.read(data)
        assert m.passed() == 0


def test_this_machine_reads_the_same_with_or_without(emu):
    data = content("here")
    emu.owner.put_object(Bucket="test-bucket-1", Key="here/f", Body=data)
    place = Place()
    try:
        for _ in range(2):
            point = place.mount(AP_ARN + "/here", options(emu, "profile=demo", "ro"))
            for _ in range(3):
                assert (point / "f").read_bytes() == data
            wait_until(lambda at=point: place.status(at)["cache"]["filled_bytes"] >= SIZE
                       or place.status(at)["cache"]["hit_bytes"] > 0)
            assert place.status(point)["cache"]["passthrough_opens"] >= 0
            place.umount(point)
        place.close()
    finally:
        place.abandon()

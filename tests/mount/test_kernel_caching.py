"""What the kernel answers by itself: asked while the mount's process is stopped.

A call that needs the process does not return then, so each test fails when what it is
about is not kept by the kernel any more. Memory that the system takes back meanwhile
may make it ask, so each gets three tries."""
import os
import pathlib
import signal
import threading

import pytest
from mounting import AP_ARN, options

BUCKET = "test-bucket-1"
NAMES = [f"name-{i:03}" for i in range(60)]
DATA = bytes(range(256)) * 1024 * 3


@pytest.fixture
def point(emu, place):
    for name in NAMES:
        emu.owner.put_object(Bucket=BUCKET, Key=f"kernel/d/{name}", Body=b"x")
    emu.owner.put_object(Bucket=BUCKET, Key="kernel/file", Body=DATA)
    return place.mount(AP_ARN + "/kernel",
                       options(emu, "profile=demo", "metadata-ttl=600", "negative-ttl=600"))


def answers_alone(place, point, ask):
    """Whether ask() comes to its end although the mount's process does not run."""
    pid = int(place.status(point)["pid"])
    got = []
    thread = threading.Thread(target=lambda: got.append(ask()), daemon=True)
    os.kill(pid, signal.SIGSTOP)
    try:
        thread.start()
        thread.join(15)
        alone = not thread.is_alive()
    finally:
        os.kill(pid, signal.SIGCONT)
    thread.join(60)
    assert got == [True], "the answer is wrong"
    return alone


def test_attributes_come_with_a_listing(place, point):
    def listed():
        os.stat(point / "d")
        assert sorted(e.name for e in os.scandir(point / "d")) == NAMES
        return answers_alone(place, point,
                             lambda: all(os.stat(point / "d" / n).st_size == 1 for n in NAMES))
    assert any(listed() for _ in range(3))


def test_absent_names_and_attributes_are_remembered(place, point):
    def asked():
        assert not (point / "none").exists() and (point / "file").stat().st_size == len(DATA)
        return answers_alone(place, point, lambda: not (point / "none").exists()
                             and (point / "file").stat().st_size == len(DATA))
    assert any(asked() for _ in range(3))


def test_pages_stay_from_one_open_to_the_next(place, point):
    def opened_again():
        assert (point / "file").read_bytes() == DATA
        with open(point / "file", "rb") as f:
            return answers_alone(place, point, lambda: os.pread(f.fileno(), len(DATA), 0) == DATA)
    assert any(opened_again() for _ in range(3))


def test_pages_of_another_version_go(emu, place):
    other = DATA[::-1]
    emu.owner.put_object(Bucket=BUCKET, Key="kernel/file", Body=DATA)
    point = place.mount(AP_ARN + "/kernel", options(emu, "profile=demo", "metadata-ttl=0"))
    assert (point / "file").read_bytes() == DATA
    emu.owner.put_object(Bucket=BUCKET, Key="kernel/file", Body=other)
    assert (point / "file").read_bytes() == other


def test_requests_are_large(point):
    assert "max_read=1048576" in pathlib.Path("/proc/self/mounts").read_text()
    dev = os.stat(point).st_dev
    bdi = pathlib.Path(f"/sys/class/bdi/{os.major(dev)}:{os.minor(dev)}/read_ahead_kb")
    if os.geteuid() == 0 and os.access(bdi, os.W_OK):
        assert int(bdi.read_text()) == 512

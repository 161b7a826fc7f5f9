"""Bad servers and bad luck: the right errno, a clear line, and the mount goes on."""
import errno
import os
import subprocess
import time

import pytest
from mounting import AP_ARN, S3APFS, end_process, options, wait_until

DATA = b"a,b\n1,2\n"


@pytest.fixture
def point(emu, place):
    return place.mount(AP_ARN, options(emu, "profile=demo", "metadata-ttl=0s", "negative-ttl=0s",
                                       "deadline=5s"))


def fault(emu, **members):
    emu.admin("POST", "faults", members)


def read_errno(path):
    with pytest.raises(OSError) as caught:
        path.read_bytes()
    return caught.value.errno


def still_fine(emu, point):
    emu.admin("DELETE", "faults")
    assert (point / "sample2.csv").read_bytes() == DATA


@pytest.mark.parametrize("status,code", [(500, "InternalError"), (503, "SlowDown"),
                                         (400, "RequestTimeout")])
def test_a_few_failures_are_not_seen(emu, point, status, code):
    fault(emu, operation="GetObject", effect="error", status=status, code=code, count=2)
    assert (point / "sample2.csv").read_bytes() == DATA
    assert sum(r["operation"] == "GetObject" for r in emu.admin("GET", "requests")) == 3


@pytest.mark.parametrize("status,code", [(500, "InternalError"), (503, "SlowDown")])
def test_a_storm_ends_in_an_error_and_passes(emu, point, status, code):
    fault(emu, effect="error", status=status, code=code, count=-1)
    assert read_errno(point / "sample2.csv") in (errno.EIO, errno.EAGAIN, errno.ETIMEDOUT)
    still_fine(emu, point)


@pytest.mark.parametrize("effect", [{"effect": "shorter", "bytes": 3}, {"effect": "drop", "bytes": 3},
                                    {"effect": "drop", "bytes": 0}], ids=["short", "cut", "closed"])
def test_a_cut_body_is_read_again(emu, point, effect):
    fault(emu, operation="GetObject", count=1, **effect)
    assert (point / "sample2.csv").read_bytes() == DATA


def test_a_body_that_is_always_cut_is_an_error(emu, point):
    fault(emu, operation="GetObject", effect="drop", bytes=3, count=-1)
    assert read_errno(point / "sample2.csv") in (errno.EIO, errno.ECONNRESET, errno.ETIMEDOUT)
    still_fine(emu, point)


def test_a_longer_body_gives_no_extra_byte(emu, point):
    fault(emu, operation="GetObject", effect="longer", bytes=100, count=1)
    assert (point / "sample2.csv").read_bytes() == DATA


@pytest.mark.parametrize("headers", [{"Content-Range": "bytes 5-6/8"}, {"Content-Range": None},
                                     {"Content-Range": "nonsense"}, {"ETag": None}],
                         ids=["other range", "no range", "nonsense", "no etag"])
def test_a_reply_about_something_else_is_refused(emu, point, headers):
    emu.owner.put_object(Bucket="test-bucket-1", Key="large", Body=bytes(1 << 20))  # asked for by ranges
    fault(emu, operation="GetObject", effect="none", headers=headers, count=-1)
    assert read_errno(point / "large") in (errno.EIO, errno.ESTALE)
    still_fine(emu, point)


def test_garbage_instead_of_a_listing(emu, point):
    fault(emu, operation="ListObjectsV2", effect="garbage", count=-1)
    with pytest.raises(OSError) as caught:
        os.listdir(point)
    assert caught.value.errno == errno.EIO
    emu.admin("DELETE", "faults")
    assert "sample2.csv" in os.listdir(point)


def test_a_listing_cut_short(emu, point):
    fault(emu, operation="ListObjectsV2", effect="shorter", bytes=40, count=-1)
    with pytest.raises(OSError):
        os.listdir(point)
    still_fine(emu, point)


def test_a_silent_server_meets_the_deadline(emu, point):
    fault(emu, operation="GetObject", effect="hang", count=-1)
    started = time.monotonic()
    assert read_errno(point / "sample2.csv") in (errno.ETIMEDOUT, errno.EIO)
    assert time.monotonic() - started < 60, "the deadline of 5 s was not kept"
    still_fine(emu, point)


def test_one_denied_object_leaves_its_neighbours(emu, point):
    fault(emu, operation="GetObject", key="sample2.csv", effect="error", status=403,
          code="AccessDenied", message="Access Denied", count=-1)
    assert read_errno(point / "sample2.csv") == errno.EACCES
    assert (point / "sub" / "deep" / "known.csv").read_bytes() == b"deep\n"
    assert "sample2.csv" in os.listdir(point)
    wait_until(lambda: "AccessDenied" in place_log(point))


def place_log(point):
    return (point.parent / "log").read_text()


def test_expired_keys_are_renewed_once_then_refused(emu, point):
    fault(emu, operation="GetObject", effect="error", status=400, code="ExpiredToken", count=1)
    assert (point / "sample2.csv").read_bytes() == DATA
    fault(emu, operation="GetObject", effect="error", status=400, code="ExpiredToken", count=-1)
    assert read_errno(point / "sub" / "deep" / "known.csv") == errno.EACCES


def test_a_wrong_clock_is_corrected(emu, place):
    emu.admin("POST", "clock", {"shift-ms": 3600000})
    try:
        point = place.mount(AP_ARN, options(emu, "profile=demo"))
        assert (point / "sample2.csv").read_bytes() == DATA
    finally:
        emu.admin("POST", "clock", {"shift-ms": 0})


def test_an_object_replaced_under_a_reader(emu, point):
    emu.owner.put_object(Bucket="test-bucket-1", Key="replaced.bin", Body=b"1" * (8 << 20))
    with open(point / "replaced.bin", "rb", buffering=0) as f:
        first = f.read(4096)
        emu.owner.put_object(Bucket="test-bucket-1", Key="replaced.bin", Body=b"2" * (8 << 20))
        try:
            rest = b""
            while piece := f.read(1 << 20):
                rest += piece
            assert set(first + rest) == {ord("1")}, "bytes of two versions"
        except OSError as e:
            assert e.errno == errno.ESTALE
    assert set((point / "replaced.bin").read_bytes()) == {ord("2")}


def test_an_object_deleted_meanwhile(emu, point):
    emu.owner.put_object(Bucket="test-bucket-1", Key="gone.txt", Body=b"x")
    assert "gone.txt" in os.listdir(point)
    emu.owner.delete_object(Bucket="test-bucket-1", Key="gone.txt")
    assert read_errno(point / "gone.txt") in (errno.ENOENT, errno.ESTALE)


def test_the_server_goes_away(place):
    """A dead server under a live mount: errors, no hang, and umount works."""
    import emulator as emulator_module
    own = emulator_module.Emulator()
    point = place.mount(AP_ARN, options(own, "profile=demo", "deadline=3s", "metadata-ttl=0s"))
    own.stop()
    with pytest.raises(OSError):
        os.listdir(point)
    place.umount(point)


def test_a_killed_mount_can_be_unmounted_and_mounted_again(emu, place):
    point = place.mount(AP_ARN, options(emu, "profile=demo"))
    os.kill(place.status(point)["pid"], 9)
    with pytest.raises(OSError):
        os.listdir(point)
    result = place.run("mount", AP_ARN, point, "-o", ",".join(options(emu, "profile=demo")))
    assert result.returncode == 1 and "already" in result.stderr
    place.umount(point)
    again = place.mount(AP_ARN, options(emu, "profile=demo"))
    assert (again / "sample2.csv").read_bytes() == DATA


def test_sigterm_ends_a_foreground_mount_cleanly(emu, place):
    point = place.mount_point()
    words = options(emu, "profile=demo", "allow-core")
    process = subprocess.Popen([str(S3APFS), "mount", "-o", f"state-dir={place.dir}/state",
                                AP_ARN, str(point), "-f", "-o", ",".join(words)],
                               env=place.env, stdin=subprocess.DEVNULL)
    wait_until(lambda: os.path.ismount(point))
    assert (point / "sample2.csv").read_bytes() == DATA
    assert end_process(process) == 0
    assert not os.path.ismount(point)


def test_revoked_in_flight(emu, place):
    """A policy withdrawn under a live mount is EACCES at the next request."""
    point = place.mount(AP_ARN, options(emu, "profile=demo", "metadata-ttl=0s"))
    assert (point / "sample2.csv").read_bytes() == DATA
    policy = emu.owner.get_bucket_policy(Bucket="test-bucket-1")["Policy"]
    emu.owner.delete_bucket_policy(Bucket="test-bucket-1")
    try:
        assert read_errno(point / "sample2.csv") == errno.EACCES
        assert read_errno(point / "sub" / "deep" / "known.csv") == errno.EACCES
    finally:
        emu.owner.put_bucket_policy(Bucket="test-bucket-1", Policy=policy)

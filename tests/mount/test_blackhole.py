"""Nothing but S3 and the metadata service answers: a network namespace where every other address, name
servers included, swallows what is sent to it. An access point is mounted, read, written and renewed."""
import ctypes
import os
import subprocess

import pytest
from emulator import with_object
from mounting import wait_until
from test_credentials import ADMIN, AP, OWNER, WORLD, instance_environment

CLONE_NEWNET = 0x40000000
HOUR = 3600
# A packet to an address that is not the machine's own, sent to loopback, is dropped without a word.
ROUTES = (["ip", "link", "set", "lo", "up"], ["ip", "addr", "add", "192.0.2.1/32", "dev", "lo"],
          ["ip", "route", "add", "default", "dev", "lo", "src", "192.0.2.1"])


@pytest.fixture
def blackhole():
    """This thread, and what it starts, in such a namespace; back again at the end."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home:
        if libc.unshare(CLONE_NEWNET) != 0:
            pytest.skip("no network namespace here: " + os.strerror(ctypes.get_errno()))
        try:
            made = [subprocess.run(r, capture_output=True, text=True, check=False) for r in ROUTES]
            if any(m.returncode for m in made):
                pytest.skip("no routes can be set here: " + "".join(m.stderr for m in made))
            yield
        finally:
            assert libc.setns(home.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())


@pytest.fixture
def aws(blackhole):
    with with_object(WORLD, ADMIN, "data-bucket") as instance:
        yield instance


def test_access_point_is_mounted_read_written_and_renewed(aws, place):
    words = [f"endpoint-url={aws.endpoint}", "region=us-east-1", "metadata-ttl=0", "negative-ttl=0"]
    point = place.mount(AP, words, env=instance_environment(aws))  # STS and S3 Control: AWS's own hosts
    for hours in (0, 4, 8, 40):
        aws.admin("POST", "clock", {"shift-ms": hours * HOUR * 1000})
        assert sorted(os.listdir(point)) == ["file.csv"]
        assert (point / "file.csv").read_bytes() == b"content"
        (point / "new").write_bytes(b"%d" % hours)
        assert (point / "new").read_bytes() == b"%d" % hours
        (point / "new").unlink()
        wait_until(lambda: not (point / "new").exists())
    seen = [r for r in aws.admin("GET", "requests") if r["operation"] != "Unknown"]
    used = {r["access_key_id"] for r in seen if r["operation"] == "PutObject" and r["status"] < 300}
    assert len(used) >= 3, used
    assert {r["caller"] for r in seen if r["operation"] == "GetObject"} == {
        f"arn:aws:sts::{OWNER}:assumed-role/machine/i-1"}
    assert not {r["operation"] for r in seen} & {"GetCallerIdentity", "AssumeRole", "GetAccessPoint"}
    place.status(point)  # who the caller is would be STS's to tell: it is left out

"""A removed file that had a save in the journal alone: whenever the mount is killed, the next one has that
save or no file, and never the version before it."""
import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest
from mounting import options, wait_for_what_is_under_way

BUCKET = "test-bucket-1"
UNAVAILABLE = {"operation": "PutObject", "key": "*/f", "effect": "error", "count": -1, "status": 503, "code": "SlowDown"}


class Mount:
    def __init__(self, emu, place, prefix):
        place.add_owner()
        self.emu, self.place, self.source = emu, place, f"s3://{BUCKET}/{prefix}"
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/first", Body=b"first")
        self.words = options(emu, "profile=admin2", f"state-dir={place.dir}/state", "writeback")
        self.point = pathlib.Path(place.mount(self.source, self.words))

    def killed_in(self, path, fault):
        """A removal that was killed in the first request of this kind; False: there was none."""
        def remove():
            with contextlib.suppress(OSError):
                path.unlink()
        if fault is not None:
            self.emu.admin("POST", "faults", {"effect": "drop", "count": -1, **fault})
        thread = threading.Thread(target=remove)
        thread.start()
        hit = False
        while fault is not None and not hit and thread.is_alive():
            time.sleep(0.002)
            hit = self.emu.admin("GET", "faults")[-1]["hits"] > 0
        if fault is None:
            thread.join()
        pid = self.place.status(self.point)["pid"]
        os.kill(pid, signal.SIGKILL)
        thread.join()
        self.emu.admin("DELETE", "faults")
        wait_for_what_is_under_way(self.emu, pid)
        subprocess.run(["umount", "-l", str(self.point)], check=True)
        result = self.place.run("mount", self.source, self.point, "-o",
                                ",".join([f"log={self.place.dir}/log", *self.words]))
        assert result.returncode == 0, result.stderr
        return hit


KINDS = {"the listing of its folder": {"operation": "ListObjectsV2"},
         "the folder's object": {"operation": "PutObject", "key": "*/d/"},
         "the removal": {"operation": "DeleteObject*", "after": False},
         "the removal unanswered": {"operation": "DeleteObject*", "after": True}}


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("proven", [False, True], ids=["the first removal", "a later one"])
@pytest.mark.parametrize("kind", [*KINDS, "none"])
def test_the_version_before_the_save_does_not_come_back(emu, place, request, kind, proven):
    prefix = "unlinked/" + request.node.name
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/f", Body=b"old")
    mount = Mount(emu, place, prefix)
    if proven:
        (mount.point / "first").unlink()
    path = mount.point / "d" / "f"
    assert path.read_text() == "old"
    emu.admin("POST", "faults", UNAVAILABLE)
    path.write_text("new")
    hit = mount.killed_in(path, KINDS.get(kind))
    assert hit or kind == "none" or (proven and "removal" in kind)
    if path.exists():
        assert path.read_text() == "new"
    assert [n for n in os.listdir(mount.point / "d") if n != "f"] == []
    assert place.status(mount.point)["pending"] == []


def wait_for(what):
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.any_server(faulty=True)
def test_nothing_is_fetched_of_what_nobody_has_open(emu, place, request):
    """And what is being sent when its name goes does not come back."""
    prefix = f"unlinked/{request.node.name}"
    key = f"{prefix}/d/f"
    emu.owner.put_object(Bucket=BUCKET, Key=key, Body=os.urandom(6 << 20))
    mount = Mount(emu, place, prefix)
    path = mount.point / "d" / "f"
    emu.admin("POST", "faults", {"operation": "PutObject", "key": "*/f", "effect": "none", "ms": 2000, "count": -1})
    with open(path, "r+b", buffering=0) as f:
        f.truncate(3 << 20)
        f.write(b"new")
    wait_for(lambda: emu.admin("GET", "faults")[-1]["hits"] > 0)
    wait_for(lambda: place.status(mount.point)["open_files"] == 0)  # a release comes after the close
    emu.admin("DELETE", "requests")
    path.unlink()
    assert [r for r in emu.admin("GET", "requests") if r["operation"] == "GetObject"] == []
    assert place.run("sync", mount.point).returncode == 0
    assert os.listdir(mount.point / "d") == []
    assert not emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents")
    assert place.status(mount.point)["pending"] == []

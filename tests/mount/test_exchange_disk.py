"""Two names that swap while the disk of the journal fails, or fills, at each request in turn: nothing is lost, and
the next mount leaves either both swapped or neither, whole, and nothing under the name in between."""
import ctypes
import fcntl
import os
import signal
import subprocess
import threading
import time

import pytest
from mounting import wait_for_what_is_under_way, wait_until
from test_exchange import Pair
from test_state_disk import Disk

SHUTDOWN, AT_ONCE = 0x8004587D, 2  # FS_IOC_SHUTDOWN of linux/fs.h, without writing what the file system has


class FailingDisk(Disk):
    def fail(self):
        """Nothing can be written or synced any more, and what was not synced is lost."""
        fd = os.open(self.top, os.O_RDONLY)
        fcntl.ioctl(fd, SHUTDOWN, ctypes.c_uint32(AT_ONCE))
        os.close(fd)

    def mend(self):
        """Once the process that was killed is gone: until then it has files open there."""
        wait_until(lambda: subprocess.run(["umount", self.top], check=False).returncode == 0)
        subprocess.run(["mount", "-o", "loop", self.image, self.top], check=True)
        self.make_room()


def lent(place, made):
    """The body of a fixture: the disk goes with the test, and what is mounted there before it."""
    yield made
    for point in list(place.mounts):
        subprocess.run(["umount", "-l", point], check=False)
        place.mounts.remove(point)
    wait_until(lambda: subprocess.run(["pgrep", "-f", f"s3apfs.*{place.dir}"], check=False,
                                      stdout=subprocess.DEVNULL).returncode != 0)  # it still writes to its cache
    made.end()


@pytest.fixture
def disk(place):
    yield from lent(place, FailingDisk(place.dir, 48 << 20))


class DiskPair(Pair):
    def troubled_in(self, skip, trouble):
        """Whether the exchange made so many requests; the trouble came during the next one."""
        def swap():
            self.failed = self.swap() != 0
        self.emu.admin("POST", "faults", {"operation": "*Object*", "effect": "none", "ms": 500, "skip": skip})
        thread = threading.Thread(target=swap)
        thread.start()
        while not (hit := self.emu.admin("GET", "faults")[0]["hits"] > 0) and thread.is_alive():
            time.sleep(0.002)
        if hit:
            trouble()
        thread.join()
        self.emu.admin("DELETE", "faults")
        return hit

    def kill(self):
        pid = self.place.status(self.point)["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for_what_is_under_way(self.emu, pid)


def saved(pair, top, kind):
    """Files anew. What is remembered of modes is kept on that disk, too."""
    return {path: (content, None) for path, (content, _) in pair.save(top, kind, "closed")[0].items()}


def texts(sides):
    return {text for side in sides for content, _ in side.values() for text in content}


@pytest.mark.parametrize("trouble", [FailingDisk.fail, Disk.fill_up], ids=["fails", "fills"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_cannot_be_noted_loses_nothing(emu, admin, disk, request, kind, trouble):
    pair = DiskPair(emu, admin, request.node.name.replace("[", "/").rstrip("]"), (), state="disk/state")
    swapped = back = 0
    for skip in range(0, 60, 1 if kind == "file" else 5):
        sides = [saved(pair, top, kind) for top in pair.names]
        hit = pair.troubled_in(skip, lambda: trouble(disk))
        assert texts(sides) <= set(pair.held().values()), skip
        pair.kill()
        disk.mend()
        pair.again()
        if pair.is_whole(sides, f"request {skip}"):
            swapped += 1
        else:
            assert pair.failed, f"request {skip}: this was acknowledged"
            back += 1
        if not hit:
            break
    print(swapped, "swapped,", back, "did not")
    assert not hit and swapped > 0 and back > 0

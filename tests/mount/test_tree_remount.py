"""What a mount wrote by grants is remembered as elsewhere: after a remount names, modes, times and inode numbers are
what they were, and listings show them without a request for each object."""
import os
import pathlib
import stat
import subprocess

import pytest
from mounting import GRANTS_BUCKET, options

TIME = 1_600_000_000_123_456_789


def seen(top):
    """{path: (type and mode, size, time, number, link)}"""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            s = os.lstat(path)
            link = os.readlink(path) if stat.S_ISLNK(s.st_mode) else None
            size = None if stat.S_ISDIR(s.st_mode) else s.st_size
            time = None if stat.S_ISDIR(s.st_mode) else s.st_mtime_ns
            # what was renamed keeps its number only as long as the kernel knows it
            number = None if "made/after" in path or "moved-to" in path else s.st_ino
            found[os.path.relpath(path, top)] = (oct(s.st_mode), size, time, number, link)
    return found


def write(top):
    (top / "made").mkdir()
    (top / "made").chmod(0o750)
    (top / "made" / "script").write_text("#!/bin/sh\n")
    (top / "made" / "script").chmod(0o755)
    os.utime(top / "made" / "script", ns=(TIME, TIME))
    (top / "made" / "private").write_text("private")
    (top / "made" / "private").chmod(0o600)
    os.symlink("script", top / "made" / "link")
    os.mkfifo(top / "made" / "fifo", 0o620)
    (top / "made" / "before").write_text("renamed")
    (top / "made" / "before").chmod(0o640)
    os.rename(top / "made" / "before", top / "made" / "after")
    (top / "moved-from").mkdir()
    (top / "moved-from" / "inner").write_text("x" * 100)
    (top / "moved-from" / "inner").chmod(0o604)
    os.rename(top / "moved-from", top / "made" / "moved-to")
    (top / "made" / "gone").write_text("gone")
    (top / "made" / "gone").unlink()


@pytest.mark.parametrize("more", [(), ("writeback",)], ids=["in S3", "in the journal"])
@pytest.mark.parametrize("cut", [False, True], ids=["unmounted", "killed"])
def test_what_was_written_by_a_grant_is_remembered(emu, place, more, cut):
    words = options(emu, "profile=usera", f"state-dir={place.dir}/state", *more)
    point = pathlib.Path(place.mount("grants", words))
    top = point / GRANTS_BUCKET / "UserA"
    write(top)
    before = seen(top)
    assert place.run("sync", point).returncode == 0
    if cut:
        os.kill(place.status(point)["pid"], 9)
        subprocess.run(["umount", "-l", point], check=True)
    else:
        assert place.run("umount", point).returncode == 0
    emu.admin("DELETE", "requests")
    told = place.run("mount", "grants", point, "-o", ",".join([*words, f"log={place.dir}/log"]))
    assert told.returncode == 0, told.stderr
    assert seen(top) == before
    asked = {(r["operation"], r["key"]) for r in emu.admin("GET", "requests") if "key" in r}
    assert asked <= {("GetObject", "UserA/made/link")}  # where it leads is its content
    subprocess.run(["rm", "-r", top / "made"], check=True)

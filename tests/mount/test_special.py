"""Fifos, sockets, times of directories, set-gid bits, and files made by who only reads."""
import os
import pathlib
import socket
import stat
import subprocess
import threading
import time

import pytest
from mounting import options

BUCKET = "test-bucket-1"


def metadata(emu, key):
    return emu.owner.head_object(Bucket=BUCKET, Key=key)["Metadata"]


@pytest.fixture
def mount(emu, place, request):
    """A function that mounts the test's own prefix; each name has a state of its own."""
    place.add_owner()
    prefix = request.node.name
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/there/file", Body=b"theirs\n")

    def again(state="state", *more):
        words = options(emu, "profile=admin2", f"state-dir={place.dir}/{state}", *more)
        return pathlib.Path(place.mount(f"s3://{BUCKET}/{prefix}", words))
    again.prefix = prefix
    again.place = place
    return again


def pass_through_fifo(path, text):
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_text()))
    reader.start()
    path.write_text(text)
    reader.join(timeout=60)
    return got


def test_fifos(emu, mount):
    top, prefix = mount(), mount.prefix
    os.mkfifo(top / "fifo", 0o640)
    assert metadata(emu, f"{prefix}/fifo")["file-permissions"] == "010640"
    assert emu.owner.head_object(Bucket=BUCKET, Key=f"{prefix}/fifo")["ContentLength"] == 0
    assert pass_through_fifo(top / "fifo", "through\n") == ["through\n"]
    os.chmod(top / "fifo", 0o600)
    os.rename(top / "fifo", top / "there" / "moved")
    other = mount("other")
    found = os.stat(other / "there" / "moved")
    assert stat.S_ISFIFO(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
    mount.place.umount(other)
    mount.place.umount(top)
    top = mount()
    shown = {e.name: e for e in os.scandir(top / "there")}  # from the listing alone
    assert stat.S_ISFIFO(shown["moved"].stat(follow_symlinks=False).st_mode)
    assert not shown["moved"].is_file() and shown["file"].is_file()
    os.unlink(top / "there" / "moved")
    assert os.listdir(top / "there") == ["file"]


def test_sockets(emu, mount):
    top, prefix = mount(), mount.prefix
    os.chdir(top)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind("s")
            server.listen()
            client.connect("s")
            accepted = server.accept()[0]
            with accepted:
                accepted.sendall(b"hello")
            assert client.recv(5) == b"hello"
    finally:
        os.chdir("/")
    assert metadata(emu, f"{prefix}/s")["file-permissions"].startswith("0140")
    assert stat.S_ISSOCK(os.stat(top / "s").st_mode)
    assert stat.S_ISSOCK(os.stat(mount("other") / "s").st_mode)
    os.unlink(top / "s")


def test_no_devices_and_no_hidden_bytes(emu, mount):
    top, prefix = mount(), mount.prefix
    if os.geteuid() == 0:
        for kind in (stat.S_IFCHR, stat.S_IFBLK):
            with pytest.raises(PermissionError):
                os.mknod(top / "dev", kind | 0o600, os.makedev(1, 3))
    for key, mode, body in (("full", "010644", b"bytes"), ("device", "020644", b"")):
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=body,
                             Metadata={"file-permissions": mode})
        assert stat.S_ISREG(os.stat(top / key).st_mode)
    assert (top / "full").read_bytes() == b"bytes"


def fsync_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


def times(path):
    s = os.stat(path)
    return s.st_mtime_ns, s.st_ctime_ns


def test_directories_show_when_their_names_changed(emu, mount):
    top = mount()
    (top / "d" / "sub").mkdir(parents=True)
    (top / "e").mkdir()
    changes = [lambda: (top / "d" / "f").write_text("x"), lambda: os.mkdir(top / "d" / "g"),
               lambda: os.symlink("f", top / "d" / "l"), lambda: os.mkfifo(top / "d" / "p"),
               lambda: os.rename(top / "d" / "f", top / "d" / "f2"),
               lambda: os.rename(top / "d" / "f2", top / "e" / "f2"),
               lambda: os.unlink(top / "d" / "l"), lambda: os.rmdir(top / "d" / "g")]
    for change in changes:
        before = times(top / "d")
        later(before[0])
        change()
        assert all(a > b for a, b in zip(times(top / "d"), before))
    before = times(top / "d"), times(top / "e")
    assert before[1][0] < before[0][0]
    (top / "e" / "f2").write_text("other bytes, the same names")
    assert times(top / "e") == before[1]
    fsync_folder(top)  # removals are sent behind
    emu.admin("DELETE", "requests")
    os.mkfifo(top / "e" / "last")
    fsync_folder(top)
    sent = [r["operation"] for r in emu.admin("GET", "requests")]
    assert sent.count("PutObject") == 1  # the lookup may have listed the folder
    assert set(sent) <= {"PutObject", "ListObjectsV2"}
    before = times(top / "d"), times(top / "e"), times(top)
    mount.place.umount(top)
    top = mount()
    assert (times(top / "d"), times(top / "e"), times(top)) == before
    os.utime(top / "d", ns=(5 * 10**9, 7 * 10**9))
    assert times(top / "d")[0] == 7 * 10**9 and times(top / "d")[1] > before[0][1]


def later(ns):
    """Waits until the clock shows another millisecond than this time."""
    while time.time_ns() // 10**6 <= ns // 10**6 + 1:
        time.sleep(0.001)


def test_modes_of_directories_outlive_the_mount(emu, mount):
    top = mount()
    os.mkdir(top / "private", 0o700)
    os.mkdir(top / "plain")
    os.chmod(top / "plain", 0o2750)
    mount.place.umount(top)
    top = mount()
    assert stat.S_IMODE(os.stat(top / "private").st_mode) == 0o700  # by its name
    shown = {e.name: stat.S_IMODE(e.stat().st_mode) for e in os.scandir(top)}
    assert (shown["private"], shown["plain"]) == (0o700, 0o2750)
    os.rmdir(top / "private")
    mount.place.umount(top)
    emu.owner.put_object(Bucket=BUCKET, Key=f"{mount.prefix}/private/x", Body=b"")
    assert stat.S_IMODE(os.stat(mount() / "private").st_mode) == 0o755


def test_set_gid_is_ours_only(emu, mount):
    top, prefix = mount("state", "metadata-ttl=0"), mount.prefix
    (top / "f").write_text("x")
    os.chmod(top / "f", 0o2755)
    os.utime(top / "f", (5, 7))
    os.rename(top / "f", top / "g")
    assert stat.S_IMODE(os.stat(top / "g").st_mode) == 0o2755
    assert metadata(emu, f"{prefix}/g")["file-permissions"] == "0100755"
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/theirs", Body=b"",
                         Metadata={"file-permissions": "0106755"})
    assert stat.S_IMODE(os.stat(top / "theirs").st_mode) == 0o755


def test_a_file_that_is_made_by_a_reader_exists(emu, mount):
    top, prefix = mount(), mount.prefix
    done = subprocess.run(["flock", str(top / "lock"), "echo", "held"], capture_output=True,
                          text=True, timeout=120, check=True)
    assert done.stdout == "held\n"
    os.close(os.open(top / "read", os.O_CREAT | os.O_RDONLY, 0o600))
    os.close(os.open(top / "alone", os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0o600))
    for name in ("lock", "read", "alone"):
        assert emu.owner.head_object(Bucket=BUCKET, Key=f"{prefix}/{name}")["ContentLength"] == 0
    assert os.stat(top / "read").st_ctime > 10**9
    fd = os.open(top / "new", os.O_CREAT | os.O_WRONLY)
    assert os.fstat(fd).st_ctime > 10**9
    os.close(fd)

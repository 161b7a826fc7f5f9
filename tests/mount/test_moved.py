"""What moves keeps what it is: links, modes and times below a renamed folder, listings that an
earlier mount kept, handles of names that are gone."""
import contextlib
import ctypes
import errno
import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest
from mounting import options, wait_for_what_is_under_way, wait_until

BUCKET = "test-bucket-1"
libc = ctypes.CDLL(None, use_errno=True)


def exchange(one, other):
    assert libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2) == 0


def tree(top):
    return sorted(os.path.relpath(os.path.join(d, f), top) for d, _, fs in os.walk(top) for f in fs)


class Mount:
    def __init__(self, emu, place, prefix):
        place.add_owner()
        self.place, self.source = place, f"s3://{BUCKET}/{prefix}"
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/first", Body=b"x")
        self.words = options(emu, "profile=admin2", f"state-dir={place.dir}/state")
        self.point = pathlib.Path(place.mount(self.source, self.words))

    def again(self, kill=False, *more):
        if kill:
            os.kill(self.place.status(self.point)["pid"], signal.SIGKILL)
            subprocess.run(["umount", "-l", str(self.point)], check=True)
        else:
            assert self.place.run("umount", self.point).returncode == 0
        self.mount(*more)

    def mount(self, *more):
        result = self.place.run("mount", self.source, self.point, "-o", ",".join(
            ["log=" + str(self.place.dir / "log"), "cache-dir=" + str(self.place.dir / "cache"),
             *self.words, *more]))
        assert result.returncode == 0, result.stderr


@pytest.fixture
def mounted(emu, place, request):
    return Mount(emu, place, request.node.name)


@pytest.mark.any_server(faulty=True)
def test_links_and_modes_move_with_their_folder(mounted):
    point = mounted.point
    (point / "d" / "sub").mkdir(parents=True)
    (point / "d" / "sub" / "link").symlink_to("../script")
    (point / "d" / "script").write_text("#!/bin/sh\n")
    (point / "d" / "script").chmod(0o755)
    before = (point / "d" / "script").stat()
    (point / "d").rename(point / "moved")
    for _ in range(2):
        assert os.readlink(point / "moved" / "sub" / "link") == "../script"
        after = (point / "moved" / "script").stat()
        assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
        mounted.again()
        assert tree(point) == ["first", "moved/script", "moved/sub/link"]


@pytest.mark.any_server(faulty=True)
def test_a_kept_listing_is_not_shown_for_another_folder(mounted):
    point = mounted.point
    for folder, name in (("one", "a"), ("two", "b")):
        (point / folder).mkdir()
        (point / folder / name).write_text(folder)
    mounted.again()
    assert tree(point) == ["first", "one/a", "two/b"]
    mounted.again()
    exchange(point / "one", point / "two")
    assert (os.listdir(point / "one"), os.listdir(point / "two")) == (["b"], ["a"])
    mounted.again()
    (point / "one").rename(point / "three")
    (point / "two").rename(point / "one")
    mounted.again()
    assert tree(point) == ["first", "one/a", "three/b"]
    assert os.listdir(point / "one") == ["a"]


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("kill", [False, True], ids=["unmounted", "killed"])
def test_a_listing_that_another_mount_kept_goes_with_each_change(mounted, kill):
    point = mounted.point
    (point / "d").mkdir()
    other = pathlib.Path(mounted.place.mount(mounted.source, [
        *(w for w in mounted.words if not w.startswith("state-dir=")), "ro"]))
    kept = mounted.place.dir / "cache" / "listings"
    assert sorted(os.listdir(other)) == ["d", "first"]
    wait_until(lambda: any(len(n) == 32 for n in os.listdir(kept)))
    (point / "d").rename(point / "e")
    mounted.again(kill)
    assert sorted(os.listdir(point)) == ["e", "first"]
    assert os.listdir(point / "e") == []


@pytest.mark.any_server(faulty=True)
def test_a_removed_name_does_not_hinder_its_folder(mounted):
    point = mounted.point
    (point / "d").mkdir()
    (point / "other").write_text("other")
    with open(point / "d" / "f", "w+b", buffering=0) as f:
        f.write(b"bytes")
        os.fsync(f.fileno())
        (point / "d" / "f").unlink()
        exchange(point / "d", point / "other")
        assert (point / "d").read_text() == "other" and os.listdir(point / "other") == []
        (point / "other").rename(point / "third")
        assert os.pread(f.fileno(), 10, 0) == b"bytes"


@pytest.mark.any_server(faulty=True)
def test_a_copy_is_seen_through_what_is_open(mounted):
    point = mounted.point
    data = os.urandom(70000)
    (point / "from").write_bytes(data)
    (point / "to").write_bytes(b"")
    with open(point / "to", "r+b", buffering=0) as held:
        with open(point / "from", "rb") as src, open(point / "to", "wb") as dst:
            assert os.copy_file_range(src.fileno(), dst.fileno(), len(data)) == len(data)
        assert os.fstat(held.fileno()).st_size == len(data)
        assert (point / "to").read_bytes() == data
        assert os.pread(held.fileno(), len(data), 0) == data


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("remounted", [False, True], ids=["made now", "made before"])
def test_folders_below_a_moved_one_keep_their_modes(mounted, remounted):
    point = mounted.point
    (point / "d" / "x" / "y").mkdir(parents=True)
    (point / "other").mkdir()
    (point / "d" / "x" / "y").chmod(0o710)
    (point / "d" / "x").chmod(0o700)
    if remounted:
        mounted.again()
    (point / "d").rename(point / "moved")
    exchange(point / "moved", point / "other")
    mounted.again()
    assert (point / "other" / "x").stat().st_mode & 0o777 == 0o700
    assert (point / "other" / "x" / "y").stat().st_mode & 0o777 == 0o710


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("more", [(), ("writeback",)], ids=["in S3", "in the journal"])
def test_what_others_made_and_we_wrote_keeps_its_time(mounted, more):
    """Such an object has no mode, and all the same its time is known over a remount."""
    mounted.again(False, *more)
    point = mounted.point
    assert [e.name for e in os.scandir(point)] == ["first"]  # its metadata was not asked for
    (point / "first").write_bytes(b"ours")
    time = (point / "first").stat().st_mtime_ns
    for kill in (True, False):
        mounted.again(kill, *more)
        assert (point / "first").stat().st_mtime_ns == time


def test_a_folder_of_which_one_file_cannot_be_removed_is_whole(emu, mounted):
    (mounted.point / "d").mkdir()
    for i in range(5):
        (mounted.point / "d" / f"f{i}").write_text(str(i))
    prefix = mounted.source.split("/", 3)[3]
    emu.owner.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject",
            "Resource": f"arn:aws:s3:::{BUCKET}/{prefix}/d/f3"}]}))
    try:
        with pytest.raises(PermissionError):
            (mounted.point / "d").rename(mounted.point / "moved")
    finally:
        emu.owner.delete_bucket_policy(Bucket=BUCKET)
    wait_until((mounted.point / "moved" / "f0").exists)  # it was looked for before
    assert [(mounted.point / "moved" / f"f{i}").read_text() for i in range(5)] == list("01234")
    assert tree(mounted.point / "d") == ["f3"]


def cut(mounted, emu, move, operation, done, skip):
    """Kills the mount in the middle of a move: from a request on, none is done, or gets an answer."""
    effect = {"effect": "drop"} if done else {"effect": "error", "status": 503, "code": "SlowDown"}
    emu.admin("POST", "faults", {"operation": operation, "skip": skip, "count": -1, **effect})

    def run():
        with contextlib.suppress(OSError, AssertionError):  # the mount died
            move()
    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: emu.admin("GET", "faults")[0]["hits"] > 0)
    pid = mounted.place.status(mounted.point)["pid"]
    os.kill(pid, signal.SIGKILL)
    thread.join()
    wait_for_what_is_under_way(emu, pid)  # also what was sent and not looked at yet gets no answer
    emu.admin("DELETE", "faults")
    subprocess.run(["umount", "-l", str(mounted.point)], check=True)


KEYS = [f"sub/f{i}" for i in range(8)] + ["large", "sub/link"]
CUTS = {"no copy": ("CopyObject", False, 0), "some copies": ("CopyObject", False, 5),
        "copies unanswered": ("CopyObject", True, 5), "before removals": ("DeleteObject*", False, 0),
        "removals unanswered": ("DeleteObject*", True, 0)}


def make_folder(mounted):
    top = mounted.point / "d"
    (top / "sub" / "empty").mkdir(parents=True)
    for i in range(8):
        (top / "sub" / f"f{i}").write_text(f"content {i}")
        (top / "sub" / f"f{i}").chmod(0o640)
    (top / "large").write_bytes(b"large" * (2 << 20))
    (top / "sub" / "link").symlink_to("f0")
    (top / "sub" / "empty").chmod(0o711)
    assert mounted.place.run("sync", mounted.point).returncode == 0
    return top


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("kind", CUTS)
def test_the_next_mount_finishes_the_move_of_a_folder(emu, mounted, kind):
    top = make_folder(mounted)
    cut(mounted, emu, lambda: top.rename(mounted.point / "moved"), *CUTS[kind])
    mounted.mount()
    moved = mounted.point / "moved"
    assert sorted(os.listdir(mounted.point)) == ["first", "moved"]
    assert tree(moved) == sorted(KEYS)
    assert (moved / "large").read_bytes() == b"large" * (2 << 20)
    assert (moved / "sub" / "f3").read_text() == "content 3"
    assert (moved / "sub" / "f3").stat().st_mode & 0o777 == 0o640
    assert (moved / "sub" / "empty").stat().st_mode & 0o777 == 0o711
    assert os.readlink(moved / "sub" / "link") == "f0"
    assert mounted.place.status(mounted.point)["pending"] == []
    prefix = mounted.source.split("/", 3)[3]
    left = emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/d/")
    assert left["KeyCount"] == 0
    (mounted.point / "d").mkdir()  # the name is free, and what comes there stays
    (mounted.point / "d" / "new").write_text("new")
    mounted.again(True)
    assert tree(mounted.point / "d") == ["new"]


@pytest.mark.any_server(faulty=True)
def test_a_folder_that_was_to_be_replaced_is_not_just_gone(emu, mounted):
    top = make_folder(mounted)
    (mounted.point / "moved").mkdir()
    assert mounted.place.run("sync", mounted.point).returncode == 0
    cut(mounted, emu, lambda: top.rename(mounted.point / "moved"), "DeleteObject*", True, 0)
    mounted.mount()
    assert tree(mounted.point) == sorted([f"moved/{k}" for k in KEYS] + ["first"])
    assert sorted(os.listdir(mounted.point)) == ["first", "moved"]


@pytest.mark.any_server(faulty=True)
def test_a_move_that_was_cut_replaces_nothing_of_others(emu, mounted):
    top = make_folder(mounted)
    cut(mounted, emu, lambda: top.rename(mounted.point / "moved"), "CopyObject", False, 0)
    prefix = mounted.source.split("/", 3)[3]
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/moved/sub/f3", Body=b"of another host")
    mounted.mount()
    assert (mounted.point / "moved" / "sub" / "f3").read_text() == "of another host"
    assert (mounted.point / "d" / "sub" / "f3").read_text() == "content 3"
    assert "which is something else now" in mounted.place.log()
    assert mounted.place.status(mounted.point)["pending"] == []


@pytest.mark.any_server(faulty=True)
def test_the_first_step_of_an_exchange_is_taken_back(emu, mounted):
    top = make_folder(mounted)
    (mounted.point / "other").mkdir()
    (mounted.point / "other" / "f").write_text("other")
    assert mounted.place.run("sync", mounted.point).returncode == 0
    cut(mounted, emu, lambda: exchange(top, mounted.point / "other"), "CopyObject", False, 4)
    mounted.mount()
    assert tree(mounted.point) == sorted([f"d/{k}" for k in KEYS] + ["first", "other/f"])


@pytest.mark.any_server(faulty=True)
def test_emptying_what_is_empty_changes_its_time(mounted):
    point = mounted.point
    (point / "stamp").write_text("")
    os.utime(point / "stamp", ns=(10**18, 10**18))
    (point / "stamp").write_text("")
    time = (point / "stamp").stat().st_mtime_ns
    assert time > 10**18
    mounted.again()
    assert (point / "stamp").stat().st_mtime_ns == time


@pytest.mark.any_server(faulty=True)
def test_what_a_kill_left_to_the_next_mount_keeps_its_mode(mounted):
    mounted.again(False, "writeback")
    point = mounted.point
    (point / "one").write_text("1")  # the first of its kind is sent at once
    fd = os.open(point / "private", os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(fd, b"secret")
    os.close(fd)
    for _ in range(2):
        mounted.again(True, "writeback")
        assert (point / "private").read_text() == "secret"
        assert (point / "private").stat().st_mode & 0o777 == 0o600
        (point / "private").write_text("secret")  # what is there keeps its mode


@pytest.mark.any_server(faulty=True)
def test_a_link_takes_a_name_that_a_kept_listing_has(mounted):
    """What was made here stands over what the listing says of the name."""
    point = mounted.point
    (point / "name").write_text("a file")
    assert tree(point) == ["first", "name"]
    for step in range(2):
        mounted.again()
        assert (point / "name").is_file() and tree(point) == ["first", "name"]
        (point / "name").unlink()
        (point / "name").symlink_to("first")
        assert [e.is_symlink() for e in os.scandir(point) if e.name == "name"] == [True]
        assert os.readlink(point / "name") == "first"
        (point / "name").unlink()
        (point / "name").write_text("a file")
        assert (point / "name").stat().st_size == 6


def moved(how, folder):
    """How the file `old` in the folder gets another name, or other attributes; the name then."""
    if how == "chmod":
        (folder / "old").chmod(0o600)
        return folder / "old"
    if how == "folder":
        return folder.rename(folder.with_name("moved")) / "old"
    if how == "exchange":
        exchange(folder / "old", folder / "new")
    else:
        (folder / "old").rename(folder / "new")
    return folder / "new"


@pytest.fixture
def replaced(emu, place):
    """A folder with `old` and `new`, and what another host puts in place of the former."""
    mount = Mount(emu, place, "replaced")
    mount.again(False, "metadata-ttl=0", "negative-ttl=0")
    folder = mount.point / "folder"
    folder.mkdir()
    emu.owner.put_object(Bucket=BUCKET, Key="replaced/folder/new", Body=b"new")

    def put(body):
        emu.owner.put_object(Bucket=BUCKET, Key="replaced/folder/old", Body=body)
    put(b"1" * 3000)
    yield folder, put
    place.run("umount", mount.point)
    for key in emu.owner.list_objects_v2(Bucket=BUCKET, Prefix="replaced/")["Contents"]:
        emu.owner.delete_object(Bucket=BUCKET, Key=key["Key"])
    place.mounts.remove(mount.point)


@pytest.mark.parametrize("how", ["rename", "exchange", "folder", "chmod"])
@pytest.mark.parametrize("opened", [False, True])
def test_a_version_of_another_host_that_moves_is_what_is_read(replaced, how, opened):
    folder, put = replaced
    with open(folder / "old", "rb", buffering=0) as old:
        assert old.read(10) == b"1" * 10
        if not opened:
            old.close()
        put(b"2" * 3000)
        name = moved(how, folder)
        assert name.read_bytes() == b"2" * 3000, "pages or a handle of the older version"
    assert name.read_bytes() == b"2" * 3000


@pytest.mark.parametrize("how", ["rename", "exchange", "folder", "chmod"])
@pytest.mark.parametrize("size", [1000, 5000])
def test_a_version_of_another_host_that_moves_keeps_its_size(replaced, how, size):
    """Who has an older version open for reading is not in the way of who changes the newer one."""
    folder, put = replaced
    with open(folder / "old", "rb", buffering=0) as old:
        assert old.read(10) == b"1" * 10
        put(b"2" * size)
        name = moved(how, folder)
        with open(name, "r+b", buffering=0) as f:
            f.write(b"mine")
    assert name.read_bytes() == b"mine" + b"2" * (size - 4)


@pytest.mark.parametrize("how", ["rename", "exchange", "folder", "chmod"])
@pytest.mark.parametrize("size", [1000, 5000])
def test_a_change_of_an_older_version_does_not_follow_a_newer_one(replaced, how, size):
    folder, put = replaced
    fd = os.open(folder / "old", os.O_RDWR)
    assert os.read(fd, 10) == b"1" * 10
    put(b"2" * size)
    name = moved(how, folder)
    os.write(fd, b"mine")
    with pytest.raises(OSError) as failed:
        os.fsync(fd)
    assert failed.value.errno == errno.ESTALE
    with contextlib.suppress(OSError):
        os.close(fd)
    assert name.read_bytes() == b"2" * size

"""Names and attributes changed through a mount, and programs that live from that."""
import ctypes
import json
import os
import pathlib
import shutil
import sqlite3
import stat
import subprocess

import emulator
import pytest
from conftest import s3_client
from mounting import GRANTS_BUCKET, options

BUCKET = "test-bucket-1"
NOREPLACE, EXCHANGE = 1, 2
AT_FDCWD = -100


def body(emu, key):
    return emu.owner.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def keys(emu, prefix):
    found = emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=prefix + "/").get("Contents", [])
    return [o["Key"].removeprefix(prefix + "/") for o in found]


def metadata(emu, key):
    return emu.owner.head_object(Bucket=BUCKET, Key=key)["Metadata"]


def renameat2(old, new, flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@pytest.fixture
def mount(emu, place, request):
    """A function that mounts the test's own prefix, again after an umount."""
    place.add_owner()
    prefix = request.node.name
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/implicit/file.txt", Body=b"theirs\n")

    def again(*more):
        words = options(emu, "profile=admin2", f"state-dir={place.dir}/state", *more)
        return pathlib.Path(place.mount(f"s3://{BUCKET}/{prefix}", words))
    again.prefix = prefix
    again.place = place
    return again


def fsync_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


@pytest.mark.any_server
def test_names(emu, mount):
    top, prefix = mount(), mount.prefix
    (top / "d" / "deep").mkdir(parents=True)
    (top / "d" / "deep" / "a").write_text("one\n")
    os.rename(top / "d" / "deep" / "a", top / "d" / "b")
    assert body(emu, f"{prefix}/d/b") == b"one\n"
    os.symlink("d/b", top / "link")
    assert os.readlink(top / "link") == "d/b" and (top / "link").read_text() == "one\n"
    with pytest.raises(OSError):
        os.rmdir(top / "d")
    os.rename(top / "d", top / "e")
    assert keys(emu, prefix) == ["e/", "e/b", "e/deep/", "implicit/file.txt", "link"]
    assert sorted(os.listdir(top)) == ["e", "implicit", "link"]
    os.unlink(top / "implicit" / "file.txt")
    assert os.listdir(top / "implicit") == []
    os.rmdir(top / "implicit")
    shutil.rmtree(top / "e")
    os.unlink(top / "link")
    fsync_folder(top)
    assert keys(emu, prefix) == []
    with pytest.raises(PermissionError):
        (top / "x").write_text("x")
        os.link(top / "x", top / "y")


@pytest.mark.any_server
def test_renames_with_flags(emu, mount):
    top, prefix = mount(), mount.prefix
    (top / "a").write_text("A")
    (top / "b").write_text("B")
    with pytest.raises(FileExistsError):
        renameat2(top / "a", top / "b", NOREPLACE)
    renameat2(top / "a", top / "b", EXCHANGE)
    assert body(emu, f"{prefix}/a") == b"B" and body(emu, f"{prefix}/b") == b"A"
    assert (top / "a").read_text() == "B" and (top / "b").read_text() == "A"
    renameat2(top / "a", top / "c", NOREPLACE)
    assert sorted(os.listdir(top)) == ["b", "c", "implicit"]


def test_who_reads_a_folder_sees_what_is_done_in_it(emu, mount):
    """While somebody else asks for a name that is not there, for which the folder is listed anew."""
    prefix = mount.prefix
    names = [f"{i:03}-" + "x" * 200 for i in range(400)]  # more than one call brings
    for name in names:
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/{name}")
    top = mount("negative-ttl=0")
    with os.scandir(top / "d") as entries:
        seen = [next(entries).name]
        (top / "d" / "new").write_text("new\n")
        os.unlink(top / "d" / names[-1])
        os.rename(top / "d" / names[-2], top / "d" / "moved")
        mount.place.run("sync", top)
        assert not (top / "d" / "absent").exists()
        seen += [entry.name for entry in entries]
    assert seen == [*names[:-2], "new", "moved"]
    assert sorted(os.listdir(top / "d")) == [*names[:-2], "moved", "new"]
    assert os.listdir(top / "implicit") == ["file.txt"]
    (top / "implicit" / "new").write_text("new\n")
    os.unlink(top / "implicit" / "file.txt")
    mount.place.run("sync", top)
    with os.scandir(top / "implicit") as entries:
        seen = [next(entries).name]
        assert not (top / "implicit" / "absent").exists()
        assert [*seen, *(entry.name for entry in entries)] == ["new"]


@pytest.mark.any_server
def test_attributes_outlive_the_mount(emu, mount):
    top, prefix = mount(), mount.prefix
    (top / "f").write_text("x")
    os.chmod(top / "f", 0o640)
    os.utime(top / "f", ns=(1595002920000000001, 1595002920123456789))
    os.setxattr(top / "f", "user.color", b"blue")
    os.mkdir(top / "d", 0o700)
    (top / "run").write_text("#!/bin/sh\necho ran\n")
    os.chmod(top / "run", 0o755)
    os.symlink("run", top / "link")
    before = os.stat(top / "f")
    assert stat.S_IMODE(before.st_mode) == 0o640 and before.st_mtime_ns == 1595002920123456789
    assert metadata(emu, f"{prefix}/f")["file-permissions"] == "0100640"
    assert metadata(emu, f"{prefix}/f")["color"] == "blue"
    mount.place.umount(top)
    top = mount()
    shown = {e.name: e for e in os.scandir(top)}  # from the listing alone
    assert shown["link"].is_symlink() and shown["run"].stat().st_mode & 0o111 == 0o111
    if emu.has_admin:
        emu.admin("DELETE", "requests")
    assert run(top / "link", cwd=top) == "ran\n"
    if emu.has_admin:
        assert not [r for r in emu.admin("GET", "requests") if r["operation"] == "HeadObject"]
    after = os.stat(top / "f")
    assert (after.st_mode, after.st_mtime_ns, after.st_ino) == (
        before.st_mode, before.st_mtime_ns, before.st_ino)
    assert os.getxattr(top / "f", "user.color") == b"blue"


@pytest.mark.parametrize("tags", ["", "kept=yes"], ids=["plain", "tagged"])
def test_a_folder_is_renamed_where_folders_objects_cannot_be_copied(emu, mount, tags):
    """As on servers that keep folders as folders. One with tags stays, because they would be lost."""
    top, prefix = mount(), mount.prefix
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/", Metadata={"who": "them"}, Tagging=tags,
                         ContentType="application/x-directory")
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/f", Body=b"content")
    for folder in ("d", "e"):
        emu.admin("POST", "faults", {"operation": "CopyObject", "key": f"{prefix}/{folder}/", "effect": "error",
                                     "status": 400, "code": "DirectoryObjectContainsData", "count": -1})
    if tags:
        with pytest.raises(OSError):
            os.rename(top / "d", top / "e")
    else:
        os.rename(top / "d", top / "e")
    name = "d" if tags else "e"
    assert keys(emu, prefix) == [f"{name}/", f"{name}/f", "implicit/file.txt"]
    head = emu.owner.head_object(Bucket=BUCKET, Key=f"{prefix}/{name}/")
    assert head["Metadata"] == {"who": "them"} and head["ContentType"] == "application/x-directory"
    assert (top / name / "f").read_text() == "content" and sorted(os.listdir(top)) == sorted([name, "implicit"])


def test_a_folders_object_goes_after_what_is_below_it(emu, mount):
    """Where each removal is a request: servers that keep folders as folders may leave one behind else."""
    top, prefix = mount(), mount.prefix
    emu.admin("POST", "faults", {"operation": "DeleteObjects", "effect": "error", "status": 501,
                                 "code": "NotImplemented", "count": -1})
    for i in range(4):
        for name in (f"d/{i}/", f"d/{i}/deep/", f"d/{i}/deep/f", f"d/{i}/f", "d/"):
            emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=b"")
    (top / "first").write_text("so that the server was asked what it honours")
    emu.admin("DELETE", "requests")
    os.rename(top / "d", top / "e")
    gone = [r["key"] for r in emu.admin("GET", "requests") if r["operation"] == "DeleteObject"]
    assert len(gone) == len(set(gone)) == 17
    for i, key in enumerate(gone):
        assert not [k for k in gone[i:] if key.endswith("/") and k != key and k.startswith(key)], gone
    assert not (top / "d").exists() and len(os.listdir(top / "e")) == 4


def test_many_files_are_renamed_with_their_folder(emu, mount):
    top, prefix = mount(), mount.prefix
    for i in range(300):
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/many/{i:03}", Body=b"%d" % i)
    os.rename(top / "many", top / "moved")
    assert keys(emu, prefix)[1:] == [f"moved/{i:03}" for i in range(300)]
    assert len(os.listdir(top / "moved")) == 300 and not (top / "many").exists()
    assert (top / "moved" / "123").read_text() == "123"


def run(*args, cwd):
    result = subprocess.run([str(a) for a in args], cwd=cwd, text=True, capture_output=True,
                            timeout=300, check=False,
                            env=dict(os.environ, HOME=str(cwd), GIT_CONFIG_NOSYSTEM="1",
                                     GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b.c",
                                     GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b.c"))
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.any_server
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")
def test_git(mount):
    top = mount()
    repo = top / "repo"
    repo.mkdir()
    run("git", "init", "-q", ".", cwd=repo)
    for i in range(10):
        (repo / f"f{i}").write_text(f"content {i}\n")
    run("git", "add", ".", cwd=repo)
    run("git", "commit", "-q", "-m", "first", cwd=repo)
    (repo / "f3").write_text("changed\n")
    assert run("git", "status", "--porcelain", cwd=repo) == " M f3\n"
    run("git", "commit", "-q", "-a", "-m", "second", cwd=repo)
    run("git", "fsck", "--strict", cwd=repo)
    mount.place.umount(top)
    top = mount()
    assert run("git", "log", "--format=%s", cwd=top / "repo").split() == ["second", "first"]
    assert run("git", "status", "--porcelain", cwd=top / "repo") == ""


@pytest.mark.any_server
def test_sqlite(mount):
    top = mount()
    with sqlite3.connect(top / "db") as db:
        db.execute("create table t (a integer, b text)")
        db.executemany("insert into t values (?, ?)", [(i, "x" * 50) for i in range(1000)])
    db.close()
    assert sorted(os.listdir(top)) == ["db", "implicit"]
    with sqlite3.connect(top / "db") as db:
        assert db.execute("select count(*), sum(a) from t").fetchone() == (1000, 499500)
        db.execute("delete from t where a % 2")
    db.close()
    mount.place.umount(top)
    with sqlite3.connect(mount() / "db") as db:
        assert db.execute("select count(*) from t").fetchone() == (500,)
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    db.close()


@pytest.mark.any_server
def test_tar_and_copies(emu, mount):
    top, prefix = mount(), mount.prefix
    source = mount.place.dir / "source"
    (source / "sub").mkdir(parents=True)
    for i in range(20):
        (source / "sub" / f"f{i}").write_bytes(bytes([i]) * 8192)
    os.chmod(source / "sub" / "f7", 0o755)
    os.symlink("f7", source / "sub" / "l")
    run("tar", "cf", mount.place.dir / "t.tar", "sub", cwd=source)
    run("tar", "xf", mount.place.dir / "t.tar", cwd=top)
    run("diff", "-r", source / "sub", top / "sub", cwd=source)
    assert metadata(emu, f"{prefix}/sub/f7")["file-permissions"] == "0100755"
    run("cp", "-a", top / "sub", top / "copy", cwd=top)
    run("diff", "-r", source / "sub", top / "copy", cwd=source)
    for name in os.listdir(source / "sub"):
        a, b = os.lstat(source / "sub" / name), os.lstat(top / "copy" / name)
        assert (a.st_mode, a.st_size, int(a.st_mtime)) == (b.st_mode, b.st_size, int(b.st_mtime))


@pytest.fixture
def reading_emu():
    """The world in which Product may only be read by usera."""
    world = json.loads(emulator.WORLD.read_text())
    for grant in world["access-grants"][0]["grants"]:
        if grant["sub-prefix"] == "Product/*":
            grant["permission"] = "READ"
    instance = emulator.Emulator(world)
    owner = s3_client(instance, "333333333333")
    for folder in ("Product", "UserA"):
        owner.put_object(Bucket=GRANTS_BUCKET, Key=f"{folder}/abalone.csv", Body=b"data\n")
    yield instance
    instance.stop()


def test_permission_to_write_is_asked_for_when_somebody_writes(reading_emu, place):
    words = options(reading_emu, "access=grants", f"state-dir={place.dir}/state", "profile=usera")
    mine = pathlib.Path(place.mount(f"s3://{GRANTS_BUCKET}/UserA", words))
    assert (mine / "abalone.csv").read_text() == "data\n"

    def asked():
        return [r for r in reading_emu.admin("GET", "requests") if r["operation"] == "GetDataAccess"]
    assert len(asked()) == 1
    (mine / "new").write_text("written\n")
    assert len(asked()) == 2
    os.rename(mine / "new", mine / "newer")
    assert (mine / "newer").read_text() == "written\n"
    os.unlink(mine / "newer")
    assert len(asked()) == 2
    theirs = pathlib.Path(place.mount(f"s3://{GRANTS_BUCKET}/Product", words))
    assert (theirs / "abalone.csv").read_text() == "data\n"
    for change in (lambda: open(theirs / "abalone.csv", "r+b"), lambda: open(theirs / "x", "wb"),
                   lambda: os.mkdir(theirs / "d"), lambda: os.unlink(theirs / "abalone.csv"),
                   lambda: os.rename(theirs / "abalone.csv", theirs / "y")):
        with pytest.raises(PermissionError):
            change()
    assert os.listdir(theirs) == ["abalone.csv"]
    assert len(asked()) == 4  # a denial is remembered


@pytest.mark.parametrize("make", ["symlink", "mkdir", "mkfifo"])
def test_a_reply_that_is_lost_on_a_kept_connection(emu, mount, make):
    where = mount()
    for n in range(5):
        (where / f"before{n}").mkdir()
        emu.admin("POST", "faults", {"operation": "PutObject", "effect": "drop", "count": 1})
        if make == "symlink":
            (where / f"new{n}").symlink_to("target")
        else:
            getattr(os, make)(where / f"new{n}")
    assert len(os.listdir(where)) >= 10


def create_exclusively(path):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))


@pytest.mark.parametrize("make", [lambda path: os.symlink("target", path), os.mkdir, os.mkfifo, create_exclusively],
                         ids=["symlink", "mkdir", "mkfifo", "O_EXCL"])
def test_a_name_that_was_made_and_called_too_much(emu, mount, make):
    """Each attempt is carried out, and the first ones are answered as if not."""
    where = mount("consistency=close-to-open", "exclusive=open")
    (where / "first").mkdir()
    for n, (status, code, count) in enumerate([(503, "SlowDown", 1), (503, "SlowDown", 2), (503, "ServiceUnavailable", 1),
                                               (429, "TooManyRequests", 1)]):
        emu.admin("POST", "faults", {"operation": "PutObject", "effect": "error", "status": status, "code": code,
                                     "after": True, "count": count})
        make(where / f"new{n}")
    assert len(os.listdir(where)) == 2 + 4  # and "implicit"

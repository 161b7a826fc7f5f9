"""What is changed while a name moves: it goes along, and nothing of it stays behind."""
import concurrent.futures
import contextlib
import ctypes
import functools
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest
from mounting import options, wait_until

BUCKET = "test-bucket-1"
libc = ctypes.CDLL(None, use_errno=True)


class Thread(threading.Thread):
    """A call of its own, whose error comes with join()."""

    def __init__(self, call):
        super().__init__()
        self.call, self.error = call, None
        self.start()

    def run(self):
        try:
            self.call()
        except OSError as e:
            self.error = e

    def join(self, timeout=60):
        super().join(timeout)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error


def keys(emu, prefix):
    found = emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=prefix + "/").get("Contents", [])
    return [o["Key"][len(prefix) + 1:] for o in found]


def body(emu, key):
    return emu.owner.get_object(Bucket=BUCKET, Key=key)["Body"].read()


@pytest.fixture(params=[(), ("writeback",)], ids=["in S3", "in the journal"])
def mounted(emu, admin, request):
    prefix = "".join(c for c in request.node.name if c.isalnum())
    where = admin.mount(f"s3://{BUCKET}/{prefix}", options(
        emu, "profile=admin2", f"state-dir={admin.dir}/state", *request.param))
    return pathlib.Path(where), prefix


def held_up(emu, operation, call, *before):
    """A call whose request of that kind takes some time, after those that fail before."""
    faults = [{"operation": operation, "count": 1, **f} for f in before]
    emu.admin("POST", "faults", [*faults, {"operation": operation, "count": 1, "effect": "none",
                                           "ms": 1500}])
    thread = Thread(call)
    wait_until(lambda: emu.admin("GET", "faults")[-1]["hits"] == 1)
    return thread


def swap(one, other):
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2) != 0:
        raise OSError(ctypes.get_errno(), "the exchange")


@contextlib.contextmanager
def again_and_again(call):
    """In a thread, until the end of what is done meanwhile, and at least once."""
    done = threading.Event()

    def run():
        call()
        while not done.is_set():
            call()

    thread = Thread(run)
    try:
        yield
    finally:
        done.set()
        thread.join()


def sync(admin, where):
    result = admin.run("sync", where)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("step", ["CopyObject", "DeleteObject*"])
def test_what_is_written_in_a_folder_that_moves(emu, admin, mounted, step):
    where, prefix = mounted
    (where / "d").mkdir()
    for name in ("log", "gone", "old", "attributes"):
        (where / "d" / name).write_text("first\n")
    sync(admin, where)
    folder = os.open(where / "d", os.O_RDONLY | os.O_DIRECTORY)
    log = os.open(where / "d" / "log", os.O_WRONLY | os.O_APPEND)
    late = os.open(where / "d" / "old", os.O_RDONLY)

    def make():
        with open(os.open("new", os.O_WRONLY | os.O_CREAT, dir_fd=folder), "w") as f:
            f.write("new\n")

    def append():
        os.write(log, b"second\n")
        os.fsync(log)

    def again():
        with open(os.open("old", os.O_WRONLY, dir_fd=folder), "w") as f:
            f.write("again\n")

    move = held_up(emu, step, lambda: (where / "d").rename(where / "e"))
    calls = [Thread(c) for c in (append, make, again,
                                 lambda: os.unlink("gone", dir_fd=folder),
                                 lambda: os.mkdir("sub", dir_fd=folder),
                                 lambda: os.chmod("attributes", 0o600, dir_fd=folder))]
    move.join()
    for call in calls:
        call.join()
    os.write(log, b"third\n")
    for fd in (log, late, folder):
        os.close(fd)
    want = {"log": "first\nsecond\nthird\n", "new": "new\n", "old": "again\n",
            "attributes": "first\n"}
    assert sorted(os.listdir(where)) == ["e"]
    assert sorted(os.listdir(where / "e")) == sorted([*want, "sub"])
    assert {n: (where / "e" / n).read_text() for n in want} == want
    assert (where / "e" / "attributes").stat().st_mode & 0o777 == 0o600
    sync(admin, where)
    assert [k for k in keys(emu, prefix) if not k.endswith("/")] == sorted("e/" + n for n in want)
    assert {n: body(emu, f"{prefix}/e/{n}").decode() for n in want} == want


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("changed", [False, True], ids=["as it was", "changed"])
def test_closing_what_is_being_replaced(emu, admin, mounted, changed):
    where, prefix = mounted
    (where / "f").write_text("old\n" * 30000)
    (where / "new").write_text("new\n")
    sync(admin, where)
    held = os.open(where / "f", os.O_RDWR)
    # Held open, the new one is copied before the rename returns.
    hold = os.open(where / "new", os.O_RDONLY)
    if changed:
        os.pwrite(held, b"changed", 0)
    # The copy is made, and who asked for it does not know that yet.
    move = held_up(emu, "CopyObject", lambda: (where / "new").rename(where / "f"),
                   {"effect": "error", "status": 503, "code": "SlowDown", "after": True})
    close = Thread(lambda: os.close(held))
    move.join()
    close.join()
    os.close(hold)
    assert os.listdir(where) == ["f"]
    assert (where / "f").read_text() == "new\n"
    sync(admin, where)
    assert keys(emu, prefix) == ["f"]


@pytest.mark.any_server(faulty=True)
@pytest.mark.by_hand
@pytest.mark.parametrize("names", [("file", "d"), ("d", "file")], ids="-".join)
def test_what_is_written_while_a_folder_and_a_file_swap(emu, admin, mounted, names):
    where, prefix = mounted
    (where / "d").mkdir()
    folder = os.open(where / "d", os.O_RDONLY | os.O_DIRECTORY)
    logs = {f"log{i}": 0 for i in range(6)}
    fds = {n: os.open(n, os.O_RDWR | os.O_APPEND | os.O_CREAT, dir_fd=folder) for n in logs}
    (where / "file").touch()
    fds["file"], logs["file"] = os.open(where / "file", os.O_RDWR | os.O_APPEND), 0

    def append(name):
        os.write(fds[name], b"x")
        os.fsync(fds[name])
        logs[name] += 1

    with contextlib.ExitStack() as stack:
        for name in logs:
            stack.enter_context(again_and_again(functools.partial(append, name)))
        for _ in range(15):
            swap(*(where / n for n in names))
    for fd in (*fds.values(), folder):
        os.close(fd)
    assert (where / "d").stat().st_size == logs.pop("file")
    assert {p.name: p.stat().st_size for p in (where / "file").iterdir()} == logs
    sync(admin, where)
    assert [k for k in keys(emu, prefix) if not k.endswith("/")] == ["d", *(f"file/{n}" for n in logs)]


@pytest.mark.any_server(faulty=True)
def test_what_is_read_while_a_file_and_a_folder_swap(emu, admin, mounted):
    where, prefix = mounted
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/f", Body=b"in the folder" * 20000)
    (where / "file").write_text("the file")
    sync(admin, where)
    assert os.listdir(where / "d") == ["f"]
    folder = os.open(where / "d", os.O_RDONLY | os.O_DIRECTORY)
    # The folder has gone to the other name by then, and the mount does not show it there yet.
    emu.admin("POST", "faults", {"operation": "CopyObject", "key": f"{prefix}/d", "count": 1,
                                 "effect": "none", "ms": 1500})
    move = Thread(lambda: swap(where / "file", where / "d"))
    wait_until(lambda: emu.admin("GET", "faults")[-1]["hits"] == 1)
    with open(os.open("f", os.O_RDONLY, dir_fd=folder), "rb") as f:
        assert f.read() == b"in the folder" * 20000
    move.join()
    os.close(folder)
    assert (where / "d").read_text() == "the file"


def look(folder):
    """What is not known, in a folder that moves."""
    with open(os.open("a", os.O_RDONLY, dir_fd=folder), "rb") as f:
        return f.read()


def list_again(folder):
    below = os.open("sub", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
    try:
        return sorted(os.listdir(below))
    finally:
        os.close(below)


@pytest.mark.parametrize(("call", "found"), [
    (lambda folder: os.stat("a", dir_fd=folder).st_size, 7), (look, b"content"),
    (list_again, ["x", "y"]), (lambda folder: os.getxattr(f"/proc/self/fd/{folder}/a", "user.k"), b"v"),
], ids=["stat", "open", "list", "getxattr"])
@pytest.mark.parametrize("known", [False, True], ids=["not known", "known"])
def test_what_is_looked_for_in_a_folder_that_moves(emu, admin, mounted, call, found, known):
    where, prefix = mounted
    for name in ("a", "sub/x", "sub/y"):
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/{name}", Body=b"content",
                             Metadata={"k": "v"})
    (where / "other").mkdir()
    (where / "other").rename(where / "first")
    sync(admin, where)
    folder = os.open(where / "d", os.O_RDONLY | os.O_DIRECTORY)
    if known:
        assert call(folder) == found
    # Nothing is left at the old place, and who moves it does not know that yet.
    move = held_up(emu, "DeleteObject*", lambda: (where / "d").rename(where / "e"),
                   {"effect": "error", "status": 503, "code": "SlowDown", "after": True})
    assert call(folder) == found
    move.join()
    assert call(folder) == found
    os.close(folder)


@pytest.mark.parametrize("mounted", [()], indirect=True, ids=["in S3"])
@pytest.mark.parametrize("moves", ["d/many", "d"])
def test_a_folder_that_is_read_while_it_moves(emu, admin, mounted, moves):
    where, prefix = mounted
    names = {f"{i:04}" for i in range(2050)}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/many/{n}"), names))
    assert (where / "d/many").is_dir()
    # The third page is asked for ahead, and comes when all has moved.
    emu.admin("POST", "faults", {"operation": "ListObjectsV2", "skip": 2, "count": 1, "effect": "none",
                                 "ms": 3000})
    with os.scandir(where / "d/many") as entries:
        seen = [next(entries).name]
        (where / moves).rename(where / "e")
        (where / "e" / "many" if moves == "d" else where / "e").joinpath("0000").unlink()
        seen += [e.name for e in entries]
    assert len(seen) == len(set(seen)) and set(seen) >= names - {"0000"}


def test_what_a_walk_lists_ahead_of_a_folder_that_moves(emu, admin, mounted):
    where, prefix = mounted
    folders = [f"{i:02}" for i in range(13)]
    names = [f"{i:02}" for i in range(85)]
    for folder in folders:
        for name in names:
            emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/{folder}/{name}")
    (where / "other").mkdir()
    (where / "other").rename(where / "first")
    sync(admin, where)
    assert os.listdir(where / "d") == [f for f in folders if (where / "d" / f).is_dir()]
    assert os.listdir(where / "d" / "00") == names
    # The first page ends within a folder. The second one is asked for ahead, and comes when all has
    # moved.
    emu.admin("POST", "faults", {"operation": "ListObjectsV2", "count": 1, "effect": "none",
                                 "ms": 10000})
    emu.admin("DELETE", "requests")
    assert os.listdir(where / "d" / "01") == names
    wait_until(lambda: emu.admin("GET", "faults")[-1]["hits"] == 1)
    (where / "d").rename(where / "e")
    wait_until(lambda: any(r["operation"] == "ListObjectsV2" and r["prefix"] == f"{prefix}/d/" and
                           r["bytes"] < 1000 for r in emu.admin("GET", "requests")))
    assert {f: os.listdir(where / "e" / f) for f in folders} == {f: names for f in folders}


@pytest.mark.any_server(faulty=True)
def test_who_waits_for_a_move_can_be_ended(emu, admin, mounted):
    """A large folder takes long: a program that opens something in it meanwhile is no prisoner."""
    where, prefix = mounted
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/from/f", Body=b"content")
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/from/sub/f", Body=b"content")
    emu.admin("POST", "faults", {"operation": "CopyObject", "count": 1, "effect": "none", "ms": 5000})
    assert (where / "from" / "f").exists()
    moving = Thread(lambda: os.rename(where / "from", where / "to"))
    wait_until(lambda: emu.admin("GET", "faults")[-1]["hits"] == 1)
    reader = subprocess.Popen(["cat", str(where / "from" / "f")], stdout=subprocess.DEVNULL)
    wait_until(lambda: pathlib.Path(f"/proc/{reader.pid}/stat").read_text().split()[2] in "SD")
    time.sleep(0.3)  # it is there long before the copy ends
    reader.terminate()
    assert reader.wait(60) == -signal.SIGTERM
    assert moving.is_alive(), "it had not ended"
    moving.join()
    assert (where / "to" / "f").read_bytes() == b"content"

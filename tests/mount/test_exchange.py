"""Two names that swap while the mount is killed, at each request in turn: afterwards either both did or
neither, whole, and nothing has the name in between."""
import contextlib
import ctypes
import itertools
import os
import pathlib
import signal
import sqlite3
import stat
import subprocess
import threading
import time

import pytest
from mounting import options, wait_for_what_is_under_way, wait_until

BUCKET = "test-bucket-1"
ALL = "EXCHANGE_ALL" in os.environ  # also of folders each request, not every fifth
MARK = ".s3apfs-exchange-"
libc = ctypes.CDLL(None, use_errno=True)
FILES = {"file": {"": 0o640}, "folder": {"f": 0o600, "sub/g": 0o755, "sub/h": 0o644}}


class Pair:
    """`one` and `other` in a mount; a side is {path below it: (content, mode)}."""

    def __init__(self, emu, place, prefix, more, bucket=BUCKET, state="state"):
        self.emu, self.place, self.prefix, self.bucket = emu, place, prefix, bucket
        self.source = f"s3://{bucket}/{prefix}"
        self.words = options(emu, "profile=admin2", f"state-dir={place.dir / state}",
                             f"cache-dir={place.dir}/cache", *more)
        emu.owner.put_object(Bucket=bucket, Key=f"{prefix}/first", Body=b"first")
        self.point = pathlib.Path(place.mount(self.source, self.words))
        (self.point / "deep").mkdir()
        self.names = [self.point / "one", self.point / "deep" / "other"]
        self.saves = 0

    def save(self, top, kind, way):
        """Files anew; those that are left open hold more than was promised."""
        side, handles = {}, []
        for name, mode in FILES[kind].items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self.saves += 1
            text = f"{kind} {name} {self.saves}"
            path.write_text(text)
            path.chmod(mode)
            side[name] = ({text}, mode)
            if way == "open":  # the mode of what was sent just before a kill is not always known
                side[name] = ({text}, None)
                handles.append(os.open(path, os.O_WRONLY | os.O_APPEND))
                os.write(handles[-1], b" and more")
                side[name][0].add(text + " and more")
        return side, handles

    def seen(self, top):
        paths = [pathlib.Path(d) / f for d, _, fs in os.walk(top) for f in fs] if top.is_dir() else [top]
        return {os.path.relpath(p, top) if p != top else "": (p.read_text(), p.stat().st_mode & 0o777)
                for p in paths}

    def is_side(self, top, side):
        seen = self.seen(top)
        return seen.keys() == side.keys() and all(
            seen[n][0] in side[n][0] and side[n][1] in (None, seen[n][1]) for n in seen)

    def swap(self):
        return libc.renameat2(-100, os.fsencode(self.names[0]), -100, os.fsencode(self.names[1]), 2)

    def held(self):
        """What all objects hold."""
        return {k: self.emu.owner.get_object(Bucket=self.bucket, Key=f"{self.prefix}/{k}")["Body"].read().decode()
                for k in self.keys()}

    def killed_in(self, done, skip):
        """Whether the exchange made so many requests; then the mount was killed in the next one."""
        self.emu.admin("POST", "faults", {"operation": "*Object*", "effect": "drop", "after": done,
                                          "skip": skip, "count": -1})
        thread = threading.Thread(target=self.swap)
        thread.start()
        while not (hit := self.emu.admin("GET", "faults")[0]["hits"] > 0) and thread.is_alive():
            time.sleep(0.002)
        pid = self.place.status(self.point)["pid"]
        os.kill(pid, signal.SIGKILL)
        thread.join()
        self.emu.admin("DELETE", "faults")
        wait_for_what_is_under_way(self.emu, pid)
        return hit

    def again(self):
        subprocess.run(["umount", "-l", str(self.point)], check=True)
        result = self.place.run("mount", self.source, self.point, "-o",
                                ",".join([f"log={self.place.dir}/log", *self.words]))
        assert result.returncode == 0, result.stderr
        for path in self.point.rglob("*.recovered-*"):  # what was not promised, and so is no side's
            path.unlink()

    def keys(self):
        return [o["Key"][len(self.prefix) + 1:] for o in
                self.emu.owner.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.prefix}/")["Contents"]]

    def is_whole(self, sides, what):
        """No name in between is left, and each of both has one side; whether they swapped."""
        assert not [k for k in self.keys() if MARK in k], what
        assert sorted(os.listdir(self.point)) == ["deep", "first", "one"], what
        assert os.listdir(self.point / "deep") == ["other"], what
        wait_until(lambda: self.place.status(self.point)["pending"] == [])
        swapped = all(map(self.is_side, self.names, reversed(sides)))
        seen = [self.seen(n) for n in self.names]
        assert swapped or all(map(self.is_side, self.names, sides)), f"{what}: {seen}"
        return swapped


def killed_at_each_request(pair, kinds, way):
    now, swapped, back = list(kinds), 0, 0
    step = 1 if ALL or "folder" not in kinds else 5
    for skip, done in itertools.product(range(0 if ALL else len(way) % step, 200, step), (False, True)):
        sides, handles = zip(*(pair.save(top, kind, way) for top, kind in zip(pair.names, now)), strict=True)
        hit = pair.killed_in(done, skip)
        for fd in itertools.chain(*handles):
            with contextlib.suppress(OSError):
                os.close(fd)
        pair.again()
        if pair.is_whole(sides, f"request {skip}, {'done' if done else 'not done'}"):
            now.reverse()
            swapped += 1
        else:
            back += 1
        if not hit:
            break
    print(swapped, "swapped,", back, "did not")
    assert not hit
    return swapped, back


def by_hand(value, **more):
    return pytest.param(value, marks=pytest.mark.by_hand, **more)


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("way", ["closed", by_hand("open")])
@pytest.mark.parametrize("more", [pytest.param((), id="in S3"), by_hand(("writeback",), id="in the journal")])
@pytest.mark.parametrize("kinds", [by_hand(("file", "file"), id="file-file"), by_hand(("folder", "folder"), id="folder-folder"),
                                   pytest.param(("file", "folder"), id="file-folder"),
                                   by_hand(("folder", "file"), id="folder-file")])
def test_a_kill_leaves_both_as_they_were_or_swapped(emu, admin, request, kinds, more, way):
    pair = Pair(emu, admin, request.node.name.replace("[", "/").rstrip("]"), more)
    swapped, back = killed_at_each_request(pair, kinds, way)
    assert swapped > 3 and back > 3


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("name", ["one", "deep/other"])
def test_what_another_host_makes_meanwhile_stays(emu, admin, request, name):
    pair = Pair(emu, admin, request.node.name.replace("[", "/").rstrip("]"), ())
    beside = 0
    for skip in range(40):
        sides = [pair.save(top, "file", "closed")[0][""][0].pop() for top in pair.names]
        hit = pair.killed_in(True, skip)
        with contextlib.suppress(emu.owner.exceptions.ClientError):
            emu.owner.put_object(Bucket=BUCKET, Key=f"{pair.prefix}/{name}", Body=b"theirs", IfNoneMatch="*")
        made = "theirs" in pair.held().values()
        pair.again()
        now = pair.held()
        assert not [k for k in now if MARK in k] and set(sides) <= set(now.values()), f"{skip}: {now}"
        assert (now[name] == "theirs") == made, f"{skip}: {now}"
        beside += any(".conflict-" in k for k in now)
        for path in pair.point.rglob("*.conflict-*"):
            path.unlink()
        if not hit:
            break
    assert not hit and beside > 0


@pytest.fixture
def told_at_the_end(admin):
    """A function that makes the journal keep what it knew of names when it forgot the exchange, and one that makes
    it know that again."""
    def change(script):
        [journal] = admin.dir.glob("state/**/*.db")
        with contextlib.closing(sqlite3.connect(journal)) as db:
            db.executescript(script)
    return (lambda: change("CREATE TABLE told AS SELECT * FROM known WHERE 0; CREATE TRIGGER tell BEFORE DELETE ON change "
                           "WHEN OLD.what = 'exchange' BEGIN INSERT INTO told SELECT * FROM known; END;"),
            lambda: change("DROP TRIGGER tell; DELETE FROM known; INSERT INTO known SELECT * FROM told;"))


@pytest.mark.parametrize("same", [False, True], ids=["other content", "same content"])
def test_what_is_known_goes_with_its_side_before_the_journal_forgets(emu, admin, request, told_at_the_end, same):
    """As after a kill between that moment and the next one, without the need to hit it."""
    pair = Pair(emu, admin, request.node.name.replace("[", "/").rstrip("]"), ())
    keep, recall = told_at_the_end
    pair.names[0].symlink_to("first")
    pair.names[1].write_text("first" if same else "a file")
    pair.names[1].chmod(0o604)
    admin.umount(pair.point)
    keep()
    pair.point = pathlib.Path(admin.mount(pair.source, pair.words))
    pair.names = [pair.point / "one", pair.point / "deep" / "other"]
    assert sorted(os.listdir(pair.point)) == ["deep", "first", "one"] and os.listdir(pair.point / "deep") == ["other"]
    assert pair.swap() == 0
    admin.umount(pair.point)
    recall()
    point = pathlib.Path(admin.mount(pair.source, pair.words))
    modes = {e.name: e.stat(follow_symlinks=False).st_mode for d in (point, point / "deep") for e in os.scandir(d)}
    assert stat.S_ISLNK(modes["other"]) and modes["one"] == stat.S_IFREG | 0o604
    assert os.readlink(point / "deep" / "other") == "first"

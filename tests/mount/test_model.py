"""A model test: the same random operations on the mount and on a local directory, with umounts and
kill -9 of the mount in between. Results, trees and contents must be the same, what was acknowledged
must be there afterwards, and at the end the bucket has what the mount shows.

MODEL_SEED, MODEL_STEPS and MODEL_KILLS choose the run; a failure prints its last operations."""
import collections
import contextlib
import ctypes
import errno
import os
import pathlib
import random
import re
import shutil
import signal
import stat
import subprocess
import threading
import time

import pytest
from mounting import options, wait_for_what_is_under_way

BUCKET = "test-bucket-1"
SEED = int(os.environ.get("MODEL_SEED", "1"))
STEPS = int(os.environ.get("MODEL_STEPS", "800"))
KILLS = int(os.environ.get("MODEL_KILLS", "8"))
NAMES = ["a", "a-b", "a.b", "b", "c", "é"]
DEAD = (errno.ENOTCONN, errno.ECONNABORTED)
DEAD_OR_ASKED = (*DEAD, errno.EIO)
MODES = [0o600, 0o644, 0o755, 0o444]
libc = ctypes.CDLL(None, use_errno=True)


class Died(Exception):
    """The mount was killed during the operation."""


class Handle:
    """A file that is open on both sides. `dirty` until what was written is acknowledged."""

    def __init__(self, fds, flags):
        self.fds, self.flags = list(fds), flags
        self.ino = os.fstat(fds[1]).st_ino
        self.writes = flags & os.O_ACCMODE != os.O_RDONLY

    def close(self, side):
        """Once: a close that fails has closed, and another thread may have got the number since."""
        fd, self.fds[side] = self.fds[side], -1
        os.close(fd)


class File:
    """What a file may hold after a kill, while not all of it is acknowledged: `safe` (None: it may
    be absent) is what was acknowledged last, `maybe` what may have become so since."""

    def __init__(self, safe):
        self.safe, self.maybe = safe, []


def outcome(call):
    try:
        return call()
    except OSError as e:
        return e


def tree(top):
    """{path: lstat} of what is below."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, top)] = os.lstat(path)
    return found


def modes(top):
    return {"": os.lstat(top).st_mode} | {p: s.st_mode for p, s in tree(top).items()}


def content(path):
    return os.readlink(path).encode() if os.path.islink(path) else pathlib.Path(path).read_bytes()


def is_folder(path):
    return os.path.isdir(path) and not os.path.islink(path)


def is_cut(data, whole):
    return isinstance(data, bytes) and isinstance(whole, bytes) and len(data) < len(whole) and whole.startswith(data)


def short(data):
    return None if data is None else f"{len(data)} bytes {data[:16]!r}"


class Model:
    def __init__(self, emu, place, prefix, writeback):
        self.emu, self.place, self.prefix, self.writeback = emu, place, prefix, writeback
        place.add_owner()
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/first", Body=b"first")
        self.words = options(emu, "profile=admin2", f"state-dir={place.dir}/state",
                             *(["writeback"] if writeback else []))
        self.local = place.dir / "local"
        self.local.mkdir()
        (self.local / "first").write_bytes(b"first")
        self.point = pathlib.Path(place.mount(f"s3://{BUCKET}/{prefix}", self.words))
        self.chance = random.Random(SEED)
        self.handles = []
        self.killing = False
        self.shown = {}  # times after the last mount
        self.files = {}  # by inode number of the local directory
        self.log = collections.deque(maxlen=int(os.environ.get('MODEL_LOG', '60')))
        self.counts = collections.Counter()

    # --- both sides ---

    def both(self, what, call):
        """call(top, side) on the mount, then on the local directory; the two results."""
        self.log.append(what)
        self.counts[what.split()[0]] += 1
        seen = outcome(lambda: call(self.point, 0))
        if isinstance(seen, OSError) and seen.errno in (DEAD_OR_ASKED if self.killing else DEAD):
            raise Died(what, call)
        if self.killing and what.startswith("write") and isinstance(seen, int) and seen < int(what.split()[-1]):
            raise Died(what, call)  # the kill cut it after some of its pieces
        wanted = outcome(lambda: call(self.local, 1))
        if self.killing and what.startswith(("pread", "read ")) and is_cut(seen, wanted):
            raise Died(what, call)
        self.compare(what, seen, wanted)
        return seen, wanted

    def compare(self, what, seen, wanted):
        if isinstance(seen, OSError) or isinstance(wanted, OSError):
            codes = [errno.errorcode[r.errno] if isinstance(r, OSError) else "works" for r in (seen, wanted)]
            codes = ["ENOTEMPTY" if c == "EEXIST" and "rename" in what else c for c in codes]
            assert codes[0] == codes[1], f"{what}: {codes[0]}, and locally {codes[1]}"
        elif isinstance(seen, bytes):
            assert seen == wanted, f"{what}: {short(seen)}, and locally {short(wanted)}"
        elif not what.startswith("open"):
            assert seen == wanted, f"{what}: {seen}, and locally {wanted}"

    # --- choices ---

    def folders(self):
        return [""] + sorted(p for p, s in tree(self.local).items() if stat.S_ISDIR(s.st_mode))

    def some_path(self, existing=0.6):
        """A path that exists, or any one in some folder."""
        there = sorted(tree(self.local))
        if there and self.chance.random() < existing:
            return self.chance.choice(there)
        folder = self.chance.choice([f for f in self.folders() if f.count("/") < 3])
        return os.path.join(folder, self.chance.choice(NAMES))

    def some_file(self):
        there = sorted(p for p, s in tree(self.local).items() if stat.S_ISREG(s.st_mode))
        return self.chance.choice(there) if there and self.chance.random() < 0.7 else self.some_path(0.3)

    def bytes(self):
        size = self.chance.choice([0, 1, 10, 1000, 5000, 5000, 70000, 200000])
        return self.chance.randbytes(size)

    # --- what is acknowledged ---

    def now(self, ino):
        for h in self.handles:
            if h.ino == ino:
                return pathlib.Path(f"/proc/self/fd/{h.fds[1]}").read_bytes()
        return None

    def changed(self, ino, before, new=False):
        """Before the first change since all was acknowledged: `before` is what is safe."""
        if new or ino not in self.files:
            self.files[ino] = File(None if new else before)

    def acknowledged(self, ino):
        self.files.pop(ino, None)

    def renew(self, path):
        """It may have got the inode number of a file that is gone."""
        with contextlib.suppress(OSError):
            ino = os.lstat(self.local / path).st_ino
            if not stat.S_ISREG(os.lstat(self.local / path).st_mode):
                self.acknowledged(ino)

    def seen_by_somebody(self, ino):
        if ino in self.files:
            self.files[ino].maybe.append(self.now(ino))

    # --- operations ---

    def do_open(self):
        path = self.some_file()
        flags = self.chance.choice([os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_CREAT,
                                    os.O_RDWR | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_EXCL,
                                    os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_APPEND])
        there = (self.local / path).is_file() and not (self.local / path).is_symlink()
        before = (self.local / path).read_bytes() if there else b""
        fds = self.both(f"open {path} {flags:o}",
                        lambda top, _: os.open(top / path, flags | os.O_NOFOLLOW, 0o644))
        if isinstance(fds[0], int) and (self.local / path).is_dir():
            self.both(f"close {path}", lambda _, side: os.close(fds[side]))
        elif isinstance(fds[0], int):
            h = Handle(fds, flags)
            self.handles.append(h)
            if not there or flags & os.O_TRUNC:
                self.changed(h.ino, before, not there)
            if len(self.handles) > 5:
                self.do_close()

    def do_close(self):
        if not self.handles:
            return
        h = self.handles.pop(self.chance.randrange(len(self.handles)))
        self.handles.insert(0, h)
        # Any close of this process that writes commits all of the file.
        self.seen_by_somebody(h.ino)
        self.both(f"close {h.ino}", lambda _, side: h.close(side))
        self.handles.pop(0)
        if h.writes:
            self.acknowledged(h.ino)

    def do_write(self):
        h = self.pick_handle()
        if h is None:
            return self.do_save()
        data = self.bytes()
        at = self.chance.choice([0, 0, 3, 4096, 100000, os.fstat(h.fds[1]).st_size])
        append = h.flags & os.O_APPEND
        if h.writes:
            self.changed(h.ino, self.now(h.ino))
        self.both(f"write {h.ino} {at} {len(data)}",
                  lambda _, side: os.write(h.fds[side], data) if append else os.pwrite(h.fds[side], data, at))

    def pick_handle(self):
        return self.chance.choice(self.handles) if self.handles else None

    @staticmethod
    def look(s):
        return oct(s.st_mode), 0 if stat.S_ISDIR(s.st_mode) else s.st_size

    def do_pread(self):
        h = self.pick_handle()
        if h is not None:
            at = self.chance.choice([0, 3, 4096, 100000])
            size = self.chance.choice([10, 5000, 300000])
            self.both(f"pread {h.ino} {at} {size}", lambda _, side: os.pread(h.fds[side], size, at))
            self.both(f"fstat {h.ino}", lambda _, side: self.look(os.fstat(h.fds[side])))

    def do_fsync(self):
        h = self.pick_handle()
        if h is not None:
            self.seen_by_somebody(h.ino)
            self.both(f"fsync {h.ino}", lambda _, side: os.fsync(h.fds[side]))
            self.acknowledged(h.ino)

    def do_ftruncate(self):
        h = self.pick_handle()
        if h is not None and h.writes:
            size = self.chance.choice([0, 5, 4096, 150000])
            self.changed(h.ino, self.now(h.ino))
            self.both(f"ftruncate {h.ino} {size}", lambda _, side: os.ftruncate(h.fds[side], size))

    def do_save(self):
        path = self.some_file()
        data = self.chance.randbytes(9 << 20) if self.chance.random() < 0.01 else self.bytes()
        append = self.chance.random() < 0.3
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_APPEND if append else os.O_TRUNC)
        there = (self.local / path).is_file() and not (self.local / path).is_symlink()
        before = (self.local / path).read_bytes() if there else b""
        fds = self.both(f"open {path} {flags:o} to save {len(data)}",
                        lambda top, _: os.open(top / path, flags, 0o666))
        if not isinstance(fds[0], int):
            return
        h = Handle(fds, flags)
        self.handles.append(h)
        if not there or not append:
            self.changed(h.ino, before, not there)
        elif data:
            self.changed(h.ino, before)
        self.both(f"write {h.ino} {len(data)}", lambda _, side: os.write(fds[side], data))
        self.seen_by_somebody(h.ino)
        self.both(f"close {h.ino}", lambda _, side: h.close(side))
        self.handles.remove(h)
        self.acknowledged(h.ino)

    def do_read(self):
        path = self.some_file()
        self.both(f"read {path}", lambda top, _: content(top / path))

    def do_truncate(self):
        path = self.some_file()
        size = self.chance.choice([0, 5, 4096, 150000])
        if (self.local / path).is_symlink():
            return
        if (self.local / path).is_file():
            self.changed(os.stat(self.local / path).st_ino, content(self.local / path))
            self.files[os.stat(self.local / path).st_ino].maybe += [
                content(self.local / path), content(self.local / path)[:size].ljust(size, b"\0")]
        self.both(f"truncate {path} {size}", lambda top, _: os.truncate(top / path, size))

    def do_stat(self):
        path = self.some_path()
        self.both(f"stat {path}", lambda top, _: self.look(os.lstat(top / path)))

    def do_readdir(self):
        path = self.chance.choice(self.folders())
        self.both(f"readdir {path}", lambda top, _: sorted(os.listdir(top / path)))

    def do_unlink(self):
        path = self.some_path(0.8)
        self.both(f"unlink {path}", lambda top, _: os.unlink(top / path))

    def do_rmdir(self):
        path = self.some_path(0.8)
        self.both(f"rmdir {path}", lambda top, _: os.rmdir(top / path))

    def do_mkdir(self):
        path = self.some_path(0.1)
        self.both(f"mkdir {path}", lambda top, _: os.mkdir(top / path))
        self.renew(path)

    def do_symlink(self):
        path, target = self.some_path(0.1), self.chance.choice(["a", "../b", "nowhere/é"])
        self.both(f"symlink {path}", lambda top, _: os.symlink(target, top / path))
        self.renew(path)

    def do_rename(self):
        one, other = self.some_path(0.9), self.some_path(0.5)
        inos = self.inos_at(one)
        free = not os.path.lexists(self.local / other)
        for ino in inos:
            if ino in self.files:
                self.files[ino].maybe.append(self.now(ino))
        self.both(f"rename {one} {other}", lambda top, _: os.rename(top / one, top / other))
        moved = not os.path.lexists(self.local / one)
        if moved and one != other and not (self.writeback and free and not is_folder(self.local / other)):
            for ino in inos:
                self.acknowledged(ino)

    def inos_at(self, path):
        top = self.local / path
        if not os.path.lexists(top):
            return []
        if os.path.islink(top):
            return [os.lstat(top).st_ino]
        return [os.lstat(top).st_ino] + [s.st_ino for s in tree(top).values()]

    def do_exchange(self):
        one, other = self.some_path(0.95), self.some_path(0.95)
        inos = self.inos_at(one) + self.inos_at(other)
        for ino in inos:
            if ino in self.files:
                self.files[ino].maybe.append(self.now(ino))

        def swap(top, _):
            if libc.renameat2(-100, os.fsencode(top / one), -100, os.fsencode(top / other), 2) != 0:
                raise OSError(ctypes.get_errno(), "renameat2")
        seen, _ = self.both(f"exchange {one} {other}", swap)
        if seen is None and one != other:
            for ino in inos:
                self.acknowledged(ino)

    def do_chmod(self):
        path, mode = self.some_path(0.95), self.chance.choice(MODES)
        if not (self.local / path).is_symlink():
            self.both(f"chmod {path} {mode:o}", lambda top, _: os.chmod(top / path, mode))

    def do_utimens(self):
        path, ns = self.some_path(0.95), self.chance.randrange(10**18, 17 * 10**17)

        def touch(top, _):
            os.utime(top / path, ns=(ns, ns), follow_symlinks=False)
            return os.lstat(top / path).st_mtime_ns
        if not (self.local / path).is_dir():
            self.both(f"utimens {path} {ns}", touch)

    OPERATIONS = {"open": 8, "close": 6, "write": 8, "pread": 6, "fsync": 2, "ftruncate": 3, "save": 10,
                  "read": 6, "truncate": 2, "stat": 8, "readdir": 5, "unlink": 5, "rmdir": 3, "mkdir": 6,
                  "symlink": 3, "rename": 9, "exchange": 2, "chmod": 3, "utimens": 3}

    def step(self):
        name = self.chance.choices(list(self.OPERATIONS), self.OPERATIONS.values())[0]
        getattr(self, f"do_{name}")()

    # --- umount, kill, mount ---

    def mount(self):
        result = self.place.run("mount", f"s3://{BUCKET}/{self.prefix}", self.point, "-o", ",".join(
            ["log=" + str(self.place.dir / "log"), "cache-dir=" + str(self.place.dir / "cache"),
             *self.words]))
        assert result.returncode == 0, result.stderr + self.place.log()

    def times(self):
        return {p: s.st_mtime_ns for p, s in tree(self.point).items() if not stat.S_ISDIR(s.st_mode)}

    def again(self):
        self.log.append("umount, mount")
        while self.handles:
            self.do_close()
        times = self.times()
        self.check()
        result = self.place.run("umount", self.point)
        assert result.returncode == 0, result.stderr
        self.mount()
        self.files.clear()
        self.check()
        self.check_times(times)
        self.shown = times

    def check_times(self, times, but=()):
        """But of those whose writer was killed, and so what was written last."""
        for path, now in self.times().items():
            if path in times and path not in but:
                assert times[path] == now, f"{path} was changed {times[path]}, and after the mount {now}"

    def check(self):
        """The trees are the same in names, types, modes, sizes, contents and targets."""
        seen, wanted = tree(self.point), tree(self.local)
        assert sorted(seen) == sorted(wanted), (
            f"only in the mount: {sorted(set(seen) - set(wanted))}, only locally: {sorted(set(wanted) - set(seen))}")
        for path, s in wanted.items():
            assert oct(seen[path].st_mode) == oct(s.st_mode), f"mode of {path}"
            if stat.S_ISDIR(s.st_mode):
                continue
            assert seen[path].st_size == s.st_size, f"size of {path}: {seen[path].st_size}, not {s.st_size}"
            data, due = content(self.point / path), content(self.local / path)
            assert data == due, f"{path}: {short(data)}, not {short(due)}"

    def kill(self):
        """Ends the mount, at rest or in the middle of a request that gets no answer."""
        pid = self.place.status(self.point)["pid"]
        times = self.times()
        died = None
        self.killing = True
        at_rest = self.chance.random() >= 0.7
        if at_rest:
            os.kill(pid, signal.SIGKILL)
        else:
            died = self.work_until_killed(pid)
        self.log.append(f"killed, {'at rest' if at_rest else 'in ' + died[0] if died else 'at work'}")
        self.killing = False
        self.emu.admin("DELETE", "faults")
        for h in self.handles:
            with contextlib.suppress(OSError):
                h.close(0)
        wait_for_what_is_under_way(self.emu, pid)
        subprocess.run(["umount", "-l", str(self.point)], check=True)
        if died is not None:  # what it did shows as what another host did: behind a kept listing
            shutil.rmtree(self.place.dir / "cache", ignore_errors=True)
        self.mount()
        self.judge(died)
        self.settle(*(died or ("", None)))
        for h in self.handles:
            with contextlib.suppress(OSError):
                h.close(1)
        self.handles.clear()
        self.files.clear()
        self.check()
        if at_rest:  # else what was done since may have changed them
            # What was written shortly before a kill may show the time that S3 has, until that is asked.
            old = {p: t for p, t in times.items() if self.shown.get(p) == t}
            self.check_times(old, self.unsure)
        self.shown = self.times()

    def moment(self):
        """A function that waits for the moment of the kill: a request that gets no answer."""
        self.emu.admin("POST", "faults", {
            "operation": "*Object*" if self.chance.random() < 0.8 else "*", "effect": "drop",
            "after": self.chance.random() < 0.5, "skip": self.chance.randrange(8), "count": -1})

        def hit():
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline and self.emu.admin("GET", "faults")[0]["hits"] == 0:
                time.sleep(0.005)
        return hit

    def work_until_killed(self, pid):
        wait = self.moment()

        def killer():
            wait()
            os.kill(pid, signal.SIGKILL)
        thread = threading.Thread(target=killer)
        thread.start()
        died = None
        try:
            while thread.is_alive():
                self.step()
            self.do_stat()
        except Died as e:
            died = e.args
        thread.join()
        return died

    def judge(self, died):
        """Brings the local directory to what the mount may have become: files that were not acknowledged
        to one of their contents, and the operation that was under way done or not."""
        self.unsure = set()
        try:
            self.take_over()
            if died is None or not self.swapped_alike(*died):
                return
            before = "what swapped its names shows the other's mode"
        except AssertionError as e:
            if died is None:
                raise
            before = e
        self.half_done(*died)
        outcome(lambda: died[1](self.local, 1))
        try:
            self.take_over()
        except AssertionError as e:
            raise AssertionError(f"{before}; with the operation done: {e}") from e

    def swapped_alike(self, what, _):
        """Whether two of the same content swapped their names: only their modes tell."""
        words = what.split()
        if words[0] != "exchange":
            return False
        if not all(os.path.lexists(top / p) for top in (self.point, self.local) for p in words[1:]):
            return False
        seen, due = ([modes(top / p) for p in words[1:]] for top in (self.point, self.local))
        return seen != due and seen == due[::-1]

    def half_done(self, what, _):
        """A file that was being renamed may have both names: then the old one goes."""
        words = what.split()
        if words[0] == "rename" and not is_folder(self.local / words[1]):
            with contextlib.suppress(OSError):
                if content(self.point / words[1]) == content(self.point / words[2]):
                    os.unlink(self.point / words[1])

    def settle(self, what, call):
        """What of attributes was under way shows only when S3 is asked: so they are set again."""
        words = what.split() or [""]
        if words[0] in ("chmod", "utimens"):
            for side, top in enumerate((self.point, self.local)):
                outcome(lambda: call(top, side))
        elif words[0] in ("symlink", "rename"):
            name = words[-1]
            if os.path.lexists(self.local / name) and not is_folder(self.local / name):
                os.unlink(self.point / name)
                os.unlink(self.local / name)
        for path in self.unsure:
            if os.path.exists(self.local / path):
                os.chmod(self.point / path, 0o644)
                os.chmod(self.local / path, 0o644)

    def take_over(self):
        wanted = tree(self.local)
        seen = tree(self.point)
        copies = [p for p in seen if re.search(r"\.recovered-", p)]
        changes = []
        for path, s in wanted.items():
            assert path not in seen or stat.S_ISDIR(s.st_mode) == stat.S_ISDIR(seen[path].st_mode), f"type of {path}"
            unsure = self.files.get(s.st_ino)
            if unsure is None:
                assert path in seen, f"{path} is gone"
                continue
            self.unsure.add(path)
            allowed = [unsure.safe, *unsure.maybe]
            if path not in seen:
                assert None in allowed, f"{path} was acknowledged and is gone"
                changes.append((path, None))
                continue
            data = content(self.point / path)
            # A new file is put empty by some opens.
            assert data in allowed or (data == b"" and None in allowed), (
                f"{path}: {short(data)}, not one of {[short(a) for a in allowed]}")
            changes.append((path, data))
        extra = set(seen) - set(wanted) - set(copies)
        assert not extra, f"these were removed, or never there: {sorted(extra)}"
        for path, s in wanted.items():
            if s.st_ino not in self.files and not stat.S_ISDIR(s.st_mode):
                data, due = content(self.point / path), content(self.local / path)
                assert data == due, f"{path}: {short(data)}, not {short(due)}"
        for path, data in changes:
            if data is None:
                os.unlink(self.local / path)
            else:
                os.chmod(self.local / path, 0o600)
                (self.local / path).write_bytes(data)
                os.chmod(self.local / path, seen[path].st_mode & 0o7777)
        for path in copies:
            os.unlink(self.point / path)

    # --- the end ---

    def compare_bucket(self):
        result = self.place.run("sync", self.point)
        assert result.returncode == 0, result.stderr
        assert self.place.status(self.point)["pending"] == []
        there = {}
        for page in self.emu.owner.get_paginator("list_objects_v2").paginate(
                Bucket=BUCKET, Prefix=f"{self.prefix}/"):
            for o in page.get("Contents", []):
                there[o["Key"][len(self.prefix) + 1:]] = o["Key"]
        files = {p for p, s in tree(self.point).items() if not stat.S_ISDIR(s.st_mode)}
        folders = {p + "/" for p, s in tree(self.point).items() if stat.S_ISDIR(s.st_mode)}
        assert {k for k in there if not k.endswith("/")} == files
        assert {k for k in there if k.endswith("/") and k} <= folders
        for path in files:
            body = self.emu.owner.get_object(Bucket=BUCKET, Key=there[path])["Body"].read()
            assert body == content(self.point / path), path


def run(model):
    chance = random.Random(SEED + 1)
    kills = 0
    steps, wanted = STEPS // model.emu.slowness, KILLS // model.emu.slowness
    each = max(steps // (wanted * 2), 1) if wanted else steps // 4
    for i in range(steps):
        model.step()
        if i % each == each - 1:
            if kills < wanted and chance.random() < 0.7:
                model.kill()
                kills += 1
            else:
                model.again()
    model.again()
    model.compare_bucket()
    return kills


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("writeback", [False, True], ids=["in S3", "in the journal"])
def test_model(emu, place, writeback):
    model = Model(emu, place, f"model{int(writeback)}", writeback)
    try:
        kills = run(model)
    except Exception:
        print(f"MODEL_SEED={SEED}; the last operations:", *model.log, sep="\n")
        raise
    finally:
        for h in model.handles:
            for side in range(2):
                with contextlib.suppress(OSError):
                    h.close(side)
    print(f"seed {SEED}: {sum(model.counts.values())} operations, {kills} kills", dict(model.counts))

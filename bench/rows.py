"""The rows of the benchmark: a table of data.

`words` is the command, with {load} for build/bench/load, {dir} for the row's folder
in the mount, {work} for a folder on the local disk, {half} for 512 (MiB) and {middle}
for an odd offset inside such an object. `limit` is the yardstick: a
function of limits.py and its arguments. A goal compares the median of a figure
(seconds, cpu per GiB, memory, down, wire, or a kind of request) with a number, or with
the same figure of the yardstick ("limit"), of another client, or of another row.
"""
import dataclasses
import fnmatch

import datasets

MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Goal:
    figure: str
    at_most: float
    against: str = ""  # "", "limit", a client's name, or "row NAME"


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    data: str
    words: tuple
    far: bool = False
    cache: str = ""  # "", "fill", "again" (a second read), "third" (ro), "remount" (by a second mount)
    limit: tuple = ()
    bytes: int = 0  # that the program reads or writes, for costs per GiB
    goals: tuple = ()
    writes: bool = False
    prepare: tuple = ()  # a function of datasets.py and arguments, before each mount
    check: tuple = ()  # another one, which tells whether S3 has the result


MEMORY = Goal("memory", 256 * MIB)  # of every row
NO_HEAD = Goal("HEAD", 1)  # none but the one that finds the folder itself
FROM_DISK = (Goal("seconds", 1 / 0.9, "limit"), Goal("down", MIB))
GIB = 1024 * MIB


def shell(text):
    return ("sh", "-c", text)


READ = ("{load}", "read", "{dir}/object")
FOUR = ("{load}", "together", *(f"{{dir}}/{i}" for i in range(4)))

READING = (
    Row("read-near", "read 1 GiB, near", "big", READ, limit=("ranges", "big"), bytes=GIB,
        goals=(Goal("seconds", 0.65, "mount-s3"), Goal("seconds", 1.7, "limit"),
               Goal("cpu", 0.7, "mount-s3"))),
    Row("read-far", "read 1 GiB, far", "big", READ, far=True, limit=("ranges", "big"), bytes=GIB,
        goals=(Goal("seconds", 1.25, "limit"),)),
    Row("fill-near", "read 1 GiB, near, filling the disk cache", "big", READ, cache="fill",
        bytes=GIB, goals=(Goal("seconds", 1.35, "row read-near"),)),
    Row("fill-far", "read 1 GiB, far, filling the disk cache", "big", READ, far=True,
        cache="fill", bytes=GIB, goals=(Goal("seconds", 1.15, "row read-far"),)),
    Row("again", "read 1 GiB again from the disk cache / the disk itself", "big", READ, far=True,
        cache="again", limit=("disk", "big"), bytes=GIB, goals=FROM_DISK),
    Row("third", "a third time, read only: with passthrough, near / the disk itself", "big", READ,
        cache="third", limit=("disk", "big"), bytes=GIB, goals=(Goal("seconds", 1 / 0.98, "limit"), Goal("down", MIB))),
    Row("remount", "the same by a later mount / the disk itself", "big", READ, far=True,
        cache="remount", limit=("disk", "big"), bytes=GIB, goals=FROM_DISK),
    Row("four-near", "4 x 128 MiB at once, near", "four", FOUR, limit=("ranges", "four"),
        bytes=512 * MIB, goals=(Goal("seconds", 1.0, "mount-s3"),)),
    Row("four-far", "4 x 128 MiB at once, far", "four", FOUR, far=True,
        limit=("ranges", "four"), bytes=512 * MIB, goals=(Goal("seconds", 1.0, "mount-s3"),)),
    Row("find-10k", "find in 10,000 keys, far", "keys10k", ("find", "{dir}"), far=True,
        limit=("lists", "keys10k"), goals=(Goal("seconds", 1.15, "limit"), NO_HEAD)),
    Row("find-100k", "find in 100,000 keys, far", "keys100k", ("find", "{dir}"), far=True,
        limit=("lists", "keys100k"), goals=(Goal("seconds", 1.15, "limit"), NO_HEAD)),
    Row("tree", "ls -lR of 20 x 100, far", "tree", ("ls", "-lR", "{dir}"), far=True,
        limit=("lists", "tree"),
        goals=(Goal("seconds", 1.15, "limit"), NO_HEAD, Goal("LIST", 4))),
    Row("cat-200", "cat of 200 x 8 KiB one after another, far", "few",
        shell("cat {dir}/* >/dev/null"), far=True, limit=("gets", "few", 1),
        goals=(Goal("seconds", 1.0),)),
    Row("small-threads", "2,000 x 8 KiB by 16 threads, far", "small",
        ("{load}", "threads", "16", "{dir}"), far=True, limit=("gets", "small", 16),
        goals=(Goal("seconds", 1.5),)),
    Row("small-xargs", "2,000 x 8 KiB by xargs -P16 -n20 cat, far", "small",
        shell("cd {dir} && ls | xargs -P16 -n20 cat >/dev/null"), far=True,
        limit=("gets", "small", 16), goals=(Goal("seconds", 2.5),)),
    Row("random", "100 random 4 KiB reads of 1 GiB, far", "big",
        ("{load}", "random", "100", "{dir}/object"), far=True, limit=("places", "big", 100),
        goals=(Goal("seconds", 3.2), Goal("down", 100 * 128 * 1024 * 1.02))),
    Row("faults", "100 random mmap faults of 1 GiB, far", "big",
        ("{load}", "faults", "100", "{dir}/object"), far=True, limit=("places", "big", 100),
        goals=(Goal("seconds", 3.2), Goal("down", 100 * MIB * 1.02))),
    Row("first", "first byte after open of a known name, far", "big",
        ("{load}", "first", "{dir}/object"), far=True, limit=("first", "big"),
        goals=(Goal("seconds", 0.040),)),
    Row("archive", "tar -t of 300 x 1 MB, far", "archive",
        ("tar", "-tf", "{dir}/members.tar"), far=True,
        goals=(Goal("seconds", 1.0, "mount-s3"),)),
)

OUT = "{dir}/new"
GIT = ("git -c init.defaultBranch=main init -q {dir}/new && cd {dir}/new && "
       "tar -xf {work}/hundred.tar && git add . && "
       "git -c user.name=bench -c user.email=bench@example.com commit -qm files")
SQLITE = ("import sqlite3; c = sqlite3.connect('{dir}/new.db'); "
          "c.execute('create table t (a, b)'); "
          "c.executemany('insert into t values (?, ?)', ((i, 'x' * 50) for i in range(1000))); "
          "c.commit(); c.close()")
EMPTY = ("empty", "out/new")
HALF = ("half", "change/object", "change/renamed")
HALF_SIZE = datasets.HALF

WRITING = (
    Row("write-near", "write 512 MiB and close, near", "out", ("{load}", "write", "{half}", OUT),
        limit=("parts",), bytes=512 * MIB, writes=True, check=("has", "out/new", HALF_SIZE),
        prepare=EMPTY,
        goals=(Goal("seconds", 0.8, "mount-s3"),)),
    Row("write-far", "write 512 MiB and close, far", "out", ("{load}", "write", "{half}", OUT),
        far=True, limit=("parts",), bytes=512 * MIB, writes=True, check=("has", "out/new", HALF_SIZE),
        prepare=EMPTY,
        goals=(Goal("seconds", 0.8, "mount-s3"), Goal("seconds", 1.2, "limit"))),
    Row("patch", "overwrite 40 KiB inside 512 MiB, far", "change",
        ("{load}", "patch", "{middle}", "40960", "{dir}/object"), far=True,
        writes=True, check=("differs", "change/object", HALF_SIZE),
        prepare=HALF, goals=(Goal("requests", 10), Goal("wire", 24 * MIB))),
    Row("append", "append a line to 512 MiB, far", "change",
        ("{load}", "append", "{dir}/object"), far=True, writes=True, check=("has", "change/object", HALF_SIZE + 14),
        prepare=HALF,
        goals=(Goal("requests", 9), Goal("wire", 16 * MIB))),
    Row("rename", "rename 512 MiB, far", "change",
        ("{load}", "rename", "{dir}/object", "{dir}/renamed"), far=True, writes=True,
        check=("has", "change/renamed", HALF_SIZE),
        prepare=HALF, goals=(Goal("wire", 1 * MIB),)),
    Row("rename-folder", "rename a folder of 1,000 files, far", "change",
        ("{load}", "rename", "{dir}/folder", "{dir}/moved"), far=True, writes=True,
        check=("holds", "change/moved/", 1000),
        prepare=("thousand", "change/folder", "change/moved"), goals=(Goal("seconds", 2.0),)),
    Row("untar", "untar 200 x 8 KiB, far", "out",
        shell("mkdir {dir}/new && tar -xf {work}/few.tar -C {dir}/new"), far=True,
        limit=("puts", 200, 8192), writes=True, check=("holds", "out/new/", 200),
        prepare=EMPTY,
        goals=(Goal("seconds", 1.15, "limit"),)),
    Row("git", "git init, add, commit of 100 files, far", "out", shell(GIT), far=True, writes=True,
        check=("holds", "out/new/.git/refs/heads/", 1),
        prepare=EMPTY, goals=(Goal("seconds", 9.0),)),
    Row("sqlite", "sqlite: 1,000 rows in one transaction, far", "out", ("python3", "-c", SQLITE),
        far=True, writes=True, check=("holds", "out/new.db", 1),
        prepare=EMPTY, goals=(Goal("seconds", 1.0),)),
)

ROWS = READING + WRITING


def chosen(text):
    """Rows by ROWS=: names and patterns with commas; reading, writing, all."""
    groups = {"": READING, "reading": READING, "writing": WRITING, "all": ROWS}
    rows = []
    for word in text.split(","):
        found = groups.get(word, [r for r in ROWS if fnmatch.fnmatch(r.name, word)])
        if not found:
            raise SystemExit(f"no row is named {word}; there are: "
                             + " ".join(r.name for r in ROWS))
        rows += [r for r in found if r not in rows]
    return rows

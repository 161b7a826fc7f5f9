"""kill -9 of the mount while a program writes: what a close, an fsync or a change of a name
promised is there afterwards, in the mount and in S3, and no object is half a save. The kills
are spread over what the mount is doing: each kind waits at a request that gets no answer."""
import contextlib
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from mounting import options, wait_for_what_is_under_way

BUCKET = "test-bucket-1"
KILLS = int(os.environ.get("CRASH_KILLS", "11"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
FILES = 4
# What a writer does over and over so that a kind is reached; else anything.
WISHES = {"open": "append", "copy": "replace", "copy unanswered": "replace", "rename half done": "replace",
          "removal unanswered": "unlink"}
# What the mount is in the middle of: the request that gets no answer, and whether S3 has done it.
KINDS = {
    "anywhere": None,
    "open": ("HeadObject", False),
    "put": ("PutObject", False),
    "put unanswered": ("PutObject", True),
    "part": ("UploadPart", False),
    "complete": ("CompleteMultipartUpload", False),
    "complete unanswered": ("CompleteMultipartUpload", True),
    "copy": ("CopyObject", False),
    "copy unanswered": ("CopyObject", True),
    "rename half done": ("DeleteObject*", False),
    "removal unanswered": ("DeleteObject*", True),
}


class Writer:
    """Saves files over and over. `promised` is what was acknowledged last, `tried` what was
    being saved when the mount died: an object must be exactly one of them."""

    def __init__(self, point, seed):
        self.point, self.chance = point, random.Random(seed)
        self.promised, self.tried = {}, {}
        self.gone = set()
        self.died = threading.Event()
        self.saves = 0
        self.large = False
        self.wish = None

    def content(self):
        size = 12 << 20 if self.large else self.chance.choice([0, 10, 5000, 200000, 12 << 20])
        return self.chance.randbytes(size)

    def save(self, name):
        path = self.point / name
        known = self.promised.get(name)
        wish = self.wish if self.chance.random() < 0.7 else None
        if known and (wish == "append" or (not wish and self.chance.random() < 0.4)):
            line = self.chance.randbytes(self.chance.choice([20, 3000]))
            self.tried[name] = known + line
            with open(path, "ab", buffering=0) as f:
                f.write(line)
                if self.chance.random() < 0.5:
                    os.fsync(f.fileno())
                    self.promised[name] = known + line
        elif known and (wish == "unlink" or (not wish and self.chance.random() < 0.2)):
            self.tried[name] = None
            os.unlink(path)
        elif wish == "replace" or (not wish and self.chance.random() < 0.4):
            data = self.content()
            self.gone.discard(f"{name}.tmp")
            (self.point / f"{name}.tmp").write_bytes(data)
            self.tried[name] = data
            os.replace(self.point / f"{name}.tmp", path)
            self.gone.add(f"{name}.tmp")
        else:
            data = self.content()
            self.tried[name] = data
            with open(path, "wb", buffering=0) as f:
                for at in range(0, len(data), 1 << 20):
                    f.write(data[at:at + (1 << 20)])
        self.promised[name] = self.tried[name]
        self.saves += 1

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                self.save(f"f{self.chance.randrange(FILES)}")
        self.died.set()


def objects(emu, prefix):
    found = emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=prefix + "/").get("Contents", [])
    return {o["Key"][len(prefix) + 1:]: emu.owner.get_object(Bucket=BUCKET, Key=o["Key"])["Body"].read()
            for o in found}


def requests(emu):
    return emu.admin("GET", "requests")[-300:]


def tell(emu, writer, key, name, seen, there):
    """Which of its contents the mount shows and which the bucket has, and how that came about."""
    known = {"promised": writer.promised.get(name), "tried": writer.tried[name],
             "what the bucket had": there}
    now = emu.owner.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    which = [what for what, data in known.items() if data == seen]
    lines = [f"{name} reads {len(seen)} bytes ({', '.join(which) or 'none of its contents'}), the bucket "
             f"had {len(there)} and has {len(now)}",
             *(f"{what}: {None if data is None else len(data)} bytes" for what, data in known.items()),
             *(str(r) for r in requests(emu) if r.get("key") == key)]
    return "\n".join(lines)


def check(emu, writer, point, prefix):
    there = objects(emu, prefix)
    for name in set(writer.promised) | set(writer.tried):
        allowed = [writer.promised.get(name), writer.tried[name]]
        if name not in there:
            assert None in allowed, f"{name} was promised and is gone"
            assert not (point / name).exists()
            writer.promised[name] = None
            continue
        assert allowed != [None, None], f"{name} was removed and is back"
        assert there[name] in allowed or (there[name] == b"" and allowed[0] is None), (
            f"{name} is half a save: {len(there[name])} bytes, not "
            f"{[a if a is None else len(a) for a in allowed]}")
        seen = (point / name).read_bytes()
        if seen != there[name]:
            pytest.fail(tell(emu, writer, f"{prefix}/{name}", name, seen, there[name]), pytrace=False)
        writer.promised[name] = there[name]
    assert not writer.gone & set(there), "what was renamed has its old name too"


def stop_at(emu, writer, kind):
    """Waits until the mount hangs in a request of this kind, or for a moment where none comes."""
    if KINDS[kind] is None:
        time.sleep(writer.chance.uniform(0.02, 0.5 * emu.slowness))
        return True
    operation, done = KINDS[kind]
    effect = "hang" if operation.startswith("Co") else "drop"  # what has no body cannot hang
    emu.admin("POST", "faults", {"operation": operation, "effect": effect, "after": done,
                                 "skip": writer.chance.randrange(3), "count": -1})
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and emu.admin("GET", "faults")[0]["hits"] == 0:
        time.sleep(0.01)
    time.sleep(writer.chance.uniform(0, 0.05))
    return emu.admin("GET", "faults")[0]["hits"] > 0


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("more", [(), ("writeback",)], ids=["in S3", "in the journal"])
def test_promises_are_kept(emu, admin, more):
    prefix = "crash" + "".join(more)
    words = options(emu, "profile=admin2", f"state-dir={admin.dir}/state", *more)
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/f0", Body=b"first")
    point = admin.mount(f"s3://{BUCKET}/{prefix}", words)
    writer = Writer(point, SEED)
    writer.promised["f0"] = writer.tried["f0"] = b"first"
    kinds = list(KINDS)
    reached = dict.fromkeys(kinds, 0)
    kills = KILLS if not more else KILLS // 2
    for i in range(kills):
        kind = kinds[i % len(kinds)]
        writer.large = kind.startswith(("part", "complete"))
        writer.wish = WISHES.get(kind)
        thread = threading.Thread(target=writer.run)
        pid = admin.status(point)["pid"]
        writer.died.clear()
        thread.start()
        if stop_at(emu, writer, kind):
            reached[kind] += 1
        os.kill(pid, signal.SIGKILL)
        emu.admin("DELETE", "faults")
        wait_for_what_is_under_way(emu, pid)
        thread.join(60)
        assert writer.died.is_set()
        subprocess.run(["umount", "-l", str(point)], check=True)
        result = admin.run("mount", f"s3://{BUCKET}/{prefix}", point, "-o",
                           ",".join(["log=" + str(admin.dir / "log"), *words]))
        assert result.returncode == 0, result.stderr + admin.log()
        check(emu, writer, point, prefix)
        assert admin.status(point)["pending"] == []
    print(reached, writer.saves, "saves")
    assert writer.saves > kills // 2 and min(reached.values()) >= kills // len(kinds), reached
    uploads = emu.owner.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    # Between the service's answer and its note in the journal nobody knows of an upload.
    assert len([u for u in uploads if u["Key"].startswith(prefix + "/f")]) <= KILLS // 4 + 1

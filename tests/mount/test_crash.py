"""kill -9 of the mount while a program writes: what a close or an fsync promised is there
afterwards, in the mount and in S3, and no object is half a save."""
import contextlib
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from mounting import options

BUCKET = "test-bucket-1"
KILLS = int(os.environ.get("CRASH_KILLS", "6"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
FILES = 4


class Writer:
    """Saves files over and over. `promised` is what was acknowledged last, `tried` what was
    being saved when the mount died: an object must be exactly one of them."""

    def __init__(self, point, seed):
        self.point, self.chance = point, random.Random(seed)
        self.promised, self.tried = {}, {}
        self.died = threading.Event()
        self.saves = 0

    def content(self):
        size = self.chance.choice([0, 10, 5000, 200000, 12 << 20])
        return self.chance.randbytes(size)

    def save(self, name):
        path = self.point / name
        known = self.promised.get(name, b"")
        if known and self.chance.random() < 0.4:
            line = self.chance.randbytes(self.chance.choice([20, 3000]))
            self.tried[name] = known + line
            with open(path, "ab", buffering=0) as f:
                f.write(line)
                if self.chance.random() < 0.5:
                    os.fsync(f.fileno())
                    self.promised[name] = known + line
        elif self.chance.random() < 0.3:
            data = self.content()
            (self.point / f"{name}.tmp").write_bytes(data)
            self.tried[name] = data
            os.replace(self.point / f"{name}.tmp", path)
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


@pytest.fixture
def admin(place):
    (place.dir / "credentials").open("a").write(
        "[admin2]\naws_access_key_id = AKIAEXAMPLEADMIN0002\n"
        "aws_secret_access_key = example/secret+of/admin/222222222222/0000\n")
    return place


def check(emu, writer, point, prefix):
    there = objects(emu, prefix)
    for name in set(writer.promised) | set(writer.tried):
        allowed = [writer.promised.get(name), writer.tried[name]]
        if name not in there:
            assert allowed[0] is None, f"{name} was promised and is gone"
            continue
        assert there[name] in allowed or (there[name] == b"" and allowed[0] is None), (
            f"{name} is half a save: {len(there[name])} bytes, not "
            f"{[a if a is None else len(a) for a in allowed]}")
        assert (point / name).read_bytes() == there[name]
        writer.promised[name] = there[name]


def test_promises_are_kept(emu, admin):
    prefix = "crash"
    words = options(emu, "profile=admin2", f"state-dir={admin.dir}/state")
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/f0", Body=b"first")
    point = admin.mount(f"s3://{BUCKET}/{prefix}", words)
    writer = Writer(point, SEED)
    writer.promised["f0"] = writer.tried["f0"] = b"first"
    for _ in range(KILLS):
        thread = threading.Thread(target=writer.run)
        pid = admin.status(point)["pid"]
        writer.died.clear()
        thread.start()
        time.sleep(writer.chance.uniform(0.02, 0.5))
        os.kill(pid, signal.SIGKILL)
        thread.join(60)
        assert writer.died.is_set()
        subprocess.run(["umount", "-l", str(point)], check=True)
        result = admin.run("mount", f"s3://{BUCKET}/{prefix}", point, "-o",
                           ",".join(["log=" + str(admin.dir / "log"), *words]))
        assert result.returncode == 0, result.stderr + admin.log()
        check(emu, writer, point, prefix)
        assert admin.status(point)["pending"] == []
    assert writer.saves > KILLS
    uploads = emu.owner.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    # Between the service's answer and its note in the journal nobody knows of an upload.
    assert len([u for u in uploads if u["Key"].startswith(prefix + "/f")]) <= KILLS // 4

"""A file exerciser: random operations on a file of the mount and on an array, which must
stay the same, whatever is open, mapped, synced, or mounted anew in between."""
import mmap
import os
import random
import time

import pytest
from mounting import options

BUCKET = "test-bucket-1"
LIMIT = 20 << 20
SECONDS = float(os.environ.get("EXERCISE_SECONDS", "6"))
SEED = int(os.environ.get("EXERCISE_SEED", "1"))


class Exerciser:
    def __init__(self, path, seed):
        self.path, self.chance = path, random.Random(seed)
        self.model = bytearray()
        self.f = None
        self.log = []

    def place(self, most):
        limit = self.chance.choice([100, 5000, 1 << 17, 1 << 20, LIMIT])
        at = self.chance.randrange(min(limit, LIMIT))
        size = self.chance.randrange(1, self.chance.choice([10, 5000, most]))
        return at, min(size, LIMIT - at)

    def write(self):
        at, size = self.place(300000)
        data = self.chance.randbytes(size)
        assert os.pwrite(self.f.fileno(), data, at) == size
        self.model.extend(bytes(max(0, at - len(self.model))))
        self.model[at:at + size] = data

    def append(self):
        data = self.chance.randbytes(self.chance.randrange(1, 10000))
        if len(self.model) + len(data) > LIMIT:
            return
        with open(self.path, "ab", buffering=0) as f:
            assert f.write(data) == len(data)
        self.model += data

    def truncate(self):
        size, _ = self.place(10)
        if self.chance.random() < 0.5:
            os.ftruncate(self.f.fileno(), size)
        else:
            os.truncate(self.path, size)
        del self.model[size:]
        self.model.extend(bytes(size - len(self.model)))

    def read(self):
        at, size = self.place(300000)
        assert os.pread(self.f.fileno(), size, at) == self.model[at:at + size], (at, size)

    def read_by_another(self):
        at, size = self.place(300000)
        with open(self.path, "rb", buffering=0) as g:
            assert os.pread(g.fileno(), size, at) == self.model[at:at + size], (at, size)

    def map(self):
        if not self.model:
            return
        at, size = self.place(50000)
        with mmap.mmap(self.f.fileno(), len(self.model)) as m:
            assert m[at:at + size] == self.model[at:at + size], (at, size)
            size = max(0, min(size, len(self.model) - at))
            data = self.chance.randbytes(size)
            m[at:at + size] = data
            self.model[at:at + size] = data
            if self.chance.random() < 0.5:
                m.flush()

    def punch(self):
        at, size = self.place(100000)
        size = max(0, min(size, len(self.model) - at))
        if size:
            assert fallocate_punch(self.f.fileno(), at, size) == 0
            self.model[at:at + size] = bytes(size)

    def sync(self):
        os.fsync(self.f.fileno())

    def reopen(self):
        if self.f is not None:
            self.f.close()
        self.f = open(self.path, "r+b" if self.path.exists() else "w+b", buffering=0)

    def size(self):
        assert os.stat(self.path).st_size == len(self.model)

    def everything(self):
        assert self.path.read_bytes() == self.model

    def run(self, until):
        weights = {self.write: 30, self.append: 4, self.truncate: 6, self.read: 20,
                   self.read_by_another: 6, self.map: 6, self.punch: 3, self.sync: 2,
                   self.reopen: 3, self.size: 5, self.everything: 1}
        count = 0
        self.reopen()
        while time.monotonic() < until:
            step = self.chance.choices(list(weights), weights.values())[0]
            self.log.append(step.__name__)
            step()
            count += 1
        self.f.close()
        return count


def fallocate_punch(fd, at, size):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
    return libc.fallocate(fd, 3, at, size)  # PUNCH_HOLE | KEEP_SIZE


@pytest.mark.any_server
@pytest.mark.parametrize("part", [0, 1])
def test_a_file_stays_what_an_array_is(emu, admin, part):
    words = options(emu, "profile=admin2", f"state-dir={admin.dir}/state")
    emu.owner.put_object(Bucket=BUCKET, Key="exercise/old", Body=b"x")
    point = admin.mount(f"s3://{BUCKET}/exercise", words)
    e = Exerciser(point / f"file{part}", SEED + part)
    try:
        e.run(time.monotonic() + SECONDS / 2)
    except AssertionError as failure:
        raise AssertionError(f"after {e.log[-20:]}") from failure
    body = emu.owner.get_object(Bucket=BUCKET, Key=f"exercise/file{part}")["Body"].read()
    assert body == e.model
    admin.umount(point)
    point = admin.mount(f"s3://{BUCKET}/exercise", words)
    assert (point / f"file{part}").read_bytes() == e.model

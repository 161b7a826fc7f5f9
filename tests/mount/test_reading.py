"""Correct bytes under load: every way of reading at once, changes, denials, kills."""
import concurrent.futures
import errno
import io
import itertools
import json
import os
import random
import subprocess
import tarfile
import threading

import pytest
from mounting import S3APFS, VARIANT, options, wait_until
from patterns import READS, check_file, content

BUCKET = "test-bucket-1"
MIB = 1 << 20
# Around the borders of pages, of the grid of reads and of parts.
SIZES = [0, 1, 4095, 4097, 131072, 131073, 1 << 20, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 21 * MIB + 13]
THREADS = 16
OPENS = 150 if VARIANT == "release" else 60


def mount(admin, emu, prefix, *more, bucket=BUCKET):
    return admin.mount(f"s3://{bucket}/{prefix}", options(emu, "profile=admin2", "path-style", *more))


def at_once(work, items, threads=THREADS):
    """work(item) for all, in threads; the first failure is raised."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


@pytest.fixture(scope="module")
def patterned(emu):
    """Objects of odd sizes; name -> content."""
    contents = {f"{size}.bin": content(f"object of {size}", size) for size in SIZES}
    for name, body in contents.items():
        emu.owner.put_object(Bucket=BUCKET, Key=f"patterns/{name}", Body=body)
    return contents


@pytest.mark.parametrize("memory", ["16M", "192M"])
def test_every_way_of_reading_at_once(emu, admin, patterned, memory):
    """Many handles of few files, by all patterns; with little memory everybody waits for it."""
    point = mount(admin, emu, "patterns", f"memory={memory}")
    names = itertools.cycle(patterned)
    at_once(lambda job: check_file(point / job[1], patterned[job[1]], job[0]),
            [(seed, next(names)) for seed in range(OPENS)])


def test_readers_in_the_face_of_faults(emu, admin, patterned):
    """Cut bodies, refusals and slow answers cost time and never a wrong byte."""
    faults = [{"effect": "drop", "bytes": 100_000, "skip": 3, "count": 5},
              {"effect": "error", "status": 503, "code": "SlowDown", "skip": 10, "count": 5},
              {"effect": "shorter", "bytes": 5000, "skip": 20, "count": 5},
              {"effect": "none", "ms": 50, "skip": 25, "count": 20}]
    emu.admin("POST", "faults", [{"operation": "GetObject", **f} for f in faults])
    point = mount(admin, emu, "patterns", "memory=32M")
    names = itertools.cycle(patterned)
    at_once(lambda job: check_file(point / job[1], patterned[job[1]], job[0]),
            [(seed, next(names)) for seed in range(OPENS // 3)])
    assert sum(f["hits"] for f in emu.admin("GET", "faults")) > 0, "no fault was met"


class Versions:
    """One object that is replaced again and again: each version is one byte, repeated."""

    def __init__(self, emu, key, size):
        self.emu, self.key, self.size, self.now = emu, key, size, 0
        self.replace()

    def replace(self):
        self.now += 1
        self.emu.owner.put_object(Bucket=BUCKET, Key=self.key, Body=bytes([self.now]) * self.size)


def read_one_version(path, step):
    """Reads to the end; the version whose bytes were seen, None if ESTALE came first."""
    version = None
    try:
        with open(path, "rb", buffering=0) as f:
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while piece := f.read(step):
                version = version or piece[0]
                assert piece.count(version) == len(piece), "bytes of two versions in one handle"
    except OSError as e:
        assert e.errno == errno.ESTALE, e
        return None
    return version


@pytest.mark.parametrize("ttl", ["0s", "60s"])
def test_an_object_replaced_under_many_readers(emu, admin, ttl):
    versions = Versions(emu, "versions/object", 20 * MIB)
    point = mount(admin, emu, "versions", f"metadata-ttl={ttl}", "memory=16M")
    done = threading.Event()
    seen = []

    def reader(number):
        while not done.is_set():
            seen.append(read_one_version(point / "object", 60_000 + number * 40_000))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(reader, n) for n in range(4)]
        try:
            for _ in range(4):
                before = len(seen)
                wait_until(lambda: len(seen) > before + 4 or any(r.done() for r in readers))
                versions.replace()
        finally:
            done.set()
        for r in readers:
            r.result()
    if ttl == "0s":  # otherwise what is cached may be all that is needed
        assert len(set(seen)) > 1, "the replacements were not noticed"
        assert read_one_version(point / "object", MIB) == versions.now


def grants_of_listing(condition):
    """A bucket policy that lets nobody list where the condition holds."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket",
        "Resource": "arn:aws:s3:::flat-denied", "Condition": condition}]})


def test_where_the_flat_listing_is_denied(emu, admin):
    """A policy that demands a delimiter: everything is found all the same, and the
    denied way is tried once, not for every folder."""
    emu.owner.create_bucket(Bucket="flat-denied")
    keys = [f"tree/d{d}/f{f}" for d in range(10) for f in range(3)]
    for key in keys:
        emu.owner.put_object(Bucket="flat-denied", Key=key, Body=key.encode())
    emu.owner.put_bucket_policy(Bucket="flat-denied", Policy=grants_of_listing(
        {"StringNotEquals": {"s3:delimiter": "/"}}))
    emu.admin("DELETE", "requests")
    point = mount(admin, emu, "tree", bucket="flat-denied")
    listed = subprocess.run(["find", str(point), "-type", "f"], capture_output=True, text=True,
                            check=True).stdout.split()
    assert sorted(os.path.relpath(p, point) for p in listed) == sorted(k[5:] for k in keys)
    for key in keys:
        assert (point / key[5:]).read_bytes() == key.encode()
    denied = [r for r in emu.admin("GET", "requests")
              if r["operation"] == "ListObjectsV2" and r["status"] == 403]
    assert len(denied) <= 2, f"{len(denied)} denied listings"


def test_denied_objects_among_siblings_read_in_order(emu, admin):
    """Whatever is fetched ahead, one object's 403 stays its own."""
    bodies = {f"{i:03}": content(f"sibling {i}", 9000) for i in range(60)}
    at_once(lambda n: emu.owner.put_object(Bucket=BUCKET, Key=f"siblings/{n}", Body=bodies[n]),
            bodies, 4)
    denied = {"007", "008", "031", "059"}
    emu.admin("POST", "faults", [{"operation": "GetObject", "key": f"siblings/{n}", "effect": "error",
                                  "status": 403, "code": "AccessDenied"} for n in denied])
    point = mount(admin, emu, "siblings", "negative-ttl=0s")

    def outcome(name):
        try:
            return (point / name).read_bytes() == bodies[name]
        except OSError as e:
            return e.errno

    names = sorted(os.listdir(point))
    assert names == sorted(bodies)
    for results in ([outcome(n) for n in names], at_once(outcome, names, 8)):
        assert results == [errno.EACCES if n in denied else True for n in names]
    asked = [r["key"] for r in emu.admin("GET", "requests") if r["operation"] == "GetObject"]
    for name in denied:
        assert asked.count(f"siblings/{name}") <= 6, "a denied object is asked for again and again"
    emu.admin("DELETE", "faults")
    assert [outcome(n) for n in names] == [True] * len(names)


def test_a_mount_killed_under_its_readers(emu, admin, patterned):
    """Readers get an error, none hangs; the next mount gives the right bytes."""
    point = mount(admin, emu, "patterns")
    name = f"{21 * MIB + 13}.bin"
    pid = admin.status(point)["pid"]
    reading = threading.Barrier(9)

    def reader(seed):
        for n in range(1000):
            try:
                check_file(point / name, patterned[name], seed * 1000 + n, READS)
            except OSError as e:
                return e.errno
            if n == 0:
                reading.wait(60)
        return 0

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(reader, seed) for seed in range(8)]
        reading.wait(60)
        os.kill(pid, 9)
        ends = {r.result(timeout=60) for r in readers}
    assert ends <= {errno.ENOTCONN, errno.ECONNABORTED, errno.EIO} and ends, ends
    admin.umount(point)
    again = mount(admin, emu, "patterns")
    check_file(again / name, patterned[name], 0)


def archive(sizes):
    """A tar of members of these sizes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f"{number:03}")
            member.size = size
            tar.addfile(member, io.BytesIO(bytes(size)))
    return out.getvalue()


def test_what_a_reader_skips_is_not_fetched(emu, admin):
    """tar lists an archive by its headers: each costs the cells that it lies in."""
    chance = random.Random(0)
    body = archive([chance.randrange(700_000, 1_700_000) for _ in range(60)])
    emu.owner.put_object(Bucket=BUCKET, Key="skipped/a.tar", Body=body)
    point = mount(admin, emu, "skipped")
    emu.admin("DELETE", "requests")
    listed = subprocess.run(["tar", "-tf", str(point / "a.tar")], capture_output=True, text=True,
                            check=True).stdout.split()
    assert listed == [f"{number:03}" for number in range(60)]
    admin.umount(point)  # whatever was under way has ended
    moved = sum(r["bytes"] for r in emu.admin("GET", "requests") if r["operation"] == "GetObject")
    assert moved <= 60 * 2 * 131072 + MIB, f"{moved >> 10} KiB of {len(body) >> 10} were fetched"


def test_what_a_reader_hops_over_is_fetched_when_the_store_is_far(emu, admin):
    """A round trip for each header would take much longer than the bytes between them."""
    chance = random.Random(1)
    body = archive([chance.randrange(700_000, 1_700_000) for _ in range(60)])
    emu.owner.put_object(Bucket=BUCKET, Key="hopped/a.tar", Body=body)
    point = mount(admin, emu, "hopped")
    emu.admin("POST", "faults", {"operation": "GetObject", "key": "hopped/*", "effect": "none", "ms": 30})
    emu.admin("DELETE", "requests")
    listed = subprocess.run(["tar", "-tf", str(point / "a.tar")], capture_output=True, text=True,
                            check=True).stdout.split()
    assert listed == [f"{number:03}" for number in range(60)]
    gets = [r for r in emu.admin("GET", "requests") if r["operation"] == "GetObject"]
    assert len(gets) < 45, f"{len(gets)} GETs: most headers came with what lies between them"


# --- memory ---------------------------------------------------------------------------------------

class Group:
    """A memory cgroup of its own, of whichever version the machine has."""

    LIMIT = 512 * MIB

    def __init__(self):
        unified = "/sys/fs/cgroup"
        self.v2 = os.path.exists(f"{unified}/cgroup.controllers")
        top = unified if self.v2 else f"{unified}/memory"
        self.path = f"{top}/s3apfs-test-{os.getpid()}"
        os.mkdir(self.path)
        try:
            self.write("memory.max" if self.v2 else "memory.limit_in_bytes", self.LIMIT)
        except OSError:
            os.rmdir(self.path)
            raise

    def write(self, name, value):
        with open(f"{self.path}/{name}", "w", encoding="ascii") as f:
            f.write(str(value))

    def enter(self):
        self.write("cgroup.procs", os.getpid())

    def killed(self):
        name = "memory.events" if self.v2 else "memory.oom_control"
        with open(f"{self.path}/{name}", encoding="ascii") as f:
            return dict(line.split() for line in f)["oom_kill"] != "0"

    def remove(self):
        wait_until(lambda: not open(f"{self.path}/cgroup.procs", encoding="ascii").read())
        os.rmdir(self.path)


@pytest.fixture
def group():
    if VARIANT != "release":
        pytest.skip("sanitizers need more memory than the program")
    try:
        instance = Group()
    except OSError as e:
        pytest.skip(f"no memory cgroup can be made here: {e}")
    yield instance
    instance.remove()


def peak_memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) * 1024


def test_64_files_at_once_in_512_mib(emu, admin, group):
    """Daemon and readers share a cgroup; nobody is killed, and memory= is kept."""
    body = content("one of 64", 10 * MIB)
    emu.owner.put_object(Bucket=BUCKET, Key="crowd/00", Body=body)
    for i in range(1, 64):
        emu.owner.copy_object(Bucket=BUCKET, Key=f"crowd/{i:02}", CopySource=f"{BUCKET}/crowd/00")
    point = admin.mount_point()
    words = options(emu, "profile=admin2", "path-style", f"log={admin.dir}/log")
    with subprocess.Popen([str(S3APFS), "mount", "-o", f"state-dir={admin.dir}/state",
                           f"s3://{BUCKET}/crowd", str(point), "-f", "-o",
                           ",".join(words)], env=admin.env, stdin=subprocess.DEVNULL,
                          preexec_fn=group.enter) as daemon:
        wait_until(lambda: os.path.ismount(point))
        admin.mounts.append(point)
        readers = [subprocess.Popen(["cmp", str(point / f"{i:02}"), "-"], stdin=subprocess.PIPE,
                                    preexec_fn=group.enter) for i in range(64)]
        codes = at_once(lambda r: (r.communicate(body), r.returncode)[1], readers, 64)
        assert codes == [0] * 64
        peak = peak_memory(daemon.pid)
        admin.umount(point)
    assert not group.killed(), "somebody was killed for memory"
    assert peak <= 256 * MIB, f"{peak >> 20} MiB resident"

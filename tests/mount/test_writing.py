"""Writing through a mount: what a close acknowledged is in S3, as plain objects."""
import contextlib
import errno
import hashlib
import mmap
import os
import pathlib
import random
import signal
import subprocess

import pytest
from mounting import AP_ARN, options, wait_until

BUCKET = "test-bucket-1"


def writable(emu, place, *more):
    return options(emu, "profile=admin2", f"state-dir={place.dir}/state", *more)


def body(emu, key):
    return emu.owner.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def keys(emu, prefix):
    found = emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return [o["Key"] for o in found]


@pytest.fixture
def point(emu, admin, request):
    prefix = request.node.name
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/old.txt", Body=b"old content\n")
    where = admin.mount(f"s3://{BUCKET}/{prefix}", writable(emu, admin))
    where_and = pathlib.Path(where)
    return where_and, prefix


def test_files_become_objects(emu, point):
    where, prefix = point
    (where / "new.txt").write_text("hello\n")
    assert body(emu, f"{prefix}/new.txt") == b"hello\n"
    assert sorted(os.listdir(where)) == ["new.txt", "old.txt"]
    with open(where / "old.txt", "a") as f:
        f.write("more\n")
    assert body(emu, f"{prefix}/old.txt") == b"old content\nmore\n"
    (where / "old.txt").write_text("short")
    assert body(emu, f"{prefix}/old.txt") == b"short"
    assert (where / "old.txt").stat().st_size == 5
    with pytest.raises(FileExistsError):
        open(where / "new.txt", "x")


def map_shared(path):
    """Changes the first byte by way of a mapping."""
    with open(path, "r+b", buffering=0) as f, mmap.mmap(f.fileno(), 0) as m:
        m[0:1] = b"M"


@pytest.mark.parametrize("saver", ["another descriptor", "its own fsync", "nobody yet"])
def test_a_file_that_is_open_is_mapped_after_it_was_saved(emu, admin, point, saver):
    where, prefix = point
    (where / "f").write_bytes(b"a" * 100000)
    for turn in range(5):
        wait_until(lambda: admin.status(where)["open_files"] == 0)
        mode = "rb" if saver == "another descriptor" else "r+b"
        with open(where / "f", mode, buffering=0) as hold:
            os.posix_fadvise(hold.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            hold.read(5000)
            if saver == "another descriptor":
                with open(where / "f", "r+b", buffering=0) as f:
                    f.write(b"w%d" % turn)
            else:
                os.pwrite(hold.fileno(), b"w%d" % turn, 0)
            if saver == "its own fsync":
                os.fsync(hold.fileno())
            map_shared(where / "f")
            assert os.pread(hold.fileno(), 3, 0) == b"M%da" % turn
    assert body(emu, f"{prefix}/f")[:3] == b"M4a"


def test_a_new_file_is_mapped_before_it_was_saved(emu, point):
    where, prefix = point
    with open(where / "g", "w+b", buffering=0) as hold:
        hold.write(b"a" * 100000)
        os.posix_fadvise(hold.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert os.pread(hold.fileno(), 5000, 0) == b"a" * 5000
        map_shared(where / "g")
        assert os.pread(hold.fileno(), 2, 0) == b"Ma"
    assert body(emu, f"{prefix}/g")[:2] == b"Ma"


def test_random_writes_are_read_back(emu, point):
    where, prefix = point
    chance = random.Random(5)
    model = bytearray()
    with open(where / "f", "w+b", buffering=0) as f, open(where / "f", "rb", buffering=0) as g:
        for _ in range(200):
            at, size = chance.randrange(3 << 20), chance.choice([1, 100, 4096, 70000])
            data = chance.randbytes(size)
            f.seek(at)
            assert f.write(data) == size
            model.extend(bytes(max(0, at + size - len(model))))
            model[at:at + size] = data
            where_to = chance.randrange(len(model))
            assert os.pread(g.fileno(), 5000, where_to) == model[where_to:where_to + 5000]
        os.ftruncate(f.fileno(), 1 << 20)
        del model[1 << 20:]
        os.fsync(f.fileno())
        assert body(emu, f"{prefix}/f") == model
        f.seek(10)
        f.write(b"after the sync")
        model[10:24] = b"after the sync"
    assert body(emu, f"{prefix}/f") == model
    assert (where / "f").read_bytes() == model


def test_mapped_writes(emu, point):
    where, prefix = point
    with open(where / "f", "w+b") as f:
        f.truncate(1 << 20)
        with mmap.mmap(f.fileno(), 1 << 20) as m:
            m[5000:5005] = b"mmap!"
            m.flush()
            assert body(emu, f"{prefix}/f")[5000:5005] == b"mmap!"
            m[100000:100003] = b"two"
    wait_until(lambda: body(emu, f"{prefix}/f")[100000:100003] == b"two")


def test_mapped_writes_of_an_appender(emu, point):
    where, prefix = point
    (where / "f").write_bytes(b"x" * 10000)
    with open(where / "f", "a+b") as f:
        with mmap.mmap(f.fileno(), 10000) as m:
            m[0:5] = b"mmap!"
            m.flush()
        f.write(b"end")
    wait_until(lambda: body(emu, f"{prefix}/f") == b"mmap!" + b"x" * 9995 + b"end")
    assert (where / "f").read_bytes() == b"mmap!" + b"x" * 9995 + b"end"


@pytest.mark.any_server
def test_a_large_file_goes_out_in_parts(emu, point):
    where, prefix = point
    block = hashlib.sha256(b"x").digest() * 32768
    with open(where / "f", "wb") as f:
        for i in range(40):
            f.write(bytes([i]) + block[1:])
    got = body(emu, f"{prefix}/f")
    assert len(got) == 40 << 20
    assert all(got[i << 20:(i + 1) << 20] == bytes([i]) + block[1:] for i in range(40))
    if emu.has_admin:
        emu.admin("DELETE", "requests")
    with open(where / "f", "ab") as f:
        f.write(b"a line\n")
    if emu.has_admin:
        assert len(emu.admin("GET", "requests")) <= 8
    assert body(emu, f"{prefix}/f")[-7:] == b"a line\n"
    with open(where / "f", "r+b") as f:
        f.seek(20 << 20)
        f.write(b"changed")
    assert body(emu, f"{prefix}/f")[20 << 20:(20 << 20) + 7] == b"changed"
    uploads = emu.owner.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    assert [u for u in uploads if u["Key"].startswith(prefix)] == []


@pytest.mark.parametrize("size", [4 << 20, 20 << 20], ids=["put", "parts"])
def test_what_is_fetched_for_a_change_tells_what_to_keep(emu, point, size):
    """Another host dresses the object anew while it is open: the etag stays as it was."""
    where, prefix = point
    data = random.Random(size).randbytes(size)
    key = f"{prefix}/big"
    emu.owner.put_object(Bucket=BUCKET, Key=key, Body=data, Metadata={"who": "before"})
    with open(where / "big", "r+b") as f:
        f.seek(1 << 20)
        f.write(b"changed")
        emu.owner.copy_object(Bucket=BUCKET, Key=key, CopySource=f"{BUCKET}/{key}",
                              MetadataDirective="REPLACE", Metadata={"who": "after"},
                              ContentType="text/x-kept", CacheControl="max-age=7",
                              TaggingDirective="REPLACE", Tagging="a=1&b=2")
        emu.admin("DELETE", "requests")
    asked = [r["operation"] for r in emu.admin("GET", "requests")]
    assert asked.count("HeadObject") == 0 and asked.count("GetObject") == 1
    head = emu.owner.head_object(Bucket=BUCKET, Key=key)
    assert head["Metadata"]["who"] == "after"
    assert (head["ContentType"], head["CacheControl"]) == ("text/x-kept", "max-age=7")
    tags = emu.owner.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
    assert {t["Key"]: t["Value"] for t in tags} == {"a": "1", "b": "2"}
    assert body(emu, key) == data[:1 << 20] + b"changed" + data[(1 << 20) + 7:]


def test_what_is_fetched_for_a_change_is_of_the_version_that_was_opened(emu, admin, point):
    where, prefix = point
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/big", Body=bytes(20 << 20))
    with pytest.raises(OSError) as e, open(where / "big", "r+b", buffering=0) as f:
        f.write(b"changed")
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/big", Body=b"theirs")
    assert e.value.errno == errno.ESTALE
    assert body(emu, f"{prefix}/big") == b"theirs"
    # Back again, so that what was written can be put together with it, beside it.
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/big", Body=bytes(20 << 20))
    admin.hand_out(where)


def test_half_of_a_shells_output_is_never_committed(emu, point):
    where, prefix = point
    emu.admin("DELETE", "requests")
    subprocess.run(["sh", "-c", "{ echo a; /bin/echo b; /bin/echo c; } > f"], cwd=where, check=True)
    assert body(emu, f"{prefix}/f") == b"a\nb\nc\n"
    puts = [r["received"] for r in emu.admin("GET", "requests")
            if r["operation"] == "PutObject" and r["key"] == f"{prefix}/f"]
    # The shell itself closes its first descriptor before anything is written.
    assert puts == [0, len("a\nb\nc\n")]


def test_somebody_elses_change_is_kept(emu, point):
    where, prefix = point
    with open(where / "old.txt", "w") as f:
        f.write("ours")
        f.flush()
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/old.txt", Body=b"theirs")
        with pytest.raises(OSError) as e:
            os.fsync(f.fileno())
        assert e.value.errno == 116  # ESTALE
        with contextlib.suppress(OSError):
            f.close()
    assert body(emu, f"{prefix}/old.txt") == b"theirs"
    assert (where / "old.txt").read_text() == "theirs"
    copies = [k for k in keys(emu, prefix) if ".conflict-" in k]
    assert len(copies) == 1 and body(emu, copies[0]) == b"ours"


def test_modes_and_times_outlive_the_mount(emu, admin, point):
    where, prefix = point
    with open(os.open(where / "script", os.O_CREAT | os.O_WRONLY, 0o750), "w") as f:
        f.write("#!/bin/sh\necho ran\n")
    before = (where / "script").stat()
    assert before.st_mode & 0o777 == 0o750
    assert subprocess.run([where / "script"], capture_output=True, check=True).stdout == b"ran\n"
    admin.umount(where)
    remount(emu, admin, where, prefix)
    admin.mounts.append(where)
    (where / "script").read_text()
    after = (where / "script").stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_ino) == (
        before.st_mode, before.st_mtime_ns, before.st_ino)


def kill(place, where):
    os.kill(place.status(where)["pid"], signal.SIGKILL)
    subprocess.run(["umount", "-l", str(where)], check=True)


def remount(emu, place, where, prefix):
    words = ["log=" + str(place.dir / "log"), *writable(emu, place)]
    result = place.run("mount", f"s3://{BUCKET}/{prefix}", where, "-o", ",".join(words))
    assert result.returncode == 0, result.stderr + place.log()


def test_a_killed_mount_loses_nothing_it_promised(emu, admin, point):
    where, prefix = point
    (where / "closed").write_text("promised")
    with open(where / "old.txt", "w") as f:
        f.write("half a save")
        f.flush()
        kill(admin, where)
        with contextlib.suppress(OSError):
            f.close()
    assert body(emu, f"{prefix}/old.txt") == b"old content\n"
    remount(emu, admin, where, prefix)
    assert (where / "closed").read_text() == "promised"
    assert (where / "old.txt").read_text() == "old content\n"
    copies = [k for k in keys(emu, prefix) if ".recovered-" in k]
    assert len(copies) == 1 and body(emu, copies[0]) == b"half a save"
    assert admin.status(where)["pending"] == []


def test_what_could_not_be_sent_is_reported_and_sent_later(emu, admin, point):
    where, prefix = point
    (where / "first").write_text("x")
    emu.admin("POST", "faults", {"operation": "PutObject", "effect": "error", "count": -1,
                                 "status": 403, "code": "AccessDenied"})
    with pytest.raises(PermissionError):
        (where / "f").write_text("kept")
    pending = admin.status(where)["pending"]
    assert [p["path"] for p in pending] == ["f"] and pending[0]["error"]
    assert (where / "f").read_text() == "kept"
    emu.admin("DELETE", "faults")
    result = admin.run("sync", where)
    assert result.returncode == 0, result.stderr
    assert body(emu, f"{prefix}/f") == b"kept"
    assert admin.status(where)["pending"] == []


def test_where_a_policy_lets_nobody_write_the_open_says_so(emu, place):
    """000-M7, 004-M4: writing that a policy denies is refused at open."""
    point = place.mount(AP_ARN, options(emu, "profile=demo", f"state-dir={place.dir}/state"))
    for attempt in (lambda: os.open(point / "new", os.O_CREAT | os.O_WRONLY),
                    lambda: os.open(point / "another", os.O_CREAT | os.O_WRONLY),
                    lambda: os.mkdir(point / "d"), lambda: os.unlink(point / "sample2.csv")):
        with pytest.raises(PermissionError):
            attempt()
    names = os.listdir(point)
    assert "sample2.csv" in names and not {"new", "another", "d"} & set(names)
    assert place.status(point)["pending"] == []


def test_behind_the_journal(emu, admin):
    """With writeback a close does not wait for S3, and what it promised survives kill -9."""
    prefix = "behind"
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/old.txt", Body=b"old\n")
    where = admin.mount(f"s3://{BUCKET}/{prefix}", writable(emu, admin, "writeback"))
    (where / "first").write_text("x")
    wait_until(lambda: f"{prefix}/first" in keys(emu, prefix)
               and admin.status(where)["pending"] == [])
    emu.admin("POST", "faults", {"operation": "PutObject", "effect": "error", "count": -1,
                                 "status": 503, "code": "SlowDown"})
    for i in range(20):
        (where / f"f{i}").write_text(f"content {i}")
    with open(where / "old.txt", "a") as f:
        f.write("new\n")
    assert body(emu, f"{prefix}/old.txt") == b"old\n"
    assert (where / "old.txt").read_text() == "old\nnew\n"
    assert len(admin.status(where)["pending"]) == 21
    kill(admin, where)
    emu.admin("DELETE", "faults")
    remount(emu, admin, where, prefix)
    assert admin.status(where)["pending"] == []
    assert body(emu, f"{prefix}/old.txt") == b"old\nnew\n"
    for i in range(20):
        assert body(emu, f"{prefix}/f{i}") == b"content %d" % i
    assert [k for k in keys(emu, prefix) if "recovered" in k or "conflict" in k] == []


def test_umount_waits_for_what_is_behind(emu, admin):
    prefix = "waits"
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/old.txt", Body=b"old\n")
    where = admin.mount(f"s3://{BUCKET}/{prefix}", writable(emu, admin, "writeback"))
    for i in range(30):
        (where / f"f{i}").write_bytes(bytes(200000))
    admin.umount(where)
    assert len(keys(emu, prefix)) == 31


def test_a_copy_within_the_source_moves_no_bytes(emu, point):
    where, prefix = point
    data = random.Random(3).randbytes(3 << 20)
    (where / "a").write_bytes(data)
    (where / "old.txt").chmod(0o600)
    emu.admin("DELETE", "requests")
    for name in ("b", "old.txt"):  # a new one, and one that is replaced
        with open(where / "a", "rb") as src, open(where / name, "wb") as dst:
            assert os.copy_file_range(src.fileno(), dst.fileno(), len(data)) == len(data)
    requests = emu.admin("GET", "requests")
    assert sum(r["received"] for r in requests) < 1 << 20
    assert [r["operation"] for r in requests].count("CopyObject") == 2
    assert body(emu, f"{prefix}/b") == data and body(emu, f"{prefix}/old.txt") == data
    assert (where / "b").read_bytes() == data and (where / "old.txt").read_bytes() == data
    assert (where / "old.txt").stat().st_mode & 0o777 == 0o600
    with open(where / "a", "rb") as src, open(where / "b", "r+b") as dst:  # a part: by reading
        assert os.copy_file_range(src.fileno(), dst.fileno(), 1000, 0, 5000) == 1000
    assert body(emu, f"{prefix}/b") == data[:5000] + data[:1000] + data[6000:]


def test_exclusive_between_hosts(emu, admin):
    """With exclusive=open, of two mounts that make one lock file, one learns so at open."""
    prefix = "exclusive"
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/old.txt", Body=b"old\n")
    first, second = (pathlib.Path(admin.mount(
        f"s3://{BUCKET}/{prefix}", options(emu, "profile=admin2", f"state-dir={admin.dir}/state",
                                           "exclusive=open"))) for _ in range(2))
    assert sorted(os.listdir(second)) == ["old.txt"]  # it knows that there is no lock
    with open(first / "lock", "x") as lock:
        lock.write("first")
        assert keys(emu, prefix) == [f"{prefix}/lock", f"{prefix}/old.txt"]
        with pytest.raises(FileExistsError):
            open(second / "lock", "x")
    assert body(emu, f"{prefix}/lock") == b"first"
    assert (second / "lock").read_text() == "first"
    assert keys(emu, prefix) == [f"{prefix}/lock", f"{prefix}/old.txt"]

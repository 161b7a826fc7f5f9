"""staging-size: new files that are larger, and what is sent of them before they are closed."""
import errno
import hashlib
import os
import random
import time

import pytest
from mounting import options

BUCKET = "test-bucket-1"
MIB = 1 << 20
SIZE = 256 * MIB


def content(at):
    """The MiB of every file here that begins at this one."""
    return random.Random(at).randbytes(MIB)


@pytest.fixture
def limited(emu, admin, request):
    def mount(*more):
        where = admin.mount(f"s3://{BUCKET}/{request.node.name}", options(
            emu, "profile=admin2", f"state-dir={admin.dir}/state", "staging-size=64M", *more))
        (where / "proof").write_bytes(b"")  # the first file of a mount is put empty at once
        return where
    admin.limited = mount
    return admin


def key(request):
    return f"{request.node.name}/large"


def write(f, first, last):
    for at in range(first, last):
        f.write(content(at))


def held(place):
    """What staging takes on the disk."""
    return sum(p.stat().st_blocks * 512 for p in (place.dir / "state").rglob("*.data"))


def in_store(emu, key):
    sha = hashlib.sha256()
    for piece in emu.owner.get_object(Bucket=BUCKET, Key=key)["Body"].iter_chunks(MIB):
        sha.update(piece)
    return sha.hexdigest()


def expected(count=SIZE // MIB, **changed):
    sha = hashlib.sha256()
    for at in range(count):
        sha.update(changed.get(f"m{at}") or content(at))
    return sha.hexdigest()


def exists(emu, key):
    return bool(emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents"))


@pytest.mark.parametrize("more", [(), ("writeback",)], ids=["", "writeback"])
def test_a_larger_file(emu, limited, request, more):
    where = limited.limited(*more)
    with open(where / "large", "wb", buffering=0) as f:
        for at in range(SIZE // MIB):
            f.write(content(at))
            if at % 32 == 0:
                assert held(limited) <= 65 * MIB
        assert not exists(emu, key(request))  # nothing is seen before the close
    limited.run("sync", where)
    assert in_store(emu, key(request)) == expected()
    assert held(limited) == 0
    with open(where / "second", "wb", buffering=0) as f:  # the room is there again
        write(f, 0, 60)


def test_reading_what_was_sent(emu, limited, request):
    where = limited.limited()
    with open(where / "large", "w+b", buffering=0) as f:
        write(f, 0, 128)
        assert os.pread(f.fileno(), MIB, 4 * MIB) == content(4)  # the first 8 MiB stay
        assert os.pread(f.fileno(), MIB, 127 * MIB) == content(127)
        assert not exists(emu, key(request))
        assert os.pread(f.fileno(), 1000, 20 * MIB + 5) == content(20)[5:1005]
        assert exists(emu, key(request)) and "before it is closed" in limited.log()
        write(f, 128, 256)
    assert in_store(emu, key(request)) == expected()


def test_writing_into_what_was_sent(emu, limited, request):
    where = limited.limited()
    new = random.Random("new").randbytes(MIB)
    with open(where / "large", "w+b", buffering=0) as f:
        write(f, 0, 128)
        os.pwrite(f.fileno(), new, 2 * MIB)
        assert not exists(emu, key(request))
        os.pwrite(f.fileno(), new, 24 * MIB)
        write(f, 128, 256)
        assert os.pread(f.fileno(), MIB, 24 * MIB) == new
    assert in_store(emu, key(request)) == expected(m2=new, m24=new)


def test_writing_over_parts_again_and_again(emu, limited, request):
    """Parts that were spoiled before they left are sent again, and leave then."""
    where = limited.limited()
    new = {}
    with open(where / "large", "wb", buffering=0) as f:
        for at in range(160):
            f.write(content(at))
            if at % 8 == 7 and at > 16:
                new[f"m{at - 6}"] = random.Random(f"new {at}").randbytes(MIB)
                os.pwrite(f.fileno(), new[f"m{at - 6}"], (at - 6) * MIB)
        assert not exists(emu, key(request))
    assert in_store(emu, key(request)) == expected(160, **new)


def test_cutting_what_was_sent(emu, limited, request):
    where = limited.limited()
    with open(where / "large", "wb", buffering=0) as f:
        write(f, 0, 128)
        os.ftruncate(f.fileno(), 20 * MIB)
    assert in_store(emu, key(request)) == expected(20)
    with open(where / "again", "wb", buffering=0) as f:
        write(f, 0, 128)
        os.ftruncate(f.fileno(), 0)
        assert not exists(emu, f"{request.node.name}/again")
        f.seek(0)
        write(f, 0, 30)
    assert in_store(emu, f"{request.node.name}/again") == expected(30)


def test_moving_an_open_one(emu, limited, request):
    where = limited.limited()
    with open(where / "first", "wb", buffering=0) as f:
        write(f, 0, 128)
        (where / "first").rename(where / "large")
        write(f, 128, 160)
    assert in_store(emu, key(request)) == expected(160)
    assert not exists(emu, f"{request.node.name}/first")


@pytest.mark.parametrize("over", [False, True], ids=["new", "over another"])
def test_a_crash(emu, limited, request, over):
    """What was not closed is in no object; its upload is ended, its bytes are given up."""
    if over:
        emu.owner.put_object(Bucket=BUCKET, Key=key(request), Body=b"good")
    where = limited.limited()
    f = open(where / "large", "wb", buffering=0)
    write(f, 0, 128)
    limited.kill(where)
    with pytest.raises(OSError):
        f.close()
        os.stat(where / "large")
    again = limited.limited()
    names = os.listdir(again)
    assert sorted(names) == (["large", "proof"] if over else ["proof"])
    if over:
        assert (again / "large").read_bytes() == b"good"
    assert "is given up" in limited.log() and held(limited) == 0
    assert not emu.owner.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def test_another_host_was_faster(emu, limited, request):
    where = limited.limited()
    f = open(where / "large", "wb", buffering=0)
    write(f, 0, 128)
    emu.owner.put_object(Bucket=BUCKET, Key=key(request), Body=b"theirs")
    with pytest.raises(FileExistsError):
        f.close()
    assert "a conflict copy cannot be made" in limited.log()
    assert emu.owner.get_object(Bucket=BUCKET, Key=key(request))["Body"].read() == b"theirs"
    result = limited.run("umount", where)
    assert "large" in result.stdout + result.stderr
    if where in limited.mounts:
        limited.mounts.remove(where)


@pytest.mark.parametrize("more", [(), ("writeback",)], ids=["", "writeback"])
@pytest.mark.parametrize("first", [1, 40, 100])
def test_growing_after_an_fsync(emu, limited, request, more, first):
    where = limited.limited(*more)
    with open(where / "large", "w+b", buffering=0) as f:
        write(f, 0, first)
        os.fsync(f.fileno())
        for at in range(first, SIZE // MIB):
            f.write(content(at))
            if at % 32 == 0:
                assert held(limited) <= 65 * MIB
        assert os.pread(f.fileno(), MIB, 30 * MIB) == content(30)
    assert limited.run("sync", where).returncode == 0
    assert in_store(emu, key(request)) == expected()
    assert held(limited) == 0


def test_a_crash_while_it_grows(emu, limited, request):
    where = limited.limited()
    f = open(where / "large", "wb", buffering=0)
    write(f, 0, 10)
    os.fsync(f.fileno())
    write(f, 10, 200)
    limited.kill(where)
    with pytest.raises(OSError):
        f.close()
        os.stat(where / "large")
    got = (limited.limited() / "large").read_bytes()
    assert len(got) >= 10 * MIB and got == b"".join(map(content, range(len(got) // MIB)))


@pytest.mark.parametrize("more", [(), ("writeback",)], ids=["", "writeback"])
def test_what_was_synced_is_replaced_by_no_half_save(emu, limited, request, more):
    where = limited.limited(*more)
    new = random.Random("new").randbytes(MIB)
    with open(where / "large", "w+b", buffering=0) as f:
        write(f, 0, 40)
        os.fsync(f.fileno())
        os.pwrite(f.fileno(), new, 3 * MIB)
        with pytest.raises(OSError) as full:
            write(f, 40, 200)
        assert full.value.errno == errno.ENOSPC
        assert in_store(emu, key(request)) == expected(40)
        size = os.fstat(f.fileno()).st_size // MIB
    assert limited.run("sync", where).returncode == 0
    assert in_store(emu, key(request)) == expected(size, m3=new)


def test_what_waits_in_the_journal_makes_room(emu, limited, request):
    """With writeback, whoever writes more than staging-size holds waits until some of it is sent."""
    where = limited.limited("writeback")
    emu.admin("POST", "faults", {"operation": "PutObject", "effect": "none", "ms": 2000, "count": -1})
    for at in range(100):
        (where / f"f{at}").write_bytes(content(at))
    emu.admin("DELETE", "faults")
    assert limited.run("sync", where).returncode == 0
    assert [in_store(emu, f"{request.node.name}/f{at}") for at in range(100)] == [
        hashlib.sha256(content(at)).hexdigest() for at in range(100)]


def test_no_room_when_nothing_can_be_sent(emu, limited):
    where = limited.limited("writeback")
    emu.admin("POST", "faults", {"operation": "PutObject", "effect": "error", "status": 403, "code": "AccessDenied",
                                 "count": -1})
    with pytest.raises(OSError) as full:
        for at in range(100):
            (where / f"f{at}").write_bytes(content(at))
    assert full.value.errno in (errno.ENOSPC, errno.EACCES)
    emu.admin("DELETE", "faults")
    assert limited.run("sync", where).returncode == 0


COMPLETE = {"operation": "CompleteMultipartUpload", "count": -1}
DENIED = {**COMPLETE, "effect": "error", "status": 403, "code": "AccessDenied"}
UNAVAILABLE = {"operation": "PutObject", "effect": "error", "count": -1, "status": 503, "code": "SlowDown"}
SLOW = {**COMPLETE, "effect": "none", "ms": 1000}


@pytest.fixture
def full(emu, limited, request):
    """A mount with an object `a` of 3 MiB, and a `large` file that leaves no room for it in staging."""
    emu.owner.put_object(Bucket=BUCKET, Key=f"{request.node.name}/a", Body=b"".join(map(content, range(3))))

    def mount(*more, faults=()):
        where = limited.limited(*more)
        for fault in faults:
            emu.admin("POST", "faults", fault)
        f = open(where / "large", "wb", buffering=0)
        write(f, 0, 62)
        return where, f
    return mount


def change(path):
    with open(path, "r+b", buffering=0) as f:
        f.write(b"changed")


def finished(emu, limited, where, request, large=62):
    """What the bucket has once everything is sent: not the removed object."""
    emu.admin("DELETE", "faults")
    assert limited.run("sync", where).returncode == 0
    assert not exists(emu, f"{request.node.name}/a")
    assert in_store(emu, key(request)) == expected(large)
    assert limited.status(where)["pending"] == []


def test_removing_what_nobody_has_open_needs_no_room(emu, limited, full, request):
    where, f = full("writeback", faults=(DENIED, UNAVAILABLE))
    f.close()
    change(where / "a")
    os.unlink(where / "a")
    assert sorted(os.listdir(where)) == ["large", "proof"]
    finished(emu, limited, where, request)


@pytest.mark.parametrize("changed", [False, True], ids=["", "changed"])
def test_removing_what_is_open_makes_room(emu, limited, full, request, changed):
    where, f = full("writeback", faults=(SLOW,))
    hold = os.open(where / "a", os.O_RDONLY)
    if changed:
        change(where / "a")
    f.close()
    os.unlink(where / "a")
    wanted = b"".join(map(content, range(3)))
    assert os.pread(hold, 4 * MIB, 0) == (b"changed" + wanted[7:] if changed else wanted)
    os.close(hold)
    finished(emu, limited, where, request)


@pytest.mark.parametrize("more", [(), ("writeback",)], ids=["", "writeback"])
@pytest.mark.parametrize("how", ["unlink", "rename"])
def test_removing_what_is_open_without_room(emu, limited, full, request, more, how):
    """It stays, and nothing of it is staged; it can be removed once there is room."""
    where, f = full(*more, faults=(DENIED,) if more else ())
    if more:
        f.close()
    hold = os.open(where / "a", os.O_RDONLY)
    used = held(limited)

    def remove():
        os.unlink(where / "a") if how == "unlink" else os.rename(where / "proof", where / "a")
    with pytest.raises(OSError) as no_room:
        remove()
    assert no_room.value.errno == errno.ENOSPC
    assert sorted(os.listdir(where)) == ["a", "large", "proof"]
    assert held(limited) <= used
    assert os.pread(hold, 4 * MIB, 0) == b"".join(map(content, range(3)))
    assert [p["path"] for p in limited.status(where)["pending"]] == ["large"]
    emu.admin("DELETE", "faults")
    f.close()
    limited.run("sync", where)
    remove()
    assert os.pread(hold, 4 * MIB, 0) == b"".join(map(content, range(3)))
    os.close(hold)
    if how == "rename":
        os.unlink(where / "a")
    finished(emu, limited, where, request)


def test_what_was_removed_leaves_its_room(emu, limited, full, request):
    where, f = full("writeback")
    f.close()
    while limited.status(where)["open_files"] > 0:  # a release comes after the close
        time.sleep(0.005)
    os.unlink(where / "large")
    with open(where / "large", "wb", buffering=0) as f:
        write(f, 0, 62)
    os.unlink(where / "a")
    finished(emu, limited, where, request)

"""s3apfs sync --export beside what goes on meanwhile: senders that wait for the store, and a full disk under the journal."""
import hashlib
import json
import os
import pathlib
import socket

import pytest
from mounting import options, wait_until
from test_export import body, export
from test_state_disk import Disk, Mount, save

BUCKET = "test-bucket-1"
PASSING = {"operation": "PutObject", "effect": "error", "count": -1, "status": 400, "code": "InvalidRequest"}


@pytest.fixture
def disk(place):
    made = Disk(place.dir, 48 << 20)
    yield made
    for point in list(place.mounts):
        place.umount(point)
    made.end()


@pytest.fixture
def prefix(request):
    return "late-" + request.node.name.replace("[", "-").rstrip("]")


def ask(point, request):
    """What the mount itself answers."""
    name = hashlib.sha256(str(point).encode()).hexdigest()[:24]
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"/run/s3apfs/{name}.sock")
        s.sendall(request.encode() + b"\n")
        with s.makefile("rb") as f:
            return json.load(f)


def row_of(place, point):
    row, = place.status(point)["pending"]
    return row


def test_a_sender_that_waits_lets_go(emu, admin, prefix):
    """What may pass is tried again and again, in the mount alone: no program has it open."""
    how = options(emu, "profile=admin2", f"state-dir={admin.dir}/state", "writeback")
    point = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", how))
    (point / "first").write_text("x")
    assert admin.run("sync", point).returncode == 0
    emu.admin("POST", "faults", {**PASSING, "key": f"{prefix}/left"})
    (point / "left").write_text("behind")
    wait_until(lambda: row_of(admin, point).get("error"))
    lines = export(admin, point, admin.dir / "out")
    assert len(lines) == 1 and "written out: left" in lines[0]
    assert (admin.dir / "out" / "left").read_text() == "behind"
    assert admin.status(point)["pending"] == [] and os.listdir(point) == ["first"]
    emu.admin("DELETE", "faults")
    (point / "left").write_text("anew")
    assert admin.run("sync", point).returncode == 0
    assert body(emu, f"{prefix}/left") == b"anew"


def test_a_sender_at_work_is_not_cut_short(emu, admin, prefix):
    """What it brings to S3 meanwhile does not wait any more, and is not written out."""
    how = options(emu, "profile=admin2", f"state-dir={admin.dir}/state", "writeback")
    point = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", how))
    (point / "first").write_text("x")
    assert admin.run("sync", point).returncode == 0
    emu.admin("POST", "faults", {"operation": "PutObject", "key": f"{prefix}/slow", "effect": "none", "ms": 2000})
    (point / "slow").write_text("behind")
    wait_until(lambda: emu.admin("GET", "faults")[0]["hits"] > 0)
    (admin.dir / "out").mkdir()
    told = ask(point, f"export {row_of(admin, point)['id']} {admin.dir}/out")
    assert told == {"error": "it does not wait any more"}
    assert os.listdir(admin.dir / "out") == []
    assert body(emu, f"{prefix}/slow") == b"behind" and (point / "slow").read_text() == "behind"
    assert admin.status(point)["pending"] == []


def sent_on_a_full_disk(emu, place, disk, prefix, data):
    """A mount with an object that came to S3 when the journal could not be told any more; its row there."""
    mounted = Mount(emu, place, disk, prefix, "writeback")
    (mounted.point / "first").write_text("the first of its kind is sent at once")
    assert place.run("sync", mounted.point).returncode == 0
    emu.admin("POST", "faults", {"operation": "PutObject", "key": f"{prefix}/late", "effect": "none", "ms": 2000})
    assert save(mounted.point / "late", data) == []
    wait_until(lambda: emu.admin("GET", "faults")[0]["hits"] > 0)
    row = row_of(place, mounted.point)["id"]
    disk.fill_up()
    return mounted, row


def test_what_is_over_is_not_written_out(emu, place, disk, prefix):
    mounted, row = sent_on_a_full_disk(emu, place, disk, prefix, b"late" * 1000)
    point = mounted.point
    wait_until(lambda: place.status(point)["pending"] == [])
    (place.dir / "out").mkdir()
    assert ask(point, f"export {row} {place.dir}/out") == {"error": "it does not wait any more"}
    assert os.listdir(place.dir / "out") == []
    disk.make_room()


def test_what_is_over_is_not_waited_for_while_it_is_open(emu, place, disk, prefix):
    mounted, _ = sent_on_a_full_disk(emu, place, disk, prefix, b"late" * 1000)
    point = mounted.point
    with open(point / "late", "rb") as f:
        wait_until(lambda: place.status(point)["pending"] == [])
        disk.make_room()
        assert place.run("sync", point, timeout=60).returncode == 0
        assert f.read() == b"late" * 1000


def test_what_is_over_is_seen_after_a_crash(emu, place, disk, prefix):
    """Its content, which is on that disk no more, is not needed for that."""
    data = os.urandom(1 << 20)
    mounted, _ = sent_on_a_full_disk(emu, place, disk, prefix, data)
    point = mounted.point
    wait_until(lambda: place.status(point)["pending"] == [])
    disk.fill_up()
    mounted.kill()
    disk.make_room()
    mounted.again()
    assert place.status(point)["pending"] == []
    assert "not in the store yet" not in place.log()
    assert sorted(os.listdir(point)) == ["first", "good", "late"]
    assert (point / "late").read_bytes() == data


def test_a_full_disk_keeps_nothing_from_being_written_out(emu, place, disk, prefix):
    mounted = Mount(emu, place, disk, prefix)
    point = mounted.point
    (point / "first").write_text("x")
    emu.admin("POST", "faults", {**PASSING, "status": 403, "code": "AccessDenied"})
    with pytest.raises(PermissionError):
        (point / "left").write_bytes(b"left" * 1000)
    disk.fill_up()
    lines = export(place, point, place.dir / "out")
    assert len(lines) == 1 and "written out: left" in lines[0]
    assert (place.dir / "out" / "left").read_bytes() == b"left" * 1000
    assert place.status(point)["pending"] == []
    assert sorted(os.listdir(point)) == ["first", "good"]
    disk.make_room()
    mounted.kill()
    mounted.again()
    assert place.status(point)["pending"] == [] and sorted(os.listdir(point)) == ["first", "good"]

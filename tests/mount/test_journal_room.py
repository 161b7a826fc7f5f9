"""What could not be noted of names while the journal's disk was full is done once there is room again: no
remount is needed for it, sync waits for it, and what is over is not done again after a crash."""
import os
import threading

import pytest
from mounting import wait_until
from test_exchange_disk import Disk, DiskPair, lent, saved, texts


@pytest.fixture
def disk(place):
    yield from lent(place, Disk(place.dir, 48 << 20))


def pair_of(emu, place, request):
    return DiskPair(emu, place, request.node.name.replace("[", "/").rstrip("]"), (), state="disk/state")


@pytest.mark.parametrize("kind, asked", [("file", True), ("folder", True), ("file", False)],
                         ids=["file, at sync", "folder, at sync", "file, by itself"])
def test_an_exchange_is_finished_when_there_is_room(emu, admin, disk, request, kind, asked):
    pair = pair_of(emu, admin, request)
    hit, swapped, back = True, 0, 0
    for skip in range(0, 60, 1 if kind == "file" and asked else 5):
        sides = [saved(pair, top, kind) for top in pair.names]
        hit = pair.troubled_in(skip, disk.fill_up)
        assert texts(sides) <= set(pair.held().values()), skip
        disk.make_room()
        if asked:
            told = admin.run("sync", pair.point, timeout=60)
            assert told.returncode == 0, f"request {skip}: {told.stdout}"
        else:
            wait_until(lambda: admin.status(pair.point)["pending"] == [])
        if pair.is_whole(sides, f"request {skip}"):
            swapped += 1
        else:
            assert pair.failed, f"request {skip}: this was acknowledged"
            back += 1
        if not hit:
            break
    print(swapped, "swapped,", back, "did not")
    assert not hit and swapped > 0 and back > 0


def test_sync_says_that_an_exchange_waits_for_room(emu, admin, disk, request):
    pair = pair_of(emu, admin, request)
    for skip in range(60):
        sides = [saved(pair, top, "file") for top in pair.names]
        pair.troubled_in(skip, disk.fill_up)
        told = admin.run("sync", pair.point, timeout=60)
        disk.make_room()
        if told.returncode != 0:
            break
    assert told.returncode == 1 and "No space left on device" in told.stdout
    assert admin.run("sync", pair.point, timeout=60).returncode == 0
    assert not pair.is_whole(sides, f"request {skip}")


def test_a_move_that_is_over_is_not_made_again(emu, admin, disk, request):
    pair = pair_of(emu, admin, request)
    old, new = pair.point / "old", pair.point / "new"
    old.mkdir()
    (old / "f").write_text("moved")
    emu.admin("POST", "faults", {"operation": "DeleteObject*", "effect": "none", "ms": 2000, "count": -1})
    thread = threading.Thread(target=os.rename, args=(old, new))
    thread.start()
    wait_until(lambda: emu.admin("GET", "faults")[0]["hits"] > 0)
    disk.fill_up()
    thread.join()
    emu.admin("DELETE", "faults")
    assert (new / "f").read_text() == "moved" and not old.exists()
    disk.make_room()
    assert admin.run("sync", pair.point, timeout=60).returncode == 0
    old.mkdir()
    (old / "f").write_text("made since")
    assert admin.run("sync", pair.point).returncode == 0
    pair.kill()
    pair.again()
    assert (old / "f").read_text() == "made since" and (new / "f").read_text() == "moved"


def test_a_removal_that_is_over_is_not_made_again(emu, admin, disk, request):
    """Of a file that was being written, where each change of a name is in S3 when its call returns."""
    prefix = request.node.name
    pair = DiskPair(emu, admin, prefix, ("consistency=close-to-open",), state="disk/state")
    name = pair.point / "f"
    name.write_text("same")
    f = name.open("a")
    f.write(" and more")
    f.flush()
    emu.admin("POST", "faults", {"operation": "DeleteObject*", "effect": "none", "ms": 2000, "count": -1})
    thread = threading.Thread(target=os.unlink, args=(name,))
    thread.start()
    wait_until(lambda: emu.admin("GET", "faults")[0]["hits"] > 0)
    disk.fill_up()
    thread.join()
    emu.admin("DELETE", "faults")
    f.close()
    assert not name.exists()
    disk.make_room()
    assert admin.run("sync", pair.point, timeout=60).returncode == 0
    emu.owner.put_object(Bucket=pair.bucket, Key=f"{prefix}/f", Body=b"same")
    pair.kill()
    pair.again()
    assert name.read_text() == "same"

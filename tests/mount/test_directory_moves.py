"""Folders of directory buckets move by RenameObject, one call an object, side by side: what moves
stays the version it was. What is refused is copied, what fails goes back, and what a crash cut is
finished by the next mount, wherever each object is."""
import errno
import os
import pathlib

import pytest
import targets
from emulator import Emulator
from mounting import credentials_text, options, wait_until
from test_moved import KEYS, Mount, cut, exchange, make_folder, tree

BUCKET = targets.DIRECTORY
FILES = [f"d/{k}" for k in KEYS]


@pytest.fixture(scope="module")
def emu():
    instance = Emulator(targets.world())
    instance.owner = instance.client(targets.ADMIN, s3={"addressing_style": "path"})
    yield instance
    instance.stop()


class DirectoryMount(Mount):
    def __init__(self, emu, place, prefix, bucket=BUCKET, *more):
        (place.dir / "credentials").write_text(credentials_text({"admin": (*targets.ADMIN, None)}))
        self.place, self.source, self.prefix = place, f"s3://{bucket}/{prefix}", prefix
        self.emu = emu
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/first", Body=b"x")
        self.words = options(emu, "profile=admin", f"state-dir={place.dir}/state", *more)
        self.point = pathlib.Path(place.mount(self.source, self.words))

    def versions(self, folder=""):
        """Name -> (etag, time, metadata) of the objects that are no folders."""
        found, token = {}, {}
        while token is not None:
            page = self.emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.prefix}/{folder}", **token)
            for o in page.get("Contents", []):
                if not o["Key"].endswith("/"):
                    head = self.emu.owner.head_object(Bucket=BUCKET, Key=o["Key"])
                    found[o["Key"][len(self.prefix) + 1 + len(folder):]] = (head["ETag"], head["LastModified"],
                                                                          head["Metadata"])
            token = {"ContinuationToken": page["NextContinuationToken"]} if page["IsTruncated"] else None
        return found


@pytest.fixture
def mounted(emu, place, request):
    return DirectoryMount(emu, place, request.node.name.replace(" ", "-").replace("[", "-").replace("]", ""))


def asked(emu, mounted):
    """(operation, name below the source), but for sessions."""
    return [(r["operation"], r.get("key", "")[len(mounted.prefix) + 1:]) for r in emu.admin("GET", "requests")
            if r["operation"] != "CreateSession"]


@pytest.mark.parametrize("kind", ["bucket", "access point"])
def test_a_call_for_each_object(emu, place, kind):
    bucket = BUCKET if kind == "bucket" else targets.DIRECTORY_AP
    mounted = DirectoryMount(emu, place, "calls-" + bucket[:7], bucket)
    top = make_folder(mounted)
    for i in range(100):
        emu.owner.put_object(Bucket=BUCKET, Key=f"{mounted.prefix}/d/theirs/{i:03}", Body=b"%d" % i,
                             Metadata={"by": "others"}, ContentType="text/csv")
    before = mounted.versions("d/")
    assert len(before) == len(KEYS) + 100
    mounted.again()
    os.listdir(mounted.point)
    with open(top / "theirs" / "042", "rb") as held:
        # The look-up of a folder does not wait for its HEAD once LIST has answered.
        wait_until(lambda: ("HeadObject", "d/theirs") in asked(emu, mounted))
        emu.admin("DELETE", "requests")
        os.rename(top, mounted.point / "moved")
        seen = asked(emu, mounted)
        assert held.read() == b"42"
    assert sorted(k for op, k in seen if op == "RenameObject") == sorted(f"moved/{k}" for k in before)
    rest = [(op, k) for op, k in seen if op not in ("RenameObject", "ListObjectsV2")]
    folders = ["", "sub/", "sub/empty/"]  # with objects of their own, which S3 does not rename
    assert sorted(k for op, k in rest if op == "CopyObject") == [f"moved/{k}" for k in folders]
    # It is open: whether it is the version that is read, and which one it is then.
    assert [k for op, k in rest if op == "HeadObject"] == ["d/theirs/042", "moved/theirs/042"]
    assert {op for op, _ in rest} <= {"CopyObject", "HeadObject", "DeleteObject", "DeleteObjects"}
    assert all(k.endswith("/") for op, k in rest if op == "DeleteObject")
    assert len([op for op, _ in seen if op == "ListObjectsV2"]) <= 4
    assert mounted.versions("moved/") == before and mounted.versions("d/") == {}
    for _ in range(2):
        assert tree(mounted.point) == sorted([f"moved/{k}" for k in before] + ["first"])
        assert (mounted.point / "moved" / "sub" / "f3").stat().st_mode & 0o777 == 0o640
        assert (mounted.point / "moved" / "sub" / "empty").stat().st_mode & 0o777 == 0o711
        assert os.readlink(mounted.point / "moved" / "sub" / "link") == "f0"
        mounted.again()


CUTS = {"none moved": ("RenameObject", False, 0), "some moved": ("RenameObject", False, 5),
        "moves unanswered": ("RenameObject", True, 5), "no folder copied": ("CopyObject", False, 0),
        "folders copied, unanswered": ("CopyObject", True, 0), "before removals": ("DeleteObject*", False, 0),
        "removals unanswered": ("DeleteObject*", True, 0)}


@pytest.mark.parametrize("kind", CUTS)
def test_the_next_mount_finishes_it(emu, mounted, kind):
    top = make_folder(mounted)
    before = mounted.versions("d/")
    cut(mounted, emu, lambda: top.rename(mounted.point / "moved"), *CUTS[kind])
    places = (mounted.versions("d/"), mounted.versions("moved/"))
    assert sorted([*places[0], *places[1]]) == sorted(KEYS)  # each at one of them
    assert kind != "some moved" or (places[0] and places[1])
    mounted.mount()
    moved = mounted.point / "moved"
    assert sorted(os.listdir(mounted.point)) == ["first", "moved"]
    assert tree(moved) == sorted(KEYS)
    assert (moved / "large").read_bytes() == b"large" * (2 << 20)
    assert (moved / "sub" / "f3").stat().st_mode & 0o777 == 0o640
    assert (moved / "sub" / "empty").stat().st_mode & 0o777 == 0o711
    assert os.readlink(moved / "sub" / "link") == "f0"
    assert mounted.versions("moved/") == before
    assert mounted.place.status(mounted.point)["pending"] == []
    left = emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=f"{mounted.prefix}/d/")
    assert left["KeyCount"] == 0
    (mounted.point / "d").mkdir()  # the name is free, and what comes there stays
    (mounted.point / "d" / "new").write_text("new")
    mounted.again(True)
    assert tree(mounted.point / "d") == ["new"]


def test_a_cut_move_replaces_nothing_of_others(emu, mounted):
    top = make_folder(mounted)
    cut(mounted, emu, lambda: top.rename(mounted.point / "moved"), "RenameObject", False, 0)
    emu.owner.put_object(Bucket=BUCKET, Key=f"{mounted.prefix}/moved/sub/f3", Body=b"of another host")
    mounted.mount()
    assert (mounted.point / "moved" / "sub" / "f3").read_text() == "of another host"
    assert (mounted.point / "d" / "sub" / "f3").read_text() == "content 3"
    assert "which is something else now" in mounted.place.log()
    assert mounted.place.status(mounted.point)["pending"] == []


def test_the_first_step_of_an_exchange_is_taken_back(emu, mounted):
    top = make_folder(mounted)
    (mounted.point / "other").mkdir()
    (mounted.point / "other" / "f").write_text("other")
    assert mounted.place.run("sync", mounted.point).returncode == 0
    before = mounted.versions()
    cut(mounted, emu, lambda: exchange(top, mounted.point / "other"), "RenameObject", False, 4)
    mounted.mount()
    assert tree(mounted.point) == sorted([*FILES, "first", "other/f"])
    assert mounted.versions() == before


def test_folders_swap(emu, mounted):
    top = make_folder(mounted)
    (mounted.point / "other").mkdir()
    (mounted.point / "other" / "f").write_text("other")
    emu.admin("DELETE", "requests")
    exchange(top, mounted.point / "other")
    assert all(k.endswith("/") for op, k in asked(emu, mounted) if op == "CopyObject")
    for _ in range(2):
        assert tree(mounted.point) == sorted(["d/f", "first", *(f"other/{k}" for k in KEYS)])
        mounted.again()


def test_odd_keys_move_too(emu, place):
    mounted = DirectoryMount(emu, place, "odd", BUCKET, "odd-keys=escape")
    for key in ("d//b", "d/./dot", "d/plain"):
        emu.owner.put_object(Bucket=BUCKET, Key=f"odd/{key}", Body=key.encode())
    before = mounted.versions("d/")
    emu.admin("DELETE", "requests")
    os.rename(mounted.point / "d", mounted.point / "moved")
    os.rename(mounted.point / "moved" / "\u241b0" / "b", mounted.point / "moved" / "\u241b0" / "c")
    moves = [k for op, k in asked(emu, mounted) if op == "RenameObject"]
    assert sorted(moves) == ["moved/./dot", "moved//b", "moved//c", "moved/plain"]
    assert not any(op == "CopyObject" and not k.endswith("/") for op, k in asked(emu, mounted))
    before["/c"] = before.pop("/b")
    assert mounted.versions("moved/") == before
    assert (mounted.point / "moved" / "\u241b0" / "c").read_bytes() == b"d//b"


@pytest.mark.parametrize("effect", [{"status": 403, "code": "AccessDenied"}, {"status": 404, "code": "NoSuchBucket"}],
                         ids=["denied", "gone"])
def test_what_fails_in_the_middle_goes_back(emu, mounted, effect):
    top = make_folder(mounted)
    before = mounted.versions()
    emu.admin("POST", "faults", {"operation": "RenameObject", "effect": "error", "skip": 4, "count": 3, **effect})
    with pytest.raises(OSError) as refused:
        os.rename(top, mounted.point / "moved")
    assert refused.value.errno == (errno.EACCES if effect["status"] == 403 else errno.ENODEV)
    assert mounted.versions() == before
    for _ in range(2):
        assert tree(mounted.point) == sorted([*FILES, "first"])
        assert (top / "sub" / "f3").stat().st_mode & 0o777 == 0o640
        mounted.again()
    os.rename(top, mounted.point / "moved")
    assert sorted(mounted.versions("moved/")) == sorted(KEYS)


def test_a_lost_reply_does_no_harm(emu, mounted):
    top = make_folder(mounted)
    before = mounted.versions("d/")
    emu.admin("POST", "faults", {"operation": "RenameObject", "effect": "drop", "after": True, "count": 4})
    os.rename(top, mounted.point / "moved")
    assert mounted.versions("moved/") == before and mounted.versions("d/") == {}


def test_what_is_refused_is_copied(emu, mounted):
    """One object by the service's rules; all of them by a server that has no such call, which is
    then not asked for each."""
    top = make_folder(mounted)
    for i in range(100):
        emu.owner.put_object(Bucket=BUCKET, Key=f"{mounted.prefix}/d/more/{i:03}", Body=b"more")
    before = mounted.versions("d/")
    emu.admin("POST", "faults", {"operation": "RenameObject", "key": "*/sub/f3", "effect": "error", "status": 400,
                                 "code": "InvalidRequest"})
    emu.admin("DELETE", "requests")
    os.rename(top, mounted.point / "moved")
    copied = [k for op, k in asked(emu, mounted) if op == "CopyObject" and not k.endswith("/")]
    assert copied == ["moved/sub/f3"]
    emu.admin("DELETE", "faults")
    after = mounted.versions("moved/")
    assert after.keys() == before.keys() and mounted.versions("d/") == {}
    assert all(before[k] == after[k] for k in before if k != "sub/f3")
    assert before["sub/f3"][2] == after["sub/f3"][2]
    emu.admin("POST", "faults", {"operation": "RenameObject", "effect": "error", "status": 501,
                                 "code": "NotImplemented"})
    emu.admin("DELETE", "requests")
    os.rename(mounted.point / "moved", top)
    operations = [op for op, _ in asked(emu, mounted)]
    assert operations.count("RenameObject") < 60  # those that were on their way
    assert operations.count("CopyObject") >= len(before)
    assert "HeadObject" not in operations
    assert mounted.versions("d/").keys() == before.keys() and mounted.versions("moved/") == {}
    for _ in range(2):
        assert (top / "sub" / "f3").stat().st_mode & 0o777 == 0o640
        assert (top / "more" / "042").read_bytes() == b"more"
        mounted.again()

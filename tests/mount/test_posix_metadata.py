"""posix-metadata: which requests modes and times cost, and that off leaves them alone."""
import os
import pathlib

import pytest
from mounting import options

BUCKET = "test-bucket-1"
COUNT = 40


@pytest.fixture
def prefix(emu, request):
    """Objects with modes of other hosts, one link, one without any metadata."""
    prefix = "posix-" + request.node.name.replace("[", "-").replace("]", "")
    for i in range(COUNT):
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/f{i:02}", Body=b"x",
                             Metadata={"file-permissions": "0100640", "file-mtime": "1600000000000000000ns"})
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/link", Body=b"f00",
                         Metadata={"file-permissions": "0120777"})
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/plain", Body=b"y")
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/d/sub/deep", Body=b"z")
    return prefix


def mount(emu, place, prefix, *words):
    return pathlib.Path(place.mount(f"s3://{BUCKET}/{prefix}", options(
        emu, "profile=admin2", f"state-dir={place.dir}/state", *words)))


def heads(emu):
    """Of what is in the folder: the way to it may cost some, too."""
    return [r for r in emu.admin("GET", "requests") if r["operation"] == "HeadObject" and "/d/" in r["key"]]


def listed(where):
    """What `ls -l` shows of the files: name -> (mode, time)."""
    return {e.name: (oct(e.stat(follow_symlinks=False).st_mode), e.stat(follow_symlinks=False).st_mtime)
            for e in os.scandir(where)}


def test_lazy_asks_for_nothing_at_a_listing(emu, admin, prefix):
    where = mount(emu, admin, prefix)
    emu.admin("DELETE", "requests")
    shown = listed(where / "d")
    assert heads(emu) == [] and len(shown) == COUNT + 3
    assert shown["f00"][0] == "0o100644"


@pytest.mark.parametrize("how", ["rw", "ro"])
def test_strict_asks_once_for_each_object(emu, admin, prefix, how):
    where = mount(emu, admin, prefix, "posix-metadata=strict", how)
    os.listdir(where)
    emu.admin("DELETE", "requests")
    shown = listed(where / "d")
    mode = "0o100640" if how == "rw" else "0o100440"
    assert {shown[f"f{i:02}"] for i in range(COUNT)} == {(mode, 1600000000.0)}
    assert shown["link"][0] == "0o120777" and os.readlink(where / "d" / "link") == "f00"
    assert shown["plain"][0] == ("0o100644" if how == "rw" else "0o100444")
    assert len(heads(emu)) == COUNT + 2  # not of the folder
    assert len({r["key"] for r in heads(emu)}) == COUNT + 2
    assert listed(where / "d") == shown and len(heads(emu)) == COUNT + 2


def test_strict_asks_also_where_a_look_up_saw_the_whole_folder(emu, admin, prefix):
    where = mount(emu, admin, prefix, "posix-metadata=strict")
    os.stat(where / "d")  # by a LIST of what is in it
    shown = listed(where / "d")
    assert {shown[f"f{i:02}"] for i in range(COUNT)} == {("0o100640", 1600000000.0)}
    assert shown["link"][0] == "0o120777"


def test_strict_sees_what_other_hosts_changed(emu, admin, prefix):
    """A chmod elsewhere leaves the etag as it was: nothing that is remembered counts."""
    where = mount(emu, admin, prefix, "posix-metadata=strict", "metadata-ttl=0")
    os.chmod(where / "d" / "f01", 0o4711)
    first = listed(where / "d")
    assert first["f01"][0] == "0o104711"
    emu.owner.copy_object(Bucket=BUCKET, Key=f"{prefix}/d/f01", CopySource=f"{BUCKET}/{prefix}/d/f01",
                          MetadataDirective="REPLACE", Metadata={"file-permissions": "0100600"})
    again = listed(where / "d")
    assert again["f01"][0] == "0o100600"
    assert {k: v for k, v in again.items() if k != "f01"} == {k: v for k, v in first.items() if k != "f01"}


def test_strict_shows_the_default_where_it_may_not_ask(emu, admin, prefix):
    emu.admin("POST", "faults", {"operation": "HeadObject", "key": f"{prefix}/d/f03", "effect": "error",
                                 "count": -1, "status": 403, "code": "AccessDenied"})
    where = mount(emu, admin, prefix, "posix-metadata=strict", "ro")
    shown = {e.name: e.is_file(follow_symlinks=False) for e in os.scandir(where / "d")}
    assert len(shown) == COUNT + 3 and shown["f03"]


def metadata(emu, key):
    return emu.owner.head_object(Bucket=BUCKET, Key=key)["Metadata"]


def test_off_neither_reads_nor_writes(emu, admin, prefix):
    where = mount(emu, admin, prefix, "posix-metadata=off")
    folder = where / "d"
    folder_f = folder / "f00"
    assert folder_f.read_bytes() == b"x" and oct(folder_f.stat().st_mode) == "0o100644"
    assert (folder / "link").read_text() == "f00" and not (folder / "link").is_symlink()
    (folder / "new").write_text("new")
    (folder / "made").mkdir(mode=0o700)
    assert admin.run("sync", where).returncode == 0
    assert metadata(emu, f"{prefix}/d/new") == {} and metadata(emu, f"{prefix}/d/made/") == {}
    before = metadata(emu, f"{prefix}/d/f00")
    emu.admin("DELETE", "requests")
    os.chmod(folder_f, 0o600)
    os.utime(folder_f, (5, 5))
    assert oct(folder_f.stat().st_mode) == "0o100600" and folder_f.stat().st_mtime == 5
    assert not [r for r in emu.admin("GET", "requests") if r["operation"] == "CopyObject"]
    folder_f.write_bytes(b"changed")
    assert metadata(emu, f"{prefix}/d/f00") == before  # what others put there stays
    for call in (lambda: os.symlink("f00", folder / "other"), lambda: os.mkfifo(folder / "pipe")):
        with pytest.raises(PermissionError):
            call()
    os.setxattr(folder_f, "user.note", b"kept")
    assert metadata(emu, f"{prefix}/d/f00") == {**before, "note": "kept"}
    os.rename(folder / "new", folder / "newer")
    assert admin.run("sync", where).returncode == 0
    assert metadata(emu, f"{prefix}/d/newer") == {}


def test_a_wrong_word(emu, place):
    result, _ = place.try_mount(f"s3://{BUCKET}", options(emu, "profile=demo", "posix-metadata=some"))
    assert result.returncode == 2 and "is not one of lazy, strict, off" in result.stderr

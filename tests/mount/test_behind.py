"""Names behind the journal: shown at once, in S3 soon and in order, and kept over kill -9."""
import contextlib
import os
import pathlib

import pytest
from mounting import options, wait_until

BUCKET = "test-bucket-1"


def words(emu, place, *more):
    return options(emu, "profile=admin2", f"state-dir={place.dir}/state", *more)


def put(emu, *keys):
    for key in keys:
        emu.owner.put_object(Bucket=BUCKET, Key=key, Body=key.encode())


def keys(emu, prefix):
    found = emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=prefix + "/").get("Contents", [])
    return [o["Key"][len(prefix) + 1:] for o in found]


def body(emu, key):
    return emu.owner.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def fail(emu, *operations):
    for operation in operations:
        emu.admin("POST", "faults", {"operation": operation, "effect": "error", "count": -1,
                                     "status": 503, "code": "SlowDown"})


def again(emu, place, where, prefix, *more):
    result = place.run("mount", f"s3://{BUCKET}/{prefix}", where, "-o", ",".join(
        ["log=" + str(place.dir / "log"), *words(emu, place, *more)]))
    assert result.returncode == 0, result.stderr + place.log()
    place.mounts.append(where)


def fsync_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def prove(where):
    """The first change of each kind is sent before it returns."""
    (where / "proof").mkdir()
    (where / "proof").rmdir()
    (where / "proof").write_text("x")
    (where / "proof").unlink()
    fsync_folder(where)


@pytest.mark.any_server(faulty=True)
def test_what_was_acknowledged_survives_a_kill(emu, admin):
    prefix = "names-behind"
    put(emu, *(f"{prefix}/{name}" for name in ("a", "b", "c", "d/x", "d/y")))
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin)))
    prove(where)
    fail(emu, "DeleteObject", "DeleteObjects")
    os.unlink(where / "a")
    os.rename(where / "b", where / "moved")
    os.unlink(where / "d" / "x")
    (where / "made").mkdir(0o750)
    assert sorted(os.listdir(where)) == ["c", "d", "made", "moved"]
    assert os.listdir(where / "d") == ["y"]
    assert not (where / "a").exists() and (where / "moved").read_bytes() == b"names-behind/b"
    assert {"a", "b", "d/x"} <= set(keys(emu, prefix))
    assert {"a", "b", "d/x"} <= {p["path"] for p in admin.status(where)["pending"]}
    admin.kill(where)
    emu.admin("DELETE", "faults")
    again(emu, admin, where, prefix)
    assert keys(emu, prefix) == ["c", "d/y", "made/", "moved"]
    assert sorted(os.listdir(where)) == ["c", "d", "made", "moved"]
    made = emu.owner.head_object(Bucket=BUCKET, Key=f"{prefix}/made/")
    assert made["Metadata"]["file-permissions"].endswith("750")
    assert admin.status(where)["pending"] == []


def write_and_let_go(admin, where, name, text):
    """A file that is open is renamed at once; close returns before the kernel has told that it is closed."""
    (where / name).write_text(text)
    wait_until(lambda: admin.status(where)["open_files"] == 0)


def prove_moves(admin, where):
    write_and_let_go(admin, where, "proof1", "x")
    (where / "proof1").rename(where / "proof2")
    (where / "proof2").unlink()


@pytest.mark.any_server(faulty=True)
def test_a_rename_is_acknowledged_before_its_copy(emu, admin):
    """The copy is under way: the new name is there and the old one gone, also over kill -9."""
    prefix = "moves-behind"
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin)))
    prove(where)
    prove_moves(admin, where)
    (where / "name").write_text("old")
    write_and_let_go(admin, where, "tmp", "content")
    fsync_folder(where)
    fail(emu, "CopyObject")
    os.rename(where / "tmp", where / "name")
    assert (where / "name").exists() and not (where / "tmp").exists()
    assert body(emu, f"{prefix}/tmp") == b"content" and body(emu, f"{prefix}/name") == b"old"
    assert "name" in {p["path"] for p in admin.status(where)["pending"]}
    admin.kill(where)
    emu.admin("DELETE", "faults")
    again(emu, admin, where, prefix)
    assert keys(emu, prefix) == ["name"] and body(emu, f"{prefix}/name") == b"content"
    assert (where / "name").read_text() == "content" and admin.status(where)["pending"] == []


@pytest.mark.any_server(faulty=True)
def test_a_later_close_comes_after_the_rename(emu, admin):
    """Whoever is told that the second file is there finds the first one too."""
    prefix = "moves-first"
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin)))
    prove(where)
    prove_moves(admin, where)
    emu.admin("POST", "faults", {"operation": "CopyObject", "effect": "none", "ms": 300, "count": -1})
    (where / "tmp").write_text("content")
    os.rename(where / "tmp", where / "data")
    (where / "done").write_text("")
    assert body(emu, f"{prefix}/data") == b"content"
    os.rename(where / "data", where / "moved")
    assert (where / "moved").read_text() == "content"
    os.rename(where / "moved", where / "again")
    assert sorted(os.listdir(where)) == ["again", "done"]
    fsync_folder(where)
    assert keys(emu, prefix) == ["again", "done"]


@pytest.mark.any_server(faulty=True)
def test_a_rename_that_is_denied_afterwards_is_told(emu, admin):
    """The object keeps its name; fsync of the folder says so, once."""
    prefix = "moves-denied"
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(
        emu, admin, "metadata-ttl=1", "negative-ttl=1")))
    prove(where)
    prove_moves(admin, where)
    write_and_let_go(admin, where, "tmp", "content")
    emu.admin("POST", "faults", {"operation": "CopyObject", "effect": "error", "count": 1,
                                 "status": 403, "code": "AccessDenied"})
    os.rename(where / "tmp", where / "name")
    with pytest.raises(PermissionError):
        fsync_folder(where)
    fsync_folder(where)
    wait_until(lambda: sorted(os.listdir(where)) == ["tmp"])
    assert (where / "tmp").read_text() == "content" and keys(emu, prefix) == ["tmp"]
    assert "keeps its own" in admin.log()


@pytest.mark.any_server(faulty=True)
def test_a_name_is_used_again_at_once(emu, admin):
    """The removal is sent before what takes its place, however often."""
    prefix = "again"
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin)))
    prove(where)
    for i in range(20):
        (where / "index.lock").write_text(f"{i}")
        os.rename(where / "index.lock", where / "index")
        (where / "index").unlink()
        (where / "index").write_text("same")
    (where / "d").mkdir()
    (where / "d" / "f").write_text("x")
    (where / "d" / "f").unlink()
    (where / "d").rmdir()
    (where / "d").write_text("a file now")
    fsync_folder(where)
    assert keys(emu, prefix) == ["d", "index"]
    assert body(emu, f"{prefix}/index") == b"same" and body(emu, f"{prefix}/d") == b"a file now"


@pytest.mark.any_server(faulty=True)
def test_fsync_of_the_folder_waits(emu, admin):
    prefix = "fsync"
    put(emu, *(f"{prefix}/{i}" for i in range(50)))
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin)))
    prove(where)
    emu.admin("DELETE", "requests")
    for i in range(50):
        os.unlink(where / f"{i}")
        (where / f"d{i}").mkdir()
    fsync_folder(where)
    assert keys(emu, prefix) == sorted(f"d{i}/" for i in range(50))
    assert admin.status(where)["pending"] == []


def test_many_are_removed_by_few_requests(emu, admin):
    """Where the server honours the etags of DeleteObjects; elsewhere each is a request of its own."""
    prefix = "many"
    put(emu, *(f"{prefix}/d/{i}" for i in range(60)))
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin)))
    prove(where)
    emu.admin("POST", "faults", {"operation": "DeleteObject", "effect": "none", "ms": 300, "count": -1})
    emu.admin("POST", "faults", {"operation": "DeleteObjects", "effect": "none", "ms": 300, "count": -1})
    emu.admin("DELETE", "requests")
    for i in range(60):
        os.unlink(where / "d" / f"{i}")
    fsync_folder(where)
    requests = [r["operation"] for r in emu.admin("GET", "requests")
                if r["operation"].startswith("Delete")]
    assert len(requests) < 20
    assert keys(emu, prefix) == ["d/"]


@pytest.mark.any_server(faulty=True)
def test_writeback_moves_what_was_not_sent(emu, admin):
    """A new file that gets its name at once is sent under that name only."""
    prefix = "unsent"
    put(emu, f"{prefix}/old")
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin, "writeback")))
    (where / "first").write_text("x")
    prove(where)
    wait_until(lambda: admin.status(where)["pending"] == [])
    fail(emu, "PutObject")
    (where / "tmp").write_text("content")
    os.rename(where / "tmp", where / "name")
    assert (where / "name").read_text() == "content" and not (where / "tmp").exists()
    admin.kill(where)
    emu.admin("DELETE", "faults")
    again(emu, admin, where, prefix, "writeback")
    assert keys(emu, prefix) == ["first", "name", "old"]
    assert body(emu, f"{prefix}/name") == b"content"
    (where / "tmp").write_text("newer")
    with contextlib.suppress(OSError):
        os.rename(where / "tmp", where / "name")
    assert (where / "name").read_text() == "newer"
    assert admin.run("sync", where).returncode == 0
    assert keys(emu, prefix) == ["first", "name", "old"]
    assert body(emu, f"{prefix}/name") == b"newer"


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("removal", [os.unlink, lambda path: os.rename(path.parent / "other", path)],
                         ids=["unlink", "rename over it"])
def test_what_is_open_and_on_its_way_stays_readable(emu, admin, removal):
    """It was acknowledged, and is sent at the moment when its name goes."""
    prefix = "open-behind"
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin, "writeback")))
    prove(where)
    (where / "other").write_bytes(b"other")
    data = os.urandom(9 << 20)  # too much to be kept in memory as one part
    with open(where / "name", "w+b") as f:
        f.write(data)
        os.fsync(f.fileno())
        f.seek(len(data))
        f.write(b" and more, not saved")
        f.flush()
        removal(where / "name")
        f.seek(0)
        assert f.read() == data + b" and more, not saved"


@pytest.mark.any_server(faulty=True)
def test_what_was_sent_already_is_read_while_the_answer_is_waited_for(emu, admin):
    """S3 has the new version, and the mount knows only of the one before, and of what was changed."""
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/unanswered", words(emu, admin, "writeback")))
    prove(where)
    data = os.urandom(9 << 20)
    (where / "name").write_bytes(data)
    wait_until(lambda: admin.status(where)["pending"] == [])
    emu.admin("POST", "faults", {"operation": "CompleteMultipartUpload", "effect": "error", "after": True,
                                 "status": 503, "code": "SlowDown", "count": 3})
    with open(where / "name", "ab") as f:
        f.write(b" and more")
    wait_until(lambda: emu.admin("GET", "faults")[0]["hits"] > 0)
    assert (where / "name").read_bytes() == data + b" and more"
    wait_until(lambda: admin.status(where)["pending"] == [])
    assert body(emu, "unanswered/name") == data + b" and more"


def left_uploads(emu, key):
    begun = emu.owner.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    return [u["UploadId"] for u in begun if u["Key"] == key]


def killed_at_a_part(emu, admin, prefix, data):
    """Where a mount was that died after one part of a save was sent and the others failed."""
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin, "writeback")))
    prove(where)
    emu.admin("POST", "faults", {"operation": "UploadPart", "effect": "error", "skip": 1, "count": -1,
                                 "status": 500, "code": "InternalError"})
    (where / "large").write_bytes(data)
    wait_until(lambda: any(p.get("error") for p in admin.status(where)["pending"]))
    admin.kill(where)
    return where


@pytest.mark.any_server(faulty=True)
def test_an_upload_that_is_gone_begins_anew(emu, admin):
    """Some servers fail at a part of such an upload, and the save would not be sent at the next mount."""
    prefix, data = "gone-upload", os.urandom(20 << 20)
    where = killed_at_a_part(emu, admin, prefix, data)
    emu.admin("DELETE", "faults")
    begun = left_uploads(emu, f"{prefix}/large")
    for upload in begun:
        emu.owner.abort_multipart_upload(Bucket=BUCKET, Key=f"{prefix}/large", UploadId=upload)
    again(emu, admin, where, prefix, "writeback")
    assert len(begun) == 1 and admin.status(where)["pending"] == []
    assert body(emu, f"{prefix}/large") == data


@pytest.mark.any_server(faulty=True)
def test_an_upload_whose_parts_fail_goes_on(emu, admin):
    """What a server that fails has of it already is not sent again."""
    prefix, data = "kept-upload", os.urandom(20 << 20)
    where = killed_at_a_part(emu, admin, prefix, data)
    emu.admin("DELETE", "requests")
    again(emu, admin, where, prefix, "writeback")
    assert len(left_uploads(emu, f"{prefix}/large")) == 1 and admin.status(where)["pending"] != []
    admin.kill(where)
    emu.admin("DELETE", "faults")
    again(emu, admin, where, prefix, "writeback")
    assert body(emu, f"{prefix}/large") == data and admin.status(where)["pending"] == []
    assert "CreateMultipartUpload" not in [r["operation"] for r in emu.admin("GET", "requests")]

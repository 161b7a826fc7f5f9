"""000-M6: who may put objects and may neither delete nor abort can create and change files, and is told of the rest."""
import json
import os
import pathlib

import pytest
from mounting import options, wait_until
from patterns import content

BUCKET = "test-bucket-1"
PREFIX = "no-delete"
LARGE = 12 << 20


@pytest.fixture
def point(emu, admin):
    emu.owner.put_object(Bucket=BUCKET, Key=f"{PREFIX}/there", Body=b"there")
    emu.owner.put_object(Bucket=BUCKET, Key=f"{PREFIX}/d/f", Body=b"f")
    emu.owner.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": ["s3:DeleteObject", "s3:AbortMultipartUpload"],
            "Resource": f"arn:aws:s3:::{BUCKET}/{PREFIX}/*"}]}))
    yield pathlib.Path(admin.mount(f"s3://{BUCKET}/{PREFIX}", options(
        emu, "profile=admin2", f"state-dir={admin.dir}/state")))
    emu.owner.delete_bucket_policy(Bucket=BUCKET)


def keys(emu):
    """But for what tells which conditions a server honours: AWS is not asked for that."""
    found = emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/")["Contents"]
    names = {o["Key"][len(PREFIX) + 1:] for o in found}
    return {n for n in names if not n.startswith(".s3apfs-probe-")}


def body(emu, name):
    return emu.owner.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}")["Body"].read()


def test_000_m6_files_are_created_and_changed(emu, point):
    large = content("large", LARGE)
    (point / "small").write_bytes(b"small")
    (point / "large").write_bytes(large)
    with open(point / "large", "ab") as f:
        f.write(b"more")
    (point / "folder").mkdir()
    assert body(emu, "small") == b"small" and body(emu, "large") == large + b"more"
    wait_until(lambda: "folder/" in keys(emu))  # sent behind


def test_000_m6_nothing_is_removed_or_moved(emu, admin, point):
    before = keys(emu)
    for attempt in (lambda: os.unlink(point / "there"), lambda: os.rename(point / "there", point / "moved"),
                    lambda: os.rename(point / "d", point / "e")):
        with pytest.raises(PermissionError):
            attempt()
    more = keys(emu) - before
    assert before <= keys(emu) and more <= {"moved", "e/f"}
    said = {"moved": "both names are left", "e/f": "some of the copies could not be removed"}
    for name in more:
        assert said[name] in admin.log()
    assert (point / "there").read_bytes() == b"there" and (point / "d" / "f").read_bytes() == b"f"
    assert admin.status(point)["pending"] == []


def test_000_m6_an_upload_that_may_not_be_aborted_is_told_of_once(emu, admin, point):
    (point / "first").write_bytes(b"first")  # the conditions that the server honours are known now
    emu.admin("DELETE", "requests")
    with open(point / "given-up", "wb") as f:
        f.write(content("given-up", 3 * LARGE))
        f.flush()
        wait_until(lambda: any(r["operation"] == "UploadPart" for r in emu.admin("GET", "requests")))
        f.truncate(0)
        f.seek(0)
        f.write(b"little")
    assert body(emu, "given-up") == b"little"
    admin.umount(point)
    aborts = [r for r in emu.admin("GET", "requests") if r["operation"] == "AbortMultipartUpload"]
    assert len(aborts) == 1 and aborts[0]["status"] == 403
    assert admin.log().count("could not be aborted") == 1

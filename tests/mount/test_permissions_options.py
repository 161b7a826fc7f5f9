"""docs/permissions.md against the emulator's record of requests: what options for writing call, and copies between sources."""
import os
import subprocess

import pytest
from emulator import ADMINS
from mounting import options
from test_permissions import READING, TABLE, WRITING, calls, change, held_to, seen

BUCKET = "test-bucket-1"
PREFIX = "permissions-options"
KEY = "arn:aws:kms:us-east-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TAGS = "GetObjectTagging"


def words(emu, place, *more):
    return options(emu, "profile=admin", f"state-dir={place.dir}/state", *more)


def mount(emu, place, *more):
    place.add_profile("admin", ADMINS["222222222222"])
    emu.owner.put_object(Bucket=BUCKET, Key=f"{PREFIX}/x", Body=b"x")
    emu.admin("DELETE", "requests")
    return place.mount(f"s3://{BUCKET}/{PREFIX}", words(emu, place, *more))


def test_strict_attributes(emu, place):
    names = [f"listed-{i}" for i in range(5)]
    for name in names:
        emu.owner.put_object(Bucket=BUCKET, Key=f"{PREFIX}/strict/{name}", Body=b"x")
    point = mount(emu, place, "posix-metadata=strict")
    assert sorted(os.listdir(point / "strict")) == names
    for name in names:
        os.stat(point / "strict" / name)
    assert calls(emu) <= READING
    more = TABLE["... with `posix-metadata=strict`"]
    asked = {r["key"] for r in seen(emu) if r["operation"] in more}
    assert {f"{PREFIX}/strict/{name}" for name in names} <= asked
    for r in seen(emu):
        assert r.get("key", r.get("prefix")).startswith(f"{PREFIX}/"), r


def tagged(emu, place, *more):
    """What is changed has tags; what of it was asked for tags, and all that was asked."""
    point = mount(emu, place, *more)
    for name in ("one", "two"):
        emu.owner.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=b"1", Tagging="a=1")
    emu.admin("DELETE", "requests")
    for name in ("one", "two"):
        (point / name).write_bytes(b"changed")
        os.chmod(point / name, 0o600)
    place.umount(point)
    asked = {r["key"] for r in seen(emu) if r["operation"] == TAGS}
    assert calls(emu) <= READING | TABLE[WRITING]
    return asked


def test_tags_are_asked_for_at_each_change(emu, place):
    assert {TAGS} == TABLE["... with `tags=keep`"]
    assert tagged(emu, place, "tags=keep") == {f"{PREFIX}/one", f"{PREFIX}/two"}


def test_nobody_asks_for_tags_that_are_dropped(emu, place):
    assert tagged(emu, place, "tags=drop") == set()


@pytest.mark.parametrize("row,more", [
    ("... with `acl=`", ["acl=bucket-owner-full-control"]),
    ("... with `sse=aws:kms` or `aws:kms:dsse` and a `kms-key=` of one's own, or where objects have one",
     ["sse=aws:kms", f"kms-key={KEY}"])], ids=["acl", "kms"])
def test_no_other_calls(emu, place, row, more):
    assert TABLE[row] == set() and row in TABLE
    point = mount(emu, place, *more)
    change(point)
    place.umount(point)
    held_to(seen(emu), READING | TABLE[WRITING], f"{PREFIX}/")


def test_copies_between_sources(emu, place):
    row = "... where files are copied from another source of the mount"
    place.add_profile("admin", ADMINS["222222222222"])
    body = os.urandom(3 << 20)
    emu.owner.put_object(Bucket=BUCKET, Key=f"{PREFIX}-from/f", Body=body)
    emu.owner.put_object(Bucket=BUCKET, Key=f"{PREFIX}-to/first", Body=b"x")
    source = place.config(emu, {
        "from": [f"source = s3://{BUCKET}/{PREFIX}-from", "profile = admin", "path-style = yes"],
        "to": [f"source = s3://{BUCKET}/{PREFIX}-to", "profile = admin", "path-style = yes"]})
    point = place.mount(source, [f"state-dir={place.dir}/state"])
    (point / "to" / "first").write_bytes(b"proved")
    emu.admin("DELETE", "requests")
    subprocess.run(["cp", point / "from" / "f", point / "to" / "f"], check=True)
    copies = [r for r in seen(emu) if r["operation"] in TABLE[row]]
    assert [r["key"] for r in copies] == [f"{PREFIX}-to/f"] and TABLE[row] == {"CopyObject"}
    assert calls(emu) <= READING | TABLE[row]
    assert (point / "to" / "f").read_bytes() == body
    place.umount(point)

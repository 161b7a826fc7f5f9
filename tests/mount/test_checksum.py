"""checksum=: what goes along with bytes, of whole objects and of parts, and what lost replies leave."""
import base64
import hashlib
import os
import pathlib
import signal
import subprocess
import zlib

import pytest
from mounting import options

BUCKET = "test-bucket-1"
KINDS = ["crc64nvme", "crc32", "crc32c", "sha1", "sha256"]


def words(emu, place, *more):
    return options(emu, "profile=admin2", f"state-dir={place.dir}/state", *more)


def mount(emu, place, prefix, *more):
    return pathlib.Path(place.mount(f"s3://{BUCKET}/{prefix}", words(emu, place, *more)))


def sums(emu, key):
    """(kind -> value, type)"""
    h = emu.owner.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    found = {k[len("Checksum"):].lower(): v for k, v in h.items() if k.startswith("Checksum") and k != "ChecksumType"}
    return found, h["ChecksumType"]


def text(digest):
    return base64.b64encode(digest).decode()


SMALL = {"crc32": lambda b: text(zlib.crc32(b).to_bytes(4, "big")), "sha1": lambda b: text(hashlib.sha1(b).digest()),
         "sha256": lambda b: text(hashlib.sha256(b).digest())}


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_of_writing(emu, admin, kind):
    prefix = f"checksum-{kind}"
    where = mount(emu, admin, prefix, f"checksum={kind}")
    (where / "small").write_bytes(b"123456789")
    (where / "empty").touch()
    data = os.urandom(20 << 20)
    (where / "large").write_bytes(data)
    with open(where / "large", "r+b") as f:  # parts that are copied, and one that is sent
        f.seek(10 << 20)
        f.write(b"changed")
    data = data[:10 << 20] + b"changed" + data[(10 << 20) + 7:]
    os.rename(where / "small", where / "moved")
    os.chmod(where / "empty", 0o600)
    assert admin.run("sync", where).returncode == 0
    for name in ("moved", "empty"):
        found, how = sums(emu, f"{prefix}/{name}")
        assert list(found) == [kind] and how == "FULL_OBJECT", (name, found)
    if kind in SMALL:
        assert sums(emu, f"{prefix}/moved")[0] == {kind: SMALL[kind](b"123456789")}
    found, how = sums(emu, f"{prefix}/large")
    assert list(found) == [kind]
    assert how == ("COMPOSITE" if kind.startswith("sha") else "FULL_OBJECT")
    assert ("-" in found[kind]) == kind.startswith("sha")
    if kind == "crc32":
        assert found[kind] == SMALL[kind](data)
    assert emu.owner.get_object(Bucket=BUCKET, Key=f"{prefix}/large")["Body"].read() == data
    assert (where / "large").read_bytes() == data


@pytest.mark.parametrize("kind", ["crc32", "sha256"])
def test_lost_replies(emu, admin, kind):
    """A change that was made and not answered is found by its checksum, also where the etag is no MD5."""
    prefix = f"checksum-lost-{kind}"
    where = mount(emu, admin, prefix, f"checksum={kind}", "sse=aws:kms")
    (where / "first").write_text("x")
    for operation in ("PutObject", "CompleteMultipartUpload"):
        emu.admin("POST", "faults", {"operation": operation, "effect": "drop", "after": True, "count": 1})
    (where / "small").write_bytes(b"small")
    data = os.urandom(20 << 20)
    (where / "large").write_bytes(data)
    assert sorted(os.listdir(where)) == ["first", "large", "small"]
    assert emu.owner.get_object(Bucket=BUCKET, Key=f"{prefix}/large")["Body"].read() == data
    assert admin.status(where)["pending"] == []


def test_an_upload_of_an_earlier_process(emu, admin):
    """SHA-256 needs each part's checksum at the end: what an earlier process sent is sent again."""
    prefix = "checksum-again"
    how = words(emu, admin, "writeback", "checksum=sha256")
    where = mount(emu, admin, prefix, "writeback", "checksum=sha256")
    (where / "first").write_text("x")
    assert admin.run("sync", where).returncode == 0
    emu.admin("POST", "faults", {"operation": "CompleteMultipartUpload", "effect": "error", "count": -1,
                                 "status": 503, "code": "SlowDown"})
    data = os.urandom(20 << 20)
    (where / "large").write_bytes(data)
    os.kill(admin.status(where)["pid"], signal.SIGKILL)
    subprocess.run(["umount", "-l", str(where)], check=True)
    emu.admin("DELETE", "faults")
    result = admin.run("mount", f"s3://{BUCKET}/{prefix}", where, "-o", ",".join([*how, f"log={admin.dir}/log"]))
    assert result.returncode == 0, result.stderr + admin.log()
    assert emu.owner.get_object(Bucket=BUCKET, Key=f"{prefix}/large")["Body"].read() == data
    assert sums(emu, f"{prefix}/large")[1] == "COMPOSITE"
    uploads = emu.owner.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    assert [u for u in uploads if u["Key"].startswith(prefix)] == []
    assert admin.status(where)["pending"] == []


def test_a_wrong_word(emu, place):
    result, _ = place.try_mount(f"s3://{BUCKET}", options(emu, "profile=demo", "checksum=md5"))
    assert result.returncode == 2 and "is not one of crc64nvme, crc32, crc32c, sha256, sha1" in result.stderr

"""checksum=: what goes along with bytes, of whole objects and of parts, and what lost replies leave."""
import base64
import hashlib
import os
import pathlib
import signal
import subprocess
import zlib

import pytest
from mounting import GRANTS_BUCKET, options, wait_until

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


def parts_of(emu, key):
    """What the unfinished upload has: number -> (size, checksum)."""
    uploads = emu.owner.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    upload, = [u["UploadId"] for u in uploads if u["Key"] == key]
    told = emu.owner.list_parts(Bucket=BUCKET, Key=key, UploadId=upload)["Parts"]
    return {p["PartNumber"]: (p["Size"], *[v for k, v in p.items() if k.startswith("Checksum")]) for p in told}


def cut_upload(emu, place, where, data, fault, folder=""):
    """A file that was promised, whose upload failed half done as the process ended."""
    (where / folder / "first").write_text("x")
    assert place.run("sync", where).returncode == 0
    emu.admin("POST", "faults", {"effect": "error", "count": -1, "status": 403, "code": "AccessDenied", **fault})
    (where / folder / "large").write_bytes(data)
    wait_until(lambda: any(p.get("error") for p in place.status(where)["pending"]))
    os.kill(place.status(where)["pid"], signal.SIGKILL)
    subprocess.run(["umount", "-l", str(where)], check=True)
    emu.admin("DELETE", "faults")


def again(emu, place, source, where, how):
    """Mounts it; what the mount asked S3 for."""
    emu.admin("DELETE", "requests")
    result = place.run("mount", source, where, "-o", ",".join([*how, f"log={place.dir}/log"]))
    assert result.returncode == 0, result.stderr + place.log()
    assert place.status(where)["pending"] == []
    return [r["operation"] for r in emu.admin("GET", "requests")]


CUTS = {"at-the-end": {"operation": "CompleteMultipartUpload"}, "between": {"operation": "UploadPart", "skip": 2}}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_of_an_earlier_process_goes_on(emu, admin, kind, cut):
    """Not a part is sent twice, and S3 joins their checksums, whatever the algorithm is."""
    prefix = f"checksum-again-{kind}-{cut}"
    how = words(emu, admin, "writeback", f"checksum={kind}")
    where = mount(emu, admin, prefix, "writeback", f"checksum={kind}")
    data = os.urandom(40 << 20)
    cut_upload(emu, admin, where, data, CUTS[cut])
    sent = parts_of(emu, f"{prefix}/large")
    did = again(emu, admin, f"s3://{BUCKET}/{prefix}", where, how)
    assert len(sent) == (2 if cut == "between" else 5)
    assert did.count("UploadPart") == 5 - len(sent) and "CreateMultipartUpload" not in did
    assert did.count("CompleteMultipartUpload") == 1
    assert emu.owner.get_object(Bucket=BUCKET, Key=f"{prefix}/large")["Body"].read() == data
    found, how = sums(emu, f"{prefix}/large")
    assert list(found) == [kind] and how == ("COMPOSITE" if kind in ("sha1", "sha256") else "FULL_OBJECT")
    if kind in ("sha1", "sha256"):
        digest = getattr(hashlib, kind)
        whole = b"".join(digest(data[at:at + (8 << 20)]).digest() for at in range(0, len(data), 8 << 20))
        assert found[kind] == text(digest(whole).digest()) + "-5"
    if kind == "crc32":
        assert found[kind] == SMALL[kind](data)
    if kind in SMALL:
        for number, (size, told) in sent.items():
            assert told == SMALL[kind](data[(number - 1) << 23:][:size])


def test_an_upload_into_a_grant_goes_on(emu, place):
    how = options(emu, "profile=usera", f"state-dir={place.dir}/state", "writeback", "checksum=sha1")
    where = pathlib.Path(place.mount("grants", how))
    data = os.urandom(40 << 20)
    cut_upload(emu, place, where, data, CUTS["at-the-end"], f"{GRANTS_BUCKET}/UserA")
    did = again(emu, place, "grants", where, how)
    assert did.count("UploadPart") == 0 and did.count("CompleteMultipartUpload") == 1
    for name, told in (("large", data), ("first", b"x")):
        key = {"Bucket": GRANTS_BUCKET, "Key": f"UserA/{name}"}
        assert emu.grants_owner.get_object(**key)["Body"].read() == told
        emu.grants_owner.delete_object(**key)


@pytest.mark.parametrize("first, then", [("sha256", "crc64nvme"), ("crc64nvme", "sha1"), ("crc32", "crc32c"),
                                         ("crc32c", "sha256")])
@pytest.mark.parametrize("cut", CUTS)
def test_an_upload_of_another_algorithm_begins_anew(emu, admin, first, then, cut):
    """The option was changed since: S3 would take neither the parts nor the whole."""
    prefix = f"checksum-changed-{first}-{cut}"
    where = mount(emu, admin, prefix, "writeback", f"checksum={first}")
    data = os.urandom(40 << 20)
    cut_upload(emu, admin, where, data, CUTS[cut])
    did = again(emu, admin, f"s3://{BUCKET}/{prefix}", where, words(emu, admin, "writeback", f"checksum={then}"))
    assert did.count("CreateMultipartUpload") == 1 and did.count("UploadPart") == 5
    assert emu.owner.get_object(Bucket=BUCKET, Key=f"{prefix}/large")["Body"].read() == data
    assert list(sums(emu, f"{prefix}/large")[0]) == [then]
    uploads = emu.owner.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    assert [u for u in uploads if u["Key"].startswith(prefix)] == []


def test_a_wrong_word(emu, place):
    result, _ = place.try_mount(f"s3://{BUCKET}", options(emu, "profile=demo", "checksum=md5"))
    assert result.returncode == 2 and "is not one of crc64nvme, crc32, crc32c, sha256, sha1" in result.stderr

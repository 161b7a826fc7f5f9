"""Whole objects are held against the checksum that S3 keeps of them.

The emulator's own file of an object is damaged under it, so size and etag stay.
"""
import errno
import pathlib

import pytest
from mounting import options
from patterns import content
from test_cache_damage import with_admin

BUCKET = "test-bucket-1"
MIB = 1 << 20
SMALL = 5000
LARGE = 9 * MIB + 77
ALGORITHMS = ["CRC64NVME", "CRC32", "CRC32C"]


@pytest.fixture
def admin(place):
    return with_admin(place)


@pytest.fixture
def objects(emu):
    """Path in the mount -> content, anew for each test."""
    contents = {}
    for algorithm in ALGORITHMS:
        for size in (SMALL, LARGE):
            name = f"{algorithm}-{size}"
            contents[name] = content(name, size)
            emu.owner.put_object(Bucket=BUCKET, Key=f"summed/{name}", Body=contents[name],
                                 ChecksumAlgorithm=algorithm)
    return contents


def damage(emu, name, at):
    """Flips a bit of what the emulator has; the same call mends it."""
    path = pathlib.Path(emu.dir.name) / "data" / "objects" / BUCKET / f"summed%2F{name}"
    with path.open("r+b") as f:
        f.seek(at)
        was = f.read(1)
        f.seek(at)
        f.write(bytes([was[0] ^ 4]))


def mount(admin, emu, *more):
    return admin.mount(f"s3://{BUCKET}/summed", options(emu, "profile=admin2", "path-style", *more))


def reads_wrong(path):
    with pytest.raises(OSError) as error:
        path.read_bytes()
    return error.value.errno == errno.EIO


def gets(emu, name):
    return [r for r in emu.admin("GET", "requests")
            if r["operation"] == "GetObject" and r["key"] == f"summed/{name}"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_damaged_objects_are_an_error_and_right_ones_are_read(admin, emu, objects, algorithm):
    small, large = f"{algorithm}-{SMALL}", f"{algorithm}-{LARGE}"
    damage(emu, small, 3000)
    damage(emu, large, 100_000)
    point = mount(admin, emu)
    assert reads_wrong(point / small)
    assert reads_wrong(point / large)
    assert f"'{small}' is not what its checksum says" in admin.log()
    assert f"'{large}' is not what its checksum says" in admin.log()
    damage(emu, small, 3000)
    damage(emu, large, 100_000)
    assert (point / small).read_bytes() == objects[small]
    assert (point / large).read_bytes() == objects[large], "nothing of it was kept"


def test_a_small_one_is_fetched_once_more_and_never_shown(admin, emu, objects):
    name = f"CRC32C-{SMALL}"
    damage(emu, name, 0)
    point = mount(admin, emu)
    list(point.iterdir())  # known by name and size, not asked for
    emu.admin("DELETE", "requests")
    with pytest.raises(OSError) as error:
        (point / name).open("rb")
    assert error.value.errno == errno.EIO
    assert len(gets(emu, name)) == 2


def test_it_costs_no_request(admin, emu, objects):
    point = mount(admin, emu, "cache-size=0")
    emu.admin("DELETE", "requests")
    for name in objects:
        assert (point / name).read_bytes() == objects[name]
    heads = [r for r in emu.admin("GET", "requests") if r["operation"] == "HeadObject"]
    assert len(heads) == len(objects), "one that finds each name"
    for name in objects:
        sent = gets(emu, name)
        ranged = [r for r in sent if r["status"] == 206]
        assert len(sent) == 1 and not ranged if name.endswith(str(SMALL)) else ranged == sent


def test_a_checksum_of_parts_is_no_checksum_of_the_whole(admin, emu):
    body = content("parts", 6 * MIB)
    where = {"Bucket": BUCKET, "Key": "summed/composite"}
    upload = emu.owner.create_multipart_upload(ChecksumAlgorithm="CRC32", ChecksumType="COMPOSITE",
                                               **where)["UploadId"]
    done = []
    for number, part in enumerate((body[:5 * MIB], body[5 * MIB:]), 1):
        sent = emu.owner.upload_part(PartNumber=number, UploadId=upload, Body=part,
                                     ChecksumAlgorithm="CRC32", **where)
        done.append({"PartNumber": number, "ETag": sent["ETag"],
                     "ChecksumCRC32": sent["ChecksumCRC32"]})
    emu.owner.complete_multipart_upload(UploadId=upload, MultipartUpload={"Parts": done}, **where)
    assert (mount(admin, emu) / "composite").read_bytes() == body


def test_damage_is_not_kept_on_disk(admin, emu, objects):
    name = f"CRC64NVME-{LARGE}"
    damage(emu, name, 5 * MIB)
    point = mount(admin, emu)
    assert reads_wrong(point / name)
    admin.umount(point)
    damage(emu, name, 5 * MIB)
    assert (mount(admin, emu) / name).read_bytes() == objects[name]

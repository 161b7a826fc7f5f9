"""Keys of 1,024 bytes, the most that S3 takes, of which the source's prefix is a part."""
import contextlib
import errno
import os
import pathlib

import pytest
from mounting import options

BUCKET, PREFIX = "test-bucket-1", "long"
DEEP = "/".join(["d" * 240] * 4)
ROOM = 1024 - len(f"{PREFIX}/{DEEP}/")


@pytest.fixture(params=["", "writeback"])
def folder(emu, admin, request):
    """One in which a name may have ROOM bytes; all of it is in S3 at the end."""
    words = options(emu, "profile=admin2", f"state-dir={admin.dir}/state")
    point = pathlib.Path(admin.mount(f"s3://{BUCKET}/{PREFIX}", [*words, *filter(None, [request.param])]))
    (point / DEEP).mkdir(parents=True)
    yield point / DEEP
    synced = admin.run("sync", point)
    if not getattr(request.node, "failed_call", False):
        assert synced.returncode == 0, synced.stdout + synced.stderr
    for page in emu.owner.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{PREFIX}/"):
        for entry in page.get("Contents", []):
            emu.owner.delete_object(Bucket=BUCKET, Key=entry["Key"])


def names_of(emu):
    listed = emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/{DEEP}/")
    return {entry["Key"].removeprefix(f"{PREFIX}/{DEEP}/") for entry in listed["Contents"]}


@contextlib.contextmanager
def too_long():
    with pytest.raises(OSError) as failed:
        yield
    assert failed.value.errno == errno.ENAMETOOLONG


def test_files_of_the_longest_keys(emu, admin, folder):
    longest, longer = "f" * ROOM, "f" * (ROOM + 1)
    (folder / "first").write_text("first")
    with too_long():
        (folder / "first").rename(folder / longer)
    (folder / "first").rename(folder / longest)
    with too_long():
        (folder / longest).rename(folder / longer)
    with too_long():
        (folder / longer).touch()
    with too_long():
        (folder / longer).symlink_to("first")
    with too_long():
        os.mkfifo(folder / longer)
    assert not os.path.lexists(folder / longer)
    assert admin.run("sync", folder).returncode == 0
    assert (folder / longest).read_text() == "first"
    assert names_of(emu) == {"", longest}


def test_folders_of_the_longest_keys(emu, admin, folder):
    """A folder's own object has a '/' at the end of its key."""
    longest = folder / ("d" * (ROOM - 1))
    with too_long():
        (folder / ("d" * ROOM)).mkdir()
    longest.mkdir()
    with too_long():
        (longest / "x").touch()
    longest.rmdir()
    (folder / ("d" * (ROOM - 2))).mkdir()
    (folder / ("d" * (ROOM - 2)) / "x").write_text("x")
    with too_long():
        (folder / ("d" * (ROOM - 2))).rename(longest)
    assert admin.run("sync", folder).returncode == 0
    assert names_of(emu) == {"", "d" * (ROOM - 2) + "/", "d" * (ROOM - 2) + "/x"}


def test_a_conflict_copy_has_a_key_that_fits(emu, admin, folder):
    name = "f" * ROOM
    (folder / name).write_text("before")
    assert admin.run("sync", folder).returncode == 0
    fd = os.open(folder / name, os.O_RDWR | os.O_TRUNC)
    os.write(fd, b"ours")
    emu.owner.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{DEEP}/{name}", Body=b"theirs")
    with contextlib.suppress(OSError):  # with writeback it is found out later
        os.close(fd)
    admin.run("sync", folder)
    copy, = (n for n in names_of(emu) if ".conflict-" in n)
    copied = emu.owner.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{DEEP}/{copy}")["Body"].read()
    assert copied == b"ours"

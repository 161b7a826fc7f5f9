"""Modes, owners, times and links as objects' metadata has them."""
import errno
import os
import pathlib
import shutil
import stat
import subprocess
import threading
import time

import pytest
from mounting import options

BUCKET = "test-bucket-1"


@pytest.mark.any_server(faulty=True)
def test_attributes_and_links_of_aws_file_services(emu, place):
    place.add_owner()
    emu.owner.put_object(Bucket=BUCKET, Key="posix/run.sh", Body=b"#!/bin/sh\necho ran\n", Metadata={
        "file-permissions": "0100755", "file-owner": "1000", "file-group": "100",
        "file-mtime": "1595002920123456789ns"})
    emu.owner.put_object(Bucket=BUCKET, Key="posix/link", Body=b"run.sh",
                         Metadata={"file-permissions": "0120777"})
    emu.owner.put_object(Bucket=BUCKET, Key="posix/old", Body=b"x", Metadata={"mode": "33184"})
    point = place.mount(f"s3://{BUCKET}/posix", options(emu, "profile=admin2", "path-style"))
    st = os.lstat(point / "run.sh")
    assert st.st_mode & 0o555 == 0o555 and stat.S_ISREG(st.st_mode)
    assert (st.st_uid, st.st_gid, st.st_mtime_ns) == (1000, 100, 1595002920123456789)
    assert os.readlink(point / "link") == "run.sh"
    assert (point / "link").read_bytes() == b"#!/bin/sh\necho ran\n"
    assert os.lstat(point / "old").st_mode & 0o77 == 0o40
    assert stat.S_ISLNK(os.lstat(point / "link").st_mode)


@pytest.mark.any_server(faulty=True)
def test_extended_attributes_of_other_kinds_are_not_supported(emu, admin):
    """EOPNOTSUPP, not ENODATA: after it, ls and cp do not ask for them at every file."""
    emu.owner.put_object(Bucket=BUCKET, Key="kinds/d/f", Body=b"x", Metadata={"color": "blue"})
    point = admin.mount(f"s3://{BUCKET}/kinds", options(emu, "profile=admin2"))
    os.symlink("f", point / "d" / "link")
    for path in (point, point / "d", point / "d" / "f", point / "d" / "link"):
        for name in ("security.capability", "security.selinux", "system.posix_acl_access",
                     "system.posix_acl_default", "trusted.overlay.opaque"):
            if name.startswith("system.") and path.name == "link":
                continue  # the kernel's own answer
            assert xattr_error(os.getxattr, path, name) == errno.EOPNOTSUPP, (path, name)
        for call, value in ((os.setxattr, [b"1"]), (os.removexattr, [])):
            assert xattr_error(call, path, "trusted.a", *value) == errno.EOPNOTSUPP, (path, call)
    assert os.getxattr(point / "d" / "f", "user.color") == b"blue"
    assert xattr_error(os.getxattr, point / "d" / "f", "user.none") == errno.ENODATA
    assert xattr_error(os.getxattr, point / "d", "user.none") == errno.ENODATA
    assert os.listxattr(point / "d" / "f") == ["user.color"]


def xattr_error(call, path, *args):
    try:
        call(path, *args, follow_symlinks=False)
    except OSError as e:
        return e.errno
    return 0


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("copy", ["cp -a {0} {1}", "rsync -aX {0}/ {1}",
                                  "mkdir {1} && tar -C {0} --xattrs --acls -c . | "
                                  "tar -C {1} --xattrs -x"],
                         ids=["cp", "rsync", "tar"])
def test_programs_that_copy_take_extended_attributes_along(emu, admin, copy, request):
    if shutil.which(copy.split()[0]) is None:
        pytest.skip(copy.split()[0] + " is not here")
    prefix = f"along-{request.node.callspec.id}"
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/from/sub/f", Body=b"x", Metadata={
        "color": "blue", "file-permissions": "0100640", "file-mtime": "1600000000000000000ns"})
    point = admin.mount(f"s3://{BUCKET}/{prefix}", options(emu, "profile=admin2"))
    os.stat(point / "from" / "sub" / "f")
    result = subprocess.run(copy.format(point / "from", point / "to"), shell=True, text=True,
                            capture_output=True, timeout=120, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    copied = point / "to" / "sub" / "f"
    assert copied.read_bytes() == b"x" and "user.color" in os.listxattr(copied)
    assert os.getxattr(copied, "user.color") == b"blue"
    assert stat.S_IMODE(copied.stat().st_mode) == 0o640 and copied.stat().st_mtime == 1600000000
    assert emu.owner.head_object(Bucket=BUCKET, Key=f"{prefix}/to/sub/f")["Metadata"]["color"] == "blue"


@pytest.mark.any_server(faulty=True)
@pytest.mark.parametrize("more", [[], ["writeback"]], ids=["durable", "writeback"])
def test_a_time_that_changes_while_the_content_is_on_its_way(emu, admin, more):
    """ftruncate to the same size changes nothing but the time: it follows the content to S3."""
    prefix = f"late-{len(more)}"
    top = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", options(
        emu, "profile=admin2", f"state-dir={admin.dir}/state", *more)))
    (top / "first").write_text("so that what the server honours is known")
    assert admin.run("sync", top).returncode == 0
    emu.admin("POST", "faults", {"operation": "PutObject", "effect": "none", "ms": 1500, "count": 1})
    file = open(top / "file", "wb")
    file.write(b"content")
    file.flush()
    closing = threading.Thread(target=file.close)
    closing.start()
    time.sleep(0.5)
    with open(top / "file", "r+b") as again:
        again.truncate(7)
        shown = os.fstat(again.fileno()).st_mtime_ns
    closing.join()
    assert admin.run("sync", top).returncode == 0
    assert (top / "file").stat().st_mtime_ns == shown
    meta = emu.owner.head_object(Bucket=BUCKET, Key=f"{prefix}/file")["Metadata"]
    assert meta["file-mtime"] == f"{shown}ns"
    assert (top / "file").read_bytes() == b"content"


@pytest.mark.any_server(faulty=True)
def test_a_copy_over_a_file_has_a_time_of_its_own(emu, admin):
    """Not that of the file that was there, nor that of what was copied: make must see that it is new."""
    top = pathlib.Path(admin.mount(f"s3://{BUCKET}/copied", options(emu, "profile=admin2", f"state-dir={admin.dir}/state")))
    for name in ("from", "to"):
        (top / name).write_bytes(name.encode() * 50000)
        os.utime(top / name, (1e9, 1e9))
    emu.admin("DELETE", "requests")
    with open(top / "from", "rb") as source, open(top / "to", "wb") as target:
        assert os.copy_file_range(source.fileno(), target.fileno(), 200000) == 200000
    shown = (top / "to").stat().st_mtime_ns
    meta = emu.owner.head_object(Bucket=BUCKET, Key="copied/to")["Metadata"]
    assert meta["file-mtime"] == f"{shown}ns" and shown > 1.7e18
    assert [r["operation"] for r in emu.admin("GET", "requests")].count("CopyObject") == 1

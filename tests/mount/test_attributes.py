"""Modes, owners, times and links as objects' metadata has them."""
import os
import stat

from mounting import options

BUCKET = "test-bucket-1"


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

"""docs/permissions.md for what is written under AWS's own host names: Outposts, Multi-Region access points."""
import os
import shutil
import subprocess

import pytest
from targets import BUCKET, FSX_ALIAS, MRAP, OUTPOSTS_ALIAS, OUTPOSTS_AP
from test_permissions import CALL, TABLE, WRITING, change, held_to, use
from test_targets import aws, cert, forget, here, seen  # noqa: F401
from emulator import ROOT

OUTPOSTS = TABLE["Object Lambda, Outposts access point"]


def without():
    """What the table takes away for Multi-Region access points."""
    text = (ROOT / "docs" / "permissions.md").read_text()
    row = next(l for l in text.splitlines() if l.startswith("| ... through a Multi-Region"))
    return set(CALL.findall(row))


@pytest.mark.parametrize("source", [OUTPOSTS_AP, OUTPOSTS_ALIAS, FSX_ALIAS], ids=["outposts", "alias", "file-system"])
def test_writing(aws, here, place, source):  # noqa: F811
    aws.client.put_object(Bucket=BUCKET, Key="permissions/x", Body=b"x")
    forget(aws)
    point = place.mount(source + "/permissions", here())
    use(point, "x")
    assert {r["operation"] for r in seen(aws)} == OUTPOSTS  # nothing that only writing needs
    change(point)
    place.umount(point)
    held_to(seen(aws), OUTPOSTS | TABLE[WRITING], "permissions/")


def test_writing_through_a_multi_region_access_point(aws, here, place):  # noqa: F811
    """Programs such as mv read and write where a rename is EXDEV; nothing is copied by the service."""
    aws.client.put_object(Bucket=BUCKET, Key="permissions/x", Body=b"x")
    forget(aws)
    point = place.mount(MRAP + "/permissions", here())
    use(point, "x")
    (point / "small").write_bytes(b"small")
    (point / "large").write_bytes(bytes(12 << 20))
    with open(point / "large", "r+b") as f:
        f.write(b"changed")
    (point / "folder").mkdir()
    subprocess.run(["mv", point / "small", point / "folder" / "moved"], check=True, timeout=120)
    shutil.rmtree(point / "folder")
    os.unlink(point / "large")
    place.umount(point)
    assert without() == {"CopyObject", "UploadPartCopy", "DeleteObjects"}
    wanted = (TABLE["access point, bucket"] | TABLE[WRITING]) - without()
    held_to(seen(aws), wanted, "permissions/", least={"DeleteObject"})

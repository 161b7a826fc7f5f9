"""What extended attributes cost: no listing tells user metadata."""
import json
import os
import shutil
import subprocess
import sys

import pytest
from mounting import options

BUCKET = "test-bucket-1"
FILES = 60
# Lists a folder, looks at each file and asks for the names of its attributes, as `ls -l` of coreutils
# 9.6 and later does, and rsync -X.
WALK = """
import json, os, sys
found = {}
with os.scandir(sys.argv[1]) as entries:
    for e in entries:
        e.stat(follow_symlinks=False)
        found[e.name] = {n: os.getxattr(e.path, n, follow_symlinks=False).decode()
                         for n in os.listxattr(e.path, follow_symlinks=False)}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(emu):
    for i in range(FILES):
        emu.owner.put_object(Bucket=BUCKET, Key=f"meta/d/f{i:03}", Body=b"x",
                             Metadata={"number": str(i)} if i % 3 else {})
    return {f"f{i:03}": {"user.number": str(i)} if i % 3 else {} for i in range(FILES)}


def mount(emu, admin):
    point = admin.mount(f"s3://{BUCKET}/meta", options(emu, "profile=admin2"))
    os.stat(point / "d")
    emu.admin("DELETE", "requests")
    return point


def walk(program, path):
    return json.loads(subprocess.run([program, "-c", WALK, path], check=True, timeout=60,
                                     capture_output=True).stdout)


def heads(emu):
    return [r["key"] for r in emu.admin("GET", "requests") if r["operation"] == "HeadObject"]


def test_ls_costs_no_head(emu, admin, folder, tmp_path):
    point = mount(emu, admin)
    program = tmp_path / "ls"
    program.symlink_to(sys.executable)
    environment = dict(os.environ, PYTHONHOME=sys.base_prefix)
    found = json.loads(subprocess.run([program, "-c", WALK, point / "d"], check=True, timeout=60,
                                      capture_output=True, env=environment).stdout)
    assert list(found) == list(folder)
    assert heads(emu) == []
    subprocess.run([shutil.which("ls"), "-lR", point], check=True, capture_output=True)
    assert heads(emu) == []
    assert walk(sys.executable, point / "d") == folder, "and nothing was learned by it"


def test_every_other_program_gets_what_is_there_by_one_head_a_file(emu, admin, folder):
    point = mount(emu, admin)
    assert walk(sys.executable, point / "d") == folder
    assert sorted(heads(emu)) == [f"meta/d/{name}" for name in folder]
    assert walk(sys.executable, point / "d") == folder
    assert len(heads(emu)) == FILES


@pytest.mark.parametrize("copy", ["cp -a {0} {1}", "rsync -aX {0}/ {1}",
                                  "mkdir {1} && tar -C {0} --xattrs -c . | tar -C {1} --xattrs -x"],
                         ids=["cp", "rsync", "tar"])
def test_programs_that_copy_a_folder_known_from_its_listing_lose_nothing(emu, admin, folder, copy):
    if shutil.which(copy.split()[0]) is None:
        pytest.skip(copy.split()[0] + " is not here")
    point = mount(emu, admin)
    to = point / ("copy-by-" + copy.split()[0])
    subprocess.run(["ls", "-l", point / "d"], check=True, capture_output=True)
    subprocess.run(copy.format(point / "d", to), shell=True, check=True, timeout=120)
    got = {r["Key"].rpartition("/")[2]: r["Key"] for r in
           emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=f"meta/{to.name}/f")["Contents"]}
    assert sorted(got) == list(folder)
    for name, wanted in folder.items():
        told = emu.owner.head_object(Bucket=BUCKET, Key=got[name])["Metadata"]
        assert {f"user.{k}": v for k, v in told.items() if k == "number"} == wanted, name


def test_a_change_of_nothing_but_metadata_elsewhere_is_seen(emu, admin):
    """It leaves the etag as it was."""
    key = "meta/changed"
    emu.owner.put_object(Bucket=BUCKET, Key=key, Body=b"x", Metadata={"color": "blue"})
    point = admin.mount(f"s3://{BUCKET}/meta",
                        options(emu, "profile=admin2", "consistency=close-to-open"))
    for color in ("blue", "red", "green"):
        emu.owner.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": key},
                              MetadataDirective="REPLACE", Metadata={"color": color})
        assert os.getxattr(point / "changed", "user.color") == color.encode()


def test_own_changes_are_seen_at_once(emu, admin):
    emu.owner.put_object(Bucket=BUCKET, Key="meta/own", Body=b"x", Metadata={"color": "blue"})
    point = mount(emu, admin)
    assert os.listxattr(point / "own") == ["user.color"]
    for color in (b"red", b"green"):
        os.setxattr(point / "own", "user.color", color)
        assert os.getxattr(point / "own", "user.color") == color
    os.removexattr(point / "own", "user.color")
    assert "user.color" not in os.listxattr(point / "own")
    (point / "first").touch()  # the source's first file is sent when it is made
    with open(point / "new", "wb"):
        assert os.listxattr(point / "new") == []


def test_a_file_that_may_not_be_asked_is_nobody_elses_failure(emu, admin, folder):
    point = mount(emu, admin)
    emu.admin("POST", "faults", {"operation": "HeadObject", "key": "meta/d/f030", "count": -1,
                                 "effect": "error", "status": 403, "code": "AccessDenied"})
    names = sorted(os.listdir(point / "d"))
    found = {}
    for name in names:
        try:
            found[name] = os.listxattr(point / "d" / name)
        except PermissionError:
            found[name] = None
    assert found == {n: None if n == "f030" else list(folder[n]) for n in names}

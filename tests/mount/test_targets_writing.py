"""Changes through every kind of target: they work, or fail with the errno that says why; a second
mount, and the bucket itself, show the same."""
import contextlib
import errno
import os
import shutil
import subprocess

import pytest
import targets
from targets import AP, BUCKET, DIRECTORY, DIRECTORY_AP, FSX_ALIAS, MRAP, OUTPOSTS_ALIAS, OUTPOSTS_AP, lambda_arn
from test_targets import aws, cert, forget, here, seen  # noqa: F401

BIG = bytes(range(256)) * 4096 * 11  # 11 MiB: more than one part
SOURCES = {"bucket": "s3://" + BUCKET, "access-point": AP, "mrap": MRAP, "outposts-arn": OUTPOSTS_AP,
           "outposts-alias": OUTPOSTS_ALIAS, "fsx": FSX_ALIAS, "directory-bucket": "s3://" + DIRECTORY,
           "directory-access-point": DIRECTORY_AP}


def tree(point):
    """Path -> what is there."""
    found = {}
    for folder, _, files in os.walk(point):
        for name in files:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, point)] = (
                open(path, "rb").read())
    return found


@pytest.mark.parametrize("kind", SOURCES)
def test_writing(aws, here, place, kind):  # noqa: F811
    source = f"{SOURCES[kind]}/written-{kind}"
    client_bucket = DIRECTORY if kind.startswith("directory") else BUCKET
    aws.client.put_object(Bucket=client_bucket, Key=f"written-{kind}/before", Body=b"before")
    point = place.mount(source, here())
    (point / "small").write_bytes(b"small")
    (point / "big").write_bytes(BIG)
    with open(point / "small", "ab") as f:
        f.write(b" and more")
    with open(point / "big", "ab") as f:
        f.write(b"tail")
    with open(point / "big", "r+b") as f:
        f.seek(6 << 20)
        f.write(b"in the middle")
    os.truncate(point / "before", 3)
    want = BIG[:6 << 20] + b"in the middle" + BIG[(6 << 20) + 13:] + b"tail"
    (point / "folder").mkdir()
    (point / "folder" / "one").write_bytes(b"1")
    moves = [("small", "folder/moved"), ("big", "large"), ("folder", "files")]
    if kind == "mrap":  # S3 copies nothing through them: programs such as mv read and write then
        with pytest.raises(OSError) as refused:
            os.chmod(point / "small", 0o600)
        assert refused.value.errno == errno.EOPNOTSUPP
        for old, new in moves:
            with pytest.raises(OSError) as refused:
                os.rename(point / old, point / new)
            assert refused.value.errno == errno.EXDEV
            subprocess.run(["mv", point / old, point / new], check=True, timeout=120)
    else:
        os.chmod(point / "small", 0o600)
        for old, new in moves:
            os.rename(point / old, point / new)
    (point / "gone").mkdir()
    for i in range(5):
        (point / "gone" / str(i)).write_bytes(b"")
    shutil.rmtree(point / "gone")
    place.umount(point)
    again = place.mount(source, here("ro"))
    shown = tree(again)
    assert shown == {"files/moved": b"small and more", "large": want, "before": b"bef", "files/one": b"1"}
    keys = {o["Key"] for o in aws.client.list_objects_v2(Bucket=client_bucket, Prefix=f"written-{kind}/")["Contents"]}
    assert keys - {f"written-{kind}/files/", f"written-{kind}/"} == {f"written-{kind}/{k}" for k in shown}
    if kind != "mrap":
        head = aws.client.head_object(Bucket=client_bucket, Key=f"written-{kind}/files/moved")
        assert int(head["Metadata"]["file-permissions"], 8) & 0o777 == 0o600


def operations(aws):
    return [r["operation"] for r in seen(aws) if r["operation"] not in ("CreateSession", "ListObjectsV2", "HeadObject",
                                                                        "GetObject")]


@pytest.mark.parametrize("bucket", [DIRECTORY, DIRECTORY_AP])
def test_directory_buckets_rename_by_themselves(aws, here, place, bucket):  # noqa: F811
    """One RenameObject a file: nothing is copied or removed, and the open file goes along."""
    top = "renamed-" + ("ap" if bucket == DIRECTORY_AP else "bucket")
    point = place.mount(f"s3://{bucket}/{top}", here())
    (point / "large").write_bytes(BIG)
    (point / "other").write_bytes(b"other")
    (point / "folder").mkdir()
    os.chmod(point / "large", 0o640)
    forget(aws)
    with open(point / "large", "rb") as f:
        os.rename(point / "large", point / "folder" / "new")
        assert f.read() == BIG
    assert operations(aws) == ["RenameObject"]
    assert os.stat(point / "folder" / "new").st_mode & 0o777 == 0o640
    os.rename(point / "folder" / "new", point / "other")  # over another one
    assert operations(aws)[:2] == ["RenameObject"] * 2 and "CopyObject" not in operations(aws)
    assert (point / "other").read_bytes() == BIG
    assert sorted(os.listdir(point)) == ["folder", "other"]
    (point / "one").write_bytes(b"1")
    (point / "two").write_bytes(b"2")
    for effect in ({"effect": "error", "status": 500, "code": "InternalError", "after": True, "count": 1},
                   {"effect": "error", "status": 501, "code": "NotImplemented"}):  # a lost reply; no such call there
        forget(aws, "faults", "POST", {"operation": "RenameObject", **effect})
        os.rename(point / "one", point / "three")
        assert (point / "three").read_bytes() == b"1" and not (point / "one").exists()
        forget(aws, "faults")
        os.rename(point / "three", point / "one")
    aws.client.put_object(Bucket=bucket, Key=f"{top}/one", Body=b"by somebody else")  # seen before it is renamed
    os.rename(point / "one", point / "two")
    place.umount(point)
    again = place.mount(f"s3://{bucket}/{top}", here("ro"))
    assert (again / "two").read_bytes() == b"by somebody else"
    assert sorted(tree(again)) == ["other", "two"]


@pytest.mark.parametrize("bucket", [DIRECTORY, DIRECTORY_AP])
def test_directory_buckets_append_by_themselves(aws, here, place, bucket):  # noqa: F811
    """One PutObject a save that carries the new bytes alone; what it cannot do makes a new object."""
    top = "appended-" + ("ap" if bucket == DIRECTORY_AP else "bucket")
    point = place.mount(f"s3://{bucket}/{top}", here())
    want = {"large": BIG, "small": b"first"}

    def append(name, data):
        with open(point / name, "ab") as f:
            f.write(data)
        want[name] += data

    def calls():
        return [(r["operation"], r["received"]) for r in seen(aws)
                if r["operation"] not in ("CreateSession", "ListObjectsV2", "HeadObject")]
    for name, data in want.items():
        (point / name).write_bytes(data)
    modes = {name: os.stat(point / name).st_mode for name in want}
    for name in want:
        forget(aws)
        append(name, b" and more")
        append(name, b", and more")
        assert calls() == [("PutObject", 9), ("PutObject", 10)], name
    for effect in ({"effect": "error", "status": 500, "code": "InternalError", "after": True, "count": 1},
                   {"effect": "error", "status": 400, "code": "TooManyParts", "count": 1}):
        forget(aws, "faults", "POST", {"operation": "PutObject", **effect})
        append("small", b"+")
        forget(aws, "faults")
    os.utime(point / "small", (1600000000, 1600000000))  # it tells its time now, so
    forget(aws)
    append("small", b"!")
    assert calls() == [("PutObject", len(want["small"]))]
    assert os.stat(point / "small").st_mtime > 1700000000
    append("small", b"?")
    assert calls()[1:] == [("PutObject", 1)]
    with open(point / "small", "r+b") as f:
        f.write(b"FIRST")
    want["small"] = b"FIRST" + want["small"][5:]
    fd = os.open(point / "small", os.O_WRONLY | os.O_APPEND)
    os.write(fd, b" ours")
    aws.client.put_object(Bucket=bucket, Key=f"{top}/small", Body=b"x" * len(want["small"]))
    with pytest.raises(OSError) as stale:
        os.fsync(fd)
    assert stale.value.errno == errno.ESTALE
    with contextlib.suppress(OSError):
        os.close(fd)
    assert (point / "small").read_bytes() == b"x" * len(want["small"])
    assert (point / "large").read_bytes() == want["large"]
    place.umount(point)
    again = place.mount(f"s3://{bucket}/{top}", here("ro"))
    assert (again / "large").read_bytes() == want["large"]
    assert os.stat(again / "large").st_mode == modes["large"] & ~0o222


def test_object_lambda_takes_new_files(aws, here, place):  # noqa: F811
    """The function makes what is read; what is written goes to the bucket as it is."""
    point = place.mount(lambda_arn("upper") + "/written-lambda", here())
    (point / "new").write_bytes(b"new")
    assert aws.client.get_object(Bucket=BUCKET, Key="written-lambda/new")["Body"].read() == b"new"
    (point / "new").unlink()
    place.umount(point)
    assert "Contents" not in aws.client.list_objects_v2(Bucket=BUCKET, Prefix="written-lambda/new")


@pytest.mark.parametrize("kind", [k for k in SOURCES if not k.startswith("directory")])
def test_strangers_are_denied(aws, here, place, kind):  # noqa: F811
    """S3 does not say whether a listing is all that is denied, so the mount succeeds; nothing else does."""
    point = place.mount(SOURCES[kind], here(profile="stranger"))
    for call in (lambda: os.listdir(point), lambda: (point / "a" / "x").read_bytes()):
        with pytest.raises(PermissionError):
            call()

"""What cannot be sent: s3apfs sync --export writes it out; umount waits as long as it was told."""
import contextlib
import errno
import json
import os
import pathlib
import pty
import random
import signal
import subprocess
import time

import pytest
from mounting import S3APFS, options, wait_until

BUCKET = "test-bucket-1"
DENIED = {"operation": "PutObject", "effect": "error", "count": -1, "status": 403, "code": "AccessDenied"}


@pytest.fixture
def prefix(request):
    return "export-" + request.node.name


def words(emu, place, *more):
    return options(emu, "profile=admin2", f"state-dir={place.dir}/state", *more)


@pytest.fixture
def where(emu, admin, prefix):
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/old", Body=b"old content\n")
    point = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin)))
    (point / "proves").write_text("that something may be written")
    return point


def body(emu, key):
    return emu.owner.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def fail_to_write(path, text, mode="w"):
    with pytest.raises(PermissionError), open(path, mode) as f:
        f.write(text)


def export(place, where, folder, code=0):
    lines = []
    for _ in range(50):
        result = place.run("sync", where, "--export", folder)
        late = [line for line in result.stdout.splitlines() if "a program has it open" in line]
        lines += [line for line in result.stdout.splitlines() if code != 0 or line not in late]
        if code != 0 or not late:
            break
        time.sleep(0.1)  # the kernel tells of a close behind it
    assert result.returncode == code, result.stdout + result.stderr
    return lines


def test_denied_files_are_written_out(emu, admin, where, prefix):
    folder = admin.dir / "out"
    (where / "deep").mkdir()
    emu.admin("POST", "faults", DENIED)
    fail_to_write(where / "deep" / "new", "kept")
    fail_to_write(where / "old", "more\n", "a")
    lines = export(admin, where, folder)
    assert len(lines) == 2 and all("written out: " in line and "Permission denied" in line for line in lines)
    assert (folder / "deep" / "new").read_text() == "kept"
    assert (folder / "old").read_text() == "old content\nmore\n"
    for name in ("deep/new", "old"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert admin.status(where)["pending"] == []
    assert (where / "old").read_text() == "old content\n"
    assert os.listdir(where / "deep") == []
    assert export(admin, where, folder) == []


def test_nothing_is_overwritten(emu, admin, where):
    folder = admin.dir / "out"
    folder.mkdir()
    (folder / "new").write_text("mine")
    (folder / "new.1").symlink_to(admin.dir / "elsewhere")
    emu.admin("POST", "faults", DENIED)
    fail_to_write(where / "new", "kept")
    lines = export(admin, where, folder)
    assert len(lines) == 1 and f"as {folder}/new.2" in lines[0]
    assert (folder / "new").read_text() == "mine" and (folder / "new.2").read_text() == "kept"
    assert not (admin.dir / "elsewhere").exists()


def test_a_partly_changed_file_is_whole(emu, admin, where, prefix):
    data = bytearray(random.Random(1).randbytes(9 << 20))
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/big", Body=bytes(data))
    for operation in ("PutObject", "CreateMultipartUpload"):
        emu.admin("POST", "faults", dict(DENIED, operation=operation))
    with pytest.raises(PermissionError), open(where / "big", "r+b") as f:
        f.seek(5 << 20)
        f.write(b"changed")
        f.seek(0, 2)
        f.write(b"more")
    data[5 << 20:(5 << 20) + 7] = b"changed"
    export(admin, where, admin.dir / "out")
    assert (admin.dir / "out" / "big").read_bytes() == data + b"more"


def test_what_is_open_stays(emu, admin, where):
    emu.admin("POST", "faults", DENIED)
    fd = os.open(where / "f", os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"half")
    lines = export(admin, where, admin.dir / "out", code=1)
    assert len(lines) == 1 and "a program has it open" in lines[0]
    assert not (admin.dir / "out" / "f").exists()
    emu.admin("DELETE", "faults")
    os.write(fd, b" and half")
    os.close(fd)
    assert (where / "f").read_text() == "half and half"


def test_a_conflict_copy_that_may_not_be_written(emu, admin, where, prefix):
    before = emu.owner.get_bucket_policy(Bucket=BUCKET)["Policy"]
    emu.owner.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{BUCKET}/{prefix}/*.conflict-*"}]}))
    try:
        with contextlib.suppress(OSError), open(where / "old", "w") as f:
            f.write("ours")
            f.flush()
            emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/old", Body=b"theirs")
            with pytest.raises(OSError) as e:
                os.fsync(f.fileno())
            assert e.value.errno == errno.ESTALE
        assert [p["path"] for p in admin.status(where)["pending"]] == ["old"]
        export(admin, where, admin.dir / "out")
        assert (admin.dir / "out" / "old").read_text() == "ours"
        assert body(emu, f"{prefix}/old") == b"theirs" and admin.status(where)["pending"] == []
    finally:
        emu.owner.put_bucket_policy(Bucket=BUCKET, Policy=before)


def test_of_a_source_that_is_gone(emu, admin, prefix):
    def section(name):
        return [f"source = s3://{BUCKET}/{prefix}/{name}"]
    both = admin.config(emu, {"a": section("a"), "b": section("b")}, "profile = admin2")
    one = admin.config(emu, {"a": section("a")}, "profile = admin2")
    point = pathlib.Path(admin.mount(both, words(emu, admin, "writeback")))
    (point / "a" / "proves").write_text("x")
    (point / "b" / "proves").write_text("x")
    wait_until(lambda: admin.status(point)["pending"] == [])
    emu.admin("POST", "faults", dict(DENIED, status=503, code="SlowDown"))
    (point / "b" / "left").write_text("behind")
    os.kill(admin.status(point)["pid"], signal.SIGKILL)
    subprocess.run(["umount", "-l", str(point)], check=True)
    emu.admin("DELETE", "faults")
    told = admin.run("mount", one, point, "-o", ",".join(words(emu, admin, "writeback", f"log={admin.dir}/log")))
    assert told.returncode == 0, told.stderr
    told = admin.run("sync", point)
    assert told.returncode == 1 and "left: its source is not mounted here" in told.stdout
    lines = export(admin, point, admin.dir / "out")
    assert len(lines) == 1
    assert (admin.dir / "out" / "not-mounted" / "left").read_text() == "behind"
    assert admin.run("sync", point).returncode == 0


def test_export_is_told_what_is_wrong(emu, admin, where):
    assert admin.run("sync", where, "--export").returncode == 2
    assert admin.run("sync", "--export", "x").returncode == 2
    told = admin.run("sync", where, "--export", where / "out")
    assert told.returncode == 1 and "s3apfs mount itself" in told.stderr
    (admin.dir / "file").write_text("")
    told = admin.run("sync", where, "--export", admin.dir / "file")
    assert told.returncode == 1 and "directory" in told.stderr and told.stderr.count("\n") == 1
    (admin.dir / "out").mkdir()
    (admin.dir / "out" / "d").write_text("in the way")
    (where / "d").mkdir()
    emu.admin("POST", "faults", DENIED)
    fail_to_write(where / "d" / "f", "kept")
    lines = export(admin, where, admin.dir / "out", code=1)
    assert len(lines) == 1 and "not written out: d/f: " in lines[0]
    assert (where / "d" / "f").read_text() == "kept"
    emu.admin("DELETE", "faults")


def on_terminal(place, *args):
    """The exit code and what a person sees."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(S3APFS, [str(S3APFS), *map(str, args)], place.env)
    seen = b""
    while True:
        try:
            chunk = os.read(fd, 65536)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        seen += chunk
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


def test_umount_shows_how_far_it_is_and_what_failed(emu, admin, prefix):
    point = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin, "writeback")))
    (point / "proves").write_text("x")
    wait_until(lambda: admin.status(point)["pending"] == [])
    emu.admin("POST", "faults", dict(DENIED, key=f"{prefix}/bad"))
    (point / "bad").write_text("x")
    emu.admin("POST", "pace", {"latency-ms": 2000})  # nothing of it has come to S3 when umount looks
    for i in range(8):
        (point / f"f{i}").write_bytes(bytes(1000))
    code, seen = on_terminal(admin, "umount", point)
    emu.admin("POST", "pace", {"latency-ms": 0})
    admin.mounts.remove(point)
    assert code == 1
    assert "[" in seen and " of 9 files in S3" in seen, seen
    assert "not in S3 yet: bad: Permission denied" in seen and "safe in the state directory" in seen
    assert body(emu, f"{prefix}/f7") == bytes(1000)
    assert not os.path.ismount(point)


def test_umount_waits_no_longer_than_it_may(emu, admin, prefix):
    how = words(emu, admin, "writeback", "umount-timeout=1s")
    point = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", how))
    (point / "proves").write_text("x")
    wait_until(lambda: admin.status(point)["pending"] == [])
    emu.admin("POST", "pace", {"latency-ms": 3000})
    (point / "slow").write_bytes(bytes(1000))
    told = admin.run("umount", point)
    emu.admin("POST", "pace", {"latency-ms": 0})
    admin.mounts.remove(point)
    assert told.returncode == 1 and "within umount-timeout" in told.stderr, told.stderr
    assert "not in S3 yet: slow" in told.stdout
    assert not os.path.ismount(point)
    assert admin.run("mount", f"s3://{BUCKET}/{prefix}", point, "-o", ",".join(how)).returncode == 0
    admin.mounts.append(point)
    assert (point / "slow").read_bytes() == bytes(1000)
    told = admin.run("umount", point)
    admin.mounts.remove(point)
    assert told.returncode == 0, told.stderr
    assert body(emu, f"{prefix}/slow") == bytes(1000)


def test_umount_helper(emu, admin, prefix):
    """As umount(8) calls it."""
    helper = admin.dir / "umount.fuse.s3apfs"
    helper.symlink_to(S3APFS)

    def call(*args):
        return subprocess.run([str(helper), *map(str, args)], env=admin.env, text=True,
                              capture_output=True, timeout=120, check=False).returncode
    for how in ([], ["-l", "-n"]):
        point = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", words(emu, admin, "writeback")))
        (point / "f").write_bytes(bytes(100000))
        assert call("-x", point) == 1
        assert call(point, *how, "-t", "fuse.s3apfs") == 0
        admin.mounts.remove(point)
        assert not os.path.ismount(point)
        if not how:
            assert body(emu, f"{prefix}/f") == bytes(100000)
    assert call() == 1

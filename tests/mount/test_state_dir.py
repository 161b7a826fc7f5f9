"""Where changes wait: the default directory, what happens without one, and who may write."""
import errno
import os
import pathlib
import stat
import subprocess

import pytest
from mounting import AP_ARN, GRANTS_BUCKET, S3APFS, options

BUCKET = "test-bucket-1"


def in_home(place, lib_options, script):
    """Runs the script where the default state directory is a file system of its own: $HOME for
    users, /var/lib in a name space of its own for root."""
    home = place.dir / "home"
    home.mkdir(exist_ok=True)
    where = "/var/lib" if os.geteuid() == 0 else str(home)
    state = where + "/s3apfs" if os.geteuid() == 0 else f"{home}/.local/state/s3apfs"
    env = dict(place.env, HOME=str(home), STATE=state, S3APFS=str(S3APFS), CACHE=str(place.dir / "cache"))
    env.pop("XDG_STATE_HOME", None)
    prepare = f"mount -t tmpfs -o mode=755{lib_options} tmpfs {where} && "
    enter = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    result = subprocess.run([*enter, "sh", "-euc", prepare + script], env=env, text=True, timeout=180,
                            capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return result


def words(emu, *more):
    return ",".join(options(emu, "profile=admin2", "allow-core", *more))


def test_a_mount_without_options_can_be_written_to(emu, admin):
    point = admin.mount_point()
    result = in_home(admin, "", f"""
        "$S3APFS" mount s3://{BUCKET}/default {point} -o {words(emu)},cache-dir=$CACHE
        echo written >{point}/new
        stat -c %a "$STATE"
        ls "$STATE"
        grep " {point} " /proc/self/mountinfo
        "$S3APFS" umount {point}""")
    assert result.returncode == 0, result.stderr
    mode, folder, mount = result.stdout.splitlines()
    assert mode == "700" and point.name in folder
    assert mount.split()[5].startswith("rw")
    assert emu.owner.get_object(Bucket=BUCKET, Key="default/new")["Body"].read() == b"written\n"


def test_where_nothing_can_be_kept_a_mount_still_reads(emu, admin):
    emu.owner.put_object(Bucket=BUCKET, Key="home/old", Body=b"old\n")
    point = admin.mount_point()
    log = admin.dir / "log"
    result = in_home(admin, ",ro", f"""
        "$S3APFS" mount s3://{BUCKET}/home {point} -o {words(emu)},log={log},cache-dir=$CACHE
        cat {point}/old
        "$S3APFS" status {point}
        ! (echo written >{point}/new) 2>{admin.dir}/refusal
        "$S3APFS" umount {point}
        ! "$S3APFS" mount s3://{BUCKET}/home {point} -o {words(emu)},writeback
        ! "$S3APFS" mount s3://{BUCKET}/home {point} -o {words(emu)},state-dir=$STATE""")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("old\n") and "read-only: state-dir" in result.stdout
    assert "Read-only" in (admin.dir / "refusal").read_text()
    assert sum("mounted read-only" in line for line in log.read_text().splitlines()) == 1
    refusals = result.stderr.splitlines()
    assert len(refusals) == 2 and all("state-dir" in r and "Read-only" in r for r in refusals)


def test_writeback_needs_a_disk_that_lasts(emu, admin):
    point = admin.mount_point()
    result = in_home(admin, "", f"""
        ! "$S3APFS" mount s3://{BUCKET}/x {point} -o {words(emu)},writeback
        "$S3APFS" mount s3://{BUCKET}/x {point} -o {words(emu)},writeback,state-dir=$STATE,cache-dir=$CACHE
        "$S3APFS" umount {point}""")
    assert result.returncode == 0, result.stderr
    assert len(result.stderr.splitlines()) == 1 and "on a tmpfs" in result.stderr


def test_ro_is_read_only_and_keeps_nothing(emu, admin):
    emu.owner.put_object(Bucket=BUCKET, Key="ro/old", Body=b"old\n")
    point = admin.mount(f"s3://{BUCKET}/ro", options(emu, "profile=admin2", "ro"))
    for attempt in (lambda: open(point / "new", "wb"), lambda: open(point / "old", "r+b"),
                    lambda: os.mkdir(point / "d"), lambda: os.unlink(point / "old")):
        with pytest.raises(OSError) as caught:
            attempt()
        assert caught.value.errno == errno.EROFS
    assert stat.S_IMODE((point / "old").stat().st_mode) & 0o222 == 0
    assert not (admin.dir / "state").exists()
    assert admin.status(point)["read_only"]


def test_a_scope_for_reading_denies_writing(emu, place):
    """EACCES, which a program tells from a read-only file system; nothing more is asked for."""
    point = place.mount(f"s3://{GRANTS_BUCKET}/UserA", options(
        emu, "profile=usera", "access=grants", "permission=read"))
    assert stat.S_IMODE(os.stat(point).st_mode) & 0o222 == 0
    assert stat.S_IMODE(os.stat(point / "abalone.csv").st_mode) & 0o222 == 0
    for attempt in (lambda: open(point / "new", "wb"), lambda: open(point / "abalone.csv", "r+b"),
                    lambda: os.mkdir(point / "d"), lambda: os.unlink(point / "abalone.csv"),
                    lambda: os.chmod(point / "abalone.csv", 0o600)):
        with pytest.raises(OSError) as caught:
            attempt()
        assert caught.value.errno == errno.EACCES
    assert [r["operation"] for r in emu.admin("GET", "requests")].count("GetDataAccess") == 1


def test_nothing_is_asked_before_somebody_writes(emu, place):
    place.mount(AP_ARN, options(emu, "profile=demo"))
    assert {r["operation"] for r in emu.admin("GET", "requests")} == {"ListObjectsV2"}
    assert (pathlib.Path(place.dir) / "state").stat().st_mode & 0o777 == 0o700


def test_a_server_is_asked_once_for_all_mounts(emu, admin):
    """Which conditions it honours is kept in the state directory."""
    words_ = options(emu, "profile=admin2")
    point = admin.mount(f"s3://{BUCKET}/asked", words_)
    (point / "first").write_text("1")
    asked = [r for r in emu.admin("GET", "requests") if "s3apfs-probe" in r.get("key", "")]
    assert asked
    admin.umount(point)
    emu.admin("DELETE", "requests")
    assert admin.run("mount", f"s3://{BUCKET}/asked", point, "-o", ",".join(
        [*words_, "allow-core", f"cache-dir={admin.dir}/cache"])).returncode == 0
    admin.mounts.append(point)
    (point / "second").write_text("2")
    os.rename(point / "second", point / "third")
    requests = emu.admin("GET", "requests")
    assert [r for r in requests if "s3apfs-probe" in r.get("key", "")] == []
    assert "PutObject" in {r["operation"] for r in requests}

"""A changed configuration file for a live mount: s3apfs reload, and SIGHUP."""
import errno
import os
import signal
import subprocess

import pytest
from mounting import AP_ARN, GRANTS_BUCKET, options, wait_until
from test_moved import cut, exchange, tree

BUCKET = "test-bucket-1"


@pytest.fixture(scope="module", autouse=True)
def objects(emu):
    for key in ("one/a", "two/b", "three/c", "two/dir/deep"):
        emu.owner.put_object(Bucket=BUCKET, Key=key, Body=key.encode())


@pytest.fixture(autouse=True)
def admin(place):
    (place.dir / "credentials").open("a").write(
        "[admin2]\naws_access_key_id = AKIAEXAMPLEADMIN0002\n"
        "aws_secret_access_key = example/secret+of/admin/222222222222/0000\n")


def section(prefix, *more):
    return [f"source = s3://{BUCKET}/{prefix}", "profile = admin2", *more]


def refuse_puts(emu, key):
    emu.admin("POST", "faults", {"operation": "PutObject", "key": key, "effect": "error", "count": -1,
                                 "status": 503, "code": "ServiceUnavailable"})


class Configured:
    """A mount from a file that is written anew."""

    def __init__(self, emu, place, sections, mount_options="", words=()):
        self.emu, self.place = emu, place
        self.path = place.config(emu, sections, mount_options)
        self.point = place.mount(self.path, words)

    def write(self, sections, mount_options=""):
        other = self.place.config(self.emu, sections, mount_options)
        os.replace(other, self.path)

    def reload(self):
        told = self.place.run("reload", self.point)
        assert told.returncode == 0, told.stderr
        return told.stdout.splitlines()

    def dirs(self):
        return sorted(os.listdir(self.point))

    def again(self):
        """A mount with the state of one that was killed."""
        told = self.place.run("mount", self.path, self.point, "-o", f"log={self.place.dir}/log",
                              "-o", f"cache-dir={self.place.dir}/cache", "-o", f"state-dir={self.place.dir}/state")
        assert told.returncode == 0, told.stderr


def test_directories_come_and_go(emu, place):
    mounted = Configured(emu, place, {"first": section("one"), "team/second": section("two")})
    assert not (mounted.point / "new").exists()  # the kernel may keep that
    assert (mounted.point / "team" / "second" / "b").read_bytes() == b"two/b"
    mounted.write({"first": section("one"), "new": section("three"), "a/b/c": section("two")})
    assert mounted.reload() == ["[dir team/second] removed", "[dir new] added", "[dir a/b/c] added"]
    assert mounted.dirs() == ["a", "first", "new"]
    assert (mounted.point / "new" / "c").read_bytes() == b"three/c"
    assert (mounted.point / "a" / "b" / "c" / "b").read_bytes() == b"two/b"
    assert not (mounted.point / "team").exists()
    assert [d["path"] for d in place.status(mounted.point)["directories"]] == ["first", "new", "a/b/c"]
    told = place.run("explain", mounted.point / "new" / "c")
    assert told.returncode == 0 and f"s3://{BUCKET}/three" in told.stdout
    assert mounted.reload() == ["nothing changed"]
    # and back: the directory that was there is shown again
    mounted.write({"first": section("one"), "team/second": section("two")})
    assert sorted(mounted.reload()) == ["[dir a/b/c] removed", "[dir new] removed",
                                        "[dir team/second] added"]
    assert mounted.dirs() == ["first", "team"]
    assert (mounted.point / "team" / "second" / "dir" / "deep").read_bytes() == b"two/dir/deep"


def test_what_is_open_goes_on_and_nothing_new_begins(emu, place):
    mounted = Configured(emu, place, {"stays": section("one"), "goes": section("two")})
    folder = mounted.point / "goes"
    (folder / "dir").stat()
    read = os.open(folder / "b", os.O_RDONLY)
    write = os.open(folder / "new", os.O_CREAT | os.O_WRONLY)
    os.write(write, b"half ")
    inside = os.open(folder / "dir", os.O_RDONLY | os.O_DIRECTORY)
    mounted.write({"stays": section("one")})
    assert mounted.reload() == ["[dir goes] removed"]
    assert not folder.exists()
    assert os.pread(read, 10, 0) == b"two/b"
    os.write(write, b"and half")
    os.close(write)
    assert emu.owner.get_object(Bucket=BUCKET, Key="two/new")["Body"].read() == b"half and half"
    for attempt in (lambda: os.open("deep", os.O_RDONLY, dir_fd=inside),
                    lambda: os.open("made", os.O_CREAT | os.O_WRONLY, dir_fd=inside),
                    lambda: os.mkdir("made", dir_fd=inside)):
        with pytest.raises(FileNotFoundError):
            attempt()
    os.close(read)
    os.close(inside)
    emu.owner.delete_object(Bucket=BUCKET, Key="two/new")


def test_a_changed_section_takes_effect(emu, place):
    mounted = Configured(emu, place, {"d": section("one"), "e": section("two")})
    old = os.open(mounted.point / "d" / "a", os.O_RDONLY)
    assert os.stat(mounted.point / "d" / "a").st_mode & 0o777 == 0o644
    mounted.write({"d": section("three", "file-mode = 0600"), "e": section("two")})
    assert mounted.reload() == ["[dir d] changed"]
    assert os.listdir(mounted.point / "d") == ["c"]
    assert os.stat(mounted.point / "d" / "c").st_mode & 0o777 == 0o600
    assert os.pread(old, 10, 0) == b"one/a"
    os.close(old)
    # another identity: that one's rights
    mounted.write({"d": [f"source = s3://{GRANTS_BUCKET}/UserA", "access = grants", "profile = userb"],
                   "e": section("two")})
    lines = mounted.reload()
    assert len(lines) == 1 and lines[0].startswith("[dir d] changed, and cannot be used now: ")
    with pytest.raises(PermissionError):
        os.listdir(mounted.point / "d")
    assert (mounted.point / "e" / "b").read_bytes() == b"two/b"
    mounted.write({"d": [f"source = s3://{GRANTS_BUCKET}/UserA", "access = grants", "profile = usera"],
                   "e": section("two")})
    assert mounted.reload() == ["[dir d] changed"]
    assert (mounted.point / "d" / "abalone.csv").read_bytes() == b"UserA\n"


def test_grants_come_and_go_with_their_directory(emu, place):
    mounted = Configured(emu, place, {"e": section("two")})
    grants = {"mine": ["source = grants", "profile = usera"]}
    mounted.write({"e": section("two"), **grants})
    assert mounted.reload() == ["[dir mine] added"]
    assert os.listdir(mounted.point / "mine" / GRANTS_BUCKET) == ["Product", "UserA"]
    mounted.write({"e": section("two")})
    assert mounted.reload() == ["[dir mine] removed"]
    assert mounted.dirs() == ["e"]
    mounted.write({"e": section("two"), **grants})
    assert mounted.reload() == ["[dir mine] added"]
    assert os.listdir(mounted.point / "mine" / GRANTS_BUCKET) == ["Product", "UserA"]


@pytest.mark.parametrize(("text", "line", "words"), [
    ("[dir d]\nsource = {arn}\nunknown = 1\n", 6, "unknown option 'unknown'"),
    ("[dir d]\nsource = nonsense!\n", 4, "nonsense!"),
    ("[dir d]\nsource = {arn}\nprofile = nobody-of-that-name\n", 4, "no profile"),
    ("[dir d]\nsource = {arn}\n[dir d]\nsource = {arn}\n", 6, "has a section already"),
    ("", None, "nothing to mount"),
])
def test_a_bad_file_changes_nothing(emu, place, text, line, words):
    mounted = Configured(emu, place, {"d": section("one")})
    good = mounted.path.read_text()
    bad = f"[mount]\nendpoint-url = {emu.endpoint}\nregion = us-east-1\n" + text.format(arn=AP_ARN)
    mounted.path.write_text(bad)
    told = place.run("reload", mounted.point)
    assert told.returncode == 1 and told.stdout == ""
    assert told.stderr.count("\n") == 1 and words in told.stderr
    assert f"{mounted.path}:{line}:" in told.stderr if line else str(mounted.path) in told.stderr
    assert mounted.dirs() == ["d"] and (mounted.point / "d" / "a").read_bytes() == b"one/a"
    mounted.path.unlink()
    gone = place.run("reload", mounted.point)
    assert gone.returncode == 1 and f"{mounted.path}: No such file" in gone.stderr
    mounted.path.write_text(good)
    assert mounted.reload() == ["nothing changed"]


def pid_of(place, point):
    return place.status(point)["pid"]


def test_hangup(emu, place):
    mounted = Configured(emu, place, {"d": section("one")})
    mounted.write({"d": section("one"), "e": section("two")})
    os.kill(pid_of(place, mounted.point), signal.SIGHUP)
    wait_until(lambda: (mounted.point / "e" / "b").exists())
    assert "SIGHUP: [dir e] added" in place.log()
    mounted.path.write_text("[dir d]\nsource = 1\n")
    os.kill(pid_of(place, mounted.point), signal.SIGHUP)
    wait_until(lambda: f"SIGHUP: {mounted.path}:1: " in place.log())
    assert mounted.dirs() == ["d", "e"]


def test_nothing_to_reload(emu, place):
    point = place.mount(AP_ARN, options(emu, "profile=demo"))
    told = place.run("reload", point)
    assert told.returncode == 1 and told.stderr.count("\n") == 1
    assert "nothing to reload" in told.stderr
    os.kill(pid_of(place, point), signal.SIGHUP)
    wait_until(lambda: "SIGHUP: nothing to reload" in place.log())
    assert "sample2.csv" in os.listdir(point)
    assert place.run("reload", place.dir).returncode == 1
    assert place.run("reload").returncode == 2


def test_options_of_the_whole_mount_are_named(emu, place):
    mounted = Configured(emu, place, {"d": section("one")}, "memory = 64M\nnegative-ttl = 1s",
                         ["max-connections=8"])
    mounted.write({"d": section("one")}, "memory = 96M\nallow_other = yes\nnegative-ttl = 1s\nlog-level = debug\n"
                                         "max-connections = 9")
    assert sorted(mounted.reload()) == [
        f"option '{name}' cannot change while mounted: it will with the next mount"
        for name in ("allow_other", "memory")]  # the command line still has the last word on connections
    assert place.status(mounted.point)["memory"]["limit"] == 64 << 20
    (mounted.point / "d" / "still-written").write_bytes(b"")
    (mounted.point / "d" / "still-written").unlink()
    mounted.write({"d": section("one")}, "memory = 64M\nnegative-ttl = 2s")
    assert mounted.reload() == ["[dir d] changed"]


def test_the_command_line_is_laid_over_the_new_file(emu, place):
    mounted = Configured(emu, place, {"d": section("one")}, "", ["file-mode=0640"])
    mounted.write({"d": section("one"), "e": section("two")}, "file-mode = 0444")
    assert mounted.reload() == ["[dir e] added"]
    assert os.stat(mounted.point / "e" / "b").st_mode & 0o777 == 0o640


def test_what_waits_is_still_sent_and_listed(emu, place):
    """A commit that fails in a directory that goes is kept, shown, and sent in the end."""
    mounted = Configured(emu, place, {"stays": section("one"), "goes": section("two")}, "writeback = yes")
    (mounted.point / "goes" / "b").write_bytes(b"two/b")
    place.run("sync", mounted.point)  # now it is known that it may be written
    refuse_puts(emu, "two/late")
    (mounted.point / "goes" / "late").write_bytes(b"late")
    mounted.write({"stays": section("one")}, "writeback = yes")
    assert mounted.reload() == ["[dir goes] removed"]
    waiting = place.status(mounted.point)["pending"]
    assert [(f["path"]) for f in waiting] == ["goes/late"], waiting
    emu.admin("DELETE", "faults")
    assert place.run("sync", mounted.point).returncode == 0
    assert emu.owner.get_object(Bucket=BUCKET, Key="two/late")["Body"].read() == b"late"
    assert place.status(mounted.point)["pending"] == []
    emu.owner.delete_object(Bucket=BUCKET, Key="two/late")


def test_removals_are_over_before_a_section_is_replaced(emu, place):
    emu.owner.put_object(Bucket=BUCKET, Key="one/doomed", Body=b"x")
    mounted = Configured(emu, place, {"d": section("one")})
    os.unlink(mounted.point / "d" / "doomed")
    mounted.write({"d": section("one", "file-mode = 0600")})
    assert mounted.reload() == ["[dir d] changed"]
    assert os.listdir(mounted.point / "d") == ["a"]
    with pytest.raises(OSError) as e:
        os.stat(mounted.point / "d" / "doomed")
    assert e.value.errno == errno.ENOENT


def test_what_an_earlier_mount_left_is_finished_when_its_directory_comes(emu, place):
    both = {"stays": section("one"), "back": section("two")}
    mounted = Configured(emu, place, both, "writeback = yes")
    (mounted.point / "back" / "b").write_bytes(b"two/b")
    place.run("sync", mounted.point)
    refuse_puts(emu, "two/left")
    (mounted.point / "back" / "left").write_bytes(b"left")
    os.kill(pid_of(place, mounted.point), signal.SIGKILL)
    subprocess.run(["umount", "-l", str(mounted.point)], check=True)
    emu.admin("DELETE", "faults")
    mounted.write({"stays": section("one")}, "writeback = yes")
    mounted.again()
    mounted.write(both, "writeback = yes")
    assert mounted.reload() == ["[dir back] added"]
    assert emu.owner.get_object(Bucket=BUCKET, Key="two/left")["Body"].read() == b"left"
    assert (mounted.point / "back" / "left").read_bytes() == b"left"
    emu.owner.delete_object(Bucket=BUCKET, Key="two/left")


CHANGES = {"move": (lambda d: (d / "old").rename(d / "new"), ["new"]),
           "exchange": (lambda d: exchange(d / "old", d / "other"), ["old", "other"])}


@pytest.mark.parametrize("operation", ["CopyObject", "DeleteObject*"])
@pytest.mark.parametrize("what", CHANGES)
def test_what_a_crash_cut_is_finished_when_its_directory_comes(emu, place, what, operation):
    change, names = CHANGES[what]
    prefix = f"cut-{what}-{operation[:6]}"
    keys = [f"{d}/f{i}" for d in ("old", "other")[:len(names)] for i in range(8)]
    for key in keys:
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=key.encode())
    both = {"stays": section("one"), "back": section(prefix)}
    mounted = Configured(emu, place, both)
    cut(mounted, emu, lambda: change(mounted.point / "back"), operation, True, 3)
    mounted.write({"stays": section("one")})
    mounted.again()
    assert place.status(mounted.point)["pending"]
    mounted.write(both)
    assert mounted.reload() == ["[dir back] added"]
    back = mounted.point / "back"
    assert sorted(os.listdir(back)) == names
    for name in names:
        assert sorted(os.listdir(back / name)) == [f"f{i}" for i in range(8)]
    assert sorted((back / f).read_text() for f in tree(back)) == keys
    held = emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/")["Contents"]
    assert [o["Key"][len(prefix) + 1:] for o in held if not o["Key"].endswith("/")] == tree(back)
    assert place.status(mounted.point)["pending"] == []

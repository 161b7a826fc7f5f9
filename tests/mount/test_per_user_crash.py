"""per-user= and what was acknowledged before kill -9: the next mount sends each file with the
identity of the user who wrote it, and keeps what belongs to nobody that it serves."""
import errno
import json
import os
import pathlib

import pytest
from mounting import wait_until
from people import UID
from test_per_user import ACCOUNT, USERS, emu, profiles, words, write_map  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users takes root")

ONLY_ANN = USERS[:USERS.index(f"[user {UID['bob']}]")]
CONTENT = {name: name.encode() * 5000 for name in ("ann", "bob", "carol")}


class Mount:
    def __init__(self, place, emu):  # noqa: F811
        self.place, self.emu = place, emu
        place.dir.chmod(0o755)
        profiles(place)
        write_map(place, USERS)
        self.words = [*words(place, emu, "writeback"), f"state-dir={place.dir}/state"]
        self.point = pathlib.Path(place.mount("s3://users-bucket", self.words))

    def again(self, users=USERS):
        write_map(self.place, users)
        result = self.place.run("mount", "s3://users-bucket", self.point, "-o",
                                ",".join([f"log={self.place.dir}/log", f"cache-dir={self.place.dir}/cache",
                                          *self.words]))
        assert result.returncode == 0, result.stderr
        self.place.mounts.append(self.point)

    def cut(self, people, *names):
        """Each of them writes a file that is only in the journal, and the mount dies."""
        for name in names:
            people(name).write(self.point / name / "first", b"x")  # the first of its kind is sent at once
        assert self.place.run("sync", self.point).returncode == 0
        self.emu.admin("POST", "faults", {"method": "PUT", "effect": "error", "status": 503, "code": "SlowDown"})
        for name in names:
            assert people(name).write(self.point / name / "unsent", CONTENT[name]) == len(CONTENT[name])
        self.place.kill(self.point)
        self.emu.admin("DELETE", "faults")
        self.emu.admin("DELETE", "requests")
        for name in names:
            assert self.body(name) is None

    def body(self, name):
        found = self.emu.s3.list_objects_v2(Bucket="users-bucket", Prefix=f"{name}/unsent")
        if found["KeyCount"] == 0:
            return None
        return self.emu.s3.get_object(Bucket="users-bucket", Key=f"{name}/unsent")["Body"].read()

    def senders(self, name):
        return {r["caller"].split(":")[5].split("/")[1] for r in self.emu.admin("GET", "requests")
                if r["operation"] == "PutObject" and r["key"] == f"{name}/unsent"}

    def pending(self):
        return self.place.status(self.point)["pending"]


@pytest.fixture
def cut(place, emu, people):  # noqa: F811
    for name in CONTENT:
        emu.s3.delete_object(Bucket="users-bucket", Key=f"{name}/unsent")
    mount = Mount(place, emu)
    mount.cut(people, "ann", "bob", "carol")
    return mount


def test_each_file_goes_out_as_its_writer(cut, people):
    cut.again()
    for name in CONTENT:
        assert cut.body(name) == CONTENT[name]
        assert cut.senders(name) == {name}
        assert people(name).read(cut.point / name / "unsent") == CONTENT[name]
    assert cut.pending() == []


def test_what_belongs_to_nobody_now_waits(cut, people):
    """Two users are gone from the mapping: their files are nobody else's to send."""
    cut.again(ONLY_ANN)
    assert cut.body("ann") == CONTENT["ann"]
    for _ in range(2):
        for name in ("bob", "carol"):
            assert cut.body(name) is None and cut.senders(name) == set()
        assert people("ann").read(cut.point / "ann/unsent") == CONTENT["ann"]
        with pytest.raises(PermissionError):
            people("bob").read(cut.point / "bob/unsent")
        told = {p["user"]: p for p in cut.pending()}
        assert sorted(told) == [UID["bob"], UID["carol"]]
        for name in ("bob", "carol"):
            assert told[UID[name]]["path"].endswith(f"{name}/unsent")
            assert told[UID[name]]["error"] == f"user {UID[name]} has no section in {cut.place.dir}/users"
        lines = [line for line in cut.place.log().splitlines() if f"user {UID['bob']} has no section" in line]
        assert lines and "1 change " in lines[0] and "unsent" not in lines[0]
        plain = cut.place.run("status", cut.point).stdout
        assert plain.count("not in S3 yet") == 2 and f"user {UID['carol']} has no section" in plain
        synced = cut.place.run("sync", cut.point)
        assert synced.returncode != 0 and "safe in the state directory" in synced.stderr
        left = cut.place.run("umount", cut.point)
        assert left.returncode != 0 and "safe in the state directory" in left.stderr
        cut.place.mounts.remove(cut.point)
        cut.again(ONLY_ANN)
    cut.place.kill(cut.point)
    cut.again()
    for name in CONTENT:
        assert cut.body(name) == CONTENT[name]
        assert cut.senders(name) <= {name}
    assert cut.pending() == []


@pytest.mark.parametrize("length", [150, 250])
def test_a_long_mount_point_is_no_other_matter(place, emu, people, length):  # noqa: F811
    """The state's folder is named after it, and cut."""
    for name in ("ann", "bob"):
        emu.s3.delete_object(Bucket="users-bucket", Key=f"{name}/unsent")
    point = place.dir / ("m" * (length - len(str(place.dir)) - 1))
    point.mkdir()
    place.mount_point = lambda: point
    mount = Mount(place, emu)
    mount.cut(people, "ann", "bob")
    mount.again(ONLY_ANN)
    assert mount.body("ann") == CONTENT["ann"] and mount.body("bob") is None
    assert [(p["user"], p["error"]) for p in mount.pending()] == [
        (UID["bob"], f"user {UID['bob']} has no section in {place.dir}/users")]
    place.kill(point)
    mount.again()
    assert mount.body("bob") == CONTENT["bob"] and mount.senders("bob") == {"bob"}
    assert mount.pending() == []


def test_who_cannot_be_served_now_has_not_lost_it(cut, people):
    """Bob's keys are wrong when the mount comes back: told, kept, and sent once they are right."""
    profiles(cut.place, ("ann", "owner"))
    (cut.place.dir / "credentials").open("a").write(
        "[bob]\naws_access_key_id = AKIAWRONG\naws_secret_access_key = wrong\n")
    cut.again()
    assert cut.body("bob") is None and cut.body("carol") == CONTENT["carol"]
    for _ in range(2):
        assert [(p["user"], p["error"]) for p in cut.pending()] == [
            (UID["bob"], f"user {UID['bob']} cannot be served now")]
    assert cut.place.run("sync", cut.point).returncode != 0
    profiles(cut.place)

    def sent():
        try:
            return people("bob").read(cut.point / "bob/unsent") == CONTENT["bob"]
        except PermissionError:
            return False
    wait_until(sent)
    assert cut.body("bob") == CONTENT["bob"] and cut.senders("bob") == {"bob"}
    assert cut.pending() == []


def test_another_identity_sends_nothing_of_the_one_before(cut, people):
    """The same user with another role: what the old one promised waits for it."""
    as_carol = USERS.replace("profile = bob", f"role-arn = arn:aws:iam::{ACCOUNT}:role/carol")
    cut.again(as_carol)
    assert cut.body("bob") is None and cut.senders("bob") == set()
    told = cut.pending()
    assert [p["error"] for p in told] == ["its source is not mounted here"]
    assert json.dumps(told).count("bob/unsent") == 1
    assert cut.place.run("umount", cut.point).returncode != 0
    cut.place.mounts.remove(cut.point)
    cut.again()
    assert cut.body("bob") == CONTENT["bob"] and cut.senders("bob") == {"bob"}


def test_changes_of_names_wait_too(place, emu, people):  # noqa: F811
    mount = Mount(place, emu)
    for name in ("ann", "bob"):
        for file in ("first", "second"):
            people(name).write(mount.point / name / file, b"x")
        people(name)(f"os.unlink({str(mount.point / name / 'first')!r})")
    assert place.run("sync", mount.point).returncode == 0
    for operation in ("DeleteObject", "DeleteObjects"):
        emu.admin("POST", "faults", {"operation": operation, "effect": "error", "status": 503, "code": "SlowDown"})
    for name in ("ann", "bob"):
        people(name)(f"os.unlink({str(mount.point / name / 'second')!r})")
    place.kill(mount.point)
    emu.admin("DELETE", "faults")
    mount.again(ONLY_ANN)

    def there(name):
        return emu.s3.list_objects_v2(Bucket="users-bucket", Prefix=f"{name}/second")["KeyCount"] == 1
    assert not there("ann") and there("bob")
    assert [p["path"].rsplit("/", 2)[1:] for p in mount.pending()] == [["bob", "second"]]
    place.kill(mount.point)
    mount.again()
    assert not there("bob")
    with pytest.raises(OSError) as gone:
        people("bob").read(mount.point / "bob/second")
    assert gone.value.errno == errno.ENOENT

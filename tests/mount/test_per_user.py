"""per-user=: each local user is served with an identity of their own, and nobody with another's."""
import errno
import json
import os

import pytest
from emulator import Emulator
from mounting import options, wait_until
from people import UID

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users takes root")

ACCOUNT = "666666666666"
ADMIN = ("AKIAEXAMPLEPERUSER01", "secret/of/the/owner/00000000000000000000")
KEYS = {"ann": ("AKIAEXAMPLEPERUSERAN", "secret/of/ann/0000000000000000000000000"),
        "bob": ("AKIAEXAMPLEPERUSERBO", "secret/of/bob/0000000000000000000000000")}
CAROL = f"arn:aws:iam::{ACCOUNT}:role/carol"


def allow(*statements):
    return {"p": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": action, "Resource": resource, **more}
        for action, resource, more in statements]}}


BUCKET = "arn:aws:s3:::users-bucket"


def own_prefixes(name, list_only=None):
    """May do everything with own keys, and list (what leads there)."""
    where = {"Condition": {"StringLike": {"s3:prefix": list_only}}} if list_only else {}
    return allow(("s3:ListBucket", BUCKET, where), ("s3:*", f"{BUCKET}/{name}/*", {}),
                 ("s3:*", f"{BUCKET}/common/{name}*", {}), ("s3:*", f"{BUCKET}/.s3apfs-probe-*", {}))


WORLD = {
    "accounts": [{"id": ACCOUNT,
                  "users": [{"name": "admin", "access-keys": [{"id": ADMIN[0], "secret": ADMIN[1]}],
                             "policies": allow(("*", "*", {}))},
                            *({"name": name, "access-keys": [{"id": k[0], "secret": k[1]}],
                               "policies": own_prefixes(name)} for name, k in KEYS.items())],
                  "roles": [{"name": "carol", "trust": {"Version": "2012-10-17", "Statement": [
                      {"Effect": "Allow", "Action": "sts:AssumeRole",
                       "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}]},
                      "policies": own_prefixes("carol", ["", "carol/*", "common/*"])}]}],
    "buckets": [{"name": "users-bucket", "account": ACCOUNT}],
}


@pytest.fixture(scope="module")
def emu():
    instance = Emulator(WORLD)
    instance.s3 = instance.client(ADMIN)
    for name in ("ann", "bob", "carol"):
        instance.s3.put_object(Bucket="users-bucket", Key=f"{name}/own", Body=f"{name}\n".encode())
        instance.s3.put_object(Bucket="users-bucket", Key=f"common/{name}", Body=name.encode())
    yield instance
    instance.stop()


def write_map(place, text, mode=0o644):
    path = place.dir / "users"
    path.write_text(text)
    path.chmod(mode)
    return path


USERS = f"""[user {UID['ann']}]
profile = ann
[user {UID['bob']}]
profile = bob
[user {UID['carol']}]
role-arn = {CAROL}
"""


def profiles(place, names=("ann", "bob", "owner")):
    keys = {**KEYS, "owner": ADMIN}
    (place.dir / "credentials").write_text("".join(
        f"[{n}]\naws_access_key_id = {keys[n][0]}\naws_secret_access_key = {keys[n][1]}\n"
        for n in names))


def words(place, emu, *more):
    return options(emu, "allow_other", f"per-user={place.dir}/users", "path-style", "profile=owner",
                   *more)


def open_up(place):
    """Others may walk to the mount point."""
    place.dir.chmod(0o755)


@pytest.fixture
def point(place, emu):
    open_up(place)
    profiles(place)
    write_map(place, USERS)
    return place.mount("s3://users-bucket", words(place, emu))


def refused(call, *args):
    with pytest.raises(PermissionError):
        call(*args)


def test_each_reads_what_is_theirs(point, people):
    """001-M13: one mount, an identity for each local user."""
    for name in ("ann", "bob", "carol"):
        me = people(name)
        assert me.read(point / name / "own") == f"{name}\n".encode()
        assert me.read(point / "common" / name) == name.encode()
        assert me(f"os.stat({str(point / name / 'own')!r}).st_uid") == UID[name]


def test_nobody_reads_what_is_another_ones(point, people):
    """Also after its owner read it and holds it open: not by the name, which all may list, and
    not from the kernel's pages."""
    ann = people("ann")
    file = str(point / "common/ann")
    ann(f"kept.update(f=open({file!r}, 'rb'))")
    assert ann("kept['f'].read()") == b"ann"
    for name in ("bob", "carol"):
        other = people(name)
        assert "ann" in other(f"os.listdir({str(point / 'common')!r})")
        refused(other.read, file)
        refused(other.read, point / "ann/own")
        if name == "carol":
            refused(other, f"os.listdir({str(point / 'ann')!r})")
        refused(other.write, file, b"mine now")
        refused(other, f"os.rename({file!r}, {file + '-' + name!r})")
        refused(other, f"os.setxattr({file!r}, 'user.a', b'1')")
    assert ann("kept['f'].seek(0) or kept['f'].read()") == b"ann"
    assert ann.read(file) == b"ann"


def test_who_has_no_section_sees_nothing(point, people, place):
    for name in ("nobody", "root"):
        stranger = people(name)
        for _ in range(3):
            refused(stranger, f"os.listdir({str(point)!r})")
            refused(stranger, f"os.stat({str(point)!r})")
            refused(stranger, f"os.statvfs({str(point)!r})")
        refused(stranger.read, point / "common/ann")
        refused(stranger.write, point / "new", b"x")
    lines = [line for line in place.log().splitlines() if f"user {UID['nobody']} is refused" in line]
    assert len(lines) == 1, "one line, however often they try"


def test_an_identity_belongs_to_the_handle_that_it_opened(point, people):
    """A descriptor that is handed on reads on, as everywhere; everything by name is the asker's."""
    ann, stranger = people("ann"), people("nobody")
    ann(f"kept.update(fd=os.open({str(point / 'common/ann')!r}, os.O_RDONLY), "
        f"dir=os.open({str(point / 'ann')!r}, os.O_RDONLY))")
    link = f"/proc/{ann.pid}/fd/"
    for other in (people("bob"), stranger):
        refused(other, f"os.listdir('{link}' + str({ann('kept[' + repr('dir') + ']')}))")
        refused(other.read, link + str(ann("kept['fd']")))


def test_a_folder_stays_where_it_is_while_others_walk_by(point, people):
    """Working directories of several users in one folder, each with own names in it."""
    users = [people(n) for n in ("ann", "bob", "carol")]
    for user in users:
        user(f"os.chdir({str(point / 'common')!r})")
    for _ in range(10):
        for name, user in zip(("ann", "bob", "carol"), users):
            assert user("os.getcwd()") == str(point / "common")
            assert user.read(name) == name.encode()
            assert user.read(point / "common" / name) == name.encode()
            assert sorted(user("os.listdir('.')")) == ["ann", "bob", "carol"]


def test_no_page_of_one_is_mapped_by_another(point, people):
    ann = people("ann")
    file = str(point / "common/ann")
    private = "mmap.mmap(os.open({!r}, os.O_RDONLY), 3, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)"
    ann(f"kept.update(m={private.format(file)})")
    assert ann("kept['m'][:]") == b"ann"
    refused(people("bob"), f"kept.update(m={private.format(file)})")
    with pytest.raises(OSError) as e:
        ann(f"kept.update(s=mmap.mmap(os.open({file!r}, os.O_RDONLY), 3, flags=mmap.MAP_SHARED, "
            "prot=mmap.PROT_READ))")
    assert e.value.errno == errno.ENODEV, "shared mappings are refused"


def test_what_one_writes_is_theirs(point, people, emu):
    for name in ("ann", "bob"):
        me = people(name)
        me(f"os.mkdir({str(point / name / 'new')!r})")
        assert me.write(point / name / "new/file", name.encode() * 1000) == 3000
        me(f"os.rename({str(point / name / 'new/file')!r}, {str(point / name / 'new/moved')!r})")
        assert me.read(point / name / "new/moved") == name.encode() * 1000
        body = emu.s3.get_object(Bucket="users-bucket", Key=f"{name}/new/moved")["Body"].read()
        assert body == name.encode() * 1000
        me(f"os.unlink({str(point / name / 'new/moved')!r})")
        with pytest.raises(FileNotFoundError):
            me.read(point / name / "new/moved")


def test_each_request_is_signed_by_who_asked(point, people, emu):
    emu.admin("DELETE", "requests")
    for name in ("ann", "bob"):
        people(name).read(point / "common" / name)
    for name in ("ann", "bob"):
        callers = {r["caller"] for r in emu.admin("GET", "requests")
                   if r["operation"] == "GetObject" and r["key"] == f"common/{name}"}
        assert callers == {f"arn:aws:iam::{ACCOUNT}:user/{name}"}


def test_many_at_once(point, people):
    """All go over the same names at the same time: each gets what is theirs, and nothing else."""
    names = ("ann", "bob", "carol")
    common = str(point / "common")
    for name in names:
        people(name)("kept.update(errnos=set(), attempt=lambda p: open(p, 'rb').read())")
    for name in names:
        people(name).start(f"[open({common!r} + '/{name}', 'rb').read() for _ in range(60)]")
    for name in names:
        assert set(people(name).answer()) == {name.encode()}
    for name in names:
        others = [n for n in names if n != name]
        people(name).start(f"[os.access({common!r} + '/' + n, os.R_OK) for n in {others!r}]")
    for name in names:
        people(name).answer()


def test_one_without_keys_leaves_the_others_alone(place, emu, people):
    """Bob's profile gets its keys only later: until then he is refused, in one line."""
    open_up(place)
    profiles(place, ("ann", "owner"))
    (place.dir / "credentials").open("a").write("[bob]\naws_access_key_id = AKIAWRONG\n"
                                               "aws_secret_access_key = wrong\n")
    write_map(place, USERS)
    point = place.mount("s3://users-bucket", words(place, emu))
    assert people("ann").read(point / "common/ann") == b"ann"
    refused(people("bob").read, point / "common/bob")
    users = {u["uid"]: u for u in place.status(point)["users"]}
    assert "status" in users[UID["ann"]] and "AKIAWRONG" not in json.dumps(users)
    assert "problem" in users[UID["bob"]]
    profiles(place)

    def served():
        try:
            return people("bob").read(point / "common/bob") == b"bob"
        except PermissionError:
            return False
    wait_until(served)


@pytest.mark.parametrize("text, mode, told", [
    ("[user 61001]\nprofile = ann\n", 0o666, "only its owner"),
    ("[user 61001]\n", 0o644, "users:1: this user has neither a profile nor a role-arn"),
    ("[user 61001]\nprofile = ann\n[user 61001]\nprofile = bob\n", 0o644, "users:3: this user has a"),
    ("[user no-such-person]\nprofile = ann\n", 0o644, "users:1: there is no such user"),
    ("[user 61001]\nprofile = ann\nmemory = 1G\n", 0o644, "users:3: only options of an identity"),
    ("[people]\n", 0o644, "users:1: unknown section"),
    ("profile = ann\n", 0o644, "users:1: an option stands before"),
    ("[user 61001]\nprofile\n", 0o644, "users:2: expected"),
    ("", 0o644, "nobody could be served"),
    ("[user 61001]\nprofile = unknown\n", 0o644, "user 61001: "),
])
def test_mappings_that_are_none(place, emu, text, mode, told):
    profiles(place)
    write_map(place, text, mode)
    result, _ = place.try_mount("s3://users-bucket", words(place, emu))
    assert result.returncode != 0
    assert told in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_options_that_do_not_go_with_it(place, emu):
    profiles(place)
    write_map(place, USERS)
    result, _ = place.try_mount("s3://users-bucket", options(emu, f"per-user={place.dir}/users"))
    assert result.returncode != 0 and "allow_other" in result.stderr

"""per-user= over grants: each local user sees and reaches what is granted to him, with keys that
were vended to him, and never with another's."""
import os

import pytest
from mounting import GRANTS_BUCKET, options
from people import UID

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users takes root")

ACCOUNT = "333333333333"
PROFILES = {"ann": "usera", "bob": "userb"}
OWN = {"ann": "UserA", "bob": "UserB"}
BIG = os.urandom(1 << 20)


@pytest.fixture(autouse=True, scope="module")
def objects(emu):
    for folder in ("UserA", "UserB", "Product"):
        emu.grants_owner.put_object(Bucket=GRANTS_BUCKET, Key=f"{folder}/big", Body=BIG)


@pytest.fixture
def mount(emu, place):
    place.dir.chmod(0o755)
    (place.dir / "users").write_text("".join(f"[user {UID[n]}]\nprofile = {p}\n" for n, p in PROFILES.items()))

    def at(source, *more):
        return place.mount(source, options(emu, "allow_other", f"per-user={place.dir}/users", *more))
    return at


def refused(error, call, *args):
    with pytest.raises(error):
        call(*args)


def listed(person, path):
    return sorted(person(f"os.listdir({str(path)!r})"))


def signed(emu):
    """(who asked for keys, the keys that S3's answers were asked with)."""
    log = emu.admin("GET", "requests")
    return ({r["caller"].split("/")[1] for r in log if r["operation"] == "GetDataAccess"},
            {r["access_key_id"] for r in log if r["operation"] in
             ("GetObject", "HeadObject", "ListObjectsV2", "PutObject")})


def test_each_sees_own_grants(emu, mount, people):
    top = mount("grants") / GRANTS_BUCKET
    used = {}
    for name, other in (("ann", "bob"), ("bob", "ann")):
        me = people(name)
        emu.admin("DELETE", "requests")
        assert listed(me, top) == sorted(["Product", OWN[name]])
        assert me.read(top / OWN[name] / "abalone.csv") == f"{OWN[name]}\n".encode()
        assert me.read(top / "Product" / "abalone.csv") == b"Product\n"
        refused(FileNotFoundError, me.read, top / OWN[other] / "abalone.csv")
        refused(FileNotFoundError, me, f"os.listdir({str(top / OWN[other])!r})")
        assert me.write(top / OWN[name] / "new", name.encode()) == 3
        refused(OSError, me.write, top / OWN[other] / "new2", b"x")
        asked, used[name] = signed(emu)
        assert asked == {f"sagemaker-{PROFILES[name]}-role"}
    assert used["ann"] and used["ann"].isdisjoint(used["bob"])
    for name, folder in OWN.items():
        assert emu.grants_owner.get_object(Bucket=GRANTS_BUCKET, Key=f"{folder}/new")["Body"].read() == name.encode()


def test_keys_are_those_of_who_asks(emu, mount, people):
    """Of one scope that both have been granted each gets keys of his own."""
    point = mount(f"s3://{GRANTS_BUCKET}/Product", "access=grants", f"account={ACCOUNT}")
    issued = {}
    for name in PROFILES:
        emu.admin("DELETE", "requests")
        assert people(name).read(point / "big") == BIG
        _, issued[name] = signed(emu)
        assert len(issued[name]) == 1
    assert issued["ann"].isdisjoint(issued["bob"])


@pytest.mark.parametrize("source", [f"s3://{GRANTS_BUCKET}/UserA", "grants"], ids=["prefix", "tree"])
def test_cached_bytes_are_not_given_to_another(emu, place, mount, people, source):
    """Neither from memory nor from disk, also over a remount, and not through what is open."""
    more = ["access=grants", f"account={ACCOUNT}"] if source != "grants" else []
    cache = f"cache-dir={place.dir}/cache"
    for _ in range(2):
        point = mount(source, *more, cache)
        top = point if more else point / GRANTS_BUCKET / "UserA"
        ann, bob = people("ann"), people("bob")
        assert ann.read(top / "big") == BIG
        ann(f"kept.update(f=open({str(top / 'big')!r}, 'rb'))")
        for attempt in (f"open({str(top / 'big')!r}, 'rb').read()", f"os.listdir({str(top)!r})",
                        f"os.stat({str(top / 'big')!r})", f"os.chdir({str(top)!r}) or open('big', 'rb').read()",
                        f"open('/proc/{ann.pid}/fd/' + str({ann('kept[' + repr('f') + '].fileno()')}), 'rb').read()"):
            refused(OSError, bob, attempt)
        assert ann("kept['f'].read()") == BIG and ann("kept['f'].close()") is None
        place.umount(point)


def test_disk_cache_is_apart(emu, place, mount, people):
    """Of a scope that both may read: what one fetched is fetched again for the other."""
    point = mount(f"s3://{GRANTS_BUCKET}/Product", "access=grants", f"account={ACCOUNT}",
                  f"cache-dir={place.dir}/cache")
    for name in PROFILES:
        emu.admin("DELETE", "requests")
        assert people(name).read(point / "big") == BIG
        got = sum(r["bytes"] for r in emu.admin("GET", "requests") if r["operation"] == "GetObject")
        assert got >= len(BIG)

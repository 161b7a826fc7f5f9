"""One cache directory, several principals: what one was given, no other one gets from it."""
import pytest
from emulator import with_object
from mounting import options, wait_until
from patterns import content

ACCOUNT = "666666666666"
ADMIN = ("AKIAEXAMPLECACHE0001", "secret/of/the/owner/00000000000000000000")
ANN = ("AKIAEXAMPLECACHEANN1", "secret/of/ann/0000000000000000000000000")
BOB = ("AKIAEXAMPLECACHEBOB1", "secret/of/bob/0000000000000000000000000")
CELL = 128 << 10
SIZE = 5 * (1 << 20) + 777
BODY = content("kept", SIZE)
READER = f"arn:aws:iam::{ACCOUNT}:role/reader"


def user(name, keys):
    return {"name": name, "access-keys": [{"id": keys[0], "secret": keys[1]}],
            "policies": {"p": {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "*", "Resource": "*"}]}}}


WORLD = {
    "accounts": [{"id": ACCOUNT, "users": [user("admin", ADMIN), user("ann", ANN), user("bob", BOB)],
                  "roles": [{"name": "reader", "trust": {"Version": "2012-10-17", "Statement": [
                      {"Effect": "Allow", "Action": "sts:AssumeRole",
                       "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/ann"}}]},
                      "policies": {"p": {"Version": "2012-10-17", "Statement": [
                          {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}}}]}],
    "buckets": [{"name": "kept-bucket", "account": ACCOUNT}],
}


@pytest.fixture(scope="module")
def emu():
    with with_object(WORLD, ADMIN, "kept-bucket", "file", BODY) as instance:
        yield instance


def become(place, keys, name="me"):
    """The profile of that name now has these keys."""
    (place.dir / "credentials").write_text(
        f"[{name}]\naws_access_key_id = {keys[0]}\naws_secret_access_key = {keys[1]}\n")


def mount(place, emu, profile="me"):
    return place.mount("s3://kept-bucket", options(emu, f"profile={profile}", "path-style"))


def fetched(emu):
    return sum(r["bytes"] for r in emu.admin("GET", "requests") if r["operation"] == "GetObject")


def visit(place, emu, profile="me"):
    """Bytes that a mount which comes and goes had to fetch; what it read is kept."""
    emu.admin("DELETE", "requests")
    point = mount(place, emu, profile)
    assert (point / "file").read_bytes() == BODY
    wait_until(lambda: place.status(point)["cache"]["filled_bytes"]
               + place.status(point)["cache"]["hit_bytes"] >= SIZE - CELL)
    place.umount(point)
    return fetched(emu)


def test_two_users_of_one_profile_name_do_not_share(emu, place):
    become(place, ANN)
    assert visit(place, emu) == SIZE
    assert visit(place, emu) == CELL
    become(place, BOB)
    assert visit(place, emu) == SIZE, "not what ann was given"
    assert visit(place, emu) == CELL
    become(place, ANN)
    assert visit(place, emu) == CELL, "hers is still there"


def test_two_live_mounts_do_not_share(emu, place):
    become(place, ANN)
    hers = mount(place, emu)
    become(place, BOB)
    his = mount(place, emu)
    assert (hers / "file").read_bytes() == BODY
    wait_until(lambda: place.status(hers)["cache"]["filled_bytes"] >= SIZE)
    emu.admin("DELETE", "requests")
    assert (his / "file").read_bytes() == BODY
    assert fetched(emu) == SIZE
    assert place.status(his)["cache"]["hit_bytes"] == 0


def test_what_is_denied_to_one_stays_with_the_other(emu, place):
    become(place, ANN)
    visit(place, emu)
    become(place, BOB)
    point = mount(place, emu)
    emu.admin("POST", "faults", {"operation": "GetObject", "key": "file", "count": -1,
                                 "effect": "error", "status": 403, "code": "AccessDenied"})
    with pytest.raises(PermissionError):
        (point / "file").read_bytes()
    assert place.status(point)["cache"]["hit_bytes"] == 0


def test_sessions_of_a_role_share_and_the_role_is_not_its_user(emu, place):
    become(place, ANN)
    (place.dir / "config").write_text(
        f"[profile role]\nrole_arn = {READER}\nsource_profile = me\n")
    assert visit(place, emu, "role") == SIZE
    assert visit(place, emu, "role") == CELL, "by keys of another session"
    assert visit(place, emu, "me") == SIZE


def test_a_source_that_could_not_be_asked_at_first_shares_nothing(emu, place):
    """Its keys came later: nobody knew whose they would be."""
    become(place, ANN)
    visit(place, emu)
    config = place.config(emu, {
        "a": ["source = s3://kept-bucket", "profile = me", "path-style = yes"],
        "b": ["source = s3://kept-bucket", "profile = late", "path-style = yes"]})
    with (place.dir / "credentials").open("a") as f:
        f.write("[late]\naws_access_key_id = AKIANOBODY\naws_secret_access_key = nobody/secret\n")
    point = place.mount(config)
    emu.admin("DELETE", "requests")
    assert (point / "a" / "file").read_bytes() == BODY
    assert fetched(emu) == CELL
    with pytest.raises(OSError):
        (point / "b" / "file").read_bytes()

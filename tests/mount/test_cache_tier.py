"""The shared tier through real mounts: what a fleet shares, and what nobody gets from it."""
import os
import socket
import threading

import pytest
import targets
from emulator import ADMINS, VARIANT, Emulator
from mounting import GRANTS_BUCKET, credentials_text, options, wait_until
from patterns import content

BUCKET = "test-bucket-1"
MIB = 1 << 20
CELL = 128 << 10
SIZE = 9 * MIB + 12345
PARTS = 3
KEY = "0123456789abcdef" * 4
# Nothing is timed here: a loaded machine may take long to answer.
PATIENT = "cache-tier-timeout=60s"


@pytest.fixture
def fleet(emu, place):
    """Credentials of the owner, an object, a bucket of its own for the tier, and a key."""
    place.add_profile("admin", ADMINS["222222222222"])
    place.key = place.dir / "tier.key"
    place.key.write_text(KEY + "\n")
    place.key.chmod(0o600)
    place.body = content("fleet", SIZE)
    place.tier = "fleet-tier"
    emu.owner.create_bucket(Bucket=place.tier)
    emu.owner.put_object(Bucket=BUCKET, Key="fleet/secret-name.bin", Body=place.body)
    emu.admin("DELETE", "requests")
    yield place
    for point in list(place.mounts):
        place.umount(point)
    emu.admin("DELETE", "faults")
    for o in emu.owner.list_objects_v2(Bucket=place.tier).get("Contents", []):
        emu.owner.delete_object(Bucket=place.tier, Key=o["Key"])
    emu.owner.delete_bucket(Bucket=place.tier)


def tier_options(fleet, tier=None):
    return [f"cache-tier={tier or 's3://' + fleet.tier + '/blocks'}",
            f"cache-tier-key-file={fleet.key}", PATIENT]


def host(fleet, emu, *more, profile="admin", tier=None):
    """A mount with a cache directory of its own, as on another host; its tier has keys."""
    point = fleet.mount(f"s3://{BUCKET}/fleet", options(
        emu, f"profile={profile}", "path-style", f"cache-dir={fleet.dir}/cache{len(fleet.mounts)}",
        "cache-size=0", *tier_options(fleet, tier), *more))
    wait_until(lambda: tier_of(fleet, point)["ready"])
    return point


def tier_of(fleet, point):
    return fleet.status(point)["cache"]["tier"]


def fill(fleet, emu, parts=PARTS, **how):
    """By mounts that come and go; those that are too slow at sealing skip parts."""
    for _ in range(20):
        point = host(fleet, emu, **how)
        assert (point / "secret-name.bin").read_bytes() == fleet.body
        fleet.umount(point)
        if len(kept(fleet, emu)) >= parts:
            emu.admin("DELETE", "requests")
            return
    raise AssertionError("the tier was not filled")


def kept(fleet, emu):
    return [o["Key"] for o in emu.owner.list_objects_v2(Bucket=fleet.tier).get("Contents", [])]


def requests(emu, bucket, operation="GetObject"):
    return [r for r in emu.admin("GET", "requests")
            if r["operation"] == operation and r.get("bucket") == bucket]


def from_source(emu):
    return sum(r["bytes"] for r in requests(emu, BUCKET))


def test_two_hosts_share_what_one_fetched(emu, fleet):
    fill(fleet, emu)
    point = host(fleet, emu)
    assert (point / "secret-name.bin").read_bytes() == fleet.body
    t = tier_of(fleet, point)
    assert from_source(emu) == CELL, "the proof, and nothing else"
    assert t["hit_bytes"] == SIZE - CELL and t["failures"] == 0 and t["bad_parts"] == 0
    text = fleet.run("status", point).stdout
    assert f"shared tier s3://{fleet.tier}/blocks: {SIZE - CELL} bytes read from it" in text


def test_what_stands_in_the_tier_tells_nothing(emu, fleet):
    fill(fleet, emu)
    names = kept(fleet, emu)
    assert len(names) == PARTS
    for name in names:
        assert name.startswith("blocks/") and len(name) == len("blocks/") + 64
        body = emu.owner.get_object(Bucket=fleet.tier, Key=name)["Body"].read()
        for piece in (b"secret-name", b"fleet", *(fleet.body[i:i + 16] for i in range(0, SIZE, 65536))):
            assert piece not in body
    assert {r["operation"] for r in emu.admin("GET", "requests")
            if r.get("bucket") == fleet.tier} <= {"HeadObject", "GetObject", "PutObject", "ListObjectsV2"}


def flip(body):
    return body[:200_000] + bytes([body[200_000] ^ 1]) + body[200_001:]


@pytest.mark.parametrize("harm", [flip, lambda b: b[:-1], lambda b: b[:5], lambda b: b"x" * len(b)],
                         ids=["flipped", "cut", "cut to nothing", "scribbled over"])
def test_harm_is_counted_and_never_served(emu, fleet, harm):
    fill(fleet, emu)
    for name in kept(fleet, emu):
        body = emu.owner.get_object(Bucket=fleet.tier, Key=name)["Body"].read()
        emu.owner.put_object(Bucket=fleet.tier, Key=name, Body=harm(body))
    point = host(fleet, emu)
    assert (point / "secret-name.bin").read_bytes() == fleet.body
    assert tier_of(fleet, point)["bad_parts"] > 0


def test_swapped_objects_are_never_served(emu, fleet):
    fill(fleet, emu)
    names = kept(fleet, emu)
    bodies = [emu.owner.get_object(Bucket=fleet.tier, Key=n)["Body"].read() for n in names]
    for name, body in zip(names, bodies[1:] + bodies[:1]):
        emu.owner.put_object(Bucket=fleet.tier, Key=name, Body=body)
    point = host(fleet, emu)
    assert (point / "secret-name.bin").read_bytes() == fleet.body
    assert tier_of(fleet, point)["bad_parts"] > 0


def test_who_may_not_read_the_object_gets_nothing_from_the_tier(emu, fleet):
    fill(fleet, emu)
    point = host(fleet, emu)
    emu.admin("POST", "faults", {"operation": "GetObject", "bucket": BUCKET, "key": "fleet/*",
                                 "count": -1, "effect": "error", "status": 403,
                                 "code": "AccessDenied"})
    with pytest.raises(PermissionError):
        (point / "secret-name.bin").read_bytes()
    assert requests(emu, fleet.tier) == []


def test_a_replaced_object_is_another_one(emu, fleet):
    fill(fleet, emu)
    new = content("new", SIZE)
    emu.owner.put_object(Bucket=BUCKET, Key="fleet/secret-name.bin", Body=new)
    point = host(fleet, emu)
    assert (point / "secret-name.bin").read_bytes() == new
    assert tier_of(fleet, point)["hits"] == 0


def test_another_key_file_finds_nothing(emu, fleet):
    fill(fleet, emu)
    fleet.key.write_text("f" + KEY[1:])
    point = host(fleet, emu)
    assert (point / "secret-name.bin").read_bytes() == fleet.body
    t = tier_of(fleet, point)
    assert t["hits"] == 0 and t["bad_parts"] == 0 and t["failures"] == 0


@pytest.mark.parametrize("status,code", [(403, "AccessDenied"), (503, "SlowDown"),
                                         (404, "NoSuchBucket"), (507, "InsufficientStorage")])
def test_a_tier_that_refuses_costs_nothing_but_its_help(emu, fleet, status, code):
    fill(fleet, emu)
    emu.admin("POST", "faults", {"bucket": fleet.tier, "count": -1, "effect": "error",
                                 "status": status, "code": code})
    point = host(fleet, emu)
    assert (point / "secret-name.bin").read_bytes() == fleet.body
    assert tier_of(fleet, point)["hits"] == 0
    fleet.umount(point)


def test_a_tier_that_does_not_answer_is_left_alone(emu, fleet):
    """Connections are taken and nothing is said; then nobody is there at all."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with (fleet.dir / "config").open("a") as f:
        f.write(f"[profile silent]\nendpoint_url = http://127.0.0.1:{port}\nregion = us-east-1\n")
    with (fleet.dir / "credentials").open("a") as f:
        f.write("[silent]\naws_access_key_id = AKIASILENT\naws_secret_access_key = silent/secret\n")
    point = host(fleet, emu, "cache-tier-profile=silent", "cache-tier-timeout=200ms")
    assert (point / "secret-name.bin").read_bytes() == fleet.body
    assert tier_of(fleet, point)["failures"] > 0
    fleet.umount(point)
    listener.close()
    point = host(fleet, emu, "cache-tier-profile=silent", "cache-tier-timeout=200ms")
    assert (point / "secret-name.bin").read_bytes() == fleet.body


def test_a_directory_bucket_as_the_tier(place):
    e = Emulator(targets.world())
    try:
        client = targets.client(endpoint=e.endpoint, s3={"addressing_style": "path"})
        place.body = content("directory", SIZE)
        client.put_object(Bucket=targets.BUCKET, Key="a/x", Body=place.body)
        (place.dir / "credentials").write_text(credentials_text({"admin": (*targets.ADMIN, None)}))
        place.key = place.dir / "tier.key"
        place.key.write_bytes(bytes(range(32)))
        place.key.chmod(0o400)
        hits = 0
        for _ in range(20):
            point = place.mount(f"s3://{targets.BUCKET}/a", options(
                e, "profile=admin", "path-style", "cache-size=0",
                *tier_options(place, f"s3://{targets.DIRECTORY}/fleet/")))
            wait_until(lambda p=point: tier_of(place, p)["ready"])
            assert (point / "x").read_bytes() == place.body
            hits = tier_of(place, point)["hit_bytes"]
            place.umount(point)
            if hits == SIZE - CELL:
                break
        assert hits == SIZE - CELL
        seen = {r["operation"] for r in e.admin("GET", "requests")
                if r.get("bucket") == targets.DIRECTORY}
        assert seen == {"CreateSession", "HeadObject", "GetObject", "PutObject"}
    finally:
        e.stop()


def test_keys_that_may_get_and_put_below_the_prefix_are_enough(place):
    """Without the right to list, S3 denies what is not there."""
    world = targets.world()
    narrow = ("AKIATARGETSNARROW001", "may/get/and/put/0000000000000000000000")
    world["accounts"][0]["users"].append({
        "name": "narrow", "access-keys": [{"id": narrow[0], "secret": narrow[1]}],
        "policies": {"tier": {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": f"arn:aws:s3:::{targets.FAR_BUCKET}/tier/*"}]}}})
    e = Emulator(world)
    try:
        client = targets.client(endpoint=e.endpoint, s3={"addressing_style": "path"})
        place.body = content("narrow", SIZE)
        client.put_object(Bucket=targets.BUCKET, Key="a/x", Body=place.body)
        (place.dir / "credentials").write_text(credentials_text(
            {"admin": (*targets.ADMIN, None), "narrow": (*narrow, None)}))
        place.key = place.dir / "tier.key"
        place.key.write_bytes(bytes(range(32)))
        place.key.chmod(0o600)
        last = {}
        for _ in range(20):
            point = place.mount(f"s3://{targets.BUCKET}/a", options(
                e, "profile=admin", "path-style", "cache-size=0", "cache-tier-profile=narrow",
                *tier_options(place, f"s3://{targets.FAR_BUCKET}/tier")))
            wait_until(lambda p=point: tier_of(place, p)["ready"])
            assert (point / "x").read_bytes() == place.body
            last = tier_of(place, point)
            assert not last["reading_paused"]
            place.umount(point)
            if last["hit_bytes"] == SIZE - CELL:
                break
        assert last["hit_bytes"] == SIZE - CELL
        assert "cannot be read" not in place.log() and "AccessDenied" not in place.log()
    finally:
        e.stop()


def test_what_came_from_the_tier_is_kept_on_disk(emu, fleet):
    fill(fleet, emu)
    for tier_gets in (True, False):
        emu.admin("DELETE", "requests")
        point = fleet.mount(f"s3://{BUCKET}/fleet", options(
            emu, "profile=admin", "path-style", *tier_options(fleet)))
        wait_until(lambda p=point: tier_of(fleet, p)["ready"])
        assert (point / "secret-name.bin").read_bytes() == fleet.body
        assert from_source(emu) == CELL
        assert bool(requests(emu, fleet.tier)) == tier_gets
        cache = fleet.status(point)["cache"]
        wait_until(lambda p=point: sum(fleet.status(p)["cache"][k] for k in
                                       ("filled_bytes", "hit_bytes")) >= SIZE - CELL)
        said = fleet.run("cache", "stat", point).stdout
        assert f"s3://{fleet.tier}/blocks: the shared tier" in said and str(cache["dir"]) in said
        fleet.umount(point)


# --- what is refused --------------------------------------------------------------------------------

def test_grants_only_where_it_is_meant(emu, fleet):
    source = f"s3://{GRANTS_BUCKET}/UserA"
    asked = options(emu, "profile=usera", "access=grants", "account=333333333333",
                    "cache-tier-profile=admin", *tier_options(fleet))
    for refused in (source, "grants:333333333333"):
        result, _ = fleet.try_mount(refused, asked)
        assert result.returncode == 2 and "cache-tier-grants=yes" in result.stderr
        assert len(result.stderr.splitlines()) == 1
    emu.grants_owner.put_object(Bucket=GRANTS_BUCKET, Key="UserA/big", Body=fleet.body)
    for where in (source, "grants:333333333333"):
        path = "big" if where == source else f"{GRANTS_BUCKET}/UserA/big"
        before = len(kept(fleet, emu))
        point = fleet.mount(where, [*asked, "cache-tier-grants=yes", "cache-size=0"])
        wait_until(lambda p=point: tier_of(fleet, p)["ready"])
        assert (point / path).read_bytes() == fleet.body
        fleet.umount(point)
        assert len(kept(fleet, emu)) > before
    emu.grants_owner.delete_object(Bucket=GRANTS_BUCKET, Key="UserA/big")


@pytest.mark.parametrize("written,mode,said", [
    (KEY, 0o640, "mode 0640"), (b"", 0o600, "is empty"), (b"a" * 31, 0o600, "does not hold 32 bytes"),
    (KEY[:32], 0o600, "64 are needed"), (b"z" * 64, 0o600, "does not hold"),
    (b"\0" * 32, 0o600, "one byte again and again"), (b"a" * 1000, 0o600, "too long"),
    (None, 0o600, "No such file"), ("folder", 0o700, "not a regular file"),
])
def test_bad_key_files(emu, fleet, written, mode, said):
    fleet.key.unlink()
    if written == "folder":
        fleet.key.mkdir()
    elif written is not None:
        fleet.key.write_bytes(written if isinstance(written, bytes) else written.encode())
    if written is not None:
        fleet.key.chmod(mode)
    result, _ = fleet.try_mount(f"s3://{BUCKET}/fleet", options(emu, "profile=admin",
                                                                *tier_options(fleet)))
    assert result.returncode == 2 and said in result.stderr and str(fleet.key) in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another owner")
def test_a_key_file_of_somebody_else(emu, fleet):
    os.chown(fleet.key, 4242, 4242)
    result, _ = fleet.try_mount(f"s3://{BUCKET}/fleet", options(emu, "profile=admin",
                                                                *tier_options(fleet)))
    assert result.returncode == 2 and "belongs to another user" in result.stderr


def test_options_that_do_not_fit(emu, fleet):
    keyed = f"cache-tier-key-file={fleet.key}"
    for words, said in (
            (["cache-tier=s3://fleet-tier"], "needs cache-tier-key-file"),
            ([keyed], "means nothing without cache-tier"),
            (["cache-tier=nonsense:", keyed], "cache-tier: "),
            (["cache-tier=grants", keyed], "is no bucket"),
            ([f"cache-tier=s3://{BUCKET}/fleet/blocks", keyed], "take another prefix"),
            (["cache-tier=s3://fleet-tier", keyed, "cache-tier-profile=nobody"], "no profile 'nobody'")):
        result, _ = fleet.try_mount(f"s3://{BUCKET}/fleet", options(emu, "profile=admin", *words))
        assert result.returncode != 0 and said in result.stderr, (words, result.stderr)
        assert len(result.stderr.splitlines()) == 1


def test_many_readers_over_a_tier(emu, fleet):
    """Two hosts read and fill at the same time, in memory that holds a fraction."""
    names = [f"many{n}" for n in range(4)]
    bodies = {n: content(n, SIZE) for n in names}
    for n, body in bodies.items():
        emu.owner.put_object(Bucket=BUCKET, Key=f"fleet/{n}", Body=body)
    points = [host(fleet, emu, "memory=24M") for _ in range(2)]
    wrong = []

    def read(point, start):
        for i in range(len(names) * (2 if VARIANT == "release" else 1)):
            n = names[(start + i) % len(names)]
            if (point / n).read_bytes() != bodies[n]:
                wrong.append(n)
    threads = [threading.Thread(target=read, args=(p, s)) for p in points for s in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []
    for n in names:
        emu.owner.delete_object(Bucket=BUCKET, Key=f"fleet/{n}")

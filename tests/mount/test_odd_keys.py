"""Keys that no file name can hold: hidden and counted, or shown under escaped names."""
import os

import pytest
from mounting import GRANTS_BUCKET, endpoints, options

BUCKET = "test-bucket-1"
MARK = "\u241b"
LONG = "L" * 300
PIECE = "L" * 251 + MARK + "+"
# key below the prefix -> path in the mount
ODD = {"a//b": f"a/{MARK}0/b", "./dot": f"{MARK}./dot", "../up": f"{MARK}../up",
       "/first": f"{MARK}0/first", f"a/{LONG}": f"a/{PIECE}/" + "L" * 49,
       f"{LONG}/in": PIECE + "/" + "L" * 49 + "/in", f"m{MARK}k": f"m{MARK}{MARK}k",
       "twin": f"{MARK}ftwin"}
PLAIN = ["a/plain", "twin/inside", "100%25.csv"]


@pytest.fixture
def prefix(emu, place, request):
    (place.dir / "credentials").open("a").write(
        "[admin2]\naws_access_key_id = AKIAEXAMPLEADMIN0002\n"
        "aws_secret_access_key = example/secret+of/admin/222222222222/0000\n")
    for key in [*ODD, *PLAIN]:
        emu.owner.put_object(Bucket=BUCKET, Key=f"{request.node.name}/{key}", Body=key.encode())
    return request.node.name


def mount(emu, place, prefix, *more):
    return place.mount(f"s3://{BUCKET}/{prefix}", options(emu, "profile=admin2", *more))


def tree(point):
    return sorted(os.path.relpath(os.path.join(d, f), point) for d, _, fs in os.walk(point) for f in fs)


def body(emu, prefix, key):
    return emu.owner.get_object(Bucket=BUCKET, Key=f"{prefix}/{key}")["Body"].read()


def test_hidden_and_counted(emu, place, prefix):
    point = mount(emu, place, prefix)
    assert tree(point) == sorted([*PLAIN, f"m{MARK}k"])  # which is a name like any other here
    assert place.status(point)["hidden_keys"] >= 6
    assert not (point / f"a/{MARK}0").exists()


def test_escaped_names_are_listed_found_and_read(emu, place, prefix):
    point = mount(emu, place, prefix, "odd-keys=escape")
    assert tree(point) == sorted([*PLAIN, *ODD.values()])
    assert place.status(point)["hidden_keys"] == 0
    for key, name in ODD.items():
        assert (point / name).read_bytes() == key.encode()
        assert (point / name).stat().st_size == len(key.encode())
    # by name alone, before anything was listed
    again = mount(emu, place, prefix, "odd-keys=escape", "cache-size=0")
    for key, name in ODD.items():
        assert (again / name).read_bytes() == key.encode()
    for name in (f"{MARK}q", f"a/{MARK}", f"{MARK}fa", f"{MARK}f100%25.csv", f"a/plain{MARK}+"):
        assert not (again / name).exists()


def test_writing_reaches_the_same_key(emu, place, prefix):
    point = mount(emu, place, prefix, "odd-keys=escape")
    for key, name in ODD.items():
        (point / name).write_bytes(b"new " + key.encode())
        assert body(emu, prefix, key) == b"new " + key.encode()
    (point / f"a/{MARK}0/made").write_bytes(b"made")
    assert body(emu, prefix, "a//made") == b"made"
    os.rename(point / f"a/{MARK}0/made", point / "a" / "moved")
    assert body(emu, prefix, "a/moved") == b"made"
    (point / f"a/{MARK}0/b").unlink()
    place.run("sync", point)
    keys = {o["Key"][len(prefix) + 1:]
            for o in emu.owner.list_objects_v2(Bucket=BUCKET, Prefix=prefix + "/")["Contents"]}
    assert "a//b" not in keys and "a//made" not in keys and "twin" in keys
    with pytest.raises(OSError):
        (point / f"{MARK}q").write_bytes(b"nothing is called that")
    assert (place.hand_out(point) / f"{MARK}q").read_bytes() == b"nothing is called that"
    os.rename(point / "a", point / "z")  # a folder with odd names in it
    assert body(emu, prefix, f"z/{LONG}") == b"new " + f"a/{LONG}".encode()
    assert (point / "z" / PIECE / ("L" * 49)).read_bytes() == b"new " + f"a/{LONG}".encode()


def test_a_tree_of_grants_is_refused(emu, place):
    told, _ = place.try_mount("grants", options(emu, "profile=usera", "odd-keys=escape"))
    assert told.returncode == 2 and "odd-keys=escape does not go with grants" in told.stderr
    told, _ = place.try_mount(f"s3://{GRANTS_BUCKET}/UserA", ["odd-keys=show", endpoints(emu, ",")])
    assert told.returncode == 2 and "hide or escape" in told.stderr

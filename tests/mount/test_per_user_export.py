"""per-user= and s3apfs sync --export: each user's own, apart from the others', and nothing of who is not served."""
import os
import pathlib

import pytest
from mounting import wait_until
from people import UID
from test_per_user import USERS, emu, profiles, words, write_map  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users takes root")

DENIED = {"method": "PUT", "effect": "error", "count": -1, "status": 403, "code": "AccessDenied"}
NAMES = ("ann", "bob", "carol")
CONTENT = {name: name.encode() * 5000 for name in NAMES}


@pytest.fixture
def denied(place, emu, people):  # noqa: F811
    """Each wrote a file of one name, which cannot be sent."""
    place.dir.chmod(0o755)
    profiles(place)
    write_map(place, USERS)
    place.words = [*words(place, emu, "writeback"), f"state-dir={place.dir}/state"]
    point = pathlib.Path(place.mount("s3://users-bucket", place.words))
    for name in NAMES:
        people(name).write(point / "common" / name, b"x")  # the first of its kind is sent at once
    assert place.run("sync", point).returncode == 0
    emu.admin("POST", "faults", DENIED)
    for name in NAMES:
        people(name).write(point / "common" / f"{name}-new", CONTENT[name])
    yield point
    emu.admin("DELETE", "faults")


def written(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def export(place, point, folder, waits):
    """Until so many files wait; what was printed. One that is just being tried again is left for the next call."""
    said = []

    def done():
        result = place.run("sync", point, "--export", folder)
        said.append(result.stdout)
        assert (result.returncode == 0) == (len(place.status(point)["pending"]) == 0), result.stderr
        return len(place.status(point)["pending"]) == waits
    wait_until(done)
    return "".join(said)


def test_each_user_gets_a_folder(place, emu, people, denied):  # noqa: F811
    folder = place.dir / "out"
    assert {p["user"] for p in place.status(denied)["pending"]} == {UID[n] for n in NAMES}
    said = export(place, denied, folder, 0)
    assert written(folder) == {f"{UID[n]}/common/{n}-new": CONTENT[n] for n in NAMES}
    for name in NAMES:
        assert f"as {folder}/{UID[name]}/common/{name}-new" in said
        assert (folder / str(UID[name])).stat().st_mode & 0o777 == 0o700
        assert (folder / str(UID[name]) / "common" / f"{name}-new").stat().st_mode & 0o777 == 0o600
        with pytest.raises(PermissionError):
            people(name).read(folder / str(UID["ann" if name != "ann" else "bob"]) / "common" / f"{name}-new")
        assert f"{name}-new" not in people(name)(f"os.listdir({str(denied / 'common')!r})")
    assert place.status(denied)["pending"] == []
    assert place.run("sync", denied).returncode == 0


def test_users_who_are_not_served_keep_theirs(place, emu, people, denied):  # noqa: F811
    place.kill(denied)
    write_map(place, USERS[:USERS.index(f"[user {UID['carol']}]")])
    point = pathlib.Path(place.mount("s3://users-bucket", place.words))
    folder = place.dir / "out"
    said = export(place, point, folder, 1)
    assert f"user {UID['carol']} has no section in {place.dir}/users" in said and "change of a name" not in said
    assert written(folder) == {f"{UID[n]}/common/{n}-new": CONTENT[n] for n in ("ann", "bob")}
    assert [p["user"] for p in place.status(point)["pending"]] == [UID["carol"]]
    place.kill(point)
    write_map(place, USERS)
    emu.admin("DELETE", "faults")
    point = pathlib.Path(place.mount("s3://users-bucket", place.words))
    assert people("carol").read(point / "common" / "carol-new") == CONTENT["carol"]
    assert place.status(point)["pending"] == []

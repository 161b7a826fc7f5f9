"""Two mounts of one bucket with consistency=close-to-open."""
import os
import pathlib
import random

import pytest
from mounting import options

BUCKET = "test-bucket-1"
pytestmark = pytest.mark.any_server


@pytest.fixture
def two(emu, place, request):
    place.add_owner()
    return [pathlib.Path(place.mount(f"s3://{BUCKET}/{request.node.name}", options(
        emu, "profile=admin2", f"state-dir={place.dir}/state{i}", "consistency=close-to-open")))
            for i in range(2)]


def test_what_one_closed_the_other_opens(two):
    chance = random.Random(3)
    for turn in range(40):
        writer, reader = two if turn % 2 else reversed(two)
        body = chance.randbytes(chance.choice([0, 10, 5000, 300000]))
        name = f"f{chance.randrange(4)}"
        (writer / name).write_bytes(body)
        assert (reader / name).stat().st_size == len(body)
        assert (reader / name).read_bytes() == body


def test_names_are_seen_at_once(two):
    one, other = two
    assert not (other / "new").exists()
    (one / "new").write_text("x")
    assert (other / "new").read_text() == "x"
    (one / "folder").mkdir()
    assert sorted(os.listdir(other)) == ["folder", "new"]
    (one / "new").rename(one / "folder" / "moved")
    assert not (other / "new").exists()
    assert os.listdir(other / "folder") == ["moved"]
    (one / "folder" / "moved").unlink()
    (one / "folder").rmdir()
    assert os.listdir(other) == []
    (one / "folder").write_text("a file now")
    assert (other / "folder").read_text() == "a file now"


def test_links_and_modes_are_seen_after_open(two):
    one, other = two
    (one / "f").write_text("content")
    assert (other / "f").read_text() == "content"
    (one / "f").chmod(0o640)
    (one / "link").symlink_to("f")
    assert (other / "link").read_text() == "content"
    assert os.readlink(other / "link") == "f"
    with open(other / "f") as f:
        assert os.fstat(f.fileno()).st_mode & 0o777 == 0o640
    (one / "link").unlink()
    (one / "link").symlink_to("elsewhere")
    assert os.readlink(other / "link") == "elsewhere"


def test_two_edits_end_in_a_winner_and_a_copy(two):
    one, other = two
    (one / "f").write_bytes(b"base" * 1000)
    bodies = [b"1" * 7000, b"2" * 9000]
    files = [open(p / "f", "wb") for p in two]
    for f, body in zip(files, bodies):
        f.write(body)
    files[0].close()
    with pytest.raises(OSError):
        files[1].close()
    for point in two:
        assert (point / "f").read_bytes() == bodies[0]
        (copy,) = [n for n in os.listdir(point) if ".conflict-" in n]
        assert (point / copy).read_bytes() == bodies[1]

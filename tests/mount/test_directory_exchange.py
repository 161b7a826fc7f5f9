"""Two names that swap in a directory bucket, by RenameObject, while the mount is killed at each request in
turn. Folders' own objects are copied there."""
import pytest
import targets
from test_directory_moves import emu  # noqa: F401
from test_exchange import Pair, killed_at_each_request


@pytest.fixture
def pair(emu, place, request):  # noqa: F811
    place.add_profile("admin2", targets.ADMIN)
    return Pair(emu, place, request.node.name.replace("[", "/").rstrip("]"), (), targets.DIRECTORY)


@pytest.mark.parametrize("way", ["closed", "open"])
@pytest.mark.parametrize("kinds", [("file", "file"), ("folder", "folder"), ("file", "folder"),
                                   ("folder", "file")], ids="-".join)
def test_a_kill_leaves_both_as_they_were_or_swapped(pair, kinds, way):
    swapped, back = killed_at_each_request(pair, kinds, way)
    assert swapped > 1 and back > 1

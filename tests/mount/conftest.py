"""Fixtures of the mount tests: an emulator a module, a place a test.

A test marked any_server runs against a server of somebody else, too: see tests/support/other_server.py."""
import contextlib
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import pytest  # noqa: E402

import emulator as emulator_module  # noqa: E402
import other_server  # noqa: E402
import people as people_module  # noqa: E402
from mounting import GRANTS_BUCKET, Place  # noqa: E402

if not os.path.exists("/dev/fuse"):
    pytest.skip("there is no /dev/fuse here", allow_module_level=True)


def pytest_configure(config):
    config.addinivalue_line("markers", "any_server(faulty=False): once against the emulator, once against another "
                            "server, which has faults and a log of requests when it is to be faulty")
    config.addinivalue_line("markers", "by_hand: against another server only where ANY_SERVER is set")


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("any_server")
    if marker:
        other = "faulty other" if marker.kwargs.get("faulty") else "other"
        metafunc.parametrize("emu", ["emulator", other], indirect=True, scope="module")


def takes_too_long(item):
    return (item.get_closest_marker("by_hand") and "ANY_SERVER" not in os.environ
            and item.callspec.params.get("emu", "emulator") != "emulator")


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if takes_too_long(item)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def s3_client(emu, account):
    return emu.client(emulator_module.ADMINS[account], s3={"addressing_style": "path"})


@contextlib.contextmanager
def of_somebody_else(faulty):
    with other_server.running() as (url, keys):
        instance = other_server.OtherServer(url, keys, faulty)
        yield instance
        instance.stop()


@contextlib.contextmanager
def of_our_own():
    instance = emulator_module.Emulator()
    instance.owner = s3_client(instance, "222222222222")
    instance.grants_owner = s3_client(instance, "333333333333")
    instance.owner.put_object(Bucket="test-bucket-1", Key="sample2.csv", Body=b"a,b\n1,2\n")
    instance.owner.put_object(Bucket="test-bucket-1", Key="sub/deep/known.csv", Body=b"deep\n")
    for folder in ("Product", "UserA", "UserB"):
        instance.grants_owner.put_object(Bucket=GRANTS_BUCKET, Key=f"{folder}/abalone.csv",
                                         Body=f"{folder}\n".encode())
    yield instance
    instance.stop()


@pytest.fixture(scope="module")
def emu(request):
    kind = getattr(request, "param", "emulator")
    with of_our_own() if kind == "emulator" else of_somebody_else("faulty" in kind) as instance:
        yield instance


@pytest.fixture(autouse=True)
def no_faults(request):
    """Faults and the request log of one test do not reach the next."""
    yield
    if "emu" in request.fixturenames:
        emu = request.getfixturevalue("emu")
        if emu.has_admin:
            emu.admin("DELETE", "faults")
            emu.admin("DELETE", "requests")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    if outcome.get_result().when == "call":
        item.failed_call = outcome.get_result().failed


@pytest.fixture
def admin(place):
    """The place, with a profile of the bucket owner's administrator."""
    place.add_owner()
    return place


@pytest.fixture
def place(request):
    instance = Place()
    if "emu" in request.fixturenames:
        instance.owner_keys = request.getfixturevalue("emu").owner_keys
    yield instance
    if getattr(request.node, "failed_call", False):
        print(instance.log()[-8000:])
        for path in instance.dir.glob("sanitizer*"):
            print(path.read_text(errors="replace")[:8000])
        instance.abandon()
    else:
        instance.close()


@pytest.fixture
def people():
    with people_module.gathered() as person:
        yield person

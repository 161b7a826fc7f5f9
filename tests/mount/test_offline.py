"""offline=lenient: while S3 cannot be reached, what is known is shown; strict: it is an error."""
import contextlib
import os
import socket
import threading

import pytest
from mounting import AP_ARN, GRANTS_BUCKET, options, wait_until

BUCKET = "test-bucket-1"
MIB = 1 << 20


class Line:
    """What stands between a mount and the emulator, and can be cut: then its port is refused."""

    def __init__(self, port):
        self.target = port
        self.listener = None
        self.port = 0
        self.ends = []
        self.join()

    def join(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.ends = []

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                self.ends += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    @staticmethod
    def _copy(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        for end in (a, b):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def line(emu):
    one = Line(emu.port)
    yield one
    one.cut()


@pytest.fixture(scope="module", autouse=True)
def objects(emu):
    for key in ("off/a", "off/dir/b", "off/dir/c", "off/never/seen"):
        emu.owner.put_object(Bucket=BUCKET, Key=key, Body=key.encode())


def mount(emu, place, line, *more):
    # nothing is trusted for longer than the answer takes, so all that is shown later stands in
    return place.mount(f"{AP_ARN}/off", options(emu, "profile=demo", f"connect-to=127.0.0.1:{line.port}",
                                                "metadata-ttl=0", "negative-ttl=0", *more))


def see(point):
    assert sorted(os.listdir(point)) == ["a", "dir", "never"]
    assert sorted(os.listdir(point / "dir")) == ["b", "c"]
    assert (point / "a").read_bytes() == b"off/a"
    assert (point / "dir" / "b").read_bytes() == b"off/dir/b"


def test_what_is_known_is_shown_until_s3_is_back(emu, place, line):
    point = mount(emu, place, line, "offline=lenient")
    see(point)
    line.cut()
    for _ in range(3):
        see(point)
    assert (point / "dir" / "c").stat().st_size == len("off/dir/c")
    with pytest.raises(FileNotFoundError):  # the whole folder is known
        (point / "dir" / "absent").stat()
    for unknown in (lambda: os.listdir(point / "never"), (point / "dir" / "c").read_bytes,
                    (point / "never" / "seen").stat):
        with pytest.raises(OSError) as e:
            unknown()
        assert not isinstance(e.value, (FileNotFoundError, PermissionError))
    told = place.status(point)["directories"][0]["offline"]
    assert told["now"] and told["times"] == 1 and told["answers"] > 0 and told["because"]
    assert place.log().count("cannot be reached; what is known of it is shown") == 1
    assert "offline" in place.run("status", point).stdout
    line.join()
    emu.owner.put_object(Bucket=BUCKET, Key="off/dir/later", Body=b"later")
    wait_until(lambda: (point / "dir" / "later").exists())
    assert (point / "dir" / "c").read_bytes() == b"off/dir/c"
    assert sorted(os.listdir(point / "dir")) == ["b", "c", "later"]
    told = place.status(point)["directories"][0]["offline"]
    assert not told["now"] and told["times"] == 1
    assert place.log().count("can be reached again") == 1
    emu.owner.delete_object(Bucket=BUCKET, Key="off/dir/later")


def test_strict_is_an_error(emu, place, line):
    point = mount(emu, place, line)
    see(point)
    line.cut()
    for attempt in (lambda: os.listdir(point), (point / "a").read_bytes):
        with pytest.raises(OSError):
            attempt()
    assert "offline" not in place.status(point)["directories"][0]
    line.join()
    wait_until(lambda: (point / "a").exists())
    see(point)


def test_a_denial_is_no_outage_and_is_not_outlived(emu, place, line):
    point = mount(emu, place, line, "offline=lenient")
    see(point)
    emu.admin("POST", "faults", {"operation": "ListObjectsV2", "effect": "error", "count": -1,
                                 "status": 403, "code": "AccessDenied"})
    with pytest.raises(PermissionError):
        os.listdir(point / "dir")
    assert not place.status(point)["directories"][0]["offline"]["now"]
    line.cut()
    assert (point / "a").read_bytes() == b"off/a"  # nobody took that back
    with pytest.raises(OSError):
        os.listdir(point / "dir")


def test_bytes_on_disk_stand_in_when_memory_forgot_them(emu, place, line):
    bodies = {f"big{i}": os.urandom(8 * MIB) for i in range(3)}
    for name, data in bodies.items():
        emu.owner.put_object(Bucket=BUCKET, Key=f"off/dir/{name}", Body=data)
    point = mount(emu, place, line, "offline=lenient", "memory=16M")
    for name, data in bodies.items():
        assert (point / "dir" / name).read_bytes() == data
    os.listdir(point / "dir")
    wait_until(lambda: place.status(point)["cache"]["filled_bytes"] >= 24 * MIB)
    line.cut()
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("1")
    for name, data in bodies.items():
        assert (point / "dir" / name).read_bytes() == data
    for name in bodies:
        emu.owner.delete_object(Bucket=BUCKET, Key=f"off/dir/{name}")


def test_changes_are_errors(emu, place, line):
    (place.dir / "credentials").open("a").write(
        "[admin2]\naws_access_key_id = AKIAEXAMPLEADMIN0002\n"
        "aws_secret_access_key = example/secret+of/admin/222222222222/0000\n")
    point = place.mount(f"s3://{BUCKET}/off", options(
        emu, "profile=admin2", f"connect-to=127.0.0.1:{line.port}", "offline=lenient"))
    see(point)
    line.cut()
    for attempt in (lambda: (point / "new").write_bytes(b"x"), lambda: (point / "d2").mkdir(),
                    lambda: os.rename(point / "a", point / "z")):
        with pytest.raises(OSError):
            attempt()
    line.join()
    see(point)


def test_the_service_that_gives_the_keys_cannot_be_reached(emu, place, line):
    """S3 is there, and asks for keys that nobody gives: of a grant that has ended."""
    point = place.mount(f"s3://{GRANTS_BUCKET}/UserA", [
        f"endpoint-url={emu.endpoint}", f"s3control-endpoint-url=http://localhost:{line.port}",
        f"sts-endpoint-url={emu.endpoint}", "region=us-east-1", "account=333333333333",
        "profile=usera", "access=grants", "metadata-ttl=0", "negative-ttl=0", "offline=lenient"])
    names = os.listdir(point)
    data = (point / "abalone.csv").read_bytes()
    line.cut()
    emu.admin("POST", "clock", {"shift-ms": 2 * 3600 * 1000})
    try:
        for _ in range(2):
            assert os.listdir(point) == names and (point / "abalone.csv").read_bytes() == data
        assert place.status(point)["directories"][0]["offline"]["now"]
        line.join()
        wait_until(lambda: os.listdir(point) == names and
                   not place.status(point)["directories"][0]["offline"]["now"])
    finally:
        emu.admin("POST", "clock", {"shift-ms": 0})

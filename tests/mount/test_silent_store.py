"""A store that takes connections and says nothing: a change ends with `deadline`, and what was closed is sent when it
speaks again. Without that a close took five minutes."""
import contextlib
import errno
import os
import pathlib
import signal
import threading

import pytest
from mounting import options, wait_until

BUCKET = "test-bucket-1"
HANGS = 100


def close(f):
    f.write(b"content")
    f.close()


def fsync(f):
    f.write(b"content")
    os.fsync(f.fileno())


CALLS = {"close": close, "fsync": fsync, "symlink": lambda f: os.symlink("target", f.name + "-link")}


@pytest.fixture
def silence(emu):
    """A function that makes the store silent, and one that ends that."""
    def begin():
        emu.process.send_signal(signal.SIGSTOP)
        stat = pathlib.Path(f"/proc/{emu.process.pid}/stat")
        wait_until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T")

    yield begin, lambda: emu.process.send_signal(signal.SIGCONT)
    emu.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("call", list(CALLS))
def test_a_change_ends_with_the_deadline(emu, admin, silence, call):
    prefix = f"silent-{call}"
    where = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", options(
        emu, "profile=admin2", f"state-dir={admin.dir}/state", "deadline=2s")))
    (where / "known").write_text("so that the folder is known, and what the server honours")
    f = open(where / "new", "wb", buffering=0)
    seen = []

    def work():
        try:
            CALLS[call](f)
        except OSError as e:
            seen.append(e.errno)

    begin, end = silence
    begin()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(HANGS)
    hangs = thread.is_alive()
    end()
    thread.join()
    assert not hangs and seen == [errno.ETIMEDOUT]
    f.close()
    wait_until(lambda: admin.status(where)["pending"] == [])
    body = emu.owner.get_object(Bucket=BUCKET, Key=f"{prefix}/new")["Body"].read()
    assert body == (b"content" if call in ("close", "fsync") else b"")
    name = where / ("new-link" if call == "symlink" else "new")
    if call == "symlink":
        with contextlib.suppress(FileExistsError):  # what was asked for may have been done since
            name.symlink_to("target")
        wait_until(name.is_symlink)
    assert set(os.listdir(where)) == {"known", "new", name.name}

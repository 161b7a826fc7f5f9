"""Signals that come while a call waits for S3: those that do not end a program are not its calls' business either."""
import errno
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from mounting import options

BUCKET = "test-bucket-1"
# What libc says, without Python's own trying again; the numbers of the signals that are caught come first.
CALLS = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
for number in (signal.SIGINT, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)  # a shell ignores them for what it runs in the background
for number in filter(None, sys.argv[1].split(",")):
    signal.signal(int(number), lambda *_: None)
    signal.siginterrupt(int(number), False)  # SA_RESTART
what, path = sys.argv[2], os.fsencode(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
room, content = ctypes.create_string_buffer(4096), ctypes.create_string_buffer(64)
def read():
    fd = libc.open(path, os.O_RDONLY)
    return fd if fd < 0 else libc.read(fd, content, 64) - 8
def write():
    fd = libc.open(path + b".new", os.O_RDWR | os.O_CREAT, 0o644)
    return fd if fd < 0 else libc.write(fd, b"written", 7) - 7 or libc.close(fd)
calls = {"stat": lambda: libc.stat(path, room), "list": lambda: len(os.listdir(path)) and 0, "read": read, "write": write,
         "rename": lambda: libc.renameat2(-100, path, -100, path + b"2", 0),
         "exchange": lambda: libc.renameat2(-100, path, -100, path + b"2", 2)}
try:
    rc, number = calls[what](), ctypes.get_errno()
except OSError as e:
    rc, number = -1, e.errno
print(rc, number if rc else 0, flush=True)
"""
NEVER = {"caught": ("ALRM", "CHLD", "PROF", "USR1", "WINCH"), "not caught": ("CHLD", "CONT", "URG", "WINCH"),
         "stopped": ("STOP", "CONT")}


CALLED = {"stat": "file", "list": "folder", "read": "file", "write": "file", "rename": "moved", "exchange": "exchanged"}


def signal_of(name):
    return getattr(signal, "SIG" + name)


@pytest.fixture
def top(emu, admin, request):
    prefix = request.node.name
    for key in ("file", "moved", "folder/a", "exchanged/a", "exchanged2/b"):
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=b"content\n")
    point = pathlib.Path(admin.mount(f"s3://{BUCKET}/{prefix}", options(
        emu, "profile=admin2", f"state-dir={admin.dir}/state", "metadata-ttl=0", "negative-ttl=0")))
    (point / "first").write_text("so that what the server honours is known")
    yield point
    emu.admin("DELETE", "faults")


def start(top, what, caught=()):
    numbers = ",".join(str(int(signal_of(s))) for s in caught)
    process = subprocess.Popen([sys.executable, "-c", CALLS, numbers, what, str(top / CALLED[what])],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def go(calls):
    """All of them at once, when all are ready to."""
    for process in calls.values():
        process.stdin.write("\n")
        process.stdin.flush()


def slow(emu, ms):
    emu.admin("POST", "faults", {"operation": "*Object*", "effect": "none", "ms": ms, "count": -1})


@pytest.mark.parametrize("kind", NEVER)
def test_a_call_goes_on(emu, top, kind):
    """A timer of git's, a child of make's, a window that is resized, Ctrl-Z and fg."""
    slow(emu, 150)
    calls = {what: start(top, what, NEVER[kind] if kind == "caught" else ()) for what in CALLED}
    sent = {what: 0 for what in CALLED}
    go(calls)
    while running := [w for w in CALLED if calls[w].poll() is None]:
        for what in running:
            calls[what].send_signal(signal_of(NEVER[kind][sent[what] % len(NEVER[kind])]))
            sent[what] += 1
        time.sleep(0.03)
    assert {what: c.communicate()[0] for what, c in calls.items()} == {what: "0 0\n" for what in CALLED}
    assert min(sent.values()) > 4, sent


def test_a_call_is_given_up(emu, top):
    """Who catches the signal gets EINTR, while the answer is still on its way; one that came before is no hindrance."""
    slow(emu, 4000)
    calls = {name: start(top, "stat", (name, "ALRM")) for name in ("INT", "TERM", "HUP", "QUIT")}
    go(calls)
    time.sleep(0.3)
    for process in calls.values():
        process.send_signal(signal.SIGALRM)
    time.sleep(0.3)
    for name, process in calls.items():
        assert process.poll() is None
        process.send_signal(signal_of(name))
    for process in calls.values():
        assert process.communicate()[0] == f"-1 {errno.EINTR}\n"


def test_a_program_is_ended(emu, top):
    """At once, not when S3 has answered: the answer comes in four seconds, whose request is then still on its way."""
    slow(emu, 4000)
    calls = {name: start(top, "read") for name in ("INT", "TERM", "KILL", "USR1", "ALRM", "ABRT")}
    go(calls)
    time.sleep(0.3)
    for name, process in calls.items():
        process.send_signal(signal_of(name))
    for name, process in calls.items():
        assert process.wait() == -signal_of(name)
    assert not [r for r in emu.admin("GET", "requests") if r["method"] != "PUT" and (r.get("key") or "").endswith("/file")]

"""Codes of a virtual MFA device (RFC 6238), and a terminal to type them on."""
import base64
import fcntl
import hashlib
import hmac
import os
import pty
import select
import struct
import subprocess
import termios
import time

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def code(seed=SEED, shift=0):
    """The code at the time `shift` seconds from now."""
    counter = struct.pack(">Q", int(time.time() + shift) // 30)
    mac = hmac.new(base64.b32decode(seed), counter, hashlib.sha1).digest()
    at = mac[19] & 15
    return "%06d" % ((struct.unpack(">I", mac[at:at + 4])[0] & 0x7FFFFFFF) % 1000000)


def _own_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def on_terminal(command, answer, env=None, timeout=120):
    """Runs a command that has a terminal, on which `answer()` is typed after each question
    ("...: "); (exit status, what the terminal showed, standard error)."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen([str(c) for c in command], stdin=theirs, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=env, start_new_session=True,
                                   preexec_fn=_own_terminal)
        os.close(theirs)
        shown = _converse(ours, process, answer, time.monotonic() + timeout)
        return process.wait(timeout), shown, process.stderr.read().decode()
    finally:
        os.close(ours)


def _converse(fd, process, answer, deadline):
    shown, answered = "", 0
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
            raise AssertionError("the command did not end; the terminal shows: " + shown)
        if not select.select([fd], [], [], 0.05)[0]:
            continue
        try:
            shown += os.read(fd, 4096).decode()
        except OSError:  # the other end is closed
            break
        while shown.count("code of ") > answered and shown.endswith(": "):
            answered += 1
            os.write(fd, (answer() + "\n").encode())
    return shown

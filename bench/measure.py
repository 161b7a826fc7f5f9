"""Processes and what they cost: bounded commands, processor time, peak memory."""
import errno
import os
import pathlib
import signal
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
REFUSED = 3  # load.c's exit code


class Refused(RuntimeError):
    """The file system says that it does not do such work."""


class Failed(RuntimeError):
    """The work went wrong or did not end in time."""


def drop_page_cache():
    """Clean pages and names leave memory; False when that needs root."""
    os.sync()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
        return True
    except OSError:
        return False


def cpu_seconds(pid):
    """User and system time of a process and of the children it waited for."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(f) for f in fields[11:15]) / TICKS


def peak_memory(pid):
    """Largest resident set so far, bytes."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def end(process, seconds=20):
    """Ends a process of ours, by force when it does not go."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(seconds)


def run_limited(words, limit, cwd=None, on_limit=None):
    """Seconds that a command took, by its own account (`seconds S`) if it gives one.

    At the limit its process group is killed, after on_limit(), which has to free it
    from a file system that does not answer."""
    started = time.monotonic()
    with subprocess.Popen(words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="replace",
                          start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            if on_limit:
                on_limit()
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Failed(f"no end within {limit:.0f} s") from None
    spent = time.monotonic() - started
    if process.returncode != 0:
        last = (err.strip().splitlines() or [f"exit {process.returncode}"])[-1]
        refused = process.returncode == REFUSED or os.strerror(errno.EROFS) in err
        raise (Refused if refused else Failed)(last)
    if out.startswith("seconds "):
        spent = float(out.split()[1])
    return spent


def wait_settled(folder, seconds=30):
    """Until what is filled behind the reader's back has stopped to grow."""
    last, since = -1, time.monotonic()
    deadline = since + seconds
    while time.monotonic() < deadline and time.monotonic() - since < 1:
        size = sum(p.stat().st_blocks for p in folder.rglob("*") if p.is_file())
        if size != last:
            last, since = size, time.monotonic()
        time.sleep(0.1)

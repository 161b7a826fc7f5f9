"""Odd moments and odd users: what must not kill, hang or fool a mount."""
import contextlib
import errno
import os
import signal
import socket
import subprocess
import time

import pytest
from mounting import AP_ARN, S3APFS, end_process, options, wait_until

DATA = b"a,b\n1,2\n"
BUCKET = "test-bucket-1"


def test_four_mounts_of_one_point(emu, place):
    point = place.mount_point()
    command = [str(S3APFS), "mount", "-o", f"state-dir={place.dir}/state",
               AP_ARN, str(point), "-o", ",".join(options(emu, "profile=demo"))]
    tries = [subprocess.Popen(command, env=place.env, stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) for _ in range(4)]
    errors = [t.communicate(timeout=120)[1] for t in tries]
    assert sorted(t.returncode for t in tries) == [0, 1, 1, 1], errors
    assert all("already" in e for t, e in zip(tries, errors) if t.returncode)
    with open("/proc/mounts") as f:
        assert sum(str(point) in line for line in f) == 1
    place.mounts.append(point)
    place.umount(point)
    place.mounts.append(point)
    assert place.run("mount", AP_ARN, point, "-o", ",".join(options(emu, "profile=demo"))).returncode == 0


def test_a_mount_waits_for_the_one_before_to_end(emu, place):
    point = place.mount(AP_ARN, options(emu, "profile=demo"))
    pid = place.status(point)["pid"]
    os.kill(pid, signal.SIGSTOP)  # as if it took its time to end
    subprocess.run(["umount", "-l", str(point)], check=True)
    command = [str(S3APFS), "mount", "-o", f"state-dir={place.dir}/state",
               AP_ARN, str(point), "-o", ",".join(options(emu, "profile=demo"))]
    later = subprocess.Popen(command, env=place.env, stdin=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    assert later.poll() is None
    os.kill(pid, signal.SIGKILL)
    assert later.communicate(timeout=120)[1] == "" and later.returncode == 0
    assert (point / "sample2.csv").read_bytes() == DATA


def socket_of(place, point):
    pid = place.status(point)["pid"]
    with open("/proc/net/unix") as f:
        inodes = {line.split()[6]: line.split()[7] for line in f if "s3apfs" in line}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
        if target.startswith("socket:[") and target[8:-1] in inodes:
            return inodes[target[8:-1]]
    raise AssertionError("no control socket")


def test_garbage_on_the_control_socket(emu, place):
    point = place.mount(AP_ARN, options(emu, "profile=demo"))
    path = socket_of(place, point)
    idle = []
    for garbage in (b"status\0x\n", b"\0\n", b"\n", b"x" * 100000, b"half a line", b"explain %zz\n"):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            with contextlib.suppress(OSError):
                s.sendall(garbage)
    for _ in range(3):
        idle.append(socket.socket(socket.AF_UNIX))
        idle[-1].connect(path)
    assert place.status(point)["mount"] == str(point)
    for s in idle:
        s.close()
    assert (point / "sample2.csv").read_bytes() == DATA


def silent_server():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(16)
    return s


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_sources_are_proved(place, number):
    with silent_server() as s:
        point = place.mount_point()
        process = subprocess.Popen(
            [str(S3APFS), "mount", "-o", f"state-dir={place.dir}/state",
             "s3://bucket", str(point), "-f", "-o",
             f"endpoint-url=http://127.0.0.1:{s.getsockname()[1]},region=us-east-1,profile=demo,"
             "path-style,deadline=50s"], env=place.env, stdin=subprocess.DEVNULL)
        s.accept()
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(timeout=40) == 1
        assert time.monotonic() - started < 40
        assert not os.path.ismount(point)


def test_a_parent_that_goes_takes_the_preparation_with_it(place):
    with silent_server() as s:
        point = place.mount_point()
        parent = subprocess.Popen(
            [str(S3APFS), "mount", "-o", f"state-dir={place.dir}/state",
             "s3://bucket", str(point), "-o",
             f"endpoint-url=http://127.0.0.1:{s.getsockname()[1]},region=us-east-1,profile=demo,"
             "path-style,deadline=50s"], env=place.env, stdin=subprocess.DEVNULL)
        connection, _ = s.accept()
        parent.kill()
        parent.wait(timeout=30)
        connection.settimeout(40)
        while connection.recv(65536):
            pass  # the child ends, and its connection with it
        assert not os.path.ismount(point)


def test_a_pipe_without_writer_as_credentials(emu, place):
    fifo = place.dir / "fifo"
    os.mkfifo(fifo)
    result, _ = place.try_mount(AP_ARN, options(emu, "profile=demo"),
                                env={"AWS_SHARED_CREDENTIALS_FILE": str(fifo)})
    assert result.returncode == 1 and str(fifo) in result.stderr


def test_a_mount_point_named_by_a_link(emu, place):
    point = place.mount_point()
    link = place.dir / "link"
    link.symlink_to(point)
    assert place.run("mount", AP_ARN, link, "-o", ",".join(options(emu, "profile=demo"))).returncode == 0
    place.mounts.append(point)
    assert place.run("status", link, "--json").returncode == 0
    assert "sample2.csv" in place.run("explain", link / "sample2.csv").stdout
    assert place.run("umount", link).returncode == 0
    place.mounts.remove(point)


def test_explain_a_name_that_a_line_cannot_hold(emu, place):
    name = "new\nline \x1b[31m 100%"
    emu.owner.put_object(Bucket=BUCKET, Key=name, Body=b"x")
    point = place.mount(AP_ARN, options(emu, "profile=demo"))
    assert (point / name).read_bytes() == b"x"
    result = place.run("explain", point / name)
    assert result.returncode == 0 and "\x1b" not in result.stdout and result.stdout.count("\n") == 1
    emu.owner.delete_object(Bucket=BUCKET, Key=name)


@pytest.mark.parametrize("sizes", [(900000, 1000), (1000, 900000), (300000, 260000)])
def test_a_reader_of_a_replaced_object_never_ends_early(emu, place, sizes):
    """Whole old version or ESTALE, whatever others learn of the new size meanwhile."""
    emu.owner.put_object(Bucket=BUCKET, Key="sized.bin", Body=b"1" * sizes[0])
    point = place.mount(AP_ARN, options(emu, "profile=demo", "metadata-ttl=0s"))
    path = point / "sized.bin"
    with open(path, "rb", buffering=0) as f:
        got = f.read(512)
        emu.owner.put_object(Bucket=BUCKET, Key="sized.bin", Body=b"2" * sizes[1])
        os.stat(path)
        assert path.read_bytes() == b"2" * sizes[1], "a new reader sees the whole new version"
        try:
            while piece := f.read(65536):
                got += piece
            assert got == b"1" * sizes[0]
        except OSError as e:
            assert e.errno == errno.ESTALE
    wait_until(lambda: os.stat(path).st_size == sizes[1])
    assert path.read_bytes() == b"2" * sizes[1]
    emu.owner.delete_object(Bucket=BUCKET, Key="sized.bin")


def test_sigterm_with_open_files(emu, place):
    """Whoever has files or folders open gets errors; the process ends cleanly, leaks included."""
    point = place.mount_point()
    process = subprocess.Popen([str(S3APFS), "mount", "-o", f"state-dir={place.dir}/state",
                                AP_ARN, str(point), "-f", "-o",
                                ",".join(options(emu, "profile=demo", "allow-core"))],
                               env=place.env, stdin=subprocess.DEVNULL)
    wait_until(lambda: os.path.ismount(point))
    fds = [os.open(point / "sample2.csv", os.O_RDONLY), os.open(point / "sub", os.O_RDONLY)]
    assert os.read(fds[0], 100) == DATA
    os.listdir(fds[1])
    assert end_process(process) == 0
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
    assert not os.path.ismount(point)

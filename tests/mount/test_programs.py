"""Programs that data scientists run, on a mount: they work, and a later mount shows the same.

The Python ones have an environment of their own (programs.txt), so that
heavy packages stay out of the tests' environment.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import pty
import select
import shutil
import stat
import subprocess
import time
import zipfile

import pytest
from emulator import ROOT
from mounting import options

BUCKET = "test-bucket-1"
PYTHON = ROOT / "build" / "programs" / "bin" / "python"
LIMIT = 240  # seconds for one program, sanitizers included

PANDAS = """
import numpy as np, pandas as pd
frame = pd.DataFrame({"n": np.arange(20000), "x": np.linspace(0, 1, 20000), "s": ["ä", "b"] * 10000})
for turn in range(2):  # the second time over an existing file
    frame.to_csv("table.csv", index=False)
    frame.to_parquet("table.parquet")
    frame = frame.iloc[: len(frame) // 2]
    assert len(pd.read_csv("table.csv")) == len(frame) * 2
pd.testing.assert_frame_equal(pd.read_parquet("table.parquet").iloc[: len(frame)], frame)
with open("table.csv", "a") as f:
    frame.head(3).to_csv(f, header=False, index=False)
assert len(pd.read_csv("table.csv")) == 2 * len(frame) + 3
"""

H5PY = """
import h5py, numpy as np
with h5py.File("data.h5", "w") as f:
    f.create_dataset("x", data=np.arange(100000), chunks=(1000,), maxshape=(None,))
for turn in range(3):
    with h5py.File("data.h5", "r+") as f:
        f["x"].resize((f["x"].shape[0] + 5000,))
        f["x"][-5000:] = turn
        f.attrs["turn"] = turn
with h5py.File("data.h5", "r") as f:
    assert f["x"].shape == (115000,) and f["x"][-1] == 2 and f["x"][99999] == 99999
    assert f.attrs["turn"] == 2
"""

MEMMAP = """
import numpy as np
a = np.memmap("a.dat", dtype="float32", mode="w+", shape=(1000, 700))
a[:] = 7
a.flush()
a[500] = np.arange(700)
a.flush()
del a
b = np.memmap("a.dat", dtype="float32", mode="r+", shape=(1000, 700))
assert b[499, 3] == 7 and b[500, 699] == 699
b[0, 0] = -1
b.flush()
del b
assert np.fromfile("a.dat", dtype="float32")[0] == -1
"""

ZARR = """
import zarr, numpy as np
z = zarr.create_array("z.zarr", shape=(200, 200), chunks=(50, 50), dtype="i4")
z[:] = 1
z[60:120, 60:120] = np.arange(3600).reshape(60, 60)
again = zarr.open_array("z.zarr", mode="r+")
assert again[119, 119] == 3599 and again[0, 0] == 1
again[0, 0] = 5
assert zarr.open_array("z.zarr", mode="r")[0, 0] == 5
"""

ZIPFILE = """
import zipfile
with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for i in range(20):
        z.writestr(f"d/{i}.txt", str(i) * 1000)
with zipfile.ZipFile("a.zip", "a") as z:
    z.writestr("later.txt", "appended")
with zipfile.ZipFile("a.zip") as z:
    assert z.testzip() is None and len(z.namelist()) == 21
    z.extractall("out")
assert open("out/d/19.txt").read() == "19" * 1000
"""

APPENDS = """
import os, struct
path = "events.out"
written = 0
with open(path, "ab") as log:
    for step in range(40):
        record = struct.pack("<Q", step) + bytes([step]) * (100 * step)
        log.write(record)
        log.flush()
        written += len(record)
        assert os.stat(path).st_size == written
        with open(path, "rb") as f:  # a board that follows
            f.seek(-len(record), os.SEEK_END)
            assert f.read() == record
"""

NOTEBOOK = {
    "cells": [{"cell_type": "code", "execution_count": None, "id": "one", "metadata": {},
               "outputs": [], "source": "open('made', 'w').write('by the notebook')\nprint(6 * 7)"}],
    "metadata": {"kernelspec": {"display_name": "P", "language": "python", "name": "python3"}},
    "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def mounts(emu, place, request):
    """mounts() mounts the test's prefix anew; each mount has its own state."""
    place.add_owner()
    prefix = request.node.name.replace("[", "-").replace("]", "")

    def mount(*more):
        state = place.dir / f"state{len(place.mounts)}"
        return pathlib.Path(place.mount(f"s3://{BUCKET}/{prefix}", options(
            emu, "profile=admin2", f"state-dir={state}", *more)))
    mount.umount = place.umount
    return mount


def run(*words, cwd, env=None, ok=(0,)):
    done = subprocess.run([str(w) for w in words], cwd=cwd, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=LIMIT, check=False,
                          env=dict(os.environ, **(env or {})))
    assert done.returncode in ok, done.stdout + done.stderr
    return done.stdout


def tree(top):
    """Every name below top with its type, permission bits and content."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            if stat.S_ISLNK(st.st_mode):
                what = os.readlink(path)
            elif stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    what = hashlib.sha256(f.read()).hexdigest()
            else:
                what = None
            found[os.path.relpath(path, top)] = (oct(st.st_mode), what)
    return found


def same_later(mounts, where):
    before = tree(where)
    assert before
    mounts.umount(where)
    assert tree(mounts()) == before


def need(*programs):
    for p in programs:
        if shutil.which(p):
            return p
    pytest.skip(f"{programs[0]} is not here")


@pytest.mark.any_server
@pytest.mark.parametrize("code", [PANDAS, H5PY, MEMMAP, ZARR, ZIPFILE, APPENDS],
                         ids=["pandas", "h5py", "memmap", "zarr", "zipfile", "appends"])
def test_libraries(mounts, code):
    where = mounts()
    run(PYTHON, "-c", code, cwd=where)
    same_later(mounts, where)


@pytest.mark.any_server
def test_a_notebook_runs_in_place(mounts, tmp_path):
    where = mounts()
    (where / "n.ipynb").write_text(json.dumps(NOTEBOOK))
    env = {"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython"),
           "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    run(PYTHON, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", "n.ipynb",
        cwd=where, env=env)
    after = json.loads((where / "n.ipynb").read_text())
    assert after["cells"][0]["outputs"][0]["text"] in ("42\n", ["42\n"])
    assert (where / "made").read_text() == "by the notebook"
    same_later(mounts, where)


def make_wheel(folder):
    path = folder / "brought-1.0-py3-none-any.whl"
    info = "brought-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("brought/__init__.py", "answer = 42\n")
        z.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
                                    "Tag: py3-none-any\n")
        z.writestr(f"{info}/RECORD", f"brought/__init__.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n"
                                     f"{info}/RECORD,,\n")
    return path


@pytest.mark.any_server
def test_environments_and_packages(mounts, tmp_path):
    where = mounts()
    wheel = make_wheel(tmp_path)
    run(PYTHON, "-m", "pip", "install", "-q", "--no-index", "-t", where / "lib", wheel, cwd=where)
    assert run(PYTHON, "-c", "import brought; print(brought.answer)", cwd=where,
               env={"PYTHONPATH": str(where / "lib"), "PYTHONDONTWRITEBYTECODE": "1"}) == "42\n"
    run(PYTHON, "-m", "venv", "--without-pip", "env", cwd=where)
    assert "env" in run(where / "env/bin/python", "-c", "import sys; print(sys.prefix)", cwd=where)
    same_later(mounts, where)


@pytest.mark.any_server
def test_rsync_and_unzip(mounts, tmp_path):
    where = mounts()
    source = tmp_path / "tree"
    for i in range(40):
        path = source / f"d{i % 5}" / f"f{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([i]) * (i * 37))
        path.chmod(0o600 + i % 8 * 8)
        os.utime(path, (1600000000 + i, 1600000000 + i))
    (source / "link").symlink_to("d0/f0")
    need("rsync")
    run("rsync", "-a", f"{source}/", "copy/", cwd=where)
    assert tree(where / "copy") == tree(source)
    assert run("rsync", "-ai", "--omit-dir-times", f"{source}/", "copy/", cwd=where) == ""
    need("unzip")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        for i in range(20):
            z.writestr(f"in/{i % 3}/{i}", str(i) * 500)
    run("unzip", "-q", tmp_path / "a.zip", cwd=where)
    assert (where / "in" / "1" / "19").read_text() == "19" * 500
    same_later(mounts, where)


@pytest.mark.any_server
def test_git_clones_pushes_and_collects(mounts):
    where = mounts()
    need("git")
    me = ("-c", "user.name=me", "-c", "user.email=me@example.com", "-c", "init.defaultBranch=main")
    run("git", *me, "init", "-q", "--bare", "origin.git", cwd=where)
    run("git", "clone", "-q", "origin.git", "one", cwd=where)
    for turn in range(3):
        for i in range(8):
            (where / "one" / f"f{i}").write_text(f"{turn} {i}\n" * 50)
        run("git", "add", ".", cwd=where / "one")
        run("git", *me, "commit", "-q", "-m", f"turn {turn}", cwd=where / "one")
    run("git", "push", "-q", "origin", "HEAD:main", cwd=where / "one")
    run("git", "clone", "-q", "-b", "main", "origin.git", "two", cwd=where)
    run("git", "gc", "-q", cwd=where / "one")
    run("git", "gc", "-q", "--prune=now", cwd=where / "origin.git")
    run("git", *me, "commit", "-q", "--allow-empty", "-m", "of two", cwd=where / "two")
    run("git", "push", "-q", "origin", "HEAD:main", cwd=where / "two")
    run("git", "pull", "-q", "--ff-only", "origin", "main", cwd=where / "one")
    for folder in ("one", "two", "origin.git"):
        run("git", "fsck", "--strict", cwd=where / folder)
        said = run("git", "log", "--format=%s", "main" if "." in folder else "HEAD", cwd=where / folder)
        assert said.split("\n")[:-1] == ["of two", "turn 2", "turn 1", "turn 0"]
    assert run("git", "status", "--porcelain", cwd=where / "two") == ""
    same_later(mounts, where)


@pytest.mark.any_server
def test_vim_saves(mounts):
    where = mounts()
    vim = need("vim", "vim.tiny")
    (where / "notes.txt").write_text("first\nsecond\n")
    (where / "notes.txt").chmod(0o640)
    for word in ("changed", "once more"):
        run(vim, "-N", "-u", "NONE", "-i", "NONE", "-es", "-c", f"2s/.*/{word}/", "-c", "wq", "notes.txt",
            cwd=where)
        assert (where / "notes.txt").read_text() == f"first\n{word}\n"
    assert (where / "notes.txt").stat().st_mode & 0o777 == 0o640
    assert os.listdir(where) == ["notes.txt"]
    same_later(mounts, where)


def type_into(words, cwd, keys):
    """Runs a screen program and types, piece by piece, each once it shows something."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.environ.update(TERM="linux", HOME="/nonexistent")
        os.execvp(words[0], words)
    deadline = time.monotonic() + LIMIT
    for key in keys:
        while not select.select([terminal], [], [], 1)[0]:
            assert time.monotonic() < deadline, "it shows nothing"
        with contextlib.suppress(OSError):
            while select.select([terminal], [], [], 0.3)[0] and os.read(terminal, 65536):
                continue
        os.write(terminal, key)
    with contextlib.suppress(OSError):
        while os.read(terminal, 65536):
            continue
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return code


@pytest.mark.any_server
def test_nano_saves(mounts):
    where = mounts()
    need("nano")
    (where / "notes.txt").write_text("world\n")
    assert type_into(["nano", "-I", "notes.txt"], where, [b"hello ", b"\x0f", b"\r", b"\x18"]) == 0
    assert (where / "notes.txt").read_text() == "hello world\n"
    same_later(mounts, where)


def commit_task(top, job, task):
    """What a task of Hadoop's file output committer (version 1) does."""
    attempt = top / "_temporary" / "0" / "_temporary" / f"attempt_{job}_{task}"
    attempt.mkdir(parents=True, exist_ok=True)
    (attempt / f"part-{task:05}").write_bytes(bytes([task]) * 5000)
    attempt.rename(top / "_temporary" / "0" / f"task_{job}_{task}")


def commit_job(top):
    done = top / "_temporary" / "0"
    for task in sorted(done.iterdir()):
        if task.name == "_temporary":
            continue
        for part in task.iterdir():
            part.rename(top / part.name)
    shutil.rmtree(top / "_temporary")
    (top / "_SUCCESS").touch()


@pytest.mark.any_server
def test_a_job_commits_its_output_from_two_mounts(mounts):
    close = "consistency=close-to-open"
    driver, worker = mounts(close), mounts(close)
    (driver / "out" / "_temporary" / "0").mkdir(parents=True)
    for task in range(6):
        commit_task((driver if task % 2 else worker) / "out", "j1", task)
    commit_job(driver / "out")
    expected = ["_SUCCESS", *(f"part-{i:05}" for i in range(6))]
    assert sorted(os.listdir(driver / "out")) == expected
    reader = mounts(close)
    assert sorted(os.listdir(reader / "out")) == expected
    for i in range(6):
        assert (reader / "out" / f"part-{i:05}").read_bytes() == bytes([i]) * 5000

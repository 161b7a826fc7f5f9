"""A Debian 13 of its own in build/trixie, with s3apfs built there.

Its libfuse (3.17) has what Debian 12's lacks. debootstrap makes it once, from the mirror that this
machine's own apt uses; later runs find it. Unavailable says why it cannot be had.
"""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = ROOT / "build" / "trixie"
PACKAGES = ("gcc libc6-dev make pkgconf libfuse3-dev libcurl4-openssl-dev libssl-dev libxml2-dev libcjson-dev "
            "libmicrohttpd-dev uthash-dev libxxhash-dev libsqlite3-dev fuse3").split()
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SOURCES = ("Makefile", "VERSION", "include", "src")


class Unavailable(Exception):
    pass


def mirror():
    """Where this machine's apt has the packages of its own release from."""
    release = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M)
    listed = subprocess.run(["apt-get", "indextargets", "--format",
                             "$(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)",
                             "Created-By: Packages"], text=True, capture_output=True, check=False)
    for line in listed.stdout.splitlines():
        origin, suite, component, uri = line.split(" ", 3)
        if release and origin == "Debian" and suite == release[1] and component == "main":
            return uri
    raise Unavailable("apt has no Debian mirror here")


def proxies():
    out = {}
    for scheme in ("http", "https"):
        said = subprocess.run(["apt-config", "shell", "P", f"Acquire::{scheme}::Proxy"], text=True,
                              capture_output=True, check=False).stdout
        if value := re.search(r"P='([^']+)'", said):
            out[f"{scheme}_proxy"] = value[1]
    return out


def attempt(command, seconds):
    env = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    env |= {k: v for k, v in os.environ.items() if k.lower() in ("http_proxy", "https_proxy", "no_proxy")}
    try:
        done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=seconds,
                              env=env | proxies(), stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} did not end within {seconds} s") from None
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no word"]
        raise Unavailable(f"{command[0]} failed: {lines[-1]}")


def prepare():
    """The tree with what a build needs, made when it is not there."""
    stamp = TREE / "packages"
    if os.geteuid() != 0:
        raise Unavailable("only root makes a Debian 13")
    if shutil.which("debootstrap") is None or shutil.which("apt-get") is None:
        raise Unavailable("there is no debootstrap")
    if stamp.exists() and stamp.read_text() == " ".join(PACKAGES):
        return
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    attempt(["debootstrap", "--variant=minbase", "trixie", str(TREE), mirror()], 600)
    (TREE / "etc/dpkg/dpkg.cfg.d/unsafe").write_text("force-unsafe-io\n")
    attempt(["chroot", str(TREE), "apt-get", "-qq", "-y", "--no-install-recommends", "install",
             *PACKAGES], 600)
    stamp.write_text(" ".join(PACKAGES))


def build():
    """s3apfs as Debian 13 would have it; only what changed is compiled again."""
    top = TREE / "s3apfs"
    top.mkdir(exist_ok=True)
    for name in SOURCES:
        shutil.rmtree(top / name, ignore_errors=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, top / name)
        else:
            shutil.copy2(ROOT / name, top / name)
    return subprocess.run(["chroot", str(TREE), "make", "-s", "-C", "/s3apfs",
                           f"-j{os.cpu_count() or 2}", "build/release/bin/s3apfs"], text=True,
                          capture_output=True, check=False, timeout=800,
                          env={"PATH": PATH, "HOME": "/root", "LC_ALL": "C"})


@contextlib.contextmanager
def entered():
    """/proc and /dev/fuse are there, and a file system in memory at /work."""
    fuse, work = TREE / "dev" / "fuse", TREE / "work"
    fuse.touch()
    work.mkdir(exist_ok=True)
    done = []
    try:
        for words in (["-t", "proc", "proc", TREE / "proc"], ["--bind", "/dev/fuse", fuse],
                      ["-t", "tmpfs", "-o", "size=256m", "tmpfs", work]):
            attempt(["mount", *map(str, words)], 30)
            done.append(words[-1])
        yield work
    finally:
        for path in reversed(done):
            subprocess.run(["umount", "-l", str(path)], check=False)


def run(*args, env):
    return subprocess.run(["chroot", str(TREE), "/s3apfs/build/release/bin/s3apfs", *map(str, args)],
                          text=True, capture_output=True, check=False, timeout=120,
                          env={"PATH": PATH, "HOME": "/root"} | env, stdin=subprocess.DEVNULL)

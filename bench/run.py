#!/usr/bin/env python3
"""`make bench`: s3apfs beside what the wire allows, on the emulator, in one run.

Every row runs s3apfs and its yardstick in turn, ROUNDS times (default 3), and
prints seconds and the ratio of each pair as minimum, median and maximum: single
absolute times say little on a shared machine. Needs curl and /dev/fuse.
"""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from emulator import ADMINS, Emulator  # noqa: E402
from mounting import Place, options  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "3"))
MIB = 1 << 20
SIZE = 1024 * MIB
PART = 8 * MIB
BUCKET = "test-bucket-1"
KEYS = ADMINS["222222222222"]


def curl(*args):
    subprocess.run(["curl", "-sSf", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", ":".join(KEYS),
                    "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", *args], check=True,
                   stdout=subprocess.DEVNULL)


def upload(emu, work):
    big = work / "big"
    with open(big, "wb") as f:
        block = os.urandom(MIB)
        for _ in range(SIZE // MIB):
            f.write(block)
    curl("-T", str(big), f"{emu.endpoint}/{BUCKET}/big/object")
    big.unlink()
    small = work / "small"
    small.mkdir()
    for i in range(2000):
        (small / f"{i:04}").write_bytes(os.urandom(8192))
    # one curl for all: a configuration of transfers
    config = "".join(f'upload-file = "{small}/{i:04}"\nurl = "{emu.endpoint}/{BUCKET}/small/{i:04}"\n'
                     'output = "/dev/null"\n' for i in range(2000))
    (work / "curl.conf").write_text(config)
    curl("--parallel", "--parallel-max", "8", "-K", str(work / "curl.conf"))


class Mounted:
    """A fresh mount for one measurement, so that nothing is cached."""

    def __init__(self, place, emu, prefix):
        self.place, self.emu, self.prefix = place, emu, prefix

    def __enter__(self):
        self.point = self.place.mount(f"s3://{BUCKET}/{self.prefix}", options(self.emu, "profile=bench"))
        return self.point

    def __exit__(self, *_):
        self.place.umount(self.point)


def read_all(path):
    with open(path, "rb", buffering=0) as f:
        while f.read(MIB):
            pass


def timed(action):
    started = time.monotonic()
    action()
    return time.monotonic() - started


def rows(place, emu):
    def ranged():
        count = SIZE // PART
        urls = [f'url = "{emu.endpoint}/{BUCKET}/big/object"\nrange = "{i * PART}-{(i + 1) * PART - 1}"\n'
                'output = "/dev/null"\nnext\n' for i in range(count)]
        common = ('silent\nfail\nparallel\nparallel-max = 32\naws-sigv4 = "aws:amz:us-east-1:s3"\n'
                  f'user = "{":".join(KEYS)}"\nheader = "x-amz-content-sha256: UNSIGNED-PAYLOAD"\n')
        config = place.dir / "ranges.conf"
        config.write_text("".join(common + u for u in urls).removesuffix("next\n"))
        subprocess.run(["curl", "-K", str(config)], check=True, stdout=subprocess.DEVNULL)

    def mounted(prefix, action):
        with Mounted(place, emu, prefix) as point:
            return timed(lambda: action(point))

    def small_files(point):
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda i: read_all(point / f"{i:04}"), range(2000)))

    def list_bare():
        for after in ("", "small/0999"):
            curl(f"{emu.endpoint}/{BUCKET}?list-type=2&max-keys=1000&prefix=small%2F&start-after="
                 + after.replace("/", "%2F"))

    yield ("read 1 GiB", "parallel curl, 32 connections",
           lambda: mounted("big", lambda p: read_all(p / "object")), lambda: timed(ranged))
    yield ("find in 2,000 keys", "the bare LIST calls",
           lambda: mounted("small", lambda p: sum(1 for _ in os.scandir(p))), lambda: timed(list_bare))
    yield ("2,000 x 8 KiB, 16 at once", "one GET each by curl, 16 at once",
           lambda: mounted("small", small_files), lambda: timed(lambda: small_by_curl(place, emu)))


def small_by_curl(place, emu):
    config = place.dir / "small.conf"
    config.write_text("".join(f'url = "{emu.endpoint}/{BUCKET}/small/{i:04}"\noutput = "/dev/null"\n'
                              for i in range(2000)))
    curl("--parallel", "--parallel-max", "16", "-K", str(config))


def spread(values):
    return f"{min(values):6.2f} {statistics.median(values):6.2f} {max(values):6.2f}"


def main():
    emu = Emulator()
    place = Place()
    (place.dir / "credentials").write_text(
        f"[bench]\naws_access_key_id = {KEYS[0]}\naws_secret_access_key = {KEYS[1]}\n")
    try:
        with tempfile.TemporaryDirectory() as work:
            upload(emu, pathlib.Path(work))
        print(f"{'':28} {'s3apfs, seconds':>22} {'yardstick, seconds':>22} {'ratio':>22}")
        print(f"{'':28} {'min    med    max':>22} {'min    med    max':>22} {'min    med    max':>22}")
        for name, yardstick, ours, theirs in rows(place, emu):
            pairs = [(ours(), theirs()) for _ in range(ROUNDS)]
            ratios = [a / b for a, b in pairs]
            print(f"{name:28} {spread([a for a, _ in pairs]):>22} {spread([b for _, b in pairs]):>22} "
                  f"{spread(ratios):>22}   / {yardstick}", flush=True)
    finally:
        place.close()
        emu.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The yardsticks: what the wire, or the disk, allows without a file system.

Each function does the bare work of a row by way of `s3` (near or far) and returns
seconds. Reading is curl's, with ranged GETs of 8 MiB over 32 connections.
"""
import random
import subprocess
import time

import datasets
from measure import Failed, drop_page_cache, run_limited
from s3 import PART
from servers import TOOLS

CONNECTIONS = 32
LIMIT_SECONDS = 300


def curl(s3, work, transfers, at_once):
    """Seconds for (key, range or None) each, at_once at a time."""
    common = ["silent", "fail", f'aws-sigv4 = "aws:amz:{s3.region}:s3"',
              f'user = "{s3.keys[0]}:{s3.keys[1]}"',
              'header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"', 'output = "/dev/null"']
    blocks = []
    for key, span in transfers:
        lines = [*common, f'url = "{s3.endpoint}/{s3.bucket}/{key}"']
        if span:
            lines.append(f'range = "{span[0]}-{span[1]}"')
        blocks.append("\n".join(lines))
    config = work / "curl.conf"
    config.write_text("\nnext\n".join(blocks) + "\n")
    words = ["curl", "--no-progress-meter", "-K", str(config)]
    if at_once > 1:
        words += ["--parallel", "--parallel-immediate", "--parallel-max", str(at_once)]
    started = time.monotonic()
    try:
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=LIMIT_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Failed(f"curl: {error}") from None
    return time.monotonic() - started


def cut(key, size):
    return [(key, (at, min(at + PART, size) - 1)) for at in range(0, size, PART)]


def ranges(s3, work, name):
    if name == "big":
        transfers = cut("big/object", datasets.BIG)
    else:
        transfers = [t for i in range(4) for t in cut(f"four/{i}", datasets.FOURTH)]
    return curl(s3, work, transfers, CONNECTIONS)


def gets(s3, work, name, at_once):
    """One GET for each file."""
    count = datasets.scaled(200 if name == "few" else 2000)
    width = len(str(count - 1))
    return curl(s3, work, [(f"{name}/{i:0{width}}", None) for i in range(count)], at_once)


def places(s3, work, name, count):
    """Ranged GETs of 4 KiB, one after another."""
    pages = datasets.BIG // 4096
    chosen = [random.Random(i).randrange(pages) * 4096 for i in range(count)]
    return curl(s3, work, [(f"{name}/object", (p, p + 4095)) for p in chosen], 1)


def first(s3, work, name):
    """One byte over a connection that is open."""
    s3.call("HEAD", f"{name}/object")
    started = time.monotonic()
    s3.call("GET", f"{name}/object", headers={"range": "bytes=0-0"})
    return time.monotonic() - started


def lists(s3, work, name):
    """The flat LIST calls, one after another, over a connection that is open."""
    s3.call("HEAD")
    started = time.monotonic()
    s3.pages(name + "/")
    return time.monotonic() - started


def disk(s3, work, name):
    """The same number of bytes from the file system that holds the disk cache."""
    plain = work / "plain"
    if not plain.exists() or plain.stat().st_size != datasets.BIG:
        with open(plain, "wb") as f:
            for i in range(0, datasets.BIG, PART):
                f.write(datasets.noise(min(PART, datasets.BIG - i), i))
    drop_page_cache()
    return run_limited([str(TOOLS / "load"), "read", str(plain)], LIMIT_SECONDS)


def parts(s3, work):
    """A multipart upload of 512 MiB, 32 parts at once."""
    made = [datasets.noise(PART, i) for i in range(4)]
    started = time.monotonic()
    s3.put_parts("out/new", datasets.HALF, lambda i: made[i % 4])
    return time.monotonic() - started


def puts(s3, work, count, size):
    """PUTs one after another over one connection."""
    body = datasets.noise(size, 1)
    started = time.monotonic()
    for i in range(count):
        s3.put(f"out/new/{i:03}", body)
    return time.monotonic() - started

#!/usr/bin/env python3
"""clang-tidy over every product source, one process a core.

Results are kept by content in build/tidy, so that a file is looked at again only
when it, a header of the project, or the configuration changed.
"""
import concurrent.futures
import hashlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "tidy"
PACKAGES = ["fuse3", "libcurl", "libcrypto", "libxml-2.0", "libcjson", "libmicrohttpd",
            "libxxhash", "sqlite3"]


def flags():
    packages = subprocess.run(["pkg-config", "--cflags", *PACKAGES], check=True, text=True,
                              capture_output=True).stdout.split()
    version = (ROOT / "VERSION").read_text().strip()
    return ["-std=gnu11", "-D_GNU_SOURCE", "-DFUSE_USE_VERSION=312",
            f'-DS3APFS_VERSION="{version}"', "-Iinclude", "-Itests", *packages]


def headers_digest():
    h = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for top in ("include", "src"):
        for path in sorted((ROOT / top).rglob("*.h")):
            h.update(path.read_bytes())
    return h


def check(path, common, options):
    h = common.copy()
    h.update(path.read_bytes())
    stamp = CACHE / h.hexdigest()
    if stamp.exists():
        return ""
    result = subprocess.run(["clang-tidy", "--quiet", str(path.relative_to(ROOT)), "--", *options],
                            cwd=ROOT, text=True, capture_output=True, check=False)
    if result.returncode == 0:
        stamp.touch()
        return ""
    return result.stdout + result.stderr


def main():
    CACHE.mkdir(parents=True, exist_ok=True)
    paths = [ROOT / a for a in sys.argv[1:]] or sorted((ROOT / "src").rglob("*.c"))
    common, options = headers_digest(), flags()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = list(pool.map(lambda p: check(p, common, options), paths))
    bad = [t for t in texts if t]
    print("\n".join(bad))
    print(f"clang-tidy: {len(paths)} files, {len(bad)} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Layer lint: includes go only downward, siblings never meet, modules have no cycles.

A module is foo.c together with foo.h and foo_internal.h (what the files that
make up foo share). The layer of a file is its folder. Also
held: each outside library is used by the layers that own it and no others.
Prints one line per violation; exit status 1 when there is any.
"""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A layer may include the layers listed here and itself.
BELOW = {"base": []}
BELOW["aws"] = ["base"]
BELOW["policy"] = ["base", "aws"]
BELOW["net"] = BELOW["policy"] + ["policy"]
BELOW["store"] = BELOW["policy"] + ["policy"]
BELOW["state"] = ["base"]
BELOW["cred"] = BELOW["policy"] + ["policy", "net", "store"]
BELOW["s3"] = BELOW["cred"] + ["cred"]
BELOW["data"] = ["base", "store", "state"]
BELOW["ns"] = ["base", "store", "state"]
BELOW["fs"] = ["base", "store", "state", "data", "ns"]
BELOW["fuse"] = ["base", "fs"]
BELOW["control"] = ["base"]
BELOW["app"] = BELOW["s3"] + ["state", "s3", "data", "ns", "fs", "fuse", "control"]
BELOW["emulator"] = ["base", "aws", "policy"]

# Outside headers by pattern, and the layers that may use them.
LIBRARIES = [
    (r"^(fuse|fuse3/|fuse_)", {"fuse"}),
    (r"^curl/", {"net"}),
    (r"^libxml/", {"aws", "emulator"}),
    (r"^microhttpd", {"emulator"}),
    (r"^openssl/", {"base", "aws", "emulator"}),
    (r"^sqlite3", {"state"}),
    (r"^xxhash", {"base"}),
]

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def files():
    for top in ("include/s3apfs", "src"):
        for path in sorted((ROOT / top).rglob("*.[ch]")):
            yield path, path.relative_to(ROOT / top).parts[0]


def module(layer, header):
    return f"{layer}/{re.sub('_(internal|private)$', '', pathlib.PurePath(header).stem)}"


def module_of(path, layer):
    return module(layer, path.name)


def includes_of(path, layer, bad):
    """Modules that one file includes; violations go to bad."""
    name = path.relative_to(ROOT)
    for kind, header in INCLUDE.findall(path.read_text(encoding="utf-8")):
        if header.startswith("s3apfs/"):
            other = header.split("/")[1]
            if other != layer and other not in BELOW[layer]:
                bad.append(f"{name}: layer '{layer}' must not include '{header}'")
            yield module(other, header)
        elif kind == '"':
            if "/" in header or not (path.parent / header).exists():
                bad.append(f'{name}: "{header}" is neither s3apfs/... nor beside it')
            yield module(layer, header)
        else:
            for pattern, owners in LIBRARIES:
                if re.match(pattern, header) and layer not in owners:
                    bad.append(f"{name}: <{header}> belongs to {'/'.join(sorted(owners))}")


def cycles(graph):
    """One representative cycle for each back edge of a depth-first search."""
    state, stack, found = {}, [], []

    def visit(node):
        state[node] = 1
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if state.get(other) == 1:
                found.append(stack[stack.index(other):] + [other])
            elif other not in state:
                visit(other)
        stack.pop()
        state[node] = 2

    for node in sorted(graph):
        if node not in state:
            visit(node)
    return found


def main():
    bad = []
    graph = collections.defaultdict(set)
    count = 0
    for path, layer in files():
        count += 1
        if layer not in BELOW:
            bad.append(f"{path.relative_to(ROOT)}: unknown layer '{layer}'")
            continue
        me = module_of(path, layer)
        graph[me] |= {m for m in includes_of(path, layer, bad) if m != me}
    sys.setrecursionlimit(10000)
    bad += [f"module cycle: {' -> '.join(c)}" for c in cycles(graph)]
    for line in bad:
        print(line)
    print(f"layers: {count} files, {len(bad)} violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

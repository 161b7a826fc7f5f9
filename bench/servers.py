"""The S3 servers of a run, and the relays in front of them.

A server has: endpoint, keys, bucket, and its process (for its processor time; None when it
is not ours). There is s3apfs-emulator, on which goals are judged, and one other, which is a
command or somebody's endpoint:

    SERVER_COMMAND="s3d --port {port} --data {data} --access-key {access} --secret {secret}"
    ENDPOINT=http://host:port  with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, BUCKET

All that there are take their turn; SERVERS=emulator,other chooses.
"""
import json
import os
import pathlib
import shlex
import socket
import subprocess
import time

from measure import cpu_seconds, end

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = ROOT / "build" / os.environ.get("VARIANT", "release") / "bin"
TOOLS = ROOT / "build" / "bench"
WORLD = ROOT / "tests" / "worlds" / "seed_000_001.json"
WORLD_BUCKET = "test-bucket-1"
WORLD_KEYS = ("AKIAEXAMPLEADMIN0002", "example/secret+of/admin/222222222222/0000")
OWN_KEYS = ("AKIAEXAMPLEBENCH0001", "example-secret-of-the-benchmark-00000001")
FAR_DELAY_MS = 30
FAR_RATE = 90_000_000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, process, what, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"{what} did not start")


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Server:
    """What a run measures against; stop() ends what was started."""

    def __init__(self, name, endpoint, keys, bucket, process=None):
        self.name, self.endpoint, self.keys, self.bucket = name, endpoint, keys, bucket
        self.process = process

    def cpu(self):
        return cpu_seconds(self.process.pid) if self.process else None

    def stop(self):
        if self.process:
            end(self.process)


def start_emulator(data):
    ready = data / "ready"
    ready.unlink(missing_ok=True)
    log = open(data / "server.log", "wb")
    process = subprocess.Popen(
        [str(BIN / "s3apfs-emulator"), "--config", str(WORLD), "--port", "0", "--data",
         str(data / "objects"), "--ready-file", str(ready)],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_for(lambda: ready.exists() and ready.stat().st_size, process, "the emulator")
    port = json.loads(ready.read_text())["port"]
    return Server("s3apfs-emulator", f"http://localhost:{port}", WORLD_KEYS, WORLD_BUCKET, process)


def start_command(template, data):
    port = free_port()
    objects = data / "objects"
    objects.mkdir(exist_ok=True)
    words = [w.format(port=port, data=objects, access=OWN_KEYS[0], secret=OWN_KEYS[1])
             for w in shlex.split(template)]
    log = open(data / "server.log", "wb")
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_for(lambda: answers(port), process, words[0])
    return Server(pathlib.Path(words[0]).name, f"http://localhost:{port}", OWN_KEYS, "bench-bucket",
                  process)


def start_other(data):
    if "ENDPOINT" in os.environ:
        keys = (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
        return Server(os.environ["ENDPOINT"], os.environ["ENDPOINT"].rstrip("/"), keys,
                      os.environ["BUCKET"])
    return start_command(os.environ["SERVER_COMMAND"], data)


JUDGED = "emulator"
STARTS = {JUDGED: start_emulator, "other": start_other}


def chosen_servers():
    """Names of STARTS, in the order in which they take their turn."""
    other = "ENDPOINT" in os.environ or "SERVER_COMMAND" in os.environ
    names = [n for n in os.environ.get("SERVERS", "").split(",") if n]
    for name in names:
        if name not in STARTS:
            raise SystemExit(f"no server is named {name}; there are: " + " ".join(STARTS))
    if "other" in names and not other:
        raise SystemExit("SERVERS=other needs SERVER_COMMAND or ENDPOINT")
    return list(dict.fromkeys(names)) or [JUDGED, *(["other"] if other else [])]


def start_server(name, data):
    """One of STARTS; an own server's objects live below the folder `data`."""
    return STARTS[name](data)


class Relay:
    """bench/relay.c in front of a server: near (nothing added) or far."""

    def __init__(self, server, folder, far):
        ready = folder / ("far.ready" if far else "near.ready")
        ready.unlink(missing_ok=True)
        words = [str(TOOLS / "relay"), "--upstream", server.endpoint.split("//", 1)[1],
                 "--ready-file", str(ready)]
        if far:
            words += ["--delay-ms", str(FAR_DELAY_MS), "--rate", str(FAR_RATE)]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        wait_for(lambda: ready.exists() and ready.stat().st_size, self.process, "the relay")
        ports = json.loads(ready.read_text())
        self.endpoint = f"http://localhost:{ports['port']}"
        self.control = ports["control"]

    def counters(self):
        with socket.create_connection(("127.0.0.1", self.control), 10) as s, s.makefile() as f:
            return json.loads(f.read())

    def stop(self):
        end(self.process)


def passed(before, after):
    """What went through a relay between two looks at its counters."""
    requests = {k: after["requests"][k] - v for k, v in before["requests"].items()}
    return {"requests": {k: v for k, v in requests.items() if v},
            "connections": after["connections"] - before["connections"],
            "up": after["up"] - before["up"], "down": after["down"] - before["down"]}

#!/usr/bin/env python3
"""`make bench`: s3apfs beside other clients and beside what the wire allows, in one run.

One server after the other. For every row all clients and the yardstick run in turn, ROUNDS
times, each on a fresh mount with the page cache dropped. See README.md for the variables and
for how to read the tables, which also go to build/bench/.
"""
import datetime
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import datasets  # noqa: E402
import limits  # noqa: E402
import rows as table  # noqa: E402
from clients import Mounted, all_clients  # noqa: E402
from measure import Failed, Refused, drop_page_cache, run_limited, wait_settled  # noqa: E402
from report import Report  # noqa: E402
from s3 import S3  # noqa: E402
from servers import JUDGED, TOOLS, Relay, chosen_servers, passed, start_server  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "3"))
LIMIT = float(os.environ.get("LIMIT", "180"))
READS_BEFORE = {"again": 1, "third": 2}


class Bench:
    """One server, the relays in front of it, and its folders."""

    def __init__(self, server, work, data):
        self.work = work
        self.server = start_server(server, data)
        self.near = Relay(self.server, work, far=False)
        self.far = Relay(self.server, work, far=True)
        self.s3 = S3(self.server.endpoint, self.server.bucket, self.server.keys)
        self.s3.make_bucket()
        datasets.prepare_work(work)

    def stop(self):
        self.far.stop()
        self.near.stop()
        self.server.stop()

    def command(self, row, point):
        names = {"load": TOOLS / "load", "dir": point / row.data, "work": self.work,
                 "half": datasets.HALF >> 20, "middle": datasets.HALF * 2 // 5 + 12345}
        return [w.format(**names) for w in row.words]

    def prepare(self, row):
        if row.prepare:
            getattr(datasets, row.prepare[0])(self.s3, *row.prepare[1:])

    def in_mount(self, row, client, relay, endpoint):
        """The figures of one measurement. Without a relay nothing is known of the wire."""
        self.prepare(row)
        access = self.s3.to(endpoint)
        cache = self.work / "cache" if row.cache else None
        if cache:
            shutil.rmtree(cache, ignore_errors=True)
            cache.mkdir()

        def work(m):
            return run_limited(self.command(row, m.point), LIMIT, on_limit=m.abandon)

        if row.cache == "remount":
            with Mounted(client, access, self.work, cache) as m:
                work(m)
                wait_settled(cache)
        more = client.writing(self.work) if row.writes else client.reading() if row.cache == "third" else []
        with Mounted(client, access, self.work, cache, more) as m:
            for _ in range(READS_BEFORE.get(row.cache, 0)):
                drop_page_cache()
                work(m)
                wait_settled(cache)
            drop_page_cache()
            out = self.figures(row, relay, lambda: work(m), m)
            if row.check:
                out["in-s3"] = getattr(datasets, row.check[0])(self.s3, *row.check[1:])
            return out

    def figures(self, row, relay, work, mounted=None):
        gib = row.bytes / 2**30 * datasets.SCALE
        wire = relay.counters() if relay else None
        server, daemon = self.server.cpu(), mounted.cpu() if mounted else None
        out = {"seconds": work()}
        if gib and mounted:
            out["cpu"] = (mounted.cpu() - daemon) / gib
        if gib and server is not None:
            out["server-cpu"] = (self.server.cpu() - server) / gib
        if mounted:
            out["memory"] = mounted.memory()
        if wire:
            went = passed(wire, relay.counters())
            out.update(kinds=went["requests"], connections=went["connections"], up=went["up"],
                       down=went["down"], wire=went["up"] + went["down"],
                       requests=sum(went["requests"].values()))
            for kind in ("GET", "HEAD", "LIST"):
                out[kind] = went["requests"].get(kind, 0)
        return out

    def once(self, row, client, counted):
        """One measurement of a client (None: the yardstick), or why there is none.

        A near row's wire is counted in a pass of its own, whose time does not count."""
        relay = self.far if row.far else self.near if counted else None
        endpoint = relay.endpoint if relay else self.server.endpoint
        try:
            if client:
                return self.in_mount(row, client, relay, endpoint)
            self.prepare(row)
            function = getattr(limits, row.limit[0])
            return self.figures(row, relay, lambda: function(self.s3.to(endpoint), self.work,
                                                             *row.limit[1:]))
        except Refused as e:
            return f"refused: {e}"
        except Failed as e:
            return f"fails: {e}"

    def row(self, row, clients, report):
        datasets.require(self.s3, row.data)
        runners = [c for c in clients if not row.cache or c.caches]
        runners += [None] if row.limit else []
        wire = {}
        for number in range(0 if row.far else -1, ROUNDS):
            for client in runners:
                name = client.name if client else "limit"
                outcome = self.once(row, client, counted=number < 0)
                if number < 0 and isinstance(outcome, dict):
                    wire[name] = {k: v for k, v in outcome.items()
                                  if k not in ("seconds", "cpu", "server-cpu")}
                    continue
                if isinstance(outcome, dict):
                    outcome = {**wire.get(name, {}), **outcome}
                report.add(row, name, outcome)


def machine():
    cpus = os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return f"{cpus} processors, {memory} GiB, Linux {os.uname().release.split('-')[0]}"


def data_folder():
    """Where own servers keep their objects: in memory when there is room for them."""
    if "BENCH_DATA" in os.environ:
        return pathlib.Path(os.environ["BENCH_DATA"]), False
    shm = pathlib.Path("/dev/shm")
    roomy = shm.is_dir() and shutil.disk_usage(shm).free > 8 << 30
    return pathlib.Path(tempfile.mkdtemp(prefix="s3apfs-bench-", dir=shm if roomy else None)), True


STAMP = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")


def save(about, reports):
    text = "\n".join([*(f"{k}: {v}" for k, v in about.items()), "",
                      *("\n".join(r.text()) + "\n" for r in reports.values())])
    held = {"about": about, "servers": {name: {"server": r.server, "rows": r.rows}
                                        for name, r in reports.items()}}
    for name in ("latest", STAMP):
        (TOOLS / f"{name}.txt").write_text(text)
        (TOOLS / f"{name}.json").write_text(json.dumps(held, indent=1))


def stop_on_signal(number, _):
    raise SystemExit(128 + number)  # through every finally and with


def measure(server, folders, chosen, clients, on_row):
    """All rows on one server; on_row(report) after each."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(server, *folders)
    report = Report(bench.server.name, judged=server == JUDGED)
    print("\n" + report.head(), flush=True)
    try:
        for row in chosen:
            bench.row(row, clients, report)
            print("\n".join(report.row_lines(row.name)), flush=True)
            on_row(report)
    finally:
        bench.stop()


def main():
    signal.signal(signal.SIGTERM, stop_on_signal)
    chosen = table.chosen(os.environ.get("ROWS", ""))
    servers = chosen_servers()
    wanted = [w for w in os.environ.get("CLIENTS", "").split(",") if w]
    clients = [c for c in all_clients() if not wanted or c.name in wanted]
    about = {"machine": machine(), "rounds": ROUNDS, "date": datetime.date.today().isoformat(),
             "page cache": "dropped" if drop_page_cache() else "NOT dropped (needs root)"}
    reports = {}
    data, temporary = data_folder()
    try:
        for server in servers:
            def on_row(report, name=server):
                reports[name] = report
                save(about, reports)

            with tempfile.TemporaryDirectory(prefix="work-", dir=TOOLS) as work:
                measure(server, (pathlib.Path(work), data / server), chosen, clients, on_row)
            if temporary:
                shutil.rmtree(data / server)  # the next one needs the room
    finally:
        if temporary:
            shutil.rmtree(data, ignore_errors=True)
    for report in reports.values():
        print("\n".join(["", report.head(), *report.summary()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""bandwidth=: over all connections together no more than that, in either direction."""
import concurrent.futures
import os
import time

from mounting import options

BUCKET = "test-bucket-1"
MIB = 1 << 20
RATE = 4 * MIB
TOTAL = 10 * MIB
LEAST = (TOTAL - RATE / 8 - 64 * 65536) / RATE  # a burst, and a piece in flight on each connection


def mount(emu, place, *more):
    (place.dir / "credentials").open("a").write(
        "[admin2]\naws_access_key_id = AKIAEXAMPLEADMIN0002\n"
        "aws_secret_access_key = example/secret+of/admin/222222222222/0000\n")
    return place.mount(f"s3://{BUCKET}/slow", options(emu, "profile=admin2", "bandwidth=4M", *more))


def together(function, items):
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(items)) as pool:
        results = list(pool.map(function, items))
    return results, time.monotonic() - start


def test_reading_on_several_connections(emu, place):
    data = {f"r{i}": os.urandom(TOTAL // 5) for i in range(5)}
    for name, body in data.items():
        emu.owner.put_object(Bucket=BUCKET, Key=f"slow/{name}", Body=body)
    point = mount(emu, place)
    results, took = together(lambda name: (point / name).read_bytes() == data[name], list(data))
    assert all(results)
    assert took >= LEAST


def test_writing_on_several_connections(emu, place):
    data = {f"w{i}": os.urandom(TOTAL // 5) for i in range(5)}
    point = mount(emu, place)
    _, took = together(lambda name: (point / name).write_bytes(data[name]), list(data))
    assert took >= LEAST
    for name, body in data.items():
        assert emu.owner.get_object(Bucket=BUCKET, Key=f"slow/{name}")["Body"].read() == body


def test_waiting_for_a_turn_is_no_time_out(emu, place):
    """64 KiB/s, deadline 1 s: one of 2.5 s is in time, as the server was never waited for."""
    body = os.urandom(160 << 10)
    emu.owner.put_object(Bucket=BUCKET, Key="slow/long", Body=body)
    point = mount(emu, place, "bandwidth=64K", "deadline=1s")
    with open(point / "long", "rb") as f:
        got = b""
        while piece := f.read(16 << 10):
            got += piece
    assert got == body
    (point / "up").write_bytes(body)
    assert emu.owner.get_object(Bucket=BUCKET, Key="slow/up")["Body"].read() == body
    told = place.run("mount", f"s3://{BUCKET}/slow", place.mount_point(), "-o", "bandwidth=1K")
    assert told.returncode == 2 and "bandwidth" in told.stderr

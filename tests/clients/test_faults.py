"""The emulator misbehaving on command: every effect as a raw client sees it."""
import contextlib
import http.client
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree

import pytest
from botocore.exceptions import BotoCoreError, ClientError

KEY = "faulty"
BODY = b"0123456789" * 100


@pytest.fixture
def get(emulator, s3, bucket):
    """One GET of the object by a presigned URL: (status, headers, body, error)."""
    s3.put_object(Bucket=bucket, Key=KEY, Body=BODY)
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": KEY})
    target = url[url.index("/", 8):]
    emulator.admin("DELETE", "requests")

    def once(timeout=30):
        connection = http.client.HTTPConnection("localhost", emulator.port, timeout=timeout)
        try:
            connection.request("GET", target)
            reply = connection.getresponse()
            try:
                return reply.status, reply.headers, reply.read(), None
            except (http.client.IncompleteRead, TimeoutError) as e:
                return reply.status, reply.headers, getattr(e, "partial", b""), e
        finally:
            connection.close()
    return once


@pytest.fixture
def signature_v4(connect):
    return connect(signature_version="s3v4")


@pytest.fixture
def s3(signature_v4):
    return signature_v4


def test_errors_by_count(emulator, get, requests_seen):
    emulator.admin("POST", "faults", {"operation": "GetObject", "effect": "error", "status": 503,
                                      "code": "SlowDown", "message": "easy", "skip": 1,
                                      "count": 2})
    statuses = [get()[0] for _ in range(4)]
    assert statuses == [200, 503, 503, 200]
    seen = requests_seen("GetObject")
    assert [r.get("error") for r in seen] == [None, "SlowDown", "SlowDown", None]
    [fault] = emulator.admin("GET", "faults")
    assert fault["hits"] == 2 and fault["count"] == 0


def test_errors_match_keys_and_operations(emulator, get):
    emulator.admin("POST", "faults", [
        {"operation": "PutObject", "effect": "error"},
        {"key": "other*", "effect": "error"},
        {"method": "DELETE", "effect": "error"},
        {"bucket": "other", "effect": "error"}])
    assert get()[0] == 200
    emulator.admin("POST", "faults", {"key": "fau*", "method": "GET", "effect": "error",
                                      "status": 500, "code": "InternalError"})
    status, _, body, _ = get()
    assert status == 500 and b"<Code>InternalError</Code>" in body


def test_an_error_after_the_act(emulator, s3, bucket):
    emulator.admin("POST", "faults", {"operation": "PutObject", "effect": "error", "after": True,
                                      "status": 500, "code": "InternalError", "count": 1})
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


def test_drop_before_the_reply(emulator, get):
    emulator.admin("POST", "faults", {"operation": "GetObject", "effect": "drop", "count": 1})
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        get()
    assert get()[2] == BODY


@pytest.mark.parametrize("effect", ["drop", "hang"])
def test_no_reply_and_nothing_done(emulator, s3, bucket, connect, effect):
    fault = {"operation": "PutObject", "effect": effect, "count": 1}
    impatient = connect(signature_version="s3v4", read_timeout=1, retries={"total_max_attempts": 1})
    for after, found in ((False, b"before"), (True, b"new")):
        s3.put_object(Bucket=bucket, Key="k", Body=b"before")
        emulator.admin("POST", "faults", {**fault, "after": after})
        with contextlib.suppress(BotoCoreError):  # a PUT has no body that could hang
            impatient.put_object(Bucket=bucket, Key="k", Body=b"new")
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == found


def test_drop_in_the_body(emulator, get):
    emulator.admin("POST", "faults", {"operation": "GetObject", "effect": "drop", "bytes": 100})
    status, headers, body, error = get()
    assert status == 200 and headers["Content-Length"] == str(len(BODY))
    assert body == BODY[:100] and isinstance(error, http.client.IncompleteRead)


def test_shorter(emulator, get):
    emulator.admin("POST", "faults", {"operation": "GetObject", "effect": "shorter", "bytes": 1})
    _, headers, body, error = get()
    assert headers["Content-Length"] == str(len(BODY))
    assert body == BODY[:-1] and isinstance(error, http.client.IncompleteRead)


def test_longer(emulator, get, s3, bucket):
    import socket
    emulator.admin("POST", "faults", {"operation": "GetObject", "effect": "longer", "bytes": 3})
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": KEY})
    with socket.create_connection(("localhost", emulator.port), timeout=30) as c:
        c.sendall(f"GET {url[url.index('/', 8):]} HTTP/1.1\r\n"
                  f"Host: localhost:{emulator.port}\r\n\r\n".encode())
        data = b""
        while piece := c.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"Content-Length: 1000" in head and body == BODY + b"xxx"


def test_hang_ends_with_the_client(emulator, get):
    emulator.admin("POST", "faults", {"operation": "GetObject", "effect": "hang", "bytes": 10,
                                      "count": 1})
    _, _, _, error = get(timeout=1)
    assert isinstance(error, TimeoutError)
    assert get()[2] == BODY


def test_garbage(emulator, s3, bucket):
    emulator.admin("POST", "faults", {"operation": "ListObjectsV2", "effect": "garbage"})
    url = s3.generate_presigned_url("list_objects_v2", {"Bucket": bucket})
    with urllib.request.urlopen(url) as reply:
        assert reply.status == 200
        with pytest.raises(ElementTree.ParseError):
            ElementTree.fromstring(reply.read())


def test_headers_are_replaced_and_removed(emulator, get):
    emulator.admin("POST", "faults", {"effect": "none", "operation": "GetObject", "headers": {
        "ETag": '"wrong"', "Content-Range": "bytes 5-9/10", "Last-Modified": None}})
    _, headers, body, _ = get()
    assert headers["ETag"] == '"wrong"' and headers["Content-Range"] == "bytes 5-9/10"
    assert "Last-Modified" not in headers and body == BODY


def test_slow_and_delayed_replies_are_whole(emulator, get):
    emulator.admin("POST", "faults", {"operation": "GetObject", "effect": "slow", "bytes": 5000,
                                      "ms": 50})
    started = time.monotonic()
    assert get()[2] == BODY
    assert time.monotonic() - started > 0.15


def test_general_latency_and_bandwidth(emulator, get):
    emulator.admin("POST", "pace", {"latency-ms": 50, "bandwidth": 5000})
    started = time.monotonic()
    assert get()[2] == BODY
    assert time.monotonic() - started > 0.15


def test_control_planes_fail_too(emulator, connect):
    emulator.admin("POST", "faults", {"operation": "GetCallerIdentity", "effect": "error",
                                      "status": 500, "code": "InternalFailure"})
    with pytest.raises(ClientError) as caught:
        connect("sts").get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "InternalFailure"
    emulator.admin("POST", "faults", {"operation": "ListAccessPoints", "effect": "error",
                                      "status": 503, "code": "SlowDown"})
    with pytest.raises(ClientError) as caught:
        connect("s3control").list_access_points(AccountId="222222222222")
    assert caught.value.response["Error"]["Code"] == "SlowDown"


def test_malformed_administration_is_refused(emulator):
    for path, body in (("faults", {"effect": "explode"}), ("faults", [{"no": "effect"}]),
                       ("clock", {"shift-ms": "x"}), ("clock", []), ("nothing", {})):
        with pytest.raises(urllib.error.HTTPError) as caught:
            emulator.admin("POST", path, body)
        assert caught.value.code in (400, 404)
    assert emulator.admin("GET", "faults") == []

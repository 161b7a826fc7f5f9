"""The wire itself: requests that no well-behaved client sends, and framings that few do."""
import base64
import hashlib
import http.client
import socket
import ssl
import subprocess
import zlib

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import emulator as support
from conftest import OWNER, REGION

KEYS = support.ADMINS[OWNER]


class Raw(S3SigV4Auth):
    """botocore's signer over a payload hash and a path taken as they are given."""

    def __init__(self, payload):
        super().__init__(Credentials(*KEYS), "s3", REGION)
        self.told = payload

    def payload(self, request):
        return self.told

    def _normalize_url_path(self, path):
        return path


@pytest.fixture
def ask(emulator):
    """ask(method, target, body, headers, payload hash, unsigned headers): (status, body)."""
    def once(method, target, body=b"", headers=None, payload=None, unsigned=None):
        payload = payload or hashlib.sha256(body).hexdigest()
        request = AWSRequest(method, f"http://localhost:{emulator.port}{target}",
                             headers=dict(headers or {}))
        request.headers["X-Amz-Content-SHA256"] = payload
        Raw(payload).add_auth(request)
        for name, value in (unsigned or {}).items():
            request.headers[name] = value
        connection = http.client.HTTPConnection("localhost", emulator.port, timeout=30)
        try:
            connection.request(method, target, body=body, headers=dict(request.headers.items()))
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()
    return once


def expect(answer, status, code):
    assert answer[0] == status, answer
    assert f"<Code>{code}</Code>".encode() in answer[1], answer


# --- payload hashes ---

def test_the_signed_hash_must_be_the_bodys(ask, bucket):
    assert ask("PUT", f"/{bucket}/k", b"body")[0] == 200
    expect(ask("PUT", f"/{bucket}/k", b"body", payload=hashlib.sha256(b"other").hexdigest()), 400,
           "XAmzContentSHA256Mismatch")
    expect(ask("PUT", f"/{bucket}/k", b"body", payload="nonsense"), 400, "InvalidArgument")
    assert ask("PUT", f"/{bucket}/k", b"body", payload="UNSIGNED-PAYLOAD")[0] == 200


def test_headers_behind_the_signature(ask, bucket):
    expect(ask("PUT", f"/{bucket}/k", b"x", unsigned={"x-amz-meta-added": "1"}), 403,
           "AccessDenied")
    assert ask("PUT", f"/{bucket}/k", b"x", unsigned={"User-Agent": "any"})[0] == 200


# --- aws-chunked ---

UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def chunked(body, trailer=b"", size=7):
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces)
    return framed + b"0\r\n" + trailer + b"\r\n"


def headers_of(body, **more):
    return {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(len(body)),
            "X-Amz-Trailer": "x-amz-checksum-crc32", **more}


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))


def test_unsigned_chunks_with_a_trailer(ask, s3, bucket):
    body = b"some data in chunks of seven"
    framed = chunked(body, b"x-amz-checksum-crc32:" + crc32(body) + b"\r\n")
    assert ask("PUT", f"/{bucket}/c", framed, headers_of(body), UNSIGNED)[0] == 200
    got = s3.get_object(Bucket=bucket, Key="c", ChecksumMode="ENABLED")
    assert got["Body"].read() == body and got["ChecksumCRC32"] == crc32(body).decode()
    assert "ContentEncoding" not in got


@pytest.mark.parametrize("spoil, status, code", [
    (lambda b, t: (chunked(b, b"x-amz-checksum-crc32:AAAAAA==\r\n"), len(b)), 400, "BadDigest"),
    (lambda b, t: (chunked(b, t), len(b) + 1), 400, "IncompleteBody"),
    (lambda b, t: (chunked(b, t)[:-30], len(b)), 400, "IncompleteBody"),
    (lambda b, t: (b"zz\r\n" + chunked(b, t), len(b)), 400, "IncompleteBody"),
    (lambda b, t: (chunked(b, t).replace(b"7\r\n", b"8\r\n", 1), len(b)), 400, "IncompleteBody"),
    (lambda b, t: (chunked(b, b"x-amz-meta-smuggled:1\r\n"), len(b)), 400,
     "MalformedTrailerError"),
    (lambda b, t: (b, len(b)), 400, "IncompleteBody"),
    (lambda b, t: (b"", len(b)), 400, "IncompleteBody"),
])
def test_broken_chunks(ask, s3, bucket, spoil, status, code):
    body = b"some data in chunks of seven"
    framed, length = spoil(body, b"x-amz-checksum-crc32:" + crc32(body) + b"\r\n")
    headers = headers_of(body, **{"X-Amz-Decoded-Content-Length": str(length)})
    expect(ask("PUT", f"/{bucket}/c", framed, headers, UNSIGNED), status, code)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


# --- targets ---

@pytest.mark.parametrize("target", ["/{b}/%", "/{b}/%4", "/{b}/%zz", "/{b}/a%00b", "/{b}/%ff",
                                    "/{b}?prefix=%", "//k"])
def test_malformed_targets(ask, bucket, target):
    expect(ask("GET", target.format(b=bucket)), 400, "InvalidURI")


def test_characters_that_need_no_escape(ask, s3, bucket):
    assert ask("PUT", f"/{bucket}/a!b'(c)*", b"1")[0] == 200
    assert s3.get_object(Bucket=bucket, Key="a!b'(c)*")["Body"].read() == b"1"


def test_methods_that_do_not_exist(ask, bucket):
    assert ask("PATCH", f"/{bucket}/k")[0] == 405
    assert ask("POST", f"/{bucket}/k")[0] == 405
    assert ask("BREW", f"/{bucket}")[0] == 405


def talk(emulator, data):
    with socket.create_connection(("localhost", emulator.port), timeout=30) as c:
        c.sendall(data)
        c.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := c.recv(65536):
            answer += piece
    return answer


def test_bytes_that_are_no_http(emulator, s3, bucket):
    for data in (b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n",
                 b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100000 + b"\r\n",
                 b"PUT /%s/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nshort"
                 % bucket.encode()):
        try:
            answer = talk(emulator, data)
        except OSError:
            continue
        assert not answer or answer.startswith(b"HTTP/1."), answer[:100]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_request_without_host(emulator):
    answer = talk(emulator, b"GET / HTTP/1.0\r\n\r\n")
    assert b" 400 " in answer.split(b"\r\n")[0]


# --- documents ---

BOMB = (b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
        b'<!ENTITY c SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&b;&c;</Key></Object>'
        b"</Delete>")


@pytest.mark.parametrize("document", [
    b"", b"<", b"<Delete>", b"<Delete></Delete>", b"<Other/>", BOMB, b"\xff\xfe\x00",
    b"<Delete><Object><Key></Key></Object></Delete>", b"<a>" * 5000,
    b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>",
])
def test_hostile_documents(ask, bucket, s3, document):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    md5 = base64.b64encode(hashlib.md5(document).digest()).decode()
    expect(ask("POST", f"/{bucket}?delete", document, {"Content-MD5": md5}), 400, "MalformedXML")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_delete_needs_a_digest(ask, bucket):
    expect(ask("POST", f"/{bucket}?delete", b"<Delete/>"), 400, "InvalidRequest")


def test_oversized_documents(ask, bucket):
    document = b"<Tagging>" + b" " * (1 << 20) + b"</Tagging>"
    expect(ask("PUT", f"/{bucket}/k?tagging", document), 400, "MaxMessageLengthExceeded")


# --- TLS, and the framing that clients use over it ---

@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    top = tmp_path_factory.mktemp("tls")
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", str(top / "key"), "-out", str(top / "cert"), "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:*.localhost"],
        capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    e = support.Emulator(tls=(top / "cert", top / "key"))
    yield e, str(top / "cert")
    e.stop()


def test_tls_and_chunked_uploads_of_boto3(secure):
    import boto3
    from botocore.config import Config
    e, cert = secure
    s3 = boto3.client("s3", region_name=REGION, endpoint_url=e.endpoint, verify=cert,
                      aws_access_key_id=KEYS[0], aws_secret_access_key=KEYS[1],
                      config=Config(retries={"max_attempts": 1}))
    s3.create_bucket(Bucket="secure-1")
    body = bytes(range(256)) * 10000
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        told = s3.put_object(Bucket="secure-1", Key="k", Body=body, ChecksumAlgorithm=algorithm)
        assert told[f"Checksum{algorithm}"]
        assert s3.get_object(Bucket="secure-1", Key="k")["Body"].read() == body
    with pytest.raises(ssl.SSLError):
        plain = ssl.create_default_context()
        with socket.create_connection(("localhost", e.port)) as c:
            plain.wrap_socket(c, server_hostname="localhost")


# --- SigV4a ---

def test_asymmetric_signatures(connect, s3, bucket):
    pytest.importorskip("awscrt", reason="awscrt (SigV4a) is not installed")
    asymmetric = connect(signature_version="s3v4a")
    asymmetric.put_object(Bucket=bucket, Key="a b/ü", Body=b"signed with a curve")
    assert asymmetric.get_object(Bucket=bucket, Key="a b/ü")["Body"].read() == (
        b"signed with a curve")
    wrong = connect(keys=(KEYS[0], "wrong"), signature_version="s3v4a")
    with pytest.raises(s3.exceptions.ClientError) as caught:
        wrong.list_objects_v2(Bucket=bucket)
    assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"

"""A small signed S3 client: fills buckets with data and is the bare yardstick of calls.

One persistent connection per thread, Signature Version 4 with UNSIGNED-PAYLOAD, path
style. Only what the benchmark needs.
"""
import datetime
import hashlib
import hmac
import http.client
import re
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

PART = 8 << 20


class Failure(RuntimeError):
    """The server answered with an error status."""


def quote(text, safe="/"):
    return urllib.parse.quote(text, safe=safe + "-_.~")


class S3:
    """Requests to one bucket of one endpoint ("http://host:port")."""

    def __init__(self, endpoint, bucket, keys, region="us-east-1"):
        self.endpoint, self.bucket, self.keys, self.region = endpoint, bucket, keys, region
        self.host = endpoint.split("//", 1)[1]
        self.local = threading.local()

    def to(self, endpoint):
        """The same bucket by way of another endpoint."""
        return S3(endpoint, self.bucket, self.keys, self.region)

    def sign(self, method, path, query, headers):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        headers = {"host": self.host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now,
                   **headers}
        names = ";".join(sorted(headers))
        canonical = "\n".join([method, path, query,
                               *(f"{n}:{headers[n].strip()}" for n in sorted(headers)), "", names,
                               "UNSIGNED-PAYLOAD"])
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + self.keys[1]).encode()
        for word in scope.split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.keys[0]}/{scope}, "
                                    f"SignedHeaders={names}, Signature={signature}")
        return headers

    def call(self, method, key="", query=None, body=b"", headers=None):
        """(headers, body) of the answer; Failure for an error status."""
        path = quote(f"/{self.bucket}/{key}" if key else f"/{self.bucket}")
        words = "&".join(f"{quote(k, '')}={quote(v, '')}" for k, v in sorted((query or {}).items()))
        signed = self.sign(method, path, words, dict(headers or {}))
        for attempt in (0, 1):
            if getattr(self.local, "connection", None) is None:
                self.local.connection = http.client.HTTPConnection(self.host, timeout=120)
            try:
                self.local.connection.request(method, path + ("?" + words if words else ""), body,
                                              signed)
                reply = self.local.connection.getresponse()
                data = reply.read()
                break
            except (http.client.HTTPException, OSError):  # an idle connection that was closed
                self.local.connection.close()
                self.local.connection = None
                if attempt:
                    raise
        if reply.status >= 300:
            raise Failure(f"{method} {path}: {reply.status} {data[:300].decode(errors='replace')}")
        return reply.headers, data

    def make_bucket(self):
        try:
            self.call("HEAD")
        except Failure:
            self.call("PUT")

    def exists(self, key):
        try:
            self.call("HEAD", key)
            return True
        except Failure:
            return False

    def put(self, key, body):
        self.call("PUT", key, body=body)

    def put_many(self, pairs, threads=8):
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda pair: self.put(*pair), pairs):
                pass

    def put_parts(self, key, size, make_part, connections=32):
        """A multipart upload of `size` bytes; make_part(i) is the i-th part's content."""
        _, xml = self.call("POST", key, {"uploads": ""})
        upload = re.search(rb"<UploadId>([^<]+)", xml).group(1).decode()

        def send(i):
            headers, _ = self.call("PUT", key, {"partNumber": str(i + 1), "uploadId": upload},
                                   make_part(i))
            return headers["etag"]

        with ThreadPoolExecutor(connections) as pool:
            etags = list(pool.map(send, range((size + PART - 1) // PART)))
        parts = "".join(f"<Part><PartNumber>{i + 1}</PartNumber><ETag>{tag}</ETag></Part>"
                        for i, tag in enumerate(etags))
        self.call("POST", key, {"uploadId": upload},
                  f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode())

    def pages(self, prefix, delimiter=""):
        """The bare LIST calls of a prefix, one after the other: how many."""
        query = {"list-type": "2", "prefix": prefix, "max-keys": "1000"}
        if delimiter:
            query["delimiter"] = delimiter
        count = 0
        while True:
            _, xml = self.call("GET", query=query)
            count += 1
            token = re.search(rb"<NextContinuationToken>([^<]+)", xml)
            if token is None:
                return count
            query["continuation-token"] = token.group(1).decode().replace("&amp;", "&")

    def keys_below(self, prefix):
        query = {"list-type": "2", "prefix": prefix, "max-keys": "1000"}
        while True:
            _, xml = self.call("GET", query=query)
            for key in re.findall(rb"<Key>([^<]+)", xml):
                yield key.decode().replace("&amp;", "&")
            token = re.search(rb"<NextContinuationToken>([^<]+)", xml)
            if token is None:
                return
            query["continuation-token"] = token.group(1).decode().replace("&amp;", "&")

    def delete_below(self, prefix):
        keys = list(self.keys_below(prefix))
        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(lambda key: self.call("DELETE", key), keys):
                pass

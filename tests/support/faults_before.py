"""A proxy before a server of somebody else, which does to requests what the emulator's faults do
(docs/emulator.md, "Administration while it runs"): error, drop, hang and none, with ms and headers.
Requests pass as they are, so their signatures hold. A request that does not come whole is not passed on."""
import contextlib
import fnmatch
import http.client
import http.server
import select
import sys
import threading
import time
import urllib.parse

OBJECT_QUERIES = (  # the first that fits: method, a word of the query, operation
    ("POST", "uploads", "CreateMultipartUpload"), ("POST", "uploadId", "CompleteMultipartUpload"),
    ("PUT", "uploadId", "UploadPart"), ("GET", "uploadId", "ListParts"),
    ("DELETE", "uploadId", "AbortMultipartUpload"), ("GET", "tagging", "GetObjectTagging"),
    ("PUT", "tagging", "PutObjectTagging"), ("DELETE", "tagging", "DeleteObjectTagging"),
    ("GET", "attributes", "GetObjectAttributes"))
BUCKET_QUERIES = (("POST", "delete", "DeleteObjects"), ("GET", "uploads", "ListMultipartUploads"),
                  ("GET", "list-type", "ListObjectsV2"))
VERBS = {"PUT": "Put", "GET": "Get", "HEAD": "Head", "DELETE": "Delete"}
EFFECTS = ("error", "drop", "hang", "none")
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


def operation(method, query, headers, key):
    """What S3 calls a request to a bucket or to the object `key`."""
    for verb, word, name in OBJECT_QUERIES if key else BUCKET_QUERIES:
        if verb == method and word in query:
            break
    else:
        name = VERBS.get(method, method) + ("Object" if key else "Bucket")
    if "x-amz-copy-source" in headers:
        return {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}.get(name, name)
    return name


def matches(fault, seen):
    return all(fnmatch.fnmatchcase(seen[what], fault[what])
               for what in ("operation", "method", "bucket", "key") if what in fault)


class Faults:
    """The list of faults and the log of requests."""

    def __init__(self):
        self.lock = threading.Lock()
        self.faults, self.requests = [], []

    def add(self, body):
        more = [{"skip": 0, "count": -1, "hits": 0, **f} for f in (body if isinstance(body, list) else [body])]
        assert all(f["effect"] in EFFECTS for f in more), "the proxy has no such fault"
        with self.lock:
            self.faults += more

    def pick(self, seen):
        with self.lock:
            for fault in self.faults:
                if fault["count"] == 0 or not matches(fault, seen):
                    continue
                if fault["skip"] > 0:
                    fault["skip"] -= 1
                    continue
                fault["count"] -= fault["count"] > 0
                fault["hits"] += 1
                return dict(fault)
        return {"effect": "none"}

    def note(self, seen):
        with self.lock:
            self.requests.append(seen)

    def admin(self, method, path, body=None):
        """As Emulator.admin."""
        if method == "POST":
            self.add(body)
            return None
        with self.lock:
            listed = getattr(self, path)
            if method == "DELETE":
                listed.clear()
            return [dict(item) for item in listed]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body go out together

    def seen(self):
        path, _, query = self.path.partition("?")
        bucket, _, key = path[1:].partition("/")
        words = urllib.parse.parse_qs(query, keep_blank_values=True)
        seen = {"method": self.command, "bucket": bucket, "key": urllib.parse.unquote(key),
                "operation": operation(self.command, words, self.headers, key)}
        if "Range" in self.headers:
            seen["range"] = self.headers["Range"]
        return seen

    def passed_on(self, body):
        """What the server answers: (status, headers, body)."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=120)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    upstream.putheader(name, value)
            with contextlib.suppress(ConnectionError):  # it may answer before it has all, and close
                upstream.endheaders(body)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except (OSError, http.client.HTTPException) as e:
            print(f"the server behind the proxy, {self.command} {self.path}: {e!r}", file=sys.stderr)
            raise
        finally:
            upstream.close()

    def send(self, status, headers, body, changed):
        given = {name.lower() for name in changed}
        self.send_response_only(status)
        length = str(len(body))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in HOP_BY_HOP and name.lower() not in given:
                self.send_header(name, value)
        for name, value in changed.items():
            if value is not None:
                self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang(self):
        """Until the client goes or the proxy ends."""
        gone = select.poll()
        gone.register(self.connection, select.POLLRDHUP)
        while not self.server.ending.is_set() and not gone.poll(100):
            continue

    def error(self, fault):
        code = fault.get("code", "ServiceUnavailable")
        text = f"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>A fault.</Message></Error>"
        return fault.get("status", 503), [("Content-Type", "application/xml")], text.encode()

    def take(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            return
        seen = self.seen()
        fault = self.server.faults.pick(seen)
        effect = fault["effect"]
        time.sleep(fault.get("ms", 0) / 1000)
        answer = self.error(fault)
        if fault.get("after", effect != "error"):
            real = self.passed_on(body)
            answer = answer if effect == "error" else real
        self.server.faults.note({**seen, "status": answer[0]})
        if effect == "hang":
            self.hang()
        if effect in ("drop", "hang"):
            self.close_connection = True
            return
        self.send(*answer, fault.get("headers", {}))

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = take

    def log_message(self, *args):
        pass


class Proxy(http.server.ThreadingHTTPServer):
    """Listens at `port`, and passes on to the port `upstream` of this machine."""
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, upstream):
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream, self.port = upstream, self.server_address[1]
        self.faults, self.ending = Faults(), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def handle_error(self, request, client_address):
        """Clients that were killed are no errors."""

    def stop(self):
        self.ending.set()
        self.shutdown()
        self.server_close()

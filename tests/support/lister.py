"""A server that lists, of as many made-up keys as a test likes: putting 100,000 objects into a real
one would take longer than the test. Signatures are not looked at; objects have no bytes."""
import bisect
import contextlib
import http.server
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

ETAG = "d41d8cd98f00b204e9800998ecf8427e"
TIME = "2026-01-02T03:04:05.000Z"
DENIED = ("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message>"
          "</Error>")


class Lister:
    """keys: sorted. `delay`: seconds for each request. `gate`: clear it to hold LISTs back."""

    def __init__(self, keys, delay=0.0, start_after=True):
        self.keys = sorted(keys)
        self.delay = delay
        self.start_after = start_after  # a server that ignores it is False
        self.denied = None  # LIST of a prefix that starts so is 403
        self.gate = threading.Event()
        self.gate.set()
        self.lock = threading.Lock()
        self.requests = []
        self.now = self.most = 0  # LISTs under way, and the most there were
        lister = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):  # pylint: disable=invalid-name
                lister.answer(self)

            do_HEAD = do_GET

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()

    def lists(self, below=""):
        """Those of whole pages so far; a LIST of fewer keys looks for a name."""
        with self.lock:
            return [r for r in self.requests
                    if r["method"] == "GET" and r["max"] == 1000 and r["prefix"].startswith(below)]

    def answer(self, handler):
        url = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        key = urllib.parse.unquote(url.path.lstrip("/").partition("/")[2])
        listing = handler.command == "GET" and query.get("list-type") == "2"
        with self.lock:
            self.requests.append({"method": handler.command, "key": key,
                                  "prefix": query.get("prefix", ""),
                                  "max": int(query.get("max-keys", 0)), "query": query})
            self.now += listing
            self.most = max(self.most, self.now)
        if listing:
            self.gate.wait()
        time.sleep(self.delay)
        if listing:
            status, body = self.page(query)
        else:
            status, body = (200 if self.has(key) else 404), ""
        with self.lock:
            self.now -= listing
        self.send(handler, status, body.encode())

    def has(self, key):
        at = bisect.bisect_left(self.keys, key)
        return at < len(self.keys) and self.keys[at] == key

    @staticmethod
    def send(handler, status, body):
        handler.send_response(status)
        handler.send_header("ETag", f'"{ETAG}"')
        handler.send_header("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                handler.wfile.write(body)

    def page(self, query):
        prefix = query.get("prefix", "")
        if self.denied is not None and prefix.startswith(self.denied):
            return 403, DENIED
        after = query.get("continuation-token", "")
        if not after and self.start_after:
            after = query.get("start-after", "")
        at = max(bisect.bisect_left(self.keys, prefix), bisect.bisect_right(self.keys, after))
        return 200, self.document(prefix, query.get("delimiter", ""), at, int(query["max-keys"]))

    def document(self, prefix, delimiter, at, most):
        entries = []
        token = ""
        while len(entries) < most and at < len(self.keys) and self.keys[at].startswith(prefix):
            key = self.keys[at]
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                entries.append(f"<Contents><Key>{escape(key)}</Key><LastModified>{TIME}"
                               f"</LastModified><ETag>&quot;{ETAG}&quot;</ETag><Size>0</Size>"
                               "<StorageClass>STANDARD</StorageClass></Contents>")
                token = key
                at += 1
            else:
                folder = key[:cut + 1]
                entries.append(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>")
                token = folder + "\U0010ffff"
                at = bisect.bisect_left(self.keys, token)
        more = at < len(self.keys) and self.keys[at].startswith(prefix)
        text = "".join(sorted(entries, key=lambda e: e[1:3] != "Co" or e[3] != "n"))
        if more:
            text += f"<NextContinuationToken>{escape(token)}</NextContinuationToken>"
        return ("<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><IsTruncated>"
                f"{str(more).lower()}</IsTruncated><KeyCount>{len(entries)}</KeyCount>{text}"
                "</ListBucketResult>")

"""The addresses of the platforms themselves: instance metadata and containers' endpoints where AWS has them, which
no test reaches on a host's own network. In a namespace they are loopback's, port 80."""
import http.client
import http.server
import json
import socket
import subprocess
import threading

import pytest
from mounting import options
from test_blackhole import aws, blackhole  # noqa: F401
from test_credentials import ANN, AP, arn

ADDRESSES = ["169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "fd00:ec2::254/128", "fd00:ec2::23/128"]
TOKEN = "token of the pod"


class Platform(http.server.ThreadingHTTPServer):
    """The metadata service of an instance, and the endpoint of a container; `asked` has where each request came."""
    daemon_threads = True
    asked = []

    def server_bind(self):
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.server.asked.append(self.connection.getsockname()[0])
            if self.path.startswith("/latest/"):
                return self.forward(self.server.aws.port, "/_instance/i-1" + self.path)
            known = self.path == "/v2/keys" or self.headers.get("Authorization") == TOKEN
            return (200, self.server.keys) if known else (401, b"{}")

        def forward(self, port, path):
            c = http.client.HTTPConnection("127.0.0.1", port)
            c.request(self.command, path, headers=dict(self.headers))
            reply = c.getresponse()
            return reply.status, reply.read()

        def do_GET(self):
            status, body = self.answer()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET

        def log_message(self, *args):
            pass


class Platform6(Platform):
    address_family = socket.AF_INET6


@pytest.fixture
def platform(aws):  # noqa: F811
    for address in ADDRESSES:
        made = subprocess.run(["ip", "addr", "add", address, "dev", "lo", *(["nodad"] if ":" in address else [])],
                              capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"{address} cannot be had here: {made.stderr}")
    keys = aws.client(ANN, "sts").assume_role(RoleArn=arn("reader"), RoleSessionName="pod")["Credentials"]
    Platform.asked.clear()
    servers = Platform(("0.0.0.0", 80), Platform.Handler), Platform6(("::", 80), Platform.Handler)
    for made in servers:
        made.aws = aws
        made.keys = json.dumps({"AccessKeyId": keys["AccessKeyId"], "SecretAccessKey": keys["SecretAccessKey"],
                                "Token": keys["SessionToken"],
                                "Expiration": keys["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()
        threading.Thread(target=made.serve_forever, daemon=True).start()
    yield Platform
    for made in servers:
        made.shutdown()
        made.server_close()


ECS, EKS = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"
WITH_TOKEN = {"AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN}


@pytest.mark.parametrize("env,address", [
    ({"AWS_EC2_METADATA_DISABLED": "false"}, "169.254.169.254"),
    ({"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}, "fd00:ec2::254"),
    ({ECS: "/v2/keys"}, "169.254.170.2"),
    ({EKS: "http://169.254.170.23/v1/credentials", **WITH_TOKEN}, "169.254.170.23"),
    ({EKS: "http://[fd00:ec2::23]/v1/credentials", **WITH_TOKEN}, "fd00:ec2::23"),
], ids=["instance", "instance by IPv6", "ECS", "EKS", "EKS by IPv6"])
def test_keys_of_the_platform(aws, place, platform, env, address):  # noqa: F811
    point = place.mount(AP, options(aws), env={"AWS_SHARED_CREDENTIALS_FILE": "/dev/null", **env})
    assert (point / "file.csv").read_bytes() == b"content"
    assert set(platform.asked) == {address}


def test_a_proxy_is_not_asked(aws, place, platform):  # noqa: F811
    point = place.mount(AP, options(aws), env={
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "false",
        "http_proxy": "http://127.0.0.1:9", "no_proxy": "localhost,.localhost"})
    assert (point / "file.csv").read_bytes() == b"content"

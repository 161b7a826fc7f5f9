"""A mount whose keys come from a container's credential endpoint (Amazon ECS, EKS Pod Identity)."""
import http.server
import json
import threading
from pathlib import Path

import pytest
from mounting import AP_ARN, options

AUTHORIZATION = "authorization-token-of-the-pod"
SESSION_TOKEN = "example-session-token-of-role-demo" + "/" * 54 + "0001"
SECRET = "example/secret+of/role/demo/000000000000"


class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization") == AUTHORIZATION
        body = json.dumps({"AccessKeyId": "ASIAEXAMPLEDEMOROLE1", "SecretAccessKey": SECRET,
                           "Token": SESSION_TOKEN,
                           "Expiration": "2099-01-01T00:00:00Z"} if known else {}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def container(place):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    token = place.dir / "token"
    token.write_text(AUTHORIZATION)
    yield {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.server_port}/v1/credentials",
           "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
           "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "HOME": str(place.dir)}
    server.shutdown()
    thread.join()
    server.server_close()


def test_reads_with_the_keys_of_the_endpoint(emu, place, container):
    point = place.mount(AP_ARN, options(emu), env=container)
    assert (point / "sample2.csv").read_bytes() == b"a,b\n1,2\n"


def test_a_refused_token_is_one_line_without_it(emu, place, container):
    Path(container["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).write_text("of-another-pod")
    result, point = place.try_mount(AP_ARN, options(emu), env=container)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "container credentials: 127.0.0.1 answered with status 401" in result.stderr
    assert "of-another-pod" not in result.stderr and "/v1/credentials" not in result.stderr
    assert not point.is_mount()


def told(container):
    return (f"container-credentials-uri={container['AWS_CONTAINER_CREDENTIALS_FULL_URI']}",
            f"container-token-file={container['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE']}")


def without(container):
    return {name: value for name, value in container.items() if "CONTAINER" not in name}


def test_options_say_what_the_environment_does_not(emu, place, container):
    point = place.mount(AP_ARN, options(emu, *told(container)), env=without(container))
    assert (point / "sample2.csv").read_bytes() == b"a,b\n1,2\n"


def test_they_go_ahead_of_the_environment(emu, place, container):
    wrong = without(container) | {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/nothing",
                                  "AWS_CONTAINER_AUTHORIZATION_TOKEN": "of-another-pod"}
    point = place.mount(AP_ARN, options(emu, *told(container)), env=wrong)
    assert (point / "sample2.csv").read_bytes() == b"a,b\n1,2\n"


@pytest.mark.parametrize("words,why", [
    (["container-credentials-uri=http://203.0.113.1/secret-path"], "203.0.113.1"),
    (["container-credentials-uri=ftp://nowhere/secret-path"], "container credentials"),
    (["container-token-file=relative"], "option 'container-token-file' takes an absolute path")])
def test_a_bad_address_is_told_without_it(emu, place, container, words, why):
    result, point = place.try_mount(AP_ARN, options(emu, *words), env=without(container))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1 and why in result.stderr
    assert "secret-path" not in result.stderr
    assert not point.is_mount()

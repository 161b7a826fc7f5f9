"""Starts an S3 server of somebody else: moto's, which verifies signatures, or the one that
OTHER_SERVER names, a command in which {port}, {data}, {access} and {secret} are filled in."""
import contextlib
import json
import os
import pathlib
import shlex
import socket
import subprocess
import sys
import tempfile
import time

import boto3
import botocore.config
import faults_before

MOTO = pathlib.Path(sys.executable).with_name("moto_server")
SET_UP_CALLS = 3  # made before moto starts to check signatures
COMMAND = os.environ.get("OTHER_SERVER", "")
COMMANDS_KEYS = ("AKIAEXAMPLEOTHER0001", "example-secret-of-the-other-server-000001")
BUCKET = "test-bucket-1"  # as in the emulator's world


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def client(service, url, key, secret, **config):
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", aws_access_key_id=key,
                        aws_secret_access_key=secret,
                        config=botocore.config.Config(s3={"addressing_style": "path"}, **config))


def make_user(url):
    """A user who may do everything, with SET_UP_CALLS calls; its keys."""
    iam = client("iam", url, "anything", "goes-at-first")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps(
        {"Version": "2012-10-17",
         "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
    return key["AccessKeyId"], key["SecretAccessKey"]


def wait_for(port, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise RuntimeError("the server did not start")


def command(port, data):
    if not COMMAND:
        return [str(MOTO), "-H", "127.0.0.1", "-p", str(port)]
    access, secret = COMMANDS_KEYS
    return [w.format(port=port, data=data, access=access, secret=secret) for w in shlex.split(COMMAND)]


@contextlib.contextmanager
def running():
    """(URL, (access key id, secret)) of a server with an empty state."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="s3apfs-other-") as data:
        process = subprocess.Popen(
            command(port, data), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=dict(os.environ, INITIAL_NO_AUTH_ACTION_COUNT=str(SET_UP_CALLS)))
        try:
            wait_for(port, process)
            url = f"http://127.0.0.1:{port}"
            yield url, COMMANDS_KEYS if COMMAND else make_user(url)
        finally:
            process.terminate()
            process.wait(timeout=30)


class OtherServer:
    """What a test of any server needs, as the emulator has it; `faulty` with faults and a log of the mount's
    requests, which a proxy has. What the test itself asks does not go through it."""
    has_admin = False
    mount_options = ("path-style",)
    slowness = 1 if COMMAND else 2  # how much less of random work is done against it

    def __init__(self, url, keys, faulty=False):
        self.endpoint, self.owner_keys = url, keys
        self.port = int(url.rsplit(":", 1)[1])
        # Bytes are compared by the tests; not every server knows their checksum after a copy of ranges.
        self.owner = client("s3", url, *keys,
                            response_checksum_validation="when_required" if COMMAND else "when_supported")
        self.owner.create_bucket(Bucket=BUCKET)
        if faulty:
            self.proxy = faults_before.Proxy(self.port)
            self.port, self.has_admin, self.admin = self.proxy.port, True, self.proxy.faults.admin
            self.endpoint = f"http://127.0.0.1:{self.port}"

    def stop(self):
        if self.has_admin:
            self.proxy.stop()

"""Starts s3apfs-emulator for a test and talks to its administration endpoint."""
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARIANT = os.environ.get("VARIANT", "release")
BIN = ROOT / "build" / VARIANT / "bin"
# Mount tests look at the client: their emulator may be a faster build.
EMULATOR = ROOT / "build" / os.environ.get("EMULATOR_VARIANT", VARIANT) / "bin" / "s3apfs-emulator"
WORLD = ROOT / "tests" / "worlds" / "seed_000_001.json"

ADMINS = {  # of the world above: account -> (access key id, secret)
    "111111111111": ("AKIAEXAMPLEADMIN0001", "example/secret+of/admin/111111111111/0000"),
    "222222222222": ("AKIAEXAMPLEADMIN0002", "example/secret+of/admin/222222222222/0000"),
    "333333333333": ("AKIAEXAMPLEADMIN0003", "example/secret+of/admin/333333333333/0000"),
}
SESSIONS = {  # role -> (access key id, secret, session token)
    "demo": ("ASIAEXAMPLEDEMOROLE1", "example/secret+of/role/demo/000000000000",
             "example-session-token-of-role-demo" + "/" * 54 + "0001"),
    "usera": ("ASIAEXAMPLEUSERA0000", "example/secret+of/sagemaker/usera/0000000",
              "example-session-token-of-sagemaker-usera-role" + "/" * 42 + "0001"),
    "userb": ("ASIAEXAMPLEUSERB0000", "example/secret+of/sagemaker/userb/0000000",
              "example-session-token-of-sagemaker-userb-role" + "/" * 42 + "0001"),
}


class Emulator:
    """One emulator process over a configuration (a path or a dictionary)."""
    has_admin = True  # faults and a log of requests
    mount_options = ()
    slowness = 1
    owner_keys = ADMINS["222222222222"]

    def __init__(self, config=WORLD, tls=None):
        self.dir = tempfile.TemporaryDirectory(prefix="s3apfs-emulator-")
        top = pathlib.Path(self.dir.name)
        if isinstance(config, dict):
            path = top / "world.json"
            path.write_text(json.dumps(config))
        else:
            path = pathlib.Path(config)
        self.log_path = top / "log"
        self.ready = top / "ready"
        command = [str(EMULATOR), "--config", str(path), "--port", "0",
                   "--data", str(top / "data"), "--ready-file", str(self.ready)]
        if tls:
            command += ["--tls-cert", str(tls[0]), "--tls-key", str(tls[1])]
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL)
        self.ports = self._wait()
        self.port = self.ports["port"]
        self.scheme = "https" if tls else "http"
        self.endpoint = f"{self.scheme}://localhost:{self.port}"

    def _wait(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.ready.exists() and self.ready.stat().st_size:
                return json.loads(self.ready.read_text())
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError("the emulator did not start: " + self.log_path.read_text())

    def vpce_port(self, endpoint_id):
        return self.ports["endpoints"][endpoint_id]

    def admin(self, method, path, body=None):
        """A request to the administration endpoint; the decoded reply or None."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://localhost:{self.port}/_emulator/{path}",
                                         data=data, method=method)
        with urllib.request.urlopen(request, timeout=30) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def client(self, keys, service="s3", **config):
        """boto3's client for these keys (with or without a session's token); no repeats by itself."""
        import boto3
        from botocore.config import Config
        config.setdefault("retries", {"max_attempts": 1})
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1",
                            aws_access_key_id=keys[0], aws_secret_access_key=keys[1],
                            aws_session_token=keys[2] if len(keys) > 2 else None,
                            config=Config(**config))

    def stop(self):
        """Ends the process; anything but a clean end, or a sanitizer's report, is an error."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "no end within 60 s"
        self.log.close()
        text = self.log_path.read_text(errors="replace")
        self.dir.cleanup()
        if code != 0 or "Sanitizer" in text:
            raise RuntimeError(f"the emulator ended with {code}: {text[-8000:]}")


@contextlib.contextmanager
def with_object(config, keys, bucket, key="file.csv", body=b"content"):
    """An emulator whose bucket has one object, put with these keys."""
    instance = Emulator(config)
    try:
        instance.client(keys).put_object(Bucket=bucket, Key=key, Body=body)
        yield instance
    finally:
        instance.stop()

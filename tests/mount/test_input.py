"""What users get wrong: one clear line and the right exit code, nothing mounted."""
import json
import os
import socket
import subprocess
import time

import pytest
from emulator import BIN, Emulator, WORLD
from mounting import AP_ARN, options


def refused(place, source, words, code, *expected, env=None):
    result, point = place.try_mount(source, words, env=env)
    lines = [l for l in result.stderr.splitlines() if l]
    assert result.returncode == code, (result.returncode, result.stderr)
    assert len(lines) == 1, result.stderr
    for text in expected:
        assert text in lines[0], lines[0]
    assert not os.path.ismount(point)
    return lines[0]


@pytest.mark.parametrize("source,expected", [
    ("arn:aws:s3:us-east-1:222222222222", "ARN"),
    ("arn:aws:s3:us-east-1:22222222222:accesspoint/ap", "account"),
    ("arn:aws:s3:us-east-1:222222222222:accesspoint/Test-Ap-1", "test-ap-1"),
    ("arn:aws:s3:us-east-1: 222222222222:accesspoint/test-ap-1", "blank"),
    ("arn:aws:sqs:us-east-1:222222222222:queue", "S3"),
    ("s3://", "bucket"),
    ("nonsense", "nonsense"),
])
def test_malformed_source(emu, place, source, expected):
    assert expected.lower() in refused(place, source, options(emu, "profile=demo"), 2).lower()


@pytest.mark.parametrize("words,expected", [
    (["no-such-option"], "unknown option 'no-such-option'"),
    (["metadata-ttl=soon"], "'soon' is not a duration"),
    (["memory=1"], "out of range"),
    (["endpoint-url=localhost"], "is not a URL"),
    (["account=12"], "12 digits"),
    (["audit-log=x"], "not supported by this version"),
    (["permission=all"], "is not one of"),
    (["profile=nobody-here"], "no profile 'nobody-here'"),
    (["path-style"], "Path-style addressing cannot be used with ARN buckets"),
    (["access=grants"], "grants name buckets"),
])
def test_bad_options(emu, place, words, expected):
    base = [] if any("profile" in w or "endpoint" in w for w in words) else ["profile=demo"]
    code = 1 if "profile=" in words[0] or words == ["path-style"] else 2
    refused(place, AP_ARN, ["region=us-east-1", *base, *words], code, expected)


@pytest.mark.parametrize("text,line,expected", [
    ("[mount]\nno-such = 1\n[dir a]\nsource = s3://b\n", 2, "unknown option 'no-such'"),
    ("[dir a]\nsource = s3://b\nno-such = 1\n", 3, "unknown option 'no-such'"),
    ("[dir a]\nsource = s3://b\n[dir a]\nsource = s3://c\n", 3, "already"),
    ("[dir a]\nregion = x\n", 1, "no source"),
    ("[dir a]\nsource = s3://b\nsource = s3://c\n", 3, "twice"),
    ("[dir ../x]\nsource = s3://b\n", 1, "relative name"),
    ("[nothing]\n", 1, "unknown section"),
    ("[dir a\nsource = s3://b\n", 1, "expected"),
    ("source = s3://b\n", 1, "before the first section"),
    ("[dir a]\nsource = arn:aws:s3:us-east-1:222222222222:accesspoint/UPPER\n", 1, "lower case"),
    ("[dir a]\nmemory = 64M\nsource = s3://b\n", 2, "whole mount"),
    ("[dir a]\nsource = s3://bbb\n[dir a/b]\nsource = s3://ccc\n", 3, "inside another"),
    ("[dir a/b]\nsource = s3://bbb\n[dir a]\nsource = s3://ccc\n", 3, "inside another"),
])
def test_bad_configuration_names_file_and_line(place, text, line, expected):
    path = place.dir / "bad.conf"
    path.write_text(text)
    message = refused(place, path, ["region=us-east-1", "profile=demo"], 2, expected)
    assert f"bad.conf:{line}:" in message


def test_configuration_that_cannot_be_read(place):
    refused(place, place.dir / "absent.conf", [], 2, "absent.conf", "No such file")
    (place.dir / "empty.conf").write_text("")
    refused(place, place.dir / "empty.conf", [], 2, "nothing to mount")


def test_mount_point_missing_or_no_directory(emu, place):
    result = place.run("mount", AP_ARN, place.dir / "nowhere" / "at-all", "-o",
                       ",".join(options(emu, "profile=demo")))
    assert result.returncode == 1 and "No such file" in result.stderr
    result = place.run("mount", AP_ARN, place.dir / "nowhere", "-o",
                       ",".join(options(emu, "profile=demo")))
    assert result.returncode == 1 and "No such file" in result.stderr
    (place.dir / "file").write_text("")
    result = place.run("mount", AP_ARN, place.dir / "file", "-o",
                       ",".join(options(emu, "profile=demo")))
    assert result.returncode == 1 and "not a directory" in result.stderr


def test_mount_point_busy(emu, place):
    point = place.mount(AP_ARN, options(emu, "profile=demo"))
    result = place.run("mount", AP_ARN, point, "-o", ",".join(options(emu, "profile=demo")))
    assert result.returncode == 1 and "already" in result.stderr


def test_no_credentials(emu, place):
    line = refused(place, AP_ARN, options(emu), 1,
                   env={"AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "HOME": str(place.dir)})
    assert "credentials" in line


def test_half_a_key_in_the_environment(emu, place):
    refused(place, AP_ARN, options(emu), 1, "AWS_SECRET_ACCESS_KEY",
            env={"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEHALF00001"})


def test_unknown_key_and_wrong_secret(emu, place):
    refused(place, AP_ARN, options(emu), 3, "InvalidAccessKeyId",
            env={"AWS_ACCESS_KEY_ID": "AKIANOBODYKNOWSIT001", "AWS_SECRET_ACCESS_KEY": "x" * 40})
    line = refused(place, AP_ARN, options(emu), 3, "SignatureDoesNotMatch",
                   env={"AWS_ACCESS_KEY_ID": "AKIAEXAMPLESCIENT001",
                        "AWS_SECRET_ACCESS_KEY": "wrong-secret-of-forty-characters-0000000"})
    assert "wrong-secret" not in line


def test_token_missing_or_wrong(emu, place):
    env = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLEDEMOROLE1",
           "AWS_SECRET_ACCESS_KEY": "example/secret+of/role/demo/000000000000"}
    refused(place, AP_ARN, options(emu), 3, env=dict(env, AWS_SESSION_TOKEN="not-the-token"))


def test_expired_token(place):
    lately = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))
    world = json.loads(WORLD.read_text())
    for account in world["accounts"]:
        for role in account.get("roles", []):
            for session in role.get("sessions", []):
                session["expires"] = lately
    own = Emulator(world)
    try:
        refused(place, AP_ARN, options(own, "profile=demo"), 3, "ExpiredToken")
    finally:
        own.stop()


def test_credential_process(emu, place):
    script = place.dir / "keys.sh"
    script.write_text("""#!/bin/sh
cat <<END
{"Version": 1, "AccessKeyId": "ASIAEXAMPLEDEMOROLE1",
 "SecretAccessKey": "example/secret+of/role/demo/000000000000",
 "SessionToken": "%s", "Expiration": "2099-01-01T00:00:00Z"}
END
""" % ("example-session-token-of-role-demo" + "/" * 54 + "0001"))
    script.chmod(0o755)
    (place.dir / "config").write_text(f"[profile made]\ncredential_process = {script}\n"
                                      "region = us-east-1\n")
    point = place.mount(AP_ARN, options(emu, "profile=made"))
    assert (point / "sample2.csv").read_bytes() == b"a,b\n1,2\n"
    script.write_text("#!/bin/sh\necho the token server is down >&2\nexit 3\n")
    refused(place, AP_ARN, options(emu, "profile=made"), 1, "credential_process",
            "the token server is down")


def test_wrong_region_of_an_arn(emu, place):
    refused(place, AP_ARN.replace("us-east-1", "eu-west-3"), options(emu, "profile=demo"), 1)


def test_absent_bucket_and_access_point(emu, place):
    refused(place, "s3://there-is-no-such-bucket", options(emu, "profile=demo", "path-style"), 1,
            "NoSuchBucket")
    refused(place, AP_ARN.replace("test-ap-1", "absent-ap"), options(emu, "profile=demo"), 1,
            "NoSuchAccessPoint")


def test_unknown_host(place):
    refused(place, "s3://bucket", ["endpoint-url=http://no-such-host.invalid", "region=us-east-1",
                                   "profile=demo", "deadline=3s"], 1, "no-such-host.invalid")


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_closed_port(place):
    refused(place, "s3://bucket", [f"endpoint-url=http://127.0.0.1:{closed_port()}",
                                   "region=us-east-1", "profile=demo", "deadline=3s"], 1)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    top = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,DNS:test-ap-1-222222222222.localhost",
                    "-keyout", str(top / "key.pem"), "-out", str(top / "cert.pem")],
                   check=True, capture_output=True)
    return top / "cert.pem", top / "key.pem"


def test_tls_is_verified(place, certificate):
    own = Emulator(tls=certificate)
    try:
        refused(place, AP_ARN, options(own, "profile=demo", "deadline=5s"), 1, "ertificate")
        point = place.mount(AP_ARN, options(own, "profile=demo", f"ca-bundle={certificate[0]}"))
        assert os.listdir(point) == []
        place.umount(point)
    finally:
        own.stop()


def test_usage(place):
    assert place.run().returncode == 2
    assert place.run("no-such-command").returncode == 2
    assert place.run("mount", "x").returncode == 2
    assert place.run("umount").returncode == 2
    assert place.run("umount", place.dir).returncode == 1
    assert place.run("status", place.dir).returncode == 1
    assert place.run("--version").stdout.startswith("s3apfs ")
    for command in ("mount", "umount", "status", "explain", "grants"):
        result = place.run(command, "--help")
        assert result.returncode == 0 and "usage:" in result.stdout


def test_mount_helper(emu, place):
    """As mount(8) calls it: its words, its exit codes."""
    helper = place.dir / "mount.s3apfs"
    helper.symlink_to(BIN / "s3apfs")
    point = place.mount_point()

    def call(*args):
        return subprocess.run([str(helper), *map(str, args)], env=place.env, text=True,
                              capture_output=True, timeout=120, check=False)

    words = ",".join(options(emu, "profile=demo", "ro,_netdev,nofail,x-systemd.automount,noatime",
                             "nosuid,nodev", "allow-core"))
    assert call(AP_ARN).returncode == 1
    assert call(AP_ARN, point, "-o", "no-such-option").returncode == 1
    assert call("s3://there-is-no-such-bucket", point, "-o", words + ",path-style").returncode == 32
    assert call(AP_ARN, point, "-f", "-o", words).returncode == 0
    assert not os.path.ismount(point)
    result = call(AP_ARN, point, "-o", words)
    assert result.returncode == 0, result.stderr
    place.mounts.append(point)
    with open("/proc/mounts") as f:
        line = next(l for l in f if str(point) in l).split()
    assert line[0] == AP_ARN and line[2] == "fuse.s3apfs"
    assert {"nosuid", "nodev", "noatime", "ro"} <= set(line[3].split(","))


@pytest.mark.parametrize("line, writable", [("ro = yes", False), ("ro = no", True), ("rw = yes", True)])
def test_read_only_in_a_configuration(emu, place, line, writable):
    point = place.mount(place.config(emu, {"d": [f"source = {AP_ARN}", "profile = demo"]}, line))
    with open("/proc/mounts") as f:
        words = next(l for l in f if str(point) in l).split()[3].split(",")
    assert ("rw" if writable else "ro") in words

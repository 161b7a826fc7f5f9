"""config-file= and credentials-file=: what a mount without a user's environment (fstab, systemd) says instead."""
import os
import subprocess

import pytest
from emulator import ADMINS, BIN, SESSIONS
from mounting import AP_ARN, credentials_text, options

NOWHERE = {"AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_CONFIG_FILE": "/dev/null"}


@pytest.fixture
def files(place):
    """A folder with files that no variable names."""
    folder = place.dir / "etc"
    folder.mkdir()
    (folder / "credentials").write_text(credentials_text())
    (folder / "owner").write_text("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n".format(
        *ADMINS["222222222222"]))
    (folder / "config").write_text("[profile told]\nregion = us-east-1\ncredential_process = "
                                   f"cat {folder}/told\n")
    key, secret, token = SESSIONS["demo"]
    (folder / "told").write_text(f'{{"Version": 1, "AccessKeyId": "{key}", "SecretAccessKey": "{secret}", '
                                 f'"SessionToken": "{token}"}}')
    return folder


def without_region(emu, *more):
    return [w for w in options(emu, *more) if not w.startswith("region=")]


def test_a_credentials_file(emu, place, files):
    point = place.mount(AP_ARN, options(emu, "profile=demo", f"credentials-file={files}/credentials"), env=NOWHERE)
    assert (point / "sample2.csv").read_bytes() == b"a,b\n1,2\n"


def test_a_config_file(emu, place, files):
    """Its Region and its credential_process."""
    point = place.mount(AP_ARN, without_region(emu, "profile=told", f"config-file={files}/config"), env=NOWHERE)
    assert (point / "sample2.csv").read_bytes() == b"a,b\n1,2\n"


def test_each_directory_has_its_own(emu, place, files):
    source = place.config(emu, {
        "demo": [f"source = {AP_ARN}", "profile = demo", f"credentials-file = {files}/credentials"],
        "owner": ["source = s3://test-bucket-1", f"credentials-file = {files}/owner", "path-style = yes"]})
    point = place.mount(source, env=NOWHERE)
    assert (point / "demo" / "sample2.csv").read_bytes() == (point / "owner" / "sample2.csv").read_bytes()
    who = {d["path"]: d["identity"] for d in place.status(point)["directories"]}
    assert "assumed-role/demo/" in who["demo"] and "222222222222" in who["owner"]


def test_by_mount_and_without_an_environment(emu, place, files):
    """As mount(8) starts it at boot."""
    point = place.mount_point()
    words = options(emu, "profile=demo", f"credentials-file={files}/credentials", f"state-dir={place.dir}/state",
                    f"cache-dir={place.dir}/cache", f"log={place.dir}/log")
    result = subprocess.run([BIN / "mount.s3apfs", AP_ARN, point, "-o", ",".join(words)], text=True, check=False,
                            capture_output=True, timeout=120, stdin=subprocess.DEVNULL,
                            env={"PATH": os.environ["PATH"]})
    assert result.returncode == 0, result.stderr
    place.mounts.append(point)
    assert (point / "sample2.csv").read_bytes() == b"a,b\n1,2\n"


@pytest.mark.parametrize("words,said", [
    (["profile=demo", "credentials-file=relative"], "option 'credentials-file' takes an absolute path"),
    (["config-file=~/config"], "option 'config-file' takes an absolute path"),
    (["role-arn=arn:aws:iam::111111111111:role/x", "web-identity-token-file=token"],
     "option 'web-identity-token-file' takes an absolute path"),
    (["credentials-file=/nowhere/at/all"], "credentials-file /nowhere/at/all cannot be read: No such file"),
    (["profile=demo", "credentials-file=/dev/null"], "there is no profile 'demo' in /dev/null or /dev/null"),
])
def test_files_that_are_none(emu, place, words, said):
    result, _ = place.try_mount(AP_ARN, options(emu, *words), env=NOWHERE)
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and said in result.stderr, result.stderr

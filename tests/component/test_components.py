"""Runs the component programs against the emulator and against a server of somebody else."""
import os
import pathlib
import subprocess

import emulator
import other_server
import pytest

PROGRAMS = sorted((pathlib.Path(emulator.BIN).parent / "tests").glob("component-*"))
ACCOUNT = "222222222222"
KEYS = ("AKIAEXAMPLEADMIN0002", "example/secret+of/admin/222222222222/0000")
WORLD = {
    "accounts": [{"id": ACCOUNT, "access-keys": [{"id": KEYS[0], "secret": KEYS[1]}]}],
    "buckets": [{"name": "component-bucket", "account": ACCOUNT}],
    "access-points": [{"name": "component-ap", "account": ACCOUNT, "bucket": "component-bucket"}],
}


def environment(url, keys, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3APFS_"))}
    return dict(env, S3APFS_TEST_URL=url, S3APFS_TEST_KEY=keys[0], S3APFS_TEST_SECRET=keys[1],
                S3APFS_TEST_BUCKET="component-bucket", **more)


@pytest.fixture(scope="module")
def of_emulator():
    instance = emulator.Emulator(WORLD)
    yield environment(
        instance.endpoint, KEYS, S3APFS_TEST_FAULTS="1",
        S3APFS_TEST_ACCESS_POINT=f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/component-ap")
    instance.stop()


@pytest.fixture(scope="module")
def of_other_server():
    with other_server.running() as (url, keys):
        other_server.client("s3", url, *keys).create_bucket(Bucket="component-bucket")
        yield environment(url, keys)


def run(program, env):
    result = subprocess.run([str(program), "-j1"], env=env, text=True, timeout=600,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert result.returncode == 0, result.stdout[-20000:]


def test_there_are_programs():
    assert PROGRAMS


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_with_the_emulator(program, of_emulator):
    run(program, of_emulator)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_with_another_server(program, of_other_server):
    run(program, of_other_server)

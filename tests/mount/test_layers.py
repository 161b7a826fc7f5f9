"""Each policy layer of seed 000 taken out in turn: EACCES, and the layer's own words."""
import json
import os

import pytest
from emulator import Emulator, WORLD
from mounting import AP_ARN, options


def world_without(layer):
    world = json.loads(WORLD.read_text())
    if layer == "identity":
        role = world["accounts"][0]["roles"][0]
        assert role["name"] == "demo"
        del role["policies"]
    elif layer == "access point":
        del world["access-points"][0]["policy"]
    elif layer == "bucket":
        del world["buckets"][0]["policy"]
    elif layer == "endpoint":
        world["vpc-endpoints"][0]["policy"]["Statement"][0]["Action"] = ["s3:PutObject"]
    return world


# AWS tells callers of another account nothing about the endpoint's policy.
WORDS = {"identity": "no identity-based policy allows",
         "access point": "no resource-based policy allows",
         "bucket": "no resource-based policy allows",
         "endpoint": "AccessDenied (HTTP 403): Access Denied"}


@pytest.mark.parametrize("layer", list(WORDS))
def test_missing_layer(place, layer):
    emu = Emulator(world_without(layer))
    try:
        port = emu.vpce_port("vpce-0123456789abcdef0")
        words = [f"endpoint-url=http://localhost:{port}", "region=us-east-1", "profile=demo"]
        point = place.mount(AP_ARN, words)
        with pytest.raises(PermissionError):
            os.listdir(point)
        with pytest.raises(PermissionError):
            (point / "sample2.csv").read_bytes()
        assert WORDS[layer] in place.log(), place.log()
        place.umount(point)
    finally:
        emu.stop()


def test_through_the_endpoint_with_every_layer(place, emu):
    port = emu.vpce_port("vpce-0123456789abcdef0")
    point = place.mount(AP_ARN, [f"endpoint-url=http://localhost:{port}", "region=us-east-1",
                                 "profile=demo"])
    assert (point / "sample2.csv").read_bytes() == b"a,b\n1,2\n"


def test_session_policy_of_a_grant(place, emu):
    """READ asked for, so the vended keys cannot write, though the grant is READWRITE."""
    from mounting import GRANTS_BUCKET
    place.mount(f"s3://{GRANTS_BUCKET}/UserA", options(emu, "access=grants", "profile=usera"))
    asked = [r for r in emu.admin("GET", "requests") if r["operation"] == "GetDataAccess"]
    assert asked and all("READWRITE" not in json.dumps(r) for r in asked)

"""docs/permissions.md, of each way to keys: a mount calls what its row says to get them, else what any calls."""
import os

import pytest
import signon
from test_credentials import ANN, AP, OWNER, PROVIDER, ann, arn, emu, instance_environment, web_environment  # noqa: F401
from test_permissions import READING, TABLE, use
from mounting import options

ROLE, WEB = "`role-arn`, or a profile that is a role", "web identity"
SSO = "single sign-on (IAM Identity Center)"
OTHERS = "instance metadata, a container's endpoint, `credential_process`, keys in a file or the environment"


def calls(emu):  # noqa: F811
    """Without the metadata service, which is none of AWS's interfaces."""
    return {r["operation"].removeprefix("Sso") for r in emu.admin("GET", "requests")
            if not r["operation"].startswith("Metadata")}


def by_role(emu, place):  # noqa: F811
    return ["profile=ann", f"role-arn={arn('reader')}"], {}


def by_chain(emu, place):  # noqa: F811
    (place.dir / "config").write_text(f"[profile r]\nrole_arn = {arn('reader')}\nsource_profile = ann\n")
    return ["profile=r"], {}


def by_web_identity(emu, place):  # noqa: F811
    (place.dir / "token").write_text(PROVIDER.token())
    return [], web_environment(place.dir / "token")


def by_sign_on(emu, place):  # noqa: F811
    (place.dir / "config").write_text(signon.profile("s", OWNER))
    signon.write(place.dir, "token-of-ann", "refresh-of-ann")
    return ["profile=s"], signon.environment(emu, place.dir)


def by_ending_sign_on(emu, place):  # noqa: F811
    made = by_sign_on(emu, place)
    signon.write(place.dir, "token-of-ann", "refresh-of-ann", seconds=60)
    return made


def by_instance(emu, place):  # noqa: F811
    return [], instance_environment(emu)


def by_environment(emu, place):  # noqa: F811
    return [f"role-arn={arn('reader')}", "credential-source=Environment"], {
        "AWS_ACCESS_KEY_ID": ANN[0], "AWS_SECRET_ACCESS_KEY": ANN[1]}


WAYS = {"role": (by_role, ROLE, set()), "chain": (by_chain, ROLE, set()), "environment": (by_environment, ROLE, set()),
        "web identity": (by_web_identity, WEB, set()), "sign-on": (by_sign_on, SSO, {"CreateToken"}),
        "instance": (by_instance, OTHERS, set()), "ending sign-on": (by_ending_sign_on, SSO, set())}


def test_the_rows_are_read():
    assert TABLE[ROLE] == {"AssumeRole"} and TABLE[WEB] == {"AssumeRoleWithWebIdentity"}
    assert TABLE[SSO] == {"GetRoleCredentials", "CreateToken"} and TABLE[OTHERS] == set()


@pytest.mark.parametrize("way", WAYS)
def test_keys(emu, place, ann, way):  # noqa: F811
    make, row, unused = WAYS[way]
    words, env = make(emu, place)
    emu.admin("DELETE", "requests")
    point = place.mount(AP, options(emu, *words), env=env)
    use(point, "file.csv")
    assert calls(emu) == READING | TABLE[row] - unused

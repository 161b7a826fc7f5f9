"""Worlds that are built through AWS's own administration calls.

bare() is what a test starts with: accounts with one administrator each, and
nothing else. Everything a seed describes is then made by boto3 or the AWS CLI.
"""
import json
import uuid

import botocore.exceptions
import pytest

VERSION = "2012-10-17"


def admin(account):
    return ("AKIAADMIN" + account, "administrator/of/" + account)


def bare(*accounts, organization=None, **more):
    """The document of a world with these accounts."""
    world = {"accounts": [{
        "id": account,
        "users": [{"name": "admin",
                   "access-keys": [{"id": admin(account)[0], "secret": admin(account)[1]}],
                   "policies": {"all": policy(allow("*", "*"))}}],
    } for account in accounts]}
    if organization:
        world["organization"] = {"id": "o-" + uuid.uuid4().hex[:10], "accounts": organization}
    world.update(more)
    return world


def policy(*statements):
    return {"Version": VERSION, "Statement": list(statements)}


def allow(actions, resources=None, principal=None, condition=None, effect="Allow"):
    statement = {"Effect": effect, "Action": actions}
    if principal is not None:
        statement["Principal"] = principal
    if resources is not None:
        statement["Resource"] = resources
    if condition is not None:
        statement["Condition"] = condition
    return statement


def trust(principal, condition=None, actions="sts:AssumeRole"):
    return policy(allow(actions, principal=principal, condition=condition))


def text(document):
    return json.dumps(document)


def keys_of(credentials):
    """(id, secret, token) of an AssumeRole or GetDataAccess reply."""
    c = credentials["Credentials"]
    return c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"]


def make_role(iam, name, trust_document, **policies):
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=text(trust_document))["Role"]["Arn"]
    for policy_name, document in policies.items():
        iam.put_role_policy(RoleName=name, PolicyName=policy_name, PolicyDocument=text(document))
    return arn


def make_user(iam, name, **policies):
    """The user's long-lived keys."""
    iam.create_user(UserName=name)
    for policy_name, document in policies.items():
        iam.put_user_policy(UserName=name, PolicyName=policy_name, PolicyDocument=text(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def assume(sts, arn, name="test", **more):
    return keys_of(sts.assume_role(RoleArn=arn, RoleSessionName=name, **more))


class refused:
    """with refused("AccessDenied", ...parts of the message): the call in it fails so."""

    def __init__(self, code, *parts, status=403):
        self.code, self.parts, self.status = code, parts, status

    def __enter__(self):
        self.context = pytest.raises(botocore.exceptions.ClientError)
        self.info = self.context.__enter__()
        return self

    def __exit__(self, *exc):
        done = self.context.__exit__(*exc)
        error = self.info.value.response
        message = error["Error"].get("Message", "")
        assert error["Error"]["Code"] == self.code, message
        assert error["ResponseMetadata"]["HTTPStatusCode"] == self.status
        for part in self.parts:
            assert part in message, message
        return done


def plainly():
    """Denied without a reason."""
    return refused_exactly("Access Denied")


class refused_exactly(refused):
    def __init__(self, message):
        super().__init__("AccessDenied")
        self.message = message

    def __exit__(self, *exc):
        done = super().__exit__(*exc)
        assert self.info.value.response["Error"]["Message"] == self.message
        return done


IDENTITY = "because no identity-based policy allows the {} action"
RESOURCE = "because no resource-based policy allows the {} action"
TRUST = "because no role trust policy allows the sts:AssumeRole action"
ENDPOINT = "because no VPC endpoint policy allows the {} action"

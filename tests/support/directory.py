"""People of a corporate directory: the emulator's description, and sessions that carry who they are."""
INSTANCE = "arn:aws:sso:::instance/ssoins-0123456789abcdef"
PROVIDER = "arn:aws:iam::aws:contextProvider/IdentityCenter"
ANN, BOB = "906756c0a1-11111111-1111-4111-8111-111111111111", "906756c0a1-22222222-2222-4222-8222-222222222222"
TEAM = "906756c0a1-33333333-3333-4333-8333-333333333333"


def described(**more):
    """The world's "sso": ann is in the team, bob is not."""
    return {"instance": INSTANCE, "users": [
        {"name": "ann", "id": ANN, "groups": [TEAM], "context": "assertion-of-ann"},
        {"name": "bob", "id": BOB, "context": "assertion-of-bob"}], **more}


def assume(sts, role, user, name="app"):
    """The reply of AssumeRole with that user's identity context; None: without."""
    more = {"ProvidedContexts": [{"ProviderArn": PROVIDER, "ContextAssertion": f"assertion-of-{user}"}]} if user else {}
    return sts.assume_role(RoleArn=role, RoleSessionName=name, **more)

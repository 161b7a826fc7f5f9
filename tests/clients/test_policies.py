"""Seeds 000, 003 and 004, built by boto3: what the policies allow, and each layer removed in turn."""
import types

import emulator as support
import pytest
from scenario import (ENDPOINT, IDENTITY, RESOURCE, TRUST, admin, allow, assume, bare, make_role,
                      make_user, plainly, policy, refused, text, trust)

pytestmark = pytest.mark.subdomains

REGION = "us-east-1"


@pytest.fixture(autouse=True)
def undisturbed():
    """Every test has an emulator of its own: nothing to put back."""


# --- seed 000: an access point of another account ---------------------------------------------------

A, B = "111111111111", "222222222222"
VPCE = "vpce-0123456789abcdef0"
VPC = "vpc-0123456789abcdef0"
AP = f"arn:aws:s3:{REGION}:{B}:accesspoint/test-ap-1"
BUCKET = "test-bucket-1"
BUCKET_ARN = f"arn:aws:s3:::{BUCKET}"
FOUR = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:PutObjectAcl"]
DEMO = f"arn:aws:iam::{A}:role/demo"
ENDPOINT_POLICY = policy(allow(["s3:Get*", "s3:List*", "s3:Put*"],
                               [AP, AP + "/object/*", BUCKET_ARN, BUCKET_ARN + "/*"], "*"))

# --- seeds 003 and 004 --------------------------------------------------------------------------------

A3, B3 = "123456789010", "111122223333"
A4, B4 = "444444444444", "555555555555"


@pytest.fixture
def emulator():
    e = support.Emulator(bare(A, B, A3, B3, A4, B4, organization=[A, B, A4, B4], **{
        "vpc-endpoints": [{"id": VPCE, "vpc": VPC, "port": 0, "policy": ENDPOINT_POLICY}]}))
    yield e
    e.stop()


def ap_policy(actions):
    return policy(allow(actions, [AP, AP + "/object/*"], {"AWS": DEMO}))


def role_policy(actions):
    return policy(allow(actions, [AP, AP + "/object/*", BUCKET_ARN, BUCKET_ARN + "/*"]))


def bucket_policy(actions):
    return policy(allow(actions, [BUCKET_ARN, BUCKET_ARN + "/*"], {"AWS": DEMO},
                        {"StringEquals": {"s3:DataAccessPointAccount": B}}))


@pytest.fixture
def seed_000(emulator, connect):
    """The literal policies of the article; `complete` adds what its own test needs."""
    w = types.SimpleNamespace()
    w.s3b = connect("s3", keys=admin(B))
    w.control = connect("s3control", keys=admin(B))
    w.iam = connect("iam", keys=admin(A))
    w.s3b.create_bucket(Bucket=BUCKET)
    w.s3b.put_object(Bucket=BUCKET, Key="sample2.csv", Body=b"a,b\n1,2\n")
    w.alias = w.control.create_access_point(AccountId=B, Name="test-ap-1", Bucket=BUCKET)["Alias"]
    w.iam.create_user(UserName="scientist")
    made = w.iam.create_access_key(UserName="scientist")["AccessKey"]
    w.iam.put_user_policy(UserName="scientist", PolicyName="assume",
                          PolicyDocument=text(policy(allow("sts:AssumeRole", DEMO))))
    make_role(w.iam, "demo", trust({"AWS": f"arn:aws:iam::{A}:user/scientist"}),
              AmazonSagemakerFullAccess=role_policy(FOUR))

    def put_all(ap=FOUR, bucket=("s3:GetObject", "s3:ListBucket"), role=FOUR):
        w.control.put_access_point_policy(AccountId=B, Name="test-ap-1", Policy=text(ap_policy(ap)))
        w.s3b.put_bucket_policy(Bucket=BUCKET, Policy=text(bucket_policy(list(bucket))))
        w.iam.put_role_policy(RoleName="demo", PolicyName="AmazonSagemakerFullAccess",
                              PolicyDocument=text(role_policy(role)))

    w.put_all = put_all
    put_all()
    scientist = (made["AccessKeyId"], made["SecretAccessKey"])
    w.keys = assume(connect("sts", keys=scientist), DEMO, "DemoNotebookInstance")
    w.demo = connect("s3", keys=w.keys)
    w.inside = connect("s3", keys=w.keys, port=emulator.vpce_port(VPCE))
    return w


def test_000_literal_policies_read_a_known_key_by_arn_and_alias_and_nothing_else(seed_000):
    w = seed_000
    assert w.inside.get_object(Bucket=AP, Key="sample2.csv")["Body"].read() == b"a,b\n1,2\n"
    assert w.inside.head_object(Bucket=w.alias, Key="sample2.csv")["ContentLength"] == 8
    with refused("AccessDenied", "s3:ListBucket", IDENTITY.format("s3:ListBucket")):
        w.demo.list_objects_v2(Bucket=AP)
    with refused("AccessDenied", BUCKET_ARN, RESOURCE.format("s3:PutObject")):
        w.demo.put_object(Bucket=AP, Key="new", Body=b"x")
    with refused("AccessDenied", IDENTITY.format("s3:DeleteObject")):
        w.demo.delete_object(Bucket=AP, Key="sample2.csv")
    with refused("AccessDenied", RESOURCE.format("s3:GetObject")):
        w.demo.get_object(Bucket=BUCKET, Key="sample2.csv")


def test_000_completed_policies_list_and_write(seed_000):
    w = seed_000
    w.put_all(ap=FOUR + ["s3:ListBucket"], role=FOUR + ["s3:ListBucket"],
              bucket=("s3:GetObject", "s3:ListBucket", "s3:PutObject"))
    assert [o["Key"] for o in w.inside.list_objects_v2(Bucket=AP)["Contents"]] == ["sample2.csv"]
    w.inside.put_object(Bucket=AP, Key="new", Body=b"x")
    assert [o["Key"] for o in w.inside.list_objects_v2(Bucket=w.alias)["Contents"]] == [
        "new", "sample2.csv"]


def test_000_every_layer_removed_in_turn(seed_000):
    w = seed_000
    w.control.delete_access_point_policy(AccountId=B, Name="test-ap-1")
    with refused("AccessDenied", f'"{AP}/object/sample2.csv"', RESOURCE.format("s3:GetObject")):
        w.inside.get_object(Bucket=AP, Key="sample2.csv")
    w.put_all()
    w.s3b.delete_bucket_policy(Bucket=BUCKET)
    with refused("AccessDenied", f'"{BUCKET_ARN}/sample2.csv"', RESOURCE.format("s3:GetObject")):
        w.inside.get_object(Bucket=AP, Key="sample2.csv")
    w.put_all()
    w.iam.delete_role_policy(RoleName="demo", PolicyName="AmazonSagemakerFullAccess")
    with refused("AccessDenied", f'"{AP}/object/sample2.csv"', IDENTITY.format("s3:GetObject")):
        w.inside.get_object(Bucket=AP, Key="sample2.csv")
    w.put_all()
    assert w.inside.get_object(Bucket=AP, Key="sample2.csv")["ContentLength"] == 8


def test_000_the_endpoint_policy_is_a_layer_that_keeps_quiet_across_accounts(seed_000, emulator,
                                                                             connect):
    w = seed_000
    more = FOUR + ["s3:DeleteObject"]
    w.put_all(ap=more, role=more, bucket=("s3:GetObject", "s3:DeleteObject"))
    with plainly():
        w.inside.delete_object(Bucket=AP, Key="sample2.csv")
    owner = connect("s3", keys=admin(B), port=emulator.vpce_port(VPCE))
    with refused("AccessDenied", ENDPOINT.format("s3:DeleteObject")):
        owner.delete_object(Bucket=BUCKET, Key="sample2.csv")
    w.demo.delete_object(Bucket=AP, Key="sample2.csv")


def test_000_a_missing_key_is_told_to_who_may_list(seed_000):
    w = seed_000
    with refused("AccessDenied"):
        w.demo.get_object(Bucket=AP, Key="missing")
    w.put_all(ap=FOUR + ["s3:ListBucket"], role=FOUR + ["s3:ListBucket"])
    with refused("NoSuchKey", status=404):
        w.demo.get_object(Bucket=AP, Key="missing")


def test_000_conditions_on_the_endpoint_and_the_vpc(seed_000):
    """000-M14: endpoint and VPC are what policies see of a connection."""
    w = seed_000
    for condition in ({"StringEquals": {"aws:SourceVpce": VPCE}},
                      {"StringEquals": {"aws:SourceVpc": VPC}},
                      {"StringEquals": {"aws:PrincipalOrgID": "o-other"}}):
        w.control.put_access_point_policy(AccountId=B, Name="test-ap-1", Policy=text(policy(
            allow("s3:GetObject", AP + "/object/*", {"AWS": DEMO}, condition))))
        with refused("AccessDenied", RESOURCE.format("s3:GetObject")):
            w.demo.get_object(Bucket=AP, Key="sample2.csv")
        if "aws:PrincipalOrgID" not in condition["StringEquals"]:
            w.inside.get_object(Bucket=AP, Key="sample2.csv")


def test_000_explicit_deny_is_named(seed_000):
    w = seed_000
    w.s3b.put_bucket_policy(Bucket=BUCKET, Policy=text(policy(
        bucket_policy(["s3:GetObject"])["Statement"][0],
        allow("s3:*", [BUCKET_ARN + "/*"], "*", {"StringNotEquals": {"aws:SourceVpce": VPCE}},
              effect="Deny"))))
    w.inside.get_object(Bucket=AP, Key="sample2.csv")
    with refused("AccessDenied", "with an explicit deny in a resource-based policy"):
        w.demo.get_object(Bucket=AP, Key="sample2.csv")


def test_000_clean_up_ends_access(seed_000):
    w = seed_000
    w.control.delete_access_point(AccountId=B, Name="test-ap-1")
    with pytest.raises(w.demo.exceptions.ClientError) as e:
        w.demo.get_object(Bucket=AP, Key="sample2.csv")
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


# --- seed 003: the access point's owner is not the bucket's -----------------------------------------------

NAME3 = "janes-researchdata-access-point"
REGION3 = "eu-west-3"
AP3 = f"arn:aws:s3:{REGION3}:{B3}:accesspoint/{NAME3}"


@pytest.fixture
def seed_003(connect):
    w = types.SimpleNamespace()
    w.s3a = connect("s3", keys=admin(A3), region=REGION3)
    w.s3a.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION3})
    for key in ("ResearchData/one", "ResearchData/two", "Other/x"):
        w.s3a.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    w.control = connect("s3control", keys=admin(B3), region=REGION3)
    w.control.create_access_point(AccountId=B3, Name=NAME3, Bucket=BUCKET, BucketAccountId=A3)
    w.iam = connect("iam", keys=admin(B3))
    w.jane = connect("s3", keys=make_user(w.iam, "Jane"), region=REGION3)
    w.other = connect("s3", keys=make_user(w.iam, "Other"), region=REGION3)

    def delegate():
        w.s3a.put_bucket_policy(Bucket=BUCKET, Policy=text(policy(
            allow("s3:GetObject", [BUCKET_ARN, BUCKET_ARN + "/*"], {"AWS": "*"},
                  {"StringEquals": {"s3:DataAccessPointAccount": B3}}))))

    def name_jane():
        w.control.put_access_point_policy(AccountId=B3, Name=NAME3, Policy=text(policy(
            allow("s3:GetObject", AP3 + "/object/ResearchData/*",
                  {"AWS": f"arn:aws:iam::{B3}:user/Jane"}))))

    w.delegate, w.name_jane = delegate, name_jane
    return w


def test_003_jane_reads_below_the_prefix_and_nothing_else(seed_003):
    w = seed_003
    w.name_jane()
    with plainly():  # the bucket's owner has not delegated yet, and is a stranger
        w.jane.get_object(Bucket=AP3, Key="ResearchData/one")
    w.delegate()
    assert w.jane.get_object(Bucket=AP3, Key="ResearchData/one")["Body"].read() == b"ResearchData/one"
    for key in ("Other/x", "/ResearchData/", "ResearchData"):
        with refused("AccessDenied"):
            w.jane.get_object(Bucket=AP3, Key=key)
    for call in (w.jane.list_objects, w.jane.list_objects_v2):
        with refused("AccessDenied"):
            call(Bucket=AP3, Prefix="ResearchData/")
    with refused("AccessDenied"):
        w.jane.get_object(Bucket=BUCKET, Key="ResearchData/one")
    with refused("AccessDenied"):
        w.other.get_object(Bucket=AP3, Key="ResearchData/one")


def test_003_the_bucket_owner_keeps_the_last_word(seed_003):
    w = seed_003
    w.name_jane()
    w.delegate()
    w.jane.get_object(Bucket=AP3, Key="ResearchData/one")
    w.s3a.delete_bucket_policy(Bucket=BUCKET)
    with plainly():
        w.jane.get_object(Bucket=AP3, Key="ResearchData/one")


def test_003_expected_owner_is_the_buckets(seed_003):
    w = seed_003
    w.name_jane()
    w.delegate()
    w.jane.get_object(Bucket=AP3, Key="ResearchData/one", ExpectedBucketOwner=A3)
    with plainly():
        w.jane.get_object(Bucket=AP3, Key="ResearchData/one", ExpectedBucketOwner=B3)


def test_003_requester_pays(seed_003):
    w = seed_003
    w.name_jane()
    w.delegate()
    w.s3a.put_bucket_request_payment(Bucket=BUCKET, RequestPaymentConfiguration={"Payer": "Requester"})
    with plainly():
        w.jane.get_object(Bucket=AP3, Key="ResearchData/one")
    w.jane.get_object(Bucket=AP3, Key="ResearchData/one", RequestPayer="requester")
    w.s3a.get_object(Bucket=BUCKET, Key="ResearchData/one")


def test_003_objects_by_tag(seed_003):
    w = seed_003
    w.delegate()
    w.control.put_access_point_policy(AccountId=B3, Name=NAME3, Policy=text(policy(
        allow("s3:GetObject", AP3 + "/object/*", {"AWS": f"arn:aws:iam::{B3}:user/Jane"},
              {"StringEquals": {"s3:ExistingObjectTag/class": "open"}}))))
    with refused("AccessDenied"):
        w.jane.get_object(Bucket=AP3, Key="ResearchData/one")
    w.s3a.put_object_tagging(Bucket=BUCKET, Key="ResearchData/one",
                             Tagging={"TagSet": [{"Key": "class", "Value": "open"}]})
    w.jane.get_object(Bucket=AP3, Key="ResearchData/one")
    with refused("AccessDenied"):
        w.jane.get_object(Bucket=AP3, Key="ResearchData/two")


def test_003_identity_policy_where_it_is_required():
    world = bare(A3, B3, assumptions={"cross-account-needs-identity": True})
    e = support.Emulator(world)
    try:
        import boto3

        def client(service, keys):
            return boto3.client(service, region_name=REGION3, endpoint_url=e.endpoint,
                                aws_access_key_id=keys[0], aws_secret_access_key=keys[1])
        s3a, control, iam = (client(s, admin(a)) for s, a in
                             (("s3", A3), ("s3control", B3), ("iam", B3)))
        s3a.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION3})
        s3a.put_object(Bucket=BUCKET, Key="ResearchData/one", Body=b"x")
        control.create_access_point(AccountId=B3, Name=NAME3, Bucket=BUCKET, BucketAccountId=A3)
        s3a.put_bucket_policy(Bucket=BUCKET, Policy=text(policy(
            allow("s3:GetObject", BUCKET_ARN + "/*", {"AWS": "*"},
                  {"StringEquals": {"s3:DataAccessPointAccount": B3}}))))
        jane = client("s3", make_user(iam, "Jane"))
        control.put_access_point_policy(AccountId=B3, Name=NAME3, Policy=text(policy(
            allow("s3:GetObject", AP3 + "/object/*", {"AWS": f"arn:aws:iam::{B3}:user/Jane"}))))
        with refused("AccessDenied", IDENTITY.format("s3:GetObject")):
            jane.get_object(Bucket=AP3, Key="ResearchData/one")
        iam.put_user_policy(UserName="Jane", PolicyName="p", PolicyDocument=text(policy(
            allow("s3:GetObject", AP3 + "/object/*"))))
        jane.get_object(Bucket=AP3, Key="ResearchData/one")
    finally:
        e.stop()


# --- seed 004: a role in the owner's account ----------------------------------------------------------------

AP4 = f"arn:aws:s3:{REGION}:{B4}:accesspoint/marketing-ap"
BUCKET4 = "marketing-bucket"
READER = f"arn:aws:iam::{B4}:role/marketing-reader"
ANALYST = f"arn:aws:iam::{A4}:role/analyst"
READ = ["s3:GetObject", "s3:ListBucket"]


@pytest.fixture
def seed_004(connect):
    w = types.SimpleNamespace()
    w.iam_a, w.iam_b = connect("iam", keys=admin(A4)), connect("iam", keys=admin(B4))
    w.s3b, w.control = connect("s3", keys=admin(B4)), connect("s3control", keys=admin(B4))
    w.s3b.create_bucket(Bucket=BUCKET4)
    w.s3b.put_object(Bucket=BUCKET4, Key="campaign.csv", Body=b"x")
    w.control.create_access_point(AccountId=B4, Name="marketing-ap", Bucket=BUCKET4)
    make_role(w.iam_a, "analyst", trust({"AWS": f"arn:aws:iam::{A4}:root"}),
              p1=policy(allow("sts:AssumeRole", READER)))
    make_role(w.iam_b, "marketing-reader", trust({"AWS": ANALYST}),
              p3=policy(allow(READ, [AP4, AP4 + "/object/*"])))
    w.control.put_access_point_policy(AccountId=B4, Name="marketing-ap", Policy=text(policy(
        allow(READ, [AP4, AP4 + "/object/*"], {"AWS": READER}))))
    start = make_user(w.iam_a, "ann", p=policy(allow("sts:AssumeRole", ANALYST)))
    w.analyst = connect("sts", keys=assume(connect("sts", keys=start), ANALYST))
    w.read = lambda: connect("s3", keys=assume(w.analyst, READER))
    return w


def test_004_the_assumed_role_reads_only(seed_004):
    s3 = seed_004.read()
    assert s3.get_object(Bucket=AP4, Key="campaign.csv")["Body"].read() == b"x"
    assert s3.list_objects_v2(Bucket=AP4)["KeyCount"] == 1
    with refused("AccessDenied"):
        s3.get_object(Bucket=BUCKET4, Key="campaign.csv")
    with refused("AccessDenied", IDENTITY.format("s3:PutObject")):
        s3.put_object(Bucket=AP4, Key="y", Body=b"y")
    with refused("AccessDenied", IDENTITY.format("s3:DeleteObject")):
        s3.delete_object(Bucket=AP4, Key="campaign.csv")


def test_004_without_the_identity_policy_or_the_trust(seed_004):
    w = seed_004
    w.iam_a.delete_role_policy(RoleName="analyst", PolicyName="p1")
    with refused("AccessDenied", "sts:AssumeRole on resource: " + READER,
                 IDENTITY.format("sts:AssumeRole")):
        w.read()
    w.iam_a.put_role_policy(RoleName="analyst", PolicyName="p1",
                            PolicyDocument=text(policy(allow("sts:AssumeRole", READER))))
    w.iam_b.update_assume_role_policy(RoleName="marketing-reader", PolicyDocument=text(
        trust({"Service": "lambda.amazonaws.com"})))
    with refused("AccessDenied", TRUST):
        w.read()


def test_004_without_the_roles_policy_the_bucket_is_closed(seed_004):
    w = seed_004
    s3 = w.read()
    w.iam_b.delete_role_policy(RoleName="marketing-reader", PolicyName="p3")
    with refused("AccessDenied"):
        s3.get_object(Bucket=AP4, Key="campaign.csv")


def test_004_a_chained_role_lasts_an_hour(seed_004):
    w = seed_004
    w.iam_b.update_role(RoleName="marketing-reader", MaxSessionDuration=43200)
    w.analyst.assume_role(RoleArn=READER, RoleSessionName="s1", DurationSeconds=3600)
    with refused("ValidationError", "role chaining", status=400):
        w.analyst.assume_role(RoleArn=READER, RoleSessionName="s1", DurationSeconds=3601)


def test_004_both_layers_where_both_are_required():
    """With `access-point-needs-both`, identity and access point policy are each needed."""
    e = support.Emulator(bare(B4, assumptions={"access-point-needs-both": True}))
    try:
        import boto3

        def client(service, keys):
            return boto3.client(service, region_name=REGION, endpoint_url=e.endpoint,
                                aws_access_key_id=keys[0], aws_secret_access_key=keys[1])
        s3, control, iam = (client(s, admin(B4)) for s in ("s3", "s3control", "iam"))
        s3.create_bucket(Bucket=BUCKET4)
        s3.put_object(Bucket=BUCKET4, Key="campaign.csv", Body=b"x")
        control.create_access_point(AccountId=B4, Name="marketing-ap", Bucket=BUCKET4)
        s3.put_bucket_policy(Bucket=BUCKET4, Policy=text(policy(
            allow("*", [f"arn:aws:s3:::{BUCKET4}", f"arn:aws:s3:::{BUCKET4}/*"], {"AWS": "*"},
                  {"StringEquals": {"s3:DataAccessPointAccount": B4}}))))
        identity = policy(allow(READ, [AP4, AP4 + "/object/*"]))
        user = client("s3", make_user(iam, "u", p=identity))
        with refused("AccessDenied", RESOURCE.format("s3:GetObject")):
            user.get_object(Bucket=AP4, Key="campaign.csv")
        control.put_access_point_policy(AccountId=B4, Name="marketing-ap", Policy=text(policy(
            allow(READ, [AP4, AP4 + "/object/*"], {"AWS": f"arn:aws:iam::{B4}:user/u"}))))
        user.get_object(Bucket=AP4, Key="campaign.csv")
        iam.delete_user_policy(UserName="u", PolicyName="p")
        with refused("AccessDenied", IDENTITY.format("s3:GetObject")):
            user.get_object(Bucket=AP4, Key="campaign.csv")
    finally:
        e.stop()


# --- layers that no seed has --------------------------------------------------------------------------------

def test_session_policies_narrow(seed_004, connect):
    keys = assume(seed_004.analyst, READER, Policy=text(policy(allow("s3:ListBucket", AP4))))
    s3 = connect("s3", keys=keys)
    s3.list_objects_v2(Bucket=AP4)
    with refused("AccessDenied", "because no session policy allows the s3:GetObject action"):
        s3.get_object(Bucket=AP4, Key="campaign.csv")


def test_folders_by_user_name(connect):
    """The known policy of a home folder for each user, with variables and list conditions."""
    s3, iam = connect("s3", keys=admin(B)), connect("iam", keys=admin(B))
    s3.create_bucket(Bucket=BUCKET)
    for key in ("home/ann/x", "home/bob/y"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    document = policy(
        allow("s3:ListBucket", BUCKET_ARN, condition={"StringEquals": {
            "s3:prefix": ["", "home/"], "s3:delimiter": "/"}}),
        allow("s3:ListBucket", BUCKET_ARN, condition={"StringLike": {
            "s3:prefix": "home/${aws:username}/*"}}),
        allow("s3:*Object", BUCKET_ARN + "/home/${aws:username}/*"))
    ann = connect("s3", keys=make_user(iam, "ann", home=document))
    assert [p["Prefix"] for p in ann.list_objects_v2(
        Bucket=BUCKET, Prefix="home/", Delimiter="/")["CommonPrefixes"]] == ["home/ann/", "home/bob/"]
    assert ann.list_objects_v2(Bucket=BUCKET, Prefix="home/ann/")["KeyCount"] == 1
    ann.get_object(Bucket=BUCKET, Key="home/ann/x")
    for args in ({}, {"Prefix": "home/"}, {"Prefix": "home/bob/"}):
        with refused("AccessDenied", IDENTITY.format("s3:ListBucket")):
            ann.list_objects_v2(Bucket=BUCKET, **args)
    with refused("AccessDenied", IDENTITY.format("s3:GetObject")):
        ann.get_object(Bucket=BUCKET, Key="home/bob/y")


def test_public_policies_are_refused_and_block_public_access_ends_them(connect):
    s3, control = connect("s3", keys=admin(B)), connect("s3control", keys=admin(B))
    open_to_all = text(policy(allow("s3:GetObject", BUCKET_ARN + "/*", "*")))
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="x", Body=b"x")
    with refused("AccessDenied", "BlockPublicPolicy"):
        s3.put_bucket_policy(Bucket=BUCKET, Policy=open_to_all)
    s3.delete_public_access_block(Bucket=BUCKET)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=open_to_all)
    stranger = connect("s3", keys=admin(A3))
    stranger.get_object(Bucket=BUCKET, Key="x")
    control.put_public_access_block(AccountId=B, PublicAccessBlockConfiguration={
        "RestrictPublicBuckets": True})
    with plainly():
        stranger.get_object(Bucket=BUCKET, Key="x")
    control.delete_public_access_block(AccountId=B)
    stranger.get_object(Bucket=BUCKET, Key="x")

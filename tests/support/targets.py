"""A world with every kind of target, under the host names that AWS gives them."""
import contextlib
import socket
import subprocess

ACCOUNT, OTHER = "222222222222", "333333333333"
REGION = "us-east-1"
VPCE, VPC = "vpce-0123456789abcdef0", "vpc-0123456789abcdef0"
ADMIN = ("AKIATARGETSADMIN0001", "administrator/of/targets/222222222222")
STRANGER = ("AKIATARGETSOTHER0001", "administrator/of/targets/333333333333")
OUTPOST = "op-01234567890123456"

BUCKET = "data-bucket"
FAR_BUCKET = "far-bucket"  # in eu-west-3
PAYING_BUCKET = "paying-bucket"
DIRECTORY = "fast--use1-az4--x-s3"
DIRECTORY_AP = "fast-ap--use1-az4--xa-s3"
MRAP_ALIAS = "mfzwi23gnjvgw.mrap"
AP = f"arn:aws:s3:{REGION}:{ACCOUNT}:accesspoint/general"
FAR_AP = f"arn:aws:s3:eu-west-3:{ACCOUNT}:accesspoint/far"
VPC_AP = f"arn:aws:s3:{REGION}:{ACCOUNT}:accesspoint/inside"
MRAP = f"arn:aws:s3::{ACCOUNT}:accesspoint/{MRAP_ALIAS}"
OUTPOSTS_AP = f"arn:aws:s3-outposts:{REGION}:{ACCOUNT}:outpost/{OUTPOST}/accesspoint/reports"
# 63 characters: ...o/e, the Outpost's 17 digits, 12 more, the Region's code, --op-s3
OUTPOSTS_ALIAS = "test-accessp-" + "o01234567890123456" + "e8xz5w8ijx1qzlbp3i3kuse10" + "--op-s3"
FSX_ALIAS = "volume-examplealias00000000000000000000000-ext-s3alias"


def lambda_arn(name):
    return f"arn:aws:s3-object-lambda:{REGION}:{ACCOUNT}:accesspoint/{name}"


def _access_point(name, **more):
    return {"name": name, "account": ACCOUNT, "bucket": BUCKET, **more}


def _function(name, **function):
    return _access_point(name, kind="object-lambda", function=function)


def world():
    everything = {"Version": "2012-10-17",
                  "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    accounts = [{"id": account, "users": [
        {"name": "admin", "access-keys": [{"id": keys[0], "secret": keys[1]}],
         "policies": {"all": everything}}]}
        for account, keys in ((ACCOUNT, ADMIN), (OTHER, STRANGER))]
    readable = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:user/admin"},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{PAYING_BUCKET}", f"arn:aws:s3:::{PAYING_BUCKET}/*"]}]}
    return {
        "region": REGION, "accounts": accounts,
        "buckets": [
            {"name": BUCKET, "account": ACCOUNT},
            {"name": FAR_BUCKET, "account": ACCOUNT, "region": "eu-west-3"},
            {"name": PAYING_BUCKET, "account": ACCOUNT, "requester-pays": True, "policy": readable},
            {"name": DIRECTORY, "account": ACCOUNT},
        ],
        "access-points": [
            _access_point("general"),
            _access_point("far", region="eu-west-3", bucket=FAR_BUCKET),
            _access_point("inside", vpc=VPC),
            _access_point("volume", alias=FSX_ALIAS),
            _access_point("everywhere", kind="multi-region", alias=MRAP_ALIAS, region=""),
            _access_point("reports", kind="outposts", outpost=OUTPOST, alias=OUTPOSTS_ALIAS),
            _access_point(DIRECTORY_AP, kind="directory", bucket=DIRECTORY),
            _function("upper", transform="upper"),
            _function("twice", transform="twice", **{"hides-length": True}),
            _function("ranged", transform="upper",
                      **{"takes-ranges": True, "tells-version": True}),
        ],
        "vpc-endpoints": [{"id": VPCE, "vpc": VPC, "port": 0}],
    }


HOSTS = [
    "*.s3.amazonaws.com", "*.s3.us-east-1.amazonaws.com", "*.s3.eu-west-3.amazonaws.com",
    "*.s3-accesspoint.us-east-1.amazonaws.com", "*.s3-accesspoint.eu-west-3.amazonaws.com",
    "*.s3-accesspoint-fips.us-east-1.amazonaws.com",
    "*.s3-accesspoint.dualstack.us-east-1.amazonaws.com",
    "*.accesspoint.vpce-0a1b2c3d.s3.us-east-1.vpce.amazonaws.com",
    "*.s3-object-lambda.us-east-1.amazonaws.com",
    f"{MRAP_ALIAS}.accesspoint.s3-global.amazonaws.com",
    f"*.{OUTPOST}.s3-outposts.us-east-1.amazonaws.com",
    "*.s3express-use1-az4.us-east-1.amazonaws.com",
    "sts.us-east-1.amazonaws.com", "localhost",
]


def certificate(folder):
    """(certificate, key) for every host name of the world."""
    names = ",".join("DNS:" + h for h in HOSTS)
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", f"subjectAltName={names}",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    return folder / "cert.pem", folder / "key.pem"


@contextlib.contextmanager
def everything_is_here(port):
    """Every host name of AWS resolves to the emulator, for clients in this process."""
    import urllib3.util.connection as connection
    original = connection.create_connection

    def here(address, *args, **kwargs):
        return original(("localhost", port), *args, **kwargs)

    connection.create_connection = here
    try:
        yield
    finally:
        connection.create_connection = original


def client(keys=ADMIN, cert=None, region=REGION, endpoint=None, **config):
    import boto3
    from botocore.config import Config
    config.setdefault("retries", {"total_max_attempts": 1, "mode": "standard"})
    return boto3.client("s3", region_name=region, endpoint_url=endpoint,
                        verify=str(cert) if cert else None,
                        aws_access_key_id=keys[0], aws_secret_access_key=keys[1],
                        config=Config(**config))


def resolves(name):
    try:
        socket.getaddrinfo(name, 80)
    except OSError:
        return False
    return True

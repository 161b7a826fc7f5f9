"""An OpenID Connect provider: a key, and the tokens that it signs."""
import base64
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "https://token.example.com/pool"
CLIENT = "sts.amazonaws.com"


def _part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Provider:
    def __init__(self, issuer=ISSUER, key_id="k1"):
        self.issuer, self.key_id = issuer, key_id
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def described(self, *clients):
        """For a world's account: "oidc-providers": [...]."""
        pem = self.key.public_key().public_bytes(serialization.Encoding.PEM,
                                                 serialization.PublicFormat.SubjectPublicKeyInfo)
        return {"issuer": self.issuer, "client-ids": list(clients or (CLIENT,)),
                "keys": {self.key_id: pem.decode()}}

    def token(self, subject="repo:demo", lifetime=3600, header=None, **claims):
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "kid": self.key_id, **(header or {})}
        body = {"iss": self.issuer, "aud": CLIENT, "sub": subject, "iat": now,
                "exp": now + lifetime, **claims}
        signed = b".".join(_part(json.dumps(p).encode()) for p in (head, body))
        signature = self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _part(signature)).decode()


def trust(account, provider, subject="repo:demo"):
    """A role's trust policy for that provider and subject."""
    name = provider.issuer.removeprefix("https://")
    return {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{name}"},
        "Condition": {"StringEquals": {f"{name}:sub": subject, f"{name}:aud": CLIENT}}}]}

"""boto3 on what objects are kept with: encryption, storage class, ACL, and who may see tags."""
import hashlib
import json

import pytest
from botocore.exceptions import ClientError

import emulator as support
from test_s3_boto3 import MIB, code_of, complete, upload_parts

KEY = "arn:aws:kms:us-east-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab"
DEMO = support.SESSIONS["demo"]
DEMO_ARN = "arn:aws:iam::111111111111:role/demo"


def told(reply):
    return {k: v for k, v in reply.items()
            if k in ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")}


KMS = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY, "BucketKeyEnabled": True}


def test_encryption_is_told_by_every_reply(s3, bucket):
    assert told(s3.put_object(Bucket=bucket, Key="plain", Body=b"1")) == {
        "ServerSideEncryption": "AES256"}
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"1", **KMS)
    assert told(put) == KMS
    assert put["ETag"] != f'"{hashlib.md5(b"1").hexdigest()}"'
    assert told(s3.head_object(Bucket=bucket, Key="k")) == KMS
    assert told(s3.get_object(Bucket=bucket, Key="k")) == KMS
    copy = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    assert told(copy) == {"ServerSideEncryption": "AES256"}  # the bucket's, not the source's
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k", ServerSideEncryption="AES256")
    assert told(s3.head_object(Bucket=bucket, Key="k")) == {"ServerSideEncryption": "AES256"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ServerSideEncryption="aws:kms")
    assert s3.head_object(Bucket=bucket, Key="k")["SSEKMSKeyId"].endswith(":alias/aws/s3")


def test_encryption_of_uploads(s3, bucket):
    upload, parts = upload_parts(s3, bucket, "m", [(1, bytes(5 * MIB)), (2, b"x")], **KMS)
    assert told(complete(s3, bucket, "m", upload, parts)) == KMS
    assert told(s3.head_object(Bucket=bucket, Key="m")) == KMS


@pytest.mark.parametrize("wrong, code", [
    ({"ServerSideEncryption": "rot13"}, "InvalidArgument"),
    ({"SSEKMSKeyId": KEY}, "InvalidArgument"),
    ({"ServerSideEncryption": "AES256", "SSEKMSKeyId": KEY}, "InvalidArgument"),
    ({"ServerSideEncryption": "aws:kms:dsse", "BucketKeyEnabled": True}, "InvalidArgument"),
    ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:aws:s3:::b"}, "KMS.NotFoundException"),
    ({"StorageClass": "SPEEDY"}, "InvalidStorageClass"),
    ({"ACL": "everybody"}, "InvalidArgument"),
    ({"ACL": "public-read"}, "AccessControlListNotSupported"),
])
def test_what_aws_refuses(s3, bucket, wrong, code):
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", **wrong) == (code, 400)
    assert code_of(s3.create_multipart_upload, Bucket=bucket, Key="k", **wrong) == (code, 400)


def open_bucket(s3, bucket, *actions):
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": DEMO_ARN}, "Action": list(actions),
            "Resource": f"arn:aws:s3:::{bucket}/*"}]}))


def test_a_kms_key_needs_permission_of_its_own(s3, connect, emulator):
    demo = connect(keys=DEMO)
    bucket = "test-bucket-1"  # the role's own policy names it
    open_bucket(s3, bucket, "s3:GetObject", "s3:PutObject")
    try:
        demo.put_object(Bucket=bucket, Key="k", Body=b"1")
        with pytest.raises(ClientError, match="kms:GenerateDataKey"):
            demo.put_object(Bucket=bucket, Key="k", Body=b"1", **KMS)
        with pytest.raises(ClientError, match="kms:GenerateDataKey"):
            demo.create_multipart_upload(Bucket=bucket, Key="k", **KMS)
        s3.put_object(Bucket=bucket, Key="k", Body=b"1", **KMS)
        with pytest.raises(ClientError, match="kms:Decrypt"):
            demo.get_object(Bucket=bucket, Key="k")
    finally:
        s3.delete_bucket_policy(Bucket=bucket)
        s3.delete_object(Bucket=bucket, Key="k")


def test_tags_are_told_to_who_may_read_them(s3, connect):
    bucket = "test-bucket-1"
    demo = connect(keys=DEMO)
    open_bucket(s3, bucket, "s3:GetObject", "s3:PutObject")
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", Tagging="a=1")
    try:
        assert s3.head_object(Bucket=bucket, Key="k")["TagCount"] == 1
        assert "TagCount" not in demo.head_object(Bucket=bucket, Key="k")
        copy = {"Bucket": bucket, "Key": "k2", "CopySource": f"{bucket}/k"}
        with pytest.raises(ClientError, match="s3:GetObjectTagging"):
            demo.copy_object(**copy)
        demo.copy_object(**copy, TaggingDirective="REPLACE")
        assert "TagCount" not in s3.head_object(Bucket=bucket, Key="k2")
    finally:
        s3.delete_bucket_policy(Bucket=bucket)
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "k2"}]})

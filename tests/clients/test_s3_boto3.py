"""boto3 as the emulator's client: objects, listings, multipart, copies, conditions."""
import base64
import concurrent.futures
import datetime
import hashlib
import io
import json
import urllib.error
import urllib.request
import zlib

import pytest
from botocore.exceptions import ClientError

import emulator as support
from conftest import OWNER

MIB = 1 << 20


def code_of(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"][
        "HTTPStatusCode"]


def put(s3, bucket, *keys):
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")


# --- objects ---

def test_put_and_get_tell_the_same(s3, bucket):
    body = b"some bytes\n" * 1000
    told = s3.put_object(Bucket=bucket, Key="a/b.txt", Body=body, ContentType="text/plain",
                         CacheControl="max-age=5", ContentDisposition="inline",
                         ContentLanguage="de", ContentEncoding="gzip",
                         Metadata={"One": "1", "two": "zwei"}, StorageClass="STANDARD_IA")
    assert told["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="a/b.txt")
    assert got["Body"].read() == body
    head = s3.head_object(Bucket=bucket, Key="a/b.txt")
    for reply in (got, head):
        assert reply["ContentLength"] == len(body)
        assert reply["ContentType"] == "text/plain"
        assert reply["CacheControl"] == "max-age=5"
        assert reply["ContentDisposition"] == "inline"
        assert reply["ContentLanguage"] == "de"
        assert reply["ContentEncoding"] == "gzip"
        assert reply["Metadata"] == {"one": "1", "two": "zwei"}
        assert reply["StorageClass"] == "STANDARD_IA"
        assert reply["ETag"] == told["ETag"]
        assert reply["AcceptRanges"] == "bytes"
        age = datetime.datetime.now(datetime.timezone.utc) - reply["LastModified"]
        assert abs(age.total_seconds()) < 60


@pytest.mark.parametrize("key", [
    "a", "a/", "a/b", "a//b", "/a", "//", "../../etc/passwd", ".", "..", "a/./b", "a/../b",
    " leading and trailing ", "plus+plus", "100%", "q?a=b&c", "#hash", "back\\slash", "tilde~",
    "~/x", "quote'\"", "semi;colon", "ümläut/日本/🙂", "new\nline", "tab\tkey", "<xml>&amp;",
    "x" * 1024, ("d" * 200 + "/") * 5, "%2F%2f", "dot.", "CON", "a" * 239 + ".b", "=@,!*()",
])
def test_any_key_is_held(s3, bucket, key):
    body = key.encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert [o["Key"] for o in s3.list_objects(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert code_of(s3.get_object, Bucket=bucket, Key=key) == ("NoSuchKey", 404)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_keys_that_are_prefixes_of_others_live_side_by_side(s3, bucket):
    put(s3, bucket, "a", "a/", "a/b", "a/b/", "a/b/c")
    listed = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == ["a", "a/", "a/b", "a/b/", "a/b/c"]
    s3.delete_object(Bucket=bucket, Key="a/b")
    assert s3.get_object(Bucket=bucket, Key="a/b/c")["Body"].read() == b"x"


def test_a_key_too_long_is_refused(s3, bucket):
    assert code_of(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"") == ("KeyTooLongError",
                                                                               400)


def test_too_much_metadata_is_refused(s3, bucket):
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Metadata={"m": "v" * 2048}) == (
        "MetadataTooLarge", 400)


def test_the_empty_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="e", Body=b"")
    got = s3.get_object(Bucket=bucket, Key="e")
    assert got["Body"].read() == b"" and got["ContentLength"] == 0
    assert code_of(s3.get_object, Bucket=bucket, Key="e", Range="bytes=0-") == ("InvalidRange", 416)


def test_missing_things(s3, bucket):
    assert code_of(s3.get_object, Bucket=bucket, Key="no") == ("NoSuchKey", 404)
    assert code_of(s3.head_object, Bucket=bucket, Key="no") == ("404", 404)
    assert code_of(s3.get_object, Bucket=bucket + "no", Key="no") == ("NoSuchBucket", 404)
    assert code_of(s3.head_bucket, Bucket=bucket + "no") == ("404", 404)


def test_a_large_object_goes_through_unchanged(s3, bucket):
    body = bytes(range(256)) * (24 * MIB // 256)
    s3.put_object(Bucket=bucket, Key="big", Body=body)
    got = s3.get_object(Bucket=bucket, Key="big")["Body"].read()
    assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()


def test_many_at_once(s3, bucket):
    def one(i):
        body = bytes([i]) * (1000 + i)
        s3.put_object(Bucket=bucket, Key=f"k{i}", Body=body)
        return s3.get_object(Bucket=bucket, Key=f"k{i}")["Body"].read() == body
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(100)))
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 100


# --- ranges ---

@pytest.mark.parametrize("text, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=2-5", 2, 5), ("bytes=95-", 95, 99), ("bytes=-10", 90, 99),
    ("bytes=90-1000", 90, 99), ("bytes=-1000", 0, 99), ("bytes=0-", 0, 99),
])
def test_ranges(s3, bucket, text, first, last):
    body = bytes(range(100))
    s3.put_object(Bucket=bucket, Key="r", Body=body)
    got = s3.get_object(Bucket=bucket, Key="r", Range=text)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {first}-{last}/100"
    assert got["Body"].read() == body[first:last + 1]
    assert s3.head_object(Bucket=bucket, Key="r", Range=text)["ContentLength"] == last - first + 1


@pytest.mark.parametrize("text", ["bytes=5-2", "bytes=a-b", "items=0-1", "bytes=0-1,4-5"])
def test_ranges_that_mean_nothing_are_ignored(s3, bucket, text):
    s3.put_object(Bucket=bucket, Key="r", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="r", Range=text)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert got["Body"].read() == b"0123456789"


@pytest.mark.parametrize("text", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_ranges_outside_are_refused(s3, bucket, text):
    s3.put_object(Bucket=bucket, Key="r", Body=b"0123456789")
    assert code_of(s3.get_object, Bucket=bucket, Key="r", Range=text) == ("InvalidRange", 416)


# --- conditions ---

def test_conditional_reads(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="c", Body=b"1")["ETag"]
    past = datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc)
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    assert s3.get_object(Bucket=bucket, Key="c", IfMatch=etag)["Body"].read() == b"1"
    assert s3.get_object(Bucket=bucket, Key="c", IfNoneMatch='"x"')["Body"].read() == b"1"
    assert s3.get_object(Bucket=bucket, Key="c", IfModifiedSince=past)["Body"].read() == b"1"
    assert s3.get_object(Bucket=bucket, Key="c", IfMatch=etag,
                         IfUnmodifiedSince=past)["Body"].read() == b"1"
    for call in (s3.get_object, s3.head_object):
        assert code_of(call, Bucket=bucket, Key="c", IfMatch='"x"')[1] == 412
        assert code_of(call, Bucket=bucket, Key="c", IfNoneMatch=etag)[1] == 304
        assert code_of(call, Bucket=bucket, Key="c", IfModifiedSince=soon)[1] == 304
        assert code_of(call, Bucket=bucket, Key="c", IfUnmodifiedSince=past)[1] == 412


def test_conditional_writes(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="c", Body=b"1", IfNoneMatch="*")["ETag"]
    assert code_of(s3.put_object, Bucket=bucket, Key="c", Body=b"2",
                   IfNoneMatch="*") == ("PreconditionFailed", 412)
    second = s3.put_object(Bucket=bucket, Key="c", Body=b"3", IfMatch=first)["ETag"]
    assert code_of(s3.put_object, Bucket=bucket, Key="c", Body=b"4",
                   IfMatch=first) == ("PreconditionFailed", 412)
    assert code_of(s3.put_object, Bucket=bucket, Key="gone", Body=b"4",
                   IfMatch=first) == ("NoSuchKey", 404)
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == b"3"
    assert code_of(s3.delete_object, Bucket=bucket, Key="c", IfMatch=first)[1] == 412
    s3.delete_object(Bucket=bucket, Key="c", IfMatch=second)
    assert code_of(s3.head_object, Bucket=bucket, Key="c")[1] == 404


def test_one_of_many_conditional_writers_wins(s3, bucket):
    def one(i):
        try:
            s3.put_object(Bucket=bucket, Key="race", Body=b"%d" % i, IfNoneMatch="*")
            return i
        except ClientError as e:
            assert e.response["Error"]["Code"] == "PreconditionFailed"
            return None
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        winners = [i for i in pool.map(one, range(24)) if i is not None]
    assert len(winners) == 1
    assert s3.get_object(Bucket=bucket, Key="race")["Body"].read() == b"%d" % winners[0]


# --- response overrides, presigned URLs ---

def test_response_overrides(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"1", ContentType="text/plain")
    got = s3.get_object(Bucket=bucket, Key="o", ResponseContentType="application/json",
                        ResponseContentDisposition='attachment; filename="x y"',
                        ResponseCacheControl="no-store")
    assert got["ContentType"] == "application/json"
    assert got["ContentDisposition"] == 'attachment; filename="x y"'
    assert got["CacheControl"] == "no-store"


@pytest.mark.parametrize("style", ["path", pytest.param("virtual", marks=pytest.mark.subdomains)])
def test_presigned_urls(connect, s3, bucket, style):
    signer = connect(signature_version="s3v4", s3={"addressing_style": style})
    key = "dir/pre signed+ü.txt"
    url = signer.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key})
    with urllib.request.urlopen(urllib.request.Request(url, data=b"by url", method="PUT")) as r:
        assert r.status == 200
    url = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key})
    with urllib.request.urlopen(url) as r:
        assert r.read() == b"by url"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url[:-1] + ("0" if url[-1] != "0" else "1"))
    assert caught.value.code == 403 and b"SignatureDoesNotMatch" in caught.value.read()


def test_a_presigned_url_expires(emulator, connect, bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    url = connect(signature_version="s3v4").generate_presigned_url(
        "get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    emulator.admin("POST", "clock", {"shift-ms": 61000})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url)
    assert caught.value.code == 403 and b"Request has expired" in caught.value.read()


# --- listings ---

def pages_of(s3, name, bucket, **kwargs):
    return list(s3.get_paginator(name).paginate(Bucket=bucket, **kwargs))


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_listing_pages_cover_all_once(s3, bucket, operation):
    keys = sorted(f"k{i:03}" for i in range(25))
    put(s3, bucket, *keys)
    pages = pages_of(s3, operation, bucket, PaginationConfig={"PageSize": 7})
    assert [len(p["Contents"]) for p in pages] == [7, 7, 7, 4]
    assert [o["Key"] for p in pages for o in p["Contents"]] == keys
    assert [p["IsTruncated"] for p in pages] == [True, True, True, False]


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_listing_by_folders(s3, bucket, operation):
    put(s3, bucket, "a", "b/1", "b/2", "b/c/3", "d//4", "e/", "f")
    reply = getattr(s3, operation)(Bucket=bucket, Delimiter="/")
    assert [o["Key"] for o in reply["Contents"]] == ["a", "f"]
    assert [p["Prefix"] for p in reply["CommonPrefixes"]] == ["b/", "d/", "e/"]
    reply = getattr(s3, operation)(Bucket=bucket, Delimiter="/", Prefix="b/")
    assert [o["Key"] for o in reply["Contents"]] == ["b/1", "b/2"]
    assert [p["Prefix"] for p in reply["CommonPrefixes"]] == ["b/c/"]
    reply = getattr(s3, operation)(Bucket=bucket, Delimiter="/", Prefix="d/")
    assert [p["Prefix"] for p in reply["CommonPrefixes"]] == ["d//"]
    for size in (1, 2, 3):
        pages = pages_of(s3, operation, bucket, Delimiter="/",
                         PaginationConfig={"PageSize": size})
        assert [o["Key"] for p in pages for o in p.get("Contents", [])] == ["a", "f"]
        assert [c["Prefix"] for p in pages for c in p.get("CommonPrefixes", [])] == [
            "b/", "d/", "e/"]


def test_version_1_tells_next_marker_with_a_delimiter_only(s3, bucket):
    put(s3, bucket, "a/1", "b/1", "c")
    reply = s3.list_objects(Bucket=bucket, MaxKeys=1)
    assert reply["IsTruncated"] and "NextMarker" not in reply
    assert s3.list_objects(Bucket=bucket, Marker="a/1", MaxKeys=1)["Contents"][0]["Key"] == "b/1"
    reply = s3.list_objects(Bucket=bucket, MaxKeys=1, Delimiter="/")
    assert reply["NextMarker"] == "a/"
    assert reply["CommonPrefixes"] == [{"Prefix": "a/"}]
    reply = s3.list_objects(Bucket=bucket, MaxKeys=1, Delimiter="/", Marker="a/")
    assert reply["CommonPrefixes"] == [{"Prefix": "b/"}]


def test_version_2_parameters(s3, bucket):
    put(s3, bucket, "a", "b", "c c", "d+d")
    reply = s3.list_objects_v2(Bucket=bucket, StartAfter="a", FetchOwner=True)
    assert [o["Key"] for o in reply["Contents"]] == ["b", "c c", "d+d"]
    assert reply["KeyCount"] == 3 and reply["StartAfter"] == "a"
    assert all(len(o["Owner"]["ID"]) == 64 for o in reply["Contents"])
    assert "Owner" not in s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    assert code_of(s3.list_objects_v2, Bucket=bucket, ContinuationToken="!") == ("InvalidArgument",
                                                                                 400)


def test_order_is_by_bytes_of_utf8(s3, bucket):
    keys = ["Z", "a", "a!", "a/b", "a0", "é", "日", "🙂", "\uffee"]
    put(s3, bucket, *keys)
    listed = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(keys, key=lambda k: k.encode())


# --- deleting ---

def test_deleting_what_is_not_there_is_fine(s3, bucket):
    reply = s3.delete_object(Bucket=bucket, Key="never")
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_delete_many(s3, bucket):
    put(s3, bucket, *[f"k{i}" for i in range(10)])
    reply = s3.delete_objects(Bucket=bucket, Delete={
        "Objects": [{"Key": f"k{i}"} for i in range(5)] + [{"Key": "never"}]})
    assert sorted(d["Key"] for d in reply["Deleted"]) == ["k0", "k1", "k2", "k3", "k4", "never"]
    reply = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k5"}], "Quiet": True})
    assert "Deleted" not in reply and "Errors" not in reply
    reply = s3.delete_objects(Bucket=bucket, Delete={
        "Objects": [{"Key": "k6", "ETag": '"wrong"'}, {"Key": "k7"}]})
    assert [e["Code"] for e in reply["Errors"]] == ["PreconditionFailed"]
    left = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert left == ["k6", "k8", "k9"]


# --- checksums ---

@pytest.mark.parametrize("algorithm, expected", [
    ("CRC32", "y/Q5Jg=="), ("SHA1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
    ("SHA256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
])
def test_the_client_computes_a_checksum(s3, bucket, algorithm, expected):
    body = b"123456789"
    told = s3.put_object(Bucket=bucket, Key="s", Body=body, ChecksumAlgorithm=algorithm)
    assert told[f"Checksum{algorithm}"] == expected
    head = s3.head_object(Bucket=bucket, Key="s", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == expected and head["ChecksumType"] == "FULL_OBJECT"
    assert s3.get_object(Bucket=bucket, Key="s", ChecksumMode="ENABLED")["Body"].read() == body
    got = s3.get_object_attributes(Bucket=bucket, Key="s",
                                   ObjectAttributes=["Checksum", "ETag", "ObjectSize",
                                                     "StorageClass"])
    assert got["Checksum"][f"Checksum{algorithm}"] == expected
    assert got["ObjectSize"] == 9 and got["StorageClass"] == "STANDARD"
    assert got["ETag"] == hashlib.md5(body).hexdigest()


@pytest.mark.parametrize("field, value", [
    ("ChecksumCRC32", "y/Q5Jg=="), ("ChecksumCRC32C", "4waSgw=="),
    ("ChecksumCRC64NVME", "rosUhgp5mIg="),
])
def test_a_given_checksum_is_verified(s3, bucket, field, value):
    told = s3.put_object(Bucket=bucket, Key="s", Body=b"123456789", **{field: value})
    assert told[field] == value
    assert code_of(s3.put_object, Bucket=bucket, Key="s", Body=b"123456780",
                   **{field: value}) == ("BadDigest", 400)
    assert code_of(s3.put_object, Bucket=bucket, Key="s", Body=b"123456789",
                   **{field: "bm9uc2Vuc2U="})[1] == 400
    assert s3.get_object(Bucket=bucket, Key="s")["Body"].read() == b"123456789"


def test_content_md5(s3, bucket):
    good = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    s3.put_object(Bucket=bucket, Key="m", Body=b"x", ContentMD5=good)
    assert code_of(s3.put_object, Bucket=bucket, Key="m", Body=b"y",
                   ContentMD5=good) == ("BadDigest", 400)
    assert code_of(s3.put_object, Bucket=bucket, Key="m", Body=b"y",
                   ContentMD5="short") == ("InvalidDigest", 400)


def test_without_a_checksum_the_service_makes_one(connect, bucket):
    plain = connect(request_checksum_calculation="when_required")
    plain.put_object(Bucket=bucket, Key="s", Body=b"123456789")
    head = plain.head_object(Bucket=bucket, Key="s", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == "rosUhgp5mIg="


# --- tags ---

def test_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="t", Body=b"1", Tagging="a=1&b%20b=z%2Bz")
    assert s3.head_object(Bucket=bucket, Key="t")["TagCount"] == 2
    tags = s3.get_object_tagging(Bucket=bucket, Key="t")["TagSet"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b b", "Value": "z+z"}]
    etag = s3.head_object(Bucket=bucket, Key="t")["ETag"]
    s3.put_object_tagging(Bucket=bucket, Key="t", Tagging={
        "TagSet": [{"Key": "only", "Value": "ü"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="t")["TagSet"] == [
        {"Key": "only", "Value": "ü"}]
    assert s3.head_object(Bucket=bucket, Key="t")["ETag"] == etag
    assert s3.get_object(Bucket=bucket, Key="t")["Body"].read() == b"1"
    s3.delete_object_tagging(Bucket=bucket, Key="t")
    assert s3.get_object_tagging(Bucket=bucket, Key="t")["TagSet"] == []
    many = {"TagSet": [{"Key": f"k{i}", "Value": ""} for i in range(11)]}
    assert code_of(s3.put_object_tagging, Bucket=bucket, Key="t", Tagging=many)[1] == 400


# --- multipart ---

def upload_parts(s3, bucket, key, parts, **kwargs):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, **kwargs)["UploadId"]
    done = []
    chosen = {k: v for k, v in kwargs.items() if k == "ChecksumAlgorithm"}
    for number, body in parts:
        reply = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number,
                               Body=body, **chosen)
        done.append({"PartNumber": number, "ETag": reply["ETag"],
                     **{k: v for k, v in reply.items() if k.startswith("Checksum")}})
    return upload, done


def complete(s3, bucket, key, upload, parts, **kwargs):
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload,
                                        MultipartUpload={"Parts": parts}, **kwargs)


def test_multipart(s3, bucket):
    bodies = [b"a" * (5 * MIB), b"b" * (5 * MIB), b"end"]
    upload, parts = upload_parts(s3, bucket, "m/k", list(enumerate(bodies, 1)),
                                 Metadata={"m": "1"}, ContentType="image/png")
    listed = s3.list_parts(Bucket=bucket, Key="m/k", UploadId=upload)
    assert [(p["PartNumber"], p["Size"]) for p in listed["Parts"]] == [
        (1, 5 * MIB), (2, 5 * MIB), (3, 3)]
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["m/k"]
    assert code_of(s3.head_object, Bucket=bucket, Key="m/k")[1] == 404
    reply = complete(s3, bucket, "m/k", upload, parts)
    md5 = hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest()
    assert reply["ETag"] == f'"{md5}-3"' and reply["Bucket"] == bucket and reply["Key"] == "m/k"
    got = s3.get_object(Bucket=bucket, Key="m/k")
    assert got["Body"].read() == b"".join(bodies)
    assert got["Metadata"] == {"m": "1"} and got["ContentType"] == "image/png"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    part = s3.get_object(Bucket=bucket, Key="m/k", PartNumber=3)
    assert part["Body"].read() == b"end" and part["PartsCount"] == 3
    assert part["ContentRange"] == f"bytes {10 * MIB}-{10 * MIB + 2}/{10 * MIB + 3}"
    assert s3.head_object(Bucket=bucket, Key="m/k", PartNumber=1)["ContentLength"] == 5 * MIB
    assert code_of(s3.head_object, Bucket=bucket, Key="m/k", PartNumber=4)[1] == 416


@pytest.mark.parametrize("algorithm, kind", [
    ("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT"), ("SHA1", "COMPOSITE"),
    ("SHA256", "COMPOSITE"),
])
def test_multipart_checksums(s3, bucket, algorithm, kind):
    bodies = [b"a" * (5 * MIB), b"the end"]
    upload, parts = upload_parts(s3, bucket, "k", list(enumerate(bodies, 1)),
                                 ChecksumAlgorithm=algorithm, ChecksumType=kind)
    field = f"Checksum{algorithm}"
    assert all(field in p for p in parts)
    reply = complete(s3, bucket, "k", upload, parts)
    if kind == "FULL_OBJECT":
        whole = zlib.crc32(b"".join(bodies)).to_bytes(4, "big")
        expected = base64.b64encode(whole).decode()
    else:
        joined = b"".join(base64.b64decode(p[field]) for p in parts)
        digest = {"CRC32": lambda b: zlib.crc32(b).to_bytes(4, "big"),
                  "SHA1": lambda b: hashlib.sha1(b).digest(),
                  "SHA256": lambda b: hashlib.sha256(b).digest()}[algorithm](joined)
        expected = base64.b64encode(digest).decode() + "-2"
    assert reply[field] == expected and reply["ChecksumType"] == kind
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[field] == expected
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"])
    assert attributes["ObjectParts"]["TotalPartsCount"] == 2
    assert [p["Size"] for p in attributes["ObjectParts"]["Parts"]] == [5 * MIB, 7]


def test_multipart_refusals(s3, bucket):
    upload, parts = upload_parts(s3, bucket, "k", [(1, b"small"), (2, b"small too")])
    assert code_of(complete, s3, bucket, "k", upload, parts) == ("EntityTooSmall", 400)
    assert code_of(complete, s3, bucket, "k", upload, parts[::-1]) == ("InvalidPartOrder", 400)
    assert code_of(complete, s3, bucket, "k", upload,
                   [{"PartNumber": 1, "ETag": '"x"'}]) == ("InvalidPart", 400)
    assert code_of(complete, s3, bucket, "k", upload,
                   [{"PartNumber": 9, "ETag": parts[0]["ETag"]}]) == ("InvalidPart", 400)
    assert code_of(complete, s3, bucket, "other", upload, parts[:1]) == ("NoSuchUpload", 404)
    assert code_of(s3.upload_part, Bucket=bucket, Key="k", UploadId=upload, PartNumber=10001,
                   Body=b"")[1] == 400
    assert code_of(s3.upload_part, Bucket=bucket, Key="k", UploadId="../../x", PartNumber=1,
                   Body=b"") == ("NoSuchUpload", 404)
    complete(s3, bucket, "k", upload, parts[:1])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"small"
    assert code_of(complete, s3, bucket, "k", upload, parts[:1]) == ("NoSuchUpload", 404)


def test_multipart_abort(s3, bucket):
    upload, parts = upload_parts(s3, bucket, "k", [(1, b"x")])
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    assert code_of(s3.list_parts, Bucket=bucket, Key="k", UploadId=upload) == ("NoSuchUpload", 404)
    assert code_of(complete, s3, bucket, "k", upload, parts) == ("NoSuchUpload", 404)
    assert code_of(s3.abort_multipart_upload, Bucket=bucket, Key="k",
                   UploadId=upload) == ("NoSuchUpload", 404)


def test_multipart_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["ETag"]
    upload, parts = upload_parts(s3, bucket, "k", [(1, b"new")])
    assert code_of(complete, s3, bucket, "k", upload, parts,
                   IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert code_of(complete, s3, bucket, "k", upload, parts, IfMatch='"x"')[1] == 412
    assert code_of(complete, s3, bucket, "k", upload, parts, MpuObjectSize=4)[1] == 400
    complete(s3, bucket, "k", upload, parts, IfMatch=etag, MpuObjectSize=3)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"


def test_listing_of_uploads(s3, bucket):
    ids = {}
    for key in ("a/1", "a/2", "b", "c/1"):
        ids[key] = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    pages = pages_of(s3, "list_multipart_uploads", bucket, PaginationConfig={"PageSize": 1})
    assert [u["Key"] for p in pages for u in p.get("Uploads", [])] == ["a/1", "a/2", "b", "c/1"]
    reply = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [u["Key"] for u in reply["Uploads"]] == ["b"]
    assert [p["Prefix"] for p in reply["CommonPrefixes"]] == ["a/", "c/"]
    reply = s3.list_multipart_uploads(Bucket=bucket, Prefix="a/")
    assert [u["UploadId"] for u in reply["Uploads"]] == [ids["a/1"], ids["a/2"]]
    for key, upload in ids.items():
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


def test_listing_of_parts_in_pages(s3, bucket):
    upload, _ = upload_parts(s3, bucket, "k", [(n, b"x") for n in (1, 3, 5, 10000)])
    pages = list(s3.get_paginator("list_parts").paginate(
        Bucket=bucket, Key="k", UploadId=upload, PaginationConfig={"PageSize": 2}))
    assert [[p["PartNumber"] for p in page["Parts"]] for page in pages] == [[1, 3], [5, 10000]]
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


def test_the_transfer_manager(s3, bucket):
    body = bytes(range(256)) * (20 * MIB // 256)
    s3.upload_fileobj(io.BytesIO(body), bucket, "managed")
    assert s3.head_object(Bucket=bucket, Key="managed")["ETag"].endswith('-3"')
    out = io.BytesIO()
    s3.download_fileobj(bucket, "managed", out)
    assert out.getvalue() == body


# --- copies ---

def test_copy(s3, bucket):
    s3.put_object(Bucket=bucket, Key="dir/from +ü", Body=b"1", Metadata={"m": "1"}, Tagging="t=1",
                  ContentType="text/x")
    reply = s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket,
                                                                 "Key": "dir/from +ü"})
    assert reply["CopyObjectResult"]["ETag"] == s3.head_object(Bucket=bucket, Key="to")["ETag"]
    got = s3.get_object(Bucket=bucket, Key="to")
    assert got["Body"].read() == b"1" and got["Metadata"] == {"m": "1"} and got["TagCount"] == 1
    assert got["ContentType"] == "text/x"
    s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/to", Metadata={"n": "2"},
                   MetadataDirective="REPLACE", TaggingDirective="REPLACE", Tagging="u=2&v=3")
    got = s3.head_object(Bucket=bucket, Key="to")
    assert got["Metadata"] == {"n": "2"}
    assert len(s3.get_object_tagging(Bucket=bucket, Key="to")["TagSet"]) == 2


def test_copy_refusals(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="from", Body=b"1")["ETag"]
    source = {"Bucket": bucket, "Key": "from"}
    assert code_of(s3.copy_object, Bucket=bucket, Key="from",
                   CopySource=source) == ("InvalidRequest", 400)
    assert code_of(s3.copy_object, Bucket=bucket, Key="to",
                   CopySource={"Bucket": bucket, "Key": "no"}) == ("NoSuchKey", 404)
    assert code_of(s3.copy_object, Bucket=bucket, Key="to", CopySource=source,
                   CopySourceIfMatch='"x"')[1] == 412
    assert code_of(s3.copy_object, Bucket=bucket, Key="to", CopySource=source,
                   CopySourceIfNoneMatch=etag)[1] == 412
    s3.put_object(Bucket=bucket, Key="to", Body=b"old")
    assert code_of(s3.copy_object, Bucket=bucket, Key="to", CopySource=source,
                   IfNoneMatch="*")[1] == 412
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == b"old"


def test_copy_of_parts(s3, bucket):
    body = bytes(range(256)) * (11 * MIB // 256)
    s3.put_object(Bucket=bucket, Key="from", Body=body)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="to")["UploadId"]
    cut = 6 * MIB + 17
    parts = []
    for number, (first, last) in enumerate([(0, cut - 1), (cut, len(body) - 1)], 1):
        reply = s3.upload_part_copy(Bucket=bucket, Key="to", UploadId=upload, PartNumber=number,
                                    CopySource=f"{bucket}/from",
                                    CopySourceRange=f"bytes={first}-{last}")
        parts.append({"PartNumber": number, "ETag": reply["CopyPartResult"]["ETag"]})
    assert code_of(s3.upload_part_copy, Bucket=bucket, Key="to", UploadId=upload, PartNumber=3,
                   CopySource=f"{bucket}/from",
                   CopySourceRange=f"bytes=0-{len(body)}") == ("InvalidArgument", 400)
    complete(s3, bucket, "to", upload, parts)
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == body


# --- buckets ---

def test_buckets(s3, connect, bucket):
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert bucket in names and names == sorted(names)
    head = s3.head_bucket(Bucket=bucket)
    assert head["BucketRegion"] == "us-east-1" and head["AccessPointAlias"] is False
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    other = connect(keys=support.ADMINS["111111111111"])
    assert code_of(other.create_bucket, Bucket=bucket) == ("BucketAlreadyExists", 409)
    assert code_of(s3.create_bucket, Bucket="UPPER") == ("InvalidBucketName", 400)
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert code_of(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)


def test_a_bucket_elsewhere_tells_its_region(s3, connect):
    ireland = connect(region="eu-west-1")
    ireland.create_bucket(Bucket="elsewhere-1",
                          CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert ireland.get_bucket_location(Bucket="elsewhere-1")["LocationConstraint"] == "eu-west-1"
    # botocore learns the region from the refusal and goes there.
    s3.put_object(Bucket="elsewhere-1", Key="k", Body=b"1")
    assert s3.get_object(Bucket="elsewhere-1", Key="k")["Body"].read() == b"1"
    s3.delete_object(Bucket="elsewhere-1", Key="k")
    ireland.delete_bucket(Bucket="elsewhere-1")


def test_bucket_settings(s3, bucket):
    assert code_of(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)
    policy = ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":'
              '"arn:aws:iam::111111111111:root"},"Action":"s3:GetObject","Resource":'
              f'"arn:aws:s3:::{bucket}/*"}}]}}')
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert "111111111111" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    assert code_of(s3.put_bucket_policy, Bucket=bucket, Policy="{") == ("MalformedPolicy", 400)
    s3.delete_bucket_policy(Bucket=bucket)
    assert code_of(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)

    block = {"BlockPublicAcls": True, "IgnorePublicAcls": False, "BlockPublicPolicy": True,
             "RestrictPublicBuckets": False}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == block
    public = policy.replace('{"AWS":"arn:aws:iam::111111111111:root"}', '"*"')
    assert code_of(s3.put_bucket_policy, Bucket=bucket, Policy=public) == ("AccessDenied", 403)
    s3.delete_public_access_block(Bucket=bucket)
    assert code_of(s3.get_public_access_block, Bucket=bucket)[1] == 404

    def ownership():
        rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
        return rules[0]["ObjectOwnership"]
    assert ownership() == "BucketOwnerEnforced"
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={
        "Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    assert ownership() == "BucketOwnerPreferred"

    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={
        "Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"


def test_acls_are_refused_where_the_owner_is_enforced(s3, bucket):
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"",
                   ACL="public-read") == ("AccessControlListNotSupported", 400)
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="bucket-owner-full-control")


@pytest.mark.parametrize("ownership, acl, owner_reads", [
    ("ObjectWriter", None, False), ("ObjectWriter", "bucket-owner-full-control", True),
    ("BucketOwnerPreferred", None, False),
    ("BucketOwnerPreferred", "bucket-owner-full-control", True),
    ("BucketOwnerEnforced", None, True),
])
def test_who_owns_what_another_account_wrote(s3, connect, bucket, ownership, acl, owner_reads):
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={
        "Rules": [{"ObjectOwnership": ownership}]})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
            "Action": ["s3:GetObject", "s3:PutObject", "s3:PutObjectAcl"],
            "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
    writer = connect(keys=support.ADMINS["111111111111"])
    writer.put_object(Bucket=bucket, Key="theirs", Body=b"1", **({"ACL": acl} if acl else {}))
    s3.put_object(Bucket=bucket, Key="ours", Body=b"2")
    assert writer.get_object(Bucket=bucket, Key="theirs")["Body"].read() == b"1"
    assert writer.get_object(Bucket=bucket, Key="ours")["Body"].read() == b"2"
    if owner_reads:
        assert s3.get_object(Bucket=bucket, Key="theirs")["Body"].read() == b"1"
    else:
        assert code_of(s3.get_object, Bucket=bucket, Key="theirs") == ("AccessDenied", 403)


def test_what_is_not_there_is_refused_as_such(s3, bucket):
    assert code_of(s3.get_bucket_lifecycle_configuration, Bucket=bucket)[1] == 501
    assert code_of(s3.put_bucket_versioning, Bucket=bucket,
                   VersioningConfiguration={"Status": "Enabled"})[1] in (405, 409, 501)


# --- addressing ---

@pytest.mark.subdomains
def test_virtual_hosts(connect, bucket):
    s3 = connect(s3={"addressing_style": "virtual"})
    s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="a b/ü")["Body"].read() == b"1"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a b/ü"]


@pytest.fixture
def access_point(connect, s3, bucket):
    control = connect("s3control")
    name = "ap-" + bucket[5:]
    made = control.create_access_point(AccountId=OWNER, Name=name, Bucket=bucket)
    yield name, made["AccessPointArn"], made["Alias"]
    control.delete_access_point(AccountId=OWNER, Name=name)


@pytest.mark.subdomains
def test_an_access_point_by_arn_and_alias(s3, bucket, access_point):
    name, arn, alias = access_point
    s3.put_object(Bucket=arn, Key="dir/k", Body=b"by arn")
    assert s3.get_object(Bucket=alias, Key="dir/k")["Body"].read() == b"by arn"
    assert s3.get_object(Bucket=bucket, Key="dir/k")["Body"].read() == b"by arn"
    reply = s3.list_objects_v2(Bucket=arn, Prefix="dir/")
    assert [o["Key"] for o in reply["Contents"]] == ["dir/k"]
    assert [o["Key"] for o in s3.list_objects(Bucket=arn)["Contents"]] == ["dir/k"]
    s3.copy_object(Bucket=arn, Key="copy", CopySource=f"{arn}/object/dir/k")
    s3.copy_object(Bucket=bucket, Key="copy2", CopySource={"Bucket": alias, "Key": "dir/k"})
    assert s3.get_object(Bucket=alias, Key="copy")["Body"].read() == b"by arn"
    upload, parts = upload_parts(s3, arn, "m", [(1, b"part")])
    complete(s3, arn, "m", upload, parts)
    reply = s3.delete_objects(Bucket=arn, Delete={"Objects": [{"Key": k} for k in (
        "m", "copy", "copy2")]})
    assert len(reply["Deleted"]) == 3
    assert s3.head_bucket(Bucket=alias)["AccessPointAlias"] is True


@pytest.mark.subdomains
def test_what_an_access_point_cannot_do(s3, access_point):
    _, arn, alias = access_point
    assert code_of(s3.put_bucket_policy, Bucket=alias, Policy="{}") == ("MethodNotAllowed", 405)
    assert code_of(s3.delete_bucket, Bucket=alias) == ("MethodNotAllowed", 405)
    assert code_of(s3.get_bucket_versioning, Bucket=arn) == ("MethodNotAllowed", 405)
    gone = arn.replace("accesspoint/ap-", "accesspoint/no-")
    assert code_of(s3.get_object, Bucket=gone, Key="k") == ("NoSuchAccessPoint", 404)


# --- who signs ---

def test_wrong_signers(connect, bucket, emulator):
    good = support.ADMINS[OWNER]
    assert code_of(connect(keys=(good[0], "wrong")).list_objects_v2, Bucket=bucket) == (
        "SignatureDoesNotMatch", 403)
    assert code_of(connect(keys=("AKIANOSUCHKEY0000000", "x")).list_objects_v2,
                   Bucket=bucket) == ("InvalidAccessKeyId", 403)
    demo = support.SESSIONS["demo"]
    assert code_of(connect(keys=(demo[0], demo[1], "nonsense")).list_objects_v2,
                   Bucket=bucket) == ("InvalidToken", 400)
    assert code_of(connect(keys=demo[:2]).list_objects_v2, Bucket=bucket)[1] == 403


def test_a_clock_too_far_off(connect, bucket, emulator):
    emulator.admin("POST", "clock", {"shift-ms": 16 * 60 * 1000})
    s3 = connect()
    with pytest.raises(ClientError) as caught:
        s3.list_objects_v2(Bucket=bucket)
    error = caught.value.response["Error"]
    assert error["Code"] == "RequestTimeTooSkewed"
    assert error["MaxAllowedSkewMilliseconds"] == "900000" and error["ServerTime"]
    emulator.admin("POST", "clock", {"shift-ms": 14 * 60 * 1000})
    s3.list_objects_v2(Bucket=bucket)


def test_anonymous_requests_are_denied(emulator, bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{emulator.endpoint}/{bucket}/k")
    assert caught.value.code == 403 and b"<Code>AccessDenied</Code>" in caught.value.read()


# --- the record of requests ---

def test_requests_are_recorded(s3, bucket, requests_seen):
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    s3.get_object(Bucket=bucket, Key="k", Range="bytes=1-2")["Body"].read()
    [seen] = requests_seen("GetObject")
    assert seen["bucket"] == bucket and seen["key"] == "k" and seen["status"] == 206
    assert seen["range"] == "bytes=1-2" and seen["bytes"] == 2
    assert seen["caller"] == f"arn:aws:iam::{OWNER}:user/admin"
    assert "Boto3" in seen["user_agent"]
    assert requests_seen("PutObject")[0]["received"] >= 5

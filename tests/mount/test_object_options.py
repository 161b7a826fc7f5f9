"""sse, kms-key, bucket-key, storage-class, acl and tags: what objects carry, and what they keep."""
import json
import os
import pathlib

import pytest
from mounting import options

BUCKET = "test-bucket-1"
KEY = "arn:aws:kms:us-east-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER = "arn:aws:kms:us-east-1:222222222222:key/other"


@pytest.fixture
def prefix(request):
    return "options-" + request.node.name.split("[")[0]


def mount(emu, place, prefix, *words, profile="admin2"):
    return pathlib.Path(place.mount(f"s3://{BUCKET}/{prefix}", options(
        emu, f"profile={profile}", f"state-dir={place.dir}/state", *words)))


def head(emu, key):
    return emu.owner.head_object(Bucket=BUCKET, Key=key)


def encryption(emu, key):
    h = head(emu, key)
    return h["ServerSideEncryption"], h.get("SSEKMSKeyId"), h.get("BucketKeyEnabled", False)


def move(place, old, new):
    """Until S3 has it: a rename may be acknowledged before."""
    os.rename(old, new)
    assert place.run("sync", old.parent).returncode == 0


def use(place, where):
    """Objects made in every way: put, parts, copy, marker."""
    (where / "small").write_bytes(b"small")
    (where / "large").write_bytes(bytes(9 << 20))
    with open(where / "large", "rb") as src, open(where / "copy", "wb") as dst:
        assert os.copy_file_range(src.fileno(), dst.fileno(), 9 << 20) == 9 << 20
    (where / "moving").write_bytes(b"x")
    (where / "folder").mkdir()
    move(place, where / "moving", where / "moved")


MADE = ["small", "large", "copy", "moved"]


def test_encryption_of_what_is_made(emu, admin, prefix):
    where = mount(emu, admin, prefix, "sse=aws:kms", f"kms-key={KEY}", "bucket-key=on")
    use(admin, where)
    for name in MADE + ["folder/"]:
        assert encryption(emu, f"{prefix}/{name}") == ("aws:kms", KEY, True), name


def test_an_object_keeps_its_encryption(emu, admin, prefix):
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/f", Body=b"1", ServerSideEncryption="aws:kms",
                         SSEKMSKeyId=OTHER, StorageClass="STANDARD_IA")
    where = mount(emu, admin, prefix)
    (where / "f").write_bytes(b"two")
    assert encryption(emu, f"{prefix}/f") == ("aws:kms", OTHER, False)
    os.chmod(where / "f", 0o600)
    move(admin, where / "f", where / "g")
    assert encryption(emu, f"{prefix}/g") == ("aws:kms", OTHER, False)
    assert head(emu, f"{prefix}/g")["StorageClass"] == "STANDARD_IA"
    admin.umount(where)
    where = mount(emu, admin, prefix, "sse=AES256")  # the option says otherwise
    (where / "g").write_bytes(b"three")
    assert encryption(emu, f"{prefix}/g") == ("AES256", None, False)


def test_a_storage_class_is_for_new_objects(emu, admin, prefix):
    for name, words in (("std", {}), ("one", {"StorageClass": "ONEZONE_IA"})):
        emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=b"1", **words)
    where = mount(emu, admin, prefix, "storage-class=STANDARD_IA")
    use(admin, where)
    for name in MADE:
        assert head(emu, f"{prefix}/{name}")["StorageClass"] == "STANDARD_IA", name
    assert "StorageClass" not in head(emu, f"{prefix}/folder/")  # no bytes, so the cheapest
    for name in ("std", "one"):
        with open(where / name, "ab") as f:
            f.write(b"more")
        os.chmod(where / name, 0o600)
        move(admin, where / name, where / (name + "2"))
    assert "StorageClass" not in head(emu, f"{prefix}/std2")
    assert head(emu, f"{prefix}/one2")["StorageClass"] == "ONEZONE_IA"
    move(admin, where / "small", where / "small2")
    assert head(emu, f"{prefix}/small2")["StorageClass"] == "STANDARD_IA"


def test_an_acl_goes_along(emu, admin, prefix):
    where = mount(emu, admin, prefix, "acl=bucket-owner-full-control")
    use(admin, where)  # the bucket enforces its owner: only this one is taken
    admin.umount(where)
    where = mount(emu, admin, prefix, "acl=public-read")
    with pytest.raises(PermissionError):
        (where / "refused").write_bytes(b"x")
    log = admin.log()
    assert "AccessControlListNotSupported" in log and "bucket-owner-full-control" in log
    emu.owner.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls={
        "Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    try:
        admin.umount(where)
        where = mount(emu, admin, prefix, "acl=public-read")
        (where / "taken").write_bytes(b"x")
        assert head(emu, f"{prefix}/taken")["ContentLength"] == 1
    finally:
        emu.owner.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls={
            "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})


@pytest.mark.parametrize("words,readable", [((), False), (("acl=bucket-owner-full-control",), True)])
def test_what_another_account_writes(emu, place, prefix, words, readable):
    """000-M8: where objects belong to who writes them, the bucket's owner reads them by that ACL only."""
    before = emu.owner.get_bucket_policy(Bucket=BUCKET)["Policy"]
    policy(emu, "Allow", {"AWS": "arn:aws:iam::111111111111:role/demo"},
           "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:PutObjectAcl")
    emu.owner.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls={
        "Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    try:
        where = mount(emu, place, prefix, *words, profile="demo")
        (where / "written").write_bytes(b"of another account")
        if readable:
            assert emu.owner.get_object(Bucket=BUCKET, Key=f"{prefix}/written")["Body"].read() == b"of another account"
        else:
            with pytest.raises(emu.owner.exceptions.ClientError, match="AccessDenied"):
                emu.owner.get_object(Bucket=BUCKET, Key=f"{prefix}/written")
        place.umount(where)
    finally:
        emu.owner.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls={
            "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
        emu.owner.put_bucket_policy(Bucket=BUCKET, Policy=before)


def policy(emu, effect, principal, *actions):
    emu.owner.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": effect, "Principal": principal, "Action": list(actions),
            "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]}]}))


@pytest.fixture
def tagged(emu, prefix):
    """A tagged object, in a bucket whose policy lets the role of another account write."""
    before = emu.owner.get_bucket_policy(Bucket=BUCKET)["Policy"]
    emu.owner.put_object(Bucket=BUCKET, Key=f"{prefix}/f", Body=b"1", Tagging="a=1&b=2")
    policy(emu, "Allow", {"AWS": "arn:aws:iam::111111111111:role/demo"},
           "s3:ListBucket", "s3:GetObject", "s3:PutObject")
    yield f"{prefix}/f"
    emu.owner.put_bucket_policy(Bucket=BUCKET, Policy=before)


def tags(emu, key):
    return {t["Key"]: t["Value"] for t in
            emu.owner.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]}


def test_tags_are_kept(emu, admin, prefix, tagged):
    where = mount(emu, admin, prefix)
    (where / "f").write_bytes(b"two")
    os.chmod(where / "f", 0o600)
    move(admin, where / "f", where / "g")
    assert tags(emu, f"{prefix}/g") == {"a": "1", "b": "2"}


@pytest.mark.parametrize("word", ["", "tags=keep"])
def test_tags_that_cannot_be_kept_stop_the_change(emu, place, prefix, tagged, word):
    """The role knows no tagging action, so a HEAD does not tell it of the tags."""
    where = mount(emu, place, prefix, *([word] if word else []), profile="demo")
    with pytest.raises(PermissionError):  # a copy by the service
        os.chmod(where / "f", 0o600)
    if word:
        with pytest.raises(PermissionError):
            (where / "f").write_bytes(b"two")
        assert "(s3:GetObjectTagging): it is not changed" in place.log()
    assert emu.owner.get_object(Bucket=BUCKET, Key=tagged)["Body"].read() == b"1"
    assert tags(emu, tagged) == {"a": "1", "b": "2"}


def test_tags_that_cannot_be_written_stop_the_change(emu, admin, prefix, tagged):
    policy(emu, "Deny", "*", "s3:PutObjectTagging")
    where = mount(emu, admin, prefix)
    (where / "untagged").write_bytes(b"x")
    with pytest.raises(PermissionError):
        (where / "f").write_bytes(b"two")
    assert "s3:PutObjectTagging" in admin.log() and "tags=drop" in admin.log()
    assert emu.owner.get_object(Bucket=BUCKET, Key=tagged)["Body"].read() == b"1"
    assert tags(emu, tagged) == {"a": "1", "b": "2"}


def test_dropped_tags_need_no_permission(emu, place, prefix, tagged):
    where = mount(emu, place, prefix, "tags=drop", profile="demo")
    os.chmod(where / "f", 0o600)
    assert tags(emu, tagged) == {}
    emu.owner.put_object_tagging(Bucket=BUCKET, Key=tagged, Tagging={
        "TagSet": [{"Key": "again", "Value": ""}]})
    emu.admin("DELETE", "requests")
    (where / "f").write_bytes(b"two")
    assert tags(emu, tagged) == {}
    assert not [r for r in emu.admin("GET", "requests")[:-1] if "Tagging" in r["operation"]]


DIRECTORY = "s3://bucket--use1-az4--x-s3"


@pytest.mark.parametrize("source, words, expected", [
    (f"s3://{BUCKET}", ["sse=rot13"], "'rot13' is not one of AES256, aws:kms, aws:kms:dsse"),
    (f"s3://{BUCKET}", [f"kms-key={KEY}"], "'kms-key' needs sse=aws:kms"),
    (f"s3://{BUCKET}", ["sse=AES256", f"kms-key={KEY}"], "'kms-key' needs sse=aws:kms"),
    (f"s3://{BUCKET}", ["sse=aws:kms", "kms-key=arn:aws:s3:::x"], "is not the ARN of a KMS key"),
    (f"s3://{BUCKET}", ["sse=aws:kms", "kms-key=a key"], "is not the ARN of a KMS key"),
    (f"s3://{BUCKET}", ["sse=aws:kms:dsse", "bucket-key=on"], "'bucket-key' needs sse=aws:kms"),
    (f"s3://{BUCKET}", ["bucket-key=maybe"], "is not one of on, off"),
    (f"s3://{BUCKET}", ["storage-class=SPEEDY"], "is not one of STANDARD,"),
    (f"s3://{BUCKET}", ["storage-class"], "needs a value"),
    (f"s3://{BUCKET}", ["part-size=4M"], "part-size"),
    (f"s3://{BUCKET}", ["part-size=64M"], "'part-size' needs four times as much memory"),
    (f"s3://{BUCKET}", ["acl=everybody"], "is not one of private,"),
    (f"s3://{BUCKET}", ["tags=lose"], "is not one of keep, drop"),
    (DIRECTORY, ["acl=bucket-owner-full-control"], "'acl' does not go with directory buckets"),
    (DIRECTORY, ["sse=aws:kms"], "'sse' does not go with directory buckets"),
    (DIRECTORY, ["storage-class=STANDARD"], "'storage-class' does not go with directory buckets"),
    ("ap-x-ext-s3alias", ["acl=private"], "'acl' does not go with access points of file systems"),
])
def test_bad_values_are_one_line(emu, place, source, words, expected):
    result, _ = place.try_mount(source, options(emu, "profile=demo", *words))
    assert result.returncode == 2, result.stderr
    assert expected in result.stderr and len(result.stderr.splitlines()) == 1, result.stderr


def test_parts_are_as_large_as_asked_for(emu, admin, prefix):
    where = mount(emu, admin, prefix, "part-size=16M")
    (where / "f").write_bytes(bytes(33 << 20))
    sizes = [emu.owner.head_object(Bucket=BUCKET, Key=f"{prefix}/f", PartNumber=n)["ContentLength"]
             for n in (1, 2, 3)]
    assert sizes == [16 << 20, 16 << 20, 1 << 20]


def test_each_directory_has_its_own(emu, admin, prefix):
    config = admin.config(emu, {
        "a": [f"source = s3://{BUCKET}/{prefix}/a", "storage-class = GLACIER_IR"],
        "b": [f"source = s3://{BUCKET}/{prefix}/b", "tags = drop"]},
        mount_options="profile = admin2\nsse = aws:kms\n")
    where = pathlib.Path(admin.mount(config, [f"state-dir={admin.dir}/state"]))
    for name in ("a", "b"):
        (where / name / "f").write_bytes(b"x")
    a, b = head(emu, f"{prefix}/a/f"), head(emu, f"{prefix}/b/f")
    assert a["ServerSideEncryption"] == b["ServerSideEncryption"] == "aws:kms"
    assert a["StorageClass"] == "GLACIER_IR" and "StorageClass" not in b

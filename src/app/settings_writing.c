/* Options of what objects carry: encryption, storage class, ACL, tags.
 *
 * The words are those of the S3 API reference (PutObject). What goes together, and
 * with which target, is checked when all options of a directory are known. */
#include <errno.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "s3apfs/store/write.h"
#include "settings_internal.h"

static const char *const sse_words[] = {"AES256", "aws:kms", "aws:kms:dsse", NULL};
static const char *const on_off[] = {"on", "off", NULL};
static const char *const class_words[] = {
    "STANDARD",   "STANDARD_IA", "ONEZONE_IA",   "INTELLIGENT_TIERING",
    "GLACIER_IR", "GLACIER",     "DEEP_ARCHIVE", "REDUCED_REDUNDANCY",
    NULL};
static const char *const acl_words[] = {
    "private",       "public-read",       "public-read-write",         "authenticated-read",
    "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control", NULL};
/* In the order of enum checksum_kind. */
static const char *const checksum_words[] = {"crc64nvme", "crc32", "crc32c",
                                             "sha256",    "sha1",  NULL};
static const char *const tag_words[] = {"keep", "drop", NULL};
static const char *const posix_words[] = {"lazy", "strict", "off", NULL};

enum { WORDS_SSE, WORDS_ON_OFF, WORDS_CLASS, WORDS_ACL, WORDS_TAGS, WORDS_POSIX, WORDS_CHECKSUM };
const char *const *const settings_words[] = {
    [WORDS_SSE] = sse_words,          [WORDS_ON_OFF] = on_off,  [WORDS_CLASS] = class_words,
    [WORDS_ACL] = acl_words,          [WORDS_TAGS] = tag_words, [WORDS_POSIX] = posix_words,
    [WORDS_CHECKSUM] = checksum_words};

const struct row settings_writing_rows[] = {
    {"part-size", SIZE, MOUNT_ONLY, AT(part_size), STORE_PART_MIN, STORE_PART_MAX,
     "smallest part of a multipart upload, at most a quarter of memory; default 8M"},
    {"sse", CHOICE, ANYWHERE, AT(sse), WORDS_SSE, 0,
     "AES256 | aws:kms | aws:kms:dsse: encryption, default: the bucket's, and an object keeps its "
     "own"},
    {"kms-key", KMS_KEY, ANYWHERE, AT(kms_key), 0, 0, "KMS key of sse=aws:kms, by ARN"},
    {"bucket-key", CHOICE, ANYWHERE, AT(bucket_key), WORDS_ON_OFF, 0,
     "on | off: fewer calls of KMS, with sse=aws:kms"},
    {"storage-class", CHOICE, ANYWHERE, AT(storage_class), WORDS_CLASS, 0,
     "storage class of new objects, such as STANDARD_IA"},
    {"checksum", CHOICE, ANYWHERE, AT(checksum), WORDS_CHECKSUM, 0,
     "crc64nvme | crc32 | crc32c | sha1 | sha256: what S3 checks and keeps, default crc64nvme"},
    {"acl", CHOICE, ANYWHERE, AT(acl), WORDS_ACL, 0,
     "canned ACL of what is written, such as bucket-owner-full-control"},
    {"posix-metadata", CHOICE, ANYWHERE, AT(posix_metadata), WORDS_POSIX, 0,
     "lazy | strict | off: modes, owners, times in objects' metadata; default lazy"},
    {"umount-timeout", DURATION, MOUNT_ONLY, AT(umount_timeout_ms), 0, 86400000,
     "how long umount waits until everything is in S3, default: as long as it takes"},
    {"tags", CHOICE, ANYWHERE, AT(tags), WORDS_TAGS, 0,
     "keep | drop: tags of objects that are changed; default: keep those that S3 tells of"},
};
const size_t settings_writing_count =
    sizeof(settings_writing_rows) / sizeof(settings_writing_rows[0]);

/* arn:PARTITION:kms:REGION:ACCOUNT:key/ID or :alias/NAME */
static bool is_kms_arn(const char *s) {
  const char *at = s;

  for (int colons = 0; colons < 5; colons++) {
    at = strchr(at, ':');
    if (at == NULL)
      return false;
    at++;
    if (colons == 1 && !text_has_prefix(at, "kms:"))
      return false;
  }
  return (text_has_prefix(at, "key/") && at[4] != '\0') ||
         (text_has_prefix(at, "alias/") && at[6] != '\0');
}

bool settings_is_kms_key(const char *s) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

  for (const char *p = s; *p != '\0'; p++)
    if (strchr(letters, *p) == NULL && strchr(":/_-", *p) == NULL)
      return false;
  if (text_has_prefix(s, "arn:"))
    return is_kms_arn(s);
  if (text_has_prefix(s, "alias/"))
    return s[6] != '\0';
  return *s != '\0' && strpbrk(s, ":/") == NULL;
}

static int needs(struct buf *why, const char *option, const char *what) {
  buf_printf(why, "option '%s' needs %s", option, what);
  return -EINVAL;
}

static int check_encryption(const struct settings *s, struct buf *why) {
  bool kms = s->sse != NULL && text_has_prefix(s->sse, "aws:kms");

  if (s->kms_key != NULL && !kms)
    return needs(why, "kms-key", "sse=aws:kms or sse=aws:kms:dsse");
  if (s->bucket_key != NULL && (!kms || strcmp(s->sse, "aws:kms") != 0))
    return needs(why, "bucket-key", "sse=aws:kms");
  return 0;
}

static int refuse(struct buf *why, const char *option, const char *target, const char *because) {
  buf_printf(why, "option '%s' does not go with %s: %s", option, target, because);
  return -EINVAL;
}

static bool is_directory(const struct target *t) {
  return t->kind == TARGET_DIRECTORY_BUCKET || t->kind == TARGET_DIRECTORY_ACCESS_POINT;
}

static bool is_outpost(const struct target *t) {
  return t->bucket != NULL &&
         (strstr(t->bucket, ":s3-outposts:") != NULL || text_has_suffix(t->bucket, "--op-s3"));
}

static bool is_file_system(const struct target *t) {
  return t->bucket != NULL && text_has_suffix(t->bucket, "-ext-s3alias");
}

/* Places that have one class, one kind of encryption and no ACLs. */
static int check_special(const struct settings *s, const char *target, struct buf *why) {
  if (s->sse != NULL)
    return refuse(why, "sse", target, "it encrypts in its own way");
  if (s->storage_class != NULL)
    return refuse(why, "storage-class", target, "it has one class of its own");
  if (s->acl != NULL && strcmp(s->acl, "bucket-owner-full-control") != 0)
    return refuse(why, "acl", target, "it has no ACLs");
  return 0;
}

int settings_check_writing(const struct settings *s, const struct target *t, struct buf *why) {
  int rc = check_encryption(s, why);

  if (rc == 0 && s->part_size > s->memory / 4)
    rc = needs(why, "part-size", "four times as much memory");
  if (rc == 0 && is_directory(t))
    rc = s->acl != NULL ? refuse(why, "acl", "directory buckets", "they have no ACLs")
                        : check_special(s, "directory buckets", why);
  if (rc == 0 && is_outpost(t))
    rc = check_special(s, "Outposts", why);
  if (rc == 0 && is_file_system(t))
    rc = check_special(s, "access points of file systems", why);
  return rc;
}

enum root_posix settings_posix(const struct settings *s) {
  const char *word = s->posix_metadata != NULL ? s->posix_metadata : "lazy";

  if (strcmp(word, "strict") == 0)
    return ROOT_POSIX_STRICT;
  return strcmp(word, "off") == 0 ? ROOT_POSIX_OFF : ROOT_POSIX_LAZY;
}

void settings_placing(const struct settings *s, struct s3_placing *out) {
  *out = (struct s3_placing){.sse = s->sse,
                             .kms_key = s->kms_key,
                             .storage_class = s->storage_class,
                             .acl = s->acl,
                             .drop_tags = s->tags != NULL && strcmp(s->tags, "drop") == 0,
                             .keep_tags = s->tags != NULL && strcmp(s->tags, "keep") == 0};
  if (s->checksum != NULL)
    checksum_kind_parse(s->checksum, &out->checksum);
  if (s->bucket_key != NULL)
    out->bucket_key = strcmp(s->bucket_key, "on") == 0 ? "true" : "false";
}

/* ListObjectsV2 pages in one pass, without a tree: listings are the one reply
 * that comes a hundred times in a row, so only what is kept is allocated.
 *
 * The reader knows where it is by depth and two marks: the container it is in
 * (Contents or CommonPrefixes, depth 2) and the field whose text it collects
 * (depth 2 or 3). Everything else (Owner, checksums, what servers add) is passed
 * over. Whether names are percent-encoded is known for sure only at the end, as
 * EncodingType may stand anywhere, so names are decoded then, in place.
 *
 * Spaces may come as '+': S3 encodes names as in a form. */
#include "s3apfs/aws/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/array.h"
#include "s3apfs/base/buf.h"
#include "s3apfs/base/text.h"
#include "xml_scan.h"

enum container { IN_ROOT, IN_CONTENTS, IN_PREFIXES, IN_OTHER };

enum field {
  FIELD_NONE,
  FIELD_KEY,
  FIELD_MTIME,
  FIELD_ETAG,
  FIELD_SIZE,
  FIELD_CLASS,
  FIELD_PREFIX,
  FIELD_TRUNCATED,
  FIELD_TOKEN,
  FIELD_ENCODING,
};

#define SEEN(field) (1U << (field))

struct reader {
  struct listing out;
  size_t object_cap;
  size_t prefix_cap;
  unsigned depth;
  enum container container;
  enum field field;
  struct buf text;
  unsigned seen_root; /* SEEN() bits */
  unsigned seen;      /* of the current container */
  bool truncated;
  bool url_encoded;
};

static const struct {
  enum container container;
  const char *name;
  enum field field;
} fields[] = {
    {IN_CONTENTS, "Key", FIELD_KEY},
    {IN_CONTENTS, "LastModified", FIELD_MTIME},
    {IN_CONTENTS, "ETag", FIELD_ETAG},
    {IN_CONTENTS, "Size", FIELD_SIZE},
    {IN_CONTENTS, "StorageClass", FIELD_CLASS},
    {IN_PREFIXES, "Prefix", FIELD_PREFIX},
    {IN_ROOT, "IsTruncated", FIELD_TRUNCATED},
    {IN_ROOT, "NextContinuationToken", FIELD_TOKEN},
    {IN_ROOT, "EncodingType", FIELD_ENCODING},
};

static enum field field_of(enum container container, const char *name) {
  for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
    if (fields[i].container == container && strcmp(fields[i].name, name) == 0)
      return fields[i].field;
  }
  return FIELD_NONE;
}

static int object_begin(struct reader *r) {
  int rc =
      array_room(&r->out.objects, r->out.object_count, &r->object_cap, sizeof(*r->out.objects));

  if (rc == 0)
    r->out.objects[r->out.object_count++] = (struct listing_object){0};
  return rc;
}

static int container_begin(struct reader *r, const char *name) {
  r->seen = 0;
  r->container = IN_OTHER;
  if (strcmp(name, "Contents") == 0) {
    r->container = IN_CONTENTS;
    return object_begin(r);
  }
  if (strcmp(name, "CommonPrefixes") == 0)
    r->container = IN_PREFIXES;
  return 0;
}

static int on_open(void *arg, const char *name, const struct xml_scan_attr *attrs, size_t count) {
  struct reader *r = arg;
  int rc = 0;

  (void)attrs, (void)count;
  r->depth++;
  if (r->field != FIELD_NONE)
    return -EBADMSG;
  if (r->depth == 1)
    return strcmp(name, "ListBucketResult") == 0 ? 0 : -EBADMSG;
  if (r->depth == 2) {
    r->field = field_of(IN_ROOT, name);
    if (r->field == FIELD_NONE)
      rc = container_begin(r, name);
  } else if (r->depth == 3) {
    r->field = field_of(r->container, name);
  }
  buf_reset(&r->text);
  return rc;
}

static int on_text(void *arg, const char *s, size_t len) {
  struct reader *r = arg;

  if (r->field == FIELD_NONE)
    return 0;
  buf_append(&r->text, s, len);
  return buf_error(&r->text);
}

/* --- fields ------------------------------------------------------------------- */

static int take_text(const char *s, size_t len, char **out) {
  *out = text_dup_n(s, len);
  return *out != NULL ? 0 : -ENOMEM;
}

static int take_etag(const struct buf *text, char **out) {
  const char *s = buf_cstr(text);
  size_t len = text->len;

  if (len >= 2 && s[0] == '"' && s[len - 1] == '"') {
    s++;
    len -= 2;
  }
  return take_text(s, len, out);
}

static int take_prefix(struct reader *r) {
  int rc =
      array_room(&r->out.prefixes, r->out.prefix_count, &r->prefix_cap, sizeof(*r->out.prefixes));

  if (rc == 0)
    rc = take_text(buf_cstr(&r->text), r->text.len, &r->out.prefixes[r->out.prefix_count]);
  if (rc == 0)
    r->out.prefix_count++;
  return rc;
}

static int take_object_field(struct reader *r) {
  struct listing_object *o = &r->out.objects[r->out.object_count - 1];
  const char *s = buf_cstr(&r->text);

  switch (r->field) {
  case FIELD_KEY:
    return take_text(s, r->text.len, &o->key);
  case FIELD_ETAG:
    return take_etag(&r->text, &o->etag);
  case FIELD_CLASS:
    return take_text(s, r->text.len, &o->storage_class);
  case FIELD_SIZE:
    return text_parse_u64(s, &o->size) == 0 ? 0 : -EBADMSG;
  case FIELD_MTIME:
    return text_parse_iso8601(s, &o->mtime) == 0 ? 0 : -EBADMSG;
  default:
    return -EBADMSG;
  }
}

static int take_root_field(struct reader *r) {
  const char *s = buf_cstr(&r->text);

  switch (r->field) {
  case FIELD_TRUNCATED:
    r->truncated = strcmp(s, "true") == 0;
    return r->truncated || strcmp(s, "false") == 0 ? 0 : -EBADMSG;
  case FIELD_TOKEN:
    return take_text(s, r->text.len, &r->out.next_token);
  case FIELD_ENCODING:
    r->url_encoded = strcmp(s, "url") == 0;
    return r->url_encoded || *s == '\0' ? 0 : -EBADMSG;
  default:
    return -EBADMSG;
  }
}

/* Every field comes at most once in its place, prefixes apart. */
static int field_end(struct reader *r) {
  unsigned *seen = r->depth == 2 ? &r->seen_root : &r->seen;
  int rc;

  if ((*seen & SEEN(r->field)) != 0 && r->field != FIELD_PREFIX)
    return -EBADMSG;
  *seen |= SEEN(r->field);
  if (r->depth == 2)
    rc = take_root_field(r);
  else
    rc = r->field == FIELD_PREFIX ? take_prefix(r) : take_object_field(r);
  r->field = FIELD_NONE;
  return rc;
}

static int container_end(struct reader *r) {
  const unsigned object = SEEN(FIELD_KEY) | SEEN(FIELD_SIZE) | SEEN(FIELD_MTIME);
  unsigned needed = r->container == IN_CONTENTS   ? object
                    : r->container == IN_PREFIXES ? SEEN(FIELD_PREFIX)
                                                  : 0;

  r->container = IN_ROOT;
  return (r->seen & needed) == needed ? 0 : -EBADMSG;
}

static int on_close(void *arg, const char *name) {
  struct reader *r = arg;
  int rc = 0;

  (void)name;
  if (r->field != FIELD_NONE)
    rc = field_end(r);
  else if (r->depth == 2)
    rc = container_end(r);
  r->depth--;
  return rc;
}

/* --- the end ------------------------------------------------------------------ */

/* Decoding never makes a name longer, so it goes back into its place. */
static int decode_name(char *name, struct buf *scratch) {
  int rc;

  buf_reset(scratch);
  rc = text_uri_decode(scratch, name, strlen(name), true);
  if (rc != 0)
    return rc == -ENOMEM ? rc : -EBADMSG;
  if (memchr(buf_cstr(scratch), '\0', scratch->len) != NULL)
    return -EBADMSG;
  memcpy(name, buf_cstr(scratch), scratch->len + 1);
  return 0;
}

static int finish_name(struct reader *r, char *name) {
  int rc = r->url_encoded && strpbrk(name, "%+") != NULL ? decode_name(name, &r->text) : 0;

  return rc == 0 && *name == '\0' ? -EBADMSG : rc;
}

static int finish_object(struct reader *r, struct listing_object *o) {
  int rc = finish_name(r, o->key);

  if (rc == 0 && o->etag == NULL)
    rc = take_text("", 0, &o->etag);
  if (rc == 0 && o->storage_class == NULL)
    rc = take_text("", 0, &o->storage_class);
  return rc;
}

static int finish(struct reader *r) {
  int rc = (r->seen_root & SEEN(FIELD_TRUNCATED)) != 0 ? 0 : -EBADMSG;

  for (size_t i = 0; rc == 0 && i < r->out.object_count; i++)
    rc = finish_object(r, &r->out.objects[i]);
  for (size_t i = 0; rc == 0 && i < r->out.prefix_count; i++)
    rc = finish_name(r, r->out.prefixes[i]);
  if (rc == 0 && r->truncated && (r->out.next_token == NULL || *r->out.next_token == '\0'))
    rc = -EBADMSG;
  if (rc == 0 && !r->truncated) {
    free(r->out.next_token);
    r->out.next_token = NULL;
  }
  return rc;
}

int listing_parse(const void *xml, size_t len, struct listing *out) {
  static const struct xml_events events = {on_open, on_text, on_close};
  struct reader r = {.container = IN_ROOT};
  int rc;

  buf_init(&r.text, 0);
  rc = xml_scan(xml, len, &events, &r);
  if (rc == 0)
    rc = finish(&r);
  buf_fini(&r.text);
  if (rc != 0) {
    listing_fini(&r.out);
    return rc == -E2BIG ? -EBADMSG : rc;
  }
  *out = r.out;
  return 0;
}

void listing_fini(struct listing *l) {
  for (size_t i = 0; i < l->object_count; i++) {
    free(l->objects[i].key);
    free(l->objects[i].etag);
    free(l->objects[i].storage_class);
  }
  for (size_t i = 0; i < l->prefix_count; i++)
    free(l->prefixes[i]);
  free(l->objects);
  free(l->prefixes);
  free(l->next_token);
  *l = (struct listing){0};
}

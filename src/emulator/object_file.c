/* The trailer of an object's file, as JSON. Written once, never changed in
 * place; a file that lacks it (a crash while writing) is not an object. */
#include "object_file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/file.h"

#define MAGIC "S3APFSO1"
#define FOOT_BYTES 16
/* 10,000 parts with checksums and 2 KB of metadata stay well below. */
#define TRAILER_MAX ((uint64_t)16 << 20)

void object_info_init(struct object_info *o) {
  memset(o, 0, sizeof(*o));
  kvlist_init(&o->headers);
  kvlist_init(&o->tags);
}

static void parts_free(struct object_part *parts, size_t count) {
  for (size_t i = 0; i < count; i++)
    free(parts[i].checksum);
  free(parts);
}

void object_info_fini(struct object_info *o) {
  key_entry_fini(&o->entry);
  kvlist_fini(&o->headers);
  kvlist_fini(&o->tags);
  free(o->checksum);
  free(o->acl);
  parts_free(o->parts, o->part_count);
  object_info_init(o);
}

static int copy_parts(struct object_info *dst, const struct object_info *src) {
  if (!src->part_count)
    return 0;
  dst->parts = calloc(src->part_count, sizeof(*dst->parts));
  if (!dst->parts)
    return -ENOMEM;
  for (size_t i = 0; i < src->part_count; i++) {
    const struct object_part *s = &src->parts[i];
    dst->parts[i] = (struct object_part){.size = s->size, .number = s->number};
    dst->part_count++;
    if (s->checksum && !(dst->parts[i].checksum = strdup(s->checksum)))
      return -ENOMEM;
  }
  return 0;
}

int object_info_copy(struct object_info *dst, const struct object_info *src) {
  struct object_info o;
  object_info_init(&o);
  int err = key_entry_copy(&o.entry, &src->entry);
  if (!err)
    err = kvlist_copy(&o.headers, &src->headers);
  if (!err)
    err = kvlist_copy(&o.tags, &src->tags);
  if (!err && src->checksum && !(o.checksum = strdup(src->checksum)))
    err = -ENOMEM;
  if (!err && src->acl && !(o.acl = strdup(src->acl)))
    err = -ENOMEM;
  if (!err)
    err = copy_parts(&o, src);
  if (err) {
    object_info_fini(&o);
    return err;
  }
  *dst = o;
  return 0;
}

/* --- writing --- */

static bool add_text(cJSON *to, const char *name, const char *value) {
  return !value || cJSON_AddStringToObject(to, name, value);
}

static bool add_pairs(cJSON *to, const char *name, const struct kvlist *pairs) {
  cJSON *list = cJSON_AddArrayToObject(to, name);
  for (size_t i = 0; list && i < pairs->count; i++) {
    const char *pair[2] = {pairs->items[i].name, pairs->items[i].value};
    cJSON *item = cJSON_CreateStringArray(pair, 2);
    if (!item || !cJSON_AddItemToArray(list, item))
      return false;
  }
  return list != NULL;
}

static bool add_parts(cJSON *to, const struct object_info *o) {
  if (!o->part_count)
    return true;
  cJSON *list = cJSON_AddArrayToObject(to, "parts");
  for (size_t i = 0; list && i < o->part_count; i++) {
    cJSON *item = cJSON_CreateObject();
    if (!item || !cJSON_AddItemToArray(list, item) ||
        !cJSON_AddNumberToObject(item, "number", o->parts[i].number) ||
        !cJSON_AddNumberToObject(item, "size", (double)o->parts[i].size) ||
        !add_text(item, "checksum", o->parts[i].checksum))
      return false;
  }
  return list != NULL;
}

static char *print_info(const struct object_info *o) {
  const struct key_entry *e = &o->entry;
  cJSON *root = cJSON_CreateObject();
  bool ok = root && add_text(root, "key", e->key) &&
            cJSON_AddNumberToObject(root, "size", (double)e->size) &&
            cJSON_AddNumberToObject(root, "mtime", (double)e->mtime_ms) &&
            add_text(root, "etag", e->etag) && add_text(root, "class", e->storage_class) &&
            add_text(root, "owner", e->owner) &&
            add_text(root, "algorithm", e->checksum_algorithm) &&
            add_text(root, "type", e->checksum_type) && add_text(root, "checksum", o->checksum) &&
            add_text(root, "acl", o->acl) &&
            (!o->appends || cJSON_AddNumberToObject(root, "appends", o->appends)) &&
            add_pairs(root, "headers", &o->headers) && add_pairs(root, "tags", &o->tags) &&
            add_parts(root, o);
  char *text = ok ? cJSON_PrintUnformatted(root) : NULL;
  cJSON_Delete(root);
  return text;
}

int object_file_seal(int fd, const struct object_info *o) {
  char *text = print_info(o);
  if (!text)
    return -ENOMEM;
  struct buf b;
  buf_init(&b, TRAILER_MAX + FOOT_BYTES);
  uint64_t len = strlen(text);
  buf_append(&b, text, len);
  for (int i = 0; i < 8; i++)
    buf_putc(&b, (char)(len >> (8 * i)));
  buf_puts(&b, MAGIC);
  cJSON_free(text);
  int err = buf_error(&b);
  if (!err && lseek(fd, 0, SEEK_END) < 0)
    err = -errno;
  if (!err)
    err = file_write_all(fd, buf_cstr(&b), b.len);
  buf_fini(&b);
  return err;
}

/* --- reading --- */

static int get_text(const cJSON *from, const char *name, char **out) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, name);
  *out = strdup(cJSON_IsString(item) ? item->valuestring : "");
  return *out ? 0 : -ENOMEM;
}

static uint64_t get_number(const cJSON *from, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, name);
  return cJSON_IsNumber(item) && item->valuedouble >= 0 ? (uint64_t)item->valuedouble : 0;
}

static int get_pairs(const cJSON *from, const char *name, struct kvlist *out) {
  const cJSON *pair;
  cJSON_ArrayForEach(pair, cJSON_GetObjectItemCaseSensitive(from, name)) {
    const cJSON *first = cJSON_GetArrayItem(pair, 0), *second = cJSON_GetArrayItem(pair, 1);
    if (!cJSON_IsString(first) || !cJSON_IsString(second))
      return -EBADMSG;
    int err = kvlist_add(out, first->valuestring, second->valuestring);
    if (err)
      return err;
  }
  return 0;
}

static int get_parts(const cJSON *from, struct object_info *o) {
  const cJSON *list = cJSON_GetObjectItemCaseSensitive(from, "parts");
  int count = cJSON_GetArraySize(list);
  if (count <= 0)
    return 0;
  o->parts = calloc((size_t)count, sizeof(*o->parts));
  if (!o->parts)
    return -ENOMEM;
  const cJSON *item;
  cJSON_ArrayForEach(item, list) {
    struct object_part *p = &o->parts[o->part_count++];
    p->number = (unsigned)get_number(item, "number");
    p->size = get_number(item, "size");
    if (cJSON_GetObjectItemCaseSensitive(item, "checksum") &&
        get_text(item, "checksum", &p->checksum))
      return -ENOMEM;
  }
  return 0;
}

static int parse_info(const char *text, size_t len, struct object_info *o) {
  cJSON *root = cJSON_ParseWithLength(text, len);
  if (!root)
    return -EBADMSG;
  struct key_entry *e = &o->entry;
  e->size = get_number(root, "size");
  e->mtime_ms = (int64_t)get_number(root, "mtime");
  o->appends = (unsigned)get_number(root, "appends");
  int err = 0;
  if (get_text(root, "key", &e->key) || get_text(root, "etag", &e->etag) ||
      get_text(root, "class", &e->storage_class) || get_text(root, "owner", &e->owner) ||
      get_text(root, "algorithm", &e->checksum_algorithm) ||
      get_text(root, "type", &e->checksum_type) || get_text(root, "checksum", &o->checksum) ||
      get_text(root, "acl", &o->acl))
    err = -ENOMEM;
  if (!err)
    err = get_pairs(root, "headers", &o->headers);
  if (!err)
    err = get_pairs(root, "tags", &o->tags);
  if (!err)
    err = get_parts(root, o);
  cJSON_Delete(root);
  return err;
}

/* Where the JSON lies, from the foot. */
static int find_trailer(int fd, uint64_t *at, uint64_t *len) {
  struct stat st;
  if (fstat(fd, &st))
    return -errno;
  uint64_t size = (uint64_t)st.st_size;
  uint8_t foot[FOOT_BYTES];
  if (size < FOOT_BYTES)
    return -EBADMSG;
  int err = file_pread_all(fd, foot, FOOT_BYTES, (off_t)(size - FOOT_BYTES));
  if (err)
    return err;
  uint64_t n = 0;
  for (int i = 0; i < 8; i++)
    n |= (uint64_t)foot[i] << (8 * i);
  if (memcmp(foot + 8, MAGIC, 8) != 0 || n > TRAILER_MAX || n > size - FOOT_BYTES)
    return -EBADMSG;
  *at = size - FOOT_BYTES - n;
  *len = n;
  return 0;
}

int object_file_read(int fd, struct object_info *out) {
  uint64_t at = 0, len = 0;
  int err = find_trailer(fd, &at, &len);
  if (err)
    return err;
  char *text = malloc(len + 1);
  if (!text)
    return -ENOMEM;
  struct object_info o;
  object_info_init(&o);
  err = file_pread_all(fd, text, len, (off_t)at);
  if (!err)
    err = parse_info(text, len, &o);
  free(text);
  if (!err && o.entry.size != at)
    err = -EBADMSG;
  if (err) {
    object_info_fini(&o);
    return err;
  }
  *out = o;
  return 0;
}

/* What nodes show of their objects: kind, modes, times. What is newer stays over what is told. */
#include <stdlib.h>
#include <string.h>

#include "s3apfs/ns/ns.h"
#include "s3apfs/store/write.h"
#include "tree_internal.h"

#define NS_PER_S 1000000000LL

mode_t node_kind_mode(enum node_kind kind) {
  static const mode_t modes[NODE_KINDS] = {
      [NODE_ABOVE] = S_IFDIR, [NODE_DIR] = S_IFDIR,  [NODE_FILE] = S_IFREG,
      [NODE_LINK] = S_IFLNK,  [NODE_FIFO] = S_IFIFO, [NODE_SOCKET] = S_IFSOCK};

  return modes[kind];
}

enum node_kind node_kind_of(const struct posix *posix, uint64_t size) {
  mode_t type = posix != NULL && posix->has_mode ? posix->mode & S_IFMT : 0;

  if (type == S_IFLNK)
    return NODE_LINK;
  if (size > 0)
    return NODE_FILE;
  return type == S_IFIFO ? NODE_FIFO : type == S_IFSOCK ? NODE_SOCKET : NODE_FILE;
}

/* Without memory for the key the store's answer to a change has to do. */
static bool may_write_locked(const struct node *i) {
  struct store *s = i->root->store;
  char *key;
  bool may;

  if (s->read_only || s->write == NULL || s->write->may_write == NULL)
    return !s->read_only;
  key = node_key_locked(i);
  may = key == NULL || s->write->may_write(s, key);
  free(key);
  return may;
}

/* Permission bits as the object's metadata or the root's options have them. */
static mode_t node_mode_locked(struct ns *n, const struct node *i) {
  const struct root *r = i->root;
  mode_t mode;

  if (r == NULL)
    return S_IFDIR | 0555;
  if (i->kind == NODE_LINK)
    return S_IFLNK | 0777;
  mode = node_is_dir(i) ? r->options.dir_mode : r->options.file_mode;
  if (i->posix != NULL && i->posix->has_mode)
    mode = i->posix->mode;
  if (!may_write_locked(i))
    mode &= ~(mode_t)0222;
  if (!node_is_dir(i))
    return node_kind_mode(i->kind) | (mode & 07777);
  if (i->dir.denied_until > ns_now(n))
    mode &= 0111;
  return S_IFDIR | (mode & 07777);
}

/* The time of a change is the object's; programs may have set the others. */
static void node_times_locked(struct ns *n, const struct node *i, struct ns_attr *out) {
  const struct posix *p = i->posix;

  out->ctime_ns = (node_is_dir(i) ? n->mount_time : i->file.mtime) * NS_PER_S;
  if (node_is_dir(i) && p != NULL && p->has_ctime)
    out->ctime_ns = p->ctime_ns;
  if (i->local && p != NULL && p->has_mtime && p->mtime_ns > out->ctime_ns)
    out->ctime_ns = p->mtime_ns;
  out->mtime_ns = p != NULL && p->has_mtime ? p->mtime_ns : out->ctime_ns;
  out->atime_ns = p != NULL && p->has_atime ? p->atime_ns : out->mtime_ns;
}

void node_attr_locked(struct ns *n, const struct node *i, struct ns_attr *out) {
  const struct root_options *o = &(i->root != NULL ? i->root : n->first)->options;
  int64_t ttl = i->root != NULL ? o->metadata_ttl_ms : 0;

  if (i->gone || i->local)
    ttl = 0;
  else if (i->fresh_until != INT64_MAX)
    ttl = i->fresh_until > ns_now(n) ? i->fresh_until - ns_now(n) : 0;
  *out = (struct ns_attr){
      .ino = i->ino,
      .mode = node_mode_locked(n, i),
      .uid = i->posix != NULL && i->posix->has_uid ? i->posix->uid : o->uid,
      .gid = i->posix != NULL && i->posix->has_gid ? i->posix->gid : o->gid,
      .size = node_is_dir(i) ? 0 : i->file.size,
      .links = links_locked(n, i),
      .gone = i->gone,
      .ttl_ms = ttl,
  };
  node_times_locked(n, i, out);
}

static bool take_object(struct node *i, const struct store_attr *a, const struct posix *posix) {
  bool same = i->file.etag != NULL && a->etag[0] != '\0' && strcmp(i->file.etag, a->etag) == 0;
  char *etag = strdup(a->etag);
  struct posix *p = posix != NULL ? malloc(sizeof(*p)) : NULL;

  if (etag == NULL || (posix != NULL && p == NULL)) {
    free(etag);
    free(p);
    return false;
  }
  if (p != NULL) {
    *p = *posix;
    if (same)
      posix_keep_bits(p, i->posix);
  }
  if (p != NULL || !same) {
    free(i->posix);
    i->posix = p;
    i->whole = p != NULL;
  }
  i->own = i->own && same;
  free(i->file.etag);
  i->file.etag = etag;
  i->file.size = a->size;
  i->file.mtime = a->mtime;
  i->archived = a->archived;
  i->denied = a->denied;
  if (!same || a->crc_kind != CRC_NONE) { /* listings do not tell it */
    i->crc_kind = (uint8_t)a->crc_kind;
    i->file.crc = a->crc;
  }
  return true;
}

bool node_update_locked(struct node *i, const struct store_attr *a, const struct posix *posix,
                        int64_t asof, int64_t fresh_until) {
  if (asof <= i->asof || i->fresh_until == INT64_MAX || i->local)
    return true;
  if (!node_is_dir(i) && !take_object(i, a, posix))
    return false;
  i->asof = asof;
  i->fresh_until = fresh_until;
  return true;
}

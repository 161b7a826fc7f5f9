/* Recovery of staged files.
 *
 * A row of the journal says which layers were acknowledged, and has what small ones
 * consist of. Those are committed
 * under the recorded base, with the parts that the upload has already. What lies
 * above was promised to nobody and must not replace a good object: it becomes a
 * copy beside it. If the process ended between a commit and its note, the object
 * has the content already, and nothing is sent. */
#include "s3apfs/data/recover.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commit_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

void recovery_fini(struct recovery *r) {
  free(r->aside);
  kvlist_fini(&r->meta);
  r->aside = NULL;
}

/* --- loading --- */

static int add_layer(struct staged *f, struct layer *l) {
  struct layer **grown = realloc(f->synced.layers, (f->synced.count + 1) * sizeof(struct layer *));

  if (grown == NULL)
    return -ENOMEM;
  f->synced.layers = grown;
  f->synced.cap = f->synced.count + 1;
  f->synced.layers[f->synced.count++] = l;
  f->synced.size = l->size;
  f->synced.next_seq = l->seq + 1;
  atomic_fetch_add(&f->staging->used, l->own.bytes);
  return 0;
}

struct unpacking {
  const char *dir;
  const struct journal_file *row;
};

/* What the journal has of acknowledged layers stands over what became of their files. */
static int unpack(void *arg, const struct journal_layer *l) {
  const struct unpacking *u = arg;

  if (l->seq < u->row->first || l->seq > u->row->acked)
    return 0;
  return layer_unpack(u->dir, u->row->id, l->seq, l->map, l->map_len, l->data, l->data_len);
}

/* A layer that was not acknowledged ends the stack when it is damaged. */
static int load_layers(struct staged *f, const struct journal_file *row) {
  const char *dir = state_staging_dir(f->staging->state);
  struct unpacking u = {dir, row};
  int rc = journal_each_layer(f->staging->state, row->id, unpack, &u);

  f->synced.first = f->synced.next_seq = row->first;
  for (uint32_t seq = row->first; rc == 0; seq++) {
    struct layer *l;

    rc = layer_load(dir, row->id, seq, seq == row->acked ? row->acked_log : UINT64_MAX, &l);
    if (rc == 0) {
      rc = add_layer(f, l);
      if (rc != 0)
        layer_unref(l);
    } else if (seq > row->acked && (rc == -ENOENT || rc == -EUCLEAN)) {
      return 0;
    }
  }
  return rc == -ENOENT ? -EUCLEAN : rc;
}

struct part_load {
  struct staged *file;
  const struct journal_file *row;
};

static int load_part(void *arg, const struct journal_part *p) {
  struct part_load *t = arg;
  struct upload *u = &t->file->synced.upload;
  struct sent_part *slot;

  if (p->number < 1 || p->number > STORE_PARTS_MAX || p->layer > t->row->acked ||
      strlen(p->etag) >= sizeof(slot->part.etag) || strlen(p->sum) >= sizeof(slot->part.sum))
    return 0;
  if (upload_grow(u, p->number) != 0)
    return -ENOMEM;
  slot = u->parts[p->number - 1];
  slot->offset = p->offset;
  slot->size = p->size;
  slot->layer = p->layer;
  slot->valid = true;
  slot->part.size = p->size;
  slot->part.crc64nvme = p->crc64nvme;
  slot->part.has_crc64nvme = p->has_crc64nvme;
  memcpy(slot->part.etag, p->etag, strlen(p->etag) + 1);
  memcpy(slot->part.sum, p->sum, strlen(p->sum) + 1);
  return 0;
}

static int load_upload(struct staged *f, const struct journal_file *row) {
  struct part_load t = {f, row};

  if (row->upload[0] == '\0')
    return 0;
  f->synced.upload.id = strdup(row->upload);
  if (f->synced.upload.id == NULL)
    return -ENOMEM;
  return journal_each_part(f->staging->state, row->id, load_part, &t);
}

int staged_load(struct staging *g, struct store *s, const struct journal_file *row,
                struct staged **out) {
  struct store_attr base = {.size = row->base_size};
  bool present = row->base_etag[0] != '\0';
  struct staged *f;
  int rc;

  if (strlen(row->base_etag) >= sizeof(base.etag))
    return -EUCLEAN;
  memcpy(base.etag, row->base_etag, strlen(row->base_etag) + 1);
  rc = staged_alloc(g, s, row->key, present ? &base : NULL, &f);
  if (rc != 0)
    return rc;
  f->synced.id = row->id;
  f->synced.acked = row->acked;
  f->synced.acked_log = row->acked_log;
  f->synced.dressed = row->dressed;
  f->synced.expect = (struct expectation){.layer = row->expect_layer,
                                          .size = row->expect_size,
                                          .crc = row->expect_crc64nvme,
                                          .has_crc = row->expect_has_crc64nvme};
  if (strlen(row->expect_etag) < sizeof(f->synced.expect.etag))
    memcpy(f->synced.expect.etag, row->expect_etag, strlen(row->expect_etag) + 1);
  rc = kvlist_copy(&f->synced.meta, &row->meta);
  if (rc == 0)
    rc = kvlist_copy(&f->synced.headers, &row->headers);
  if (rc == 0)
    rc = load_layers(f, row);
  if (rc == 0)
    rc = load_upload(f, row);
  if (rc != 0)
    staged_free(f);
  else
    *out = f;
  return rc;
}

/* --- recovering --- */

/* What the file is now is the object already: only the journal did not know. */
static int settle(struct staged *f, const struct store_attr *attr) {
  int rc = commit_begin(f);

  if (rc != 0)
    return rc;
  rc = commit_settle_as(f, attr);
  commit_end(f);
  return rc;
}

static int find_unnoted(struct staged *f) {
  int rc = commit_begin(f);

  if (rc != 0)
    return rc;
  rc = commit_find_unnoted(f);
  commit_end(f);
  return rc;
}

static int commit_acked(struct staged *f, struct recovery *out) {
  struct commit_result result = {0};
  struct store_attr attr;
  bool there = false;
  int rc;

  f->synced.commit_upto = f->synced.acked;
  rc = commit_check_parts(f);
  if (rc == 0)
    rc = staged_is_in_store(f, &there, &attr);
  if (rc == 0 && there)
    rc = settle(f, &attr);
  f->synced.commit_upto = 0;
  if (rc == -EACCES || (rc == 0 && !there)) {
    rc = staged_commit_acked(f, &result);
    out->aside = result.aside;
    result.aside = NULL;
    commit_result_fini(&result);
  }
  out->committed = rc == 0;
  return rc;
}

/* Nobody was promised it, and the bytes between those that were written are nowhere any more. */
static int give_up_rest(struct staged *f) {
  log_warn("'%s' was being changed when an earlier s3apfs ended, and has been replaced since: the "
           "change, which was not saved, is given up",
           f->synced.key);
  return staged_discard(f);
}

/* Nobody was promised it, and parts of an upload cannot be had back. */
static int give_up_sent(struct staged *f) {
  log_warn("'%s' was being written when an earlier s3apfs ended, and is larger than staging-size: "
           "what there was of it, which was not saved, is given up",
           f->synced.key);
  return staged_discard(f);
}

static int keep_rest(struct staged *f, struct recovery *out) {
  struct store_attr attr;
  bool there = false;
  int rc = staged_is_in_store(f, &there, &attr);

  if (rc != 0 && rc != -EACCES)
    return rc;
  if (there)
    return staged_discard(f);
  if (staged_is_released(f))
    return give_up_sent(f);
  rc = staged_commit_aside(f, "recovered", &out->aside);
  if (rc == -ESTALE || rc == -ENOENT)
    return give_up_rest(f);
  if (rc == 0)
    log_warn("'%s' was being written when an earlier s3apfs ended: what there was is in '%s'",
             f->synced.key, out->aside);
  return rc;
}

/* What was set on the file while its last commit was under way, or over what nobody was promised:
 * it belongs to the version that is there. */
static int keep_dress(struct staged *f, struct recovery *out) {
  struct commit_result result = {0};
  int rc;

  if (!f->synced.dressed || !f->synced.base->present)
    return 0;
  rc = staged_redress(f, &result);
  commit_result_fini(&result);
  if (rc == -ESTALE || rc == -ENOENT) {
    log_warn("'%s' was replaced by somebody else: what was set on it here is given up",
             f->synced.key);
    return 0;
  }
  out->committed = out->committed || rc == 0;
  return rc;
}

static int recover(struct staged *f, const struct journal_file *row, struct recovery *out) {
  int rc = 0;

  if (row->key[0] == '\0')
    return staged_discard(f);
  rc = find_unnoted(f);
  if (rc == 0 && row->acked >= f->synced.first)
    rc = commit_acked(f, out);
  else if (rc == 0 && row->acked >= row->first)
    out->committed = true;
  if (rc == 0)
    rc = keep_dress(f, out);
  if (rc != 0)
    return rc;
  return f->synced.count > 0 ? keep_rest(f, out) : (staged_id(f) != 0 ? staged_forget(f) : 0);
}

static void tell_version(const struct staged *f, struct recovery *out) {
  memcpy(out->etag, f->synced.base->attr.etag, sizeof(out->etag));
  if (kvlist_copy(&out->meta, &f->synced.meta) != 0)
    kvlist_fini(&out->meta);
}

void staged_recover(struct staging *g, struct store *s, const struct journal_file *row,
                    struct recovery *out) {
  struct staged *f = NULL;
  int rc;

  *out = (struct recovery){0};
  kvlist_init(&out->meta);
  rc = staged_load(g, s, row, &f);
  if (rc == 0) {
    rc = recover(f, row, out);
    if (out->committed)
      tell_version(f, out);
    staged_free(f);
  }
  out->err = rc;
  if (rc != 0 && out->aside == NULL)
    log_error("'%s' was changed before and is not in the store yet: %s", row->key, strerror(-rc));
}

/* --- litter --- */

struct ids {
  int64_t *items;
  size_t count;
};

static int note_id(void *arg, struct journal_file *row) {
  struct ids *l = arg;
  int64_t *grown = realloc(l->items, (l->count + 1) * sizeof(*grown));

  if (grown == NULL)
    return -ENOMEM;
  l->items = grown;
  l->items[l->count++] = row->id;
  return 0;
}

static bool is_known(const struct ids *l, int64_t id) {
  for (size_t i = 0; i < l->count; i++)
    if (l->items[i] == id)
      return true;
  return false;
}

int staging_sweep(struct staging *g) {
  struct ids ids = {0};
  DIR *d = opendir(state_staging_dir(g->state));
  const struct dirent *e;
  int rc;

  if (d == NULL)
    return -errno;
  rc = journal_each_file(g->state, note_id, &ids);
  while (rc == 0 && (e = readdir(d)) != NULL) {
    char *end;
    long long id = strtoll(e->d_name, &end, 10);

    if (id > 0 && *end == '.' && !is_known(&ids, id))
      unlinkat(dirfd(d), e->d_name, 0);
  }
  closedir(d);
  free(ids.items);
  return rc;
}

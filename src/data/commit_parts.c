/* Sending parts: those of a plan, and those of a file that is still being written.
 *
 * A part is read into memory of the cache's budget and sent by a thread of the
 * mount's pool. While a file is written from its start (streaming), its parts lie
 * on the grid of plan_part_size(), the first one is left for the end because
 * headers are patched there, and a part that is written over while it is sent, or
 * later, is not valid and sent again under its number. The plan of the commit has
 * the same grid for such a file, so it finds them. What the service has is in the
 * journal, so that another process can go on with the same upload.
 *
 * A commit waits until nobody streams, and nobody starts to while it runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache.h"
#include "commit_internal.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/base/digest.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

#define WAIT_MS 600000 /* for memory, and for one piece of the base */

struct patience commit_patience(void) {
  return (struct patience){.deadline_mono_ms = clock_mono_ms(&clock_system) + WAIT_MS};
}

/* --- memory --- */

/* Large parts lie in a file without a name: the kernel keeps of it what it can. */
static void *map_spill(struct staging *g, size_t len) {
  int fd = open(state_staging_dir(g->state), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  void *data = MAP_FAILED;

  if (fd < 0)
    return MAP_FAILED;
  /* Room first: a page that finds none later would end the process. */
  if (posix_fallocate(fd, 0, (off_t)len) == 0)
    data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return data;
}

/* First of what parts may have, then of all. */
static int part_memory_demand(struct staging *g, size_t len) {
  struct patience p = commit_patience();
  int rc = budget_reserve(g->sending, len, p.deadline_mono_ms);

  if (rc != 0)
    return rc;
  rc = memory_demand(g->cache, len, &p);
  if (rc != 0)
    budget_release(g->sending, len);
  return rc;
}

static void part_memory_release(struct staging *g, size_t len) {
  budget_release(g->cache->budget, len);
  budget_release(g->sending, len);
}

int part_memory_spill(struct staging *g, size_t len, struct part_memory *out) {
  struct part_memory m = {.len = len, .spilled = true, .data = map_spill(g, len)};

  if (m.data == MAP_FAILED)
    return -ENOSPC;
  *out = m;
  return 0;
}

int part_memory_get(struct staging *g, size_t len, struct part_memory *out) {
  struct part_memory m = {.len = len};
  int rc;

  if (len > g->part_size + g->part_min)
    return part_memory_spill(g, len, out);
  rc = part_memory_demand(g, len);
  if (rc != 0)
    return rc;
  mtx_lock(&g->cache->synced.lock);
  m.data = buffers_take_locked(g->cache, len, &m.capacity);
  mtx_unlock(&g->cache->synced.lock);
  if (m.data == NULL) {
    part_memory_release(g, len);
    return -ENOMEM;
  }
  *out = m;
  return 0;
}

void part_memory_put(struct staging *g, struct part_memory *m) {
  if (m->spilled) {
    munmap(m->data, m->len);
    return;
  }
  mtx_lock(&g->cache->synced.lock);
  buffers_give_locked(g->cache, m->data, m->capacity);
  mtx_unlock(&g->cache->synced.lock);
  part_memory_release(g, m->len);
}

/* --- one part --- */

static int send_bytes(struct job *j, const struct snapshot *s, const struct pieces *p,
                      const char *key, const char *upload, struct store_part *out) {
  struct staging *g = j->file->staging;
  struct store *store = j->file->store;
  struct patience patience = commit_patience();
  struct part_memory m;
  const void *held =
      j->attempt != NULL ? held_bytes(j->attempt, j->slot->offset, j->slot->size) : NULL;
  int rc;

  if (held != NULL)
    return store->write->put_part(store, key, upload, j->slot->part.number, held,
                                  (size_t)j->slot->size, out);
  rc = part_memory_get(g, (size_t)j->slot->size, &m);
  if (rc != 0)
    return rc;
  rc = pieces_fetch(p, s, j->file, m.data, &patience);
  if (rc == 0)
    rc = store->write->put_part(store, key, upload, j->slot->part.number, m.data, m.len, out);
  part_memory_put(g, &m);
  return rc;
}

static int copy_bytes(struct job *j, const struct snapshot *s, const char *key, const char *upload,
                      struct store_part *out) {
  struct store *store = j->file->store;
  struct store_source from = {
      .key = j->file->synced.key, .etag = s->base->attr.etag, .size = s->base->attr.size};

  return store->write->copy_part(store, key, upload, j->slot->part.number, &from, j->slot->offset,
                                 j->slot->size, out);
}

/* What the part is read from: the attempt's sealed state, or what is there now. */
static int job_source(struct job *j, struct snapshot *s, struct pieces *p) {
  struct staged *f = j->file;
  uint64_t from = j->slot->offset;
  int rc;

  if (j->attempt != NULL)
    return snapshot_pieces(&j->attempt->state, from, from + j->slot->size, p);
  mtx_lock(&f->synced.lock);
  rc = snapshot_take_locked(f, s);
  if (rc == 0) {
    j->slot->layer = s->top;
    rc = snapshot_pieces(s, from, from + j->slot->size, p);
  }
  mtx_unlock(&f->synced.lock);
  return rc;
}

static void note_part(struct job *j, const struct store_part *sent) {
  struct journal_part p = {.number = sent->number,
                           .offset = j->slot->offset,
                           .size = j->slot->size,
                           .layer = j->slot->layer,
                           .etag = (char *)sent->etag,
                           .crc64nvme = sent->crc64nvme,
                           .has_crc64nvme = sent->has_crc64nvme,
                           .sum = (char *)sent->sum};

  if (j->attempt != NULL && j->attempt->aside)
    return;
  /* Without the note the part is only sent again after a crash. */
  if (journal_put_part(j->file->staging->state, staged_id(j->file), &p, STATE_LAZY) != 0)
    log_debug("part %u was not noted", sent->number);
}

static int job_send(struct job *j, struct store_part *sent) {
  struct snapshot own = {0};
  struct pieces p = {0};
  const struct snapshot *s = j->attempt != NULL ? &j->attempt->state : &own;
  const char *key = j->attempt != NULL ? j->attempt->key : j->file->synced.key;
  const char *upload = j->file->synced.upload.id;
  int rc;

  rc = j->attempt != NULL && j->copy ? copy_bytes(j, s, key, upload, sent) : -EOPNOTSUPP;
  if (rc != -EOPNOTSUPP)
    return rc;
  rc = job_source(j, &own, &p);
  if (rc == 0)
    rc = snapshot_is_here(j->file, s, j->slot->offset, j->slot->offset + j->slot->size);
  if (rc == 0)
    rc = send_bytes(j, s, &p, key, upload, sent);
  pieces_fini(&p);
  if (own.base != NULL)
    snapshot_fini(&own);
  return rc;
}

static void job_end(struct job *j, int rc, const struct store_part *sent) {
  struct staged *f = j->file;

  mtx_lock(&f->synced.lock);
  j->slot->sending = false;
  j->slot->valid = rc == 0 && !j->slot->stale && part_is_of_locked(f, j->slot, UINT32_MAX);
  if (rc == 0)
    j->slot->part = *sent;
  if (rc == -EPIPE)
    f->synced.upload.broken = true;
  j->err = rc;
  f->synced.upload.sending--;
  cond_broadcast(&f->synced.turn);
  mtx_unlock(&f->synced.lock);
}

static void job_run(void *arg) {
  struct job *j = arg;
  struct store_part sent = {0};
  bool streaming = j->attempt == NULL;
  int rc = job_send(j, &sent);

  if (rc == 0)
    note_part(j, &sent);
  job_end(j, rc, &sent);
  if (streaming)
    free(j);
}

void commit_wait_parts(struct staged *f) {
  mtx_lock(&f->synced.lock);
  while (f->synced.upload.sending > 0)
    cond_wait(&f->synced.turn, &f->synced.lock);
  mtx_unlock(&f->synced.lock);
}

int job_submit(struct job *j) {
  int rc = pool_submit(j->file->staging->pool, job_run, j);

  if (rc != 0)
    job_end(j, rc, NULL);
  return rc;
}

void job_claim_locked(struct job *j) {
  j->slot->sending = true;
  j->slot->valid = j->slot->stale = false;
  j->file->synced.upload.sending++;
}

static int submit(struct job *j) {
  struct staged *f = j->file;

  mtx_lock(&f->synced.lock);
  job_claim_locked(j);
  mtx_unlock(&f->synced.lock);
  return job_submit(j);
}

/* --- the upload --- */

/* Slots stay where they are, because threads at work name them. */
int upload_grow(struct upload *u, size_t count) {
  struct sent_part **grown;

  if (count <= u->count)
    return 0;
  grown = realloc(u->parts, count * sizeof(struct sent_part *));
  if (grown == NULL)
    return -ENOMEM;
  u->parts = grown;
  while (u->count < count) {
    struct sent_part *p = calloc(1, sizeof(*p));

    if (p == NULL)
      return -ENOMEM;
    p->part.number = (unsigned)u->count + 1;
    u->parts[u->count++] = p;
  }
  return 0;
}

void commit_abort_upload(struct staged *f) {
  struct upload gone;
  int rc;

  commit_wait_parts(f);
  mtx_lock(&f->synced.lock);
  gone = f->synced.upload;
  f->synced.upload = (struct upload){0};
  mtx_unlock(&f->synced.lock);
  if (gone.id != NULL && !gone.broken) {
    rc = f->store->write->abort_upload(f->store, f->synced.key, gone.id);
    if (rc != 0 && rc != -EPIPE)
      log_warn("an unfinished upload of '%s' could not be aborted: %s", f->synced.key,
               strerror(-rc));
  }
  upload_fini(&gone);
}

int upload_begin(struct staged *f, const char *key, const struct store_dress *dress) {
  char *id;
  int rc = f->store->write->create_upload(f->store, key, dress, &id);

  if (rc != 0)
    return rc;
  mtx_lock(&f->synced.lock);
  f->synced.upload.id = id;
  mtx_unlock(&f->synced.lock);
  return 0;
}

/* Makes the file's upload ready for the plan: parts that fit are kept. */
static int prepare_upload(struct attempt *a) {
  struct staged *f = a->file;
  struct upload *u = &f->synced.upload;
  struct store_dress dress = commit_dress_of(a);
  int rc = 0;

  commit_wait_parts(f);
  if (u->id != NULL && (a->aside || u->broken))
    commit_abort_upload(f);
  if (u->id == NULL) {
    rc = upload_begin(f, a->key, &dress);
    if (rc == 0 && !a->aside)
      rc = staged_note(f, STATE_LAZY);
  }
  if (rc != 0)
    return rc;
  mtx_lock(&f->synced.lock);
  rc = upload_grow(u, a->plan.count);
  for (size_t i = 0; rc == 0 && i < u->count; i++) {
    struct sent_part *p = u->parts[i];
    const struct plan_part *want = i < a->plan.count ? &a->plan.parts[i] : NULL;

    if (want != NULL && p->valid && p->offset == want->from && p->size == want->to - want->from &&
        part_is_of_locked(f, p, a->state.top))
      continue;
    *p = (struct sent_part){.part.number = (unsigned)i + 1, .layer = a->state.top};
    if (want != NULL) {
      p->offset = want->from;
      p->size = want->to - want->from;
    }
  }
  mtx_unlock(&f->synced.lock);
  return rc;
}

/* Sends what the service lacks, as many at a time as the pool has threads. */
static int send_missing(struct attempt *a) {
  struct staged *f = a->file;
  struct upload *u = &f->synced.upload;
  struct job *jobs = calloc(a->plan.count, sizeof(*jobs));
  int rc = jobs != NULL ? 0 : -ENOMEM;

  for (size_t i = 0; rc == 0 && i < a->plan.count; i++) {
    if (u->parts[i]->valid)
      continue;
    jobs[i] =
        (struct job){.attempt = a, .file = f, .slot = u->parts[i], .copy = a->plan.parts[i].copy};
    rc = submit(&jobs[i]);
    mtx_lock(&f->synced.lock);
    while (u->sending >= f->staging->threads)
      cond_wait(&f->synced.turn, &f->synced.lock);
    for (size_t k = 0; rc == 0 && k <= i; k++)
      rc = jobs[k].err;
    mtx_unlock(&f->synced.lock);
  }
  commit_wait_parts(f);
  for (size_t i = 0; rc == 0 && i < a->plan.count; i++)
    rc = jobs[i].err;
  free(jobs);
  return rc;
}

/* What S3 makes of parts whose etags are their MD5: that of all of them, and their
 * number. "" when they are something else. */
static void parts_etag(const struct store_part *parts, size_t count, char etag[STORE_ETAG_MAX]) {
  uint8_t md5[16];
  struct digest *d;
  struct buf text;
  int rc = digest_new(DIGEST_MD5, &d);

  etag[0] = '\0';
  if (rc != 0)
    return;
  buf_init(&text, STORE_ETAG_MAX);
  for (size_t i = 0; rc == 0 && i < count; i++) {
    rc = strlen(parts[i].etag) == 32 ? text_unhex(md5, parts[i].etag, 32) : -EINVAL;
    if (rc == 0)
      digest_update(d, md5, sizeof(md5));
  }
  if (rc == 0)
    rc = digest_final(d, md5);
  if (rc == 0) {
    text_hex(&text, md5, sizeof(md5));
    buf_printf(&text, "-%zu", count);
    snprintf(etag, STORE_ETAG_MAX, "%s", buf_cstr(&text));
  }
  digest_free(d);
  buf_fini(&text);
}

static int complete(struct attempt *a, struct store_attr *out) {
  struct staged *f = a->file;
  struct upload *u = &f->synced.upload;
  struct store_part *parts = calloc(a->plan.count, sizeof(*parts));
  char etag[STORE_ETAG_MAX];
  int rc;

  if (parts == NULL)
    return -ENOMEM;
  a->crc_known = true;
  a->crc = 0;
  for (size_t i = 0; i < a->plan.count; i++) {
    parts[i] = u->parts[i]->part;
    parts[i].size = u->parts[i]->size;
    a->crc_known = a->crc_known && parts[i].has_crc64nvme;
    a->crc = crc64nvme_combine(a->crc, parts[i].crc64nvme, parts[i].size);
  }
  parts_etag(parts, a->plan.count, etag);
  rc = commit_expect(a, etag);
  if (rc == 0)
    rc = f->store->write->complete_upload(f->store, a->key, u->id, parts, a->plan.count,
                                          &a->condition, out);
  free(parts);
  return rc;
}

static void forget_upload(struct staged *f) {
  mtx_lock(&f->synced.lock);
  upload_fini(&f->synced.upload);
  mtx_unlock(&f->synced.lock);
}

int commit_by_parts(struct attempt *a, struct store_attr *out) {
  int rc = prepare_upload(a);

  if (rc == 0)
    rc = send_missing(a);
  if (rc == 0)
    rc = complete(a, out);
  if (rc == 0) {
    forget_upload(a->file);
    return 0;
  }
  if (rc == -EPIPE || rc == -EAGAIN) {
    /* Expired, or ended by a rival: all parts are gone. */
    a->file->synced.upload.broken = rc == -EPIPE;
    commit_abort_upload(a->file);
    return -EAGAIN;
  }
  if (a->aside || rc == -ESTALE || rc == -EEXIST)
    commit_abort_upload(a->file);
  return rc;
}

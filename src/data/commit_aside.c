/* Content that must not go where it was meant to: conflict and recovered copies,
 * renames and removals of changed files, and telling whether it is there already. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commit_internal.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

#define NAME_MAX_BYTES 255
#define ASIDE_TRIES 10

/* Where to cut so that at most `max` bytes stay and no character is torn. */
static size_t cut(const char *s, size_t len, size_t max) {
  if (len <= max)
    return len;
  while (max > 0 && ((unsigned char)s[max] & 0xc0) == 0x80)
    max--;
  return max;
}

char *commit_aside_key(const struct staging *g, const struct store *s, const char *key,
                       const char *word, int64_t time) {
  const char *name = strrchr(key, '/') != NULL ? strrchr(key, '/') + 1 : key;
  size_t folder = (size_t)(name - key);
  size_t most = store_key_max(s);
  char when[32];
  char *suffix;
  char *out = NULL;
  struct tm tm;
  time_t t = (time_t)time;
  size_t room;

  if (gmtime_r(&t, &tm) == NULL || strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm) == 0)
    return NULL;
  suffix = text_printf(".%s-%s-%s", word, g->host, when);
  if (suffix == NULL)
    return NULL;
  room = most - folder < NAME_MAX_BYTES ? most - folder : NAME_MAX_BYTES;
  if (folder < most && room > strlen(suffix))
    out = text_printf("%.*s%.*s%s", (int)folder, key,
                      (int)cut(name, strlen(name), room - strlen(suffix)), name, suffix);
  free(suffix);
  return out;
}

/* Tries the next seconds when a name is taken. */
static int put_aside(struct attempt *a, const char *word, char **key, struct store_attr *attr) {
  int64_t now = clock_wall_ms(&clock_system) / 1000;
  int rc = -EEXIST;

  for (int i = 0; rc == -EEXIST && i < ASIDE_TRIES; i++) {
    char *name =
        commit_aside_key(a->file->staging, a->file->store, a->file->synced.key, word, now + i);

    if (name == NULL)
      return -ENAMETOOLONG;
    a->key = name;
    plan_fini(&a->plan);
    rc = commit_attempt(a, attr);
    if (rc == 0)
      *key = name;
    else
      free(name);
  }
  return rc;
}

int commit_aside(struct staged *f, const char *word, char **key) {
  struct attempt a;
  struct store_attr attr;
  int rc = attempt_init(&a, f);

  if (rc == 0) {
    a.aside = true;
    a.condition.what = STORE_IF_ABSENT;
    rc = put_aside(&a, word, key, &attr);
  }
  if (rc == 0)
    rc = commit_settle(&a, NULL);
  attempt_fini(&a);
  return rc;
}

int staged_commit_aside(struct staged *f, const char *word, char **key) {
  int rc = commit_begin(f);

  if (rc != 0)
    return rc;
  rc = commit_aside(f, word, key);
  if (rc != 0)
    commit_note_failure(f, rc);
  commit_end(f);
  return rc;
}

/* --- what is there already --- */

int staged_is_in_store(struct staged *f, bool *is, struct store_attr *attr) {
  struct store_detail d;
  struct attempt a;
  uint64_t crc;
  int rc = f->store->write->detail(f->store, f->synced.key, &d);

  if (rc == -ENOENT) {
    *is = false;
    return 0;
  }
  if (rc != 0)
    return rc;
  *attr = d.attr;
  *is = d.has_crc64nvme;
  crc = d.crc64nvme;
  store_detail_fini(&d);
  rc = attempt_init(&a, f);
  if (rc == 0 && a.state.size != attr->size)
    *is = false;
  if (rc == 0 && *is) {
    uint64_t ours = 0;

    rc = commit_checksum(&a, 0, a.state.size, false, &ours);
    /* The base is gone, or bytes were released: what is there cannot be told from what we have. */
    *is = rc == 0 && ours == crc;
    rc = rc == -ESTALE || rc == -ENOENT || rc == -EREMOTE ? 0 : rc;
  }
  attempt_fini(&a);
  return rc;
}

/* --- other ends --- */

/* Inside a commit. What the journal still has is for the next mount. */
static int discard(struct staged *f) {
  int rc = change_begin(f);

  if (rc != 0)
    return rc;
  commit_abort_upload(f);
  mtx_lock(&f->synced.lock);
  f->synced.lost = true;
  mtx_unlock(&f->synced.lock);
  rc = staged_id(f) != 0 ? staged_forget(f) : 0;
  if (rc == 0)
    staged_drop_layers(f, UINT32_MAX);
  change_end(f);
  staging_drop_over(f->staging);
  return rc;
}

int staged_discard(struct staged *f) {
  int rc = commit_begin(f);

  if (rc != 0)
    return rc;
  rc = discard(f);
  commit_end(f);
  return rc;
}

int staged_give_up(struct staged *f) {
  int rc = commit_begin(f) == 0 ? 0 : -ENOENT;

  if (rc != 0)
    return rc;
  rc = staged_is_dirty(f) ? discard(f) : -ENOENT;
  commit_end(f);
  return rc;
}

/* Nothing of it is in the store, as far as anybody can know. */
static bool is_unsent(struct staged *f) {
  return !f->synced.base->present && !staged_is_released(f) && f->synced.err == 0 &&
         !commit_is_open(&f->synced.expect);
}

enum moving {
  MOVE_ANY,
  MOVE_UNSENT,  /* only what the store cannot have */
  MOVE_UNNOTED, /* the caller tells the journal */
};

/* An upload belongs to a key: it cannot follow. */
static int move_key(struct staged *f, const char *key, struct base *b, enum moving how) {
  char *copy = strdup(key);
  char *old;
  int rc = copy != NULL ? commit_begin(f) : -ENOMEM;

  if (rc != 0) {
    free(copy);
    return rc;
  }
  rc = how == MOVE_UNSENT && !is_unsent(f) ? -EAGAIN : change_begin(f);
  if (rc != 0) {
    commit_end(f);
    free(copy);
    return rc;
  }
  commit_abort_upload(f);
  mtx_lock(&f->synced.lock);
  old = f->synced.key;
  f->synced.key = copy;
  if (b != NULL) {
    base_unref(f->synced.base);
    f->synced.base = b;
  }
  mtx_unlock(&f->synced.lock);
  free(old);
  rc = how != MOVE_UNNOTED && staged_id(f) != 0 ? staged_note(f, STATE_LAZY) : 0;
  change_end(f);
  commit_end(f);
  return rc;
}

int staged_rename(struct staged *f, const char *key, const struct store_attr *attr) {
  struct base *b;
  int rc = base_new(f, key, attr, &b);

  if (rc != 0)
    return rc;
  rc = move_key(f, key, b, MOVE_ANY);
  if (rc == -ESTALE)
    base_unref(b);
  return rc;
}

int staged_rename_astray(struct staged *f, const char *key) {
  return move_key(f, key, NULL, MOVE_ANY);
}

bool staged_is_from(struct staged *f, const char *etag) {
  const char *from;
  bool is;

  mtx_lock(&f->synced.lock);
  from = f->synced.base->present ? f->synced.base->attr.etag : "";
  is = *from == '\0' || *etag == '\0' || strcmp(from, etag) == 0;
  mtx_unlock(&f->synced.lock);
  return is;
}

int staged_rename_unsent(struct staged *f, const char *key) {
  return move_key(f, key, NULL, MOVE_UNSENT);
}

static int unlink_as(struct staged *f, enum moving how, struct store_attr *out, bool *sure) {
  int rc = move_key(f, "", NULL, how);

  if (rc != 0)
    return rc;
  mtx_lock(&f->synced.lock);
  *out = f->synced.base->attr;
  *sure = f->synced.err == 0 && !commit_is_open(&f->synced.expect);
  mtx_unlock(&f->synced.lock);
  return 0;
}

int staged_unlink(struct staged *f, struct store_attr *out, bool *sure) {
  return unlink_as(f, MOVE_ANY, out, sure);
}

int staged_unlink_unnoted(struct staged *f, struct store_attr *out, bool *sure) {
  return unlink_as(f, MOVE_UNNOTED, out, sure);
}

int staged_note_unlinked(struct staged *f) {
  return staged_id(f) != 0 ? staged_note(f, STATE_LAZY) : 0;
}

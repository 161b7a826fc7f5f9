/* The table of proofs: half of each hash says in which set, all of it what. */
#include "proofs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/digest.h"

/* 32,768 versions in three quarters of a megabyte. */
#define SETS 4096
#define WAYS 8

struct proof {
  uint64_t hash[2];
  int64_t asked_us; /* 0: none */
};

static bool hash_of(const char *id, uint64_t out[2]) {
  uint8_t sum[DIGEST_MAX];

  if (digest_once(DIGEST_SHA256, id, strlen(id), sum) != 0)
    return false;
  memcpy(out, sum, 2 * sizeof(out[0]));
  return true;
}

void proofs_init(struct proofs *p) {
  mtx_init(&p->synced.lock, RANK_BLOCK);
  p->synced.slots = NULL;
}

void proofs_fini(struct proofs *p) {
  free(p->synced.slots);
  mtx_fini(&p->synced.lock);
}

static struct proof *set_of_locked(struct proofs *p, const uint64_t hash[2]) {
  return p->synced.slots + hash[0] % SETS * WAYS;
}

/* NULL: it is not there. */
static struct proof *find_locked(struct proofs *p, const uint64_t hash[2]) {
  struct proof *set = p->synced.slots != NULL ? set_of_locked(p, hash) : NULL;

  for (size_t i = 0; set != NULL && i < WAYS; i++)
    if (set[i].asked_us != 0 && memcmp(set[i].hash, hash, sizeof(set[i].hash)) == 0)
      return &set[i];
  return NULL;
}

/* The place of what is known longest. */
static struct proof *oldest_locked(struct proofs *p, const uint64_t hash[2]) {
  struct proof *set = set_of_locked(p, hash);
  struct proof *oldest = set;

  for (size_t i = 1; i < WAYS; i++)
    if (set[i].asked_us < oldest->asked_us)
      oldest = &set[i];
  return oldest;
}

static void add_locked(struct proofs *p, const uint64_t hash[2], int64_t asked_us) {
  struct proof *at = find_locked(p, hash);

  if (at == NULL)
    at = oldest_locked(p, hash);
  else if (asked_us < at->asked_us)
    return; /* they may come out of order */
  memcpy(at->hash, hash, sizeof(at->hash));
  at->asked_us = asked_us;
}

void proofs_add(struct proofs *p, const char *id, int64_t asked_us) {
  uint64_t hash[2];

  if (!hash_of(id, hash))
    return;
  mtx_lock(&p->synced.lock);
  if (p->synced.slots == NULL)
    p->synced.slots = calloc((size_t)SETS * WAYS, sizeof(*p->synced.slots));
  if (p->synced.slots != NULL)
    add_locked(p, hash, asked_us);
  mtx_unlock(&p->synced.lock);
}

/* Takes it out when it is not to stay. */
static int64_t look(struct proofs *p, const char *id, bool stay) {
  uint64_t hash[2];
  struct proof *at;
  int64_t when;

  if (!hash_of(id, hash))
    return 0;
  mtx_lock(&p->synced.lock);
  at = find_locked(p, hash);
  when = at != NULL ? at->asked_us : 0;
  if (at != NULL && !stay)
    at->asked_us = 0;
  mtx_unlock(&p->synced.lock);
  return when;
}

int64_t proofs_when(struct proofs *p, const char *id) {
  return look(p, id, true);
}

void proofs_take_back(struct proofs *p, const char *id) {
  look(p, id, false);
}

void proofs_clear(struct proofs *p) {
  mtx_lock(&p->synced.lock);
  free(p->synced.slots);
  p->synced.slots = NULL;
  mtx_unlock(&p->synced.lock);
}

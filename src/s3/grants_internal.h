/* Shared by the files of the vending cache. */
#ifndef S3_GRANTS_INTERNAL_H
#define S3_GRANTS_INTERNAL_H

#include "s3apfs/base/lock.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/s3/grants.h"

struct grants_entry {
  struct scope scope;
  char *scope_text;
  enum scope_permission permission;
  struct keys *keys;
  char *target; /* what was asked when it was fetched; renewals ask the same */
  char *grantee;
  int64_t due;
  bool renewing;
  bool ended;
  struct grants_entry *next;
};

struct grants_denial {
  char *target;
  enum scope_permission permission;
  int64_t until_ms; /* monotonic */
  char *message;
  char *request_id;
  struct grants_denial *next;
};

/* One call for all who want the same; its maker's, until nobody waits for it any more. */
struct grants_flight {
  const char *target;
  enum scope_permission permission;
  unsigned waiters;
  bool ended;
  int rc; /* then: why there are no keys, and what was said */
  const struct s3_error *error;
  struct grants_flight *next;
};

struct grants {
  struct control *control;
  const struct clock *clock;
  unsigned duration_s;
  bool minimal;
  int64_t denied_ttl_ms;
  struct pool *pool;
  struct {
    struct mtx lock;
    struct cond changed;
    char *account; /* owner of the instance, once known */
    struct grants_entry *entries;
    struct grants_denial *denials;
    struct grants_flight *flights;
    struct grants_counts counts;
    unsigned seed;
  } synced;
};

/* grants.c */
void grants_entry_free(struct grants_entry *e);
void grants_denial_free(struct grants_denial *d);
int64_t grants_now_s(const struct grants *g);
/* The instance owner's account, looked up once; the caller frees it. */
int grants_account_get(struct grants *g, const char *target, char **out, struct s3_error *error);

/* grants_cache.c */
struct grants_entry *grants_entry_find_locked(struct grants *g, const struct scope *target,
                                              enum scope_permission p, int64_t now);
struct grants_denial **grants_denial_find_locked(struct grants *g, const char *target,
                                                 enum scope_permission p);
void grants_denial_drop_locked(struct grants_denial **at);
void grants_denial_keep_locked(struct grants *g, const char *target, enum scope_permission p,
                               const struct s3_error *error);
/* True when a remembered denial answers; its words go to error (may be NULL). */
bool grants_denial_answers_locked(struct grants *g, const char *target, enum scope_permission p,
                                  struct s3_error *error);

/* grants_fetch.c */
int grants_fetch(struct grants *g, const char *target, const struct scope *asked,
                 enum scope_permission p, struct s3_error *error);
struct grants_flight *grants_flight_find_locked(const struct grants *g, const char *target,
                                                enum scope_permission p);
void grants_flight_start_locked(struct grants *g, struct grants_flight *f);
/* Waits for its end; 0, or its failure. error may be NULL. */
int grants_flight_await_locked(struct grants *g, struct grants_flight *f, struct s3_error *error);
/* rc and e: how it ended; returns when everybody who waited knows. */
void grants_flight_end(struct grants *g, struct grants_flight *f, int rc, const struct s3_error *e);
/* Renews an entry on the pool. */
void grants_renewal_start_locked(struct grants *g, struct grants_entry *e);

#endif

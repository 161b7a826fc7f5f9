/* One instance of Access Grants (an account and a Region) of SOURCE `grants`: what it
 * lists, and the keys it vends. */
#ifndef S3APFS_APP_INSTANCE_H
#define S3APFS_APP_INSTANCE_H

#include "identity.h"
#include "s3apfs/aws/target.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/s3/control.h"
#include "s3apfs/s3/grants.h"
#include "s3apfs/s3/store.h"
#include "s3apfs/store/route_store.h"

/* All borrowed. */
struct instance_env {
  struct caller *caller;
  struct identity *identity;
  const struct settings *settings;
};

/* Zeroed before instance_open(). One thread at a time refreshes and looks at `list`;
 * others ask by the functions below. */
struct instance {
  const struct instance_env *env;
  struct s3_site site;       /* its Region is that of its buckets */
  const char *account_named; /* borrowed; NULL: the caller's own */
  struct control *control;
  char *account;             /* known after the first refresh */
  struct caller_grants list; /* what it last said; changed under the lock */
  bool failing;              /* said in the log: the caller's */
  struct {
    struct mtx lock;
    struct grants *grants; /* known after the first refresh */
  } synced;
};

/* Asks nobody. named NULL: the settings' account and Region. -EINVAL with a line. */
int instance_open(struct instance *one, const struct instance_env *env,
                  const struct target_instance *named, struct buf *why);
void instance_fini(struct instance *one);
/* Asks for the caller's grants; a failure leaves the list as it was. */
int instance_refresh(struct instance *one, struct s3_error *error);
/* NULL before the first refresh. Any thread. */
struct grants *instance_grants(struct instance *one);
/* Length of the longest listed scope that covers "BUCKET/KEY"; 0: none. Any thread. */
size_t instance_covers(struct instance *one, const char *key);
/* "s3://b/p*" as a route; *prefix is the caller's, r->prefix the same. False: it names no
 * single bucket, or memory is short. */
bool instance_route(const struct caller_grant *g, struct route *r, char **prefix);

#endif

/* What a Host header says. The hosts AWS uses (and the same below "localhost"
 * or any other suffix):
 *   NAME.s3.REGION.SUFFIX  NAME-ACCOUNT.s3-accesspoint.REGION.SUFFIX
 *   ACCOUNT.s3-control.REGION.SUFFIX  sts.REGION.SUFFIX  NAME.localhost
 *   NAME-ACCOUNT.s3-object-lambda.REGION.SUFFIX  NAME.s3express-ZONE.REGION.SUFFIX
 *   NAME-ACCOUNT.OUTPOST.s3-outposts.REGION.SUFFIX  ALIAS.mrap.accesspoint.s3-global.SUFFIX
 * with "-fips" and "dualstack" in between. Pure. */
#ifndef S3APFS_EMULATOR_HOST_H
#define S3APFS_EMULATOR_HOST_H

#include <stdbool.h>

enum host_kind {
  HOST_PLAIN,        /* localhost, an address, a service's bare host: path style */
  HOST_ANY,          /* NAME.localhost: what the name is shows in the world */
  HOST_BUCKET,       /* NAME.s3..., NAME.s3express-ZONE...: bucket or alias */
  HOST_ACCESS_POINT, /* NAME-ACCOUNT.s3-accesspoint... and its kin */
  HOST_CONTROL,      /* ACCOUNT.s3-control..., s3-control... */
};

struct host {
  enum host_kind kind;
  char *name;   /* "" for HOST_PLAIN */
  char *region; /* "" when the host does not say */
};

/* value: of the Host header, with or without a port. -ENOMEM. */
int host_parse(const char *value, struct host *out);
void host_fini(struct host *h);

/* "NAME-123456789012" into its parts (owned); -EINVAL when it is not of that form. */
int host_split_access_point(const char *label, char **name, char **account);
bool host_is_account(const char *s);
/* A host's name without the labels of an Outpost or PrivateLink endpoint, or ".accesspoint",
 * behind it; owned. */
char *host_bare_name(const char *name);

#endif

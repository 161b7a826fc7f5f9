/* From a request's host and path to what it names. */
#ifndef S3APFS_EMULATOR_ROUTE_H
#define S3APFS_EMULATOR_ROUTE_H

#include "exchange.h"

/* Fills x->to. 0, or a negative errno after answering (InvalidURI,
 * KeyTooLongError). Whether bucket or access point exist is not judged here. */
int route_request(struct exchange *x);
/* Fills a (initialised) from a bucket name, alias or NAME-ACCOUNT, and a decoded
 * key. region: where to look an access point up, "" for anywhere. -ENOMEM. */
int route_resolve(struct world *w, const char *named, const char *region, const char *key,
                  struct address *a);
/* The same for an access point by its parts. */
int route_resolve_access_point(struct world *w, const char *account, const char *region,
                               const char *name, struct address *a);
/* Region of the (not yet verified) credential scope, or "" ; owned. */
char *route_claimed_region(const struct exchange *x);

#endif

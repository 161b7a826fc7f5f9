/* Keys as the metadata services of instances and containers write them. */
#ifndef SRC_CRED_METADATA_H
#define SRC_CRED_METADATA_H

#include "s3apfs/base/buf.h"
#include "s3apfs/cred/provider.h"

/* The keys in a reply's JSON (aws/keys_json.h). who: the provider, a constant; from: what
 * was asked, for the line of a failure. 0 with keys that the caller owns, or -errno. */
int metadata_keys(const char *who, const char *from, const struct buf *body, struct keys **out,
                  struct s3_error *error);

#endif

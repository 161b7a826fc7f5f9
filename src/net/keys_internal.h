/* What is derived from keys for signing, kept with them. */
#ifndef S3APFS_NET_KEYS_INTERNAL_H
#define S3APFS_NET_KEYS_INTERNAL_H

#include "s3apfs/aws/sigv4.h"
#include "s3apfs/aws/sigv4a.h"
#include "s3apfs/net/keys.h"

/* The SigV4 signing key for the scope's day, region and service. */
int keys_signing_key(struct keys *k, const struct sigv4_scope *scope, uint8_t out[32]);
/* The SigV4a key; lives as long as k. */
int keys_sigv4a_key(struct keys *k, const struct sigv4a_key **out);

#endif

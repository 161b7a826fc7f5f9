/* Who signed this request, and is it what they signed? */
#ifndef S3APFS_EMULATOR_AUTHENTICATE_H
#define S3APFS_EMULATOR_AUTHENTICATE_H

#include "exchange.h"

/* Verifies header or query signatures (SigV4, SigV4a), their dates, tokens and
 * payload hashes; fills x->caller; takes aws-chunked framing off x->body and
 * adds its trailer fields to the request's headers. Unsigned requests are
 * anonymous. 0, or a negative errno after answering as S3 does. */
int authenticate(struct exchange *x);

#endif

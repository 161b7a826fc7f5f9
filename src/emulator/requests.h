/* The requests seen, newest last, as JSON records for tests and curious users. */
#ifndef S3APFS_EMULATOR_REQUESTS_H
#define S3APFS_EMULATOR_REQUESTS_H

#include <stdint.h>

#include "exchange.h"

struct requests;

int requests_new(struct requests **out);
void requests_free(struct requests *r);
/* Records an exchange whose reply is complete; called before the reply leaves,
 * so who has the reply finds the record. Secrets are not in it. */
void requests_add(struct requests *r, const struct exchange *x);
/* All records as a JSON array. */
int requests_print(struct requests *r, struct buf *out);
void requests_clear(struct requests *r);

#endif

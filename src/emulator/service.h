/* From a received exchange to a complete reply: every stage in order. */
#ifndef S3APFS_EMULATOR_SERVICE_H
#define S3APFS_EMULATOR_SERVICE_H

#include "exchange.h"

/* Always leaves a reply. Sleeps when a fault says so. */
void service_run(struct exchange *x);
/* Sleeps, or returns early when the emulator stops. */
void service_pause(const struct emulator *e, int64_t ms);

#endif

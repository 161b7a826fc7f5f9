/* The emulator's own endpoint, /_emulator/, for tests and demonstrations:
 *
 *   POST, GET, DELETE /_emulator/faults    add, show, forget scripted faults (faults.h)
 *   GET, DELETE       /_emulator/requests  the requests seen
 *   POST              /_emulator/clock     {"shift-ms": N}: N ahead of the system's clock
 *   POST              /_emulator/pace      {"latency-ms": N, "bandwidth": BYTES_PER_SECOND}
 *
 * Unsigned; loopback only. Not recorded, not subject to faults. */
#ifndef S3APFS_EMULATOR_ADMIN_H
#define S3APFS_EMULATOR_ADMIN_H

#include "exchange.h"

/* True when the request was one of these and has its reply. */
bool admin_handle(struct exchange *x);

#endif

/* What tests ask of the CRCs. */
#ifndef S3APFS_SRC_BASE_CRC_INTERNAL_H
#define S3APFS_SRC_BASE_CRC_INTERNAL_H

#include "crc_fold.h"
#include "s3apfs/base/crc.h"

/* As crc_update(), in one way, which this processor has. */
uint64_t crc_update_by(enum crc_way way, enum crc_kind kind, uint64_t crc, const void *data,
                       size_t len);

#endif

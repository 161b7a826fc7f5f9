/* The reflected CRCs S3 uses as object checksums (facts: init and xorout all
 * ones). Start with 0 and feed the previous result: crcX(crcX(0, a), b).
 * crc_combine_* joins the CRCs of two adjacent ranges without rereading. */
#ifndef S3APFS_BASE_CRC_H
#define S3APFS_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_ieee(uint32_t crc, const void *data, size_t len);
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
uint64_t crc64nvme(uint64_t crc, const void *data, size_t len);
uint64_t crc64nvme_combine(uint64_t a, uint64_t b, uint64_t len_b);
uint32_t crc32_ieee_combine(uint32_t a, uint32_t b, uint64_t len_b);
uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b);

/* The same, chosen at run time; CRC_NONE: 0. */
enum crc_kind { CRC_NONE, CRC_64NVME, CRC_32, CRC_32C };
uint64_t crc_update(enum crc_kind kind, uint64_t crc, const void *data, size_t len);
uint64_t crc_combine(enum crc_kind kind, uint64_t a, uint64_t b, uint64_t len_b);

#endif

/* How bytes stand in the shared tier. A pure codec: no store, no threads.
 *
 * One object of the tier holds one part: DATA_PART bytes of one version of one
 * object of a source, at a multiple of DATA_PART, or what is left at its end. Its
 * name is the lower-case hexadecimal HMAC-SHA-256 of the version's id and the part's
 * number, so that names tell nothing without the key. Its content is one frame after
 * another, one for each cell of DATA_GRID bytes (the last may be shorter), so that
 * any run of cells is one ranged GET:
 *
 *   4  "S3T" 1        the format
 *   8  key id         of the key file that sealed it; another one's is a miss
 *   12 nonce          random
 *   n  the cell       AES-256-GCM
 *   16 tag
 *
 * The id of a version is what makes two versions the same for everybody: the
 * object's address (endpoint, bucket or access point, key), etag and size, each
 * text behind its length. The cell's key is HMAC-SHA-256 of that id, so that one
 * key seals the cells of one version only; associated with each cell are the
 * frame's first 12 bytes, the id, and the cell's number and length. A frame that was
 * moved to another place, name or key therefore does not open.
 *
 * From the 32 bytes K of the key file: names HMAC(K, "s3apfs tier 1 names"), cells
 * HMAC(K, "s3apfs tier 1 cells"), key id the first 8 bytes of
 * HMAC(K, "s3apfs tier 1 id"). Numbers are little-endian. */
#ifndef S3APFS_SRC_DATA_TIER_SEAL_H
#define S3APFS_SRC_DATA_TIER_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/data/cache.h"

#define TIER_KEY 32
#define TIER_KEY_ID 8
#define TIER_NAME 64 /* hexadecimal digits */
#define TIER_OVERHEAD ((size_t)40)
#define TIER_FRAME (DATA_GRID + TIER_OVERHEAD)
#define TIER_CELLS (DATA_PART / DATA_GRID)

/* What is derived from a key file; wiped by tier_keys_fini(). */
struct tier_keys {
  uint8_t names[32];
  uint8_t cells[32];
  uint8_t id[TIER_KEY_ID];
};
int tier_keys_init(struct tier_keys *k, const uint8_t key[TIER_KEY]); /* 0 or -EIO */
void tier_keys_fini(struct tier_keys *k);

/* A version, and its key ready for use; for one thread at a time. */
struct tier_version;
int tier_version_new(const struct tier_keys *k, const char *place, const char *key,
                     const char *etag, uint64_t size, struct tier_version **out);
void tier_version_free(struct tier_version *v); /* wipes */
uint64_t tier_version_hash(const struct tier_version *v);
/* The name of part `part`. 0 or -EIO. */
int tier_version_name(const struct tier_version *v, uint64_t part, char out[TIER_NAME + 1]);

/* The bytes of cell `cell` of an object of that size, and of all that is sealed of
 * part `part`. */
size_t tier_cell_length(uint64_t size, uint64_t cell);
size_t tier_part_sealed(uint64_t size, uint64_t part);

/* One frame of tier_cell_length() + TIER_OVERHEAD bytes. 0 or -EIO. */
int tier_seal(struct tier_version *v, uint64_t cell, const void *plain, void *frame);
/* plain may overlap the frame when it begins before it. 0; -ENOKEY: another key
 * sealed it; -EBADMSG: it is not that cell, whole. */
int tier_open(struct tier_version *v, uint64_t cell, const void *frame, void *plain);

#endif

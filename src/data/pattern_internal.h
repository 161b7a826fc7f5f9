/* The pattern of one open file's reads, inside: pattern.c (what a read is, and what to fetch) and
 * pattern_places.c (where else it is being read). */
#ifndef S3APFS_SRC_DATA_PATTERN_INTERNAL_H
#define S3APFS_SRC_DATA_PATTERN_INTERNAL_H

#include "pattern.h"

#define PATTERN_SLACK ((uint64_t)2 << 20) /* a few requests of the kernel */

/* The end of the cell of the grid that the offset lies in, or of the file. */
uint64_t pattern_up(uint64_t offset, const struct pattern_limits *l);
/* Whether a read goes forward from `next`, where the reader's balance is this. */
bool pattern_goes_on(uint64_t next, int64_t balance, uint64_t offset, uint64_t end,
                     const struct pattern_limits *l);

/* Remembers where reading is, which begins anew elsewhere. */
void places_remember(struct pattern *p);
/* Goes on at a place that is remembered, if that is where the read belongs. */
bool places_take_up(struct pattern *p, uint64_t offset, uint64_t end,
                    const struct pattern_limits *l);
/* Drops places that nobody came back to. True: something that was fetched ahead is not expected
 * any more. */
bool places_forget(struct pattern *p);
/* Places that take turns with the one that is read. */
unsigned places_count_shared(const struct pattern *p);
/* Each of them has a part of the window, a little behind its place in memory, too, and a piece
 * that it is in. */
void places_share_window(struct pattern *p, struct pattern_limits *l);
/* Where what one at `end` reads ends: what lies behind the beginning of another was read already,
 * by whom it was for. */
uint64_t places_end_of(const struct pattern *p, uint64_t end, const struct pattern_limits *l);
/* As pattern_stopped(), of the places that are not read now. */
void places_stopped(struct pattern *p, uint64_t planned, uint64_t reached);

#endif

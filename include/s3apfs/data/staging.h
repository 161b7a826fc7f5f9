/* Staging: the contents of files that were changed here and are not in the store
 * yet. src/data/staging.c says how.
 *
 * A staged file is what a changed file is: a version of an object below, and what
 * was written over it. Reads see everything written before. It is noted in the
 * journal when it is first changed, and forgotten there once its content is in
 * the store. Thread-safe; changes of one file run one after another. Errors are
 * negative errno; -ENOSPC: staging-size or the disk is full; -ESTALE: the file
 * was replaced by somebody else while it was changed here (see commit.h). */
#ifndef S3APFS_DATA_STAGING_H
#define S3APFS_DATA_STAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/patience.h"
#include "s3apfs/data/cache.h"
#include "s3apfs/state/journal.h"
#include "s3apfs/store/write.h"

struct staging; /* of one mount */
struct staged;  /* one file */

struct staging_options {
  uint64_t size;    /* bytes that may be staged; 0: what the disk holds */
  unsigned threads; /* parts under way at once; 0: 16 */
  size_t part_size; /* smallest part; 0: 8 MiB */
  size_t part_min;  /* what the service accepts; 0: STORE_PART_MIN */
  const char *host; /* in the names of conflict copies; NULL: this one's */
  /* The store has this version of the key, sent with this user metadata; on the thread that sent
   * it, before the journal forgets what it was made of. NULL: nobody is told. */
  void (*stored)(void *arg, const struct store *s, const char *key, const char *etag,
                 const struct kvlist *meta);
  void *stored_arg;
};

/* state and cache are borrowed and outlive it. */
int staging_new(struct state *state, struct cache *cache, const struct staging_options *o,
                struct staging **out);
/* Every staged file was freed. */
void staging_free(struct staging *g);
uint64_t staging_used(struct staging *g);
/* Drops rows of the journal whose content is in the store, and that could not be dropped when it
 * came there. */
void staging_drop_over(struct staging *g);
/* That row is one of them. */
bool staging_is_over(struct staging *g, int64_t row);

/* The file of this key. attr NULL: there is no object yet, and none may be there
 * when it is committed. The store (borrowed) has store->write. */
int staged_new(struct staging *g, struct store *s, const char *key, const struct store_attr *attr,
               struct staged **out);
/* Nobody uses it. What is not in the store stays in the journal, but for a file that
 * has no name any more. */
void staged_free(struct staged *f);

/* Its number in the journal; 0: it is not there. */
int64_t staged_id(struct staged *f);
uint64_t staged_size(struct staged *f);
/* How many local files its content is spread over. */
size_t staged_depth(struct staged *f);
/* Something is here that the store does not have. */
bool staged_is_dirty(struct staged *f);
/* A change of content that no promise and no commit has taken up yet; also true without a name.
 * What is set without such a change has to be made known by itself: staged_dress(). */
bool staged_has_news(struct staged *f);
/* Some of what was written is held by its unfinished upload alone, because more was written
 * than staging-size holds. What needs it (reading, writing over it, cutting it) is -EREMOTE, here
 * and below, until the file was committed. */
bool staged_is_released(struct staged *f);
/* It will be committed because of that, now and whenever there is no room: from here on that is
 * -EREMOTE too. True for the first time. */
bool staged_go_ahead(struct staged *f);
/* Who writes it has synced it. From here on that is -EREMOTE as long as it only grows, too. */
void staged_note_sync(struct staged *f);
/* Since it was synced, bytes were only written behind the end that it had when it was last
 * acknowledged or committed: whatever a commit makes of it begins with what was promised. */
bool staged_only_grew(struct staged *f);
/* Nothing of `len` bytes has room in staging-size now, whatever the disk has. */
bool staging_is_full(struct staging *g, uint64_t len);
/* What was acknowledged is not in the store yet: a commit of that makes room, and without any
 * there is -EREMOTE. */
bool staged_is_acked(struct staged *f);
/* Copies up to len bytes at offset; *got is less only at the end. */
int staged_read(struct staged *f, uint64_t offset, void *dst, size_t len, const struct patience *p,
                size_t *got);
int staged_write(struct staged *f, uint64_t offset, const void *data, size_t len);
/* As staged_write() at the end as it is at that moment. */
int staged_append(struct staged *f, const void *data, size_t len);
int staged_truncate(struct staged *f, uint64_t size);
/* mode as for fallocate(2): 0, FALLOC_FL_KEEP_SIZE, and FALLOC_FL_PUNCH_HOLE or
 * FALLOC_FL_ZERO_RANGE; others -EOPNOTSUPP. Room is not reserved. */
int staged_allocate(struct staged *f, int mode, uint64_t offset, uint64_t len);
/* SEEK_DATA or SEEK_HOLE; -ENXIO as lseek(2). */
int staged_seek(struct staged *f, uint64_t offset, int whence, uint64_t *out);
/* Changes user metadata of the object to be; "" removes a value. Goes out with the
 * next commit; `dirty`: there has to be one for it. */
int staged_dress(struct staged *f, const struct kvlist *meta, bool dirty);
/* Nothing but that is to be committed. */
bool staged_dress_is_alone(struct staged *f);

/* What is written up to now will be committed even if this process ends: it is on
 * the disk and in the journal when this returns. */
int staged_acknowledge(struct staged *f);
/* What is written up to now outlives this machine's crash, but only as a copy beside
 * the file: nobody said that it is complete. */
int staged_secure(struct staged *f);

/* The file has another name now: its object was moved to this key and is this
 * version there (NULL: there is no object yet). */
int staged_rename(struct staged *f, const char *key, const struct store_attr *attr);
/* Another version than the one it is made from was moved to this key: it is still made from that
 * one, so what is changed of it replaces nothing. */
int staged_rename_astray(struct staged *f, const char *key);
/* It is made from this version, or nobody can tell. */
bool staged_is_from(struct staged *f, const char *etag);
/* The same for a file of which nothing was sent yet: it will be committed under this key.
 * -EAGAIN: something may be in the store already. */
int staged_rename_unsent(struct staged *f, const char *key);
/* Fetches what is not here yet, so that the file needs its object no more: before
 * that is removed or replaced while somebody has the file open. On failure nothing
 * changed. -EREMOTE: there would be room in staging-size without what others have staged. */
int staged_localize(struct staged *f, const struct patience *p);
/* The name is gone: nothing will be committed; the bytes live as long as the file
 * is open. *out: the version that the store has of it (without etag: none); not *sure: a
 * commit of another one failed, and may have succeeded all the same. */
int staged_unlink(struct staged *f, struct store_attr *out, bool *sure);

/* As staged_unlink(), but the journal does not know it before staged_note_unlinked(). */
int staged_unlink_unnoted(struct staged *f, struct store_attr *out, bool *sure);
int staged_note_unlinked(struct staged *f);
/* What the journal has of the file becomes what it is now, and this change is noted: both or
 * neither. */
int staged_note_with(struct staged *f, struct journal_change *c);

/* Drops what is staged, and its journal; an upload under way is aborted. */
int staged_discard(struct staged *f);
/* The same, unless there is nothing of it any more (-ENOENT): a commit under way is waited for. */
int staged_give_up(struct staged *f);

#endif

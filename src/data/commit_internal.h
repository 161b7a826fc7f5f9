/* Shared by the files that commit: commit.c (the order of things), commit_dress.c
 * (what an object carries beside bytes), commit_redress.c (that alone), commit_hold.c (what is
 * fetched first), commit_parts.c (sending parts), commit_append.c (adding to the end),
 * commit_stream.c (while the file is written), commit_resume.c (what an upload has already),
 * commit_aside.c (copies under other names). */
#ifndef S3APFS_SRC_DATA_COMMIT_INTERNAL_H
#define S3APFS_SRC_DATA_COMMIT_INTERNAL_H

#include "commit_plan.h"
#include "s3apfs/data/commit.h"
#include "staging_internal.h"

/* Memory for one part out of the cache's budget. */
struct part_memory {
  void *data;
  size_t len;
  size_t capacity; /* of the buffer it is in */
  bool spilled;    /* in a file, not in the budget */
};

/* What was fetched before anything was sent. */
struct held {
  struct part_memory bytes; /* data NULL: nothing */
  uint64_t offset;
  struct store_detail detail; /* of the base, told with them */
  bool is_told;
};

/* One attempt to bring one state of a file to one key. */
struct attempt {
  struct staged *file;
  const char *key;
  struct snapshot state; /* sealed */
  struct store_condition condition;
  struct plan plan;
  struct held held;
  struct kvlist meta; /* dress of the object to be */
  struct kvlist headers;
  bool aside;              /* the key is not the file's: nothing sent so far is of use */
  bool dressed;            /* the dress changed */
  bool no_append;          /* the service refused that */
  char sum[STORE_SUM_MAX]; /* of the store's own algorithm, where it has one; "": not known */
  char md5[33];            /* of what is put in one piece, where it is known */
  uint64_t crc;            /* CRC64NVME of the content, where it is known */
  bool crc_known;
};

struct plan_limits commit_limits(const struct staging *g);
/* Fills meta and headers: what the base carries, under what was changed here.
 * -ESTALE: the base is not that version any more. */
int commit_dress(struct attempt *a);
/* recover.c: the file that a row of the journal describes, with its layers. */
int staged_load(struct staging *g, struct store *s, const struct journal_file *row,
                struct staged **out);
/* What was changed of the dress goes with this attempt; at its end, and before it is settled: it
 * did not (`back`), or it is in the store. */
void commit_take_dress(struct attempt *a);
void commit_end_dress(struct attempt *a, bool back);
/* Who asked for it learns what the version that is in the store now was sent with. */
void commit_tell_stored(const struct attempt *a, const struct store_attr *attr);
/* --- commit_resume.c --- */
/* Servers that keep no checksum name what is put in one piece by its MD5. Not that of more than
 * a megabyte, which would take longer than it is worth. */
void commit_digest(struct attempt *a, const void *data, size_t len);
/* --- commit_redress.c --- */
/* Brings what was changed of the dress, and nothing else, to the base. -ESTALE: that is not the
 * object any more. The turn to commit is the caller's; staged_redress() takes it. */
int commit_redress(struct staged *f, struct commit_result *out);
int staged_redress(struct staged *f, struct commit_result *out);
/* The same after a commit, for what was set meanwhile, if there is such a thing. */
int commit_dress_since(struct staged *f, struct commit_result *out);

/* Says what a denied commit may lack beside s3:PutObject. */
void commit_explain_denial(const struct attempt *a);
/* As a struct for the store; valid as long as the attempt. */
struct store_dress commit_dress_of(const struct attempt *a);

/* How long a commit waits for memory or for a piece of the base. */
struct patience commit_patience(void);
int part_memory_get(struct staging *g, size_t len, struct part_memory *out);
/* The same in a file whatever its length: who holds it keeps nobody from the budget. */
int part_memory_spill(struct staging *g, size_t len, struct part_memory *out);
void part_memory_put(struct staging *g, struct part_memory *m);

/* --- commit_hold.c --- */
/* Where bytes of the base have to be sent along, they are fetched first: the reply tells what the
 * object carries. The plan is made. -ESTALE: the base is not that version any more. */
int commit_hold(struct attempt *a);
/* The bytes of [from, from + len), when they are held; else NULL. */
const void *held_bytes(const struct attempt *a, uint64_t from, uint64_t len);
void held_fini(struct attempt *a);

/* --- commit_append.c --- */
/* The change is one that write->append can make; the dress was taken. */
bool commit_may_append(const struct attempt *a);
int commit_by_append(struct attempt *a, struct store_attr *out);
/* What a later append has to know of the version that was made. */
void commit_prepare_appends(const struct attempt *a, struct store_attr *attr);

/* The attempt by parts. -EAGAIN: from the start, please. */
int commit_by_parts(struct attempt *a, struct store_attr *out);
/* Notes what the object will be: before the call that makes it so. */
int commit_expect(struct attempt *a, const char *etag);
/* Whether a commit may have succeeded without anybody learning of it. */
bool commit_is_open(const struct expectation *e);
/* Whether a version is what was expected. */
bool commit_is_expected(const struct expectation *e, const struct store_detail *d);
/* Ends the file's upload, if there is one, and what was sent with it. */
void commit_abort_upload(struct staged *f);
/* Waits until no part is being sent. */
void commit_wait_parts(struct staged *f);

/* One part to send. */
struct job {
  struct attempt *attempt; /* NULL: streaming; the job is freed at its end */
  struct staged *file;
  struct sent_part *slot;
  bool copy;
  int err;
};
/* --- commit_stream.c --- */
/* Sends parts anew that were written over after they were sent, as staged_stream() does new ones.
 */
void staged_stream_again(struct staged *f);

/* --- commit_resume.c --- */
/* Whether a part holds what the file was when `top` was its last layer; UINT32_MAX: what it is
 * now. The lock is held. */
bool part_is_of_locked(const struct staged *f, const struct sent_part *p, uint32_t top);
/* CRC64NVME of [from, to) of the attempt's state. -EREMOTE: bytes were released; or `local`, and
 * not all of it is here;
 * -ESTALE, -ENOENT: the base is gone. */
int commit_checksum(struct attempt *a, uint64_t from, uint64_t to, bool local, uint64_t *crc);
/* Of the parts that an earlier process sent, those stay valid that hold what the file is now (up
 * to commit_upto). Nobody else uses the file yet. */
int commit_check_parts(struct staged *f);

/* Its slot is `sending` and counted from here on. */
void job_claim_locked(struct job *j);
/* Hands it to the pool; it was claimed. */
int job_submit(struct job *j);
int upload_begin(struct staged *f, const char *key, const struct store_dress *dress);
int upload_grow(struct upload *u, size_t count); /* the lock is held */

/* Plans and executes: the state is taken, the condition set. */
int commit_attempt(struct attempt *a, struct store_attr *out);
/* The same with what was changed of the dress, and settles it. */
int commit_send(struct attempt *a, struct commit_result *out);
void attempt_fini(struct attempt *a);
/* Takes what the file is now, sealed. */
int attempt_init(struct attempt *a, struct staged *f);
/* Only one commit of a file at a time. */
int commit_begin(struct staged *f);
void commit_end(struct staged *f);
/* The state of the attempt is in the store, as `attr` under the file's own key;
 * NULL: under another one, and the file is of no more use. */
int commit_settle(struct attempt *a, const struct store_attr *attr);
/* What the file is now (up to commit_upto) is that version. Inside a commit. */
int commit_settle_as(struct staged *f, const struct store_attr *attr);
/* Settles a commit that succeeded without anybody learning of it. Inside a commit. */
int commit_find_unnoted(struct staged *f);
/* Notes why it failed. */
void commit_note_failure(struct staged *f, int err);

/* Writes it under another name, and makes the file lost. Inside a commit. */
int commit_aside(struct staged *f, const char *word, char **key);

#endif

/* Two names that swap, by three moves, each noted in the journal before it begins:
 *
 *   the first goes aside -> the second gets its name -> the first gets the second's
 *
 * No move replaces anything, and each can be gone on with (names_carry.c). So whenever a process
 * ends, the next one knows where either side is: while the first goes aside, under its name and the
 * one aside together, and it is brought back; later, the second is under its old and its new name
 * together, or the first aside and under its new one, and the rest is done. The same is done at
 * once when a move fails: what cannot go on goes back; while the journal cannot be written, it is
 * tried again (unnoted.c). What another host put under a name
 * meanwhile stays there; then the side that was to have it goes to a conflict copy. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "names_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

#define EXCHANGE "exchange" /* in the journal, and in its detail: */
#define ASIDE "aside"
#define STEP "step"
#define AT "at"
#define MARK ".s3apfs-exchange-"

enum step {
  STEP_ASIDE,  /* the first is under its own name and aside */
  STEP_SECOND, /* the first is aside, the second under its own name and the first's */
  STEP_FIRST,  /* the second is done; the first is aside and under the second's name */
};

struct exchange {
  struct fs *fs;
  const struct root *root;
  int64_t id; /* in the journal */
  enum step step;
  int64_t at;      /* when it began, s since 1970: in the names of conflict copies */
  char *first;     /* keys; a folder's with its '/' */
  char *second;    /* as before */
  char *first_to;  /* what they become */
  char *second_to; /* as before */
  char *aside;
  char *etag;  /* of the first, when it is a file */
  bool beside; /* something of the first went to a conflict copy */
  bool home;   /* nothing of the second has the first's name any more, whatever the journal says */
  int err;     /* why it could not be finished */
};

/* The key as that of a file, or of a folder. */
static char *key_as(const char *key, bool folder) {
  return text_printf("%.*s%s", (int)(strlen(key) - names_is_folder(key)), key, folder ? "/" : "");
}

char *exchange_key(const struct ns_child *c, const struct ns_child *name_of) {
  return key_as(name_of->key, names_is_folder(c->key));
}

/* In the same folder as the key, and of the same kind as the other one. */
static char *key_aside(const char *key, bool folder) {
  size_t len = strlen(key) - names_is_folder(key);
  uint64_t random = 0;

  while (len > 0 && key[len - 1] != '/')
    len--;
  if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
    return NULL;
  return text_printf("%.*s" MARK "%016llx%s", (int)len, key, (unsigned long long)random,
                     folder ? "/" : "");
}

static void exchange_fini(const struct exchange *x) {
  free(x->first);
  free(x->second);
  free(x->first_to);
  free(x->second_to);
  free(x->aside);
  free(x->etag);
}

static int exchange_init(struct exchange *x, const char *first, const char *second,
                         const char *etag) {
  x->first = strdup(first);
  x->second = strdup(second);
  x->first_to = key_as(second, names_is_folder(first));
  x->second_to = key_as(first, names_is_folder(second));
  x->etag = strdup(etag);
  return x->first != NULL && x->second != NULL && x->first_to != NULL && x->second_to != NULL &&
                 x->etag != NULL
             ? 0
             : -ENOMEM;
}

/* --- the journal ----------------------------------------------------------------------- */

static int to_detail(const struct exchange *x, enum step step, struct buf *out) {
  struct kvlist words;
  int rc;

  kvlist_init(&words);
  rc = kvlist_add(&words, ASIDE, x->aside);
  if (rc == 0)
    rc = kvlist_addf(&words, STEP, "%d", (int)step);
  if (rc == 0)
    rc = kvlist_addf(&words, AT, "%lld", (long long)x->at);
  if (rc == 0)
    kvlist_to_text(&words, out);
  kvlist_fini(&words);
  return rc == 0 ? buf_error(out) : rc;
}

static int from_detail(struct exchange *x, const char *text) {
  struct kvlist words;
  const char *aside;
  const char *step;
  const char *at;
  int rc;

  kvlist_init(&words);
  rc = kvlist_from_text(text, &words);
  aside = rc == 0 ? kvlist_get_ci(&words, ASIDE) : NULL;
  step = rc == 0 ? kvlist_get_ci(&words, STEP) : NULL;
  at = rc == 0 ? kvlist_get_ci(&words, AT) : NULL;
  if (rc == 0 && (aside == NULL || step == NULL || at == NULL))
    rc = -EINVAL;
  if (rc == 0) {
    x->aside = strdup(aside);
    x->step = (enum step)strtoul(step, NULL, 10);
    x->at = strtoll(at, NULL, 10);
    rc = x->aside == NULL ? -ENOMEM : x->step > STEP_FIRST ? -EINVAL : 0;
  }
  kvlist_fini(&words);
  return rc;
}

/* On the disk before it begins. The first one of an exchange makes the row. */
static int begin_step(struct exchange *x, enum step step) {
  struct journal_change row = {.id = x->id,
                               .domain = x->root->store->domain,
                               .what = (char *)(uintptr_t)EXCHANGE,
                               .key = x->first,
                               .target = x->second,
                               .etag = x->etag};
  struct buf detail;
  int rc;

  buf_init(&detail, 0);
  rc = to_detail(x, step, &detail);
  row.detail = (char *)(uintptr_t)buf_cstr(&detail);
  if (rc == 0)
    rc = x->id != 0 ? journal_put_change(x->fs->state, &row, STATE_DURABLE)
                    : journal_add_change(x->fs->state, &row, STATE_DURABLE);
  buf_fini(&detail);
  if (rc == 0) {
    x->id = row.id;
    x->step = step;
  }
  return rc;
}

/* --- what is known of names ------------------------------------------------------------ */

/* What is known of a name is of what had it before. */
static void remember(const struct exchange *x, const char *key) {
  const struct root *r = x->root;
  struct store_attr attr;
  struct posix posix;
  struct kvlist meta;

  if (names_is_folder(key))
    return;
  kvlist_init(&meta);
  if (r->options.posix == ROOT_POSIX_OFF || r->store->ops->head(r->store, key, &attr, &meta) != 0) {
    ns_remember(x->fs->ns, r, key, "", NULL);
  } else {
    posix_from_meta(&meta, &posix);
    ns_remember(x->fs->ns, r, key, attr.etag, &posix);
  }
  kvlist_fini(&meta);
  ns_unkeep(x->fs->ns, r, key);
}

/* Before the journal forgets the exchange: after a kill in between nobody would ask once more. */
static void end_known(const struct exchange *x) {
  remember(x, x->step == STEP_ASIDE ? x->first : x->first_to);
  remember(x, x->step == STEP_ASIDE ? x->second : x->second_to);
  moves_end(x->fs, x->id);
}

/* The same of a side that this process moved and knows. */
static void remember_side(const struct exchange *x, const struct ns_child *c, const char *key,
                          const struct store_attr *attr) {
  bool known = c->has_posix && c->posix.has_mode;

  if (!names_is_folder(key))
    ns_remember(x->fs->ns, x->root, key, attr->etag, known ? &c->posix : NULL);
  ns_unkeep(x->fs->ns, x->root, key);
}

static void end_swapped(const struct exchange *x, const struct ns_child *a,
                        const struct ns_child *b, const struct store_attr *attr_a,
                        const struct store_attr *attr_b) {
  remember_side(x, a, x->first_to, attr_a);
  remember_side(x, b, x->second_to, attr_b);
  moves_end(x->fs, x->id);
}

/* --- what was begun -------------------------------------------------------------------- */

/* The first leaves its name aside for this one; *out: of a file, there. */
static int leave_aside(struct exchange *x, const char *to, struct store_attr *out) {
  int rc = names_carry_on(x->fs, x->root, x->aside, to, x->etag, out);

  x->beside = rc == -EEXIST;
  if (rc == -EEXIST || (rc == 0 && names_is_folder(x->aside)))
    rc = names_carry_beside(x->fs, x->root, x->aside, to, x->at);
  return rc;
}

/* Does what is left to do; where the first's name is taken by now, the second keeps its own. */
static int go_on(struct exchange *x, struct store_attr *out) {
  struct store_attr second;
  int rc = 0;

  if (x->step == STEP_SECOND) {
    rc = names_carry_on(x->fs, x->root, x->second, x->second_to, NULL, &second);
    if (rc == 0 || rc == -EEXIST)
      rc = begin_step(x, rc == 0 ? STEP_FIRST : STEP_ASIDE);
  }
  if (rc == 0)
    rc = leave_aside(x, x->step == STEP_ASIDE ? x->first : x->first_to, out);
  if (rc == 0)
    end_known(x);
  return rc;
}

/* By this process: what is left to do moves nothing that another name has got meanwhile. */
static bool can_finish(const struct exchange *x) {
  return x->step != STEP_SECOND || x->home;
}

/* A move failed. `left`: something of the second may have the first's name. 0: it was done all the
 * same. */
static int go_back(struct exchange *x, bool left, int err, struct store_attr *first,
                   struct store_attr *second) {
  int rc = 0;

  if (x->step != STEP_FIRST)
    *first = *second = (struct store_attr){0};
  if (x->step == STEP_SECOND) {
    if (left)
      rc = names_carry_on(x->fs, x->root, x->second_to, x->second, NULL, second);
    x->home = rc == 0 || rc == -EEXIST;
    if (x->home)
      rc = begin_step(x, STEP_ASIDE);
  }
  if (rc == 0)
    rc = go_on(x, first);
  x->err = rc;
  if (rc != 0)
    log_error("'%s' and '%s' were to swap their names (%s); %s finishes that, until then the first "
              "may be '%s'",
              x->first, x->second, strerror(-err), can_finish(x) ? "another try" : "the next mount",
              x->aside);
  if (rc == 0 && x->step == STEP_FIRST && !x->beside)
    return 0;
  if (rc != 0 || x->step != STEP_ASIDE || x->beside)
    *first = *second = (struct store_attr){0};
  return err;
}

/* --- one of this process --------------------------------------------------------------- */

static int three_moves(struct exchange *x, const struct ns_child *a, const struct ns_child *b,
                       struct store_attr *attr_a, struct store_attr *attr_b, bool *left) {
  const struct names_way away = {x->first, x->aside, .taken_back = true};
  const struct names_way over = {x->second, x->second_to, .taken_back = false};
  const struct names_way home = {x->aside, x->first_to, .taken_back = false};
  struct store_attr aside = a->attr;
  int rc = names_carry(x->fs, x->root, &away, &a->attr, &aside, left);

  if (rc == 0) {
    *left = false;
    rc = begin_step(x, STEP_SECOND);
  }
  if (rc == 0)
    rc = names_carry(x->fs, x->root, &over, &b->attr, attr_b, left);
  if (rc == 0) {
    *left = true;
    rc = begin_step(x, STEP_FIRST);
  }
  return rc == 0 ? names_carry(x->fs, x->root, &home, &aside, attr_a, left) : rc;
}

/* It could not be finished; taken. */
static void leave(const struct exchange *x) {
  struct exchange *own = can_finish(x) ? malloc(sizeof(*own)) : NULL;

  if (own == NULL) {
    unnoted_left(x->fs, x->id, x->err);
    exchange_fini(x);
    return;
  }
  *own = *x;
  unnoted_exchange(x->fs, x->id, own, x->err);
}

int exchange_names(struct fs *fs, const struct ns_child *a, const struct ns_child *b,
                   struct store_attr *attr_a, struct store_attr *attr_b) {
  struct exchange x = {.fs = fs, .root = a->root, .at = clock_wall_ms(&clock_system) / 1000};
  bool left = false;
  int rc = exchange_init(&x, a->key, b->key, a->attr.etag);

  if (rc == 0) {
    x.aside = key_aside(b->key, names_is_folder(a->key));
    rc = x.aside != NULL ? begin_step(&x, STEP_ASIDE) : -ENOMEM;
  }
  if (rc == 0) {
    rc = three_moves(&x, a, b, attr_a, attr_b, &left);
    if (rc == 0)
      end_swapped(&x, a, b, attr_a, attr_b);
    else
      rc = go_back(&x, left, rc, attr_a, attr_b);
  }
  if (x.err != 0)
    leave(&x);
  else
    exchange_fini(&x);
  return rc;
}

/* --- those of earlier processes -------------------------------------------------------- */

static int finish_one(void *arg, struct journal_change *row) {
  const struct finishing *f = arg;
  struct exchange x = {.fs = f->fs, .root = finishing_root(f, row->domain), .id = row->id};
  struct store_attr attr;
  int rc;

  if (strcmp(row->what, EXCHANGE) != 0 || x.root == NULL)
    return 0;
  rc = x.root->store->write->ready(x.root->store);
  if (rc == 0)
    rc = exchange_init(&x, row->key, row->target, row->etag);
  if (rc == 0)
    rc = from_detail(&x, row->detail);
  if (rc == 0)
    rc = go_on(&x, &attr);
  if (rc == 0) {
    log_warn("'%s' and '%s' were swapping their names when an earlier s3apfs ended: they %s",
             row->key, row->target, x.step == STEP_ASIDE ? "have their own again" : "did");
  } else {
    log_warn("'%s' and '%s' were swapping their names when an earlier s3apfs ended, and not all "
             "is in its place yet: %s",
             row->key, row->target, strerror(-rc));
    unnoted_left(f->fs, row->id, rc);
  }
  exchange_fini(&x);
  return 0;
}

int exchange_finish(struct fs *fs, const struct root *only) {
  struct finishing f = {fs, only};

  return journal_each_change(fs->state, finish_one, &f);
}

/* --- of this process, later ------------------------------------------------------------ */

/* What has the name the store knows. */
static void look_again(const struct exchange *x, const char *key) {
  char *name = key_as(key, false);

  if (name != NULL)
    fs_changed_below(x->fs, x->root->store, name, false);
  free(name);
}

int exchange_again(struct exchange *x) {
  struct store_attr attr;
  int rc = x->step == STEP_SECOND ? begin_step(x, STEP_ASIDE) : 0;

  if (rc == 0)
    rc = go_on(x, &attr);
  if (rc != 0)
    return rc;
  look_again(x, x->aside);
  look_again(x, x->first);
  look_again(x, x->second);
  log_warn("'%s' and '%s' were to swap their names: they %s", x->first, x->second,
           x->step == STEP_ASIDE ? "have their own again" : "did");
  return 0;
}

void exchange_free(struct exchange *x) {
  if (x == NULL)
    return;
  exchange_fini(x);
  free(x);
}

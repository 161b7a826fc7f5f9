/* offline=lenient: while nobody answers for a root, what is known of it stands in, however old.
 *
 * The first request that finds nobody waits as long as its retries take; from then on nobody
 * waits: what is known is used, what is not fails at once, and one request behind them asks
 * every few seconds whether it is over. What the store itself took back (a denial, an absence,
 * another version) is not known any more, and never stands in. */
#include <errno.h>
#include <stdlib.h>

#include "remote.h"

/* The answer is not needed: the store notes that there is one. */
static void ask_behind_locked(struct ns *n, const struct node *at) {
  const struct node *dir = node_is_dir(at) || at->parent == NULL ? at : at->parent;
  char *key = node_key_locked(dir);
  struct remote *c;

  if (key != NULL && remote_list(n, at->root, key, NULL, 1, &c) == 0)
    remote_drop(c);
  free(key);
}

int outage_at_locked(struct ns *n, const struct node *at) {
  struct outage *o = at->root != NULL ? at->root->store->outage : NULL;
  int err = outage_err(o);

  if (err != 0 && outage_should_ask(o, ns_now(n)))
    ask_behind_locked(n, at);
  return err;
}

bool stands_locked(struct ns *n, const struct node *at, int64_t fresh_until) {
  if (fresh_until > ns_now(n))
    return true;
  if (fresh_until == INT64_MIN || outage_at_locked(n, at) == 0)
    return false;
  atomic_fetch_add(&at->root->store->outage->stood_in, 1);
  return true;
}

bool outage_is_no_answer(int rc) {
  switch (-rc) {
  case 0:
  case EACCES:
  case ENOKEY:
  case ENOENT:
  case ENOTDIR:
  case ENAMETOOLONG:
  case EILSEQ:
  case ESTALE:
  case EINTR:
  case ENOMEM:
  case ERANGE:
  case ENOTSUP:
    return false;
  default:
    return true;
  }
}

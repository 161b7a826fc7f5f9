/* Who moves a name, and who changes what has it or lies below it: one after the other.
 *
 * A move goes by keys: it lists, copies and removes them, and what is open follows at its end. A
 * commit, a new name or a new handle in the middle of that would be made under the old key, and
 * stay there. So each such change has a pass for the inodes that it is about, and a move waits for
 * those in its way; those that begin later wait for the move, and look for their keys after it.
 * What is known is shown meanwhile. Who has to ask the store may find nothing where it was, and
 * asks again after the move; a folder that moves is not listed.
 *
 * Passes are never taken while another one is held, so who waits for a move holds up nobody. A
 * rename has a pass for its two folders before its move begins: a move of a folder above comes
 * after it. That one is only waiting then, and a move waits for none but those that run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_internal.h"

void gate_init(struct gate *g) {
  mtx_init(&g->synced.lock, RANK_FS);
  cond_init(&g->synced.turn);
}

void gate_fini(struct gate *g) {
  cond_fini(&g->synced.turn);
  mtx_fini(&g->synced.lock);
}

/* Where a file and a folder swap their names, each key is one of either kind. */
static bool is_at(const char *key, const char *moved) {
  size_t len = strlen(moved) - names_is_folder(moved);

  return strncmp(key, moved, len) == 0 && (key[len] == '\0' || key[len] == '/');
}

static bool moves_key(const struct gate_move *m, const struct root *r, const char *key) {
  return r == m->root && (is_at(key, m->from) || is_at(key, m->to));
}

static bool moves_inode(struct fs *fs, const struct gate_move *m, uint64_t ino) {
  const struct root *r;
  bool moves;
  char *key;

  if (ino == 0 || ns_get_key(fs->ns, ino, &r, &key) != 0)
    return false;
  moves = moves_key(m, r, key);
  free(key);
  return moves;
}

static bool moves_folder(const struct gate_move *m) {
  return names_is_folder(m->from) || names_is_folder(m->to);
}

/* A file is read on while its name moves. */
static bool in_the_way(struct fs *fs, const struct gate_move *m, const struct gate_pass *p) {
  if (p == m->own || (p->reads && !moves_folder(m)))
    return false;
  return moves_inode(fs, m, p->inos[0]) || moves_inode(fs, m, p->inos[1]);
}

static bool is_moved_locked(struct fs *fs, const struct gate_pass *p) {
  const struct gate_move *m;
  bool moved = false;

  DL_FOREACH (fs->gate.synced.moves, m)
    moved |= in_the_way(fs, m, p);
  return moved;
}

/* The move or pass that is waited for may last as long as a large folder takes. */
static int wait_turn_locked(struct gate *g, const struct patience *p) {
  int rc;

  patience_wait(p, &g->synced.turn, &g->synced.lock);
  mtx_unlock(&g->synced.lock);
  rc = patience_check(p);
  mtx_lock(&g->synced.lock);
  return rc;
}

static int enter(struct fs *fs, struct gate_pass *pass, const struct patience *p) {
  struct gate *g = &fs->gate;
  int rc = 0;

  mtx_lock(&g->synced.lock);
  while (rc == 0 && is_moved_locked(fs, pass))
    rc = wait_turn_locked(g, p);
  if (rc == 0)
    DL_APPEND(g->synced.passes, pass);
  mtx_unlock(&g->synced.lock);
  return rc;
}

int gate_enter(struct fs *fs, struct gate_pass *pass) {
  struct patience p = fs_patience(fs);

  return enter(fs, pass, &p);
}

uint64_t gate_glance(const struct fs *fs) {
  return atomic_load(&fs->gate.ended);
}

bool gate_enter_again(struct fs *fs, uint64_t glance, int rc, struct gate_pass *p) {
  return rc == -ENOENT && atomic_load(&fs->gate.begun) != glance && gate_enter(fs, p) == 0;
}

void gate_leave(struct fs *fs, struct gate_pass *p) {
  struct gate *g = &fs->gate;

  mtx_lock(&g->synced.lock);
  DL_DELETE(g->synced.passes, p);
  if (g->synced.moves != NULL)
    cond_broadcast(&g->synced.turn);
  mtx_unlock(&g->synced.lock);
}

static bool meet(const struct gate_move *a, const struct gate_move *b) {
  return moves_key(a, b->root, b->from) || moves_key(a, b->root, b->to) ||
         moves_key(b, a->root, a->from) || moves_key(b, a->root, a->to);
}

static bool must_wait_locked(struct fs *fs, const struct gate_move *m) {
  const struct gate_move *other;
  const struct gate_pass *p;
  bool wait = false;

  DL_FOREACH (fs->gate.synced.moves, other)
    wait |= other != m && other->runs && meet(m, other);
  DL_FOREACH (fs->gate.synced.passes, p)
    wait |= in_the_way(fs, m, p);
  return wait;
}

void gate_move_end(struct fs *fs, struct gate_move *m) {
  struct gate *g = &fs->gate;

  mtx_lock(&g->synced.lock);
  DL_DELETE(g->synced.moves, m);
  if (moves_folder(m))
    atomic_fetch_add(&g->ended, 1);
  cond_broadcast(&g->synced.turn);
  mtx_unlock(&g->synced.lock);
}

int gate_move_begin(struct fs *fs, struct gate_move *m, bool *waited) {
  struct patience p = fs_patience(fs);
  struct gate *g = &fs->gate;
  int rc = 0;

  *waited = false;
  m->runs = false;
  mtx_lock(&g->synced.lock);
  DL_APPEND(g->synced.moves, m);
  if (moves_folder(m))
    atomic_fetch_add(&g->begun, 1);
  while (rc == 0 && must_wait_locked(fs, m)) {
    *waited = true;
    rc = wait_turn_locked(g, &p);
  }
  m->runs = rc == 0;
  mtx_unlock(&g->synced.lock);
  return rc;
}

/* As long as it takes: what was written has no other way. */
static int with_pass(struct fs *fs, struct writing *w,
                     int (*save)(struct fs *fs, struct writing *w)) {
  static const struct patience endless;
  struct gate_pass pass = {.inos = {w->ino}};
  int rc = enter(fs, &pass, &endless);

  if (rc != 0)
    return rc;
  rc = save(fs, w);
  gate_leave(fs, &pass);
  return rc;
}

int gate_promise(struct fs *fs, struct writing *w) {
  return with_pass(fs, w, writing_promise);
}

int gate_commit(struct fs *fs, struct writing *w) {
  return with_pass(fs, w, writing_commit);
}

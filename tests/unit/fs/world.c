#include "world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/pattern.h"
#include "../../support/remove_tree.h"
#include "s3apfs/base/text.h"

static atomic_int_fast64_t fake_ms;

static int64_t fake_now(const struct clock *c) {
  (void)c;
  return atomic_load(&fake_ms);
}

static const struct clock fake = {.wall_ms = fake_now, .mono_ms = fake_now};
static const struct root_options defaults = {.file_mode = 0644,
                                             .dir_mode = 0755,
                                             .metadata_ttl_ms = WORLD_TTL,
                                             .negative_ttl_ms = WORLD_NEGATIVE_TTL};

void world_init(struct world *w, const char *path) {
  atomic_store(&fake_ms, 1000000);
  memset(w, 0, sizeof(*w));
  catalog_init(&w->catalog);
  cr_assert_eq(mem_store_new(path, &w->mem), 0);
  cr_assert_eq(fault_store_new(w->mem, &w->faulty), 0);
  cr_assert_eq(catalog_add(&w->catalog, path, w->faulty, &defaults), 0);
}

struct store *world_add(struct world *w, const char *path) {
  struct store *s;

  cr_assert_eq(mem_store_new(path, &s), 0);
  cr_assert_eq(catalog_add(&w->catalog, path, s, &defaults), 0);
  return s;
}

void world_open(struct world *w, size_t memory, int64_t deadline_ms) {
  struct fs_options o = {
      .memory = memory, .disk = w->disk, .clock = &fake, .deadline_ms = deadline_ms};

  cr_assert_eq(fs_new(&w->catalog, &o, &w->fs), 0);
}

void world_open_writable(struct world *w) {
  struct fs_options o = {.memory = (size_t)64 << 20, .clock = &fake};
  struct buf why;

  buf_init(&why, 0);
  strcpy(w->state_dir, "/tmp/s3apfs-world-XXXXXX");
  cr_assert_not_null(mkdtemp(w->state_dir));
  cr_assert_eq(state_open(w->state_dir, "mount", &why, &w->state), 0, "%s", buf_cstr(&why));
  o.state = w->state;
  cr_assert_eq(fs_new(&w->catalog, &o, &w->fs), 0);
  buf_fini(&why);
}

static void end_state(struct world *w) {
  state_close(w->state);
  cr_assert_eq(remove_tree(w->state_dir), 0);
}

void world_fini(struct world *w) {
  fs_free(w->fs);
  if (w->state != NULL)
    end_state(w);
  catalog_fini(&w->catalog);
}

void world_later(int64_t ms) {
  atomic_fetch_add(&fake_ms, ms);
}

void world_put(struct world *w, const char *key, size_t len, uint64_t seed) {
  unsigned char *p = pattern_new(len, seed);

  cr_assert_eq(mem_store_put(w->mem, key, p, len), 0);
  free(p);
}

int world_walk(struct world *w, const char *path, struct fs_entry *out) {
  char *copy = strdup(path);
  char *save = NULL;
  double ttl;
  int rc = fs_getattr(w->fs, FS_ROOT_INO, &out->st, &ttl);

  out->ino = FS_ROOT_INO;
  for (char *s = strtok_r(copy, "/", &save); rc == 0 && s != NULL; s = strtok_r(NULL, "/", &save))
    rc = fs_lookup(w->fs, out->ino, s, out, &ttl);
  free(copy);
  return rc;
}

int world_open_file(struct world *w, const char *path, uint64_t *handle) {
  struct fs_entry e;
  struct fs_opened o;
  int rc = world_walk(w, path, &e);

  if (rc == 0)
    rc = fs_open(w->fs, e.ino, O_RDONLY, &o);
  if (rc == 0)
    *handle = o.handle;
  return rc;
}

int world_try(struct world *w, const char *path) {
  struct fs_entry e;
  struct fs_opened o;
  uint64_t handle;
  int rc = world_walk(w, path, &e);

  if (rc != 0)
    return rc;
  if (S_ISDIR(e.st.st_mode)) {
    rc = fs_opendir(w->fs, e.ino, &handle);
    if (rc == 0)
      fs_releasedir(w->fs, handle);
  } else {
    rc = fs_open(w->fs, e.ino, O_RDONLY, &o);
    if (rc == 0)
      fs_release(w->fs, o.handle);
  }
  return rc;
}

struct check {
  uint64_t at;
  uint64_t seed;
  ssize_t n;
};

static int check_pieces(void *arg, const struct iovec *iov, int count) {
  struct check *c = arg;

  for (int i = 0; i < count; i++) {
    if (!pattern_matches(iov[i].iov_base, iov[i].iov_len, c->at, c->seed))
      return -EBADMSG;
    c->at += iov[i].iov_len;
    c->n += (ssize_t)iov[i].iov_len;
  }
  return 0;
}

ssize_t world_read(struct world *w, uint64_t handle, uint64_t off, size_t size, uint64_t seed) {
  struct check c = {.at = off, .seed = seed};
  int rc = fs_read(w->fs, handle, off, size, check_pieces, &c);

  return rc != 0 ? rc : c.n;
}

struct copy {
  char *dst;
  size_t n;
};

static int copy_pieces(void *arg, const struct iovec *iov, int count) {
  struct copy *c = arg;

  for (int i = 0; i < count; i++) {
    memcpy(c->dst + c->n, iov[i].iov_base, iov[i].iov_len);
    c->n += iov[i].iov_len;
  }
  return 0;
}

ssize_t world_copy(struct world *w, uint64_t handle, uint64_t off, void *dst, size_t size) {
  struct copy c = {.dst = dst};
  int rc = fs_read(w->fs, handle, off, size, copy_pieces, &c);

  return rc != 0 ? rc : (ssize_t)c.n;
}

struct ls {
  struct world *w;
  struct buf names;
  uint64_t next;
  unsigned left;
  bool plus;
};

/* Takes a few entries a call, as a small buffer would. */
static bool take_name(void *arg, const char *name, const struct fs_entry *e, uint64_t next) {
  struct ls *ls = arg;

  if (ls->left-- == 0)
    return false;
  ls->next = next;
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return true;
  buf_printf(&ls->names, "%s%s ", name, S_ISDIR(e->st.st_mode) ? "/" : "");
  if (ls->plus)
    fs_forget(ls->w->fs, e->ino, 1);
  return true;
}

char *world_ls(struct world *w, const char *path, bool plus, int *rc) {
  struct ls ls = {.w = w, .plus = plus};
  struct fs_entry e;
  uint64_t handle;

  *rc = world_walk(w, path, &e);
  if (*rc == 0)
    *rc = fs_opendir(w->fs, e.ino, &handle);
  if (*rc != 0)
    return NULL;
  buf_init(&ls.names, 0);
  for (uint64_t before = UINT64_MAX; *rc == 0 && before != ls.next;) {
    before = ls.next;
    ls.left = 7;
    *rc = fs_readdir(w->fs, handle, ls.next, plus, take_name, &ls);
  }
  fs_releasedir(w->fs, handle);
  if (*rc == 0)
    return buf_take(&ls.names);
  buf_fini(&ls.names);
  return NULL;
}

struct mem_store_counts world_counts(struct world *w) {
  struct mem_store_counts c;

  mem_store_counts(w->mem, &c);
  return c;
}

#include "desk.h"
#include "../../support/remove_tree.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void desk_open(struct desk *d) {
  strcpy(d->dir, "/tmp/s3apfs-state-XXXXXX");
  cr_assert_not_null(mkdtemp(d->dir));
  buf_init(&d->why, 0);
}

void desk_close(struct desk *d) {
  cr_assert_eq(remove_tree(d->dir), 0);
  buf_fini(&d->why);
}

struct state *desk_state(struct desk *d) {
  struct state *s = NULL;

  cr_assert_eq(state_open(d->dir, DESK_MOUNT, &d->why, &s), 0, "%s", buf_cstr(&d->why));
  return s;
}

char *desk_path(struct desk *d, const char *name) {
  struct buf command;
  struct buf path;
  FILE *p;
  char line[512];

  buf_init(&command, 0);
  buf_init(&path, 0);
  buf_printf(&command, "ls -d %s/*/%s", d->dir, name);
  p = popen(buf_cstr(&command), "r"); /* NOLINT */
  cr_assert_not_null(p);
  cr_assert_not_null(fgets(line, sizeof(line), p));
  pclose(p);
  line[strcspn(line, "\n")] = '\0';
  buf_puts(&path, line);
  buf_fini(&command);
  return buf_take(&path);
}

void desk_make_file(struct journal_file *f, const char *key) {
  journal_file_init(f);
  f->domain = strdup("d");
  f->key = strdup(key);
  f->base_etag = strdup("e1");
  f->base_size = UINT64_C(5) << 40;
  f->first = 1;
  f->upload = strdup("");
  cr_assert_eq(kvlist_add(&f->meta, "na=me&", "v\xc3\xa4l\nue&="), 0);
  cr_assert_eq(kvlist_add(&f->headers, "Content-Type", "text/plain; a=b"), 0);
}

int desk_see_file(void *arg, struct journal_file *f) {
  struct desk_seen *s = arg;

  if (s->count++ > 0)
    journal_file_fini(&s->last);
  s->last = *f;
  journal_file_init(f);
  return 0;
}

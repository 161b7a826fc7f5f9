/* Asking the store what a name is: HEAD of the key and LIST below it, at once where both may
 * answer (find.c says when). */
#include "find_question.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memo_internal.h"
#include "remote.h"
#include "s3apfs/base/text.h"

#define DENIED_LISTS_MAX 3
#define PEEK_ENTRIES 100 /* of a folder that is looked up: a reply of one segment or two */

int question_init_locked(struct question *q, struct ns *n, const struct node *dir, const char *name,
                         const struct patience *p) {
  char *above = node_key_locked(dir);

  *q = (struct question){.ns = n, .root = dir->root, .patience = p};
  if (above != NULL) {
    q->key = text_printf("%s%s", above, name);
    q->folder = text_printf("%s%s/", above, name);
  }
  free(above);
  if (q->key == NULL || q->folder == NULL)
    return -ENOMEM;
  return strlen(q->key) > ns_key_max(q->root) ? -ENAMETOOLONG : 0;
}

void question_fini(struct question *q) {
  free(q->key);
  free(q->folder);
}

static int take_head(struct question *q, struct remote *c, struct answer *out) {
  int rc = remote_wait(c, q->patience);

  if (rc == 0) {
    out->attr = *remote_attr(c);
    out->posix = *remote_posix(c);
    out->has_posix = true;
  }
  remote_drop(c);
  return rc;
}

/* 1: something lies below the folder; 0: nothing. */
static int take_list(struct question *q, struct remote *c, struct answer *out) {
  int rc = remote_wait(c, q->patience);

  remote_note_list(q->ns, q->root, q->folder, rc);
  if (rc == 0) {
    const struct store_page *page = remote_page(c);

    rc = page->count > 0 || page->next != NULL;
    out->marker = page->count > 0 && strcmp(page->entries[0].name, q->folder) == 0;
    if (rc == 1 && page->next == NULL && q->root->options.posix != ROOT_POSIX_STRICT &&
        page_new(page, q->folder, &out->all) == 0)
      memo_fill(q->ns, q->root, q->folder, out->all);
  }
  remote_drop(c);
  return rc;
}

static int ask_head(struct question *q, struct answer *out) {
  struct remote *c;
  int rc = remote_head(q->ns, q->root, q->key, &c);

  return rc != 0 ? rc : take_head(q, c, out);
}

static int ask_folder(struct question *q, struct answer *out) {
  struct remote *c;
  int rc;

  if (strlen(q->folder) > ns_key_max(q->root))
    return 0;
  rc = remote_list(q->ns, q->root, q->folder, NULL, PEEK_ENTRIES, &c);
  return rc != 0 ? rc : take_list(q, c, out);
}

/* What LIST says about an object whose HEAD was denied. */
static int ask_listed(struct question *q, struct store_attr *out) {
  struct remote *c;
  struct store_page *page;
  int rc = remote_list(q->ns, q->root, q->key, NULL, 1, &c);

  if (rc != 0)
    return rc;
  rc = remote_wait(c, q->patience);
  page = remote_page(c);
  if (rc == 0 && (page->count == 0 || page->entries[0].is_prefix ||
                  strcmp(page->entries[0].name, q->key) != 0))
    rc = -ENOENT;
  if (rc == 0)
    *out = page->entries[0].attr;
  out->denied = true;
  remote_drop(c);
  return rc;
}

/* HEAD and LIST at once. A folder is an answer as soon as LIST is there. */
static int ask_both(struct question *q, struct answer *out, int *list) {
  struct remote *c;
  int rc = remote_head(q->ns, q->root, q->key, &c);

  if (rc != 0)
    return rc;
  *list = ask_folder(q, out);
  if (*list == 1) {
    remote_drop(c);
    return -ENOENT;
  }
  return take_head(q, c, out);
}

static enum node_kind file_kind(const struct answer *a) {
  return node_kind_of(a->has_posix ? &a->posix : NULL, a->attr.size);
}

static int judge(struct question *q, int head, int list, struct answer *out) {
  if (list == 1) {
    out->kind = NODE_DIR;
    return 0;
  }
  out->kind = file_kind(out);
  if (head == 0 || (head != -ENOENT && head != -EACCES))
    return head;
  if (list == -EACCES) {
    out->kind = NODE_DIR;
    out->unprovable = true;
    return 0;
  }
  if (list < 0)
    return list;
  return head == -EACCES ? ask_listed(q, &out->attr) : head;
}

static struct root_state root_state(struct ns *n, const struct root *r) {
  struct root_state s;

  mtx_lock(&n->synced.lock);
  s = n->synced.roots[r->index];
  mtx_unlock(&n->synced.lock);
  return s;
}

int question_ask(struct question *q, bool folder_denied, struct answer *out) {
  struct root_state s = root_state(q->ns, q->root);
  bool doubtful = !s.listed && s.denied > 0;
  int list = -EACCES;
  int head;

  *out = (struct answer){0};
  if (!doubtful && !folder_denied) {
    head = ask_both(q, out, &list);
    out->denied = list == -EACCES;
  } else {
    head = ask_head(q, out);
    if ((head == -ENOENT || head == -EACCES) && !folder_denied && s.denied < DENIED_LISTS_MAX) {
      list = ask_folder(q, out);
      out->denied = list == -EACCES;
    }
  }
  return judge(q, head, list, out);
}

int question_ask_dir(struct question *q, struct answer *out) {
  struct root_state s = root_state(q->ns, q->root);
  int list = -EACCES;

  *out = (struct answer){.kind = NODE_DIR};
  if (s.listed || s.denied < DENIED_LISTS_MAX) {
    list = ask_folder(q, out);
    out->denied = list == -EACCES;
  }
  out->unprovable = list == -EACCES;
  if (list == -EACCES || list == 1)
    return 0;
  return list == 0 ? -ENOENT : list;
}

int question_ask_file(struct question *q, struct answer *out) {
  int rc;

  *out = (struct answer){.kind = NODE_FILE};
  rc = ask_head(q, out);
  if (rc == -EACCES && ask_listed(q, &out->attr) == 0)
    rc = 0;
  out->kind = file_kind(out);
  return rc;
}

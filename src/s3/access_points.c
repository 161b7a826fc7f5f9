/* ListAccessPoints: all pages. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control_internal.h"

#define LIST_MAX_PAGES 1000 /* 10,000 access points an account and Region, by tens at worst */

static int list_page(struct control *c, const char *account, const char *token,
                     struct access_points *out, struct s3_error *error) {
  struct kvlist query;
  struct buf body;
  int rc;

  kvlist_init(&query);
  rc = kvlist_add(&query, "maxResults", "1000");
  if (rc == 0 && token != NULL)
    rc = kvlist_add(&query, "nextToken", token);
  if (rc == 0)
    rc = control_get(c, account, "/v20180820/accesspoint", &query, &body, error);
  kvlist_fini(&query);
  if (rc == 0) {
    rc = control_parsed(access_points_parse(buf_cstr(&body), body.len, out), error);
    buf_fini(&body);
  }
  control_name(rc, "ListAccessPoints", error);
  return rc;
}

/* Moves the page behind all; frees the rest of it. */
static int append(struct access_points *all, struct access_points *page) {
  size_t count = all->count + page->count;
  struct access_point_info *items = realloc(all->items, (count + 1) * sizeof(*items));

  if (items == NULL) {
    access_points_fini(page);
    return -ENOMEM;
  }
  if (page->count > 0)
    memcpy(items + all->count, page->items, page->count * sizeof(*items));
  all->items = items;
  all->count = count;
  free(all->next_token);
  all->next_token = page->next_token;
  free(page->items);
  return 0;
}

int control_access_points(struct control *c, const char *account, struct access_points *out,
                          struct s3_error *error) {
  struct access_points all = {0};
  int pages = 0;
  int rc;

  do {
    struct access_points page;

    rc = list_page(c, account, all.next_token, &page, error);
    if (rc == 0)
      rc = append(&all, &page);
  } while (rc == 0 && all.next_token != NULL && ++pages < LIST_MAX_PAGES);
  if (rc != 0) {
    access_points_fini(&all);
    return rc;
  }
  *out = all;
  return 0;
}

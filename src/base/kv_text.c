/* Lists of pairs as one line of text: NAME=VALUE&..., percent-encoded. */
#include <errno.h>
#include <string.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/kv.h"
#include "s3apfs/base/text.h"

void kvlist_to_text(const struct kvlist *l, struct buf *out) {
  for (size_t i = 0; i < l->count; i++) {
    if (i > 0)
      buf_putc(out, '&');
    text_uri_encode(out, l->items[i].name, strlen(l->items[i].name), false);
    buf_putc(out, '=');
    text_uri_encode(out, l->items[i].value, strlen(l->items[i].value), false);
  }
}

static int add_pair(const char *text, size_t len, struct kvlist *out) {
  const char *equals = memchr(text, '=', len);
  struct buf name;
  struct buf value;
  int rc = equals != NULL ? 0 : -EUCLEAN;

  buf_init(&name, 0);
  buf_init(&value, 0);
  if (rc == 0)
    rc = text_uri_decode(&name, text, (size_t)(equals - text), false);
  if (rc == 0)
    rc = text_uri_decode(&value, equals + 1, len - (size_t)(equals - text) - 1, false);
  if (rc == 0)
    rc = kvlist_add(out, buf_cstr(&name), buf_cstr(&value));
  buf_fini(&name);
  buf_fini(&value);
  return rc;
}

int kvlist_from_text(const char *text, struct kvlist *out) {
  int rc = 0;

  while (rc == 0 && *text != '\0') {
    size_t len = strcspn(text, "&");

    rc = add_pair(text, len, out);
    text += len + (text[len] == '&');
  }
  return rc;
}

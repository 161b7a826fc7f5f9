/* Shell-like word splitting: one pass, one word buffer. */
#include "words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/buf.h"

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int words_add(struct words *w, struct buf *word) {
  char **items = realloc(w->items, (w->count + 2) * sizeof(*items));

  if (items == NULL)
    return -ENOMEM;
  w->items = items;
  items[w->count] = buf_take(word);
  items[w->count + 1] = NULL;
  if (items[w->count] == NULL)
    return -ENOMEM;
  w->count++;
  return 0;
}

/* From behind the opening quote to behind the closing one; NULL when it is open. */
static const char *take_quoted(const char *at, char quote, struct buf *word) {
  for (; *at != '\0' && *at != quote; at++) {
    if (quote == '"' && *at == '\\' && (at[1] == '"' || at[1] == '\\'))
      at++;
    buf_putc(word, *at);
  }
  return *at == quote ? at + 1 : NULL;
}

/* One word; at is not blank. NULL when it is malformed. */
static const char *take_word(const char *at, struct buf *word) {
  while (at != NULL && *at != '\0' && !is_blank(*at)) {
    if (*at == '"' || *at == '\'') {
      at = take_quoted(at + 1, *at, word);
      continue;
    }
    if (*at == '\\' && *++at == '\0')
      return NULL;
    buf_putc(word, *at++);
  }
  return at;
}

int words_split(const char *text, struct words *out) {
  struct words w = {NULL, 0};
  struct buf word;
  int rc = 0;

  buf_init(&word, 0);
  while (rc == 0 && text != NULL) {
    while (is_blank(*text))
      text++;
    if (*text == '\0')
      break;
    text = take_word(text, &word);
    rc = text != NULL ? words_add(&w, &word) : -EINVAL;
  }
  buf_fini(&word);
  if (rc != 0) {
    words_fini(&w);
    return rc;
  }
  *out = w;
  return 0;
}

void words_fini(struct words *w) {
  for (size_t i = 0; i < w->count; i++)
    free(w->items[i]);
  free(w->items);
  *w = (struct words){NULL, 0};
}

/* The emulator's world document. What is refused is explained; what is accepted
 * prints as a document that reads back and prints the same. */
#include <errno.h>
#include <string.h>

#include "../src/emulator/world.h"
#include "fuzz/fuzz.h"

static struct world *read_world(const char *text, size_t len, bool must) {
  struct world *w;
  struct buf why;
  int rc;

  require(world_new(&clock_system, &w) == 0);
  buf_init(&why, 0);
  rc = world_config_parse(w, text, len, &why);
  require(rc == 0 || !must);
  require(rc != -EINVAL || why.len > 0);
  buf_fini(&why);
  if (rc == 0)
    return w;
  world_free(w);
  return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct world *w = read_world((const char *)data, size, false);
  struct world *again;
  struct buf first;
  struct buf second;

  if (w == NULL)
    return 0;
  buf_init(&first, 0);
  buf_init(&second, 0);
  require(world_config_print(w, &first) == 0);
  again = read_world(first.data, first.len, true);
  require(world_config_print(again, &second) == 0);
  require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
  buf_fini(&first);
  buf_fini(&second);
  world_free(again);
  world_free(w);
  return 0;
}

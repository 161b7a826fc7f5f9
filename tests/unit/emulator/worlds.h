/* Worlds for the emulator's tests: made from a document, with a clock that the
 * test moves. */
#ifndef TESTS_UNIT_EMULATOR_WORLDS_H
#define TESTS_UNIT_EMULATOR_WORLDS_H

#include "../src/emulator/authorize_s3.h"
#include "../src/emulator/control.h"
#include "../src/emulator/world.h"

#define WORLD_START 1795327200 /* 2026-11-22T06:00:00Z */

/* Fails the test when the document is refused. */
struct world *world_from(const char *json);
struct world *world_from_file(const char *path); /* below tests/ */
void world_advance(int64_t seconds);             /* the clock of all worlds */
const struct clock *world_test_clock(void);

/* One control-plane call; the caller frees the body with control_reply_fini. */
struct call {
  enum control_plane plane;
  const char *method, *path, *query, *body; /* query: "a=b&c=d", decoded as is */
  const char *account, *region, *key;
};
void call(struct world *w, const struct call *c, struct control_reply *r);
/* The text between <name> and </name>, first one; "" when absent. Static buffer. */
const char *reply_text(const struct control_reply *r, const char *name);
bool reply_has(const struct control_reply *r, const char *text);

#endif

/* Waiting until a mount has brought everything to S3: s3apfs sync, and umount.
 *
 * The mount is asked again and again, because one answer must come within the
 * control socket's time; on a terminal a bar shows how many files are there. */
#include "flush.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "s3apfs/base/clock.h"

#define BAR 24

static bool all_failed(const cJSON *pending) {
  const cJSON *f;

  cJSON_ArrayForEach(f, pending) {
    if (cJSON_GetObjectItem(f, "error") == NULL)
      return false;
  }
  return true;
}

/* most: as many as were seen waiting at once. */
static void show_bar(int left, int most) {
  static const char full[BAR + 1] = "########################";
  static const char empty[BAR + 1] = "------------------------";
  int done = most > 0 ? (most - left) * BAR / most : BAR;

  if (isatty(STDERR_FILENO) && most > 0)
    fprintf(stderr, "\r[%.*s%.*s] %d of %d file%s in S3\033[K", done, full, BAR - done, empty,
            most - left, most, most == 1 ? "" : "s");
}

static void hide_bar(void) {
  if (isatty(STDERR_FILENO))
    fputs("\r\033[K", stderr);
}

int flush_mount(const struct mount_entry *e, int64_t timeout_ms, cJSON **left) {
  int64_t begun = clock_mono_ms(&clock_system);
  int most = 0;

  for (;;) {
    bool late = timeout_ms != 0 && clock_mono_ms(&clock_system) - begun >= timeout_ms;
    bool over;
    cJSON *doc;
    int waits;
    int rc = ask_mount(e, late ? "status" : "sync", &doc);

    if (rc == -ETIMEDOUT && !late)
      continue;
    if (rc != 0)
      return rc;
    *left = cJSON_DetachItemFromObject(doc, "pending");
    waits = cJSON_GetArraySize(*left);
    over = all_failed(*left) && !cJSON_IsTrue(cJSON_GetObjectItem(doc, "goes_on"));
    most = waits > most ? waits : most;
    cJSON_Delete(doc);
    show_bar(waits, most);
    if (over || late) {
      hide_bar();
      return waits == 0 ? 0 : over ? -EIO : -ETIME;
    }
    cJSON_Delete(*left);
  }
}

/* Keeping the world: world.json in the data directory.
 *
 * world.json is a world document with the hash of the configuration that it
 * began with. At a start with the same configuration it is continued; a
 * changed configuration starts anew, and the old state is kept as
 * world.json.old.
 *
 * Writers: any control-plane thread after a change. One of them writes (flag
 * `saving`), the others wait until a write that began after their change is
 * done, so that a reply is sent only when its change is on disk and no older
 * state overwrites a newer one. The lock is not held while writing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/digest.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "world_config.h"

#define WORLD_FILE_MODE 0600 /* it holds secrets */

static char *saved_path(const struct world *w, const char *suffix) {
  return text_printf("%s/world.json%s", w->data_dir, suffix);
}

static int write_state(struct world *w) {
  char *path = saved_path(w, "");
  struct buf text;
  int rc;

  if (path == NULL)
    return -ENOMEM;
  buf_init(&text, 0);
  rc = world_config_print(w, &text);
  if (rc == 0)
    rc = file_write_atomic(path, text.data, text.len, WORLD_FILE_MODE);
  if (rc != 0)
    log_error("cannot write %s: %s", path, strerror(-rc));
  buf_wipe(&text);
  free(path);
  return rc;
}

int world_save(struct world *w) {
  uint64_t goal;
  uint64_t covers;
  int rc = 0;

  if (w->data_dir == NULL)
    return 0;
  world_lock(w);
  goal = w->synced.changes;
  while (rc == 0 && w->synced.saved_changes < goal) {
    if (w->synced.saving) {
      cond_wait(&w->synced.saved, &w->synced.lock);
      continue;
    }
    w->synced.saving = true;
    covers = w->synced.changes;
    world_unlock(w);
    rc = write_state(w);
    world_lock(w);
    w->synced.saving = false;
    if (rc == 0)
      w->synced.saved_changes = covers;
    cond_broadcast(&w->synced.saved);
  }
  world_unlock(w);
  return rc;
}

/* --- starting --- */

/* The hash that a saved document carries; "" when it has none. */
static int saved_hash(const struct buf *text, char out[65]) {
  cJSON *doc = cJSON_ParseWithLength(text->data, text->len);
  const cJSON *hash = cJSON_GetObjectItemCaseSensitive(doc, "config-hash");
  bool ok = doc != NULL;

  out[0] = '\0';
  if (cJSON_IsString(hash) && strlen(hash->valuestring) == 64)
    memcpy(out, hash->valuestring, 65);
  cJSON_Delete(doc);
  return ok ? 0 : -EINVAL;
}

static int read_optional(const char *path, struct buf *out) {
  int rc = file_read(path, out);

  return rc == -ENOENT ? 0 : rc;
}

/* Decides between the configuration and the saved state, and reads it. */
static int choose_and_parse(struct world *w, const struct buf *config, const struct buf *saved,
                            const char *config_path, const char *path, struct buf *why) {
  char hash[65] = "";
  const struct buf *text = config;
  const char *source = config_path;
  int rc = saved->len > 0 ? saved_hash(saved, hash) : 0;
  struct buf detail;

  if (rc != 0) {
    buf_printf(why, "%s: this is not JSON; move it away to start from the configuration", path);
    return rc;
  }
  if (saved->len > 0 && (config_path == NULL || strcmp(hash, w->config_hash) == 0)) {
    text = saved;
    source = path;
    if (config_path == NULL && hash[0] != '\0')
      rc = config_copy(&w->config_hash, hash);
  } else if (saved->len > 0) {
    char *old = saved_path(w, ".old");

    if (old == NULL)
      return -ENOMEM;
    log_warn("the configuration changed: starting from it, the former state is kept in %s", old);
    rc = rename(path, old) == 0 ? 0 : -errno;
    free(old);
  }
  if (rc != 0 || text->len == 0)
    return rc;
  buf_init(&detail, 0);
  rc = world_config_parse(w, text->data, text->len, &detail);
  if (rc == -EINVAL)
    buf_printf(why, "%s: %s", source, buf_cstr(&detail));
  buf_fini(&detail);
  return rc;
}

static int load_texts(struct world *w, const char *config_path, const char *path,
                      struct buf *config, struct buf *saved, struct buf *why) {
  char hash[65];
  int rc = config_path != NULL ? file_read(config_path, config) : 0;

  if (rc != 0) {
    buf_printf(why, "%s: %s", config_path, strerror(-rc));
    return rc;
  }
  if (config_path != NULL)
    rc = digest_sha256_hex(buf_cstr(config), config->len, hash);
  if (rc == 0 && config_path != NULL)
    rc = config_copy(&w->config_hash, hash);
  if (rc == 0 && path != NULL) {
    rc = read_optional(path, saved);
    if (rc != 0)
      buf_printf(why, "%s: %s", path, strerror(-rc));
  }
  return rc;
}

int world_open(struct world *w, const char *config_path, const char *data_dir, struct buf *why) {
  struct buf config;
  struct buf saved;
  char *path = NULL;
  int rc = config_copy(&w->data_dir, data_dir);

  if (rc == 0 && data_dir != NULL && (path = saved_path(w, "")) == NULL)
    rc = -ENOMEM;
  buf_init(&config, 0);
  buf_init(&saved, 0);
  if (rc == 0)
    rc = load_texts(w, config_path, path, &config, &saved, why);
  if (rc == 0)
    rc = choose_and_parse(w, &config, &saved, config_path, path, why);
  if (rc != 0 && why->len == 0)
    buf_puts(why, strerror(-rc));
  buf_wipe(&config);
  buf_wipe(&saved);
  free(path);
  return rc;
}

/* Asking a live mount over its control socket. */
#include "ask.h"

#include <errno.h>

#include "s3apfs/control/control.h"

#define ASK_TIMEOUT_MS 15000

int ask_mount(const struct mount_entry *e, const char *request, cJSON **out) {
  return ask_mount_for(e, request, ASK_TIMEOUT_MS, out);
}

int ask_mount_for(const struct mount_entry *e, const char *request, int64_t timeout_ms,
                  cJSON **out) {
  struct buf reply;
  int rc;

  buf_init(&reply, 0);
  rc = control_ask(e->dir, e->uid, request, timeout_ms, &reply);
  if (rc == 0) {
    *out = cJSON_ParseWithLength(buf_cstr(&reply), reply.len);
    rc = *out != NULL ? 0 : -EBADMSG;
  }
  buf_wipe(&reply);
  return rc;
}

void ask_pid(const struct mount_entry *e, pid_t *pid, int64_t *umount_timeout_ms) {
  const cJSON *item;
  cJSON *doc;

  *pid = 0;
  *umount_timeout_ms = 0;
  if (ask_mount(e, "pid", &doc) != 0)
    return;
  item = cJSON_GetObjectItem(doc, "pid");
  if (cJSON_IsNumber(item))
    *pid = (pid_t)item->valuedouble;
  item = cJSON_GetObjectItem(doc, "umount_timeout_ms");
  if (cJSON_IsNumber(item))
    *umount_timeout_ms = (int64_t)item->valuedouble;
  cJSON_Delete(doc);
}

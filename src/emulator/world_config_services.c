/* Services that give keys to machines and people, in the world document: read and
 * written. */
#include <errno.h>
#include <string.h>

#include "world_config.h"

#define SESSION_MIN_S 900
#define SESSION_MAX_S 43200

int config_read_instance(const struct cfg *item, void *arg) {
  static const char *const names[] = {"id", "role", "session-duration", NULL};
  struct world *w = arg;
  struct instance *i;
  const char *id = NULL;
  const char *role = NULL;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = cfg_need_string(item, "id", &id);
  if (rc == 0)
    rc = cfg_need_string(item, "role", &role);
  if (rc != 0)
    return rc;
  rc = world_add_instance_locked(w, id, role, &i);
  if (rc == -EEXIST)
    return cfg_fail(item, "instance %s is given twice", id);
  return rc == 0 ? cfg_int(item, "session-duration", SESSION_MIN_S, SESSION_MAX_S, &i->duration)
                 : rc;
}

cJSON *config_print_instances(struct world *w) {
  cJSON *list = cJSON_CreateArray();
  const struct instance *i;

  DL_FOREACH (w->synced.instances, i) {
    cJSON *o = cJSON_CreateObject();

    config_put_string(o, "id", i->id);
    config_put_string(o, "role", i->role_arn);
    cJSON_AddNumberToObject(o, "session-duration", (double)i->duration);
    cJSON_AddItemToArray(list, o);
  }
  return list;
}

/* Parts of the configuration reader and writer; see world_config.c. */
#ifndef S3APFS_EMULATOR_WORLD_CONFIG_H
#define S3APFS_EMULATOR_WORLD_CONFIG_H

#include "cfg.h"
#include "world_internal.h"

/* A policy: a JSON object, or a string that holds one. Absent: unchanged. */
int config_document(const struct cfg *at, const char *name, struct document *out);
/* {"key": "value", ...} */
int config_tags(const struct cfg *at, const char *name, struct kvlist *out);
int config_bpa(const struct cfg *at, const char *name, bool *has, struct block_public_access *out);
/* The account named by the member; it must have been declared. */
int config_account(const struct cfg *at, struct world *w, const char *name, struct account **out);
/* Replaces *field by a copy of s unless s is NULL. */
int config_copy(char **field, const char *s);

/* arg: struct world */
int config_read_account(const struct cfg *item, void *arg); /* world_config_people.c */
int config_read_user_sessions(const struct cfg *root, struct world *w);
int config_read_bucket(const struct cfg *item, void *arg); /* world_config_storage.c */
int config_read_access_point(const struct cfg *item, void *arg);
int config_read_grants(const struct cfg *item, void *arg);
int config_read_endpoint(const struct cfg *item, void *arg);
int config_read_instance(const struct cfg *item, void *arg); /* world_config_services.c */
int config_read_sso(const struct cfg *root, struct world *w);

/* Writing, the same shapes (world_print_people.c, world_print_storage.c). NULL
 * when memory is short; cJSON's adders fail quietly on NULL, so that one check
 * at the end is enough. */
cJSON *config_print_accounts(struct world *w);
cJSON *config_print_buckets(struct world *w);
cJSON *config_print_access_points(struct world *w);
cJSON *config_print_grants(struct world *w);
cJSON *config_print_endpoints(struct world *w);
cJSON *config_print_instances(struct world *w);
cJSON *config_print_sso(struct world *w);
void config_put_string(cJSON *object, const char *name, const char *value); /* NULL: nothing */
void config_put_time(cJSON *object, const char *name, int64_t seconds);     /* 0: nothing */
void config_put_document(cJSON *object, const char *name, const struct document *d);
void config_put_tags(cJSON *object, const char *name, const struct kvlist *tags);
void config_put_bpa(cJSON *object, const char *name, bool has,
                    const struct block_public_access *bpa);

#endif

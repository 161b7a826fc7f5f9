/* How world_free() takes the world apart; nobody else's business. */
#ifndef S3APFS_EMULATOR_WORLD_FREE_H
#define S3APFS_EMULATOR_WORLD_FREE_H

struct world;

/* Buckets, access points, Access Grants. */
void world_free_storage(struct world *w);
void world_free_access_points(struct world *w);
void world_free_grants(struct world *w);
/* Accounts, users, roles, credentials. */
void world_free_people(struct world *w);

#endif

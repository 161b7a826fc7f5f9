/* What several commands print of a mount's answers. */
#ifndef S3APFS_APP_SHOW_H
#define S3APFS_APP_SHOW_H

#include <cjson/cJSON.h>

/* Control bytes become '?'. */
void show_plain(const char *s);
/* The files that are not in S3 yet, one a line. */
void show_pending(const cJSON *list);

#endif

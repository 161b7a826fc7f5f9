/* What every credential codec asks of the values it hands out. */
#ifndef S3APFS_AWS_KEYS_CHECK_H
#define S3APFS_AWS_KEYS_CHECK_H

#include <stdbool.h>

/* Not empty and printable ASCII without blanks: keys and tokens become header
 * values, where a line break would be another header. */
bool keys_check_value(const char *s);

#endif

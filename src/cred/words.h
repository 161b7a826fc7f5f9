/* Splits a command line into words as a POSIX shell does: blanks separate,
 * single quotes keep everything, double quotes everything but \" and \\,
 * outside quotes a backslash keeps the next character. No expansion. */
#ifndef S3APFS_CRED_WORDS_H
#define S3APFS_CRED_WORDS_H

#include <stddef.h>

struct words {
  char **items; /* NULL-terminated: fit for exec */
  size_t count;
};

/* 0, -EINVAL (open quote, trailing backslash), -ENOMEM. On success words_fini(). */
int words_split(const char *text, struct words *out);
void words_fini(struct words *w);

#endif

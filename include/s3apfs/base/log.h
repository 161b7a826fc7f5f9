/* Process-wide log. One line per message: time, level, text. Control bytes
 * become blanks and everything that looks like a secret is masked: the values of
 * Authorization, X-Amz-Security-Token and friends, Signature=..., and every
 * string registered with log_hide(). Thread-safe. */
#ifndef S3APFS_BASE_LOG_H
#define S3APFS_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* "error", "warn", "info", "debug"; -EINVAL otherwise. */
int log_level_parse(const char *s, enum log_level *out);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* Where lines go: "stderr" (the start value), "syslog", or a file's path that
 * is opened for appending with mode 0600. 0 or -errno. */
int log_open(const char *target);
/* The name in front of each line on stderr; copied. Default "s3apfs". */
void log_set_name(const char *name);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Masks this string in all later lines (strings under 8 bytes are ignored). */
void log_hide(const char *secret);
void log_unhide(const char *secret);
/* Masks in place what is hidden or secret-looking; exported for status texts. */
void log_redact(char *line);

#endif

/* Log lines with redaction.
 *
 * Hidden strings are kept as a counted list; they are secrets that the process
 * holds anyway and are wiped when unhidden. Formatting happens outside the
 * lock, redaction and writing inside (rank RANK_LOG, the highest). */
#include "s3apfs/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <unistd.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/text.h"

#define LINE_MAX_BYTES 8192 /* longer messages are cut: one line, not a dump */
#define HIDE_MIN 8

struct hidden {
  char *text;
  unsigned uses;
  struct hidden *next;
};

static _Atomic int threshold = LOG_LEVEL_INFO;
static struct {
  pthread_mutex_t lock;
  struct hidden *hidden;
  int fd;
  bool to_syslog;
  char name[32];
} synced = {PTHREAD_MUTEX_INITIALIZER, NULL, STDERR_FILENO, false, "s3apfs"};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

int log_level_parse(const char *s, enum log_level *out) {
  for (int i = 0; i < 4; i++) {
    if (strcmp(s, level_names[i]) == 0) {
      *out = (enum log_level)i;
      return 0;
    }
  }
  return -EINVAL;
}

void log_set_level(enum log_level level) {
  atomic_store(&threshold, (int)level);
}

enum log_level log_get_level(void) {
  return (enum log_level)atomic_load(&threshold);
}

void log_set_name(const char *name) {
  pthread_mutex_lock(&synced.lock);
  snprintf(synced.name, sizeof(synced.name), "%s", name);
  pthread_mutex_unlock(&synced.lock);
}

int log_open(const char *target) {
  int fd = STDERR_FILENO;
  bool to_syslog = strcmp(target, "syslog") == 0;

  if (!to_syslog && strcmp(target, "stderr") != 0) {
    fd = open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
      return -errno;
  }
  if (to_syslog)
    openlog("s3apfs", LOG_PID, LOG_DAEMON);
  pthread_mutex_lock(&synced.lock);
  if (synced.fd != STDERR_FILENO)
    close(synced.fd);
  synced.fd = fd;
  synced.to_syslog = to_syslog;
  pthread_mutex_unlock(&synced.lock);
  return 0;
}

void log_hide(const char *secret) {
  struct hidden *h;

  if (secret == NULL || strlen(secret) < HIDE_MIN)
    return;
  pthread_mutex_lock(&synced.lock);
  for (h = synced.hidden; h != NULL && strcmp(h->text, secret) != 0; h = h->next)
    ;
  if (h == NULL && (h = calloc(1, sizeof(*h))) != NULL) {
    h->text = strdup(secret);
    h->next = synced.hidden;
    if (h->text != NULL)
      synced.hidden = h;
    else
      free(h), h = NULL;
  }
  if (h != NULL)
    h->uses++;
  pthread_mutex_unlock(&synced.lock);
}

void log_unhide(const char *secret) {
  struct hidden **at;
  struct hidden *h = NULL;

  if (secret == NULL)
    return;
  pthread_mutex_lock(&synced.lock);
  for (at = &synced.hidden; *at != NULL && strcmp((*at)->text, secret) != 0; at = &(*at)->next)
    ;
  if (*at != NULL && --(*at)->uses == 0) {
    h = *at;
    *at = h->next;
  }
  pthread_mutex_unlock(&synced.lock);
  if (h != NULL) {
    explicit_bzero(h->text, strlen(h->text));
    free(h->text);
    free(h);
  }
}

static void mask(char *from, size_t len) {
  memset(from, '*', len);
}

static void mask_hidden_locked(char *line) {
  for (struct hidden *h = synced.hidden; h != NULL; h = h->next) {
    size_t n = strlen(h->text);

    for (char *at = strstr(line, h->text); at != NULL; at = strstr(at + n, h->text))
      mask(at, n);
  }
}

/* Masks the word behind each known label: `label` then optional ':' '=' '"'
 * and blanks, then the secret up to a blank, '&', '"', ',' or '<'. */
static void mask_labelled(char *line) {
  static const char *const labels[] = {"signature=",     "x-amz-security-token",  "x-amz-signature",
                                       "authorization:", "x-amz-s3session-token", "secretaccesskey",
                                       "sessiontoken",   "securitytoken",         "bearer"};

  for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
    for (char *at = strcasestr(line, labels[i]); at != NULL; at = strcasestr(at, labels[i])) {
      at += strlen(labels[i]);
      at += strspn(at, ":=\"> ");
      if (strncasecmp(at, "AWS4-", 5) == 0) /* the scheme and scope may be shown */
        continue;
      mask(at, strcspn(at, " &\",<\n"));
    }
  }
}

static void redact_locked(char *line) {
  mask_labelled(line);
  mask_hidden_locked(line);
}

void log_redact(char *line) {
  pthread_mutex_lock(&synced.lock);
  redact_locked(line);
  pthread_mutex_unlock(&synced.lock);
}

static void escape_controls(char *line) {
  for (; *line != '\0'; line++)
    if ((unsigned char)*line < 0x20 || *line == 0x7f)
      *line = ' ';
}

static void write_line_locked(enum log_level level, const char *text) {
  static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
  char when[25];
  struct buf out;

  if (synced.to_syslog) {
    syslog(priorities[level], "%s", text);
    return;
  }
  buf_init(&out, 0);
  text_iso8601_ms(clock_wall_ms(&clock_system), when);
  if (synced.fd == STDERR_FILENO && level <= LOG_LEVEL_WARN)
    buf_printf(&out, "%s: %s\n", synced.name, text);
  else
    buf_printf(&out, "%s %s %s: %s\n", when, synced.name, level_names[level], text);
  if (buf_error(&out) == 0 && write(synced.fd, out.data, out.len) < 0) {
    /* nowhere left to say it */
  }
  buf_fini(&out);
}

static void emit(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void emit(enum log_level level, const char *fmt, va_list ap) {
  char line[LINE_MAX_BYTES];

  if ((int)level > atomic_load(&threshold))
    return;
  vsnprintf(line, sizeof(line), fmt, ap);
  escape_controls(line);
  pthread_mutex_lock(&synced.lock);
  redact_locked(line);
  write_line_locked(level, line);
  pthread_mutex_unlock(&synced.lock);
}

#define DEFINE_LOG(fn, level)                                                                      \
  void fn(const char *fmt, ...) {                                                                  \
    va_list ap;                                                                                    \
    va_start(ap, fmt);                                                                             \
    emit(level, fmt, ap);                                                                          \
    va_end(ap);                                                                                    \
  }

DEFINE_LOG(log_error, LOG_LEVEL_ERROR)
DEFINE_LOG(log_warn, LOG_LEVEL_WARN)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)

/* Log lines with redaction.
 *
 * Hidden strings are kept as a counted list, longest first, so that one inside
 * another does not break the other's match; they are secrets that the process
 * holds anyway and are wiped when unhidden. Formatting happens outside the
 * lock, redaction and writing inside (rank RANK_LOG, the highest). A line is
 * masked before it is cut, because half a secret matches nothing. */
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

static struct hidden *hidden_new(const char *secret) {
  struct hidden *h = calloc(1, sizeof(*h));

  if (h == NULL)
    return NULL;
  h->text = strdup(secret);
  if (h->text == NULL) {
    free(h);
    return NULL;
  }
  return h;
}

static void hide_locked(const char *secret) {
  size_t n = strlen(secret);
  struct hidden **at = &synced.hidden;
  struct hidden *h;

  while (*at != NULL && strlen((*at)->text) > n)
    at = &(*at)->next;
  for (h = *at; h != NULL && strcmp(h->text, secret) != 0; h = h->next)
    ;
  if (h == NULL) {
    h = hidden_new(secret);
    if (h == NULL)
      return;
    h->next = *at;
    *at = h;
  }
  h->uses++;
}

void log_hide(const char *secret) {
  if (secret == NULL || strlen(secret) < HIDE_MIN)
    return;
  pthread_mutex_lock(&synced.lock);
  hide_locked(secret);
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

#define WORD_END " &\\\",<\n"
#define LINE_END "\\\"<\n" /* a scheme, a blank, a token */

/* What stands in front of secrets in headers, queries, XML, JSON and INI. */
static const struct label {
  const char *text;
  const char *end;
  bool bare; /* a blank is enough; else ':', '=' or '>' must follow */
} labels[] = {
    {"authorization", LINE_END, false},
    {"signature", WORD_END, false},
    {"x-amz-security-token", WORD_END, false},
    {"x-amz-s3session-token", WORD_END, false},
    {"metadata-token", WORD_END, false},
    {"authorization-token", WORD_END, false},
    {"customer-key", WORD_END, false},
    {"secretaccesskey", WORD_END, false},
    {"secret_access_key", WORD_END, false},
    {"sessiontoken", WORD_END, false},
    {"session_token", WORD_END, false},
    {"securitytoken", WORD_END, false},
    {"accesstoken", WORD_END, false},
    {"webidentitytoken", WORD_END, false},
    {"clientsecret", WORD_END, false},
    {"tokencode", WORD_END, false},
    {"\"token\"", WORD_END, false},
    {"bearer", WORD_END, true},
};

/* Masks the value behind a label; returns where to go on. */
static char *mask_value(char *at, const struct label *l) {
  size_t gap = strspn(at, ":=\\\"> ");
  bool separated =
      memchr(at, ':', gap) != NULL || memchr(at, '=', gap) != NULL || memchr(at, '>', gap) != NULL;

  if (!separated && !(l->bare && gap > 0))
    return at;
  at += gap;
  if (strncasecmp(at, "AWS4-", 5) != 0) /* scheme, key id and scope may be shown */
    mask(at, strcspn(at, l->end));
  return at;
}

static void mask_labelled(char *line) {
  for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
    for (char *at = strcasestr(line, labels[i].text); at != NULL;
         at = strcasestr(at, labels[i].text))
      at = mask_value(at + strlen(labels[i].text), &labels[i]);
  }
}

static void redact_locked(char *line) {
  mask_hidden_locked(line);
  mask_labelled(line);
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
  char *line = NULL;

  if ((int)level > atomic_load(&threshold) || vasprintf(&line, fmt, ap) < 0)
    return;
  escape_controls(line);
  pthread_mutex_lock(&synced.lock);
  redact_locked(line);
  if (strlen(line) > LINE_MAX_BYTES)
    line[LINE_MAX_BYTES] = '\0';
  write_line_locked(level, line);
  pthread_mutex_unlock(&synced.lock);
  explicit_bzero(line, strlen(line));
  free(line);
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

/* One question at a time. The lock is not held while somebody types. A code is good
 * once, so it may be seen. */
#include "prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/text.h"

#define LINE_MAX_LEN ((size_t)63)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct {
  struct mtx lock;
  struct cond changed;
  int terminal; /* -1: none */
  bool asking;
  bool closing; /* by whoever asks now */
  char *serial; /* given for, or NULL */
  char *code;
} synced;

static void set_up(void) {
  mtx_init(&synced.lock, RANK_APP);
  cond_init(&synced.changed);
  synced.terminal = -1;
}

static void enter(void) {
  pthread_once(&once, set_up);
  mtx_lock(&synced.lock);
}

static void close_terminal_locked(void) {
  if (synced.terminal >= 0)
    close(synced.terminal);
  synced.terminal = -1;
}

void prompt_open(void) {
  enter();
  if (synced.terminal < 0 && isatty(STDIN_FILENO))
    synced.terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
  mtx_unlock(&synced.lock);
}

void prompt_close(void) {
  enter();
  synced.closing = synced.asking;
  if (!synced.asking)
    close_terminal_locked();
  mtx_unlock(&synced.lock);
}

static void forget_given_locked(void) {
  if (synced.code != NULL)
    explicit_bzero(synced.code, strlen(synced.code));
  free(synced.code);
  free(synced.serial);
  synced.code = synced.serial = NULL;
}

int prompt_give(const char *serial, const char *code) {
  int rc = 0;

  enter();
  forget_given_locked();
  if (code != NULL) {
    synced.serial = strdup(serial);
    synced.code = strdup(code);
    rc = synced.serial == NULL || synced.code == NULL ? -ENOMEM : 0;
  }
  if (rc != 0)
    forget_given_locked();
  mtx_unlock(&synced.lock);
  return rc;
}

/* A line without its end; the terminal's own editing ends at the newline. */
static int read_line(int fd, struct buf *out) {
  for (;;) {
    char c;
    ssize_t n = read(fd, &c, 1);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 ? -errno : -ENXIO;
    if (c == '\n')
      return 0;
    if (out->len < LINE_MAX_LEN)
      buf_putc(out, c);
  }
}

static int ask(int fd, const char *serial, struct buf *code) {
  struct buf line;
  int rc;

  buf_init(&line, 0);
  buf_printf(&line, "MFA code of %s: ", serial);
  rc = file_write_all(fd, buf_cstr(&line), line.len);
  buf_reset(&line);
  if (rc == 0)
    rc = read_line(fd, &line);
  if (rc == 0)
    buf_puts(code, text_trim(line.data != NULL ? line.data : (char[1]){0}));
  buf_wipe(&line);
  return rc;
}

int prompt_mfa_code(void *arg, const char *serial, struct buf *code) {
  int fd;
  int rc = 0;

  (void)arg;
  enter();
  while (synced.asking)
    cond_wait(&synced.changed, &synced.lock);
  if (synced.serial != NULL && strcmp(synced.serial, serial) == 0) {
    buf_puts(code, synced.code);
    forget_given_locked();
    mtx_unlock(&synced.lock);
    return 0;
  }
  fd = synced.terminal;
  synced.asking = fd >= 0;
  mtx_unlock(&synced.lock);
  if (fd < 0)
    return -ENXIO;
  rc = ask(fd, serial, code);
  mtx_lock(&synced.lock);
  synced.asking = false;
  if (synced.closing)
    close_terminal_locked();
  synced.closing = false;
  cond_signal(&synced.changed);
  mtx_unlock(&synced.lock);
  return rc;
}

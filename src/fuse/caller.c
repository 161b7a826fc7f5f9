/* The thread that a request is from. */
#include "caller.h"

#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_told(pid_t thread, const char *what) {
  char path[64];

  if (thread <= 0)
    return NULL;
  snprintf(path, sizeof(path), "/proc/%d/%s", (int)thread, what);
  return fopen(path, "re");
}

pid_t caller_process(pid_t thread) {
  FILE *f = open_told(thread, "status");
  pid_t process = 0;
  char line[128];

  if (f == NULL)
    return 0;
  while (process == 0 && fgets(line, sizeof(line), f) != NULL)
    if (strncmp(line, "Tgid:", 5) == 0)
      process = (pid_t)strtol(line + 5, NULL, 10);
  fclose(f);
  return process;
}

bool caller_is_ls(pid_t thread) {
  static const char *const names[] = {"ls\n", "dir\n", "vdir\n"};
  FILE *f = open_told(thread, "comm");
  char line[32] = "";

  if (f == NULL)
    return false;
  if (fgets(line, sizeof(line), f) == NULL)
    line[0] = '\0';
  fclose(f);
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (strcmp(line, names[i]) == 0)
      return true;
  return false;
}

/* --- signals --- */

/* Signal n is bit n - 1, as in the status file. */
static uint64_t set_of(const int *signals, size_t count) {
  uint64_t set = 0;

  for (size_t i = 0; i < count; i++)
    set |= UINT64_C(1) << (signals[i] - 1);
  return set;
}

/* Those that end something even where a program catches them. */
static uint64_t ending(void) {
  static const int signals[] = {SIGKILL, SIGINT, SIGTERM, SIGHUP, SIGQUIT};

  return set_of(signals, sizeof(signals) / sizeof(signals[0]));
}

/* Those that do not end a process that neither catches nor ignores them (signal(7)). */
static uint64_t harmless(void) {
  static const int signals[] = {SIGCHLD, SIGURG,  SIGWINCH, SIGCONT,
                                SIGSTOP, SIGTSTP, SIGTTIN,  SIGTTOU};

  return set_of(signals, sizeof(signals) / sizeof(signals[0]));
}

/* The sets of a thread's signals, in the order of the file. */
enum { PENDING, PENDING_SHARED, BLOCKED, IGNORED, CAUGHT, SETS };

/* How many of them were found. */
static int read_sets(FILE *f, uint64_t sets[SETS]) {
  static const char *const names[SETS] = {"SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:", "SigCgt:"};
  char line[128];
  int found = 0;

  while (found < SETS && fgets(line, sizeof(line), f) != NULL)
    if (strncmp(line, names[found], 7) == 0)
      sets[found++] = strtoull(line + 7, NULL, 16);
  return found;
}

bool caller_gives_up(pid_t thread) {
  FILE *f = open_told(thread, "status");
  uint64_t sets[SETS];
  uint64_t pending;
  int found;

  if (f == NULL)
    return true;
  found = read_sets(f, sets);
  fclose(f);
  if (found < SETS)
    return true;
  pending = (sets[PENDING] | sets[PENDING_SHARED]) & ~sets[BLOCKED] & ~sets[IGNORED];
  return (pending & (ending() | (~sets[CAUGHT] & ~harmless()))) != 0;
}

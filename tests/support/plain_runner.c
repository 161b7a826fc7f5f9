/* A plain runner for Criterion tests, linked where Criterion's own cannot run:
 * its sandbox maps memory at an address that ThreadSanitizer keeps for itself.
 * Each test runs in a forked child; what assertions call is defined here and
 * wins over the library. Options are ignored but for `--filter SUITE/NAME`. */
#include <criterion/criterion.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern struct criterion_test *__start_cr_tst[];
extern struct criterion_test *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak));
extern struct criterion_suite *__stop_cr_sts[] __attribute__((weak));

#define TEST_SECONDS 120 /* instrumented code on a busy machine */

void criterion_internal_test_setup(void) {
}

void criterion_internal_test_main(void (*fn)(void)) {
  fn();
}

void criterion_internal_test_teardown(void) {
}

void cri_asserts_passed_incr(void) {
}

#define SKIPPED 77 /* exit status of a test that skipped itself */

void criterion_skip_test(const char *format, ...) {
  va_list ap;

  va_start(ap, format);
  vfprintf(stderr, format, ap);
  va_end(ap);
  fputc('\n', stderr);
  exit(SKIPPED);
}

static atomic_uint failed_asserts;

void criterion_send_assert(struct criterion_assert_stats *stats) {
  if (stats->passed)
    return;
  atomic_fetch_add(&failed_asserts, 1);
  fprintf(stderr, "%s:%u: %s\n", stats->file, stats->line, stats->message);
}

void criterion_abort_test(void) {
  fflush(NULL);
  _exit(1);
}

static const struct criterion_test_extra_data *suite_of(const struct criterion_test *t) {
  static const struct criterion_test_extra_data none;

  for (struct criterion_suite **s = __start_cr_sts; s < __stop_cr_sts; s++)
    if (*s != NULL && (*s)->data != NULL && strcmp((*s)->name, t->category) == 0)
      return (*s)->data;
  return &none;
}

static void run_test(const struct criterion_test *t) {
  const struct criterion_test_extra_data *suite = suite_of(t);
  void (*init)(void) = t->data->init != NULL ? t->data->init : suite->init;
  void (*fini)(void) = t->data->fini != NULL ? t->data->fini : suite->fini;

  alarm(TEST_SECONDS);
  if (init != NULL)
    init();
  t->test();
  if (fini != NULL)
    fini();
  exit(atomic_load(&failed_asserts) != 0);
}

static bool passed(const struct criterion_test *t, int status) {
  if (t->data->signal != 0)
    return WIFSIGNALED(status) && WTERMSIG(status) == t->data->signal;
  return WIFEXITED(status) && WEXITSTATUS(status) == t->data->exit_code;
}

struct tally {
  unsigned passed;
  unsigned failed;
  unsigned skipped;
};

static void run_forked(const struct criterion_test *t, struct tally *tally) {
  int status = 0;
  pid_t pid;

  fflush(NULL);
  pid = fork();
  if (pid == 0)
    run_test(t);
  if (pid < 0 || waitpid(pid, &status, 0) != pid)
    abort();
  if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
    tally->skipped++;
  } else if (passed(t, status)) {
    tally->passed++;
  } else {
    tally->failed++;
    fprintf(stderr, "[FAIL] %s::%s (status 0x%x)\n", t->category, t->name, (unsigned)status);
  }
}

int main(int argc, char **argv) {
  const char *filter = "*";
  char name[256];
  struct tally tally = {0};

  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], "--filter") == 0)
      filter = argv[i + 1];
  for (struct criterion_test **t = __start_cr_tst; t < __stop_cr_tst; t++) {
    if (*t == NULL || (*t)->data->disabled)
      continue;
    snprintf(name, sizeof(name), "%s/%s", (*t)->category, (*t)->name);
    if (fnmatch(filter, name, 0) == 0)
      run_forked(*t, &tally);
  }
  printf("[====] Synthesis: Tested: %u | Passing: %u | Failing: %u | Skipped: %u\n",
         tally.passed + tally.failed, tally.passed, tally.failed, tally.skipped);
  return tally.failed != 0;
}

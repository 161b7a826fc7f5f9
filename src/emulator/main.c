/* s3apfs-emulator: a local AWS for demonstrations and tests.
 *
 * The main thread starts everything, then waits for SIGTERM or SIGINT, which
 * are blocked everywhere else; all work happens in connection threads. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exchange.h"
#include "objects.h"
#include "requests.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "server.h"
#include "trails.h"
#include "uploads.h"

#define REGION_DEFAULT "us-east-1"
#define MIN_PART_DEFAULT ((uint64_t)5 << 20)

struct options {
  const char *config;
  const char *data;
  const char *ready_file;
  const char *trail;
  const char *tls_cert;
  const char *tls_key;
  uint16_t port;
};

static void usage(FILE *to) {
  fputs("usage: s3apfs-emulator [--config FILE] [--data DIR] [--port N] [--ready-file FILE]\n"
        "                       [--tls-cert FILE --tls-key FILE] [--trail FILE] [--debug]\n"
        "                       [--version]\n"
        "\n"
        "  --config FILE      accounts, buckets, access points, grants (JSON)\n"
        "  --data DIR         where objects are kept; without it they go at the end\n"
        "  --port N           default 9100; 0 takes a free one\n"
        "  --ready-file FILE  gets the ports as JSON once requests are answered\n"
        "  --trail FILE       gets a CloudTrail-shaped record of every call, one a line\n",
        to);
}

static int parse_port(const char *text, uint16_t *out) {
  uint64_t v;
  if (text_parse_u64(text, &v) || v > UINT16_MAX)
    return -EINVAL;
  *out = (uint16_t)v;
  return 0;
}

enum {
  OPT_CONFIG = 1,
  OPT_DATA,
  OPT_PORT,
  OPT_READY,
  OPT_TRAIL,
  OPT_CERT,
  OPT_KEY,
  OPT_DEBUG,
  OPT_VERSION,
  OPT_HELP
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"data", required_argument, NULL, OPT_DATA},
    {"port", required_argument, NULL, OPT_PORT},
    {"ready-file", required_argument, NULL, OPT_READY},
    {"trail", required_argument, NULL, OPT_TRAIL},
    {"tls-cert", required_argument, NULL, OPT_CERT},
    {"tls-key", required_argument, NULL, OPT_KEY},
    {"debug", no_argument, NULL, OPT_DEBUG},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* Takes one option; -ECANCELED: printed what was asked, end well. */
static int take_option(int c, struct options *o) {
  switch (c) {
  case OPT_CONFIG:
    o->config = optarg;
    return 0;
  case OPT_DATA:
    o->data = optarg;
    return 0;
  case OPT_PORT:
    return parse_port(optarg, &o->port);
  case OPT_READY:
    o->ready_file = optarg;
    return 0;
  case OPT_TRAIL:
    o->trail = optarg;
    return 0;
  case OPT_CERT:
    o->tls_cert = optarg;
    return 0;
  case OPT_KEY:
    o->tls_key = optarg;
    return 0;
  case OPT_DEBUG:
    log_set_level(LOG_LEVEL_DEBUG);
    return 0;
  case OPT_VERSION:
    puts("s3apfs-emulator " S3APFS_VERSION);
    return -ECANCELED;
  case OPT_HELP:
    usage(stdout);
    return -ECANCELED;
  default:
    return -EINVAL;
  }
}

static int parse_options(int argc, char **argv, struct options *o) {
  *o = (struct options){.port = 9100};
  int c, err = 0;
  while (!err && (c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
    err = take_option(c, o);
  if (!err && (optind < argc || !o->tls_cert != !o->tls_key))
    err = -EINVAL;
  if (err == -EINVAL)
    usage(stderr);
  return err;
}

/* --- the "server" member of the configuration --- */

static int take_setting(struct emulator *e, const cJSON *item, struct buf *why) {
  const char *n = item->string;
  if (strcmp(n, "region") == 0 && cJSON_IsString(item)) {
    free(e->region);
    e->region = strdup(item->valuestring);
    return e->region ? 0 : -ENOMEM;
  }
  bool number = cJSON_IsNumber(item) && item->valuedouble >= 0;
  if (number && strcmp(n, "latency-ms") == 0)
    faults_set_latency(e->faults, (int64_t)item->valuedouble);
  else if (number && strcmp(n, "bandwidth") == 0)
    faults_set_bandwidth(e->faults, (uint64_t)item->valuedouble);
  else if (number && strcmp(n, "min-part-size") == 0)
    e->min_part_size = (uint64_t)item->valuedouble;
  else {
    buf_printf(why, "server: unknown or unsuitable \"%s\"", n);
    return -EINVAL;
  }
  return 0;
}

static int apply_settings(struct emulator *e, struct buf *why) {
  struct buf text;
  buf_init(&text, 0);
  int err = world_server_json(e->world, &text);
  cJSON *root = !err && text.len ? cJSON_ParseWithLength(text.data, text.len) : NULL;
  const cJSON *item;
  cJSON_ArrayForEach(item, root) {
    err = take_setting(e, item, why);
    if (err)
      break;
  }
  cJSON_Delete(root);
  buf_fini(&text);
  return err;
}

/* --- life --- */

static int open_emulator(struct emulator *e, const struct options *o, const char *data,
                         struct buf *why) {
  shifted_clock_init(&e->clock);
  e->region = strdup(REGION_DEFAULT);
  e->min_part_size = MIN_PART_DEFAULT;
  int err = e->region ? world_new(&e->clock.clock, &e->world) : -ENOMEM;
  if (!err)
    err = faults_new(&e->faults);
  if (!err)
    err = requests_new(&e->requests);
  if (!err)
    err = world_open(e->world, o->config, o->data, why);
  if (!err)
    err = apply_settings(e, why);
  if (!err)
    err = objects_open(data, &e->objects);
  if (!err)
    err = uploads_open(data, &e->uploads);
  if (!err && o->trail) {
    err = trails_open(o->trail, &e->trails);
    if (err)
      buf_printf(why, "%s: %s", o->trail, strerror(-err));
  }
  if (err && !why->len)
    buf_printf(why, "%s: %s", data, strerror(-err));
  return err;
}

static void close_emulator(struct emulator *e) {
  objects_close(e->objects);
  uploads_close(e->uploads);
  trails_close(e->trails);
  requests_free(e->requests);
  faults_free(e->faults);
  if (e->world)
    world_free(e->world);
  free(e->region);
}

static int announce(const struct server *s, const struct options *o) {
  printf("s3apfs-emulator ready on http%s://localhost:%u\n", o->tls_cert ? "s" : "",
         server_port(s));
  fflush(stdout);
  if (!o->ready_file)
    return 0;
  struct buf text;
  buf_init(&text, 0);
  server_describe(s, &text);
  int err = buf_error(&text);
  if (!err)
    err = file_write_atomic(o->ready_file, buf_cstr(&text), text.len, 0644);
  buf_fini(&text);
  return err;
}

static int read_pem(const char *path, struct buf *out, struct buf *why) {
  int err = path ? file_read(path, out) : 0;
  if (err)
    buf_printf(why, "%s: %s", path, strerror(-err));
  return err;
}

static int serve(struct emulator *e, const struct options *o, const sigset_t *end,
                 struct buf *why) {
  struct buf cert, key;
  buf_init(&cert, 1 << 20);
  buf_init(&key, 1 << 20);
  int err = read_pem(o->tls_cert, &cert, why), signal;
  if (!err)
    err = read_pem(o->tls_key, &key, why);
  struct server_options so = {.port = o->port,
                              .tls_cert = o->tls_cert ? buf_cstr(&cert) : NULL,
                              .tls_key = o->tls_key ? buf_cstr(&key) : NULL};
  struct server *s = NULL;
  if (!err)
    err = server_start(e, &so, &s, why);
  if (!err) {
    err = announce(s, o);
    if (err)
      buf_printf(why, "%s: %s", o->ready_file, strerror(-err));
    else
      sigwait(end, &signal);
    server_stop(s);
    world_save(e->world);
  }
  buf_fini(&cert);
  buf_wipe(&key);
  return err;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st;
  (void)type;
  (void)ftw;
  return remove(path);
}

static int run(const struct options *o, const sigset_t *end, struct buf *why) {
  const char *tmp = getenv("TMPDIR");
  char *temporary = o->data ? NULL : text_printf("%s/s3apfs-emulator-XXXXXX", tmp ? tmp : "/tmp");
  if (!o->data && (!temporary || !mkdtemp(temporary))) {
    free(temporary);
    return -errno;
  }
  struct emulator e = {0};
  int err = open_emulator(&e, o, o->data ? o->data : temporary, why);
  if (!err)
    err = serve(&e, o, end, why);
  close_emulator(&e);
  if (temporary)
    nftw(temporary, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  free(temporary);
  return err;
}

int main(int argc, char **argv) {
  struct options o;
  log_set_name("s3apfs-emulator");
  int err = parse_options(argc, argv, &o);
  if (err)
    return err == -ECANCELED ? 0 : 2;
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  sigaddset(&end, SIGINT);
  pthread_sigmask(SIG_BLOCK, &end, NULL);
  signal(SIGPIPE, SIG_IGN);
  struct buf why;
  buf_init(&why, 0);
  err = run(&o, &end, &why);
  if (err)
    log_error("%s", why.len ? buf_cstr(&why) : strerror(-err));
  buf_fini(&why);
  return err ? 1 : 0;
}

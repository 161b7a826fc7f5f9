/* s3apfs: finds the command and runs it. As mount.s3apfs it is mount(8)'s helper, as
 * umount.fuse.s3apfs that of umount(8). */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "s3apfs/base/buf.h"
#include "settings.h"

struct command {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *usage;
  const char *help;
};

static const struct command commands[] = {
    {"mount", cmd_mount, "SOURCE DIR [-f] [-o option[=value],...] [--dry-run]",
     "mount an access point, a bucket, a grants prefix or a configuration file"},
    {"umount", cmd_umount, "DIR",
     "wait until everything is in S3, unmount, and wait until the mount has ended"},
    {"sync", cmd_sync, "DIR [--export FOLDER]",
     "wait until everything that was written is in S3; write out what cannot be sent"},
    {"status", cmd_status, "[DIR] [--json]",
     "sources, identities, expiry, requests of live mounts"},
    {"explain", cmd_explain, "PATH", "which source, grant and identity serve a path"},
    {"grants", cmd_grants, "[--account ID] [--region R] [--profile P] [--json]",
     "what S3 Access Grants give the caller, with the line that mounts each"},
    {"accesspoints", cmd_accesspoints, "[--account ID] [--region R] [--profile P] [--json]",
     "the account's access points, with the line that mounts each"},
    {"credentials", cmd_credentials, "SOURCE|PATH [--permission P] [-o option[=value],...]",
     "the keys that serve a source or a path, as credential_process prints them"},
    {"reload", cmd_reload, "DIR",
     "take up the changed configuration file of a live mount, as SIGHUP does"},
    {"login", cmd_login, "DIR", "new MFA codes for a live mount, or keys after a new sign-in"},
    {"cache", cmd_cache, "stat|verify|clear [DIR]",
     "the cache on disk: of a mount, of a directory, or this user's"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *to) {
  struct buf options;

  fputs("s3apfs mounts S3 access points and S3 Access Grants prefixes.\n\n", to);
  for (size_t i = 0; i < COMMANDS; i++)
    fprintf(to, "  s3apfs %s %s\n      %s\n", commands[i].name, commands[i].usage,
            commands[i].help);
  fputs("\nSOURCE: an access point's ARN or alias, s3://BUCKET[/PREFIX], each with /PREFIX,\n"
        "grants[:ACCOUNT[:REGION],...], or the path of a configuration file.\n"
        "Options for mount -o and configuration files:\n",
        to);
  buf_init(&options, 0);
  settings_help(&options);
  fputs(buf_cstr(&options), to);
  buf_fini(&options);
  fputs("\nExit status: 0 done, 1 failed, 2 wrong usage, 3 access denied.\n", to);
}

static int command_help(const struct command *c) {
  printf("usage: s3apfs %s %s\n%s\n", c->name, c->usage, c->help);
  return EXIT_OK;
}

static int run_command(int argc, char **argv) {
  for (size_t i = 0; i < COMMANDS; i++) {
    if (strcmp(commands[i].name, argv[1]) != 0)
      continue;
    for (int a = 2; a < argc; a++)
      if (strcmp(argv[a], "--help") == 0)
        return command_help(&commands[i]);
    return commands[i].run(argc - 1, argv + 1);
  }
  return cli_fail(EXIT_USAGE, "unknown command '%s'; s3apfs --help lists them", argv[1]);
}

int main(int argc, char **argv) {
  const char *slash = strrchr(argv[0], '/');
  const char *name = slash != NULL ? slash + 1 : argv[0];

  signal(SIGPIPE, SIG_IGN);
  if (strcmp(name, "mount.s3apfs") == 0)
    return cmd_mount_helper(argc, argv);
  if (strcmp(name, "umount.fuse.s3apfs") == 0)
    return cmd_umount_helper(argc, argv);
  if (argc < 2) {
    print_help(stderr);
    return EXIT_USAGE;
  }
  if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
    puts("s3apfs " S3APFS_VERSION);
    return EXIT_OK;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
      strcmp(argv[1], "help") == 0) {
    print_help(stdout);
    return EXIT_OK;
  }
  return run_command(argc, argv);
}

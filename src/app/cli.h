/* What the commands share: exit codes, messages, the table of commands. */
#ifndef S3APFS_APP_CLI_H
#define S3APFS_APP_CLI_H

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_DENIED = 3 };

/* mount(8)'s own codes, for mount.s3apfs. */
enum mount_exit { MOUNT_EX_USAGE = 1, MOUNT_EX_FAIL = 32 };

/* "s3apfs: ..." on stderr; returns code. */
int cli_fail(enum exit_code code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* 3 for -EACCES, else 1. */
enum exit_code cli_code(int err);
struct cJSON;
/* Prints the document for --json; the exit code. */
int cli_print_json(const struct cJSON *doc);
struct mount_entry;
/* Runs fn on the s3apfs mount that `arg` is on or below; its exit code, or EXIT_FAILED after one
 * line was said. */
int cli_at_mount(const char *arg, int (*fn)(const struct mount_entry *e));

int cmd_mount(int argc, char **argv);
int cmd_mount_helper(int argc, char **argv); /* as mount.s3apfs */
int cmd_sync(int argc, char **argv);
int cmd_umount(int argc, char **argv);
int cmd_umount_helper(int argc, char **argv); /* as umount.fuse.s3apfs */
int cmd_status(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_grants(int argc, char **argv);
int cmd_accesspoints(int argc, char **argv);
int cmd_credentials(int argc, char **argv);
int cmd_login(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_cache(int argc, char **argv);

#endif

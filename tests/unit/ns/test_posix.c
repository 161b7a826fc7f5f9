#include <criterion/criterion.h>
#include <stdarg.h>

#include "s3apfs/ns/posix.h"

/* Pairs of names and values, ended by NULL. */
static struct posix parsed(const char *name, ...) {
  struct kvlist meta;
  struct posix p;
  va_list ap;

  kvlist_init(&meta);
  va_start(ap, name);
  for (const char *n = name; n != NULL; n = va_arg(ap, const char *))
    cr_assert_eq(kvlist_add(&meta, n, va_arg(ap, const char *)), 0);
  va_end(ap);
  posix_from_meta(&meta, &p);
  kvlist_fini(&meta);
  return p;
}

Test(posix, of_aws_file_services) {
  struct posix p = parsed("file-permissions", "0100640", "file-owner", "1000", "file-group", "100",
                          "file-mtime", "1595002920123456789ns", "file-atime", "1595002920000",
                          "user-agent", "aws-datasync", NULL);

  cr_expect(p.has_mode && p.has_uid && p.has_gid && p.has_mtime && p.has_atime);
  cr_expect_eq(p.mode, S_IFREG | 0640);
  cr_expect_eq(p.uid, 1000);
  cr_expect_eq(p.gid, 100);
  cr_expect_eq(p.mtime_ns, 1595002920123456789);
  cr_expect_eq(p.atime_ns, 1595002920000000000, "milliseconds without the suffix");
  cr_expect_eq(parsed("file-permissions", "040755", NULL).mode, S_IFDIR | 0755);
  cr_expect_eq(parsed("file-permissions", "0120777", NULL).mode, S_IFLNK | 0777);
  cr_expect_eq(parsed("file-permissions", "010600", NULL).mode, S_IFIFO | 0600);
  cr_expect_eq(parsed("file-permissions", "0140755", NULL).mode, S_IFSOCK | 0755);
  cr_expect_eq(parsed("file-permissions", "020600", NULL).mode, 0600, "no devices");
  cr_expect_eq(parsed("file-permissions", "644", NULL).mode, 0644, "no type");
}

Test(posix, of_s3fs_and_rclone) {
  struct posix p =
      parsed("mode", "33188", "uid", "1000", "gid", "0", "mtime", "1595002920.25", NULL);

  cr_expect_eq(p.mode, S_IFREG | 0644);
  cr_expect_eq(p.uid, 1000);
  cr_expect(p.has_gid);
  cr_expect_eq(p.mtime_ns, 1595002920250000000);
  p = parsed("mtime", "1595002920", NULL);
  cr_expect_not(p.has_mode);
  cr_expect_eq(p.mtime_ns, 1595002920000000000);
}

Test(posix, set_gid_stays_with_the_mode_it_was_set_with) {
  struct posix known = {.has_mode = true, .mode = S_IFREG | 02750};
  struct posix p = {.has_mode = true, .mode = S_IFREG | 0750};

  posix_keep_bits(&p, NULL);
  cr_expect_eq(p.mode, S_IFREG | 0750);
  posix_keep_bits(&p, &known);
  cr_expect_eq(p.mode, S_IFREG | 02750);
  p.mode = S_IFREG | 0700;
  posix_keep_bits(&p, &known);
  cr_expect_eq(p.mode, S_IFREG | 0700, "somebody changed it");
}

Test(posix, aws_wins) {
  struct posix p = parsed("mode", "33188", "file-permissions", "0100600", "mtime", "1",
                          "file-mtime", "2000000000ns", NULL);

  cr_expect_eq(p.mode, S_IFREG | 0600);
  cr_expect_eq(p.mtime_ns, 2000000000);
}

Test(posix, what_is_malformed_is_missing) {
  static const char *const modes[] = {"", "rw", "-1", "0999", "0100644 ", "9999999999999999999"};
  static const char *const times[] = {"", "ns", "-1ns", "x", "99999999999999999999ns", "1.2.3"};

  for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
    cr_expect_not(parsed("file-permissions", modes[i], NULL).has_mode, "%s", modes[i]);
  for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
    cr_expect_not(parsed("file-mtime", times[i], NULL).has_mtime, "%s", times[i]);
    cr_expect_not(parsed("mtime", times[i], NULL).has_mtime, "%s", times[i]);
  }
  cr_expect_not(parsed("file-owner", "4294967295", NULL).has_uid);
  cr_expect_not(parsed("file-owner", "root", NULL).has_uid);
}

Test(posix, power_is_not_believed) {
  cr_expect_eq(parsed("file-permissions", "0106755", NULL).mode, S_IFREG | 0755);
  cr_expect_eq(parsed("file-permissions", "041777", NULL).mode, S_IFDIR | 01777);
  cr_expect_not(parsed("file-owner", "0", NULL).has_uid);
  cr_expect_not(parsed("uid", "0", NULL).has_uid);
}

Test(posix, written_as_aws_does) {
  struct posix p = {.has_mode = true,
                    .mode = S_IFLNK | 0777,
                    .has_uid = true,
                    .uid = 1000,
                    .has_mtime = true,
                    .mtime_ns = 1595002920123456789};
  struct kvlist meta;
  struct posix back;

  kvlist_init(&meta);
  cr_assert_eq(kvlist_add(&meta, "File-Mtime", "1ns"), 0);
  cr_assert_eq(kvlist_add(&meta, "color", "blue"), 0);
  cr_assert_eq(posix_to_meta(&p, &meta), 0);
  cr_expect_str_eq(kvlist_get_ci(&meta, "file-permissions"), "0120777");
  cr_expect_str_eq(kvlist_get_ci(&meta, "file-owner"), "1000");
  cr_expect_null(kvlist_get_ci(&meta, "file-group"));
  cr_expect_str_eq(kvlist_get_ci(&meta, "file-mtime"), "1595002920123456789ns");
  cr_expect_str_eq(kvlist_get_ci(&meta, "color"), "blue");
  posix_from_meta(&meta, &back);
  cr_expect_eq(back.mode, p.mode);
  cr_expect_eq(back.mtime_ns, p.mtime_ns);
  kvlist_fini(&meta);
}

Test(posix, changes_lie_over_what_is_known) {
  struct posix p = {.has_mode = true, .mode = S_IFREG | 0644, .has_gid = true, .gid = 5};
  struct posix over = {.has_mode = true, .mode = 0600, .has_uid = true, .uid = 7};

  posix_lay_over(&p, &over);
  cr_expect_eq(p.mode, S_IFREG | 0600);
  cr_expect_eq(p.uid, 7);
  cr_expect_eq(p.gid, 5);
  cr_expect(p.has_uid && p.has_gid);
}

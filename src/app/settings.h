/* Everything a user can set, by option name: on the command line (-o), in a
 * configuration file's [mount] and [dir] sections, or in fstab. One table drives
 * parsing, checking and the help text. */
#ifndef S3APFS_APP_SETTINGS_H
#define S3APFS_APP_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "s3apfs/aws/scope.h"
#include "s3apfs/aws/target.h"
#include "s3apfs/base/buf.h"
#include "s3apfs/s3/client.h"
#include "s3apfs/store/catalog.h"

/* Strings are owned, or NULL when not given. */
struct settings {
  /* identity */
  char *profile;
  char *config_file;
  char *credentials_file;
  char *region;
  char *role_arn;
  char *external_id;
  char *role_session_name;
  char *source_identity;
  char *mfa_serial;
  char *credential_source;
  char *web_identity_token_file;
  char *container_credentials_uri;
  char *container_token_file;
  bool grants; /* access=grants */
  bool permission_auto;
  enum scope_permission permission; /* of access=grants; SCOPE_READ with permission_auto */
  char *account;
  bool minimal; /* privilege=minimal */
  int64_t duration_ms;
  bool requester_pays;
  char *expected_bucket_owner;
  /* endpoints */
  char *endpoint_url;
  char *s3control_endpoint_url;
  char *sts_endpoint_url;
  bool path_style;
  bool fips;
  bool dualstack;
  char *connect_to;
  char *ca_bundle;
  /* caching and transfer */
  uint64_t memory;
  char *cache_dir; /* NULL: the default one */
  uint64_t cache_size;
  uint64_t cache_free; /* bytes; or, when 0, */
  unsigned cache_free_percent;
  char *cache_tier; /* NULL: none */
  char *cache_tier_key_file;
  char *cache_tier_profile; /* NULL: profile */
  bool cache_tier_grants;
  int64_t cache_tier_timeout_ms;
  int64_t metadata_ttl_ms;
  int64_t negative_ttl_ms;
  bool escape_odd;    /* odd-keys=escape */
  bool lenient;       /* offline=lenient */
  bool close_to_open; /* then both count as 0: settings_metadata_ttl_ms() */
  uint64_t max_connections;
  uint64_t bandwidth; /* bytes a second in each direction; 0: no limit */
  int64_t deadline_ms;
  /* view */
  uid_t uid;
  gid_t gid;
  mode_t file_mode;
  mode_t dir_mode;
  bool allow_other;
  char *per_user; /* file that maps users to identities; NULL: one identity for all */
  bool read_only;
  /* writing */
  char *state_dir; /* NULL: the default one */
  uint64_t staging_size;
  uint64_t part_size; /* 0: 8 MiB */
  bool writeback;
  bool exclusive_open; /* exclusive=open */
  char *sse;           /* S3's words; NULL: the bucket decides */
  char *kms_key;
  char *bucket_key; /* "on", "off" */
  char *storage_class;
  char *checksum;
  char *acl;
  char *tags;                /* "keep", "drop"; NULL: keep */
  char *posix_metadata;      /* "lazy", "strict", "off"; NULL: lazy */
  int64_t umount_timeout_ms; /* 0: none */
  /* operation */
  char *log_level;
  char *log;
  bool foreground;
  bool allow_core;
  /* mount flags for the kernel, "nosuid,nodev"; appended as given */
  struct buf kernel_words;
};

void settings_init(struct settings *s); /* defaults; uid and gid of the process */
void settings_fini(struct settings *s);
/* A copy that the caller owns. */
int settings_copy(struct settings *dst, const struct settings *src);

/* One `name` or `name=value`. in_dir: from a [dir] section, where options of the
 * whole mount are refused. 0; -EINVAL with one line in *why; -ENOMEM. */
int settings_set(struct settings *s, const char *name, const char *value, bool in_dir,
                 struct buf *why);
/* A comma-separated list as behind -o ("\," is a comma in a value). fstab's
 * own words (_netdev, nofail, x-...) are accepted. */
int settings_set_list(struct settings *s, const char *list, struct buf *why);
/* How long presence and attributes, and absence, are trusted. */
int64_t settings_metadata_ttl_ms(const struct settings *s);
int64_t settings_negative_ttl_ms(const struct settings *s);
/* Whether what stands there may be changed. */
bool settings_writable(const struct settings *s);
/* Do the writing options go together, and with this target? 0; -EINVAL with one line. */
int settings_check_writing(const struct settings *s, const struct target *t, struct buf *why);
enum root_posix settings_posix(const struct settings *s);
/* How objects are kept; borrows from the settings. */
void settings_placing(const struct settings *s, struct s3_placing *out);
/* Options that a directory may have are the same in both. */
bool settings_same_dir(const struct settings *a, const struct settings *b);
/* The name of each option of the whole mount that differs. */
void settings_each_difference(const struct settings *a, const struct settings *b,
                              void (*fn)(void *arg, const char *name), void *arg);
/* One line an option, for --help. */
void settings_help(struct buf *out);

#endif

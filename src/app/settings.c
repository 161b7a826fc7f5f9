/* The option table, and options as they come: one by one, or in a list.
 *
 * A row names the option, where it may stand, how its value is read (settings_values.c), and which
 * member takes it. Options that this version knows by name but cannot honour yet
 * are rows too: they are refused with that reason, never ignored. */
#include "settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/text.h"
#include "settings_internal.h"

static const struct row rows[] = {
    {"profile", STRING, ANYWHERE, AT(profile), 0, 0, "profile of the AWS configuration files"},
    {"config-file", STRING, ANYWHERE, AT(config_file), 0, 0,
     "AWS configuration file, default ~/.aws/config"},
    {"credentials-file", STRING, ANYWHERE, AT(credentials_file), 0, 0,
     "AWS credentials file, default ~/.aws/credentials"},
    {"region", STRING, ANYWHERE, AT(region), 0, 0, "AWS Region"},
    {"role-arn", STRING, ANYWHERE, AT(role_arn), 0, 0, "role that those keys assume"},
    {"external-id", STRING, ANYWHERE, AT(external_id), 0, 0, "what the role's owner asks for"},
    {"role-session-name", STRING, ANYWHERE, AT(role_session_name), 0, 0,
     "name in the owner's records, default s3apfs-USER@HOST"},
    {"source-identity", STRING, ANYWHERE, AT(source_identity), 0, 0,
     "who is behind the role's session, for good"},
    {"mfa-serial", STRING, ANYWHERE, AT(mfa_serial), 0, 0,
     "MFA device whose code the role needs; asked for at mount and by login"},
    {"credential-source", STRING, ANYWHERE, AT(credential_source), 0, 0,
     "Environment | Ec2InstanceMetadata | EcsContainer: whose keys assume the role"},
    {"web-identity-token-file", STRING, ANYWHERE, AT(web_identity_token_file), 0, 0,
     "token that assumes the role in place of keys"},
    {"container-credentials-uri", STRING, ANYWHERE, AT(container_credentials_uri), 0, 0,
     "endpoint of a container's credentials"},
    {"container-token-file", STRING, ANYWHERE, AT(container_token_file), 0, 0,
     "what that endpoint wants to be told"},
    {"access", EITHER, ANYWHERE, AT(grants), 0, 0,
     "direct | grants: by own keys or by S3 Access Grants"},
    {"permission", PERMISSION, ANYWHERE, 0, 0, 0,
     "auto | read | write | readwrite (with access=grants)"},
    {"account", ACCOUNT_ID, ANYWHERE, AT(account), 0, 0, "account of the Access Grants instance"},
    {"privilege", EITHER, ANYWHERE, AT(minimal), 0, 0,
     "default | minimal: keys for the grant or for the source only"},
    {"duration", DURATION, ANYWHERE, AT(duration_ms), 900000, 43200000,
     "life of granted keys, or else of the role's session, 15m to 12h"},
    {"requester-pays", FLAG, ANYWHERE, AT(requester_pays), 0, 0, "agree to pay for requests"},
    {"expected-bucket-owner", ACCOUNT_ID, ANYWHERE, AT(expected_bucket_owner), 0, 0,
     "refuse a bucket of another account"},
    {"endpoint-url", URL, ANYWHERE, AT(endpoint_url), 0, 0, "S3 endpoint"},
    {"s3control-endpoint-url", URL, ANYWHERE, AT(s3control_endpoint_url), 0, 0,
     "S3 Control endpoint"},
    {"sts-endpoint-url", URL, ANYWHERE, AT(sts_endpoint_url), 0, 0, "STS endpoint"},
    {"path-style", FLAG, ANYWHERE, AT(path_style), 0, 0,
     "bucket name in the path, not in the host"},
    {"fips", FLAG, ANYWHERE, AT(fips), 0, 0, "FIPS endpoints"},
    {"dualstack", FLAG, ANYWHERE, AT(dualstack), 0, 0, "dual-stack endpoints"},
    {"connect-to", STRING, MOUNT_ONLY, AT(connect_to), 0, 0,
     "HOST:PORT that every connection goes to"},
    {"ca-bundle", STRING, MOUNT_ONLY, AT(ca_bundle), 0, 0, "file of trusted certificates"},
    {"memory", SIZE, MOUNT_ONLY, AT(memory), (uint64_t)16 << 20, (uint64_t)1 << 40,
     "memory for data, default 192M"},
    {"cache-dir", STRING, MOUNT_ONLY, AT(cache_dir), 0, 0, "where the cache on disk is"},
    {"cache-size", SIZE, MOUNT_ONLY, AT(cache_size), 0, (uint64_t)1 << 60,
     "most bytes of the cache on disk, default 10G; 0: none"},
    {"cache-free", SHARE, MOUNT_ONLY, 0, 0, 0, "leave so much of its file system free, default 5%"},
    {"cache-tier", STRING, MOUNT_ONLY, AT(cache_tier), 0, 0,
     "s3://BUCKET[/PREFIX] where a fleet shares blocks, sealed"},
    {"cache-tier-key-file", STRING, MOUNT_ONLY, AT(cache_tier_key_file), 0, 0,
     "file with the 32 bytes that seal them, mode 0600"},
    {"cache-tier-profile", STRING, MOUNT_ONLY, AT(cache_tier_profile), 0, 0,
     "profile for the tier's bucket, default: the mount's"},
    {"cache-tier-grants", FLAG, MOUNT_ONLY, AT(cache_tier_grants), 0, 0,
     "share what was read by grants, too"},
    {"cache-tier-timeout", DURATION, MOUNT_ONLY, AT(cache_tier_timeout_ms), 10, 60000,
     "how long the tier may give nothing before the source is asked, default 250ms"},
    {"metadata-ttl", DURATION, ANYWHERE, AT(metadata_ttl_ms), 0, 86400000,
     "how long names and attributes are trusted, default 60s"},
    {"negative-ttl", DURATION, ANYWHERE, AT(negative_ttl_ms), 0, 86400000,
     "how long absence is trusted, default 5s"},
    {"consistency", EITHER, ANYWHERE, AT(close_to_open), 0, 0,
     "ttl | close-to-open: trust what is known as long as that, or ask at every open"},
    {"offline", EITHER, ANYWHERE, AT(lenient), 0, 0,
     "strict | lenient: when S3 cannot be reached, fail, or show what is known"},
    {"max-connections", COUNT, MOUNT_ONLY, AT(max_connections), 1, 1024,
     "connections at once, default 64"},
    {"bandwidth", SIZE, MOUNT_ONLY, AT(bandwidth), (uint64_t)64 << 10, (uint64_t)1 << 40,
     "most bytes a second in each direction, over all connections"},
    {"deadline", DURATION, ANYWHERE, AT(deadline_ms), 1000, 3600000,
     "longest time for one request, default 60s"},
    {"uid", NUMBER_ID, ANYWHERE, AT(uid), 0, 4294967294U, "owner of files"},
    {"gid", NUMBER_ID, ANYWHERE, AT(gid), 0, 4294967294U, "group of files"},
    {"file-mode", MODE, ANYWHERE, AT(file_mode), 0, 0777, "permission bits of files, octal"},
    {"dir-mode", MODE, ANYWHERE, AT(dir_mode), 0, 0777, "permission bits of directories, octal"},
    {"odd-keys", EITHER, ANYWHERE, AT(escape_odd), 0, 0,
     "hide | escape: keys that no file name can hold, or show them under escaped names"},
    {"allow_other", FLAG, MOUNT_ONLY, AT(allow_other), 0, 0, "other users may enter"},
    {"per-user", STRING, MOUNT_ONLY, AT(per_user), 0, 0,
     "file that gives each local user an identity; needs allow_other"},
    {"ro", FLAG, MOUNT_ONLY, AT(read_only), 0, 0, "nothing may be changed"},
    {"rw", FLAG_OFF, MOUNT_ONLY, AT(read_only), 0, 0, "as it is without ro"},
    {"state-dir", STRING, MOUNT_ONLY, AT(state_dir), 0, 0,
     "folder for what is not in S3 yet, default /var/lib/s3apfs or ~/.local/state/s3apfs"},
    {"staging-size", SIZE, MOUNT_ONLY, AT(staging_size), (uint64_t)16 << 20, (uint64_t)1 << 50,
     "bytes that may wait there, default: what the disk holds"},
    {"writeback", FLAG, ANYWHERE, AT(writeback), 0, 0,
     "close and fsync wait for the state-dir only, S3 follows"},
    {"exclusive", EITHER, ANYWHERE, AT(exclusive_open), 0, 0,
     "commit | open: when hosts learn that a name is taken (O_EXCL)"},
    {"log-level", LEVEL, MOUNT_ONLY, AT(log_level), 0, 0, "error | warn | info | debug"},
    {"log", STRING, MOUNT_ONLY, AT(log), 0, 0, "file, syslog or stderr"},
    {"foreground", FLAG, MOUNT_ONLY, AT(foreground), 0, 0, "do not become a daemon"},
    {"allow-core", FLAG, MOUNT_ONLY, AT(allow_core), 0, 0, "core dumps, which would hold keys"},
    {"nosuid", KERNEL, MOUNT_ONLY, 0, 0, 0, NULL},
    {"suid", LATER, MOUNT_ONLY, 0, 0, 0, NULL},
    {"nodev", KERNEL, MOUNT_ONLY, 0, 0, 0, NULL},
    {"dev", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"noexec", KERNEL, MOUNT_ONLY, 0, 0, 0, NULL},
    {"exec", KERNEL, MOUNT_ONLY, 0, 0, 0, NULL},
    {"noatime", KERNEL, MOUNT_ONLY, 0, 0, 0, NULL},
    {"atime", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"relatime", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"nodiratime", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"sync", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"async", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"defaults", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"auto", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"noauto", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"_netdev", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"nofail", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"user", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"nouser", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"users", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"owner", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"group", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"default_permissions", IGNORED, MOUNT_ONLY, 0, 0, 0, NULL},
    {"local-patterns", LATER, ANYWHERE, 0, 0, 0, NULL},
    {"audit-log", LATER, MOUNT_ONLY, 0, 0, 0, NULL},
    {"metrics", LATER, MOUNT_ONLY, 0, 0, 0, NULL},
    {"remount", LATER, MOUNT_ONLY, 0, 0, 0, NULL},
};

#define OWN_ROWS (sizeof(rows) / sizeof(rows[0]))
#define ROWS (OWN_ROWS + settings_writing_count)

static const struct row *row_at(size_t i) {
  return i < OWN_ROWS ? &rows[i] : &settings_writing_rows[i - OWN_ROWS];
}

const struct row *settings_row_at(size_t i) {
  return i < ROWS ? row_at(i) : NULL;
}

#define DEFAULT_MEMORY ((uint64_t)192 << 20)
#define DEFAULT_METADATA_TTL_MS 60000
#define DEFAULT_NEGATIVE_TTL_MS 5000
#define DEFAULT_CACHE_SIZE ((uint64_t)10 << 30)
#define DEFAULT_CACHE_FREE_PERCENT 5
#define DEFAULT_TIER_TIMEOUT_MS 250
#define DEFAULT_CONNECTIONS 64
#define DEFAULT_DEADLINE_MS 60000

void settings_init(struct settings *s) {
  *s = (struct settings){
      .permission_auto = true,
      .permission = SCOPE_READ,
      .memory = DEFAULT_MEMORY,
      .cache_size = DEFAULT_CACHE_SIZE,
      .cache_free_percent = DEFAULT_CACHE_FREE_PERCENT,
      .cache_tier_timeout_ms = DEFAULT_TIER_TIMEOUT_MS,
      .metadata_ttl_ms = DEFAULT_METADATA_TTL_MS,
      .negative_ttl_ms = DEFAULT_NEGATIVE_TTL_MS,
      .max_connections = DEFAULT_CONNECTIONS,
      .deadline_ms = DEFAULT_DEADLINE_MS,
      .uid = getuid(),
      .gid = getgid(),
      .file_mode = 0644,
      .dir_mode = 0755,
  };
  buf_init(&s->kernel_words, 4096);
}

static bool is_string(enum kind k) {
  return k == STRING || k == URL || k == ACCOUNT_ID || k == LEVEL || k == CHOICE || k == KMS_KEY;
}

void settings_fini(struct settings *s) {
  for (size_t i = 0; i < ROWS; i++)
    if (is_string(row_at(i)->kind))
      free(*settings_string_at(s, row_at(i)));
  buf_fini(&s->kernel_words);
  memset(s, 0, sizeof(*s));
}

int settings_copy(struct settings *dst, const struct settings *src) {
  struct settings copy = *src;
  int rc = 0;

  buf_init(&copy.kernel_words, 4096);
  buf_puts(&copy.kernel_words, buf_cstr(&src->kernel_words));
  for (size_t i = 0; i < ROWS; i++) {
    char *const *from = is_string(row_at(i)->kind) ? settings_string_at(src, row_at(i)) : NULL;

    if (from == NULL)
      continue;
    *settings_string_at(&copy, row_at(i)) = *from != NULL ? strdup(*from) : NULL;
    if (*from != NULL && *settings_string_at(&copy, row_at(i)) == NULL)
      rc = -ENOMEM;
  }
  if (rc == 0)
    rc = buf_error(&copy.kernel_words);
  if (rc != 0) {
    settings_fini(&copy);
    return rc;
  }
  *dst = copy;
  return 0;
}

static const struct row *row_find(const char *name) {
  for (size_t i = 0; i < ROWS; i++)
    if (strcmp(row_at(i)->name, name) == 0)
      return row_at(i);
  return NULL;
}

static bool takes_no_value(enum kind k) {
  return k == KERNEL || k == IGNORED;
}

static bool needs_value(enum kind k) {
  return !takes_no_value(k) && k != FLAG && k != FLAG_OFF && k != LATER;
}

static bool is_fstab_note(const char *name) {
  return text_has_prefix(name, "x-") || text_has_prefix(name, "X-") || strcmp(name, "comment") == 0;
}

int settings_set(struct settings *s, const char *name, const char *value, bool in_dir,
                 struct buf *why) {
  const struct row *r = row_find(name);

  if (r == NULL && is_fstab_note(name) && !in_dir)
    return 0;
  if (r == NULL)
    buf_printf(why, "unknown option '%s'", name);
  else if (in_dir && r->place == MOUNT_ONLY)
    buf_printf(why, "option '%s' is for the whole mount, not for one directory", name);
  else if (value != NULL && takes_no_value(r->kind))
    buf_printf(why, "option '%s' takes no value", name);
  else if (value == NULL && needs_value(r->kind))
    buf_printf(why, "option '%s' needs a value", name);
  else
    return settings_apply(s, r, value, why);
  return -EINVAL;
}

/* The next list element into *out; commas after a backslash belong to it. */
static const char *next_word(const char *at, struct buf *out) {
  buf_reset(out);
  for (; *at != '\0' && *at != ','; at++) {
    if (*at == '\\' && at[1] == ',')
      at++;
    buf_putc(out, *at);
  }
  return *at == ',' ? at + 1 : at;
}

int settings_set_list(struct settings *s, const char *list, struct buf *why) {
  struct buf word;
  int rc = 0;

  buf_init(&word, 65536);
  while (rc == 0 && *list != '\0') {
    char *eq;

    list = next_word(list, &word);
    if (word.len == 0)
      continue;
    rc = buf_error(&word);
    if (rc != 0)
      break;
    eq = strchr(word.data, '=');
    if (eq != NULL)
      *eq = '\0';
    rc = settings_set(s, word.data, eq != NULL ? eq + 1 : NULL, false, why);
  }
  if (rc == -E2BIG) {
    buf_puts(why, "an option is too long");
    rc = -EINVAL;
  }
  buf_fini(&word);
  return rc;
}

int64_t settings_metadata_ttl_ms(const struct settings *s) {
  return s->close_to_open ? 0 : s->metadata_ttl_ms;
}

int64_t settings_negative_ttl_ms(const struct settings *s) {
  return s->close_to_open ? 0 : s->negative_ttl_ms;
}

bool settings_writable(const struct settings *s) {
  return !s->read_only && !(s->grants && !s->permission_auto && s->permission == SCOPE_READ);
}

void settings_help(struct buf *out) {
  for (size_t i = 0; i < ROWS; i++)
    if (row_at(i)->help != NULL)
      buf_printf(out, "  %-24s %s\n", row_at(i)->name, row_at(i)->help);
}

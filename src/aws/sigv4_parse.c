/* Reading what a signed request claims.
 *
 * Both forms end in the same struct: the pieces (credential, signed headers,
 * signature) are found as spans first, then checked by the same three functions.
 * Everything here comes from a stranger: lengths are capped before anything is
 * copied, every piece is one linear scan, and a result is handed out only when
 * all of it is valid. Pure, no threads. */
#include "s3apfs/aws/sigv4_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/base/text.h"

#define AUTH_MAX ((size_t)16 << 10) /* twice what S3 takes for all headers */
#define ACCESS_KEY_MAX 128          /* IAM's limit */
#define DER_HEX_MIN 16              /* two one-byte integers */
#define DER_HEX_MAX 144

struct span {
  const char *s;
  size_t len;
};

/* The pieces both forms have. */
struct pieces {
  struct span credential;
  struct span signed_headers;
  struct span signature;
};

void sigv4_auth_init(struct sigv4_auth *a) {
  memset(a, 0, sizeof(*a));
}

void sigv4_auth_fini(struct sigv4_auth *a) {
  free(a->access_key_id);
  free(a->region);
  free(a->service);
  free(a->signed_headers);
  free(a->signature);
  sigv4_auth_init(a);
}

static int refuse(enum sigv4_fault *fault, enum sigv4_fault what) {
  *fault = what;
  return -EINVAL;
}

static bool span_is(struct span s, const char *text) {
  return s.len == strlen(text) && memcmp(s.s, text, s.len) == 0;
}

static struct span span_of(const char *text) {
  return (struct span){text, strlen(text)};
}

static struct span span_trim(struct span s) {
  while (s.len > 0 && (s.s[0] == ' ' || s.s[0] == '\t')) {
    s.s++;
    s.len--;
  }
  while (s.len > 0 && (s.s[s.len - 1] == ' ' || s.s[s.len - 1] == '\t'))
    s.len--;
  return s;
}

/* Cuts off and returns what stands before sep; false at the end. */
static bool span_next(struct span *rest, char sep, struct span *out) {
  const char *at;

  if (rest->s == NULL)
    return false;
  at = memchr(rest->s, sep, rest->len);
  out->s = rest->s;
  out->len = at != NULL ? (size_t)(at - rest->s) : rest->len;
  rest->len -= at != NULL ? out->len + 1 : out->len;
  rest->s = at != NULL ? at + 1 : NULL;
  return true;
}

/* Visible ASCII without separators of the header's grammar. */
static bool span_is_word(struct span s) {
  for (size_t i = 0; i < s.len; i++)
    if (s.s[i] <= ' ' || s.s[i] > '~' || s.s[i] == ',' || s.s[i] == '=')
      return false;
  return s.len != 0;
}

static int span_dup(struct span s, char **out) {
  char *copy = text_dup_n(s.s, s.len);

  if (copy == NULL)
    return -ENOMEM;
  free(*out);
  *out = copy;
  return 0;
}

/* --- pieces --- */

/* "YYYYMMDDTHHMMSSZ" of a day and time that exist. */
static int parse_stamp(const char *s, int64_t *out) {
  char again[17];
  int64_t t;

  if (strlen(s) != 16 || text_parse_iso8601(s, &t) != 0)
    return -EINVAL;
  text_iso8601_basic(t, again);
  if (strcmp(s, again) != 0)
    return -EINVAL;
  *out = t;
  return 0;
}

static int parse_scope_date(struct span s, char out[9]) {
  char stamp[17] = "";
  int64_t ignored;

  if (s.len != 8)
    return -EINVAL;
  memcpy(stamp, s.s, 8);
  memcpy(stamp + 8, "T000000Z", 9);
  if (parse_stamp(stamp, &ignored) != 0)
    return -EINVAL;
  memcpy(out, s.s, 8);
  out[8] = '\0';
  return 0;
}

static int parse_credential(struct span credential, struct sigv4_auth *a, enum sigv4_fault *fault) {
  enum { MOST = 5 };
  struct span part[MOST];
  size_t want = a->asymmetric ? 4 : 5;
  size_t count = 0;
  struct span one;

  while (span_next(&credential, '/', &one)) {
    if (count == MOST)
      return refuse(fault, SIGV4_FAULT_CREDENTIAL);
    part[count++] = one;
  }
  if (count != want)
    return refuse(fault, SIGV4_FAULT_CREDENTIAL);
  if (part[0].len == 0 || part[0].len > ACCESS_KEY_MAX)
    return refuse(fault, SIGV4_FAULT_ACCESS_KEY);
  for (size_t i = 0; i < count; i++)
    if (!span_is_word(part[i]))
      return refuse(fault, SIGV4_FAULT_CREDENTIAL);
  if (!span_is(part[want - 1], "aws4_request"))
    return refuse(fault, SIGV4_FAULT_TERMINATOR);
  if (parse_scope_date(part[1], a->date) != 0)
    return refuse(fault, SIGV4_FAULT_SCOPE_DATE);
  if (span_dup(part[0], &a->access_key_id) != 0 || span_dup(part[want - 2], &a->service) != 0 ||
      (!a->asymmetric && span_dup(part[2], &a->region) != 0))
    return -ENOMEM;
  return 0;
}

/* A header name as it may be signed: RFC 9110 token characters, no upper case. */
static bool is_signed_name(struct span name) {
  for (size_t i = 0; i < name.len; i++) {
    char c = name.s[i];

    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      continue;
    if (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)
      return false;
  }
  return name.len != 0;
}

static int span_order(struct span a, struct span b) {
  int order = memcmp(a.s, b.s, a.len < b.len ? a.len : b.len);

  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int parse_signed_headers(struct span list, struct sigv4_auth *a, enum sigv4_fault *fault) {
  struct span rest = list;
  struct span last = {"", 0};
  struct span name;
  bool host = false;

  while (span_next(&rest, ';', &name)) {
    if (!is_signed_name(name) || span_order(last, name) >= 0)
      return refuse(fault, SIGV4_FAULT_SIGNED_HEADERS);
    host = host || span_is(name, "host");
    last = name;
  }
  if (!host)
    return refuse(fault, SIGV4_FAULT_SIGNED_HEADERS);
  return span_dup(list, &a->signed_headers);
}

static int parse_signature(struct span hex, struct sigv4_auth *a, enum sigv4_fault *fault) {
  bool possible = a->asymmetric
                      ? hex.len % 2 == 0 && hex.len >= DER_HEX_MIN && hex.len <= DER_HEX_MAX
                      : hex.len == 64;

  for (size_t i = 0; possible && i < hex.len; i++)
    possible = (hex.s[i] >= '0' && hex.s[i] <= '9') || (hex.s[i] >= 'a' && hex.s[i] <= 'f');
  if (!possible)
    return refuse(fault, SIGV4_FAULT_SIGNATURE);
  return span_dup(hex, &a->signature);
}

static int parse_pieces(const struct pieces *p, struct sigv4_auth *a, enum sigv4_fault *fault) {
  int rc = parse_credential(p->credential, a, fault);

  if (rc == 0)
    rc = parse_signed_headers(p->signed_headers, a, fault);
  if (rc == 0)
    rc = parse_signature(p->signature, a, fault);
  return rc;
}

static int parse_algorithm(struct span name, struct sigv4_auth *a, enum sigv4_fault *fault) {
  a->asymmetric = span_is(name, SIGV4A_ALGORITHM);
  if (!a->asymmetric && !span_is(name, SIGV4_ALGORITHM))
    return refuse(fault, SIGV4_FAULT_SCHEME);
  return 0;
}

static int check_day(const struct sigv4_auth *a, enum sigv4_fault *fault) {
  char stamp[17];

  text_iso8601_basic(a->time, stamp);
  return strncmp(stamp, a->date, 8) == 0 ? 0 : refuse(fault, SIGV4_FAULT_DATE_MISMATCH);
}

static int set_region_set(const char *value, struct sigv4_auth *a, enum sigv4_fault *fault) {
  if (value == NULL || value[0] == '\0')
    return refuse(fault, SIGV4_FAULT_REGION_SET);
  return span_dup(span_of(value), &a->region);
}

/* --- Authorization --- */

static int find_pieces(struct span rest, struct pieces *p) {
  struct {
    const char *name;
    struct span *to;
  } known[] = {{"Credential", &p->credential},
               {"SignedHeaders", &p->signed_headers},
               {"Signature", &p->signature}};
  enum { KINDS = sizeof(known) / sizeof(known[0]) };
  struct span piece;
  size_t found = 0;

  while (span_next(&rest, ',', &piece)) {
    struct span value = span_trim(piece);
    struct span name;
    size_t kind = 0;

    if (!span_next(&value, '=', &name) || value.s == NULL || value.len == 0)
      return -EINVAL;
    while (kind < KINDS && !span_is(name, known[kind].name))
      kind++;
    if (kind == KINDS || known[kind].to->s != NULL)
      return -EINVAL;
    *known[kind].to = value;
    found++;
  }
  return found == KINDS ? 0 : -EINVAL;
}

static int parse_value(struct span rest, struct sigv4_auth *a, enum sigv4_fault *fault) {
  struct pieces pieces = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
  struct span name;
  int rc;

  if (!span_next(&rest, ' ', &name))
    return refuse(fault, SIGV4_FAULT_SCHEME);
  rc = parse_algorithm(name, a, fault);
  if (rc != 0)
    return rc;
  if (rest.s == NULL || find_pieces(rest, &pieces) != 0)
    return refuse(fault, SIGV4_FAULT_COMPONENTS);
  return parse_pieces(&pieces, a, fault);
}

/* Moves a finished result out, or drops it. */
static int hand_out(int rc, struct sigv4_auth *a, struct sigv4_auth *out) {
  if (rc == 0)
    *out = *a;
  else
    sigv4_auth_fini(a);
  return rc;
}

int sigv4_parse_authorization(const char *value, struct sigv4_auth *out, enum sigv4_fault *fault) {
  struct sigv4_auth a;

  if (strnlen(value, AUTH_MAX + 1) > AUTH_MAX)
    return refuse(fault, SIGV4_FAULT_TOO_LONG);
  sigv4_auth_init(&a);
  return hand_out(parse_value(span_trim(span_of(value)), &a, fault), &a, out);
}

/* --- query --- */

enum param { ALGORITHM, CREDENTIAL, DATE, EXPIRES, SIGNED_HEADERS, SIGNATURE, REGION_SET, PARAMS };

static const char *const param_names[PARAMS] = {
    "X-Amz-Algorithm",     "X-Amz-Credential", "X-Amz-Date",      "X-Amz-Expires",
    "X-Amz-SignedHeaders", "X-Amz-Signature",  "X-Amz-Region-Set"};

static int find_params(const struct kvlist *query, const char *values[PARAMS],
                       enum sigv4_fault *fault) {
  for (size_t i = 0; i < query->count; i++) {
    const struct kv *kv = &query->items[i];

    for (size_t p = 0; p < PARAMS; p++) {
      if (strcmp(kv->name, param_names[p]) != 0)
        continue;
      if (values[p] != NULL)
        return refuse(fault, SIGV4_FAULT_COMPONENTS);
      if (strnlen(kv->value, AUTH_MAX + 1) > AUTH_MAX)
        return refuse(fault, SIGV4_FAULT_TOO_LONG);
      values[p] = kv->value;
    }
  }
  for (size_t p = 0; p < REGION_SET; p++)
    if (values[p] == NULL)
      return refuse(fault, SIGV4_FAULT_COMPONENTS);
  return 0;
}

static int parse_expires(const char *value, struct sigv4_auth *a, enum sigv4_fault *fault) {
  uint64_t seconds;
  int rc = text_parse_u64(value, &seconds);

  if (rc == -EINVAL || (rc == 0 && seconds == 0))
    return refuse(fault, SIGV4_FAULT_EXPIRES);
  if (rc != 0 || seconds > SIGV4_PRESIGN_MAX_S)
    return refuse(fault, SIGV4_FAULT_EXPIRES_RANGE);
  a->expires_s = (int64_t)seconds;
  return 0;
}

static int parse_params(const char *const values[PARAMS], struct sigv4_auth *a,
                        enum sigv4_fault *fault) {
  struct pieces pieces = {span_of(values[CREDENTIAL]), span_of(values[SIGNED_HEADERS]),
                          span_of(values[SIGNATURE])};
  int rc = parse_algorithm(span_of(values[ALGORITHM]), a, fault);

  if (rc == 0)
    rc = parse_pieces(&pieces, a, fault);
  if (rc == 0 && parse_stamp(values[DATE], &a->time) != 0)
    rc = refuse(fault, SIGV4_FAULT_DATE);
  if (rc == 0)
    rc = check_day(a, fault);
  if (rc == 0)
    rc = parse_expires(values[EXPIRES], a, fault);
  if (rc == 0 && a->asymmetric)
    rc = set_region_set(values[REGION_SET], a, fault);
  return rc;
}

int sigv4_parse_query(const struct kvlist *query, struct sigv4_auth *out, enum sigv4_fault *fault) {
  const char *values[PARAMS] = {NULL};
  struct sigv4_auth a;
  int rc = find_params(query, values, fault);

  if (rc != 0)
    return rc;
  sigv4_auth_init(&a);
  a.presigned = true;
  return hand_out(parse_params(values, &a, fault), &a, out);
}

/* --- a whole request --- */

static bool query_claims(const struct kvlist *query) {
  return kvlist_get(query, param_names[ALGORITHM]) != NULL ||
         kvlist_get(query, param_names[CREDENTIAL]) != NULL ||
         kvlist_get(query, param_names[SIGNATURE]) != NULL;
}

static size_t count_headers(const struct kvlist *headers, const char *name) {
  size_t n = 0;

  for (size_t i = 0; i < headers->count; i++)
    n += strcasecmp(headers->items[i].name, name) == 0;
  return n;
}

static int parse_request_time(const struct kvlist *headers, int64_t *out) {
  const char *stamp = kvlist_get_ci(headers, "X-Amz-Date");
  const char *date = kvlist_get_ci(headers, "Date");

  if (stamp != NULL)
    return parse_stamp(stamp, out);
  if (date == NULL)
    return -EINVAL;
  return parse_stamp(date, out) == 0 ? 0 : text_parse_http_date(date, out);
}

static int parse_by_headers(const struct aws_request *r, const char *value, struct sigv4_auth *out,
                            enum sigv4_fault *fault) {
  struct sigv4_auth a;
  int rc = sigv4_parse_authorization(value, &a, fault);

  if (rc != 0)
    return rc;
  if (count_headers(&r->headers, "X-Amz-Date") > 1 || parse_request_time(&r->headers, &a.time) != 0)
    rc = refuse(fault, SIGV4_FAULT_DATE);
  if (rc == 0)
    rc = check_day(&a, fault);
  if (rc == 0 && a.asymmetric)
    rc = set_region_set(kvlist_get_ci(&r->headers, param_names[REGION_SET]), &a, fault);
  return hand_out(rc, &a, out);
}

int sigv4_parse_request(const struct aws_request *r, struct sigv4_auth *out,
                        enum sigv4_fault *fault) {
  const char *value = kvlist_get_ci(&r->headers, "Authorization");
  bool presigned = query_claims(&r->query);

  if (value == NULL && !presigned)
    return -ENOENT;
  if ((value != NULL && presigned) || count_headers(&r->headers, "Authorization") > 1)
    return refuse(fault, SIGV4_FAULT_TWO_WAYS);
  return presigned ? sigv4_parse_query(&r->query, out, fault)
                   : parse_by_headers(r, value, out, fault);
}

/* Scalars of conditions. The number reader is our own: strtod() follows the
 * locale and takes hexadecimal, "inf" and leading blanks. */
#include "scalar.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "s3apfs/base/text.h"

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* Digits at *s as a number; the count of them in *n. */
static double take_digits(const char **s, int *n) {
  double v = 0;

  for (*n = 0; is_digit(**s); (*s)++, (*n)++)
    v = v * 10 + (**s - '0');
  return v;
}

static double power_of_ten(int n) {
  double v = 1;

  for (; n > 0; n--)
    v *= 10;
  return v;
}

/* Past this an IEEE double is 0 or infinite anyway. */
#define EXPONENT_MAX 400

static int take_exponent(const char **s, double *v) {
  bool minus;
  double e;
  int n;

  if (**s != 'e' && **s != 'E')
    return 0;
  (*s)++;
  minus = **s == '-';
  if (**s == '-' || **s == '+')
    (*s)++;
  e = take_digits(s, &n);
  if (n == 0 || e > EXPONENT_MAX)
    return -EINVAL;
  if (minus)
    *v /= power_of_ten((int)e);
  else
    *v *= power_of_ten((int)e);
  return 0;
}

int scalar_parse_number(const char *s, double *out) {
  bool minus = *s == '-';
  int whole;
  int places = 0;
  double v;

  if (*s == '-' || *s == '+')
    s++;
  v = take_digits(&s, &whole);
  if (*s == '.') {
    double fraction;

    s++;
    fraction = take_digits(&s, &places);
    if (places > EXPONENT_MAX)
      return -EINVAL;
    v += fraction / power_of_ten(places);
  }
  if ((whole == 0 && places == 0) || take_exponent(&s, &v) != 0 || *s != '\0')
    return -EINVAL;
  *out = minus ? -v : v;
  return 0;
}

/* What completes a shorter W3C form, by its length. */
static const char *date_completion(size_t len) {
  switch (len) {
  case 4:
    return "-01-01T00:00:00Z";
  case 7:
    return "-01T00:00:00Z";
  case 10:
    return "T00:00:00Z";
  default:
    return "";
  }
}

#define DATE_LONGEST 64
#define UP_TO_MINUTES 16 /* 2026-11-22T06:03 */

int scalar_parse_date(const char *s, double *out) {
  char full[DATE_LONGEST + 32];
  size_t len = strlen(s);
  bool no_seconds = len > UP_TO_MINUTES && s[13] == ':' && s[UP_TO_MINUTES] != ':';
  int64_t seconds;

  if (scalar_parse_number(s, out) == 0 && (len != 4 || !is_digit(*s)))
    return 0;
  if (len > DATE_LONGEST)
    return -EINVAL;
  if (no_seconds)
    snprintf(full, sizeof(full), "%.*s:00%s", UP_TO_MINUTES, s, s + UP_TO_MINUTES);
  else
    snprintf(full, sizeof(full), "%s%s", s, date_completion(len));
  if (text_parse_iso8601(full, &seconds) != 0)
    return -EINVAL;
  *out = (double)seconds;
  return 0;
}

static int parse_prefix(const char *s, unsigned most, unsigned *bits) {
  uint64_t v;

  if (text_parse_u64(s, &v) != 0 || v > most)
    return -EINVAL;
  *bits = (unsigned)v;
  return 0;
}

int scalar_parse_network(const char *s, struct ip_network *out) {
  char address[INET6_ADDRSTRLEN];
  size_t len = strcspn(s, "/");
  struct ip_network net = {0};
  unsigned most;

  if (len >= sizeof(address))
    return -EINVAL;
  memcpy(address, s, len);
  address[len] = '\0';
  net.family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
  most = net.family == AF_INET6 ? 128 : 32;
  net.bits = most;
  if (inet_pton(net.family, address, net.address) != 1 ||
      (s[len] == '/' && parse_prefix(s + len + 1, most, &net.bits) != 0))
    return -EINVAL;
  *out = net;
  return 0;
}

bool scalar_network_contains(const struct ip_network *net, const struct ip_network *inner) {
  unsigned whole = net->bits / 8;
  unsigned rest = net->bits % 8;

  if (net->family != inner->family || inner->bits < net->bits ||
      memcmp(net->address, inner->address, whole) != 0)
    return false;
  return rest == 0 || (net->address[whole] ^ inner->address[whole]) >> (8 - rest) == 0;
}

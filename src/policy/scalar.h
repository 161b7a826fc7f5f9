/* Numbers, dates and address blocks as condition values write them. */
#ifndef S3APFS_POLICY_SCALAR_H
#define S3APFS_POLICY_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal with optional sign, fraction and exponent. 0 or -EINVAL. */
int scalar_parse_number(const char *s, double *out);
/* Seconds since 1970: written so, or in a W3C form of ISO 8601 down to the bare
 * date. 0 or -EINVAL. */
int scalar_parse_date(const char *s, double *out);

struct ip_network {
  int family; /* AF_INET, AF_INET6 */
  uint8_t address[16];
  unsigned bits; /* of the prefix */
};

/* "203.0.113.0/24", "2001:db8::/32"; without a prefix one address. -EINVAL. */
int scalar_parse_network(const char *s, struct ip_network *out);
bool scalar_network_contains(const struct ip_network *net, const struct ip_network *inner);

#endif

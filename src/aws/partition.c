/* The partition table. AWS publishes a regular expression per partition; all
 * of them are HEAD-WORD-DIGITS with a few fixed heads, so regions are matched
 * by hand: the digits and the word are cut off and the rest must be a head. */
#include "s3apfs/aws/partition.h"

#include <string.h>

#define HEADS_MAX 10

static const struct {
  struct partition p;
  const char *global_region; /* listed by name, it does not fit the pattern */
  const char *heads[HEADS_MAX];
} table[] = {
    {{"aws", "amazonaws.com", "api.aws", "us-east-1", true},
     "aws-global",
     {"us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"}},
    {{"aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "cn-northwest-1", true},
     "aws-cn-global",
     {"cn"}},
    {{"aws-us-gov", "amazonaws.com", "api.aws", "us-gov-west-1", true},
     "aws-us-gov-global",
     {"us-gov"}},
    {{"aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu", "eusc-de-east-1", true},
     NULL,
     {"eusc-de"}},
    {{"aws-iso", "c2s.ic.gov", "api.aws.ic.gov", "us-iso-east-1", true},
     "aws-iso-global",
     {"us-iso"}},
    {{"aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud", "us-isob-east-1", true},
     "aws-iso-b-global",
     {"us-isob"}},
    {{"aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "eu-isoe-west-1", true},
     "aws-iso-e-global",
     {"eu-isoe"}},
    {{"aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov", "us-isof-south-1", true},
     "aws-iso-f-global",
     {"us-isof"}},
};

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_word(char c) {
  return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Length of HEAD in HEAD-WORD-DIGITS, 0 when it has another shape. */
static size_t region_head(const char *region) {
  size_t n = strlen(region);
  size_t at = n;

  while (at > 0 && is_digit(region[at - 1]))
    at--;
  if (at == n || at == 0 || region[at - 1] != '-')
    return 0;
  n = --at;
  while (at > 0 && is_word(region[at - 1]))
    at--;
  if (at == n || at < 2 || region[at - 1] != '-')
    return 0;
  return at - 1;
}

static bool has_head(const char *const heads[HEADS_MAX], const char *region, size_t len) {
  for (int i = 0; i < HEADS_MAX && heads[i] != NULL; i++)
    if (strlen(heads[i]) == len && memcmp(heads[i], region, len) == 0)
      return true;
  return false;
}

const struct partition *partition_of_region(const char *region) {
  size_t head = region_head(region);

  for (size_t i = 0; i < TABLE_SIZE; i++) {
    if (table[i].global_region != NULL && strcmp(table[i].global_region, region) == 0)
      return &table[i].p;
    if (head != 0 && has_head(table[i].heads, region, head))
      return &table[i].p;
  }
  return &table[0].p;
}

const struct partition *partition_by_id(const char *id) {
  for (size_t i = 0; i < TABLE_SIZE; i++)
    if (strcmp(table[i].p.id, id) == 0)
      return &table[i].p;
  return NULL;
}

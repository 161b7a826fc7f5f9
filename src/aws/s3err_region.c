/* Which region a redirect points to. The labels of an S3 host are
 * [BUCKET.]s3[.dualstack].REGION.SUFFIX or [BUCKET.]s3-REGION.SUFFIX; the old
 * global host, without a region, is us-east-1's. Hosts outside amazonaws.com
 * are left alone. */
#include "s3err_region.h"

#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

#define GLOBAL_REGION "us-east-1"

bool s3err_region_is_valid(const char *s) {
  size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

  return n > 0 && n <= 63 && s[n] == '\0' && *s >= 'a' && *s <= 'z';
}

/* The last "s3" or "s3-..." label before the suffix: bucket names may hold dots. */
static char *service_label(char *host) {
  char *found = NULL;

  for (char *label = host; label != NULL;) {
    char *dot = strchr(label, '.');

    if (text_has_prefix(label, "s3.") || text_has_prefix(label, "s3-"))
      found = label;
    label = dot != NULL ? dot + 1 : NULL;
  }
  return found;
}

static char *region_in(char *host) {
  char *suffix = strstr(host, ".amazonaws.com");
  char *label;

  if (suffix == NULL)
    return NULL;
  label = service_label(host);
  if (label == NULL || label > suffix)
    return NULL;
  *suffix = '\0';
  if (strcmp(label, "s3") == 0 || strcmp(label, "s3-external-1") == 0)
    return strdup(GLOBAL_REGION);
  label += strlen("s3-");
  if (text_has_prefix(label, "dualstack."))
    label += strlen("dualstack.");
  return strchr(label, '-') != NULL && s3err_region_is_valid(label) ? strdup(label) : NULL;
}

char *s3err_region_of_endpoint(const char *host) {
  char *copy = strdup(host);
  char *region = copy != NULL ? region_in(copy) : NULL;

  free(copy);
  return region;
}

/* The Region that a directory bucket's zone is in: zone ids begin with an abbreviation of it
 * ("use1-az4", "apne1-az1", "use1-dfw2-az1"; "Zones", Amazon S3 User Guide). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint_private.h"
#include "s3apfs/base/text.h"
#include "target_private.h"

struct word {
  const char *abbreviation;
  const char *word;
};

static const struct word areas[] = {
    {"usg", "us-gov"}, {"us", "us"}, {"eu", "eu"}, {"ap", "ap"}, {"ca", "ca"}, {"sa", "sa"},
    {"me", "me"},      {"af", "af"}, {"il", "il"}, {"mx", "mx"}, {"cn", "cn"},
};
/* The longer ones first. */
static const struct word directions[] = {
    {"nw", "northwest"}, {"ne", "northeast"}, {"sw", "southwest"},
    {"se", "southeast"}, {"n", "north"},      {"s", "south"},
    {"e", "east"},       {"w", "west"},       {"c", "central"},
};

static const char *take(const struct word *all, size_t count, const char **at) {
  for (size_t i = 0; i < count; i++) {
    if (text_has_prefix(*at, all[i].abbreviation)) {
      *at += strlen(all[i].abbreviation);
      return all[i].word;
    }
  }
  return NULL;
}

/* NULL: it is not known, or there is no memory. */
static char *region_of(const char *zone) {
  const char *area = take(areas, sizeof(areas) / sizeof(areas[0]), &zone);
  const char *direction = take(directions, sizeof(directions) / sizeof(directions[0]), &zone);

  if (area == NULL || direction == NULL || *zone < '1' || *zone > '9' || zone[1] != '-')
    return NULL;
  return text_printf("%s-%s-%c", area, direction, *zone);
}

int target_take_zone(struct target *t) {
  size_t suffix = endpoint_express_suffix(t->name);
  char *zone = NULL;
  int rc = endpoint_express_zone(t->name, suffix, &zone);

  if (rc == 0)
    t->region = region_of(zone);
  free(zone);
  return rc == -ENOMEM ? rc : 0;
}

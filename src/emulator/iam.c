/* IAM's query API: which operations there are. */
#include "control_internal.h"

const struct control_operation *iam_find(const char *action) {
  (void)action;
  return NULL;
}

/* Printing for people. */
#include "show.h"

#include <stdio.h>

void show_plain(const char *s) {
  for (; *s != '\0'; s++)
    putchar((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

void show_pending(const cJSON *list) {
  const cJSON *f;

  cJSON_ArrayForEach(f, list) {
    const char *path = cJSON_GetStringValue(cJSON_GetObjectItem(f, "path"));
    const char *error = cJSON_GetStringValue(cJSON_GetObjectItem(f, "error"));

    fputs("  not in S3 yet: ", stdout);
    show_plain(path != NULL ? path : "?");
    printf("%s%s\n", error != NULL ? ": " : "", error != NULL ? error : "");
  }
}

/* Dates in the forms that AWS and HTTP use, all in UTC. Pure. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "s3apfs/base/text.h"

/* Exactly n digits at *s, within [lo, hi]; moves *s behind them. */
static int take_number(const char **s, int n, int lo, int hi, int *out) {
  int v = 0;

  for (int i = 0; i < n; i++, (*s)++) {
    if (**s < '0' || **s > '9')
      return -EINVAL;
    v = v * 10 + (**s - '0');
  }
  if (v < lo || v > hi)
    return -EINVAL;
  *out = v;
  return 0;
}

static int take_char(const char **s, char c) {
  if (**s != c)
    return -EINVAL;
  (*s)++;
  return 0;
}

static int take_clock(const char **s, bool colons, struct tm *tm) {
  if (take_number(s, 2, 0, 23, &tm->tm_hour) != 0 || (colons && take_char(s, ':') != 0) ||
      take_number(s, 2, 0, 59, &tm->tm_min) != 0 || (colons && take_char(s, ':') != 0) ||
      take_number(s, 2, 0, 60, &tm->tm_sec) != 0)
    return -EINVAL;
  return 0;
}

/* Z, +00:00, +0000, -05:30; seconds east of Greenwich. */
static int take_zone(const char **s, int64_t *east) {
  int h;
  int m;
  int sign;

  *east = 0;
  if (**s == 'Z' || **s == 'z') {
    (*s)++;
    return 0;
  }
  if (**s != '+' && **s != '-')
    return -EINVAL;
  sign = *(*s)++ == '+' ? 1 : -1;
  if (take_number(s, 2, 0, 23, &h) != 0)
    return -EINVAL;
  if (**s == ':')
    (*s)++;
  if (take_number(s, 2, 0, 59, &m) != 0)
    return -EINVAL;
  *east = (int64_t)sign * (h * 3600 + m * 60);
  return 0;
}

/* year: full; mon: from 1. */
static int days_in_month(int year, int mon) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

  return mon == 2 && leap ? 29 : days[mon - 1];
}

/* Both the extended form and the basic one (20261122T060300Z). */
int text_parse_iso8601(const char *s, int64_t *out) {
  struct tm tm = {0};
  int64_t east;
  bool dashes;

  if (take_number(&s, 4, 1900, 9999, &tm.tm_year) != 0)
    return -EINVAL;
  dashes = *s == '-';
  if ((dashes && take_char(&s, '-') != 0) || take_number(&s, 2, 1, 12, &tm.tm_mon) != 0 ||
      (dashes && take_char(&s, '-') != 0) || take_number(&s, 2, 1, 31, &tm.tm_mday) != 0)
    return -EINVAL;
  if ((*s != 'T' && *s != 't' && *s != ' ') || (s++, take_clock(&s, dashes, &tm)) != 0)
    return -EINVAL;
  if (*s == '.')
    for (s++; *s >= '0' && *s <= '9'; s++)
      ;
  if (take_zone(&s, &east) != 0 || *s != '\0' || tm.tm_mday > days_in_month(tm.tm_year, tm.tm_mon))
    return -EINVAL;
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  *out = (int64_t)timegm(&tm) - east;
  return 0;
}

static void utc(int64_t seconds, struct tm *tm) {
  time_t t = (time_t)seconds;

  if (gmtime_r(&t, tm) == NULL)
    memset(tm, 0, sizeof(*tm));
}

void text_iso8601(int64_t seconds, char out[21]) {
  struct tm tm;

  utc(seconds, &tm);
  if (strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    out[0] = '\0';
}

void text_iso8601_ms(int64_t ms, char out[25]) {
  int64_t seconds = ms / 1000 - (ms % 1000 < 0);
  struct tm tm;
  size_t n;

  utc(seconds, &tm);
  n = strftime(out, 25, "%Y-%m-%dT%H:%M:%S", &tm);
  if (n == 0)
    out[0] = '\0';
  else
    snprintf(out + n, 25 - n, ".%03dZ", (int)(ms - seconds * 1000));
}

void text_iso8601_basic(int64_t seconds, char out[17]) {
  struct tm tm;

  utc(seconds, &tm);
  if (strftime(out, 17, "%Y%m%dT%H%M%SZ", &tm) == 0)
    out[0] = '\0';
}

static const char *const day_names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

int text_parse_http_date(const char *s, int64_t *out) {
  struct tm tm = {0};
  int month = -1;

  if (strlen(s) < 8 || s[3] != ',' || s[4] != ' ')
    return -EINVAL;
  s += 5;
  if (take_number(&s, 2, 1, 31, &tm.tm_mday) != 0 || take_char(&s, ' ') != 0)
    return -EINVAL;
  for (int i = 0; i < 12; i++)
    if (text_has_prefix(s, month_names[i]))
      month = i;
  if (month < 0 || s[3] != ' ')
    return -EINVAL;
  s += 4;
  if (take_number(&s, 4, 1900, 9999, &tm.tm_year) != 0 || take_char(&s, ' ') != 0 ||
      take_clock(&s, true, &tm) != 0 || strcmp(s, " GMT") != 0 ||
      tm.tm_mday > days_in_month(tm.tm_year, month + 1))
    return -EINVAL;
  tm.tm_year -= 1900;
  tm.tm_mon = month;
  *out = (int64_t)timegm(&tm);
  return 0;
}

void text_http_date(int64_t seconds, char out[30]) {
  struct tm tm;

  utc(seconds, &tm);
  snprintf(out, 30, "%s, %02u %s %04u %02u:%02u:%02u GMT", day_names[(unsigned)tm.tm_wday % 7],
           (unsigned)tm.tm_mday % 100, month_names[(unsigned)tm.tm_mon % 12],
           (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
           (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

/* Matching of coded patterns. Pure; time is bounded by pattern times subject,
 * whatever a hostile document asks: both matchers remember only the last star,
 * which is enough because a later star can take over everything an earlier one
 * could have taken. */
#include "pattern.h"

#include <string.h>

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Bytes of the character at s: a lead byte with its continuation bytes. */
static size_t character_length(const char *s, const char *end) {
  size_t n = 1;

  while (s + n < end && ((unsigned char)s[n] & 0xc0) == 0x80)
    n++;
  return n;
}

/* Glob over [p, pe) and [s, se). */
static bool glob(const char *p, const char *pe, const char *s, const char *se, bool fold) {
  const char *star = NULL;
  const char *resume = NULL;

  while (s < se) {
    if (p < pe && *p == PATTERN_STAR) {
      star = ++p;
      resume = s;
    } else if (p < pe && *p == PATTERN_ANY) {
      p++;
      s += character_length(s, se);
    } else if (p < pe && (*p == *s || (fold && lower(*p) == lower(*s)))) {
      p++;
      s++;
    } else if (star != NULL) {
      p = star;
      resume += character_length(resume, se);
      s = resume;
    } else {
      return false;
    }
  }
  while (p < pe && *p == PATTERN_STAR)
    p++;
  return p == pe;
}

bool pattern_match(const char *coded, const char *s, bool fold) {
  return glob(coded, coded + strlen(coded), s, s + strlen(s), fold);
}

static const char *segment_end(const char *s) {
  return s + strcspn(s, ":");
}

#define ARN_SEGMENTS 6

/* One position in both texts; s is NULL behind the subject's last segment. */
struct cursor {
  const char *p;
  unsigned p_index; /* which segment of the pattern */
  const char *s;
};

static const char *next_segment(const char *end) {
  return *end == ':' ? end + 1 : NULL;
}

/* Moves both sides over one segment when they match there. */
static bool match_segment(struct cursor *at) {
  const char *pe = segment_end(at->p);
  const char *se = segment_end(at->s);

  if (!glob(at->p, pe, at->s, se, false))
    return false;
  at->p = next_segment(pe);
  at->p_index++;
  at->s = next_segment(se);
  return true;
}

bool pattern_match_resource(const char *coded, const char *arn) {
  struct cursor at = {coded, 0, arn};
  struct cursor back = {0}; /* behind the last segment that ends in a star */
  bool can_go_back = false;

  for (;;) {
    const char *pe = at.p != NULL ? segment_end(at.p) : NULL;
    bool spans = pe != NULL && pe > at.p && pe[-1] == PATTERN_STAR;

    if (at.p == NULL && at.s == NULL)
      return true;
    if (at.p != NULL && at.s != NULL) {
      if (at.p_index == ARN_SEGMENTS - 1) {
        if (pattern_match(at.p, at.s, false))
          return true;
      } else if (match_segment(&at)) {
        if (spans) {
          back = at;
          can_go_back = true;
        }
        continue;
      }
    }
    if (!can_go_back || back.s == NULL)
      return false;
    back.s = next_segment(segment_end(back.s)); /* the star takes one segment more */
    at = back;
  }
}

bool pattern_match_arn(const char *coded, const char *arn) {
  struct cursor at = {coded, 0, arn};

  while (at.p_index < ARN_SEGMENTS - 1)
    if (at.p == NULL || at.s == NULL || !match_segment(&at))
      return false;
  return at.p != NULL && at.s != NULL && pattern_match(at.p, at.s, false);
}

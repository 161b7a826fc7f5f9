/* A stranger's signed request: the first line is the query as received, every
 * other line a header "Name:value". Beyond not crashing: what is accepted is
 * complete, and writing it down again as a header reads back the same. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/sigv4_parse.h"
#include "s3apfs/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
  if (!ok)
    abort();
}

static bool load(struct aws_request *r, char *text) {
  char *save = NULL;
  char *line = strtok_r(text, "\n", &save);

  aws_request_init(r);
  if (aws_request_set(r, "GET", "http", "localhost", "/a/../b%20c") != 0)
    return false;
  if (line != NULL && strchr(line, ':') == NULL) {
    if (aws_request_parse_query(line, &r->query) != 0)
      return false;
    line = strtok_r(NULL, "\n", &save);
  }
  for (; line != NULL; line = strtok_r(NULL, "\n", &save)) {
    char *colon = strchr(line, ':');

    if (colon == NULL)
      continue;
    *colon = '\0';
    if (kvlist_add(&r->headers, line, colon + 1) != 0)
      return false;
  }
  return true;
}

static void read_back(const struct sigv4_auth *a) {
  char *again =
      text_printf("%s Credential=%s/%s%s%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
                  a->asymmetric ? SIGV4A_ALGORITHM : SIGV4_ALGORITHM, a->access_key_id, a->date,
                  a->asymmetric ? "" : "/", a->asymmetric ? "" : a->region, a->service,
                  a->signed_headers, a->signature);
  enum sigv4_fault fault;
  struct sigv4_auth b;
  int rc;

  require(again != NULL);
  rc = sigv4_parse_authorization(again, &b, &fault);
  if (rc != 0) { /* the pieces of a query may be longer together than a header may be */
    require(fault == SIGV4_FAULT_TOO_LONG);
  } else {
    require(strcmp(a->access_key_id, b.access_key_id) == 0);
    require(strcmp(a->service, b.service) == 0);
    require(strcmp(a->signed_headers, b.signed_headers) == 0);
    require(sigv4_hex_equal(a->signature, b.signature));
    sigv4_auth_fini(&b);
  }
  free(again);
}

static void verify(const struct sigv4_auth *a, const struct aws_request *r) {
  struct buf canonical;
  struct buf string;

  buf_init(&canonical, 0);
  buf_init(&string, 0);
  require(sigv4_auth_verify(a, r, true, "secret", SIGV4_UNSIGNED_PAYLOAD, &canonical, &string) !=
          0);
  buf_fini(&canonical);
  buf_fini(&string);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = text_dup_n((const char *)data, size);
  enum sigv4_fault fault = SIGV4_FAULT_NONE;
  struct aws_request r;
  struct sigv4_auth a;

  if (text == NULL)
    return 0;
  if (load(&r, text)) {
    int rc = sigv4_parse_request(&r, &a, &fault);

    require((fault != SIGV4_FAULT_NONE) == (rc != 0 && rc != -ENOENT));
    if (rc == 0) {
      require(a.access_key_id != NULL && a.region != NULL && a.service != NULL);
      require(sigv4_auth_signs(&a, "host"));
      read_back(&a);
      verify(&a, &r);
      sigv4_auth_fini(&a);
    }
  }
  aws_request_fini(&r);
  free(text);
  return 0;
}

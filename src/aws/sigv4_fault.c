/* How S3 words the ways an authentication can be wrong. One table; entries without
 * a code of their own take the general one of presigned requests. */
#include <stddef.h>

#include "s3apfs/aws/sigv4_parse.h"

#define MALFORMED "The authorization header is malformed; "

static const struct {
  const char *code;
  const char *query_code;
  const char *text;
} faults[SIGV4_FAULT_COUNT] = {
    [SIGV4_FAULT_NONE] = {"", "", ""},
    [SIGV4_FAULT_SCHEME] = {"InvalidArgument", NULL, "Unsupported Authorization Type"},
    [SIGV4_FAULT_TWO_WAYS] = {"InvalidArgument", "InvalidArgument",
                              "Only one auth mechanism allowed"},
    [SIGV4_FAULT_TOO_LONG] = {"RequestHeaderSectionTooLarge", NULL,
                              "The authentication is longer than allowed"},
    [SIGV4_FAULT_COMPONENTS] = {"AuthorizationHeaderMalformed", NULL,
                                MALFORMED "every component is required, once"},
    [SIGV4_FAULT_ACCESS_KEY] = {"AuthorizationHeaderMalformed", NULL,
                                MALFORMED "a non-empty Access Key (AKID) must be provided"},
    [SIGV4_FAULT_CREDENTIAL] = {"AuthorizationHeaderMalformed", NULL,
                                MALFORMED "the Credential has the wrong form"},
    [SIGV4_FAULT_SCOPE_DATE] = {"AuthorizationHeaderMalformed", NULL,
                                MALFORMED "the credential's date is not in the form yyyyMMdd"},
    [SIGV4_FAULT_TERMINATOR] = {"AuthorizationHeaderMalformed", NULL,
                                MALFORMED "the Credential does not end in aws4_request"},
    [SIGV4_FAULT_SIGNED_HEADERS] = {"AuthorizationHeaderMalformed", NULL,
                                    MALFORMED "SignedHeaders is not a sorted list with host"},
    [SIGV4_FAULT_SIGNATURE] = {"SignatureDoesNotMatch", "SignatureDoesNotMatch",
                               "The Signature is not of the form its algorithm gives"},
    [SIGV4_FAULT_DATE] = {"AccessDenied", NULL,
                          "AWS authentication requires a valid Date or x-amz-date header"},
    [SIGV4_FAULT_DATE_MISMATCH] = {"AuthorizationHeaderMalformed", NULL,
                                   MALFORMED "the credential's date is not that of X-Amz-Date"},
    [SIGV4_FAULT_EXPIRES] = {NULL, NULL, "X-Amz-Expires must be a positive number"},
    [SIGV4_FAULT_EXPIRES_RANGE] = {NULL, NULL,
                                   "X-Amz-Expires must be less than a week (in seconds)"},
    [SIGV4_FAULT_REGION_SET] = {"AuthorizationHeaderMalformed", NULL,
                                MALFORMED "X-Amz-Region-Set is required"},
};

static bool is_fault(enum sigv4_fault fault) {
  return (unsigned)fault < SIGV4_FAULT_COUNT;
}

const char *sigv4_fault_code(enum sigv4_fault fault, bool presigned) {
  const char *code = is_fault(fault) && !presigned ? faults[fault].code : NULL;

  if (presigned && is_fault(fault))
    code = faults[fault].query_code;
  return code != NULL ? code : "AuthorizationQueryParametersError";
}

const char *sigv4_fault_text(enum sigv4_fault fault) {
  return is_fault(fault) ? faults[fault].text : "";
}

/* The one table from AWS error codes and HTTP statuses to a retry class and an
 * errno. Codes: S3 API reference "Error responses", S3 Control (Access Grants),
 * STS "Common errors"; retry classes as in the AWS SDKs' standard mode.
 *
 * Choices that are ours: EACCES for everything about permission and keys,
 * archived objects included; ENODEV when what is mounted does not exist (bucket,
 * access point, grants instance), so that it is never taken for a missing file;
 * ESTALE for a failed condition, which is how a changed object shows; EIO only
 * for what is left. ConditionalRequestConflict is not retried here: a PutObject
 * may be, a CompleteMultipartUpload must not, only the caller knows; EAGAIN, for
 * nothing was written. EPIPE for an upload that is no more. */
#include "s3apfs/aws/s3err.h"

#include <errno.h>
#include <string.h>

#include "s3apfs/base/text.h"

struct code_row {
  const char *code;
  enum s3_error_class class;
  int err;
};

static const struct code_row code_table[] = {
    /* permission */
    {"AccessDenied", S3_ERR_FATAL, -EACCES},
    {"AccessDeniedException", S3_ERR_FATAL, -EACCES},
    {"AllAccessDisabled", S3_ERR_FATAL, -EACCES},
    {"AccessControlListNotSupported", S3_ERR_FATAL, -EACCES},
    {"AccountProblem", S3_ERR_FATAL, -EACCES},
    {"AuthFailure", S3_ERR_FATAL, -EACCES},
    {"AuthorizationQueryParametersError", S3_ERR_FATAL, -EACCES},
    {"CrossLocationLoggingProhibited", S3_ERR_FATAL, -EACCES},
    {"IDPRejectedClaim", S3_ERR_FATAL, -EACCES},
    {"InvalidIamRole", S3_ERR_FATAL, -EACCES},
    {"InvalidIdentityToken", S3_ERR_FATAL, -EACCES},
    {"InvalidObjectState", S3_ERR_FATAL, -EACCES},
    {"InvalidPayer", S3_ERR_FATAL, -EACCES},
    {"InvalidSecurity", S3_ERR_FATAL, -EACCES},
    {"InvalidSignatureException", S3_ERR_FATAL, -EACCES},
    {"MissingSecurityHeader", S3_ERR_FATAL, -EACCES},
    {"NotSignedUp", S3_ERR_FATAL, -EACCES},
    {"RegionDisabledException", S3_ERR_FATAL, -EACCES},
    {"SignatureDoesNotMatch", S3_ERR_FATAL, -EACCES},
    {"StsNotAuthorizedError", S3_ERR_FATAL, -EACCES},
    {"UnauthorizedAccess", S3_ERR_FATAL, -EACCES},

    /* keys that new ones may cure */
    {"ExpiredToken", S3_ERR_CREDENTIALS, -EACCES},
    {"ExpiredTokenException", S3_ERR_CREDENTIALS, -EACCES},
    {"InvalidAccessKeyId", S3_ERR_CREDENTIALS, -EACCES},
    {"InvalidClientTokenId", S3_ERR_CREDENTIALS, -EACCES},
    {"InvalidToken", S3_ERR_CREDENTIALS, -EACCES},
    {"TokenRefreshRequired", S3_ERR_CREDENTIALS, -EACCES},
    {"UnrecognizedClientException", S3_ERR_CREDENTIALS, -EACCES},

    /* the clock */
    {"RequestExpired", S3_ERR_SKEW, -EACCES},
    {"RequestInTheFuture", S3_ERR_SKEW, -EACCES},
    {"RequestTimeTooSkewed", S3_ERR_SKEW, -EACCES},

    /* the wrong region */
    {"AuthorizationHeaderMalformed", S3_ERR_REGION, -EACCES},
    {"IllegalLocationConstraintException", S3_ERR_REGION, -EIO},
    {"IncorrectEndpoint", S3_ERR_REGION, -EIO},
    {"PermanentRedirect", S3_ERR_REGION, -EIO},
    {"Redirect", S3_ERR_REGION, -EIO},
    {"TemporaryRedirect", S3_ERR_REGION, -EIO},

    /* slow down */
    {"BandwidthLimitExceeded", S3_ERR_THROTTLED, -EIO},
    {"EC2ThrottledException", S3_ERR_THROTTLED, -EIO},
    {"KMS.ThrottlingException", S3_ERR_THROTTLED, -EIO},
    {"LimitExceededException", S3_ERR_THROTTLED, -EIO},
    {"PriorRequestNotComplete", S3_ERR_THROTTLED, -EIO},
    {"ProvisionedThroughputExceededException", S3_ERR_THROTTLED, -EIO},
    {"ReduceYourRequestRate", S3_ERR_THROTTLED, -EIO},
    {"RequestLimitExceeded", S3_ERR_THROTTLED, -EIO},
    {"RequestThrottled", S3_ERR_THROTTLED, -EIO},
    {"RequestThrottledException", S3_ERR_THROTTLED, -EIO},
    {"SlowDown", S3_ERR_THROTTLED, -EIO},
    {"ThrottledException", S3_ERR_THROTTLED, -EIO},
    {"Throttling", S3_ERR_THROTTLED, -EIO},
    {"ThrottlingException", S3_ERR_THROTTLED, -EIO},
    {"TooManyRequestsException", S3_ERR_THROTTLED, -EIO},
    {"TransactionInProgressException", S3_ERR_THROTTLED, -EIO},

    /* passing trouble */
    {"BadDigest", S3_ERR_TRANSIENT, -EIO},
    {"IDPCommunicationError", S3_ERR_TRANSIENT, -EIO},
    {"IncompleteBody", S3_ERR_TRANSIENT, -EIO},
    {"InternalError", S3_ERR_TRANSIENT, -EIO},
    {"InternalErrors", S3_ERR_TRANSIENT, -EIO},
    {"InternalFailure", S3_ERR_TRANSIENT, -EIO},
    {"KMS.InternalException", S3_ERR_TRANSIENT, -EIO},
    {"KMS.KMSInternalException", S3_ERR_TRANSIENT, -EIO},
    {"OperationAborted", S3_ERR_TRANSIENT, -EBUSY},
    {"RequestTimeout", S3_ERR_TRANSIENT, -ETIMEDOUT},
    {"RequestTimeoutException", S3_ERR_TRANSIENT, -ETIMEDOUT},
    {"ServiceUnavailable", S3_ERR_TRANSIENT, -EIO},
    {"XAmzContentSHA256Mismatch", S3_ERR_TRANSIENT, -EIO},

    /* what was asked for is not there */
    {"NoSuchKey", S3_ERR_FATAL, -ENOENT},
    {"NoSuchVersion", S3_ERR_FATAL, -ENOENT},
    {"AccessGrantsInstanceNotExistsError", S3_ERR_FATAL, -ENODEV},
    {"NoSuchAccessPoint", S3_ERR_FATAL, -ENODEV},
    {"NoSuchBucket", S3_ERR_FATAL, -ENODEV},
    {"NoSuchMultiRegionAccessPoint", S3_ERR_FATAL, -ENODEV},
    {"NoSuchUpload", S3_ERR_FATAL, -EPIPE},
    {"NoSuchTagSet", S3_ERR_FATAL, -ENOENT},

    /* conditions and limits */
    {"ConditionalRequestConflict", S3_ERR_FATAL, -EAGAIN},
    {"PreconditionFailed", S3_ERR_FATAL, -ESTALE},
    {"InvalidRange", S3_ERR_FATAL, -ERANGE},
    {"KeyTooLongError", S3_ERR_FATAL, -ENAMETOOLONG},
    {"EntityTooLarge", S3_ERR_FATAL, -EFBIG},
    {"EntityTooSmall", S3_ERR_FATAL, -EINVAL},
    {"InvalidKey", S3_ERR_FATAL, -EINVAL},
    {"InvalidPart", S3_ERR_FATAL, -EINVAL},
    {"InvalidPartOrder", S3_ERR_FATAL, -EINVAL},
    {"InvalidStorageClass", S3_ERR_FATAL, -EINVAL},
    {"InvalidTag", S3_ERR_FATAL, -EINVAL},
    {"MetadataTooLarge", S3_ERR_FATAL, -E2BIG},
    {"InsufficientCapacity", S3_ERR_FATAL, -ENOSPC},
    {"QuotaExceeded", S3_ERR_FATAL, -ENOSPC},
    {"MethodNotAllowed", S3_ERR_FATAL, -EPERM},
    {"NotImplemented", S3_ERR_FATAL, -EOPNOTSUPP},
};

static const struct code_row *row_of_code(const char *code) {
  static const struct code_row kms = {"KMS.*", S3_ERR_FATAL, -EACCES};

  for (size_t i = 0; i < sizeof(code_table) / sizeof(*code_table); i++) {
    if (strcmp(code_table[i].code, code) == 0)
      return &code_table[i];
  }
  return text_has_prefix(code, "KMS.") ? &kms : NULL;
}

static struct code_row row_of_status(int status) {
  switch (status) {
  case 301:
  case 302:
  case 307:
  case 308:
    return (struct code_row){NULL, S3_ERR_REGION, -EIO};
  case 401:
  case 403:
  case 407:
    return (struct code_row){NULL, S3_ERR_FATAL, -EACCES};
  case 404:
  case 410:
    return (struct code_row){NULL, S3_ERR_FATAL, -ENOENT};
  case 405:
    return (struct code_row){NULL, S3_ERR_FATAL, -EPERM};
  case 408:
  case 504:
    return (struct code_row){NULL, S3_ERR_TRANSIENT, -ETIMEDOUT};
  case 409:
    return (struct code_row){NULL, S3_ERR_FATAL, -EBUSY};
  case 412:
    return (struct code_row){NULL, S3_ERR_FATAL, -ESTALE};
  case 413:
    return (struct code_row){NULL, S3_ERR_FATAL, -EFBIG};
  case 416:
    return (struct code_row){NULL, S3_ERR_FATAL, -ERANGE};
  case 429:
  case 503:
    return (struct code_row){NULL, S3_ERR_THROTTLED, -EIO};
  case 501:
    return (struct code_row){NULL, S3_ERR_FATAL, -EOPNOTSUPP};
  case 507:
    return (struct code_row){NULL, S3_ERR_FATAL, -ENOSPC};
  default:
    /* A 2xx that is no success is S3's late error: as good as a 500. */
    return (struct code_row){
        NULL, status >= 500 || status / 100 == 2 ? S3_ERR_TRANSIENT : S3_ERR_FATAL, -EIO};
  }
}

void s3_error_classify(int http_status, const char *code, enum s3_error_class *class, int *err) {
  const struct code_row *known = row_of_code(code);
  struct code_row row = known != NULL ? *known : row_of_status(http_status);

  *class = row.class;
  *err = row.err;
}

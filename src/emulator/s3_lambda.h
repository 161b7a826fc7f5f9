/* Object Lambda access points: what stands for the function (S3 user guide,
 * "Transforming objects with S3 Object Lambda"). */
#ifndef S3APFS_EMULATOR_S3_LAMBDA_H
#define S3APFS_EMULATOR_S3_LAMBDA_H

#include "exchange.h"

bool lambda_is(const struct exchange *x);
/* 501 for a Range that this function does not take; 0 or an answer. */
int lambda_refuse(struct exchange *x);
/* Makes the reply of a whole GetObject the function's; nothing elsewhere. */
void lambda_transform(struct exchange *x);

#endif

/* Where MFA codes come from: the terminal that a command was started from, and
 * what `s3apfs login` hands over. Of the process; thread-safe. */
#ifndef S3APFS_APP_PROMPT_H
#define S3APFS_APP_PROMPT_H

#include "s3apfs/base/buf.h"

/* Keeps the terminal at hand, over a fork too, when there is one and the standard
 * input is one. */
void prompt_open(void);
/* From here on the terminal is not asked any more. */
void prompt_close(void);
/* A code for the next question about that device, in place of the terminal;
 * code NULL: takes an unused one back. 0 or -ENOMEM. */
int prompt_give(const char *serial, const char *code);
/* As cred_context.mfa_code; arg is not used. */
int prompt_mfa_code(void *arg, const char *serial, struct buf *code);

#endif

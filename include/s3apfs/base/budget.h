/* Process-wide memory budget. Memory is reserved before the work that needs it
 * starts; speculative work (prefetch) uses budget_try, demand waits. */
#ifndef S3APFS_BASE_BUDGET_H
#define S3APFS_BASE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget;

int budget_new(size_t bytes, struct budget **out);
void budget_free(struct budget *b);
/* False when that much is not free now. */
bool budget_try(struct budget *b, size_t bytes);
/* Waits until it is free. 0; -ENOMEM when more than the whole was asked;
 * -ETIMEDOUT at mono_deadline_ms (clock_system monotonic). */
int budget_reserve(struct budget *b, size_t bytes, int64_t mono_deadline_ms);
void budget_release(struct budget *b, size_t bytes);
size_t budget_used(struct budget *b);
size_t budget_size(const struct budget *b);

#endif

/* Retry arithmetic. */
#include <criterion/criterion.h>

#include "s3apfs/net/retry.h"

Test(retry, delay_doubles_and_is_capped) {
  cr_assert_eq(retry_delay_ms(1, false, 100, 20000, 0.5), 50);
  cr_assert_eq(retry_delay_ms(2, false, 100, 20000, 0.5), 100);
  cr_assert_eq(retry_delay_ms(5, false, 100, 20000, 0.5), 800);
  cr_assert_eq(retry_delay_ms(9, false, 100, 20000, 0.5), 10000);
  cr_assert_eq(retry_delay_ms(1000, false, 100, 20000, 0.5), 10000);
}

Test(retry, delay_has_full_jitter) {
  cr_assert_eq(retry_delay_ms(4, false, 100, 20000, 0.0), 0);
  cr_assert_eq(retry_delay_ms(4, false, 100, 20000, 0.25), 200);
  cr_assert_lt(retry_delay_ms(4, false, 100, 20000, 0.999999), 800);
}

Test(retry, throttling_waits_ten_times_longer) {
  cr_assert_eq(retry_delay_ms(1, true, 100, 20000, 0.5), 500);
  cr_assert_eq(retry_delay_ms(3, true, 100, 20000, 0.5), 2000);
  cr_assert_eq(retry_delay_ms(30, true, 100, 20000, 0.5), 10000);
}

Test(retry, bucket_empties_and_refills) {
  struct retry_bucket b;
  int taken = 0;
  unsigned n = 0;

  retry_bucket_init(&b);
  while (retry_bucket_take(&b, false, &taken)) {
    cr_assert_eq(taken, 5);
    n++;
  }
  cr_assert_eq(n, 100);
  taken = 77;
  cr_assert_not(retry_bucket_take(&b, true, &taken));
  cr_assert_eq(taken, 77, "written only on success");
  retry_bucket_return(&b, 9);
  cr_assert_not(retry_bucket_take(&b, true, &taken));
  cr_assert(retry_bucket_take(&b, false, &taken));
  retry_bucket_return(&b, 6);
  cr_assert(retry_bucket_take(&b, true, &taken));
  cr_assert_eq(taken, 10);
}

Test(retry, bucket_never_overflows) {
  struct retry_bucket b;

  retry_bucket_init(&b);
  retry_bucket_return(&b, 1);
  retry_bucket_return(&b, 10);
  cr_assert_eq(atomic_load(&b.tokens), RETRY_BUCKET_SIZE);
}

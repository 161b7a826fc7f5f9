/* What every back end that changes objects shares. */
#include "s3apfs/store/write.h"

void store_detail_fini(struct store_detail *d) {
  kvlist_fini(&d->meta);
  kvlist_fini(&d->headers);
  *d = (struct store_detail){0};
}

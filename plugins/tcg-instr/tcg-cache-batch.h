/* tcg-cache-batch.h -- arrays of the host's records through the model. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_CACHE_BATCH_H
#define TCG_CACHE_BATCH_H

#include "tcg-cache-model.h"

/* sites: by BpRecord.site, the same array each time.  The wide ones are taken by their physical addresses, the others by virtual ones. */
void cache_run_wide (CacheModel *model, unsigned core, const BpSite *sites, const BpWideRecord *records, size_t n);
void cache_run (CacheModel *model, unsigned core, const BpSite *sites, const BpRecord *records, size_t n);

#endif

/* tcg-cache-report.h -- the two halves of the report. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_CACHE_REPORT_H
#define TCG_CACHE_REPORT_H

#include "tcg-cache.h"

/* Misses by instruction, symbol, source line and process. */
void cache_report_places (TcgCache *c, BpReport *report);

#endif

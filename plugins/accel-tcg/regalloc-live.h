/* regalloc-live.h -- liveness of locals, computed before allocation. */
/* SPDX-License-Identifier: MIT */
#ifndef ACCEL_TCG_REGALLOC_LIVE_H
#define ACCEL_TCG_REGALLOC_LIVE_H

#include "regalloc.h"

/* Fills block_of, live_in/out, crossing, label_at, and the insns' mark bits. */
void ra_liveness (Regalloc *ra);

#endif

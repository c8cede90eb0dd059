/* opt-scratch.h -- memory that a pass needs while it runs: one growing buffer a thread and pass. */
/* SPDX-License-Identifier: MIT */
#ifndef ACCEL_TCG_OPT_SCRATCH_H
#define ACCEL_TCG_OPT_SCRATCH_H

#include <glib.h>

typedef struct OptScratch {
  size_t size;
  uint64_t data[];
} OptScratch;

static GPrivate opt_scratch_key = G_PRIVATE_INIT (g_free);

/* `size` bytes, 8-aligned, contents undefined; valid until the next call on this thread. */
static inline void *
opt_scratch (size_t size)
{
  OptScratch *scratch = g_private_get (&opt_scratch_key);
  if (G_UNLIKELY (scratch == NULL || scratch->size < size)) {
    size_t grown = MAX (size * 2, 16384);
    scratch = g_malloc (sizeof *scratch + grown);
    scratch->size = grown;
    g_private_replace (&opt_scratch_key, scratch);
  }
  return scratch->data;
}

#endif

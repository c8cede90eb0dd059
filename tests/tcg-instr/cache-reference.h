/* cache-reference.h -- caches written down as obviously as can be, to compare the fast ones with. */
/* SPDX-License-Identifier: MIT */
/*
 * One array of lines a set, each with the times of its arrival and last use; everything is looked for by going through all of it.  Shares nothing with
 * the model but the description of geometries.
 */
#ifndef CACHE_REFERENCE_H
#define CACHE_REFERENCE_H

#include "tcg-instr/tcg-cache-model.h"

typedef struct RefLine {
  bool valid, dirty, ahead;     /* ahead: prefetched and not used yet */
  uint64_t line, arrived, used;
} RefLine;

typedef struct RefCache {
  CacheGeometry g;
  unsigned n_sets, number, core;
  bool code, shared, through, no_allocate;
  RefLine *lines;               /* [set * ways + way] */
  bool *points_up;              /* [set * 64 + node] */
  uint64_t random;
  struct RefCache *below;
  struct RefStride { bool known; uint64_t last; int64_t stride; uint32_t insn; } strides[256];
  uint64_t misses, write_backs, written, prefetches, useful, invalidations, interventions, lost;
} RefCache;

typedef struct Ref {
  CacheConfig config;
  unsigned n_cores, n_caches;
  RefCache caches[64], *data[16], *code[16];
  RefCache *told[3];
  unsigned n_told;
  uint64_t now, reads, writes;
} Ref;

Ref *ref_new (const CacheConfig *config, unsigned n_cores);
void ref_free (Ref *ref);
void ref_access (Ref *ref, unsigned core, uint64_t address, uint32_t bytes, CacheKind kind, uint32_t insn);
RefLine *ref_find (RefCache *cache, uint64_t line);

#endif

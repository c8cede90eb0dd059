/* tcg-tlb-model.h -- one processor's TLBs: instructions', data's, and a second level for both. */
/* SPDX-License-Identifier: MIT */
/*
 * Pages have 4 KiB.  A translation is looked for in its first-level TLB, then in the second, then made by a walk, and is put where it was missing; what one
 * level loses the others keep.  A set is a list: the way used last comes first with LRU; with random replacement a way that is free is
 * taken before a filled one is.
 */
#ifndef TCG_TLB_MODEL_H
#define TCG_TLB_MODEL_H

#include <backplane/tcg/instrument.h>
#include "common/instr-names.h"
#include "common/instr-series.h"

typedef enum TlbReplacement { TLB_LRU, TLB_RANDOM } TlbReplacement;

typedef struct TlbGeometry {
  uint32_t entries, ways;       /* entries = sets * ways, sets a power of two; 0 entries: there is none */
  int replacement;              /* TlbReplacement */
} TlbGeometry;

/* --- one TLB --------------------------------------------------------------------------------- */

#define TLB_NOTHING UINT64_MAX  /* no key is this */

typedef struct Tlb {
  uint64_t *keys;               /* sets of `ways' */
  uint32_t ways;
  uint64_t set_mask;
  bool random;
  uint64_t state;               /* of the random numbers */
} Tlb;

void tlb_init (Tlb *t, const TlbGeometry *geometry, uint64_t seed);
void tlb_finish (Tlb *t);
void tlb_flush (Tlb *t);
/* Whether the key was there; it is now.  set: by which bits of the page. */
bool tlb_access (Tlb *t, uint64_t key);

/* A page of an address space: 45 bits of page number, 19 of the space's. */
enum { TLB_SPACE_BITS = 19, TLB_EVERY_SPACE = 0 };
static inline uint64_t
tlb_key (uint64_t address, uint32_t space)
{
  return (address >> 12) << TLB_SPACE_BITS | space;
}
/* The number of a space whose index is given: never TLB_EVERY_SPACE nor the last one. */
static inline uint32_t
tlb_space_number (uint32_t index)
{
  return 1 + index % ((1u << TLB_SPACE_BITS) - 2);
}

/* --- a processor's --------------------------------------------------------------------------- */

typedef struct TlbConfig {
  TlbGeometry itlb, dtlb, stlb;
  bool asid;                    /* entries survive switches of the address space */
  bool global_upper;            /* those of the upper half belong to all */
  uint64_t seed, interval;
} TlbConfig;

/* What is counted, of an instruction and in all. */
typedef enum TlbEvent { TLB_FETCH_MISS, TLB_LOAD_MISS, TLB_STORE_MISS, TLB_FETCH_WALK, TLB_LOAD_WALK, TLB_STORE_WALK, N_TLB_EVENTS } TlbEvent;

typedef struct TlbCount {
  uint64_t n[N_TLB_EVENTS];
} TlbCount;

enum { TLB_SERIES_INSNS, TLB_SERIES_ITLB, TLB_SERIES_DTLB, TLB_SERIES_WALKS, N_TLB_SERIES };
enum { TLB_SERIES_BINS = 512 };

typedef struct TlbCore {
  const TlbConfig *config;
  Tlb itlb, dtlb, stlb;
  bool has_stlb;
  bool has_space;               /* the number is that of the latest batch */
  uint32_t space;
  uint64_t switches, lost;
  TlbCount *by_insn;            /* by BpInsn.id: the caller's */
  uint32_t n_by_insn;
  TlbCount total[INSTR_PRIVILEGES];
  InstrSeries series;
  uint64_t sampled[N_TLB_SERIES];
} TlbCore;

void tlb_core_init (TlbCore *c, const TlbConfig *config, TlbCount *by_insn, uint32_t n_by_insn);
void tlb_core_finish (TlbCore *c);
/* What follows was executed in this space (tlb_space_number). */
void tlb_core_space (TlbCore *c, uint32_t space);
/* LOAD, STORE and FETCH. */
void tlb_core_records (TlbCore *c, const BpRecord *records, size_t n, const BpSite *sites);
void tlb_core_sum (const TlbCore *c, TlbCount *sum);
/* Into the series: what came since the last time, when so many instructions had been executed. */
void tlb_core_sample (TlbCore *c, uint64_t insns);

#endif

/* tcg-bbv-vector.h -- one vCPU's basic block vectors: instructions by block, a line of text each interval. */
/* SPDX-License-Identifier: MIT */
/*
 * What comes is numbers of sites, each of which stands for a block that was entered, with so many instructions, or for instructions of the block entered last
 * that were not executed.  A site is counted where it is found, 16 bytes that are touched once a record; blocks are looked at when an interval ends.
 */
#ifndef TCG_BBV_VECTOR_H
#define TCG_BBV_VECTOR_H

#include "common/instr-array.h"
#include "common/instr-file.h"

typedef struct BbvSite {
  uint64_t times;               /* in this interval */
  int32_t insns;                /* each time; below 0: of the block that was entered last, so many were not executed; 0: not known yet */
  uint32_t block;
} BbvSite;

typedef struct BbvVector {
  InstrFile file;
  uint64_t interval;            /* instructions */
  uint64_t in_interval;         /* executed in the one that is open */
  uint64_t n_intervals, written_insns;  /* that were closed, and the instructions in them */
  uint64_t longest;             /* instructions in an interval: the interval, and what was left of a block */
  InstrArray sites;             /* of BbvSite */
  uint32_t *touched;            /* sites whose `times' is not 0 */
  uint32_t n_touched, room;
} BbvVector;

/* Makes the file.  false, with error: it cannot be written. */
bool bbv_vector_init (BbvVector *v, const void *self, const char *path, uint64_t interval, GError **error);
/* Closes the file; with partial, the open interval is written, too. */
void bbv_vector_close (BbvVector *v, bool partial);
void bbv_vector_finish (BbvVector *v);
void bbv_vector_end_interval (BbvVector *v);
void bbv_vector_touch (BbvVector *v, uint32_t site);

static inline BbvSite *
bbv_vector_site (BbvVector *v, uint32_t site)
{
  return (BbvSite *) v->sites.items + site;
}

/* A record of a site that is known.  An interval ends before the first block that is entered when the interval's instructions have been executed. */
static inline void
bbv_vector_add (BbvVector *v, uint32_t site)
{
  BbvSite *s = bbv_vector_site (v, site);
  if (G_UNLIKELY (v->in_interval >= v->interval) && s->insns > 0)
    bbv_vector_end_interval (v);
  if (G_UNLIKELY (!s->times++))
    bbv_vector_touch (v, site);
  v->in_interval += (uint64_t) (int64_t) s->insns;
}

#endif

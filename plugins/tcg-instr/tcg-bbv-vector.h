/* tcg-bbv-vector.h -- one vCPU's basic block vectors: instructions by block, a line of text each interval. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_BBV_VECTOR_H
#define TCG_BBV_VECTOR_H

#include "common/instr-file.h"

typedef struct BbvVector {
  InstrFile file;
  uint64_t interval;            /* instructions */
  uint64_t in_interval;         /* executed in the one that is open */
  uint64_t n_intervals, written_insns;  /* that were closed, and the instructions in them */
  uint64_t longest;             /* instructions in an interval: the interval, and what was left of a block */
  uint64_t *counts;             /* instructions of this interval, by block */
  uint32_t room;
  uint32_t *touched;            /* the blocks whose count may not be 0, in no order */
  uint32_t n_touched, touched_room;
} BbvVector;

/* Makes the file.  false, with error: it cannot be written. */
bool bbv_vector_init (BbvVector *v, const void *self, const char *path, uint64_t interval, GError **error);
/* Closes the file; with partial, the open interval is written, too. */
void bbv_vector_close (BbvVector *v, bool partial);
void bbv_vector_finish (BbvVector *v);
void bbv_vector_end_interval (BbvVector *v);
void bbv_vector_grow (BbvVector *v, uint32_t block);

/* A block was entered, of which n instructions were executed; blocks are numbered from 0.  An interval ends before the first block that is entered when the
 * interval's instructions have been executed. */
static inline void
bbv_vector_add (BbvVector *v, uint32_t block, uint32_t n)
{
  if (G_UNLIKELY (v->in_interval >= v->interval))
    bbv_vector_end_interval (v);
  if (G_UNLIKELY (block >= v->room || v->n_touched == v->touched_room))
    bbv_vector_grow (v, block);
  if (!v->counts[block])
    v->touched[v->n_touched++] = block;
  v->counts[block] += n;
  v->in_interval += n;
}

/* The block that was added last was left early: n of its instructions were not executed. */
static inline void
bbv_vector_take_back (BbvVector *v, uint32_t block, uint32_t n)
{
  if (block < v->room && v->counts[block] >= n) {
    v->counts[block] -= n;
    v->in_interval -= n;
  }
}

#endif

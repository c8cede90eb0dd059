/* instr-spaces.h -- address spaces numbered as they come, so that counts by process are an index away. */
/* SPDX-License-Identifier: MIT */
/*
 * One a vCPU, without a lock; merged for the report by the spaces' values.  Linux reuses page tables' pages: a space is as good a name of a process as
 * the hardware has.
 */
#ifndef TCG_INSTR_SPACES_H
#define TCG_INSTR_SPACES_H

#include <backplane/common.h>

typedef struct InstrSpaces {
  uint64_t *spaces;             /* n, in the order in which they came */
  uint32_t n;
  uint32_t last;                /* the index found last */
  uint32_t *slots;              /* open addressing: index + 1, 0: free */
  uint32_t n_slots;             /* a power of two, more than twice n */
} InstrSpaces;

void instr_spaces_init (InstrSpaces *s);
void instr_spaces_finish (InstrSpaces *s);
uint32_t instr_spaces_find (InstrSpaces *s, uint64_t space);

/* The space's number: 0, 1, 2 ... */
static inline uint32_t
instr_spaces_index (InstrSpaces *s, uint64_t space)
{
  return s->n && s->spaces[s->last] == space ? s->last : instr_spaces_find (s, space);
}

#endif

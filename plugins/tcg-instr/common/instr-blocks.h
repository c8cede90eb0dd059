/* instr-blocks.h -- the distinct blocks of guest code that an instrument was told of, numbered as they come. */
/* SPDX-License-Identifier: MIT */
/*
 * A block is the same when it begins with the same instruction, ends with the same, and has as many: it may be translated any number of times.  Blocks are
 * found within BpInstrumentOps.block, under the translator's lock; others may look at those below `n' at any time.
 */
#ifndef TCG_INSTR_BLOCKS_H
#define TCG_INSTR_BLOCKS_H

#include <backplane/tcg/instrument.h>
#include "instr-array.h"

enum { INSTR_MAX_BLOCKS = 1 << 22 };    /* those beyond share the last number */

typedef struct InstrBlock {
  const BpInsn *first, *last;
  const BpInsn **insns;         /* n_insns; NULL unless asked for */
  uint32_t n_insns, bytes;
  uint32_t next;                /* index + 1 of another one with the same first instruction; 0: none */
  BpCounter entered, executed;  /* the instrument's: lazy counters */
  uint32_t user;                /* the instrument's */
} InstrBlock;

typedef struct InstrBlocks {
  InstrArray blocks;            /* of InstrBlock */
  InstrArray heads;             /* uint32_t by BpInsn.id: index + 1 of the first */
  uint32_t n;
  bool keeps_insns;
} InstrBlocks;

bool instr_blocks_init (InstrBlocks *b, bool keeps_insns, GError **error);
void instr_blocks_finish (InstrBlocks *b);
/* The block's entry, made when it is not there yet (is_new). [vcpu], in `block' */
InstrBlock *instr_blocks_find (InstrBlocks *b, const BpInstrBlock *block, bool *is_new);

static inline InstrBlock *
instr_blocks_at (const InstrBlocks *b, uint32_t index)
{
  return (InstrBlock *) b->blocks.items + index;
}
static inline uint32_t
instr_blocks_index (const InstrBlocks *b, const InstrBlock *block)
{
  return (uint32_t) (block - (const InstrBlock *) b->blocks.items);
}

#endif

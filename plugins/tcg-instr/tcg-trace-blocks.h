/* tcg-trace-blocks.h -- blocks of guest code by number, for records that tell of whole blocks. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_TRACE_BLOCKS_H
#define TCG_TRACE_BLOCKS_H

#include <backplane/tcg/instrument.h>

/* Instructions that are executed one behind the other, unless the block is left early. */
typedef struct TraceBlock {
  unsigned n;
  const BpInsn *insn[];
} TraceBlock;

typedef struct TraceBlocks TraceBlocks;
TraceBlocks *trace_blocks_new (void);
void trace_blocks_free (TraceBlocks *blocks);
/* A number from 1 on; the same again for the same instructions, if they are what was last told to begin with the first of them.  One thread at a time. */
uint32_t trace_blocks_add (TraceBlocks *blocks, const BpInsn *const *insn, unsigned n);
/* [any], for numbers that were given. */
const TraceBlock *trace_blocks_at (const TraceBlocks *blocks, uint32_t number);

#endif

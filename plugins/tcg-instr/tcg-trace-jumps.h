/* tcg-trace-jumps.h -- interrupts and exceptions that were told at once, waiting for the records that come later. */
/* SPDX-License-Identifier: MIT */
/*
 * Instruments are told of jumps on the vCPU's thread, when they happen; records arrive afterwards, perhaps on another thread.  Where among the
 * instructions a jump belongs is found by where it leads to: its handler's first instruction does not follow the one before it.
 */
#ifndef TCG_TRACE_JUMPS_H
#define TCG_TRACE_JUMPS_H

#include <backplane/tcg/instrument.h>

typedef struct JumpQueue JumpQueue;
JumpQueue *jump_queue_new (void);
void jump_queue_free (JumpQueue *queue);
/* One thread puts, one thread takes. */
void jump_queue_put (JumpQueue *queue, const BpJump *jump);
bool jump_queue_is_empty (const JumpQueue *queue);
/* The oldest jump to `address`, which is taken out with all before it; false: there is none. */
bool jump_queue_take (JumpQueue *queue, uint64_t address, BpJump *out);

#endif

/* tcg-trace-jumps.h -- interrupts and exceptions that were told at once, waiting for the records that come later. */
/* SPDX-License-Identifier: MIT */
/*
 * Instruments are told of jumps on the vCPU's thread, when they happen; records arrive afterwards, perhaps on another thread.  A position says where a jump
 * belongs: how many of something that both sides count came before it, the vCPU in a live counter, the consumer in its records.  When records were
 * lost the consumer does not know how many; then it finds its place again by where a jump leads to.
 */
#ifndef TCG_TRACE_JUMPS_H
#define TCG_TRACE_JUMPS_H

#include <backplane/tcg/instrument.h>

typedef struct JumpQueue JumpQueue;
JumpQueue *jump_queue_new (void);
void jump_queue_free (JumpQueue *queue);
/* One thread puts, one thread takes. */
void jump_queue_put (JumpQueue *queue, const BpJump *jump, uint64_t position);
/* The oldest jump, when it is not behind `position'; false: there is none. */
bool jump_queue_take (JumpQueue *queue, uint64_t position, BpJump *out);
/* The oldest jump to `address', which is taken out with all before it, and its position; false: there is none. */
bool jump_queue_find (JumpQueue *queue, uint64_t address, BpJump *out, uint64_t *position);

#endif

/* clock.h -- the machine's clocks and timers. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  All times are nanoseconds, signed 64 bits.  Timers fire [locked]: those of the realtime clock, and of the host's but in deterministic mode, [main]; others
 * [main], or on the thread of a vCPU, in deterministic mode and when a guest asks for the time and they are late.
 *   virtual   stops with the machine; in deterministic mode it follows executed instructions
 *   realtime  the host's monotonic clock, never stops
 *   host      the host's wall clock (CLOCK_REALTIME), may jump; in deterministic mode: a fixed start + virtual
 */
#ifndef BACKPLANE_CLOCK_H
#define BACKPLANE_CLOCK_H

#include <backplane/common.h>
BP_BEGIN_DECLS

typedef enum BpClock { BP_CLOCK_VIRTUAL, BP_CLOCK_REALTIME, BP_CLOCK_HOST } BpClock;
#define BP_NS_PER_SECOND INT64_C (1000000000)

/* [any] */
BP_EXPORT int64_t bp_clock_now (BpMachine *machine, BpClock clock);
/* Whether the descriptor asked for deterministic mode ([clock] mode = instructions).  *shift, if shift is not NULL: an instruction takes 2^*shift ns then. [any] */
BP_EXPORT bool bp_machine_is_deterministic (BpMachine *machine, unsigned *shift);
/* value * num / den, rounded down, without overflow on the way; den is not 0, none is negative, and of what does not fit 64 bits the low ones are left.
 * Ticks of `num' Hz: bp_muldiv (ns, num, BP_NS_PER_SECOND) */
static inline uint64_t bp_muldiv (uint64_t value, uint64_t num, uint64_t den)
{ return (uint64_t) (__extension__ (unsigned __int128) value * num / den); }

/* A one-shot timer of `self', disarmed at first; armed, it fires once when its clock gets to `at', with `user'.  Made in realize, and freed by its owner in unrealize
 * at the latest: one that is armed still does not fire any more, and who forgot it is named on the terminal.  Whether and when it fires is saved by a row of the
 * state table (BP_STATE_FIELD_TIMER), which is for timers of realize. [main] */
BP_EXPORT BpTimer *bp_timer_new (void *self, BpClock clock, void (*fire) (void *user), void *user);
BP_EXPORT void bp_timer_free (BpTimer *timer);                 /* NULL is fine; an armed one does not fire any more. [locked] */
BP_EXPORT void bp_timer_arm (BpTimer *timer, int64_t at);      /* absolute, ns; armed again, it forgets the first time.  In the past: soon, never within this call. [any][locked] */
BP_EXPORT void bp_timer_cancel (BpTimer *timer);               /* also one that is not armed; it does not fire any more. [any][locked] */
BP_EXPORT bool bp_timer_is_armed (const BpTimer *timer);       /* [any]; not armed while it fires */
BP_EXPORT int64_t bp_timer_expiry (const BpTimer *timer);      /* meaningful while armed. [any] */

BP_END_DECLS
#endif

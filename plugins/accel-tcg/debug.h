/* debug.h -- a debugger's breakpoints, watchpoints and steps: what the loop, the translator and the software TLB ask. */
/* SPDX-License-Identifier: MIT */
/*
 * Nobody asks anything while m->debug is NULL.  With a debugger, blocks are cut before each instruction that has a breakpoint and none begins with
 * it; so every way there, chained or looked up, leads back to the loop, which looks before it finds the block.  Watched pages are TLB_BREAKPOINT,
 * as those of the guest's own debug registers.  All is set while every vCPU is stopped, and read without a lock.
 */
#ifndef ACCEL_TCG_DEBUG_H
#define ACCEL_TCG_DEBUG_H

#include <backplane/iface/accel.h>
#include "tcg.h"

struct TcgMachine;

typedef struct TcgDebug {
  const BpDebugger *debugger;
  void *user;
  GArray *points;               /* of BpDebugPoint */
  unsigned n_breaks, n_watches;
  uint64_t serial;              /* atomic: of stops so far */
} TcgDebug;

/* Of a vCPU; without a debugger all zero, and that is BP_DEBUG_RUN. */
typedef struct VcpuDebug {
  BpDebugResume how;
  bool alone;                   /* the instruction that is executed is stepped, or stepped over a breakpoint */
  bool hit;                     /* it has touched what is watched: hit_kind, hit_address */
  bool stopped;                 /* stop tells why, until somebody asks */
  BpDebugKind hit_kind;
  uint64_t hit_address;
  BpDebugStop stop;
} VcpuDebug;

static inline bool debug_is_break (BpDebugKind kind) { return kind == BP_DEBUG_SOFTWARE || kind == BP_DEBUG_HARDWARE; }
static inline const BpDebugPoint *debug_point (const TcgDebug *d, unsigned i) { return &g_array_index (d->points, BpDebugPoint, i); }

/* debug-points.c: [vcpu], with m->debug set */
const BpDebugPoint *debug_find_break (const TcgDebug *d, uint64_t pc);  /* hardware before software: it is there earlier */
bool debug_cuts (const struct TcgMachine *m, uint64_t pc);              /* a breakpoint at the linear address */
bool debug_watches_page (const struct TcgMachine *m, uint64_t page);
/* An access to a page that is watched; true: it strikes, and must be made by an instruction alone in its block. */
bool debug_watch (TcgVcpu *v, uint64_t address, unsigned size, BpMmuAccess access, bool alone);
void debug_forget_hit (TcgVcpu *v);     /* the instruction is not done: it will strike again */

/* debug.c: [vcpu], with m->debug set */
/* The instruction that ran, or the event that was taken, may be what was waited for.  false: the vCPU stays. */
bool debug_settle (TcgVcpu *v);
void debug_event_taken (TcgVcpu *v);
bool debug_may_run (TcgVcpu *v);        /* what is at the present pc; false: a breakpoint */
bool debug_wants_alone (TcgVcpu *v);    /* one instruction in a block of its own: the caller sets `alone' for as long as that lasts */
uint32_t debug_pending (TcgVcpu *v, uint32_t pending);  /* without what waits while a debugger steps */

/* BpAccelIface: [main], vCPUs stopped */
bool debug_attach (struct TcgMachine *m, const BpDebugger *debugger, void *user);
bool debug_insert (struct TcgMachine *m, const BpDebugPoint *point);
bool debug_remove (struct TcgMachine *m, const BpDebugPoint *point);
void debug_resume (TcgVcpu *v, const BpDebugResume *how);
bool debug_take_stop (TcgVcpu *v, BpDebugStop *stop);
void debug_forget (TcgVcpu *v);         /* its registers were replaced */

#endif

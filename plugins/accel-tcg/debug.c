/* debug.c -- a debugger attaches, sets points and steps; a vCPU stops for it.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "machine-tcg.h"

/* --- on the vCPU's thread ------------------------------------------------------------------ */

static void
stop_here (TcgVcpu *v, BpDebugKind kind, uint64_t address)
{
  TcgDebug *d = v->machine->debug;
  VcpuDebug *x = &tcg_extra (v)->debug;
  uint64_t serial = __atomic_add_fetch (&d->serial, 1, __ATOMIC_RELAXED);
  x->stop = (BpDebugStop) { .struct_size = sizeof (BpDebugStop), .kind = kind, .address = address, .serial = serial };
  x->stopped = true;
  x->alone = false;
  x->how = (BpDebugResume) { .struct_size = sizeof (BpDebugResume), .action = BP_DEBUG_STAY };
  fp_leave (v);
  d->debugger->stopped (d->user, v->vcpu);
}

/* The instruction has been executed, or an event has come of it. */
static void
one_is_done (TcgVcpu *v)
{
  VcpuDebug *x = &tcg_extra (v)->debug;
  uint64_t pc = tcg_linear_pc (v);
  x->alone = false;
  x->how.flags &= ~(uint32_t) BP_DEBUG_OVER;
  if (x->how.action == BP_DEBUG_ONE && !(pc >= x->how.first && pc < x->how.end))
    stop_here (v, BP_DEBUG_STEP, pc);
}

bool
debug_settle (TcgVcpu *v)
{
  VcpuDebug *x = &tcg_extra (v)->debug;
  if (G_UNLIKELY (x->hit)) {
    x->hit = false;
    fp_leave (v);
    bp_vcpu_lower (v->vcpu, BP_VCPU_DEBUG);
    stop_here (v, x->hit_kind, x->hit_address);
  }
  if (x->alone && !tcg_extra (v)->one_insn)
    one_is_done (v);
  return x->how.action != BP_DEBUG_STAY;
}

void
debug_event_taken (TcgVcpu *v)
{
  VcpuDebug *x = &tcg_extra (v)->debug;
  x->how.flags &= ~(uint32_t) BP_DEBUG_OVER;
  if (x->how.action == BP_DEBUG_ONE)
    one_is_done (v);
}

bool
debug_may_run (TcgVcpu *v)
{
  TcgDebug *d = v->machine->debug;
  VcpuDebug *x = &tcg_extra (v)->debug;
  if (!debug_settle (v))
    return false;
  if (!d->n_breaks || x->how.flags & BP_DEBUG_OVER)
    return true;
  uint64_t pc = tcg_linear_pc (v);
  const BpDebugPoint *p = debug_find_break (d, pc);
  if (!p || (p->kind == BP_DEBUG_SOFTWARE && !tcg_code_is_there (v, pc)))
    return true;                /* (the fetch raises, and comes again) */
  stop_here (v, p->kind, pc);
  return false;
}

bool
debug_wants_alone (TcgVcpu *v)
{
  const BpDebugResume *how = &tcg_extra (v)->debug.how;
  return how->action == BP_DEBUG_ONE || how->flags & BP_DEBUG_OVER;
}

/* A halted CPU waits for an interrupt: there is nothing else to step. */
uint32_t
debug_pending (TcgVcpu *v, uint32_t pending)
{
  const BpDebugResume *how = &tcg_extra (v)->debug.how;
  bool masked = how->flags & (BP_DEBUG_OVER | BP_DEBUG_NO_INTERRUPTS) && !v->frontend->is_halted (v);
  return masked && BP_TABLE_HAS (v->frontend, debug_masked) ? pending & ~v->frontend->debug_masked : pending;
}

/* --- on the main loop's, while all are stopped -------------------------------------------------- */

/* Blocks that hold the instruction, or what may be one there; and those that may come back unmade. */
static void
drop_blocks (TcgMachine *m, uint64_t pc)
{
  g_mutex_lock (&m->lock);
  for (unsigned region = 0; region < m->n_regions; region++) {
    uint32_t n;
    Tb **blocks = tb_region_blocks (m, region, &n);
    for (uint32_t i = 0; i < n; i++)
      if (pc - (blocks[i]->key.pc - blocks[i]->n_before) < (uint64_t) blocks[i]->n_before + blocks[i]->n_bytes)
        tb_invalidate (m, blocks[i]);
  }
  memset (m->retired, 0, sizeof m->retired);
  g_mutex_unlock (&m->lock);
}

static void
flush_tlbs (TcgMachine *m)
{
  for (unsigned i = 0; i < m->vcpus->len; i++)
    tlb_flush_all (m->vcpus->pdata[i]);
}

static void
count_point (TcgMachine *m, const BpDebugPoint *p, int by)
{
  if (debug_is_break (p->kind)) {
    m->debug->n_breaks += (unsigned) by;
  } else {
    m->debug->n_watches += (unsigned) by;
    flush_tlbs (m);
  }
}

static int
find_point (const TcgDebug *d, const BpDebugPoint *like)
{
  for (unsigned i = 0; i < d->points->len; i++) {
    const BpDebugPoint *p = debug_point (d, i);
    if (p->kind == like->kind && p->address == like->address && (debug_is_break (p->kind) || p->size == like->size))
      return (int) i;
  }
  return -1;
}

bool
debug_insert (TcgMachine *m, const BpDebugPoint *point)
{
  if (!m->debug || point->kind >= BP_DEBUG_STEP || (!debug_is_break (point->kind) && point->size == 0))
    return false;
  if (find_point (m->debug, point) >= 0)
    return true;
  g_array_append_val (m->debug->points, *point);
  count_point (m, point, 1);
  if (debug_is_break (point->kind))
    drop_blocks (m, point->address);
  return true;
}

/* Blocks that were cut there are right as they are. */
bool
debug_remove (TcgMachine *m, const BpDebugPoint *point)
{
  int i = m->debug ? find_point (m->debug, point) : -1;
  if (i < 0)
    return false;
  g_array_remove_index_fast (m->debug->points, (guint) i);
  count_point (m, point, -1);
  return true;
}

void
debug_forget (TcgVcpu *v)
{
  debug_forget_hit (v);
  tcg_extra (v)->debug.alone = false;
}

static void
detach (TcgMachine *m)
{
  TcgDebug *d = m->debug;
  if (!d)
    return;
  m->debug = NULL;
  if (d->n_watches)
    flush_tlbs (m);
  for (unsigned i = 0; i < m->vcpus->len; i++) {
    debug_forget (m->vcpus->pdata[i]);
    memset (&tcg_extra (m->vcpus->pdata[i])->debug, 0, sizeof (VcpuDebug));
  }
  g_array_unref (d->points);
  g_free (d);
}

bool
debug_attach (TcgMachine *m, const BpDebugger *debugger, void *user)
{
  if (!debugger) {
    detach (m);
    return true;
  }
  if (m->debug)
    return false;
  TcgDebug *d = g_new0 (TcgDebug, 1);
  d->debugger = debugger;
  d->user = user;
  d->points = g_array_new (false, false, sizeof (BpDebugPoint));
  m->debug = d;
  return true;
}

void
debug_resume (TcgVcpu *v, const BpDebugResume *how)
{
  tcg_extra (v)->debug.how = *how;
}

bool
debug_take_stop (TcgVcpu *v, BpDebugStop *stop)
{
  VcpuDebug *x = &tcg_extra (v)->debug;
  if (!x->stopped)
    return false;
  x->stopped = false;
  *stop = x->stop;
  return true;
}

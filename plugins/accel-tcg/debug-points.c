/* debug-points.c -- where a debugger's breakpoints and watchpoints are, and accesses that strike.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include "machine-tcg.h"

/* --- points ----------------------------------------------------------------------------- */

const BpDebugPoint *
debug_find_break (const TcgDebug *d, uint64_t pc)
{
  const BpDebugPoint *found = NULL;
  for (unsigned i = 0; d->n_breaks && i < d->points->len; i++) {
    const BpDebugPoint *p = debug_point (d, i);
    if (debug_is_break (p->kind) && p->address == pc && (!found || p->kind == BP_DEBUG_HARDWARE))
      found = p;
  }
  return found;
}

static bool
touches (const BpDebugPoint *p, uint64_t address, uint64_t size)
{
  return address - p->address < p->size || p->address - address < size;
}

static const BpDebugPoint *
find_watch (const TcgDebug *d, uint64_t address, unsigned size, BpMmuAccess access)
{
  for (unsigned i = 0; i < d->points->len; i++) {
    const BpDebugPoint *p = debug_point (d, i);
    bool fits = p->kind == BP_DEBUG_ACCESS || p->kind == (access == BP_MMU_STORE ? BP_DEBUG_WRITE : BP_DEBUG_READ);
    if (fits && touches (p, address, size))
      return p;
  }
  return NULL;
}

bool
debug_cuts (const TcgMachine *m, uint64_t pc)
{
  return debug_find_break (m->debug, pc) != NULL;
}

bool
debug_watches_page (const TcgMachine *m, uint64_t page)
{
  const TcgDebug *d = m->debug;
  for (unsigned i = 0; d->n_watches && i < d->points->len; i++)
    if (!debug_is_break (debug_point (d, i)->kind) && touches (debug_point (d, i), page, 1u << TLB_PAGE_BITS))
      return true;
  return false;
}

/* --- what strikes: on the vCPU's thread -------------------------------------------------- */

bool
debug_watch (TcgVcpu *v, uint64_t address, unsigned size, BpMmuAccess access, bool alone)
{
  VcpuDebug *x = &tcg_extra (v)->debug;
  const BpDebugPoint *p = find_watch (v->machine->debug, address, size, access);
  if (!p || x->hit)
    return false;
  if (!alone)
    return true;
  x->hit = true;
  x->hit_kind = p->kind;
  x->hit_address = MAX (address, p->address);
  fp_leave (v);
  bp_vcpu_raise (v->vcpu, BP_VCPU_DEBUG);       /* for who would go on and on within one instruction */
  tcg_leave_soon (v);
  return false;
}

void
debug_forget_hit (TcgVcpu *v)
{
  VcpuDebug *x = &tcg_extra (v)->debug;
  if (!x->hit)
    return;
  x->hit = false;
  fp_leave (v);
  bp_vcpu_lower (v->vcpu, BP_VCPU_DEBUG);
}

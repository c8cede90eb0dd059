/* instr-events.c -- what happens on a vCPU's thread and instruments are told: accesses, jumps, address spaces, faults.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include "instr.h"

/* --- helpers' accesses ------------------------------------------------------------------------ */

static Tb *
current_block (TcgVcpu *v, int *insn)
{
  Tb *tb = v->ret_pc ? tb_left (tb_at (v->machine, v->ret_pc - 1)) : NULL;
  *insn = tb ? tb_insn_at (tb, (const uint8_t *) v->ret_pc - 1) : -1;
  return *insn >= 0 && tb->instr ? tb : NULL;
}

static void
call_access (TcgVcpu *v, const InstrMemory *r, uint64_t address, uint64_t value, unsigned bytes, bool is_store, bool is_atomic, unsigned mmu)
{
  VcpuInstr *x = v->instr;
  const Instr *in = x->all->slot[r->channel], *last = instr_enter (x, in);
  uint64_t physical = instr_physical (v, address, is_store ? BP_MMU_STORE : BP_MMU_LOAD, mmu);
  BpAccess access = { .struct_size = sizeof access, .bytes = bytes, .address = address, .physical = physical,
                      .value = bytes < 8 ? value & ((UINT64_C (1) << 8 * bytes) - 1) : value, .is_store = is_store, .is_atomic = is_atomic,
                      .is_device = physical != UINT64_MAX && !phys_range (v, physical)->host };
  r->call (in->user, bp_vcpu_index (v->vcpu), r->guest, &access, r->data);
  instr_enter (x, last);
}

/* Generated code: how = bytes | store << 8 | atomic << 9 | MMU index << 16. */
static void
access_called (void *env, uint64_t request, uint64_t address, uint64_t value, uint64_t how)
{
  call_access (env, (const InstrMemory *) (uintptr_t) request, address, value, (unsigned) how & 0xff, how >> 8 & 1, how >> 9 & 1, (unsigned) (how >> 16));
}

static uint32_t
helper_site (TcgVcpu *v, InstrMemory *r, bool is_store, unsigned mmu)
{
  TcgInstr *a = v->instr->all;
  if (!r->site[is_store] || a->site[r->site[is_store]].mmu != mmu) {
    BpSite site = { .insn = r->guest, .kind = is_store ? BP_RECORD_STORE : BP_RECORD_LOAD, .flags = BP_SITE_HELPER, .user = r->user, .mmu = mmu };
    r->site[is_store] = instr_site (a, &site);
  }
  return r->site[is_store];
}

static void
act_on (TcgVcpu *v, InstrMemory *r, uint64_t address, uint64_t value, unsigned bytes, bool is_store, unsigned mmu)
{
  TcgInstr *a = v->instr->all;
  switch ((InstrMemoryAct) r->act) {
  case INSTR_MEMORY_RECORD: {
    const InstrFilter *f = r->filter ? &a->filter[r->filter - 1] : NULL;
    uint32_t wide = a->slot[r->channel]->wide ? BP_IR_RECORD_WIDE : 0;
    if (!f || instr_passes (v, f, r->filter, address, bytes, is_store))
      instr_append (v, address, value, helper_site (v, r, is_store, mmu), bytes, r->channel | wide);
    break;
  }
  case INSTR_MEMORY_COUNT:
    tcg_score_add (v->score, r->counter, r->n);
    break;
  case INSTR_MEMORY_CALL:
    call_access (v, r, address, value, bytes, is_store, false, mmu);
    break;
  }
}

void
instr_accessed (TcgVcpu *v, uint64_t address, uint64_t value, unsigned bytes, bool is_store, unsigned mmu)
{
  int insn;
  Tb *tb = current_block (v, &insn);
  if (!tb)
    return;                     /* the CPU itself: it delivers an event */
  InstrTb *t = tb->instr;
  for (unsigned i = 0; i < t->n_memory; i++)
    if (t->memory[i].insn == insn && t->memory[i].which & (is_store ? BP_STORES : BP_LOADS)) {
      fp_leave (v);
      act_on (v, &t->memory[i], address, value, bytes, is_store, mmu);
    }
}

/* --- calls ---------------------------------------------------------------------------------------- */

static void
call_called (void *env, uint64_t request)
{
  TcgVcpu *v = env;
  const InstrCall *c = (const InstrCall *) (uintptr_t) request;
  const Instr *last = instr_enter (v->instr, c->instr);
  c->call (c->instr->user, bp_vcpu_index (v->vcpu), c->insn, c->data);
  instr_enter (v->instr, last);
}

static void instr_reached (void *env, uint64_t what);

#define CALL(flags_) { .name = "instr_call", .function = (void (*) (void)) call_called, .flags = (flags_), .n_args = 2, \
                       .arg_type = { BP_IR_I64, BP_IR_I64 } }
#define ACCESS(flags_) { .name = "instr_access", .function = (void (*) (void)) access_called, .flags = (flags_), .n_args = 5, \
                         .arg_type = { BP_IR_I64, BP_IR_I64, BP_IR_I64, BP_IR_I64, BP_IR_I64 } }
/* By BP_CALL_*: what of the registers the function may look at is in the state; nothing else is promised of it. */
const BpIrHelper instr_call_helper[3] = { CALL (BP_HELPER_NO_GLOBALS), CALL (BP_HELPER_NO_WRITE), CALL (0) };
const BpIrHelper instr_access_helper[3] = { ACCESS (BP_HELPER_NO_GLOBALS), ACCESS (BP_HELPER_NO_WRITE), ACCESS (0) };
const BpIrHelper instr_reached_helper = { .name = "instr_reached", .function = (void (*) (void)) instr_reached, .flags = BP_HELPER_NO_WRITE,
                                          .n_args = 2, .arg_type = { BP_IR_I64, BP_IR_I64 } };

/* --- events ------------------------------------------------------------------------------------------- */

#define TELL_RUNNING(v, member, ...) \
  for (unsigned i_ = 0; i_ < INSTR_MAX; i_++) \
    if ((v)->instr->all->slot[i_] && (v)->instr->mask >> i_ & 1) \
      INSTR_TELL (v, (v)->instr->all->slot[i_], member, bp_vcpu_index ((v)->vcpu), __VA_ARGS__)

void
instr_jump (TcgVcpu *v, BpJumpKind kind, uint64_t from)
{
  BpTbKey key;
  v->frontend->key (v, &key);
  BpJump jump = { .struct_size = sizeof jump, .kind = kind, .from = from, .to = key.pc };
  if (!v->instr->mask)
    return;
  instr_deliver_all (v);
  TELL_RUNNING (v, jump, &jump);
}

void
instr_filters_forget (TcgVcpu *v, unsigned channel)
{
  TcgInstr *a = v->instr->all;
  for (unsigned i = 0; i < INSTR_FILTERS; i++)
    if (a->filter[i].used && (channel == INSTR_MAX || a->filter[i].channel == channel))
      for (unsigned k = 0; k < a->filter[i].entries; k++)
        v->line[i][k] = (InstrLine) { INSTR_NO_LINE, INSTR_NO_LINE };
}

void
instr_translations_change (TcgVcpu *v)
{
  if (!v->instr->mask)
    return;
  fp_leave (v);
  for (unsigned i = 0; i < INSTR_MAX; i++)      /* what these records' pages are is asked now */
    if (v->instr->mask >> i & 1 && v->instr->all->slot[i]->wide)
      instr_deliver (v, i);
  instr_filters_forget (v, INSTR_MAX);
}

void
instr_space (TcgVcpu *v, uint64_t space)
{
  VcpuInstr *x = v->instr;
  space &= TLB_PAGE_MASK;
  if (space == x->space)
    return;
  fp_leave (v);
  instr_deliver_all (v);
  instr_filters_forget (v, INSTR_MAX);
  x->space = space;
  TELL_RUNNING (v, space, space);
  if (x->all->has_selections) {
    x->serial = x->all->serial - 1;     /* the mask is looked at again before the next block */
    tcg_leave_soon (v);
  }
}

static void
vcpu_event (TcgVcpu *v, BpVcpuEvent event)
{
  TcgInstr *a = v->instr->all;
  instr_deliver_all (v);
  for (unsigned i = 0; i < INSTR_MAX; i++)
    if (a->slot[i])
      INSTR_TELL (v, a->slot[i], vcpu, bp_vcpu_index (v->vcpu), event);
}

void
instr_begin (TcgVcpu *v)
{
  TcgInstr *a = v->instr->all;
  g_mutex_lock (&a->m->lock);   /* who found that nobody runs is done with the counters, or sees that this one does */
  __atomic_store_n (&a->settled, false, __ATOMIC_RELAXED);
  g_mutex_unlock (&a->m->lock);
  if (!v->instr->started)
    vcpu_event (v, BP_VCPU_START);
  v->instr->started = true;
}

void
instr_end (TcgVcpu *v)
{
  vcpu_event (v, BP_VCPU_STOP);
}

void
instr_idle (TcgVcpu *v, bool idle)
{
  if (idle == v->instr->is_idle)
    return;
  v->instr->is_idle = idle;
  vcpu_event (v, idle ? BP_VCPU_IDLE : BP_VCPU_RESUME);
}

/* --- starting and stopping ----------------------------------------------------------------- */

void
instr_kick_all (TcgInstr *a)
{
  __atomic_add_fetch (&a->serial, 1, __ATOMIC_SEQ_CST);
  for (unsigned i = 0; i < a->m->vcpus->len; i++) {
    TcgVcpu *v = a->m->vcpus->pdata[i];
    if (bp_vcpu_is_current (v->vcpu))
      tcg_leave_soon (v);
    else
      bp_vcpu_kick (v->vcpu);
  }
}

void
instr_set_running (BpInstrument *instrument, bool running)
{
  Instr *in = (Instr *) instrument;
  if (running)
    __atomic_store_n (&in->has_run, true, __ATOMIC_RELEASE);
  if (__atomic_exchange_n (&in->running, running, __ATOMIC_SEQ_CST) != running)
    instr_kick_all (in->all);
}

void
instr_marker (TcgVcpu *v, uint64_t number)
{
  TcgInstr *a = v->instr->all;
  fp_leave (v);
  instr_deliver_all (v);
  for (unsigned i = 0; i < INSTR_MAX; i++) {
    Instr *in = a->slot[i];
    if (!in)
      continue;
    if (number == BP_MARKER_START && in->control.start == BP_WHEN_MARKER)
      instr_set_running (&in->instrument, true);
    if (number == BP_MARKER_STOP && in->control.stop == BP_WHEN_MARKER)
      instr_set_running (&in->instrument, false);
    INSTR_TELL (v, in, marker, bp_vcpu_index (v->vcpu), number);
  }
}

/* what: index of the instrument, bit 8: it is to start.  The instruction is begun anew in a block of the other kind. */
void
instr_reached (void *env, uint64_t what)
{
  TcgVcpu *v = env;
  Instr *in = v->instr->all->slot[what & 0xff];
  bool start = what >> 8 & 1;
  if (!in || __atomic_load_n (&in->running, __ATOMIC_ACQUIRE) == start)
    return;
  instr_set_running (&in->instrument, start);
  tcg_begin_again (v);
}

/* instr-events.c -- what happens on a vCPU's thread and instruments are told: accesses, jumps, address spaces, faults.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include "instr.h"

/* --- filters and rings, by hand ---------------------------------------------------------- */

/* Whether the record says something new; the filter remembers it. */
static bool
passes (TcgVcpu *v, const InstrFilter *f, unsigned number, uint64_t address, unsigned bytes, bool is_store)
{
  if (f->is_ranged && address - f->first > f->last - f->first)
    return false;
  if (!f->entries)
    return true;
  uint64_t first = address >> f->shift, last = (address + bytes - 1) >> f->shift;
  InstrLine *line = &v->line[number - 1][first & (f->entries - 1)];
  if (first == last && (is_store && f->stores_apart ? line->store : line->load) == first)
    return false;
  for (uint64_t n = first; n <= last; n++) {
    line = &v->line[number - 1][n & (f->entries - 1)];
    line->load = n;
    line->store = is_store ? n : INSTR_NO_LINE;
  }
  return true;
}

static void
append (TcgVcpu *v, uint64_t address, uint64_t value, uint32_t site, unsigned bytes, uint32_t aux)
{
  unsigned channel = BP_IR_RECORD_CHANNEL (aux), ahead = BP_IR_RECORD_AHEAD (aux);
  size_t size = instr_record_size (aux & BP_IR_RECORD_WIDE);
  BpWideRecord *r = (BpWideRecord *) (v->ring[channel] + (ahead ? ahead - 1 : 0) * size);
  r->address = address;
  r->site = site;
  r->bytes = bytes;
  if (aux & BP_IR_RECORD_WIDE)
    r->value = value;
  if (ahead)
    return;
  v->ring[channel] += size;
  if (v->ring[channel] & INSTR_RING_BYTES) {
    fp_leave (v);
    instr_deliver (v, channel);
  }
}

void
tcg_ring_full (void *env, uint32_t channel)
{
  TcgVcpu *v = env;
  fp_leave (v);
  instr_deliver (v, channel);
}

static bool
code_line_passes (TcgVcpu *v, const InstrFilter *f, unsigned number, uint64_t address, uint32_t id)
{
  InstrLine *line = &v->line[number - 1][address >> f->shift & (f->entries - 1)];
  if ((uint32_t) line->load == id)
    return false;
  line->load = id;
  return true;
}

void
tcg_slow_record (void *env, uint64_t address, uint64_t value, uint64_t imm, uint32_t aux)
{
  TcgVcpu *v = env;
  unsigned number = BP_IR_RECORD_FILTER (aux);
  const InstrFilter *f = number ? &v->instr->all->filter[number - 1] : NULL;
  bool is_code = aux & BP_IR_RECORD_CODE;
  if (f && is_code && !code_line_passes (v, f, number, address, (uint32_t) (imm >> 32)))
    return;
  if (f && !is_code && !passes (v, f, number, address, BP_IR_RECORD_BYTES (aux), aux & BP_IR_RECORD_STORE))
    return;
  append (v, address, value, (uint32_t) imm, 0, aux);
}

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
    if (!f || passes (v, f, r->filter, address, bytes, is_store))
      append (v, address, value, helper_site (v, r, is_store, mmu), bytes, r->channel | wide);
    break;
  }
  case INSTR_MEMORY_COUNT:
    *(uint64_t *) (void *) (v->score + r->counter) += r->n;
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

/* --- instructions that did not happen ---------------------------------------------------------------- */

static void
take_back (TcgVcpu *v, uint32_t counter, uint64_t n)
{
  *(uint64_t *) (void *) (v->score + counter) -= n;
}

/* The record of an instruction that did not happen is among the last ones. */
static void
take_back_record (TcgVcpu *v, unsigned channel, const BpInsn *insn)
{
  VcpuInstr *x = v->instr;
  const Instr *in = x->all->slot[channel];
  size_t size = instr_record_size (in->wide);
  uint8_t *base = x->ring[channel].base, *end = (uint8_t *) v->ring[channel];
  for (uint8_t *p = end; p > base;) {
    p -= size;
    const BpSite *site = &x->all->site[((const BpRecord *) (void *) p)->site];
    if (site->insn != insn)
      return;
    if (site->kind == BP_RECORD_INSN || site->kind == BP_RECORD_BLOCK) {
      __builtin_memmove (p, p + size, (size_t) (end - p) - size);
      v->ring[channel] -= size;
      return;
    }
  }
}

static void
tell_left (TcgVcpu *v, const InstrTb *t, const Tb *tb, unsigned insn)
{
  TcgInstr *a = v->instr->all;
  for (unsigned i = 0; i < t->n_told; i++) {
    unsigned channel = t->told[i].channel;
    const BpSite site = { .insn = t->insn[insn], .kind = BP_RECORD_LEFT, .user = t->told[i].user, .n_insns = t->n_insns - insn, .mmu = tb->cflags >> TB_MMU_SHIFT };
    append (v, t->insn[insn]->address, 0, instr_site (a, &site), 0, channel | (a->slot[channel]->wide ? BP_IR_RECORD_WIDE : 0));
  }
}

/* Counts what was written before the instruction.  The channels in which its own record has been counted already. */
static uint32_t
settle_ahead (TcgVcpu *v, const InstrTb *t, unsigned insn)
{
  uint32_t counted = ~0u;
  for (unsigned k = 0; k < t->n_ahead && !v->instr->at_exit; k++)
    if (t->ahead[k].bytes[insn] != INSTR_COUNTED) {
      v->ring[t->ahead[k].channel] += t->ahead[k].bytes[insn];
      counted &= ~(1u << t->ahead[k].channel);
    }
  v->instr->at_exit = false;
  return counted;
}

void
instr_not_executed (TcgVcpu *v, const Tb *tb, unsigned insn, bool is_left)
{
  const InstrTb *t = tb->instr;
  for (unsigned i = 0; t->slot && i < t->n_tallies; i++) {
    const InstrTally *y = &t->tally[i];
    if (y->last >= insn)
      take_back (v, y->counter, y->n * (y->last - MAX (y->first, insn) + 1u));
  }
  for (unsigned i = 0; i < t->n_whole; i++)
    if (t->whole[i].first >= insn + (t->whole[i].begun && !is_left))
      take_back (v, t->whole[i].counter, t->whole[i].n);
  if (is_left) {                /* what stands in front of the next instruction has not been reached, and nothing is ahead: see instr-weave.c */
    if (insn < t->n_insns)
      tell_left (v, t, tb, insn);
    return;
  }
  for (unsigned i = 0; i < t->n_live; i++)
    if (t->live[i].first == insn)       /* those behind it have not been reached */
      take_back (v, t->live[i].counter, t->live[i].n);
  uint32_t counted = settle_ahead (v, t, insn);
  for (unsigned c = 0; c < INSTR_MAX; c++)
    if (instr_mask (tb->cflags) >> c & counted >> c & 1 && v->instr->ring[c].base)
      take_back_record (v, c, t->insn[insn]);
  if (insn)                     /* else the block's own record was taken back */
    tell_left (v, t, tb, insn);
}

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
  v->instr->all->settled = false;
  if (!v->instr->started)
    vcpu_event (v, BP_VCPU_START);
  v->instr->started = true;
}

void
instr_idle (TcgVcpu *v, bool idle)
{
  if (idle == v->instr->is_idle)
    return;
  v->instr->is_idle = idle;
  vcpu_event (v, idle ? BP_VCPU_IDLE : BP_VCPU_RESUME);
}

/* --- starting and stopping from the guest ----------------------------------------------------------------- */

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

/* instr-record.c -- records that C writes, and takes back when their instruction did not happen.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include "instr.h"

/* --- filters and rings, by hand ---------------------------------------------------------- */

bool
instr_passes (TcgVcpu *v, const InstrFilter *f, unsigned number, uint64_t address, unsigned bytes, bool is_store)
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

void
instr_append (TcgVcpu *v, uint64_t address, uint64_t value, uint32_t site, unsigned bytes, uint32_t aux)
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
  if (f && !is_code && !instr_passes (v, f, number, address, BP_IR_RECORD_BYTES (aux), aux & BP_IR_RECORD_STORE))
    return;
  instr_append (v, address, value, (uint32_t) imm, 0, aux);
}

/* --- instructions that did not happen ---------------------------------------------------------------- */

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
    instr_append (v, t->insn[insn]->address, 0, instr_site (a, &site), 0, channel | (a->slot[channel]->wide ? BP_IR_RECORD_WIDE : 0));
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
      tcg_score_add (v->score, y->counter, -(y->n * (y->last - MAX (y->first, insn) + 1u)));
  }
  for (unsigned i = 0; i < t->n_whole; i++)
    if (t->whole[i].first >= insn + (t->whole[i].begun && !is_left))
      tcg_score_add (v->score, t->whole[i].counter, -t->whole[i].n);
  if (is_left) {                /* what stands in front of the next instruction has not been reached, and nothing is ahead: see instr-weave.c */
    if (insn < t->n_insns)
      tell_left (v, t, tb, insn);
    return;
  }
  for (unsigned i = 0; i < t->n_live; i++)
    if (t->live[i].first == insn)       /* those behind it have not been reached */
      tcg_score_add (v->score, t->live[i].counter, -t->live[i].n);
  uint32_t counted = settle_ahead (v, t, insn);
  for (unsigned c = 0; c < INSTR_MAX; c++)
    if (instr_mask (tb->cflags) >> c & counted >> c & 1 && v->instr->ring[c].base)
      take_back_record (v, c, t->insn[insn]);
  if (insn)                     /* else the block's own record was taken back */
    tell_left (v, t, tb, insn);
}

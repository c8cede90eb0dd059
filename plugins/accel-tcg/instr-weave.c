/* instr-weave.c -- what instruments ask for becomes insns of the block's IR. */
/* SPDX-License-Identifier: MIT */
/*
 * RECORDS AHEAD.  Where no filter decides, records are written at places behind the ring's pointer that are known while translating, and the pointer goes
 * on by all of them at once (`advance'): before whatever leaves the block or calls C that may look at the ring, and before a label.  A fault in
 * between finds out from InstrAhead how many had been written when its instruction began; those of the instruction itself are lost, as it has not been
 * executed.  So that this is unambiguous, an instruction in which the pointer moves before something that may fault begins with nothing ahead, and its
 * own record counted.
 */
#include <string.h>
#include "instr-weave.h"
#include "ir-info.h"

/* --- asking ------------------------------------------------------------------------------------ */

static void
find_insns (Weave *w, const BpIrBlock *ir, const uint8_t *code)
{
  const BpTbKey *key = &w->tb->key;
  unsigned mmu = w->tb->cflags >> TB_MMU_SHIFT, n = 0;
  uint64_t pc[TB_MAX_INSNS + 1];
  for (uint32_t i = 0; i < ir->n_insns && n < TB_MAX_INSNS; i++)
    if (ir->insns[i].op == BP_IR_insn_start)
      pc[n++] = tlb_wrap (w->v, (uint64_t) ir->insns[i].imm + key->base);
  pc[n] = tlb_wrap (w->v, key->pc + w->tb->n_bytes);
  w->n_insns = n;
  w->insn = g_new (const BpInsn *, n + 1);
  for (unsigned i = 0; i < n; i++) {
    BpInsn insn = { .address = pc[i], .size = (uint8_t) tlb_wrap (w->v, pc[i + 1] - pc[i]), .target = UINT64_MAX };
    uint64_t at = tlb_wrap (w->v, pc[i] - key->pc);
    insn.physical = tlb_full (w->v, pc[i], mmu)->physical + (pc[i] & ~TLB_PAGE_MASK);
    memcpy (insn.bytes, code + at, MIN (insn.size, sizeof insn.bytes));
    w->insn[i] = instr_intern (w->all, key, &insn);
  }
}

static void
ask_all (Weave *w)
{
  VcpuInstr *x = w->v->instr;
  uint32_t mask = instr_mask (w->tb->cflags);
  x->in_block = true;
  for (w->index = 0; w->index < INSTR_MAX; w->index++) {
    Instr *in = w->all->slot[w->index];
    if (!in || !(mask >> w->index & 1))
      continue;
    w->block.instrument = &in->instrument;
    INSTR_TELL (w->v, in, block, &w->block);
  }
  x->in_block = false;
}

/* --- weaving ------------------------------------------------------------------------------------- */

static size_t
record_size (const Weave *w, unsigned channel)
{
  return instr_record_size (w->all->slot[channel]->wide);
}

static void
emit_advance (Weave *w, BpIrBlock *out)
{
  for (unsigned c = 0; c < INSTR_MAX; c++)
    if (w->ahead[c]) {
      BpIrInsn *i = bp_ir_append (out, BP_IR_advance, BP_IR_I32);
      i->imm = (int64_t) (w->ahead[c] * record_size (w, c));
      i->aux = c;
      w->ahead[c] = 0;
    }
}

static void
emit_record (Weave *w, BpIrBlock *out, uint32_t aux, uint64_t imm, BpTemp address, BpTemp value, BpIrType type)
{
  unsigned channel = BP_IR_RECORD_CHANNEL (aux);
  BpIrInsn *i = bp_ir_append (out, BP_IR_record, type);
  i->aux = aux | (w->all->slot[channel]->wide ? BP_IR_RECORD_WIDE : 0);
  if (w->may_go_ahead >> channel & 1)
    i->aux |= ++w->ahead[channel] << 20;
  i->imm = (int64_t) imm;
  i->a[0] = address;
  i->a[1] = value;
}

static void
emit_code_record (Weave *w, BpIrBlock *out, const Request *r)
{
  const BpInsn *insn = w->insn[r->insn];
  BpSite site = { .insn = insn, .user = r->user, .bytes = insn->size, .kind = BP_RECORD_INSN, .mmu = w->tb->cflags >> TB_MMU_SHIFT };
  uint64_t address = insn->address, line = 0;
  if (r->kind == REQUEST_FETCH) {
    site.kind = BP_RECORD_FETCH;
    site.bytes = (uint16_t) r->line_bytes;
    address = r->line;
    if (r->filter)
      line = instr_line (w->all, r->line >> w->all->filter[r->filter - 1].shift);
  } else if (r->kind == REQUEST_BLOCK) {
    site.kind = BP_RECORD_BLOCK;
    site.bytes = (uint16_t) w->tb->n_bytes;
    site.n_insns = w->n_insns;
  }
  BpTemp at = bp_ir_const (out, BP_IR_I64, (int64_t) address);
  emit_record (w, out, r->channel | BP_IR_RECORD_CODE | BP_MO_ADDR64 | (uint32_t) r->filter << 16, instr_site (w->all, &site) | line << 32, at, BP_IR_NONE,
               BP_IR_I64);
}

/* The live counter's place: a temp with the scoreboard's address. */
static BpTemp
emit_score (BpIrBlock *out)
{
  BpTemp score = bp_ir_local (out, BP_IR_I64);
  bp_ir_ld (out, BP_IR_ld64, BP_IR_I64, score, BP_IR_ENV, offsetof (TcgVcpu, score));
  return score;
}

static void
emit_call (Weave *w, BpIrBlock *out, const Request *r)
{
  static const BpIrCond unless[] = { [BP_IF_EQ] = BP_IR_NE, [BP_IF_NE] = BP_IR_EQ, [BP_IF_LT] = BP_IR_GEU, [BP_IF_LE] = BP_IR_GTU,
                                     [BP_IF_GT] = BP_IR_LEU, [BP_IF_GE] = BP_IR_LTU };
  uint32_t label = 0;
  emit_advance (w, out);
  if (r->conditional) {
    BpTemp score = emit_score (out), now = bp_ir_local (out, BP_IR_I64);
    label = bp_ir_label_new (out);
    bp_ir_ld (out, BP_IR_ld64, BP_IR_I64, now, score, r->condition.counter);
    bp_ir_brcond (out, BP_IR_I64, unless[r->condition.compare], now, bp_ir_const (out, BP_IR_I64, (int64_t) r->condition.value), label);
  }
  const BpTemp args[2] = { BP_IR_ENV, bp_ir_const (out, BP_IR_I64, (int64_t) (intptr_t) r->call) };
  bp_ir_call (out, &instr_call_helper[r->registers], BP_IR_NONE, args, 2);
  if (r->conditional)
    bp_ir_label (out, label);
}

static void
emit_count (BpIrBlock *out, uint32_t counter, uint64_t n)
{
  BpIrInsn *i = bp_ir_append (out, BP_IR_count, BP_IR_I32);
  i->imm = counter;
  i->aux = (uint32_t) n;
}

static void
emit_request (Weave *w, BpIrBlock *out, const Request *r)
{
  switch (r->kind) {
  case REQUEST_FETCH:
  case REQUEST_BLOCK:
  case REQUEST_INSN:
    emit_code_record (w, out, r);
    break;
  case REQUEST_STORE:
    bp_ir_st (out, BP_IR_st64, bp_ir_const (out, BP_IR_I64, (int64_t) r->value), emit_score (out), r->counter);
    break;
  case REQUEST_ADD:
    emit_count (out, r->counter, r->value);
    break;
  case REQUEST_CALL:
    emit_call (w, out, r);
    break;
  }
}

typedef enum Trigger { NO_TRIGGER, STARTS, STOPS } Trigger;

static Trigger
trigger_at (const Instr *in, uint64_t pc)
{
  if (in && in->control.start == BP_WHEN_ADDRESS && in->control.start_address == pc)
    return STARTS;
  return in && in->control.stop == BP_WHEN_ADDRESS && in->control.stop_address == pc ? STOPS : NO_TRIGGER;
}

bool
instr_cuts (const TcgInstr *a, uint64_t pc)
{
  for (unsigned k = 0; a->has_triggers && k < INSTR_MAX; k++)
    if (trigger_at (a->slot[k], pc) != NO_TRIGGER)
      return true;
  return false;
}

/* Where the guest says start or stop by where it is. */
static void
emit_triggers (Weave *w, BpIrBlock *out)
{
  for (unsigned k = 0; k < INSTR_MAX; k++) {
    Trigger t = trigger_at (w->all->slot[k], w->tb->key.pc);
    if (t == NO_TRIGGER)
      continue;
    const BpTemp args[2] = { BP_IR_ENV, bp_ir_const (out, BP_IR_I64, (int64_t) (k | (t == STARTS) << 8)) };
    emit_advance (w, out);
    bp_ir_call (out, &instr_reached_helper, BP_IR_NONE, args, 2);
  }
}

/* --- accesses ---------------------------------------------------------------------------------------- */

typedef struct Access {
  unsigned bytes, which, mmu;   /* which: BP_LOADS, BP_STORES or both */
  bool wide, atomic;
  BpTemp address, loaded, stored;
  BpIrType type;
} Access;

static bool
access_of (const BpIrInsn *i, Access *a)
{
  if (i->op == BP_IR_native) {
    uint32_t aux = i->aux;
    *a = (Access) { .bytes = BP_NATIVE_MEM_SIZE (aux), .wide = aux & BP_NATIVE_MEM_ADDR64, .address = i->a[3], .loaded = BP_IR_NONE,
                    .stored = BP_IR_NONE, .type = BP_IR_I64, .mmu = BP_NATIVE_MEM_MMU_INDEX (aux),
                    .which = aux & BP_NATIVE_MEM_WRITE ? BP_STORES : BP_LOADS };     /* what is read before a store is only kept for it */
    return i->a[3] != BP_IR_NONE;
  }
  if (!ir_op_is_guest_access (i->op))
    return false;
  *a = (Access) { .bytes = BP_MO_BYTES (i->aux), .wide = i->aux & BP_MO_ADDR64, .address = i->a[1], .type = (BpIrType) i->type, .mmu = BP_MO_MMU_INDEX (i->aux) };
  switch (i->op) {
  case BP_IR_gld:
    a->which = BP_LOADS, a->loaded = i->a[0], a->stored = BP_IR_NONE;
    break;
  case BP_IR_gst:
    a->which = BP_STORES, a->stored = i->a[0], a->loaded = BP_IR_NONE;
    break;
  default:
    a->which = BP_LOADS | BP_STORES, a->atomic = true, a->loaded = i->a[0], a->stored = i->op == BP_IR_gcmpxchg ? i->a[3] : i->a[2];
  }
  return true;
}

static void
emit_access_call (Weave *w, BpIrBlock *out, const InstrMemory *r, const Access *a, bool is_store)
{
  BpTemp address = a->address, value = is_store ? a->stored : a->loaded;
  emit_advance (w, out);
  if (!a->wide) {
    address = bp_ir_local (out, BP_IR_I64);
    bp_ir_op2 (out, BP_IR_ext32u, BP_IR_I64, address, a->address);
  }
  if (value == BP_IR_NONE) {
    value = bp_ir_const (out, BP_IR_I64, 0);
  } else if (out->temps[value].type == BP_IR_I32) {
    BpTemp wide = bp_ir_local (out, BP_IR_I64);
    bp_ir_op2 (out, BP_IR_ext32u, BP_IR_I64, wide, value);
    value = wide;
  }
  uint64_t how = a->bytes | (uint64_t) is_store << 8 | (uint64_t) a->atomic << 9 | (uint64_t) a->mmu << 16;
  const BpTemp args[5] = { BP_IR_ENV, bp_ir_const (out, BP_IR_I64, (int64_t) (intptr_t) r), address, value, bp_ir_const (out, BP_IR_I64, (int64_t) how) };
  bp_ir_call (out, &instr_access_helper[r->registers], BP_IR_NONE, args, 5);
}

static void
emit_memory_record (Weave *w, BpIrBlock *out, const InstrMemory *r, const Access *a, bool is_store)
{
  BpSite site = { .insn = r->guest, .kind = is_store ? BP_RECORD_STORE : BP_RECORD_LOAD, .flags = a->atomic ? BP_SITE_ATOMIC : 0,
                  .bytes = (uint16_t) a->bytes, .user = r->user, .mmu = a->mmu };
  uint32_t aux = r->channel | (is_store ? BP_IR_RECORD_STORE : 0) | (a->wide ? BP_MO_ADDR64 : 0) | a->bytes << 8 | (uint32_t) r->filter << 16;
  BpTemp value = is_store ? a->stored : a->loaded;
  bool wants = w->all->slot[r->channel]->wide && value != BP_IR_NONE;
  emit_record (w, out, aux, instr_site (w->all, &site), a->address, wants ? value : BP_IR_NONE, wants ? (BpIrType) out->temps[value].type : BP_IR_I64);
}

static void
emit_memory (Weave *w, BpIrBlock *out, const InstrMemory *r, const Access *a)
{
  for (unsigned is_store = 0; is_store < 2; is_store++) {
    if (!(a->which & r->which & (is_store ? BP_STORES : BP_LOADS)))
      continue;
    if (r->act == INSTR_MEMORY_RECORD)
      emit_memory_record (w, out, r, a, is_store);
    else if (r->act == INSTR_MEMORY_CALL)
      emit_access_call (w, out, r, a, is_store);
    else
      emit_count (out, r->counter, r->n);
  }
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static InstrTally *
tallies_of (GArray *from, uint16_t *n)
{
  *n = (uint16_t) from->len;
  return from->len ? g_memdup2 (from->data, from->len * sizeof (InstrTally)) : NULL;
}

static InstrTold *
told_of (Weave *w, uint16_t *n)
{
  GArray *told = g_array_new (false, false, sizeof (InstrTold));
  for (unsigned i = 0; i < w->request->len; i++) {
    const Request *r = &g_array_index (w->request, Request, i);
    InstrTold one = { r->user, r->channel };
    if (r->kind == REQUEST_BLOCK && w->all->slot[r->channel]->ops->flags & BP_INSTRUMENT_LEFT)
      g_array_append_val (told, one);
  }
  *n = (uint16_t) told->len;
  return (InstrTold *) (void *) g_array_free (told, told->len == 0);
}

static InstrTb *
keep (Weave *w)
{
  InstrTb *t = g_new0 (InstrTb, 1);
  t->tally = tallies_of (w->tally, &t->n_tallies);
  t->live = tallies_of (w->live, &t->n_live);
  t->whole = tallies_of (w->whole, &t->n_whole);
  t->n_memory = (uint16_t) w->memory->len;
  t->memory = w->memory->len ? g_memdup2 (w->memory->data, w->memory->len * sizeof (InstrMemory)) : NULL;
  t->slot = t->n_tallies ? instr_slot_new (w->all) : 0;
  t->told = told_of (w, &t->n_told);
  t->calls = w->calls;
  t->insn = w->insn;
  t->n_insns = (uint16_t) w->n_insns;
  return t;
}

/* Records first; counters, stores and calls see each other, so they are in the order in which they were asked. */
static int
by_place (const void *a, const void *b)
{
  const Request *x = a, *y = b;
  return x->insn != y->insn ? x->insn - y->insn : (int) MIN (x->kind, REQUEST_STORE) - (int) MIN (y->kind, REQUEST_STORE);
}

#define MOST_AT_ONCE 256        /* additions: each is compared with the others */

/* Whether anything of an instrument's runs within the block, which may look at live counters. */
static bool
has_onlookers (const Weave *w)
{
  for (unsigned i = 0; i < w->request->len; i++)
    if (g_array_index (w->request, Request, i).kind == REQUEST_CALL || g_array_index (w->request, Request, i).kind == REQUEST_STORE)
      return true;
  for (unsigned i = 0; i < w->memory->len; i++)
    if (g_array_index (w->memory, InstrMemory, i).act == INSTR_MEMORY_CALL)
      return true;
  return instr_cuts (w->all, w->tb->key.pc) || w->request->len > MOST_AT_ONCE;
}

/* Additions to live counters are made where the block is entered, when nobody can tell. */
static void
add_at_once (Weave *w)
{
  if (has_onlookers (w))
    return;
  GArray *left = g_array_new (false, false, sizeof (Request));
  for (unsigned i = 0; i < w->request->len; i++) {
    const Request *r = &g_array_index (w->request, Request, i);
    InstrTally t = { .counter = r->counter, .first = r->insn, .last = r->insn, .n = r->value,
                     .begun = w->all->slot[r->channel]->ops->flags & BP_INSTRUMENT_BEGUN };
    if (r->kind == REQUEST_ADD)
      g_array_append_val (w->whole, t);
    else
      g_array_append_vals (left, r, 1);
  }
  g_array_unref (w->request);
  w->request = left;
  g_array_set_size (w->live, 0);
}

/* Adds to each live counter what instructions from `insn' on do, or takes it back. */
static void
emit_whole (Weave *w, BpIrBlock *out, unsigned insn, bool back)
{
  for (unsigned i = 0; i < w->whole->len; i++) {
    const InstrTally *y = &g_array_index (w->whole, InstrTally, i);
    uint64_t n = 0;
    bool is_first = true;
    for (unsigned k = 0; k < w->whole->len; k++) {
      const InstrTally *z = &g_array_index (w->whole, InstrTally, k);
      if (z->counter != y->counter)
        continue;
      is_first &= k >= i;
      n += z->first >= insn ? z->n : 0;
    }
    for (uint64_t part; is_first && n; n -= part) {
      part = MIN (n, INT32_MAX);
      emit_count (out, y->counter, back ? -part : part);
    }
  }
}

/* An exit before the block's end: what was counted for the instructions behind it is taken back, and told. */
static void
emit_corrections (Weave *w, BpIrBlock *out, const InstrTb *t, unsigned insn)
{
  for (unsigned i = 0; i < t->n_told && insn < w->n_insns - 1; i++) {
    const BpInsn *next = w->insn[insn + 1];
    const BpSite site = { .insn = next, .kind = BP_RECORD_LEFT, .user = t->told[i].user, .n_insns = w->n_insns - insn - 1,
                          .mmu = w->tb->cflags >> TB_MMU_SHIFT };
    emit_record (w, out, t->told[i].channel | BP_IR_RECORD_CODE | BP_MO_ADDR64, instr_site (w->all, &site), bp_ir_const (out, BP_IR_I64, (int64_t) next->address),
                 BP_IR_NONE, BP_IR_I64);
  }
  emit_whole (w, out, insn + 1, true);
  for (unsigned i = 0; i < w->tally->len; i++) {
    const InstrTally *y = &g_array_index (w->tally, InstrTally, i);
    if (y->last > insn)
      for (uint64_t left = y->n * (y->last - MAX (y->first, insn + 1) + 1u), n; left; left -= n) {
        n = MIN (left, INT32_MAX);
        emit_count (out, y->counter, -n);
      }
  }
}

/* The access overwrites its own address: it is kept. */
static void
keep_address (BpIrBlock *ir, const BpIrInsn *insn, Access *a)
{
  for (unsigned k = 0; k < ir_op_info[insn->op].n_out; k++)
    if (insn->a[k] == a->address) {
      BpIrType type = (BpIrType) ir->temps[a->address].type;
      BpTemp copy = bp_ir_local (ir, type);
      bp_ir_mov (ir, type, copy, a->address);
      a->address = copy;
      return;
    }
}

/* Whether C that the op calls may look at rings, or control goes elsewhere than on. */
static bool
needs_pointers (const BpIrInsn *i)
{
  if (i->op == BP_IR_call)
    return !(ir_helper (i)->flags & (BP_HELPER_PURE | BP_HELPER_NO_GLOBALS));
  return ir_op_info[i->op].attributes & BP_IR_ATTR_END || i->op == BP_IR_goto_tb;
}

static bool
may_fault (const BpIrInsn *i)
{
  return i->op == BP_IR_call ? needs_pointers (i) : ir_op_info[i->op].attributes & BP_IR_ATTR_FAULT;
}

static bool
has_call (const Weave *w, unsigned insn, uint32_t at)
{
  for (; at < w->request->len && g_array_index (w->request, Request, at).insn == insn; at++)
    if (g_array_index (w->request, Request, at).kind == REQUEST_CALL)
      return true;
  return insn == 0 && instr_cuts (w->all, w->tb->key.pc);
}

static bool
has_memory_call (const InstrTb *t, unsigned insn)
{
  for (unsigned k = 0; k < t->n_memory; k++)
    if (t->memory[k].insn == insn && t->memory[k].act == INSTR_MEMORY_CALL)
      return true;
  return false;
}

/* Whether pointers move within the instruction whose insns follow, and something may fault after that. */
static bool
is_divided (const Weave *w, const InstrTb *t, const BpIrInsn *i, const BpIrInsn *end, unsigned insn, uint32_t at)
{
  bool moved = has_call (w, insn, at), calls = has_memory_call (t, insn);
  for (; i < end && i->op != BP_IR_insn_start; i++) {
    moved |= needs_pointers (i);
    if (moved && may_fault (i))
      return true;
    moved |= calls && (ir_op_is_guest_access (i->op) || i->op == BP_IR_native);
  }
  return false;
}

#define MOST_AHEAD 500          /* records: they fit behind a ring that is nearly full */

static void
begin_insn (Weave *w, BpIrBlock *ir, InstrTb *t, bool divided, unsigned insn)
{
  bool many = false;
  for (unsigned c = 0; c < INSTR_MAX; c++)
    many |= w->ahead[c] > MOST_AHEAD;
  if (divided || many)
    emit_advance (w, ir);
  for (unsigned k = 0; k < t->n_ahead; k++)
    t->ahead[k].bytes[insn] = divided ? INSTR_COUNTED : (uint16_t) (w->ahead[t->ahead[k].channel] * record_size (w, t->ahead[k].channel));
}

/* So few requests an instruction that what it writes, with many accesses, has room behind MOST_AHEAD records. */
#define MOST_REQUESTS_AHEAD 16

static bool
asks_much (const Weave *w, const InstrTb *t)
{
  uint16_t n[TB_MAX_INSNS + 1] = { 0 };
  for (unsigned i = 0; i < w->request->len; i++)
    if (++n[g_array_index (w->request, Request, i).insn] > MOST_REQUESTS_AHEAD)
      return true;
  for (unsigned i = 0; i < t->n_memory; i++)
    if (++n[t->memory[i].insn] > MOST_REQUESTS_AHEAD)
      return true;
  return false;
}

/* Channels without a filter in this block. */
static void
plan_ahead (Weave *w, InstrTb *t)
{
  uint32_t with = 0, without = 0;
  if (asks_much (w, t))
    return;
  for (unsigned i = 0; i < w->request->len; i++) {
    const Request *r = &g_array_index (w->request, Request, i);
    if (r->kind <= REQUEST_INSN)
      *(r->filter ? &with : &without) |= 1u << r->channel;
  }
  for (unsigned i = 0; i < t->n_memory; i++)
    if (t->memory[i].act == INSTR_MEMORY_RECORD)
      *(t->memory[i].filter ? &with : &without) |= 1u << t->memory[i].channel;
  w->may_go_ahead = (uint8_t) (without & ~with);
  t->ahead = g_new0 (InstrAhead, INSTR_MAX);
  for (unsigned c = 0; c < INSTR_MAX; c++)
    if (w->may_go_ahead >> c & 1)
      t->ahead[t->n_ahead++] = (InstrAhead) { (uint8_t) c, g_new0 (uint16_t, w->n_insns) };
}

typedef struct Place {          /* where in the old block */
  int insn, n_guest;
  uint32_t request;
  bool is_leaving;              /* a goto_tb's exit_tb is still to come */
} Place;

static void
before_op (Weave *w, BpIrBlock *ir, const InstrTb *t, const BpIrInsn *old, Place *p)
{
  if (ir_is_exit (old->op) && !p->is_leaving && p->insn < p->n_guest - 1)
    emit_corrections (w, ir, t, (unsigned) p->insn);
  if (needs_pointers (old) && !p->is_leaving)
    emit_advance (w, ir);
  p->is_leaving = old->op == BP_IR_goto_tb || (p->is_leaving && !ir_is_exit (old->op));
}

static void
after_start (Weave *w, BpIrBlock *ir, Place *p)
{
  for (; p->request < w->request->len && g_array_index (w->request, Request, p->request).insn == p->insn; p->request++)
    emit_request (w, ir, &g_array_index (w->request, Request, p->request));
  if (p->insn == 0)
    emit_triggers (w, ir);
}

static void
rebuild (Weave *w, BpIrBlock *ir, InstrTb *t)
{
  uint32_t n_old = ir->n_insns;
  BpIrInsn *old = g_memdup2 (ir->insns, n_old * sizeof *old);
  Place p = { .insn = -1, .n_guest = (int) w->n_insns };
  ir->n_insns = 0;
  plan_ahead (w, t);
  if (t->slot)
    emit_count (ir, t->slot, 1);
  emit_whole (w, ir, 0, false);
  for (uint32_t i = 0; i < n_old; i++) {
    Access a = { 0 };
    bool is_start = old[i].op == BP_IR_insn_start, is_access = t->n_memory && access_of (&old[i], &a);
    bool divided = false;
    if (is_start) {
      p.insn++;
      divided = is_divided (w, t, &old[i + 1], &old[n_old], (unsigned) p.insn, p.request);
      begin_insn (w, ir, t, divided, (unsigned) p.insn);
    }
    if (is_access)
      keep_address (ir, &old[i], &a);
    before_op (w, ir, t, &old[i], &p);
    *bp_ir_append (ir, (BpIrOp) old[i].op, (BpIrType) old[i].type) = old[i];
    if (is_start)
      after_start (w, ir, &p);
    if (divided)
      emit_advance (w, ir);
    for (unsigned k = 0; is_access && k < t->n_memory; k++)
      if (t->memory[k].insn == p.insn)
        emit_memory (w, ir, &t->memory[k], &a);
  }
  g_free (old);
}

void
instr_weave (TcgVcpu *v, Tb *tb, BpIrBlock *ir, const uint8_t *code)
{
  Weave w = { .v = v, .all = v->instr->all, .tb = tb };
  if (!instr_mask (tb->cflags) && !instr_cuts (w.all, tb->key.pc))
    return;
  w.request = g_array_new (false, false, sizeof (Request));
  w.memory = g_array_new (false, false, sizeof (InstrMemory));
  w.tally = g_array_new (false, false, sizeof (InstrTally));
  w.live = g_array_new (false, false, sizeof (InstrTally));
  w.whole = g_array_new (false, false, sizeof (InstrTally));
  find_insns (&w, ir, code);
  ask_all (&w);
  add_at_once (&w);
  g_array_sort (w.request, by_place);   /* (stable: in the order in which they were asked) */
  tb->instr = keep (&w);
  rebuild (&w, ir, tb->instr);
  g_array_unref (w.request);
  g_array_unref (w.memory);
  g_array_unref (w.tally);
  g_array_unref (w.live);
  g_array_unref (w.whole);
}

/* share.c -- which guest accesses can share one probe, and the addends that are alive while code is selected. */
/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "../ir-info.h"
#include <string.h>

#define SPAN 128                /* bytes: a longer range lies in two pages too often */
#define MAX_OPEN 8              /* ranges looked at together */

/* --- analysis ------------------------------------------------------------------------- */

/* What a temp is known to be: a value number and a displacement. */
typedef struct Symbol {
  uint32_t epoch, base;
  int64_t displacement;
} Symbol;

/* A 32-bit op tells of a temp's low half only, so each has two symbols: as an i32 address, and as an i64 one. */
typedef struct Symbols {
  Symbol as[2];                 /* by BpIrType */
} Symbols;

#define CONSTANT_BASE 0u        /* the displacement is the address */

typedef struct Analysis {
  Gen *g;
  Symbols *symbols;
  uint32_t epoch, next;
  uint16_t open[MAX_OPEN];      /* shares that may still grow */
  unsigned n_open;
} Analysis;

static Symbol
fresh (Analysis *a)
{
  return (Symbol) { a->epoch, a->next++, 0 };
}

static Symbol
symbol_of (Analysis *a, BpTemp t, BpIrType type)
{
  const BpIrTemp *temp = &a->g->ir->temps[t];
  if (temp->kind == BP_IR_TEMP_CONST)
    return (Symbol) { a->epoch, CONSTANT_BASE, x64_const_value (a->g, t, type) };
  Symbol *s = &a->symbols[t].as[type];
  if (s->epoch != a->epoch)
    *s = fresh (a);
  return *s;
}

/* What source + c is; i32 symbols are of addresses that wrap at 4 GiB. */
static Symbol
moved (Analysis *a, BpTemp source, BpIrType type, int64_t c)
{
  Symbol s = symbol_of (a, source, type);
  int64_t d;
  if (__builtin_add_overflow (s.displacement, c, &d) || (s.base != CONSTANT_BASE && d != (int32_t) d))
    return fresh (a);
  s.displacement = type == BP_IR_I32 && s.base == CONSTANT_BASE ? (int32_t) d : d;
  return s;
}

static void
follow (Analysis *a, const BpIrInsn *insn)
{
  const BpIrBlock *ir = a->g->ir;
  BpIrType type = (BpIrType) insn->type;
  bool is_sum = (insn->op == BP_IR_add || insn->op == BP_IR_sub) && ir->temps[insn->a[2]].kind == BP_IR_TEMP_CONST;
  if (insn->op == BP_IR_mov || is_sum) {
    int64_t c = is_sum ? x64_const_value (a->g, insn->a[2], type) : 0;
    if (insn->op == BP_IR_sub)
      c = (int64_t) -(uint64_t) c;
    Symbols s = { { moved (a, insn->a[1], BP_IR_I32, (int32_t) c), { 0 } } };
    s.as[BP_IR_I64] = type == BP_IR_I64 ? moved (a, insn->a[1], BP_IR_I64, c) : fresh (a);
    a->symbols[insn->a[0]] = s;
    return;
  }
  for (unsigned k = 0; k < ir_op_info[insn->op].n_out; k++)
    if (insn->a[k] != BP_IR_NONE)
      a->symbols[insn->a[k]] = (Symbols) { { fresh (a), fresh (a) } };
}

/* A guest access as far as sharing goes. */
typedef struct Access {
  BpTemp address;
  unsigned bytes;
  uint8_t mmu_index;
  bool store, wide;
} Access;

/* false: there is none, or it cannot share.  native.c looks after the alignment of its own. */
static bool
access_of (const BpIrBlock *ir, const BpIrInsn *insn, Access *x)
{
  uint32_t aux = insn->aux;
  if (insn->op == BP_IR_native && insn->a[3] != BP_IR_NONE) {
    const BpIrTemp *t = &ir->temps[insn->a[3]];
    *x = (Access) { insn->a[3], BP_NATIVE_MEM_SIZE (aux), (uint8_t) BP_NATIVE_MEM_MMU_INDEX (aux),
                    aux & BP_NATIVE_MEM_WRITE, aux & BP_NATIVE_MEM_ADDR64 };
    return !(t->kind == BP_IR_TEMP_CONST && aux & BP_NATIVE_MEM_ALIGN && t->value & (x->bytes - 1));
  }
  if ((insn->op != BP_IR_gld && insn->op != BP_IR_gst) || aux & (BP_MO_ALIGN | BP_MO_BE))
    return false;
  *x = (Access) { insn->a[1], BP_MO_BYTES (aux), (uint8_t) BP_MO_MMU_INDEX (aux), insn->op == BP_IR_gst,
                  aux & BP_MO_ADDR64 };
  return true;
}

static bool
joins (Share *share, Symbol s, int64_t last, const Access *x)
{
  int64_t low = MIN (share->low, s.displacement), high = MAX (share->high, last);
  if (share->base != s.base || share->wide != x->wide || share->mmu_index != x->mmu_index
      || (uint64_t) high - (uint64_t) low >= SPAN)
    return false;
  if (s.base == CONSTANT_BASE && ((low ^ high) & ~(int64_t) 0xfff))
    return false;
  share->low = low, share->high = high;
  return true;
}

static void
enter (Analysis *a, uint32_t i)
{
  Gen *g = a->g;
  Access x;
  if (!access_of (g->ir, &g->ir->insns[i], &x))
    return;
  Symbol s = symbol_of (a, x.address, x.wide ? BP_IR_I64 : BP_IR_I32);
  if ((s.base == CONSTANT_BASE) != (g->ir->temps[x.address].kind == BP_IR_TEMP_CONST))
    return;                     /* those with the number at hand keep another addend */
  int64_t last;
  if (__builtin_add_overflow (s.displacement, x.bytes - 1, &last)
      || (s.base == CONSTANT_BASE && ((s.displacement ^ last) & ~(int64_t) 0xfff)))
    return;
  for (unsigned k = 0; k < a->n_open; k++) {
    Share *share = &g->shares.at[a->open[k]];
    if (!joins (share, s, last, &x))
      continue;
    share->store |= x.store;
    share->last = i;
    share->count++;
    g->share_of[i] = a->open[k];
    return;
  }
  if (g->shares.n >= SHARE_NONE - 1)
    return;
  Share share = {
    .base = s.base, .start = s.displacement, .low = s.displacement, .high = last,
    .first = i, .last = i, .count = 1, .addend = BP_IR_NONE, .wide = x.wide,
    .mmu_index = x.mmu_index, .store = x.store,
  };
  if (a->n_open == MAX_OPEN) {
    memmove (a->open, a->open + 1, sizeof a->open - sizeof a->open[0]);
    a->n_open--;
  }
  g->share_of[i] = a->open[a->n_open++] = (uint16_t) g->shares.n;
  *LIST_ADD (&g->shares) = share;
}

/* Whether the block has several accesses at all. */
static bool
may_share (const BpIrBlock *ir)
{
  unsigned n = 0;
  for (uint32_t i = 0; i < ir->n_insns && n < 2; i++)
    n += ir->insns[i].op == BP_IR_gld || ir->insns[i].op == BP_IR_gst || ir->insns[i].op == BP_IR_native;
  return n > 1;
}

void
x64_share_finish (Gen *g)
{
  g_free (g->share_of);
  g_free (g->symbols);
}

void
x64_share_analyse (Gen *g)
{
  BpIrBlock *ir = g->ir;
  if (g->share_of_size < ir->n_insns) {
    g->share_of_size = ir->n_insns * 2;
    g->share_of = g_renew (uint16_t, g->share_of, g->share_of_size);
  }
  g->shares.n = 0;
  g->n_live_shares = 0;
  if (!may_share (ir)) {
    memset (g->share_of, 0xff, ir->n_insns * sizeof *g->share_of);
    return;
  }
  if (g->symbols_size < ir->n_temps) {
    g->symbols_size = ir->n_temps * 2;
    g->symbols = g_renew (Symbols, g->symbols, g->symbols_size);
  }
  memset (g->symbols, 0, ir->n_temps * sizeof *g->symbols);
  Analysis a = { .g = g, .symbols = g->symbols, .epoch = 1, .next = CONSTANT_BASE + 1 };
  for (uint32_t i = 0; i < ir->n_insns; i++) {
    const BpIrInsn *insn = &ir->insns[i];
    g->share_of[i] = SHARE_NONE;
    if (insn->op == BP_IR_insn_start)
      continue;
    enter (&a, i);
    bool pure_call = insn->op == BP_IR_call && (ir_helper (insn)->flags & BP_HELPER_PURE);
    bool ends = (ir_op_info[insn->op].attributes & BP_IR_ATTR_END) && insn->op != BP_IR_brcond;        /* registers stay as they are behind it */
    if (ends || (insn->op == BP_IR_call && !pure_call))
      a.n_open = 0;
    if (insn->op == BP_IR_label || (insn->op == BP_IR_call && !pure_call))
      a.epoch++;
    if (ir_op_info[insn->op].n_out > 0)
      follow (&a, insn);
  }
  /* The addends are locals that no insn names. */
  for (unsigned k = 0; k < g->shares.n; k++) {
    Share *share = &g->shares.at[k];
    if (share->count > 1 && ir->n_temps < BP_IR_NONE - 1)
      share->addend = bp_ir_local (ir, BP_IR_I64);
    else
      share->dead = true;
  }
}

/* --- while selecting --------------------------------------------------------------------- */

Share *
x64_share_of (Gen *g)
{
  uint16_t k = g->share_of[g->at];
  Share *share = k != SHARE_NONE ? &g->shares.at[k] : NULL;
  return share && !share->dead ? share : NULL;
}

bool
x64_share_begin (Gen *g, Share *share)
{
  if (g->n_live_shares == G_N_ELEMENTS (g->live_share)) {
    share->dead = true;
    return false;
  }
  g->live_share[g->n_live_shares++] = g->share_of[g->at];
  return true;
}

void
x64_share_end (Gen *g)
{
  for (unsigned k = 0; k < g->n_live_shares; k++) {
    Share *share = &g->shares.at[g->live_share[k]];
    if (share->last != g->at)
      continue;
    ra_forget (&g->ra, share->addend);
    g->live_share[k] = g->live_share[--g->n_live_shares];
    return;
  }
}

void
x64_share_stale (Gen *g, Late *late)
{
  late->stale_slot[0] = late->stale_slot[1] = RA_NO_SLOT;
  for (unsigned k = 0; k < g->n_live_shares; k++) {
    const Share *share = &g->shares.at[g->live_share[k]];
    const RaTemp *t = &g->ra.temps[share->addend];
    if (t->reg != RA_NONE)
      late->stale |= 1u << t->reg;
    if (t->in_memory)
      late->stale_slot[k] = t->slot;
  }
}

void
x64_share_clear (Gen *g, const Late *late)
{
  for (uint32_t left = late->stale; left; left &= left - 1) {
    unsigned r = (unsigned) __builtin_ctz (left);
    enc_alu_rr (&g->e, ALU_XOR, 0, r, r);
  }
  for (unsigned k = 0; k < 2; k++)
    if (late->stale_slot[k] != RA_NO_SLOT)
      enc_mov_mi (&g->e, X64_W, x64_home_mem ((RaHome) { false, late->stale_slot[k] }), 0);
}

/* chase.c -- loads that a loop's next turn waits for: their addend is guessed, and the TLB looked at beside. */
/* SPDX-License-Identifier: MIT */
/*
 * Where the next address comes out of memory (lists, trees, tables of states), a turn of the loop takes as long as address, TLB entry and value
 * take one after the other.  The entry's addend is mostly what it was the last time: the same page, or pages that follow each other for the host
 * as they do for the guest.  So the access uses what it was, and a branch, which the host predicts, sees to it that the entry says the same.
 * Only there: this is one comparison more, and other loads do not wait for their addends.
 */
#include "host.h"
#include "../ir-info.h"
#include <string.h>

/* --- which loads ---------------------------------------------------------------------- */

typedef struct Chase {
  Gen *g;
  uint64_t *made_of;            /* temp -> what its value was computed from: globals as the block found them, and loads; a bit each */
  uint64_t kept[64];            /* the same of each global, where the block is left */
  unsigned n_loads;
  struct { uint32_t at; uint64_t address; } load[64];
} Chase;

static uint64_t
load_bit (const Chase *c, unsigned k)
{
  return (uint64_t) 1 << (c->g->ir->n_globals + k);
}

static void
follow (Chase *c, uint32_t at)
{
  const BpIrBlock *ir = c->g->ir;
  const BpIrInsn *insn = &ir->insns[at];
  unsigned n_out = ir_op_info[insn->op].n_out, n = ir_n_operands (insn);
  uint64_t from = 0;
  for (unsigned k = n_out; k < n; k++)
    if (insn->a[k] != BP_IR_NONE)
      from |= c->made_of[insn->a[k]];
  if (insn->op == BP_IR_gld && ir->n_globals + c->n_loads < 64) {
    c->load[c->n_loads].at = at;
    c->load[c->n_loads].address = from;
    from |= load_bit (c, c->n_loads++);
  }
  for (unsigned k = 0; k < n_out; k++)
    if (insn->a[k] != BP_IR_NONE)
      c->made_of[insn->a[k]] = from;
  if (ir_is_exit (insn->op))
    for (unsigned k = 0; k < ir->n_globals; k++)
      c->kept[k] |= c->made_of[1 + k];
}

/* Whether the address comes from a global in which the load leaves its result. */
static bool
is_chase (const Chase *c, unsigned k)
{
  for (unsigned i = 0; i < c->g->ir->n_globals; i++)
    if (c->load[k].address >> i & 1 && c->kept[i] & load_bit (c, k))
      return true;
  return false;
}

void
x64_chase_analyse (Gen *g)
{
  BpIrBlock *ir = g->ir;
  g->n_chased = 0;
  if (!g->block->tb->is_loop || ir->n_globals >= 64)
    return;
  if (g->made_of_size < ir->n_temps) {
    g->made_of_size = ir->n_temps * 2;
    g->made_of = g_renew (uint64_t, g->made_of, g->made_of_size);
  }
  memset (g->made_of, 0, ir->n_temps * sizeof *g->made_of);
  Chase c = { .g = g, .made_of = g->made_of };
  for (unsigned i = 0; i < ir->n_globals; i++)
    c.made_of[1 + i] = (uint64_t) 1 << i;
  for (uint32_t i = 0; i < ir->n_insns; i++)
    follow (&c, i);
  for (unsigned k = 0; k < c.n_loads && g->n_chased < TLB_GUESSES; k++) {
    uint16_t share = g->share_of[c.load[k].at];
    bool shares = share != SHARE_NONE && !g->shares.at[share].dead;
    if (is_chase (&c, k))
      g->chased[g->n_chased++] = shares ? g->shares.at[share].first : c.load[k].at;
  }
}

/* The numbers begin where the block's address says: two loops mostly have different ones. */
unsigned
x64_guess_of (const Gen *g)
{
  for (unsigned k = 0; k < g->n_chased; k++)
    if (g->chased[k] == g->at)
      return 1 + (((uint32_t) g->block->tb->key.pc * 0x9e3779b9u >> 16) + k) % TLB_GUESSES;
  return 0;
}

void
x64_chase_finish (Gen *g)
{
  g_free (g->made_of);
}

/* --- the guess ------------------------------------------------------------------------ */

/* Of so many misses the first few are learned from.  So a page that stays for long is guessed for long, and where it is another one each time,
 * the branch is mostly taken, which is predicted as well. */
#define LEARNING 16
#define PERIOD 1024

static X64Mem
guess_field (const Probe *p, size_t offset)
{
  return x64_mem (RBP, (int32_t) (offsetof (TcgVcpu, guess) + (p->guess - 1) * sizeof (TlbGuess) + offset));
}

static void
late_guess (Gen *g, const Late *late)
{
  Enc *e = &g->e;
  const Probe *p = &late->probe;
  X64Mem misses = guess_field (p, offsetof (TlbGuess, misses));
  X64Mem addend = guess_field (p, offsetof (TlbGuess, addend[0])), other = guess_field (p, offsetof (TlbGuess, addend[1]));
  enc_load (e, X64_W, p->entry, x64_mem (p->entry, offsetof (TlbEntry, addend)));       /* (early, for when it is neither) */
  enc_load (e, X64_W, p->work, other);
  enc_alu_rr (e, ALU_CMP, X64_W, p->work, p->entry);
  uint8_t *miss = enc_jcc (e, CC_NE);
  enc_mov_rr (e, X64_W, p->entry, p->work);
  enc_jmp_to (e, late->back);
  enc_patch (miss, e->p);
  enc_alu_mi (e, ALU_ADD, 0, misses, 1);
  enc_test_mi (e, 0, misses, PERIOD - LEARNING);
  uint8_t *give_up = enc_jcc (e, CC_NE);
  enc_load (e, X64_W, p->work, addend);
  enc_store (e, X64_W, p->work, other);
  enc_store (e, X64_W, p->entry, addend);
  enc_jmp_to (e, late->back);
  enc_patch (give_up, e->p);
  enc_mov_mi (e, X64_W, addend, TLB_NO_GUESS);
  enc_mov_mi (e, X64_W, other, TLB_NO_GUESS);
  enc_jmp_to (e, late->back);
}

void
x64_guess_addend (Gen *g, Probe *p)
{
  Enc *e = &g->e;
  enc_load (e, X64_W, p->work, guess_field (p, offsetof (TlbGuess, addend[0])));
  enc_alu_rm (e, ALU_CMP, X64_W, p->work, x64_mem (p->entry, offsetof (TlbEntry, addend)));
  Late *late = x64_late (g, late_guess, enc_jcc (e, CC_NE));
  late->probe = *p;
  enc_mov_rr (e, X64_W, p->entry, p->work);
  late->back = e->p;
}

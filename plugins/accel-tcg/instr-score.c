/* instr-score.c -- counters: those that are right all the time, and those that blocks' entries are made into when somebody asks. */
/* SPDX-License-Identifier: MIT */
#include "instr.h"

static Instr *instr_of (BpInstrument *in) { return (Instr *) in; }

static uint64_t *score_at (TcgInstr *a, uint32_t offset, unsigned vcpu) { return (uint64_t *) (void *) (a->score[vcpu] + offset); }

static uint32_t
allocate (TcgInstr *a, uint32_t *next, uint32_t limit, size_t bytes)
{
  uint32_t at = 0;
  bytes = (bytes + 7) & ~(size_t) 7;
  g_mutex_lock (&a->lock);
  if (bytes && bytes <= limit - *next) {
    at = *next;
    *next += (uint32_t) bytes;
  }
  g_mutex_unlock (&a->lock);
  return at;
}

BpCounter
instr_counter_new (BpInstrument *in, unsigned flags)
{
  TcgInstr *a = instr_of (in)->all;
  return flags & BP_COUNTER_LIVE ? allocate (a, &a->next_live, SCORE_BLOCKS, 8) : allocate (a, &a->next_lazy, SCORE_LIVE, 8);
}

BpCounter
instr_scoreboard_new (BpInstrument *in, size_t bytes)
{
  TcgInstr *a = instr_of (in)->all;
  return allocate (a, &a->next_live, SCORE_BLOCKS, bytes);
}

void *
instr_counter_at (BpInstrument *in, BpCounter c, unsigned vcpu)
{
  TcgInstr *a = instr_of (in)->all;
  return c >= SCORE_LIVE && c < SCORE_BLOCKS && vcpu < a->n_vcpus ? a->score[vcpu] + c : NULL;
}

uint32_t
instr_slot_new (TcgInstr *a)
{
  g_mutex_lock (&a->lock);
  uint32_t slot = 0;
  if (a->free_slots->len) {
    slot = g_array_index (a->free_slots, uint32_t, a->free_slots->len - 1);
    g_array_set_size (a->free_slots, a->free_slots->len - 1);
  } else {
    g_assert (a->next_slot <= SCORE_SIZE - 8);  /* (there is no room for so many blocks) */
    slot = a->next_slot;
    a->next_slot += 8;
  }
  g_mutex_unlock (&a->lock);
  return slot;
}

/* What the block's entries have added to its counters is written to them; its vCPU does not run. */
static void
settle_block (TcgInstr *a, const InstrTb *t, unsigned vcpu)
{
  uint64_t *entered = score_at (a, t->slot, vcpu), n = *entered;
  if (!n)
    return;
  *entered = 0;
  for (unsigned i = 0; i < t->n_tallies; i++)
    tcg_score_add (a->score[vcpu], t->tally[i].counter, n * t->tally[i].n * (t->tally[i].last - t->tally[i].first + 1u));
}

static void
release_tb (TcgInstr *a, InstrTb *t)
{
  if (t->slot) {
    for (unsigned i = 0; i < a->n_vcpus; i++)
      settle_block (a, t, i);
    g_mutex_lock (&a->lock);
    g_array_append_val (a->free_slots, t->slot);
    g_mutex_unlock (&a->lock);
  }
  for (InstrCall *c = t->calls, *next; c; c = next) {
    next = c->next;
    g_free (c);
  }
  for (unsigned i = 0; i < t->n_ahead; i++)
    g_free (t->ahead[i].bytes);
  g_free (t->ahead);
  g_free (t->tally);
  g_free (t->live);
  g_free (t->whole);
  g_free (t->memory);
  g_free (t->told);
  g_free (t->insn);
  g_free (t);
}

void
instr_release (TcgMachine *m, Tb *tb)
{
  if (tb->instr)
    release_tb (m->instr, tb->instr);
  tb->instr = NULL;
}

typedef void EachTb (TcgInstr *a, const InstrTb *t, void *user);

/* Under the translator's lock. */
static void
each_block (TcgInstr *a, EachTb *f, void *user)
{
  TcgMachine *m = a->m;
  for (unsigned r = 0; m->frontend && r < m->n_regions; r++) {
    uint32_t n;
    Tb **blocks = tb_region_blocks (m, r, &n);
    for (uint32_t i = 0; i < n; i++)
      if (blocks[i]->instr && blocks[i]->instr->slot)
        f (a, blocks[i]->instr, user);
  }
}

static void
settle_one (TcgInstr *a, const InstrTb *t, void *user)
{
  for (unsigned i = 0; i < a->n_vcpus; i++)
    settle_block (a, t, i);
}

typedef struct Sum {
  BpCounter counter;
  unsigned vcpu;
  uint64_t n;
} Sum;

static void
add_up (TcgInstr *a, const InstrTb *t, void *user)
{
  Sum *s = user;
  uint64_t n = __atomic_load_n (score_at (a, t->slot, s->vcpu), __ATOMIC_RELAXED);
  for (unsigned i = 0; i < t->n_tallies; i++)
    if (t->tally[i].counter == s->counter)
      s->n += n * t->tally[i].n * (t->tally[i].last - t->tally[i].first + 1u);
}

bool
instr_nobody_runs (const TcgInstr *a)
{
  for (unsigned i = 0; i < a->m->vcpus->len; i++)
    if (__atomic_load_n (&tcg_extra (a->m->vcpus->pdata[i])->in_loop, __ATOMIC_ACQUIRE))
      return false;
  return true;
}

/* Each vCPU's thread alone reads and writes its in_block. */
static bool
holds_translator (TcgInstr *a)
{
  for (unsigned i = 0; i < a->m->vcpus->len; i++) {
    TcgVcpu *v = a->m->vcpus->pdata[i];
    if (bp_vcpu_is_current (v->vcpu))
      return v->instr && v->instr->in_block;
  }
  return false;
}

uint64_t
instr_counter_get (BpInstrument *in, BpCounter c, unsigned vcpu)
{
  TcgInstr *a = instr_of (in)->all;
  if (vcpu >= a->n_vcpus || c < SCORE_LAZY || c >= SCORE_BLOCKS)
    return 0;
  if (c >= SCORE_LIVE || __atomic_load_n (&a->settled, __ATOMIC_ACQUIRE))
    return __atomic_load_n (score_at (a, c, vcpu), __ATOMIC_RELAXED);
  bool held = holds_translator (a);
  Sum sum = { c, vcpu, 0 };
  if (!held)
    g_mutex_lock (&a->m->lock);
  if (instr_nobody_runs (a)) {
    each_block (a, settle_one, NULL);
    __atomic_store_n (&a->settled, true, __ATOMIC_RELEASE);     /* until a vCPU runs again */
  } else {
    each_block (a, add_up, &sum);
  }
  sum.n += __atomic_load_n (score_at (a, c, vcpu), __ATOMIC_RELAXED);   /* where a block that goes takes its part to */
  if (!held)
    g_mutex_unlock (&a->m->lock);
  return sum.n;
}

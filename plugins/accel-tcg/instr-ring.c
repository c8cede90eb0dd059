/* instr-ring.c -- what generated code appended reaches the instrument: on the vCPU's thread, or on one of its own. */
/* SPDX-License-Identifier: MIT */
/*
 * A ring is an array that is filled, delivered and begun again.  With a consumer's thread the full array goes to a queue and an empty one takes its place;
 * when the consumer has not given one back in time, the records are dropped and counted, so that a vCPU never waits for ever.
 */
#include <string.h>
#include "instr.h"

#define ARRAYS_A_VCPU 16        /* with a consumer: one that is filled, the others on their way: so many that threads seldom wait for each other */

static uint8_t *array_new (void) { return g_aligned_alloc0 (2, INSTR_RING_BYTES, 2 * INSTR_RING_BYTES); }

/* --- physical addresses, while the TLB still knows them ------------------------------------------ */

uint64_t
instr_physical (TcgVcpu *v, uint64_t address, BpMmuAccess access, unsigned mmu)
{
  uint64_t page = address & TLB_PAGE_MASK;
  if (tlb_covers (tlb_tag (tlb_entry (v, address, mmu), access), address))
    return tlb_full (v, address, mmu)->physical + (address - page);
  return instr_translate (v, address);
}

static uint64_t
physical_of (TcgVcpu *v, const BpSite *site, uint64_t address)
{
  bool is_code = site->kind >= BP_RECORD_FETCH;
  if (is_code && !((site->insn->address ^ address) & TLB_PAGE_MASK))
    return site->insn->physical + (address - site->insn->address);
  return instr_physical (v, address, is_code ? BP_MMU_FETCH : site->kind == BP_RECORD_STORE ? BP_MMU_STORE : BP_MMU_LOAD, site->mmu);
}

/* Pages that were looked up for this array. */
typedef struct Known {
  uint64_t tag;                 /* page, with what makes a difference in its low bits; 1: none */
  uint64_t physical;            /* page */
} Known;
#define N_KNOWN 64

static uint64_t
known_physical (TcgVcpu *v, Known *known, const BpSite *site, uint64_t address)
{
  uint64_t tag = (address & TLB_PAGE_MASK) | (uint64_t) site->kind << 8 | site->mmu << 4;
  Known *k = &known[(address >> TLB_PAGE_BITS ^ site->kind) % N_KNOWN];
  if (G_UNLIKELY (k->tag != tag)) {
    uint64_t physical = physical_of (v, site, address);
    if (physical == UINT64_MAX)
      return physical;
    *k = (Known) { tag, physical & TLB_PAGE_MASK };
  }
  return k->physical + (address & ~TLB_PAGE_MASK);
}

static uint64_t
value_of (const BpWideRecord *r, const BpSite *site)
{
  unsigned bytes = r->bytes ? r->bytes : site->bytes;
  if (site->kind >= BP_RECORD_FETCH || bytes > 8)
    return 0;
  return r->value & (~(uint64_t) 0 >> (64 - 8 * bytes));
}

static void
complete (TcgVcpu *v, BpWideRecord *r, size_t n)
{
  const BpSite *sites = v->instr->all->site;
  Known known[N_KNOWN];
  for (unsigned i = 0; i < N_KNOWN; i++)
    known[i].tag = 1;
  for (size_t i = 0; i < n; i++) {
    const BpSite *site = &sites[r[i].site];
    r[i].physical = known_physical (v, known, site, r[i].address);
    r[i].value = value_of (&r[i], site);
  }
}

/* --- delivery ---------------------------------------------------------------------------------------- */

static void
call_records (Instr *in, const InstrParcel *p)
{
  BpBatch batch = { .struct_size = sizeof batch, .vcpu = p->vcpu, .records = p->records, .n = p->n, .space = p->space, .lost = p->lost };
  if (BP_TABLE_HAS (in->ops, records))
    in->ops->records (in->user, &batch);
}

/* The consumer takes the array; false: it has none to give for it, and has been waited for long enough. */
static bool
hand_over (Instr *in, TcgVcpu *v, const InstrParcel *p)
{
  InstrConsumer *c = in->consumer;
  gint64 until = g_get_monotonic_time () + (gint64) in->control.patience_ms * 1000;
  g_mutex_lock (&c->lock);
  while (c->free->len == 0 && !c->stuck)
    if (!g_cond_wait_until (&c->cond, &c->lock, until) && c->free->len == 0) {
      c->stuck = true;
      g_printerr ("backplane: %s has not taken its records for %u ms: they are dropped until it does\n", in->label, in->control.patience_ms);
    }
  bool taken = c->free->len > 0;
  if (taken) {
    c->stuck = false;
    g_queue_push_tail (&c->full, g_memdup2 (p, sizeof *p));
    v->instr->ring[in->index].base = g_ptr_array_steal_index_fast (c->free, c->free->len - 1);
    g_cond_broadcast (&c->cond);
  }
  g_mutex_unlock (&c->lock);
  return taken;
}

#define MOST_HELD 32

/* An instruction's record may have to be taken back: it stays, with the accesses that it has made so far (unless they are very many). */
static size_t
held_back (const TcgInstr *a, const uint8_t *base, const uint8_t *end, size_t size)
{
  const BpInsn *insn = NULL;
  for (size_t n = 1; n <= MOST_HELD && n * size <= (size_t) (end - base); n++) {
    const BpSite *site = &a->site[((const BpRecord *) (const void *) (end - n * size))->site];
    if (insn && site->insn != insn)
      return 0;
    insn = site->insn;
    if (site->kind == BP_RECORD_INSN || site->kind == BP_RECORD_BLOCK)
      return n;
  }
  return 0;
}

static void
deliver (TcgVcpu *v, unsigned channel, bool hold)
{
  VcpuInstr *x = v->instr;
  Instr *in = x->all->slot[channel];
  uint8_t *base = x->ring[channel].base, *end = (uint8_t *) v->ring[channel];
  if (!in || !base || end == base)
    return;
  size_t size = instr_record_size (in->wide), n = (size_t) (end - base) / size;
  size_t held = hold ? held_back (x->all, base, end, size) : 0;
  BpWideRecord last[MOST_HELD];
  memcpy (last, end - held * size, held * size);
  InstrParcel p = { .records = base, .n = n - held, .vcpu = bp_vcpu_index (v->vcpu), .space = x->space, .lost = x->ring[channel].lost };
  if (in->wide)
    complete (v, p.records, p.n);
  v->ring[channel] = (uintptr_t) base;  /* (the instrument may ask for a flush) */
  if (in->consumer) {
    x->ring[channel].lost = hand_over (in, v, &p) ? 0 : p.lost + p.n;
    base = x->ring[channel].base;
  } else {
    const Instr *caller = instr_enter (x, in);
    x->ring[channel].lost = 0;
    call_records (in, &p);
    instr_enter (x, caller);
  }
  memcpy (base, last, held * size);
  v->ring[channel] = (uintptr_t) (base + held * size);
}

void
instr_deliver (TcgVcpu *v, unsigned channel)
{
  deliver (v, channel, true);
}

/* Between blocks: nothing is taken back any more. */
void
instr_deliver_all (TcgVcpu *v)
{
  for (unsigned i = 0; i < INSTR_MAX; i++)
    deliver (v, i, false);
}

/* --- rings ------------------------------------------------------------------------------------------------ */

void
instr_rings_init (TcgVcpu *v)
{
  VcpuInstr *x = v->instr;
  for (unsigned i = 0; i < INSTR_MAX; i++) {
    Instr *in = x->all->slot[i];
    if (!in || x->ring[i].base || !BP_TABLE_HAS (in->ops, records))
      continue;
    x->ring[i].base = array_new ();
    v->ring[i] = (uintptr_t) x->ring[i].base;
    for (unsigned k = 1; in->consumer && k < ARRAYS_A_VCPU; k++)
      g_ptr_array_add (in->consumer->free, array_new ());
  }
}

void
instr_rings_finish (TcgVcpu *v)
{
  for (unsigned i = 0; i < INSTR_MAX; i++) {
    g_aligned_free (v->instr->ring[i].base);
    v->instr->ring[i].base = NULL;
    v->ring[i] = 0;
  }
}

/* --- a consumer's thread -------------------------------------------------------------------------------------- */

__thread const Instr *instr_consumed __attribute__ ((tls_model ("initial-exec")));

static void *
consume (void *user)
{
  Instr *in = user;
  InstrConsumer *c = in->consumer;
  instr_consumed = in;
  g_mutex_lock (&c->lock);
  for (;;) {
    InstrParcel *p = g_queue_pop_head (&c->full);
    if (!p && c->ends)
      break;
    if (!p) {
      g_cond_wait (&c->cond, &c->lock);
      continue;
    }
    c->busy = true;
    g_mutex_unlock (&c->lock);
    call_records (in, p);
    g_mutex_lock (&c->lock);
    g_ptr_array_add (c->free, p->records);
    g_free (p);
    c->busy = false;
    g_cond_broadcast (&c->cond);
  }
  g_mutex_unlock (&c->lock);
  return NULL;
}

static void
consumer_free (Instr *in)
{
  InstrConsumer *c = in->consumer;
  in->consumer = NULL;
  for (InstrParcel *p; (p = g_queue_pop_head (&c->full)); g_free (p))
    g_aligned_free (p->records);
  g_ptr_array_unref (c->free);
  g_mutex_clear (&c->lock);
  g_cond_clear (&c->cond);
  g_free (c);
}

bool
instr_consumer_start (Instr *in, GError **error)
{
  InstrConsumer *c = g_new0 (InstrConsumer, 1);
  g_mutex_init (&c->lock);
  g_cond_init (&c->cond);
  g_queue_init (&c->full);
  c->free = g_ptr_array_new_with_free_func (g_aligned_free);
  in->consumer = c;
  c->thread = g_thread_try_new ("instrument", consume, in, error);
  if (!c->thread)
    consumer_free (in);
  return c->thread != NULL;
}

void
instr_consumer_wait (Instr *in)
{
  InstrConsumer *c = in->consumer;
  gint64 until = g_get_monotonic_time () + (gint64) in->control.patience_ms * 1000;
  if (!c)
    return;
  g_mutex_lock (&c->lock);
  while (!g_queue_is_empty (&c->full) || c->busy) {
    guint before = g_queue_get_length (&c->full);
    if (!g_cond_wait_until (&c->cond, &c->lock, until)) {
      g_printerr ("backplane: %s is not done with its records after %u ms: the report is without %u arrays of them\n", in->label,
                  in->control.patience_ms, g_queue_get_length (&c->full) + c->busy);
      break;
    }
    if (g_queue_get_length (&c->full) < before) /* it goes on */
      until = g_get_monotonic_time () + (gint64) in->control.patience_ms * 1000;
  }
  g_mutex_unlock (&c->lock);
}

void
instr_consumer_stop (Instr *in)
{
  InstrConsumer *c = in->consumer;
  if (!c)
    return;
  g_mutex_lock (&c->lock);
  c->ends = true;
  bool hangs = c->stuck && c->busy;
  g_cond_broadcast (&c->cond);
  g_mutex_unlock (&c->lock);
  if (hangs)
    return;                     /* it never comes back: what it looks at stays */
  g_thread_join (c->thread);
  consumer_free (in);
}

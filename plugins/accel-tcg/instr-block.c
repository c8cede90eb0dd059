/* instr-block.c -- a block as an instrument sees it while it is translated: what it may ask there, and for. */
/* SPDX-License-Identifier: MIT */
#include "instr-weave.h"

#define MAX_REQUESTS 64         /* of all instruments, an instruction on average: so that the code cache holds the block */

static Weave *weave_of (const BpInstrBlock *b) { return (Weave *) (uintptr_t) b; }

unsigned instr_block_n_insns (const BpInstrBlock *b) { return weave_of (b)->n_insns; }

const BpInsn *
instr_block_insn (const BpInstrBlock *b, unsigned insn)
{
  const Weave *w = weave_of (b);
  return insn < w->n_insns ? w->insn[insn] : NULL;
}

static bool
has_room (Weave *w)
{
  if (w->request->len + w->memory->len + w->tally->len < MAX_REQUESTS * w->n_insns)
    return true;
  if (!w->too_many)
    g_printerr ("backplane: %s asks for more than %u things in a block of %u instructions: the rest is not done\n", w->all->slot[w->index]->label,
                MAX_REQUESTS * w->n_insns, w->n_insns);
  w->too_many = true;
  return false;
}

/* The instructions that `insn' means: [*first, *last]; false: none. */
static bool
range_of (Weave *w, unsigned insn, unsigned *first, unsigned *last)
{
  *first = insn == BP_EVERY_INSN ? 0 : insn;
  *last = insn == BP_EVERY_INSN ? w->n_insns - 1 : insn;
  return *last < w->n_insns && has_room (w);
}

static void
add_request (Weave *w, const Request *like, unsigned insn)
{
  Request r = *like;
  r.insn = (uint16_t) insn;
  r.channel = (uint8_t) w->index;
  g_array_append_val (w->request, r);
}

static bool is_lazy (BpCounter c) { return c >= SCORE_LAZY && c < SCORE_LIVE; }
static bool is_live (BpCounter c) { return c >= SCORE_LIVE && c < SCORE_BLOCKS && c % 8 == 0; }

void
instr_block_count (BpInstrBlock *b, unsigned insn, BpCounter counter, uint64_t n)
{
  Weave *w = weave_of (b);
  unsigned first, last;
  if (!range_of (w, insn, &first, &last))
    return;
  InstrTally t = { .counter = counter, .first = (uint16_t) first, .last = (uint16_t) last, .n = n };
  if (is_lazy (counter)) {
    g_array_append_val (w->tally, t);
    return;
  }
  if (!is_live (counter) || n > INT32_MAX)
    return;
  for (unsigned i = first; i <= last; i++) {
    add_request (w, &(Request) { .kind = REQUEST_ADD, .counter = counter, .value = n }, i);
    t.first = t.last = (uint16_t) i;
    if (!(w->all->slot[w->index]->ops->flags & BP_INSTRUMENT_BEGUN))
      g_array_append_val (w->live, t);
  }
}

void
instr_block_store_immediate (BpInstrBlock *b, unsigned insn, BpCounter counter, uint64_t value)
{
  Weave *w = weave_of (b);
  unsigned first, last;
  if (!is_live (counter) || !range_of (w, insn, &first, &last))
    return;
  for (unsigned i = first; i <= last; i++)
    add_request (w, &(Request) { .kind = REQUEST_STORE, .counter = counter, .value = value }, i);
}

void
instr_block_call (BpInstrBlock *b, unsigned insn, const BpCondition *condition, BpInsnCall *call, void *data, unsigned registers)
{
  Weave *w = weave_of (b);
  unsigned first, last;
  if (!range_of (w, insn, &first, &last) || (condition && !is_live (condition->counter)))
    return;
  for (unsigned i = first; i <= last; i++) {
    InstrCall *c = g_new0 (InstrCall, 1);
    *c = (InstrCall) { .next = w->calls, .instr = w->all->slot[w->index], .call = call, .data = data, .insn = w->insn[i] };
    w->calls = c;
    Request r = { .kind = REQUEST_CALL, .registers = (uint8_t) MIN (registers, BP_CALL_WRITES), .conditional = condition != NULL, .call = c };
    if (condition)
      r.condition = *condition;
    add_request (w, &r, i);
  }
}

static void
add_memory (Weave *w, unsigned insn, const InstrMemory *like)
{
  unsigned first, last;
  if (!range_of (w, insn, &first, &last))
    return;
  for (unsigned i = first; i <= last; i++) {
    InstrMemory m = *like;
    m.insn = (uint16_t) i;
    m.channel = (uint8_t) w->index;
    m.guest = w->insn[i];
    g_array_append_val (w->memory, m);
  }
}

void
instr_block_count_memory (BpInstrBlock *b, unsigned insn, unsigned which, BpCounter counter, uint64_t n)
{
  if (n <= INT32_MAX && (is_live (counter) || is_lazy (counter)))
    add_memory (weave_of (b), insn, &(InstrMemory) { .act = INSTR_MEMORY_COUNT, .which = (uint8_t) which, .counter = counter, .n = n });
}

void
instr_block_call_memory (BpInstrBlock *b, unsigned insn, unsigned which, BpAccessCall *call, void *data, unsigned registers)
{
  add_memory (weave_of (b), insn, &(InstrMemory) { .act = INSTR_MEMORY_CALL, .which = (uint8_t) which, .call = call, .data = data,
                                                   .registers = (uint8_t) MIN (registers, BP_CALL_WRITES) });
}

/* A filter serves code or data, whichever asks first. */
static uint8_t
filter_for (Weave *w, BpFilter filter, bool is_code)
{
  InstrFilter *f = filter > 0 && filter <= INSTR_FILTERS ? &w->all->filter[filter - 1] : NULL;
  if (!f || !f->used || f->channel != w->index)
    return 0;
  *(is_code ? &f->is_code : &f->is_data) = true;
  if (f->is_code && f->is_data)
    return 0;
  return is_code && (!f->entries || f->is_ranged) ? 0 : (uint8_t) filter;
}

/* A request for each line where it is entered. */
static void
record_fetches (Weave *w, BpFilter filter, uint32_t line_bytes, uint32_t user)
{
  if (line_bytes < 8 || line_bytes > 4096 || line_bytes & (line_bytes - 1))
    return;
  uint64_t line = ~(uint64_t) 0, mask = ~(uint64_t) (line_bytes - 1);
  for (unsigned i = 0; i < w->n_insns; i++) {
    const BpInsn *insn = w->insn[i];
    uint64_t last = (insn->address + insn->size - 1) & mask;
    for (uint64_t at = insn->address & mask;; at += line_bytes) {
      if (at != line && has_room (w))
        add_request (w, &(Request) { .kind = REQUEST_FETCH, .filter = filter_for (w, filter, true), .user = user, .line_bytes = line_bytes, .line = at }, i);
      line = at;
      if (at == last)
        break;
    }
  }
}

void
instr_block_record (BpInstrBlock *b, unsigned insn, BpRecordKind kind, BpFilter filter, uint32_t line_bytes, uint32_t user)
{
  Weave *w = weave_of (b);
  unsigned first, last;
  if (!BP_TABLE_HAS (w->all->slot[w->index]->ops, records) || !range_of (w, insn, &first, &last))
    return;
  switch (kind) {
  case BP_RECORD_LOAD:
  case BP_RECORD_STORE:
    add_memory (w, insn, &(InstrMemory) { .act = INSTR_MEMORY_RECORD, .which = kind == BP_RECORD_LOAD ? BP_LOADS : BP_STORES,
                                          .filter = filter_for (w, filter, false), .user = user });
    break;
  case BP_RECORD_FETCH:
    record_fetches (w, filter, line_bytes, user);
    break;
  case BP_RECORD_INSN:
    for (unsigned i = first; i <= last; i++)
      add_request (w, &(Request) { .kind = REQUEST_INSN, .user = user }, i);
    break;
  case BP_RECORD_BLOCK:
    add_request (w, &(Request) { .kind = REQUEST_BLOCK, .user = user }, 0);
    break;
  case BP_RECORD_LEFT:          /* comes with BLOCK */
    break;
  }
}

/* tcg-trace-champsim.c -- registers that tell ChampSim the kind of a branch, memory by lines, and branches taken. */
/* SPDX-License-Identifier: MIT */
/*
 * ChampSim has no field for the kind of a branch: it tells from the registers, of which the instruction pointer, the stack pointer and the flags have
 * numbers that it knows.  A record takes 4 loads and 2 stores; an instruction that makes more has records before its own, of the same address, that are no
 * branches.  A record goes out when the next instruction is known, because only that says whether a branch was taken.
 */
#include "tcg-trace-champsim.h"
#include <glib.h>
#include <string.h>

enum { N_SOURCES = 4, N_DESTINATIONS = 2 };

typedef enum BranchKind { NO_BRANCH, CONDITIONAL, JUMP, INDIRECT, CALL, INDIRECT_CALL, RETURN, OTHER } BranchKind;

typedef struct Template {
  ChampsimRecord record;        /* without memory */
  uint8_t kind;                 /* BranchKind */
  bool known;
} Template;

struct Champsim {
  ChampsimRegisters *registers;
  ChampsimEmit *emit;
  void *user;
  Template *templates;          /* by BpInsn.id */
  size_t n_templates;
  GArray *held;                 /* records of the last instruction, its own the last */
  uint64_t fall_through;        /* of it */
  uint8_t kind;
  GArray *loads, *stores;       /* lines of one instruction */
};

/* --- registers ------------------------------------------------------------------------------ */

/* The frontend's numbers (instrument.h) as those that ChampSim's own tracer gives.  0: none. */
static uint8_t
register_number (unsigned r)
{
  static const uint8_t general[16] = { 10, 9, 8, 7, CHAMPSIM_STACK_POINTER, 5, 4, 3, 11, 12, 13, 14, 15, 16, 17, 18 };
  if (r < 16)
    return general[r];
  if (r == 16)
    return CHAMPSIM_INSTRUCTION_POINTER;
  if (r == 17)
    return CHAMPSIM_FLAGS;
  return r >= 32 && r < 56 ? (uint8_t) (r + 32) : CHAMPSIM_UNNAMED;
}

static bool is_special (uint8_t r) { return r == CHAMPSIM_STACK_POINTER || r == CHAMPSIM_FLAGS || r == CHAMPSIM_INSTRUCTION_POINTER; }

static void
add (uint8_t *set, unsigned size, uint8_t r)
{
  for (unsigned i = 0; i < size; i++) {
    if (set[i] == r)
      return;
    if (!set[i]) {
      set[i] = r;
      return;
    }
  }
}

static void
add_sources (ChampsimRecord *t, const uint8_t *list, size_t n)
{
  for (size_t i = 0; i < n; i++)
    add (t->source_registers, N_SOURCES, list[i]);
}

/* Those that are neither the stack pointer, the flags nor the instruction pointer; none: the unnamed one, if there must be one. */
static void
add_others (ChampsimRecord *t, const BpInsnRegisters *r, bool must)
{
  bool any = false;
  for (unsigned i = 0; i < r->n_read; i++) {
    uint8_t n = register_number (r->read[i]);
    if (is_special (n))
      continue;
    add (t->source_registers, N_SOURCES, n);
    any = true;
  }
  if (must && !any)
    add (t->source_registers, N_SOURCES, CHAMPSIM_UNNAMED);
}

static BranchKind
kind_of (const BpInsn *insn)
{
  if (insn->insn_class == BP_CLASS_SYSTEM_CALL)
    return OTHER;
  if (insn->flags & BP_INSN_RETURN)
    return RETURN;
  if (insn->flags & BP_INSN_CALL)
    return insn->flags & BP_INSN_INDIRECT ? INDIRECT_CALL : CALL;
  if (!(insn->flags & BP_INSN_BRANCH))
    return NO_BRANCH;
  if (insn->flags & BP_INSN_CONDITIONAL)
    return CONDITIONAL;
  return insn->flags & BP_INSN_INDIRECT ? INDIRECT : JUMP;
}

/* No branch: what is read and written as told; the flags come last, because they are of the least use when there is no room. */
static void
plain_registers (ChampsimRecord *t, const BpInsnRegisters *r)
{
  for (int flags = 0; flags < 2; flags++) {
    for (unsigned i = 0; i < r->n_read; i++) {
      uint8_t n = register_number (r->read[i]);
      if (n != CHAMPSIM_INSTRUCTION_POINTER && (n == CHAMPSIM_FLAGS) == flags)
        add (t->source_registers, N_SOURCES, n);
    }
    for (unsigned i = 0; i < r->n_written; i++) {
      uint8_t n = register_number (r->written[i]);
      if (n != CHAMPSIM_INSTRUCTION_POINTER && (n == CHAMPSIM_FLAGS) == flags)
        add (t->destination_registers, N_DESTINATIONS, n);
    }
  }
}

static void
branch_registers (ChampsimRecord *t, BranchKind kind, const BpInsnRegisters *r)
{
  enum { IP = CHAMPSIM_INSTRUCTION_POINTER, SP = CHAMPSIM_STACK_POINTER, FLAGS = CHAMPSIM_FLAGS };
  static const uint8_t sources[][2] = {
    [CONDITIONAL] = { IP }, [JUMP] = { IP }, [CALL] = { IP, SP }, [INDIRECT_CALL] = { IP, SP }, [RETURN] = { SP }, [OTHER] = { FLAGS }, [INDIRECT] = { 0 } };
  bool flags = false, others = false;
  for (unsigned i = 0; i < r->n_read; i++) {
    uint8_t n = register_number (r->read[i]);
    flags |= n == FLAGS;
    others |= !is_special (n);
  }
  t->is_branch = 1;
  t->destination_registers[0] = IP;
  for (unsigned i = 0; i < 2 && sources[kind][i]; i++)
    add_sources (t, &sources[kind][i], 1);
  if (kind == CALL || kind == INDIRECT_CALL || kind == RETURN)
    t->destination_registers[1] = SP;
  if (kind == CONDITIONAL) {
    if (flags || !others)
      add (t->source_registers, N_SOURCES, FLAGS);
    add_others (t, r, false);
    for (unsigned i = 0; i < r->n_written; i++)
      if (!is_special (register_number (r->written[i])))
        add (t->destination_registers, N_DESTINATIONS, register_number (r->written[i]));
  }
  if (kind == INDIRECT || kind == INDIRECT_CALL)
    add_others (t, r, true);
}

static const Template *
template_of (Champsim *c, const BpInsn *insn)
{
  if (insn->id >= c->n_templates) {
    size_t old = c->n_templates;
    c->n_templates = MAX (old * 2, (size_t) insn->id + 1024);
    c->templates = g_renew (Template, c->templates, c->n_templates);
    memset (c->templates + old, 0, (c->n_templates - old) * sizeof *c->templates);
  }
  Template *t = &c->templates[insn->id];
  if (!t->known) {
    BpInsnRegisters r = { .struct_size = sizeof r };
    if (!c->registers || !c->registers (c->user, insn, &r))
      r.n_read = r.n_written = 0;
    t->record.ip = insn->address;
    t->kind = (uint8_t) kind_of (insn);
    if (t->kind == NO_BRANCH)
      plain_registers (&t->record, &r);
    else
      branch_registers (&t->record, t->kind, &r);
    t->known = true;
  }
  return t;
}

/* --- memory ---------------------------------------------------------------------------------- */

/* The lines of an access; a line that the instruction has accessed in this direction already is not told again. */
static void
add_lines (GArray *list, const TraceAccess *a)
{
  uint64_t in_line = a->address % CHAMPSIM_LINE, n = (in_line + MAX (a->bytes, 1) - 1) / CHAMPSIM_LINE + 1;
  for (uint64_t i = 0; i < n; i++) {    /* (counted: an access may go on at address 0) */
    uint64_t at = i ? a->address - in_line + i * CHAMPSIM_LINE : a->address;
    bool seen = false;
    for (guint k = list->len; k > 0 && k + 8 > list->len && !seen; k--)
      seen = g_array_index (list, uint64_t, k - 1) / CHAMPSIM_LINE == at / CHAMPSIM_LINE;
    if (!seen)
      g_array_append_val (list, at);
  }
}

/* The next of the list's lines, as many as there is room for. */
static void
take (uint64_t *out, unsigned size, const GArray *list, guint *at)
{
  for (unsigned i = 0; i < size && *at < list->len; i++)
    out[i] = g_array_index (list, uint64_t, (*at)++);
}

static void
hold (Champsim *c, const Template *t, const TraceAccess *a, unsigned n)
{
  guint load = 0, store = 0;
  g_array_set_size (c->held, 0);
  if (n == 0 || (n == 1 && a->address % CHAMPSIM_LINE + a->bytes <= CHAMPSIM_LINE)) {    /* most */
    ChampsimRecord one = t->record;
    if (n)
      *(a->is_store ? one.destination_memory : one.source_memory) = a->address;
    g_array_append_val (c->held, one);
    return;
  }
  g_array_set_size (c->loads, 0);
  g_array_set_size (c->stores, 0);
  for (unsigned i = 0; i < n; i++)
    add_lines (a[i].is_store ? c->stores : c->loads, &a[i]);
  while (c->loads->len - load > N_SOURCES || c->stores->len - store > N_DESTINATIONS) {
    ChampsimRecord more = t->record;
    more.is_branch = 0;
    if (t->kind != NO_BRANCH) {
      memset (more.destination_registers, 0, sizeof more.destination_registers);
      memset (more.source_registers, 0, sizeof more.source_registers);
    }
    take (more.source_memory, N_SOURCES, c->loads, &load);
    take (more.destination_memory, N_DESTINATIONS, c->stores, &store);
    g_array_append_val (c->held, more);
  }
  ChampsimRecord last = t->record;
  take (last.source_memory, N_SOURCES, c->loads, &load);
  take (last.destination_memory, N_DESTINATIONS, c->stores, &store);
  g_array_append_val (c->held, last);
}

/* --- in program order ----------------------------------------------------------------------------- */

/* Where the last instruction would have gone on. */
static void
release (Champsim *c, uint64_t next)
{
  if (!c->held->len)
    return;
  ChampsimRecord *last = &g_array_index (c->held, ChampsimRecord, c->held->len - 1);
  if (c->kind != NO_BRANCH)
    last->branch_taken = c->kind != CONDITIONAL || next != c->fall_through;
  c->emit (c->user, &g_array_index (c->held, ChampsimRecord, 0), c->held->len);
  g_array_set_size (c->held, 0);
}

void
champsim_insn (Champsim *c, const BpInsn *insn, const TraceAccess *a, unsigned n)
{
  const Template *t = template_of (c, insn);
  release (c, insn->address);
  hold (c, t, a, n);
  c->kind = t->kind;
  c->fall_through = insn->address + insn->size;
}

void champsim_interrupted (Champsim *c, uint64_t next) { release (c, next); }
void champsim_finish (Champsim *c) { release (c, c->fall_through); }

Champsim *
champsim_new (ChampsimRegisters *registers, ChampsimEmit *emit, void *user)
{
  Champsim *c = g_new0 (Champsim, 1);
  c->registers = registers;
  c->emit = emit;
  c->user = user;
  c->held = g_array_new (FALSE, FALSE, sizeof (ChampsimRecord));
  c->loads = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  c->stores = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  return c;
}

void
champsim_free (Champsim *c)
{
  if (!c)
    return;
  g_array_unref (c->held);
  g_array_unref (c->loads);
  g_array_unref (c->stores);
  g_free (c->templates);
  g_free (c);
}

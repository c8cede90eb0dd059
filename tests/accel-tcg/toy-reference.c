/* toy-reference.c -- the toy instruction set interpreted one instruction at a time, with nothing cached. */
/* SPDX-License-Identifier: MIT */
#include "toy-cpu.h"
#include <string.h>

/* --- devices ------------------------------------------------------------------------------- */

uint32_t
toy_device_read (ToyBoard *board, uint32_t offset, unsigned size)
{
  board->hash = board->hash * 31 + offset * 8 + size;
  return __atomic_add_fetch (&board->counter, 0x01020304, __ATOMIC_RELEASE);    /* (a test may be waiting for it) */
}

void
toy_device_write (ToyBoard *board, uint32_t offset, uint32_t value, unsigned size)
{
  board->hash = toy_mix (board->hash, value ^ offset * 8 ^ size);
}

/* --- memory: false when it faulted ------------------------------------------------------------ */

typedef struct Run {
  ToyState *s;
  ToyBoard *board;
} Run;

static void
fault (Run *r, unsigned kind, uint32_t address)
{
  r->s->faults = r->s->faults * 31 + address + kind;
  r->s->n_faults++;
}

static bool
find (Run *r, uint32_t linear, unsigned kind, uint32_t *physical)
{
  uint32_t entry;
  if (toy_walk (r->s, r->board->ram, linear, &entry, physical) && toy_allows (entry, kind))
    return true;
  fault (r, kind, linear);
  return false;
}

static uint32_t
value_at (Run *r, uint32_t physical, unsigned size)
{
  uint32_t value = 0xffffffffu >> (32 - 8 * size);
  if (physical + size <= TOY_RAM_SIZE) {
    value = 0;
    memcpy (&value, r->board->ram + physical, size);
  } else if (physical >= TOY_DEVICE && physical < TOY_DEVICE + 0x1000)
    value &= toy_device_read (r->board, physical - TOY_DEVICE, size);
  return value;
}

static void
set_value_at (Run *r, uint32_t physical, uint32_t value, unsigned size)
{
  if (physical + size <= TOY_RAM_SIZE)
    memcpy (r->board->ram + physical, &value, size);
  else if (physical >= TOY_DEVICE && physical < TOY_DEVICE + 0x1000)
    toy_device_write (r->board, physical - TOY_DEVICE, value & 0xffffffffu >> (32 - 8 * size), size);
}

/* Both pages are looked at before anything happens; byte by byte across two. */
static bool
load (Run *r, uint32_t linear, unsigned size, unsigned kind, uint32_t *value)
{
  uint32_t first = 0x1000 - (linear & 0xfff), p, q;
  if (!find (r, linear, kind, &p))
    return false;
  if (first >= size) {
    *value = value_at (r, p, size);
    return true;
  }
  if (!find (r, linear + first, kind, &q))
    return false;
  *value = 0;
  for (unsigned i = 0; i < size; i++)
    *value |= value_at (r, i < first ? p + i : q + i - first, 1) << 8 * i;
  return true;
}

static bool
store (Run *r, uint32_t linear, uint32_t value, unsigned size)
{
  uint32_t first = 0x1000 - (linear & 0xfff), p, q;
  if (!find (r, linear, TOY_FAULT_STORE, &p))
    return false;
  if (first >= size) {
    set_value_at (r, p, value, size);
    return true;
  }
  if (!find (r, linear + first, TOY_FAULT_STORE, &q))
    return false;
  for (unsigned i = 0; i < size; i++)
    set_value_at (r, i < first ? p + i : q + i - first, value >> 8 * i & 0xff, 1);
  return true;
}

static void
atomic (Run *r, ToyOp op, uint32_t *a, uint32_t address)
{
  uint32_t p, old;
  if (!find (r, address, TOY_FAULT_STORE, &p)
      || ((address & 0xfff) > 0xffc && !find (r, (address | 0xfff) + 1, TOY_FAULT_STORE, &p)))
    return;
  load (r, address, 4, TOY_FAULT_LOAD, &old);
  store (r, address, op == TOY_SWAP ? *a : op == TOY_FETCH_ADD ? old + *a : old == r->s->r[0] ? *a : old, 4);
  *a = old;
}

static void
copy (Run *r, uint32_t to, uint32_t from, uint32_t n)
{
  uint8_t bytes[64];
  uint32_t p, q;
  n = MIN (MIN (n & 63, 0x1000 - (to & 0xfff)), 0x1000 - (from & 0xfff));
  if (n == 0 || !find (r, from, TOY_FAULT_LOAD, &p))
    return;
  for (uint32_t i = 0; i < n; i++)
    bytes[i] = (uint8_t) value_at (r, p + i, 1);
  if (find (r, to, TOY_FAULT_STORE, &q))
    for (uint32_t i = 0; i < n; i++)
      set_value_at (r, q + i, bytes[i], 1);
}

static void
map (Run *r, uint32_t linear, uint32_t entry)
{
  if (!r->s->table || linear >> 12 >= 1024)
    return;
  memcpy (r->board->ram + r->s->table + 4 * (linear >> 12), &entry, 4);
  if (entry & TOY_GLOBAL)
    memcpy (r->board->ram + (r->s->table ^ 0x1000) + 4 * (linear >> 12), &entry, 4);
}

/* --- one instruction ---------------------------------------------------------------------------- */

static void
access_memory (Run *r, ToyOp op, uint32_t *a, uint32_t address)
{
  static const unsigned size[] = { 4, 2, 1 };
  if (op <= TOY_LD8)
    load (r, address, size[op - TOY_LD32], TOY_FAULT_LOAD, a);
  else if (op <= TOY_ST8)
    store (r, address, *a, size[op - TOY_ST32]);
  else
    atomic (r, op, a, address);
}

static void
step (Run *r)
{
  ToyState *s = r->s;
  uint32_t word, at = s->base + s->pc;
  s->pc += 4;
  if (!load (r, at, 4, TOY_FAULT_FETCH, &word))
    return;
  ToyOp op = (ToyOp) ((word & 0xff) % TOY_N_OPS);
  uint32_t *a = &s->r[word >> 8 & 7], b = s->r[word >> 12 & 7], imm = (uint32_t) (int16_t) (word >> 16);
  switch (op) {
  case TOY_STOP: s->halted = TOY_STOPPED; break;
  case TOY_WAIT: s->halted = TOY_WAITS; break;
  case TOY_LI: *a = imm; break;
  case TOY_LUI: *a = imm << 16; break;
  case TOY_ORI: *a |= imm & 0xffff; break;
  case TOY_ADDI: *a = b + imm; break;
  case TOY_ADD: *a += b; break;
  case TOY_XOR: *a ^= b; break;
  case TOY_MUL: *a *= b; break;
  case TOY_PURE: *a = toy_mix (*a, b); break;
  case TOY_DIV:
    if (b)
      *a /= b;
    else
      fault (r, TOY_FAULT_DIVIDE, 0);
    break;
  case TOY_BNZ: s->pc += *a ? imm : 0; break;
  case TOY_JMP: s->pc += imm; break;
  case TOY_JR: s->pc = *a; break;
  case TOY_OUT: r->board->hash = toy_mix (r->board->hash, *a + (imm & 0xffff)); break;
  case TOY_IN: *a = r->board->counter += 0x01020304; break;
  case TOY_EI: s->enabled = 1; break;
  case TOY_DI: s->enabled = 0; break;
  case TOY_RETI: s->pc = s->epc, s->enabled = 1; break;
  case TOY_TRAP: fault (r, TOY_FAULT_TRAP, 0); break;
  case TOY_TABLE: s->table = *a & (TOY_RAM_SIZE - 1) & ~0xfffu; break;
  case TOY_MAP: map (r, *a, b); break;
  case TOY_POKE: store (r, at + imm, (*a & 0xffff0000) | toy_insn (TOY_LI, word >> 12 & 7, 0, 0), 4); break;
  case TOY_COPY: copy (r, *a, b, imm); break;
  case TOY_SYNC: break;
  default: access_memory (r, op, a, b + imm);
  }
}

bool
toy_reference (ToyState *s, ToyBoard *board, uint64_t max_insns)
{
  Run r = { s, board };
  while (s->halted == TOY_RUNS && max_insns-- > 0)
    step (&r);
  return s->halted != TOY_RUNS;
}

/* record.c -- instruments' counters and records, in generated code. */
/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "../instr.h"

/* --- counters ----------------------------------------------------------------------------- */

void
x64_score (Gen *g, const BpIrInsn *insn)
{
  unsigned t = ra_scratch (&g->ra, 0);
  enc_load (&g->e, X64_W, t, ENV (score));
  enc_alu_mi (&g->e, ALU_ADD, X64_W, x64_mem (t, (int32_t) insn->imm), (int32_t) insn->aux);
}

/* --- appending ------------------------------------------------------------------------------ */

static X64Mem
ring_pointer (unsigned channel)
{
  return x64_mem (RBP, (int32_t) (offsetof (TcgVcpu, ring) + channel * sizeof (uintptr_t)));
}

/* The record at so many bytes from where `ring' points to. */
static void
write_record (Gen *g, const BpIrInsn *insn, Operand address, Operand value, unsigned ring, int32_t at)
{
  _Static_assert (sizeof (BpRecord) == 16 && sizeof (BpWideRecord) == 32, "records are written as numbers");
  x64_store_operand (g, x64_mem (ring, at + (int32_t) offsetof (BpRecord, address)), address);
  enc_mov_mi (&g->e, X64_W, x64_mem (ring, at + (int32_t) offsetof (BpRecord, site)), (int32_t) insn->imm);     /* and bytes = 0 */
  if (insn->aux & BP_IR_RECORD_WIDE)
    x64_store_operand (g, x64_mem (ring, at + (int32_t) offsetof (BpWideRecord, value)), value);
}

/* Leaves ZF clear: the ring is full. */
static void
advance (Gen *g, unsigned channel, unsigned ring, int32_t bytes)
{
  enc_alu_ri (&g->e, ALU_ADD, X64_W, ring, bytes);
  enc_store (&g->e, X64_W, ring, ring_pointer (channel));
  enc_test_ri (&g->e, 0, ring, INSTR_RING_BYTES);
}

static void
append (Gen *g, const BpIrInsn *insn, Operand address, Operand value, unsigned ring)
{
  unsigned channel = BP_IR_RECORD_CHANNEL (insn->aux);
  enc_load (&g->e, X64_W, ring, ring_pointer (channel));
  write_record (g, insn, address, value, ring, 0);
  advance (g, channel, ring, (int32_t) instr_record_size (insn->aux & BP_IR_RECORD_WIDE));
}

static void
late_full (Gen *g, const Late *late)
{
  enc_mov_mi (&g->e, 0, x64_mem (RSP, FRAME_ARG (1)), (int32_t) BP_IR_RECORD_CHANNEL (late->aux));
  x64_call_marked (g, g->set->slow[SLOW_RING_FULL]);
  x64_share_clear (g, late);
  enc_jmp_to (&g->e, late->back);
}

/* --- filters ---------------------------------------------------------------------------------- */

static X64Mem
line_mem (const BpIrInsn *insn, unsigned index, size_t field)
{
  size_t number = BP_IR_RECORD_FILTER (insn->aux) - 1;
  return x64_mem (RBP, (int32_t) (offsetof (TcgVcpu, line) + (number * INSTR_LINES + index) * sizeof (InstrLine) + field));
}

static BpIrInsn
insn_of (const Late *late)
{
  return (BpIrInsn) { .op = BP_IR_record, .type = (uint8_t) late->type, .aux = late->aux, .imm = (int64_t) late->native };
}

static void
leave_to_c (Gen *g, const Late *late)
{
  Operand imm = { .kind = IS_IMMEDIATE, .imm = (int64_t) late->native };
  x64_put_argument (g, 1, late->address);
  x64_put_argument (g, 2, late->value);
  x64_put_argument (g, 3, imm);
  enc_mov_mi (&g->e, 0, x64_mem (RSP, FRAME_ARG (4)), (int32_t) late->aux);
  x64_call_marked (g, g->set->slow[SLOW_RECORD]);
  x64_share_clear (g, late);
  enc_jmp_to (&g->e, late->back);
}

/* Another line than the last.  entry: where in the table; result: free. */
static void
late_line (Gen *g, const Late *late)
{
  Enc *e = &g->e;
  const InstrFilter *f = &g->block->filters[BP_IR_RECORD_FILTER (late->aux) - 1];
  BpIrInsn insn = insn_of (late);
  unsigned base = late->address.reg, w = late->result, bytes = BP_IR_RECORD_BYTES (late->aux);
  uint8_t *crosses = NULL;
  if (bytes > 1) {
    enc_rm (e, OP_LEA | X64_W, w, x64_mem (base, (int32_t) bytes - 1));
    enc_alu_rr (e, ALU_XOR, X64_W, w, base);
    enc_shift_ri (e, SHIFT_SHR, X64_W, w, f->shift);
    crosses = enc_jcc (e, CC_NE);
  }
  enc_mov_rr (e, X64_W, w, base);
  enc_shift_ri (e, SHIFT_SHR, X64_W, w, f->shift);
  X64Mem load = line_mem (&insn, 0, offsetof (InstrLine, load)), store = line_mem (&insn, 0, offsetof (InstrLine, store));
  enc_store (e, X64_W, w, x64_mem_index (RBP, late->entry, 0, load.disp));
  if (f->stores_apart && late->aux & BP_IR_RECORD_STORE)
    enc_store (e, X64_W, w, x64_mem_index (RBP, late->entry, 0, store.disp));
  else if (f->stores_apart)
    enc_mov_mi (e, X64_W, x64_mem_index (RBP, late->entry, 0, store.disp), -1);
  append (g, &insn, late->address, late->value, w);
  enc_jcc_to (e, CC_E, late->back);
  late_full (g, late);
  if (crosses) {
    enc_patch (crosses, e->p);
    leave_to_c (g, late);
  }
}

static void
late_code_line (Gen *g, const Late *late)
{
  Enc *e = &g->e;
  BpIrInsn insn = insn_of (late);
  enc_mov_mi (e, 0, line_mem (&insn, late->op, offsetof (InstrLine, load)), (int32_t) (late->native >> 32));
  append (g, &insn, late->address, late->value, late->result);
  enc_jcc_to (e, CC_E, late->back);
  late_full (g, late);
}

static Late *
late_record (Gen *g, const BpIrInsn *insn, void (*emit) (Gen *g, const Late *late), uint8_t *from)
{
  Late *late = x64_late (g, emit, from);
  late->aux = insn->aux;
  late->native = (uint64_t) insn->imm;
  late->type = (BpIrType) insn->type;
  x64_share_stale (g, late);
  return late;
}

/* The address in a register of its own. */
static unsigned
plain_register (Gen *g, Operand address)
{
  if (address.kind == IN_REGISTER && address.imm == 0)
    return address.reg;
  unsigned t = ra_scratch (&g->ra, 0);
  if (address.kind == IN_REGISTER) {
    enc_rm (&g->e, OP_LEA | X64_W, t, x64_mem (address.reg, (int32_t) address.imm));
    if (TEMPORARIES >> address.reg & 1)
      g->ra.locked &= ~(1u << address.reg);
  } else {
    enc_mov_ri (&g->e, t, address.imm);
  }
  return t;
}

/* rel32 of the jump that is taken by addresses out of the range. */
static uint8_t *
skip_others (Gen *g, const InstrFilter *f, unsigned base, unsigned t, unsigned u)
{
  Enc *e = &g->e;
  uint64_t span = f->last - f->first;
  enc_mov_ri (e, t, (int64_t) -f->first);
  enc_alu_rr (e, ALU_ADD, X64_W, t, base);
  if (span <= INT32_MAX) {
    enc_alu_ri (e, ALU_CMP, X64_W, t, (int32_t) span);
  } else {
    enc_mov_ri (e, u, (int64_t) span);
    enc_alu_rr (e, ALU_CMP, X64_W, t, u);
  }
  return enc_jcc (e, CC_A);
}

/* Only one compare is made, of the last byte's line where the first's is: different lines of an access must have different indexes. */
static bool
compares_enough (const InstrFilter *f, unsigned bytes)
{
  return bytes < 2 || (bytes - 2) >> f->shift < f->entries - 1;
}

static void
record_other_line (Gen *g, const BpIrInsn *insn, const InstrFilter *f, Operand address, Operand value)
{
  Enc *e = &g->e;
  unsigned base = plain_register (g, address), t = ra_scratch (&g->ra, 0), w = ra_scratch (&g->ra, 0);
  unsigned bytes = BP_IR_RECORD_BYTES (insn->aux), shift = f->shift - 4u;
  uint8_t *skip = f->is_ranged ? skip_others (g, f, base, t, w) : NULL;
  Operand plain = { .kind = IN_REGISTER, .reg = (uint8_t) base };
  Late *late;
  _Static_assert (sizeof (InstrLine) == 16, "the index is shifted by 4");
  if (f->entries && !compares_enough (f, bytes)) {
    late = late_record (g, insn, leave_to_c, enc_jmp (e));
  } else if (f->entries) {
    enc_mov_rr (e, X64_W, t, base);
    if (shift)
      enc_shift_ri (e, SHIFT_SHR, X64_W, t, shift);
    enc_alu_ri (e, ALU_AND, 0, t, (int32_t) (f->entries - 1) << 4);
    enc_rm (e, OP_LEA | X64_W, w, x64_mem (base, (int32_t) bytes - 1));
    enc_shift_ri (e, SHIFT_SHR, X64_W, w, f->shift);
    bool apart = f->stores_apart && insn->aux & BP_IR_RECORD_STORE;
    X64Mem line = line_mem (insn, 0, apart ? offsetof (InstrLine, store) : offsetof (InstrLine, load));
    enc_alu_mr (e, ALU_CMP, X64_W, x64_mem_index (RBP, t, 0, line.disp), w);
    late = late_record (g, insn, late_line, enc_jcc (e, CC_NE));
  } else {
    append (g, insn, plain, value, w);
    late = late_record (g, insn, late_full, enc_jcc (e, CC_NE));
  }
  late->address = plain;
  late->value = value;
  late->entry = (uint8_t) t;
  late->result = (uint8_t) w;
  late->back = e->p;
  if (skip)
    enc_patch (skip, e->p);
}

static void
record_other_code (Gen *g, const BpIrInsn *insn, const InstrFilter *f, Operand address, Operand value)
{
  Enc *e = &g->e;
  unsigned t = ra_scratch (&g->ra, 0), index = (unsigned) ((uint64_t) address.imm >> f->shift) & (f->entries - 1);
  enc_alu_mi (e, ALU_CMP, 0, line_mem (insn, index, offsetof (InstrLine, load)), (int32_t) (insn->imm >> 32));
  Late *late = late_record (g, insn, late_code_line, enc_jcc (e, CC_NE));
  late->address = address;
  late->value = value;
  late->op = index;
  late->result = (uint8_t) t;
  late->back = e->p;
}

/* --- the op -------------------------------------------------------------------------------------- */

void
x64_record (Gen *g, const BpIrInsn *insn)
{
  unsigned number = BP_IR_RECORD_FILTER (insn->aux);
  const InstrFilter *f = number ? &g->block->filters[number - 1] : NULL;
  Operand address = x64_address (g, insn->a[0], insn->aux & BP_MO_ADDR64, true), value = { .kind = IS_IMMEDIATE };
  if (insn->a[1] != BP_IR_NONE)
    value = x64_operand (g, insn->a[1], (BpIrType) insn->type, ALLOW_IMM);
  if (f && insn->aux & BP_IR_RECORD_CODE) {
    record_other_code (g, insn, f, address, value);
  } else if (f) {
    record_other_line (g, insn, f, address, value);
  } else if (BP_IR_RECORD_AHEAD (insn->aux)) {
    unsigned ring = ra_scratch (&g->ra, 0);
    int32_t size = (int32_t) instr_record_size (insn->aux & BP_IR_RECORD_WIDE);
    enc_load (&g->e, X64_W, ring, ring_pointer (BP_IR_RECORD_CHANNEL (insn->aux)));
    write_record (g, insn, address, value, ring, ((int32_t) BP_IR_RECORD_AHEAD (insn->aux) - 1) * size);
  } else {
    append (g, insn, address, value, ra_scratch (&g->ra, 0));
    Late *late = late_record (g, insn, late_full, enc_jcc (&g->e, CC_NE));
    late->back = g->e.p;
  }
  ra_release_dead (&g->ra);
}

void
x64_advance (Gen *g, const BpIrInsn *insn)
{
  unsigned ring = ra_scratch (&g->ra, 0);
  enc_load (&g->e, X64_W, ring, ring_pointer (insn->aux));
  advance (g, insn->aux, ring, (int32_t) insn->imm);
  Late *late = late_record (g, insn, late_full, enc_jcc (&g->e, CC_NE));
  late->back = g->e.p;
}

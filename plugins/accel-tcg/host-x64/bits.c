/* bits.c -- bit counts, byte order, and fields: extensions, deposits, extracts. */
/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "../ir-info.h"

static inline unsigned
width_of (BpIrType type)
{
  return type == BP_IR_I64 ? 64 : 32;
}

static void
op_operand (Gen *g, uint32_t op, unsigned reg, Operand o)
{
  if (o.kind == IN_MEMORY)
    enc_rm (&g->e, op, reg, o.mem);
  else
    enc_rr (&g->e, op, reg, o.reg);
}

/* --- counts ----------------------------------------------------------------------------- */

static void
cmov_operand (Gen *g, unsigned cc, BpIrType type, unsigned dst, Operand o)
{
  op_operand (g, (0x40 | cc) | X64_0F | W (type), dst, o);
}

/* bsr gives the index of the highest one, that is width-1 ^ the count, and ZF for zero. */
static void
count_by_scan (Gen *g, const BpIrInsn *insn, unsigned to, Operand a, Operand otherwise)
{
  BpIrType type = (BpIrType) insn->type;
  uint32_t w = W (type);
  if (insn->op == BP_IR_ctz) {
    op_operand (g, OP_BSF | w, to, a);
    cmov_operand (g, CC_E, type, to, otherwise);
    return;
  }
  unsigned spare = ra_scratch (&g->ra, 0);
  int32_t top = (int32_t) width_of (type) - 1;
  x64_move_operand (g, type, spare, otherwise);
  enc_alu_ri (&g->e, ALU_XOR, w, spare, top);
  op_operand (g, OP_BSR | w, to, a);
  enc_cmov (&g->e, CC_E, w, to, spare);
  enc_alu_ri (&g->e, ALU_XOR, w, to, top);
}

void
x64_count_zeros (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  bool direct = x64_host.cpu & (insn->op == BP_IR_clz ? CPU_LZCNT : CPU_BMI1);
  bool is_width = ra_is_const (&g->ra, insn->a[2]) && x64_const_value (g, insn->a[2], type) == width_of (type);
  Operand a = x64_operand (g, insn->a[1], type, ALLOW_MEM), otherwise = { .kind = IS_IMMEDIATE };
  if (!direct || !is_width)
    otherwise = x64_operand (g, insn->a[2], type, ALLOW_MEM);
  unsigned to = RA_NONE;
  if (!direct || !is_width)
    to = ra_scratch (&g->ra, 0);
  if (!direct) {
    count_by_scan (g, insn, to, a, otherwise);
    g->ra.locked = 1u << to;            /* the operands have done their part */
  }
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], RA_NONE, 0);
  if (direct) {
    unsigned into = to == RA_NONE ? d : to;
    op_operand (g, g->row->code | W (type), into, a);
    if (!is_width)
      cmov_operand (g, CC_B, type, into, otherwise);
  }
  if (to != RA_NONE)
    enc_mov_rr (&g->e, W (type), d, to);
  ra_defined (&g->ra, insn->a[0], 0);
}

/* Sums of neighbouring fields of 1, 2 and 4 bits, then of the bytes by a multiplication. */
static void
count_by_sums (Gen *g, BpIrType type, unsigned d, unsigned t, unsigned k)
{
  static const uint64_t field[3] = { 0x5555555555555555u, 0x3333333333333333u, 0x0f0f0f0f0f0f0f0fu };
  Enc *e = &g->e;
  uint32_t w = W (type);
  for (unsigned i = 0; i < 3; i++) {
    enc_mov_ri (e, k, type == BP_IR_I64 ? (int64_t) field[i] : (int64_t) (uint32_t) field[i]);
    enc_mov_rr (e, w, t, d);
    enc_shift_ri (e, SHIFT_SHR, w, t, 1u << i);
    enc_alu_rr (e, ALU_AND, w, t, k);
    enc_alu_rr (e, ALU_AND, w, d, k);
    enc_alu_rr (e, ALU_ADD, w, d, t);
  }
  enc_mov_ri (e, k, type == BP_IR_I64 ? 0x0101010101010101 : 0x01010101);
  enc_rr (e, OP_IMUL | w, d, k);
  enc_shift_ri (e, SHIFT_SHR, w, d, width_of (type) - 8);
}

void
x64_popcnt (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  Operand a = x64_operand (g, insn->a[1], type, ALLOW_MEM);
  bool direct = x64_host.cpu & CPU_POPCNT;
  unsigned t = direct ? 0 : ra_scratch (&g->ra, 0), k = direct ? 0 : ra_scratch (&g->ra, 0);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), 0);
  if (direct) {
    op_operand (g, OP_POPCNT | W (type), d, a);
  } else {
    x64_move_operand (g, type, d, a);
    count_by_sums (g, type, d, t, k);
  }
  ra_defined (&g->ra, insn->a[0], 0);
}

void
x64_bswap (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  Operand a = x64_operand (g, insn->a[1], type, ALLOW_MEM | ALLOW_IMM);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), 0);
  x64_move_operand (g, type, d, a);
  enc_bswap (&g->e, W (type), d);
  ra_defined (&g->ra, insn->a[0], 0);
}

/* --- extensions ------------------------------------------------------------------------------ */

void
x64_extend (Gen *g, const BpIrInsn *insn)
{
  const SelectRow *row = g->row;
  Operand a = x64_operand (g, insn->a[1], ir_operand_type (insn, 1), ALLOW_MEM);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), 0);
  op_operand (g, row->code | (row->extra || insn->op == BP_IR_ext32s ? 0 : W (insn->type)), d, a);
  ra_defined (&g->ra, insn->a[0], 0);
}

/* --- deposit ----------------------------------------------------------------------------------- */

/* Rotates the field to the top, shifts it out while the new one comes in, rotates back. */
static void
deposit_anywhere (Gen *g, BpIrType type, unsigned d, unsigned field, unsigned spare, unsigned pos,
                  unsigned len)
{
  unsigned width = width_of (type);
  uint32_t w = W (type);
  enc_mov_rr (&g->e, w, spare, field);
  enc_shift_ri (&g->e, SHIFT_SHL, w, spare, width - len);
  if ((pos + len) % width)
    enc_shift_ri (&g->e, SHIFT_ROR, w, d, pos + len);
  enc_shld_ri (&g->e, w, d, spare, len);
  if (pos)
    enc_shift_ri (&g->e, SHIFT_ROL, w, d, pos);
}

static void
deposit_constant (Gen *g, const BpIrInsn *insn, unsigned pos, unsigned len, uint64_t value)
{
  BpIrType type = (BpIrType) insn->type;
  uint64_t mask = ((uint64_t) 1 << len) - 1;
  int32_t clear = (int32_t) ~(uint32_t) (mask << pos), set = (int32_t) ((value & mask) << pos);
  Operand a = x64_operand (g, insn->a[1], type, ALLOW_IMM | ALLOW_MEM);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), 0);
  x64_move_result (g, type, d, a);
  if (pos == 0 && len == 8) {
    if (g->e.full || !enc_begin (&g->e))
      return;
    if (d >= 4)
      enc_u8 (&g->e, 0x40 | d >> 3);
    enc_u8 (&g->e, 0xb0 | (d & 7));
    enc_u8 (&g->e, (uint8_t) value);
  } else {
    if ((value & mask) != mask)
      enc_alu_ri (&g->e, ALU_AND, W (type), d, clear);
    if (value & mask)
      enc_alu_ri (&g->e, ALU_OR, W (type), d, set);
  }
  ra_defined (&g->ra, insn->a[0], 0);
}

void
x64_deposit (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  Regalloc *ra = &g->ra;
  unsigned pos = insn->aux & 0xff, len = insn->aux >> 8 & 0xff, width = width_of (type);
  if (ra_is_const (ra, insn->a[2]) && pos + len < (type == BP_IR_I64 ? 32u : 33u) && len < 32) {
    deposit_constant (g, insn, pos, len, (uint64_t) x64_const_value (g, insn->a[2], type));
    return;
  }
  unsigned field = ra_use (ra, insn->a[2], 0);
  Operand a = x64_operand (g, insn->a[1], type, ALLOW_IMM | ALLOW_MEM);
  bool whole = len == width, low8 = pos == 0 && len == 8, low16 = pos == 0 && len == 16;
  unsigned spare = whole || low8 || low16 ? RA_NONE : ra_scratch (ra, 0);
  ra_release_dead (ra);
  unsigned d = ra_define (ra, insn->a[0], x64_operand_reg (a), whole ? 0 : 1u << field);
  unsigned to = d;
  if (d == field && x64_operand_reg (a) != d && !whole) {
    to = spare == RA_NONE ? ra_scratch (ra, 0) : spare;
    spare = spare == RA_NONE ? RA_NONE : ra_scratch (ra, 0);
  }
  if (!whole)
    x64_move_result (g, type, to, a);
  if (whole)
    enc_mov_rr (&g->e, W (type), d, field);
  else if (low8)
    enc_rr (&g->e, OP_MOV8_LOAD, to, field);
  else if (low16)
    enc_rr (&g->e, OP_MOV_LOAD | X64_P66, to, field);
  else if (pos == 8 && len == 8 && (HAS_HIGH_BYTE >> to & 1) && (HAS_HIGH_BYTE >> field & 1))
    enc_rr (&g->e, 0x8a, to + 4, field);                /* mov ?h, ?l: no REX, so 4..7 are ah, ch, dh, bh */
  else if (pos == 8 && len == 8 && (HAS_HIGH_BYTE >> to & 1) && (HAS_HIGH_BYTE >> spare & 1)) {
    enc_mov_rr (&g->e, 0, spare, field);
    enc_rr (&g->e, 0x8a, to + 4, spare);
  } else if (len == 8 && pos != 0 && to != field) {
    enc_shift_ri (&g->e, SHIFT_ROR, W (type), to, pos);
    enc_rr (&g->e, OP_MOV8_LOAD, to, field);
    enc_shift_ri (&g->e, SHIFT_ROL, W (type), to, pos);
  } else {
    deposit_anywhere (g, type, to, field, spare, pos, len);
  }
  if (to != d)
    enc_mov_rr (&g->e, W (type), d, to);
  ra_defined (ra, insn->a[0], 0);
}

/* --- extract and sextract --------------------------------------------------------------------------- */

static void
extract_from (Gen *g, BpIrType type, bool is_signed, unsigned d, Operand a, unsigned pos, unsigned len)
{
  unsigned width = width_of (type);
  uint32_t w = W (type), sw = is_signed ? w : 0;
  if (len == width) {
    x64_move_result (g, type, d, a);
  } else if (pos == 0 && (len == 8 || len == 16 || len == 32)) {
    uint32_t op = len == 8 ? (is_signed ? OP_MOVSX8 : OP_MOVZX8) : len == 16 ? (is_signed ? OP_MOVSX16
                                                                                : OP_MOVZX16)
                : is_signed ? OP_MOVSXD : OP_MOV_LOAD;
    op_operand (g, op | sw, d, a);
  } else if (pos == 8 && len == 8 && a.kind == IN_REGISTER && (HAS_HIGH_BYTE >> a.reg & 1) && d < 8 && !sw) {
    enc_rr (&g->e, (is_signed ? 0xbe : 0xb6) | X64_0F, d, a.reg + 4u);   /* ah, ch, dh, bh: no REX */
  } else if (pos + len == width) {
    x64_move_operand (g, type, d, a);
    enc_shift_ri (&g->e, is_signed ? SHIFT_SAR : SHIFT_SHR, w, d, pos);
  } else if (!is_signed && (pos + len == 16 || pos + len == 8)) {
    op_operand (g, pos + len == 16 ? OP_MOVZX16 : OP_MOVZX8, d, a);
    enc_shift_ri (&g->e, SHIFT_SHR, 0, d, pos);
  } else if (!is_signed && len <= 31) {
    if (pos && a.kind == IN_REGISTER && a.reg != d && (x64_host.cpu & CPU_BMI2)) {
      enc_rorx (&g->e, w, d, a.reg, pos);
    } else {
      x64_move_operand (g, type, d, a);
      if (pos)
        enc_shift_ri (&g->e, SHIFT_SHR, w, d, pos);
    }
    enc_alu_ri (&g->e, ALU_AND, 0, d, (int32_t) ((1u << len) - 1));
  } else {
    x64_move_operand (g, type, d, a);
    enc_shift_ri (&g->e, SHIFT_SHL, w, d, width - pos - len);
    enc_shift_ri (&g->e, is_signed ? SHIFT_SAR : SHIFT_SHR, w, d, width - len);
  }
}

void
x64_extract (Gen *g, const BpIrInsn *insn)
{
  unsigned pos = insn->aux & 0xff, len = insn->aux >> 8 & 0xff;
  Operand a = x64_operand (g, insn->a[1], (BpIrType) insn->type, ALLOW_MEM);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), 0);
  extract_from (g, (BpIrType) insn->type, g->row->extra, d, a, pos, len);
  ra_defined (&g->ra, insn->a[0], 0);
}

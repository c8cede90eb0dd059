/* encode.c -- x86-64 instructions as bytes. */
/* SPDX-License-Identifier: MIT */
#include "encode.h"
#include <string.h>

/* --- bytes ------------------------------------------------------------------------ */

bool
enc_begin (Enc *e)
{
  if (e->end - e->p < 24)
    e->full = true;
  e->n_insns++;
  return !e->full;
}

void
enc_u8 (Enc *e, unsigned v)
{
  if (!e->full)
    *e->p++ = (uint8_t) v;
}

void
enc_u16 (Enc *e, unsigned v)
{
  enc_u8 (e, v);
  enc_u8 (e, v >> 8);
}

void
enc_u32 (Enc *e, uint32_t v)
{
  if (e->full)
    return;
  memcpy (e->p, &v, 4);
  e->p += 4;
}

void
enc_u64 (Enc *e, uint64_t v)
{
  if (e->full)
    return;
  memcpy (e->p, &v, 8);
  e->p += 8;
}

static inline bool
is_i8 (int64_t v)
{
  return v == (int8_t) v;
}

/* --- prefixes and opcode ------------------------------------------------------------- */

static const uint8_t prefix_bytes[4] = { 0, 0x66, 0xf3, 0xf2 };

/* SDM vol. 2, 2.1 and 2.2.1: legacy prefixes, then REX, then the opcode. */
static void
prefix_and_opcode (Enc *e, uint32_t op, unsigned reg, unsigned index, unsigned base, bool byte_needs_rex)
{
  unsigned map = op >> 8 & 3, prefix = op >> 10 & 3;
  if (op & X64_LOCK)
    enc_u8 (e, 0xf0);
  if (prefix)
    enc_u8 (e, prefix_bytes[prefix]);
  unsigned rex = (op & X64_W ? 8u : 0u) | (reg & 8) >> 1 | (index & 8) >> 2 | (base & 8) >> 3;
  if (rex || byte_needs_rex)
    enc_u8 (e, 0x40 | rex);
  if (map)
    enc_u8 (e, 0x0f);
  if (map >= 2)
    enc_u8 (e, map == 2 ? 0x38 : 0x3a);
  enc_u8 (e, op);
}

static void
vex_and_opcode (Enc *e, uint32_t op, unsigned reg, unsigned vvvv, unsigned index, unsigned base)
{
  unsigned map = op >> 8 & 3, pp = op >> 10 & 3, l = op & X64_L ? 4 : 0;
  /* VEX.pp orders the prefixes as 66, F3, F2: the same as here. */
  if (map == 1 && !(op & X64_W) && !((index | base) & 8)) {
    enc_u8 (e, 0xc5);
    enc_u8 (e, (reg & 8 ? 0 : 0x80) | (~vvvv & 15) << 3 | l | pp);
  } else {
    enc_u8 (e, 0xc4);
    enc_u8 (e, (reg & 8 ? 0 : 0x80) | (index & 8 ? 0 : 0x40) | (base & 8 ? 0 : 0x20) | map);
    enc_u8 (e, (op & X64_W ? 0x80 : 0) | (~vvvv & 15) << 3 | l | pp);
  }
  enc_u8 (e, op);
}

/* ModRM, SIB and displacement of a memory operand (SDM vol. 2, tables 2-2 and 2-3). */
static void
modrm_memory (Enc *e, unsigned reg, X64Mem m)
{
  reg = (reg & 7) << 3;
  if (m.base == X64_NO_REG) {
    enc_u8 (e, 0x04 | reg);
    enc_u8 (e, (unsigned) m.scale << 6 | (m.index == X64_NO_REG ? 4u : m.index & 7u) << 3 | 5);
    enc_u32 (e, (uint32_t) m.disp);
    return;
  }
  unsigned mod = m.disp == 0 && (m.base & 7) != RBP ? 0x00 : is_i8 (m.disp) ? 0x40 : 0x80;
  if (m.index != X64_NO_REG || (m.base & 7) == RSP) {
    enc_u8 (e, mod | reg | 4);
    enc_u8 (e, (unsigned) m.scale << 6 | (m.index == X64_NO_REG ? 4u : m.index & 7u) << 3 | (m.base & 7));
  } else {
    enc_u8 (e, mod | reg | (m.base & 7));
  }
  if (mod == 0x40)
    enc_u8 (e, (uint8_t) m.disp);
  else if (mod == 0x80)
    enc_u32 (e, (uint32_t) m.disp);
}

static inline unsigned
high_bit (unsigned reg)
{
  return reg == X64_NO_REG ? 0 : reg;
}

void
enc_rr (Enc *e, uint32_t op, unsigned reg, unsigned rm)
{
  if (!enc_begin (e))
    return;
  bool rex = ((op & X64_B8REG) && reg >= 4) || ((op & X64_B8RM) && rm >= 4);
  prefix_and_opcode (e, op, reg, 0, rm, rex);
  enc_u8 (e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

void
enc_rm (Enc *e, uint32_t op, unsigned reg, X64Mem mem)
{
  if (!enc_begin (e))
    return;
  prefix_and_opcode (e, op, reg, high_bit (mem.index), high_bit (mem.base), (op & X64_B8REG) && reg >= 4);
  modrm_memory (e, reg, mem);
}

void
enc_vex_rr (Enc *e, uint32_t op, unsigned reg, unsigned vvvv, unsigned rm)
{
  if (!enc_begin (e))
    return;
  vex_and_opcode (e, op, reg, vvvv, 0, rm);
  enc_u8 (e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

void
enc_vex_rm (Enc *e, uint32_t op, unsigned reg, unsigned vvvv, X64Mem mem)
{
  if (!enc_begin (e))
    return;
  vex_and_opcode (e, op, reg, vvvv, high_bit (mem.index), high_bit (mem.base));
  modrm_memory (e, reg, mem);
}

/* --- moves ------------------------------------------------------------------------------ */

void
enc_mov_rr (Enc *e, uint32_t w, unsigned dst, unsigned src)
{
  enc_rr (e, OP_MOV_LOAD | w, dst, src);
}

void
enc_mov_ri (Enc *e, unsigned dst, int64_t value)
{
  if (value != (uint32_t) value && value == (int32_t) value) {
    enc_rr (e, 0xc7 | X64_W, 0, dst);
    enc_u32 (e, (uint32_t) value);
    return;
  }
  if (!enc_begin (e))
    return;
  if (value == (uint32_t) value) {
    if (dst & 8)
      enc_u8 (e, 0x41);
    enc_u8 (e, 0xb8 | (dst & 7));
    enc_u32 (e, (uint32_t) value);
  } else {
    enc_u8 (e, 0x48 | (dst & 8) >> 3);
    enc_u8 (e, 0xb8 | (dst & 7));
    enc_u64 (e, (uint64_t) value);
  }
}

void
enc_mov_mi (Enc *e, uint32_t w, X64Mem mem, int32_t value)
{
  enc_rm (e, 0xc7 | w, 0, mem);
  enc_u32 (e, (uint32_t) value);
}

void enc_load (Enc *e, uint32_t w, unsigned dst, X64Mem mem) { enc_rm (e, OP_MOV_LOAD | w, dst, mem); }
void enc_store (Enc *e, uint32_t w, unsigned src, X64Mem mem) { enc_rm (e, OP_MOV_STORE | w, src, mem); }

/* --- arithmetic --------------------------------------------------------------------------- */

void
enc_alu_rr (Enc *e, X64Alu alu, uint32_t w, unsigned dst, unsigned src)
{
  enc_rr (e, (alu << 3 | 3) | w, dst, src);
}

void
enc_alu_rm (Enc *e, X64Alu alu, uint32_t w, unsigned dst, X64Mem src)
{
  enc_rm (e, (alu << 3 | 3) | w, dst, src);
}

void
enc_alu_mr (Enc *e, X64Alu alu, uint32_t w, X64Mem dst, unsigned src)
{
  enc_rm (e, (alu << 3 | 1) | w, src, dst);
}

void
enc_alu_ri (Enc *e, X64Alu alu, uint32_t w, unsigned dst, int32_t value)
{
  if (!is_i8 (value) && dst == RAX) {
    if (!enc_begin (e))
      return;
    if (w)
      enc_u8 (e, 0x48);
    enc_u8 (e, alu << 3 | 5);
    enc_u32 (e, (uint32_t) value);
    return;
  }
  enc_rr (e, (is_i8 (value) ? 0x83 : 0x81) | w, alu, dst);
  if (is_i8 (value))
    enc_u8 (e, (uint8_t) value);
  else
    enc_u32 (e, (uint32_t) value);
}

void
enc_alu_mi (Enc *e, X64Alu alu, uint32_t w, X64Mem dst, int32_t value)
{
  enc_rm (e, (is_i8 (value) ? 0x83 : 0x81) | w, alu, dst);
  if (is_i8 (value))
    enc_u8 (e, (uint8_t) value);
  else
    enc_u32 (e, (uint32_t) value);
}

void
enc_test_ri (Enc *e, uint32_t w, unsigned reg, int32_t value)
{
  if (value >= 0 && value < 0x100) {
    enc_rr (e, 0xf6 | X64_B8RM, 0, reg);
    enc_u8 (e, (unsigned) value);
  } else {
    enc_rr (e, 0xf7 | (value > 0 ? 0 : w), 0, reg);
    enc_u32 (e, (uint32_t) value);
  }
}

void
enc_test_mi (Enc *e, uint32_t w, X64Mem mem, int32_t value)
{
  if (value >= 0 && value < 0x100) {
    enc_test_m8 (e, mem, (unsigned) value);
  } else {
    enc_rm (e, 0xf7 | (value > 0 ? 0 : w), 0, mem);
    enc_u32 (e, (uint32_t) value);
  }
}

void
enc_test_m8 (Enc *e, X64Mem mem, unsigned value)
{
  enc_rm (e, 0xf6, 0, mem);
  enc_u8 (e, value);
}

void
enc_imul_rri (Enc *e, uint32_t w, unsigned dst, unsigned src, int32_t value)
{
  enc_rr (e, (is_i8 (value) ? 0x6b : 0x69) | w, dst, src);
  if (is_i8 (value))
    enc_u8 (e, (uint8_t) value);
  else
    enc_u32 (e, (uint32_t) value);
}

void
enc_imul_rmi (Enc *e, uint32_t w, unsigned dst, X64Mem src, int32_t value)
{
  enc_rm (e, (is_i8 (value) ? 0x6b : 0x69) | w, dst, src);
  if (is_i8 (value))
    enc_u8 (e, (uint8_t) value);
  else
    enc_u32 (e, (uint32_t) value);
}

void
enc_shift_ri (Enc *e, X64Shift shift, uint32_t w, unsigned reg, unsigned count)
{
  if (count == 1) {
    enc_rr (e, 0xd1 | w, shift, reg);
  } else {
    enc_rr (e, 0xc1 | w, shift, reg);
    enc_u8 (e, count);
  }
}

void enc_shift_cl (Enc *e, X64Shift shift, uint32_t w, unsigned reg) { enc_rr (e, 0xd3 | w, shift, reg); }

void
enc_rorx (Enc *e, uint32_t w, unsigned dst, unsigned src, unsigned count)
{
  enc_vex_rr (e, OP_RORX | w, dst, 0, src);
  enc_u8 (e, count);
}

void
enc_shld_ri (Enc *e, uint32_t w, unsigned dst, unsigned src, unsigned count)
{
  enc_rr (e, 0xa4 | X64_0F | w, src, dst);
  enc_u8 (e, count);
}

void
enc_bt_ri (Enc *e, uint32_t w, unsigned reg, unsigned bit)
{
  enc_rr (e, 0xba | X64_0F | w, 4, reg);
  enc_u8 (e, bit);
}

void enc_unary (Enc *e, X64Unary unary, uint32_t w, unsigned reg) { enc_rr (e, 0xf7 | w, unary, reg); }

void
enc_bswap (Enc *e, uint32_t w, unsigned reg)
{
  if (!enc_begin (e))
    return;
  if (w || (reg & 8))
    enc_u8 (e, 0x40 | (w ? 8 : 0) | (reg & 8) >> 3);
  enc_u8 (e, 0x0f);
  enc_u8 (e, 0xc8 | (reg & 7));
}

void enc_setcc (Enc *e, unsigned cc, unsigned reg) { enc_rr (e, (0x90 | cc) | X64_0F | X64_B8RM, 0, reg); }

void
enc_cmov (Enc *e, unsigned cc, uint32_t w, unsigned dst, unsigned src)
{
  enc_rr (e, (0x40 | cc) | X64_0F | w, dst, src);
}

/* --- stack and control flow ------------------------------------------------------------------ */

static void
short_form (Enc *e, unsigned opcode, unsigned reg)
{
  if (!enc_begin (e))
    return;
  if (reg & 8)
    enc_u8 (e, 0x41);
  enc_u8 (e, opcode | (reg & 7));
}

void enc_push (Enc *e, unsigned reg) { short_form (e, 0x50, reg); }
void enc_pop (Enc *e, unsigned reg) { short_form (e, 0x58, reg); }
void enc_push_m (Enc *e, X64Mem mem) { enc_rm (e, 0xff, 6, mem); }
void enc_call_r (Enc *e, unsigned reg) { enc_rr (e, 0xff, 2, reg); }
void enc_jmp_r (Enc *e, unsigned reg) { enc_rr (e, 0xff, 4, reg); }
void enc_jmp_m (Enc *e, X64Mem mem) { enc_rm (e, 0xff, 4, mem); }

void
enc_ret (Enc *e)
{
  if (enc_begin (e))
    enc_u8 (e, 0xc3);
}

/* The lengths recommended in SDM vol. 2, NOP: 90; 66 90; 0f 1f with a longer and longer operand. */
void
enc_nops (Enc *e, unsigned n)
{
  static const uint8_t nops[5][5] = {
    { 0x90 }, { 0x66, 0x90 }, { 0x0f, 0x1f, 0x00 }, { 0x0f, 0x1f, 0x40, 0x00 }, { 0x0f, 0x1f, 0x44, 0x00,
                                                                                  0x00 },
  };
  for (unsigned now; n > 0; n -= now) {
    now = n > 5 ? 5 : n;
    if (!enc_begin (e))
      return;
    memcpy (e->p, nops[now - 1], now);
    e->p += now;
  }
}

static uint8_t *
rel32 (Enc *e)
{
  uint8_t *at = e->full ? NULL : e->p;
  enc_u32 (e, 0);
  return at;
}

uint8_t *
enc_jmp (Enc *e)
{
  if (enc_begin (e))
    enc_u8 (e, 0xe9);
  return rel32 (e);
}

uint8_t *
enc_jcc (Enc *e, unsigned cc)
{
  if (cc == CC_ALWAYS)
    return enc_jmp (e);
  if (enc_begin (e)) {
    enc_u8 (e, 0x0f);
    enc_u8 (e, 0x80 | cc);
  }
  return rel32 (e);
}

uint8_t *
enc_call (Enc *e)
{
  if (enc_begin (e))
    enc_u8 (e, 0xe8);
  return rel32 (e);
}

void
enc_patch (uint8_t *at, const uint8_t *target)
{
  if (!at)
    return;
  int32_t distance = (int32_t) (target - (at + 4));
  memcpy (at, &distance, 4);
}

void
enc_jmp_to (Enc *e, const uint8_t *target)
{
  int64_t distance = target - (e->p + 2);
  if (is_i8 (distance) && enc_begin (e)) {
    enc_u8 (e, 0xeb);
    enc_u8 (e, (uint8_t) distance);
  } else {
    enc_patch (enc_jmp (e), target);
  }
}

void
enc_jcc_to (Enc *e, unsigned cc, const uint8_t *target)
{
  int64_t distance = target - (e->p + 2);
  if (cc == CC_ALWAYS) {
    enc_jmp_to (e, target);
  } else if (is_i8 (distance) && enc_begin (e)) {
    enc_u8 (e, 0x70 | cc);
    enc_u8 (e, (uint8_t) distance);
  } else {
    enc_patch (enc_jcc (e, cc), target);
  }
}

void enc_call_to (Enc *e, const uint8_t *target) { enc_patch (enc_call (e), target); }

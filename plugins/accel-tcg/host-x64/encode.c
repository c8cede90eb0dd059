/* encode.c -- x86-64 instructions as bytes. */
/* SPDX-License-Identifier: MIT */
#include "encode.h"
#include <string.h>

/* --- bytes: an instruction that has begun has room for more than its own, so that they are put down without a look -------- */

static inline bool
is_i8 (int64_t v)
{
  return v == (int8_t) v;
}

/* --- prefixes and opcode ------------------------------------------------------------- */

static const uint8_t prefix_bytes[4] = { 0, 0x66, 0xf3, 0xf2 };

/* SDM vol. 2, 2.1 and 2.2.1: legacy prefixes, then REX, then the opcode. */
static inline uint8_t *
prefix_and_opcode (uint8_t *p, uint32_t op, unsigned reg, unsigned index, unsigned base, bool byte_needs_rex)
{
  unsigned map = op >> 8 & 3, prefix = op >> 10 & 3;
  if (op & X64_LOCK)
    *p++ = 0xf0;
  if (prefix)
    *p++ = prefix_bytes[prefix];
  unsigned rex = (op & X64_W ? 8u : 0u) | (reg & 8) >> 1 | (index & 8) >> 2 | (base & 8) >> 3;
  *p = (uint8_t) (0x40 | rex);
  p += rex || byte_needs_rex;
  if (map) {
    *p++ = 0x0f;
    if (map >= 2)
      *p++ = map == 2 ? 0x38 : 0x3a;
  }
  *p++ = (uint8_t) op;
  return p;
}

static inline uint8_t *
vex_and_opcode (uint8_t *p, uint32_t op, unsigned reg, unsigned vvvv, unsigned index, unsigned base)
{
  unsigned map = op >> 8 & 3, pp = op >> 10 & 3, l = op & X64_L ? 4 : 0;
  /* VEX.pp orders the prefixes as 66, F3, F2: the same as here. */
  if (map == 1 && !(op & X64_W) && !((index | base) & 8)) {
    *p++ = 0xc5;
    *p++ = (uint8_t) ((reg & 8 ? 0 : 0x80) | (~vvvv & 15) << 3 | l | pp);
  } else {
    *p++ = 0xc4;
    *p++ = (uint8_t) ((reg & 8 ? 0 : 0x80) | (index & 8 ? 0 : 0x40) | (base & 8 ? 0 : 0x20) | map);
    *p++ = (uint8_t) ((op & X64_W ? 0x80 : 0) | (~vvvv & 15) << 3 | l | pp);
  }
  *p++ = (uint8_t) op;
  return p;
}

/* ModRM, SIB and displacement of a memory operand (SDM vol. 2, tables 2-2 and 2-3). */
static inline uint8_t *
modrm_memory (uint8_t *p, unsigned reg, X64Mem m)
{
  unsigned index = m.index == X64_NO_REG ? 4u : m.index & 7u, size;
  reg = (reg & 7) << 3;
  if (m.base == X64_NO_REG) {
    *p++ = (uint8_t) (0x04 | reg);
    *p++ = (uint8_t) ((unsigned) m.scale << 6 | index << 3 | 5);
    size = 4;
  } else {
    unsigned mod = m.disp == 0 && (m.base & 7) != RBP ? 0x00 : is_i8 (m.disp) ? 0x40 : 0x80;
    bool sib = m.index != X64_NO_REG || (m.base & 7) == RSP;
    *p++ = (uint8_t) (mod | reg | (sib ? 4 : m.base & 7));
    *p = (uint8_t) ((unsigned) m.scale << 6 | index << 3 | (m.base & 7));
    p += sib;
    size = mod == 0x80 ? 4 : mod >> 6;
  }
  memcpy (p, &m.disp, 4);
  return p + size;
}

/* Of a register's number that is its bit in REX; of X64_NO_REG nothing. */
static inline unsigned
high_bit (unsigned reg)
{
  return reg & ~(reg >> 4) & 8;
}

void
enc_rr (Enc *e, uint32_t op, unsigned reg, unsigned rm)
{
  if (!enc_begin (e))
    return;
  bool rex = ((op & X64_B8REG) && reg >= 4) || ((op & X64_B8RM) && rm >= 4);
  uint8_t *p = prefix_and_opcode (e->p, op, reg, 0, rm, rex);
  *p++ = (uint8_t) (0xc0 | (reg & 7) << 3 | (rm & 7));
  e->p = p;
}

/* Most of all: one byte of opcode, a base and no index. */
static inline void
plain_rm (Enc *e, uint32_t op, unsigned reg, unsigned base, int32_t disp)
{
  uint8_t *p = e->p;
  unsigned rex = (op & X64_W) >> 9 | (reg & 8) >> 1 | base >> 3;
  *p = (uint8_t) (0x40 | rex);
  p += rex != 0;
  unsigned mod = disp == 0 && (base & 7) != RBP ? 0x00 : is_i8 (disp) ? 0x40 : 0x80;
  p[0] = (uint8_t) op;
  p[1] = (uint8_t) (mod | (reg & 7) << 3 | (base & 7));
  p[2] = 0x20 | RSP;            /* SIB of RSP and R12 */
  p += 2 + ((base & 7) == RSP);
  memcpy (p, &disp, 4);
  e->p = p + (mod == 0x80 ? 4 : mod >> 6);
}

void
enc_rm (Enc *e, uint32_t op, unsigned reg, X64Mem mem)
{
  if (!enc_begin (e))
    return;
  if (!(op & ~(0xffu | X64_W)) && mem.index == X64_NO_REG && mem.base != X64_NO_REG) {
    plain_rm (e, op, reg, mem.base, mem.disp);
    return;
  }
  uint8_t *p = prefix_and_opcode (e->p, op, reg, high_bit (mem.index), high_bit (mem.base), (op & X64_B8REG) && reg >= 4);
  e->p = modrm_memory (p, reg, mem);
}

void
enc_vex_rr (Enc *e, uint32_t op, unsigned reg, unsigned vvvv, unsigned rm)
{
  if (!enc_begin (e))
    return;
  uint8_t *p = vex_and_opcode (e->p, op, reg, vvvv, 0, rm);
  *p++ = (uint8_t) (0xc0 | (reg & 7) << 3 | (rm & 7));
  e->p = p;
}

void
enc_vex_rm (Enc *e, uint32_t op, unsigned reg, unsigned vvvv, X64Mem mem)
{
  if (!enc_begin (e))
    return;
  uint8_t *p = vex_and_opcode (e->p, op, reg, vvvv, high_bit (mem.index), high_bit (mem.base));
  e->p = modrm_memory (p, reg, mem);
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

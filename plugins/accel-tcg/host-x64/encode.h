/* encode.h -- x86-64 instructions as bytes (Intel SDM volume 2).  Knows nothing of the translator. */
/* SPDX-License-Identifier: MIT */
/*
 * An opcode is a number with the fields of its encoding (X64_OP...): byte, map, mandatory prefix, REX.W, and
 * whether its register operands are bytes (then spl..dil need a REX prefix). Three functions encode any ModRM
 * form from that; the named ones below are the ones in common use. When the space runs out nothing more is
 * written and `full` is set.
 */
#ifndef HOST_X64_ENCODE_H
#define HOST_X64_ENCODE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, X64_NO_REG = 0xff };

/* Condition codes as in jcc, setcc, cmovcc (SDM vol. 1 appendix B.1). */
enum {
  CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G,
  CC_ALWAYS = 16, CC_NEVER = 17
};

typedef struct Enc {
  uint8_t *p, *end;
  bool full;
  uint32_t n_insns;             /* instructions so far */
} Enc;

/* [base + index * (1 << scale) + disp]; base or index may be X64_NO_REG. */
typedef struct X64Mem {
  uint8_t base, index, scale;
  int32_t disp;
} X64Mem;

static inline X64Mem
x64_mem (unsigned base, int32_t disp)
{
  return (X64Mem) { (uint8_t) base, X64_NO_REG, 0, disp };
}

static inline X64Mem
x64_mem_index (unsigned base, unsigned index, unsigned scale, int32_t disp)
{
  return (X64Mem) { (uint8_t) base, (uint8_t) index, (uint8_t) scale, disp };
}

/* --- opcodes ------------------------------------------------------------------- */

#define X64_0F     (1u << 8)            /* maps */
#define X64_0F38   (2u << 8)
#define X64_0F3A   (3u << 8)
#define X64_P66    (1u << 10)           /* mandatory prefixes */
#define X64_PF3    (2u << 10)
#define X64_PF2    (3u << 10)
#define X64_W      (1u << 12)           /* REX.W or VEX.W */
#define X64_B8REG  (1u << 13)           /* the reg operand is a byte register */
#define X64_B8RM   (1u << 14)           /* the rm operand is */
#define X64_L      (1u << 15)           /* VEX.L */
#define X64_LOCK   (1u << 16)

/* The eight ALU operations: number n in opcodes 8n .. 8n+5 and in 80, 81, 83 /n. */
typedef enum X64Alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP } X64Alu;
/* Shifts: number in c0, c1, d1, d3 /n. */
typedef enum X64Shift { SHIFT_ROL, SHIFT_ROR, SHIFT_SHL = 4, SHIFT_SHR = 5, SHIFT_SAR = 7 } X64Shift;
/* f7 /n */
typedef enum X64Unary { UNARY_NOT = 2, UNARY_NEG = 3, UNARY_MUL = 4, UNARY_IMUL = 5, UNARY_DIV = 6,
                        UNARY_IDIV = 7 } X64Unary;

#define OP_MOV_LOAD   0x8bu
#define OP_MOV_STORE  0x89u
#define OP_MOV8_LOAD  (0x8au | X64_B8REG | X64_B8RM)
#define OP_MOV8_STORE (0x88u | X64_B8REG | X64_B8RM)
#define OP_MOV16_STORE (0x89u | X64_P66)
#define OP_MOVZX8     (0xb6u | X64_0F | X64_B8RM)
#define OP_MOVZX16    (0xb7u | X64_0F)
#define OP_MOVSX8     (0xbeu | X64_0F | X64_B8RM)
#define OP_MOVSX16    (0xbfu | X64_0F)
#define OP_MOVSXD     (0x63u | X64_W)
#define OP_LEA        0x8du
#define OP_TEST       0x85u
#define OP_IMUL       (0xafu | X64_0F)
#define OP_XCHG       0x87u
#define OP_XADD       (0xc1u | X64_0F)
#define OP_CMPXCHG    (0xb1u | X64_0F)
#define OP_LZCNT      (0xbdu | X64_0F | X64_PF3)
#define OP_TZCNT      (0xbcu | X64_0F | X64_PF3)
#define OP_POPCNT     (0xb8u | X64_0F | X64_PF3)
#define OP_BSR        (0xbdu | X64_0F)
#define OP_BSF        (0xbcu | X64_0F)
#define OP_MOVBE_LOAD (0xf0u | X64_0F38)
#define OP_MOVBE_STORE (0xf1u | X64_0F38)
#define OP_ANDN       (0xf2u | X64_0F38)                /* VEX */
#define OP_SHLX       (0xf7u | X64_0F38 | X64_P66)      /* VEX */
#define OP_SARX       (0xf7u | X64_0F38 | X64_PF3)
#define OP_SHRX       (0xf7u | X64_0F38 | X64_PF2)
#define OP_RORX       (0xf0u | X64_0F3A | X64_PF2)      /* VEX, imm8 */
#define OP_MOVAPS_LOAD (0x28u | X64_0F)
#define OP_MOVAPS_STORE (0x29u | X64_0F)
#define OP_VINSERTF128 (0x18u | X64_0F3A | X64_P66)     /* VEX.256, imm8 */
#define OP_VEXTRACTF128 (0x19u | X64_0F3A | X64_P66)

/* --- any instruction ------------------------------------------------------------- */

/* Starts an instruction of at most 24 bytes: false when there is no space. */
static inline bool
enc_begin (Enc *e)
{
  if (e->end - e->p < 24)
    e->full = true;
  e->n_insns++;
  return !e->full;
}

static inline void
enc_bytes (Enc *e, const void *bytes, unsigned n)
{
  if (e->full)
    return;
  memcpy (e->p, bytes, n);
  e->p += n;
}

static inline void
enc_u8 (Enc *e, unsigned v)
{
  uint8_t byte = (uint8_t) v;
  enc_bytes (e, &byte, 1);
}

static inline void
enc_u16 (Enc *e, unsigned v)
{
  uint16_t word = (uint16_t) v;
  enc_bytes (e, &word, 2);
}

static inline void enc_u32 (Enc *e, uint32_t v) { enc_bytes (e, &v, 4); }
static inline void enc_u64 (Enc *e, uint64_t v) { enc_bytes (e, &v, 8); }

/* opcode, ModRM with a register or a memory operand; `reg` may be an opcode extension.  Any
 * immediate is appended by the caller. */
void enc_rr (Enc *e, uint32_t op, unsigned reg, unsigned rm);
void enc_rm (Enc *e, uint32_t op, unsigned reg, X64Mem mem);
void enc_vex_rr (Enc *e, uint32_t op, unsigned reg, unsigned vvvv, unsigned rm);
void enc_vex_rm (Enc *e, uint32_t op, unsigned reg, unsigned vvvv, X64Mem mem);

/* --- in common use.  w: X64_W or 0 ------------------------------------------------ */

void enc_mov_rr (Enc *e, uint32_t w, unsigned dst, unsigned src);
void enc_mov_ri (Enc *e, unsigned dst, int64_t value);                   /* shortest; does not touch flags */
void enc_mov_mi (Enc *e, uint32_t w, X64Mem mem, int32_t value);
void enc_load (Enc *e, uint32_t w, unsigned dst, X64Mem mem);
void enc_store (Enc *e, uint32_t w, unsigned src, X64Mem mem);
void enc_alu_rr (Enc *e, X64Alu alu, uint32_t w, unsigned dst, unsigned src);
void enc_alu_rm (Enc *e, X64Alu alu, uint32_t w, unsigned dst, X64Mem src);
void enc_alu_mr (Enc *e, X64Alu alu, uint32_t w, X64Mem dst, unsigned src);
void enc_alu_ri (Enc *e, X64Alu alu, uint32_t w, unsigned dst, int32_t value);
void enc_alu_mi (Enc *e, X64Alu alu, uint32_t w, X64Mem dst, int32_t value);
/* may shrink to a byte when that gives the same ZF */
void enc_test_ri (Enc *e, uint32_t w, unsigned reg, int32_t value);
void enc_test_m8 (Enc *e, X64Mem mem, unsigned value);
void enc_test_mi (Enc *e, uint32_t w, X64Mem mem, int32_t value);        /* as enc_test_ri */
void enc_imul_rri (Enc *e, uint32_t w, unsigned dst, unsigned src, int32_t value);
void enc_imul_rmi (Enc *e, uint32_t w, unsigned dst, X64Mem src, int32_t value);
void enc_shift_ri (Enc *e, X64Shift shift, uint32_t w, unsigned reg, unsigned count);
void enc_shift_cl (Enc *e, X64Shift shift, uint32_t w, unsigned reg);
void enc_rorx (Enc *e, uint32_t w, unsigned dst, unsigned src, unsigned count);
void enc_shld_ri (Enc *e, uint32_t w, unsigned dst, unsigned src, unsigned count);
void enc_bt_ri (Enc *e, uint32_t w, unsigned reg, unsigned bit);
void enc_unary (Enc *e, X64Unary unary, uint32_t w, unsigned reg);
void enc_bswap (Enc *e, uint32_t w, unsigned reg);
void enc_setcc (Enc *e, unsigned cc, unsigned reg);
void enc_cmov (Enc *e, unsigned cc, uint32_t w, unsigned dst, unsigned src);
void enc_push (Enc *e, unsigned reg);
void enc_pop (Enc *e, unsigned reg);
void enc_push_m (Enc *e, X64Mem mem);
void enc_ret (Enc *e);
void enc_call_r (Enc *e, unsigned reg);
void enc_jmp_r (Enc *e, unsigned reg);
void enc_jmp_m (Enc *e, X64Mem mem);
void enc_nops (Enc *e, unsigned n);                                      /* n bytes of no-operation */

/* Jumps return where their rel32 is, for enc_patch; -> NULL when there was no space. */
uint8_t *enc_jmp (Enc *e);
uint8_t *enc_jcc (Enc *e, unsigned cc);
uint8_t *enc_call (Enc *e);
void enc_patch (uint8_t *rel32, const uint8_t *target);
/* To a place already known: the shortest form. */
void enc_jmp_to (Enc *e, const uint8_t *target);
void enc_jcc_to (Enc *e, unsigned cc, const uint8_t *target);
void enc_call_to (Enc *e, const uint8_t *target);

#endif

/* row.h -- what a slot of the maps holds: a node of the decision tree, or an instruction and its columns. */
/* SPDX-License-Identifier: MIT */

#ifndef TARGET_I386_DECODE_ROW_H
#define TARGET_I386_DECODE_ROW_H

#include "decode.h"

/* A node names what to look at next; its sub-table has one row per possible value. */
typedef enum NodeKind {
  NODE_UD,        /* zero, so that an unwritten slot is an invalid one */
  NODE_OP,        /* a leaf */
  NODE_PREFIX,    /* the byte is a prefix: remember it and start again */
  NODE_BY_OPCODE, /* 256: the next byte */
  NODE_BY_REG,    /* 8: modrm.reg */
  NODE_BY_RM,     /* 8: modrm.rm */
  NODE_BY_MOD,    /* 2: memory, register */
  NODE_BY_PREFIX, /* 4: none, 66, F3, F2; F2 and F3 outrank 66, the last of them wins */
  NODE_BY_MODE,   /* 2: 16- and 32-bit, 64-bit */
  NODE_BY_OPSIZE, /* 3: 16, 32, 64 */
  NODE_BY_REX_B,  /* 2: REX.B clear, set */
  NODE_VEX,       /* the byte starts a VEX prefix, which names a map */
  NODE_BY_L,      /* 2: VEX.L */
  NODE_BY_W       /* 2: VEX.W */
} NodeKind;

/* Addressing methods: SDM vol. 2, A.2.1. */
typedef enum Method {
  METHOD_NONE,
  METHOD_E, METHOD_E_Mb, METHOD_E_Mw, METHOD_G, METHOD_R, METHOD_R_any_mod, METHOD_M,
  METHOD_S, METHOD_C, METHOD_D, METHOD_ST_I,
  METHOD_P, METHOD_Q, METHOD_N, METHOD_V, METHOD_W, METHOD_U, METHOD_VM_x, METHOD_VM_dq,
  METHOD__LAST_MODRM = METHOD_VM_dq, /* every method up to here needs the modrm byte */
  METHOD_B, METHOD_H, METHOD_L,
  METHOD_ONE, METHOD_I, METHOD_SI, METHOD_J, METHOD_A, METHOD_O,
  METHOD_X, METHOD_Y, METHOD_BX, METHOD_DI,
  METHOD_Z, METHOD_AX, METHOD_CX, METHOD_DX,
  METHOD_SEG_ES, METHOD_SEG_CS, METHOD_SEG_SS, METHOD_SEG_DS, METHOD_SEG_FS, METHOD_SEG_GS,
  METHOD_ST_0, METHOD_XMM_0
} Method;

/* Operand sizes: SDM vol. 2, A.2.2. */
typedef enum Size {
  SIZE_0,
  SIZE_b, SIZE_w, SIZE_d, SIZE_q, SIZE_dq, SIZE_t,
  SIZE_x,    /* the vector length: 16 or 32 */
  SIZE_x2, SIZE_x4, SIZE_x8, /* a half, a quarter, an eighth of it */
  SIZE_dd,   /* 8, or 32 when the vector length is 32 */
  SIZE_v,    /* the operand size: 2, 4, 8 */
  SIZE_z,    /* the same, but at most 4 */
  SIZE_y,    /* 4, or 8 when the operand size is 8 */
  SIZE_n,    /* 4, or 8 in 64-bit mode */
  SIZE_p,    /* far pointer: operand size + 2 */
  SIZE_a,    /* BOUND: twice the operand size */
  SIZE_s,    /* descriptor-table register: 6, or 10 in 64-bit mode */
  SIZE_env,  /* x87 environment: 14 or 28 */
  SIZE_save, /* x87 state: 94 or 108 */
  SIZE_fx,   /* 512 */
  SIZE_xs    /* XSAVE area: legacy region and header, 576 */
} Size;

typedef enum Token {
#define TOKEN(name, method, size) TOKEN_##name,
#include "operands.def"
#undef TOKEN
  TOKEN__COUNT
} Token;

typedef enum FlagEffect {
#define FLAGS(name, read, written, undefined, varying) FLAGS_##name,
#include "flags.def"
#undef FLAGS
  FLAGS__COUNT
} FlagEffect;

typedef enum VexW {
  VEX_W_IGNORED,
  VEX_W_SIZE,    /* of y operands, as REX.W; ignored outside 64-bit mode */
  VEX_W_0,       /* 1 is #UD */
  VEX_W_1        /* 0 is #UD */
} VexW;

typedef struct Row Row;

struct Row {
  uint8_t kind;        /* NodeKind */
  uint8_t flags;       /* FlagEffect */
  uint16_t op;         /* X86Op */
  uint8_t operands[X86_MAX_OPERANDS]; /* Token */
  uint8_t vex[2];      /* X86Feature of the VEX form, by L; NONE: #UD */
  uint8_t vex_w;       /* VexW */
  uint64_t columns;
  const Row *sub;
};

/* Row.columns: X86_A_* in the low half; above it what ends up in other fields of X86Insn, or steers the
 * decoder. */
#define COLUMN_ACCESS_SHIFT 32  /* 2 bits: X86_ACCESS_* of operand 0 */
#define COLUMN_BRANCH_SHIFT 44  /* 4 bits: X86Branch */
#define COLUMN_UNIT_SHIFT 48    /* 4 bits: X86Unit */
#define COLUMN_FEATURE_SHIFT 56 /* 8 bits: X86Feature */
#define COLUMN_RMW2 (1ull << 34)      /* operand 1 is read and written too: XCHG, XADD */
#define COLUMN_D64 (1ull << 35)       /* 64-bit mode: operand size 64 unless 66 is given */
#define COLUMN_F64 (1ull << 36)       /* 64-bit mode: operand size 64 whatever is given */
#define COLUMN_ALIGN16 (1ull << 37)   /* memory aligned to 16 though it is not 16 bytes long */
#define COLUMN_CC (1ull << 38)        /* the opcode's low four bits are a condition */
#define COLUMN_REP_CC (1ull << 39)    /* F3 is REPE, F2 is REPNE */
#define COLUMN_ALWAYS_UD (1ull << 40) /* UD0, UD1, UD2 */
#define COLUMN_I64 (1ull << 41)       /* invalid in 64-bit mode */
#define COLUMN_O64 (1ull << 42)       /* 64-bit mode only */
#define COLUMN_REP (1ull << 43)       /* F2 and F3 are REP */
#define COLUMN_ALIGN64 (1ull << 52)   /* memory aligned to 64 */
#define COLUMN_ALIGNED (1ull << 53)   /* memory aligned to its size even with a VEX prefix */
#define COLUMN_W2 (1ull << 54)        /* operand 1 is written, and not read: MULX */
#define COLUMN_RMW3 (1ull << 55)      /* operand 2 is read and written too: gathers */

extern const Row x86_map_1byte[256];

/* By map number 1 to 3: where to look with a VEX prefix, and then, when that slot is not written. */
extern const Row *const x86_vex_maps[4][2];

typedef struct TokenInfo {
  uint8_t method;
  uint8_t size;
} TokenInfo;

typedef struct FlagInfo {
  uint32_t read, written, undefined, varying;
} FlagInfo;

extern const TokenInfo x86_token_info[TOKEN__COUNT];
extern const FlagInfo x86_flag_info[FLAGS__COUNT];

/* columns.c: address and operand size, of an instruction with such columns, and of an operand of it. */
uint8_t x86_adsize (const X86Insn *insn);
uint8_t x86_opsize (const X86Insn *insn, const Row *row);
uint16_t x86_size_of (const X86Insn *insn, Size size);

/* columns.c: fills the fields of insn that follow from the row; last_rep is 0, 0xf2 or 0xf3. */
void x86_set_columns (X86Insn *insn, const Row *row, uint8_t last_rep);

#endif

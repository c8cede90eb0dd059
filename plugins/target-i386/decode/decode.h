/* decode.h -- the x86 instruction decoder: bytes and mode in, a plain value out. */
/* SPDX-License-Identifier: MIT */

/* PURPOSE
 *
 * x86_decode() is a pure function.  It knows no CPU, no memory and no IR, keeps no state, needs nothing but
 * libc and never faults: what a processor would do about the instruction is written into the value as columns
 * (attributes), and the translator acts on them.  All facts live in the map-*.def tables, in the tokens of
 * the Intel SDM, volume 2, appendix A; the disassembler and the test generator read the same value.
 *
 * What the decoder settles itself: length, operands, effective sizes and segments, the mandatory prefix of
 * SSE instructions, and every #UD that depends on the bytes and the mode alone (invalid slots, memory forms
 * of register-only instructions and the reverse, LOCK legality, reserved segment and control registers, all
 * that a VEX prefix must not be).
 *
 * What it only reports, in the order the translator should check (SDM vol. 3, table 6-2):
 *   1. feature absent                                       -> x86_insn_without_feature(), else #UD
 *   2. X86_A_PMODE_ONLY in real or virtual-8086 mode        -> #UD (this is so for every VEX prefix)
 *   3. unit: CR0.EM, CR0.TS, CR4.OSFXSR, XCR0               -> #UD or #NM, see X86Unit
 *   4. X86_A_PRIV0, X86_A_IOPL, X86_A_VM86, X86_A_IO        -> #GP(0)
 *   5. memory faults, alignment (mem_align)                 -> #SS, #GP, #PF
 *
 * Where vendors differ Intel's facts are taken; the same bytes on a processor of AMD:
 *   66 before a near branch in 64-bit mode does nothing     (a 16-bit branch)
 *   66 63 without REX.W reads two bytes                     (four)
 *   far pointers in memory have ten bytes with REX.W        (six)
 *   0F 0D with a register operand is a NOP                  (#UD)
 *   SYSENTER is valid in long mode                          (#UD)
 *   memory operands of SHA are aligned                      (any alignment)
 *   VPERMQ and VPERMPD want VEX.W = 1                       (ignored)
 *   LOCK before MOV to or from CR0 is #UD                   (CR8)
 * Slots of EVEX, XOP and 3DNow!, and the mask registers of AVX-512, are #UD.
 *
 * An SSE instruction and its VEX form share a row and an op: VADDPS is ADDPS with vex.present and a third
 * operand, and the first one is then only written.  Operands of 32 bytes are YMM registers; what lies above a
 * narrower XMM destination is zeroed by a VEX instruction, and left alone by an SSE one.
 */

#ifndef TARGET_I386_DECODE_H
#define TARGET_I386_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X86_MAX_INSN_LENGTH 15
#define X86_MAX_OPERANDS 4

/* --- vocabulary ----------------------------------------------------------------------------------------- */

typedef enum X86Op {
#define OP(name, stem, kind) X86_OP_##name,
#include "ops.def"
#undef OP
  X86_OP__COUNT
} X86Op;

typedef enum X86Feature {
#define FEATURE(name, text) X86_FEATURE_##name,
#include "features.def"
#undef FEATURE
  X86_FEATURE__COUNT
} X86Feature;

/* The code segment's default size.  Real and virtual-8086 mode are MODE_16 (unless CS.D says otherwise). */
typedef enum X86Mode { X86_MODE_16, X86_MODE_32, X86_MODE_64 } X86Mode;

/* Number order of the hardware, as in modrm. */
enum { X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_RSI, X86_RDI }; /* R8..R15 are 8..15 */
enum { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS };
enum { X86_NO_REG = 0xff, X86_REG_RIP = 0xfe }; /* in X86Mem.base and .index */

/* Condition codes, the low four bits of Jcc/SETcc/CMOVcc opcodes. */
typedef enum X86Cond {
  X86_COND_O, X86_COND_NO, X86_COND_B, X86_COND_NB, X86_COND_Z, X86_COND_NZ, X86_COND_BE, X86_COND_NBE,
  X86_COND_S, X86_COND_NS, X86_COND_P, X86_COND_NP, X86_COND_L, X86_COND_NL, X86_COND_LE, X86_COND_NLE
} X86Cond;

/* EFLAGS bits, used by the flag columns. */
enum {
  X86_FL_CF = 1 << 0, X86_FL_PF = 1 << 2, X86_FL_AF = 1 << 4, X86_FL_ZF = 1 << 6, X86_FL_SF = 1 << 7,
  X86_FL_TF = 1 << 8, X86_FL_IF = 1 << 9, X86_FL_DF = 1 << 10, X86_FL_OF = 1 << 11, X86_FL_IOPL = 3 << 12,
  X86_FL_NT = 1 << 14, X86_FL_RF = 1 << 16, X86_FL_VM = 1 << 17, X86_FL_AC = 1 << 18, X86_FL_VIF = 1 << 19,
  X86_FL_VIP = 1 << 20, X86_FL_ID = 1 << 21,
  X86_FL_ARITH = X86_FL_CF | X86_FL_PF | X86_FL_AF | X86_FL_ZF | X86_FL_SF | X86_FL_OF,
  X86_FL_ALL = X86_FL_ARITH | X86_FL_TF | X86_FL_IF | X86_FL_DF | X86_FL_IOPL | X86_FL_NT | X86_FL_RF |
               X86_FL_VM | X86_FL_AC | X86_FL_VIF | X86_FL_VIP | X86_FL_ID
};

/* --- operands ------------------------------------------------------------------------------------------- */

typedef enum X86OperandKind {
  X86_OPERAND_NONE,
  X86_OPERAND_GPR,  /* reg 0..15; size 1, 2, 4, 8; high: AH CH DH BH, reg is then the parent's */
  X86_OPERAND_MEM,  /* mem */
  X86_OPERAND_IMM,  /* imm, extended to size bytes (and zero above them); also the 1 of D0/D1 */
  X86_OPERAND_REL,  /* rel, signed; x86_branch_target() */
  X86_OPERAND_FAR,  /* imm: offset; selector */
  X86_OPERAND_SEG,  /* reg: X86_ES .. X86_GS */
  X86_OPERAND_CR,
  X86_OPERAND_DR,
  X86_OPERAND_ST,   /* reg: i of ST(i) */
  X86_OPERAND_MM,
  X86_OPERAND_XMM   /* the low size bytes of XMM reg; 32: all of YMM reg */
} X86OperandKind;

enum { X86_ACCESS_NONE = 0, X86_ACCESS_R = 1, X86_ACCESS_W = 2, X86_ACCESS_RW = 3 };

/* XLAT's operand is [rBX]: its AL is left to the translator; MASKMOVQ's and MASKMOVDQU's third operand is
 * [rDI]. An effective address: base + (index << scale) + disp, truncated to adsize bytes, in segment seg.
 * */
typedef struct X86Mem {
  uint8_t base;      /* register number, X86_NO_REG or X86_REG_RIP (address of the next instruction) */
  uint8_t index;     /* register number or X86_NO_REG */
  uint8_t scale;     /* 0..3: a shift count */
  uint8_t adsize;    /* 2, 4, 8 */
  uint8_t seg;       /* effective: the default of the base, or the override */
  uint8_t disp_size; /* bytes in the encoding: 0, 1, 2, 4, 8 */
  uint8_t vsib;      /* 16, 32: index is an XMM or YMM register, one address an element (gathers); else 0 */
  int64_t disp;      /* sign-extended */
} X86Mem;

typedef struct X86Operand {
  uint8_t kind;   /* X86OperandKind */
  uint8_t access; /* X86_ACCESS_*: what the instruction does to this operand (LEA's and NOP's memory: NONE) */
  uint8_t reg;
  bool high;
  uint16_t size;     /* bytes touched; far pointers 4/6/10, FXSAVE 512, 0 for LEA and INVLPG */
  uint16_t selector; /* FAR */
  union {
    uint64_t imm;
    int64_t rel;
    X86Mem mem;
  };
} X86Operand;

/* --- the instruction ------------------------------------------------------------------------------------ */

/* Prefixes as seen, whether or not they mean something here. */
enum {
  X86_PREFIX_LOCK = 1 << 0,
  X86_PREFIX_REPNE = 1 << 1,  /* F2 */
  X86_PREFIX_REP = 1 << 2,    /* F3 */
  X86_PREFIX_SEG = 1 << 3,    /* seg_override says which: the last one wins */
  X86_PREFIX_OPSIZE = 1 << 4, /* 66 */
  X86_PREFIX_ADSIZE = 1 << 5, /* 67 */
  X86_PREFIX_REX = 1 << 6
};

typedef enum X86Rep {
  X86_REP_NONE,
  X86_REP_PLAIN, /* MOVS STOS LODS INS OUTS: F2 and F3 alike */
  X86_REP_E,     /* CMPS SCAS */
  X86_REP_NE
} X86Rep;

typedef enum X86Branch {
  X86_BRANCH_NONE,
  X86_BRANCH_JCC,  /* Jcc, JCXZ, LOOPxx: falls through or goes to a REL */
  X86_BRANCH_JMP,  /* near: REL or indirect */
  X86_BRANCH_CALL, /* near: REL or indirect */
  X86_BRANCH_RET,
  X86_BRANCH_JMP_FAR,
  X86_BRANCH_CALL_FAR,
  X86_BRANCH_RET_FAR,
  X86_BRANCH_IRET,
  X86_BRANCH_INT,    /* INT, INT3, INT1, INTO (conditional), UD0-2 */
  X86_BRANCH_SYSTEM  /* SYSENTER, SYSEXIT, SYSCALL, SYSRET, RSM */
} X86Branch;

/* Which register file is entered, and so which checks come first. */
typedef enum X86Unit {
  X86_UNIT_INT,
  X86_UNIT_X87,  /* CR0.EM or CR0.TS -> #NM; then a pending exception -> #MF, unless X86_A_NO_WAIT */
  X86_UNIT_WAIT, /* FWAIT: CR0.MP and CR0.TS -> #NM; pending exception -> #MF */
  X86_UNIT_FXSR, /* FXSAVE, FXRSTOR: CR0.EM or CR0.TS -> #NM */
  X86_UNIT_MMX,  /* CR0.EM -> #UD; CR0.TS -> #NM; pending exception -> #MF */
  X86_UNIT_SSE,  /* CR0.EM or !CR4.OSFXSR -> #UD; CR0.TS -> #NM; X86_A_SSE_FP: may raise #XM */
  X86_UNIT_XSAVE, /* !CR4.OSXSAVE -> #UD; CR0.TS -> #NM */
  X86_UNIT_AVX   /* !CR4.OSXSAVE or XCR0 without SSE and AVX -> #UD; CR0.TS -> #NM; X86_A_SSE_FP as above */
} X86Unit;

/* Attributes: bits of X86Insn.attributes. */
enum {
  X86_A_LOCKABLE = 1 << 0,     /* LOCK is legal on the memory form; (lock) says whether it is locked */
  X86_A_PRIV0 = 1 << 1,        /* CPL 0 only, else #GP(0); MONITOR, MWAIT, CLAC, STAC raise #UD instead */
  X86_A_IOPL = 1 << 2,         /* CLI, STI: CPL <= IOPL (or VME/PVI) */
  X86_A_IO = 1 << 3,           /* port access: CPL <= IOPL or the TSS bitmap */
  X86_A_VM86 = 1 << 4,         /* in virtual-8086 mode needs IOPL 3 (or VME) */
  X86_A_PMODE_ONLY = 1 << 5,   /* #UD in real and virtual-8086 mode */
  X86_A_STRING = 1 << 6,       /* uses (E)SI/(E)DI and DF; rep tells whether (E)CX too */
  X86_A_STACK = 1 << 7,        /* implicit stack access: memory may fault though no operand is MEM */
  X86_A_ENDS_BLOCK = 1 << 8,   /* control flow, or it changes the state translated under */
  X86_A_NO_WAIT = 1 << 9,      /* x87 control instruction that ignores a pending exception */
  X86_A_MMX_STATE = 1 << 10,   /* SSE unit instruction that also enters MMX state (CVTPI2PS, MOVDQ2Q ...) */
  X86_A_SSE_FP = 1 << 11,      /* reads MXCSR and can raise #XM */
  X86_A_FLAGS_KEEP = 1 << 12,  /* no flag changes for some operands (shift by CL of 0, REP CMPS of 0) */
  X86_A_ATOMIC = 1 << 13,      /* atomic without LOCK: XCHG with memory */
  X86_A_SERIALIZE = 1 << 14,   /* SDM vol. 3, "Serializing instructions" */
  X86_A_INHIBIT = 1 << 15,     /* no interrupt until after the next instruction: STI, POP SS, MOV SS */
  X86_A_UNALIGNED = 1 << 16,   /* a 16-byte memory operand of any alignment */
  X86_A_NON_TEMPORAL = 1 << 17,
  X86_A_HINT = 1 << 18         /* no architectural effect (NOP, PAUSE, PREFETCHx) */
};

/* The VEX prefix (C4, C5).  X86Insn.map and mandatory have its other fields, and rex the register extensions
 * as a REX prefix would say them, in 64-bit mode. */
typedef struct X86Vex {
  bool present;
  uint8_t L;    /* 0: 128 bits, 1: 256 bits */
  uint8_t W;
  uint8_t vvvv; /* a register number, uninverted; 0 (1111 in the prefix) when no operand is there */
} X86Vex;

typedef struct X86Insn {
  uint16_t op;          /* X86Op */
  uint8_t length;       /* bytes; when not OK: bytes consumed so far */
  uint8_t mode;         /* X86Mode it was decoded in */
  uint8_t opsize;       /* 2, 4, 8: of the v operands and the stack; byte forms do not change it */
  uint8_t adsize;       /* effective address size 2, 4, 8 */
  uint8_t cond;         /* X86Cond of JCC, SETCC, CMOVCC, FCMOVxx */
  uint8_t n_operands;   /* destination first, as in Intel syntax */
  X86Operand operand[X86_MAX_OPERANDS];

  uint8_t prefixes;     /* X86_PREFIX_* */
  uint8_t seg_override; /* X86_ES .. X86_GS or X86_NO_REG */
  uint8_t rex;          /* 40..4f, or 0; with VEX in 64-bit mode, what it would be */
  bool lock;            /* LOCK given, and legal */
  uint8_t rep;          /* X86Rep: only for string instructions */
  uint8_t branch;       /* X86Branch */
  uint8_t unit;         /* X86Unit */
  uint8_t feature;      /* X86Feature */

  uint32_t attributes;  /* X86_A_* */
  uint32_t flags_read;
  uint32_t flags_written;   /* get a defined value */
  uint32_t flags_undefined; /* get some value the manual does not give; disjoint from flags_written */
  uint32_t flags_varying;   /* part of flags_written: defined for some operand values only (OF of a shift by
                             * CL: for 1).  A translator takes them as written, a comparison with care */

  int8_t mem_operand;   /* index of the first memory operand, -1: none; MOVS and CMPS have two */
  uint8_t mem_access;   /* X86_ACCESS_* of it */
  uint8_t mem_align;    /* 16, 32, 64: misaligned is #GP; 0: anything goes */

  /* The encoding, for a host of the same architecture that wants to emit the instruction again.  That takes
   * map, opcode, mandatory (a byte, or VEX.pp), vex.L and vex.W, or REX.W (rex & 8), and imm8, which has the
   * register of a fourth operand in its upper half.  Registers may be replaced: reg (extended by rex & 4)
   * unless it is part of the opcode, rm (by rex & 1), vex.vvvv.  So may the address, all that mod, rm, sib
   * and X86Mem say, but for a gather's (X86Mem.vsib): its index is a register of elements. */
  uint8_t map;          /* 0: one byte; 1: 0F; 2: 0F 38; 3: 0F 3A */
  uint8_t opcode;       /* last opcode byte */
  uint8_t mandatory;    /* 0, 0x66, 0xf2, 0xf3: a prefix that selected the row */
  bool has_modrm;
  uint8_t modrm;        /* the byte; fields below without REX extension */
  uint8_t mod, reg, rm;
  bool has_sib;
  uint8_t sib;
  bool has_imm8;        /* there is an 8-bit immediate */
  uint8_t imm8;
  uint8_t bytes[X86_MAX_INSN_LENGTH];
  X86Vex vex;
} X86Insn;

/* --- functions ------------------------------------------------------------------------------------------ */

typedef enum X86DecodeResult {
  X86_DECODE_OK,
  X86_DECODE_NEED_MORE, /* avail bytes are a proper prefix of some instruction */
  X86_DECODE_UD,        /* #UD; UD0/UD1/UD2 come out fully decoded (op tells), others as X86_OP_INVALID */
  X86_DECODE_TOO_LONG   /* more than 15 bytes: #GP(0) */
} X86DecodeResult;

/* Decode one instruction; reads no byte past bytes[avail - 1].  *out is always written, to
 * its last byte: the same bytes in the same mode give what memcmp() finds equal. */
X86DecodeResult x86_decode (const uint8_t *bytes, size_t avail, X86Mode mode, X86Insn *out);

/* Make of a decoded instruction what a processor without insn->feature makes of the same bytes (LZCNT is
 * BSR, TZCNT is BSF, hints are NOPs).  false: it is #UD there. */
bool x86_insn_without_feature (X86Insn *insn);

/* The target of a REL operand: pc is the address of the instruction; 16-bit operand size truncates to 16
 * bits. */
uint64_t x86_branch_target (const X86Insn *insn, uint64_t pc);

/* AT&T syntax as GNU objdump prints it.  Returns the length written (without the NUL), always < size. */
size_t x86_disasm (const X86Insn *insn, uint64_t pc, char *buf, size_t size);

const char *x86_op_name (X86Op op);           /* "ADD": the enumerator, for tables and tests */
const char *x86_feature_name (X86Feature feature);

/* The magic instruction by which a guest speaks to instruments (tcg/instrument.h): XCHG BX, BX, which does nothing. */
static inline bool
x86_insn_is_marker (const X86Insn *insn)
{
  const X86Operand *o = insn->operand;
  return insn->op == X86_OP_XCHG && o[0].kind == X86_OPERAND_GPR && o[0].size == 2 && o[0].reg == X86_RBX && o[1].reg == X86_RBX;
}

#endif

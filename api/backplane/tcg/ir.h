/* ir.h -- the translator's intermediate representation: data, and the essay that defines it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A CPU frontend turns a run of guest instructions into an IR block; instrumentation may insert into it; the
 * accelerator checks, optimises and compiles or interprets it.  The IR is plain public data: arrays of insns, temps and
 * labels, with a text form that prints and parses (`backplane ... -d op`, tests/accel-tcg/).
 *
 * TEMPS.  A temp is a 16-bit index into block->temps.  Temp 0 is `env`, the address of the vCPU's state (i64, constant).
 * Kinds: GLOBAL (a field of that state, declared by the frontend), LOCAL (lives within one block, undefined at its start),
 * CONST (an interned constant; only an input).  A local may live across labels.  Types: i32 and i64; pointers are i64.
 * An operand that is absent is BP_IR_NONE.
 *
 * WIDTHS.  The type of a TYPED op says how wide it computes, not what its temps are.  An i32 op reads the low halves of its inputs, i64
 * temps among them, and an i64 temp that it writes gets the result zero-extended: so a CPU with 64-bit registers runs 32-bit
 * operations on them without conversions.  The same holds for the untyped ones: ext32s and ext32u read a low half, trunc may write an i64
 * temp, stores, addresses without BP_MO_ADDR64 and helpers' i32 arguments and results likewise.  Where 64 bits are read
 * (i64 ops, st64, addresses with BP_MO_ADDR64, gst of 8 bytes, i64 arguments) the temp must be i64.
 *
 * GLOBALS ARE REGISTERS.  The accelerator keeps the first globals of the frontend's table in host registers for as long as
 * generated code runs, chained blocks included, so declare them in order of heat.  Those beyond what the host can pin live in
 * the state itself.  A CPU whose modes differ in which are hot has several pin sets; blocks of different sets never chain directly.  A global may not be reached by ld/st through env at the same time: only helpers that say they read or
 * write globals see the state's copy.
 *
 * PRECISE FAULTS.  At an insn marked FAULT every global must hold the value it has architecturally before the current guest
 * instruction: write results to globals after the last insn that can fault.  What is not kept in globals (the pc, the way the
 * flags are represented) is given by insn_start: its pc and state word go into a side table, and frontend->restore gets them
 * back.  Thus no hot-path store keeps pc or flag kind up to date.
 *
 * FLAGS.  Guest flags are values: the frontend keeps the operands of the last flag-setting operation in globals, and which
 * operation it was in the state word (known while translating) and, at block exits, in a state field.  opt-flags and
 * opt-liveness remove what no one reads; setcond/brcond on the operands become the host's compare and branch.
 *
 * GUEST MEMORY.  gld/gst and the atomic ops name an address, a size and an MMU index, never a mechanism.  The accelerator
 * chooses per site (probe of the software TLB, a probe shared with a neighbour, a mapped window).
 *
 * NATIVE.  Floating-point and vector state (x87, MMX, SSE...) is not made of temps.  It is *resident*: while generated code
 * that uses it runs, it lives in the host's own FP registers (loaded on demand), and an insn of the guest that the host
 * has too is one `native` insn that executes as itself.  On other hosts, and in the interpreter, frontend->native_portable
 * performs it on the state's copy.  See BpIrNative.
 *
 * BLOCK EXITS.  goto_tb N (of BP_IR_EXITS) jumps straight to the linked successor, or falls through; store the new pc to the state after
 * it, then exit_tb N: the loop links the exit and continues.  Blocks of one page are linked; to another page, which may be mapped elsewhere tomorrow, goto_tb
 * works, by way of the loop or a guard, and goto_ptr is meant for it.  goto_ptr brings its pc along: nothing is stored before it.  The
 * accelerator finds the code for it, which proves that the pc can be gone to, or else asks the frontend (BpTcgFrontend.may_jump), which may find
 * fault with the current guest instruction, and then stores it.  goto_any is for what changes modes: it continues at the pc
 * that the state holds, under the key that the state gives, as exit_tb BP_IR_EXIT_NONE does by way of the loop.
 *
 * STABILITY.  This header, ir-build.h and frontend.h belong to accelerators and CPU frontends: same-minor promise.
 */
#ifndef BACKPLANE_TCG_IR_H
#define BACKPLANE_TCG_IR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum BpIrOp {
#define BP_IR_OP(name, n_out, n_in, attributes, operands, meaning) BP_IR_##name,
#include <backplane/tcg/ir-ops.def>
#undef BP_IR_OP
  BP_IR_N_OPS
} BpIrOp;

typedef enum BpIrType { BP_IR_I32, BP_IR_I64 } BpIrType;

/* Conditions, in pairs that differ in bit 0 by negation. */
typedef enum BpIrCond {
  BP_IR_NEVER, BP_IR_ALWAYS,
  BP_IR_EQ, BP_IR_NE,
  BP_IR_LT, BP_IR_GE,           /* signed */
  BP_IR_LE, BP_IR_GT,
  BP_IR_LTU, BP_IR_GEU,         /* unsigned */
  BP_IR_LEU, BP_IR_GTU,
  BP_IR_TSTEQ, BP_IR_TSTNE      /* (a & b) == 0, (a & b) != 0 */
} BpIrCond;

/* A guest memory access: the aux field of gld, gst and the atomic ops. */
typedef uint32_t BpMemOp;
#define BP_MO_8       0u
#define BP_MO_16      1u
#define BP_MO_32      2u
#define BP_MO_64      3u
#define BP_MO_SIZE    7u                /* mask: log2 of the bytes */
#define BP_MO_SIGN    (1u << 3)         /* sign-extend a load */
#define BP_MO_BE      (1u << 4)         /* big-endian guest access */
#define BP_MO_ALIGN   (1u << 5)         /* misaligned access is a guest fault (BP_HOST_FAULT_ALIGN) */
#define BP_MO_ADDR64  (1u << 6)         /* the address temp is i64; else i32, zero-extended */
#define BP_MO_STACK   (1u << 7)         /* the stack's segment: a hint, and which fault BP_MO_TOP means */
#define BP_MO_MMU(index) ((uint32_t) (index) << 8)      /* MMU index, 0..15 */
#define BP_MO_MMU_INDEX(mop) (((mop) >> 8) & 15u)
#define BP_MO_RMW     (1u << 12)        /* a load that a store to the same place follows: across two pages, both must allow that first */
#define BP_MO_TOP     (1u << 13)        /* over the top of a 32-bit address space is a guest fault (BP_HOST_FAULT_TOP), not a wrap */
#define BP_MO_NEAR    (1u << 14)        /* a hint: mostly in the page of the last such access under the same MMU index, as at the stack pointer */
#define BP_MO_BYTES(mop) (1u << ((mop) & BP_MO_SIZE))

/* Exits of a block that can be linked: 0 .. BP_IR_EXITS - 1; exit_tb alone may have BP_IR_EXIT_NONE, which asks for nothing. */
#define BP_IR_EXITS     8u
#define BP_IR_EXIT_NONE 8u

/* What the host's fault inside generated code means to the guest: frontend->host_fault gets one of these. */
typedef enum BpHostFault {
  BP_HOST_FAULT_DIVIDE,         /* divu2/divs2: divisor 0 or quotient too large */
  BP_HOST_FAULT_FP,             /* an unmasked x87 exception is pending (SIGFPE at a waiting instruction) */
  BP_HOST_FAULT_SIMD,           /* an unmasked SIMD exception */
  BP_HOST_FAULT_ALIGN,          /* an access that had to be aligned was not */
  BP_HOST_FAULT_TOP,            /* an access with BP_MO_TOP ran over the top of the address space */
  BP_HOST_FAULT_TOP_STACK       /* the same, with BP_MO_STACK */
} BpHostFault;

/*
 * The `native` insn.  imm packs a BpIrNative: which x86 instruction, with which operands.  aux packs its memory operand.
 *   a[0] d0: integer result (when NATIVE_REG_OUT or NATIVE_RM_OUT or NATIVE_RAX_OUT or NATIVE_RCX_OUT), else NONE
 *   a[1] d1: flags out, the low byte of EFLAGS (CF PF AF ZF SF) | OF in bit 11, when NATIVE_FLAGS_OUT, else NONE (i32)
 *   a[2] s0: integer input (NATIVE_REG_IN / NATIVE_RM_IN / NATIVE_LENGTHS_IN), else NONE
 *   a[3] s1: guest address of the memory operand (NATIVE_RM_MEM), else NONE
 *   a[4] s2: flags in, as d1, when NATIVE_FLAGS_IN, else NONE
 * A resident register operand is named by its number in the guest's file, which is the host's: st(i), mm<i>, xmm<i>.
 */
typedef enum BpIrNativeOperand {
  BP_NATIVE_FIELD,              /* a resident register or an opcode extension: the number in the field itself */
  BP_NATIVE_OUT,                /* an integer register, written: a[0] */
  BP_NATIVE_IN,                 /* an integer register, read: a[2] */
  BP_NATIVE_MEM                 /* rm only: memory at guest address a[3] */
} BpIrNativeOperand;

/* Parts of the FP state.  Each of the later ones has those before it with it; X87 has all but AVX. */
typedef enum BpIrNativeState {
  BP_NATIVE_X87 = 1,            /* MMX too; cvtpi2ps has this bit and SSE's */
  BP_NATIVE_SSE = 2,            /* vector registers 0..7, and MXCSR */
  BP_NATIVE_SSE_HIGH = 4,       /* vector registers 8..15: for code of modes that have them */
  BP_NATIVE_AVX = 8             /* bits 255:128 of all: any VEX-encoded insn that writes a vector register changes them */
} BpIrNativeState;

#define BP_NATIVE_OPCODE(n)   ((unsigned) ((n) & 0xff))
#define BP_NATIVE_MAP(n)      ((unsigned) (((n) >> 8) & 3))           /* 0 one-byte (d8..df, 9b), 1 0f, 2 0f38, 3 0f3a */
#define BP_NATIVE_PREFIX(n)   ((unsigned) (((n) >> 10) & 3))          /* 0 none, 1 66, 2 f3, 3 f2 */
#define BP_NATIVE_W(n)        ((unsigned) (((n) >> 12) & 1))          /* REX.W */
#define BP_NATIVE_HAS_IMM(n)  ((unsigned) (((n) >> 13) & 1))
#define BP_NATIVE_RAX_OUT(n)  ((unsigned) (((n) >> 14) & 1))          /* result arrives in ax: fnstsw ax */
#define BP_NATIVE_NO_MODRM(n) ((unsigned) (((n) >> 15) & 1))          /* emms, fwait */
#define BP_NATIVE_REG(n)      ((unsigned) (((n) >> 16) & 15))         /* modrm.reg (0..15) */
#define BP_NATIVE_REG_KIND(n) ((BpIrNativeOperand) (((n) >> 20) & 3))
#define BP_NATIVE_RM(n)       ((unsigned) (((n) >> 22) & 15))         /* modrm.rm when not memory (0..15) */
#define BP_NATIVE_RM_KIND(n)  ((BpIrNativeOperand) (((n) >> 26) & 3))
#define BP_NATIVE_STATE(n)    ((unsigned) ((((n) >> 28) & 3) | ((((n) >> 46) & 3) << 2)))  /* BpIrNativeState bits */
#define BP_NATIVE_FLAGS_OUT(n) ((unsigned) (((n) >> 30) & 1))
#define BP_NATIVE_FLAGS_IN(n) ((unsigned) (((n) >> 31) & 1))
#define BP_NATIVE_IMM8(n)     ((unsigned) (((n) >> 32) & 0xff))
#define BP_NATIVE_VEX(n)      ((unsigned) (((n) >> 40) & 1))          /* VEX-encoded: L and vvvv follow */
#define BP_NATIVE_VEX_L(n)    ((unsigned) (((n) >> 41) & 1))
#define BP_NATIVE_VVVV(n)     ((unsigned) (((n) >> 42) & 15))
#define BP_NATIVE_RCX_OUT(n)  ((unsigned) (((n) >> 48) & 1))          /* result arrives in ecx: pcmpistri */
#define BP_NATIVE_LENGTHS_IN(n) ((unsigned) (((n) >> 49) & 1))        /* a[2], i64: eax in its low half, edx in the other: pcmpestri */

#define BP_NATIVE_MAKE(opcode, map, prefix)  ((uint64_t) (opcode) | (uint64_t) (map) << 8 | (uint64_t) (prefix) << 10)
#define BP_NATIVE_SET_W              ((uint64_t) 1 << 12)
#define BP_NATIVE_SET_IMM8(v)        ((uint64_t) 1 << 13 | (uint64_t) ((v) & 0xff) << 32)
#define BP_NATIVE_SET_RAX_OUT        ((uint64_t) 1 << 14)
#define BP_NATIVE_SET_NO_MODRM       ((uint64_t) 1 << 15)
#define BP_NATIVE_SET_REG(kind, n)   ((uint64_t) ((n) & 15) << 16 | (uint64_t) (kind) << 20)
#define BP_NATIVE_SET_RM(kind, n)    ((uint64_t) ((n) & 15) << 22 | (uint64_t) (kind) << 26)
#define BP_NATIVE_SET_STATE(bits)    ((uint64_t) ((bits) & 3) << 28 | (uint64_t) ((bits) >> 2) << 46)
#define BP_NATIVE_SET_FLAGS_OUT      ((uint64_t) 1 << 30)
#define BP_NATIVE_SET_FLAGS_IN       ((uint64_t) 1 << 31)
#define BP_NATIVE_SET_VEX(l, vvvv)   ((uint64_t) 1 << 40 | (uint64_t) (l) << 41 | (uint64_t) ((vvvv) & 15) << 42)
#define BP_NATIVE_SET_RCX_OUT        ((uint64_t) 1 << 48)
#define BP_NATIVE_SET_LENGTHS_IN     ((uint64_t) 1 << 49)

/* aux of native: the memory operand. */
#define BP_NATIVE_MEM_SIZE(aux)   ((aux) & 0xffu)               /* bytes, 1..64 */
#define BP_NATIVE_MEM_READ        (1u << 8)
#define BP_NATIVE_MEM_WRITE       (1u << 9)
#define BP_NATIVE_MEM_ALIGN       (1u << 10)                    /* misaligned: BP_HOST_FAULT_ALIGN */
#define BP_NATIVE_MEM_ADDR64      (1u << 11)
#define BP_NATIVE_MEM_MMU(index)  ((uint32_t) (index) << 12)
#define BP_NATIVE_MEM_MMU_INDEX(aux) (((aux) >> 12) & 15u)

/* Helpers: C functions called from a block.  All arguments and the result are integers or pointers. */
enum {
  BP_HELPER_NO_WRITE   = 1 << 0,        /* does not write globals (may read them, may raise) */
  BP_HELPER_NO_GLOBALS = 1 << 1,        /* neither reads nor writes globals and never raises */
  BP_HELPER_PURE       = 1 << 2,        /* NO_GLOBALS, and the result depends on the arguments alone: removable */
  BP_HELPER_FP_SAFE    = 1 << 3,        /* built with -mgeneral-regs-only and calls nothing else: leaves resident FP state alone */
  BP_HELPER_FP_STATE   = 1 << 4,        /* works on the state's copy of the FP registers: it is stored before, reloaded on demand after */
  BP_HELPER_NO_RETURN  = 1 << 5         /* always raises or leaves the block */
};
/* A helper with none of FP_SAFE and FP_STATE also finds the FP state stored: ordinary C may use the host's FP registers. */

#define BP_HELPER_MAX_ARGS 7

/* aux of record.  Bit 6 is BP_MO_ADDR64, of the address. */
#define BP_IR_RECORD_CHANNEL(aux) ((aux) & 7u)                 /* which instrument's ring */
#define BP_IR_RECORD_WIDE      (1u << 3)                       /* records have a value */
#define BP_IR_RECORD_STORE     (1u << 4)
#define BP_IR_RECORD_CODE      (1u << 5)                       /* of code: the site knows its address */
#define BP_IR_RECORD_BYTES(aux) (((aux) >> 8) & 0xffu)         /* of the access */
#define BP_IR_RECORD_FILTER(aux) (((aux) >> 16) & 15u)         /* number of a filter, from 1; 0: none */
#define BP_IR_RECORD_AHEAD(aux) ((aux) >> 20)                  /* 0: the ring goes on by it at once; n: it is the nth that `advance' will count */
/* imm: the site in its low half, the number of the line above (of code with a filter) */

typedef struct BpIrHelper {
  const char *name;
  void (*function) (void);              /* cast to its real type by the caller */
  uint32_t flags;                       /* BP_HELPER_* */
  uint8_t n_args;                       /* 0..7 */
  uint8_t has_result;                   /* 0 or 1 */
  uint8_t result_type;                  /* BpIrType */
  uint8_t arg_type[BP_HELPER_MAX_ARGS]; /* BpIrType; env is passed as i64 */
} BpIrHelper;

#define BP_IR_NONE 0xffffu
#define BP_IR_ENV  0u
typedef uint16_t BpTemp;

typedef enum BpIrTempKind { BP_IR_TEMP_ENV, BP_IR_TEMP_GLOBAL, BP_IR_TEMP_LOCAL, BP_IR_TEMP_CONST } BpIrTempKind;

typedef struct BpIrTemp {
  uint8_t kind;                 /* BpIrTempKind */
  uint8_t type;                 /* BpIrType */
  uint16_t global;              /* index in the frontend's table, for GLOBAL */
  uint32_t reserved;
  int64_t value;                /* CONST: i32 constants are stored sign-extended */
} BpIrTemp;

typedef struct BpIrInsn {
  uint8_t op;                   /* BpIrOp */
  uint8_t type;                 /* BpIrType, for TYPED ops */
  uint8_t cond;                 /* BpIrCond, for setcond movcond brcond */
  uint8_t mark;                 /* free for a pass; 0 between passes */
  uint32_t aux;                 /* label, memop, exit number, state word; deposit and extracts: pos | len << 8 */
  BpTemp a[8];                  /* outputs, then inputs */
  int64_t imm;                  /* pc, offset, BpIrNative, or const BpIrHelper * */
} BpIrInsn;

/* A field of the CPU's state that the IR treats as a register. */
typedef struct BpIrGlobal {
  const char *name;
  uint32_t offset;              /* from env */
  uint8_t type;                 /* BpIrType */
  uint8_t pin;                  /* bit k: worth a host register in pin set k (BpTcgFrontend.pin_set); taken in table order */
} BpIrGlobal;

typedef struct BpIrBlock {
  BpIrInsn *insns;
  uint32_t n_insns, insns_size;         /* used, allocated */
  BpIrTemp *temps;                      /* [0] env, [1 .. n_globals] the globals in table order, then locals and constants */
  uint32_t n_temps, temps_size;
  uint32_t n_labels;
  uint32_t n_globals;
  const BpIrGlobal *globals;
  const BpIrHelper *const *helpers;     /* NULL-terminated, for the text form; may be NULL */
} BpIrBlock;

/* Row of ir-ops.def as data. */
enum { BP_IR_ATTR_END = 1, BP_IR_ATTR_SIDE = 2, BP_IR_ATTR_FAULT = 4, BP_IR_ATTR_TYPED = 8 };
typedef struct BpIrOpInfo {
  const char *name;
  uint8_t n_out, n_in, attributes;
  const char *operands;
  const char *meaning;
} BpIrOpInfo;

/* a[] slot of input i of an insn. */
#define BP_IR_IN(insn, info, i) ((insn)->a[(info)->n_out + (i)])

#ifdef __cplusplus
}
#endif
#endif

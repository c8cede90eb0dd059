/* tcg/guest-insn.h -- a guest instruction, as instruments are told of it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  The accelerator makes one BpInsn of each instruction at each place, with what the CPU frontend knows of it (BpTcgFrontend.describe).
 */
#ifndef BACKPLANE_TCG_GUEST_INSN_H
#define BACKPLANE_TCG_GUEST_INSN_H

#include <backplane/common.h>
BP_BEGIN_DECLS

/* What an instruction is, for mixes and traces.  Finer than the flags below, coarser than an opcode; a CPU frontend that cannot tell says OTHER. */
typedef enum BpInsnClass {
  BP_CLASS_OTHER,
  BP_CLASS_MOVE,                /* register and memory moves, push, pop, lea */
  BP_CLASS_ARITHMETIC,          /* integer add, subtract, compare, negate */
  BP_CLASS_LOGIC,
  BP_CLASS_SHIFT,               /* and rotates, bit tests and scans */
  BP_CLASS_MULTIPLY,
  BP_CLASS_DIVIDE,
  BP_CLASS_CONDITIONAL,         /* conditional moves and sets */
  BP_CLASS_STRING,
  BP_CLASS_ATOMIC,              /* locked read-modify-write */
  BP_CLASS_FLOAT,               /* scalar floating point, x87 included */
  BP_CLASS_VECTOR_FLOAT,
  BP_CLASS_VECTOR_INTEGER,
  BP_CLASS_CRYPTO,
  BP_CLASS_BRANCH,              /* conditional */
  BP_CLASS_JUMP,                /* unconditional, direct or not */
  BP_CLASS_CALL,
  BP_CLASS_RETURN,
  BP_CLASS_SYSTEM_CALL,         /* into the kernel and back: syscall, int, iret, sysret */
  BP_CLASS_SYSTEM,              /* privileged: control registers, descriptor tables, MSRs, TLB */
  BP_CLASS_IO,                  /* ports */
  BP_CLASS_FENCE,               /* and cache control, prefetch */
  BP_CLASS_NOP,
  BP_N_CLASSES                  /* of this header; a newer host may tell of others: they are OTHER to who does not know them */
} BpInsnClass;

enum {                          /* BpInsn.flags */
  BP_INSN_BRANCH = 1 << 0,      /* may go elsewhere than to the next instruction: jumps, calls, returns, loops */
  BP_INSN_CONDITIONAL = 1 << 1,
  BP_INSN_INDIRECT = 1 << 2,    /* the target is in a register or memory (returns too) */
  BP_INSN_CALL = 1 << 3,
  BP_INSN_RETURN = 1 << 4,
  BP_INSN_LOADS = 1 << 5,       /* reads memory by an operand (or the stack) */
  BP_INSN_STORES = 1 << 6,
  BP_INSN_REPEATED = 1 << 7     /* x86 rep */
};

/* One guest instruction at one place.  The same pointer whenever it is translated again; it lives as long as the machine. */
typedef struct BpInsn {
  uint64_t address;             /* virtual (x86: linear) */
  uint64_t physical;            /* guest-physical, of its first byte */
  uint32_t id;                  /* 0, 1, 2 ...: an index for tables of your own */
  uint8_t size;                 /* bytes */
  uint8_t privilege;            /* 0: the most */
  uint8_t insn_class;           /* BpInsnClass, or BP_N_CLASSES and more (above): compare before it is an index */
  uint8_t code_bits;            /* 16, 32 or 64: how it was decoded; 0: not told */
  uint16_t flags;               /* BP_INSN_* */
  uint8_t bytes[16];
  uint64_t target;              /* of a direct branch; UINT64_MAX: none, or not known */
} BpInsn;

/* The registers that an instruction names, by numbers of the frontend: x86: 0 .. 15 rax rcx rdx rbx rsp rbp rsi rdi r8 ..., 16 rip, 17 flags, 32 .. 47 xmm,
 * 48 .. 55 st/mm. */
typedef struct BpInsnRegisters {
  uint32_t struct_size;
  uint8_t n_read, n_written;
  uint8_t read[8], written[8];
} BpInsnRegisters;

BP_END_DECLS
#endif

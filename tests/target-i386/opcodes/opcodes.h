/* opcodes.h -- single instructions, each executed alone: by this processor, and by the translator as user and as kernel. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  What happens to one instruction: it faults, or it runs and the single step after it traps.  Nothing can come of it but
 * that: every general register holds OPCODES_REGISTER, which as an address is not canonical (64-bit code) or not mapped, and is no
 * valid selector, descriptor or MSR either; immediates and displacements are more of the same.
 */
#ifndef TEST_OPCODES_H
#define TEST_OPCODES_H

#include <stdbool.h>
#include <stdint.h>

#include "target-i386/decode/decode.h"

enum {
  OPCODES_BATCH = 1024,         /* cases that run one after the other, without coming back */
  OPCODES_SIZE = 16,            /* bytes of a case */
  OPCODES_BASE16 = 0x20000,     /* of code and stack segments of 16-bit code */
  OPCODES_STACK = 0x24000, OPCODES_STACK_TOP = OPCODES_STACK + 0x800,    /* one page; the rest of OPCODES_BASE16 is not mapped */
  OPCODES_EDGE = 0x26000, OPCODES_EDGE_END = 0x27000,           /* one page; behind it is one that is not there, or that is not for code */
  OPCODES_CODE = 0x28000,       /* OPCODES_BATCH * OPCODES_SIZE bytes */
  OPCODES_STACK_LIMIT16 = 0x4fff, OPCODES_CODE_LIMIT16 = 0xbfff,        /* nothing behind stack and code is in reach */
  OPCODES_DATA16 = 0x700000,    /* base of data segments of 16-bit code: nothing there */
  OPCODES_TRAP = 1              /* the vector of what runs through */
};
#define OPCODES_REGISTER 0x0070007000700070u
#define OPCODES_FILL ((uint64_t) OPCODES_REGISTER)      /* on the stack */

typedef struct Outcome {
  uint8_t vector;
  uint16_t error;               /* of a page fault, as CR2 */
  uint32_t cr2;
  int64_t rip;                  /* pushed, from the start of the instruction */
} Outcome;

typedef struct Batch {
  X86Mode mode;
  unsigned n;
  uint64_t value;               /* of every register; 0: OPCODES_REGISTER */
  bool no_execute;              /* the page behind OPCODES_EDGE is there */
  uint8_t split[OPCODES_BATCH]; /* so many bytes of the instruction are before the end of that page; 0: it is in OPCODES_CODE */
  uint8_t code[OPCODES_BATCH][OPCODES_SIZE];
} Batch;

/* list.c: every opcode of every map under prefixes and forms of its operands, by number; and ones at random. */
uint64_t list_count (X86Mode mode);
void list_case (X86Mode mode, uint64_t n, uint8_t bytes[OPCODES_SIZE]);
void list_random (X86Mode mode, uint64_t seed, uint8_t bytes[OPCODES_SIZE]);

/* native.c */
bool native_start (void);       /* false: not on this host */
void native_run (const Batch *batch, Outcome *out);

/* guest.c.  how: "interp", "x64". */
bool guest_start (const char *how);
void guest_finish (void);
/* false: it broke off, and `why` is where. */
bool guest_run (const Batch *batch, bool kernel, Outcome *out, char why[80]);
/* One instruction of 16-bit code in real or virtual-8086 mode; memory is 0 or not there. */
bool guest_run_legacy (const uint8_t bytes[OPCODES_SIZE], bool vm86, Outcome *out, char why[80]);

#endif

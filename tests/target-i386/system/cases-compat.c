/* cases-compat.c -- compatibility mode: segments count again, and instructions that 64-bit code has not. */
/* SPDX-License-Identifier: MIT */
/* SDM 3A 5.3 to 5.5; 2A and 2B by instruction. */

#include "assemble.h"
#include "case.h"

#define U_D (AT_USER_DATA + DATA_START)
#define U_STACK (AT_USER_STACK + STACK_START)
#define LOAD 0x8b, R_M (RAX, RCX)
#define STORE 0x89, R_M (RAX, RCX)
#define ARRIVES(target, ...) .vector = EXC_UD, .at = ANYWHERE, CHECK (PUSHED (RIP, target), __VA_ARGS__)

static const Row rows[] = {
  /* --- limits and types of data segments ------------------------------------------------------------------ */
  { "load within a small segment, user 32", USER32, CODE (LOAD), ENDS,
    SET (SEG (DS, S_SMALL), GPR (RCX, 0xffc), MEM32 (AT_USER_DATA + 0xffc, 0x11223344)), CHECK (GPR (RAX, 0x11223344)) },
  { "load across its limit, user 32", USER32, CODE (LOAD), FAULTS (GP, 0, 0), SET (SEG (DS, S_SMALL), GPR (RCX, 0xffd)) },
  { "load beyond its limit, user 32", USER32, CODE (LOAD), FAULTS (GP, 0, 0), SET (SEG (DS, S_SMALL), GPR (RCX, 0x1000)) },
  { "load that wraps in it, user 32", USER32, CODE (LOAD), FAULTS (GP, 0, 0), SET (SEG (DS, S_SMALL), GPR (RCX, 0xffffffff)) },
  { "load within an expand-down segment, user 32", USER32, CODE (LOAD), PAGE_FAULTS (4, 0, 0x100000),
    SET (SEG (DS, S_EXPAND_DOWN), GPR (RCX, 0x100000)) },
  { "load below an expand-down segment, user 32", USER32, CODE (LOAD), FAULTS (GP, 0, 0),
    SET (SEG (DS, S_EXPAND_DOWN), GPR (RCX, 0xfffff)) },
  { "load by a null selector, user 32", USER32, CODE (LOAD), FAULTS (GP, 0, 0), SET (SEG (DS, 0), GPR (RCX, U_D)) },
  { "load by a null selector in ES, user 32", USER32, CODE (0x26, LOAD), FAULTS (GP, 0, 0), SET (SEG (ES, 0), GPR (RCX, U_D)) },
  { "store to a read-only segment, user 32", USER32, CODE (STORE), FAULTS (GP, 0, 0), SET (SEG (DS, S_READ_ONLY | 3), GPR (RCX, U_D)) },
  { "store to the code segment, user 32", USER32, CODE (0x2e, STORE), FAULTS (GP, 0, 0), SET (GPR (RCX, U_D)) },
  { "load from the code segment, user 32", USER32, CODE (0x2e, LOAD), ENDS, SET (GPR (RCX, U_D)) },
  { "load by EBP beyond SS, user 32", USER32, CODE (0x8b, 0x45, 0x00), FAULTS (SS, 0, 0),
    SET (SEG (SS, S_SMALL | 3), GPR (RBP, 0x1000), GPR (RSP, 0x800)) },
  { "push within a small stack, user 32", USER32, CODE (PUSH_R (RAX)), ENDS, SET (SEG (SS, S_SMALL | 3), GPR (RSP, 0x800)),
    CHECK (PUSHED (RSP, 0x7fc), PUSHED (SS, S_SMALL | 3)) },
  { "push beyond a small stack, user 32", USER32, CODE (PUSH_R (RAX)), FAULTS (SS, 0, 0), SET (SEG (SS, S_SMALL | 3), GPR (RSP, 0)) },
  { "push across the limit, user 32", USER32, CODE (PUSH_R (RAX)), FAULTS (SS, 0, 0), SET (SEG (SS, S_SMALL | 3), GPR (RSP, 0x1002)) },
  { "the upper half of an address does not count, user 32", USER32, CODE (LOAD), ENDS, SET (GPR (RCX, HIGH | U_D)), .narrow = true },
  { "4 GB wrap, user 32", USER32, CODE (0x8b, 0x81, D32 (0x10)), ENDS, SET (GPR (RCX, U_D - 0x10)), .narrow = true },
  { "a 32-bit address beyond 2 GB, user 32", USER32, CODE (LOAD), PAGE_FAULTS (4, 0, 0xfffff000), SET (GPR (RCX, 0xfffff000)) },
  { "FS base of 64 bits is cut, user 32", USER32, CODE (0x64, LOAD), ENDS,
    SET (BASE (FS, ((uint64_t) 1 << 32) + AT_USER_DATA), GPR (RCX, DATA_START)) },

  /* --- instructions of 32-bit code ------------------------------------------------------------------------------- */
  { "PUSHA, user 32", USER32, CODE (0x60), ENDS, CHECK (PUSHED (RSP, U_STACK - 32), MEM32 (U_STACK - 20, U_STACK)) },
  { "PUSHA onto a missing page, user 32", USER32, CODE (0x60), PAGE_FAULTS (6, 0, UNMAPPED - 4), SET (GPR (RSP, UNMAPPED)),
    CHECK (PUSHED (RSP, UNMAPPED)) },
  { "POPA, user 32", USER32, CODE (0x61), ENDS, SET (MEM32 (U_STACK, 0x12345678)),
    CHECK (GPR (RDI, 0x12345678), PUSHED (RSP, U_STACK + 32)) },
  { "BOUND within, user 32", USER32, CODE (0x62, R_M (RAX, RBX)), ENDS, SET (GPR (RAX, 5), MEM32 (U_D, 1), MEM32 (U_D + 4, 5)) },
  { "BOUND above, user 32", USER32, CODE (0x62, R_M (RAX, RBX)), FAULTS (BR, NO_ERROR, 0),
    SET (GPR (RAX, 6), MEM32 (U_D, 1), MEM32 (U_D + 4, 5)) },
  { "BOUND below, signed, user 32", USER32, CODE (0x62, R_M (RAX, RBX)), FAULTS (BR, NO_ERROR, 0),
    SET (GPR (RAX, 0xffffffff), MEM32 (U_D, 0), MEM32 (U_D + 4, 5)) },
  { "ARPL raises, user 32", USER32, CODE (0x63, R_R (RCX, RAX)), ENDS, SET (GPR (RAX, 0x10), GPR (RCX, 3)),
    CHECK (GPR (RAX, 0x13), PUSHED_BITS (RFLAGS, FL_ZF, FL_ZF)) },
  { "ARPL leaves, user 32", USER32, CODE (0x63, R_R (RCX, RAX)), ENDS, SET (GPR (RAX, 0x13), GPR (RCX, 1)),
    CHECK (GPR (RAX, 0x13), PUSHED_BITS (RFLAGS, 0, FL_ZF)) },
  { "LDS, user 32", USER32, CODE (0xc5, R_M (RCX, RBX)), ENDS, SET (MEM32 (U_D, 0x12345678), MEM16 (U_D + 4, U_DATA)),
    CHECK (GPR (RCX, 0x12345678), SEG (DS, U_DATA)) },
  { "LES, refused, user 32", USER32, CODE (0xc4, R_M (RCX, RBX)), FAULTS (GP, K_DATA, 0),
    SET (MEM32 (U_D, 0x12345678), MEM16 (U_D + 4, K_DATA)) },
  { "POP SS, then the stack, user 32", USER32, CODE (0x17), ENDS, SET (MEM32 (U_STACK, U_DATA)), CHECK (PUSHED (RSP, U_STACK + 4)) },
  { "POP DS, null, user 32", USER32, CODE (0x1f), ENDS, SET (MEM32 (U_STACK, 0)), CHECK (SEG (DS, 0)) },
  { "PUSH CS, user 32", USER32, CODE (0x0e), ENDS, CHECK (MEM16 (U_STACK - 4, U_CODE32)) },
  { "AAM by 0, user 32", USER32, CODE (0xd4, 0), FAULTS (DE, NO_ERROR, 0) },
  { "REX prefixes are INC and DEC, user 32", USER32, CODE (0x48, NOP), ENDS, SET (GPR (RAX, 0)), CHECK (GPR (RAX, 0xffffffff)),
    .narrow = true },
  { "MOVSXD is ARPL, user 32", USER32, CODE (0x63, R_R (RAX, RCX)), ENDS },
  { "CMPXCHG16B is CMPXCHG8B, user 32", USER32, CODE (0x0f, 0xc7, R_M (1, RBX)), ENDS },
  { "SWAPGS, user 32", USER32, CODE (SWAPGS), FAULTS (UD, NO_ERROR, 0) },
  { "SYSEXIT, user 32", USER32, CODE (SYSEXITL), FAULTS (GP, 0, 0) },
  { "near JMP beyond CS's limit, user 32", USER32, CODE (0xe9, D32 (0x1000)), .vector = EXC_GP, .at = ANYWHERE,
    SET (SEG (CS, S_SMALL_CODE32 | 3), RIP (0)), CHECK (PUSHED (RIP, 0)) },
  { "near CALL beyond CS's limit, user 32", USER32, CODE (CALL_R (RCX)), .vector = EXC_GP, .at = ANYWHERE,
    SET (SEG (CS, S_SMALL_CODE32 | 3), RIP (0), GPR (RCX, 0x800)), CHECK (PUSHED (RSP, U_STACK), PUSHED (RIP, 0)) },
  { "near RET beyond CS's limit, user 32", USER32, CODE (RET), .vector = EXC_GP, .at = ANYWHERE,
    SET (SEG (CS, S_SMALL_CODE32 | 3), RIP (0), MEM32 (U_STACK, 0x800)), CHECK (PUSHED (RSP, U_STACK), PUSHED (RIP, 0)) },
  { "code runs over CS's limit, user 32", USER32, CODE (JMP_R (RCX)), .vector = EXC_GP, .at = ANYWHERE,
    SET (SEG (CS, S_SMALL_CODE32 | 3), RIP (0), GPR (RCX, 0x7fe), MEM16 (AT_USER_CODE + 0x7fe, 0x9090)),
    CHECK (PUSHED (RIP, 0x800)) },
  { "an instruction across CS's limit, user 32", USER32, CODE (JMP_R (RCX)), .vector = EXC_GP, .at = ANYWHERE,
    SET (SEG (CS, S_SMALL_CODE32 | 3), RIP (0), GPR (RCX, 0x7fe), MEM16 (AT_USER_CODE + 0x7fe, 0xb8)),
    CHECK (PUSHED (RIP, 0x7fe)) },

  /* --- 16 bits ---------------------------------------------------------------------------------------------------------- */
  { "PUSH on a 32-bit stack, user 16", USER16, CODE (PUSH_R (RAX)), ENDS, CHECK (PUSHED (RSP, U_STACK - 2)) },
  { "load by BX, user 16", USER16, CODE (0x66, 0x67, LOAD), ENDS, SET (GPR (RCX, U_D), MEM32 (U_D, 0x55667788)),
    CHECK (GPR (RAX, 0x55667788)) },
  { "IN of a closed port, user 16", USER16, CODE (IN_AL_DX), FAULTS (GP, 0, 0), SET (GPR (RDX, 0xff)) },
  { "MOV DS, the kernel's, user 16", USER16, CODE (MOV_S_R (DS, RAX)), FAULTS (GP, K_DATA, 0), SET (GPR (RAX, K_DATA)) },

  /* --- the kernel's 32-bit code -------------------------------------------------------------------------------------------- */
  { "MOV CR4 is of 32 bits, kernel 32", KERNEL32, CODE (MOV_R_CR (RAX, 4)), ENDS, SET (GPR (RAX, 0)), CHECK (GPR (RAX, 0x628)) },
  { "MOV CR3 is of 32 bits, kernel 32", KERNEL32, CODE (MOV_CR_R (3, RAX)), ENDS, SET (GPR (RAX, HIGH << 4 | AT_PML4)),
    CHECK (CR (3, AT_PML4)), .narrow = true },
  { "WRMSR of a base, kernel 32", KERNEL32, CODE (WRMSR), ENDS, SET (GPR (RCX, 0xc0000101), GPR (RAX, 0), GPR (RDX, 0xffffff80)),
    CHECK (BASE (GS, HIGH)) },
  { "INVLPG, kernel 32", KERNEL32, CODE (0x0f, 0x01, R_M (7, RBX)), ENDS },
  { "LLDT reads 16 bytes, kernel 32", KERNEL32, CODE (LLDT_R (RAX)), ENDS, SET (GPR (RAX, S_LDT_HIGH)),
    CHECK (BASE (LDTR, HIGH + AT_LDT)) },
  { "LTR reads 16 bytes, kernel 32", KERNEL32, CODE (LTR_R (RAX)), FAULTS (GP, S_TSS_FREE, 0),
    SET (GPR (RAX, S_TSS_FREE), GDT_LIMIT_IS (S_TSS_FREE + 14)) },
  { "a call gate needs 16 bytes, user 32", USER32, CODE (0x9a, D32 (0), D16 (S_GATE)), FAULTS (GP, S_GATE, 0),
    SET (GDT_LIMIT_IS (S_GATE + 14)) },
};

const Table cases_compat = { "compat", rows, sizeof rows / sizeof *rows };

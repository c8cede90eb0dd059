/* cases-calls.c -- SYSCALL, SYSRET, SYSENTER, SYSEXIT. */
/* SPDX-License-Identifier: MIT */
/* SDM 2B, SYSCALL, SYSENTER, SYSEXIT, SYSRET.  The handlers are HLTs behind the numbers 255 and 253 (image.c). */

#include "assemble.h"
#include "case.h"

enum { BY_SYSCALL = 0xff, BY_CSTAR = 0xfe, BY_SYSENTER = 0xfd };
#define K_STACK (AT_KERNEL_STACK + STACK_START)
#define U_STACK (AT_USER_STACK + STACK_START)
#define U_TARGET (AT_USER_CODE + 0x400)
#define UD2_AT(at) MEM16 (at, 0x0b0f)
#define ARRIVES(target, ...) .vector = EXC_UD, .at = ANYWHERE, CHECK (PUSHED (RIP, target), __VA_ARGS__)
#define ENTERS(v, ...) .vector = (v), .at = ANYWHERE, CHECK (__VA_ARGS__)

static const Row rows[] = {
  /* --- SYSCALL ------------------------------------------------------------------------------------------ */
  { "SYSCALL, user", USER64, CODE (SYSCALL), ENTERS (BY_SYSCALL, RIP (AT_HANDLERS + HANDLER_SIZE * BY_SYSCALL + 1)) },
  { "SYSCALL saves and masks, user", USER64, CODE (SYSCALL),
    ENTERS (BY_SYSCALL, GPR (RCX, AT_USER_CODE + 2), GPR (R11, FL_CF | FL_DF | FL_ID | FL_1), FLAGS (FL_ID | FL_CF),
    SEG (CS, K_CODE64), SEG (SS, K_DATA), GPR (RSP, U_STACK)), SET (FLAGS (FL_CF | FL_DF | FL_ID)) },
  { "SYSCALL with RFLAGS all masked, user", USER64, CODE (SYSCALL), ENTERS (BY_SYSCALL, FLAGS (0)),
    SET (FLAGS (FL_CF | FL_DF | FL_ID | FL_NT | FL_AC | FL_OF), SFMASK (0xffffffff)) },
  { "SYSCALL with nothing masked, user", USER64, CODE (SYSCALL),
    ENTERS (BY_SYSCALL, FLAGS (FL_CF | FL_DF | FL_NT), GPR (R11, FL_CF | FL_DF | FL_NT | FL_1)),
    SET (FLAGS (FL_CF | FL_DF | FL_NT), SFMASK (0)) },
  { "SYSCALL, kernel", KERNEL64, CODE (SYSCALL), ENTERS (BY_SYSCALL, GPR (RCX, AT_KERNEL_CODE + 2), SEG (CS, K_CODE64), SEG (SS, K_DATA)) },
  { "SYSCALL does not look at descriptors, user", USER64, CODE (SYSCALL),
    ENTERS (BY_SYSCALL, SEG (CS, S_DATA_NP), SEG (SS, S_DATA_NP + 8)), SET (STAR ((uint64_t) S_DATA_NP << 32)) },
  { "SYSCALL to the high half, user", USER64, CODE (SYSCALL), .vector = HALTS,
    CHECK (SEG (CS, K_CODE64), RIP (HIGH + AT_HANDLERS + HANDLER_SIZE * BY_SYSCALL + 1)),
    SET (LSTAR (HIGH + AT_HANDLERS + HANDLER_SIZE * BY_SYSCALL)) },
  { "SYSCALL to a missing page, user", USER64, CODE (SYSCALL), .vector = EXC_PF, .error = 0x10, .at = ANYWHERE, .cr2 = UNMAPPED,
    SET (LSTAR (UNMAPPED), MEM8 (AT_IDT + 16 * EXC_PF + 4, 1)),
    CHECK (PUSHED (RIP, UNMAPPED), PUSHED (CS, K_CODE64), PUSHED (SS, K_DATA), PUSHED (RSP, U_STACK)) },
  { "SYSCALL without EFER.SCE, user", USER64, CODE (SYSCALL), FAULTS (UD, NO_ERROR, 0), SET (EFER (0xd00)) },
  { "SYSCALL without EFER.SCE, kernel", KERNEL64, CODE (SYSCALL), FAULTS (UD, NO_ERROR, 0), SET (EFER (0xd00)) },
  { "SYSCALL, user 32", USER32, CODE (SYSCALL), FAULTS (UD, NO_ERROR, 0) },
  { "SYSCALL, kernel 32", KERNEL32, CODE (SYSCALL), FAULTS (UD, NO_ERROR, 0) },
  { "SYSCALL with TF masked, user", USER64, CODE (SYSCALL), ENTERS (BY_SYSCALL, GPR (R11, FL_TF | FL_1), FLAGS (0)), SET (FLAGS (FL_TF)) },
  { "SYSCALL with TF not masked, user", USER64, CODE (SYSCALL), .vector = EXC_DB, .at = ANYWHERE,
    SET (FLAGS (FL_TF), SFMASK (0), MEM8 (AT_IDT + 16 * EXC_DB + 4, 1)),
    CHECK (PUSHED (RIP, AT_HANDLERS + HANDLER_SIZE * BY_SYSCALL), PUSHED (CS, K_CODE64), DR_BITS (6, 1 << 14, 0xe00f)) },

  /* --- SYSRET ---------------------------------------------------------------------------------------------- */
  { "SYSRET, kernel", KERNEL64, CODE (SYSRETQ), ARRIVES (U_TARGET, PUSHED (CS, U_CODE64), PUSHED (SS, U_DATA), PUSHED (RSP, U_STACK),
    PUSHED_BITS (RFLAGS, FL_1 | FL_CF | FL_ID, ~(uint64_t) FL_RF)),
    SET (GPR (RCX, U_TARGET), GPR (R11, FL_CF | FL_ID), GPR (RSP, U_STACK), UD2_AT (U_TARGET)) },
  { "SYSRET to 32-bit code, kernel", KERNEL64, CODE (SYSRETL), ARRIVES (U_TARGET, PUSHED (CS, U_CODE32), PUSHED (SS, U_DATA)),
    SET (GPR (RCX, U_TARGET | (uint64_t) 0xffff << 32), GPR (R11, 0), GPR (RSP, U_STACK), UD2_AT (U_TARGET)), .narrow = true },
  { "SYSRET with all flags, kernel", KERNEL64, CODE (SYSRETQ),
    ARRIVES (U_TARGET, PUSHED_BITS (RFLAGS, 0x3c7ed7 & ~FL_TF, ~(uint64_t) FL_RF)),
    SET (GPR (RCX, U_TARGET), GPR (R11, ~(uint64_t) FL_TF), GPR (RSP, U_STACK), UD2_AT (U_TARGET)) },
  { "SYSRET, RCX not canonical, kernel", KERNEL64, CODE (SYSRETQ), FAULTS (GP, 0, 0), SET (GPR (RCX, NON_CANONICAL), GPR (R11, 0)),
    CHECK (PUSHED (CS, K_CODE64)) },
  { "SYSRET to 32-bit code, RCX not canonical, kernel", KERNEL64, CODE (SYSRETL), .vector = EXC_PF, .error = 0x14, .at = ANYWHERE,
    .cr2 = 0, SET (GPR (RCX, NON_CANONICAL), GPR (R11, 0)) },
  { "SYSRET without EFER.SCE, kernel", KERNEL64, CODE (SYSRETQ), FAULTS (UD, NO_ERROR, 0), SET (EFER (0xd00)) },
  { "SYSRET, ring 1", RING1_64, CODE (SYSRETQ), FAULTS (GP, 0, 0), SET (GPR (RCX, U_TARGET)) },
  { "SYSRET, kernel 32", KERNEL32, CODE (SYSRETL), FAULTS (UD, NO_ERROR, 0) },
  { "SYSRET forces RPL 3, kernel", KERNEL64, CODE (SYSRETQ), ARRIVES (U_TARGET, PUSHED (CS, U_CODE64), PUSHED (SS, U_DATA)),
    SET (STAR ((uint64_t) U_CODE32 << 48), GPR (RCX, U_TARGET), GPR (R11, 0), GPR (RSP, U_STACK), UD2_AT (U_TARGET)) },
  { "SYSRET leaves data segments, kernel", KERNEL64, CODE (SYSRETQ), ARRIVES (U_TARGET, SEG (DS, K_DATA)),
    SET (GPR (RCX, U_TARGET), GPR (R11, 0), GPR (RSP, U_STACK), UD2_AT (U_TARGET), SEG (DS, K_DATA)) },
  { "SYSRET with TF, single-step before the first instruction, kernel", KERNEL64, CODE (SYSRETQ), .vector = EXC_DB, .at = ANYWHERE,
    SET (GPR (RCX, U_TARGET), GPR (R11, FL_TF), GPR (RSP, U_STACK), MEM8 (U_TARGET, NOP), UD2_AT (U_TARGET + 1)),
    CHECK (PUSHED_BITS (RIP, U_TARGET, ~(uint64_t) 1)) },

  /* --- SYSENTER, SYSEXIT -------------------------------------------------------------------------------------- */
  { "SYSENTER, user", USER64, CODE (SYSENTER), ENTERS (BY_SYSENTER, SEG (CS, K_CODE64), SEG (SS, K_DATA), GPR (RSP, AT_RSP0 + SYS_PAGE),
    FLAGS (FL_CF | FL_ID)), SET (FLAGS (FL_IF | FL_CF | FL_ID)) },
  { "SYSENTER, user 32", USER32, CODE (SYSENTER), ENTERS (BY_SYSENTER, SEG (CS, K_CODE64), SEG (SS, K_DATA), GPR (RSP,
    AT_RSP0 + SYS_PAGE)) },
  { "SYSENTER, kernel", KERNEL64, CODE (SYSENTER), ENTERS (BY_SYSENTER, SEG (CS, K_CODE64), SEG (SS, K_DATA)) },
  { "SYSENTER without a CS, user", USER64, CODE (SYSENTER), FAULTS (GP, 0, 0), SET (SYSENTER_CS (0)) },
  { "SYSENTER with a CS of RPL alone, user", USER64, CODE (SYSENTER), FAULTS (GP, 0, 0), SET (SYSENTER_CS (3)) },
  { "SYSENTER to the high half, user", USER64, CODE (SYSENTER), .vector = HALTS,
    SET (SYSENTER_ESP (HIGH + AT_RSP0 + SYS_PAGE), SYSENTER_EIP (HIGH + AT_HANDLERS)),
    CHECK (GPR (RSP, HIGH + AT_RSP0 + SYS_PAGE), RIP (HIGH + AT_HANDLERS + 1)) },
  { "SYSENTER to the high half, user 32", USER32, CODE (SYSENTER), .vector = HALTS,
    SET (SYSENTER_ESP (HIGH + AT_RSP0 + SYS_PAGE), SYSENTER_EIP (HIGH + AT_HANDLERS)),
    CHECK (GPR (RSP, HIGH + AT_RSP0 + SYS_PAGE), RIP (HIGH + AT_HANDLERS + 1)) },
  { "SYSEXIT to 64-bit code, kernel", KERNEL64, CODE (SYSEXITQ),
    ARRIVES (U_TARGET, PUSHED (CS, K_CODE64 + 32 + 3), PUSHED (SS, K_CODE64 + 40 + 3), PUSHED (RSP, U_STACK)),
    SET (GPR (RCX, U_STACK), GPR (RDX, U_TARGET), UD2_AT (U_TARGET)) },
  { "SYSEXIT to 32-bit code, kernel", KERNEL64, CODE (SYSEXITL),
    ARRIVES (U_TARGET, PUSHED (CS, K_CODE64 + 16 + 3), PUSHED (SS, K_CODE64 + 24 + 3), PUSHED (RSP, U_STACK)),
    SET (GPR (RCX, U_STACK | HIGH), GPR (RDX, U_TARGET | HIGH), UD2_AT (U_TARGET)), .narrow = true },
  { "SYSEXIT, kernel 32", KERNEL32, CODE (SYSEXITL), ARRIVES (U_TARGET, PUSHED (CS, K_CODE64 + 16 + 3)),
    SET (GPR (RCX, U_STACK), GPR (RDX, U_TARGET), UD2_AT (U_TARGET)) },
  { "SYSEXIT, RDX not canonical, kernel", KERNEL64, CODE (SYSEXITQ), FAULTS (GP, 0, 0),
    SET (GPR (RCX, U_STACK), GPR (RDX, NON_CANONICAL)) },
  { "SYSEXIT, RCX not canonical, kernel", KERNEL64, CODE (SYSEXITQ), FAULTS (GP, 0, 0),
    SET (GPR (RCX, NON_CANONICAL), GPR (RDX, U_TARGET)) },
  { "SYSEXIT without a CS, kernel", KERNEL64, CODE (SYSEXITQ), FAULTS (GP, 0, 0),
    SET (SYSENTER_CS (0), GPR (RCX, U_STACK), GPR (RDX, U_TARGET)) },
  { "SYSEXIT, ring 1", RING1_64, CODE (SYSEXITQ), FAULTS (GP, 0, 0) },
};

const Table cases_calls = { "calls", rows, sizeof rows / sizeof *rows };

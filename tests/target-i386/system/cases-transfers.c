/* cases-transfers.c -- far jumps, calls and returns in long mode. */
/* SPDX-License-Identifier: MIT */
/* SDM 2A, CALL, JMP; 2B, RET; 3A 5.8.3. */

#include "assemble.h"
#include "case.h"

#define K_D (AT_KERNEL_DATA + DATA_START)
#define U_D (AT_USER_DATA + DATA_START)
#define K_STACK (AT_KERNEL_STACK + STACK_START)
#define U_STACK (AT_USER_STACK + STACK_START)
#define K_TARGET (AT_KERNEL_CODE + 0x400)
#define U_TARGET (AT_USER_CODE + 0x400)
#define NEW_STACK (AT_USER_STACK + 0x400)
#define UD2_AT(at) MEM16 (at, 0x0b0f)
#define ERROR(selector) ((selector) & 0xfffcu)

#define ARRIVES(target, ...) .vector = EXC_UD, .at = ANYWHERE, CHECK (PUSHED (RIP, target), __VA_ARGS__)
/* Through a pointer in memory at RBX. */
#define K_POINTER(at, selector) SET (MEM32 (K_D, at), MEM16 (K_D + 4, selector), UD2_AT (K_TARGET), UD2_AT (U_TARGET))
#define K_POINTER64(at, selector) SET (MEM64 (K_D, at), MEM16 (K_D + 8, selector), UD2_AT (K_TARGET), UD2_AT (U_TARGET))
#define U_POINTER(at, selector) SET (MEM32 (U_D, at), MEM16 (U_D + 4, selector), UD2_AT (U_TARGET))
#define K_JMP(name, selector, ...) \
  { "far JMP to " name ", kernel", KERNEL64, CODE (LJMP_M (RBX)), __VA_ARGS__, K_POINTER (K_TARGET, selector) }
#define U_JMP(name, selector, ...) \
  { "far JMP to " name ", user", USER64, CODE (LJMP_M (RBX)), __VA_ARGS__, U_POINTER (U_TARGET, selector) }
#define K_CALL(name, selector, ...) \
  { "far CALL of " name ", kernel", KERNEL64, CODE (LCALL_M (RBX)), __VA_ARGS__, K_POINTER (K_TARGET, selector) }
#define U_CALL(name, selector, ...) \
  { "far CALL of " name ", user", USER64, CODE (LCALL_M (RBX)), __VA_ARGS__, U_POINTER (U_TARGET, selector) }

/* Frames of far returns. */
#define FRAME64(at, rip, cs, rsp, ss) MEM64 (at, rip), MEM64 ((at) + 8, cs), MEM64 ((at) + 16, rsp), MEM64 ((at) + 24, ss)
#define FRAME32(at, rip, cs, rsp, ss) MEM32 (at, rip), MEM32 ((at) + 4, cs), MEM32 ((at) + 8, rsp), MEM32 ((at) + 12, ss)
#define K_RET(name, cs, ss, ...) { "far RET to " name ", kernel", KERNEL64, CODE (LRETQ), __VA_ARGS__, \
  SET (FRAME64 (K_STACK, U_TARGET, cs, NEW_STACK, ss), UD2_AT (U_TARGET)) }
#define K_RET_IN(name, cs, ...) { "far RET to " name ", kernel", KERNEL64, CODE (LRETQ), __VA_ARGS__, \
  SET (FRAME64 (K_STACK, K_TARGET, cs, NEW_STACK, U_DATA), UD2_AT (K_TARGET)) }

static const Row rows[] = {
  /* --- JMP ------------------------------------------------------------------------------------------- */
  K_JMP ("64-bit code", K_CODE64, ARRIVES (K_TARGET, PUSHED (CS, K_CODE64), PUSHED (RSP, K_STACK))),
  K_JMP ("64-bit code, RPL 3", K_CODE64 | 3, FAULTS (GP, K_CODE64, 0)),
  K_JMP ("32-bit code", K_CODE32, ARRIVES (K_TARGET, PUSHED (CS, K_CODE32))),
  K_JMP ("conforming code", S_CONFORMING64, ARRIVES (K_TARGET, PUSHED (CS, S_CONFORMING64))),
  K_JMP ("conforming code, RPL 3", S_CONFORMING64 | 3, ARRIVES (K_TARGET, PUSHED (CS, S_CONFORMING64))),
  K_JMP ("conforming code of 32 bits", S_CONFORMING32, ARRIVES (K_TARGET, PUSHED (CS, S_CONFORMING32))),
  K_JMP ("the user's code", U_CODE64, FAULTS (GP, ERROR (U_CODE64), 0)),
  K_JMP ("null", 0, FAULTS (GP, 0, 0)),
  K_JMP ("null of RPL 3", 3, FAULTS (GP, 0, 0)),
  K_JMP ("data", K_DATA, FAULTS (GP, K_DATA, 0)),
  K_JMP ("code not present", S_CODE_NP, FAULTS (NP, S_CODE_NP, 0)),
  K_JMP ("code with L and D", S_CODE_L_AND_D, FAULTS (GP, S_CODE_L_AND_D, 0)),
  K_JMP ("what is beyond the GDT", S_BEYOND, FAULTS (GP, S_BEYOND, 0)),
  K_JMP ("a TSS", S_TSS_FREE, FAULTS (GP, S_TSS_FREE, 0)),
  K_JMP ("an LDT", S_LDT, FAULTS (GP, S_LDT, 0)),
  K_JMP ("code in the LDT", L_CODE64, ARRIVES (K_TARGET, PUSHED (CS, L_CODE64))),
  K_JMP ("a call gate", S_GATE, ARRIVES (AT_GATE_TARGET, PUSHED (CS, K_CODE64), PUSHED (RSP, K_STACK))),
  K_JMP ("a call gate of DPL 0", S_GATE_DPL0, ARRIVES (AT_GATE_TARGET, PUSHED (CS, K_CODE64))),
  K_JMP ("a call gate of DPL 0, RPL 3", S_GATE_DPL0 | 3, FAULTS (GP, S_GATE_DPL0, 0)),
  K_JMP ("a call gate not present", S_GATE_NP, FAULTS (NP, S_GATE_NP, 0)),
  K_JMP ("a call gate to 32-bit code", S_GATE_TO_32, FAULTS (GP, K_CODE32, 0)),
  K_JMP ("a call gate to data", S_GATE_TO_DATA, FAULTS (GP, K_DATA, 0)),
  K_JMP ("a call gate to a null selector", S_GATE_NULL, FAULTS (GP, 0, 0)),
  K_JMP ("a call gate to code not present", S_GATE_TO_NP, FAULTS (NP, S_CODE_NP, 0)),
  K_JMP ("a call gate to the user's code", S_GATE_TO_USER, FAULTS (GP, ERROR (U_CODE64), 0)),
  K_JMP ("a call gate to what is not canonical", S_GATE_NON_CANONICAL, FAULTS (GP, 0, 0)),
  K_JMP ("a call gate with a type in its upper half", S_GATE_UPPER_TYPE, FAULTS (GP, S_GATE_UPPER_TYPE, 0)),
  { "far JMP m16:64, kernel", KERNEL64, CODE (LJMPQ_M (RBX)), ARRIVES (K_TARGET, PUSHED (CS, K_CODE64)), K_POINTER64 (K_TARGET, K_CODE64) },
  { "far JMP m16:64 to the high half, kernel", KERNEL64, CODE (LJMPQ_M (RBX)), ARRIVES (HIGH + K_TARGET, PUSHED (CS, K_CODE64)),
    K_POINTER64 (HIGH + K_TARGET, K_CODE64) },
  { "far JMP m16:64, not canonical, kernel", KERNEL64, CODE (LJMPQ_M (RBX)), FAULTS (GP, 0, 0), K_POINTER64 (NON_CANONICAL, K_CODE64) },
  { "far JMP m16:64 to 32-bit code, kernel", KERNEL64, CODE (LJMPQ_M (RBX)), ARRIVES (K_TARGET, PUSHED (CS, K_CODE32)),
    K_POINTER64 (K_TARGET, K_CODE32) },
  { "far JMP m16:64 by a call gate ignores the offset, kernel", KERNEL64, CODE (LJMPQ_M (RBX)),
    ARRIVES (AT_GATE_TARGET, PUSHED (CS, K_CODE64)),
    K_POINTER64 (NON_CANONICAL, S_GATE) },
  { "far JMP m16:16, kernel", KERNEL64, CODE (0x66, LJMP_M (RBX)), ARRIVES (K_TARGET, PUSHED (CS, K_CODE64)),
    SET (MEM16 (K_D, K_TARGET), MEM16 (K_D + 2, K_CODE64), UD2_AT (K_TARGET)) },
  { "far JMP, pointer across a missing page, kernel", KERNEL64, CODE (LJMP_M (RSI)), PAGE_FAULTS (0, 0, PAGE (1)),
    SET (GPR (RSI, PAGE (1) - 4), MEM64 (PTE (0), AT_TARGETS | PG_P | PG_W)) },
  { "far JMP marks the code accessed, kernel", KERNEL64, CODE (LJMP_M (RBX)), ARRIVES (K_TARGET, MEM8 (AT_GDT + K_CODE64 + 5, 0x9b)),
    SET (MEM32 (K_D, K_TARGET), MEM16 (K_D + 4, K_CODE64), UD2_AT (K_TARGET), MEM8 (AT_GDT + K_CODE64 + 5, 0x9a)) },
  U_JMP ("64-bit code", U_CODE64, ARRIVES (U_TARGET, PUSHED (CS, U_CODE64), PUSHED (SS, U_DATA))),
  U_JMP ("64-bit code, RPL 0", U_CODE64 & ~3u, ARRIVES (U_TARGET, PUSHED (CS, U_CODE64))),
  U_JMP ("32-bit code", U_CODE32, ARRIVES (U_TARGET, PUSHED (CS, U_CODE32))),
  U_JMP ("the kernel's code", K_CODE64, FAULTS (GP, K_CODE64, 0)),
  U_JMP ("the kernel's code, RPL 3", K_CODE64 | 3, FAULTS (GP, K_CODE64, 0)),
  U_JMP ("conforming code", S_CONFORMING64, ARRIVES (U_TARGET, PUSHED (CS, S_CONFORMING64 | 3))),
  U_JMP ("a call gate to the kernel", S_GATE, FAULTS (GP, K_CODE64, 0)),
  U_JMP ("a call gate of DPL 0", S_GATE_DPL0, FAULTS (GP, S_GATE_DPL0, 0)),
  U_JMP ("a call gate to conforming code", S_GATE_TO_CONFORMING, ARRIVES (AT_USER_GATE_TARGET, PUSHED (CS, S_CONFORMING64 | 3))),
  U_JMP ("a call gate to the user's code", S_GATE_TO_USER, ARRIVES (AT_USER_GATE_TARGET, PUSHED (CS, U_CODE64))),
  U_JMP ("a TSS", S_TSS_FREE, FAULTS (GP, S_TSS_FREE, 0)),
  U_JMP ("null", 0, FAULTS (GP, 0, 0)),
  { "far JMP to 64-bit code, user 32", USER32, CODE (0xea, D32 (U_TARGET), D16 (U_CODE64)), ARRIVES (U_TARGET, PUSHED (CS, U_CODE64)),
    SET (UD2_AT (U_TARGET)) },
  { "far JMP to 32-bit code, user 32", USER32, CODE (0xea, D32 (U_TARGET), D16 (U_CODE32)), ARRIVES (U_TARGET, PUSHED (CS, U_CODE32)),
    SET (UD2_AT (U_TARGET)) },
  { "far JMP beyond the limit, user 32", USER32, CODE (0xea, D32 (0x800), D16 (S_SMALL_CODE32)), FAULTS (GP, 0, 0) },
  { "far JMP to 64-bit code, kernel 32", KERNEL32, CODE (0xea, D32 (K_TARGET), D16 (K_CODE64)), ARRIVES (K_TARGET, PUSHED (CS, K_CODE64)),
    SET (UD2_AT (K_TARGET)) },
  { "far JMP to a call gate, kernel 32", KERNEL32, CODE (0xea, D32 (0), D16 (S_GATE)), ARRIVES (AT_GATE_TARGET, PUSHED (CS, K_CODE64)) },

  /* --- CALL ------------------------------------------------------------------------------------------------ */
  K_CALL ("64-bit code", K_CODE64, ARRIVES (K_TARGET, PUSHED (CS, K_CODE64), PUSHED (RSP, K_STACK - 8), MEM32 (K_STACK - 4, K_CODE64),
    MEM32 (K_STACK - 8, AT_KERNEL_CODE + 2))),
  K_CALL ("32-bit code", K_CODE32, ARRIVES (K_TARGET, PUSHED (CS, K_CODE32), PUSHED (RSP, K_STACK - 8))),
  K_CALL ("the user's code", U_CODE64, FAULTS (GP, ERROR (U_CODE64), 0)),
  K_CALL ("null", 0, FAULTS (GP, 0, 0)),
  K_CALL ("code not present", S_CODE_NP, FAULTS (NP, S_CODE_NP, 0)),
  K_CALL ("a TSS", S_TSS_FREE, FAULTS (GP, S_TSS_FREE, 0)),
  K_CALL ("a call gate", S_GATE, ARRIVES (AT_GATE_TARGET, PUSHED (CS, K_CODE64), PUSHED (RSP, K_STACK - 16), MEM64 (K_STACK - 8, K_CODE64),
          MEM64 (K_STACK - 16, AT_KERNEL_CODE + 2))),
  K_CALL ("a call gate to what is not canonical", S_GATE_NON_CANONICAL, FAULTS (GP, 0, 0)),
  { "far CALL m16:64, kernel", KERNEL64, CODE (LCALLQ_M (RBX)),
    ARRIVES (HIGH + K_TARGET, PUSHED (RSP, K_STACK - 16), MEM64 (K_STACK - 8, K_CODE64),
    MEM64 (K_STACK - 16, AT_KERNEL_CODE + 3)), K_POINTER64 (HIGH + K_TARGET, K_CODE64) },
  { "far CALL m16:64, not canonical, kernel", KERNEL64, CODE (LCALLQ_M (RBX)), FAULTS (GP, 0, 0), K_POINTER64 (NON_CANONICAL, K_CODE64) },
  { "far CALL m16:16, kernel", KERNEL64, CODE (0x66, LCALL_M (RBX)),
    ARRIVES (K_TARGET, PUSHED (RSP, K_STACK - 4), MEM16 (K_STACK - 2, K_CODE64), MEM16 (K_STACK - 4, AT_KERNEL_CODE + 3)),
    SET (MEM16 (K_D, K_TARGET), MEM16 (K_D + 2, K_CODE64), UD2_AT (K_TARGET)) },
  { "far CALL, stack not canonical, kernel", KERNEL64, CODE (LCALL_M (RBX)), FAULTS (SS, 0, 0),
    SET (MEM32 (K_D, K_TARGET), MEM16 (K_D + 4, K_CODE64), GPR (RSP, NON_CANONICAL + 0x100), MEM8 (AT_IDT + 16 * EXC_SS + 4, 1)) },
  { "far CALL, stack on a missing page, kernel", KERNEL64, CODE (LCALL_M (RBX)), PAGE_FAULTS (2, 0, UNMAPPED - 4),
    SET (MEM32 (K_D, K_TARGET), MEM16 (K_D + 4, K_CODE64), GPR (RSP, UNMAPPED), MEM8 (AT_IDT + 16 * EXC_PF + 4, 1)),
    CHECK (PUSHED (CS, K_CODE64)) },
  U_CALL ("64-bit code", U_CODE64, ARRIVES (U_TARGET, PUSHED (CS, U_CODE64), PUSHED (RSP, U_STACK - 8), MEM32 (U_STACK - 4, U_CODE64))),
  U_CALL ("32-bit code", U_CODE32, ARRIVES (U_TARGET, PUSHED (CS, U_CODE32), PUSHED (RSP, U_STACK - 8))),
  U_CALL ("the kernel's code", K_CODE64, FAULTS (GP, K_CODE64, 0)),
  U_CALL ("conforming code", S_CONFORMING64, ARRIVES (U_TARGET, PUSHED (CS, S_CONFORMING64 | 3))),
  U_CALL ("a call gate", S_GATE, ARRIVES (AT_GATE_TARGET, PUSHED (CS, K_CODE64), PUSHED (SS, 0), PUSHED (RSP, AT_RSP0 + SYS_PAGE - 32),
          MEM64 (AT_RSP0 + SYS_PAGE - 8, U_DATA), MEM64 (AT_RSP0 + SYS_PAGE - 16, U_STACK), MEM64 (AT_RSP0 + SYS_PAGE - 24, U_CODE64),
          MEM64 (AT_RSP0 + SYS_PAGE - 32, AT_USER_CODE + 2))),
  U_CALL ("a call gate to ring 1", S_GATE_TO_RING1, ARRIVES (AT_GATE_TARGET, PUSHED (CS, R1_CODE64), PUSHED (SS, 1), PUSHED (RSP,
    AT_RSP1 + SYS_PAGE - 32))),
  U_CALL ("a call gate to conforming code", S_GATE_TO_CONFORMING,
    ARRIVES (AT_USER_GATE_TARGET, PUSHED (CS, S_CONFORMING64 | 3), PUSHED (RSP, U_STACK - 16))),
  U_CALL ("a call gate of DPL 0", S_GATE_DPL0, FAULTS (GP, S_GATE_DPL0, 0)),
  U_CALL ("a call gate not present", S_GATE_NP, FAULTS (NP, S_GATE_NP, 0)),
  U_CALL ("a call gate to 32-bit code", S_GATE_TO_32, FAULTS (GP, K_CODE32, 0)),
  U_CALL ("a call gate to what is not canonical", S_GATE_NON_CANONICAL, FAULTS (GP, 0, 0)),
  U_CALL ("a call gate to code not present", S_GATE_TO_NP, FAULTS (NP, S_CODE_NP, 0)),
  U_CALL ("a call gate with a type in its upper half", S_GATE_UPPER_TYPE, FAULTS (GP, S_GATE_UPPER_TYPE, 0)),
  U_CALL ("a TSS", S_TSS_FREE, FAULTS (GP, S_TSS_FREE, 0)),
  { "far CALL of a call gate, RSP0 on a missing page, user", USER64, CODE (LCALL_M (RBX)), PAGE_FAULTS (2, 0, UNMAPPED - 8),
    SET (MEM16 (U_D + 4, S_GATE), MEM64 (AT_TSS + 4, UNMAPPED), MEM8 (AT_IDT + 16 * EXC_PF + 4, 1)),
    CHECK (PUSHED (CS, U_CODE64), PUSHED (RSP, U_STACK)) },
  { "far CALL of a call gate, RSP0 not canonical, user", USER64, CODE (LCALL_M (RBX)), FAULTS (SS, 0, 0),
    SET (MEM16 (U_D + 4, S_GATE), MEM64 (AT_TSS + 4, NON_CANONICAL + 0x100), MEM8 (AT_IDT + 16 * EXC_SS + 4, 1)) },
  { "far CALL of a call gate, odd RSP0 is not aligned, user", USER64, CODE (LCALL_M (RBX)),
    ARRIVES (AT_GATE_TARGET, PUSHED (RSP, AT_RSP0 + 0x803 - 32)),
    SET (MEM16 (U_D + 4, S_GATE), MEM64 (AT_TSS + 4, AT_RSP0 + 0x803)) },
  { "far CALL of a call gate to ring 1, TSS too short, user", USER64, CODE (LCALL_M (RBX)), FAULTS (TS, S_TSS, 0),
    SET (MEM16 (U_D + 4, S_GATE_TO_RING1), LIMIT (TR, 18)) },
  { "far CALL of 64-bit code, user 32", USER32, CODE (0x9a, D32 (U_TARGET), D16 (U_CODE64)),
    ARRIVES (U_TARGET, PUSHED (CS, U_CODE64), PUSHED (RSP, U_STACK - 8)), SET (UD2_AT (U_TARGET)) },
  { "far CALL of a call gate, user 32", USER32, CODE (0x9a, D32 (0), D16 (S_GATE)), ARRIVES (AT_GATE_TARGET, PUSHED (CS, K_CODE64),
    MEM64 (AT_RSP0 + SYS_PAGE - 8, U_DATA), MEM64 (AT_RSP0 + SYS_PAGE - 24, U_CODE32), MEM64 (AT_RSP0 + SYS_PAGE - 32, AT_USER_CODE + 7)) },

  { "far CALL of a call gate, RSP0 in the high half, user 32", USER32, CODE (0x9a, D32 (0), D16 (S_GATE)),
    ARRIVES (AT_GATE_TARGET, PUSHED (RSP, HIGH + AT_RSP0 + SYS_PAGE - 32)),
    SET (MEM64 (AT_TSS + 4, HIGH + AT_RSP0 + SYS_PAGE)) },
  { "far JMP to 64-bit code, then a 64-bit register, user 32", USER32,
    CODE (0xea, D32 (AT_USER_CODE + 7), D16 (U_CODE64), 0x48, 0xff, R_R (0, R8 & 7), 0x4c, 0x89, R_R (R8, RAX)), ENDS,
    SET (GPR (R8, HIGH)), CHECK (GPR (RAX, HIGH), GPR (R8, HIGH)) },

  /* --- RET ----------------------------------------------------------------------------------------------------- */
  K_RET_IN ("64-bit kernel code", K_CODE64, ARRIVES (K_TARGET, PUSHED (CS, K_CODE64), PUSHED (RSP, K_STACK + 16))),
  K_RET_IN ("32-bit kernel code", K_CODE32, ARRIVES (K_TARGET, PUSHED (CS, K_CODE32))),
  K_RET_IN ("conforming code", S_CONFORMING64, ARRIVES (K_TARGET, PUSHED (CS, S_CONFORMING64))),
  K_RET ("user code", U_CODE64, U_DATA, ARRIVES (U_TARGET, PUSHED (CS, U_CODE64), PUSHED (SS, U_DATA), PUSHED (RSP, NEW_STACK))),
  K_RET ("32-bit user code", U_CODE32, U_DATA, ARRIVES (U_TARGET, PUSHED (CS, U_CODE32), PUSHED (RSP, NEW_STACK))),
  K_RET ("user code with a null SS", U_CODE64, 3, FAULTS (GP, 0, 0)),
  K_RET ("user code with an SS of the kernel", U_CODE64, K_DATA, FAULTS (GP, K_DATA, 0)),
  K_RET ("user code with an SS not present", U_CODE64, S_DATA_NP | 3, FAULTS (SS, S_DATA_NP, 0)),
  K_RET ("a null CS", 0, U_DATA, FAULTS (GP, 0, 0)),
  K_RET ("a CS of data", U_DATA, U_DATA, FAULTS (GP, ERROR (U_DATA), 0)),
  K_RET ("a CS not present", S_CODE_NP, U_DATA, FAULTS (NP, S_CODE_NP, 0)),
  K_RET ("a CS of DPL 0 with RPL 3", K_CODE64 | 3, U_DATA, FAULTS (GP, K_CODE64, 0)),
  K_RET ("a CS of DPL 3 with RPL 0", U_CODE64 & ~3u, U_DATA, FAULTS (GP, ERROR (U_CODE64), 0)),
  K_RET ("a CS beyond the GDT", S_BEYOND | 3, U_DATA, FAULTS (GP, S_BEYOND, 0)),
  { "far RET to a RIP not canonical, kernel", KERNEL64, CODE (LRETQ), FAULTS (GP, 0, 0),
    SET (FRAME64 (K_STACK, NON_CANONICAL, K_CODE64, 0, 0)) },
  { "far RET to the user, not canonical, kernel", KERNEL64, CODE (LRETQ), FAULTS (GP, 0, 0),
    SET (FRAME64 (K_STACK, NON_CANONICAL, U_CODE64, NEW_STACK, U_DATA)) },
  { "far RET of 32 bits to the user, kernel", KERNEL64, CODE (LRETD), ARRIVES (U_TARGET, PUSHED (CS, U_CODE64), PUSHED (RSP, NEW_STACK)),
    SET (FRAME32 (K_STACK, U_TARGET, U_CODE64, NEW_STACK, U_DATA), UD2_AT (U_TARGET)) },
  { "far RET of 32 bits, kernel", KERNEL64, CODE (LRETD), ARRIVES (K_TARGET, PUSHED (CS, K_CODE64), PUSHED (RSP, K_STACK + 8)),
    SET (FRAME32 (K_STACK, K_TARGET, K_CODE64, 0, 0), UD2_AT (K_TARGET)) },
  { "far RET of 16 bits, kernel", KERNEL64, CODE (LRETW), ARRIVES (K_TARGET, PUSHED (CS, K_CODE64), PUSHED (RSP, K_STACK + 4)),
    SET (MEM16 (K_STACK, K_TARGET), MEM16 (K_STACK + 2, K_CODE64), UD2_AT (K_TARGET)) },
  { "far RET that releases 16 bytes, kernel", KERNEL64, CODE (0x48, 0xca, D16 (16)), ARRIVES (K_TARGET, PUSHED (RSP, K_STACK + 32)),
    SET (FRAME64 (K_STACK, K_TARGET, K_CODE64, 0, 0), UD2_AT (K_TARGET)) },
  { "far RET to the user that releases 16 bytes on both stacks, kernel", KERNEL64, CODE (0x48, 0xca, D16 (16)),
    ARRIVES (U_TARGET, PUSHED (RSP, NEW_STACK + 16)),
    SET (MEM64 (K_STACK, U_TARGET), MEM64 (K_STACK + 8, U_CODE64), MEM64 (K_STACK + 32, NEW_STACK), MEM64 (K_STACK + 40, U_DATA),
    UD2_AT (U_TARGET)) },
  { "far RET to the user takes the kernel's data segments away, kernel", KERNEL64, CODE (LRETQ),
    ARRIVES (U_TARGET, SEG (DS, 0), SEG (ES, U_DATA)),
    SET (FRAME64 (K_STACK, U_TARGET, U_CODE64, NEW_STACK, U_DATA), UD2_AT (U_TARGET), SEG (DS, K_DATA)) },
  { "far RET from a missing page, kernel", KERNEL64, CODE (LRETQ), PAGE_FAULTS (0, 0, PAGE (1)),
    SET (GPR (RSP, PAGE (1) - 8), MEM64 (PTE (0), AT_TARGETS | PG_P | PG_W), MEM8 (AT_IDT + 16 * EXC_PF + 4, 1)) },
  { "far RET to the same level, user", USER64, CODE (LRETQ), ARRIVES (U_TARGET, PUSHED (CS, U_CODE64), PUSHED (RSP, U_STACK + 16)),
    SET (FRAME64 (U_STACK, U_TARGET, U_CODE64, 0, 0), UD2_AT (U_TARGET)) },
  { "far RET to 32-bit code, user", USER64, CODE (LRETQ), ARRIVES (U_TARGET, PUSHED (CS, U_CODE32)),
    SET (FRAME64 (U_STACK, U_TARGET, U_CODE32, 0, 0), UD2_AT (U_TARGET)) },
  { "far RET to the kernel, user", USER64, CODE (LRETQ), FAULTS (GP, K_CODE64, 0), SET (FRAME64 (U_STACK, K_TARGET, K_CODE64, 0, 0)) },
  { "far RET to the kernel, RPL 3, user", USER64, CODE (LRETQ), FAULTS (GP, K_CODE64, 0),
    SET (FRAME64 (U_STACK, K_TARGET, K_CODE64 | 3, 0, 0)) },
  { "far RET to 64-bit code, user 32", USER32, CODE (LRETD), ARRIVES (U_TARGET, PUSHED (CS, U_CODE64)),
    SET (FRAME32 (U_STACK, U_TARGET, U_CODE64, 0, 0), UD2_AT (U_TARGET)) },
  { "far RET to the user, kernel 32", KERNEL32, CODE (LRETD), ARRIVES (U_TARGET, PUSHED (CS, U_CODE32), PUSHED (RSP, NEW_STACK)),
    SET (FRAME32 (K_STACK, U_TARGET, U_CODE32, NEW_STACK, U_DATA), UD2_AT (U_TARGET)) },

  /* --- near branches of unusual sizes ---------------------------------------------------------------------------- */
  { "near RET that releases bytes, user", USER64, CODE (0xc2, D16 (0x10)), ARRIVES (U_TARGET, PUSHED (RSP, U_STACK + 0x18)),
    SET (MEM64 (U_STACK, U_TARGET), UD2_AT (U_TARGET)) },
  { "near CALL with 66 is of 64 bits, user", USER64, CODE (0x66, CALL_R (RCX)), ARRIVES (U_TARGET, PUSHED (RSP, U_STACK - 8)),
    SET (GPR (RCX, U_TARGET), UD2_AT (U_TARGET)) },
  { "JMP to a page that may not be executed, user", USER64, CODE (JMP_R (RCX)), .vector = EXC_PF, .error = 0x15, .at = ANYWHERE,
    .cr2 = PAGE (0) + 0x123,
    SET (GPR (RCX, PAGE (0) + 0x123), MEM64 (PTE (0), AT_TARGETS | PG_P | PG_U | PG_NX)), CHECK (PUSHED (RIP, PAGE (0) + 0x123)) },
  { "JMP to the kernel's page, user", USER64, CODE (JMP_R (RCX)), .vector = EXC_PF, .error = 0x15, .at = ANYWHERE, .cr2 = K_TARGET,
    SET (GPR (RCX, K_TARGET)) },
  { "an instruction across a page, the second is missing, user", USER64, CODE (JMP_R (RCX)), .vector = EXC_PF, .error = 0x14,
    .at = ANYWHERE, .cr2 = PAGE (1),
    SET (GPR (RCX, PAGE (1) - 1), MEM64 (PTE (0), AT_TARGETS | PG_P | PG_U), MEM8 (AT_TARGETS + SYS_PAGE - 1, 0xb8)),
    CHECK (PUSHED (RIP, PAGE (1) - 1)) },
};

const Table cases_transfers = { "transfers", rows, sizeof rows / sizeof *rows };

/* cases-iret.c -- IRET from long mode to each kind of code, and what it refuses. */
/* SPDX-License-Identifier: MIT */
/* SDM 2A, IRET; 3A 6.14.3.  What the frame leads to begins with a UD2, unless the row says otherwise. */

#include "assemble.h"
#include "case.h"

#define K_STACK (AT_KERNEL_STACK + STACK_START)
#define U_STACK (AT_USER_STACK + STACK_START)
#define TARGET (AT_USER_CODE + 0x400)
#define K_TARGET (AT_KERNEL_CODE + 0x400)
#define NEW_STACK (AT_USER_STACK + 0x400)

/* A frame of 8-byte words on the stack at `at`. */
#define FRAME64(at, rip, cs, flags, rsp, ss) \
  MEM64 (at, rip), MEM64 ((at) + 8, cs), MEM64 ((at) + 16, flags), MEM64 ((at) + 24, rsp), MEM64 ((at) + 32, ss)
#define FRAME32(at, rip, cs, flags, rsp, ss) \
  MEM32 (at, rip), MEM32 ((at) + 4, cs), MEM32 ((at) + 8, flags), MEM32 ((at) + 12, rsp), MEM32 ((at) + 16, ss)
#define FRAME16(at, rip, cs, flags, rsp, ss) \
  MEM16 (at, rip), MEM16 ((at) + 2, cs), MEM16 ((at) + 4, flags), MEM16 ((at) + 6, rsp), MEM16 ((at) + 8, ss)
#define UD2_AT(at) MEM16 (at, 0x0b0f)

/* From the kernel: arrives, or is refused where it stands. */
#define ARRIVES(target, ...) .vector = EXC_UD, .at = ANYWHERE, CHECK (PUSHED (RIP, target), __VA_ARGS__)
#define KERNEL(name, cs, ss, ...) { "IRETQ to " name ", kernel", KERNEL64, CODE (IRETQ), __VA_ARGS__, \
  SET (FRAME64 (K_STACK, TARGET, cs, FL_1, NEW_STACK, ss), UD2_AT (TARGET)) }
#define KERNEL_IN(name, cs, ss, rip, ...) { "IRETQ to " name ", kernel", KERNEL64, CODE (IRETQ), __VA_ARGS__, \
  SET (FRAME64 (K_STACK, rip, cs, FL_1, AT_KERNEL_STACK + 0x400, ss), UD2_AT (K_TARGET)) }
#define USER(name, cs, ss, ...) { "IRETQ to " name ", user", USER64, CODE (IRETQ), __VA_ARGS__, \
  SET (FRAME64 (U_STACK, TARGET, cs, FL_1, NEW_STACK, ss), UD2_AT (TARGET)) }
/* Flags: what the image holds, and what of it the user's next exception pushes. */
#define KERNEL_FLAGS(name, image, result) { "IRETQ with " name " to the user, kernel", KERNEL64, CODE (IRETQ), \
  ARRIVES (TARGET, PUSHED_BITS (RFLAGS, (result) | FL_1, ~(uint64_t) FL_RF)), \
  SET (FRAME64 (K_STACK, TARGET, U_CODE64, image, NEW_STACK, U_DATA), UD2_AT (TARGET)) }
#define USER_FLAGS(name, before, image, result) { "IRETQ with " name ", user", USER64, CODE (IRETQ), \
  ARRIVES (TARGET, PUSHED_BITS (RFLAGS, (result) | FL_1, ~(uint64_t) FL_RF)), \
  SET (FLAGS (before), FRAME64 (U_STACK, TARGET, U_CODE64, image, NEW_STACK, U_DATA), UD2_AT (TARGET)) }

static const Row rows[] = {
  /* --- where to ------------------------------------------------------------------------------------ */
  KERNEL ("64-bit user code", U_CODE64, U_DATA, ARRIVES (TARGET, PUSHED (CS, U_CODE64), PUSHED (SS, U_DATA), PUSHED (RSP, NEW_STACK))),
  KERNEL ("32-bit user code", U_CODE32, U_DATA, ARRIVES (TARGET, PUSHED (CS, U_CODE32), PUSHED (SS, U_DATA), PUSHED (RSP, NEW_STACK))),
  KERNEL ("16-bit user code above 64 KB", U_CODE16, U_DATA, ARRIVES (TARGET, PUSHED (CS, U_CODE16))),
  KERNEL_IN ("64-bit kernel code", K_CODE64, K_DATA, K_TARGET,
    ARRIVES (K_TARGET, PUSHED (CS, K_CODE64), PUSHED (RSP, AT_KERNEL_STACK + 0x400))),
  KERNEL_IN ("64-bit kernel code with a null SS", K_CODE64, 0, K_TARGET, ARRIVES (K_TARGET, PUSHED (SS, 0))),
  KERNEL_IN ("32-bit kernel code", K_CODE32, K_DATA, K_TARGET, ARRIVES (K_TARGET, PUSHED (CS, K_CODE32))),
  KERNEL_IN ("32-bit kernel code with a null SS", K_CODE32, 0, K_TARGET, FAULTS (GP, 0, 0)),
  KERNEL_IN ("ring 1", R1_CODE64, R1_DATA, K_TARGET, ARRIVES (K_TARGET, PUSHED (CS, R1_CODE64), PUSHED (SS, R1_DATA))),
  KERNEL_IN ("ring 1 with a null SS of RPL 1", R1_CODE64, 1, K_TARGET, ARRIVES (K_TARGET, PUSHED (CS, R1_CODE64), PUSHED (SS, 1))),
  KERNEL_IN ("ring 1 with a null SS of RPL 0", R1_CODE64, 0, K_TARGET, FAULTS (GP, 0, 0)),
  KERNEL_IN ("ring 0 with a null SS of RPL 3", K_CODE64, 3, K_TARGET, FAULTS (GP, 0, 0)),
  KERNEL ("user code with a null SS", U_CODE64, 3, FAULTS (GP, 0, 0)),
  KERNEL ("user code with a null SS of RPL 0", U_CODE64, 0, FAULTS (GP, 0, 0)),
  KERNEL_IN ("conforming code, RPL 0", S_CONFORMING64, K_DATA, K_TARGET, ARRIVES (K_TARGET, PUSHED (CS, S_CONFORMING64))),
  KERNEL ("conforming code, RPL 3", S_CONFORMING64 | 3, U_DATA, ARRIVES (TARGET, PUSHED (CS, S_CONFORMING64 | 3))),
  KERNEL ("code in the LDT that RPL 3 may not have", L_CODE64 | 3, U_DATA, FAULTS (GP, L_CODE64, 0)),
  KERNEL_IN ("code in the LDT", L_CODE64, K_DATA, K_TARGET, ARRIVES (K_TARGET, PUSHED (CS, L_CODE64))),

  /* --- what is refused ---------------------------------------------------------------------------------- */
  KERNEL ("a null CS", 0, U_DATA, FAULTS (GP, 0, 0)),
  KERNEL ("a null CS of RPL 3", 3, U_DATA, FAULTS (GP, 0, 0)),
  KERNEL ("a CS beyond the GDT", S_BEYOND | 3, U_DATA, FAULTS (GP, S_BEYOND, 0)),
  KERNEL ("a CS of data", U_DATA, U_DATA, FAULTS (GP, U_DATA & ~3u, 0)),
  KERNEL ("a CS that is a TSS", S_TSS, K_DATA, FAULTS (GP, S_TSS, 0)),
  KERNEL ("a CS of DPL 0 with RPL 3", K_CODE64 | 3, U_DATA, FAULTS (GP, K_CODE64, 0)),
  KERNEL ("a CS of DPL 3 with RPL 0", U_CODE64 & ~3u, U_DATA, FAULTS (GP, U_CODE64 & ~3u, 0)),
  KERNEL ("a CS not present", S_CODE_NP, K_DATA, FAULTS (NP, S_CODE_NP, 0)),
  KERNEL ("a CS with L and D", S_CODE_L_AND_D, K_DATA, FAULTS (GP, S_CODE_L_AND_D, 0)),

  KERNEL ("an SS with another RPL", U_CODE64, K_DATA, FAULTS (GP, K_DATA, 0)),
  KERNEL ("an SS of RPL 3 and DPL 0", U_CODE64, K_DATA | 3, FAULTS (GP, K_DATA, 0)),
  KERNEL ("an SS of RPL 0 and DPL 3", U_CODE64, U_DATA & ~3u, FAULTS (GP, U_DATA & ~3u, 0)),
  KERNEL ("an SS of code", U_CODE64, U_CODE64, FAULTS (GP, U_CODE64 & ~3u, 0)),
  KERNEL ("an SS that cannot be written", U_CODE64, S_READ_ONLY | 3, FAULTS (GP, S_READ_ONLY, 0)),
  KERNEL ("an SS not present", U_CODE64, S_DATA_NP | 3, FAULTS (SS, S_DATA_NP, 0)),
  KERNEL ("an SS beyond the GDT", U_CODE64, S_BEYOND | 3, FAULTS (GP, S_BEYOND, 0)),
  KERNEL_IN ("the kernel with an SS of the user", K_CODE64, U_DATA, K_TARGET, FAULTS (GP, U_DATA & ~3u, 0)),
  { "IRETQ to a RIP not canonical, kernel", KERNEL64, CODE (NOP, IRETQ), FAULTS (GP, 0, 1),
    SET (FRAME64 (K_STACK, NON_CANONICAL, U_CODE64, FL_1, NEW_STACK, U_DATA)), CHECK (PUSHED (RSP, K_STACK)) },
  { "IRETQ to kernel RIP not canonical, kernel", KERNEL64, CODE (NOP, IRETQ), FAULTS (GP, 0, 1),
    SET (FRAME64 (K_STACK, NON_CANONICAL, K_CODE64, FL_1, K_STACK, K_DATA)), CHECK (PUSHED (RSP, K_STACK)) },
  { "IRETQ to an RSP not canonical, kernel", KERNEL64, CODE (IRETQ), ARRIVES (TARGET, PUSHED (RSP, NON_CANONICAL)),
    SET (FRAME64 (K_STACK, TARGET, U_CODE64, FL_1, NON_CANONICAL, U_DATA), UD2_AT (TARGET)) },
  { "IRETQ with NT, kernel", KERNEL64, CODE (IRETQ), FAULTS (GP, 0, 0),
    SET (FLAGS (FL_NT), FRAME64 (K_STACK, TARGET, U_CODE64, FL_1, NEW_STACK, U_DATA)) },
  { "IRETQ from a missing page, kernel", KERNEL64, CODE (IRETQ), PAGE_FAULTS (0, 0, PAGE (1)),
    SET (GPR (RSP, PAGE (1) - 16), MEM64 (PTE (0), AT_TARGETS | PG_P | PG_W), MEM8 (AT_IDT + 16 * EXC_PF + 4, 1)) },
  { "IRETQ to a page that is not there, kernel", KERNEL64, CODE (IRETQ), .vector = EXC_PF, .error = 0x14, .at = ANYWHERE, .cr2 = UNMAPPED,
    SET (FRAME64 (K_STACK, UNMAPPED, U_CODE64, FL_1, NEW_STACK, U_DATA)), CHECK (PUSHED (RIP, UNMAPPED), PUSHED (CS, U_CODE64)) },
  { "IRETQ to a kernel page, kernel", KERNEL64, CODE (IRETQ), .vector = EXC_PF, .error = 0x15, .at = ANYWHERE, .cr2 = K_TARGET,
    SET (FRAME64 (K_STACK, K_TARGET, U_CODE64, FL_1, NEW_STACK, U_DATA)) },
  { "IRETQ to 32-bit code above 4 GB, kernel", KERNEL64, CODE (IRETQ), FAULTS (GP, 0, 0),
    SET (FRAME64 (K_STACK, TARGET + ((uint64_t) 1 << 32), U_CODE32, FL_1, NEW_STACK, U_DATA), UD2_AT (TARGET)) },
  { "IRETQ to 32-bit code beyond its limit, kernel", KERNEL64, CODE (IRETQ), FAULTS (GP, 0, 0),
    SET (FRAME64 (K_STACK, 0x800, S_SMALL_CODE32 | 3, FL_1, NEW_STACK, U_DATA)) },
  { "IRETQ to the end of 32-bit code's limit, kernel", KERNEL64, CODE (IRETQ), ARRIVES (0x7fe, PUSHED (CS, S_SMALL_CODE32 | 3)),
    SET (FRAME64 (K_STACK, 0x7fe, S_SMALL_CODE32 | 3, FL_1, NEW_STACK, U_DATA), UD2_AT (AT_USER_CODE + 0x7fe)) },

  /* --- narrower frames -------------------------------------------------------------------------------------- */
  { "IRETD to the user, kernel", KERNEL64, CODE (IRETD), ARRIVES (TARGET, PUSHED (CS, U_CODE64), PUSHED (RSP, NEW_STACK), PUSHED (SS,
    U_DATA)),
    SET (FRAME32 (K_STACK, TARGET, U_CODE64, FL_1, NEW_STACK, U_DATA), UD2_AT (TARGET)) },
  { "IRETD to the kernel, kernel", KERNEL64, CODE (IRETD), ARRIVES (K_TARGET, PUSHED (RSP, NEW_STACK), PUSHED (SS, 0)),
    SET (FRAME32 (K_STACK, K_TARGET, K_CODE64, FL_1, NEW_STACK, 0), UD2_AT (K_TARGET)) },
  { "IRETD to 32-bit user code, kernel", KERNEL64, CODE (IRETD), ARRIVES (TARGET, PUSHED (CS, U_CODE32)),
    SET (FRAME32 (K_STACK, TARGET, U_CODE32, FL_1, NEW_STACK, U_DATA), UD2_AT (TARGET)) },
  { "IRETW to the user, kernel", KERNEL64, CODE (IRETW), .vector = EXC_PF, .error = 0x15, .at = ANYWHERE, .cr2 = 0x1000,
    SET (FRAME16 (K_STACK, 0x1000, U_CODE64, FL_1, 0x8000, U_DATA)), CHECK (PUSHED (RIP, 0x1000), PUSHED (RSP, 0x8000)) },
  { "IRETD with NT, kernel", KERNEL64, CODE (IRETD), FAULTS (GP, 0, 0),
    SET (FLAGS (FL_NT), FRAME32 (K_STACK, TARGET, U_CODE64, FL_1, NEW_STACK, U_DATA)) },
  { "IRETD to the same level, kernel 32", KERNEL32, CODE (IRETD), ARRIVES (K_TARGET, PUSHED (CS, K_CODE32), PUSHED (RSP, K_STACK + 12)),
    SET (FRAME32 (K_STACK, K_TARGET, K_CODE32, FL_1, NEW_STACK, U_DATA), UD2_AT (K_TARGET)) },
  { "IRETD to the user, kernel 32", KERNEL32, CODE (IRETD), ARRIVES (TARGET, PUSHED (CS, U_CODE32), PUSHED (RSP, NEW_STACK), PUSHED (SS,
    U_DATA)),
    SET (FRAME32 (K_STACK, TARGET, U_CODE32, FL_1, NEW_STACK, U_DATA), UD2_AT (TARGET)) },
  { "IRETD to 64-bit user code, kernel 32", KERNEL32, CODE (IRETD), ARRIVES (TARGET, PUSHED (CS, U_CODE64), PUSHED (RSP, NEW_STACK)),
    SET (FRAME32 (K_STACK, TARGET, U_CODE64, FL_1, NEW_STACK, U_DATA), UD2_AT (TARGET)) },
  { "IRETD to 64-bit kernel code, kernel 32", KERNEL32, CODE (IRETD), ARRIVES (K_TARGET, PUSHED (CS, K_CODE64), PUSHED (RSP, K_STACK + 12)),
    SET (FRAME32 (K_STACK, K_TARGET, K_CODE64, FL_1, NEW_STACK, U_DATA), UD2_AT (K_TARGET)) },
  { "IRETD with NT, kernel 32", KERNEL32, CODE (IRETD), FAULTS (GP, 0, 0),
    SET (FLAGS (FL_NT), FRAME32 (K_STACK, K_TARGET, K_CODE32, FL_1, 0, 0)) },
  { "IRETD with VM in the image, kernel 32", KERNEL32, CODE (IRETD), ARRIVES (K_TARGET, PUSHED_BITS (RFLAGS, 0, FL_VM)),
    SET (FRAME32 (K_STACK, K_TARGET, K_CODE32, FL_1 | FL_VM, NEW_STACK, U_DATA), UD2_AT (K_TARGET)) },

  /* --- from the user ------------------------------------------------------------------------------------------ */
  USER ("64-bit user code", U_CODE64, U_DATA, ARRIVES (TARGET, PUSHED (CS, U_CODE64), PUSHED (RSP, NEW_STACK), PUSHED (SS, U_DATA))),
  USER ("32-bit user code", U_CODE32, U_DATA, ARRIVES (TARGET, PUSHED (CS, U_CODE32), PUSHED (RSP, NEW_STACK))),
  USER ("kernel code", K_CODE64, K_DATA, FAULTS (GP, K_CODE64, 0)),
  USER ("kernel code with RPL 3", K_CODE64 | 3, U_DATA, FAULTS (GP, K_CODE64, 0)),
  USER ("a null CS", 0, U_DATA, FAULTS (GP, 0, 0)),
  USER ("a null SS", U_CODE64, 3, FAULTS (GP, 0, 0)),
  USER ("an SS of the kernel", U_CODE64, K_DATA, FAULTS (GP, K_DATA, 0)),
  USER ("a CS beyond the GDT", S_BEYOND | 3, U_DATA, FAULTS (GP, S_BEYOND, 0)),
  { "IRETQ to a RIP not canonical, user", USER64, CODE (NOP, IRETQ), FAULTS (GP, 0, 1),
    SET (FRAME64 (U_STACK, NON_CANONICAL, U_CODE64, FL_1, NEW_STACK, U_DATA)) },
  { "IRETQ with NT, user", USER64, CODE (IRETQ), FAULTS (GP, 0, 0),
    SET (FLAGS (FL_NT), FRAME64 (U_STACK, TARGET, U_CODE64, FL_1, NEW_STACK, U_DATA)) },
  { "IRETD to the same level, user 32", USER32, CODE (IRETD), ARRIVES (TARGET, PUSHED (CS, U_CODE32), PUSHED (RSP, U_STACK + 12)),
    SET (FRAME32 (U_STACK, TARGET, U_CODE32, FL_1, NEW_STACK, U_DATA), UD2_AT (TARGET)) },
  { "IRETD to 64-bit code, user 32", USER32, CODE (IRETD), ARRIVES (TARGET, PUSHED (CS, U_CODE64), PUSHED (RSP, U_STACK + 12)),
    SET (FRAME32 (U_STACK, TARGET, U_CODE64, FL_1, NEW_STACK, U_DATA), UD2_AT (TARGET)) },

  /* --- RFLAGS ---------------------------------------------------------------------------------------------------- */
  KERNEL_FLAGS ("the arithmetic flags", 0xfff & ~(FL_TF | FL_IF), 0xcd5 | FL_DF),
  KERNEL_FLAGS ("IF", FL_IF | FL_1, FL_IF),
  KERNEL_FLAGS ("IOPL 3", FL_IOPL, FL_IOPL),
  KERNEL_FLAGS ("NT", FL_NT, FL_NT),
  KERNEL_FLAGS ("AC and ID", FL_AC | FL_ID, FL_AC | FL_ID),
  KERNEL_FLAGS ("VIF and VIP", FL_VIF | FL_VIP, FL_VIF | FL_VIP),
  KERNEL_FLAGS ("VM", FL_VM, 0),
  KERNEL_FLAGS ("RF", FL_RF, 0),
  KERNEL_FLAGS ("reserved bits", 0xffffffffffc08028, 0),
  USER_FLAGS ("IF, which it may not", 0, FL_IF, 0),
  USER_FLAGS ("IF clear, which it may not", FL_IF, 0, FL_IF),
  USER_FLAGS ("IF at IOPL 3", FL_IOPL, FL_IF | FL_IOPL, FL_IF | FL_IOPL),
  USER_FLAGS ("IF clear at IOPL 3", FL_IOPL | FL_IF, FL_IOPL, FL_IOPL),
  USER_FLAGS ("IOPL, which it may not", 0, FL_IOPL, 0),
  USER_FLAGS ("IOPL clear, which it may not", FL_IOPL, 0, FL_IOPL),
  USER_FLAGS ("AC, ID, DF, NT", 0, FL_AC | FL_ID | FL_DF | FL_NT, FL_AC | FL_ID | FL_DF | FL_NT),
  USER_FLAGS ("VIF and VIP, which it may not", 0, FL_VIF | FL_VIP, 0),
  { "IRETD of 32 bits leaves RFLAGS' upper bits alone, kernel", KERNEL64, CODE (IRETD),
    ARRIVES (TARGET, PUSHED_BITS (RFLAGS, FL_1 | FL_ID, ~(uint64_t) FL_RF)),
    SET (FRAME32 (K_STACK, TARGET, U_CODE64, FL_1 | FL_ID, NEW_STACK, U_DATA), UD2_AT (TARGET)) },
  { "IRETW keeps AC and ID, kernel", KERNEL64, CODE (IRETW),
    ARRIVES (K_TARGET, PUSHED_BITS (RFLAGS, FL_1 | FL_ID | FL_AC | FL_CF, ~(uint64_t) FL_RF)),
    SET (FLAGS (FL_ID | FL_AC), FRAME16 (K_STACK, K_TARGET, K_CODE64, FL_1 | FL_CF, 0, 0), UD2_AT (K_TARGET),
    MEM8 (AT_IDT + 16 * EXC_UD + 4, 1)) },
  { "IRETQ with TF, single-step after one instruction, kernel", KERNEL64, CODE (IRETQ), .vector = EXC_DB, .at = ANYWHERE,
    SET (FRAME64 (K_STACK, TARGET, U_CODE64, FL_1 | FL_TF, NEW_STACK, U_DATA), MEM8 (TARGET, NOP), UD2_AT (TARGET + 1)),
    CHECK (PUSHED (RIP, TARGET + 1), DR_BITS (6, 1 << 14, 0xe00f), PUSHED_BITS (RFLAGS, FL_TF, FL_TF | FL_RF)) },

  /* --- data segments that the user may not keep (SDM 2A: ReturnToOuterPrivilegeLevel) ---------------------------------- */
  { "IRETQ to the user takes the kernel's data segments away, kernel", KERNEL64, CODE (IRETQ),
    ARRIVES (TARGET, SEG (DS, 0), SEG (ES, U_DATA), SEG (FS, 0), SEG (GS, 0)),
    SET (FRAME64 (K_STACK, TARGET, U_CODE64, FL_1, NEW_STACK, U_DATA), UD2_AT (TARGET), SEG (DS, K_DATA), SEG (FS, K_DATA),
    SEG (GS, S_READ_ONLY_DPL0)) },
  { "IRETQ to the user leaves conforming code in a data segment, kernel", KERNEL64, CODE (IRETQ),
    ARRIVES (TARGET, SEG (DS, S_CONFORMING64)),
    SET (FRAME64 (K_STACK, TARGET, U_CODE64, FL_1, NEW_STACK, U_DATA), UD2_AT (TARGET), SEG (DS, S_CONFORMING64)) },
  { "IRETQ to the kernel leaves data segments, kernel", KERNEL64, CODE (IRETQ), ARRIVES (K_TARGET, SEG (DS, K_DATA)),
    SET (FRAME64 (K_STACK, K_TARGET, K_CODE64, FL_1, K_STACK, K_DATA), UD2_AT (K_TARGET), SEG (DS, K_DATA)) },
  { "IRETQ to the user leaves the GS base behind a null selector, kernel", KERNEL64, CODE (IRETQ),
    ARRIVES (TARGET, BASE (GS, 0x123456789), SEG (GS, 0)),
    SET (FRAME64 (K_STACK, TARGET, U_CODE64, FL_1, NEW_STACK, U_DATA), UD2_AT (TARGET), SEG (GS, 0), BASE (GS, 0x123456789)) },
};

const Table cases_iret = { "iret", rows, sizeof rows / sizeof *rows };

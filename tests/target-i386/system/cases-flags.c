/* cases-flags.c -- RFLAGS by CLI, STI, POPF and PUSHF, and ports by IOPL and the TSS's bitmap. */
/* SPDX-License-Identifier: MIT */
/* SDM 2A, CLI, IN; 2B, OUT, POPF, PUSHF, STI; 1, 19.5. */

#include "assemble.h"
#include "case.h"

#define K_STACK (AT_KERNEL_STACK + STACK_START)
#define U_STACK (AT_USER_STACK + STACK_START)
#define U_D (AT_USER_DATA + DATA_START)
#define BITMAP (AT_TSS + 0x68)
#define FLAGS_ARE(v) PUSHED_BITS (RFLAGS, (v) | FL_1, ~(uint64_t) FL_RF)

/* POPF: what the stack holds, and what comes of it. */
#define POPS(name, mode, stack, before, image, after) \
  { "POPF, " name, mode, CODE (POPF), ENDS, SET (FLAGS (before), MEM64 (stack, image)), CHECK (FLAGS_ARE (after)) }
#define POPS16(name, mode, stack, before, image, after) \
  { "POPF of 16 bits, " name, mode, CODE (0x66, POPF), ENDS, SET (FLAGS (before), MEM64 (stack, image)), \
    CHECK (FLAGS_ARE (after), PUSHED (RSP, (stack) + 2)) }

/* A port instruction with DX = port, from the user; allowed or not. */
#define IN_USER(name, port, code, ...) { name ", user", USER64, code, __VA_ARGS__, SET (GPR (RDX, port)) }
#define REFUSED FAULTS (GP, 0, 0), CHECK (PORTS (0))
#define ALLOWED ENDS, CHECK (PORTS (1))

static const Row rows[] = {
  /* --- XCHG BX, BX: nothing, whoever listens ------------------------------------------------------------ */
  { "XCHG BX, BX, user", USER64, CODE (MAGIC), ENDS, SET (GPR (RBX, NON_CANONICAL), GPR (RAX, 1), FLAGS (FL_CF | FL_ZF | FL_DF | FL_ID)),
    CHECK (GPR (RBX, NON_CANONICAL), GPR (RAX, 1), PUSHED_BITS (RFLAGS, FL_CF | FL_ZF | FL_DF | FL_ID | FL_1, ~(uint64_t) FL_RF)) },
  { "XCHG BX, BX, kernel", KERNEL64, CODE (MAGIC, NOP), ENDS, SET (GPR (RBX, 0), GPR (RAX, 2)), CHECK (GPR (RBX, 0), GPR (RAX, 2)) },
  { "XCHG BX, BX after INC, user 32", USER32, CODE (0x41, MAGIC), ENDS, SET (GPR (RCX, 0xffffffff), GPR (RBX, 0x12345678), FLAGS (FL_CF)),
    CHECK (GPR (RBX, 0x12345678), GPR (RCX, 0), PUSHED_BITS (RFLAGS, FL_CF | FL_ZF | FL_PF | FL_AF, FL_CF | FL_ZF | FL_PF | FL_AF | FL_OF | FL_SF)) },

  /* --- CLI, STI ----------------------------------------------------------------------------------------- */
  { "CLI, kernel", KERNEL64, CODE (CLI), ENDS, SET (FLAGS (FL_IF)), CHECK (FLAGS_ARE (0)) },
  { "STI, kernel", KERNEL64, CODE (STI, NOP), ENDS, CHECK (FLAGS_ARE (FL_IF)) },
  { "STI, then a fault, kernel", KERNEL64, CODE (STI, MOV_RM (RAX, RCX)), PAGE_FAULTS (0, 1, UNMAPPED), SET (GPR (RCX, UNMAPPED)),
    CHECK (FLAGS_ARE (FL_IF)) },
  { "CLI at IOPL 0, user", USER64, CODE (CLI), FAULTS (GP, 0, 0), SET (FLAGS (FL_IF)), CHECK (FLAGS_ARE (FL_IF)) },
  { "STI at IOPL 0, user", USER64, CODE (STI), FAULTS (GP, 0, 0) },
  { "CLI at IOPL 2, user", USER64, CODE (CLI), FAULTS (GP, 0, 0), SET (FLAGS (FL_IF | 2 << 12)) },
  { "CLI at IOPL 3, user", USER64, CODE (CLI), ENDS, SET (FLAGS (FL_IF | FL_IOPL)), CHECK (FLAGS_ARE (FL_IOPL)) },
  { "STI at IOPL 3, user", USER64, CODE (STI, NOP), ENDS, SET (FLAGS (FL_IOPL)), CHECK (FLAGS_ARE (FL_IOPL | FL_IF)) },
  { "CLI at IOPL 0, ring 1", RING1_64, CODE (CLI), FAULTS (GP, 0, 0), SET (FLAGS (FL_IF)) },
  { "CLI at IOPL 1, ring 1", RING1_64, CODE (CLI), ENDS, SET (FLAGS (FL_IF | 1 << 12)), CHECK (FLAGS_ARE (1 << 12)) },
  { "CLI with PVI, user", USER64, CODE (CLI), ENDS, SET (FLAGS (FL_IF | FL_VIF), CR_BITS (4, 2, 2)), CHECK (FLAGS_ARE (FL_IF)) },
  { "STI with PVI, user", USER64, CODE (STI), ENDS, SET (CR_BITS (4, 2, 2)), CHECK (FLAGS_ARE (FL_VIF)) },
  { "STI with PVI and VIP, user", USER64, CODE (STI), FAULTS (GP, 0, 0), SET (FLAGS (FL_VIP), CR_BITS (4, 2, 2)) },
  { "CLI with PVI, ring 1", RING1_64, CODE (CLI), FAULTS (GP, 0, 0), SET (FLAGS (FL_IF | FL_VIF), CR_BITS (4, 2, 2)) },
  { "STI with PVI at IOPL 3, user", USER64, CODE (STI, NOP), ENDS, SET (FLAGS (FL_IOPL), CR_BITS (4, 2, 2)),
    CHECK (FLAGS_ARE (FL_IOPL | FL_IF)) },
  { "CLI with VME and no PVI, user", USER64, CODE (CLI), FAULTS (GP, 0, 0), SET (FLAGS (FL_IF), CR_BITS (4, 1, 1)) },

  /* --- POPF, PUSHF ------------------------------------------------------------------------------------------ */
  POPS ("all that can be set, kernel", KERNEL64, K_STACK, 0, 0xffffffffffffffff & ~(uint64_t) FL_TF,
    FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_IF | FL_DF | FL_OF | FL_IOPL | FL_NT | FL_AC | FL_ID),
  POPS ("all clear, kernel", KERNEL64, K_STACK, 0x247ed5 & ~FL_TF, 0, 0),
  POPS ("VIF and VIP stay set, kernel", KERNEL64, K_STACK, FL_VIF | FL_VIP, 0, FL_VIF | FL_VIP),
  POPS ("VIF and VIP stay clear, kernel", KERNEL64, K_STACK, 0, FL_VIF | FL_VIP, 0),
  POPS ("IF at IOPL 0, user", USER64, U_STACK, 0, FL_IF, 0),
  POPS ("IF clear at IOPL 0, user", USER64, U_STACK, FL_IF, 0, FL_IF),
  POPS ("IF at IOPL 3, user", USER64, U_STACK, FL_IOPL, FL_IF | FL_IOPL, FL_IF | FL_IOPL),
  POPS ("IOPL, user", USER64, U_STACK, 0, FL_IOPL, 0),
  POPS ("IOPL clear, user", USER64, U_STACK, FL_IOPL, 0, FL_IOPL),
  POPS ("AC, ID, DF, NT, user", USER64, U_STACK, 0, FL_AC | FL_ID | FL_DF | FL_NT, FL_AC | FL_ID | FL_DF | FL_NT),
  POPS ("RF and VM, user", USER64, U_STACK, 0, FL_RF | FL_VM, 0),
  POPS ("VIF and VIP at IOPL 0, user", USER64, U_STACK, FL_VIF, FL_VIP, FL_VIF),
  POPS ("IF at IOPL 1, ring 1", RING1_64, K_STACK, 1 << 12, FL_IF | FL_IOPL, FL_IF | 1 << 12),
  POPS16 ("keeps AC and ID, kernel", KERNEL64, K_STACK, FL_AC | FL_ID, FL_CF, FL_CF | FL_AC | FL_ID),
  POPS16 ("IOPL, kernel", KERNEL64, K_STACK, 0, FL_IOPL | FL_NT, FL_IOPL | FL_NT),
  POPS16 ("IF at IOPL 0, user", USER64, U_STACK, 0, FL_IF | FL_CF, FL_CF),
  { "POPF of 32 bits, user 32", USER32, CODE (POPF), ENDS, SET (MEM32 (U_STACK, FL_AC | FL_CF)),
    CHECK (FLAGS_ARE (FL_AC | FL_CF), PUSHED (RSP, U_STACK + 4)) },
  { "POPF with TF, user", USER64, CODE (POPF, NOP, NOP), .vector = EXC_DB, .at = 2, SET (MEM64 (U_STACK, FL_TF)),
    CHECK (DR_BITS (6, 1 << 14, 0xe00f), FLAGS_ARE (FL_TF)) },
  { "POPF with TF clear under single-step, user", USER64, CODE (POPF, NOP, NOP), .vector = EXC_DB, .at = 1,
    SET (FLAGS (FL_TF), MEM64 (U_STACK, 0)), CHECK (FLAGS_ARE (0)) },
  { "PUSHF, kernel", KERNEL64, CODE (PUSHF), ENDS, SET (FLAGS (FL_IF | FL_IOPL | FL_NT | FL_AC | FL_ID | FL_CF | FL_VIF | FL_VIP)),
    CHECK (MEM64 (K_STACK - 8, FL_IF | FL_IOPL | FL_NT | FL_AC | FL_ID | FL_CF | FL_VIF | FL_VIP | FL_1)) },
  { "PUSHF does not show RF, kernel", KERNEL64, CODE (PUSHF), ENDS, SET (FLAGS (FL_RF | FL_CF)),
    CHECK (MEM64 (K_STACK - 8, FL_CF | FL_1)) },
  { "PUSHF of 16 bits, user", USER64, CODE (0x66, PUSHF), ENDS, SET (FLAGS (FL_CF | FL_DF)),
    CHECK (MEM16 (U_STACK - 2, FL_CF | FL_DF | FL_1), PUSHED (RSP, U_STACK - 2)) },
  { "PUSHF, user", USER64, CODE (PUSHF), ENDS, SET (FLAGS (FL_CF | FL_DF)), CHECK (MEM64 (U_STACK - 8, FL_CF | FL_DF | FL_1)) },
  { "LAHF, SAHF, user", USER64, CODE (0x9f, 0x30, 0xed, 0x9e, 0x9f), ENDS, SET (GPR (RAX, 0)), CHECK (GPR (RAX, 0x200)) },

  /* --- ports ------------------------------------------------------------------------------------------------------- */
  { "IN, kernel", KERNEL64, CODE (IN_AL_DX), ALLOWED, SET (GPR (RDX, 0x1234)) },
  { "OUT, kernel", KERNEL64, CODE (OUT_DX_EAX), ALLOWED, SET (GPR (RDX, 0x1234), GPR (RAX, 0xaabbccdd)) },
  { "IN of 32 bits clears the upper half, kernel", KERNEL64, CODE (IN_EAX_DX), ALLOWED,
    SET (GPR (RDX, 0xabcd1234), GPR (RAX, ~(uint64_t) 0)) },
  { "IN of 16 bits keeps the rest, kernel", KERNEL64, CODE (IN_AX_DX), ALLOWED, SET (GPR (RDX, 0x1234), GPR (RAX, ~(uint64_t) 0)) },
  { "IN by an immediate, kernel", KERNEL64, CODE (IN_AL_I (0x61)), ALLOWED },
  IN_USER ("IN of an open port", 0x100, CODE (IN_AL_DX), ALLOWED),
  IN_USER ("IN of a closed port", 0xff, CODE (IN_AL_DX), REFUSED),
  IN_USER ("IN of 2 bytes, both open", 0x10c, CODE (IN_AX_DX), ALLOWED),
  IN_USER ("IN of 2 bytes, the second closed", 0x10d, CODE (IN_AX_DX), REFUSED),
  IN_USER ("IN of 2 bytes, the first closed", 0x10e, CODE (IN_AX_DX), REFUSED),
  IN_USER ("IN of 4 bytes, all open", 0x108, CODE (IN_EAX_DX), ALLOWED),
  IN_USER ("IN of 4 bytes, the last closed", 0x10b, CODE (IN_EAX_DX), REFUSED),
  IN_USER ("OUT to an open port", 0x10f, CODE (OUT_DX_AL), ALLOWED),
  IN_USER ("OUT of 2 bytes, the second closed", 0x10f, CODE (OUT_DX_AX), REFUSED),
  IN_USER ("IN by an immediate, closed", 0, CODE (IN_AL_I (0x61)), REFUSED),
  IN_USER ("IN of port 0xffff of 2 bytes", 0xffff, CODE (IN_AX_DX), REFUSED),
  { "IN of the last port, the bitmap ends there, user", USER64, CODE (IN_AL_DX), ALLOWED,
    SET (GPR (RDX, 0xffff), MEM8 (BITMAP + 0x1fff, 0x7f)) },
  { "IN of the last port, no byte behind the bitmap, user", USER64, CODE (IN_AL_DX), REFUSED,
    SET (GPR (RDX, 0xffff), MEM8 (BITMAP + 0x1fff, 0x7f), LIMIT (TR, 0x68 + 0x1fff)) },
  { "IN of a closed port at IOPL 3, user", USER64, CODE (IN_AL_DX), ALLOWED, SET (GPR (RDX, 0xff), FLAGS (FL_IOPL)) },
  { "IN of a closed port at IOPL 2, user", USER64, CODE (IN_AL_DX), REFUSED, SET (GPR (RDX, 0xff), FLAGS (2 << 12)) },
  { "IN without a bitmap, user", USER64, CODE (IN_AL_DX), REFUSED, SET (GPR (RDX, 0x100), LIMIT (TR, 0x67)) },
  { "IN with a bitmap that ends before, user", USER64, CODE (IN_AL_DX), REFUSED, SET (GPR (RDX, 0x100), LIMIT (TR, 0x68 + 0x20)) },
  { "IN with a bitmap that ends just behind, user", USER64, CODE (IN_AL_DX), ALLOWED, SET (GPR (RDX, 0x100), LIMIT (TR, 0x68 + 0x21)) },
  { "IN with the bitmap's base at the limit, user", USER64, CODE (IN_AL_DX), REFUSED,
    SET (GPR (RDX, 0x100), MEM16 (AT_TSS + 0x66, 0x3000)) },
  { "IN with the bitmap's base elsewhere, user", USER64, CODE (IN_AL_DX), ALLOWED, SET (GPR (RDX, 0x108), MEM16 (AT_TSS + 0x66, 0x67)) },
  { "IN, ring 1", RING1_64, CODE (IN_AL_DX), REFUSED, SET (GPR (RDX, 0x80)) },
  { "IN of an open port, user 32", USER32, CODE (IN_AL_DX), ALLOWED, SET (GPR (RDX, 0x100)) },
  { "IN of a closed port, user 32", USER32, CODE (IN_AL_DX), REFUSED, SET (GPR (RDX, 0xff)) },
  { "INSB of an open port, user", USER64, CODE (INSB), ALLOWED, SET (GPR (RDX, 0x100), GPR (RDI, U_D)) },
  { "INSB of a closed port, user", USER64, CODE (INSB), REFUSED, SET (GPR (RDX, 0xff), GPR (RDI, U_D)) },
  { "INSB of a closed port to a missing page, user", USER64, CODE (INSB), REFUSED, SET (GPR (RDX, 0xff), GPR (RDI, UNMAPPED)) },
  { "INSB of an open port to a missing page, user", USER64, CODE (INSB), PAGE_FAULTS (6, 0, UNMAPPED),
    SET (GPR (RDX, 0x100), GPR (RDI, UNMAPPED)), CHECK (PORTS (0)) },
  { "OUTSB to an open port, user", USER64, CODE (OUTSB), ALLOWED, SET (GPR (RDX, 0x100), GPR (RSI, U_D), MEM8 (U_D, 0x5a)) },
  { "OUTSB from a missing page, user", USER64, CODE (OUTSB), PAGE_FAULTS (4, 0, UNMAPPED), SET (GPR (RDX, 0x100), GPR (RSI, UNMAPPED)),
    CHECK (PORTS (0)) },
  { "REP OUTSB, kernel", KERNEL64, CODE (REP, OUTSB), ENDS, SET (GPR (RDX, 0x200), GPR (RSI, AT_KERNEL_DATA), GPR (RCX, 5)),
    CHECK (PORTS (5), GPR (RCX, 0), GPR (RSI, AT_KERNEL_DATA + 5)) },
  { "REP INSB backwards, kernel", KERNEL64, CODE (REP, INSB), ENDS,
    SET (GPR (RDX, 0x200), GPR (RDI, AT_KERNEL_DATA + 8), GPR (RCX, 3), FLAGS (FL_DF)),
    CHECK (PORTS (3), GPR (RCX, 0), GPR (RDI, AT_KERNEL_DATA + 5)) },
  { "REP INSB of nothing from a closed port, user", USER64, CODE (REP, INSB), REFUSED, SET (GPR (RDX, 0xff), GPR (RCX, 0)) },
  { "the bitmap on a missing page, user", USER64, CODE (IN_AL_DX), PAGE_FAULTS (0, 0, AT_TSS + SYS_PAGE),
    SET (GPR (RDX, 8 * (SYS_PAGE - 0x68)), MEM64 (PTE_OF (AT_TSS + SYS_PAGE), 0)) },
};

const Table cases_flags = { "flags", rows, sizeof rows / sizeof *rows };

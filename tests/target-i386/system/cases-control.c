/* cases-control.c -- control registers, descriptor-table registers, invalidation, XCR0, UMIP. */
/* SPDX-License-Identifier: MIT */
/* SDM 3A 2.5, 4.1, 4.10; 2A and 2B, MOV to and from control registers, LMSW, SMSW, LGDT, SGDT, INVLPG, INVPCID, XSETBV. */

#include "assemble.h"
#include "case.h"

#define K_D (AT_KERNEL_DATA + DATA_START)
#define U_D (AT_USER_DATA + DATA_START)
#define K_STACK (AT_KERNEL_STACK + STACK_START)

enum { PE = 1, MP = 2, EM = 4, TS = 8, ET = 16, NE = 32, WP = 1 << 16, AM = 1 << 18, NW = 1 << 29, CD = 1 << 30 };
#define PG ((uint64_t) 1 << 31)
#define CR0_START (PG | AM | WP | NE | ET | MP | PE)
enum {
  VME = 1, PVI = 2, TSD = 4, DE = 8, PSE = 16, PAE = 32, MCE = 64, PGE = 128, PCE = 256, OSFXSR = 512, OSXMM = 1024, UMIP = 1 << 11,
    LA57 = 1 << 12,
  VMXE = 1 << 13, SMXE = 1 << 14, FSGSBASE = 1 << 16, PCIDE = 1 << 17, OSXSAVE = 1 << 18, SMEP = 1 << 20, SMAP = 1 << 21, PKE = 1 << 22
};
enum { CR4_START = OSXMM | OSFXSR | PAE | DE };

/* MOV of RAX to a control register. */
#define CR0_TO(name, value, ...) { "MOV CR0, " name ", kernel", KERNEL64, CODE (MOV_CR_R (0, RAX)), __VA_ARGS__, SET (GPR (RAX, value)) }
#define CR3_TO(name, value, ...) { "MOV CR3, " name ", kernel", KERNEL64, CODE (MOV_CR_R (3, RAX)), __VA_ARGS__, SET (GPR (RAX, value)) }
#define CR4_TO(name, value, ...) { "MOV CR4, " name ", kernel", KERNEL64, CODE (MOV_CR_R (4, RAX)), __VA_ARGS__, SET (GPR (RAX, value)) }
#define CR8_TO(name, value, ...) { "MOV CR8, " name ", kernel", KERNEL64, CODE (MOV_CR8_R (RAX)), __VA_ARGS__, SET (GPR (RAX, value)) }
#define TAKES(n, value) ENDS, CHECK (CR (n, value))
#define REFUSES FAULTS (GP, 0, 0)

static const Row rows[] = {
  /* --- CR0 ------------------------------------------------------------------------------------------- */
  CR0_TO ("unchanged", CR0_START, TAKES (0, CR0_START)),
  CR0_TO ("ET clear", CR0_START & ~(uint64_t) ET, TAKES (0, CR0_START)),
  CR0_TO ("TS", CR0_START | TS, TAKES (0, CR0_START | TS)),
  CR0_TO ("reserved low bits", CR0_START | 0x1ffaffc0, TAKES (0, CR0_START)),
  CR0_TO ("PG clear", CR0_START & ~PG, REFUSES),
  CR0_TO ("PE clear", CR0_START & ~(uint64_t) PE, REFUSES),
  CR0_TO ("PE and PG clear", CR0_START & ~(PG | PE), REFUSES),
  CR0_TO ("NW without CD", CR0_START | NW, REFUSES),
  CR0_TO ("NW and CD", CR0_START | NW | CD, TAKES (0, CR0_START | NW | CD)),
  CR0_TO ("CD", CR0_START | CD, TAKES (0, CR0_START | CD)),
  CR0_TO ("bit 32", CR0_START | (uint64_t) 1 << 32, REFUSES),
  CR0_TO ("bit 63", CR0_START | (uint64_t) 1 << 63, REFUSES),
  CR0_TO ("WP clear", CR0_START & ~(uint64_t) WP, TAKES (0, CR0_START & ~(uint64_t) WP)),
  CR0_TO ("AM clear", CR0_START & ~(uint64_t) AM, TAKES (0, CR0_START & ~(uint64_t) AM)),
  { "MOV from CR0, kernel", KERNEL64, CODE (MOV_R_CR (RAX, 0)), ENDS, CHECK (GPR (RAX, CR0_START)) },
  { "MOV CR0 with mod 0 is of a register, kernel", KERNEL64, CODE (0x0f, 0x20, 0x00), ENDS, CHECK (GPR (RAX, CR0_START)) },
  { "MOV CR0 with 66 and REX.W, kernel", KERNEL64, CODE (0x66, 0x48, MOV_R_CR (RAX, 0)), ENDS, CHECK (GPR (RAX, CR0_START)) },
  { "MOV R9 from CR0, kernel", KERNEL64, CODE (0x41, 0x0f, 0x20, R_R (0, R9)), ENDS, CHECK (GPR (R9, CR0_START)) },
  { "MOV CR0, PG clear, kernel 32", KERNEL32, CODE (MOV_CR_R (0, RAX), HLT), .vector = HALTS, SET (GPR (RAX, CR0_START & ~PG)),
    CHECK (CR (0, CR0_START & ~PG), EFER (0x901)) },
  { "MOV CR0, PG clear with PCIDE, kernel 32", KERNEL32, CODE (MOV_CR_R (0, RAX)), REFUSES,
    SET (CR_BITS (4, PCIDE, PCIDE), GPR (RAX, CR0_START & ~PG)) },
  { "MOV CR0, WP clear with what it protects, kernel", KERNEL64, CODE (MOV_CR_R (0, RAX), MOV_MR (RCX, RDX)), ENDS,
    SET (GPR (RAX, CR0_START & ~(uint64_t) WP), GPR (RCX, PAGE (0)), MEM64 (PTE (0), AT_TARGETS | PG_P)),
    CHECK (MEM64 (AT_TARGETS, 0x02020202)) },
  { "MOV CR0, WP set with what it protects, kernel", KERNEL64, CODE (MOV_MR (RCX, RDX), MOV_CR_R (0, RAX), MOV_MR (RCX, RDX)),
    PAGE_FAULTS (3, 6, PAGE (0)),
    SET (CR_BITS (0, 0, WP), GPR (RAX, CR0_START), GPR (RCX, PAGE (0)), MEM64 (PTE (0), AT_TARGETS | PG_P)) },

  /* --- LMSW, SMSW, CLTS -------------------------------------------------------------------------------- */
  { "LMSW, TS and EM, kernel", KERNEL64, CODE (LMSW_R (RAX)), ENDS, SET (GPR (RAX, TS | EM | PE)),
    CHECK (CR (0, (CR0_START & ~(uint64_t) MP) | TS | EM)) },
  { "LMSW does not clear PE, kernel", KERNEL64, CODE (LMSW_R (RAX)), ENDS, SET (GPR (RAX, 0)), CHECK (CR (0, CR0_START & ~(uint64_t) MP)) },
  { "LMSW knows four bits, kernel", KERNEL64, CODE (LMSW_R (RAX)), ENDS, SET (GPR (RAX, 0xffff)), CHECK (CR (0, CR0_START | TS | EM)) },
  { "LMSW of memory, kernel", KERNEL64, CODE (0x0f, 0x01, R_M (6, RBX)), ENDS, SET (MEM16 (K_D, TS | MP | PE)),
    CHECK (CR (0, CR0_START | TS)) },
  { "SMSW, 64 bits, kernel", KERNEL64, CODE (0x48, SMSW_R (RAX)), ENDS, SET (GPR (RAX, ~(uint64_t) 0)), CHECK (GPR (RAX, CR0_START)) },
  { "SMSW, 32 bits, user", USER64, CODE (SMSW_R (RAX)), ENDS, SET (GPR (RAX, ~(uint64_t) 0)), CHECK (GPR (RAX, CR0_START)) },
  { "SMSW, 16 bits, user", USER64, CODE (0x66, SMSW_R (RAX)), ENDS, SET (GPR (RAX, ~(uint64_t) 0)),
    CHECK (GPR (RAX, 0xffffffffffff0000 | (CR0_START & 0xffff))) },
  { "SMSW to memory, user", USER64, CODE (0x48, 0x0f, 0x01, R_M (4, RBX)), ENDS, SET (MEM64 (U_D, ~(uint64_t) 0)),
    CHECK (MEM64 (U_D, 0xffffffffffff0000 | (CR0_START & 0xffff))) },
  { "CLTS, kernel", KERNEL64, CODE (CLTS), ENDS, SET (CR_BITS (0, TS, TS)), CHECK (CR (0, CR0_START)) },

  /* --- CR2, CR3 ------------------------------------------------------------------------------------------- */
  { "MOV CR2, not canonical, kernel", KERNEL64, CODE (MOV_CR_R (2, RAX), MOV_R_CR (RCX, 2)), ENDS, SET (GPR (RAX, NON_CANONICAL)),
    CHECK (GPR (RCX, NON_CANONICAL)) },
  CR3_TO ("unchanged", AT_PML4, TAKES (3, AT_PML4)),
  CR3_TO ("PWT and PCD", AT_PML4 | 0x18, TAKES (3, AT_PML4 | 0x18)),
  CR3_TO ("bit 63 without PCIDE", AT_PML4 | (uint64_t) 1 << 63, REFUSES),
  CR3_TO ("bit 51, beyond the physical addresses", AT_PML4 | (uint64_t) 1 << 51, REFUSES),
  CR3_TO ("bit 62", AT_PML4 | (uint64_t) 1 << 62, REFUSES),
  { "MOV CR3, another table, kernel", KERNEL64, CODE (MOV_CR_R (3, RAX), MOV_RM (RCX, RDX)), PAGE_FAULTS (0, 3, PAGE (0)),
    SET (GPR (RAX, AT_SPARE_TABLES), MEM64 (AT_SPARE_TABLES, AT_PDPT | 7), MEM64 (AT_SPARE_TABLES + 8 * 511, AT_PDPT_HIGH | 7),
    GPR (RDX, PAGE (0))) },
  { "MOV CR3, nothing mapped there, kernel", KERNEL64, CODE (MOV_CR_R (3, RAX)), .vector = SHUTS_DOWN,
    SET (GPR (RAX, AT_TARGETS + 0x10000)) },
  { "MOV CR3 with PCIDE and bit 63, kernel", KERNEL64, CODE (MOV_CR_R (3, RAX), MOV_R_CR (RCX, 3)), ENDS,
    SET (CR_BITS (4, PCIDE, PCIDE), GPR (RAX, AT_PML4 | 5 | (uint64_t) 1 << 63)), CHECK (GPR (RCX, AT_PML4 | 5)) },
  { "MOV CR3 with PCIDE and bit 62, kernel", KERNEL64, CODE (MOV_CR_R (3, RAX)), REFUSES,
    SET (CR_BITS (4, PCIDE, PCIDE), GPR (RAX, AT_PML4 | (uint64_t) 1 << 62)) },

  /* --- CR4 ---------------------------------------------------------------------------------------------------- */
  CR4_TO ("unchanged", CR4_START, TAKES (4, CR4_START)),
  CR4_TO ("PAE clear", CR4_START & ~PAE, REFUSES),
  CR4_TO ("PGE, MCE, TSD, PCE", CR4_START | PGE | MCE | TSD | PCE, TAKES (4, CR4_START | PGE | MCE | TSD | PCE)),
  CR4_TO ("VME, PVI, PSE", CR4_START | VME | PVI | PSE, TAKES (4, CR4_START | VME | PVI | PSE)),
  CR4_TO ("FSGSBASE", CR4_START | FSGSBASE, TAKES (4, CR4_START | FSGSBASE)),
  CR4_TO ("UMIP", CR4_START | UMIP, TAKES (4, CR4_START | UMIP)),
  CR4_TO ("SMEP", CR4_START | SMEP, TAKES (4, CR4_START | SMEP)),
  CR4_TO ("SMAP", CR4_START | SMAP, TAKES (4, CR4_START | SMAP)),
  CR4_TO ("PCIDE", CR4_START | PCIDE, TAKES (4, CR4_START | PCIDE)),
  CR4_TO ("OSXSAVE", CR4_START | OSXSAVE, TAKES (4, CR4_START | OSXSAVE)),
  CR4_TO ("LA57", CR4_START | LA57, REFUSES),
  CR4_TO ("VMXE", CR4_START | VMXE, REFUSES),
  CR4_TO ("SMXE", CR4_START | SMXE, REFUSES),
  CR4_TO ("PKE", CR4_START | PKE, TAKES (4, CR4_START | PKE)),
  CR4_TO ("PKS", CR4_START | 1 << 24, TAKES (4, CR4_START | 1 << 24)),
  CR4_TO ("bit 23", CR4_START | 1 << 23, REFUSES),
  CR4_TO ("bit 15", CR4_START | 1 << 15, REFUSES),
  CR4_TO ("bit 31", CR4_START | (uint64_t) 1 << 31, REFUSES),
  CR4_TO ("bit 63", CR4_START | (uint64_t) 1 << 63, REFUSES),
  { "MOV CR4, PCIDE with a PCID in CR3, kernel", KERNEL64, CODE (MOV_CR_R (4, RAX)), REFUSES,
    SET (GPR (RAX, CR4_START | PCIDE), CR (3, AT_PML4 | 8)) },
  { "MOV CR4, DE clear, kernel", KERNEL64, CODE (MOV_CR_R (4, RAX), MOV_R_CR (RCX, 4)), ENDS, SET (GPR (RAX, CR4_START & ~DE)),
    CHECK (GPR (RCX, CR4_START & ~DE)) },

  /* --- CR8 -------------------------------------------------------------------------------------------------------- */
  CR8_TO ("5", 5, TAKES (8, 5)),
  CR8_TO ("15", 15, TAKES (8, 15)),
  CR8_TO ("16", 16, REFUSES),
  CR8_TO ("bit 63", (uint64_t) 1 << 63, REFUSES),
  { "MOV from CR8, kernel", KERNEL64, CODE (MOV_R_CR8 (RCX)), ENDS, SET (CR (8, 9)), CHECK (GPR (RCX, 9)) },

  /* --- GDTR, IDTR ---------------------------------------------------------------------------------------------------- */
  { "SGDT, kernel", KERNEL64, CODE (SGDT_M (RBX)), ENDS, SET (GDT_BASE (HIGH + AT_GDT), MEM64 (K_D + 8, ~(uint64_t) 0)),
    CHECK (MEM64 (K_D, (HIGH + AT_GDT) << 16 | GDT_LIMIT), MEM64 (K_D + 8, 0xffffffffffff0000 | HIGH >> 48)) },
  { "SIDT, user", USER64, CODE (SIDT_M (RBX)), ENDS, CHECK (MEM64 (U_D, (uint64_t) AT_IDT << 16 | 0xfff)) },
  { "SGDT with 66 is of 10 bytes, kernel", KERNEL64, CODE (0x66, SGDT_M (RBX)), ENDS, SET (GDT_BASE (HIGH + AT_GDT)),
    CHECK (MEM16 (K_D + 8, HIGH >> 48)) },
  { "LGDT, kernel", KERNEL64, CODE (LGDT_M (RBX)), ENDS, SET (MEM16 (K_D, 0x1234), MEM64 (K_D + 2, HIGH + AT_GDT)),
    CHECK (GDT_BASE (HIGH + AT_GDT), GDT_LIMIT_IS (0x1234)) },
  { "LGDT with 66 is of 10 bytes, kernel", KERNEL64, CODE (0x66, LGDT_M (RBX)), ENDS,
    SET (MEM16 (K_D, 0x1234), MEM64 (K_D + 2, HIGH + AT_GDT)), CHECK (GDT_BASE (HIGH + AT_GDT)) },
  { "LGDT, not canonical, kernel", KERNEL64, CODE (LGDT_M (RBX)), REFUSES, SET (MEM16 (K_D, 0x1234), MEM64 (K_D + 2, NON_CANONICAL)),
    CHECK (GDT_BASE (AT_GDT)) },
  { "LIDT, not canonical, kernel", KERNEL64, CODE (LIDT_M (RBX)), REFUSES, SET (MEM16 (K_D, 0xfff), MEM64 (K_D + 2, NON_CANONICAL)),
    CHECK (IDT_BASE (AT_IDT)) },
  { "LIDT, kernel", KERNEL64, CODE (LIDT_M (RBX)), ENDS, SET (MEM16 (K_D, 0xffff), MEM64 (K_D + 2, HIGH + AT_IDT)),
    CHECK (IDT_BASE (HIGH + AT_IDT), IDT_LIMIT (0xffff)) },
  { "LIDT, then no IDT, kernel", KERNEL64, CODE (LIDT_M (RBX)), .vector = SHUTS_DOWN, SET (MEM16 (K_D, 0), MEM64 (K_D + 2, AT_IDT)) },
  { "LGDT of a register is #UD or something else, kernel", KERNEL64, CODE (0x0f, 0x01, 0xd4), FAULTS (UD, NO_ERROR, 0) },
  { "LGDT across a missing page, kernel", KERNEL64, CODE (LGDT_M (RSI)), PAGE_FAULTS (0, 0, PAGE (1)),
    SET (GPR (RSI, PAGE (1) - 4), MEM64 (PTE (0), AT_TARGETS | PG_P)) },
  { "LGDT, kernel 32", KERNEL32, CODE (LGDT_M (RBX)), ENDS, SET (MEM16 (K_D, GDT_LIMIT), MEM64 (K_D + 2,
    (HIGH & ~(uint64_t) 0xffffffff) | AT_GDT)), CHECK (GDT_BASE (AT_GDT)) },
  { "SGDT, kernel 32", KERNEL32, CODE (SGDT_M (RBX)), ENDS, SET (MEM64 (K_D, ~(uint64_t) 0)),
    CHECK (MEM64 (K_D, 0xffff000000000000 | (uint64_t) AT_GDT << 16 | GDT_LIMIT)) },

  /* --- UMIP (SDM 3A 2.5) ------------------------------------------------------------------------------------------------ */
  { "UMIP: SGDT, user", USER64, CODE (SGDT_M (RBX)), REFUSES, SET (CR_BITS (4, UMIP, UMIP)) },
  { "UMIP: SIDT, user", USER64, CODE (SIDT_M (RBX)), REFUSES, SET (CR_BITS (4, UMIP, UMIP)) },
  { "UMIP: SLDT, user", USER64, CODE (SLDT_R (RAX)), REFUSES, SET (CR_BITS (4, UMIP, UMIP)) },
  { "UMIP: STR, user", USER64, CODE (STR_R (RAX)), REFUSES, SET (CR_BITS (4, UMIP, UMIP)) },
  { "UMIP: SMSW, user", USER64, CODE (SMSW_R (RAX)), REFUSES, SET (CR_BITS (4, UMIP, UMIP)) },
  { "UMIP: SGDT to a missing page, user", USER64, CODE (SGDT_M (RCX)), REFUSES, SET (CR_BITS (4, UMIP, UMIP), GPR (RCX, UNMAPPED)) },
  { "UMIP: SGDT, ring 1", RING1_64, CODE (SGDT_M (RBX)), REFUSES, SET (CR_BITS (4, UMIP, UMIP)) },
  { "UMIP: SMSW, kernel", KERNEL64, CODE (SMSW_R (RAX)), ENDS, SET (CR_BITS (4, UMIP, UMIP)) },
  { "UMIP: SIDT, user 32", USER32, CODE (SIDT_M (RBX)), REFUSES, SET (CR_BITS (4, UMIP, UMIP)) },

  /* --- INVLPG, INVPCID, caches ------------------------------------------------------------------------------------------- */
  { "INVLPG, kernel", KERNEL64, CODE (INVLPG_M (RBX)), ENDS },
  { "INVLPG, not canonical, kernel", KERNEL64, CODE (INVLPG_M (RCX)), ENDS, SET (GPR (RCX, NON_CANONICAL)) },
  { "INVLPG, not mapped, kernel", KERNEL64, CODE (INVLPG_M (RCX)), ENDS, SET (GPR (RCX, UNMAPPED)) },
  { "INVPCID, type 4, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RBX)), REFUSES, SET (GPR (RAX, 4)) },
  { "INVPCID, type in upper bits, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RBX)), REFUSES, SET (GPR (RAX, (uint64_t) 1 << 32)) },
  { "INVPCID, type 0, PCID 0, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RBX)), ENDS, SET (GPR (RAX, 0)) },
  { "INVPCID, type 0, not canonical, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RBX)), REFUSES,
    SET (GPR (RAX, 0), MEM64 (K_D + 8, NON_CANONICAL)) },
  { "INVPCID, type 0, PCID 1 without PCIDE, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RBX)), REFUSES, SET (GPR (RAX, 0), MEM64 (K_D, 1)) },
  { "INVPCID, type 1, PCID 1 without PCIDE, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RBX)), REFUSES, SET (GPR (RAX, 1), MEM64 (K_D, 1)) },
  { "INVPCID, type 1, PCID 1 with PCIDE, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RBX)), ENDS,
    SET (GPR (RAX, 1), MEM64 (K_D, 1), CR_BITS (4, PCIDE, PCIDE)) },
  { "INVPCID, type 1, not canonical does not matter, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RBX)), ENDS,
    SET (GPR (RAX, 1), MEM64 (K_D + 8, NON_CANONICAL)) },
  { "INVPCID, type 0, PCID of 13 bits, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RBX)), REFUSES,
    SET (GPR (RAX, 0), MEM64 (K_D, 0x1000), CR_BITS (4, PCIDE, PCIDE)) },
  { "INVPCID, type 2, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RBX)), ENDS, SET (GPR (RAX, 2)) },
  { "INVPCID, type 3, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RBX)), ENDS, SET (GPR (RAX, 3)) },
  { "INVPCID of a missing page, kernel", KERNEL64, CODE (INVPCID_RM (RAX, RCX)), PAGE_FAULTS (0, 0, UNMAPPED),
    SET (GPR (RAX, 2), GPR (RCX, UNMAPPED)) },
  { "INVPCID of a register, kernel", KERNEL64, CODE (0x66, 0x0f, 0x38, 0x82, 0xc0), FAULTS (UD, NO_ERROR, 0) },
  { "WBINVD, kernel", KERNEL64, CODE (WBINVD), ENDS },
  { "MWAIT without the feature, kernel", KERNEL64, CODE (MWAIT), FAULTS (UD, NO_ERROR, 0) },

  /* --- XCR0 --------------------------------------------------------------------------------------------------------------- */
  { "XSETBV, x87 and SSE, kernel", KERNEL64, CODE (XSETBV, XGETBV), ENDS,
    SET (CR_BITS (4, OSXSAVE, OSXSAVE), GPR (RCX, 0), GPR (RDX, 0), GPR (RAX, 3)), CHECK (GPR (RAX, 3), GPR (RDX, 0)) },
  { "XSETBV without x87, kernel", KERNEL64, CODE (XSETBV), REFUSES,
    SET (CR_BITS (4, OSXSAVE, OSXSAVE), GPR (RCX, 0), GPR (RDX, 0), GPR (RAX, 2)) },
  { "XSETBV, AVX without SSE, kernel", KERNEL64, CODE (XSETBV), REFUSES,
    SET (CR_BITS (4, OSXSAVE, OSXSAVE), GPR (RCX, 0), GPR (RDX, 0), GPR (RAX, 5)) },
  { "XSETBV, a bit that is not there, kernel", KERNEL64, CODE (XSETBV), REFUSES,
    SET (CR_BITS (4, OSXSAVE, OSXSAVE), GPR (RCX, 0), GPR (RDX, 0x40000000), GPR (RAX, 3)) },
  { "XSETBV, register 1, kernel", KERNEL64, CODE (XSETBV), REFUSES,
    SET (CR_BITS (4, OSXSAVE, OSXSAVE), GPR (RCX, 1), GPR (RDX, 0), GPR (RAX, 3)) },
  { "XSETBV, user", USER64, CODE (XSETBV), REFUSES, SET (CR_BITS (4, OSXSAVE, OSXSAVE), GPR (RCX, 0), GPR (RDX, 0), GPR (RAX, 3)) },
  { "XGETBV, register 7, user", USER64, CODE (XGETBV), REFUSES, SET (CR_BITS (4, OSXSAVE, OSXSAVE), GPR (RCX, 7)) },
  { "XGETBV, user", USER64, CODE (XGETBV), ENDS, SET (CR_BITS (4, OSXSAVE, OSXSAVE), GPR (RCX, 0)), CHECK (GPR (RAX, 1), GPR (RDX, 0)) },
};

const Table cases_control = { "control", rows, sizeof rows / sizeof *rows };

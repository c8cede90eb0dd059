/* cases-msr.c -- model-specific registers: what they take, what they refuse, what they do. */
/* SPDX-License-Identifier: MIT */
/* SDM 4 chapter 2; 2B, RDMSR, WRMSR. */

#include "assemble.h"
#include "case.h"

#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_SFMASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX 0xc0000103u
enum { MSR_TSC = 0x10, MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175, MSR_SYSENTER_EIP = 0x176, MSR_PAT = 0x277, MSR_MTRR_DEF = 0x2ff,
       MSR_MTRR_CAP = 0xfe, MSR_MTRR_BASE0 = 0x200, MSR_MTRR_MASK0 = 0x201, MSR_MTRR_FIX64K = 0x250, MSR_MISC_ENABLE = 0x1a0 };
enum { SCE = 1, LME = 0x100, LMA = 0x400, NXE = 0x800 };

/* Written, then read back; upper halves of RAX, RCX and RDX do not count. */
#define WRITES(name, number, value, ...) \
  { "WRMSR, " name ", kernel", KERNEL64, CODE (WRMSR, XOR_R (RAX), XOR_R (RDX), RDMSR), __VA_ARGS__, \
  SET (GPR (RCX, (uint64_t) 0xabcdef01 << 32 | (number)), GPR (RAX, 0x7777777700000000 | ((value) & 0xffffffff)), \
       GPR (RDX, 0x5555555500000000 | (uint64_t) (value) >> 32)) }
#define TAKES(value) ENDS, CHECK (GPR (RAX, (value) & 0xffffffff), GPR (RDX, (uint64_t) (value) >> 32))
#define REFUSES FAULTS (GP, 0, 0)
#define READS(name, number, ...) { "RDMSR, " name ", kernel", KERNEL64, CODE (RDMSR), __VA_ARGS__, SET (GPR (RCX, number)) }

static const Row rows[] = {
  READS ("0x12345678, which is not there", 0x12345678, REFUSES),
  READS ("0xc0001fff, which is not there", 0xc0001fff, REFUSES),
  WRITES ("0x12345678, which is not there", 0x12345678, 0, REFUSES),
  WRITES ("MTRR capabilities, which are read-only", MSR_MTRR_CAP, 0, REFUSES),

  /* --- EFER ------------------------------------------------------------------------------------------ */
  READS ("EFER", MSR_EFER, ENDS, CHECK (GPR (RAX, NXE | LMA | LME | SCE), GPR (RDX, 0))),
  WRITES ("EFER, unchanged", MSR_EFER, NXE | LMA | LME | SCE, TAKES (NXE | LMA | LME | SCE)),
  WRITES ("EFER, SCE clear", MSR_EFER, NXE | LMA | LME, TAKES (NXE | LMA | LME)),
  WRITES ("EFER, NXE clear", MSR_EFER, LMA | LME | SCE, TAKES (LMA | LME | SCE)),
  WRITES ("EFER, LMA clear, which nobody writes", MSR_EFER, NXE | LME | SCE, TAKES (NXE | LMA | LME | SCE)),
  WRITES ("EFER, LME clear while paging", MSR_EFER, NXE | LMA | SCE, REFUSES),
  WRITES ("EFER, bit 1", MSR_EFER, NXE | LMA | LME | SCE | 2, REFUSES),
  WRITES ("EFER, bit 9", MSR_EFER, NXE | LMA | LME | SCE | 0x200, REFUSES),
  WRITES ("EFER, bit 12", MSR_EFER, NXE | LMA | LME | SCE | 0x1000, REFUSES),
  WRITES ("EFER, bit 32", MSR_EFER, NXE | LMA | LME | SCE | (uint64_t) 1 << 32, REFUSES),
  { "WRMSR, EFER without NXE makes NX a reserved bit, kernel", KERNEL64, CODE (0x8b, R_M (RDI, RSI), WRMSR, 0x8b, R_M (RDI, RSI)),
    PAGE_FAULTS (9, 4, PAGE (0)),
    SET (GPR (RCX, MSR_EFER), GPR (RAX, LMA | LME), GPR (RDX, 0), GPR (RSI, PAGE (0)), MEM64 (PTE (0), AT_TARGETS | PG_P | PG_NX)) },
  { "WRMSR, EFER without SCE, then SYSCALL, kernel", KERNEL64, CODE (WRMSR, SYSCALL), FAULTS (UD, NO_ERROR, 2),
    SET (GPR (RCX, MSR_EFER), GPR (RAX, NXE | LMA | LME), GPR (RDX, 0)) },

  /* --- system calls -------------------------------------------------------------------------------------- */
  WRITES ("STAR", MSR_STAR, 0x123456789abcdef0, TAKES (0x123456789abcdef0)),
  WRITES ("LSTAR", MSR_LSTAR, HIGH + 0x1234, TAKES (HIGH + 0x1234)),
  WRITES ("LSTAR, not canonical", MSR_LSTAR, NON_CANONICAL, REFUSES),
  WRITES ("CSTAR", MSR_CSTAR, HIGH, TAKES (HIGH)),
  WRITES ("CSTAR, not canonical", MSR_CSTAR, NON_CANONICAL, REFUSES),
  WRITES ("FMASK", MSR_SFMASK, 0xfedcba98, TAKES (0xfedcba98)),
  WRITES ("SYSENTER_CS", MSR_SYSENTER_CS, 0x12345678, TAKES (0x12345678)),
  WRITES ("SYSENTER_ESP", MSR_SYSENTER_ESP, HIGH, TAKES (HIGH)),
  WRITES ("SYSENTER_ESP, not canonical", MSR_SYSENTER_ESP, NON_CANONICAL, REFUSES),
  WRITES ("SYSENTER_EIP", MSR_SYSENTER_EIP, 0x7fffffffffff, TAKES (0x7fffffffffff)),
  WRITES ("SYSENTER_EIP, not canonical", MSR_SYSENTER_EIP, (uint64_t) 1 << 63, REFUSES),

  /* --- bases ------------------------------------------------------------------------------------------------ */
  WRITES ("FS base", MSR_FS_BASE, HIGH + 5, ENDS, CHECK (BASE (FS, HIGH + 5), GPR (RAX, (HIGH + 5) & 0xffffffff), SEG (FS, U_DATA))),
  WRITES ("FS base, not canonical", MSR_FS_BASE, NON_CANONICAL, REFUSES),
  WRITES ("GS base", MSR_GS_BASE, 0x123456789, ENDS, CHECK (BASE (GS, 0x123456789))),
  WRITES ("GS base, not canonical", MSR_GS_BASE, 0xffff7fffffffffff, REFUSES),
  WRITES ("kernel GS base", MSR_KERNEL_GS_BASE, HIGH, ENDS, CHECK (KERNEL_GS (HIGH), BASE (GS, 0))),
  WRITES ("kernel GS base, not canonical", MSR_KERNEL_GS_BASE, NON_CANONICAL, REFUSES),
  WRITES ("TSC_AUX", MSR_TSC_AUX, 0x12345678, TAKES (0x12345678)),
  WRITES ("TSC_AUX, bit 32", MSR_TSC_AUX, (uint64_t) 1 << 32, REFUSES),
  { "WRMSR, TSC_AUX, then RDTSCP, kernel", KERNEL64, CODE (WRMSR, RDTSCP, XOR_R (RAX), XOR_R (RDX)), ENDS,
    SET (GPR (RCX, MSR_TSC_AUX), GPR (RAX, 0x4321), GPR (RDX, 0)),
    CHECK (GPR (RCX, 0x4321)) },
  { "WRMSR, GS base, then a load by it, kernel", KERNEL64, CODE (WRMSR, 0x65, 0x8b, 0x34, 0x25, D32 (DATA_START)), ENDS,
    SET (GPR (RCX, MSR_GS_BASE), GPR (RAX, AT_KERNEL_DATA), GPR (RDX, 0), MEM32 (AT_KERNEL_DATA + DATA_START, 0xabcd1234)),
    CHECK (GPR (RSI, 0xabcd1234)) },

  /* --- memory types ---------------------------------------------------------------------------------------------- */
  WRITES ("PAT", MSR_PAT, 0x0007010600070106, TAKES (0x0007010600070106)),
  WRITES ("PAT, type 2", MSR_PAT, 0x0007040600070402, REFUSES),
  WRITES ("PAT, type 3", MSR_PAT, 0x0307040600070406, REFUSES),
  WRITES ("PAT, type 8", MSR_PAT, 0x0007040800070406, REFUSES),
  WRITES ("PAT, upper bits", MSR_PAT, 0x0007040600071406, REFUSES),
  WRITES ("MTRR default", MSR_MTRR_DEF, 0xc06, TAKES (0xc06)),
  WRITES ("MTRR default, type 2", MSR_MTRR_DEF, 0xc02, REFUSES),
  WRITES ("MTRR default, type 7", MSR_MTRR_DEF, 0xc07, REFUSES),
  WRITES ("MTRR default, bit 9", MSR_MTRR_DEF, 0x206, REFUSES),
  WRITES ("MTRR base 0", MSR_MTRR_BASE0, 0x80000006, TAKES (0x80000006)),
  WRITES ("MTRR base 0, bit 8", MSR_MTRR_BASE0, 0x80000106, REFUSES),
  WRITES ("MTRR mask 0", MSR_MTRR_MASK0, 0xc0000800, TAKES (0xc0000800)),
  WRITES ("MTRR mask 0, bit 0", MSR_MTRR_MASK0, 0xc0000801, REFUSES),
  WRITES ("MTRR fixed", MSR_MTRR_FIX64K, 0x0606060606060606, TAKES (0x0606060606060606)),
  WRITES ("MTRR fixed, type 7", MSR_MTRR_FIX64K, 0x0606060607060606, REFUSES),

  /* --- exchange of flags ---------------------------------------------------------------------------------------------- */
  { "RDMSR leaves RFLAGS, kernel", KERNEL64, CODE (RDMSR), ENDS, SET (GPR (RCX, MSR_EFER), FLAGS (FL_CF | FL_ZF | FL_DF)),
    CHECK (PUSHED_BITS (RFLAGS, FL_CF | FL_ZF | FL_DF | FL_1, ~(uint64_t) FL_RF)) },
};

const Table cases_msr = { "msr", rows, sizeof rows / sizeof *rows };

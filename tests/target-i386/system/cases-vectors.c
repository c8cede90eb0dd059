/* cases-vectors.c -- when AVX instructions and XSAVE may be used at all. */
/* SPDX-License-Identifier: MIT */
/* SDM 1, 13.3 to 13.8; 2A 2.3, 2.4. */

#include "assemble.h"
#include "case.h"

enum { TS = 8, EM = 4, OSXSAVE = 1 << 18 };
#define U_D (AT_USER_DATA + DATA_START)
#define K_D (AT_KERNEL_DATA + DATA_START)
#define VADDPS 0xc5, 0xf4, 0x58, 0xc2                   /* ymm0, ymm1, ymm2 */
#define VMOVUPS_M 0xc5, 0xfc, 0x10, 0x03                /* ymm0, (rbx) */
#define VMOVAPS_M 0xc5, 0xfc, 0x28, 0x03
#define ANDN 0xc4, 0xe2, 0x70, 0xf2, 0xc2               /* eax, ecx, edx */
#define XSAVE_M 0x0f, 0xae, R_M (4, RBX)
#define XRSTOR_M 0x0f, 0xae, R_M (5, RBX)
#define WITH_XSAVE CR_BITS (4, OSXSAVE, OSXSAVE)
/* XCR0 of the case, by the kernel itself. */
#define ENABLE(xcr0) XOR_R (RCX), XOR_R (RDX), MOV_RI (RAX, xcr0), XSETBV       /* 12 bytes */

static const Row rows[] = {
  { "AVX without OSXSAVE, kernel", KERNEL64, CODE (VADDPS), FAULTS (UD, NO_ERROR, 0) },
  { "AVX without OSXSAVE, user", USER64, CODE (VADDPS), FAULTS (UD, NO_ERROR, 0) },
  { "AVX with XCR0 1, kernel", KERNEL64, CODE (VADDPS), FAULTS (UD, NO_ERROR, 0), SET (WITH_XSAVE) },
  { "AVX with XCR0 3, kernel", KERNEL64, CODE (ENABLE (3), VADDPS), FAULTS (UD, NO_ERROR, 12), SET (WITH_XSAVE) },
  { "AVX with XCR0 7, kernel", KERNEL64, CODE (ENABLE (7), VADDPS), ENDS, SET (WITH_XSAVE) },
  { "AVX with XCR0 7 and CR0.TS, kernel", KERNEL64, CODE (ENABLE (7), VADDPS), FAULTS (NM, NO_ERROR, 12),
    SET (WITH_XSAVE, CR_BITS (0, TS, TS)) },
  { "AVX with XCR0 7 and CR0.EM, kernel", KERNEL64, CODE (ENABLE (7), VADDPS), ENDS, SET (WITH_XSAVE, CR_BITS (0, EM, EM)) },
  { "AVX with XCR0 7 without OSFXSR, kernel", KERNEL64, CODE (ENABLE (7), VADDPS), ENDS, SET (WITH_XSAVE, CR_BITS (4, 0, 0x200)) },
  { "AVX with CR4.OSXSAVE taken away, kernel", KERNEL64, CODE (ENABLE (7), VADDPS, MOV_R_CR (RAX, 4), 0x25, D32 (~OSXSAVE), MOV_CR_R (4,
    RAX), VADDPS),
    FAULTS (UD, NO_ERROR, 27), SET (WITH_XSAVE) },
  { "AVX, misaligned VMOVUPS, kernel", KERNEL64, CODE (ENABLE (7), VMOVUPS_M), ENDS, SET (WITH_XSAVE, GPR (RBX, K_D + 1)) },
  { "AVX, misaligned VMOVAPS, kernel", KERNEL64, CODE (ENABLE (7), VMOVAPS_M), FAULTS (GP, 0, 12), SET (WITH_XSAVE, GPR (RBX, K_D + 16)) },
  { "AVX, VMOVUPS across pages, the second is missing, kernel", KERNEL64, CODE (ENABLE (7), VMOVUPS_M), PAGE_FAULTS (0, 12, PAGE (1)),
    SET (WITH_XSAVE, GPR (RBX, PAGE (1) - 16), MEM64 (PTE (0), AT_TARGETS | PG_P)) },
  { "AVX, VMOVUPS, not canonical, kernel", KERNEL64, CODE (ENABLE (7), VMOVUPS_M), FAULTS (GP, 0, 12),
    SET (WITH_XSAVE, GPR (RBX, NON_CANONICAL)) },
  { "LOCK before VEX, user", USER64, CODE (LOCK, ANDN), FAULTS (UD, NO_ERROR, 0) },
  { "66 before VEX, user", USER64, CODE (0x66, ANDN), FAULTS (UD, NO_ERROR, 0) },
  { "F3 before VEX, user", USER64, CODE (0xf3, ANDN), FAULTS (UD, NO_ERROR, 0) },
  { "REX before VEX, user", USER64, CODE (0x48, ANDN), FAULTS (UD, NO_ERROR, 0) },
  { "VEX with vvvv that is not 1111, kernel", KERNEL64, CODE (ENABLE (7), 0xc5, 0xf4, 0x10, 0x03), FAULTS (UD, NO_ERROR, 12),
    SET (WITH_XSAVE) },
  { "ANDN needs no XCR0, user", USER64, CODE (ANDN), ENDS, SET (GPR (RCX, 0xff), GPR (RDX, 0x1234)), CHECK (GPR (RAX, 0x1200)),
    .undefined = FL_AF | FL_PF },
  { "XSAVE without OSXSAVE, kernel", KERNEL64, CODE (XSAVE_M), FAULTS (UD, NO_ERROR, 0) },
  { "XSAVE misaligned, kernel", KERNEL64, CODE (XSAVE_M), FAULTS (GP, 0, 0), SET (WITH_XSAVE, GPR (RBX, K_D + 32)) },
  { "XSAVE with CR0.TS, kernel", KERNEL64, CODE (XSAVE_M), FAULTS (NM, NO_ERROR, 0), SET (WITH_XSAVE, CR_BITS (0, TS, TS)) },
  { "XSAVE of a register, kernel", KERNEL64, CODE (0x0f, 0xae, 0xe0), FAULTS (UD, NO_ERROR, 0), SET (WITH_XSAVE) },
  { "XSAVE to a missing page, kernel", KERNEL64, CODE (XSAVE_M), PAGE_FAULTS (2, 0, UNMAPPED),
    SET (WITH_XSAVE, GPR (RBX, UNMAPPED), GPR (RAX, 1), GPR (RDX, 0)) },
  { "XSAVE of x87, kernel", KERNEL64, CODE (XSAVE_M), ENDS, SET (WITH_XSAVE, GPR (RAX, 7), GPR (RDX, 0)), CHECK (MEM16 (K_D, 0)) },
  { "XRSTOR with a component that is not enabled, kernel", KERNEL64, CODE (XRSTOR_M), FAULTS (GP, 0, 0),
    SET (WITH_XSAVE, GPR (RAX, 7), GPR (RDX, 0), MEM64 (K_D + 512, 4)) },
  { "XRSTOR with header bytes that are not 0, kernel", KERNEL64, CODE (XRSTOR_M), FAULTS (GP, 0, 0),
    SET (WITH_XSAVE, GPR (RAX, 1), GPR (RDX, 0), MEM8 (K_D + 512 + 16, 1)) },
  { "XRSTOR of an empty image, kernel", KERNEL64, CODE (XRSTOR_M, XSAVE_M), ENDS, SET (WITH_XSAVE, GPR (RAX, 1), GPR (RDX, 0)) },
  { "XRSTOR with reserved MXCSR bits, kernel", KERNEL64, CODE (ENABLE (3), XRSTOR_M), FAULTS (GP, 0, 12),
    SET (WITH_XSAVE, MEM64 (K_D + 512, 2), MEM32 (K_D + 24, 0x10000)) },
  /* --- an element that begins at an address and ends at none: no page is looked at (SDM 1 3.3.7.1) ---------- */
  { "VPMASKMOVQ across the canonical border, kernel", KERNEL64, CODE (ENABLE (7), 0xc5, 0xf9, 0x76, 0xc0, 0xc4, 0xe2, 0xf9, 0x8e, 0x03),
    FAULTS (GP, 0, 16), SET (WITH_XSAVE, GPR (RBX, NON_CANONICAL - 6)) },
  { "VPMASKMOVQ up to the canonical border, kernel", KERNEL64, CODE (ENABLE (7), 0xc5, 0xf9, 0x76, 0xc0, 0xc4, 0xe2, 0xf9, 0x8e, 0x03),
    PAGE_FAULTS (2, 16, NON_CANONICAL - 16), SET (WITH_XSAVE, GPR (RBX, NON_CANONICAL - 16)) },
};

const Table cases_vectors = { "vectors", rows, sizeof rows / sizeof *rows };

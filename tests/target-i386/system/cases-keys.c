/* cases-keys.c -- protection keys: what PKRU and IA32_PKRS forbid, and that no translation outlives what they allowed. */
/* SPDX-License-Identifier: MIT */
/* SDM 3A 4.6.2 and 4.7; 2B RDPKRU, 2C WRPKRU; 1 13.5.7. */

#include "assemble.h"
#include "case.h"

#define ALL (PG_P | PG_W | PG_U)
#define OWN (PG_P | PG_W)                       /* the kernel's */
#define T(n) (AT_TARGETS + SYS_PAGE * (n))
#define KEY(k) ((uint64_t) (k) << 59)
#define AD(k) (1u << 2 * (k))
#define WD(k) (2u << 2 * (k))
#define ALL_BUT(k) (~(3u << 2 * (k)))
#define CR4_PKE (1 << 22)
#define CR4_PKS (1 << 24)
#define CR4_PGE (1 << 7)
#define CR4_SMAP (1 << 21)
#define CR4_OSXSAVE (1 << 18)
#define CR0_WP (1 << 16)
#define MSR_PKRS 0x6e1
#define BEYOND ((uint64_t) 1 << 51)

enum { PK = 0x20 };

#define PKE CR_BITS (4, CR4_PKE, CR4_PKE)
#define PKS CR_BITS (4, CR4_PKS, CR4_PKS)
#define PKRU(v) { ITEM_PKRU, 0, v, ~(uint64_t) 0 }
#define PKRS(v) { ITEM_PKRS, 0, v, ~(uint64_t) 0 }
#define MAPS(k, bits) MEM64 (PTE (k), T (k) | (bits))
/* RSI: the address; what is read is in EDI. */
#define LOAD 0x8b, R_M (RDI, RSI)
#define STORE 0x89, R_M (RDI, RSI)
#define AT(address) GPR (RSI, address)
#define SET_PKRU(v) XOR_R (RCX), XOR_R (RDX), MOV_RI (RAX, v), WRPKRU          /* 12 bytes */
#define SET_PKRS(v) MOV_RI (RCX, MSR_PKRS), XOR_R (RDX), MOV_RI (RAX, v), WRMSR        /* 14 bytes */
#define ENABLE(xcr0) XOR_R (RCX), XOR_R (RDX), MOV_RI (RAX, xcr0), XSETBV       /* 12 bytes */
#define XSAVE_AT (AT_KERNEL_DATA + DATA_START)  /* where RBX points */
#define XSAVE 0x48, 0x0f, 0xae, R_M (4, RBX)
#define XRSTOR 0x48, 0x0f, 0xae, R_M (5, RBX)
#define XSAVEC 0x48, 0x0f, 0xc7, R_M (4, RBX)
#define COMPACTED ((uint64_t) 1 << 63)

static const Row rows[] = {
  /* --- user pages ------------------------------------------------------------------------------------------ */
  { "AD, load, user", USER64, CODE (LOAD), PAGE_FAULTS (PK | 5, 0, PAGE (0)), SET (PKE, PKRU (AD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "AD, store, user", USER64, CODE (STORE), PAGE_FAULTS (PK | 7, 0, PAGE (0)), SET (PKE, PKRU (AD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "WD, load, user", USER64, CODE (LOAD), ENDS, SET (PKE, PKRU (WD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "WD, store, user", USER64, CODE (STORE), PAGE_FAULTS (PK | 7, 0, PAGE (0)), SET (PKE, PKRU (WD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))),
    CHECK (MEM64 (PTE (0), T (0) | ALL | KEY (1))) },
  { "WD without CR0.WP, store, user", USER64, CODE (STORE), PAGE_FAULTS (PK | 7, 0, PAGE (0)),
    SET (PKE, CR_BITS (0, 0, CR0_WP), PKRU (WD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "AD of key 15, user", USER64, CODE (LOAD), PAGE_FAULTS (PK | 5, 0, PAGE (0)),
    SET (PKE, PKRU (AD (15)), AT (PAGE (0)), MAPS (0, ALL | KEY (15))) },
  { "AD of key 0, user", USER64, CODE (LOAD), PAGE_FAULTS (PK | 5, 0, PAGE (0)), SET (PKE, PKRU (AD (0)), AT (PAGE (0)), MAPS (0, ALL)) },
  { "all but key 7 forbidden, user", USER64, CODE (LOAD, STORE), ENDS, SET (PKE, PKRU (ALL_BUT (7)), AT (PAGE (0)), MAPS (0, ALL | KEY (7))) },
  { "all forbidden, a fetch, user", USER64, CODE (JMP_R (RSI)), .vector = EXC_UD, .at = ANYWHERE,
    SET (PKE, PKRU (~0u), AT (PAGE (0)), MAPS (0, ALL | KEY (3)), MEM16 (T (0), 0x0b0f)), CHECK (PUSHED (RIP, PAGE (0))) },
  { "AD, a fetch of an NX page, user", USER64, CODE (JMP_R (RSI)), .vector = EXC_PF, .error = 0x15, .at = ANYWHERE, .cr2 = PAGE (0),
    SET (PKE, PKRU (AD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1) | PG_NX)) },
  { "AD, 32-bit code, user 32", USER32, CODE (LOAD), PAGE_FAULTS (PK | 5, 0, PAGE (0)),
    SET (PKE, PKRU (AD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))), .narrow = true },
  { "AD, 2 MB page, user", USER64, CODE (LOAD), PAGE_FAULTS (PK | 5, 0, WINDOW + AT_USER_DATA),
    SET (PKE, PKRU (AD (1)), AT (WINDOW + AT_USER_DATA), MEM64 (AT_PD + 8, ALL | PG_PS | KEY (1))) },
  { "a key in an upper entry is none, user", USER64, CODE (LOAD), ENDS,
    SET (PKE, PKRU (ALL_BUT (0)), AT (PAGE (0)), MEM64 (AT_PD + 8, AT_PT_WINDOW | ALL | KEY (1)), MAPS (0, ALL)) },
  { "AD, the page is read-only, store, user", USER64, CODE (STORE), PAGE_FAULTS (PK | 7, 0, PAGE (0)),
    SET (PKE, PKRU (AD (1)), AT (PAGE (0)), MAPS (0, PG_P | PG_U | KEY (1))) },
  { "the page is read-only, the key lets through, user", USER64, CODE (STORE), PAGE_FAULTS (7, 0, PAGE (0)),
    SET (PKE, PKRU (ALL_BUT (1)), AT (PAGE (0)), MAPS (0, PG_P | PG_U | KEY (1))) },
  { "AD, the page is not present, user", USER64, CODE (LOAD), PAGE_FAULTS (4, 0, PAGE (0)),
    SET (PKE, PKRU (AD (1)), AT (PAGE (0)), MAPS (0, PG_W | PG_U | KEY (1))) },
  { "AD, a reserved bit, user", USER64, CODE (LOAD), PAGE_FAULTS (13, 0, PAGE (0)),
    SET (PKE, PKRU (AD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1) | BEYOND)) },
  { "AD, the page is the kernel's, user", USER64, CODE (LOAD), PAGE_FAULTS (5, 0, PAGE (0)),
    SET (PKE, PKRU (AD (1)), AT (PAGE (0)), MAPS (0, OWN | KEY (1))) },
  { "AD without CR4.PKE, user", USER64, CODE (LOAD, STORE), ENDS, SET (PKRU (~0u), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "AD, the second page of a store, user", USER64, CODE (STORE), PAGE_FAULTS (PK | 7, 0, PAGE (1)),
    SET (PKE, PKRU (AD (1)), AT (PAGE (1) - 2), MAPS (0, ALL), MAPS (1, ALL | KEY (1))), CHECK (MEM16 (T (1) - 2, 0xf4f4)) },

  /* --- user pages and the kernel ----------------------------------------------------------------------------- */
  { "AD, load, kernel", KERNEL64, CODE (LOAD), PAGE_FAULTS (PK | 1, 0, PAGE (0)), SET (PKE, PKRU (AD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "AD without CR0.WP, store, kernel", KERNEL64, CODE (STORE), PAGE_FAULTS (PK | 3, 0, PAGE (0)),
    SET (PKE, CR_BITS (0, 0, CR0_WP), PKRU (AD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "WD, store, kernel", KERNEL64, CODE (STORE), PAGE_FAULTS (PK | 3, 0, PAGE (0)), SET (PKE, PKRU (WD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "WD without CR0.WP, store, kernel", KERNEL64, CODE (STORE), ENDS,
    SET (PKE, CR_BITS (0, 0, CR0_WP), PKRU (WD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "PKRU does not lock the kernel's own, kernel", KERNEL64, CODE (LOAD, STORE), ENDS,
    SET (PKE, PKRU (~0u), AT (PAGE (0)), MAPS (0, OWN | KEY (1))) },
  { "AD and SMAP, load, kernel", KERNEL64, CODE (LOAD), PAGE_FAULTS (PK | 1, 0, PAGE (0)),
    SET (CR_BITS (4, CR4_PKE | CR4_SMAP, CR4_PKE | CR4_SMAP), PKRU (AD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "AD, the LDT on a user page, kernel", KERNEL64, CODE (MOV_S_R (DS, RAX)), PAGE_FAULTS (PK | 1, 0, PAGE (0)),
    SET (PKE, PKRU (AD (1)), GPR (RAX, L_DATA), BASE (LDTR, PAGE (0)), MAPS (0, ALL | KEY (1)), MEM64 (T (0), 0x00cff3000000ffff)) },
  { "CR4.PKE is set, then a load, kernel", KERNEL64, CODE (LOAD, MOV_CR_R (4, RAX), LOAD), PAGE_FAULTS (PK | 1, 5, PAGE (0)),
    SET (PKRU (AD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1)), GPR (RAX, 0x628 | CR4_PKE)) },
  { "CR4.PKE is cleared, then a load, kernel", KERNEL64, CODE (MOV_CR_R (4, RAX), LOAD), ENDS,
    SET (PKE, PKRU (AD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1)), GPR (RAX, 0x628)) },
  { "OSPKE, kernel", KERNEL64, CODE (MOV_RI (RAX, 7), XOR_R (RCX), 0x0f, 0xa2), ENDS, SET (PKE),
    CHECK ({ ITEM_GPR, RCX, 3 << 3, 3 << 3 }) },

  /* --- changes of PKRU --------------------------------------------------------------------------------------- */
  { "AD after a load, user", USER64, CODE (LOAD, SET_PKRU (AD (1)), LOAD), PAGE_FAULTS (PK | 5, 14, PAGE (0)),
    SET (PKE, AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "WD after a store, user", USER64, CODE (STORE, SET_PKRU (WD (1)), LOAD, STORE), PAGE_FAULTS (PK | 7, 16, PAGE (0)),
    SET (PKE, AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "AD after a load, a global page, user", USER64, CODE (LOAD, SET_PKRU (AD (1)), LOAD), PAGE_FAULTS (PK | 5, 14, PAGE (0)),
    SET (CR_BITS (4, CR4_PKE | CR4_PGE, CR4_PKE | CR4_PGE), AT (PAGE (0)), MAPS (0, ALL | PG_G | KEY (1))) },
  { "AD after a load, another word of the page, user", USER64, CODE (LOAD, SET_PKRU (AD (1)), 0x8b, MODRM (1, RDI, RSI), 8),
    PAGE_FAULTS (PK | 5, 14, PAGE (0) + 8), SET (PKE, AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "AD of another key after a load, user", USER64, CODE (LOAD, SET_PKRU (ALL_BUT (1)), LOAD, STORE), ENDS,
    SET (PKE, AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "AD is cleared, user", USER64, CODE (SET_PKRU (WD (1)), LOAD, SET_PKRU (0), LOAD, STORE), ENDS,
    SET (PKE, PKRU (AD (1)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))), CHECK (PKRU (0), MEM64 (PTE (0), T (0) | ALL | KEY (1) | PG_A | PG_D)) },
  { "AD after a load, kernel", KERNEL64, CODE (LOAD, SET_PKRU (AD (1)), LOAD), PAGE_FAULTS (PK | 1, 14, PAGE (0)),
    SET (PKE, AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "AD after a load, 2 MB page, user", USER64, CODE (LOAD, SET_PKRU (AD (1)), LOAD), PAGE_FAULTS (PK | 5, 14, WINDOW + AT_USER_DATA),
    SET (PKE, AT (WINDOW + AT_USER_DATA), MEM64 (AT_PD + 8, ALL | PG_PS | KEY (1))) },
  { "AD after code of the page has run, user", USER64, CODE (0xff, R_R (2, RSI), SET_PKRU (AD (1)), 0xff, R_R (2, RSI), LOAD),
    PAGE_FAULTS (PK | 5, 16, PAGE (0)), SET (PKE, AT (PAGE (0)), MAPS (0, ALL | KEY (1)), MEM8 (T (0), RET)) },

  /* --- RDPKRU, WRPKRU ---------------------------------------------------------------------------------------- */
  { "RDPKRU, user", USER64, CODE (RDPKRU), ENDS,
    SET (PKE, PKRU (0xfedcba98), GPR (RAX, ~(uint64_t) 0), GPR (RDX, ~(uint64_t) 0), GPR (RCX, (uint64_t) 1 << 32)),
    CHECK (GPR (RAX, 0xfedcba98), GPR (RDX, 0), GPR (RCX, (uint64_t) 1 << 32)) },
  { "RDPKRU, user 32", USER32, CODE (RDPKRU), ENDS, SET (PKE, PKRU (0xfedcba98), GPR (RCX, 0)), CHECK (GPR (RAX, 0xfedcba98), GPR (RDX, 0)),
    .narrow = true },
  { "RDPKRU with ECX, user", USER64, CODE (RDPKRU), FAULTS (GP, 0, 0), SET (PKE, GPR (RCX, 1)) },
  { "RDPKRU without CR4.PKE, user", USER64, CODE (RDPKRU), FAULTS (UD, NO_ERROR, 0), SET (GPR (RCX, 0)) },
  { "RDPKRU without CR4.PKE, with ECX, user", USER64, CODE (RDPKRU), FAULTS (UD, NO_ERROR, 0), SET (GPR (RCX, 1)) },
  { "WRPKRU, upper halves do not count, user", USER64, CODE (WRPKRU), ENDS,
    SET (PKE, GPR (RAX, 0x1234567876543210), GPR (RCX, (uint64_t) 1 << 32), GPR (RDX, (uint64_t) 1 << 32)), CHECK (PKRU (0x76543210)) },
  { "WRPKRU with ECX, user", USER64, CODE (WRPKRU), FAULTS (GP, 0, 0), SET (PKE, GPR (RCX, 1), GPR (RDX, 0), GPR (RAX, 4)), CHECK (PKRU (0)) },
  { "WRPKRU with EDX, user", USER64, CODE (WRPKRU), FAULTS (GP, 0, 0), SET (PKE, GPR (RCX, 0), GPR (RDX, 1), GPR (RAX, 4)), CHECK (PKRU (0)) },
  { "WRPKRU without CR4.PKE, kernel", KERNEL64, CODE (WRPKRU), FAULTS (UD, NO_ERROR, 0), SET (GPR (RCX, 1), GPR (RDX, 1)) },
  { "WRPKRU with LOCK, user", USER64, CODE (LOCK, WRPKRU), FAULTS (UD, NO_ERROR, 0), SET (PKE, GPR (RCX, 0), GPR (RDX, 0)) },
  { "WRPKRU with 66, user", USER64, CODE (0x66, WRPKRU), FAULTS (UD, NO_ERROR, 0), SET (PKE, GPR (RCX, 0), GPR (RDX, 0)) },

  /* --- the kernel's pages ------------------------------------------------------------------------------------ */
  { "PKS: AD, load, kernel", KERNEL64, CODE (LOAD), PAGE_FAULTS (PK | 1, 0, PAGE (0)), SET (PKS, PKRS (AD (1)), AT (PAGE (0)), MAPS (0, OWN | KEY (1))) },
  { "PKS: WD, store, kernel", KERNEL64, CODE (LOAD, STORE), PAGE_FAULTS (PK | 3, 2, PAGE (0)),
    SET (PKS, PKRS (WD (1)), AT (PAGE (0)), MAPS (0, OWN | KEY (1))) },
  { "PKS: WD without CR0.WP, store, kernel", KERNEL64, CODE (STORE), ENDS,
    SET (PKS, CR_BITS (0, 0, CR0_WP), PKRS (WD (1)), AT (PAGE (0)), MAPS (0, OWN | KEY (1))) },
  { "PKS: AD, a fetch, kernel", KERNEL64, CODE (JMP_R (RSI)), .vector = EXC_UD, .at = ANYWHERE,
    SET (PKS, PKRS (AD (1)), AT (PAGE (0)), MAPS (0, OWN | KEY (1)), MEM16 (T (0), 0x0b0f)), CHECK (PUSHED (RIP, PAGE (0))) },
  { "PKS: IA32_PKRS does not lock user pages, kernel", KERNEL64, CODE (LOAD, STORE), ENDS,
    SET (PKS, PKRS (ALL_BUT (0)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "PKS: and PKRU its own, kernel", KERNEL64, CODE (LOAD), PAGE_FAULTS (PK | 1, 0, PAGE (0)),
    SET (CR_BITS (4, CR4_PKE | CR4_PKS, CR4_PKE | CR4_PKS), PKRU (AD (1)), PKRS (AD (2)), AT (PAGE (0)), MAPS (0, ALL | KEY (1))) },
  { "AD without CR4.PKS, kernel", KERNEL64, CODE (LOAD, STORE), ENDS, SET (PKE, PKRS (~0u), AT (PAGE (0)), MAPS (0, OWN | KEY (1))) },
  { "PKS: AD after a load, kernel", KERNEL64, CODE (LOAD, SET_PKRS (AD (1)), LOAD), PAGE_FAULTS (PK | 1, 16, PAGE (0)),
    SET (PKS, AT (PAGE (0)), MAPS (0, OWN | KEY (1))), CHECK (PKRS (AD (1))) },
  { "PKS: AD is cleared, kernel", KERNEL64, CODE (SET_PKRS (WD (1)), LOAD, SET_PKRS (0), STORE), ENDS,
    SET (PKS, PKRS (AD (1)), AT (PAGE (0)), MAPS (0, OWN | KEY (1))) },
  { "PKS: WRMSR of more than 32 bits, kernel", KERNEL64, CODE (WRMSR), FAULTS (GP, 0, 0), SET (GPR (RCX, MSR_PKRS), GPR (RAX, 0), GPR (RDX, 1)) },
  { "PKS: RDMSR, kernel", KERNEL64, CODE (RDMSR), ENDS, SET (PKRS (0x89abcdef), GPR (RCX, MSR_PKRS)), CHECK (GPR (RAX, 0x89abcdef), GPR (RDX, 0)) },

  /* --- as a state component ----------------------------------------------------------------------------------- */
  { "XSAVE, kernel", KERNEL64, CODE (ENABLE (0x203), MOV_RI (RAX, 0x200), XSAVE), ENDS,
    SET (CR_BITS (4, CR4_OSXSAVE, CR4_OSXSAVE), PKRU (0x55555554)),
    CHECK (MEM64 (XSAVE_AT + 512, 0x200), MEM64 (XSAVE_AT + 2688, 0x55555554), MEM64 (XSAVE_AT + 576, 0)) },
  { "XSAVE of the initial value, kernel", KERNEL64, CODE (ENABLE (0x203), MOV_RI (RAX, 0x200), XSAVE), ENDS,
    SET (CR_BITS (4, CR4_OSXSAVE, CR4_OSXSAVE), MEM64 (XSAVE_AT + 512, 0x202), MEM64 (XSAVE_AT + 2688, 7)),
    CHECK (MEM64 (XSAVE_AT + 512, 2), MEM64 (XSAVE_AT + 2688, 0)) },
  { "XSAVE without the bit in XCR0, kernel", KERNEL64, CODE (ENABLE (3), MOV_RI (RAX, 0x200), XSAVE), ENDS,
    SET (CR_BITS (4, CR4_OSXSAVE, CR4_OSXSAVE), PKRU (0x55555554)), CHECK (MEM64 (XSAVE_AT + 512, 0), MEM64 (XSAVE_AT + 2688, 0)) },
  { "XSAVEC, kernel", KERNEL64, CODE (ENABLE (0x203), MOV_RI (RAX, 0x200), XSAVEC), ENDS,
    SET (CR_BITS (4, CR4_OSXSAVE, CR4_OSXSAVE), PKRU (0x55555554)),
    CHECK (MEM64 (XSAVE_AT + 512, 0x200), MEM64 (XSAVE_AT + 520, COMPACTED | 0x200), MEM64 (XSAVE_AT + 576, 0x55555554)) },
  { "XRSTOR locks a page, kernel", KERNEL64, CODE (ENABLE (0x203), MOV_RI (RAX, 0x200), LOAD, XRSTOR, LOAD), PAGE_FAULTS (PK | 1, 23, PAGE (0)),
    SET (CR_BITS (4, CR4_OSXSAVE | CR4_PKE, CR4_OSXSAVE | CR4_PKE), MEM64 (XSAVE_AT + 512, 0x200), MEM64 (XSAVE_AT + 2688, AD (1)),
    AT (PAGE (0)), MAPS (0, ALL | KEY (1))), CHECK (PKRU (AD (1))) },
  { "XRSTOR of a compacted area, kernel", KERNEL64, CODE (ENABLE (0x203), MOV_RI (RAX, 0x200), XRSTOR), ENDS,
    SET (CR_BITS (4, CR4_OSXSAVE, CR4_OSXSAVE), MEM64 (XSAVE_AT + 512, 0x200), MEM64 (XSAVE_AT + 520, COMPACTED | 0x203),
    MEM64 (XSAVE_AT + 576, 0x1234)), CHECK (PKRU (0x1234)) },
  { "XRSTOR of what is not there, kernel", KERNEL64, CODE (ENABLE (0x203), MOV_RI (RAX, 0x200), XRSTOR), ENDS,
    SET (CR_BITS (4, CR4_OSXSAVE, CR4_OSXSAVE), PKRU (0x55555554), MEM64 (XSAVE_AT + 2688, 7)), CHECK (PKRU (0)) },
  { "XRSTOR of other components, kernel", KERNEL64, CODE (ENABLE (0x203), MOV_RI (RAX, 1), XRSTOR), ENDS,
    SET (CR_BITS (4, CR4_OSXSAVE, CR4_OSXSAVE), PKRU (0x55555554), MEM64 (XSAVE_AT + 512, 0x200), MEM64 (XSAVE_AT + 2688, 7)),
    CHECK (PKRU (0x55555554)) },
};

const Table cases_keys = { "keys", rows, sizeof rows / sizeof *rows };

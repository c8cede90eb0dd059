/* image.h -- the memory that every case starts with: where things are, what each selector, vector and page is made to be. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_SYSTEM_IMAGE_H
#define TEST_SYSTEM_IMAGE_H

#include "system.h"

/* --- places, physical and linear ------------------------------------------------------------------
 * The first 2 MiB are mapped where they lie, and once more at HIGH: pages below AT_USER for the kernel, the others for all.
 * The window, at WINDOW, is for cases that make page-table entries of their own; nothing in it is mapped at first. */
enum {
  AT_PML4 = 0x1000, AT_PDPT = 0x2000, AT_PD = 0x3000, AT_PT = 0x4000, AT_PDPT_HIGH = 0x5000, AT_PT_WINDOW = 0x6000,
  AT_GDT = 0x7000, AT_LDT = 0x8000, AT_IDT = 0x9000, AT_TSS = 0xa000,   /* three pages: its bitmap has a bit for each port */
  AT_HANDLERS = 0xd000,         /* one HLT a vector, HANDLER_SIZE apart */
  AT_KERNEL_CODE = 0xe000, AT_KERNEL_DATA = 0x10000, AT_KERNEL_STACK = 0x12000,
  AT_RSP0 = 0x13000, AT_RSP1 = 0x14000, AT_IST1 = 0x15000, AT_IST2 = 0x16000,   /* stacks' pages: they start at the end of each */
  AT_SPARE_TABLES = 0x18000,    /* eight pages for tables of a case's own */
  AT_USER = 0x20000, AT_USER_CODE = 0x20000, AT_USER_DATA = 0x22000, AT_USER_STACK = 0x24000,
  AT_GATE_TARGET = AT_KERNEL_CODE + 0x1800, AT_USER_GATE_TARGET = AT_USER_CODE + 0x1800,
  AT_TARGETS = 0x28000,         /* eight pages that the window's entries may name; HLT in each byte */
  HANDLER_SIZE = 16, WINDOW = 0x200000
};
#define HIGH 0xffffff8000000000u
#define NON_CANONICAL 0x0000800000000000u
#define UNMAPPED 0x0000000000700000u    /* no page table */

/* What a case starts with in registers besides the obvious: RBX and RBP are addresses of data. */
enum { STACK_START = 0x800, DATA_START = 0x800 };

#define PTE(k) (AT_PT_WINDOW + 8 * (k))                 /* of the window's page k */
#define PAGE(k) (WINDOW + SYS_PAGE * (k))
#define PTE_OF(address) (AT_PT + 8 * ((address) >> 12)) /* of a page in the first 2 MiB */

enum { PG_P = 1, PG_W = 2, PG_U = 4, PG_PWT = 8, PG_PCD = 16, PG_A = 32, PG_D = 64, PG_PS = 128, PG_G = 256 };
#define PG_NX ((uint64_t) 1 << 63)

/* --- selectors -------------------------------------------------------------------------------------
 * The first ones are Linux's: a KVM that runs user code on the host's own descriptors then finds the same under the same numbers. */
enum {
  K_CODE32 = 0x08, K_CODE64 = 0x10, K_DATA = 0x18, U_CODE32 = 0x23, U_DATA = 0x2b, U_CODE64 = 0x33,    /* as SYSCALL and SYSRET want them */
  S_TSS = 0x40, S_LDT = 0x50, GDT_OWN = 0x80,
  S_CONFORMING64 = 0x80, S_CONFORMING32 = 0x88, S_DATA_NP = 0x90, S_CODE_NP = 0x98, S_READ_ONLY = 0xa0, S_EXPAND_DOWN = 0xa8,
  S_EXECUTE_ONLY = 0xb0, S_CODE_L_AND_D = 0xb8, S_DATA_NP_DPL0 = 0xc0, S_SMALL = 0xc8, S_NOT_ACCESSED = 0xd0, S_SMALL_CODE32 = 0xd8,
  S_U_CODE16 = 0xe0, S_R1_DATA = 0xe8, S_R1_CODE64 = 0xf0, S_READ_ONLY_DPL0 = 0xf8,
  S_TSS_FREE = 0x100, S_TSS_NP = 0x110, S_TSS16 = 0x120, S_TSS_UPPER_TYPE = 0x130, S_LDT_NP = 0x140, S_LDT_UPPER_TYPE = 0x150,
  S_TYPE8 = 0x160,
  S_LDT_HIGH = 0x170,
  S_GATE = 0x180, S_GATE_DPL0 = 0x190, S_GATE_NP = 0x1a0, S_GATE_TO_32 = 0x1b0, S_GATE_NON_CANONICAL = 0x1c0, S_GATE_TO_DATA = 0x1d0,
  S_GATE_TO_CONFORMING = 0x1e0, S_GATE_TO_USER = 0x1f0, S_GATE_UPPER_TYPE = 0x200, S_GATE_NULL = 0x210, S_GATE_TO_NP = 0x220,
  S_GATE_TO_RING1 = 0x230, S_LAST = 0x240, GDT_LIMIT = S_LAST + 7, S_BEYOND = S_LAST + 8,
  R1_DATA = S_R1_DATA | 1, R1_CODE64 = S_R1_CODE64 | 1, U_CODE16 = S_U_CODE16 | 3,
  L_DATA = 0x04, L_CODE64 = 0x0c, L_FREE = 0x14, LDT_LIMIT = 0x1f      /* in the LDT; L_DATA has DPL 3, L_CODE64 DPL 0 */
};

/* --- vectors ------------------------------------------------------------------------------------------- */
enum {
  V_DPL3 = 0x40, V_TRAP = 0x41, V_NOT_PRESENT = 0x42, V_IST1 = 0x43, V_IST2_ODD = 0x44, V_IST3_NON_CANONICAL = 0x45, V_NULL_CS = 0x46,
  V_DATA_CS = 0x47, V_CODE32_CS = 0x48, V_NON_CANONICAL = 0x49, V_CALL_GATE = 0x4a, V_USER_CS = 0x4b, V_CONFORMING = 0x4c,
  V_CS_NOT_PRESENT = 0x4d,
  V_CS_BEYOND = 0x4e, V_GATE16 = 0x4f, V_TASK_GATE = 0x50, V_IST4_UNMAPPED = 0x51, V_LDT_CS = 0x52, V_DPL0 = 0x53, V_RING1 = 0x54,
  V_IST5_USER = 0x55,
  V_DPL1 = 0x56, V_L_AND_D_CS = 0x57, V_NP_AND_DPL0 = 0x58
};

typedef enum Mode { KERNEL64, USER64, USER32, KERNEL32, RING1_64, USER16, N_MODES } Mode;

/* An image, and a state that would run code of that mode. */
void image_build (Slot *slot, Mode mode);
uint64_t image_code (Mode mode);        /* where that code goes */
BpX86Segment image_segment (const uint8_t *memory, uint16_t selector);  /* as a load of it would leave the register */

void image_put (Slot *slot, uint32_t at, uint64_t value, unsigned size);
uint64_t image_get (const Slot *slot, uint32_t at, unsigned size);

/* The vector whose handler halted; -1: something else did. */
int image_vector (const Slot *slot);

#endif

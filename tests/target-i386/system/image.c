/* image.c -- page tables, descriptors, gates, TSS and handlers of a case, and the state that its code starts in. */
/* SPDX-License-Identifier: MIT */

#include "image.h"

#include <string.h>

/* --- memory ---------------------------------------------------------------------------------------- */

void
image_put (Slot *slot, uint32_t at, uint64_t value, unsigned size)
{
  if (at <= SYS_MEMORY - size)
    memcpy (slot->memory + at, &value, size);
}

uint64_t
image_get (const Slot *slot, uint32_t at, unsigned size)
{
  uint64_t value = 0;
  if (at <= SYS_MEMORY - size)
    memcpy (&value, slot->memory + at, size);
  return value;
}

static void put64 (Slot *s, uint32_t at, uint64_t value) { image_put (s, at, value, 8); }

static void
put_tables (Slot *s)
{
  enum { ALL = PG_P | PG_W | PG_U };
  put64 (s, AT_PML4, AT_PDPT | ALL);
  put64 (s, AT_PML4 + 8 * 511, AT_PDPT_HIGH | ALL);
  put64 (s, AT_PDPT, AT_PD | ALL);
  put64 (s, AT_PDPT_HIGH, AT_PD | ALL);
  put64 (s, AT_PD, AT_PT | ALL);
  put64 (s, AT_PD + 8, AT_PT_WINDOW | ALL);
  for (uint32_t at = SYS_PAGE; at < SYS_MEMORY; at += SYS_PAGE)         /* address 0 stays free */
    put64 (s, PTE_OF (at), at | PG_P | PG_W | (at >= AT_USER ? PG_U : 0));
}

/* --- descriptors ------------------------------------------------------------------------------------- */

static uint64_t
descriptor (uint32_t base, uint32_t limit, unsigned attributes)
{
  return (limit & 0xffff) | (uint64_t) (base & 0xffffff) << 16 | (uint64_t) (attributes & 0xf0ff) << 40
         | (uint64_t) (limit >> 16 & 15) << 48 | (uint64_t) (base >> 24) << 56;
}

static uint64_t
gate (uint16_t selector, uint64_t offset, unsigned attributes)
{
  return (offset & 0xffff) | (uint64_t) selector << 16 | (uint64_t) attributes << 40 | (offset >> 16 & 0xffff) << 48;
}

static void
put_gate (Slot *s, uint32_t at, uint16_t selector, uint64_t offset, unsigned attributes, unsigned ist)
{
  put64 (s, at, gate (selector, offset, attributes) | (uint64_t) ist << 32);
  put64 (s, at + 8, offset >> 32);
}

static void
put_system (Slot *s, uint16_t selector, uint32_t base, uint32_t limit, unsigned attributes)
{
  put64 (s, AT_GDT + selector, descriptor (base, limit, attributes));
  put64 (s, AT_GDT + selector + 8, 0);
}

static const struct { uint16_t selector; uint32_t base, limit; uint16_t attributes; } plain[] = {
  { K_CODE32, 0, 0xfffff, 0xc09b }, { K_CODE64, 0, 0xfffff, 0xa09b }, { K_DATA, 0, 0xfffff, 0xc093 }, { U_CODE32, 0, 0xfffff, 0xc0fb },
  { U_DATA, 0, 0xfffff, 0xc0f3 }, { U_CODE64, 0, 0xfffff, 0xa0fb }, { S_CONFORMING64, 0, 0xfffff, 0xa09f },
  { S_CONFORMING32, 0, 0xfffff, 0xc09f }, { S_DATA_NP, 0, 0xfffff, 0xc073 }, { S_CODE_NP, 0, 0xfffff, 0xa01b },
  { S_READ_ONLY, 0, 0xfffff, 0xc0f1 }, { S_EXPAND_DOWN, 0, 0xff, 0xc0f7 }, { S_EXECUTE_ONLY, 0, 0xfffff, 0xa0f9 },
  { S_CODE_L_AND_D, 0, 0xfffff, 0xe09b }, { S_DATA_NP_DPL0, 0, 0xfffff, 0xc013 }, { S_SMALL, AT_USER_DATA, 0xfff, 0x40f3 },
  { S_NOT_ACCESSED, 0, 0xfffff, 0xc0f2 }, { S_SMALL_CODE32, AT_USER_CODE, 0x7ff, 0x40fb }, { S_U_CODE16, 0, 0xfffff, 0x80fb },
  { S_R1_DATA, 0, 0xfffff, 0xc0b3 }, { S_R1_CODE64, 0, 0xfffff, 0xa0bb }, { S_READ_ONLY_DPL0, 0, 0xfffff, 0xc091 },
  { S_LAST, 0, 0xfffff, 0xc0f3 }
};

/* Call gates lead to a UD2. */
static const struct { uint16_t selector, target; uint64_t offset; uint8_t attributes; } call_gates[] = {
  { S_GATE, K_CODE64, AT_GATE_TARGET, 0xec }, { S_GATE_DPL0, K_CODE64, AT_GATE_TARGET, 0x8c },
  { S_GATE_NP, K_CODE64, AT_GATE_TARGET, 0x6c },
  { S_GATE_TO_32, K_CODE32, AT_GATE_TARGET, 0xec }, { S_GATE_NON_CANONICAL, K_CODE64, NON_CANONICAL, 0xec },
  { S_GATE_TO_DATA, K_DATA, AT_GATE_TARGET, 0xec }, { S_GATE_TO_CONFORMING, S_CONFORMING64, AT_USER_GATE_TARGET, 0xec },
  { S_GATE_TO_USER, U_CODE64, AT_USER_GATE_TARGET, 0xec }, { S_GATE_UPPER_TYPE, K_CODE64, AT_GATE_TARGET, 0xec },
  { S_GATE_NULL, 0, AT_GATE_TARGET, 0xec }, { S_GATE_TO_NP, S_CODE_NP, AT_GATE_TARGET, 0xec },
  { S_GATE_TO_RING1, S_R1_CODE64, AT_GATE_TARGET, 0xec }
};

#define UPPER_TYPE ((uint64_t) 1 << 40)         /* bits 12:8 of the fourth word of a system descriptor are to be zero */

static void
put_gdt (Slot *s)
{
  for (unsigned i = 0; i < sizeof plain / sizeof *plain; i++)
    put64 (s, AT_GDT + plain[i].selector / 8 * 8, descriptor (plain[i].base, plain[i].limit, plain[i].attributes));
  put_system (s, S_TSS, AT_TSS, AT_HANDLERS - AT_TSS - 1, 0x8b);
  put_system (s, S_LDT, AT_LDT, LDT_LIMIT, 0x82);
  put_system (s, S_TSS_FREE, AT_TSS, 0x67, 0x89);
  put_system (s, S_TSS_NP, AT_TSS, 0x67, 0x09);
  put_system (s, S_TSS16, AT_TSS, 0x67, 0x81);
  put_system (s, S_LDT_NP, AT_LDT, LDT_LIMIT, 0x02);
  put_system (s, S_TYPE8, AT_LDT, LDT_LIMIT, 0x88);
  put_system (s, S_LDT_HIGH, AT_LDT, LDT_LIMIT, 0x82);
  put64 (s, AT_GDT + S_LDT_HIGH + 8, HIGH >> 32);
  put_system (s, S_TSS_UPPER_TYPE, AT_TSS, 0x67, 0x89);
  put64 (s, AT_GDT + S_TSS_UPPER_TYPE + 8, UPPER_TYPE);
  put_system (s, S_LDT_UPPER_TYPE, AT_LDT, LDT_LIMIT, 0x82);
  put64 (s, AT_GDT + S_LDT_UPPER_TYPE + 8, UPPER_TYPE);
  for (unsigned i = 0; i < sizeof call_gates / sizeof *call_gates; i++)
    put_gate (s, AT_GDT + call_gates[i].selector, call_gates[i].target, call_gates[i].offset, call_gates[i].attributes, 0);
  put64 (s, AT_GDT + S_GATE_UPPER_TYPE + 8, UPPER_TYPE);
  image_put (s, AT_GATE_TARGET, 0x0b0f, 2);
  image_put (s, AT_USER_GATE_TARGET, 0x0b0f, 2);
  put64 (s, AT_LDT, descriptor (0x1000, 0xfffff, 0xc0f3));
  put64 (s, AT_LDT + 8, descriptor (0, 0xfffff, 0xa09b));
}

/* --- gates, TSS, handlers ---------------------------------------------------------------------------------- */

static const struct { uint8_t vector; uint16_t selector; uint8_t attributes, ist; } odd_gates[] = {
  { 3, K_CODE64, 0xee, 0 }, { 4, K_CODE64, 0xee, 0 }, { V_DPL3, K_CODE64, 0xee, 0 }, { V_TRAP, K_CODE64, 0xef, 0 },
  { V_NOT_PRESENT, K_CODE64, 0x6e, 0 }, { V_IST1, K_CODE64, 0xee, 1 }, { V_IST2_ODD, K_CODE64, 0xee, 2 },
  { V_IST3_NON_CANONICAL, K_CODE64, 0xee, 3 }, { V_IST4_UNMAPPED, K_CODE64, 0xee, 4 }, { V_IST5_USER, K_CODE64, 0xee, 5 },
  { V_NULL_CS, 0, 0xee, 0 }, { V_DATA_CS, K_DATA, 0xee, 0 }, { V_CODE32_CS, K_CODE32, 0xee, 0 }, { V_NON_CANONICAL, K_CODE64, 0xee, 0 },
  { V_CALL_GATE, K_CODE64, 0xec, 0 }, { V_USER_CS, U_CODE64, 0xee, 0 }, { V_CONFORMING, S_CONFORMING64, 0xee, 0 },
  { V_CS_NOT_PRESENT, S_CODE_NP, 0xee, 0 }, { V_CS_BEYOND, S_BEYOND, 0xee, 0 }, { V_GATE16, K_CODE64, 0xe6, 0 },
  { V_TASK_GATE, S_TSS_FREE, 0xe5, 0 }, { V_LDT_CS, L_CODE64, 0xee, 0 }, { V_RING1, R1_CODE64, 0xee, 0 }, { V_DPL1, K_CODE64, 0xae, 0 },
  { V_L_AND_D_CS, S_CODE_L_AND_D, 0xee, 0 }, { V_NP_AND_DPL0, K_CODE64, 0x0e, 0 }
};

static void
put_idt (Slot *s)
{
  for (unsigned v = 0; v < 256; v++) {
    put_gate (s, AT_IDT + 16 * v, K_CODE64, AT_HANDLERS + HANDLER_SIZE * v, 0x8e, 0);
    memset (s->memory + AT_HANDLERS + HANDLER_SIZE * v, 0xf4, HANDLER_SIZE);
  }
  for (unsigned i = 0; i < sizeof odd_gates / sizeof *odd_gates; i++) {
    unsigned v = odd_gates[i].vector;
    uint64_t offset = v == V_NON_CANONICAL ? NON_CANONICAL : AT_HANDLERS + HANDLER_SIZE * v;
    put_gate (s, AT_IDT + 16 * v, odd_gates[i].selector, offset, odd_gates[i].attributes, odd_gates[i].ist);
  }
  s->memory[AT_HANDLERS + HANDLER_SIZE * V_TRAP] = 0xfa;        /* CLI: this gate does not do it */
}

/* Ports 0x100 .. 0x10f are open to all, but for 0x10e. */
static void
put_tss (Slot *s)
{
  put64 (s, AT_TSS + 4, AT_RSP0 + SYS_PAGE);
  put64 (s, AT_TSS + 12, AT_RSP1 + SYS_PAGE);
  put64 (s, AT_TSS + 0x24, AT_IST1 + SYS_PAGE);
  put64 (s, AT_TSS + 0x2c, AT_IST2 + SYS_PAGE - 0x205);
  put64 (s, AT_TSS + 0x34, NON_CANONICAL + 0x100);
  put64 (s, AT_TSS + 0x3c, UNMAPPED);
  put64 (s, AT_TSS + 0x44, AT_USER_DATA + SYS_PAGE);
  image_put (s, AT_TSS + 0x66, 0x68, 2);
  memset (s->memory + AT_TSS + 0x68, 0xff, AT_HANDLERS - AT_TSS - 0x68);
  image_put (s, AT_TSS + 0x68 + 0x100 / 8, 0x4000, 2);
}

/* --- the state ------------------------------------------------------------------------------------------------ */

BpX86Segment
image_segment (const uint8_t *memory, uint16_t selector)
{
  uint64_t d;
  if (!(selector & ~3u))
    return (BpX86Segment) { .selector = selector };
  memcpy (&d, memory + (selector & 4 ? AT_LDT : AT_GDT) + (selector & ~7u), 8);
  unsigned attributes = (unsigned) (d >> 40) & 0xf0ff;
  uint32_t limit = (uint32_t) (d & 0xffff) | (uint32_t) (d >> 48 & 15) << 16;
  return (BpX86Segment) {
    .selector = selector, .attributes = (uint16_t) attributes, .limit = attributes & 0x8000 ? limit << 12 | 0xfff : limit,
    .base = (d >> 16 & 0xffffff) | (d >> 56) << 24
  };
}

uint64_t
image_code (Mode mode)
{
  return mode == KERNEL64 || mode == KERNEL32 || mode == RING1_64 ? AT_KERNEL_CODE : AT_USER_CODE;
}

static void
put_segments (Slot *s, Mode mode)
{
  static const uint16_t code[N_MODES] = { K_CODE64, U_CODE64, U_CODE32, K_CODE32, R1_CODE64, U_CODE16 };
  static const uint16_t stack[N_MODES] = { K_DATA, U_DATA, U_DATA, K_DATA, R1_DATA, U_DATA };
  BpX86Segment *seg = s->state.segment;
  for (unsigned i = BP_X86_ES; i <= BP_X86_GS; i++)
    seg[i] = image_segment (s->memory, i == BP_X86_CS ? code[mode] : i == BP_X86_SS ? stack[mode] : U_DATA);
  seg[BP_X86_LDTR] = (BpX86Segment) { S_LDT, 0x82, LDT_LIMIT, AT_LDT };
  seg[BP_X86_TR] = (BpX86Segment) { S_TSS, 0x8b, AT_HANDLERS - AT_TSS - 1, AT_TSS };
}

static void
put_registers (BpX86State *r, Mode mode)
{
  bool user = image_code (mode) == AT_USER_CODE;
  for (unsigned i = 0; i < 16; i++)
    r->gpr[i] = i < 8 ? i * 0x01010101u : i * 0x0101010101010101u;
  r->gpr[BP_X86_RSP] = (user ? AT_USER_STACK : AT_KERNEL_STACK) + STACK_START;
  r->gpr[BP_X86_RBX] = r->gpr[BP_X86_RBP] = (user ? AT_USER_DATA : AT_KERNEL_DATA) + DATA_START;
  r->rip = image_code (mode);
  r->rflags = 2;
  r->gdtr.base = AT_GDT;
  r->gdtr.limit = GDT_LIMIT;
  r->idtr.base = AT_IDT;
  r->idtr.limit = 0xfff;
  r->cr0 = 0x80050033;          /* PG AM WP NE ET MP PE */
  r->cr3 = AT_PML4;
  r->cr4 = 0x628;               /* OSXMMEXCPT OSFXSR PAE DE */
  r->efer = 0xd01;              /* NXE LMA LME SCE */
  r->dr[6] = 0xffff0ff0;
  r->dr[7] = 0x400;
  r->star = (uint64_t) (U_CODE32 & ~3u) << 48 | (uint64_t) K_CODE64 << 32;
  r->lstar = AT_HANDLERS + HANDLER_SIZE * 0xff;         /* a vector of its own, so to speak */
  r->cstar = AT_HANDLERS + HANDLER_SIZE * 0xfe;
  r->sfmask = 0x47700;
  r->kernel_gs_base = HIGH + AT_KERNEL_DATA;
  r->sysenter_cs = K_CODE64;
  r->sysenter_eip = AT_HANDLERS + HANDLER_SIZE * 0xfd;
  r->sysenter_esp = AT_RSP0 + SYS_PAGE;
}

void
image_build (Slot *slot, Mode mode)
{
  memset (slot, 0, sizeof *slot);
  slot->state.struct_size = sizeof slot->state;
  slot->state.xcr0 = 1;
  put_tables (slot);
  put_gdt (slot);
  put_idt (slot);
  put_tss (slot);
  memset (slot->memory + AT_TARGETS, 0xf4, SYS_MEMORY - AT_TARGETS);
  put_segments (slot, mode);
  put_registers (&slot->state, mode);
}

int
image_vector (const Slot *slot)
{
  uint64_t at = slot->state.rip - 1 - AT_HANDLERS;
  return slot->end == RUN_HALTED && at % HANDLER_SIZE <= 1 && at / HANDLER_SIZE < 256 ? (int) (at / HANDLER_SIZE) : -1;
}

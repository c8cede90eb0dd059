/* guest.c -- runs each instruction of a batch on the translator: a machine of this tree, and the monitor as its kernel. */
/* SPDX-License-Identifier: MIT */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor.h"
#include "opcodes.h"
#include "target-i386/system/image.h"

/* Selectors of 16-bit segments, and stubs of vectors: PUSH 0 where the processor pushes no error code, PUSH n, JMP. */
enum { G_CODE16 = 0x80, G_STACK16 = 0x88, G_USER_CODE16 = 0x93, G_USER_STACK16 = 0x9b, G_DATA16 = 0xa3 };
enum { CR4_PKE_XSAVE_FSGSBASE = 0x450000, STUB_SIZE = 16 };

static Backplane *machine;
static Slot slot;

bool
guest_start (const char *how)
{
  machine = backplane_start (how);
  return machine != NULL;
}

void
guest_finish (void)
{
  backplane_finish (machine);
}

static bool
pushes_error (unsigned vector)
{
  return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

static void
put_stub (unsigned vector)
{
  uint8_t stub[12] = { 0x6a, 0, 0x68, (uint8_t) vector, 0, 0, 0, 0xe9 };
  unsigned skip = pushes_error (vector) ? 2 : 0, at = AT_HANDLERS + STUB_SIZE * vector;
  int32_t distance = (int32_t) (AT_KERNEL_CODE + (monitor_event - monitor_start)) - (int32_t) (at + sizeof stub - skip);
  memcpy (stub + 8, &distance, 4);
  memcpy (slot.memory + at, stub + skip, sizeof stub - skip);
  /* of DPL 0 but for INT3 and INTO; on IST1, whatever the stack pointer is */
  image_put (&slot, AT_IDT + 16 * vector, at | K_CODE64 << 16 | (uint64_t) (vector == 3 || vector == 4 ? 0xee01 : 0x8e01) << 32, 8);
}

static void
put_segment16 (uint16_t selector, uint32_t base, uint32_t limit, unsigned attributes)
{
  uint64_t d = limit | (uint64_t) base << 16 | (uint64_t) attributes << 40;
  image_put (&slot, AT_GDT + (selector & ~7u), d, 8);
}

static void
put_tables (void)
{
  put_segment16 (G_CODE16, OPCODES_BASE16, OPCODES_CODE_LIMIT16, 0x99);
  put_segment16 (G_STACK16, OPCODES_BASE16, OPCODES_STACK_LIMIT16, 0x93);
  put_segment16 (G_USER_CODE16, OPCODES_BASE16, OPCODES_CODE_LIMIT16, 0xf9);
  put_segment16 (G_USER_STACK16, OPCODES_BASE16, OPCODES_STACK_LIMIT16, 0xf3);
  put_segment16 (G_DATA16, OPCODES_DATA16, 0xffff, 0xf3);
  for (uint32_t page = OPCODES_BASE16; page < OPCODES_CODE; page += SYS_PAGE)
    if (page != OPCODES_STACK && page != OPCODES_EDGE)
      image_put (&slot, PTE_OF (page), 0, 8);
  for (unsigned v = 0; v < 256; v++)
    put_stub (v);
}

static void
put_fp (void)
{
  image_put (&slot, MONITOR_FP, 0x37f, 8);
  image_put (&slot, MONITOR_FP + 24, 0x1f80, 4);
  memset (slot.memory + MONITOR_FP + 32, 0xff, 416 - 32);
  image_put (&slot, MONITOR_FP + 512, 7, 8);
  memset (slot.memory + MONITOR_FP + 576, 0xff, 256);
}

static void
put_batch (const Batch *b, bool kernel)
{
  static const uint16_t code[2][3] = { { G_USER_CODE16, U_CODE32, U_CODE64 }, { G_CODE16, K_CODE32, K_CODE64 } };
  static const uint16_t stack[2][3] = { { G_USER_STACK16, U_DATA, U_DATA }, { G_STACK16, K_DATA, K_DATA } };
  uint32_t base = b->mode == X86_MODE_16 ? OPCODES_BASE16 : 0;
  memcpy (slot.memory + OPCODES_CODE, b->code, sizeof b->code);
  for (unsigned i = 0; i < SYS_PAGE; i += 8)
    image_put (&slot, OPCODES_STACK + i, OPCODES_FILL, 8);
  memcpy (slot.memory + MONITOR_SPLIT, b->split, sizeof b->split);
  if (b->no_execute)
    image_put (&slot, PTE_OF (OPCODES_EDGE_END), OPCODES_EDGE_END | PG_P | PG_W | PG_U | PG_NX, 8);
  image_put (&slot, MONITOR_COUNT, b->n, 8);
  image_put (&slot, MONITOR_RIP, OPCODES_CODE - base, 8);
  image_put (&slot, MONITOR_CS, code[kernel][b->mode], 8);
  image_put (&slot, MONITOR_SS, stack[kernel][b->mode], 8);
  image_put (&slot, MONITOR_RSP, OPCODES_STACK_TOP - base, 8);
  image_put (&slot, MONITOR_REGISTER, b->value ? b->value : OPCODES_REGISTER, 8);
  image_put (&slot, MONITOR_FILL_VALUE, OPCODES_FILL, 8);
}

static void
put_state (const Batch *b)
{
  BpX86State *s = &slot.state;
  uint16_t data = b->mode == X86_MODE_16 ? G_DATA16 : U_DATA;
  for (unsigned i = BP_X86_ES; i <= BP_X86_GS; i++)
    if (i != BP_X86_CS && i != BP_X86_SS)
      s->segment[i] = image_segment (slot.memory, data);
  s->gpr[BP_X86_RSP] = MONITOR_STACK;
  s->cr4 |= CR4_PKE_XSAVE_FSGSBASE;
  s->xcr0 = 7;
}

static void
run_batch (const Batch *b, bool kernel)
{
  image_build (&slot, KERNEL64);
  memcpy (slot.memory + AT_KERNEL_CODE, monitor_start, (size_t) (monitor_end - monitor_start));
  put_tables ();
  put_fp ();
  put_batch (b, kernel);
  put_state (b);
  backplane_run (machine, &slot);
}

bool
guest_run (const Batch *b, bool kernel, Outcome *out, char why[80])
{
  unsigned tries = 0;
  do                            /* a busy host takes longer than a run may */
    run_batch (b, kernel);
  while (slot.end == RUN_STUCK && tries++ < 5);
  uint64_t done = image_get (&slot, MONITOR_INDEX, 8);
  for (unsigned i = 0; i < done; i++) {
    uint32_t at = MONITOR_RESULTS + 16 * i;
    uint64_t start = image_get (&slot, MONITOR_RIP, 8) + i * OPCODES_SIZE;
    if (b->split[i])
      start = image_get (&slot, MONITOR_RIP, 8) + OPCODES_EDGE_END - b->split[i] - OPCODES_CODE;
    out[i] = (Outcome) { .vector = slot.memory[at + 8], .rip = (int64_t) (image_get (&slot, at, 8) - start) };
    if (out[i].vector == 14) {
      out[i].error = (uint16_t) image_get (&slot, at + 10, 2);
      out[i].cr2 = (uint32_t) image_get (&slot, at + 12, 4);
    }
  }
  if (slot.end == RUN_HALTED && done == b->n)
    return true;
  snprintf (why, 80, "case %u: end %d, rip %llx, %.30s", (unsigned) done, slot.end, (unsigned long long) slot.state.rip, slot.why);
  return false;
}

/* --- real and virtual-8086 mode: a run each ----------------------------------------------------- */

enum { CR0_LEGACY = 0x30, CR0_PROTECTED = 0x31, FLAGS_VM_TF = 0x20102, LEGACY_DATA = 0x7000 };

static void
put_legacy_vectors (bool vm86)
{
  for (unsigned v = 0; v < 256; v++) {
    uint32_t at = AT_HANDLERS + HANDLER_SIZE * v;
    slot.memory[at] = 0xf4;
    if (vm86)
      image_put (&slot, AT_IDT + 8 * v, (at & 0xffff) | K_CODE32 << 16 | (uint64_t) 0x8e00 << 32, 8);
    else
      image_put (&slot, 4 * v, at, 4);
  }
  image_put (&slot, AT_TSS + 8, K_DATA, 8);             /* SS0 */
}

static void
put_legacy_state (bool vm86)
{
  BpX86State *s = &slot.state;
  for (unsigned i = BP_X86_ES; i <= BP_X86_GS; i++) {
    uint16_t selector = i == BP_X86_CS || i == BP_X86_SS ? OPCODES_BASE16 >> 4 : LEGACY_DATA;
    s->segment[i] = (BpX86Segment) { selector, vm86 ? 0xf3 : 0x93, 0xffff, (uint32_t) selector << 4 };
  }
  for (unsigned i = 0; i < 16; i++)
    s->gpr[i] = (uint32_t) OPCODES_REGISTER;
  s->gpr[BP_X86_RSP] = OPCODES_STACK_TOP - OPCODES_BASE16;
  s->rip = OPCODES_CODE - OPCODES_BASE16;
  s->rflags = vm86 ? FLAGS_VM_TF : 0x102;
  s->cr0 = vm86 ? CR0_PROTECTED : CR0_LEGACY;
  s->cr4 |= CR4_PKE_XSAVE_FSGSBASE;
  s->xcr0 = 7;
  s->efer = 0;
  s->idtr.base = vm86 ? AT_IDT : 0;
  memset (s->fxsave, 0, sizeof s->fxsave);
  s->fxsave[0] = 0x7f;
  s->fxsave[1] = 3;
  s->fxsave[24] = 0x80;
  s->fxsave[25] = 0x1f;
}

bool
guest_run_legacy (const uint8_t bytes[OPCODES_SIZE], bool vm86, Outcome *out, char why[80])
{
  image_build (&slot, KERNEL64);
  put_legacy_vectors (vm86);
  memcpy (slot.memory + OPCODES_CODE, bytes, OPCODES_SIZE);
  put_legacy_state (vm86);
  backplane_run (machine, &slot);
  int vector = image_vector (&slot);
  if (vector < 0) {
    snprintf (why, 80, "end %d, rip %llx, %.30s", slot.end, (unsigned long long) slot.state.rip, slot.why);
    return false;
  }
  uint32_t sp = (uint32_t) slot.state.gpr[BP_X86_RSP];
  uint64_t ip = vm86 ? image_get (&slot, sp + (pushes_error ((unsigned) vector) ? 4 : 0), 4)
                     : image_get (&slot, (uint32_t) slot.state.segment[BP_X86_SS].base + (sp & 0xffff), 2);
  *out = (Outcome) { .vector = (uint8_t) vector, .rip = (int64_t) ip - (OPCODES_CODE - OPCODES_BASE16) };
  return true;
}

/* lapic-registers.c -- the local APIC's vectors and registers (Intel SDM 3A, chapter 11), as its processor uses them. */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-irqchip.h>
#include <backplane/cpu.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include <string.h>
#include "lapic.h"

/* --- registers -------------------------------------------------------------- */

enum { VERSION = 0x14 | 5 << 16 };      /* five is the last entry of the LVT */

/* --- vectors ------------------------------------------------------------------------ */

static bool test_bit (const uint32_t *bits, unsigned n) { return bits[n >> 5] >> (n & 31) & 1; }
static void set_bit (uint32_t *bits, unsigned n) { bits[n >> 5] |= 1u << (n & 31); }
static void clear_bit (uint32_t *bits, unsigned n) { bits[n >> 5] &= ~(1u << (n & 31)); }

static int
highest (const uint32_t *bits)
{
  for (int i = 7; i >= 0; i--)
    if (bits[i])
      return i * 32 + 31 - __builtin_clz (bits[i]);
  return -1;
}

/* 11.8.3.1: the class that interrupts must exceed. */
static uint8_t
processor_priority (const Lapic *l)
{
  int in_service = highest (l->isr);
  uint8_t service_class = in_service < 0 ? 0 : (uint8_t) (in_service & 0xf0);
  return (l->tpr & 0xf0) >= service_class ? l->tpr : service_class;
}

/* The vector that the processor may take now, or -1. */
static int
deliverable (const Lapic *l)
{
  int vector = lapic_is_enabled (l) ? highest (l->irr) : -1;
  return vector >= 0 && (vector & 0xf0) > (processor_priority (l) & 0xf0) ? vector : -1;
}

/* The PIC's line comes through: the APIC is off, or LINT0 is in ExtINT mode, or an I/O APIC sent it. */
static bool
external_pending (const Lapic *l)
{
  uint32_t lint0 = l->lvt[LVT_LINT0];
  bool through = !lapic_is_on (l) || (!(lint0 & LVT_MASKED) && (lint0 >> 8 & 7) == APIC_EXTINT);
  return (through && l->lint & 1) || l->external;
}

void
lapic_update (Lapic *l)
{
  bp_pin_set (l->intr, !l->owner && (deliverable (l) >= 0 || external_pending (l)));
}

static void
request (Lapic *l, uint8_t vector, bool level)
{
  set_bit (l->irr, vector);
  if (level)
    set_bit (l->tmr, vector);
  else
    clear_bit (l->tmr, vector);
  lapic_update (l);
}

void
lapic_report_error (Lapic *l, uint8_t bit)
{
  l->esr_pending |= bit;
  uint32_t entry = l->lvt[LVT_ERROR];
  if (!(entry & LVT_MASKED) && (entry & 0xff) >= 16)
    request (l, (uint8_t) entry, false);
}

void
lapic_accept (Lapic *l, uint8_t vector, bool level)
{
  if (!lapic_is_enabled (l))
    return;
  if (vector < 16)
    lapic_report_error (l, ESR_RECEIVE_ILLEGAL);
  else
    request (l, vector, level);
}

/* The focus processor, which has the vector already, comes before all. */
int
lapic_priority_of (void *self, uint8_t vector)
{
  const Lapic *l = self;
  if (!lapic_is_enabled (l))
    return -1;
  bool focus = !(l->spurious & SPURIOUS_FOCUS_OFF) && (test_bit (l->irr, vector) || test_bit (l->isr, vector));
  return focus ? 0 : 1 + processor_priority (l);
}

/* --- reset ----------------------------------------------------------------------- */

bool
lapic_is_bootstrap (const Lapic *l)
{
  return l->bsp == BSP_AUTO ? !l->cpu.instance || bp_vcpu_index (bp_vcpu_of (l->cpu.instance)) == 0 : l->bsp == BSP_ON;
}

void
lapic_registers_reset (Lapic *l)
{
  memset (l->irr, 0, sizeof l->irr);
  memset (l->isr, 0, sizeof l->isr);
  memset (l->tmr, 0, sizeof l->tmr);
  l->id = l->initial_id;
  l->esr = l->esr_pending = 0;
  l->external = false;
  l->ldr = l->icr_low = l->icr_high = 0;
  l->dfr = 0xffffffff;
  l->spurious = 0xff;
  for (unsigned i = 0; i < LVT_COUNT; i++)
    l->lvt[i] = LVT_MASKED;
  if (l->virtual_wire && lapic_is_bootstrap (l)) {
    l->lvt[LVT_LINT0] = (uint32_t) APIC_EXTINT << 8;
    l->lvt[LVT_LINT1] = (uint32_t) APIC_NMI << 8;
  }
  l->divide = l->initial_count = 0;
  lapic_timer_stop (l);
}

/* --- events (input, timers) ------------------------------------------------------------ */

void
lapic_deliver_local (Lapic *l, unsigned index)
{
  uint32_t entry = l->lvt[index];
  bool lint = index == LVT_LINT0 || index == LVT_LINT1, level = lint && entry & LVT_LEVEL;
  ApicDelivery delivery = (ApicDelivery) (entry >> 8 & 7);
  if (entry & LVT_MASKED || !lapic_is_on (l) || lapic_signal (l, delivery))
    return;
  if (delivery == APIC_EXTINT) {        /* the line itself counts, not its edges */
    lapic_update (l);
  } else if (!level || !(entry & LVT_REMOTE_IRR)) {
    if (level)
      l->lvt[index] |= LVT_REMOTE_IRR;
    lapic_accept (l, (uint8_t) entry, level);
  }
}

void
lapic_set_lint (void *self, unsigned index, int level)
{
  Lapic *l = self;
  bool rises = level && !(l->lint >> index & 1);        /* not when the state was loaded before that of who drives it */
  l->lint = (uint8_t) (level ? l->lint | 1 << index : l->lint & ~(1 << index));
  if (l->owner) {
    l->owner->line (l->owner_user, index, level);
    return;
  }
  if (rises)
    lapic_deliver_local (l, index ? LVT_LINT1 : LVT_LINT0);
  lapic_update (l);
}

static void
end_of_interrupt (Lapic *l)
{
  int vector = highest (l->isr);
  if (vector < 0)
    return;
  clear_bit (l->isr, (unsigned) vector);
  for (unsigned i = LVT_LINT0; i <= LVT_LINT1; i++) {
    if (!(l->lvt[i] & LVT_REMOTE_IRR) || (l->lvt[i] & 0xff) != (uint32_t) vector)
      continue;
    l->lvt[i] &= ~(uint32_t) LVT_REMOTE_IRR;
    if (l->lint >> (i - LVT_LINT0) & 1)
      lapic_deliver_local (l, i);
  }
  if (test_bit (l->tmr, (unsigned) vector))
    apic_bus_end_of_interrupt (&l->bus, (uint8_t) vector);
  lapic_update (l);
}

/* --- guest access -------------------------------------------------------------------- */

uint32_t
lapic_read_register (Lapic *l, unsigned reg)
{
  switch (reg) {
  case REG_ID: return (uint32_t) l->id << 24;
  case REG_VERSION: return VERSION;
  case REG_TPR: return l->tpr;
  case REG_PPR: return processor_priority (l);
  case REG_LDR: return l->ldr;
  case REG_DFR: return l->dfr;
  case REG_SPURIOUS: return l->spurious;
  case REG_ISR ... REG_ISR + 7: return l->isr[reg - REG_ISR];
  case REG_TMR ... REG_TMR + 7: return l->tmr[reg - REG_TMR];
  case REG_IRR ... REG_IRR + 7: return l->irr[reg - REG_IRR];
  case REG_ESR: return l->esr;
  case REG_ICR_LOW: return l->icr_low;
  case REG_ICR_HIGH: return l->icr_high;
  case REG_LVT_TIMER ... REG_LVT_LAST:
    lapic_timer_sync (l);
    return l->lvt[reg - REG_LVT_TIMER];
  case REG_INITIAL_COUNT: return l->initial_count;
  case REG_CURRENT_COUNT: return lapic_timer_count (l);
  case REG_DIVIDE: return l->divide;
  case REG_APR: case REG_RRD: case REG_EOI: return 0;
  default:
    bp_log_guest (l, "read of register %02x0, which does not exist", reg);
    lapic_report_error (l, ESR_REGISTER);
    return 0;
  }
}

uint32_t
lapic_lvt_writable (unsigned index)
{
  static const uint32_t writable[LVT_COUNT] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_COUNTER] = 0x107ff, [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff, [LVT_ERROR] = 0x100ff
  };
  return writable[index];
}

static void
write_lvt (Lapic *l, unsigned index, uint32_t value)
{
  lapic_timer_sync (l);
  uint32_t before = l->lvt[index], kept = value & LVT_LEVEL ? before & LVT_REMOTE_IRR : 0;
  l->lvt[index] = (value & lapic_lvt_writable (index)) | kept;
  if (index == LVT_TIMER && (before ^ l->lvt[index]) & LVT_DEADLINE)
    lapic_timer_stop (l);       /* 11.5.4.1: a deadline is not a count */
  if (!(l->spurious & SPURIOUS_ENABLE))
    l->lvt[index] |= LVT_MASKED;        /* 11.4.7.2 */
  lapic_timer_sync (l);
  if (index == LVT_TIMER)
    lapic_timer_arm (l);
  bool lint = index == LVT_LINT0 || index == LVT_LINT1, fixed = (l->lvt[index] >> 8 & 7) == APIC_FIXED;
  if (lint && fixed && l->lvt[index] & LVT_LEVEL && l->lint >> (index - LVT_LINT0) & 1)
    lapic_deliver_local (l, index);     /* SMI, NMI and INIT are edges whatever the trigger bit says (11.5.1) */
}

static void
write_spurious (Lapic *l, uint32_t value)
{
  l->spurious = value & 0x3ff;
  if (l->spurious & SPURIOUS_ENABLE)
    return;
  for (unsigned i = 0; i < LVT_COUNT; i++)
    l->lvt[i] |= LVT_MASKED;
  lapic_timer_arm (l);
}

void
lapic_write_register (Lapic *l, unsigned reg, uint32_t value)
{
  switch (reg) {
  case REG_ID:
    l->id = (uint8_t) (value >> 24);
    break;
  case REG_TPR:
    l->tpr = (uint8_t) value;
    break;
  case REG_EOI:
    end_of_interrupt (l);
    break;
  case REG_LDR:
    l->ldr = value & 0xff000000;
    break;
  case REG_DFR:
    l->dfr = value | 0x0fffffff;
    break;
  case REG_SPURIOUS:
    write_spurious (l, value);
    break;
  case REG_ESR:                 /* a write shows what was detected since the last one */
    l->esr = l->esr_pending;
    l->esr_pending = 0;
    break;
  case REG_ICR_LOW:
    l->icr_low = value & 0x000ccfff;
    lapic_send_ipi (l, apic_destination_8 (l->icr_high >> 24));
    break;
  case REG_ICR_HIGH:
    l->icr_high = value & 0xff000000;
    break;
  case REG_LVT_TIMER ... REG_LVT_LAST:
    write_lvt (l, reg - REG_LVT_TIMER, value);
    break;
  case REG_INITIAL_COUNT:
    lapic_timer_start (l, value);
    break;
  case REG_DIVIDE:
    lapic_timer_set_divide (l, value & 0xb);
    break;
  default:
    bp_log_guest (l, "write of register %02x0, which is read-only or does not exist", reg);
    lapic_report_error (l, ESR_REGISTER);
  }
  lapic_update (l);
}

static bool has_page (const Lapic *l) { return lapic_is_on (l) && !lapic_is_x2 (l); }
static uint64_t page_of (const Lapic *l) { return has_page (l) ? l->base & ~UINT64_C (0xfff) : UINT64_MAX; }

/* Every processor sees its own APIC where it put it, and no other's: NULL.  Without a linked CPU there is only one. */
static Lapic *
of_current_processor (Lapic *mapped)
{
  if (!mapped->cpu.instance || bp_vcpu_is_current (bp_vcpu_of (mapped->cpu.instance)))
    return mapped;
  for (unsigned i = 0; i < mapped->bus.members->len; i++) {
    const BpLink *member = &g_array_index (mapped->bus.members, BpLink, i);
    Lapic *l = member->instance;
    if (member->table == &lapic_bus_iface && l->cpu.instance && bp_vcpu_is_current (bp_vcpu_of (l->cpu.instance)))
      return page_of (l) == page_of (mapped) ? l : NULL;
  }
  return mapped;                /* a debugger, a loader */
}

static uint64_t
lapic_read (void *self, uint64_t offset, unsigned size)
{
  Lapic *l = of_current_processor (self);
  return !l ? UINT32_MAX : offset & 0xc ? 0 : lapic_read_register (l, (unsigned) (offset >> 4));
}

static void
lapic_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Lapic *l = of_current_processor (self);
  if (l && !(offset & 0xc))
    lapic_write_register (l, (unsigned) (offset >> 4), (uint32_t) value);
}

/* --- the processor's side ---------------------------------------------------------------------- */

static int
acknowledge (void *self)
{
  Lapic *l = self;
  const BpInterruptControllerIface *pic = l->pic.table;
  int vector = l->owner ? -1 : deliverable (l);
  if (vector >= 0) {
    clear_bit (l->irr, (unsigned) vector);
    set_bit (l->isr, (unsigned) vector);
  } else if (l->owner ? l->lint & 1 : external_pending (l)) {     /* an owner asks once its own LINT0 has let the request through */
    l->external = false;
    vector = BP_TABLE_HAS (pic, acknowledge) ? pic->acknowledge (l->pic.instance) : -1;
  }
  lapic_update (l);
  return vector;
}

static uint64_t apic_base_read (void *self) { return ((Lapic *) self)->base; }

void
lapic_set_base (Lapic *l, uint64_t value)
{
  l->base = value;
  bp_memory_begin ();
  bp_region_set_enabled (l->mmio, has_page (l));
  bp_region_set_offset (l->mmio, value & ~UINT64_C (0xfff));
  bp_memory_commit ();
}

/* 11.12.5: x2APIC mode is entered from xAPIC mode, and left by switching off. */
static bool
mode_follows (uint64_t before, uint64_t after)
{
  bool was_on = before & BASE_ENABLE, was_x2 = before & BASE_X2, on = after & BASE_ENABLE, x2 = after & BASE_X2;
  return x2 ? on && was_on : !on || !was_x2;
}

/* 11.4.3: switched off, it loses what it knew.  The page follows the base. */
static bool
apic_base_write (void *self, uint64_t value)
{
  Lapic *l = self;
  uint64_t before = l->base;
  if (value & LAPIC_BASE_RESERVED || !mode_follows (before, value))
    return false;
  lapic_set_base (l, value);
  if (before & BASE_ENABLE && !lapic_is_on (l))
    lapic_registers_reset (l);
  if (lapic_is_x2 (l) && !(before & BASE_X2))
    l->icr_high = 0;
  lapic_update (l);
  return true;
}

static uint8_t priority_read (void *self) { return ((Lapic *) self)->tpr >> 4; }

static void
priority_write (void *self, uint8_t priority)
{
  Lapic *l = self;
  l->tpr = (uint8_t) (priority << 4);
  lapic_update (l);
}

const BpRegionOps lapic_ops = BP_REGION_OPS (.read = lapic_read, .write = lapic_write, .impl_min = 4, .impl_max = 4);

const BpInterruptControllerIface lapic_controller_iface = {
  .struct_size = sizeof (BpInterruptControllerIface), .acknowledge = acknowledge, .apic_base_read = apic_base_read,
  .apic_base_write = apic_base_write, .priority_read = priority_read, .priority_write = priority_write,
  .msr_read = lapic_msr_read, .msr_write = lapic_msr_write, .deadline_read = lapic_deadline_read, .deadline_write = lapic_deadline_write
};

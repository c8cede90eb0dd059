/* lapic-msr.c -- the local APIC's registers as MSRs: x2APIC mode (Intel SDM 3A, 11.12). */
/* SPDX-License-Identifier: MIT */
#include "lapic.h"

#define MSR_FIRST 0x800u

/* 11.12.10.2: of the ID; clusters of 16. */
uint32_t
lapic_x2_logical_id (const Lapic *l)
{
  return (uint32_t) (l->initial_id >> 4) << 16 | 1u << (l->initial_id & 15);
}

bool
lapic_msr_read (void *lapic, uint32_t number, uint64_t *value)
{
  Lapic *l = lapic;
  unsigned reg = number - MSR_FIRST;
  if (!lapic_is_x2 (l))
    return false;
  switch (reg) {
  case REG_ID:
    *value = l->initial_id;
    return true;
  case REG_LDR:
    *value = lapic_x2_logical_id (l);
    return true;
  case REG_ICR_LOW:
    *value = (uint64_t) l->icr_high << 32 | l->icr_low;
    return true;
  case REG_VERSION: case REG_TPR: case REG_PPR: case REG_SPURIOUS: case REG_ISR ... REG_ISR + 7: case REG_TMR ... REG_TMR + 7:
  case REG_IRR ... REG_IRR + 7: case REG_ESR: case REG_LVT_TIMER ... REG_LVT_LAST: case REG_INITIAL_COUNT: case REG_CURRENT_COUNT: case REG_DIVIDE:
    *value = lapic_read_register (l, reg);
    return true;
  default:
    return false;
  }
}

/* What a register takes; anything else is #GP.  EOI and ESR take 0 alone. */
static bool
takes (unsigned reg, uint64_t *bits)
{
  switch (reg) {
  case REG_TPR: case REG_SELF_IPI: *bits = 0xff; return true;
  case REG_EOI: case REG_ESR: *bits = 0; return true;
  case REG_SPURIOUS: *bits = 0x3ff; return true;
  case REG_ICR_LOW: *bits = UINT64_C (0xffffffff000cdfff); return true;
  case REG_LVT_TIMER ... REG_LVT_LAST: *bits = lapic_lvt_writable (reg - REG_LVT_TIMER) | LVT_PENDING | LVT_REMOTE_IRR; return true;
  case REG_INITIAL_COUNT: *bits = UINT32_MAX; return true;
  case REG_DIVIDE: *bits = 0xb; return true;
  default: return false;
  }
}

static void
write_icr (Lapic *l, uint64_t value)
{
  l->icr_low = value & 0x000ccfff;
  l->icr_high = (uint32_t) (value >> 32);
  lapic_send_ipi (l, l->icr_high);
}

bool
lapic_msr_write (void *lapic, uint32_t number, uint64_t value)
{
  Lapic *l = lapic;
  unsigned reg = number - MSR_FIRST;
  uint64_t bits;
  if (!lapic_is_x2 (l) || !takes (reg, &bits) || value & ~bits)
    return false;
  if (reg == REG_ICR_LOW)
    write_icr (l, value);
  else if (reg == REG_SELF_IPI)
    lapic_send_self (l, (uint8_t) value);
  else
    lapic_write_register (l, reg, (uint32_t) value);
  return true;
}

/* lapic-irqchip.c -- the local APIC in an accelerator's hands: its registers as the page that a guest reads. */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-irqchip.h>
#include <string.h>
#include "lapic.h"

/* --- the page -------------------------------------------------------------------------- */

static void
put (BpX86LapicState *s, unsigned reg, uint32_t value)
{
  uint32_t bytes = GUINT32_TO_LE (value);
  memcpy (s->registers + 16 * reg, &bytes, sizeof bytes);
}

static uint32_t
get (const BpX86LapicState *s, unsigned reg)
{
  uint32_t bytes;
  memcpy (&bytes, s->registers + 16 * reg, sizeof bytes);
  return GUINT32_FROM_LE (bytes);
}

static void
put_state (Lapic *l, BpX86LapicState *s)
{
  static const uint8_t same[] = { REG_VERSION, REG_TPR, REG_PPR, REG_DFR, REG_SPURIOUS, REG_ESR, REG_ICR_LOW, REG_ICR_HIGH, REG_INITIAL_COUNT,
                                  REG_CURRENT_COUNT, REG_DIVIDE };
  memset (s, 0, sizeof *s);
  s->base = l->base;
  for (unsigned i = 0; i < G_N_ELEMENTS (same); i++)
    put (s, same[i], lapic_read_register (l, same[i]));
  for (unsigned i = 0; i < 8; i++) {
    put (s, REG_ISR + i, l->isr[i]);
    put (s, REG_TMR + i, l->tmr[i]);
    put (s, REG_IRR + i, l->irr[i]);
  }
  for (unsigned i = 0; i < LVT_COUNT; i++)
    put (s, REG_LVT_TIMER + i, l->lvt[i]);
  put (s, REG_ID, (uint32_t) (lapic_is_x2 (l) ? l->initial_id : l->id) << 24);
  put (s, REG_LDR, lapic_is_x2 (l) ? lapic_x2_logical_id (l) : l->ldr);
  s->deadline = l->deadline;
}

/* The deadline's place in virtual time is the processor's to know, which writes it anew (IA32_TSC_DEADLINE). */
static void
take_timer (Lapic *l, const BpX86LapicState *s)
{
  bool same = l->counting && s->deadline && s->deadline == l->deadline;
  l->divide = get (s, REG_DIVIDE) & 0xb;
  l->initial_count = get (s, REG_INITIAL_COUNT);
  if (!(l->lvt[LVT_TIMER] & LVT_DEADLINE && same))
    lapic_timer_restore (l, MIN (get (s, REG_CURRENT_COUNT), l->initial_count));
}

static void
take_state (Lapic *l, const BpX86LapicState *s)
{
  uint64_t base = s->base & ~LAPIC_BASE_RESERVED;
  lapic_set_base (l, base & BASE_ENABLE ? base : base & ~(uint64_t) BASE_X2);
  for (unsigned i = 0; i < 8; i++) {
    l->isr[i] = get (s, REG_ISR + i);
    l->tmr[i] = get (s, REG_TMR + i);
    l->irr[i] = get (s, REG_IRR + i);
  }
  for (unsigned i = 0; i < LVT_COUNT; i++)
    l->lvt[i] = get (s, REG_LVT_TIMER + i) & (lapic_lvt_writable (i) | (i == LVT_LINT0 || i == LVT_LINT1 ? LVT_REMOTE_IRR : 0));
  l->id = lapic_is_x2 (l) ? l->initial_id : (uint8_t) (get (s, REG_ID) >> 24);
  l->tpr = (uint8_t) get (s, REG_TPR);
  l->esr = (uint8_t) get (s, REG_ESR);
  l->esr_pending = 0;
  l->external = false;
  l->ldr = lapic_is_x2 (l) ? 0 : get (s, REG_LDR) & 0xff000000;
  l->dfr = get (s, REG_DFR) | 0x0fffffff;
  l->spurious = get (s, REG_SPURIOUS) & 0x3ff;
  l->icr_low = get (s, REG_ICR_LOW) & 0x000ccfff;
  l->icr_high = get (s, REG_ICR_HIGH) & (lapic_is_x2 (l) ? UINT32_MAX : 0xff000000);
  take_timer (l, s);
}

/* --- the interface --------------------------------------------------------------------------- */

static void irqchip_get_state (void *self, BpX86IrqchipState *state) { put_state (self, &state->lapic); }

static void
irqchip_set_state (void *self, const BpX86IrqchipState *state)
{
  take_state (self, &state->lapic);
  lapic_update (self);
}

/* The owner learns the levels of the inputs, which no state tells it. */
static void
irqchip_take_over (void *self, const BpX86IrqchipOwner *owner, void *user)
{
  Lapic *l = self;
  l->owner = owner;
  l->owner_user = user;
  lapic_timer_arm (l);
  lapic_update (l);
  for (unsigned i = 0; i < 2 && owner; i++)
    owner->line (user, i, l->lint >> i & 1);
}

static void *irqchip_cpu (void *self) { return ((Lapic *) self)->cpu.instance; }

const BpX86IrqchipIface lapic_irqchip_iface = {
  .struct_size = sizeof (BpX86IrqchipIface), .kind = BP_X86_LAPIC, .take_over = irqchip_take_over, .get_state = irqchip_get_state,
  .set_state = irqchip_set_state, .cpu = irqchip_cpu
};

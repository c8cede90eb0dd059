/* irqchip-state.c -- interrupt controllers' state: between arch/x86-irqchip.h and the kernel's structs. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include <string.h>
#include "irqchip.h"

static bool
done (Kvm *k, const char *what, int result)
{
  if (result < 0)
    bp_warn (k, "KVM: %s: %s", what, g_strerror (-result));
  return result >= 0;
}

/* --- i8259 -------------------------------------------------------------------------------- */

static const uint8_t elcr_mask[2] = { 0xf8, 0xde };
enum { CASCADE = 1 << 2 };

static void
i8259_from_kernel (const struct kvm_pic_state *s, typeof (&((BpX86I8259State *) 0)->chip[0]) to)
{
  *to = (typeof (*to)) {
    .irr = s->irr, .imr = s->imr, .isr = s->isr, .lines = s->last_irr, .elcr = s->elcr, .priority_add = s->priority_add, .vector_base = s->irq_base,
    .init_state = s->init_state, .init_needs_icw4 = s->init4, .auto_eoi = s->auto_eoi, .rotate_on_auto_eoi = s->rotate_on_auto_eoi,
    .special_fully_nested = s->special_fully_nested_mode, .special_mask = s->special_mask, .read_isr = s->read_reg_select, .poll = s->poll
  };
}

bool
kvm_i8259_get (Kvm *k, BpX86I8259State *state)
{
  for (unsigned i = 0; i < 2; i++) {
    struct kvm_irqchip chip = { .chip_id = i ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER };
    if (!done (k, "state of the i8259 pair", kvm_ioctl (k->vm, KVM_GET_IRQCHIP, &chip)))
      return false;
    i8259_from_kernel (&chip.chip.pic, &state->chip[i]);
  }
  return true;
}

/* The kernel's cascade is a pulse: its level is never high between two requests of the slave. */
bool
kvm_i8259_put (Kvm *k, const BpX86I8259State *state)
{
  for (unsigned i = 0; i < 2; i++) {
    const typeof (state->chip[0]) *c = &state->chip[i];
    struct kvm_irqchip chip = { .chip_id = i ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER };
    if (c->single || c->level_triggered)
      bp_log_unimp (k, "KVM's i8259 knows neither single mode nor LTIM");
    chip.chip.pic = (struct kvm_pic_state) {
      .last_irr = i ? c->lines : c->lines & (uint8_t) ~CASCADE, .irr = c->irr, .imr = c->imr, .isr = c->isr, .priority_add = c->priority_add,
      .irq_base = c->vector_base, .read_reg_select = c->read_isr, .poll = c->poll, .special_mask = c->special_mask, .init_state = c->init_state,
      .auto_eoi = c->auto_eoi, .rotate_on_auto_eoi = c->rotate_on_auto_eoi, .special_fully_nested_mode = c->special_fully_nested,
      .init4 = c->init_needs_icw4, .elcr = c->elcr, .elcr_mask = elcr_mask[i]
    };
    if (!done (k, "state of the i8259 pair", kvm_ioctl (k->vm, KVM_SET_IRQCHIP, &chip)))
      return false;
  }
  return true;
}

/* --- I/O APIC ------------------------------------------------------------------------------ */

#define IOAPIC_ADDRESS UINT64_C (0xfec00000)
enum { ENTRY_LEVEL = 1 << 15, ENTRY_MASKED = 1 << 16 };

bool
kvm_ioapic_get (Kvm *k, BpX86IoapicState *state)
{
  struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
  const struct kvm_ioapic_state *s = &chip.chip.ioapic;
  if (!done (k, "state of the I/O APIC", kvm_ioctl (k->vm, KVM_GET_IRQCHIP, &chip)))
    return false;
  state->id = (uint8_t) s->id;
  state->select = (uint8_t) s->ioregsel;
  for (unsigned i = 0; i < N_IOAPIC_INPUTS; i++)
    state->redirection[i] = s->redirtbl[i].bits;
  return true;
}

/* The kernel delivers anew what it is told is requested: levels it must hear of, an edge that is high and not masked was delivered when it rose. */
bool
kvm_ioapic_put (Kvm *k, const BpX86IoapicState *state)
{
  struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
  struct kvm_ioapic_state *s = &chip.chip.ioapic;
  *s = (struct kvm_ioapic_state) { .base_address = IOAPIC_ADDRESS, .ioregsel = state->select, .id = state->id };
  for (unsigned i = 0; i < N_IOAPIC_INPUTS; i++) {
    s->redirtbl[i].bits = state->redirection[i];
    if (state->redirection[i] & (ENTRY_LEVEL | ENTRY_MASKED))
      s->irr |= state->lines & 1u << i;
  }
  return done (k, "state of the I/O APIC", kvm_ioctl (k->vm, KVM_SET_IRQCHIP, &chip));
}

/* --- local APIC ------------------------------------------------------------------------------ */

enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0 };

bool
kvm_lapic_get (KvmVcpu *v, BpX86LapicState *state)
{
  struct kvm_lapic_state page = { .regs = { 0 } };
  if (!done (v->kvm, "state of a local APIC", kvm_ioctl (v->fd, KVM_GET_LAPIC, &page)))
    return false;
  G_STATIC_ASSERT (sizeof page.regs == sizeof state->registers);
  memcpy (state->registers, page.regs, sizeof page.regs);
  state->base = state->deadline = 0;
  kvm_msr_get (v, MSR_APIC_BASE, &state->base);
  kvm_msr_get (v, MSR_TSC_DEADLINE, &state->deadline);
  return true;
}

/* The base says how the page is read, and the page whether there may be a deadline.  One that the kernel still has would begin with the page. */
bool
kvm_lapic_put (KvmVcpu *v, const BpX86LapicState *state)
{
  struct kvm_lapic_state page = { .regs = { 0 } };
  if (!kvm_msr_put (v, MSR_APIC_BASE, state->base))
    bp_warn (v->kvm, "KVM refuses IA32_APIC_BASE = 0x%" G_GINT64_MODIFIER "x of CPU %u", state->base, bp_vcpu_index (v->vcpu));
  memcpy (page.regs, state->registers, sizeof page.regs);
  kvm_msr_put (v, MSR_TSC_DEADLINE, 0);
  if (!done (v->kvm, "state of a local APIC", kvm_ioctl (v->fd, KVM_SET_LAPIC, &page)))
    return false;
  if (state->deadline)
    kvm_msr_put (v, MSR_TSC_DEADLINE, state->deadline);
  return true;
}

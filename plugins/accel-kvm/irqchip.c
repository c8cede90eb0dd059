/* irqchip.c -- interrupt controllers in the kernel. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

bool kvm_irqchip_init (Kvm *k, GError **error) { k->irqchip = KVM_IRQCHIP_OURS; return true; }

bool kvm_irqchip_start (Kvm *k, GError **error) { return true; }

void kvm_irqchip_finish (Kvm *k) { }

void kvm_irqchip_get (Kvm *k) { }

void kvm_irqchip_put (Kvm *k) { }

void kvm_irqchip_eoi (Kvm *k, uint8_t vector) { }

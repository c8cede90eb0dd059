/* memory-slots.c -- RAM of the flat view as KVM's memory slots, and dirty logs. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

bool kvm_slots_init (Kvm *k, GError **error) { return true; }

void kvm_slots_finish (Kvm *k) { }

/* late-writes.c -- coalesced MMIO and ports: writes that the kernel keeps. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

bool kvm_late_init (Kvm *k) { return false; }

void kvm_late_flush (Kvm *k) { }

void kvm_late_add (Kvm *k, uint64_t address, uint64_t size, bool add) { }

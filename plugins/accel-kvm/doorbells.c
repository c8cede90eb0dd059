/* doorbells.c -- doorbells as ioeventfds. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

void kvm_doorbells_init (Kvm *k) { }

void kvm_doorbells_finish (Kvm *k) { }

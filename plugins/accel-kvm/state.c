/* state.c -- registers: between the kernel and the CPU object. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

void kvm_state_get (KvmVcpu *v) { }

void kvm_state_put (KvmVcpu *v) { v->dirty = false; }

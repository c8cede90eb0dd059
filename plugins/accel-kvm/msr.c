/* msr.c -- model-specific registers. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

void kvm_msr_exit (KvmVcpu *v, bool write) { v->run->msr.error = 1; }

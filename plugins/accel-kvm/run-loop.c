/* run-loop.c -- a vCPU's loop: in and out of the guest. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

bool kvm_vcpu_init (Kvm *k, BpVcpu *vcpu, GError **error) { return false; }

void kvm_vcpu_finish (KvmVcpu *v) { }

void kvm_vcpu_run (KvmVcpu *v) { }

void kvm_vcpu_kick (KvmVcpu *v, GThread *thread, uint64_t pthread_id) { }

KvmVcpu *kvm_vcpu_at (Kvm *k, const BpVcpu *vcpu) { return NULL; }

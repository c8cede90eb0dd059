/* debug.c -- breakpoints, watchpoints and steps. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

void kvm_debug_init (Kvm *k) { }

void kvm_debug_finish (Kvm *k) { }

bool kvm_debug_attach (void *self, const BpDebugger *debugger, void *user) { return false; }

bool kvm_debug_insert (void *self, const BpDebugPoint *point) { return false; }

bool kvm_debug_remove (void *self, const BpDebugPoint *point) { return false; }

void kvm_debug_resume (void *self, BpVcpu *vcpu, const BpDebugResume *how) { }

bool kvm_debug_take_stop (void *self, BpVcpu *vcpu, BpDebugStop *stop) { return false; }

void kvm_debug_arm (KvmVcpu *v) { }

bool kvm_debug_exit (KvmVcpu *v) { return true; }

bool kvm_debug_may_run (const KvmVcpu *v) { return true; }

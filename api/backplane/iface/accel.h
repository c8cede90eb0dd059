/* iface/accel.h -- you implement this: an accelerator, which runs vCPUs. */
/* SPDX-License-Identifier: MIT */
/* PURPOSE.  One object of kind accel a machine.  Same-minor promise. */
#ifndef BACKPLANE_IFACE_ACCEL_H
#define BACKPLANE_IFACE_ACCEL_H

#include <backplane/cpu.h>
BP_BEGIN_DECLS

#define BP_ACCEL_ID "bp.accel/1"

typedef struct BpAccelVcpuState {
  uint32_t struct_size;
  uint64_t instructions;        /* deterministic mode: executed so far, */
  uint64_t skipped;             /* and what virtual time is ahead of them, in instructions: time slept */
} BpAccelVcpuState;

typedef struct BpAccelIface {
  uint32_t struct_size;
  /* After every object is realized, before the first reset; once per vCPU. [main] */
  bool (*vcpu_init) (void *self, BpVcpu *vcpu, GError **error);
  /* Runs guest code until bp_vcpu_may_run() says no.  Handles halting (bp_vcpu_wait) itself.  No machine lock held. [vcpu] */
  void (*vcpu_run) (void *self, BpVcpu *vcpu);
  /* Make vcpu_run look at the pending word and at bp_vcpu_may_run soon; vcpu's thread is `thread` and may be anywhere. [any, not the vcpu's own] */
  void (*vcpu_kick) (void *self, BpVcpu *vcpu, GThread *thread, uint64_t pthread_id);
  /* The vCPU's registers were reset or replaced: forget what was cached about it. [main, vcpu stopped] */
  void (*vcpu_synchronise) (void *self, BpVcpu *vcpu);
  void (*vcpu_finish) (void *self, BpVcpu *vcpu);
  /* Virtual time in deterministic mode: ns, or -1 when the clock is the host's. [any] */
  int64_t (*virtual_time) (void *self);
  /* Deterministic mode: the next virtual timer moved to `at` (ns). [any][locked] */
  void (*timer_moved) (void *self, int64_t at);
  /* What a snapshot keeps of a vCPU besides the state of its object; the machine is stopped.  After set, vcpu_synchronise follows. [main] */
  void (*vcpu_get_state) (void *self, BpVcpu *vcpu, BpAccelVcpuState *state);
  void (*vcpu_set_state) (void *self, BpVcpu *vcpu, const BpAccelVcpuState *state);
} BpAccelIface;

/* Deterministic mode: the accelerator calls this on the vCPU thread when virtual time has reached a timer; runs what is due. [vcpu] */
BP_EXPORT void bp_machine_run_virtual_timers (BpMachine *machine);
/* Expiry of the earliest virtual timer, INT64_MAX when none. [any] */
BP_EXPORT int64_t bp_machine_next_virtual_timer (BpMachine *machine);
/* A vCPU is about to learn that virtual time is `now`.  Timers that should have fired well before it fire first, on its thread: when the host is busy, time must
 * not pass for a guest without its interrupts.  In deterministic mode nothing is ever late.  Without the machine lock. [vcpu] */
BP_EXPORT void bp_machine_catch_up (BpMachine *machine, int64_t now);
/* Whether the descriptor asked for deterministic mode, and its ns per instruction as a power of two. [any] */
BP_EXPORT bool bp_machine_is_deterministic (BpMachine *machine, unsigned *shift);

BP_END_DECLS
#endif

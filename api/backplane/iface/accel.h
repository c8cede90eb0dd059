/* iface/accel.h -- you implement this: an accelerator, which runs vCPUs. */
/* SPDX-License-Identifier: MIT */
/* PURPOSE.  One object of kind accel a machine.  Same-minor promise. */
#ifndef BACKPLANE_IFACE_ACCEL_H
#define BACKPLANE_IFACE_ACCEL_H

#include <backplane/clock.h>
#include <backplane/cpu.h>
BP_BEGIN_DECLS

#define BP_ACCEL_ID "bp.accel/1"

typedef struct BpAccelVcpuState {
  uint32_t struct_size;
  uint64_t instructions;        /* deterministic mode: executed so far, */
  uint64_t skipped;             /* and what virtual time is ahead of them, in instructions: time slept */
} BpAccelVcpuState;

/* --- debugging: what a debugger asks of an accelerator ----------------------------------- */

/* Where a vCPU is to stop.  Addresses are those of the CPU's own instructions (iface/cpu-debug.h). */
typedef enum BpDebugKind {
  BP_DEBUG_SOFTWARE,            /* before the instruction there is executed: it has been fetched, as a breakpoint instruction would be */
  BP_DEBUG_HARDWARE,            /* before it is fetched, whether anything is mapped or not */
  BP_DEBUG_WRITE,               /* after an instruction (or the delivery of an event) that wrote to one of `size' bytes */
  BP_DEBUG_READ,
  BP_DEBUG_ACCESS,              /* read or wrote */
  BP_DEBUG_STEP                 /* (of BpDebugStop) a step is done */
} BpDebugKind;

typedef struct BpDebugPoint {
  uint32_t struct_size;
  BpDebugKind kind;
  uint64_t address, size;       /* size of data; of code it does not count */
} BpDebugPoint;

/* Why a vCPU has stopped by itself. */
typedef struct BpDebugStop {
  uint32_t struct_size;
  BpDebugKind kind;
  uint64_t address;             /* of the instruction; of the first watched byte that was accessed */
  uint64_t serial;              /* the vCPU that stopped first has the lowest */
} BpDebugStop;

/* How a vCPU goes on. */
typedef enum BpDebugAction {
  BP_DEBUG_RUN,
  /* Executes one instruction; one that faults, or an interrupt that is taken, ends before the handler's first.  Where the host's processor steps (KVM), no
   * interrupt is taken meanwhile, and the handler of a fault or a system call is run through to where it returns. */
  BP_DEBUG_ONE,
  BP_DEBUG_STAY                 /* does not run while others do */
} BpDebugAction;
enum {
  BP_DEBUG_NO_INTERRUPTS = 1 << 0,      /* of BP_DEBUG_ONE: none is taken, unless the CPU waits for one */
  BP_DEBUG_OVER = 1 << 1        /* a breakpoint at the first instruction does not count */
};

typedef struct BpDebugResume {
  uint32_t struct_size;
  BpDebugAction action;
  uint32_t flags;
  uint64_t first, end;          /* BP_DEBUG_ONE: goes on while the next instruction is in [first, end) */
} BpDebugResume;

/* The debugger's side: a vCPU has stopped by itself, and stays, while the others run: ask the machine to stop. [vcpu], no machine lock held */
typedef struct BpDebugger {
  uint32_t struct_size;
  void (*stopped) (void *user, BpVcpu *vcpu);
} BpDebugger;

typedef struct BpAccelIface {
  uint32_t struct_size;
  /* After every object is realized, before the first reset; once per vCPU. [main] */
  bool (*vcpu_init) (void *self, BpVcpu *vcpu, GError **error);
  /* Runs guest code until bp_vcpu_may_run() says no.  Handles halting (bp_vcpu_wait) itself.  No machine lock held. [vcpu] */
  void (*vcpu_run) (void *self, BpVcpu *vcpu);
  /* Make vcpu_run look at the pending word and at bp_vcpu_may_run soon; vcpu's thread is `thread` and may be anywhere.  Calls nothing of cpu.h that kicks.  [any, not the
   * vcpu's own] */
  void (*vcpu_kick) (void *self, BpVcpu *vcpu, GThread *thread, uint64_t pthread_id);
  /* The vCPU's registers were reset or replaced: forget what was cached about it. [main, vcpu stopped] */
  void (*vcpu_synchronise) (void *self, BpVcpu *vcpu);
  void (*vcpu_finish) (void *self, BpVcpu *vcpu);               /* its thread has ended. [main] */
  /* Virtual time in deterministic mode: ns, or -1 when the clock is the host's.  NULL: it always is, and no deterministic machine has it. [any] */
  int64_t (*virtual_time) (void *self);
  /* Deterministic mode: the next virtual timer moved to `at` (ns). [any][locked] */
  void (*timer_moved) (void *self, int64_t at);
  /* What a snapshot keeps of a vCPU besides the state of its object; the machine is stopped.  After set, vcpu_synchronise follows. [main] */
  void (*vcpu_get_state) (void *self, BpVcpu *vcpu, BpAccelVcpuState *state);
  void (*vcpu_set_state) (void *self, BpVcpu *vcpu, const BpAccelVcpuState *state);

  /* One debugger at a time; NULL: none any more, its points go and all vCPUs run.  false: there is another.  This and what follows: [main], all vCPUs
   * stopped, realized.  Points are the debugger's: they survive resets, and code that is written over them. */
  bool (*debug_attach) (void *self, const BpDebugger *debugger, void *user);
  /* Points of the same kind, address and size count once.  false: not attached, or the accelerator has no more of the kind. */
  bool (*debug_insert) (void *self, const BpDebugPoint *point);
  bool (*debug_remove) (void *self, const BpDebugPoint *point);
  /* For when the machine continues.  It holds until the vCPU stops by itself, when its action is BP_DEBUG_STAY: say it anew before each continuation,
   * or others that continue the machine (a monitor) leave the vCPU standing. */
  void (*debug_resume) (void *self, BpVcpu *vcpu, const BpDebugResume *how);
  /* Whether it has stopped by itself, and why; asked once, it is forgotten. */
  bool (*debug_take_stop) (void *self, BpVcpu *vcpu, BpDebugStop *stop);

  /* Whether this host can run it, before any object of the type is made: `module = accel-kvm, accel-tcg' takes the first that can.  NULL: always.  The error
   * says what is missing, and what would help. [main] */
  bool (*probe) (GError **error);
  /* bp_memory_flush_writes: late writes that are kept reach their regions.  NULL: none are kept. [any][locked] */
  void (*flush_writes) (void *self);
  /* The work of bp_vcpu_run_on looks at the CPU object now: its registers are there, and what is changed in them counts when the guest goes on.
   * Called by bp_vcpu_may_run, and by bp_vcpu_run_on while the vCPU's thread stands still.  NULL: the object always has them. [vcpu or main] */
  void (*vcpu_fetch) (void *self, BpVcpu *vcpu);
} BpAccelIface;

/* Deterministic mode: the accelerator calls this on the vCPU thread when virtual time has reached a timer; runs what is due.  Without the machine lock. [vcpu] */
BP_EXPORT void bp_machine_run_virtual_timers (BpMachine *machine);
/* Expiry of the earliest virtual timer, INT64_MAX when none. [any] */
BP_EXPORT int64_t bp_machine_next_virtual_timer (BpMachine *machine);
/* A vCPU is about to learn that virtual time is `now`.  Timers that should have fired well before it fire first, on its thread: when the host is busy, time must
 * not pass for a guest without its interrupts.  true: some were due, and the CPU may have interrupts to take.  In deterministic mode nothing is ever late.  Without the
 * machine lock. [vcpu] */
BP_EXPORT bool bp_machine_catch_up (BpMachine *machine, int64_t now);

BP_END_DECLS
#endif

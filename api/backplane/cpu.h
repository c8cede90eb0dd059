/* cpu.h -- vCPUs: what CPU frontends, accelerators and interrupt controllers share. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Each object of kind cpu has one BpVcpu per instance, with a host thread that runs the accelerator's loop.  The pending
 * word carries interrupt requests as bits whose meaning belongs to the CPU type; any thread may change it.
 */
#ifndef BACKPLANE_CPU_H
#define BACKPLANE_CPU_H

#include <backplane/common.h>
BP_BEGIN_DECLS

enum {
  BP_VCPU_IRQ_HARD = 1 << 0,    /* the maskable interrupt line is high */
  BP_VCPU_IRQ_NMI = 1 << 1,
  BP_VCPU_IRQ_SMI = 1 << 2,
  BP_VCPU_IRQ_INIT = 1 << 3,
  BP_VCPU_IRQ_SIPI = 1 << 4,
  BP_VCPU_DEBUG = 1 << 5,       /* the accelerator's: a debugger wants the vCPU; an instruction that is done piece by piece ends after this one */
  BP_VCPU_IRQ_USER = 1 << 8     /* this and above: the CPU type's own */
};

/* The vCPU of an object of kind cpu, which has it as long as the machine; NULL: the object is of another kind. [any][configured] */
BP_EXPORT BpVcpu *bp_vcpu_of (const void *cpu);
BP_EXPORT void *bp_vcpu_cpu (BpVcpu *vcpu);                    /* the instance. [any] */
BP_EXPORT unsigned bp_vcpu_index (const BpVcpu *vcpu);         /* 0, 1, 2 ... in the descriptor's order. [any] */
/* Set or clear pending bits; setting kicks the vCPU when it runs or sleeps on another thread. [any] */
BP_EXPORT void bp_vcpu_raise (BpVcpu *vcpu, uint32_t bits);
BP_EXPORT void bp_vcpu_lower (BpVcpu *vcpu, uint32_t bits);
BP_EXPORT uint32_t bp_vcpu_pending (const BpVcpu *vcpu);       /* [any] */
/* Make the vCPU's loop come around: it leaves guest code, or wakes, and looks at everything again. [any] */
BP_EXPORT void bp_vcpu_kick (BpVcpu *vcpu);
/* Runs f on the vCPU's thread between guest instructions, without the machine lock; at once and here when that is this thread, when there is none yet, or
 * when this is the loop's and the machine stands still.  Waits for it when `wait` (never from the machine lock's holder that the vCPU may need). [any] */
BP_EXPORT void bp_vcpu_run_on (BpVcpu *vcpu, void (*f) (void *cpu, void *user), void *user, bool wait);
BP_EXPORT bool bp_vcpu_is_current (const BpVcpu *vcpu);        /* called on its own thread? [any] */

/* --- for accelerators ---------------------------------------------------------------------- */
/* Sleeps until it is kicked (raised bits do), or may not run; a kick since it returned last counts.  Call without the machine lock. [vcpu] */
BP_EXPORT void bp_vcpu_wait (BpVcpu *vcpu);
/* false once the thread must end or the machine is stopped: return from run(). Also performs work queued by run_on. [vcpu] */
BP_EXPORT bool bp_vcpu_may_run (BpVcpu *vcpu);
/* Whether bp_vcpu_may_run would say no now; nothing is performed.  After each access to a device: one that ends the run, or resets the machine, is the
 * vCPU's last instruction, or is in the last block that a translator executes. [vcpu] */
BP_EXPORT bool bp_vcpu_is_held (const BpVcpu *vcpu);

BP_END_DECLS
#endif

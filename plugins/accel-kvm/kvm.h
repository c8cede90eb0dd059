/* kvm.h -- the accelerator's own types: the virtual machine and its vCPUs as the kernel has them. */
/* SPDX-License-Identifier: MIT */
/*
 * WHO HOLDS THE REGISTERS.  While vcpu_run is in, the kernel does.  kvm_state_get brings them to the CPU object (arch/x86-state.h) when vcpu_run returns, so
 * that debuggers, monitors and snapshots, which look at stopped CPUs only, find them there; `dirty' says that the object was written since and
 * kvm_state_put must bring it back before the guest goes on.
 */
#ifndef ACCEL_KVM_KVM_H
#define ACCEL_KVM_KVM_H

#include <backplane/arch/x86-irqchip.h>
#include <backplane/arch/x86-state.h>
#include <backplane/device.h>
#include <backplane/iface/accel.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/iface/msi.h>
#include <linux/kvm.h>

typedef enum KvmIrqchip { KVM_IRQCHIP_OURS, KVM_IRQCHIP_SPLIT, KVM_IRQCHIP_KERNEL, KVM_IRQCHIP_AUTO /* until kvm_irqchip_init */ } KvmIrqchip;

/* A state MSR that the kernel keeps, and the value that it refused last: it is not offered that again. */
typedef struct KvmStateMsr {
  uint32_t number;
  bool was_refused;
  uint64_t refused;
} KvmStateMsr;

/* What state.c, msr.c and debug.c know of a vCPU; kvm_cpuid_set fills it. */
typedef struct KvmSync {
  KvmStateMsr msr[64];
  unsigned n_msrs;
  uint32_t tsc_khz;             /* at which the guest's time-stamp counter counts */
  uint64_t components;          /* of XSAVE that the guest may have */
  uint32_t pkru_at;             /* where the kernel's image has PKRU; 0: nowhere */
  bool is_broken;               /* the kernel refused state: said once */
  bool is_not_debugged;         /* the kernel refuses to: likewise */
  bool wants_patches;           /* it runs, and software breakpoints are in memory */
  bool is_over, has_lifted;     /* it steps over the breakpoint at ..., which is out of memory */
  bool left_trap_flag;          /* a step was given up */
  uint64_t over, lifted;
  uint8_t guests[4];            /* of a debug register that the guest has, its number there */
  struct kvm_guest_debug armed; /* as the kernel was last told */
} KvmSync;

typedef struct KvmVcpu {
  struct Kvm *kvm;
  BpVcpu *vcpu;
  void *cpu;                    /* the object */
  const BpX86CpuIface *x86;
  const BpInterruptControllerIface *intc;       /* ours: who is asked for a vector; NULL: nobody */
  void *intc_instance;
  int fd;
  struct kvm_run *run;
  size_t run_size;
  bool dirty;                   /* the object's registers are newer than the kernel's */
  bool is_bootstrap;
  bool exits_on_halt;           /* HLT with interrupts disabled ends the run */
  bool incomplete;              /* the kernel has not finished the instruction of the last exit */
  bool tpr_is_stale;            /* our local APIC's task priority may have changed */
  bool in_loop;                 /* the kernel has the registers */
  int inside;                   /* atomic: in KVM_RUN, or about to go in */
  uint8_t cr8;                  /* as our local APIC was last told, or said */
  uint64_t apic_base;           /* likewise */
  /* BP_X86_ACTIVE ...  Without local APICs in the kernel this is where a vCPU's halting is known, and the kernel's mp_state stays RUNNABLE. */
  uint32_t activity;
  uint32_t xsave_size;          /* bytes of KVM_GET_XSAVE2 */
  /* debug.c */
  BpDebugResume resume;
  BpDebugStop stop;
  bool has_stopped, stepping;
  KvmSync sync;
} KvmVcpu;

typedef struct Kvm {            /* the object of type accel-kvm */
  int irqchip;                  /* property: KvmIrqchip */
  char *device;                 /* property: "/dev/kvm" */
  int kvm, vm;                  /* file descriptors, -1: not open */
  GPtrArray *vcpus;             /* of KvmVcpu * */
  struct kvm_cpuid2 *supported; /* what the host offers to guests */
  struct KvmSlots *slots;       /* memory-slots.c */
  struct KvmDoorbells *doorbells;       /* doorbells.c */
  struct KvmChips *chips;       /* irqchip.c; NULL: all interrupt controllers are ours */
  struct KvmDebug *debug;       /* debug.c */
  struct kvm_coalesced_mmio_ring *late; /* late-writes.c; NULL: the kernel keeps none */
  struct KvmLate *late_zones;
  BpAddressSpace *memory, *io;
  bool has_begun;               /* what is done once, before the first vCPU, is done */
  /* gate.c */
  GMutex gate_lock;
  GCond gate_cond;
  int gate_closed;              /* atomic */
  unsigned n_running;           /* vCPUs in their loops; under run_lock */
  GMutex run_lock;
  /* msr.c: where the first vCPU's time-stamp counter was put after the last pause */
  GMutex tsc_lock;
  uint64_t tsc_offset;
  bool has_tsc_offset;
} Kvm;

/* --- ioctl.c ------------------------------------------------------------------------------------ */
/* ioctl that is done again when a signal comes between; negative: errno negated */
int kvm_ioctl (int fd, unsigned long request, const void *argument);
int kvm_has (const Kvm *k, int capability);             /* KVM_CHECK_EXTENSION on the VM, 0: no */

/* --- vm.c --------------------------------------------------------------------------------------- */
bool kvm_probe (GError **error);
bool kvm_vm_open (Kvm *k, GError **error);
bool kvm_vm_begin (Kvm *k, GError **error);             /* before the first vCPU, when the memory map is there */
void kvm_vm_close (Kvm *k);

/* --- memory-slots.c: RAM of the flat view as slots; dirty-log.c: what the guest wrote there --------- */
bool kvm_slots_init (Kvm *k, GError **error);
void kvm_slots_finish (Kvm *k);

/* --- gate.c: nobody is in the guest between close and open; not reentrant, never from inside -------- */
void kvm_gate_init (Kvm *k);
void kvm_gate_finish (Kvm *k);
void kvm_gate_close (Kvm *k);
void kvm_gate_open (Kvm *k);
void kvm_gate_enter (KvmVcpu *v);                       /* waits while it is closed; [vcpu], no lock held */
void kvm_gate_leave (KvmVcpu *v);

/* --- vcpu.c, run-loop.c ------------------------------------------------------------------------------- */
bool kvm_vcpu_init (Kvm *k, BpVcpu *vcpu, GError **error);
void kvm_vcpu_finish (KvmVcpu *v);
KvmVcpu *kvm_vcpu_at (Kvm *k, const BpVcpu *vcpu);      /* NULL: none of ours */
bool kvm_signals_install (GError **error);
void kvm_signals_thread (void);                         /* [vcpu] */
void kvm_vcpu_kick (KvmVcpu *v, GThread *thread, uint64_t pthread_id);
void kvm_vcpu_run (KvmVcpu *v);
/* The object has the registers from now on: for work that is done between two instructions. [vcpu] */
void kvm_vcpu_fetch (KvmVcpu *v);

/* --- interrupts.c: pending bits, and controllers of ours ------------------------------------------------ */
bool kvm_see_to_events (KvmVcpu *v);                    /* false: the vCPU sleeps */
void kvm_after_put (KvmVcpu *v);                        /* the kernel has new registers */
void kvm_after_run (KvmVcpu *v);

/* --- exits.c: why the guest was left.  A vCPU that cannot go on asks the machine for a stop or a reset, and bp_vcpu_may_run says no from then on --- */
void kvm_handle_exit (KvmVcpu *v);
void kvm_run_failed (KvmVcpu *v, int error);            /* KVM_RUN itself: errno */

/* --- access.c: up to eight bytes, as the guest wrote or shall read them ---------------------------------- */
void kvm_read_bytes (BpAddressSpace *as, uint64_t address, uint8_t *data, unsigned size);
void kvm_write_bytes (BpAddressSpace *as, uint64_t address, const uint8_t *data, unsigned size);
/* Of a region that is not shown any more.  It takes bytes. */
void kvm_write_region (BpRegion *region, uint64_t offset, const uint8_t *data, unsigned size);

/* --- late-writes.c, doorbells.c ----------------------------------------------------------------------- */
void kvm_late_init (Kvm *k);                            /* where the kernel keeps any */
void kvm_late_finish (Kvm *k);
void kvm_late_map (KvmVcpu *v);                         /* the ring is seen through any vCPU */
void kvm_late_unmap (KvmVcpu *v);
void kvm_late_flush (Kvm *k);                           /* [any] */
void kvm_doorbells_init (Kvm *k);
void kvm_doorbells_finish (Kvm *k);

/* --- state.c, msr.c, cpuid.c: registers; [vcpu], or [main] while it is stopped ---------------------------- */
bool kvm_cpuid_init (Kvm *k, GError **error);           /* reads what the host has */
bool kvm_cpuid_set (KvmVcpu *v, GError **error);        /* the model's, as far as the host has it; says what is missing */
void kvm_state_get (KvmVcpu *v);                        /* kernel to object */
void kvm_state_put (KvmVcpu *v);                        /* object to kernel; clears dirty */
/* The kernel does not give or take these registers: said once, and the end of the run. */
void kvm_state_refused (KvmVcpu *v, const char *what, int error);
uint64_t kvm_tsc_now (KvmVcpu *v);                      /* the guest's */
bool kvm_tsc_is_other (const KvmVcpu *v, uint64_t a, uint64_t b);       /* these two are not one counter, read twice */
void kvm_tsc_put (KvmVcpu *v, uint64_t value);
void kvm_tsc_resume (Kvm *k);                           /* no vCPU has run since a pause: none has been put yet */
bool kvm_msr_put (KvmVcpu *v, uint32_t number, uint64_t value);         /* false: the kernel refuses */
bool kvm_msr_get (KvmVcpu *v, uint32_t number, uint64_t *value);
void kvm_msrs_init (KvmVcpu *v);                        /* which of the CPU's the kernel keeps */
void kvm_msrs_get (KvmVcpu *v, BpX86State *s);          /* kernel to the state, or else to the object */
void kvm_msrs_put (KvmVcpu *v, const BpX86State *s);
/* Exits for MSRs that the kernel does not have, or must not answer itself.  false: there are none, it answers for local APICs that it has not. */
bool kvm_msr_exits_init (Kvm *k);
/* An exit of KVM_CAP_X86_USER_SPACE_MSR; sets run->msr.error */
void kvm_msr_exit (KvmVcpu *v, bool write);

/* --- debug.c: breakpoints, watchpoints, steps ------------------------------------------------------------- */
void kvm_debug_finish (Kvm *k);
bool kvm_debug_attach (void *self, const BpDebugger *debugger, void *user);
bool kvm_debug_insert (void *self, const BpDebugPoint *point);
bool kvm_debug_remove (void *self, const BpDebugPoint *point);
void kvm_debug_resume (void *self, BpVcpu *vcpu, const BpDebugResume *how);
bool kvm_debug_take_stop (void *self, BpVcpu *vcpu, BpDebugStop *stop);
void kvm_debug_arm (KvmVcpu *v);                        /* [vcpu] before the guest goes on */
bool kvm_debug_exit (KvmVcpu *v);                       /* KVM_EXIT_DEBUG: true: the guest goes on */
bool kvm_debug_may_run (const KvmVcpu *v);
bool kvm_debug_masks (const KvmVcpu *v);                /* interrupts are not to be injected now */
void kvm_debug_halted (KvmVcpu *v);                     /* [vcpu] the guest has executed HLT */
void kvm_debug_left (KvmVcpu *v);                       /* [vcpu] it leaves vcpu_run: memory is as the guest wrote it, once all have */

/* --- irqchip.c, msi.c: interrupt controllers in the kernel --------------------------------------------------- */
/* Before vCPUs are made; chooses and creates what `irqchip' says. */
bool kvm_irqchip_init (Kvm *k, GError **error);
/* After all vCPUs are made: takes the descriptor's devices over. */
bool kvm_irqchip_start (Kvm *k, GError **error);
void kvm_irqchip_finish (Kvm *k);
void kvm_irqchip_get (Kvm *k);                          /* kernel to devices, once the last vCPU has left the guest; [main or vcpu] */
void kvm_irqchip_put (Kvm *k);                          /* devices to kernel, before the first vCPU goes on */
void kvm_irqchip_eoi (Kvm *k, uint8_t vector);          /* KVM_EXIT_IOAPIC_EOI */
void kvm_irqchip_look_at_halt (KvmVcpu *v);             /* KVM_RUN was interrupted: perhaps while the processor had halted for good */
extern const BpMsiIface kvm_msi_iface;           /* send: false unless local APICs are the kernel's */

#endif

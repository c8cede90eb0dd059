/* irqchip.h -- interrupt controllers in the kernel: what irqchip.c, irqchip-state.c and msi.c share. */
/* SPDX-License-Identifier: MIT */
/*
 * WHO HOLDS THE STATE.  While a vCPU is in its loop the kernel does, and the descriptor's devices are taken over.  While none is, the devices do, and are as
 * live as under any other accelerator: what a monitor, a snapshot or a reset does to them needs no word here, and an input that changes meanwhile is not
 * lost.  kvm_irqchip_get and _put go from one to the other.
 */
#ifndef ACCEL_KVM_IRQCHIP_H
#define ACCEL_KVM_IRQCHIP_H

#include "kvm.h"

/* Each input of each chip is an interrupt of the kernel's ("GSI") with a number of its own; messages of eventfds follow. */
enum { GSI_I8259 = 0, GSI_IOAPIC = 16, GSI_SPLIT_IOAPIC = 0, GSI_MESSAGES = 40, N_I8259_INPUTS = 16, N_IOAPIC_INPUTS = 24 };

typedef struct KvmChip {
  struct KvmChips *chips;
  void *object;                 /* NULL: there is none */
  const BpX86IrqchipIface *iface;
  KvmVcpu *v;                   /* of a local APIC */
} KvmChip;

/* An eventfd that the kernel turns into a message. */
typedef struct KvmMessageFd {
  int fd;                       /* -1: free */
  uint64_t address;
  uint32_t data;
  bool assigned;                /* the kernel waits for it */
  unsigned watch;               /* it would not: the main loop does; 0: no */
} KvmMessageFd;

typedef struct KvmChips {
  Kvm *k;
  bool running;                 /* the kernel has the state */
  KvmChip pic, ioapic;
  GArray *lapics;               /* of KvmChip */
  GArray *fds;                  /* of KvmMessageFd: message n is GSI_MESSAGES + n */
  bool routes_stale, settling;
  struct kvm_irq_routing *routes;       /* as the kernel has them; NULL: none yet */
  size_t routes_size;
  BpTimer *halt_timer;          /* NULL: no processor's halting ends the run */
} KvmChips;

/* --- irqchip-state.c: between the interface's states and the kernel's; false: the kernel refuses ------------- */
bool kvm_i8259_get (Kvm *k, BpX86I8259State *state);
bool kvm_i8259_put (Kvm *k, const BpX86I8259State *state);
bool kvm_ioapic_get (Kvm *k, BpX86IoapicState *state);  /* all but `lines', which the kernel does not know */
bool kvm_ioapic_put (Kvm *k, const BpX86IoapicState *state);
bool kvm_lapic_get (KvmVcpu *v, BpX86LapicState *state);
bool kvm_lapic_put (KvmVcpu *v, const BpX86LapicState *state);

/* --- msi.c ---------------------------------------------------------------------------------------------------- */
/* The kernel's table of interrupts follows.  false: it refuses. */
bool kvm_routes_commit (KvmChips *c);
/* Eventfds go to the kernel, and back to themselves. */
void kvm_message_fds_resume (KvmChips *c);
void kvm_message_fds_suspend (KvmChips *c);
void kvm_message_fds_finish (KvmChips *c);

#endif

/* iface/interrupt-controller.h -- you implement this: who answers a CPU's interrupt acknowledge. */
/* SPDX-License-Identifier: MIT */
/* PURPOSE.  A CPU (or a controller between) links to its controller; the pin says that something is pending, this says what. */
#ifndef BACKPLANE_IFACE_INTERRUPT_CONTROLLER_H
#define BACKPLANE_IFACE_INTERRUPT_CONTROLLER_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_INTERRUPT_CONTROLLER_ID "bp.interrupt-controller/1"

typedef struct BpInterruptControllerIface {
  uint32_t struct_size;
  /* Acknowledge: the vector 0..255 to deliver, or -1 when nothing is pending any more. [vcpu][locked] */
  int (*acknowledge) (void *self);
  /* x86 local APIC on the CPU's side, for MSR IA32_APIC_BASE and CR8; NULL when it is none. [vcpu][locked] */
  uint64_t (*apic_base_read) (void *self);
  bool (*apic_base_write) (void *self, uint64_t value);         /* false: #GP */
  uint8_t (*priority_read) (void *self);                        /* TPR bits 7..4 */
  void (*priority_write) (void *self, uint8_t priority);
  /* Its MSRs 0x800 to 0x8ff, in x2APIC mode; false: #GP. [vcpu][locked] */
  bool (*msr_read) (void *self, uint32_t number, uint64_t *value);
  bool (*msr_write) (void *self, uint32_t number, uint64_t value);
  /* IA32_TSC_DEADLINE, and the virtual time when the counter gets there.  It reads as 0 once it is over, or never took effect. [vcpu][locked] */
  uint64_t (*deadline_read) (void *self);
  void (*deadline_write) (void *self, uint64_t deadline, int64_t at);
} BpInterruptControllerIface;

BP_END_DECLS
#endif

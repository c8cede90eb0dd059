/* arch/x86-irqchip.h -- a PC's interrupt controllers when an accelerator has them inside the kernel: who does the work, and what state they share. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  i8259 pair, I/O APIC and local APICs are devices of a descriptor like all others, with their pins, their MMIO and their saved state.  An
 * accelerator such as KVM has models of its own, which are faster because the guest stays inside.  It then takes devices over: each still exists, is
 * wired and mapped as before, but its inputs go to the accelerator's model, its outputs stay low, and the guest's accesses never reach it.  Snapshots,
 * debuggers and the monitor see no difference, since the state goes back and forth: get_state of the accelerator's model before anybody looks, set_state after
 * somebody wrote.
 * A device that can be taken over implements BP_X86_IRQCHIP_ID; the accelerator finds it with bp_machine_next.
 */
#ifndef BACKPLANE_ARCH_X86_IRQCHIP_H
#define BACKPLANE_ARCH_X86_IRQCHIP_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_X86_IRQCHIP_ID "bp.x86-irqchip/1"

typedef enum BpX86IrqchipKind { BP_X86_I8259_PAIR, BP_X86_IOAPIC, BP_X86_LAPIC } BpX86IrqchipKind;

/* Intel 8259A, twice: 0 is the master. */
typedef struct BpX86I8259State {
  struct {
    uint8_t irr, imr, isr, lines;       /* lines: levels of the inputs */
    uint8_t elcr, priority_add, vector_base, init_state;
    uint8_t init_needs_icw4, single, level_triggered, auto_eoi;
    uint8_t rotate_on_auto_eoi, special_fully_nested, special_mask, read_isr;
    uint8_t poll, reserved[7];
  } chip[2];
} BpX86I8259State;

/* Intel 82093AA. */
typedef struct BpX86IoapicState {
  uint8_t id, select, reserved[2];
  uint32_t lines;               /* levels of the inputs, 1 asserted */
  uint64_t redirection[24];     /* as the guest reads them */
} BpX86IoapicState;

/* Local APIC (SDM 3A, chapter 11). */
typedef struct BpX86LapicState {
  uint64_t base;                /* IA32_APIC_BASE */
  uint8_t registers[1024];      /* the page as the guest reads it in xAPIC mode: 32 bits every 16 bytes; current count included */
  uint64_t deadline;            /* IA32_TSC_DEADLINE; 0: none */
} BpX86LapicState;

typedef struct BpX86IrqchipState {
  uint32_t struct_size;
  uint32_t reserved;
  union {
    BpX86I8259State i8259;
    BpX86IoapicState ioapic;
    BpX86LapicState lapic;
  };
} BpX86IrqchipState;

/* The accelerator's side. [any][locked] */
typedef struct BpX86IrqchipOwner {
  uint32_t struct_size;
  /* An input of the device has this level now: I8259 0..15, IOAPIC 0..23, LAPIC 0 and 1 for LINT0 and LINT1. */
  void (*line) (void *user, unsigned input, int level);
} BpX86IrqchipOwner;

typedef struct BpX86IrqchipIface {
  uint32_t struct_size;
  uint32_t kind;                /* BpX86IrqchipKind */
  /* The device is taken over; NULL: given back, with the state that set_state said last.  Before the first reset, or while no vCPU runs. [main] */
  void (*take_over) (void *self, const BpX86IrqchipOwner *owner, void *user);
  /* What the device holds: after a reset, after a snapshot was loaded, or of its own work.  The machine is stopped. [main] */
  void (*get_state) (void *self, BpX86IrqchipState *state);
  void (*set_state) (void *self, const BpX86IrqchipState *state);
  /* LAPIC: the processor it belongs to, an object with BP_X86_CPU_ID.  IOAPIC and I8259: NULL. */
  void *(*cpu) (void *self);
  /* IOAPIC, not taken over while the local APICs are (KVM's split irqchip): a level-triggered interrupt with this vector was ended. [any][locked] */
  void (*end_of_interrupt) (void *self, uint8_t vector);
  /* IOAPIC, likewise: messages go to bp_msi_send; `changed' is called when an entry of the redirection table changes. [main] */
  void (*split) (void *self, void (*changed) (void *user, unsigned entry), void *user);
} BpX86IrqchipIface;

BP_END_DECLS
#endif

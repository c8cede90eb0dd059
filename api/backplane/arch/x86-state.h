/* arch/x86-state.h -- architected x86 state, shared by the CPU frontend, KVM, boot loaders and debuggers. */
/* SPDX-License-Identifier: MIT */
/* PURPOSE.  A CPU type of the x86 family provides BP_X86_CPU_ID.  get/set copy the whole state. [main or vcpu; the vCPU is stopped or it is the caller] */
#ifndef BACKPLANE_ARCH_X86_STATE_H
#define BACKPLANE_ARCH_X86_STATE_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_X86_CPU_ID "bp.x86-cpu/1"

enum { BP_X86_RAX, BP_X86_RCX, BP_X86_RDX, BP_X86_RBX, BP_X86_RSP, BP_X86_RBP, BP_X86_RSI, BP_X86_RDI };
enum { BP_X86_ES, BP_X86_CS, BP_X86_SS, BP_X86_DS, BP_X86_FS, BP_X86_GS, BP_X86_LDTR, BP_X86_TR };

typedef struct BpX86Segment {
  uint16_t selector;
  uint16_t attributes;          /* access rights: bits 0..7 type S DPL P; 12..15 AVL L D/B G (SDM 3A 3.4.5, descriptor bits 40..55) */
  uint32_t limit;               /* in bytes, already scaled */
  uint64_t base;
} BpX86Segment;

typedef struct BpX86State {
  uint32_t struct_size;
  uint32_t halted;
  uint64_t gpr[16];
  uint64_t rip, rflags;
  BpX86Segment segment[8];      /* BP_X86_ES .. BP_X86_TR */
  struct { uint64_t base; uint32_t limit; uint32_t reserved; } gdtr, idtr;
  uint64_t cr0, cr2, cr3, cr4, cr8, efer;
  uint64_t dr[8];
  uint64_t tsc;                 /* set_state: the counter goes on from here; IA32_TSC_ADJUST and deadlines stay as they are */
  uint8_t fxsave[512] __attribute__ ((aligned (16)));   /* FXSAVE64 image; set_state clears reserved bits of MXCSR */
  uint64_t xcr0;
  uint8_t ymm_high[16][16];
  uint64_t star, lstar, cstar, sfmask, kernel_gs_base, tsc_aux;         /* EFER.LMA follows from LME and CR0.PG */
  uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
  uint64_t pkru, pkrs;          /* 32 bits each; 0 without protection keys */
  /* What is on its way into the CPU, and what is held off. */
  uint8_t event_kind;           /* BP_X86_EVENT_* */
  uint8_t event_vector, event_has_error, event_reserved;
  uint32_t event_error;
  uint32_t event_length;        /* reserved, 0 */
  uint32_t interrupts_held;     /* for one instruction: 1 after STI, 2 after a load of SS, or when that is not known (it holds more) */
  uint32_t nmi_blocked;         /* until IRET */
  uint32_t activity;            /* BP_X86_ACTIVE ..; `halted' has the same value.  set_state: of the two, the one that differs from the CPU's counts */
  uint64_t pdpte[4];            /* PAE paging: loaded with CR3.  set_state: when CR3 or the mode differs and these do not, they are loaded from memory */
} BpX86State;

/* An event that was accepted and has not been delivered.  SOFTWARE: of an instruction (INT n, INT3, INTO) that RIP points at: it is executed anew, and
 * set_state takes it for NONE.  EXCEPTION 1 is a #DB whose reason is in DR6 already; #PF's address is in CR2. */
enum { BP_X86_EVENT_NONE, BP_X86_EVENT_INTERRUPT, BP_X86_EVENT_NMI, BP_X86_EVENT_EXCEPTION, BP_X86_EVENT_SOFTWARE };
enum { BP_X86_ACTIVE, BP_X86_HALTED, BP_X86_SHUTDOWN, BP_X86_WAIT_SIPI };

/* Bits of a vCPU's pending word (cpu.h), from BP_VCPU_IRQ_USER on.  RESET#; a second NMI, when two came before the first was taken. */
enum { BP_X86_IRQ_RESET = 1 << 8, BP_X86_IRQ_NMI_2 = 1 << 10 };

typedef struct BpX86CpuIface {
  uint32_t struct_size;
  void (*get_state) (void *self, BpX86State *state);    /* fills up to state->struct_size */
  void (*set_state) (void *self, const BpX86State *state);
  /* MSRs by number; false: there is none such. */
  bool (*get_msr) (void *self, uint32_t number, uint64_t *value);
  bool (*set_msr) (void *self, uint32_t number, uint64_t value);
  void (*cpuid) (void *self, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
  /* A start-up message (SIPI): a CPU that waits for it begins at vector << 12 in real mode, others ignore it. [any][locked] */
  void (*startup) (void *self, uint8_t vector);

  /* --- for an accelerator that is no translator: what the vCPU's loop does with pending bits [vcpu] --- */
  /* The vector of the last start-up message, once BP_VCPU_IRQ_SIPI was pending. */
  uint8_t (*startup_vector) (void *self);
  /* RESET (also what a descriptor's reset does) or INIT: registers as the SDM says, 3A table 9-1; `init' keeps FPU and MSRs. */
  void (*reset_registers) (void *self, bool init);
  /* The interrupt controller that is linked: instance and table (iface/interrupt-controller.h); NULL: none. */
  const void *(*controller) (void *self, void **instance);
  /* Bit 20 of addresses is forced to 0 (the A20 gate is closed). */
  bool (*a20_closed) (void *self);
  /* Numbers of the MSRs that are state and not part of BpX86State; returns how many there are, of which up to n are written. */
  unsigned (*state_msrs) (void *self, uint32_t *numbers, unsigned n);
  /* What users call this bit of CPUID (reg 0..3: EAX to EDX); NULL: no feature of this type. */
  const char *(*feature_name) (void *self, uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit);
  /* How fast the time-stamp counter counts, and what it is to count with when the accelerator has only that, in Hz; CPUID follows. */
  uint64_t (*tsc_frequency) (void *self);
  void (*set_tsc_frequency) (void *self, uint64_t hz);
} BpX86CpuIface;

BP_END_DECLS
#endif

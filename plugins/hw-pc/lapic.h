/* lapic.h -- the local APIC: its state, and what its files share. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_LAPIC_H
#define HW_PC_LAPIC_H

#include <backplane/memory.h>
#include "apic-bus.h"

enum { LVT_TIMER, LVT_THERMAL, LVT_COUNTER, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };
enum {
  LVT_PENDING = 1 << 12 /* always 0 here */, LVT_REMOTE_IRR = 1 << 14, LVT_LEVEL = 1 << 15, LVT_MASKED = 1 << 16, LVT_PERIODIC = 1 << 17,
  LVT_DEADLINE = 2 << 17
};
enum {                          /* registers: offset >> 4 */
  REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_APR = 0x09, REG_PPR = 0x0a, REG_EOI = 0x0b, REG_RRD = 0x0c, REG_LDR = 0x0d, REG_DFR = 0x0e,
  REG_SPURIOUS = 0x0f, REG_ISR = 0x10, REG_TMR = 0x18, REG_IRR = 0x20, REG_ESR = 0x28, REG_ICR_LOW = 0x30, REG_ICR_HIGH = 0x31, REG_LVT_TIMER = 0x32,
  REG_LVT_LAST = 0x37, REG_INITIAL_COUNT = 0x38, REG_CURRENT_COUNT = 0x39, REG_DIVIDE = 0x3e, REG_SELF_IPI = 0x3f /* x2APIC */
};
enum { SPURIOUS_ENABLE = 1 << 8, SPURIOUS_FOCUS_OFF = 1 << 9 };
enum { ESR_SEND_ILLEGAL = 1 << 5, ESR_RECEIVE_ILLEGAL = 1 << 6, ESR_REGISTER = 1 << 7 };
enum { BASE_BSP = 1 << 8, BASE_X2 = 1 << 10, BASE_ENABLE = 1 << 11 };

enum { BSP_AUTO, BSP_ON, BSP_OFF };

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Lapic {
  uint64_t base;                /* IA32_APIC_BASE */
  uint32_t irr[8], isr[8], tmr[8];
  uint32_t lvt[LVT_COUNT];
  uint8_t id, tpr, esr, esr_pending;
  uint8_t lint;                 /* levels of the two inputs */
  bool external;                /* an I/O APIC sent an external interrupt that the PIC has the vector of */
  uint32_t ldr, dfr, spurious, icr_low, icr_high;
  uint32_t divide, initial_count;
  bool counting;
  int64_t zero_at;              /* virtual time, ns, when the count reaches 0, or the deadline comes */
  uint64_t deadline;            /* IA32_TSC_DEADLINE; 0: none */
  BpTimer *timer;
  uint8_t initial_id;
  int bsp;                      /* property: BSP_* */
  bool virtual_wire;
  uint32_t timer_hz;
  BpLink pic, cpu;
  BpPin *intr, *nmi, *smi, *init;
  BpRegion *mmio;
  ApicBus bus;
  const struct BpX86IrqchipOwner *owner;       /* NULL: this does the work */
  void *owner_user;
} Lapic;

#define LAPIC_BASE_RESERVED (UINT64_C (0x2ff) | ~((UINT64_C (1) << 36) - 1))

static inline bool lapic_is_x2 (const Lapic *l) { return l->base & BASE_X2; }
static inline bool lapic_is_on (const Lapic *l) { return l->base & BASE_ENABLE; }
static inline bool lapic_is_enabled (const Lapic *l) { return lapic_is_on (l) && l->spurious & SPURIOUS_ENABLE; }

/* --- lapic-registers.c -------------------------------------------------------------- */
extern const BpRegionOps lapic_ops;
extern const struct BpInterruptControllerIface lapic_controller_iface;
void lapic_registers_reset (Lapic *l);                  /* all but base, TPR and the inputs' levels */
bool lapic_is_bootstrap (const Lapic *l);
void lapic_set_lint (void *lapic, unsigned index, int level);   /* BpPinDesc.set */
void lapic_accept (Lapic *l, uint8_t vector, bool level);
void lapic_report_error (Lapic *l, uint8_t bit);        /* ESR_* */
int lapic_priority_of (void *lapic, uint8_t vector);    /* ApicBusIface.priority */
/* Lets the request pin follow. */
void lapic_update (Lapic *l);
void lapic_set_base (Lapic *l, uint64_t value);         /* IA32_APIC_BASE; the page follows */
/* The event of an LVT entry has come. */
void lapic_deliver_local (Lapic *l, unsigned index);
uint32_t lapic_read_register (Lapic *l, unsigned reg);
void lapic_write_register (Lapic *l, unsigned reg, uint32_t value);
uint32_t lapic_lvt_writable (unsigned index);

/* --- lapic-messages.c --------------------------------------------------------------- */
extern const ApicBusIface lapic_bus_iface;
extern const struct BpMsiIface lapic_msi_iface;
/* What has no vector: SMI, NMI, INIT.  False: the delivery is something else. */
bool lapic_signal (Lapic *l, ApicDelivery delivery);
/* Sends what the interrupt command register says. */
void lapic_send_ipi (Lapic *l, uint32_t destination);
void lapic_send_self (Lapic *l, uint8_t vector);

/* --- lapic-msr.c -------------------------------------------------------------------- */
uint32_t lapic_x2_logical_id (const Lapic *l);
bool lapic_msr_read (void *lapic, uint32_t number, uint64_t *value);
bool lapic_msr_write (void *lapic, uint32_t number, uint64_t value);

/* --- lapic-irqchip.c ---------------------------------------------------------------- */
extern const struct BpX86IrqchipIface lapic_irqchip_iface;

/* --- lapic-timer.c ------------------------------------------------------------------- */
void lapic_timer_start (Lapic *l, uint32_t initial_count);      /* 0 stops it */
void lapic_timer_stop (Lapic *l);
void lapic_timer_set_divide (Lapic *l, uint32_t divide);
uint32_t lapic_timer_count (Lapic *l);
/* The count goes on from here; 0: it is over. */
void lapic_timer_restore (Lapic *l, uint32_t count);
/* Does what was due: a zero that has passed is delivered, a periodic count goes on. */
void lapic_timer_sync (Lapic *l);
void lapic_timer_arm (Lapic *l);
void lapic_timer_init (Lapic *l);
void lapic_timer_finish (Lapic *l);
uint64_t lapic_deadline_read (void *lapic);
void lapic_deadline_write (void *lapic, uint64_t deadline, int64_t at);

#endif

/* lapic.h -- the local APIC's state, shared by its registers and its timer. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_LAPIC_H
#define HW_PC_LAPIC_H

#include <backplane/iface/interrupt-controller.h>
#include "apic-bus.h"
#include "hw-pc.h"

enum { LVT_TIMER, LVT_THERMAL, LVT_COUNTER, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };
enum { LVT_REMOTE_IRR = 1 << 14, LVT_LEVEL = 1 << 15, LVT_MASKED = 1 << 16, LVT_PERIODIC = 1 << 17 };

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
  int64_t zero_at;              /* virtual time, ns, when the count reaches 0 */
  BpTimer *timer;
  uint8_t initial_id;
  bool bsp, virtual_wire;
  uint32_t timer_hz;
  BpLink pic, cpu;
  BpPin *intr, *nmi, *smi, *init;
  BpRegion *mmio;
  ApicBus bus;
} Lapic;

/* --- lapic.c ------------------------------------------------------------------------ */
/* The event of an LVT entry has come. */
void lapic_deliver_local (Lapic *l, unsigned index);

/* --- lapic-timer.c ------------------------------------------------------------------- */
void lapic_timer_start (Lapic *l, uint32_t initial_count);      /* 0 stops it */
void lapic_timer_set_divide (Lapic *l, uint32_t divide);
uint32_t lapic_timer_count (Lapic *l);
/* Does what was due: a zero that has passed is delivered, a periodic count goes on. */
void lapic_timer_sync (Lapic *l);
void lapic_timer_arm (Lapic *l);
void lapic_timer_fire (void *lapic);

#endif

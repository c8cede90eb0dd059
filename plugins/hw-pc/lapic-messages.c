/* lapic-messages.c -- messages to and from the local APIC (Intel SDM 3A, 11.6 and 11.11): of other APICs, and of devices (MSI). */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-state.h>
#include <backplane/iface/msi.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include "lapic.h"

enum { ICR_LOGICAL = 1 << 11, ICR_ASSERT = 1 << 14, ICR_LEVEL = 1 << 15 };

/* --- what has no vector, and start-up ------------------------------------------------------------ */

/* 11.4.7.3: all but the ID is as after a reset, in the processor too. */
static void
take_init (Lapic *l)
{
  uint8_t id = l->id;
  lapic_registers_reset (l);
  l->id = id;
  l->tpr = 0;
  lapic_update (l);
  bp_pin_pulse (l->init);
}

static void
take_startup (Lapic *l, uint8_t vector)
{
  const BpX86CpuIface *cpu = l->cpu.table;
  if (BP_TABLE_HAS (cpu, startup))
    cpu->startup (l->cpu.instance, vector);
  else
    bp_log_unimp (l, "start-up message (vector %02x): no processor is linked as `cpu`", vector);
}

bool
lapic_signal (Lapic *l, ApicDelivery delivery)
{
  switch (delivery) {
  case APIC_SMI:
    bp_pin_pulse (l->smi);
    return true;
  case APIC_NMI:
    bp_pin_pulse (l->nmi);
    return true;
  case APIC_INIT:
    take_init (l);
    return true;
  default:
    return false;
  }
}

/* --- from other APICs, and to them ------------------------------------------------------------- */

/* 11.6.2, 11.12.10.2: a match of the logical ID, flat or by cluster. */
static bool
has_logical_id (const Lapic *l, uint32_t set)
{
  uint32_t own = lapic_is_x2 (l) ? lapic_x2_logical_id (l) : l->ldr >> 24;
  if (lapic_is_x2 (l))
    return set >> 16 == own >> 16 && set & own & 0xffff;
  if (set > 0xff)
    return false;
  if (l->dfr >> 28 == 0xf)
    return set & own;
  return set >> 4 == own >> 4 && set & own & 0x0f;
}

/* 11.4.7.2: switched off by software it takes no vectors. */
static bool
bus_is_addressed (void *self, const ApicMessage *m)
{
  const Lapic *l = self;
  if (l->owner || !(m->delivery <= APIC_LOWEST ? lapic_is_enabled (l) : lapic_is_on (l)))
    return false;
  if (m->destination == APIC_EVERYBODY)
    return true;
  return m->logical ? has_logical_id (l, m->destination) : m->destination == (lapic_is_x2 (l) ? l->initial_id : l->id);
}

static void
bus_deliver (void *self, const ApicMessage *m)
{
  Lapic *l = self;
  if (l->owner || !lapic_is_on (l) || lapic_signal (l, m->delivery))
    return;
  switch (m->delivery) {
  case APIC_FIXED:
  case APIC_LOWEST:
    lapic_accept (l, m->vector, m->level);
    break;
  case APIC_EXTINT:
    l->external = true;
    lapic_update (l);
    break;
  case APIC_STARTUP:
    take_startup (l, m->vector);
    break;
  default:
    bp_log_guest (l, "message with delivery mode %u", m->delivery);
  }
}

const ApicBusIface lapic_bus_iface = {
  .struct_size = sizeof (ApicBusIface), .is_addressed = bus_is_addressed, .priority = lapic_priority_of, .deliver = bus_deliver
};

void
lapic_send_ipi (Lapic *l, uint32_t destination)
{
  unsigned shorthand = l->icr_low >> 18 & 3;
  ApicMessage m = { .delivery = (ApicDelivery) (l->icr_low >> 8 & 7), .vector = (uint8_t) l->icr_low, .destination = destination,
                    .logical = l->icr_low & ICR_LOGICAL };
  if (m.delivery <= APIC_LOWEST && m.vector < 16) {
    lapic_report_error (l, ESR_SEND_ILLEGAL);
    return;
  }
  if (m.delivery == APIC_INIT && l->icr_low & ICR_LEVEL && !(l->icr_low & ICR_ASSERT))
    return;                     /* INIT level de-assert: synchronizes arbitration IDs, which do not exist any more */
  switch (shorthand) {
  case 0:
    apic_bus_send (&l->bus, &m);
    break;
  case 1:
    if (m.delivery > APIC_LOWEST)       /* table 11-3 has no such thing, processors do it */
      bp_log_guest (l, "message of delivery mode %u to itself", m.delivery);
    bus_deliver (l, &m);
    break;
  default:
    apic_bus_broadcast (&l->bus, &m, shorthand == 3 ? l : NULL);
  }
}

void
lapic_send_self (Lapic *l, uint8_t vector)
{
  if (vector < 16)
    lapic_report_error (l, ESR_SEND_ILLEGAL);
  else
    lapic_accept (l, vector, false);
}

/* --- messages from devices ---------------------------------------------------------------------- */

/* One for all: they are on one bus. */
static bool
message_send (void *self, uint64_t address, uint32_t data)
{
  Lapic *l = self;
  ApicMessage m;
  return !l->owner && apic_message_decode (address, data, &m) && apic_bus_send (&l->bus, &m);
}

const BpMsiIface lapic_msi_iface = { .struct_size = sizeof (BpMsiIface), .send = message_send };

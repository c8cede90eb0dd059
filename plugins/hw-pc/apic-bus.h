/* apic-bus.h -- messages between the local APICs and I/O APICs of a machine. */
/* SPDX-License-Identifier: MIT */
/*
 * Every local and I/O APIC implements APIC_BUS_ID; there is no bus object: who sends looks its machine's members up once, when it is realized.
 * A member leaves the callbacks empty that it has no use for.  All of it is [any][locked].
 */
#ifndef HW_PC_APIC_BUS_H
#define HW_PC_APIC_BUS_H

#include <backplane/common.h>

#define APIC_BUS_ID "hw-pc.apic-bus/1"

typedef enum ApicDelivery {     /* SDM 3A, 11.6.1, bits 10..8 of ICR, LVT and redirection entries */
  APIC_FIXED, APIC_LOWEST, APIC_SMI, APIC_REMOTE_READ, APIC_NMI, APIC_INIT, APIC_STARTUP, APIC_EXTINT
} ApicDelivery;

#define APIC_EVERYBODY UINT32_MAX
/* A destination in a register of 8 bits. */
static inline uint32_t apic_destination_8 (uint32_t bits) { return bits == 0xff ? APIC_EVERYBODY : bits; }

typedef struct ApicMessage {
  ApicDelivery delivery;
  uint8_t vector;
  uint32_t destination;         /* an ID or a set, as wide as the sender has them; APIC_EVERYBODY */
  bool logical;                 /* the destination is matched with LDR and DFR, else with the APIC's ID */
  bool level;                   /* trigger mode */
} ApicMessage;

typedef struct ApicBusIface {
  uint32_t struct_size;
  bool (*is_addressed) (void *self, const ApicMessage *message);
  /* For lowest-priority delivery among those addressed: smaller is better, negative: cannot take it. */
  int (*priority) (void *self, uint8_t vector);
  void (*deliver) (void *self, const ApicMessage *message);
  /* A level-triggered interrupt with this vector was ended by a local APIC. */
  void (*end_of_interrupt) (void *self, uint8_t vector);
} ApicBusIface;

typedef struct ApicBus {        /* a sender's view */
  GArray *members;              /* of BpLink */
} ApicBus;

void apic_bus_join (ApicBus *bus, BpMachine *machine);  /* [main][configured] */
void apic_bus_leave (ApicBus *bus);
/* To all that are addressed, or to one of them with APIC_LOWEST.  false: nobody was addressed. */
bool apic_bus_send (const ApicBus *bus, const ApicMessage *message);
/* To every local APIC but `except` (NULL: to all), whatever the destination says. */
void apic_bus_broadcast (const ApicBus *bus, const ApicMessage *message, const void *except);
void apic_bus_end_of_interrupt (const ApicBus *bus, uint8_t vector);

/* A message as a write to memory (SDM 3A, 11.11), and back; false: it is none. */
void apic_message_encode (const ApicMessage *message, uint64_t *address, uint32_t *data);
bool apic_message_decode (uint64_t address, uint32_t data, ApicMessage *message);

#endif

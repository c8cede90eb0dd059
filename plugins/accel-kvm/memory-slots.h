/* memory-slots.h -- KVM's memory slots, as their two halves share them: which there are, and what the guest wrote in them. */
/* SPDX-License-Identifier: MIT */
#ifndef ACCEL_KVM_MEMORY_SLOTS_H
#define ACCEL_KVM_MEMORY_SLOTS_H

#include "kvm.h"

typedef struct Slot {
  uint64_t address, size;       /* in the guest */
  uint8_t *host;
  uint64_t ram_address;
  bool readonly;
  uint32_t number;              /* KVM's */
  bool is_logged;               /* KVM notes which pages are written */
  uint64_t *open;               /* with manual protection: pages that KVM said were written, and that it does not watch until they are cleared */
} Slot;

typedef struct KvmSlots {
  Kvm *kvm;
  unsigned listener;
  GArray *ranges;               /* of BpFlatRange with host memory, by address: the flat view's; under the map's lock */
  GMutex lock;                  /* for what follows */
  GPtrArray *slots;             /* of Slot *, by address */
  GArray *free_numbers;         /* of uint32_t: given back */
  uint32_t next_number, n_numbers;
  GArray *refused;              /* of Slot: KVM has not taken these, and that was said; tried again at each commit */
  bool manual;                  /* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: reading the log does not clear it */
  bool is_wanted[BP_DIRTY_N_CLIENTS];
  bool starting;                /* the first time: failures are told to who starts */
  GError *error;
} KvmSlots;

/* KVM's view of the slot; size 0 takes it away.  Negative: errno */
int slot_tell (KvmSlots *s, const Slot *slot, uint64_t size);

/* --- dirty-log.c: all under the lock ---------------------------------------------------------------- */
void log_init (KvmSlots *s);
/* Of a slot that KVM does not have yet: it begins with a log where somebody waits for writes. */
void log_prepare (KvmSlots *s, Slot *slot);
/* Brings in what was written in the slot's pages that hold the span of RAM. */
void log_fetch (KvmSlots *s, Slot *slot, uint64_t ram_address, uint64_t size);
extern const BpDirtyWatcher log_watcher;         /* user: KvmSlots */

#endif

/* busy-guest.h -- what the parts of the busy guest share: how bytes are made, how a fault is told, what was done so far. */
/* SPDX-License-Identifier: MIT */
#ifndef MOVE_BUSY_GUEST_H
#define MOVE_BUSY_GUEST_H

#include <stdint.h>

extern volatile uint64_t n_sectors_written, n_pings, n_pings_lost;

uint64_t mix (uint64_t a, uint64_t b);
uint64_t random_next (uint64_t *state);
void bad (const char *what, uint64_t where, uint64_t had, uint64_t wanted);
void start (void *(*f) (void *user), uintptr_t number);

/* busy-virtio.c: loads the modules in /modules, and begins with what there is: a disk /dev/vda, a network with a router at 10.0.2.2. */
void virtio_begin (void);

#endif

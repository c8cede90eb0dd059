/* iface/msi.h -- message-signalled interrupts: sending one, and letting an event file descriptor send one. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A message is a write of 32 bits of data to an address that interrupt controllers watch (x86: 0xfee00000 to 0xfeefffff, SDM 3A 11.11).  A bus
 * sends what its functions' MSI and MSI-X registers say with bp_msi_send; a device never calls this itself (bus/pci.h, message).
 * An object that takes messages implements BP_MSI_ID.  When several do (a local APIC for each processor), any one of them takes it for all; an
 * accelerator that delivers interrupts itself is asked before all others.
 */
#ifndef BACKPLANE_IFACE_MSI_H
#define BACKPLANE_IFACE_MSI_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_MSI_ID "bp.msi/1"

typedef struct BpMsiIface {
  uint32_t struct_size;
  /* false: nobody is addressed by it. [any][locked] */
  bool (*send) (void *self, uint64_t address, uint32_t data);
  /* From now on the message is sent each time that fd, an eventfd, is signalled, without a thread of this program; at once if it has counted something.  A
   * number from 1 for the others; 0: cannot, the caller waits for fd by itself.  NULL likewise. [main or locked] */
  unsigned (*attach_fd) (void *self, int fd, uint64_t address, uint32_t data);
  /* Another message; false: cannot, it is to be detached. [any][locked] */
  bool (*change_fd) (void *self, unsigned number, uint64_t address, uint32_t data);
  /* What was sent is no longer in fd: what it counts then was not. [any][locked] */
  void (*detach_fd) (void *self, unsigned number);
} BpMsiIface;

/* Sends a message to whoever takes it in this machine.  false: nobody does, or nobody is addressed. [any][locked][realized] */
BP_EXPORT bool bp_msi_send (BpMachine *machine, uint64_t address, uint32_t data);

/* A message that is sent whenever an eventfd is signalled, from now until it is freed: by the accelerator where it can, else by the main loop, which then reads
 * the eventfd.  fd stays the caller's, open until the source is freed.  While it is masked it is not sent; what came meanwhile is sent, once, when it is
 * unmasked. [main or locked][realized] */
typedef struct BpMsiSource BpMsiSource;
BP_EXPORT BpMsiSource *bp_msi_source_new (BpMachine *machine, int fd, uint64_t address, uint32_t data);
BP_EXPORT void bp_msi_source_set (BpMsiSource *source, uint64_t address, uint32_t data);
BP_EXPORT void bp_msi_source_mask (BpMsiSource *source, bool masked);
BP_EXPORT void bp_msi_source_free (BpMsiSource *source);        /* NULL is fine */

BP_END_DECLS
#endif

/* bus/virtio.h -- virtio as a device sees it and as a transport provides it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A device's type has properties `bus` (link to BP_VIRTIO_BUS_ID) and `address` (a text that the bus understands: "DD.F" where the devices are PCI
 * functions, a number where they have memory-mapped registers), and registers itself in realize with a BpVirtioFunction.  The bus keeps what every virtio device
 * has (VIRTIO 1.2, chapters 2 to 4): status, features, queues of either layout, notifications, interrupts; it saves and restores them, and it checks whatever a
 * driver may do wrong.  A device sees buffers as host memory, and never an address, an index or a descriptor.
 *
 * A buffer is the device's from pop until push.  What it has when the machine is saved, pop gives again after a load, before all others: a device saves no
 * requests, but one whose requests cannot be done twice finishes them before (a block backend's drain).  While the machine stands, pop gives nothing; when
 * it goes on, queues that hold buffers are kicked.
 *
 * Functions of the bus are called [any][locked], once the device is added.
 */
#ifndef BACKPLANE_BUS_VIRTIO_H
#define BACKPLANE_BUS_VIRTIO_H

#include <backplane/object.h>
#include <string.h>
#include <sys/uio.h>
BP_BEGIN_DECLS

#define BP_VIRTIO_BUS_ID "bp.virtio-bus/1"

/* Rows of every virtio device's two properties, for its fields of types BpLink and char *. */
#define BP_VIRTIO_DEVICE_PROPERTIES(T, bus_, address_) \
  BP_PROP_LINK ("bus", T, bus_, BP_VIRTIO_BUS_ID, BP_PROPERTY_REQUIRED, "The bus of virtio devices it is on."), \
  BP_PROP_ROW_ ("address", BP_PROPERTY_STRING, T, address_, BP_PROPERTY_REQUIRED, 0, NULL, 0, 0, NULL, NULL, \
                "Its place on the bus: device (hexadecimal) and function where the bus is one of PCI functions (04.0), else a slot's number.")
#define BP_VIRTIO_QUEUE_SIZE_MAX 32768u         /* entries (2.7, 2.8.10.1) */

typedef struct BpVirtioDevice BpVirtioDevice;   /* the bus's side of a registered device */

/* One of the driver's buffers: what it has written for the device, then room for the device's answer (2.6).  The bus makes and frees it; new members come at the
 * end.  Parts are not empty, and in RAM. */
typedef struct BpVirtioBuffer {
  const struct iovec *out, *in;
  unsigned n_out, n_in;
  uint64_t out_size, in_size;   /* bytes in all, below 4 GiB together */
  void *data;                   /* the device's own: data_size bytes, zeros when it is popped */
  uint32_t queue;
} BpVirtioBuffer;

/* What the device registers; copied by the bus. */
typedef struct BpVirtioFunction {
  uint32_t struct_size;
  uint32_t device_id;           /* chapter 5: 1 network, 2 block ...; not 0, and up to 63 on PCI */
  uint32_t pci_class;           /* class << 16 | subclass << 8 | interface, for buses that tell it; 0: as usual for the device_id */
  uint32_t n_queues;            /* up to 1024 */
  const uint16_t *queue_sizes;  /* entries that each may have at most: powers of two.  Copied */
  uint64_t features;            /* offered bits 0 to 23 and 50 to 63; the rest (rings, access, transport) is the bus's */
  uint32_t config_size;         /* bytes of device-specific configuration, up to 4096 */
  uint32_t data_size;           /* of BpVirtioBuffer.data */
  BpLoop *loop;                 /* where kick is called; NULL: the main loop */
  void *self;                   /* passed to the callbacks */
  /* Device-specific configuration; offset + size is within config_size.  NULL: it reads as ones. [any][locked] */
  void (*config_read) (void *self, unsigned offset, uint8_t *bytes, unsigned size);
  void (*config_written) (void *self, unsigned offset, const uint8_t *bytes, unsigned size);    /* NULL: nothing in it can be written */
  /* The driver's choice among the offered bits (its last word: FEATURES_OK); false: it does not work like that (3.1.1, step 6).  NULL: all do.  Not called when a
   * machine is loaded: what start needs, it asks of the bus (features). [any][locked] */
  bool (*accept_features) (void *self, uint64_t features);
  /* The driver has set DRIVER_OK, or a machine in which it had was loaded (the device's own post_load comes behind): queues can be used.  NULL, as stop: nothing is
   * to be done. [any][locked] */
  void (*start) (void *self);
  /* The driver has reset the device (one that is broken, too), or memory of its buffers goes away: all buffers are lost.  Nothing of theirs may be read or written
   * once this returns; what is given back all the same, before the next start, is ignored.  Called only between start and the next one. [any][locked] */
  void (*stop) (void *self);
  /* The driver says that there are buffers; there may be none.  Not called while the device is not started.  In deterministic mode, and on a bus that handles kicks by
   * itself (`doorbells = off'), it is called on the vCPU's thread, as part of its access. [loop][locked] */
  void (*kick) (void *self, unsigned queue);
  uint64_t without;             /* bits of the bus's that are not offered: another process drives the queues, and does not know them */
  void *owner;                  /* the object, if its type may join and leave a machine that runs (BP_TYPE_HOT_PLUG, and bp_virtio_removal); else NULL */
} BpVirtioFunction;

/* A queue as another process is given it (vhost-user).  Addresses are the guest's, in the space that `dma` tells. */
typedef struct BpVirtioRing {
  uint32_t struct_size;
  uint32_t size;                /* entries */
  uint64_t descriptors, driver, device; /* descriptor table, available ring, used ring; packed: ring, driver and device event suppression */
  uint32_t next;                /* available index; packed: bits 0 to 14 and wrap counter 15 of the available, 16 to 30 and 31 of the used side */
  int kick_fd, call_fd;         /* eventfds: the driver's kicks, and what interrupts it; the bus's, until the ring is given back */
} BpVirtioRing;

typedef struct BpVirtioBusIface {
  uint32_t struct_size;
  /* NULL: the place is taken, there is no such place, or a value is impossible. [main][realized] */
  BpVirtioDevice *(*add) (void *bus, const char *address, const BpVirtioFunction *function, GError **error);
  void (*remove) (void *bus, BpVirtioDevice *device);           /* [main] */
  /* From the device's reset: back to the state after power-on; calls stop when it was started. */
  void (*reset) (void *bus, BpVirtioDevice *device);
  /* The bits that the driver has chosen and that are in use, those of the bus as well; 0 before start. */
  uint64_t (*features) (void *bus, BpVirtioDevice *device);
  /* The next buffer; NULL: there is none. */
  BpVirtioBuffer *(*pop) (void *bus, BpVirtioDevice *device, unsigned queue);
  /* The device is done with it: the first `written' bytes of `in' are the answer.  The driver sees it when notify is called. */
  void (*push) (void *bus, BpVirtioDevice *device, BpVirtioBuffer *buffer, uint32_t written);
  /* As if it had not been popped; only the last one of its queue that was. */
  void (*unpop) (void *bus, BpVirtioDevice *device, BpVirtioBuffer *buffer);
  /* Shows the driver what was pushed, and interrupts it if it wants that. */
  void (*notify) (void *bus, BpVirtioDevice *device, unsigned queue);
  /* Whether the driver shall kick: a device that looks by itself says no (a hint to the driver, who may kick all the same).  true: there are buffers already. */
  bool (*want_kicks) (void *bus, BpVirtioDevice *device, unsigned queue, bool wanted);
  /* Whether pop would give one. */
  bool (*has_buffers) (void *bus, BpVirtioDevice *device, unsigned queue);
  /* The device-specific configuration has changed (2.5): the driver is interrupted. */
  void (*config_changed) (void *bus, BpVirtioDevice *device);
  /* The driver has done what no driver may: the device waits for its reset (DEVICE_NEEDS_RESET, 2.1.1); until then pop gives nothing, and what is pushed goes
   * nowhere.  `why' is logged as the guest's error. */
  void (*broken) (void *bus, BpVirtioDevice *device, const char *why);
  /* The address space of the driver's addresses. */
  BpAddressSpace *(*dma) (void *bus, BpVirtioDevice *device);
  /* --- for devices that another process drives --- */
  /* The bus leaves the ring alone from now on, and fills *ring.  false: the driver has not switched the queue on. */
  bool (*ring_take) (void *bus, BpVirtioDevice *device, unsigned queue, BpVirtioRing *ring);
  /* Back to the bus, which goes on at `next', and interrupts the driver once for calls that nobody has seen yet.  A `next' that cannot be breaks the device. */
  void (*ring_give) (void *bus, BpVirtioDevice *device, unsigned queue, uint32_t next);
  /* --- and for those that need many buffers at once --- */
  /* Entries that the driver has chosen for the queue: there are never more buffers, and never more parts outside of indirect tables. */
  uint32_t (*queue_size) (void *bus, BpVirtioDevice *device, unsigned queue);
  /* --- and for those that come and go --- */
  /* The owner's object shall leave: what its type's removal says. [main][locked] */
  BpRemoval (*removal) (void *bus, BpVirtioDevice *device, GError **error);
} BpVirtioBusIface;

/* --- what devices do with buffers ------------------------------------------------------------------ */

static inline BpVirtioBuffer *bp_virtio_pop (const BpLink *bus, BpVirtioDevice *device, unsigned queue)
{
  return ((const BpVirtioBusIface *) bus->table)->pop (bus->instance, device, queue);
}
static inline void bp_virtio_push (const BpLink *bus, BpVirtioDevice *device, BpVirtioBuffer *buffer, uint32_t written)
{
  ((const BpVirtioBusIface *) bus->table)->push (bus->instance, device, buffer, written);
}
static inline void bp_virtio_notify (const BpLink *bus, BpVirtioDevice *device, unsigned queue)
{
  ((const BpVirtioBusIface *) bus->table)->notify (bus->instance, device, queue);
}

/* For a type's removal; a device that was never added may go. */
static inline BpRemoval bp_virtio_removal (const BpLink *bus, BpVirtioDevice *device, GError **error)
{
  const BpVirtioBusIface *t = (const BpVirtioBusIface *) bus->table;
  return device && BP_TABLE_HAS (t, removal) ? t->removal (bus->instance, device, error) : BP_REMOVAL_NOW;
}

static inline size_t
bp_virtio_copy_ (const struct iovec *iov, unsigned n, uint64_t offset, uint8_t *bytes, size_t size, bool to_iov)
{
  size_t done = 0;
  for (unsigned i = 0; i < n && done < size; i++) {
    if (offset >= iov[i].iov_len) {
      offset -= iov[i].iov_len;
      continue;
    }
    size_t part = iov[i].iov_len - (size_t) offset;
    if (part > size - done)
      part = size - done;
    if (to_iov)
      memcpy ((uint8_t *) iov[i].iov_base + offset, bytes + done, part);
    else
      memcpy (bytes + done, (const uint8_t *) iov[i].iov_base + offset, part);
    done += part;
    offset = 0;
  }
  return done;
}
/* Copies what the driver has written, from an offset on; how many bytes there were.  The guest may change them at any time: read once, then check. */
static inline size_t bp_virtio_read (const BpVirtioBuffer *b, uint64_t offset, void *bytes, size_t size)
{
  return bp_virtio_copy_ (b->out, b->n_out, offset, (uint8_t *) bytes, size, false);
}
/* Writes to the room for the answer; how many bytes went in. */
static inline size_t bp_virtio_write (const BpVirtioBuffer *b, uint64_t offset, const void *bytes, size_t size)
{
  return bp_virtio_copy_ (b->in, b->n_in, offset, (uint8_t *) (uintptr_t) bytes, size, true);
}

BP_END_DECLS
#endif

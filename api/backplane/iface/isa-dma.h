/* iface/isa-dma.h -- the DMA controller of an ISA board, as a card or chip on a channel uses it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A device links to the controller (property kind LINK, interface BP_ISA_DMA_ID), attaches to its channel in realize, and asks with `request`
 * when it has bytes or wants some (DREQ).  The controller moves them when the guest has programmed and unmasked the channel: it calls `transfer` (DACK),
 * once or several times, maybe from within `request`, maybe much later from a guest's access to the controller.  Where in memory, in which direction and
 * how much is the controller's business; the device learns of terminal count with the last byte.
 *
 * A sound card, for example, calls request (true) whenever its FIFO has room, takes what fits in transfer, and interrupts the guest at tc.
 */
#ifndef BACKPLANE_IFACE_ISA_DMA_H
#define BACKPLANE_IFACE_ISA_DMA_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_ISA_DMA_ID "bp.isa-dma/1"

typedef enum BpIsaDmaKind {
  BP_ISA_DMA_VERIFY,            /* cycles without data: the device gives bytes that go nowhere */
  BP_ISA_DMA_WRITE,             /* from the device to memory */
  BP_ISA_DMA_READ,              /* from memory to the device */
  BP_ISA_DMA_CASCADE            /* the bus is the device's own, which reads and writes memory itself: bytes NULL, size 0; the result is ignored, the request withdrawn */
} BpIsaDmaKind;

/* The device's side. */
typedef struct BpIsaDmaHandlers {
  uint32_t struct_size;
  /* `size` bytes at `bytes` are offered (READ), or may be given (WRITE, VERIFY); they are the controller's and last for the call.  Returns how many were
   * moved, on channels 5 to 7 an even number.  Fewer than size: the device has had enough, its request is withdrawn, and it asks again when it can go on.
   * tc: the last of these bytes, if it is moved, is the last of the programmed number.  Within the call only `request` may be called. [any][locked] */
  size_t (*transfer) (void *user, BpIsaDmaKind kind, uint8_t *bytes, size_t size, bool tc);
} BpIsaDmaHandlers;

typedef struct BpIsaDmaIface {
  uint32_t struct_size;
  /* One device a channel, 0 to 3 (bytes) or 5 to 7 (words); NULL handlers detach, and withdraw the request.  false: another device is there, or there is no such
   * channel. [main] */
  bool (*attach) (void *self, unsigned channel, const BpIsaDmaHandlers *handlers, void *user);
  /* The device's request line.  It stays up until it is taken down here or `transfer` withdraws it; it is saved and loaded with the controller's
   * state. [any][locked] */
  void (*request) (void *self, unsigned channel, bool on);
} BpIsaDmaIface;

/* Without a controller: true, and nothing is ever moved. */
static inline bool bp_isa_dma_attach (const BpLink *link, unsigned channel, const BpIsaDmaHandlers *handlers, void *user)
{
  const BpIsaDmaIface *t = (const BpIsaDmaIface *) link->table;
  return !BP_TABLE_HAS (t, attach) || t->attach (link->instance, channel, handlers, user);
}
static inline void bp_isa_dma_request (const BpLink *link, unsigned channel, bool on)
{
  const BpIsaDmaIface *t = (const BpIsaDmaIface *) link->table;
  if (BP_TABLE_HAS (t, request))
    t->request (link->instance, channel, on);
}

BP_END_DECLS
#endif

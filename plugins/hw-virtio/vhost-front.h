/* vhost-front.h -- what virtio devices have in common whose queues another process drives. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_VHOST_FRONT_H
#define HW_VIRTIO_VHOST_FRONT_H

#include <backplane/bus/virtio.h>
#include "vhost-user.h"

enum { VHOST_QUEUES_MOST = 16, VHOST_RING_DESCRIPTOR = 16, VHOST_EVENT_SUPPRESSION = 4 /* bytes */ };
enum { VHOST_F_INDIRECT = 28, VHOST_F_EVENT_INDEX = 29, VHOST_F_VERSION_1 = 32, VHOST_F_PACKED = 34 };
#define VHOST_BIT(n) (UINT64_C (1) << (n))

typedef struct VhostFront VhostFront;

typedef struct VhostQueue {
  VhostFront *front;
  unsigned index;
  BpVirtioRing ring;
  bool runs;                    /* the back end has it */
  int call_fd;                  /* what the back end signals; -1: none */
  unsigned watch;
  bool packed;
  const uint8_t *descriptors, *used;    /* host memory */
  uint16_t seen;                /* split, without a log: used index up to which memory is marked as written */
} VhostQueue;

typedef struct VhostSpan {      /* of RAM, as the driver's address space shows it */
  uint64_t address, size;
  uint8_t *host;
} VhostSpan;

/* What differs between devices. */
typedef struct VhostKind {
  /* A back end was found: what it has is learned, or, by a later one, compared. [main] */
  bool (*connected) (VhostFront *f, bool again, GError **error);
  /* It is there, or it is gone. [main][locked] */
  void (*changed) (VhostFront *f, bool there);
  /* The back end says that its configuration is another.  NULL: it has none. [main][locked] */
  void (*reconfigured) (VhostFront *f);
  /* Buffers of a queue that nobody drives, nor will. [locked] */
  void (*fail) (VhostFront *f, unsigned queue);
} VhostKind;

/* The first member of a device's instance. */
struct VhostFront {
  BpLink bus;
  char *address, *socket;
  uint32_t reconnect;           /* ms; 0: never */
  const VhostKind *kind;
  BpVirtioDevice *device;
  Vhost v;
  uint64_t without;             /* bits of the bus's that are not offered, because the first back end did not know them */
  unsigned n_queues, queue_size;
  VhostQueue queues[VHOST_QUEUES_MOST];
  bool started;                 /* between start and stop of the driver */
  bool warned;                  /* of a back end that is gone, or of no use; until one does something */
  char *refused;                /* why one that came was not taken */
  unsigned watch, channel_watch, machine_watch, listener;
  VhostLog log;
  BpTimer *timer;
  GArray *spans;                /* VhostSpan, as the listener was told */
  bool spans_changed;
};

static inline const BpVirtioBusIface *vhost_front_bus (const VhostFront *f) { return f->bus.table; }

/* --- vhost-front.c: for the devices ---------------------------------------------------------- */
bool vhost_front_configure (VhostFront *f, GError **error);
/* Connects.  kind, n_queues and queue_size are set. */
bool vhost_front_connect (VhostFront *f, GError **error);
/* Registers the device; the function's callbacks but those of the configuration are the front's. */
bool vhost_front_add (VhostFront *f, BpVirtioFunction *function, GError **error);
void vhost_front_unrealize (VhostFront *f);
void vhost_front_reset (VhostFront *f);

/* For the other two files. [locked] */
void vhost_front_begin_rings (VhostFront *f);   /* if there is somebody on each side */
void vhost_front_end_rings (VhostFront *f, bool give);  /* give: back to the bus */

/* --- vhost-connection.c ---------------------------------------------------------------------- */
bool vhost_front_find (VhostFront *f, GError **error);  /* the first back end, and from then on whichever follows */
void vhost_front_forget (VhostFront *f);
void vhost_front_lose (VhostFront *f, const char *why); /* [locked] */
/* Bits of the bus's that it does not know, or that do not work with it. */
uint64_t vhost_unknown_features (const VhostFront *f);

/* --- vhost-memory.c [locked] ----------------------------------------------------------------- */
void vhost_span_added (void *front, const BpFlatRange *r);      /* BpMemoryListener */
void vhost_span_removed (void *front, const BpFlatRange *r);
/* What no process can map (a display's memory) is left out.  false: nothing is left, or too much. */
bool vhost_front_share (VhostFront *f, VhostMemory *m, GError **error);
uint8_t *vhost_host_of (const VhostMemory *m, uint64_t address, uint64_t size); /* NULL: not among the shared */
/* Translated code in what it has written must go, and who copies memory must know, before the driver hears of it. */
void vhost_mark_used (VhostQueue *q);
uint32_t vhost_used_index (const VhostQueue *q);        /* as far as the back end has come by what the driver can see */

#define VHOST_FRONT_PROPERTIES(T) \
  BP_VIRTIO_DEVICE_PROPERTIES (T, front.bus, front.address), \
  BP_PROP_ ("socket", BP_PROPERTY_STRING, T, front.socket, .flags = BP_PROPERTY_REQUIRED, \
            .help = "Where the back end listens: unix:PATH (relative to the current directory)."), \
  BP_PROP_U32 ("reconnect", T, front.reconnect, 0, "Milliseconds between attempts to find a back end again that is gone; 0: it is not looked for.")

#endif

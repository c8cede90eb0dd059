/* virtio.h -- what the queue engine and the buses of this plugin share; devices see bus/virtio.h alone. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include "guest-memory.h"
#include <backplane/bus/virtio.h>

enum {                          /* device status (VIRTIO 1.2, 2.1) */
  STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_NEEDS_RESET = 0x40, STATUS_FAILED = 0x80
};
enum {                          /* feature bits that are not the device's (chapter 6) */
  FEATURE_ANY_LAYOUT = 27, FEATURE_INDIRECT = 28, FEATURE_EVENT_INDEX = 29, FEATURE_VERSION_1 = 32, FEATURE_PACKED = 34
};
#define FEATURE_BIT(n) (UINT64_C (1) << (n))
/* Bits 0 to 23 and 50 to 63. */
#define DEVICE_BITS (UINT64_C (0x00ffffff) | UINT64_C (0xfffc) << 48)
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };
enum { NO_VECTOR = 0xffff, QUEUES_MOST = 1024, CONFIG_MOST = 4096 };
enum { CONFIG_INTERRUPT = -1 };

/* --- queues ------------------------------------------------------------------------------------- */

typedef struct Queue Queue;
typedef struct Buffer Buffer;

typedef struct QueueState {     /* saved */
  uint16_t size;                /* entries */
  bool enabled;
  uint16_t vector;
  uint64_t descriptors, driver, device; /* addresses: descriptor table, available ring, used ring; packed: ring, driver and device event suppression */
  uint16_t taken;               /* split: available index of what pop gives next; packed: 0 */
  uint16_t used;                /* split: used index; packed: position of the next used descriptor, its wrap counter in bit 15 */
  bool no_kicks;                /* the device looks by itself */
  bool untold;                  /* the driver does not know that yet: its memory could not be reached */
  uint16_t held_first;          /* split: chains that the device has, in the order in which it got them */
  BpStateBuffer held;           /* split: the next one of each, as 16 bits little-endian; HELD_END, HELD_NOT */
} QueueState;
enum { HELD_END = 0xffff, HELD_NOT = 0xfffe };

typedef struct Part {           /* of a buffer, beside its iovec */
  uint64_t address, ram;
} Part;

struct Buffer {
  BpVirtioBuffer pub;
  Queue *queue;                 /* NULL: in the pool */
  Buffer *previous, *next;      /* those that the device has of the queue, by age; next: in the pool, among those to be published */
  Buffer *next_pushed;
  struct iovec *iov;
  Part *parts;
  unsigned n_parts, capacity;
  uint16_t head;                /* split: first descriptor; packed: buffer id */
  uint16_t n_descriptors;       /* packed: in the ring */
  bool again;                   /* split: popped after a load */
  bool done;                    /* pushed, not published */
  uint32_t written;
};

/* A ring's layout. */
typedef struct Layout {
  const char *name;
  /* From addresses to host memory.  false: the driver's error, broken. */
  bool (*resolve) (Queue *q);
  void (*restart) (Queue *q);   /* positions of a queue that was just switched on */
  bool (*loaded) (Queue *q);    /* positions after a load; false: they are impossible */
  bool (*has) (Queue *q);
  Buffer *(*pop) (Queue *q);    /* NULL: there is none, or the driver's error */
  void (*unpop) (Queue *q, Buffer *b);
  bool (*publish) (Queue *q);   /* true: the driver wants to be interrupted */
  bool (*want_kicks) (Queue *q, bool wanted);
  uint32_t (*position) (const Queue *q);        /* BpVirtioRing.next */
  bool (*give) (Queue *q, uint32_t position);   /* nothing is under way; false: there is no such position */
} Layout;
extern const Layout split_layout, packed_layout;

struct Queue {
  QueueState *s;
  BpVirtioDevice *device;
  unsigned index;
  uint16_t size_most;
  /* while enabled */
  const Layout *layout;
  unsigned generation;          /* of the memory that the rings were resolved in; 0: not */
  uint8_t *descriptors, *driver_area, *device_area;
  uint64_t descriptors_ram, device_ram;
  Buffer *oldest, *newest;      /* what the device has */
  Buffer *first_pushed, *last_pushed;
  uint16_t again;               /* split: the chain that pop gives again; HELD_END: none */
  uint16_t *held_previous;      /* split */
  uint16_t next;                /* packed: position of what pop gives next, its wrap counter in bit 15 */
  unsigned in_flight;           /* packed: descriptors */
  int kick_fd, call_fd;         /* -1: none */
  unsigned watch, call_watch;
  bool taken_away;              /* another process has the ring */
};

/* --- devices ------------------------------------------------------------------------------------- */

typedef struct DeviceState {    /* saved */
  uint32_t place;               /* on the bus */
  uint32_t device_id;
  uint8_t status, isr;
  bool broken;
  bool legacy;                  /* the driver is older than VIRTIO 1.0 */
  bool early;                   /* and uses the device before it has set DRIVER_OK */
  uint16_t queue_select, config_vector;
  uint32_t feature_select, driver_feature_select, config_generation;
  uint64_t driver_features;
  BpStateTable queues;          /* of QueueState */
} DeviceState;

typedef struct VirtioBus VirtioBus;

struct BpVirtioDevice {
  VirtioBus *bus;
  uint32_t number;              /* its place on the bus */
  char *address;                /* the same, for messages */
  BpVirtioFunction function;
  uint64_t offered;
  DeviceState *state;           /* in the bus's table */
  Queue *queues;
  unsigned n_queues;
  GuestMemory memory;
  BpLoop *loop;
  bool started;                 /* between start and stop */
  bool waits;                   /* was loaded, and the machine has not gone on yet */
  Buffer *pool;
  void *place;                  /* the bus's own */
};

/* The first member of a bus's instance. */
struct VirtioBus {
  BpStateTable states;          /* of DeviceState, by place */
  GPtrArray *devices;           /* of BpVirtioDevice, likewise */
  BpMachine *machine;
  unsigned watch;
  bool packed, sync;            /* sync: kicks are handled where the guest makes them */
  bool is_up;                   /* it was reset: what is added now joins a machine that runs */
  int doorbells;                /* property */
  /* What interrupts the driver: a queue, or CONFIG_INTERRUPT; isr was set. */
  void (*interrupt) (BpVirtioDevice *d, int queue);
  /* Registers of the bus's own: those of a device that was reset, or that were loaded. */
  void (*registers_changed) (BpVirtioDevice *d);
};

/* bus.c */
extern const BpStateField virtio_device_state[];
extern const char *const virtio_doorbell_names[];
void virtio_bus_init (VirtioBus *bus);
void virtio_bus_finish (VirtioBus *bus);
bool virtio_bus_post_load (VirtioBus *bus, GError **error);
void virtio_bus_reset (VirtioBus *bus);
BpVirtioDevice *virtio_device_new (VirtioBus *bus, uint32_t place, const char *address, const BpVirtioFunction *function, BpAddressSpace *dma, GError **error);
void virtio_device_free (BpVirtioDevice *d);
BpVirtioDevice *virtio_bus_device (const VirtioBus *bus, uint32_t place);       /* NULL: none */
#define VIRTIO_BUS_PROPERTIES(T) \
  BP_PROP_BOOL ("packed", T, common.packed, false, "Offers packed virtqueues to drivers, beside split ones."), \
  BP_PROP_ENUM ("doorbells", T, common.doorbells, 0, virtio_doorbell_names, \
                "Whether a driver's kicks are told to the device's thread by an event (on) or handled by the vCPU that makes them (off); auto: on, but in " \
                "deterministic mode, where a kick must not depend on the host.")
#define VIRTIO_BUS_STATE(T) \
  { "devices", BP_STATE_TABLE, (uint32_t) offsetof (T, common.states), 1, (uint32_t) sizeof (DeviceState), 1, 0, virtio_device_state, NULL }

/* The functions of BpVirtioBusIface that are the same on all buses. */
#define VIRTIO_BUS_IFACE \
  .reset = virtio_iface_reset, .features = virtio_iface_features, .pop = virtio_iface_pop, .push = virtio_iface_push, .unpop = virtio_iface_unpop, \
  .notify = virtio_iface_notify, .want_kicks = virtio_iface_want_kicks, .has_buffers = virtio_iface_has_buffers, \
  .config_changed = virtio_iface_config_changed, .broken = virtio_iface_broken, .dma = virtio_iface_dma, .ring_take = virtio_iface_ring_take, \
  .ring_give = virtio_iface_ring_give, .queue_size = virtio_iface_queue_size
void virtio_iface_reset (void *bus, BpVirtioDevice *d);
uint64_t virtio_iface_features (void *bus, BpVirtioDevice *d);
BpVirtioBuffer *virtio_iface_pop (void *bus, BpVirtioDevice *d, unsigned queue);
void virtio_iface_push (void *bus, BpVirtioDevice *d, BpVirtioBuffer *buffer, uint32_t written);
void virtio_iface_unpop (void *bus, BpVirtioDevice *d, BpVirtioBuffer *buffer);
void virtio_iface_notify (void *bus, BpVirtioDevice *d, unsigned queue);
bool virtio_iface_want_kicks (void *bus, BpVirtioDevice *d, unsigned queue, bool wanted);
bool virtio_iface_has_buffers (void *bus, BpVirtioDevice *d, unsigned queue);
void virtio_iface_config_changed (void *bus, BpVirtioDevice *d);
void virtio_iface_broken (void *bus, BpVirtioDevice *d, const char *why);
BpAddressSpace *virtio_iface_dma (void *bus, BpVirtioDevice *d);
bool virtio_iface_ring_take (void *bus, BpVirtioDevice *d, unsigned queue, BpVirtioRing *ring);
void virtio_iface_ring_give (void *bus, BpVirtioDevice *d, unsigned queue, uint32_t next);
uint32_t virtio_iface_queue_size (void *bus, BpVirtioDevice *d, unsigned queue);

/* Whether kicks are handled where the guest makes them. */
static inline bool queue_is_sync (const Queue *q) { return q->device->bus->sync; }

/* device.c: what registers do. [locked] */
void device_reset (BpVirtioDevice *d);
void device_set_status (BpVirtioDevice *d, uint8_t status);
uint8_t device_status (const BpVirtioDevice *d);
uint32_t device_offered (const BpVirtioDevice *d, uint32_t select);
uint32_t device_driver_features (const BpVirtioDevice *d, uint32_t select);
void device_set_driver_features (BpVirtioDevice *d, uint32_t select, uint32_t bits);
static inline bool device_has (const BpVirtioDevice *d, unsigned feature) { return d->state->driver_features >> feature & 1; }
static inline bool device_is_running (const BpVirtioDevice *d) { return d->started && !d->state->broken; }
uint64_t device_config_read (BpVirtioDevice *d, uint64_t offset, unsigned size);
void device_config_write (BpVirtioDevice *d, uint64_t offset, uint64_t value, unsigned size);
/* The queue that queue_select names; NULL: there is no such one. */
Queue *device_selected (BpVirtioDevice *d);
void device_kick (BpVirtioDevice *d, unsigned queue);   /* a kick as the guest makes it */
void device_go_on (BpVirtioDevice *d);                  /* the machine runs again */
void device_stop (BpVirtioDevice *d);
bool device_loaded (BpVirtioDevice *d, GError **error);
void device_memory_moved (void *device);
void device_break (BpVirtioDevice *d, const Queue *q, const char *format, ...) G_GNUC_PRINTF (3, 4);
bool device_open_fds (BpVirtioDevice *d, GError **error);
void device_close_fds (BpVirtioDevice *d);

/* Of both kinds of ring: words in little endian, which the driver may write at any time. */
static inline bool has_event_index (const Queue *q) { return device_has (q->device, FEATURE_EVENT_INDEX); }
static inline uint16_t *ring_field (uint8_t *area, unsigned offset) { return (uint16_t *) (void *) (area + offset); }
static inline uint16_t ring_load (uint8_t *area, unsigned offset) { return GUINT16_FROM_LE (__atomic_load_n (ring_field (area, offset), __ATOMIC_RELAXED)); }

/* queue.c */
void queue_init (Queue *q, BpVirtioDevice *d, unsigned index, uint16_t size_most);
void queue_finish (Queue *q);
void queue_reset (Queue *q);
void queue_set_enabled (Queue *q, bool enabled);
void queue_set_size (Queue *q, uint32_t size);
bool queue_loaded (Queue *q);
bool queue_is_as_agreed (const Queue *q);
void queue_lose_buffers (Queue *q);
bool queue_buffers_are_there (Queue *q);        /* whether the memory of what the device has is where it was */
/* Whether it can be looked at now; resolves its rings. */
bool queue_is_ready (Queue *q);
uint8_t *queue_area (Queue *q, uint64_t address, uint64_t size, unsigned alignment, bool write, uint64_t *ram, const char *what);

/* buffer.c */
Buffer *buffer_take (Queue *q);
void buffer_release (Buffer *b);
/* Adds `size' bytes at an address; false: the driver's error, broken. */
bool buffer_add (Buffer *b, uint64_t address, uint32_t size, bool writable);
void buffer_seal (Buffer *b);
void buffer_mark_written (Buffer *b, uint64_t written);
void buffer_link (Queue *q, Buffer *b);
void buffer_unlink (Queue *q, Buffer *b);

/* Whether an index that goes from `old' to `now' passes `event' (2.7.10). */
static inline bool passes (uint16_t event, uint16_t now, uint16_t old) { return (uint16_t) (now - event - 1) < (uint16_t) (now - old); }

extern const BpTypeDesc virtio_pci_type, virtio_mmio_type;

#endif

/* virtio.h -- the driver of virtio devices of a test: what its files share. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_TESTING_VIRTIO_H
#define CORE_TESTING_VIRTIO_H

#include "testing.h"
#include <backplane/test-pci.h>
#include <backplane/test-virtio.h>

enum { VIRTIO_QUEUES = 1024, FEATURE_INDIRECT = 28, FEATURE_EVENT_INDEX = 29, FEATURE_VERSION_1 = 32, FEATURE_PACKED = 34 };
enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8 };

typedef struct TestQueue {
  unsigned size;                /* 0: off */
  uint64_t descriptors, driver, device;
  uint16_t next;                /* split: available index; packed: position, wrap counter in bit 15 */
  uint16_t kicked;              /* the same at the last kick; packed: descriptors since then */
  uint16_t used;                /* what is looked at next */
  uint16_t *chain;              /* split: free descriptors, a list; both: descriptors of a buffer by its id */
  bool *busy;                   /* split: descriptors; packed: ids */
  unsigned n_busy;              /* descriptors */
  unsigned interrupts;
} TestQueue;

struct BpTestVirtio {
  BpTest *t;
  const char *bus;              /* PCI; NULL: registers in memory */
  unsigned function;
  bool pin;
  uint64_t registers, isr, config, notify;      /* addresses */
  uint32_t notify_each;
  uint64_t memory, end, free_at;
  uint64_t features;
  TestQueue *queues;            /* VIRTIO_QUEUES */
  unsigned config_interrupts;
};

static inline bool test_virtio_has (const BpTestVirtio *v, unsigned feature) { return v->features >> feature & 1; }
void test_virtio_forget_queues (BpTestVirtio *v);

#endif

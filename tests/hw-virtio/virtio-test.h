/* virtio-test.h -- what tests of hw-virtio share: machines with a bus, and a device that sends back what it gets. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_VIRTIO_TEST_H
#define TESTS_VIRTIO_TEST_H

#include <backplane/bus/virtio.h>
#include <backplane/device.h>
#include <backplane/test-pci.h>
#include <backplane/test-virtio.h>

/* Type `echo': what it is sent comes back, as far as there is room.  Queue 0 has 16 entries, queue 1 has 64, queue 2 has 256. */
typedef struct Echo {
  BpLink bus;
  char *address;
  bool hold;                    /* keeps what it gets in queue 0 until the test says otherwise; runtime */
  bool picky;                   /* does not work without feature 3 */
  bool looks;                   /* wants no kicks */
  bool sizeless;                /* has forgotten struct_size */
  bool thread;                  /* has a loop of its own */
  BpLoop *loop;
  GThread *kicked_on;
  uint32_t config_bytes;
  BpVirtioDevice *device;
  uint8_t config[64];           /* saved */
  BpVirtioBuffer *held[64];
  unsigned n_held;
  unsigned starts, stops, kicks, config_writes;
  uint64_t accepted;
  bool data_was_clean;
} Echo;
enum { ECHO_QUEUES = 3, ECHO_FEATURES = 0x8 | 0x20 };

static inline const BpVirtioBusIface *echo_bus (const Echo *e) { return e->bus.table; }
/* Answers held number i, of those that are still there. */
void echo_answer (Echo *e, unsigned i);
void echo_notify (Echo *e, unsigned queue);

/* How a machine is made, and what the driver takes: each test runs over all of them. */
typedef struct VirtioCase {
  const char *name;
  bool pci, packed, event_index, indirect, pin, events;
} VirtioCase;
extern const VirtioCase virtio_cases[];
extern const unsigned n_virtio_cases;

/* 1 MiB of RAM at 0, a probe, the bus, and `echo' at its first place; more sections, or NULL; keys of the echo device. */
BpTest *virtio_test_new (const VirtioCase *c, const char *echo_keys, const char *more);
char *virtio_test_refusal (const VirtioCase *c, const char *more);      /* g_free */
/* Its driver, features and queues agreed on, started. */
BpTestVirtio *virtio_test_driver (BpTest *t, const VirtioCase *c);
uint64_t virtio_test_features (const VirtioCase *c);
BpTestVirtio *virtio_test_find (BpTest *t, const VirtioCase *c);
static inline Echo *virtio_test_echo (BpTest *t) { return bp_test_object (t, "echo"); }
enum { VIRTIO_TEST_MEMORY = 0x10000, VIRTIO_TEST_SIZE = 0xe0000, VIRTIO_TEST_MMIO = 0x10000000 };

/* for (each case) */
#define EACH_CASE(c) for (const VirtioCase *c = virtio_cases; c < virtio_cases + n_virtio_cases; c++)

#endif

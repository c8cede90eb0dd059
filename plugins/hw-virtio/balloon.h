/* balloon.h -- virtio memory balloon: what its files share. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_BALLOON_H
#define HW_VIRTIO_BALLOON_H

#include <backplane/bus/virtio.h>
#include <backplane/iface/balloon.h>

enum { PAGE_SHIFT = 12, PAGE_SIZE_BYTES = 1 << PAGE_SHIFT };

enum { BALLOON_QUEUES = 5, BALLOON_NUMBERS = 16 };
enum {                          /* feature bits (VIRTIO 1.2, 5.5.3) */
  BALLOON_STATS = 1 << 1, BALLOON_DEFLATE_ON_OOM = 1 << 2, BALLOON_POISON = 1 << 4, BALLOON_REPORTING = 1 << 5
};

typedef struct Balloon {
  uint32_t pages;               /* of 4 KiB, that the guest says it has given */
  uint32_t poison;              /* what the guest fills free pages with */
  uint64_t numbers[BALLOON_NUMBERS];    /* its statistics, by tag; ~0: not told */
  uint64_t told;                /* the host's time of them, in seconds */
  uint64_t give;                /* bytes that the guest shall give; modules that join or leave do not change it */
  BpTimer *timer;               /* for the next statistics */
  /* wiring */
  BpLink bus;
  char *address;
  uint64_t target;              /* all there is without `give'; 0: all there is */
  bool deflate_on_oom, reporting;
  uint32_t interval;            /* s */
  BpVirtioDevice *device;
  /* derived */
  void (*changed) (void *user);
  void *user;
  unsigned watch;
  bool has_given;               /* `give' has come from the descriptor's target, or from a snapshot */
  bool posted, resumes;         /* a call is on the main loop's list: of changed, for the rest of a queue */
  bool warned;
} Balloon;

static inline const BpVirtioBusIface *balloon_bus (const Balloon *b) { return b->bus.table; }
static inline uint64_t balloon_features (const Balloon *b) { return balloon_bus (b)->features (b->bus.instance, b->device); }

/* balloon-pages.c: gives whole pages of RAM in this span of a space back to the host.  How many bytes went; the rest is no RAM, or cannot be given back. [locked] */
uint64_t balloon_discard (BpAddressSpace *as, uint64_t address, uint64_t size);
/* The same of host memory that a buffer's part is. */
uint64_t balloon_discard_host (BpMachine *machine, const uint8_t *host, uint64_t size);

/* --- balloon-memory.c --- */
/* The RAM that the guest finds by now, modules included; what was added and is in no module yet, or is ROM, is none. */
uint64_t balloon_all_memory (BpMachine *machine);

/* --- balloon-statistics.c --- */
void balloon_statistics_init (Balloon *b);
void balloon_statistics_reset (Balloon *b);
void balloon_statistics_finish (Balloon *b);
void balloon_forget_numbers (Balloon *b);
void balloon_arm_timer (Balloon *b);            /* by the interval, which may have changed */
unsigned balloon_stats_queue (const Balloon *b);        /* BALLOON_QUEUES: there is none */
void balloon_take_statistics (Balloon *b);      /* the driver has sent some */
unsigned balloon_statistics (void *balloon, BpBalloonNumber *numbers, unsigned most, int64_t *seconds);

#endif

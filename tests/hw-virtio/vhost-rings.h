/* vhost-rings.h -- the tests' vhost-user back end within: its state, the guest's memory, rings of both layouts. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_VHOST_RINGS_H
#define TESTS_VHOST_RINGS_H

#include "vhost-back-end.h"
#include "hw-virtio/vhost-user.h"
#include <sys/un.h>

enum { RINGS = 2, RING_ENTRIES = 1024, SCRIPT = 256 };

typedef struct Ring {
  uint32_t size;
  uint16_t next;                /* packed: with the wrap counter */
  uint64_t descriptors, available, used;        /* the front end's addresses */
  int kick, call;
  bool enabled, fresh;          /* fresh: not looked at yet */
} Ring;

typedef struct Mapped {
  VhostRegion r;
  uint8_t *at;
} Mapped;

struct BackEnd {
  BackEndFault fault;
  unsigned knows;
  int listener, peer, channel, stop[2], done[2];
  GMutex fds_lock;              /* of peer and channel: their thread closes them, a test speaks on them */
  struct sockaddr_un place;
  GThread *thread;
  uint8_t script[SCRIPT];
  size_t script_at, script_end;
  uint16_t jump;                /* of the next used index, too far */
  uint64_t features;            /* in use */
  uint64_t sectors;
  uint8_t disk[BACK_END_DISK];
  bool writeback;
  unsigned inherited;
  Mapped memory[VHOST_REGIONS_MOST];
  unsigned n_memory;
  uint8_t *log, *inflight;      /* inflight: a byte a descriptor, 1: it was begun */
  uint64_t log_size;
  Ring rings[RINGS];
};

bool rings_in_steps (const BackEnd *b);
/* What shall be wrong next: 0 behind the script's end. */
uint8_t rings_script_byte (BackEnd *b);
uint64_t rings_script_bytes (BackEnd *b, unsigned n);
void rings_take_memory (BackEnd *b, const uint8_t *payload, const int *fds, unsigned n_fds);
void rings_forget_memory (BackEnd *b);
/* NULL: it cannot be mapped. */
uint8_t *rings_map (int fd, uint64_t size, uint64_t offset);
bool rings_are_packed (const BackEnd *b);
void rings_call (Ring *r);
/* What is available.  false: the back end goes. */
bool rings_serve (BackEnd *b, Ring *r);

#endif

/* vhost-user.h -- the protocol by which another process drives a virtio device's queues (QEMU's docs/interop/vhost-user.rst), as the front end speaks it. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_VHOST_USER_H
#define HW_VIRTIO_VHOST_USER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {                          /* front end's messages */
  VHOST_GET_FEATURES = 1, VHOST_SET_FEATURES, VHOST_SET_OWNER, VHOST_RESET_OWNER, VHOST_SET_MEM_TABLE, VHOST_SET_LOG_BASE, VHOST_SET_VRING_NUM = 8, VHOST_SET_VRING_ADDR,
  VHOST_SET_VRING_BASE, VHOST_GET_VRING_BASE, VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR, VHOST_GET_PROTOCOL_FEATURES,
  VHOST_SET_PROTOCOL_FEATURES, VHOST_GET_QUEUE_NUM, VHOST_SET_VRING_ENABLE, VHOST_SET_BACK_END_CHANNEL = 21, VHOST_GET_CONFIG = 24, VHOST_SET_CONFIG, VHOST_GET_INFLIGHT_FD = 31,
  VHOST_SET_INFLIGHT_FD
};
enum { VHOST_BACK_END_CONFIG_CHANGE = 2 };      /* the back end's */
enum { VHOST_F_LOG_ALL = 26, VHOST_F_PROTOCOL_FEATURES = 30 };  /* feature bits */
enum { VHOST_PROTOCOL_MQ = 0, VHOST_PROTOCOL_LOG_SHMFD = 1, VHOST_PROTOCOL_REPLY_ACK = 3, VHOST_PROTOCOL_BACK_END_CHANNEL = 5, VHOST_PROTOCOL_CONFIG = 9,
       VHOST_PROTOCOL_INFLIGHT = 12 };
enum { VHOST_REGIONS_MOST = 8, VHOST_CONFIG_MOST = 256 };

typedef struct VhostRegion {    /* of guest memory that both map */
  uint64_t guest, size, user, offset;   /* user: where the front end has it, the addresses in which rings are told; offset: in the file */
} VhostRegion;

typedef struct VhostMemory {
  VhostRegion regions[VHOST_REGIONS_MOST];
  int fds[VHOST_REGIONS_MOST];  /* the memory backends' */
  unsigned n;
} VhostMemory;

typedef struct VhostRing {
  uint32_t index, size, next;
  uint64_t descriptors, available, used;        /* in the front end's memory */
  int kick_fd, call_fd;
} VhostRing;

typedef struct Vhost {
  int fd;                       /* -1: not connected */
  int channel;                  /* for messages of the back end's own; -1: it has none */
  uint64_t features, protocol_features;
  unsigned queues_most;
  int inflight_fd;              /* what the back end was doing, kept for the one that follows it; -1: none */
  uint64_t inflight_size, inflight_offset;
  uint16_t inflight_queues, inflight_queue_size;
} Vhost;

/* All of these return false, with error, when the back end does not answer within seconds, not what the protocol says, or no. */
void vhost_init (Vhost *v);
void vhost_finish (Vhost *v);
/* What is wrong with an address; NULL: nothing.  Free with g_free. */
char *vhost_wrong (const char *address);
/* Connects and agrees on what there is: features, protocol features, number of queues. */
bool vhost_connect (Vhost *v, const char *address, GError **error);
void vhost_disconnect (Vhost *v);
bool vhost_get_config (Vhost *v, uint8_t *config, uint32_t size, GError **error);
bool vhost_set_config (Vhost *v, uint32_t offset, const uint8_t *bytes, uint32_t size, GError **error);
/* A message of the back end's own, which is there: it was answered.  false without error: the channel has ended. */
bool vhost_hear_back_end (Vhost *v, uint32_t *request, GError **error);
/* Whether the back end can log what it writes, and where it does: before start. */
bool vhost_can_log (const Vhost *v);
bool vhost_set_log (Vhost *v, int fd, uint64_t size, GError **error);
/* What the back end had under way is nobody's any more. */
void vhost_forget_inflight (Vhost *v);
/* The driver's choice, and where memory is: before rings. */
bool vhost_start (Vhost *v, uint64_t features, const VhostMemory *memory, unsigned n_queues, unsigned queue_size, GError **error);
bool vhost_start_ring (Vhost *v, const VhostRing *ring, GError **error);
/* *next: where the back end stood. */
bool vhost_stop_ring (Vhost *v, uint32_t index, uint32_t *next, GError **error);

/* --- vhost-log.c: the pages of guest memory that the back end has written, as it logs them itself ---------- */
typedef struct VhostLog {
  uint64_t *words;              /* shared with the back end, which sets bits at any time: one a page; NULL: no log */
  uint64_t size;                /* bytes */
  int fd;
} VhostLog;

void vhost_log_init (VhostLog *log);
void vhost_log_finish (VhostLog *log);
/* Has a place for each page below `end'. */
bool vhost_log_cover (VhostLog *log, uint64_t end, GError **error);
/* What was written since the last time. */
void vhost_log_take (VhostLog *log, void (*written) (void *user, uint64_t address, uint64_t size), void *user);

#endif

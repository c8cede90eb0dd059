/* blk.h -- virtio block device: what its files share. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_BLK_H
#define HW_VIRTIO_BLK_H

#include <backplane/bus/virtio.h>
#include <backplane/iface/block.h>

enum { BLK_SECTOR = 512, BLK_SEGMENTS = 32, BLK_SEGMENT_SECTORS = 1 << 21, BLK_SERIAL = 20 };
#define BLK_REQUEST_MOST (UINT64_C (64) << 20)  /* bytes of data: what a reset has to wait for stays within bounds */

enum {                          /* feature bits (VIRTIO 1.2, 5.2.3) */
  BLK_F_SIZE_MAX = 1, BLK_F_SEG_MAX = 2, BLK_F_GEOMETRY = 4, BLK_F_RO = 5, BLK_F_BLK_SIZE = 6, BLK_F_FLUSH = 9, BLK_F_TOPOLOGY = 10, BLK_F_CONFIG_WCE = 11,
  BLK_F_MQ = 12, BLK_F_DISCARD = 13, BLK_F_WRITE_ZEROES = 14
};

typedef struct BlkRequest BlkRequest;

typedef struct Blk {
  /* saved */
  BpTimer *timer;               /* deterministic mode: when what was kicked is done */
  bool writeback;               /* the driver's wish: writes may be kept back until it flushes */
  /* wiring */
  BpLink bus, backend;
  char *address, *serial;
  int rerror, werror;
  uint32_t n_queues, queue_size, seg_max, size_max, block_size, physical_block_size, min_io_size, opt_io_size;
  bool write_cache, config_wce, discard, write_zeroes, iothread;
  BpVirtioDevice *device;
  BpLoop *loop;                 /* its own; NULL: the main one */
  unsigned watch;
  /* derived */
  bool deterministic;
  bool attached;
  BpBlockHandlers handlers;
  bool stopping;                /* nobody wants answers any more */
  bool serving;                 /* answers are shown to the driver when all is served */
  uint64_t features;            /* in use */
  bool knows_cache;             /* by these the driver knows that there is a cache */
  uint64_t shown_late;          /* while serving: bits of queues with answers, the last one for all beyond */
  BlkRequest *failed, **failed_end;     /* that have stopped the machine */
} Blk;

static inline const BpVirtioBusIface *blk_bus (const Blk *b) { return b->bus.table; }
static inline bool blk_has (const Blk *b, unsigned feature) { return b->features >> feature & 1; }
static inline bool blk_is_durable (const Blk *b) { return !b->writeback || !b->knows_cache; }

/* --- blk-request.c [locked] --- */
size_t blk_request_size (void);                 /* of BpVirtioBuffer.data */
void blk_serve (Blk *b, unsigned queue);        /* what there is in the queue is begun */
void blk_retry (Blk *b);                        /* what has stopped the machine is begun again */
void blk_cancel (Blk *b);                       /* waits for what is under way, and forgets it */
/* The backend, and the loop that requests are made and answered on; what is under way was cancelled before blk_detach. [main] */
bool blk_attach (Blk *b, GError **error);
void blk_detach (Blk *b);

#endif

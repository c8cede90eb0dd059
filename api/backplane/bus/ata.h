/* bus/ata.h -- ATA as a drive sees it and as a host adapter provides it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A drive's type has properties `bus` (link to BP_ATA_BUS_ID) and `address` ("CHANNEL.UNIT", unit 0 the master), and registers itself in
 * realize.  The table below is the cable: the adapter decodes ports and hands over what goes to the registers, the drive answers with data, its
 * interrupt line and requests for DMA.  What a register means, and when the drive is busy, is the drive's (ATA/ATAPI-6, chapters 7 to 9).
 * Every call is made under the machine lock.
 */
#ifndef BACKPLANE_BUS_ATA_H
#define BACKPLANE_BUS_ATA_H

#include <backplane/common.h>
#include <sys/uio.h>
BP_BEGIN_DECLS

#define BP_ATA_BUS_ID "bp.ata-bus/1"

/* Registers by their addresses in the command block; the last is the control block's. */
enum {
  BP_ATA_DATA = 0, BP_ATA_ERROR = 1, BP_ATA_FEATURES = 1, BP_ATA_COUNT = 2, BP_ATA_LBA_LOW = 3, BP_ATA_LBA_MID = 4, BP_ATA_LBA_HIGH = 5, BP_ATA_DEVICE = 6,
  BP_ATA_STATUS = 7, BP_ATA_COMMAND = 7, BP_ATA_ALTERNATE = 8 /* status, without acknowledging the interrupt */, BP_ATA_CONTROL = 8
};

/* What the drive registers; copied by the bus. */
typedef struct BpAtaDrive {
  uint32_t struct_size;
  void *self;                   /* passed to the callbacks */
  /* Both drives of a channel get every write, as on the cable, and look at the DEV bit of the device register for themselves. */
  void (*write) (void *self, unsigned reg, uint8_t value);      /* BP_ATA_FEATURES to BP_ATA_CONTROL */
  /* Only the selected one is read.  Where there is a master alone, it answers for the missing slave, whose status is 0. */
  uint8_t (*read) (void *self, unsigned reg);                   /* BP_ATA_ERROR to BP_ATA_ALTERNATE */
  /* The data register of the selected drive, in pieces of 1, 2 or 4 bytes. */
  uint32_t (*read_data) (void *self, unsigned size);
  void (*write_data) (void *self, uint32_t value, unsigned size);
  /* After request_dma: the guest has started the adapter's engine, dma_map has memory to give.  May come from within request_dma. */
  void (*dma_ready) (void *self);
  /*
   * The guest has stopped the engine while the drive requests DMA, or between dma_map and dma_unmap: end what is under way, and unmap, before this returns.
   * When the engine is started again, dma_ready comes again.
   */
  void (*dma_stopped) (void *self);
  /* The geometry that a BIOS shall use for the disk; all 0: no disk, or let it choose. */
  uint32_t cylinders, heads, sectors;
} BpAtaDrive;

typedef struct BpAtaSlot BpAtaSlot;     /* the bus's side of a registered drive */

typedef struct BpAtaBusIface {
  uint32_t struct_size;
  /* address: channel << 1 | unit.  NULL: occupied, or there is no such place. [main][realized] */
  BpAtaSlot *(*add) (void *bus, unsigned address, const BpAtaDrive *drive, GError **error);
  void (*remove) (void *bus, BpAtaSlot *slot);                  /* [main] */
  /* INTRQ of the drive; the drive keeps it low while it is not selected, or while nIEN is set. [locked] */
  void (*set_interrupt) (void *bus, BpAtaSlot *slot, int level);
  /* Whether the adapter can do DMA at all: a drive behind one that cannot offers none. [main or locked] */
  bool (*has_dma) (void *bus, BpAtaSlot *slot);
  /* DMARQ: the drive has data for memory, or wants some; until it takes the request back.  Without DMA nothing ever comes of it. [locked] */
  void (*request_dma) (void *bus, BpAtaSlot *slot, bool wanted, bool to_memory);
  /*
   * Host memory for the next bytes of the transfer: at most `most`, a multiple of `unit`.  Returns how many; 0: the guest gave no (more) memory, and the
   * drive waits until it is started again or reset.  The vectors are the bus's and stay valid until dma_unmap, which has to come before the next dma_map.
   * Data from memory is as it was in between; data to memory may be seen from now on.  Any thread may use the vectors. [locked]
   */
  uint64_t (*dma_map) (void *bus, BpAtaSlot *slot, uint64_t most, unsigned unit, const struct iovec **iov, unsigned *n_iov);
  /* moved: all of it has been, and the next map goes on behind it; else the same bytes come again. [locked] */
  void (*dma_unmap) (void *bus, BpAtaSlot *slot, bool moved);
} BpAtaBusIface;

/* "CHANNEL.UNIT" -> channel << 1 | unit; -1 when malformed. */
static inline int bp_ata_address_parse (const char *text)
{
  unsigned channel = 0, unit = 0;
  if (!text || !g_ascii_isdigit (*text))
    return -1;
  for (; g_ascii_isdigit (*text) && channel <= 127; text++)
    channel = channel * 10 + (unsigned) g_ascii_digit_value (*text);
  if (channel > 127 || *text != '.' || !g_ascii_isdigit (text[1]))
    return -1;
  for (text++; g_ascii_isdigit (*text) && unit <= 1; text++)
    unit = unit * 10 + (unsigned) g_ascii_digit_value (*text);
  return *text || unit > 1 ? -1 : (int) (channel << 1 | unit);
}

BP_END_DECLS
#endif

/* ide-channel.h -- an ATA channel as a host adapter of this plugin has it: two drives on a cable, ports, an interrupt line, an engine for DMA. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_IDE_CHANNEL_H
#define HW_PC_IDE_CHANNEL_H

#include <backplane/bus/ata.h>
#include <backplane/memory.h>
#include <backplane/state.h>
#include <backplane/iface/cmos.h>

#define IDE_N_CHANNELS 2
#define IDE_MAX_PIECES 512      /* of memory in one mapping */

enum { IDE_MASTER_COMMAND = 0, IDE_MASTER_STATUS = 2, IDE_MASTER_TABLE = 4 };  /* PIIX3, 2.7: offsets */
enum { IDE_MASTER_START = 1 << 0, IDE_MASTER_TO_MEMORY = 1 << 3 };
enum { IDE_MASTER_ACTIVE = 1 << 0, IDE_MASTER_ERROR = 1 << 1, IDE_MASTER_INTERRUPT = 1 << 2, IDE_MASTER_CAPABLE = 3 << 5 };

typedef struct IdeChannel IdeChannel;

struct BpAtaSlot {
  /* saved */
  bool level;                   /* of INTRQ */
  bool wants_dma, to_memory;    /* DMARQ, and which way */
  /* wiring */
  bool there;
  IdeChannel *channel;
  BpAtaDrive drive;
};

/* Where the engine is in the table of memory that the guest has written. */
typedef struct IdeCursor {      /* saved */
  uint32_t entry;               /* address of the next entry */
  uint32_t at, left;            /* of the one that is being used */
  bool last;                    /* which is the last one */
} IdeCursor;

typedef struct IdePiece {
  uint64_t address;             /* the guest's */
  uint8_t *host;                /* NULL: goes through `bounce` */
  uint64_t ram_address;         /* for the dirty log */
  uint32_t size;
  IdeCursor behind;             /* the cursor once it has been moved */
} IdePiece;

struct IdeChannel {
  /* saved */
  uint8_t selected;             /* DEV, as last written */
  uint8_t command, status;      /* the engine's */
  uint32_t table;
  IdeCursor cursor;
  /* wiring */
  void *owner;
  BpPin *irq;
  BpAtaSlot slots[2];
  BpAddressSpace *memory;       /* NULL: no DMA */
  /* derived: what is mapped */
  BpAtaSlot *user;              /* NULL: nothing */
  IdePiece pieces[IDE_MAX_PIECES];
  unsigned n_pieces;
  struct iovec iov[IDE_MAX_PIECES];
  unsigned n_iov;
  uint8_t *bounce;
  bool failed;                  /* some of it is no memory */
};

extern const BpStateField ide_channel_state[];

/* The first member of an adapter's state, so that the interface's `bus` is this. */
typedef struct IdeAdapter {
  IdeChannel channels[IDE_N_CHANNELS];
  BpLink cmos;                  /* where a set-up program would have written down the disks */
} IdeAdapter;
#define IDE_ADAPTER_PROPERTIES(T) \
  BP_PROP_LINK ("cmos", T, adapter.cmos, BP_CMOS_ID, 0, "The clock whose CMOS RAM tells firmware and old systems of the disks on channel 0.")
extern const BpAtaBusIface ide_bus_iface;

/* --- ide-channel.c --- */
extern const BpRegionOps ide_command_ops[IDE_N_CHANNELS], ide_control_ops[IDE_N_CHANNELS];
void ide_adapter_init (IdeAdapter *a);
void ide_adapter_reset (IdeAdapter *a);
void ide_adapter_post_load (IdeAdapter *a);

/* --- ide-dma.c --- */
uint8_t ide_master_read (IdeChannel *c, unsigned offset);
void ide_master_write (IdeChannel *c, unsigned offset, uint8_t value);
void ide_master_reset (IdeChannel *c);
void ide_dma_request (IdeChannel *c, BpAtaSlot *slot, bool wanted, bool to_memory);
uint64_t ide_dma_map (IdeChannel *c, BpAtaSlot *slot, uint64_t most, unsigned unit);
void ide_dma_unmap (IdeChannel *c, bool moved);

#endif

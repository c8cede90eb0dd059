/* ide-drive.h -- what a disk and a CD drive have in common: registers, the data register, interrupts, requests to the block backend. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_IDE_DRIVE_H
#define HW_PC_IDE_DRIVE_H

#include <backplane/bus/ata.h>
#include <backplane/state.h>
#include <backplane/iface/block.h>

#define IDE_BUFFER 65536u
#define IDE_MOST_DMA (8u << 20) /* in one request */

enum { STATUS_ERR = 1 << 0, STATUS_DRQ = 1 << 3, STATUS_DSC = 1 << 4, STATUS_DF = 1 << 5, STATUS_DRDY = 1 << 6, STATUS_BSY = 1 << 7 };
enum { ERROR_NM = 1 << 1, ERROR_ABRT = 1 << 2, ERROR_MCR = 1 << 3, ERROR_IDNF = 1 << 4, ERROR_MC = 1 << 5, ERROR_WP = 1 << 6, ERROR_UNC = 1 << 6, ERROR_ICRC = 1 << 7 };
enum { DEVICE_DEV = 1 << 4, DEVICE_LBA = 1 << 6 };
enum { CONTROL_NIEN = 1 << 1, CONTROL_SRST = 1 << 2, CONTROL_HOB = 1 << 7 };

typedef struct IdeDrive IdeDrive;

/* Where the bytes of a request are. */
typedef enum IdeMemory { IDE_MEMORY_NONE, IDE_MEMORY_BUFFER, IDE_MEMORY_DMA } IdeMemory;

/* What a request for it may do (BpBlockOp) and where its bytes may be (IdeMemory), a bit each. */
typedef struct IdeWork {
  uint8_t ops, memories;
} IdeWork;

typedef struct IdeDriveOps {
  const IdeWork *works;
  unsigned n_works;
  unsigned sector;              /* bytes: DMA moves so many or a multiple */
  uint8_t signature_mid, signature_high, ready; /* the registers after a reset, and the status */
  void (*command) (IdeDrive *d, uint8_t command);       /* BSY is set */
  void (*pio_done) (IdeDrive *d);       /* the guest has moved what was offered; BSY is set */
  void (*dma_ready) (IdeDrive *d);      /* the adapter has memory */
  void (*answered) (IdeDrive *d, unsigned work, int error);     /* a request, after the policy for errors */
  void (*reset) (IdeDrive *d, bool power);      /* settings, after a software reset or at power-on */
} IdeDriveOps;

/* The first member of a drive's state. */
struct IdeDrive {
  /* saved: registers; the second of each pair is what was written before */
  uint8_t features[2], count[2], low[2], mid[2], high[2];
  uint8_t error, device, status, control, command;
  bool interrupt;               /* INTRQ, apart from nIEN and selection */
  bool sleeping;
  /* saved: the data register */
  bool to_host;
  uint32_t position, end, filled;       /* in buffer: next byte, end of what DRQ offers, of what there is */
  uint8_t buffer[IDE_BUFFER];
  /* saved: the request under way */
  uint8_t work;                 /* whose it is: the type's, 0: none */
  uint8_t op, memory;
  uint32_t flags;
  uint64_t offset, size;
  BpTimer *timer;               /* deterministic mode: when the answer is looked at */
  /* wiring */
  const IdeDriveOps *ops;
  BpLink bus, backend;
  char *address;
  int read_policy, write_policy;
  unsigned unit, watch;
  BpAtaSlot *slot;              /* NULL: there is no drive */
  /* derived */
  BpBlockRequest request;
  struct iovec own;
  const struct iovec *iov;      /* what the adapter has mapped, and how much of it; 0: nothing */
  unsigned n_iov;
  uint64_t mapped;
  bool submitted, answered;
  bool held;                    /* an answer is left for who waits for it, or is being concluded */
  int result;
};

/* --- commands: each ends with one of these --- */
void ide_finish (IdeDrive *d);                  /* with an interrupt */
void ide_finish_silently (IdeDrive *d);
void ide_fail (IdeDrive *d, uint8_t error);
/* The data register: bytes of the buffer from `position` on. */
void ide_pio (IdeDrive *d, bool to_host, uint32_t bytes, bool interrupt);
void ide_dma_start (IdeDrive *d, bool to_memory);
void ide_dma_end (IdeDrive *d);
void ide_raise (IdeDrive *d);

/*
 * --- requests: ops->answered is called once, later ---
 * A request for DMA is for as much as the guest's memory takes, which `size` is by then.  If it takes nothing, nothing is called: ops->dma_ready is, when the
 * guest has started the adapter's engine again.
 */
void ide_submit (IdeDrive *d, unsigned work, BpBlockOp op, uint64_t offset, uint64_t size, IdeMemory memory, uint32_t flags);
/* Between the buffer (from `position` on) and memory, at once; false: the guest gave no memory. */
bool ide_dma_copy (IdeDrive *d, bool to_memory, uint32_t size);
void ide_cancel (IdeDrive *d);

/* --- life cycle, for the type's own --- */
bool ide_drive_realize (IdeDrive *d, const IdeDriveOps *ops, const uint32_t geometry[3], const BpBlockHandlers *handlers, GError **error);
void ide_drive_unrealize (IdeDrive *d);
void ide_drive_reset (IdeDrive *d);
bool ide_drive_post_load (IdeDrive *d, GError **error);
void ide_set_signature (IdeDrive *d);
static inline const BpAtaBusIface *ide_bus (const IdeDrive *d) { return d->bus.table; }

/* Text as IDENTIFY has it: blanks behind it, the bytes of each word swapped. */
void ide_put_text (uint16_t *words, const char *text, unsigned bytes);

extern const char *const ide_policy_names[];
#define IDE_DRIVE_PROPERTIES(T) \
  BP_PROP_LINK ("bus", T, drive.bus, BP_ATA_BUS_ID, BP_PROPERTY_REQUIRED, "The adapter it is connected to."), \
  BP_PROP_STRING ("address", T, drive.address, "0.0", "Its place there: channel, and 0 for the master or 1 for the slave."), \
  BP_PROP_LINK ("drive", T, drive.backend, BP_BLOCK_ID, BP_PROPERTY_REQUIRED, "The block backend that holds its contents."), \
  BP_PROP_ENUM ("rerror", T, drive.read_policy, BP_BLOCK_REPORT, ide_policy_names, \
                "When the host cannot read: report tells the guest, stop holds the machine and tries again when it is continued, ignore says that all is well. " \
                "(enospc is report here.)"), \
  BP_PROP_ENUM ("werror", T, drive.write_policy, BP_BLOCK_ENOSPC, ide_policy_names, \
                "The same when the host cannot write or flush; enospc stops when the host's disk is full and reports everything else.")

extern const BpStateField ide_drive_state[];
#define IDE_DRIVE_STATE(T) BP_STATE_FIELD_STRUCTS (T, drive, 1, ide_drive_state)

#endif

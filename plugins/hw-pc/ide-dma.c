/* ide-dma.c -- the bus master of an IDE adapter (Intel 82371SB PIIX3, 2.7): the guest's table of memory becomes vectors of host memory. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include <string.h>
#include "ide-channel.h"

#define ENTRY_LAST 0x80000000u
#define PAGE 4096u
#define BOUNCE_MOST (512u << 10)        /* bytes in one mapping that go through a copy; the drive asks again for the rest */

/* --- registers ------------------------------------------------------------------------- */

uint8_t
ide_master_read (IdeChannel *c, unsigned offset)
{
  switch (offset) {
  case IDE_MASTER_COMMAND: return c->command;
  case IDE_MASTER_STATUS: return c->status;
  default: return offset >= IDE_MASTER_TABLE ? (uint8_t) (c->table >> 8 * (offset - IDE_MASTER_TABLE)) : 0;
  }
}

/* A drive that waits is told; it may have waited before the guest started the engine. */
static void
offer (IdeChannel *c)
{
  for (unsigned i = 0; i < 2; i++) {
    BpAtaSlot *slot = &c->slots[i];
    if (!slot->there || !slot->wants_dma || c->user || !(c->status & IDE_MASTER_ACTIVE))
      continue;
    if (slot->to_memory == !!(c->command & IDE_MASTER_TO_MEMORY))
      slot->drive.dma_ready (slot->drive.self);
    else
      bp_log_guest (c->owner, "the bus master is to move data the other way than the drive");
  }
}

/* What a drive has been offered it may not have taken yet. */
static void
stop (IdeChannel *c)
{
  c->status &= (uint8_t) ~IDE_MASTER_ACTIVE;
  for (unsigned i = 0; i < 2; i++) {
    BpAtaSlot *slot = &c->slots[i];
    if (slot->there && (slot->wants_dma || c->user == slot))
      slot->drive.dma_stopped (slot->drive.self);
  }
}

static void
write_command (IdeChannel *c, uint8_t value)
{
  bool started = value & ~c->command & IDE_MASTER_START, stopped = ~value & c->command & IDE_MASTER_START;
  if (stopped)
    stop (c);
  c->command = value & (IDE_MASTER_START | IDE_MASTER_TO_MEMORY);
  if (!started)
    return;
  c->cursor = (IdeCursor) { .entry = c->table };
  c->status |= IDE_MASTER_ACTIVE;
  offer (c);
}

void
ide_master_write (IdeChannel *c, unsigned offset, uint8_t value)
{
  if (offset == IDE_MASTER_COMMAND) {
    write_command (c, value);
  } else if (offset == IDE_MASTER_STATUS) {
    c->status &= (uint8_t) ~(value & (IDE_MASTER_ERROR | IDE_MASTER_INTERRUPT));
    c->status = (uint8_t) ((c->status & ~IDE_MASTER_CAPABLE) | (value & IDE_MASTER_CAPABLE));
  } else if (offset >= IDE_MASTER_TABLE) {
    unsigned shift = 8 * (offset - IDE_MASTER_TABLE);
    c->table = ((c->table & ~(0xffu << shift)) | (uint32_t) value << shift) & ~3u;
  }
}

void
ide_master_reset (IdeChannel *c)
{
  stop (c);
  c->command = c->status = 0;
  c->table = 0;
  c->cursor = (IdeCursor) { .entry = 0 };
}

/* --- a walk along the table ---------------------------------------------------------------- */

static bool
next_entry (IdeChannel *c, IdeCursor *cursor)
{
  uint8_t e[8];
  if (cursor->last)
    return false;
  if (!bp_as_read (c->memory, cursor->entry, e, sizeof e)) {
    bp_log_guest (c->owner, "the bus master's table is not in memory: 0x%x", cursor->entry);
    c->status |= IDE_MASTER_ERROR;
    c->status &= (uint8_t) ~IDE_MASTER_ACTIVE;
    return false;
  }
  uint32_t control = (uint32_t) (e[4] | e[5] << 8 | e[6] << 16) | (uint32_t) e[7] << 24;
  cursor->at = ((uint32_t) (e[0] | e[1] << 8 | e[2] << 16) | (uint32_t) e[3] << 24) & ~1u;
  cursor->left = control & 0xfffe ? control & 0xfffe : 0x10000;
  cursor->last = control & ENTRY_LAST;
  cursor->entry += sizeof e;
  return true;
}

/* As many bytes from cursor->at on as are of one kind.  In deterministic mode nothing is mapped: the guest sees all of it at the end. */
static IdePiece
piece_at (IdeChannel *c, const IdeCursor *cursor, uint64_t most, bool to_memory)
{
  IdePiece p = { .address = cursor->at, .size = (uint32_t) MIN (most, cursor->left) };
  bool direct = !bp_machine_is_deterministic (bp_object_machine (c->owner), NULL);
  const BpFlatRange *r = direct ? bp_as_lookup (c->memory, p.address) : NULL;
  if (r) {
    uint64_t inside = p.address - r->address, room = r->size - inside;  /* of size 0, which is 2^64, too */
    if (r->host && r->ram_address != UINT64_MAX && !(to_memory && r->readonly)) {
      p.host = r->host + inside;
      p.ram_address = r->ram_address + inside;
    }
    p.size = (uint32_t) MIN (p.size, room);
    bp_as_leave (c->memory);
  }
  if (!p.host)
    p.size = MIN (p.size, PAGE - (uint32_t) (p.address & (PAGE - 1)));
  return p;
}

static uint64_t
walk (IdeChannel *c, uint64_t most, bool to_memory)
{
  IdeCursor cursor = c->cursor;
  uint64_t total = 0, bounced = 0;
  for (c->n_pieces = 0; total < most && c->n_pieces < IDE_MAX_PIECES && bounced < BOUNCE_MOST; c->n_pieces++) {
    if (!cursor.left && !next_entry (c, &cursor))
      break;
    IdePiece p = piece_at (c, &cursor, most - total, to_memory);
    bounced += p.host ? 0 : p.size;
    cursor.at += p.size;
    cursor.left -= p.size;
    p.behind = cursor;
    c->pieces[c->n_pieces] = p;
    total += p.size;
  }
  return total;
}

/* Gives the last bytes back. */
static void
trim (IdeChannel *c, uint64_t excess)
{
  while (excess) {
    IdePiece *p = &c->pieces[c->n_pieces - 1];
    uint32_t n = (uint32_t) MIN (excess, p->size);
    p->size -= n;
    p->behind.at -= n;
    p->behind.left += n;
    excess -= n;
    if (!p->size)
      c->n_pieces--;
  }
}

/* --- memory for a drive -------------------------------------------------------------------- */

static void
add_vector (IdeChannel *c, uint8_t *base, size_t size)
{
  struct iovec *last = c->n_iov ? &c->iov[c->n_iov - 1] : NULL;
  if (last && (uint8_t *) last->iov_base + last->iov_len == base)
    last->iov_len += size;
  else
    c->iov[c->n_iov++] = (struct iovec) { base, size };
}

static size_t
bounce_size (const IdeChannel *c)
{
  size_t size = 0;
  for (unsigned i = 0; i < c->n_pieces; i++)
    size += c->pieces[i].host ? 0 : c->pieces[i].size;
  return size;
}

static void
make_vectors (IdeChannel *c, bool to_memory)
{
  size_t size = bounce_size (c), used = 0;
  c->bounce = size ? g_malloc0 (size) : NULL;
  c->failed = false;
  c->n_iov = 0;
  for (unsigned i = 0; i < c->n_pieces; i++) {
    const IdePiece *p = &c->pieces[i];
    add_vector (c, p->host ? p->host : c->bounce + used, p->size);
    if (p->host)
      continue;
    if (!to_memory && !bp_as_read (c->memory, p->address, c->bounce + used, p->size))
      c->failed = true;
    used += p->size;
  }
}

uint64_t
ide_dma_map (IdeChannel *c, BpAtaSlot *slot, uint64_t most, unsigned unit)
{
  c->n_iov = 0;
  if (!c->memory || c->user || !(c->status & IDE_MASTER_ACTIVE))
    return 0;
  uint64_t total = walk (c, most, slot->to_memory);
  trim (c, total % unit);
  total -= total % unit;
  if (!total)
    return 0;
  make_vectors (c, slot->to_memory);
  c->user = slot;
  return total;
}

/* The worker threads wrote without a word to anybody; what was translated from these pages meanwhile is dropped as well. */
static void
note_written (IdeChannel *c, bool moved)
{
  size_t used = 0;
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  for (unsigned i = 0; i < c->n_pieces;) {
    const IdePiece *p = &c->pieces[i++];
    uint64_t size = p->size;
    if (!p->host) {
      if (moved && !bp_as_write (c->memory, p->address, c->bounce + used, p->size))
        c->failed = true;
      used += p->size;
      continue;
    }
    for (; i < c->n_pieces && c->pieces[i].host && c->pieces[i].ram_address == p->ram_address + size; i++)
      size += c->pieces[i].size;
    bp_dirty_mark (p->ram_address, size);
  }
}

void
ide_dma_unmap (IdeChannel *c, bool moved)
{
  BpAtaSlot *slot = c->user;
  if (!slot)
    return;
  if (slot->to_memory)
    note_written (c, moved);    /* what did not arrive whole may have arrived in part */
  if (moved) {
    c->cursor = c->pieces[c->n_pieces - 1].behind;
    if (c->failed) {
      bp_log_guest (c->owner, "the bus master's table names addresses that are no memory");
      c->status |= IDE_MASTER_ERROR;
    }
    if (c->cursor.last && !c->cursor.left)
      c->status &= (uint8_t) ~IDE_MASTER_ACTIVE;
  }
  g_clear_pointer (&c->bounce, g_free);
  c->user = NULL;
}

void
ide_dma_request (IdeChannel *c, BpAtaSlot *slot, bool wanted, bool to_memory)
{
  slot->wants_dma = wanted;
  slot->to_memory = to_memory;
  if (wanted)
    offer (c);
}

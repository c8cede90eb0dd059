/* ps2-port.c -- a PS/2 device's bytes on their way to the controller: replies first, then data. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/object.h>
#include "ps2.h"
#include <string.h>

int64_t ps2_now (const Ps2Device *dev) { return bp_clock_now (bp_object_machine (dev->object), BP_CLOCK_VIRTUAL); }

void
ps2_reply (Ps2Device *dev, uint8_t byte)
{
  if (dev->reply_count == PS2_REPLIES)
    return;                     /* a guest that writes and never reads */
  dev->replies[dev->reply_count++] = byte;
  dev->wake (dev->object);
}

void
ps2_send (Ps2Device *dev, uint8_t byte)
{
  if (dev->data_count == PS2_DATA)
    return;
  dev->data[dev->data_count++] = byte;
  dev->wake (dev->object);
}

void
ps2_clear_data (Ps2Device *dev)
{
  dev->data_count = 0;
  dev->in_sequence = false;
}

void
ps2_clear (Ps2Device *dev)
{
  ps2_clear_data (dev);
  dev->reply_count = 0;
  dev->testing = false;
  dev->not_before = 0;
}

void
ps2_test (Ps2Device *dev)
{
  ps2_clear (dev);
  ps2_reply (dev, PS2_ACK);
  dev->testing = true;
}

bool
ps2_test_ends (Ps2Device *dev)
{
  if (!dev->testing || dev->reply_count)
    return false;
  dev->testing = false;
  dev->not_before = (uint64_t) (ps2_now (dev) + PS2_TEST_NS);
  return true;
}

/* A command has come. */
void
ps2_abort_test (Ps2Device *dev)
{
  if (dev->not_before > (uint64_t) ps2_now (dev))
    dev->reply_count = 0;
  dev->testing = false;
  dev->not_before = 0;
}

static uint8_t
shift (uint8_t *bytes, uint8_t *count)
{
  uint8_t first = bytes[0];
  memmove (bytes, bytes + 1, --*count);
  return first;
}

uint8_t
ps2_take (Ps2Device *dev)
{
  uint8_t byte;
  if (dev->reply_count && !(dev->in_sequence && dev->data_count))
    byte = shift (dev->replies, &dev->reply_count);
  else {
    byte = shift (dev->data, &dev->data_count);
    dev->in_sequence = byte == 0xe0 || byte == 0xe1 || byte == 0xf0;
  }
  dev->last = byte;
  dev->ops->taken (dev);
  return byte;
}

void
ps2_post_load (Ps2Device *dev)
{
  dev->reply_count = MIN (dev->reply_count, PS2_REPLIES);
  dev->data_count = MIN (dev->data_count, PS2_DATA);
}

const BpStateField ps2_state[] = {
  BP_STATE_FIELD_BYTES (Ps2Device, replies), BP_STATE_FIELD_U8 (Ps2Device, reply_count), BP_STATE_FIELD_BYTES (Ps2Device, data),
  BP_STATE_FIELD_U8 (Ps2Device, data_count), BP_STATE_FIELD_U8 (Ps2Device, last), BP_STATE_FIELD_BOOL (Ps2Device, testing), BP_STATE_FIELD_BOOL (Ps2Device, in_sequence), BP_STATE_FIELD_U64 (Ps2Device, not_before),
  BP_STATE_END
};

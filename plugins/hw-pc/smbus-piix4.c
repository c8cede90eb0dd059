/* smbus-piix4.c -- Intel 82371AB PIIX4 (April 1997), 7.3: SMBus host registers; no device acknowledges its address. */
/* SPDX-License-Identifier: MIT */
#include "smbus-piix4.h"

enum { HOST_STATUS = 0, HOST_CONTROL = 2, HOST_COMMAND = 3, HOST_ADDRESS = 4, HOST_DATA0 = 5, HOST_DATA1 = 6, BLOCK_DATA = 7 };
enum { STS_DEVICE_ERROR = 1 << 2, STS_FAILED = 1 << 4, STS_EVENTS = 0x1e };
enum { CTL_INTERRUPT = 1 << 0, CTL_KILL = 1 << 1, CTL_START = 1 << 6, CTL_KEPT = 0x1f };

const BpStateField smbus_state[] = {
  BP_STATE_FIELD_U8 (Smbus, status), BP_STATE_FIELD_U8 (Smbus, control), BP_STATE_FIELD_U8 (Smbus, command), BP_STATE_FIELD_U8 (Smbus, address),
  BP_STATE_FIELD_BYTES (Smbus, data), BP_STATE_FIELD_BYTES (Smbus, block), BP_STATE_FIELD_U8 (Smbus, block_at), BP_STATE_END
};

void
smbus_reset (Smbus *s)
{
  *s = (Smbus) { .status = 0 };
}

bool
smbus_interrupts (const Smbus *s)
{
  return s->status & STS_EVENTS && s->control & CTL_INTERRUPT;
}

/* Reading the control register rewinds the block's buffer. */
uint8_t
smbus_read (Smbus *s, unsigned reg)
{
  switch (reg) {
  case HOST_STATUS: return s->status;
  case HOST_CONTROL:
    s->block_at = 0;
    return s->control;
  case HOST_COMMAND: return s->command;
  case HOST_ADDRESS: return s->address;
  case HOST_DATA0:
  case HOST_DATA1: return s->data[reg - HOST_DATA0];
  case BLOCK_DATA: return s->block[s->block_at++ % SMBUS_BLOCK];
  default: return 0;            /* the slave's side: nobody is master but the host */
  }
}

/* A transaction is over at once. */
static void
write_control (Smbus *s, uint8_t value)
{
  s->control = value & CTL_KEPT;
  if (value & CTL_KILL)
    s->status |= STS_FAILED;
  else if (value & CTL_START)
    s->status |= STS_DEVICE_ERROR;
}

void
smbus_write (Smbus *s, unsigned reg, uint8_t value)
{
  switch (reg) {
  case HOST_STATUS: s->status &= (uint8_t) ~(value & STS_EVENTS); break;
  case HOST_CONTROL: write_control (s, value); break;
  case HOST_COMMAND: s->command = value; break;
  case HOST_ADDRESS: s->address = value; break;
  case HOST_DATA0:
  case HOST_DATA1: s->data[reg - HOST_DATA0] = value; break;
  case BLOCK_DATA: s->block[s->block_at++ % SMBUS_BLOCK] = value; break;
  default: break;
  }
}

/* one-wire/one-wire-rom.h -- what every 1-Wire device does first: the ROM commands, by which a master finds and chooses it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A device keeps a OneWireRom in its state, and gives it each reset and each slot for as long as it is not selected:
 *     if (!one_wire_rom_is_selected (&d->rom))
 *       return one_wire_rom_slot (&d->rom, high);
 *     ...                              slots of the device's own commands
 * Maxim's application note 937 ("Book of iButton Standards"), chapter 5.  All of it is inline: devices in different plugins need no library in common.
 */
#ifndef ONE_WIRE_ONE_WIRE_ROM_H
#define ONE_WIRE_ONE_WIRE_ROM_H

#include <backplane/state.h>
BP_BEGIN_DECLS

#define ONE_WIRE_ROM_BITS 64
enum { ONE_WIRE_READ_ROM = 0x33, ONE_WIRE_MATCH_ROM = 0x55, ONE_WIRE_SKIP_ROM = 0xcc, ONE_WIRE_SEARCH_ROM = 0xf0, ONE_WIRE_ALARM_SEARCH = 0xec };
enum { ONE_WIRE_DEAF, ONE_WIRE_COMMAND, ONE_WIRE_READ, ONE_WIRE_MATCH, ONE_WIRE_SEARCH, ONE_WIRE_SELECTED, ONE_WIRE_N_PHASES };

typedef struct OneWireRom {
  uint8_t phase, n, step, command;      /* n: bits so far; step: of the three slots that a bit takes in a search; command: as it comes in */
  bool alarm;                   /* set by the device: it takes part in alarm searches */
  uint8_t id[8];                /* family, serial number, checksum; derived from properties */
} OneWireRom;

static const BpStateField one_wire_rom_state[] G_GNUC_UNUSED = {
  BP_STATE_FIELD_U8 (OneWireRom, phase), BP_STATE_FIELD_U8 (OneWireRom, n), BP_STATE_FIELD_U8 (OneWireRom, step),
  BP_STATE_FIELD_U8 (OneWireRom, command), BP_STATE_FIELD_BOOL (OneWireRom, alarm), BP_STATE_END
};

/* The checksum of 1-Wire: x^8 + x^5 + x^4 + 1, least significant bit first. */
static inline uint8_t
one_wire_crc (const uint8_t *bytes, size_t n)
{
  uint8_t crc = 0;
  for (size_t i = 0; i < n * 8; i++) {
    bool odd = (crc ^ bytes[i / 8] >> i % 8) & 1;
    crc = (uint8_t) (crc >> 1 ^ (odd ? 0x8c : 0));
  }
  return crc;
}

/* serial: 48 bits */
static inline void
one_wire_rom_init (OneWireRom *r, uint8_t family, uint64_t serial)
{
  r->id[0] = family;
  for (unsigned i = 0; i < 6; i++)
    r->id[1 + i] = (uint8_t) (serial >> 8 * i);
  r->id[7] = one_wire_crc (r->id, 7);
}

static inline bool one_wire_rom_bit (const OneWireRom *r) { return r->id[r->n / 8] >> r->n % 8 & 1; }
static inline bool one_wire_rom_is_selected (const OneWireRom *r) { return r->phase == ONE_WIRE_SELECTED; }
static inline void one_wire_rom_enter (OneWireRom *r, unsigned phase) { r->phase = (uint8_t) phase; r->n = r->step = 0; }
/* Until the first reset of the line it hears nothing. */
static inline void one_wire_rom_power_on (OneWireRom *r) { r->command = 0; r->alarm = false; one_wire_rom_enter (r, ONE_WIRE_DEAF); }
static inline void one_wire_rom_reset (OneWireRom *r) { one_wire_rom_enter (r, ONE_WIRE_COMMAND); }

/* For post_load: a file may hold anything. */
static inline bool
one_wire_rom_is_valid (const OneWireRom *r)
{
  return r->phase < ONE_WIRE_N_PHASES && r->n < (r->phase == ONE_WIRE_COMMAND ? 8 : ONE_WIRE_ROM_BITS) && r->step < 3;
}

static inline void
one_wire_rom_take_command (OneWireRom *r, bool high)
{
  r->command = (uint8_t) (r->command >> 1 | (high ? 0x80 : 0));
  if (++r->n < 8)
    return;
  switch (r->command) {
  case ONE_WIRE_READ_ROM: one_wire_rom_enter (r, ONE_WIRE_READ); break;
  case ONE_WIRE_MATCH_ROM: one_wire_rom_enter (r, ONE_WIRE_MATCH); break;
  case ONE_WIRE_SKIP_ROM: one_wire_rom_enter (r, ONE_WIRE_SELECTED); break;
  case ONE_WIRE_SEARCH_ROM: one_wire_rom_enter (r, ONE_WIRE_SEARCH); break;
  case ONE_WIRE_ALARM_SEARCH: one_wire_rom_enter (r, r->alarm ? ONE_WIRE_SEARCH : ONE_WIRE_DEAF); break;
  default: one_wire_rom_enter (r, ONE_WIRE_DEAF);       /* until the next reset */
  }
}

/* A bit of the number is done; `mine`: it is this device's still. */
static inline void
one_wire_rom_next (OneWireRom *r, bool mine)
{
  if (!mine)
    one_wire_rom_enter (r, ONE_WIRE_DEAF);
  else if (++r->n == ONE_WIRE_ROM_BITS)
    one_wire_rom_enter (r, ONE_WIRE_SELECTED);
}

/* A slot before the device is selected: whether it leaves the line alone. */
static inline bool
one_wire_rom_slot (OneWireRom *r, bool high)
{
  bool bit = one_wire_rom_bit (r);
  switch (r->phase) {
  case ONE_WIRE_COMMAND:
    one_wire_rom_take_command (r, high);
    return true;
  case ONE_WIRE_READ:
    one_wire_rom_next (r, true);
    return bit;
  case ONE_WIRE_MATCH:
    one_wire_rom_next (r, high == bit);
    return true;
  case ONE_WIRE_SEARCH:         /* the bit, its complement, and the master's choice */
    if (r->step < 2)
      return r->step++ ? !bit : bit;
    r->step = 0;
    one_wire_rom_next (r, high == bit);
    return true;
  default:
    return true;
  }
}

BP_END_DECLS
#endif

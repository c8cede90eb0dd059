/* smbus-piix4.h -- the SMBus controller inside the PIIX4's power management function: a bus on which nobody answers. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_SMBUS_PIIX4_H
#define HW_PC_SMBUS_PIIX4_H

#include <backplane/state.h>

enum { SMBUS_SIZE = 16, SMBUS_BLOCK = 32 };

typedef struct Smbus {
  uint8_t status, control, command, address, data[2];
  uint8_t block[SMBUS_BLOCK], block_at;
} Smbus;

extern const BpStateField smbus_state[];
void smbus_reset (Smbus *s);
uint8_t smbus_read (Smbus *s, unsigned reg);
void smbus_write (Smbus *s, unsigned reg, uint8_t value);
bool smbus_interrupts (const Smbus *s);

#endif

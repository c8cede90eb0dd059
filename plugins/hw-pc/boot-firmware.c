/* boot-firmware.c -- the state that a PC's firmware leaves interrupt controllers, timer and real-mode vectors in. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "boot.h"

/* As SeaBIOS leaves them, seen by a Multiboot kernel: vectors 0x08 and 0x70; timer, keyboard, cascade and floppy open at the master, clock, mouse,
 * coprocessor and first disk at the slave; the timer at 18.2 Hz. */
static void
set_chips (BpAddressSpace *io)
{
  static const struct { uint16_t port; uint8_t value; } writes[] = {
    { 0x20, 0x11 }, { 0x21, 0x08 }, { 0x21, 0x04 }, { 0x21, 0x01 }, { 0x21, 0xb8 },
    { 0xa0, 0x11 }, { 0xa1, 0x70 }, { 0xa1, 0x02 }, { 0xa1, 0x01 }, { 0xa1, 0x8e },
    { 0x43, 0x34 }, { 0x40, 0x00 }, { 0x40, 0x00 }
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (writes); i++)
    bp_as_store (io, writes[i].port, writes[i].value, 1);
}

/* The handlers do nothing but end the interrupt: push ax; mov al, 20; out a0, al (slave); out 20, al; pop ax; iret.  They lie in the last
 * bytes of the extended BIOS data area, which memory maps call reserved. */
static void
set_vectors (BpAddressSpace *memory)
{
  enum { SEGMENT = BOOT_EBDA >> 4, OFFSET = 0x3f0, SLAVE = OFFSET, MASTER = OFFSET + 9, RETURN = OFFSET + 15 };
  static const uint8_t code[16] = { 0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, 0xcf, 0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf };
  uint8_t table[256 * 4];
  for (unsigned n = 0; n < 256; n++) {
    unsigned offset = n >= 0x08 && n <= 0x0f ? MASTER : n >= 0x70 && n <= 0x77 ? SLAVE : RETURN;
    uint32_t vector = GUINT32_TO_LE ((uint32_t) SEGMENT << 16 | offset);
    memcpy (table + 4 * n, &vector, 4);
  }
  bp_as_write (memory, BOOT_EBDA + OFFSET, code, sizeof code);
  bp_as_write (memory, 0, table, sizeof table);
}

void
boot_leave_firmware_state (BpMachine *machine)
{
  set_chips (bp_machine_address_space (machine, "io"));
  set_vectors (bp_machine_address_space (machine, "memory"));
}

/* guest.c -- the sample guest: finds the countdown on the PCI bus, lets it run, and looks at the word that it adds to. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include "guest.h"

#define BAR 0xe0000000

/* Configuration mechanism 1: PCI Local Bus 3.0, 3.2.2.3.2. */
static uint32_t
config_read (unsigned device, unsigned offset)
{
  out32 (0xcf8, 0x80000000u | device << 11 | offset);
  return in32 (0xcfc);
}

static void
config_write (unsigned device, unsigned offset, uint32_t value)
{
  out32 (0xcf8, 0x80000000u | device << 11 | offset);
  out32 (0xcfc, value);
}

void
program (void)
{
  static volatile uint32_t word = 41;
  volatile uint32_t *regs = at (BAR);
  unsigned device = 0;
  while (device < 32 && config_read (device, 0) != 0x0001f055)
    device++;
  if (device == 32) {
    print ("There is no countdown.\n");
    return;
  }
  print ("There is a countdown at place ");
  print_number (device);
  config_write (device, 0x10, BAR);
  config_write (device, 0x04, 6);       /* memory, bus master */
  regs[4] = (uint32_t) (uintptr_t) &word;
  regs[1] = 1000;
  regs[2] = 1;
  while (!(regs[3] & 2))
    ;
  print (".\nIt is done, and the word that was 41 is ");
  print_number (word);
  print (".\n");
}

/* guest.c -- the sample guest: looks for devices on the bus, and speaks to each. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include "guest.h"

enum { PLACE = 0x300, DATA, PRESENT };

void
program (void)
{
  for (uint8_t place = 0; place < 16; place++) {
    out8 (PLACE, place);
    if (!in8 (PRESENT))
      continue;
    print ("At place ");
    print_number (place);
    print (" somebody says: ");
    for (const char *c = "hello"; *c; c++)
      out8 (DATA, (uint8_t) *c);
    for (uint8_t byte; (byte = in8 (DATA));)
      print ((char[]) { (char) byte, 0 });
    print (".\n");
  }
}

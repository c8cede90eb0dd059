/* guest.c -- the sample guest: starts the countdown, and waits until it is done. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include "guest.h"

#define DEVICE 0xd1000000

void
program (void)
{
  volatile uint32_t *regs = at (DEVICE);
  uint32_t looks = 0;
  print (regs[0] == 0x4e554f43 ? "There is a countdown.\n" : "There is no countdown.\n");
  regs[1] = 1000;
  regs[2] = 1;
  while (!(regs[3] & 2))
    looks++;
  print (looks ? "It was running, and is at " : "It was done at once, and is at ");
  print_number (regs[1]);
  print (".\n");
}

/* thermometers.c -- run in the guest: finds what is on the 1-Wire bus at port 0x300, and reads the thermometers. */
/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>

enum { COMMAND = 0x300, DATA, INTERRUPT, ENABLE, CLOCK };       /* of the DS1WM */
enum { RESET = 1, SEARCH = 2, PRESENCE = 1, NOT_PRESENT = 2, RX_FULL = 0x10 };

/* A reset of the line; whether anybody is there. */
static int
reset_line (void)
{
  int flags;
  outb (RESET, COMMAND);
  while (!((flags = inb (INTERRUPT)) & PRESENCE))
    ;
  return !(flags & NOT_PRESENT);
}

static int
exchange (int byte)
{
  outb ((unsigned char) byte, DATA);
  while (!(inb (INTERRUPT) & RX_FULL))
    ;
  return inb (DATA);
}

/* One search: goes the way of `id` up to bit `last`, there the other way, and then where a zero is.  Returns the last bit at which it went the way of
 * a zero though there was a one; -1: there was none. */
static int
search (uint64_t *id, int last)
{
  uint64_t way = *id & ((last >= 0 ? UINT64_C (1) << last : 1) - 1);
  int next = -1;
  if (last >= 0)
    way |= UINT64_C (1) << last;
  reset_line ();
  exchange (0xf0);
  outb (SEARCH, COMMAND);
  *id = 0;
  for (int i = 0; i < 64; i += 4) {
    int out = 0, in;
    for (int b = 0; b < 4; b++)
      out |= (int) (way >> (i + b) & 1) << (2 * b + 1);
    in = exchange (out);
    for (int b = 0; b < 4; b++) {
      int differ = in >> 2 * b & 1, went = in >> (2 * b + 1) & 1;
      *id |= (uint64_t) went << (i + b);
      if (differ && !went)
        next = i + b;
    }
  }
  outb (0, COMMAND);
  return next;
}

static void
choose (uint64_t id)
{
  reset_line ();
  exchange (0x55);
  for (int i = 0; i < 8; i++)
    exchange ((int) (id >> 8 * i & 0xff));
}

static void
read_temperature (uint64_t id)
{
  int t;
  choose (id);
  exchange (0xbe);
  t = exchange (0xff);
  t |= exchange (0xff) << 8;
  printf ("  %.4f degrees", (int16_t) t / 16.0);
}

int
main (void)
{
  uint64_t id = 0;
  int last = -1;
  if (ioperm (COMMAND, 5, 1) != 0) {
    perror ("ioperm");
    return 1;
  }
  outb (0x80, CLOCK);
  inb (INTERRUPT);
  if (!reset_line ()) {
    puts ("nobody is on the bus");
    return 1;
  }
  exchange (0xcc);              /* all thermometers at once */
  exchange (0x44);
  usleep (800000);
  do {
    last = search (&id, last);
    printf ("%02x.%012llx", (int) (id & 0xff), (unsigned long long) (id >> 8 & UINT64_C (0xffffffffffff)));
    if ((id & 0xff) == 0x28)
      read_temperature (id);
    putchar ('\n');
  } while (last >= 0);
  return 0;
}

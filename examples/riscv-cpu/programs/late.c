/* late.c -- waits for times, with an interrupt due before each: however busy the host is, the interrupt comes first. */
/* SPDX-License-Identifier: MIT */
#include "board.h"

enum { N = 400 };
static volatile unsigned n_interrupts;

void
trap (uint32_t cause, Frame *frame)
{
  REG32 (MTIMECMP + 4) = 0xffffffff;
  n_interrupts++;
}

int
main (void)
{
  unsigned missed = 0;
  csr_write (mie, MIE_TIMER);
  csr_set (mstatus, MSTATUS_MIE);
  for (unsigned i = 0; i < N; i++) {
    uint32_t start = csr_read (time);
    n_interrupts = 0;
    REG32 (MTIMECMP) = start + 10000;   /* 1 ms; (the upper half of the time is 0 here) */
    REG32 (MTIMECMP + 4) = 0;
    while (csr_read (time) - start < 20000)
      ;
    missed += !n_interrupts;
  }
  put ("%u waits, %u interrupts missed\n", N, missed);
  return 0;
}

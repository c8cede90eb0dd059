/* beat.c -- sleeps until the timer's next interrupt, 10 us later, for ever; a dot for each thousand. */
/* SPDX-License-Identifier: MIT */
#include "board.h"

static void
set_alarm (void)
{
  REG32 (MTIMECMP + 4) = 0xffffffff;
  REG32 (MTIMECMP) = csr_read (time) + 100;
  REG32 (MTIMECMP + 4) = csr_read (timeh);
}

void
trap (uint32_t cause, Frame *frame)
{
  set_alarm ();
}

int
main (void)
{
  set_alarm ();
  csr_write (mie, MIE_TIMER);
  csr_set (mstatus, MSTATUS_MIE);
  for (unsigned n = 1;; n++) {
    __asm__ volatile ("wfi");
    if (n % 1000 == 0)
      put_char ('.');
  }
}

/* timer.c -- interrupts: ten of the timer, one that the program sends to itself, and characters from the UART; it sleeps in between. */
/* SPDX-License-Identifier: MIT */
#include "board.h"

static volatile unsigned ticks, softwares, characters;
static volatile char last;

/* The upper half first set to its most, so that no time in between is one that has come. */
static void
set_alarm (uint64_t at)
{
  REG32 (MTIMECMP + 4) = 0xffffffff;
  REG32 (MTIMECMP) = (uint32_t) at;
  REG32 (MTIMECMP + 4) = (uint32_t) (at >> 32);
}

static uint64_t
now (void)
{
  for (;;) {
    uint32_t high = csr_read (timeh), low = csr_read (time);
    if (high == csr_read (timeh))
      return (uint64_t) high << 32 | low;
  }
}

void
trap (uint32_t cause, Frame *frame)
{
  switch (cause) {
  case 0x80000003:
    REG32 (MSIP) = 0;
    softwares++;
    break;
  case 0x80000007:
    set_alarm (now () + 10000);         /* 1 ms */
    ticks++;
    break;
  case 0x8000000b:
    while (REG8 (UART + 5) & 1) {
      last = (char) REG8 (UART);
      characters++;
    }
    break;
  default:
    put ("unexpected trap %08x at %08x\n", cause, csr_read (mepc));
    finish (1);
  }
}

/* With interrupts off WFI still ends when one comes: so none can slip in between looking whether there was one and going to sleep. */
static void
sleep_a_while (void)
{
  __asm__ volatile ("wfi");
  csr_set (mstatus, MSTATUS_MIE);
  csr_clear (mstatus, MSTATUS_MIE);
}

int
main (void)
{
  uint64_t start = now ();
  csr_set (mstatus, MSTATUS_MIE);
  csr_set (mie, MIE_SOFTWARE | MIE_TIMER | MIE_EXTERNAL);
  REG32 (MSIP) = 1;
  while (!softwares)
    ;
  put ("a software interrupt\n");
  set_alarm (start + 10000);
  csr_clear (mstatus, MSTATUS_MIE);
  while (ticks < 10)
    sleep_a_while ();
  put ("%u timer interrupts\n", ticks);
  uint32_t passed = (uint32_t) (now () - start) / 10000;
  if (passed < 10) {
    put ("but only %u ms\n", passed);
    return 2;
  }
  set_alarm (~(uint64_t) 0);

  /* (it takes none then) */
  REG32 (MSIP) = 1;
  __asm__ volatile ("wfi");
  if (softwares != 1 || !(csr_read (mip) & MIE_SOFTWARE))
    return 3;
  sleep_a_while ();
  if (softwares != 2)
    return 4;

  put ("type a line\n");
  REG8 (UART + 4) = 8;          /* modem control, OUT2: lets interrupts out */
  REG8 (UART + 1) = 1;          /* interrupt enable: received data */
  while (last != '\n' && last != '\r')
    sleep_a_while ();
  put ("%u characters\n", characters);
  return 0;
}

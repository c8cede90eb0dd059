/* traps.c -- exceptions: each is provoked, looked at, and stepped over. */
/* SPDX-License-Identifier: MIT */
#include "board.h"

static volatile uint32_t cause, value, at;
static volatile unsigned n_traps;
static uint32_t resume;

void
trap (uint32_t the_cause, Frame *frame)
{
  cause = the_cause;
  value = csr_read (mtval);
  at = csr_read (mepc);
  n_traps++;
  if (frame->x[17] == 93)       /* a7: the system call that adds a0 and a1 */
    frame->x[10] += frame->x[11];
  csr_write (mepc, resume ? resume : at + 4);
  resume = 0;
}

static void
expect (const char *what, uint32_t wanted_cause, uint32_t wanted_value)
{
  put ("%s: cause %u\n", what, cause);
  if (n_traps != 1 || cause != wanted_cause || value != wanted_value) {
    put ("value %08x; expected one trap with cause %u and value %08x, there were %u\n", value, wanted_cause, wanted_value, n_traps);
    finish (1);
  }
  n_traps = 0;
}

static uint32_t
add_by_system_call (uint32_t x, uint32_t y)
{
  register uint32_t a0 __asm__ ("a0") = x;
  register uint32_t a1 __asm__ ("a1") = y;
  register uint32_t a7 __asm__ ("a7") = 93;
  __asm__ volatile ("ecall" : "+r" (a0) : "r" (a1), "r" (a7) : "memory");
  return a0;
}

/* A load that faults leaves its register alone. */
static void
bad_load (void)
{
  uint32_t x = 42;
  __asm__ volatile ("lw %0, 16(%1)" : "+r" (x) : "r" (0x40000000));
  expect ("load of nothing", 5, 0x40000010);
  if (x != 42)
    finish (2);
}

static void
jump_to (uint32_t target)
{
  __asm__ volatile ("la t0, 1f\n sw t0, %0\n jalr t1, %1, 0\n 1:" : "=m" (resume) : "r" (target) : "t0", "t1", "memory");
}

int
main (void)
{
  put ("2 + 3 = %u\n", add_by_system_call (2, 3));
  expect ("ecall", 11, 0);
  __asm__ volatile ("ebreak");
  expect ("ebreak", 3, at);
  __asm__ volatile (".word 0xffffffff");
  expect ("no instruction", 2, 0xffffffff);
  __asm__ volatile ("csrw 0xc00, zero");
  expect ("write of a read-only register", 2, 0xc0001073);
  __asm__ volatile ("csrr t0, 0x7c0" : : : "t0");
  expect ("register that is not there", 2, 0x7c0022f3);
  bad_load ();
  REG32 (0x50000000) = 1;
  expect ("store to nothing", 7, 0x50000000);
  jump_to (0x80000002);
  expect ("jump to half an instruction", 0, 0x80000002);
  jump_to (0x60000000);
  expect ("jump to nothing", 1, 0x60000000);
  jump_to (UART);
  expect ("jump to a device", 1, UART);
  put ("all traps are as they should be\n");
  return 0;
}

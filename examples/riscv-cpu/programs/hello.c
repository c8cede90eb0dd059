/* hello.c -- prints, computes, ends. */
/* SPDX-License-Identifier: MIT */
#include "board.h"

static unsigned
fibonacci (unsigned n)
{
  return n < 2 ? n : fibonacci (n - 1) + fibonacci (n - 2);
}

int
main (void)
{
  put ("Hello from RISC-V: misa %08x, hart %u\n", csr_read (misa), csr_read (mhartid));
  for (unsigned n = 5; n <= 20; n += 5)
    put ("fibonacci (%u) = %u\n", n, fibonacci (n));
  return 0;
}

/* steps-guest.c -- a guest for the bare board that does a bit of everything, is done soon, and asks the time of nobody. */
/* SPDX-License-Identifier: MIT */
#include "../guest/guest.h"

volatile DebugLog debug_log;
static uint32_t words[4096];
static uint8_t copies[8192];
void guest_main (void);
uint32_t exact_loop (uint32_t n);

/* Between the markers: what the test counts by hand. */
__asm__ (".globl exact_loop\n"
         "exact_loop:\n"
         "  mov 4(%esp), %ecx\n"
         "  mov $1, %eax\n"
         "  xchg %bx, %bx\n"
         "1: addl $3, words(,%ecx,4)\n"
         "  dec %ecx\n"
         "  jnz 1b\n"
         "  mov $2, %eax\n"
         "  xchg %bx, %bx\n"
         "  ret\n");

static uint32_t __attribute__ ((noinline))
fibonacci (unsigned n)
{
  return n < 2 ? n : fibonacci (n - 1) + fibonacci (n - 2);
}

static int
compare (const void *a, const void *b)
{
  uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
  return x < y ? -1 : x > y;
}

/* Through a pointer, so that there are indirect calls. */
static void __attribute__ ((noinline))
sort (uint32_t *v, unsigned n, int (*by) (const void *, const void *))
{
  for (unsigned i = 1; i < n; i++)
    for (unsigned j = i; j > 0 && by (&v[j - 1], &v[j]) > 0; j--) {
      uint32_t t = v[j];
      v[j] = v[j - 1];
      v[j - 1] = t;
    }
}

static void __attribute__ ((noinline))
copy (void *to, const void *from, uint32_t n)
{
  __asm__ volatile ("rep movsb" : "+c" (n), "+S" (from), "+D" (to) : : "memory");
}

static void __attribute__ ((noinline))
fault (void)
{
  uint32_t quotient = 1;
  __asm__ volatile ("movl $1f, %1; xorl %%edx, %%edx; xorl %%ecx, %%ecx; divl %%ecx; 1:"
                    : "+a" (quotient), "=m" (expected_trap.resume) : : "ecx", "edx", "memory");
  __asm__ volatile ("movl $1f, %0; ud2; 1:" : "=m" (expected_trap.resume) : : "memory");
  __asm__ volatile ("movl $1f, %0; movl $0x1000, %%eax; incl %%ecx; movl %%eax, %%fs; incl %%ecx; 1:" : "=m" (expected_trap.resume) : : "eax", "ecx", "memory");
}

void
guest_main (void)
{
  console_init ();
  traps_init ();
  uint32_t seed = 1, sum = 0;
  for (unsigned i = 0; i < 40; i++)
    words[i] = seed = seed * 1103515245u + 12345u;
  sort (words, 40, compare);
  for (unsigned i = 0; i < 60; i++) {
    copy (copies + i, words, 64 + i);
    sum += copies[i * 3] + (uint32_t) __atomic_fetch_add (&words[50], i, __ATOMIC_SEQ_CST);
  }
  copy (copies, words, 5000);
  for (unsigned i = 0; i < 10; i++)
    fault ();
  sum += fibonacci (15);
  exact_loop (1000);
  put_text ("sum ");
  put_hex (sum);
  put_text ("\n");
  guest_exit (EXIT_PASSED);
}

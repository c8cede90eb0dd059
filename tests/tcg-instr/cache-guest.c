/* cache-guest.c -- columns, copies and a chase of pointers between two markers: the same in a machine as its first program, and under cachegrind. */
/* SPDX-License-Identifier: MIT */
/* Built with -nostdlib -static: all its memory is its own.  With an argument: no rounds, so that what lies outside the markers can be taken off. */

enum { ROUNDS = 3, N = 512, COPIED = 300000, LINKS = 65536, STEPS = 200000 };
enum { SYS_EXIT = 60, SYS_GETPID = 39, SYS_REBOOT = 169 };

static double matrix[N][N];
static volatile char from[COPIED], to[COPIED];
static unsigned next[LINKS];
static volatile double result;

static long
call (long number, long a, long b, long c)
{
  long value = number;
  __asm__ volatile ("syscall" : "+a" (value) : "D" (a), "S" (b), "d" (c) : "rcx", "r11", "memory");
  return value;
}

static void
marker (unsigned n)
{
  __asm__ volatile ("xchg %%bx, %%bx" : : "a" (n) : "memory");
}

static double
columns (void)
{
  double sum = 0;
  for (int x = 0; x < N; x++)
    for (int y = 0; y < N; y++)
      sum += matrix[y][x];
  return sum;
}

static void
copy (void)
{
  for (unsigned i = 0; i < COPIED; i++)
    to[i] = from[i];
}

static unsigned
chase (void)
{
  unsigned at = 0;
  for (int i = 0; i < STEPS; i++)
    at = next[at];
  return at;
}

__attribute__ ((used)) static void
start (long n)
{
  for (unsigned i = 0; i < LINKS; i++)
    next[i] = (i * 40503u + 12345u) & (LINKS - 1);
  for (int y = 0; y < N; y++)
    for (int x = 0; x < N; x++)
      matrix[y][x] = 1;
  for (unsigned i = 0; i < COPIED; i++)
    from[i] = to[i] = 1;
  marker (1);
  for (int i = 0; n < 2 && i < ROUNDS; i++) {
    result = columns ();
    copy ();
    result = chase ();
  }
  marker (2);
  if (call (SYS_GETPID, 0, 0, 0) == 1)
    call (SYS_REBOOT, (long) 0xfee1dead, 0x28121969, 0x4321fedc);
  call (SYS_EXIT, 0, 0, 0);
}

__asm__ (".globl _start\n_start: xor %ebp, %ebp\n mov (%rsp), %rdi\n and $-16, %rsp\n call start\n hlt\n");

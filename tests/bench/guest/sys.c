/* sys.c -- system calls, time and text of the bench guest. */
/* SPDX-License-Identifier: MIT */
#include "sys.h"

volatile u32 sink;
u8 buffer_a[1 << 20] __attribute__ ((aligned (64))), buffer_b[1 << 20] __attribute__ ((aligned (64)));

#ifdef __x86_64__
long
sys (long n, long a, long b, long c, long d)
{
  long r;
  register long r10 __asm__ ("r10") = d;
  __asm__ volatile ("syscall" : "=a" (r) : "a" (n), "D" (a), "S" (b), "d" (c), "r" (r10) : "rcx", "r11", "memory");
  return r;
}

void *
map_pages (unsigned long size, int executable)
{
  long r;
  register long r10 __asm__ ("r10") = 0x22 /* private, anonymous */, r8 __asm__ ("r8") = -1, r9 __asm__ ("r9") = 0;
  __asm__ volatile ("syscall" : "=a" (r) : "a" ((long) SYS_MMAP), "D" (0l), "S" (size), "d" (executable ? 7l : 3l), "r" (r10), "r" (r8), "r" (r9)
                    : "rcx", "r11", "memory");
  return (void *) r;
}

u64
now_ns (void)
{
  u64 t[2];
  sys (SYS_CLOCK_GETTIME, 1, (long) t, 0, 0);
  return t[0] * 1000000000ull + t[1];
}
#else
long
sys (long n, long a, long b, long c, long d)
{
  long r;
  __asm__ volatile ("int $0x80" : "=a" (r) : "a" (n), "b" (a), "c" (b), "d" (c), "S" (d) : "memory");
  return r;
}

void *
map_pages (unsigned long size, int executable)
{
  long arguments[6] = { 0, (long) size, executable ? 7 : 3, 0x22 /* private, anonymous */, -1, 0 };
  return (void *) sys (SYS_MMAP, (long) arguments, 0, 0, 0);
}

u64
now_ns (void)
{
  u32 t[2];
  sys (SYS_CLOCK_GETTIME, 1, (long) t, 0, 0);
  return t[0] * 1000000000ull + t[1];
}
#endif

void
unmap_pages (void *p, unsigned long size)
{
  sys (SYS_MUNMAP, (long) p, (long) size, 0, 0);
}

int
wait_for (int pid)
{
  int status = 0;
  sys (SYS_WAIT4, pid, (long) &status, 0, 0);
  return status;
}

/* There is no libgcc: 64-bit division by shifting. */
u64
div64 (u64 n, u32 d)
{
  u64 q = 0, r = 0;
  for (int i = 63; i >= 0; i--) {
    r = r << 1 | ((n >> i) & 1);
    if (r >= d) {
      r -= d;
      q |= 1ull << i;
    }
  }
  return q;
}

void
put (const char *s)
{
  int n = 0;
  while (s[n])
    n++;
  sys (SYS_WRITE, 1, (long) s, n, 0);
}

void
put_number (u64 n)
{
  char b[24];
  int i = 23;
  b[i] = 0;
  do {
    u64 q = div64 (n, 10);
    b[--i] = (char) ('0' + (u32) (n - q * 10));
    n = q;
  } while (n);
  put (b + i);
}

int
same (const char *a, const char *b)
{
  while (*a && *a == *b)
    a++, b++;
  return *a == *b;
}

void *
memcpy (void *d, const void *s, __SIZE_TYPE__ n)
{
  void *r = d;
  __asm__ volatile ("rep movsb" : "+D" (d), "+S" (s), "+c" (n) : : "memory");
  return r;
}

void *
memset (void *d, int c, __SIZE_TYPE__ n)
{
  void *r = d;
  __asm__ volatile ("rep stosb" : "+D" (d), "+c" (n) : "a" (c) : "memory");
  return r;
}

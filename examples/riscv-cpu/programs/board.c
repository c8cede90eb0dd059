/* board.c -- printing on the UART, and the end. */
/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include "board.h"

void
put_char (char c)
{
  while (!(REG8 (UART + 5) & 0x20))     /* line status: transmitter empty */
    ;
  REG8 (UART) = (uint8_t) c;
}

static void
put_number (uint32_t n, unsigned base, unsigned width)
{
  char digits[12];
  unsigned count = 0;
  do
    digits[count++] = "0123456789abcdef"[n % base];
  while ((n /= base) || count < width);
  while (count)
    put_char (digits[--count]);
}

static void
put_string (const char *s)
{
  while (*s)
    put_char (*s++);
}

void
put (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  for (const char *f = format; *f; f++) {
    if (*f != '%') {
      put_char (*f);
      continue;
    }
    unsigned width = 0;
    for (f++; *f >= '0' && *f <= '9'; f++)
      width = width * 10 + (unsigned) (*f - '0');
    int n;
    switch (*f) {
    case 's': put_string (va_arg (args, const char *)); break;
    case 'x': put_number (va_arg (args, uint32_t), 16, width); break;
    case 'u': put_number (va_arg (args, uint32_t), 10, width); break;
    case 'd':
      n = va_arg (args, int);
      if (n < 0)
        put_char ('-');
      put_number (n < 0 ? -(uint32_t) n : (uint32_t) n, 10, width);
      break;
    default: put_char (*f); break;
    }
  }
  va_end (args);
}

void
finish (unsigned status)
{
  REG32 (FINISHER) = status ? status << 16 | 0x3333 : 0x5555;
  for (;;)
    __asm__ volatile ("wfi");
}

__attribute__ ((weak)) void
trap (uint32_t cause, Frame *frame)
{
  put ("trap: cause %08x at %08x, value %08x, ra %08x\n", cause, csr_read (mepc), csr_read (mtval), frame->x[1]);
  finish (99);
}

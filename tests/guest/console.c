/* console.c -- text over the UART, polled. */
/* SPDX-License-Identifier: MIT */
#include "guest.h"

enum { UART_DATA, UART_IER, UART_FCR, UART_LCR, UART_MCR, UART_LSR };
enum { LCR_8N1 = 0x03, LCR_DLAB = 0x80, LSR_THR_EMPTY = 0x20 };

void
console_init (void)
{
  out8 (PORT_UART + UART_IER, 0);
  out8 (PORT_UART + UART_LCR, LCR_DLAB | LCR_8N1);
  out8 (PORT_UART + UART_DATA, 1);              /* 115200 baud */
  out8 (PORT_UART + UART_IER, 0);
  out8 (PORT_UART + UART_LCR, LCR_8N1);
  out8 (PORT_UART + UART_FCR, 0);
  out8 (PORT_UART + UART_MCR, 3);
}

static void
put_char (char c)
{
  while (!(in8 (PORT_UART + UART_LSR) & LSR_THR_EMPTY))
    ;
  out8 (PORT_UART + UART_DATA, (uint8_t) c);
}

void
put_text (const char *text)
{
  for (; *text; text++)
    put_char (*text);
}

void
put_hex (uint32_t value)
{
  put_text ("0x");
  for (int shift = 28; shift >= 0; shift -= 4)
    put_char ("0123456789abcdef"[value >> shift & 15]);
}

void
put_number (uint32_t value)
{
  if (value >= 10)
    put_number (value / 10);
  put_char ((char) ('0' + value % 10));
}

/* guest.h -- what the sample guest stands on: a Multiboot program of 32 bits, without an operating system, on the board of bare-serial.ini. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#ifndef GUEST_H
#define GUEST_H

#include <stdint.h>

/* Multiboot 0.6.96, 3.1: magic, flags, checksum, within the first 8 KiB. */
__attribute__ ((section (".multiboot"), used)) static const uint32_t multiboot[3] = { 0x1badb002, 0, -0x1badb002u };

/* `program' is the guest.  It starts with a stack and nothing else; the run ends when it returns: a POST code of 0xff does that on this board. */
void program (void);
__asm__ (".section .text\n.globl start\nstart:\n\tmov $stack_top, %esp\n\tcall program\n\tmov $0xff, %al\n\tout %al, $0x80\n0:\thlt\n\tjmp 0b\n"
         ".section .bss\n.balign 16\n\t.skip 16384\nstack_top:\n.section .text\n");

/* --- ports and memory ---------------------------------------------------------------------- */
static inline void out8 (uint16_t port, uint8_t value) { __asm__ volatile ("outb %0, %1" :: "a" (value), "Nd" (port)); }
static inline void out32 (uint16_t port, uint32_t value) { __asm__ volatile ("outl %0, %1" :: "a" (value), "Nd" (port)); }
static inline uint8_t in8 (uint16_t port) { uint8_t value; __asm__ volatile ("inb %1, %0" : "=a" (value) : "Nd" (port)); return value; }
static inline uint32_t in32 (uint16_t port) { uint32_t value; __asm__ volatile ("inl %1, %0" : "=a" (value) : "Nd" (port)); return value; }
static inline volatile uint32_t *at (uint32_t address) { return (volatile uint32_t *) (uintptr_t) address; }

/* --- the serial port ------------------------------------------------------------------------- */
static inline void
print (const char *text)
{
  for (; *text; text++)
    out8 (0x3f8, (uint8_t) *text);
}

static inline void
print_number (uint32_t value)
{
  char digits[11], *first = digits + sizeof digits - 1;
  *first = 0;
  do
    *--first = (char) ('0' + value % 10);
  while (value /= 10);
  print (first);
}

#endif

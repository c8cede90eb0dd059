/* board.h -- what programs know of riscv.ini: registers, printing, interrupts. */
/* SPDX-License-Identifier: MIT */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

#define REG8(address) (*(volatile uint8_t *) (address))
#define REG32(address) (*(volatile uint32_t *) (address))
#define UART 0x10000000u         /* a 16550: data, interrupt enable, -, -, modem control, line status */
#define FINISHER 0x100000u
#define MSIP 0x2000000u
#define MTIMECMP 0x2004000u
#define MTIME 0x200bff8u

#define csr_read(name) ({ uint32_t value_; __asm__ volatile ("csrr %0, " #name : "=r" (value_)); value_; })
#define csr_write(name, value) __asm__ volatile ("csrw " #name ", %0" : : "r" (value) : "memory")
#define csr_set(name, bits) __asm__ volatile ("csrs " #name ", %0" : : "r" (bits) : "memory")
#define csr_clear(name, bits) __asm__ volatile ("csrc " #name ", %0" : : "r" (bits) : "memory")

/* Tells instruments: `start = marker' counts from number 1 on, `stop = marker' until 2. */
#define marker(number) __asm__ volatile ("slti x0, x0, %0" : : "i" (number) : "memory")

enum { MIE_SOFTWARE = 1 << 3, MIE_TIMER = 1 << 7, MIE_EXTERNAL = 1 << 11, MSTATUS_MIE = 1 << 3 };

/* The registers as start.S saves them when a trap comes: x1 .. x31, x0's place is unused. */
typedef struct Frame {
  uint32_t x[32];
} Frame;

int main (void);                /* what it returns is the exit status */
void trap (uint32_t cause, Frame *frame);       /* of each program that wants traps; the rest end with status 99 */

void put_char (char c);
void put (const char *format, ...);     /* %s %u %d %x %08x */
void finish (unsigned status) __attribute__ ((noreturn));

#endif

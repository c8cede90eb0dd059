/* guest.h -- what the parts of the bare-board guest share. */
/* SPDX-License-Identifier: MIT */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stdint.h>

/* --- the board (machines/bare-serial.ini) ------------------------------------ */

enum { PORT_UART = 0x3f8, PORT_PIC1 = 0x20, PORT_PIC2 = 0xa0, PORT_PIT = 0x40, PORT_EXIT = 0xf4 };
#define RAM_SIZE       (16u << 20)
#define WIDGET_ADDRESS 0xd0000000u
#define WIDGET_VALUE   0x5ca1ab1eu
enum { EXIT_PASSED = 0x10, EXIT_FAILED = 0x11, EXIT_PANIC = 0x12 };
enum { VECTOR_IRQ0 = 0x20, N_VECTORS = 48 };

static inline void
out8 (uint16_t port, uint8_t v)
{
  __asm__ volatile ("outb %0, %1" : : "a" (v), "Nd" (port));
}

static inline void
out32 (uint16_t port, uint32_t v)
{
  __asm__ volatile ("outl %0, %1" : : "a" (v), "Nd" (port));
}

static inline uint8_t
in8 (uint16_t port)
{
  uint8_t v;
  __asm__ volatile ("inb %1, %0" : "=a" (v) : "Nd" (port));
  return v;
}

/* --- console.c: the UART, polled --------------------------------------------- */

void console_init (void);
void put_text (const char *text);
void put_hex (uint32_t value);
void put_number (uint32_t value);

/* --- traps.c: IDT, expected exceptions, interrupts ----------------------------- */

typedef struct TrapFrame {
  uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
  uint32_t vector, error;
  uint32_t eip, cs, eflags;
} TrapFrame;

/* An instruction that is to fault stores where to go on into `resume` first; the rest says what came. */
typedef struct TrapExpected {
  uint32_t resume;
  uint32_t vector, error, eip, cr2;
} TrapExpected;

/* Debug exceptions, while `active`: they are noted, DR6 and TF cleared, and the code goes on. */
typedef struct DebugLog {
  bool active;
  unsigned n;
  uint32_t eip[8], dr6[8];
  uint32_t ecx;                 /* at the latest */
} DebugLog;

extern volatile TrapExpected expected_trap;
extern volatile DebugLog debug_log;
extern uint8_t vector_stubs[];  /* 16 bytes a vector */
extern volatile uint32_t n_timer_ticks;
void traps_init (void);
__attribute__ ((noreturn)) void guest_exit (uint32_t code);

/* --- checks.c, check-paging.c, check-debug.c ----------------------------------- */

/* Counts and prints one check; false is remembered, and the guest goes on. */
void check (bool fine, const char *what);
void check_paging (void);
void check_debug (void);

#endif

/* traps.c -- the IDT, what an exception or an interrupt does, and the way out of the machine. */
/* SPDX-License-Identifier: MIT */
#include "guest.h"

volatile TrapExpected expected_trap;
volatile uint32_t n_timer_ticks;
void trap_taken (TrapFrame *f);

/* SDM vol. 3, 6.11: an interrupt gate. */
typedef struct Gate {
  uint16_t offset_low, selector, type, offset_high;
} Gate;

static Gate idt[N_VECTORS];

void
traps_init (void)
{
  for (unsigned i = 0; i < N_VECTORS; i++) {
    uint32_t stub = (uint32_t) (vector_stubs + 16 * i);
    idt[i] = (Gate) { (uint16_t) stub, 0x08, 0x8e00, (uint16_t) (stub >> 16) };
  }
  struct { uint16_t limit; uint32_t base; } __attribute__ ((packed)) pointer =
    { sizeof idt - 1, (uint32_t) idt };
  __asm__ volatile ("lidt %0" : : "m" (pointer));

  /* 8259A data sheet: ICW1 to ICW4, then all lines masked. */
  static const uint8_t master[] = { VECTOR_IRQ0, 0x04, 0x01, 0xff };
  static const uint8_t slave[] = { VECTOR_IRQ0 + 8, 0x02, 0x01, 0xff };
  out8 (PORT_PIC1, 0x11);
  out8 (PORT_PIC2, 0x11);
  for (unsigned i = 0; i < sizeof master; i++) {
    out8 (PORT_PIC1 + 1, master[i]);
    out8 (PORT_PIC2 + 1, slave[i]);
  }
}

void
guest_exit (uint32_t code)
{
  out32 (PORT_EXIT, code);
  for (;;)
    __asm__ volatile ("cli; hlt");
}

static void
panic (const TrapFrame *f)
{
  put_text ("panic: vector ");
  put_number (f->vector);
  put_text (" error ");
  put_hex (f->error);
  put_text (" at ");
  put_hex (f->eip);
  put_text ("\n");
  guest_exit (EXIT_PANIC);
}

static void
note_debug (TrapFrame *f)
{
  uint32_t dr6;
  __asm__ volatile ("mov %%db6, %0; mov %1, %%db6" : "=&r" (dr6) : "r" (0));
  if (debug_log.n < 8) {
    debug_log.eip[debug_log.n] = f->eip;
    debug_log.dr6[debug_log.n] = dr6;
  }
  debug_log.n++;
  debug_log.ecx = f->ecx;
  f->eflags &= ~0x100u;
}

/* 8259A data sheet, "Edge and level triggered modes": the request went away before the acknowledge, as the timer's does for one tick of its clock in each period. */
static bool
is_spurious (const TrapFrame *f)
{
  if (f->vector != VECTOR_IRQ0 + 7)
    return false;
  out8 (PORT_PIC1, 0x0b);       /* OCW3: the next read is of the in-service register */
  return !(in8 (PORT_PIC1) & 0x80);
}

void
trap_taken (TrapFrame *f)
{
  if (is_spurious (f))
    return;
  if (f->vector == 1 && debug_log.active) {
    note_debug (f);
  } else if (f->vector == VECTOR_IRQ0) {
    n_timer_ticks++;
    out8 (PORT_PIC1, 0x20);
  } else if (f->vector < VECTOR_IRQ0 && expected_trap.resume) {
    uint32_t cr2;
    __asm__ volatile ("mov %%cr2, %0" : "=r" (cr2));
    expected_trap.vector = f->vector;
    expected_trap.error = f->error;
    expected_trap.eip = f->eip;
    expected_trap.cr2 = cr2;
    f->eip = expected_trap.resume;
    expected_trap.resume = 0;
  } else {
    panic (f);
  }
}

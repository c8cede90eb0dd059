/* check-debug.c -- breakpoints on data and ports: when they strike, what DR6 and the pushed EIP say. */
/* SPDX-License-Identifier: MIT */
#include "guest.h"

volatile DebugLog debug_log;

#define BREAKPOINT(i) (1u << (i))
#define DR6_BD 0x2000u
#define DR6_BS 0x4000u

enum { ON_WRITE = 1, ON_IO = 2, ON_ACCESS = 3 };
enum { BYTES_1 = 0, BYTES_2 = 1, BYTES_4 = 3 };

/* Two pages: accesses may cross. */
static uint8_t memory[8192] __attribute__ ((aligned (4096)));
#define WORD(offset) (*(volatile uint32_t *) (memory + (offset)))

#define PUT_DR(n, value) __asm__ volatile ("mov %0, %%db" #n : : "r" (value) : "memory")

static uint32_t
enable (unsigned i, unsigned kind, unsigned length)
{
  return 2u << 2 * i | (kind | length << 2) << (16 + 4 * i);
}

static void
start (uint32_t dr7)
{
  debug_log.n = 0;
  debug_log.active = true;
  PUT_DR (6, 0);
  PUT_DR (7, dr7);
}

static void
stop (void)
{
  PUT_DR (7, 0);
  debug_log.active = false;
}

static bool
struck_once (uint32_t eip, uint32_t bits)
{
  return debug_log.n == 1 && debug_log.eip[0] == eip && (debug_log.dr6[0] & 0xe00f) == bits;
}

/* Runs the lines with DR7 as given; `next` is the address of their label 9. */
#define RUN(dr7, lines, ...) \
  ({ uint32_t next; \
     start (dr7); \
     __asm__ volatile (lines "\n mov $9b, %0" : "=&r" (next) : __VA_ARGS__ : "memory", "cc", "ecx", "edx", "esi", "edi"); \
     stop (); \
     next; })

/* --- loads and stores ------------------------------------------------------------------------- */

static void
check_kinds (void)
{
  uint32_t dr7 = enable (0, ON_WRITE, BYTES_4), next;
  PUT_DR (0, memory + 0x100);
  next = RUN (dr7, "mov $1, %%ecx; inc %%ecx; movl $5, (%1); 9: inc %%ecx; inc %%ecx", "r" (memory + 0x100));
  check (struck_once (next, BREAKPOINT (0)) && debug_log.ecx == 2, "a store strikes after its instruction, in the midst of others");
  RUN (dr7, "movl (%1), %%ecx; movl $1, 4(%1); movl $1, -4(%1); 9:", "r" (memory + 0x100));
  check (debug_log.n == 0, "loads and neighbours do not strike a breakpoint on stores");
  next = RUN (dr7, "movb $1, 3(%1); 9: nop", "r" (memory + 0x100));
  check (struck_once (next, BREAKPOINT (0)), "one byte of four strikes");
  next = RUN (enable (0, ON_ACCESS, BYTES_4), "movl (%1), %%ecx; 9: nop", "r" (memory + 0x100));
  check (struck_once (next, BREAKPOINT (0)), "a load strikes a breakpoint on any access");
  PUT_DR (0, memory + 0x103);
  next = RUN (enable (0, ON_WRITE, BYTES_2), "movb $1, 2(%1); 9: movb $1, 1(%1)", "r" (memory + 0x100));
  check (struck_once (next, BREAKPOINT (0)), "a range begins at a multiple of its length");
  next = RUN (enable (0, ON_WRITE, BYTES_1), "movb $1, 2(%1); movw $1, 2(%1); 9: nop", "r" (memory + 0x100));
  check (struck_once (next, BREAKPOINT (0)), "an access that only ends in the range strikes");
  RUN (enable (0, ON_WRITE, BYTES_1) & ~0xffu, "movl $1, (%1); 9:", "r" (memory + 0x100));
  check (debug_log.n == 0, "a breakpoint that is not enabled does not strike");
}

static void
check_instructions (void)
{
  uint32_t dr7 = enable (0, ON_WRITE, BYTES_4), next;
  PUT_DR (0, memory + 0x100);
  WORD (0x100) = 7;
  next = RUN (dr7, "addl $3, (%1); 9: nop", "r" (memory + 0x100));
  check (struck_once (next, BREAKPOINT (0)) && WORD (0x100) == 10, "read-modify-write is done once");
  next = RUN (dr7, "mov $5, %%ecx; lock xadd %%ecx, (%1); 9: nop", "r" (memory + 0x100));
  check (struck_once (next, BREAKPOINT (0)) && WORD (0x100) == 15, "an atomic operation is done once");
  next = RUN (dr7, "mov %%esp, %%edx; lea 0x104(%1), %%esp; pushl $77; 9: mov %%edx, %%esp", "r" (memory));
  check (struck_once (next, BREAKPOINT (0)) && WORD (0x100) == 77, "PUSH strikes");
  next = RUN (dr7, "fninit; fldpi; fld1; fistpl (%1); 9: fstp %%st(0)", "r" (memory + 0x100));
  check (struck_once (next, BREAKPOINT (0)) && WORD (0x100) == 1, "a store of the FPU strikes");
  uint16_t status;
  __asm__ volatile ("fnstsw %0" : "=a" (status));
  check ((status & 0x3800) == 0, "and pops its stack once");

  PUT_DR (0, memory + 0x1000);
  WORD (0xffe) = 0;
  next = RUN (dr7, "addl $0x12345678, (%1); 9: nop", "r" (memory + 0xffe));
  check (struck_once (next, BREAKPOINT (0)) && WORD (0xffe) == 0x12345678, "so does one across pages, in the second");
}

static void
check_repeated (void)
{
  uint32_t next;
  PUT_DR (0, memory + 0x105);
  for (unsigned i = 0; i < 16; i++)
    memory[0x200 + i] = (uint8_t) (i + 1), memory[0x100 + i] = 0;
  start (enable (0, ON_WRITE, BYTES_1));
  uint32_t left = 16, to = (uint32_t) memory + 0x100, from = (uint32_t) memory + 0x200;
  __asm__ volatile ("8: rep movsb; 9: mov $8b, %0" : "=&r" (next), "+c" (left), "+D" (to), "+S" (from) : : "memory");
  stop ();
  bool copied = true;
  for (unsigned i = 0; i < 16; i++)
    copied = copied && memory[0x100 + i] == i + 1;
  check (struck_once (next, BREAKPOINT (0)) && debug_log.ecx == 10, "REP MOVS stops after the element that strikes");
  check (copied && left == 0, "and goes on");
}

static void
check_several (void)
{
  uint32_t next;
  PUT_DR (0, memory + 0x100);
  PUT_DR (1, memory + 0x100);
  PUT_DR (2, memory + 0x100);
  PUT_DR (3, memory + 0x102);
  next = RUN (enable (0, ON_WRITE, BYTES_1) | enable (2, ON_ACCESS, BYTES_2) | enable (3, ON_WRITE, BYTES_1), "movw $1, (%1); 9: nop",
              "r" (memory + 0x100));
  check (struck_once (next, BREAKPOINT (0) | BREAKPOINT (2)), "one access strikes two breakpoints");
}

/* --- along with other events ------------------------------------------------------------------------ */

static void
check_faults (void)
{
  uint32_t resume, at;
  PUT_DR (0, memory + 0x100);
  WORD (0x100) = 0;
  start (enable (0, ON_ACCESS, BYTES_4));
  __asm__ volatile ("movl $9f, %0; mov $1, %%eax; xor %%edx, %%edx; 8: divl (%2); 9: mov $8b, %1"
                    : "=m" (expected_trap.resume), "=&r" (at) : "r" (memory + 0x100) : "eax", "edx", "cc", "memory");
  stop ();
  check (expected_trap.vector == 0 && expected_trap.eip == at && debug_log.n == 0, "an instruction that faults does not strike");

  /* INT3's frame lies where the breakpoint is: the handler has not begun. */
  uint32_t sp;
  __asm__ volatile ("mov %%esp, %0" : "=r" (sp));
  sp -= 1024;
  PUT_DR (0, sp - 4);
  start (enable (0, ON_WRITE, BYTES_4));
  __asm__ volatile ("movl $9f, %0; mov %%esp, %%edx; mov %2, %%esp; int3; 9: mov %%edx, %%esp; mov $9b, %1"
                    : "=m" (expected_trap.resume), "=&r" (resume) : "r" (sp) : "edx", "memory");
  stop ();
  check (struck_once ((uint32_t) vector_stubs + 16 * 3, BREAKPOINT (0)) && expected_trap.vector == 3,
         "a frame pushed on a breakpoint: the trap comes before the handler's first instruction");

  uint32_t next;
  PUT_DR (0, memory + 0x100);
  start (enable (0, ON_WRITE, BYTES_4));
  __asm__ volatile ("pushf; orl $0x100, (%%esp); popf; movl $1, (%1); 9: mov $9b, %0" : "=&r" (next) : "r" (memory + 0x100) : "cc", "memory");
  stop ();
  check (struck_once (next, BREAKPOINT (0) | DR6_BS), "a single step that strikes is one trap");

  WORD (0x100) = 0x10;
  start (enable (0, ON_ACCESS, BYTES_4));
  __asm__ volatile ("mov (%1), %%ss; nop; 9: nop; mov $9b, %0" : "=&r" (next) : "r" (memory + 0x100) : "memory");
  stop ();
  check (struck_once (next, BREAKPOINT (0)), "after MOV SS the trap waits for one more instruction");
}

/* --- ports ------------------------------------------------------------------------------------------- */

static void
check_ports (void)
{
  uint32_t cr4, next, dr7 = enable (1, ON_IO, BYTES_1);
  PUT_DR (1, PORT_UART + 7);
  start (dr7);
  out8 (PORT_UART + 7, 1);
  stop ();
  check (debug_log.n == 0, "ports need CR4.DE");
  __asm__ volatile ("mov %%cr4, %0" : "=r" (cr4));
  __asm__ volatile ("mov %0, %%cr4" : : "r" (cr4 | 8));
  next = RUN (dr7, "mov %1, %%edx; outb %%al, %%dx; 9: inb %%dx, %%al; inb %%dx, %%al", "r" (PORT_UART + 7), "a" (0));
  check (debug_log.n == 3 && debug_log.eip[0] == next && debug_log.eip[1] == next + 1 && debug_log.dr6[1] & BREAKPOINT (1),
         "OUT and IN strike, each after itself");
  next = RUN (dr7, "mov %1, %%edx; inb %%dx, %%al; 9: nop", "r" (PORT_UART + 5), "a" (0));
  check (debug_log.n == 0, "another port does not");
  start (dr7);
  uint32_t left = 2, from = (uint32_t) memory;
  __asm__ volatile ("8: rep outsb; 9: mov $8b, %0" : "=&r" (next), "+c" (left), "+S" (from) : "d" (PORT_UART + 7) : "memory");
  stop ();
  check (debug_log.n == 2 && debug_log.eip[0] == next && debug_log.eip[1] == next + 2, "REP OUTS strikes with each element");
  __asm__ volatile ("mov %0, %%cr4" : : "r" (cr4));
}

static void
check_detection (void)
{
  uint32_t at, value;
  start (0x2000);
  __asm__ volatile ("8: mov %%db0, %0; mov $8b, %0" : "=&r" (at) : : "memory");
  debug_log.active = false;
  __asm__ volatile ("mov %%db7, %0" : "=r" (value));
  check (debug_log.n == 1 && debug_log.eip[0] == at && debug_log.dr6[0] & DR6_BD && !(value & 0x2000),
         "general detect: the access faults, and the handler may");
}

void
check_debug (void)
{
  check_kinds ();
  check_instructions ();
  check_repeated ();
  check_several ();
  check_faults ();
  check_ports ();
  check_detection ();
}

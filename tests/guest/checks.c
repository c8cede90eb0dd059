/* checks.c -- what the guest proves about its board: start, memory, exceptions, registers, timer, UART. */
/* SPDX-License-Identifier: MIT */
#include "guest.h"

enum { MULTIBOOT_LOADED = 0x2badb002, INFO_MEMORY = 1, INFO_CMDLINE = 4 };
#define TEST_RAM  ((volatile uint32_t *) 0x400000)
#define TEST_SIZE (4u << 20)

typedef struct BootInfo {
  uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
} BootInfo;

static unsigned n_checks, n_failed;
void guest_main (uint32_t magic, const BootInfo *info);

void
check (bool fine, const char *what)
{
  n_checks++;
  if (!fine)
    n_failed++;
  put_text (fine ? "ok   " : "FAIL ");
  put_text (what);
  put_text ("\n");
}

static void
check_start (uint32_t magic, const BootInfo *info)
{
  check (magic == MULTIBOOT_LOADED, "started by a Multiboot loader");
  uint32_t upper = (RAM_SIZE >> 10) - 1024;
  check ((info->flags & INFO_MEMORY) && info->mem_upper > upper - 1024 && info->mem_upper <= upper,
         "the loader tells how much RAM there is");
  if (info->flags & INFO_CMDLINE) {
    put_text ("command line: ");
    put_text ((const char *) info->cmdline);
    put_text ("\n");
  }
}

static void
check_memory (void)
{
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < TEST_SIZE / 4; i++)
    TEST_RAM[i] = i * 0x9e3779b9u;
  for (uint32_t i = 0; i < TEST_SIZE / 4; i++)
    wrong += TEST_RAM[i] != i * 0x9e3779b9u;
  check (wrong == 0, "4 MiB of RAM keep a pattern");

  volatile uint8_t *bytes = (volatile uint8_t *) TEST_RAM;
  TEST_RAM[1023] = TEST_RAM[1024] = 0;
  *(volatile uint32_t *) (bytes + 4094) = 0x44332211;
  check (TEST_RAM[1023] == 0x22110000 && TEST_RAM[1024] == 0x00004433, "a store may cross a page");
  *(volatile uint16_t *) (bytes + 4095) = 0xbeef;
  check (bytes[4095] == 0xef && bytes[4096] == 0xbe && *(volatile uint32_t *) (bytes + 4094) == 0x44beef11,
         "narrow stores change no more");

  uint32_t count = 1000;
  const void *from = (const void *) (bytes + 8192);
  void *to = (void *) (bytes + 16385);
  __asm__ volatile ("rep movsb" : "+c" (count), "+S" (from), "+D" (to) : : "memory");
  for (uint32_t i = 0; i < 1000; i++)
    wrong += bytes[8192 + i] != bytes[16385 + i];
  check (wrong == 0 && count == 0 && to == (void *) (bytes + 17385), "REP MOVSB copies");
}

static void
check_exceptions (void)
{
  uint32_t quotient = 1, eip;
  __asm__ volatile ("movl $1f, %1; movl $2f, %2; xorl %%edx, %%edx; xorl %%ecx, %%ecx; 2: divl %%ecx; 1:"
                    : "+a" (quotient), "=m" (expected_trap.resume), "=m" (eip) : : "ecx", "edx", "memory");
  check (!expected_trap.resume && expected_trap.vector == 0 && expected_trap.eip == eip,
         "DIV by zero raises #DE at the DIV");
  __asm__ volatile ("movl $1f, %0; ud2; 1:" : "=m" (expected_trap.resume) : : "memory");
  check (!expected_trap.resume && expected_trap.vector == 6, "UD2 raises #UD");
  __asm__ volatile ("movl $1f, %0; movl $0x1000, %%eax; movl %%eax, %%fs; 1:"
                    : "=m" (expected_trap.resume) : : "eax", "memory");
  check (!expected_trap.resume && expected_trap.vector == 13 && expected_trap.error == 0x1000,
         "a selector beyond the GDT raises #GP");
  expected_trap.resume = 0;
}

/* DR0 on the instruction at 2: once by itself, once in the shadow of MOV SS (SDM 3A 6.8.3). */
static void
check_breakpoints (void)
{
  __asm__ volatile ("movl $1f, %0; movl $2f, %%eax; movl %%eax, %%dr0;"
                    "movl $0x402, %%eax; movl %%eax, %%dr7; nop; 2: nop; 1:"
                    : "=m" (expected_trap.resume) : : "eax", "memory");
  check (!expected_trap.resume && expected_trap.vector == 1, "a breakpoint on an instruction raises #DB");
  __asm__ volatile ("movl $1f, %0; movl $2f, %%eax; movl %%eax, %%dr0;"
                    "movl %%ss, %%eax; movl %%eax, %%ss; 2: nop; 1:"
                    : "=m" (expected_trap.resume) : : "eax", "memory");
  check (expected_trap.resume != 0, "a breakpoint right after MOV SS does not");
  __asm__ volatile ("movl %0, %%dr7" : : "r" (0x400));
  expected_trap.resume = 0;
}

/* The `stub` device: what it reads is in the descriptor, what is written goes nowhere. */
static void
check_stub (void)
{
  volatile uint32_t *widget = (volatile uint32_t *) WIDGET_ADDRESS;
  check (widget[0] == WIDGET_VALUE && widget[3] == WIDGET_VALUE,
         "the stub's registers read as its descriptor says");
  widget[1] = 0;
  check (widget[1] == WIDGET_VALUE, "the stub takes a write and forgets it");
}

static uint16_t
timer_count (void)
{
  out8 (PORT_PIT + 3, 0x00);
  uint8_t low = in8 (PORT_PIT);
  return (uint16_t) (low | in8 (PORT_PIT) << 8);
}

static void
wait_for_reloads (unsigned n)
{
  for (uint16_t last = timer_count (); n > 0;) {
    uint16_t now = timer_count ();
    if (now > last)
      n--;
    last = now;
  }
}

/* 8254 channel 0 as a rate generator of 200 Hz; the CPU sleeps between ticks. */
static void
check_timer (void)
{
  const uint16_t divisor = 5966;
  out8 (PORT_PIT + 3, 0x34);
  out8 (PORT_PIT, (uint8_t) divisor);
  out8 (PORT_PIT, (uint8_t) (divisor >> 8));
  __asm__ volatile ("sti");
  wait_for_reloads (3);
  check (n_timer_ticks == 0, "a masked interrupt stays away");
  out8 (PORT_PIC1 + 1, 0xfe);
  while (n_timer_ticks < 20)
    __asm__ volatile ("hlt");
  check (true, "20 timer interrupts woke the CPU");
  __asm__ volatile ("cli");
  uint32_t before = n_timer_ticks;
  wait_for_reloads (2);
  check (n_timer_ticks == before, "CLI holds interrupts off");
  out8 (PORT_PIC1, 0x0a);               /* reads give the requests: line 0 is up */
  while (!(in8 (PORT_PIC1) & 1))
    ;
  /* STI takes effect after the instruction that follows it: the tick that waited comes after the NOP. */
  __asm__ volatile ("sti; nop; nop; cli");
  check (n_timer_ticks > before, "the interrupt that waited comes after STI");
  out8 (PORT_PIC1 + 1, 0xff);
  bool below = true;
  for (unsigned i = 0; i < 100; i++)
    below = below && timer_count () <= divisor;
  check (below, "the count stays below the divisor");
}

static void
check_uart (void)
{
  for (unsigned v = 0; v < 256; v += 51)
    out8 (PORT_UART + 7, (uint8_t) v);
  check (in8 (PORT_UART + 7) == 255, "the UART's scratch register keeps a byte");
  uint8_t mcr = in8 (PORT_UART + 4);
  while (!(in8 (PORT_UART + 5) & 0x40))
    ;
  out8 (PORT_UART + 4, 0x10);
  out8 (PORT_UART, 0xa5);
  for (unsigned i = 0; i < 1000000 && !(in8 (PORT_UART + 5) & 1); i++)
    ;
  uint8_t back = in8 (PORT_UART);
  out8 (PORT_UART + 4, mcr);
  check (back == 0xa5, "the UART's loop-back returns a byte");
}

void
guest_main (uint32_t magic, const BootInfo *info)
{
  console_init ();
  put_text ("bare-serial: hello from a board without firmware\n");
  traps_init ();
  check_start (magic, info);
  check_memory ();
  check_exceptions ();
  check_breakpoints ();
  check_debug ();
  check_paging ();
  check_stub ();
  check_timer ();
  check_uart ();
  put_text ("bare-serial: ");
  put_number (n_checks - n_failed);
  put_text (" of ");
  put_number (n_checks);
  put_text (n_failed ? " checks passed, FAILED\n" : " checks passed, all well\n");
  guest_exit (n_failed ? EXIT_FAILED : EXIT_PASSED);
}

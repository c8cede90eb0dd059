/* guest.c -- a bare guest that reads and writes its first IDE disk by DMA, waits for each interrupt, and prints how long it took. */
/* SPDX-License-Identifier: MIT */
/* A Multiboot image: gcc -m32 -ffreestanding -nostdlib -static -T tests/guest/guest.ld.  It ends by writing to port 0xf4. */
#include <stdbool.h>
#include <stdint.h>

enum { UART = 0x3f8, PIC1 = 0x20, PIC2 = 0xa0, EXIT = 0xf4, IDE = 0x1f0, IDE_CONTROL = 0x3f6, CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc };
enum { IDE_FUNCTION = 1 << 11 | 1 << 8, BAR4 = 0x20, COMMAND = 0x04, MASTER_PORTS = 0xc000 };
enum { READ_DMA_EXT = 0x25, WRITE_DMA_EXT = 0x35, FLUSH_EXT = 0xea };
#define BUFFER ((uint8_t *) 0x1000000)
#define SECTORS (256u << 11)            /* of the disk that is used: 256 MiB */

/* --- entry --------------------------------------------------------------------------------- */

__asm__ (".section .multiboot, \"a\"\n.balign 4\n.long 0x1badb002, 0, -0x1badb002\n.text\n.globl start\n"
         "start: cli\n cld\n mov $stack_end, %esp\n lgdt gdt_pointer\n mov $16, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n ljmp $8, $1f\n"
         "1: call run\n2: hlt\n jmp 2b\n"
         "irq: push %eax\n incl n_irqs\n mov $0x20, %al\n outb %al, $0xa0\n outb %al, $0x20\n pop %eax\n iret\n"
         ".balign 8\ngdt: .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff\ngdt_pointer: .word 23\n .long gdt\n"
         ".bss\n.balign 16\n.skip 16384\nstack_end:\n.text\n");
extern const uint8_t irq[];
void run (void);
volatile uint32_t n_irqs;
static uint64_t idt[0x30];
static uint32_t table[32] __attribute__ ((aligned (64)));
static uint16_t master;

/* --- ports ----------------------------------------------------------------------------------- */

static void out8 (uint16_t port, uint8_t v) { __asm__ volatile ("outb %0, %1" : : "a" (v), "Nd" (port)); }
static void out32 (uint16_t port, uint32_t v) { __asm__ volatile ("outl %0, %1" : : "a" (v), "Nd" (port)); }
static uint8_t in8 (uint16_t port) { uint8_t v; __asm__ volatile ("inb %1, %0" : "=a" (v) : "Nd" (port)); return v; }
static uint32_t in32 (uint16_t port) { uint32_t v; __asm__ volatile ("inl %1, %0" : "=a" (v) : "Nd" (port)); return v; }
static uint64_t ticks (void) { uint32_t l, h; __asm__ volatile ("rdtsc" : "=a" (l), "=d" (h)); return (uint64_t) h << 32 | l; }

static void
put (const char *text)
{
  for (; *text; text++) {
    while (!(in8 (UART + 5) & 0x20))
      ;
    out8 (UART, (uint8_t) *text);
  }
}

/* Without a division of 64 bits, which would need a library. */
static uint32_t
divide (uint64_t n, uint32_t by)
{
  uint32_t q, r, high = (uint32_t) (n >> 32);
  if (high >= by)
    return UINT32_MAX;
  __asm__ ("divl %4" : "=a" (q), "=d" (r) : "a" ((uint32_t) n), "d" (high), "r" (by));
  return q;
}

static void
put_number (uint32_t n)
{
  char text[12], *p = text + 11;
  for (*p = 0; p == text + 11 || n; n /= 10)
    *--p = (char) ('0' + n % 10);
  put (p);
}

static uint32_t
config (uint32_t offset, const uint32_t *value)
{
  out32 (CONFIG_ADDRESS, 0x80000000u | IDE_FUNCTION | offset);
  if (value)
    out32 (CONFIG_DATA, *value);
  return in32 (CONFIG_DATA);
}

/* --- set-up ------------------------------------------------------------------------------------ */

static void
set_up_interrupts (void)
{
  static const uint8_t words[2][4] = { { 0x11, 0x20, 4, 1 }, { 0x11, 0x28, 2, 1 } };
  struct __attribute__ ((packed)) { uint16_t limit; uint32_t base; } pointer = { sizeof idt - 1, (uint32_t) idt };
  for (unsigned i = 0; i < 4; i++) {
    out8 (PIC1 + (i > 0), words[0][i]);
    out8 (PIC2 + (i > 0), words[1][i]);
  }
  out8 (PIC1 + 1, 0xfb);
  out8 (PIC2 + 1, 0xbf);        /* IRQ 14 */
  uint32_t handler = (uint32_t) irq;
  idt[0x2e] = (uint64_t) ((handler & 0xffff0000) | 0x8e00) << 32 | 8 << 16 | (handler & 0xffff);
  __asm__ volatile ("lidt %0" : : "m" (pointer));
}

static void
set_up_disk (void)
{
  uint32_t ports = MASTER_PORTS, on = 5, decode = 0x80008000;
  if (!(config (BAR4, 0) & 0xfff0))
    config (BAR4, &ports);
  config (0x40, &decode);
  config (COMMAND, &on);
  master = (uint16_t) (config (BAR4, 0) & 0xfff0);
  out8 (IDE_CONTROL, 0);
}

/* Ticks in a microsecond, by 50 ms of the interval timer. */
static uint32_t
calibrate (void)
{
  uint8_t gate = in8 (0x61);
  out8 (0x61, (uint8_t) ((gate & ~3) | 1));
  out8 (0x43, 0xb0);
  out8 (0x42, (uint8_t) 59659);
  out8 (0x42, 59659 >> 8);
  uint64_t start = ticks ();
  while (!(in8 (0x61) & 0x20))
    ;
  return divide (ticks () - start, 50000);
}

/* --- requests -------------------------------------------------------------------------------------- */

static void
wait (uint32_t before)
{
  __asm__ volatile ("cli");
  while (n_irqs == before)
    __asm__ volatile ("sti\n hlt\n cli");
}

static void
command (uint8_t code, uint32_t sector, uint32_t n)
{
  while (in8 (IDE + 7) & 0x80)
    ;
  out8 (IDE + 6, 0x40);
  out8 (IDE + 2, (uint8_t) (n >> 8));
  out8 (IDE + 3, (uint8_t) (sector >> 24));
  out8 (IDE + 4, 0);
  out8 (IDE + 5, 0);
  out8 (IDE + 2, (uint8_t) n);
  out8 (IDE + 3, (uint8_t) sector);
  out8 (IDE + 4, (uint8_t) (sector >> 8));
  out8 (IDE + 5, (uint8_t) (sector >> 16));
  out8 (IDE + 7, code);
}

/* Memory in pages that do not follow each other, as a kernel's are, or all in one. */
static void
make_table (uint32_t bytes, uint32_t piece)
{
  uint32_t i = 0;
  for (uint32_t at = 0; at < bytes; at += piece, i++) {
    table[2 * i] = (uint32_t) BUFFER + at * (piece == 4096 ? 2 : 1);
    table[2 * i + 1] = (piece & 0xffff) | (at + piece >= bytes ? 0x80000000u : 0);
  }
}

static bool
transfer (bool writes, uint32_t sector, uint32_t n)
{
  uint32_t before = n_irqs;
  uint8_t direction = writes ? 0 : 8;
  out32 (master + 4, (uint32_t) table);
  out8 (master + 2, 6);
  out8 (master, direction);
  command (writes ? WRITE_DMA_EXT : READ_DMA_EXT, sector, n);
  out8 (master, direction | 1);
  wait (before);
  uint8_t status = in8 (master + 2);
  out8 (master, direction);
  return !(in8 (IDE + 7) & 0x21) && status & 4;
}

static void
flush (void)
{
  uint32_t before = n_irqs;
  command (FLUSH_EXT, 0, 0);
  wait (before);
  in8 (IDE + 7);
}

/* --- workloads ---------------------------------------------------------------------------------------- */

static void
measure (const char *name, bool writes, bool random, uint32_t n_sectors, uint32_t piece, uint32_t count, uint32_t per_us)
{
  uint32_t at = 0, seed = 12345;
  bool good = true;
  make_table (n_sectors * 512, piece);
  uint64_t start = ticks ();
  for (uint32_t i = 0; i < count; i++) {
    seed = seed * 1664525 + 1013904223;
    if (random)
      at = (uint32_t) ((uint64_t) (seed >> 8) * (SECTORS / n_sectors) >> 24) * n_sectors;
    good &= transfer (writes, at, n_sectors);
    at = at + n_sectors >= SECTORS ? 0 : at + n_sectors;
  }
  uint32_t us = divide (ticks () - start, per_us);
  if (writes)
    flush ();
  put ("bench ");
  put (name);
  put (good ? " " : "-failed ");
  put_number (count);
  put (" ");
  put_number (divide ((uint64_t) us * 1000, count));    /* ns each */
  put ("\n");
}

void
run (void)
{
  set_up_interrupts ();
  set_up_disk ();
  uint32_t per_us = calibrate ();
  measure ("write-128k", true, false, 256, 65536, 2048, per_us);
  measure ("read-128k", false, false, 256, 65536, 2048, per_us);
  measure ("read-pages", false, false, 128, 4096, 4096, per_us);
  measure ("write-pages", true, false, 128, 4096, 4096, per_us);
  measure ("read-4k", false, true, 8, 4096, 8192, per_us);
  measure ("write-4k", true, true, 8, 4096, 8192, per_us);
  measure ("read-512", false, true, 1, 512, 8192, per_us);
  out8 (EXIT, 0);
}

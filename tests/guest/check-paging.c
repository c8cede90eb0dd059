/* check-paging.c -- 4 KiB pages: aliases, accessed and dirty bits, faults, code changed through an alias. */
/* SPDX-License-Identifier: MIT */
#include "guest.h"

#define WINDOW 0x40000000u

enum { PTE_P = 0x01, PTE_W = 0x02, PTE_A = 0x20, PTE_D = 0x40, PDE_LARGE = 0x80 };
enum { FAULT_PRESENT = 1, FAULT_WRITE = 2 };

static uint32_t directory[1024] __attribute__ ((aligned (4096)));
static volatile uint32_t table[1024] __attribute__ ((aligned (4096)));
static uint8_t frame[4096] __attribute__ ((aligned (4096)));

static volatile uint32_t *
window (unsigned page, unsigned word)
{
  return (volatile uint32_t *) (WINDOW + 4096 * page + 4 * word);
}

static void
invalidate (unsigned page)
{
  __asm__ volatile ("invlpg %0" : : "m" (*window (page, 0)) : "memory");
}

/* Everything at its own address in 4 MiB pages, but for the window. */
static void
paging_on (void)
{
  for (uint32_t i = 0; i < 1024; i++)
    directory[i] = i << 22 | PDE_LARGE | PTE_W | PTE_P;
  directory[WINDOW >> 22] = (uint32_t) table | PTE_W | PTE_P;
  __asm__ volatile ("mov %%cr4, %%eax; or $0x10, %%eax; mov %%eax, %%cr4; mov %0, %%cr3;"
                    "mov %%cr0, %%eax; or $0x80010000, %%eax; mov %%eax, %%cr0"
                    : : "r" (directory) : "eax", "memory");
}

static void
paging_off (void)
{
  __asm__ volatile ("mov %%cr0, %%eax; and $0x7ffeffff, %%eax; mov %%eax, %%cr0" : : : "eax", "memory");
}

static uint32_t
load_or_trap (volatile uint32_t *address)
{
  uint32_t v = 0;
  __asm__ volatile ("movl $1f, %1; movl (%2), %0; 1:"
                    : "+r" (v), "=m" (expected_trap.resume) : "r" (address) : "memory");
  return v;
}

static void
store_or_trap (volatile uint32_t *address, uint32_t v)
{
  __asm__ volatile ("movl $1f, %0; movl %2, (%1); 1:"
                    : "=m" (expected_trap.resume) : "r" (address), "r" (v) : "memory");
}

static bool
faulted (uint32_t error, volatile uint32_t *address)
{
  bool yes = !expected_trap.resume && expected_trap.vector == 14 && expected_trap.error == error
             && expected_trap.cr2 == (uint32_t) address;
  expected_trap.resume = 0;
  expected_trap.vector = 0xff;
  return yes;
}

static void
check_aliases (void)
{
  uint32_t physical = (uint32_t) frame;
  table[0] = physical | PTE_W | PTE_P;
  table[1] = physical | PTE_P;
  *window (0, 5) = 0xfeedface;
  check (*window (1, 5) == 0xfeedface && *(volatile uint32_t *) (frame + 20) == 0xfeedface,
         "two pages show one frame");
  check ((table[0] & (PTE_A | PTE_D)) == (PTE_A | PTE_D), "a store sets accessed and dirty");
  check ((table[1] & (PTE_A | PTE_D)) == PTE_A, "a load sets accessed alone");
}

static void
check_faults (void)
{
  directory[WINDOW >> 22] &= ~(uint32_t) PTE_A;
  __asm__ volatile ("mov %0, %%cr3" : : "r" (directory) : "memory");
  load_or_trap (window (2, 0));
  check (faulted (0, window (2, 0)), "a load from an absent page faults");
  check (!(((volatile uint32_t *) directory)[WINDOW >> 22] & PTE_A),
         "a walk that faults sets no accessed bit");
  store_or_trap (window (2, 7), 1);
  check (faulted (FAULT_WRITE, window (2, 7)), "a store to an absent page faults");
  store_or_trap (window (1, 5), 0);
  check (faulted (FAULT_WRITE | FAULT_PRESENT, window (1, 5)), "a store to a read-only page faults");
  check (*window (0, 5) == 0xfeedface, "the refused store changed nothing");
  table[2] = (uint32_t) frame | PTE_P;
  check (load_or_trap (window (2, 5)) == 0xfeedface, "a page made present needs no flush");
  expected_trap.resume = 0;
  table[2] = 0;
  invalidate (2);
  load_or_trap (window (2, 5));
  check (faulted (0, window (2, 5)), "INVLPG takes a page away");
  *window (0, 1023) = 0x44332211;
  table[1] = 0;
  invalidate (1);
  load_or_trap ((volatile uint32_t *) (WINDOW + 4094));
  check (faulted (0, window (1, 0)), "a load across two pages faults at the second");
}

/* mov eax, imm32; ret -- changed through one address, run at another. */
static void
check_code_alias (void)
{
  uint32_t (*f) (void) = (uint32_t (*) (void)) (WINDOW + 4096);
  uint32_t wrong = 0;
  table[1] = (uint32_t) frame | PTE_P;
  invalidate (1);
  frame[0] = 0xb8;
  frame[5] = 0xc3;
  for (uint32_t i = 0; i < 200; i++) {
    for (unsigned byte = 0; byte < 4; byte++)
      *(volatile uint8_t *) (WINDOW + 1 + byte) = (uint8_t) (i * 0x01010101u >> 8 * byte);
    if (f () != i * 0x01010101u)
      wrong++;
  }
  check (wrong == 0, "code changed through an alias runs as changed");
}

void
check_paging (void)
{
  paging_on ();
  check_aliases ();
  check_faults ();
  check_code_alias ();
  paging_off ();
}

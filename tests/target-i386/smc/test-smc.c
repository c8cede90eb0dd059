/* test-smc.c -- code that one processor changes while others execute it: old or new, never a mix, and new after a handshake. */
/* SPDX-License-Identifier: MIT */
/*
 * test-smc [-v] [-w WAY] [-n ROUNDS] [-k KIND]: without arguments, what `make check` runs; there are twenty times as many rounds of what
 * needs no handshake.  What is done is in program.c.  SDM 3A 8.1.3 says what a processor promises;
 * 11.6 speaks of changes by other linear addresses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "target-i386/system/image.h"

enum { TIME_LIMIT_MS = 120000 };

typedef struct Kind {
  const char *name;
  unsigned kind;
  uint32_t code, at;            /* what readers call, what is changed */
  uint64_t mask;
  void (*put) (Slot *slot, uint32_t code);
} Kind;

static void
put_bytes (Slot *slot, uint32_t at, const char *bytes, unsigned n)
{
  memcpy (slot->memory + at, bytes, n);
}

/* --- the code -------------------------------------------------------------------------------- */

/* XOR EAX, EAX; MOV AL, 0; RET */
static void put_byte (Slot *slot, uint32_t code) { put_bytes (slot, code, "\x31\xc0\xb0\x00\xc3", 5); }

/* MOV EAX, 0; RET */
static void put_dword (Slot *slot, uint32_t code) { put_bytes (slot, code, "\xb8\0\0\0\0\xc3", 6); }

/* XOR EAX, EAX; a site, which is a NOP or jumps to one of three MOV AL, k; RET; RET */
static void
put_poke (Slot *slot, uint32_t code)
{
  put_bytes (slot, code, "\x31\xc0\x0f\x1f\x44\x00\x00\xc3", 8);
  put_bytes (slot, SMC_SITES, "\x0f\x1f\x44\x00\x00", 5);
  for (unsigned k = 1; k < 4; k++) {
    uint32_t target = code + 0x100 * k, distance = target - (code + 7);
    slot->memory[SMC_SITES + 8 * k] = 0xe9;
    image_put (slot, SMC_SITES + 8 * k + 1, distance, 4);
    put_bytes (slot, target, "\xb0\0\xc3", 3);
    slot->memory[target + 1] = (uint8_t) k;
  }
}

static void
put_page (Slot *slot, uint32_t code)
{
  uint32_t at = SMC_DRAFT, bad = SMC_DRAFT + 5 + 11 * SMC_PAGE_CHECKS + 1;
  put_bytes (slot, at, "\xb8\0\0\0\0", 5);
  at += 5;
  for (unsigned i = 0; i < SMC_PAGE_CHECKS; i++, at += 11) {
    put_bytes (slot, at, "\x3d\0\0\0\0\x0f\x85", 7);
    image_put (slot, at + 7, bad - (at + 11), 4);
  }
  slot->memory[at] = 0xc3;
  put_bytes (slot, bad, "\xb8\x78\x56\x34\x12\xc3", 6);
  memcpy (slot->memory + SMC_PAGE, slot->memory + SMC_DRAFT, SYS_PAGE);
}

static void
put_table (Slot *slot, uint32_t code)
{
  put_dword (slot, SMC_TABLE_PAGE);
  put_dword (slot, SMC_TABLE_PAGE + SYS_PAGE);
  image_put (slot, PTE (0), SMC_TABLE_PAGE | PG_P | PG_W, 8);
  image_put (slot, PTE (1), (SMC_TABLE_PAGE + SYS_PAGE) | PG_P | PG_W, 8);
}

static const Kind kinds[] = {
  { "a byte", KIND_BYTE, 0x28100, 0x28103, 255, put_byte },
  { "a byte behind a page's end", KIND_BYTE, 0x28ffd, 0x29000, 255, put_byte },
  { "four bytes", KIND_DWORD, 0x28103, 0x28104, 255, put_dword },
  { "four bytes behind a page's end", KIND_DWORD, 0x28fff, 0x29000, 255, put_dword },
  { "INT3", KIND_POKE, 0x28100, 0x28102, 3, put_poke },
  { "INT3, across pages", KIND_POKE, 0x28ffb, 0x28ffd, 3, put_poke },
  { "INT3, a page's last byte", KIND_POKE, 0x28ffd, 0x28fff, 3, put_poke },
  { "a page", KIND_PAGE, SMC_PAGE, 0, 255, put_page },
  { "the page table", KIND_TABLE, SMC_TABLE_PAGE, 0, 255, put_table },
};

/* --- a run -------------------------------------------------------------------------------------- */

static bool is_verbose;

static void
build (Slot *slot, const Kind *k, unsigned n_cpus, uint64_t rounds)
{
  uint32_t int3 = AT_KERNEL_CODE + (uint32_t) (smc_int3 - smc_start);
  image_build (slot, KERNEL64);
  memcpy (slot->memory + AT_KERNEL_CODE, smc_start, (size_t) (smc_end - smc_start));
  k->put (slot, k->code);
  put_bytes (slot, SMC_RETURNS_CC, "\xb8\xcc\0\0\0\xc3", 6);
  image_put (slot, AT_IDT + 16 * 3, int3 | K_CODE64 << 16 | (uint64_t) 0x8e00 << 32, 8);
  image_put (slot, SMC_KIND, k->kind, 8);
  image_put (slot, SMC_ROUNDS, rounds, 8);
  image_put (slot, SMC_N_CPUS, n_cpus, 8);
  image_put (slot, SMC_CODE, k->code, 8);
  image_put (slot, SMC_AT, k->kind == KIND_PAGE ? HIGH + SMC_PAGE : k->kind == KIND_TABLE ? WINDOW : k->at, 8);
  image_put (slot, SMC_MASK, k->mask, 8);
  slot->state.gpr[BP_X86_RDI] = 0;
}

static unsigned
run (const char *way, const char *cache, unsigned n_cpus, const Kind *k, uint64_t rounds)
{
  static Slot slot;
  Backplane *b = backplane_start_cpus (way, n_cpus, cache, TIME_LIMIT_MS);
  if (!b)
    return 0;
  build (&slot, k, n_cpus, rounds);
  backplane_run (b, &slot);
  backplane_finish (b);
  uint64_t calls = 0, traps = 0, published = image_get (&slot, SMC_PUBLISHED, 8);
  for (unsigned i = 1; i < n_cpus; i++) {
    calls += image_get (&slot, SMC_CALLS + 64 * i, 8);
    traps += image_get (&slot, SMC_INT3 + 64 * i, 8);
  }
  bool failed = image_get (&slot, SMC_FAILED, 8), ended = slot.end == RUN_HALTED && published == rounds;
  if (failed || !ended || is_verbose)
    printf ("%s, %u CPUs, %s: %s, %llu of %llu changes, %llu calls, %llu INT3\n", way, n_cpus, k->name,
            failed ? "FAILED" : ended ? "ok" : "DID NOT END", (unsigned long long) published, (unsigned long long) rounds,
            (unsigned long long) calls, (unsigned long long) traps);
  if (failed)
    printf ("  published was %llx, then the code gave %llx, and published was %llx\n",
            (unsigned long long) image_get (&slot, SMC_FAILED + 8, 8), (unsigned long long) image_get (&slot, SMC_FAILED + 16, 8),
            (unsigned long long) image_get (&slot, SMC_FAILED + 24, 8));
  else if (!ended)
    printf ("  end %d %s, CPU 0 at %llx\n", slot.end, slot.why, (unsigned long long) slot.state.rip);
  fflush (stdout);
  return failed || !ended;
}

int
main (int argc, char **argv)
{
  static const struct { const char *way, *cache; unsigned n_cpus, divisor; } runs[] = {
    { "x64", "4M", 2, 1 }, { "x64", "1M", 4, 6 }, { "interp", "1M", 2, 3 }, { "interp", "1M", 4, 12 }
  };
  const char *way = NULL;
  uint64_t rounds = 40;
  unsigned wrong = 0, n = 0;
  int only = -1, c;
  while ((c = getopt (argc, argv, "vw:n:k:")) != -1)
    switch (c) {
    case 'v': is_verbose = true; break;
    case 'w': way = optarg; break;
    case 'n': rounds = strtoull (optarg, NULL, 0); break;
    case 'k': only = atoi (optarg); break;
    default: return 2;
    }
  for (unsigned r = 0; r < sizeof runs / sizeof *runs; r++)
    for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++)
      if ((!way || !strcmp (way, runs[r].way)) && (only < 0 || only == (int) k)) {
        if (rounds / runs[r].divisor < 5)       /* only in long runs */
          continue;
        uint64_t each = rounds / runs[r].divisor * (kinds[k].kind <= KIND_DWORD ? 20 : 1);
        wrong += run (runs[r].way, runs[r].cache, runs[r].n_cpus, &kinds[k], each);
        n++;
      }
  printf ("%u runs, %u wrong\n", n, wrong);
  return wrong || !n;
}

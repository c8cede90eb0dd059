/* test-exec.c -- random user-mode instructions: this processor and the translator must agree. */
/* SPDX-License-Identifier: MIT */
/*
 * test-exec [way [first seed [cases [which]]]]: ways are interp, opt, x64 (exec.h) and all; which is 32, 64, long (64-bit code
 * of some hundred instructions) or all; without arguments, what `make check` runs.  A disagreement prints the case, both
 * results, and with EXEC_EXPLAIN the IR; the seed makes it again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differences.h"

static void
print_case (const Case *c)
{
  for (unsigned i = 0; i < c->n_steps; i++) {
    char text[96];
    x86_disasm (&c->step[i].insn, case_pc (c, c->step[i].offset), text, sizeof text);
    printf ("  %08llx  %-44s", (unsigned long long) case_pc (c, c->step[i].offset), text);
    for (unsigned k = 0; k < c->step[i].insn.length; k++)
      printf (" %02x", c->code[c->step[i].offset + k]);
    printf ("\n");
  }
}

static void
print_state (const char *who, const ExecState *s)
{
  static const char names[16][4] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "8", "9", "10", "11", "12", "13", "14", "15" };
  bool is_64 = s->mode == EXEC_LONG64;
  printf ("  %-7s", who);
  for (unsigned i = 0; i < (is_64 ? 16 : 8); i++)
    printf ("%s %c%s=%0*llx", i != 0 && i % 8 == 0 ? "\n         " : "", is_64 ? 'r' : 'e', names[i], is_64 ? 16 : 8,
            (unsigned long long) s->gpr[i]);
  printf ("\n          pc=%08llx eflags=%08x vector=%d error=%x cr2=%08llx\n", (unsigned long long) s->pc, s->eflags, s->vector,
          s->error, (unsigned long long) s->cr2);
}

/* How the cases ended, by mode: a generator that only makes faults tests nothing. */
static unsigned endings[EXEC_N_MODES][32];

static void
print_endings (void)
{
  static const char *const names[EXEC_N_MODES] = { "flat 32-bit", "small 32-bit", "small 16-bit", "64-bit" };
  for (unsigned mode = 0; mode < EXEC_N_MODES; mode++) {
    bool any = false;
    for (unsigned v = 0; v < 32; v++)
      any |= endings[mode][v] != 0;
    if (!any)
      continue;
    printf ("  %s:", names[mode]);
    for (unsigned v = 0; v < 32; v++)
      if (endings[mode][v])
        printf (" %u ended by %u,", endings[mode][v], v);
    printf ("\n");
  }
  memset (endings, 0, sizeof endings);
}

static void
print_wrong (const Case *c, uint64_t seed, ExecMode mode, unsigned n_insns)
{
  printf ("seed %llu, mode %d, %u instructions:\n", (unsigned long long) seed, mode, n_insns);
  print_case (c);
  print_state ("before", &c->start);
}

/* CALL to an address that is not canonical: the processor faults before it pushes, the translator finds out later. */
static void
forget_push (ExecMode mode, ExecState *s)
{
  uint32_t at = (uint32_t) s->gpr[X86_RSP] - 8 - EXEC_STACK;
  if (mode == EXEC_LONG64 && s->vector == 13 && at <= sizeof s->stack - 8)
    memset (s->stack + at, 0, 8);
}

/* AddressSanitizer's shadow lies where native cases expect nothing, and they would write to it: there the ways are compared with one another. */
static uint64_t *digests;       /* of what the first way made of each case */
#ifdef __SANITIZE_ADDRESS__
enum { HAS_NATIVE = 0 };

static uint64_t
hash (uint64_t h, const void *data, size_t n)
{
  for (size_t i = 0; i < n; i++)
    h = (h ^ ((const uint8_t *) data)[i]) * UINT64_C (0x100000001b3);
  return h;
}

static uint64_t
digest (const Case *c, const ExecState *s)
{
  uint64_t words[] = { s->pc, s->eflags & ~case_undefined (c, s->pc), (uint64_t) s->vector, s->error, s->cr2 };
  return hash (hash (hash (hash (1, words, sizeof words), s->gpr, sizeof s->gpr), s->data, sizeof s->data), s->stack, sizeof s->stack);
}

static bool
run_case (uint64_t *seen, uint64_t seed, ExecMode mode, unsigned n_insns)
{
  static Case c;
  static ExecState guest;
  case_generate (&c, seed, mode, n_insns);
  guest = c.start;
  exec_guest (c.code, &guest);
  forget_push (mode, &guest);
  endings[mode][guest.vector & 31]++;
  uint64_t now = digest (&c, &guest);
  if (!*seen)
    *seen = now;
  if (*seen == now)
    return true;
  print_wrong (&c, seed, mode, n_insns);
  print_state ("guest", &guest);
  return false;
}
#else
enum { HAS_NATIVE = 1 };

static void
print_memory (const char *what, uint32_t base, const uint8_t *x, const uint8_t *y, size_t n)
{
  unsigned shown = 0;
  for (size_t i = 0; i < n && shown < 8; i++)
    if (x[i] != y[i]) {
      printf ("  %s %08zx: native %02x translated %02x\n", what, base + i, x[i], y[i]);
      shown++;
    }
}

static bool
run_case (uint64_t *seen, uint64_t seed, ExecMode mode, unsigned n_insns)
{
  static Case c;
  static ExecState native, guest;
  case_generate (&c, seed, mode, n_insns);
  native = guest = c.start;
  exec_native (c.code, &native);
  exec_guest (c.code, &guest);
  forget_push (mode, &native);
  forget_push (mode, &guest);
  endings[mode][native.vector & 31]++;
  if (ended_alike (&c, &native, &guest))
    return true;
  print_wrong (&c, seed, mode, n_insns);
  print_state ("native", &native);
  print_state ("guest", &guest);
  printf ("  flags not compared: %x\n", case_undefined (&c, native.pc));
  print_memory ("data", EXEC_DATA, native.data, guest.data, sizeof native.data);
  print_memory ("stack", EXEC_STACK, native.stack, guest.stack, sizeof native.stack);
  fflush (stdout);
  if (getenv ("EXEC_EXPLAIN"))
    exec_guest_explain (c.code, &c.start);
  return false;
}
#endif

typedef struct Selection {
  const char *name;
  ExecMode modes[8];
  unsigned n_modes, at_least, at_most;  /* instructions */
} Selection;

static const Selection selections[] = {
  { "all", { EXEC_FLAT32, EXEC_LONG64, EXEC_SMALL16, EXEC_LONG64, EXEC_FLAT32, EXEC_LONG64, EXEC_SMALL32, EXEC_LONG64 }, 8, 1, 12 },
  { "32", { EXEC_FLAT32, EXEC_SMALL16, EXEC_FLAT32, EXEC_SMALL32 }, 4, 1, 12 },
  { "64", { EXEC_LONG64 }, 1, 1, 12 },
  { "long", { EXEC_LONG64, EXEC_LONG64, EXEC_LONG64, EXEC_FLAT32 }, 4, 50, 400 }
};

static unsigned
run_cases (const Selection *s, uint64_t first, unsigned n)
{
  unsigned wrong = 0;
  for (unsigned i = 0; i < n && wrong < 10; i++)
    wrong += !run_case (&digests[i], first + i, s->modes[i % s->n_modes], s->at_least + i % (s->at_most - s->at_least + 1));
  return wrong;
}

static const Selection *
find_selection (const char *name)
{
  for (unsigned i = 0; i < sizeof selections / sizeof *selections; i++)
    if (!strcmp (name, selections[i].name))
      return &selections[i];
  fprintf (stderr, "test-exec: which is 32, 64, long or all, not %s\n", name);
  exit (2);
}

int
main (int argc, char **argv)
{
  static const char *const all[] = { "interp", "opt", "x64" };
  const char *way = argc > 1 ? argv[1] : "all";
  uint64_t first = argc > 2 ? strtoull (argv[2], NULL, 0) : 1;
  unsigned n = argc > 3 ? (unsigned) atoi (argv[3]) : 20000, wrong = 0;
  const Selection *selection = find_selection (argc > 4 ? argv[4] : "all");
  if (!exec_native_start ()) {
    printf ("this host does not run 32-bit code next to the test: skipped\n");
    return 77;
  }
  if (!HAS_NATIVE)
    printf ("AddressSanitizer's shadow is in the way of native cases: the ways are compared with one another\n");
  digests = calloc (n, sizeof *digests);
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
    if ((strcmp (way, "all") && strcmp (way, all[i])) || !exec_guest_start (all[i]))
      continue;
    unsigned here = run_cases (selection, first, n);
    printf ("%s: %u cases from seed %llu, %u wrong\n", all[i], n, (unsigned long long) first, here);
    print_endings ();
    print_differences ();
    wrong += here;
  }
  free (digests);
  return wrong != 0;
}

/* test-debug.c -- breakpoints, watchpoints and steps of a debugger, on random programs against a plain interpreter. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "toy-cpu.h"
#include "../suite.h"
#include <check.h>
#include <string.h>

/* --- a debugger ------------------------------------------------------------------------------- */

static Toy *t;
static int n_stopped;           /* atomic */

static void
on_stopped (void *user, BpVcpu *vcpu)
{
  ck_assert_ptr_eq (vcpu, t->vcpu);
  __atomic_add_fetch (&n_stopped, 1, __ATOMIC_RELEASE);
}

static const BpDebugger debugger = { .struct_size = sizeof debugger, .stopped = on_stopped };
static const BpAccelIface *accel (void) { return t->machine.accel_iface; }
static void *accel_object (void) { return object_instance (t->accel_object); }

static void
begin (unsigned way)
{
  t = toy_new (&toy_ways[way]);
  ck_assert (accel ()->debug_attach (accel_object (), &debugger, NULL));
  ck_assert (!accel ()->debug_attach (accel_object (), &debugger, NULL));
}

static void
end (void)
{
  ck_assert (accel ()->debug_attach (accel_object (), NULL, NULL));
  toy_free_machine (t);
}

static bool
point (bool insert, BpDebugKind kind, uint64_t address, uint64_t size)
{
  BpDebugPoint p = { .struct_size = sizeof p, .kind = kind, .address = address, .size = size };
  return (insert ? accel ()->debug_insert : accel ()->debug_remove) (accel_object (), &p);
}

static void
load_state (const ToyState *s)
{
  t->cpu->s = *s;
  accel ()->vcpu_synchronise (accel_object (), t->vcpu);
}

/* Until it stops by itself; false: the guest has executed STOP, or does nothing for good (ten seconds). */
static bool
go (BpDebugAction action, uint32_t flags, BpDebugStop *stop)
{
  BpDebugResume how = { .struct_size = sizeof how, .action = action, .flags = flags };
  int64_t late = patience_ends (10);
  __atomic_store_n (&n_stopped, 0, __ATOMIC_RELEASE);
  accel ()->debug_resume (accel_object (), t->vcpu, &how);
  ck_assert (vcpus_start (&t->machine, NULL));
  while (!__atomic_load_n (&n_stopped, __ATOMIC_ACQUIRE) && __atomic_load_n (&t->cpu->s.halted, __ATOMIC_ACQUIRE) != TOY_STOPPED) {
    ck_assert_msg (g_get_monotonic_time () < late, "neither stops nor ends; pc %x", t->cpu->s.pc);
    g_usleep (5);
  }
  vcpus_stop (&t->machine);
  return accel ()->debug_take_stop (accel_object (), t->vcpu, stop);
}

static bool
same_state (const ToyState *a, const ToyState *b)
{
  return memcmp (a->r, b->r, sizeof a->r) == 0 && a->pc == b->pc && a->table == b->table && a->n_faults == b->n_faults && a->faults == b->faults;
}

/* --- a random program, and where the plain interpreter is in it ------------------------------------- */

static ToyProgram *program;
static ToyState want;
static ToyBoard board;

static void
take_program (unsigned seed)
{
  program = toy_program_new (seed);
  want = program->start;
  board = (ToyBoard) { .ram = g_memdup2 (program->ram, TOY_RAM_SIZE) };
  ck_assert (bp_as_write (t->memory_space, 0, program->ram, TOY_RAM_SIZE));
  t->board.hash = t->board.counter = 0;
  load_state (&program->start);
}

static void
drop_program (void)
{
  g_free (board.ram);
  toy_program_free (program);
}

static void
check_end (unsigned seed)
{
  g_autofree char *where = g_strdup_printf ("seed %u", seed);
  toy_reference (&want, &board, 10000000);
  toy_compare (t, &want, &board, where);
}

/* --- breakpoints -------------------------------------------------------------------------------------- */

/* The next time the interpreter is there; false: it ends before. */
static bool
reference_reaches (uint32_t pc, bool leave_first)
{
  if (leave_first)
    toy_reference (&want, &board, 1);
  while (want.halted == TOY_RUNS && want.base + want.pc != pc)
    toy_reference (&want, &board, 1);
  return want.halted == TOY_RUNS;
}

START_TEST (breakpoints)
{
  begin ((unsigned) _i);
  unsigned n_hits = 0;
  for (unsigned seed = 1; seed <= 12; seed++) {
    take_program (seed);
    uint32_t at = program->code.origin + 4 * program->group[seed * 7 % program->n_groups];
    BpDebugStop stop;
    bool leave = false;
    ck_assert (point (true, seed % 2 ? BP_DEBUG_SOFTWARE : BP_DEBUG_HARDWARE, at, 1));
    while (reference_reaches (at, leave)) {
      /* Where an instruction cannot be fetched, a software breakpoint is none. */
      bool there = go (BP_DEBUG_RUN, leave ? BP_DEBUG_OVER : 0, &stop);
      ck_assert (there);
      ck_assert_uint_eq (stop.address, at);
      ck_assert_msg (same_state (&t->cpu->s, &want), "seed %u: at the breakpoint %x, hit %u, pc %x", seed, at, n_hits, t->cpu->s.pc);
      leave = true;
      if (++n_hits % 50 == 0)
        break;
    }
    ck_assert (point (false, seed % 2 ? BP_DEBUG_SOFTWARE : BP_DEBUG_HARDWARE, at, 1));
    ck_assert (!point (false, seed % 2 ? BP_DEBUG_SOFTWARE : BP_DEBUG_HARDWARE, at, 1));
    if (t->cpu->s.halted != TOY_STOPPED)
      go (BP_DEBUG_RUN, 0, &stop);
    toy_wait_stopped (t);
    check_end (seed);
    drop_program ();
  }
  ck_assert_uint_gt (n_hits, 20);
  end ();
}
END_TEST

/* --- steps ---------------------------------------------------------------------------------------------- */

START_TEST (steps)
{
  begin ((unsigned) _i);
  BpDebugStop stop;
  for (unsigned seed = 20; seed <= 22; seed++) {
    take_program (seed);
    for (unsigned n = 0; n < 400 && want.halted == TOY_RUNS; n++) {
      toy_reference (&want, &board, 1);
      bool stepped = go (BP_DEBUG_ONE, BP_DEBUG_NO_INTERRUPTS, &stop);
      ck_assert (stepped || t->cpu->s.halted == TOY_STOPPED);
      ck_assert (!stepped || stop.kind == BP_DEBUG_STEP);
      ck_assert_msg (same_state (&t->cpu->s, &want), "seed %u: step %u, pc %x not %x", seed, n, t->cpu->s.pc, want.pc);
    }
    if (t->cpu->s.halted != TOY_STOPPED)
      go (BP_DEBUG_RUN, 0, &stop);
    toy_wait_stopped (t);
    check_end (seed);
    drop_program ();
  }
  end ();
}
END_TEST

START_TEST (ranges)
{
  begin ((unsigned) _i);
  ToyCode c = { .origin = 0x2000 };
  ToyState s = { .pc = 0x2000 };
  toy_emit (&c, TOY_LI, 0, 0, 50);
  toy_emit (&c, TOY_ADDI, 0, 0, -1);
  toy_emit (&c, TOY_ADDI, 1, 1, 3);
  toy_emit (&c, TOY_BNZ, 0, 0, -12);
  toy_emit (&c, TOY_LI, 2, 0, 7);
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  memset (t->board.ram, 0, 0x10000);
  toy_put (t->board.ram, &c);
  load_state (&s);
  BpDebugResume how = { .struct_size = sizeof how, .action = BP_DEBUG_ONE, .first = 0x2000, .end = 0x2010 };
  BpDebugStop stop;
  n_stopped = 0;
  accel ()->debug_resume (accel_object (), t->vcpu, &how);
  ck_assert (vcpus_start (&t->machine, NULL));
  while (!__atomic_load_n (&n_stopped, __ATOMIC_ACQUIRE))
    g_usleep (5);
  vcpus_stop (&t->machine);
  ck_assert (accel ()->debug_take_stop (accel_object (), t->vcpu, &stop));
  ck_assert_int_eq (stop.kind, BP_DEBUG_STEP);
  ck_assert_uint_eq (t->cpu->s.pc, 0x2010);
  ck_assert_uint_eq (t->cpu->s.r[1], 150);
  end ();
}
END_TEST

/* --- watchpoints -------------------------------------------------------------------------------------------- */

typedef struct Seen { uint32_t pc; uint64_t address; BpDebugKind kind; } Seen;

/* One access of each kind, near 0x3ffe where two pages meet. */
static void
put_accesses (ToyCode *c)
{
  *c = (ToyCode) { .origin = 0x2000 };
  toy_emit (c, TOY_LI, 6, 0, 0x3ffe);
  toy_emit (c, TOY_LI, 1, 0, 0x55);
  toy_emit (c, TOY_LI, 5, 0, 0x2800);
  toy_emit (c, TOY_ST8, 1, 6, -1);              /* 200c: beside */
  toy_emit (c, TOY_ST8, 1, 6, 0);
  toy_emit (c, TOY_ST16, 1, 6, 1);              /* 2014: across */
  toy_emit (c, TOY_LD32, 2, 6, 0);
  toy_emit (c, TOY_ST32, 1, 6, -2);             /* 201c: from before */
  toy_emit (c, TOY_FETCH_ADD, 1, 6, -2);
  toy_emit (c, TOY_SWAP, 1, 6, 1);              /* 2024: across */
  toy_emit (c, TOY_CAS, 1, 6, 0);
  toy_emit (c, TOY_LD8, 2, 6, 3);               /* 202c */
  toy_emit (c, TOY_LD8, 2, 6, 4);               /* beside */
  toy_emit (c, TOY_LI, 7, 0, 0x3ff0);
  toy_emit (c, TOY_COPY, 7, 5, 32);             /* 2038: to, as far as the page goes */
  toy_emit (c, TOY_COPY, 5, 7, 32);             /* 203c: from */
  toy_emit (c, TOY_STOP, 0, 0, 0);
}

static unsigned
watch (BpDebugKind kind, bool by_steps, Seen *seen, unsigned max)
{
  ToyCode c;
  ToyState s = { .pc = 0x2000 };
  BpDebugStop stop;
  unsigned n = 0;
  put_accesses (&c);
  memset (t->board.ram, 0, 0x10000);
  toy_put (t->board.ram, &c);
  load_state (&s);
  ck_assert (point (true, kind, 0x3ffe, 4));
  while (go (by_steps ? BP_DEBUG_ONE : BP_DEBUG_RUN, 0, &stop))
    if (stop.kind != BP_DEBUG_STEP && n < max)
      seen[n++] = (Seen) { t->cpu->s.pc - 4, stop.address, stop.kind };
  ck_assert (point (false, kind, 0x3ffe, 4));
  return n;
}

START_TEST (watchpoints)
{
  static const struct { uint32_t pc; uint64_t address; bool reads, writes; } accesses[] = {
    { 0x2010, 0x3ffe, false, true }, { 0x2014, 0x3fff, false, true }, { 0x2018, 0x3ffe, true, false }, { 0x201c, 0x3ffe, false, true },
    { 0x2020, 0x3ffe, true, true }, { 0x2024, 0x3fff, true, true }, { 0x2028, 0x3ffe, true, true }, { 0x202c, 0x4001, true, false },
    { 0x2038, 0x3ffe, false, true }, { 0x203c, 0x3ffe, true, false }
  };
  Seen seen[32];
  begin ((unsigned) _i);
  for (unsigned round = 0; round < 6; round++) {
    BpDebugKind kind = (BpDebugKind) (BP_DEBUG_WRITE + round % 3);
    unsigned n = watch (kind, round >= 3, seen, 32), k = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS (accesses); i++) {
      if ((kind == BP_DEBUG_READ && !accesses[i].reads) || (kind == BP_DEBUG_WRITE && !accesses[i].writes))
        continue;
      ck_assert_msg (k < n, "round %u: %u of them", round, n);
      ck_assert_msg (seen[k].pc == accesses[i].pc && seen[k].address == accesses[i].address, "round %u: %u is at %x, %x; not %x", round, k, seen[k].pc,
                     (unsigned) seen[k].address, accesses[i].pc);
      ck_assert_int_eq (seen[k].kind, kind);
      k++;
    }
    ck_assert_uint_eq (k, n);
  }
  end ();
}
END_TEST

/* The same stops at a run and at a walk, and the program is none the wiser. */
START_TEST (watched_programs)
{
  begin ((unsigned) _i);
  for (unsigned seed = 30; seed < 36; seed++) {
    g_autoptr (GArray) first = g_array_new (FALSE, FALSE, sizeof (ToyState));
    for (unsigned by_steps = 0; by_steps < 2; by_steps++) {
      BpDebugStop stop;
      unsigned n = 0;
      take_program (seed);
      ck_assert (point (true, BP_DEBUG_ACCESS, 0x20800 + 0x1000 * (seed % 3), 64));
      while (n < 60 && go (by_steps ? BP_DEBUG_ONE : BP_DEBUG_RUN, 0, &stop)) {
        if (stop.kind == BP_DEBUG_STEP)
          continue;
        if (!by_steps)
          g_array_append_val (first, t->cpu->s);
        else
          ck_assert_msg (n < first->len && same_state (&t->cpu->s, &g_array_index (first, ToyState, n)), "seed %u: stop %u", seed, n);
        n++;
      }
      ck_assert_uint_eq (n, first->len);
      ck_assert (point (false, BP_DEBUG_ACCESS, 0x20800 + 0x1000 * (seed % 3), 64));
      if (t->cpu->s.halted != TOY_STOPPED)
        go (BP_DEBUG_RUN, 0, &stop);
      toy_wait_stopped (t);
      check_end (seed);
      drop_program ();
    }
  }
  end ();
}
END_TEST

/* --- odd places ------------------------------------------------------------------------------------------------ */

/* A jump to where nothing is mapped: the fault belongs to that address, and is the guest's after the debugger has seen it. */
START_TEST (unmapped)
{
  begin ((unsigned) _i);
  ToyState s = { .pc = 0x2000, .table = TOY_TABLES };
  ToyCode c = { .origin = 0x2000 };
  BpDebugStop stop;
  memset (t->board.ram, 0, 0x10000);
  uint32_t entry = 0x2000 | TOY_VALID | TOY_EXECUTABLE;
  memcpy (t->board.ram + TOY_TABLES + 4 * 2, &entry, 4);
  toy_emit (&c, TOY_LI, 1, 0, 0x5000);
  toy_emit (&c, TOY_JR, 1, 0, 0);
  toy_put (t->board.ram, &c);
  for (unsigned k = 0; k < 3; k++) {
    load_state (&s);
    ck_assert (point (true, BP_DEBUG_HARDWARE, 0x5000, 1));
    ck_assert (go (BP_DEBUG_RUN, 0, &stop));
    ck_assert_int_eq (stop.kind, BP_DEBUG_HARDWARE);
    ck_assert_uint_eq (t->cpu->s.pc, 0x5000);
    ck_assert_uint_eq (t->cpu->s.n_faults, 0);
    ck_assert (point (false, BP_DEBUG_HARDWARE, 0x5000, 1));
    load_state (&s);
    ck_assert (point (true, BP_DEBUG_SOFTWARE, 0x5000, 1));
    ck_assert (point (true, BP_DEBUG_HARDWARE, 0x5004, 1));
    ck_assert (go (BP_DEBUG_RUN, 0, &stop));
    ck_assert_uint_eq (t->cpu->s.pc, 0x5004);   /* the toy CPU skips what it cannot fetch */
    ck_assert_uint_eq (t->cpu->s.n_faults, 1);
    ck_assert (point (false, BP_DEBUG_SOFTWARE, 0x5000, 1));
    ck_assert (point (false, BP_DEBUG_HARDWARE, 0x5004, 1));
  }
  end ();
}
END_TEST

/* A hot loop that was translated before; its code is written anew while the breakpoint is set, and the debugger goes in the midst of it. */
START_TEST (rewritten_code)
{
  begin ((unsigned) _i);
  ToyState s = { .pc = 0x2000 };
  ToyCode c = { .origin = 0x2000 };
  BpDebugStop stop;
  memset (t->board.ram, 0, 0x10000);
  toy_emit (&c, TOY_LI, 0, 0, 5000);
  toy_emit (&c, TOY_ADDI, 1, 1, 1);             /* 2004 */
  toy_emit (&c, TOY_ADDI, 2, 2, 1);             /* 2008 */
  toy_emit (&c, TOY_ADDI, 0, 0, -1);
  toy_emit (&c, TOY_BNZ, 0, 0, -16);
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  toy_put (t->board.ram, &c);
  load_state (&s);
  ck_assert (!go (BP_DEBUG_RUN, 0, &stop));
  ck_assert_uint_eq (t->cpu->s.r[2], 5000);
  load_state (&s);
  ck_assert (point (true, BP_DEBUG_SOFTWARE, 0x2008, 1));
  for (uint32_t k = 0; k < 300; k++) {
    ck_assert (go (BP_DEBUG_RUN, k ? BP_DEBUG_OVER : 0, &stop));
    ck_assert_uint_eq (t->cpu->s.r[1], k + 1);
    ck_assert_uint_eq (t->cpu->s.r[2], k);
    uint32_t same = toy_insn (TOY_ADDI, 2, 2, 1), other = toy_insn (TOY_XOR, 3, 3, 0);
    if (k % 3 == 0) {
      ck_assert (bp_as_write (t->memory_space, 0x2008, &other, 4));
      ck_assert (bp_as_write (t->memory_space, 0x2008, &same, 4));
    }
  }
  ck_assert (accel ()->debug_attach (accel_object (), NULL, NULL));
  ck_assert (vcpus_start (&t->machine, NULL));
  toy_wait_stopped (t);
  ck_assert_uint_eq (t->cpu->s.r[2], 5000);
  ck_assert (accel ()->debug_attach (accel_object (), &debugger, NULL));
  end ();
}
END_TEST

/* A vCPU that stays does nothing, and can be stopped. */
START_TEST (staying)
{
  begin ((unsigned) _i);
  ToyState s = { .pc = 0x2000 };
  ToyCode c = { .origin = 0x2000 };
  BpDebugStop stop;
  memset (t->board.ram, 0, 0x10000);
  toy_emit (&c, TOY_LI, 0, 0, 5);
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  toy_put (t->board.ram, &c);
  load_state (&s);
  BpDebugResume how = { .struct_size = sizeof how, .action = BP_DEBUG_STAY };
  accel ()->debug_resume (accel_object (), t->vcpu, &how);
  ck_assert (vcpus_start (&t->machine, NULL));
  g_usleep (2000);
  vcpus_stop (&t->machine);
  ck_assert_uint_eq (t->cpu->s.pc, 0x2000);
  ck_assert (!accel ()->debug_take_stop (accel_object (), t->vcpu, &stop));
  ck_assert (!go (BP_DEBUG_RUN, 0, &stop));
  ck_assert_uint_eq (t->cpu->s.r[0], 5);
  end ();
}
END_TEST

int
main (void)
{
  Suite *s = suite_create ("debug");
  TCase *tc = tcase_create ("toy");
  int n = (int) toy_n_ways;
  tcase_set_timeout (tc, 120);
  tcase_add_loop_test (tc, breakpoints, 0, n);
  tcase_add_loop_test (tc, steps, 0, n);
  tcase_add_loop_test (tc, ranges, 0, n);
  tcase_add_loop_test (tc, watchpoints, 0, n);
  tcase_add_loop_test (tc, watched_programs, 0, n);
  tcase_add_loop_test (tc, unmapped, 0, n);
  tcase_add_loop_test (tc, rewritten_code, 0, n);
  tcase_add_loop_test (tc, staying, 0, n);
  suite_add_tcase (s, tc);
  return suite_run (s);
}

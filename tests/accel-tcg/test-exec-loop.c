/* test-exec-loop.c -- random programs against a plain interpreter, interrupts from other threads, deterministic time. */
/* SPDX-License-Identifier: MIT */
/*
 * test-exec-loop [first seed [programs]]: without arguments, what `make check` runs.
 */
#include "../patience.h"
#include "toy-cpu.h"
#include "../suite.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t first_seed = 1;
static unsigned n_programs = 60;

START_TEST (random_programs)
{
  Toy *t = toy_new (&toy_ways[_i]);
  unsigned n = _i == 1 ? n_programs / 3 : n_programs, n_faults = 0;
  for (unsigned k = 0; k < n; k++) {
    toy_program_run (t, first_seed + k, NULL);
    n_faults += t->cpu->s.n_faults;
  }
  TcgMachine *m = toy_tcg (t);
  ck_assert_uint_gt (n_faults, n);
  ck_assert_uint_gt (m->n_invalidated, n);
  ck_assert (m->n_replaced > n || !toy_ways[_i].hot_after);
  ck_assert (!toy_ways[_i].buffer_size || m->n_flushes > (m->n_regions > 1 ? n / 4 : n));
  toy_free_machine (t);
}
END_TEST

/* --- interrupts ---------------------------------------------------------------------------------- */

/* The handler counts in memory at 0x3000, takes the line down, and starts the spinner afresh. */
static void
put_handler (Toy *t)
{
  ToyCode c = { .origin = TOY_VECTOR };
  toy_emit (&c, TOY_LI, 4, 0, 0x3000);
  toy_emit (&c, TOY_LD32, 5, 4, 0);
  toy_emit (&c, TOY_ADDI, 5, 5, 1);
  toy_emit (&c, TOY_ST32, 5, 4, 0);
  toy_emit (&c, TOY_OUT, 5, 0, TOY_PORT_ACK);
  toy_emit (&c, TOY_LI, 5, 0, 0x2000);
  toy_emit (&c, TOY_JR, 5, 0, 0);
  toy_put (t->board.ram, &c);
}

/* Another address at `base` with the same index in the jump cache. */
static uint32_t
alike (uint32_t pc, uint32_t base)
{
  uint32_t other = base;
  while (jump_index (other) != jump_index (pc))
    other += 4;
  return other;
}

/* Ways to spend time: each never leaves generated code by itself.  The block that the execution loop enters, after EI, is not part of the
 * cycle. */
static void
put_spinner (Toy *t, unsigned kind)
{
  const uint32_t loop = 0x2100;
  ToyCode c = { .origin = 0x2000 };
  toy_emit_const (&c, 6, TOY_DEVICE);
  toy_emit (&c, TOY_LI, 2, 0, (int) loop);
  toy_emit (&c, TOY_LI, 3, 0, 0x3800);
  toy_emit (&c, TOY_LI, 1, 0, 1);
  toy_emit (&c, TOY_EI, 0, 0, 0);
  toy_emit (&c, TOY_JMP, 0, 0, 0);
  toy_emit_jump (&c, TOY_JMP, 0, loop);
  toy_put (t->board.ram, &c);
  c = (ToyCode) { .origin = loop };
  switch (kind) {
  case 0: break;                /* a block that jumps to itself */
  case 1: toy_emit (&c, TOY_PURE, 0, 1, 0); break;      /* calls that note nothing */
  case 2: toy_emit (&c, TOY_LD32, 0, 6, 0); break;      /* the slow path, and devices */
  case 3: toy_emit (&c, TOY_JR, 2, 0, 0); break;        /* the jump cache */
  case 4: toy_emit (&c, TOY_ST32, 0, 3, 0); break;
  case 5:                       /* several blocks */
    for (unsigned i = 0; i < 5; i++) {
      toy_emit (&c, TOY_PURE, 0, 1, 0);
      toy_emit (&c, TOY_BNZ, 1, 0, 0);
    }
    break;
  case 6: toy_emit (&c, TOY_WAIT, 0, 0, 0); break;
  case 7:
    toy_emit (&c, TOY_DI, 0, 0, 0);
    toy_emit (&c, TOY_PURE, 0, 1, 0);
    toy_emit (&c, TOY_EI, 0, 0, 0);
    break;
  case 8: toy_emit (&c, TOY_TRAP, 0, 0, 0); break;
  case 9:                       /* code that changes itself */
    toy_emit (&c, TOY_POKE, 0, 0, 8);
    toy_emit (&c, TOY_JMP, 0, 0, 0);
    toy_emit (&c, TOY_LI, 0, 0, 0);
    break;
  default:                      /* look-ups that miss the jump cache: all three have the same index in it */
    toy_emit_const (&c, 2, alike (loop, 0x40000));
    toy_emit_const (&c, 4, alike (loop, 0x50000));
    toy_emit_const (&c, 5, toy_insn (TOY_JR, 4, 0, 0));
    toy_emit (&c, TOY_ST32, 5, 2, 0);
    toy_emit_const (&c, 5, toy_insn (TOY_JR, 3, 0, 0));
    toy_emit (&c, TOY_ST32, 5, 4, 0);
    toy_emit (&c, TOY_LI, 3, 0, (int) loop);
    toy_emit (&c, TOY_JR, 2, 0, 0);
    toy_put (t->board.ram, &c);
    return;
  }
  toy_emit_jump (&c, TOY_JMP, 0, loop);
  toy_put (t->board.ram, &c);
}
#define N_SPINNERS 11

START_TEST (no_interrupt_is_lost)
{
  static const unsigned ways[] = { 0, 1, 2, 5 };
  unsigned way = ways[(unsigned) _i / N_SPINNERS], kind = (unsigned) _i % N_SPINNERS;
  Toy *t = toy_new (&toy_ways[way]);
  ToyState s = { .pc = 0x2000 };
  put_handler (t);
  put_spinner (t, kind);
  toy_start (t, &s);
  int64_t start = g_get_monotonic_time (), end = start + patience (20);
  unsigned n = 0;
  while (n < 3000 && g_get_monotonic_time () < start + G_USEC_PER_SEC / 4) {
    unsigned k = ++n;
    for (unsigned delay = (k * 2654435761u) >> 22; delay; delay--)
      __asm__ volatile ("");
    unsigned spins = 0;
    bp_vcpu_raise (t->vcpu, BP_VCPU_IRQ_HARD);
    while (bp_vcpu_pending (t->vcpu)) {
      if (g_get_monotonic_time () > end)
        ck_abort_msg ("way %u, spinner %u: interrupt %u was lost", way, kind, k);
      if (spins++ < 100)
        g_thread_yield ();
      else
        g_usleep (20);
    }
  }
  toy_stop (t);
  uint32_t count;
  memcpy (&count, t->board.ram + 0x3000, 4);
  ck_assert_uint_eq (count, n);
  ck_assert_uint_eq (t->cpu->n_interrupts, n);
  toy_free_machine (t);
}
END_TEST

/* Whoever wants the blocks to itself kicks once, wherever the vCPU is: this one comes in just then. */
START_TEST (alone_whenever_wanted)
{
  unsigned way = (unsigned) _i / N_SPINNERS, kind = (unsigned) _i % N_SPINNERS;
  Toy *t = toy_new (&toy_ways[way]);
  ToyState s = { .pc = 0x2000 };
  TcgVcpu *other = g_aligned_alloc0 (1, sizeof (TcgVcpu), 64);
  VcpuExtra extra = { 0 };
  other->machine = toy_tcg (t);
  other->extra = &extra;
  put_handler (t);
  put_spinner (t, kind);
  toy_start (t, &s);
  int64_t end = g_get_monotonic_time () + G_USEC_PER_SEC / 8;
  unsigned n = 0;
  for (unsigned k = 0; g_get_monotonic_time () < end; k++) {
    for (unsigned delay = (k * 2654435761u) >> 22; delay; delay--)
      __asm__ volatile ("");
    if (exclusive_begin (other)) {      /* (a kick that was lost: until the test's time is up) */
      ck_assert_uint_eq (other->machine->n_running, 0);
      exclusive_end (other);
      n++;
    }
    run_leave (other);
  }
  toy_stop (t);
  ck_assert_uint_gt (n, 0);
  toy_free_machine (t);
  g_aligned_free (other);
}
END_TEST

/* Stopping and starting at any time changes nothing. */
static void
stop_and_start (Toy *t)
{
  for (unsigned k = 0; k < 100 && __atomic_load_n (&t->cpu->s.halted, __ATOMIC_ACQUIRE) == TOY_RUNS; k++) {
    toy_stop (t);
    if (k % 16 == 0)
      t->machine.accel_iface->vcpu_synchronise (object_instance (t->accel_object), t->vcpu);
    ck_assert (vcpus_start (&t->machine, NULL));
    if (k % 3)
      bp_vcpu_kick (t->vcpu);
  }
}

START_TEST (stops_and_starts)
{
  Toy *t = toy_new (&toy_ways[_i]);
  for (unsigned k = 0; k < 10; k++)
    toy_program_run (t, first_seed + 1000 + k, stop_and_start);
  toy_free_machine (t);
}
END_TEST

/* --- deterministic mode ------------------------------------------------------------------------------ */

typedef struct Trace {
  uint64_t hash, instructions;
  ToyState s;
} Trace;

/* A timer interrupts; the handler arms the next one by what it read. */
static void
put_timed (Toy *t, unsigned seed)
{
  ToyCode c = { .origin = TOY_VECTOR };
  toy_emit (&c, TOY_OUT, 0, 0, TOY_PORT_ACK);
  toy_emit (&c, TOY_ADDI, 6, 7, 1001);
  toy_emit (&c, TOY_OUT, 6, 0, TOY_PORT_TIMER);
  toy_emit (&c, TOY_RETI, 0, 0, 0);
  toy_put (t->board.ram, &c);
  c = (ToyCode) { .origin = 0x2000 };
  toy_emit (&c, TOY_LI, 7, 0, 0x1000);
  toy_emit (&c, TOY_LI, 1, 0, 1001);
  toy_emit (&c, TOY_OUT, 1, 0, TOY_PORT_TIMER);
  toy_emit (&c, TOY_EI, 0, 0, 0);
  uint32_t loop = toy_here (&c);
  for (unsigned i = 0; i < 40; i++)
    if (i % 7 == 6)
      toy_emit (&c, TOY_BNZ, i % 5, 0, (int) (seed % 3) * 4);
    else if (i % 13 == 12)
      toy_emit (&c, TOY_TRAP, 0, 0, 0);
    else
      toy_emit (&c, i % 5 == 4 ? TOY_LD32 : TOY_PURE, i % 5, 7, 0x2000);
  toy_emit (&c, TOY_ADDI, 7, 7, -1);
  toy_emit_jump (&c, TOY_BNZ, 7, loop);
  toy_emit (&c, TOY_LI, 7, 0, 0x2000);
  toy_emit (&c, TOY_WAIT, 0, 0, 0);             /* time goes on to the timer */
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  toy_put (t->board.ram, &c);
}

static Trace
run_deterministic (const ToyOptions *way, unsigned seed)
{
  ToyOptions o = *way;
  ToyState s = { .pc = 0x2000 };
  o.deterministic = true;
  Toy *t = toy_new (&o);
  put_timed (t, seed);
  toy_start (t, &s);
  for (unsigned k = 0; k < 50; k++)     /* leaving generated code early changes nothing */
    bp_vcpu_kick (t->vcpu);
  toy_wait_stopped (t);
  Trace trace = { t->cpu->trace, tcg_extra (toy_vcpu (t))->icount_done, t->cpu->s };
  ck_assert_uint_gt (t->cpu->n_interrupts, 100);
  toy_free_machine (t);
  return trace;
}

START_TEST (same_again)
{
  for (unsigned seed = 1; seed <= 3; seed++) {
    Trace first = run_deterministic (&toy_ways[0], seed);
    for (unsigned way = 0; way < toy_n_ways; way++) {
      Trace again = run_deterministic (&toy_ways[way], seed);
      ck_assert_msg (again.hash == first.hash && again.instructions == first.instructions, "way %u, seed %u: %llu instructions, not %llu", way,
                     seed, (unsigned long long) again.instructions, (unsigned long long) first.instructions);
      ck_assert (!memcmp (&again.s, &first.s, sizeof first.s));
    }
  }
}
END_TEST

START_TEST (one_machine_a_process)
{
  GError *error = NULL;
  Toy *t = toy_new (&toy_ways[0]);
  BpObject *second = object_new (t->accel_object->type, "second", &t->machine);
  ck_assert (object_configure (second, &error) && !object_realize (second, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "another machine of this process"));
  g_clear_error (&error);
  object_free (second);
  toy_free_machine (t);
  toy_free_machine (toy_new (&toy_ways[0]));
}
END_TEST

int
main (int argc, char **argv)
{
  if (argc > 1)
    first_seed = strtoull (argv[1], NULL, 0);
  if (argc > 2)
    n_programs = (unsigned) atoi (argv[2]);
  Suite *suite = suite_create ("exec-loop");
  TCase *tcase = tcase_create ("all");
  tcase_add_loop_test (tcase, random_programs, 0, (int) toy_n_ways);
  if (argc <= 1) {
    tcase_add_test (tcase, one_machine_a_process);
    tcase_add_loop_test (tcase, alone_whenever_wanted, 0, (int) (2 * N_SPINNERS));
    tcase_add_loop_test (tcase, no_interrupt_is_lost, 0, 4 * N_SPINNERS);
    tcase_add_loop_test (tcase, stops_and_starts, 0, (int) toy_n_ways);
    tcase_add_test (tcase, same_again);
  }
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}

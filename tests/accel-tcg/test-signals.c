/* test-signals.c -- kicks and host faults at any point of generated code change nothing that the guest can see. */
/* SPDX-License-Identifier: MIT */
#include "toy-cpu.h"
#include "../suite.h"
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- storms ------------------------------------------------------------------------------------ */

typedef struct Storm {
  Toy *toy;
  int end;                      /* atomic */
  unsigned n;
} Storm;

static void *
kick (void *data)
{
  Storm *s = data;
  for (; !__atomic_load_n (&s->end, __ATOMIC_ACQUIRE); s->n++) {
    bp_vcpu_kick (s->toy->vcpu);
    for (unsigned delay = (s->n * 2654435761u) >> 23; delay; delay--)
      __asm__ volatile ("");
  }
  return NULL;
}

/* What the accelerator keeps about the memory map and about dirty pages is thrown away again and again. */
static void *
change_map (void *data)
{
  Storm *s = data;
  for (; !__atomic_load_n (&s->end, __ATOMIC_ACQUIRE); s->n++) {
    bp_machine_lock (&s->toy->machine);
    bp_region_set_enabled (s->toy->window_region, s->n & 1);
    bp_machine_unlock (&s->toy->machine);
    bp_dirty_clear (BP_DIRTY_DISPLAY, bp_region_ram_address (s->toy->ram_region), TOY_RAM_SIZE);
    g_usleep (20);
  }
  return NULL;
}

/* Writes over code what is there already: blocks go, meaning stays.  (Only where the guest does not write, or its write would be lost.) */
static void *
rewrite (void *data)
{
  Storm *s = data;
  uint8_t bytes[64];
  for (; !__atomic_load_n (&s->end, __ATOMIC_ACQUIRE); s->n++) {
    uint64_t at = 0x1000 + s->n % 32 * 64;
    bp_as_read (s->toy->memory_space, at, bytes, sizeof bytes);
    bp_as_write (s->toy->memory_space, at, bytes, sizeof bytes);
    tb_code_written (toy_tcg (s->toy), bp_region_ram_address (s->toy->ram_region) + 0x10000 + s->n % 64 * 256, 256);
    g_usleep (5);
  }
  return NULL;
}

static void *(*const storms[]) (void *) = { kick, change_map, rewrite };

START_TEST (storm)
{
  unsigned way = (unsigned) _i / G_N_ELEMENTS (storms), which = (unsigned) _i % G_N_ELEMENTS (storms);
  Toy *t = toy_new (&toy_ways[way]);
  Storm s = { .toy = t };
  bp_dirty_enable (BP_DIRTY_DISPLAY, true);
  GThread *thread = g_thread_new ("storm", storms[which], &s);
  int64_t end = g_get_monotonic_time () + G_USEC_PER_SEC / 2;
  for (unsigned seed = 2000; seed < 2100 && g_get_monotonic_time () < end; seed++)
    toy_program_run (t, seed, NULL);
  __atomic_store_n (&s.end, 1, __ATOMIC_RELEASE);
  g_thread_join (thread);
  ck_assert_uint_gt (s.n, 10);
  bp_dirty_enable (BP_DIRTY_DISPLAY, false);
  toy_free_machine (t);
}
END_TEST

/* --- faults that are not the guest's ---------------------------------------------------------------- */

/* Sanitizers are not to find it first. */
static int __attribute__ ((noinline, no_sanitize ("integer-divide-by-zero")))
quotient (int a, int b)
{
  return a / b;
}

START_TEST (own_fault_is_fatal)
{
  pid_t child = fork ();
  if (child == 0) {
    volatile int zero = 0;
    signal (SIGFPE, SIG_DFL);   /* AddressSanitizer has a handler, to which ours would pass it on */
    ck_assert (signals_install (NULL) && signals_install (NULL));
    _exit (quotient (getpid (), zero));
  }
  int status;
  ck_assert_int_eq (waitpid (child, &status, 0), child);
  ck_assert (WIFSIGNALED (status) && WTERMSIG (status) == SIGFPE);
}
END_TEST

/* A kick may arrive before the vCPU's thread is known, and after it is no longer. */
START_TEST (kick_of_nobody)
{
  ck_assert (signals_install (NULL));
  signals_kick ((uint64_t) pthread_self ());
  Toy *t = toy_new (&toy_ways[_i]);
  ToyState s = { .pc = 0x2000 };
  ToyCode c = { .origin = 0x2000 };
  toy_emit_jump (&c, TOY_JMP, 0, 0x2000);
  toy_put (t->board.ram, &c);
  Storm kicks = { .toy = t };
  GThread *thread = g_thread_new ("storm", kick, &kicks);
  toy_start (t, &s);
  for (unsigned i = 0; i < 100; i++) {
    toy_stop (t);
    ck_assert (vcpus_start (&t->machine, NULL));
  }
  vcpus_join (&t->machine);
  __atomic_store_n (&kicks.end, 1, __ATOMIC_RELEASE);
  g_thread_join (thread);
  toy_free_machine (t);
}
END_TEST

/* --- kicks of who does not run ------------------------------------------------------------------------ */

static Tb *
linked_block (TcgMachine *m, unsigned *exit)
{
  uint32_t n;
  Tb **blocks = tb_region_blocks (m, 0, &n);
  for (uint32_t i = 0; i < n; i++)
    for (*exit = 0; *exit < blocks[i]->n_exits; ++*exit)
      if (blocks[i]->exit[*exit].target)
        return blocks[i];
  ck_abort_msg ("no block is linked");
}

static int32_t
jump_of (const Tb *tb, unsigned exit)
{
  int32_t distance;
  memcpy (&distance, tb->code + tb->exit[exit].jump, sizeof distance);
  return distance;
}

/* Its stack still names a block, whose place may be another's before the signal's handler is through. */
START_TEST (kick_of_a_sleeper)
{
  Toy *t = toy_new (&toy_ways[0]);
  TcgMachine *m = toy_tcg (t);
  TcgVcpu *v = toy_vcpu (t);
  ToyState s = { .pc = 0x2000 };
  ToyCode c = { .origin = 0x2000 };
  uintptr_t stack[2] = { 0 };
  unsigned exit;
  toy_emit (&c, TOY_LI, 1, 0, 100);
  toy_emit (&c, TOY_ADDI, 1, 1, -1);
  toy_emit_jump (&c, TOY_BNZ, 1, 0x2004);
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  toy_put (t->board.ram, &c);
  toy_start (t, &s);
  toy_wait_stopped (t);
  if (m->backend->resident_fp) {
    Tb *tb = linked_block (m, &exit);
    m->backend->link (&m->buffer, tb, exit, tb->exit[exit].target);
    int32_t linked = jump_of (tb, exit);
    stack[0] = (uintptr_t) tb->code + 1;
    v->frame = (uintptr_t) &stack[1];
    signals_thread (v);
    signals_kick ((uint64_t) pthread_self ());
    ck_assert_uint_eq (v->exit_request, 1);
    ck_assert_int_eq (jump_of (tb, exit), linked);
    tcg_extra (v)->running = true;
    signals_kick ((uint64_t) pthread_self ());
    ck_assert_int_ne (jump_of (tb, exit), linked);
    tcg_extra (v)->running = false;
    signals_thread (NULL);
    v->frame = 0;
  }
  toy_free_machine (t);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("signals");
  TCase *tcase = tcase_create ("all");
  tcase_add_loop_test (tcase, storm, 0, (int) (3 * G_N_ELEMENTS (storms)));
  tcase_add_test (tcase, own_fault_is_fatal);
  tcase_add_loop_test (tcase, kick_of_nobody, 0, 2);
  tcase_add_test (tcase, kick_of_a_sleeper);
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}

/* test-state.c -- BpX86State out of a CPU and into it: all of it, events on their way, what holds them off, what follows from what was written. */
/* SPDX-License-Identifier: MIT */
#define STUB_WITH_CPU
#include "stub-machine.h"
#include "../random-numbers.h"
#include "target-i386/plugin.h"

/* The translator's table is not part of this test. */
const BpTcgFrontend x86_frontend;

static void
fresh (void)
{
  GError *error = NULL;
  setup ();
  enter_protected (0);
  env->model = (char *) "max";
  ck_assert (x86_configure_features (env, &error));
  env->physical_bits = 40;
  env->cr4_allowed = 0xffffffff;
  env->tsc_frequency = 1000000000;
  stub.pending = 0;
  stub.time = 5000;
  env->exc_vector = env->exc_old = -1;
}

static BpX86State
state_of (void)
{
  BpX86State s;
  memset (&s, 0, sizeof s);
  s.struct_size = sizeof s;
  x86_cpu_iface.get_state (env, &s);
  return s;
}

static void
put (const BpX86State *s)
{
  x86_cpu_iface.set_state (env, s);
}

/* Registers that are plain bits; those with rules of their own keep to them. */
static void
random_state (BpX86State *s)
{
  static const uint8_t kinds[] = { BP_X86_EVENT_NONE, BP_X86_EVENT_INTERRUPT, BP_X86_EVENT_NMI, BP_X86_EVENT_EXCEPTION };
  random_bytes (s->gpr, sizeof s->gpr);
  s->rip = random64 ();
  s->rflags = (random64 () & 0x3d7fd5) | 2;
  random_bytes (s->segment, sizeof s->segment);
  s->cr2 = random64 ();
  s->cr3 = random64 ();
  s->cr4 = (uint32_t) random64 ();
  random_bytes (s->dr, sizeof s->dr);
  s->tsc = random64 ();
  random_bytes (s->fxsave, sizeof s->fxsave);
  memset (s->fxsave + 26, 0, 2);
  random_bytes (s->ymm_high, sizeof s->ymm_high);
  s->xcr0 = 7;
  s->star = random64 ();
  s->lstar = random64 ();
  s->kernel_gs_base = random64 ();
  s->sysenter_eip = random64 ();
  s->pkru = (uint32_t) random64 ();
  s->event_kind = kinds[random64 () & 3];
  s->event_vector = s->event_kind == BP_X86_EVENT_NONE ? 0 : s->event_kind == BP_X86_EVENT_NMI ? 2 : s->event_kind == BP_X86_EVENT_EXCEPTION ? 13 : 0x91;
  s->event_has_error = s->event_kind == BP_X86_EVENT_EXCEPTION;
  s->event_error = s->event_has_error ? random64 () & 0xffff : 0;
  s->interrupts_held = random64 () % 3;
  s->nmi_blocked = random64 () & 1;
  s->activity = random64 () & 3;
  s->halted = s->activity;
  random_bytes (s->pdpte, sizeof s->pdpte);
}

START_TEST (comes_back_as_it_went)
{
  for (unsigned i = 0; i < 2000; i++) {
    fresh ();
    BpX86State s = state_of ();
    random_state (&s);
    put (&s);
    BpX86State back = state_of ();
    ck_assert_msg (!memcmp (&s, &back, sizeof s), "round %u", i);
    put (&back);
    back = state_of ();
    ck_assert (!memcmp (&s, &back, sizeof s));
  }
}
END_TEST

START_TEST (short_structs)
{
  fresh ();
  BpX86State s = state_of ();
  s.event_kind = BP_X86_EVENT_INTERRUPT;
  s.event_vector = 0x30;
  s.nmi_blocked = 1;
  s.gpr[3] = 7;
  s.struct_size = offsetof (BpX86State, event_kind);    /* as it was before there were events */
  put (&s);
  ck_assert_uint_eq (env->gpr[3], 7);
  ck_assert (!stub.pending && !env->nmi_masked);
  memset (&s, 0x5a, sizeof s);
  s.struct_size = offsetof (BpX86State, event_kind);
  x86_cpu_iface.get_state (env, &s);
  ck_assert_uint_eq (s.event_kind, 0x5a);
}
END_TEST

START_TEST (activity)
{
  fresh ();
  BpX86State s = state_of ();
  s.activity = BP_X86_WAIT_SIPI;        /* the one that differs counts */
  put (&s);
  ck_assert_uint_eq (env->halted, HALTED_WAIT_SIPI);
  s = state_of ();
  ck_assert (s.halted == BP_X86_WAIT_SIPI && s.activity == BP_X86_WAIT_SIPI);
  s.halted = 0;                         /* a loader that knows nothing of activities */
  put (&s);
  ck_assert_uint_eq (env->halted, HALTED_NOT);
}
END_TEST

/* --- events are delivered ------------------------------------------------------------------------- */

static void
put_event (unsigned kind, unsigned vector, bool has_error, uint32_t error)
{
  fresh ();
  set_idt (vector, CODE0, 0x5000 + 16 * vector, SYS_INT32, 0);
  env->eip = 0x4000;
  env->gpr[X86_RSP] = STACK0;
  BpX86State s = state_of ();
  s.event_kind = (uint8_t) kind;
  s.event_vector = (uint8_t) vector;
  s.event_has_error = has_error;
  s.event_error = error;
  put (&s);
}

START_TEST (interrupt_goes_on)
{
  put_event (BP_X86_EVENT_INTERRUPT, 0x30, false, 0);
  env->eflags &= ~X86_FL_IF;            /* accepted is accepted */
  ck_assert (x86_wakes (env, stub.pending));
  ck_assert (take_interrupt ());
  ck_assert_uint_eq (env->eip, 0x5300);
  ck_assert_uint_eq (peek32 (STACK0 - 12), 0x4000);
  ck_assert_uint_eq (stub.pending, 0);
  ck_assert_uint_eq (state_of ().event_kind, BP_X86_EVENT_NONE);
}
END_TEST

START_TEST (exception_goes_on)
{
  put_event (BP_X86_EVENT_EXCEPTION, EXC_PF, true, 6);
  ck_assert (take_interrupt ());
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * EXC_PF);
  ck_assert_uint_eq (peek32 (STACK0 - 16), 6);
  ck_assert_uint_eq (peek32 (STACK0 - 12), 0x4000);
}
END_TEST

START_TEST (nmi_goes_on)
{
  put_event (BP_X86_EVENT_NMI, 2, false, 0);
  ck_assert (take_interrupt ());
  ck_assert_uint_eq (env->eip, 0x5020);
  ck_assert_uint_eq (state_of ().nmi_blocked, 1);
}
END_TEST

START_TEST (trap_goes_on)
{
  put_event (BP_X86_EVENT_EXCEPTION, EXC_DB, false, 0);
  ck_assert_uint_eq (stub.pending, X86_IRQ_TRAP);
  BpX86State s = state_of ();
  ck_assert (s.event_kind == BP_X86_EVENT_EXCEPTION && s.event_vector == EXC_DB);
  ck_assert (take_interrupt ());
  ck_assert_uint_eq (env->eip, 0x5010);
}
END_TEST

/* One that fails on its way becomes what the manual says. */
START_TEST (double_fault)
{
  put_event (BP_X86_EVENT_EXCEPTION, EXC_GP, true, 0);
  set_gate (IDT + 8 * EXC_GP, 0, 0, SYS_INT32, 0, false, 0);
  set_idt (EXC_DF, CODE0, 0x5080, SYS_INT32, 0);
  ck_assert (take_interrupt ());
  ck_assert_uint_eq (env->eip, 0x5080);
}
END_TEST

START_TEST (software_is_done_anew)
{
  put_event (BP_X86_EVENT_SOFTWARE, 0x80, false, 0);
  ck_assert_uint_eq (stub.pending, 0);
  ck_assert_uint_eq (state_of ().event_kind, BP_X86_EVENT_NONE);
}
END_TEST

START_TEST (event_is_taken_back)
{
  put_event (BP_X86_EVENT_INTERRUPT, 0x30, false, 0);
  BpX86State s = state_of ();
  s.event_kind = BP_X86_EVENT_NONE;
  put (&s);
  ck_assert (!stub.pending && env->exc_vector == -1);
  put_event (BP_X86_EVENT_INTERRUPT, 0x30, false, 0);
  x86_cpu_iface.reset_registers (env, true);
  ck_assert_uint_eq (stub.pending, 0);
}
END_TEST

/* --- what holds off, what follows --------------------------------------------------------------------- */

START_TEST (shadow)
{
  fresh ();
  BpX86State s = state_of ();
  s.interrupts_held = 1;
  s.rflags |= X86_FL_IF;
  put (&s);
  stub.pending = BP_VCPU_IRQ_HARD;
  ck_assert (!take_interrupt ());
  ck_assert_uint_eq (state_of ().interrupts_held, 1);
  env->eip++;                           /* another instruction's */
  ck_assert_uint_eq (state_of ().interrupts_held, 2);
}
END_TEST

START_TEST (page_directory_pointers)
{
  fresh ();
  poke (0x20000, 0x21001, 8);
  poke (0x20020, 0x31001, 8);
  BpX86State s = state_of ();
  s.cr0 = CR0_PE | CR0_PG;
  s.cr4 = CR4_PAE;
  s.cr3 = 0x20000;
  put (&s);                             /* who writes CR3 alone has them loaded */
  ck_assert_uint_eq (env->pdpte[0], 0x21001);
  s = state_of ();
  s.cr3 = 0x20020;
  s.pdpte[0] = 0x41001;                 /* who says what they are is right */
  put (&s);
  ck_assert_uint_eq (env->pdpte[0], 0x41001);
  poke (0x20020, 0x51001, 8);
  s = state_of ();
  s.rip = 5;                            /* no new CR3, no load */
  put (&s);
  ck_assert_uint_eq (env->pdpte[0], 0x41001);
}
END_TEST

START_TEST (time_stamp_counter)
{
  fresh ();
  BpX86State s = state_of ();
  s.tsc = 1000000;
  env->tsc_adjust = 77;
  put (&s);
  stub.time += 500;
  ck_assert_uint_eq (state_of ().tsc, 1000500);
  ck_assert_uint_eq (env->tsc_adjust, 77);
  x86_cpu_iface.set_tsc_frequency (env, 2000000000);
  ck_assert_uint_eq (state_of ().tsc, 1000500);
  stub.time += 500;
  ck_assert_uint_eq (state_of ().tsc, 1001500);
  ck_assert_uint_eq (x86_cpu_iface.tsc_frequency (env), 2000000000);
  env->tcg.ops = NULL;                  /* an accelerator that is no translator */
  ck_assert_uint_eq (state_of ().tsc, 1001500);
}
END_TEST

/* Two gigahertz there, one here; the counter had reached 12000. */
START_TEST (another_rate)
{
  GError *error = NULL;
  fresh ();
  env->tsc_counted = 2000000000;
  env->tsc_offset = 2000;
  ck_assert (x86_cpu_type.post_load (env, &error));
  ck_assert_uint_eq (state_of ().tsc, 12000);
  stub.time += 500;
  ck_assert_uint_eq (state_of ().tsc, 12500);
  ck_assert (x86_cpu_type.post_load (env, &error));     /* and what is saved here is of this rate */
  ck_assert_uint_eq (state_of ().tsc, 12500);
  env->tsc_counted = 0;                                 /* a file may say anything */
  ck_assert (!x86_cpu_type.post_load (env, &error));
  ck_assert_str_eq (error->message, "its time-stamp counter's rate, 0 Hz, is none that a processor has");
  g_error_free (error);
}
END_TEST

START_TEST (for_accelerators)
{
  uint32_t numbers[64];
  void *instance;
  fresh ();
  env->a20_mask = ~(1u << 20);
  ck_assert (x86_cpu_iface.a20_closed (env));
  env->a20_mask = 0xffffffff;
  ck_assert (!x86_cpu_iface.a20_closed (env));
  env->intc.table = &stub_intc;
  env->intc.instance = &stub;
  ck_assert_ptr_eq (x86_cpu_iface.controller (env, &instance), &stub_intc);
  ck_assert_ptr_eq (instance, &stub);
  x86_cpu_iface.startup (env, 0x9a);
  ck_assert_uint_eq (x86_cpu_iface.startup_vector (env), 0x9a);
  env->pat = 0x0007040600070406;
  unsigned n = x86_cpu_iface.state_msrs (env, numbers, G_N_ELEMENTS (numbers));
  ck_assert (n > 25 && n < G_N_ELEMENTS (numbers));
  for (unsigned i = 0; i < n; i++) {
    uint64_t value;
    ck_assert (x86_cpu_iface.get_msr (env, numbers[i], &value));
    ck_assert_msg (x86_cpu_iface.set_msr (env, numbers[i], value), "MSR %x", numbers[i]);
  }
  ck_assert_uint_eq (x86_cpu_iface.state_msrs (env, numbers, 0), n);
  ck_assert_str_eq (x86_cpu_iface.feature_name (env, 7, 0, 1, 5), "avx2");
  ck_assert_ptr_null (x86_cpu_iface.feature_name (env, 7, 1, 0, 5));
}
END_TEST

static void
add (TCase *c)
{
  tcase_add_test (c, comes_back_as_it_went);
  tcase_add_test (c, short_structs);
  tcase_add_test (c, activity);
  tcase_add_test (c, interrupt_goes_on);
  tcase_add_test (c, exception_goes_on);
  tcase_add_test (c, nmi_goes_on);
  tcase_add_test (c, trap_goes_on);
  tcase_add_test (c, double_fault);
  tcase_add_test (c, software_is_done_anew);
  tcase_add_test (c, event_is_taken_back);
  tcase_add_test (c, shadow);
  tcase_add_test (c, page_directory_pointers);
  tcase_add_test (c, time_stamp_counter);
  tcase_add_test (c, another_rate);
  tcase_add_test (c, for_accelerators);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return run_suite ("state", tests, 1);
}

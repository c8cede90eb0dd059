/* test-smp-start.c -- INIT and start-up messages: which processors run after a reset, and how the others are started. */
/* SPDX-License-Identifier: MIT */
#define STUB_WITH_CPU
#include "stub-machine.h"
#include "target-i386/plugin.h"

/* The translator's table is not part of this test. */
const BpTcgFrontend x86_frontend;

static void
processor (unsigned index, int bsp)
{
  GError *error = NULL;
  stub.index = index;
  env->model = (char *) "max";
  env->bsp = bsp;
  ck_assert (x86_configure_features (env, &error));
  x86_cpu_type.reset (env, BP_RESET_COLD);
}

static void
drive (const char *name, int level)
{
  for (const BpPinDesc *p = x86_cpu_type.pins; p->name; p++)
    if (!strcmp (p->name, name)) {
      p->set (env, 0, level);
      return;
    }
  ck_abort_msg ("no pin %s", name);
}

static void
is_waiting (void)
{
  ck_assert_uint_eq (env->halted, HALTED_WAIT_SIPI);
  ck_assert (x86_is_halted (env));
  ck_assert (!x86_wakes (env, BP_VCPU_IRQ_HARD | BP_VCPU_IRQ_NMI | BP_VCPU_IRQ_SMI | X86_IRQ_TRAP));
  ck_assert (x86_wakes (env, BP_VCPU_IRQ_SIPI));
  ck_assert (x86_wakes (env, BP_VCPU_IRQ_INIT));
}

/* SDM 3A 8.4.3 and table 9-1, with the code segment at the message's page. */
static void
runs_at (uint8_t vector)
{
  ck_assert (!x86_is_halted (env));
  ck_assert_uint_eq (env->eip, 0);
  ck_assert_uint_eq (env->segment[X86_CS].selector, (uint32_t) vector << 8);
  ck_assert_uint_eq (env->segment[X86_CS].base, (uint32_t) vector << 12);
  ck_assert_uint_eq (env->segment[X86_CS].limit, 0xffff);
  ck_assert_uint_eq (env->cr0 & (CR0_PE | CR0_PG), 0);
  ck_assert_uint_eq (env->hflags & (HF_PE | HF_CPL | HF_CS32), 0);
  ck_assert_uint_eq (x86_eflags (env), 2);
}

START_TEST (one_processor_runs_after_a_reset)
{
  processor (0, BSP_AUTO);
  ck_assert (!x86_is_halted (env));
  ck_assert_uint_eq (env->segment[X86_CS].base + env->eip, 0xfffffff0);
  processor (1, BSP_AUTO);
  is_waiting ();
  processor (0, BSP_OFF);
  is_waiting ();
  processor (3, BSP_ON);
  ck_assert (!x86_is_halted (env));
}
END_TEST

START_TEST (a_message_starts_one_that_waits)
{
  processor (1, BSP_AUTO);
  stub.pending = BP_VCPU_IRQ_HARD | BP_VCPU_IRQ_NMI;
  env->eflags |= X86_FL_IF;
  ck_assert (!take_interrupt ());
  is_waiting ();
  env->eflags &= ~X86_FL_IF;
  stub.pending = 0;
  x86_cpu_iface.startup (env, 0x9a);
  ck_assert_uint_eq (stub.pending, BP_VCPU_IRQ_SIPI);
  ck_assert (take_interrupt ());
  ck_assert_uint_eq (stub.pending, 0);
  runs_at (0x9a);
}
END_TEST

START_TEST (one_that_runs_ignores_it)
{
  processor (1, BSP_AUTO);
  x86_cpu_iface.startup (env, 0x10);
  take_interrupt ();
  env->eip = 0x1234;
  x86_cpu_iface.startup (env, 0x20);
  ck_assert (!take_interrupt ());
  ck_assert_uint_eq (stub.pending, 0);
  ck_assert_uint_eq (env->eip, 0x1234);
  ck_assert_uint_eq (env->segment[X86_CS].base, 0x10000);
  env->halted = HALTED_HLT;
  ck_assert (!x86_wakes (env, BP_VCPU_IRQ_SIPI));
  env->halted = HALTED_SHUTDOWN;
  ck_assert (!x86_wakes (env, BP_VCPU_IRQ_SIPI));
}
END_TEST

/* The machine's reset begins with all levels low, and a controller that asks again is heard after the processor's own. */
START_TEST (a_request_does_not_outlive_a_reset)
{
  processor (0, BSP_AUTO);
  drive ("intr", 1);
  ck_assert_uint_eq (stub.pending, BP_VCPU_IRQ_HARD);
  x86_cpu_type.reset (env, BP_RESET_WARM);
  ck_assert_uint_eq (stub.pending, 0);
}
END_TEST

/* Nobody looks between the two messages. */
START_TEST (init_and_start_at_once)
{
  processor (2, BSP_AUTO);
  x86_cpu_iface.startup (env, 0x10);
  take_interrupt ();
  enter_protected (3);
  env->eip = 0x401000;
  drive ("init", 1);
  drive ("init", 0);
  x86_cpu_iface.startup (env, 0);
  ck_assert (take_interrupt ());
  runs_at (0);
}
END_TEST

START_TEST (what_came_before_init_is_forgotten)
{
  processor (1, BSP_AUTO);
  x86_cpu_iface.startup (env, 0x33);
  drive ("init", 1);
  ck_assert_uint_eq (stub.pending, BP_VCPU_IRQ_INIT);
  ck_assert (take_interrupt ());
  is_waiting ();
  ck_assert (!take_interrupt ());
  x86_cpu_iface.startup (env, 0x33);
  drive ("reset", 1);
  ck_assert (take_interrupt ());
  is_waiting ();
  ck_assert (!take_interrupt ());
}
END_TEST

/* Not about starting, but by a pin: two that come before the first is taken are two, a third is none, and of those that come while they are
 * blocked one is kept (SDM 3A 6.7.1). */
START_TEST (nmis_wait)
{
  processor (0, BSP_AUTO);
  for (unsigned k = 0; k < 3; k++) {
    drive ("nmi", 1);
    drive ("nmi", 0);
  }
  ck_assert (take_interrupt ());
  ck_assert (env->nmi_masked && !x86_wakes (env, stub.pending) && !take_interrupt ());
  drive ("nmi", 1);
  env->nmi_masked = 0;
  ck_assert (x86_wakes (env, stub.pending) && take_interrupt ());
  ck_assert_uint_eq (stub.pending & X86_IRQ_NMIS, 0);
  for (unsigned k = 0; k < 2; k++)
    drive ("nmi", 1);
  env->nmi_masked = 0;
  ck_assert (take_interrupt ());
  env->nmi_masked = 0;
  ck_assert (!take_interrupt ());
}
END_TEST

START_TEST (init_keeps_what_it_must)
{
  processor (0, BSP_AUTO);
  enter_protected (3);
  env->cr0 |= CR0_CD | CR0_WP;
  env->pat = 7;
  env->sysenter_eip = 0x1234;
  env->tsc_offset = 99;
  env->fp[0] = 0x7f;
  env->efer = EFER_NXE;
  env->nmi_masked = 1;
  drive ("init", 1);
  ck_assert (take_interrupt ());
  ck_assert (!x86_is_halted (env));                     /* the first one starts over */
  ck_assert_uint_eq (env->segment[X86_CS].base + env->eip, 0xfffffff0);
  ck_assert_uint_eq (env->cr0, CR0_ET | CR0_CD);
  ck_assert_uint_eq (env->pat, 7);
  ck_assert_uint_eq (env->sysenter_eip, 0x1234);
  ck_assert_uint_eq (env->tsc_offset, 99);
  ck_assert_uint_eq (env->fp[0], 0x7f);
  ck_assert_uint_eq (env->efer, 0);
  ck_assert_uint_eq (env->nmi_masked, 0);
  ck_assert_uint_eq (gpr (env, X86_RDX), x86_signature (env));
}
END_TEST

START_TEST (each_has_its_number)
{
  uint32_t out[4];
  processor (3, BSP_AUTO);
  env->apic_id = 3;
  x86_cpuid (env, 1, 0, out);
  ck_assert_uint_eq (out[1] >> 24, 3);
  ck_assert_uint_eq (out[3] >> 28 & 1, 0);              /* alone in its package */
  x86_cpuid (env, 4, 0, out);
  ck_assert_uint_eq (out[0] >> 14, 0);
}
END_TEST

static void
add (TCase *tc)
{
  tcase_add_test (tc, one_processor_runs_after_a_reset);
  tcase_add_test (tc, a_message_starts_one_that_waits);
  tcase_add_test (tc, one_that_runs_ignores_it);
  tcase_add_test (tc, init_and_start_at_once);
  tcase_add_test (tc, what_came_before_init_is_forgotten);
  tcase_add_test (tc, a_request_does_not_outlive_a_reset);
  tcase_add_test (tc, nmis_wait);
  tcase_add_test (tc, init_keeps_what_it_must);
  tcase_add_test (tc, each_has_its_number);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return run_suite ("smp-start", tests, 1);
}

/* test-debug.c -- points in registers and in memory, what exits mean, steps, what is given back to the guest; and the kernel's own breakpoints and steps. */
/* SPDX-License-Identifier: MIT */
#include "vcpu.h"
#include <backplane/iface/cpu-debug.h>
#include "target-i386/debug/debug.h"

const void *bp_object_interface (const void *self, const char *id) { return strcmp (id, BP_CPU_DEBUG_ID) ? NULL : &x86_debug_iface; }
KvmVcpu *kvm_vcpu_at (Kvm *k, const BpVcpu *v) { return &vcpu; }

enum { INT3 = 0xcc, HERE = 0x1000 };
static unsigned stops;

static void
stopped (void *user, BpVcpu *v)
{
  stops++;
}

static const BpDebugger debugger = { .struct_size = sizeof debugger, .stopped = stopped };

static void
attached (void)
{
  open_vcpu ("base64");
  stops = 0;
  ck_assert (kvm_debug_attach (&kvm, &debugger, NULL));
  ck_assert (!kvm_debug_attach (&kvm, &debugger, NULL));
}

static void
done (void)
{
  kvm_debug_left (&vcpu);
  ck_assert (kvm_debug_attach (&kvm, NULL, NULL));
  close_vcpu ();
}

static bool
insert (BpDebugKind kind, uint64_t address, uint64_t size)
{
  BpDebugPoint p = { .struct_size = sizeof p, .kind = kind, .address = address, .size = size };
  return kvm_debug_insert (&kvm, &p);
}

/* So many breakpoints, one an instruction. */
static void
attached_with (unsigned n)
{
  attached ();
  memset (stub.ram + HERE, 0x90, 16);
  for (unsigned i = 0; i < n; i++)
    ck_assert (insert (BP_DEBUG_SOFTWARE, HERE + i, 1));
}

static bool
drop (BpDebugKind kind, uint64_t address, uint64_t size)
{
  BpDebugPoint p = { .struct_size = sizeof p, .kind = kind, .address = address, .size = size };
  return kvm_debug_remove (&kvm, &p);
}

static void
resume_at (uint64_t pc, BpDebugAction action, uint32_t flags, uint64_t first, uint64_t end)
{
  BpDebugResume how = { .struct_size = sizeof how, .action = action, .flags = flags, .first = first, .end = end };
  env->eip = pc;
  x86_set_segment (env, X86_CS, 0, 0, 0xffff, 0x9b);
  kvm_debug_resume (&kvm, NULL, &how);
  kvm_state_put (&vcpu);
  kvm_debug_arm (&vcpu);
}

static bool
leaves_with (unsigned exception, uint64_t pc, uint32_t dr6)
{
  vcpu.run->exit_reason = KVM_EXIT_DEBUG;
  vcpu.run->debug.arch = (struct kvm_debug_exit_arch) { .exception = exception, .pc = pc, .dr6 = 0xffff0ff0 | dr6 };
  return kvm_debug_exit (&vcpu);
}

static void
has_stopped (BpDebugKind kind, uint64_t address)
{
  BpDebugStop stop;
  ck_assert_uint_eq (stops, 1);
  ck_assert (!kvm_debug_may_run (&vcpu) && !kvm_debug_masks (&vcpu));
  ck_assert (kvm_debug_take_stop (&kvm, NULL, &stop));
  ck_assert_int_eq (stop.kind, kind);
  ck_assert_uint_eq (stop.address, address);
  ck_assert (!kvm_debug_take_stop (&kvm, NULL, &stop));
  stops = 0;
}

static uint32_t control (void) { return vcpu.sync.armed.control; }
static uint32_t dr7 (void) { return (uint32_t) vcpu.sync.armed.arch.debugreg[7]; }

/* --- where points are ---------------------------------------------------------------------------- */

START_TEST (registers)
{
  attached ();
  ck_assert (insert (BP_DEBUG_WRITE, 0x2003, 4));               /* 1, 2 and 1 bytes */
  ck_assert (!insert (BP_DEBUG_ACCESS, 0x3000, 16));            /* would be two */
  ck_assert (insert (BP_DEBUG_ACCESS, 0x3000, 8));
  ck_assert (!insert (BP_DEBUG_HARDWARE, HERE, 1));
  ck_assert (insert (BP_DEBUG_WRITE, 0x2003, 4));               /* once */
  resume_at (0, BP_DEBUG_RUN, 0, 0, 0);
  const uint64_t *r = (const uint64_t *) vcpu.sync.armed.arch.debugreg;
  ck_assert (r[0] == 0x2003 && r[1] == 0x2004 && r[2] == 0x2006 && r[3] == 0x3000);
  ck_assert_uint_eq (dr7 (), 0xb1510000u | 0x400 | 0xaa);
  ck_assert_uint_eq (control (), KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP);
  ck_assert (drop (BP_DEBUG_WRITE, 0x2003, 4));
  ck_assert (!drop (BP_DEBUG_WRITE, 0x2003, 4));
  ck_assert (!drop (BP_DEBUG_ACCESS, 0x3000, 4));
  ck_assert (insert (BP_DEBUG_WRITE, 0x4000, 16));
  ck_assert (!insert (BP_DEBUG_WRITE, 0, (uint64_t) 1 << 63));
  done ();
}
END_TEST

START_TEST (refused)
{
  open_vcpu ("base64");
  ck_assert (!insert (BP_DEBUG_SOFTWARE, HERE, 1));             /* nobody is attached */
  ck_assert (!drop (BP_DEBUG_SOFTWARE, HERE, 1));
  close_vcpu ();
  attached ();
  ck_assert (!insert (BP_DEBUG_READ, HERE, 4));
  ck_assert (!insert (BP_DEBUG_WRITE, HERE, 0));
  ck_assert (!insert (BP_DEBUG_STEP, HERE, 4));
  done ();
}
END_TEST

/* Beyond four, and when hardware breakpoints need the registers. */
START_TEST (memory_is_as_it_was)
{
  attached_with (6);
  resume_at (0, BP_DEBUG_RUN, 0, 0, 0);
  ck_assert_uint_eq (control (), KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_USE_SW_BP);
  for (unsigned i = 0; i < 8; i++)
    ck_assert_uint_eq (stub.ram[HERE + i], i == 4 || i == 5 ? INT3 : 0x90);
  kvm_debug_left (&vcpu);
  for (unsigned i = 0; i < 8; i++)
    ck_assert_uint_eq (stub.ram[HERE + i], 0x90);
  ck_assert (insert (BP_DEBUG_HARDWARE, 0x5000, 1));
  kvm_debug_arm (&vcpu);
  for (unsigned i = 0; i < 8; i++)
    ck_assert_uint_eq (stub.ram[HERE + i], i >= 3 && i < 6 ? INT3 : 0x90);
  stub.ram[HERE + 3] = 0x42;            /* the guest loads something else there */
  kvm_debug_left (&vcpu);
  ck_assert_uint_eq (stub.ram[HERE + 3], 0x42);
  ck_assert_uint_eq (stub.ram[HERE + 4], 0x90);
  kvm_debug_arm (&vcpu);
  ck_assert_uint_eq (stub.ram[HERE + 3], INT3);
  ck_assert (kvm_debug_attach (&kvm, NULL, NULL));              /* it goes away */
  ck_assert_uint_eq (stub.ram[HERE + 3], 0x42);
  kvm_debug_arm (&vcpu);
  ck_assert_uint_eq (control (), 0);
  close_vcpu ();
}
END_TEST

/* --- what exits mean ------------------------------------------------------------------------------- */

START_TEST (breakpoints_stop)
{
  attached ();
  for (unsigned i = 0; i < 5; i++)
    ck_assert (insert (BP_DEBUG_SOFTWARE, HERE + i, 1));
  resume_at (0, BP_DEBUG_RUN, 0, 0, 0);
  ck_assert (!leaves_with (EXC_BP, HERE + 4, 0));
  has_stopped (BP_DEBUG_SOFTWARE, HERE + 4);
  resume_at (0, BP_DEBUG_RUN, 0, 0, 0);
  ck_assert (!leaves_with (EXC_DB, HERE + 2, 4));
  has_stopped (BP_DEBUG_SOFTWARE, HERE + 2);
  done ();
}
END_TEST

START_TEST (watchpoints_stop)
{
  attached ();
  ck_assert (insert (BP_DEBUG_WRITE, 0x2000, 4));
  resume_at (0, BP_DEBUG_RUN, 0, 0, 0);
  ck_assert (!leaves_with (EXC_DB, 0x77, 1));
  has_stopped (BP_DEBUG_WRITE, 0x2000);
  resume_at (0, BP_DEBUG_ONE, 0, 0, 0);
  ck_assert (!leaves_with (EXC_DB, 0x77, 1 | 1 << 14));         /* the step is done, too */
  has_stopped (BP_DEBUG_WRITE, 0x2000);
  done ();
}
END_TEST

static struct kvm_vcpu_events
events_of (void)
{
  struct kvm_vcpu_events e = { .flags = 0 };
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_GET_VCPU_EVENTS, &e), 0);
  return e;
}

START_TEST (the_guests_own)
{
  attached ();
  ck_assert (insert (BP_DEBUG_HARDWARE, HERE, 1));
  resume_at (0, BP_DEBUG_RUN, 0, 0, 0);
  ck_assert (leaves_with (EXC_BP, 0x700, 0));
  struct kvm_vcpu_events e = events_of ();      /* (the kernel shows no INT3s: they come again) */
  ck_assert_uint_eq (e.exception.nr, EXC_BP);
  resume_at (0, BP_DEBUG_RUN, 0, 0, 0);
  ck_assert (leaves_with (EXC_DB, 0x700, 1 << 14 | 8));         /* its trap flag; nobody has the fourth register */
  e = events_of ();
  ck_assert (e.exception.injected || e.exception.pending);
  ck_assert_uint_eq (e.exception.nr, EXC_DB);
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (env->dr[6] & (1 << 14), 1 << 14);
  ck_assert_uint_eq (stub.pending & X86_IRQ_TRAP, X86_IRQ_TRAP);
  ck_assert_uint_eq (stops, 0);
  done ();
}
END_TEST

/* It has its own breakpoints in registers 0 and 2: they are in what is left, and strike with the numbers that it knows. */
START_TEST (the_guests_registers)
{
  attached ();
  env->dr[0] = 0x6000;
  env->dr[2] = 0x7000;
  env->dr[7] = 0x400 | 0x03 | 0x10 | 0xdu << 24;                /* execute; a word written */
  ck_assert (insert (BP_DEBUG_HARDWARE, HERE, 1));
  resume_at (0, BP_DEBUG_RUN, 0, 0, 0);
  const uint64_t *r = (const uint64_t *) vcpu.sync.armed.arch.debugreg;
  ck_assert (r[0] == HERE && r[1] == 0x6000 && r[2] == 0x7000);
  ck_assert_uint_eq (dr7 (), 0x400 | 0x2a | 0xdu << 24);
  ck_assert (leaves_with (EXC_DB, 0x500, 4));
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (env->dr[6] & 0xf, 4);
  ck_assert_uint_eq (stub.pending & X86_IRQ_TRAP, X86_IRQ_TRAP);
  ck_assert (leaves_with (EXC_DB, 0x6000, 2));
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (env->dr[6] & 0xf, 1);
  ck_assert_uint_eq (stops, 0);
  for (unsigned i = 1; i < 4; i++)                              /* the debugger wants them all */
    ck_assert (insert (BP_DEBUG_HARDWARE, HERE + i, 1));
  kvm_debug_arm (&vcpu);
  ck_assert_uint_eq (dr7 (), 0x400 | 0xaa);
  ck_assert (!leaves_with (EXC_DB, HERE + 2, 4));
  has_stopped (BP_DEBUG_HARDWARE, HERE + 2);
  done ();
}
END_TEST

START_TEST (steps)
{
  attached ();
  resume_at (0, BP_DEBUG_ONE, 0, 0, 0);
  ck_assert (control () & KVM_GUESTDBG_SINGLESTEP);
  ck_assert (kvm_debug_masks (&vcpu));
  ck_assert (!leaves_with (EXC_DB, 0x10, 1 << 14));
  has_stopped (BP_DEBUG_STEP, 0x10);
  resume_at (0x10, BP_DEBUG_ONE, 0, 0x10, 0x20);                /* a line */
  ck_assert (leaves_with (EXC_DB, 0x12, 1 << 14));
  kvm_debug_arm (&vcpu);
  ck_assert (kvm_debug_masks (&vcpu));
  ck_assert (!leaves_with (EXC_DB, 0x20, 1 << 14));
  has_stopped (BP_DEBUG_STEP, 0x20);
  resume_at (0x10, BP_DEBUG_ONE, 0, 0, 0);
  kvm_debug_halted (&vcpu);
  has_stopped (BP_DEBUG_STEP, 0x10);
  vcpu.activity = env->halted = BP_X86_HALTED;                  /* it waits for an interrupt: nothing is masked */
  BpDebugResume how = { .struct_size = sizeof how, .action = BP_DEBUG_ONE };
  kvm_debug_resume (&kvm, NULL, &how);
  ck_assert (!kvm_debug_masks (&vcpu));
  how.action = BP_DEBUG_STAY;
  kvm_debug_resume (&kvm, NULL, &how);
  ck_assert (!kvm_debug_may_run (&vcpu));
  done ();
}
END_TEST

/* A breakpoint at the first instruction does not count: in a register it is off for a step, in memory it is away. */
START_TEST (over)
{
  attached_with (5);
  resume_at (HERE + 1, BP_DEBUG_RUN, BP_DEBUG_OVER, 0, 0);
  ck_assert (control () & KVM_GUESTDBG_SINGLESTEP && kvm_debug_masks (&vcpu));
  ck_assert_uint_eq (dr7 (), 0x400 | 0xa2);
  ck_assert (leaves_with (EXC_DB, HERE + 2, 1 << 14 | 2));      /* matches, but is off */
  kvm_debug_arm (&vcpu);
  ck_assert (!(control () & KVM_GUESTDBG_SINGLESTEP) && !kvm_debug_masks (&vcpu));
  ck_assert_uint_eq (dr7 (), 0x400 | 0xaa);
  kvm_debug_left (&vcpu);

  resume_at (HERE + 4, BP_DEBUG_RUN, BP_DEBUG_OVER, 0, 0);
  ck_assert_uint_eq (stub.ram[HERE + 4], 0x90);
  ck_assert (leaves_with (EXC_DB, HERE + 5, 1 << 14));
  ck_assert_uint_eq (stub.ram[HERE + 4], INT3);
  kvm_debug_left (&vcpu);
  ck_assert_uint_eq (stub.ram[HERE + 4], 0x90);

  resume_at (HERE + 9, BP_DEBUG_RUN, BP_DEBUG_OVER, 0, 0);      /* there is none */
  ck_assert (!(control () & KVM_GUESTDBG_SINGLESTEP));
  done ();
}
END_TEST

/* Given up in a handler: the flag in its frame comes to nothing when it returns. */
START_TEST (left_trap_flag)
{
  attached ();
  ck_assert (insert (BP_DEBUG_HARDWARE, HERE, 1));
  resume_at (0, BP_DEBUG_ONE, 0, 0, 0);
  ck_assert (!leaves_with (EXC_DB, HERE, 1));
  has_stopped (BP_DEBUG_HARDWARE, HERE);
  ck_assert (drop (BP_DEBUG_HARDWARE, HERE, 1));
  env->eflags |= X86_FL_TF;
  resume_at (0, BP_DEBUG_RUN, 0, 0, 0);
  ck_assert (control () & KVM_GUESTDBG_USE_HW_BP);
  ck_assert (leaves_with (EXC_DB, 0x30, 1 << 14));
  kvm_state_get (&vcpu);
  ck_assert (!(env->eflags & X86_FL_TF) && !stops && !(stub.pending & X86_IRQ_TRAP));
  done ();
}
END_TEST

/* The instruction has not been fetched, for its page is not there: first the fault. */
START_TEST (software_after_fetch)
{
  attached ();
  enter_long (3, true);
  ck_assert (insert (BP_DEBUG_SOFTWARE, 0x40000000, 1));
  env->eip = 0x40000000;
  kvm_state_put (&vcpu);
  kvm_debug_arm (&vcpu);
  ck_assert (leaves_with (EXC_DB, 0x40000000, 1));
  BpX86State s = state_of ();
  ck_assert (vcpu.dirty && s.event_kind == BP_X86_EVENT_EXCEPTION && s.event_vector == EXC_PF && s.event_has_error);
  ck_assert_uint_eq (s.event_error, 4);
  ck_assert_uint_eq (s.cr2, 0x40000000);
  poke (PDPT4 + 8, PD4 | 7, 8);         /* now it is */
  ck_assert (!leaves_with (EXC_DB, 0x40000000, 1));
  has_stopped (BP_DEBUG_SOFTWARE, 0x40000000);
  done ();
}
END_TEST

/* A halted processor's registers are looked at in the midst of a step over a line: an NMI that the kernel hands over meanwhile is not kept there as well. */
START_TEST (nmi_comes_once)
{
  attached ();
  resume_at (0x10, BP_DEBUG_ONE, 0, 0x10, 0x20);
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_NMI, NULL), 0);
  stub.pending = 0;
  kvm_debug_halted (&vcpu);
  ck_assert_uint_eq (stops, 0);
  ck_assert_uint_eq (stub.pending & BP_VCPU_IRQ_NMI, BP_VCPU_IRQ_NMI);
  ck_assert (vcpu.dirty);
  done ();
}
END_TEST

/* Who cannot be debugged still must have his registers. */
START_TEST (not_debugged)
{
  attached ();
  ck_assert (insert (BP_DEBUG_HARDWARE, HERE, 1));
  warnings = 0;
  failing = KVM_SET_GUEST_DEBUG;
  resume_at (0, BP_DEBUG_RUN, 0, 0, 0);
  ck_assert_uint_eq (warnings, 1);
  env->cr0 = 0x80000000;                /* paging without protection */
  kvm_state_put (&vcpu);
  ck_assert_uint_eq (warnings, 2);
  ck_assert_uint_eq (stub.shutdowns, 1);
  done ();
}
END_TEST

/* --- the kernel does it --------------------------------------------------------------------------------- */

START_TEST (the_kernel_stops)
{
  attached ();
  memset (memory + HERE, 0x90, 16);
  memset (stub.ram + HERE, 0x90, 16);
  ck_assert (insert (BP_DEBUG_HARDWARE, HERE + 2, 1));
  resume_at (HERE, BP_DEBUG_RUN, 0, 0, 0);
  ck_assert_uint_eq (run_once (), KVM_EXIT_DEBUG);
  ck_assert (!kvm_debug_exit (&vcpu));
  has_stopped (BP_DEBUG_HARDWARE, HERE + 2);
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (env->eip, HERE + 2);
  resume_at (HERE + 2, BP_DEBUG_ONE, BP_DEBUG_OVER, HERE, HERE + 5);
  for (unsigned i = 3; i <= 5; i++) {
    kvm_debug_arm (&vcpu);
    ck_assert_uint_eq (run_once (), KVM_EXIT_DEBUG);
    ck_assert (kvm_debug_exit (&vcpu) == (i < 5));
  }
  has_stopped (BP_DEBUG_STEP, HERE + 5);
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (env->eip, HERE + 5);
  ck_assert (!(env->eflags & X86_FL_TF));
  done ();
}
END_TEST

static void
add (TCase *c)
{
  tcase_add_test (c, registers);
  tcase_add_test (c, refused);
  tcase_add_test (c, memory_is_as_it_was);
  tcase_add_test (c, breakpoints_stop);
  tcase_add_test (c, watchpoints_stop);
  tcase_add_test (c, the_guests_own);
  tcase_add_test (c, the_guests_registers);
  tcase_add_test (c, steps);
  tcase_add_test (c, over);
  tcase_add_test (c, left_trap_flag);
  tcase_add_test (c, software_after_fetch);
  tcase_add_test (c, nmi_comes_once);
  tcase_add_test (c, not_debugged);
  tcase_add_test (c, the_kernel_stops);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return has_kvm () ? run_suite ("kvm-debug", tests, 1) : SKIPPED;
}

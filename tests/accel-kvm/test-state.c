/* test-state.c -- registers into the kernel and out again: random ones in each mode, what processors never have, what the kernel made of it. */
/* SPDX-License-Identifier: MIT */
#include "vcpu.h"
#include "accel-kvm/irqchip.h"
#include "../random-numbers.h"

const void *bp_object_interface (const void *self, const char *id) { return NULL; }
KvmVcpu *kvm_vcpu_at (Kvm *k, const BpVcpu *v) { return &vcpu; }

static uint64_t canonical (void) { return (uint64_t) ((int64_t) (random64 () << 17) >> 17); }

/* --- valid states ------------------------------------------------------------------------------ */

typedef enum Mode { MODE_REAL, MODE_PROTECTED, MODE_PAE, MODE_LONG, MODE_N } Mode;

static void
random_segments (BpX86State *s, Mode mode)
{
  unsigned level = mode == MODE_REAL ? 0 : random64 () & 1 ? 3 : 0, dpl = level << 5;
  for (unsigned i = 0; i <= BP_X86_GS; i++) {
    BpX86Segment *g = &s->segment[i];
    if (mode == MODE_REAL) {
      g->selector = (uint16_t) random64 ();
      *g = (BpX86Segment) { g->selector, i == BP_X86_CS ? 0x9b : 0x93, 0xffff, (uint64_t) g->selector << 4 };
      continue;
    }
    bool null = i != BP_X86_CS && i != BP_X86_SS && random64 () & 1;
    g->selector = (uint16_t) (null ? 0 : (random64 () & 0xfff8) | level);
    g->base = mode == MODE_LONG ? (i >= BP_X86_FS ? canonical () : 0) : null ? 0 : random64 () & 0xfffff000;
    g->limit = null ? 0 : 0xffffffff;
    g->attributes = (uint16_t) (null ? 0 : i == BP_X86_CS ? (mode == MODE_LONG ? 0xa09b : 0xc09b) | dpl : 0xc093 | dpl);
  }
  s->segment[BP_X86_LDTR] = (BpX86Segment) { 0x50, 0x82, 0x7f, random64 () & 0xfffff000 };
  s->segment[BP_X86_TR] = (BpX86Segment) { 0x28, 0x8b, 0x67, random64 () & 0xfffff000 };
}

static void
random_fp (BpX86State *s)
{
  random_bytes (s->fxsave, 416);
  memset (s->fxsave + 416, 0, sizeof s->fxsave - 416);
  s->fxsave[5] = 0;             /* reserved */
  s->fxsave[25] &= 0x7f;        /* MXCSR */
  s->fxsave[26] = s->fxsave[27] = 0;
  for (unsigned i = 0; i < 8; i++)
    memset (s->fxsave + 32 + 16 * i + 10, 0, 6);
  s->xcr0 = 1 | (vcpu.sync.components & 6);
  if (vcpu.sync.components & 4)
    random_bytes (s->ymm_high, sizeof s->ymm_high);
  s->pkru = vcpu.sync.pkru_at ? (uint32_t) random64 () : 0;
}

static void
random_event (BpX86State *s)
{
  static const uint8_t kinds[] = { BP_X86_EVENT_NONE, BP_X86_EVENT_INTERRUPT, BP_X86_EVENT_NMI, BP_X86_EVENT_EXCEPTION };
  s->event_kind = kinds[random64 () & 3];
  s->event_vector = s->event_kind == BP_X86_EVENT_NONE ? 0 : s->event_kind == BP_X86_EVENT_NMI ? 2 : s->event_kind == BP_X86_EVENT_EXCEPTION ? 13 : 0x91;
  s->event_has_error = s->event_kind == BP_X86_EVENT_EXCEPTION && s->cr0 & CR0_PE;
  s->event_error = s->event_has_error ? random64 () & 0xfff8 : 0;
  s->interrupts_held = s->event_kind == BP_X86_EVENT_INTERRUPT || s->event_kind == BP_X86_EVENT_NMI ? 0 : random64 () % 3;
  if (s->interrupts_held == 1)
    s->rflags |= X86_FL_IF;
  s->nmi_blocked = random64 () & 1;
}

static void
random_state (BpX86State *s, Mode mode)
{
  random_bytes (s->gpr, sizeof s->gpr);
  s->rip = mode == MODE_LONG ? canonical () : (uint32_t) random64 ();
  s->rflags = (random64 () & 0x244dd5) | 2;
  s->cr0 = mode == MODE_REAL ? 0x10 : mode == MODE_PROTECTED ? 0x33 : 0x80010033;
  s->cr4 = mode >= MODE_PAE ? CR4_PAE : 0;
  s->cr2 = random64 ();
  s->cr3 = mode >= MODE_PAE ? 0x4000 : 0;
  s->cr8 = random64 () & 15;            /* no local APIC: a register like others */
  s->efer = mode == MODE_LONG ? EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE : 0;
  for (unsigned i = 0; i < 4 && mode == MODE_PAE; i++)
    s->pdpte[i] = 0x5001 + 0x1000 * i;
  memcpy (memory + 0x4000, s->pdpte, sizeof s->pdpte);
  random_segments (s, mode);
  s->gdtr.base = random64 () & 0xffffff;
  s->gdtr.limit = (uint16_t) random64 ();
  s->idtr.base = random64 () & 0xffffff;
  s->idtr.limit = (uint16_t) random64 ();
  for (unsigned i = 0; i < 4; i++)
    s->dr[i] = random64 () & 0xffffff;
  s->dr[4] = s->dr[5] = 0;
  s->dr[6] = 0xffff0ff0 | (random64 () & 15);
  s->dr[7] = 0x400 | (random64 () & 0xff);
  s->tsc = random64 () >> 8;
  random_fp (s);
  random_event (s);
  s->star = random64 ();
  s->lstar = canonical ();
  s->cstar = canonical ();
  s->sfmask = (uint32_t) random64 ();
  s->kernel_gs_base = canonical ();
  s->tsc_aux = (uint32_t) random64 ();
  s->sysenter_cs = (uint32_t) random64 ();
  s->sysenter_esp = canonical ();
  s->sysenter_eip = canonical ();
}

/* --- comparison ------------------------------------------------------------------------------------ */

#define SAME(field) ck_assert_msg (!memcmp (&a->field, &b->field, sizeof a->field), "%s differs", #field)

static void
compare (const BpX86State *a, const BpX86State *b)
{
  SAME (gpr);
  SAME (rip);
  SAME (rflags);
  for (unsigned i = 0; i < 8; i++)
    ck_assert_msg (!memcmp (&a->segment[i], &b->segment[i], sizeof a->segment[i]), "segment %u: %x %x %x %" G_GINT64_MODIFIER "x, %x %x %x %" G_GINT64_MODIFIER "x", i, a->segment[i].selector,
                   a->segment[i].attributes, a->segment[i].limit, a->segment[i].base, b->segment[i].selector, b->segment[i].attributes,
                   b->segment[i].limit, b->segment[i].base);
  SAME (gdtr);
  SAME (idtr);
  ck_assert_msg (a->cr0 == b->cr0, "cr0 %x %x", (unsigned) a->cr0, (unsigned) b->cr0);
  SAME (cr2);
  SAME (cr3);
  SAME (cr4);
  SAME (efer);
  SAME (dr);
  SAME (fxsave);
  SAME (xcr0);
  SAME (ymm_high);
  SAME (star);
  SAME (lstar);
  SAME (cstar);
  SAME (sfmask);
  SAME (kernel_gs_base);
  SAME (tsc_aux);
  SAME (sysenter_cs);
  SAME (sysenter_esp);
  SAME (sysenter_eip);
  SAME (pkru);
  SAME (event_kind);
  SAME (event_vector);
  SAME (event_has_error);
  SAME (event_error);
  SAME (interrupts_held);
  SAME (nmi_blocked);
  SAME (activity);
  SAME (pdpte);
  uint64_t passed = b->tsc - a->tsc;    /* the kernel's counter never stands */
  ck_assert_msg (!moves_tsc || passed < (uint64_t) 10000000000, "TSC %" G_GINT64_MODIFIER "x, then %" G_GINT64_MODIFIER "x", a->tsc, b->tsc);
  BpX86State rest_a = *a, rest_b = *b;
  rest_a.tsc = rest_b.tsc = 0;
  ck_assert (!memcmp (&rest_a, &rest_b, sizeof rest_a));
}

/* Into the kernel, out of it into a CPU that has been reset. */
static void
there_and_back (BpX86State *s, BpX86State *back)
{
  x86_cpu_iface.set_state (env, s);
  *s = state_of ();
  kvm_state_put (&vcpu);
  x86_cpu_iface.reset_registers (env, false);
  stub.pending = 0;
  memset (env->fp, 0x55, sizeof env->fp);
  kvm_state_get (&vcpu);
  *back = state_of ();
  ck_assert (!vcpu.sync.is_broken);
}

/* A kernel that is itself a guest's may have no PAE without long mode: it says so by clearing CR0.PG. */
static bool
has_pae (void)
{
  BpX86State s = state_of (), back;
  random_state (&s, MODE_PAE);
  there_and_back (&s, &back);
  if (back.cr0 == s.cr0)
    return true;
  printf ("the kernel has no PAE paging outside of long mode: not looked at\n");
  return false;
}

START_TEST (random_states)
{
  open_vcpu ("max");
  bool pae = has_pae ();
  for (unsigned i = 0; i < 400; i++) {
    if (i % MODE_N == MODE_PAE && !pae)
      continue;
    x86_cpu_iface.reset_registers (env, false);
    stub.pending = 0;
    BpX86State s = state_of (), back;
    random_state (&s, i % MODE_N);
    there_and_back (&s, &back);
    compare (&s, &back);
    kvm_state_put (&vcpu);
    kvm_state_get (&vcpu);
    s = state_of ();
    compare (&back, &s);
  }
  close_vcpu ();
}
END_TEST

START_TEST (every_model)
{
  for (const char *const *name = x86_model_names; *name; name++) {
    open_vcpu (*name);
    BpX86State s = state_of (), back;
    there_and_back (&s, &back);
    s.tsc = back.tsc = 0;
    ck_assert_msg (!memcmp (&s, &back, sizeof s), "%s", *name);
    close_vcpu ();
  }
}
END_TEST

START_TEST (msrs)
{
  uint32_t numbers[64];
  uint64_t before[64], after;
  open_vcpu ("max");
  env->mtrr_def = 0xc06;
  env->mtrr_variable[0] = 6;
  env->mtrr_variable[1] = 0xff80000800;
  env->mtrr_fixed[3] = 0x0606060606060606;
  env->pat = 0x0007010600070106;
  unsigned n = x86_cpu_iface.state_msrs (env, numbers, 64);
  for (unsigned i = 0; i < n; i++)
    ck_assert (x86_cpu_iface.get_msr (env, numbers[i], &before[i]));
  kvm_state_put (&vcpu);
  x86_cpu_iface.reset_registers (env, false);
  kvm_state_get (&vcpu);
  for (unsigned i = 0; i < n; i++) {
    ck_assert (x86_cpu_iface.get_msr (env, numbers[i], &after));
    ck_assert_msg (before[i] == after, "MSR %x: %" G_GINT64_MODIFIER "x, then %" G_GINT64_MODIFIER "x", numbers[i], before[i], after);
  }
  close_vcpu ();
}
END_TEST

/* One that the kernel never heard of is left out, and the others arrive. */
START_TEST (refused_msrs)
{
  open_vcpu ("max");
  unsigned n = vcpu.sync.n_msrs;
  memmove (vcpu.sync.msr + 1, vcpu.sync.msr, n * sizeof vcpu.sync.msr[0]);
  vcpu.sync.msr[0] = (KvmStateMsr) { .number = 0xdead0000 };
  vcpu.sync.n_msrs++;
  env->lstar = 0x1234;
  kvm_state_put (&vcpu);
  env->lstar = 0;
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (env->lstar, 0x1234);
  ck_assert_uint_eq (vcpu.sync.n_msrs, n);
  ck_assert (!vcpu.sync.is_broken);
  close_vcpu ();
}
END_TEST

/* A value that no processor takes (here an address that is not canonical) stays out; the register is not given up for it. */
START_TEST (refused_values)
{
  open_vcpu ("base64");
  env->kernel_gs_base = 0x1000;
  kvm_state_put (&vcpu);
  for (unsigned i = 0; i < 2; i++) {
    env->kernel_gs_base = (uint64_t) 1 << 62;
    kvm_state_put (&vcpu);
    kvm_state_get (&vcpu);
    ck_assert_uint_eq (env->kernel_gs_base, i ? 0x2000 : 0x1000);
    env->kernel_gs_base = 0x2000;
    kvm_state_put (&vcpu);
    env->kernel_gs_base = 0;
    kvm_state_get (&vcpu);
    ck_assert_uint_eq (env->kernel_gs_base, 0x2000);
  }
  ck_assert (!vcpu.sync.is_broken);
  close_vcpu ();
}
END_TEST

/* An ioctl that fails whole says nothing of registers: those that are known stay, and the run ends. */
START_TEST (msrs_do_not_come)
{
  open_vcpu ("base64");
  env->lstar = 0x1234;
  kvm_state_put (&vcpu);
  failing = KVM_GET_MSRS;
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (env->lstar, 0x1234);
  ck_assert (vcpu.sync.is_broken && stub.shutdowns == 1);
  close_vcpu ();
  open_vcpu ("base64");
  failing = KVM_SET_MSRS;
  kvm_state_put (&vcpu);
  ck_assert (vcpu.sync.is_broken && stub.shutdowns == 1);
  close_vcpu ();
}
END_TEST

/* Of a host without XSAVE everything else comes and goes. */
START_TEST (no_xsave)
{
  lacking = KVM_CAP_XCRS;
  failing = KVM_GET_XCRS;
  failing_too = KVM_SET_XCRS;
  open_vcpu ("pentium3");
  BpX86State s = state_of (), back;
  random_fp (&s);
  memset (s.ymm_high, 0, sizeof s.ymm_high);
  s.xcr0 = 1;
  s.pkru = 0;
  there_and_back (&s, &back);
  compare (&s, &back);
  close_vcpu ();
}
END_TEST

START_TEST (unmarked_pkru)
{
  open_vcpu ("max");
  BpX86State s = state_of (), back;
  s.pkru = vcpu.sync.pkru_at ? 0x55555554 : 0;
  hides_pkru = vcpu.xsave_size <= 4096;
  there_and_back (&s, &back);
  ck_assert_uint_eq (back.pkru, s.pkru);
  close_vcpu ();
}
END_TEST

/* --- what no processor has, but a loader's state may ----------------------------------------------------- */

START_TEST (mended_segments)
{
  open_vcpu ("max");
  BpX86State s = state_of (), back;
  s.cr0 = 0x80000033;
  s.cr4 = CR4_PAE;
  s.cr3 = 0x4000;
  s.efer = EFER_LME;
  s.segment[BP_X86_CS] = (BpX86Segment) { 8, 0x209a, 0xffffffff, 0 };   /* not accessed; a limit without its granularity */
  s.segment[BP_X86_SS] = (BpX86Segment) { 0, 0, 0, 0 };
  s.segment[BP_X86_DS] = (BpX86Segment) { 0, 0, 0, 0 };
  s.segment[BP_X86_TR] = (BpX86Segment) { 0x28, 0x89, 0x67, 0x1000 };   /* not busy */
  s.segment[BP_X86_LDTR] = (BpX86Segment) { 0, 0, 0, 0 };
  there_and_back (&s, &back);
  ck_assert_uint_eq (back.segment[BP_X86_CS].attributes, 0xa09b);
  ck_assert_uint_eq (back.segment[BP_X86_SS].attributes, 0);
  ck_assert_uint_eq (back.segment[BP_X86_DS].attributes, 0);
  ck_assert_uint_eq (back.segment[BP_X86_TR].attributes, 0x8b);
  ck_assert_uint_eq (back.segment[BP_X86_LDTR].attributes, 0);
  s.segment[BP_X86_TR] = (BpX86Segment) { 0 };
  s.segment[BP_X86_LDTR].attributes = 0x93;
  there_and_back (&s, &back);
  ck_assert_uint_eq (back.segment[BP_X86_TR].attributes, 0x8b);
  ck_assert_uint_eq (back.segment[BP_X86_LDTR].attributes, 0);
  close_vcpu ();
}
END_TEST

START_TEST (refused_state)
{
  open_vcpu ("max");
  env->cr0 = 0x80000000;        /* paging without protection */
  kvm_state_put (&vcpu);
  kvm_state_put (&vcpu);
  ck_assert (vcpu.sync.is_broken);
  ck_assert_uint_eq (stub.shutdowns, 1);
  close_vcpu ();
}
END_TEST

/* --- events --------------------------------------------------------------------------------------------- */

START_TEST (software_events)
{
  open_vcpu ("max");
  struct kvm_vcpu_events events;
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_GET_VCPU_EVENTS, &events), 0);
  events.exception.injected = 1;
  events.exception.nr = 3;
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_SET_VCPU_EVENTS, &events), 0);
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (state_of ().event_kind, BP_X86_EVENT_NONE);
  kvm_state_put (&vcpu);
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_GET_VCPU_EVENTS, &events), 0);
  ck_assert (!events.exception.injected);
  close_vcpu ();
}
END_TEST

START_TEST (pending_nmi)
{
  open_vcpu ("max");
  kvm_state_put (&vcpu);
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_NMI, NULL), 0);
  stub.pending = 0;
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (stub.pending, BP_VCPU_IRQ_NMI);
  kvm_state_put (&vcpu);
  stub.pending = 0;
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (stub.pending, 0);
  close_vcpu ();
}
END_TEST

/* One is handled and so blocks others until IRET; two come before that. */
START_TEST (two_pending_nmis)
{
  struct kvm_vcpu_events e;
  open_vcpu ("max");
  kvm_state_put (&vcpu);
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_NMI, NULL), 0);
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_NMI, NULL), 0);
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_GET_VCPU_EVENTS, &e), 0);
  stub.pending = 0;
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (stub.pending, BP_VCPU_IRQ_NMI | (e.nmi.pending > 1 ? BP_X86_IRQ_NMI_2 : 0));
  printf ("the kernel keeps %u NMIs\n", e.nmi.pending);
  close_vcpu ();
}
END_TEST

/* A trap after HLT, as a snapshot of accel-tcg may have it: nothing else might ever wake the processor. */
START_TEST (event_ends_halt)
{
  open_vcpu ("base64");
  BpX86State s = state_of ();
  s.activity = s.halted = BP_X86_HALTED;
  s.event_kind = BP_X86_EVENT_EXCEPTION;
  s.event_vector = EXC_DB;
  x86_cpu_iface.set_state (env, &s);
  kvm_state_put (&vcpu);
  ck_assert_uint_eq (vcpu.activity, BP_X86_ACTIVE);
  close_vcpu ();
}
END_TEST

START_TEST (activities)
{
  open_vcpu ("max");
  for (unsigned a = BP_X86_ACTIVE; a <= BP_X86_WAIT_SIPI; a++) {
    vcpu.activity = a;
    kvm_state_get (&vcpu);
    ck_assert_uint_eq (env->halted, a);
    vcpu.activity = 99;
    kvm_state_put (&vcpu);
    ck_assert_uint_eq (vcpu.activity, a);
  }
  close_vcpu ();
}
END_TEST

/* The kernel's own: it knows who is halted, and where its APIC is. */
START_TEST (kernels_apic)
{
  struct kvm_sregs sregs;
  irqchip = KVM_IRQCHIP_KERNEL;
  open_vcpu ("max");
  irqchip = KVM_IRQCHIP_OURS;
  kvm_state_get (&vcpu);
  kvm_state_put (&vcpu);
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_GET_SREGS, &sregs), 0);
  ck_assert_uint_eq (sregs.apic_base, 0xfee00900);
  static const uint32_t all[] = { BP_X86_HALTED, BP_X86_WAIT_SIPI, BP_X86_ACTIVE };
  for (unsigned i = 0; i < G_N_ELEMENTS (all); i++) {
    env->halted = all[i];
    env->cr8 = 5;
    kvm_state_put (&vcpu);
    env->halted = 99;
    env->cr8 = 0;
    kvm_state_get (&vcpu);
    ck_assert_uint_eq (env->halted, all[i]);
    ck_assert_uint_eq (env->cr8, 5);
  }
  ck_assert (!vcpu.sync.is_broken);
  close_vcpu ();
}
END_TEST

/* An INIT waits while an exception is on its way: the processor begins anew, and without that. */
START_TEST (init_ends_events)
{
  struct kvm_vcpu_events e;
  irqchip = KVM_IRQCHIP_KERNEL;
  open_vcpu ("base64");
  irqchip = KVM_IRQCHIP_OURS;
  env->eip = 0x1234;
  kvm_state_put (&vcpu);
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_GET_VCPU_EVENTS, &e), 0);
  e.flags = KVM_VCPUEVENT_VALID_SMM;
  e.smi.latched_init = 1;
  e.exception.injected = 1;
  e.exception.nr = 13;
  ck_assert_int_ge (kvm_ioctl (vcpu.fd, KVM_SET_VCPU_EVENTS, &e), 0);
  kvm_state_get (&vcpu);
  BpX86State s = state_of ();
  ck_assert_uint_eq (s.rip, 0xfff0);
  ck_assert_uint_eq (s.event_kind, BP_X86_EVENT_NONE);
  close_vcpu ();
}
END_TEST

static const BpInterruptControllerIface with_deadlines = {
  .struct_size = sizeof with_deadlines, .apic_base_read = (uint64_t (*) (void *)) abort, .deadline_write = (void (*) (void *, uint64_t, int64_t)) abort
};

/* Loaded while the kernel waits for another one's deadline: that would come as an interrupt of nobody's. */
START_TEST (no_deadline)
{
  enum { SPURIOUS = 0xf0, LVT_TIMER = 0x320, DEADLINE_MODE = 2 << 17 };
  BpX86LapicState lapic, back;
  irqchip = KVM_IRQCHIP_KERNEL;
  open_vcpu ("max");
  irqchip = KVM_IRQCHIP_OURS;
  env->intc.table = &with_deadlines;    /* CPUID says so */
  ck_assert (kvm_cpuid_set (&vcpu, NULL));
  ck_assert (kvm_lapic_get (&vcpu, &lapic));
  lapic.registers[SPURIOUS + 1] = 1;
  memcpy (lapic.registers + LVT_TIMER, &(uint32_t) { DEADLINE_MODE | 0x30 }, 4);
  lapic.deadline = (uint64_t) 1 << 60;
  ck_assert (kvm_lapic_put (&vcpu, &lapic) && kvm_lapic_get (&vcpu, &back));
  ck_assert_uint_eq (back.deadline, lapic.deadline);
  lapic.deadline = 0;
  ck_assert (kvm_lapic_put (&vcpu, &lapic) && kvm_lapic_get (&vcpu, &back));
  ck_assert_uint_eq (back.deadline, 0);
  close_vcpu ();
}
END_TEST

/* Whatever a snapshot or a debugger says: the kernel takes it, or it is refused once, in words. */
START_TEST (any_state)
{
  open_vcpu ("max");
  for (unsigned i = 0; i < 2000; i++) {
    BpX86State s = state_of ();
    uint32_t size = s.struct_size;
    random_bytes (&s, sizeof s);
    s.struct_size = size;
    for (unsigned k = 0; k < 8 && i % 2; k++)
      s.segment[k].attributes = (uint16_t) (0x80 | random64 ());
    if (i % 3)
      s.cr0 = random64 () & 0x80050033;
    if (i % 5)
      s.cr4 = random64 () & 0x6f8;
    stub.shutdowns = warnings = 0;
    vcpu.sync.is_broken = false;
    x86_cpu_iface.set_state (env, &s);
    kvm_state_put (&vcpu);
    ck_assert_uint_eq (stub.shutdowns, vcpu.sync.is_broken);
    ck_assert_uint_eq (warnings, vcpu.sync.is_broken);
    kvm_state_get (&vcpu);
  }
  close_vcpu ();
}
END_TEST

/* --- a guest runs -------------------------------------------------------------------------------------------- */

/* mov $0x1234,%ax; mov %ax,%bx; out %al,$0x80 -- from the reset vector's segment as a BIOS would not, but a loader may */
START_TEST (guest_goes_on)
{
  static const uint8_t code[] = { 0xb8, 0x34, 0x12, 0x89, 0xc3, 0xe6, 0x80, 0x43, 0xe6, 0x81 };
  open_vcpu ("max");
  memcpy (memory + 0x1000, code, sizeof code);
  BpX86State s = state_of ();
  s.segment[BP_X86_CS] = (BpX86Segment) { 0x100, 0x9b, 0xffff, 0x1000 };
  s.rip = 0;
  x86_cpu_iface.set_state (env, &s);
  kvm_state_put (&vcpu);
  ck_assert_uint_eq (run_once (), KVM_EXIT_IO);
  ck_assert_uint_eq (vcpu.run->io.port, 0x80);
  complete ();
  kvm_state_get (&vcpu);
  s = state_of ();
  ck_assert_uint_eq (s.gpr[BP_X86_RBX] & 0xffff, 0x1234);
  ck_assert_uint_eq (s.rip, 7);
  s.gpr[BP_X86_RBX] = 0x41;
  x86_cpu_iface.set_state (env, &s);
  kvm_state_put (&vcpu);
  ck_assert_uint_eq (run_once (), KVM_EXIT_IO);
  ck_assert_uint_eq (vcpu.run->io.port, 0x81);
  complete ();
  kvm_state_get (&vcpu);
  ck_assert_uint_eq (state_of ().gpr[BP_X86_RBX] & 0xffff, 0x42);
  close_vcpu ();
}
END_TEST

/* Real mode: vector 20h's handler is out %al,$0x82, 6's out %al,$0x83, the NMI's out %al,$0x84. */
static void
delivers (unsigned kind, unsigned vector, unsigned port)
{
  open_vcpu ("base64");
  memory[0x1000] = 0x90;
  memory[0x2000] = 0xe6;
  memory[0x2001] = (uint8_t) port;
  memory[4 * vector] = 0;
  memory[4 * vector + 1] = 0x20;
  BpX86State s = state_of ();
  s.segment[BP_X86_CS] = (BpX86Segment) { 0x100, 0x9b, 0xffff, 0x1000 };
  s.segment[BP_X86_SS] = (BpX86Segment) { 0, 0x93, 0xffff, 0 };
  s.idtr.limit = 0x3ff;
  s.gpr[BP_X86_RSP] = 0x800;
  s.rip = 0;
  s.rflags = 0x202;
  s.event_kind = (uint8_t) kind;
  s.event_vector = (uint8_t) vector;
  x86_cpu_iface.set_state (env, &s);
  kvm_state_put (&vcpu);
  ck_assert_uint_eq (run_once (), KVM_EXIT_IO);
  ck_assert_uint_eq (vcpu.run->io.port, port);
  complete ();
  kvm_state_get (&vcpu);
  s = state_of ();
  ck_assert_uint_eq (s.event_kind, BP_X86_EVENT_NONE);
  ck_assert_uint_eq (s.nmi_blocked, kind == BP_X86_EVENT_NMI);
  ck_assert_uint_eq (s.rip, 0x2002);
  ck_assert_uint_eq (s.gpr[BP_X86_RSP], 0x7fa);
  ck_assert_uint_eq (*(uint16_t *) (memory + 0x7fa), 0);        /* IP */
  ck_assert_uint_eq (*(uint16_t *) (memory + 0x7fc), 0x100);
  ck_assert (!(s.rflags & X86_FL_IF));
  close_vcpu ();
}

START_TEST (events_are_delivered)
{
  delivers (BP_X86_EVENT_INTERRUPT, 0x20, 0x82);
  delivers (BP_X86_EVENT_EXCEPTION, 6, 0x83);
  delivers (BP_X86_EVENT_NMI, 2, 0x84);
}
END_TEST

/* --- time ------------------------------------------------------------------------------------------------------ */

START_TEST (time_stamp_counter)
{
  open_vcpu ("max");
  if (!moves_tsc) {
    printf ("the kernel does not set time-stamp counters: not looked at\n");
    close_vcpu ();
    return;
  }
  ck_assert_uint_eq (env->tsc_frequency, (uint64_t) vcpu.sync.tsc_khz * 1000);
  BpX86State s = state_of ();
  s.tsc = (uint64_t) 1 << 44;
  x86_cpu_iface.set_state (env, &s);
  kvm_state_put (&vcpu);
  ck_assert_uint_lt (kvm_tsc_now (&vcpu) - s.tsc, 10 * (uint64_t) vcpu.sync.tsc_khz * 1000);
  kvm_state_get (&vcpu);
  ck_assert_uint_lt (state_of ().tsc - s.tsc, 10 * (uint64_t) vcpu.sync.tsc_khz * 1000);
  close_vcpu ();
}
END_TEST

static void
put_tsc (uint64_t value)
{
  BpX86State s = state_of ();
  s.tsc = value;
  x86_cpu_iface.set_state (env, &s);
  kvm_state_put (&vcpu);
}

/* Half a second, which a write of the MSR would not take back; and two processors that stay in step, though the second's object is some milliseconds off. */
START_TEST (short_pause)
{
  for (unsigned has_offset = 0; has_offset < 2; has_offset++) {
    open_vcpu ("base64");
    fake_tsc.is_on = true;
    fake_tsc.has_offset = has_offset;
    fake_tsc.host = fake_tsc.offset = (uint64_t) 1 << 40;
    uint64_t ms = vcpu.sync.tsc_khz, before = kvm_tsc_now (&vcpu), offset;
    fake_tsc.host += 500 * ms;
    put_tsc (before);
    ck_assert (kvm_tsc_is_other (&vcpu, kvm_tsc_now (&vcpu), before) == !has_offset);
    offset = fake_tsc.offset;
    fake_tsc.offset += 500 * ms;        /* the other's, which has not been put yet */
    put_tsc (before + 5 * ms);
    ck_assert (!has_offset || fake_tsc.offset == offset);
    before = kvm_tsc_now (&vcpu);
    fake_tsc.host += 20 * ms;           /* another pause */
    kvm_tsc_resume (&kvm);
    put_tsc (before);
    ck_assert (kvm_tsc_is_other (&vcpu, kvm_tsc_now (&vcpu), before) == !has_offset);
    put_tsc (12345);                    /* another time altogether */
    ck_assert (!kvm_tsc_is_other (&vcpu, kvm_tsc_now (&vcpu), 12345));
    close_vcpu ();
  }
}
END_TEST

/* Virtual time stands here: the object's counter falls behind the kernel's by less than counts as another time. */
START_TEST (time_does_not_go_back)
{
  open_vcpu ("base64");
  for (unsigned i = 0; i < 20; i++) {
    BpX86State s = state_of ();
    s.tsc = kvm_tsc_now (&vcpu);
    x86_cpu_iface.set_state (env, &s);
    uint64_t read = kvm_tsc_now (&vcpu);
    kvm_state_get (&vcpu);
    ck_assert_uint_ge (state_of ().tsc, read);
    s.tsc = kvm_tsc_now (&vcpu) + vcpu.sync.tsc_khz / 2;        /* ahead: it keeps in step with other processors' */
    x86_cpu_iface.set_state (env, &s);
    kvm_state_get (&vcpu);
    ck_assert_uint_ge (state_of ().tsc, s.tsc);
  }
  close_vcpu ();
}
END_TEST

static void
add (TCase *c)
{
  tcase_set_timeout (c, 60);
  tcase_add_test (c, random_states);
  tcase_add_test (c, every_model);
  tcase_add_test (c, msrs);
  tcase_add_test (c, refused_msrs);
  tcase_add_test (c, refused_values);
  tcase_add_test (c, no_xsave);
  tcase_add_test (c, unmarked_pkru);
  tcase_add_test (c, msrs_do_not_come);
  tcase_add_test (c, mended_segments);
  tcase_add_test (c, refused_state);
  tcase_add_test (c, software_events);
  tcase_add_test (c, pending_nmi);
  tcase_add_test (c, two_pending_nmis);
  tcase_add_test (c, activities);
  tcase_add_test (c, event_ends_halt);
  tcase_add_test (c, kernels_apic);
  tcase_add_test (c, init_ends_events);
  tcase_add_test (c, no_deadline);
  tcase_add_test (c, any_state);
  tcase_add_test (c, guest_goes_on);
  tcase_add_test (c, events_are_delivered);
  tcase_add_test (c, time_stamp_counter);
  tcase_add_test (c, short_pause);
  tcase_add_test (c, time_does_not_go_back);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return has_kvm () ? run_suite ("kvm-state", tests, 1) : SKIPPED;
}

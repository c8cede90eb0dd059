/* test-cpuid.c -- CPUID as the guest gets it: never more than the model or the host has, and of one piece. */
/* SPDX-License-Identifier: MIT */
#include "vcpu.h"

const void *bp_object_interface (const void *self, const char *id) { return NULL; }
KvmVcpu *kvm_vcpu_at (Kvm *k, const BpVcpu *v) { return &vcpu; }

static const struct kvm_cpuid_entry2 *
find (const struct kvm_cpuid_entry2 *e, unsigned n, uint32_t leaf, uint32_t subleaf)
{
  for (unsigned i = 0; i < n; i++)
    if (e[i].function == leaf && (!(e[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e[i].index == subleaf))
      return &e[i];
  return NULL;
}

static uint32_t
bits (const struct kvm_cpuid_entry2 *e, unsigned reg)
{
  return !e ? 0 : reg == 0 ? e->eax : reg == 1 ? e->ebx : reg == 2 ? e->ecx : e->edx;
}

static uint32_t guest (uint32_t leaf, uint32_t subleaf, unsigned reg) { return bits (find (given.entries, given.list.nent, leaf, subleaf), reg); }
static uint32_t host (uint32_t leaf, uint32_t subleaf, unsigned reg)
{ return bits (find (kvm.supported->entries, kvm.supported->nent, leaf, subleaf), reg); }

/* APIC, HTT; x2APIC, TSC deadline, OSXSAVE, hypervisor; OSPKE */
static const struct { uint32_t leaf, subleaf; unsigned reg; uint32_t ours; } words[] = {
  { 1, 0, 3, 1u << 9 | 1u << 28 }, { 1, 0, 2, 1u << 21 | 1u << 24 | 1u << 27 | 1u << 31 }, { 7, 0, 1, 0 }, { 7, 0, 2, 1u << 4 }, { 7, 0, 3, 0 },
  { 13, 1, 0, 0 }, { 0x80000001, 0, 2, 0 }, { 0x80000001, 0, 3, 1u << 11 }, { 0x80000007, 0, 3, 0 }
};

START_TEST (both_have_it)
{
  for (const char *const *name = x86_model_names; *name; name++) {
    open_vcpu (*name);
    unsigned missing = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS (words); i++) {
      uint32_t model[4];
      x86_cpuid (env, words[i].leaf, words[i].subleaf, model);
      uint32_t is = guest (words[i].leaf, words[i].subleaf, words[i].reg), has = host (words[i].leaf, words[i].subleaf, words[i].reg);
      if (is || find (given.entries, given.list.nent, words[i].leaf, words[i].subleaf)) {
        ck_assert_msg (!(is & ~(model[words[i].reg] | words[i].ours)), "%s: leaf %x: %x, the model has %x", *name, words[i].leaf, is, model[words[i].reg]);
        ck_assert_msg (!(is & ~(has | words[i].ours)), "%s: leaf %x: %x, the host has %x", *name, words[i].leaf, is, has);
        ck_assert_uint_eq (is & has & ~words[i].ours, model[words[i].reg] & has & ~words[i].ours);
        missing |= model[words[i].reg] & ~has & ~words[i].ours;
      }
    }
    ck_assert_uint_eq (warnings, missing != 0);                 /* said, once */
    ck_assert_uint_eq (guest (0, 0, 1), 0x756e6547);            /* the model's name, not the host's */
    close_vcpu ();
  }
}
END_TEST

START_TEST (xsave_area)
{
  open_vcpu ("max");
  uint32_t components = guest (13, 0, 0), end = 576;
  ck_assert (!(components & ~host (13, 0, 0)));
  for (unsigned i = 2; i < 32; i++)
    if (components >> i & 1) {
      ck_assert_msg (guest (13, i, 1) == host (13, i, 1), "component %u of %x", i, components);
      end = MAX (end, guest (13, i, 0) + guest (13, i, 1));
    }
  if (components)
    ck_assert_uint_eq (guest (13, 0, 2), end);
  if (vcpu.sync.pkru_at)
    ck_assert_uint_eq (vcpu.sync.pkru_at, guest (13, 9, 1));
  close_vcpu ();
  open_vcpu ("max,-xsave");
  for (unsigned reg = 0; reg < 4; reg++)
    ck_assert_uint_eq (guest (13, 0, reg), 0);
  ck_assert_uint_eq (vcpu.sync.components, 0);
  close_vcpu ();
}
END_TEST

START_TEST (widths)
{
  open_vcpu ("max");
  uint32_t is = guest (0x80000008, 0, 0), has = host (0x80000008, 0, 0);
  ck_assert_uint_le (is & 0xff, has & 0xff);
  ck_assert_uint_eq (is >> 8 & 0xff, 48);
  ck_assert (guest (0x80000001, 0, 3) >> 11 & 1);               /* SYSCALL, though nothing runs in 64-bit mode yet */
  close_vcpu ();
}
END_TEST

static void
new_cpu (bool hypervisor)
{
  GError *error = NULL;
  int fd = kvm_ioctl (kvm.vm, KVM_CREATE_VCPU, (void *) (uintptr_t) 1);
  ck_assert_int_ge (fd, 0);
  close (vcpu.fd);
  vcpu.fd = fd;
  env->cpuid_1_ecx &= ~(1u << 31);
  env->hypervisor = hypervisor;
  ck_assert (x86_configure_features (env, &error));
  ck_assert (kvm_cpuid_set (&vcpu, &error));
}

START_TEST (hypervisor)
{
  open_vcpu ("base64");
  ck_assert (!find (given.entries, given.list.nent, 0x40000000, 0) && !(guest (1, 0, 2) >> 31));
  new_cpu (true);
  ck_assert_uint_eq (guest (0x40000000, 0, 1), 0x4b4d564b);
  ck_assert (guest (1, 0, 2) >> 31);
  ck_assert (!(guest (0x40000001, 0, 0) & ~2u));                /* nothing that has state in MSRs */
  close_vcpu ();
}
END_TEST

static const BpInterruptControllerIface lapic = {
  .struct_size = sizeof lapic, .apic_base_read = (uint64_t (*) (void *)) abort, .msr_write = (bool (*) (void *, uint32_t, uint64_t)) abort,
  .deadline_write = (void (*) (void *, uint64_t, int64_t)) abort
};

/* x2APIC's registers and deadlines are ours only where their MSRs come out of the kernel; to have the capability is not enough. */
START_TEST (local_apic)
{
  enum { X2APIC = 1 << 21, DEADLINE = 1 << 24 };
  static const unsigned long refused[] = { 0, KVM_X86_SET_MSR_FILTER, KVM_ENABLE_CAP };
  for (unsigned i = 0; i < G_N_ELEMENTS (refused); i++) {
    open_vcpu ("max");
    env->intc.table = &lapic;
    failing = refused[i];
    new_cpu (false);
    ck_assert_uint_eq (guest (1, 0, 2) & (X2APIC | DEADLINE), i ? 0 : X2APIC | DEADLINE);
    close_vcpu ();
  }
}
END_TEST

static void
add (TCase *c)
{
  tcase_add_test (c, both_have_it);
  tcase_add_test (c, xsave_area);
  tcase_add_test (c, widths);
  tcase_add_test (c, hypervisor);
  tcase_add_test (c, local_apic);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return has_kvm () ? run_suite ("kvm-cpuid", tests, 1) : SKIPPED;
}

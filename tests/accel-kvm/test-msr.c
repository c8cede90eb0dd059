/* test-msr.c -- MSRs that the guest finds in this program: those of our local APIC, those that the kernel does not know; and those that are wrong. */
/* SPDX-License-Identifier: MIT */
#include "vcpu.h"

const void *bp_object_interface (const void *self, const char *id) { return NULL; }
KvmVcpu *kvm_vcpu_at (Kvm *k, const BpVcpu *v) { return &vcpu; }

/* --- a local APIC -------------------------------------------------------------------------------- */

static struct {
  uint64_t base, x2[256], deadline;
  int64_t at;
} apic;

static uint64_t base_read (void *self) { return apic.base; }
static uint64_t deadline_read (void *self) { return apic.deadline; }

static bool
base_write (void *self, uint64_t value)
{
  if (value & 0xff)
    return false;
  apic.base = value;
  return true;
}

static bool
msr_read (void *self, uint32_t number, uint64_t *value)
{
  *value = apic.x2[number & 255];
  return apic.base & 0x400;
}

static bool
msr_write (void *self, uint32_t number, uint64_t value)
{
  if (apic.base & 0x400)
    apic.x2[number & 255] = value;
  return apic.base & 0x400;
}

static void
deadline_write (void *self, uint64_t value, int64_t at)
{
  apic.deadline = value;
  apic.at = at;
}

static const BpInterruptControllerIface lapic = {
  .struct_size = sizeof lapic, .acknowledge = stub_acknowledge, .apic_base_read = base_read, .apic_base_write = base_write, .msr_read = msr_read,
  .msr_write = msr_write, .deadline_read = deadline_read, .deadline_write = deadline_write
};

static void
with_apic (void)
{
  open_vcpu ("max");
  apic.base = 0xfee00900;
  apic.deadline = 0;
  vcpu.intc = env->intc.table = &lapic;
}

/* --- exits as the kernel reports them -------------------------------------------------------------- */

static bool
writes (uint32_t number, uint64_t value, unsigned reason)
{
  vcpu.run->msr.index = number;
  vcpu.run->msr.data = value;
  vcpu.run->msr.reason = reason;
  vcpu.run->msr.error = 9;
  kvm_msr_exit (&vcpu, true);
  return !vcpu.run->msr.error;
}

static bool
reads (uint32_t number, unsigned reason)
{
  vcpu.run->msr.index = number;
  vcpu.run->msr.data = 0;
  vcpu.run->msr.reason = reason;
  vcpu.run->msr.error = 9;
  kvm_msr_exit (&vcpu, false);
  return !vcpu.run->msr.error;
}

START_TEST (apic_base)
{
  uint64_t value;
  with_apic ();
  ck_assert (reads (0x1b, KVM_MSR_EXIT_REASON_FILTER));
  ck_assert_uint_eq (vcpu.run->msr.data, 0xfee00900);
  ck_assert (writes (0x1b, 0xfee00100, KVM_MSR_EXIT_REASON_FILTER));
  ck_assert_uint_eq (apic.base, 0xfee00100);
  ck_assert (kvm_msr_get (&vcpu, 0x1b, &value) && value == 0xfee00100);         /* CPUID follows */
  ck_assert (!writes (0x1b, 0xfee00101, KVM_MSR_EXIT_REASON_FILTER));
  kvm.irqchip = KVM_IRQCHIP_KERNEL;     /* not ours to answer */
  ck_assert (!reads (0x1b, KVM_MSR_EXIT_REASON_INVAL));
  close_vcpu ();
}
END_TEST

START_TEST (x2apic)
{
  with_apic ();
  ck_assert (!reads (0x803, KVM_MSR_EXIT_REASON_INVAL));
  apic.base |= 0x400;
  ck_assert (writes (0x808, 0x40, KVM_MSR_EXIT_REASON_INVAL));
  ck_assert (reads (0x808, KVM_MSR_EXIT_REASON_INVAL));
  ck_assert_uint_eq (vcpu.run->msr.data, 0x40);
  close_vcpu ();
}
END_TEST

/* The deadline is the kernel's counter's, the timer virtual time's. */
START_TEST (deadline)
{
  with_apic ();
  stub.time = 1000000;
  uint64_t tsc = kvm_tsc_now (&vcpu), ms = vcpu.sync.tsc_khz;
  ck_assert (writes (0x6e0, tsc + 5000 * ms, KVM_MSR_EXIT_REASON_FILTER));
  ck_assert_int_gt (apic.at, stub.time + 3 * BP_NS_PER_SECOND);
  ck_assert_int_le (apic.at, stub.time + 5 * BP_NS_PER_SECOND);
  ck_assert (reads (0x6e0, KVM_MSR_EXIT_REASON_FILTER));
  ck_assert_uint_eq (vcpu.run->msr.data, tsc + 5000 * ms);
  ck_assert (writes (0x6e0, 1, KVM_MSR_EXIT_REASON_FILTER));    /* over */
  ck_assert_int_eq (apic.at, stub.time);
  ck_assert (writes (0x6e0, ~(uint64_t) 0, KVM_MSR_EXIT_REASON_FILTER));
  ck_assert_int_gt (apic.at, stub.time);
  ck_assert (writes (0x6e0, 0, KVM_MSR_EXIT_REASON_FILTER));
  ck_assert_uint_eq (apic.deadline, 0);
  close_vcpu ();
}
END_TEST

START_TEST (the_models)
{
  with_apic ();
  ck_assert (reads (0x179, KVM_MSR_EXIT_REASON_FILTER));        /* no banks of machine checks */
  ck_assert_uint_eq (vcpu.run->msr.data, 0);
  ck_assert (!reads (0x12345678, KVM_MSR_EXIT_REASON_UNKNOWN));
  ck_assert (!writes (0x12345678, 0, KVM_MSR_EXIT_REASON_UNKNOWN));
  ck_assert (!writes (0xc0000080, ~(uint64_t) 0, KVM_MSR_EXIT_REASON_INVAL));   /* what the kernel finds wrong is wrong */
  close_vcpu ();
}
END_TEST

/* --- a guest does it: mov $0x1b,%ecx; rdmsr; or $0x400,%eax; wrmsr; mov $0x808,%ecx; mov $0x30,%eax; wrmsr; rdmsr; out %al,$0x80 ------------- */

START_TEST (a_guest)
{
  static const uint8_t code[] = {
    0x66, 0xb9, 0x1b, 0, 0, 0, 0x0f, 0x32, 0x66, 0x0d, 0, 4, 0, 0, 0x0f, 0x30, 0x66, 0xb9, 0x08, 0x08, 0, 0, 0x66, 0xb8, 0x30, 0, 0, 0, 0x66, 0x31, 0xd2,
    0x0f, 0x30, 0x0f, 0x32, 0xe6, 0x80
  };
  unsigned reason, exits = 0;
  with_apic ();
  memcpy (memory + 0x1000, code, sizeof code);
  BpX86State s = state_of ();
  s.segment[BP_X86_CS] = (BpX86Segment) { 0x100, 0x9b, 0xffff, 0x1000 };
  s.rip = 0;
  x86_cpu_iface.set_state (env, &s);
  kvm_state_put (&vcpu);
  while ((reason = run_once ()) == KVM_EXIT_X86_RDMSR || reason == KVM_EXIT_X86_WRMSR) {
    exits++;
    kvm_msr_exit (&vcpu, reason == KVM_EXIT_X86_WRMSR);
  }
  ck_assert_uint_eq (reason, KVM_EXIT_IO);
  ck_assert_uint_eq (exits, 4);
  ck_assert_uint_eq (apic.base, 0xfee00d00);
  ck_assert_uint_eq (apic.x2[8], 0x30);
  ck_assert_uint_eq (*((uint8_t *) vcpu.run + vcpu.run->io.data_offset), 0x30);
  close_vcpu ();
}
END_TEST

static void
add (TCase *c)
{
  tcase_add_test (c, apic_base);
  tcase_add_test (c, x2apic);
  tcase_add_test (c, deadline);
  tcase_add_test (c, the_models);
  tcase_add_test (c, a_guest);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return has_kvm () ? run_suite ("kvm-msr", tests, 1) : SKIPPED;
}

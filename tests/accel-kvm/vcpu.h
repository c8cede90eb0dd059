/* vcpu.h -- one vCPU of the kernel's and one x86-cpu object, without core or run loop: what the tests of state.c, msr.c, cpuid.c and debug.c stand on. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ACCEL_KVM_VCPU_H
#define TESTS_ACCEL_KVM_VCPU_H

#define STUB_WITH_CPU
#include "target-i386/stub-machine.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "accel-kvm/kvm.h"

/* The translator's table is not part of this. */
const BpTcgFrontend x86_frontend;

enum { MEMORY = 1 << 20, SKIPPED = 77 };
static Kvm kvm = { .kvm = -1, .vm = -1 };
static KvmVcpu vcpu = { .fd = -1 };
static uint8_t *memory;
static unsigned warnings;
static KvmIrqchip irqchip;      /* of the next open_vcpu */
/* Until close_vcpu: ioctls that the kernel does not know, a capability that it lacks. */
static unsigned long failing, failing_too;
static int lacking = -1;
static bool hides_pkru;         /* KVM_GET_XSAVE does not mark it */
static bool moves_tsc;          /* the kernel does (one that is itself a guest's may not) */

/* What the kernel was last given: one that is itself a guest's may show something else. */
static struct {
  struct kvm_cpuid2 list;
  struct kvm_cpuid_entry2 entries[256];
} given;

/* The counter of a kernel as Linux is, until close_vcpu: it moves by its offset alone when what is written is near. */
static struct {
  bool is_on, has_offset;
  uint64_t host, offset;
} fake_tsc;

/* true: it was about that. */
static inline bool
fake_tsc_ioctl (unsigned long request, const void *argument, int *result)
{
  const struct kvm_device_attr *attribute = argument;
  struct kvm_msrs *msrs = (struct kvm_msrs *) argument;
  bool is_offset = request == KVM_GET_DEVICE_ATTR || request == KVM_SET_DEVICE_ATTR;
  bool is_msr = (request == KVM_GET_MSRS || request == KVM_SET_MSRS) && msrs->nmsrs == 1 && msrs->entries[0].index == 0x10;
  if (!fake_tsc.is_on || (!is_offset && !is_msr))
    return false;
  *result = is_msr ? 1 : fake_tsc.has_offset ? 0 : -ENXIO;
  if (request == KVM_GET_MSRS)
    msrs->entries[0].data = (fake_tsc.host += 100) + fake_tsc.offset;
  else if (request == KVM_SET_MSRS && ABS ((int64_t) (msrs->entries[0].data - fake_tsc.host - fake_tsc.offset)) > 1000 * (int64_t) vcpu.sync.tsc_khz)
    fake_tsc.offset = msrs->entries[0].data - fake_tsc.host;
  else if (request == KVM_GET_DEVICE_ATTR)
    *(uint64_t *) attribute->addr = fake_tsc.offset;
  else if (request == KVM_SET_DEVICE_ATTR)
    fake_tsc.offset = *(uint64_t *) attribute->addr;
  return true;
}

int
kvm_ioctl (int fd, unsigned long request, const void *argument)
{
  int r;
  if (request == failing || request == failing_too)
    return -EINVAL;
  if (fake_tsc_ioctl (request, argument, &r))
    return r;
  if (request == KVM_SET_CPUID2)
    memcpy (&given, argument, sizeof given.list + MIN (((const struct kvm_cpuid2 *) argument)->nent, 256) * sizeof given.entries[0]);
  do
    r = ioctl (fd, request, argument);
  while (r < 0 && errno == EINTR);
  if (hides_pkru && request == KVM_GET_XSAVE)
    ((uint8_t *) argument)[512 + 1] &= (uint8_t) ~2;
  return r < 0 ? -errno : r;
}

int
kvm_has (const Kvm *k, int capability)
{
  int r = capability == lacking ? 0 : kvm_ioctl (k->vm, KVM_CHECK_EXTENSION, (void *) (intptr_t) capability);
  return MAX (r, 0);
}

const char *bp_object_id (const void *self) { return "cpu0"; }

void
bp_warn (const void *self, const char *format, ...)
{
  warnings++;
}

/* Whether this host has KVM, with the message of a skipped test. */
static inline bool
has_kvm (void)
{
  int fd = open ("/dev/kvm", O_RDWR | O_CLOEXEC), version = fd < 0 ? -errno : kvm_ioctl (fd, KVM_GET_API_VERSION, NULL);
  if (version != 12)
    printf ("skipped: /dev/kvm does not open, or is not KVM's: %s\n", g_strerror (-version));
  if (fd >= 0)
    close (fd);
  return version == 12;
}

/* A CPU after reset, of this model and in the kernel. */
static inline void
open_vcpu (const char *model)
{
  GError *error = NULL;
  setup ();
  env->tcg.ops = NULL;
  env->memory = (BpAddressSpace *) &stub;       /* what is read of it is stub.ram */
  env->tsc_frequency = 2400000000u;
  env->model = (char *) model;
  ck_assert (x86_configure_features (env, &error));
  x86_reset_registers (env, false);
  warnings = 0;
  kvm = (Kvm) { .kvm = open ("/dev/kvm", O_RDWR | O_CLOEXEC), .irqchip = irqchip };
  kvm.vm = kvm_ioctl (kvm.kvm, KVM_CREATE_VM, NULL);
  ck_assert_int_ge (kvm.vm, 0);
  kvm_ioctl (kvm.vm, KVM_SET_TSS_ADDR, (void *) (uintptr_t) 0xfffbd000);
  if (irqchip == KVM_IRQCHIP_KERNEL)
    ck_assert_int_ge (kvm_ioctl (kvm.vm, KVM_CREATE_IRQCHIP, NULL), 0);
  memory = mmap (NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct kvm_userspace_memory_region slot = { .memory_size = MEMORY, .userspace_addr = (uintptr_t) memory };
  ck_assert_int_ge (kvm_ioctl (kvm.vm, KVM_SET_USER_MEMORY_REGION, &slot), 0);
  ck_assert (kvm_cpuid_init (&kvm, &error));
  vcpu = (KvmVcpu) { .kvm = &kvm, .cpu = env, .x86 = &x86_cpu_iface, .fd = kvm_ioctl (kvm.vm, KVM_CREATE_VCPU, NULL) };
  ck_assert_int_ge (vcpu.fd, 0);
  vcpu.run_size = (size_t) kvm_ioctl (kvm.kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
  vcpu.run = mmap (NULL, vcpu.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu.fd, 0);
  ck_assert (vcpu.run != MAP_FAILED);
  kvm.vcpus = g_ptr_array_new ();
  g_ptr_array_add (kvm.vcpus, &vcpu);
  ck_assert_msg (kvm_cpuid_set (&vcpu, &error), "%s: %s", model, error ? error->message : "?");
  kvm_msr_put (&vcpu, 0x10, (uint64_t) 1 << 50);
  kvm_tsc_now (&vcpu);
  moves_tsc = kvm_tsc_now (&vcpu) - ((uint64_t) 1 << 50) < (uint64_t) 10000000000;
}

static inline void
close_vcpu (void)
{
  failing = failing_too = 0;
  lacking = -1;
  hides_pkru = fake_tsc.is_on = false;
  munmap (vcpu.run, vcpu.run_size);
  munmap (memory, MEMORY);
  close (vcpu.fd);
  close (kvm.vm);
  close (kvm.kvm);
  g_free (kvm.supported);
  g_ptr_array_unref (kvm.vcpus);
}

/* The reason why the guest was left. */
static inline unsigned
run_once (void)
{
  int rc = kvm_ioctl (vcpu.fd, KVM_RUN, NULL);
  ck_assert_msg (rc >= 0, "KVM_RUN: %s", g_strerror (-rc));
  return vcpu.run->exit_reason;
}

/* What the guest was left in the middle of is completed. */
static inline void
complete (void)
{
  vcpu.run->immediate_exit = 1;
  ck_assert (ioctl (vcpu.fd, KVM_RUN, NULL) < 0 && errno == EINTR);
  vcpu.run->immediate_exit = 0;
}

static inline BpX86State
state_of (void)
{
  BpX86State s;
  memset (&s, 0, sizeof s);
  s.struct_size = sizeof s;
  x86_cpu_iface.get_state (env, &s);
  return s;
}

#endif

/* msr.c -- model-specific registers: which the kernel keeps, their transfer, and the exits for those that are ours. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/log.h>
#include <string.h>
#include <sys/ioctl.h>
#include "kvm.h"

enum {
  MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_TSC_ADJUST = 0x3b, MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175, MSR_SYSENTER_EIP = 0x176,
  MSR_MCG_CAP = 0x179, MSR_TSC_DEADLINE = 0x6e0, MSR_PKRS = 0x6e1, MSR_X2APIC = 0x800, MSR_X2APIC_LAST = 0x8ff
};
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_SYSCALL_MASK 0xc0000084u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX 0xc0000103u

/* --- one ------------------------------------------------------------------------------------ */

typedef struct OneMsr {
  struct kvm_msrs head;
  struct kvm_msr_entry entry;
} OneMsr;

bool
kvm_msr_put (KvmVcpu *v, uint32_t number, uint64_t value)
{
  OneMsr one = { { .nmsrs = 1 }, { .index = number, .data = value } };
  return kvm_ioctl (v->fd, KVM_SET_MSRS, &one) == 1;
}

bool
kvm_msr_get (KvmVcpu *v, uint32_t number, uint64_t *value)
{
  OneMsr one = { { .nmsrs = 1 }, { .index = number } };
  if (kvm_ioctl (v->fd, KVM_GET_MSRS, &one) != 1)
    return false;
  *value = one.entry.data;
  return true;
}

/* --- the time-stamp counter ----------------------------------------------------------------------- */

uint64_t
kvm_tsc_now (KvmVcpu *v)
{
  uint64_t value = 0;
  kvm_msr_get (v, MSR_TSC, &value);
  return value;
}

static bool
is_apart (const KvmVcpu *v, uint64_t a, uint64_t b, unsigned ms)
{
  uint64_t ahead = a - b, behind = b - a;
  return MIN (ahead, behind) > (uint64_t) ms * v->sync.tsc_khz;
}

/* Virtual time stands while the machine does, the kernel's counter does not.  Only what is off by more than the two drift apart meanwhile was set, by the
 * guest, by a reset, a snapshot or a pause; what is not touched stays in step on all processors. */
bool
kvm_tsc_is_other (const KvmVcpu *v, uint64_t a, uint64_t b)
{
  return is_apart (v, a, b, 1);
}

static bool
tsc_offset (KvmVcpu *v, unsigned long request, uint64_t *offset)
{
  struct kvm_device_attr attribute = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t) offset };
  return kvm_ioctl (v->fd, request, &attribute) >= 0;
}

/* A write of the MSR that is less than a second away from what the counter would be by itself is nothing to KVM but a wish for step with other processors: a
 * short pause would show.  The counter's offset (Linux 5.16) is what is said.  Processors that go on after the same pause, and differ by no more than their
 * objects' counters do for want of being read at once, get the first one's. */
void
kvm_tsc_put (KvmVcpu *v, uint64_t value)
{
  enum { STEP_MS = 100 };
  Kvm *k = v->kvm;
  uint64_t offset;
  if (!tsc_offset (v, KVM_GET_DEVICE_ATTR, &offset)) {
    kvm_msr_put (v, MSR_TSC, value);
    return;
  }
  offset += value - kvm_tsc_now (v);
  g_mutex_lock (&k->tsc_lock);
  if (k->has_tsc_offset && !is_apart (v, offset, k->tsc_offset, STEP_MS))
    offset = k->tsc_offset;
  k->tsc_offset = offset;
  k->has_tsc_offset = true;
  g_mutex_unlock (&k->tsc_lock);
  tsc_offset (v, KVM_SET_DEVICE_ATTR, &offset);
}

void
kvm_tsc_resume (Kvm *k)
{
  g_mutex_lock (&k->tsc_lock);
  k->has_tsc_offset = false;
  g_mutex_unlock (&k->tsc_lock);
}

/* --- those that are a vCPU's state ------------------------------------------------------------- */

/* What BpX86State has a place for. */
static const struct { uint32_t number; size_t at; } placed[] = {
  { MSR_STAR, offsetof (BpX86State, star) }, { MSR_LSTAR, offsetof (BpX86State, lstar) }, { MSR_CSTAR, offsetof (BpX86State, cstar) },
  { MSR_SYSCALL_MASK, offsetof (BpX86State, sfmask) }, { MSR_KERNEL_GS_BASE, offsetof (BpX86State, kernel_gs_base) },
  { MSR_TSC_AUX, offsetof (BpX86State, tsc_aux) }, { MSR_SYSENTER_CS, offsetof (BpX86State, sysenter_cs) },
  { MSR_SYSENTER_ESP, offsetof (BpX86State, sysenter_esp) }, { MSR_SYSENTER_EIP, offsetof (BpX86State, sysenter_eip) },
  { MSR_PKRS, offsetof (BpX86State, pkrs) }
};

static uint64_t *
place_of (BpX86State *s, uint32_t number)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (placed); i++)
    if (placed[i].number == number)
      return (uint64_t *) ((uint8_t *) s + placed[i].at);
  return NULL;
}

/* Those that the kernel does not know, or not on this host, are left out: the list of KVM_GET_MSR_INDEX_LIST is not all (MTRRs came late). */
static void
try_msr (KvmVcpu *v, uint32_t number)
{
  KvmSync *y = &v->sync;
  uint64_t value;
  if (v->kvm->irqchip != KVM_IRQCHIP_OURS && (number == MSR_APIC_BASE || number == MSR_TSC_DEADLINE))
    return;
  if (y->n_msrs < G_N_ELEMENTS (y->msr) && kvm_msr_get (v, number, &value))
    y->msr[y->n_msrs++] = (KvmStateMsr) { .number = number };
  else
    bp_log_unimp (v->cpu, "KVM does not keep MSR %08x", number);
}

void
kvm_msrs_init (KvmVcpu *v)
{
  uint32_t numbers[G_N_ELEMENTS (v->sync.msr)];
  unsigned n = v->x86->state_msrs (v->cpu, numbers, G_N_ELEMENTS (numbers));
  v->sync.n_msrs = 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (placed); i++)
    try_msr (v, placed[i].number);
  for (unsigned i = 0; i < MIN (n, G_N_ELEMENTS (numbers)); i++)
    try_msr (v, numbers[i]);
}

/* All at once; the kernel stops at the first that it does not like, and says how many went well. */
typedef struct AllMsrs {
  struct kvm_msrs head;
  struct kvm_msr_entry entry[G_N_ELEMENTS (((KvmSync *) 0)->msr)];
} AllMsrs;

static void
drop_msr (KvmVcpu *v, unsigned i)
{
  KvmSync *y = &v->sync;
  bp_log_unimp (v->cpu, "KVM does not keep MSR %08x any more", y->msr[i].number);
  y->n_msrs--;
  memmove (y->msr + i, y->msr + i + 1, (y->n_msrs - i) * sizeof y->msr[0]);
}

void
kvm_msrs_get (KvmVcpu *v, BpX86State *s)
{
  KvmSync *y = &v->sync;
  AllMsrs all;
  for (;;) {
    memset (&all, 0, sizeof all);
    all.head.nmsrs = y->n_msrs;
    for (unsigned i = 0; i < y->n_msrs; i++)
      all.entry[i].index = y->msr[i].number;
    int n = y->n_msrs ? kvm_ioctl (v->fd, KVM_GET_MSRS, &all) : 0;
    if (n < 0) {
      kvm_state_refused (v, "model-specific registers", n);
      return;
    }
    if ((unsigned) n >= y->n_msrs)
      break;
    drop_msr (v, (unsigned) n);
  }
  for (unsigned i = 0; i < y->n_msrs; i++) {
    uint64_t *place = place_of (s, y->msr[i].number), old, now = all.entry[i].data;
    if (place)
      *place = now;
    else if (!v->x86->get_msr (v->cpu, y->msr[i].number, &old) || old != now)
      v->x86->set_msr (v->cpu, y->msr[i].number, now);
  }
}

/* What the kernel has refused is not offered again: the same register with another value is, since most were refused for the value. */
static unsigned
what_to_put (KvmVcpu *v, const BpX86State *s, AllMsrs *all, KvmStateMsr **from)
{
  KvmSync *y = &v->sync;
  unsigned count = 0;
  memset (all, 0, sizeof *all);
  for (unsigned i = 0; i < y->n_msrs; i++) {
    KvmStateMsr *m = &y->msr[i];
    const uint64_t *place = place_of ((BpX86State *) s, m->number);
    uint64_t value = place ? *place : 0;
    if ((!place && !v->x86->get_msr (v->cpu, m->number, &value)) || (m->was_refused && m->refused == value))
      continue;
    from[count] = m;
    all->entry[count++] = (struct kvm_msr_entry) { .index = m->number, .data = value };
  }
  return count;
}

void
kvm_msrs_put (KvmVcpu *v, const BpX86State *s)
{
  KvmStateMsr *from[G_N_ELEMENTS (v->sync.msr)];
  AllMsrs all;
  unsigned count = what_to_put (v, s, &all, from), done = 0;
  while (done < count) {
    all.head.nmsrs = count - done;
    int n = kvm_ioctl (v->fd, KVM_SET_MSRS, &all);
    if (n < 0)
      kvm_state_refused (v, "model-specific registers", n);
    if (n < 0 || (unsigned) n >= count - done)
      return;
    KvmStateMsr *m = from[done + (unsigned) n];
    bp_log_unimp (v->cpu, "KVM does not take MSR %08x = %" G_GINT64_MODIFIER "x", m->number, (uint64_t) all.entry[n].data);
    m->was_refused = true;
    m->refused = all.entry[n].data;
    done += (unsigned) n + 1;
    memmove (all.entry, all.entry + n + 1, (count - done) * sizeof all.entry[0]);
  }
}

/* --- exits ------------------------------------------------------------------------------------------ */

/* The kernel answers some registers itself, and wrongly, when local APICs are ours; and it has banks of machine checks that the model has not. */
static bool
set_filter (Kvm *k, bool apic_is_ours)
{
  static uint8_t none[8];       /* a clear bit: an exit */
  struct kvm_msr_filter filter = {
    .flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
    .ranges = {
      { .flags = KVM_MSR_FILTER_READ, .nmsrs = 1, .base = MSR_MCG_CAP, .bitmap = none },
      { .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, .nmsrs = 1, .base = MSR_APIC_BASE, .bitmap = none },
      { .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, .nmsrs = 1, .base = MSR_TSC_DEADLINE, .bitmap = none }
    }
  };
  if (!apic_is_ours)
    memset (&filter.ranges[1], 0, 2 * sizeof filter.ranges[1]);
  return kvm_ioctl (k->vm, KVM_X86_SET_MSR_FILTER, &filter) >= 0;
}

bool
kvm_msr_exits_init (Kvm *k)
{
  struct kvm_enable_cap cap = {
    .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER }
  };
  bool exits = kvm_has (k, KVM_CAP_X86_USER_SPACE_MSR) && kvm_ioctl (k->vm, KVM_ENABLE_CAP, &cap) >= 0;
  return exits && kvm_has (k, KVM_CAP_X86_MSR_FILTER) && set_filter (k, k->irqchip == KVM_IRQCHIP_OURS);
}

/* The controller counts virtual time; the guest's counter is the kernel's. */
static bool
deadline_put (KvmVcpu *v, uint64_t value)
{
  BpMachine *machine = bp_object_machine (v->cpu);
  uint64_t now;
  if (!v->x86->get_msr (v->cpu, MSR_TSC_DEADLINE, &now) || !BP_TABLE_HAS (v->intc, deadline_write))
    return false;
  uint64_t counter = kvm_tsc_now (v), ticks = value > counter ? value - counter : 0;
  unsigned __int128 ns = ((unsigned __int128) ticks * 1000000 + v->sync.tsc_khz - 1) / v->sync.tsc_khz;
  bp_machine_lock (machine);
  int64_t at = bp_clock_now (machine, BP_CLOCK_VIRTUAL);
  v->intc->deadline_write (v->intc_instance, value, ns > (uint64_t) (INT64_MAX - at) ? INT64_MAX : at + (int64_t) ns);
  bp_machine_unlock (machine);
  return true;
}

static bool
is_apics (uint32_t number)
{
  return number == MSR_APIC_BASE || number == MSR_TSC_DEADLINE || (number >= MSR_X2APIC && number <= MSR_X2APIC_LAST);
}

static bool
write_ours (KvmVcpu *v, uint32_t number, uint64_t value)
{
  if (number == MSR_TSC_DEADLINE)
    return deadline_put (v, value);
  if (!v->x86->set_msr (v->cpu, number, value))
    return false;
  if (number == MSR_APIC_BASE)
    kvm_msr_put (v, number, value);     /* CPUID says whether there is one */
  return true;
}

/* What the kernel knows and finds wrong is wrong; what it does not know the CPU may. */
void
kvm_msr_exit (KvmVcpu *v, bool write)
{
  struct kvm_run *run = v->run;
  uint32_t number = run->msr.index;
  uint64_t value = run->msr.data;
  bool ours = is_apics (number) ? v->kvm->irqchip == KVM_IRQCHIP_OURS : run->msr.reason != KVM_MSR_EXIT_REASON_INVAL;
  bool ok = ours && (write ? write_ours (v, number, value) : v->x86->get_msr (v->cpu, number, &value));
  if (!ok && write)
    bp_log_unimp (v->cpu, "write of MSR %08x = %016" G_GINT64_MODIFIER "x", number, value);
  else if (!ok)
    bp_log_unimp (v->cpu, "read of MSR %08x", number);
  if (ok && !write)
    run->msr.data = value;
  run->msr.error = !ok;
}

/* cpuid.c -- CPUID: the model's, as far as the host has it; and the rate of the time-stamp counter. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "kvm.h"

enum { EAX, EBX, ECX, EDX };

/* --- what the host has --------------------------------------------------------------------- */

bool
kvm_cpuid_init (Kvm *k, GError **error)
{
  for (unsigned n = 128; n <= 4096; n *= 2) {
    struct kvm_cpuid2 *list = g_malloc0 (sizeof *list + n * sizeof list->entries[0]);
    list->nent = n;
    int rc = kvm_ioctl (k->kvm, KVM_GET_SUPPORTED_CPUID, list);
    if (rc >= 0) {
      g_free (k->supported);
      k->supported = list;
      return true;
    }
    g_free (list);
    if (rc != -E2BIG) {
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "KVM_GET_SUPPORTED_CPUID: %s", g_strerror (-rc));
      return false;
    }
  }
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "KVM_GET_SUPPORTED_CPUID: more than 4096 entries");
  return false;
}

static const struct kvm_cpuid_entry2 *
supported (const Kvm *k, uint32_t leaf, uint32_t subleaf)
{
  for (unsigned i = 0; i < k->supported->nent; i++) {
    const struct kvm_cpuid_entry2 *e = &k->supported->entries[i];
    bool is_indexed = e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
    if (e->function == leaf && (!is_indexed || e->index == subleaf))
      return e;
  }
  return NULL;
}

static uint32_t
supported_bits (const Kvm *k, uint32_t leaf, uint32_t subleaf, unsigned reg)
{
  const struct kvm_cpuid_entry2 *e = supported (k, leaf, subleaf);
  if (!e)
    return 0;
  const uint32_t words[4] = { e->eax, e->ebx, e->ecx, e->edx };
  return words[reg];
}

/* --- the list in the making ------------------------------------------------------------------- */

typedef struct Cpuid {
  KvmVcpu *v;
  GArray *entries;              /* of struct kvm_cpuid_entry2 */
  GString *missing;             /* names of features */
  bool has_msr_exits;
} Cpuid;

static void
add (Cpuid *c, uint32_t leaf, uint32_t subleaf, bool is_indexed, const uint32_t r[4])
{
  struct kvm_cpuid_entry2 e = {
    .function = leaf, .index = subleaf, .flags = is_indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0, .eax = r[EAX], .ebx = r[EBX], .ecx = r[ECX], .edx = r[EDX]
  };
  g_array_append_val (c->entries, e);
}

static void
name_missing (Cpuid *c, uint32_t leaf, uint32_t subleaf, unsigned reg, uint32_t bits)
{
  for (unsigned i = 0; i < 32; i++) {
    const char *name = bits >> i & 1 && BP_TABLE_HAS (c->v->x86, feature_name) ? c->v->x86->feature_name (c->v->cpu, leaf, subleaf, reg, i) : NULL;
    if (!(bits >> i & 1))
      continue;
    g_string_append (c->missing, c->missing->len ? ", " : "");
    if (name)
      g_string_append (c->missing, name);
    else
      g_string_append_printf (c->missing, "CPUID.%x.%u:%s[%u]", leaf, subleaf, (const char *const[]) { "EAX", "EBX", "ECX", "EDX" }[reg], i);
  }
}

/* Words of features: the model's, but for what the host has not.  `free` bits are not the host's business. */
static const struct Word { uint32_t leaf; uint8_t subleaf, reg; uint32_t free; } words[] = {
  /* APIC and HTT; x2APIC, TSC deadline (the model has them when its interrupt controller does), OSXSAVE (CR4), hypervisor */
  { 1, 0, EDX, 1u << 9 | 1u << 28 }, { 1, 0, ECX, 1u << 21 | 1u << 24 | 1u << 27 | 1u << 31 },
  { 7, 0, EBX, 0 }, { 7, 0, ECX, 1u << 4 /* OSPKE */ }, { 7, 0, EDX, 0 }, { 7, 1, EAX, 0 }, { 7, 1, EDX, 0 }, { 7, 2, EDX, 0 },
  { 13, 1, EAX, 0 }, { 0x80000001, 0, ECX, 0 }, { 0x80000001, 0, EDX, 0 }, { 0x80000007, 0, EDX, 0 }, { 0x80000008, 0, EBX, 0 }
};

static void
filter (Cpuid *c, uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
  for (unsigned i = 0; i < G_N_ELEMENTS (words); i++) {
    const struct Word *w = &words[i];
    if (w->leaf != leaf || w->subleaf != subleaf)
      continue;
    uint32_t missing = r[w->reg] & ~(supported_bits (c->v->kvm, leaf, subleaf, w->reg) | w->free);
    name_missing (c, leaf, subleaf, w->reg, missing);
    r[w->reg] &= ~missing;
  }
}

/* --- leaves with rules of their own ---------------------------------------------------------------- */

/* Without exits for MSRs the kernel would answer for local APICs that it has not. */
static void
leaf_1 (Cpuid *c, uint32_t r[4])
{
  const Kvm *k = c->v->kvm;
  if (k->irqchip == KVM_IRQCHIP_OURS && !c->has_msr_exits)
    r[ECX] &= ~(1u << 21 | 1u << 24);
  if (k->irqchip != KVM_IRQCHIP_OURS && !kvm_has (k, KVM_CAP_TSC_DEADLINE_TIMER))
    r[ECX] &= ~(1u << 24);
}

/* XSAVE is the host's own instruction: the model says which components there are, the host where they lie. */
static void
leaf_13 (Cpuid *c, uint32_t subleaf, uint32_t r[4])
{
  KvmSync *y = &c->v->sync;
  const struct kvm_cpuid_entry2 *e = supported (c->v->kvm, 13, subleaf);
  uint32_t end = 576;
  if (subleaf == 0) {
    y->components = r[EAX] & supported_bits (c->v->kvm, 13, 0, EAX);
    for (unsigned i = 2; i < 32; i++)
      if (y->components >> i & 1)
        end = MAX (end, supported_bits (c->v->kvm, 13, i, EBX) + supported_bits (c->v->kvm, 13, i, EAX));
    y->pkru_at = y->components >> 9 & 1 ? supported_bits (c->v->kvm, 13, 9, EBX) : 0;
    r[EAX] = (uint32_t) y->components;
    r[EBX] = r[ECX] = y->components ? end : 0;  /* (the kernel follows XCR0 in EBX) */
    r[EDX] = 0;
  } else if (subleaf > 1) {
    bool there = e && y->components >> subleaf & 1;
    r[EAX] = there ? e->eax : 0;
    r[EBX] = there ? e->ebx : 0;
    r[ECX] = there ? e->ecx & ~1u : 0;  /* none is a supervisor's */
    r[EDX] = 0;
  } else {
    r[ECX] = r[EDX] = 0;
  }
}

/* Addresses are as wide as the host's at most.  Linear ones have 48 or 57 bits, says the kernel; a processor without long mode says nothing. */
static void
leaf_80000008 (Cpuid *c, uint32_t r[4])
{
  uint32_t host = supported_bits (c->v->kvm, 0x80000008, 0, EAX), linear = r[EAX] >> 8 & 0xff;
  if (host)
    r[EAX] = (r[EAX] & ~0xffu) | MIN (r[EAX] & 0xff, host & 0xff);
  if (linear != 48 && linear != 57)
    r[EAX] &= ~0xff00u;
}

static void
leaf (Cpuid *c, uint32_t number, uint32_t subleaf, bool is_indexed, uint32_t r[4])
{
  enum { LM = 1u << 29, SYSCALL = 1u << 11 };
  c->v->x86->cpuid (c->v->cpu, number, subleaf, r);
  if (number == 0x80000001 && r[EDX] & LM)
    r[EDX] |= SYSCALL;          /* the model says so in 64-bit mode only; this is said once */
  filter (c, number, subleaf, r);
  if (number == 1)
    leaf_1 (c, r);
  else if (number == 13)
    leaf_13 (c, subleaf, r);
  else if (number == 0x80000008)
    leaf_80000008 (c, r);
  add (c, number, subleaf, is_indexed, r);
}

/* Which subleaves there are. */
static void
leaves_of (Cpuid *c, uint32_t number)
{
  uint32_t r[4], last = 0;
  switch (number) {
  case 4:
    for (unsigned i = 0; i < 16; i++) {
      leaf (c, number, i, true, r);
      if (!(r[EAX] & 31))
        break;
    }
    break;
  case 7:
    for (unsigned i = 0; i <= last; i++) {
      leaf (c, number, i, true, r);
      last = i ? last : MIN (r[EAX], 8);
    }
    break;
  case 11:
    for (unsigned i = 0; i < 3; i++)
      leaf (c, number, i, true, r);
    break;
  case 13:
    leaf (c, number, 0, true, r);
    leaf (c, number, 1, true, r);
    for (unsigned i = 2; i < 63; i++)
      if (c->v->sync.components >> i & 1)
        leaf (c, number, i, true, r);
    break;
  default:
    leaf (c, number, 0, false, r);
  }
}

/* KVM's own leaves, for a guest that may know.  Clocks and the like are left out: their MSRs are in no processor's state. */
static void
hypervisor_leaves (Cpuid *c)
{
  enum { KVM_FEATURE_NOP_IO_DELAY = 1 << 1 };
  uint32_t head[4] = { 0x40000001, 0, 0, 0 }, features[4] = { 0 };
  memcpy (head + EBX, "KVMKVMKVM\0\0", 12);
  features[EAX] = supported_bits (c->v->kvm, 0x40000001, 0, EAX) & KVM_FEATURE_NOP_IO_DELAY;
  add (c, 0x40000000, 0, false, head);
  add (c, 0x40000001, 0, false, features);
}

static void
all_leaves (Cpuid *c)
{
  uint32_t r[4], n;
  c->v->x86->cpuid (c->v->cpu, 0, 0, r);
  n = MIN (r[EAX], 0x40);
  for (uint32_t i = 0; i <= n; i++)
    leaves_of (c, i);
  c->v->x86->cpuid (c->v->cpu, 1, 0, r);
  if (r[ECX] >> 31)
    hypervisor_leaves (c);
  c->v->x86->cpuid (c->v->cpu, 0x80000000, 0, r);
  for (uint32_t i = 0x80000000; r[EAX] >= 0x80000000 && i <= MIN (r[EAX], 0x80000040); i++)
    leaves_of (c, i);
}

/* --- time-stamp counter --------------------------------------------------------------------------------- */

/* A host that scales lets it count as the model says.  On others the model says how it counts. */
static void
set_tsc_rate (KvmVcpu *v)
{
  enum { TOLERANCE = 4000 };    /* 250 ppm, as the kernel's */
  int64_t wanted = BP_TABLE_HAS (v->x86, tsc_frequency) ? (int64_t) (v->x86->tsc_frequency (v->cpu) / 1000) : 0;
  int khz = kvm_has (v->kvm, KVM_CAP_GET_TSC_KHZ) ? kvm_ioctl (v->fd, KVM_GET_TSC_KHZ, NULL) : -1;
  if (wanted && khz > 0 && ABS (wanted - khz) > khz / TOLERANCE && kvm_has (v->kvm, KVM_CAP_TSC_CONTROL)
      && kvm_ioctl (v->fd, KVM_SET_TSC_KHZ, (const void *) (intptr_t) wanted) >= 0)
    khz = kvm_ioctl (v->fd, KVM_GET_TSC_KHZ, NULL);
  v->sync.tsc_khz = (uint32_t) (khz > 0 ? khz : wanted > 0 ? wanted : 1000000);
  if (khz > 0 && wanted != khz && BP_TABLE_HAS (v->x86, set_tsc_frequency)) {
    bp_log (BP_LOG_CPU_RESET, "the time-stamp counter counts %d kHz, which is this host's", khz);
    v->x86->set_tsc_frequency (v->cpu, (uint64_t) khz * 1000);
  }
}

/* --- a vCPU's ---------------------------------------------------------------------------------------------- */

/* Paravirtual registers that CPUID does not announce are not there. */
static void
enforce (KvmVcpu *v)
{
  struct kvm_enable_cap cap = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };
  if (kvm_has (v->kvm, KVM_CAP_ENFORCE_PV_FEATURE_CPUID))
    kvm_ioctl (v->fd, KVM_ENABLE_CAP, &cap);
}

static int
give (KvmVcpu *v, const GArray *entries)
{
  g_autofree struct kvm_cpuid2 *list = g_malloc0 (sizeof *list + entries->len * sizeof list->entries[0]);
  list->nent = entries->len;
  memcpy (list->entries, entries->data, entries->len * sizeof list->entries[0]);
  return kvm_ioctl (v->fd, KVM_SET_CPUID2, list);
}

bool
kvm_cpuid_set (KvmVcpu *v, GError **error)
{
  Cpuid c = { .v = v, .entries = g_array_new (false, true, sizeof (struct kvm_cpuid_entry2)), .missing = g_string_new (NULL) };
  c.has_msr_exits = kvm_msr_exits_init (v->kvm);
  enforce (v);
  set_tsc_rate (v);
  all_leaves (&c);
  int rc = give (v, c.entries);
  if (rc < 0)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%s: KVM refuses the model's CPUID: %s", bp_object_id (v->cpu), g_strerror (-rc));
  else if (c.missing->len && bp_vcpu_index (v->vcpu) == 0)
    bp_warn (v->cpu, "the model's features without this host's support are left out: %s", c.missing->str);
  v->xsave_size = MAX ((uint32_t) kvm_has (v->kvm, KVM_CAP_XSAVE2), 4096u);
  kvm_msrs_init (v);
  g_array_unref (c.entries);
  g_string_free (c.missing, TRUE);
  return rc >= 0;
}

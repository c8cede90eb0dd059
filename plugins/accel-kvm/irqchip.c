/* irqchip.c -- interrupt controllers in the kernel: which, whose, and when they have the state. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/log.h>
#include <backplane/machine.h>
#include <string.h>
#include "irqchip.h"

#define IOAPIC_ADDRESS UINT64_C (0xfec00000)
#define LAPIC_HZ "1000000000"           /* the kernel's timers count at this rate */
enum { MSR_TSC_DEADLINE = 0x6e0 };

/* --- what the machine has -------------------------------------------------------------------- */

static KvmChip *lapic_at (KvmChips *c, unsigned n) { return &g_array_index (c->lapics, KvmChip, n); }

static bool
is_whole (const BpX86IrqchipIface *t)
{
  return BP_TABLE_HAS (t, take_over) && BP_TABLE_HAS (t, get_state) && BP_TABLE_HAS (t, set_state);
}

/* Of two of a kind the kernel could be neither: then there is none. */
static void
find_chips (KvmChips *c, BpMachine *machine)
{
  unsigned n[2] = { 0 };
  void *object;
  for (unsigned cursor = 0; (object = bp_machine_next (machine, BP_X86_IRQCHIP_ID, &cursor));) {
    KvmChip chip = { .chips = c, .object = object, .iface = bp_object_interface (object, BP_X86_IRQCHIP_ID) };
    if (!is_whole (chip.iface))
      continue;
    if (chip.iface->kind == BP_X86_LAPIC)
      g_array_append_val (c->lapics, chip);
    else {
      KvmChip *one = chip.iface->kind == BP_X86_IOAPIC ? &c->ioapic : &c->pic;
      *one = n[one == &c->ioapic]++ ? (KvmChip) { .chips = c } : chip;
    }
  }
}

/* Whether accesses to these addresses would reach the device if they reached anything. */
static bool
is_mapped (BpAddressSpace *as, uint64_t address, const void *device)
{
  const BpFlatRange *r = bp_as_lookup (as, address);
  bool is = r && bp_region_owner (r->region) == device;
  if (r)
    bp_as_leave (as);
  return is;
}

static unsigned
apic_id_of (void *cpu, const BpX86CpuIface *x86)
{
  uint32_t out[4] = { 0 };
  if (BP_TABLE_HAS (x86, cpuid))
    x86->cpuid (cpu, 1, 0, out);
  return out[1] >> 24;
}

static bool
has_text (const void *object, const char *property, const char *wanted)
{
  g_autofree char *text = bp_object_get (object, property, NULL);
  return !text || strcmp (text, wanted) == 0;
}

/* What keeps the kernel from being this processor's local APIC; NULL: nothing. */
static char *
lapic_reason (KvmChips *c, void *cpu)
{
  const BpX86CpuIface *x86 = bp_object_interface (cpu, BP_X86_CPU_ID);
  void *controller = NULL;
  if (!BP_TABLE_HAS (x86, controller) || !x86->controller (cpu, &controller))
    controller = NULL;
  guint n = 0;
  while (n < c->lapics->len && (!controller || lapic_at (c, n)->object != controller))
    n++;
  if (n == c->lapics->len)
    return g_strdup_printf ("%s has no local APIC as its `intc`", bp_object_id (cpu));
  g_autofree char *id = g_strdup_printf ("%u", apic_id_of (cpu, x86));
  if (!has_text (controller, "id", id))
    return g_strdup_printf ("%s: its `id` is not %s, the APIC ID of %s", bp_object_id (controller), id, bp_object_id (cpu));
  if (!has_text (controller, "timer-frequency", LAPIC_HZ))
    return g_strdup_printf ("%s: its `timer-frequency` is not %s, the kernel's", bp_object_id (controller), LAPIC_HZ);
  return NULL;
}

static char *
lapics_reason (KvmChips *c, BpMachine *machine)
{
  void *cpu;
  unsigned n = 0;
  char *reason = NULL;
  for (unsigned cursor = 0; !reason && (cpu = bp_machine_next (machine, BP_X86_CPU_ID, &cursor)); n++)
    reason = lapic_reason (c, cpu);
  if (!reason && n != c->lapics->len)
    reason = g_strdup_printf ("there are %u processors and %u local APICs", n, c->lapics->len);
  return reason;
}

static char *
split_reason (KvmChips *c, BpMachine *machine)
{
  Kvm *k = c->k;
  if (!kvm_has (k, KVM_CAP_SPLIT_IRQCHIP) || !kvm_has (k, KVM_CAP_SIGNAL_MSI) || !kvm_has (k, KVM_CAP_IRQ_ROUTING))
    return g_strdup ("this host's KVM lacks KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_SIGNAL_MSI or KVM_CAP_IRQ_ROUTING");
  if (c->ioapic.object && (!BP_TABLE_HAS (c->ioapic.iface, split) || !BP_TABLE_HAS (c->ioapic.iface, end_of_interrupt)))
    return g_strdup_printf ("%s cannot work beside local APICs of the kernel", bp_object_id (c->ioapic.object));
  return lapics_reason (c, machine);
}

static char *
kernel_reason (KvmChips *c, BpMachine *machine)
{
  static const uint16_t ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
  Kvm *k = c->k;
  if (!kvm_has (k, KVM_CAP_IRQCHIP) || !kvm_has (k, KVM_CAP_SIGNAL_MSI) || !kvm_has (k, KVM_CAP_IRQ_ROUTING))
    return g_strdup ("this host's KVM lacks KVM_CAP_IRQCHIP, KVM_CAP_SIGNAL_MSI or KVM_CAP_IRQ_ROUTING");
  if (!c->pic.object || !c->ioapic.object)
    return g_strdup ("the machine has not one i8259 pair and one I/O APIC");
  for (unsigned i = 0; i < BP_N_ELEMENTS (ports); i++)
    if (!is_mapped (bp_machine_address_space (machine, "io"), ports[i], c->pic.object))
      return g_strdup_printf ("%s is not at port 0x%x", bp_object_id (c->pic.object), ports[i]);
  if (!is_mapped (bp_machine_address_space (machine, "memory"), IOAPIC_ADDRESS, c->ioapic.object))
    return g_strdup_printf ("%s is not at 0xfec00000", bp_object_id (c->ioapic.object));
  return lapics_reason (c, machine);
}

/* --- making ---------------------------------------------------------------------------------------- */

/* `auto' is `split' where it can be, else `ours': local APICs in the kernel are what makes interrupts, timers and messages fast; the others are the same
 * devices as under any accelerator, and guests that care for speed do not use them much. */
static bool
choose (KvmChips *c, BpMachine *machine, GError **error)
{
  Kvm *k = c->k;
  static const char *const names[] = { "ours", "split", "kernel", "auto" };
  if (k->irqchip == KVM_IRQCHIP_OURS)
    return true;
  g_autofree char *reason = k->irqchip == KVM_IRQCHIP_KERNEL ? kernel_reason (c, machine) : split_reason (c, machine);
  if (k->irqchip == KVM_IRQCHIP_AUTO)
    k->irqchip = reason ? KVM_IRQCHIP_OURS : KVM_IRQCHIP_SPLIT;
  else if (reason) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "irqchip = %s is impossible here: %s; irqchip = ours always works", names[k->irqchip], reason);
    return false;
  }
  return true;
}

static bool
make (Kvm *k, GError **error)
{
  struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { N_IOAPIC_INPUTS } };
  bool is_split = k->irqchip == KVM_IRQCHIP_SPLIT;
  int r = is_split ? kvm_ioctl (k->vm, KVM_ENABLE_CAP, &split) : kvm_ioctl (k->vm, KVM_CREATE_IRQCHIP, NULL);
  if (r < 0)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "KVM makes no %s: %s; irqchip = ours always works", is_split ? "local APICs" : "interrupt controllers",
                 g_strerror (-r));
  return r >= 0;
}

static void
chips_free (KvmChips *c)
{
  kvm_message_fds_finish (c);
  bp_timer_free (c->halt_timer);
  g_array_unref (c->lapics);
  g_free (c);
}

bool
kvm_irqchip_init (Kvm *k, GError **error)
{
  BpMachine *machine = bp_object_machine (k);
  KvmChips *c = g_new0 (KvmChips, 1);
  c->k = k;
  c->lapics = g_array_new (FALSE, TRUE, sizeof (KvmChip));
  c->fds = g_array_new (FALSE, TRUE, sizeof (KvmMessageFd));
  find_chips (c, machine);
  bool fine = choose (c, machine, error) && (k->irqchip == KVM_IRQCHIP_OURS || make (k, error));
  if (!fine || k->irqchip == KVM_IRQCHIP_OURS)
    chips_free (c);
  else
    k->chips = c;
  return fine;
}

static void
entry_changed (void *user, unsigned entry)
{
  ((KvmChips *) user)->routes_stale = true;
}

/* --- processors that halt for good ------------------------------------------------------------------- */

#define LOOK_EVERY (INT64_C (500) * 1000000)

/* A local APIC's processor halts in the kernel, which does not say so: from time to time they are called out and looked at. */
static void
call_out (void *user)
{
  KvmChips *c = user;
  for (guint i = 0; i < c->k->vcpus->len; i++) {
    KvmVcpu *v = c->k->vcpus->pdata[i];
    if (v->exits_on_halt)
      bp_vcpu_kick (v->vcpu);
  }
  bp_timer_arm (c->halt_timer, bp_clock_now (bp_object_machine (c->k), BP_CLOCK_REALTIME) + LOOK_EVERY);
}

static void
watch_halts (KvmChips *c)
{
  bool any = false;
  for (guint i = 0; i < c->k->vcpus->len; i++)
    any |= ((KvmVcpu *) c->k->vcpus->pdata[i])->exits_on_halt;
  if (!any)
    return;
  c->halt_timer = bp_timer_new (c->k, BP_CLOCK_REALTIME, call_out, c);
  call_out (c);
}

void
kvm_irqchip_look_at_halt (KvmVcpu *v)
{
  struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
  if (!v->kvm->chips || !v->exits_on_halt || v->run->if_flag || kvm_ioctl (v->fd, KVM_GET_MP_STATE, &state) < 0)
    return;
  if (state.mp_state == KVM_MP_STATE_HALTED)
    bp_machine_request_shutdown (bp_object_machine (v->cpu), 0, "the CPU halted with interrupts disabled");
}

/* --- starting -------------------------------------------------------------------------------------------- */

static KvmVcpu *
vcpu_of_lapic (const Kvm *k, const void *lapic)
{
  for (guint i = 0; i < k->vcpus->len; i++)
    if (((KvmVcpu *) k->vcpus->pdata[i])->intc_instance == lapic)
      return k->vcpus->pdata[i];
  return NULL;
}

bool
kvm_irqchip_start (Kvm *k, GError **error)
{
  KvmChips *c = k->chips;
  if (!c)
    return true;
  for (guint i = 0; i < c->lapics->len; i++)
    lapic_at (c, i)->v = vcpu_of_lapic (k, lapic_at (c, i)->object);
  if (k->irqchip == KVM_IRQCHIP_SPLIT && c->ioapic.object)
    c->ioapic.iface->split (c->ioapic.object, entry_changed, c);
  if (kvm_routes_commit (c)) {
    watch_halts (c);
    return true;
  }
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "KVM takes no table of interrupts; irqchip = ours always works");
  return false;
}

/* --- inputs of what was taken over ------------------------------------------------------------------- */

static void
set_gsi (const KvmChip *chip, uint32_t gsi, int level)
{
  struct kvm_irq_level line = { .irq = gsi, .level = (uint32_t) level };
  kvm_ioctl (chip->chips->k->vm, KVM_IRQ_LINE, &line);
}

static void pic_line (void *user, unsigned input, int level) { set_gsi (user, GSI_I8259 + input, level); }
static void ioapic_line (void *user, unsigned input, int level) { set_gsi (user, GSI_IOAPIC + input, level); }

/* LINT1 as the guest has set it up, which the kernel has a line for only as an NMI. */
static void
raise_lint1 (void *cpu, void *user)
{
  static const uint32_t offset = 0x360, masked = 1 << 16, nmi = 4 << 8, delivery = 7 << 8;
  KvmVcpu *v = user;
  struct kvm_lapic_state page = { .regs = { 0 } };
  uint32_t entry;
  if (kvm_ioctl (v->fd, KVM_GET_LAPIC, &page) < 0)
    return;
  memcpy (&entry, page.regs + offset, sizeof entry);
  if (!(entry & masked) && (entry & delivery) == nmi)
    bp_vcpu_raise (v->vcpu, BP_VCPU_IRQ_NMI);
  else if (!(entry & masked))
    bp_log_unimp (v->cpu, "LINT1 = %05x: with local APICs in the kernel it is an NMI or nothing", entry);
}

/* LINT0 is our i8259's request; its vector goes in as that of a machine without local APICs would, when the kernel says that it may. */
static void
lapic_line (void *user, unsigned input, int level)
{
  const KvmChip *chip = user;
  if (input == 1 && level && chip->chips->running)
    bp_vcpu_run_on (chip->v->vcpu, raise_lint1, chip->v, false);
  if (input == 0 && chip->chips->k->irqchip == KVM_IRQCHIP_SPLIT)
    (level ? bp_vcpu_raise : bp_vcpu_lower) (chip->v->vcpu, BP_VCPU_IRQ_HARD);
}

static const BpX86IrqchipOwner pic_owner = { .struct_size = sizeof pic_owner, .line = pic_line };
static const BpX86IrqchipOwner ioapic_owner = { .struct_size = sizeof ioapic_owner, .line = ioapic_line };
static const BpX86IrqchipOwner lapic_owner = { .struct_size = sizeof lapic_owner, .line = lapic_line };

/* --- kernel to devices ---------------------------------------------------------------------------------- */

static void
fetch_pair_and_ioapic (KvmChips *c)
{
  BpX86IrqchipState state = { .struct_size = sizeof state };
  if (kvm_i8259_get (c->k, &state.i8259))
    c->pic.iface->set_state (c->pic.object, &state);
  c->ioapic.iface->get_state (c->ioapic.object, &state);
  if (kvm_ioapic_get (c->k, &state.ioapic))
    c->ioapic.iface->set_state (c->ioapic.object, &state);
}

static void
fetch_lapic (KvmChip *chip, uint64_t *deadline)
{
  BpX86IrqchipState state = { .struct_size = sizeof state };
  *deadline = 0;
  if (!kvm_lapic_get (chip->v, &state.lapic))
    return;
  chip->iface->set_state (chip->object, &state);
  *deadline = state.lapic.deadline;
}

/* Local APICs first: they hear the others.  When a deadline comes is the processor's to say, which has the counter. */
void
kvm_irqchip_get (Kvm *k)
{
  KvmChips *c = k->chips;
  if (!c || !c->running)
    return;
  bp_machine_lock (bp_object_machine (k));
  kvm_message_fds_suspend (c);
  c->running = false;
  bool whole = k->irqchip == KVM_IRQCHIP_KERNEL;
  if (whole)
    fetch_pair_and_ioapic (c);
  for (guint i = 0; i < c->lapics->len; i++) {
    KvmChip *chip = lapic_at (c, i);
    uint64_t deadline;
    fetch_lapic (chip, &deadline);
    bp_vcpu_lower (chip->v->vcpu, BP_VCPU_IRQ_HARD);
    chip->iface->take_over (chip->object, NULL, NULL);
    if (deadline)
      chip->v->x86->set_msr (chip->v->cpu, MSR_TSC_DEADLINE, deadline);
  }
  if (whole) {
    c->ioapic.iface->take_over (c->ioapic.object, NULL, NULL);
    c->pic.iface->take_over (c->pic.object, NULL, NULL);
  }
  bp_machine_unlock (bp_object_machine (k));
}

/* --- devices to kernel ------------------------------------------------------------------------------------ */

static void
put_chip (KvmChip *chip, const BpX86IrqchipOwner *owner)
{
  BpX86IrqchipState state = { .struct_size = sizeof state };
  chip->iface->get_state (chip->object, &state);
  chip->iface->take_over (chip->object, owner, chip);
  if (chip->iface->kind == BP_X86_I8259_PAIR)
    kvm_i8259_put (chip->chips->k, &state.i8259);
  else if (chip->iface->kind == BP_X86_IOAPIC)
    kvm_ioapic_put (chip->chips->k, &state.ioapic);
  else
    kvm_lapic_put (chip->v, &state.lapic);
}

/* Registers first: a local APIC's timer begins when it is told of the count, or of a deadline of the counter that they hold.  Then from those that hear
 * to those that speak. */
void
kvm_irqchip_put (Kvm *k)
{
  KvmChips *c = k->chips;
  if (!c || c->running)
    return;
  bp_machine_lock (bp_object_machine (k));
  for (guint i = 0; i < k->vcpus->len; i++) {
    KvmVcpu *v = k->vcpus->pdata[i];
    if (v->dirty)
      kvm_state_put (v);
  }
  for (guint i = 0; i < c->lapics->len; i++)
    put_chip (lapic_at (c, i), &lapic_owner);
  if (k->irqchip == KVM_IRQCHIP_KERNEL) {
    put_chip (&c->ioapic, &ioapic_owner);
    put_chip (&c->pic, &pic_owner);
  }
  c->running = true;
  c->routes_stale = true;       /* a reset, a snapshot */
  kvm_message_fds_resume (c);
  bp_machine_unlock (bp_object_machine (k));
}

/* --- ends of interrupts, end of all --------------------------------------------------------------------- */

void
kvm_irqchip_eoi (Kvm *k, uint8_t vector)
{
  KvmChips *c = k->chips;
  if (!c || !c->ioapic.object)
    return;
  bp_machine_lock (bp_object_machine (k));
  c->ioapic.iface->end_of_interrupt (c->ioapic.object, vector);
  bp_machine_unlock (bp_object_machine (k));
}

void
kvm_irqchip_finish (Kvm *k)
{
  KvmChips *c = k->chips;
  if (!c)
    return;
  if (k->irqchip == KVM_IRQCHIP_SPLIT && c->ioapic.object)
    c->ioapic.iface->split (c->ioapic.object, NULL, NULL);
  k->chips = NULL;
  chips_free (c);
}

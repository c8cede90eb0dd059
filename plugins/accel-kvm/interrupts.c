/* interrupts.c -- pending bits on their way into the guest, and interrupt controllers of ours beside the kernel's processor. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"
#include <backplane/log.h>
#include <sys/ioctl.h>

#define EFLAGS_IF (1u << 9)
#define NMIS (BP_VCPU_IRQ_NMI | BP_X86_IRQ_NMI_2)

static bool has_kernel_apic (const KvmVcpu *v) { return v->kvm->irqchip != KVM_IRQCHIP_OURS; }

static BpMachine *machine_of (const KvmVcpu *v) { return bp_object_machine (v->cpu); }

/* --- our local APIC and the kernel's CR8 and IA32_APIC_BASE -------------------------------------- */

static bool has_our_apic (const KvmVcpu *v) { return !has_kernel_apic (v) && BP_TABLE_HAS (v->intc, priority_read); }

/* What the guest reads as CR8 is our APIC's priority; the guest may have written that through the APIC's page. */
static void
bring_priority (KvmVcpu *v)
{
  if (!v->tpr_is_stale)
    return;
  v->tpr_is_stale = false;
  if (!has_our_apic (v))
    return;
  bp_machine_lock (machine_of (v));
  v->cr8 = v->intc->priority_read (v->intc_instance);
  bp_machine_unlock (machine_of (v));
  v->run->cr8 = v->cr8;
}

void
kvm_after_run (KvmVcpu *v)
{
  bool has_priority = v->run->cr8 != v->cr8, has_base = v->run->apic_base != v->apic_base;
  if (G_LIKELY (!has_priority && !has_base) || !has_our_apic (v))
    return;
  bp_machine_lock (machine_of (v));
  if (has_priority && BP_TABLE_HAS (v->intc, priority_write))
    v->intc->priority_write (v->intc_instance, (uint8_t) v->run->cr8);
  if (has_base && BP_TABLE_HAS (v->intc, apic_base_write) && !v->intc->apic_base_write (v->intc_instance, v->run->apic_base))
    bp_log_guest (v->cpu, "IA32_APIC_BASE = 0x%" G_GINT64_MODIFIER "x: the local APIC refuses it, KVM has taken it", (uint64_t) v->run->apic_base);
  bp_machine_unlock (machine_of (v));
  v->cr8 = (uint8_t) v->run->cr8;
  v->apic_base = v->run->apic_base;
}

/* A processor that has halted in the kernel does not leave it for the interrupt window that was asked for.  So what the kernel would take now must be known before
 * it goes in: called without entering the guest it says so.  The flag stays: the loop clears it before it looks at what kicks are about. */
static void
ask_what_is_ready (KvmVcpu *v)
{
  __atomic_store_n (&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
  ioctl (v->fd, KVM_RUN, 0);
}

/* The kernel says some things only when it leaves the guest, which it has not since. */
void
kvm_after_put (KvmVcpu *v)
{
  BpX86State s = { .struct_size = sizeof s };
  struct kvm_sregs sregs;
  v->x86->get_state (v->cpu, &s);
  v->run->if_flag = (s.rflags & EFLAGS_IF) != 0;
  v->run->ready_for_interrupt_injection = 0;
  v->run->cr8 = s.cr8;
  v->cr8 = (uint8_t) s.cr8;
  v->tpr_is_stale = true;
  if (kvm_ioctl (v->fd, KVM_GET_SREGS, &sregs) >= 0)
    v->run->apic_base = v->apic_base = sregs.apic_base;
  if (v->kvm->irqchip == KVM_IRQCHIP_SPLIT)
    ask_what_is_ready (v);
}

/* --- RESET, INIT, SIPI ------------------------------------------------------------------------------- */

static void
put_now (KvmVcpu *v)
{
  kvm_state_put (v);
  kvm_after_put (v);
}

static void
start_over (KvmVcpu *v, bool init)
{
  kvm_vcpu_fetch (v);
  bp_vcpu_lower (v->vcpu, BP_X86_IRQ_RESET | BP_VCPU_IRQ_INIT | NMIS | BP_VCPU_IRQ_SMI);
  bp_log (BP_LOG_CPU_RESET, "CPU %u: %s", bp_vcpu_index (v->vcpu), init ? "INIT" : "RESET");
  v->x86->reset_registers (v->cpu, init);
  put_now (v);
}

/* SDM 3A 8.4.3: real mode, CS:IP at the page that the vector names. */
static void
start_up (KvmVcpu *v)
{
  BpX86State s = { .struct_size = sizeof s };
  uint8_t vector = BP_TABLE_HAS (v->x86, startup_vector) ? v->x86->startup_vector (v->cpu) : 0;
  bp_vcpu_lower (v->vcpu, BP_VCPU_IRQ_SIPI);
  kvm_vcpu_fetch (v);
  v->x86->get_state (v->cpu, &s);
  s.segment[BP_X86_CS].selector = (uint16_t) (vector << 8);
  s.segment[BP_X86_CS].base = (uint64_t) vector << 12;
  s.rip = 0;
  s.halted = 0;
  s.activity = BP_X86_ACTIVE;
  v->x86->set_state (v->cpu, &s);
  put_now (v);
  v->activity = BP_X86_ACTIVE;
  bp_log (BP_LOG_CPU_RESET, "CPU %u starts at %05x", bp_vcpu_index (v->vcpu), (unsigned) vector << 12);
}

/* --- NMI, interrupts ------------------------------------------------------------------------------------ */

/* The kernel keeps one while another is handled, as a processor does. */
static void
send_nmis (KvmVcpu *v, uint32_t pending)
{
  static const uint32_t bits[] = { BP_VCPU_IRQ_NMI, BP_X86_IRQ_NMI_2 };
  for (unsigned i = 0; i < BP_N_ELEMENTS (bits); i++) {
    if (!(pending & bits[i]))
      continue;
    bp_vcpu_lower (v->vcpu, bits[i]);
    kvm_ioctl (v->fd, KVM_NMI, NULL);
  }
}

static bool
nmi_is_blocked (const KvmVcpu *v)
{
  struct kvm_vcpu_events e;
  return kvm_ioctl (v->fd, KVM_GET_VCPU_EVENTS, &e) >= 0 && e.nmi.masked;
}

/* One goes in when the guest takes it now; while more wait, the guest is left as soon as it would. */
static void
send_interrupt (KvmVcpu *v, uint32_t pending)
{
  struct kvm_run *run = v->run;
  run->request_interrupt_window = 0;
  if (!(pending & BP_VCPU_IRQ_HARD) || v->kvm->irqchip == KVM_IRQCHIP_KERNEL || !BP_TABLE_HAS (v->intc, acknowledge))
    return;
  if (run->ready_for_interrupt_injection && run->if_flag) {
    bp_machine_lock (machine_of (v));
    bool is_there = bp_vcpu_pending (v->vcpu) & BP_VCPU_IRQ_HARD;       /* it may have gone before the lock was free */
    int vector = is_there ? v->intc->acknowledge (v->intc_instance) : -1;
    bp_machine_unlock (machine_of (v));
    if (vector < 0)
      return;
    struct kvm_interrupt irq = { (uint32_t) vector & 0xff };
    int r = kvm_ioctl (v->fd, KVM_INTERRUPT, &irq);
    if (r < 0)
      bp_warn (v->kvm, "KVM does not take interrupt %02x: %s", irq.irq, g_strerror (-r));
    bp_log (BP_LOG_INT, "CPU %u: interrupt %02x", bp_vcpu_index (v->vcpu), irq.irq);
    run->ready_for_interrupt_injection = 0;
  }
  run->request_interrupt_window = (bp_vcpu_pending (v->vcpu) & pending & BP_VCPU_IRQ_HARD) != 0;
}

/* HLT ended here, in this program: what wakes the processor from it? */
static bool
stays_halted (KvmVcpu *v, uint32_t pending)
{
  if (v->activity != BP_X86_HALTED)
    return true;                /* shut down, or waiting for a start-up message */
  if (pending & BP_VCPU_IRQ_HARD && v->run->if_flag)
    return false;
  return !(pending & BP_VCPU_IRQ_SMI) && (!(pending & NMIS) || nmi_is_blocked (v));
}

bool
kvm_see_to_events (KvmVcpu *v)
{
  uint32_t pending = bp_vcpu_pending (v->vcpu);
  if (G_UNLIKELY (pending & (BP_X86_IRQ_RESET | BP_VCPU_IRQ_INIT))) {
    start_over (v, !(pending & BP_X86_IRQ_RESET));
    pending = bp_vcpu_pending (v->vcpu);
  }
  if (G_UNLIKELY (pending & BP_VCPU_IRQ_SIPI)) {
    if (v->activity == BP_X86_WAIT_SIPI)
      start_up (v);
    else
      bp_vcpu_lower (v->vcpu, BP_VCPU_IRQ_SIPI);        /* one that runs already */
  }
  if (v->activity != BP_X86_ACTIVE && (!has_kernel_apic (v) || v->activity == BP_X86_SHUTDOWN)) {
    if (stays_halted (v, pending))
      return false;
    v->activity = BP_X86_ACTIVE;
  }
  if (G_UNLIKELY (pending & BP_VCPU_IRQ_SMI)) {
    bp_vcpu_lower (v->vcpu, BP_VCPU_IRQ_SMI);
    bp_log_unimp (v->cpu, "system management mode: SMI# ignored");
  }
  if (G_UNLIKELY (kvm_debug_masks (v)))
    pending &= ~(NMIS | BP_VCPU_IRQ_HARD);
  if (G_UNLIKELY (pending & NMIS))
    send_nmis (v, pending);
  bring_priority (v);
  send_interrupt (v, pending);
  return true;
}

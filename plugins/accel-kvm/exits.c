/* exits.c -- why the guest was left: ports, memory that is no RAM, HLT, and what went wrong. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"
#include <backplane/log.h>
#include <backplane/machine.h>
#include <errno.h>

#define HEX "%" G_GINT64_MODIFIER "x"

static BpMachine *machine_of (const KvmVcpu *v) { return bp_object_machine (v->cpu); }

/* --- devices ------------------------------------------------------------------------------- */

/* INS and OUTS come with all that fits a page. */
static void
handle_io (KvmVcpu *v)
{
  struct kvm_run *run = v->run;
  uint8_t *data = (uint8_t *) run + run->io.data_offset;
  unsigned size = run->io.size;
  for (unsigned i = 0; i < run->io.count; i++, data += size) {
    if (run->io.direction == KVM_EXIT_IO_OUT)
      kvm_write_bytes (v->kvm->io, run->io.port, data, size);
    else
      kvm_read_bytes (v->kvm->io, run->io.port, data, size);
  }
}

static void
handle_mmio (KvmVcpu *v)
{
  struct kvm_run *run = v->run;
  unsigned size = MIN (run->mmio.len, 8);
  if (run->mmio.is_write)
    kvm_write_bytes (v->kvm->memory, run->mmio.phys_addr, run->mmio.data, size);
  else
    kvm_read_bytes (v->kvm->memory, run->mmio.phys_addr, run->mmio.data, size);
}

/* The guest goes on with addresses of 32 bits and more: what a program for an 8086 would find at 1 MiB is not what it finds. */
static void
look_at_a20 (KvmVcpu *v)
{
  static bool said;
  if (said || !bp_log_on (BP_LOG_UNIMP) || !BP_TABLE_HAS (v->x86, a20_closed) || !v->x86->a20_closed (v->cpu))
    return;
  said = true;
  bp_log_unimp (v->cpu, "the A20 gate is closed: under KVM address line 20 is never forced low");
}

/* --- the processor stops ----------------------------------------------------------------------- */

/* The guest's trap flag: HLT is over before it begins. */
static bool
halt_traps (const KvmVcpu *v)
{
  struct kvm_vcpu_events e = { .flags = 0 };
  return kvm_ioctl (v->fd, KVM_GET_VCPU_EVENTS, &e) >= 0 && (e.exception.injected || e.exception.pending);
}

static void
handle_halt (KvmVcpu *v)
{
  if (halt_traps (v))
    return;
  v->activity = BP_X86_HALTED;
  if (v->exits_on_halt && !v->run->if_flag)
    bp_machine_request_shutdown (machine_of (v), 0, "the CPU halted with interrupts disabled");
  kvm_debug_halted (v);
}

static char *
registers_text (KvmVcpu *v)
{
  static const char names[16][4] = { "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15" };
  static const char segments[8][4] = { "ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR" };
  BpX86State s = { .struct_size = sizeof s };
  GString *text = g_string_new (NULL);
  kvm_vcpu_fetch (v);
  v->x86->get_state (v->cpu, &s);
  for (unsigned i = 0; i < 16; i++)
    g_string_append_printf (text, "%s=%016" G_GINT64_MODIFIER "x%c", names[i], s.gpr[i], i % 4 == 3 ? '\n' : ' ');
  g_string_append_printf (text, "RIP=%016" G_GINT64_MODIFIER "x RFLAGS=" HEX "\n", s.rip, s.rflags);
  for (unsigned i = 0; i < 8; i++)
    g_string_append_printf (text, "%s=%04x " HEX " %x %04x%c", segments[i], s.segment[i].selector, s.segment[i].base, s.segment[i].limit,
                            s.segment[i].attributes, i % 4 == 3 ? '\n' : ' ');
  g_string_append_printf (text, "GDT=" HEX " %x IDT=" HEX " %x\n", s.gdtr.base, s.gdtr.limit, s.idtr.base, s.idtr.limit);
  g_string_append_printf (text, "CR0=" HEX " CR2=" HEX " CR3=" HEX " CR4=" HEX " EFER=" HEX, s.cr0, s.cr2, s.cr3, s.cr4, s.efer);
  return g_string_free (text, FALSE);
}

/* A triple fault: nothing but a reset helps, and a PC resets itself. */
static void
shut_down (KvmVcpu *v)
{
  v->activity = BP_X86_SHUTDOWN;
  bp_log (BP_LOG_CPU_RESET, "triple fault");
  if (bp_log_on (BP_LOG_INT | BP_LOG_CPU_RESET)) {
    g_autofree char *registers = registers_text (v);
    bp_log (BP_LOG_CPU_RESET, "%s", registers);
  }
  bp_machine_request_reset (machine_of (v), "triple fault");
}

/* The kernel cannot go on with this vCPU, whoever's fault that is.  The machine stands, and can be looked at; who continues it has it tried once more. */
static void
give_up (KvmVcpu *v, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *why = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *registers = registers_text (v);
  bp_warn (v->kvm, "CPU %u: %s; the machine is stopped\n%s", bp_vcpu_index (v->vcpu), why, registers);
  bp_machine_request_stop (machine_of (v), BP_RUN_PAUSED);
}

static void
internal_error (KvmVcpu *v)
{
  const struct kvm_run *run = v->run;
  GString *text = g_string_new (NULL);
  bool has_bytes = run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES && run->internal.ndata > 1;
  unsigned n = has_bytes ? MIN (run->emulation_failure.insn_size, sizeof run->emulation_failure.insn_bytes) : 0;
  switch (run->internal.suberror) {
  case KVM_INTERNAL_ERROR_EMULATION:
    g_string_append (text, "KVM cannot emulate an instruction (code outside of RAM, or an operand there that it does not know)");
    for (unsigned i = 0; i < n; i++)
      g_string_append_printf (text, "%s%02x", i ? " " : ": ", run->emulation_failure.insn_bytes[i]);
    break;
  case KVM_INTERNAL_ERROR_SIMUL_EX:
    g_string_append (text, "KVM met an exception while it delivered another");
    break;
  case KVM_INTERNAL_ERROR_DELIVERY_EV:
    g_string_append (text, "KVM could not deliver an event, because of an access outside of RAM");
    break;
  default:
    g_string_append_printf (text, "KVM's internal error %u", run->internal.suberror);
    for (unsigned i = 0; i < MIN (run->internal.ndata, 16); i++)
      g_string_append_printf (text, " " HEX, (uint64_t) run->internal.data[i]);
  }
  g_autofree char *why = g_string_free (text, FALSE);
  give_up (v, "%s", why);
}

static void
system_event (KvmVcpu *v)
{
  switch (v->run->system_event.type) {
  case KVM_SYSTEM_EVENT_SHUTDOWN:
    bp_machine_request_shutdown (machine_of (v), 0, "the guest asked KVM for it");
    break;
  case KVM_SYSTEM_EVENT_RESET:
    bp_machine_request_reset (machine_of (v), "the guest asked KVM for it");
    break;
  case KVM_SYSTEM_EVENT_CRASH:
    bp_log_guest (v->cpu, "the guest tells that it has crashed");
    bp_machine_request_reset (machine_of (v), "the guest has crashed");
    break;
  default:
    give_up (v, "KVM's system event %u is not known", v->run->system_event.type);
  }
}

void
kvm_run_failed (KvmVcpu *v, int error)
{
  if (error == EFAULT)
    give_up (v, "KVM cannot reach the guest's memory (is the file or the huge page behind it gone?)");
  else
    give_up (v, "KVM does not run it: %s", g_strerror (error));
}

/* --- all of them ----------------------------------------------------------------------------------- */

void
kvm_handle_exit (KvmVcpu *v)
{
  struct kvm_run *run = v->run;
  switch (run->exit_reason) {
  case KVM_EXIT_IO:
    v->incomplete = true;
    handle_io (v);
    look_at_a20 (v);
    break;
  case KVM_EXIT_MMIO:
    v->incomplete = v->tpr_is_stale = true;
    handle_mmio (v);
    break;
  case KVM_EXIT_HLT:
    handle_halt (v);
    break;
  case KVM_EXIT_X86_RDMSR:
  case KVM_EXIT_X86_WRMSR:
    v->incomplete = v->tpr_is_stale = true;
    kvm_msr_exit (v, run->exit_reason == KVM_EXIT_X86_WRMSR);
    break;
  case KVM_EXIT_DEBUG:
    kvm_debug_exit (v);
    break;
  case KVM_EXIT_IOAPIC_EOI:
    kvm_irqchip_eoi (v->kvm, run->eoi.vector);
    break;
  case KVM_EXIT_INTR:
  case KVM_EXIT_IRQ_WINDOW_OPEN:
  case KVM_EXIT_SET_TPR:        /* seen to by kvm_after_run */
    break;
  case KVM_EXIT_SHUTDOWN:
    shut_down (v);
    break;
  case KVM_EXIT_INTERNAL_ERROR:
    internal_error (v);
    break;
  case KVM_EXIT_SYSTEM_EVENT:
    system_event (v);
    break;
  case KVM_EXIT_FAIL_ENTRY:
    give_up (v, "the processor does not enter the guest: reason 0x" HEX, (uint64_t) run->fail_entry.hardware_entry_failure_reason);
    break;
  case KVM_EXIT_UNKNOWN:
    give_up (v, "KVM left the guest for a reason of the processor's, 0x" HEX, (uint64_t) run->hw.hardware_exit_reason);
    break;
  default:
    give_up (v, "KVM left the guest for reason %u, which is not known here", run->exit_reason);
  }
}

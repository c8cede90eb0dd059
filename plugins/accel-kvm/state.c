/* state.c -- registers: between the kernel and the CPU object. */
/* SPDX-License-Identifier: MIT */
/*
 * The order of the calls is part of KVM's interface.  On the way out the activity comes first, since asking for it may take an INIT or a start-up message
 * that waits, which changes registers and ends events.  On the way in, control registers come first (what else is taken depends on the mode), then
 * general registers, whose ioctl forgets a pending exception, FP state before XCR0, MSRs, and events last.
 */
#include <backplane/log.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "kvm.h"

enum { CR0_PE = 1, CR4_PAE = 1 << 5, EFER_LMA = 1 << 10 };
#define CR0_PG (1u << 31)
#define RFLAGS_IF (1u << 9)

/* Once a vCPU; without its registers there is no guest to go on with. */
void
kvm_state_refused (KvmVcpu *v, const char *what, int error)
{
  if (v->sync.is_broken)
    return;
  v->sync.is_broken = true;
  bp_warn (v->cpu, "KVM refuses its %s: %s%s", what, g_strerror (-error),
           error == -EINVAL ? " (are they those of a processor with features that this host lacks, or that no processor has?)" : "");
  bp_machine_request_shutdown (bp_object_machine (v->cpu), 1, "KVM does not take over the processor's state");
}

static bool
transfer (KvmVcpu *v, unsigned long request, void *argument, const char *what)
{
  int rc = kvm_ioctl (v->fd, request, argument);
  if (rc < 0)
    kvm_state_refused (v, what, rc);
  return rc >= 0;
}

/* --- segments ------------------------------------------------------------------------------ */

enum { SEG_ACCESSED = 1, SEG_BUSY = 2, SEG_S = 1 << 4, SEG_P = 1 << 7, SEG_G = 1 << 15, SYS_LDT = 2, SYS_TSS_BUSY = 11 };

static void
segment_get (const struct kvm_segment *k, unsigned number, BpX86Segment *s)
{
  unsigned level = (unsigned) k->dpl << 5;
  s->selector = k->selector;
  s->base = k->base;
  s->limit = k->limit;
  if (k->unusable || !k->present)
    s->attributes = (uint16_t) (number == BP_X86_SS ? level : 0);
  else
    s->attributes = (uint16_t) (k->type | (unsigned) k->s << 4 | level | SEG_P | (unsigned) k->avl << 12 | (unsigned) k->l << 13
                                | (unsigned) k->db << 14 | (unsigned) k->g << 15);
}

/* What a processor never has in a register, but a loader or a debugger may put there, would be refused on the way into the guest (SDM 3C 26.3.1.2):
 * segments without the accessed bit, a TSS that is not busy, a granularity that the limit contradicts. */
static void
segment_put (const BpX86Segment *s, unsigned number, struct kvm_segment *k)
{
  unsigned a = s->attributes;
  memset (k, 0, sizeof *k);
  k->selector = s->selector;
  k->base = s->base;
  k->limit = s->limit;
  if (number == BP_X86_TR) {
    a = a & SEG_P ? a | SEG_BUSY : SEG_P | SYS_TSS_BUSY;
    a &= ~(unsigned) SEG_S;
  } else if (number == BP_X86_LDTR) {
    a = (a & (SEG_P | SEG_S | 15)) == (SEG_P | SYS_LDT) ? a : 0;
  } else if (a & SEG_P && a & SEG_S) {
    a |= SEG_ACCESSED;
  }
  k->dpl = a >> 5 & 3;
  k->unusable = !(a & SEG_P);
  if (k->unusable)
    return;
  k->present = 1;
  k->type = a & 15;
  k->s = a >> 4 & 1;
  k->avl = a >> 12 & 1;
  k->l = a >> 13 & 1;
  k->db = a >> 14 & 1;
  k->g = s->limit > 0xfffff || (a & SEG_G && (s->limit & 0xfff) == 0xfff);
  if (k->g)
    k->limit |= 0xfff;
}

/* In BpX86State's order. */
static struct kvm_segment *
segment_of (struct kvm_sregs2 *k, unsigned number)
{
  struct kvm_segment *const all[8] = { &k->es, &k->cs, &k->ss, &k->ds, &k->fs, &k->gs, &k->ldt, &k->tr };
  return all[number];
}

/* --- segments, control registers, tables ------------------------------------------------------- */

/* Both structs begin alike; the older one ends with interrupts instead of page-directory pointers. */
G_STATIC_ASSERT (offsetof (struct kvm_sregs2, flags) == offsetof (struct kvm_sregs, interrupt_bitmap));

static bool
sregs_get (KvmVcpu *v, struct kvm_sregs2 *k)
{
  struct kvm_sregs old;
  if (kvm_has (v->kvm, KVM_CAP_SREGS2))
    return transfer (v, KVM_GET_SREGS2, k, "segments and control registers");
  memset (k, 0, sizeof *k);
  if (!transfer (v, KVM_GET_SREGS, &old, "segments and control registers"))
    return false;
  memcpy (k, &old, offsetof (struct kvm_sregs2, flags));
  return true;
}

static void
sregs_put (KvmVcpu *v, struct kvm_sregs2 *k)
{
  struct kvm_sregs old = { .interrupt_bitmap = { 0 } };
  if (kvm_has (v->kvm, KVM_CAP_SREGS2)) {
    transfer (v, KVM_SET_SREGS2, k, "segments and control registers");
    return;
  }
  memcpy (&old, k, offsetof (struct kvm_sregs2, flags));
  transfer (v, KVM_SET_SREGS, &old, "segments and control registers");
}

static bool
uses_pdptes (const BpX86State *s)
{
  return s->cr0 & CR0_PG && s->cr4 & CR4_PAE && !(s->efer & EFER_LMA);
}

/* CR8 is a local APIC's task priority: of one of ours, unless there is none. */
static bool
has_our_priority (const KvmVcpu *v)
{
  return v->kvm->irqchip == KVM_IRQCHIP_OURS && BP_TABLE_HAS (v->intc, priority_read);
}

static void
system_get (KvmVcpu *v, BpX86State *s)
{
  struct kvm_sregs2 k;
  if (!sregs_get (v, &k))
    return;
  for (unsigned i = 0; i < 8; i++)
    segment_get (segment_of (&k, i), i, &s->segment[i]);
  s->gdtr.base = k.gdt.base;
  s->gdtr.limit = k.gdt.limit;
  s->idtr.base = k.idt.base;
  s->idtr.limit = k.idt.limit;
  s->cr0 = k.cr0;
  s->cr2 = k.cr2;
  s->cr3 = k.cr3;
  s->cr4 = k.cr4;
  s->efer = k.efer;
  if (!has_our_priority (v))
    s->cr8 = k.cr8;
  if (k.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID)
    memcpy (s->pdpte, k.pdptrs, sizeof s->pdpte);
}

/* The kernel keeps IA32_APIC_BASE of its own APICs; of ours it wants to know for CPUID. */
static uint64_t
apic_base (KvmVcpu *v)
{
  struct kvm_sregs2 k;
  uint64_t base = 0;
  if (v->kvm->irqchip != KVM_IRQCHIP_OURS)
    return sregs_get (v, &k) ? k.apic_base : 0;
  return v->x86->get_msr (v->cpu, 0x1b, &base) ? base : 0;
}

static void
system_put (KvmVcpu *v, const BpX86State *s)
{
  struct kvm_sregs2 k;
  memset (&k, 0, sizeof k);
  for (unsigned i = 0; i < 8; i++)
    segment_put (&s->segment[i], i, segment_of (&k, i));
  k.gdt.base = s->gdtr.base;
  k.gdt.limit = (uint16_t) s->gdtr.limit;
  k.idt.base = s->idtr.base;
  k.idt.limit = (uint16_t) s->idtr.limit;
  k.cr0 = s->cr0;
  k.cr2 = s->cr2;
  k.cr3 = s->cr3;
  k.cr4 = s->cr4;
  k.cr8 = s->cr8;
  k.efer = s->efer;
  k.apic_base = apic_base (v);
  if (uses_pdptes (s)) {
    k.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
    memcpy (k.pdptrs, s->pdpte, sizeof s->pdpte);
  }
  sregs_put (v, &k);
}

/* --- general registers ------------------------------------------------------------------------------ */

static void
general_get (KvmVcpu *v, BpX86State *s)
{
  struct kvm_regs k;
  if (!transfer (v, KVM_GET_REGS, &k, "general registers"))
    return;
  const uint64_t gpr[16] = { k.rax, k.rcx, k.rdx, k.rbx, k.rsp, k.rbp, k.rsi, k.rdi, k.r8, k.r9, k.r10, k.r11, k.r12, k.r13, k.r14, k.r15 };
  memcpy (s->gpr, gpr, sizeof gpr);
  s->rip = k.rip;
  s->rflags = k.rflags;
}

static void
general_put (KvmVcpu *v, const BpX86State *s)
{
  const uint64_t *g = s->gpr;
  struct kvm_regs k = {
    .rax = g[0], .rcx = g[1], .rdx = g[2], .rbx = g[3], .rsp = g[4], .rbp = g[5], .rsi = g[6], .rdi = g[7],
    .r8 = g[8], .r9 = g[9], .r10 = g[10], .r11 = g[11], .r12 = g[12], .r13 = g[13], .r14 = g[14], .r15 = g[15],
    .rip = s->rip, .rflags = s->rflags | 2
  };
  transfer (v, KVM_SET_REGS, &k, "general registers");
}

/* --- x87, SSE, AVX, PKRU ------------------------------------------------------------------------------- */

/* The image (SDM 1 13.4): the legacy part as FXSAVE64 has it, whose last 96 bytes are software's; the header's first word says what is not as a reset leaves it. */
enum { FX_ST = 32, FX_XMM = 160, FX_END = 416, FX_MXCSR = 24, HEADER_AT = 512, UPPERS_AT = 576, XSAVE_MIN = 4096 };
enum { HAS_X87 = 1, HAS_SSE = 2, HAS_AVX = 4, HAS_PKRU = 1 << 9 };

static void
image_get (KvmVcpu *v, const uint8_t *image, BpX86State *s)
{
  uint64_t present;
  uint32_t pkru = 0;
  memcpy (&present, image + HEADER_AT, sizeof present);
  memset (s->fxsave, 0, sizeof s->fxsave);
  memset (s->ymm_high, 0, sizeof s->ymm_high);
  memcpy (s->fxsave + FX_MXCSR, image + FX_MXCSR, 8);
  if (present & HAS_X87) {
    memcpy (s->fxsave, image, FX_MXCSR);
    memcpy (s->fxsave + FX_ST, image + FX_ST, FX_XMM - FX_ST);
  } else {
    s->fxsave[0] = 0x7f;        /* as FNINIT */
    s->fxsave[1] = 0x03;
  }
  if (present & HAS_SSE)
    memcpy (s->fxsave + FX_XMM, image + FX_XMM, FX_END - FX_XMM);
  if (present & HAS_AVX)
    memcpy (s->ymm_high, image + UPPERS_AT, sizeof s->ymm_high);
  if (v->sync.pkru_at)          /* the kernel keeps it elsewhere, and its bit in the header may be the host's */
    memcpy (&pkru, image + v->sync.pkru_at, sizeof pkru);
  s->pkru = pkru;
}

static void
image_put (KvmVcpu *v, const BpX86State *s, uint8_t *image)
{
  uint64_t present = (HAS_X87 | HAS_SSE | HAS_AVX | (v->sync.pkru_at ? HAS_PKRU : 0)) & (v->sync.components | HAS_X87 | HAS_SSE);
  uint32_t pkru = (uint32_t) s->pkru;
  memcpy (image, s->fxsave, FX_END);
  memcpy (image + HEADER_AT, &present, sizeof present);
  if (present & HAS_AVX)
    memcpy (image + UPPERS_AT, s->ymm_high, sizeof s->ymm_high);
  if (present & HAS_PKRU)
    memcpy (image + v->sync.pkru_at, &pkru, sizeof pkru);
}

static void
fp_get (KvmVcpu *v, BpX86State *s)
{
  unsigned long request = v->xsave_size > XSAVE_MIN ? KVM_GET_XSAVE2 : KVM_GET_XSAVE;
  g_autofree uint8_t *image = g_malloc0 (MAX (v->xsave_size, XSAVE_MIN));
  if (transfer (v, request, image, "XSAVE area"))
    image_get (v, image, s);
}

static void
fp_put (KvmVcpu *v, const BpX86State *s)
{
  g_autofree uint8_t *image = g_malloc0 (MAX (v->xsave_size, XSAVE_MIN));
  image_put (v, s, image);
  transfer (v, KVM_SET_XSAVE, image, "XSAVE area");
}

/* A processor without XSAVE has none: some that virtualise are so old, or are themselves a guest's that is told so little. */
static void
xcr0_get (KvmVcpu *v, BpX86State *s)
{
  struct kvm_xcrs k;
  if (kvm_has (v->kvm, KVM_CAP_XCRS) && transfer (v, KVM_GET_XCRS, &k, "XCR0"))
    for (unsigned i = 0; i < k.nr_xcrs; i++)
      if (k.xcrs[i].xcr == 0)
        s->xcr0 = k.xcrs[i].value;
}

static void
xcr0_put (KvmVcpu *v, const BpX86State *s)
{
  struct kvm_xcrs k;
  memset (&k, 0, sizeof k);
  k.nr_xcrs = 1;
  k.xcrs[0].value = s->xcr0;
  if (kvm_has (v->kvm, KVM_CAP_XCRS))
    transfer (v, KVM_SET_XCRS, &k, "XCR0");
}

/* --- debug registers --------------------------------------------------------------------------------------- */

static void
debug_get (KvmVcpu *v, BpX86State *s)
{
  struct kvm_debugregs k;
  if (!transfer (v, KVM_GET_DEBUGREGS, &k, "debug registers"))
    return;
  memcpy (s->dr, k.db, sizeof k.db);
  s->dr[6] = k.dr6;
  s->dr[7] = k.dr7;
}

static void
debug_put (KvmVcpu *v, const BpX86State *s)
{
  struct kvm_debugregs k;
  memset (&k, 0, sizeof k);
  memcpy (k.db, s->dr, sizeof k.db);
  k.dr6 = (uint32_t) s->dr[6];
  k.dr7 = (uint32_t) s->dr[7];
  transfer (v, KVM_SET_DEBUGREGS, &k, "debug registers");
}

/* --- events and activity ------------------------------------------------------------------------------------ */

enum { EXC_BP = 3, EXC_OF = 4, HELD_BY_STI = 1, HELD_BY_SS = 2 };

static void
event_get (const struct kvm_vcpu_events *k, BpX86State *s)
{
  s->event_kind = BP_X86_EVENT_NONE;
  s->event_vector = s->event_has_error = 0;
  s->event_error = s->event_length = 0;
  if (k->exception.injected || k->exception.pending) {
    bool is_software = k->exception.nr == EXC_BP || k->exception.nr == EXC_OF;
    s->event_kind = is_software ? BP_X86_EVENT_SOFTWARE : BP_X86_EVENT_EXCEPTION;
    s->event_vector = k->exception.nr;
    s->event_has_error = k->exception.has_error_code != 0;
    s->event_error = s->event_has_error ? k->exception.error_code : 0;
  } else if (k->nmi.injected) {
    s->event_kind = BP_X86_EVENT_NMI;
    s->event_vector = 2;
  } else if (k->interrupt.injected) {
    s->event_kind = k->interrupt.soft ? BP_X86_EVENT_SOFTWARE : BP_X86_EVENT_INTERRUPT;
    s->event_vector = k->interrupt.nr;
  }
}

static void
events_get (KvmVcpu *v, BpX86State *s)
{
  struct kvm_vcpu_events k;
  if (!transfer (v, KVM_GET_VCPU_EVENTS, &k, "events"))
    return;
  event_get (&k, s);
  s->interrupts_held = k.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS ? HELD_BY_SS : k.interrupt.shadow & KVM_X86_SHADOW_INT_STI ? HELD_BY_STI : 0;
  s->nmi_blocked = k.nmi.masked != 0;
  if (k.flags & KVM_VCPUEVENT_VALID_SMM && k.smi.smm)   /* by a message of the kernel's local APICs */
    bp_log_unimp (v->cpu, "system management mode: the processor is in it, and no snapshot says so");
  if (k.nmi.pending)            /* the kernel forgets them when events are put: one, or two while none is handled */
    bp_vcpu_raise (v->vcpu, BP_VCPU_IRQ_NMI | (k.nmi.pending > 1 ? BP_X86_IRQ_NMI_2 : 0));
}

/* A processor is not entered with a shadow of STI while interrupts are disabled, nor with any that the event on its way would have ended (SDM 3C 26.3.1.5). */
static unsigned
shadow_of (const BpX86State *s)
{
  bool is_over = s->event_kind == BP_X86_EVENT_INTERRUPT || s->event_kind == BP_X86_EVENT_NMI;
  if (!s->interrupts_held || is_over)
    return 0;
  return s->interrupts_held == HELD_BY_STI && s->rflags & RFLAGS_IF ? KVM_X86_SHADOW_INT_STI : KVM_X86_SHADOW_INT_MOV_SS;
}

/* What an instruction has raised is raised by executing it anew: the kernel would need its length, which nobody keeps. */
static void
events_put (KvmVcpu *v, const BpX86State *s)
{
  struct kvm_vcpu_events k;
  memset (&k, 0, sizeof k);
  k.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
  k.exception.injected = s->event_kind == BP_X86_EVENT_EXCEPTION;
  k.exception.nr = k.exception.injected ? s->event_vector : 0;
  k.exception.has_error_code = k.exception.injected && s->event_has_error && s->cr0 & CR0_PE;
  k.exception.error_code = k.exception.has_error_code ? s->event_error : 0;
  k.interrupt.injected = s->event_kind == BP_X86_EVENT_INTERRUPT;
  k.interrupt.nr = k.interrupt.injected ? s->event_vector : 0;
  k.interrupt.shadow = (uint8_t) shadow_of (s);
  k.nmi.injected = s->event_kind == BP_X86_EVENT_NMI;
  k.nmi.masked = s->nmi_blocked != 0;
  transfer (v, KVM_SET_VCPU_EVENTS, &k, "events");
}

static void
activity_get (KvmVcpu *v, BpX86State *s)
{
  struct kvm_mp_state k;
  if (v->kvm->irqchip == KVM_IRQCHIP_OURS || v->activity == BP_X86_SHUTDOWN)
    s->activity = v->activity;
  else if (transfer (v, KVM_GET_MP_STATE, &k, "activity")) {
    bool waits = k.mp_state == KVM_MP_STATE_UNINITIALIZED || k.mp_state == KVM_MP_STATE_INIT_RECEIVED || k.mp_state == KVM_MP_STATE_SIPI_RECEIVED;
    s->activity = k.mp_state == KVM_MP_STATE_HALTED ? BP_X86_HALTED : waits ? BP_X86_WAIT_SIPI : BP_X86_ACTIVE;
    v->activity = s->activity;
  }
  s->halted = s->activity;
}

/* HLT is over for a processor that has accepted an event.  An application processor that waits takes its start-up message at once, as one that has had an INIT. */
static void
activity_put (KvmVcpu *v, const BpX86State *s)
{
  struct kvm_mp_state k = { .mp_state = KVM_MP_STATE_RUNNABLE };
  bool wakes = s->event_kind != BP_X86_EVENT_NONE && s->event_kind != BP_X86_EVENT_SOFTWARE;
  v->activity = s->activity == BP_X86_HALTED && wakes ? BP_X86_ACTIVE : s->activity;
  if (v->kvm->irqchip == KVM_IRQCHIP_OURS)
    return;
  if (v->activity == BP_X86_HALTED)
    k.mp_state = KVM_MP_STATE_HALTED;
  else if (v->activity == BP_X86_WAIT_SIPI)
    k.mp_state = KVM_MP_STATE_INIT_RECEIVED;
  transfer (v, KVM_SET_MP_STATE, &k, "activity");
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

/* What the CPU object holds. */
static BpX86State
object_state (const KvmVcpu *v)
{
  BpX86State s;
  memset (&s, 0, sizeof s);
  s.struct_size = sizeof s;
  v->x86->get_state (v->cpu, &s);
  return s;
}

/* The object's own, which has gone on meanwhile, unless the guest may have read more: what was read does not come again after a pause. */
static uint64_t
tsc_of_both (KvmVcpu *v)
{
  uint64_t kernels = kvm_tsc_now (v), objects = object_state (v).tsc;
  return kvm_tsc_is_other (v, kernels, objects) ? kernels : MAX (kernels, objects);
}

void
kvm_state_get (KvmVcpu *v)
{
  BpX86State s = object_state (v);
  activity_get (v, &s);
  events_get (v, &s);
  general_get (v, &s);
  fp_get (v, &s);
  xcr0_get (v, &s);
  system_get (v, &s);
  kvm_msrs_get (v, &s);
  debug_get (v, &s);
  s.tsc = tsc_of_both (v);
  v->x86->set_state (v->cpu, &s);
}

void
kvm_state_put (KvmVcpu *v)
{
  BpX86State s = object_state (v);
  system_put (v, &s);
  general_put (v, &s);
  fp_put (v, &s);
  xcr0_put (v, &s);
  kvm_msrs_put (v, &s);
  if (kvm_tsc_is_other (v, kvm_tsc_now (v), s.tsc))
    kvm_tsc_put (v, s.tsc);
  events_put (v, &s);
  activity_put (v, &s);
  debug_put (v, &s);
  v->dirty = false;
}

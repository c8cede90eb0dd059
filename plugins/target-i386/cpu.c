/* cpu.c -- the CPU type: properties, pins, life cycle, registers after reset, registers as text. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/interrupt-controller.h>
#include <backplane/log.h>
#include <string.h>
#include "cpu.h"
#include "debug/debug.h"
#include "plugin.h"

/* --- reset (SDM 3A table 9-1) ---------------------------------------------------------------- */

static void
reset_segments (X86Cpu *env)
{
  for (unsigned i = X86_ES; i <= X86_GS; i++)
    x86_set_segment (env, i, 0, 0, 0xffff, 0x93);
  x86_set_segment (env, X86_CS, 0xf000, 0xffff0000, 0xffff, 0x9b);
  x86_set_segment (env, BP_X86_LDTR, 0, 0, 0xffff, 0x82);
  x86_set_segment (env, BP_X86_TR, 0, 0, 0xffff, 0x8b);
  env->gdtr.base = env->idtr.base = 0;
  env->gdtr.limit = env->idtr.limit = 0xffff;
}

static void
reset_fpu (X86Cpu *env)
{
  memset (env->fp, 0, sizeof env->fp);
  env->fp[0] = 0x40;                    /* control word */
  env->fp[4] = 0xff;                    /* tag word 5555: all valid (zero) */
  env->fp[24] = 0x80;                   /* MXCSR 1f80 */
  env->fp[25] = 0x1f;
  env->fp[28] = 0xff;                   /* MXCSR mask ffff */
  env->fp[29] = 0xff;
}

static void
reset_msrs (X86Cpu *env)
{
  env->sysenter_cs = env->sysenter_esp = env->sysenter_eip = 0;
  env->tsc_offset = env->tsc_adjust = env->tsc_aux = 0;
  env->tsc_counted = env->tsc_frequency;
  env->star = env->lstar = env->cstar = env->sfmask = env->kernel_gs_base = 0;
  env->xcr0 = 1;
  env->xss = 0;
  env->pkru = env->pkrs = 0;
  env->pat = G_GUINT64_CONSTANT (0x0007040600070406);
  env->mcg_status = 0;
  env->misc_enable = 1 | 1 << 11 | 1 << 12;     /* fast strings; no branch traces, no PEBS */
  env->mtrr_def = 0;
  memset (env->mtrr_fixed, 0, sizeof env->mtrr_fixed);
  memset (env->mtrr_variable, 0, sizeof env->mtrr_variable);
}

/* SDM 3A 8.4: the bootstrap processor starts at the reset vector, the others wait until it sends for them. */
static bool
is_bootstrap (const X86Cpu *env)
{
  return env->bsp == BSP_AUTO ? bp_vcpu_index (bp_vcpu_of (env)) == 0 : env->bsp == BSP_ON;
}

void
x86_reset_registers (X86Cpu *env, bool init)
{
  uint32_t kept_cr0 = init ? (uint32_t) env->cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW;
  memset (env->gpr, 0, sizeof env->gpr);
  env->gpr[X86_RDX] = x86_signature (env);
  env->cc_dst = env->cc_src = env->cc_src2 = 0;
  env->cc_op = CC_EFLAGS;
  env->df = 1;
  env->eip = 0xfff0;
  env->eflags = 2;
  env->hflags = 0;
  env->cr0 = CR0_ET | kept_cr0;
  env->cr2 = env->cr3 = env->cr4 = env->cr8 = 0;
  memset (env->pdpte, 0, sizeof env->pdpte);
  memset (env->dr, 0, sizeof env->dr);
  env->dr[6] = 0xffff0ff0;
  env->dr[7] = 0x400;
  env->halted = is_bootstrap (env) ? HALTED_NOT : HALTED_WAIT_SIPI;
  env->efer = 0;
  env->exc_vector = env->exc_old = -1;
  env->nmi_masked = env->repeating = env->watch_hits = env->held = 0;
  env->new_task = 0;
  if (!init) {
    reset_fpu (env);
    reset_msrs (env);
  }
  reset_segments (env);
}

/* --- pins --------------------------------------------------------------------------------------- */

static void
raise_on_edge (void *self, int level, uint32_t bits)
{
  if (level)
    bp_vcpu_raise (bp_vcpu_of (self), bits);
}

static void
set_intr (void *self, unsigned index, int level)
{
  if (level)
    bp_vcpu_raise (bp_vcpu_of (self), BP_VCPU_IRQ_HARD);
  else
    bp_vcpu_lower (bp_vcpu_of (self), BP_VCPU_IRQ_HARD);
}

/* While NMIs are blocked one is kept (SDM 3A 6.7.1).  While they are not, a processor takes the first at its next instruction and keeps the second;
 * the next instruction boundary at which we look may be thousands of instructions away, so two are kept until then. */
static void
set_nmi (void *self, unsigned index, int level)
{
  const X86Cpu *env = self;
  bool is_blocked = __atomic_load_n (&env->nmi_masked, __ATOMIC_SEQ_CST);       /* first: one that blocks others waits no more */
  uint32_t waiting = bp_vcpu_pending (bp_vcpu_of (self)) & X86_IRQ_NMIS;
  if (is_blocked && waiting)
    return;
  raise_on_edge (self, level, waiting & BP_VCPU_IRQ_NMI ? X86_IRQ_NMI_2 : BP_VCPU_IRQ_NMI);
}

static void
set_smi (void *self, unsigned index, int level)
{
  raise_on_edge (self, level, BP_VCPU_IRQ_SMI);
}

/* A start-up message counts only when it comes after. */
static void
start_over_on_edge (void *self, int level, uint32_t bits)
{
  if (level)
    bp_vcpu_lower (bp_vcpu_of (self), BP_VCPU_IRQ_SIPI);
  raise_on_edge (self, level, bits);
}

static void
set_init (void *self, unsigned index, int level)
{
  start_over_on_edge (self, level, BP_VCPU_IRQ_INIT);
}

static void
set_reset (void *self, unsigned index, int level)
{
  start_over_on_edge (self, level, X86_IRQ_RESET);
}

static void
apply_a20 (void *cpu, void *user)
{
  X86Cpu *env = cpu;
  uint32_t mask = GPOINTER_TO_UINT (user);
  if (env->a20_mask == mask)
    return;
  env->a20_mask = mask;
  if (env->tcg.ops)
    env->tcg.ops->tlb_flush (env, true);
}

/* The guest expects the gate to have switched when its OUT is done: on its own thread it does so at once. */
static void
set_a20 (void *self, unsigned index, int level)
{
  X86Cpu *env = self;
  void *mask = GUINT_TO_POINTER (level ? 0xffffffffu : ~(1u << 20));
  if (!env->tcg.ops || bp_vcpu_is_current (bp_vcpu_of (self)))
    apply_a20 (self, mask);
  else
    bp_vcpu_run_on (bp_vcpu_of (self), apply_a20, mask, false);
}

/* --- registers as text -------------------------------------------------------------------------------- */

#define HEX8 "%08" G_GINT64_MODIFIER "x"
#define HEX16 "%016" G_GINT64_MODIFIER "x"

static void
dump_segment (const X86Cpu *env, GString *s, const char *name, unsigned seg)
{
  const BpX86Segment *g = &env->segment[seg];
  g_string_append_printf (s, "%-3s=%04x " HEX8 " %08x %04x\n", name, g->selector, g->base, g->limit, g->attributes);
}

static void
dump_gprs (const X86Cpu *env, GString *s)
{
  static const uint8_t order[8] = { X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_RBP, X86_RSP };
  static const char names[8][3] = { "AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI" };
  bool wide = x86_in_long_mode (env);
  for (unsigned i = 0; i < 8; i++) {
    g_string_append_printf (s, wide ? "R%s=" HEX16 : "E%s=" HEX8, names[order[i]], env->gpr[order[i]] & (wide ? ~(uint64_t) 0 : 0xffffffff));
    g_string_append_c (s, i % 4 == 3 ? '\n' : ' ');
  }
  for (unsigned i = 8; wide && i < 16; i++)
    g_string_append_printf (s, i < 10 ? "R%u =" HEX16 "%c" : "R%u=" HEX16 "%c", i, env->gpr[i], i % 4 == 3 ? '\n' : ' ');
}

void
x86_dump (const void *opaque, char *out, size_t out_size)
{
  static const char *const names[8] = { "ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR" };
  const X86Cpu *env = opaque;
  uint32_t fl = x86_eflags ((X86Cpu *) env);
  GString *s = g_string_sized_new (1024);
  dump_gprs (env, s);
  g_string_append_printf (s, "%cIP=" HEX8 " EFL=%08x [%c%c%c%c%c%c%c] CPL=%u II=%u A20=%u HLT=%u\n", x86_in_long_mode (env) ? 'R' : 'E', env->eip, fl,
                          fl & X86_FL_DF ? 'D' : '-', fl & X86_FL_OF ? 'O' : '-', fl & X86_FL_SF ? 'S' : '-', fl & X86_FL_ZF ? 'Z' : '-',
                          fl & X86_FL_AF ? 'A' : '-', fl & X86_FL_PF ? 'P' : '-', fl & X86_FL_CF ? 'C' : '-', x86_cpl (env),
                          env->hflags & HF_INHIBIT ? 1u : 0u, env->a20_mask >> 20 & 1, env->halted);
  for (unsigned i = 0; i < 8; i++)
    dump_segment (env, s, names[i], i);
  g_string_append_printf (s, "GDT=     " HEX8 " %08x\nIDT=     " HEX8 " %08x\n", env->gdtr.base, env->gdtr.limit, env->idtr.base, env->idtr.limit);
  g_string_append_printf (s, "CR0=%08x CR2=" HEX8 " CR3=" HEX8 " CR4=%08x EFER=%08x\nDR6=%08x DR7=%08x", (uint32_t) env->cr0, env->cr2,
                          env->cr3, (uint32_t) env->cr4, (uint32_t) env->efer, (uint32_t) env->dr[6], (uint32_t) env->dr[7]);
  g_strlcpy (out, s->str, out_size);
  g_string_free (s, TRUE);
}

/* --- life cycle -------------------------------------------------------------------------------------------- */

static bool
configure (void *self, GError **error)
{
  X86Cpu *env = self;
  env->a20_mask = 0xffffffff;
  env->tsc_frequency = env->tsc_asked;
  return x86_configure_features (env, error);
}

static bool
realize (void *self, GError **error)
{
  X86Cpu *env = self;
  env->memory = bp_machine_address_space (bp_object_machine (self), "memory");
  env->io = bp_machine_address_space (bp_object_machine (self), "io");
  env->n_processors = 0;
  for (unsigned cursor = 0; bp_machine_next (bp_object_machine (self), BP_X86_CPU_ID, &cursor); )
    env->n_processors++;
  if (env->cores)
    env->n_processors = MIN (env->n_processors, env->cores);
  return true;
}

/* Pins are low: whoever drives one says so again after this.  Until then the A20 gate is open. */
static void
reset (void *self, BpResetKind kind)
{
  X86Cpu *env = self;
  env->a20_mask = 0xffffffff;
  bp_vcpu_lower (bp_vcpu_of (self), UINT32_MAX);
  x86_reset_registers (env, false);
}

/* Saved where the counter had another rate: under KVM it is the host's. */
static bool
follow_rate (X86Cpu *env, GError **error)
{
  uint64_t own = env->tsc_frequency;
  if (env->tsc_counted < 1000000 || env->tsc_counted > G_MAXUINT32) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "its time-stamp counter's rate, %" G_GUINT64_FORMAT " Hz, is none that a processor has", env->tsc_counted);
    return false;
  }
  env->tsc_frequency = env->tsc_counted;
  x86_set_tsc_frequency (env, own);
  return true;
}

static bool
post_load (void *self, GError **error)
{
  X86Cpu *env = self;
  if (!follow_rate (env, error))
    return false;
  env->hflags &= HF_INHIBIT;
  x86_mask_mxcsr (env);
  x86_update_hflags (env);
  return true;
}

/* --- tables ------------------------------------------------------------------------------------------------ */

static const char *const bsp_names[] = { "auto", "on", "off", NULL };
static const char *const on_halt_names[] = { "wait", "exit", NULL };

static const BpProperty properties[] = {
  BP_PROP_STRING ("model", X86Cpu, model, "max",
                  "The processor's CPUID identity and its set of features: 486, pentium, pentium3, base32, base64, nehalem, haswell; max has all that "
                  "are provided.  Features to add or take away may follow, as in max,-avx2."),
  BP_PROP_STRING ("features", X86Cpu, features, NULL,
                  "Features to add to the model's or take from them, as in +sse3,-cx8; the names are those of CPUID in lower case."),
  BP_PROP_ ("tsc-frequency", BP_PROPERTY_U64, X86Cpu, tsc_asked, .default_int = 2400000000u, .min = 1000000, .max = 4294967295u,
            .help = "Ticks of the time-stamp counter in a second of virtual time, in Hz."),
  BP_PROP_U32_RANGE ("apic-id", X86Cpu, apic_id, 0, 0, 254, "Initial APIC identifier that CPUID leaf 1 reports."),
  BP_PROP_U32_RANGE ("cores", X86Cpu, cores, 0, 0, 128,
                     "How many of the machine's processors are in one package with this one, as CPUID tells: 1, 2, 4 ...; 0 is all of them."),
  BP_PROP_ENUM ("bsp", X86Cpu, bsp, BSP_AUTO, bsp_names,
                "Whether it runs from reset on; the others wait for a start-up message.  auto: vCPU number 0 does."),
  BP_PROP_BOOL ("hypervisor", X86Cpu, hypervisor, false, "Whether CPUID tells the guest that it runs in a virtual machine (leaf 1, ECX bit 31)."),
  BP_PROP_ENUM ("on-halt", X86Cpu, exit_on_halt, 0, on_halt_names,
                "What HLT with interrupts disabled does: wait (for NMI, INIT or reset) or exit (end the run with code 0)."),
  BP_PROP_LINK ("intc", X86Cpu, intc, BP_INTERRUPT_CONTROLLER_ID, 0,
                "The interrupt controller that answers this processor's interrupt acknowledge: a PIC, or the local APIC."),
  BP_PROP_END
};

static const BpPinDesc pins[] = {
  BP_PIN_DESC_IN ("intr", 1, set_intr, 0, "Maskable interrupt request, by level; the controller linked as intc gives the vector."),
  BP_PIN_DESC_IN ("nmi", 1, set_nmi, BP_PIN_WIRED_OR, "Non-maskable interrupt, by rising edge."),
  BP_PIN_DESC_IN ("smi", 1, set_smi, BP_PIN_WIRED_OR, "System management interrupt, by rising edge; not modelled: logged as unimplemented."),
  BP_PIN_DESC_IN ("init", 1, set_init, BP_PIN_WIRED_OR, "INIT#: resets the processor but not its FPU and MSRs, by rising edge; all but the first then wait for a start-up message."),
  BP_PIN_DESC_IN ("reset", 1, set_reset, BP_PIN_WIRED_OR, "RESET#: resets this processor alone, by rising edge."),
  BP_PIN_DESC_IN ("a20", 1, set_a20, BP_PIN_WIRED_OR,
                  "A20M#, inverted: 1 lets address line 20 through, 0 forces it low.  Open until driven; several drivers are ORed."),
  BP_PIN_DESC_OUT ("ferr", X86Cpu, ferr, 0, "FERR#: an unmasked x87 exception while CR0.NE is 0; a PC wires it to interrupt line 13."),
  BP_PIN_DESC_END
};

static const BpInterfaceDesc interfaces[] = {
  { BP_TCG_FRONTEND_ID, &x86_frontend },
  { BP_X86_CPU_ID, &x86_cpu_iface },
  { BP_CPU_DEBUG_ID, &x86_debug_iface },
  { NULL, NULL }
};

const BpTypeDesc x86_cpu_type = {
  BP_TYPE ("x86-cpu", BP_KIND_CPU, X86Cpu),
  .description = "x86 processor of 32 or 64 bits",
  .properties = properties, .pins = pins, .interfaces = interfaces,
  .state_version = 4, .state_minimum = 2, .state = x86_state_fields,
  .configure = configure, .realize = realize, .reset = reset, .post_load = post_load
};

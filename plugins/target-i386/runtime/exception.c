/* exception.c -- exceptions and interrupts: recording them, and delivering them through the IDT (SDM 3A chapter 6, 3B chapter 20). */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/interrupt-controller.h>
#include <backplane/log.h>
#include "common.h"
#include "helpers.h"

/* --- recording ------------------------------------------------------------------------- */

#define VECTOR_BIT(v) (1u << (v))
#define CONTRIBUTORY (VECTOR_BIT (EXC_DE) | VECTOR_BIT (EXC_TS) | VECTOR_BIT (EXC_NP) | VECTOR_BIT (EXC_SS) | VECTOR_BIT (EXC_GP))
#define HAS_ERROR (VECTOR_BIT (EXC_DF) | VECTOR_BIT (EXC_TS) | VECTOR_BIT (EXC_NP) | VECTOR_BIT (EXC_SS) | VECTOR_BIT (EXC_GP) \
  | VECTOR_BIT (EXC_PF) | VECTOR_BIT (EXC_AC))

static bool
vector_in (uint32_t set, int32_t vector)
{
  return vector >= 0 && vector < 32 && set >> vector & 1;
}

/* SDM 3A table 6-5: what becomes of a second exception while the first is being delivered. */
static unsigned
combine (int32_t first, unsigned second)
{
  bool serious = vector_in (CONTRIBUTORY | VECTOR_BIT (EXC_PF), (int32_t) second);
  if (first == EXC_DF)
    return serious ? EXC_TRIPLE : second;
  if (first == EXC_PF && serious)
    return EXC_DF;
  if (vector_in (CONTRIBUTORY, first) && vector_in (CONTRIBUTORY, (int32_t) second))
    return EXC_DF;
  return second;
}

static void forget_hits (X86Cpu *env);

void
x86_record_exception (X86Cpu *env, unsigned vector, uint32_t error)
{
  unsigned result = combine (env->exc_old, vector);
  if (UNLIKELY (env->watch_hits))
    forget_hits (env);
  env->exc_vector = (int32_t) result;
  env->exc_error = result == vector ? error : 0;
  env->exc_has_error = vector_in (HAS_ERROR, (int32_t) result);
  env->exc_is_int = EXC_KIND_FAULT;
  env->bad_address = 0;
}

void
x86_raise_error (X86Cpu *env, unsigned vector, uint32_t error)
{
  x86_record_exception (env, vector, error);
  env->tcg.ops->raise (env);
}

void
x86_raise (X86Cpu *env, unsigned vector)
{
  x86_raise_error (env, vector, 0);
}

void
helper_raise (X86Cpu *env, uint32_t vector)
{
  x86_raise_error (env, vector, 0);
}

void
helper_raise_error (X86Cpu *env, uint32_t vector, uint32_t error)
{
  x86_raise_error (env, vector, error);
}

/* --- the event being delivered --------------------------------------------------------------- */

typedef struct Event {
  unsigned vector;
  bool software;                /* INT n, INT3, INTO: the gate's DPL counts, faults have EXT clear */
  bool has_error;
  uint32_t error;
  uint64_t eip;                 /* to return to */
  uint32_t eflags;              /* as pushed */
  uint32_t ext;
} Event;

static void
commit_event (X86Cpu *env, const Event *ev, uint64_t eip)
{
  env->eip = eip;
  env->halted = HALTED_NOT;
  env->hflags &= ~HF_INHIBIT;
  if (ev->vector == EXC_DB && !ev->software)
    env->dr[7] &= ~(uint64_t) DR7_GD;
  x86_update_mode (env);
}

/* --- real mode, and virtual-8086 interrupts that the redirection bitmap leaves to the 8086 program ----- */

static void
deliver_real (X86Cpu *env, const Event *ev, uint32_t ivt, uint32_t clear)
{
  X86Stack s;
  uint32_t vector = (uint32_t) x86_load (env, ivt + 4 * ev->vector, BP_MO_32);
  x86_stack_current (env, &s, 0);
  x86_stack_room (env, &s, 3, 2);
  x86_push (env, &s, ev->eflags, 2);
  x86_push (env, &s, env->segment[X86_CS].selector, 2);
  x86_push (env, &s, ev->eip, 2);
  env->eflags &= ~clear;
  if (in_v86 (env))
    x86_put_v86 (env, X86_CS, vector >> 16);
  else
    x86_put_paragraph (env, X86_CS, vector >> 16);
  commit_sp (env, &s);
  commit_event (env, ev, vector & 0xffff);
}

/* Bit of the TSS's interrupt redirection bitmap, the 32 bytes below the I/O bitmap; a TSS without one redirects nothing. */
static bool
redirection_bit (X86Cpu *env, unsigned vector)
{
  const BpX86Segment *tr = &env->segment[BP_X86_TR];
  if ((tr->attributes & SEG_TYPE) != SYS_TSS32_BUSY || tr->limit < 103)
    return true;
  uint32_t map = (uint32_t) x86_load_kernel (env, tr->base + 102, BP_MO_16);
  uint32_t offset = map - 32 + vector / 8;
  if (map < 32 || offset > tr->limit)
    return true;
  return x86_load_kernel (env, tr->base + offset, BP_MO_8) >> (vector & 7) & 1;
}

/* INT3 and INTO are not sensitive to IOPL, INT 3 and INT 4 are: only the code tells them apart. */
static bool
is_int_n (X86Cpu *env, const Event *ev)
{
  if (ev->vector != EXC_BP && ev->vector != EXC_OF)
    return true;
  uint32_t last = (uint32_t) x86_load (env, env->segment[X86_CS].base + ((ev->eip - 1) & 0xffff), BP_MO_8);
  return last == ev->vector;
}

/* SDM 3B 20.3.3, methods of table 20-2.  true: delivered. */
static bool
deliver_v86_int (X86Cpu *env, Event *ev)
{
  bool vme = env->cr4 & CR4_VME;
  if ((iopl (env) == 3 && !vme) || !is_int_n (env, ev))
    return false;
  if (vme && !redirection_bit (env, ev->vector)) {
    uint32_t clear = X86_FL_TF | X86_FL_IF | X86_FL_RF;
    if (iopl (env) < 3) {
      ev->eflags = (ev->eflags & ~X86_FL_IF) | X86_FL_IOPL | (ev->eflags & X86_FL_VIF ? X86_FL_IF : 0);
      clear = X86_FL_TF | X86_FL_VIF | X86_FL_RF;
    }
    deliver_real (env, ev, 0, clear);
    return true;
  }
  if (iopl (env) < 3)
    x86_raise_error (env, EXC_GP, 0);
  return false;
}

/* --- protected mode ------------------------------------------------------------------------------- */

typedef struct Gate {
  X86Descriptor d;
  unsigned type;                /* SYS_INT16 ... */
  unsigned size;                /* of pushed items */
  uint32_t offset;
  uint16_t selector;
} Gate;

static void
load_gate (X86Cpu *env, const Event *ev, Gate *g)
{
  uint32_t error = ev->vector * 8 + 2 + ev->ext;
  if (ev->vector * 8 + 7 > env->idtr.limit)
    x86_raise_error (env, EXC_GP, error);
  g->d.address = (uint32_t) (env->idtr.base + 8 * ev->vector);
  uint64_t raw = x86_load_kernel (env, g->d.address, BP_MO_64);
  g->d.lo = (uint32_t) raw;
  g->d.hi = (uint32_t) (raw >> 32);
  g->type = desc_type (&g->d);
  bool known = g->type == SYS_TASK_GATE || g->type == SYS_INT16 || g->type == SYS_TRAP16 || g->type == SYS_INT32 || g->type == SYS_TRAP32;
  if (!known || g->d.hi & DESC_S || (ev->software && desc_dpl (&g->d) < x86_cpl (env)))
    x86_raise_error (env, EXC_GP, error);
  if (!(g->d.hi & DESC_P))
    x86_raise_error (env, EXC_NP, error);
  g->size = g->type & 8 ? 4 : 2;
  g->selector = (uint16_t) (g->d.lo >> 16);
  g->offset = g->size == 4 ? (g->d.hi & 0xffff0000) | (g->d.lo & 0xffff) : g->d.lo & 0xffff;
}

static void
deliver_task (X86Cpu *env, const Event *ev, const Gate *g)
{
  X86Descriptor tss;
  X86Stack s;
  uint16_t selector;
  x86_task_gate_target (env, &g->d, ev->ext, &selector, &tss);
  x86_task_switch (env, selector, &tss, TASK_EVENT, ev->eip, ev->eflags, ev->ext);
  if (ev->has_error) {
    unsigned size = desc_type (&tss) & 8 ? 4 : 2;
    x86_stack_current (env, &s, ev->ext);
    x86_stack_room (env, &s, 1, size);
    x86_push (env, &s, ev->error, size);
    commit_sp (env, &s);
  }
  commit_event (env, ev, (uint32_t) env->eip);
}

static void
fetch_handler (X86Cpu *env, const Event *ev, const Gate *g, X86Descriptor *cs)
{
  if (selector_is_null (g->selector))
    x86_raise_error (env, EXC_GP, ev->ext);
  uint32_t error = selector_error (g->selector, ev->ext);
  if (!x86_fetch_descriptor (env, g->selector, cs) || !desc_is_code (cs) || desc_dpl (cs) > x86_cpl (env)
      || (x86_in_long_mode (env) && (cs->hi & (DESC_L | DESC_DB)) != DESC_L))
    x86_raise_error (env, EXC_GP, error);
  if (!(cs->hi & DESC_P))
    x86_raise_error (env, EXC_NP, error);
  if (in_v86 (env) && (desc_is_conforming (cs) || desc_dpl (cs) != 0))
    x86_raise_error (env, EXC_GP, error);
}

static void
push_frame (X86Cpu *env, const Event *ev, X86Stack *s, unsigned size, bool inner)
{
  static const uint8_t v86_order[4] = { X86_GS, X86_FS, X86_DS, X86_ES };
  bool v86 = in_v86 (env);
  x86_stack_room (env, s, (v86 ? 9 : inner ? 5 : 3) + ev->has_error, size);
  if (v86)
    for (unsigned i = 0; i < 4; i++)
      x86_push (env, s, env->segment[v86_order[i]].selector, size);
  if (inner) {
    x86_push (env, s, env->segment[X86_SS].selector, size);
    x86_push (env, s, gpr (env, X86_RSP), size);
  }
  x86_push (env, s, ev->eflags, size);
  x86_push (env, s, env->segment[X86_CS].selector, size);
  x86_push (env, s, ev->eip, size);
  if (ev->has_error)
    x86_push (env, s, ev->error, size);
}

static void
deliver_protected (X86Cpu *env, const Event *ev)
{
  Gate g;
  X86Descriptor cs, ss;
  X86Stack s;
  uint16_t ss_selector = 0;
  load_gate (env, ev, &g);
  if (g.type == SYS_TASK_GATE) {
    deliver_task (env, ev, &g);
    return;
  }
  fetch_handler (env, ev, &g, &cs);
  unsigned cpl = x86_cpl (env);
  bool inner = !desc_is_conforming (&cs) && desc_dpl (&cs) < cpl;
  if (inner) {
    uint32_t esp;
    cpl = desc_dpl (&cs);
    x86_inner_stack (env, cpl, ev->ext, &ss_selector, &ss, &esp);
    x86_stack_of (env, &s, &ss, esp, cpl, selector_error (ss_selector, ev->ext));
  } else
    x86_stack_current (env, &s, ev->ext);
  if (g.offset > desc_limit (&cs)) {
    x86_stack_room (env, &s, (in_v86 (env) ? 9 : inner ? 5 : 3) + ev->has_error, g.size);
    x86_raise_error (env, EXC_GP, ev->ext);
  }
  push_frame (env, ev, &s, g.size, inner);
  x86_mark_accessed (env, &cs);
  if (inner)
    x86_mark_accessed (env, &ss);

  if (in_v86 (env)) {
    static const uint8_t data[4] = { X86_ES, X86_DS, X86_FS, X86_GS };
    for (unsigned i = 0; i < 4; i++)
      x86_put_null (env, data[i], 0);
  }
  env->eflags &= ~(X86_FL_TF | X86_FL_NT | X86_FL_VM | X86_FL_RF | (g.type & 1 ? 0 : X86_FL_IF));
  if (inner) {
    x86_put_descriptor (env, X86_SS, ss_selector, &ss);
    put_sp (env, s.sp, s.mask);
  } else
    commit_sp (env, &s);
  x86_put_descriptor (env, X86_CS, (g.selector & ~3u) | cpl, &cs);
  commit_event (env, ev, g.offset);
}

/* --- long mode (SDM 3A 6.14) ---------------------------------------------------------------------------- */

enum { GATE64_SIZE = 16 };

typedef struct Gate64 {
  unsigned type, ist;
  uint16_t selector;
  uint64_t offset;
} Gate64;

static void
load_gate64 (X86Cpu *env, const Event *ev, Gate64 *g)
{
  uint32_t error = ev->vector * 8 + 2 + ev->ext;
  X86Descriptor d;
  if (ev->vector * GATE64_SIZE + GATE64_SIZE - 1 > env->idtr.limit)
    x86_raise_error (env, EXC_GP, error);
  uint64_t address = env->idtr.base + GATE64_SIZE * ev->vector, raw = x86_load_kernel (env, address, BP_MO_64);
  d.lo = (uint32_t) raw;
  d.hi = (uint32_t) (raw >> 32);
  g->type = desc_type (&d);
  if ((g->type != SYS_INT32 && g->type != SYS_TRAP32) || d.hi & DESC_S || (ev->software && desc_dpl (&d) < x86_cpl (env)))
    x86_raise_error (env, EXC_GP, error);
  if (!(d.hi & DESC_P))
    x86_raise_error (env, EXC_NP, error);
  g->ist = d.hi & 7;
  g->selector = (uint16_t) (d.lo >> 16);
  g->offset = x86_load_kernel (env, address + 8, BP_MO_32) << 32 | (d.hi & 0xffff0000) | (d.lo & 0xffff);
}

/* SS:RSP always, 8 bytes each, on a stack that is aligned to 16 before. */
static void
push_frame64 (X86Cpu *env, const Event *ev, X86Stack *s)
{
  s->sp &= ~(uint64_t) 15;
  x86_stack_room (env, s, 5 + ev->has_error, 8);
  x86_push (env, s, env->segment[X86_SS].selector, 8);
  x86_push (env, s, env->gpr[X86_RSP], 8);
  x86_push (env, s, ev->eflags, 8);
  x86_push (env, s, env->segment[X86_CS].selector, 8);
  x86_push (env, s, ev->eip, 8);
  if (ev->has_error)
    x86_push (env, s, ev->error, 8);
}

static void
deliver_long (X86Cpu *env, const Event *ev)
{
  Gate g;
  Gate64 gate;
  X86Descriptor cs;
  X86Stack s;
  load_gate64 (env, ev, &gate);
  g.selector = gate.selector;
  fetch_handler (env, ev, &g, &cs);
  unsigned cpl = x86_cpl (env);
  bool inner = !desc_is_conforming (&cs) && desc_dpl (&cs) < cpl;
  if (inner)
    cpl = desc_dpl (&cs);
  uint64_t rsp = inner || gate.ist ? x86_inner_rsp (env, cpl, gate.ist, ev->ext) : env->gpr[X86_RSP];
  if (!x86_is_canonical (gate.offset))
    x86_raise_error (env, EXC_GP, ev->ext);
  x86_stack64 (env, &s, rsp, cpl, ev->ext);
  push_frame64 (env, ev, &s);
  x86_mark_accessed (env, &cs);

  env->eflags &= ~(X86_FL_TF | X86_FL_NT | X86_FL_RF | (gate.type & 1 ? 0 : X86_FL_IF));
  if (inner)
    x86_put_null_stack (env, cpl, cpl);
  env->gpr[X86_RSP] = s.sp;
  x86_put_code (env, (gate.selector & ~3u) | cpl, &cs);
  commit_event (env, ev, gate.offset);
}

/* --- delivery ---------------------------------------------------------------------------------------- */

static void
deliver_event (X86Cpu *env, Event *ev)
{
  if (bp_log_on (BP_LOG_INT))
    x86_log_event (env, ev->vector, ev->has_error ? ev->error : 0, ev->software, ev->eip);
  if (!(env->cr0 & CR0_PE)) {
    if (ev->vector * 4 + 3 > env->idtr.limit)
      x86_raise_error (env, EXC_GP, ev->vector * 8 + 2 + ev->ext);
    deliver_real (env, ev, (uint32_t) env->idtr.base, X86_FL_TF | X86_FL_IF | X86_FL_RF | X86_FL_AC);
  } else if (x86_in_long_mode (env))
    deliver_long (env, ev);
  else if (!ev->software || !in_v86 (env) || !deliver_v86_int (env, ev))
    deliver_protected (env, ev);
  env->exc_old = -1;
  env->exc_vector = -1;
}

/* Nothing can be delivered any more: the processor shuts down, and a PC resets it. */
static void __attribute__ ((noinline))
shut_down (X86Cpu *env)
{
  env->tcg.ops->fp_store (env);
  env->exc_old = env->exc_vector = -1;
  env->halted = HALTED_SHUTDOWN;
  bp_log (BP_LOG_CPU_RESET, "triple fault");
  x86_log_event (env, EXC_TRIPLE, 0, 0, env->eip);
  bp_machine_request_reset (bp_object_machine (env), "triple fault");
}

/* SDM 3B 17.3.1.1: the image of faults has RF set, so that an instruction breakpoint does not strike twice; but for #DB by one. */
static uint32_t
pushed_rf (const X86Cpu *env, unsigned vector)
{
  if (vector == EXC_DB)
    return env->dr[6] & DR6_BD ? X86_FL_RF : 0;
  return vector == EXC_BP || vector == EXC_OF || vector == EXC_NMI || vector == EXC_MC ? 0 : X86_FL_RF;
}

void
x86_deliver (void *opaque)
{
  X86Cpu *env = opaque;
  if (env->exc_vector < 0)
    return;
  if (env->exc_vector == EXC_TRIPLE) {
    shut_down (env);
    return;
  }
  if (env->new_task) {
    env->new_task = 0;
    env->eip = env->new_task_eip;
    env->cc_op = env->new_task_cc_op;
  }
  bool fault = env->exc_is_int == EXC_KIND_FAULT;
  Event ev = {
    .vector = (unsigned) env->exc_vector, .ext = 1,
    .has_error = env->exc_has_error && env->cr0 & CR0_PE, .error = env->exc_error,
    .eip = (fault ? env->eip : env->exc_next_eip) & x86_linear_mask (env), .eflags = x86_eflags (env)
  };
  if (fault)
    ev.eflags |= pushed_rf (env, ev.vector);
  env->repeating = 0;
  env->exc_old = fault ? env->exc_vector : -1;
  deliver_event (env, &ev);
}

/* INT n, INT3, INTO, without leaving generated code.  The state is that of the instruction; a fault on the way belongs to it. */
void
helper_interrupt (X86Cpu *env, uint32_t vector, uint64_t next)
{
  Event ev = { .vector = vector & 0xff, .software = true, .eip = next & x86_linear_mask (env), .eflags = x86_eflags (env) };
  bool was_enabled = env->eflags & X86_FL_IF;
  uint32_t hflags = env->hflags;
  env->exc_old = -1;
  deliver_event (env, &ev);
  if (!was_enabled)
    x86_look_for_interrupts (env);      /* a task gate may have enabled them */
  x86_leave_if_widened (env, hflags);
}

static void
deliver_external (X86Cpu *env, unsigned vector)
{
  Event ev = { .vector = vector, .eip = env->eip & x86_linear_mask (env), .eflags = x86_eflags (env), .ext = 1 };
  if (UNLIKELY (env->repeating))
    ev.eflags |= X86_FL_RF;
  env->repeating = 0;
  env->exc_old = -1;
  env->halted = HALTED_NOT;
  deliver_event (env, &ev);
}

/* --- interrupts ------------------------------------------------------------------------------------------- */

/* A request that goes away while another thread has the lock was never seen: who would acknowledge it still gets a spurious vector, as a
 * processor does only when the line falls in the few clocks between its look and INTA. */
static int __attribute__ ((noinline))
acknowledge (X86Cpu *env)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  BpMachine *machine = bp_object_machine (env);
  env->tcg.ops->fp_store (env);
  if (!BP_TABLE_HAS (intc, acknowledge))
    return -1;
  bp_machine_lock (machine);
  bool is_there = bp_vcpu_pending (env->tcg.vcpu) & BP_VCPU_IRQ_HARD;
  int vector = is_there ? intc->acknowledge (env->intc.instance) : -1;
  bp_machine_unlock (machine);
  return vector;
}

/* Somebody who waited may be let in now.  One who comes later makes itself heard. */
void
x86_look_for_interrupts (X86Cpu *env)
{
  env->tcg.ops->fp_store (env);
  if (bp_vcpu_pending (env->tcg.vcpu))
    env->tcg.ops->leave_soon (env);
}

static void __attribute__ ((noinline))
take_back (X86Cpu *env, uint32_t bits)
{
  env->tcg.ops->fp_store (env);
  bp_vcpu_lower (env->tcg.vcpu, bits);
}

/* A data breakpoint that MOV SS struck and held back comes with it, as one #DB. */
void
helper_icebp (X86Cpu *env, uint64_t next)
{
  if (UNLIKELY (env->watch_hits)) {
    env->watch_hits = 0;
    take_back (env, X86_IRQ_TRAP);
  }
  env->exc_vector = EXC_DB;
  env->exc_error = 0;
  env->exc_has_error = 0;
  env->exc_is_int = EXC_KIND_ICEBP;
  env->exc_next_eip = next;
  env->tcg.ops->raise (env);
}

void __attribute__ ((noinline))
x86_pend_trap (X86Cpu *env, uint32_t dr6_bits)
{
  env->tcg.ops->fp_store (env);
  env->dr[6] |= dr6_bits;
  bp_vcpu_raise (env->tcg.vcpu, X86_IRQ_TRAP);
}

/* The instruction that struck data breakpoints is not done: it will strike them again. */
static void __attribute__ ((noinline))
forget_hits (X86Cpu *env)
{
  env->dr[6] &= ~(uint64_t) env->watch_hits;
  env->watch_hits = 0;
  take_back (env, X86_IRQ_TRAP);
}

static void __attribute__ ((noinline))
reset_by_pin (X86Cpu *env, bool init)
{
  take_back (env, X86_IRQ_RESET | X86_IRQ_EVENT | X86_IRQ_TRAP | BP_VCPU_IRQ_INIT | X86_IRQ_NMIS | BP_VCPU_IRQ_SMI);
  x86_reset_registers (env, init);
  env->tcg.ops->tlb_flush (env, true);
}

/* SDM 3A 8.4.3: real mode, CS:IP at the page that the vector names. */
static void __attribute__ ((noinline))
start_up (X86Cpu *env)
{
  take_back (env, BP_VCPU_IRQ_SIPI);
  uint8_t vector = __atomic_load_n (&env->startup_vector, __ATOMIC_ACQUIRE);
  x86_put_paragraph (env, X86_CS, (uint32_t) vector << 8);
  env->eip = 0;
  env->halted = HALTED_NOT;
  x86_update_mode (env);
  bp_log (BP_LOG_CPU_RESET, "CPU %u starts at %05x", bp_vcpu_index (env->tcg.vcpu), (unsigned) vector << 12);
}

/* What somebody else's processor accepted and did not get to deliver. */
static void __attribute__ ((noinline))
deliver_accepted (X86Cpu *env)
{
  unsigned vector = (unsigned) env->exc_vector & 0xff;
  uint32_t kind = env->exc_is_int;
  take_back (env, X86_IRQ_EVENT);
  if (kind != EXC_KIND_INTERRUPT && kind != EXC_KIND_NMI) {
    x86_deliver (env);
    return;
  }
  env->exc_vector = -1;
  env->exc_is_int = EXC_KIND_FAULT;
  if (kind == EXC_KIND_NMI)
    __atomic_store_n (&env->nmi_masked, 1, __ATOMIC_SEQ_CST);
  deliver_external (env, vector);
}

static void __attribute__ ((noinline))
refuse_smi (X86Cpu *env)
{
  take_back (env, BP_VCPU_IRQ_SMI);
  bp_log_unimp (env, "system management mode: SMI# ignored");
}

bool
x86_interrupt (void *opaque, uint32_t pending)
{
  X86Cpu *env = opaque;
  if (UNLIKELY (pending & (X86_IRQ_RESET | BP_VCPU_IRQ_INIT))) {
    reset_by_pin (env, !(pending & X86_IRQ_RESET));
    if (pending & BP_VCPU_IRQ_SIPI && env->halted == HALTED_WAIT_SIPI)
      start_up (env);           /* it came after, and is announced no more */
    return true;
  }
  if (UNLIKELY (env->halted == HALTED_WAIT_SIPI)) {
    bool starts = pending & BP_VCPU_IRQ_SIPI;
    if (starts)
      start_up (env);
    return starts;
  }
  if (UNLIKELY (pending & BP_VCPU_IRQ_SIPI))    /* one that runs already */
    take_back (env, BP_VCPU_IRQ_SIPI);
  if (env->halted == HALTED_SHUTDOWN)
    return false;
  if (UNLIKELY (pending & X86_IRQ_EVENT)) {
    deliver_accepted (env);
    return true;
  }
  if (UNLIKELY (pending & X86_IRQ_TRAP)) {
    if (env->watch_hits && env->hflags & HF_INHIBIT)
      return false;             /* of MOV SS: after the next instruction (SDM 3A 6.8.3) */
    env->watch_hits = 0;
    take_back (env, X86_IRQ_TRAP);
    deliver_external (env, EXC_DB);
    return true;
  }
  if (UNLIKELY (pending & BP_VCPU_IRQ_SMI))
    refuse_smi (env);
  if (env->hflags & HF_INHIBIT)
    return false;
  if (pending & X86_IRQ_NMIS && !env->nmi_masked) {
    take_back (env, pending & X86_IRQ_NMI_2 ? X86_IRQ_NMI_2 : BP_VCPU_IRQ_NMI);
    __atomic_store_n (&env->nmi_masked, 1, __ATOMIC_SEQ_CST);   /* after that: set_nmi */
    deliver_external (env, EXC_NMI);
    return true;
  }
  if (pending & BP_VCPU_IRQ_HARD && env->eflags & X86_FL_IF) {
    int vector = acknowledge (env);
    if (vector < 0)
      return false;
    deliver_external (env, (unsigned) vector & 0xff);
    return true;
  }
  return false;
}

bool
x86_wakes (const void *opaque, uint32_t pending)
{
  const X86Cpu *env = opaque;
  if (pending & (X86_IRQ_RESET | BP_VCPU_IRQ_INIT))
    return true;
  if (env->halted == HALTED_WAIT_SIPI)
    return pending & BP_VCPU_IRQ_SIPI;
  if (env->halted == HALTED_SHUTDOWN)
    return false;
  return pending & (X86_IRQ_EVENT | X86_IRQ_TRAP | BP_VCPU_IRQ_SMI) || (pending & X86_IRQ_NMIS && !env->nmi_masked)
         || (pending & BP_VCPU_IRQ_HARD && env->eflags & X86_FL_IF);
}

bool
x86_is_halted (const void *opaque)
{
  return ((const X86Cpu *) opaque)->halted != HALTED_NOT;
}

/* --- what stops the processor ---------------------------------------------------------------------------------- */

/* Nothing but NMI, INIT or a reset wakes it: how a PC without a power switch says that it is done. */
static void __attribute__ ((noinline))
dead_halt (X86Cpu *env)
{
  env->tcg.ops->fp_store (env);
  bp_machine_request_shutdown (bp_object_machine (env), 0, "the CPU halted with interrupts disabled");
}

void
helper_hlt (X86Cpu *env, uint64_t next)
{
  env->tcg.ops->restore (env);
  env->eip = next;
  env->halted = HALTED_HLT;
  env->eflags &= ~X86_FL_RF;
  env->hflags &= ~(HF_INHIBIT | HF_RF);
  if (env->eflags & X86_FL_TF) {
    env->halted = HALTED_NOT;
    x86_pend_trap (env, DR6_BS);
  } else if (env->exit_on_halt && !(env->eflags & X86_FL_IF))
    dead_halt (env);
  env->tcg.ops->leave (env);
}

void
helper_mwait (X86Cpu *env, uint64_t next)
{
  helper_hlt (env, next);
}

void
helper_single_step (X86Cpu *env)
{
  x86_pend_trap (env, DR6_BS);
  env->tcg.ops->leave (env);
}

/* --- host faults ------------------------------------------------------------------------------------------------- */

/* CR0.NE = 0: FERR# goes out, and the processor stands still before the instruction until an interrupt comes (SDM 1 8.7.2).  The line drops
 * first, so that an edge-triggered input sees each error. */
static void
freeze_for_ferr (X86Cpu *env)
{
  BpMachine *machine = bp_object_machine (env);
  env->exc_vector = -1;
  env->halted = HALTED_HLT;
  bp_machine_lock (machine);
  bp_pin_lower (env->ferr);
  bp_pin_raise (env->ferr);
  bp_machine_unlock (machine);
  if (!(env->eflags & X86_FL_IF))
    bp_log_guest (env, "x87 exception at %04x:%08x with CR0.NE and EFLAGS.IF clear: waiting for an NMI or a reset",
                  env->segment[X86_CS].selector, (uint32_t) env->eip);
}

/* Two rules about alignment: 16-byte operands of SSE (#GP), and AM (#AC).  Only with AM on must the instruction be looked at. */
static unsigned
alignment_vector (X86Cpu *env)
{
  uint8_t bytes[X86_MAX_INSN_LENGTH];
  X86Insn insn;
  X86Mode mode = x86_in_code64 (env) ? X86_MODE_64 : env->hflags & HF_CS32 ? X86_MODE_32 : X86_MODE_16;
  if (!(env->hflags & HF_AC))
    return EXC_GP;
  size_t n = 0;
  for (; n < sizeof bytes; n++) {
    bytes[n] = (uint8_t) x86_load (env, x86_code_linear (env, env->eip + n), BP_MO_8);
    if (x86_decode (bytes, n + 1, mode, &insn) != X86_DECODE_NEED_MORE)
      break;
  }
  return insn.mem_align ? EXC_GP : EXC_AC;
}

void
x86_host_fault (void *opaque, BpHostFault fault)
{
  X86Cpu *env = opaque;
  env->tcg.ops->fp_store (env);
  switch (fault) {
  case BP_HOST_FAULT_DIVIDE:
    x86_record_exception (env, EXC_DE, 0);
    break;
  case BP_HOST_FAULT_FP:
    if (env->cr0 & CR0_NE)
      x86_record_exception (env, EXC_MF, 0);
    else
      freeze_for_ferr (env);
    break;
  case BP_HOST_FAULT_SIMD:
    x86_record_exception (env, env->cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD, 0);
    break;
  case BP_HOST_FAULT_ALIGN:
    x86_record_exception (env, alignment_vector (env), 0);
    break;
  case BP_HOST_FAULT_TOP:
    x86_record_exception (env, EXC_GP, 0);
    break;
  case BP_HOST_FAULT_TOP_STACK:
    x86_record_exception (env, EXC_SS, 0);
    break;
  }
}

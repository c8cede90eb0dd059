/* far.c -- far jumps, calls and returns, IRET (SDM 2 JMP, CALL, RET, IRET; 3A chapter 5.8). */
/* SPDX-License-Identifier: MIT */
#include "common.h"
#include "helpers.h"

/* --- what jumps and calls share --------------------------------------------------------------- */

static uint64_t
truncate_offset (uint64_t value, unsigned size)
{
  return size == 2 ? value & 0xffff : size == 4 ? (uint32_t) value : value;
}

static void
jump_real (X86Cpu *env, unsigned selector, uint64_t offset)
{
  if (in_v86 (env))
    x86_put_v86 (env, X86_CS, selector);
  else
    x86_put_paragraph (env, X86_CS, selector);
  env->eip = offset;
  x86_update_mode (env);
}

static void
commit_code (X86Cpu *env, unsigned selector, const X86Descriptor *d, unsigned cpl, uint64_t offset)
{
  x86_put_code (env, (selector & ~3u) | cpl, d);
  env->eip = offset;
  x86_update_mode (env);
}

/* The target's descriptor: in a table, or #GP naming it. */
static void
fetch_target (X86Cpu *env, unsigned selector, X86Descriptor *d)
{
  if (selector_is_null (selector))
    x86_raise_error (env, EXC_GP, 0);
  if (!x86_fetch_descriptor (env, selector, d))
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
}

/* L and D together are reserved for something to come. */
static void
check_width (X86Cpu *env, unsigned selector, const X86Descriptor *d)
{
  if (desc_is_code64 (env, d) && d->hi & DESC_DB)
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
}

/* Code that may be jumped to or called without a gate. */
static void
check_direct (X86Cpu *env, unsigned selector, const X86Descriptor *d)
{
  unsigned cpl = x86_cpl (env);
  check_width (env, selector, d);
  if (desc_is_conforming (d) ? desc_dpl (d) > cpl : (selector & 3) > cpl || desc_dpl (d) != cpl)
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
  if (!(d->hi & DESC_P))
    x86_raise_error (env, EXC_NP, selector_error (selector, 0));
}

static void
check_offset (X86Cpu *env, const X86Descriptor *cs, uint64_t offset)
{
  if (desc_is_code64 (env, cs) ? !x86_is_canonical (offset) : offset > desc_limit (cs))
    x86_raise_error (env, EXC_GP, 0);
}

/* Gates and TSSs are used at max (CPL, RPL). */
static void
check_gate (X86Cpu *env, unsigned selector, const X86Descriptor *d)
{
  if (desc_dpl (d) < x86_cpl (env) || desc_dpl (d) < (selector & 3))
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
  if (!(d->hi & DESC_P))
    x86_raise_error (env, EXC_NP, selector_error (selector, 0));
}

typedef struct CallGate {
  uint16_t selector;
  unsigned size;                /* 2, 4, 8 */
  uint64_t offset;
  unsigned parameters;
} CallGate;

/* Long mode has but one kind, of 16 bytes. */
static void
read_call_gate (X86Cpu *env, unsigned selector, X86Descriptor *d, CallGate *g)
{
  bool wide = x86_in_long_mode (env);
  x86_widen_descriptor (env, selector, d);
  g->selector = (uint16_t) (d->lo >> 16);
  g->size = wide ? 8 : desc_type (d) == SYS_CALL32 ? 4 : 2;
  g->offset = truncate_offset ((uint64_t) d->base_hi << 32 | (d->hi & 0xffff0000) | (d->lo & 0xffff), g->size);
  g->parameters = wide ? 0 : d->hi & 31;
}

static bool
is_call_gate (const X86Cpu *env, const X86Descriptor *d)
{
  return desc_type (d) == SYS_CALL32 || (desc_type (d) == SYS_CALL16 && !x86_in_long_mode (env));
}

/* The code segment that a call gate names; in long mode it must be 64-bit code. */
static void
fetch_gate_target (X86Cpu *env, const CallGate *g, X86Descriptor *cs)
{
  fetch_target (env, g->selector, cs);
  if (x86_in_long_mode (env) && (cs->hi & (DESC_L | DESC_DB)) != DESC_L)
    x86_raise_error (env, EXC_GP, selector_error (g->selector, 0));
}

/* true: a task switch it was, and it is done. */
static bool
jump_to_task (X86Cpu *env, unsigned selector, const X86Descriptor *d, X86TaskReason reason, uint64_t next)
{
  X86Descriptor tss = *d;
  uint16_t tss_selector = (uint16_t) selector;
  unsigned type = desc_type (d);
  if ((type != SYS_TASK_GATE && type != SYS_TSS16 && type != SYS_TSS32) || x86_in_long_mode (env))
    return false;
  check_gate (env, selector, d);
  if (type == SYS_TASK_GATE)
    x86_task_gate_target (env, d, 0, &tss_selector, &tss);
  else if (selector & 4)
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
  env->tcg.ops->restore (env);
  x86_task_switch (env, tss_selector, &tss, reason, (uint32_t) next, x86_eflags (env), 0);
  env->tcg.ops->leave_soon (env);       /* interrupts may be enabled now */
  return true;
}

/* --- JMP ------------------------------------------------------------------------------------------- */

static void
jump_gate (X86Cpu *env, unsigned gate_selector, X86Descriptor *gate)
{
  CallGate g;
  X86Descriptor cs;
  unsigned cpl = x86_cpl (env);
  check_gate (env, gate_selector, gate);
  read_call_gate (env, gate_selector, gate, &g);
  fetch_gate_target (env, &g, &cs);
  if (!desc_is_code (&cs) || (desc_is_conforming (&cs) ? desc_dpl (&cs) > cpl : desc_dpl (&cs) != cpl))
    x86_raise_error (env, EXC_GP, selector_error (g.selector, 0));
  if (!(cs.hi & DESC_P))
    x86_raise_error (env, EXC_NP, selector_error (g.selector, 0));
  check_offset (env, &cs, g.offset);
  x86_mark_accessed (env, &cs);
  commit_code (env, g.selector, &cs, cpl, g.offset);
}

void
helper_ljmp (X86Cpu *env, uint32_t selector, uint64_t offset, uint32_t size, uint64_t next)
{
  X86Descriptor d;
  uint32_t hflags = env->hflags;
  selector &= 0xffff;
  offset = truncate_offset (offset, size);
  if (is_paragraph_mode (env)) {
    if (offset > env->segment[X86_CS].limit)
      x86_raise_error (env, EXC_GP, 0);
    jump_real (env, selector, offset);
    return;
  }
  fetch_target (env, selector, &d);
  if (desc_is_code (&d)) {
    check_direct (env, selector, &d);
    check_offset (env, &d, offset);
    x86_mark_accessed (env, &d);
    commit_code (env, selector, &d, x86_cpl (env), offset);
  } else if (d.hi & DESC_S)
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
  else if (is_call_gate (env, &d))
    jump_gate (env, selector, &d);
  else if (!jump_to_task (env, selector, &d, TASK_JMP, next))
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
  x86_leave_if_widened (env, hflags);
}

/* --- CALL ------------------------------------------------------------------------------------------------ */

static void
push_return (X86Cpu *env, X86Stack *s, unsigned size, uint64_t next)
{
  x86_stack_room (env, s, 2, size);
  x86_push (env, s, env->segment[X86_CS].selector, size);
  x86_push (env, s, next, size);
}

/* Long mode: RSP from the TSS, SS null. */
static void
call_inner64 (X86Cpu *env, const CallGate *g, X86Descriptor *cs, uint64_t next)
{
  X86Stack s;
  unsigned cpl = desc_dpl (cs);
  x86_stack64 (env, &s, x86_inner_rsp (env, cpl, 0, 0), cpl, 0);
  x86_stack_room (env, &s, 4, 8);
  check_offset (env, cs, g->offset);
  x86_push (env, &s, env->segment[X86_SS].selector, 8);
  x86_push (env, &s, env->gpr[X86_RSP], 8);
  x86_push (env, &s, env->segment[X86_CS].selector, 8);
  x86_push (env, &s, next, 8);
  x86_mark_accessed (env, cs);

  x86_put_null_stack (env, cpl, cpl);
  env->gpr[X86_RSP] = s.sp;
  commit_code (env, g->selector, cs, cpl, g->offset);
}

/* To an inner level: its stack from the TSS, old SS:ESP and the parameters on it. */
static void
call_inner (X86Cpu *env, const CallGate *g, X86Descriptor *cs, uint64_t next)
{
  X86Descriptor ss;
  X86Stack old, s;
  uint16_t ss_selector;
  uint32_t esp;
  unsigned cpl = desc_dpl (cs);
  x86_inner_stack (env, cpl, 0, &ss_selector, &ss, &esp);
  x86_stack_of (env, &s, &ss, esp, cpl, selector_error (ss_selector, 0));
  x86_stack_room (env, &s, 4 + g->parameters, g->size);
  check_offset (env, cs, g->offset);
  x86_stack_current (env, &old, 0);
  x86_stack_holds (env, &old, g->parameters, g->size);
  x86_push (env, &s, env->segment[X86_SS].selector, g->size);
  x86_push (env, &s, gpr (env, X86_RSP), g->size);
  for (unsigned i = g->parameters; i-- > 0; )
    x86_push (env, &s, load_at (env, (uint32_t) (old.base + ((old.sp + i * g->size) & old.mask)), g->size, old.mmu), g->size);
  x86_push (env, &s, env->segment[X86_CS].selector, g->size);
  x86_push (env, &s, next, g->size);
  x86_mark_accessed (env, cs);
  x86_mark_accessed (env, &ss);

  x86_put_descriptor (env, X86_SS, ss_selector, &ss);
  put_sp (env, s.sp, s.mask);
  commit_code (env, g->selector, cs, cpl, g->offset);
}

static void
call_gate (X86Cpu *env, unsigned gate_selector, X86Descriptor *gate, uint64_t next)
{
  CallGate g;
  X86Descriptor cs;
  X86Stack s;
  unsigned cpl = x86_cpl (env);
  check_gate (env, gate_selector, gate);
  read_call_gate (env, gate_selector, gate, &g);
  fetch_gate_target (env, &g, &cs);
  if (!desc_is_code (&cs) || desc_dpl (&cs) > cpl)
    x86_raise_error (env, EXC_GP, selector_error (g.selector, 0));
  if (!(cs.hi & DESC_P))
    x86_raise_error (env, EXC_NP, selector_error (g.selector, 0));
  if (!desc_is_conforming (&cs) && desc_dpl (&cs) < cpl) {
    (x86_in_long_mode (env) ? call_inner64 : call_inner) (env, &g, &cs, next);
    return;
  }
  x86_stack_current (env, &s, 0);
  x86_stack_room (env, &s, 2, g.size);
  check_offset (env, &cs, g.offset);
  push_return (env, &s, g.size, next);
  x86_mark_accessed (env, &cs);
  commit_sp (env, &s);
  commit_code (env, g.selector, &cs, cpl, g.offset);
}

static void
call_code (X86Cpu *env, unsigned selector, X86Descriptor *cs, uint64_t offset, unsigned size, uint64_t next)
{
  X86Stack s;
  check_direct (env, selector, cs);
  x86_stack_current (env, &s, 0);
  x86_stack_room (env, &s, 2, size);
  check_offset (env, cs, offset);
  push_return (env, &s, size, next);
  x86_mark_accessed (env, cs);
  commit_sp (env, &s);
  commit_code (env, selector, cs, x86_cpl (env), offset);
}

void
helper_lcall (X86Cpu *env, uint32_t selector, uint64_t offset, uint32_t size, uint64_t next)
{
  X86Descriptor d;
  uint32_t hflags = env->hflags;
  selector &= 0xffff;
  offset = truncate_offset (offset, size);
  if (is_paragraph_mode (env)) {
    X86Stack s;
    x86_stack_current (env, &s, 0);
    x86_stack_room (env, &s, 2, size);
    if (offset > env->segment[X86_CS].limit)
      x86_raise_error (env, EXC_GP, 0);
    push_return (env, &s, size, next);
    commit_sp (env, &s);
    jump_real (env, selector, offset);
    return;
  }
  fetch_target (env, selector, &d);
  if (desc_is_code (&d))
    call_code (env, selector, &d, offset, size, next);
  else if (d.hi & DESC_S)
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
  else if (is_call_gate (env, &d))
    call_gate (env, selector, &d, next);
  else if (!jump_to_task (env, selector, &d, TASK_CALL, next))
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
  x86_leave_if_widened (env, hflags);
}

/* --- RET, IRET: where to ------------------------------------------------------------------------------- */

/* The code segment that a return pops. */
static void
check_return_code (X86Cpu *env, unsigned selector, X86Descriptor *d)
{
  unsigned rpl = selector & 3;
  uint32_t error = selector_error (selector, 0);
  fetch_target (env, selector, d);
  check_width (env, selector, d);
  if (!desc_is_code (d) || rpl < x86_cpl (env) || (desc_is_conforming (d) ? desc_dpl (d) > rpl : desc_dpl (d) != rpl))
    x86_raise_error (env, EXC_GP, error);
  if (!(d->hi & DESC_P))
    x86_raise_error (env, EXC_NP, error);
}

/* The stack segment that a return to privilege level `rpl` pops; false: none, which 64-bit code below level 3 may have. */
static bool
check_return_stack (X86Cpu *env, unsigned selector, unsigned rpl, const X86Descriptor *cs, X86Descriptor *d)
{
  uint32_t error = selector_error (selector, 0);
  if (selector_is_null (selector) && desc_is_code64 (env, cs) && rpl != 3 && (selector & 3) == rpl)
    return false;
  fetch_target (env, selector, d);
  if ((selector & 3) != rpl || !desc_is_writable_data (d) || desc_dpl (d) != rpl)
    x86_raise_error (env, EXC_GP, error);
  if (!(d->hi & DESC_P))
    x86_raise_error (env, EXC_SS, error);
  return true;
}

/* Pops what a return to an outer level (or any IRET of 64-bit mode) finds below its parameters, and goes there; s has popped the rest. */
static void
return_outer (X86Cpu *env, X86Stack *s, unsigned size, uint64_t eip, unsigned selector, X86Descriptor *cs, uint32_t release)
{
  X86Descriptor ss;
  unsigned rpl = selector & 3;
  x86_stack_holds (env, s, 2, size);
  uint64_t esp = x86_pop (env, s, size);
  unsigned ss_selector = x86_pop (env, s, size) & 0xffff;
  bool has_ss = check_return_stack (env, ss_selector, rpl, cs, &ss), inner = rpl == x86_cpl (env);
  check_offset (env, cs, eip);
  x86_mark_accessed (env, cs);
  if (has_ss)
    x86_mark_accessed (env, &ss);

  if (has_ss)
    x86_put_descriptor (env, X86_SS, ss_selector, &ss);
  else
    x86_put_null_stack (env, ss_selector, rpl);
  /* A 16-bit stack leaves the upper half of ESP as the inner level had it. */
  put_sp (env, esp + release, desc_is_code64 (env, cs) ? STACK64 : stack_mask (env->segment[X86_SS].attributes));
  if (!inner)
    x86_null_inaccessible (env, rpl);
  commit_code (env, selector, cs, rpl, eip);
}

void
helper_lret (X86Cpu *env, uint32_t size, uint32_t release)
{
  X86Stack s;
  X86Descriptor cs;
  x86_stack_current (env, &s, 0);
  x86_stack_holds (env, &s, 2, size);
  uint64_t eip = x86_pop (env, &s, size);
  unsigned selector = x86_pop (env, &s, size) & 0xffff;
  s.sp += release;
  if (is_paragraph_mode (env)) {
    if (eip > env->segment[X86_CS].limit)
      x86_raise_error (env, EXC_GP, 0);
    commit_sp (env, &s);
    jump_real (env, selector, eip);
    return;
  }
  uint32_t hflags = env->hflags;
  check_return_code (env, selector, &cs);
  if ((selector & 3) > x86_cpl (env)) {
    return_outer (env, &s, size, eip, selector, &cs, release);
  } else {
    check_offset (env, &cs, eip);
    x86_mark_accessed (env, &cs);
    commit_sp (env, &s);
    commit_code (env, selector, &cs, x86_cpl (env), eip);
  }
  x86_leave_if_widened (env, hflags);
}

/* --- IRET ----------------------------------------------------------------------------------------------------- */

#define FLAGS_ALWAYS (X86_FL_ARITH | X86_FL_TF | X86_FL_DF | X86_FL_NT)
#define FLAGS_32 (X86_FL_RF | X86_FL_AC | X86_FL_ID)

/* After the return: NMIs come again, and an interrupt that waited is looked for. */
static void
finish_iret (X86Cpu *env, uint32_t eflags, uint32_t mask)
{
  bool was_enabled = env->eflags & X86_FL_IF;
  bool nmi_was_masked = env->nmi_masked;
  env->nmi_masked = 0;
  if (!(env->hflags & HF_BREAKPOINTS))
    eflags &= ~(uint32_t) X86_FL_RF;    /* it would only shield the next instruction from breakpoints: there are none */
  x86_set_eflags (env, eflags, mask);
  if (nmi_was_masked || (!was_enabled && env->eflags & X86_FL_IF))
    x86_look_for_interrupts (env);
}

/* Virtual-8086 mode extensions: IF stands for VIF. */
static uint32_t
check_vme_iret (X86Cpu *env, uint32_t size, uint32_t eflags)
{
  if (!(env->cr4 & CR4_VME) || size != 2 || (eflags & X86_FL_IF && env->eflags & X86_FL_VIP) || eflags & X86_FL_TF)
    x86_raise_error (env, EXC_GP, 0);
  return eflags & X86_FL_IF ? X86_FL_VIF : 0;
}

void
helper_iret_real (X86Cpu *env, uint32_t size)
{
  X86Stack s;
  bool v86 = in_v86 (env);
  if (v86 && iopl (env) < 3 && (!(env->cr4 & CR4_VME) || size != 2))
    x86_raise_error (env, EXC_GP, 0);
  x86_stack_current (env, &s, 0);
  x86_stack_holds (env, &s, 3, size);
  uint64_t eip = x86_pop (env, &s, size);
  unsigned selector = x86_pop (env, &s, size) & 0xffff;
  uint32_t eflags = (uint32_t) x86_pop (env, &s, size);
  uint32_t mask = FLAGS_ALWAYS | X86_FL_IF | (v86 ? 0 : X86_FL_IOPL) | (size == 4 ? FLAGS_32 : 0);
  if (eip > env->segment[X86_CS].limit)
    x86_raise_error (env, EXC_GP, 0);
  if (v86 && iopl (env) < 3) {
    eflags = (eflags & ~(uint32_t) X86_FL_VIF) | check_vme_iret (env, size, eflags);
    mask = FLAGS_ALWAYS | X86_FL_VIF;
  }
  commit_sp (env, &s);
  jump_real (env, selector, eip);
  finish_iret (env, eflags, mask | X86_FL_RF);
}

static void
iret_task (X86Cpu *env, uint64_t next)
{
  X86Descriptor d;
  if (x86_in_long_mode (env))
    x86_raise_error (env, EXC_GP, 0);
  unsigned link = (unsigned) load_at (env, (uint32_t) env->segment[BP_X86_TR].base, 2, x86_mmu_implicit (env));
  uint32_t error = selector_error (link, 0);
  if (link & 4 || selector_is_null (link) || !x86_fetch_descriptor (env, link, &d) || d.hi & DESC_S
      || (desc_type (&d) != SYS_TSS16_BUSY && desc_type (&d) != SYS_TSS32_BUSY))
    x86_raise_error (env, EXC_TS, error);
  if (!(d.hi & DESC_P))
    x86_raise_error (env, EXC_NP, error);
  env->tcg.ops->restore (env);
  x86_task_switch (env, link, &d, TASK_IRET, (uint32_t) next, x86_eflags (env), 0);
  env->nmi_masked = 0;
  env->tcg.ops->leave_soon (env);
}

static void
iret_to_v86 (X86Cpu *env, X86Stack *s, uint64_t eip, unsigned cs, uint32_t eflags)
{
  static const uint8_t order[4] = { X86_ES, X86_DS, X86_FS, X86_GS };
  uint16_t selector[4];
  x86_stack_holds (env, s, 6, 4);
  uint32_t esp = (uint32_t) x86_pop (env, s, 4);
  unsigned ss = x86_pop (env, s, 4) & 0xffff;
  for (unsigned i = 0; i < 4; i++)
    selector[i] = (uint16_t) x86_pop (env, s, 4);
  if (eip > 0xffff)
    x86_raise_error (env, EXC_GP, 0);

  set_gpr (env, X86_RSP, esp);
  x86_put_v86 (env, X86_CS, cs);
  x86_put_v86 (env, X86_SS, ss);
  for (unsigned i = 0; i < 4; i++)
    x86_put_v86 (env, order[i], selector[i]);
  env->eip = eip;
  finish_iret (env, eflags, X86_FL_ALL);
  x86_update_mode (env);
}

void
helper_iret_protected (X86Cpu *env, uint32_t size, uint64_t next)
{
  X86Stack s;
  X86Descriptor cs;
  unsigned cpl = x86_cpl (env);
  uint32_t hflags = env->hflags;
  if (env->eflags & X86_FL_NT) {
    iret_task (env, next);
    return;
  }
  x86_stack_current (env, &s, 0);
  x86_stack_holds (env, &s, 3, size);
  uint64_t eip = x86_pop (env, &s, size);
  unsigned selector = x86_pop (env, &s, size) & 0xffff;
  uint32_t eflags = (uint32_t) x86_pop (env, &s, size);
  if (size == 4 && eflags & X86_FL_VM && cpl == 0 && !x86_in_long_mode (env)) {
    iret_to_v86 (env, &s, eip, selector, eflags);
    return;
  }
  uint32_t mask = FLAGS_ALWAYS | X86_FL_RF | (size != 2 ? FLAGS_32 : 0);
  if (size == 2)
    eflags &= 0xffff;           /* RF is cleared */
  if (cpl <= iopl (env))
    mask |= X86_FL_IF;
  if (cpl == 0)
    mask |= X86_FL_IOPL | (size != 2 ? X86_FL_VIF | X86_FL_VIP : 0);
  check_return_code (env, selector, &cs);
  if ((selector & 3) > cpl || x86_in_code64 (env))
    return_outer (env, &s, size, eip, selector, &cs, 0);
  else {
    check_offset (env, &cs, eip);
    x86_mark_accessed (env, &cs);
    commit_sp (env, &s);
    commit_code (env, selector, &cs, cpl, eip);
  }
  finish_iret (env, eflags, mask);
  x86_leave_if_widened (env, hflags);
}

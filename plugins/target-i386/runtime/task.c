/* task.c -- hardware task management: task-state segments and the task switch (SDM 3A chapter 7). */
/* SPDX-License-Identifier: MIT */
#include "common.h"
#include "helpers.h"

/* --- the two layouts (SDM 3A figures 7-2 and 7-10) ------------------------------------------ */

typedef struct Layout {
  uint8_t item;                 /* size of a register */
  uint8_t eip, eflags, eax, es; /* GPRs and segments follow in encoding order, `step` apart */
  uint8_t n_segments;           /* ES CS SS DS, and FS GS */
  uint8_t step;
  uint8_t ldt, trap;            /* trap 0: none */
  uint8_t cr3;                  /* 0: none */
  uint8_t minimum;              /* least limit */
} Layout;

static const Layout layout16 = { 2, 14, 16, 18, 34, 4, 2, 42, 0, 0, 43 };
static const Layout layout32 = { 4, 32, 36, 40, 72, 6, 4, 96, 100, 28, 103 };

static const Layout *
layout_of (unsigned type)
{
  return type & 8 ? &layout32 : &layout16;
}

/* What a task's TSS says: read as a whole before anything changes. */
typedef struct TaskState {
  uint32_t eip, eflags, cr3;
  uint32_t gpr[8];
  uint16_t segment[6];
  uint16_t ldt;
  bool trap;
} TaskState;

/* --- inner stacks ---------------------------------------------------------------------------- */

static void
tss_stack (X86Cpu *env, unsigned cpl, uint32_t ext, uint16_t *ss, uint32_t *esp)
{
  const BpX86Segment *tr = &env->segment[BP_X86_TR];
  unsigned size = tr->attributes & 8 ? 4 : 2;
  uint32_t offset = size == 4 ? 4 + 8 * cpl : 2 + 4 * cpl;
  if (!(tr->attributes & SEG_P) || offset + size + 1 > tr->limit)
    x86_raise_error (env, EXC_TS, selector_error (tr->selector, ext));
  *esp = (uint32_t) load_at (env, (uint32_t) tr->base + offset, size, x86_mmu_implicit (env));
  *ss = (uint16_t) load_at (env, (uint32_t) tr->base + offset + size, 2, x86_mmu_implicit (env));
}

void
x86_inner_stack (X86Cpu *env, unsigned cpl, uint32_t ext, uint16_t *ss, X86Descriptor *d, uint32_t *esp)
{
  tss_stack (env, cpl, ext, ss, esp);
  if (selector_is_null (*ss))
    x86_raise_error (env, EXC_TS, ext);
  uint32_t error = selector_error (*ss, ext);
  if (!x86_fetch_descriptor (env, *ss, d) || (*ss & 3u) != cpl || desc_dpl (d) != cpl || !desc_is_writable_data (d))
    x86_raise_error (env, EXC_TS, error);
  if (!(d->hi & DESC_P))
    x86_raise_error (env, EXC_SS, error);
}

/* SDM 3A 8.7, figure 8-11. */
uint64_t
x86_inner_rsp (X86Cpu *env, unsigned cpl, unsigned ist, uint32_t ext)
{
  const BpX86Segment *tr = &env->segment[BP_X86_TR];
  uint32_t offset = ist ? 36 + 8 * (ist - 1) : 4 + 8 * cpl;
  if (!(tr->attributes & SEG_P) || offset + 7 > tr->limit)
    x86_raise_error (env, EXC_TS, selector_error (tr->selector, ext));
  return x86_load_kernel (env, tr->base + offset, BP_MO_64);
}

/* --- checks before the switch ------------------------------------------------------------------- */

void
x86_task_gate_target (X86Cpu *env, const X86Descriptor *gate, uint32_t ext, uint16_t *selector, X86Descriptor *d)
{
  *selector = (uint16_t) (gate->lo >> 16);
  uint32_t error = selector_error (*selector, ext);
  if (selector_is_null (*selector) || *selector & 4 || !x86_fetch_descriptor (env, *selector, d) || d->hi & DESC_S
      || (desc_type (d) != SYS_TSS16 && desc_type (d) != SYS_TSS32))
    x86_raise_error (env, EXC_GP, error);
  if (!(d->hi & DESC_P))
    x86_raise_error (env, EXC_NP, error);
}

/* Every byte of [linear, linear + size) may be accessed as the kernel: a fault comes here, in the old task. */
static void
probe (X86Cpu *env, uint32_t linear, uint32_t size, BpMmuAccess access)
{
  uint32_t last = linear + size - 1;
  env->tcg.ops->probe (env, linear, 1, access, x86_mmu_implicit (env));
  if ((linear ^ last) >> 12)
    env->tcg.ops->probe (env, last, 1, access, x86_mmu_implicit (env));
}

/* --- old state out, new state in -------------------------------------------------------------------- */

static void
save_state (X86Cpu *env, const Layout *l, uint32_t base, uint32_t eip, uint32_t eflags)
{
  store_at (env, base + l->eip, eip, l->item, x86_mmu_implicit (env));
  store_at (env, base + l->eflags, eflags, l->item, x86_mmu_implicit (env));
  for (unsigned i = 0; i < 8; i++)
    store_at (env, base + l->eax + i * l->item, gpr (env, i), l->item, x86_mmu_implicit (env));
  for (unsigned i = 0; i < l->n_segments; i++)
    store_at (env, base + l->es + i * l->step, env->segment[i].selector, 2, x86_mmu_implicit (env));
}

static void
load_state (X86Cpu *env, const Layout *l, uint32_t base, TaskState *t)
{
  t->eip = (uint32_t) load_at (env, base + l->eip, l->item, x86_mmu_implicit (env));
  t->eflags = (uint32_t) load_at (env, base + l->eflags, l->item, x86_mmu_implicit (env));
  t->cr3 = l->cr3 ? (uint32_t) load_at (env, base + l->cr3, 4, x86_mmu_implicit (env)) : (uint32_t) env->cr3;
  for (unsigned i = 0; i < 8; i++) {
    t->gpr[i] = (uint32_t) load_at (env, base + l->eax + i * l->item, l->item, x86_mmu_implicit (env));
    if (l->item == 2)
      t->gpr[i] |= 0xffff0000;  /* undefined by the manual; processors leave ones */
  }
  for (unsigned i = 0; i < 6; i++)
    t->segment[i] = i < l->n_segments ? (uint16_t) load_at (env, base + l->es + i * l->step, 2, x86_mmu_implicit (env)) : 0;
  t->ldt = (uint16_t) load_at (env, base + l->ldt, 2, x86_mmu_implicit (env));
  t->trap = l->trap && load_at (env, base + l->trap, 2, x86_mmu_implicit (env)) & 1;
}

/* --- descriptors of the new task: faults from here on belong to it (SDM 3A table 7-1) -------------------- */

static void
enter_ldt (X86Cpu *env, unsigned selector, uint32_t ext)
{
  X86Descriptor d;
  if (selector_is_null (selector))
    return;
  if (selector & 4 || !x86_fetch_descriptor (env, selector, &d) || d.hi & DESC_S || desc_type (&d) != SYS_LDT || !(d.hi & DESC_P))
    x86_raise_error (env, EXC_TS, selector_error (selector, ext));
  x86_put_descriptor (env, BP_X86_LDTR, selector, &d);
}

static void
enter_code (X86Cpu *env, unsigned selector, uint32_t ext)
{
  X86Descriptor d;
  uint32_t error = selector_error (selector, ext);
  unsigned cpl = selector & 3;
  if (selector_is_null (selector) || !x86_fetch_descriptor (env, selector, &d) || !desc_is_code (&d)
      || (desc_is_conforming (&d) ? desc_dpl (&d) > cpl : desc_dpl (&d) != cpl))
    x86_raise_error (env, EXC_TS, error);
  if (!(d.hi & DESC_P))
    x86_raise_error (env, EXC_NP, error);
  x86_mark_accessed (env, &d);
  x86_put_descriptor (env, X86_CS, selector, &d);
  x86_update_hflags (env);
}

static void
enter_stack (X86Cpu *env, unsigned selector, unsigned cpl, uint32_t ext)
{
  X86Descriptor d;
  uint32_t error = selector_error (selector, ext);
  if (selector_is_null (selector) || !x86_fetch_descriptor (env, selector, &d) || !desc_is_writable_data (&d)
      || (selector & 3) != cpl || desc_dpl (&d) != cpl)
    x86_raise_error (env, EXC_TS, error);
  if (!(d.hi & DESC_P))
    x86_raise_error (env, EXC_SS, error);
  x86_mark_accessed (env, &d);
  x86_put_descriptor (env, X86_SS, selector, &d);
  x86_update_hflags (env);
}

static void
enter_data (X86Cpu *env, unsigned seg, unsigned selector, unsigned cpl, uint32_t ext)
{
  X86Descriptor d;
  uint32_t error = selector_error (selector, ext);
  if (selector_is_null (selector))
    return;
  if (!x86_fetch_descriptor (env, selector, &d) || !(d.hi & DESC_S) || (d.hi & (DESC_CODE | DESC_WRITABLE)) == DESC_CODE
      || ((!desc_is_code (&d) || !desc_is_conforming (&d)) && (desc_dpl (&d) < cpl || desc_dpl (&d) < (selector & 3))))
    x86_raise_error (env, EXC_TS, error);
  if (!(d.hi & DESC_P))
    x86_raise_error (env, EXC_NP, error);
  x86_mark_accessed (env, &d);
  x86_put_descriptor (env, seg, selector, &d);
  x86_update_hflags (env);
}

/* --- the switch ------------------------------------------------------------------------------------------ */

/* Registers and selectors, with every segment unusable but for the privilege level, which SS carries. */
static void
enter_registers (X86Cpu *env, const TaskState *t, uint32_t eflags)
{
  for (unsigned i = 0; i < 8; i++)
    set_gpr (env, i, t->gpr[i]);
  env->eip = t->eip;
  x86_set_eflags (env, eflags, X86_FL_ALL);
  for (unsigned i = 0; i < 6; i++)
    if (eflags & X86_FL_VM)
      x86_put_v86 (env, i, t->segment[i]);
    else
      x86_put_null (env, i, t->segment[i]);
  x86_put_null (env, BP_X86_LDTR, t->ldt);
  if (!(eflags & X86_FL_VM))
    env->segment[X86_SS].attributes = (uint16_t) ((t->segment[X86_CS] & 3) << SEG_DPL_SHIFT);
  env->cr0 |= CR0_TS;
  env->dr[7] &= ~(uint64_t) (DR7_LOCAL | 1u << 8);
  x86_update_hflags (env);
}

static void
enter_segments (X86Cpu *env, const TaskState *t, uint32_t ext)
{
  static const uint8_t data[4] = { X86_ES, X86_DS, X86_FS, X86_GS };
  unsigned cpl = t->segment[X86_CS] & 3;
  enter_code (env, t->segment[X86_CS], ext);
  enter_stack (env, t->segment[X86_SS], cpl, ext);
  for (unsigned i = 0; i < 4; i++)
    enter_data (env, data[i], t->segment[data[i]], cpl, ext);
}

void
x86_task_switch (X86Cpu *env, unsigned selector, const X86Descriptor *d, X86TaskReason reason, uint32_t next, uint32_t eflags, uint32_t ext)
{
  const BpX86Segment *tr = &env->segment[BP_X86_TR];
  const Layout *old_layout = layout_of (tr->attributes), *new_layout = layout_of (desc_type (d));
  uint32_t old_base = (uint32_t) tr->base, new_base = (uint32_t) desc_base (d), old_descriptor = (uint32_t) env->gdtr.base + (tr->selector & 0xfff8);
  bool nested = reason == TASK_CALL || reason == TASK_EVENT;
  TaskState t;

  if (desc_limit (d) < new_layout->minimum)
    x86_raise_error (env, EXC_TS, selector_error (selector, ext));
  if (tr->limit < old_layout->minimum)
    x86_raise_error (env, EXC_TS, selector_error (tr->selector, ext));
  probe (env, old_base, old_layout->minimum + 1u, BP_MMU_STORE);
  probe (env, (uint32_t) d->address, 8, BP_MMU_STORE);
  if (reason == TASK_JMP || reason == TASK_IRET)
    probe (env, old_descriptor, 8, BP_MMU_STORE);
  if (nested)
    probe (env, new_base, 2, BP_MMU_STORE);
  load_state (env, new_layout, new_base, &t);

  /* Nothing faults from here to the new task. */
  if (reason == TASK_IRET)
    eflags &= ~(uint32_t) X86_FL_NT;
  save_state (env, old_layout, old_base, next, eflags);
  if (reason == TASK_JMP || reason == TASK_IRET)
    x86_mark_busy (env, old_descriptor, false);
  if (reason != TASK_IRET)
    x86_mark_busy (env, d->address, true);
  if (nested) {
    store_at (env, new_base, tr->selector, 2, x86_mmu_implicit (env));
    t.eflags |= X86_FL_NT;
  }
  x86_put_descriptor (env, BP_X86_TR, selector, d);
  env->segment[BP_X86_TR].attributes |= 2;
  if (new_layout->item == 2)
    t.eflags &= 0xffff;
  enter_registers (env, &t, t.eflags);
  /* ops->raise winds the pc back to the instruction that switched; delivery puts these in its place. */
  env->new_task_eip = t.eip;
  env->new_task_cc_op = env->cc_op;
  env->new_task = 1;
  if (env->cr0 & CR0_PG && new_layout->cr3) {
    if (env->cr4 & CR4_PAE && !x86_load_pdptes (env, t.cr3))
      x86_raise_error (env, EXC_TS, selector_error (selector, ext));
    x86_set_cr3 (env, t.cr3);
  }
  enter_ldt (env, t.ldt, ext);
  if (!(t.eflags & X86_FL_VM))
    enter_segments (env, &t, ext);
  x86_update_hflags (env);
  if (t.eip > env->segment[X86_CS].limit)
    x86_raise_error (env, EXC_GP, ext);
  env->new_task = 0;
  if (t.trap)
    x86_pend_trap (env, DR6_BT);
}

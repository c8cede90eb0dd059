/* segment.c -- segment registers and descriptor tables: loads, checks, what instructions ask about selectors. */
/* SPDX-License-Identifier: MIT */
#include "common.h"
#include "helpers.h"

/* --- mode bits ------------------------------------------------------------------------- */

#define SEGMENT_BITS (HF_BASE0_ALL | 63u << HF_FLAT_SHIFT)

static uint32_t
base0_bit (unsigned seg)
{
  return HF_BASE0 (seg) & HF_BASE0_ALL;
}

static uint32_t
segment_bits (const BpX86Segment *s, unsigned seg)
{
  /* S, P and W/R; expand-down data is never flat, conforming code is */
  uint32_t type = s->attributes & (SEG_S | SEG_P | SEG_WRITABLE);
  bool expand_down = (s->attributes & (SEG_CODE | SEG_EXPAND_DOWN)) == SEG_EXPAND_DOWN;
  bool code = s->attributes & SEG_CODE, whole = s->limit == 0xffffffff && type == (SEG_S | SEG_P | SEG_WRITABLE);
  return (s->base == 0 ? base0_bit (seg) : 0)
         | (whole && !expand_down && code == (seg == X86_CS) ? HF_FLAT (seg) : 0);
}

/* 64-bit mode looks at no limits or types, and at no bases but those of FS and GS.  Theirs change often (SWAPGS) and are always added. */
static uint32_t
segment_bits64 (unsigned seg)
{
  return HF_FLAT (seg) | (seg < X86_FS ? base0_bit (seg) : 0);
}

static void
update_segment_bits (X86Cpu *env, unsigned seg)
{
  const BpX86Segment *s = &env->segment[seg];
  if (seg <= X86_GS)
    env->hflags = (env->hflags & ~(base0_bit (seg) | HF_FLAT (seg)))
      | (x86_in_code64 (env) ? segment_bits64 (seg) : segment_bits (s, seg));
}

static void
update_all_segment_bits (X86Cpu *env)
{
  for (unsigned seg = X86_ES; seg <= X86_GS; seg++)
    update_segment_bits (env, seg);
}

/* 32-bit code keeps only the low halves of what 64-bit flags were made from. */
static void __attribute__ ((noinline))
switch_code_width (X86Cpu *env)
{
  env->cc_src = x86_compute_cc (env->cc_op, env->cc_dst, env->cc_src, env->cc_src2);
  env->cc_op = CC_EFLAGS;
  update_all_segment_bits (env);
}

/* Data breakpoints are the TLB's business. */
static uint32_t
breakpoints_bit (uint32_t dr7, bool has_io)
{
  uint32_t f = 0;
  for (unsigned i = 0; i < 4 && dr7 & 0xff; i++) {
    unsigned kind = dr7 >> (16 + 4 * i) & 3;
    if (dr7 >> 2 * i & 3 && (kind == 0 || (kind == 2 && has_io)))
      f = HF_BREAKPOINTS;
  }
  return f;
}

void
x86_update_mode (X86Cpu *env)
{
  uint32_t eflags = env->eflags;
  uint32_t f = env->hflags & (HF_INHIBIT | SEGMENT_BITS);
  unsigned cpl = 0;
  if (env->cr0 & CR0_PE) {
    f |= HF_PE;
    cpl = eflags & X86_FL_VM ? 3 : env->segment[X86_SS].attributes >> SEG_DPL_SHIFT & 3;
    if (eflags & X86_FL_VM)
      f |= HF_VM;
  }
  f |= cpl;
  bool code64 = x86_in_long_mode (env) && env->segment[X86_CS].attributes & SEG_L;
  f |= code64 ? HF_CODE64 | HF_SS32 : 0;
  f |= env->segment[X86_CS].attributes & SEG_DB && !(f & HF_VM) ? HF_CS32 : 0;
  f |= env->segment[X86_SS].attributes & SEG_DB && !(f & HF_VM) ? HF_SS32 : 0;
  f |= eflags & X86_FL_TF ? HF_TF : 0;
  f |= cpl <= (eflags >> 12 & 3) ? HF_IO_OK : 0;
  f |= env->cr0 & CR0_MP ? HF_MP : 0;
  f |= env->cr0 & CR0_EM ? HF_EM : 0;
  f |= env->cr0 & CR0_TS ? HF_TS : 0;
  f |= env->cr0 & CR0_NE ? HF_NE : 0;
  f |= env->cr4 & CR4_OSFXSR ? HF_OSFXSR : 0;
  f |= cpl == 3 && env->cr0 & CR0_AM && eflags & X86_FL_AC ? HF_AC : 0;
  f |= cpl < 3 && env->cr4 & CR4_SMAP && !(eflags & X86_FL_AC) ? HF_SMAP : 0;
  f |= env->cr4 & CR4_OSXSAVE && (env->xcr0 & 6) == 6 ? HF_AVX : 0;
  f |= eflags & X86_FL_RF ? HF_RF : 0;
  f |= env->cr4 & (f & HF_VM ? CR4_VME : CR4_PVI) && f & HF_PE ? HF_VME : 0;
  bool other_width = (env->hflags ^ f) & HF_CODE64;
  env->hflags = f | breakpoints_bit ((uint32_t) env->dr[7], env->cr4 & CR4_DE);
  if (UNLIKELY (other_width))
    switch_code_width (env);
}

void
x86_update_hflags (X86Cpu *env)
{
  x86_update_mode (env);
  update_all_segment_bits (env);
}

/* --- registers ------------------------------------------------------------------------- */

void
x86_put_segment (X86Cpu *env, unsigned seg, unsigned selector, uint64_t base, uint32_t limit, uint32_t attributes)
{
  BpX86Segment *s = &env->segment[seg];
  s->selector = (uint16_t) selector;
  s->attributes = (uint16_t) attributes;
  s->limit = limit;
  s->base = base;
  update_segment_bits (env, seg);
}

void
x86_set_segment (X86Cpu *env, unsigned seg, uint16_t selector, uint64_t base, uint32_t limit, uint32_t attributes)
{
  x86_put_segment (env, seg, selector, base, limit, attributes);
  x86_update_mode (env);
}

void
x86_put_descriptor (X86Cpu *env, unsigned seg, unsigned selector, const X86Descriptor *d)
{
  x86_put_segment (env, seg, selector, desc_base (d), desc_limit (d), desc_attributes (d));
}

void
x86_put_code (X86Cpu *env, unsigned selector, const X86Descriptor *d)
{
  if (desc_is_code64 (env, d))
    x86_put_segment (env, X86_CS, selector, 0, 0xffffffff, desc_attributes (d));
  else
    x86_put_descriptor (env, X86_CS, selector, d);
}

void
x86_put_null (X86Cpu *env, unsigned seg, unsigned selector)
{
  x86_put_segment (env, seg, selector, 0, 0, 0);
}

void
x86_put_null_stack (X86Cpu *env, unsigned selector, unsigned cpl)
{
  x86_put_segment (env, X86_SS, selector, 0, 0, cpl << SEG_DPL_SHIFT);
}

/* Limit and rights stay what protected mode left ("unreal mode"); a register that it left unusable becomes usable. */
void
x86_put_paragraph (X86Cpu *env, unsigned seg, unsigned selector)
{
  BpX86Segment *s = &env->segment[seg];
  bool usable = (s->attributes & (SEG_S | SEG_P)) == (SEG_S | SEG_P);
  x86_put_segment (env, seg, selector, selector << 4, usable ? s->limit : 0xffff, usable ? s->attributes : 0x93);
}

void
x86_put_v86 (X86Cpu *env, unsigned seg, unsigned selector)
{
  x86_put_segment (env, seg, selector, selector << 4, 0xffff, 0xf3);
}

/* The base stays, and in 64-bit mode, which looks at nothing else of FS and GS, it is used as before. */
void
x86_null_inaccessible (X86Cpu *env, unsigned cpl)
{
  static const uint8_t data[4] = { X86_ES, X86_DS, X86_FS, X86_GS };
  for (unsigned i = 0; i < 4; i++) {
    const BpX86Segment *s = &env->segment[data[i]];
    bool conforming = (s->attributes & (SEG_CODE | SEG_EXPAND_DOWN)) == (SEG_CODE | SEG_EXPAND_DOWN);
    if (s->attributes & SEG_S && !conforming && (s->attributes >> SEG_DPL_SHIFT & 3u) < cpl)
      x86_put_segment (env, data[i], 0, s->base, 0, 0);
  }
}

/* --- descriptor tables --------------------------------------------------------------------- */

bool
x86_fetch_descriptor (X86Cpu *env, unsigned selector, X86Descriptor *d)
{
  uint64_t base;
  uint32_t limit;
  if (selector & 4) {
    const BpX86Segment *ldt = &env->segment[BP_X86_LDTR];
    if (!(ldt->attributes & SEG_P))
      return false;
    base = ldt->base;
    limit = ldt->limit;
  } else {
    base = env->gdtr.base;
    limit = env->gdtr.limit;
  }
  if ((selector | 7) > limit)
    return false;
  d->address = x86_system_linear (env, base + (selector & 0xfff8));
  uint64_t raw = x86_load_kernel (env, d->address, BP_MO_64);
  d->lo = (uint32_t) raw;
  d->hi = (uint32_t) (raw >> 32);
  d->base_hi = d->type_hi = 0;
  return true;
}

/* SDM 3A 3.5.2, figures 5-8 and 8-4: the type of the second half must be 0. */
void
x86_widen_descriptor (X86Cpu *env, unsigned selector, X86Descriptor *d)
{
  uint32_t limit = selector & 4 ? env->segment[BP_X86_LDTR].limit : env->gdtr.limit;
  if (!x86_in_long_mode (env))
    return;
  if ((selector | 7) + 8 > limit)
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
  uint64_t raw = x86_load_kernel (env, d->address + 8, BP_MO_64);
  d->base_hi = (uint32_t) raw;
  d->type_hi = (uint32_t) (raw >> 32);
  if (d->type_hi & 0x1f00)
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
}

void
x86_mark_accessed (X86Cpu *env, X86Descriptor *d)
{
  if (d->hi & DESC_ACCESSED)
    return;
  d->hi |= DESC_ACCESSED;
  x86_store_kernel (env, d->address + 5, d->hi >> 8 & 0xff, BP_MO_8);
}

void
x86_mark_busy (X86Cpu *env, uint64_t address, bool busy)
{
  uint32_t rights = (uint32_t) x86_load_kernel (env, address + 5, BP_MO_8);
  x86_store_kernel (env, address + 5, busy ? rights | 2 : rights & ~2u, BP_MO_8);
}

/* --- limits -------------------------------------------------------------------------------------- */

/* [offset, offset + size) inside the segment? */
static bool
x86_in_limit (uint32_t attributes, uint32_t limit, uint32_t offset, uint32_t size)
{
  uint32_t last = offset + size - 1;
  if ((attributes & (SEG_CODE | SEG_EXPAND_DOWN)) == SEG_EXPAND_DOWN)
    return offset > limit && last >= offset && last <= (attributes & SEG_DB ? 0xffffffff : 0xffff);
  return last >= offset && last <= limit;
}

uint32_t
helper_segment_check (X86Cpu *env, uint32_t seg, uint32_t offset, uint32_t size_write)
{
  const BpX86Segment *s = &env->segment[seg];
  unsigned attributes = s->attributes;
  bool write = size_write >> 8 & 1;
  bool ok = true;
  if (x86_is_protected (env)) {
    ok = (attributes & (SEG_S | SEG_P)) == (SEG_S | SEG_P);
    if (write)
      ok = ok && (attributes & (SEG_CODE | SEG_WRITABLE)) == SEG_WRITABLE;
    else if (attributes & SEG_CODE)
      ok = ok && attributes & SEG_WRITABLE;
  }
  if (UNLIKELY (!ok || !x86_in_limit (attributes, s->limit, offset, size_write & 0xff)))
    x86_raise_error (env, seg == X86_SS ? EXC_SS : EXC_GP, 0);
  return (uint32_t) s->base + offset;
}

void
helper_branch_check (X86Cpu *env, uint32_t target)
{
  if (target > env->segment[X86_CS].limit)
    x86_raise_error (env, EXC_GP, 0);
}

/* --- stacks ---------------------------------------------------------------------------------------- */

void
x86_stack_current (X86Cpu *env, X86Stack *s, uint32_t error)
{
  const BpX86Segment *ss = &env->segment[X86_SS];
  bool wide = x86_in_code64 (env);
  s->base = wide ? 0 : (uint32_t) ss->base;
  s->limit = ss->limit;
  s->attributes = ss->attributes;
  s->mask = wide ? STACK64 : env->hflags & HF_SS32 ? 0xffffffff : 0xffff;
  s->sp = env->gpr[X86_RSP];
  s->error = error;
  s->mmu = x86_mmu_index (env);
}

/* While the user's code is still what runs, the processor goes to the kernel's stack of its own accord. */
static unsigned
inner_mmu_index (const X86Cpu *env, unsigned cpl)
{
  return cpl == 3 ? MMU_USER : x86_cpl (env) == 3 ? x86_mmu_implicit (env) : x86_mmu_index (env);
}

void
x86_stack_of (X86Cpu *env, X86Stack *s, const X86Descriptor *d, uint32_t sp, unsigned cpl, uint32_t error)
{
  s->base = desc_base (d);
  s->limit = desc_limit (d);
  s->attributes = desc_attributes (d);
  s->mask = stack_mask (s->attributes);
  s->sp = sp;
  s->error = error;
  s->mmu = inner_mmu_index (env, cpl);
}

void
x86_stack64 (X86Cpu *env, X86Stack *s, uint64_t rsp, unsigned cpl, uint32_t error)
{
  s->base = s->limit = s->attributes = 0;
  s->mask = STACK64;
  s->sp = rsp;
  s->error = error;
  s->mmu = inner_mmu_index (env, cpl);
}

/* A flat stack can only go wrong where it runs over the top. */
static bool
is_flat_stack (const X86Stack *s)
{
  return s->limit == 0xffffffff && !(s->attributes & SEG_EXPAND_DOWN);
}

static void
check_canonical (X86Cpu *env, const X86Stack *s, uint64_t from, uint32_t bytes)
{
  if (!x86_is_canonical (from) || !x86_is_canonical (from + bytes - 1) || from + bytes - 1 < from)
    x86_raise_error (env, EXC_SS, s->error);
}

void
x86_stack_room (X86Cpu *env, const X86Stack *s, unsigned count, unsigned size)
{
  if (s->mask == STACK64) {
    check_canonical (env, s, s->sp - count * size, count * size);
    return;
  }
  if (LIKELY (is_flat_stack (s) && (s->sp & s->mask) >= count * size))
    return;
  for (unsigned i = 1; i <= count; i++)
    if (!x86_in_limit (s->attributes, s->limit, (uint32_t) ((s->sp - i * size) & s->mask), size))
      x86_raise_error (env, EXC_SS, s->error);
}

void
x86_stack_holds (X86Cpu *env, const X86Stack *s, unsigned count, unsigned size)
{
  if (s->mask == STACK64) {
    check_canonical (env, s, s->sp, count * size);
    return;
  }
  if (LIKELY (is_flat_stack (s) && (s->sp & s->mask) <= s->mask - count * size))
    return;
  for (unsigned i = 0; i < count; i++)
    if (!x86_in_limit (s->attributes, s->limit, (uint32_t) ((s->sp + i * size) & s->mask), size))
      x86_raise_error (env, EXC_SS, s->error);
}

static uint64_t
stack_linear (const X86Stack *s)
{
  return s->mask == STACK64 ? s->sp : (uint32_t) (s->base + (s->sp & s->mask));
}

void
x86_push (X86Cpu *env, X86Stack *s, uint64_t value, unsigned size)
{
  s->sp -= size;
  store_at (env, stack_linear (s), value, size, s->mmu);
}

uint64_t
x86_pop (X86Cpu *env, X86Stack *s, unsigned size)
{
  uint64_t value = load_at (env, stack_linear (s), size, s->mmu);
  s->sp += size;
  return value;
}

/* --- loading segment registers --------------------------------------------------------------------------- */

static void
load_stack_segment (X86Cpu *env, unsigned selector)
{
  X86Descriptor d;
  unsigned cpl = x86_cpl (env);
  uint32_t error = selector_error (selector, 0);
  if (selector_is_null (selector)) {
    if (!x86_in_code64 (env) || cpl == 3 || (selector & 3) != cpl)
      x86_raise_error (env, EXC_GP, 0);
    x86_put_null_stack (env, selector, cpl);
    return;
  }
  if (!x86_fetch_descriptor (env, selector, &d) || (selector & 3) != cpl || !desc_is_writable_data (&d) || desc_dpl (&d) != cpl)
    x86_raise_error (env, EXC_GP, error);
  if (!(d.hi & DESC_P))
    x86_raise_error (env, EXC_SS, error);
  x86_mark_accessed (env, &d);
  x86_put_descriptor (env, X86_SS, selector, &d);
}

static void
load_data_segment (X86Cpu *env, unsigned seg, unsigned selector)
{
  X86Descriptor d;
  uint32_t error = selector_error (selector, 0);
  if (selector_is_null (selector)) {
    x86_put_null (env, seg, selector);
    return;
  }
  if (!x86_fetch_descriptor (env, selector, &d) || !(d.hi & DESC_S) || (d.hi & (DESC_CODE | DESC_WRITABLE)) == DESC_CODE)
    x86_raise_error (env, EXC_GP, error);
  if ((!desc_is_code (&d) || !desc_is_conforming (&d)) && ((selector & 3) > desc_dpl (&d) || x86_cpl (env) > desc_dpl (&d)))
    x86_raise_error (env, EXC_GP, error);
  if (!(d.hi & DESC_P))
    x86_raise_error (env, EXC_NP, error);
  x86_mark_accessed (env, &d);
  x86_put_descriptor (env, seg, selector, &d);
}

void
helper_load_seg (X86Cpu *env, uint32_t seg, uint32_t selector)
{
  selector &= 0xffff;
  if (in_v86 (env))
    x86_put_v86 (env, seg, selector);
  else if (is_paragraph_mode (env))
    x86_put_paragraph (env, seg, selector);
  else if (seg == X86_SS)
    load_stack_segment (env, selector);
  else
    load_data_segment (env, seg, selector);
  if (seg == X86_SS)
    x86_update_mode (env);
}

static void
widen_checked (X86Cpu *env, unsigned selector, X86Descriptor *d)
{
  x86_widen_descriptor (env, selector, d);
  if (!x86_is_canonical (desc_base (d)))
    x86_raise_error (env, EXC_GP, selector_error (selector, 0));
}

void
helper_lldt (X86Cpu *env, uint32_t selector)
{
  X86Descriptor d;
  selector &= 0xffff;
  if (selector_is_null (selector)) {
    x86_put_null (env, BP_X86_LDTR, selector);
    return;
  }
  uint32_t error = selector_error (selector, 0);
  if (selector & 4 || !x86_fetch_descriptor (env, selector, &d) || d.hi & DESC_S || desc_type (&d) != SYS_LDT)
    x86_raise_error (env, EXC_GP, error);
  if (!(d.hi & DESC_P))
    x86_raise_error (env, EXC_NP, error);
  widen_checked (env, selector, &d);
  x86_put_descriptor (env, BP_X86_LDTR, selector, &d);
}

void
helper_ltr (X86Cpu *env, uint32_t selector)
{
  X86Descriptor d;
  selector &= 0xffff;
  if (selector_is_null (selector))
    x86_raise_error (env, EXC_GP, 0);
  uint32_t error = selector_error (selector, 0);
  if (selector & 4 || !x86_fetch_descriptor (env, selector, &d) || d.hi & DESC_S
      || ((desc_type (&d) != SYS_TSS16 || x86_in_long_mode (env)) && desc_type (&d) != SYS_TSS32))
    x86_raise_error (env, EXC_GP, error);
  if (!(d.hi & DESC_P))
    x86_raise_error (env, EXC_NP, error);
  widen_checked (env, selector, &d);
  x86_mark_busy (env, d.address, true);
  d.hi |= DESC_BUSY;
  x86_put_descriptor (env, BP_X86_TR, selector, &d);
}

/* --- questions about selectors ---------------------------------------------------------------------------------- */

/* The descriptor is visible at max (CPL, RPL); conforming code always is. */
static bool
is_visible (const X86Cpu *env, unsigned selector, const X86Descriptor *d)
{
  if (desc_is_code (d) && desc_is_conforming (d))
    return true;
  return desc_dpl (d) >= x86_cpl (env) && desc_dpl (d) >= (selector & 3);
}

static bool
fetch_visible (X86Cpu *env, unsigned selector, X86Descriptor *d)
{
  return !selector_is_null (selector) && x86_fetch_descriptor (env, selector, d) && is_visible (env, selector, d);
}

#define TYPE_BIT(type) (1u << (type))
#define LSL_TYPES (TYPE_BIT (SYS_TSS16) | TYPE_BIT (SYS_LDT) | TYPE_BIT (SYS_TSS16_BUSY) | TYPE_BIT (SYS_TSS32) | TYPE_BIT (SYS_TSS32_BUSY))
#define LAR_TYPES (LSL_TYPES | TYPE_BIT (SYS_CALL16) | TYPE_BIT (SYS_TASK_GATE) | TYPE_BIT (SYS_CALL32))
#define LONG_TYPES (TYPE_BIT (SYS_LDT) | TYPE_BIT (SYS_TSS32) | TYPE_BIT (SYS_TSS32_BUSY) | TYPE_BIT (SYS_CALL32))

static bool
is_askable (const X86Cpu *env, const X86Descriptor *d, uint32_t types)
{
  if (x86_in_long_mode (env))
    types &= LONG_TYPES;
  return d->hi & DESC_S || types >> desc_type (d) & 1;
}

/* The manual leaves the limit's upper bits open (SDM 2A LAR); processors show them. */
#define LAR_BITS 0x00ffff00

uint64_t
helper_lar (X86Cpu *env, uint32_t selector)
{
  X86Descriptor d;
  selector &= 0xffff;
  if (!fetch_visible (env, selector, &d) || !is_askable (env, &d, LAR_TYPES))
    return 0;
  return (uint64_t) 1 << 32 | (d.hi & LAR_BITS);
}

uint64_t
helper_lsl (X86Cpu *env, uint32_t selector)
{
  X86Descriptor d;
  selector &= 0xffff;
  if (!fetch_visible (env, selector, &d) || !is_askable (env, &d, LSL_TYPES))
    return 0;
  return (uint64_t) 1 << 32 | desc_limit (&d);
}

uint32_t
helper_verr (X86Cpu *env, uint32_t selector)
{
  X86Descriptor d;
  selector &= 0xffff;
  return fetch_visible (env, selector, &d) && d.hi & DESC_S && (d.hi & (DESC_CODE | DESC_WRITABLE)) != DESC_CODE;
}

uint32_t
helper_verw (X86Cpu *env, uint32_t selector)
{
  X86Descriptor d;
  selector &= 0xffff;
  return fetch_visible (env, selector, &d) && desc_is_writable_data (&d);
}

/* --- bases that need no descriptor (SDM 2: RDFSBASE, WRFSBASE, SWAPGS) ---------------------------------------------- */

static void
check_fsgsbase (X86Cpu *env)
{
  if (!(env->cr4 & CR4_FSGSBASE))
    x86_raise (env, EXC_UD);
}

uint64_t
helper_read_base (X86Cpu *env, uint32_t seg)
{
  check_fsgsbase (env);
  return env->segment[seg].base;
}

void
x86_put_base (X86Cpu *env, unsigned seg, uint64_t base)
{
  env->segment[seg].base = base;
  update_segment_bits (env, seg);
}

void
helper_write_base (X86Cpu *env, uint32_t seg, uint64_t base)
{
  check_fsgsbase (env);
  if (!x86_is_canonical (base))
    x86_raise_error (env, EXC_GP, 0);
  x86_put_base (env, seg, base);
}

/* LGDT, LIDT: a base that is checked. */
void
helper_load_table (X86Cpu *env, uint32_t is_idt, uint64_t base, uint32_t limit)
{
  if (x86_in_code64 (env) && !x86_is_canonical (base))
    x86_raise_error (env, EXC_GP, 0);
  if (is_idt) {
    env->idtr.base = base;
    env->idtr.limit = limit & 0xffff;
  } else {
    env->gdtr.base = base;
    env->gdtr.limit = limit & 0xffff;
  }
}

/* common.h -- what the system half of the runtime shares: descriptors, stacks, privileged memory access. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Every multi-step operation here (event delivery, far transfer, task switch) is written in two halves: first all loads, checks
 * and stores to memory, any of which may raise and leave, then the registers, which cannot fail.  A fault in between finds the old state.
 * Files that include this are built with -mgeneral-regs-only and call no libc: what logs or takes locks puts the FP state away first.
 */
#ifndef TARGET_I386_RUNTIME_COMMON_H
#define TARGET_I386_RUNTIME_COMMON_H

#include "../cpu.h"

#define LIKELY(x) __builtin_expect (!!(x), 1)
#define UNLIKELY(x) __builtin_expect (!!(x), 0)

/* --- registers ----------------------------------------------------------------------- */

static inline uint32_t gpr (const X86Cpu *env, unsigned n) { return (uint32_t) env->gpr[n]; }
static inline void set_gpr (X86Cpu *env, unsigned n, uint32_t value) { env->gpr[n] = value; }
static inline unsigned iopl (const X86Cpu *env) { return env->eflags >> 12 & 3; }
static inline bool in_v86 (const X86Cpu *env) { return env->eflags & X86_FL_VM; }
/* Real or virtual-8086 mode: selectors are paragraphs. */
static inline bool is_paragraph_mode (const X86Cpu *env) { return !(env->cr0 & CR0_PE) || in_v86 (env); }

/* The bits of the mask. */
static inline uint32_t merge (uint32_t old, uint32_t value, uint32_t mask) { return (old & ~mask) | (value & mask); }

/* --- descriptors (SDM 3A 3.4.5) ----------------------------------------------------------- */

typedef struct X86Descriptor {
  uint32_t lo, hi;
  uint32_t base_hi, type_hi;    /* of 16-byte ones (long mode); else 0 */
  uint64_t address;             /* linear, where it was read */
} X86Descriptor;

enum {
  DESC_TYPE_SHIFT = 8, DESC_ACCESSED = 1u << 8, DESC_WRITABLE = 1u << 9 /* code: readable */, DESC_EXPAND_DOWN = 1u << 10 /* code: conforming */,
  DESC_CODE = 1u << 11, DESC_S = 1u << 12, DESC_P = 1u << 15, DESC_L = 1u << 21, DESC_DB = 1u << 22, DESC_G = 1u << 23, DESC_BUSY = 1u << 9
};

/* System descriptor types (SDM 3A table 3-2). */
enum {
  SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4, SYS_TASK_GATE = 5, SYS_INT16 = 6, SYS_TRAP16 = 7,
  SYS_TSS32 = 9, SYS_TSS32_BUSY = 11, SYS_CALL32 = 12, SYS_INT32 = 14, SYS_TRAP32 = 15         /* these are 64-bit ones in long mode */
};

static inline unsigned desc_dpl (const X86Descriptor *d) { return d->hi >> 13 & 3; }
static inline unsigned desc_type (const X86Descriptor *d) { return d->hi >> DESC_TYPE_SHIFT & 15; }
static inline uint64_t desc_base (const X86Descriptor *d)
{ return (uint64_t) d->base_hi << 32 | (d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000)); }
static inline uint32_t desc_limit (const X86Descriptor *d)
{
  uint32_t limit = (d->lo & 0xffff) | (d->hi & 0xf0000);
  return d->hi & DESC_G ? limit << 12 | 0xfff : limit;
}
static inline uint32_t desc_attributes (const X86Descriptor *d) { return d->hi >> 8 & 0xf0ff; }
static inline bool desc_is_code (const X86Descriptor *d) { return (d->hi & (DESC_S | DESC_CODE)) == (DESC_S | DESC_CODE); }
static inline bool desc_is_writable_data (const X86Descriptor *d)
{ return (d->hi & (DESC_S | DESC_CODE | DESC_WRITABLE)) == (DESC_S | DESC_WRITABLE); }
static inline bool desc_is_conforming (const X86Descriptor *d) { return d->hi & DESC_EXPAND_DOWN; }

/* Code that would run in 64-bit mode. */
static inline bool desc_is_code64 (const X86Cpu *env, const X86Descriptor *d) { return x86_in_long_mode (env) && d->hi & DESC_L; }

static inline bool selector_is_null (unsigned selector) { return !(selector & 0xfffc); }
/* The error code that names a selector. */
static inline uint32_t selector_error (unsigned selector, uint32_t ext) { return (selector & 0xfffc) | ext; }

/* --- segment.c ----------------------------------------------------------------------------- */

/* Reads the descriptor; false: the selector lies beyond its table (null selectors are the caller's business). May raise #PF. */
bool x86_fetch_descriptor (X86Cpu *env, unsigned selector, X86Descriptor *d);
/* A system descriptor in long mode has 16 bytes: reads the rest.  #GP naming it when that lies beyond the table, or is no such thing. */
void x86_widen_descriptor (X86Cpu *env, unsigned selector, X86Descriptor *d);
void x86_mark_accessed (X86Cpu *env, X86Descriptor *d);
void x86_mark_busy (X86Cpu *env, uint64_t address, bool busy);
/* Into the register and its bits of hflags; the caller updates the rest, x86_update_mode, once at the end. */
void x86_put_segment (X86Cpu *env, unsigned seg, unsigned selector, uint64_t base, uint32_t limit, uint32_t attributes);
void x86_put_descriptor (X86Cpu *env, unsigned seg, unsigned selector, const X86Descriptor *d);
/* The same for CS, whose base and limit 64-bit mode does away with. */
void x86_put_code (X86Cpu *env, unsigned selector, const X86Descriptor *d);
void x86_put_null (X86Cpu *env, unsigned seg, unsigned selector);
/* SS without a segment, as 64-bit mode has it below level 3: the level is all that it says. */
void x86_put_null_stack (X86Cpu *env, unsigned selector, unsigned cpl);
/* The base alone, as MSRs and WRFSBASE write it. */
void x86_put_base (X86Cpu *env, unsigned seg, uint64_t base);
/* As real mode (base and selector only) or virtual-8086 mode (all of it) loads a segment register. */
void x86_put_paragraph (X86Cpu *env, unsigned seg, unsigned selector);
void x86_put_v86 (X86Cpu *env, unsigned seg, unsigned selector);
/* Data segments that the privilege level may not keep after a return to it are nulled. */
void x86_null_inaccessible (X86Cpu *env, unsigned cpl);

/* --- stacks ---------------------------------------------------------------------------------- */

/* A stack being pushed to or popped from: nothing of the CPU changes until its user commits sp. */
typedef struct X86Stack {
  uint64_t base, sp, mask;      /* sp counts modulo mask + 1; all ones: 64-bit mode's, whose addresses must be canonical */
  uint32_t limit, attributes;
  uint32_t error;               /* of the #SS that a violation raises */
  uint32_t mmu;
} X86Stack;

#define STACK64 (~(uint64_t) 0)
static inline uint64_t stack_mask (uint32_t attributes) { return attributes & SEG_DB ? 0xffffffff : 0xffff; }
void x86_stack_current (X86Cpu *env, X86Stack *s, uint32_t error);
void x86_stack_of (X86Cpu *env, X86Stack *s, const X86Descriptor *d, uint32_t sp, unsigned cpl, uint32_t error);
void x86_stack64 (X86Cpu *env, X86Stack *s, uint64_t rsp, unsigned cpl, uint32_t error);
/* #SS unless `count` items of `size` bytes can be pushed; popped from here on. */
void x86_stack_room (X86Cpu *env, const X86Stack *s, unsigned count, unsigned size);
void x86_stack_holds (X86Cpu *env, const X86Stack *s, unsigned count, unsigned size);
void x86_push (X86Cpu *env, X86Stack *s, uint64_t value, unsigned size);       /* size 2, 4, 8 */
uint64_t x86_pop (X86Cpu *env, X86Stack *s, unsigned size);
/* What the stack pointer becomes: a 16-bit stack leaves the upper bits, a 32-bit one clears them. */
static inline uint64_t new_sp (uint64_t old, uint64_t value, uint64_t mask) { return mask == 0xffff ? (old & ~mask) | (value & mask) : value & mask; }
static inline void put_sp (X86Cpu *env, uint64_t value, uint64_t mask) { env->gpr[X86_RSP] = new_sp (env->gpr[X86_RSP], value, mask); }
static inline void commit_sp (X86Cpu *env, const X86Stack *s) { put_sp (env, s->sp, s->mask); }

/* --- task.c ---------------------------------------------------------------------------------- */

typedef enum X86TaskReason { TASK_JMP, TASK_CALL, TASK_IRET, TASK_EVENT } X86TaskReason;

/* The stack of an inner privilege level that the current TSS names, checked: #TS, #SS. */
void x86_inner_stack (X86Cpu *env, unsigned cpl, uint32_t ext, uint16_t *ss, X86Descriptor *d, uint32_t *esp);
/* Long mode: the stack pointer that the TSS has for an inner level, or (ist 1 to 7) in its interrupt stack table: #TS. */
uint64_t x86_inner_rsp (X86Cpu *env, unsigned cpl, unsigned ist, uint32_t ext);
/* `next` is the eip saved in the old task; eflags what is saved there.  d: the new TSS's descriptor, type and P checked. */
void x86_task_switch (X86Cpu *env, unsigned selector, const X86Descriptor *d, X86TaskReason reason, uint32_t next, uint32_t eflags, uint32_t ext);
/* Selector of a task gate -> checked TSS descriptor; errors carry the TSS selector. */
void x86_task_gate_target (X86Cpu *env, const X86Descriptor *gate, uint32_t ext, uint16_t *selector, X86Descriptor *d);

/* --- far.c, debug.c, control.c, exception.c -------------------------------------------------------- */

/* Interrupts or NMIs have been enabled: one that is pending is taken after the block. */
void x86_look_for_interrupts (X86Cpu *env);
/* #DB before the next instruction, state as it is now: a trap's delivery. */
void x86_pend_trap (X86Cpu *env, uint32_t dr6_bits);
void x86_check_io_breakpoints (X86Cpu *env, uint32_t port, uint32_t size);      /* before the access */
void x86_log_event (X86Cpu *env, unsigned vector, uint32_t error, unsigned kind, uint64_t eip);
void x86_set_cr3 (X86Cpu *env, uint64_t value);         /* checked before: switches and flushes */
#define DR6_B0 1u
#define DR6_BD (1u << 13)
#define DR6_BS (1u << 14)
#define DR6_BT (1u << 15)
#define DR7_GD (1u << 13)
#define DR7_LOCAL 0x155u

/* Memory at a privilege level of its own: pushes on an inner stack.  The address is cut to what it may be. */
static inline BpMemOp size_memop (unsigned size) { return size == 2 ? BP_MO_16 : size == 4 ? BP_MO_32 : BP_MO_64; }
static inline uint64_t load_at (X86Cpu *env, uint64_t linear, unsigned size, uint32_t mmu)
{ return env->tcg.ops->load (env, linear, x86_memop (env, size_memop (size), mmu)); }
static inline void store_at (X86Cpu *env, uint64_t linear, uint64_t value, unsigned size, uint32_t mmu)
{ env->tcg.ops->store (env, linear, value, x86_memop (env, size_memop (size), mmu)); }

/* The last thing of a helper that may have gone from narrower code to 64-bit code.  The calling block would put its registers back as the
 * 32 bits that its own mode has: it is left for good. */
static inline void
x86_leave_if_widened (X86Cpu *env, uint32_t hflags_before)
{
  if (env->hflags & ~hflags_before & HF_CODE64)
    env->tcg.ops->leave (env);
}

#endif

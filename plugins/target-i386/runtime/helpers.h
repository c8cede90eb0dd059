/* helpers.h -- prototypes of what generated code calls (helpers.def), and the words of its arguments. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_RUNTIME_HELPERS_H
#define TARGET_I386_RUNTIME_HELPERS_H

#include "../cpu.h"

/* exception.c, debug.c */
void helper_raise (X86Cpu *env, uint32_t vector) __attribute__ ((noreturn));
void helper_raise_error (X86Cpu *env, uint32_t vector, uint32_t error) __attribute__ ((noreturn));
void helper_interrupt (X86Cpu *env, uint32_t vector, uint64_t next);
void helper_icebp (X86Cpu *env, uint64_t next) __attribute__ ((noreturn));
void helper_hlt (X86Cpu *env, uint64_t next) __attribute__ ((noreturn));
void helper_single_step (X86Cpu *env) __attribute__ ((noreturn));
void helper_check_breakpoint (X86Cpu *env, uint64_t linear);

/* segment.c, far.c */
void helper_iret_real (X86Cpu *env, uint32_t size);
void helper_iret_protected (X86Cpu *env, uint32_t size, uint64_t next);
void helper_load_seg (X86Cpu *env, uint32_t seg, uint32_t selector);
void helper_ljmp (X86Cpu *env, uint32_t selector, uint64_t offset, uint32_t size, uint64_t next);
void helper_lcall (X86Cpu *env, uint32_t selector, uint64_t offset, uint32_t size, uint64_t next);
void helper_lret (X86Cpu *env, uint32_t size, uint32_t release);
void helper_lldt (X86Cpu *env, uint32_t selector);
void helper_ltr (X86Cpu *env, uint32_t selector);
uint64_t helper_lar (X86Cpu *env, uint32_t selector);
uint64_t helper_lsl (X86Cpu *env, uint32_t selector);
uint32_t helper_verr (X86Cpu *env, uint32_t selector);
uint32_t helper_verw (X86Cpu *env, uint32_t selector);
uint32_t helper_segment_check (X86Cpu *env, uint32_t seg, uint32_t offset, uint32_t size_write);
void helper_branch_check (X86Cpu *env, uint32_t target);
void helper_sysenter (X86Cpu *env);
void helper_sysexit (X86Cpu *env, uint32_t size);
void helper_syscall (X86Cpu *env, uint64_t next);
void helper_sysret (X86Cpu *env, uint32_t size);
uint64_t helper_read_base (X86Cpu *env, uint32_t seg);
void helper_write_base (X86Cpu *env, uint32_t seg, uint64_t base);
void helper_load_table (X86Cpu *env, uint32_t is_idt, uint64_t base, uint32_t limit);

/* control.c, debug.c */
void helper_mov_to_cr (X86Cpu *env, uint32_t number, uint64_t value);
uint64_t helper_mov_from_cr (X86Cpu *env, uint32_t number);
void helper_mov_to_dr (X86Cpu *env, uint32_t number, uint64_t value);
uint64_t helper_mov_from_dr (X86Cpu *env, uint32_t number);
void helper_umip_check (X86Cpu *env);
void helper_osxsave_check (X86Cpu *env);
void helper_lmsw (X86Cpu *env, uint32_t value);
void helper_clts (X86Cpu *env);
void helper_invlpg (X86Cpu *env, uint64_t linear);
void helper_invpcid (X86Cpu *env, uint64_t type, uint64_t pcid, uint64_t linear);
uint64_t helper_rdtsc (X86Cpu *env);
uint64_t helper_rdpmc (X86Cpu *env);
uint64_t helper_rdmsr (X86Cpu *env);
void helper_wrmsr (X86Cpu *env);
void helper_cpuid (X86Cpu *env);
void helper_mwait (X86Cpu *env, uint64_t next);
uint32_t helper_read_eflags (X86Cpu *env);
void helper_popf (X86Cpu *env, uint32_t value, uint32_t size);
void helper_pushf_check (X86Cpu *env);
void helper_cli (X86Cpu *env);
void helper_marker (X86Cpu *env, uint64_t number);
void helper_sti (X86Cpu *env);

/* protection-keys.c */
uint32_t helper_rdpkru (X86Cpu *env);
void helper_wrpkru (X86Cpu *env);

/* io.c */
void helper_check_io (X86Cpu *env, uint32_t port, uint32_t size);
uint32_t helper_in (X86Cpu *env, uint32_t port, uint32_t size);
void helper_out (X86Cpu *env, uint32_t port, uint32_t value, uint32_t size);

/* flags.c, integer.c */
uint32_t helper_compute_cc (uint32_t cc_op, uint64_t dst, uint64_t src, uint64_t src2);
void helper_daa (X86Cpu *env);
void helper_das (X86Cpu *env);
void helper_aaa (X86Cpu *env);
void helper_aas (X86Cpu *env);
uint64_t helper_rcl (uint32_t value, uint32_t count, uint32_t carry, uint32_t bits);
uint64_t helper_rcr (uint32_t value, uint32_t count, uint32_t carry, uint32_t bits);
uint32_t helper_crc32 (uint32_t crc, uint64_t data, uint32_t bytes);
uint64_t helper_pdep (uint64_t source, uint64_t mask);
uint64_t helper_pext (uint64_t source, uint64_t mask);
uint32_t helper_cmpxchg16b (X86Cpu *env, uint64_t linear);
/* random.c */
uint64_t helper_random (X86Cpu *env, uint32_t is_deterministic);

/* string.c: the mode of a string instruction */
enum {
  X86_STR_SIZE = 3,             /* log2 of the element's bytes */
  X86_STR_ADDRESS16 = 1 << 2,   /* SI, DI, CX instead of ESI, EDI, ECX */
  X86_STR_NO_COUNT = 1 << 3,    /* no REP: one element, (E)CX is not looked at */
  X86_STR_SEG_SHIFT = 4,        /* 3 bits: segment of the source */
  X86_STR_WHILE_NE = 1 << 7,    /* REPNE */
  X86_STR_ONE = 1 << 8,         /* single steps: one element a call */
  X86_STR_ADDRESS64 = 1 << 9    /* RSI, RDI, RCX */
};
uint32_t helper_rep_movs (X86Cpu *env, uint32_t mode);
uint32_t helper_rep_stos (X86Cpu *env, uint32_t mode);
uint32_t helper_rep_lods (X86Cpu *env, uint32_t mode);
uint32_t helper_rep_scas (X86Cpu *env, uint32_t mode);
uint32_t helper_rep_cmps (X86Cpu *env, uint32_t mode);
uint32_t helper_rep_ins (X86Cpu *env, uint32_t mode);
uint32_t helper_rep_outs (X86Cpu *env, uint32_t mode);

/* fp-state.c */
void helper_fldenv (X86Cpu *env, uint64_t linear, uint32_t format);
void helper_fnstenv (X86Cpu *env, uint64_t linear, uint32_t format);
void helper_frstor (X86Cpu *env, uint64_t linear, uint32_t format);
void helper_fnsave (X86Cpu *env, uint64_t linear, uint32_t format);
void helper_fxsave (X86Cpu *env, uint64_t linear);
void helper_fxrstor (X86Cpu *env, uint64_t linear);
void helper_ldmxcsr (X86Cpu *env, uint32_t value);
void helper_fp_pending (X86Cpu *env);

/* fp-memory.c: registers and what is wanted of them, in one word */
enum {
  VMASKMOV_MASK_SHIFT = 4, VMASKMOV_256 = 1 << 8, VMASKMOV_QUADS = 1 << 9, VMASKMOV_STORE = 1 << 10
};
enum {
  GATHER_MASK_SHIFT = 4, GATHER_INDEX_SHIFT = 8, GATHER_SCALE_SHIFT = 12, GATHER_SEG_SHIFT = 14,
  GATHER_QUADS = 1 << 17, GATHER_QUAD_INDEXES = 1 << 18, GATHER_256 = 1 << 19, GATHER_ADDRESS_64 = 1 << 20,
  GATHER_ADDRESS_16 = 1 << 21
};
void helper_maskmov (X86Cpu *env, uint64_t linear, uint32_t registers);
void helper_vmaskmov (X86Cpu *env, uint64_t linear, uint32_t what);
void helper_gather (X86Cpu *env, uint64_t offset, uint32_t what);
uint64_t helper_fp_portable (X86Cpu *env, uint64_t native, uint64_t linear, uint64_t in);

/* xsave.c */
enum { XSAVE_PLAIN, XSAVE_OPTIMISED, XSAVE_COMPACT };
void helper_xsave (X86Cpu *env, uint64_t linear, uint32_t form);
void helper_xrstor (X86Cpu *env, uint64_t linear, uint32_t supervisor);
uint64_t helper_xgetbv (X86Cpu *env);
void helper_xsetbv (X86Cpu *env);

/* Not a helper: frontend->native_portable. */
uint64_t x86_native_portable (void *env, uint64_t native, uint32_t aux, uint64_t in, void *mem,
                              uint32_t *flags);

#endif

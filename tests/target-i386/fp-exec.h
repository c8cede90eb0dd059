/* fp-exec.h -- a few vector and FP instructions of 64-bit code, on this processor and on the translator. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_FP_EXEC_H
#define TEST_FP_EXEC_H

#include "target-i386/runtime/fp.h"

/* The address space of a case, the same for both sides. */
#define FP_EXEC_CODE 0x30000000u        /* one page, not writable */
#define FP_EXEC_DATA 0x30004000u        /* two pages, then a hole; small numbers at the start */
#define FP_EXEC_PAGE 4096u
#define FP_EXEC_DATA_SIZE (2 * FP_EXEC_PAGE)
#define FP_EXEC_NUMBERS 256u            /* bytes of them */

#define FP_EXEC_INSNS 24

typedef struct FpExecState {
  uint8_t fp[X86_FP_SIZE] __attribute__ ((aligned (64)));       /* XSAVE area */
  uint64_t gpr[16], rip;
  uint32_t eflags;
  int vector;                   /* how it ended */
  uint32_t error;
  uint64_t cr2;
  uint8_t data[FP_EXEC_DATA_SIZE] __attribute__ ((aligned (64)));
} FpExecState;

typedef struct FpExecCase {
  uint8_t code[FP_EXEC_PAGE];
  unsigned n_insns;
  uint16_t offset[FP_EXEC_INSNS + 1];   /* the last one is the UD2 that ends it */
  FpExecState start;
} FpExecCase;

/* exact: no instruction whose results are up to the processor */
void fp_exec_generate (FpExecCase *c, uint64_t seed, bool exact);

bool fp_exec_host_is_amd (void);
bool fp_exec_native_start (void);       /* false: this host cannot */
void fp_exec_native (const FpExecCase *c, FpExecState *state);
/* Where a fault leaves the processor a choice: the native result as it had been with the translator's. */
void fp_exec_choose_alike (const FpExecCase *c, FpExecState *native, const FpExecState *guest);
/* "interp", "opt" (interpreted after the passes), "x64"; false: not here */
bool fp_exec_guest_start (const char *how);
void fp_exec_guest (const FpExecCase *c, FpExecState *state, bool use_tlb);
/* The exception that an instruction at the start of a block ends with under these registers, and with EFLAGS.AC when CR0.AM is set: all of XMM
 * is ones. */
int fp_exec_guest_vector (const uint8_t *bytes, unsigned n, uint64_t cr0, uint64_t cr4, uint64_t xcr0);
/* A signal while no native case runs; it does not return when it was the guest's. */
bool fp_exec_guest_fault (int number, void *context);
void fp_exec_guest_explain (const FpExecCase *c);

#endif

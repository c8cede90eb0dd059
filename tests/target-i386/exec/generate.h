/* generate.h -- random cases: a few instructions that mostly do not fault, and what may be compared after them. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_EXEC_GENERATE_H
#define TEST_EXEC_GENERATE_H

#include "exec.h"
#include "target-i386/decode/decode.h"

#define CASE_STEPS 1024

/* One instruction of a case. */
typedef struct CaseStep {
  X86Insn insn;
  uint32_t offset;              /* in the code page */
  int target;                   /* index of the step that a branch goes to, -1: none */
  unsigned computed_from;       /* a branch to where a step before it says: so many before it */
  bool no_entry;                /* in between: nothing else may lead here */
  uint32_t undefined_before;    /* flags that no manual defines when this step starts */
} CaseStep;

typedef struct Case {
  uint8_t code[EXEC_CODE_SIZE];
  ExecState start;
  CaseStep step[CASE_STEPS + 1];        /* the last one is the INT3 */
  unsigned n_steps;
} Case;

/* n_insns: wanted, beside the moves that set up addresses.  Many of them fault seldom. */
void case_generate (Case *c, uint64_t seed, ExecMode mode, unsigned n_insns);
/* pc of an offset in the code. */
uint64_t case_pc (const Case *c, uint32_t offset);
X86Mode case_decode_mode (const Case *c);
/* The flags that cannot be compared when the case ended at pc. */
uint32_t case_undefined (const Case *c, uint64_t pc);

#endif

/* differences.h -- where this processor and the one that is modelled are not the same, by instruction. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_OPCODES_DIFFERENCES_H
#define TEST_OPCODES_DIFFERENCES_H

#include "opcodes.h"

enum { N_DIFFERENCES = 32 };
typedef struct Difference {
  const char *why;
  bool (*is_it) (const X86Insn *insn, bool kernel, const Outcome *native, const Outcome *guest);
} Difference;
extern const Difference differences[N_DIFFERENCES];

/* The first that explains it; -1: nothing does. */
int difference_of (X86Mode mode, const uint8_t *bytes, bool kernel, const Outcome *native, const Outcome *guest);

/* What the host's kernel would answer, or what would change the test itself. */
bool native_must_not (X86Mode mode, const uint8_t *bytes);
bool protected_mode_only (const uint8_t *bytes);
/* What would end the guest, or change what its kernel stands on. */
bool kernel_must_not (X86Mode mode, const uint8_t *bytes);

#endif

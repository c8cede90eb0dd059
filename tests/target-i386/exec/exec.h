/* exec.h -- one run of a few user-mode instructions, on this processor and on the translator: the same state in, out, compared. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_EXEC_H
#define TEST_EXEC_H

#include <stdbool.h>
#include <stdint.h>

/* The address space of a case: nothing else is mapped below 4 GiB, as far as either side can help it.  64-bit code runs
 * EXEC_HIGH further up, where it finds the same memory once more. */
#define EXEC_CODE 0x20000000u           /* not writable */
#define EXEC_DATA 0x20008000u           /* two pages, then one that is read-only, then a hole */
#define EXEC_STACK 0x20010000u          /* one page; ESP starts in its middle */
#define EXEC_HIGH 0x2a5500000000u
#define EXEC_GS_BASE (EXEC_HIGH + 0x20001000u)  /* of GS in 64-bit code */
#define EXEC_PAGE 4096u
#define EXEC_CODE_SIZE (4 * EXEC_PAGE)
#define EXEC_DATA_SIZE (2 * EXEC_PAGE)

enum { EXEC_END = 3 };                  /* the vector of the INT3 that ends each case */

/* What the segment registers hold.  Only flat ones come from the host's GDT, the others from an LDT. */
typedef enum ExecMode {
  EXEC_FLAT32,                  /* ES CS SS DS flat */
  /* 32-bit code, data and stack, each in a segment with a limit; ES may not be written */
  EXEC_SMALL32,
  EXEC_SMALL16,                 /* 16-bit code and stack; ES expands down */
  EXEC_LONG64,                  /* 64-bit code */
  EXEC_N_MODES
} ExecMode;

typedef struct ExecSegment {
  uint16_t selector, attributes;        /* attributes: descriptor bits 40..55 */
  uint32_t base, limit;
} ExecSegment;

/* seg: 0..3, ES CS SS DS */
const ExecSegment *exec_segment (ExecMode mode, unsigned seg);

typedef struct ExecState {
  uint8_t data[3 * EXEC_PAGE] __attribute__ ((aligned (64)));  /* the read-only page included */
  uint8_t stack[EXEC_PAGE];
  ExecMode mode;
  uint64_t gpr[16], pc;                 /* outside 64-bit mode the first eight, and low halves */
  uint32_t eflags;
  int vector;                           /* how it ended */
  uint32_t error;
  uint64_t cr2;
} ExecState;

/* code: EXEC_CODE_SIZE bytes.  state: in and out. */
bool exec_native_start (void);          /* false: this host cannot */
void exec_native (const uint8_t *code, ExecState *state);
/* "interp", "opt" (interpreted after the passes), "x64"; false: not here */
bool exec_guest_start (const char *how);
void exec_guest (const uint8_t *code, ExecState *state);
/* A signal while no native case runs; it does not return when it was the guest's. */
bool exec_guest_fault (int number, void *context);
/* The IR of the blocks last executed, for a report. */
void exec_guest_explain (const uint8_t *code, const ExecState *before);

#endif

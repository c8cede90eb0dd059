/* stand-ins.h -- the least that stands at the other ends of a device's links: for tests, and for `backplane describe --validate`. */
/* SPDX-License-Identifier: MIT */
/*
 * These files use nothing but the public headers, and are compiled into both libraries: libbackplane-test drives the stand-ins (core/testing/), a validation lets
 * them be (core/validate-stand-ins.c).
 */
#ifndef CORE_STAND_INS_H
#define CORE_STAND_INS_H

#include <backplane/arch/x86-state.h>
#include <backplane/iface/block.h>
#include <backplane/iface/char.h>
#include <backplane/machine.h>

/* --- what a device does that no bus or backend would stand: somebody must be told ------------------------ */

/* It may return, and what was wrong is not done then. */
typedef void StandInFault (const char *message);
void stand_in_on_fault (StandInFault *fault);
void stand_in_fault (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* --- test-ram ---------------------------------------------------------------------------------------------- */

extern const BpTypeDesc stand_in_ram;

/* --- test-char: keeps what is written ---------------------------------------------------------------------- */

typedef struct StandInChar {
  const BpCharHandlers *handlers;
  void *user;
  GMutex lock;                  /* of the text: any thread may write */
  GString *text;
} StandInChar;
extern const BpTypeDesc stand_in_char;

/* --- test-block: memory, which answers when it is drained --------------------------------------------------- */

typedef struct StandInBlock {
  uint64_t size;                /* of the medium; 0: none */
  bool read_only;
  uint64_t there;               /* bytes that have not been cut off */
  uint8_t *bytes;
  const BpBlockHandlers *handlers;
  void *user;
  GMutex lock;                  /* of what waits: any thread may submit */
  GQueue waiting;
  uint64_t fail_first, fail_n, discarded[2];
  int fail_error;
  unsigned counts[BP_BLOCK_WRITE_ZEROES + 1];
  bool at_once;
  uintptr_t lowest, highest;    /* frames that asked for such a read */
} StandInBlock;
extern const BpTypeDesc stand_in_block;

void stand_in_block_fill (StandInBlock *b, uint64_t size);      /* another medium */
unsigned stand_in_block_answer (StandInBlock *b);               /* all that waits; how many that was */

/* --- test-cpu: holds an x86 state, runs nothing, and can be looked at by a debugger --------------------------- */

typedef struct StandInCpu {
  BpX86State state;
  BpLink intc;
  unsigned startups;
  uint8_t startup_vector;
} StandInCpu;
extern const BpTypeDesc stand_in_cpu;

/* --- test-pci ------------------------------------------------------------------------------------------------- */

extern const BpTypeDesc stand_in_pci;   /* pci.h has what is behind it */

#endif

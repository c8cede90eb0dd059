/* sweep.h -- a scenario once to count its calls, and once for each call that fails. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULTS_SWEEP_H
#define TESTS_FAULTS_SWEEP_H

#include "inject.h"
#include <check.h>
#include <glib.h>

typedef struct SweepFault {
  InjectKind kind;
  int fault;                    /* an errno, or INJECT_SHORT, INJECT_END */
  uint32_t n;                   /* calls that fail in a row: 1, or INJECT_FOREVER */
} SweepFault;

typedef struct SweepScenario {
  const char *name;
  void (*prepare) (void);       /* without faults */
  void (*run) (void);           /* with them */
  void (*verify) (const SweepFault *fault, uint32_t failed);    /* without; failed: how many calls did.  What is left of the scenario goes. */
} SweepScenario;

typedef struct SweepTest {
  const TTest *test;
  int n;                        /* it is run with _i from 0 to n - 1 */
} SweepTest;

/* What main returns.  Says where sweeps that did not come to their end were. */
int sweep_run (const char *name, SFun enter, SFun leave, const SweepTest *tests, unsigned n);
/* pattern: of the descriptors that count.  Not every call, unless BACKPLANE_FAULTS_ALL is set: `most` of them, from first to last.  A point that takes longer than
 * 20 seconds hangs; one that leaves a descriptor open leaks. */
void sweep (const SweepScenario *scenario, const char *pattern, unsigned most, const SweepFault *faults, unsigned n);

#endif

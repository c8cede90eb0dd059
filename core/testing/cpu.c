/* cpu.c -- the processor of a test as the test sees it: its x86 state, and the start-up messages that it got. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"
#include <backplane/test-x86.h>

BpX86State *
(bp_test_cpu_state) (BpTest *t, const char *cpu)
{
  return &((StandInCpu *) testing_object (t, cpu, &stand_in_cpu))->state;
}

unsigned
(bp_test_cpu_startups) (BpTest *t, const char *cpu, uint8_t *vector)
{
  const StandInCpu *c = testing_object (t, cpu, &stand_in_cpu);
  *vector = c->startup_vector;
  return c->startups;
}

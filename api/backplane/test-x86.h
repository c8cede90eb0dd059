/* test-x86.h -- a processor of a test, which runs nothing: its x86 state, and what others do to it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  The type `test-cpu` (cpu) has the property `intc` (link to an interrupt controller, iface/interrupt-controller.h) and the input pins intr, nmi,
 * init, smi, reset and a20, whose levels bp_test_level tells.
 */
#ifndef BACKPLANE_TEST_X86_H
#define BACKPLANE_TEST_X86_H

#include <backplane/arch/x86-state.h>
#include <backplane/test.h>
BP_BEGIN_DECLS

/* All zero after a reset; what is written here is what others see. */
BP_EXPORT BpX86State *bp_test_cpu_state (BpTest *t, const char *cpu);
/* Start-up messages so far, and the last one's vector. */
BP_EXPORT unsigned bp_test_cpu_startups (BpTest *t, const char *cpu, uint8_t *vector);

BP_END_DECLS

#define bp_test_cpu_state(...) BP_TEST_NOTED (bp_test_cpu_state (__VA_ARGS__))
#define bp_test_cpu_startups(...) BP_TEST_NOTED (bp_test_cpu_startups (__VA_ARGS__))
#endif

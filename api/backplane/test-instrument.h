/* test-instrument.h -- instruments under test: code that the test makes up, run as often as it says. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  The machine of a test can be instrumented: an [instrument] section attaches to it.  The test lays out blocks of code, says what each instruction
 * accesses, and runs them; instruments are told of translations, counts, calls and records as by an accelerator (tcg/instrument.h), at once and in order.
 * There are two vCPUs.  Filters leave nothing out but what is outside of their range; registers and memory of the guest cannot be read.
 *
 *     BpTestCode *c = bp_test_code_new (t, 0x1000, 3, 4);
 *     bp_test_code_access (c, 1, BP_LOADS, 0x8000, 4, 42);
 *     bp_test_code_run (c, 0, 10);
 *     char *text = bp_test_report (t, "counts");
 */
#ifndef BACKPLANE_TEST_INSTRUMENT_H
#define BACKPLANE_TEST_INSTRUMENT_H

#include <backplane/tcg/instrument.h>
#include <backplane/test.h>
BP_BEGIN_DECLS

typedef struct BpTestCode BpTestCode;

/* A block of n_insns instructions (1 to 64) of insn_size bytes each, at this address; the machine's. */
BP_EXPORT BpTestCode *bp_test_code_new (BpTest *t, uint64_t address, unsigned n_insns, unsigned insn_size);
/* From now on the instruction makes one more access each time: BP_LOADS or BP_STORES. */
BP_EXPORT void bp_test_code_access (BpTestCode *c, unsigned insn, unsigned which, uint64_t address, unsigned bytes, uint64_t value);
/* What the instruction is: its class and flags of tcg/guest-insn.h; before it is run first. */
BP_EXPORT void bp_test_code_is (BpTestCode *c, unsigned insn, BpInsnClass insn_class, unsigned flags);
/* The block is executed by the vCPU (0 or 1) so many times; translated first, where it was not. */
BP_EXPORT void bp_test_code_run (BpTestCode *c, unsigned vcpu, unsigned times);
/* The guest executes the magic instruction. */
BP_EXPORT void bp_test_marker (BpTest *t, unsigned vcpu, uint64_t number);
/* What the instrument reports, as text.  Free with g_free. */
BP_EXPORT char *bp_test_report (BpTest *t, const char *instrument);

BP_END_DECLS

#define bp_test_code_new(...) BP_TEST_NOTED (bp_test_code_new (__VA_ARGS__))
#define bp_test_code_access(...) BP_TEST_NOTED (bp_test_code_access (__VA_ARGS__))
#define bp_test_code_is(...) BP_TEST_NOTED (bp_test_code_is (__VA_ARGS__))
#define bp_test_code_run(...) BP_TEST_NOTED (bp_test_code_run (__VA_ARGS__))
#define bp_test_marker(...) BP_TEST_NOTED (bp_test_marker (__VA_ARGS__))
#define bp_test_report(...) BP_TEST_NOTED (bp_test_report (__VA_ARGS__))
#endif

/* testing.h -- what the files of libbackplane-test share. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_TESTING_H
#define CORE_TESTING_H

#include <backplane/machine.h>
#include <backplane/test.h>

struct BpTest {
  BpMachine *machine;
};

/* The types that stand in for what a device needs. */
extern const BpTypeDesc testing_clock, testing_ram, testing_char, testing_block, testing_probe, testing_pci, testing_cpu;

/* The instance, which must be of this type; else the test ends. */
void *testing_object (BpTest *t, const char *id, const BpTypeDesc *type);
/* clock.c */
void testing_clock_set (void *clock, int64_t now);
/* run.c: the same as bp_test_fail. */
void testing_fail (const char *message) G_GNUC_NORETURN;

#endif

/* testing.h -- what the files of libbackplane-test share. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_TESTING_H
#define CORE_TESTING_H

#include "stand-ins/stand-ins.h"
#include <backplane/tcg/instrument-host.h>
#include <backplane/test.h>

struct BpTest {
  BpMachine *machine;
};

/* What only a test has; other types are in stand-ins.h. */
extern const BpTypeDesc testing_clock, testing_probe;

/* The instance, which must be of this type; else the test ends. */
void *testing_object (BpTest *t, const char *id, const BpTypeDesc *type);
/* clock.c: the accelerator, which instruments attach to. */
void *testing_accel (BpTest *t);
void testing_clock_set (void *test, int64_t now);
/* instrument.c */
extern const BpInstrumentHost testing_instrument_host;
typedef struct TestingInstruments TestingInstruments;
TestingInstruments *testing_instruments (void *accel);
TestingInstruments *testing_instruments_new (void);
void testing_instruments_free (TestingInstruments *all);
/* expect.c: the same as bp_test_fail. */
void testing_fail (const char *message) G_GNUC_NORETURN;

#endif

/* harness.h -- libbackplane-test under short names, for the many tests of chips; each is described in <backplane/test.h>. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <check.h>
#include <backplane/test.h>
#include <backplane/test-x86.h>

typedef BpTest Harness;

#define harness_new bp_test_new
#define harness_free bp_test_free
#define harness_refusal bp_test_refusal
#define harness_machine bp_test_machine
#define harness_object bp_test_object
#define harness_reset bp_test_reset
#define harness_file bp_test_file
#define harness_read bp_test_load
#define harness_write bp_test_store
#define harness_level bp_test_level
#define harness_drive bp_test_drive
#define harness_rises bp_test_rises
#define harness_now bp_test_now
#define harness_advance bp_test_advance
#define harness_take_reset bp_test_take_reset
#define harness_exit_code bp_test_exit_code
#define harness_text bp_test_text
#define harness_type bp_test_type
#define harness_break bp_test_break
#define harness_cpu_state bp_test_cpu_state
#define harness_startups bp_test_cpu_startups
#define harness_copy bp_test_copy
#define harness_round_trip bp_test_round_trip
#define harness_check_same bp_test_expect_same
#define in8 bp_test_in8
#define in16 bp_test_in16
#define in32 bp_test_in32
#define out8 bp_test_out8
#define out16 bp_test_out16
#define out32 bp_test_out32
#define read32 bp_test_load32
#define write32 bp_test_store32
#define HARNESS_MAIN BP_TEST_CHECK_MAIN

#endif

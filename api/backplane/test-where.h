/* test-where.h -- each call of test.h says where in the test it stands, so that a failure can name the place. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A macro of a function's own name notes file and line, and calls the function.  (bp_test_load) (t, ...), and a function pointer, note nothing.
 */
#ifndef BACKPLANE_TEST_WHERE_H
#define BACKPLANE_TEST_WHERE_H

#include <backplane/common.h>

#define BP_TEST_NOTED(call) (bp_test_at (__FILE__, __LINE__), call)
#define bp_test_new(...) BP_TEST_NOTED (bp_test_new (__VA_ARGS__))
#define bp_test_free(...) BP_TEST_NOTED (bp_test_free (__VA_ARGS__))
#define bp_test_refusal(...) BP_TEST_NOTED (bp_test_refusal (__VA_ARGS__))
#define bp_test_plugin_path(...) BP_TEST_NOTED (bp_test_plugin_path (__VA_ARGS__))
#define bp_test_object(...) BP_TEST_NOTED (bp_test_object (__VA_ARGS__))
#define bp_test_interface(...) BP_TEST_NOTED (bp_test_interface (__VA_ARGS__))
#define bp_test_reset(...) BP_TEST_NOTED (bp_test_reset (__VA_ARGS__))
#define bp_test_iterate(...) BP_TEST_NOTED (bp_test_iterate (__VA_ARGS__))
#define bp_test_file(...) BP_TEST_NOTED (bp_test_file (__VA_ARGS__))
#define bp_test_load(...) BP_TEST_NOTED (bp_test_load (__VA_ARGS__))
#define bp_test_store(...) BP_TEST_NOTED (bp_test_store (__VA_ARGS__))
#define bp_test_read(...) BP_TEST_NOTED (bp_test_read (__VA_ARGS__))
#define bp_test_write(...) BP_TEST_NOTED (bp_test_write (__VA_ARGS__))
#define bp_test_in8(...) BP_TEST_NOTED (bp_test_in8 (__VA_ARGS__))
#define bp_test_in16(...) BP_TEST_NOTED (bp_test_in16 (__VA_ARGS__))
#define bp_test_in32(...) BP_TEST_NOTED (bp_test_in32 (__VA_ARGS__))
#define bp_test_out8(...) BP_TEST_NOTED (bp_test_out8 (__VA_ARGS__))
#define bp_test_out16(...) BP_TEST_NOTED (bp_test_out16 (__VA_ARGS__))
#define bp_test_out32(...) BP_TEST_NOTED (bp_test_out32 (__VA_ARGS__))
#define bp_test_load8(...) BP_TEST_NOTED (bp_test_load8 (__VA_ARGS__))
#define bp_test_load16(...) BP_TEST_NOTED (bp_test_load16 (__VA_ARGS__))
#define bp_test_load32(...) BP_TEST_NOTED (bp_test_load32 (__VA_ARGS__))
#define bp_test_load64(...) BP_TEST_NOTED (bp_test_load64 (__VA_ARGS__))
#define bp_test_store8(...) BP_TEST_NOTED (bp_test_store8 (__VA_ARGS__))
#define bp_test_store16(...) BP_TEST_NOTED (bp_test_store16 (__VA_ARGS__))
#define bp_test_store32(...) BP_TEST_NOTED (bp_test_store32 (__VA_ARGS__))
#define bp_test_store64(...) BP_TEST_NOTED (bp_test_store64 (__VA_ARGS__))
#define bp_test_level(...) BP_TEST_NOTED (bp_test_level (__VA_ARGS__))
#define bp_test_drive(...) BP_TEST_NOTED (bp_test_drive (__VA_ARGS__))
#define bp_test_rises(...) BP_TEST_NOTED (bp_test_rises (__VA_ARGS__))
#define bp_test_falls(...) BP_TEST_NOTED (bp_test_falls (__VA_ARGS__))
#define bp_test_advance(...) BP_TEST_NOTED (bp_test_advance (__VA_ARGS__))
#define bp_test_text(...) BP_TEST_NOTED (bp_test_text (__VA_ARGS__))
#define bp_test_type(...) BP_TEST_NOTED (bp_test_type (__VA_ARGS__))
#define bp_test_break(...) BP_TEST_NOTED (bp_test_break (__VA_ARGS__))
#define bp_test_keep_log(...) BP_TEST_NOTED (bp_test_keep_log (__VA_ARGS__))
#define bp_test_take_log(...) BP_TEST_NOTED (bp_test_take_log (__VA_ARGS__))
#define bp_test_copy(...) BP_TEST_NOTED (bp_test_copy (__VA_ARGS__))
#define bp_test_round_trip(...) BP_TEST_NOTED (bp_test_round_trip (__VA_ARGS__))
#define bp_test_expect_same(...) BP_TEST_NOTED (bp_test_expect_same (__VA_ARGS__))
#define bp_test_save(...) BP_TEST_NOTED (bp_test_save (__VA_ARGS__))
#define bp_test_load_state(...) BP_TEST_NOTED (bp_test_load_state (__VA_ARGS__))
#define bp_test_fail(...) BP_TEST_NOTED (bp_test_fail (__VA_ARGS__))
#define bp_test_expect_true(...) BP_TEST_NOTED (bp_test_expect_true (__VA_ARGS__))
#define bp_test_expect_number(...) BP_TEST_NOTED (bp_test_expect_number (__VA_ARGS__))
#define bp_test_expect_string(...) BP_TEST_NOTED (bp_test_expect_string (__VA_ARGS__))
#define bp_test_expect_text_has(...) BP_TEST_NOTED (bp_test_expect_text_has (__VA_ARGS__))
#define bp_test_expect_load(...) BP_TEST_NOTED (bp_test_expect_load (__VA_ARGS__))
#define bp_test_expect_level(...) BP_TEST_NOTED (bp_test_expect_level (__VA_ARGS__))

#endif

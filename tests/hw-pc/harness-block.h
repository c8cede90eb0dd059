/* harness-block.h -- the disk of libbackplane-test under short names; each is described in <backplane/test-block.h>. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HARNESS_BLOCK_H
#define TESTS_HARNESS_BLOCK_H

#include "harness.h"
#include <backplane/test-block.h>

#define harness_block_bytes bp_test_block_bytes
#define harness_block_fail bp_test_block_fail
#define harness_block_answer bp_test_block_answer
#define harness_block_waiting bp_test_block_waiting
#define harness_block_at_once bp_test_block_at_once
#define harness_block_depth bp_test_block_depth
#define harness_block_count bp_test_block_count
#define harness_block_discarded bp_test_block_discarded
#define harness_block_change bp_test_block_change
#define harness_block_truncate bp_test_block_truncate
#define harness_block_copy bp_test_block_copy

#endif

/* hw-pc-test.h -- the types of hw-pc, for its tests. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HW_PC_TEST_H
#define TESTS_HW_PC_TEST_H

#include "harness.h"

BP_EXPORT const BpPluginDesc *bp_plugin_query (void);
static inline const BpTypeDesc *const *hw_pc (void) { return bp_plugin_query ()->types; }

#endif

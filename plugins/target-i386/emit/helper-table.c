/* helper-table.c -- helpers.def as data: what the IR knows of each C function it calls. */
/* SPDX-License-Identifier: MIT */

#include "../runtime/helpers.h"
#include "helper-args.h"
#include "translate.h"

const BpIrHelper x86_helpers[H_N] = {
#define HELPER(name, result, flags, n, args) \
  [H_##name] = { #name, (void (*) (void)) helper_##name, flags, n, RESULT_##result, ARGS_##args },
#include "../helpers.def"
#undef HELPER
};

const BpIrHelper *const x86_helper_list[H_N + 1] = {
#define HELPER(name, result, flags, n, args) [H_##name] = &x86_helpers[H_##name],
#include "../helpers.def"
#undef HELPER
};

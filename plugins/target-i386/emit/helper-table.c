/* helper-table.c -- helpers.def as data: what the IR knows of each C function it calls. */
/* SPDX-License-Identifier: MIT */

#include "../runtime/helpers.h"
#include "translate.h"

#define RESULT_v 0, BP_IR_I32
#define RESULT_w 1, BP_IR_I32
#define RESULT_q 1, BP_IR_I64

#define E BP_IR_I64
#define W BP_IR_I32
#define ARGS_e     { E }
#define ARGS_ew    { E, W }
#define ARGS_eww   { E, W, W }
#define ARGS_ewww  { E, W, W, W }
#define ARGS_ewwww { E, W, W, W, W }
#define ARGS_w     { W }
#define ARGS_ww    { W, W }
#define ARGS_www   { W, W, W }
#define ARGS_wwww  { W, W, W, W }

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

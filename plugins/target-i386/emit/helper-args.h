/* helper-args.h -- the letters of helpers.def as initialisers of BpIrHelper: v, w, q results and lists of e, w, q arguments. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_EMIT_HELPER_ARGS_H
#define TARGET_I386_EMIT_HELPER_ARGS_H

#include <backplane/tcg/ir.h>

#define RESULT_v 0, BP_IR_I32
#define RESULT_w 1, BP_IR_I32
#define RESULT_q 1, BP_IR_I64

#define E BP_IR_I64
#define W BP_IR_I32
#define Q BP_IR_I64
#define ARGS_e     { E }
#define ARGS_ew    { E, W }
#define ARGS_eq    { E, Q }
#define ARGS_eww   { E, W, W }
#define ARGS_ewq   { E, W, Q }
#define ARGS_eqw   { E, Q, W }
#define ARGS_ewww  { E, W, W, W }
#define ARGS_ewqw  { E, W, Q, W }
#define ARGS_eqqq  { E, Q, Q, Q }
#define ARGS_ewqwq { E, W, Q, W, Q }
#define ARGS_wwww  { W, W, W, W }
#define ARGS_qq    { Q, Q }
#define ARGS_wqqq  { W, Q, Q, Q }
#define ARGS_wqw   { W, Q, W }

#endif

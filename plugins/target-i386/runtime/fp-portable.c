/* fp-portable.c -- native insns where there is no such host: done in C on the state's image. */
/* SPDX-License-Identifier: MIT */

#include <backplane/log.h>

#include "fp.h"
#include "helpers.h"

/* x87 is map 0; the other maps hold MMX and SSE. The memory operand's faults are over by the time this
 * runs; an exception of the instruction itself leaves from within. */
uint64_t
x86_native_portable (void *env, uint64_t native, uint32_t aux, uint64_t in, void *mem, uint32_t *flags)
{
  FpInsn x = {
    .env = env, .f = fx_image (env), .upper = fx_uppers (env), .native = native, .aux = aux, .in = in, .mem = mem, .flags = flags
  };
  bool is_x87 = BP_NATIVE_MAP (native) == 0;
  bool done = is_x87 ? fp_x87_execute (&x) : BP_NATIVE_VEX (native) ? fp_vex_execute (&x) : fp_simd_execute (&x);
  if (!done) {
    bp_log_unimp (env, "no portable form of the instruction with opcode %02x, map %u, prefix %u, reg %u",
                  BP_NATIVE_OPCODE (native), BP_NATIVE_MAP (native), BP_NATIVE_PREFIX (native),
                  BP_NATIVE_REG (native));
    x86_raise (env, EXC_UD);
  }
  return x.out;
}

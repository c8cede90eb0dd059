/* resident-fp.c -- the guest's FP state in the host's registers is put away before other code uses those.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include "machine-tcg.h"

void
tcg_fp_store (void *env)
{
  TcgVcpu *v = env;
  uint32_t resident = v->fp_resident;
  if (!resident)
    return;
  v->machine->backend->fp_store (env);
  v->fp_dropped |= resident;
  v->events |= TCG_EVENT_FP_DROPPED;
}

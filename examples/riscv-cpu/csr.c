/* csr.c -- control and status registers of machine mode (privileged, 2.2 and 3.1). */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/accel.h>
#include "riscv.h"

/* --- which there are -------------------------------------------------------------------------- */

/* Read-only zeros, as the manual allows, have no case in read and write: machine identity, events, what is for modes that are not here. */
typedef struct Csr {
  uint16_t first, last;
  const char *name;             /* of the first */
} Csr;

enum {
  CSR_MSTATUS = 0x300, CSR_MISA = 0x301, CSR_MIE = 0x304, CSR_MTVEC = 0x305, CSR_MSTATUSH = 0x310, CSR_MCOUNTINHIBIT = 0x320, CSR_MHPMEVENT3 = 0x323,
  CSR_MSCRATCH = 0x340, CSR_MEPC = 0x341, CSR_MCAUSE = 0x342, CSR_MTVAL = 0x343, CSR_MIP = 0x344, CSR_MCYCLE = 0xb00, CSR_MINSTRET = 0xb02,
  CSR_MHPMCOUNTER3 = 0xb03, CSR_MCYCLEH = 0xb80, CSR_MINSTRETH = 0xb82, CSR_MHPMCOUNTER3H = 0xb83, CSR_CYCLE = 0xc00, CSR_TIME = 0xc01,
  CSR_INSTRET = 0xc02, CSR_HPMCOUNTER3 = 0xc03, CSR_CYCLEH = 0xc80, CSR_TIMEH = 0xc81, CSR_INSTRETH = 0xc82, CSR_HPMCOUNTER3H = 0xc83,
  CSR_MVENDORID = 0xf11, CSR_MARCHID = 0xf12, CSR_MIMPID = 0xf13, CSR_MHARTID = 0xf14, CSR_MCONFIGPTR = 0xf15
};
#define N_HPM 28                /* more than the first */

static const Csr csrs[] = {
  { CSR_MSTATUS, CSR_MSTATUS, "mstatus" }, { CSR_MISA, CSR_MISA, "misa" }, { CSR_MIE, CSR_MIE, "mie" }, { CSR_MTVEC, CSR_MTVEC, "mtvec" },
  { CSR_MSTATUSH, CSR_MSTATUSH, "mstatush" }, { CSR_MCOUNTINHIBIT, CSR_MCOUNTINHIBIT, "mcountinhibit" },
  { CSR_MHPMEVENT3, CSR_MHPMEVENT3 + N_HPM, "mhpmevent3" }, { CSR_MSCRATCH, CSR_MSCRATCH, "mscratch" }, { CSR_MEPC, CSR_MEPC, "mepc" },
  { CSR_MCAUSE, CSR_MCAUSE, "mcause" }, { CSR_MTVAL, CSR_MTVAL, "mtval" }, { CSR_MIP, CSR_MIP, "mip" }, { CSR_MCYCLE, CSR_MCYCLE, "mcycle" },
  { CSR_MINSTRET, CSR_MINSTRET, "minstret" }, { CSR_MHPMCOUNTER3, CSR_MHPMCOUNTER3 + N_HPM, "mhpmcounter3" },
  { CSR_MCYCLEH, CSR_MCYCLEH, "mcycleh" }, { CSR_MINSTRETH, CSR_MINSTRETH, "minstreth" },
  { CSR_MHPMCOUNTER3H, CSR_MHPMCOUNTER3H + N_HPM, "mhpmcounter3h" }, { CSR_CYCLE, CSR_CYCLE, "cycle" }, { CSR_TIME, CSR_TIME, "time" },
  { CSR_INSTRET, CSR_INSTRET, "instret" }, { CSR_HPMCOUNTER3, CSR_HPMCOUNTER3 + N_HPM, "hpmcounter3" }, { CSR_CYCLEH, CSR_CYCLEH, "cycleh" },
  { CSR_TIMEH, CSR_TIMEH, "timeh" }, { CSR_INSTRETH, CSR_INSTRETH, "instreth" }, { CSR_HPMCOUNTER3H, CSR_HPMCOUNTER3H + N_HPM, "hpmcounter3h" },
  { CSR_MVENDORID, CSR_MVENDORID, "mvendorid" }, { CSR_MARCHID, CSR_MARCHID, "marchid" }, { CSR_MIMPID, CSR_MIMPID, "mimpid" },
  { CSR_MHARTID, CSR_MHARTID, "mhartid" }, { CSR_MCONFIGPTR, CSR_MCONFIGPTR, "mconfigptr" }
};

static const Csr *
find (uint32_t number)
{
  for (unsigned i = 0; i < BP_N_ELEMENTS (csrs); i++)
    if (number >= csrs[i].first && number <= csrs[i].last)
      return &csrs[i];
  return NULL;
}

/* Without a clock `time' is for the trap handler to emulate (unprivileged, 10.1). */
bool
rv_csr_exists (const RvCpu *env, uint32_t number)
{
  return find (number) && ((number != CSR_TIME && number != CSR_TIMEH) || env->clock.table);
}

const char *
rv_csr_name (uint32_t number)
{
  const Csr *csr = find (number);
  return csr && csr->first == number ? csr->name : NULL;
}

bool
rv_csr_counts (uint32_t number)
{
  return (number & 0xf70) == 0xb00 || (number & 0xf70) == 0xc00;
}

/* --- counters ------------------------------------------------------------------------------------ */

/* Instructions are counted where the machine is deterministic; elsewhere nobody does that, and both are a clock of 1 GHz. */
static uint64_t
passed (RvCpu *env)
{
  const BpTcgOps *ops = bp_tcg_ops (env);
  return env->is_deterministic ? ops->instructions (env) : (uint64_t) ops->virtual_time (env);
}

/* A program that waits for a time must not see it come before the timer interrupt just because the host is busy. */
static uint64_t
ticks (RvCpu *env)
{
  const RvClockIface *clock = env->clock.table;
  int64_t now = bp_tcg_ops (env)->virtual_time (env);
  if (bp_machine_catch_up (bp_object_machine (env), now))
    rv_look_at_interrupts (env);
  return clock ? clock->ticks (env->clock.instance, now) : 0;
}

/* One half of a 64-bit counter that shows what has passed + offset is written.  The instruction that does so is not counted (unprivileged, 10.1): the next one
 * reads what was written. */
static void
set_half (uint64_t *offset, uint64_t before, uint32_t value, bool high)
{
  uint64_t shown = before + *offset;
  uint64_t wanted = high ? (uint64_t) value << 32 | (uint32_t) shown : (shown & ~(uint64_t) 0xffffffff) | value;
  *offset = wanted - (before + 1);
}

/* --- access ---------------------------------------------------------------------------------------- */

uint32_t
rv_csr_read (RvCpu *env, uint32_t number)
{
  switch (number) {
  case CSR_MSTATUS: return env->mstatus;
  case CSR_MISA: return 1u << 30 | 1u << ('I' - 'A') | 1u << ('M' - 'A');
  case CSR_MIE: return env->mie;
  case CSR_MTVEC: return env->mtvec;
  case CSR_MSCRATCH: return env->mscratch;
  case CSR_MEPC: return env->mepc;
  case CSR_MCAUSE: return env->mcause;
  case CSR_MTVAL: return env->mtval;
  case CSR_MIP: return rv_mip (bp_vcpu_pending (bp_vcpu_of (env)));
  case CSR_MCYCLE: case CSR_CYCLE: return (uint32_t) (passed (env) + env->cycle_offset);
  case CSR_MCYCLEH: case CSR_CYCLEH: return (uint32_t) ((passed (env) + env->cycle_offset) >> 32);
  case CSR_MINSTRET: case CSR_INSTRET: return (uint32_t) (passed (env) + env->instret_offset);
  case CSR_MINSTRETH: case CSR_INSTRETH: return (uint32_t) ((passed (env) + env->instret_offset) >> 32);
  case CSR_TIME: return (uint32_t) ticks (env);
  case CSR_TIMEH: return (uint32_t) (ticks (env) >> 32);
  case CSR_MHARTID: return env->hart_id;
  default: return 0;
  }
}

/* Fields take what they can hold (WARL); what is read-only stays.  The pending bits are the pins'. */
void
rv_csr_write (RvCpu *env, uint32_t number, uint32_t value)
{
  switch (number) {
  case CSR_MSTATUS:
    env->mstatus = (value & (MSTATUS_MIE | MSTATUS_MPIE)) | MSTATUS_MPP;
    rv_look_at_interrupts (env);
    break;
  case CSR_MIE:
    env->mie = value & MIP_ALL;
    rv_look_at_interrupts (env);
    break;
  case CSR_MTVEC: env->mtvec = value & ~2u; break;      /* direct or vectored */
  case CSR_MSCRATCH: env->mscratch = value; break;
  case CSR_MEPC: env->mepc = value & ~3u; break;
  case CSR_MCAUSE: env->mcause = value; break;
  case CSR_MTVAL: env->mtval = value; break;
  case CSR_MCYCLE: case CSR_MCYCLEH: set_half (&env->cycle_offset, passed (env), value, number == CSR_MCYCLEH); break;
  case CSR_MINSTRET: case CSR_MINSTRETH: set_half (&env->instret_offset, passed (env), value, number == CSR_MINSTRETH); break;
  default: break;
  }
}

/* debug.c -- debug registers, instruction breakpoints, and the log of events (SDM 3B chapter 17). */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include "common.h"
#include "helpers.h"

#define DR6_FIXED 0xffff0ff0u
#define DR6_WRITABLE 0x0000e00fu
#define DR7_WRITABLE 0xffff23ffu
#define DR7_FIXED (1u << 10)

/* --- access ----------------------------------------------------------------------------- */

/* DR4 and DR5 are names of DR6 and DR7 unless CR4.DE says that they are not there. */
static unsigned
check_access (X86Cpu *env, unsigned number)
{
  if (number == 4 || number == 5) {
    if (env->cr4 & CR4_DE)
      x86_raise (env, EXC_UD);
    number += 2;
  }
  if (env->dr[7] & DR7_GD) {
    env->dr[6] |= DR6_BD;
    x86_raise (env, EXC_DB);
  }
  return number & 7;
}

/* --- what a breakpoint is set on (SDM 3B 17.2.4) ------------------------------------------------- */

enum { ON_EXECUTE = 1 << 0, ON_WRITE = 1 << 1, ON_IO = 1 << 2, ON_ACCESS = 1 << 3 };

static bool is_enabled (uint32_t dr7, unsigned i) { return dr7 >> 2 * i & 3; }
static unsigned kind_of (uint32_t dr7, unsigned i) { return 1u << (dr7 >> (16 + 4 * i) & 3); }
static bool has_any (uint32_t dr7) { return dr7 & 0xff; }

static uint32_t
length_of (uint32_t dr7, unsigned i)
{
  static const uint8_t bytes[4] = { 1, 2, 8, 4 };
  return bytes[dr7 >> (18 + 4 * i) & 3];
}

static bool
has_data_breakpoints (uint32_t dr7)
{
  for (unsigned i = 0; i < 4 && has_any (dr7); i++)
    if (is_enabled (dr7, i) && kind_of (dr7, i) & (ON_WRITE | ON_ACCESS))
      return true;
  return false;
}

/* DR6.B0 to B3 of the enabled breakpoints, of these kinds, that [address, +size) touches. */
static uint32_t
find_hits (const X86Cpu *env, unsigned kinds, uint64_t address, uint64_t size)
{
  uint32_t dr7 = (uint32_t) env->dr[7], hits = 0;
  for (unsigned i = 0; i < 4; i++) {
    uint64_t length = length_of (dr7, i), start = env->dr[i] & ~(length - 1);
    bool touches = address - start < length || start - address < size;
    if (is_enabled (dr7, i) && kind_of (dr7, i) & kinds && touches)
      hits |= DR6_B0 << i;
  }
  return hits;
}

bool
x86_is_watched (const X86Cpu *env, uint64_t page)
{
  return UNLIKELY (has_any ((uint32_t) env->dr[7])) && find_hits (env, ON_WRITE | ON_ACCESS, page & ~(uint64_t) 0xfff, 4096);
}

void
helper_mov_to_dr (X86Cpu *env, uint32_t number, uint64_t value)
{
  number = check_access (env, number);
  if (number >= 6 && value >> 32)
    x86_raise_error (env, EXC_GP, 0);
  if (number == 6)
    value = (value & DR6_WRITABLE) | DR6_FIXED;
  else if (number == 7)
    value = (value & DR7_WRITABLE) | DR7_FIXED;
  bool had = has_data_breakpoints ((uint32_t) env->dr[7]);
  env->dr[number] = value;
  if (number != 6 && (had || has_data_breakpoints ((uint32_t) env->dr[7])))
    env->tcg.ops->tlb_flush (env, true);        /* other pages are watched now */
  if (number == 7)
    x86_update_mode (env);
}

uint64_t
helper_mov_from_dr (X86Cpu *env, uint32_t number)
{
  number = check_access (env, number);
  return env->dr[number];
}

/* --- breakpoints on data and ports: traps, after the instruction ----------------------------------- */

static void
strike (X86Cpu *env, uint32_t hits)
{
  env->watch_hits |= hits & ~(uint32_t) env->dr[6];
  x86_pend_trap (env, hits);
  env->tcg.ops->leave_soon (env);
}

/* In the midst of a task switch there is no going back to the instruction; it ends its block anyway. */
bool
x86_watch (void *opaque, uint64_t address, unsigned size, BpMmuAccess access, bool alone)
{
  X86Cpu *env = opaque;
  uint32_t hits = find_hits (env, access == BP_MMU_STORE ? ON_WRITE | ON_ACCESS : ON_ACCESS, address, size);
  if (hits && !alone && !env->new_task)
    return true;
  if (hits)
    strike (env, hits);
  return false;
}

void
x86_check_io_breakpoints (X86Cpu *env, uint32_t port, uint32_t size)
{
  uint32_t hits = env->cr4 & CR4_DE ? find_hits (env, ON_IO, port & 0xffff, size) : 0;
  if (hits)
    strike (env, hits);
}

/* --- breakpoints on instructions: faults, before them -------------------------------------------------------------------------------- */

bool
x86_breaks_at (X86Cpu *env, uint64_t linear)
{
  uint32_t dr7 = (uint32_t) env->dr[7], hit = 0, enabled = 0;
  if (env->eflags & X86_FL_RF)
    return false;
  for (unsigned i = 0; i < 4; i++)
    if (!(dr7 >> (16 + 4 * i) & 3) && env->dr[i] == linear) {
      hit |= DR6_B0 << i;
      enabled |= dr7 >> 2 * i & 3;
    }
  if (enabled)
    env->dr[6] = (env->dr[6] & ~(uint64_t) 15) | hit;
  return enabled;
}

void
helper_check_breakpoint (X86Cpu *env, uint64_t linear)
{
  if (x86_breaks_at (env, linear))
    x86_raise (env, EXC_DB);
}

/* --- log ----------------------------------------------------------------------------------------------- */

#define HEX8 "%08" G_GINT64_MODIFIER "x"

void __attribute__ ((noinline))
x86_log_event (X86Cpu *env, unsigned vector, uint32_t error, unsigned kind, uint64_t eip)
{
  char text[2048];
  env->tcg.ops->fp_store (env);
  x86_dump (env, text, sizeof text);
  bp_log (BP_LOG_INT, "v=%02x e=%04x i=%u cpl=%u IP=%04x:" HEX8 " pc=" HEX8 " SP=%04x:" HEX8 " CR2=" HEX8 " EAX=" HEX8 "\n%s", vector, error, kind,
          x86_cpl (env), env->segment[X86_CS].selector, eip, x86_code_linear (env, eip), env->segment[X86_SS].selector, env->gpr[X86_RSP],
          env->cr2, env->gpr[X86_RAX], text);
}

/* control.c -- control registers and EFLAGS: every rule about who may change which bit (SDM 3A 2.5, 2.3; 3B 20.3, 20.4). */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include "common.h"
#include "helpers.h"

/* --- control registers ------------------------------------------------------------------ */

#define CR0_MASK (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define CR0_PAGING (CR0_PE | CR0_PG | CR0_WP)
#define CR4_PAGING (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP)
#define CR4_TLB (CR4_PAGING | CR4_PKE | CR4_PKS)
#define CR3_KEEP ((uint64_t) 1 << 63)
#define CR3_PCID 0xfffu
#define CR8_RESERVED (~(uint64_t) 15)

static void __attribute__ ((noinline))
log_cr (X86Cpu *env, unsigned number, uint64_t value)
{
  env->tcg.ops->fp_store (env);
  bp_log_write (BP_LOG_MMU, "cr%u = %08" G_GINT64_MODIFIER "x at %04x:%08" G_GINT64_MODIFIER "x", number, value, env->segment[X86_CS].selector,
                env->eip);
}

static void
refuse_unless (X86Cpu *env, bool allowed)
{
  if (!allowed)
    x86_raise_error (env, EXC_GP, 0);
}

static bool
uses_pdptes (const X86Cpu *env)
{
  return env->cr4 & CR4_PAE && !(env->efer & EFER_LME);
}

/* SDM 3A 4.1.1 and 9.8.5: paging with EFER.LME is long mode, which wants PAE, no 64-bit code segment yet, and no 16-bit TSS. */
static void
check_long_mode_switch (X86Cpu *env, uint32_t value)
{
  uint32_t changed = (uint32_t) env->cr0 ^ value;
  if (!(changed & CR0_PG))
    return;
  if (!(value & CR0_PG)) {
    refuse_unless (env, !x86_in_code64 (env) && !(env->cr4 & CR4_PCIDE));
    return;
  }
  if (!(env->efer & EFER_LME))
    return;
  const BpX86Segment *tr = &env->segment[BP_X86_TR];
  bool tss16 = tr->attributes & SEG_P && !(tr->attributes & 8);
  refuse_unless (env, env->cr4 & CR4_PAE && !(env->segment[X86_CS].attributes & SEG_L) && !tss16);
}

static void
write_cr0 (X86Cpu *env, uint64_t wide)
{
  uint32_t old = (uint32_t) env->cr0, value = ((uint32_t) wide & CR0_MASK) | CR0_ET;
  uint32_t changed = old ^ value;
  refuse_unless (env, !(wide >> 32));
  if ((value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD)))
    x86_raise_error (env, EXC_GP, 0);
  check_long_mode_switch (env, value);
  if (changed & (CR0_PG | CR0_CD | CR0_NW) && value & CR0_PG && uses_pdptes (env))
    refuse_unless (env, x86_load_pdptes (env, env->cr3));
  env->cr0 = value;
  if (changed & CR0_PG) {
    bool is_long = value & CR0_PG && env->efer & EFER_LME;
    env->efer = (env->efer & ~(uint64_t) EFER_LMA) | (is_long ? EFER_LMA : 0);
  }
  if (changed & CR0_PE) {
    /* The privilege level lives in SS.DPL and is 0 on both sides of this switch. */
    env->segment[X86_SS].attributes &= (uint16_t) ~(3u << SEG_DPL_SHIFT);
  }
  x86_update_mode (env);
  if (changed & CR0_PAGING)
    env->tcg.ops->tlb_flush (env, true);
}

/* Without PCIDs a load of CR3, even of the same value, drops all but global translations; with them those of the PCID, unless bit 63 says
 * otherwise (SDM 3A 4.10.4.1). */
void
x86_set_cr3 (X86Cpu *env, uint64_t value)
{
  bool has_pcid = env->cr4 & CR4_PCIDE, keep = has_pcid && value & CR3_KEEP;
  uint64_t table = env->cr4 & CR4_PAE && !x86_in_long_mode (env) ? 0xffffffe0u : ~(uint64_t) 0xfff;
  env->cr3 = has_pcid ? value & ~CR3_KEEP : value;
  if (env->cr0 & CR0_PG)
    env->tcg.ops->tlb_switch_space (env, env->cr3 & table, has_pcid ? env->cr3 & CR3_PCID : 0, keep);
}

static void
write_cr3 (X86Cpu *env, uint64_t value)
{
  uint64_t checked = env->cr4 & CR4_PCIDE ? value & ~CR3_KEEP : value;
  refuse_unless (env, !x86_in_code64 (env) || !(checked >> env->physical_bits));
  if (env->cr0 & CR0_PG && uses_pdptes (env))
    refuse_unless (env, x86_load_pdptes (env, value));
  x86_set_cr3 (env, value);
}

static void
write_cr4 (X86Cpu *env, uint64_t value)
{
  uint64_t changed = env->cr4 ^ value, set = changed & value;
  if (!env->cr4_allowed)
    x86_raise (env, EXC_UD);
  refuse_unless (env, !(value & ~(uint64_t) env->cr4_allowed));
  if (x86_in_long_mode (env))
    refuse_unless (env, value & CR4_PAE);
  if (set & CR4_PCIDE)
    refuse_unless (env, x86_in_long_mode (env) && !(env->cr3 & CR3_PCID));
  if (changed & CR4_PAGING && value & CR4_PAE && env->cr0 & CR0_PG && !x86_in_long_mode (env))
    refuse_unless (env, x86_load_pdptes (env, env->cr3));
  env->cr4 = value;
  x86_update_mode (env);
  if (changed & CR4_TLB || changed & ~value & CR4_PCIDE)
    env->tcg.ops->tlb_flush (env, true);
}

static void
write_cr8 (X86Cpu *env, uint64_t value)
{
  refuse_unless (env, !(value & CR8_RESERVED));
  x86_cr8_write (env, value);
  x86_look_for_interrupts (env);
}

void
helper_mov_to_cr (X86Cpu *env, uint32_t number, uint64_t value)
{
  if (bp_log_on (BP_LOG_MMU))
    log_cr (env, number, value);
  switch (number) {
  case 0:
    write_cr0 (env, value);
    break;
  case 2:
    env->cr2 = value;
    break;
  case 3:
    write_cr3 (env, value);
    break;
  case 4:
    write_cr4 (env, value);
    break;
  case 8:
    write_cr8 (env, value);
    break;
  default:
    x86_raise (env, EXC_UD);
  }
}

uint64_t
helper_mov_from_cr (X86Cpu *env, uint32_t number)
{
  switch (number) {
  case 0:
    return env->cr0;
  case 2:
    return env->cr2;
  case 3:
    return env->cr3;
  case 4:
    if (!env->cr4_allowed)
      break;
    return env->cr4;
  case 8:
    return x86_cr8_read (env);
  }
  x86_raise (env, EXC_UD);
}

/* PE can be set this way, never cleared. */
void
helper_lmsw (X86Cpu *env, uint32_t value)
{
  uint32_t mask = CR0_MP | CR0_EM | CR0_TS | (value & CR0_PE);
  write_cr0 (env, merge ((uint32_t) env->cr0, value, mask));
}

void
helper_clts (X86Cpu *env)
{
  env->cr0 &= ~(uint64_t) CR0_TS;
  x86_update_mode (env);
}

/* --- invalidation ------------------------------------------------------------------------------------ */

/* An address that is not canonical names no page. */
void
helper_invlpg (X86Cpu *env, uint64_t linear)
{
  if (!x86_in_code64 (env))
    linear = (uint32_t) linear;
  if (x86_is_canonical (linear))
    env->tcg.ops->tlb_flush_page (env, linear);
}

enum { INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL, INVPCID_ALL_BUT_GLOBAL };

/* SDM 2A, INVPCID. */
void
helper_invpcid (X86Cpu *env, uint64_t type, uint64_t pcid, uint64_t linear)
{
  const BpTcgOps *ops = env->tcg.ops;
  bool one = type == INVPCID_ADDRESS || type == INVPCID_CONTEXT;
  refuse_unless (env, type <= INVPCID_ALL_BUT_GLOBAL && !(pcid & ~(uint64_t) CR3_PCID) && (!one || env->cr4 & CR4_PCIDE || pcid == 0));
  switch (type) {
  case INVPCID_ADDRESS:
    refuse_unless (env, x86_is_canonical (linear));
    ops->tlb_flush_page_in (env, pcid, linear);
    break;
  case INVPCID_CONTEXT:
    ops->tlb_flush_space (env, pcid);
    break;
  case INVPCID_ALL:
    ops->tlb_flush (env, true);
    break;
  default:
    ops->tlb_flush_space (env, BP_TLB_EVERY_ASID);
    break;
  }
}

/* User-mode instruction prevention: SGDT, SIDT, SLDT, SMSW, STR (SDM 3A 2.5). */
void
helper_umip_check (X86Cpu *env)
{
  if (env->cr4 & CR4_UMIP)
    x86_raise_error (env, EXC_GP, 0);
}

/* XSETBV and kin of less privileged code: #UD comes before #GP. */
void
helper_osxsave_check (X86Cpu *env)
{
  if (!(env->cr4 & CR4_OSXSAVE))
    x86_raise (env, EXC_UD);
}

/* --- EFLAGS ------------------------------------------------------------------------------------- */

/* CLI, STI and kin work on VIF: virtual-8086 mode with VME, CPL 3 with PVI. */
static bool
uses_vif (const X86Cpu *env)
{
  if (!(env->cr0 & CR0_PE) || iopl (env) == 3)
    return false;
  return in_v86 (env) ? env->cr4 & CR4_VME : x86_cpl (env) == 3 && env->cr4 & CR4_PVI;
}

static bool
may_change_if (const X86Cpu *env)
{
  return !(env->cr0 & CR0_PE) || x86_cpl (env) <= iopl (env);
}

void
helper_cli (X86Cpu *env)
{
  if (may_change_if (env))
    env->eflags &= ~X86_FL_IF;
  else if (uses_vif (env))
    env->eflags &= ~X86_FL_VIF;
  else
    x86_raise_error (env, EXC_GP, 0);
}

void
helper_sti (X86Cpu *env)
{
  if (may_change_if (env)) {
    if (env->eflags & X86_FL_IF)
      return;
    env->eflags |= X86_FL_IF;
    env->hflags |= HF_INHIBIT;
    x86_look_for_interrupts (env);
  } else if (uses_vif (env)) {
    if (env->eflags & X86_FL_VIP)
      x86_raise_error (env, EXC_GP, 0);
    env->eflags |= X86_FL_VIF;
  } else
    x86_raise_error (env, EXC_GP, 0);
}

/* Is the instruction at the pc a PUSHFD?  (Code of virtual-8086 mode is 16 bits wide: a 66 prefix makes it one.) */
static bool
has_operand_size_prefix (X86Cpu *env)
{
  env->tcg.ops->restore (env);
  for (unsigned i = 0; i < X86_MAX_INSN_LENGTH; i++) {
    uint32_t byte = (uint32_t) x86_load (env, env->segment[X86_CS].base + ((env->eip + i) & 0xffff), BP_MO_8);
    if (byte == 0x66)
      return true;
    if (byte == 0x9c)
      break;
  }
  return false;
}

void
helper_pushf_check (X86Cpu *env)
{
  if (in_v86 (env) && iopl (env) < 3 && (!(env->cr4 & CR4_VME) || has_operand_size_prefix (env)))
    x86_raise_error (env, EXC_GP, 0);
}

/* What PUSHF stores: VM and RF read as 0; under VME the 8086 program sees VIF as its IF, and IOPL 3. */
uint32_t
helper_read_eflags (X86Cpu *env)
{
  uint32_t value = x86_eflags (env) & ~(uint32_t) (X86_FL_VM | X86_FL_RF);
  if (in_v86 (env) && iopl (env) < 3 && env->cr4 & CR4_VME)
    value = (value & ~(uint32_t) X86_FL_IF) | X86_FL_IOPL | (value & X86_FL_VIF ? X86_FL_IF : 0);
  return value;
}

static void
popf_vme (X86Cpu *env, uint32_t value, uint32_t size)
{
  if (!(env->cr4 & CR4_VME) || size != 2 || value & X86_FL_TF || (value & X86_FL_IF && env->eflags & X86_FL_VIP))
    x86_raise_error (env, EXC_GP, 0);
  value = (value & ~(uint32_t) X86_FL_VIF) | (value & X86_FL_IF ? X86_FL_VIF : 0);
  x86_set_eflags (env, value, X86_FL_ARITH | X86_FL_TF | X86_FL_DF | X86_FL_NT | X86_FL_VIF);
}

void
helper_popf (X86Cpu *env, uint32_t value, uint32_t size)
{
  uint32_t mask = X86_FL_ARITH | X86_FL_TF | X86_FL_DF | X86_FL_NT;
  bool was_enabled = env->eflags & X86_FL_IF;
  if (in_v86 (env) && iopl (env) < 3) {
    popf_vme (env, value, size);
    return;
  }
  if (size != 2)
    mask |= X86_FL_AC | X86_FL_RF | (env->feature[X86_FEATURE_CPUID] ? X86_FL_ID : 0);
  if (may_change_if (env))
    mask |= X86_FL_IF;
  if (!in_v86 (env) && x86_cpl (env) == 0)
    mask |= X86_FL_IOPL;
  x86_set_eflags (env, value & ~(uint32_t) X86_FL_RF, mask);
  if (!was_enabled && env->eflags & X86_FL_IF)
    x86_look_for_interrupts (env);
}

/* --- instruments ------------------------------------------------------------------------------ */

void
helper_marker (X86Cpu *env, uint64_t number)
{
  const BpTcgOps *ops = env->tcg.ops;
  if (BP_TABLE_HAS (ops, marker))
    ops->marker (env, number);
}

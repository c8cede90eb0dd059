/* differences.c -- where this processor and the one that is modelled are not the same, by instruction. */
/* SPDX-License-Identifier: MIT */
/*
 * Four kinds: what belongs to a feature that the model's CPUID does not show, or that this processor has not; what AMD's processors do
 * otherwise than Intel's, which are the ones modelled; and what a hypervisor below this system makes of an instruction.
 */
#include <cpuid.h>
#include <string.h>

#include "differences.h"

enum { TRAP = 1, UD = 6, SS = 12, GP = 13, PF = 14 };

static bool is_undefined_here (const Outcome *native, const Outcome *guest) { return guest->vector == UD && native->vector != UD; }
static bool repeats (const X86Insn *i) { return i->prefixes & (X86_PREFIX_REP | X86_PREFIX_REPNE); }

static bool
are_two_faults (const Outcome *native, const Outcome *guest)
{
  return guest->vector >= SS && guest->vector <= PF && native->vector >= SS && native->vector <= PF && !guest->rip && !native->rip;
}

/* --- features that are not shown ----------------------------------------------------------------- */

static bool
is_avx512 (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  unsigned op = i->opcode;
  if (!is_undefined_here (native, guest) || i->op != X86_OP_INVALID)
    return false;
  if (!i->vex.present)
    return i->map == 0 && op == 0x62;
  return i->map == 1 ? (op >= 0x41 && op <= 0x4b) || (op >= 0x90 && op <= 0x99) : i->map == 3 && op >= 0x30 && op <= 0x33;
}

static bool
is_vnni (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && i->vex.present && i->map == 2 && i->opcode >= 0x50 && i->opcode <= 0x53;
}

static bool
is_gfni (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && ((i->map == 2 && i->opcode == 0xcf) || (i->map == 3 && (i->opcode | 1) == 0xcf));
}

static bool
is_sse4a (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && i->map == 1 && !i->vex.present && (i->opcode == 0x2b || (i->opcode | 1) == 0x79);
}

static bool
is_movdir (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && i->map == 2 && !i->vex.present && (i->opcode | 1) == 0xf9;
}

static bool
is_supervisor_xsave (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && (i->feature == X86_FEATURE_XSAVES || i->feature == X86_FEATURE_XSAVEC);
}

/* XABORT and XBEGIN: outside of a transaction nothing, and a jump to where the aborted one goes on. */
static bool
is_rtm (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && i->map == 0 && (i->opcode | 1) == 0xc7 && i->modrm == 0xf8;
}

static bool
is_ptwrite (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && i->map == 1 && i->opcode == 0xae && i->reg == 4 && i->prefixes & X86_PREFIX_REP;
}

/* LDTILECFG and what else begins with it */
static bool
is_amx (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  bool has_tiles = i->opcode == 0x49 || i->opcode == 0x4b || i->opcode == 0x5c || i->opcode == 0x5e;
  return is_undefined_here (native, guest) && i->mode == X86_MODE_64 && i->vex.present && i->map == 2 && has_tiles;
}

static bool
is_hreset (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && i->map == 3 && i->opcode == 0xf0 && i->prefixes & X86_PREFIX_REP;
}

/* MONITORX, CLZERO, RDPRU, VMMCALL, XEND, XTEST and others */
static bool
is_group7 (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && i->map == 1 && i->opcode == 0x01 && i->mod == 3 && i->op == X86_OP_INVALID;
}

/* --- features that are shown, and are not this processor's ------------------------------------------ */

/* RDPKRU and WRPKRU are #UD where CR4.PKE is clear, as CPUID's OSPKE tells (SDM 2B). */
static bool
is_without_pkru (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  unsigned a, b, c = 0, d;
  if ((i->op != X86_OP_RDPKRU && i->op != X86_OP_WRPKRU) || native->vector != UD || guest->vector != GP)
    return false;
  return !__get_cpuid_count (7, 0, &a, &b, &c, &d) || !(c & bit_OSPKE);
}

/* --- another vendor's ------------------------------------------------------------------------------ */

/* LOCK MOV to or from CR0 is CR8 (APM 3, MOV CRn). */
static bool
is_locked_cr8 (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && i->map == 1 && (i->opcode | 2) == 0x22 && i->prefixes & X86_PREFIX_LOCK;
}

/* How long the bytes would be, at most, if there were such an instruction: its map's prefixes, ModRM and four bytes of immediates. */
static unsigned whole_length;

static unsigned
modrm_length (const uint8_t *modrm, bool narrow)
{
  unsigned mod = *modrm >> 6, rm = *modrm & 7;
  if (mod == 3)
    return 1;
  if (narrow)
    return 1 + (mod == 0 ? (rm == 6 ? 2 : 0) : mod);
  bool sib = rm == 4, absolute = mod == 0 && (rm == 5 || (sib && (modrm[1] & 7) == 5));
  return 1u + sib + (absolute || mod == 2 ? 4 : mod);
}

static unsigned
length_of (X86Mode mode, const uint8_t *bytes)
{
  static const uint8_t prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x66, 0x67, 0xf0, 0xf2, 0xf3 };
  unsigned n = 0;
  bool wide = false;
  while (n < 11 && (memchr (prefixes, bytes[n], sizeof prefixes) || (mode == X86_MODE_64 && bytes[n] >> 4 == 4)))
    wide |= bytes[n++] == 0x67;
  bool narrow = mode == X86_MODE_16 ? !wide : mode == X86_MODE_32 && wide;
  switch (bytes[n++]) {
  case 0x0f: n += bytes[n] == 0x38 || bytes[n] == 0x3a ? 2 : 1; break;
  case 0xc5: n += 2; break;
  case 0xc4: case 0x8f: n += 3; break;
  case 0x62: n += 4; break;
  case 0x9a: case 0xea: return n + 6;
  default: break;
  }
  return n > 14 ? 16 : n + modrm_length (bytes + n, narrow) + 4;
}

/* An undefined opcode has no length in either manual; processors count what would follow it, say #GP above 15, and fetch it.  Which have
 * none is their own: of reserved VEX maps, Intel's refuse those at once whose number ends in two zeros, and AMD's none. */
static bool
is_long_undefined (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  bool fetches = native->vector == PF && native->cr2 == OPCODES_EDGE_END;
  return (fetches || (native->vector == GP && whole_length > 15)) && native->rip == 0 && guest->vector == UD && guest->rip == 0
         && i->op == X86_OP_INVALID;
}

/* UD0 and UD1 have a ModRM byte and what belongs to it (SDM 2B, UD). */
static bool
is_long_ud (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return native->vector == UD && (guest->vector == GP || guest->cr2 == OPCODES_EDGE_END) && guest->rip == 0 && i->map == 1 && (i->opcode == 0xff || i->opcode == 0xb9);
}

/* SYSRET in compatibility mode (SDM 2B, APM 3). */
static bool
is_narrow_sysret (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && i->op == X86_OP_SYSRET && i->mode != X86_MODE_64;
}

/* The prefetches of 0F 0D with a register. */
static bool
is_prefetch_of_register (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return native->vector == UD && i->map == 1 && i->opcode == 0x0d && i->mod == 3;
}

/* 66 with a near branch in 64-bit code: 16 bits (APM 3) or nothing (SDM 2A, 2.2.1.3). */
static bool
is_narrow_branch (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  if (i->mode != X86_MODE_64 || !(i->prefixes & X86_PREFIX_OPSIZE))
    return false;
  bool shorter = (i->map == 1 && i->opcode >> 4 == 8) || (i->map == 0 && (i->opcode | 1) == 0xe9);
  if (i->op == X86_OP_INVALID)  /* LOCK, and two bytes less to fetch */
    return shorter && native->vector == UD && guest->cr2 == OPCODES_EDGE_END;
  return i->branch != X86_BRANCH_NONE && guest->vector != UD && native->vector != UD;
}

/* F2 and F3 replace the condition. */
static bool
is_repeated_loop (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return (i->op == X86_OP_LOOPE || i->op == X86_OP_LOOPNE) && repeats (i) && guest->vector != UD && native->vector != UD;
}

/* VERW of memory is also how buffers are cleared, and as such takes LOCK. */
static bool
is_locked_verw (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && i->map == 1 && i->opcode == 0 && i->reg == 5 && i->mod != 3 && i->prefixes & X86_PREFIX_LOCK;
}

/* VPERMQ and VPERMPD by an immediate have W 1 in both manuals. */
static bool
is_vperm_w0 (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return is_undefined_here (native, guest) && i->vex.present && i->map == 3 && i->opcode <= 1 && !i->vex.W;
}

/* W is ignored outside 64-bit code (SDM 2B, PEXTRD and PINSRD). */
static bool
is_narrow_pextrq (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return native->vector == UD && (i->op == X86_OP_PEXTRD || i->op == X86_OP_PINSRD) && i->vex.W && i->mode != X86_MODE_64;
}

/* Instructions for SHA need no alignment. */
static bool
is_sha (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return i->feature == X86_FEATURE_SHA && guest->vector == GP && (native->vector == PF || native->vector == SS);
}

/* Far pointers are read, and far returns checked, in pieces: of two faults the other one comes first. */
static bool
is_far (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  bool far = i->op == X86_OP_LDS || i->op == X86_OP_LES || i->op == X86_OP_LSS || i->op == X86_OP_LFS || i->op == X86_OP_LGS
             || i->branch == X86_BRANCH_RET_FAR;
  return far && are_two_faults (native, guest);
}

/* Which of two faults an XSAVE or FXSAVE area has that is not aligned, or reaches beyond its segment or the lower half (SDM 3A, 6.9). */
static bool
is_xsave_area (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  bool has_area = i->unit == X86_UNIT_XSAVE || i->op == X86_OP_FXSAVE || i->op == X86_OP_FXRSTOR;
  return has_area && are_two_faults (native, guest);
}

/* Images and numbers of the x87, strings of SSE4.2 and BOUND's pairs that reach beyond the lower half or their segment: whether that is
 * found first, or that a page is not there (the same). */
static bool
is_in_pieces (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  switch (i->op) {
  case X86_OP_FNSAVE: case X86_OP_FRSTOR: case X86_OP_FNSTENV: case X86_OP_FLDENV: case X86_OP_FBLD: case X86_OP_FBSTP:
  case X86_OP_PCMPESTRI: case X86_OP_PCMPESTRM: case X86_OP_BOUND:
    return are_two_faults (native, guest) && (native->vector == PF) != (guest->vector == PF);
  default: return false;
  }
}

/* What a masked access says of bytes that it cannot reach is the processor's own (SDM 2B, MASKMOVQ; 3A, 6.9). */
static bool
is_masked_access (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  switch (i->op) {
  case X86_OP_MASKMOVQ: case X86_OP_MASKMOVDQU:
  case X86_OP_VMASKMOVPS: case X86_OP_VMASKMOVPD: case X86_OP_VPMASKMOVD: case X86_OP_VPMASKMOVQ: return are_two_faults (native, guest);
  default: return false;
  }
}

/* --- a hypervisor's -------------------------------------------------------------------------------- */

/* INT1 is a trap in both manuals (SDM 3A 6.15, APM 3 INT1); one that delivers it in the processor's place may leave RIP where it was. */
static bool
is_int1_in_place (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  return i->map == 0 && i->opcode == 0xf1 && native->vector == TRAP && native->rip == 0 && guest->vector == TRAP;
}

/* --- the kernel's own ------------------------------------------------------------------------------- */

/* CLAC and STAC are #UD for the user alone; DR4 and DR5 with CR4.DE are #UD, but the user is not privileged in the first place. */
static bool
is_privileged (const X86Insn *i, bool kernel, const Outcome *native, const Outcome *guest)
{
  if (!kernel)
    return false;
  if (i->op == X86_OP_CLAC || i->op == X86_OP_STAC)
    return native->vector == UD && guest->vector == TRAP;
  return (i->op == X86_OP_MOV_TO_DR || i->op == X86_OP_MOV_FROM_DR) && (i->reg | 1) == 5 && guest->vector == UD && native->vector == GP;
}

const Difference differences[N_DIFFERENCES] = {
  { "#GP and #PF for what would follow an undefined opcode", is_long_undefined },
  { "AVX-512 is not shown", is_avx512 }, { "AVX-VNNI is not shown", is_vnni }, { "GFNI is not shown", is_gfni },
  { "SSE4A is not shown", is_sse4a }, { "MOVDIRI and MOVDIR64B are not shown", is_movdir },
  { "XSAVEC and XSAVES are not shown", is_supervisor_xsave }, { "RTM is not shown", is_rtm },
  { "PTWRITE is not shown", is_ptwrite }, { "HRESET is not shown", is_hreset }, { "AMX is not shown", is_amx },
  { "PKU is not this processor's", is_without_pkru }, { "features of 0F 01 that are not shown", is_group7 },
  { "AMD: LOCK MOV CR0 is CR8", is_locked_cr8 }, { "AMD: UD0 and UD1 without ModRM", is_long_ud },
  { "order of two faults of an XSAVE area", is_xsave_area }, { "order of two faults of an operand in pieces", is_in_pieces },
  { "AMD: SYSRET in compatibility mode", is_narrow_sysret }, { "AMD: prefetches of registers", is_prefetch_of_register },
  { "AMD: 66 makes branches of 64-bit code narrow", is_narrow_branch }, { "AMD: F2 and F3 with LOOPE and LOOPNE", is_repeated_loop },
  { "AMD: LOCK VERW", is_locked_verw }, { "AMD: VPERMQ and VPERMPD with W 0", is_vperm_w0 }, { "AMD: VPEXTRQ and VPINSRQ outside 64-bit code", is_narrow_pextrq }, { "AMD: SHA of any alignment", is_sha },
  { "order of two faults of a masked access", is_masked_access }, { "order of two faults of a far pointer", is_far },
  { "a hypervisor: INT1 leaves RIP", is_int1_in_place }, { "#UD for one privilege level", is_privileged }
};

int
difference_of (X86Mode mode, const uint8_t *bytes, bool kernel, const Outcome *native, const Outcome *guest)
{
  X86Insn insn;
  x86_decode (bytes, OPCODES_SIZE, mode, &insn);
  whole_length = length_of (mode, bytes);
  for (int i = 0; i < N_DIFFERENCES && differences[i].why; i++)
    if (differences[i].is_it (&insn, kernel, native, guest))
      return i;
  return -1;
}

/* All of ESP in 16-bit code: its upper half is what the host's kernel or the monitor left there. */
static bool
uses_esp (const X86Insn *i)
{
  if (i->mem_operand >= 0 && i->operand[i->mem_operand].mem.base == X86_RSP && i->adsize == 4)
    return true;
  for (unsigned k = 0; k < i->n_operands; k++)
    if (i->operand[k].kind == X86_OPERAND_GPR && i->operand[k].reg == X86_RSP && i->operand[k].size == 4 && i->branch != X86_BRANCH_NONE)
      return true;
  return false;
}

/* SLDT, STR, SMSW and the like are the host kernel's business where the processor has UMIP; FS and GS are the host's own. */
bool
native_must_not (X86Mode mode, const uint8_t *bytes)
{
  X86Insn insn;
  x86_decode (bytes, OPCODES_SIZE, mode, &insn);
  if (mode == X86_MODE_16 && uses_esp (&insn))
    return true;
  if (insn.prefixes & X86_PREFIX_SEG && insn.seg_override >= X86_FS)
    return true;
  switch (insn.op) {
  case X86_OP_SYSCALL: case X86_OP_SYSENTER: case X86_OP_INT: return true;
  case X86_OP_SLDT: case X86_OP_STR: case X86_OP_SMSW: case X86_OP_SGDT: case X86_OP_SIDT: return true;
  case X86_OP_WRFSBASE: return true;
  default: return false;
  }
}

/* There is no such instruction in real and virtual-8086 mode (SDM 2A 2.3.8.1, 2B each; 3A 20.1). */
bool
protected_mode_only (const uint8_t *bytes)
{
  X86Insn insn;
  x86_decode (bytes, OPCODES_SIZE, X86_MODE_16, &insn);
  if (insn.vex.present)
    return true;
  switch (insn.op) {
  case X86_OP_ARPL: case X86_OP_LAR: case X86_OP_LSL: case X86_OP_LLDT: case X86_OP_LTR: case X86_OP_SLDT: case X86_OP_STR:
  case X86_OP_VERR: case X86_OP_VERW: return true;
  default: return false;
  }
}

bool
kernel_must_not (X86Mode mode, const uint8_t *bytes)
{
  X86Insn insn;
  x86_decode (bytes, OPCODES_SIZE, mode, &insn);
  if (mode == X86_MODE_32 && insn.adsize == 2 && insn.mem_operand >= 0)         /* where tables are */
    return true;
  switch (insn.op) {
  case X86_OP_HLT: return true;
  case X86_OP_LIDT: case X86_OP_LMSW: return mode == X86_MODE_16;       /* in real mode there is memory */
  case X86_OP_MOV_TO_CR: return mode != X86_MODE_64 || insn.operand[1].reg == X86_RSP;
  default: return false;
  }
}

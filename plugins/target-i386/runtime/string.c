/* string.c -- string instructions with REP: whole pages at a time, restartable after every piece. */
/* SPDX-License-Identifier: MIT */
/*
 * Registers are updated after each piece, so that a fault in the next one, or leaving for an interrupt,
 * finds an instruction that just continues when it is executed again.  Flags of SCAS and CMPS change only
 * on the way out (SDM 2B, REP: a fault leaves them as they were before the instruction).
 */
#include <glib.h>
#include <string.h>

#include "../cpu.h"
#include "helpers.h"

typedef struct String {
  X86Cpu *env;
  unsigned size, log2_size, source_seg;
  uint32_t mask;                /* of addresses and counts */
  uint32_t mode;
  bool down;
} String;

/* A run of elements in guest memory. */
typedef struct Piece {
  uint32_t n;                   /* elements, at least 1 */
  uint32_t linear;              /* of the first in the order of the instruction */
  uint8_t *host;                /* lowest byte of them all; NULL: one element, by load and store */
  unsigned seg;
} Piece;

static String
string_begin (X86Cpu *env, uint32_t mode)
{
  return (String) { env, 1u << (mode & X86_STR_SIZE), mode & X86_STR_SIZE, mode >> X86_STR_SEG_SHIFT & 7,
                    mode & X86_STR_ADDRESS16 ? 0xffff : 0xffffffff, mode, env->df < 0 };
}

/* --- registers -------------------------------------------------------------------------------- */

static uint32_t
get_reg (const String *s, unsigned reg)
{
  return (uint32_t) s->env->gpr[reg] & s->mask;
}

static void
set_reg (const String *s, unsigned reg, uint32_t value)
{
  uint64_t *gpr = &s->env->gpr[reg];
  *gpr = s->mask == 0xffff ? (*gpr & 0xffff0000u) | (value & 0xffff) : value;
}

static void
advance (const String *s, unsigned reg, uint32_t n)
{
  uint32_t by = n << s->log2_size;
  set_reg (s, reg, get_reg (s, reg) + (s->down ? -by : by));
}

/* Elements that this call may still do. */
static uint32_t
remaining (const String *s)
{
  if (s->mode & X86_STR_NO_COUNT)
    return 1;
  uint32_t n = get_reg (s, X86_RCX);
  return n > 1 && s->mode & X86_STR_ONE ? 1 : n;
}

/* n elements are done; true when all are. */
static bool
count_down (const String *s, uint32_t n)
{
  if (s->mode & X86_STR_NO_COUNT)
    return true;
  set_reg (s, X86_RCX, get_reg (s, X86_RCX) - n);
  return get_reg (s, X86_RCX) == 0;
}

/* Pieces until the loop is given a chance to look around; interrupts get theirs after every piece. */
#define PIECES_AT_ONCE 64

static bool
must_pause (const String *s, unsigned *pieces)
{
  BpVcpu *vcpu = s->env->tcg.vcpu;
  if (s->mode & X86_STR_ONE || ++*pieces >= PIECES_AT_ONCE)
    return true;
  uint32_t pending = vcpu != NULL ? bp_vcpu_pending (vcpu) : 0;
  return pending & X86_IRQ_TRAP || (pending != 0 && s->env->eflags & X86_FL_IF);
}

/* --- memory ----------------------------------------------------------------------------------- */

static BpMemOp
memop (const String *s, unsigned seg)
{
  bool align = s->env->hflags & HF_AC && s->size > 1, top = (s->env->hflags & HF_FLAT (seg)) && s->env->segment[seg].base == 0;
  return s->log2_size | BP_MO_MMU (x86_mmu_index (s->env)) | (align ? BP_MO_ALIGN : 0) | (top ? BP_MO_TOP : 0)
         | (seg == X86_SS ? BP_MO_STACK : 0);
}

static uint32_t
load (const String *s, const Piece *p)
{
  return (uint32_t) s->env->tcg.ops->load (s->env, p->linear, memop (s, p->seg));
}

static void
store (const String *s, const Piece *p, uint32_t value)
{
  s->env->tcg.ops->store (s->env, p->linear, value, memop (s, p->seg));
}

static bool
range_is_in_segment (const String *s, unsigned seg, uint32_t offset, uint32_t bytes)
{
  const BpX86Segment *d = &s->env->segment[seg];
  if (s->env->hflags & HF_FLAT (seg))
    return true;
  bool expands_down = (d->attributes & (SEG_CODE | SEG_EXPAND_DOWN)) == SEG_EXPAND_DOWN;
  return !expands_down && d->limit >= bytes - 1 && offset <= d->limit - (bytes - 1);
}

/* How many of the `limit` elements from `linear` on share its page, and the segment. */
static uint32_t
elements_in_reach (const String *s, unsigned seg, uint32_t offset, uint32_t linear, uint32_t limit)
{
  uint32_t in_page = linear & 4095, n;
  if (in_page + s->size > 4096)
    return 1;
  if (s->down) {
    n = MIN (in_page >> s->log2_size, offset >> s->log2_size) + 1;
  } else {
    n = (4096 - in_page) >> s->log2_size;
    if (s->mask == 0xffff && n > (0x10000 - offset) >> s->log2_size)
      n = (0x10000 - offset) >> s->log2_size;
  }
  n = MIN (n, limit);
  if (n <= 1)
    return 1;
  uint32_t low = s->down ? offset - ((n - 1) << s->log2_size) : offset;
  return range_is_in_segment (s, seg, low, n << s->log2_size) ? n : 1;
}

static bool
is_misaligned (const String *s, uint32_t linear)
{
  return s->env->hflags & HF_AC && linear & (s->size - 1);
}

/* The elements at seg:reg.  Raises what the first of them raises. */
static Piece
find_piece (const String *s, unsigned seg, unsigned reg, BpMmuAccess access, uint32_t limit)
{
  X86Cpu *env = s->env;
  const BpTcgOps *ops = env->tcg.ops;
  unsigned mmu = x86_mmu_index (env);
  uint32_t offset = get_reg (s, reg);
  Piece p = { 1, (uint32_t) env->segment[seg].base + offset, NULL, seg };
  if (!(env->hflags & HF_FLAT (seg)))
    helper_segment_check (env, seg, offset, s->size | (access == BP_MMU_STORE ? 1u << 8 : 0));
  if ((p.linear & 4095) + s->size > 4096 || is_misaligned (s, p.linear))
    return p;
  p.n = elements_in_reach (s, seg, offset, p.linear, limit);
  uint32_t below = s->down ? (p.n - 1) << s->log2_size : 0;
  if (below != 0)       /* the fault address is the first element's */
    ops->probe (env, p.linear, s->size, access, mmu);
  p.host = ops->probe (env, p.linear - below, p.n << s->log2_size, access, mmu);
  if (p.host == NULL)
    p.n = 1;
  return p;
}

/* Keeps only the first n elements. */
static void
shorten (const String *s, Piece *p, uint32_t n)
{
  if (p->host != NULL && s->down)
    p->host += (p->n - n) << s->log2_size;
  p->n = n;
}

static uint32_t
host_element (const String *s, const Piece *p, uint32_t i)
{
  const uint8_t *at = p->host + ((s->down ? p->n - 1 - i : i) << s->log2_size);
  uint32_t value = 0;
  memcpy (&value, at, s->size);
  return value;
}

static void
set_host_element (const String *s, const Piece *p, uint32_t i, uint32_t value)
{
  memcpy (p->host + ((s->down ? p->n - 1 - i : i) << s->log2_size), &value, s->size);
}

static uint32_t
element (const String *s, const Piece *p, uint32_t i)
{
  return p->host != NULL ? host_element (s, p, i) : load (s, p);
}

static uint32_t
accumulator (const String *s)
{
  uint32_t eax = (uint32_t) s->env->gpr[X86_RAX];
  return s->size == 4 ? eax : eax & ((1u << (8 * s->size)) - 1);
}

/* --- MOVS, STOS, LODS ------------------------------------------------------------------------- */

/* One element after the other where that shows: the destination runs into what is still to be read. */
static void
copy_host (const String *s, const Piece *to, const Piece *from)
{
  size_t bytes = (size_t) to->n << s->log2_size;
  uintptr_t dst = (uintptr_t) to->host, src = (uintptr_t) from->host;
  bool runs_into = s->down ? dst < src && src - dst < bytes : dst > src && dst - src < bytes;
  if (!runs_into) {
    memmove (to->host, from->host, bytes);
    return;
  }
  for (uint32_t i = 0; i < to->n; i++)
    set_host_element (s, to, i, host_element (s, from, i));
}

uint32_t
helper_rep_movs (X86Cpu *env, uint32_t mode)
{
  String s = string_begin (env, mode);
  unsigned pieces = 0;
  uint32_t n;
  while ((n = remaining (&s)) != 0) {
    Piece from = find_piece (&s, s.source_seg, X86_RSI, BP_MMU_LOAD, n);
    /* faults before the destination does */
    uint32_t value = from.host != NULL ? 0 : load (&s, &from);
    Piece to = find_piece (&s, X86_ES, X86_RDI, BP_MMU_STORE, from.n);
    if (from.host != NULL && to.host != NULL) {
      shorten (&s, &from, to.n);
      copy_host (&s, &to, &from);
    } else {
      shorten (&s, &from, 1);
      shorten (&s, &to, 1);
      store (&s, &to, from.host != NULL ? host_element (&s, &from, 0) : value);
    }
    advance (&s, X86_RSI, to.n);
    advance (&s, X86_RDI, to.n);
    if (count_down (&s, to.n))
      return 1;
    if (must_pause (&s, &pieces))
      return 0;
  }
  return 1;
}

static void
fill_host (const String *s, const Piece *to, uint32_t value)
{
  if (s->size == 1)
    memset (to->host, (int) value, to->n);
  else
    for (uint32_t i = 0; i < to->n; i++)
      set_host_element (s, to, i, value);
}

uint32_t
helper_rep_stos (X86Cpu *env, uint32_t mode)
{
  String s = string_begin (env, mode);
  unsigned pieces = 0;
  uint32_t n, value = accumulator (&s);
  while ((n = remaining (&s)) != 0) {
    Piece to = find_piece (&s, X86_ES, X86_RDI, BP_MMU_STORE, n);
    if (to.host != NULL)
      fill_host (&s, &to, value);
    else
      store (&s, &to, value);
    advance (&s, X86_RDI, to.n);
    if (count_down (&s, to.n))
      return 1;
    if (must_pause (&s, &pieces))
      return 0;
  }
  return 1;
}

uint32_t
helper_rep_lods (X86Cpu *env, uint32_t mode)
{
  String s = string_begin (env, mode);
  unsigned pieces = 0;
  uint32_t n, keep = s.size == 4 ? 0 : ~((1u << (8 * s.size)) - 1);
  while ((n = remaining (&s)) != 0) {
    Piece from = find_piece (&s, s.source_seg, X86_RSI, BP_MMU_LOAD, n);
    uint32_t value = element (&s, &from, from.n - 1);
    env->gpr[X86_RAX] = ((uint32_t) env->gpr[X86_RAX] & keep) | value;
    advance (&s, X86_RSI, from.n);
    if (count_down (&s, from.n))
      return 1;
    if (must_pause (&s, &pieces))
      return 0;
  }
  return 1;
}

/* --- SCAS, CMPS ------------------------------------------------------------------------------- */

typedef struct Comparison {
  uint32_t first, second;
  bool any;                     /* at least one was made */
} Comparison;

static uint32_t
comparison_done (X86Cpu *env, const String *s, const Comparison *c, uint32_t result)
{
  if (c->any) {
    env->cc_src = c->second;
    env->cc_dst = (uint32_t) (c->first - c->second);
    env->cc_op = CC_SUB8 + s->log2_size;
  }
  return result;
}

/* Whether the repetition ends after this one. */
static bool
compare (const String *s, Comparison *c, uint32_t first, uint32_t second)
{
  *c = (Comparison) { first, second, true };
  return (first == second) == ((s->mode & X86_STR_WHILE_NE) != 0);
}

uint32_t
helper_rep_scas (X86Cpu *env, uint32_t mode)
{
  String s = string_begin (env, mode);
  Comparison c = { 0, 0, false };
  unsigned pieces = 0;
  uint32_t n, value = accumulator (&s);
  while ((n = remaining (&s)) != 0) {
    Piece with = find_piece (&s, X86_ES, X86_RDI, BP_MMU_LOAD, n);
    uint32_t i = 0;
    bool stop = false;
    while (i < with.n && !stop)
      stop = compare (&s, &c, value, element (&s, &with, i++));
    advance (&s, X86_RDI, i);
    if (count_down (&s, i) || stop)
      return comparison_done (env, &s, &c, 1);
    if (must_pause (&s, &pieces))
      return comparison_done (env, &s, &c, 0);
  }
  return comparison_done (env, &s, &c, 1);
}

uint32_t
helper_rep_cmps (X86Cpu *env, uint32_t mode)
{
  String s = string_begin (env, mode);
  Comparison c = { 0, 0, false };
  unsigned pieces = 0;
  uint32_t n;
  while ((n = remaining (&s)) != 0) {
    Piece x = find_piece (&s, s.source_seg, X86_RSI, BP_MMU_LOAD, n);
    uint32_t value = x.host != NULL ? 0 : load (&s, &x);
    Piece y = find_piece (&s, X86_ES, X86_RDI, BP_MMU_LOAD, x.n);
    shorten (&s, &x, y.n);
    uint32_t i = 0;
    bool stop = false;
    while (i < y.n && !stop) {
      uint32_t first = x.host != NULL ? host_element (&s, &x, i) : value, second = element (&s, &y, i);
      stop = compare (&s, &c, first, second);
      i++;
    }
    advance (&s, X86_RSI, i);
    advance (&s, X86_RDI, i);
    if (count_down (&s, i) || stop)
      return comparison_done (env, &s, &c, 1);
    if (must_pause (&s, &pieces))
      return comparison_done (env, &s, &c, 0);
  }
  return comparison_done (env, &s, &c, 1);
}

/* --- INS, OUTS: a port access cannot be taken back, so memory is asked first ------------------ */

uint32_t
helper_rep_ins (X86Cpu *env, uint32_t mode)
{
  String s = string_begin (env, mode);
  unsigned pieces = 0;
  uint16_t port = (uint16_t) env->gpr[X86_RDX];
  while (remaining (&s) != 0) {
    Piece to = find_piece (&s, X86_ES, X86_RDI, BP_MMU_STORE, 1);
    uint32_t value = helper_in (env, port, s.size);
    store (&s, &to, value);
    advance (&s, X86_RDI, 1);
    if (count_down (&s, 1))
      return 1;
    if (must_pause (&s, &pieces))
      return 0;
  }
  return 1;
}

uint32_t
helper_rep_outs (X86Cpu *env, uint32_t mode)
{
  String s = string_begin (env, mode);
  unsigned pieces = 0;
  uint16_t port = (uint16_t) env->gpr[X86_RDX];
  while (remaining (&s) != 0) {
    Piece from = find_piece (&s, s.source_seg, X86_RSI, BP_MMU_LOAD, 1);
    uint32_t value = load (&s, &from);
    helper_out (env, port, value, s.size);
    advance (&s, X86_RSI, 1);
    if (count_down (&s, 1))
      return 1;
    if (must_pause (&s, &pieces))
      return 0;
  }
  return 1;
}

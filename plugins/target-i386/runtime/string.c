/* string.c -- string instructions with REP: whole pages at a time, restartable after every piece. */
/* SPDX-License-Identifier: MIT */
/*
 * Registers are updated after each piece, so that a fault in the next one, or leaving for an interrupt,
 * finds an instruction that just continues when it is executed again.  Flags of SCAS and CMPS change only
 * on the way out (SDM 2B, REP: a fault leaves them as they were before the instruction).
 *
 * Built with -mgeneral-regs-only: copies are loops, or the host's own string instructions, not libc's.
 */
#include <glib.h>

#include "../cpu.h"
#include "helpers.h"

typedef struct String {
  X86Cpu *env;
  unsigned size, log2_size, source_seg;
  uint64_t mask;                /* of addresses and counts */
  uint32_t mode;
  bool down, is_64;             /* is_64: code of 64-bit mode, where segments have no limits */
} String;

/* A run of elements in guest memory. */
typedef struct Piece {
  uint64_t n;                   /* elements, at least 1 */
  uint64_t linear;              /* of the first in the order of the instruction */
  uint8_t *host;                /* lowest byte of them all; NULL: one element, by load and store */
  unsigned seg;
} Piece;

static String
string_begin (X86Cpu *env, uint32_t mode)
{
  uint64_t mask = mode & X86_STR_ADDRESS64 ? ~(uint64_t) 0 : mode & X86_STR_ADDRESS16 ? 0xffff : 0xffffffff;
  return (String) { env, 1u << (mode & X86_STR_SIZE), mode & X86_STR_SIZE, mode >> X86_STR_SEG_SHIFT & 7, mask, mode,
                    env->df < 0, env->hflags & HF_CODE64 };
}

/* --- registers -------------------------------------------------------------------------------- */

static uint64_t
get_reg (const String *s, unsigned reg)
{
  return s->env->gpr[reg] & s->mask;
}

/* 16 bits leave the others alone, 32 bits zero the upper half. */
static void
set_reg (const String *s, unsigned reg, uint64_t value)
{
  uint64_t *gpr = &s->env->gpr[reg];
  *gpr = (s->mask == 0xffff ? *gpr & ~s->mask : 0) | (value & s->mask);
}

static void
advance (const String *s, unsigned reg, uint64_t n)
{
  uint64_t by = n << s->log2_size;
  set_reg (s, reg, get_reg (s, reg) + (s->down ? -by : by));
}

/* Elements that this call may still do. */
static uint64_t
remaining (const String *s)
{
  if (s->mode & X86_STR_NO_COUNT)
    return 1;
  uint64_t n = get_reg (s, X86_RCX);
  return n > 1 && s->mode & X86_STR_ONE ? 1 : n;
}

/* n elements are done; true when all are. */
static bool
count_down (const String *s, uint64_t n)
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
  return pending & (X86_IRQ_TRAP | BP_VCPU_DEBUG) || (pending != 0 && s->env->eflags & X86_FL_IF);
}

/* --- memory ----------------------------------------------------------------------------------- */

static BpMemOp
memop (const String *s, unsigned seg)
{
  bool align = s->env->hflags & HF_AC && s->size > 1;
  bool top = !s->is_64 && (s->env->hflags & HF_FLAT (seg)) && s->env->segment[seg].base == 0;
  return s->log2_size | BP_MO_MMU (x86_mmu_index (s->env)) | (align ? BP_MO_ALIGN : 0) | (top ? BP_MO_TOP : 0)
         | (s->is_64 ? BP_MO_ADDR64 : 0) | (seg == X86_SS ? BP_MO_STACK : 0);
}

static uint64_t
load (const String *s, const Piece *p)
{
  return s->env->tcg.ops->load (s->env, p->linear, memop (s, p->seg));
}

static void
store (const String *s, const Piece *p, uint64_t value)
{
  s->env->tcg.ops->store (s->env, p->linear, value, memop (s, p->seg));
}

static bool
has_no_limit (const String *s, unsigned seg)
{
  return s->is_64 || s->env->hflags & HF_FLAT (seg);
}

static uint64_t
linear_address (const String *s, unsigned seg, uint64_t offset)
{
  uint64_t base = s->env->segment[seg].base;
  if (!s->is_64)
    return (uint32_t) (base + offset);
  return seg == X86_FS || seg == X86_GS ? base + offset : offset;
}

static bool
range_is_in_segment (const String *s, unsigned seg, uint64_t offset, uint64_t bytes)
{
  const BpX86Segment *d = &s->env->segment[seg];
  if (has_no_limit (s, seg))
    return true;
  bool expands_down = (d->attributes & (SEG_CODE | SEG_EXPAND_DOWN)) == SEG_EXPAND_DOWN;
  return !expands_down && d->limit >= bytes - 1 && offset <= d->limit - (bytes - 1);
}

/* How many of the `limit` elements from `linear` on share its page and the segment, and do not wrap. */
static uint64_t
elements_in_reach (const String *s, unsigned seg, uint64_t offset, uint64_t linear, uint64_t limit)
{
  uint64_t in_page = linear & 4095, n;
  if (in_page + s->size > 4096)
    return 1;
  if (s->down) {
    n = (MIN (in_page, offset) >> s->log2_size) + 1;
  } else {
    n = (MIN (4095 - in_page, s->mask - offset) + 1) >> s->log2_size;
  }
  n = MIN (n, limit);
  if (n <= 1)
    return 1;
  uint64_t low = s->down ? offset - ((n - 1) << s->log2_size) : offset;
  return range_is_in_segment (s, seg, low, n << s->log2_size) ? n : 1;
}

static bool
is_misaligned (const String *s, uint64_t linear)
{
  return s->env->hflags & HF_AC && linear & (s->size - 1);
}

/* The elements at seg:reg.  Raises what the first of them raises. */
static Piece
find_piece (const String *s, unsigned seg, unsigned reg, BpMmuAccess access, uint64_t limit)
{
  X86Cpu *env = s->env;
  const BpTcgOps *ops = env->tcg.ops;
  unsigned mmu = x86_mmu_index (env);
  uint64_t offset = get_reg (s, reg);
  Piece p = { 1, linear_address (s, seg, offset), NULL, seg };
  if (!has_no_limit (s, seg))
    helper_segment_check (env, seg, (uint32_t) offset, s->size | (access == BP_MMU_STORE ? 1u << 8 : 0));
  if ((p.linear & 4095) + s->size > 4096 || is_misaligned (s, p.linear))
    return p;
  p.n = elements_in_reach (s, seg, offset, p.linear, limit);
  unsigned below = s->down ? (unsigned) (p.n - 1) << s->log2_size : 0;
  if (below != 0)       /* the fault address is the first element's */
    ops->probe (env, p.linear, s->size, access, mmu);
  p.host = ops->probe (env, p.linear - below, (unsigned) p.n << s->log2_size, access, mmu);
  if (p.host == NULL)
    p.n = 1;
  return p;
}

/* Keeps only the first n elements. */
static void
shorten (const String *s, Piece *p, uint64_t n)
{
  if (p->host != NULL && s->down)
    p->host += (p->n - n) << s->log2_size;
  p->n = n;
}

/* The first n elements were loaded or stored through the piece's host address. */
static void
tell (const String *s, const Piece *p, uint64_t n, BpMmuAccess access)
{
  const BpTcgOps *ops = s->env->tcg.ops;
  uint64_t below = s->down ? (n - 1) << s->log2_size : 0;
  if (ops->accessed != NULL && p->host != NULL && n != 0)
    ops->accessed (s->env, p->linear - below, (unsigned) n << s->log2_size, access, x86_mmu_index (s->env));
}

typedef uint16_t __attribute__ ((may_alias, aligned (1))) Host16;
typedef uint32_t __attribute__ ((may_alias, aligned (1))) Host32;
typedef uint64_t __attribute__ ((may_alias, aligned (1))) Host64;

static inline uint64_t
load_host (const void *at, unsigned log2_size)
{
  switch (log2_size) {
  case 0: return *(const uint8_t *) at;
  case 1: return *(const Host16 *) at;
  case 2: return *(const Host32 *) at;
  default: return *(const Host64 *) at;
  }
}

static inline void
store_host (void *at, uint64_t value, unsigned log2_size)
{
  switch (log2_size) {
  case 0: *(uint8_t *) at = (uint8_t) value; break;
  case 1: *(Host16 *) at = (uint16_t) value; break;
  case 2: *(Host32 *) at = (uint32_t) value; break;
  default: *(Host64 *) at = value; break;
  }
}

static uint64_t
host_element (const String *s, const Piece *p, uint64_t i)
{
  return load_host (p->host + ((s->down ? p->n - 1 - i : i) << s->log2_size), s->log2_size);
}

static void
set_host_element (const String *s, const Piece *p, uint64_t i, uint64_t value)
{
  store_host (p->host + ((s->down ? p->n - 1 - i : i) << s->log2_size), value, s->log2_size);
}

static uint64_t
element (const String *s, const Piece *p, uint64_t i)
{
  return p->host != NULL ? host_element (s, p, i) : load (s, p);
}

static uint64_t
element_mask (const String *s)
{
  return s->size == 8 ? ~(uint64_t) 0 : ((uint64_t) 1 << (8 * s->size)) - 1;
}

static uint64_t
accumulator (const String *s)
{
  return s->env->gpr[X86_RAX] & element_mask (s);
}

/* --- MOVS, STOS, LODS ------------------------------------------------------------------------- */

#ifdef __x86_64__
#define REP(insn, ...) __asm__ volatile ("rep " insn : __VA_ARGS__ : "memory"); break

static void
copy_up (uint8_t *dst, const uint8_t *src, uint64_t n, unsigned log2_size)
{
  switch (log2_size) {
  case 0: REP ("movsb", "+D" (dst), "+S" (src), "+c" (n) :);
  case 1: REP ("movsw", "+D" (dst), "+S" (src), "+c" (n) :);
  case 2: REP ("movsl", "+D" (dst), "+S" (src), "+c" (n) :);
  default: REP ("movsq", "+D" (dst), "+S" (src), "+c" (n) :);
  }
}

static void
fill_up (uint8_t *dst, uint64_t value, uint64_t n, unsigned log2_size)
{
  switch (log2_size) {
  case 0: REP ("stosb", "+D" (dst), "+c" (n) : "a" (value));
  case 1: REP ("stosw", "+D" (dst), "+c" (n) : "a" (value));
  case 2: REP ("stosl", "+D" (dst), "+c" (n) : "a" (value));
  default: REP ("stosq", "+D" (dst), "+c" (n) : "a" (value));
  }
}
#else
static void
copy_up (uint8_t *dst, const uint8_t *src, uint64_t n, unsigned log2_size)
{
  for (uint64_t at = 0; at < n << log2_size; at += 1u << log2_size)
    store_host (dst + at, load_host (src + at, log2_size), log2_size);
}

static void
fill_up (uint8_t *dst, uint64_t value, uint64_t n, unsigned log2_size)
{
  for (uint64_t at = 0; at < n << log2_size; at += 1u << log2_size)
    store_host (dst + at, value, log2_size);
}
#endif

/* Upwards the host does as the guest would, even where the destination runs into what is still to be read. */
static void
copy_host (const String *s, const Piece *to, const Piece *from)
{
  uint64_t distance = (uint64_t) (to->host - from->host), bytes = to->n << s->log2_size;
  bool overlap = distance < bytes || -distance < bytes;
  if (!s->down || !overlap) {
    copy_up (to->host, from->host, to->n, s->log2_size);
    return;
  }
  for (uint64_t i = 0; i < to->n; i++)
    set_host_element (s, to, i, host_element (s, from, i));
}

uint32_t
helper_rep_movs (X86Cpu *env, uint32_t mode)
{
  String s = string_begin (env, mode);
  unsigned pieces = 0;
  uint64_t n;
  while ((n = remaining (&s)) != 0) {
    Piece from = find_piece (&s, s.source_seg, X86_RSI, BP_MMU_LOAD, n);
    /* faults before the destination does */
    uint64_t value = from.host != NULL ? 0 : load (&s, &from);
    Piece to = find_piece (&s, X86_ES, X86_RDI, BP_MMU_STORE, from.n);
    if (from.host != NULL && to.host != NULL) {
      shorten (&s, &from, to.n);
      copy_host (&s, &to, &from);
      tell (&s, &from, to.n, BP_MMU_LOAD);
      tell (&s, &to, to.n, BP_MMU_STORE);
    } else {
      shorten (&s, &from, 1);
      shorten (&s, &to, 1);
      tell (&s, &from, 1, BP_MMU_LOAD);
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

uint32_t
helper_rep_stos (X86Cpu *env, uint32_t mode)
{
  String s = string_begin (env, mode);
  unsigned pieces = 0;
  uint64_t n, value = accumulator (&s);
  while ((n = remaining (&s)) != 0) {
    Piece to = find_piece (&s, X86_ES, X86_RDI, BP_MMU_STORE, n);
    if (to.host != NULL)        /* of one value, up and down are the same */
      fill_up (to.host, value, to.n, s.log2_size);
    else
      store (&s, &to, value);
    tell (&s, &to, to.n, BP_MMU_STORE);
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
  uint64_t n, keep = s.size >= 4 ? 0 : ~element_mask (&s);
  while ((n = remaining (&s)) != 0) {
    Piece from = find_piece (&s, s.source_seg, X86_RSI, BP_MMU_LOAD, n);
    uint64_t value = element (&s, &from, from.n - 1);
    env->gpr[X86_RAX] = (env->gpr[X86_RAX] & keep) | value;
    tell (&s, &from, from.n, BP_MMU_LOAD);
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
  uint64_t first, second;
  bool any;                     /* at least one was made */
} Comparison;

static uint32_t
comparison_done (X86Cpu *env, const String *s, const Comparison *c, uint32_t result)
{
  if (c->any) {
    env->cc_src = c->second;
    env->cc_dst = (c->first - c->second) & (s->size == 8 ? ~(uint64_t) 0 : 0xffffffffu);
    env->cc_op = CC_SUB8 + s->log2_size;
  }
  return result;
}

/* Whether the repetition ends after this one. */
static bool
compare (const String *s, Comparison *c, uint64_t first, uint64_t second)
{
  *c = (Comparison) { first, second, true };
  return (first == second) == ((s->mode & X86_STR_WHILE_NE) != 0);
}

#define BYTES(x) ((x) * 0x0101010101010101u)

/* How many elements can be passed over, because they do not end the search for a byte: 8 at a time. */
static uint64_t
without_byte (const String *s, const Piece *with, uint64_t value)
{
  uint64_t at = 0;
  if (s->size != 1 || s->down || with->host == NULL || !(s->mode & X86_STR_WHILE_NE))
    return 0;
  for (; at + 8 < with->n; at += 8) {
    uint64_t x = load_host (with->host + at, 3) ^ BYTES (value);
    if ((x - BYTES ((uint64_t) 1)) & ~x & BYTES ((uint64_t) 0x80))      /* one of them is 0 */
      break;
  }
  return at;
}

uint32_t
helper_rep_scas (X86Cpu *env, uint32_t mode)
{
  String s = string_begin (env, mode);
  Comparison c = { 0, 0, false };
  unsigned pieces = 0;
  uint64_t n, value = accumulator (&s);
  while ((n = remaining (&s)) != 0) {
    Piece with = find_piece (&s, X86_ES, X86_RDI, BP_MMU_LOAD, n);
    uint64_t i = without_byte (&s, &with, value);
    bool stop = false;
    while (i < with.n && !stop)
      stop = compare (&s, &c, value, element (&s, &with, i++));
    tell (&s, &with, i, BP_MMU_LOAD);
    advance (&s, X86_RDI, i);
    if (count_down (&s, i) || stop)
      return comparison_done (env, &s, &c, 1);
    if (must_pause (&s, &pieces))
      return comparison_done (env, &s, &c, 0);
  }
  return comparison_done (env, &s, &c, 1);
}

/* The same for elements that are equal, in units of 8 bytes. */
static uint64_t
equal_run (const String *s, const Piece *x, const Piece *y)
{
  uint64_t bytes = y->n << s->log2_size, at = 0;
  if (s->down || x->host == NULL || y->host == NULL || s->mode & X86_STR_WHILE_NE)
    return 0;
  while (at + 8 < bytes && load_host (x->host + at, 3) == load_host (y->host + at, 3))
    at += 8;
  return at >> s->log2_size;
}

uint32_t
helper_rep_cmps (X86Cpu *env, uint32_t mode)
{
  String s = string_begin (env, mode);
  Comparison c = { 0, 0, false };
  unsigned pieces = 0;
  uint64_t n;
  while ((n = remaining (&s)) != 0) {
    Piece y = find_piece (&s, X86_ES, X86_RDI, BP_MMU_LOAD, n);
    /* faults before the first operand does: see emit_compare */
    uint64_t value = y.host != NULL ? 0 : load (&s, &y);
    Piece x = find_piece (&s, s.source_seg, X86_RSI, BP_MMU_LOAD, y.n);
    shorten (&s, &y, x.n);
    uint64_t i = equal_run (&s, &x, &y);
    bool stop = false;
    while (i < x.n && !stop) {
      uint64_t first = element (&s, &x, i), second = y.host != NULL ? host_element (&s, &y, i) : value;
      stop = compare (&s, &c, first, second);
      i++;
    }
    tell (&s, &x, i, BP_MMU_LOAD);
    tell (&s, &y, i, BP_MMU_LOAD);
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
    uint64_t value = helper_in (env, port, s.size);
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
    uint32_t value = (uint32_t) load (&s, &from);
    helper_out (env, port, value, s.size);
    advance (&s, X86_RSI, 1);
    if (count_down (&s, 1))
      return 1;
    if (must_pause (&s, &pieces))
      return 0;
  }
  return 1;
}

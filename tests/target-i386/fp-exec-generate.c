/* fp-exec-generate.c -- makes random cases of x87, MMX, SSE and AVX instructions that the decoder accepts. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "fp-exec.h"

/* --- random numbers ------------------------------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t
random64 (void)
{
  random_state += 0x9e3779b97f4a7c15u;
  uint64_t z = random_state;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static unsigned below (unsigned n) { return (unsigned) (random64 () >> 33) % n; }
static bool percent (unsigned n) { return below (100) < n; }

/* Bits that mean something as numbers of either width, and as integers. */
static uint64_t
random_lane (void)
{
  static const uint64_t edges[] = {
    0, 0x8000000000000000, 0x3ff0000000000000, 0x3f8000003f800000, 0x7f8000007fc00000, 0x7ff0000000000000,
    0x7ff8000000000000, 0x7ff0000000000001, 0x0000000100000001, 0x000fffffffffffff, 0x00ff00ff00ff00ff,
    0x8000800080008000, 0x4330000000000000, 0xffffffffffffffff, 0x3eaaaaab3f000000, 0xc1e0000000000000
  };
  switch (below (4)) {
  case 0: return edges[below (sizeof edges / sizeof *edges)];
  case 1: return (uint64_t) (1013 + below (20)) << 52 | random64 () >> 12;
  case 2: return (uint64_t) (120 + below (14)) << 55 | (uint64_t) (120 + below (14)) << 23 | below (1 << 22);
  default: return random64 ();
  }
}

/* --- which instructions --------------------------------------------------------------------------------- */

static bool exact_only;

static bool
is_exact (const X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_F2XM1: case X86_OP_FYL2X: case X86_OP_FYL2XP1: case X86_OP_FPTAN: case X86_OP_FPATAN:
  case X86_OP_FSIN: case X86_OP_FCOS: case X86_OP_FSINCOS: case X86_OP_FPREM: case X86_OP_FPREM1:
  case X86_OP_RCPPS: case X86_OP_RCPSS: case X86_OP_RSQRTPS: case X86_OP_RSQRTSS: return false;
  case X86_OP_DPPS: case X86_OP_DPPD: return !fp_exec_host_is_amd ();   /* which of several NaNs each lane gets */
  default: return true;
  }
}

/* The addresses of instructions and operands that images of the x87 hold are not kept. */
static bool
is_allowed (const X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_FLDENV: case X86_OP_FNSTENV: case X86_OP_FRSTOR: case X86_OP_FNSAVE:
  case X86_OP_FNENI: case X86_OP_FNDISI: case X86_OP_FNSETPM: return false;
  case X86_OP_CVTPI2PS: case X86_OP_CVTPI2PD: return insn->mem_operand < 0;     /* else they wait for the x87, or not */
  case X86_OP_LDMXCSR: return percent (10);     /* it mostly faults */
  default: break;
  }
  if (exact_only && !is_exact (insn))
    return false;
  return insn->unit == X86_UNIT_X87 || insn->unit == X86_UNIT_WAIT || insn->unit == X86_UNIT_MMX
         || insn->unit == X86_UNIT_SSE || insn->unit == X86_UNIT_AVX;
}

static bool
host_has (const X86Insn *insn)
{
#ifdef __x86_64__
  switch (insn->feature) {
  case X86_FEATURE_AVX: return __builtin_cpu_supports ("avx");
  case X86_FEATURE_AVX2: return __builtin_cpu_supports ("avx2");
  case X86_FEATURE_FMA: return __builtin_cpu_supports ("fma");
  case X86_FEATURE_F16C: return __builtin_cpu_supports ("f16c");
  case X86_FEATURE_SSSE3: return __builtin_cpu_supports ("ssse3");
  case X86_FEATURE_SSE41: return __builtin_cpu_supports ("sse4.1");
  case X86_FEATURE_SSE42: return __builtin_cpu_supports ("sse4.2");
  case X86_FEATURE_AES: return __builtin_cpu_supports ("aes");
  case X86_FEATURE_PCLMULQDQ: return __builtin_cpu_supports ("pclmul");
  case X86_FEATURE_SHA: return __builtin_cpu_supports ("sha");
  case X86_FEATURE_VAES: return __builtin_cpu_supports ("vaes");
  case X86_FEATURE_VPCLMULQDQ: return __builtin_cpu_supports ("vpclmulqdq");
  default: break;
  }
#endif
  return true;
}

/* RSI and RDI hold addresses, RSP is nobody's business. */
static bool
spoils_address (const X86Insn *insn)
{
  for (unsigned i = 0; i < insn->n_operands; i++) {
    const X86Operand *o = &insn->operand[i];
    if (o->kind == X86_OPERAND_GPR && o->access & X86_ACCESS_W && o->reg >= X86_RSP && o->reg <= X86_RDI)
      return true;
  }
  return false;
}

/* --- one instruction ------------------------------------------------------------------------------------ */

typedef struct Draft {
  uint8_t bytes[24];
  unsigned disp_at;             /* of 32 bits; 0: no memory operand */
  X86Insn insn;
} Draft;

static unsigned
draft_prefix (Draft *d, unsigned *map)
{
  static const uint8_t mandatory[4] = { 0, 0x66, 0xf3, 0xf2 };
  unsigned n = 0, kind = below (100), prefix = below (4);
  if (kind < 12) {              /* x87 */
    *map = 0;
    return 0;
  }
  *map = percent (60) ? 1 : percent (60) ? 2 : 3;
  if (kind < 65) {
    bool short_form = *map == 1 && percent (50);
    unsigned fields = (percent (50) ? 15 : below (16)) << 3 | below (2) << 2 | prefix;
    d->bytes[n++] = short_form ? 0xc5 : 0xc4;
    if (short_form)
      d->bytes[n++] = (uint8_t) (below (2) << 7 | fields);
    else {
      d->bytes[n++] = (uint8_t) (below (8) << 5 | *map);
      d->bytes[n++] = (uint8_t) (below (2) << 7 | fields);
    }
    return n;
  }
  if (prefix)
    d->bytes[n++] = mandatory[prefix];
  if (percent (50))
    d->bytes[n++] = (uint8_t) (0x40 | below (16));
  d->bytes[n++] = 0x0f;
  if (*map > 1)
    d->bytes[n++] = *map == 2 ? 0x38 : 0x3a;
  return n;
}

static bool
draft (Draft *d)
{
  unsigned map;
  memset (d, 0, sizeof *d);
  unsigned n = draft_prefix (d, &map);
  d->bytes[n++] = map ? (uint8_t) random64 () : (uint8_t) (percent (4) ? 0x9b : 0xd8 + below (8));
  if (percent (40)) {           /* [rdi + disp32], or [rsi + disp32] and [rdi + vector * scale + disp32] */
    bool sib = percent (15);
    d->bytes[n++] = (uint8_t) (0x80 | below (8) << 3 | (sib ? 4 : 6 + below (2)));
    if (sib)
      d->bytes[n++] = (uint8_t) (below (4) << 6 | below (8) << 3 | 7);
    d->disp_at = n;
    n += 4;
  } else
    d->bytes[n++] = (uint8_t) (0xc0 | random64 ());
  d->bytes[n] = (uint8_t) random64 ();
  if (x86_decode (d->bytes, X86_MAX_INSN_LENGTH, X86_MODE_64, &d->insn) != X86_DECODE_OK)
    return false;
  const X86Insn *insn = &d->insn;
  bool memory = insn->mem_operand >= 0 && insn->has_modrm && insn->mod != 3;
  if (memory) {
    const X86Mem *m = &insn->operand[insn->mem_operand].mem;
    bool based = m->base == X86_RDI || m->base == X86_RSI;
    if (!d->disp_at || !based || (m->index != X86_NO_REG) != (m->vsib != 0))
      return false;
  }
  if (!memory)
    d->disp_at = 0;
  return is_allowed (insn) && host_has (insn) && !spoils_address (insn);
}

static uint32_t last;           /* place of a memory operand */

/* Where the operand of that size shall be, seen from FP_EXEC_DATA: often near to the one before. */
static uint32_t
random_place (const X86Insn *insn)
{
  unsigned size = insn->operand[insn->mem_operand].size, kind = below (100);
  uint32_t place = FP_EXEC_NUMBERS + below (FP_EXEC_DATA_SIZE - FP_EXEC_NUMBERS - 64);
  if (kind < 12)
    place = FP_EXEC_PAGE - below (size + 1);
  else if (kind < 16)
    place = FP_EXEC_DATA_SIZE - below (2 * size + 1);
  else if (kind < 60)
    place = last + below (64) - (last > FP_EXEC_NUMBERS + 64 ? 32 : 0);
  if (place < FP_EXEC_DATA_SIZE - 128)
    last = place;
  bool may_fault = insn->feature != X86_FEATURE_SHA;    /* on some of AMD's processors these do not */
  if (insn->mem_align && (!may_fault || percent (95)))
    place &= ~(uint32_t) (insn->mem_align - 1);
  return place;
}

static void
append (FpExecCase *c, const uint8_t *bytes, unsigned n, unsigned *at)
{
  c->offset[c->n_insns++] = (uint16_t) *at;
  memcpy (c->code + *at, bytes, n);
  *at += n;
}

/* VMOVDQU YMMn, [RDI + disp]: indexes of a gather, mostly small */
static void
load_indexes (FpExecCase *c, unsigned reg, unsigned *at)
{
  uint8_t bytes[8] = { 0xc5, (uint8_t) (reg & 8 ? 0x7e : 0xfe), 0x6f, (uint8_t) (0x87 | (reg & 7) << 3),
                       (uint8_t) below (FP_EXEC_NUMBERS - 32), 0, 0, 0 };
  append (c, bytes, 8, at);
}

/* MOV or ADD of 64 bits between RAX, RCX, RDX, RBX, R8 .. R11 and [RDI or RSI + disp32] */
static void
draft_integer (Draft *d)
{
  static const uint8_t opcodes[4] = { 0x8b, 0x89, 0x03, 0x01 };
  d->bytes[0] = (uint8_t) (0x48 | below (2) << 2);
  d->bytes[1] = opcodes[below (4)];
  d->bytes[2] = (uint8_t) (0x86 | below (4) << 3 | below (2));
  d->disp_at = 3;
  x86_decode (d->bytes, X86_MAX_INSN_LENGTH, X86_MODE_64, &d->insn);
}

static void
add_insn (FpExecCase *c, unsigned *at)
{
  Draft d = { .disp_at = 0 };
  if (percent (12))
    draft_integer (&d);
  else
    while (!draft (&d))
      ;
  if (d.disp_at) {
    const X86Mem *m = &d.insn.operand[d.insn.mem_operand].mem;
    uint32_t place = m->vsib ? 1024 + below (1024) : random_place (&d.insn);
    uint32_t disp = place - (m->base == X86_RSI ? FP_EXEC_PAGE : 0);
    memcpy (d.bytes + d.disp_at, &disp, 4);
    if (m->vsib && percent (90))
      load_indexes (c, m->index, at);
  }
  append (c, d.bytes, d.insn.length, at);
}

/* --- the case ------------------------------------------------------------------------------------------- */

static void
random_fp (uint8_t *area)
{
  FxImage *f = (FxImage *) area;
  memset (area, 0, X86_FP_SIZE);
  f->fcw = (uint16_t) (0x40 | below (4) << 8 | below (4) << 10 | (percent (85) ? 0x3f : below (64)));
  f->fsw = (uint16_t) (below (8) << 11 | (percent (50) ? below (64) : 0));
  f->tags = (uint8_t) random64 ();
  fx_update_pending (f);
  f->mxcsr = (percent (80) ? 0x1f80 : below (64) << 7) | below (4) << 13 | (percent (20) ? MXCSR_DAZ : 0)
             | (percent (20) ? (uint32_t) MXCSR_FTZ : 0);
  for (unsigned i = 0; i < 8; i++)
    f->st[i] = (FxRegister) { .sig = random64 () | (uint64_t) 1 << 63,
                              .sign_exp = (uint16_t) (0x3ff0 + below (32) + below (2) * 0x8000) };
  for (unsigned i = 0; i < 16; i++)
    for (unsigned k = 0; k < 2; k++) {
      f->xmm[i].q[k] = random_lane ();
      ((FxUppers *) (area + X86_FP_UPPERS))->ymm[i].q[k] = random_lane ();
    }
}

static void
random_start (FpExecCase *c)
{
  FpExecState *s = &c->start;
  random_fp (s->fp);
  for (unsigned i = 0; i < 16; i++)
    s->gpr[i] = percent (50) ? random64 () : below (20);
  s->gpr[X86_RDI] = FP_EXEC_DATA;
  s->gpr[X86_RSI] = FP_EXEC_DATA + FP_EXEC_PAGE;
  s->rip = FP_EXEC_CODE;
  s->eflags = (uint32_t) random64 () & X86_FL_ARITH;
  for (unsigned i = 0; i < sizeof s->data; i += 8) {
    uint64_t v = i < FP_EXEC_NUMBERS ? below (256) | (uint64_t) below (256) << 32 : random_lane ();
    if (i < FP_EXEC_NUMBERS / 2)
      v &= 0xffffffff;
    memcpy (s->data + i, &v, 8);
  }
}

void
fp_exec_generate (FpExecCase *c, uint64_t seed, bool exact)
{
  static const uint8_t ud2[2] = { 0x0f, 0x0b };
  unsigned at = 0;
  random_state = seed;
  exact_only = exact;
  last = FP_EXEC_PAGE;
  memset (c, 0, sizeof *c);
  memset (c->code, 0xcc, sizeof c->code);
  unsigned n = 1 + below (12);
  while (c->n_insns < n)
    add_insn (c, &at);
  append (c, ud2, 2, &at);
  random_start (c);
}

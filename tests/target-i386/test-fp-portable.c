/* test-fp-portable.c -- the portable x87, MMX and SSE against this very processor: same state in and out. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fp-native.h"
#include "../random-numbers.h"

static unsigned rounds = 40;    /* states tried for each instruction */

/* --- operands ------------------------------------------------------------------------------------------- */

static unsigned
below (unsigned n)
{
  return (unsigned) (random64 () >> 33) % n;
}

/* Significands that make rounding interesting: few ones, at either end. */
static uint64_t
pattern (void)
{
  switch (below (5)) {
  case 0: return random64 ();
  case 1: return (uint64_t) 1 << below (64);
  case 2: return ~(uint64_t) 0 << below (64);
  case 3: return ((uint64_t) 1 << below (64)) - 1;
  default: return random64 () & ~(uint64_t) 0 << below (64);
  }
}

static uint32_t
random_single (void)
{
  static const uint32_t special[] = {
    0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001,
    0xffa00000, 1, 0x807fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000, 0x4effffff, 0x3f000000,
    0x3fc00000, 0x40200000, 0x7fc12345, 0x007fffff
  };
  if (below (3) == 0)
    return special[below (sizeof special / sizeof *special)];
  unsigned exponent = below (2) ? 120 + below (16) : below (256);
  return (uint32_t) (random64 () & 0x80000000) | exponent << 23 | (uint32_t) (pattern () >> 41 & 0x7fffff);
}

static uint64_t
random_double (void)
{
  static const uint64_t special[] = {
    0, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000,
    0x7ff8000000000000, 0xfff8000000000000, 0x7ff0000000000001, 0xfff4000000000000, 1, 0x800fffffffffffff,
    0x0010000000000000, 0x7fefffffffffffff, 0x41dfffffffc00000, 0x41e0000000000000, 0xc1e0000000000000,
    0xc1e0000000200000, 0x43e0000000000000, 0x3fe0000000000000, 0x3ff8000000000000, 0x4004000000000000,
    0x3810000000000000, 0x36a0000000000000, 0x47efffffe0000000, 0x47effffff0000000
  };
  if (below (3) == 0)
    return special[below (sizeof special / sizeof *special)];
  unsigned exponent = below (3) == 0 ? below (2048) : below (2) ? 1010 + below (70) : 870 + below (300);
  return (random64 () & 0x8000000000000000) | (uint64_t) exponent << 52 | (pattern () >> 12);
}

static FxRegister
random_extended (void)
{
  static const struct { uint64_t sig; uint16_t sign_exp; } special[] = {
    { 0, 0 }, { 0, 0x8000 }, { 0x8000000000000000, 0x3fff }, { 0x8000000000000000, 0xbfff },
    { 0x8000000000000000, 0x7fff }, { 0x8000000000000000, 0xffff }, { 0xc000000000000000, 0x7fff },
    { 0xc000000000000000, 0xffff }, { 0x8000000000000001, 0x7fff }, { 0xa000000000000000, 0xffff },
    { 0xc000000000000123, 0x7fff }, { 1, 0 }, { 0x7fffffffffffffff, 0x8000 }, { 0x8000000000000000, 0 },
    { 0x8000000000000000, 1 }, { 0xffffffffffffffff, 0x7ffe }, { 0x4000000000000000, 0x7fff },
    { 0x4000000000000000, 0x4000 }, { 0, 0x7fff }, { 0x8000000000000000, 0x403e },
    { 0x8000000000000000, 0xc03e }, { 0xffffffffffffffff, 0x403d }, { 0xc000000000000000, 0x3fff },
    { 0x8000000000000000, 0x3ffe }, { 0x8000000000000000, 0x4000 }
  };
  FxRegister r = { .sig = pattern () | 0x8000000000000000 };
  switch (below (8)) {
  case 0:
  case 1: {
    unsigned i = below (sizeof special / sizeof *special);
    return (FxRegister) { .sig = special[i].sig, .sign_exp = special[i].sign_exp };
  }
  case 2: r.sign_exp = (uint16_t) below (0x8000); break;
  case 3: r.sign_exp = (uint16_t) (16383 - 1080 + below (120)); break;
  case 4: r.sign_exp = (uint16_t) below (70); break;
  case 5: r.sign_exp = (uint16_t) (0x7ffe - below (70)); break;
  default: r.sign_exp = (uint16_t) (16383 - 4 + below (below (2) ? 10 : 70)); break;
  }
  r.sign_exp |= (uint16_t) (below (2) << 15);
  return r;
}

static void
random_vector (FxVector *v, bool is_double)
{
  bool numbers = below (8);
  for (unsigned i = 0; i < 4; i++) {
    if (!numbers)
      v->d[i] = (uint32_t) pattern ();
    else if (!is_double)
      v->d[i] = random_single ();
    else if (!(i & 1))
      v->q[i / 2] = random_double ();
  }
}

/* masked: no exception is to be delivered */
static void
random_state (FpState *s, bool is_double, bool masked)
{
  FxImage *f = &s->image;
  memset (s, 0, sizeof *s);
  f->fcw = (uint16_t) (0x40 | below (4) << 8 | below (4) << 10 | (masked || below (4) ? 0x3f : below (64)));
  f->fsw = (uint16_t) ((random64 () & (masked ? 0x473f : 0x4700)) | below (8) << 11);
  f->tags = below (4) ? 0xff : (uint8_t) random64 ();
  if (below (3) == 0)
    f->tags &= (uint8_t) ~(1u << ((fx_top (f) + 7) & 7));       /* room to push */
  fx_update_pending (f);
  f->mxcsr = masked ? 0x1f80 | below (64) : below (64) << 7;
  f->mxcsr |= below (4) << 13 | (below (4) == 0) << 6 | (uint32_t) (below (4) == 0) << 15;
  for (unsigned i = 0; i < 8; i++)
    f->st[i] = random_extended ();
  for (unsigned i = 0; i < 16; i++) {
    random_vector (&f->xmm[i], is_double);
    if (fp_native_has_avx ())
      random_vector (&s->upper.ymm[i], is_double);
  }
  s->integer = below (2) ? random64 () : pattern () & 0xffffffff;
  s->flags = (uint32_t) random64 () & X86_FL_ARITH;
}

/* Memory by what the instruction takes it for. */
static void
random_memory (FpState *s, const FpCase *c, bool is_double)
{
  FxVector v[2];
  random_vector (&v[0], is_double);
  random_vector (&v[1], is_double);
  memcpy (s->memory, v, 32);
  if (c->insn.unit != X86_UNIT_X87)
    return;
  unsigned opcode = c->insn.opcode;
  bool integer = opcode == 0xda || opcode == 0xdb || opcode == 0xde || opcode == 0xdf;
  uint64_t bits = integer ? pattern () : c->mem_size == 4 ? random_single () : random_double ();
  memcpy (s->memory, &bits, 8);
  if (c->insn.op == X86_OP_FBLD)
    for (unsigned i = 0; i < 10; i++)
      s->memory[i] = (uint8_t) (below (10) | below (10) << 4);
  else if (c->mem_size == 10) {
    FxRegister r = random_extended ();
    memcpy (s->memory, &r, 10);
  }
}

/* --- comparison ----------------------------------------------------------------------------------------- */

static unsigned failures, cases, runs;
static uint64_t last_failure;

typedef enum Tolerance { EXACT, LAST_PLACE, ESTIMATE } Tolerance;

/* The portable code follows AMD where the vendors differ: C1 where a manual leaves it open, the loads and
 * MMX transitions of instructions that raise, how much one FPREM does. Elsewhere those are not looked at.
 * In DPPS and DPPD it follows Intel (is_other_nan). */
static bool host_is_amd;

static Tolerance
tolerance (const X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_F2XM1:
  case X86_OP_FYL2X:
  case X86_OP_FYL2XP1:
  case X86_OP_FPTAN:
  case X86_OP_FPATAN:
  case X86_OP_FSIN:
  case X86_OP_FCOS:
  case X86_OP_FSINCOS: return LAST_PLACE;
  case X86_OP_RCPPS:
  case X86_OP_RCPSS:
  case X86_OP_RSQRTPS:
  case X86_OP_RSQRTSS: return ESTIMATE;
  default: return EXACT;
  }
}

static bool
close_extended (const FxRegister *a, const FxRegister *b)
{
  long double x, y;
  if (memcmp (a, b, 10) == 0)
    return true;
  memcpy (&x, a, 10);
  memcpy (&y, b, 10);
  if (isnan (x) || isnan (y) || isinf (x) || isinf (y))
    return false;
  return fabsl (x - y) <= fabsl (y) * 0x1p-61L + 0x1p-16440L;
}

static bool
close_single (uint32_t a, uint32_t b, bool estimate)
{
  float x, y;
  memcpy (&x, &a, 4);
  memcpy (&y, &b, 4);
  return a == b || (estimate && fabsf (x - y) <= fabsf (y) * 0x1p-11f + 0x1p-126f);
}

/* Within the last place lie the smallest normal number and a denormal; only the latter is an underflow (SDM vol. 1, 8.3.10 and 8.5.5). */
static bool
is_least_normal_to_one (const FxRegister *a, const FxRegister *b)
{
  unsigned x = a->sign_exp & 0x7fff, y = b->sign_exp & 0x7fff;
  return (x == 0 && y == 1) || (x == 1 && y == 0);
}

static uint16_t
ignored_status (Tolerance t, const FxImage *host, const FxImage *ours)
{
  uint16_t ignored = t == LAST_PLACE || !host_is_amd ? FSW_C1 : 0;
  for (unsigned i = 0; t == LAST_PLACE && i < 2; i++)
    if (is_least_normal_to_one (&host->st[i], &ours->st[i]))
      ignored |= FP_UE;
  return ignored;
}

/* Of several NaNs each lane of a dot product gets one, and which is the processor's choice (SDM vol. 2, DPPS: "horizontal propagation of NaNs
 * [...] is implementation dependent"): on Intel's it depends on the lane, on AMD's it does not. */
static bool
is_other_nan (X86Op op, const FxVector *host, const FxVector *ours, unsigned i)
{
  uint32_t quiet = op == X86_OP_DPPD ? 0x7ff80000 : 0x7fc00000;
  unsigned top = op == X86_OP_DPPD ? i | 1 : i;
  return host_is_amd && (op == X86_OP_DPPD || op == X86_OP_DPPS) && (host->d[top] & ours->d[top] & quiet) == quiet;
}

static bool
close_vectors (X86Op op, bool estimate, const FxVector *host, const FxVector *ours)
{
  for (unsigned i = 0; i < 4; i++)
    if (!close_single (host->d[i], ours->d[i], estimate) && !is_other_nan (op, host, ours, i))
      return false;
  return true;
}

static const char *
difference (const FpCase *c, const FpState *host, const FpState *ours)
{
  const FxImage *h = &host->image, *o = &ours->image;
  Tolerance t = tolerance (&c->insn);
  if (host->exception != ours->exception)
    return "exception";
  if (h->fcw != o->fcw)
    return "control word";
  if ((h->fsw ^ o->fsw) & ~ignored_status (t, h, o))
    return "status word";
  if (h->tags != o->tags)
    return "tags";
  if (h->mxcsr != o->mxcsr)
    return "mxcsr";
  for (unsigned i = 0; i < 8; i++)
    if (t == LAST_PLACE ? !close_extended (&h->st[i], &o->st[i]) : memcmp (&h->st[i], &o->st[i], 10) != 0)
      return "st register";
  for (unsigned i = 0; i < 16; i++)
    if (!close_vectors (c->insn.op, t == ESTIMATE, &h->xmm[i], &o->xmm[i]))
      return "xmm register";
  for (unsigned i = 0; i < 16; i++)
    if (!close_vectors (c->insn.op, t == ESTIMATE, &host->upper.ymm[i], &ours->upper.ymm[i]))
      return "upper half of a ymm register";
  if (memcmp (host->memory, ours->memory, 64) != 0)
    return "memory";
  if (host->exception >= 0)
    return NULL;
  if (BP_NATIVE_FLAGS_OUT (c->native) && ((host->flags ^ ours->flags) & X86_FL_ARITH))
    return "flags";
  uint64_t n = c->native;
  bool out = BP_NATIVE_REG_KIND (n) == BP_NATIVE_OUT || BP_NATIVE_RM_KIND (n) == BP_NATIVE_OUT || BP_NATIVE_RCX_OUT (n);
  if (out && host->integer != ours->integer)
    return "integer result";
  if (BP_NATIVE_RAX_OUT (c->native) && (uint16_t) host->integer != (uint16_t) ours->integer)
    return "ax";
  return NULL;
}

static void
print_state (const char *name, const FpState *s)
{
  const FxImage *f = &s->image;
  fprintf (stderr, "  %-5s exc %d fcw %04x fsw %04x tags %02x mxcsr %04x int %llx flags %x mem", name,
           s->exception, f->fcw, f->fsw, f->tags, f->mxcsr, (unsigned long long) s->integer,
           s->flags & X86_FL_ARITH);
  for (unsigned i = 0; i < 32; i++)
    fprintf (stderr, "%s%02x", i & 3 ? "" : " ", s->memory[i]);
  fprintf (stderr, "\n    st ");
  for (unsigned i = 0; i < 8; i++)
    fprintf (stderr, " %04x:%016llx", f->st[i].sign_exp, (unsigned long long) f->st[i].sig);
  fprintf (stderr, "\n    xmm");
  for (unsigned i = 0; i < 16; i++)
    fprintf (stderr, "%s %016llx_%016llx_%016llx_%016llx", i & 1 ? "" : "\n       ",
             (unsigned long long) s->upper.ymm[i].q[1], (unsigned long long) s->upper.ymm[i].q[0],
             (unsigned long long) f->xmm[i].q[1], (unsigned long long) f->xmm[i].q[0]);
  fprintf (stderr, "\n");
}

static void
compare_one (const FpCase *c, const FpState *start)
{
  static FpState host, ours;
  host = ours = *start;
  fp_native_run (c, &host);
  fp_portable_run (c, &ours);
  runs++;
  if (host.exception == EXC_UD && c->insn.feature != X86_FEATURE_FPU)
    return;                     /* not on this processor */
  const char *what = difference (c, &host, &ours);
  if (!what)
    return;
  failures++;
  if (failures > 10 || c->native == last_failure)        /* one of each will do */
    return;
  last_failure = c->native;
  fprintf (stderr, "%s: %s differs\n", c->text, what);
  print_state ("start", start);
  print_state ("host", &host);
  print_state ("ours", &ours);
}

/* Results of the trigonometric functions at large arguments depend on how long the processor's pi is. */
static bool
is_comparable (const FpCase *c, const FpState *s)
{
  bool differs = c->insn.op == X86_OP_FPREM || c->insn.op == X86_OP_FPREM1 || c->insn.op == X86_OP_CVTPI2PS;
  if (!host_is_amd && differs)
    return false;
  if (tolerance (&c->insn) != LAST_PLACE)
    return true;
  unsigned exponent = s->image.st[0].sign_exp & 0x7fff;
  switch (c->insn.op) {
  case X86_OP_F2XM1: return exponent < 16383 || exponent == 0x7fff;
  case X86_OP_FYL2XP1: return exponent < 16381;
  case X86_OP_FPATAN: return true;
  case X86_OP_FYL2X: return true;
  default: return exponent < 16383 || exponent >= 16383 + 63;
  }
}

static void
compare_case (const FpCase *c)
{
  static FpState start;
  cases++;
  for (unsigned i = 0; i < rounds; i++) {
    bool is_double = i & 1, masked = i % 4 != 3 || !host_is_amd;
    random_state (&start, is_double, masked);
    random_memory (&start, c, is_double);
    if (is_comparable (c, &start))
      compare_one (c, &start);
  }
}

static void
compare_bytes (const uint8_t *bytes, unsigned n)
{
  FpCase c;
  if (fp_case_make (&c, bytes, n))
    compare_case (&c);
}

/* --- the instructions ----------------------------------------------------------------------------------- */

START_TEST (test_x87)
{
  for (unsigned opcode = 0xd8; opcode <= 0xdf; opcode++) {
    for (unsigned reg = 0; reg < 8; reg++)
      compare_bytes ((uint8_t[]) { (uint8_t) opcode, (uint8_t) (reg << 3 | 2) }, 2);
    for (unsigned modrm = 0xc0; modrm <= 0xff; modrm++)
      compare_bytes ((uint8_t[]) { (uint8_t) opcode, (uint8_t) modrm }, 2);
  }
  compare_bytes ((uint8_t[]) { 0x9b }, 1);
  ck_assert_uint_eq (failures, 0);
}
END_TEST

/* A REX prefix half of the time: registers above 7, integers of 64 bits. */
static unsigned
start_of (uint8_t *bytes, unsigned map, unsigned prefix, bool memory)
{
  static const uint8_t prefixes[4] = { 0, 0x66, 0xf3, 0xf2 };
  unsigned n = 0;
  if (prefix)
    bytes[n++] = prefixes[prefix];
  if (below (2))
    bytes[n++] = (uint8_t) (0x40 | (below (16) & (memory ? 12 : 13)));
  bytes[n++] = 0x0f;
  if (map > 1)
    bytes[n++] = map == 2 ? 0x38 : 0x3a;
  return n;
}

static void
compare_with_immediate (uint8_t *bytes, unsigned n, unsigned map)
{
  compare_bytes (bytes, n);
  if (below (2) || map == 3)
    bytes[n] = (uint8_t) random64 ();
  else
    bytes[n] = (uint8_t) below (32);
  compare_bytes (bytes, n + 1);
}

static void
compare_encoding (unsigned map, unsigned prefix, unsigned opcode, uint8_t modrm)
{
  uint8_t bytes[8];
  unsigned n = start_of (bytes, map, prefix, modrm < 0xc0);
  bytes[n++] = (uint8_t) opcode;
  bytes[n++] = modrm;
  compare_with_immediate (bytes, n, map);
}

/* The memory operand is [rdx]; half of the instructions have no operand in vvvv, which is 1111 then. */
static void
compare_vex (unsigned map, unsigned prefix, unsigned opcode, uint8_t modrm, unsigned l_and_w)
{
  uint8_t bytes[8], extend = (uint8_t) (below (8) << 5);
  if (modrm < 0xc0)
    extend |= 0x20;
  for (unsigned i = 0; i < 2; i++) {
    unsigned n = 0, vvvv = i ? 15 : below (15), w = l_and_w >> 1, l = l_and_w & 1;
    bytes[n++] = 0xc4;
    bytes[n++] = (uint8_t) (extend | map);
    bytes[n++] = (uint8_t) (w << 7 | vvvv << 3 | l << 2 | prefix);
    bytes[n++] = (uint8_t) opcode;
    if (map == 1 && opcode == 0x77)
      compare_bytes (bytes, n);
    bytes[n++] = modrm;
    compare_with_immediate (bytes, n, map);
  }
}

/* Everything that the decoder takes for MMX or SSE: from memory, between two registers, and a register
 * with itself. */
static void
compare_map (unsigned map, bool vex)
{
  for (unsigned opcode = 0; opcode < 256; opcode++)
    for (unsigned prefix = 0; prefix < 4 && (map > 1 || vex || (opcode != 0x38 && opcode != 0x3a)); prefix++) {
      unsigned groups = map == 1 && opcode >= 0x71 && opcode <= 0x73 ? 8 : 1;
      for (unsigned k = 0; k < 4; k++) {
        static const uint8_t modrm[4] = { 0x0a, 0xc1, 0xca, 0xdb };   /* r1, [rdx]; r0, r1; r1, r2; r3, r3 */
        for (unsigned g = 0; g < groups; g++) {
          uint8_t byte = groups == 8 ? (uint8_t) (0xc1 | g << 3) : modrm[k];
          for (unsigned l_and_w = 0; vex && l_and_w < 4; l_and_w++)
            compare_vex (map, prefix, opcode, byte, l_and_w);
          if (!vex)
            compare_encoding (map, prefix, opcode, byte);
        }
      }
    }
}

START_TEST (test_0f)
{
  failures = 0;
  compare_map (1, false);
  uint8_t emms[2] = { 0x0f, 0x77 }, stmxcsr[3] = { 0x0f, 0xae, 0x1a }, vstmxcsr[4] = { 0xc5, 0xf8, 0xae, 0x1a };
  compare_bytes (emms, 2);
  compare_bytes (stmxcsr, 3);
  compare_bytes (vstmxcsr, 4);
  ck_assert_uint_eq (failures, 0);
}
END_TEST

START_TEST (test_0f38)
{
  failures = 0;
  compare_map (2, false);
  ck_assert_uint_eq (failures, 0);
}
END_TEST

START_TEST (test_0f3a)
{
  failures = 0;
  for (unsigned i = 0; i < 6; i++)
    compare_map (3, false);
  ck_assert_uint_eq (failures, 0);
}
END_TEST

/* Lane by lane, which of four NaNs it gets from Intel's processors. */
START_TEST (test_nans_of_dot_products)
{
  static const uint8_t dpps[6] = { 0x66, 0x0f, 0x3a, 0x40, 0xc1, 0xff }, dppd[6] = { 0x66, 0x0f, 0x3a, 0x41, 0xc1, 0xff };
  static FpState s;
  FpCase c;
  FxVector *x = s.image.xmm;
  s.image.mxcsr = MXCSR_INIT;
  for (unsigned i = 0; i < 4; i++)
    x[0].d[i] = 0x7fc00010 + i, x[1].d[i] = 0x3f800000;
  ck_assert (fp_case_make (&c, dpps, sizeof dpps));
  fp_portable_run (&c, &s);
  for (unsigned i = 0; i < 4; i++)
    ck_assert_uint_eq (x[0].d[i], 0x7fc00010 + (i ^ 1));
  for (unsigned i = 0; i < 2; i++)
    x[0].q[i] = 0x7ff8000000000010 + i, x[1].q[i] = 0x3ff0000000000000;
  ck_assert (fp_case_make (&c, dppd, sizeof dppd));
  fp_portable_run (&c, &s);
  for (unsigned i = 0; i < 2; i++)
    ck_assert_uint_eq (x[0].q[i], 0x7ff8000000000010 + i);
}
END_TEST

/* Every VEX-encoded instruction, with the rounding modes and flags of 256 bits. */
START_TEST (test_vex)
{
  failures = 0;
  compare_map ((unsigned) _i, true);
  if (_i == 3)
    compare_map (3, true);
  ck_assert_uint_eq (failures, 0);
}
END_TEST

int
main (int argc, char **argv)
{
  if (!fp_native_open ()) {
    fprintf (stderr, "not an x86-64 host: nothing to compare with\n");
    return 77;
  }
  host_is_amd = fp_native_is_amd ();
  if (argc > 1)
    rounds = (unsigned) atoi (argv[1]);
  if (argc > 2)
    random_seed ^= (uint64_t) atoll (argv[2]) << 20;
  Suite *suite = suite_create ("fp-portable");
  TCase *tcase = tcase_create ("against the processor");
  tcase_set_timeout (tcase, 120);
  tcase_add_test (tcase, test_x87);
  tcase_add_test (tcase, test_0f);
  tcase_add_test (tcase, test_0f38);
  tcase_add_test (tcase, test_0f3a);
  tcase_add_test (tcase, test_nans_of_dot_products);
  if (fp_native_has_avx ())
    tcase_add_loop_test (tcase, test_vex, 1, 4);
  suite_add_tcase (suite, tcase);
  SRunner *runner = srunner_create (suite);
  srunner_set_fork_status (runner, CK_NOFORK);
  srunner_run_all (runner, CK_NORMAL);
  printf ("%u instructions, %u comparisons\n", cases, runs);
  int failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}

/* test-fp-exec.c -- random x87, MMX, SSE and AVX instructions: this processor and the translator must agree. */
/* SPDX-License-Identifier: MIT */
/*
 * test-fp-exec [way [first seed [cases]]]: ways are interp, opt, x64 (fp-exec.h); without arguments, what
 * `make check` runs.  A disagreement prints the case and both results; FP_EXEC_EXPLAIN the code as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fp-exec.h"

static void
print_case (const FpExecCase *c)
{
  for (unsigned i = 0; i < c->n_insns; i++) {
    X86Insn insn;
    char text[96];
    x86_decode (c->code + c->offset[i], X86_MAX_INSN_LENGTH, X86_MODE_64, &insn);
    x86_disasm (&insn, FP_EXEC_CODE + c->offset[i], text, sizeof text);
    printf ("  %08x  %s\n", FP_EXEC_CODE + c->offset[i], text);
  }
}

static void
print_state (const char *who, const FpExecState *s)
{
  const FxImage *f = (const FxImage *) s->fp;
  const FxUppers *u = (const FxUppers *) (s->fp + X86_FP_UPPERS);
  printf ("  %-7s rip=%llx eflags=%x vector=%d error=%x cr2=%llx fcw=%04x fsw=%04x tags=%02x mxcsr=%04x\n   ", who,
          (unsigned long long) s->rip, s->eflags, s->vector, s->error, (unsigned long long) s->cr2, f->fcw, f->fsw,
          f->tags, f->mxcsr);
  for (unsigned i = 0; i < 16; i++)
    printf (" %llx", (unsigned long long) s->gpr[i]);
  printf ("\n   ");
  for (unsigned i = 0; i < 8; i++)
    printf (" %04x:%016llx", f->st[i].sign_exp, (unsigned long long) f->st[i].sig);
  for (unsigned i = 0; i < 16; i++)
    printf ("%s %016llx_%016llx_%016llx_%016llx", i & 1 ? "" : "\n   ", (unsigned long long) u->ymm[i].q[1],
            (unsigned long long) u->ymm[i].q[0], (unsigned long long) f->xmm[i].q[1],
            (unsigned long long) f->xmm[i].q[0]);
  printf ("\n");
}

static const char *
difference (const FpExecState *x, const FpExecState *y)
{
  const FxImage *f = (const FxImage *) x->fp, *g = (const FxImage *) y->fp;
  if (x->vector != y->vector || x->rip != y->rip)
    return "how it ended";
  if (x->cr2 != y->cr2 || (x->error != y->error && !(x->cr2 >> 63)))   /* there the host's kernel may have pages */
    return "the page fault";
  if (x->eflags != y->eflags)
    return "eflags";
  if (memcmp (x->gpr, y->gpr, sizeof x->gpr))
    return "a general register";
  if (f->fcw != g->fcw || f->fsw != g->fsw || f->tags != g->tags)
    return "the x87's control, status or tags";
  if (f->mxcsr != g->mxcsr)
    return "mxcsr";
  for (unsigned i = 0; i < 8; i++)
    if (memcmp (&f->st[i], &g->st[i], 10))
      return "an x87 register";
  if (memcmp (f->xmm, g->xmm, sizeof f->xmm))
    return "an xmm register";
  if (memcmp (x->fp + X86_FP_UPPERS, y->fp + X86_FP_UPPERS, X86_FP_SIZE - X86_FP_UPPERS))
    return "the upper half of a ymm register";
  return memcmp (x->data, y->data, sizeof x->data) ? "memory" : NULL;
}

/* How the cases ended: a generator that only makes faults tests nothing. */
static unsigned endings[32];

static void
print_endings (void)
{
  printf (" ");
  for (unsigned v = 0; v < 32; v++)
    if (endings[v])
      printf (" %u ended by %u,", endings[v], v);
  printf ("\n");
  memset (endings, 0, sizeof endings);
}

static bool
run_case (uint64_t seed, bool exact)
{
  static FpExecCase c;
  static FpExecState native, guest, alike;
  fp_exec_generate (&c, seed, exact);
  native = guest = c.start;
  fp_exec_native (&c, &native);
  fp_exec_guest (&c, &guest, seed & 1);
  endings[native.vector & 31]++;
  const char *what = difference (&native, &guest);
  if (what) {
    alike = native;
    fp_exec_choose_alike (&c, &alike, &guest);
    what = difference (&alike, &guest);
  }
  if (!what)
    return true;
  printf ("seed %llu: %s differs\n", (unsigned long long) seed, what);
  print_case (&c);
  print_state ("before", &c.start);
  print_state ("native", &native);
  print_state ("guest", &guest);
  fflush (stdout);
  if (getenv ("FP_EXEC_EXPLAIN"))
    fp_exec_guest_explain (&c);
  return false;
}

/* --- what has to be enabled first -------------------------------------------------------------------------- */

static unsigned
check_vector (const char *what, const char *bytes, unsigned n, uint64_t cr0, uint64_t cr4, uint64_t xcr0, int wanted)
{
  int vector = fp_exec_guest_vector ((const uint8_t *) bytes, n, cr0, cr4, xcr0);
  if (vector == wanted)
    return 0;
  printf ("%s with cr0 %llx, cr4 %llx, xcr0 %llx: exception %d, not %d\n", what, (unsigned long long) cr0,
          (unsigned long long) cr4, (unsigned long long) xcr0, vector, wanted);
  return 1;
}

static unsigned
check_enabling (void)
{
  const uint64_t fxsr = CR4_PAE | CR4_OSFXSR, xsave = fxsr | CR4_OSXSAVE;
  unsigned wrong = 0;
#define CHECK(bytes, ...) wrong += check_vector (#bytes, bytes, sizeof bytes - 1, __VA_ARGS__)
#define ADDPS "\x0f\x58\xc1"
#define VADDPS "\xc5\xf4\x58\xc1"
#define XSAVE "\x48\x0f\xae\x27"
#define FLD1 "\xd9\xe8"
#define PADDB "\x0f\xfc\xc1"
#define LOAD_AT_1 "\x8b\x47\x01"
#define VPGATHERDD_AT_1 "\xc4\xe2\x79\x90\x54\x0f\x02"      /* %xmm0,2(%rdi,%xmm1),%xmm2 */
  CHECK (ADDPS, 0, fxsr, 1, -1);
  CHECK (ADDPS, 0, CR4_PAE, 1, EXC_UD);
  CHECK (ADDPS, CR0_EM, fxsr, 1, EXC_UD);
  CHECK (ADDPS, CR0_TS, fxsr, 1, EXC_NM);
  CHECK (VADDPS, 0, xsave, 7, -1);
  CHECK (VADDPS, 0, xsave, 3, EXC_UD);
  CHECK (VADDPS, 0, fxsr, 7, EXC_UD);
  CHECK (VADDPS, CR0_TS, xsave, 7, EXC_NM);
  CHECK (VADDPS, CR0_TS, xsave, 3, EXC_UD);
  CHECK (XSAVE, 0, xsave, 7, -1);
  CHECK (XSAVE, 0, fxsr, 7, EXC_UD);
  CHECK (XSAVE, CR0_TS, xsave, 7, EXC_NM);
  CHECK (FLD1, CR0_TS, xsave, 7, EXC_NM);
  CHECK (FLD1, CR0_EM, xsave, 7, EXC_NM);
  CHECK (PADDB, CR0_EM, xsave, 7, EXC_UD);
  CHECK (PADDB, CR0_TS, xsave, 7, EXC_NM);
  CHECK (LOAD_AT_1, CR0_AM, xsave, 7, EXC_AC);
  CHECK (VPGATHERDD_AT_1, CR0_AM, xsave, 7, -1);
#undef CHECK
  return wrong;
}

/* --- what is left of a gather ------------------------------------------------------------------------------- */

static bool
is_vector (const FxVector *v, uint32_t d0, uint32_t d1, uint32_t d2, uint32_t d3)
{
  return v->d[0] == d0 && v->d[1] == d1 && v->d[2] == d2 && v->d[3] == d3;
}

/* Its first element is there, its third is not; neither the second nor the fourth is asked for. */
static unsigned
check_gather (void)
{
  static const uint8_t gather[] = { 0xc4, 0x22, 0x79, 0x90, 0x9c, 0x37, 0xf8, 0x1f, 0, 0 };
  static FpExecCase c;                                  /* vpgatherdd %xmm0,0x1ff8(%rdi,%xmm14),%xmm11 */
  static FpExecState s;
  FxVector *low = ((FxImage *) s.fp)->xmm, *high = ((FxUppers *) (s.fp + X86_FP_UPPERS))->ymm;
  const uint32_t element = 0x12345678;
  memcpy (c.code, gather, sizeof gather);
  memset (&s, 0, sizeof s);
  ((FxImage *) s.fp)->fcw = FCW_INIT;
  ((FxImage *) s.fp)->mxcsr = MXCSR_INIT;
  memcpy (s.data + FP_EXEC_DATA_SIZE - 8, &element, 4);
  low[0] = (FxVector) { .d = { 0x80000000, 1, 0x80000001, 0x7fffffff } };
  low[14] = (FxVector) { .d = { 0, 4, 8, 12 } };
  low[11] = high[0] = high[11] = (FxVector) { .d = { 1, 2, 3, 4 } };
  s.rip = FP_EXEC_CODE;
  s.gpr[X86_RDI] = FP_EXEC_DATA;
  fp_exec_guest (&c, &s, false);
  if (s.vector == EXC_PF && s.cr2 == FP_EXEC_DATA + FP_EXEC_DATA_SIZE && is_vector (&low[0], 0, 0, 0xffffffff, 0)
      && is_vector (&high[0], 0, 0, 0, 0) && is_vector (&low[11], element, 2, 3, 4) && is_vector (&high[11], 0, 0, 0, 0))
    return 0;
  printf ("a gather that faults at its third element leaves something else\n");
  print_state ("guest", &s);
  return 1;
}

int
main (int argc, char **argv)
{
  static const char *const all[] = { "interp", "opt", "x64" };
  uint64_t first = argc > 2 ? strtoull (argv[2], NULL, 0) : 1;
  unsigned n = argc > 3 ? (unsigned) atoi (argv[3]) : 20000, wrong = 0;
#ifdef __SANITIZE_ADDRESS__
  printf ("AddressSanitizer's shadow lies where the cases expect nothing: skipped\n");
  return 77;
#endif
  if (!fp_exec_native_start ()) {
    printf ("this host does not run the cases: skipped\n");
    return 77;
  }
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
    if ((argc > 1 && strcmp (argv[1], all[i])) || !fp_exec_guest_start (all[i]))
      continue;
    unsigned here = check_enabling () + check_gather ();
    for (unsigned k = 0; k < n && here < 10; k++)
      here += !run_case (first + k, strcmp (all[i], "x64") != 0);
    printf ("%s: %u cases from seed %llu, %u wrong\n", all[i], n, (unsigned long long) first, here);
    print_endings ();
    wrong += here;
  }
  return wrong != 0;
}

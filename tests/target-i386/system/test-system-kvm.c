/* test-system-kvm.c -- system instructions of long mode: this processor, as KVM lends it, and the translator must agree. */
/* SPDX-License-Identifier: MIT */
/*
 * test-system-kvm [-v] [-c NAME] [-s SEED] [-n COUNT].  Where KVM is known not to do what the manual says, a row of kvm-deviations.def
 * excuses it, and the report names the row; what KVM cannot execute at all is counted, and with -v named.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

enum { MAX_SHOWN = 60 };

typedef struct Deviation { const char *pattern, *manual, *what; } Deviation;
static const Deviation deviations[] = {
#define DEVIATION(pattern, manual, what) { pattern, manual, what },
#include "kvm-deviations.def"
#undef DEVIATION
};
enum { N_DEVIATIONS = sizeof deviations / sizeof *deviations };

typedef struct Test {
  const Options *options;
  Backplane *translator;
  Slot ours, theirs;
  unsigned n_cases, n_agree, n_wrong, n_refused, n_ac, n_first_parts;
  unsigned excused[N_DEVIATIONS];
} Test;

static int
deviation_of (const Case *c)
{
  for (unsigned i = 0; i < N_DEVIATIONS; i++)
    if (fnmatch (deviations[i].pattern, c->name, 0) == 0)
      return (int) i;
  return -1;
}

static void
complain (Test *t, const Case *c, const char *what)
{
  t->n_wrong++;
  if (t->n_wrong > MAX_SHOWN)
    return;
  printf ("%s: %s\n", c->name, what);
  const char *manual = c->row ? case_wrong (c, &t->theirs) : NULL;
  if (manual)
    printf ("    KVM against the row: %s\n", manual);
  if (t->options->verbose)
    case_print (c);
}

/* Delivery of an event leaves EFLAGS.AC (SDM 3A 6.12.1.2); kvm_pvm clears it.  The frame holds it as it was. */
static void
forgive_ac (Test *t)
{
  if (image_vector (&t->theirs) >= 0 && (t->theirs.state.rflags ^ t->ours.state.rflags) & FL_AC) {
    t->theirs.state.rflags ^= FL_AC;
    t->n_ac++;
  }
}

/* Whether a walk that ends in a fault sets accessed bits on its way is left open (SDM 3A 4.8); and KVM, whose own tables outlive a case,
 * does not walk the upper levels each time.  Dirty bits are compared unless a page fault ended the case.  Rows of the tables look at
 * both. */
static void
forgive_accessed (Test *t)
{
  unsigned bits = PG_A | (image_vector (&t->theirs) == EXC_PF ? PG_D : 0);
  for (uint32_t at = AT_PML4; at < AT_GDT; at += 8)
    t->theirs.memory[at] = (uint8_t) ((t->theirs.memory[at] & ~bits) | (t->ours.memory[at] & bits));
}

/* Where the linear address `at` is in the image, as it ended; SYS_MEMORY: nowhere. */
static uint32_t
place_of (const Slot *s, uint64_t at)
{
  if (at - WINDOW < SYS_PAGE * 512)
    at = (image_get (s, PTE ((at - WINDOW) / SYS_PAGE), 8) & 0xffffffffff000) | at % SYS_PAGE;
  else if (at >= HIGH)
    at -= HIGH;
  return at < SYS_MEMORY ? (uint32_t) at : SYS_MEMORY;
}

/* A fault leaves memory as it was (SDM 3A 6.5); KVM's emulator, which executes the kernel of pvm, has then stored what of an operand lies
 * before the page that faults: at most seven bytes, of which ours are those that the case began with. */
static void
forgive_first_part (Test *t, const Case *c)
{
  enum { MOST = 7 };
  uint64_t cr2 = t->ours.state.cr2;
  bool by_kernel = (c->start.state.segment[BP_X86_CS].selector & 3) == 0;
  if (c->row || !by_kernel || image_vector (&t->ours) != EXC_PF || image_vector (&t->theirs) != EXC_PF || cr2 % SYS_PAGE)
    return;
  uint32_t at = place_of (&t->ours, cr2 - MOST);
  if (at == SYS_MEMORY || memcmp (t->ours.memory + at, t->theirs.memory + at, MOST) == 0
      || memcmp (t->ours.memory + at, c->start.memory + at, MOST) != 0)
    return;
  memcpy (t->theirs.memory + at, t->ours.memory + at, MOST);
  t->n_first_parts++;
}

static void
one_case (const Case *c, void *user)
{
  Test *t = user;
  int known = deviation_of (c);
  t->n_cases++;
  t->ours = t->theirs = c->start;
  kvm_run (&t->theirs);
  backplane_run (t->translator, &t->ours);
  forgive_ac (t);
  forgive_accessed (t);
  forgive_first_part (t, c);
  const char *differs = case_differs (c, &t->theirs, &t->ours, "KVM", "here");
  if (!differs && t->theirs.end != RUN_STUCK)
    t->n_agree++;
  else if (known >= 0)
    t->excused[known]++;
  else if (t->theirs.end == RUN_REFUSED || t->theirs.end == RUN_STUCK) {
    t->n_refused++;
    if (t->options->verbose)
      printf ("%s: %s\n", c->name, t->theirs.why);
  } else
    complain (t, c, differs);
}

static void
report (const Test *t)
{
  unsigned n = 0;
  for (unsigned i = 0; i < N_DEVIATIONS; i++) {
    n += t->excused[i];
    if (t->excused[i])
      printf ("left out: %s (%u): %s; %s\n", deviations[i].pattern, t->excused[i], deviations[i].what, deviations[i].manual);
  }
  if (t->n_ac)
    printf ("EFLAGS.AC behind the delivery of an event: not compared (%u cases differ)\n", t->n_ac);
  if (t->n_first_parts)
    printf ("stores of KVM's emulator before a page that faults: not compared (%u cases differ)\n", t->n_first_parts);
  printf ("%u cases: %u agree, %u differ, %u that KVM gives up on, %u left out by name\n", t->n_cases, t->n_agree, t->n_wrong,
          t->n_refused, n);
}

int
main (int argc, char **argv)
{
  static Test t;
  const char *why;
  Options o = { .seed = 2, .n_random = 6000, .step = 2 };
  if (!suite_options (&o, argc, argv))
    return 2;
  o.seed &= ~(uint64_t) 1;
  t.options = &o;
  t.translator = backplane_start ("x64");
  if (!t.translator)
    t.translator = backplane_start ("interp");
  if (!t.translator)
    return 1;
  if (!kvm_start (t.translator, &why)) {
    printf ("%s: skipped\n", why);
    backplane_finish (t.translator);
    return 77;
  }
  suite_walk (&o, one_case, &t);
  report (&t);
  kvm_finish ();
  backplane_finish (t.translator);
  return t.n_wrong || !t.n_cases;
}

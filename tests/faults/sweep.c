/* sweep.c -- a scenario once to count its calls, and once for each call that fails. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "sweep.h"
#include "../suite.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 64
#define SLOT_BYTES 160
#define SECONDS 20

static const char *const kind_names[INJECT_KINDS] = {
  "open", "read", "write", "flush", "space", "seek", "stat", "lock", "rename", "map", "memory", "socket", "connect", "accept", "send", "receive",
  "ring", "ring entry", "control"
};

static char (*slots)[SLOT_BYTES];       /* shared with the processes that tests run in: where each is */

int
sweep_run (const char *name, SFun enter, SFun leave, const SweepTest *tests, unsigned n)
{
  Suite *suite = suite_create (name);
  TCase *tc = tcase_create ("all");
  slots = mmap (NULL, SLOTS * SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert (slots != MAP_FAILED);
  tcase_add_checked_fixture (tc, enter, leave);
  tcase_set_timeout (tc, 120);
  for (unsigned i = 0; i < n; i++)
    tcase_add_loop_test (tc, tests[i].test, 0, tests[i].n);
  suite_add_tcase (suite, tc);
  int failed = suite_run (suite);
  for (int i = 0; failed && i < SLOTS; i++)
    if (*slots[i])
      fprintf (stderr, "it was at: %s\n", slots[i]);
  return failed;
}

static char *
find_slot (void)
{
  for (int i = 0; i < SLOTS; i++)
    if (!*slots[i])
      return slots[i];
  return slots[SLOTS - 1];
}

static unsigned
count_descriptors (void)
{
  unsigned n = 0;
  DIR *dir = opendir ("/proc/self/fd");
  while (readdir (dir))
    n++;
  closedir (dir);
  return n;
}

static void
point (const SweepScenario *s, const char *pattern, const SweepFault *f, uint32_t first, uint32_t n)
{
  s->prepare ();
  alarm ((unsigned) (patience (SECONDS) / G_USEC_PER_SEC));
  inject_arm (f->kind, pattern, first, n, f->fault);
  s->run ();
  inject_disarm ();
  s->verify (n ? f : NULL, inject_page->failed);
  alarm (0);
}

static void
sweep_fault (const SweepScenario *s, const char *pattern, unsigned most, const SweepFault *f, char *slot)
{
  const char *what = f->fault == INJECT_SHORT ? "short" : f->fault == INJECT_END ? "end" : strerror (f->fault);
  snprintf (slot, SLOT_BYTES, "%s: %s, counting", s->name, kind_names[f->kind]);
  point (s, pattern, f, 0, 0);
  uint32_t calls = inject_page->calls, step = g_getenv ("BACKPLANE_FAULTS_ALL") ? 1 : (calls + most - 1) / most;
  if (g_getenv ("BACKPLANE_FAULTS_VERBOSE"))
    fprintf (stderr, "%s: %s: %u calls\n", s->name, kind_names[f->kind], calls);
  for (uint32_t first = 0; first < calls; first += MAX (step, 1)) {
    snprintf (slot, SLOT_BYTES, "%s: %s %u of %u%s: %s", s->name, kind_names[f->kind], first, calls, f->n == 1 ? "" : " and all later ones", what);
    unsigned before = count_descriptors ();
    point (s, pattern, f, first, f->n);
    unsigned after = count_descriptors ();
    ck_assert_msg (after <= before, "%u descriptors are left open", after - before);
  }
}

void
sweep (const SweepScenario *s, const char *pattern, unsigned most, const SweepFault *faults, unsigned n)
{
  char *slot = find_slot ();
  const char *only = g_getenv ("BACKPLANE_FAULTS_ONLY");
  for (unsigned i = 0; i < n; i++)
    if (!only || strcmp (only, kind_names[faults[i].kind]) == 0)
      sweep_fault (s, pattern, most, &faults[i], slot);
  *slot = 0;
}

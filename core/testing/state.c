/* state.c -- a machine under test saved, loaded and compared. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"
#include "private.h"
#include <backplane/iface/block.h>

/* What is done for one disk may begin something on another. */
static void
drain_disks (BpTest *t)
{
  for (unsigned round = 0; round < 8; round++) {
    unsigned cursor = 0;
    for (void *o; (o = bp_machine_next (t->machine, BP_BLOCK_ID, &cursor));) {
      const BpBlockIface *iface = bp_object_interface (o, BP_BLOCK_ID);
      if (!BP_TABLE_HAS (iface, drain))
        continue;
      bp_machine_lock (t->machine);
      iface->drain (o);
      bp_machine_unlock (t->machine);
    }
  }
}

static GByteArray *
save (BpTest *t)
{
  g_autoptr (GError) error = NULL;
  drain_disks (t);
  GByteArray *bytes = bp_private_save (t->machine, bp_test_now (t), &error);
  if (!bytes)
    (bp_test_fail) ("the machine under test cannot be saved: %s", error->message);
  return bytes;
}

static void
expect_equal (GByteArray *before, GByteArray *after, const char *when)
{
  g_autofree char *what = bp_private_difference (before, after);
  if (what)
    (bp_test_fail) ("%s: %s", when, what);
}

void
(bp_test_copy) (BpTest *from, BpTest *to)
{
  g_autoptr (GByteArray) before = save (from);
  g_autoptr (GError) error = NULL;
  if (!bp_private_load (to->machine, before, testing_clock_set, to, &error))
    (bp_test_fail) ("what was saved cannot be loaded: %s", error->message);
  bp_private_copy_old_bytes (from->machine, to->machine);
  g_autoptr (GByteArray) after = save (to);
  expect_equal (before, after, "after loading what was saved");
  bp_private_resume (to->machine);
}

void
(bp_test_expect_same) (BpTest *a, BpTest *b)
{
  g_autoptr (GByteArray) first = save (a), second = save (b);
  expect_equal (first, second, "a machine and the one that was loaded from it, some time later");
}

void
(bp_test_round_trip) (BpTest *t)
{
  (bp_test_copy) (t, t);
}

GBytes *
(bp_test_save) (BpTest *t)
{
  return g_byte_array_free_to_bytes (save (t));
}

char *
(bp_test_load_state) (BpTest *t, GBytes *state)
{
  gsize size;
  const void *data = g_bytes_get_data (state, &size);
  g_autoptr (GByteArray) bytes = g_byte_array_append (g_byte_array_new (), data, (guint) size);
  g_autoptr (GError) error = NULL;
  if (!bp_private_load (t->machine, bytes, testing_clock_set, t, &error))
    return g_strdup (error->message);
  bp_private_resume (t->machine);
  return NULL;
}

/* migrate-pair.c -- builds, ends and waits for the two machines of a migration. */
/* SPDX-License-Identifier: MIT */
#include "migrate-pair.h"
#include "../scratch.h"
#include <check.h>

BpMachine *from, *to;
char *folder, *file, *address;

void
pair_setup (void)
{
  folder = scratch_new ();
  file = g_build_filename (folder, "stream", NULL);
  address = g_strconcat ("file:", file, NULL);
}

void
end_machine (BpMachine **m)
{
  if (!*m)
    return;
  migration_finish (*m);
  bp_machine_stop (*m, BP_RUN_SHUTDOWN);
  toy_free (*m);
  *m = NULL;
}

void
pair_teardown (void)
{
  end_machine (&from);
  end_machine (&to);
  scratch_free (folder);
  g_free (file);
  g_free (address);
}

BpMachine *
pair_build (const char *text, bool incoming)
{
  g_autofree char *errors = NULL;
  toy_forget ();
  BpMachine *m = toy_build (text, NULL, &errors);
  ck_assert_msg (m != NULL, "%s", errors);
  machine_set_incoming (m, incoming ? "defer" : NULL);
  ck_assert (machine_realize (m, NULL));
  machine_reset (m, BP_RESET_COLD);
  if (incoming)
    ck_assert (migration_await (m, "defer", false, NULL));
  return m;
}

BpMigrationInfo
wait_for (BpMachine *m)
{
  BpMigrationInfo info = { .struct_size = sizeof info };
  do {
    g_main_context_iteration (NULL, FALSE);
    bp_migration_info (m, &info);
  } while (info.status != BP_MIGRATION_COMPLETED && info.status != BP_MIGRATION_FAILED && info.status != BP_MIGRATION_CANCELLED);
  return info;
}

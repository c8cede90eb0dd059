/* hot-plug-test.h -- a machine that objects leave: what it says of them. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HOT_PLUG_TEST_H
#define TESTS_HOT_PLUG_TEST_H

#include "hw-pc-test.h"
#include <backplane/machine.h>

static GString *heard;          /* "gone ID;", or "kept ID: why;" */

static void
hear (void *user, BpMachineEvent event, const char *detail)
{
  if (event == BP_MACHINE_OBJECT_REMOVED || event == BP_MACHINE_REMOVAL_REFUSED)
    g_string_append_printf (heard, "%s %s;", event == BP_MACHINE_OBJECT_REMOVED ? "gone" : "kept", detail);
}

/* Of two that there are, both are heard. */
static inline Harness *
hot_plug_new (const BpTypeDesc *const *types, const char *text)
{
  Harness *h = harness_new (types, text);
  if (!heard)
    heard = g_string_new (NULL);
  bp_machine_watch (harness_machine (h), hear, NULL);
  return h;
}

static inline void
hot_plug_free (Harness *h)
{
  harness_free (h);
  g_string_free (heard, TRUE);
  heard = NULL;
}

#endif

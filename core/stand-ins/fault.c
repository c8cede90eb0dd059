/* fault.c -- who is told what a device does to a stand-in that no bus or backend would stand. */
/* SPDX-License-Identifier: MIT */
#include "stand-ins.h"

static StandInFault *told;

void
stand_in_on_fault (StandInFault *fault)
{
  told = fault;
}

void
stand_in_fault (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  if (told)
    told (message);
  else
    g_critical ("%s", message);
}

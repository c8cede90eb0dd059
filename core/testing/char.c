/* char.c -- the character backend of a test as the test sees it: what was written, and what it types. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"

const char *
(bp_test_text) (BpTest *t, const char *backend)
{
  return ((StandInChar *) testing_object (t, backend, &stand_in_char))->text->str;
}

size_t
(bp_test_type) (BpTest *t, const char *backend, const char *bytes, size_t n)
{
  StandInChar *c = testing_object (t, backend, &stand_in_char);
  bp_machine_lock (t->machine);
  size_t room = c->handlers ? c->handlers->can_receive (c->user) : 0, taken = MIN (room, n);
  if (taken)
    c->handlers->receive (c->user, (const uint8_t *) bytes, taken);
  bp_machine_unlock (t->machine);
  return taken;
}

void
(bp_test_break) (BpTest *t, const char *backend)
{
  StandInChar *c = testing_object (t, backend, &stand_in_char);
  bp_machine_lock (t->machine);
  if (BP_TABLE_HAS (c->handlers, event))
    c->handlers->event (c->user, BP_CHAR_BREAK);
  bp_machine_unlock (t->machine);
}

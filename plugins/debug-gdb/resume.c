/* resume.c -- continuing and stepping, and the replies that say why it ended. */
/* SPDX-License-Identifier: MIT */
#include "gdb.h"
#include <string.h>

/* --- stop replies ----------------------------------------------------------------------------- */

/* A breakpoint that gdb would not find at its program counter (code in segments) must not be named, or gdb goes on without a word. */
static void
append_reason (GdbServer *s, GString *text, GdbCpu *c)
{
  const BpDebugStop *stop = &c->stop;
  switch (stop->kind) {
  case BP_DEBUG_SOFTWARE:
  case BP_DEBUG_HARDWARE:
    if (s->names_breaks && gdb_pc (s, c) == stop->address)
      g_string_append (text, stop->kind == BP_DEBUG_SOFTWARE ? "swbreak:;" : "hwbreak:;");
    break;
  case BP_DEBUG_WRITE:
  case BP_DEBUG_READ:
  case BP_DEBUG_ACCESS:
    g_string_append_printf (text, "%s:%" G_GINT64_MODIFIER "x;",
                            stop->kind == BP_DEBUG_WRITE ? "watch" : stop->kind == BP_DEBUG_READ ? "rwatch" : "awatch", stop->address);
    break;
  default:
    break;
  }
}

void
gdb_report_stop (GdbServer *s)
{
  enum { INTERRUPTED = 2, TRAP = 5 };
  GdbCpu *c = gdb_cpu (s, s->current);
  GString *text = g_string_new (NULL);
  BpDebugPlace place = { .struct_size = sizeof place };
  g_string_printf (text, "T%02xthread:%x;", c->has_stop || !s->waiting ? TRAP : INTERRUPTED, s->current + 1);
  if (c->has_stop)
    append_reason (s, text, c);
  c->iface->where (c->cpu, &place);
  c->over = c->has_stop;
  c->told = place.address;
  c->has_stop = s->waiting = false;
  gdb_send_string (s, text);
}

/* Of those that stopped with the one that was told of. */
static bool
somebody_waits (GdbServer *s)
{
  for (unsigned i = 0; i < s->cpus->len; i++)
    if (gdb_cpu (s, i)->has_stop) {
      s->current = i;
      return true;
    }
  return false;
}

/* --- going on ---------------------------------------------------------------------------------- */

typedef struct Action {
  char letter;                  /* c s r, t: stays; 0: nothing was said */
  uint64_t first, end;          /* r */
} Action;

/* The range is of gdb's program counter, the accelerator's of addresses. */
static void
resume_cpu (GdbServer *s, GdbCpu *c, const Action *a)
{
  BpDebugResume how = { .struct_size = sizeof how, .action = BP_DEBUG_STAY };
  BpDebugPlace place = { .struct_size = sizeof place };
  c->iface->where (c->cpu, &place);
  if (a->letter == 'c')
    how.action = BP_DEBUG_RUN;
  else if (a->letter == 's' || a->letter == 'r') {
    uint64_t base = place.address - gdb_pc (s, c);
    how.action = BP_DEBUG_ONE;
    how.flags = s->step & STEP_NO_INTERRUPTS ? BP_DEBUG_NO_INTERRUPTS : 0;
    how.first = a->letter == 'r' ? base + a->first : 0;
    how.end = a->letter == 'r' ? base + a->end : 0;
  }
  if (c->over && c->told == place.address)
    how.flags |= BP_DEBUG_OVER;
  if (how.action != BP_DEBUG_STAY)
    c->over = false;
  if (BP_TABLE_HAS (s->accel_iface, debug_resume))
    s->accel_iface->debug_resume (s->accel, c->vcpu, &how);
}

static void
go_on (GdbServer *s, const Action *action)
{
  g_autoptr (GError) error = NULL;
  s->waiting = true;
  if (somebody_waits (s)) {
    gdb_report_stop (s);
    return;
  }
  for (unsigned i = 0; i < s->cpus->len; i++)
    resume_cpu (s, gdb_cpu (s, i), &action[i]);
  if (bp_machine_continue (s->machine, &error))
    return;
  g_autofree char *text = g_strdup_printf ("%s\n", error->message);
  gdb_send_console (s, text);
  gdb_collect_stops (s);
  gdb_report_stop (s);
}

/* c [ADDRESS], C SIGNAL[;ADDRESS] and likewise s, S.  The others run with a CPU that does. */
void
gdb_resume (GdbServer *s, const char *text)
{
  g_autofree Action *action = g_new0 (Action, s->cpus->len);
  bool steps = *text == 's' || *text == 'S', has_signal = *text == 'C' || *text == 'S';
  unsigned cpu = s->resumed == ALL_CPUS ? s->current : s->resumed;
  uint64_t signal, pc;
  text++;
  if (has_signal && (!gdb_number (&text, &signal) || (*text && !gdb_skip (&text, ";")))) {
    gdb_send (s, GDB_EINVAL);
    return;
  }
  if (*text && (!gdb_number (&text, &pc) || *text || !gdb_set_pc (s, gdb_cpu (s, cpu), pc))) {
    gdb_send (s, GDB_EINVAL);
    return;
  }
  for (unsigned i = 0; i < s->cpus->len; i++)
    action[i].letter = 'c';
  if (steps)
    action[cpu].letter = 's';
  go_on (s, action);
}

/* ACTION[:THREAD] */
static bool
parse_action (GdbServer *s, const char **text, Action *a, unsigned *cpu)
{
  uint64_t signal;
  char letter = **text;
  *a = (Action) { .letter = letter };
  if (!letter)
    return false;
  ++*text;
  if (letter == 'C' || letter == 'S') {
    if (!gdb_number (text, &signal))
      return false;
    a->letter = g_ascii_tolower (letter);
  } else if (letter == 'r') {
    if (!gdb_number (text, &a->first) || !gdb_skip (text, ",") || !gdb_number (text, &a->end))
      return false;
  } else if (!strchr ("cst", letter))
    return false;
  *cpu = ALL_CPUS;
  return !gdb_skip (text, ":") || gdb_thread (s, text, cpu);
}

/* vCont;ACTION[:THREAD]...: the first that names a thread counts for it; who is not named stays. */
bool
gdb_vcont (GdbServer *s, const char *text)
{
  g_autofree Action *action = g_new0 (Action, s->cpus->len);
  bool good = true, any = false;
  if (strcmp (text, "?") == 0) {
    gdb_send (s, "vCont;c;C;s;S;t;r");
    return true;
  }
  while (good && gdb_skip (&text, ";")) {
    Action a;
    unsigned cpu;
    good = parse_action (s, &text, &a, &cpu);
    for (unsigned i = 0; good && i < s->cpus->len; i++)
      if ((cpu == ALL_CPUS || cpu == i) && !action[i].letter) {
        action[i] = a;
        any |= a.letter != 't';
      }
  }
  if (!good || *text || !any)
    gdb_send (s, GDB_EINVAL);
  else
    go_on (s, action);
  return true;
}

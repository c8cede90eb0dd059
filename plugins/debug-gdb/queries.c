/* queries.c -- q, Q and v packets: what the server can do, threads, descriptions, `monitor' commands. */
/* SPDX-License-Identifier: MIT */
#include "gdb.h"
#include <backplane/iface/console.h>
#include <string.h>

typedef void Handler (GdbServer *s, const char *rest);

/* --- features ------------------------------------------------------------------------------------ */

static void
supported (GdbServer *s, const char *rest)
{
  s->names_breaks = strstr (rest, "swbreak+") && strstr (rest, "hwbreak+");
  g_autofree char *text = g_strdup_printf ("PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+;swbreak+;hwbreak+", GDB_PACKET_MAX);
  gdb_send (s, text);
}

/* Files are handed out piece by piece: ANNEX:OFFSET,SIZE. */
static void
read_features (GdbServer *s, const char *rest)
{
  GdbCpu *c = gdb_cpu (s, s->current);
  const char *colon = strchr (rest, ':');
  uint64_t offset, size;
  g_autofree char *annex = colon ? g_strndup (rest, (gsize) (colon - rest)) : NULL;
  rest = colon ? colon + 1 : "";
  if (!gdb_number (&rest, &offset) || !gdb_skip (&rest, ",") || !gdb_number (&rest, &size) || *rest) {
    gdb_send (s, GDB_EINVAL);
    return;
  }
  g_autofree char *file = c->iface->description (c->cpu, s->view, annex);
  if (!file) {
    gdb_send (s, "E00");        /* of this object: the annex is not known */
    return;
  }
  size_t length = strlen (file);
  size_t from = MIN (offset, length), n = MIN (MIN (size, GDB_PACKET_MAX - 1), length - from);
  GString *reply = g_string_new (from + n < length ? "m" : "l");
  g_string_append_len (reply, file + from, (gssize) n);
  gdb_send_string (s, reply);
}

/* --- threads --------------------------------------------------------------------------------------- */

static void
first_threads (GdbServer *s, const char *rest)
{
  GString *reply = g_string_new ("m");
  for (unsigned i = 0; i < s->cpus->len; i++)
    g_string_append_printf (reply, "%s%x", i ? "," : "", i + 1);
  gdb_send_string (s, reply);
}

static void more_threads (GdbServer *s, const char *rest) { gdb_send (s, "l"); }

static void
thread_info (GdbServer *s, const char *rest)
{
  BpDebugPlace place = { .struct_size = sizeof place };
  unsigned cpu;
  if (!gdb_thread (s, &rest, &cpu) || *rest || cpu == ALL_CPUS) {
    gdb_send (s, GDB_EINVAL);
    return;
  }
  GdbCpu *c = gdb_cpu (s, cpu);
  c->iface->where (c->cpu, &place);
  g_autofree char *text = g_strdup_printf ("%s, %s mode, %s", bp_object_id (c->cpu), place.mode, place.halted ? "halted" : "running");
  GString *reply = g_string_new (NULL);
  gdb_hex (reply, text, strlen (text));
  gdb_send_string (s, reply);
}

static void
current_thread (GdbServer *s, const char *rest)
{
  g_autofree char *text = g_strdup_printf ("QC%x", s->current + 1);
  gdb_send (s, text);
}

/* --- `monitor' -------------------------------------------------------------------------------------- */

static void
show_architecture (GdbServer *s, const char *name, GString *out)
{
  GdbCpu *c = gdb_cpu (s, 0);
  const char *view;
  if (*name && gdb_view_by_name (s, name) >= 0 && bp_object_set (s, "architecture", name, NULL)) {
    g_string_append (out, "from the next connection on: disconnect, and connect again\n");
    return;
  }
  g_string_append_printf (out, "%sthis connection: %s; next: %s; one of: auto", *name ? "no such architecture; " : "",
                          c->iface->view (c->cpu, s->view), s->architecture);
  for (unsigned i = 0; (view = c->iface->view (c->cpu, i)); i++)
    g_string_append_printf (out, ", %s", view);
  g_string_append_c (out, '\n');
}

/* What there is without a monitor. */
static void
own_command (GdbServer *s, const char *line, GString *out)
{
  if (strcmp (line, "help") == 0)
    g_string_append (out, "architecture [NAME]  how the CPU is described to gdb\nreset, powerdown, quit  as on the machine's front\ninfo status  what it is doing\n"
                          "A monitor in the machine ([monitor], --monitor) has more.\n");
  else if (strcmp (line, "reset") == 0)
    bp_machine_request_reset (s->machine, "the debugger asked for it");
  else if (strcmp (line, "quit") == 0)
    bp_machine_request_shutdown (s->machine, 0, "the debugger ended it");
  else if (strcmp (line, "powerdown") == 0) {
    if (!bp_machine_request_powerdown (s->machine))
      g_string_append (out, "the machine has no power button\n");
  } else if (strcmp (line, "info status") == 0)
    g_string_append_printf (out, "%s\n", bp_run_state_name (bp_machine_run_state (s->machine)));
  else
    g_string_append_printf (out, "no such command: %s (try help)\n", line);
}

static void
execute (GdbServer *s, char *line, GString *out)
{
  unsigned cursor = 0;
  const char *rest = g_strstrip (line);
  if (gdb_skip (&rest, "architecture") && (!*rest || *rest == ' ')) {
    show_architecture (s, rest + (*rest == ' '), out);
    return;
  }
  void *console = bp_machine_next (s->machine, BP_CONSOLE_ID, &cursor);
  const BpConsoleIface *iface = console ? bp_object_interface (console, BP_CONSOLE_ID) : NULL;
  if (!BP_TABLE_HAS (iface, execute)) {
    own_command (s, line, out);
    return;
  }
  g_autofree char *answer = iface->execute (console, line);
  if (answer)
    g_string_append (out, answer);
}

static void
command (GdbServer *s, const char *rest)
{
  size_t n = strlen (rest) / 2;
  g_autofree char *line = g_malloc0 (n + 1);
  if (gdb_unhex (&rest, (uint8_t *) line, n) != n || *rest || !g_utf8_validate (line, -1, NULL)) {
    gdb_send (s, GDB_EINVAL);
    return;
  }
  GString *out = g_string_new (NULL);
  execute (s, line, out);
  gdb_send_console (s, out->str);
  gdb_send (s, GDB_OK);
  g_string_free (out, TRUE);
}

/* --- what QEMU's users know ------------------------------------------------------------------------------ */

static void sstep_bits (GdbServer *s, const char *rest) { gdb_send (s, "ENABLE=1,NOIRQ=2,NOTIMER=4"); }

static void
sstep (GdbServer *s, const char *rest)
{
  g_autofree char *text = g_strdup_printf ("0x%x", s->step);
  gdb_send (s, text);
}

static void
set_sstep (GdbServer *s, const char *rest)
{
  uint64_t value;
  gdb_skip (&rest, "0x");
  bool good = gdb_number (&rest, &value) && !*rest && value <= (STEP_ENABLE | STEP_NO_INTERRUPTS | STEP_NO_TIMERS) && value & STEP_ENABLE;
  if (good)
    s->step = (unsigned) value;
  gdb_send (s, good ? GDB_OK : GDB_EINVAL);
}

static void physical (GdbServer *s, const char *rest) { gdb_send (s, s->physical ? "1" : "0"); }

static void
set_physical (GdbServer *s, const char *rest)
{
  bool good = strcmp (rest, "0") == 0 || strcmp (rest, "1") == 0;
  if (good)
    s->physical = *rest == '1';
  gdb_send (s, good ? GDB_OK : GDB_EINVAL);
}

/* --- small answers ------------------------------------------------------------------------------------------ */

static void attached (GdbServer *s, const char *rest) { gdb_send (s, "1"); }     /* to something that was there before: quitting detaches */
static void symbols (GdbServer *s, const char *rest) { gdb_send (s, GDB_OK); }   /* none are wanted */
static void nothing (GdbServer *s, const char *rest) { gdb_send (s, ""); }

static void
no_acks (GdbServer *s, const char *rest)
{
  gdb_send (s, GDB_OK);
  s->acks = false;
}

/* --- tables -------------------------------------------------------------------------------------------------- */

typedef struct Row {
  const char *name;             /* with the character behind it, if there is always one */
  Handler *handle;
} Row;

static const Row queries[] = {
  { "Supported", supported }, { "Xfer:features:read:", read_features }, { "fThreadInfo", first_threads }, { "sThreadInfo", more_threads },
  { "ThreadExtraInfo,", thread_info }, { "C", current_thread }, { "Attached", attached }, { "Rcmd,", command }, { "Symbol:", symbols },
  { "Offsets", nothing }, { "qemu.sstepbits", sstep_bits }, { "qemu.sstep", sstep }, { "qemu.PhyMemMode", physical }, { NULL, NULL }
};
static const Row settings[] = {
  { "StartNoAckMode", no_acks }, { "qemu.sstep=", set_sstep }, { "qemu.sstep:", set_sstep }, { "qemu.PhyMemMode:", set_physical }, { NULL, NULL }
};

/* A name ends where the packet does, or at punctuation. */
static bool
look_up (GdbServer *s, const Row *row, const char *text)
{
  for (; row->name; row++) {
    const char *rest = text;
    if (gdb_skip (&rest, row->name) && (!g_ascii_isalnum (*rest) || !g_ascii_isalnum (rest[-1]))) {
      row->handle (s, rest);
      return true;
    }
  }
  return false;
}

bool gdb_query (GdbServer *s, const char *text) { return look_up (s, queries, text); }
bool gdb_set (GdbServer *s, const char *text) { return look_up (s, settings, text); }

bool
gdb_verbose (GdbServer *s, const char *text)
{
  return gdb_skip (&text, "Cont") && gdb_vcont (s, text);
}

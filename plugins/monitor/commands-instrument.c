/* commands-instrument.c -- commands about instruments: which there are, start, stop, and what they report. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <backplane/tcg/instrument.h>

/* NULL with error. */
static void *
instrument_object (Call *call, JsonObject *arguments, GError **error)
{
  const char *name = argument_string (arguments, "name");
  void *object = monitor_object (call, name, NULL, error);
  if (object && !bp_instrument_of (object))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Device '%s' is a %s and not an instrument", name, bp_object_type_name (object));
  return object;
}

/* --- list --------------------------------------------------------------------------------------- */

/* On how many of the vCPUs it runs. */
static unsigned
running_on (BpInstrument *instrument)
{
  unsigned n = 0;
  for (unsigned i = 0; i < bp_instrument_n_vcpus (instrument); i++)
    n += bp_instrument_is_running (instrument, i);
  return n;
}

static JsonNode *
instrument_list (Call *call, JsonObject *arguments, GError **error)
{
  JsonArray *list = json_array_new ();
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next_object (call->monitor->machine, &cursor));) {
    BpInstrument *instrument = bp_instrument_of (o);
    if (!instrument)
      continue;
    JsonObject *row = json_object_new ();
    json_object_set_string_member (row, "name", bp_object_id (o));
    json_object_set_string_member (row, "type", bp_object_type_name (o));
    json_object_set_boolean_member (row, "running", running_on (instrument) > 0);
    json_object_set_int_member (row, "running-cpus", running_on (instrument));
    json_array_add_object_element (list, row);
  }
  return node_take_array (list);
}

static void
print_instruments (JsonNode *result, GString *out)
{
  JsonArray *list = json_node_get_array (result);
  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonObject *row = json_array_get_object_element (list, i);
    g_string_append_printf (out, "%s (%s): %s\n", json_object_get_string_member (row, "name"), json_object_get_string_member (row, "type"),
                            json_object_get_boolean_member (row, "running") ? "running" : "stopped");
  }
  if (json_array_get_length (list) == 0)
    g_string_append (out, "The machine has no instrument.\n");
}

/* --- start, stop -------------------------------------------------------------------------------- */

static JsonNode *
set_running (Call *call, JsonObject *arguments, bool running, GError **error)
{
  void *object = instrument_object (call, arguments, error);
  if (!object)
    return NULL;
  bp_instrument_set_running (bp_instrument_of (object), running);
  return node_empty ();
}

static JsonNode *
instrument_start (Call *call, JsonObject *arguments, GError **error)
{
  return set_running (call, arguments, true, error);
}

static JsonNode *
instrument_stop (Call *call, JsonObject *arguments, GError **error)
{
  return set_running (call, arguments, false, error);
}

/* --- report ------------------------------------------------------------------------------------- */

/* For a program what the file would have, for people what the terminal shows. */
static JsonNode *
instrument_report (Call *call, JsonObject *arguments, GError **error)
{
  void *object = instrument_object (call, arguments, error);
  const char *file = argument_string (arguments, "file");
  if (!object)
    return NULL;
  if (file)
    return bp_instrument_write_report (object, file, error) ? node_empty () : NULL;
  if (call->console)
    return node_take_string (bp_instrument_report (object, BP_REPORT_FORM_TEXT));
  g_autofree char *text = bp_instrument_report (object, BP_REPORT_FORM_JSON);
  return json_from_string (text, error);
}

const Command instrument_commands[] = {
  BOTH ("x-instrument-list", "instrument-list", "instruments, and whether they run", instrument_list, .print = print_instruments, .alias = "info instruments"),
  BOTH ("x-instrument-start", "instrument-start", "let an instrument run", instrument_start, .arguments = { ARGUMENT ("name", INSTRUMENT) }),
  BOTH ("x-instrument-stop", "instrument-stop", "stop an instrument; it keeps what it has", instrument_stop, .arguments = { ARGUMENT ("name", INSTRUMENT) }),
  BOTH ("x-instrument-report", "instrument-report", "what an instrument has to say so far, or that into a file (.html, .txt, else JSON)", instrument_report,
    .arguments = { ARGUMENT ("name", INSTRUMENT), OPTIONAL ("file", FILE) }),
  COMMANDS_END
};

/* commands-input.c -- commands that press keys and move mice. */
/* SPDX-License-Identifier: MIT */
/*
 * A chord is a sequence: each key down, a wait, each key up again in the opposite order, a wait.  Sequences of several commands follow each other, in the
 * guest's time, so that a keyboard controller with a queue of 16 bytes takes them all and nothing is typed while the machine stands.
 */
#include "commands.h"
#include <backplane/iface/input.h>
#include <linux/input-event-codes.h>
#include <string.h>

/* QEMU's limit for what waits. */
#define MOST_STEPS 1024
#define LONGEST_HOLD_MS 60000

typedef struct KeyStep {
  unsigned code;                /* 0: wait */
  bool down;
  int64_t wait;                 /* ns */
} KeyStep;

/* --- the sequence ------------------------------------------------------------------------------------------ */

/* [locked]: until there is something to wait for. */
static void
keys_run (void *user)
{
  Monitor *m = user;
  KeyStep *step;
  while ((step = g_queue_pop_head (m->keys))) {
    KeyStep s = *step;
    g_free (step);
    if (s.code) {
      bp_input_send_key (m->machine, s.code, s.down);
    } else {
      bp_timer_arm (m->key_timer, bp_clock_now (m->machine, BP_CLOCK_VIRTUAL) + s.wait);
      break;
    }
  }
}

void
keys_init (Monitor *m, void *self)
{
  m->keys = g_queue_new ();
  m->key_timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, keys_run, m);
}

void
keys_finish (Monitor *m)
{
  bp_machine_lock (m->machine);
  bp_timer_cancel (m->key_timer);
  bp_timer_free (m->key_timer);
  g_queue_free_full (m->keys, g_free);
  bp_machine_unlock (m->machine);
}

void
keys_resume (Monitor *m)
{
  bp_machine_lock (m->machine);
  int64_t now = bp_clock_now (m->machine, BP_CLOCK_VIRTUAL);
  if (bp_timer_is_armed (m->key_timer) && bp_timer_expiry (m->key_timer) > now + LONGEST_HOLD_MS * INT64_C (1000000))
    bp_timer_arm (m->key_timer, now);
  bp_machine_unlock (m->machine);
}

static void
push (Monitor *m, unsigned code, bool down, int64_t wait)
{
  KeyStep *step = g_new (KeyStep, 1);
  *step = (KeyStep) { code, down, wait };
  g_queue_push_tail (m->keys, step);
}

/* Returns false when too much waits already. */
static bool
press_chord (Monitor *m, const unsigned *codes, unsigned n, int64_t hold)
{
  bp_machine_lock (m->machine);
  bool room = g_queue_get_length (m->keys) + 4 * n <= MOST_STEPS, idle = !bp_timer_is_armed (m->key_timer);
  for (unsigned i = 0; room && i < n; i++) {
    push (m, codes[i], true, 0);
    push (m, 0, false, hold);
  }
  for (unsigned i = n; room && i-- > 0;) {
    push (m, codes[i], false, 0);
    push (m, 0, false, hold);
  }
  if (room && idle)
    keys_run (m);
  bp_machine_unlock (m->machine);
  return room;
}

/* --- keys ---------------------------------------------------------------------------------------------------- */

/* A number is a scan code of the PC's first set; bit 7 stands for the prefix 0xe0.  Linux's codes follow the set without a prefix up to 0x58. */
static unsigned
code_of_number (int64_t number)
{
  static const struct { uint8_t number, code; } prefixed[] = {
    { 0x9c, KEY_KPENTER }, { 0x9d, KEY_RIGHTCTRL }, { 0xb5, KEY_KPSLASH }, { 0xb7, KEY_SYSRQ }, { 0xb8, KEY_RIGHTALT }, { 0xc6, KEY_PAUSE },
    { 0xc7, KEY_HOME }, { 0xc8, KEY_UP }, { 0xc9, KEY_PAGEUP }, { 0xcb, KEY_LEFT }, { 0xcd, KEY_RIGHT }, { 0xcf, KEY_END }, { 0xd0, KEY_DOWN },
    { 0xd1, KEY_PAGEDOWN }, { 0xd2, KEY_INSERT }, { 0xd3, KEY_DELETE }, { 0xdb, KEY_LEFTMETA }, { 0xdc, KEY_RIGHTMETA }, { 0xdd, KEY_COMPOSE }
  };
  if (number > 0 && number <= 0x58)
    return (unsigned) number;
  for (guint i = 0; i < G_N_ELEMENTS (prefixed); i++)
    if (prefixed[i].number == number)
      return prefixed[i].code;
  return 0;
}

/* {"type": "qcode", "data": "ctrl"}, {"type": "number", "data": 29}; 0 with error. */
static unsigned
code_of_key (JsonNode *node, const char *where, GError **error)
{
  static const Command shape = { .arguments = { ARGUMENT ("type", STRING), ARGUMENT ("data", ANY) } };
  if (json_node_get_node_type (node) != JSON_NODE_OBJECT)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Invalid parameter type for '%s', expected: object", where), 0;
  JsonObject *key = json_node_get_object (node);
  if (!command_check (&shape, key, error))
    return 0;
  const char *type = json_object_get_string_member (key, "type");
  bool number = strcmp (type, "number") == 0;
  if (!number && strcmp (type, "qcode") != 0)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter 'type' does not accept value '%s'", type), 0;
  const Command data = { .arguments = { ARGUMENT ("type", ANY), { "data", number ? ARGUMENT_INTEGER : ARGUMENT_STRING } } };
  if (!command_check (&data, key, error))
    return 0;
  unsigned code = number ? code_of_number (json_object_get_int_member (key, "data")) : bp_input_key_code (json_object_get_string_member (key, "data"));
  if (!code && number)
    monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter 'data' is not a key's number");
  else if (!code)
    monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter 'data' does not accept value '%s'", json_object_get_string_member (key, "data"));
  return code;
}

static bool
takes (Monitor *m, uint32_t kind)
{
  unsigned cursor = 0;
  bool any = false;
  bp_machine_lock (m->machine);
  for (void *o; !any && (o = bp_machine_next (m->machine, BP_INPUT_ID, &cursor));) {
    const BpInputIface *t = bp_object_interface (o, BP_INPUT_ID);
    any = BP_TABLE_HAS (t, kinds) && t->kinds (o) & kind;
  }
  bp_machine_unlock (m->machine);
  return any;
}

static JsonNode *
send_key (Call *call, JsonObject *arguments, GError **error)
{
  JsonArray *keys = json_object_get_array_member (arguments, "keys");
  int64_t hold = argument_int (arguments, "hold-time", 100);
  unsigned n = json_array_get_length (keys), codes[16];
  if (n > G_N_ELEMENTS (codes))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "at most %zu keys at a time", G_N_ELEMENTS (codes));
  for (unsigned i = 0; i < n; i++) {
    g_autofree char *where = g_strdup_printf ("keys[%u]", i);
    if (!(codes[i] = code_of_key (json_array_get_element (keys, i), where, error)))
      return NULL;
  }
  if (!takes (call->monitor, BP_INPUT_KEYS))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Input handler not found for event type key");
  if (!press_chord (call->monitor, codes, n, CLAMP (hold, 0, LONGEST_HOLD_MS) * 1000000))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "too many keys wait already");
  return node_empty ();
}

/* --- events ----------------------------------------------------------------------------------------------------- */

static const struct { const char *name; uint32_t bit; int wheel; } buttons[] = {
  { "left", BP_INPUT_LEFT, 0 }, { "middle", BP_INPUT_MIDDLE, 0 }, { "right", BP_INPUT_RIGHT, 0 }, { "wheel-up", 0, -1 }, { "wheel-down", 0, 1 },
  { "side", BP_INPUT_SIDE, 0 }, { "extra", BP_INPUT_EXTRA, 0 }
};

/* What the events of one command have come to. */
typedef struct Motion {
  bool relative, absolute;      /* there is something to send */
  int dx, dy, wheel;
} Motion;

/* An event's `data', checked against a row. */
static JsonObject *
event_data (JsonObject *event, const Command *shape, GError **error)
{
  JsonNode *node = json_object_get_member (event, "data");
  if (json_node_get_node_type (node) != JSON_NODE_OBJECT)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Invalid parameter type for 'data', expected: object");
  return command_check (shape, json_node_get_object (node), error) ? json_node_get_object (node) : NULL;
}

static bool
key_event (Call *call, JsonObject *event, Motion *motion, bool act, GError **error)
{
  static const Command shape = { .arguments = { ARGUMENT ("key", ANY), ARGUMENT ("down", BOOL) } };
  JsonObject *data = event_data (event, &shape, error);
  unsigned code = data ? code_of_key (json_object_get_member (data, "key"), "key", error) : 0;
  if (code && act)
    bp_input_send_key (call->monitor->machine, code, json_object_get_boolean_member (data, "down"));
  return code;
}

static bool
button_event (Call *call, JsonObject *event, Motion *motion, bool act, GError **error)
{
  static const Command shape = { .arguments = { ARGUMENT ("button", STRING), ARGUMENT ("down", BOOL) } };
  JsonObject *data = event_data (event, &shape, error);
  const char *name = data ? json_object_get_string_member (data, "button") : NULL;
  for (guint i = 0; name && i < G_N_ELEMENTS (buttons); i++) {
    if (strcmp (name, buttons[i].name) != 0)
      continue;
    bool down = json_object_get_boolean_member (data, "down");
    if (act) {
      call->monitor->buttons = down ? call->monitor->buttons | buttons[i].bit : call->monitor->buttons & ~buttons[i].bit;
      motion->wheel += down ? buttons[i].wheel : 0;
      *(takes (call->monitor, BP_INPUT_ABSOLUTE) ? &motion->absolute : &motion->relative) = true;
    }
    return true;
  }
  if (name)
    monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter 'button' does not accept value '%s'", name);
  return false;
}

static const char *const axes[] = { "x", "y", NULL };
static const Command move_shape = { .arguments = { ARGUMENT ("axis", ENUM, .names = axes), ARGUMENT ("value", INTEGER) } };

static bool
relative_event (Call *call, JsonObject *event, Motion *motion, bool act, GError **error)
{
  JsonObject *data = event_data (event, &move_shape, error);
  if (data && act) {
    int value = (int) CLAMP (json_object_get_int_member (data, "value"), -32768, 32767);
    *(*json_object_get_string_member (data, "axis") == 'x' ? &motion->dx : &motion->dy) += value;
    motion->relative = true;
  }
  return data;
}

static bool
absolute_event (Call *call, JsonObject *event, Motion *motion, bool act, GError **error)
{
  JsonObject *data = event_data (event, &move_shape, error);
  if (data && act) {
    int64_t value = CLAMP (json_object_get_int_member (data, "value"), 0, BP_INPUT_ABSOLUTE_MAX);
    call->monitor->absolute[*json_object_get_string_member (data, "axis") == 'y'] = (unsigned) value;
    motion->absolute = true;
  }
  return data;
}

static const struct {
  const char *type;
  uint32_t kinds;               /* one of them has to be taken */
  bool (*take) (Call *call, JsonObject *event, Motion *motion, bool act, GError **error);
} events[] = {
  { "key", BP_INPUT_KEYS, key_event },
  { "btn", BP_INPUT_RELATIVE | BP_INPUT_ABSOLUTE, button_event },
  { "rel", BP_INPUT_RELATIVE, relative_event },
  { "abs", BP_INPUT_ABSOLUTE, absolute_event }
};

static bool
take_event (Call *call, JsonNode *node, Motion *motion, bool act, GError **error)
{
  static const Command shape = { .arguments = { ARGUMENT ("type", STRING), ARGUMENT ("data", ANY) } };
  if (json_node_get_node_type (node) != JSON_NODE_OBJECT)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Invalid parameter type for 'events', expected: object");
  JsonObject *event = json_node_get_object (node);
  if (!command_check (&shape, event, error))
    return false;
  const char *type = json_object_get_string_member (event, "type");
  for (guint i = 0; i < G_N_ELEMENTS (events); i++) {
    if (strcmp (type, events[i].type) != 0)
      continue;
    if (!takes (call->monitor, events[i].kinds))
      return monitor_fail (error, MONITOR_ERROR_GENERIC, "Input handler not found for event type %s", type);
    return events[i].take (call, event, motion, act, error);
  }
  return monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter 'type' does not accept value '%s'", type);
}

static void
send_motion (Monitor *m, const Motion *motion)
{
  if (motion->relative)
    bp_input_send_relative (m->machine, motion->dx, motion->dy, motion->wheel, m->buttons);
  if (motion->absolute)
    bp_input_send_absolute (m->machine, m->absolute[0], m->absolute[1], motion->wheel, m->buttons);
}

/* All are looked at before the first is done. */
static JsonNode *
input_send_event (Call *call, JsonObject *arguments, GError **error)
{
  JsonArray *list = json_object_get_array_member (arguments, "events");
  Motion motion = { 0 };
  if (argument_string (arguments, "device") && !monitor_object (call, argument_string (arguments, "device"), NULL, error))
    return NULL;
  for (int act = 0; act < 2; act++)
    for (guint i = 0; i < json_array_get_length (list); i++)
      if (!take_event (call, json_array_get_element (list, i), &motion, act, error))
        return NULL;
  send_motion (call->monitor, &motion);
  return node_empty ();
}

/* --- the console's -------------------------------------------------------------------------------------------------- */

static JsonNode *
mouse_move (Call *call, JsonObject *arguments, GError **error)
{
  Motion motion = { .dx = (int) CLAMP (argument_int (arguments, "dx", 0), -32768, 32767), .dy = (int) CLAMP (argument_int (arguments, "dy", 0), -32768, 32767),
                    .wheel = (int) CLAMP (argument_int (arguments, "dz", 0), -128, 127), .relative = true };
  if (!takes (call->monitor, BP_INPUT_RELATIVE))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "the guest uses no mouse now");
  send_motion (call->monitor, &motion);
  return node_empty ();
}

static JsonNode *
mouse_button (Call *call, JsonObject *arguments, GError **error)
{
  int64_t state = argument_int (arguments, "state", 0);
  bool absolute = takes (call->monitor, BP_INPUT_ABSOLUTE);
  Motion motion = { .absolute = absolute, .relative = !absolute };
  if (!absolute && !takes (call->monitor, BP_INPUT_RELATIVE))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "the guest uses no mouse now");
  call->monitor->buttons = (state & 1 ? BP_INPUT_LEFT : 0) | (state & 2 ? BP_INPUT_MIDDLE : 0) | (state & 4 ? BP_INPUT_RIGHT : 0);
  send_motion (call->monitor, &motion);
  return node_empty ();
}

static JsonNode *
query_mice (Call *call, JsonObject *arguments, GError **error)
{
  JsonArray *list = json_array_new ();
  unsigned cursor = 0;
  bool current = true;
  for (void *o; (o = bp_machine_next (call->monitor->machine, BP_INPUT_ID, &cursor));) {
    const BpInputIface *t = bp_object_interface (o, BP_INPUT_ID);
    bp_machine_lock (call->monitor->machine);
    uint32_t kinds = BP_TABLE_HAS (t, kinds) ? t->kinds (o) : 0;
    bp_machine_unlock (call->monitor->machine);
    if (!(kinds & (BP_INPUT_RELATIVE | BP_INPUT_ABSOLUTE)))
      continue;
    JsonObject *mouse = json_object_new ();
    json_object_set_string_member (mouse, "name", bp_object_id (o));
    json_object_set_int_member (mouse, "index", json_array_get_length (list));
    json_object_set_boolean_member (mouse, "current", current);
    json_object_set_boolean_member (mouse, "absolute", (kinds & BP_INPUT_ABSOLUTE) != 0);
    json_array_add_object_element (list, mouse);
    current = false;
  }
  return node_take_array (list);
}

static void
print_mice (JsonNode *result, GString *out)
{
  JsonArray *list = json_node_get_array (result);
  if (json_array_get_length (list) == 0)
    g_string_append (out, "the guest uses no mouse now\n");
  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonObject *m = json_array_get_object_element (list, i);
    g_string_append_printf (out, "%c Mouse #%u: %s%s\n", json_object_get_boolean_member (m, "current") ? '*' : ' ', i,
                            json_object_get_string_member (m, "name"), json_object_get_boolean_member (m, "absolute") ? " (absolute)" : "");
  }
}

/* --- rows -------------------------------------------------------------------------------------------------------------- */

const Command input_commands[] = {
  BOTH ("send-key", "sendkey", "press keys together: sendkey ctrl-alt-f1; after hold-time milliseconds (100) they are released", send_key,
    .arguments = { ARGUMENT ("keys", KEYS), OPTIONAL ("hold-time", INTEGER) }),
  QMP ("input-send-event", input_send_event,
    .arguments = { ARGUMENT ("events", ARRAY), OPTIONAL ("device", STRING), OPTIONAL ("head", INTEGER) }),
  CONSOLE ("mouse_move", "move the mouse, and its wheel", mouse_move,
    .arguments = { ARGUMENT ("dx", INTEGER), ARGUMENT ("dy", INTEGER), OPTIONAL ("dz", INTEGER) }),
  CONSOLE ("mouse_button", "hold these buttons: 1 left, 2 middle, 4 right, added up; 0 none", mouse_button,
    .arguments = { ARGUMENT ("state", INTEGER) }),
  BOTH ("query-mice", "info mice", "mice that the guest uses", query_mice, .print = print_mice),
  COMMANDS_END
};

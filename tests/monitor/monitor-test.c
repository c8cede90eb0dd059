/* monitor-test.c -- a small machine for tests of monitors, without a program that runs on it. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "monitor-test.h"
#include "monitor/console.h"
#include "monitor/qmp.h"
#include "testing/testing.h"
#include "../types.h"
#include <backplane/iface/block.h>
#include <backplane/iface/net.h>
#include <backplane/iface/cpu-debug.h>
#include <backplane/iface/input.h>
#include <backplane/iface/screen.h>
#include <check.h>
#include <string.h>

GString *monitor_test_input, *monitor_test_events;
static BpMachine *machine;
static Monitor *monitor;
static MonitorSink sink;

/* --- test-cpu --------------------------------------------------------------------------------------- */

typedef struct Cpu {
  uint32_t nothing;
} Cpu;

static const BpDebugRegister registers[] = {
  { "rax", 64, 0, "int64", "general", "core" }, { "rip", 64, BP_DEBUG_PC, "code_ptr", "general", "core" },
  { "rsp", 64, BP_DEBUG_SP, "data_ptr", "general", "core" }, { "eflags", 32, 0, "int32", "general", "core" },
  { "xmm0", 128, 0, "vec128", "vector", "sse" }
};
static const uint64_t values[] = { UINT64_C (0x1122334455667788), 0x10, 0x20, 2, 0x33 };

static const char *cpu_view (void *self, unsigned view) { return view == 0 ? "test" : NULL; }
static const BpDebugRegister *cpu_reg (void *self, unsigned view, unsigned n) { return n < G_N_ELEMENTS (registers) ? &registers[n] : NULL; }

static unsigned
cpu_get_register (void *self, unsigned view, unsigned n, uint8_t bytes[BP_DEBUG_REGISTER_BYTES])
{
  memset (bytes, 0, 16);
  memcpy (bytes, &values[n], 8);
  return registers[n].bits / 8;
}

static void
cpu_where (void *self, BpDebugPlace *place)
{
  *place = (BpDebugPlace) { .struct_size = sizeof *place, .code_bits = 32, .pc = 0x10, .address = 0x1010, .sp_address = 0x20, .mode = "protected" };
}

static bool
cpu_translate (void *self, uint64_t address, BpDebugPage *page)
{
  page->physical = address + 0x1000;
  return address < 0x10000;
}

static uint64_t
cpu_read_memory (void *self, uint64_t address, void *buffer, uint64_t size)
{
  uint64_t there = address < 0x10000 ? MIN (size, 0x10000 - address) : 0;
  bp_as_read (bp_machine_address_space (machine, "memory"), address + 0x1000, buffer, there);
  return there;
}

static unsigned
cpu_disassemble (void *self, uint64_t address, unsigned bits, char *text, size_t size)
{
  g_snprintf (text, size, "nop");
  return address < 0x10000 ? 2 : 0;
}

static const BpCpuDebugIface cpu_iface = {
  .struct_size = sizeof cpu_iface, .view = cpu_view, .reg = cpu_reg, .get_register = cpu_get_register, .where = cpu_where, .translate = cpu_translate,
  .read_memory = cpu_read_memory, .disassemble = cpu_disassemble
};
static const BpInterfaceDesc cpu_interfaces[] = { { BP_CPU_DEBUG_ID, &cpu_iface }, { NULL, NULL } };
static const BpTypeDesc cpu_type = {
  BP_TYPE ("test-cpu", BP_KIND_CPU, Cpu), .description = "a CPU that only shows itself", .interfaces = cpu_interfaces
};

/* --- test-screen --------------------------------------------------------------------------------------- */

typedef struct Screen {
  bool blank;
  uint32_t heads;
  char *password;
} Screen;

static void
screen_update (void *self, BpScreenFrame *frame)
{
  static const uint32_t pixels[8] = { 0xff0000, 0x00ff00, 0x0000ff, 0xffffff, 0, 0x010203, 0x808080, 0xfefdfc };
  if (((Screen *) self)->blank)
    return;
  frame->width = 4;
  frame->height = 2;
  g_free (frame->pixels);
  frame->pixels = g_memdup2 (pixels, sizeof pixels);
}

static uint32_t screen_heads (void *self) { return ((Screen *) self)->heads; }

/* Of the second on a picture is one dot. */
static void
screen_update_head (void *self, uint32_t head, BpScreenFrame *frame)
{
  frame->width = frame->height = 1;
  g_free (frame->pixels);
  frame->pixels = g_memdup2 (&head, sizeof head);
}

static const BpScreenIface screen_iface = {
  .struct_size = sizeof screen_iface, .update = screen_update, .heads = screen_heads, .update_head = screen_update_head
};
static const BpInterfaceDesc screen_interfaces[] = { { BP_SCREEN_ID, &screen_iface }, { NULL, NULL } };
static const BpProperty screen_properties[] = { BP_PROP_BOOL ("blank", Screen, blank, false, "Whether there is no picture."),
  BP_PROP_U32_RANGE ("heads", Screen, heads, 1, 1, 4, "Pictures."),
  BP_PROP_ ("password", BP_PROPERTY_STRING, Screen, password, .flags = BP_PROPERTY_RUNTIME | BP_PROPERTY_SECRET, .help = "Of those who look."), BP_PROP_END };
static const BpTypeDesc screen_type = {
  BP_TYPE ("test-screen", BP_KIND_DEVICE, Screen), .description = "a screen", .properties = screen_properties, .interfaces = screen_interfaces
};

/* --- test-network, test-nic ---------------------------------------------------------------------------------- */

typedef struct Network {
  bool down;
} Network;

static void
network_info (void *self, BpNetInfo *info)
{
  info->link_up = !((Network *) self)->down;
  info->takes = BP_NET_CHECKSUM;
  info->packets[0] = 3, info->bytes[0] = 180;
  info->packets[1] = 4, info->bytes[1] = 240;
  g_strlcpy (info->what, "test, nobody", sizeof info->what);
}

static void network_set_link (void *self, bool up) { ((Network *) self)->down = !up; }
static const BpNetIface network_iface = { .struct_size = sizeof network_iface, .info = network_info, .set_link = network_set_link };
static const BpInterfaceDesc network_interfaces[] = { { BP_NET_ID, &network_iface }, { NULL, NULL } };
static const BpTypeDesc network_type = {
  BP_TYPE ("test-network", BP_KIND_BACKEND, Network), .description = "a network", .interfaces = network_interfaces
};

typedef struct Nic {
  BpLink backend;
} Nic;
static const BpProperty nic_properties[] = { BP_PROP_LINK ("backend", Nic, backend, BP_NET_ID, 0, "Its network."), BP_PROP_END };
static const BpTypeDesc nic_type = { BP_TYPE ("test-nic", BP_KIND_DEVICE, Nic), .description = "its device", .properties = nic_properties };

/* --- test-drive, test-disk -------------------------------------------------------------------------------- */

typedef struct Drive {
  char *file;
  bool read_only;
  char *medium;                 /* NULL: none */
  uint64_t size;                /* of any */
  char *cache;
  const BpBlockHandlers *handlers;
  void *user;
} Drive;

static bool
drive_attach (void *self, const BpBlockHandlers *handlers, void *user)
{
  Drive *d = self;
  d->handlers = handlers;
  d->user = user;
  return true;
}

static void
drive_info (void *self, BpBlockInfo *info)
{
  const Drive *d = self;
  info->inserted = d->medium != NULL;
  if (!d->medium)
    return;
  info->read_only = d->read_only;
  info->size = d->size ? d->size : 1024;
  info->bytes[0] = 512;
  info->requests[0] = 1;
  g_strlcpy (info->file, d->medium, sizeof info->file);
  g_strlcpy (info->format, "raw", sizeof info->format);
}

static bool
drive_insert (void *self, const char *file, const char *format, bool read_only, GError **error)
{
  Drive *d = self;
  if (g_strcmp0 (format, "qcow2") == 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s is no qcow2 image", file);
    return false;
  }
  g_free (d->medium);
  d->medium = g_strdup (file);
  d->read_only = read_only;
  return true;
}

static bool
drive_eject (void *self, bool force, GError **error)
{
  Drive *d = self;
  if (!force && d->medium && d->handlers && d->handlers->may_eject && !d->handlers->may_eject (d->user)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the guest has locked the drive");
    return false;
  }
  g_clear_pointer (&d->medium, g_free);
  return true;
}

static bool
drive_resize (void *self, uint64_t size, GError **error)
{
  Drive *d = self;
  if (size % BP_BLOCK_SECTOR) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "no whole sectors");
    return false;
  }
  d->size = size;
  return true;
}

static bool
drive_realize (void *self, GError **error)
{
  ((Drive *) self)->medium = g_strdup (((Drive *) self)->file);
  return true;
}

static void drive_unrealize (void *self) { g_clear_pointer (&((Drive *) self)->medium, g_free); }

static const BpBlockIface drive_iface = {
  .struct_size = sizeof drive_iface, .attach = drive_attach, .info = drive_info, .insert = drive_insert, .eject = drive_eject,
  .resize = drive_resize
};
static const BpInterfaceDesc drive_interfaces[] = { { BP_BLOCK_ID, &drive_iface }, { NULL, NULL } };
static const BpProperty drive_properties[] = {
  BP_PROP_STRING ("file", Drive, file, NULL, "The medium at the start."), BP_PROP_BOOL ("read-only", Drive, read_only, false, "Whether."),
  BP_PROP_STRING ("cache", Drive, cache, NULL, "As block-image has it."), BP_PROP_END
};
static const BpTypeDesc drive_type = {
  BP_TYPE ("test-drive", BP_KIND_BACKEND, Drive), .description = "a drive", .properties = drive_properties, .interfaces = drive_interfaces,
  .realize = drive_realize, .unrealize = drive_unrealize
};

typedef struct Disk {
  BpLink backend;
  bool locked;
  int media;
} Disk;

static bool disk_may_eject (void *user) { return !((Disk *) user)->locked; }

static bool
disk_realize (void *self, GError **error)
{
  static const BpBlockHandlers handlers = { .struct_size = sizeof handlers, .may_eject = disk_may_eject };
  return bp_block_attach (&((Disk *) self)->backend, &handlers, self);
}

static void disk_unrealize (void *self) { bp_block_attach (&((Disk *) self)->backend, NULL, NULL); }

static const char *const media[] = { "cdrom", "disk", NULL };
static const BpProperty disk_properties[] = {
  BP_PROP_LINK ("backend", Disk, backend, BP_BLOCK_ID, 0, "The drive."), BP_PROP_ENUM ("media", Disk, media, 0, media, "What it is."),
  BP_PROP_ ("locked", BP_PROPERTY_BOOL, Disk, locked, .flags = BP_PROPERTY_RUNTIME, .help = "Whether the door is."), BP_PROP_END
};
static const BpTypeDesc disk_type = {
  BP_TYPE ("test-disk", BP_KIND_DEVICE, Disk), .description = "a disk", .properties = disk_properties, .realize = disk_realize, .unrealize = disk_unrealize
};

/* --- test-input -------------------------------------------------------------------------------------------- */

typedef struct Input {
  uint32_t kinds;
} Input;

static uint32_t input_kinds (void *self) { return ((Input *) self)->kinds; }
static void input_key (void *self, unsigned code, bool down) { g_string_append_printf (monitor_test_input, "key %u %s;", code, down ? "down" : "up"); }

static void
input_relative (void *self, int dx, int dy, int wheel, uint32_t buttons)
{
  g_string_append_printf (monitor_test_input, "rel %d %d %d %u;", dx, dy, wheel, buttons);
}

static void
input_absolute (void *self, unsigned x, unsigned y, int wheel, uint32_t buttons)
{
  g_string_append_printf (monitor_test_input, "abs %u %u %d %u;", x, y, wheel, buttons);
}

static const BpInputIface input_iface = {
  .struct_size = sizeof input_iface, .kinds = input_kinds, .key = input_key, .relative = input_relative, .absolute = input_absolute
};
static const BpInterfaceDesc input_interfaces[] = { { BP_INPUT_ID, &input_iface }, { NULL, NULL } };
static const BpProperty input_properties[] = { BP_PROP_U32 ("kinds", Input, kinds, 7, "What it takes."), BP_PROP_END };
static const BpTypeDesc input_type = {
  BP_TYPE ("test-input", BP_KIND_DEVICE, Input), .description = "keyboard, mouse and tablet", .properties = input_properties, .interfaces = input_interfaces
};

/* --- the machine ---------------------------------------------------------------------------------------------- */

static void
on_event (void *user, const char *name, JsonObject *data)
{
  g_string_append (monitor_test_events, name);
  if (data) {
    JsonNode *node = json_node_init_object (json_node_alloc (), data);
    g_string_append_c (monitor_test_events, ' ');
    json_print (node, monitor_test_events);
    json_node_free (node);
  }
  g_string_append_c (monitor_test_events, ';');
}

BpMachine *
monitor_test_machine (const char *sections)
{
  static const BpTypeDesc *const types[] = { &cpu_type, &stand_in_ram, &screen_type, &network_type, &nic_type, &drive_type, &disk_type, &input_type, &monitor_qmp_type, &monitor_console_type, NULL };
  g_autofree char *errors = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strconcat ("[machine]\ndescription = a test\n[accel]\ntype = toy-accel\n[cpu]\ntype = test-cpu\n[memory ram]\ntype = test-ram\n"
                                       "size = 128k\nram = memory@0\n", sections, NULL);
  toy_register ();
  types_register (types);
  monitor_test_input = g_string_new (NULL);
  monitor_test_events = g_string_new (NULL);
  machine = toy_build (text, NULL, &errors);
  ck_assert_msg (machine != NULL, "%s", errors);
  ck_assert_msg (machine_realize (machine, &error), "%s", error ? error->message : "");
  full_machine (machine)->started = true;
  monitor = monitor_ref (bp_machine_find (machine, "ram"));
  sink = (MonitorSink) { on_event, NULL };
  monitor_add_sink (monitor, &sink);
  return machine;
}

void
monitor_test_end (void)
{
  monitor_remove_sink (monitor, &sink);
  monitor_unref (monitor);
  toy_free (machine);
  g_string_free (monitor_test_input, TRUE);
  g_string_free (monitor_test_events, TRUE);
}

char *
monitor_test_line (const char *line)
{
  static unsigned cpu;
  Call call = { .monitor = monitor, .cpu = &cpu, .console = true };
  return command_execute_all (&call, line);
}

static void on_message (void *user, JsonNode *message) { *(JsonNode **) user = message; }
static void on_error (void *user, const char *why) { ck_abort_msg ("%s", why); }

char *
monitor_test_qmp (const char *text)
{
  static const JsonStreamClient client = { on_message, on_error };
  unsigned cpu = 0;
  QmpDialogue dialogue = { .call = { .monitor = monitor, .cpu = &cpu }, .negotiated = true };
  JsonNode *message = NULL;
  JsonStream *stream = json_stream_new (&client, &message);
  GString *out = g_string_new (NULL);
  json_stream_feed (stream, text, strlen (text));
  ck_assert_msg (message != NULL, "%s is no message", text);
  qmp_dispatch (&dialogue, message, out);
  while (dialogue.call.job && !qmp_continue (&dialogue, out))
    ;
  json_node_free (message);
  json_stream_free (stream);
  g_string_truncate (out, out->len - strlen ("\r\n"));
  return g_string_free (out, FALSE);
}

void
monitor_test_turn (bool (*until) (void))
{
  gint64 end = patience_ends (20);
  while (until ? !until () && g_get_monotonic_time () < end : g_main_context_pending (NULL))
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (200);
}

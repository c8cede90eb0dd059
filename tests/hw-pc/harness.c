/* harness.c -- the machine of a device test, and the types that stand in for what a device needs. */
/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "harness-block.h"
#include "snapshot.h"
#include <backplane/iface/char.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/iface/memory-backend.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>
#include "build.h"

struct Harness {
  Descriptor *descriptor;
  BpMachine *machine;
};

/* --- harness-clock ------------------------------------------------------------------------ */

typedef struct Clock {
  int64_t now;
} Clock;

static int64_t clock_time (void *self) { return ((Clock *) self)->now; }
static void clock_moved (void *self, int64_t at) { }
static const BpAccelIface clock_iface = { .struct_size = sizeof (BpAccelIface), .virtual_time = clock_time, .timer_moved = clock_moved };
static const BpInterfaceDesc clock_interfaces[] = { { BP_ACCEL_ID, &clock_iface }, { NULL, NULL } };
static const BpTypeDesc clock_type = {
  BP_TYPE ("harness-clock", BP_KIND_ACCEL, Clock), .description = "Virtual time under the test's hand", .interfaces = clock_interfaces
};

/* --- harness-ram -------------------------------------------------------------------------- */

typedef struct Ram {
  uint64_t size;
  uint8_t *host;
  BpRegion *region;
} Ram;

static bool
ram_configure (void *self, GError **error)
{
  Ram *r = self;
  r->host = g_aligned_alloc0 (1, r->size, 4096);
  r->region = bp_region_new_ram (self, "ram", r->host, r->size);
  bp_region_publish (self, r->region, "The memory.");
  return true;
}

static void
ram_unrealize (void *self)
{
  Ram *r = self;
  bp_region_free (r->region);
  r->region = NULL;
  g_clear_pointer (&r->host, g_aligned_free);
}

static BpRegion *ram_region (void *self) { return ((Ram *) self)->region; }
static uint64_t ram_size (void *self) { return ((Ram *) self)->size; }
static int ram_fd (void *self) { return -1; }
static const BpMemoryBackendIface ram_iface = { .struct_size = sizeof ram_iface, .region = ram_region, .size = ram_size, .fd = ram_fd };
static const BpInterfaceDesc ram_interfaces[] = { { BP_MEMORY_BACKEND_ID, &ram_iface }, { NULL, NULL } };
static const BpProperty ram_properties[] = {
  BP_PROP_SIZE_REQUIRED ("size", Ram, size, 4096, UINT64_C (1) << 32, "Bytes of memory."), BP_PROP_END
};
static const BpTypeDesc ram_type = {
  BP_TYPE ("harness-ram", BP_KIND_MEMORY, Ram), .description = "Memory of a test", .properties = ram_properties, .interfaces = ram_interfaces,
  .configure = ram_configure, .unrealize = ram_unrealize
};

/* --- harness-char --------------------------------------------------------------------------- */

typedef struct Char {
  const BpCharHandlers *handlers;
  void *user;
  GString *text;
} Char;

static bool
char_attach (void *self, const BpCharHandlers *handlers, void *user)
{
  Char *c = self;
  if (handlers && c->handlers)
    return false;
  c->handlers = handlers;
  c->user = user;
  return true;
}

static void
char_write (void *self, const uint8_t *data, size_t size)
{
  Char *c = self;
  g_string_append_len (c->text, (const char *) data, (gssize) size);
}

static void char_accept (void *self) { }

static bool
char_realize (void *self, GError **error)
{
  ((Char *) self)->text = g_string_new (NULL);
  return true;
}

static void
char_unrealize (void *self)
{
  Char *c = self;
  if (c->text)
    g_string_free (c->text, TRUE);
  c->text = NULL;
}

static const BpCharIface char_iface = { .struct_size = sizeof char_iface, .attach = char_attach, .write = char_write, .accept_input = char_accept };
static const BpInterfaceDesc char_interfaces[] = { { BP_CHAR_ID, &char_iface }, { NULL, NULL } };
static const BpTypeDesc char_type = {
  BP_TYPE ("harness-char", BP_KIND_BACKEND, Char), .description = "Character backend of a test", .interfaces = char_interfaces,
  .realize = char_realize, .unrealize = char_unrealize
};

/* --- harness-cpu ------------------------------------------------------------------------------ */

typedef struct Cpu {
  BpX86State state;
  BpLink intc;
  unsigned startups;
  uint8_t startup_vector;
} Cpu;

static void
cpu_get_state (void *self, BpX86State *state)
{
  memcpy (state, &((Cpu *) self)->state, MIN (state->struct_size, sizeof *state));
}

static void
cpu_set_state (void *self, const BpX86State *state)
{
  memcpy (&((Cpu *) self)->state, state, MIN (state->struct_size, sizeof *state));
}

static bool cpu_get_msr (void *self, uint32_t number, uint64_t *value) { return false; }
static bool cpu_set_msr (void *self, uint32_t number, uint64_t value) { return false; }
static void cpu_cpuid (void *self, uint32_t leaf, uint32_t subleaf, uint32_t out[4]) { memset (out, 0, 16); }
static void
cpu_startup (void *self, uint8_t vector)
{
  ((Cpu *) self)->startups++;
  ((Cpu *) self)->startup_vector = vector;
}

static void cpu_pin (void *self, unsigned index, int level) { }

static void
cpu_reset (void *self, BpResetKind kind)
{
  Cpu *c = self;
  memset (&c->state, 0, sizeof c->state);
  c->state.struct_size = sizeof c->state;
}

static const BpX86CpuIface cpu_iface = {
  .struct_size = sizeof cpu_iface, .get_state = cpu_get_state, .set_state = cpu_set_state, .get_msr = cpu_get_msr, .set_msr = cpu_set_msr,
  .cpuid = cpu_cpuid, .startup = cpu_startup
};
static const BpInterfaceDesc cpu_interfaces[] = { { BP_X86_CPU_ID, &cpu_iface }, { NULL, NULL } };
static const BpProperty cpu_properties[] = {
  BP_PROP_LINK ("intc", Cpu, intc, BP_INTERRUPT_CONTROLLER_ID, 0, "The interrupt controller."), BP_PROP_END
};
static const BpPinDesc cpu_pins[] = {
  BP_PIN_DESC_IN ("intr", 1, cpu_pin, 0, "Interrupt request."), BP_PIN_DESC_IN ("nmi", 1, cpu_pin, BP_PIN_WIRED_OR, "NMI."),
  BP_PIN_DESC_IN ("init", 1, cpu_pin, BP_PIN_WIRED_OR, "INIT."), BP_PIN_DESC_IN ("smi", 1, cpu_pin, BP_PIN_WIRED_OR, "SMI."),
  BP_PIN_DESC_IN ("reset", 1, cpu_pin, BP_PIN_WIRED_OR, "Reset."), BP_PIN_DESC_IN ("a20", 1, cpu_pin, BP_PIN_WIRED_OR, "A20 gate."), BP_PIN_DESC_END
};
static const BpTypeDesc cpu_type = {
  BP_TYPE ("harness-cpu", BP_KIND_CPU, Cpu), .description = "Processor of a test, which does not run", .properties = cpu_properties, .pins = cpu_pins,
  .interfaces = cpu_interfaces, .reset = cpu_reset
};

/* --- harness-probe ------------------------------------------------------------------------------ */

#define PROBE_INPUTS 32

typedef struct Probe {
  unsigned rises[PROBE_INPUTS];
} Probe;

static void
probe_set (void *self, unsigned index, int level)
{
  if (level)
    ((Probe *) self)->rises[index]++;
}

static const BpPinDesc probe_pins[] = { BP_PIN_DESC_IN ("in", PROBE_INPUTS, probe_set, BP_PIN_WIRED_OR, "Inputs."), BP_PIN_DESC_END };
static const BpTypeDesc probe_type = {
  BP_TYPE ("harness-probe", BP_KIND_DEVICE, Probe), .description = "Counts what its inputs see", .pins = probe_pins
};

/* --- the machine ---------------------------------------------------------------------------------- */

static void
register_type (const BpTypeDesc *type)
{
  GError *error = NULL;
  if (!type_find (type->name) && !type_register (type, plugin_core (), &error))
    ck_abort_msg ("%s", error->message);
}

static Descriptor *
load (const BpTypeDesc *const *types, const char *sections)
{
  static const BpTypeDesc *const own[] = { &clock_type, &ram_type, &char_type, &cpu_type, &probe_type, &harness_block_type, NULL };
  for (const BpTypeDesc *const *t = own; *t; t++)
    register_type (*t);
  for (const BpTypeDesc *const *t = types; t && *t; t++)
    register_type (*t);
  GError *error = NULL;
  char *path = NULL, *text = g_strconcat ("[machine]\nformat = 1\n\n[accel]\ntype = harness-clock\n\n[clock]\nmode = instructions\n\n", sections, NULL);
  int fd = g_file_open_tmp ("harness-XXXXXX.ini", &path, &error);
  if (fd < 0 || !g_file_set_contents (path, text, -1, &error))
    ck_abort_msg ("%s", error->message);
  close (fd);
  Descriptor *d = descriptor_load (path, NULL);
  g_unlink (path);
  g_free (path);
  g_free (text);
  return d;
}

static char *
errors_of (const Descriptor *d)
{
  GString *all = g_string_new (NULL);
  for (guint i = 0; i < d->errors->len; i++)
    g_string_append_printf (all, "%s%s", i ? "\n" : "", (const char *) d->errors->pdata[i]);
  return g_string_free (all, FALSE);
}

Harness *
harness_new (const BpTypeDesc *const *types, const char *sections)
{
  Harness *h = g_new0 (Harness, 1);
  GError *error = NULL;
  h->descriptor = load (types, sections);
  h->machine = machine_build (h->descriptor);
  if (!h->machine)
    ck_abort_msg ("%s", errors_of (h->descriptor));
  if (!machine_realize (h->machine, &error))
    ck_abort_msg ("%s", error->message);
  machine_reset (h->machine, BP_RESET_COLD);
  return h;
}

void
harness_free (Harness *h)
{
  machine_free (h->machine);
  descriptor_free (h->descriptor);
  g_free (h);
}

char *
harness_refusal (const BpTypeDesc *const *types, const char *sections)
{
  Descriptor *d = load (types, sections);
  BpMachine *m = machine_build (d);
  GError *error = NULL;
  char *text = m ? NULL : errors_of (d);
  if (m && !machine_realize (m, &error))
    text = g_strdup (error->message);
  g_clear_error (&error);
  machine_free (m);
  descriptor_free (d);
  return text ? text : g_strdup ("");
}

BpMachine *
harness_machine (Harness *h)
{
  return h->machine;
}

static BpObject *
object_by_id (Harness *h, const char *id)
{
  BpObject *o = g_hash_table_lookup (h->machine->by_id, id);
  if (!o)
    ck_abort_msg ("the machine under test has no object `%s'", id);
  return o;
}

void *
harness_object (Harness *h, const char *id)
{
  return object_instance (object_by_id (h, id));
}

void
harness_reset (Harness *h, BpResetKind kind)
{
  machine_reset (h->machine, kind);
}

/* --- access, pins, time -------------------------------------------------------------------------------- */

static BpAddressSpace *
space_of (Harness *h, const char *name)
{
  BpAddressSpace *as = bp_machine_address_space (h->machine, name);
  if (!as)
    ck_abort_msg ("the machine under test has no address space `%s'", name);
  return as;
}

uint64_t
harness_read (Harness *h, const char *space, uint64_t address, unsigned size)
{
  return bp_as_load (space_of (h, space), address, size);
}

void
harness_write (Harness *h, const char *space, uint64_t address, uint64_t value, unsigned size)
{
  bp_as_store (space_of (h, space), address, value, size);
}

static BpPin *
pin_by_path (Harness *h, const char *path)
{
  char **words = g_strsplit (path, ".", 2);
  ObjectPin *pin = words[1] ? object_pin (object_by_id (h, words[0]), words[1]) : NULL;
  g_strfreev (words);
  if (!pin)
    ck_abort_msg ("the machine under test has no pin `%s'", path);
  return pin->pin;
}

int
harness_level (Harness *h, const char *pin)
{
  return bp_pin_level (pin_by_path (h, pin));
}

void
harness_drive (Harness *h, const char *input, int level)
{
  bp_machine_lock (h->machine);
  bp_pin_set (pin_by_path (h, input), level);
  bp_machine_unlock (h->machine);
}

unsigned
harness_rises (Harness *h, const char *probe, unsigned input)
{
  return ((Probe *) harness_object (h, probe))->rises[input];
}

static Clock *
clock_of (Harness *h)
{
  return object_instance (h->machine->accel);
}

int64_t
harness_now (Harness *h)
{
  return clock_of (h)->now;
}

/* Timers run at their own times. */
void
harness_advance (Harness *h, int64_t ns)
{
  Clock *clock = clock_of (h);
  int64_t end = clock->now + ns, next;
  while ((next = bp_machine_next_virtual_timer (h->machine)) <= end) {
    clock->now = MAX (clock->now, next);
    bp_machine_run_virtual_timers (h->machine);
  }
  clock->now = end;
}

/* --- the machine and the host side ------------------------------------------------------------------------ */

bool
harness_take_reset (Harness *h)
{
  FullMachine *fm = full_machine (h->machine);
  bool requested = fm->requested & REQUEST_RESET;
  fm->requested &= ~(unsigned) REQUEST_RESET;
  return requested;
}

int
harness_exit_code (Harness *h)
{
  return h->machine->shutdown_requested ? h->machine->exit_code : -1;
}

const char *
harness_text (Harness *h, const char *backend)
{
  return ((Char *) harness_object (h, backend))->text->str;
}

size_t
harness_type (Harness *h, const char *backend, const char *bytes, size_t n)
{
  Char *c = harness_object (h, backend);
  bp_machine_lock (h->machine);
  size_t room = c->handlers ? c->handlers->can_receive (c->user) : 0, taken = MIN (room, n);
  if (taken)
    c->handlers->receive (c->user, (const uint8_t *) bytes, taken);
  bp_machine_unlock (h->machine);
  return taken;
}

void
harness_break (Harness *h, const char *backend)
{
  Char *c = harness_object (h, backend);
  bp_machine_lock (h->machine);
  if (c->handlers && BP_TABLE_HAS (c->handlers, event))
    c->handlers->event (c->user, BP_CHAR_BREAK);
  bp_machine_unlock (h->machine);
}

unsigned
harness_startups (Harness *h, const char *cpu, uint8_t *vector)
{
  const Cpu *c = harness_object (h, cpu);
  *vector = c->startup_vector;
  return c->startups;
}

BpX86State *
harness_cpu_state (Harness *h, const char *cpu)
{
  return &((Cpu *) harness_object (h, cpu))->state;
}

/* --- saving and loading --------------------------------------------------------------------------------------- */

typedef struct Stream {
  GByteArray *bytes;
  size_t at;
} Stream;

static bool
stream_write (void *user, const void *data, size_t size, GError **error)
{
  g_byte_array_append (((Stream *) user)->bytes, data, (guint) size);
  return true;
}

static ssize_t
stream_read (void *user, void *data, size_t size, GError **error)
{
  Stream *s = user;
  size_t n = MIN (size, s->bytes->len - s->at);
  if (n)
    memcpy (data, s->bytes->data + s->at, n);
  s->at += n;
  return (ssize_t) n;
}

/* What is done for one disk may begin something on another. */
static void
drain_disks (Harness *h)
{
  for (unsigned round = 0; round < 8; round++) {
    unsigned cursor = 0;
    for (void *o; (o = bp_machine_next (h->machine, BP_BLOCK_ID, &cursor));) {
      const BpBlockIface *iface = bp_object_interface (o, BP_BLOCK_ID);
      bp_machine_lock (h->machine);
      iface->drain (o);
      bp_machine_unlock (h->machine);
    }
  }
}

static GByteArray *
save (Harness *h)
{
  drain_disks (h);
  Stream s = { g_byte_array_new (), 0 };
  SnapshotPlace place = { stream_write, stream_read, &s };
  SnapshotHeader header = { .name = "test", .machine = "test", .version = "0", .flags = SNAPSHOT_DETERMINISTIC, .vm_clock = harness_now (h) };
  g_autoptr (GArray) disks = g_array_new (FALSE, FALSE, sizeof (SnapshotDisk)), blocks = snapshot_blocks (h->machine);
  uint64_t bytes;
  SnapshotWriter *w = snapshot_writer_new (&place, &header);
  snapshot_write_objects (h->machine, w, disks);
  snapshot_write_memory (w, blocks);
  ck_assert (snapshot_writer_finish (w, &bytes, NULL));
  return s.bytes;
}

static void
load_stream (Harness *h, GByteArray *bytes)
{
  Stream s = { bytes, 0 };
  SnapshotPlace place = { stream_write, stream_read, &s };
  SnapshotHeader header = { 0 };
  GError *error = NULL;
  g_autoptr (GArray) disks = g_array_new (FALSE, FALSE, sizeof (SnapshotDisk));
  SnapshotPlan *plan = snapshot_plan_new (h->machine, &place, disks, &header, &error);
  clock_of (h)->now = header.vm_clock;
  s.at = 0;
  if (!plan || !snapshot_plan_apply (plan, &error) || (s.at = 0, !snapshot_plan_fill (plan, &place, &error)))
    ck_abort_msg ("%s", error->message);
  snapshot_plan_free (plan);
  snapshot_header_clear (&header);
}

static bool
is_name (const uint8_t *at, guint n)
{
  for (guint i = 0; i < n; i++)
    if (!g_ascii_islower (at[i]) && !g_ascii_isdigit (at[i]) && !strchr ("_.", at[i]))
      return false;
  return n > 1;
}

/* The field that differs: the last name before the first byte that does (core/state.c: a name is a text with its length in front, and a kind follows). */
static char *
field_at (const GByteArray *a, const GByteArray *b)
{
  guint at = 0;
  while (at < a->len && at < b->len && a->data[at] == b->data[at])
    at++;
  for (guint n = at; n >= 2; n--) {
    guint length = a->data[n - 2];
    if (a->data[n - 1] == 0 && n + length + 9 <= at && is_name (a->data + n, length) && a->data[n + length] <= BP_STATE_TIMER)
      return g_strdup_printf ("%.*s, byte %u", (int) length, a->data + n, at - n - length - 9);
  }
  return g_strdup ("?");
}

/* What two payloads of OBJECT sections differ in; others say enough by their kind and first text. */
static char *
difference (const GByteArray *a, const GByteArray *b)
{
  SnapshotBytes text = { a->data, a->data + a->len, false };
  g_autofree char *id = snapshot_get_text (&text);
  g_autofree char *field = field_at (a, b);
  return g_strdup_printf ("%s: %s", id, field);
}

static GPtrArray *
sections_of (GByteArray *bytes, GArray *kinds)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify) g_byte_array_unref);
  Stream s = { bytes, 0 };
  SnapshotPlace place = { stream_write, stream_read, &s };
  SnapshotHeader header = { 0 };
  SnapshotReader *r = snapshot_reader_new (&place, &header, NULL);
  uint32_t kind = 0;
  const uint8_t *payload;
  size_t size;
  while (kind != SECTION_END) {
    ck_assert (snapshot_read_section (r, &kind, &payload, &size, NULL));
    g_array_append_val (kinds, kind);
    g_ptr_array_add (all, g_byte_array_append (g_byte_array_new (), payload, (guint) size));
  }
  snapshot_reader_free (r);
  snapshot_header_clear (&header);
  return all;
}

static void
check_equal (GByteArray *before, GByteArray *after, const char *when)
{
  g_autoptr (GArray) kinds = g_array_new (FALSE, FALSE, 4), kinds_after = g_array_new (FALSE, FALSE, 4);
  g_autoptr (GPtrArray) a = sections_of (before, kinds), b = sections_of (after, kinds_after);
  for (guint i = 0; i < MIN (a->len, b->len); i++) {
    const GByteArray *x = a->pdata[i], *y = b->pdata[i];
    if (x->len == y->len && memcmp (x->data, y->data, x->len) == 0)
      continue;
    g_autofree char *what = difference (x, y);
    ck_abort_msg ("%s: section %u, kind %u, is another: %s", when, i, g_array_index (kinds, uint32_t, i), what);
  }
  if (a->len != b->len)
    ck_abort_msg ("%s: %u sections and not %u", when, b->len, a->len);
}

/* A buffer that is saved while it holds something has other old bytes in it otherwise, which show up when it is filled in part. */
static void
copy_old_bytes (const BpTypeDesc *type, const GArray *rows, const uint8_t *from, uint8_t *to)
{
  for (guint i = 0; i < rows->len; i++) {
    const BpStateField *f = &g_array_index (rows, BpStateField, i);
    if (f->kind == BP_STATE_BYTES && f->needed)
      memcpy (to + f->offset, from + f->offset, f->count);
    for (uint32_t n = 0; f->kind == BP_STATE_STRUCT && n < f->count; n++) {
      g_autoptr (GArray) inner = rows_copy (f->fields, type->state_size, sizeof (BpStateField));
      copy_old_bytes (type, inner, from + f->offset + (size_t) n * f->size, to + f->offset + (size_t) n * f->size);
    }
  }
}

void
harness_copy (Harness *from, Harness *to)
{
  g_autoptr (GByteArray) before = save (from);
  load_stream (to, before);
  for (guint i = 0; from != to && i < from->machine->objects->len; i++) {
    BpObject *a = from->machine->objects->pdata[i], *b = to->machine->objects->pdata[i];
    g_autoptr (GArray) rows = type_state (a->type);
    copy_old_bytes (a->type, rows, object_instance (a), object_instance (b));
  }
  g_autoptr (GByteArray) after = save (to);
  check_equal (before, after, "after loading what was saved");
}

void
harness_check_same (Harness *a, Harness *b)
{
  g_autoptr (GByteArray) first = save (a), second = save (b);
  check_equal (first, second, "a machine and the one that was loaded from it, some time later");
}

void
harness_round_trip (Harness *h)
{
  harness_copy (h, h);
}

/* --- files ------------------------------------------------------------------------------------------------------ */

static char *folder;
static GHashTable *files;       /* paths */

static void
remove_files (void)
{
  GHashTableIter i;
  gpointer path;
  g_hash_table_iter_init (&i, files);
  while (g_hash_table_iter_next (&i, &path, NULL))
    g_unlink (path);
  g_rmdir (folder);
}

char *
harness_file (const char *name, const void *bytes, size_t size)
{
  if (!folder) {
    folder = g_dir_make_tmp ("harness-XXXXXX", NULL);
    ck_assert_ptr_nonnull (folder);
    files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    atexit (remove_files);
  }
  char *path = g_build_filename (folder, name, NULL);
  g_hash_table_add (files, g_strdup (path));
  ck_assert (g_file_set_contents (path, bytes, (gssize) size, NULL));
  return path;
}

/* --- the program ---------------------------------------------------------------------------------------------- */

int
harness_main (const char *name, const TTest *const *tests, unsigned n)
{
  Suite *suite = suite_create (name);
  TCase *all = tcase_create (name);
  for (unsigned i = 0; i < n; i++)
    tcase_add_test (all, tests[i]);
  tcase_set_timeout (all, 60);
  suite_add_tcase (suite, all);
  SRunner *runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  int failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}

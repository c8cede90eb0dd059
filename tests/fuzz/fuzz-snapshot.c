/* fuzz-snapshot.c -- any bytes are a snapshot or are refused: read, checked against a machine and put into it without going outside of anything. */
/* SPDX-License-Identifier: MIT */
/*
 * The first byte says how the rest is meant.  0: as a file.  1: as sections, which are given a right header, compression and checksum, so that what is behind
 * those is reached: u8 kind, u16 size, payload, and so on.  2: as changes to the sections of a right snapshot: u16 where, u8 what, and so on.
 */
#include "config.h"
#include "snapshot.h"
#include <backplane/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* --- a machine with all that a state can hold ------------------------------------------------------ */

typedef struct Part {
  uint16_t count;
  bool busy;
} Part;

typedef struct Chip {
  uint8_t u8;
  uint16_t u16[3];
  uint32_t u32;
  uint64_t u64;
  bool flag;
  uint8_t bytes[16];
  Part parts[2];
  BpTimer *timer;
  BpPin *line;
  BpRegion *ram;
  uint8_t *host;
} Chip;

static void set_in (void *self, unsigned index, int level) { }
static void fired (void *user) { }
static bool has_bytes (const void *self) { return ((const Chip *) self)->flag; }

static bool
configure (void *self, GError **error)
{
  Chip *c = self;
  c->host = g_aligned_alloc0 (1, 16384, 4096);
  c->ram = bp_region_new_ram (self, "bytes", c->host, 16384);
  bp_region_publish (self, c->ram, "memory");
  return true;
}

static bool
realize (void *self, GError **error)
{
  Chip *c = self;
  c->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, fired, c);
  return true;
}

static void
unrealize (void *self)
{
  Chip *c = self;
  g_clear_pointer (&c->timer, bp_timer_free);
}

static void
reset (void *self, BpResetKind kind)
{
  bp_timer_cancel (((Chip *) self)->timer);
}

static bool
post_load (void *self, GError **error)
{
  return ((Chip *) self)->u8 < 128;
}

static const BpStateField part_state[] = { BP_STATE_FIELD_U16 (Part, count), BP_STATE_FIELD_BOOL (Part, busy), BP_STATE_END };
static const BpStateField state[] = {
  BP_STATE_FIELD_U8 (Chip, u8), BP_STATE_FIELD_ARRAY (BP_STATE_U16, Chip, u16, 3), BP_STATE_FIELD_U32 (Chip, u32), BP_STATE_FIELD_U64 (Chip, u64),
  BP_STATE_FIELD_BOOL (Chip, flag),
  { .name = "bytes", .kind = BP_STATE_BYTES, .offset = offsetof (Chip, bytes), .count = 16, .size = 1, .since = 1, .needed = has_bytes },
  BP_STATE_FIELD_STRUCTS (Chip, parts, 2, part_state), BP_STATE_FIELD_TIMER (Chip, timer), BP_STATE_END
};
static const BpPinDesc pins[] = { BP_PIN_DESC_OUT ("line", Chip, line, 0, "out"), BP_PIN_DESC_IN ("in", 2, set_in, 0, "in"), BP_PIN_DESC_END };
static const BpTypeDesc chip_type = { BP_TYPE ("chip", BP_KIND_DEVICE, Chip), .description = "a chip", .pins = pins, .state = state, .state_version = 2,
                                      .state_minimum = 1, .configure = configure, .realize = realize, .unrealize = unrealize, .reset = reset,
                                      .post_load = post_load };

static BpMachine *
machine (void)
{
  static BpMachine *m;
  if (m)
    return m;
  GError *error = NULL;
  char *path = NULL;
  static const char text[] = "[machine]\nformat = 1\n[device a]\ntype = chip\nline = b.in0\n[device b]\ntype = chip\nline = a.in0\n"
                             "[device left]\ntype = stub\nregs = memory@0x8000\n";
  int fd = g_file_open_tmp ("fuzz-snapshot-XXXXXX.ini", &path, &error);
  if (fd < 0 || !g_file_set_contents (path, text, -1, &error) || !type_register (&chip_type, plugin_core (), &error))
    g_error ("%s", error->message);
  Descriptor *d = descriptor_load (path, NULL);
  m = machine_build (d);
  if (!m || !machine_realize (m, &error))
    g_error ("%s", m ? error->message : (char *) d->errors->pdata[0]);
  machine_reset (m, BP_RESET_COLD);
  remove (path);
  g_free (path);
  return m;
}

/* --- streams ------------------------------------------------------------------------------------------ */

typedef struct Memory {
  GByteArray *bytes;
  size_t at;
} Memory;

static bool
put (void *user, const void *data, size_t size, GError **error)
{
  g_byte_array_append (((Memory *) user)->bytes, data, (guint) size);
  return true;
}

static ssize_t
get (void *user, void *data, size_t size, GError **error)
{
  Memory *m = user;
  size_t n = MIN (size, m->bytes->len - m->at);
  if (n)
    memcpy (data, m->bytes->data + m->at, n);
  m->at += n;
  return (ssize_t) n;
}

static void
wrap (const SnapshotPlace *place, const uint8_t *data, size_t size)
{
  SnapshotHeader h = { .name = "fuzz", .machine = "fuzz", .version = "0", .vm_clock = size ? *data : 0 };
  SnapshotWriter *w = snapshot_writer_new (place, &h);
  uint64_t bytes;
  while (size >= 3) {
    size_t n = MIN ((size_t) (data[1] | data[2] << 8), size - 3);
    snapshot_write_section (w, data[0], NULL, data + 3, n);
    data += 3 + n;
    size -= 3 + n;
  }
  snapshot_writer_finish (w, &bytes, NULL);
}

/* The machine's own snapshot, in the form that wrap takes. */
static const GByteArray *
right_sections (void)
{
  static GByteArray *sections;
  if (sections)
    return sections;
  sections = g_byte_array_new ();
  static const BpObjectKey keys[] = { { "type", "stub" }, { "size", "8" }, { "regs", "memory@0x7000" }, { NULL, NULL } };
  bp_machine_add_object (machine (), "device", "joined", keys, NULL);
  bp_machine_remove_object (machine (), "left", NULL);
  Memory memory = { g_byte_array_new (), 0 };
  SnapshotPlace place = { put, get, &memory };
  SnapshotHeader h = { .name = "fuzz", .machine = "fuzz", .version = "0" };
  g_autoptr (GArray) disks = g_array_new (FALSE, FALSE, sizeof (SnapshotDisk)), blocks = snapshot_blocks (machine ());
  uint64_t bytes;
  uint32_t kind = 0;
  const uint8_t *payload;
  size_t size;
  Chip *a = bp_machine_find (machine (), "a");
  a->flag = true;
  memset (a->host + 4096, 7, 64);
  bp_timer_arm (a->timer, 1000);
  SnapshotWriter *w = snapshot_writer_new (&place, &h);
  SnapshotSink sink = snapshot_sink (w);
  snapshot_write_objects (machine (), &sink, disks, true);
  snapshot_write_memory (&sink, blocks);
  snapshot_writer_finish (w, &bytes, NULL);
  h = (SnapshotHeader){ .date = 0 };
  SnapshotReader *r = snapshot_reader_new (&place, &h, NULL);
  while (snapshot_read_section (r, &kind, &payload, &size, NULL) && kind != SECTION_END) {
    snapshot_put (sections, kind, 1);
    snapshot_put (sections, size, 2);
    g_byte_array_append (sections, payload, (guint) size);
  }
  snapshot_reader_free (r);
  snapshot_header_clear (&h);
  g_byte_array_unref (memory.bytes);
  bp_machine_remove_object (machine (), "joined", NULL);
  return sections;
}

static void
wrap_changed (const SnapshotPlace *place, const uint8_t *data, size_t size)
{
  const GByteArray *right = right_sections ();
  g_autofree uint8_t *sections = g_memdup2 (right->data, right->len);
  for (size_t i = 0; i + 3 <= size; i += 3)
    sections[(data[i] | data[i + 1] << 8) % right->len] = data[i + 2];
  wrap (place, sections, right->len);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Memory memory = { g_byte_array_new (), 0 };
  SnapshotPlace place = { put, get, &memory };
  SnapshotHeader header = { 0 };
  g_autoptr (GArray) disks = g_array_new (FALSE, FALSE, sizeof (SnapshotDisk));
  if (size && *data % 3 == 1)
    wrap (&place, data + 1, size - 1);
  else if (size && *data % 3 == 2)
    wrap_changed (&place, data + 1, size - 1);
  else if (size)
    put (&memory, data + 1, size - 1, NULL);
  SnapshotPlan *plan = snapshot_plan_new (machine (), &place, disks, &header, NULL);
  if (plan && snapshot_plan_apply (plan, NULL)) {
    memory.at = 0;
    if (!snapshot_plan_fill (plan, NULL))
      abort ();                 /* what was checked is taken */
    snapshot_plan_undo (plan);
  }
  snapshot_plan_free (plan);
  snapshot_header_clear (&header);
  g_byte_array_unref (memory.bytes);
  return 0;
}

/* snapshot-load.c -- a stream's sections checked against a machine, all of them, and then put into it. */
/* SPDX-License-Identifier: MIT */
/*
 * Pins come first, without a word to anyone; then the fields of all objects; then each object's post_load, which finds every other object's fields and all pins
 * as they were when the snapshot was taken.  RAM comes last: what came before can still be undone, from a copy of the old state.
 */
#include "bytes.h"
#include "snapshot.h"
#include <backplane/log.h>
#include <string.h>

/* A file may claim anything: messages and memory are bounded all the same. */
#define TIME_MOST (INT64_MAX / 2)       /* ns; what is added to it does not come around */
enum { DIFFERENCES_MOST = 50, PINS_MOST = 1 << 20 };

typedef struct ObjectState {
  BpObject *object;
  Bytes bytes;
  GQueue blobs;                 /* of state_check */
} ObjectState;

typedef struct PinLevel {
  BpPin *pin;
  bool level;
} PinLevel;

typedef struct VcpuState {
  BpVcpu *vcpu;
  uint32_t pending;
  BpAccelVcpuState accel;
} VcpuState;

struct SnapshotPlan {
  BpMachine *m;
  int64_t vm_clock;
  uint64_t turn;                /* of timers, the last that was given out */
  GArray *objects, *pins, *vcpus;       /* of the above */
  GArray *blocks;               /* of SnapshotBlock, as the stream numbers them */
  SnapshotObjects *changes;     /* NULL: our own copy has the same objects */
  GHashTable *disks;            /* ids of those that have a part */
  GHashTable *seen;             /* BpObject * whose state there is */
  GHashTable *missing;          /* ids that were complained about */
  bool shaped;                  /* the stream has a shape: objects without a state were asked for */
  uint32_t n_vcpus;             /* that the stream says it has */
  GString *differences;         /* lines */
  GHashTable *told;             /* the same */
  unsigned n_differences;
  SnapshotFill checked;
  uint32_t last_kind;
  SnapshotPlan *before;         /* what apply has replaced: to go back takes no memory */
  SnapshotReader *reader;       /* has read all of it once, so that to fill takes none either; NULL: there is no RAM in the stream */
};

/* --- making and freeing ----------------------------------------------------------------------------- */

static void
object_state_clear (void *data)
{
  ObjectState *s = data;
  bytes_clear (&s->bytes);
  g_queue_clear_full (&s->blobs, g_free);
}

static SnapshotPlan *
plan_new (BpMachine *m, bool partial)
{
  SnapshotPlan *p = g_new0 (SnapshotPlan, 1);
  p->m = m;
  p->objects = g_array_new (FALSE, TRUE, sizeof (ObjectState));
  g_array_set_clear_func (p->objects, object_state_clear);
  p->pins = g_array_new (FALSE, TRUE, sizeof (PinLevel));
  p->vcpus = g_array_new (FALSE, TRUE, sizeof (VcpuState));
  p->changes = partial ? NULL : snapshot_objects_new (m);
  p->blocks = snapshot_blocks_new ();
  p->disks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  p->seen = g_hash_table_new (NULL, NULL);
  p->missing = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  p->differences = g_string_new (NULL);
  p->told = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  p->checked.blocks = p->blocks;
  return p;
}

void
snapshot_plan_free (SnapshotPlan *p)
{
  if (!p)
    return;
  snapshot_objects_free (p->changes);
  g_array_unref (p->objects);
  g_array_unref (p->pins);
  g_array_unref (p->vcpus);
  g_array_unref (p->blocks);
  g_hash_table_unref (p->disks);
  g_hash_table_unref (p->seen);
  g_hash_table_unref (p->missing);
  g_string_free (p->differences, TRUE);
  g_hash_table_unref (p->told);
  snapshot_plan_free (p->before);
  snapshot_reader_free (p->reader);
  g_free (p);
}

bool
snapshot_plan_wants_disk (const SnapshotPlan *p, const char *id)
{
  return g_hash_table_contains (p->disks, id);
}

/* --- checking: one section ----------------------------------------------------------------------------- */

/* Several sections may say the same. */
static void G_GNUC_PRINTF (2, 3)
differs (SnapshotPlan *p, const char *format, ...)
{
  va_list args;
  if (p->n_differences > DIFFERENCES_MOST)
    return;
  va_start (args, format);
  char *text = g_strdup_vprintf (format, args);
  va_end (args);
  if (!g_hash_table_add (p->told, text))
    return;
  bool more = p->n_differences++ == DIFFERENCES_MOST;
  g_string_append_printf (p->differences, "\n    %s", more ? "and more" : text);
}

static bool
damaged (GError **error, const char *what)
{
  return snapshot_refuse (error, "the snapshot is damaged: %s", what);
}

static bool
check_machine (SnapshotPlan *p, SnapshotBytes *b)
{
  uint32_t n = (uint32_t) snapshot_get (b, 4), shift = (uint32_t) snapshot_get (b, 4);
  p->turn = snapshot_get (b, 8);
  p->n_vcpus = n;
  if (n != p->m->vcpus->len)
    differs (p, "it has %u vCPUs, and this machine has %u", n, p->m->vcpus->len);
  if (p->m->deterministic && shift != p->m->icount_shift)
    differs (p, "its [clock] shift is %u, and this machine's is %u", shift, p->m->icount_shift);
  return true;
}

static void
tell_difference (void *plan, const char *text)
{
  differs (plan, "%s", text);
}

static bool
check_change (SnapshotPlan *p, SnapshotBytes *b, GError **error)
{
  if (!p->changes) {
    b->at = b->end;
    return true;
  }
  return snapshot_objects_read (p->changes, b) || damaged (error, "a change of the machine is not one");
}

static bool
check_shape (SnapshotPlan *p, SnapshotBytes *b, GError **error)
{
  if (p->shaped || !p->changes)
    return damaged (error, "it says twice what machine it is of");
  p->shaped = true;
  return shape_compare (p->m, b, p->changes, tell_difference, p) || damaged (error, "what it says of the machine is cut short");
}

static const SnapshotDisk *
find_disk (const GArray *disks, const char *id)
{
  for (guint i = 0; i < disks->len; i++)
    if (strcmp (g_array_index (disks, SnapshotDisk, i).object->id, id) == 0)
      return &g_array_index (disks, SnapshotDisk, i);
  return NULL;
}

/* A guest that saw one medium must not find another. */
static bool
check_disk (SnapshotPlan *p, const GArray *disks, SnapshotBytes *b)
{
  g_autofree char *id = snapshot_get_text (b);
  bool inserted = snapshot_get (b, 1), has_part = snapshot_get (b, 1);
  uint64_t size = snapshot_get (b, 8);
  g_autofree char *file = snapshot_get_text (b);
  const SnapshotDisk *disk = find_disk (disks, id);
  if (!disk)
    differs (p, "disk `%s` (`%s`) is not in this machine", id, file);
  else if (inserted && !disk->info.inserted)
    differs (p, "disk `%s` was `%s`, and there is no medium in it now", id, file);
  else if (!inserted && disk->info.inserted)
    differs (p, "there was no medium in disk `%s`, and now there is `%s`", id, disk->info.file);
  else if (size != disk->info.size)
    differs (p, "disk `%s` was `%s` with %" G_GUINT64_FORMAT " bytes, and is `%s` with %" G_GUINT64_FORMAT, id, file, size, disk->info.file,
             disk->info.size);
  if (has_part && disk)
    g_hash_table_add (p->disks, g_steal_pointer (&id));
  return true;
}

static BpObject *
find_object (SnapshotPlan *p, const char *id)
{
  return g_hash_table_lookup (p->m->by_id, id);
}

/* Said once an object, whatever there is of it. */
static void
is_missing (SnapshotPlan *p, const char *id, const char *type)
{
  if (p->n_differences > DIFFERENCES_MOST || !g_hash_table_add (p->missing, g_strdup (id)))
    return;
  if (type)
    differs (p, "%s (type `%s`) is in the snapshot and not in this machine", id, type);
  else
    differs (p, "%s is in the snapshot and not in this machine", id);
}

/* Behind "BPST" and two numbers. */
static char *
type_in_state (SnapshotBytes b)
{
  snapshot_get (&b, 8);
  return snapshot_get_text (&b);
}

static bool
check_object (SnapshotPlan *p, SnapshotBytes *b, GError **error)
{
  g_autofree char *id = snapshot_get_text (b), *type = type_in_state (*b);
  g_autoptr (GError) wrong = NULL;
  BpObject *o = find_object (p, id);
  ObjectState s = { .object = o };
  if (b->bad)
    return true;
  if (!o) {
    is_missing (p, id, type);
  } else if (strcmp (type, o->type->name) != 0) {
    differs (p, "%s is of type `%s` in the snapshot and of type `%s` in this machine", id, type, o->type->name);
    g_hash_table_add (p->seen, o);
  } else if (!g_hash_table_add (p->seen, o)) {
    return damaged (error, "an object is there twice");
  } else {
    bool fits = state_check (o, b->at, (size_t) (b->end - b->at), &s.blobs, &wrong);
    if (!fits)
      differs (p, "%s", wrong->message);
    else
      bytes_put (&s.bytes, b->at, (size_t) (b->end - b->at));
    g_array_append_val (p->objects, s);
    if (s.bytes.lacks)
      return snapshot_refuse (error, "the host has no memory for the state of %s", id);
  }
  b->at = b->end;
  return true;
}

static bool
check_pins (SnapshotPlan *p, SnapshotBytes *b, GError **error)
{
  g_autofree char *id = snapshot_get_text (b);
  uint32_t n = (uint32_t) snapshot_get (b, 4);
  BpObject *o = find_object (p, id);
  for (uint32_t i = 0; i < n && !b->bad && p->pins->len <= PINS_MOST; i++) {
    g_autofree char *name = snapshot_get_text (b);
    bool level = snapshot_get (b, 1);
    ObjectPin *pin = o ? object_pin (o, name) : NULL;
    PinLevel l = { pin ? pin->pin : NULL, level };
    if (pin)
      g_array_append_val (p->pins, l);
    else if (level && o)
      differs (p, "pin %s.%s is high in the snapshot, and `%s` has no such pin", id, name, o->type->name);
  }
  if (!o && !p->shaped)
    is_missing (p, id, NULL);
  return p->pins->len <= PINS_MOST || damaged (error, "more pins than there can be");
}

static bool
check_vcpu (SnapshotPlan *p, SnapshotBytes *b, GError **error)
{
  g_autofree char *id = snapshot_get_text (b);
  BpObject *o = find_object (p, id);
  VcpuState s = { o ? o->vcpu : NULL, (uint32_t) snapshot_get (b, 4), { .struct_size = sizeof s.accel } };
  s.pending &= ~(uint32_t) BP_VCPU_DEBUG;      /* the debugger that asked is not in the snapshot */
  s.accel.instructions = snapshot_get (b, 8);
  s.accel.skipped = snapshot_get (b, 8);
  uint64_t most = (uint64_t) TIME_MOST / 2 >> p->m->icount_shift;
  if (s.accel.instructions > most || s.accel.skipped > most)
    return damaged (error, "a vCPU has executed more than there was time for");
  for (guint i = 0; i < p->vcpus->len; i++)
    if (s.vcpu && g_array_index (p->vcpus, VcpuState, i).vcpu == s.vcpu)
      return damaged (error, "a vCPU is there twice");
  if (s.vcpu)
    g_array_append_val (p->vcpus, s);
  else if (o)
    differs (p, "%s is a vCPU in the snapshot and not in this machine", id);
  return true;
}

static bool
check_block (SnapshotPlan *p, SnapshotBytes *b, GError **error)
{
  return snapshot_read_block (p->blocks, b) || damaged (error, "more pieces of RAM than there can be");
}

/* Changes and the shape come behind the machine. */
static unsigned
turn_of (uint32_t kind)
{
  return kind == SECTION_CHANGE ? 4 * SECTION_MACHINE + 1 : kind == SECTION_SHAPE ? 4 * SECTION_MACHINE + 2 : 4 * kind;
}

static bool
check_section (SnapshotPlan *p, const GArray *disks, uint32_t kind, const uint8_t *payload, size_t size, GError **error)
{
  SnapshotBytes b = { payload, payload + size, false };
  bool good;
  if (turn_of (kind) < turn_of (p->last_kind) || (p->last_kind == 0) != (kind == SECTION_MACHINE))
    return damaged (error, "its sections are not in order");
  if (p->changes && turn_of (kind) > turn_of (SECTION_CHANGE) && turn_of (p->last_kind) <= turn_of (SECTION_CHANGE))
    snapshot_objects_join (p->changes, tell_difference, p);
  p->last_kind = kind;
  switch (kind) {
  case SECTION_MACHINE: good = check_machine (p, &b); break;
  case SECTION_CHANGE: good = check_change (p, &b, error); break;
  case SECTION_SHAPE: good = check_shape (p, &b, error); break;
  case SECTION_DISK: good = check_disk (p, disks, &b); break;
  case SECTION_OBJECT: good = check_object (p, &b, error); break;
  case SECTION_PINS: good = check_pins (p, &b, error); break;
  case SECTION_VCPU: good = check_vcpu (p, &b, error); break;
  case SECTION_BLOCK: good = check_block (p, &b, error); break;
  default: return kind == SECTION_END || snapshot_check_pages (&p->checked, payload, size, error);
  }
  if (good && (b.bad || b.at != b.end))
    return damaged (error, "a section is not as long as its contents");
  return good;
}

/* --- checking: the whole --------------------------------------------------------------------------------- */

static bool
leaves (SnapshotPlan *p, BpObject *o)
{
  return p->changes && o && snapshot_objects_leaves (p->changes, o);
}

static void
compare_blocks (SnapshotPlan *p)
{
  g_autoptr (GArray) here = snapshot_blocks (p->m);
  for (guint i = 0; i < p->blocks->len; i++) {
    SnapshotBlock *b = &g_array_index (p->blocks, SnapshotBlock, i);
    const SnapshotBlock *ours = snapshot_block_find (here, b);
    if (!ours)
      differs (p, "RAM `%s` of %s is in the snapshot and not in this machine", b->name, b->owner);
    else if (ours->size != b->size)
      differs (p, "RAM `%s` of %s has %" G_GUINT64_FORMAT " bytes in the snapshot and %" G_GUINT64_FORMAT " in this machine", b->name, b->owner, b->size,
               ours->size);
    else
      b->region = ours->region;
  }
  for (guint i = 0; i < here->len; i++) {
    const SnapshotBlock *ours = &g_array_index (here, SnapshotBlock, i);
    if (!snapshot_block_find (p->blocks, ours) && !leaves (p, find_object (p, ours->owner)))
      differs (p, "RAM `%s` of %s is in this machine and not in the snapshot", ours->name, ours->owner);
  }
}

static void
compare_objects (SnapshotPlan *p)
{
  for (guint i = 0; i < p->m->objects->len; i++) {
    BpObject *o = p->m->objects->pdata[i];
    if (snapshot_has_state (o) && !g_hash_table_contains (p->seen, o) && !leaves (p, o))
      differs (p, "%s (type `%s`) is in this machine and not in the snapshot", o->id, o->type->name);
  }
  if (p->n_vcpus == p->m->vcpus->len && p->vcpus->len != p->n_vcpus)
    differs (p, "it has %u of this machine's %u vCPUs", p->vcpus->len, p->m->vcpus->len);
}

static bool
read_sections (SnapshotPlan *p, const SnapshotPull *pull, const GArray *disks, GError **error)
{
  uint32_t kind = 0;
  const uint8_t *payload;
  size_t size;
  while (kind != SECTION_END)
    if (!pull->next (pull->user, &kind, &payload, &size, error) || !check_section (p, disks, kind, payload, size, error))
      return false;
  return true;
}

static SnapshotPlan *
plan_pull (BpMachine *m, const SnapshotPull *pull, const GArray *disks, bool partial, const SnapshotHeader *header, GError **error)
{
  SnapshotPlan *p = plan_new (m, partial);
  p->vm_clock = header->vm_clock;
  bool was = header->flags & SNAPSHOT_DETERMINISTIC;
  if (was != m->deterministic)
    differs (p, "it was taken %s [clock] mode = instructions, and this machine runs %s", was ? "with" : "without", m->deterministic ? "with it" : "without");
  bool good = header->vm_clock <= TIME_MOST || damaged (error, "its time is further on than a machine can run");
  good = good && read_sections (p, pull, disks, error);
  if (good) {
    compare_objects (p);
    if (!partial)
      compare_blocks (p);
    if (p->differences->len && partial)
      good = snapshot_refuse (error, "the state of `%s` does not fit this machine:%s", header->machine, p->differences->str);
    else if (p->differences->len)
      good = snapshot_refuse (error, "the snapshot (of `%s`) does not fit this machine:%s", header->machine, p->differences->str);
  }
  if (good)
    return p;
  snapshot_plan_free (p);
  return NULL;
}

static SnapshotPlan *
plan_read (BpMachine *m, const SnapshotPlace *place, const GArray *disks, bool partial, SnapshotHeader *header, GError **error)
{
  SnapshotReader *r = snapshot_reader_new (place, header, error);
  if (!r)
    return NULL;
  SnapshotPull pull = snapshot_pull (r);
  SnapshotPlan *p = plan_pull (m, &pull, disks, partial, header, error);
  if (p && !partial)
    p->reader = r;
  else
    snapshot_reader_free (r);
  return p;
}

SnapshotPlan *
snapshot_plan_rest (BpMachine *m, const SnapshotPull *pull, const GArray *disks, const SnapshotHeader *header, GError **error)
{
  return plan_pull (m, pull, disks, true, header, error);
}

SnapshotPlan *
snapshot_plan_new (BpMachine *m, const SnapshotPlace *place, const GArray *disks, SnapshotHeader *header, GError **error)
{
  return plan_read (m, place, disks, false, header, error);
}

/* --- what was before --------------------------------------------------------------------------------------- */

typedef struct Memory {
  Bytes *bytes;
  size_t at;
} Memory;

static bool
write_bytes (void *user, const void *data, size_t size, GError **error)
{
  Bytes *bytes = ((Memory *) user)->bytes;
  bytes_put (bytes, data, size);
  return !bytes->lacks || snapshot_refuse (error, "the host has no memory for a copy of the machine's state");
}

static ssize_t
read_bytes (void *user, void *data, size_t size, GError **error)
{
  Memory *memory = user;
  size_t n = MIN (size, memory->bytes->size - memory->at);
  if (n)
    memcpy (data, memory->bytes->data + memory->at, n);
  memory->at += n;
  return (ssize_t) n;
}

static bool
keep_before (SnapshotPlan *p, GError **error)
{
  g_auto (Bytes) stream = { NULL };
  Memory memory = { &stream, 0 };
  SnapshotPlace place = { write_bytes, read_bytes, &memory };
  SnapshotHeader header = snapshot_header_now (p->m, "before");
  g_autoptr (GArray) no_disks = g_array_new (FALSE, FALSE, sizeof (SnapshotDisk));
  SnapshotWriter *w = snapshot_writer_new (&place, &header);
  uint64_t bytes;
  SnapshotSink sink = snapshot_sink (w);
  snapshot_write_objects (p->m, &sink, no_disks, false);
  bool good = snapshot_writer_finish (w, &bytes, error);
  snapshot_header_clear (&header);
  p->before = good ? plan_read (p->m, &place, no_disks, true, &header, error) : NULL;
  snapshot_header_clear (&header);
  return p->before;
}

/* --- applying ------------------------------------------------------------------------------------------------ */

static void
each_pin (BpMachine *m, void (*f) (BpPin *pin))
{
  for (guint i = 0; i < m->objects->len; i++) {
    GArray *pins = ((BpObject *) m->objects->pdata[i])->pins;
    for (guint j = 0; j < pins->len; j++)
      f (g_array_index (pins, ObjectPin, j).pin);
  }
}

static void
lower (BpPin *pin)
{
  pin_restore (pin, false);
}

static void
restore_pins (SnapshotPlan *p)
{
  each_pin (p->m, lower);
  for (guint i = 0; i < p->pins->len; i++)
    pin_restore (g_array_index (p->pins, PinLevel, i).pin, g_array_index (p->pins, PinLevel, i).level);
  each_pin (p->m, pin_settle);
}

static void
restore_clock (SnapshotPlan *p)
{
  BpMachine *m = p->m;
  clock_set (m, p->vm_clock);
  for (guint i = 0; i < p->vcpus->len; i++) {
    const VcpuState *v = &g_array_index (p->vcpus, VcpuState, i);
    if (BP_TABLE_HAS (m->accel_iface, vcpu_set_state))
      m->accel_iface->vcpu_set_state (object_instance (m->accel), v->vcpu, &v->accel);
  }
}

/* What post_load raised or lowered on its way counts for nothing. */
static void
restore_pending (SnapshotPlan *p)
{
  for (guint i = 0; i < p->vcpus->len; i++)
    vcpu_set_pending (g_array_index (p->vcpus, VcpuState, i).vcpu, g_array_index (p->vcpus, VcpuState, i).pending);
}

static bool
apply (SnapshotPlan *p, GError **error)
{
  BpMachine *m = p->m;
  bool good = true;
  restore_clock (p);
  machine_reset_objects (m, BP_RESET_COLD);     /* what an older state lacks is as after a reset */
  restore_clock (p);
  restore_pins (p);
  for (guint i = 0; i < p->objects->len; i++) {
    ObjectState *s = &g_array_index (p->objects, ObjectState, i);
    state_store (s->object, s->bytes.data, s->bytes.size, &s->blobs);
  }
  for (guint i = 0; good && i < m->realize_order->len; i++) {
    BpObject *o = m->realize_order->pdata[i];
    good = object_post_load (o, error);
    if (!good)
      g_prefix_error (error, "%s (type `%s`): ", o->id, o->type->name);
  }
  restore_pending (p);
  clock_set_turn (m, p->turn);
  machine_synchronise (m);
  return good;
}

void
snapshot_plan_undo (SnapshotPlan *p)
{
  g_autoptr (GError) error = NULL;
  bp_machine_lock (p->m);
  if (!apply (p->before, &error))
    bp_warn (NULL, "the machine's state before could not be restored: %s", error->message);
  bp_machine_unlock (p->m);
}

void
snapshot_plan_settle (SnapshotPlan *p)
{
  for (guint i = 0; i < p->m->objects->len; i++)
    ((BpObject *) p->m->objects->pdata[i])->leaving = false;
  snapshot_objects_settle (p->changes);
}

bool
snapshot_plan_apply (SnapshotPlan *p, GError **error)
{
  bp_machine_lock (p->m);
  bool kept = keep_before (p, error), good = kept && apply (p, error);
  bp_machine_unlock (p->m);
  if (kept && !good)
    snapshot_plan_undo (p);
  return good;
}

static bool
fill (SnapshotPlan *p, GError **error)
{
  SnapshotFill f = { .blocks = p->blocks }, check = f;
  uint32_t kind = 0;
  const uint8_t *payload;
  size_t size;
  if (!snapshot_reader_again (p->reader, error))
    return false;
  while (kind != SECTION_END) {
    if (!snapshot_read_section (p->reader, &kind, &payload, &size, error))
      return false;
    if (kind != SECTION_PAGES)
      continue;
    if (!snapshot_check_pages (&check, payload, size, error))   /* the file may have changed meanwhile */
      return false;
    snapshot_fill_pages (&f, payload, size);
  }
  snapshot_fill_rest (&f);
  return true;
}

bool
snapshot_plan_fill (SnapshotPlan *p, GError **error)
{
  bp_machine_lock (p->m);
  bool good = fill (p, error);
  machine_synchronise (p->m);
  bp_machine_unlock (p->m);
  return good;
}

/* snapshot-save.c -- a machine that stands, as the sections of a stream. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "bytes.h"
#include "snapshot.h"
#include <backplane/bus/pci.h>
#include <backplane/clock.h>

static void
write_text_section (const SnapshotSink *sink, uint32_t kind, const char *id, const GByteArray *rest)
{
  g_autoptr (GByteArray) head = g_byte_array_new ();
  snapshot_put_text (head, id);
  sink->put (sink->user, kind, head, rest->data, rest->len);
}

static void
write_disk (const SnapshotSink *sink, const SnapshotDisk *disk)
{
  g_autoptr (GByteArray) rest = g_byte_array_new ();
  snapshot_put (rest, disk->info.inserted, 1);
  snapshot_put (rest, disk->able >= BP_BLOCK_SNAPSHOTS_TEMPORARY, 1);
  snapshot_put (rest, disk->info.size, 8);
  snapshot_put_text (rest, disk->info.file);
  write_text_section (sink, SECTION_DISK, disk->object->id, rest);
}

static void
write_object (const SnapshotSink *sink, BpObject *o)
{
  g_auto (Bytes) state = { NULL };
  g_autoptr (GByteArray) head = g_byte_array_new ();
  snapshot_put_text (head, o->id);
  if (!state_save (o, &state))
    sink->fail (sink->user, g_error_new (BP_ERROR, BP_ERROR_FAILED, "the host has no memory for the state of %s", o->id));
  else if (state.size > SNAPSHOT_SECTION_MOST - head->len)
    sink->fail (sink->user, g_error_new (BP_ERROR, BP_ERROR_FAILED, "the state of %s has %zu bytes, more than can be loaded again", o->id, state.size));
  else
    sink->put (sink->user, SECTION_OBJECT, head, state.data, state.size);
}

static void
write_pins (const SnapshotSink *sink, BpObject *o)
{
  g_autoptr (GByteArray) rest = g_byte_array_new ();
  snapshot_put (rest, o->pins->len, 4);
  for (guint i = 0; i < o->pins->len; i++) {
    const ObjectPin *p = &g_array_index (o->pins, ObjectPin, i);
    snapshot_put_text (rest, p->name);
    snapshot_put (rest, pin_save (p->pin), 1);
  }
  write_text_section (sink, SECTION_PINS, o->id, rest);
}

static void
write_vcpu (BpMachine *m, const SnapshotSink *sink, BpVcpu *v)
{
  BpAccelVcpuState state = { .struct_size = sizeof state };
  if (BP_TABLE_HAS (m->accel_iface, vcpu_get_state))
    m->accel_iface->vcpu_get_state (object_instance (m->accel), v, &state);
  g_autoptr (GByteArray) rest = g_byte_array_new ();
  snapshot_put (rest, bp_vcpu_pending (v), 4);
  snapshot_put (rest, state.instructions, 8);
  snapshot_put (rest, state.skipped, 8);
  write_text_section (sink, SECTION_VCPU, bp_object_id (bp_vcpu_cpu (v)), rest);
}

bool
snapshot_has_state (const BpObject *o)
{
  g_autoptr (GArray) rows = type_state (o->type);
  return rows->len > 0;
}

/* Before any object is written: a message changes the state of who takes it. */
static void
drain_messages (BpMachine *m)
{
  unsigned cursor = 0;
  bp_machine_lock (m);
  for (void *o; (o = bp_machine_next (m, BP_PCI_BUS_ID, &cursor));) {
    const BpPciBusIface *iface = bp_object_interface (o, BP_PCI_BUS_ID);
    if (BP_TABLE_HAS (iface, drain))
      iface->drain (o);
  }
  bp_machine_unlock (m);
}

void
snapshot_write_objects (BpMachine *m, const SnapshotSink *sink, const GArray *disks, bool shape)
{
  g_autoptr (GByteArray) head = g_byte_array_new ();
  drain_messages (m);
  snapshot_put (head, m->vcpus->len, 4);
  snapshot_put (head, m->icount_shift, 4);
  snapshot_put (head, clock_turn (m), 8);
  sink->put (sink->user, SECTION_MACHINE, head, NULL, 0);
  snapshot_write_changes (m, sink);
  if (shape) {
    g_autoptr (GByteArray) bytes = shape_of (m);
    sink->put (sink->user, SECTION_SHAPE, NULL, bytes->data, bytes->len);
  }
  for (guint i = 0; i < disks->len; i++)
    write_disk (sink, &g_array_index (disks, SnapshotDisk, i));
  for (guint i = 0; i < m->objects->len; i++)
    if (snapshot_has_state (m->objects->pdata[i]))
      write_object (sink, m->objects->pdata[i]);
  for (guint i = 0; i < m->objects->len; i++)
    if (((BpObject *) m->objects->pdata[i])->pins->len)
      write_pins (sink, m->objects->pdata[i]);
  for (guint i = 0; i < m->vcpus->len; i++)
    write_vcpu (m, sink, m->vcpus->pdata[i]);
}

SnapshotHeader
snapshot_header_now (BpMachine *m, const char *name)
{
  int64_t now = g_get_real_time ();
  g_autofree char *base = g_path_get_basename (m->descriptor->path ? m->descriptor->path : "");
  return (SnapshotHeader){ .date = now / G_USEC_PER_SEC,
                           .date_ns = (uint32_t) (now % G_USEC_PER_SEC) * 1000,
                           .flags = (m->deterministic ? SNAPSHOT_DETERMINISTIC : 0) | (snapshot_has_changed_objects (m) ? SNAPSHOT_CHANGED : 0),
                           .vm_clock = bp_clock_now (m, BP_CLOCK_VIRTUAL),
                           .name = g_strdup (name),
                           .machine = g_steal_pointer (&base),
                           .version = g_strdup (PACKAGE_VERSION) };
}

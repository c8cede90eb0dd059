/* bus.c -- what the buses of virtio devices have in common: the devices on them, their saved state, the machine's stops. */
/* SPDX-License-Identifier: MIT */
#include "virtio.h"
#include <backplane/clock.h>
#include <backplane/loop.h>
#include <backplane/machine.h>
#include <string.h>

const char *const virtio_doorbell_names[] = { "auto", "on", "off", NULL };
enum { DOORBELLS_AUTO, DOORBELLS_ON, DOORBELLS_OFF };

static BpVirtioDevice *device_at (const VirtioBus *bus, unsigned i) { return g_ptr_array_index (bus->devices, i); }

/* --- devices ---------------------------------------------------------------------------------- */

BpVirtioDevice *
virtio_bus_device (const VirtioBus *bus, uint32_t place)
{
  for (unsigned i = 0; bus->devices && i < bus->devices->len; i++)
    if (device_at (bus, i)->number == place)
      return device_at (bus, i);
  return NULL;
}

static bool
function_is_fine (const BpVirtioFunction *f, GError **error)
{
  const char *wrong = NULL;
  if (f->struct_size < offsetof (BpVirtioFunction, without))
    wrong = "its struct_size is to be sizeof (BpVirtioFunction)";
  else if (!f->device_id)
    wrong = "0 says that there is no device (VIRTIO 1.2, chapter 5)";
  if (!wrong && (f->n_queues > QUEUES_MOST || (f->n_queues && (!f->queue_sizes || !f->kick))))
    wrong = "it has up to 1024 queues, each with a size, and takes kicks of them";
  for (unsigned i = 0; !wrong && i < f->n_queues; i++)
    if (!f->queue_sizes[i] || f->queue_sizes[i] > BP_VIRTIO_QUEUE_SIZE_MAX || f->queue_sizes[i] & (f->queue_sizes[i] - 1))
      wrong = "the size of a queue is a power of two up to 32768";
  if (f->features & ~DEVICE_BITS)
    wrong = "its features are bits 0 to 23 and 50 to 63";
  if (f->config_size > CONFIG_MOST)
    wrong = "its configuration has up to 4096 bytes";
  if (wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "a virtio device %u is impossible: %s", f->device_id, wrong);
  return !wrong;
}

/* The table is one array, by place: what is in it moves. */
static void
follow_states (VirtioBus *bus)
{
  for (unsigned i = 0; i < bus->devices->len; i++)
    device_at (bus, i)->state = (DeviceState *) bus->states.data + i;
}

static void
insert (VirtioBus *bus, BpVirtioDevice *d, const DeviceState *state)
{
  DeviceState *all = bus->states.data = g_renew (DeviceState, bus->states.data, bus->states.count + 1);
  unsigned at = 0;
  while (at < bus->states.count && all[at].place < state->place)
    at++;
  memmove (all + at + 1, all + at, (bus->states.count - at) * sizeof *all);
  all[at] = *state;
  bus->states.count++;
  g_ptr_array_insert (bus->devices, (int) at, d);
  follow_states (bus);
}

static void
extract (VirtioBus *bus, BpVirtioDevice *d)
{
  DeviceState *all = bus->states.data;
  unsigned at = (unsigned) (d->state - all);
  memmove (all + at, all + at + 1, (bus->states.count - at - 1) * sizeof *all);
  g_ptr_array_remove_index (bus->devices, at);
  if (--bus->states.count == 0)
    g_clear_pointer (&bus->states.data, g_free);
  follow_states (bus);
}

BpVirtioDevice *
virtio_device_new (VirtioBus *bus, uint32_t place, const char *address, const BpVirtioFunction *function, BpAddressSpace *dma, GError **error)
{
  BpVirtioFunction f = { 0 };
  memcpy (&f, function, MIN (function->struct_size, sizeof f));
  if (!function_is_fine (&f, error))
    return NULL;
  BpVirtioDevice *d = g_new0 (BpVirtioDevice, 1);
  d->bus = bus;
  d->number = place;
  d->address = g_strdup (address);
  d->function = f;
  d->n_queues = f.n_queues;
  d->loop = f.loop ? f.loop : bp_loop_main (bus->machine);
  d->offered = f.features | FEATURE_BIT (FEATURE_INDIRECT) | FEATURE_BIT (FEATURE_EVENT_INDEX) | FEATURE_BIT (FEATURE_VERSION_1)
               | (bus->packed ? FEATURE_BIT (FEATURE_PACKED) : 0);
  d->offered &= ~(f.without & ~FEATURE_BIT (FEATURE_VERSION_1));
  DeviceState state = { .place = place, .device_id = f.device_id, .config_vector = NO_VECTOR,
                        .queues = { f.n_queues ? g_new0 (QueueState, f.n_queues) : NULL, f.n_queues } };
  insert (bus, d, &state);
  d->queues = g_new0 (Queue, f.n_queues);
  for (unsigned i = 0; i < f.n_queues; i++)
    queue_init (&d->queues[i], d, i, f.queue_sizes[i]);
  d->function.queue_sizes = NULL;       /* the caller's */
  guest_memory_init (&d->memory, dma, device_memory_moved, d);
  if (!bus->sync && !device_open_fds (d, error)) {
    virtio_device_free (d);
    return NULL;
  }
  return d;
}

static void
free_buffers (BpVirtioDevice *d)
{
  for (Buffer *b = d->pool, *next; b; b = next) {
    next = b->next;
    g_free (b->iov);
    g_free (b->parts);
    g_free (b);
  }
  d->pool = NULL;
}

void
virtio_device_free (BpVirtioDevice *d)
{
  device_stop (d);
  device_close_fds (d);
  guest_memory_finish (&d->memory);
  for (unsigned i = 0; i < d->n_queues; i++) {
    queue_lose_buffers (&d->queues[i]);
    queue_finish (&d->queues[i]);
  }
  free_buffers (d);
  g_free (d->state->queues.data);
  extract (d->bus, d);
  g_free (d->queues);
  g_free (d->address);
  g_free (d);
}

/* --- the machine ---------------------------------------------------------------------------------- */

/* Before its processors run: what a driver has made available meanwhile, and what a saved machine had under way, is looked at now. */
static void
on_event (void *user, BpMachineEvent event, const char *detail)
{
  VirtioBus *bus = user;
  if (event != BP_MACHINE_RESUMING)
    return;
  bp_machine_lock (bus->machine);
  for (unsigned i = 0; i < bus->devices->len; i++)
    device_go_on (device_at (bus, i));
  bp_machine_unlock (bus->machine);
}

void
virtio_bus_init (VirtioBus *bus)
{
  bus->machine = bp_object_machine (bus);
  bus->devices = g_ptr_array_new ();
  bus->sync = bus->doorbells == DOORBELLS_OFF || (bus->doorbells == DOORBELLS_AUTO && bp_machine_is_deterministic (bus->machine, NULL));
  bus->watch = bp_machine_watch (bus->machine, on_event, bus);
}

void
virtio_bus_finish (VirtioBus *bus)
{
  if (!bus->devices)
    return;
  bp_machine_unwatch (bus->machine, bus->watch);
  g_clear_pointer (&bus->devices, g_ptr_array_unref);
}

void
virtio_bus_reset (VirtioBus *bus)
{
  for (unsigned i = 0; i < bus->devices->len; i++)
    device_reset (device_at (bus, i));
  bus->is_up = true;
}

bool
virtio_bus_post_load (VirtioBus *bus, GError **error)
{
  bool fine = true;
  for (unsigned i = 0; i < bus->devices->len; i++)
    fine = device_loaded (device_at (bus, i), fine ? error : NULL) && fine;
  return fine;
}

/* --- tables: saved fields ------------------------------------------------------------------------------ */

static const BpStateField queue_state[] = {
  BP_STATE_FIELD_U16 (QueueState, size), BP_STATE_FIELD_BOOL (QueueState, enabled), BP_STATE_FIELD_U16 (QueueState, vector),
  BP_STATE_FIELD_U64 (QueueState, descriptors), BP_STATE_FIELD_U64 (QueueState, driver), BP_STATE_FIELD_U64 (QueueState, device),
  BP_STATE_FIELD_U16 (QueueState, taken), BP_STATE_FIELD_U16 (QueueState, used), BP_STATE_FIELD_BOOL (QueueState, no_kicks),
  BP_STATE_FIELD_BOOL (QueueState, untold), BP_STATE_FIELD_U16 (QueueState, held_first), BP_STATE_FIELD_BUFFER (QueueState, held), BP_STATE_END
};
const BpStateField virtio_device_state[] = {
  BP_STATE_FIELD_U32 (DeviceState, place), BP_STATE_FIELD_U32 (DeviceState, device_id), BP_STATE_FIELD_U8 (DeviceState, status),
  BP_STATE_FIELD_U8 (DeviceState, isr), BP_STATE_FIELD_BOOL (DeviceState, broken), BP_STATE_FIELD_BOOL (DeviceState, legacy), BP_STATE_FIELD_BOOL (DeviceState, early),
  BP_STATE_FIELD_U16 (DeviceState, queue_select), BP_STATE_FIELD_U16 (DeviceState, config_vector), BP_STATE_FIELD_U32 (DeviceState, feature_select), BP_STATE_FIELD_U32 (DeviceState, driver_feature_select),
  BP_STATE_FIELD_U32 (DeviceState, config_generation), BP_STATE_FIELD_U64 (DeviceState, driver_features),
  BP_STATE_FIELD_TABLE (DeviceState, queues, QueueState, queue_state), BP_STATE_END
};

/* balloon.c -- virtio memory balloon (VIRTIO 1.2, 5.5): the guest gives memory back to the host, on request, and what is free by itself. */
/* SPDX-License-Identifier: MIT */
#include "balloon.h"
#include <backplane/log.h>
#include <backplane/loop.h>
#include <backplane/machine.h>
#include <stdlib.h>

/* --- what the driver sees ----------------------------------------------------- */

enum { DEVICE_ID = 5, QUEUE_SIZE = 128, CONFIG_SIZE = 16, CONFIG_ACTUAL = 4, CONFIG_POISON = 12 };
enum { INFLATE, DEFLATE };      /* then statistics and reporting, of which there is what was agreed on */
enum { PFNS_MOST = 1 << 18, PFNS_AT_A_TIME = 256, TURN_BUFFERS = 64 };

/* --- sizes ------------------------------------------------------------------------ */

static uint32_t wanted_pages (const Balloon *b) { return (uint32_t) MIN (b->give >> PAGE_SHIFT, UINT32_MAX); }

static uint64_t
actual (void *self)
{
  const Balloon *b = self;
  uint64_t all = balloon_all_memory (bp_object_machine (b));
  return all - MIN (all, (uint64_t) b->pages << PAGE_SHIFT);
}

static void
tell_changed (void *user)
{
  Balloon *b = user;
  b->posted = false;
  if (b->changed)
    b->changed (b->user);
}

static void
set_pages (Balloon *b, uint32_t pages)
{
  BpMachine *machine = bp_object_machine (b);
  if (b->pages == pages)
    return;
  b->pages = pages;
  if (b->posted || !b->changed)
    return;
  b->posted = true;
  bp_loop_post (bp_loop_main (machine), true, machine, tell_changed, b);
}

static void
take_target (Balloon *b)
{
  uint64_t all = balloon_all_memory (bp_object_machine (b));
  b->give = b->target && b->target < all ? all - b->target : 0;
  b->has_given = true;
}

static void
target_changed (Balloon *b)
{
  take_target (b);
  if (b->device)
    balloon_bus (b)->config_changed (b->bus.instance, b->device);
}

/* Of all there is by now, of which modules have come or gone. */
static void
show_target (Balloon *b)
{
  uint64_t all = balloon_all_memory (bp_object_machine (b));
  if (b->target || b->give)
    b->target = MAX (all - MIN (all, b->give), 1);
}

static void
on_machine (void *user, BpMachineEvent event, const char *detail)
{
  Balloon *b = user;
  if (event != BP_MACHINE_OBJECT_ADDED && event != BP_MACHINE_OBJECT_REMOVED && event != BP_MACHINE_RESUMED)
    return;
  bp_machine_lock (bp_object_machine (b));
  show_target (b);
  bp_machine_unlock (bp_object_machine (b));
}

/* --- configuration ------------------------------------------------------------------ */

static void
put32 (uint8_t *bytes, uint32_t value)
{
  uint32_t le = GUINT32_TO_LE (value);
  memcpy (bytes, &le, sizeof le);
}

static void
layout_config (const Balloon *b, uint8_t config[CONFIG_SIZE])
{
  memset (config, 0, CONFIG_SIZE);
  put32 (config, wanted_pages (b));
  put32 (config + CONFIG_ACTUAL, b->pages);
  put32 (config + CONFIG_POISON, b->poison);
}

static void
on_config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  uint8_t config[CONFIG_SIZE];
  layout_config (self, config);
  memcpy (bytes, config + offset, size);
}

static void
on_config_written (void *self, unsigned offset, const uint8_t *bytes, unsigned size)
{
  Balloon *b = self;
  uint8_t config[CONFIG_SIZE];
  uint32_t value;
  layout_config (b, config);
  memcpy (config + offset, bytes, size);
  memcpy (&value, config + CONFIG_ACTUAL, sizeof value);
  set_pages (b, GUINT32_FROM_LE (value));
  memcpy (&value, config + CONFIG_POISON, sizeof value);
  b->poison = GUINT32_FROM_LE (value);
  if (offset < CONFIG_ACTUAL || (offset > CONFIG_ACTUAL + 3 && offset < CONFIG_POISON))
    bp_log_guest (b, "a write at 0x%x of its configuration, where nothing can be written", offset);
}

/* --- pages of the balloon -------------------------------------------------------------- */

static int
compare_pages (const void *a, const void *b)
{
  uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
  return x < y ? -1 : x > y;
}

static void
discard (Balloon *b, uint64_t address, uint64_t size)
{
  if (balloon_discard (balloon_bus (b)->dma (b->bus.instance, b->device), address, size) || b->warned)
    return;
  b->warned = true;
  bp_log_unimp (b, "memory at 0x%" G_GINT64_MODIFIER "x that the guest gives cannot be given to the host: it is none, or of a kind that cannot", address);
}

/* Neighbours go together: drivers mostly give pages in falling order. */
static void
discard_pages (Balloon *b, uint32_t *pages, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    pages[i] = GUINT32_FROM_LE (pages[i]);
  qsort (pages, n, sizeof *pages, compare_pages);
  for (unsigned i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && pages[end] - pages[end - 1] <= 1; end++)
      ;
    discard (b, (uint64_t) pages[i] << PAGE_SHIFT, ((uint64_t) pages[end - 1] - pages[i] + 1) << PAGE_SHIFT);
  }
}

static void
inflate (Balloon *b, const BpVirtioBuffer *buffer)
{
  uint32_t pages[PFNS_AT_A_TIME];
  if (buffer->out_size > PFNS_MOST * sizeof *pages) {
    balloon_bus (b)->broken (b->bus.instance, b->device, "more pages in one buffer than 1 GiB has");
    return;
  }
  uint64_t at = 0;
  for (size_t n; (n = bp_virtio_read (buffer, at, pages, sizeof pages) / sizeof *pages); at += n * sizeof *pages)
    discard_pages (b, pages, (unsigned) n);
}

/* What the guest reports as free, it has as room for an answer: the buffer is the memory. */
static void
report (Balloon *b, const BpVirtioBuffer *buffer)
{
  if (balloon_features (b) & BALLOON_POISON && b->poison)
    return;                     /* it would have to come back filled */
  for (unsigned i = 0; i < buffer->n_in; i++)
    balloon_discard_host (bp_object_machine (b), buffer->in[i].iov_base, buffer->in[i].iov_len);
}

static void on_kick (void *self, unsigned queue);

/* The main loop has more to do, however fast the guest gives. */
static void
resume (void *user)
{
  Balloon *b = user;
  b->resumes = false;
  for (unsigned i = 0; b->device && i < BALLOON_QUEUES; i++)
    on_kick (b, i);
}

static void
post_rest (Balloon *b)
{
  BpMachine *machine = bp_object_machine (b);
  if (b->resumes)
    return;
  b->resumes = true;
  bp_loop_post (bp_loop_main (machine), true, machine, resume, b);
}

static void
take_pages (Balloon *b, unsigned queue, void (*take) (Balloon *b, const BpVirtioBuffer *buffer))
{
  unsigned n = 0;
  for (BpVirtioBuffer *buffer; n < TURN_BUFFERS && (buffer = bp_virtio_pop (&b->bus, b->device, queue)); n++) {
    if (take)
      take (b, buffer);
    bp_virtio_push (&b->bus, b->device, buffer, 0);
  }
  if (n)
    bp_virtio_notify (&b->bus, b->device, queue);
  if (n == TURN_BUFFERS)
    post_rest (b);
}

/* --- guest access ------------------------------------------------------------------------------ */

/* Without free-page hinting the queue of reports is number 4 in the standard, and for drivers that count queues the one behind the last (Linux). */
static void
on_kick (void *self, unsigned queue)
{
  Balloon *b = self;
  if (queue == INFLATE)
    take_pages (b, queue, inflate);
  else if (queue == DEFLATE)
    take_pages (b, queue, NULL);        /* the host gives memory when it is touched */
  else if (queue == balloon_stats_queue (b))
    balloon_take_statistics (b);
  else if (balloon_features (b) & BALLOON_REPORTING)
    take_pages (b, queue, report);
}

static bool
on_features (void *self, uint64_t features)
{
  Balloon *b = self;
  set_pages (b, 0);
  b->poison = 0;
  balloon_forget_numbers (b);
  return true;
}

/* --- what monitors ask ----------------------------------------------------------------------------- */

static bool is_active (void *self) { return balloon_features (self) != 0; }

static void
set_target (void *self, uint64_t bytes)
{
  Balloon *b = self;
  b->target = MAX (bytes, 1);
  target_changed (b);
}

static void
watch (void *self, void (*changed) (void *user), void *user)
{
  Balloon *b = self;
  b->changed = changed;
  b->user = user;
}

/* --- life cycle: realize, reset ---------------------------------------------------------------------- */

static bool
balloon_realize (void *self, GError **error)
{
  static const uint16_t sizes[BALLOON_QUEUES] = { QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE };
  Balloon *b = self;
  uint64_t features = BALLOON_STATS | BALLOON_POISON | (b->deflate_on_oom ? BALLOON_DEFLATE_ON_OOM : 0) | (b->reporting ? BALLOON_REPORTING : 0);
  BpVirtioFunction f = { .struct_size = sizeof f, .device_id = DEVICE_ID, .n_queues = BALLOON_QUEUES, .queue_sizes = sizes, .features = features,
                         .config_size = CONFIG_SIZE, .self = b, .owner = b, .config_read = on_config_read, .config_written = on_config_written,
                         .accept_features = on_features, .kick = on_kick };
  balloon_statistics_init (b);
  b->watch = bp_machine_watch (bp_object_machine (b), on_machine, b);
  b->device = balloon_bus (b)->add (b->bus.instance, b->address, &f, error);
  return b->device != NULL;
}

static void
balloon_unrealize (void *self)
{
  Balloon *b = self;
  if (b->watch)
    bp_machine_unwatch (bp_object_machine (b), b->watch);
  b->watch = 0;
  if (b->device)
    balloon_bus (b)->remove (b->bus.instance, b->device);
  b->device = NULL;
  balloon_statistics_finish (b);
}

static BpRemoval
balloon_removal (void *self, GError **error)
{
  Balloon *b = self;
  return bp_virtio_removal (&b->bus, b->device, error);
}

static void
balloon_reset (void *self, BpResetKind kind)
{
  Balloon *b = self;
  balloon_bus (b)->reset (b->bus.instance, b->device);
  set_pages (b, 0);
  b->poison = 0;
  balloon_statistics_reset (b);
  if (!b->has_given)            /* not before everything is mapped */
    take_target (b);
}

static bool
balloon_post_load (void *self, GError **error)
{
  Balloon *b = self;
  b->has_given = true;
  b->target = 0;
  show_target (b);              /* and again when what the snapshot lacks has left */
  return true;
}

static void
balloon_property_changed (void *self, const char *name)
{
  Balloon *b = self;
  if (strcmp (name, "target") == 0)
    target_changed (b);
  else
    balloon_arm_timer (b);
}

/* --- tables: properties, saved fields, type ------------------------------------------------------------ */

static const BpProperty balloon_properties[] = {
  BP_VIRTIO_DEVICE_PROPERTIES (Balloon, bus, address),
  BP_PROP_ ("target", BP_PROPERTY_SIZE, Balloon, target, .flags = BP_PROPERTY_RUNTIME,
            .help = "Bytes of memory that the guest shall have, of its RAM and modules (dimm); it gives the rest to the host as far as it can.  0, or more than there is: all."),
  BP_PROP_BOOL ("deflate-on-oom", Balloon, deflate_on_oom, false, "Whether the guest may take memory back from the balloon when it runs out of it."),
  BP_PROP_BOOL ("free-page-reporting", Balloon, reporting, true,
                "Whether the guest tells which memory is free at the moment, which goes to the host until the guest uses it again."),
  BP_PROP_ ("statistics-interval", BP_PROPERTY_U32, Balloon, interval, .flags = BP_PROPERTY_RUNTIME, .max = 86400,
            .help = "Seconds of virtual time after which the guest tells its statistics again; 0: only when its driver starts."),
  BP_PROP_END
};
static const BpStateField balloon_state[] = {
  BP_STATE_FIELD_U32 (Balloon, pages), BP_STATE_FIELD_U32 (Balloon, poison), BP_STATE_FIELD_ARRAY (BP_STATE_U64, Balloon, numbers, BALLOON_NUMBERS),
  BP_STATE_FIELD_U64 (Balloon, told), BP_STATE_FIELD_U64 (Balloon, give), BP_STATE_FIELD_TIMER (Balloon, timer), BP_STATE_END
};
static const BpBalloonIface balloon_iface = {
  .struct_size = sizeof balloon_iface, .is_active = is_active, .actual = actual, .set_target = set_target, .statistics = balloon_statistics, .watch = watch
};
static const BpInterfaceDesc balloon_interfaces[] = { { BP_BALLOON_ID, &balloon_iface }, { NULL, NULL } };

const BpTypeDesc virtio_balloon_type = {
  BP_TYPE ("virtio-balloon", BP_KIND_DEVICE, Balloon),
  .description = "Virtio memory balloon: takes memory from the guest, and what it reports as free",
  .properties = balloon_properties,
  .interfaces = balloon_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = balloon_state,
  .realize = balloon_realize,
  .unrealize = balloon_unrealize,
  .reset = balloon_reset,
  .post_load = balloon_post_load,
  .property_changed = balloon_property_changed,
  .flags = BP_TYPE_HOT_PLUG,
  .removal = balloon_removal,
};

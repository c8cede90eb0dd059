/* balloon.c -- virtio memory balloon (VIRTIO 1.2, 5.5): the guest gives memory back to the host, on request, and what is free by itself. */
/* SPDX-License-Identifier: MIT */
#include "balloon.h"
#include <backplane/bus/memory-slots.h>
#include <backplane/iface/balloon.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/machine.h>
#include <stdlib.h>

/* --- what the driver sees ----------------------------------------------------- */

enum { DEVICE_ID = 5, QUEUE_SIZE = 128, QUEUES = 5, CONFIG_SIZE = 16, CONFIG_ACTUAL = 4, CONFIG_POISON = 12 };
enum { STATS = 1 << 1, DEFLATE_ON_OOM = 1 << 2, POISON = 1 << 4, REPORTING = 1 << 5 };
enum { INFLATE, DEFLATE };      /* then statistics and reporting, of which there is what was agreed on */
enum { PFNS_MOST = 1 << 18, PFNS_AT_A_TIME = 256, TURN_BUFFERS = 64 };

/* --- state: saved | wiring | derived ------------------------------------------ */

enum { NUMBERS = 16 };

typedef struct Balloon {
  uint32_t pages;               /* of 4 KiB, that the guest says it has given */
  uint32_t poison;              /* what the guest fills free pages with */
  uint64_t numbers[NUMBERS];    /* its statistics, by tag; ~0: not told */
  uint64_t told;                /* the host's time of them, in seconds */
  uint64_t give;                /* bytes that the guest shall give; modules that join or leave do not change it */
  BpTimer *timer;               /* for the next statistics */
  /* wiring */
  BpLink bus;
  char *address;
  uint64_t target;              /* all there is without `give'; 0: all there is */
  bool deflate_on_oom, reporting;
  uint32_t interval;            /* s */
  BpVirtioDevice *device;
  /* derived */
  void (*changed) (void *user);
  void *user;
  unsigned watch;
  bool has_given;               /* `give' has come from the descriptor's target, or from a snapshot */
  bool posted, resumes;         /* a call is on the main loop's list: of changed, for the rest of a queue */
  bool warned;
} Balloon;

static const BpVirtioBusIface *bus_of (const Balloon *b) { return b->bus.table; }
static uint64_t features_of (const Balloon *b) { return bus_of (b)->features (b->bus.instance, b->device); }

/* --- sizes ------------------------------------------------------------------------ */

static void
note_owner (void *user, const BpFlatRange *r)
{
  GPtrArray *owners = user;
  void *owner = r->host && !r->readonly ? bp_region_owner (r->region) : NULL;
  if (owner && bp_object_interface (owner, BP_MEMORY_BACKEND_ID) && !g_ptr_array_find (owners, owner, NULL))
    g_ptr_array_add (owners, owner);
}

/* virtio-mem and virtio-pmem do with theirs as they please. */
static void
leave_out_devices (BpMachine *machine, GPtrArray *owners)
{
  unsigned cursor = 0;
  for (void *d; (d = bp_machine_next (machine, BP_MEMORY_DEVICE_ID, &cursor));) {
    const BpMemoryDeviceIface *iface = bp_object_interface (d, BP_MEMORY_DEVICE_ID);
    BpMemoryDeviceInfo info = { .struct_size = sizeof info };
    if (BP_TABLE_HAS (iface, info))
      iface->info (d, &info);
    if (info.memory && info.slot < 0)
      g_ptr_array_remove_fast (owners, info.memory);
  }
}

/* The RAM that the guest finds by now, modules included; what was added and is in no module yet, or is ROM, is none. */
static uint64_t
all_memory (const Balloon *b)
{
  static const BpMemoryListener listener = { .struct_size = sizeof listener, .add = note_owner };
  BpMachine *machine = bp_object_machine (b);
  BpAddressSpace *as = bp_machine_address_space (machine, "memory");
  g_autoptr (GPtrArray) owners = g_ptr_array_new ();
  uint64_t size = 0;
  if (as)
    bp_as_unlisten (as, bp_as_listen (as, &listener, owners));
  leave_out_devices (machine, owners);
  for (guint i = 0; i < owners->len; i++) {
    const BpMemoryBackendIface *iface = bp_object_interface (owners->pdata[i], BP_MEMORY_BACKEND_ID);
    size += BP_TABLE_HAS (iface, size) ? iface->size (owners->pdata[i]) : 0;
  }
  return size;
}

static uint32_t wanted_pages (const Balloon *b) { return (uint32_t) MIN (b->give >> PAGE_SHIFT, UINT32_MAX); }

static uint64_t
actual (void *self)
{
  const Balloon *b = self;
  uint64_t all = all_memory (b);
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
  uint64_t all = all_memory (b);
  b->give = b->target && b->target < all ? all - b->target : 0;
  b->has_given = true;
}

static void
target_changed (Balloon *b)
{
  take_target (b);
  if (b->device)
    bus_of (b)->config_changed (b->bus.instance, b->device);
}

/* Of all there is by now, of which modules have come or gone. */
static void
show_target (Balloon *b)
{
  uint64_t all = all_memory (b);
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
  if (balloon_discard (bus_of (b)->dma (b->bus.instance, b->device), address, size) || b->warned)
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
    bus_of (b)->broken (b->bus.instance, b->device, "more pages in one buffer than 1 GiB has");
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
  if (features_of (b) & POISON && b->poison)
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
  for (unsigned i = 0; b->device && i < QUEUES; i++)
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

/* --- statistics ---------------------------------------------------------------------------- */

/* Tags in the order of 5.5.6.3, as QEMU calls them. */
static const char *const number_names[NUMBERS] = {
  "stat-swap-in", "stat-swap-out", "stat-major-faults", "stat-minor-faults", "stat-free-memory", "stat-total-memory", "stat-available-memory",
  "stat-disk-caches", "stat-htlb-pgalloc", "stat-htlb-pgfail"
};

static void
forget_numbers (Balloon *b)
{
  memset (b->numbers, 0xff, sizeof b->numbers);
  b->told = 0;
}

static void
read_numbers (Balloon *b, const BpVirtioBuffer *buffer)
{
  enum { ROW = 10, ROWS_MOST = 64 };
  uint8_t row[ROW];
  forget_numbers (b);
  for (unsigned i = 0; i < ROWS_MOST && bp_virtio_read (buffer, (uint64_t) i * ROW, row, ROW) == ROW; i++) {
    unsigned tag = row[0] | row[1] << 8;
    uint64_t value;
    memcpy (&value, row + 2, sizeof value);
    if (tag < NUMBERS)
      b->numbers[tag] = GUINT64_FROM_LE (value);
  }
  b->told = (uint64_t) bp_clock_now (bp_object_machine (b), BP_CLOCK_HOST) / BP_NS_PER_SECOND;
}

static void
arm_timer (Balloon *b)
{
  if (!b->timer)
    return;
  if (b->interval)
    bp_timer_arm (b->timer, bp_clock_now (bp_object_machine (b), BP_CLOCK_VIRTUAL) + b->interval * BP_NS_PER_SECOND);
  else
    bp_timer_cancel (b->timer);
}

static unsigned stats_queue (const Balloon *b) { return features_of (b) & STATS ? 2 : QUEUES; }

/* The guest keeps one buffer there, and fills it again when it gets it back: it stays in the ring until it is time. */
static void
on_statistics (Balloon *b)
{
  BpVirtioBuffer *buffer = bp_virtio_pop (&b->bus, b->device, stats_queue (b));
  if (!buffer)
    return;
  read_numbers (b, buffer);
  bus_of (b)->unpop (b->bus.instance, b->device, buffer);
  if (b->interval && !bp_timer_is_armed (b->timer))
    arm_timer (b);
}

static void
on_timer (void *user)
{
  Balloon *b = user;
  unsigned queue = stats_queue (b);
  BpVirtioBuffer *buffer = queue < QUEUES ? bp_virtio_pop (&b->bus, b->device, queue) : NULL;
  if (!buffer)
    return;                     /* a driver that comes arms it again */
  bp_virtio_push (&b->bus, b->device, buffer, 0);
  bp_virtio_notify (&b->bus, b->device, queue);
  arm_timer (b);
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
  else if (queue == stats_queue (b))
    on_statistics (b);
  else if (features_of (b) & REPORTING)
    take_pages (b, queue, report);
}

static bool
on_features (void *self, uint64_t features)
{
  Balloon *b = self;
  set_pages (b, 0);
  b->poison = 0;
  forget_numbers (b);
  return true;
}

/* --- what monitors ask ----------------------------------------------------------------------------- */

static bool is_active (void *self) { return features_of (self) != 0; }

static void
set_target (void *self, uint64_t bytes)
{
  Balloon *b = self;
  b->target = MAX (bytes, 1);
  target_changed (b);
}

static unsigned
statistics (void *self, BpBalloonNumber *numbers, unsigned most, int64_t *seconds)
{
  const Balloon *b = self;
  unsigned n = 0;
  for (unsigned i = 0; i < NUMBERS && number_names[i]; i++) {
    if (n < most)
      numbers[n] = (BpBalloonNumber) { number_names[i], b->numbers[i] };
    n++;
  }
  *seconds = (int64_t) b->told;
  return MIN (n, most);
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
  static const uint16_t sizes[QUEUES] = { QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE };
  Balloon *b = self;
  uint64_t features = STATS | POISON | (b->deflate_on_oom ? DEFLATE_ON_OOM : 0) | (b->reporting ? REPORTING : 0);
  BpVirtioFunction f = { .struct_size = sizeof f, .device_id = DEVICE_ID, .n_queues = QUEUES, .queue_sizes = sizes, .features = features,
                         .config_size = CONFIG_SIZE, .self = b, .owner = b, .config_read = on_config_read, .config_written = on_config_written,
                         .accept_features = on_features, .kick = on_kick };
  b->timer = bp_timer_new (b, BP_CLOCK_VIRTUAL, on_timer, b);
  b->watch = bp_machine_watch (bp_object_machine (b), on_machine, b);
  b->device = bus_of (b)->add (b->bus.instance, b->address, &f, error);
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
    bus_of (b)->remove (b->bus.instance, b->device);
  b->device = NULL;
  bp_timer_free (b->timer);
  b->timer = NULL;
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
  bus_of (b)->reset (b->bus.instance, b->device);
  bp_timer_cancel (b->timer);
  set_pages (b, 0);
  b->poison = 0;
  forget_numbers (b);
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
    arm_timer (b);
}

/* --- tables: properties, saved fields, type ------------------------------------------------------------ */

static const BpProperty balloon_properties[] = {
  VIRTIO_DEVICE_PROPERTIES (Balloon),
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
  BP_STATE_FIELD_U32 (Balloon, pages), BP_STATE_FIELD_U32 (Balloon, poison), BP_STATE_FIELD_ARRAY (BP_STATE_U64, Balloon, numbers, NUMBERS),
  BP_STATE_FIELD_U64 (Balloon, told), BP_STATE_FIELD_U64 (Balloon, give), BP_STATE_FIELD_TIMER (Balloon, timer), BP_STATE_END
};
static const BpBalloonIface balloon_iface = {
  .struct_size = sizeof balloon_iface, .is_active = is_active, .actual = actual, .set_target = set_target, .statistics = statistics, .watch = watch
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

/* rng.c -- virtio entropy device (VIRTIO 1.2, 5.4): random bytes of the host, or of a seed. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/virtio.h>
#include <backplane/clock.h>
#include <errno.h>
#include <sys/random.h>

/* --- what the driver sees ----------------------------------------------------- */

enum { DEVICE_ID = 4, QUEUE = 0, QUEUE_SIZE = 256 };

/* --- state: saved | wiring | derived ------------------------------------------ */

typedef struct Rng {
  uint64_t stream;              /* where the seed's stream is */
  uint64_t left;                /* bytes that may be given in this period */
  BpTimer *timer;               /* the period's end */
  /* wiring */
  BpLink bus;
  char *address, *seed;
  uint64_t max_bytes;
  uint32_t period;              /* ms */
  BpVirtioDevice *device;
  /* derived */
  uint64_t seed_number;
  bool seeded;
} Rng;

static const BpVirtioBusIface *bus_of (const Rng *r) { return r->bus.table; }

/* --- random bytes ----------------------------------------------------------------- */

/* A counter whose bits are mixed (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014). */
static uint64_t
next_number (Rng *r)
{
  uint64_t z = r->stream += UINT64_C (0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
  return z ^ z >> 31;
}

static void
fill_from_seed (Rng *r, uint8_t *bytes, size_t size)
{
  for (size_t i = 0; i < size; i += 8) {
    uint64_t number = GUINT64_TO_LE (next_number (r));
    memcpy (bytes + i, &number, MIN (size - i, sizeof number));
  }
}

/* The host's never blocks here: its pool is filled long before a machine starts. */
static bool
fill_from_host (uint8_t *bytes, size_t size)
{
  for (size_t done = 0; done < size;) {
    ssize_t n = getrandom (bytes + done, size - done, 0);
    if (n < 0 && errno != EINTR)
      return false;
    done += n > 0 ? (size_t) n : 0;
  }
  return true;
}

static bool
fill (Rng *r, uint8_t *bytes, size_t size)
{
  if (!r->seeded)
    return fill_from_host (bytes, size);
  fill_from_seed (r, bytes, size);
  return true;
}

/* --- requests ------------------------------------------------------------------------- */

static uint32_t
answer (Rng *r, const BpVirtioBuffer *b)
{
  enum { ENOUGH = 64 * 1024 };  /* at a time: a driver asks again for more, and others have their turn */
  uint64_t most = MIN (b->in_size, ENOUGH);
  if (r->period)
    most = MIN (most, r->left);
  uint32_t done = 0;
  for (unsigned i = 0; i < b->n_in && done < most; i++) {
    size_t part = (size_t) MIN (b->in[i].iov_len, most - done);
    if (!fill (r, b->in[i].iov_base, part))
      break;
    done += (uint32_t) part;
  }
  if (r->period)
    r->left -= done;
  return done;
}

static void
on_kick (void *self, unsigned queue)
{
  Rng *r = self;
  bool any = false;
  while (!r->period || r->left) {
    BpVirtioBuffer *b = bp_virtio_pop (&r->bus, r->device, queue);
    if (!b)
      break;
    if (!b->in_size)
      bus_of (r)->broken (r->bus.instance, r->device, "a request for random bytes without room for any");
    bp_virtio_push (&r->bus, r->device, b, answer (r, b));
    any = true;
  }
  if (any)
    bp_virtio_notify (&r->bus, r->device, queue);
  if (r->period && !r->left && !bp_timer_is_armed (r->timer))
    bp_timer_arm (r->timer, bp_clock_now (bp_object_machine (r), BP_CLOCK_VIRTUAL) + r->period * INT64_C (1000000));
}

/* --- events (timers) ---------------------------------------------------------------------- */

static void
on_period (void *user)
{
  Rng *r = user;
  r->left = r->max_bytes;
  on_kick (r, QUEUE);
}

/* --- life cycle: configure, realize, reset -------------------------------------------------- */

static bool
rng_configure (void *self, GError **error)
{
  Rng *r = self;
  guint64 number = 0;
  r->seeded = r->seed && *r->seed;
  if (r->seeded && !g_ascii_string_to_unsigned (r->seed, 10, 0, G_MAXUINT64, &number, NULL)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "seed = %s is not a number", r->seed);
    return false;
  }
  if (!r->period != !r->max_bytes) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "max-bytes and period limit the device together; %s is not given", r->period ? "max-bytes" : "period");
    return false;
  }
  r->seed_number = number;
  return true;
}

static bool
rng_realize (void *self, GError **error)
{
  static const uint16_t sizes[] = { QUEUE_SIZE };
  Rng *r = self;
  BpVirtioFunction f = { .struct_size = sizeof f, .device_id = DEVICE_ID, .n_queues = 1, .queue_sizes = sizes, .self = r, .owner = r, .kick = on_kick };
  r->timer = bp_timer_new (r, BP_CLOCK_VIRTUAL, on_period, r);
  r->device = bus_of (r)->add (r->bus.instance, r->address, &f, error);
  return r->device != NULL;
}

static void
rng_unrealize (void *self)
{
  Rng *r = self;
  if (r->device)
    bus_of (r)->remove (r->bus.instance, r->device);
  r->device = NULL;
  bp_timer_free (r->timer);
  r->timer = NULL;
}

static BpRemoval
rng_removal (void *self, GError **error)
{
  Rng *r = self;
  return bp_virtio_removal (&r->bus, r->device, error);
}

static void
rng_reset (void *self, BpResetKind kind)
{
  Rng *r = self;
  bus_of (r)->reset (r->bus.instance, r->device);
  bp_timer_cancel (r->timer);
  r->left = r->max_bytes;
  r->stream = r->seed_number;
}

/* --- tables: properties, saved fields, type ---------------------------------------------------- */

static const BpProperty rng_properties[] = {
  BP_VIRTIO_DEVICE_PROPERTIES (Rng, bus, address),
  BP_PROP_STRING ("seed", Rng, seed, NULL, "A number from which all bytes follow, so that each run of a deterministic machine gets the same; not given: the host's."),
  BP_PROP_SIZE ("max-bytes", Rng, max_bytes, 0, "Bytes that the guest gets within a `period` at most; 0: no limit."),
  BP_PROP_U32 ("period", Rng, period, 0, "Length of a period, in milliseconds of virtual time, from its last byte on; 0: no limit."),
  BP_PROP_END
};
static const BpStateField rng_state[] = {
  BP_STATE_FIELD_U64 (Rng, stream), BP_STATE_FIELD_U64 (Rng, left), BP_STATE_FIELD_TIMER (Rng, timer), BP_STATE_END
};

const BpTypeDesc virtio_rng_type = {
  BP_TYPE ("virtio-rng", BP_KIND_DEVICE, Rng),
  .description = "Virtio entropy device",
  .properties = rng_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = rng_state,
  .configure = rng_configure,
  .realize = rng_realize,
  .unrealize = rng_unrealize,
  .reset = rng_reset,
  .flags = BP_TYPE_HOT_PLUG,
  .removal = rng_removal,
};

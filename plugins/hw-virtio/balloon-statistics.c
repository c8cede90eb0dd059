/* balloon-statistics.c -- what the guest tells of its memory (VIRTIO 1.2, 5.5.6.3), again and again when that is wanted. */
/* SPDX-License-Identifier: MIT */
#include "balloon.h"
#include <backplane/clock.h>

/* Tags in the order of 5.5.6.3, as QEMU calls them. */
static const char *const number_names[BALLOON_NUMBERS] = {
  "stat-swap-in", "stat-swap-out", "stat-major-faults", "stat-minor-faults", "stat-free-memory", "stat-total-memory", "stat-available-memory",
  "stat-disk-caches", "stat-htlb-pgalloc", "stat-htlb-pgfail"
};

void
balloon_forget_numbers (Balloon *b)
{
  memset (b->numbers, 0xff, sizeof b->numbers);
  b->told = 0;
}

static void
read_numbers (Balloon *b, const BpVirtioBuffer *buffer)
{
  enum { ROW = 10, ROWS_MOST = 64 };
  uint8_t row[ROW];
  balloon_forget_numbers (b);
  for (unsigned i = 0; i < ROWS_MOST && bp_virtio_read (buffer, (uint64_t) i * ROW, row, ROW) == ROW; i++) {
    unsigned tag = row[0] | row[1] << 8;
    uint64_t value;
    memcpy (&value, row + 2, sizeof value);
    if (tag < BALLOON_NUMBERS)
      b->numbers[tag] = GUINT64_FROM_LE (value);
  }
  b->told = (uint64_t) bp_clock_now (bp_object_machine (b), BP_CLOCK_HOST) / BP_NS_PER_SECOND;
}

void
balloon_arm_timer (Balloon *b)
{
  if (!b->timer)
    return;
  if (b->interval)
    bp_timer_arm (b->timer, bp_clock_now (bp_object_machine (b), BP_CLOCK_VIRTUAL) + b->interval * BP_NS_PER_SECOND);
  else
    bp_timer_cancel (b->timer);
}

unsigned balloon_stats_queue (const Balloon *b) { return balloon_features (b) & BALLOON_STATS ? 2 : BALLOON_QUEUES; }

/* The guest keeps one buffer there, and fills it again when it gets it back: it stays in the ring until it is time. */
void
balloon_take_statistics (Balloon *b)
{
  BpVirtioBuffer *buffer = bp_virtio_pop (&b->bus, b->device, balloon_stats_queue (b));
  if (!buffer)
    return;
  read_numbers (b, buffer);
  balloon_bus (b)->unpop (b->bus.instance, b->device, buffer);
  if (b->interval && !bp_timer_is_armed (b->timer))
    balloon_arm_timer (b);
}

static void
on_timer (void *user)
{
  Balloon *b = user;
  unsigned queue = balloon_stats_queue (b);
  BpVirtioBuffer *buffer = queue < BALLOON_QUEUES ? bp_virtio_pop (&b->bus, b->device, queue) : NULL;
  if (!buffer)
    return;                     /* a driver that comes arms it again */
  bp_virtio_push (&b->bus, b->device, buffer, 0);
  bp_virtio_notify (&b->bus, b->device, queue);
  balloon_arm_timer (b);
}

unsigned
balloon_statistics (void *self, BpBalloonNumber *numbers, unsigned most, int64_t *seconds)
{
  const Balloon *b = self;
  unsigned n = 0;
  for (unsigned i = 0; i < BALLOON_NUMBERS && number_names[i]; i++) {
    if (n < most)
      numbers[n] = (BpBalloonNumber) { number_names[i], b->numbers[i] };
    n++;
  }
  *seconds = (int64_t) b->told;
  return MIN (n, most);
}

void
balloon_statistics_init (Balloon *b)
{
  b->timer = bp_timer_new (b, BP_CLOCK_VIRTUAL, on_timer, b);
}

void
balloon_statistics_reset (Balloon *b)
{
  bp_timer_cancel (b->timer);
  balloon_forget_numbers (b);
}

void
balloon_statistics_finish (Balloon *b)
{
  bp_timer_free (b->timer);
  b->timer = NULL;
}

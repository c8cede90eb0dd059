/* snapshotter.c -- plugin for tests: saves the machine after some time, again and again, loads it back, and ends the run. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include <backplane/loop.h>
#include <backplane/machine.h>
#include <backplane/plugin.h>
#include <backplane/snapshot.h>
#include <inttypes.h>
#include <stdio.h>

typedef struct Snapshotter {
  char *name, *delete;
  uint32_t after, every, times;
  bool load, save, end, list, virtual;
  uint32_t done;
  BpTimer *timer;
} Snapshotter;

static void
tell (void *user, const BpSnapshotInfo *s)
{
  fprintf (stderr, "snapshotter: there is `%s` id `%s` in %s (%s), %" PRIu64 " bytes, %s\n", s->name, s->id, s->where, s->format, s->vm_state_size,
           s->complete ? "complete" : "not complete");
}

static void
report (Snapshotter *s, const char *what, int64_t start, bool good, GError *error)
{
  fprintf (stderr, "snapshotter: %s %u: %s, %" PRId64 " ms\n", what, s->done, good ? "good" : error->message,
           (bp_clock_now (bp_object_machine (s), BP_CLOCK_REALTIME) - start) / 1000000);
}

/* Without the machine lock, and not from a timer, which has it. */
static void
act (void *user)
{
  Snapshotter *s = user;
  BpMachine *m = bp_object_machine (s);
  g_autoptr (GError) error = NULL;
  bool good = true;
  int64_t start = bp_clock_now (m, BP_CLOCK_REALTIME);
  s->done++;
  if (s->save) {
    good = bp_machine_save_snapshot (m, s->name, &error);
    report (s, "save", start, good, error);
  }
  start = bp_clock_now (m, BP_CLOCK_REALTIME);
  if (good && s->load) {
    good = bp_machine_load_snapshot (m, s->name, &error);
    report (s, "load", start, good, error);
  }
  if (good && s->list)
    good = bp_machine_list_snapshots (m, tell, s, &error);
  if (good && s->delete) {
    good = bp_machine_delete_snapshot (m, s->delete, &error);
    report (s, "delete", start, good, error);
  }
  if (!good || (s->end && s->done >= s->times))
    bp_machine_request_shutdown (m, good ? 0 : 1, good ? "the snapshots were made" : error->message);
  else if (s->done < s->times) {
    bp_machine_lock (m);
    bp_timer_arm (s->timer, bp_clock_now (m, s->virtual ? BP_CLOCK_VIRTUAL : BP_CLOCK_REALTIME) + s->every * INT64_C (1000000));
    bp_machine_unlock (m);
  }
}

static void
on_time (void *user)
{
  BpMachine *m = bp_object_machine (user);
  const Snapshotter *s = user;
  if (s->virtual && s->end)     /* a guest that sleeps would be hours further on */
    bp_machine_request_stop (m, BP_RUN_PAUSED);
  bp_loop_post (bp_loop_main (m), false, m, act, user);
}

static bool
realize (void *self, GError **error)
{
  Snapshotter *s = self;
  BpClock clock = s->virtual ? BP_CLOCK_VIRTUAL : BP_CLOCK_REALTIME;
  s->timer = bp_timer_new (self, clock, on_time, s);
  bp_timer_arm (s->timer, bp_clock_now (bp_object_machine (self), clock) + s->after * INT64_C (1000000));
  return true;
}

static void
unrealize (void *self)
{
  Snapshotter *s = self;
  bp_timer_free (s->timer);
  s->timer = NULL;
}

static const BpProperty properties[] = {
  BP_PROP_STRING ("name", Snapshotter, name, NULL, "The snapshot's name."),
  BP_PROP_STRING ("delete", Snapshotter, delete, NULL, "A snapshot to delete afterwards."),
  BP_PROP_U32_RANGE ("after", Snapshotter, after, 1000, 0, 3600000, "Milliseconds to the first time."),
  BP_PROP_U32_RANGE ("every", Snapshotter, every, 1000, 0, 3600000, "Milliseconds to the next."),
  BP_PROP_U32_RANGE ("times", Snapshotter, times, 1, 1, 1000000, "How often."),
  BP_PROP_BOOL ("save", Snapshotter, save, true, "Save it."),
  BP_PROP_BOOL ("load", Snapshotter, load, false, "Load it."),
  BP_PROP_BOOL ("list", Snapshotter, list, false, "Tell which there are."),
  BP_PROP_BOOL ("end", Snapshotter, end, true, "End the run then."),
  BP_PROP_BOOL ("virtual", Snapshotter, virtual, false, "Milliseconds of virtual time."),
  BP_PROP_END
};

static const BpTypeDesc type = {
  BP_TYPE ("snapshotter", BP_KIND_MONITOR, Snapshotter),
  .description = "saves and loads the machine",
  .properties = properties,
  .realize = realize,
  .unrealize = unrealize,
};

static const BpTypeDesc *const types[] = { &type, NULL };

BP_PLUGIN_DEFINE (.id = "snapshotter", .version = "0", .licence = "MIT", .description = "for tests", .types = types);

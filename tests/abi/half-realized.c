/* half-realized.c -- a device that acquires one thing after the other and fails where `fails' says; unrealize gives back what is there. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>
#include <backplane/loop.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct Half {
  int fails;
  char *buffer;
  BpRegion *region;
  BpTimer *timer;
  int fd;
  unsigned watch, listener;
  BpLoop *thread;
} Half;

static const char *const fails_names[] = { "never", "configure", "region", "timer", "watch", "listener", "thread", NULL };
enum { NEVER, CONFIGURE, REGION, TIMER, WATCH, LISTENER, THREAD };

static bool
may_go_on (Half *h, int at, GError **error)
{
  if (h->fails != at)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "told to fail at `%s'", fails_names[at]);
  return false;
}

static void fire (void *user) { }

static bool
ready (void *user, GIOCondition condition)
{
  return true;
}

static bool
configure (void *self, GError **error)
{
  Half *h = self;
  h->fd = -1;
  h->buffer = g_malloc0 (1000);
  return may_go_on (h, CONFIGURE, error);
}

static bool
realize (void *self, GError **error)
{
  Half *h = self;
  BpMachine *m = bp_object_machine (self);
  BpAddressSpace *memory = bp_machine_address_space (m, "memory");
  static const BpMemoryListener listener = { .struct_size = sizeof listener };
  h->region = bp_region_new_container (self, "half", 4096);
  bp_region_add (bp_address_space_root (memory), 0x10000000, h->region, 0);
  if (!may_go_on (h, REGION, error))
    return false;
  h->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, fire, self);
  bp_timer_arm (h->timer, 1000);
  if (!may_go_on (h, TIMER, error))
    return false;
  h->fd = eventfd (0, EFD_CLOEXEC);
  h->watch = bp_loop_watch_fd (bp_loop_main (m), m, h->fd, G_IO_IN, ready, self);
  if (!may_go_on (h, WATCH, error))
    return false;
  h->listener = bp_as_listen (memory, &listener, self);
  if (!may_go_on (h, LISTENER, error))
    return false;
  h->thread = bp_loop_new_thread ("half");
  return may_go_on (h, THREAD, error);
}

static void
unrealize (void *self)
{
  Half *h = self;
  BpMachine *m = bp_object_machine (self);
  g_clear_pointer (&h->thread, bp_loop_free);
  if (h->listener)
    bp_as_unlisten (bp_machine_address_space (m, "memory"), h->listener);
  if (h->watch)
    bp_loop_unwatch (bp_loop_main (m), h->watch);
  if (h->fd >= 0)
    close (h->fd);
  g_clear_pointer (&h->timer, bp_timer_free);
  g_clear_pointer (&h->region, bp_region_free);
  g_clear_pointer (&h->buffer, g_free);
  h->listener = h->watch = 0;
  h->fd = -1;
}

static const BpProperty properties[] = { BP_PROP_ENUM ("fails", Half, fails, NEVER, fails_names, "Where it fails."), BP_PROP_END };
static const BpTypeDesc type = {
  BP_TYPE ("half-realized", BP_KIND_DEVICE, Half), .description = "fails where it is told to", .properties = properties, .configure = configure, .realize = realize,
  .unrealize = unrealize
};

typedef struct Needy {
  BpLink sensor, bus;
} Needy;

static const BpProperty needy_properties[] = { BP_PROP_LINK ("sensor", Needy, sensor, "org.example.nobody/1", BP_PROPERTY_REQUIRED, "What nobody has."),
                                               BP_PROP_LINK ("bus", Needy, bus, "bp.pci-bus/1", 0, "A PCI bus."), BP_PROP_END };
static const BpTypeDesc needy_type = { BP_TYPE ("needy", BP_KIND_DEVICE, Needy), .description = "needs what nobody provides", .properties = needy_properties };
static const BpTypeDesc *const types[] = { &type, &needy_type, NULL };

BP_PLUGIN_DEFINE (.id = "half-realized", .version = "1.0", .licence = "MIT", .description = "fails where it is told to", .types = types);

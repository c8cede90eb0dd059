/* faults.c -- types with one fault each, which a validation must find. */
/* SPDX-License-Identifier: MIT */

#include <backplane/bus/pci.h>
#include <backplane/device.h>
#include <backplane/iface/char.h>
#include <backplane/loop.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct Faulty {
  uint32_t n, size;
  bool on;
  uint64_t value;
  BpTimer *timer;
  BpRegion *region;
  int fd;
} Faulty;

static void fire (void *user) { }

#define FAULTY(symbol, name_, description_, ...) \
  static const BpTypeDesc symbol = { BP_TYPE (name_, BP_KIND_DEVICE, Faulty), .description = (description_), __VA_ARGS__ }

/* --- ends the process --------------------------------------------------------------------------- */

static volatile int zero;

static bool
crash_realize (void *self, GError **error)
{
  *(volatile char *) (uintptr_t) (zero + 8) = 1;
  return true;
}
FAULTY (crashes, "fault-crash", "crashes in realize", .realize = crash_realize);

static void assert_reset (void *self, BpResetKind kind) { g_assert (kind == BP_RESET_COLD); }
FAULTY (asserts, "fault-assert", "fails an assertion in a warm reset", .reset = assert_reset);

static bool
endless_realize (void *self, GError **error)
{
  while (!zero)
    usleep (1000);
  return true;
}
FAULTY (hangs, "fault-hang", "never ends its realize", .realize = endless_realize);

static bool
exit_realize (void *self, GError **error)
{
  exit (0);
}
FAULTY (exits, "fault-exit", "ends the process in realize", .realize = exit_realize);

static bool
limit_realize (void *self, GError **error)
{
  Faulty *f = self;
  if (f->n == 100)
    abort ();
  return true;
}
static const BpProperty limit_properties[] = { BP_PROP_U32_RANGE ("n", Faulty, n, 5, 1, 100, "A number."), BP_PROP_U32 ("size", Faulty, size, 5, "Another."), BP_PROP_END };
FAULTY (at_limit, "fault-at-limit", "does not stand the greatest value that it allows", .realize = limit_realize, .properties = limit_properties);

/* --- leaves something behind -------------------------------------------------------------------------- */

static bool
timer_realize (void *self, GError **error)
{
  ((Faulty *) self)->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, fire, self);
  return true;
}
FAULTY (leaks_timer, "fault-timer", "does not free its timer", .realize = timer_realize);

FAULTY (leaks_early_timer, "fault-early-timer", "does not free a timer that it has made in configure", .configure = timer_realize);

static bool
armed_realize (void *self, GError **error)
{
  timer_realize (self, error);
  bp_timer_arm (((Faulty *) self)->timer, INT64_MAX);
  return true;
}
FAULTY (leaks_armed_timer, "fault-armed-timer", "does not free its timer, which is armed", .realize = armed_realize);

static bool
fd_realize (void *self, GError **error)
{
  ((Faulty *) self)->fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  return true;
}
FAULTY (leaks_fd, "fault-descriptor", "does not close its file", .realize = fd_realize);

static bool
region_realize (void *self, GError **error)
{
  ((Faulty *) self)->region = bp_region_new_container (self, "lost", 4096);
  return true;
}
FAULTY (leaks_region, "fault-region", "does not free its region", .realize = region_realize);

static bool
memory_realize (void *self, GError **error)
{
  ((Faulty *) self)->value = (uintptr_t) g_malloc (5000);
  return true;
}
FAULTY (leaks_memory, "fault-memory", "does not free its memory", .realize = memory_realize);

static bool
great_realize (void *self, GError **error)
{
  ((Faulty *) self)->value = (uintptr_t) g_malloc (1 << 20);
  return true;
}
FAULTY (leaks_great_memory, "fault-great-memory", "does not free a megabyte", .realize = great_realize);

static bool
mapping_realize (void *self, GError **error)
{
  ((Faulty *) self)->value = (uintptr_t) mmap (NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return true;
}
FAULTY (leaks_mapping, "fault-mapping", "does not unmap a megabyte", .realize = mapping_realize);

static void *
wait_for_ever (void *unused)
{
  for (;;)
    pause ();
  return NULL;
}

static bool
thread_realize (void *self, GError **error)
{
  g_thread_unref (g_thread_new ("lost", wait_for_ever, NULL));
  return true;
}
FAULTY (leaks_thread, "fault-thread", "does not end its thread", .realize = thread_realize);

static bool readable (void *user, GIOCondition condition) { return true; }

static bool
watch_realize (void *self, GError **error)
{
  BpMachine *m = bp_object_machine (self);
  bp_loop_watch_fd (bp_loop_main (m), m, STDIN_FILENO, G_IO_IN, readable, self);
  return true;
}
FAULTY (leaks_watch, "fault-watch", "does not end its watch over a descriptor", .realize = watch_realize);

static bool
space_realize (void *self, GError **error)
{
  ((Faulty *) self)->region = bp_region_new_container (self, "root", 4096);
  bp_address_space_new (bp_object_machine (self), "lost", ((Faulty *) self)->region);
  return true;
}

static void region_unrealize (void *self) { bp_region_free (((Faulty *) self)->region); }
FAULTY (leaks_space, "fault-space", "does not free its address space", .realize = space_realize, .unrealize = region_unrealize);

static void changed (void *user) { }

static bool
listener_realize (void *self, GError **error)
{
  static const BpMemoryListener listener = { .struct_size = sizeof listener, .commit = changed };
  bp_as_listen (bp_machine_address_space (bp_object_machine (self), "memory"), &listener, self);
  return true;
}
FAULTY (leaks_listener, "fault-listener", "does not end its listening to an address space", .realize = listener_realize);

static bool
half_realize (void *self, GError **error)
{
  Faulty *f = self;
  f->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, fire, self);
  if (f->n != 7)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "7 is an unlucky number");
  f->timer = NULL;
  return false;
}

static void
half_unrealize (void *self)
{
  Faulty *f = self;
  bp_timer_free (f->timer);
  f->timer = NULL;
}
static const BpProperty half_properties[] = { BP_PROP_U32_RANGE ("n", Faulty, n, 1, 1, 7, "A number."), BP_PROP_END };
FAULTY (half, "fault-half", "leaves its timer when it fails half-way", .realize = half_realize, .unrealize = half_unrealize, .properties = half_properties);

static bool
early_configure (void *self, GError **error)
{
  if (((Faulty *) self)->n != 7)
    return true;
  fd_realize (self, error);
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "7 is an unlucky number");
  return false;
}
FAULTY (half_early, "fault-early-half", "leaves its file when it refuses in configure", .configure = early_configure, .properties = half_properties);

/* --- contradicts itself ---------------------------------------------------------------------------------- */

static bool
picky_configure (void *self, GError **error)
{
  Faulty *f = self;
  if (f->n >= 4)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "n is too small");
  return false;
}
static const BpProperty picky_properties[] = { BP_PROP_U32 ("n", Faulty, n, 1, "A number."), BP_PROP_END };
FAULTY (picky, "fault-picky", "refuses its own default", .configure = picky_configure, .properties = picky_properties);

/* Writes behind what it has declared. */
static void overflow_reset (void *self, BpResetKind kind) { memset (self, 0, sizeof (Faulty)); }
static const BpTypeDesc small = { BP_TYPE ("fault-small", BP_KIND_DEVICE, uint64_t), .description = "is greater than it says", .reset = overflow_reset };

/* --- what only its links or its texts bring out ----------------------------------------------------------- */

typedef struct Linked {
  BpLink line, bus;
  char *address, *name;
  BpPciSlot *slot;
} Linked;

#define LINKED(symbol, name_, description_, ...) \
  static const BpTypeDesc symbol = { BP_TYPE (name_, BP_KIND_DEVICE, Linked), .description = (description_), __VA_ARGS__ }

static bool
line_realize (void *self, GError **error)
{
  if (((Linked *) self)->line.instance)
    abort ();
  return true;
}
static const BpProperty line_properties[] = { BP_PROP_LINK ("line", Linked, line, BP_CHAR_ID, 0, "A line."), BP_PROP_END };
LINKED (linked, "fault-link", "crashes when its link is set", .realize = line_realize, .properties = line_properties);

static bool
text_realize (void *self, GError **error)
{
  const Linked *l = self;
  if (l->name && strchr (l->name, '%'))         /* as a format would */
    abort ();
  return true;
}
static const BpProperty text_properties[] = { BP_PROP_STRING ("name", Linked, name, "it", "A name."), BP_PROP_END };
LINKED (text, "fault-format", "takes a text for a format", .realize = text_realize, .properties = text_properties);

static bool
pin_realize (void *self, GError **error)
{
  Linked *l = self;
  const BpPciBusIface *bus = l->bus.table;
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = 1, .self = l };
  l->slot = bus->add (l->bus.instance, (unsigned) bp_pci_address_parse (l->address), &f, error);
  if (l->slot)
    bus->set_interrupt (l->bus.instance, l->slot, 1);
  return l->slot != NULL;
}

static void
pin_unrealize (void *self)
{
  Linked *l = self;
  if (l->slot)
    ((const BpPciBusIface *) l->bus.table)->remove (l->bus.instance, l->slot);
  l->slot = NULL;
}
static const BpProperty pin_properties[] = {
  BP_PROP_LINK ("bus", Linked, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The bus."), BP_PROP_STRING ("address", Linked, address, "03.0", "The place."), BP_PROP_END
};
LINKED (pin, "fault-pin", "raises a pin that it does not have", .realize = pin_realize, .unrealize = pin_unrealize, .properties = pin_properties);

/* --- state --------------------------------------------------------------------------------------------------- */

static const BpStateField state[] = { BP_STATE_FIELD_U64 (Faulty, value), BP_STATE_END };

static bool
refuse_state (void *self, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "value is 0");
  return false;
}
FAULTY (no_load, "fault-no-load", "does not load what it has saved", .state_version = 1, .state = state, .post_load = refuse_state);

static bool
change_state (void *self, GError **error)
{
  ((Faulty *) self)->value++;
  return true;
}
FAULTY (other_load, "fault-other-load", "changes what it loads", .state_version = 1, .state = state, .post_load = change_state);

/* --- nothing is wrong ------------------------------------------------------------------------------------------ */

FAULTY (fine, "fine", "is all right", .state_version = 1, .state = state, .properties = half_properties);

static const BpTypeDesc *const types[] = {
  &crashes, &asserts, &hangs, &exits, &at_limit, &leaks_timer, &leaks_early_timer, &leaks_armed_timer, &leaks_fd, &leaks_region, &leaks_memory, &leaks_great_memory, &leaks_mapping,
  &leaks_thread, &leaks_watch, &leaks_listener, &leaks_space, &half, &half_early, &picky, &small, &linked, &text, &pin, &no_load, &other_load, &fine, NULL
};

BP_PLUGIN_DEFINE (.id = "faults", .version = "1.0", .licence = "MIT", .description = "a fault a type", .types = types);

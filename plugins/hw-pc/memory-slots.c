/* memory-slots.c -- slots for memory that joins a running PC: the registers of QEMU's docs/specs/acpi_mem_hotplug, and the addresses above RAM. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/memory-slots.h>
#include <backplane/iface/firmware-config.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/log.h>
#include <backplane/machine.h>
#include "hw-pc.h"
#include <string.h>

/* --- registers -------------------------------------------------------------- */

enum {                          /* of the slot that was selected: read */
  ADDRESS_LOW = 0x00, ADDRESS_HIGH = 0x04, SIZE_LOW = 0x08, SIZE_HIGH = 0x0c, NODE = 0x10, STATUS = 0x14
};
enum { SELECT = 0x00, OST_EVENT = 0x04, OST_STATUS = 0x08, CONTROL = 0x14 };   /* write */
enum { ENABLED = 1 << 0, INSERTED = 1 << 1, REMOVE = 1 << 2, EJECT = 1 << 3 };  /* STATUS and CONTROL, where ones clear the events and eject */

/* ACPI 6.4, 6.3.5: what _OST is about, and what came of it. */
enum { EVENT_DEVICE_CHECK = 1, EVENT_EJECT_REQUEST = 3, EVENT_EJECTION = 0x103 };
enum { OST_SUCCESS = 0, OST_NOT_SUPPORTED = 0x80, OST_IN_USE = 0x81, OST_BUSY = 0x82, OST_DEPENDENCY = 0x83, OST_IN_PROGRESS = 0x84 };

#define MAX_SLOTS 256
#define MAX_PLACES (2 * MAX_SLOTS)      /* also of what has no slot */
#define ALIGNMENT (UINT64_C (1) << 30)

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Slot {
  uint8_t inserted, removing;   /* events that the guest has not taken yet */
  uint8_t asked;                /* it was asked to let go, and has not answered */
  uint8_t ejected;              /* it has let go: the device is about to leave, and nobody sees it any more */
  uint32_t ost_event, ost_status;
} Slot;

typedef struct Place {          /* of a device, in the span */
  void *device;
  BpRegion *region;
  uint64_t address, size;
  int slot;                     /* negative: none */
  bool shown;                   /* the region is in the span */
} Place;

typedef struct Slots {
  uint32_t selected;
  Slot slot[MAX_SLOTS];
  BpLink ram, firmware;
  uint32_t n_slots;
  uint64_t most;
  BpPin *event;
  BpRegion *registers, *memory;
  uint64_t base, size;
  Place place[MAX_PLACES];
  unsigned n_places;
  unsigned watch;
} Slots;

static uint64_t
ram_size (const Slots *s)
{
  const BpMemoryBackendIface *t = s->ram.table;
  return t->size (s->ram.instance);
}

static Place *
place_of_slot (Slots *s, uint32_t slot)
{
  for (unsigned i = 0; i < s->n_places; i++)
    if (s->place[i].slot >= 0 && (uint32_t) s->place[i].slot == slot)
      return &s->place[i];
  return NULL;
}

static Place *
place_of (Slots *s, const void *device)
{
  for (unsigned i = 0; i < s->n_places; i++)
    if (s->place[i].device == device)
      return &s->place[i];
  return NULL;
}

/* --- events ------------------------------------------------------------------- */

static void
drive_event (Slots *s)
{
  bool any = false;
  for (unsigned i = 0; i < s->n_slots; i++)
    any = any || s->slot[i].inserted || s->slot[i].removing;
  bp_pin_set (s->event, any);
}

static const char *
refusal (uint32_t status)
{
  switch (status) {
  case OST_NOT_SUPPORTED: return "the guest cannot eject it";
  case OST_IN_USE: return "the guest uses it";
  case OST_BUSY: return "the guest cannot free it: it is busy";
  case OST_DEPENDENCY: return "what depends on it in the guest is busy";
  default: return "the guest could not free it";
  }
}

/* The guest's word on what it was told. */
static void
take_ost (Slots *s, uint32_t number, Place *p)
{
  Slot *slot = &s->slot[number];
  bool failed = slot->ost_status != OST_SUCCESS && slot->ost_status != OST_IN_PROGRESS;
  if (!p || !failed)
    return;
  if (slot->ost_event == EVENT_DEVICE_CHECK)
    bp_warn (s, "the guest does not take the memory in slot %u (status 0x%x)", number, slot->ost_status);
  else if ((slot->ost_event & 0xff) == EVENT_EJECT_REQUEST && slot->asked) {
    slot->asked = false;
    bp_object_removal_refused (p->device, refusal (slot->ost_status));
  }
}

static void
show (Slots *s, Place *p, bool shown)
{
  if (p->shown == shown)
    return;
  p->shown = shown;
  if (shown)
    bp_region_add (s->memory, p->address, p->region, 0);
  else
    bp_region_remove (p->region);
}

static void
eject (Slots *s, uint32_t number, Place *p)
{
  if (!p || s->slot[number].ejected)
    return;
  s->slot[number] = (Slot) { .ejected = 1, .ost_event = s->slot[number].ost_event, .ost_status = s->slot[number].ost_status };
  show (s, p, false);
  bp_object_removal_done (p->device);
}

/* One that was ejected while the machine moved leaves where it has come to. */
static void
on_machine (void *user, BpMachineEvent event, const char *detail)
{
  Slots *s = user;
  if (event != BP_MACHINE_RESUMED)
    return;
  bp_machine_lock (bp_object_machine (s));
  for (unsigned i = 0; i < s->n_places; i++)
    if (s->place[i].slot >= 0 && s->slot[s->place[i].slot].ejected)
      bp_object_removal_done (s->place[i].device);
  bp_machine_unlock (bp_object_machine (s));
}

/* --- guest access ---------------------------------------------------------------- */

static uint64_t
registers_read (void *self, uint64_t offset, unsigned size)
{
  Slots *s = self;
  if (s->selected >= s->n_slots)
    return 0;
  const Slot *slot = &s->slot[s->selected];
  Place *p = place_of_slot (s, s->selected);
  bool here = p && !slot->ejected;
  uint8_t bytes[32] = { 0 };    /* any part of any register can be read */
  uint64_t words[2] = { GUINT64_TO_LE (here ? p->address : 0), GUINT64_TO_LE (here ? p->size : 0) }, value = 0;
  memcpy (bytes, words, sizeof words);
  bytes[STATUS] = (uint8_t) ((here ? ENABLED : 0) | (slot->inserted ? INSERTED : 0) | (slot->removing ? REMOVE : 0));
  memcpy (&value, bytes + offset, size);
  return GUINT64_FROM_LE (value);
}

static void
write_control (Slots *s, uint8_t value)
{
  Slot *slot = &s->slot[s->selected];
  if (value & INSERTED)
    slot->inserted = 0;
  if (value & REMOVE)
    slot->removing = 0;
  if (value & EJECT)
    eject (s, s->selected, place_of_slot (s, s->selected));
  drive_event (s);
}

static void
registers_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Slots *s = self;
  if (offset == SELECT) {
    s->selected = (uint32_t) value;
    return;
  }
  if (s->selected >= s->n_slots) {
    bp_log_guest (s, "write to register 0x%02x of memory slot %u; there are %u", (unsigned) offset, s->selected, s->n_slots);
    return;
  }
  Slot *slot = &s->slot[s->selected];
  if (offset == OST_EVENT) {
    slot->ost_event = (uint32_t) value;
  } else if (offset == OST_STATUS) {
    slot->ost_status = (uint32_t) value;
    take_ost (s, s->selected, place_of_slot (s, s->selected));
  } else if (offset == CONTROL) {
    write_control (s, (uint8_t) value);
  }
}

static const BpRegionOps registers_ops = BP_REGION_OPS (.read = registers_read, .write = registers_write, .access_max = 4, .impl_max = 4);

/* --- devices ----------------------------------------------------------------------- */

static void
slots_info (void *self, BpMemorySlotsInfo *info)
{
  Slots *s = self;
  const BpMemorySlotsInfo all = { .struct_size = info->struct_size, .slots = s->n_slots, .base = s->base, .size = s->size };
  memcpy (info, &all, MIN (info->struct_size, sizeof all));
}

static const Place *
overlapping (const Slots *s, uint64_t address, uint64_t size)
{
  for (unsigned i = 0; i < s->n_places; i++)
    if (address < s->place[i].address + s->place[i].size && s->place[i].address < address + size)
      return &s->place[i];
  return NULL;
}

/* The lowest address that is free; UINT64_MAX: there is none. */
static uint64_t
free_address (const Slots *s, uint64_t size, uint64_t align)
{
  uint64_t at = (s->base + align - 1) & ~(align - 1);
  const Place *p;
  while (at < s->base + s->size && size <= s->base + s->size - at && (p = overlapping (s, at, size)))
    at = (p->address + p->size + align - 1) & ~(align - 1);
  return at < s->base + s->size && size <= s->base + s->size - at ? at : UINT64_MAX;
}

static bool
choose_address (const Slots *s, uint64_t size, uint64_t align, uint64_t *address, GError **error)
{
  if (*address == BP_MEMORY_ANYWHERE) {
    *address = free_address (s, size, align);
    if (*address == UINT64_MAX)
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%" G_GUINT64_FORMAT "M do not fit any more between 0x%" G_GINT64_MODIFIER "x and 0x%" G_GINT64_MODIFIER
                   "x (maxmem of `%s` is %" G_GUINT64_FORMAT "M)", size >> 20, s->base, s->base + s->size, bp_object_id (s), s->most >> 20);
    return *address != UINT64_MAX;
  }
  const Place *p = overlapping (s, *address, size);
  if (*address & (align - 1))
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = 0x%" G_GINT64_MODIFIER "x is not a multiple of %" G_GUINT64_FORMAT "M", *address, align >> 20);
  else if (*address < s->base || *address - s->base > s->size || size > s->size - (*address - s->base))
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = 0x%" G_GINT64_MODIFIER "x: memory can be added from 0x%" G_GINT64_MODIFIER "x to 0x%" G_GINT64_MODIFIER "x",
                 *address, s->base, s->base + s->size);
  else if (p)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = 0x%" G_GINT64_MODIFIER "x is taken by `%s`", *address, bp_object_id (p->device));
  else
    return true;
  return false;
}

static bool
choose_slot (Slots *s, int *slot, GError **error)
{
  if (*slot == BP_MEMORY_NO_SLOT)
    return true;
  bool any = *slot == BP_MEMORY_ANY_SLOT;
  if (any)
    *slot = 0;
  while (any && *slot < (int) s->n_slots && place_of_slot (s, (uint32_t) *slot))
    ++*slot;
  const Place *p = place_of_slot (s, (uint32_t) *slot);
  if (!s->n_slots)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "`%s` has no slots (slots = 0)", bp_object_id (s));
  else if (any && *slot == (int) s->n_slots)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "all %u slots of `%s` are taken", s->n_slots, bp_object_id (s));
  else if (*slot < 0 || *slot >= (int) s->n_slots)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "slot = %d: `%s` has the slots 0 to %u", *slot, bp_object_id (s), s->n_slots - 1);
  else if (p)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "slot = %d is taken by `%s`", *slot, bp_object_id (p->device));
  else
    return true;
  return false;
}

static const char *
link_to (void *object, const char *id)
{
  const BpProperty *p;
  for (unsigned i = 0; (p = bp_object_property (object, i)); i++) {
    g_autofree char *target = p->kind == BP_PROPERTY_LINK ? bp_object_get (object, p->name, NULL) : NULL;
    if (g_strcmp0 (target, id) == 0)
      return p->name;
  }
  return NULL;
}

/* The same bytes in two places would be taken for two memories. */
static bool
is_used_once (void *device, GError **error)
{
  BpMachine *machine = bp_object_machine (device);
  const BpMemoryDeviceIface *t = bp_object_interface (device, BP_MEMORY_DEVICE_ID);
  BpMemoryDeviceInfo info = { .struct_size = sizeof info };
  unsigned cursor = 0;
  const char *key;
  if (BP_TABLE_HAS (t, info))
    t->info (device, &info);
  for (void *o; info.memory && (o = bp_machine_next_object (machine, &cursor));)
    if (o != device && (key = link_to (o, bp_object_id (info.memory)))) {
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "memory = %s is in use: %s.%s", bp_object_id (info.memory), bp_object_id (o), key);
      return false;
    }
  return true;
}

static bool
slots_plug (void *self, void *device, BpRegion *region, uint64_t align, int *slot, uint64_t *address, GError **error)
{
  Slots *s = self;
  uint64_t size = bp_region_size (region);
  if (!s->most) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "this machine takes no memory but what it begins with: maxmem of `%s` is not set", bp_object_id (s));
    return false;
  }
  if (s->n_places == MAX_PLACES) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "`%s` holds %u memories, and no more", bp_object_id (s), MAX_PLACES);
    return false;
  }
  if (!is_used_once (device, error) || !choose_slot (s, slot, error) || !choose_address (s, size, align, address, error))
    return false;
  Place *p = &s->place[s->n_places++];
  *p = (Place) { device, region, *address, size, *slot, false };
  show (s, p, true);
  if (*slot >= 0) {
    s->slot[*slot] = (Slot) { .inserted = 1 };
    drive_event (s);
  }
  return true;
}

static void
slots_unplug (void *self, void *device)
{
  Slots *s = self;
  Place *p = place_of (s, device);
  if (!p)
    return;
  if (p->slot >= 0)
    s->slot[p->slot] = (Slot) { .inserted = 0 };
  show (s, p, false);
  *p = s->place[--s->n_places];
  drive_event (s);
}

static void
slots_ask (void *self, void *device)
{
  Slots *s = self;
  const Place *p = place_of (s, device);
  if (!p || p->slot < 0 || s->slot[p->slot].ejected)
    return;
  s->slot[p->slot].removing = s->slot[p->slot].asked = 1;
  drive_event (s);
}

/* --- life cycle: configure, realize, reset ---------------------------------------------- */

static bool
slots_configure (void *self, GError **error)
{
  Slots *s = self;
  const BpMemoryBackendIface *t = s->ram.table;
  uint64_t ram = BP_TABLE_HAS (t, size) ? ram_size (s) : 0;
  s->memory = bp_region_new_container (self, "memory", UINT64_MAX);
  bp_region_publish (self, s->memory, "The memory that was added, at its addresses; map it at memory@0.");
  if (!s->most) {
    s->n_slots = 0;
    return true;
  }
  if (!ram || s->most < ram || s->most % ALIGNMENT) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "maxmem is %" G_GUINT64_FORMAT "M; it must be a multiple of 1G, and not less than the machine begins with, %"
                 G_GUINT64_FORMAT "M", s->most >> 20, ram >> 20);
    return false;
  }
  uint64_t above = ram > PC_RAM_LIMIT ? ram - PC_RAM_LIMIT : 0;
  s->base = ((UINT64_C (1) << 32) + above + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
  s->size = s->most - ram;
  return true;
}

/* Firmware puts PCI's large windows behind it. */
static bool
slots_realize (void *self, GError **error)
{
  Slots *s = self;
  uint64_t end = GUINT64_TO_LE (s->base + s->size);
  s->watch = bp_machine_watch (bp_object_machine (s), on_machine, s);
  return !s->most || bp_firmware_config_add_file (&s->firmware, "etc/reserved-memory-end", &end, sizeof end, error);
}

static void
slots_unrealize (void *self)
{
  Slots *s = self;
  if (s->watch)
    bp_machine_unwatch (bp_object_machine (s), s->watch);
  s->watch = 0;
  for (unsigned i = 0; i < s->n_places; i++)
    show (s, &s->place[i], false);
  s->n_places = 0;
  g_clear_pointer (&s->memory, bp_region_free);
}

/* What is in the slots by now an operating system finds when it starts, and of what another was asked it knows nothing. */
static void
slots_reset (void *self, BpResetKind kind)
{
  Slots *s = self;
  s->selected = 0;
  for (unsigned i = 0; i < s->n_slots; i++) {
    Place *p = place_of_slot (s, i);
    if (p && s->slot[i].asked)
      bp_object_removal_refused (p->device, "the machine was reset before the guest answered");
    s->slot[i] = (Slot) { .ejected = p && s->slot[i].ejected };
  }
  drive_event (s);
}

static bool
slots_post_load (void *self, GError **error)
{
  Slots *s = self;
  for (unsigned i = 0; i < s->n_places; i++)
    if (s->place[i].slot >= 0)
      show (s, &s->place[i], !s->slot[s->place[i].slot].ejected);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty slots_properties[] = {
  BP_PROP_LINK ("ram", Slots, ram, BP_MEMORY_BACKEND_ID, BP_PROPERTY_REQUIRED, "The memory that the machine begins with: what is added comes behind it."),
  BP_PROP_LINK ("firmware", Slots, firmware, BP_FIRMWARE_CONFIG_ID, 0, "Who tells firmware where PCI's windows may begin (file etc/reserved-memory-end)."),
  BP_PROP_U32_RANGE ("slots", Slots, n_slots, 0, 0, MAX_SLOTS, "How many modules there can be."),
  BP_PROP_SIZE ("maxmem", Slots, most, 0, "How much memory there can be, with what the machine begins with; a multiple of 1G. 0: none can be added."),
  BP_PROP_END
};

static const BpRegionDesc slots_regions[] = {
  BP_REGION_DESC ("pio0", Slots, registers, &registers_ops, ACPI_MEMORY_SIZE, "Registers, 0xa00 in a PC: a slot's address, size, events and ejection."), BP_REGION_DESC_END
};

static const BpPinDesc slots_pins[] = {
  BP_PIN_DESC_OUT ("event", Slots, event, 0, "High while a slot has an event that the guest has not taken; power management's gpi1 in a PC."), BP_PIN_DESC_END
};

static const BpMemorySlotsIface slots_iface = {
  .struct_size = sizeof (BpMemorySlotsIface), .info = slots_info, .plug = slots_plug, .unplug = slots_unplug, .ask = slots_ask
};
static const BpInterfaceDesc slots_interfaces[] = { { BP_MEMORY_SLOTS_ID, &slots_iface }, { NULL, NULL } };

static bool has_slots (const void *self) { return ((const Slots *) self)->n_slots; }

static const BpStateField slot_state[] = {
  BP_STATE_FIELD_U8 (Slot, inserted), BP_STATE_FIELD_U8 (Slot, removing), BP_STATE_FIELD_U8 (Slot, asked), BP_STATE_FIELD_U8 (Slot, ejected),
  BP_STATE_FIELD_U32 (Slot, ost_event), BP_STATE_FIELD_U32 (Slot, ost_status), BP_STATE_END
};
static const BpStateField slots_state[] = {
  BP_STATE_FIELD_U32 (Slots, selected), BP_STATE_ROW_ (BP_STATE_STRUCT, Slots, slot, MAX_SLOTS, 1, slot_state, has_slots), BP_STATE_END
};

const BpTypeDesc memory_slots_type = {
  BP_TYPE ("memory-slots", BP_KIND_DEVICE, Slots),
  .description = "Slots for memory that is added and removed while the machine runs, by ACPI",
  .properties = slots_properties,
  .regions = slots_regions,
  .pins = slots_pins,
  .interfaces = slots_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = slots_state,
  .configure = slots_configure,
  .realize = slots_realize,
  .unrealize = slots_unrealize,
  .reset = slots_reset,
  .post_load = slots_post_load,
};

/* chip-device.c -- plugin for tests: a PCI function whose guest says when it interrupts, by its pin, by messages, by eventfds. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/pci.h>
#include <backplane/device.h>
#include <backplane/loop.h>
#include <backplane/machine.h>
#include <backplane/plugin.h>
#include <backplane/snapshot.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define N_VECTORS 2
enum { REG_MESSAGE = 0, REG_EVENTFD = 4, REG_PIN = 8, REG_SERVED = 12, REG_SAVE = 16 };

typedef struct ChipDevice {
  BpLink bus;
  BpPciSlot *slot;
  BpRegion *registers;
  int fd[N_VECTORS];            /* of the host's side; 0: none */
  uint32_t left;                /* times that the pin is still to be raised */
  char *save;
  uint32_t save_at;
  bool saving;                  /* not saved: a machine that was loaded goes on */
} ChipDevice;

static const BpPciBusIface *bus_of (const ChipDevice *d) { return d->bus.table; }

static uint64_t
registers_read (void *self, uint64_t offset, unsigned size)
{
  const ChipDevice *d = self;
  return offset == REG_SAVE ? d->saving : d->left;
}

/* The run ends where another begins. */
static void
save_machine (void *user)
{
  ChipDevice *d = user;
  g_autoptr (GError) error = NULL;
  bool saved = bp_machine_save_snapshot (bp_object_machine (d), d->save, &error);
  if (!saved)
    bp_warn (d, "%s", error->message);
  bp_machine_request_shutdown (bp_object_machine (d), saved ? 0 : 1, NULL);
}

static void
registers_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  ChipDevice *d = self;
  switch (offset) {
  case REG_MESSAGE:
    bus_of (d)->message (d->bus.instance, d->slot, value % N_VECTORS);
    break;
  case REG_EVENTFD:
    if (eventfd_write (d->fd[value % N_VECTORS], 1) != 0)
      bp_warn (d, "the eventfd: %s", g_strerror (errno));
    break;
  case REG_SAVE:
    d->saving = value == d->save_at;
    if (d->saving)
      bp_loop_post (bp_loop_main (bp_object_machine (d)), false, bp_object_machine (d), save_machine, d);
    break;
  case REG_PIN:
    d->left = (uint32_t) value;
    bus_of (d)->set_interrupt (d->bus.instance, d->slot, d->left > 0);
    break;
  case REG_SERVED:
    d->left -= d->left > 0;
    bus_of (d)->set_interrupt (d->bus.instance, d->slot, 0);
    bus_of (d)->set_interrupt (d->bus.instance, d->slot, d->left > 0);
    break;
  }
}

static const BpRegionOps registers_ops = BP_REGION_OPS (.read = registers_read, .write = registers_write, .impl_min = 4, .impl_max = 4);

static bool
realize (void *self, GError **error)
{
  ChipDevice *d = self;
  d->registers = bp_region_new_io (self, "registers", &registers_ops, 0x1000);
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = 0x1b36, .device_id = 0x7fff, .class_code = 0xff, .interrupt_pin = 1, .self = d,
                      .bars = { { d->registers, BP_PCI_BAR_MEMORY } } };
  d->slot = bus_of (d)->add (d->bus.instance, 5 << 3, &f, error);
  if (!d->slot || !bus_of (d)->add_msi (d->bus.instance, d->slot, N_VECTORS, error))
    return false;
  for (unsigned i = 0; i < N_VECTORS; i++) {
    int fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
      g_set_error (error, BP_ERROR, BP_ERROR_IO, "no eventfd: %s", g_strerror (errno));
      return false;
    }
    d->fd[i] = fd;
  }
  return true;
}

static void
reset (void *self, BpResetKind kind)
{
  ChipDevice *d = self;
  d->left = 0;
  bus_of (d)->reset (d->bus.instance, d->slot);
  bus_of (d)->message_fd (d->bus.instance, d->slot, 1, d->fd[1]);
}

static void
unrealize (void *self)
{
  ChipDevice *d = self;
  if (d->slot)
    bus_of (d)->remove (d->bus.instance, d->slot);
  d->slot = NULL;
  bp_region_free (d->registers);
  d->registers = NULL;
  for (unsigned i = 0; i < N_VECTORS; i++) {
    if (d->fd[i] > 0)
      close (d->fd[i]);
    d->fd[i] = 0;
  }
}

static const BpProperty properties[] = {
  BP_PROP_LINK ("bus", ChipDevice, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The PCI bus; it is device 5 there."),
  /* Nothing that the guest could tell: who loads the snapshot has others. */
  { .name = "save", .kind = BP_PROPERTY_STRING, .offset = offsetof (ChipDevice, save), .flags = BP_PROPERTY_RUNTIME, .help = "File for the machine's state." },
  { .name = "save-at", .kind = BP_PROPERTY_U32, .offset = offsetof (ChipDevice, save_at), .flags = BP_PROPERTY_RUNTIME, .max = UINT32_MAX,
    .help = "At which of the guest's marks the machine is saved, which ends the run; 0: none." },
  BP_PROP_END
};
static const BpStateField state[] = { BP_STATE_FIELD_U32 (ChipDevice, left), BP_STATE_END };
static const BpTypeDesc chip_device_type = {
  BP_TYPE ("chip-device", BP_KIND_DEVICE, ChipDevice), .description = "Interrupts in each way", .properties = properties, .state_version = 1,
  .state_minimum = 1, .state = state, .realize = realize, .unrealize = unrealize, .reset = reset
};
static const BpTypeDesc *const types[] = { &chip_device_type, NULL };
BP_PLUGIN_DEFINE (.id = "chip-device", .version = "0.1", .licence = "MIT", .description = "Interrupts in each way", .types = types);

/* validate-stand-ins.c -- the least that the interfaces of api/ can be, where a test has nothing better (core/stand-ins/): ends for the links of a type that is looked at alone. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include "validate.h"
#include <backplane/bus/ata.h>
#include <backplane/iface/accel.h>
#include <backplane/iface/cmos.h>
#include <backplane/iface/firmware-config.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/iface/isa-dma.h>
#include <backplane/iface/screen.h>
#include <backplane/iface/tone.h>
#include <sys/uio.h>

/* One of several that are attached to may have at most this many. */
typedef struct Attachments {
  bool taken[8];
} Attachments;

static bool
take_place (Attachments *a, unsigned place, bool attach)
{
  if (place >= G_N_ELEMENTS (a->taken) || (attach && a->taken[place]))
    return false;
  a->taken[place] = attach;
  return true;
}

#define STAND_IN(symbol, name_, kind_, T, ...) \
  static const BpTypeDesc symbol = { BP_TYPE (name_, kind_, T), .description = "stands in for the other end of a link", .interfaces = symbol##_interfaces, __VA_ARGS__ }
#define INTERFACE(symbol, id, table) static const BpInterfaceDesc symbol##_interfaces[] = { { (id), (table) }, { NULL, NULL } }

/* --- chips that have nothing to say ---------------------------------------------------------------------- */

static int no_vector (void *self) { return -1; }
static const BpInterruptControllerIface pic_iface = { .struct_size = offsetof (BpInterruptControllerIface, apic_base_read), .acknowledge = no_vector };
INTERFACE (pic_type, BP_INTERRUPT_CONTROLLER_ID, &pic_iface);
STAND_IN (pic_type, "stand-in-pic", BP_KIND_DEVICE, Attachments);

static void cmos_set (void *self, unsigned index, uint8_t mask, uint8_t value) { }
static const BpCmosIface cmos_iface = { .struct_size = sizeof cmos_iface, .set = cmos_set };
INTERFACE (cmos_type, BP_CMOS_ID, &cmos_iface);
STAND_IN (cmos_type, "stand-in-cmos", BP_KIND_DEVICE, Attachments);

static bool dma_attach (void *self, unsigned channel, const BpIsaDmaHandlers *handlers, void *user) { return take_place (self, channel, handlers != NULL); }
static void dma_request (void *self, unsigned channel, bool on) { }
static const BpIsaDmaIface dma_iface = { .struct_size = sizeof dma_iface, .attach = dma_attach, .request = dma_request };
INTERFACE (dma_type, BP_ISA_DMA_ID, &dma_iface);
STAND_IN (dma_type, "stand-in-dma", BP_KIND_DEVICE, Attachments);

static void tone_set (void *self, int64_t now, const BpTone *tone) { }
static const BpToneIface tone_iface = { .struct_size = sizeof tone_iface, .set = tone_set };
INTERFACE (tone_type, BP_TONE_ID, &tone_iface);
STAND_IN (tone_type, "stand-in-tone", BP_KIND_BACKEND, Attachments);

static void screen_update (void *self, BpScreenFrame *frame) { frame->resized = false; frame->first_row = frame->end_row = 0; }
static bool screen_text (void *self, BpScreenText *text) { return false; }
static const BpScreenIface screen_iface = { .struct_size = sizeof screen_iface, .update = screen_update, .text = screen_text };
INTERFACE (screen_type, BP_SCREEN_ID, &screen_iface);
STAND_IN (screen_type, "stand-in-screen", BP_KIND_DEVICE, Attachments);

/* Makers are forgotten: firmware never reads here. */
static bool config_add_file (void *self, const char *name, const void *bytes, size_t size, GError **error) { return true; }
static bool config_add_maker (void *self, const char *name, void (*make) (void *user, GByteArray *bytes), void *user, GError **error) { return true; }
static const GByteArray *config_file (void *self, const char *name) { return NULL; }
static bool config_set_item (void *self, uint16_t number, GBytes *bytes) { return true; }
static const BpFirmwareConfigIface config_iface = {
  .struct_size = sizeof config_iface, .add_file = config_add_file, .add_maker = config_add_maker, .file = config_file, .set_item = config_set_item
};
INTERFACE (config_type, BP_FIRMWARE_CONFIG_ID, &config_iface);
STAND_IN (config_type, "stand-in-firmware-config", BP_KIND_DEVICE, Attachments);

/* --- ATA: a place a drive, no DMA ------------------------------------------------------------------------ */

struct BpAtaSlot {
  unsigned address;
};

typedef struct AtaBus {
  Attachments attachments;
} AtaBus;

static BpAtaSlot *
ata_add (void *bus, unsigned address, const BpAtaDrive *drive, GError **error)
{
  if (!take_place (bus, address, true)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no free place %u.%u", address >> 1, address & 1);
    return NULL;
  }
  BpAtaSlot *slot = g_new (BpAtaSlot, 1);
  slot->address = address;
  return slot;
}

static void
ata_remove (void *bus, BpAtaSlot *slot)
{
  take_place (bus, slot->address, false);
  g_free (slot);
}

static void ata_interrupt (void *bus, BpAtaSlot *slot, int level) { }
static bool ata_has_dma (void *bus, BpAtaSlot *slot) { return false; }
static void ata_request (void *bus, BpAtaSlot *slot, bool wanted, bool to_memory) { }
static uint64_t ata_map (void *bus, BpAtaSlot *slot, uint64_t most, unsigned unit, const struct iovec **iov, unsigned *n_iov) { return 0; }
static void ata_unmap (void *bus, BpAtaSlot *slot, bool moved) { }
static const BpAtaBusIface ata_iface = {
  .struct_size = sizeof ata_iface, .add = ata_add, .remove = ata_remove, .set_interrupt = ata_interrupt, .has_dma = ata_has_dma, .request_dma = ata_request,
  .dma_map = ata_map, .dma_unmap = ata_unmap
};
INTERFACE (ata_type, BP_ATA_BUS_ID, &ata_iface);
STAND_IN (ata_type, "stand-in-ata", BP_KIND_BUS, AtaBus);

/* --- an accelerator that stands still and takes any debugger --------------------------------------------------- */

static void
accel_run (void *self, BpVcpu *vcpu)
{
  while (bp_vcpu_may_run (vcpu))
    bp_vcpu_wait (vcpu);
}

static void accel_kick (void *self, BpVcpu *vcpu, GThread *thread, uint64_t pthread_id) { }
static bool accel_attach (void *self, const BpDebugger *debugger, void *user) { return true; }
static bool accel_point (void *self, const BpDebugPoint *point) { return false; }
static void accel_resume (void *self, BpVcpu *vcpu, const BpDebugResume *how) { }
static bool accel_stopped (void *self, BpVcpu *vcpu, BpDebugStop *why) { return false; }
static const BpAccelIface accel_iface = {
  .struct_size = sizeof accel_iface, .vcpu_run = accel_run, .vcpu_kick = accel_kick, .debug_attach = accel_attach, .debug_insert = accel_point, .debug_remove = accel_point,
  .debug_resume = accel_resume, .debug_take_stop = accel_stopped
};
static const BpInterfaceDesc accel_interfaces[] = { { BP_ACCEL_ID, &accel_iface }, { NULL, NULL } };
const BpTypeDesc stand_in_accel = {
  BP_TYPE ("stand-in-accel", BP_KIND_ACCEL, Attachments), .description = "stands in for an accelerator", .interfaces = accel_interfaces
};

/* --- ends of wires ------------------------------------------------------------------------------------------ */

typedef struct Pins {
  BpPin *out[STAND_IN_PINS];
} Pins;

static void pins_set (void *self, unsigned index, int level) { }
static const BpPinDesc pins_pins[] = { BP_PIN_DESC_IN ("in", STAND_IN_PINS, pins_set, BP_PIN_WIRED_OR, "any output"),
                                       BP_PIN_DESC_OUTS ("out", Pins, out, STAND_IN_PINS, 0, "any input"), BP_PIN_DESC_END };
const BpTypeDesc stand_in_pins = { BP_TYPE ("stand-in-pins", BP_KIND_DEVICE, Pins), .description = "stands in for the other end of wires", .pins = pins_pins };

/* --- by interface --------------------------------------------------------------------------------------------- */

static const struct StandIn {
  const BpTypeDesc *type;
  const char *keys;             /* of its section */
} stand_ins[] = {
  { &stand_in_char, "" },      { &stand_in_block, "size = 1M\n" }, { &stand_in_ram, "size = 16M\n" }, { &pic_type, "" },      { &cmos_type, "" },
  { &dma_type, "" },           { &tone_type, "" },                 { &screen_type, "" },              { &config_type, "" },   { &ata_type, "" },
  { &stand_in_pci, "" },       { &stand_in_virtio, "" },           { &stand_in_cpu, "" },              { &stand_in_accel, "" },           { &stand_in_pins, "" },
};

bool
stand_ins_register (GError **error)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (stand_ins); i++)
    if (!type_register (stand_ins[i].type, plugin_core (), error))
      return false;
  return true;
}

const BpTypeDesc *
stand_in_for (const char *interface_id)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (stand_ins); i++)
    if (stand_ins[i].type != &stand_in_accel && type_interface (stand_ins[i].type, interface_id))
      return stand_ins[i].type;
  return NULL;
}

const char *
stand_in_keys (const BpTypeDesc *type)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (stand_ins); i++)
    if (stand_ins[i].type == type)
      return stand_ins[i].keys;
  return NULL;
}

/* validate-stand-ins.c -- the least that the interfaces of api/ can be: ends for the links of a type that is looked at alone. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include "validate.h"
#include <backplane/arch/x86-state.h>
#include <backplane/bus/ata.h>
#include <backplane/cpu.h>
#include <backplane/iface/accel.h>
#include <backplane/iface/block.h>
#include <backplane/iface/char.h>
#include <backplane/iface/cmos.h>
#include <backplane/iface/cpu-debug.h>
#include <backplane/iface/firmware-config.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/iface/isa-dma.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/iface/screen.h>
#include <backplane/iface/tone.h>
#include <errno.h>
#include <string.h>
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

/* --- character backend: drops everything ----------------------------------------------------------- */

static bool char_attach (void *self, const BpCharHandlers *handlers, void *user) { return take_place (self, 0, handlers != NULL); }
static void char_write (void *self, const uint8_t *data, size_t size) { }
static void nothing (void *self) { }

static const BpCharIface char_iface = { .struct_size = sizeof char_iface, .attach = char_attach, .write = char_write, .accept_input = nothing, .drain = nothing };
INTERFACE (char_type, BP_CHAR_ID, &char_iface);
STAND_IN (char_type, "stand-in-char", BP_KIND_BACKEND, Attachments);

/* --- block backend: 1 MiB of memory ------------------------------------------------------------------ */

enum { DISK_SIZE = 1 << 20 };

typedef struct Disk {
  Attachments attachments;
  uint8_t bytes[DISK_SIZE];
} Disk;

static bool disk_attach (void *self, const BpBlockHandlers *handlers, void *user) { return take_place (self, 0, handlers != NULL); }

static void
disk_info (void *self, BpBlockInfo *info)
{
  info->inserted = true;
  info->size = DISK_SIZE;
  g_strlcpy (info->format, "raw", sizeof info->format);
}

static int
disk_do (Disk *disk, const BpBlockRequest *r)
{
  if (r->offset > DISK_SIZE || r->size > DISK_SIZE - r->offset)
    return EINVAL;
  uint8_t *at = disk->bytes + r->offset;
  if (r->op == BP_BLOCK_WRITE_ZEROES)
    memset (at, 0, r->size);
  for (unsigned i = 0; r->op <= BP_BLOCK_WRITE && i < r->n_iov; at += r->iov[i++].iov_len) {
    if (r->op == BP_BLOCK_READ)
      memcpy (r->iov[i].iov_base, at, r->iov[i].iov_len);
    else
      memcpy (at, r->iov[i].iov_base, r->iov[i].iov_len);
  }
  return 0;
}

static void
disk_done (void *request)
{
  BpBlockRequest *r = request;
  r->done (r, GPOINTER_TO_INT (r->backend[0]));
}

static void
disk_submit (void *self, BpBlockRequest *r)
{
  BpMachine *m = bp_object_machine (self);
  r->backend[0] = GINT_TO_POINTER (disk_do (self, r));
  bp_loop_post (bp_loop_main (m), true, m, disk_done, r);
}

static void disk_drain (void *self) { loop_make_posts (bp_loop_main (bp_object_machine (self))); }

static const BpBlockIface disk_iface = { .struct_size = sizeof disk_iface, .attach = disk_attach, .info = disk_info, .submit = disk_submit, .drain = disk_drain };
INTERFACE (disk_type, BP_BLOCK_ID, &disk_iface);
STAND_IN (disk_type, "stand-in-disk", BP_KIND_BACKEND, Disk);

/* --- memory backend: 16 MiB ------------------------------------------------------------------------------ */

enum { MEMORY_SIZE = 16 << 20 };

typedef struct Memory {
  void *host;
  BpRegion *ram;
} Memory;

static bool
memory_configure (void *self, GError **error)
{
  Memory *memory = self;
  memory->host = g_aligned_alloc0 (1, MEMORY_SIZE, 4096);
  memory->ram = bp_region_new_ram (self, "ram", memory->host, MEMORY_SIZE);
  bp_region_publish (self, memory->ram, "the memory");
  return true;
}

static void
memory_unrealize (void *self)
{
  Memory *memory = self;
  g_clear_pointer (&memory->ram, bp_region_free);
  g_clear_pointer (&memory->host, g_aligned_free);
}

static BpRegion *memory_region (void *self) { return ((Memory *) self)->ram; }
static uint64_t memory_size (void *self) { return MEMORY_SIZE; }
static int memory_fd (void *self) { return -1; }

static const BpMemoryBackendIface memory_iface = { .struct_size = sizeof memory_iface, .region = memory_region, .size = memory_size, .fd = memory_fd };
INTERFACE (memory_type, BP_MEMORY_BACKEND_ID, &memory_iface);
STAND_IN (memory_type, "stand-in-memory", BP_KIND_MEMORY, Memory, .configure = memory_configure, .unrealize = memory_unrealize);

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

/* --- processor and accelerator, which stand still ------------------------------------------------------------ */

static void cpu_get (void *self, BpX86State *state) { uint32_t size = state->struct_size; memcpy (state, self, MIN (size, sizeof *state)); state->struct_size = size; }
static void cpu_set (void *self, const BpX86State *state) { memcpy (self, state, MIN (state->struct_size, sizeof *state)); }
static bool cpu_get_msr (void *self, uint32_t number, uint64_t *value) { return false; }
static bool cpu_set_msr (void *self, uint32_t number, uint64_t value) { return false; }
static void cpu_cpuid (void *self, uint32_t leaf, uint32_t subleaf, uint32_t out[4]) { memset (out, 0, 4 * sizeof *out); }
static void cpu_startup (void *self, uint8_t vector) { }
static const BpX86CpuIface cpu_iface = {
  .struct_size = offsetof (BpX86CpuIface, startup_vector), .get_state = cpu_get, .set_state = cpu_set, .get_msr = cpu_get_msr, .set_msr = cpu_set_msr, .cpuid = cpu_cpuid,
  .startup = cpu_startup
};

/* For a debugger: one register, no memory. */
static const BpDebugRegister pc_register = { .name = "pc", .bits = 64, .flags = BP_DEBUG_PC, .type = "code_ptr", .group = "general", .feature = "stand-in" };
static const char *debug_view (void *self, unsigned view) { return view ? NULL : "i386:x86-64"; }
static const BpDebugRegister *debug_reg (void *self, unsigned view, unsigned number) { return view || number ? NULL : &pc_register; }

static unsigned
debug_get (void *self, unsigned view, unsigned number, uint8_t bytes[BP_DEBUG_REGISTER_BYTES])
{
  memset (bytes, 0, 8);
  return view || number ? 0 : 8;
}

static bool debug_set (void *self, unsigned view, unsigned number, const uint8_t *bytes, unsigned size) { return false; }
static char *debug_description (void *self, unsigned view, const char *file) { return NULL; }
static void debug_where (void *self, BpDebugPlace *place) { place->code_bits = 64; place->mode = "long"; }
static bool debug_translate (void *self, uint64_t address, BpDebugPage *page) { return false; }
static uint64_t debug_read (void *self, uint64_t address, void *buffer, uint64_t size) { return 0; }
static uint64_t debug_write (void *self, uint64_t address, const void *buffer, uint64_t size) { return 0; }
static unsigned debug_text (void *self, uint64_t address, unsigned code_bits, char *text, size_t size) { return 0; }
static const BpCpuDebugIface debug_iface = {
  .struct_size = sizeof debug_iface, .view = debug_view, .reg = debug_reg, .get_register = debug_get, .set_register = debug_set, .description = debug_description,
  .where = debug_where, .translate = debug_translate, .read_memory = debug_read, .write_memory = debug_write, .disassemble = debug_text
};
static const BpInterfaceDesc cpu_interfaces[] = { { BP_X86_CPU_ID, &cpu_iface }, { BP_CPU_DEBUG_ID, &debug_iface }, { NULL, NULL } };
const BpTypeDesc stand_in_cpu = {
  BP_TYPE ("stand-in-cpu", BP_KIND_CPU, BpX86State), .description = "stands in for a processor", .interfaces = cpu_interfaces
};

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

static const BpTypeDesc *const types[] = { &char_type, &disk_type,   &memory_type, &pic_type, &cmos_type,    &dma_type,       &tone_type,     &screen_type,
                                           &config_type, &ata_type, &stand_in_pci, &stand_in_cpu, &stand_in_accel, &stand_in_pins };

void
stand_ins_register (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (types); i++)
    type_register (types[i], plugin_core (), NULL);
}

const BpTypeDesc *
stand_in_for (const char *interface_id)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (types); i++)
    if (types[i] != &stand_in_accel && type_interface (types[i], interface_id))
      return types[i];
  return NULL;
}

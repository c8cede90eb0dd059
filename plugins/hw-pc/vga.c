/* vga.c -- the VGA adapter with Bochs VBE, on PCI (1234:1111, as QEMU's standard one) and on ISA: types and life cycle. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/pci.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "hw-pc.h"
#include "vga.h"

#define WINDOW_SIZE 0x20000u
#define ROM_MOST (64u << 10)    /* an option ROM ends before the next one's place */
#define GUARD 0x10000u
#define MMIO_SIZE 0x1000u
enum { MMIO_PORTS = 0x400, MMIO_PORTS_END = 0x420, MMIO_VBE = 0x500, MMIO_VBE_END = 0x500 + 2 * N_VBE, MMIO_EXTENDED = 0x600, MMIO_EXTENDED_END = 0x608 };
#define LITTLE_ENDIAN_MARK 0x1e1e1e1eu

typedef struct VgaPci {
  Vga vga;
  BpLink bus;
  char *address;
  uint32_t width, height;       /* that its monitor likes best */
  uint8_t edid[BP_SCREEN_EDID_SIZE];
  BpRegion *mmio;
  BpPciSlot *slot;
} VgaPci;

/* --- guest access: ports -------------------------------------------------------------------- */

static uint64_t ports_read (void *self, uint64_t offset, unsigned size) { return vga_port_read (self, VGA_PORT_BASE + (unsigned) offset); }
static void ports_write (void *self, uint64_t offset, uint64_t value, unsigned size) { vga_port_write (self, VGA_PORT_BASE + (unsigned) offset, (uint8_t) value); }
static const BpRegionOps ports_ops = BP_REGION_OPS (.read = ports_read, .write = ports_write, .impl_max = 1);

/* --- guest access: BAR 2 (QEMU's docs/specs/standard-vga) ------------------------------------- */

/* EDID, ports 0x3c0 to 0x3df, VBE's registers by their index, and two words of the machine: their size, and the order of bytes in a pixel. */
static uint8_t
mmio_byte (VgaPci *p, unsigned at)
{
  static const uint32_t extended[2] = { MMIO_EXTENDED_END - MMIO_EXTENDED, LITTLE_ENDIAN_MARK };
  Vga *v = &p->vga;
  if (at < BP_SCREEN_EDID_SIZE)
    return p->edid[at];
  if (at >= MMIO_PORTS && at < MMIO_PORTS_END)
    return vga_port_read (v, at - MMIO_PORTS + 0x3c0);
  if (at >= MMIO_VBE && at < MMIO_VBE_END)
    return (uint8_t) (vga_vbe_read (v, (at - MMIO_VBE) / 2) >> 8 * (at & 1));
  if (at >= MMIO_EXTENDED && at < MMIO_EXTENDED_END)
    return (uint8_t) (extended[(at - MMIO_EXTENDED) / 4] >> 8 * (at & 3));
  return 0;
}

static uint64_t
mmio_read (void *self, uint64_t offset, unsigned size)
{
  uint64_t value = 0;
  for (unsigned i = 0; i < size; i++)
    value |= (uint64_t) mmio_byte (self, (unsigned) offset + i) << 8 * i;
  return value;
}

static void
mmio_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Vga *v = self;
  unsigned at = (unsigned) offset;
  if (at >= MMIO_PORTS && at < MMIO_PORTS_END)
    for (unsigned i = 0; i < size; i++)
      vga_port_write (v, at + i - MMIO_PORTS + 0x3c0, (uint8_t) (value >> 8 * i));
  else if (at >= MMIO_VBE && at < MMIO_VBE_END && size == 2)
    vga_vbe_write (v, (at - MMIO_VBE) / 2, (uint16_t) value);
  else if (at == MMIO_EXTENDED + 4 && value != LITTLE_ENDIAN_MARK)
    bp_log_unimp (v, "pixels in big-endian order");
}

static const BpRegionOps mmio_ops = BP_REGION_OPS (.read = mmio_read, .write = mmio_write, .impl_max = 2);

/* --- life cycle: configure --------------------------------------------------------------------- */

static bool
refuse_rom (const Vga *v, GError **error, const char *why)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s: %s", v->rom_file, why);
  return false;
}

/* The image, padded to a power of two. */
static bool
read_rom (Vga *v, GError **error)
{
  uint8_t *image = g_malloc (ROM_MOST + 1);
  FILE *f = fopen (v->rom_file, "rb");
  size_t n = f ? fread (image, 1, ROM_MOST + 1, f) : 0;
  bool fine = f && !ferror (f);
  if (!fine)
    refuse_rom (v, error, g_strerror (errno));
  else if (n < 512 || n > ROM_MOST || image[0] != 0x55 || image[1] != 0xaa)
    fine = refuse_rom (v, error, "is not an option ROM: 64 KiB at most that begin with the bytes 55 aa");
  if (fine) {
    uint64_t size = 4096;
    while (size < n)
      size *= 2;
    v->rom_host = g_aligned_alloc (1, size, 4096);
    memset (v->rom_host, 0xff, size);
    memcpy (v->rom_host, image, n);
    v->rom = bp_region_new_rom (v, "option-rom", v->rom_host, size);
  }
  if (f)
    fclose (f);
  g_free (image);
  return fine;
}

/* What a mistake would read behind the end is not there. */
static bool
map_vram (Vga *v, GError **error)
{
  void *p = mmap (NULL, v->vram_size + GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED || mprotect (p, v->vram_size, PROT_READ | PROT_WRITE) != 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "no host memory for video RAM: %s", g_strerror (errno));
    if (p != MAP_FAILED)
      munmap (p, v->vram_size + GUARD);
    return false;
  }
  v->vram = p;
  return true;
}

static bool
vga_configure (void *self, GError **error)
{
  Vga *v = self;
  if (v->vram_size & (v->vram_size - 1)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "vram is to be a power of two");
    return false;
  }
  if (v->rom_file && !read_rom (v, error))
    return false;
  if (!map_vram (v, error))
    return false;
  v->vram_region = bp_region_new_ram (self, "lfb", v->vram, v->vram_size);
  v->vram_address = bp_region_ram_address (v->vram_region);
  v->window = bp_region_new_container (self, "window", WINDOW_SIZE);
  v->planar = bp_region_new_io (self, "planes", &vga_window_ops, WINDOW_SIZE);
  bp_region_add (v->window, 0, v->planar, 0);
  bp_region_publish (self, v->window, "Video RAM as the registers show it, 128 KiB; map it at memory@0xa0000.");
  return true;
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static bool
vga_realize (void *self, GError **error)
{
  vga_retrace_start (self);
  vga_screen_start (self);
  return true;
}

static void
vga_unrealize (void *self)
{
  Vga *v = self;
  BpRegion **all[] = { &v->planar, &v->window, &v->vram_region, &v->rom };
  vga_screen_stop (v);
  vga_retrace_stop (v);
  vga_memory_release (v);
  for (unsigned i = 0; i < G_N_ELEMENTS (all); i++) {
    bp_region_free (*all[i]);
    *all[i] = NULL;
  }
  if (v->vram)
    munmap (v->vram, v->vram_size + GUARD);
  v->vram = NULL;
  g_clear_pointer (&v->rom_host, g_aligned_free);
}

static void
vga_reset (void *self, BpResetKind kind)
{
  Vga *v = self;
  vga_vbe_reset (v);
  vga_registers_reset (v);
  vga_memory_follow (v);
}

static bool
vga_post_load (void *self, GError **error)
{
  Vga *v = self;
  vga_registers_loaded (v);
  vga_vbe_loaded (v);
  vga_memory_follow (v);
  vga_screen_all_new (v);
  return true;
}

/* --- life cycle: ISA ---------------------------------------------------------------------------- */

static bool
isa_configure (void *self, GError **error)
{
  Vga *v = self;
  if (!vga_configure (self, error))
    return false;
  bp_region_publish (self, v->vram_region, "Video RAM as it is, which VBE's linear modes show; its BIOS looks at memory@0xe0000000.");
  if (v->rom)
    bp_region_publish (self, v->rom, "The option ROM; map it at memory@0xc0000.");
  return true;
}

/* --- life cycle: PCI ------------------------------------------------------------------------------ */

static bool
pci_configure (void *self, GError **error)
{
  VgaPci *p = self;
  if (bp_pci_address_parse (p->address) >= 0)
    return vga_configure (self, error);
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = %s is not a place on a PCI bus; write DEVICE.FUNCTION, as in 02.0", p->address);
  return false;
}

static bool
pci_realize (void *self, GError **error)
{
  VgaPci *p = self;
  const BpPciBusIface *bus = p->bus.table;
  bp_screen_edid (p->edid, p->width, p->height, 0);
  p->mmio = bp_region_new_io (self, "mmio", &mmio_ops, MMIO_SIZE);
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = 0x1234, .device_id = 0x1111, .revision = 2, .subsystem_vendor_id = 0x1af4, .subsystem_id = 0x1100,
                      .class_code = 3, .bars = { [0] = { p->vga.vram_region, BP_PCI_BAR_MEMORY | BP_PCI_BAR_PREFETCHABLE }, [2] = { p->mmio, BP_PCI_BAR_MEMORY } },
                      .self = p, .rom = p->vga.rom };
  p->slot = bus->add (p->bus.instance, (unsigned) bp_pci_address_parse (p->address), &f, error);
  return p->slot && vga_realize (self, error);
}

static void
pci_unrealize (void *self)
{
  VgaPci *p = self;
  const BpPciBusIface *bus = p->bus.table;
  if (p->slot)
    bus->remove (p->bus.instance, p->slot);
  p->slot = NULL;
  bp_region_free (p->mmio);
  p->mmio = NULL;
  vga_unrealize (self);
}

static void
pci_reset (void *self, BpResetKind kind)
{
  VgaPci *p = self;
  const BpPciBusIface *bus = p->bus.table;
  bus->reset (p->bus.instance, p->slot);
  vga_reset (self, kind);
}

/* --- tables: properties, saved fields, types ------------------------------------------------- */

static const BpProperty vga_properties[] = {
  BP_PROP_ ("vram", BP_PROPERTY_SIZE, Vga, vram_size, .default_int = 16u << 20, .min = 1u << 20, .max = 256u << 20,
            .help = "Bytes of video RAM: a power of two."),
  BP_PROP_FILE ("rom", Vga, rom_file, 0, "The option ROM with the video BIOS: 64 KiB at most."),
  BP_PROP_END
};

static const BpRegionDesc vga_regions[] = {
  BP_REGION_DESC ("pio0", Vga, ports, &ports_ops, VGA_PORTS, "The VGA's ports, 0x3b0 to 0x3df."),
  BP_REGION_DESC ("pio1", Vga, vbe_ports, &vga_vbe_ops, 4, "Bochs VBE: index at 0x1ce, data at 0x1cf."),
  BP_REGION_DESC_END
};

static const BpPinDesc vga_pins[] = { BP_PIN_DESC_OUT ("irq", Vga, irq, 0, "Interrupt at the vertical retrace, IRQ 9 (2) where it is wired at all."), BP_PIN_DESC_END };

static const BpInterfaceDesc vga_interfaces[] = { { BP_SCREEN_ID, &vga_screen_iface }, { NULL, NULL } };

/* Video RAM is a block like all RAM: whoever saves memory finds it by its region. */
static const BpStateField vga_state[] = {
  BP_STATE_FIELD_U8 (Vga, misc), BP_STATE_FIELD_U8 (Vga, feature), BP_STATE_FIELD_U8 (Vga, enable), BP_STATE_FIELD_U8 (Vga, sr_index),
  BP_STATE_FIELD_U8 (Vga, gr_index), BP_STATE_FIELD_U8 (Vga, cr_index), BP_STATE_FIELD_U8 (Vga, ar_index), BP_STATE_FIELD_BOOL (Vga, ar_takes_data),
  BP_STATE_FIELD_BOOL (Vga, retrace_pending), BP_STATE_FIELD_TIMER (Vga, retrace_timer),
  BP_STATE_FIELD_BYTES (Vga, sr), BP_STATE_FIELD_BYTES (Vga, gr), BP_STATE_FIELD_BYTES (Vga, cr), BP_STATE_FIELD_BYTES (Vga, ar),
  BP_STATE_FIELD_U8 (Vga, dac_read), BP_STATE_FIELD_U8 (Vga, dac_write), BP_STATE_FIELD_U8 (Vga, dac_component), BP_STATE_FIELD_U8 (Vga, dac_reads),
  BP_STATE_FIELD_BYTES (Vga, dac_latch), BP_STATE_FIELD_U8 (Vga, pel_mask), BP_STATE_FIELD_BYTES (Vga, dac), BP_STATE_FIELD_U32 (Vga, latch),
  BP_STATE_FIELD_U16 (Vga, vbe_index), BP_STATE_FIELD_ARRAY (BP_STATE_U16, Vga, vbe, N_VBE), BP_STATE_END
};

#define VGA_TABLES \
  .properties = vga_properties, .pins = vga_pins, .regions = vga_regions, .interfaces = vga_interfaces, .state_version = 1, .state_minimum = 1, .state = vga_state, \
  .post_load = vga_post_load

static const BpTypeDesc vga_type = { BP_TYPE ("vga", BP_KIND_DEVICE, Vga), .description = "VGA adapter with Bochs VBE", VGA_TABLES };

const BpTypeDesc vga_isa_type = {
  BP_TYPE ("vga-isa", BP_KIND_DEVICE, Vga),
  .description = "VGA adapter with Bochs VBE on the ISA bus",
  VGA_TABLES,
  .configure = isa_configure,
  .realize = vga_realize,
  .unrealize = vga_unrealize,
  .reset = vga_reset,
};

static const BpProperty pci_properties[] = {
  BP_PROP_LINK ("bus", VgaPci, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The PCI bus it is on."),
  BP_PROP_STRING ("address", VgaPci, address, "02.0", "Its place on the bus: device (hexadecimal) and function."),
  BP_PROP_U32_RANGE ("width", VgaPci, width, 1280, 320, 4088, "Pixels across that its monitor likes best; a driver that reads EDID begins with it."),
  BP_PROP_U32_RANGE ("height", VgaPci, height, 800, 200, 4088, "Lines that its monitor likes best."),
  BP_PROP_END
};

const BpTypeDesc vga_pci_type = {
  BP_TYPE ("vga-pci", BP_KIND_DEVICE, VgaPci),
  .description = "VGA adapter with Bochs VBE on the PCI bus, 1234:1111",
  .parent = &vga_type,
  .properties = pci_properties,
  .state_version = 1,
  .state_minimum = 1,
  .configure = pci_configure,
  .realize = pci_realize,
  .unrealize = pci_unrealize,
  .reset = pci_reset,
};

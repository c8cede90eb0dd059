/* pm-piix4.c -- Intel 82371AB PIIX4 (April 1997), function 3: ACPI registers, power management timer, power button, soft off, SMBus. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/pci.h>
#include <backplane/clock.h>
#include <backplane/iface/power.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include "hw-pc.h"
#include "smbus-piix4.h"

/* --- registers -------------------------------------------------------------- */

enum {                          /* configuration space (7.1) */
  PMBA = 0x40, DEVACTB = 0x58, PMREGMISC = 0x80, SMBBA = 0x90, SMBHSTCFG = 0xd2
};
enum { SMBBA_MASK = 0xfff0, SMBHSTCFG_ENABLE = 1 << 0, SMBHSTCFG_INTERRUPT = 7 << 1, SMBHSTCFG_IRQ9 = 4 << 1 };
enum { PMBA_MASK = 0xffc0, DEVACTB_APMC_EN = 1 << 1 /* of byte 3 */, PMREGMISC_ENABLE = 1 << 0 };
/* Writable bits of registers that are kept and have no effect here: activity, resume and break events, general-purpose inputs. */
static const struct { uint8_t offset; uint32_t writable; } kept[] = {
  { 0x44, 0xffffffff }, { 0x48, 0xffffffff }, { 0x4c, 0xffffffff }, { 0x50, 0x07ffffff }, { 0x54, 0xffffffff }, { DEVACTB, 0x00000fff },
  { 0x5c, 0xffffffff }, { 0x60, 0xffffffff }, { 0x64, 0xffffffff }, { 0x68, 0xffffffff }, { 0x6c, 0xffffffff }, { 0x70, 0xffffffff },
  { 0x74, 0xffffffff }, { 0x78, 0xffffffff }, { 0x7c, 0x0000ffff }
};

enum {                          /* I/O space, from PMBA (7.2) */
  PM1_STATUS = 0x00, PM1_ENABLE = 0x02, PM1_CONTROL = 0x04, PM_TIMER = 0x08, GP_STATUS = 0x0c, GP_ENABLE = 0x0e, PROCESSOR = 0x10, LEVEL2 = 0x14,
  LEVEL3 = 0x15, GLOBAL_STATUS = 0x18, DEVICE_STATUS = 0x1c, GLOBAL_ENABLE = 0x20, GLOBAL_CONTROL = 0x28, DEVICE_CONTROL = 0x2c, GP_INPUT = 0x30,
  GP_OUTPUT = 0x34
};
enum { STS_TIMER = 1 << 0, STS_GLOBAL = 1 << 5, STS_BUTTON = 1 << 8, STS_RTC = 1 << 10, STS_RESUME = 1 << 15 };
enum { STATUS_BITS = STS_TIMER | STS_GLOBAL | STS_BUTTON | STS_RTC | STS_RESUME | 1 << 4, ENABLE_BITS = STS_TIMER | STS_GLOBAL | STS_BUTTON | STS_RTC };
enum { CTL_SCI = 1 << 0, CTL_RELEASE = 1 << 2, CTL_TYPE_SHIFT = 10, CTL_SLEEP = 1 << 13, CONTROL_BITS = CTL_SCI | 1 << 1 | 7 << CTL_TYPE_SHIFT };
enum { TYPE_SOFT_OFF = 0 };     /* of SUS_TYP */
#define GP_BITS 0x0f81          /* events that can be enabled; one of them has a source here: */
enum { GP_INPUT1 = 1 << ACPI_SLOTS_EVENT };    /* GPI1# */

#define TIMER_HZ UINT32_C (3579545)
#define TIMER_MASK 0xffffffu
#define HALF_TURN 23            /* the status bit is set when bit 23 of the timer changes */

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Pm {
  uint16_t status, enable, control, gp_enable, gp_status;
  bool gp_input1;
  uint32_t processor, device_control, gp_output;
  uint16_t global_enable;
  uint32_t global_control;
  uint8_t apm_control, apm_status;
  uint64_t turns_seen;          /* half turns of the timer that its status bit was cleared after */
  Smbus smbus;
  BpTimer *timer;
  BpLink bus;
  char *address;
  BpPciSlot *slot;
  BpPin *sci;
  BpRegion *apm, *block, *smbus_ports;
  bool block_mapped, smbus_mapped;
} Pm;

static const BpPciBusIface *bus_of (const Pm *p) { return p->bus.table; }
static uint8_t *config_of (const Pm *p) { return bus_of (p)->config (p->bus.instance, p->slot); }

/* --- the timer and the interrupt --------------------------------------------------------- */

static uint64_t count (Pm *p) { return bp_muldiv ((uint64_t) bp_clock_now (bp_object_machine (p), BP_CLOCK_VIRTUAL), TIMER_HZ, (uint32_t) BP_NS_PER_SECOND); }

static void
note_turns (Pm *p)
{
  if (count (p) >> HALF_TURN != p->turns_seen)
    p->status |= STS_TIMER;
}

/* Somebody has to wait for the next half turn only while it would interrupt. */
static void
arm (Pm *p)
{
  if (!(p->control & CTL_SCI) || !(p->enable & STS_TIMER) || p->status & STS_TIMER) {
    bp_timer_cancel (p->timer);
    return;
  }
  uint64_t at = ((count (p) >> HALF_TURN) + 1) << HALF_TURN;
  bp_timer_arm (p->timer, (int64_t) bp_muldiv (at, (uint32_t) BP_NS_PER_SECOND, TIMER_HZ) + 1);
}

/* The SMBus shares the line, or is for an SMI handler, which there is not. */
static void
drive_sci (Pm *p)
{
  bool smbus = smbus_interrupts (&p->smbus) && (config_of (p)[SMBHSTCFG] & SMBHSTCFG_INTERRUPT) == SMBHSTCFG_IRQ9;
  bool event = p->status & p->enable || p->gp_status & p->gp_enable;
  bp_pin_set (p->sci, (p->control & CTL_SCI && event) || smbus);
}

static void
update (Pm *p)
{
  note_turns (p);
  drive_sci (p);
  arm (p);
}

static void on_half_turn (void *user) { update (user); }

/* The status stays until it is cleared, which it cannot be while the input is held. */
static void
set_gpi1 (void *self, unsigned index, int level)
{
  Pm *p = self;
  p->gp_input1 = level;
  if (level)
    p->gp_status |= GP_INPUT1;
  drive_sci (p);
}

/* --- sleeping ------------------------------------------------------------------------------ */

static void
go_to_sleep (Pm *p)
{
  unsigned type = p->control >> CTL_TYPE_SHIFT & 7;
  if (type == TYPE_SOFT_OFF)
    bp_machine_request_shutdown (bp_object_machine (p), 0, "the guest switched the machine off (ACPI S5)");
  else
    bp_log_unimp (p, "suspend of type %u; the machine goes on. Only soft off (type 0, S5) is there, and no table offers another", type);
}

static void
press (void *self)
{
  Pm *p = self;
  p->status |= STS_BUTTON;
  update (p);
}

/* --- guest access: the ACPI block ------------------------------------------------------------ */

static uint64_t
read_block (Pm *p, uint64_t offset)
{
  switch (offset) {
  case PM1_STATUS:
    note_turns (p);
    return p->status;
  case PM1_ENABLE: return p->enable;
  case PM1_CONTROL: return p->control;
  case PM_TIMER: return count (p) & 0xffff;
  case PM_TIMER + 2: return (count (p) & TIMER_MASK) >> 16;
  case GP_STATUS: return p->gp_status;
  case GP_ENABLE: return p->gp_enable;
  case PROCESSOR: return p->processor & 0xffff;
  case PROCESSOR + 2: return p->processor >> 16;
  case GLOBAL_ENABLE: return p->global_enable;
  case GLOBAL_CONTROL: return p->global_control & 0xffff;
  case GLOBAL_CONTROL + 2: return p->global_control >> 16;
  case DEVICE_CONTROL: return p->device_control & 0xffff;
  case DEVICE_CONTROL + 2: return p->device_control >> 16;
  case GP_OUTPUT: return p->gp_output & 0xffff;
  case GP_OUTPUT + 2: return p->gp_output >> 16;
  default: return 0;            /* statuses without a source, and P_LVL2 and P_LVL3, which nothing waits for */
  }
}

static void put_low (uint32_t *r, uint16_t value) { *r = (*r & 0xffff0000) | value; }
static void put_high (uint32_t *r, uint16_t value) { *r = (*r & 0xffff) | (uint32_t) value << 16; }

static void
write_control (Pm *p, uint16_t value)
{
  p->control = value & CONTROL_BITS;
  if (value & CTL_RELEASE)
    bp_log_unimp (p, "release of the global lock to firmware, which has no SMM handler to take it");
  if (value & CTL_SLEEP)
    go_to_sleep (p);
}

static void
write_status (Pm *p, uint16_t value)
{
  note_turns (p);
  p->status &= (uint16_t) ~value;
  if (value & STS_TIMER)
    p->turns_seen = count (p) >> HALF_TURN;
}

static void
write_block (Pm *p, uint64_t offset, uint16_t value)
{
  switch (offset) {
  case PM1_STATUS: write_status (p, value & STATUS_BITS); break;
  case PM1_ENABLE: p->enable = value & ENABLE_BITS; break;
  case PM1_CONTROL: write_control (p, value); break;
  case GP_STATUS: p->gp_status = (uint16_t) ((p->gp_status & ~value) | (p->gp_input1 ? GP_INPUT1 : 0)); break;
  case GP_ENABLE: p->gp_enable = value & GP_BITS; break;
  case PROCESSOR: put_low (&p->processor, value & 0x3e1e); break;
  case PROCESSOR + 2: put_high (&p->processor, value & 0x0003); break;
  case GLOBAL_ENABLE: p->global_enable = value & 0x8d0f; break;
  case GLOBAL_CONTROL: put_low (&p->global_control, value & 0xff3f); break;
  case GLOBAL_CONTROL + 2: put_high (&p->global_control, value & 0x07ff); break;
  case DEVICE_CONTROL: put_low (&p->device_control, value); break;
  case DEVICE_CONTROL + 2: put_high (&p->device_control, value & 0x1fff); break;
  case GP_OUTPUT: put_low (&p->gp_output, value); break;
  case GP_OUTPUT + 2: put_high (&p->gp_output, value & 0x7fff); break;
  default: break;
  }
  update (p);
}

/* Registers are words, of which bytes can be read.  The timer is one double word, and must not move between its halves. */
static uint64_t
block_read (void *self, uint64_t offset, unsigned size)
{
  Pm *p = self;
  if (size == 4 && offset == PM_TIMER)
    return count (p) & TIMER_MASK;
  if (size == 4)
    return read_block (p, offset) | read_block (p, offset + 2) << 16;
  return read_block (p, offset & ~UINT64_C (1)) >> (offset & 1 ? 8 : 0);
}

/* A byte changes its half of the word: of a status it clears no others. */
static void
block_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Pm *p = self;
  uint64_t at = offset & ~UINT64_C (1);
  if (size == 4)
    write_block (p, offset + 2, (uint16_t) (value >> 16));
  if (size == 1) {
    uint64_t other = at == PM1_STATUS || at == GP_STATUS ? 0 : read_block (p, at);
    value = offset & 1 ? (other & 0xff) | (value & 0xff) << 8 : (other & 0xff00) | (value & 0xff);
  }
  write_block (p, at, (uint16_t) value);
}

static const BpRegionOps block_ops = BP_REGION_OPS (.read = block_read, .write = block_write, .impl_max = 4);

/* --- guest access: APM, configuration ---------------------------------------------------------- */

static uint64_t
apm_read (void *self, uint64_t offset, unsigned size)
{
  Pm *p = self;
  return offset ? p->apm_status : p->apm_control;
}

/* On a board the write raises an SMI, and firmware's handler does what the command says.  There is no SMM here; the chip itself switches to
 * and from ACPI. */
static void
apm_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Pm *p = self;
  if (offset) {
    p->apm_status = (uint8_t) value;
    return;
  }
  p->apm_control = (uint8_t) value;
  if (value == ACPI_COMMAND_ENABLE)
    p->control |= CTL_SCI;
  else if (value == ACPI_COMMAND_DISABLE)
    p->control &= (uint16_t) ~CTL_SCI;
  else
    bp_log_unimp (p, "command %02x to firmware in system management mode", (unsigned) value);
  update (p);
}

static uint64_t smbus_ports_read (void *self, uint64_t offset, unsigned size) { return smbus_read (&((Pm *) self)->smbus, (unsigned) offset); }

static void
smbus_ports_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Pm *p = self;
  smbus_write (&p->smbus, (unsigned) offset, (uint8_t) value);
  drive_sci (p);
}

static const BpRegionOps smbus_ops = BP_REGION_OPS (.read = smbus_ports_read, .write = smbus_ports_write, .impl_max = 1);

static void
place (Pm *p, BpRegion *ports, bool *mapped, uint16_t base, bool wanted)
{
  if (*mapped)
    bp_region_remove (ports);
  *mapped = wanted && base;
  if (*mapped)
    bp_region_add (bus_of (p)->space (p->bus.instance, true), base, ports, 0);
}

/* Both blocks have a base and a switch; PCI's own counts for the SMBus alone (7.1).  Always both, so that the SMBus is in front where they overlap. */
static void
map_blocks (Pm *p)
{
  const uint8_t *c = config_of (p);
  bp_memory_begin ();
  place (p, p->block, &p->block_mapped, bp_pci_get16 (c, PMBA) & PMBA_MASK, c[PMREGMISC] & PMREGMISC_ENABLE);
  place (p, p->smbus_ports, &p->smbus_mapped, bp_pci_get16 (c, SMBBA) & SMBBA_MASK, c[SMBHSTCFG] & SMBHSTCFG_ENABLE && c[BP_PCI_COMMAND] & BP_PCI_COMMAND_IO);
  bp_memory_commit ();
}

static bool touches (unsigned offset, unsigned size, unsigned reg, unsigned length) { return offset < reg + length && offset + size > reg; }

static void
config_written (void *self, unsigned offset, unsigned size)
{
  Pm *p = self;
  if (touches (offset, size, PMBA, 4) || touches (offset, size, PMREGMISC, 1) || touches (offset, size, SMBBA, 4) || touches (offset, size, SMBHSTCFG, 1)
      || touches (offset, size, BP_PCI_COMMAND, 1))
    map_blocks (p);
  drive_sci (p);
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static bool
pm_realize (void *self, GError **error)
{
  Pm *p = self;
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = 0x8086, .device_id = 0x7113, .revision = 3, .subclass = 0x80, .class_code = 6, .self = p,
                      .config_written = config_written };
  int address = bp_pci_address_parse (p->address);
  if (address < 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = %s is not a place on a PCI bus; write DEVICE.FUNCTION, as in 01.3", p->address);
    return false;
  }
  if (!BP_TABLE_HAS (bus_of (p), space)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the PCI bus does not let functions decode addresses of their own");
    return false;
  }
  p->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_half_turn, p);
  p->block = bp_region_new_io (self, "pm", &block_ops, ACPI_PM_SIZE);
  p->smbus_ports = bp_region_new_io (self, "smbus", &smbus_ops, SMBUS_SIZE);
  p->slot = bus_of (p)->add (p->bus.instance, (unsigned) address, &f, error);
  if (!p->slot)
    return false;
  uint8_t *mask = bus_of (p)->write_mask (p->bus.instance, p->slot);
  bp_pci_put16 (mask, BP_PCI_COMMAND, BP_PCI_COMMAND_IO);
  bp_pci_put16 (mask, PMBA, PMBA_MASK);
  mask[PMREGMISC] = PMREGMISC_ENABLE;
  bp_pci_put16 (mask, SMBBA, SMBBA_MASK);
  mask[SMBHSTCFG] = SMBHSTCFG_ENABLE | SMBHSTCFG_INTERRUPT;
  for (unsigned i = 0; i < G_N_ELEMENTS (kept); i++)
    for (unsigned b = 0; b < 4; b++)
      mask[kept[i].offset + b] = (uint8_t) (kept[i].writable >> 8 * b);
  return true;
}

static void
pm_unrealize (void *self)
{
  Pm *p = self;
  if (p->slot)
    bus_of (p)->remove (p->bus.instance, p->slot);
  p->slot = NULL;
  bp_region_free (p->block);
  bp_region_free (p->smbus_ports);
  p->block = p->smbus_ports = NULL;
  p->block_mapped = p->smbus_mapped = false;
  bp_timer_free (p->timer);
  p->timer = NULL;
}

/* APMC_EN reads as set: SeaBIOS takes that for "SMM has been set up already", which is as near as it gets to "there is none". */
static void
pm_reset (void *self, BpResetKind kind)
{
  Pm *p = self;
  bus_of (p)->reset (p->bus.instance, p->slot);
  uint8_t *c = config_of (p);
  bp_pci_put16 (c, BP_PCI_STATUS, 0x0280);
  c[PMBA] = c[SMBBA] = 1;       /* I/O space */
  c[DEVACTB + 3] = DEVACTB_APMC_EN;
  c[BP_PCI_INTERRUPT_PIN] = 1;
  map_blocks (p);
  smbus_reset (&p->smbus);
  p->status = p->enable = p->control = p->gp_enable = p->global_enable = 0;
  p->gp_input1 = false;
  p->gp_status = 0;
  p->processor = p->global_control = p->device_control = 0;
  p->gp_output = 0x7fffbfff;
  p->apm_control = p->apm_status = 0;
  p->turns_seen = count (p) >> HALF_TURN;
  update (p);
}

static bool
pm_post_load (void *self, GError **error)
{
  Pm *p = self;
  map_blocks (p);
  drive_sci (p);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty pm_properties[] = {
  BP_PROP_LINK ("bus", Pm, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The PCI bus it is on."),
  BP_PROP_STRING ("address", Pm, address, "01.3", "Its place on the bus: device (hexadecimal) and function, that of the PIIX's fourth."),
  BP_PROP_END
};

static const BpRegionOps apm_ops = BP_REGION_OPS (.read = apm_read, .write = apm_write, .impl_max = 1);
static const BpRegionDesc pm_regions[] = {
  BP_REGION_DESC ("pio0", Pm, apm, &apm_ops, 2, "APM control and status, 0xb2: commands to firmware, by which an operating system switches to ACPI."),
  BP_REGION_DESC_END
};

static const BpPinDesc pm_pins[] = {
  BP_PIN_DESC_OUT ("sci", Pm, sci, 0, "System control interrupt, a level; IRQ 9 in a PC."),
  BP_PIN_DESC_IN ("gpi1", 1, set_gpi1, BP_PIN_WIRED_OR, "General-purpose input 1: ACPI's event 9, as long as it is high. Memory slots and PCI slots in a PC."), BP_PIN_DESC_END
};

static const BpPowerButtonIface button_iface = { .struct_size = sizeof (BpPowerButtonIface), .press = press };
static const BpInterfaceDesc pm_interfaces[] = { { BP_POWER_BUTTON_ID, &button_iface }, { NULL, NULL } };

static const BpStateField pm_state[] = {
  BP_STATE_FIELD_U16 (Pm, status), BP_STATE_FIELD_U16 (Pm, enable), BP_STATE_FIELD_U16 (Pm, control), BP_STATE_FIELD_U16 (Pm, gp_enable),
  BP_STATE_FIELD_U32 (Pm, processor), BP_STATE_FIELD_U32 (Pm, device_control), BP_STATE_FIELD_U32 (Pm, gp_output),
  BP_STATE_FIELD_U16 (Pm, global_enable), BP_STATE_FIELD_U32 (Pm, global_control), BP_STATE_FIELD_U8 (Pm, apm_control),
  BP_STATE_FIELD_U8 (Pm, apm_status), BP_STATE_FIELD_U64 (Pm, turns_seen), BP_STATE_FIELD_STRUCTS (Pm, smbus, 1, smbus_state),
  BP_STATE_FIELD_TIMER (Pm, timer), BP_STATE_SINCE (2, BP_STATE_U16, Pm, gp_status, 1), BP_STATE_SINCE (2, BP_STATE_BOOL, Pm, gp_input1, 1), BP_STATE_END
};

const BpTypeDesc piix4_pm_type = {
  BP_TYPE ("piix4-pm", BP_KIND_DEVICE, Pm),
  .description = "Intel 82371AB PIIX4 power management: ACPI registers, timer, power button, soft off",
  .properties = pm_properties,
  .regions = pm_regions,
  .pins = pm_pins,
  .interfaces = pm_interfaces,
  .state_version = 2,
  .state_minimum = 1,
  .state = pm_state,
  .realize = pm_realize,
  .unrealize = pm_unrealize,
  .reset = pm_reset,
  .post_load = pm_post_load,
};

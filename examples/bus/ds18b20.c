/* ds18b20.c -- Maxim DS18B20 (Programmable Resolution 1-Wire Digital Thermometer): conversions that take their time, limits, an EEPROM. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include <one-wire/one-wire-rom.h>
#include <one-wire/one-wire.h>
#include <string.h>

/* --- registers -------------------------------------------------------------- */

#define FAMILY 0x28
enum { CONVERT = 0x44, WRITE_SCRATCHPAD = 0x4e, READ_SCRATCHPAD = 0xbe, COPY_SCRATCHPAD = 0x48, RECALL = 0xb8, READ_POWER = 0xb4 };
enum { LOW, HIGH, LIMIT_HIGH, LIMIT_LOW, CONFIG, SCRATCHPAD_CRC = 8, SCRATCHPAD_SIZE };
enum { N_KEPT = 3 };            /* LIMIT_HIGH .. CONFIG: what the EEPROM holds */
enum { CONFIG_RESOLUTION = 0x60, CONFIG_ONES = 0x1f };
#define CONVERSION_NS 93750000  /* for 9 bits; each further bit doubles it */

/* What a slot means once the device is selected: a bit of a command, a bit to give, a bit to take, or the question whether it is done. */
enum { FUNCTION, GIVE, TAKE, STATUS, N_PHASES };

/* --- state: saved | wiring ------------------------------------------------------ */

typedef struct Ds18b20 {
  OneWireRom rom;
  uint8_t scratchpad[SCRATCHPAD_SIZE];
  uint8_t eeprom[N_KEPT];
  uint8_t phase, n, byte;       /* n: bits so far */
  BpTimer *timer;               /* the end of a conversion */
  BpLink bus;
  uint64_t serial;
  int32_t temperature;          /* thousandths of a degree */
} Ds18b20;

/* --- the scratchpad ----------------------------------------------------------------- */

static unsigned extra_bits (const Ds18b20 *d) { return (d->scratchpad[CONFIG] & CONFIG_RESOLUTION) >> 5; }

static void
set_temperature (Ds18b20 *d, int sixteenths)
{
  d->scratchpad[LOW] = (uint8_t) sixteenths;
  d->scratchpad[HIGH] = (uint8_t) (sixteenths >> 8);
}

static void
recall (Ds18b20 *d)
{
  memcpy (d->scratchpad + LIMIT_HIGH, d->eeprom, N_KEPT);
}

static void
power_on (Ds18b20 *d)
{
  static const uint8_t fixed[] = { 0xff, 0x0c, 0x10 };
  memcpy (d->scratchpad + CONFIG + 1, fixed, sizeof fixed);
  recall (d);
  set_temperature (d, 85 * 16);
  d->phase = FUNCTION;
  d->n = d->byte = 0;
  one_wire_rom_power_on (&d->rom);
}

/* --- conversions ---------------------------------------------------------------------- */

static void
start_conversion (Ds18b20 *d)
{
  if (!bp_timer_is_armed (d->timer))
    bp_timer_arm (d->timer, bp_clock_now (bp_object_machine (d), BP_CLOCK_VIRTUAL) + ((int64_t) CONVERSION_NS << extra_bits (d)));
}

static void
conversion_ends (void *user)
{
  Ds18b20 *d = user;
  int sixteenths = (int) ((int64_t) d->temperature * 16 / 1000), degrees;
  set_temperature (d, sixteenths & ~((8 >> extra_bits (d)) - 1));
  degrees = sixteenths >> 4;
  d->rom.alarm = degrees >= (int8_t) d->scratchpad[LIMIT_HIGH] || degrees <= (int8_t) d->scratchpad[LIMIT_LOW];
}

/* --- the line: commands of its own -------------------------------------------------------- */

static void
begin (Ds18b20 *d, unsigned phase)
{
  d->phase = (uint8_t) phase;
  d->n = 0;
}

static void
do_function (Ds18b20 *d, uint8_t command)
{
  begin (d, STATUS);
  switch (command) {
  case CONVERT: start_conversion (d); break;
  case COPY_SCRATCHPAD: memcpy (d->eeprom, d->scratchpad + LIMIT_HIGH, N_KEPT); break;
  case RECALL: recall (d); break;
  case READ_POWER: break;       /* it has a supply of its own: a one */
  case WRITE_SCRATCHPAD: begin (d, TAKE); break;
  case READ_SCRATCHPAD:
    d->scratchpad[SCRATCHPAD_CRC] = one_wire_crc (d->scratchpad, SCRATCHPAD_CRC);
    begin (d, GIVE);
    break;
  default: bp_log_guest (d, "unknown command 0x%02x", command);
  }
}

/* Shifts a bit in; true when it ends a byte. */
static bool
take_bit (Ds18b20 *d, bool high)
{
  d->byte = (uint8_t) (d->byte >> 1 | (high ? 0x80 : 0));
  return ++d->n % 8 == 0;
}

static void
take_scratchpad (Ds18b20 *d, bool high)
{
  if (!take_bit (d, high))
    return;
  unsigned at = LIMIT_HIGH + d->n / 8u - 1;
  d->scratchpad[at] = at == CONFIG ? (d->byte & CONFIG_RESOLUTION) | CONFIG_ONES : d->byte;
  if (at == CONFIG)
    begin (d, STATUS);
}

static bool
give_bit (Ds18b20 *d)
{
  bool bit = d->scratchpad[d->n / 8] >> d->n % 8 & 1;
  if (++d->n == 8 * SCRATCHPAD_SIZE)
    begin (d, STATUS);
  return bit;
}

static bool
thermometer_slot (void *self, bool high)
{
  Ds18b20 *d = self;
  if (!one_wire_rom_is_selected (&d->rom))
    return one_wire_rom_slot (&d->rom, high);
  switch (d->phase) {
  case FUNCTION:
    if (take_bit (d, high))
      do_function (d, d->byte);
    return true;
  case TAKE:
    take_scratchpad (d, high);
    return true;
  case GIVE:
    return give_bit (d);
  default:
    return !bp_timer_is_armed (d->timer);
  }
}

static bool
thermometer_reset (void *self)
{
  Ds18b20 *d = self;
  one_wire_rom_reset (&d->rom);
  begin (d, FUNCTION);
  return true;
}

/* --- life cycle: configure, realize, reset, unrealize ---------------------------------------- */

static bool
thermometer_configure (void *self, GError **error)
{
  static const uint8_t as_shipped[N_KEPT] = { 75, 70, CONFIG_RESOLUTION | CONFIG_ONES };
  Ds18b20 *d = self;
  one_wire_rom_init (&d->rom, FAMILY, d->serial);
  memcpy (d->eeprom, as_shipped, N_KEPT);
  return true;
}

static bool
thermometer_realize (void *self, GError **error)
{
  static const OneWireDevice device = { .struct_size = sizeof device, .reset = thermometer_reset, .slot = thermometer_slot };
  Ds18b20 *d = self;
  d->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, conversion_ends, d);
  if (one_wire_attach (&d->bus, &device, d))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "bus: nothing can be attached to it");
  return false;
}

static void
thermometer_power_on (void *self, BpResetKind kind)
{
  Ds18b20 *d = self;
  bp_timer_cancel (d->timer);
  power_on (d);
}

static void
thermometer_unrealize (void *self)
{
  Ds18b20 *d = self;
  one_wire_detach (&d->bus, d);
  bp_timer_free (d->timer);
  d->timer = NULL;
}

static bool
thermometer_post_load (void *self, GError **error)
{
  static const uint8_t most[N_PHASES] = { [FUNCTION] = 8, [GIVE] = 8 * SCRATCHPAD_SIZE, [TAKE] = 8 * N_KEPT, [STATUS] = 1 };
  Ds18b20 *d = self;
  if (one_wire_rom_is_valid (&d->rom) && d->phase < N_PHASES && d->n < most[d->phase])
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "no thermometer on a 1-Wire bus is in such a state: phase %u", d->phase);
  return false;
}

/* --- tables: properties, saved fields, type ------------------------------------------------------ */

static const BpProperty thermometer_properties[] = {
  BP_PROP_LINK ("bus", Ds18b20, bus, ONE_WIRE_BUS_ID, BP_PROPERTY_REQUIRED, "The 1-Wire bus it is on."),
  BP_PROP_ ("serial", BP_PROPERTY_U64, Ds18b20, serial, .default_int = 1, .min = 0, .max = UINT64_C (0xffffffffffff),
            .help = "Its number, 48 bits; no two thermometers on a bus may have the same."),
  BP_PROP_ ("temperature", BP_PROPERTY_I32, Ds18b20, temperature, .flags = BP_PROPERTY_RUNTIME, .default_int = 21500,
            .min = (uint64_t) INT64_C (-55000), .max = 125000,
            .help = "How warm it is, in thousandths of a degree Celsius; it may change while the machine runs."),
  BP_PROP_END
};

static const BpStateField thermometer_state[] = {
  BP_STATE_FIELD_STRUCTS (Ds18b20, rom, 1, one_wire_rom_state), BP_STATE_FIELD_BYTES (Ds18b20, scratchpad), BP_STATE_FIELD_BYTES (Ds18b20, eeprom),
  BP_STATE_FIELD_U8 (Ds18b20, phase), BP_STATE_FIELD_U8 (Ds18b20, n), BP_STATE_FIELD_U8 (Ds18b20, byte),
  BP_STATE_FIELD_TIMER (Ds18b20, timer), BP_STATE_END
};

static const BpTypeDesc thermometer_type = {
  BP_TYPE ("ds18b20", BP_KIND_DEVICE, Ds18b20),
  .description = "Thermometer on a 1-Wire bus",
  .properties = thermometer_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = thermometer_state,
  .configure = thermometer_configure,
  .realize = thermometer_realize,
  .reset = thermometer_power_on,
  .unrealize = thermometer_unrealize,
  .post_load = thermometer_post_load,
};

static const BpTypeDesc *const types[] = { &thermometer_type, NULL };
static const char *const needs[] = { ONE_WIRE_BUS_ID, NULL };

BP_PLUGIN_DEFINE (.id = "ds18b20", .version = "1.0", .licence = "MIT", .description = "A thermometer for a 1-Wire bus", .types = types,
                  .requires_interfaces = needs);

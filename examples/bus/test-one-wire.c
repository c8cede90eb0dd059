/* test-one-wire.c -- the master's registers, and through them the devices: presence, searches, temperatures, state. */
/* SPDX-License-Identifier: MIT */
#include <backplane/test.h>
#include <one-wire/one-wire-rom.h>
#include <string.h>

#define MASTER "[device w1]\nmodule = ds1wm\ntype = ds1wm\npio0 = io@0x300\nirq = probe.in5\n[device probe]\ntype = test-probe\n"
#define THERMOMETER(name, more) "[device " name "]\nmodule = ds18b20\ntype = ds18b20\nbus = w1\n" more
#define NUMBER "[device number]\nmodule = ds2401\ntype = ds2401\nbus = w1\nserial = 0xb0a71e\n"
enum { COMMAND = 0x300, DATA, INTERRUPT, ENABLE, CLOCK };
enum { PRESENCE = 1, NOT_PRESENT = 2, TX_EMPTY = 4, TX_IDLE = 8, RX_FULL = 0x10, RX_WAITS = 0x20 };
#define RESET_NS 1000000
#define BYTE_NS (8 * 70000)
#define SEARCH_NS (12 * 70000)

static BpTest *
new_test (const char *sections)
{
  BpTest *t = bp_test_new (NULL, sections);
  bp_test_out8 (t, CLOCK, 0x80);
  return t;
}

static bool
reset_line (BpTest *t)
{
  bp_test_out8 (t, COMMAND, 1);
  bp_test_advance (t, RESET_NS);
  uint8_t flags = bp_test_in8 (t, INTERRUPT);
  bp_test_expect (flags & PRESENCE);
  return !(flags & NOT_PRESENT);
}

static uint8_t
exchange (BpTest *t, uint8_t byte)
{
  bp_test_out8 (t, DATA, byte);
  bp_test_advance (t, BYTE_NS);
  bp_test_expect (bp_test_in8 (t, INTERRUPT) & RX_FULL);
  return bp_test_in8 (t, DATA);
}

BP_TEST (nobody_is_there)
{
  BpTest *t = new_test (MASTER);
  bp_test_expect (!reset_line (t));
  bp_test_expect_eq (bp_test_in8 (t, INTERRUPT), NOT_PRESENT | TX_EMPTY | TX_IDLE);     /* reading took the other bit away */
  bp_test_expect_eq (exchange (t, 0xa5), 0xa5);
  bp_test_keep_log ("unimp");
  bp_test_out8 (t, COMMAND, 4);
  bp_test_expect_eq (bp_test_in8 (t, COMMAND), 4);
  bp_test_expect_eq (exchange (t, 0xa5), 0);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "forced low");
  bp_test_free (t);
}

BP_TEST (one_number)
{
  BpTest *t = new_test (MASTER NUMBER);
  static const uint8_t expected[7] = { 0x01, 0x1e, 0xa7, 0xb0, 0, 0, 0 };
  bp_test_expect (reset_line (t));
  exchange (t, ONE_WIRE_READ_ROM);
  for (unsigned i = 0; i < 7; i++)
    bp_test_expect_eq (exchange (t, 0xff), expected[i]);
  bp_test_expect_eq (exchange (t, 0xff), one_wire_crc (expected, 7));
  bp_test_free (t);
}

/* Maxim's application note 27: the checksum of 02 1c b8 01 00 00 00 is a2. */
BP_TEST (checksum)
{
  static const uint8_t bytes[] = { 0x02, 0x1c, 0xb8, 0x01, 0, 0, 0 };
  bp_test_expect_eq (one_wire_crc (bytes, 7), 0xa2);
}

BP_TEST (search_tells_them_apart)
{
  BpTest *t = new_test (MASTER THERMOMETER ("a", "serial = 1\n") NUMBER);
  for (unsigned way = 0; way < 2; way++) {      /* families 0x28 and 0x01 differ in bit 0 */
    reset_line (t);
    exchange (t, ONE_WIRE_SEARCH_ROM);
    bp_test_out8 (t, COMMAND, 2);
    uint8_t family = 0;
    for (unsigned i = 0; i < 2; i++) {
      bp_test_out8 (t, DATA, i == 0 ? (uint8_t) (way << 1) : 0);
      bp_test_advance (t, SEARCH_NS);
      uint8_t in = bp_test_in8 (t, DATA);
      bp_test_expect_eq (in & 0x55, i == 0 ? 1 : 0);
      for (unsigned b = 0; b < 4; b++)
        family |= (uint8_t) ((in >> (2 * b + 1) & 1) << (4 * i + b));
    }
    bp_test_expect_eq (family, way ? 0x01 : 0x28);
    bp_test_out8 (t, COMMAND, 0);
  }
  bp_test_free (t);
}

static int
read_temperature (BpTest *t)
{
  uint8_t pad[9];
  reset_line (t);
  exchange (t, ONE_WIRE_SKIP_ROM);
  exchange (t, 0xbe);
  for (unsigned i = 0; i < 9; i++)
    pad[i] = exchange (t, 0xff);
  bp_test_expect_eq (one_wire_crc (pad, 9), 0);
  return (int16_t) (pad[0] | pad[1] << 8);
}

BP_TEST (converts)
{
  BpTest *t = new_test (MASTER THERMOMETER ("a", "temperature = -10125\n"));
  bp_test_expect_eq (read_temperature (t), 85 * 16);    /* after power-on */
  reset_line (t);
  exchange (t, ONE_WIRE_SKIP_ROM);
  exchange (t, 0x44);
  bp_test_expect_eq (exchange (t, 0xff), 0);            /* busy */
  bp_test_advance (t, 750000000);
  bp_test_expect_eq (exchange (t, 0xff), 0xff);
  bp_test_expect (read_temperature (t) == -162);
  reset_line (t);                                       /* 9 bits: half degrees, in an eighth of the time */
  exchange (t, ONE_WIRE_SKIP_ROM);
  exchange (t, 0x4e);
  exchange (t, 0x14);
  exchange (t, 0xec);
  exchange (t, 0x1f);
  reset_line (t);
  exchange (t, ONE_WIRE_SKIP_ROM);
  exchange (t, 0x44);
  bp_test_advance (t, 93750000);
  bp_test_expect_eq (exchange (t, 0xff), 0xff);
  bp_test_expect (read_temperature (t) == -168);
  bp_test_free (t);
}

static void
command (BpTest *t, uint8_t byte)
{
  reset_line (t);
  exchange (t, ONE_WIRE_SKIP_ROM);
  exchange (t, byte);
}

static void
set_limits (BpTest *t, int high, int low)
{
  command (t, 0x4e);
  exchange (t, (uint8_t) high);
  exchange (t, (uint8_t) low);
  exchange (t, 0x1f);
}

static void
expect_limits (BpTest *t, int high, int low)
{
  command (t, 0xbe);
  exchange (t, 0xff);
  exchange (t, 0xff);
  bp_test_expect_eq (exchange (t, 0xff), (uint8_t) high);
  bp_test_expect_eq (exchange (t, 0xff), (uint8_t) low);
}

/* Whether a thermometer takes part in a search for alarms. */
static bool
is_alarmed (BpTest *t)
{
  command (t, 0x44);
  bp_test_advance (t, 750000000);
  reset_line (t);
  exchange (t, ONE_WIRE_ALARM_SEARCH);
  return exchange (t, 0xff) != 0xff;
}

BP_TEST (limits)
{
  BpTest *t = new_test (MASTER THERMOMETER ("a", "temperature = -20500\n"));
  bp_test_expect (is_alarmed (t));              /* as shipped: 70 and 75 degrees */
  set_limits (t, 30, -22);
  bp_test_expect (!is_alarmed (t));
  set_limits (t, 30, -21);                      /* the fraction does not count: -20.5 is -21 and a half */
  bp_test_expect (is_alarmed (t));
  set_limits (t, -21, -40);
  bp_test_expect (is_alarmed (t));
  set_limits (t, -20, -40);
  bp_test_expect (!is_alarmed (t));
  command (t, 0x48);                            /* into the EEPROM */
  set_limits (t, 1, 2);
  expect_limits (t, 1, 2);
  command (t, 0xb8);                            /* and back */
  expect_limits (t, -20, -40);
  set_limits (t, 1, 2);
  bp_test_reset (t, BP_RESET_WARM);
  bp_test_out8 (t, CLOCK, 0x80);
  expect_limits (t, -20, -40);
  command (t, 0xb4);                            /* it has a supply of its own */
  bp_test_expect_eq (exchange (t, 0xff), 0xff);
  bp_test_free (t);
}

BP_TEST (interrupts)
{
  BpTest *t = new_test (MASTER NUMBER);
  bp_test_out8 (t, ENABLE, 0x03);       /* presence, active high */
  bp_test_expect_level (t, "w1.irq", 0);
  bp_test_out8 (t, COMMAND, 1);
  bp_test_advance (t, RESET_NS);
  bp_test_expect_level (t, "w1.irq", 1);
  bp_test_in8 (t, INTERRUPT);
  bp_test_expect_level (t, "w1.irq", 0);
  bp_test_out8 (t, ENABLE, 0x12);       /* a byte has come */
  bp_test_out8 (t, DATA, 0x5a);         /* no command: nobody answers */
  bp_test_out8 (t, DATA, 0xa5);         /* the next one waits for it */
  bp_test_expect_eq (bp_test_in8 (t, INTERRUPT) & TX_EMPTY, 0);
  bp_test_advance (t, BYTE_NS);
  bp_test_expect_level (t, "w1.irq", 1);
  bp_test_advance (t, BYTE_NS);
  bp_test_expect_eq (bp_test_in8 (t, INTERRUPT) & (RX_FULL | RX_WAITS), RX_FULL | RX_WAITS);
  bp_test_expect_eq (bp_test_in8 (t, DATA), 0x5a);
  bp_test_expect_level (t, "w1.irq", 1);
  bp_test_expect_eq (bp_test_in8 (t, DATA), 0xa5);
  bp_test_expect_level (t, "w1.irq", 0);
  bp_test_free (t);
}

/* In the middle of a byte, and of a conversion. */
BP_TEST (keeps_its_state)
{
  const char *sections = MASTER THERMOMETER ("a", "temperature = 30000\n") NUMBER;
  BpTest *a = new_test (sections), *b = new_test (sections);
  reset_line (a);
  exchange (a, ONE_WIRE_SKIP_ROM);
  exchange (a, 0x44);
  bp_test_out8 (a, DATA, 0xff);
  bp_test_advance (a, 1000);
  bp_test_round_trip (a);
  bp_test_copy (a, b);
  bp_test_advance (a, 800000000);
  bp_test_advance (b, 800000000);
  bp_test_expect_eq (bp_test_in8 (a, DATA), bp_test_in8 (b, DATA));
  bp_test_expect_eq (read_temperature (b), 30 * 16);
  bp_test_expect_eq (read_temperature (a), 30 * 16);
  bp_test_expect_same (a, b);
  bp_test_free (a);
  bp_test_free (b);
}

/* Whatever was done before: two that were used differently are the same. */
BP_TEST (a_reset_forgets)
{
  const char *sections = MASTER THERMOMETER ("a", "temperature = -20000\n") NUMBER;
  BpTest *a = new_test (sections), *b = new_test (sections);
  reset_line (a);
  exchange (a, ONE_WIRE_SKIP_ROM);
  exchange (a, 0x44);
  bp_test_out8 (a, ENABLE, 0x3f);
  bp_test_out8 (a, COMMAND, 2);
  bp_test_out8 (a, DATA, 0xa5);
  bp_test_out8 (a, DATA, 0x5a);
  reset_line (b);
  exchange (b, ONE_WIRE_READ_ROM);
  exchange (b, 0xff);
  exchange (b, 0xff);
  bp_test_out8 (b, DATA, 0xff);
  bp_test_advance (a, 2900000 - bp_test_now (a));       /* both in the middle of a byte */
  bp_test_advance (b, 2900000 - bp_test_now (b));
  bp_test_reset (a, BP_RESET_WARM);
  bp_test_reset (b, BP_RESET_WARM);
  bp_test_expect_same (a, b);
  bp_test_free (a);
  bp_test_free (b);
}

/* Whatever a guest writes, wherever, however wide. */
BP_TEST (survives)
{
  BpTest *t = new_test (MASTER THERMOMETER ("a", "serial = 1\n") THERMOMETER ("b", "serial = 2\n") NUMBER);
  uint32_t x = 1;
  for (int i = 0; i < 30000; i++) {
    x = x * 1664525 + 1013904223;
    bp_test_store (t, "io", COMMAND + (x >> 16) % 5, x >> 8, 1u << (x >> 30) % 3);
    bp_test_load (t, "io", COMMAND + (x >> 20) % 5, 1u << (x >> 28) % 3);
    if (i % 16 == 0)
      bp_test_advance (t, x >> 12);
    if (i % 1024 == 0)
      bp_test_round_trip (t);
  }
  bp_test_free (t);
}

/* A snapshot is a file, and may hold what the master never is. */
BP_TEST (refuses_state_that_cannot_be)
{
  static const uint8_t wrong[][4] = { { 8 }, { 1 }, { 0, 0x40 }, { 0, 0, 0, TX_EMPTY } };
  for (unsigned i = 0; i < G_N_ELEMENTS (wrong); i++) {
    BpTest *a = bp_test_new (NULL, MASTER NUMBER), *b = bp_test_new (NULL, MASTER NUMBER);
    memcpy (bp_test_object (a, "w1"), wrong[i], sizeof wrong[i]);       /* command, enable, clock, flags: the first fields */
    g_autoptr (GBytes) state = bp_test_save (a);
    g_autofree char *why = bp_test_load_state (b, state);
    bp_test_expect_has (why, "the master is in no such state");
    bp_test_free (a);
    bp_test_free (b);
  }
}

BP_TEST (refuses)
{
  g_autofree char *text = bp_test_refusal (NULL, "[device ram]\ntype = test-probe\n[device a]\nmodule = ds18b20\ntype = ds18b20\nbus = ram\n");
  bp_test_expect_has (text, "com.example.one-wire-bus/1");
}

BP_TEST_MAIN ("one-wire", &nobody_is_there, &one_number, &checksum, &search_tells_them_apart, &converts, &limits, &interrupts, &keeps_its_state, &a_reset_forgets, &survives,
              &refuses_state_that_cannot_be, &refuses)

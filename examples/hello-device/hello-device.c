/* hello-device.c -- a first plugin: one device whose registers hold a greeting. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include <string.h>

/* --- registers -------------------------------------------------------------- */

/* Bytes 0 .. 30 read as the greeting, with zeros behind it.  Byte 31 is the control register, the only one that takes writes. */
enum { N_REGISTERS = 32, REG_CONTROL = 31 };
enum { CONTROL_UPPER = 1, CONTROL_IRQ = 2, CONTROL_WRITABLE = 3 };

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Hello {
  uint8_t control;
  char *greeting;               /* property; the host owns it */
  BpPin *irq;
  BpRegion *regs;
  size_t length;
} Hello;

/* --- guest access ----------------------------------------------------------- */

static uint64_t
hello_read (void *self, uint64_t offset, unsigned size)
{
  const Hello *h = self;
  if (offset == REG_CONTROL)
    return h->control;
  if (offset >= h->length)
    return 0;
  char c = h->greeting[offset];
  return (uint8_t) (h->control & CONTROL_UPPER ? g_ascii_toupper (c) : c);
}

static void
hello_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Hello *h = self;
  if (offset != REG_CONTROL || value & ~(uint64_t) CONTROL_WRITABLE) {
    bp_log_guest (self, "write of 0x%02x to register %u", (unsigned) value, (unsigned) offset);
    return;
  }
  h->control = (uint8_t) value;
  bp_pin_set (h->irq, (h->control & CONTROL_IRQ) != 0);
}

/* --- life cycle: configure, reset, post_load -------------------------------- */

static bool
hello_configure (void *self, GError **error)
{
  Hello *h = self;
  h->length = strlen (h->greeting);
  if (h->length > REG_CONTROL) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "the greeting has %zu bytes, and there is room for %d", h->length, REG_CONTROL);
    return false;
  }
  return true;
}

static void
hello_reset (void *self, BpResetKind kind)
{
  Hello *h = self;
  h->control = 0;
  bp_pin_lower (h->irq);
}

/* A file may hold anything: what cannot be is refused.  The pin's level comes from there as well, and the register decides. */
static bool
hello_post_load (void *self, GError **error)
{
  Hello *h = self;
  if (h->control & ~CONTROL_WRITABLE) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the control register cannot be 0x%02x", h->control);
    return false;
  }
  bp_pin_set (h->irq, (h->control & CONTROL_IRQ) != 0);
  return true;
}

/* --- tables: properties, regions, pins, saved fields, type ------------------ */

static const BpProperty hello_properties[] = {
  BP_PROP_STRING ("greeting", Hello, greeting, "Hello from a plugin.", "The text that the registers hold, at most 31 bytes."),
  BP_PROP_END
};

/* The dispatcher splits wider accesses, so that the callbacks only see bytes. */
static const BpRegionOps hello_ops = BP_REGION_OPS (.read = hello_read, .write = hello_write, .impl_max = 1);
static const BpRegionDesc hello_regions[] = {
  BP_REGION_DESC ("regs", Hello, regs, &hello_ops, N_REGISTERS, "The greeting, and the control register at 31; in either address space."),
  BP_REGION_DESC_END
};

static const BpPinDesc hello_pins[] = {
  BP_PIN_DESC_OUT ("irq", Hello, irq, 0, "Follows bit 1 of the control register."),
  BP_PIN_DESC_END
};

static const BpStateField hello_state[] = { BP_STATE_FIELD_U8 (Hello, control), BP_STATE_END };

static const BpTypeDesc hello_type = {
  BP_TYPE ("hello", BP_KIND_DEVICE, Hello),
  .description = "Registers that hold a greeting",
  .properties = hello_properties,
  .regions = hello_regions,
  .pins = hello_pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = hello_state,
  .configure = hello_configure,
  .reset = hello_reset,
  .post_load = hello_post_load,
};

static const BpTypeDesc *const types[] = { &hello_type, NULL };

BP_PLUGIN_DEFINE (.id = "hello-device", .version = "1.0", .licence = "MIT", .description = "An example of a device in a plugin of its own",
                  .types = types);

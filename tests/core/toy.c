/* toy.c -- a small family of types for tests of whole machines. */
/* SPDX-License-Identifier: MIT */
#include "toy.h"
#include "../types.h"
#include <backplane/iface/char.h>
#include <backplane/iface/input.h>
#include <backplane/iface/power.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

GPtrArray *toy_events;
int toy_exit_code = -1, toy_resets;
const char *toy_unlucky;

static void
note (const char *what, const void *self)
{
  if (!toy_events)
    toy_events = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (toy_events, g_strdup_printf ("%s %s", what, bp_object_id (self)));
}

void
toy_forget (void)
{
  if (toy_events)
    g_ptr_array_set_size (toy_events, 0);
  toy_exit_code = -1;
  toy_resets = 0;
  toy_unlucky = NULL;
}

static bool
any_realize (void *self, GError **error)
{
  note ("realize", self);
  if (g_strcmp0 (toy_unlucky, bp_object_id (self)) == 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "no luck");
    return false;
  }
  return true;
}

static void
any_reset (void *self, BpResetKind kind)
{
  note (kind == BP_RESET_COLD ? "cold" : "warm", self);
}

static void
any_unrealize (void *self)
{
  note ("unrealize", self);
}

#define LIFE .realize = any_realize, .reset = any_reset, .unrealize = any_unrealize

/* --- accelerator and CPU ------------------------------------------------------------------ */

typedef struct Accel {
  int unused;
} Accel;

static void
accel_run (void *self, BpVcpu *vcpu)
{
  while (bp_vcpu_may_run (vcpu))
    bp_vcpu_wait (vcpu);
}

static void
accel_kick (void *self, BpVcpu *vcpu, GThread *thread, uint64_t pthread_id)
{
}

static const BpAccelIface accel_iface = { .struct_size = sizeof (BpAccelIface),
                                          .vcpu_run = accel_run,
                                          .vcpu_kick = accel_kick };
static const BpInterfaceDesc accel_interfaces[] = { { BP_ACCEL_ID, &accel_iface }, { NULL, NULL } };
static const BpTypeDesc accel_type = { BP_TYPE ("toy-accel", BP_KIND_ACCEL, Accel), .description = "waits",
                                       .interfaces = accel_interfaces, LIFE };

typedef struct Cpu {
  uint32_t id;
  BpLink next;
} Cpu;

static void
ignore_level (void *self, unsigned index, int level)
{
}

static const int cpu_table = sizeof (int);
static const BpInterfaceDesc cpu_interfaces[] = { { "toy.cpu/1", &cpu_table }, { NULL, NULL } };
static const BpPinDesc cpu_pins[] = { BP_PIN_DESC_IN ("intr", 1, ignore_level, 0, "the interrupt"),
                                      BP_PIN_DESC_END };
static const BpProperty cpu_properties[] = { BP_PROP_U32 ("id", Cpu, id, 0, "Its number."),
                                             BP_PROP_LINK ("next", Cpu, next, "toy.cpu/1", 0, "Another CPU."),
                                             BP_PROP_END };
static const BpTypeDesc cpu_type = { BP_TYPE ("toy-cpu", BP_KIND_CPU, Cpu), .description = "a CPU",
                                     .properties = cpu_properties,          .pins = cpu_pins,
                                     .interfaces = cpu_interfaces,          LIFE };

/* --- memory ------------------------------------------------------------------------------- */

typedef struct Ram {
  uint64_t size;
  BpRegion *ram;
  void *host;
} Ram;

static bool
ram_configure (void *self, GError **error)
{
  Ram *ram = self;
  ram->host = g_aligned_alloc0 (1, MIN (ram->size, 1 << 20), 4096);     /* nothing here runs a guest */
  ram->ram = bp_region_new_ram (self, "ram", ram->host, ram->size);
  bp_region_publish (self, ram->ram, "the memory");
  return true;
}

static void
ram_unrealize (void *self)
{
  Ram *ram = self;
  note ("unrealize", self);
  g_aligned_free (ram->host);
  ram->host = NULL;
}

static const BpProperty ram_properties[] = {
  BP_PROP_SIZE_REQUIRED ("size", Ram, size, 4096, 0x40000000, "Bytes."), BP_PROP_END
};
static const BpTypeDesc ram_type = { BP_TYPE ("toy-ram", BP_KIND_MEMORY, Ram),
                                     .description = "memory",
                                     .properties = ram_properties,
                                     .configure = ram_configure,
                                     .realize = any_realize,
                                     .reset = any_reset,
                                     .unrealize = ram_unrealize };

/* --- devices ------------------------------------------------------------------------------ */

typedef struct Uart {
  BpRegion *pio0;
  BpPin *irq;
  BpLink backend;
  uint32_t depth;
  int parity;
  char *firmware, *label;
} Uart;

static uint64_t
uart_read (void *self, uint64_t offset, unsigned size)
{
  return 0x42;
}

static void
uart_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
}

static const char *const parities[] = { "none", "odd", "even", NULL };
static const BpRegionOps uart_ops = BP_REGION_OPS (.read = uart_read, .write = uart_write);
static const BpRegionDesc uart_regions[] = {
  BP_REGION_DESC ("pio0", Uart, pio0, &uart_ops, 8, "the registers"), BP_REGION_DESC_END
};
static const BpPinDesc uart_pins[] = { BP_PIN_DESC_OUT ("irq", Uart, irq, 0, "the interrupt"),
                                       BP_PIN_DESC_END };
static const BpProperty uart_properties[] = {
  BP_PROP_LINK ("backend", Uart, backend, BP_CHAR_ID, 0, "Where its bytes go."),
  BP_PROP_U32_RANGE ("depth", Uart, depth, 16, 1, 64, "Entries of its FIFO."),
  BP_PROP_ENUM ("parity", Uart, parity, 0, parities, "What it checks."),
  BP_PROP_FILE ("firmware", Uart, firmware, 0, "Its firmware."),
  BP_PROP_STRING ("label", Uart, label, NULL, "What people call it."),
  BP_PROP_END
};
static const BpTypeDesc uart_type = { BP_TYPE ("toy-uart", BP_KIND_DEVICE, Uart),
                                      .description = "a serial port",
                                      .properties = uart_properties,
                                      .pins = uart_pins,
                                      .regions = uart_regions,
                                      LIFE };

typedef struct Pic {
  BpPin *intr;
} Pic;

static const BpPinDesc pic_pins[] = {
  BP_PIN_DESC_IN ("in", 16, ignore_level, 0, "the inputs"),
  BP_PIN_DESC_IN ("any", 1, ignore_level, BP_PIN_WIRED_OR, "an input for many"),
  BP_PIN_DESC_OUT ("intr", Pic, intr, BP_PIN_REQUIRED, "to the CPU"),
  BP_PIN_DESC_END
};
static const BpTypeDesc pic_type = { BP_TYPE ("toy-pic", BP_KIND_DEVICE, Pic),
                                     .description = "an interrupt controller", .pins = pic_pins, LIFE };

typedef struct Gpio {
  uint8_t lines;
} Gpio;

static bool
gpio_configure (void *self, GError **error)
{
  for (unsigned i = 0; i < ((Gpio *) self)->lines; i++) {
    g_autofree char *name = g_strdup_printf ("out%u", i);
    bp_pin_new_out (self, name, "a line");
  }
  return true;
}

static const BpProperty gpio_properties[] = { BP_PROP_U8 ("lines", Gpio, lines, 4, "Lines."), BP_PROP_END };
static const BpTypeDesc gpio_type = { BP_TYPE ("toy-gpio", BP_KIND_DEVICE, Gpio), .description = "lines",
                                      .properties = gpio_properties, .configure = gpio_configure, LIFE };

typedef struct Window {
  BpRegion *window;
  BpLink beside;
} Window;

static bool
window_configure (void *self, GError **error)
{
  Window *w = self;
  w->window = bp_region_new_container (self, "window", 0x10000);
  bp_region_publish (self, w->window, "what lies behind");
  return true;
}

static const BpProperty window_properties[] = { BP_PROP_LINK ("beside", Window, beside, NULL, 0, "Any object."), BP_PROP_END };
static const BpTypeDesc window_type = { BP_TYPE ("toy-window", BP_KIND_DEVICE, Window), .properties = window_properties,
                                        .description = "a container", .configure = window_configure, LIFE };

/* --- backend and boot --------------------------------------------------------------------- */

typedef struct Char {
  int unused;
} Char;

static const BpCharIface char_iface = { .struct_size = sizeof (BpCharIface) };
static const BpInterfaceDesc char_interfaces[] = { { BP_CHAR_ID, &char_iface }, { NULL, NULL } };
static void
button_press (void *self)
{
  note ("press", self);
}

typedef struct Button {
  uint32_t strength;
} Button;

static void
button_changed (void *self, const char *name)
{
  note (name, self);
}

static const BpPowerButtonIface button_iface = { .struct_size = sizeof (BpPowerButtonIface), .press = button_press };
static const BpInterfaceDesc button_interfaces[] = { { BP_POWER_BUTTON_ID, &button_iface }, { NULL, NULL } };
static const BpProperty button_properties[] = {
  { .name = "strength", .kind = BP_PROPERTY_U32, .offset = offsetof (Button, strength), .flags = BP_PROPERTY_RUNTIME, .default_int = 3,
    .min = 1, .max = 9, .help = "How hard it is to press." },
  BP_PROP_END
};
static const BpTypeDesc button_type = { BP_TYPE ("toy-button", BP_KIND_DEVICE, Button), .description = "a power button",
                                        .properties = button_properties, .interfaces = button_interfaces,
                                        .property_changed = button_changed };

typedef struct Keyboard {
  uint32_t kinds;
} Keyboard;

static uint32_t
keyboard_kinds (void *self)
{
  return ((Keyboard *) self)->kinds;
}

static void
keyboard_key (void *self, unsigned code, bool down)
{
  g_autofree char *text = g_strdup_printf ("key %u %d", code, down);
  note (text, self);
}

static void
keyboard_relative (void *self, int dx, int dy, int wheel, uint32_t buttons)
{
  g_autofree char *text = g_strdup_printf ("relative %d %d %d %u", dx, dy, wheel, buttons);
  note (text, self);
}

static void
keyboard_absolute (void *self, unsigned x, unsigned y, int wheel, uint32_t buttons)
{
  g_autofree char *text = g_strdup_printf ("absolute %u %u %d %u", x, y, wheel, buttons);
  note (text, self);
}

static void
keyboard_release (void *self)
{
  note ("release", self);
}

static const BpInputIface keyboard_iface = { .struct_size = sizeof (BpInputIface), .kinds = keyboard_kinds, .key = keyboard_key,
                                             .relative = keyboard_relative, .absolute = keyboard_absolute,
                                             .release = keyboard_release };
static const BpInterfaceDesc keyboard_interfaces[] = { { BP_INPUT_ID, &keyboard_iface }, { NULL, NULL } };
static const BpProperty keyboard_properties[] = { BP_PROP_U32 ("kinds", Keyboard, kinds, 1, "What it takes."), BP_PROP_END };
static const BpTypeDesc keyboard_type = { BP_TYPE ("toy-keyboard", BP_KIND_DEVICE, Keyboard), .description = "a keyboard",
                                          .properties = keyboard_properties, .interfaces = keyboard_interfaces };

static const BpTypeDesc char_type = { BP_TYPE ("toy-char", BP_KIND_BACKEND, Char), .description = "a backend",
                                      .interfaces = char_interfaces, LIFE };

typedef struct Boot {
  char *kernel, *append;
} Boot;

static bool
boot_check (void *self, GError **error)
{
  note ("check", self);
  return true;
}

static bool
boot_load (void *self, GError **error)
{
  note ("load", self);
  if (toy_resets > 0) {
    toy_resets--;
    bp_machine_request_reset (bp_object_machine (self), "a test");
  } else if (toy_exit_code >= 0) {
    bp_machine_request_shutdown (bp_object_machine (self), toy_exit_code, "a test");
  }
  return true;
}

static const BpBootIface boot_iface = { .struct_size = sizeof (BpBootIface),
                                        .check = boot_check,
                                        .load = boot_load };
static const BpInterfaceDesc boot_interfaces[] = { { BP_BOOT_ID, &boot_iface }, { NULL, NULL } };
static const BpProperty boot_properties[] = {
  BP_PROP_FILE ("kernel", Boot, kernel, 0, "The program."),
  BP_PROP_STRING ("append", Boot, append, NULL, "Its command line."), BP_PROP_END
};
static const BpTypeDesc boot_type = { BP_TYPE ("toy-boot", BP_KIND_BOOT, Boot),
                                      .description = "loads nothing", .properties = boot_properties,
                                      .interfaces = boot_interfaces, LIFE };

/* --- for the tests ------------------------------------------------------------------------ */

void
toy_register (void)
{
  static const BpTypeDesc *const types[] = { &accel_type, &cpu_type,    &ram_type,  &uart_type, &pic_type,
                                             &gpio_type,  &window_type, &char_type, &boot_type,
                                             &button_type, &keyboard_type, NULL };
  types_register_of ("toy", types);
}

char *
toy_errors (const Descriptor *d)
{
  GString *out = g_string_new (NULL);
  for (guint i = 0; i < d->errors->len; i++)
    g_string_append_printf (out, "%s\n", (char *) d->errors->pdata[i]);
  return g_string_free (out, FALSE);
}

BpMachine *
toy_build (const char *text, char **set_options, char **errors)
{
  toy_register ();
  g_autofree char *name = g_strdup_printf ("toy-%d.ini", (int) getpid ());
  if (!g_file_set_contents (name, text, -1, NULL))
    g_error ("cannot write %s", name);
  Descriptor *d = descriptor_load (name, set_options);
  BpMachine *m = machine_build (d);
  *errors = m ? NULL : toy_errors (d);
  g_unlink (name);
  if (!m)
    descriptor_free (d);
  return m;
}

void
toy_free (BpMachine *m)
{
  Descriptor *d = m->descriptor;
  machine_free (m);
  descriptor_free (d);
}

/* stand-ins.c -- memory, a line of characters, and a probe for pins, as a test needs them. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"
#include <backplane/iface/char.h>
#include <backplane/iface/memory-backend.h>
#include <string.h>

/* --- test-ram ------------------------------------------------------------------------------- */

typedef struct Ram {
  uint64_t size;
  uint8_t *host;
  BpRegion *region;
} Ram;

static bool
ram_configure (void *self, GError **error)
{
  Ram *r = self;
  r->host = g_aligned_alloc0 (1, (r->size + 4095) & ~UINT64_C (4095), 4096);
  r->region = bp_region_new_ram (self, "ram", r->host, r->size);
  bp_region_publish (self, r->region, "The memory.");
  return true;
}

static void
ram_unrealize (void *self)
{
  Ram *r = self;
  bp_region_free (r->region);
  r->region = NULL;
  g_clear_pointer (&r->host, g_aligned_free);
}

static BpRegion *ram_region (void *self) { return ((Ram *) self)->region; }
static uint64_t ram_size (void *self) { return ((Ram *) self)->size; }
static int ram_fd (void *self) { return -1; }
static const BpMemoryBackendIface ram_iface = { .struct_size = sizeof ram_iface, .region = ram_region, .size = ram_size, .fd = ram_fd };
static const BpInterfaceDesc ram_interfaces[] = { { BP_MEMORY_BACKEND_ID, &ram_iface }, { NULL, NULL } };
static const BpProperty ram_properties[] = {
  BP_PROP_SIZE_REQUIRED ("size", Ram, size, 4096, UINT64_C (1) << 32, "Bytes of memory."), BP_PROP_END
};
const BpTypeDesc testing_ram = {
  BP_TYPE ("test-ram", BP_KIND_MEMORY, Ram), .description = "Memory of a test", .properties = ram_properties, .interfaces = ram_interfaces,
  .configure = ram_configure, .unrealize = ram_unrealize
};

/* --- test-char -------------------------------------------------------------------------------- */

typedef struct Char {
  const BpCharHandlers *handlers;
  void *user;
  GString *text;
} Char;

static bool
char_attach (void *self, const BpCharHandlers *handlers, void *user)
{
  Char *c = self;
  if (handlers && c->handlers)
    return false;
  c->handlers = handlers;
  c->user = user;
  return true;
}

static void
char_write (void *self, const uint8_t *data, size_t size)
{
  Char *c = self;
  g_string_append_len (c->text, (const char *) data, (gssize) size);
}

static void char_accept (void *self) { }

static bool
char_configure (void *self, GError **error)
{
  ((Char *) self)->text = g_string_new (NULL);
  return true;
}

static void
char_unrealize (void *self)
{
  Char *c = self;
  if (c->text)
    g_string_free (c->text, TRUE);
  c->text = NULL;
}

static const BpCharIface char_iface = { .struct_size = sizeof char_iface, .attach = char_attach, .write = char_write, .accept_input = char_accept };
static const BpInterfaceDesc char_interfaces[] = { { BP_CHAR_ID, &char_iface }, { NULL, NULL } };
const BpTypeDesc testing_char = {
  BP_TYPE ("test-char", BP_KIND_BACKEND, Char), .description = "Character backend of a test", .interfaces = char_interfaces,
  .configure = char_configure, .unrealize = char_unrealize
};

const char *
(bp_test_text) (BpTest *t, const char *backend)
{
  return ((Char *) testing_object (t, backend, &testing_char))->text->str;
}

size_t
(bp_test_type) (BpTest *t, const char *backend, const char *bytes, size_t n)
{
  Char *c = testing_object (t, backend, &testing_char);
  bp_machine_lock (t->machine);
  size_t room = c->handlers ? c->handlers->can_receive (c->user) : 0, taken = MIN (room, n);
  if (taken)
    c->handlers->receive (c->user, (const uint8_t *) bytes, taken);
  bp_machine_unlock (t->machine);
  return taken;
}

void
(bp_test_break) (BpTest *t, const char *backend)
{
  Char *c = testing_object (t, backend, &testing_char);
  bp_machine_lock (t->machine);
  if (BP_TABLE_HAS (c->handlers, event))
    c->handlers->event (c->user, BP_CHAR_BREAK);
  bp_machine_unlock (t->machine);
}

/* --- test-probe --------------------------------------------------------------------------------- */

#define PROBE_INPUTS 32

typedef struct Probe {
  unsigned rises[PROBE_INPUTS], falls[PROBE_INPUTS];
} Probe;

static void
probe_set (void *self, unsigned index, int level)
{
  Probe *p = self;
  if (level)
    p->rises[index]++;
  else
    p->falls[index]++;
}

static const BpPinDesc probe_pins[] = { BP_PIN_DESC_IN ("in", PROBE_INPUTS, probe_set, BP_PIN_WIRED_OR, "Inputs."), BP_PIN_DESC_END };
const BpTypeDesc testing_probe = {
  BP_TYPE ("test-probe", BP_KIND_DEVICE, Probe), .description = "Counts what its inputs see", .pins = probe_pins
};

static const Probe *
probe_of (BpTest *t, const char *probe, unsigned input)
{
  if (input >= PROBE_INPUTS)
    (bp_test_fail) ("a probe has inputs in0 .. in%d, and no in%u", PROBE_INPUTS - 1, input);
  return testing_object (t, probe, &testing_probe);
}

unsigned (bp_test_rises) (BpTest *t, const char *probe, unsigned input) { return probe_of (t, probe, input)->rises[input]; }
unsigned (bp_test_falls) (BpTest *t, const char *probe, unsigned input) { return probe_of (t, probe, input)->falls[input]; }

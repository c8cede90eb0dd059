/* validate-machine.c -- the descriptor of a machine around one object: what it needs, as small as can be. */
/* SPDX-License-Identifier: MIT */
#include "validate.h"
#include <backplane/arch/x86-state.h>
#include <backplane/bus/ata.h>
#include <backplane/bus/pci.h>
#include <backplane/bus/virtio.h>
#include <backplane/tcg/instrument-host.h>
#include <string.h>

enum { DEEPEST = 4 };           /* a provider may need another one */

typedef struct Writer {
  ValidateMachine *vm;
  GString *sections;            /* of providers */
  unsigned n_providers, n_pins_in, n_pins_out;
  const BpTypeDesc *cpu;        /* NULL: there is none */
} Writer;

#define CPU_ID "a-cpu"          /* stands alone, so that it has the name that it is given */

static void write_pins (Writer *w, GString *out, const BpTypeDesc *type, const char *id);
static void write_keys (Writer *w, GString *out, const BpTypeDesc *type, const char *key, const char *value, bool all_links, unsigned depth);

/* --- values ------------------------------------------------------------------------------------- */

static void
write_value (GString *out, const char *key, const char *text)
{
  g_string_append_printf (out, "%s = \"", key);
  for (; *text; text++) {
    if (*text == '"' || *text == '\\')
      g_string_append_c (out, '\\');
    g_string_append_c (out, *text);
  }
  g_string_append (out, "\"\n");
}

static bool
has_link_to (const BpTypeDesc *type, const char *interface_id)
{
  g_autoptr (GArray) rows = type_properties (type);
  for (unsigned i = 0; i < rows->len; i++)
    if (g_strcmp0 (g_array_index (rows, BpProperty, i).interface_id, interface_id) == 0)
      return true;
  return false;
}

/* A value for a required property: a place on a bus as the buses' headers write it, a size that is not the least. */
static char *
invent (Writer *w, const BpTypeDesc *type, const BpProperty *p)
{
  uint64_t min, max;
  g_auto (GStrv) values = validate_good_values (p, w->vm->sample);
  if (p->kind == BP_PROPERTY_STRING && strcmp (p->name, "address") == 0 && has_link_to (type, BP_PCI_BUS_ID))
    return g_strdup ("03.0");
  if (p->kind == BP_PROPERTY_STRING && strcmp (p->name, "address") == 0 && has_link_to (type, BP_ATA_BUS_ID))
    return g_strdup ("0.0");
  if (p->kind == BP_PROPERTY_STRING && strcmp (p->name, "address") == 0 && has_link_to (type, BP_VIRTIO_BUS_ID))
    return g_strdup ("03.0");
  if (p->kind == BP_PROPERTY_SIZE) {
    property_limits (p, &min, &max);
    return g_strdup_printf ("%" G_GUINT64_FORMAT, CLAMP ((uint64_t) VALIDATE_SAMPLE_SIZE, min, max));
  }
  if (w->vm->invented->len)
    g_string_append (w->vm->invented, ", ");
  g_string_append (w->vm->invented, p->name);
  return g_strdup (p->kind == BP_PROPERTY_STRING || p->kind == BP_PROPERTY_LIST ? "x" : values[0] ? values[0] : "");
}

/* --- providers ------------------------------------------------------------------------------------ */

/* A stand-in, or a type of the same plugin, or of another that was loaded because this one requires what it brings. */
static const BpTypeDesc *
provider_of (Writer *w, const char *interface_id)
{
  const BpTypeDesc *type = stand_in_for (interface_id);
  BpModule *own = type_module (w->vm->type);
  for (const BpTypeDesc *const *t = own ? own->desc->types : NULL; !type && t && *t; t++)
    if (strcmp ((*t)->name, w->vm->type->name) != 0 && type_interface (*t, interface_id))
      type = type_find ((*t)->name);
  g_autoptr (GPtrArray) all = type_all ();
  for (unsigned i = 0; !type && i < all->len; i++)
    if (all->pdata[i] != w->vm->type && type_interface (all->pdata[i], interface_id))
      type = all->pdata[i];
  return type;
}

/* The id of a new object with the interface; NULL: nobody provides it. */
static char *
provide (Writer *w, const char *interface_id, unsigned depth)
{
  const BpTypeDesc *type = interface_id ? provider_of (w, interface_id) : &stand_in_pins;
  if (!type || depth == DEEPEST)
    return NULL;
  if (type->kind == BP_KIND_CPU) {      /* one for all; whoever needs it says of which type */
    if (w->cpu && w->cpu != type && !type_interface (w->cpu, interface_id))
      return NULL;
    w->cpu = w->cpu ? w->cpu : type;
    return g_strdup (CPU_ID);
  }
  if (type->kind == BP_KIND_ACCEL || type->kind == BP_KIND_BOOT)
    return NULL;                /* of which a machine has one */
  char *id = g_strdup_printf (VALIDATE_PROVIDER "%u", w->n_providers++);
  g_autoptr (GString) section = g_string_new (NULL);
  g_string_append_printf (section, "[%s %s]\ntype = %s\n", kind_name (type->kind), id, type->name);
  const char *keys = stand_in_keys (type);
  if (keys)
    g_string_append (section, keys);
  else
    write_keys (w, section, type, NULL, NULL, false, depth + 1);
  write_pins (w, section, type, id);
  g_string_append_printf (w->sections, "%s\n", section->str);
  return id;
}

static void
write_link (Writer *w, GString *out, const BpProperty *p, bool required, unsigned depth)
{
  g_autofree char *id = provide (w, p->interface_id, depth);
  if (id)
    write_value (out, p->name, id);
  else if (required && !w->vm->missing)
    w->vm->missing = g_strdup (p->interface_id ? p->interface_id : "an object");
}

/* --- keys of an object ------------------------------------------------------------------------------ */

/* Pins that must be wired are, to those of a stand-in. */
static void
write_pins (Writer *w, GString *out, const BpTypeDesc *type, const char *id)
{
  g_autoptr (GArray) pins = type_pins (type);
  for (unsigned i = 0; i < pins->len; i++) {
    const BpPinDesc *pin = &g_array_index (pins, BpPinDesc, i);
    for (unsigned n = 0; pin->flags & BP_PIN_REQUIRED && n < pin->count; n++) {
      g_autofree char *name = pin->count > 1 ? g_strdup_printf ("%s%u", pin->name, n) : g_strdup (pin->name);
      if (pin->direction == BP_PIN_OUT && w->n_pins_in < STAND_IN_PINS)
        g_string_append_printf (out, "%s = pins.in%u\n", name, w->n_pins_in++);
      else if (pin->direction == BP_PIN_IN && w->n_pins_out < STAND_IN_PINS)
        g_string_append_printf (w->sections, "[wire wire%u]\nfrom = pins.out%u\nto = %s.%s\n\n", w->n_pins_out, w->n_pins_out, id, name), w->n_pins_out++;
    }
  }
}

static void
write_keys (Writer *w, GString *out, const BpTypeDesc *type, const char *key, const char *value, bool all_links, unsigned depth)
{
  g_autoptr (GArray) rows = type_properties (type);
  for (unsigned i = 0; i < rows->len; i++) {
    const BpProperty *p = &g_array_index (rows, BpProperty, i);
    bool chosen = key && strcmp (p->name, key) == 0, required = p->flags & BP_PROPERTY_REQUIRED || (chosen && p->kind == BP_PROPERTY_LINK);
    if (p->kind == BP_PROPERTY_LINK) {
      if (required || all_links)
        write_link (w, out, p, required, depth);
    } else if (chosen) {
      write_value (out, key, value);
    } else if (required || (p->kind == BP_PROPERTY_FILE && w->vm->all_files && !depth)) {
      g_autofree char *invented = invent (w, type, p);
      write_value (out, p->name, invented);
    }
  }
}

/* --- the machine ------------------------------------------------------------------------------------ */

/* An instrument's accelerator is one that can be instrumented, if any plugin here has one. */
static const BpTypeDesc *
accelerator_for (const BpTypeDesc *type)
{
  g_autoptr (GPtrArray) all = type_all ();
  for (unsigned i = 0; type->kind == BP_KIND_INSTRUMENT && i < all->len; i++) {
    const BpTypeDesc *t = all->pdata[i];
    if (t->kind == BP_KIND_ACCEL && type_interface (t, BP_INSTRUMENT_HOST_ID))
      return t;
  }
  return &stand_in_accel;
}

void
validate_machine_write (ValidateMachine *vm)
{
  Writer w = { .vm = vm, .sections = g_string_new (NULL) };
  g_autoptr (GString) own = g_string_new (NULL), cpu = g_string_new (NULL);
  GString *out = g_string_new ("[machine]\nformat = 1\n\n");
  vm->invented = g_string_new (NULL);
  g_string_append_printf (own, "[%s %s]\ntype = %s\n", kind_name (vm->type->kind), VALIDATE_ID, vm->type->name);
  write_keys (&w, own, vm->type, vm->key, vm->value, vm->all_links, 0);
  write_pins (&w, own, vm->type, VALIDATE_ID);
  if (vm->type->kind != BP_KIND_ACCEL)
    g_string_append_printf (out, "[accel stand-in-accel]\ntype = %s\n\n", accelerator_for (vm->type)->name);
  if (!w.cpu && (vm->type->kind == BP_KIND_BOOT || vm->type->kind == BP_KIND_MONITOR))
    w.cpu = &stand_in_cpu;
  if (w.cpu) {
    write_keys (&w, cpu, w.cpu, NULL, NULL, false, 1);
    write_pins (&w, cpu, w.cpu, CPU_ID);
    g_string_append_printf (out, "[cpu " CPU_ID "]\ntype = %s\n%s\n", w.cpu->name, cpu->str);
  }
  if (w.n_pins_in || w.n_pins_out)
    g_string_append_printf (out, "[device pins]\ntype = %s\n\n", stand_in_pins.name);
  g_string_append (out, w.sections->str);
  g_string_append (out, own->str);
  g_string_free (w.sections, TRUE);
  vm->text = g_string_free (out, FALSE);
}

void
validate_machine_clear (ValidateMachine *vm)
{
  g_clear_pointer (&vm->text, g_free);
  g_clear_pointer (&vm->missing, g_free);
  if (vm->invented)
    g_string_free (vm->invented, TRUE);
  vm->invented = NULL;
}

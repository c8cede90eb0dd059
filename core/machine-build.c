/* machine-build.c -- a descriptor becomes a machine, with every check before anything starts. */
/* SPDX-License-Identifier: MIT */
#include "contract.h"
#include "instrument.h"
#include "memory.h"
#include "migrate.h"
#include <backplane/iface/block.h>
#include <string.h>

#define MAX_COUNT 256
#define DEFAULT_SHIFT 2         /* an instruction takes 4 ns: about what translated code does */

/* --- looking things up -------------------------------------------------------------------- */

Section *
object_section (BpObject *o)
{
  return g_hash_table_lookup (full_machine (o->machine)->sections, o);
}

Item *
build_item (Build *b, BpObject *o)
{
  guint at = GPOINTER_TO_UINT (g_hash_table_lookup (b->item_by_object, o));
  return at ? &g_array_index (b->items, Item, at - 1) : NULL;
}

bool
build_is_broken (Build *b, BpObject *o)
{
  const Item *item = build_item (b, o);
  return item && item->broken;
}

static const char **
object_ids (Build *b, const char *interface_id)
{
  GPtrArray *ids = g_ptr_array_new ();
  for (guint i = 0; i < b->m->objects->len; i++) {
    BpObject *o = b->m->objects->pdata[i];
    if (!interface_id || type_interface (o->type, interface_id))
      g_ptr_array_add (ids, o->id);
  }
  g_ptr_array_add (ids, NULL);
  return (const char **) g_ptr_array_free (ids, FALSE);
}

/* "cpu0" of a [cpu] whose `count` was refused: it would have been made. */
static bool
is_uncounted (Build *b, const char *id)
{
  gsize length = strlen (id);
  while (length && g_ascii_isdigit (id[length - 1]))
    length--;
  g_autofree char *stem = g_strndup (id, length), *first = g_strconcat (stem, "0", NULL);
  Section *s = id[length] ? descriptor_section (b->d, stem) : NULL;
  return s && section_value (s, "count") && !g_hash_table_contains (b->m->by_id, stem) && !g_hash_table_contains (b->m->by_id, first);
}

BpObject *
build_find (Build *b, Section *s, Value *v, const char *id, bool *silent)
{
  BpObject *o = g_hash_table_lookup (b->m->by_id, id);
  Section *named = descriptor_section (b->d, id);
  *silent = false;
  if (o)
    return o;
  if (named && section_kind (named->kind)->is_object) { /* [cpu], and whatever has a `count`, makes cpu0, cpu1 ... */
    g_autofree char *first = g_strconcat (id, "0", NULL);
    if (g_hash_table_contains (b->m->by_id, first)) {
      descriptor_error (b->d, &v->origin, s, v->key, first, "there is no object `%s`", id);
      return NULL;
    }
  }
  if (g_hash_table_contains (b->d->by_name, id) && (!named || section_kind (named->kind)->is_object)) {
    *silent = true;             /* its section was refused, and that was said */
    return NULL;
  }
  if (is_uncounted (b, id)) {
    *silent = true;
    return NULL;
  }
  g_autofree const char **ids = object_ids (b, NULL);
  descriptor_error (b->d, &v->origin, s, v->key, nearest_name (id, ids), "there is no object `%s`", id);
  return NULL;
}

/* The ids of objects that implement the interface, as the end of a sentence. */
static char *
implementers (Build *b, const char *interface_id)
{
  g_autofree const char **ids = object_ids (b, interface_id);
  GString *out = g_string_new (NULL);
  for (guint i = 0; ids[i]; i++) {
    if (i == 6) {
      g_string_append (out, " ...");
      break;
    }
    g_string_append_printf (out, "%s%s", i ? ", " : "; these are: ", ids[i]);
  }
  if (!ids[0])
    g_string_append (out, "; nothing in this machine is");
  return g_string_free (out, FALSE);
}

char *
value_text (const Value *v, const BpObject *o)
{
  if (o->index < 0 || !strstr (v->text, "${index}"))
    return g_strdup (v->text);
  g_auto (GStrv) parts = g_strsplit (v->text, "${index}", -1);
  g_autofree char *number = g_strdup_printf ("%d", o->index);
  return g_strjoinv (number, parts);
}

/* --- objects ------------------------------------------------------------------------------ */

void
build_add_object (Build *b, Section *s, const BpTypeDesc *type, const char *id, int number)
{
  BpMachine *m = b->m;
  BpObject *taken = g_hash_table_lookup (m->by_id, id);
  if (taken) {
    Section *other = object_section (taken);
    descriptor_error (b->d, NULL, s, NULL, NULL, "the object `%s` exists: it is made by [%s] in %s:%u", id,
                      section_label (other), other->origin.file, other->origin.line);
    return;
  }
  BpObject *o = object_new (type, id, m);
  o->index = number;
  Item item = { s, o, false };
  g_array_append_val (b->items, item);
  g_hash_table_insert (b->item_by_object, o, GUINT_TO_POINTER (b->items->len));
  g_ptr_array_add (m->objects, o);
  g_hash_table_insert (m->by_id, o->id, o);
  g_hash_table_insert (full_machine (m)->sections, o, s);
  if (type->kind == BP_KIND_CPU) {
    guint index = m->vcpus->len;
    o->vcpu = vcpu_new (o, index);
    o->index = (int) index;
    g_ptr_array_add (m->vcpus, o->vcpu);
  }
}

static bool
is_plain_cpu (const Section *s)
{
  return strcmp (s->kind, "cpu") == 0 && !*s->name;
}

/* `count`: a number, or the section that says how many.  0: an error that was reported. */
static uint64_t
section_count (Build *b, Section *s, Value *v)
{
  uint64_t count;
  if (parse_size (v->text, &count)) {
    if (count >= 1 && count <= MAX_COUNT)
      return count;
    descriptor_error (b->d, &v->origin, s, "count", NULL, "`%s` is outside the range 1..%d", v->text, MAX_COUNT);
    return 0;
  }
  Section *other = descriptor_section (b->d, v->text);
  Value *same = other && other != s ? section_value (other, "count") : NULL;
  if (same) {
    return parse_size (same->text, &count) && count <= MAX_COUNT ? count : 0;   /* what is wrong there is said there */
  }
  if (other && is_plain_cpu (other))
    return 1;
  descriptor_error (b->d, &v->origin, s, "count", NULL, "`%s` is neither a number nor a section with a `count`, such as cpu", v->text);
  return 0;
}

/* One object of the section's name, or with `count` (and for a plain [cpu]) NAME0, NAME1 ... */
static void
add_objects (Build *b, Section *s, const BpTypeDesc *type)
{
  Value *v = section_value (s, "count");
  if (!v && !is_plain_cpu (s)) {
    build_add_object (b, s, type, section_id (s), -1);
    return;
  }
  uint64_t count = v ? section_count (b, s, v) : 1;
  for (uint64_t i = 0; i < count; i++) {
    g_autofree char *id = g_strdup_printf ("%s%u", section_id (s), (unsigned) i);
    build_add_object (b, s, type, id, (int) i);
  }
}

static void
create_objects (Build *b)
{
  for (guint i = 0; i < b->d->sections->len; i++) {
    Section *s = b->d->sections->pdata[i];
    if (!section_kind (s->kind)->is_object) {
      schema_check_plain (b->d, s);
      continue;
    }
    const BpTypeDesc *type = schema_type (b->d, s);
    if (!type || (type->kind == BP_KIND_ACCEL && !accel_can_run (b->d, s, type)))
      continue;
    add_objects (b, s, type);
  }
}

/* --- properties and links ----------------------------------------------------------------- */

static bool
keeps_comments (BpPropertyKind kind)
{
  return kind == BP_PROPERTY_STRING || kind == BP_PROPERTY_FILE || kind == BP_PROPERTY_LIST;
}

static bool
set_link (Build *b, Item *item, Value *v, const BpProperty *p, const char *id)
{
  bool silent;
  BpObject *target = build_find (b, item->section, v, id, &silent);
  if (!target)
    return false;
  if (p->interface_id && !type_interface (target->type, p->interface_id)) {
    g_autofree char *others = implementers (b, p->interface_id);
    descriptor_error (b->d, &v->origin, item->section, v->key, NULL, "`%s` (%s) is not a %s%s", id,
                      target->type->name, p->interface_id, others);
    return false;
  }
  return object_set_link (item->object, v->key, target, NULL);
}

static bool
set_property (Build *b, Item *item, Value *v, const BpProperty *p)
{
  if (keeps_comments (p->kind))
    value_keep_comment (v);
  g_autofree char *text = value_text (v, item->object);
  if (p->kind == BP_PROPERTY_LINK)
    return *text ? set_link (b, item, v, p, text) : true;
  if (p->kind == BP_PROPERTY_FILE && !*text)
    return true;
  g_autofree char *directory = origin_directory (&v->origin);
  g_autofree char *wrong = object_set_value (item->object, p, text, strcmp (directory, ".") ? directory : NULL);
  if (wrong) {
    descriptor_error (b->d, &v->origin, item->section, v->key, NULL, "%s", wrong);
    return false;
  }
  if (p->kind != BP_PROPERTY_FILE || p->flags & BP_PROPERTY_MAYBE_NEW)
    return true;
  g_autofree char *path = object_get (item->object, v->key);
  return schema_check_file (b->d, item->section, v, path ? path : text, p->flags & BP_PROPERTY_FOLDER);
}

static bool
has_text (const Section *s, const BpProperty *p)
{
  Value *v = section_value (s, p->name);
  return v && (*v->text || (p->kind != BP_PROPERTY_LINK && p->kind != BP_PROPERTY_FILE));
}

/* What a link could name, as a sentence: objects of this machine, or else the types that would make one. */
static char *
candidates (Build *b, const char *interface_id)
{
  g_autofree const char **ids = object_ids (b, interface_id);
  g_autoptr (GPtrArray) types = type_all (), names = g_ptr_array_new ();
  for (guint i = 0; interface_id && i < types->len; i++)
    if (type_interface (types->pdata[i], interface_id))
      g_ptr_array_add (names, (void *) ((const BpTypeDesc *) types->pdata[i])->name);
  g_ptr_array_add (names, NULL);
  const char *const *words = ids[0] ? (const char *const *) ids : (const char *const *) names->pdata;
  g_autofree char *list = g_strjoinv (", ", (char **) words);
  if (!interface_id || !*list)
    return g_strdup ("");
  return g_strdup_printf (ids[0] ? " Here are: %s." : " Nothing in this machine is one; these types would be: %s.", list);
}

static void
check_required (Build *b, Item *item)
{
  GArray *properties = item->object->properties;
  for (guint i = 0; i < properties->len; i++) {
    const BpProperty *p = &g_array_index (properties, BpProperty, i);
    if (!(p->flags & BP_PROPERTY_REQUIRED) || has_text (item->section, p))
      continue;
    g_autofree char *could_be = p->kind == BP_PROPERTY_LINK ? candidates (b, p->interface_id) : g_strdup ("");
    descriptor_error (b->d, NULL, item->section, NULL, NULL, "the key `%s` is missing: %s%s", p->name,
                      p->help ? p->help : "", could_be);
    item->broken = true;
  }
}

void
build_set_properties (Build *b, Item *item)
{
  for (guint i = 0; i < item->section->values->len; i++) {
    Value *v = item->section->values->pdata[i];
    if (!v->text || schema_key_role (item->section, item->object, v->key) != KEY_PROPERTY)
      continue;
    if (!set_property (b, item, v, object_property (item->object, v->key)))
      item->broken = true;
  }
  check_required (b, item);
}

/* The accelerator and the boot program: one each, and what they are said to be. */
static void
take_single (Build *b, BpKind kind, const char *interface_id, BpObject **slot)
{
  for (guint i = 0; i < b->items->len; i++) {
    Item *item = &g_array_index (b->items, Item, i);
    BpObject *o = item->object;
    if (o->type->kind != kind)
      continue;
    if (*slot)
      descriptor_error (b->d, NULL, item->section, NULL, NULL,
                        "a machine has one [%s], and [%s] is there already", kind_name (kind),
                        section_label (object_section (*slot)));
    else if (!type_interface (o->type, interface_id))
      descriptor_error (b->d, NULL, item->section, "type", NULL, "`%s` does not implement %s", o->type->name,
                        interface_id);
    else
      *slot = o;
  }
}

static bool
section_exists (Build *b, const char *kind)
{
  for (guint i = 0; i < b->d->sections->len; i++)
    if (strcmp (((Section *) b->d->sections->pdata[i])->kind, kind) == 0)
      return true;
  return false;
}

static void
take_singles (Build *b)
{
  BpMachine *m = b->m;
  take_single (b, BP_KIND_ACCEL, BP_ACCEL_ID, &m->accel);
  take_single (b, BP_KIND_BOOT, BP_BOOT_ID, &m->boot);
  m->accel_iface = m->accel ? type_interface (m->accel->type, BP_ACCEL_ID) : NULL;
  static const char *const needs[][2] = { { "cpu", "accel" }, { "boot", "cpu" }, { "boot", "accel" } };
  for (guint i = 0; i < G_N_ELEMENTS (needs); i++) {
    if (!section_exists (b, needs[i][0]) || section_exists (b, needs[i][1]))
      continue;
    for (guint j = 0; j < b->d->sections->len; j++) {
      Section *s = b->d->sections->pdata[j];
      if (strcmp (s->kind, needs[i][0]) == 0)
        descriptor_error (b->d, NULL, s, NULL, NULL, "the machine has no [%s], without which nothing can run",
                          needs[i][1]);
    }
  }
}

/* --- order -------------------------------------------------------------------------------- */

typedef struct Visit {
  guint item, property;
} Visit;

/* The next linked object of the item at or after its property number *property; NULL at the end. */
static BpObject *
next_link (BpObject *o, guint *property)
{
  while (*property < o->properties->len) {
    const BpProperty *p = &g_array_index (o->properties, BpProperty, (*property)++);
    const BpLink *link = (const BpLink *) ((const uint8_t *) object_instance (o) + p->offset);
    if (p->kind == BP_PROPERTY_LINK && link->instance)
      return object_of (link->instance);
  }
  return NULL;
}

/* Depth first along the links, in descriptor order: whatever an object links to comes before it, unless they
 * link to each other. */
static void
visit_from (Build *b, guint start, uint8_t *seen, GArray *stack)
{
  Visit first = { start, 0 };
  seen[start] = 1;
  g_array_append_val (stack, first);
  while (stack->len > 0) {
    Visit *top = &g_array_index (stack, Visit, stack->len - 1);
    BpObject *o = g_array_index (b->items, Item, top->item).object;
    BpObject *target = next_link (o, &top->property);
    if (!target) {
      g_ptr_array_add (b->m->realize_order, o);
      g_array_set_size (stack, stack->len - 1);
      continue;
    }
    guint at = GPOINTER_TO_UINT (g_hash_table_lookup (b->item_by_object, target)) - 1;
    if (seen[at])
      continue;
    Visit next = { at, 0 };
    seen[at] = 1;
    g_array_append_val (stack, next);
  }
}

/* Instruments come last: they need the accelerator and the symbols, and leave before those do. */
static void
order_objects (Build *b)
{
  g_autofree uint8_t *seen = g_new0 (uint8_t, b->items->len + 1);
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (Visit));
  for (int instruments = 0; instruments < 2; instruments++)
    for (guint i = 0; i < b->items->len; i++)
      if (!seen[i] && (g_array_index (b->items, Item, i).object->type->kind == BP_KIND_INSTRUMENT) == instruments)
        visit_from (b, i, seen, stack);
}

static void
configure_objects (Build *b)
{
  for (guint i = 0; i < b->m->realize_order->len; i++) {
    BpObject *o = b->m->realize_order->pdata[i], *target;
    Item *item = build_item (b, o);
    guint property = 0;
    while (!item->broken && (target = next_link (o, &property)))
      item->broken = build_is_broken (b, target);
    g_autoptr (GError) error = NULL;
    if (item->broken || object_configure (o, &error))
      continue;
    item->broken = true;
    descriptor_object_error (b->d, item->section, error->message);
  }
}

/* --- the other keys ----------------------------------------------------------------------- */

static void
unknown_key (Build *b, Item *item, Value *v)
{
  BpObject *o = item->object;
  g_autofree const char **keys = schema_keys (o);
  const char *hint = nearest_name (v->key, keys);
  bool unsure = false;
  if (accel_skips (b->d, item->section, v, &unsure))
    return;
  if (!hint)
    hint = accel_nearest_key (item->section, v->key);
  if (!hint && unsure)
    return;                     /* of an accelerator that is not on this host, perhaps */
  bool may_be_made = o->stage == OBJECT_NEW && (strchr (v->text, '.') || strchr (v->text, '@'));
  if (may_be_made && !hint)
    return; /* its configure, which was not called, could have made such a pin or region */
  descriptor_error (b->d, &v->origin, item->section, v->key, hint,
                    "unknown key: the type `%s` has no property, output pin or region of that name%s%s%s",
                    o->type->name, hint ? "" : "; `backplane describe ", hint ? "" : o->type->name, hint ? "" : "` shows those it has");
}

void
build_take_other_keys (Build *b, Item *item)
{
  for (guint i = 0; i < item->section->values->len; i++) {
    Value *v = item->section->values->pdata[i];
    if (!v->text)
      continue;
    KeyRole role = schema_key_role (item->section, item->object, v->key);
    if (role == KEY_PIN)
      build_wire_key (b, item, v);
    else if (role == KEY_REGION)
      build_map_key (b, item, v);
    else if (role == KEY_UNKNOWN)
      unknown_key (b, item, v);
  }
}

static void
take_plain_sections (Build *b)
{
  for (guint i = 0; i < b->d->sections->len; i++) {
    Section *s = b->d->sections->pdata[i];
    if (strcmp (s->kind, "wire") == 0)
      build_wire_section (b, s);
    else if (strcmp (s->kind, "map") == 0)
      build_map_section (b, s);
  }
}

static void
take_machine (Build *b)
{
  Section *s = descriptor_section (b->d, "machine");
  Value *on_reset = s ? section_value (s, "on-reset") : NULL;
  b->m->exit_on_reset = on_reset && strcmp (on_reset->text, "exit") == 0;
}

/* [machine] snapshot = on: no disk is written, whatever its own section says.  A backend that cannot is refused, or the guest would write to it. */
static void
set_snapshot (Build *b)
{
  Section *s = descriptor_section (b->d, "machine");
  Value *v = s ? section_value (s, "snapshot") : NULL;
  if (!v || strcmp (v->text, "on") != 0)
    return;
  for (guint i = 0; i < b->items->len; i++) {
    Item *item = &g_array_index (b->items, Item, i);
    const BpProperty *p = object_property (item->object, "snapshot");
    if (!type_interface (item->object->type, BP_BLOCK_ID))
      continue;
    if (!p || p->kind != BP_PROPERTY_BOOL || !object_set (item->object, "snapshot", "on", NULL, NULL))
      descriptor_error (b->d, &v->origin, s, "snapshot", NULL, "the disk `%s` (%s) cannot be used without writing to it", item->object->id,
                        item->object->type->name);
  }
}

static void
take_clock (Build *b)
{
  Section *s = descriptor_section (b->d, "clock");
  Value *mode = s ? section_value (s, "mode") : NULL, *shift = s ? section_value (s, "shift") : NULL;
  uint64_t n = DEFAULT_SHIFT;
  b->m->deterministic = mode && strcmp (mode->text, "instructions") == 0;
  if (shift)
    parse_size (shift->text, &n);
  b->m->icount_shift = (unsigned) MIN (n, 16);
}

/* --- the machine -------------------------------------------------------------------------- */

static BpMachine *
machine_new (Descriptor *d)
{
  FullMachine *fm = g_new0 (FullMachine, 1);
  BpMachine *m = &fm->machine;
  m->descriptor = d;
  m->objects = g_ptr_array_new ();
  m->by_id = g_hash_table_new (g_str_hash, g_str_equal);
  m->realize_order = g_ptr_array_new ();
  m->address_spaces = g_ptr_array_new ();
  m->vcpus = g_ptr_array_new ();
  fm->sections = g_hash_table_new (NULL, NULL);
  fm->aliases = g_ptr_array_new ();
  fm->mapped = g_hash_table_new (NULL, NULL);
  fm->mappings = g_array_new (FALSE, FALSE, sizeof (Mapping));
  g_array_set_clear_func (fm->mappings, mapping_clear);
  g_rec_mutex_init (&m->lock);
  m->main_thread = g_thread_self ();
  m->main_loop = loop_main_new ();
  m->memory_root = bp_region_new_container (NULL, "memory", UINT64_MAX);
  m->io_root = bp_region_new_container (NULL, "io", 0x10000);
  g_ptr_array_add (m->address_spaces, bp_address_space_new (m, "memory", m->memory_root));
  g_ptr_array_add (m->address_spaces, bp_address_space_new (m, "io", m->io_root));
  if (!clock_init (m))
    descriptor_error (d, NULL, NULL, NULL, NULL, "the host has no descriptors for a clock");
  return m;
}

static void
load_modules (Descriptor *d)
{
  g_autofree char *directory = g_path_get_dirname (d->path);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  plugin_path_set_descriptor (directory);
  for (guint i = 0; i < d->sections->len; i++) {
    g_auto (GStrv) modules = schema_modules (d->sections->pdata[i]);
    for (char **name = modules; name && *name; name++)
      if (!g_ptr_array_find_with_equal_func (names, *name, g_str_equal, NULL))
        g_ptr_array_add (names, g_strdup (*name));
  }
  g_ptr_array_add (names, NULL);
  plugin_offer ((const char *const *) names->pdata);
  for (guint i = 0; i < d->sections->len; i++)
    schema_load_module (d, d->sections->pdata[i]);
}

static void
build_objects (Build *b)
{
  create_objects (b);
  take_singles (b);
  take_clock (b);
  take_machine (b);
  instruments_check (b->d, b->m);
  for (guint i = 0; i < b->items->len; i++)
    build_set_properties (b, &g_array_index (b->items, Item, i));
  set_snapshot (b);
  order_objects (b);
  configure_objects (b);
  symbols_collect (b->m);
}

BpMachine *
machine_build (Descriptor *d)
{
  g_autoptr (GError) error = NULL;
  load_modules (d);
  if (!loop_can_begin (&error)) {
    descriptor_error (d, NULL, NULL, NULL, NULL, "%s", error->message);
    return NULL;
  }
  Build b = { d, machine_new (d), g_array_new (FALSE, FALSE, sizeof (Item)), g_hash_table_new (NULL, NULL) };
  build_objects (&b);
  for (guint i = 0; i < b.items->len; i++)
    build_take_other_keys (&b, &g_array_index (b.items, Item, i));
  take_plain_sections (&b);
  build_check_pins (&b);
  build_check_backends (&b);
  build_check_maps (&b);
  if (d->errors->len == 0)
    build_apply_maps (&b, 0);
  g_array_unref (b.items);
  g_hash_table_unref (b.item_by_object);
  if (d->errors->len == 0)
    return b.m;
  descriptor_sort_errors (d);
  machine_free (b.m);
  return NULL;
}

static void
free_spaces (BpMachine *m)
{
  for (guint i = 0; i < m->address_spaces->len; i++)
    bp_address_space_free (m->address_spaces->pdata[i]);
  g_ptr_array_unref (m->address_spaces);
  bp_region_free (m->memory_root);
  bp_region_free (m->io_root);
}

void
machine_free (BpMachine *m)
{
  if (!m)
    return;
  FullMachine *fm = full_machine (m);
  if (bp_machine_run_state (m) == BP_RUN_RUNNING)
    bp_machine_stop (m, BP_RUN_SHUTDOWN);
  vcpus_join (m);
  machine_drop_requests (m);
  loop_make_posts (m->main_loop);       /* what waits to be called knows objects */
  machine_unrealize (m);
  symbols_forget (m);
  loop_make_posts (m->main_loop);
  machine_free_answers (m);
  for (guint i = 0; i < fm->aliases->len; i++)
    bp_region_free (fm->aliases->pdata[i]);
  for (guint i = 0; i < m->vcpus->len; i++)
    vcpu_free (m->vcpus->pdata[i]);
  for (guint i = m->realize_order->len; i-- > 0;)       /* who links to others goes before them */
    object_free (m->realize_order->pdata[i]);
  free_spaces (m);
  clock_finish (m);
  bp_loop_free (m->main_loop);
  migration_free (m);
  g_ptr_array_unref (m->objects);
  g_hash_table_unref (m->by_id);
  g_ptr_array_unref (m->realize_order);
  g_ptr_array_unref (m->vcpus);
  g_clear_pointer (&m->message_takers, g_array_unref);
  g_clear_pointer (&m->message_sources, g_ptr_array_unref);
  g_hash_table_unref (fm->sections);
  g_ptr_array_unref (fm->aliases);
  g_hash_table_unref (fm->mapped);
  g_array_unref (fm->mappings);
  g_clear_pointer (&fm->watchers, g_array_unref);
  g_clear_pointer (&fm->instruments, g_ptr_array_unref);
  g_clear_pointer (&fm->unplugged, g_ptr_array_unref);
  results_free (fm->results);
  g_free (fm->reset_reason);
  g_free (m->shutdown_reason);
  g_rec_mutex_clear (&m->lock);
  g_free (fm);
}

/* --- what an instance may ask ------------------------------------------------------------- */

void *
bp_machine_find (BpMachine *machine, const char *id)
{
  CONTRACT_MAIN_OR_LOCKED (machine);
  BpObject *o = g_hash_table_lookup (machine->by_id, id);
  return o ? object_instance (o) : NULL;
}

void *
bp_machine_next (BpMachine *machine, const char *interface_id, unsigned *cursor)
{
  CONTRACT_MAIN_OR_LOCKED (machine);
  while (*cursor < machine->objects->len) {
    BpObject *o = machine->objects->pdata[(*cursor)++];
    if (type_interface (o->type, interface_id))
      return object_instance (o);
  }
  return NULL;
}

BpAddressSpace *
bp_machine_address_space (BpMachine *machine, const char *name)
{
  for (guint i = 0; i < machine->address_spaces->len; i++)
    if (strcmp (address_space_name (machine->address_spaces->pdata[i]), name) == 0)
      return machine->address_spaces->pdata[i];
  return NULL;
}

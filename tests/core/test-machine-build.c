/* test-machine-build.c -- descriptors become machines; and every wrong one its errors. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "toy.h"
#include "../scratch.h"
#include "../suite.h"
#include "../types.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "[accel]\ntype = toy-accel\n[cpu]\ntype = toy-cpu\n"

static void
enter (void)
{
  scratch_enter ();
  toy_forget ();
}

static BpMachine *
build_with (const char *text, char **set_options)
{
  g_autofree char *errors = NULL;
  BpMachine *m = toy_build (text, set_options, &errors);
  ck_assert_msg (m != NULL, "%s", errors);
  return m;
}

static BpMachine *
build (const char *text)
{
  return build_with (text, NULL);
}

/* The errors are exactly one, and hold the text. */
static void
wrong (const char *text, const char *expected)
{
  g_autofree char *errors = NULL;
  BpMachine *m = toy_build (text, NULL, &errors);
  ck_assert_ptr_null (m);
  ck_assert_msg (strstr (errors, expected) != NULL, "%s", errors);
  unsigned n = 0;
  for (const char *p = errors; (p = strstr (p, "\ntoy-")); p++)
    n++;
  ck_assert_msg (n == 0, "more than one error:\n%s", errors);
}

static BpObject *
object (BpMachine *m, const char *id)
{
  BpObject *o = g_hash_table_lookup (m->by_id, id);
  ck_assert_ptr_nonnull (o);
  return o;
}

static void
expect_property (BpMachine *m, const char *id, const char *key, const char *expected)
{
  g_autofree char *text = object_get (object (m, id), key);
  ck_assert_str_eq (text ? text : "(unset)", expected);
}

static char *
events (void)
{
  GString *out = g_string_new (NULL);
  for (guint i = 0; toy_events && i < toy_events->len; i++)
    g_string_append_printf (out, "%s%s", i ? ", " : "", (char *) toy_events->pdata[i]);
  return g_string_free (out, FALSE);
}

/* --- values and links --------------------------------------------------------------------- */

START_TEST (properties)
{
  ck_assert (g_file_set_contents ("file", "x", 1, NULL));
  BpMachine *m = build ("[device com1]\ntype = toy-uart ; comment\ndepth = 32 ; comment\nparity = "
                        "odd\nfirmware = file\nlabel = a ; b\n"
                        "[device com2]\ntype = toy-uart\n");
  expect_property (m, "com1", "depth", "32");
  expect_property (m, "com1", "parity", "odd");
  expect_property (m, "com1", "label", "a ; b");
  expect_property (m, "com2", "depth", "16");
  toy_free (m);
}
END_TEST

START_TEST (links_and_cpus)
{
  BpMachine *m =
      build ("[accel]\ntype = toy-accel\n[cpu]\ntype = toy-cpu\ncount = 3\nid = ${index}\nnext = cpu2\n"
             "[device com1]\ntype = toy-uart\nbackend = console\n[backend console]\ntype = toy-char\n[cpu "
             "odd]\ntype = toy-cpu\n");
  ck_assert_uint_eq (m->vcpus->len, 4);
  expect_property (m, "cpu0", "id", "0");
  expect_property (m, "cpu2", "id", "2");
  ck_assert_uint_eq (bp_vcpu_index (object (m, "odd")->vcpu), 3);
  const BpProperty *p = object_property (object (m, "com1"), "backend");
  const BpLink *link = (const BpLink *) ((const char *) object_instance (object (m, "com1")) + p->offset);
  ck_assert_ptr_eq (link->instance, object_instance (object (m, "console")));
  ck_assert_ptr_nonnull (link->table);
  unsigned cursor = 0;
  ck_assert_ptr_eq (bp_machine_next (m, "toy.cpu/1", &cursor), object_instance (object (m, "cpu0")));
  ck_assert_ptr_eq (bp_machine_find (m, "odd"), object_instance (object (m, "odd")));
  ck_assert_ptr_null (bp_machine_find (m, "even"));
  ck_assert_ptr_eq (m->accel, object (m, "accel"));
  toy_free (m);
}
END_TEST

/* A row without an interface takes any object, and leaves the table alone. */
START_TEST (links_to_anything)
{
  BpMachine *m = build (HEAD "[device w]\ntype = toy-window\n[device v]\ntype = toy-window\nbeside = console\n[backend console]\ntype = toy-char\n");
  const BpProperty *p = object_property (object (m, "v"), "beside");
  const BpLink *link = (const BpLink *) ((const char *) object_instance (object (m, "v")) + p->offset);
  g_autofree char *range = property_range_text (p);
  ck_assert_ptr_eq (link->instance, object_instance (object (m, "console")));
  ck_assert_ptr_null (link->table);
  ck_assert_str_eq (range, "any object");
  toy_free (m);
  wrong (HEAD "[device w]\ntype = toy-window\nbeside = consol\n[backend console]\ntype = toy-char\n",
         "[device w] beside: there is no object `consol` (did you mean `console`?)");
}
END_TEST

START_TEST (devices_by_count)
{
  BpMachine *m = build (HEAD "[device pic]\ntype = toy-pic\nintr = cpu0.intr\n[device com]\ntype = toy-uart\ncount = 2\nirq = pic.in${index}\n"
                        "pio0 = io@0x3f${index}0\n");
  g_autoptr (GPtrArray) targets = pin_targets (object_pin (object (m, "com1"), "irq")->pin);
  ck_assert_ptr_eq (targets->pdata[0], object_pin (object (m, "pic"), "in1")->pin);
  ck_assert_uint_eq (bp_as_load (bp_machine_address_space (m, "io"), 0x3f10, 1), 0x42);
  ck_assert_ptr_null (bp_machine_find (m, "com"));
  toy_free (m);
  m = build ("[accel]\ntype = toy-accel\n[cpu]\ntype = toy-cpu\ncount = 3\n[device com]\ntype = toy-uart\ncount = cpu\n");
  ck_assert_ptr_nonnull (bp_machine_find (m, "com2"));
  ck_assert_ptr_null (bp_machine_find (m, "com3"));
  toy_free (m);
  m = build (HEAD "[device com]\ntype = toy-uart\ncount = cpu\n");
  ck_assert_ptr_nonnull (bp_machine_find (m, "com0"));
  ck_assert_ptr_null (bp_machine_find (m, "com1"));
  toy_free (m);
}
END_TEST

START_TEST (settings_reach_objects)
{
  char *options[] = { (char *) "com1.depth=8", (char *) "boot.append=a ; b", (char *) "boot.append+=c",
                      (char *) "clock.mode=instructions", NULL };
  g_autofree char *errors = NULL;
  BpMachine *m =
      toy_build (HEAD "[device com1]\ntype = toy-uart\n[boot]\ntype = toy-boot\n", options, &errors);
  ck_assert_ptr_null (m);
  ck_assert_ptr_nonnull (strstr (errors, "`toy-accel` will not do: it cannot count instructions, which [clock] asks for"));
  options[3] = NULL;
  m = build_with (HEAD "[device com1]\ntype = toy-uart\n[boot]\ntype = toy-boot\n", options);
  expect_property (m, "com1", "depth", "8");
  expect_property (m, "boot", "append", "a ; b c");
  toy_free (m);
}
END_TEST

/* --- wires and maps ----------------------------------------------------------------------- */

START_TEST (wires)
{
  BpMachine *m = build (
      HEAD "[device com1]\ntype = toy-uart\nirq = pic.in4, pic.any\n[device com2]\ntype = toy-uart\n"
           "[wire shared]\nfrom = com2.irq\nto = pic.any\n[device pic]\ntype = toy-pic\nintr = cpu0.intr\n"
           "[device g]\ntype = toy-gpio\nlines = 2\nout1 = pic.in1\n");
  g_autoptr (GPtrArray) targets = pin_targets (object_pin (object (m, "com1"), "irq")->pin);
  ck_assert_uint_eq (targets->len, 2);
  ck_assert_ptr_eq (targets->pdata[0], object_pin (object (m, "pic"), "in4")->pin);
  ck_assert (pin_is_connected (object_pin (object (m, "g"), "out1")->pin));
  ck_assert (!pin_is_connected (object_pin (object (m, "g"), "out0")->pin));
  toy_free (m);
}
END_TEST

START_TEST (maps)
{
  BpMachine *m =
      build ("[memory ram]\ntype = toy-ram\nsize = 1M\n[map low]\nregion = ram\nat = memory@0\nsize = 640K\n"
             "[map high]\nregion = ram.ram\nat = memory@1M\noffset = 640K\nreadonly = on\n"
             "[device com1]\ntype = toy-uart\npio0 = io@0x3f8, memory@0xb0000 prio 1\n"
             "[device w]\ntype = toy-window\nwindow = io@0\n");
  BpAddressSpace *memory = bp_machine_address_space (m, "memory"), *io = bp_machine_address_space (m, "io");
  ck_assert_uint_eq (bp_as_load (io, 0x3f8, 1), 0x42);  /* over the window, whatever the order */
  ck_assert_uint_eq (bp_as_load (memory, 0xb0007, 1), 0x42);
  bp_as_store (memory, 0x9ffff, 0x11, 1);
  bp_as_store (memory, 0x100000, 0x22, 1);
  ck_assert_uint_eq (bp_as_load (memory, 0x9ffff, 1), 0x11);
  ck_assert_uint_eq (bp_as_load (memory, 0x100000, 1), 0);      /* read-only */
  ck_assert_uint_eq (bp_as_load (memory, 0xa0000, 1), 0xff);
  toy_free (m);
}
END_TEST

START_TEST (clipped_maps)
{
  static const struct { const char *size; bool low, high; } cases[] = { { "512K", false, false }, { "640K", true, false }, { "1M", true, true } };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *text = g_strdup_printf ("[memory ram]\ntype = toy-ram\nsize = %s\n[map low]\nregion = ram\nat = memory@0\nsize = 640K\nclip = on\n"
                                             "[map high]\nregion = ram\nat = memory@1M\noffset = 640K\nclip = on\n", cases[i].size);
    BpMachine *m = build (text);
    BpAddressSpace *memory = bp_machine_address_space (m, "memory");
    bp_as_store (memory, 0x9ffff, 0x11, 1);
    bp_as_store (memory, 0x100000, 0x22, 1);
    ck_assert_uint_eq (bp_as_load (memory, 0x9ffff, 1), cases[i].low ? 0x11 : 0xff);
    ck_assert_uint_eq (bp_as_load (memory, 0x100000, 1), cases[i].high ? 0x22 : 0xff);
    toy_free (m);
  }
}
END_TEST

/* --- order and life ----------------------------------------------------------------------- */

START_TEST (targets_are_realized_first)
{
  GError *error = NULL;
  BpMachine *m = build (HEAD "[device com1]\ntype = toy-uart\nbackend = late\n[backend late]\ntype = "
                             "toy-char\n[boot]\ntype = toy-boot\n"
                             "[cpu a]\ntype = toy-cpu\nnext = b\n[cpu b]\ntype = toy-cpu\nnext = a\n");
  ck_assert (machine_realize (m, &error));
  g_autofree char *seen = events ();
  ck_assert_str_eq (seen, "realize accel, realize cpu0, realize late, realize com1, realize boot, realize b, "
                          "realize a, check boot");
  toy_free (m);
}
END_TEST

START_TEST (failed_realize)
{
  GError *error = NULL;
  BpMachine *m = build ("[backend a]\ntype = toy-char\n[backend b]\ntype = toy-char\n");
  toy_unlucky = "b";
  ck_assert (!machine_realize (m, &error));
  ck_assert_ptr_nonnull (strstr (error->message, ".ini:3: [backend b]: no luck"));
  g_error_free (error);
  g_autofree char *seen = events ();
  ck_assert_str_eq (seen, "realize a, realize b, unrealize b, unrealize a");
  toy_free (m);
}
END_TEST

/* One whose `configure` or `realize` refuses, with what it is told to say. */
typedef struct Picky {
  uint32_t number;
  bool late;
  char *says;
} Picky;

static bool
picky (const Picky *p, bool is_late, GError **error)
{
  if (p->late != is_late || !p->says)
    return true;
  g_set_error_literal (error, BP_ERROR, BP_ERROR_PROPERTY, p->says);
  return false;
}

static bool picky_configure (void *self, GError **error) { return picky (self, false, error); }
static bool picky_realize (void *self, GError **error) { return picky (self, true, error); }

static const BpProperty picky_properties[] = {
  BP_PROP_U32 ("number", Picky, number, 0, "A number."), BP_PROP_BOOL ("late", Picky, late, false, "Not before it is realized."),
  BP_PROP_STRING ("says", Picky, says, NULL, "What it refuses with."), BP_PROP_END
};
static const BpTypeDesc picky_type = {
  BP_TYPE ("test-picky", BP_KIND_DEVICE, Picky), .description = "refuses", .properties = picky_properties,
  .configure = picky_configure, .realize = picky_realize
};

/* Where the value came from, and not where its object begins, when the message is about a value. */
START_TEST (refusals_have_the_place_of_the_value)
{
  static const struct {
    const char *says, *place, *text;
  } cases[] = {
    { "number: it is odd", "base.ini:5: ", "[device p] number: it is odd" },
    { "number = 5 is odd", "base.ini:5: ", "[device p]: number = 5 is odd" },
    { "number is odd", "base.ini:5: ", "[device p]: number is odd" },
    { "numbers: odd", "base.ini:2: ", "[device p]: numbers: odd" },
    { "number and says differ", "base.ini:2: ", "[device p]: number and says differ" },
    { "late: so it is", "--set: ", "[device p] late: so it is" },
    { "says: nothing", "toy-", "[device p] says: nothing" },
  };
  static const BpTypeDesc *const types[] = { &picky_type, NULL };
  types_register_of ("test", types);
  ck_assert (g_file_set_contents ("base.ini", "\n[device p]\ntype = test-picky\n\nnumber = 5\n", -1, NULL));
  for (unsigned i = 0; i < 2 * G_N_ELEMENTS (cases); i++) {
    char *set[] = { i & 1 ? (char *) "p.late=on" : (char *) "p.late=off", NULL };
    g_autofree char *errors = NULL, *text = g_strdup_printf ("[machine]\ninclude = base.ini\n[override p]\nsays = %s\n", cases[i / 2].says);
    g_autoptr (GError) error = NULL;
    BpMachine *m = toy_build (text, set, &errors);
    ck_assert (!m == !(i & 1));
    if (m) {
      ck_assert (!machine_realize (m, &error));
      toy_free (m);
    }
    const char *message = error ? error->message : errors;
    ck_assert_msg (g_str_has_prefix (message, cases[i / 2].place) && strstr (message, cases[i / 2].text), "%s", message);
  }
}
END_TEST

START_TEST (runs_resets_and_ends)
{
  BpMachine *m = build (HEAD "[boot]\ntype = toy-boot\n");
  toy_exit_code = 7;
  toy_resets = 2;
  ck_assert (machine_realize (m, NULL));
  g_ptr_array_set_size (toy_events, 0);
  ck_assert_int_eq (machine_run (m), 7);
  ck_assert_str_eq (m->shutdown_reason, "a test");
  g_autofree char *seen = events ();
  ck_assert_str_eq (
      seen, "cold accel, cold cpu0, cold boot, load boot, warm accel, warm cpu0, warm boot, load boot, "
            "warm accel, warm cpu0, warm boot, load boot");
  toy_free (m);
}
END_TEST

START_TEST (times_out)
{
  BpMachine *m = build (HEAD);
  ck_assert (machine_realize (m, NULL));
  machine_set_timeout (m, 1, 124);
  ck_assert_int_eq (machine_run (m), 124);
  toy_free (m);
}
END_TEST

/* --- what is wrong ------------------------------------------------------------------------ */

START_TEST (errors_one_by_one)
{
  wrong ("[device a]\ntype = toy-uatr\n",
         "[device a] type: no plugin here has a type `toy-uatr` (did you mean `toy-uart`?)");
  wrong ("[backend a]\ntype = toy-uart\n",
         "`toy-uart` belongs into a [device] section, not into a [backend]");
  wrong ("[device a]\n", "[device a]: the key `type`");
  wrong ("[device a]\nmodule = no-such-plugin\n", "[device a] module: plugin `no-such-plugin` not found");
  wrong ("[device a]\ntype = toy-uart\nparity = off\n",
         "[device a] parity: `off` is not one of none, odd, even");
  wrong ("[device a]\ntype = toy-uart\ndepth = 65\n", "[device a] depth: `65` is outside the range 1..64");
  wrong ("[device a]\ntype = toy-uart\nirk = pic.in4\n",
         "[device a] irk: unknown key: the type `toy-uart` has no property, output pin or region of that "
         "name (did you mean `irq`?)");
  wrong ("[device a]\ntype = toy-uart\nfirmware = none\n",
         "[device a] firmware: cannot read `none`: No such file");
  wrong ("[memory a]\ntype = toy-ram\n", "[memory a]: the key `size` is missing: Bytes.");
  wrong ("[device a]\ntype = toy-uart\nbackend = b\n", "[device a] backend: there is no object `b`");
  wrong ("[device a]\ntype = toy-uart\nbackend = a\n[backend log]\ntype = toy-char\n",
         "[device a] backend: `a` (toy-uart) is not a bp.char/1; these are: log");
  wrong (HEAD "[cpu b]\ntype = toy-cpu\nnext = cpu\n",
         "[cpu b] next: there is no object `cpu` (did you mean `cpu0`?)");
  wrong ("[cpu]\ntype = toy-cpu\n", "[cpu]: the machine has no [accel]");
  wrong ("[accel]\ntype = toy-accel\n[accel b]\ntype = toy-accel\n",
         "[accel b]: a machine has one [accel], and [accel] is there already");
  wrong (HEAD "[cpu x]\ntype = toy-cpu\ncount = 0\n", "[cpu x] count: `0` is outside the range 1..256");
  wrong (HEAD "[device x]\ntype = toy-uart\ncount = y\n",
         "[device x] count: `y` is neither a number nor a section with a `count`, such as cpu");
  wrong (HEAD "[device x]\ntype = toy-uart\ncount = x\n", "[device x] count: `x` is neither a number");
  wrong (HEAD "[device x]\ntype = toy-uart\ncount = 2\n[wire w]\nfrom = x0.irq\nto = x.irq\n", "there is no object `x` (did you mean `x0`?)");
  wrong (HEAD "[device cpu0]\ntype = toy-uart\n",
         "[device cpu0]: the object `cpu0` exists: it is made by [cpu]");
  wrong ("[machine]\nformat = 2\n", "[machine] format: `2` is not a format");
  wrong ("[machine]\nname = 2\n", "[machine] name: unknown key");
}
END_TEST

START_TEST (errors_of_wires)
{
  wrong ("[device p]\ntype = toy-pic\n", "[device p] intr: the pin must be wired (to the CPU)");
  wrong ("[device a]\ntype = toy-uart\nirq = a\n", "[device a] irq: `a` is not a pin");
  wrong ("[device a]\ntype = toy-uart\nirq = a.irq\n",
         "[device a] irq: `a.irq` is an output, and cannot be driven");
  wrong (HEAD "[device a]\ntype = toy-uart\nirq = cpu0.int\n",
         "[device a] irq: `cpu0` (toy-cpu) has no input pin `int`; it has: intr (did you mean `cpu0.intr`?)");
  wrong (HEAD "[device a]\ntype = toy-uart\nirq = p.in1\n[device b]\ntype = toy-uart\nirq = p.in1\n[device "
              "p]\ntype = toy-pic\nintr = cpu0.intr\n",
         "[device b] irq: p.in1 has two drivers, a.irq and b.irq");
  wrong (HEAD "[device p]\ntype = toy-pic\nintr = cpu0.intr\nin3 = p.intr\n",
         "[device p] in3: the pin is an input");
  wrong ("[device g]\ntype = toy-gpio\nlines = 2\nout2 = g.out1\n", "[device g] out2: unknown key");
  wrong ("[wire w]\nfrom = a.b\n", "[wire w]: the key `to` is missing");
}
END_TEST

START_TEST (errors_of_maps)
{
  wrong ("[device a]\ntype = toy-uart\npio0 = 0x3f8\n",
         "[device a] pio0: `0x3f8` is not a place; write SPACE@ADDRESS");
  wrong ("[device a]\ntype = toy-uart\npio0 = oi@0x3f8\n",
         "[device a] pio0: there is no address space `oi`; there are: memory, io (did you mean `io`?)");
  wrong ("[device a]\ntype = toy-uart\npio0 = io@0xfffc\n",
         "[device a] pio0: 0xfffc..0x10003 reaches beyond the address space `io`, which ends at 0xffff");
  wrong ("[device a]\ntype = toy-uart\npio0 = io@0 prio x\n", "`x` is not a priority");
  wrong ("[device a]\ntype = toy-uart\npio0 = io@0 at 3\n", "`at` after the address is unknown");
  wrong ("[device a]\ntype = toy-uart\npio0 = io@0\n[device b]\ntype = toy-uart\npio0 = io@4\n",
         "[device b] pio0: 0x4..0xb of `io` overlaps `a.pio0` at 0x0..0x7 (toy-");
  wrong ("[memory r]\ntype = toy-ram\nsize = 64K\n[map m]\nregion = r\nat = memory@0xffffffffffff8000\n",
         "[map m] at: 0xffffffffffff8000..0x10000000000007fff reaches beyond");
  wrong ("[memory r]\ntype = toy-ram\nsize = 64K\n[map m]\nregion = r\nat = memory@0\nsize = 128K\n",
         "[map m] at: the map needs 0x20000 bytes of `r`, which has 0x10000");
  wrong ("[memory r]\ntype = toy-ram\nsize = 64K\n[map m]\nregion = r\nat = memory@0\noffset = 64K\n",
         "[map m] offset: it lies beyond the end of `r`");
  wrong ("[memory r]\ntype = toy-ram\nsize = 64K\n[map m]\nregion = r.rom\nat = memory@0\n",
         "[map m] region: `r` (toy-ram) has no region `rom`; it has: ram (did you mean `r.ram`?)");
  wrong ("[map m]\nregion = r\nat = nowhere\n[memory r]\ntype = toy-ram\nsize = 64K\n",
         "[map m] at: `nowhere` is not a place");
}
END_TEST

/* What follows from an error that was reported is not reported. */
START_TEST (no_cascades)
{
  wrong ("[device com1]\ntype = toy-urat\n[wire w]\nfrom = com1.irq\nto = com1.irq\n[map m]\nregion = "
         "com1\nat = io@0\n",
         "[device com1] type:");
  wrong ("[devise com1]\n[map m]\nregion = com1\nat = io@0\n", "[devise com1]:");
  wrong ("[memory r]\ntype = toy-ram\nsize = 12\n[map m]\nregion = r\nat = memory@0\n", "[memory r] size:");
  wrong ("[device g]\ntype = toy-gpio\nlines = 999\nout0 = x.y\n", "[device g] lines:");
  wrong (HEAD "[cpu many]\ntype = toy-cpu\ncount = 4\nid = x\n", "[cpu many] id:");
  wrong (HEAD "[cpu many]\ntype = toy-cpu\ncount = 400\n[device p]\ntype = toy-pic\nintr = many0.intr\n", "[cpu many] count:");
}
END_TEST

/* tests/machines/bad-*.ini: all errors at once, as recorded in bad-*.expected (BACKPLANE_UPDATE=1 records
 * them). */
START_TEST (recorded_errors)
{
  ck_assert_int_eq (g_chdir (SRCDIR "/tests/machines"), 0);
  toy_register ();
  GDir *dir = g_dir_open (".", 0, NULL);
  const char *name;
  unsigned n = 0;
  while ((name = g_dir_read_name (dir))) {
    if (!g_str_has_prefix (name, "bad-") || !g_str_has_suffix (name, ".ini"))
      continue;
    Descriptor *d = descriptor_load (name, NULL);
    ck_assert_ptr_null (machine_build (d));
    g_autofree char *errors = toy_errors (d);
    g_autofree char *stem = g_strndup (name, strlen (name) - 4);
    g_autofree char *file = g_strconcat (stem, ".expected", NULL);
    g_autofree char *expected = NULL;
    if (g_getenv ("BACKPLANE_UPDATE"))
      ck_assert (g_file_set_contents (file, errors, -1, NULL));
    ck_assert (g_file_get_contents (file, &expected, NULL, NULL));
    ck_assert_str_eq (errors, expected);
    descriptor_free (d);
    n++;
  }
  g_dir_close (dir);
  ck_assert_uint_gt (n, 2);
}
END_TEST

START_TEST (a_thousand_devices)
{
  g_autoptr (GString) text =
      g_string_new (HEAD "[device pic]\ntype = toy-pic\nintr = cpu0.intr\n");
  for (unsigned i = 0; i < 2500; i++)
    g_string_append_printf (
        text, "[backend b%u]\ntype = toy-char\n[device d%u]\ntype = toy-uart\nbackend = b%u\nirq = pic.any\npio0 = memory@%u\n", i, i, i, i * 8);
  gint64 start = g_get_monotonic_time ();
  BpMachine *m = build (text->str);
  ck_assert_int_lt (g_get_monotonic_time () - start, patience (20));
  ck_assert_uint_eq (m->objects->len, 5003);
  toy_free (m);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("machine-build");
  TCase *good = tcase_create ("good"), *bad = tcase_create ("bad");
  tcase_add_checked_fixture (good, enter, scratch_leave);
  tcase_add_checked_fixture (bad, enter, scratch_leave);
  tcase_set_timeout (good, 60);
  tcase_add_test (good, properties);
  tcase_add_test (good, links_and_cpus);
  tcase_add_test (good, links_to_anything);
  tcase_add_test (good, devices_by_count);
  tcase_add_test (good, settings_reach_objects);
  tcase_add_test (good, wires);
  tcase_add_test (good, maps);
  tcase_add_test (good, clipped_maps);
  tcase_add_test (good, targets_are_realized_first);
  tcase_add_test (good, failed_realize);
  tcase_add_test (good, refusals_have_the_place_of_the_value);
  tcase_add_test (good, runs_resets_and_ends);
  tcase_add_test (good, times_out);
  tcase_add_test (good, a_thousand_devices);
  tcase_add_test (bad, errors_one_by_one);
  tcase_add_test (bad, errors_of_wires);
  tcase_add_test (bad, errors_of_maps);
  tcase_add_test (bad, no_cascades);
  tcase_add_test (bad, recorded_errors);
  suite_add_tcase (suite, good);
  suite_add_tcase (suite, bad);
  return suite_run (suite);
}

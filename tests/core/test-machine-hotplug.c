/* test-machine-hotplug.c -- objects join and leave a machine that runs; what cannot is refused, and whatever fails is undone. */
/* SPDX-License-Identifier: MIT */
#include "memory.h"
#include "toy.h"
#include "../suite.h"
#include <backplane/clock.h>
#include <backplane/iface/msi.h>
#include <backplane/iface/symbols.h>
#include <check.h>
#include <backplane/snapshot.h>
#include <glib/gstdio.h>
#include <malloc.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FILE_NAME "hotplug-test.bps"
#define HEAD_OF(accel) "[accel]\ntype = " accel "\n[cpu]\ntype = toy-cpu\n[device pic]\ntype = toy-pic\nintr = cpu0.intr\n"

/* --- plug: joins and leaves as it is told ---------------------------------------------------------- */

typedef struct Plug {
  char *fails;                  /* "configure", "realize" */
  int answer;                   /* BpRemoval */
  BpLink peer;
  uint64_t size;
  BpPin *line;
  BpRegion *ram;
  uint8_t *host;
} Plug;

static bool
plug_configure (void *self, GError **error)
{
  Plug *p = self;
  if (g_strcmp0 (p->fails, "configure") == 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "it does not want to be configured");
    return false;
  }
  p->host = g_aligned_alloc0 (1, p->size, 4096);
  p->ram = bp_region_new_ram (self, "ram", p->host, p->size);
  bp_region_publish (self, p->ram, "its memory");
  bp_region_publish (self, bp_region_new_container (NULL, "box", 4096), "nobody's");
  return true;
}

static bool
plug_realize (void *self, GError **error)
{
  Plug *p = self;
  if (g_strcmp0 (p->fails, "realize") == 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "it does not want to be realized");
    return false;
  }
  return true;
}

static void
plug_reset (void *self, BpResetKind kind)
{
  bp_pin_set (((Plug *) self)->line, 1);
}

static unsigned n_undone, n_undone_unlocked, n_undone_running;
static int n_running;           /* vCPUs in the guest */

static void *
can_lock (void *user)
{
  BpMachine *m = user;
  bool can = g_rec_mutex_trylock (&m->lock);
  if (can)
    g_rec_mutex_unlock (&m->lock);
  return GINT_TO_POINTER (can);
}

static void
plug_unrealize (void *self)
{
  Plug *p = self;
  n_undone++;
  n_undone_unlocked += g_thread_join (g_thread_new ("other", can_lock, bp_object_machine (self))) != NULL;
  n_undone_running += __atomic_load_n (&n_running, __ATOMIC_SEQ_CST) != 0;
  if (p->ram)
    bp_region_set_enabled (p->ram, false);
  g_clear_pointer (&p->host, g_aligned_free);
}

static BpRemoval
plug_removal (void *self, GError **error)
{
  return (BpRemoval) ((Plug *) self)->answer;
}

static bool
plug_address (void *self, const char *name, uint64_t *address)
{
  *address = 4;
  return strcmp (name, bp_object_id (self)) == 0;
}

static const BpSymbolsIface plug_symbols = { .struct_size = sizeof plug_symbols, .address = plug_address };
static const BpInterfaceDesc plug_interfaces[] = { { "test.plug/1", plug_interfaces }, { BP_SYMBOLS_ID, &plug_symbols }, { NULL, NULL } };
static const char *const answers[] = { "refused", "now", "asked", NULL };
static const BpPinDesc plug_pins[] = { BP_PIN_DESC_OUT ("line", Plug, line, 0, "out"), BP_PIN_DESC_END };
static const BpProperty plug_properties[] = {
  BP_PROP_STRING ("fails", Plug, fails, NULL, "The step that fails."),
  BP_PROP_ENUM ("answer", Plug, answer, BP_REMOVAL_NOW, answers, "What it says to its removal."),
  BP_PROP_LINK ("peer", Plug, peer, "test.plug/1", 0, "Another one."),
  BP_PROP_ ("size", BP_PROPERTY_SIZE, Plug, size, .default_int = 8192, .min = 4096, .max = 65536, .help = "Of its memory."),
  BP_PROP_END
};
#define PLUG \
  .description = "a plug", .properties = plug_properties, .pins = plug_pins, .interfaces = plug_interfaces, .configure = plug_configure, \
  .realize = plug_realize, .unrealize = plug_unrealize, .reset = plug_reset, .removal = plug_removal
static const BpTypeDesc plug_type = { BP_TYPE ("test-plug", BP_KIND_DEVICE, Plug), PLUG, .flags = BP_TYPE_HOT_PLUG };
static const BpTypeDesc soldered_type = { BP_TYPE ("test-soldered", BP_KIND_DEVICE, Plug), PLUG };

/* --- a machine --------------------------------------------------------------------------------------- */

static BpMachine *machine;
static GString *heard;

static void
listen_to (void *user, BpMachineEvent event, const char *detail)
{
  static const char *const names[] = { [BP_MACHINE_OBJECT_ADDED] = "added", [BP_MACHINE_OBJECT_REMOVED] = "removed", [BP_MACHINE_REMOVAL_REFUSED] = "refused" };
  if (event >= BP_MACHINE_OBJECT_ADDED)
    g_string_append_printf (heard, "%s(%s) ", names[event], detail);
}

static void
build_with (const char *head, const char *text)
{
  g_autofree char *errors = NULL, *all = g_strconcat (head, text, NULL);
  toy_forget ();
  toy_exit_code = -1;
  toy_resets = 0;
  machine = toy_build (all, NULL, &errors);
  ck_assert_msg (machine != NULL, "%s", errors);
  ck_assert (machine_realize (machine, NULL));
  bp_machine_watch (machine, listen_to, NULL);
}

static void
build (const char *text)
{
  build_with (HEAD_OF ("toy-accel"), text);
}

static void
setup (void)
{
  heard = g_string_new (NULL);
}

static void
teardown (void)
{
  toy_free (machine);
  g_string_free (heard, TRUE);
  g_unlink (FILE_NAME);
}

/* "type=test-plug size=4K": words. */
static void *
add (const char *kind, const char *id, const char *words, GError **error)
{
  g_auto (GStrv) all = g_strsplit (words, " ", -1);
  BpObjectKey keys[16] = { { NULL, NULL } };
  unsigned n = 0;
  for (char **w = all; *w && **w; w++) {
    char *equals = strchr (*w, '=');
    *equals = 0;
    keys[n++] = (BpObjectKey) { *w, equals + 1 };
  }
  return bp_machine_add_object (machine, kind, id, keys, error);
}

static void
refuses (const char *kind, const char *id, const char *words, const char *why)
{
  GError *error = NULL;
  guint n = machine->objects->len, regions = memory_n_regions (), sections = machine->descriptor->sections->len;
  ck_assert_msg (!add (kind, id, words, &error), "%s", words);
  if (g_str_has_suffix (why, "*"))
    ck_assert_msg (strncmp (error->message, why, strlen (why) - 1) == 0, "%s", error->message);
  else
    ck_assert_str_eq (error->message, why);
  g_error_free (error);
  ck_assert_uint_eq (machine->objects->len, n);
  ck_assert_uint_eq (memory_n_regions (), regions);
  ck_assert_uint_eq (machine->descriptor->sections->len, sections);
  ck_assert_uint_eq (machine->descriptor->errors->len, 0);
}

static void
stays (const char *id, const char *why)
{
  GError *error = NULL;
  ck_assert_int_eq (bp_machine_remove_object (machine, id, &error), BP_REMOVAL_REFUSED);
  ck_assert_str_eq (error->message, why);
  g_error_free (error);
}

static uint64_t load (uint64_t address) { return bp_as_load (bp_machine_address_space (machine, "memory"), address, 4); }
static void store (uint64_t address, uint32_t value) { bp_as_store (bp_machine_address_space (machine, "memory"), address, value, 4); }

static void
work (void)
{
  while (g_main_context_iteration (bp_loop_context (bp_loop_main (machine)), FALSE))
    ;
}

/* --- joining and leaving --------------------------------------------------------------------------------- */

START_TEST (joins_and_leaves)
{
  GError *error = NULL;
  build ("");
  void *p = add ("device", "p", "type=test-plug size=4K ram=memory@0x10000 line=pic.in3", &error);
  ck_assert_msg (p != NULL, "%s", error ? error->message : "");
  ck_assert_ptr_eq (bp_machine_find (machine, "p"), p);
  store (0x10000, 0x12345678);
  ck_assert_uint_eq (load (0x10000), 0x12345678);
  ck_assert_uint_eq (*(uint32_t *) ((Plug *) p)->host, 0x12345678);
  ck_assert_int_eq (bp_pin_level (object_pin (g_hash_table_lookup (machine->by_id, "pic"), "in3")->pin), 1);
  ck_assert (add (NULL, "q", "type=test-plug peer=p", NULL));           /* the kind is the type's */
  stays ("p", "`p` cannot leave: `q` uses it (peer = p)");
  ck_assert_int_eq (bp_machine_remove_object (machine, "q", NULL), BP_REMOVAL_NOW);
  ck_assert_int_eq (bp_machine_remove_object (machine, "p", NULL), BP_REMOVAL_NOW);
  ck_assert_ptr_null (bp_machine_find (machine, "p"));
  ck_assert_uint_eq (load (0x10000), 0xffffffff);
  ck_assert_int_eq (bp_pin_level (object_pin (g_hash_table_lookup (machine->by_id, "pic"), "in3")->pin), 0);
  ck_assert_str_eq (heard->str, "added(p) added(q) removed(q) removed(p) ");
  ck_assert (add ("device", "p", "type=test-plug ram=memory@0x10000", NULL));   /* again, at the same place */
  ck_assert_uint_eq (load (0x10000), 0);
}
END_TEST

static unsigned called;

static void
look_at_it (void *user)
{
  const Plug *p = user;
  called += !p->host && p->size == 4096;
}

/* A device posts what it has no time for, and leaves before it is done. */
START_TEST (leaves_with_a_call_posted)
{
  build ("");
  mallopt (M_PERTURB, 0xa5);    /* what is freed is not what it was */
  void *p = add ("device", "p", "type=test-plug size=4K", NULL);
  called = 0;
  bp_loop_post (bp_loop_main (machine), true, machine, look_at_it, p);
  ck_assert_int_eq (bp_machine_remove_object (machine, "p", NULL), BP_REMOVAL_NOW);
  ck_assert (add ("device", "p", "type=test-plug size=8K", NULL));
  work ();
  mallopt (M_PERTURB, 0);
  ck_assert_uint_eq (called, 1);
}
END_TEST

START_TEST (stub_joins)
{
  build ("");
  ck_assert (add ("device", "s", "type=stub size=4 value=0x55 log=off regs=io@0x80,memory@0x2000", NULL));
  ck_assert_uint_eq (load (0x2000), 0x55);
  ck_assert_uint_eq (bp_as_load (bp_machine_address_space (machine, "io"), 0x80, 1), 0x55);
  ck_assert_int_eq (bp_machine_remove_object (machine, "s", NULL), BP_REMOVAL_NOW);
  ck_assert_uint_eq (load (0x2000), 0xffffffff);
}
END_TEST

static void
script (void *user)
{
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_RUNNING);
  ck_assert (add ("device", "p", "type=test-plug ram=memory@0x10000", NULL));
  ck_assert_int_eq (bp_machine_remove_object (machine, "p", NULL), BP_REMOVAL_NOW);
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_RUNNING);
  bp_machine_request_shutdown (machine, 4, NULL);
}

START_TEST (while_it_runs)
{
  build ("");
  bp_loop_post (bp_loop_main (machine), false, machine, script, NULL);
  ck_assert_int_eq (machine_run (machine), 4);
  ck_assert_str_eq (heard->str, "added(p) removed(p) ");
}
END_TEST

/* --- what undoes one that leaves or fails to join finds nothing running, and the machine locked ------------------ */

typedef struct Accel {
  int unused;
} Accel;

static void
accel_run (void *self, BpVcpu *vcpu)
{
  __atomic_add_fetch (&n_running, 1, __ATOMIC_SEQ_CST);
  while (bp_vcpu_may_run (vcpu))
    bp_vcpu_wait (vcpu);
  __atomic_sub_fetch (&n_running, 1, __ATOMIC_SEQ_CST);
}

static void
accel_kick (void *self, BpVcpu *vcpu, GThread *thread, uint64_t pthread_id)
{
}

static const BpAccelIface accel_iface = { .struct_size = sizeof accel_iface, .vcpu_run = accel_run, .vcpu_kick = accel_kick };
static const BpInterfaceDesc accel_interfaces[] = { { BP_ACCEL_ID, &accel_iface }, { NULL, NULL } };
static const BpTypeDesc accel_type = { BP_TYPE ("test-accel", BP_KIND_ACCEL, Accel), .description = "counts who runs", .interfaces = accel_interfaces };

static void
undo_each (void *user)
{
  static const char *const wrong[] = { "type=test-plug fails=configure", "type=test-plug fails=realize", "type=test-plug line=pic.in99" };
  for (unsigned i = 0; i < G_N_ELEMENTS (wrong); i++) {
    while (!__atomic_load_n (&n_running, __ATOMIC_SEQ_CST))
      g_usleep (1000);
    ck_assert (!add ("device", "p", wrong[i], NULL));
    ck_assert_uint_eq (n_undone, i + 1);
    ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_RUNNING);
  }
  ck_assert (add ("device", "p", "type=test-plug", NULL));
  ck_assert_int_eq (bp_machine_remove_object (machine, "p", NULL), BP_REMOVAL_NOW);
  ck_assert_uint_eq (n_undone, 4);
  bp_machine_request_shutdown (machine, 4, NULL);
}

START_TEST (undone_while_nothing_runs)
{
  n_undone = n_undone_unlocked = n_undone_running = 0;
  build_with (HEAD_OF ("test-accel"), "");
  bp_loop_post (bp_loop_main (machine), false, machine, undo_each, NULL);
  ck_assert_int_eq (machine_run (machine), 4);
  ck_assert_uint_eq (n_undone_unlocked, 0);
  ck_assert_uint_eq (n_undone_running, 0);
}
END_TEST

/* --- symbols, which vCPUs ask for without a lock ----------------------------------------------------------- */

static bool asking;

static void *
ask (void *unused)
{
  uint64_t address;
  unsigned n = 0;
  for (; __atomic_load_n (&asking, __ATOMIC_ACQUIRE); n++)
    if (!bp_machine_symbol_address (machine, "first", &address))
      return NULL;
  return GUINT_TO_POINTER (n + 1);
}

START_TEST (symbols_meanwhile)
{
  uint64_t address;
  build ("[device first]\ntype = test-plug\n");
  asking = true;
  GThread *asker = g_thread_new ("asker", ask, NULL);
  for (unsigned i = 0; i < 40; i++) {
    g_autofree char *id = g_strdup_printf ("p%u", i);
    ck_assert (add ("device", id, "type=test-plug", NULL) != NULL);
    ck_assert (bp_machine_symbol_address (machine, id, &address) && address == 4);
    ck_assert (!add ("device", "bad", "type=test-plug fails=realize", NULL));
    ck_assert (!bp_machine_symbol_address (machine, "bad", &address));
  }
  ck_assert_int_eq (bp_machine_remove_object (machine, "p0", NULL), BP_REMOVAL_NOW);
  ck_assert (!bp_machine_symbol_address (machine, "p0", &address));
  __atomic_store_n (&asking, false, __ATOMIC_RELEASE);
  ck_assert (g_thread_join (asker) != NULL);
}
END_TEST

/* --- what is refused ------------------------------------------------------------------------------------- */

START_TEST (refusals)
{
  build ("[device s]\ntype = stub\nregs = memory@0x1000\n[device many]\ntype = stub\ncount = 2\n[memory ram]\ntype = toy-ram\nsize = 4K\n"
         "[map low]\nregion = ram\nat = memory@0\n");
  refuses ("device", "x", "type=test-soldered",
           "[device x] type: a `test-soldered` cannot join a machine that runs; these can: stub, test-plug, test-taker");
  refuses ("device", "x", "type=test-plig", "[device x] type: no plugin here has a type `test-plig` (did you mean `test-plug`?)");
  refuses (NULL, "x", "type=test-plig", "no plugin here has a type `test-plig` (did you mean `test-plug`?)");
  refuses (NULL, "x", "size=4K", "the key `type` is missing");
  refuses ("memory", "x", "type=test-plug", "[memory x] type: `test-plug` belongs into a [device] section, not into a [memory]");
  refuses ("map", "x", "region=ram at=memory@0", "a section [map] makes no object");
  refuses ("device", "a.b", "type=test-plug", "`a.b` is no name for an object: letters, digits, `-` and `_`");
  refuses ("device", "s", "type=test-plug", "the object `s` exists: [device s]");
  refuses ("device", "cpu0", "type=test-plug", "the object `cpu0` exists");
  refuses ("device", "x", "type=test-plug size=1", "[device x] size: `1` is outside the range 4K..64K");
  refuses ("device", "x", "type=test-plug sise=4K", "[device x] sise: unknown key: the type `test-plug` has no property, output pin or region of that name "
                                                    "(did you mean `size`?)");
  refuses ("device", "x", "type=test-plug size=1 answer=never",
           "[device x] size: `1` is outside the range 4K..64K\n[device x] answer: `never` is not one of refused, now, asked");
  refuses ("device", "x", "type=test-plug count=2", "[device x] count: objects join one at a time");
  refuses ("device", "x", "type=test-plug size=4K size=8K", "[device x] `size` is there twice");
  refuses ("device", "x", "type=test-plug peer=s", "[device x] peer: `s` (stub) is not a test.plug/1; these are: x");
  refuses ("device", "x", "type=test-plug line=pic.in99", "[device x] line: `pic` (toy-pic) has no input pin `in99`; it has: *");
  refuses ("device", "x", "type=test-plug fails=configure", "[device x]: it does not want to be configured");
  refuses ("device", "x", "type=test-plug fails=realize ram=memory@0x8000 line=pic.in1", "[device x]: it does not want to be realized");
  refuses ("device", "x", "type=test-plug ram=memory@0", "[device x] ram: 0x0..0x1fff of `memory` overlaps `ram` at 0x0..0xfff (toy-*");
  refuses ("device", "x", "type=test-plug module=nothing", "[device x] module: *");
  stays ("none", "there is no object `none`");
  stays ("pic", "`pic` is a `toy-pic`, which cannot leave a machine that runs");
  stays ("many1", "`many1` is one of several that [device many] makes");
  ck_assert_uint_eq (load (0), 0);
}
END_TEST

START_TEST (mapped_by_others)
{
  build ("[device p]\ntype = test-plug\n[device q]\ntype = test-plug\n[device r]\ntype = test-plug\n[map whole]\nregion = p.box\nat = memory@0x20000\n"
         "[map part]\nregion = q.box\nat = memory@0x30000\noffset = 0x800\nsize = 0x800\n");
  stays ("p", "`p` cannot leave: [map whole] maps it");
  stays ("q", "`q` cannot leave: [map part] maps it");
  ck_assert_int_eq (bp_machine_remove_object (machine, "r", NULL), BP_REMOVAL_NOW);
}
END_TEST

/* The one that is in the way has no line in any file. */
START_TEST (overlaps_one_that_joined)
{
  build ("");
  ck_assert (add ("device", "p", "type=test-plug size=4K ram=memory@0x10000", NULL));
  refuses ("device", "x", "type=test-plug size=4K ram=memory@0x10000",
           "[device x] ram: 0x10000..0x10fff of `memory` overlaps `p.ram` at 0x10000..0x10fff; move one, or give the one that shall win a higher `prio`");
}
END_TEST

START_TEST (of_the_descriptor)
{
  GError *error = NULL;
  build ("[device s]\ntype = stub\nvalue = 7\nsize = 4\nlog = off\nregs = memory@0x1000\n");
  ck_assert_uint_eq (load (0x1000), 7);
  ck_assert_int_eq (bp_machine_remove_object (machine, "s", NULL), BP_REMOVAL_NOW);
  ck_assert_uint_eq (load (0x1000), 0xffffffff);
  ck_assert (machine_replug (machine, "s", &error));
  ck_assert_uint_eq (load (0x1000), 7);
  ck_assert (!machine_replug (machine, "t", &error));
  ck_assert_str_eq (error->message, "the machine never had an object `t`");
  g_error_free (error);
}
END_TEST

/* --- messages ------------------------------------------------------------------------------------------- */

typedef struct Taker {
  bool ready;
} Taker;

static unsigned n_messages, n_attached;
static bool reached_early;

static bool
taker_send (void *self, uint64_t address, uint32_t data)
{
  ck_assert (((Taker *) self)->ready);
  n_messages++;
  return true;
}

static unsigned
taker_attach_fd (void *self, int fd, uint64_t address, uint32_t data)
{
  ck_assert (((Taker *) self)->ready);
  return ++n_attached;
}

static void
taker_detach_fd (void *self, unsigned number)
{
  ck_assert (((Taker *) self)->ready);
  n_attached--;
}

static bool
message_arrives (void)
{
  bp_machine_lock (machine);
  bool taken = bp_msi_send (machine, 0xfee00000, 1);
  bp_machine_unlock (machine);
  return taken;
}

/* A vCPU's message might come now. */
static bool
taker_configure (void *self, GError **error)
{
  reached_early = message_arrives ();
  return true;
}

static bool
taker_realize (void *self, GError **error)
{
  ((Taker *) self)->ready = true;
  return true;
}

static void
taker_unrealize (void *self)
{
  ((Taker *) self)->ready = false;
}

static const BpMsiIface taker_iface = { .struct_size = sizeof taker_iface, .send = taker_send, .attach_fd = taker_attach_fd, .detach_fd = taker_detach_fd };
static const BpInterfaceDesc taker_interfaces[] = { { BP_MSI_ID, &taker_iface }, { NULL, NULL } };
static const BpTypeDesc taker_type = { BP_TYPE ("test-taker", BP_KIND_DEVICE, Taker), .description = "takes messages", .interfaces = taker_interfaces,
                                       .configure = taker_configure, .realize = taker_realize, .unrealize = taker_unrealize, .flags = BP_TYPE_HOT_PLUG };

START_TEST (takers_of_messages)
{
  build ("");
  n_messages = n_attached = 0;
  ck_assert (!message_arrives ());
  for (unsigned i = 1; i <= 2; i++) {
    ck_assert (add ("device", "t", "type=test-taker", NULL));
    ck_assert (!reached_early);
    ck_assert (message_arrives ());
    ck_assert_uint_eq (n_messages, i);
    ck_assert_int_eq (bp_machine_remove_object (machine, "t", NULL), BP_REMOVAL_NOW);
    ck_assert (!message_arrives ());
  }
}
END_TEST

/* An eventfd is the main loop's while nobody takes messages, and its messages go to who is there. */
START_TEST (sources_of_messages)
{
  const uint64_t one = 1;
  int fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
  build ("");
  n_messages = n_attached = 0;
  BpMsiSource *source = bp_msi_source_new (machine, fd, 0xfee00000, 7);
  ck_assert (add ("device", "t", "type=test-taker", NULL));
  ck_assert_uint_eq (n_attached, 1);
  ck_assert (add ("device", "u", "type=test-taker", NULL));
  ck_assert_int_eq (bp_machine_remove_object (machine, "t", NULL), BP_REMOVAL_NOW);
  ck_assert_uint_eq (n_attached, 1);    /* by the other */
  ck_assert_int_eq (bp_machine_remove_object (machine, "u", NULL), BP_REMOVAL_NOW);
  ck_assert_uint_eq (n_attached, 0);
  n_messages = 0;
  ck_assert_int_eq (write (fd, &one, sizeof one), sizeof one);
  work ();                              /* nobody is there */
  ck_assert_uint_eq (n_messages, 0);
  bp_msi_source_free (source);
  close (fd);
}
END_TEST

/* --- guests that are asked ---------------------------------------------------------------------------- */

START_TEST (asks_the_guest)
{
  build ("");
  void *p = add ("device", "p", "type=test-plug answer=asked", NULL);
  ck_assert_int_eq (bp_machine_remove_object (machine, "p", NULL), BP_REMOVAL_ASKED);
  ck_assert (bp_object_is_leaving (p));
  bp_object_removal_refused (p, "not today");
  ck_assert_ptr_eq (bp_machine_find (machine, "p"), p);
  work ();
  ck_assert (!bp_object_is_leaving (p));
  ck_assert_int_eq (bp_machine_remove_object (machine, "p", NULL), BP_REMOVAL_ASKED);
  bp_object_removal_done (p);
  bp_object_removal_done (p);           /* once is enough */
  ck_assert_ptr_eq (bp_machine_find (machine, "p"), p);
  work ();
  ck_assert_ptr_null (bp_machine_find (machine, "p"));
  ck_assert_str_eq (heard->str, "added(p) refused(p: not today) removed(p) ");
}
END_TEST

/* Who has begun to use it meanwhile keeps it; an answer that nobody waits for goes with the machine. */
START_TEST (answers_too_late)
{
  build ("");
  void *p = add ("device", "p", "type=test-plug answer=asked", NULL);
  ck_assert_int_eq (bp_machine_remove_object (machine, "p", NULL), BP_REMOVAL_ASKED);
  bp_object_removal_done (p);
  void *q = add ("device", "q", "type=test-plug peer=p answer=refused", NULL);
  work ();
  ck_assert_str_eq (heard->str, "added(p) added(q) refused(p: `p` cannot leave: `q` uses it (peer = p)) ");
  stays ("q", "removal failed without giving a reason");
  bp_object_removal_done (q);
}
END_TEST

/* --- snapshots ---------------------------------------------------------------------------------------- */

static void
restart (const char *text)
{
  toy_free (machine);
  g_string_truncate (heard, 0);
  build (text);
  machine_reset (machine, BP_RESET_COLD);
}

static void
save (void)
{
  GError *error = NULL;
  ck_assert_msg (bp_machine_save_snapshot (machine, FILE_NAME, &error), "%s", error ? error->message : "");
}

static void
loads (void)
{
  GError *error = NULL;
  ck_assert_msg (bp_machine_load_snapshot (machine, FILE_NAME, &error), "%s", error ? error->message : "");
}

static void
does_not_load (const char *why)
{
  GError *error = NULL;
  guint n = machine->objects->len;
  ck_assert (!bp_machine_load_snapshot (machine, FILE_NAME, &error));
  ck_assert_msg (strstr (error->message, why) != NULL, "%s", error->message);
  g_error_free (error);
  ck_assert_uint_eq (machine->objects->len, n);
}

/* Who had joined joins a machine that never had it, with its memory; who is not in the snapshot leaves. */
START_TEST (joined_in_a_snapshot)
{
  build ("");
  machine_reset (machine, BP_RESET_COLD);
  ck_assert (add ("device", "p", "type=test-plug size=4K ram=memory@0x10000 line=pic.in3", NULL));
  ck_assert (add ("device", "q", "type=test-plug peer=p answer=asked", NULL));
  store (0x10000, 0x12345678);
  save ();
  store (0x10000, 1);
  loads ();                             /* into the same */
  ck_assert_uint_eq (load (0x10000), 0x12345678);
  restart ("");
  loads ();
  ck_assert_uint_eq (load (0x10000), 0x12345678);
  ck_assert_int_eq (bp_pin_level (object_pin (g_hash_table_lookup (machine->by_id, "pic"), "in3")->pin), 1);
  ck_assert_ptr_eq (((Plug *) bp_machine_find (machine, "q"))->peer.instance, bp_machine_find (machine, "p"));
  ck_assert_int_eq (((Plug *) bp_machine_find (machine, "q"))->answer, BP_REMOVAL_ASKED);
  ck_assert_str_eq (heard->str, "added(p) added(q) ");
  restart ("");
  ck_assert (add ("device", "r", "type=test-plug ram=memory@0x20000", NULL));
  ck_assert (add ("device", "s", "type=test-plug peer=r", NULL));
  loads ();
  ck_assert_ptr_null (bp_machine_find (machine, "r"));
  ck_assert_uint_eq (load (0x20000), 0xffffffff);
  ck_assert_str_eq (heard->str, "added(r) added(s) added(p) added(q) removed(s) removed(r) ");
}
END_TEST

START_TEST (differences_in_a_snapshot)
{
  build ("");
  machine_reset (machine, BP_RESET_COLD);
  ck_assert (add ("device", "p", "type=test-plug size=4K ram=memory@0x10000", NULL));
  save ();
  restart ("");
  ck_assert (add ("device", "p", "type=test-plug size=8K ram=memory@0x10000", NULL));
  does_not_load ("p.size is `4K` in the snapshot and `8K` in this machine");
  restart ("");
  ck_assert (add ("device", "p", "type=stub", NULL));
  does_not_load ("p is of type `test-plug` in the snapshot and of type `stub` in this machine");
  restart ("[device other]\ntype = stub\nregs = memory@0x10800\n");
  does_not_load ("p had joined the machine, and cannot join this one: [device p] ram: 0x10000..0x10fff of `memory` overlaps `other.regs`");
  ck_assert_ptr_null (bp_machine_find (machine, "p"));
  restart ("[device extra]\ntype = test-soldered\n");
  does_not_load ("RAM `ram` of extra is in this machine and not in the snapshot");
  ck_assert_ptr_null (bp_machine_find (machine, "p"));
  ck_assert_str_eq (heard->str, "added(p) removed(p) ");
}
END_TEST

/* The descriptor's own that had left is gone again, and the other way round. */
START_TEST (left_in_a_snapshot)
{
  static const char *const text = "[device s]\ntype = stub\nvalue = 7\nsize = 4\nlog = off\nregs = memory@0x1000\n";
  build (text);
  machine_reset (machine, BP_RESET_COLD);
  ck_assert_int_eq (bp_machine_remove_object (machine, "s", NULL), BP_REMOVAL_NOW);
  save ();
  restart (text);
  ck_assert_uint_eq (load (0x1000), 7);
  loads ();
  ck_assert_uint_eq (load (0x1000), 0xffffffff);
  restart (text);
  save ();
  ck_assert_int_eq (bp_machine_remove_object (machine, "s", NULL), BP_REMOVAL_NOW);
  loads ();
  ck_assert_uint_eq (load (0x1000), 7);
}
END_TEST

int
main (void)
{
  toy_register ();
  type_register (&plug_type, plugin_core (), NULL);
  type_register (&soldered_type, plugin_core (), NULL);
  type_register (&taker_type, plugin_core (), NULL);
  type_register (&accel_type, plugin_core (), NULL);
  Suite *s = suite_create ("machine-hotplug");
  TCase *c = tcase_create ("machine-hotplug");
  tcase_add_checked_fixture (c, setup, teardown);
  tcase_add_test (c, joins_and_leaves);
  tcase_add_test (c, leaves_with_a_call_posted);
  tcase_add_test (c, stub_joins);
  tcase_add_test (c, while_it_runs);
  tcase_add_test (c, undone_while_nothing_runs);
  tcase_add_test (c, symbols_meanwhile);
  tcase_add_test (c, refusals);
  tcase_add_test (c, mapped_by_others);
  tcase_add_test (c, overlaps_one_that_joined);
  tcase_add_test (c, of_the_descriptor);
  tcase_add_test (c, takers_of_messages);
  tcase_add_test (c, sources_of_messages);
  tcase_add_test (c, asks_the_guest);
  tcase_add_test (c, answers_too_late);
  tcase_add_test (c, joined_in_a_snapshot);
  tcase_add_test (c, differences_in_a_snapshot);
  tcase_add_test (c, left_in_a_snapshot);
  suite_add_tcase (s, c);
  return suite_run (s);
}

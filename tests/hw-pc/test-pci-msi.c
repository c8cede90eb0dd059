/* test-pci-msi.c -- capabilities, MSI and MSI-X: registers, masks, pending bits, eventfds, reset, saved state. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/pci.h>
#include <backplane/iface/msi.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "hw-pc-test.h"
#include "../random-numbers.h"

/* --- who takes messages ------------------------------------------------------------------------ */

#define MOST 16

typedef struct Sink {
  struct { uint64_t address; uint32_t data; } got[MOST];
  unsigned n;
  int fd;                       /* as attached last; -1: none */
} Sink;

static Sink *the_sink;

static bool
sink_send (void *self, uint64_t address, uint32_t data)
{
  Sink *k = self;
  if (k->n == MOST - 1)
    return false;
  k->got[k->n].address = address;
  k->got[k->n++].data = data;
  return true;
}

static unsigned
sink_attach (void *self, int fd, uint64_t address, uint32_t data)
{
  Sink *k = self;
  ck_assert_int_eq (k->fd, -1);
  k->fd = fd;
  k->got[MOST - 1].address = address;
  k->got[MOST - 1].data = data;
  return 1;
}

static bool
sink_change (void *self, unsigned number, uint64_t address, uint32_t data)
{
  Sink *k = self;
  k->got[MOST - 1].address = address;
  k->got[MOST - 1].data = data;
  return true;
}

static void sink_detach (void *self, unsigned number) { ((Sink *) self)->fd = -1; }

static bool
sink_realize (void *self, GError **error)
{
  the_sink = self;
  the_sink->fd = -1;
  return true;
}

static const BpMsiIface sink_iface = {
  .struct_size = sizeof (BpMsiIface), .send = sink_send, .attach_fd = sink_attach, .change_fd = sink_change, .detach_fd = sink_detach
};
static const BpInterfaceDesc sink_interfaces[] = { { BP_MSI_ID, &sink_iface }, { NULL, NULL } };
static const BpTypeDesc sink_type = {
  BP_TYPE ("test-sink", BP_KIND_DEVICE, Sink), .description = "Takes messages", .interfaces = sink_interfaces, .realize = sink_realize
};

/* --- a function that sends them ------------------------------------------------------------------ */

#define TABLE 0x800
#define PENDING 0xc00

typedef struct Function {
  BpLink bus;
  uint32_t place, vectors, msix, own, kind;
  BpPciSlot *slot;
  BpRegion *region;
  unsigned capability;
} Function;

static const BpPciBusIface *bus_of (const Function *f) { return f->bus.table; }

static bool
function_realize (void *self, GError **error)
{
  Function *f = self;
  f->region = bp_region_new_container (self, "registers", 0x1000);
  BpPciFunction p = { .struct_size = sizeof p, .vendor_id = 0x1234, .device_id = 0x5678, .interrupt_pin = 1, .self = f,
                      .bars = { [2] = { f->region, f->kind } } };
  f->slot = bus_of (f)->add (f->bus.instance, f->place << 3, &p, error);
  if (!f->slot)
    return false;
  if (f->own) {
    f->capability = bus_of (f)->add_capability (f->bus.instance, f->slot, 9, f->own);
    if (f->capability) {
      bus_of (f)->config (f->bus.instance, f->slot)[f->capability + 3] = 0x5a;
      bus_of (f)->write_mask (f->bus.instance, f->slot)[f->capability + 3] = 0x0f;
    }
  }
  if (f->vectors && !bus_of (f)->add_msi (f->bus.instance, f->slot, f->vectors, error))
    return false;
  return !f->msix || bus_of (f)->add_msix (f->bus.instance, f->slot, f->msix, 2, f->region, TABLE, PENDING, error);
}

static void
function_unrealize (void *self)
{
  Function *f = self;
  if (f->slot)
    bus_of (f)->remove (f->bus.instance, f->slot);
  f->slot = NULL;
  bp_region_free (f->region);
  f->region = NULL;
}

static void function_reset (void *self, BpResetKind kind) { bus_of (self)->reset (((Function *) self)->bus.instance, ((Function *) self)->slot); }

static const BpProperty function_properties[] = {
  BP_PROP_LINK ("bus", Function, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The bus."), BP_PROP_U32 ("place", Function, place, 4, "Device number."),
  BP_PROP_U32 ("vectors", Function, vectors, 0, "Of MSI."), BP_PROP_U32 ("msix", Function, msix, 0, "Vectors of MSI-X."),
  BP_PROP_U32 ("own", Function, own, 0, "Bytes of a capability of its own."), BP_PROP_U32 ("kind", Function, kind, BP_PCI_BAR_MEMORY, "Of its BAR."),
  BP_PROP_END
};
static const BpTypeDesc function_type = {
  BP_TYPE ("test-function", BP_KIND_DEVICE, Function), .description = "Sends messages", .properties = function_properties,
  .realize = function_realize, .unrealize = function_unrealize, .reset = function_reset
};

/* --- helpers ---------------------------------------------------------------------------------------- */

static const char board[] =
  "[memory ram]\ntype = test-ram\nsize = 16M\n"
  "[device host]\ntype = i440fx\nram = ram\npio0 = io@0xcf8\npio1 = io@0xcfc\nmemory = memory@0\nshadow = memory@0xa0000 prio 10\nio = io@0\n"
  "pirq0 = probe.in0\npirq1 = probe.in1\npirq2 = probe.in2\npirq3 = probe.in3\n"
  "[device probe]\ntype = test-probe\n[device sink]\ntype = test-sink\n[device f]\ntype = test-function\nbus = host\n";

static char *
whole (const char *more)
{
  static const BpTypeDesc *const own[] = { &sink_type, &function_type, NULL };
  g_free (harness_refusal (own, ""));           /* registers them */
  return g_strconcat (board, more, NULL);
}

static Harness *
start (const char *more)
{
  g_autofree char *ini = whole (more);
  Harness *h = harness_new (hw_pc (), ini);
  the_sink = harness_object (h, "sink");
  return h;
}

static uint32_t
get (Harness *h, unsigned reg, unsigned size)
{
  out32 (h, 0xcf8, 0x80000000u | 4 << 11 | (reg & 0xfc));
  return (uint32_t) harness_read (h, "io", 0xcfc + (reg & 3), size);
}

static void
put (Harness *h, unsigned reg, uint32_t value, unsigned size)
{
  out32 (h, 0xcf8, 0x80000000u | 4 << 11 | (reg & 0xfc));
  harness_write (h, "io", 0xcfc + (reg & 3), value, size);
}

/* By their list, as a guest finds them. */
static unsigned
find (Harness *h, uint8_t id)
{
  ck_assert (get (h, 6, 2) & 0x10);
  unsigned at = get (h, 0x34, 1);
  for (unsigned n = 0; at && n < 48; n++, at = get (h, at + 1, 1))
    if (get (h, at, 1) == id)
      return at;
  ck_abort_msg ("no capability %02x", id);
}

static bool
message (Harness *h, unsigned vector)
{
  Function *f = harness_object (h, "f");
  return bus_of (f)->message (f->bus.instance, f->slot, vector);
}

static unsigned
n_messages (Harness *h)
{
  Function *f = harness_object (h, "f");
  return bus_of (f)->n_messages (f->bus.instance, f->slot);
}

static bool
message_fd (Harness *h, unsigned vector, int fd)
{
  Function *f = harness_object (h, "f");
  return bus_of (f)->message_fd (f->bus.instance, f->slot, vector, fd);
}

static void
pin (Harness *h, int level)
{
  Function *f = harness_object (h, "f");
  bus_of (f)->set_interrupt (f->bus.instance, f->slot, level);
}

static void
check_got (unsigned n, uint64_t address, uint32_t data)
{
  ck_assert_uint_eq (the_sink->n, n);
  ck_assert_uint_eq (the_sink->got[n - 1].address, address);
  ck_assert_uint_eq (the_sink->got[n - 1].data, data);
}

/* MSI switched on for two of four vectors. */
static unsigned
start_msi (Harness *h)
{
  unsigned c = find (h, 5);
  put (h, 4, 6, 2);
  put (h, c + 4, 0xfee01003, 4);
  put (h, c + 8, 0, 4);
  put (h, c + 12, 0x4041, 2);
  put (h, c + 2, 1 << 4 | 1, 2);
  return c;
}

#define BAR UINT64_C (0xfeb00000)
#define ENTRY(n) (BAR + TABLE + 16 * (n))

static unsigned
start_msix (Harness *h)
{
  unsigned c = find (h, 0x11);
  put (h, 0x18, BAR, 4);
  put (h, 4, 6, 2);
  for (unsigned i = 0; i < 3; i++) {
    write32 (h, ENTRY (i), 0xfee00000 | i << 12);
    write32 (h, ENTRY (i) + 8, 0x50 + i);
    write32 (h, ENTRY (i) + 12, 0);
  }
  put (h, c + 2, 0x8000, 2);
  return c;
}

/* --- tests ---------------------------------------------------------------------------------------------- */

START_TEST (capabilities_have_room_and_reset_values)
{
  Harness *h = start ("own = 6\nvectors = 4\nmsix = 3\n");
  unsigned own = find (h, 9);
  ck_assert_uint_eq (own, 0x40);
  ck_assert_uint_eq (find (h, 5), 0x48);
  ck_assert_uint_eq (find (h, 0x11), 0x60);
  ck_assert_uint_eq (get (h, own + 3, 1), 0x5a);
  put (h, own + 3, 0xff, 1);
  put (h, own, 0xff, 1);
  put (h, 0x34, 0, 1);
  ck_assert_uint_eq (get (h, own + 3, 1), 0x5f);
  ck_assert_uint_eq (find (h, 9), 0x40);
  harness_round_trip (h);
  ck_assert_uint_eq (get (h, own + 3, 1), 0x5f);
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (get (h, own + 3, 1), 0x5a);
  ck_assert_uint_eq (find (h, 0x11), 0x60);
  harness_free (h);
  h = start ("own = 192\n");
  ck_assert_uint_eq (find (h, 9), 0x40);
  harness_free (h);
  h = start ("");               /* a list that is not there is not announced */
  ck_assert (!(get (h, 6, 2) & 0x10));
  ck_assert_uint_eq (get (h, 0x34, 4), 0);
  harness_free (h);
}
END_TEST

START_TEST (msi_registers)
{
  Harness *h = start ("vectors = 4\n");
  unsigned c = find (h, 5);
  ck_assert_uint_eq (get (h, c + 2, 2), 0x184);
  for (unsigned i = 0; i < 24; i += 4)
    put (h, c + i, 0xffffffff, 4);
  ck_assert_uint_eq (get (h, c + 2, 2), 0x1f5);
  ck_assert_uint_eq (get (h, c + 4, 4), 0xfffffffc);
  ck_assert_uint_eq (get (h, c + 8, 4), 0xffffffff);
  ck_assert_uint_eq (get (h, c + 12, 4), 0xffff);
  ck_assert_uint_eq (get (h, c + 16, 4), 0x0f);
  ck_assert_uint_eq (get (h, c + 20, 4), 0);
  ck_assert_uint_eq (n_messages (h), 4);        /* however many are granted */
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (get (h, c + 2, 2), 0x184);
  ck_assert_uint_eq (get (h, c + 4, 4), 0);
  harness_free (h);
}
END_TEST

/* Single bytes, and words that begin in the middle of a register or in one that cannot be written. */
START_TEST (registers_are_written_in_parts)
{
  Harness *h = start ("vectors = 4\nown = 6\n");
  unsigned c = find (h, 5), next = get (h, c + 1, 1);
  put (h, 4, 6, 2);
  put (h, c + 4, 0x34, 1);
  put (h, c + 5, 0xe012, 2);
  put (h, c + 7, 0xfe, 1);
  put (h, c + 13, 0xab40, 2);
  put (h, c + 12, 0x54, 1);
  put (h, c + 1, 0x11ff, 2);                    /* the pointer to the next one stays */
  ck_assert_uint_eq (get (h, c + 1, 1), next);
  ck_assert_uint_eq (n_messages (h), 2);
  message (h, 1);
  check_got (1, 0xfee01234, 0x4055);
  harness_free (h);
}
END_TEST

START_TEST (msi_is_sent)
{
  Harness *h = start ("vectors = 4\n");
  ck_assert (!message (h, 0));
  start_msi (h);
  ck_assert_uint_eq (n_messages (h), 2);
  ck_assert (message (h, 0));
  check_got (1, 0xfee01000, 0x4040);            /* the low bit is the function's */
  ck_assert (message (h, 1));
  check_got (2, 0xfee01000, 0x4041);
  ck_assert (message (h, 2));                   /* folds */
  check_got (3, 0xfee01000, 0x4040);
  harness_reset (h, BP_RESET_WARM);
  ck_assert (!message (h, 0));
  harness_free (h);
}
END_TEST

START_TEST (msi_is_held_while_masked)
{
  Harness *h = start ("vectors = 4\n");
  unsigned c = start_msi (h);
  put (h, c + 16, 2, 4);
  message (h, 1);
  message (h, 1);
  ck_assert_uint_eq (the_sink->n, 0);
  ck_assert_uint_eq (get (h, c + 20, 4), 2);
  harness_round_trip (h);
  ck_assert_uint_eq (get (h, c + 20, 4), 2);
  put (h, c + 16, 0, 4);
  check_got (1, 0xfee01000, 0x4041);            /* once */
  ck_assert_uint_eq (get (h, c + 20, 4), 0);
  put (h, 4, 2, 2);                             /* no bus master, no writes */
  message (h, 0);
  ck_assert_uint_eq (the_sink->n, 1);
  put (h, 4, 6, 2);
  check_got (2, 0xfee01000, 0x4040);
  put (h, c + 16, 1, 1);
  message (h, 0);
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (get (h, c + 20, 4), 0);
  ck_assert_uint_eq (the_sink->n, 2);
  harness_free (h);
}
END_TEST

/* bp_pci_interrupt's contract: the pin is quiet while messages are on, whatever the device says. */
START_TEST (the_pin_and_messages_exclude_each_other)
{
  Harness *h = start ("vectors = 1\n");
  Function *f = harness_object (h, "f");
  pin (h, 1);
  ck_assert_int_eq (harness_level (h, "host.pirq3"), 1);
  unsigned c = start_msi (h);
  ck_assert_int_eq (harness_level (h, "host.pirq3"), 0);
  ck_assert_uint_eq (n_messages (h), 1);
  put (h, c + 2, 0, 2);
  ck_assert_int_eq (harness_level (h, "host.pirq3"), 1);
  bp_pci_interrupt (&f->bus, f->slot, 0, false);
  ck_assert_int_eq (harness_level (h, "host.pirq3"), 0);
  put (h, c + 2, 1, 2);
  bp_pci_interrupt (&f->bus, f->slot, 0, true);
  ck_assert_int_eq (harness_level (h, "host.pirq3"), 0);
  ck_assert_uint_eq (the_sink->n, 1);
  bp_pci_interrupt (&f->bus, f->slot, 0, false);
  ck_assert_uint_eq (the_sink->n, 1);
  harness_free (h);
}
END_TEST

START_TEST (msix_registers)
{
  Harness *h = start ("msix = 3\n");
  unsigned c = find (h, 0x11);
  ck_assert_uint_eq (get (h, c + 2, 2), 2);
  ck_assert_uint_eq (get (h, c + 4, 4), TABLE | 2);
  ck_assert_uint_eq (get (h, c + 8, 4), PENDING | 2);
  put (h, c, 0xffffffff, 4);
  put (h, c + 4, 0xffffffff, 4);
  ck_assert_uint_eq (get (h, c + 2, 2), 0xc002);
  ck_assert_uint_eq (get (h, c + 4, 4), TABLE | 2);
  put (h, 0x18, BAR, 4);
  put (h, 4, 2, 2);
  ck_assert_uint_eq (read32 (h, ENTRY (2) + 12), 1);    /* masked after reset */
  harness_write (h, "memory", ENTRY (2), UINT64_C (0xffffffffffffffff), 8);
  harness_write (h, "memory", ENTRY (2) + 8, UINT64_C (0xffffffff00000000), 8);
  ck_assert_uint_eq (harness_read (h, "memory", ENTRY (2), 8), UINT64_C (0xfffffffffffffffc));
  ck_assert_uint_eq (harness_read (h, "memory", ENTRY (2) + 8, 8), UINT64_C (0x0000000100000000));
  write32 (h, BAR + PENDING, 0xffffffff);
  ck_assert_uint_eq (read32 (h, BAR + PENDING), 0);
  ck_assert_uint_eq (read32 (h, BAR + PENDING + 8), 0xffffffff);        /* nothing is there */
  ck_assert_uint_eq (read32 (h, ENTRY (3)), 0xffffffff);
  harness_reset (h, BP_RESET_WARM);
  put (h, 0x18, BAR, 4);
  put (h, 4, 2, 2);
  ck_assert_uint_eq (harness_read (h, "memory", ENTRY (2), 8), 0);
  harness_free (h);
}
END_TEST

START_TEST (msix_is_sent_and_held)
{
  Harness *h = start ("msix = 3\n");
  ck_assert (!message (h, 0));
  unsigned c = start_msix (h);
  ck_assert_uint_eq (n_messages (h), 3);
  message (h, 2);
  check_got (1, 0xfee02000, 0x52);
  write32 (h, ENTRY (1) + 12, 1);
  message (h, 1);
  ck_assert_uint_eq (read32 (h, BAR + PENDING), 2);
  write32 (h, ENTRY (1) + 12, 0);
  check_got (2, 0xfee01000, 0x51);
  ck_assert_uint_eq (read32 (h, BAR + PENDING), 0);
  put (h, c + 2, 0xc000, 2);                    /* the whole function */
  message (h, 0);
  message (h, 2);
  ck_assert_uint_eq (read32 (h, BAR + PENDING), 5);
  harness_round_trip (h);
  ck_assert_uint_eq (read32 (h, BAR + PENDING), 5);
  write32 (h, ENTRY (0) + 12, 1);
  put (h, c + 2, 0x8000, 2);
  check_got (3, 0xfee02000, 0x52);
  ck_assert_uint_eq (read32 (h, BAR + PENDING), 1);
  harness_free (h);
}
END_TEST

START_TEST (a_table_moves_with_its_bar)
{
  Harness *h = start ("msix = 3\n");
  start_msix (h);
  write32 (h, ENTRY (1) + 12, 1);
  message (h, 1);
  put (h, 0x18, BAR + 0x100000, 4);
  ck_assert_uint_eq (read32 (h, ENTRY (1)), 0xffffffff);
  ck_assert_uint_eq (read32 (h, ENTRY (1) + 0x100000), 0xfee01000);
  ck_assert_uint_eq (read32 (h, BAR + 0x100000 + PENDING), 2);
  put (h, 4, 4, 2);                             /* no memory: messages go on */
  ck_assert_uint_eq (read32 (h, ENTRY (1) + 0x100000), 0xffffffff);
  message (h, 2);
  check_got (1, 0xfee02000, 0x52);
  put (h, 4, 6, 2);
  write32 (h, ENTRY (1) + 0x100000 + 12, 0);
  check_got (2, 0xfee01000, 0x51);
  harness_free (h);
}
END_TEST

START_TEST (a_table_goes_to_another_machine)
{
  Harness *h = start ("msix = 3\n");
  start_msix (h);
  write32 (h, ENTRY (1) + 12, 1);
  message (h, 1);
  Harness *twin = start ("msix = 3\n");
  harness_copy (h, twin);
  harness_check_same (h, twin);
  ck_assert_uint_eq (read32 (twin, ENTRY (2) + 8), 0x52);
  ck_assert_uint_eq (read32 (twin, BAR + PENDING), 2);
  message (twin, 0);
  check_got (1, 0xfee00000, 0x50);
  write32 (twin, ENTRY (1) + 12, 0);
  check_got (2, 0xfee01000, 0x51);
  harness_free (twin);
  harness_free (h);
}
END_TEST

START_TEST (eventfds_are_attached_while_they_may)
{
  Harness *h = start ("msix = 3\nvectors = 2\n");
  int fd = eventfd (0, EFD_NONBLOCK);
  ck_assert (!message_fd (h, 3, fd));
  ck_assert (message_fd (h, 1, fd));
  ck_assert_int_eq (the_sink->fd, -1);
  unsigned c = start_msix (h);
  ck_assert_int_eq (the_sink->fd, fd);
  ck_assert_uint_eq (the_sink->got[MOST - 1].data, 0x51);
  write32 (h, ENTRY (1) + 8, 0x61);
  ck_assert_uint_eq (the_sink->got[MOST - 1].data, 0x61);
  write32 (h, ENTRY (1) + 12, 1);
  ck_assert_int_eq (the_sink->fd, -1);
  ck_assert_uint_eq (read32 (h, BAR + PENDING), 0);
  ck_assert_int_eq (eventfd_write (fd, 1), 0);
  ck_assert_uint_eq (read32 (h, BAR + PENDING), 2);     /* the eventfd is the pending bit */
  put (h, c + 2, 0xc000, 2);
  write32 (h, ENTRY (1) + 12, 0);
  ck_assert_int_eq (the_sink->fd, -1);
  put (h, c + 2, 0x8000, 2);
  ck_assert_int_eq (the_sink->fd, fd);
  put (h, 4, 2, 2);
  ck_assert_int_eq (the_sink->fd, -1);
  put (h, 4, 6, 2);
  ck_assert_int_eq (the_sink->fd, fd);
  put (h, c + 2, 0, 2);
  ck_assert_int_eq (the_sink->fd, -1);
  start_msi (h);
  ck_assert_int_eq (the_sink->fd, fd);
  ck_assert_uint_eq (the_sink->got[MOST - 1].data, 0x4041);
  put (h, find (h, 5) + 16, 2, 4);
  ck_assert_uint_eq (get (h, find (h, 5) + 20, 4), 2);
  ck_assert_uint_eq (get (h, find (h, 5) + 20, 1), 2);
  put (h, find (h, 5) + 16, 0, 4);
  ck_assert (message_fd (h, 1, -1));
  ck_assert_int_eq (the_sink->fd, -1);
  ck_assert (message_fd (h, 0, fd));
  harness_reset (h, BP_RESET_WARM);
  ck_assert_int_eq (the_sink->fd, -1);
  harness_free (h);
  close (fd);
}
END_TEST

START_TEST (a_message_that_nobody_takes_is_told)
{
  Harness *h = start ("vectors = 4\n");
  start_msi (h);
  bp_test_keep_log ("guest_errors");
  message (h, 0);
  g_autofree char *nothing = bp_test_take_log ();
  ck_assert_str_eq (nothing, "");
  the_sink->n = MOST - 1;                       /* it takes no more */
  message (h, 1);
  g_autofree char *text = bp_test_take_log ();
  ck_assert_msg (strstr (text, "message 0xfee01000 = 00004041 of function 04.0: nobody takes it") != NULL, "%s", text);
  bp_test_keep_log (NULL);
  harness_free (h);
}
END_TEST

static void drain (Harness *h) { bus_of (harness_object (h, "f"))->drain (harness_object (h, "host")); }

/* Eventfds are not saved: what they have counted is a message already, or a pending bit. */
START_TEST (eventfds_are_drained)
{
  Harness *h = start ("msix = 3\n");
  int fd = eventfd (0, EFD_NONBLOCK);
  eventfd_t count;
  message_fd (h, 1, fd);
  eventfd_write (fd, 1);
  drain (h);                                    /* messages are off: it is the device's */
  ck_assert_int_eq (eventfd_read (fd, &count), 0);
  start_msix (h);
  eventfd_write (fd, 2);
  drain (h);                                    /* the sink's eventfd, which it did not read */
  check_got (1, 0xfee01000, 0x51);
  ck_assert_int_eq (eventfd_read (fd, &count), -1);
  write32 (h, ENTRY (1) + 12, 1);
  eventfd_write (fd, 1);
  Harness *twin = start ("msix = 3\n");
  harness_copy (h, twin);
  ck_assert_int_eq (eventfd_read (fd, &count), -1);
  ck_assert_uint_eq (read32 (h, BAR + PENDING), 2);
  ck_assert_uint_eq (read32 (twin, BAR + PENDING), 2);
  write32 (twin, ENTRY (1) + 12, 0);
  check_got (1, 0xfee01000, 0x51);
  harness_free (twin);
  the_sink = harness_object (h, "sink");
  the_sink->n = 0;
  eventfd_write (fd, 1);
  write32 (h, ENTRY (1) + 12, 0);
  check_got (1, 0xfee01000, 0x51);              /* the bit and the count are one message */
  ck_assert_int_eq (eventfd_read (fd, &count), -1);
  harness_free (h);
  close (fd);
}
END_TEST

/* A vCPU may have found the window, and get the lock only when the function is gone. */
START_TEST (an_access_that_comes_too_late)
{
  Harness *h = start ("msix = 3\n");
  start_msix (h);
  Function *f = harness_object (h, "f");
  BpAddressSpace *as = bp_machine_address_space (harness_machine (h), "memory");
  static const uint64_t places[] = { ENTRY (0), BAR + PENDING };
  BpRegion *region[2];
  uint64_t offset[2];
  for (unsigned i = 0; i < 2; i++) {
    const BpFlatRange *r = bp_as_lookup (as, places[i]);
    region[i] = r->region;
    offset[i] = r->region_offset + (places[i] - r->address);
    bp_as_leave (as);
    ck_assert_uint_eq (bp_region_dispatch_read (region[i], offset[i], 4), i ? 0 : 0xfee00000);
  }
  bus_of (f)->remove (f->bus.instance, f->slot);
  f->slot = NULL;
  for (unsigned i = 0; i < 2; i++) {
    bp_region_dispatch_write (region[i], offset[i], 0, 4);
    ck_assert_uint_eq (bp_region_dispatch_read (region[i], offset[i], 4), 0xffffffff);
  }
  harness_free (h);
}
END_TEST

START_TEST (what_is_impossible_is_refused)
{
  static const struct { const char *more, *because; } bad[] = {
    { "vectors = 3\n", "MSI with 3 vectors is impossible" },
    { "vectors = 64\n", "MSI with 64 vectors is impossible" },
    { "msix = 2049\n", "1 to 2048 vectors" },
    { "msix = 65\n", "side by side" },
    { "own = 192\nvectors = 1\n", "no room for MSI in" },
    { "own = 192\nmsix = 1\n", "no room for MSI-X in" },
    { "kind = 1\n", "BAR 2 of 0x1000 bytes is impossible" },          /* ports */
    { "kind = 5\n", "BAR 2 of 0x1000 bytes is impossible" },          /* of 64 bits, even */
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (bad); i++) {
    g_autofree char *ini = whole (bad[i].more), *text = harness_refusal (hw_pc (), ini);
    ck_assert_msg (strstr (text, bad[i].because) != NULL, "%s: %s", bad[i].more, text);
  }
}
END_TEST

static uint32_t random32 (void) { return (uint32_t) (random64 () >> 16); }

START_TEST (whatever_a_guest_writes)
{
  Harness *h = start ("msix = 3\nvectors = 32\nown = 5\n");
  int fd = eventfd (0, EFD_NONBLOCK);
  message_fd (h, 2, fd);
  for (unsigned i = 0; i < 50000; i++) {
    uint32_t r = random32 (), value = random32 () >> (random32 () & 31);
    unsigned size = 1u << (r & 3) % 3, reg = (r >> 8 & 0xff) & ~(size - 1);
    if (r >> 4 & 1)
      put (h, reg < 0x40 && random32 () & 3 ? reg + 0x40 : reg, value, size);
    else {
      put (h, 0x18, BAR, 4);
      harness_write (h, "memory", BAR + TABLE + (r >> 16 & 0x7ff) / size * size, value, size);
      harness_read (h, "memory", BAR + PENDING + (r >> 8 & 0x1f) / size * size, size);
    }
    message (h, r >> 20 & 31);
    if (i % 64 == 0)
      eventfd_write (fd, 1);
    ck_assert_uint_le (n_messages (h), 32);
    if (i % 5000 == 0)
      harness_round_trip (h);
    if (i % 7000 == 0)
      harness_reset (h, BP_RESET_WARM);
    the_sink->n = 0;
  }
  harness_free (h);
  close (fd);
}
END_TEST

HARNESS_MAIN ("pci-msi", capabilities_have_room_and_reset_values, msi_registers, registers_are_written_in_parts, msi_is_sent, msi_is_held_while_masked,
              the_pin_and_messages_exclude_each_other, msix_registers, msix_is_sent_and_held, a_table_moves_with_its_bar, a_table_goes_to_another_machine,
              eventfds_are_attached_while_they_may, a_message_that_nobody_takes_is_told, eventfds_are_drained,
              an_access_that_comes_too_late, whatever_a_guest_writes, what_is_impossible_is_refused)

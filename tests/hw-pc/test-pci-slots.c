/* test-pci-slots.c -- PCI functions that come and go: registers as the operating system's methods use them, what is refused, what the guest sees meanwhile. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/pci.h>
#include <string.h>
#include "hot-plug-test.h"

enum { CAME = 0xae00, ASKED = 0xae04, EJECT = 0xae08, REMOVABLE = 0xae0c };

/* --- a function ---------------------------------------------------------------------------------------- */

typedef struct Card {
  BpLink bus;
  char *address;
  BpPciSlot *slot;
  bool sizeless;
} Card;

static const BpPciBusIface *bus_of (const Card *c) { return c->bus.table; }

static bool
card_realize (void *self, GError **error)
{
  Card *c = self;
  BpPciFunction f = { .struct_size = c->sizeless ? 0 : sizeof f, .vendor_id = 0x1234, .device_id = 0x5678, .self = c };
  c->slot = bus_of (c)->add (c->bus.instance, (unsigned) bp_pci_address_parse (c->address), &f, error);
  return c->slot && (!(bp_object_type (c)->flags & BP_TYPE_HOT_PLUG) || bus_of (c)->hot_plug (c->bus.instance, c->slot, c, error));
}

static void
card_unrealize (void *self)
{
  Card *c = self;
  if (c->slot)
    bus_of (c)->remove (c->bus.instance, c->slot);
  c->slot = NULL;
}

static BpRemoval
card_removal (void *self, GError **error)
{
  Card *c = self;
  return bus_of (c)->ask (c->bus.instance, c->slot, error) ? BP_REMOVAL_ASKED : BP_REMOVAL_REFUSED;
}

static const BpProperty card_properties[] = {
  BP_PROP_LINK ("bus", Card, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The bus."), BP_PROP_STRING ("address", Card, address, "09.0", "The place."),
  BP_PROP_BOOL ("sizeless", Card, sizeless, false, "Has forgotten struct_size."), BP_PROP_END
};
#define CARD .description = "a function", .properties = card_properties, .realize = card_realize, .unrealize = card_unrealize
static const BpTypeDesc card_type = { BP_TYPE ("test-card", BP_KIND_DEVICE, Card), CARD, .flags = BP_TYPE_HOT_PLUG, .removal = card_removal };
static const BpTypeDesc chip_type = { BP_TYPE ("test-chip", BP_KIND_DEVICE, Card), CARD };

/* --- machines ------------------------------------------------------------------------------------------- */

#define PC \
  "[memory ram]\ntype = test-ram\nsize = 16M\n[device probe]\ntype = test-probe\n" \
  "[device host]\ntype = i440fx\nram = ram\nmemory = memory@0\nio = io@0\npio0 = io@0xcf8\npio1 = io@0xcfc\n"
#define SLOTS "[device slots]\ntype = pci-slots\nbus = host\npio0 = io@0xae00\nevent = probe.in0\n"
#define CARD_AT(id, type, address) "[device " id "]\ntype = " type "\nbus = host\naddress = " address "\n"

static Harness *
start (const char *text)
{
  static const BpTypeDesc *types[64] = { &card_type, &chip_type };
  for (unsigned i = 0; hw_pc ()[i]; i++)
    types[i + 2] = hw_pc ()[i];
  return hot_plug_new (types, text);
}

static bool
add (Harness *h, const char *id, const char *address, GError **error)
{
  BpObjectKey keys[] = { { "type", "test-card" }, { "bus", "host" }, { "address", address }, { NULL, NULL } };
  return bp_machine_add_object (harness_machine (h), "device", id, keys, error);
}

static uint32_t
vendor (Harness *h, unsigned device, unsigned function)
{
  out32 (h, 0xcf8, 0x80000000 | device << 11 | function << 8);
  return in32 (h, 0xcfc);
}

/* --- tests ------------------------------------------------------------------------------------------------ */

START_TEST (a_function_comes)
{
  Harness *h = start (PC SLOTS CARD_AT ("chip", "test-chip", "02.0") CARD_AT ("old", "test-card", "03.0"));
  ck_assert_uint_eq (in32 (h, CAME), 0);                /* what is there from the start is found */
  ck_assert_uint_eq (in32 (h, REMOVABLE), (uint32_t) ~(1u << 0 | 1u << 2));
  ck_assert (add (h, "card", "09.0", NULL));
  ck_assert_int_eq (harness_level (h, "slots.event"), 1);
  ck_assert_uint_eq (vendor (h, 9, 0), 0x56781234);
  harness_round_trip (h);
  ck_assert_int_eq (harness_level (h, "slots.event"), 1);
  ck_assert_uint_eq (in32 (h, ASKED), 0);
  ck_assert_uint_eq (in32 (h, CAME), 1u << 9);
  ck_assert_int_eq (harness_level (h, "slots.event"), 0);
  ck_assert_uint_eq (in32 (h, CAME), 0);
  ck_assert (add (h, "card2", "1f.0", NULL));
  harness_reset (h, BP_RESET_WARM);
  ck_assert_int_eq (harness_level (h, "slots.event"), 0);
  ck_assert_uint_eq (in32 (h, CAME), 0);
  ck_assert_uint_eq (vendor (h, 0x1f, 0), 0x56781234);
  hot_plug_free (h);
}
END_TEST

START_TEST (a_function_goes)
{
  Harness *h = start (PC SLOTS CARD_AT ("old", "test-card", "03.0"));
  BpMachine *m = harness_machine (h);
  ck_assert_int_eq (bp_machine_remove_object (m, "old", NULL), BP_REMOVAL_ASKED);
  harness_round_trip (h);
  bp_test_iterate (h);
  g_string_truncate (heard, 0);                         /* there was a reset in it */
  ck_assert_int_eq (harness_level (h, "slots.event"), 1);
  ck_assert_uint_eq (in32 (h, ASKED), 1u << 3);
  ck_assert_int_eq (harness_level (h, "slots.event"), 0);
  ck_assert_uint_eq (vendor (h, 3, 0), 0x56781234);     /* it thinks about it */
  ck_assert_int_eq (bp_machine_remove_object (m, "old", NULL), BP_REMOVAL_ASKED);
  ck_assert_uint_eq (in32 (h, ASKED), 1u << 3);         /* it was reminded */
  out32 (h, EJECT, 1u << 3);
  ck_assert_uint_eq (vendor (h, 3, 0), UINT32_MAX);     /* at once */
  out32 (h, EJECT, 1u << 3);
  bp_test_iterate (h);
  ck_assert_str_eq (heard->str, "gone old;");
  ck_assert (add (h, "again", "03.0", NULL));
  ck_assert_uint_eq (vendor (h, 3, 0), 0x56781234);
  out32 (h, EJECT, 1u << 3);                            /* of its own accord, and before it has heard of it */
  bp_test_iterate (h);
  ck_assert_str_eq (heard->str, "gone old;gone again;");
  ck_assert_uint_eq (in32 (h, CAME), 0);
  ck_assert_int_eq (harness_level (h, "slots.event"), 0);
  hot_plug_free (h);
}
END_TEST

START_TEST (a_reset_answers)
{
  Harness *h = start (PC SLOTS CARD_AT ("old", "test-card", "03.0"));
  ck_assert_int_eq (bp_machine_remove_object (harness_machine (h), "old", NULL), BP_REMOVAL_ASKED);
  harness_reset (h, BP_RESET_WARM);
  bp_test_iterate (h);
  ck_assert_str_eq (heard->str, "kept old: the machine was reset before the guest answered;");
  ck_assert_uint_eq (vendor (h, 3, 0), 0x56781234);
  hot_plug_free (h);
}
END_TEST

/* What the guest has let go of it does not see on the other side, where it leaves. */
START_TEST (ejected_while_the_machine_moves)
{
  static const char text[] = PC SLOTS CARD_AT ("old", "test-card", "03.0");
  Harness *h = start (text), *there = start (text);
  out32 (h, EJECT, 1u << 3);
  harness_copy (h, there);
  ck_assert_uint_eq (vendor (there, 3, 0), UINT32_MAX);
  out32 (there, EJECT, 1u << 3);
  ck_assert_uint_eq (in32 (there, CAME) | in32 (there, ASKED), 0);
  bp_test_iterate (h);
  ck_assert_str_eq (heard->str, "gone old;");
  g_string_truncate (heard, 0);
  ck_assert_ptr_nonnull (bp_machine_find (harness_machine (there), "old"));
  bp_machine_stop (harness_machine (there), BP_RUN_PAUSED);
  ck_assert (bp_machine_continue (harness_machine (there), NULL));
  bp_test_iterate (there);
  ck_assert_str_eq (heard->str, "gone old;");
  harness_free (there);
  hot_plug_free (h);
}
END_TEST

START_TEST (a_function_without_a_size)
{
  static const BpTypeDesc *types[64] = { &card_type };
  for (unsigned i = 0; hw_pc ()[i]; i++)
    types[i + 1] = hw_pc ()[i];
  g_autofree char *refusal = harness_refusal (types, PC SLOTS CARD_AT ("card", "test-card", "04.0") "sizeless = on\n");
  ck_assert_msg (strstr (refusal, "the function for 04.0 on `host' has a struct_size of 0, which is to be sizeof (BpPciFunction)"), "%s", refusal);
}
END_TEST

START_TEST (what_does_not_go)
{
  GError *error = NULL;
  Harness *h = start (PC SLOTS CARD_AT ("chip", "test-chip", "02.0") CARD_AT ("card", "test-card", "04.0") CARD_AT ("second", "test-card", "04.1") CARD_AT ("odd", "test-card", "06.1"));
  bp_test_keep_log ("guest_errors");
  out32 (h, EJECT, UINT32_MAX);
  bp_test_iterate (h);
  ck_assert_uint_eq (vendor (h, 2, 0), 0x56781234);
  ck_assert_uint_eq (vendor (h, 4, 0), 0x56781234);
  ck_assert_uint_eq (vendor (h, 0, 0), 0x12378086);
  g_autofree char *log = bp_test_take_log ();
  ck_assert_ptr_nonnull (strstr (log, "ejects device 02, in which there is nothing that can leave"));
  ck_assert_int_eq (bp_machine_remove_object (harness_machine (h), "card", &error), BP_REMOVAL_REFUSED);
  ck_assert_ptr_nonnull (strstr (error->message, "guests let go of function 0, alone in its place"));
  g_clear_error (&error);
  ck_assert (!add (h, "third", "05.1", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "05.1 of `host' cannot come to a machine that runs: guests look for function 0"));
  g_clear_error (&error);
  ck_assert (!add (h, "third", "06.0", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "alone in its place"));
  g_clear_error (&error);
  ck_assert_int_eq (bp_machine_remove_object (harness_machine (h), "odd", &error), BP_REMOVAL_REFUSED);
  g_clear_error (&error);
  ck_assert (!add (h, "third", "02.0", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "is taken"));
  g_clear_error (&error);
  ck_assert_uint_eq (in32 (h, CAME), 0);
  ck_assert_str_eq (heard->str, "");
  hot_plug_free (h);
}
END_TEST

START_TEST (without_slots)
{
  GError *error = NULL;
  Harness *h = start (PC CARD_AT ("card", "test-card", "04.0"));
  ck_assert (!add (h, "other", "05.0", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "the machine has no [device] of type pci-slots for the bus"));
  g_clear_error (&error);
  ck_assert_uint_eq (vendor (h, 5, 0), UINT32_MAX);
  ck_assert_int_eq (bp_machine_remove_object (harness_machine (h), "card", &error), BP_REMOVAL_REFUSED);
  ck_assert_ptr_nonnull (strstr (error->message, "the guest cannot be asked"));
  g_clear_error (&error);
  hot_plug_free (h);
}
END_TEST

START_TEST (two_of_a_kind)
{
  g_autofree char *refusal = harness_refusal (hw_pc (), PC SLOTS "[device more]\ntype = pci-slots\nbus = host\n");
  ck_assert_ptr_nonnull (strstr (refusal, "bus = host has such slots already"));
}
END_TEST

HARNESS_MAIN ("pci-slots", a_function_comes, a_function_goes, a_reset_answers, ejected_while_the_machine_moves, a_function_without_a_size, what_does_not_go, without_slots, two_of_a_kind)

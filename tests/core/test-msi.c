/* test-msi.c -- messages: who takes them; eventfds that send them, by a taker or by the main loop. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include "../suite.h"
#include <backplane/iface/msi.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct Taker {
  bool addressed, attaches, changes;    /* what it says */
  unsigned n_attached, last;
  GString *heard;
} Taker;

static bool
send (void *self, uint64_t address, uint32_t data)
{
  Taker *t = self;
  g_string_append_printf (t->heard, "%s:%x=%x ", bp_object_id (self), (unsigned) address, data);
  return t->addressed;
}

static unsigned
attach_fd (void *self, int fd, uint64_t address, uint32_t data)
{
  Taker *t = self;
  if (!t->attaches)
    return 0;
  t->n_attached++;
  g_string_append_printf (t->heard, "attach%u:%x=%x ", ++t->last, (unsigned) address, data);
  return t->last;
}

static bool
change_fd (void *self, unsigned number, uint64_t address, uint32_t data)
{
  Taker *t = self;
  if (t->changes)
    g_string_append_printf (t->heard, "change%u:%x=%x ", number, (unsigned) address, data);
  return t->changes;
}

static void
detach_fd (void *self, unsigned number)
{
  Taker *t = self;
  t->n_attached--;
  g_string_append_printf (t->heard, "detach%u ", number);
}

static const BpMsiIface full = { .struct_size = sizeof full, .send = send, .attach_fd = attach_fd, .change_fd = change_fd, .detach_fd = detach_fd };
static const BpMsiIface bare = { .struct_size = offsetof (BpMsiIface, attach_fd), .send = send };
static const BpInterfaceDesc full_interfaces[] = { { BP_MSI_ID, &full }, { NULL, NULL } };
static const BpInterfaceDesc bare_interfaces[] = { { BP_MSI_ID, &bare }, { NULL, NULL } };
static const BpTypeDesc accel_type = { BP_TYPE ("msi-accel", BP_KIND_ACCEL, Taker), .description = "takes messages first", .interfaces = full_interfaces };
static const BpTypeDesc chip_type = { BP_TYPE ("msi-chip", BP_KIND_DEVICE, Taker), .description = "takes messages", .interfaces = bare_interfaces };
static const BpTypeDesc other_type = { BP_TYPE ("other", BP_KIND_DEVICE, Taker), .description = "takes none" };

static BpMachine machine;
static GString *heard;
static int fd;

static Taker *
add (const BpTypeDesc *type, const char *id)
{
  BpObject *o = object_new (type, id, &machine);
  Taker *t = object_instance (o);
  t->heard = heard;
  t->addressed = true;
  g_ptr_array_add (machine.objects, o);
  if (type == &accel_type)
    machine.accel = o;
  return t;
}

static void
setup (void)
{
  memset (&machine, 0, sizeof machine);
  g_rec_mutex_init (&machine.lock);
  machine.objects = g_ptr_array_new_with_free_func ((GDestroyNotify) object_free);
  machine.main_loop = loop_main_new ();
  heard = g_string_new (NULL);
  fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static void
teardown (void)
{
  close (fd);
  bp_loop_free (machine.main_loop);
  g_clear_pointer (&machine.message_takers, g_array_unref);
  g_clear_pointer (&machine.message_sources, g_ptr_array_unref);
  g_ptr_array_unref (machine.objects);
  g_rec_mutex_clear (&machine.lock);
  g_string_free (heard, TRUE);
}

static void
ring (void)
{
  const uint64_t one = 1;
  ck_assert_int_eq (write (fd, &one, sizeof one), sizeof one);
}

static void
turn (void)
{
  while (g_main_context_iteration (bp_loop_context (machine.main_loop), FALSE))
    ;
}

static void
check_heard (const char *expected)
{
  turn ();
  ck_assert_str_eq (heard->str, expected);
  g_string_truncate (heard, 0);
}

/* --- messages --------------------------------------------------------------------------------- */

START_TEST (nobody_takes_it)
{
  add (&other_type, "other");
  ck_assert (!bp_msi_send (&machine, 0xfee00000, 1));
}
END_TEST

START_TEST (first_of_several)
{
  add (&other_type, "other");
  Taker *a = add (&chip_type, "a");
  add (&chip_type, "b");
  ck_assert (bp_msi_send (&machine, 0xfee00000, 0x41));
  check_heard ("a:fee00000=41 ");
  a->addressed = false;         /* it speaks for b too */
  ck_assert (!bp_msi_send (&machine, 0xfee00000, 0x41));
  check_heard ("a:fee00000=41 ");
}
END_TEST

START_TEST (accelerator_first)
{
  add (&chip_type, "chip");
  Taker *accel = add (&accel_type, "accel");
  ck_assert (bp_msi_send (&machine, 1, 2));
  check_heard ("accel:1=2 ");
  accel->addressed = false;
  ck_assert (bp_msi_send (&machine, 1, 2));
  check_heard ("accel:1=2 chip:1=2 ");
}
END_TEST

/* --- eventfds --------------------------------------------------------------------------------- */

START_TEST (main_loop_sends)
{
  add (&chip_type, "chip");
  BpMsiSource *s = bp_msi_source_new (&machine, fd, 0x10, 1);
  check_heard ("");
  ring ();
  check_heard ("chip:10=1 ");
  check_heard ("");             /* it was read */
  bp_msi_source_set (s, 0x20, 2);
  ring ();
  ring ();
  check_heard ("chip:20=2 ");
  bp_msi_source_mask (s, true);
  ring ();
  ring ();
  check_heard ("");
  bp_msi_source_set (s, 0x30, 3);
  bp_msi_source_mask (s, true);
  check_heard ("");
  bp_msi_source_mask (s, false);
  check_heard ("chip:30=3 ");
  bp_msi_source_free (s);
  ring ();
  check_heard ("");
  bp_msi_source_free (NULL);
}
END_TEST

START_TEST (accelerator_sends)
{
  Taker *accel = add (&accel_type, "accel");
  add (&chip_type, "chip");
  accel->attaches = accel->changes = true;
  BpMsiSource *s = bp_msi_source_new (&machine, fd, 0x10, 1);
  ring ();
  check_heard ("attach1:10=1 ");        /* and the main loop does not read it */
  bp_msi_source_set (s, 0x20, 2);
  bp_msi_source_set (s, 0x20, 2);
  check_heard ("change1:20=2 ");
  accel->changes = false;
  bp_msi_source_set (s, 0x30, 3);
  check_heard ("detach1 attach2:30=3 ");
  bp_msi_source_mask (s, true);
  bp_msi_source_set (s, 0x40, 4);
  check_heard ("detach2 ");
  bp_msi_source_mask (s, false);
  check_heard ("attach3:40=4 ");
  accel->attaches = false;      /* it has no room any more: the main loop goes on */
  bp_msi_source_set (s, 0x50, 5);
  check_heard ("detach3 accel:50=5 ");
  accel->attaches = true;       /* and back */
  bp_msi_source_set (s, 0x60, 6);
  check_heard ("attach4:60=6 ");
  bp_msi_source_free (s);
  check_heard ("detach4 ");
  ck_assert_uint_eq (accel->n_attached, 0);
}
END_TEST

/* Someone else has read it between the poll and the call: the main loop does not stand still, even where reading would wait. */
START_TEST (blocking_eventfd)
{
  add (&chip_type, "chip");
  int slow = eventfd (0, EFD_CLOEXEC);
  BpMsiSource *s = bp_msi_source_new (&machine, slow, 0x10, 1);
  const uint64_t one = 1;
  ck_assert_int_eq (write (slow, &one, sizeof one), sizeof one);
  check_heard ("chip:10=1 ");
  check_heard ("");
  bp_msi_source_free (s);
  close (slow);
}
END_TEST

int
main (void)
{
  Suite *s = suite_create ("msi");
  TCase *c = tcase_create ("messages");
  tcase_add_checked_fixture (c, setup, teardown);
  tcase_add_test (c, nobody_takes_it);
  tcase_add_test (c, first_of_several);
  tcase_add_test (c, accelerator_first);
  tcase_add_test (c, main_loop_sends);
  tcase_add_test (c, accelerator_sends);
  tcase_add_test (c, blocking_eventfd);
  suite_add_tcase (s, c);
  return suite_run (s);
}

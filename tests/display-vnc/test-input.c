/* test-input.c -- what people type and point at reaches the guest as keys of a US keyboard: keysyms, scan codes, shift, several clients, pointers. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "vnc-test.h"
#include "../suite.h"
#include <rfb/keysym.h>
#include <string.h>
#include <unistd.h>

static const int32_t with_scan_codes[] = { 0, -258 };

/* What the guest is told of it. */
static void
expect (void (*act) (void *user), void *user, const char *what)
{
  g_string_truncate (typed, 0);
  aside (act, user);
  run_main (100);
  ck_assert_str_eq (typed->str, what);
}

/* The steps are "+65 -65 s+30 p10,20,1", numbers in decimal. */
static void
follow (Client *c, const char *steps)
{
  int a, b, m;
  char **all = g_strsplit (steps, " ", -1);
  for (char **s = all; *s; s++) {
    if (sscanf (*s, "p%d,%d,%d", &a, &b, &m) == 3)
      client_pointer (c, (unsigned) a, (unsigned) b, (unsigned) m);
    else if (**s == 's')
      client_scan (c, (uint32_t) atoi (*s + 2), (*s)[1] == '+');
    else if (g_ascii_isdigit ((*s)[1]))
      client_key (c, (uint32_t) atoi (*s + 1), **s == '+');
    else
      client_key (c, (uint8_t) (*s)[1], **s == '+');
  }
  g_strfreev (all);
}

static void
act (void *user)
{
  Client c;
  ck_assert (client_open (&c, NULL, true));
  client_encodings (&c, 2, with_scan_codes);
  client_request (&c, false);
  do
    ck_assert (client_update (&c));
  while (!c.saw_scan_codes);
  follow (&c, user);
  client_request (&c, false);   /* when this is answered all was taken */
  ck_assert (client_update (&c));
  client_close (&c);
}

static void
expect_steps (const char *steps, const char *what)
{
  vnc_start ("");
  expect (act, (void *) steps, what);
  vnc_stop ();
}

START_TEST (characters_are_keys)
{
  expect_steps ("+a -a", "+30 -30 ");
  expect_steps ("+65293 -65293 +65505 +A -A -65505", "+28 -28 +42 +30 -30 -42 ");
  expect_steps ("+65505 +! -! -65505", "+42 +2 -2 -42 ");
}
END_TEST

START_TEST (shift_is_what_a_character_needs)
{
  expect_steps ("+A -A", "+42 +30 -42 -30 ");                           /* caps lock at the client's */
  expect_steps ("+65505 +/ -/ -65505", "+42 -42 +53 +42 -53 -42 ");     /* shift and 7 in Germany */
  expect_steps ("+65506 +/ -/ -65506", "+54 -54 +53 +54 -53 -54 ");
  expect_steps ("+65027 +@ -@ -65027", "+42 +3 -42 -3 ");               /* AltGr */
  expect_steps ("+65507 +C -C -65507", "+29 +46 -46 -29 ");             /* control counts places */
  expect_steps ("+65505 +32 -32 -65505", "+42 +57 -57 -42 ");
}
END_TEST

START_TEST (releases_are_found)
{
  expect_steps ("+65505 +A -65505 -a", "+42 +30 -42 -30 ");             /* shift went first */
  expect_steps ("+a", "+30 -30 ");                                      /* the client left */
  expect_steps ("+a +a +a -a -a", "+30 +30 +30 -30 ");                  /* it repeats */
  expect_steps ("-a -65505 -65293", "");
  expect_steps ("+228 -228 +16777216 -16777216 +4294967295 -4294967295", "");  /* no keys */
}
END_TEST

START_TEST (scan_codes_are_places)
{
  expect_steps ("s+16 s-16", "+16 -16 ");
  expect_steps ("s+200 s-200 s+86 s-86 s+156 s-156", "+103 -103 +86 -86 +96 -96 ");
  expect_steps ("s+42 s+30 s-30 s-42", "+42 +30 -30 -42 ");
  expect_steps ("s+30 +b -b s-30", "+30 +48 -48 -30 ");
}
END_TEST

START_TEST (a_mouse_moves_by_steps)
{
  expect_steps ("p10,10,0 p13,8,0 p13,8,1 p14,8,1 p14,8,0", "rel 3,-2,0,0 rel 0,0,0,1 rel 1,0,0,1 rel 0,0,0,0 ");
  expect_steps ("p5,5,6 p5,5,0", "rel 0,0,0,6 rel 0,0,0,0 ");           /* middle and right change their places */
  expect_steps ("p5,5,8 p5,5,0 p5,5,16 p5,5,0", "rel 0,0,-1,0 rel 0,0,1,0 ");
  expect_steps ("p5,5,1", "rel 0,0,0,1 rel 0,0,0,0 ");                  /* the client left */
}
END_TEST

START_TEST (a_tablet_goes_there)
{
  input_kinds = BP_INPUT_KEYS | BP_INPUT_RELATIVE | BP_INPUT_ABSOLUTE;
  vnc_start ("");
  expect (act, (void *) "p0,0,0 p63,47,4 p63,47,0 p500,9,0", "abs 0,0,0,0 abs 32767,32767,0,2 abs 32767,32767,0,0 abs 32767,6274,0,0 ");
  vnc_stop ();
}
END_TEST

START_TEST (who_only_looks_types_nothing)
{
  vnc_start ("view-only = on\n");
  expect (act, (void *) "+a -a s+16 s-16 p1,1,1 p9,9,0", "");
  vnc_stop ();
}
END_TEST

static void
two_hold_a_key (void *user)
{
  Client a, b;
  ck_assert (client_open (&a, NULL, true));
  ck_assert (client_open (&b, NULL, true));
  client_key (&a, 'x', true);
  g_usleep (50000);
  client_key (&b, 'x', true);
  g_usleep (50000);
  client_key (&a, 'x', false);
  g_usleep (50000);
  bp_machine_lock (vnc_machine ());
  g_string_append (typed, "| ");
  bp_machine_unlock (vnc_machine ());
  client_close (&a);
  client_close (&b);
  g_usleep (100000);
}

START_TEST (a_key_is_up_when_nobody_holds_it)
{
  vnc_start ("");
  expect (two_hold_a_key, NULL, "+45 +45 | -45 ");
  vnc_stop ();
}
END_TEST

static void
flood (void *user)
{
  Client c;
  ck_assert (client_open (&c, NULL, true));
  for (unsigned i = 0; i < 20000; i++)
    client_pointer (&c, i & 63, 1, 0);
  client_close (&c);
}

START_TEST (a_flood_waits)
{
  vnc_start ("");
  aside (flood, NULL);
  for (gint64 end = patience_ends (5); typed->len <= 100000 && g_get_monotonic_time () < end;)
    run_main (20);
  ck_assert_uint_gt (typed->len, 100000);
  vnc_stop ();
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("display-vnc input");
  TCase *tc = tcase_create ("all");
  tcase_set_timeout (tc, 120);
  tcase_add_test (tc, characters_are_keys);
  tcase_add_test (tc, shift_is_what_a_character_needs);
  tcase_add_test (tc, releases_are_found);
  tcase_add_test (tc, scan_codes_are_places);
  tcase_add_test (tc, a_mouse_moves_by_steps);
  tcase_add_test (tc, a_tablet_goes_there);
  tcase_add_test (tc, who_only_looks_types_nothing);
  tcase_add_test (tc, a_key_is_up_when_nobody_holds_it);
  tcase_add_test (tc, a_flood_waits);
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}

/* test-screen-edid.c -- what an adapter's monitor says of itself: checksum, preferred timing, names. */
/* SPDX-License-Identifier: MIT */
#include "../suite.h"
#include <check.h>
#include <backplane/iface/screen.h>
#include <stdlib.h>
#include <string.h>

static unsigned
sum (const uint8_t *edid)
{
  unsigned s = 0;
  for (unsigned i = 0; i < BP_SCREEN_EDID_SIZE; i++)
    s += edid[i];
  return s & 255;
}

/* CVT 1.2 with reduced blanking, as the calculators of VESA have it. */
static const struct { unsigned width, height, khz10, h_blank, v_blank, v_sync; } timings[] = {
  { 1280, 800, 7100, 160, 23, 6 },
  { 1920, 1080, 13850, 160, 31, 5 },
  { 1024, 768, 5600, 160, 22, 4 },
  { 1280, 1024, 9100, 160, 30, 7 },
  { 1920, 1200, 15400, 160, 35, 6 },
  { 2560, 1600, 26850, 160, 46, 6 },
};

START_TEST (the_first_timing_is_the_preferred_one)
{
  uint8_t e[BP_SCREEN_EDID_SIZE], *d = e + 54;
  unsigned width = timings[_i].width, height = timings[_i].height;
  bp_screen_edid (e, width, height, 0);
  ck_assert_uint_eq (sum (e), 0);
  ck_assert_int_eq (memcmp (e, "\x00\xff\xff\xff\xff\xff\xff\x00", 8), 0);
  ck_assert_uint_eq (d[2] | (d[4] & 0xf0u) << 4, width);
  ck_assert_uint_eq (d[5] | (d[7] & 0xf0u) << 4, height);
  ck_assert_uint_eq (d[3] | (d[4] & 15u) << 8, timings[_i].h_blank);
  ck_assert_uint_eq (d[6] | (d[7] & 15u) << 8, timings[_i].v_blank);
  ck_assert_uint_eq (d[10] & 15u, timings[_i].v_sync);
  ck_assert_uint_eq (d[0] | d[1] << 8, timings[_i].khz10);
}
END_TEST

static unsigned
refresh_of (const uint8_t *d)
{
  unsigned across = (d[2] | (d[4] & 0xf0u) << 4) + (d[3] | (d[4] & 15u) << 8), down = (d[5] | (d[7] & 0xf0u) << 4) + (d[6] | (d[7] & 15u) << 8);
  return (unsigned) (((d[0] | d[1] << 8) * 10000ull + across * down / 2) / (across * down));
}

START_TEST (every_size_gives_one)
{
  uint8_t e[BP_SCREEN_EDID_SIZE];
  for (unsigned width = 320; width < 4096; width += 56)
    for (unsigned height = 200; height < 4096; height += 97) {
      bp_screen_edid (e, width, height, 0);
      ck_assert_uint_eq (sum (e), 0);
      ck_assert_uint_eq (e[54 + 2] | (e[54 + 4] & 0xf0u) << 4, width);
      ck_assert_uint_eq (e[54 + 5] | (e[54 + 7] & 0xf0u) << 4, height);
      ck_assert_uint_le (refresh_of (e + 54), 60);
      ck_assert_uint_ge (refresh_of (e + 54), 35);
    }
}
END_TEST

START_TEST (its_names_are_text)
{
  uint8_t e[BP_SCREEN_EDID_SIZE];
  bp_screen_edid (e, 1280, 800, 11);
  ck_assert_int_eq (memcmp (e + 90, "\0\0\0\xfc\0" "Backplane\n   ", 18), 0);
  ck_assert_int_eq (memcmp (e + 108, "\0\0\0\xff\0" "12\n          ", 18), 0);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("screen-edid");
  TCase *tc = tcase_create ("all");
  tcase_add_loop_test (tc, the_first_timing_is_the_preferred_one, 0, (int) BP_N_ELEMENTS (timings));
  tcase_add_test (tc, every_size_gives_one);
  tcase_add_test (tc, its_names_are_text);
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}

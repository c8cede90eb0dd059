/* test-palette.c -- code page 437 and the colours of terminals. */
/* SPDX-License-Identifier: MIT */
#include "display-text/code-page.h"
#include "display-text/palette.h"
#include "../suite.h"
#include <check.h>

START_TEST (characters)
{
  for (unsigned c = 0; c < 256; c++) {
    ck_assert_int_ge (code_page_ascii ((uint8_t) c), ' ');
    ck_assert_int_lt (code_page_ascii ((uint8_t) c), 0x7f);
    for (unsigned other = 1; other < c; other++)
      ck_assert_msg (c == 0x20 || c == 0xff || code_page_unicode ((uint8_t) c) != code_page_unicode ((uint8_t) other), "%x is %x", c, other);
    if (c >= ' ' && c < 0x7f) {
      ck_assert_int_eq (code_page_ascii ((uint8_t) c), (int) c);
      ck_assert_int_eq (code_page_unicode ((uint8_t) c), (int) c);
    }
  }
  ck_assert_int_eq (code_page_unicode (0xb3), 0x2502);
  ck_assert_int_eq (code_page_unicode (0xdb), 0x2588);
  ck_assert_int_eq (code_page_unicode (0xe3), 0x03c0);
  ck_assert_int_eq (code_page_unicode (0x01), 0x263a);
  ck_assert_int_eq (code_page_ascii (0xc4), '-');
  ck_assert_int_eq (code_page_ascii (0xba), '|');
}
END_TEST

START_TEST (colours)
{
  ck_assert_int_eq (palette_nearest (0x000000, 256), 16);
  ck_assert_int_eq (palette_nearest (0xffffff, 256), 231);
  ck_assert_int_eq (palette_nearest (0xff0000, 256), 196);
  ck_assert_int_eq (palette_nearest (0x808080, 256), 244);
  ck_assert_int_eq (palette_nearest (0xaa0000, 16), 1);
  ck_assert_int_eq (palette_nearest (0x5555ff, 16), 12);
  ck_assert_int_eq (palette_nearest (0xaa5500, 16), 3);
  ck_assert_int_eq (palette_nearest (0xfefefe, 8), 7);
  for (uint32_t c = 0; c < 0x1000000; c += 0x10101 / 3 + 977) {
    int n = palette_nearest (c, 256);
    ck_assert (n >= 16 && n <= 255);
  }
  ck_assert_uint_gt (palette_brightness (15), palette_brightness (7));
  ck_assert_uint_gt (palette_brightness (7), palette_brightness (8));
  ck_assert_uint_eq (palette_brightness (0), 0);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("palette");
  TCase *all = tcase_create ("all");
  tcase_add_test (all, characters);
  tcase_add_test (all, colours);
  suite_add_tcase (suite, all);
  return suite_run (suite);
}

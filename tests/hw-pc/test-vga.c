/* test-vga.c -- the VGA on PCI and on ISA: BARs, option ROM, what is refused, saved state, and any value in any register. */
/* SPDX-License-Identifier: MIT */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "vga-test.h"

#define FRAME_BUFFER 0xfd000000u
#define REGISTERS 0xfebf0000u
#define ROM 0xfebe0000u

static const char board[] =
  "[memory ram]\ntype = test-ram\nsize = 16M\n"
  "[device host]\ntype = i440fx\nram = ram\npio0 = io@0xcf8\npio1 = io@0xcfc\nmemory = memory@0\nshadow = memory@0xa0000 prio 10\nio = io@0\n"
  "[device vga]\ntype = vga-pci\nbus = host\npio0 = io@0x3b0\npio1 = io@0x1ce\nwindow = memory@0xa0000\n";

/* --- helpers ---------------------------------------------------------------------------------- */

static uint32_t
config_get (Harness *h, unsigned reg, unsigned size)
{
  out32 (h, 0xcf8, 0x80001000u | (reg & 0xfc));
  return (uint32_t) harness_read (h, "io", 0xcfc + (reg & 3), size);
}

static void
config_put (Harness *h, unsigned reg, uint32_t value, unsigned size)
{
  out32 (h, 0xcf8, 0x80001000u | (reg & 0xfc));
  harness_write (h, "io", 0xcfc + (reg & 3), value, size);
}

/* A file with an option ROM of some bytes; the caller removes it. */
static char *
rom_file (const char *start, unsigned size)
{
  char *path = NULL, *image = g_malloc (size);
  memset (image, 0x5a, size);
  memcpy (image, start, MIN (size, strlen (start)));
  int fd = g_file_open_tmp ("rom-XXXXXX", &path, NULL);
  close (fd);
  ck_assert (g_file_set_contents (path, image, size, NULL));
  g_free (image);
  return path;
}

static Harness *
on_pci (const char *rom)
{
  char *ini = rom ? g_strconcat (board, "rom = ", rom, "\n", NULL) : g_strdup (board);
  Harness *h = harness_new (hw_pc (), ini);
  g_free (ini);
  config_put (h, 0x10, FRAME_BUFFER, 4);
  config_put (h, 0x18, REGISTERS, 4);
  config_put (h, 4, 3, 2);
  return h;
}

/* --- PCI, ISA, ROM ------------------------------------------------------------------------------- */

START_TEST (a_function_of_pci)
{
  Harness *h = on_pci (NULL);
  BpScreenFrame f = { .serial = 0 };
  ck_assert_uint_eq (config_get (h, 0, 4), 0x11111234);
  ck_assert_uint_eq (config_get (h, 0x0a, 2), 0x0300);
  config_put (h, 0x10, 0xffffffff, 4);
  config_put (h, 0x18, 0xffffffff, 4);
  config_put (h, 0x30, 0xffffffff, 4);
  ck_assert_uint_eq (config_get (h, 0x10, 4), 0xff000008);
  ck_assert_uint_eq (config_get (h, 0x18, 4), 0xfffff000);
  ck_assert_uint_eq (config_get (h, 0x30, 4), 0);
  config_put (h, 0x10, FRAME_BUFFER, 4);
  config_put (h, 0x18, REGISTERS, 4);
  vbe_set (h, 640, 480, 32);
  write32 (h, FRAME_BUFFER + 4, 0xabcdef);
  screen_update (h, &f);
  ck_assert_pixel (&f, 1, 0, 0xabcdefu);
  bp_screen_frame_clear (&f);
  harness_free (h);
}
END_TEST

START_TEST (registers_are_in_memory_too)
{
  Harness *h = on_pci (NULL);
  ck_assert_uint_eq (harness_read (h, "memory", REGISTERS + 0x500, 2), 0xb0c5);
  harness_write (h, "memory", REGISTERS + 0x502, 800, 2);
  ck_assert_uint_eq (vbe_get (h, WIDTH), 800);
  harness_write (h, "memory", REGISTERS + 0x400 + 0x3c2 - 0x3c0, 0x67, 1);
  ck_assert_uint_eq (in8 (h, 0x3cc), 0x67);
  harness_write (h, "memory", REGISTERS + 0x400 + 0x3ce - 0x3c0, 0x0405, 2);
  ck_assert_uint_eq (gr_get (h, 5), 0x00);      /* index 5, value 4: a bit that is not there */
  ck_assert_uint_eq (harness_read (h, "memory", REGISTERS + 0x400 + 0x3cc - 0x3c0, 1), 0x67);
  ck_assert_uint_eq (read32 (h, REGISTERS + 0x600), 8);
  ck_assert_uint_eq (read32 (h, REGISTERS + 0x604), 0x1e1e1e1e);
  ck_assert_uint_eq (read32 (h, REGISTERS), 0xffffff00);        /* EDID */
  harness_free (h);
}
END_TEST

START_TEST (the_rom_is_where_its_bar_says)
{
  char *path = rom_file ("\x55\xaa\x50", 40000);
  Harness *h = on_pci (path);
  unlink (path);
  config_put (h, 0x30, 0xfffffffe, 4);
  ck_assert_uint_eq (config_get (h, 0x30, 4), 0xffff0000);
  config_put (h, 0x30, ROM, 4);
  ck_assert_uint_eq (read32 (h, ROM), 0xffffffff);
  config_put (h, 0x30, ROM | 1, 4);
  ck_assert_uint_eq (read32 (h, ROM), 0x5a50aa55);
  ck_assert_uint_eq (read32 (h, ROM + 39996), 0x5a5a5a5a);
  ck_assert_uint_eq (read32 (h, ROM + 40000), 0xffffffff);
  write32 (h, ROM, 0);
  ck_assert_uint_eq (read32 (h, ROM), 0x5a50aa55);
  harness_round_trip (h);
  ck_assert_uint_eq (read32 (h, ROM), 0x5a50aa55);
  config_put (h, 4, 1, 2);
  ck_assert_uint_eq (read32 (h, ROM), 0xffffffff);
  harness_free (h);
  g_free (path);
}
END_TEST

START_TEST (on_isa_the_descriptor_says_where)
{
  char *path = rom_file ("\x55\xaa", 2048);
  char *ini = g_strdup_printf ("[memory ram]\ntype = test-ram\nsize = 1M\n"
                               "[device vga]\ntype = vga-isa\nrom = %s\noption-rom = memory@0xc0000\nlfb = memory@0xe0000000\n", path);
  Harness *h = harness_new (hw_pc (), ini);
  ck_assert_uint_eq (read32 (h, 0xc0000), 0x5a5aaa55);
  ck_assert_uint_eq (read32 (h, 0xe0fffffc), 0);
  ck_assert_uint_eq (read32 (h, 0xe1000000), 0xffffffff);
  harness_free (h);
  unlink (path);
  g_free (path);
  g_free (ini);
}
END_TEST

static void
expect_refusal (const char *sections, const char *text)
{
  char *said = harness_refusal (hw_pc (), sections);
  ck_assert_msg (strstr (said, text) != NULL, "`%s' is not in: %s", text, said);
  g_free (said);
}

START_TEST (what_cannot_be_is_refused)
{
  char *path = rom_file ("no rom", 4096), *large = rom_file ("\x55\xaa", 65537), *ini;
  expect_refusal ("[device vga]\ntype = vga-isa\nvram = 3M\n", "power of two");
  expect_refusal ("[device vga]\ntype = vga-isa\nrom = /nowhere/rom\n", "/nowhere/rom");
  ini = g_strdup_printf ("[device vga]\ntype = vga-isa\nrom = %s\n", path);
  expect_refusal (ini, "is not an option ROM");
  g_free (ini);
  ini = g_strdup_printf ("[device vga]\ntype = vga-isa\nrom = %s\n", large);
  expect_refusal (ini, "is not an option ROM");
  g_free (ini);
  ini = g_strconcat (board, "address = nowhere\n", NULL);
  expect_refusal (ini, "is not a place on a PCI bus");
  g_free (ini);
  unlink (path);
  unlink (large);
  g_free (path);
  g_free (large);
}
END_TEST

/* --- saved state ----------------------------------------------------------------------------------- */

START_TEST (a_loaded_screen_is_the_saved_one)
{
  static const VgaRegisters *const modes[] = { &mode_3, &mode_d, &mode_12, &mode_13 };
  for (unsigned i = 0; i <= 4; i++) {
    Harness *h = vga_new ();
    BpScreenFrame a = { .serial = 0 }, b = { .serial = 0 };
    if (i < 4)
      vga_set (h, modes[i]);
    else
      vbe_set (h, 640, 480, 8);
    for (unsigned n = 0; n < 4000; n++)
      vram_put (h, n, n * 2654435761u);
    if (i == 4)
      vbe_put (h, BANK, 1);
    screen_update (h, &a);
    harness_round_trip (h);
    screen_update (h, &b);
    ck_assert_uint_eq (a.width, b.width);
    ck_assert_int_eq (memcmp (a.pixels, b.pixels, 4 * (size_t) a.width * a.height), 0);
    screen_update (h, &a);                      /* the first to ask goes on as well */
    ck_assert_int_eq (memcmp (a.pixels, b.pixels, 4 * (size_t) a.width * a.height), 0);
    if (i >= 3) {
      poke (h, 0xa0000, 0x77);                  /* the alias is back */
      ck_assert_uint_eq (vram_get (h, i == 4 ? 0x4000 : 0) & 0xff, 0x77);
    }
    bp_screen_frame_clear (&a);
    bp_screen_frame_clear (&b);
    harness_free (h);
  }
}
END_TEST

/* --- any value in any register ------------------------------------------------------------------------ */

static unsigned below (GRand *random, unsigned n) { return (unsigned) g_rand_int_range (random, 0, (int) n); }

static uint16_t
any_value (GRand *random)
{
  static const uint16_t edges[] = { 0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff };
  return below (random, 3) ? (uint16_t) g_rand_int (random) : edges[below (random, G_N_ELEMENTS (edges))];
}

static void
strike (Harness *h, GRand *random)
{
  uint16_t value = any_value (random);
  switch (below (random, 9)) {
  case 0:
    sr_put (h, below (random, 8), (uint8_t) value);
    break;
  case 1:
    gr_put (h, below (random, 16), (uint8_t) value);
    break;
  case 2: case 3:
    cr_put (h, below (random, 26), (uint8_t) value);
    break;
  case 4:
    ar_put (h, below (random, 22), (uint8_t) value);
    break;
  case 5:
    vbe_put (h, below (random, 12), below (random, 2) ? value : value & 0x3ff);
    break;
  case 6:
    out8 (h, (uint16_t) (0x3b0 + below (random, 0x30)), (uint8_t) value);
    in8 (h, (uint16_t) (0x3b0 + below (random, 0x30)));
    break;
  case 7:
    harness_write (h, "memory", 0xa0000 + below (random, 0x20000 - 8), g_rand_int (random), 1u << below (random, 4));
    break;
  default:
    harness_read (h, "memory", 0xa0000 + below (random, 0x20000 - 8), 1u << below (random, 4));
  }
}

/* The two see the same, whenever they ask. */
static void
ask (Harness *h, GRand *random, BpScreenFrame *a, BpScreenFrame *b)
{
  BpScreenText t = { .columns = 0 };
  screen_update (h, a);
  ck_assert (a->end_row <= a->height && a->first_row <= a->end_row);
  screen_text (h, &t);
  if (below (random, 4))
    return;
  screen_update (h, b);
  ck_assert (a->width == b->width && a->height == b->height);
  ck_assert (!a->pixels || memcmp (a->pixels, b->pixels, 4 * (size_t) a->width * a->height) == 0);
}

/* What was drawn bit by bit is what is drawn at once. */
static void
expect_whole (Harness *h, const BpScreenFrame *a)
{
  BpScreenFrame whole = { .serial = 0 };
  screen_update (h, &whole);
  ck_assert (!a->pixels || memcmp (a->pixels, whole.pixels, 4 * (size_t) a->width * a->height) == 0);
  bp_screen_frame_clear (&whole);
}

START_TEST (any_value_in_any_register)
{
  static const VgaRegisters *const modes[] = { &mode_3, &mode_4, &mode_6, &mode_d, &mode_12, &mode_13 };
  for (unsigned seed = 0; seed < 60; seed++) {
    GRand *random = g_rand_new_with_seed (seed);
    Harness *h = vga_new ();
    BpScreenFrame a = { .serial = 0 }, b = { .serial = 0 };
    vga_set (h, modes[seed % G_N_ELEMENTS (modes)]);
    for (unsigned n = 1; n <= 400; n++) {
      strike (h, random);
      if (n % 25)
        continue;
      ask (h, random, &a, &b);
      expect_whole (h, &a);
      harness_advance (h, below (random, 200) * 1000000);
    }
    harness_round_trip (h);
    ask (h, random, &a, &b);
    bp_screen_frame_clear (&a);
    bp_screen_frame_clear (&b);
    harness_free (h);
    g_rand_free (random);
  }
}
END_TEST

HARNESS_MAIN ("vga", a_function_of_pci, registers_are_in_memory_too, the_rom_is_where_its_bar_says, on_isa_the_descriptor_says_where,
              what_cannot_be_is_refused, a_loaded_screen_is_the_saved_one, any_value_in_any_register)

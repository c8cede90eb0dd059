/* test-fw-cfg.c -- firmware configuration: numbered items, the directory of files, DMA, and what a guest may get wrong. */
/* SPDX-License-Identifier: MIT */
#include "hw-pc-test.h"
#include <backplane/iface/cmos.h>
#include <backplane/iface/firmware-config.h>
#include <glib/gstdio.h>
#include <string.h>

#define CFG "[device cfg]\ntype = fw-cfg\npio0 = io@0x510\npio1 = io@0x514\nram = ram\n"
#define RAM "[memory ram]\ntype = test-ram\nsize = 3M\n[map ram]\nregion = ram\nat = memory@0\n"

static void
read_item (Harness *h, uint16_t selector, void *to, unsigned size)
{
  out16 (h, 0x510, selector);
  for (unsigned i = 0; i < size; i++)
    ((uint8_t *) to)[i] = in8 (h, 0x511);
}

static uint32_t
big (const uint8_t *at, unsigned size)
{
  uint32_t value = 0;
  for (unsigned i = 0; i < size; i++)
    value = value << 8 | at[i];
  return value;
}

/* The selector of a file and its size; 0: not there. */
static uint16_t
find (Harness *h, const char *name, uint32_t *size)
{
  uint8_t bytes[4 + 16 * 64];
  read_item (h, 0x19, bytes, sizeof bytes);
  for (uint32_t i = 0; i < big (bytes, 4); i++) {
    const uint8_t *entry = bytes + 4 + 64 * i;
    if (strcmp ((const char *) entry + 8, name) == 0) {
      *size = big (entry, 4);
      return (uint16_t) big (entry + 4, 2);
    }
  }
  return 0;
}

static void
put_request (Harness *h, uint64_t at, uint32_t control, uint32_t length, uint64_t address)
{
  uint32_t words[4] = { control, length, (uint32_t) (address >> 32), (uint32_t) address };
  for (unsigned i = 0; i < 4; i++)
    write32 (h, at + 4 * i, GUINT32_SWAP_LE_BE (words[i]));
}

/* Returns the control word that is left. */
static uint32_t
dma (Harness *h, uint32_t control, uint32_t length, uint64_t address)
{
  put_request (h, 0x1000, control, length, address);
  out32 (h, 0x514, 0);
  out32 (h, 0x518, GUINT32_SWAP_LE_BE (0x1000));
  return GUINT32_SWAP_LE_BE (read32 (h, 0x1000));
}

/* --- items ---------------------------------------------------------------------------------- */

START_TEST (counts)
{
  Harness *h = harness_new (hw_pc (), CFG RAM "[cpu]\ntype = test-cpu\ncount = 2\n");
  uint8_t bytes[8];
  read_item (h, 0x00, bytes, 5);
  ck_assert_mem_eq (bytes, "QEMU", 5);          /* past the end zeros */
  read_item (h, 0x01, bytes, 4);
  ck_assert_uint_eq (bytes[0], 3);
  read_item (h, 0x05, bytes, 2);
  ck_assert_uint_eq (bytes[0], 2);
  read_item (h, 0x03, bytes, 4);
  ck_assert_mem_eq (bytes, "\0\0\x30\0", 4);
  read_item (h, 0x0e, bytes, 2);
  ck_assert_uint_eq (bytes[0], 0);
  read_item (h, 0x1fff, bytes, 8);
  ck_assert_mem_eq (bytes, "\0\0\0\0\0\0\0\0", 8);
  harness_free (h);
}
END_TEST

START_TEST (reads_go_on_after_a_load)
{
  Harness *h = harness_new (hw_pc (), CFG RAM);
  uint8_t bytes[2];
  read_item (h, 0x00, bytes, 2);
  harness_round_trip (h);
  ck_assert_uint_eq (in8 (h, 0x511), 'M');
  harness_free (h);
}
END_TEST

/* --- files ---------------------------------------------------------------------------------- */

START_TEST (files_by_name)
{
  g_autofree char *path = g_strdup_printf ("%s/fw-cfg-%d", g_get_tmp_dir (), (int) getpid ());
  ck_assert (g_file_set_contents (path, "a key", -1, NULL));
  g_autofree char *text = g_strdup_printf (CFG "files = opt/org.example/key=%s\nboot-order = /a/b, HALT\n" RAM, path);
  Harness *h = harness_new (hw_pc (), text);
  uint8_t bytes[64];
  uint32_t size;
  uint16_t key = find (h, "opt/org.example/key", &size), order;
  ck_assert_uint_ge (key, 0x20);
  ck_assert_uint_eq (size, 5);
  read_item (h, key, bytes, 5);
  ck_assert_mem_eq (bytes, "a key", 5);
  order = find (h, "bootorder", &size);
  ck_assert_uint_lt (order, key);               /* sorted */
  read_item (h, order, bytes, size);
  ck_assert_str_eq ((char *) bytes, "/a/b\nHALT");
  harness_free (h);
  g_unlink (path);
}
END_TEST

START_TEST (the_memory_map_is_a_file)
{
  Harness *h = harness_new (hw_pc (), CFG RAM "[device host]\ntype = i440fx\nram = ram2\nfirmware = cfg\nmemory = memory@0 prio -5\n"
                                      "[memory ram2]\ntype = test-ram\nsize = 3M\n");
  uint32_t size;
  uint8_t bytes[20];
  uint16_t map = find (h, "etc/e820", &size);
  ck_assert_uint_eq (size, 20);
  read_item (h, map, bytes, 20);
  ck_assert_mem_eq (bytes, "\0\0\0\0\0\0\0\0" "\0\0\x30\0\0\0\0\0" "\1\0\0\0", 20);
  harness_reset (h, BP_RESET_WARM);             /* made again, not made longer */
  find (h, "etc/e820", &size);
  ck_assert_uint_eq (size, 20);
  harness_free (h);
}
END_TEST

START_TEST (what_cannot_be_added)
{
  g_autoptr (GError) error = NULL;
  Harness *h = harness_new (hw_pc (), CFG RAM);
  void *cfg = harness_object (h, "cfg");
  const BpFirmwareConfigIface *t = bp_object_interface (cfg, BP_FIRMWARE_CONFIG_ID);
  ck_assert (!t->add_file (cfg, "late", "x", 1, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "comes too late"));
  harness_free (h);
  g_autofree char *none = harness_refusal (hw_pc (), CFG "files = opt/nothing=/no/such/file\n" RAM);
  ck_assert_ptr_nonnull (strstr (none, "/no/such/file"));
  g_autofree char *bare = harness_refusal (hw_pc (), CFG "files = opt/nothing\n" RAM);
  ck_assert_ptr_nonnull (strstr (bare, "is not NAME=PATH"));
  g_autofree char *twice = harness_refusal (hw_pc (), CFG "files = opt/a=/dev/null, opt/a=/dev/null\n" RAM);
  ck_assert_ptr_nonnull (strstr (twice, "is there already"));
  g_autofree char *longer = harness_refusal (hw_pc (), CFG "files = opt/0123456789012345678901234567890123456789012345678901234=/dev/null\n" RAM);
  ck_assert_ptr_nonnull (strstr (longer, "55 characters"));
}
END_TEST

/* --- DMA -------------------------------------------------------------------------------------- */

START_TEST (dma_reads_and_skips)
{
  Harness *h = harness_new (hw_pc (), CFG RAM);
  ck_assert_uint_eq (in32 (h, 0x514), GUINT32_SWAP_LE_BE (0x51454d55));
  ck_assert_uint_eq (in32 (h, 0x518), GUINT32_SWAP_LE_BE (0x20434647));
  ck_assert_uint_eq (dma (h, 0x0000000a, 4, 0x2000), 0);        /* select 0 and read */
  ck_assert_uint_eq (read32 (h, 0x2000), 0x554d4551);
  ck_assert_uint_eq (dma (h, 0x0000000c, 2, 0), 0);             /* select 0 and skip */
  write32 (h, 0x2000, 0xffffffff);
  ck_assert_uint_eq (dma (h, 0x00000002, 3, 0x2000), 0);
  ck_assert_uint_eq (read32 (h, 0x2000), 0xff00554d);           /* the rest, and zeros */
  harness_free (h);
}
END_TEST

START_TEST (dma_refuses)
{
  Harness *h = harness_new (hw_pc (), CFG RAM);
  ck_assert_uint_eq (dma (h, 0x00000018, 4, 0x2000), 1);        /* nothing is writable */
  ck_assert_uint_eq (dma (h, 0x0000000a, 0xffffffff, 0x300000 - 2), 1); /* out of memory, soon */
  ck_assert_uint_eq (dma (h, 0x00000001, 4, 0x2000), 0);        /* nothing to do */
  out32 (h, 0x514, 0xffffffff);
  out32 (h, 0x518, 0xffffffff);         /* no request there */
  ck_assert_uint_eq (dma (h, 0x0000000a, 4, 0x2000), 0);        /* the high half is 0 again */
  harness_free (h);
  h = harness_new (hw_pc (), CFG "dma = off\n" RAM);
  uint8_t id[4];
  read_item (h, 0x01, id, 4);
  ck_assert_uint_eq (id[0], 1);
  ck_assert_uint_eq (in32 (h, 0x514), 0);
  write32 (h, 0x2000, 0x11223344);
  dma (h, 0x0000000a, 4, 0x2000);
  ck_assert_uint_eq (read32 (h, 0x2000), 0x11223344);
  harness_free (h);
}
END_TEST

/* --- what others bring ------------------------------------------------------------------------ */

START_TEST (items_from_others)
{
  Harness *h = harness_new (hw_pc (), CFG RAM);
  void *cfg = harness_object (h, "cfg");
  BpLink link = { cfg, bp_object_interface (cfg, BP_FIRMWARE_CONFIG_ID) };
  g_autoptr (GBytes) kernel = g_bytes_new_static ("vmlinuz", 7), other = g_bytes_new_static ("xy", 2);
  uint8_t bytes[8];
  ck_assert (bp_firmware_config_set_item (&link, 0x11, kernel));
  read_item (h, 0x11, bytes, 8);
  ck_assert_mem_eq (bytes, "vmlinuz", 8);
  ck_assert (bp_firmware_config_set_item (&link, 0x11, other));
  read_item (h, 0x11, bytes, 3);
  ck_assert_mem_eq (bytes, "xy", 3);
  ck_assert_uint_eq (dma (h, 0x0011000a, 3, 0x2000), 0);
  ck_assert_uint_eq (read32 (h, 0x2000), 0x7978);
  ck_assert (bp_firmware_config_set_item (&link, 0x11, NULL));
  read_item (h, 0x11, bytes, 2);
  ck_assert_mem_eq (bytes, "\0\0", 2);
  ck_assert (!bp_firmware_config_set_item (&link, 0x00, other));        /* the signature is its own */
  ck_assert (!bp_firmware_config_set_item (&link, 0x19, other));
  ck_assert (!bp_firmware_config_set_item (&link, 0x8000, other));
  ck_assert_ptr_null (bp_firmware_config_file (&link, "no such"));
  harness_free (h);
}
END_TEST

/* One that the configuration links to as well, so that one of the two is realized before the other. */
typedef struct Mutual {
  BpLink firmware;
} Mutual;

static bool
mutual_realize (void *self, GError **error)
{
  return bp_firmware_config_add_file (&((Mutual *) self)->firmware, "opt/mutual", "x", 1, error);
}

static const BpCmosIface mutual_cmos = { .struct_size = sizeof mutual_cmos };
static const BpInterfaceDesc mutual_interfaces[] = { { BP_CMOS_ID, &mutual_cmos }, { NULL, NULL } };
static const BpProperty mutual_properties[] = { BP_PROP_LINK ("firmware", Mutual, firmware, BP_FIRMWARE_CONFIG_ID, 0, "The configuration."), BP_PROP_END };
static const BpTypeDesc mutual_type = { BP_TYPE ("mutual", BP_KIND_DEVICE, Mutual), .description = "adds a file", .properties = mutual_properties,
                                        .interfaces = mutual_interfaces, .realize = mutual_realize };

START_TEST (files_of_whoever_is_realized_first)
{
  g_autoptr (GPtrArray) types = g_ptr_array_new ();
  for (const BpTypeDesc *const *t = hw_pc (); *t; t++)
    g_ptr_array_add (types, (void *) *t);
  g_ptr_array_add (types, (void *) &mutual_type);
  g_ptr_array_add (types, NULL);
  for (unsigned first = 0; first < 2; first++) {
    const char *cfg = CFG "cmos = m\n", *mutual = "[device m]\ntype = mutual\nfirmware = cfg\n";
    g_autofree char *text = g_strconcat (first ? mutual : cfg, first ? cfg : mutual, RAM, NULL);
    Harness *h = harness_new ((const BpTypeDesc *const *) types->pdata, text);
    uint32_t size;
    ck_assert_uint_ge (find (h, "opt/mutual", &size), 0x20);
    harness_free (h);
  }
}
END_TEST

static uint8_t
cmos (Harness *h, uint8_t index)
{
  out8 (h, 0x70, index);
  return in8 (h, 0x71);
}

START_TEST (set_up_memory_says_what_to_start)
{
  Harness *h = harness_new (hw_pc (), CFG "cmos = rtc\nboot = cdrom, disk, floppy\ncheck-floppy = off\n" RAM "[device rtc]\ntype = mc146818\npio0 = io@0x70\n"
                                      "[cpu]\ntype = test-cpu\ncount = 2\n");
  ck_assert_uint_eq (cmos (h, 0x3d), 0x23);
  ck_assert_uint_eq (cmos (h, 0x38), 0x11);
  ck_assert_uint_eq (cmos (h, 0x5f), 1);
  harness_free (h);
  g_autofree char *unknown = harness_refusal (hw_pc (), CFG "boot = tape\n" RAM);
  ck_assert_ptr_nonnull (strstr (unknown, "`tape' is not right"));
  g_autofree char *many = harness_refusal (hw_pc (), CFG "boot = disk, floppy, cdrom, network\n" RAM);
  ck_assert_ptr_nonnull (strstr (many, "up to three"));
}
END_TEST

HARNESS_MAIN ("fw-cfg", counts, reads_go_on_after_a_load, files_by_name, the_memory_map_is_a_file, what_cannot_be_added, dma_reads_and_skips,
              dma_refuses, items_from_others, files_of_whoever_is_realized_first, set_up_memory_says_what_to_start)

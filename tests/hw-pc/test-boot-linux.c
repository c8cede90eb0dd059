/* test-boot-linux.c -- what a Linux kernel is given: directly, with ACPI tables, and by way of the firmware. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/boot.h>
#include <backplane/iface/firmware-config.h>
#include <glib/gstdio.h>
#include <string.h>
#include "hw-pc-test.h"

enum { SETUP_SIZE = 5 * 512, CODE_SIZE = 0x3000, ZERO_PAGE = 0x10000 };

/* A bzImage of protocol 2.15 that wants to be at 4 MiB and can be moved. */
static char *
kernel (void)
{
  uint8_t file[SETUP_SIZE + CODE_SIZE] = { [0x1f1] = SETUP_SIZE / 512 - 1, [0x1f4] = (CODE_SIZE / 16) & 0xff, [0x1f5] = (CODE_SIZE / 16) >> 8, [0x1fe] = 0x55, 0xaa,
                                           [0x200] = 0xeb, 0x6a, 'H', 'd', 'r', 'S', 0x0f, 0x02, [0x211] = 1, [0x22c] = 0xff, 0xff, 0xff, 0x7f,
                                           [0x232] = 0x20, [0x234] = 1, [0x238] = 0xff, 7, [0x25a] = 0x40, [0x261] = 0x40 };
  memset (file + SETUP_SIZE, 0xc1, CODE_SIZE);
  return harness_file ("kernel", file, sizeof file);
}

static Harness *
start (const char *boot)
{
  g_autofree char *image = kernel (), *initrd = harness_file ("initrd", "the first disk", 14);
  g_autofree char *text = g_strdup_printf (
    "[memory ram]\ntype = test-ram\nsize = 16M\n[cpu]\ntype = test-cpu\n"
    "[device host]\ntype = i440fx\nram = ram\nmemory = memory@0\nshadow = memory@0xa0000 prio 10\nio = io@0\npio0 = io@0xcf8\npio1 = io@0xcfc\n"
    "[device pm]\ntype = piix4-pm\nbus = host\npio0 = io@0xb2\n"
    "[device fw]\ntype = fw-cfg\nram = ram\npio0 = io@0x510\npio1 = io@0x514\n[device acpi]\ntype = acpi-tables\nfirmware = fw\nram = ram\n"
    "[boot]\ntype = boot-linux\ncpu = cpu0\nram = ram\nfirmware = fw\nkernel = %s\ninitrd = %s\nappend = tell me more vga=0x317\n%s", image, initrd, boot);
  return harness_new (hw_pc (), text);
}

static void
load (Harness *h)
{
  void *boot = harness_object (h, "boot");
  const BpBootIface *t = bp_object_interface (boot, BP_BOOT_ID);
  GError *error = NULL;
  bp_machine_lock (harness_machine (h));
  ck_assert_msg (t->check (boot, &error) && t->load (boot, &error), "%s", error ? error->message : "");
  bp_machine_unlock (harness_machine (h));
}

static uint64_t read64 (Harness *h, uint64_t address) { return harness_read (h, "memory", address, 8); }

/* --- directly ----------------------------------------------------------------------------------------- */

START_TEST (the_zero_page_knows_memory_and_tables)
{
  Harness *h = start ("");
  load (h);
  const BpX86State *s = harness_cpu_state (h, "cpu0");
  ck_assert_uint_eq (s->rip, 0x400000);
  ck_assert_uint_eq (s->gpr[BP_X86_RSI], ZERO_PAGE);
  ck_assert_uint_eq (read32 (h, 0x400000), 0xc1c1c1c1);
  uint32_t rsdp = read32 (h, ZERO_PAGE + 0x70), n = read32 (h, ZERO_PAGE + 0x1e8) & 0xff;
  ck_assert_uint_eq (rsdp, 0xf0000);
  ck_assert_uint_eq (read64 (h, rsdp), UINT64_C (0x2052545020445352));  /* "RSD PTR " */
  ck_assert_uint_eq (n, 5);
  uint64_t ram = ZERO_PAGE + 0x2d0 + 3 * 20, tables = ram + 20, xsdt = read64 (h, rsdp + 24);
  ck_assert_uint_eq (read32 (h, ram + 16), 1);
  ck_assert_uint_eq (read64 (h, tables), read64 (h, ram) + read64 (h, ram + 8));
  ck_assert_uint_eq (read64 (h, tables) + read64 (h, tables + 8), 16 << 20);
  ck_assert_uint_eq (read32 (h, tables + 16), 2);
  ck_assert_uint_gt (xsdt, read64 (h, tables));
  uint32_t initrd = read32 (h, ZERO_PAGE + 0x218), size = read32 (h, ZERO_PAGE + 0x21c);
  ck_assert_uint_eq (size, 14);
  ck_assert_uint_lt (initrd + size, read64 (h, tables));
  ck_assert_uint_eq (read32 (h, initrd), 0x20656874);
  ck_assert_uint_eq (in16 (h, 0x604), 0);                       /* power management is where the tables say */
  harness_free (h);
}
END_TEST

/* --- by way of the firmware --------------------------------------------------------------------------------- */

static const GByteArray *
rom (Harness *h)
{
  void *fw = harness_object (h, "fw");
  BpLink link = { fw, bp_object_interface (fw, BP_FIRMWARE_CONFIG_ID) };
  return bp_firmware_config_file (&link, "genroms/boot-linux.bin");
}

/* What its handler does: the requests one after the other. */
static void
play_rom (Harness *h)
{
  const GByteArray *r = rom (h);
  BpAddressSpace *memory = bp_machine_address_space (harness_machine (h), "memory");
  ck_assert (bp_as_write (memory, 0x8000, r->data, r->len));
  for (unsigned i = 0; i < 4; i++) {
    out32 (h, 0x514, 0);
    out32 (h, 0x518, GUINT32_SWAP_LE_BE (0x80a0 + 16 * i));
    ck_assert_uint_eq (read32 (h, 0x80a0 + 16 * i), 0);
  }
}

START_TEST (the_rom_brings_everything)
{
  Harness *h = start ("start = firmware\n");
  const GByteArray *r = rom (h);
  uint8_t sum = 0;
  load (h);
  ck_assert_uint_eq (r->len, 512);
  ck_assert_mem_eq (r->data, "\x55\xaa\x01\xeb", 4);
  for (unsigned i = 0; i < r->len; i++)
    sum = (uint8_t) (sum + r->data[i]);
  ck_assert_uint_eq (sum, 0);
  ck_assert_uint_eq (harness_cpu_state (h, "cpu0")->rip, 0);    /* nobody touched it */
  play_rom (h);
  ck_assert_uint_eq (read32 (h, 0x10202), 0x53726448);          /* HdrS */
  ck_assert_uint_eq (harness_read (h, "memory", 0x10210, 2), 0x81ff);
  ck_assert_uint_eq (harness_read (h, "memory", 0x101fa, 2), 0x317);
  ck_assert_uint_eq (read32 (h, 0x10228), 0x20000);
  ck_assert_uint_eq (read64 (h, 0x20000), UINT64_C (0x20656d206c6c6574));       /* "tell me " */
  ck_assert_uint_eq (read32 (h, 0x100000), 0xc1c1c1c1);
  ck_assert_uint_eq (read32 (h, 0x100000 + CODE_SIZE - 4), 0xc1c1c1c1);
  ck_assert_uint_eq (read32 (h, 0x100000 + CODE_SIZE), 0);
  ck_assert_uint_eq (read32 (h, 0x1021c), 14);
  ck_assert_uint_eq (read32 (h, read32 (h, 0x10218)), 0x20656874);
  ck_assert_uint_le (read32 (h, 0x10218) + 14, (16 << 20) - 0x40000);
  harness_reset (h, BP_RESET_WARM);                             /* and again */
  ck_assert_uint_eq (rom (h)->len, 512);
  write32 (h, 0x100000, 0);
  play_rom (h);
  ck_assert_uint_eq (read32 (h, 0x100000), 0xc1c1c1c1);
  harness_free (h);
}
END_TEST

START_TEST (without_a_kernel_there_is_no_rom)
{
  Harness *h = start ("start = firmware\n[override boot]\nkernel =\n");
  load (h);
  ck_assert_ptr_null (rom (h));
  harness_free (h);
}
END_TEST

START_TEST (a_kernel_that_went_away_is_missed)
{
  Harness *h = start ("start = firmware\n");
  g_autofree char *path = kernel ();
  ck_assert_int_eq (harness_exit_code (h), -1);
  g_unlink (path);
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (rom (h)->len, 0);
  ck_assert_int_eq (harness_exit_code (h), 1);
  harness_free (h);
}
END_TEST

START_TEST (firmware_is_needed)
{
  g_autofree char *refusal = harness_refusal (hw_pc (), "[memory ram]\ntype = test-ram\nsize = 16M\n[cpu]\ntype = test-cpu\n"
                                                        "[boot]\ntype = boot-linux\ncpu = cpu0\nram = ram\nstart = firmware\n");
  ck_assert_ptr_nonnull (strstr (refusal, "start = firmware needs `firmware = ID'"));
}
END_TEST

HARNESS_MAIN ("boot-linux", the_zero_page_knows_memory_and_tables, the_rom_brings_everything, without_a_kernel_there_is_no_rom, a_kernel_that_went_away_is_missed,
              firmware_is_needed)

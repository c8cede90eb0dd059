/* test-boot-multiboot.c -- what a Multiboot kernel finds, and which files are refused. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/interrupt-controller.h>
#include <elf.h>
#include <glib/gstdio.h>
#include <string.h>
#include "hw-pc-test.h"

static void
put32 (uint8_t *p, uint32_t value)
{
  memcpy (p, &value, 4);
}

static void
header (uint8_t *p, uint32_t flags)
{
  put32 (p, 0x1badb002);
  put32 (p + 4, flags);
  put32 (p + 8, -(0x1badb002 + flags));
}

/* An ELF file of 0x2000 bytes whose segment, with 0x800 zeros behind, goes to `address`. */
static void
elf (uint8_t file[0x2000], uint32_t address, uint32_t flags)
{
  memset (file, 0xcc, 0x2000);
  Elf32_Ehdr e = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, 1 }, .e_type = ET_EXEC, .e_machine = EM_386, .e_version = 1,
                   .e_entry = address + 0x40, .e_phoff = sizeof e, .e_ehsize = sizeof e, .e_phentsize = sizeof (Elf32_Phdr), .e_phnum = 1 };
  Elf32_Phdr p = { .p_type = PT_LOAD, .p_offset = 0x1000, .p_vaddr = address, .p_paddr = address, .p_filesz = 0x1000, .p_memsz = 0x1800 };
  memcpy (file, &e, sizeof e);
  memcpy (file + sizeof e, &p, sizeof p);
  header (file + 0x1000, flags);
}

static char *
machine (const char *boot)
{
  return g_strconcat ("[memory ram]\ntype = test-ram\nsize = 16M\n[map ram0]\nregion = ram\nat = memory@0\n[cpu]\ntype = test-cpu\n"
                      "[boot]\ntype = boot-multiboot\ncpu = cpu0\nram = ram\n", boot, NULL);
}

static char *
text_at (Harness *h, uint32_t address)
{
  GString *s = g_string_new (NULL);
  for (char c; (c = (char) harness_read (h, "memory", address++, 1)) != 0 && s->len < 500;)
    g_string_append_c (s, c);
  return g_string_free (s, FALSE);
}

START_TEST (an_elf_kernel_finds_its_information)
{
  uint8_t file[0x2000];
  elf (file, 0x400000, 3);
  char *kernel = harness_file ("kernel", file, sizeof file), *env = harness_file ("env", "NR_CPUS=1\n", 10), *more = harness_file ("more", "xyz", 3);
  char *keys = g_strdup_printf ("kernel = %s\ninitrd = %s\nmodules = %s one two\nappend = -v 2\n", kernel, env, more);
  char *ini = machine (keys);
  Harness *h = harness_new (hw_pc (), ini);
  BpX86State *s = harness_cpu_state (h, "cpu0");
  uint32_t info = (uint32_t) s->gpr[BP_X86_RBX];
  ck_assert_uint_eq (s->gpr[BP_X86_RAX], 0x2badb002);
  ck_assert_uint_eq (s->rip, 0x400040);
  ck_assert_uint_eq (s->cr0 & 0x80000001, 1);
  ck_assert_uint_eq (s->rflags, 2);
  ck_assert_uint_eq (s->segment[BP_X86_CS].limit, 0xffffffff);
  ck_assert (info >= 0x20000 && info < 0xa0000);
  ck_assert_uint_eq (read32 (h, 0x400000), 0x1badb002);
  ck_assert_uint_eq (harness_read (h, "memory", 0x401000, 1), 0);       /* zeros behind the segment */
  ck_assert_uint_eq (read32 (h, info) & 0x24d, 0x24d);
  ck_assert_uint_eq (read32 (h, info + 4), 639);
  ck_assert_uint_eq (read32 (h, info + 8), 15 * 1024);
  char *line = text_at (h, read32 (h, info + 16)), *wanted = g_strdup_printf ("%s -v 2", kernel);
  ck_assert_str_eq (line, wanted);
  ck_assert_uint_eq (read32 (h, info + 20), 2);
  uint32_t module = read32 (h, info + 24), start = read32 (h, module);
  ck_assert_uint_eq (start & 0xfff, 0);
  ck_assert_uint_ge (start, 0x401800);
  ck_assert_uint_eq (read32 (h, module + 4) - start, 10);
  ck_assert_uint_eq (harness_read (h, "memory", start, 1), 'N');
  char *argument = text_at (h, read32 (h, module + 24));
  ck_assert_msg (g_str_has_suffix (argument, "/more one two"), "%s", argument);
  uint64_t available = 0;
  for (uint32_t at = read32 (h, info + 48), end = at + read32 (h, info + 44); at < end; at += read32 (h, at) + 4)
    if (read32 (h, at + 20) == 1)
      available += harness_read (h, "memory", at + 12, 8);
  ck_assert_uint_eq (available, 0x9fc00 + (15 << 20));
  harness_write (h, "memory", 0x400000, 0, 8);
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (read32 (h, 0x400000), 0x1badb002);                 /* loaded again */
  harness_free (h);
  g_free (line), g_free (wanted), g_free (argument), g_free (kernel), g_free (env), g_free (more), g_free (keys), g_free (ini);
}
END_TEST

START_TEST (a_flat_kernel_says_where_it_goes)
{
  uint8_t file[0x1000];
  memset (file, 0x90, sizeof file);
  header (file + 0x20, 0x10000);
  put32 (file + 0x20 + 12, 0x200020);
  put32 (file + 0x20 + 16, 0x200000);
  put32 (file + 0x20 + 20, 0x200800);
  put32 (file + 0x20 + 24, 0x201000);
  put32 (file + 0x20 + 28, 0x200100);
  char *kernel = harness_file ("flat", file, sizeof file), *keys = g_strdup_printf ("kernel = %s\n", kernel), *ini = machine (keys);
  Harness *h = harness_new (hw_pc (), ini);
  ck_assert_uint_eq (harness_cpu_state (h, "cpu0")->rip, 0x200100);
  ck_assert_uint_eq (harness_read (h, "memory", 0x2007ff, 1), 0x90);
  ck_assert_uint_eq (harness_read (h, "memory", 0x200800, 1), 0);
  harness_free (h);
  g_free (kernel), g_free (keys), g_free (ini);
}
END_TEST

/* Vectors 0x08 and 0x70, the timer running and its line open, every real-mode vector at an end of interrupt or an IRET. */
START_TEST (firmware_leaves_its_traces)
{
  uint8_t file[0x2000];
  elf (file, 0x400000, 3);
  char *kernel = harness_file ("traces", file, sizeof file), *chips = g_strdup_printf (
    "kernel = %s\nfirmware-state = on\n[device pic]\ntype = i8259-pair\npio0 = io@0x20\npio1 = io@0xa0\n"
    "[device pit]\ntype = i8254\npio0 = io@0x40\nout0 = pic.in0\n", kernel), *ini = machine (chips);
  Harness *h = harness_new (hw_pc (), ini);
  ck_assert_uint_eq (in8 (h, 0x21), 0xb8);
  ck_assert_uint_eq (in8 (h, 0xa1), 0x8e);
  void *pic = harness_object (h, "pic");
  const BpInterruptControllerIface *t = bp_object_interface (pic, BP_INTERRUPT_CONTROLLER_ID);
  ck_assert_int_eq (t->acknowledge (pic), 0x08);
  out8 (h, 0x20, 0x20);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);
  harness_advance (h, 55 * 1000 * 1000);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 1);
  for (unsigned n = 0; n < 256; n++) {
    uint32_t vector = read32 (h, 4 * n), at = (vector >> 16) * 16 + (vector & 0xffff);
    ck_assert_uint_ge (at, 0x9fc00);
    ck_assert_uint_lt (at, 0xa0000);
    unsigned wanted = n >= 0x08 && n <= 0x0f ? 0x50 : n >= 0x70 && n <= 0x77 ? 0x50 : 0xcf;
    ck_assert_uint_eq (harness_read (h, "memory", at, 1), wanted);
  }
  harness_free (h);
  g_free (kernel), g_free (chips), g_free (ini);
}
END_TEST

/* --- the shutdown status ------------------------------------------------------------------ */

#define CHIPS "[device pic]\ntype = i8259-pair\npio0 = io@0x20\npio1 = io@0xa0\n[device pit]\ntype = i8254\npio0 = io@0x40\nout0 = pic.in0\n" \
  "[device rtc]\ntype = mc146818\npio0 = io@0x70\n"

static Harness *
resumable (const char *name, const char *keys)
{
  uint8_t file[0x2000];
  elf (file, 0x400000, 3);
  char *kernel = harness_file (name, file, sizeof file), *boot = g_strdup_printf ("kernel = %s\n%s" CHIPS, kernel, keys), *ini = machine (boot);
  Harness *h = harness_new (hw_pc (), ini);
  g_free (kernel), g_free (boot), g_free (ini);
  return h;
}

static void
set_status (Harness *h, uint8_t status)
{
  out8 (h, 0x70, 0x0f);
  out8 (h, 0x71, status);
}

static uint8_t
status_of (Harness *h)
{
  out8 (h, 0x70, 0x0f);
  return in8 (h, 0x71);
}

/* The kernel's first word is spoilt, to see whether it was loaded again. */
static bool
reset_loads (Harness *h, BpResetKind kind, uint8_t status)
{
  write32 (h, 0x400000, 0x12345678);
  write32 (h, 0x20, 0x87654321);        /* vector 8 */
  write32 (h, 0x467, 0x12340056);
  set_status (h, status);
  harness_reset (h, kind);
  bool loaded = read32 (h, 0x400000) == 0x1badb002;
  ck_assert_uint_eq (read32 (h, 0x400000), loaded ? 0x1badb002 : 0x12345678);
  ck_assert_uint_eq (harness_cpu_state (h, "cpu0")->cr0 & 1, loaded);
  return loaded;
}

START_TEST (a_reset_with_a_shutdown_status_goes_on)
{
  Harness *h = resumable ("resume", "firmware-state = on\n");
  static const uint8_t jumps[] = { 0x05, 0x0a };
  for (unsigned i = 0; i < BP_N_ELEMENTS (jumps); i++) {
    ck_assert (!reset_loads (h, BP_RESET_WARM, jumps[i]));
    const BpX86State *s = harness_cpu_state (h, "cpu0");
    ck_assert_uint_eq (s->segment[BP_X86_CS].selector, 0x1234);
    ck_assert_uint_eq (s->segment[BP_X86_CS].base, 0x12340);
    ck_assert_uint_eq (s->segment[BP_X86_CS].limit, 0xffff);
    ck_assert_uint_eq (s->segment[BP_X86_CS].attributes, 0x9b);
    ck_assert_uint_eq (s->segment[BP_X86_DS].selector, 0x40);
    ck_assert_uint_ge (s->segment[BP_X86_SS].base, 0x9fc00);
    ck_assert_uint_lt (s->segment[BP_X86_SS].base + s->gpr[BP_X86_RSP], 0xa0000);
    ck_assert_uint_eq (s->rip, 0x56);
    ck_assert_uint_eq (s->rflags, 2);
    ck_assert_uint_eq (s->idtr.base, 0);
    ck_assert_uint_eq (s->idtr.limit, 0x3ff);
    ck_assert_uint_eq (read32 (h, 0x20), 0x87654321);
    ck_assert_uint_eq (in8 (h, 0x21), 0xb8);
    ck_assert_uint_eq (status_of (h), 0);
  }
  harness_reset (h, BP_RESET_WARM);             /* the status counted once */
  ck_assert_uint_eq (read32 (h, 0x400000), 0x1badb002);
  ck_assert_uint_ne (read32 (h, 0x20), 0x87654321);
  harness_free (h);
}
END_TEST

START_TEST (any_other_reset_starts_anew)
{
  Harness *h = resumable ("anew", "firmware-state = on\n");
  static const uint8_t others[] = { 0x00, 0x04, 0x09, 0x0b, 0x0c, 0xfe, 0xff };
  for (unsigned i = 0; i < BP_N_ELEMENTS (others); i++) {
    ck_assert (reset_loads (h, BP_RESET_WARM, others[i]));
    ck_assert_uint_eq (status_of (h), others[i]);
  }
  ck_assert (reset_loads (h, BP_RESET_COLD, 0x0a));
  harness_free (h);
  h = resumable ("anew", "");
  ck_assert (reset_loads (h, BP_RESET_WARM, 0x0a));
  ck_assert_uint_eq (status_of (h), 0x0a);
  harness_free (h);
}
END_TEST

/* mov ax, f000; mov ds, ax; lidt [ffe0]; int3: with an empty table that is a shutdown. */
START_TEST (the_entry_of_the_firmware_resets)
{
  Harness *h = resumable ("entry", "firmware-state = on\n");
  ck_assert_uint_eq (harness_read (h, "memory", 0xffff0, 8), UINT64_C (0x1e010fd88ef000b8));
  ck_assert_uint_eq (read32 (h, 0xffff8) & 0xffffff, 0xccffe0);
  ck_assert_uint_eq (harness_read (h, "memory", 0xfffe0, 8) & UINT64_C (0xffffffffffff), 0);
  harness_free (h);
}
END_TEST

static void
expect_refusal (const uint8_t *file, size_t size, const char *word)
{
  char *kernel = harness_file ("bad", file, size), *keys = g_strdup_printf ("kernel = %s\n", kernel), *ini = machine (keys);
  char *text = harness_refusal (hw_pc (), ini);
  ck_assert_msg (strstr (text, word) && strstr (text, kernel), "instead of `%s': %s", word, text);
  g_free (kernel), g_free (keys), g_free (ini), g_free (text);
}

START_TEST (bad_kernels_are_named)
{
  uint8_t file[0x2000];
  elf (file, 0x400000, 0);
  expect_refusal (file, 0, "not a Multiboot kernel");
  expect_refusal (file, 0x1004, "not a Multiboot kernel");
  expect_refusal (file, 0x1800, "truncated");
  put32 (file + 0x1008, 0);
  expect_refusal (file, sizeof file, "not a Multiboot kernel");
  elf (file, 0x400000, 0x8000);
  expect_refusal (file, sizeof file, "0x8000");
  elf (file, 0x0ffff000, 0);
  expect_refusal (file, sizeof file, "needs RAM");
  elf (file, 0x400000, 0);
  file[EI_CLASS] = ELFCLASS64;
  expect_refusal (file, sizeof file, "32-bit");
  elf (file, 0x400000, 0);
  put32 (file + offsetof (Elf32_Ehdr, e_phoff), 0xfffffff0);
  expect_refusal (file, sizeof file, "truncated");
  elf (file, 0x400000, 0);
  put32 (file + offsetof (Elf32_Ehdr, e_entry), 0x500000);
  expect_refusal (file, sizeof file, "entry point");
  elf (file, 0x400000, 0x10000);
  expect_refusal (file, sizeof file, "entry point");
  put32 (file + 0x1000 + 16, 0xccccccdd);
  expect_refusal (file, sizeof file, "contradict");
  elf (file, 0x400000, 0);
  file[offsetof (Elf32_Ehdr, e_phnum)] = 0;
  expect_refusal (file, sizeof file, "program headers");
}
END_TEST

/* Whatever the bytes are: a refusal or a kernel, and nothing else. */
START_TEST (random_damage_is_harmless)
{
  uint8_t file[0x2000];
  GRand *random = g_rand_new_with_seed (1);
  for (unsigned i = 0; i < 300; i++) {
    elf (file, 0x400000, i & 1 ? 0x10003 : 3);
    for (unsigned n = g_rand_int_range (random, 1, 8); n; n--)
      file[g_rand_boolean (random) ? g_rand_int_range (random, 0, 0x54) : g_rand_int_range (random, 0x1000, 0x1020)] = (uint8_t) g_rand_int (random);
    char *kernel = harness_file ("damaged", file, sizeof file), *keys = g_strdup_printf ("kernel = %s\n", kernel), *ini = machine (keys);
    g_free (harness_refusal (hw_pc (), ini));
    g_free (kernel), g_free (keys), g_free (ini);
  }
  g_rand_free (random);
}
END_TEST

HARNESS_MAIN ("boot-multiboot", an_elf_kernel_finds_its_information, a_flat_kernel_says_where_it_goes, firmware_leaves_its_traces,
              a_reset_with_a_shutdown_status_goes_on, any_other_reset_starts_anew, the_entry_of_the_firmware_resets, bad_kernels_are_named, random_damage_is_harmless)

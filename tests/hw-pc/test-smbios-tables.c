/* test-smbios-tables.c -- SMBIOS structures and their anchor, walked as a reader does; large memories; UUIDs. */
/* SPDX-License-Identifier: MIT */
#include "hw-pc-test.h"
#include <backplane/iface/firmware-config.h>
#include <string.h>

#define MACHINE(ram, more) "[memory ram]\ntype = test-ram\nsize = " ram "\n[device fw]\ntype = fw-cfg\nram = ram\npio0 = io@0x510\n" \
  "[device smbios]\ntype = smbios-tables\nfirmware = fw\nram = ram\n" more "[cpu]\ntype = test-cpu\ncount = 2\n"

static const GByteArray *
file (Harness *h, const char *name)
{
  void *fw = harness_object (h, "fw");
  BpLink link = { fw, bp_object_interface (fw, BP_FIRMWARE_CONFIG_ID) };
  return bp_firmware_config_file (&link, name);
}

static unsigned get16 (const uint8_t *at) { return at[0] | (unsigned) at[1] << 8; }
static uint32_t get32 (const uint8_t *at) { return get16 (at) | (uint32_t) get16 (at + 2) << 16; }

/* Behind a structure's strings. */
static const uint8_t *
next (const uint8_t *at)
{
  at += at[1];
  while (at[0] || at[1])
    at++;
  return at + 2;
}

static const char *
text (const uint8_t *at, unsigned n)
{
  const char *s = (const char *) at + at[1];
  ck_assert_uint_gt (n, 0);
  while (--n)
    s += strlen (s) + 1;
  return s;
}

/* The nth of a type; NULL: there is none. */
static const uint8_t *
find (Harness *h, uint8_t type, unsigned n)
{
  const GByteArray *t = file (h, "etc/smbios/smbios-tables");
  for (const uint8_t *at = t->data; at < t->data + t->len; at = next (at))
    if (at[0] == type && n-- == 0)
      return at;
  return NULL;
}

START_TEST (structures_follow_each_other)
{
  static const struct { uint8_t type, length; } expected[] = {
    { 1, 27 }, { 2, 15 }, { 3, 22 }, { 4, 42 }, { 4, 42 }, { 16, 23 }, { 17, 40 }, { 19, 31 }, { 32, 11 }, { 127, 4 }
  };
  Harness *h = harness_new (hw_pc (), MACHINE ("16M", ""));
  const GByteArray *t = file (h, "etc/smbios/smbios-tables"), *a = file (h, "etc/smbios/smbios-anchor");
  const uint8_t *at = t->data;
  unsigned largest = 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (expected); i++) {
    ck_assert_uint_eq (at[0], expected[i].type);
    ck_assert_uint_eq (at[1], expected[i].length);
    const uint8_t *end = next (at);
    largest = MAX (largest, (unsigned) (end - at));
    at = end;
  }
  ck_assert_ptr_eq (at, t->data + t->len);
  uint8_t sum = 0, inner = 0;
  for (unsigned i = 0; i < 31; i++) {
    sum = (uint8_t) (sum + a->data[i]);
    inner = (uint8_t) (inner + (i >= 16 ? a->data[i] : 0));
  }
  ck_assert_uint_eq (a->len, 31);
  ck_assert_mem_eq (a->data, "_SM_", 4);
  ck_assert_mem_eq (a->data + 16, "_DMI_", 5);
  ck_assert_uint_eq (sum, 0);
  ck_assert_uint_eq (inner, 0);
  ck_assert_uint_eq (get16 (a->data + 8), largest);
  ck_assert_uint_eq (get16 (a->data + 22), t->len);
  ck_assert_uint_eq (get16 (a->data + 28), G_N_ELEMENTS (expected));
  harness_free (h);
}
END_TEST

START_TEST (the_makers_words_are_used)
{
  static const uint8_t uuid[16] = { 0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
  Harness *h = harness_new (hw_pc (), MACHINE ("16M", "manufacturer = Ourselves\nproduct = Box\nserial = 0007\nuuid = 01234567-89AB-cdef-0123-456789abcdef\n"));
  const uint8_t *s = find (h, 1, 0);
  ck_assert_str_eq (text (s, s[4]), "Ourselves");
  ck_assert_str_eq (text (s, s[5]), "Box");
  ck_assert_str_eq (text (s, s[7]), "0007");
  ck_assert_uint_eq (s[26], 0);
  ck_assert_mem_eq (s + 8, uuid, 16);
  out16 (h, 0x510, 2);                                          /* fw_cfg has it in the text's order */
  for (unsigned i = 0; i < 8; i++)
    ck_assert_uint_eq (in8 (h, 0x511), 0x01 + 0x22 * i);
  harness_free (h);
}
END_TEST

START_TEST (uuids_are_checked)
{
  static const char *const wrong[] = { "x", "01234567-89ab-cdef-0123-456789abcde", "01234567-89ab-cdef-0123-456789abcdeff", "0123456-789ab-cdef-0123-456789abcdef",
                                       "01234567--89ab-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdeg" };
  for (unsigned i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autofree char *machine = g_strdup_printf (MACHINE ("16M", "uuid = %s\n"), wrong[i]);
    g_autofree char *refusal = harness_refusal (hw_pc (), machine);
    ck_assert_msg (strstr (refusal, "is not of the form 01234567-"), "%s: %s", wrong[i], refusal);
  }
}
END_TEST

START_TEST (memory_is_told_in_parts)
{
  Harness *h = harness_new (hw_pc (), MACHINE ("16M", ""));
  ck_assert_uint_eq (get32 (find (h, 16, 0) + 7), 16 << 10);
  ck_assert_uint_eq (get16 (find (h, 17, 0) + 12), 16);
  ck_assert_uint_eq (get32 (find (h, 19, 0) + 4), 0);
  ck_assert_uint_eq (get32 (find (h, 19, 0) + 8), (16 << 10) - 1);
  ck_assert_ptr_null (find (h, 19, 1));
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("smbios-tables", structures_follow_each_other, the_makers_words_are_used, uuids_are_checked, memory_is_told_in_parts)

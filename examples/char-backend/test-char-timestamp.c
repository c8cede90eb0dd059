/* test-char-timestamp.c -- a device's output arrives in the file with the time and in the next backend as it is; input comes from there. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/char.h>
#include <backplane/test.h>

/* --- a device: what is written to port 0x10 goes to its backend, and what comes from there is read back --------- */

typedef struct Port {
  BpLink backend;
  BpRegion *pio0;
  uint8_t received;
} Port;

static void
port_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  bp_char_write (&((Port *) self)->backend, (const uint8_t *) &value, size);
}

static uint64_t port_read (void *self, uint64_t offset, unsigned size) { return ((Port *) self)->received; }
static size_t can_receive (void *user) { return 1; }
static void receive (void *user, const uint8_t *data, size_t size) { ((Port *) user)->received = data[0]; }

static bool
port_realize (void *self, GError **error)
{
  static const BpCharHandlers handlers = { .struct_size = sizeof handlers, .can_receive = can_receive, .receive = receive };
  Port *p = self;
  if (bp_char_attach (&p->backend, &handlers, p))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "backend: another device uses it");
  return false;
}

static const BpRegionOps port_ops = BP_REGION_OPS (.read = port_read, .write = port_write, .impl_max = 4);
static const BpRegionDesc port_regions[] = { BP_REGION_DESC ("pio0", Port, pio0, &port_ops, 4, "the port"), BP_REGION_DESC_END };
static const BpProperty port_properties[] = {
  BP_PROP_LINK ("backend", Port, backend, BP_CHAR_ID, BP_PROPERTY_REQUIRED, "Where bytes go."), BP_PROP_END
};
static const BpTypeDesc port_type = { BP_TYPE ("port", BP_KIND_DEVICE, Port), .description = "a port", .properties = port_properties,
                                      .regions = port_regions, .realize = port_realize };
static const BpTypeDesc *const types[] = { &port_type, NULL };

/* --- tests --------------------------------------------------------------------------------------------------- */

#define PORT(name, at) "[device " name "]\ntype = port\npio0 = io@" at "\nbackend = log\n"
#define LOG "[backend log]\nmodule = char-timestamp\ntype = char-timestamp\npath = %s\nnext = terminal\n[backend terminal]\ntype = test-char\n"

static void
say (BpTest *t, const char *text)
{
  for (; *text; text++)
    bp_test_out8 (t, 0x10, (uint8_t) *text);
}

static char *
file_text (const char *path)
{
  char *text = NULL;
  bp_test_expect (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

BP_TEST (stamps_lines)
{
  g_autofree char *path = bp_test_file ("log", "", 0), *sections = g_strdup_printf (PORT ("d", "0x10") LOG, path);
  BpTest *t = bp_test_new (types, sections);
  int64_t start = bp_test_now (t);
  bp_test_advance (t, 1500000000 - start);
  say (t, "one\r\nt");
  g_autofree char *first = file_text (path);
  bp_test_expect_str (first, "[     1.500000] one\n");
  bp_test_advance (t, 1000000);         /* a line has the time of its first byte */
  say (t, "wo\033\n\nthree");
  bp_test_expect_str (bp_test_text (t, "terminal"), "one\r\ntwo\033\n\nthree");
  bp_test_free (t);
  g_autofree char *all = file_text (path);
  bp_test_expect_str (all, "[     1.500000] one\n[     1.500000] two.\n[     1.501000] \n[     1.501000] three\n");
}

BP_TEST (hands_input_on)
{
  g_autofree char *path = bp_test_file ("log", "", 0), *sections = g_strdup_printf (PORT ("d", "0x10") LOG, path);
  BpTest *t = bp_test_new (types, sections);
  bp_test_expect_eq (bp_test_type (t, "terminal", "x", 1), 1);
  bp_test_expect_eq (bp_test_in8 (t, 0x10), 'x');
  bp_test_round_trip (t);
  bp_test_free (t);
}

BP_TEST (writes_endless_lines_in_pieces)
{
  g_autofree char *path = bp_test_file ("log", "", 0), *sections = g_strdup_printf (PORT ("d", "0x10") LOG, path);
  BpTest *t = bp_test_new (types, sections);
  for (unsigned i = 0; i < 5000; i++) {
    if (i == 4096)
      bp_test_advance (t, 2000000000 - bp_test_now (t));        /* each piece has the time of its own first byte */
    bp_test_out8 (t, 0x10, 'x');
  }
  bp_test_free (t);
  g_autofree char *all = file_text (path);
  g_auto (GStrv) lines = g_strsplit (all, "\n", 0);
  bp_test_expect_eq (g_strv_length (lines), 3);
  bp_test_expect_eq (strlen (lines[0]) - 16, 4096);
  bp_test_expect_eq (strlen (lines[1]) - 16, 904);
  bp_test_expect_has (lines[1], "[     2.000000] x");
}

BP_TEST (refuses)
{
  g_autofree char *path = bp_test_file ("log", "", 0);
  g_autofree char *twice = g_strdup_printf (PORT ("d", "0x10") PORT ("e", "0x20") LOG, path), *text = bp_test_refusal (types, twice);
  bp_test_expect_has (text, "another device");
  g_autofree char *nowhere = g_strdup_printf (PORT ("d", "0x10") LOG, "/nowhere/log"), *why = bp_test_refusal (types, nowhere);
  bp_test_expect_has (why, "/nowhere/log");
  g_autofree char *circle = bp_test_refusal (types, PORT ("d", "0x10") "[backend log]\nmodule = char-timestamp\ntype = char-timestamp\npath = x\nnext = more\n"
                                                    "[backend more]\nmodule = char-timestamp\ntype = char-timestamp\npath = y\nnext = log\n");
  bp_test_expect_has (circle, "come back");
}

BP_TEST_MAIN ("char-timestamp", &stamps_lines, &hands_input_on, &writes_endless_lines_in_pieces, &refuses)

/* test-ir-run.c -- runs the .ir files and random blocks on every backend, as written and optimised. */
/* SPDX-License-Identifier: MIT */
/*
 * An .ir file has sections: `# in` a block, `# opt` what the passes make of it (may be missing), `#
 * run` one execution a line: what is set before -> what must hold after.  Items: global=value, [guest
 * address]=32-bit word, plain.offset=32-bit word of the state's scratch bytes (at [env + 0x4058]); after
 * the arrow also exit=number or fault=kind@pc.  Globals that the right side does not name must be as they
 * were.
 */
#include "fake-cpu.h"
#include "ir-random.h"
#ifdef HAVE_HOST_X64
#include "host-x64/host.h"
#include "../suite.h"
#endif
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* --- backends --------------------------------------------------------------------- */

typedef struct Host {
  Backend *backend;
  CodeBuffer buffer;
  bool has_buffer;
} Host;

static Host hosts[] = {
  { .backend = &backend_interp },
#ifdef HAVE_HOST_X64
  { .backend = &backend_x64, .has_buffer = true },
#endif
};

static void
begin_host (Host *host, const BpTcgFrontend *frontend)
{
  GError *error = NULL;
  ck_assert_msg (host->backend->begin (&host->buffer, frontend, &error), "%s", error != NULL ? error->message : "");
}

static void
begin_hosts (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (hosts); i++) {
#ifdef HAVE_HOST_X64
    if (hosts[i].has_buffer)
      ck_assert (code_buffer_init (&hosts[i].buffer, 1 << 20, NULL));
#endif
    begin_host (&hosts[i], &fake_frontend);
  }
}

static void
finish_hosts (void)
{
#ifdef HAVE_HOST_X64
  for (unsigned i = 0; i < G_N_ELEMENTS (hosts); i++)
    if (hosts[i].has_buffer)
      code_buffer_finish (&hosts[i].buffer);
#endif
}

/* --- blocks -------------------------------------------------------------------------- */

static char *
print (const BpIrBlock *ir)
{
  GString *text = g_string_new (NULL);
  ir_print (ir, text);
  return g_string_free (text, FALSE);
}

static void
parse (BpIrBlock *ir, const char *text, const char *where)
{
  GError *error = NULL;
  fake_cpu_block_init (ir);
  ck_assert_msg (ir_parse (ir, text, &error), "%s: %s\n%s", where, error != NULL ? error->message : "", text);
}

static void
verify (const BpIrBlock *ir, const char *where)
{
  GError *error = NULL;
  if (!ir_verify (ir, &error))
    ck_abort_msg ("%s: %s\n%s", where, error->message, print (ir));
}

/* What it leaves out. */
static GArray *
optimise (BpIrBlock *ir)
{
  static GArray *recoveries;
  if (recoveries == NULL)
    recoveries = g_array_new (false, false, sizeof (TbRecovery));
  opt_fold (ir);
  opt_flags (ir);
  opt_liveness (ir);
  opt_recover (ir, recoveries);
  return recoveries;
}

/* --- .ir files ------------------------------------------------------------------------- */

static const BpIrGlobal *
find_global (const char *name)
{
  for (unsigned i = 0; i < fake_frontend.n_globals; i++)
    if (strcmp (fake_frontend.globals[i].name, name) == 0)
      return &fake_frontend.globals[i];
  return NULL;
}

/* The memory that an item names, and its size. */
static void *
item_place (FakeCpu *cpu, const char *name, size_t *size)
{
  const BpIrGlobal *global = find_global (name);
  *size = global != NULL && global->type == BP_IR_I64 ? 8 : 4;
  if (global != NULL)
    return (uint8_t *) cpu + global->offset;
  if (name[0] == '[')
    return cpu->memory + (strtoul (name + 1, NULL, 0) - FAKE_MEMORY_BASE) % FAKE_MEMORY_SIZE;
  if (g_str_has_prefix (name, "plain."))
    return cpu->state.plain + strtoul (name + 6, NULL, 0) % 64;
  return NULL;
}

static void
apply_items (FakeCpu *cpu, const char *items, const char *where)
{
  char **list = g_strsplit_set (items, " ", -1);
  for (char **item = list; *item; item++) {
    if (**item == '\0')
      continue;
    char *value = strchr (*item, '=');
    ck_assert_msg (value != NULL, "%s: %s", where, *item);
    *value++ = '\0';
    size_t size;
    void *place = item_place (cpu, *item, &size);
    uint64_t number = *value == '-' ? (uint64_t) strtoll (value, NULL, 0) : strtoull (value, NULL, 0);
    if (place != NULL)
      memcpy (place, &number, size);
    else
      ck_assert_msg (strcmp (*item, "exit") == 0 || strcmp (*item, "fault") == 0, "%s: what is %s?", where,
                     *item);
  }
  g_strfreev (list);
}

static char *
outcome_text (const FakeResult *result)
{
  if (result->kind == FAKE_EXIT)
    return g_strdup_printf ("exit=%u", result->number);
  return g_strdup_printf ("fault=%s@0x%x", fake_kind_name (result->kind), (unsigned) result->pc);
}

/* The outcome that the right side of a run asks for; exit=0 unless it says. */
static char *
wanted_outcome (const char *items)
{
  char **list = g_strsplit_set (items, " ", -1), *found = NULL;
  for (char **item = list; *item && found == NULL; item++)
    if (g_str_has_prefix (*item, "exit=") || g_str_has_prefix (*item, "fault="))
      found = g_strdup (*item);
  g_strfreev (list);
  return found != NULL ? found : g_strdup ("exit=0");
}

static void
check_globals (const FakeCpu *cpu, const FakeCpu *wanted, const char *where)
{
  for (unsigned i = 0; i < fake_frontend.n_globals; i++) {
    const BpIrGlobal *g = &fake_frontend.globals[i];
    size_t size = g->type == BP_IR_I64 ? 8 : 4;
    uint64_t is = 0, want = 0;
    memcpy (&is, (const uint8_t *) cpu + g->offset, size);
    memcpy (&want, (const uint8_t *) wanted + g->offset, size);
    ck_assert_msg (is == want, "%s: %s is %#lx, not %#lx", where, g->name, (unsigned long) is,
                   (unsigned long) want);
  }
  ck_assert_msg (memcmp (cpu->state.plain, wanted->state.plain, sizeof cpu->state.plain) == 0,
                 "%s: plain state", where);
  ck_assert_msg (memcmp (cpu->memory, wanted->memory, FAKE_MEMORY_SIZE) == 0, "%s: guest memory", where);
}

static void
run_line (Host *host, const char *in, bool optimised, const char *line, const char *where)
{
  BpIrBlock ir;
  FakeCpu *cpu = fake_cpu_new (), *wanted = fake_cpu_new ();
  char **sides = g_strsplit (line, "->", 2);
  ck_assert_msg (sides[0] != NULL && sides[1] != NULL, "%s: no arrow in: %s", where, line);
  parse (&ir, in, where);
  if (optimised)
    cpu->recoveries = optimise (&ir);
  apply_items (cpu, sides[0], where);
  apply_items (wanted, sides[0], where);
  apply_items (wanted, sides[1], where);
  char *full = g_strdup_printf ("%s on %s%s: %s", where, host->backend->name, optimised ? ", optimised" : "",
                                line);
  FakeResult result = fake_cpu_run (cpu, host->backend, host->has_buffer ? &host->buffer : NULL, &ir);
  char *is = outcome_text (&result), *want = wanted_outcome (sides[1]);
  ck_assert_msg (strcmp (is, want) == 0, "%s: %s", full, is);
  check_globals (cpu, wanted, full);
  g_free (is);
  g_free (want);
  g_free (full);
  g_strfreev (sides);
  bp_ir_block_finish (&ir);
  fake_cpu_free (cpu);
  fake_cpu_free (wanted);
}

static void
check_optimised (const char *in, const char *expected, const char *where)
{
  BpIrBlock ir, want;
  parse (&ir, in, where);
  verify (&ir, where);
  optimise (&ir);
  verify (&ir, where);
  char *is = print (&ir);
  if (expected != NULL) {
    parse (&want, expected, where);
    char *wanted = print (&want);
    ck_assert_msg (strcmp (is, wanted) == 0, "%s: optimised to\n%s\nnot\n%s", where, is, wanted);
    g_free (wanted);
    bp_ir_block_finish (&want);
  }
  g_free (is);
  bp_ir_block_finish (&ir);
}

/* Text of the section, up to the next; NULL when the file has none. */
static char *
section (const char *text, const char *name)
{
  char *head = g_strdup_printf ("# %s\n", name);
  const char *start = g_str_has_prefix (text, head) ? text : NULL;
  if (start == NULL) {
    char *inner = g_strdup_printf ("\n%s", head);
    start = strstr (text, inner);
    start = start != NULL ? start + 1 : NULL;
    g_free (inner);
  }
  char *found = NULL;
  if (start != NULL) {
    start += strlen (head);
    const char *end = strstr (start, "\n# ");
    found = end != NULL ? g_strndup (start, (size_t) (end + 1 - start)) : g_strdup (start);
  }
  g_free (head);
  return found;
}

static void
check_file (const char *path)
{
  char *text;
  ck_assert (g_file_get_contents (path, &text, NULL, NULL));
  char *in = section (text, "in"), *opt = section (text, "opt"), *run = section (text, "run");
  ck_assert_msg (in != NULL, "%s: no section in", path);
  check_optimised (in, opt, path);
  char **lines = g_strsplit (run != NULL ? run : "", "\n", -1);
  for (char **line = lines; *line; line++)
    for (unsigned i = 0; **line && i < G_N_ELEMENTS (hosts); i++)
      for (unsigned optimised = 0; optimised < 2; optimised++)
        run_line (&hosts[i], in, optimised, *line, path);
  g_strfreev (lines);
  g_free (in);
  g_free (opt);
  g_free (run);
  g_free (text);
}

static char *
data_directory (void)
{
  const char *srcdir = g_getenv ("srcdir");
  char *path = g_build_filename (srcdir != NULL ? srcdir : ".", "tests", "accel-tcg", NULL);
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return path;
  g_free (path);
  return g_path_get_dirname (__FILE__);
}

START_TEST (test_files)
{
  char *directory = data_directory ();
  GDir *dir = g_dir_open (directory, 0, NULL);
  ck_assert (dir != NULL);
  unsigned n = 0;
  for (const char *name; (name = g_dir_read_name (dir)) != NULL;) {
    if (!g_str_has_suffix (name, ".ir"))
      continue;
    char *path = g_build_filename (directory, name, NULL);
    check_file (path);
    g_free (path);
    n++;
  }
  ck_assert_uint_gt (n, 0);
  g_dir_close (dir);
  g_free (directory);
}
END_TEST

/* --- random blocks ---------------------------------------------------------------------------- */

static void
check_same (FakeCpu *cpu, const FakeResult *result, FakeCpu *oracle, const FakeResult *wanted,
            const BpIrBlock *ir,
            const char *where)
{
  bool same = result->kind == wanted->kind && result->number == wanted->number && result->pc == wanted->pc
              && result->word == wanted->word && memcmp (&cpu->state, &oracle->state, sizeof cpu->state) == 0
              && memcmp (cpu->memory, oracle->memory, FAKE_MEMORY_SIZE) == 0;
  if (same)
    return;
  char *is = outcome_text (result), *want = outcome_text (wanted);
  g_printerr ("%s\n%s: %s, oracle %s\n", print (ir), where, is, want);
  check_globals (cpu, oracle, where);
  ck_abort_msg ("%s: %s, not %s, or calls differ", where, is, want);
}

/* How a random block is made and run. */
typedef struct Way {
  const BpTcgFrontend *frontend;
  void (*make) (BpIrBlock *ir, uint32_t seed, unsigned size);
  void (*prepare) (FakeCpu *cpu, uint32_t seed);
} Way;

static const Way plain = { &fake_frontend, ir_random, ir_random_state };

static void
check_random (const Way *way, FakeCpu *cpu, FakeCpu *oracle, uint32_t seed)
{
  BpIrBlock ir, again;
  unsigned size = 20 + seed % 90;
  char *where = g_strdup_printf ("seed %u", seed);
  fake_cpu_block_init (&ir);
  way->make (&ir, seed, size);
  verify (&ir, where);
  char *text = print (&ir);
  parse (&again, text, where);
  char *reprinted = print (&again);
  ck_assert_msg (strcmp (text, reprinted) == 0, "%s: printed\n%s\nreparsed\n%s", where, text, reprinted);
  way->prepare (oracle, seed);
  FakeResult wanted = fake_cpu_run (oracle, &backend_interp, NULL, &ir);

  for (unsigned i = 0; i < G_N_ELEMENTS (hosts); i++)
    for (unsigned k = 0; k < (hosts[i].has_buffer ? 4 : 2); k++) {
      bool optimised = k & 1;
      uint64_t flags = k & 2 ? FAKE_PIN_SET : 0;
      char *full = g_strdup_printf ("%s on %s%s%s", where, hosts[i].backend->name, optimised ? ", optimised" : "",
                                    flags ? ", second pin set" : "");
      way->make (&ir, seed, size);
      cpu->recoveries = NULL;
      if (optimised) {
        cpu->recoveries = optimise (&ir);
        verify (&ir, full);
      }
      way->prepare (cpu, seed);
      FakeResult result = fake_cpu_run_flags (cpu, hosts[i].backend, hosts[i].has_buffer ? &hosts[i].buffer : NULL,
                                              &ir, flags);
      ck_assert_msg (cpu->bad_addresses == 0, "%s: an i32 address has more bits", full);
      check_same (cpu, &result, oracle, &wanted, &ir, full);
      g_free (full);
    }
  g_free (text);
  g_free (reprinted);
  g_free (where);
  bp_ir_block_finish (&ir);
  bp_ir_block_finish (&again);
}

/* A quarter of the blocks makes do with what every x86-64 has. */
static void
check_many (const Way *way, uint32_t n)
{
  const char *count = g_getenv ("IR_RANDOM_COUNT"), *first = g_getenv ("IR_RANDOM_FIRST");
  uint32_t start = first != NULL ? (uint32_t) strtoul (first, NULL, 0) : 1;
  n = count != NULL ? (uint32_t) strtoul (count, NULL, 0) : n;
  FakeCpu *cpu = fake_cpu_new (), *oracle = fake_cpu_new ();
  tcg_vcpu (cpu)->frontend = tcg_vcpu (oracle)->frontend = way->frontend;
  for (unsigned i = 0; i < G_N_ELEMENTS (hosts); i++)
    begin_host (&hosts[i], way->frontend);
#ifdef HAVE_HOST_X64
  unsigned features = x64_host.cpu;
#endif
  for (uint32_t seed = start; seed < start + n; seed++) {
#ifdef HAVE_HOST_X64
    x64_host.cpu = seed % 4 ? features : 0;
#endif
    check_random (way, cpu, oracle, seed);
  }
  fake_cpu_free (cpu);
  fake_cpu_free (oracle);
}

START_TEST (test_random)
{
  check_many (&plain, 2000);
}
END_TEST

static void
prepare_narrow (FakeCpu *cpu, uint32_t seed)
{
  ir_random_state (cpu, seed);
  for (unsigned i = 0; i < FAKE_N_W; i++)
    cpu->state.w[i] &= 0xffffffffu;
}

START_TEST (test_random_narrow)
{
  static const Way narrow = { &fake_narrow_frontend, ir_random_narrow, prepare_narrow };
  check_many (&narrow, 1000);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("ir-run");
  TCase *tcase = tcase_create ("all");
  tcase_set_timeout (tcase, 120);
  tcase_add_unchecked_fixture (tcase, begin_hosts, finish_hosts);
  tcase_add_test (tcase, test_files);
  tcase_add_test (tcase, test_random);
  tcase_add_test (tcase, test_random_narrow);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}

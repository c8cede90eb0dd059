/* test-harness.c -- libbackplane-test itself: what it says when a test is wrong, and what its stand-ins do. */
/* SPDX-License-Identifier: MIT */
#include <backplane/test-block.h>
#include <backplane/test-x86.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- failures, caught: a failure does not return, so it is a child's ------------------------------- */

static int to_parent;

static void
on_failure (const char *file, int line, const char *message)
{
  const char *base = strrchr (file, '/');
  g_autofree char *text = g_strdup_printf ("%s:%d: %s", base ? base + 1 : file, line, message);
  if (write (to_parent, text, strlen (text)) < 0)
    perror ("write");
  _exit (0);
}

/* True in the child, which is to do what fails. */
static bool
begin_failure (int *from_child)
{
  int ends[2];
  bp_test_expect (pipe (ends) == 0);
  pid_t child = fork ();
  bp_test_expect (child >= 0);
  to_parent = ends[1];
  *from_child = ends[0];
  if (child == 0)
    bp_test_on_failure (on_failure);
  else
    close (ends[1]);
  return child == 0;
}

static char *
said_by (int from_child)
{
  char text[4096];
  size_t n = 0;
  for (ssize_t got; (got = read (from_child, text + n, sizeof text - 1 - n)) > 0;)
    n += (size_t) got;
  text[n] = 0;
  close (from_child);
  wait (NULL);
  return g_strdup (text);
}

/* The call fails here, with this text. */
#define EXPECT_FAILURE(call, text) \
  do { \
    int from_child; \
    if (begin_failure (&from_child)) { \
      call; \
      _exit (0); \
    } \
    g_autofree char *said = said_by (from_child), *where = g_strdup_printf ("test-harness.c:%d: ", __LINE__); \
    bp_test_expect_has (said, text); \
    bp_test_expect_has (said, where); \
  } while (0)

BP_TEST (what_is_not_there_is_named)
{
  BpTest *t = bp_test_new (NULL, "[device probe]\ntype = test-probe\n[backend line]\ntype = test-char\n");
  EXPECT_FAILURE (bp_test_object (t, "prob"), "no object `prob`");
  EXPECT_FAILURE (bp_test_level (t, "probe.in32"), "no pin `probe.in32`");
  EXPECT_FAILURE (bp_test_level (t, "probe"), "no pin `probe`");
  EXPECT_FAILURE (bp_test_rises (t, "probe", 32), "in0 .. in31");
  EXPECT_FAILURE (bp_test_text (t, "probe"), "`probe` is a test-probe and not a test-char");
  EXPECT_FAILURE (bp_test_load (t, "ports", 0, 1), "no address space `ports`");
  EXPECT_FAILURE (bp_test_load (t, "io", 0, 3), "1, 2, 4 or 8");
  EXPECT_FAILURE (bp_test_interface (t, "line", "bp.block/1"), "does not implement bp.block/1");
  EXPECT_FAILURE (bp_test_advance (t, -1), "does not go back");
  bp_test_advance (t, 1);
  EXPECT_FAILURE (bp_test_advance (t, INT64_MAX), "time ends before that");
  EXPECT_FAILURE (bp_test_keep_log ("gest_errors"), "did you mean `guest_errors`");
  EXPECT_FAILURE (bp_test_new (NULL, "[device probe]\ntype = test-prob\n"), "did you mean `test-probe`");
  EXPECT_FAILURE (bp_test_write (t, 0x1000, "text", 4), "not all of the 4 bytes from 0x1000 on");
  bp_test_free (t);
}

BP_TEST (expectations_say_what_is)
{
  BpTest *t = bp_test_new (NULL, "[device probe]\ntype = test-probe\n");
  EXPECT_FAILURE (bp_test_expect (1 + 1 == 3), "expected: 1 + 1 == 3");
  EXPECT_FAILURE (bp_test_expect_eq (40 + 2, 41), "40 + 2 is 0x2a (42), expected 0x29 (41)");
  EXPECT_FAILURE (bp_test_expect_str ("a", NULL), "\"a\" is \"a\", expected \"(null)\"");
  EXPECT_FAILURE (bp_test_expect_has ("abc", "d"), "has no \"d\": \"abc\"");
  EXPECT_FAILURE (bp_test_expect_level (t, "probe.in1", 1), "probe.in1 is low, expected high");
  EXPECT_FAILURE (bp_test_expect_load (t, "io", 0x20, 1, 1), "1 bytes at 0x20 of `io` are 0xff, expected 0x1");
  EXPECT_FAILURE (bp_test_fail ("%d apples", 3), "3 apples");
  bp_test_free (t);
}

/* --- stand-ins ----------------------------------------------------------------------------------- */

BP_TEST (memory_holds_what_is_written)
{
  BpTest *t = bp_test_new (NULL, "[memory ram]\ntype = test-ram\nsize = 4K\n[map ram]\nregion = ram\nat = memory@0x1000\n");
  uint8_t bytes[4];
  bp_test_store32 (t, 0x1000, 0x44332211);
  bp_test_read (t, 0x1000, bytes, 4);
  bp_test_expect_eq (bytes[0], 0x11);
  bp_test_expect_eq (bp_test_load16 (t, 0x1002), 0x4433);
  bp_test_expect_eq (bp_test_load8 (t, 0x2000), 0xff);
  bp_test_round_trip (t);
  bp_test_free (t);
}

static int last_error;
static unsigned n_done;

static void
done (BpBlockRequest *r, int error)
{
  last_error = error;
  n_done++;
}

/* What becomes of it; -1: it is not done once. */
static int
request (BpTest *t, BpBlockOp op, uint64_t offset, uint64_t size, void *bytes)
{
  void *disk = (bp_test_object) (t, "disk");
  const BpBlockIface *iface = (bp_test_interface) (t, "disk", BP_BLOCK_ID);
  struct iovec iov = { bytes, size };
  BpBlockRequest r = { .struct_size = sizeof r, .op = op, .offset = offset, .size = size, .iov = &iov, .n_iov = bytes ? 1 : 0, .done = done };
  n_done = 0;
  iface->submit (disk, &r);
  (bp_test_expect_number) ((bp_test_block_waiting) (t, "disk"), 1, "requests that wait");
  (bp_test_block_answer) (t, "disk");
  return n_done == 1 ? last_error : -1;
}
#define request(...) BP_TEST_NOTED (request (__VA_ARGS__))

BP_TEST (a_disk_does_what_it_is_asked)
{
  BpTest *t = bp_test_new (NULL, "[backend disk]\ntype = test-block\nsize = 8K\n");
  uint8_t bytes[1024] = { 1 };
  bp_test_expect_eq (request (t, BP_BLOCK_READ, 512, 512, bytes), 0);
  bp_test_expect_eq (bytes[1], 8);
  bp_test_expect_eq (request (t, BP_BLOCK_WRITE_ZEROES, 512, 512, NULL), 0);
  bp_test_expect_eq (request (t, BP_BLOCK_READ, 0, 1024, bytes), 0);
  bp_test_expect_eq (bytes[511], 0xff);
  bp_test_expect_eq (bytes[512 + 1], 0);
  bp_test_expect_eq (bp_test_block_count (t, "disk", BP_BLOCK_WRITE_ZEROES), 1);
  bp_test_expect_eq (request (t, BP_BLOCK_READ, 8192, 512, bytes), EINVAL);
  EXPECT_FAILURE (bp_test_block_count (t, "disk", (BpBlockOp) 99), "99 is no kind of request");
  EXPECT_FAILURE (request (t, (BpBlockOp) 99, 0, 512, NULL), "99 is no kind of request");
  EXPECT_FAILURE (request (t, BP_BLOCK_READ, 0, 512, NULL), "512 bytes brings 0 of memory");
  bp_test_free (t);
}

BP_TEST (a_disk_fails_where_it_is_told)
{
  BpTest *t = bp_test_new (NULL, "[backend disk]\ntype = test-block\nsize = 8K\n");
  uint8_t bytes[1024];
  bp_test_block_fail (t, "disk", 2, 2, EIO);
  bp_test_expect_eq (request (t, BP_BLOCK_READ, 0, 1024, bytes), 0);
  bp_test_expect_eq (request (t, BP_BLOCK_READ, 512, 1024, bytes), EIO);
  bp_test_expect_eq (request (t, BP_BLOCK_READ, 3 * 512, 512, bytes), EIO);
  bp_test_expect_eq (request (t, BP_BLOCK_READ, 4 * 512, 512, bytes), 0);
  bp_test_expect_eq (request (t, BP_BLOCK_FLUSH, 0, 0, NULL), 0);
  bp_test_block_fail (t, "disk", 2, UINT64_MAX, ENOSPC);
  bp_test_expect_eq (request (t, BP_BLOCK_READ, 0, 512, bytes), ENOSPC);
  bp_test_expect_eq (request (t, BP_BLOCK_READ, 2 * 512, 512, bytes), ENOSPC);
  bp_test_expect_eq (request (t, BP_BLOCK_FLUSH, 0, 0, NULL), ENOSPC);
  bp_test_free (t);
  g_autofree char *refusal = bp_test_refusal (NULL, "[backend disk]\ntype = test-block\nsize = 16777216T\n");
  bp_test_expect (*refusal != 0);
}

/* A caller that knows of less of the state keeps what it has behind. */
BP_TEST (a_processor_keeps_sizes_apart)
{
  BpTest *t = bp_test_new (NULL, "[cpu c]\ntype = test-cpu\n");
  const BpX86CpuIface *iface = bp_test_interface (t, "c", BP_X86_CPU_ID);
  BpX86State state;
  memset (&state, 0x55, sizeof state);
  state.struct_size = 64;
  iface->set_state (bp_test_object (t, "c"), &state);
  bp_test_expect_eq (bp_test_cpu_state (t, "c")->struct_size, sizeof state);
  memset (&state, 0xaa, sizeof state);
  state.struct_size = 64;
  iface->get_state (bp_test_object (t, "c"), &state);
  bp_test_expect_eq (state.struct_size, 64);
  bp_test_expect_eq (((const uint8_t *) &state)[63], 0x55);
  bp_test_expect_eq (((const uint8_t *) &state)[64], 0xaa);
  bp_test_free (t);
}

BP_TEST (a_probe_counts_edges)
{
  BpTest *t = bp_test_new (NULL, "[device probe]\ntype = test-probe\n");
  for (unsigned i = 0; i < 3; i++) {
    bp_test_drive (t, "probe.in7", 1);
    bp_test_drive (t, "probe.in7", 1);
    bp_test_drive (t, "probe.in7", 0);
  }
  bp_test_expect_eq (bp_test_rises (t, "probe", 7), 3);
  bp_test_expect_eq (bp_test_falls (t, "probe", 7), 3);
  bp_test_expect_level (t, "probe.in7", 0);
  bp_test_free (t);
}

typedef struct Ticker {
  BpTimer *timer;
  uint32_t ticks;
} Ticker;

static void
tick (void *user)
{
  Ticker *k = user;
  k->ticks++;
  bp_timer_arm (k->timer, bp_clock_now (bp_object_machine (k), BP_CLOCK_VIRTUAL) + 100);
  bp_log_guest (k, "tick %u", k->ticks);
}

static bool
ticker_realize (void *self, GError **error)
{
  ((Ticker *) self)->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, tick, self);
  return true;
}

static void ticker_unrealize (void *self) { bp_timer_free (((Ticker *) self)->timer); }

static void
ticker_reset (void *self, BpResetKind kind)
{
  Ticker *k = self;
  k->ticks = 0;
  bp_timer_arm (k->timer, bp_clock_now (bp_object_machine (self), BP_CLOCK_VIRTUAL) + 100);
}

static const BpStateField ticker_state[] = { BP_STATE_FIELD_U32 (Ticker, ticks), BP_STATE_FIELD_TIMER (Ticker, timer), BP_STATE_END };
static const BpTypeDesc ticker_type = {
  BP_TYPE ("toy-ticker", BP_KIND_DEVICE, Ticker), .description = "Ticks", .state_version = 1, .state_minimum = 1, .state = ticker_state,
  .realize = ticker_realize, .reset = ticker_reset, .unrealize = ticker_unrealize
};
static const BpTypeDesc *const types[] = { &ticker_type, NULL };
#define TICKER "[device k]\ntype = toy-ticker\n"

BP_TEST (time_moves_when_told)
{
  BpTest *t = bp_test_new (types, TICKER);
  const Ticker *k = bp_test_object (t, "k");
  bp_test_expect_eq (bp_test_next_timer (t), 100);
  bp_test_advance (t, 99);
  bp_test_expect_eq (k->ticks, 0);
  bp_test_advance (t, 1000);
  bp_test_expect_eq (k->ticks, 10);
  bp_test_expect_eq (bp_test_now (t), 1099);
  bp_test_free (t);
}

BP_TEST (the_log_is_kept)
{
  BpTest *t = bp_test_new (types, TICKER);
  bp_test_keep_log ("guest_errors");
  bp_test_advance (t, 200);
  g_autofree char *log = bp_test_take_log (), *rest = bp_test_take_log ();
  bp_test_expect_str (log, "k: guest_errors: tick 1\nk: guest_errors: tick 2\n");
  bp_test_expect_str (rest, "");
  bp_test_keep_log (NULL);
  bp_test_free (t);
}

BP_TEST (state_goes_to_another_machine)
{
  BpTest *a = bp_test_new (types, TICKER), *b = bp_test_new (types, TICKER);
  bp_test_advance (a, 250);
  bp_test_copy (a, b);
  bp_test_expect_eq (bp_test_now (b), 250);
  bp_test_advance (a, 500);
  bp_test_advance (b, 500);
  bp_test_expect_same (a, b);
  bp_test_advance (b, 50);
  EXPECT_FAILURE (bp_test_expect_same (a, b), "k: ticks");
  g_autoptr (GBytes) state = bp_test_save (a);
  g_autofree char *refusal = bp_test_load_state (b, state);
  bp_test_expect_str (refusal, NULL);
  g_autoptr (GBytes) bad = g_bytes_new ("nonsense", 8);
  g_autofree char *why = bp_test_load_state (b, bad);
  bp_test_expect (why != NULL);
  bp_test_free (a);
  bp_test_free (b);
}

BP_TEST (what_was_not_loaded_is_refused)
{
  g_autofree char *fine = bp_test_refusal (types, TICKER), *wrong = bp_test_refusal (types, "[device k]\ntype = toy-ticker\nspeed = 1\n");
  bp_test_expect_str (fine, "");
  bp_test_expect_has (wrong, "test.ini:12: [device k] speed: unknown key");
}

/* --- programs of tests --------------------------------------------------------------------------- */

BP_TEST (passes) { }
BP_TEST (ends_the_process) { exit (0); }
BP_TEST (ends_with_a_status) { exit (3); }
BP_TEST (crashes) { raise (SIGKILL); }      /* leaves no core */
BP_TEST (hangs) { pause (); }

/* What the program says; its exit code comes last. */
static char *
output_of (const BpTestCase *const *tests)
{
  int ends[2];
  bp_test_expect (pipe (ends) == 0);
  fflush (NULL);
  if (fork () == 0) {
    dup2 (ends[1], STDOUT_FILENO);
    dup2 (ends[1], STDERR_FILENO);
    g_setenv ("BP_TEST_SECONDS", "1", TRUE);
    printf ("%d\n", bp_test_main ("inner", tests, 1, (char *[]) { (char *) "inner", NULL }));
    fflush (stdout);
    _exit (0);
  }
  close (ends[1]);
  return said_by (ends[0]);
}

BP_TEST (what_does_not_end_well_has_failed)
{
  static const BpTestCase *const good[] = { &passes, NULL }, *const bad[] = { &ends_the_process, &passes, &ends_with_a_status, &crashes, &hangs, NULL };
  g_autofree char *passed = output_of (good), *failed = output_of (bad);
  bp_test_expect_str (passed, "inner: 1 of 1 tests passed\n0\n");
  bp_test_expect_has (failed, "inner: ends_the_process: the process was ended before the test\ninner: ends_the_process: failed\n");
  bp_test_expect_has (failed, "inner: ends_with_a_status: failed\n");
  bp_test_expect_has (failed, "inner: crashes: ended by signal 9");
  bp_test_expect_has (failed, "inner: hangs: not done after 1 seconds");
  bp_test_expect_has (failed, "inner: 1 of 5 tests passed\n1\n");
}

BP_TEST_MAIN ("harness", &what_is_not_there_is_named, &expectations_say_what_is, &memory_holds_what_is_written, &a_disk_does_what_it_is_asked,
              &a_disk_fails_where_it_is_told, &a_processor_keeps_sizes_apart, &a_probe_counts_edges, &time_moves_when_told,
              &the_log_is_kept, &state_goes_to_another_machine, &what_was_not_loaded_is_refused, &what_does_not_end_well_has_failed)

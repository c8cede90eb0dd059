/* test.h -- libbackplane-test: devices under test, in a machine without a program, with a clock that stands still until told. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A test writes the sections of a descriptor as a user would, and drives the device through its regions and pins.  Nothing runs: a test's own
 * accesses are the guest's.  Virtual time moves only by bp_test_advance, which runs the timers on its way; the host's clock is 2020-01-01 00:00:00 UTC + virtual.
 * The device's type comes from the test program (it links the plugin's objects, and bp_plugin_query () gives the types), or out of the built plugin
 * (`module = NAME` in its section, found in the current directory or by bp_test_plugin_path).  With pkg-config it is `backplane-test`.
 *
 *     #include <backplane/test.h>
 *     BP_TEST (rises_when_told)
 *     {
 *       BpTest *t = bp_test_new (NULL, "[device d]\nmodule = my-device\ntype = my-device\nregs = memory@0x1000\nirq = probe.in0\n"
 *                                      "[device probe]\ntype = test-probe\n");
 *       bp_test_store32 (t, 0x1004, 1);
 *       bp_test_expect_level (t, "d.irq", 1);
 *       bp_test_round_trip (t);
 *       bp_test_free (t);
 *     }
 *     BP_TEST_MAIN ("my-device", &rises_when_told)
 *
 * Besides the types under test a descriptor may use these, without a module:
 *   test-ram     memory   `size` bytes of zeros; `[map] region = ram, at = memory@0` shows it
 *   test-char    backend  keeps what a device writes (bp_test_text), gives what the test types (bp_test_type)
 *   test-block   backend  a disk that answers, and fails, when it is told to (test-block.h)
 *   test-probe   device   inputs in0..in31, each with its level and a count of edges
 *   test-pci     device   a PCI bus that keeps what devices say to it (test-pci.h)
 *   test-cpu     cpu      holds an x86 state and runs nothing (test-x86.h)
 * FAILURE.  What cannot be done, and an expectation that is not met, ends the test with a message that begins with the test's file and line.  Check knows it as
 * a failed test when <check.h> was included before this header and the suite is run by bp_test_check_run, or bp_test_use_check () was called.
 * The promise is that of plugin.h: a test that is compiled against 1.x works with every later 1.y.  All of it is [main].
 */
#ifndef BACKPLANE_TEST_H
#define BACKPLANE_TEST_H

#include <backplane/device.h>
#include <backplane/test-check.h>
BP_BEGIN_DECLS

typedef struct BpTest BpTest;

/* --- the machine -------------------------------------------------------------------------------- */
/* types: those of the program, ended by NULL; NULL: none.  The sections follow a [machine], an [accel] and a [clock] of the harness's own.  The
 * machine is realized, and was reset once. */
BP_EXPORT BpTest *bp_test_new (const BpTypeDesc *const *types, const char *sections);
BP_EXPORT void bp_test_free (BpTest *t);
/* What a descriptor is refused for, one error a line; "" when it is not.  Free with g_free. */
BP_EXPORT char *bp_test_refusal (const BpTypeDesc *const *types, const char *sections);
/* Plugins are searched there first, DIR[:DIR]...; a later call goes before an earlier one. */
BP_EXPORT void bp_test_plugin_path (const char *directories);
BP_EXPORT BpMachine *bp_test_machine (BpTest *t);
BP_EXPORT void *bp_test_object (BpTest *t, const char *id);     /* the instance */
BP_EXPORT const void *bp_test_interface (BpTest *t, const char *id, const char *interface_id);
BP_EXPORT void bp_test_reset (BpTest *t, BpResetKind kind);
/* Sources of the main loop that are ready (file descriptors, posted calls) are served; how many rounds that took. */
BP_EXPORT unsigned bp_test_iterate (BpTest *t);
/* A file of this process's, which is gone when the process ends; its path, to be freed with g_free. */
BP_EXPORT char *bp_test_file (const char *name, const void *bytes, size_t size);

/* --- access: `space` is "memory", "io", or one that an object of the machine has made; little-endian, 1, 2, 4 or 8 bytes -------- */
BP_EXPORT uint64_t bp_test_load (BpTest *t, const char *space, uint64_t address, unsigned size);
BP_EXPORT void bp_test_store (BpTest *t, const char *space, uint64_t address, uint64_t value, unsigned size);
/* Bytes of memory, as a loader or a device with DMA would. */
BP_EXPORT void bp_test_read (BpTest *t, uint64_t address, void *to, size_t size);
BP_EXPORT void bp_test_write (BpTest *t, uint64_t address, const void *from, size_t size);
static inline uint8_t bp_test_in8 (BpTest *t, uint16_t port) { return (uint8_t) bp_test_load (t, "io", port, 1); }
static inline uint16_t bp_test_in16 (BpTest *t, uint16_t port) { return (uint16_t) bp_test_load (t, "io", port, 2); }
static inline uint32_t bp_test_in32 (BpTest *t, uint16_t port) { return (uint32_t) bp_test_load (t, "io", port, 4); }
static inline void bp_test_out8 (BpTest *t, uint16_t port, uint8_t value) { bp_test_store (t, "io", port, value, 1); }
static inline void bp_test_out16 (BpTest *t, uint16_t port, uint16_t value) { bp_test_store (t, "io", port, value, 2); }
static inline void bp_test_out32 (BpTest *t, uint16_t port, uint32_t value) { bp_test_store (t, "io", port, value, 4); }
static inline uint8_t bp_test_load8 (BpTest *t, uint64_t at) { return (uint8_t) bp_test_load (t, "memory", at, 1); }
static inline uint16_t bp_test_load16 (BpTest *t, uint64_t at) { return (uint16_t) bp_test_load (t, "memory", at, 2); }
static inline uint32_t bp_test_load32 (BpTest *t, uint64_t at) { return (uint32_t) bp_test_load (t, "memory", at, 4); }
static inline uint64_t bp_test_load64 (BpTest *t, uint64_t at) { return bp_test_load (t, "memory", at, 8); }
static inline void bp_test_store8 (BpTest *t, uint64_t at, uint8_t value) { bp_test_store (t, "memory", at, value, 1); }
static inline void bp_test_store16 (BpTest *t, uint64_t at, uint16_t value) { bp_test_store (t, "memory", at, value, 2); }
static inline void bp_test_store32 (BpTest *t, uint64_t at, uint32_t value) { bp_test_store (t, "memory", at, value, 4); }
static inline void bp_test_store64 (BpTest *t, uint64_t at, uint64_t value) { bp_test_store (t, "memory", at, value, 8); }

/* --- pins, by path: "pic.intr", "pic.in3" --------------------------------------------------------- */
BP_EXPORT int bp_test_level (BpTest *t, const char *pin);
BP_EXPORT void bp_test_drive (BpTest *t, const char *input, int level);
BP_EXPORT unsigned bp_test_rises (BpTest *t, const char *probe, unsigned input);        /* since the machine was made */
BP_EXPORT unsigned bp_test_falls (BpTest *t, const char *probe, unsigned input);

/* --- time: virtual, in ns ---------------------------------------------------------------------------- */
BP_EXPORT int64_t bp_test_now (BpTest *t);
BP_EXPORT void bp_test_advance (BpTest *t, int64_t ns);
BP_EXPORT int64_t bp_test_next_timer (BpTest *t);       /* when the next timer is due; INT64_MAX: none is armed */

/* --- the machine and the host side -------------------------------------------------------------------- */
BP_EXPORT bool bp_test_take_reset (BpTest *t);          /* whether one was requested since the last call */
BP_EXPORT int bp_test_exit_code (BpTest *t);            /* -1: nobody asked to end the run */
BP_EXPORT const char *bp_test_text (BpTest *t, const char *backend);    /* all that was written so far */
/* Offers bytes; how many the device took. */
BP_EXPORT size_t bp_test_type (BpTest *t, const char *backend, const char *bytes, size_t n);
BP_EXPORT void bp_test_break (BpTest *t, const char *backend);  /* the line breaks */
/* From now on what is logged under these topics ("guest_errors,unimp"; NULL: none any more) is kept instead of printed. */
BP_EXPORT void bp_test_keep_log (const char *topics);
/* What was kept since the last call, whole lines.  Free with g_free. */
BP_EXPORT char *bp_test_take_log (void);

/* --- state ---------------------------------------------------------------------------------------------- */
/* Saves the whole machine, loads that into another of the same descriptor (or into itself), and saves again: the two must be equal to the last byte. */
BP_EXPORT void bp_test_copy (BpTest *from, BpTest *to);
BP_EXPORT void bp_test_round_trip (BpTest *t);          /* into itself */
/* Two machines that had the same done to them since bp_test_copy are the same still. */
BP_EXPORT void bp_test_expect_same (BpTest *a, BpTest *b);
/* The machine's state as bytes, to be kept (a later version of the device loads what an older one saved), and back: NULL, or what it is refused for
 * (g_free). */
BP_EXPORT GBytes *bp_test_save (BpTest *t);
BP_EXPORT char *bp_test_load_state (BpTest *t, GBytes *state);

/* --- expectations ----------------------------------------------------------------------------------------- */
/* Ends the test. */
BP_EXPORT void bp_test_fail (const char *format, ...) G_GNUC_PRINTF (1, 2) G_GNUC_NORETURN;
/* `what` is the text of the expression. */
BP_EXPORT void bp_test_expect_true (bool holds, const char *what);
BP_EXPORT void bp_test_expect_number (uint64_t is, uint64_t expected, const char *what);
BP_EXPORT void bp_test_expect_string (const char *is, const char *expected, const char *what);  /* NULL equals NULL */
BP_EXPORT void bp_test_expect_text_has (const char *text, const char *part, const char *what);
BP_EXPORT void bp_test_expect_load (BpTest *t, const char *space, uint64_t address, unsigned size, uint64_t expected);
BP_EXPORT void bp_test_expect_level (BpTest *t, const char *pin, int expected);
#define bp_test_expect(condition) bp_test_expect_true ((condition), #condition)
#define bp_test_expect_eq(is, expected) bp_test_expect_number ((uint64_t) (is), (uint64_t) (expected), #is)
#define bp_test_expect_str(is, expected) bp_test_expect_string ((is), (expected), #is)
#define bp_test_expect_has(text, part) bp_test_expect_text_has ((text), (part), #text)

/* --- the program ------------------------------------------------------------------------------------------- */
typedef struct BpTestCase {
  uint32_t struct_size;
  const char *name;
  void (*run) (void);
} BpTestCase;
#define BP_TEST(name_) \
  static void name_##_run (void); \
  static const BpTestCase name_ = { sizeof (BpTestCase), #name_, name_##_run }; \
  static void name_##_run (void)
/* Runs each in a process of its own, for at most a minute (BP_TEST_SECONDS=n), and tells what came of it; 0 when all passed.  Arguments: names of tests, which
 * alone are run; --list; --no-fork, for a debugger. */
BP_EXPORT int bp_test_main (const char *suite, const BpTestCase *const *tests, int argc, char **argv);
/* BP_TEST_MAIN ("my-device", &one_test, &another) */
#define BP_TEST_MAIN(suite_, ...) \
  int \
  main (int argc, char **argv) \
  { \
    const BpTestCase *const tests[] = { __VA_ARGS__, NULL }; \
    return bp_test_main (suite_, tests, argc, argv); \
  }

/* Where the test is: the calls above say it by themselves (test-where.h). */
BP_EXPORT void bp_test_at (const char *file, int line);
BP_EXPORT const char *bp_test_where (int *line);

BP_END_DECLS

#include <backplane/test-where.h>
#endif

/* test-parallel-port.c -- the port as a driver uses it, without a guest: libbackplane-test is the machine. */
/* SPDX-License-Identifier: MIT */
#include <backplane/test.h>

#define MACHINE(more) \
  "[device lpt]\nmodule = parallel-port\ntype = parallel-port\npio0 = io@0x378\nirq = probe.in7\nbackend = paper\n" more \
  "[backend paper]\ntype = test-char\n[device probe]\ntype = test-probe\n"
enum { DATA = 0x378, STATUS, CONTROL };
enum { READY = 0xdf, BUSY = 0x5f, ACK = 0x1f };
#define BYTE_NS 100000          /* at the default speed */
#define ACK_NS 5000

static void
send (BpTest *t, char byte, uint8_t control)
{
  bp_test_out8 (t, DATA, (uint8_t) byte);
  bp_test_out8 (t, CONTROL, control | 1);
  bp_test_out8 (t, CONTROL, control);
}

BP_TEST (prints)
{
  BpTest *t = bp_test_new (NULL, MACHINE (""));
  bp_test_out8 (t, CONTROL, 0x0c);
  bp_test_expect_eq (bp_test_in8 (t, CONTROL), 0xec);
  bp_test_expect_eq (bp_test_in8 (t, STATUS), READY);
  send (t, 'A', 0x0c);
  bp_test_expect_eq (bp_test_in8 (t, STATUS), BUSY);
  bp_test_advance (t, BYTE_NS);
  bp_test_expect_eq (bp_test_in8 (t, STATUS), ACK);
  bp_test_advance (t, ACK_NS);
  bp_test_expect_eq (bp_test_in8 (t, STATUS), READY);
  bp_test_expect_eq (bp_test_rises (t, "probe", 7), 0);
  send (t, 'B', 0x1c);
  bp_test_advance (t, BYTE_NS + ACK_NS);
  bp_test_expect_eq (bp_test_rises (t, "probe", 7), 1);
  bp_test_expect_str (bp_test_text (t, "paper"), "AB");
  bp_test_free (t);
}

BP_TEST (loses_what_it_cannot_take)
{
  BpTest *t = bp_test_new (NULL, MACHINE (""));
  bp_test_keep_log ("guest_errors");
  send (t, 'A', 0x0c);
  send (t, 'B', 0x0c);          /* A is being printed */
  bp_test_advance (t, BYTE_NS + ACK_NS);
  send (t, 'C', 0x04);          /* not selected */
  bp_test_out8 (t, STATUS, 0);
  bp_test_advance (t, BYTE_NS + ACK_NS);
  bp_test_expect_str (bp_test_text (t, "paper"), "A");
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "busy");
  bp_test_expect_has (log, "not selected");
  bp_test_expect_has (log, "status register");
  bp_test_free (t);
}

BP_TEST (initializes)
{
  BpTest *t = bp_test_new (NULL, MACHINE (""));
  send (t, 'A', 0x0c);
  bp_test_out8 (t, CONTROL, 0x08);
  bp_test_advance (t, BYTE_NS + ACK_NS);
  bp_test_expect_str (bp_test_text (t, "paper"), "");
  bp_test_out8 (t, CONTROL, 0x0c);
  bp_test_expect_eq (bp_test_in8 (t, STATUS), READY);
  send (t, 'B', 0x0c);
  bp_test_reset (t, BP_RESET_WARM);
  bp_test_advance (t, BYTE_NS + ACK_NS);
  bp_test_expect_str (bp_test_text (t, "paper"), "");
  bp_test_free (t);
}

BP_TEST (runs_out_of_paper)
{
  BpTest *t = bp_test_new (NULL, MACHINE ("paper = off\n"));
  bp_test_out8 (t, CONTROL, 0x0c);
  bp_test_expect_eq (bp_test_in8 (t, STATUS), 0x77);
  send (t, 'A', 0x0c);
  bp_test_advance (t, BYTE_NS + ACK_NS);
  bp_test_expect_str (bp_test_text (t, "paper"), "");
  bp_test_free (t);
}

BP_TEST (keeps_its_state)
{
  BpTest *a = bp_test_new (NULL, MACHINE ("speed = 1000\n")), *b = bp_test_new (NULL, MACHINE ("speed = 1000\n"));
  send (a, 'A', 0x1c);
  bp_test_advance (a, 400000);
  bp_test_round_trip (a);
  bp_test_copy (a, b);          /* in the middle of a byte */
  bp_test_advance (a, 600000 + ACK_NS);
  bp_test_advance (b, 600000 + ACK_NS);
  bp_test_expect_str (bp_test_text (b, "paper"), "A");
  bp_test_expect_eq (bp_test_rises (b, "probe", 7), 1);
  bp_test_expect_same (a, b);
  bp_test_free (a);
  bp_test_free (b);
}

/* Whatever was done before: two that were used differently are the same. */
BP_TEST (a_reset_forgets)
{
  BpTest *a = bp_test_new (NULL, MACHINE ("")), *b = bp_test_new (NULL, MACHINE (""));
  send (a, 'A', 0x0c);
  bp_test_expect_eq (bp_test_in8 (a, DATA), 'A');
  send (b, 'B', 0x1c);
  bp_test_out8 (b, CONTROL, 0x18);
  bp_test_reset (a, BP_RESET_WARM);
  bp_test_reset (b, BP_RESET_WARM);
  bp_test_expect_same (a, b);
  bp_test_free (a);
  bp_test_free (b);
}

/* Whatever a guest writes, wherever, however wide. */
BP_TEST (survives)
{
  BpTest *t = bp_test_new (NULL, MACHINE (""));
  uint32_t x = 1;
  for (int i = 0; i < 20000; i++) {
    x = x * 1664525 + 1013904223;
    bp_test_store (t, "io", DATA + (x >> 16) % 3, x >> 8, 1u << (x >> 30) % 3);
    bp_test_load (t, "io", DATA + (x >> 20) % 3, 1u << (x >> 28) % 3);
    if (i % 64 == 0)
      bp_test_advance (t, x >> 12);
  }
  bp_test_round_trip (t);
  bp_test_free (t);
}

BP_TEST_MAIN ("parallel-port", &prints, &loses_what_it_cannot_take, &initializes, &runs_out_of_paper, &keeps_its_state, &a_reset_forgets, &survives)

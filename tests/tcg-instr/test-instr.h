/* test-instr.h -- a host for instruments that has no machine: instructions, symbols and counters as the test says. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_INSTR_H
#define TEST_INSTR_H

#include <backplane/tcg/instrument.h>
#include <check.h>
#include <stdio.h>
#include <string.h>
#include "../random-numbers.h"
#include "../scratch.h"
#include "../suite.h"

/* Symbols of 256 bytes each from 0x1000 on, "f10", "f11" ..., with a line each 16 bytes; those from "fe0" on have all the same line.  Addresses from 0x10000 on
 * are known to nobody. */
static inline bool
fake_symbol (BpInstrument *in, const BpInsn *insn, BpSymbol *out)
{
  static char names[256][8];
  if (insn->address < 0x1000 || insn->address >= 0x10000)
    return false;
  unsigned f = (unsigned) (insn->address >> 8);
  snprintf (names[f], sizeof names[f], "f%x", f);
  *out = (BpSymbol) { .struct_size = out->struct_size, .name = names[f], .offset = insn->address & 255, .file = "fake.c",
                      .line = (uint32_t) (insn->address >> 4), .object = "fake" };
  if (insn->address >= 0xe000) {
    out->file = "fake.h";
    out->line = 1;
  }
  return true;
}

static inline unsigned
fake_text (BpInstrument *in, const BpInsn *insn, char *out, size_t size)
{
  g_snprintf (out, size, "insn 0x%x", (unsigned) insn->address);
  return insn->size;
}

static inline unsigned
fake_n_vcpus (BpInstrument *in)
{
  return 2;
}

static inline BpInstrument *
fake_instrument (void)
{
  static const BpInstrumentHost host = { .struct_size = sizeof host, .n_vcpus = fake_n_vcpus, .symbol = fake_symbol, .disassemble = fake_text };
  static BpInstrument in = { .host = &host };
  return &in;
}

/* An instruction of 4 bytes that lives as long as the test. */
static inline const BpInsn *
fake_insn (uint64_t address, unsigned privilege)
{
  static BpInsn insns[1024];
  static unsigned n;
  g_assert (n < G_N_ELEMENTS (insns));
  insns[n] = (BpInsn) { .address = address, .physical = address, .id = n, .size = 4, .privilege = (uint8_t) privilege, .target = UINT64_MAX };
  return &insns[n++];
}

/* A folder for each test, and the one file in it: a checked fixture. */
static char *scratch_file;

static inline void
make_scratch (void)
{
  scratch_folder = scratch_new ();
  scratch_file = g_build_filename (scratch_folder, "x", NULL);
}

static inline void
remove_scratch (void)
{
  g_clear_pointer (&scratch_folder, scratch_free);
  g_clear_pointer (&scratch_file, g_free);
}

static inline int
run_tests (const char *name, TCase *cases)
{
  Suite *suite = suite_create (name);
  suite_add_tcase (suite, cases);
  return suite_run (suite);
}

#endif

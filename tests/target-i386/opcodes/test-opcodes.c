/* test-opcodes.c -- every opcode in every mode, executed: undefined here where it is on this processor, and faults at its first byte. */
/* SPDX-License-Identifier: MIT */
/*
 * test-opcodes [-v] [-w WAY] [-s SEED] [-n RANDOM] [-l STRIDE] [-x HEX]: without arguments, what `make check` runs.  The list of all opcodes is
 * walked in steps of STRIDE (1: all of it) from SEED; then come instructions at random.  User code must end as it does on this
 * processor; kernel code, and code of real and virtual-8086 mode, must be undefined where user code is.  -x shows what comes of one instruction in each mode.  What is known to differ, and why, is in differences.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "differences.h"
#include "opcodes.h"

#define BORDER 0x0000800000000000u
enum { MAX_SHOWN = 60, UD = 6, LEGACY_STRIDE = 29 };

typedef struct Options {
  bool verbose;
  const char *way, *hex;
  uint64_t seed, stride;
  unsigned n_random;
} Options;

static Options options = { .way = "all", .seed = 1, .stride = 127, .n_random = 10000 };
static unsigned n_cases, n_undefined, n_wrong, n_known[N_DIFFERENCES];

static const char *const modes[] = { "16", "32", "64" };

static void
complain (X86Mode mode, const uint8_t *bytes, const char *who, const Outcome *native, const Outcome *guest)
{
  char text[96];
  X86Insn insn;
  if (++n_wrong > MAX_SHOWN && !options.verbose)
    return;
  bool is_ok = x86_decode (bytes, OPCODES_SIZE, mode, &insn) == X86_DECODE_OK;
  x86_disasm (&insn, 0, text, sizeof text);
  printf ("%s-bit %s:", modes[mode], who);
  for (unsigned i = 0; i < OPCODES_SIZE && i < (is_ok ? insn.length : 12u); i++)
    printf (" %02x", bytes[i]);
  printf ("  %s: this processor %u at %+lld, translated %u at %+lld", text, native->vector, (long long) native->rip, guest->vector,
          (long long) guest->rip);
  if (native->vector == 14 || guest->vector == 14)
    printf ("; error %x, %x; cr2 %x, %x", native->error, guest->error, native->cr2, guest->cr2);
  printf ("\n");
}

static bool
excused (X86Mode mode, const uint8_t *bytes, bool kernel, const Outcome *native, const Outcome *guest)
{
  int known = difference_of (mode, bytes, kernel, native, guest);
  if (known >= 0)
    n_known[known]++;
  return known >= 0;
}

/* That the rest of an instruction is missing shows in error code and CR2, too. */
static bool
agree (const Outcome *native, const Outcome *guest)
{
  if (native->vector != guest->vector || native->rip != guest->rip)
    return false;
  return native->cr2 != OPCODES_EDGE_END || (native->error == guest->error && native->cr2 == guest->cr2);
}

static void
compare_user (const Batch *b, const Outcome *native, const Outcome *guest)
{
  for (unsigned i = 0; i < b->n; i++) {
    n_undefined += native[i].vector == UD;
    if (agree (&native[i], &guest[i]))
      continue;
    if (!excused (b->mode, b->code[i], false, &native[i], &guest[i]))
      complain (b->mode, b->code[i], "user", &native[i], &guest[i]);
  }
}

static void
compare_kernel (const Batch *b, const Outcome *native, const Outcome *guest)
{
  for (unsigned i = 0; i < b->n; i++) {
    bool undefined = native[i].vector == UD;
    if (undefined == (guest[i].vector == UD) && (!undefined || guest[i].rip == 0))
      continue;
    if (!excused (b->mode, b->code[i], true, &native[i], &guest[i]))
      complain (b->mode, b->code[i], "kernel", &native[i], &guest[i]);
  }
}

/* Real and virtual-8086 mode know what 16-bit code of protected mode knows, but for what is about protection, and VEX. */
static void
compare_legacy (const uint8_t *bytes, const Outcome *native)
{
  bool undefined = native->vector == UD || protected_mode_only (bytes);
  for (unsigned vm86 = 0; vm86 < 2; vm86++) {
    Outcome guest = { .vector = 0 };
    char why[80] = "";
    if (!guest_run_legacy (bytes, vm86, &guest, why))
      printf ("%s: %s\n", vm86 ? "vm86" : "real", why);
    else if (undefined == (guest.vector == UD && guest.rip == 0))      /* behind POP SS the next one runs before the trap, defined or not */
      continue;
    else if (excused (X86_MODE_16, bytes, !vm86, native, &guest))
      continue;
    complain (X86_MODE_16, bytes, vm86 ? "vm86" : "real", native, &guest);
  }
}

/* Every so many of a batch, for each is a run of its own. */
static void
run_legacy (const Batch *b, const Outcome *native)
{
  for (unsigned i = 0; i < b->n; i += LEGACY_STRIDE)
    if (!kernel_must_not (b->mode, b->code[i]))
      compare_legacy (b->code[i], &native[i]);
}

static void
run_batch (Batch *b)
{
  static Outcome native[OPCODES_BATCH], guest[OPCODES_BATCH];
  char why[80];
  native_run (b, native);
  bool user_only = b->split[0] || b->value;
  if (b->mode == X86_MODE_16 && !user_only)
    run_legacy (b, native);
  for (unsigned kernel = 0; kernel < (user_only ? 1u : 2u); kernel++) {
    Batch copy = *b;
    for (unsigned i = 0; kernel && i < b->n; i++)
      if (kernel_must_not (b->mode, b->code[i]))
        memset (copy.code[i], 0x90, OPCODES_SIZE);
    memset (guest, 0, sizeof guest);
    if (!guest_run (&copy, kernel, guest, why)) {
      unsigned at = (unsigned) atoi (why + 5);
      printf ("%s-bit %s: %s\n", modes[b->mode], kernel ? "kernel" : "user", why);
      complain (b->mode, b->code[at], kernel ? "kernel" : "user", &native[at], &guest[at]);
    } else if (kernel) {
      for (unsigned i = 0; i < b->n; i++)
        if (memcmp (copy.code[i], b->code[i], OPCODES_SIZE))
          guest[i] = native[i];
      compare_kernel (b, native, guest);
    } else {
      compare_user (b, native, guest);
    }
  }
  n_cases += b->n;
}

static void
add (Batch *b, const uint8_t *bytes)
{
  if (native_must_not (b->mode, bytes))
    return;
  memcpy (b->code[b->n++], bytes, OPCODES_SIZE);
  if (b->n < OPCODES_BATCH)
    return;
  run_batch (b);
  b->n = 0;
}

/* Instructions that a page's end cuts in two, after each of their bytes: the rest is missing, or not to be executed. */
static void
run_split (X86Mode mode)
{
  static Batch b;
  uint8_t bytes[OPCODES_SIZE];
  X86Insn insn;
  for (unsigned i = 0; i < options.n_random / 4; i++) {
    list_random (mode, options.seed + (1u << 20) + i, bytes);
    if (native_must_not (mode, bytes) || x86_decode (bytes, OPCODES_SIZE, mode, &insn) == X86_DECODE_TOO_LONG)
      continue;
    for (unsigned n = 1; n <= insn.length && n < OPCODES_SIZE; n++) {
      memcpy (b.code[b.n], bytes, OPCODES_SIZE);
      b.split[b.n++] = (uint8_t) n;
      if (b.n < OPCODES_BATCH)
        continue;
      b.mode = mode;
      run_batch (&b);
      b.n = 0;
      b.no_execute = !b.no_execute;
    }
  }
}

/* An address near the border may be a selector: of a segment in one side's LDT, or a null one. */
static bool
loads_segment (const uint8_t *bytes)
{
  X86Insn insn;
  x86_decode (bytes, OPCODES_SIZE, X86_MODE_64, &insn);
  return insn.op == X86_OP_MOV_TO_SEG;
}

/* Operands that begin in the last bytes of the lower half of all addresses, or just behind it. */
static void
run_border (void)
{
  static Batch b;
  uint8_t bytes[OPCODES_SIZE];
  unsigned n = options.n_random / 2;
  b.mode = X86_MODE_64;
  for (unsigned i = 0; i < 2 * n; i++) {
    b.value = BORDER + 8 - (i / OPCODES_BATCH * 37 + options.seed) % 80;
    if (i < n)
      list_random (X86_MODE_64, options.seed + (1u << 21) + i, bytes);
    else
      list_case (X86_MODE_64, (options.seed + i) * 7919 % list_count (X86_MODE_64), bytes);
    if (!loads_segment (bytes))
      add (&b, bytes);
  }
}

static void
run_mode (X86Mode mode)
{
  static Batch b;
  uint8_t bytes[OPCODES_SIZE];
  b.mode = mode;
  b.n = 0;
  for (uint64_t i = options.seed % options.stride; i < list_count (mode); i += options.stride) {
    list_case (mode, i, bytes);
    add (&b, bytes);
  }
  for (unsigned i = 0; i < options.n_random; i++) {
    list_random (mode, options.seed + i, bytes);
    add (&b, bytes);
  }
  if (b.n)
    run_batch (&b);
  run_split (mode);
  if (mode == X86_MODE_64)
    run_border ();
}

/* One instruction, said in hexadecimal, on its own. */
static void
show (X86Mode mode)
{
  Outcome native, guest[2];
  Batch b = { .mode = mode, .n = 1 };
  char why[80] = "";
  unsigned n = 0, byte;
  memset (b.code[0], 0x90, OPCODES_SIZE);
  for (const char *p = options.hex; n < OPCODES_SIZE && sscanf (p, "%2x", &byte) == 1; p += 2)
    b.code[0][n++] = (uint8_t) byte;
  native_run (&b, &native);
  bool ran = guest_run (&b, false, &guest[0], why) && guest_run (&b, true, &guest[1], why);
  printf ("%s-bit: this processor %u at %+lld, user %u at %+lld, kernel %u at %+lld%s%s\n", modes[mode], native.vector, (long long) native.rip,
          guest[0].vector, (long long) guest[0].rip, guest[1].vector, (long long) guest[1].rip, ran ? "" : ": ", why);
}

static bool
parse (int argc, char **argv)
{
  int c;
  while ((c = getopt (argc, argv, "vw:s:n:l:x:")) != -1)
    switch (c) {
    case 'v': options.verbose = true; break;
    case 'w': options.way = optarg; break;
    case 'x': options.hex = optarg; break;
    case 's': options.seed = strtoull (optarg, NULL, 0); break;
    case 'n': options.n_random = (unsigned) strtoul (optarg, NULL, 0); break;
    case 'l': options.stride = strtoull (optarg, NULL, 0); break;
    default: return false;
    }
  return optind == argc && options.stride;
}

int
main (int argc, char **argv)
{
  static const char *const ways[] = { "interp", "x64" };
  if (!parse (argc, argv))
    return 2;
#ifdef __SANITIZE_ADDRESS__
  printf ("AddressSanitizer's shadow lies where the cases expect nothing: skipped\n");
  return 77;
#endif
  if (!native_start ()) {
    printf ("this host does not run the cases: skipped\n");
    return 77;
  }
  for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
    if ((strcmp (options.way, "all") && strcmp (options.way, ways[i])) || !guest_start (ways[i]))
      continue;
    for (X86Mode mode = X86_MODE_16; mode <= X86_MODE_64; mode++)
      if (options.hex)
        show (mode);
      else
        run_mode (mode);
    guest_finish ();
  }
  if (options.hex)
    return 0;
  for (unsigned i = 0; i < N_DIFFERENCES; i++)
    if (n_known[i])
      printf ("known to differ: %s (%u)\n", differences[i].why, n_known[i]);
  printf ("%u instructions, each as user and as kernel, %u of them undefined; %u wrong\n", n_cases, n_undefined, n_wrong);
  return n_wrong != 0 || !n_cases;
}

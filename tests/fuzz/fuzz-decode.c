/* fuzz-decode.c -- libFuzzer entry for the x86 decoder and its disassembler: any bytes, any mode. */
/* SPDX-License-Identifier: MIT */

#include <stdlib.h>
#include <string.h>

#include "target-i386/decode/decode.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
require (bool condition)
{
  if (!condition) {
    abort ();
  }
}

/* Fills the stack below the caller, as earlier calls or a signal's handler do. */
static void __attribute__ ((noinline))
leave_behind (uint8_t rest)
{
  volatile uint8_t left[2048];
  for (size_t i = 0; i < sizeof left; i++) {
    left[i] = rest;
  }
}

/* A shorter view of a whole instruction must ask for more; a longer one must not change it. */
static void
check_views (const uint8_t *bytes, size_t avail, X86Mode mode, const X86Insn *whole, X86DecodeResult result)
{
  X86Insn part;
  for (size_t n = 0; n < whole->length; n++) {
    require (x86_decode (bytes, n, mode, &part) == X86_DECODE_NEED_MORE);
  }
  if (result != X86_DECODE_NEED_MORE) {
    leave_behind (0xa5);
    require (x86_decode (bytes, whole->length, mode, &part) == result);
    require (memcmp (&part, whole, sizeof part) == 0);
  } else {
    require (whole->length == avail);
  }
}

/* The first byte chooses the mode; the rest is decoded as a stream, each instruction where the last one
 * ended. */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (size == 0) {
    return 0;
  }
  X86Mode mode = data[0] % 3;
  for (size_t at = 1; at < size;) {
    X86Insn insn;
    char text[96];
    X86DecodeResult result = x86_decode (data + at, size - at, mode, &insn);
    require (insn.length <= X86_MAX_INSN_LENGTH && insn.length <= size - at);
    check_views (data + at, size - at, mode, &insn, result);
    require (x86_disasm (&insn, at, text, sizeof text) < sizeof text);
    x86_insn_without_feature (&insn);
    if (result == X86_DECODE_NEED_MORE) {
      break;
    }
    at += insn.length ? insn.length : 1;
  }
  return 0;
}

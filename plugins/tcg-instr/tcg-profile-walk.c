/* tcg-profile-walk.c -- who called whom, by frame pointers. */
/* SPDX-License-Identifier: MIT */
/*
 * Code without frame pointers uses the register for something else.  What is taken for a frame must therefore look like one in all that can be checked:
 * it lies above the one before and not far, and its return address comes after a call instruction, in the same half of the addresses.
 */
#include "tcg-profile-walk.h"
#include <string.h>

#define LEAF_BYTES_MAX 4096     /* of a function that never makes a frame */
#define FRAME_BYTES_MAX (UINT64_C (8) << 20)    /* the usual limit of a whole stack */

/* --- code ----------------------------------------------------------------------------------------- */

/* The bytes of a padding or landing instruction at the start; 0: something else. */
static size_t
skippable (const uint8_t *p, size_t size)
{
  if (size >= 4 && p[0] == 0xf3 && p[1] == 0x0f && p[2] == 0x1e && (p[3] & 0xfe) == 0xfa)
    return 4;                   /* endbr32, endbr64 */
  if (size >= 1 && p[0] == 0x90)
    return 1;
  size_t prefixes = 0;
  while (prefixes < size && p[prefixes] == 0x66)
    prefixes++;
  p += prefixes;
  size -= prefixes;
  if (prefixes && size >= 1 && p[0] == 0x90)
    return prefixes + 1;
  if (size < 3 || p[0] != 0x0f || p[1] != 0x1f)
    return 0;
  unsigned mod = p[2] >> 6, rm = p[2] & 7;      /* nopw, nopl with the operands that assemblers choose */
  size_t length = prefixes + 3 + (rm == 4) + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
  return mod == 3 || length > prefixes + size ? 0 : length;
}

FrameState
frame_state (const uint8_t *code, size_t size, unsigned code_bits)
{
  size_t n;
  while ((n = skippable (code, size)) > 0) {
    code += n;
    size -= n;
  }
  if (size >= 1 && (code[0] == 0x55 || code[0] == 0xc3 || code[0] == 0xc2))
    return FRAME_AT_ENTRY;      /* push %rbp, ret */
  if (size >= 2 && code[0] == 0xf3 && code[1] == 0xc3)
    return FRAME_AT_ENTRY;
  size_t rex = code_bits == 64 && size >= 1 && code[0] == 0x48;
  if ((code_bits == 32 || rex) && size >= rex + 2 && ((code[rex] == 0x89 && code[rex + 1] == 0xe5) || (code[rex] == 0x8b && code[rex + 1] == 0xec)))
    return FRAME_PUSHED;        /* mov %rsp,%rbp */
  return FRAME_MADE;
}

/* Does `p', the last 7 bytes before an address, end with a call? */
static bool
ends_with_call (const uint8_t p[7])
{
  if (p[2] == 0xe8)
    return true;
  for (unsigned length = 2; length <= 7; length++) {
    const uint8_t *c = p + 7 - length;
    if (c[0] != 0xff || (c[1] >> 3 & 7) != 2)
      continue;
    unsigned mod = c[1] >> 6, rm = c[1] & 7, sib = mod != 3 && rm == 4;
    unsigned wanted = 2 + sib + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
    if (mod == 0 && (rm == 5 || (sib && length > 2 && (c[2] & 7) == 5)))
      wanted += 4;
    if (wanted == length)
      return true;
  }
  return false;
}

/* --- the stack ------------------------------------------------------------------------------------ */

static bool
read_word (const Walk *w, uint64_t address, uint64_t *value)
{
  uint8_t bytes[8] = { 0 };
  if (!w->read (w->user, address, bytes, w->code_bits / 8))
    return false;
  *value = 0;
  for (unsigned i = 8; i-- > 0;)
    *value = *value << 8 | bytes[i];
  return true;
}

static bool
is_return_address (const Walk *w, uint64_t address)
{
  uint8_t before[7];
  bool same_half = w->code_bits == 32 || (int64_t) (address ^ w->pc) >= 0;
  return same_half && address >= sizeof before && w->read (w->user, address - sizeof before, before, sizeof before) && ends_with_call (before);
}

/* Compilers give functions that call none no frame even when told to.  Then the top of the stack is the return address: it is if the call before
 * it is of the function that the program counter is in, and that does not begin by saving the frame pointer. */
static bool
is_leaf_return (const Walk *w, uint64_t address)
{
  uint8_t call[5], entry[16];
  if (!is_return_address (w, address) || !w->read (w->user, address - sizeof call, call, sizeof call) || call[0] != 0xe8)
    return false;
  int32_t distance = (int32_t) ((uint32_t) call[1] | (uint32_t) call[2] << 8 | (uint32_t) call[3] << 16 | (uint32_t) call[4] << 24);
  uint64_t function = address + (uint64_t) (int64_t) distance;
  if (w->code_bits == 32)
    function &= UINT32_MAX;
  if (w->pc < function || w->pc - function >= LEAF_BYTES_MAX || !w->read (w->user, function, entry, sizeof entry))
    return false;
  return w->pc == function || frame_state (entry, sizeof entry, w->code_bits) != FRAME_AT_ENTRY;
}

/* The return address of a function that has no frame, or not now. */
static bool
find_frameless (const Walk *w, uint64_t *address)
{
  if (!read_word (w, w->sp + (w->state == FRAME_PUSHED ? w->code_bits / 8 : 0), address))
    return false;
  return w->state == FRAME_MADE ? is_leaf_return (w, *address) : is_return_address (w, *address);
}

unsigned
walk_frames (const Walk *w, uint64_t *out, unsigned max)
{
  unsigned n = 0, word = w->code_bits / 8;
  uint64_t fp = w->fp, lowest = w->sp, address;
  if (w->code_bits != 32 && w->code_bits != 64)
    return 0;
  if (n < max && find_frameless (w, &address))
    out[n++] = address;
  while (n < max && fp % word == 0 && fp >= lowest && fp - lowest < FRAME_BYTES_MAX) {
    uint64_t next;
    if (!read_word (w, fp, &next) || !read_word (w, fp + word, &address) || !is_return_address (w, address))
      break;
    out[n++] = address;
    lowest = fp + 2 * word;
    fp = next;
  }
  return n;
}

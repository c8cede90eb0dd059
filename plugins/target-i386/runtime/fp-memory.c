/* fp-memory.c -- guest memory of the FP helpers: images in pieces; moves under a mask, gathers. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "fp.h"
#include "helpers.h"

#define PAGE 4096u

/* --- images --------------------------------------------------------------------------------------------- */

/* Addresses wrap at the top of 4 GiB where there is nothing above. */
static uint64_t
at (const X86Cpu *env, uint64_t linear, uint64_t offset)
{
  return (linear + offset) & x86_linear_mask (env);
}

void
fp_check_access (X86Cpu *env, uint64_t linear, unsigned size, BpMmuAccess access)
{
  unsigned mmu = x86_mmu_index (env);
  env->tcg.ops->probe (env, linear, 1, access, mmu);
  if ((linear & (PAGE - 1)) + size > PAGE)      /* its fault is at the page's start */
    env->tcg.ops->probe (env, at (env, linear | (PAGE - 1), 1), 1, access, mmu);
}

/* Within a page that cannot be reached directly. */
static void
copy_words (X86Cpu *env, uint64_t linear, uint8_t *buffer, unsigned size, BpMmuAccess access)
{
  for (unsigned i = 0, step; i < size; i += step) {
    step = (linear + i) & 1 || size - i < 2 ? 1 : 2;
    BpMemOp memop = step == 1 ? BP_MO_8 : BP_MO_16;
    uint64_t part = 0;
    if (access == BP_MMU_LOAD) {
      part = x86_load (env, linear + i, memop);
      memcpy (buffer + i, &part, step);
    } else {
      memcpy (&part, buffer + i, step);
      x86_store (env, linear + i, part, memop);
    }
  }
}

static void
copy (X86Cpu *env, uint64_t linear, uint8_t *buffer, unsigned size, BpMmuAccess access)
{
  fp_check_access (env, linear, size, access);
  for (unsigned done = 0, n; done < size; done += n) {
    uint64_t here = at (env, linear, done);
    unsigned in_page = PAGE - (unsigned) (here & (PAGE - 1));
    n = size - done < in_page ? size - done : in_page;
    void *p = env->tcg.ops->probe (env, here, n, access, x86_mmu_index (env));
    if (!p) {
      copy_words (env, here, buffer + done, n, access);
      continue;
    }
    if (access == BP_MMU_LOAD)
      memcpy (buffer + done, p, n);
    else
      memcpy (p, buffer + done, n);
    if (env->tcg.ops->accessed)
      env->tcg.ops->accessed (env, here, n, access, x86_mmu_index (env));
  }
}

void
fp_read (X86Cpu *env, uint64_t linear, uint8_t *buffer, unsigned size)
{
  copy (env, linear, buffer, size, BP_MMU_LOAD);
}

void
fp_write (X86Cpu *env, uint64_t linear, const uint8_t *buffer, unsigned size)
{
  copy (env, linear, (uint8_t *) buffer, size, BP_MMU_STORE);
}

/* --- MASKMOVQ, MASKMOVDQU ------------------------------------------------------------------------------- */

/* Stores the bytes that are selected, of at most 32; their faults come first. */
static void
store_selected (X86Cpu *env, uint64_t linear, const uint8_t *data, uint32_t selected, unsigned step)
{
  if (!selected)
    return;
  unsigned first = (unsigned) __builtin_ctz (selected), last = 31 - (unsigned) __builtin_clz (selected);
  BpMemOp memop = (unsigned) __builtin_ctz (step);
  if (x86_is_canonical (linear + first) && !x86_is_canonical (linear + first + step - 1))      /* before its first page is looked at */
    env->tcg.ops->probe (env, linear + first + step - 1, 1, BP_MMU_STORE, x86_mmu_index (env));
  fp_check_access (env, at (env, linear, first), last - first + 1, BP_MMU_STORE);
  for (unsigned i = first; i <= last; i += step)
    if (selected >> i & 1) {
      uint64_t part = 0;
      memcpy (&part, data + i, step);
      x86_store (env, linear + i, part, memop);
    }
}

void
helper_maskmov (X86Cpu *env, uint64_t linear, uint32_t registers)
{
  FxImage *f = fx_image (env);
  unsigned source = registers & 15, mask = registers >> 4 & 15, size = registers >> 8 & 1 ? 16 : 8;
  uint8_t data[16], select[16];
  if (size == 8) {
    fp_raise_pending (env);
    unsigned top = fx_top (f);
    memcpy (data, &f->st[(source - top) & 7].sig, 8);
    memcpy (select, &f->st[(mask - top) & 7].sig, 8);
  } else {
    memcpy (data, &f->xmm[source], 16);
    memcpy (select, &f->xmm[mask], 16);
  }
  uint32_t selected = 0;
  for (unsigned i = 0; i < size; i++)
    selected |= (uint32_t) (select[i] >> 7) << i;
  store_selected (env, linear, data, selected, 1);
  if (size == 8)
    fx_enter_mmx (f);
}

/* --- VMASKMOVPS and kin --------------------------------------------------------------------------------- */

typedef struct Ymm {
  uint8_t b[32];
} Ymm;

static Ymm
get_ymm (X86Cpu *env, unsigned number)
{
  Ymm v;
  memcpy (v.b, &fx_image (env)->xmm[number], 16);
  memcpy (v.b + 16, &fx_uppers (env)->ymm[number], 16);
  return v;
}

static void
put_ymm (X86Cpu *env, unsigned number, const Ymm *v)
{
  memcpy (&fx_image (env)->xmm[number], v->b, 16);
  memcpy (&fx_uppers (env)->ymm[number], v->b + 16, 16);
}

static bool
is_negative (const Ymm *v, unsigned element, unsigned step)
{
  return v->b[(element + 1) * step - 1] & 0x80;
}

void
helper_vmaskmov (X86Cpu *env, uint64_t linear, uint32_t what)
{
  unsigned step = what & VMASKMOV_QUADS ? 8 : 4, size = what & VMASKMOV_256 ? 32 : 16;
  Ymm mask = get_ymm (env, what >> VMASKMOV_MASK_SHIFT & 15), data = { { 0 } };
  BpMemOp memop = step == 8 ? BP_MO_64 : BP_MO_32;
  if (what & VMASKMOV_STORE) {
    uint32_t selected = 0;
    data = get_ymm (env, what & 15);
    for (unsigned i = 0; i < size / step; i++)
      if (is_negative (&mask, i, step))
        selected |= ((1u << step) - 1) << i * step;
    store_selected (env, linear, data.b, selected, step);
    return;
  }
  for (unsigned i = 0; i < size / step; i++)
    if (is_negative (&mask, i, step)) {
      uint64_t part = x86_load (env, linear + i * step, memop);
      memcpy (data.b + i * step, &part, step);
    }
  put_ymm (env, what & 15, &data);
}

/* --- gathers (SDM vol. 2, VGATHERDPS and kin) ----------------------------------------------------------- */

static uint64_t
gather_address (X86Cpu *env, uint64_t offset, const Ymm *indexes, unsigned i, uint32_t what)
{
  unsigned seg = what >> GATHER_SEG_SHIFT & 7, scale = what >> GATHER_SCALE_SHIFT & 3;
  int64_t index;
  if (what & GATHER_QUAD_INDEXES)
    memcpy (&index, indexes->b + 8 * i, 8);
  else {
    int32_t narrow;
    memcpy (&narrow, indexes->b + 4 * i, 4);
    index = narrow;
  }
  offset += (uint64_t) index << scale;
  if (!(what & GATHER_ADDRESS_64))
    offset = what & GATHER_ADDRESS_16 ? (uint16_t) offset : (uint32_t) offset;
  if (x86_in_code64 (env))
    return seg >= X86_FS ? env->segment[seg].base + offset : offset;
  return helper_segment_check (env, seg, (uint32_t) offset, what & GATHER_QUADS ? 8 : 4);
}

/* What a fault of the first element already finds: the mask's sign bits all over their elements, nothing above them. */
static void
widen_mask (Ymm *mask, unsigned bytes, unsigned step)
{
  for (unsigned i = 0; i < bytes / step; i++)
    memset (mask->b + i * step, is_negative (mask, i, step) ? 0xff : 0, step);
  memset (mask->b + bytes, 0, sizeof mask->b - bytes);
}

/* Element by element, each done for good before the next one is tried: after a fault the instruction starts again with what the mask says
 * is left. None is checked for its alignment. When the bytes that are no element's become zero is the processor's choice; those above an XMM
 * register here do so with the first element, others at the end, as on Intel's. */
void
helper_gather (X86Cpu *env, uint64_t offset, uint32_t what)
{
  unsigned to = what & 15, from = what >> GATHER_MASK_SHIFT & 15, bytes = what & GATHER_256 ? 32 : 16;
  unsigned step = what & GATHER_QUADS ? 8 : 4, index_size = what & GATHER_QUAD_INDEXES ? 8 : 4;
  unsigned n = bytes / (step > index_size ? step : index_size);
  Ymm indexes = get_ymm (env, what >> GATHER_INDEX_SHIFT & 15);
  Ymm mask = get_ymm (env, from), data = get_ymm (env, to);
  widen_mask (&mask, bytes, step);
  put_ymm (env, from, &mask);
  for (unsigned i = 0; i < n; i++) {
    if (is_negative (&mask, i, step)) {
      uint64_t part = x86_load (env, gather_address (env, offset, &indexes, i, what), step == 8 ? BP_MO_64 : BP_MO_32);
      memcpy (data.b + i * step, &part, step);
      memset (data.b + bytes, 0, sizeof data.b - bytes);
      put_ymm (env, to, &data);
    }
    memset (mask.b + i * step, 0, step);
    put_ymm (env, from, &mask);
  }
  memset (mask.b, 0, sizeof mask.b);
  memset (data.b + n * step, 0, sizeof data.b - n * step);
  put_ymm (env, from, &mask);
  put_ymm (env, to, &data);
}

/* --- a native insn that the host cannot do, with an operand of 16 bytes ---------------------------------- */

uint64_t
helper_fp_portable (X86Cpu *env, uint64_t native, uint64_t linear, uint64_t in)
{
  uint8_t operand[16];
  uint32_t flags = 0;
  fp_read (env, linear, operand, sizeof operand);
  uint64_t result = x86_native_portable (env, native, sizeof operand | BP_NATIVE_MEM_READ, in, operand, &flags);
  return (uint32_t) result | (uint64_t) flags << 32;
}

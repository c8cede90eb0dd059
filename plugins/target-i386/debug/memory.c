/* memory.c -- page tables walked without leaving a trace, memory by linear addresses, where the CPU is. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "debug.h"

/* --- physical memory ----------------------------------------------------------------------- */

/* Page tables that are no plain memory are not looked at: a device might notice. */
bool
x86_debug_read_physical (const X86Cpu *env, uint64_t physical, void *buffer, unsigned size)
{
  const BpFlatRange *r = env->memory ? bp_as_lookup (env->memory, physical) : NULL;
  if (!r)
    return false;
  uint64_t inside = physical - r->address;
  bool found = r->host && r->size - inside >= size;
  if (found)
    memcpy (buffer, r->host + inside, size);
  bp_as_leave (env->memory);
  return found;
}

/* --- page tables (SDM 3A chapter 4) ----------------------------------------------------------- */

enum { PTE_P = 1 << 0, PTE_W = 1 << 1, PTE_U = 1 << 2, PTE_PS = 1 << 7, PTE_G = 1 << 8 };
#define PTE_NX ((uint64_t) 1 << 63)
#define CR4_LA57 (1u << 12)

typedef struct Walk {
  const X86Cpu *env;
  uint64_t address, entry;
  uint64_t rights;              /* W and U of all levels and-ed, NX or-ed */
} Walk;

static uint64_t
a20 (const X86Cpu *env, uint64_t physical)
{
  return physical & ~(uint64_t) (uint32_t) ~env->a20_mask;
}

static uint64_t
frame_mask (const X86Cpu *env)
{
  return (((uint64_t) 1 << env->physical_bits) - 1) & ~(uint64_t) 0xfff;
}

static bool
step (Walk *w, uint64_t table, unsigned shift, unsigned index_bits, unsigned entry_size)
{
  uint64_t index = w->address >> shift & (((uint64_t) 1 << index_bits) - 1);
  w->entry = 0;
  if (!x86_debug_read_physical (w->env, a20 (w->env, table + index * entry_size), &w->entry, entry_size) || !(w->entry & PTE_P))
    return false;
  w->rights = (w->rights & (w->entry | PTE_NX)) | (w->entry & PTE_NX);
  return true;
}

static bool
land (const Walk *w, uint64_t frame, unsigned shift, BpDebugPage *page)
{
  page->page_size = (uint64_t) 1 << shift;
  page->physical = a20 (w->env, (frame & ~(page->page_size - 1)) | (w->address & (page->page_size - 1)));
  page->flags = (w->rights & PTE_W ? BP_DEBUG_PAGE_WRITABLE : 0) | (w->rights & PTE_U ? BP_DEBUG_PAGE_USER : 0)
                | (w->rights & PTE_NX ? 0 : BP_DEBUG_PAGE_EXECUTABLE) | (w->entry & PTE_G && w->env->cr4 & CR4_PGE ? BP_DEBUG_PAGE_GLOBAL : 0);
  return true;
}

static bool
walk_legacy (Walk *w, BpDebugPage *page)
{
  if (!step (w, w->env->cr3 & 0xfffff000, 22, 10, 4))
    return false;
  if (w->entry & PTE_PS && w->env->cr4 & CR4_PSE)
    return land (w, (w->entry & 0xffc00000) | (w->entry >> 13 & 0xff) << 32, 22, page);
  return step (w, w->entry & 0xfffff000, 12, 10, 4) && land (w, w->entry & 0xfffff000, 12, page);
}

/* From the table whose entries each map 2^shift bytes. */
static bool
walk_wide (Walk *w, uint64_t table, unsigned shift, BpDebugPage *page)
{
  uint64_t frame = frame_mask (w->env);
  for (;; shift -= 9) {
    if (!step (w, table, shift, 9, 8))
      return false;
    if (shift == 12 || (w->entry & PTE_PS && shift <= 30))
      return land (w, w->entry & frame, shift, page);
    table = w->entry & frame;
  }
}

/* The four entries at the top were loaded with CR3. */
static bool
walk_pae (Walk *w, BpDebugPage *page)
{
  uint64_t pdpte = w->env->pdpte[w->address >> 30 & 3];
  return pdpte & PTE_P && walk_wide (w, pdpte & frame_mask (w->env), 21, page);
}

static bool
is_canonical (uint64_t address, unsigned bits)
{
  return (uint64_t) ((int64_t) (address << (64 - bits)) >> (64 - bits)) == address;
}

static bool
walk_long (Walk *w, BpDebugPage *page)
{
  bool five = w->env->cr4 & CR4_LA57;
  return is_canonical (w->address, five ? 57 : 48) && walk_wide (w, w->env->cr3 & frame_mask (w->env), five ? 48 : 39, page);
}

static bool
translate (const X86Cpu *env, uint64_t address, BpDebugPage *page)
{
  Walk w = { .env = env, .address = x86_in_long_mode (env) ? address : (uint32_t) address, .rights = PTE_W | PTE_U };
  if (address >> 32 && !x86_in_long_mode (env))
    return false;               /* nothing is there, and nothing wraps */
  if (!(env->cr0 & CR0_PG))
    return land (&w, w.address, 12, page);
  return x86_in_long_mode (env) ? walk_long (&w, page) : env->cr4 & CR4_PAE ? walk_pae (&w, page) : walk_legacy (&w, page);
}

bool
x86_debug_translate (const X86Cpu *env, uint64_t address, BpDebugPage *out)
{
  BpDebugPage page = { .struct_size = MIN (out->struct_size, (uint32_t) sizeof page) };
  if (!translate (env, address, &page))
    return false;
  memcpy (out, &page, page.struct_size);
  return true;
}

/* --- memory ------------------------------------------------------------------------------------ */

/* The bytes from `address` on that lie in one page, at most `size`, and where that is. */
static uint64_t
piece (const X86Cpu *env, uint64_t address, uint64_t size, uint64_t *physical)
{
  BpDebugPage page;
  if (!translate (env, address, &page))
    return 0;
  *physical = page.physical;
  return MIN (size, 4096 - (address & 4095));
}

uint64_t
x86_debug_read (X86Cpu *env, uint64_t address, void *buffer, uint64_t size)
{
  uint64_t done = 0, physical, n;
  for (; done < size && (n = piece (env, address + done, size - done, &physical)); done += n)
    if (!bp_as_read (env->memory, physical, (uint8_t *) buffer + done, n))
      break;
  return done;
}

uint64_t
x86_debug_write (X86Cpu *env, uint64_t address, const void *buffer, uint64_t size)
{
  uint64_t done = 0, physical, n;
  for (; done < size && (n = piece (env, address + done, size - done, &physical)); done += n)
    if (!bp_as_write_rom (env->memory, physical, (const uint8_t *) buffer + done, n))
      break;
  return done;
}

/* --- the CPU's place ------------------------------------------------------------------------------ */

static unsigned
code_bits_now (const X86Cpu *env)
{
  return x86_in_code64 (env) ? 64 : env->hflags & HF_CS32 ? 32 : 16;
}

static const char *
mode_name (const X86Cpu *env)
{
  if (x86_in_long_mode (env))
    return x86_in_code64 (env) ? "long" : "compatibility";
  return !(env->cr0 & CR0_PE) ? "real" : env->eflags & X86_FL_VM ? "virtual-8086" : "protected";
}

static uint64_t
stack_linear (const X86Cpu *env)
{
  if (x86_in_code64 (env))
    return env->gpr[X86_RSP];
  return (uint32_t) (env->segment[BP_X86_SS].base + (env->gpr[X86_RSP] & (env->hflags & HF_SS32 ? 0xffffffff : 0xffff)));
}

void
x86_debug_where (const X86Cpu *env, BpDebugPlace *place)
{
  BpDebugPlace p = {
    .struct_size = MIN (place->struct_size, (uint32_t) sizeof p), .code_bits = code_bits_now (env), .pc = env->eip & x86_linear_mask (env),
    .address = x86_code_linear (env, env->eip), .sp_address = stack_linear (env), .mode = mode_name (env), .privilege = x86_cpl (env),
    .halted = env->halted != HALTED_NOT
  };
  memcpy (place, &p, p.struct_size);
}

unsigned
x86_debug_disassemble (X86Cpu *env, uint64_t address, unsigned code_bits, char *text, size_t text_size)
{
  uint8_t bytes[X86_MAX_INSN_LENGTH];
  X86Insn insn;
  unsigned n = (unsigned) x86_debug_read (env, address, bytes, sizeof bytes), bits = code_bits ? code_bits : code_bits_now (env);
  X86Mode mode = bits == 64 ? X86_MODE_64 : bits == 32 ? X86_MODE_32 : X86_MODE_16;
  if (n == 0)
    return 0;
  if (x86_decode (bytes, n, mode, &insn) == X86_DECODE_OK) {
    x86_disasm (&insn, address, text, text_size);
    return insn.length;
  }
  g_snprintf (text, text_size, ".byte 0x%02x", bytes[0]);
  return 1;
}

/* commands-paging.c -- info mem: what a processor's page tables map. */
/* SPDX-License-Identifier: MIT */
/* The formats are those of the Intel SDM, volume 3A, chapter 4. */
#include "commands.h"
#include <backplane/arch/x86-state.h>

#define MOST_ENTRIES (4u << 20) /* looked at: tables that contain themselves have no end */
#define MOST_RANGES 10000

enum { PRESENT = 1 << 0, WRITABLE = 1 << 1, USER = 1 << 2, LARGE = 1 << 7 };

typedef struct Walk {
  BpAddressSpace *memory;
  GString *out;
  unsigned entry_size, index_bits;
  bool pse, sign;               /* 4 MiB pages (without PAE); addresses are sign-extended */
  unsigned address_bits;
  unsigned entries, ranges;
  /* the range in the making */
  uint64_t start, size;
  unsigned rights;              /* WRITABLE | USER; 0 with size 0: none */
} Walk;

static void
end_range (Walk *w)
{
  if (w->size && w->ranges++ < MOST_RANGES) {
    uint64_t start = w->start;
    unsigned digits = w->address_bits > 32 ? 16 : 8;
    if (w->sign && start >> (w->address_bits - 1) & 1)
      start |= ~UINT64_C (0) << w->address_bits;
    g_string_append_printf (w->out, "%0*" G_GINT64_MODIFIER "x-%0*" G_GINT64_MODIFIER "x %0*" G_GINT64_MODIFIER "x %cr%c\n", (int) digits, start, (int) digits,
                            start + w->size, (int) digits, w->size, w->rights & USER ? 'u' : '-', w->rights & WRITABLE ? 'w' : '-');
  }
  w->size = 0;
}

static void
add_page (Walk *w, uint64_t address, uint64_t size, unsigned rights)
{
  if (w->size && (w->start + w->size != address || w->rights != rights))
    end_range (w);
  if (!w->size)
    w->start = address;
  w->rights = rights;
  w->size += size;
}

static bool
is_page (const Walk *w, unsigned level, unsigned shift, uint64_t entry)
{
  if (level == 0)
    return true;
  return entry & LARGE && (w->entry_size == 4 ? level == 1 && w->pse : shift <= 30);
}

/* Of a table whose entries map 1 << shift bytes each; level 0 has pages. */
static void
walk_table (Walk *w, uint64_t table, unsigned level, unsigned n, uint64_t address, unsigned rights)
{
  uint8_t bytes[4096];
  unsigned shift = 12 + level * w->index_bits;
  bp_as_read (w->memory, table, bytes, n * w->entry_size);
  for (unsigned i = 0; i < n && w->entries < MOST_ENTRIES && w->ranges < MOST_RANGES; i++) {
    uint64_t entry = 0, at = address + ((uint64_t) i << shift);
    for (unsigned j = w->entry_size; j-- > 0;)
      entry = entry << 8 | bytes[i * w->entry_size + j];
    w->entries++;
    /* the four entries of PAE's topmost table have no rights of their own */
    unsigned here = n == 4 ? rights : rights & (unsigned) entry;
    if (!(entry & PRESENT))
      continue;
    if (n != 4 && is_page (w, level, shift, entry))
      add_page (w, at, UINT64_C (1) << shift, here);
    else
      walk_table (w, entry & (w->entry_size == 4 ? UINT64_C (0xfffff000) : UINT64_C (0x000ffffffffff000)), level - 1, 1u << w->index_bits, at, here);
  }
}

typedef struct Registers {
  const BpX86CpuIface *iface;
  uint64_t cr0, cr3, cr4, efer;
} Registers;

/* [vcpu] */
static void
read_registers (void *cpu, void *user)
{
  Registers *r = user;
  BpX86State *state = g_new0 (BpX86State, 1);
  state->struct_size = sizeof *state;
  r->iface->get_state (cpu, state);
  *r = (Registers) { r->iface, state->cr0, state->cr3, state->cr4, state->efer };
  g_free (state);
}

static JsonNode *
info_mem (Call *call, JsonObject *arguments, GError **error)
{
  void *cpu = monitor_cpu (call, -1, error);
  Registers r = { .iface = cpu ? bp_object_interface (cpu, BP_X86_CPU_ID) : NULL };
  if (!cpu)
    return NULL;
  if (!BP_TABLE_HAS (r.iface, get_state))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "a %s does not show its page tables", bp_object_type_name (cpu));
  bp_vcpu_run_on (bp_vcpu_of (cpu), read_registers, &r, true);
  if (!(r.cr0 >> 31))           /* CR0.PG */
    return node_string ("PG disabled\n");
  bool pae = r.cr4 >> 5 & 1, wide = r.efer >> 10 & 1, five = wide && (r.cr4 >> 12 & 1);         /* CR4.PAE, EFER.LMA, CR4.LA57 */
  Walk w = { .memory = bp_machine_address_space (call->monitor->machine, "memory"), .out = g_string_new (NULL), .entry_size = pae ? 8 : 4,
             .index_bits = pae ? 9 : 10, .pse = r.cr4 >> 4 & 1, .sign = wide, .address_bits = five ? 57 : wide ? 48 : 32 };
  unsigned top = five ? 4 : wide ? 3 : pae ? 2 : 1;
  uint64_t table = pae && !wide ? r.cr3 & 0xffffffe0 : r.cr3 & UINT64_C (0x000ffffffffff000);
  walk_table (&w, table, top, pae && !wide ? 4 : 1u << w.index_bits, 0, WRITABLE | USER);
  end_range (&w);
  if (w.entries >= MOST_ENTRIES || w.ranges >= MOST_RANGES)
    g_string_append (w.out, "and more, which is too much to look at\n");
  return node_take_string (g_string_free (w.out, FALSE));
}

const Command paging_commands[] = {
  CONSOLE ("info mem", "what the processor's page tables map: first and last address + 1, size, rights", info_mem),
  COMMANDS_END
};

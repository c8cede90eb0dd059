/* frontend.c -- the table through which a translating accelerator drives a hart. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include <backplane/memory.h>
#include "riscv.h"

/* --- where code is --------------------------------------------------------------------------------- */

/* There is one mode, so that the address alone says what code means. */
static void
key (const void *self, BpTbKey *key)
{
  const RvCpu *env = self;
  *key = (BpTbKey) { .pc = env->pc };
}

static unsigned fetch_mmu_index (const void *env) { return 0; }

static void
restore (void *self, uint64_t pc, uint32_t word)
{
  RvCpu *env = self;
  env->pc = (uint32_t) pc;
}

static bool
is_halted (const void *self)
{
  const RvCpu *env = self;
  return env->halted;
}

/* Division guards itself, and no access asks for alignment: nothing here makes the host fault. */
static void
host_fault (void *env, BpHostFault fault)
{
  rv_record (env, CAUSE_ILLEGAL, 0);
}

/* --- memory ------------------------------------------------------------------------------------------ */

static bool
is_there (const RvCpu *env, uint32_t physical, bool *is_ram)
{
  const BpFlatRange *range = bp_as_lookup (env->memory, physical);
  if (!range)
    return false;
  *is_ram = range->host != NULL;
  bp_as_leave (env->memory);
  return true;
}

/* Where nothing is at all, an access is a fault.  The TLB knows whole pages, so one register makes the whole page accessible; which is looked at first must not
 * matter. */
static bool
page_is_there (const RvCpu *env, uint32_t page, bool *is_ram)
{
  for (uint32_t offset = 0; offset < 4096; offset += 4)
    if (is_there (env, page + offset, is_ram))
      return true;
  return false;
}

/* No paging: each page is where its address says. */
static bool
tlb_fill (void *self, uint64_t address, BpMmuAccess access, unsigned mmu_index, bool quiet, BpTlbFill *fill)
{
  RvCpu *env = self;
  bool is_ram = false;
  uint32_t page = (uint32_t) address & ~4095u;
  if (!page_is_there (env, page, &is_ram) || (access == BP_MMU_FETCH && !is_ram)) {
    if (!quiet)
      rv_record (env, access == BP_MMU_FETCH ? CAUSE_FETCH_ACCESS : access == BP_MMU_LOAD ? CAUSE_LOAD_ACCESS : CAUSE_STORE_ACCESS, (uint32_t) address);
    return false;
  }
  *fill = (BpTlbFill) { .physical = page, .page_shift = 12, .readable = true, .writable = true, .executable = is_ram, .global = true };
  return true;
}

/* --- for people and instruments ------------------------------------------------------------------------- */

static bool
decode_bytes (const uint8_t *bytes, RvInsn *insn)
{
  return rv_decode (bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16 | (uint32_t) bytes[3] << 24, insn);
}

static unsigned
disassemble (const BpTbKey *key, uint64_t pc, const uint8_t *bytes, unsigned n, char *out, size_t out_size)
{
  RvInsn insn;
  if (n < 4 || !decode_bytes (bytes, &insn)) {
    g_strlcpy (out, "(bad)", out_size);
    return 0;
  }
  rv_disassemble (&insn, (uint32_t) pc, out, out_size);
  return 4;
}

static void
dump (const void *self, char *out, size_t out_size)
{
  const RvCpu *env = self;
  GString *s = g_string_sized_new (1024);
  for (unsigned i = 0; i < 32; i++)
    g_string_append_printf (s, "%-4s=%08x%c", rv_register_names[i], env->x[i], i % 8 == 7 ? '\n' : ' ');
  g_string_append_printf (s, "pc  =%08x mstatus=%08x mie=%08x mtvec=%08x mepc=%08x mcause=%08x mtval=%08x halted=%u", env->pc, env->mstatus, env->mie,
                          env->mtvec, env->mepc, env->mcause, env->mtval, env->halted);
  g_strlcpy (out, s->str, out_size);
  g_string_free (s, TRUE);
}

/* ra and t0 hold return addresses (unprivileged, table 2.1). */
static bool
is_link (unsigned reg)
{
  return reg == 1 || reg == 5;
}

static unsigned
flags_of (const RvInsn *i)
{
  switch ((RvFormat) i->format) {
  case RV_FORMAT_LOAD: return BP_INSN_LOADS;
  case RV_FORMAT_STORE: return BP_INSN_STORES;
  case RV_FORMAT_BRANCH: return BP_INSN_BRANCH | BP_INSN_CONDITIONAL;
  case RV_FORMAT_JAL: return BP_INSN_BRANCH | (is_link (i->rd) ? BP_INSN_CALL : 0);
  case RV_FORMAT_JALR:
    return BP_INSN_BRANCH | BP_INSN_INDIRECT | (is_link (i->rd) ? BP_INSN_CALL : is_link (i->rs1) && i->rd == 0 ? BP_INSN_RETURN : 0);
  default: return i->op == RV_OP_ecall || i->op == RV_OP_ebreak || i->op == RV_OP_mret ? BP_INSN_BRANCH | BP_INSN_INDIRECT : 0;
  }
}

static void
describe (const BpTbKey *key, BpInsn *insn)
{
  RvInsn i;
  insn->code_bits = 32;
  insn->privilege = 0;
  if (insn->size < 4 || !decode_bytes (insn->bytes, &i))
    return;
  insn->flags = (uint16_t) flags_of (&i);
  insn->insn_class = insn->flags & BP_INSN_CALL ? BP_CLASS_CALL : insn->flags & BP_INSN_RETURN ? BP_CLASS_RETURN : i.insn_class;
  if (i.format == RV_FORMAT_BRANCH || i.format == RV_FORMAT_JAL)
    insn->target = (uint32_t) (insn->address + (uint32_t) i.imm);
}

/* Registers by their numbers; x0 is none. */
static bool
insn_registers (const BpInsn *insn, BpInsnRegisters *out)
{
  RvInsn i;
  if (insn->size < 4 || !decode_bytes (insn->bytes, &i))
    return false;
  RvFormat f = (RvFormat) i.format;
  bool reads_2 = f == RV_FORMAT_R || f == RV_FORMAT_STORE || f == RV_FORMAT_BRANCH;
  bool reads_1 = reads_2 || f == RV_FORMAT_I || f == RV_FORMAT_SHIFT || f == RV_FORMAT_LOAD || f == RV_FORMAT_JALR || f == RV_FORMAT_CSR;
  bool writes = f != RV_FORMAT_STORE && f != RV_FORMAT_BRANCH && f != RV_FORMAT_FENCE && f != RV_FORMAT_NONE;
  out->n_read = out->n_written = 0;
  if (reads_1 && i.rs1)
    out->read[out->n_read++] = i.rs1;
  if (reads_2 && i.rs2 && i.rs2 != i.rs1)
    out->read[out->n_read++] = i.rs2;
  if (writes && i.rd)
    out->written[out->n_written++] = i.rd;
  return true;
}

/* --- the table --------------------------------------------------------------------------------------------- */

const BpTcgFrontend rv_frontend = {
  .struct_size = sizeof (BpTcgFrontend),
  .name = "riscv32",
  .globals = rv_globals,
  .n_globals = BP_N_ELEMENTS (rv_globals),
  .helpers = rv_helpers,
  .pc_offset = offsetof (RvCpu, pc),
  .pc_size = 4,
  .address_bits = 32,
  .n_mmu_indexes = 1,
  .max_insn_bytes = 4,
  .key = key,
  .fetch_mmu_index = fetch_mmu_index,
  .translate = rv_translate,
  .restore = restore,
  .tlb_fill = tlb_fill,
  .deliver = rv_deliver,
  .interrupt = rv_interrupt,
  .wakes = rv_wakes,
  .is_halted = is_halted,
  .host_fault = host_fault,
  .disassemble = disassemble,
  .dump = dump,
  .debug_masked = IRQ_SOFTWARE | IRQ_TIMER | IRQ_EXTERNAL,
  .describe = describe,
  .insn_registers = insn_registers
};

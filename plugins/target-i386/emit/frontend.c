/* frontend.c -- the table through which an accelerator drives this CPU type. */
/* SPDX-License-Identifier: MIT */

#include <stdio.h>

#include "../runtime/helpers.h"
#include "translate.h"

/* The TLB knows two privileges; CPL 3 is the user. */
static unsigned
fetch_mmu_index (const void *env)
{
  return x86_mmu_index (env);
}

static unsigned
disassemble (const BpTbKey *key, uint64_t pc, const uint8_t *bytes, unsigned n, char *out, size_t out_size)
{
  X86Insn insn;
  X86DecodeResult result = x86_decode (bytes, n, key->flags & HF_CS32 ? X86_MODE_32 : X86_MODE_16, &insn);
  if (result == X86_DECODE_OK) {
    x86_disasm (&insn, pc, out, out_size);
    return insn.length;
  }
  snprintf (out, out_size, "(bad)");
  return 0;
}

const BpTcgFrontend x86_frontend = {
  .struct_size = sizeof (BpTcgFrontend),
  .name = "i386",
  .globals = x86_globals,
  .n_globals = G_N,
  .helpers = x86_helper_list,
  .pc_offset = offsetof (X86Cpu, eip),
  .pc_size = 4,
  .address_bits = 32,
  .n_mmu_indexes = MMU_N,
  .max_insn_bytes = X86_MAX_INSN_LENGTH,
  .fp_offset = offsetof (X86Cpu, fp),
  .fp_vectors = 8,
  .key = x86_block_key,
  .fetch_mmu_index = fetch_mmu_index,
  .translate = x86_translate,
  .restore = x86_restore,
  .tlb_fill = x86_tlb_fill,
  .deliver = x86_deliver,
  .interrupt = x86_interrupt,
  .wakes = x86_wakes,
  .is_halted = x86_is_halted,
  .host_fault = x86_host_fault,
  .native_portable = x86_native_portable,
  .disassemble = disassemble,
  .dump = x86_dump
};

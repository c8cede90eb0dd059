/* decode.c -- a word of code as an instruction, and the instruction as text. */
/* SPDX-License-Identifier: MIT */
#include "riscv.h"

/* --- decoding ----------------------------------------------------------------------------------- */

typedef struct Row {
  const char *name;
  uint32_t mask, match;
  uint8_t format, insn_class;
} Row;

static const Row rows[RV_N_OPS] = {
#define INSN(op, mask, match, format, insn_class) [RV_OP_##op] = { #op, mask, match, RV_FORMAT_##format, BP_CLASS_##insn_class },
#include "insns.def"
#undef INSN
};

static uint32_t
bits (uint32_t word, unsigned first, unsigned count)
{
  return word >> first & ((1u << count) - 1);
}

/* Unprivileged, figure 2.4.  All signs are bit 31's. */
static int32_t
immediate (uint32_t w, RvFormat format)
{
  int32_t sign = (int32_t) w >> 31;
  switch (format) {
  case RV_FORMAT_I: case RV_FORMAT_LOAD: case RV_FORMAT_JALR: return (int32_t) w >> 20;
  case RV_FORMAT_SHIFT: return (int32_t) bits (w, 20, 5);
  case RV_FORMAT_STORE: return sign * 2048 | (int32_t) (bits (w, 25, 6) << 5 | bits (w, 7, 5));
  case RV_FORMAT_BRANCH: return sign * 4096 | (int32_t) (bits (w, 7, 1) << 11 | bits (w, 25, 6) << 5 | bits (w, 8, 4) << 1);
  case RV_FORMAT_U: return (int32_t) (w & 0xfffff000);
  case RV_FORMAT_JAL: return sign * 1048576 | (int32_t) (bits (w, 12, 8) << 12 | bits (w, 20, 1) << 11 | bits (w, 21, 10) << 1);
  case RV_FORMAT_CSR: case RV_FORMAT_CSRI: case RV_FORMAT_FENCE: return (int32_t) bits (w, 20, 12);
  default: return 0;
  }
}

bool
rv_decode (uint32_t word, RvInsn *insn)
{
  for (unsigned op = 0; op < RV_N_OPS; op++) {
    const Row *row = &rows[op];
    if ((word & row->mask) != row->match)
      continue;
    *insn = (RvInsn) { .word = word, .op = (uint8_t) op, .format = row->format, .insn_class = row->insn_class, .rd = (uint8_t) bits (word, 7, 5),
                       .rs1 = (uint8_t) bits (word, 15, 5), .rs2 = (uint8_t) bits (word, 20, 5), .imm = immediate (word, row->format) };
    return true;
  }
  return false;
}

/* --- text, as objdump -M no-aliases prints it ----------------------------------------------------- */

const char *const rv_register_names[32] = {
  "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
  "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"
};

static void
print_csr (const RvInsn *i, const char *name, char *out, size_t size)
{
  const char *csr = rv_csr_name ((uint32_t) i->imm), *rd = rv_register_names[i->rd];
  char number[8], source[8];
  g_snprintf (number, sizeof number, "0x%x", (unsigned) i->imm);
  g_snprintf (source, sizeof source, "%u", i->rs1);
  g_snprintf (out, size, "%s %s,%s,%s", name, rd, csr ? csr : number, i->format == RV_FORMAT_CSRI ? source : rv_register_names[i->rs1]);
}

/* "iorw", a letter a bit */
static void
fence_set (unsigned set, char text[5])
{
  unsigned n = 0;
  for (unsigned k = 0; k < 4; k++)
    if (set & 8u >> k)
      text[n++] = "iorw"[k];
  text[n] = '\0';
}

static void
print_fence (const RvInsn *i, char *out, size_t size)
{
  char before[5], after[5];
  fence_set ((unsigned) i->imm >> 4 & 15, before);
  fence_set ((unsigned) i->imm & 15, after);
  g_snprintf (out, size, "fence %s,%s", *before ? before : "0", *after ? after : "0");
}

void
rv_disassemble (const RvInsn *i, uint32_t pc, char *out, size_t size)
{
  const char *rd = rv_register_names[i->rd], *rs1 = rv_register_names[i->rs1], *rs2 = rv_register_names[i->rs2];
  char name[8];
  g_strlcpy (name, rows[i->op].name, sizeof name);
  g_strdelimit (name, "_", '.');
  switch ((RvFormat) i->format) {
  case RV_FORMAT_R: g_snprintf (out, size, "%s %s,%s,%s", name, rd, rs1, rs2); break;
  case RV_FORMAT_I: g_snprintf (out, size, "%s %s,%s,%d", name, rd, rs1, i->imm); break;
  case RV_FORMAT_SHIFT: g_snprintf (out, size, "%s %s,%s,0x%x", name, rd, rs1, (unsigned) i->imm); break;
  case RV_FORMAT_LOAD: case RV_FORMAT_JALR: g_snprintf (out, size, "%s %s,%d(%s)", name, rd, i->imm, rs1); break;
  case RV_FORMAT_STORE: g_snprintf (out, size, "%s %s,%d(%s)", name, rs2, i->imm, rs1); break;
  case RV_FORMAT_BRANCH: g_snprintf (out, size, "%s %s,%s,%x", name, rs1, rs2, pc + (uint32_t) i->imm); break;
  case RV_FORMAT_U: g_snprintf (out, size, "%s %s,0x%x", name, rd, (uint32_t) i->imm >> 12); break;
  case RV_FORMAT_JAL: g_snprintf (out, size, "%s %s,%x", name, rd, pc + (uint32_t) i->imm); break;
  case RV_FORMAT_CSR: case RV_FORMAT_CSRI: print_csr (i, name, out, size); break;
  case RV_FORMAT_FENCE: print_fence (i, out, size); break;
  default: g_strlcpy (out, name, size);
  }
}

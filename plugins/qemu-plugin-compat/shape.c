/* shape.c -- how an instruction's accesses are cut into those that a plugin is told of. */
/* SPDX-License-Identifier: MIT */
/*
 * A plugin takes accesses for 1, 2, 4, 8 or 16 bytes (version 1: up to 8).  Ours can be of any size: 10 bytes of an x87 register, a vector of 32, many
 * elements of a repeated string instruction at once.
 */
#include "compat.h"

typedef struct Opcode {
  bool is_wide, is_two_byte;    /* REX.W; 0F ... */
  bool is_narrow, is_repeated;  /* prefixes: operand size, REP */
  uint8_t byte;
} Opcode;

/* Past the prefixes (Intel SDM vol. 2, 2.1.1 and 2.2.1). */
static Opcode
opcode_of (const BpInsn *insn)
{
  Opcode o = { 0 };
  unsigned i = 0;
  for (; i + 1 < insn->size && i < 14; i++) {
    uint8_t b = insn->bytes[i];
    bool is_prefix = b == 0xf0 || b == 0xf2 || b == 0xf3 || b == 0x2e || b == 0x36 || b == 0x3e || b == 0x26 || b == 0x64 || b == 0x65 || b == 0x66 || b == 0x67;
    bool is_rex = insn->code_bits == 64 && (b & 0xf0) == 0x40;
    if (!is_prefix && !is_rex) {
      break;
    }
    o.is_repeated |= b == 0xf2 || b == 0xf3;
    o.is_narrow |= b == 0x66;
    o.is_wide = is_rex && b >> 3 & 1;   /* a REX counts right before the opcode only */
  }
  if (insn->bytes[i] == 0x0f && i + 1 < insn->size) {
    o.is_two_byte = true;
    i++;
  }
  o.byte = insn->bytes[i];
  return o;
}

static unsigned
operand_bytes (const BpInsn *insn, const Opcode *o)
{
  if (o->is_wide) {
    return 8;
  }
  return (insn->code_bits == 16) == o->is_narrow ? 4 : 2;
}

/* MOVS CMPS STOS LODS SCAS, INS OUTS: the lowest bit tells bytes from larger elements. */
static unsigned
element_bytes (const BpInsn *insn, const Opcode *o)
{
  bool is_string = !o->is_two_byte && ((o->byte >= 0xa4 && o->byte <= 0xa7) || (o->byte >= 0xaa && o->byte <= 0xaf));
  bool is_port = !o->is_two_byte && o->byte >= 0x6c && o->byte <= 0x6f;
  if (!o->is_repeated || (!is_string && !is_port)) {
    return 0;
  }
  unsigned bytes = o->byte & 1 ? operand_bytes (insn, o) : 1;
  return is_port && bytes == 8 ? 4 : bytes;
}

/* MOVSX, MOVSXD. */
static bool
sign_extends (const BpInsn *insn, const Opcode *o)
{
  return o->is_two_byte ? o->byte == 0xbe || o->byte == 0xbf : insn->code_bits == 64 && o->byte == 0x63;
}

/* Instructions of these classes access 1, 2, 4, 8 or 16 bytes, and no string, unless they are VEX-coded: those may access 32.  (C4 and C5, SDM vol. 2, 2.3.5;
 * where it is LES or LDS, nothing is lost.) */
static bool
is_plain (const BpInsn *insn, const Opcode *o)
{
  if (!o->is_two_byte && (o->byte & 0xfe) == 0xc4) {
    return false;
  }
  switch (insn->insn_class) {
  case BP_CLASS_MOVE:
  case BP_CLASS_ARITHMETIC:
  case BP_CLASS_LOGIC:
  case BP_CLASS_SHIFT:
  case BP_CLASS_MULTIPLY:
  case BP_CLASS_DIVIDE:
  case BP_CLASS_CONDITIONAL:
  case BP_CLASS_BRANCH:
    return !(insn->flags & BP_INSN_REPEATED);
  default:
    return false;
  }
}

Shape
shape_of (const BpInsn *insn)
{
  Opcode o = opcode_of (insn);
  return (Shape) {
    .element = (uint8_t) element_bytes (insn, &o),
    .is_signed = sign_extends (insn, &o),
    .is_plain = is_plain (insn, &o),
  };
}

unsigned
shape_next (const Plugin *plugin, Shape shape, unsigned left)
{
  unsigned widest = plugin->version == 1 ? 8 : 16;
  if (shape.element && left >= shape.element) {
    return shape.element;
  }
  if (left >= widest) {
    return widest;
  }
  return 1u << g_bit_storage (left) >> 1;
}

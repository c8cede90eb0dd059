/* ir-text.c -- the text form of the IR: prints a block and parses it back. */
/* SPDX-License-Identifier: MIT */
/*
 * One insn a line, operands as ir-ops.def's template of the op says.  Temps: `env`, a global by its name,
 * a local as tN (its index among the temps after the globals), a constant as $0x1f; a local or constant whose
 * type is not the width at which the insn uses it carries it: t3:i64 (and a global that is too narrow).  `_` is
 * an absent operand.  `;` starts a comment.
 */
#include "ir-info.h"
#include <string.h>

/* --- words -------------------------------------------------------------------------- */

static const char *const size_words[2][4] = { { "u8", "u16", "u32", "u64" }, { "s8", "s16", "s32", "s64" } };
static const char *const type_words[2] = { "i32", "i64" };
static const char *const operand_words[4] = { "field", "out", "in", "mem" };

static const struct {
  const char *name;
  uint32_t bit;
} memop_words[] = { { "align", BP_MO_ALIGN }, { "addr64", BP_MO_ADDR64 }, { "stack", BP_MO_STACK },
  { "rmw", BP_MO_RMW }, { "top", BP_MO_TOP }, { "near", BP_MO_NEAR } };

/* The fields of a native insn: those of imm, then those of aux. */
typedef struct NativeField {
  const char *name;
  uint8_t in_aux, shift, bits;
  uint8_t is_kind;              /* a BpIrNativeOperand: printed as a word */
} NativeField;

static const NativeField native_fields[] = {
  { "opcode", 0, 0, 8, 0 },         { "map", 0, 8, 2, 0 },            { "prefix", 0, 10, 2, 0 },
  { "w", 0, 12, 1, 0 },             { "has_imm", 0, 13, 1, 0 },       { "imm8", 0, 32, 8, 0 },
  { "rax_out", 0, 14, 1, 0 },       { "no_modrm", 0, 15, 1, 0 },      { "reg_kind", 0, 20, 2, 1 },
  { "reg", 0, 16, 4, 0 },           { "rm_kind", 0, 26, 2, 1 },       { "rm", 0, 22, 4, 0 },
  { "state", 0, 28, 2, 0 },         { "flags_out", 0, 30, 1, 0 },     { "flags_in", 0, 31, 1, 0 },
  { "vex", 0, 40, 1, 0 },           { "vex_l", 0, 41, 1, 0 },         { "vvvv", 0, 42, 4, 0 },
  { "more_state", 0, 46, 2, 0 },    { "rcx_out", 0, 48, 1, 0 },       { "lengths_in", 0, 49, 1, 0 },
  { "size", 1, 0, 8, 0 },           { "read", 1, 8, 1, 0 },           { "write", 1, 9, 1, 0 },
  { "align", 1, 10, 1, 0 },         { "addr64", 1, 11, 1, 0 },        { "mmu", 1, 12, 4, 0 },
};

/* --- printing -------------------------------------------------------------------------- */

static void
print_temp (const BpIrBlock *ir, BpTemp temp, BpIrType expected, GString *out)
{
  if (temp == BP_IR_NONE) {
    g_string_append_c (out, '_');
    return;
  }
  if (temp >= ir->n_temps) {
    g_string_append_printf (out, "<temp %u>", temp);
    return;
  }
  const BpIrTemp *t = &ir->temps[temp];
  switch ((BpIrTempKind) t->kind) {
  case BP_IR_TEMP_ENV:
    g_string_append (out, "env");
    break;
  case BP_IR_TEMP_GLOBAL:
    g_string_append (out, ir->globals[t->global].name);
    break;
  case BP_IR_TEMP_LOCAL:
    g_string_append_printf (out, "t%u", temp - 1 - ir->n_globals);
    break;
  case BP_IR_TEMP_CONST:
    g_string_append_printf (out, "$0x%" G_GINT64_MODIFIER "x",
                            t->type == BP_IR_I32 ? (uint64_t) (uint32_t) t->value : (uint64_t) t->value);
    break;
  }
  bool has_name = t->kind == BP_IR_TEMP_GLOBAL || t->kind == BP_IR_TEMP_ENV;
  if (t->type != expected && (!has_name || expected == BP_IR_I64))
    g_string_append_printf (out, ":%s", type_words[t->type & 1]);
}

static void
print_memop (BpMemOp memop, GString *out)
{
  g_string_append_printf (out, "%s.%s.mmu%u", memop & BP_MO_BE ? "be" : "le",
                          size_words[(memop & BP_MO_SIGN) != 0][memop & 3], BP_MO_MMU_INDEX (memop));
  for (unsigned i = 0; i < G_N_ELEMENTS (memop_words); i++)
    if (memop & memop_words[i].bit)
      g_string_append_printf (out, ".%s", memop_words[i].name);
}

static void
print_native (uint64_t native, uint32_t aux, GString *out)
{
  g_string_append_c (out, '{');
  for (unsigned i = 0; i < G_N_ELEMENTS (native_fields); i++) {
    const NativeField *f = &native_fields[i];
    unsigned value = (unsigned) ((f->in_aux ? aux : native) >> f->shift) & ((1u << f->bits) - 1);
    if (value == 0 && i != 0)
      continue;
    g_string_append_printf (out, "%s%s=", i == 0 ? "" : " ", f->name);
    if (f->is_kind)
      g_string_append (out, operand_words[value]);
    else
      g_string_append_printf (out, value > 9 ? "0x%x" : "%u", value);
  }
  g_string_append_c (out, '}');
}

static void
print_call (const BpIrBlock *ir, const BpIrInsn *insn, GString *out)
{
  const BpIrHelper *helper = ir_helper (insn);
  g_string_append_printf (out, "%s (", helper->name);
  for (unsigned i = 0; i < helper->n_args; i++) {
    if (i > 0)
      g_string_append (out, ", ");
    print_temp (ir, insn->a[1 + i], ir_operand_type (insn, 1 + i), out);
  }
  g_string_append_c (out, ')');
}

/* Prints what the template's token at `p` stands for; returns how much of the template that was, or 0. */
static unsigned
print_token (const BpIrBlock *ir, const BpIrInsn *insn, const char *p, GString *out)
{
  static const struct { const char *word; uint8_t shift; } numbers[] = {
    { "aux", 0 }, { "pos", 0 }, { "len", 8 },
  };
  if ((p[0] == 'd' || p[0] == 's') && g_ascii_isdigit (p[1])) {
    unsigned slot = (unsigned) (p[1] - '0') + (p[0] == 's' ? ir_op_info[insn->op].n_out : 0);
    print_temp (ir, insn->a[slot], ir_operand_type (insn, slot), out);
    return 2;
  }
  if (g_str_has_prefix (p, "$aux")) {
    g_string_append_printf (out, "$L%u", insn->aux);
    return 4;
  }
  if (g_str_has_prefix (p, " + imm")) {
    uint64_t magnitude = insn->imm < 0 ? -(uint64_t) insn->imm : (uint64_t) insn->imm;
    g_string_append_printf (out, " %c 0x%" G_GINT64_MODIFIER "x", insn->imm < 0 ? '-' : '+', magnitude);
    return 6;
  }
  if (g_str_has_prefix (p, "imm, aux")) {
    g_string_append_printf (out, "0x%" G_GINT64_MODIFIER "x, 0x%x", (uint64_t) insn->imm, insn->aux);
    return 8;
  }
  if (g_str_has_prefix (p, "cond")) {
    g_string_append (out, insn->cond < 14 ? ir_cond_names[insn->cond] : "<cond>");
    return 4;
  }
  if (g_str_has_prefix (p, "memop")) {
    print_memop (insn->aux, out);
    return 5;
  }
  if (g_str_has_prefix (p, "native")) {
    print_native ((uint64_t) insn->imm, insn->aux, out);
    return 6;
  }
  if (g_str_has_prefix (p, "helper (s0 ...)")) {
    print_call (ir, insn, out);
    return 15;
  }
  for (unsigned i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (g_str_has_prefix (p, numbers[i].word)) {
      bool is_field = p[0] != 'a';
      g_string_append_printf (out, "%u", is_field ? insn->aux >> numbers[i].shift & 0xff : insn->aux);
      return 3;
    }
  return 0;
}

static void
print_insn (const BpIrBlock *ir, const BpIrInsn *insn, GString *out)
{
  if (insn->op >= BP_IR_N_OPS) {
    g_string_append_printf (out, "  <op %u>\n", insn->op);
    return;
  }
  const BpIrOpInfo *info = &ir_op_info[insn->op];
  bool flush_left = insn->op == BP_IR_insn_start || insn->op == BP_IR_label;
  g_string_append_printf (out, "%s%s", flush_left ? "" : "  ", info->name);
  if (ir_has_suffix ((BpIrOp) insn->op))
    g_string_append_printf (out, ".%s", type_words[insn->type & 1]);
  if (*info->operands)
    g_string_append_c (out, ' ');
  for (const char *p = info->operands; *p;) {
    unsigned n = print_token (ir, insn, p, out);
    if (n == 0)
      g_string_append_c (out, *p++);
    p += n;
  }
  g_string_append_c (out, '\n');
}

void
ir_print (const BpIrBlock *ir, GString *out)
{
  for (uint32_t i = 0; i < ir->n_insns; i++)
    print_insn (ir, &ir->insns[i], out);
}

/* --- parsing: words ----------------------------------------------------------------------- */

#define MAX_LABELS 4096u

typedef struct Parser {
  BpIrBlock *ir;
  const char *p;                /* never passes the end of the line but in next_line */
  unsigned line;
  GError **error;
} Parser;

static bool G_GNUC_PRINTF (2, 3)
fail (Parser *x, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  char *what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (x->error, g_quark_from_static_string ("bp-ir-text"), 0, "line %u: %s", x->line, what);
  g_free (what);
  return false;
}

static bool
is_word_char (char c)
{
  return g_ascii_isalnum (c) || c == '_';
}

static void
skip_spaces (Parser *x)
{
  while (*x->p == ' ' || *x->p == '\t' || *x->p == '\r')
    x->p++;
}

/* The next word of letters, digits and `_` into `word`; false when there is none or it is too long. */
static bool
take_word (Parser *x, char *word, size_t size)
{
  size_t n = 0;
  skip_spaces (x);
  while (is_word_char (x->p[n]))
    n++;
  if (n == 0 || n >= size)
    return false;
  memcpy (word, x->p, n);
  word[n] = '\0';
  x->p += n;
  return true;
}

static bool
take_char (Parser *x, char c)
{
  skip_spaces (x);
  if (*x->p != c)
    return false;
  x->p++;
  return true;
}

static bool
expect_char (Parser *x, char c)
{
  return take_char (x, c) || fail (x, "expected '%c' at \"%.12s\"", c, x->p);
}

/* Decimal or 0x hexadecimal, no sign. */
static bool
take_number (Parser *x, uint64_t max, uint64_t *value)
{
  skip_spaces (x);
  const char *p = x->p;
  unsigned base = p[0] == '0' && (p[1] == 'x' || p[1] == 'X') ? 16 : 10;
  uint64_t v = 0;
  p += base == 16 ? 2 : 0;
  const char *first = p;
  for (; g_ascii_isxdigit (*p) && g_ascii_xdigit_value (*p) < (int) base; p++) {
    uint64_t digit = (uint64_t) g_ascii_xdigit_value (*p);
    if (v > (UINT64_MAX - digit) / base)
      return fail (x, "number too large");
    v = v * base + digit;
  }
  if (p == first || is_word_char (*p))
    return fail (x, "expected a number at \"%.12s\"", x->p);
  if (v > max)
    return fail (x, "number too large");
  x->p = p;
  *value = v;
  return true;
}

/* Index of `word` in a list, or -1. */
static int
word_index (const char *const *words, unsigned n, const char *word)
{
  for (unsigned i = 0; i < n; i++)
    if (strcmp (words[i], word) == 0)
      return (int) i;
  return -1;
}

/* --- parsing: temps -------------------------------------------------------------------------- */

/* Marks a local whose type the text has told; cleared at the end. */
#define LOCAL_TYPED 1u

/* Makes locals t0 .. as far as the text names them, so that constants come after. */
static bool
reserve_locals (Parser *x, const char *text)
{
  uint64_t n = 0;
  char before = ' ';
  for (const char *p = text; *p; before = *p++) {
    if (*p == ';') {
      p += strcspn (p, "\n");
      if (*p == '\0')
        break;
      continue;
    }
    if (*p != 't' || is_word_char (before) || before == '$' || !g_ascii_isdigit (p[1]))
      continue;
    char *end;
    uint64_t index = g_ascii_strtoull (p + 1, &end, 10);
    if (is_word_char (*end))
      continue;
    if (index >= BP_IR_NONE || index + x->ir->n_temps >= BP_IR_NONE - 1)
      return fail (x, "too many temps: t%" G_GUINT64_FORMAT, index);
    n = MAX (n, index + 1);
  }
  while (n-- > 0)
    bp_ir_local (x->ir, BP_IR_I32);
  return true;
}

static bool
take_type (Parser *x, BpIrType *type)
{
  char word[8];
  if (!take_word (x, word, sizeof word))
    return fail (x, "expected i32 or i64");
  int index = word_index (type_words, 2, word);
  if (index < 0)
    return fail (x, "expected i32 or i64, not \"%s\"", word);
  *type = (BpIrType) index;
  return true;
}

static bool
parse_const (Parser *x, BpIrType expected, BpTemp *temp)
{
  bool negative = take_char (x, '-');
  uint64_t value;
  BpIrType type = expected;
  if (!take_number (x, UINT64_MAX, &value))
    return false;
  if (*x->p == ':' && (x->p++, !take_type (x, &type)))
    return false;
  if (type == BP_IR_I32 && value > UINT32_MAX)
    return fail (x, "constant does not fit in i32");
  if (x->ir->n_temps >= BP_IR_NONE - 1)
    return fail (x, "too many temps");
  *temp = bp_ir_const (x->ir, type, (int64_t) (negative ? -value : value));
  return true;
}

static bool
parse_local (Parser *x, const char *word, BpIrType type, bool told, BpTemp *temp)
{
  uint64_t index = g_ascii_strtoull (word + 1, NULL, 10) + 1 + x->ir->n_globals;
  if (index >= x->ir->n_temps || x->ir->temps[index].kind != BP_IR_TEMP_LOCAL)
    return fail (x, "no such temp: %s", word);
  BpIrTemp *t = &x->ir->temps[index];
  if (!(t->reserved & LOCAL_TYPED)) {
    t->reserved |= LOCAL_TYPED;
    t->type = (uint8_t) type;
  } else if (t->type != type) {
    return fail (x, "%s is %s, %s here%s", word, type_words[t->type], type_words[type],
                 told ? "" : " (append its type to say so)");
  }
  *temp = (BpTemp) index;
  return true;
}

static bool
is_local_word (const char *word)
{
  return word[0] == 't' && g_ascii_isdigit (word[1]) && word[1 + strspn (word + 1, "0123456789")] == '\0';
}

static bool
parse_temp (Parser *x, BpIrType expected, BpTemp *temp)
{
  char word[64];
  BpIrType type = expected;
  if (take_char (x, '$'))
    return parse_const (x, expected, temp);
  if (!take_word (x, word, sizeof word))
    return fail (x, "expected a temp at \"%.12s\"", x->p);
  if (strcmp (word, "_") == 0) {
    *temp = BP_IR_NONE;
    return true;
  }
  bool told = *x->p == ':';
  if (told && (x->p++, !take_type (x, &type)))
    return false;
  if (is_local_word (word))
    return parse_local (x, word, type, told, temp);
  BpTemp found = BP_IR_NONE;
  if (strcmp (word, "env") == 0)
    found = BP_IR_ENV;
  for (uint32_t i = 0; i < x->ir->n_globals && found == BP_IR_NONE; i++)
    if (strcmp (x->ir->globals[i].name, word) == 0)
      found = bp_ir_global (i);
  if (found == BP_IR_NONE)
    return fail (x, "no global is named \"%s\"", word);
  if (x->ir->temps[found].type != type && (told || type == BP_IR_I64))
    return fail (x, "%s is %s, %s here", word, type_words[x->ir->temps[found].type], type_words[type]);
  *temp = found;
  return true;
}

/* --- parsing: other operands --------------------------------------------------------------------- */

static bool
parse_memop_word (Parser *x, const char *word, BpMemOp *memop)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (memop_words); i++)
    if (strcmp (word, memop_words[i].name) == 0) {
      *memop |= memop_words[i].bit;
      return true;
    }
  for (unsigned sign = 0; sign < 2; sign++) {
    int size = word_index (size_words[sign], 4, word);
    if (size >= 0) {
      *memop = (*memop & ~(BP_MO_SIZE | BP_MO_SIGN)) | (unsigned) size | (sign ? BP_MO_SIGN : 0);
      return true;
    }
  }
  if (g_str_has_prefix (word, "mmu") && g_ascii_isdigit (word[3]) && strlen (word) <= 5) {
    uint64_t index = g_ascii_strtoull (word + 3, NULL, 10);
    if (index < 16) {
      *memop = (*memop & ~BP_MO_MMU (15)) | BP_MO_MMU (index);
      return true;
    }
  }
  if (strcmp (word, "be") == 0)
    *memop |= BP_MO_BE;
  else if (strcmp (word, "le") != 0)
    return fail (x, "not a word of a memop: \"%s\"", word);
  return true;
}

static bool
parse_memop (Parser *x, BpMemOp *memop)
{
  char word[16];
  *memop = 0;
  do {
    if (!take_word (x, word, sizeof word))
      return fail (x, "expected a memop at \"%.12s\"", x->p);
    if (!parse_memop_word (x, word, memop))
      return false;
  } while (take_char (x, '.'));
  return true;
}

static bool
parse_native_field (Parser *x, const NativeField *f, BpIrInsn *insn)
{
  uint64_t value;
  if (f->is_kind) {
    char word[8];
    int kind = take_word (x, word, sizeof word) ? word_index (operand_words, 4, word) : -1;
    if (kind < 0)
      return fail (x, "expected field, out, in or mem");
    value = (uint64_t) kind;
  } else if (!take_number (x, (1u << f->bits) - 1, &value)) {
    return false;
  }
  if (f->in_aux)
    insn->aux |= (uint32_t) value << f->shift;
  else
    insn->imm |= (int64_t) (value << f->shift);
  return true;
}

static bool
parse_native (Parser *x, BpIrInsn *insn)
{
  if (!expect_char (x, '{'))
    return false;
  insn->imm = 0;
  insn->aux = 0;
  while (!take_char (x, '}')) {
    char word[16];
    const NativeField *field = NULL;
    if (!take_word (x, word, sizeof word) || !expect_char (x, '='))
      return fail (x, "expected name=value at \"%.12s\"", x->p);
    for (unsigned i = 0; i < G_N_ELEMENTS (native_fields) && field == NULL; i++)
      if (strcmp (word, native_fields[i].name) == 0)
        field = &native_fields[i];
    if (field == NULL)
      return fail (x, "a native insn has no field \"%s\"", word);
    if (!parse_native_field (x, field, insn))
      return false;
  }
  return true;
}

static bool
parse_call (Parser *x, BpIrInsn *insn)
{
  char word[96];
  const BpIrHelper *helper = NULL;
  if (!take_word (x, word, sizeof word))
    return fail (x, "expected the name of a helper at \"%.12s\"", x->p);
  for (unsigned i = 0; x->ir->helpers != NULL && x->ir->helpers[i] != NULL && helper == NULL; i++)
    if (strcmp (x->ir->helpers[i]->name, word) == 0)
      helper = x->ir->helpers[i];
  if (helper == NULL)
    return fail (x, "no helper is named \"%s\"", word);
  insn->imm = (int64_t) (intptr_t) helper;
  insn->type = helper->result_type;
  if (!expect_char (x, '('))
    return false;
  for (unsigned i = 0; i < helper->n_args; i++) {
    if (i > 0 && !expect_char (x, ','))
      return false;
    if (!parse_temp (x, ir_operand_type (insn, 1 + i), &insn->a[1 + i]))
      return false;
  }
  return expect_char (x, ')');
}

static bool
parse_offset (Parser *x, int64_t *offset)
{
  bool negative = take_char (x, '-');
  uint64_t value;
  if (!negative && !expect_char (x, '+'))
    return false;
  if (!take_number (x, (uint64_t) INT64_MAX + negative, &value))
    return false;
  *offset = (int64_t) (negative ? -value : value);
  return true;
}

static bool
parse_label (Parser *x, uint32_t *label)
{
  uint64_t value;
  if (!expect_char (x, '$') || !expect_char (x, 'L') || !take_number (x, MAX_LABELS - 1, &value))
    return false;
  *label = (uint32_t) value;
  x->ir->n_labels = MAX (x->ir->n_labels, *label + 1);
  return true;
}

static bool
parse_cond (Parser *x, BpIrInsn *insn)
{
  char word[16];
  int cond = take_word (x, word, sizeof word) ? word_index (ir_cond_names, 14, word) : -1;
  if (cond < 0)
    return fail (x, "expected a condition");
  insn->cond = (uint8_t) cond;
  return true;
}

/* --- parsing: insns -------------------------------------------------------------------------------- */

/* Like print_token: how much of the template was dealt with; 0: a literal; -1: error. */
static int
parse_token (Parser *x, BpIrInsn *insn, const char *p)
{
  uint64_t value;
  if ((p[0] == 'd' || p[0] == 's') && g_ascii_isdigit (p[1])) {
    unsigned slot = (unsigned) (p[1] - '0') + (p[0] == 's' ? ir_op_info[insn->op].n_out : 0);
    return parse_temp (x, ir_operand_type (insn, slot), &insn->a[slot]) ? 2 : -1;
  }
  if (g_str_has_prefix (p, "$aux"))
    return parse_label (x, &insn->aux) ? 4 : -1;
  if (g_str_has_prefix (p, " + imm"))
    return parse_offset (x, &insn->imm) ? 6 : -1;
  if (g_str_has_prefix (p, "cond"))
    return parse_cond (x, insn) ? 4 : -1;
  if (g_str_has_prefix (p, "memop"))
    return parse_memop (x, &insn->aux) ? 5 : -1;
  if (g_str_has_prefix (p, "native"))
    return parse_native (x, insn) ? 6 : -1;
  if (g_str_has_prefix (p, "helper (s0 ...)"))
    return parse_call (x, insn) ? 15 : -1;
  if (g_str_has_prefix (p, "imm")) {
    if (!take_number (x, UINT64_MAX, &value))
      return -1;
    insn->imm = (int64_t) value;
    return 3;
  }
  bool is_aux = g_str_has_prefix (p, "aux"), is_pos = g_str_has_prefix (p, "pos");
  if (is_aux || is_pos || g_str_has_prefix (p, "len")) {
    if (!take_number (x, is_aux ? UINT32_MAX : 0xff, &value))
      return -1;
    insn->aux |= (uint32_t) value << (is_aux || is_pos ? 0 : 8);
    return 3;
  }
  return 0;
}

/* When an operand decides the types of those before it, the line is read twice: first only for that one. */
static bool
needs_look_ahead (BpIrOp op)
{
  return op == BP_IR_call || op == BP_IR_native || ir_op_is_guest_access (op);
}

/* Finds the memop, native fields or helper of the line without taking anything. */
static bool
look_ahead (Parser *x, BpIrInsn *insn)
{
  Parser ahead = *x;
  size_t line = strcspn (x->p, ";\n");
  const char *last = NULL;
  for (const char *p = x->p; p < x->p + line; p++)
    if (*p == (insn->op == BP_IR_native ? '{' : ',')) {
      last = p + (insn->op != BP_IR_native);
      if (insn->op == BP_IR_call || insn->op == BP_IR_native)
        break;
    }
  if (last == NULL)
    return fail (x, "an operand is missing");
  ahead.p = last;
  if (insn->op == BP_IR_native)
    return parse_native (&ahead, insn);
  if (insn->op != BP_IR_call)
    return parse_memop (&ahead, &insn->aux);
  char word[96];
  insn->imm = 0;
  if (take_word (&ahead, word, sizeof word) && x->ir->helpers != NULL)
    for (unsigned i = 0; x->ir->helpers[i] != NULL; i++)
      if (strcmp (x->ir->helpers[i]->name, word) == 0)
        insn->imm = (int64_t) (intptr_t) x->ir->helpers[i];
  return insn->imm != 0 || fail (x, "expected the name of a helper at \"%.24s\"", last);
}

static bool
parse_operands (Parser *x, BpIrInsn *insn)
{
  for (const char *p = ir_op_info[insn->op].operands; *p;) {
    int n = parse_token (x, insn, p);
    if (n < 0)
      return false;
    if (n == 0 && *p != ' ' && !expect_char (x, *p))
      return false;
    p += MAX (n, 1);
  }
  return true;
}

static bool
parse_insn (Parser *x)
{
  char word[32];
  if (!take_word (x, word, sizeof word))
    return fail (x, "expected an op at \"%.12s\"", x->p);
  unsigned op = 0;
  while (op < BP_IR_N_OPS && strcmp (ir_op_info[op].name, word) != 0)
    op++;
  if (op == BP_IR_N_OPS)
    return fail (x, "no op is named \"%s\"", word);
  BpIrType type = ir_implied_type ((BpIrOp) op);
  if (ir_has_suffix ((BpIrOp) op) && (!expect_char (x, '.') || !take_type (x, &type)))
    return false;

  BpIrInsn insn = { .op = (uint8_t) op, .type = (uint8_t) type };
  memset (insn.a, 0xff, sizeof insn.a);
  if (needs_look_ahead ((BpIrOp) op) && !look_ahead (x, &insn))
    return false;
  if (!parse_operands (x, &insn))
    return false;
  *bp_ir_append (x->ir, (BpIrOp) op, type) = insn;
  return true;
}

static bool
parse_lines (Parser *x)
{
  while (*x->p) {
    skip_spaces (x);
    if (*x->p == ';')
      x->p += strcspn (x->p, "\n");
    if (*x->p != '\n' && *x->p != '\0') {
      if (!parse_insn (x))
        return false;
      skip_spaces (x);
      if (*x->p == ';')
        x->p += strcspn (x->p, "\n");
    }
    if (*x->p == '\n') {
      x->p++;
      x->line++;
    } else if (*x->p != '\0') {
      return fail (x, "more than an insn on the line: \"%.12s\"", x->p);
    }
  }
  return true;
}

bool
ir_parse (BpIrBlock *ir, const char *text, GError **error)
{
  Parser x = { ir, text, 1, error };
  bp_ir_block_reset (ir);
  bool good = reserve_locals (&x, text) && parse_lines (&x);
  for (uint32_t i = 1 + ir->n_globals; i < ir->n_temps; i++)
    ir->temps[i].reserved = 0;
  if (!good)
    bp_ir_block_reset (ir);
  return good;
}

/* words.c -- what a line of the console is made of: words with quotes, and numbers as expressions. */
/* SPDX-License-Identifier: MIT */
#include "monitor.h"
#include <backplane/iface/cpu-debug.h>
#include <errno.h>
#include <string.h>

/* --- words ------------------------------------------------------------------------------------ */

char *
word_next (const char **line, GError **error)
{
  const char *s = *line + strspn (*line, " ");
  if (!*s) {
    *line = s;
    return NULL;
  }
  GString *word = g_string_new (NULL);
  char quote = 0;
  for (; *s && (quote || *s != ' '); s++) {
    if (quote ? *s == quote : *s == '"' || *s == '\'')
      quote = quote ? 0 : *s;
    else if (*s == '\\' && s[1] && quote != '\'')
      g_string_append_c (word, *++s);
    else
      g_string_append_c (word, *s);
  }
  *line = s;
  if (!quote)
    return g_string_free (word, FALSE);
  g_string_free (word, TRUE);
  return monitor_fail (error, MONITOR_ERROR_GENERIC, "a %c is not closed", quote);
}

/* --- registers ---------------------------------------------------------------------------------- */

typedef struct RegisterQuery {
  const char *name;
  const BpCpuDebugIface *iface;
  bool found;
  uint64_t value;
} RegisterQuery;

/* The first 64 bits. */
static bool
read_register (void *cpu, const RegisterQuery *q, const char *name, uint64_t *value)
{
  const BpDebugRegister *r;
  for (unsigned n = 0; (r = q->iface->reg (cpu, 0, n)); n++)
    if (strcmp (r->name, name) == 0) {
      uint8_t bytes[BP_DEBUG_REGISTER_BYTES] = { 0 };
      q->iface->get_register (cpu, 0, n, bytes);
      *value = 0;
      for (int i = 7; i >= 0; i--)
        *value = *value << 8 | bytes[i];
      return true;
    }
  return false;
}

/* [vcpu or main, its vCPU between instructions] $eax on a CPU that has rax is its lower half; $pc is where it is. */
static void
find_register (void *cpu, void *user)
{
  RegisterQuery *q = user;
  const char *name = q->name;
  q->found = read_register (cpu, q, name, &q->value);
  if (!q->found && name[0] == 'e') {
    g_autofree char *wide = g_strconcat ("r", name + 1, NULL);
    q->found = read_register (cpu, q, wide, &q->value);
    q->value = (uint32_t) q->value;
  }
  if (!q->found && (strcmp (name, "pc") == 0 || strcmp (name, "sp") == 0) && BP_TABLE_HAS (q->iface, where)) {
    BpDebugPlace place = { .struct_size = sizeof place };
    q->iface->where (cpu, &place);
    q->value = *name == 'p' ? place.address : place.sp_address;
    q->found = true;
  }
}

static bool
register_value (Call *call, const char *name, int64_t *value, GError **error)
{
  void *cpu = monitor_cpu (call, -1, error);
  if (!cpu)
    return false;
  RegisterQuery q = { .name = name, .iface = bp_object_interface (cpu, BP_CPU_DEBUG_ID) };
  if (BP_TABLE_HAS (q.iface, get_register) && BP_TABLE_HAS (q.iface, reg))
    bp_vcpu_run_on (bp_vcpu_of (cpu), find_register, &q, true);
  *value = (int64_t) q.value;
  if (!q.found)
    monitor_fail (error, MONITOR_ERROR_GENERIC, "unknown register: '$%s'", name);
  return q.found;
}

/* --- expressions -------------------------------------------------------------------------------- */

typedef struct Expression {
  Call *call;
  const char *at;
  unsigned depth;
  GError *error;
} Expression;

static const char operators[] = "|^&+-*/%";
static int64_t parse_level (Expression *e, unsigned level);

static int64_t
wrong (Expression *e, const char *what)
{
  if (!e->error)
    monitor_fail (&e->error, MONITOR_ERROR_GENERIC, "%s", what);
  return 0;
}

static void
skip_blanks (Expression *e)
{
  e->at += strspn (e->at, " ");
}

/* A suffix of sizes may follow: 16M. */
static int64_t
parse_number (Expression *e)
{
  static const char suffixes[] = "kmgt";
  char *end;
  errno = 0;
  uint64_t value = g_ascii_strtoull (e->at, &end, 0);
  if (end == e->at)
    return wrong (e, *e->at ? "a number is expected" : "unexpected end of expression");
  if (errno)
    return wrong (e, "the number is too large");
  e->at = end;
  const char *suffix = *end ? strchr (suffixes, g_ascii_tolower (*end)) : NULL;
  if (suffix) {
    e->at++;
    value <<= 10 * (suffix - suffixes + 1);
  }
  return (int64_t) value;
}

static int64_t
parse_primary (Expression *e)
{
  int64_t value = 0;
  skip_blanks (e);
  if (++e->depth > 64)
    return wrong (e, "the expression is nested too deeply");
  if (*e->at == '-' || *e->at == '+' || *e->at == '~') {
    char sign = *e->at++;
    value = parse_primary (e);
    value = sign == '-' ? (int64_t) (0 - (uint64_t) value) : sign == '~' ? ~value : value;
  } else if (*e->at == '(') {
    e->at++;
    value = parse_level (e, 0);
    skip_blanks (e);
    if (*e->at == ')')
      e->at++;
    else
      wrong (e, "')' is expected");
  } else if (*e->at == '\'') {
    if (e->at[1] && e->at[2] == '\'') {
      value = (uint8_t) e->at[1];
      e->at += 3;
    } else {
      wrong (e, "a character constant is 'x'");
    }
  } else if (*e->at == '$') {
    size_t length = strspn (e->at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    g_autofree char *name = g_ascii_strdown (e->at + 1, (gssize) length);
    e->at += 1 + length;
    if (!e->error)
      register_value (e->call, name, &value, &e->error);
  } else {
    value = parse_number (e);
  }
  e->depth--;
  return value;
}

static int64_t
apply (Expression *e, char operator, int64_t a, int64_t b)
{
  uint64_t x = (uint64_t) a, y = (uint64_t) b;
  if ((operator == '/' || operator == '%') && y == 0)
    return wrong (e, "division by zero");
  switch (operator) {
  case '|': return (int64_t) (x | y);
  case '^': return (int64_t) (x ^ y);
  case '&': return (int64_t) (x & y);
  case '+': return (int64_t) (x + y);
  case '-': return (int64_t) (x - y);
  case '*': return (int64_t) (x * y);
  case '/': return (int64_t) (x / y);
  default: return (int64_t) (x % y);
  }
}

/* Levels: | ^ & (one), + -, * / %. */
static unsigned
level_of (char operator)
{
  const char *found = operator ? strchr (operators, operator) : NULL;
  return !found ? 3 : found - operators < 3 ? 0 : found - operators < 5 ? 1 : 2;
}

static int64_t
parse_level (Expression *e, unsigned level)
{
  if (level == 3)
    return parse_primary (e);
  int64_t value = parse_level (e, level + 1);
  for (skip_blanks (e); !e->error && level_of (*e->at) == level; skip_blanks (e)) {
    char operator = *e->at++;
    value = apply (e, operator, value, parse_level (e, level + 1));
  }
  return value;
}

bool
expression_parse (Call *call, const char *text, int64_t *value, GError **error)
{
  Expression e = { .call = call, .at = text };
  *value = parse_level (&e, 0);
  skip_blanks (&e);
  if (!e.error && *e.at)
    monitor_fail (&e.error, MONITOR_ERROR_GENERIC, "invalid character in an expression: '%c'", *e.at);
  if (e.error)
    g_propagate_error (error, e.error);
  return !e.error;
}

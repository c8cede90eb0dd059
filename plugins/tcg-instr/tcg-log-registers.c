/* tcg-log-registers.c -- only registers that can have changed are read, and only those that did are shown. */
/* SPDX-License-Identifier: MIT */
#include "tcg-log-registers.h"
#include <stdio.h>
#include <string.h>

enum { NUMBERS = 256, UNNUMBERED = 0xffff };

struct LogRegisters {
  GPtrArray *names;
  uint16_t by_number[NUMBERS];  /* BpInsnRegisters' numbers to places in names */
};

typedef struct Value {
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES];
  unsigned n;
} Value;

struct LogValues {
  const LogRegisters *registers;
  bool known;
  Value values[];
};

/* --- the choice -------------------------------------------------------------------------------- */

/* By the names of both widths. */
static unsigned
number_of (const char *name)
{
  static const char *const general[] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di" };
  unsigned n;
  char rest;
  if (!strcmp (name, "eflags"))
    return 17;
  for (unsigned i = 0; i < G_N_ELEMENTS (general); i++)
    if ((name[0] == 'r' || name[0] == 'e') && !strcmp (name + 1, general[i]))
      return i;
  if (sscanf (name, "r%u%c", &n, &rest) == 1 && n >= 8 && n < 16)
    return n;
  if (sscanf (name, "xmm%u%c", &n, &rest) == 1 && n < 16)
    return 32 + n;
  if (sscanf (name, "st%u%c", &n, &rest) == 1 && n < 8)
    return 48 + n;
  return NUMBERS;
}

/* Once, whether by name or in a group. */
static void
add (LogRegisters *r, const char *name)
{
  unsigned number = number_of (name);
  if (g_ptr_array_find_with_equal_func (r->names, name, g_str_equal, NULL))
    return;
  if (number < NUMBERS)
    r->by_number[number] = (uint16_t) r->names->len;
  g_ptr_array_add (r->names, g_strdup (name));
}

static bool
has_register (const BpDebugRegister *registers, const char *name)
{
  for (; registers->name; registers++)
    if (!strcmp (registers->name, name))
      return true;
  return false;
}

static void
add_group (LogRegisters *r, const BpDebugRegister *registers, const char *group)
{
  for (; registers->name; registers++)
    if (!(registers->flags & BP_DEBUG_PC) && registers->bits / 8 <= BP_DEBUG_REGISTER_BYTES && (!group || !strcmp (registers->group, group)))
      add (r, registers->name);
}

LogRegisters *
log_registers_new (const char *const *choice, const BpDebugRegister *registers, GError **error)
{
  LogRegisters *r = g_new0 (LogRegisters, 1);
  r->names = g_ptr_array_new_with_free_func (g_free);
  memset (r->by_number, 0xff, sizeof r->by_number);
  bool none = false;
  for (; choice && *choice; choice++) {
    if (!strcmp (*choice, "none"))
      none = true;
    else if (!strcmp (*choice, "general"))
      add_group (r, registers, "general");
    else if (!strcmp (*choice, "all"))
      add_group (r, registers, NULL);
    else if (has_register (registers, *choice))
      add (r, *choice);
    else {
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "registers: the CPU has no register '%s'; `general', `all' and `none' are groups", *choice);
      log_registers_free (r);
      return NULL;
    }
  }
  if (none || !r->names->len) {
    log_registers_free (r);
    return NULL;
  }
  return r;
}

void
log_registers_free (LogRegisters *r)
{
  if (!r)
    return;
  g_ptr_array_unref (r->names);
  g_free (r);
}

unsigned log_registers_n (const LogRegisters *r) { return r ? r->names->len : 0; }

/* --- values --------------------------------------------------------------------------------------- */

LogValues *
log_values_new (const LogRegisters *r)
{
  LogValues *v = g_malloc0 (sizeof *v + r->names->len * sizeof (Value));
  v->registers = r;
  return v;
}

void log_values_free (LogValues *v) { g_free (v); }

static void
update (LogValues *v, unsigned place, LogRead *read, void *user, LogLine *line)
{
  const char *name = g_ptr_array_index (v->registers->names, place);
  Value *value = &v->values[place];
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES];
  unsigned n = read (user, line->vcpu, name, bytes, sizeof bytes);
  if (!n || n > sizeof bytes || (n == value->n && !memcmp (bytes, value->bytes, n)))
    return;
  memcpy (value->bytes, bytes, n);
  value->n = n;
  log_line_register (line, name, bytes, n);
}

void
log_values_update (LogValues *v, const BpInsnRegisters *written, LogRead *read, void *user, LogLine *line)
{
  if (written && v->known) {
    for (unsigned i = 0; i < written->n_written; i++) {
      uint16_t place = v->registers->by_number[written->written[i]];
      if (place != UNNUMBERED)
        update (v, place, read, user, line);
    }
    return;
  }
  for (unsigned i = 0; i < v->registers->names->len; i++)
    update (v, i, read, user, line);
  v->known = true;
}

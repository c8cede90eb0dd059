/* commands.c -- packets of one letter: registers, memory, threads, points, and the end. */
/* SPDX-License-Identifier: MIT */
#include "gdb.h"
#include <string.h>

/* --- threads ----------------------------------------------------------------------------------- */

bool
gdb_thread (GdbServer *s, const char **text, unsigned *cpu)
{
  uint64_t number;
  if (gdb_skip (text, "p")) {   /* a client that knows processes: there is one */
    if (!gdb_skip (text, "-1") && !gdb_number (text, &number))
      return false;
    if (!gdb_skip (text, ".")) {
      *cpu = ALL_CPUS;
      return true;
    }
  }
  if (gdb_skip (text, "-1")) {
    *cpu = ALL_CPUS;
    return true;
  }
  if (!gdb_number (text, &number) || number > s->cpus->len)
    return false;
  *cpu = number ? (unsigned) number - 1 : s->current;
  return true;
}

static void
select_thread (GdbServer *s, const char *text)
{
  char what = *text ? *text++ : 0;
  unsigned cpu;
  if ((what != 'g' && what != 'c') || !gdb_thread (s, &text, &cpu) || *text) {
    gdb_send (s, GDB_EINVAL);
    return;
  }
  if (what == 'c')
    s->resumed = cpu;
  else if (cpu != ALL_CPUS)
    s->current = cpu;
  gdb_send (s, GDB_OK);
}

static void
is_alive (GdbServer *s, const char *text)
{
  unsigned cpu;
  gdb_send (s, gdb_thread (s, &text, &cpu) && !*text ? GDB_OK : GDB_EINVAL);
}

/* --- registers ----------------------------------------------------------------------------------- */

static void
read_all_registers (GdbServer *s)
{
  GdbCpu *c = gdb_cpu (s, s->current);
  GString *text = g_string_new (NULL);
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES];
  unsigned size;
  for (unsigned i = 0; (size = c->iface->get_register (c->cpu, s->view, i, bytes)); i++)
    gdb_hex (text, bytes, size);
  gdb_send_string (s, text);
}

/* As many as are given. */
static void
write_all_registers (GdbServer *s, const char *text)
{
  GdbCpu *c = gdb_cpu (s, s->current);
  const BpDebugRegister *r;
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES];
  bool good = true;
  for (unsigned i = 0; *text && good && (r = c->iface->reg (c->cpu, s->view, i)); i++) {
    unsigned size = r->bits / 8;
    good = gdb_unhex (&text, bytes, size) == size
           && (r->flags & BP_DEBUG_READ_ONLY || c->iface->set_register (c->cpu, s->view, i, bytes, size));
  }
  gdb_registers_changed (s, c);
  gdb_send (s, good && !*text ? GDB_OK : GDB_EINVAL);
}

static void
read_register (GdbServer *s, const char *text)
{
  GdbCpu *c = gdb_cpu (s, s->current);
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES];
  uint64_t number;
  unsigned size = gdb_number (&text, &number) && !*text && number < UINT16_MAX
    ? c->iface->get_register (c->cpu, s->view, (unsigned) number, bytes) : 0;
  if (size == 0) {
    gdb_send (s, GDB_EINVAL);
    return;
  }
  GString *reply = g_string_new (NULL);
  gdb_hex (reply, bytes, size);
  gdb_send_string (s, reply);
}

static void
write_register (GdbServer *s, const char *text)
{
  GdbCpu *c = gdb_cpu (s, s->current);
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES];
  uint64_t number;
  bool good = gdb_number (&text, &number) && number < UINT16_MAX && gdb_skip (&text, "=");
  unsigned size = good ? (unsigned) gdb_unhex (&text, bytes, sizeof bytes) : 0;
  good = good && !*text && c->iface->set_register (c->cpu, s->view, (unsigned) number, bytes, size);
  gdb_registers_changed (s, c);
  gdb_send (s, good ? GDB_OK : GDB_EINVAL);
}

/* --- memory ---------------------------------------------------------------------------------------- */

/* ADDRESS,SIZE */
static bool
parse_span (const char **text, uint64_t *address, uint64_t *size)
{
  return gdb_number (text, address) && gdb_skip (text, ",") && gdb_number (text, size);
}

/* Fewer bytes than asked for are an answer, too. */
static void
read_memory (GdbServer *s, const char *text)
{
  uint8_t buffer[GDB_PACKET_MAX / 2];
  uint64_t address, size;
  if (!parse_span (&text, &address, &size) || *text) {
    gdb_send (s, GDB_EINVAL);
    return;
  }
  uint64_t got = gdb_read (s, address, buffer, MIN (size, sizeof buffer));
  if (got == 0 && size > 0) {
    gdb_send (s, GDB_EFAULT);
    return;
  }
  GString *reply = g_string_new (NULL);
  gdb_hex (reply, buffer, got);
  gdb_send_string (s, reply);
}

static void
write_memory (GdbServer *s, const char *text)
{
  uint8_t buffer[GDB_PACKET_MAX / 2];
  uint64_t address, size;
  if (!parse_span (&text, &address, &size) || !gdb_skip (&text, ":") || size > sizeof buffer
      || gdb_unhex (&text, buffer, sizeof buffer) != size || *text) {
    gdb_send (s, GDB_EINVAL);
    return;
  }
  gdb_send (s, gdb_write (s, address, buffer, size) == size ? GDB_OK : GDB_EFAULT);
}

/* The same with bytes as they are; without any it asks whether that is understood. */
static void
write_bytes (GdbServer *s, const char *text, const char *end)
{
  uint64_t address, size;
  if (!parse_span (&text, &address, &size) || !gdb_skip (&text, ":") || size != (uint64_t) (end - text)) {
    gdb_send (s, GDB_EINVAL);
    return;
  }
  gdb_send (s, gdb_write (s, address, text, size) == size ? GDB_OK : GDB_EFAULT);
}

/* --- points ---------------------------------------------------------------------------------------- */

/* TYPE,ADDRESS,KIND: kind is the size of what is watched.  Conditions and commands are gdb's own business: they are not announced. */
static void
change_point (GdbServer *s, bool insert, const char *text)
{
  uint64_t kind, address, size;
  if (!gdb_number (&text, &kind) || !gdb_skip (&text, ",") || !parse_span (&text, &address, &size) || *text) {
    gdb_send (s, GDB_EINVAL);
    return;
  }
  if (kind > 4)
    gdb_send (s, "");           /* no such type */
  else
    gdb_send (s, gdb_point (s, insert, (unsigned) kind, address, size) ? GDB_OK : GDB_EINVAL);
}

/* --- the end --------------------------------------------------------------------------------------- */

/* The machine goes on, whatever it was that held it. */
static void
detach (GdbServer *s)
{
  g_autoptr (GError) error = NULL;
  gdb_send (s, GDB_OK);
  gdb_detach (s);
  if (!bp_machine_continue (s->machine, &error))
    bp_warn (s, "%s", error->message);
  gdb_close (s);
}

static void
kill_machine (GdbServer *s)
{
  bp_machine_request_shutdown (s->machine, 0, "the debugger ended it");
  gdb_close (s);
}

/* --- which one -------------------------------------------------------------------------------------- */

void
gdb_command (GdbServer *s, const char *text, size_t size)
{
  const char *rest = text + 1;
  bool known = true;
  switch (*text) {
  case '?': gdb_report_stop (s); break;
  case '!': gdb_send (s, GDB_OK); break;
  case 'g': read_all_registers (s); break;
  case 'G': write_all_registers (s, rest); break;
  case 'p': read_register (s, rest); break;
  case 'P': write_register (s, rest); break;
  case 'm': read_memory (s, rest); break;
  case 'M': write_memory (s, rest); break;
  case 'X': write_bytes (s, rest, text + size); break;
  case 'H': select_thread (s, rest); break;
  case 'T': is_alive (s, rest); break;
  case 'Z': change_point (s, true, rest); break;
  case 'z': change_point (s, false, rest); break;
  case 'c': case 'C': case 's': case 'S': gdb_resume (s, text); break;
  case 'D': detach (s); break;
  case 'k': kill_machine (s); break;
  case 'R': bp_machine_request_reset (s->machine, "the debugger asked for it"); break;     /* without a reply */
  case 'q': known = gdb_query (s, rest); break;
  case 'Q': known = gdb_set (s, rest); break;
  case 'v':
    if (g_str_has_prefix (text, "vKill")) {
      gdb_send (s, GDB_OK);
      kill_machine (s);
    } else
      known = gdb_verbose (s, rest);
    break;
  default: known = false;
  }
  if (!known)
    gdb_send (s, "");
}

/* target.c -- the machine behind the protocol: its CPUs, memory, points, and who stopped. */
/* SPDX-License-Identifier: MIT */
#include "gdb.h"
#include <string.h>

/* --- attaching ------------------------------------------------------------------------------ */

/* Main loop: the vCPU stays where it is meanwhile. */
static void
stop_machine (void *user)
{
  GdbServer *s = user;
  if (s->peer >= 0 && bp_machine_run_state (s->machine) == BP_RUN_RUNNING)
    bp_machine_stop (s->machine, BP_RUN_DEBUG);
}

static void
on_vcpu_stopped (void *user, BpVcpu *vcpu)
{
  GdbServer *s = user;
  bp_loop_post (bp_loop_main (s->machine), false, s->machine, stop_machine, s);
}

static const BpDebugger debugger = { .struct_size = sizeof (BpDebugger), .stopped = on_vcpu_stopped };

bool
gdb_attach (GdbServer *s)
{
  return BP_TABLE_HAS (s->accel_iface, debug_attach) && s->accel_iface->debug_attach (s->accel, &debugger, s);
}

void
gdb_detach (GdbServer *s)
{
  if (BP_TABLE_HAS (s->accel_iface, debug_attach))
    s->accel_iface->debug_attach (s->accel, NULL, NULL);
  for (unsigned i = 0; i < s->cpus->len; i++)
    gdb_cpu (s, i)->has_stop = gdb_cpu (s, i)->over = false;
}

/* --- who stopped ----------------------------------------------------------------------------- */

static bool
is_watch (const BpDebugStop *stop)
{
  return stop->kind == BP_DEBUG_WRITE || stop->kind == BP_DEBUG_READ || stop->kind == BP_DEBUG_ACCESS;
}

/* One is told of, the first.  Others at breakpoints meet them again when they go on; what was watched and is past cannot be met again, and
 * waits.  Everybody runs when somebody else continues the machine. */
void
gdb_collect_stops (GdbServer *s)
{
  static const BpDebugResume run = { .struct_size = sizeof run, .action = BP_DEBUG_RUN };
  GdbCpu *first = NULL;
  for (unsigned i = 0; i < s->cpus->len; i++) {
    GdbCpu *c = gdb_cpu (s, i);
    BpDebugStop stop = { .struct_size = sizeof stop };
    if (BP_TABLE_HAS (s->accel_iface, debug_take_stop) && s->accel_iface->debug_take_stop (s->accel, c->vcpu, &stop)) {
      c->stop = stop;
      c->has_stop = true;
    }
    if (BP_TABLE_HAS (s->accel_iface, debug_resume))
      s->accel_iface->debug_resume (s->accel, c->vcpu, &run);
    if (c->has_stop && (!first || c->stop.serial < first->stop.serial)) {
      first = c;
      s->current = i;
    }
  }
  for (unsigned i = 0; i < s->cpus->len; i++) {
    GdbCpu *c = gdb_cpu (s, i);
    c->has_stop &= c == first || is_watch (&c->stop);
  }
}

/* --- registers -------------------------------------------------------------------------------- */

void
gdb_registers_changed (GdbServer *s, GdbCpu *c)
{
  bp_machine_lock (s->machine);
  if (BP_TABLE_HAS (s->accel_iface, vcpu_synchronise))
    s->accel_iface->vcpu_synchronise (s->accel, c->vcpu);
  bp_machine_unlock (s->machine);
}

static int
pc_number (GdbServer *s, GdbCpu *c, unsigned *bits)
{
  const BpDebugRegister *r;
  for (unsigned i = 0; (r = c->iface->reg (c->cpu, s->view, i)); i++)
    if (r->flags & BP_DEBUG_PC) {
      *bits = r->bits;
      return (int) i;
    }
  return -1;
}

uint64_t
gdb_pc (GdbServer *s, GdbCpu *c)
{
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES] = { 0 };
  uint64_t pc = 0;
  unsigned bits;
  int number = pc_number (s, c, &bits);
  if (number >= 0 && c->iface->get_register (c->cpu, s->view, (unsigned) number, bytes))
    memcpy (&pc, bytes, sizeof pc);
  return pc;
}

bool
gdb_set_pc (GdbServer *s, GdbCpu *c, uint64_t pc)
{
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES] = { 0 };
  unsigned bits;
  int number = pc_number (s, c, &bits);
  memcpy (bytes, &pc, sizeof pc);
  bool good = number >= 0 && c->iface->set_register (c->cpu, s->view, (unsigned) number, bytes, bits / 8);
  gdb_registers_changed (s, c);
  return good;
}

int
gdb_view_by_name (GdbServer *s, const char *name)
{
  GdbCpu *c = gdb_cpu (s, 0);
  const char *view;
  if (g_ascii_strcasecmp (name, "auto") == 0)
    return 0;
  for (unsigned i = 0; (view = c->iface->view (c->cpu, i)); i++) {
    const char *last = strrchr (view, ':');
    if (g_ascii_strcasecmp (view, name) == 0 || (last && g_ascii_strcasecmp (last + 1, name) == 0))
      return (int) i;
  }
  return -1;
}

/* --- memory ----------------------------------------------------------------------------------- */

uint64_t
gdb_read (GdbServer *s, uint64_t address, void *buffer, uint64_t size)
{
  GdbCpu *c = gdb_cpu (s, s->current);
  if (!s->physical)
    return c->iface->read_memory (c->cpu, address, buffer, size);
  return bp_as_read (bp_machine_address_space (s->machine, "memory"), address, buffer, size) ? size : 0;
}

uint64_t
gdb_write (GdbServer *s, uint64_t address, const void *buffer, uint64_t size)
{
  GdbCpu *c = gdb_cpu (s, s->current);
  if (!s->physical)
    return c->iface->write_memory (c->cpu, address, buffer, size);
  return bp_as_write_rom (bp_machine_address_space (s->machine, "memory"), address, buffer, size) ? size : 0;
}

/* --- points ------------------------------------------------------------------------------------- */

bool
gdb_point (GdbServer *s, bool insert, unsigned kind, uint64_t address, uint64_t size)
{
  const BpAccelIface *a = s->accel_iface;
  BpDebugPoint point = { .struct_size = sizeof point, .kind = (BpDebugKind) kind, .address = address, .size = size };
  if (!BP_TABLE_HAS (a, debug_insert) || !BP_TABLE_HAS (a, debug_remove))
    return false;
  return insert ? a->debug_insert (s->accel, &point) : a->debug_remove (s->accel, &point);
}

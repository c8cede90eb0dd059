/* commands-cpu.c -- commands about the processors: which there are, their registers, interrupts from outside. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <backplane/arch/x86-state.h>
#include <backplane/iface/cpu-debug.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- which there are --------------------------------------------------------------------------------- */

typedef struct Place {
  pid_t thread;
  bool known;
  BpDebugPlace place;
} Place;

/* [vcpu] */
static void
look (void *cpu, void *user)
{
  Place *p = user;
  const BpCpuDebugIface *iface = bp_object_interface (cpu, BP_CPU_DEBUG_ID);
  p->thread = (pid_t) syscall (SYS_gettid);
  p->known = BP_TABLE_HAS (iface, where);
  p->place = (BpDebugPlace) { .struct_size = sizeof p->place };
  if (p->known)
    iface->where (cpu, &p->place);
}

/* QMP's name of the architecture. */
static const char *
target_of (void *cpu)
{
  const BpX86CpuIface *iface = bp_object_interface (cpu, BP_X86_CPU_ID);
  uint32_t out[4] = { 0 };
  if (!BP_TABLE_HAS (iface, cpuid))
    return NULL;
  iface->cpuid (cpu, 0x80000001, 0, out);
  return out[3] >> 29 & 1 ? "x86_64" : "i386";  /* EDX: long mode */
}

static void *
next_cpu (BpMachine *machine, unsigned *cursor)
{
  void *o;
  while ((o = bp_machine_next_object (machine, cursor)))
    if (bp_object_type (o)->kind == BP_KIND_CPU)
      break;
  return o;
}

static JsonObject *
cpu_object (void *cpu)
{
  JsonObject *o = json_object_new (), *props = json_object_new ();
  int64_t index = bp_vcpu_index (bp_vcpu_of (cpu));
  g_autofree char *path = monitor_path (cpu);
  Place p = { 0 };
  bp_vcpu_run_on (bp_vcpu_of (cpu), look, &p, true);
  json_object_set_int_member (props, "core-id", index);
  json_object_set_int_member (props, "thread-id", 0);
  json_object_set_int_member (props, "socket-id", 0);
  json_object_set_int_member (o, "thread-id", p.thread);
  json_object_set_object_member (o, "props", props);
  json_object_set_string_member (o, "qom-path", path);
  json_object_set_int_member (o, "cpu-index", index);
  if (target_of (cpu))
    json_object_set_string_member (o, "target", target_of (cpu));
  return o;
}

static JsonNode *
query_cpus_fast (Call *call, JsonObject *arguments, GError **error)
{
  JsonArray *list = json_array_new ();
  unsigned cursor = 0;
  for (void *cpu; (cpu = next_cpu (call->monitor->machine, &cursor));)
    json_array_add_object_element (list, cpu_object (cpu));
  return node_take_array (list);
}

static JsonNode *
info_cpus (Call *call, JsonObject *arguments, GError **error)
{
  GString *out = g_string_new (NULL);
  unsigned cursor = 0;
  for (void *cpu; (cpu = next_cpu (call->monitor->machine, &cursor));) {
    unsigned index = bp_vcpu_index (bp_vcpu_of (cpu));
    Place p = { 0 };
    bp_vcpu_run_on (bp_vcpu_of (cpu), look, &p, true);
    g_string_append_printf (out, "%c CPU #%u: thread_id=%d", index == *call->cpu ? '*' : ' ', index, (int) p.thread);
    if (p.known)
      g_string_append_printf (out, " %s pc=0x%" G_GINT64_MODIFIER "x privilege=%u%s", p.place.mode, p.place.address, p.place.privilege,
                              p.place.halted ? " (halted)" : "");
    g_string_append_c (out, '\n');
  }
  return node_take_string (g_string_free (out, FALSE));
}

static JsonNode *
query_target (Call *call, JsonObject *arguments, GError **error)
{
  unsigned cursor = 0;
  void *cpu = next_cpu (call->monitor->machine, &cursor);
  const char *target = cpu ? target_of (cpu) : NULL;
  if (!target)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "the machine has no CPU of a known kind");
  JsonObject *o = json_object_new ();
  json_object_set_string_member (o, "arch", target);
  return node_take_object (o);
}

static JsonNode *
choose_cpu (Call *call, JsonObject *arguments, GError **error)
{
  int64_t index = argument_int (arguments, "index", 0);
  if (!monitor_cpu (call, MAX (index, 0), error) || index < 0)
    return error && *error ? NULL : monitor_fail (error, MONITOR_ERROR_GENERIC, "a CPU's number is expected");
  *call->cpu = (unsigned) index;
  return node_empty ();
}

/* --- registers ------------------------------------------------------------------------------------------ */

#define CELL 27                 /* columns: a name of 9 and 64 bits */
#define CELLS 3                 /* in a line */

typedef struct Listing {
  GString *out;
  bool all;
  unsigned cell, pad;           /* where the line is: cells that are taken, and blanks before the next */
} Listing;

static void
end_line (Listing *l)
{
  if (l->cell)
    g_string_append_c (l->out, '\n');
  l->cell = l->pad = 0;
}

/* The value with its most significant byte first, as little-endian machines hold it; what does not fit a cell takes several. */
static void
print_register (Listing *l, const BpDebugRegister *r, const uint8_t *bytes, unsigned size)
{
  unsigned width = (unsigned) strlen (r->name) + 1 + 2 * size, cells = (width + CELL) / CELL;
  if (l->cell + cells > CELLS)
    end_line (l);
  g_string_append_printf (l->out, "%*s%s=", (int) l->pad, "", r->name);
  for (unsigned i = size; i-- > 0;)
    g_string_append_printf (l->out, "%02x", bytes[i]);
  l->cell += cells;
  l->pad = cells * CELL - width;
}

/* [vcpu] One group after the other, each from the beginning of a line. */
static void
list_registers (void *cpu, void *user)
{
  Listing *l = user;
  const BpCpuDebugIface *iface = bp_object_interface (cpu, BP_CPU_DEBUG_ID);
  const BpDebugRegister *r;
  const char *group = NULL;
  for (unsigned n = 0; (r = iface->reg (cpu, 0, n)); n++) {
    uint8_t bytes[BP_DEBUG_REGISTER_BYTES];
    bool wide = strcmp (r->group, "vector") == 0 || strcmp (r->group, "float") == 0;
    if (wide && !l->all)
      continue;
    if (g_strcmp0 (group, r->group) != 0)
      end_line (l);
    group = r->group;
    unsigned size = iface->get_register (cpu, 0, n, bytes);
    if (size)
      print_register (l, r, bytes, size);
  }
  end_line (l);
}

static JsonNode *
info_registers (Call *call, JsonObject *arguments, GError **error)
{
  bool all_cpus = argument_bool (arguments, "all", false);
  Listing l = { .out = g_string_new (NULL), .all = argument_bool (arguments, "wide", false) };
  unsigned cursor = 0;
  for (void *cpu; (cpu = next_cpu (call->monitor->machine, &cursor));) {
    const BpCpuDebugIface *iface = bp_object_interface (cpu, BP_CPU_DEBUG_ID);
    unsigned index = bp_vcpu_index (bp_vcpu_of (cpu));
    if (!all_cpus && index != *call->cpu)
      continue;
    g_string_append_printf (l.out, "CPU#%u\n", index);
    if (BP_TABLE_HAS (iface, reg) && BP_TABLE_HAS (iface, get_register))
      bp_vcpu_run_on (bp_vcpu_of (cpu), list_registers, &l, true);
    else
      g_string_append_printf (l.out, "a %s does not show its registers\n", bp_object_type_name (cpu));
  }
  return node_take_string (g_string_free (l.out, FALSE));
}

/* --- interrupts from outside -------------------------------------------------------------------------------- */

static JsonNode *
inject_nmi (Call *call, JsonObject *arguments, GError **error)
{
  unsigned cursor = 0;
  for (void *cpu; (cpu = next_cpu (call->monitor->machine, &cursor));)
    bp_vcpu_raise (bp_vcpu_of (cpu), BP_VCPU_IRQ_NMI);
  return node_empty ();
}

/* --- rows ---------------------------------------------------------------------------------------------------- */

const Command cpu_commands[] = {
  QMP ("query-cpus-fast", query_cpus_fast),
  CONSOLE ("info cpus", "the processors; * marks the one that commands mean", info_cpus),
  QMP ("query-target", query_target),
  CONSOLE ("cpu", "choose the processor that `info registers`, `x`, `memsave` and $REGISTER mean", choose_cpu,
    .arguments = { ARGUMENT ("index", INTEGER) }),
  CONSOLE ("info registers", "registers; -a: of every processor, -v: the vector and floating-point ones too", info_registers,
    .arguments = { OPTIONAL ("all", BOOL, .flag = 'a'), OPTIONAL ("wide", BOOL, .flag = 'v') }),
  BOTH ("inject-nmi", "nmi", "a non-maskable interrupt for every processor", inject_nmi),
  COMMANDS_END
};

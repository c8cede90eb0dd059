/* fake-machine.c -- the gdb server's commands over two CPUs of a few registers and 64 KiB, without core, accelerator and sockets. */
/* SPDX-License-Identifier: MIT */
#include "fake-machine.h"
#include <backplane/iface/console.h>
#include <string.h>

FakeMachine fake;
GdbServer server;

/* --- CPUs ------------------------------------------------------------------------------ */

static const BpDebugRegister registers[] = {
  { "a", 32, 0, "int32", "general", "test" }, { "sp", 64, BP_DEBUG_SP, "data_ptr", "general", "test" },
  { "pc", 64, BP_DEBUG_PC, "code_ptr", "general", "test" }, { "v", 128, 0, "uint128", "vector", "test" },
  { "base", 64, BP_DEBUG_READ_ONLY, "int64", "system", "test" }
};

static const char *view (void *self, unsigned n) { return n == 0 ? "wide:x" : n == 1 ? "narrow" : NULL; }
static const BpDebugRegister *reg (void *self, unsigned v, unsigned n) { return n < (v ? 3 : 5) ? &registers[n] : NULL; }

static void *
place_of (FakeCpu *c, unsigned n)
{
  return n == 0 ? (void *) &c->a : n == 1 ? &c->sp : n == 2 ? &c->pc : n == 3 ? (void *) c->v : &c->base;
}

static unsigned
get_register (void *self, unsigned v, unsigned n, uint8_t *bytes)
{
  if (!reg (self, v, n))
    return 0;
  memcpy (bytes, place_of (self, n), registers[n].bits / 8);
  return registers[n].bits / 8;
}

static bool
set_register (void *self, unsigned v, unsigned n, const uint8_t *bytes, unsigned size)
{
  if (!reg (self, v, n) || size != registers[n].bits / 8u || registers[n].flags & BP_DEBUG_READ_ONLY)
    return false;
  memcpy (place_of (self, n), bytes, size);
  return true;
}

static char *
description (void *self, unsigned v, const char *file)
{
  return strcmp (file, "target.xml") == 0 ? g_strdup (v ? "<narrow/>" : "<wide }*#$/>") : NULL;
}

static void
where (void *self, BpDebugPlace *place)
{
  FakeCpu *c = self;
  *place = (BpDebugPlace) { .struct_size = sizeof *place, .code_bits = 32, .pc = c->pc, .address = c->base + c->pc, .mode = "real", .halted = c->halted };
}

static uint64_t
span (uint64_t address, uint64_t size)
{
  return address - FAKE_BASE < FAKE_SIZE ? MIN (size, FAKE_SIZE - (address - FAKE_BASE)) : 0;
}

static uint64_t
read_memory (void *self, uint64_t address, void *buffer, uint64_t size)
{
  uint64_t n = span (address, size);
  if (n)
    memcpy (buffer, fake.memory + (address - FAKE_BASE), n);
  return n;
}

static uint64_t
write_memory (void *self, uint64_t address, const void *buffer, uint64_t size)
{
  uint64_t n = span (address, size);
  if (n)
    memcpy (fake.memory + (address - FAKE_BASE), buffer, n);
  return n;
}

static const BpCpuDebugIface cpu_iface = {
  .struct_size = sizeof cpu_iface, .view = view, .reg = reg, .get_register = get_register, .set_register = set_register,
  .description = description, .where = where, .read_memory = read_memory, .write_memory = write_memory
};

/* --- the accelerator ----------------------------------------------------------------------- */

static FakeCpu *cpu_of (BpVcpu *vcpu) { return (FakeCpu *) (void *) vcpu; }
static void synchronise (void *self, BpVcpu *vcpu) { fake.n_synchronised++; }

static bool
debug_attach (void *self, const BpDebugger *debugger, void *user)
{
  bool good = !debugger || !fake.has_debugger;
  fake.has_debugger = debugger != NULL;
  return good;
}

static bool
debug_insert (void *self, const BpDebugPoint *point)
{
  fake.n_points++;
  return true;
}

static bool
debug_remove (void *self, const BpDebugPoint *point)
{
  return fake.n_points > 0 && fake.n_points--;
}

static void debug_resume (void *self, BpVcpu *vcpu, const BpDebugResume *how) { cpu_of (vcpu)->how = *how; }

static bool
debug_take_stop (void *self, BpVcpu *vcpu, BpDebugStop *stop)
{
  FakeCpu *c = cpu_of (vcpu);
  if (!c->has_stop)
    return false;
  *stop = c->stop;
  c->has_stop = false;
  return true;
}

static const BpAccelIface accel_iface = {
  .struct_size = sizeof accel_iface, .vcpu_synchronise = synchronise, .debug_attach = debug_attach, .debug_insert = debug_insert,
  .debug_remove = debug_remove, .debug_resume = debug_resume, .debug_take_stop = debug_take_stop
};

/* --- the core -------------------------------------------------------------------------------- */

GQuark bp_error_quark (void) { return g_quark_from_static_string ("test"); }
void bp_warn (const void *self, const char *format, ...) { }
void bp_machine_lock (BpMachine *machine) { }
void bp_machine_unlock (BpMachine *machine) { }
BpRunState bp_machine_run_state (BpMachine *machine) { return fake.state; }
const char *bp_run_state_name (BpRunState state) { return state == BP_RUN_RUNNING ? "running" : "stopped"; }
void bp_machine_request_reset (BpMachine *machine, const char *reason) { fake.n_resets++; }
void bp_machine_request_shutdown (BpMachine *machine, int exit_code, const char *reason) { fake.n_shutdowns++; }
bool bp_machine_request_powerdown (BpMachine *machine) { return false; }
const char *bp_object_id (const void *self) { return self == &fake.cpu[0] ? "cpu0" : "cpu1"; }
BpLoop *bp_loop_main (BpMachine *machine) { return NULL; }
void bp_loop_post (BpLoop *loop, bool locked, BpMachine *machine, void (*f) (void *user), void *user) { }
BpAddressSpace *bp_machine_address_space (BpMachine *machine, const char *name) { return NULL; }
bool bp_as_read (BpAddressSpace *as, uint64_t address, void *buffer, uint64_t size)
{ return read_memory (NULL, address + FAKE_BASE, buffer, size) == size; }
bool bp_as_write_rom (BpAddressSpace *as, uint64_t address, const void *buffer, uint64_t size)
{ return write_memory (NULL, address + FAKE_BASE, buffer, size) == size; }

void
bp_machine_stop (BpMachine *machine, BpRunState state)
{
  fake.state = state;
}

bool
bp_machine_continue (BpMachine *machine, GError **error)
{
  if (fake.state == BP_RUN_SHUTDOWN) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "it has shut down");
    return false;
  }
  fake.state = BP_RUN_RUNNING;
  return true;
}

bool
bp_object_set (void *self, const char *name, const char *text, GError **error)
{
  g_free (server.architecture);
  server.architecture = g_strdup (text);
  return true;
}

static char *
execute (void *self, const char *line)
{
  g_free (fake.listened);
  fake.listened = g_strdup (line);
  return g_strdup ("done\n");
}

static const BpConsoleIface console_iface = { .struct_size = sizeof console_iface, .execute = execute };
void *bp_machine_next (BpMachine *machine, const char *id, unsigned *cursor) { return fake.has_console && !(*cursor)++ ? &fake : NULL; }
const void *bp_object_interface (const void *self, const char *id) { return &console_iface; }

/* --- the server's other half: what is sent ------------------------------------------------------- */

void
gdb_send_bytes (GdbServer *s, const char *data, size_t size)
{
  g_string_append_len (fake.sent, data, (gssize) size);
  g_string_append_c (fake.sent, '\n');
}

void gdb_send (GdbServer *s, const char *text) { gdb_send_bytes (s, text, strlen (text)); }

void
gdb_send_string (GdbServer *s, GString *text)
{
  gdb_send_bytes (s, text->str, text->len);
  g_string_free (text, TRUE);
}

void
gdb_send_console (GdbServer *s, const char *text)
{
  g_string_append_printf (fake.sent, "O %s", text);
}

void
gdb_close (GdbServer *s)
{
  fake.closed = true;
}

/* --- tests ------------------------------------------------------------------------------------------ */

void
fake_begin (void)
{
  memset (&fake, 0, sizeof fake);
  memset (&server, 0, sizeof server);
  fake.sent = g_string_new (NULL);
  fake.state = BP_RUN_DEBUG;
  server.accel_iface = &accel_iface;
  server.cpus = g_array_new (FALSE, TRUE, sizeof (GdbCpu));
  for (unsigned i = 0; i < 2; i++) {
    GdbCpu c = { .cpu = &fake.cpu[i], .vcpu = (BpVcpu *) (void *) &fake.cpu[i], .iface = &cpu_iface };
    g_array_append_val (server.cpus, c);
  }
  server.architecture = g_strdup ("auto");
  server.resumed = ALL_CPUS;
  server.step = STEP_ENABLE | STEP_NO_INTERRUPTS | STEP_NO_TIMERS;
  gdb_reader_init (&server.reader);
  gdb_attach (&server);
}

void
fake_end (void)
{
  g_string_free (fake.sent, TRUE);
  g_array_unref (server.cpus);
  g_free (server.architecture);
  g_free (fake.listened);
}

/* As server.c does it: whatever is said stops the machine. */
const char *
fake_ask_bytes (const char *data, size_t size)
{
  g_string_truncate (fake.sent, 0);
  if (fake.state == BP_RUN_RUNNING) {
    fake.state = BP_RUN_DEBUG;
    gdb_collect_stops (&server);
    if (server.waiting)
      gdb_report_stop (&server);
  }
  gdb_command (&server, data, size);
  return fake.sent->str;
}

const char *
fake_ask (const char *data)
{
  return fake_ask_bytes (data, strlen (data));
}

const char *
fake_stops (unsigned cpu, BpDebugKind kind, uint64_t address)
{
  static uint64_t serial;
  fake.cpu[cpu].stop = (BpDebugStop) { .struct_size = sizeof (BpDebugStop), .kind = kind, .address = address, .serial = ++serial };
  fake.cpu[cpu].has_stop = true;
  fake.state = BP_RUN_DEBUG;
  g_string_truncate (fake.sent, 0);
  gdb_collect_stops (&server);
  if (server.waiting)
    gdb_report_stop (&server);
  return fake.sent->str;
}

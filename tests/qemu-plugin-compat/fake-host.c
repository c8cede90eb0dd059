/* fake-host.c -- a host for one plugin: two vCPUs that "run" blocks of instructions which the test makes up. */
/* SPDX-License-Identifier: MIT */
#include "fake-host.h"
#include <backplane/cpu.h>
#include <backplane/iface/cpu-debug.h>
#include <backplane/log.h>
#include <backplane/machine.h>
#include <backplane/plugin.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

FakeHost fake;

/* --- requests ------------------------------------------------------------------------------------- */

typedef enum RequestKind { ASK_COUNT, ASK_STORE, ASK_CALL, ASK_COUNT_MEMORY, ASK_CALL_MEMORY } RequestKind;

typedef struct Request {
  RequestKind kind;
  unsigned insn, which, registers;
  BpCounter counter;
  uint64_t n;
  bool has_condition;
  BpCondition condition;
  BpInsnCall *call;
  BpAccessCall *access;
  void *data;
} Request;

struct FakeBlock {
  BpInstrBlock block;           /* first */
  FakeInsn *insns;
  unsigned n;
  GArray *requests;
};

static BpInstrument instrument;
static const BpInstrumentOps *ops;
static void *user;
static GPtrArray *blocks;
static uint8_t *words[FAKE_VCPUS];
static size_t words_used;
static bool in_block;
static unsigned allowed;        /* BP_CALL_*: of the call that runs */
enum { WORDS = 4 << 20 };

static FakeBlock *fake_block_of (const BpInstrBlock *b) { return (FakeBlock *) (void *) b; }
static unsigned block_n_insns (const BpInstrBlock *b) { return fake_block_of (b)->n; }
static const BpInsn *block_insn (const BpInstrBlock *b, unsigned i) { return &fake_block_of (b)->insns[i].insn; }

static void
ask (BpInstrBlock *b, const Request *r)
{
  g_assert (in_block && r->insn < fake_block_of (b)->n);
  g_array_append_vals (fake_block_of (b)->requests, r, 1);
}

static void
block_count (BpInstrBlock *b, unsigned insn, BpCounter counter, uint64_t n)
{
  g_assert (counter && counter % 8 == 0);
  ask (b, &(Request) { .kind = ASK_COUNT, .insn = insn, .counter = counter, .n = n });
}

static void
block_store (BpInstrBlock *b, unsigned insn, BpCounter counter, uint64_t value)
{
  ask (b, &(Request) { .kind = ASK_STORE, .insn = insn, .counter = counter, .n = value });
}

static void
block_call (BpInstrBlock *b, unsigned insn, const BpCondition *condition, BpInsnCall *call, void *data, unsigned registers)
{
  Request r = { .kind = ASK_CALL, .insn = insn, .call = call, .data = data, .registers = registers, .has_condition = condition != NULL };
  if (condition) {
    r.condition = *condition;
  }
  ask (b, &r);
}

static void
block_count_memory (BpInstrBlock *b, unsigned insn, unsigned which, BpCounter counter, uint64_t n)
{
  ask (b, &(Request) { .kind = ASK_COUNT_MEMORY, .insn = insn, .which = which, .counter = counter, .n = n });
}

static void
block_call_memory (BpInstrBlock *b, unsigned insn, unsigned which, BpAccessCall *call, void *data, unsigned registers)
{
  ask (b, &(Request) { .kind = ASK_CALL_MEMORY, .insn = insn, .which = which, .access = call, .data = data, .registers = registers });
}

/* --- counters ---------------------------------------------------------------------------------------- */

static BpCounter
scoreboard_new (BpInstrument *in, size_t bytes)
{
  if (bytes > fake.words_left) {
    return 0;
  }
  BpCounter counter = (BpCounter) (8 + words_used);
  words_used += (bytes + 7) & ~(size_t) 7;
  fake.words_left -= bytes;
  return counter;
}

static void *counter_at (BpInstrument *in, BpCounter c, unsigned vcpu) { return vcpu < FAKE_VCPUS ? words[vcpu] + c : NULL; }
static uint64_t *word (BpCounter c, unsigned vcpu) { return (uint64_t *) (void *) (words[vcpu] + c); }
static unsigned n_vcpus (BpInstrument *in) { return FAKE_VCPUS; }

/* --- running -------------------------------------------------------------------------------------------- */

static bool
holds (const Request *r, unsigned vcpu)
{
  if (!r->has_condition) {
    return true;
  }
  uint64_t value = *word (r->condition.counter, vcpu);
  switch (r->condition.compare) {
  case BP_IF_EQ: return value == r->condition.value;
  case BP_IF_NE: return value != r->condition.value;
  case BP_IF_LT: return value < r->condition.value;
  case BP_IF_LE: return value <= r->condition.value;
  case BP_IF_GT: return value > r->condition.value;
  case BP_IF_GE: return value >= r->condition.value;
  }
  return false;
}

static void
before (const Request *r, unsigned vcpu, FakeInsn *i)
{
  if (r->kind == ASK_COUNT) {
    *word (r->counter, vcpu) += r->n;
  } else if (r->kind == ASK_STORE) {
    *word (r->counter, vcpu) = r->n;
  } else if (r->kind == ASK_CALL && holds (r, vcpu)) {
    allowed = r->registers;
    fake.n_calls++;
    r->call (user, vcpu, &i->insn, r->data);
  }
}

static void
after (const Request *r, unsigned vcpu, FakeInsn *i, const FakeAccess *a)
{
  BpAccess access = { .struct_size = sizeof access, .bytes = a->bytes, .address = a->address, .physical = a->address + 0x100000, .is_store = a->is_store,
                      .value = a->bytes <= 8 ? a->value : 0, .is_device = a->address >= FAKE_DEVICE };
  if (!(r->which & (a->is_store ? BP_STORES : BP_LOADS))) {
    return;
  }
  if (r->kind == ASK_COUNT_MEMORY) {
    *word (r->counter, vcpu) += r->n;
  } else if (r->kind == ASK_CALL_MEMORY) {
    allowed = r->registers;
    fake.n_calls++;
    r->access (user, vcpu, &i->insn, &access, r->data);
  }
}

void
fake_run (unsigned vcpu, FakeBlock *block)
{
  fake.current = vcpu;
  for (unsigned i = 0; i < block->n; i++) {
    FakeInsn *insn = &block->insns[i];
    fake.rip[vcpu] = insn->insn.address;
    for (unsigned r = 0; r < block->requests->len; r++) {
      const Request *request = &g_array_index (block->requests, Request, r);
      if (request->insn == i) {
        before (request, vcpu, insn);
      }
    }
    if (insn->faults) {
      return;
    }
    for (unsigned a = 0; a < insn->n_accesses; a++) {
      for (unsigned r = 0; r < block->requests->len; r++) {
        const Request *request = &g_array_index (block->requests, Request, r);
        if (request->insn == i) {
          after (request, vcpu, insn, &insn->access[a]);
        }
      }
    }
  }
}

FakeBlock *
fake_translate (FakeInsn *insns, unsigned n)
{
  FakeBlock *b = g_new0 (FakeBlock, 1);
  *b = (FakeBlock) { { &instrument }, insns, n, g_array_new (FALSE, FALSE, sizeof (Request)) };
  g_ptr_array_add (blocks, b);
  in_block = true;
  if (fake.running) {
    ops->block (user, &b->block);
  }
  in_block = false;
  return b;
}

FakeInsn
fake_insn (uint64_t address, const char *bytes)
{
  FakeInsn i = { .insn = { .address = address, .physical = address + 0x100000, .size = 4, .code_bits = 64, .target = UINT64_MAX } };
  i.insn.size = (uint8_t) strlen (bytes);
  memcpy (i.insn.bytes, bytes, strlen (bytes));
  return i;
}

void fake_vcpu (unsigned vcpu, BpVcpuEvent event) { fake.current = vcpu, ops->vcpu (user, vcpu, event); }

void
fake_jump (unsigned vcpu, BpJumpKind kind, uint64_t from, uint64_t to)
{
  fake.current = vcpu;
  ops->jump (user, vcpu, &(BpJump) { .struct_size = sizeof (BpJump), .kind = kind, .from = from, .to = to });
}

/* --- the guest --------------------------------------------------------------------------------------------- */

static uint64_t *
register_at (unsigned vcpu, const char *name)
{
  return strcmp (name, "rax") == 0 ? &fake.rax[vcpu] : strcmp (name, "rip") == 0 ? &fake.rip[vcpu] : NULL;
}

static unsigned
read_register (BpInstrument *in, unsigned vcpu, const char *name, void *out, size_t size)
{
  uint64_t *r = register_at (vcpu, name);
  if (!r || allowed < BP_CALL_READS || size < sizeof *r) {
    return 0;
  }
  memcpy (out, r, sizeof *r);
  return sizeof *r;
}

static bool
write_register (BpInstrument *in, unsigned vcpu, const char *name, const void *value, size_t size)
{
  uint64_t *r = register_at (vcpu, name);
  if (!r || allowed < BP_CALL_WRITES || size != sizeof *r) {
    return false;
  }
  memcpy (r, value, sizeof *r);
  return true;
}

static uint8_t *
memory_at (uint64_t address, size_t size)
{
  return address >= 0x1000 && address + size <= 0x1000 + FAKE_MEMORY ? fake.memory + (address - 0x1000) : NULL;
}

static bool
read_memory (BpInstrument *in, unsigned vcpu, uint64_t address, void *out, size_t size)
{
  const uint8_t *p = memory_at (address, size);
  return p && memcpy (out, p, size);
}

static bool
write_memory (BpInstrument *in, unsigned vcpu, uint64_t address, const void *data, size_t size)
{
  uint8_t *p = memory_at (address, size);
  return p && memcpy (p, data, size);
}

static bool read_physical (BpInstrument *in, uint64_t at, void *out, size_t size) { return read_memory (in, 0, at - 0x100000, out, size); }
static bool write_physical (BpInstrument *in, uint64_t at, const void *data, size_t size) { return write_memory (in, 0, at - 0x100000, data, size); }

static bool
translate (BpInstrument *in, unsigned vcpu, uint64_t address, uint64_t *physical)
{
  *physical = address + 0x100000;
  return memory_at (address, 1) != NULL;
}

static unsigned
disassemble (BpInstrument *in, const BpInsn *insn, char *out, size_t size)
{
  g_snprintf (out, size, "insn 0x%x", (unsigned) insn->address);
  return insn->size;
}

static bool
symbol (BpInstrument *in, const BpInsn *insn, BpSymbol *out)
{
  out->name = "function";
  return insn->address < 0x2000;
}

static void set_running (BpInstrument *in, bool running) { fake.running = running; }
static void detach (BpInstrument *in) { ops = NULL; }

static const BpInstrumentHost host = {
  .struct_size = sizeof host, .detach = detach, .set_running = set_running, .n_vcpus = n_vcpus, .block_n_insns = block_n_insns, .block_insn = block_insn,
  .block_count = block_count, .block_count_memory = block_count_memory, .block_call = block_call, .block_call_memory = block_call_memory,
  .block_store_immediate = block_store, .scoreboard_new = scoreboard_new, .counter_at = counter_at, .disassemble = disassemble, .symbol = symbol,
  .read_register = read_register, .write_register = write_register, .read_memory = read_memory, .write_memory = write_memory,
  .read_physical = read_physical, .write_physical = write_physical, .translate = translate,
};

BpInstrument *
bp_instrument_attach (void *self, const BpInstrumentOps *its_ops, void *its_user, GError **error)
{
  if (fake.no_attach) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "cannot be instrumented");
    return NULL;
  }
  ops = its_ops;
  user = its_user;
  instrument.host = &host;
  fake.running = true;
  return &instrument;
}

/* --- the core ------------------------------------------------------------------------------------------------- */

static const BpDebugRegister registers[] = { { "rax", 64, 0, "int64", "general", "core" }, { "rip", 64, BP_DEBUG_PC, "code_ptr", "general", "core" } };
static const char *view (void *self, unsigned n) { return n == 0 ? "i386:x86-64" : NULL; }
static const BpDebugRegister *reg (void *self, unsigned v, unsigned n) { return n < G_N_ELEMENTS (registers) ? &registers[n] : NULL; }
static const BpCpuDebugIface debug = { .struct_size = sizeof debug, .view = view, .reg = reg };
static char cpus[FAKE_VCPUS];

uint32_t bp_log_mask = BP_LOG_UNIMP;
GQuark bp_error_quark (void) { return g_quark_from_static_string ("fake"); }
const char *bp_object_id (const void *self) { return "device0"; }
BpMachine *bp_object_machine (const void *self) { return (BpMachine *) (void *) &fake; }
const void *bp_object_interface (const void *self, const char *id) { return strcmp (id, BP_CPU_DEBUG_ID) == 0 ? &debug : NULL; }
BpAddressSpace *bp_machine_address_space (BpMachine *machine, const char *name) { return (BpAddressSpace *) (void *) &fake; }
BpRunState bp_machine_run_state (BpMachine *machine) { return fake.is_over ? BP_RUN_SHUTDOWN : BP_RUN_PAUSED; }
void *bp_machine_next (BpMachine *machine, const char *id, unsigned *cursor) { return *cursor < FAKE_VCPUS ? &cpus[(*cursor)++] : NULL; }
BpVcpu *bp_vcpu_of (const void *cpu) { return (BpVcpu *) (void *) cpu; }
unsigned bp_vcpu_index (const BpVcpu *vcpu) { return (unsigned) ((const char *) (const void *) vcpu - cpus); }
bool bp_vcpu_is_current (const BpVcpu *vcpu) { return bp_vcpu_index (vcpu) == fake.current; }

void
bp_vcpu_run_on (BpVcpu *vcpu, void (*f) (void *, void *), void *data, bool wait)
{
  g_assert (!wait);
  f (vcpu, data);
}

const BpFlatRange *
bp_as_lookup (BpAddressSpace *as, uint64_t address)
{
  static const BpFlatRange range = { .struct_size = sizeof range };
  return address >= FAKE_DEVICE + 0x100000 ? &range : NULL;
}

void bp_as_leave (BpAddressSpace *as) { }
void *bp_region_owner (const BpRegion *region) { return &fake; }
const char *bp_region_name (const BpRegion *region) { return "region"; }

static void
add_line (GString *to, const char *format, va_list args)
{
  g_string_append_vprintf (to, format, args);
  g_string_append_c (to, '\n');
}

void
bp_warn (const void *self, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  add_line (fake.log, format, args);
  va_end (args);
}

void
bp_log_object (const void *self, BpLogTopic topic, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  add_line (fake.log, format, args);
  va_end (args);
}

void bp_report_note (BpReport *report, const char *text) { g_string_append_printf (fake.report, "note: %s\n", text); }
void bp_report_text (BpReport *r, const char *key, const char *title, const char *text) { g_string_append_printf (fake.report, "%s: %s\n", key, text); }
void
bp_report_count (BpReport *r, const char *key, const char *title, uint64_t value)
{
  g_string_append_printf (fake.report, "%s: %" G_GUINT64_FORMAT "\n", key, value);
}
BpReportTable *bp_report_table (BpReport *r, const char *key, const char *title, const BpReportColumn *columns, unsigned n) { return NULL; }
void bp_report_cell_text (BpReportTable *table, const char *text) { g_string_append_printf (fake.report, "cell: %s\n", text); }

const char *
fake_report (bool is_last)
{
  fake.is_over = is_last;
  g_string_truncate (fake.report, 0);
  ops->report (user, NULL);
  return fake.report->str;
}

/* --- instances --------------------------------------------------------------------------------------------------- */

const BpPluginDesc *bp_plugin_query (void);

static void
set_property (void *self, const BpProperty *p, const char *text)
{
  void *field = (char *) self + p->offset;
  if (p->kind == BP_PROPERTY_LIST) {
    *(char ***) field = text ? g_strsplit (text, ",", -1) : NULL;
  } else if (p->kind == BP_PROPERTY_SIZE) {
    *(uint64_t *) field = text ? strtoull (text, NULL, 0) : p->default_int;
  } else {
    *(char **) field = g_strdup (text);
  }
}

static const BpTypeDesc *type (void) { return bp_plugin_query ()->types[0]; }

static void
release (void *self)
{
  for (const BpProperty *p = type ()->properties; p->name; p++) {
    void *field = (char *) self + p->offset;
    if (p->kind == BP_PROPERTY_LIST) {
      g_strfreev (*(char ***) field);
    } else if (p->kind != BP_PROPERTY_SIZE) {
      g_free (*(char **) field);
    }
  }
  free (self);
}

void *
fake_new (GError **error, ...)
{
  void *self = aligned_alloc (64, (type ()->instance_size + 63) & ~63u);
  va_list args;
  const char *name;
  memset (self, 0, type ()->instance_size);
  for (const BpProperty *p = type ()->properties; p->name; p++) {
    set_property (self, p, NULL);
  }
  va_start (args, error);
  while ((name = va_arg (args, const char *))) {
    const char *text = va_arg (args, const char *);
    for (const BpProperty *p = type ()->properties; p->name; p++) {
      if (strcmp (p->name, name) == 0) {
        set_property (self, p, text);
      }
    }
  }
  va_end (args);
  if (type ()->realize (self, error)) {
    return self;
  }
  fake_free (self);
  return NULL;
}

void
fake_free (void *self)
{
  type ()->unrealize (self);
  release (self);
}

void
fake_begin (void)
{
  memset (&fake, 0, sizeof fake);
  fake.words_left = WORDS - 4096;
  fake.log = g_string_new (NULL);
  fake.report = g_string_new (NULL);
  words_used = 0;
  blocks = g_ptr_array_new ();
  for (unsigned i = 0; i < FAKE_VCPUS; i++) {
    words[i] = g_malloc0 (WORDS);
  }
}

void
fake_end (void)
{
  for (unsigned i = 0; i < blocks->len; i++) {
    FakeBlock *b = g_ptr_array_index (blocks, i);
    g_array_free (b->requests, TRUE);
    g_free (b);
  }
  g_ptr_array_free (blocks, TRUE);
  for (unsigned i = 0; i < FAKE_VCPUS; i++) {
    g_free (words[i]);
  }
  g_string_free (fake.log, TRUE);
  g_string_free (fake.report, TRUE);
}

/* tcg-log.c -- tcg-log: a line of text for each instruction that the guest executes, with what it did. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/cpu-debug.h>
#include <backplane/log.h>
#include <backplane/machine.h>
#include <backplane/plugin.h>
#include <string.h>
#include "common/instr-spec.h"
#include "tcg-log-lines.h"
#include "tcg-log-registers.h"
#include "tcg-trace-jumps.h"

enum { COMPRESS_NONE, COMPRESS_ZSTD, ZSTD_LEVEL = 3 };
enum { PRIVILEGE_ANY, PRIVILEGE_0 };

enum { TEXT_COLUMN = 44 };     /* of the disassembly, in the fixed part of a line */

/* --- state: wiring | derived ------------------------------------------------------------------ */

typedef struct Vcpu {
  LogLine line;
  LogValues *values;            /* NULL: no registers are shown */
  const BpInsn *last;           /* whose line is open */
  bool jumped;                  /* since then */
  JumpQueue *jumps;             /* records only, and: */
  uint64_t n;                   /* instructions whose records have come */
  bool astray;                  /* records were lost: that number is not known */
} Vcpu;

typedef struct Log {
  /* properties */
  char *output, **registers;
  int compress, privilege;
  uint64_t from, to, limit;
  bool memory, symbols;
  /* derived */
  BpInstrument *instrument;
  unsigned n_vcpus;
  Vcpu *vcpus;
  LogFile *file;
  LogRegisters *chosen;
  BpCounter counter;            /* records only: of instructions that have one, says where jumps belong */
  bool all;                     /* every instruction has a line: what changed between two lines, the first did */
  GMutex lock;                  /* of texts */
  GPtrArray *texts;             /* of GString, by BpInsn.id: the lines' fixed part */
  bool said;
} Log;

static bool
in_range (const Log *log, uint64_t address)
{
  return address >= log->from && address <= log->to;
}

static bool
is_wanted (const Log *log, const BpInsn *insn)
{
  return in_range (log, insn->address) && (log->privilege == PRIVILEGE_ANY || insn->privilege == log->privilege - PRIVILEGE_0);
}

/* --- text ------------------------------------------------------------------------------------------ */

static GString *
make_text (Log *log, const BpInsn *insn)
{
  char code[256];
  GString *s = g_string_new (NULL);
  BpSymbol symbol = { .struct_size = sizeof symbol };
  g_string_printf (s, "%016" G_GINT64_MODIFIER "x %u ", insn->address, insn->privilege);
  if (log->symbols && bp_insn_symbol (log->instrument, insn, &symbol) && symbol.name)
    g_string_append_printf (s, symbol.offset ? "%s+0x%" G_GINT64_MODIFIER "x" : "%s", symbol.name, symbol.offset);
  else
    g_string_append_c (s, '-');
  while (s->len < TEXT_COLUMN)
    g_string_append_c (s, ' ');
  g_string_append_c (s, ' ');
  if (bp_insn_text (log->instrument, insn, code, sizeof code))
    g_string_append (s, code);
  else
    for (unsigned i = 0; i < insn->size; i++)
      g_string_append_printf (s, i ? " %02x" : "bytes %02x", insn->bytes[i]);
  return s;
}

/* The fixed part of an instruction's line; it stays. [any] */
static const GString *
text_of (Log *log, const BpInsn *insn)
{
  g_mutex_lock (&log->lock);
  if (insn->id >= log->texts->len)
    g_ptr_array_set_size (log->texts, (gint) MAX (insn->id + 1, log->texts->len * 2));
  GString *s = g_ptr_array_index (log->texts, insn->id);
  if (!s)
    log->texts->pdata[insn->id] = s = make_text (log, insn);
  g_mutex_unlock (&log->lock);
  return s;
}

static void
free_text (void *text)
{
  if (text)
    g_string_free (text, TRUE);
}

/* --- the end ------------------------------------------------------------------------------------------ */

/* The limit was reached, or the disk is full. */
static bool
ended (Log *log)
{
  if (!log_file_ended (log->file))
    return false;
  if (!__atomic_exchange_n (&log->said, true, __ATOMIC_RELAXED)) {
    const char *error = log_file_error (log->file);
    if (error)
      bp_warn (log, "%s: %s; what was written until now is kept, nothing more is logged", log_file_path (log->file), error);
    bp_instrument_set_running (log->instrument, false);
  }
  return true;
}

static void
note_jump (const Log *log, Vcpu *v, const BpJump *jump)
{
  if (in_range (log, jump->from) || in_range (log, jump->to))
    log_line_note (&v->line, "%s, from %" G_GINT64_MODIFIER "x to %" G_GINT64_MODIFIER "x", jump->kind == BP_JUMP_INTERRUPT ? "interrupt" : "exception",
                   jump->from, jump->to);
}

/* --- with registers: calls ----------------------------------------------------------------------------- */

static unsigned
read_register (void *user, unsigned vcpu, const char *name, void *out, size_t size)
{
  Log *log = user;
  return bp_read_register (log->instrument, vcpu, name, out, size);
}

/* Whether an instruction can have changed nothing but the registers that it names. */
static bool
is_simple (const BpInsn *insn, const BpInsnRegisters *r)
{
  switch (insn->insn_class) {
  case BP_CLASS_MOVE:           /* one that writes nothing we know of may load a segment register */
    return insn->code_bits == 64 && (r->n_written || insn->flags & BP_INSN_STORES);
  case BP_CLASS_ARITHMETIC: case BP_CLASS_LOGIC: case BP_CLASS_SHIFT: case BP_CLASS_MULTIPLY: case BP_CLASS_DIVIDE: case BP_CLASS_CONDITIONAL:
  case BP_CLASS_BRANCH: case BP_CLASS_NOP:
    return true;
  default:
    return false;
  }
}

/* The line before gets what its instruction did. */
static void
show_changes (Log *log, Vcpu *v)
{
  BpInsnRegisters r = { .struct_size = sizeof r };
  bool simple = log->all && v->last && !v->jumped && bp_insn_registers (log->instrument, v->last, &r) && is_simple (v->last, &r);
  log_values_update (v->values, simple ? &r : NULL, read_register, log, &v->line);
}

static void
on_insn (void *user, unsigned vcpu, const BpInsn *insn, void *data)
{
  Log *log = user;
  Vcpu *v = &log->vcpus[vcpu];
  const GString *text = data;
  if (ended (log))
    return;
  show_changes (log, v);
  log_line_begin (&v->line, text->str, text->len);
  v->last = insn;
  v->jumped = false;
}

static void
on_access (void *user, unsigned vcpu, const BpInsn *insn, const BpAccess *access, void *data)
{
  Log *log = user;
  TraceAccess a = { .address = access->address, .value = access->value, .bytes = access->bytes, .is_store = access->is_store,
                    .is_atomic = access->is_atomic };
  log_line_access (&log->vcpus[vcpu].line, &a);
}

static void
on_call_jump (void *user, unsigned vcpu, const BpJump *jump)
{
  Log *log = user;
  Vcpu *v = &log->vcpus[vcpu];
  note_jump (log, v, jump);
  v->jumped = true;
}

static void
on_call_block (void *user, BpInstrBlock *block)
{
  Log *log = user;
  for (unsigned i = 0, n = bp_block_n_insns (block); i < n; i++) {
    const BpInsn *insn = bp_block_insn (block, i);
    if (!is_wanted (log, insn))
      continue;
    bp_block_call (block, i, NULL, on_insn, (void *) text_of (log, insn), BP_CALL_READS);
    if (log->memory)
      bp_block_call_memory (block, i, BP_LOADS | BP_STORES, on_access, NULL, BP_CALL_NO_REGISTERS);
  }
}

/* --- without registers: records -------------------------------------------------------------------------- */

static void
on_record_block (void *user, BpInstrBlock *block)
{
  Log *log = user;
  for (unsigned i = 0, n = bp_block_n_insns (block); i < n; i++) {
    const BpInsn *insn = bp_block_insn (block, i);
    if (!is_wanted (log, insn))
      continue;
    text_of (log, insn);        /* made here, under the translator's lock, as symbols are looked up by one at a time */
    bp_block_record_insn (block, i, 0);
    bp_block_count (block, i, log->counter, 1);
    if (log->memory)
      bp_block_record_memory (block, i, BP_LOADS | BP_STORES, 0, 0);
  }
}

/* The jumps before this record, the first of an array. */
static void
look_for_jumps (Log *log, Vcpu *v, const BpSite *site)
{
  BpJump jump;
  if (v->astray && site->kind == BP_RECORD_INSN && jump_queue_find (v->jumps, site->insn->address, &jump, &v->n)) {
    v->astray = false;
    note_jump (log, v, &jump);
  }
  while (!v->astray && jump_queue_take (v->jumps, v->n, &jump))
    note_jump (log, v, &jump);
}

static void
consume (Log *log, Vcpu *v, const BpSite *site, const BpWideRecord *r)
{
  const BpInsn *insn = site->insn;
  if (site->kind == BP_RECORD_INSN) {
    const GString *text = text_of (log, insn);
    log_line_begin (&v->line, text->str, text->len);
    v->last = insn;
    v->n++;
  } else if (insn == v->last) {         /* (not: it faulted then, and its line is gone) */
    TraceAccess a = { .address = r->address, .value = r->value, .bytes = r->bytes ? r->bytes : site->bytes, .is_store = site->kind == BP_RECORD_STORE,
                      .is_atomic = site->flags & BP_SITE_ATOMIC };
    log_line_access (&v->line, &a);
  }
}

static void
on_records (void *user, const BpBatch *batch)
{
  Log *log = user;
  Vcpu *v = &log->vcpus[batch->vcpu];
  const BpSite *sites = bp_sites (log->instrument);
  const BpWideRecord *r = batch->records;
  if (batch->lost) {
    log_line_note (&v->line, "%" G_GUINT64_FORMAT " records lost", batch->lost);
    v->astray = true;
  }
  if (batch->n && !log_file_ended (log->file))
    look_for_jumps (log, v, &sites[r->site]);
  for (size_t i = 0; i < batch->n && !log_file_ended (log->file); i++)
    consume (log, v, &sites[r[i].site], &r[i]);
  ended (log);
}

static void
on_record_jump (void *user, unsigned vcpu, const BpJump *jump)
{
  Log *log = user;
  jump_queue_put (log->vcpus[vcpu].jumps, jump, *(const uint64_t *) bp_counter_at (log->instrument, log->counter, vcpu));
}

/* --- report ------------------------------------------------------------------------------------------------- */

static void
on_report (void *user, BpReport *report)
{
  Log *log = user;
  log_file_flush (log->file);
  bp_report_text (report, "file", "File", log_file_path (log->file));
  bp_report_count (report, "lines", "Lines", log_file_n_lines (log->file));
  bp_report_count (report, "bytes", "Bytes", log_file_size (log->file));
  if (log_file_error (log->file))
    bp_report_text (report, "error", "Error", log_file_error (log->file));
}

/* --- life cycle: configure, realize, unrealize ------------------------------------------------------------------ */

static bool
log_configure (void *self, GError **error)
{
  Log *log = self;
  if (!log->output || !*log->output)
    return instr_refuse (error, "output: the file to write");
  if (!strcmp (log->output, "-"))
    return instr_refuse (error, "output = -: the terminal is the guest's; name a file");
  if (log->from > log->to)
    return instr_refuse (error, "from, to: the range is empty");
  return true;
}

static bool
choose_registers (Log *log, GError **error)
{
  static const BpDebugRegister none = { .name = NULL };
  unsigned cursor = 0;
  GError *why = NULL;
  void *cpu = bp_machine_next (bp_object_machine (log), BP_CPU_DEBUG_ID, &cursor);
  const BpCpuDebugIface *iface = cpu ? bp_object_interface (cpu, BP_CPU_DEBUG_ID) : NULL;
  GArray *rows = g_array_new (TRUE, TRUE, sizeof (BpDebugRegister));
  for (unsigned i = 0; BP_TABLE_HAS (iface, reg) && iface->reg (cpu, 0, i); i++)
    g_array_append_val (rows, *iface->reg (cpu, 0, i));
  log->chosen = log_registers_new ((const char *const *) log->registers, rows->len ? (const BpDebugRegister *) rows->data : &none, &why);
  g_array_unref (rows);
  if (why)
    g_propagate_error (error, why);
  return !why;
}

static void
log_unrealize (void *self)
{
  Log *log = self;
  if (log->instrument && log->vcpus)
    bp_instrument_flush (log->instrument);
  for (unsigned i = 0; log->vcpus && i < log->n_vcpus; i++)
    log_line_end (&log->vcpus[i].line);
  bp_instrument_detach (log->instrument);
  log->instrument = NULL;
  for (unsigned i = 0; log->vcpus && i < log->n_vcpus; i++) {
    log_line_clear (&log->vcpus[i].line);
    log_values_free (log->vcpus[i].values);
    jump_queue_free (log->vcpus[i].jumps);
  }
  g_clear_pointer (&log->vcpus, g_free);
  g_clear_pointer (&log->file, log_file_free);
  g_clear_pointer (&log->chosen, log_registers_free);
  g_clear_pointer (&log->texts, g_ptr_array_unref);
  g_mutex_clear (&log->lock);
}

static bool
log_realize (void *self, GError **error)
{
  static const BpInstrumentOps calls = { .struct_size = sizeof calls, .block = on_call_block, .jump = on_call_jump, .report = on_report };
  static const BpInstrumentOps records = { .struct_size = sizeof records, .flags = BP_INSTRUMENT_THREAD | BP_INSTRUMENT_WIDE, .block = on_record_block,
                                           .records = on_records, .jump = on_record_jump, .report = on_report };
  Log *log = self;
  g_mutex_init (&log->lock);
  log->texts = g_ptr_array_new_full (4096, free_text);
  log->all = log->privilege == PRIVILEGE_ANY && log->from == 0 && log->to == UINT64_MAX;
  if (!choose_registers (log, error))
    return false;
  log->file = log_file_new (log->output, log->compress == COMPRESS_ZSTD ? ZSTD_LEVEL : 0, log->limit, error);
  if (!log->file)
    return false;
  log->instrument = bp_instrument_attach (log, log->chosen ? &calls : &records, log, error);
  if (!log->instrument)
    return false;
  log->counter = log->chosen ? 0 : bp_counter_new (log->instrument, BP_COUNTER_LIVE);
  log->n_vcpus = bp_instrument_n_vcpus (log->instrument);
  log->vcpus = g_new0 (Vcpu, log->n_vcpus);
  for (unsigned i = 0; i < log->n_vcpus; i++) {
    Vcpu *v = &log->vcpus[i];
    log_line_init (&v->line, log->file, i);
    v->values = log->chosen ? log_values_new (log->chosen) : NULL;
    v->jumps = log->chosen ? NULL : jump_queue_new ();
  }
  return true;
}

/* --- tables ----------------------------------------------------------------------------------------------------------- */

static const char *const compress_names[] = { "none", "zstd", NULL };
static const char *const privilege_names[] = { "any", "0", "1", "2", "3", NULL };

static const BpProperty log_properties[] = {
  BP_PROP_ ("output", BP_PROPERTY_STRING, Log, output, .flags = BP_PROPERTY_REQUIRED,
            .help = "The file to write, relative to the current directory."),
  BP_PROP_ENUM ("compress", Log, compress, COMPRESS_NONE, compress_names, "zstd: a .zst file, compressed while it is written."),
  BP_PROP_LIST ("registers", Log, registers, "general",
                "Registers whose changes are shown: general, all, none (much faster), or names as a debugger has them (rax, eflags, xmm0)."),
  BP_PROP_BOOL ("memory", Log, memory, false, "Shows loads and stores, with their values."),
  BP_PROP_BOOL ("symbols", Log, symbols, true, "Shows the symbol that an instruction belongs to, where an object of the machine knows it."),
  BP_PROP_U64 ("from", Log, from, 0, "Only instructions from this virtual address on."),
  BP_PROP_U64 ("to", Log, to, UINT64_MAX, "Only instructions up to this virtual address, inclusive."),
  BP_PROP_ENUM ("privilege", Log, privilege, PRIVILEGE_ANY, privilege_names, "Only instructions of this privilege level; on x86 0 is the kernel, 3 are programs."),
  BP_PROP_U64 ("limit", Log, limit, 0, "How many lines are written; then the guest runs on without a log.  0: all."),
  BP_PROP_END
};

static const BpTypeDesc log_type = {
  BP_TYPE ("tcg-log", BP_KIND_INSTRUMENT, Log),
  .description = "an execution log: a line for each instruction, with what it did",
  .properties = log_properties,
  .configure = log_configure,
  .realize = log_realize,
  .unrealize = log_unrealize,
};

static const BpTypeDesc *const types[] = { &log_type, NULL };

BP_PLUGIN_DEFINE (.id = "tcg-log", .version = "1.0", .licence = "MIT", .description = "execution logs", .types = types);

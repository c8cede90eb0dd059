/* tcg-trace-tool.c -- backplane-trace: what is in a trace, as text, in numbers, or for ChampSim. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "tcg-trace-champsim.h"
#include "tcg-trace-file.h"
#include "tcg-trace-reader.h"

typedef struct Options {
  char **files;
  gint64 from, count;
  gboolean zstd, version;
} Options;

static const char *const class_names[BP_N_CLASSES] = {
  "other", "move", "arithmetic", "logic", "shift", "multiply", "divide", "conditional", "string", "atomic", "float", "vector-float", "vector-integer",
  "crypto", "branch", "jump", "call", "return", "system-call", "system", "io", "fence", "nop"
};

static const char *class_name (unsigned c) { return c < BP_N_CLASSES ? class_names[c] : "unknown"; }

static int
fail (const char *path, GError *error)
{
  fflush (stdout);
  fprintf (stderr, "backplane-trace: %s: %s\n", path, error->message);
  g_error_free (error);
  return 1;
}

/* What the file's end was like; 2: it is not all there. */
static int
conclude (TcgTraceReader *r, const char *path, GError *error)
{
  int status = 0;
  const TcgTraceInfo *info = tcg_trace_reader_info (r);
  if (error)
    status = fail (path, error);
  else if (!info->complete) {
    fflush (stdout);
    fprintf (stderr, "backplane-trace: %s: cut off; its %" PRIu64 " whole chunks were read\n", path, info->chunks);
    status = 2;
  }
  tcg_trace_reader_close (r);
  return status;
}

/* --- dump ------------------------------------------------------------------------------------- */

static const char *
register_name (unsigned r, char out[16])
{
  static const char *const general[18] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                                           "rip", "flags" };
  if (r < 18)
    return general[r];
  g_snprintf (out, 16, r >= 32 && r < 48 ? "xmm%u" : r >= 48 && r < 56 ? "st%u" : "#%u", r >= 48 && r < 56 ? r - 48 : r >= 32 && r < 48 ? r - 32 : r);
  return out;
}

static void
print_registers (const char *mark, const uint8_t *list, unsigned n)
{
  char name[16];
  for (unsigned i = 0; i < n; i++)
    printf ("%s%s", i ? "," : mark, register_name (list[i], name));
}

static void
print_insn (const TcgTraceEvent *e, bool values)
{
  const BpInsn *insn = e->insn;
  if (e->goes_on)
    printf ("-- more of ");
  printf ("%10" PRIu64 "  %016" PRIx64 " %u  ", e->number, insn->address, insn->privilege);
  for (unsigned i = 0; i < insn->size; i++)
    printf ("%02x", insn->bytes[i]);
  printf ("%*s %s", insn->size < 8 ? 16 - 2 * insn->size : 0, "", class_name (insn->insn_class));
  print_registers (" <", e->registers->read, e->registers->n_read);
  print_registers (" >", e->registers->written, e->registers->n_written);
  for (unsigned i = 0; i < e->n_accesses; i++) {
    const TraceAccess *a = &e->accesses[i];
    printf ("  %s%s %" PRIx64 "/%u", a->is_store ? "store" : "load", a->is_atomic ? "(atomic)" : "", a->address, a->bytes);
    if (values && a->bytes <= 8)
      printf ("=%" PRIx64, a->value);
  }
  putchar ('\n');
}

static void
print_event (const TcgTraceEvent *e, bool values)
{
  switch (e->kind) {
  case TCG_TRACE_INSN: print_insn (e, values); break;
  case TCG_TRACE_SPACE: printf ("-- address space %" PRIx64 "\n", e->space); break;
  case TCG_TRACE_GAP: printf ("-- %" PRIu64 " records lost\n", e->lost); break;
  case TCG_TRACE_JUMP:
    printf ("-- %s from %" PRIx64 " to %" PRIx64 "\n", e->jump == BP_JUMP_INTERRUPT ? "interrupt" : "exception", e->from, e->to);
  }
}

static int
dump (const Options *o)
{
  GError *error = NULL;
  TcgTraceEvent e;
  TcgTraceReader *r = tcg_trace_reader_open (o->files[0], &error);
  if (!r)
    return fail (o->files[0], error);
  const TcgTraceInfo *info = tcg_trace_reader_info (r);
  bool values = info->flags & TRACE_HAS_VALUES;
  uint64_t from = (uint64_t) o->from, end = o->count < 0 || from + (uint64_t) o->count < from ? UINT64_MAX : from + (uint64_t) o->count;
  bool more;
  /* What is no instruction has the number of the one that follows. */
  while ((more = tcg_trace_reader_next (r, &e, &error))) {
    uint64_t number = e.kind == TCG_TRACE_INSN ? e.number : info->insns;
    if (number >= end && !e.goes_on)
      break;                    /* all that was asked for */
    if (number >= from)
      print_event (&e, values);
  }
  if (!more)
    return conclude (r, o->files[0], error);
  tcg_trace_reader_close (r);
  return 0;
}

/* --- stats ---------------------------------------------------------------------------------------- */

typedef struct Stats {
  uint64_t classes[BP_N_CLASSES], privileges[4];
  uint64_t loads, stores, load_bytes, store_bytes, branches, taken, jumps, spaces;
  uint64_t most_id;             /* instructions of the code: one more than the highest number */
  uint64_t fall_through;
  bool conditional;             /* the instruction before was a conditional branch, and where it led to has not been seen */
} Stats;

static void
go_on_at (Stats *s, uint64_t address)
{
  s->taken += s->conditional && address != s->fall_through;
  s->conditional = false;
}

static void
add_insn (Stats *s, const BpInsn *insn)
{
  go_on_at (s, insn->address);
  s->conditional = (insn->flags & BP_INSN_BRANCH) && (insn->flags & BP_INSN_CONDITIONAL);
  s->branches += s->conditional;
  s->fall_through = insn->address + insn->size;
  s->classes[insn->insn_class < BP_N_CLASSES ? insn->insn_class : BP_CLASS_OTHER]++;
  s->privileges[insn->privilege & 3]++;
  s->most_id = MAX (s->most_id, (uint64_t) insn->id + 1);
}

static void
add_accesses (Stats *s, const TcgTraceEvent *e)
{
  for (unsigned i = 0; i < e->n_accesses; i++) {
    const TraceAccess *a = &e->accesses[i];
    *(a->is_store ? &s->stores : &s->loads) += 1;
    *(a->is_store ? &s->store_bytes : &s->load_bytes) += a->bytes;
  }
}

static void
add_event (Stats *s, const TcgTraceEvent *e)
{
  if (e->kind == TCG_TRACE_INSN && !e->goes_on)
    add_insn (s, e->insn);
  if (e->kind == TCG_TRACE_INSN)
    add_accesses (s, e);
  if (e->kind == TCG_TRACE_JUMP)
    go_on_at (s, e->from);
  if (e->kind == TCG_TRACE_GAP)
    s->conditional = false;
  s->jumps += e->kind == TCG_TRACE_JUMP;
  s->spaces += e->kind == TCG_TRACE_SPACE;
}

static void
print_share (const char *name, uint64_t part, uint64_t whole)
{
  if (part)
    printf ("  %-16s %14" PRIu64 "  %5.1f %%\n", name, part, 100.0 * (double) part / (double) whole);
}

static void
print_stats (const Stats *s, const TcgTraceInfo *info)
{
  char name[32];
  printf ("vcpu             %u\nskipped          %" PRIu64 "\n%s", info->vcpu, info->skipped, info->text);
  printf ("instructions     %" PRIu64 "\n", info->insns);
  for (unsigned c = 0; c < BP_N_CLASSES; c++)
    print_share (class_names[c], s->classes[c], info->insns);
  for (unsigned p = 0; p < 4; p++) {
    g_snprintf (name, sizeof name, "privilege %u", p);
    print_share (name, s->privileges[p], info->insns);
  }
  printf ("places in code   %" PRIu64 "\n", s->most_id);
  printf ("loads            %" PRIu64 " (%" PRIu64 " bytes)\nstores           %" PRIu64 " (%" PRIu64 " bytes)\n", s->loads, s->load_bytes, s->stores,
          s->store_bytes);
  printf ("conditional      %" PRIu64 " branches, %" PRIu64 " taken\n", s->branches, s->taken);
  printf ("interrupts       %" PRIu64 " (and exceptions)\naddress spaces   %" PRIu64 " changes\nlost records     %" PRIu64 "\n", s->jumps, s->spaces, info->lost);
  printf ("file             %" PRIu64 " bytes in %" PRIu64 " chunks, %" PRIu64 " unpacked, %.2f bytes an instruction\n", info->stored_bytes, info->chunks,
          info->raw_bytes, info->insns ? (double) info->stored_bytes / (double) info->insns : 0.0);
}

static int
stats (const Options *o)
{
  GError *error = NULL;
  TcgTraceEvent e;
  Stats s = { 0 };
  TcgTraceReader *r = tcg_trace_reader_open (o->files[0], &error);
  if (!r)
    return fail (o->files[0], error);
  while (tcg_trace_reader_next (r, &e, &error))
    add_event (&s, &e);
  print_stats (&s, tcg_trace_reader_info (r));
  return conclude (r, o->files[0], error);
}

/* --- champsim --------------------------------------------------------------------------------------- */

enum { BATCH = 16384 };

typedef struct Conversion {
  TraceFile *out;
  const BpInsnRegisters *registers;     /* of the instruction that is being given */
  size_t n;
  ChampsimRecord records[BATCH];
} Conversion;

static bool
give_registers (void *user, const BpInsn *insn, BpInsnRegisters *out)
{
  *out = *((Conversion *) user)->registers;
  return true;
}

static void
write_records (Conversion *c)
{
  const void *packed;
  size_t size = c->n * sizeof c->records[0], stored = size ? trace_file_pack (c->out, c->records, size, &packed) : 0;
  if (size)
    trace_file_write (c->out, stored ? packed : c->records, stored ? stored : size);
  c->n = 0;
}

static void
emit (void *user, const ChampsimRecord *records, size_t n)
{
  Conversion *c = user;
  for (size_t i = 0; i < n; i++) {
    c->records[c->n++] = records[i];
    if (c->n == BATCH)
      write_records (c);
  }
}

static void
convert_event (Conversion *c, Champsim *to, const TcgTraceEvent *e)
{
  c->registers = e->registers;
  if (e->kind == TCG_TRACE_INSN)
    champsim_insn (to, e->insn, e->accesses, e->n_accesses);
  if (e->kind == TCG_TRACE_JUMP)
    champsim_interrupted (to, e->from);
}

/* What is read cannot be written: it would be emptied first. */
static bool
is_same_file (const char *a, const char *b)
{
  struct stat x, y;
  return stat (a, &x) == 0 && stat (b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The file to write; NULL, with error: it cannot be. */
static TraceFile *
create_converted (const TcgTraceReader *r, const Options *o, GError **error)
{
  const char *why = is_same_file (o->files[0], o->files[1]) ? "the trace itself cannot be written"
                    : !(tcg_trace_reader_info (r)->flags & TRACE_HAS_MEMORY) ? "the trace has no memory: ChampSim's format says nothing without it" : NULL;
  if (!why)
    return trace_file_create (o->files[1], o->zstd ? 3 : 0, false, error);
  g_set_error_literal (error, g_quark_from_static_string ("tcg-trace"), 0, why);
  return NULL;
}

/* error: the trace is broken.  Whether the file could be written, it knows. */
static void
convert_all (TcgTraceReader *r, TraceFile *out, GError **error)
{
  TcgTraceEvent e;
  Conversion *c = g_new0 (Conversion, 1);
  Champsim *to = champsim_new (give_registers, emit, c);
  c->out = out;
  while (!trace_file_error (out) && tcg_trace_reader_next (r, &e, error))
    convert_event (c, to, &e);
  champsim_finish (to);
  write_records (c);
  champsim_free (to);
  g_free (c);
  trace_file_finish (out);
}

static int
convert (const Options *o)
{
  GError *error = NULL;
  TcgTraceReader *r = tcg_trace_reader_open (o->files[0], &error);
  if (!r)
    return fail (o->files[0], error);
  TraceFile *out = create_converted (r, o, &error);
  if (!out) {
    tcg_trace_reader_close (r);
    return fail (o->files[1], error);
  }
  int status = 1;
  convert_all (r, out, &error);
  if (trace_file_error (out)) {
    fprintf (stderr, "backplane-trace: %s: %s\n", o->files[1], trace_file_error (out));
    g_clear_error (&error);
    tcg_trace_reader_close (r);
  } else {
    status = conclude (r, o->files[0], error);
  }
  trace_file_close (out);
  return status;
}

/* --- the command line ----------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  unsigned n_files;
  int (*run) (const Options *o);
} commands[] = { { "dump", 1, dump }, { "stats", 1, stats }, { "champsim", 2, convert } };

static int
run (Options *o)
{
  char **files = o->files;
  unsigned n = files ? g_strv_length (files) : 0;
  for (unsigned i = 0; n && i < G_N_ELEMENTS (commands); i++)
    if (!strcmp (files[0], commands[i].name)) {
      if (n != commands[i].n_files + 1) {
        fprintf (stderr, "backplane-trace: %s takes %s\n", files[0], commands[i].n_files == 2 ? "a trace and the file to write" : "a trace");
        return 1;
      }
      Options inner = *o;
      inner.files = files + 1;
      return commands[i].run (&inner);
    }
  fprintf (stderr, "backplane-trace: %s%s; try --help\n", n ? "there is no command " : "which command", n ? files[0] : "?");
  return 1;
}

int
main (int argc, char **argv)
{
  Options o = { .count = -1 };
  const GOptionEntry entries[] = {
    { "from", 'f', 0, G_OPTION_ARG_INT64, &o.from, "dump: from this instruction on (the first is 0)", "N" },
    { "count", 'n', 0, G_OPTION_ARG_INT64, &o.count, "dump: so many instructions", "N" },
    { "zstd", 'z', 0, G_OPTION_ARG_NONE, &o.zstd, "champsim: writes a .zst file", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &o.version, "prints the version", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o.files, NULL, NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("dump TRACE | stats TRACE | champsim TRACE FILE");
  g_autoptr (GError) error = NULL;
  int status;
  g_option_context_set_summary (context, "Reads the traces that the instrument tcg-trace writes (format = backplane).");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    fprintf (stderr, "backplane-trace: %s\n", error->message);
    status = 1;
  } else if (o.version) {
    puts ("backplane-trace " PACKAGE_VERSION);
    status = 0;
  } else if (o.from < 0) {
    fprintf (stderr, "backplane-trace: --from is not negative\n");
    status = 1;
  } else
    status = run (&o);
  g_strfreev (o.files);
  return status;
}

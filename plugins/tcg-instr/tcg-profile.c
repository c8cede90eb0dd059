/* tcg-profile.c -- where the guest's instructions go: stacks sampled by instruction count, for flame graphs. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/symbols.h>
#include <backplane/log.h>
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "tcg-profile-tree.h"
#include "tcg-profile-walk.h"

#define MAX_VCPUS 256
#define MAX_STACKS (1u << 19)
#define USER_PRIVILEGE 3

/* --- state ---------------------------------------------------------------------------------------- */

/* Instructions that are executed one after the other: a block up to a branch, or the rest of it.  Once for all blocks that have the same. */
typedef struct Code {
  uint32_t n;
  FrameState state;
  const BpInsn *insns[];
} Code;

/* A file that is written whenever a report is made. */
typedef struct Output {
  char *path;
  int fd;
  bool is_open;
} Output;

typedef struct Sampler {        /* a vCPU's; nobody else touches it while it runs */
  Stacks *stacks;
  uint64_t samples, lost;
} Sampler;

typedef struct Profile {
  /* properties */
  uint64_t period;
  uint32_t depth, top;
  int frames, privilege;
  bool by_space;
  char *folded_path, *svg_path;
  /* derived */
  BpInstrument *instrument;
  BpCounter counter;            /* instructions since the last sample, with all of the piece of code that runs */
  BpCounter instructions;       /* all of them, exactly */
  GHashTable *codes;            /* Code; under the translator's lock */
  Sampler samplers[MAX_VCPUS];
  Output folded, svg;
} Profile;

enum { FRAMES_FP, FRAMES_NONE };
static const char *const frames_names[] = { "fp", "none", NULL };
enum { FROM_ALL, FROM_KERNEL, FROM_USER };
static const char *const privilege_names[] = { "all", "kernel", "user", NULL };

/* --- blocks --------------------------------------------------------------------------------------- */

static guint
code_hash (gconstpointer p)
{
  const Code *c = p;
  guint h = c->n;
  for (uint32_t i = 0; i < c->n; i++)
    h = h * 31 + c->insns[i]->id;
  return h;
}

static gboolean
code_equal (gconstpointer pa, gconstpointer pb)
{
  const Code *a = pa, *b = pb;
  return a->n == b->n && !memcmp (a->insns, b->insns, a->n * sizeof a->insns[0]);
}

/* How the first instructions leave the stack. */
static FrameState
state_of (const Code *c)
{
  uint8_t bytes[64];
  size_t size = 0;
  for (uint32_t i = 0; i < c->n && size + c->insns[i]->size <= sizeof bytes && c->insns[i]->size <= sizeof c->insns[i]->bytes; i++) {
    memcpy (bytes + size, c->insns[i]->bytes, c->insns[i]->size);
    size += c->insns[i]->size;
  }
  return frame_state (bytes, size, c->insns[0]->code_bits);
}

static Code *
code_of (Profile *p, const BpInstrBlock *block, unsigned first, unsigned n)
{
  Code *c = g_malloc (sizeof *c + n * sizeof c->insns[0]);
  c->n = n;
  for (unsigned i = 0; i < n; i++)
    c->insns[i] = bp_block_insn (block, first + i);
  Code *known = g_hash_table_lookup (p->codes, c);
  if (known) {
    g_free (c);
    return known;
  }
  c->state = state_of (c);
  g_hash_table_add (p->codes, c);
  return c;
}

static BpInsnCall take_samples;

static bool
is_wanted (const Profile *p, const BpInsn *insn)
{
  return p->privilege == FROM_ALL || (insn->privilege == USER_PRIVILEGE) == (p->privilege == FROM_USER);
}

/* A counter that is right at every instruction would have to be added to at every one.  Adding a whole piece of code when it is begun costs a fraction;
 * the call comes after that, and finds the instruction within the piece. */
static void
on_block (void *user, BpInstrBlock *block)
{
  Profile *p = user;
  unsigned n = bp_block_n_insns (block);
  BpCondition is_due = { .counter = p->counter, .compare = BP_IF_GE, .value = p->period };
  if (n == 0 || !is_wanted (p, bp_block_insn (block, 0)))
    return;
  bp_block_count (block, BP_EVERY_INSN, p->instructions, 1);
  for (unsigned first = 0, end; first < n; first = end) {
    for (end = first + 1; end < n && !(bp_block_insn (block, end - 1)->flags & (BP_INSN_BRANCH | BP_INSN_REPEATED)); end++)
      ;
    bp_block_count (block, first, p->counter, end - first);
    bp_block_call (block, first, &is_due, take_samples, code_of (p, block, first, end - first),
                   p->frames == FRAMES_FP ? BP_CALL_READS : BP_CALL_NO_REGISTERS);
  }
}

/* --- samples -------------------------------------------------------------------------------------- */

typedef struct Reading {
  BpInstrument *instrument;
  unsigned vcpu;
} Reading;

static bool
read_guest (void *user, uint64_t address, void *out, size_t size)
{
  const Reading *r = user;
  return bp_read_memory (r->instrument, r->vcpu, address, out, size);
}

static uint64_t
read_named (const Profile *p, unsigned vcpu, const char *name64, const char *name32)
{
  uint8_t bytes[8];
  uint64_t value = 0;
  unsigned n = bp_read_register (p->instrument, vcpu, name64, bytes, sizeof bytes);
  if (!n)
    n = bp_read_register (p->instrument, vcpu, name32, bytes, sizeof bytes);
  for (unsigned i = MIN (n, 8); i-- > 0;)
    value = value << 8 | bytes[i];
  return value;
}

static unsigned
read_stack (const Profile *p, unsigned vcpu, const Code *c, uint64_t *frames, unsigned max)
{
  unsigned bits = c->insns[0]->code_bits;
  uint64_t mask = bits == 32 ? UINT32_MAX : UINT64_MAX;
  Reading reading = { p->instrument, vcpu };
  if (p->frames == FRAMES_NONE || (bits != 32 && bits != 64))
    return 0;
  Walk w = {
    .pc = c->insns[0]->address, .sp = read_named (p, vcpu, "rsp", "esp") & mask, .fp = read_named (p, vcpu, "rbp", "ebp") & mask,
    .code_bits = bits, .state = c->state, .read = read_guest, .user = &reading,
  };
  return walk_frames (&w, frames, max);
}

/* Before the code: the instruction in it is known at which the count reaches the period, the stack is as it is now. */
static void
take_samples (void *user, unsigned vcpu, const BpInsn *insn, void *data)
{
  Profile *p = user;
  const Code *c = data;
  int64_t *count = bp_counter_at (p->instrument, p->counter, vcpu), period = (int64_t) p->period;
  if (vcpu >= MAX_VCPUS || *count < period)     /* below 0, which is large as well: a sample's code faulted and was taken back */
    return;
  Sampler *s = &p->samplers[vcpu];
  uint64_t frames[STACK_DEPTH_MAX];
  unsigned n = read_stack (p, vcpu, c, frames + 1, p->depth - 1);
  uint64_t space = bp_instrument_space (p->instrument, vcpu);
  if (!s->stacks)
    s->stacks = stacks_new (MAX_STACKS);
  for (; *count >= period; *count -= period) {
    int64_t before_end = *count - period;
    frames[0] = c->insns[before_end < c->n ? c->n - 1 - before_end : 0]->address;
    s->samples++;
    s->lost += !stacks_add (s->stacks, space, insn->privilege, frames, n + 1, 1);
  }
}

/* --- names ---------------------------------------------------------------------------------------- */

static void
resolve (void *user, uint64_t address, uint64_t space, uint8_t privilege, FrameName *out)
{
  BpSymbolQuery query = { .struct_size = sizeof query, .privilege = privilege, .address = address, .space = space };
  BpSymbolAnswer a = { .struct_size = sizeof a };
  if (bp_machine_symbol (user, &query, &a))
    *out = (FrameName) { .name = a.name, .file = a.file, .line = a.line };
}

/* All vCPUs' stacks together. */
static Stacks *
merge (const Profile *p)
{
  Stacks *all = stacks_new (UINT32_MAX - 1);
  for (unsigned v = 0; v < MAX_VCPUS; v++) {
    const Stacks *s = p->samplers[v].stacks;
    for (uint32_t i = 0; s && i < stacks_size (s); i++) {
      const Stack *a = stacks_at (s, i);
      stacks_add (all, a->space, a->privilege, stacks_frames (s, a), a->n, a->count);
    }
  }
  return all;
}

/* --- files ---------------------------------------------------------------------------------------- */

static bool
output_open (Output *o, const char *path, GError **error)
{
  if (!path)
    return true;
  o->path = g_strdup (path);
  o->fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
  o->is_open = o->fd >= 0;
  if (!o->is_open)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write `%s`: %s", path, g_strerror (errno));
  return o->is_open;
}

static void
output_close (Output *o)
{
  if (o->is_open)
    close (o->fd);
  o->is_open = false;
  g_clear_pointer (&o->path, g_free);
}

/* What was there before is replaced; pipes and terminals get one after the other. */
static void
output_write (const Profile *p, Output *o, const GString *text)
{
  bool fine = lseek (o->fd, 0, SEEK_SET) != 0 || ftruncate (o->fd, 0) == 0;
  for (size_t done = 0; fine && done < text->len;) {
    ssize_t n = write (o->fd, text->str + done, text->len - done);
    fine = n > 0 || (n < 0 && errno == EINTR);
    done += n > 0 ? (size_t) n : 0;
  }
  if (!fine)
    bp_warn (p, "`%s` is not whole: %s", o->path, g_strerror (errno));
}

static void
write_files (Profile *p, const Tree *t)
{
  GString *text = g_string_new (NULL);
  if (p->folded.is_open) {
    tree_print_folded (t, text);
    output_write (p, &p->folded, text);
  }
  if (p->svg.is_open) {
    g_autofree char *title = g_strdup_printf ("%s: a sample each %" G_GUINT64_FORMAT " instructions", bp_object_id (p), p->period);
    g_string_truncate (text, 0);
    tree_print_svg (t, title, text);
    output_write (p, &p->svg, text);
  }
  g_string_free (text, TRUE);
}

/* --- report --------------------------------------------------------------------------------------- */

static void
report_functions (const Profile *p, const Tree *t, BpReport *report)
{
  static const BpReportColumn columns[] = {
    { "function", "function", BP_REPORT_CODE },  { "code", "code", BP_REPORT_TEXT },    { "self", "samples", BP_REPORT_COUNT },
    { "self-share", "of all", BP_REPORT_SHARE }, { "total", "with what it calls", BP_REPORT_COUNT }, { "total-share", "of all", BP_REPORT_SHARE },
  };
  BpReportTable *table = bp_report_table (report, "functions", "functions", columns, G_N_ELEMENTS (columns));
  for (guint i = 0; i < t->functions->len && i < p->top; i++) {
    const FunctionSum *f = &g_array_index (t->functions, FunctionSum, i);
    bp_report_cell_text (table, f->name);
    bp_report_cell_text (table, f->is_user ? "user" : "kernel");
    bp_report_cell_u64 (table, f->self);
    bp_report_cell_share (table, f->self, t->samples);
    bp_report_cell_u64 (table, f->total);
    bp_report_cell_share (table, f->total, t->samples);
  }
  BpReportPlot *plot = bp_report_plot (report, "functions-plot", "where most instructions are", BP_PLOT_BARS, NULL, "samples");
  for (guint i = 0; i < t->functions->len && i < MIN (p->top, 15); i++) {
    const FunctionSum *f = &g_array_index (t->functions, FunctionSum, i);
    bp_report_bar (plot, f->name, (double) f->self);
  }
}

static void
report_lines (const Profile *p, const Tree *t, BpReport *report)
{
  static const BpReportColumn columns[] = {
    { "line", "source line", BP_REPORT_CODE }, { "function", "function", BP_REPORT_CODE },
    { "self", "samples", BP_REPORT_COUNT },    { "self-share", "of all", BP_REPORT_SHARE },
  };
  BpReportTable *table = bp_report_table (report, "lines", "source lines", columns, G_N_ELEMENTS (columns));
  for (guint i = 0; i < t->lines->len && i < p->top; i++) {
    const LineSum *l = &g_array_index (t->lines, LineSum, i);
    g_autofree char *place = g_strdup_printf ("%s:%u", l->file, l->line);
    bp_report_cell_text (table, place);
    bp_report_cell_text (table, l->function);
    bp_report_cell_u64 (table, l->self);
    bp_report_cell_share (table, l->self, t->samples);
  }
}

static void
report_spaces (const Profile *p, const Tree *t, BpReport *report)
{
  static const BpReportColumn columns[] = {
    { "space", "address space", BP_REPORT_ADDRESS },
    { "kernel", "samples in the kernel", BP_REPORT_COUNT },
    { "user", "in user programs", BP_REPORT_COUNT },
    { "share", "of all", BP_REPORT_SHARE },
  };
  BpReportTable *table = bp_report_table (report, "spaces", "address spaces", columns, G_N_ELEMENTS (columns));
  for (guint i = 0; i < t->spaces->len && i < p->top; i++) {
    const SpaceSum *s = &g_array_index (t->spaces, SpaceSum, i);
    bp_report_cell_u64 (table, s->space);
    bp_report_cell_u64 (table, s->kernel);
    bp_report_cell_u64 (table, s->user);
    bp_report_cell_share (table, s->kernel + s->user, t->samples);
  }
}

static void
on_report (void *user, BpReport *report)
{
  Profile *p = user;
  Stacks *stacks = merge (p);
  Tree *t = tree_new (stacks, p->by_space, resolve, bp_object_machine (p));
  uint64_t samples = 0, lost = 0;
  for (unsigned v = 0; v < MAX_VCPUS; v++) {
    samples += p->samplers[v].samples;
    lost += p->samplers[v].lost;
  }
  bp_report_count (report, "period", "instructions a sample", p->period);
  bp_report_count (report, "instructions", NULL, bp_counter_sum (p->instrument, p->instructions));
  bp_report_count (report, "samples", NULL, samples);
  bp_report_count (report, "stacks", "different stacks", stacks_size (stacks));
  if (lost)
    bp_report_count (report, "lost", "samples without a place for their stack", lost);
  bp_report_share (report, "kernel", "in the kernel", t->kernel, t->samples);
  report_functions (p, t, report);
  if (t->lines->len > 0)
    report_lines (p, t, report);
  report_spaces (p, t, report);
  write_files (p, t);
  tree_free (t);
  stacks_free (stacks);
}

/* --- life cycle ----------------------------------------------------------------------------------- */

static const BpInstrumentOps ops = { .struct_size = sizeof ops, .block = on_block, .report = on_report };

static void
unrealize (void *self)
{
  Profile *p = self;
  bp_instrument_detach (p->instrument);
  p->instrument = NULL;
  for (unsigned v = 0; v < MAX_VCPUS; v++) {
    stacks_free (p->samplers[v].stacks);
    p->samplers[v] = (Sampler) { .stacks = NULL };
  }
  g_clear_pointer (&p->codes, g_hash_table_destroy);
  output_close (&p->folded);
  output_close (&p->svg);
}

static bool
realize (void *self, GError **error)
{
  Profile *p = self;
  if (!output_open (&p->folded, p->folded_path, error) || !output_open (&p->svg, p->svg_path, error))
    return false;
  p->codes = g_hash_table_new_full (code_hash, code_equal, g_free, NULL);
  p->instrument = bp_instrument_attach (p, &ops, p, error);
  if (!p->instrument)
    return false;
  p->counter = bp_counter_new (p->instrument, BP_COUNTER_LIVE);
  p->instructions = bp_counter_new (p->instrument, 0);
  return true;
}

/* --- tables --------------------------------------------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_ ("period", BP_PROPERTY_U64, Profile, period, .default_int = 100003, .min = 1, .max = UINT64_C (1) << 60,
            .help = "Instructions of a vCPU from one sample to the next; a prime number does not beat with loops."),
  BP_PROP_ENUM ("frames", Profile, frames, FRAMES_FP, frames_names,
                "Who called: by frame pointers (code that was compiled with -fno-omit-frame-pointer), or not asked."),
  BP_PROP_U32_RANGE ("depth", Profile, depth, 64, 1, STACK_DEPTH_MAX, "Functions of a stack at most, the innermost included."),
  BP_PROP_ENUM ("privilege", Profile, privilege, FROM_ALL, privilege_names, "Which code is counted and sampled."),
  BP_PROP_BOOL ("by-space", Profile, by_space, false, "Keep address spaces apart in stacks: one is a process, mostly."),
  BP_PROP_STRING ("output", Profile, folded_path, NULL, "File for the stacks in folded form, a line each, as flamegraph.pl and speedscope read them; relative to the current directory."),
  BP_PROP_STRING ("svg", Profile, svg_path, NULL, "File for a picture of them: a flame graph; relative to the current directory."),
  BP_PROP_U32_RANGE ("top", Profile, top, 30, 1, 100000, "Rows of the report's tables."),
  BP_PROP_END
};

static const BpTypeDesc profile_type = {
  BP_TYPE ("tcg-profile", BP_KIND_INSTRUMENT, Profile),
  .description = "where instructions go: sampled stacks, for flame graphs",
  .properties = properties,
  .realize = realize,
  .unrealize = unrealize,
};

static const BpTypeDesc *const types[] = { &profile_type, NULL };

BP_PLUGIN_DEFINE (.id = "tcg-profile", .version = "1.0", .licence = "MIT", .description = "where the guest's instructions go, for flame graphs", .types = types);

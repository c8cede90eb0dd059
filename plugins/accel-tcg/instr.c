/* instr.c -- instruments of a machine: attaching, selecting, filters, and what they ask about the guest. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <backplane/iface/cpu-debug.h>
#include "instr.h"

static Instr *instr_of (BpInstrument *in) { return (Instr *) in; }
static TcgVcpu *vcpu_at (TcgInstr *a, unsigned i) { return i < a->m->vcpus->len ? a->m->vcpus->pdata[i] : NULL; }

/* --- the machine's instruments -------------------------------------------------------------------- */

static unsigned
count_cpus (BpMachine *machine)
{
  unsigned n = 0, cursor = 0;
  while (bp_machine_next (machine, BP_TCG_FRONTEND_ID, &cursor))
    n++;
  return n;
}

/* NULL, with error: there is no address space left. */
static TcgInstr *
machine_instr (TcgMachine *m, GError **error)
{
  if (m->instr)
    return m->instr;
  TcgInstr *a = g_new0 (TcgInstr, 1);
  a->m = m;
  g_mutex_init (&a->lock);
  a->n_vcpus = MAX (count_cpus (m->machine), m->vcpus->len);
  a->score = g_new0 (uint8_t *, a->n_vcpus + 1);
  a->free_slots = g_array_new (false, false, sizeof (uint32_t));
  bool done = instr_sites_init (a);
  for (unsigned i = 0; i < a->n_vcpus; i++)
    done &= (a->score[i] = instr_reserve (SCORE_SIZE)) != NULL;
  m->instr = a;
  if (!done) {
    instr_finish (m);
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no address space for counters: %s", g_strerror (errno));
    return NULL;
  }
  a->next_lazy = SCORE_LAZY;
  a->next_live = SCORE_LIVE;
  a->next_slot = SCORE_BLOCKS;
  return a;
}

void
instr_finish (TcgMachine *m)
{
  TcgInstr *a = m->instr;
  if (!a)
    return;
  for (unsigned i = 0; i < a->n_vcpus; i++)
    if (a->score[i])
      munmap (a->score[i], SCORE_SIZE);
  instr_sites_finish (a);
  g_array_unref (a->free_slots);
  g_free (a->score);
  g_mutex_clear (&a->lock);
  g_free (a);
  m->instr = NULL;
}

/* --- filters ---------------------------------------------------------------------------------------------- */

static bool
is_power_of_2 (uint64_t n)
{
  return n && !(n & (n - 1));
}

static BpFilter
filter_new (BpInstrument *in, const BpFilterDesc *desc, GError **error)
{
  TcgInstr *a = instr_of (in)->all;
  bool lines = desc->line_bytes || desc->entries;
  if (lines && (!is_power_of_2 (desc->line_bytes) || desc->line_bytes < 16 || desc->line_bytes > 4096)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "a filter's lines have 16 to 4096 bytes, a power of two, not %u", desc->line_bytes);
    return 0;
  }
  if (lines && (!is_power_of_2 (desc->entries) || desc->entries > MIN (INSTR_LINES, 4096 / desc->line_bytes))) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "a filter of %u-byte lines has 1 to %u entries, a power of two, not %u", desc->line_bytes,
                 MIN (INSTR_LINES, 4096 / desc->line_bytes), desc->entries);
    return 0;
  }
  for (unsigned i = 0; i < INSTR_FILTERS; i++) {
    InstrFilter *f = &a->filter[i];
    if (f->used)
      continue;
    *f = (InstrFilter) { .used = true, .stores_apart = desc->stores_apart, .is_ranged = desc->first || desc->last, .channel = (uint8_t) instr_of (in)->index,
                         .shift = lines ? (uint8_t) __builtin_ctz (desc->line_bytes) : 0, .entries = lines ? desc->entries : 0,
                         .first = desc->first, .last = desc->last };
    return i + 1;
  }
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "all instruments together have %u filters", INSTR_FILTERS);
  return 0;
}

static void
filter_clear (BpInstrument *in, BpFilter filter, unsigned vcpu)
{
  TcgInstr *a = instr_of (in)->all;
  TcgVcpu *v = vcpu_at (a, vcpu);
  if (!v || !filter || filter > INSTR_FILTERS)
    return;
  for (unsigned k = 0; k < INSTR_LINES; k++)
    v->line[filter - 1][k] = (InstrLine) { INSTR_NO_LINE, INSTR_NO_LINE };
}

/* --- attaching ---------------------------------------------------------------------------------------------- */

static BpInstrument *
attach (void *accel, void *self, const BpInstrumentOps *ops, void *user, const BpInstrumentControl *control, GError **error)
{
  TcgInstr *a = machine_instr (((Accel *) accel)->tcg, error);
  unsigned i = 0;
  if (!a)
    return NULL;
  while (i < INSTR_MAX && a->slot[i])
    i++;
  if (i == INSTR_MAX) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there are %u instruments already, which is as many as there may be", INSTR_MAX);
    return NULL;
  }
  Instr *in = g_new0 (Instr, 1);
  in->instrument.host = &instr_host;
  in->all = a;
  in->index = i;
  in->self = self;
  in->label = g_strdup_printf ("instrument `%s' (%s)", bp_object_id (self), bp_object_type_name (self));
  in->ops = ops;
  in->user = user;
  in->control = *control;
  in->wide = ops->flags & BP_INSTRUMENT_WIDE;
  in->running = in->has_run = control->start == BP_WHEN_NOW;
  signals_name_instruments ();
  if (ops->flags & BP_INSTRUMENT_THREAD && !instr_consumer_start (in, error)) {
    g_free (in->label);
    g_free (in);
    return NULL;
  }
  a->slot[i] = in;
  a->has_triggers |= control->start == BP_WHEN_ADDRESS || control->stop == BP_WHEN_ADDRESS;
  a->serial++;
  for (unsigned k = 0; k < a->m->vcpus->len; k++)
    instr_vcpu_init (a->m->vcpus->pdata[k], k);
  return &in->instrument;
}

/* No vCPU runs; those that have never run were not told of. */
static void
detach (BpInstrument *instrument)
{
  Instr *in = instr_of (instrument);
  TcgInstr *a = in->all;
  TcgMachine *m = a->m;
  for (unsigned i = 0; BP_TABLE_HAS (in->ops, vcpu) && i < m->vcpus->len; i++) {
    const VcpuInstr *x = vcpu_at (a, i)->instr;
    if (x && x->started)
      in->ops->vcpu (in->user, i, BP_VCPU_STOP);
  }
  instr_consumer_stop (in);
  g_mutex_lock (&m->lock);
  if (m->frontend)
    tb_flush_all (m);           /* blocks hold calls of its functions */
  a->slot[in->index] = NULL;
  a->serial++;
  g_mutex_unlock (&m->lock);
  for (unsigned i = 0; i < INSTR_FILTERS; i++)
    if (a->filter[i].channel == in->index)
      a->filter[i].used = false;
  g_free (in->spaces);
  if (in->consumer)             /* its thread hangs in it */
    return;
  g_free (in->label);
  g_free (in);
}

static bool
has_run (BpInstrument *instrument)
{
  return __atomic_load_n (&instr_of (instrument)->has_run, __ATOMIC_ACQUIRE);
}

static bool
is_running (BpInstrument *instrument, unsigned vcpu)
{
  Instr *in = instr_of (instrument);
  TcgVcpu *v = vcpu_at (in->all, vcpu);
  return v && v->instr ? __atomic_load_n (&v->instr->mask, __ATOMIC_RELAXED) >> in->index & 1 : __atomic_load_n (&in->running, __ATOMIC_ACQUIRE);
}

static void
select_spaces (BpInstrument *instrument, const uint64_t *spaces, size_t n)
{
  Instr *in = instr_of (instrument);
  TcgInstr *a = in->all;
  g_mutex_lock (&a->lock);
  g_free (in->spaces);
  in->spaces = n ? g_memdup2 (spaces, n * sizeof *spaces) : NULL;
  in->n_spaces = n;
  a->has_selections = false;
  for (unsigned i = 0; i < INSTR_MAX; i++)
    a->has_selections |= a->slot[i] && a->slot[i]->n_spaces > 0;
  g_mutex_unlock (&a->lock);
  instr_kick_all (a);
}

static bool
is_selected (const Instr *in, uint64_t space)
{
  for (size_t i = 0; i < in->n_spaces; i++)
    if (in->spaces[i] == space)
      return true;
  return in->n_spaces == 0;
}

void
instr_update_mask (TcgVcpu *v)
{
  VcpuInstr *x = v->instr;
  TcgInstr *a = x->all;
  uint8_t mask = 0, was = x->mask;
  x->serial = __atomic_load_n (&a->serial, __ATOMIC_ACQUIRE);
  g_mutex_lock (&a->lock);
  for (unsigned i = 0; i < INSTR_MAX; i++) {
    Instr *in = a->slot[i];
    if (in && __atomic_load_n (&in->running, __ATOMIC_ACQUIRE) && is_selected (in, x->space))
      mask |= (uint8_t) (1u << i);
  }
  g_mutex_unlock (&a->lock);
  if (mask == was)
    return;
  instr_deliver_all (v);
  __atomic_store_n (&x->mask, mask, __ATOMIC_RELAXED);
  for (unsigned i = 0; i < INSTR_MAX; i++) {
    Instr *in = a->slot[i];
    if (in && mask & ~was & 1u << i) {
      instr_filters_forget (v, i);
      INSTR_TELL (v, in, started, bp_vcpu_index (v->vcpu));
    }
    if (in && was & ~mask & 1u << i)
      INSTR_TELL (v, in, stopped, bp_vcpu_index (v->vcpu));
  }
  v->ops = mask ? &tcg_ops_told : &tcg_ops;
  tcg_extra (v)->last_tb = NULL;
}

void
instr_vcpu_init (TcgVcpu *v, unsigned index)
{
  TcgInstr *a = v->machine->instr;
  if (!a)
    return;
  if (!v->instr) {
    VcpuInstr *x = g_new0 (VcpuInstr, 1);
    x->all = a;
    x->serial = a->serial - 1;
    v->instr = x;
    v->score = a->score[index];
    memset (v->line, 0xff, sizeof v->line);
  }
  instr_rings_init (v);
}

void
instr_vcpu_finish (TcgVcpu *v)
{
  if (!v->instr)
    return;
  if (v->instr->started)
    instr_end (v);
  instr_rings_finish (v);
  g_free (v->instr);
  v->instr = NULL;
}

/* --- flushing: all vCPUs stand, or it is the caller's own ----------------------------------------------------- */

static void
flush (BpInstrument *instrument)
{
  Instr *in = instr_of (instrument);
  TcgInstr *a = in->all;
  for (unsigned i = 0; i < a->m->vcpus->len; i++) {
    TcgVcpu *v = a->m->vcpus->pdata[i];
    if (v->instr && (bp_vcpu_is_current (v->vcpu) || !__atomic_load_n (&tcg_extra (v)->in_loop, __ATOMIC_ACQUIRE)))
      instr_deliver (v, in->index);
  }
  if (instr_nobody_runs (a))
    instr_consumer_wait (in);
}

static unsigned n_vcpus (BpInstrument *in) { return instr_of (in)->all->n_vcpus; }
static const BpSite *sites (BpInstrument *in) { return instr_of (in)->all->site; }

/* --- the guest ------------------------------------------------------------------------------------------------- */

static unsigned
disassemble (BpInstrument *in, const BpInsn *insn, char *out, size_t size)
{
  const BpTcgFrontend *f = instr_of (in)->all->m->frontend;
  return f ? f->disassemble (instr_insn_key (insn), insn->address, insn->bytes, insn->size, out, size) : 0;
}

static bool
registers (BpInstrument *in, const BpInsn *insn, BpInsnRegisters *out)
{
  const BpTcgFrontend *f = instr_of (in)->all->m->frontend;
  return f && BP_TABLE_HAS (f, insn_registers) && f->insn_registers (insn, out);
}

static bool
symbol (BpInstrument *in, const BpInsn *insn, BpSymbol *out)
{
  BpSymbolQuery query = { .struct_size = sizeof query, .privilege = insn->privilege, .address = insn->address };
  BpSymbolAnswer answer = { .struct_size = sizeof answer };
  void *object = bp_machine_symbol (instr_of (in)->all->m->machine, &query, &answer);
  if (!object)
    return false;
  uint32_t size = MIN (out->struct_size, (uint32_t) sizeof (BpSymbol));
  BpSymbol found = { .struct_size = size, .name = answer.name, .offset = answer.name ? insn->address - answer.start : 0,
                     .file = answer.file, .line = answer.line, .object = bp_object_id (object) };
  memcpy (out, &found, size);
  return true;
}

static const BpCpuDebugIface *
debug_of (TcgInstr *a, unsigned vcpu, void **cpu)
{
  *cpu = vcpu_at (a, vcpu);
  return *cpu ? bp_object_interface (*cpu, BP_CPU_DEBUG_ID) : NULL;
}

static int
find_register (const BpCpuDebugIface *t, void *cpu, const char *name)
{
  const BpDebugRegister *r;
  for (unsigned i = 0; (r = t->reg (cpu, 0, i)); i++)
    if (strcmp (r->name, name) == 0)
      return (int) i;
  return -1;
}

/* In a call the state has what generated code keeps elsewhere brought up to date first. */
static void
bring_up_to_date (void *cpu)
{
  TcgVcpu *v = cpu;
  if (bp_vcpu_is_current (v->vcpu) && v->ret_pc)
    tcg_restore (v);
}

static unsigned
read_register (BpInstrument *in, unsigned vcpu, const char *name, void *out, size_t size)
{
  void *cpu;
  const BpCpuDebugIface *t = debug_of (instr_of (in)->all, vcpu, &cpu);
  int number = t ? find_register (t, cpu, name) : -1;
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES] = { 0 };
  if (number < 0)
    return 0;
  bring_up_to_date (cpu);
  unsigned n = t->get_register (cpu, 0, (unsigned) number, bytes);
  memset (out, 0, size);
  memcpy (out, bytes, MIN (n, size));
  return n;
}

static bool
write_register (BpInstrument *in, unsigned vcpu, const char *name, const void *value, size_t size)
{
  void *cpu;
  const BpCpuDebugIface *t = debug_of (instr_of (in)->all, vcpu, &cpu);
  int number = t ? find_register (t, cpu, name) : -1;
  if (number < 0 || size > BP_DEBUG_REGISTER_BYTES)
    return false;
  const BpDebugRegister *r = t->reg (cpu, 0, (unsigned) number);
  bring_up_to_date (cpu);
  if (r->flags & (BP_DEBUG_PC | BP_DEBUG_READ_ONLY) && bp_vcpu_is_current (((TcgVcpu *) cpu)->vcpu))
    return false;               /* the block goes on where it is */
  return t->set_register (cpu, 0, (unsigned) number, value, (unsigned) size);
}

static bool
read_memory (BpInstrument *in, unsigned vcpu, uint64_t address, void *out, size_t size)
{
  void *cpu;
  const BpCpuDebugIface *t = debug_of (instr_of (in)->all, vcpu, &cpu);
  return BP_TABLE_HAS (t, read_memory) && t->read_memory (cpu, address, out, size) == size;
}

static bool
write_memory (BpInstrument *in, unsigned vcpu, uint64_t address, const void *data, size_t size)
{
  void *cpu;
  const BpCpuDebugIface *t = debug_of (instr_of (in)->all, vcpu, &cpu);
  return BP_TABLE_HAS (t, write_memory) && t->write_memory (cpu, address, data, size) == size;
}

static bool
read_physical (BpInstrument *in, uint64_t physical, void *out, size_t size)
{
  return bp_as_read (bp_machine_address_space (instr_of (in)->all->m->machine, "memory"), physical, out, size);
}

static bool
write_physical (BpInstrument *in, uint64_t physical, const void *data, size_t size)
{
  return bp_as_write (bp_machine_address_space (instr_of (in)->all->m->machine, "memory"), physical, data, size);
}

/* Not by the frontend's tlb_fill, which may set bits of the guest's page tables. */
uint64_t
instr_translate (TcgVcpu *v, uint64_t address)
{
  const BpCpuDebugIface *t = bp_object_interface (v, BP_CPU_DEBUG_ID);
  BpDebugPage page = { .struct_size = sizeof page };
  return BP_TABLE_HAS (t, translate) && t->translate (v, address, &page) ? page.physical : UINT64_MAX;
}

static bool
translate (BpInstrument *in, unsigned vcpu, uint64_t address, uint64_t *physical)
{
  TcgVcpu *v = vcpu_at (instr_of (in)->all, vcpu);
  uint64_t found = v ? instr_translate (v, address) : UINT64_MAX;
  if (found == UINT64_MAX)
    return false;
  *physical = found;
  return true;
}

static uint64_t
current_space (BpInstrument *in, unsigned vcpu)
{
  TcgVcpu *v = vcpu_at (instr_of (in)->all, vcpu);
  return v && v->instr ? v->instr->space : 0;
}

const BpInstrumentHost instr_host = {
  .struct_size = sizeof (BpInstrumentHost),
  .attach = attach,
  .detach = detach,
  .set_running = instr_set_running,
  .is_running = is_running,
  .has_run = has_run,
  .select = select_spaces,
  .flush = flush,
  .n_vcpus = n_vcpus,
  .block_n_insns = instr_block_n_insns,
  .block_insn = instr_block_insn,
  .block_count = instr_block_count,
  .block_count_memory = instr_block_count_memory,
  .block_call = instr_block_call,
  .block_call_memory = instr_block_call_memory,
  .block_record = instr_block_record,
  .block_store_immediate = instr_block_store_immediate,
  .counter_new = instr_counter_new,
  .scoreboard_new = instr_scoreboard_new,
  .counter_at = instr_counter_at,
  .counter_get = instr_counter_get,
  .filter_new = filter_new,
  .filter_clear = filter_clear,
  .sites = sites,
  .disassemble = disassemble,
  .registers = registers,
  .symbol = symbol,
  .read_register = read_register,
  .write_register = write_register,
  .read_memory = read_memory,
  .write_memory = write_memory,
  .read_physical = read_physical,
  .write_physical = write_physical,
  .translate = translate,
  .space = current_space,
};

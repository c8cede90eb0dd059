/* api-block.c -- functions for plugins: a block that is being translated, its instructions, and what is to happen when they run. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "compat.h"

/* --- looking --------------------------------------------------------------------------------------- */

size_t
qemu_plugin_tb_n_insns (const struct qemu_plugin_tb *tb)
{
  return tb->n;
}

uint64_t
qemu_plugin_tb_vaddr (const struct qemu_plugin_tb *tb)
{
  return tb->n ? tb->insn[0].insn->address : 0;
}

struct qemu_plugin_insn *
qemu_plugin_tb_get_insn (const struct qemu_plugin_tb *tb, size_t idx)
{
  return idx < tb->n ? &tb->insn[idx] : NULL;
}

/* Versions 1 and 2 pass the instruction alone and get a pointer. */
size_t
qemu_plugin_insn_data (const struct qemu_plugin_insn *insn, void *dest, size_t len)
{
  if (insn->tb->plugin->version < 3) {
    return (uintptr_t) insn->insn->bytes;
  }
  len = MIN (len, insn->insn->size);
  memcpy (dest, insn->insn->bytes, len);
  return len;
}

size_t
qemu_plugin_insn_size (const struct qemu_plugin_insn *insn)
{
  return insn->insn->size;
}

uint64_t
qemu_plugin_insn_vaddr (const struct qemu_plugin_insn *insn)
{
  return insn->insn->address;
}

void *
qemu_plugin_insn_haddr (const struct qemu_plugin_insn *insn)
{
  return (void *) (uintptr_t) insn->insn->physical;
}

char *
qemu_plugin_insn_disas (const struct qemu_plugin_insn *insn)
{
  char text[160];
  unsigned bytes = bp_insn_text (insn->tb->plugin->instrument, insn->insn, text, sizeof text);
  return g_strdup (bytes ? text : "(bad)");
}

const char *
qemu_plugin_insn_symbol (const struct qemu_plugin_insn *insn)
{
  BpSymbol symbol = { .struct_size = sizeof symbol };
  return bp_insn_symbol (insn->tb->plugin->instrument, insn->insn, &symbol) ? symbol.name : NULL;
}

/* --- asking ------------------------------------------------------------------------------------ */

/* QEMU does what was asked of a block before what was asked of its first instruction, and version 1 calls before additions, whatever came first. */
enum Phase { OF_BLOCK, ADDITIONS_OF_BLOCK, OF_INSN, ADDITIONS_OF_INSN, N_PHASES };
#define WHOLE_BLOCK (-1)

struct Request {
  enum Phase phase;
  unsigned insn;
  BpInsnCall *call;             /* with its Call; or */
  BpAccessCall *access;         /* likewise; or neither, a counter's */
  const Call *data;
  unsigned registers, which;
  BpCondition condition;        /* counter 0: none */
  BpCounter counter;
  uint64_t imm;
  bool stores, counts_accesses;
};

/* A handle is good for the call-back that it was given to. */
static bool
is_open (const struct qemu_plugin_tb *tb)
{
  if (!tb->block) {
    unserved (tb->plugin, NO_BLOCK);
  }
  return tb->block != NULL;
}

static void
ask (struct qemu_plugin_tb *tb, int insn, bool adds, const Request *like)
{
  Request r = *like;
  bool is_later = adds && tb->plugin->version == 1;
  r.phase = insn == WHOLE_BLOCK ? is_later ? ADDITIONS_OF_BLOCK : OF_BLOCK : is_later ? ADDITIONS_OF_INSN : OF_INSN;
  r.insn = insn == WHOLE_BLOCK ? 0 : (unsigned) insn;
  g_array_append_val (tb->asked, r);
}

static void
hand_on (BpInstrBlock *block, const Request *r)
{
  if (r->call) {
    bp_block_call (block, r->insn, r->condition.counter ? &r->condition : NULL, r->call, (void *) r->data, r->registers);
  } else if (r->access) {
    bp_block_call_memory (block, r->insn, r->which, r->access, (void *) r->data, r->registers);
  } else if (r->counts_accesses) {
    bp_block_count_memory (block, r->insn, r->which, r->counter, r->imm);
  } else if (r->stores) {
    bp_block_store (block, r->insn, r->counter, r->imm);
  } else {
    bp_block_count (block, r->insn, r->counter, r->imm);
  }
}

void
block_open (struct qemu_plugin_tb *tb, Plugin *plugin, BpInstrBlock *block)
{
  tb->plugin = plugin;
  tb->block = block;
  tb->n = bp_block_n_insns (block);
  if (!tb->asked) {
    tb->asked = g_array_new (FALSE, FALSE, sizeof (Request));
  }
  if (tb->n > tb->room) {
    tb->room = MAX (tb->n, 64);
    tb->insn = g_renew (struct qemu_plugin_insn, tb->insn, tb->room);
  }
  for (unsigned i = 0; i < tb->n; i++) {
    tb->insn[i] = (struct qemu_plugin_insn) { tb, bp_block_insn (block, i), i };
  }
}

void
block_close (struct qemu_plugin_tb *tb)
{
  for (int phase = 0; phase < N_PHASES; phase++) {
    for (unsigned i = 0; i < tb->asked->len; i++) {
      const Request *r = &g_array_index (tb->asked, Request, i);
      if ((int) r->phase == phase) {
        hand_on (tb->block, r);
      }
    }
  }
  g_array_set_size (tb->asked, 0);
  tb->block = NULL;
}

void
block_free (struct qemu_plugin_tb *tb)
{
  g_clear_pointer (&tb->asked, g_array_unref);
  g_clear_pointer (&tb->insn, g_free);
}

/* --- asking: calls ------------------------------------------------------------------------------------ */

static unsigned
registers_of (unsigned flags)
{
  return flags == QEMU_PLUGIN_CB_NO_REGS ? BP_CALL_NO_REGISTERS : flags == QEMU_PLUGIN_CB_R_REGS ? BP_CALL_READS : BP_CALL_WRITES;
}

static BpCompare
compare_of (enum qemu_plugin_cond cond)
{
  static const uint8_t compares[] = { [QEMU_PLUGIN_COND_EQ] = BP_IF_EQ, [QEMU_PLUGIN_COND_NE] = BP_IF_NE, [QEMU_PLUGIN_COND_LT] = BP_IF_LT,
                                      [QEMU_PLUGIN_COND_LE] = BP_IF_LE, [QEMU_PLUGIN_COND_GT] = BP_IF_GT, [QEMU_PLUGIN_COND_GE] = BP_IF_GE };
  return (BpCompare) compares[cond];
}

/* condition.counter 0: none. */
static void
ask_call (struct qemu_plugin_tb *tb, int insn, Call *call, BpCondition condition)
{
  BpInsnCall *f = call->flags == QEMU_PLUGIN_CB_RW_REGS_PC ? call_exec_escape : call_exec;
  ask (tb, insn, false, &(Request) { .call = f, .data = call_intern (tb->plugin, call), .registers = registers_of (call->flags), .condition = condition });
}

static void
ask_exec (struct qemu_plugin_tb *tb, int insn, qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags, void *userdata)
{
  Call call = { .function = (Function *) cb, .userdata = userdata, .flags = (uint8_t) flags };
  if (cb && is_open (tb)) {
    ask_call (tb, insn, &call, (BpCondition) { 0 });
  }
}

static void
ask_exec_if (struct qemu_plugin_tb *tb, int insn, qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags, enum qemu_plugin_cond cond,
             qemu_plugin_u64 entry, uint64_t imm, void *userdata)
{
  Call call = { .function = (Function *) cb, .userdata = userdata, .flags = (uint8_t) flags };
  if (!cb || cond == QEMU_PLUGIN_COND_NEVER || (unsigned) cond > QEMU_PLUGIN_COND_GE || !is_open (tb)) {
    return;
  }
  if (cond == QEMU_PLUGIN_COND_ALWAYS) {
    ask_call (tb, insn, &call, (BpCondition) { 0 });
    return;
  }
  BpCondition condition = { .counter = score_counter (entry), .compare = compare_of (cond), .value = imm };
  if (!condition.counter) {
    call.score = entry.score;
    call.offset = entry.offset;
    call.imm = imm;
    call.condition = (uint8_t) cond;
  }
  ask_call (tb, insn, &call, condition);
}

void
qemu_plugin_register_vcpu_tb_exec_cb (struct qemu_plugin_tb *tb, qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags, void *userdata)
{
  ask_exec (tb, WHOLE_BLOCK, cb, flags, userdata);
}

void
qemu_plugin_register_vcpu_insn_exec_cb (struct qemu_plugin_insn *insn, qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags, void *userdata)
{
  ask_exec (insn->tb, (int) insn->index, cb, flags, userdata);
}

void
qemu_plugin_register_vcpu_tb_exec_cond_cb (struct qemu_plugin_tb *tb, qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags,
                                           enum qemu_plugin_cond cond, qemu_plugin_u64 entry, uint64_t imm, void *userdata)
{
  ask_exec_if (tb, WHOLE_BLOCK, cb, flags, cond, entry, imm, userdata);
}

void
qemu_plugin_register_vcpu_insn_exec_cond_cb (struct qemu_plugin_insn *insn, qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags,
                                             enum qemu_plugin_cond cond, qemu_plugin_u64 entry, uint64_t imm, void *userdata)
{
  ask_exec_if (insn->tb, (int) insn->index, cb, flags, cond, entry, imm, userdata);
}

/* --- asking: operations ----------------------------------------------------------------------------------- */

static void
ask_operation (struct qemu_plugin_tb *tb, int insn, enum qemu_plugin_op op, qemu_plugin_u64 entry, uint64_t imm)
{
  BpCounter counter = score_counter (entry);
  Call call = { .score = entry.score, .offset = entry.offset, .imm = imm, .op = (uint8_t) op };
  if (!is_open (tb)) {
    return;
  }
  if (!counter || imm > INT32_MAX) {
    ask (tb, insn, true, &(Request) { .call = call_exec_operation, .data = call_intern (tb->plugin, &call), .registers = BP_CALL_NO_REGISTERS });
  } else {
    ask (tb, insn, true, &(Request) { .counter = counter, .imm = imm, .stores = op == QEMU_PLUGIN_INLINE_STORE_U64 });
  }
}

void
qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu (struct qemu_plugin_tb *tb, enum qemu_plugin_op op, qemu_plugin_u64 entry, uint64_t imm)
{
  ask_operation (tb, WHOLE_BLOCK, op, entry, imm);
}

void
qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu (struct qemu_plugin_insn *insn, enum qemu_plugin_op op, qemu_plugin_u64 entry, uint64_t imm)
{
  ask_operation (insn->tb, (int) insn->index, op, entry, imm);
}

/* Version 1: the word is the plugin's. */
static void
ask_add_to (struct qemu_plugin_tb *tb, int insn, void *ptr, uint64_t imm)
{
  Call call = { .userdata = ptr, .imm = imm };
  if (is_open (tb)) {
    ask (tb, insn, true, &(Request) { .call = call_exec_operation, .data = call_intern (tb->plugin, &call), .registers = BP_CALL_NO_REGISTERS });
  }
}

void
qemu_plugin_register_vcpu_tb_exec_inline (struct qemu_plugin_tb *tb, enum qemu_plugin_op op, void *ptr, uint64_t imm)
{
  ask_add_to (tb, WHOLE_BLOCK, ptr, imm);
}

void
qemu_plugin_register_vcpu_insn_exec_inline (struct qemu_plugin_insn *insn, enum qemu_plugin_op op, void *ptr, uint64_t imm)
{
  ask_add_to (insn->tb, (int) insn->index, ptr, imm);
}

/* --- asking: accesses ------------------------------------------------------------------------------------------ */

static unsigned
which_of (enum qemu_plugin_mem_rw rw)
{
  return (rw & QEMU_PLUGIN_MEM_R ? BP_LOADS : 0) | (rw & QEMU_PLUGIN_MEM_W ? BP_STORES : 0);
}

static void
ask_access (struct qemu_plugin_insn *insn, BpAccessCall *f, Call *call, enum qemu_plugin_mem_rw rw)
{
  if (is_open (insn->tb)) {
    call->shape = shape_of (insn->insn);
    ask (insn->tb, (int) insn->index, f == call_access_operation,
         &(Request) { .access = f, .data = call_intern (insn->tb->plugin, call), .registers = registers_of (call->flags), .which = which_of (rw) });
  }
}

void
qemu_plugin_register_vcpu_mem_cb (struct qemu_plugin_insn *insn, qemu_plugin_vcpu_mem_cb_t cb, enum qemu_plugin_cb_flags flags,
                                  enum qemu_plugin_mem_rw rw, void *userdata)
{
  Call call = { .function = (Function *) cb, .userdata = userdata, .flags = (uint8_t) flags };
  if (cb) {
    ask_access (insn, flags == QEMU_PLUGIN_CB_RW_REGS_PC ? call_access_escape : call_access, &call, rw);
  }
}

void
qemu_plugin_register_vcpu_mem_inline_per_vcpu (struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw, enum qemu_plugin_op op, qemu_plugin_u64 entry,
                                               uint64_t imm)
{
  BpCounter counter = score_counter (entry);
  Call call = { .score = entry.score, .offset = entry.offset, .imm = imm, .op = (uint8_t) op };
  if (counter && imm <= INT32_MAX && op == QEMU_PLUGIN_INLINE_ADD_U64 && is_open (insn->tb) && shape_of (insn->insn).is_plain) {
    ask (insn->tb, (int) insn->index, true, &(Request) { .which = which_of (rw), .counter = counter, .imm = imm, .counts_accesses = true });
  } else {
    ask_access (insn, call_access_operation, &call, rw);
  }
}

void
qemu_plugin_register_vcpu_mem_inline (struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw, enum qemu_plugin_op op, void *ptr, uint64_t imm)
{
  Call call = { .userdata = ptr, .imm = imm };
  ask_access (insn, call_access_operation, &call, rw);
}

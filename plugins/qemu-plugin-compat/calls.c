/* calls.c -- from generated code to the plugin: its call-backs, and the operations that no counter does. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <string.h>
#include "compat.h"

/* --- one Call for like requests ---------------------------------------------------------------- */

unsigned
call_hash (gconstpointer call)
{
  const Call *c = call;
  uint64_t h = (uintptr_t) c->function * 0x9e3779b97f4a7c15u;
  h = (h ^ (uintptr_t) c->userdata) * 0x9e3779b97f4a7c15u;
  h = (h ^ (uintptr_t) c->score ^ c->offset << 40 ^ c->imm) * 0x9e3779b97f4a7c15u;
  h ^= c->generation + ((uint64_t) c->shape.element << 8) + c->op;
  return (unsigned) (h >> 32 ^ h);
}

gboolean
call_equal (gconstpointer a, gconstpointer b)
{
  const Call *c = a, *d = b;
  return c->function == d->function && c->userdata == d->userdata && c->score == d->score && c->offset == d->offset && c->imm == d->imm &&
         c->generation == d->generation && c->op == d->op && c->condition == d->condition && c->flags == d->flags &&
         c->shape.element == d->shape.element && c->shape.is_signed == d->shape.is_signed && c->shape.is_plain == d->shape.is_plain;
}

const Call *
call_intern (Plugin *plugin, const Call *like)
{
  Call wanted = *like;
  wanted.plugin = plugin;
  g_rec_mutex_lock (&plugin->lock);
  wanted.generation = __atomic_load_n (&plugin->generation, __ATOMIC_RELAXED);
  const Call *call = g_hash_table_lookup (plugin->calls, &wanted);
  if (!call) {
    call = g_memdup2 (&wanted, sizeof wanted);
    g_hash_table_add (plugin->calls, (gpointer) call);
  }
  g_rec_mutex_unlock (&plugin->lock);
  return call;
}

/* --- conditions and operations in C ---------------------------------------------------------------- */

static inline bool
is_current (const Call *c)
{
  return G_LIKELY (c->generation == __atomic_load_n (&c->plugin->generation, __ATOMIC_RELAXED));
}

static bool
holds (const Call *c, unsigned vcpu)
{
  uint64_t value;
  if (!c->score) {
    return true;                /* or the host has looked */
  }
  memcpy (&value, c->score->base[vcpu] + c->offset, sizeof value);
  switch ((enum qemu_plugin_cond) c->condition) {
  case QEMU_PLUGIN_COND_NEVER: return false;
  case QEMU_PLUGIN_COND_ALWAYS: return true;
  case QEMU_PLUGIN_COND_EQ: return value == c->imm;
  case QEMU_PLUGIN_COND_NE: return value != c->imm;
  case QEMU_PLUGIN_COND_LT: return value < c->imm;
  case QEMU_PLUGIN_COND_LE: return value <= c->imm;
  case QEMU_PLUGIN_COND_GT: return value > c->imm;
  case QEMU_PLUGIN_COND_GE: return value >= c->imm;
  }
  return false;
}

/* Memory of the plugin's own (version 1) is added to by all vCPUs: QEMU loses some of these additions, we do not. */
static inline void
operate (const Call *c, unsigned vcpu)
{
  if (!c->score) {
    __atomic_fetch_add ((uint64_t *) c->userdata, c->imm, __ATOMIC_RELAXED);
    return;
  }
  uint64_t value, *word = (uint64_t *) (c->score->base[vcpu] + c->offset);
  memcpy (&value, word, sizeof value);
  value = c->op == QEMU_PLUGIN_INLINE_STORE_U64 ? c->imm : value + c->imm;
  memcpy (word, &value, sizeof value);
}

/* --- instructions -------------------------------------------------------------------------------------- */

/* After a call-back: it may have asked for a reset, or to be removed. */
static inline void
look_for_leave (const Call *c, unsigned vcpu)
{
  if (G_UNLIKELY (!is_current (c))) {
    events_left (c->plugin, vcpu);
  }
}

static inline void
stand (const Call *c, unsigned vcpu, const Part *part)
{
  now.plugin = c->plugin;
  now.vcpu = vcpu;
  now.flags = c->flags;
  now.part = part;
}

static inline void
run (const Call *c, unsigned vcpu)
{
  stand (c, vcpu, NULL);
  ((qemu_plugin_vcpu_udata_cb_t) c->function) (vcpu, c->userdata);
  now.plugin = NULL;
  look_for_leave (c, vcpu);
}

void
call_exec (void *user, unsigned vcpu, const BpInsn *insn, void *data)
{
  const Call *c = data;
  if (is_current (c) && holds (c, vcpu)) {
    run (c, vcpu);
  }
}

/* One that may call qemu_plugin_set_pc, which does not return to it. */
void
call_exec_escape (void *user, unsigned vcpu, const BpInsn *insn, void *data)
{
  const Call *c = data;
  jmp_buf escape;
  if (!is_current (c) || !holds (c, vcpu)) {
    return;
  }
  now.escape = &escape;
  if (!_setjmp (escape)) {
    run (c, vcpu);
  }
  now.escape = NULL;
  now.plugin = NULL;
  look_for_leave (c, vcpu);
}

void
call_exec_operation (void *user, unsigned vcpu, const BpInsn *insn, void *data)
{
  const Call *c = data;
  if (is_current (c)) {
    operate (c, vcpu);
  }
}

/* --- accesses ---------------------------------------------------------------------------------------------- */

/* An opaque number for plugins: size, direction and sign. */
static inline qemu_plugin_meminfo_t
meminfo (const Call *c, const Part *part)
{
  return (g_bit_storage (part->bytes) - 1) | (part->whole->is_store ? 16u : c->shape.is_signed ? 8u : 0);
}

static inline void
run_part (const Call *c, unsigned vcpu, const Part *part)
{
  stand (c, vcpu, part);
  ((qemu_plugin_vcpu_mem_cb_t) c->function) (vcpu, meminfo (c, part), part->address, c->userdata);
  now.plugin = NULL;
  now.part = NULL;
}

/* With f: for each part as the plugin's version knows them; how many there are. */
static unsigned
each_part (const Call *c, unsigned vcpu, const BpAccess *access, void (*f) (const Call *c, unsigned vcpu, const Part *part))
{
  unsigned n = 0;
  for (uint32_t at = 0; at < access->bytes && is_current (c); n++) {
    Part part = { access, access->address + at, at, shape_next (c->plugin, c->shape, access->bytes - at) };
    at += part.bytes;
    if (f) {
      f (c, vcpu, &part);
    }
  }
  return n;
}

void
call_access (void *user, unsigned vcpu, const BpInsn *insn, const BpAccess *access, void *data)
{
  const Call *c = data;
  if (!is_current (c)) {
    return;
  }
  if (G_LIKELY (access->bytes <= 8 && !(access->bytes & (access->bytes - 1)) && !c->shape.element)) {
    Part part = { access, access->address, 0, access->bytes };
    run_part (c, vcpu, &part);
  } else {
    each_part (c, vcpu, access, run_part);
  }
  look_for_leave (c, vcpu);
}

void
call_access_escape (void *user, unsigned vcpu, const BpInsn *insn, const BpAccess *access, void *data)
{
  jmp_buf escape;
  now.escape = &escape;
  if (!_setjmp (escape)) {
    call_access (user, vcpu, insn, access, data);
  }
  now.escape = NULL;
  now.plugin = NULL;
  now.part = NULL;
  look_for_leave (data, vcpu);
}

void
call_access_operation (void *user, unsigned vcpu, const BpInsn *insn, const BpAccess *access, void *data)
{
  const Call *c = data;
  if (!is_current (c)) {
    return;
  }
  for (unsigned n = each_part (c, vcpu, access, NULL); n; n--) {
    operate (c, vcpu);
  }
}

/* api-scoreboard.c -- functions for plugins: scoreboards, cut from the host's, so that generated code adds to them. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "compat.h"

#define CHUNK_BYTES (256u << 10)
#define ROUND(size, to) (((size) + (to) - 1) & ~(size_t) ((to) - 1))

/* --- memory ----------------------------------------------------------------------------------------- */

/* Words of the host's scoreboards; 0: there are no more. */
static BpCounter
take (Plugin *plugin, size_t size)
{
  Chunk *chunk = &plugin->chunk;
  if (chunk->size - chunk->used < size) {
    size_t wanted = MAX (size, CHUNK_BYTES);
    BpCounter counter = bp_scoreboard_new (plugin->instrument, wanted);
    if (!counter) {
      return 0;
    }
    *chunk = (Chunk) { .counter = counter, .size = wanted };
  }
  BpCounter counter = chunk->counter + (BpCounter) chunk->used;
  chunk->used += size;
  return counter;
}

static struct qemu_plugin_scoreboard *
reuse (Plugin *plugin, size_t size)
{
  struct qemu_plugin_scoreboard *score = g_hash_table_lookup (plugin->free_scores, GSIZE_TO_POINTER (size));
  if (score) {
    g_hash_table_insert (plugin->free_scores, GSIZE_TO_POINTER (size), score->next);
    for (unsigned i = 0; i < plugin->n_vcpus; i++) {
      memset (score->base[i], 0, size);
    }
  }
  return score;
}

static bool
find_bases (struct qemu_plugin_scoreboard *score)
{
  Plugin *plugin = score->plugin;
  for (unsigned i = 0; score->counter && i < plugin->n_vcpus; i++) {
    score->base[i] = bp_counter_at (plugin->instrument, score->counter, i);
    if (!score->base[i]) {
      return false;
    }
  }
  return score->counter != 0;
}

static struct qemu_plugin_scoreboard *
make (Plugin *plugin, size_t size)
{
  struct qemu_plugin_scoreboard *score = g_malloc0 (sizeof *score + plugin->n_vcpus * sizeof score->base[0]);
  score->plugin = plugin;
  score->size = size;
  score->counter = take (plugin, size);
  if (!find_bases (score)) {
    score->counter = 0;
    for (unsigned i = 0; i < plugin->n_vcpus; i++) {
      score->base[i] = g_malloc0 (size);
    }
    unserved (plugin, NO_COUNTERS);
  }
  g_ptr_array_add (plugin->scores, score);
  return score;
}

struct qemu_plugin_scoreboard *
qemu_plugin_scoreboard_new (size_t element_size)
{
  Plugin *plugin = CALLER ();
  if (!plugin) {
    return NULL;
  }
  size_t size = ROUND (MAX (element_size, 8), 8);
  g_rec_mutex_lock (&plugin->lock);
  struct qemu_plugin_scoreboard *score = reuse (plugin, size);
  score = score ? score : make (plugin, size);
  g_rec_mutex_unlock (&plugin->lock);
  return score;
}

void
qemu_plugin_scoreboard_free (struct qemu_plugin_scoreboard *score)
{
  if (!score) {
    return;
  }
  Plugin *plugin = score->plugin;
  g_rec_mutex_lock (&plugin->lock);
  score->next = g_hash_table_lookup (plugin->free_scores, GSIZE_TO_POINTER (score->size));
  g_hash_table_insert (plugin->free_scores, GSIZE_TO_POINTER (score->size), score);
  g_rec_mutex_unlock (&plugin->lock);
}

/* When no code is left that knows them. */
void
scores_free (Plugin *plugin)
{
  for (unsigned i = 0; plugin->scores && i < plugin->scores->len; i++) {
    struct qemu_plugin_scoreboard *score = g_ptr_array_index (plugin->scores, i);
    for (unsigned v = 0; !score->counter && v < plugin->n_vcpus; v++) {
      g_free (score->base[v]);
    }
    g_free (score);
  }
  g_clear_pointer (&plugin->scores, g_ptr_array_unref);
  g_clear_pointer (&plugin->free_scores, g_hash_table_unref);
}

/* --- words ---------------------------------------------------------------------------------------------- */

BpCounter
score_counter (qemu_plugin_u64 entry)
{
  const struct qemu_plugin_scoreboard *score = entry.score;
  return score->counter && entry.offset % 8 == 0 && entry.offset < score->size ? score->counter + (BpCounter) entry.offset : 0;
}

void *
qemu_plugin_scoreboard_find (struct qemu_plugin_scoreboard *score, unsigned int vcpu_index)
{
  g_return_val_if_fail (vcpu_index < score->plugin->n_vcpus, NULL);
  return score->base[vcpu_index];
}

static inline uint64_t *
word (qemu_plugin_u64 entry, unsigned vcpu)
{
  return (uint64_t *) (entry.score->base[vcpu] + entry.offset);
}

void
qemu_plugin_u64_add (qemu_plugin_u64 entry, unsigned int vcpu_index, uint64_t added)
{
  g_return_if_fail (vcpu_index < entry.score->plugin->n_vcpus);
  *word (entry, vcpu_index) += added;
}

uint64_t
qemu_plugin_u64_get (qemu_plugin_u64 entry, unsigned int vcpu_index)
{
  g_return_val_if_fail (vcpu_index < entry.score->plugin->n_vcpus, 0);
  return *word (entry, vcpu_index);
}

void
qemu_plugin_u64_set (qemu_plugin_u64 entry, unsigned int vcpu_index, uint64_t val)
{
  g_return_if_fail (vcpu_index < entry.score->plugin->n_vcpus);
  *word (entry, vcpu_index) = val;
}

uint64_t
qemu_plugin_u64_sum (qemu_plugin_u64 entry)
{
  uint64_t sum = 0;
  for (unsigned i = 0; i < entry.score->plugin->n_vcpus; i++) {
    sum += __atomic_load_n (word (entry, i), __ATOMIC_RELAXED);
  }
  return sum;
}

/* tcg-cache-config.c -- geometries as text, and which of them can be. */
/* SPDX-License-Identifier: MIT */
#include "tcg-cache-model.h"
#include "common/instr-spec.h"

static const char *const policies[] = { "lru", "plru", "fifo", "random", NULL };
static const char *const prefetchers[] = { "none", "next-line", "stride", NULL };

/* --- one word ------------------------------------------------------------------------------------------------------ */

static bool
parse_number (const char *key, const char *name, const char *text, uint64_t *out, GError **error)
{
  return (instr_parse_number (text, out, NULL) && *out) || instr_refuse (error, "%s: %s=%s is not a number above 0 (32K, 1M)", key, name, text);
}

static bool
parse_small (const char *key, const char *name, const char *text, uint64_t most, uint32_t *out, GError **error)
{
  uint64_t value;
  if (!parse_number (key, name, text, &value, error))
    return false;
  if (value > most)
    return instr_refuse (error, "%s: %s=%s is more than %" G_GUINT64_FORMAT, key, name, text, most);
  *out = (uint32_t) value;
  return true;
}

static bool
parse_word (const char *key, const char *name, const char *text, const char *const *words, unsigned *out, GError **error)
{
  for (unsigned i = 0; words[i]; i++)
    if (!strcmp (words[i], text)) {
      *out = i;
      return true;
    }
  g_autofree char *all = g_strjoinv (", ", (char **) words);
  return instr_refuse (error, "%s: %s=%s is none of %s", key, name, text, all);
}

static bool
parse_part (CacheGeometry *geometry, const char *key, const char *name, const char *value, bool *full, GError **error)
{
  unsigned word = 0;
  if (!strcmp (name, "size"))
    return parse_number (key, name, value, &geometry->size, error);
  if (!strcmp (name, "line"))
    return parse_small (key, name, value, 4096, &geometry->line, error);
  if (!strcmp (name, "degree"))
    return parse_small (key, name, value, 16, &geometry->degree, error);
  if (!strcmp (name, "ways")) {
    *full = !strcmp (value, "full");
    return *full || parse_small (key, name, value, 64, &geometry->ways, error);
  }
  if (!strcmp (name, "policy")) {
    if (!parse_word (key, name, value, policies, &word, error))
      return false;
    geometry->policy = (CachePolicy) word;
    return true;
  }
  if (!strcmp (name, "prefetch")) {
    if (!parse_word (key, name, value, prefetchers, &word, error))
      return false;
    geometry->prefetch = (CachePrefetch) word;
    return true;
  }
  return instr_refuse (error, "%s: there is no `%s' in a cache; there are size, ways, line, policy, prefetch, degree", key, name);
}

/* --- a cache ------------------------------------------------------------------------------------------------------- */

static bool
is_power (uint64_t n)
{
  return n && !(n & (n - 1));
}

static bool
check (CacheGeometry *geometry, const char *key, bool full, GError **error)
{
  uint64_t lines = geometry->size / geometry->line;
  if (!is_power (geometry->line) || geometry->line < CACHE_FLAGS + 1)
    return instr_refuse (error, "%s: line=%u is not a power of two from 16 to 4096", key, geometry->line);
  if (geometry->size % geometry->line)
    return instr_refuse (error, "%s: size=%" G_GUINT64_FORMAT " is no multiple of line=%u", key, geometry->size, geometry->line);
  if (lines > 1u << 28)
    return instr_refuse (error, "%s: size=%" G_GUINT64_FORMAT " is more than 2^28 lines", key, geometry->size);
  if (full && lines > CACHE_MAX_WAYS)
    return instr_refuse (error, "%s: ways=full means %" G_GUINT64_FORMAT " ways here; at most %u can be", key, lines, CACHE_MAX_WAYS);
  if (full)
    geometry->ways = (uint32_t) lines;
  if (lines % geometry->ways || !is_power (lines / geometry->ways)) {
    uint64_t low = (uint64_t) geometry->ways * geometry->line;
    while (low * 2 < geometry->size)
      low *= 2;
    return instr_refuse (error, "%s: size=%" G_GUINT64_FORMAT " with ways=%u and line=%u does not make a power of two of sets; near it, %" G_GUINT64_FORMAT
                         " and %" G_GUINT64_FORMAT " do", key, geometry->size, geometry->ways, geometry->line, low, low * 2);
  }
  if (geometry->policy == CACHE_PLRU && (!is_power (geometry->ways) || geometry->ways > CACHE_MAX_TREE))
    return instr_refuse (error, "%s: policy=plru is a tree: ways must be a power of two up to %u, not %u", key, CACHE_MAX_TREE, geometry->ways);
  return true;
}

bool
cache_geometry_parse (CacheGeometry *geometry, const char *key, const char *text, GError **error)
{
  bool full = false;
  if (!text || !*text || !strcmp (text, "none")) {
    geometry->size = 0;
    return true;
  }
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);
  for (unsigned i = 0; parts[i]; i++) {
    char *name = g_strstrip (parts[i]), *value = strchr (name, '=');
    if (!value)
      return instr_refuse (error, "%s: `%s' is not NAME=VALUE, as in size=32K,ways=8,line=64,policy=lru; or none", key, name);
    *value++ = 0;
    if (!parse_part (geometry, key, g_strstrip (name), g_strstrip (value), &full, error))
      return false;
  }
  return check (geometry, key, full, error);
}

char *
cache_geometry_text (const CacheGeometry *geometry)
{
  static const char *const names[] = { "LRU", "tree-PLRU", "FIFO", "random" };
  if (!geometry->size)
    return g_strdup ("none");
  GString *text = g_string_new (NULL);
  if (geometry->size % (1 << 20))
    g_string_printf (text, "%g KiB", (double) geometry->size / 1024);
  else
    g_string_printf (text, "%g MiB", (double) geometry->size / (1 << 20));
  g_string_append_printf (text, ", %u ways, lines of %u bytes, %s", geometry->ways, geometry->line, names[geometry->policy]);
  if (geometry->prefetch)
    g_string_append_printf (text, ", prefetch %s (%u)", prefetchers[geometry->prefetch], geometry->degree);
  return g_string_free (text, FALSE);
}

/* --- all of them ------------------------------------------------------------------------------------------------------ */

bool
cache_config_check (const CacheConfig *config, GError **error)
{
  static const char *const keys[CACHE_N_CACHES] = { "l1i", "l1d", "l2", "l3" };
  const CacheGeometry *caches = config->caches;
  uint32_t line = 0;
  if (!caches[CACHE_L1I].size && !caches[CACHE_L1D].size)
    return instr_refuse (error, "l1i and l1d are both none: there is nothing to model");
  if (caches[CACHE_L1I].size && caches[CACHE_L1I].prefetch == CACHE_STRIDE)
    return instr_refuse (error, "l1i: prefetch=stride follows the data of an instruction; for code there is next-line");
  for (unsigned i = 0; i < CACHE_N_CACHES; i++) {
    if (caches[i].size && line && caches[i].line != line)
      return instr_refuse (error, "%s: line=%u, and another cache has %u: all caches have lines of one size", keys[i], caches[i].line, line);
    if (caches[i].size)
      line = caches[i].line;
  }
  if (config->shared_l2 && caches[CACHE_L2].size && caches[CACHE_L3].size && !config->shared_l3)
    return instr_refuse (error, "shared-l3 = off below a shared L2: a cache for each core cannot lie below one for all");
  return true;
}

/* numa.c -- NUMA policy of a memory backend: nodes parsed, checked against the host's, and given to mbind. */
/* SPDX-License-Identifier: MIT */
#include "mem-backend.h"
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_NODES = 1024, WORD = 8 * sizeof (unsigned long) };
/* linux/mempolicy.h */
enum { MPOL_PREFERRED_ = 1, MPOL_BIND_ = 2, MPOL_INTERLEAVE_ = 3, MPOL_MF_STRICT_ = 1 << 0, MPOL_MF_MOVE_ = 1 << 1 };

const char *const mem_backend_policies[] = { "default", "preferred", "bind", "interleave", NULL };

typedef struct Nodes {
  unsigned long bits[MAX_NODES / WORD];
  unsigned n, highest;
} Nodes;

static bool has (const Nodes *nodes, unsigned i) { return nodes->bits[i / WORD] >> i % WORD & 1; }

/* "3" or "2-5"; false: it is neither, or too large. */
static bool
add_span (Nodes *nodes, const char *text)
{
  char *end;
  if (!g_ascii_isdigit (*text))
    return false;
  guint64 first = g_ascii_strtoull (text, &end, 10), last = first;
  if (*end == '-' && g_ascii_isdigit (end[1]))
    last = g_ascii_strtoull (end + 1, &end, 10);
  if (*end || last < first || last >= MAX_NODES)
    return false;
  for (unsigned i = (unsigned) first; i <= last; i++) {
    nodes->n += !has (nodes, i);
    nodes->bits[i / WORD] |= 1ul << i % WORD;
    nodes->highest = MAX (nodes->highest, i);
  }
  return true;
}

static bool
parse (char **list, Nodes *nodes, GError **error)
{
  *nodes = (Nodes) { .n = 0 };
  for (char **one = list; one && *one; one++)
    if (!add_span (nodes, *one)) {
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "nodes: `%s` is neither a node (0 to %d) nor a span of them, such as 0-1", *one, MAX_NODES - 1);
      return false;
    }
  return true;
}

/* A host that does not say has mbind's own word. */
static bool
check_host (const Nodes *wanted, GError **error)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents ("/sys/devices/system/node/has_memory", &text, NULL, NULL))
    return true;
  g_strstrip (text);
  g_auto (GStrv) list = g_strsplit (text, ",", -1);
  Nodes there;
  if (!*text || !parse (list, &there, NULL))
    return true;
  for (unsigned i = 0; i <= wanted->highest; i++)
    if (has (wanted, i) && !has (&there, i)) {
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "nodes: the host has no memory on node %u; it has on %s", i, text);
      return false;
    }
  return true;
}

bool
mem_backend_check_numa (const MemBackend *base, GError **error)
{
  Nodes nodes;
  const char *wrong = NULL;
  if (!parse (base->nodes, &nodes, error))
    return false;
  if (base->policy == NUMA_DEFAULT)
    wrong = nodes.n ? "nodes are given, and policy is default, which asks for none" : NULL;
  else if (!nodes.n)
    wrong = "policy is set, and nodes does not say for which";
  else if (base->policy == NUMA_PREFERRED && nodes.n > 1)
    wrong = "policy = preferred is about one node";
  if (wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s", wrong);
  return !wrong && (!nodes.n || check_host (&nodes, error));
}

bool
mem_backend_apply_numa (const MemBackend *base, GError **error)
{
  static const int modes[] = { [NUMA_PREFERRED] = MPOL_PREFERRED_, [NUMA_BIND] = MPOL_BIND_, [NUMA_INTERLEAVE] = MPOL_INTERLEAVE_ };
  Nodes nodes;
  if (base->policy == NUMA_DEFAULT || !parse (base->nodes, &nodes, error))
    return base->policy == NUMA_DEFAULT;
  /* The kernel takes one bit less than it is told. */
  if (syscall (SYS_mbind, base->host, base->size, modes[base->policy], nodes.bits, nodes.highest + 2, MPOL_MF_STRICT_ | MPOL_MF_MOVE_) == 0)
    return true;
  int code = errno;
  g_autofree char *list = g_strjoinv (",", base->nodes);
  if (code == ENOSYS && nodes.highest == 0) {
    bp_warn (base, "policy = %s has no effect: the host knows no NUMA nodes", mem_backend_policies[base->policy]);
    return true;
  }
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the host does not take policy = %s for nodes = %s: %s", mem_backend_policies[base->policy], list,
               code == ENOSYS ? "it knows no NUMA nodes" : code == EIO ? "pages that are elsewhere cannot be moved" : g_strerror (code));
  return false;
}

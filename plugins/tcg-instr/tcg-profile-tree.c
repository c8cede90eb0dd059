/* tcg-profile-tree.c -- stacks with names: who calls whom as a tree, and sums by function, source line and address space. */
/* SPDX-License-Identifier: MIT */
#include "tcg-profile-tree.h"
#include <string.h>

#define USER_PRIVILEGE 3
#define PAGE_MASK (~UINT64_C (0xfff))

/* --- keys ----------------------------------------------------------------------------------------- */

/* Names are interned: equal ones are at one address. */
static guint
node_hash (gconstpointer p)
{
  const TreeNode *n = p;
  return g_direct_hash (n->parent) * 31 + g_direct_hash (n->name);
}

static gboolean
node_equal (gconstpointer pa, gconstpointer pb)
{
  const TreeNode *a = pa, *b = pb;
  return a->parent == b->parent && a->name == b->name;
}

typedef struct SumKey {
  const char *a, *b;
  uint32_t number;
} SumKey;

static guint
sum_hash (gconstpointer p)
{
  const SumKey *k = p;
  return (g_direct_hash (k->a) * 31 + g_direct_hash (k->b)) * 31 + k->number;
}

static gboolean
sum_equal (gconstpointer pa, gconstpointer pb)
{
  const SumKey *a = pa, *b = pb;
  return a->a == b->a && a->b == b->b && a->number == b->number;
}

/* The index of what has the key; a new one is at the end of `sums' (which may move), zeroed. */
static guint
sum_index (GHashTable *known, GArray *sums, SumKey key)
{
  gpointer at = g_hash_table_lookup (known, &key);
  if (!at) {
    g_array_set_size (sums, sums->len + 1);
    at = GUINT_TO_POINTER (sums->len);
    g_hash_table_insert (known, g_memdup2 (&key, sizeof key), at);
  }
  return GPOINTER_TO_UINT (at) - 1;
}

/* --- the tree ------------------------------------------------------------------------------------- */

static TreeNode *
child_of (Tree *t, TreeNode *parent, const char *name, bool is_user)
{
  TreeNode key = { .parent = parent, .name = name };
  TreeNode *n = g_hash_table_lookup (t->nodes, &key);
  if (n)
    return n;
  n = g_new0 (TreeNode, 1);
  n->name = name;
  n->parent = parent;
  n->is_user = is_user;
  if (!parent->children)
    parent->children = g_ptr_array_new ();
  g_ptr_array_add (parent->children, n);
  g_hash_table_add (t->nodes, n);
  return n;
}

static int
compare_nodes (const void *pa, const void *pb)
{
  const TreeNode *a = *(const TreeNode *const *) pa, *b = *(const TreeNode *const *) pb;
  return strcmp (a->name, b->name);
}

static void
finish_node (TreeNode *n)
{
  n->total = n->self;
  if (!n->children)
    return;
  g_ptr_array_sort (n->children, compare_nodes);
  for (guint i = 0; i < n->children->len; i++) {
    TreeNode *child = g_ptr_array_index (n->children, i);
    finish_node (child);
    n->total += child->total;
  }
}

static void
free_node (TreeNode *n)
{
  if (!n->children)
    return;
  for (guint i = 0; i < n->children->len; i++) {
    TreeNode *child = g_ptr_array_index (n->children, i);
    free_node (child);
    g_free (child);
  }
  g_ptr_array_free (n->children, TRUE);
}

/* --- sums ----------------------------------------------------------------------------------------- */

typedef struct Making {
  Tree *tree;
  Stacks *stacks;
  bool by_space;
  FrameResolve *resolve;
  void *user;
  GHashTable *functions, *lines;        /* SumKey -> index + 1 */
} Making;

/* Semicolons and ends of lines mean something in folded stacks. */
static const char *
intern (Tree *t, const char *name)
{
  if (!strpbrk (name, ";\n\r"))
    return g_string_chunk_insert_const (t->strings, name);
  g_autofree char *clean = g_strdelimit (g_strdup (name), ";\n\r", ':');
  return g_string_chunk_insert_const (t->strings, clean);
}

static const char *
name_frame (Making *m, const Stack *s, uint64_t address, unsigned depth, FrameName *found)
{
  char text[32];
  *found = (FrameName) { .name = NULL };
  /* a return address is behind its call, and perhaps behind its function */
  m->resolve (m->user, address - (depth > 0), s->space, s->privilege, found);
  if (found->name && *found->name)
    return intern (m->tree, found->name);
  g_snprintf (text, sizeof text, "[0x%" G_GINT64_MODIFIER "x]", address & PAGE_MASK);
  return g_string_chunk_insert_const (m->tree->strings, text);
}

static void
count_function (Making *m, const char *name, bool is_user, uint64_t count, bool is_self, uint32_t stack)
{
  GArray *sums = m->tree->functions;
  guint i = sum_index (m->functions, sums, (SumKey) { .a = name, .number = is_user });
  FunctionSum *f = &g_array_index (sums, FunctionSum, i);
  if (!f->name)
    *f = (FunctionSum) { .name = name, .is_user = is_user, .last_stack = UINT32_MAX };
  if (is_self)
    f->self += count;
  if (f->last_stack != stack)
    f->total += count;
  f->last_stack = stack;
}

static void
count_line (Making *m, const char *function, const FrameName *found, uint64_t count)
{
  GArray *sums = m->tree->lines;
  const char *file = g_string_chunk_insert_const (m->tree->strings, found->file);
  guint i = sum_index (m->lines, sums, (SumKey) { .a = file, .b = function, .number = found->line });
  LineSum *l = &g_array_index (sums, LineSum, i);
  l->file = file;
  l->function = function;
  l->line = found->line;
  l->self += count;
}

/* Stacks come by address space. */
static void
count_space (Tree *t, const Stack *s)
{
  if (t->spaces->len == 0 || g_array_index (t->spaces, SpaceSum, t->spaces->len - 1).space != s->space) {
    SpaceSum first = { .space = s->space };
    g_array_append_val (t->spaces, first);
  }
  SpaceSum *sum = &g_array_index (t->spaces, SpaceSum, t->spaces->len - 1);
  if (s->privilege == USER_PRIVILEGE)
    sum->user += s->count;
  else
    sum->kernel += s->count;
}

static void
add_stack (Making *m, uint32_t index)
{
  Tree *t = m->tree;
  const Stack *s = stacks_at (m->stacks, index);
  const uint64_t *frames = stacks_frames (m->stacks, s);
  bool is_user = s->privilege == USER_PRIVILEGE;
  TreeNode *n = &t->root;
  if (m->by_space) {
    char text[40];
    g_snprintf (text, sizeof text, "space 0x%" G_GINT64_MODIFIER "x", s->space);
    n = child_of (t, n, g_string_chunk_insert_const (t->strings, text), is_user);
  }
  n = child_of (t, n, g_string_chunk_insert_const (t->strings, is_user ? "user" : "kernel"), is_user);
  for (unsigned depth = s->n; depth-- > 0;) {
    FrameName found;
    const char *name = name_frame (m, s, frames[depth], depth, &found);
    n = child_of (t, n, name, is_user);
    count_function (m, name, is_user, s->count, depth == 0, index);
    if (depth == 0 && found.file)
      count_line (m, name, &found, s->count);
  }
  n->self += s->count;
  t->samples += s->count;
  t->kernel += is_user ? 0 : s->count;
  count_space (t, s);
}

static int
compare_functions (const void *pa, const void *pb)
{
  const FunctionSum *a = pa, *b = pb;
  if (a->self != b->self)
    return a->self > b->self ? -1 : 1;
  if (a->total != b->total)
    return a->total > b->total ? -1 : 1;
  int names = strcmp (a->name, b->name);
  return names ? names : (int) a->is_user - (int) b->is_user;
}

static int
compare_lines (const void *pa, const void *pb)
{
  const LineSum *a = pa, *b = pb;
  if (a->self != b->self)
    return a->self > b->self ? -1 : 1;
  int files = strcmp (a->file, b->file);
  if (files)
    return files;
  return a->line != b->line ? (a->line < b->line ? -1 : 1) : strcmp (a->function, b->function);
}

static int
compare_spaces (const void *pa, const void *pb)
{
  const SpaceSum *a = pa, *b = pb;
  uint64_t sa = a->kernel + a->user, sb = b->kernel + b->user;
  if (sa != sb)
    return sa > sb ? -1 : 1;
  return a->space < b->space ? -1 : a->space > b->space;
}

/* --- the whole ------------------------------------------------------------------------------------ */

Tree *
tree_new (Stacks *stacks, bool by_space, FrameResolve *resolve, void *user)
{
  Tree *t = g_new0 (Tree, 1);
  Making m = { .tree = t, .stacks = stacks, .by_space = by_space, .resolve = resolve, .user = user };
  m.functions = g_hash_table_new_full (sum_hash, sum_equal, g_free, NULL);
  m.lines = g_hash_table_new_full (sum_hash, sum_equal, g_free, NULL);
  t->root.name = "all";
  t->functions = g_array_new (FALSE, TRUE, sizeof (FunctionSum));
  t->lines = g_array_new (FALSE, TRUE, sizeof (LineSum));
  t->spaces = g_array_new (FALSE, TRUE, sizeof (SpaceSum));
  t->strings = g_string_chunk_new (65536);
  t->nodes = g_hash_table_new (node_hash, node_equal);
  stacks_sort (stacks);
  for (uint32_t i = 0; i < stacks_size (stacks); i++)
    add_stack (&m, i);
  finish_node (&t->root);
  g_array_sort (t->functions, compare_functions);
  g_array_sort (t->lines, compare_lines);
  g_array_sort (t->spaces, compare_spaces);
  g_clear_pointer (&t->nodes, g_hash_table_destroy);
  g_hash_table_destroy (m.functions);
  g_hash_table_destroy (m.lines);
  return t;
}

void
tree_free (Tree *t)
{
  if (!t)
    return;
  free_node (&t->root);
  g_array_free (t->functions, TRUE);
  g_array_free (t->lines, TRUE);
  g_array_free (t->spaces, TRUE);
  g_string_chunk_free (t->strings);
  g_free (t);
}

/* `path' holds the names so far. */
static void
print_node (const TreeNode *n, GString *path, GString *out)
{
  gsize before = path->len;
  if (n->parent) {
    if (path->len > 0)
      g_string_append_c (path, ';');
    g_string_append (path, n->name);
    if (n->self > 0)
      g_string_append_printf (out, "%s %" G_GUINT64_FORMAT "\n", path->str, n->self);
  }
  for (guint i = 0; n->children && i < n->children->len; i++)
    print_node (g_ptr_array_index (n->children, i), path, out);
  g_string_truncate (path, before);
}

void
tree_print_folded (const Tree *t, GString *out)
{
  GString *path = g_string_new (NULL);
  print_node (&t->root, path, out);
  g_string_free (path, TRUE);
}

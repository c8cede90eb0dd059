/* tcg-profile-tree.h -- stacks with names: who calls whom as a tree, and sums by function, source line and address space. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_PROFILE_TREE_H
#define TCG_PROFILE_TREE_H

#include "tcg-profile-stacks.h"

/* What somebody knows of an address; the strings stay. */
typedef struct FrameName {
  const char *name, *file;      /* NULL: not known */
  uint32_t line;
} FrameName;
typedef void FrameResolve (void *user, uint64_t address, uint64_t space, uint8_t privilege, FrameName *out);

typedef struct TreeNode TreeNode;
struct TreeNode {
  const char *name;
  uint64_t self, total;         /* samples; total: with those of its children */
  TreeNode *parent;
  GPtrArray *children;          /* by name; NULL: none */
  bool is_user;
};

typedef struct FunctionSum {
  const char *name;
  bool is_user;
  uint64_t self, total;
  uint32_t last_stack;          /* while it is counted: a recursive function counts once a stack */
} FunctionSum;

typedef struct LineSum {
  const char *file, *function;
  uint32_t line;
  uint64_t self;
} LineSum;

typedef struct SpaceSum {
  uint64_t space, kernel, user;
} SpaceSum;

typedef struct Tree {
  TreeNode root;                /* its children: "kernel" and "user", or with the address spaces below it */
  GArray *functions;            /* FunctionSum, most of itself first */
  GArray *lines;                /* LineSum, likewise */
  GArray *spaces;               /* SpaceSum, likewise */
  uint64_t samples, kernel;
  GStringChunk *strings;
  GHashTable *nodes;            /* while it is made */
} Tree;

/* by_space: what runs in different address spaces is apart in the tree. */
Tree *tree_new (Stacks *stacks, bool by_space, FrameResolve *resolve, void *user);
void tree_free (Tree *tree);    /* NULL is allowed */
/* "kernel;do_syscall_64;ksys_read 42", a line a stack: what flamegraph.pl, speedscope and others read. */
void tree_print_folded (const Tree *tree, GString *out);
/* The same as a picture. */
void tree_print_svg (const Tree *tree, const char *title, GString *out);

#endif

/* toy-block.h -- a machine for tests of what becomes of blocks, and blocks that nobody translated. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TOY_BLOCK_H
#define TESTS_TOY_BLOCK_H

#include "toy-cpu.h"

static Toy *toy;
static TcgMachine *tcg;
static TcgVcpu *v;

static inline void
toy_block_setup (void)
{
  toy = toy_new (&toy_ways[1]);         /* the interpreter: its links do nothing, so that blocks need no code */
  tcg = toy_tcg (toy);
  v = toy_vcpu (toy);
}

static inline void
toy_block_teardown (void)
{
  toy_free_machine (toy);
}

static const uint8_t host_code[64];

/* As translation would leave it, `i` to tell it from others. */
static inline Tb *
toy_block (unsigned i, uint64_t pc, uint64_t physical)
{
  Tb *tb = g_aligned_alloc0 (1, sizeof *tb + 2 * sizeof (TbExit), 64);
  tb->exit = (TbExit *) (void *) (tb + 1);
  tb->n_exits = 2;
  tb->key = (BpTbKey) { .pc = pc };
  tb->physical[0] = physical;
  tb->physical[1] = ~(uint64_t) 0;
  tb->n_bytes = 8;
  tb->n_insns = 2;
  tb->code = host_code + i;
  tb->code_size = 1;
  tb->exit[0].guard = tb->exit[1].guard = TB_NO_EXIT;
  return tb;
}

#endif

/* ir-random.h -- valid random blocks for the fake CPU. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_IR_RANDOM_H
#define TESTS_IR_RANDOM_H

#include "fake-cpu.h"

/* Replaces ir (initialised by fake_cpu_block_init) with about `size` insns that depend on `seed` alone.
 * They end, and use no native insn. */
void ir_random (BpIrBlock *ir, uint32_t seed, unsigned size);

/* The same, for the second pin set of fake_narrow_frontend. */
void ir_random_narrow (BpIrBlock *ir, uint32_t seed, unsigned size);

/* Random registers and memory; values are often small, equal, or at an edge. */
void ir_random_state (FakeCpu *cpu, uint32_t seed);

#endif

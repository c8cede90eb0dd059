/* code.c -- what is hard on a translator: recursion, interpreters' indirect jumps and calls, code that changes. */
/* SPDX-License-Identifier: MIT */
#include "sys.h"

static int __attribute__ ((noinline)) fib (int n) { return n < 2 ? n : fib (n - 1) + fib (n - 2); }
void work_calls (void) { sink += (u32) fib (22); }

/* --- a bytecode interpreter, twice --------------------------------------------------------- */

/* Collatz steps of the numbers up to a limit: registers n, steps, i in an array, one byte of code and up to two of operands. */
enum { OP_SET, OP_COPY, OP_ODD_JUMP, OP_HALVE, OP_TRIPLE, OP_INC, OP_DEC, OP_ONE_JUMP, OP_JUMP, OP_ZERO_JUMP, OP_END };
enum { R_I, R_N, R_STEPS };
static const u8 program[] = {
  /*  0 */ OP_SET, R_I, 200,
  /*  3 */ OP_COPY, R_N, R_I,
  /*  6 */ OP_ONE_JUMP, R_N, 22,
  /*  9 */ OP_INC, R_STEPS,
  /* 11 */ OP_ODD_JUMP, R_N, 18,
  /* 14 */ OP_HALVE, R_N,
  /* 16 */ OP_JUMP, 6,
  /* 18 */ OP_TRIPLE, R_N,
  /* 20 */ OP_JUMP, 6,
  /* 22 */ OP_DEC, R_I,
  /* 24 */ OP_ZERO_JUMP, R_I, 29,
  /* 27 */ OP_JUMP, 3,
  /* 29 */ OP_END
};

static u32 __attribute__ ((noinline))
run_goto (const u8 *code)
{
  static const void *const label[] = { &&set, &&copy, &&odd_jump, &&halve, &&triple, &&inc, &&dec, &&one_jump, &&jump, &&zero_jump, &&end };
  u32 r[4] = { 0, 0, 0, 0 };
  const u8 *pc = code;
#define NEXT goto *label[*pc]
  NEXT;
set: r[pc[1]] = pc[2]; pc += 3; NEXT;
copy: r[pc[1]] = r[pc[2]]; pc += 3; NEXT;
odd_jump: pc = r[pc[1]] & 1 ? code + pc[2] : pc + 3; NEXT;
halve: r[pc[1]] >>= 1; pc += 2; NEXT;
triple: r[pc[1]] = r[pc[1]] * 3 + 1; pc += 2; NEXT;
inc: r[pc[1]]++; pc += 2; NEXT;
dec: r[pc[1]]--; pc += 2; NEXT;
one_jump: pc = r[pc[1]] == 1 ? code + pc[2] : pc + 3; NEXT;
jump: pc = code + pc[1]; NEXT;
zero_jump: pc = r[pc[1]] == 0 ? code + pc[2] : pc + 3; NEXT;
end: return r[R_STEPS];
#undef NEXT
}

typedef struct Vm {
  u32 r[4];
  const u8 *code, *pc;
  int running;
} Vm;
typedef void Step (Vm *vm);
static void do_set (Vm *vm) { vm->r[vm->pc[1]] = vm->pc[2]; vm->pc += 3; }
static void do_copy (Vm *vm) { vm->r[vm->pc[1]] = vm->r[vm->pc[2]]; vm->pc += 3; }
static void do_odd_jump (Vm *vm) { vm->pc = vm->r[vm->pc[1]] & 1 ? vm->code + vm->pc[2] : vm->pc + 3; }
static void do_halve (Vm *vm) { vm->r[vm->pc[1]] >>= 1; vm->pc += 2; }
static void do_triple (Vm *vm) { vm->r[vm->pc[1]] = vm->r[vm->pc[1]] * 3 + 1; vm->pc += 2; }
static void do_inc (Vm *vm) { vm->r[vm->pc[1]]++; vm->pc += 2; }
static void do_dec (Vm *vm) { vm->r[vm->pc[1]]--; vm->pc += 2; }
static void do_one_jump (Vm *vm) { vm->pc = vm->r[vm->pc[1]] == 1 ? vm->code + vm->pc[2] : vm->pc + 3; }
static void do_jump (Vm *vm) { vm->pc = vm->code + vm->pc[1]; }
static void do_zero_jump (Vm *vm) { vm->pc = vm->r[vm->pc[1]] == 0 ? vm->code + vm->pc[2] : vm->pc + 3; }
static void do_end (Vm *vm) { vm->running = 0; }
static Step *const step[] = { do_set, do_copy, do_odd_jump, do_halve, do_triple, do_inc, do_dec, do_one_jump, do_jump, do_zero_jump, do_end };

void work_vm_goto (void) { sink += run_goto (program); }

void
work_vm_calls (void)
{
  Vm vm = { .code = program, .pc = program, .running = 1 };
  while (vm.running)
    step[*vm.pc] (&vm);
  sink += vm.r[R_STEPS];
}

/* --- code that changes before each call: mov $n, %eax; ret ------------------------------------- */

static void
write_and_call (u32 n)
{
  static u8 *code;
  if (!code)
    code = map_pages (4096, 1);
  code[0] = 0xb8;
  for (u32 k = 0; k < 4; k++)
    code[1 + k] = (u8) (n >> 8 * k);
  code[5] = 0xc3;
  __asm__ volatile ("" : : : "memory");
  sink += ((u32 (*) (void)) code) ();
}

/* The same forms come back with each run. */
void
work_self_modifying (void)
{
  for (u32 i = 0; i < 500; i++)
    write_and_call (i);
}

/* What was there is never there again. */
void
work_new_code (void)
{
  static u32 next = 1000;
  for (u32 i = 0; i < 500; i++)
    write_and_call (next++);
}

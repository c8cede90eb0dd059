/* main.c -- the bench guest: runs on Linux (in a machine, or natively) and prints a line a workload: name, runs, ns a run. */
/* SPDX-License-Identifier: MIT */
/* Built with -nostdlib -static for i386 or x86-64: needs no C library, so that any host's gcc can make it. */
#include "sys.h"

static const struct { const char *name; Work *run; } works[] = {
  { "integer", work_integer }, { "calls", work_calls }, { "vm-goto", work_vm_goto }, { "vm-calls", work_vm_calls }, { "sha256", work_sha256 },
  { "sort", work_sort }, { "chase", work_chase }, { "chase-l2", work_chase_l2 }, { "stream", work_stream },
  { "n-body", work_n_body }, { "x87", work_x87 }, { "sse2", work_sse2 }, { "sse-vector", work_sse_vector }, { "rep-movs", work_rep_movs },
  { "self-modify", work_self_modifying }, { "new-code", work_new_code }, { "syscall", work_syscall }, { "mmap", work_mmap }, { "fork", work_fork }, { "fork-exec", work_fork_exec },
  { "pipe", work_pipe }, { "parallel", work_parallel },
  { "tlb", work_tlb }, { "chase-ram", work_chase_ram },         /* (at last: what they map would be copied by each fork) */
};

#define SPAN_NS 700000000ull

static void
run_for_a_while (const char *name, Work *work)
{
  u64 t = 0;
  u32 runs = 0;
  work ();                      /* once to warm up */
  u64 start = now_ns ();
  while (t < SPAN_NS) {
    work ();
    runs++;
    t = now_ns () - start;
  }
  put ("bench ");
  put (name);
  put (" ");
  put_number (runs);
  put (" ");
  put_number (div64 (t, runs));
  put ("\n");
}

/* Arguments: the workloads to run; all when there are none. */
static void
start (int n, const char *const *argument)
{
  for (u32 w = 0; w < sizeof works / sizeof works[0]; w++) {
    int wanted = n < 2;
    for (int i = 1; i < n; i++)
      wanted |= same (argument[i], works[w].name);
    if (wanted)
      run_for_a_while (works[w].name, works[w].run);
  }
  sys (SYS_EXIT, 0, 0, 0, 0);
}

#ifdef __x86_64__
__asm__ (".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start_c\n");
#else
__asm__ (".globl _start\n_start: xor %ebp, %ebp\n mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n call start_c\n");
#endif
void start_c (const long *stack);
void start_c (const long *stack) { start ((int) stack[0], (const char *const *) (stack + 1)); }

/* monitor.c -- the kernel of a batch: enters one instruction after the other under single-step, and notes what came of each. */
/* SPDX-License-Identifier: MIT */
/* Position-independent 64-bit code, copied into the guest; what it works on is at fixed places (monitor.h). */

#include "monitor.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_ (x)

__asm__ (
  ".pushsection .rodata\n"
  ".globl monitor_start, monitor_event, monitor_end\n"
  "monitor_start:\n"
  "next:\n"
  "  mov " TEXT (MONITOR_INDEX) ", %rbx\n"
  "  cmp " TEXT (MONITOR_COUNT) ", %rbx\n"
  "  jae done\n"
  "  cld\n"
  "  mov $" TEXT (MONITOR_FILL) ", %edi\n"              /* the stack's page, by its linear address */
  "  mov $16, %ecx\n"
  "  mov " TEXT (MONITOR_REGISTER) ", %rax\n"
  "  rep stosq\n"
  "  mov $" TEXT (MONITOR_FP) ", %ecx\n"
  "  mov $7, %eax\n"
  "  xor %edx, %edx\n"
  "  xrstor (%rcx)\n"
  "  mov $0x400, %eax\n"
  "  mov %rax, %dr7\n"
  "  pushq " TEXT (MONITOR_SS) "\n"
  "  pushq " TEXT (MONITOR_RSP) "\n"
  "  pushq $0x102\n"                                    /* TF */
  "  pushq " TEXT (MONITOR_CS) "\n"
  "  shl $4, %rbx\n"
  "  add " TEXT (MONITOR_RIP) ", %rbx\n"
  "  push %rbx\n"
  "  mov " TEXT (MONITOR_REGISTER) ", %rax\n"
  "  mov %rax, %rcx\n"
  "  mov %rax, %rdx\n"
  "  mov %rax, %rbx\n"
  "  mov %rax, %rbp\n"
  "  mov %rax, %rsi\n"
  "  mov %rax, %rdi\n"
  "  mov %rax, %r8\n"
  "  mov %rax, %r9\n"
  "  mov %rax, %r10\n"
  "  mov %rax, %r11\n"
  "  mov %rax, %r12\n"
  "  mov %rax, %r13\n"
  "  mov %rax, %r14\n"
  "  mov %rax, %r15\n"
  "  iretq\n"
  /* vector, error code, frame */
  "monitor_event:\n"
  "  mov " TEXT (MONITOR_INDEX) ", %rbx\n"
  "  mov %rbx, %rax\n"
  "  shl $4, %rax\n"
  "  mov 16(%rsp), %rcx\n"
  "  mov %rcx, " TEXT (MONITOR_RESULTS) "(%rax)\n"
  "  mov (%rsp), %rcx\n"
  "  mov %rcx, " TEXT (MONITOR_RESULTS) " + 8(%rax)\n"
  "  incq " TEXT (MONITOR_INDEX) "\n"
  "  mov $" TEXT (MONITOR_STACK) ", %esp\n"
  "  jmp next\n"
  "done:\n"
  "  cli\n"
  "  hlt\n"
  "monitor_end:\n"
  ".popsection\n");

/* program.c -- processor 0 changes code, the others execute it and compare what comes of it with what may. */
/* SPDX-License-Identifier: MIT */
/*
 * A reader notes the last change that is published (lo), serialises, calls the code some times, and looks again (hi) behind each call:
 * the code must be that of a change from lo to hi + 1.  Position-independent code, copied into the guest.
 */
#include "program.h"

#define TEXT_(x) #x
#define T(x) TEXT_ (x)

/* Waits until each reader's word at `table` is at least (rbx). */
#define WAIT_FOR(table) \
  "  mov " T (SMC_N_CPUS) ", %rcx\n" \
  "1: dec %rcx\n" \
  "  jz 3f\n" \
  "  mov %rcx, %rdx\n" \
  "  shl $6, %rdx\n" \
  "2: pause\n" \
  "  cmp %rbx, " T (table) "(%rdx)\n" \
  "  jb 2b\n" \
  "  jmp 1b\n" \
  "3:\n"

__asm__ (
  ".pushsection .rodata\n"
  ".globl smc_start, smc_end, smc_int3\n"
  "smc_start:\n"
  "  test %edi, %edi\n"
  "  jnz reader\n"
  /* --- the writer: r12 is the change */
  "  xor %r12d, %r12d\n"
  "writer:\n"
  "  inc %r12\n"
  "  cmp " T (SMC_ROUNDS) ", %r12\n"
  "  ja finished\n"
  "  cmpq $0, " T (SMC_FAILED) "\n"
  "  jne finished\n"
  "  mov " T (SMC_AT) ", %r13\n"
  "  mov $0x01010101, %r14d\n"                          /* the change, in each byte */
  "  movzbl %r12b, %eax\n"
  "  imul %eax, %r14d\n"
  "  mov " T (SMC_KIND) ", %eax\n"
  "  cmp $" T (KIND_BYTE) ", %eax\n"
  "  je change_byte\n"
  "  cmp $" T (KIND_DWORD) ", %eax\n"
  "  je change_dword\n"
  "  cmp $" T (KIND_POKE) ", %eax\n"
  "  je change_poke\n"
  "  cmp $" T (KIND_PAGE) ", %eax\n"
  "  je change_page\n"
  "  jmp change_table\n"
  "published:\n"
  "  mov %r12, " T (SMC_PUBLISHED) "\n"
  "  mov %r12, %rbx\n"
  "  sub $8, %rbx\n"                                    /* not too far ahead of any reader */
  "  jbe writer\n"
  WAIT_FOR (SMC_SEEN)
  "  jmp writer\n"
  "finished:\n"
  "  cli\n"
  "  hlt\n"

  "change_byte:\n"
  "  mov %r12b, (%r13)\n"
  "  jmp published\n"
  "change_dword:\n"
  "  mov %r14d, (%r13)\n"
  "  jmp published\n"

  /* Linux's text_poke: INT3, all others serialise, the tail, the same, the first byte, the same. */
  "change_poke:\n"
  "  mov %r12, %rsi\n"
  "  and $3, %esi\n"
  "  lea " T (SMC_SITES) "(,%rsi,8), %rsi\n"
  "  movb $0xcc, (%r13)\n"
  "  call serialise\n"
  "  mov 1(%rsi), %eax\n"
  "  mov %eax, 1(%r13)\n"
  "  call serialise\n"
  "  mov (%rsi), %al\n"
  "  mov %al, (%r13)\n"
  "  call serialise\n"
  "  jmp published\n"
  "serialise:\n"
  "  incq " T (SMC_EPOCH) "\n"
  "  mov " T (SMC_EPOCH) ", %rbx\n"
  WAIT_FOR (SMC_SERIALISED)
  "  ret\n"

  /* MOV EAX, n, and then CMP EAX, n, JNE to what fails, many times: a draft, and then all of it through the other mapping. */
  "change_page:\n"
  "  mov $" T (SMC_DRAFT) ", %esi\n"
  "  mov %r14d, 1(%rsi)\n"
  "  mov $" T (SMC_PAGE_CHECKS) ", %ecx\n"
  "  lea 6(%rsi), %rdx\n"
  "1: mov %r14d, (%rdx)\n"
  "  add $11, %rdx\n"
  "  dec %ecx\n"
  "  jnz 1b\n"
  "  mov %r12, " T (SMC_PAUSE) "\n"
  "  mov %r12, %rbx\n"
  WAIT_FOR (SMC_PAUSED)
  "  mov %r13, %rdi\n"
  "  mov $512, %ecx\n"
  "  rep movsq\n"
  "  mov %r12, " T (SMC_PUBLISHED) "\n"
  "  movq $0, " T (SMC_PAUSE) "\n"
  "  jmp published\n"

  /* The page that is not mapped gets the change, by another mapping, and then takes the other one's place. */
  "change_table:\n"
  "  mov %r12, %rax\n"
  "  and $1, %eax\n"
  "  mov %rax, %rcx\n"
  "  shl $12, %rcx\n"
  "  mov %r14d, 1(%r13,%rcx)\n"
  "  add $" T (SMC_TABLE_PAGE) " + 3, %rcx\n"
  "  mov %rcx, 0x4000 + 8 * (" T (SMC_TABLE_PAGE) " >> 12)\n"
  "  mov %r12, " T (SMC_PUBLISHED) "\n"
  "  mov %r12, %rbx\n"
  WAIT_FOR (SMC_SEEN)
  "  jmp published\n"

  /* --- a reader: rdi is its number times 64, r13 lo, r14 the epoch */
  "reader:\n"
  "  shl $6, %rdi\n"
  "  xor %r15d, %r15d\n"
  "reading:\n"
  "  mov " T (SMC_PAUSE) ", %rax\n"
  "  test %rax, %rax\n"
  "  jz 2f\n"
  "  mov %rax, " T (SMC_PAUSED) "(%rdi)\n"
  "1: pause\n"
  "  cmp %rax, " T (SMC_PAUSE) "\n"
  "  je 1b\n"
  "  jmp reading\n"
  "2: mov " T (SMC_EPOCH) ", %r14\n"
  "  mov " T (SMC_PUBLISHED) ", %r13\n"
  "  cmpl $" T (KIND_TABLE) ", " T (SMC_KIND) "\n"
  "  jne 3f\n"
  "  invlpg " T (SMC_TABLE_PAGE) "\n"
  "3: xor %eax, %eax\n"
  "  cpuid\n"
  "  mov %r14, " T (SMC_SERIALISED) "(%rdi)\n"
  "  mov %r13, " T (SMC_SEEN) "(%rdi)\n"
  "  mov $8, %ebp\n"
  "4: call *" T (SMC_CODE) "\n"
  "  mov " T (SMC_PUBLISHED) ", %r10\n"
  "  incq " T (SMC_CALLS) "(%rdi)\n"
  "  mov %eax, %r11d\n"
  "  cmpl $" T (KIND_POKE) ", " T (SMC_KIND) "\n"
  "  jne 5f\n"
  "  cmp $0xcc, %eax\n"
  "  je 7f\n"
  "5: test $0xffffff00, %eax\n"                          /* all of four bytes are the same change's */
  "  jz 6f\n"
  "  movzbl %al, %ecx\n"
  "  imul $0x01010101, %ecx, %ecx\n"
  "  cmp %ecx, %eax\n"
  "  jne failed\n"
  "6: movzbl %al, %eax\n"
  "  sub %r13, %rax\n"
  "  and " T (SMC_MASK) ", %rax\n"
  "  mov %r10, %rcx\n"
  "  sub %r13, %rcx\n"
  "  inc %rcx\n"
  "  cmp %rcx, %rax\n"
  "  ja failed\n"
  "7: dec %ebp\n"
  "  jnz 4b\n"
  "  jmp reading\n"
  "failed:\n"
  "  mov $1, %eax\n"
  "  xchg %rax, " T (SMC_FAILED) "\n"
  "  test %rax, %rax\n"
  "  jnz 8f\n"
  "  mov %r13, " T (SMC_FAILED) " + 8\n"
  "  mov %r11, " T (SMC_FAILED) " + 16\n"
  "  mov %r10, " T (SMC_FAILED) " + 24\n"
  "8: mov $-1, %rax\n"                                   /* the writer is to end */
  "  mov %rax, " T (SMC_SEEN) "(%rdi)\n"
  "  mov %rax, " T (SMC_PAUSED) "(%rdi)\n"
  "  mov %rax, " T (SMC_SERIALISED) "(%rdi)\n"
  "9: pause\n"
  "  jmp 9b\n"

  /* INT3 in the middle of a poke: instead of the site, the rest of the code returns 0xcc. */
  "smc_int3:\n"
  "  incq " T (SMC_INT3) "(%rdi)\n"
  "  movq $" T (SMC_RETURNS_CC) ", (%rsp)\n"
  "  iretq\n"
  "smc_end:\n"
  ".popsection\n");

/* debug-guest.S -- what a debugger's sessions run on: long mode, functions at level 0 and then at level 3, counters, and breakpoints that are the guest's own. */
/* SPDX-License-Identifier: MIT */
/* Linked for 64 bits, which gdb reads, and turned into a 32-bit Multiboot image, which the loader does. */
  .set MAGIC, 0x1badb002
  .set CODE0, 8
  .set DATA0, 16
  .set DATA3, 24 | 3
  .set CODE3, 32 | 3
  .set TSS, 40
  .set EFER, 0xc0000080

  .section .multiboot, "a"
  .balign 4
  .long MAGIC, 0, -MAGIC

  .text
  .code32
  .globl start
start:
  cli
  cld
  mov $directory + 7, %eax
  mov %eax, pointers
  mov $pointers + 7, %eax
  mov %eax, root
  mov $root, %eax
  mov %eax, %cr3
  mov $0x20, %eax               /* PAE */
  mov %eax, %cr4
  mov $EFER, %ecx
  mov $0x100, %eax              /* LME */
  xor %edx, %edx
  wrmsr
  mov $0x80000011, %eax
  mov %eax, %cr0
  lgdt gdt_pointer
  ljmp $CODE0, $1f
  .code64
1:
  mov $DATA0, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $stack0_top, %esp
  mov $on_debug, %eax
  mov $1, %edi
  call set_gate
  mov $on_breakpoint, %eax
  mov $3, %edi
  call set_gate
  lidt idt_pointer
  mov $tss, %eax
  mov %ax, gdt + TSS + 2
  shr $16, %eax
  mov %al, gdt + TSS + 4
  mov $stack0_top, %eax
  mov %eax, tss + 4
  mov $TSS, %eax
  ltr %ax
  call body
  .globl between
between:
  pushq $DATA3
  pushq $stack3_top
  pushq $0x3002                 /* level 3 has the ports */
  pushq $CODE3
  pushq $main
  iretq

/* EAX: handler, EDI: vector; level 3 may use it */
set_gate:
  shl $4, %edi
  mov %ax, idt(%rdi)
  movl $CODE0 | 0, %edx
  mov %dx, idt + 2(%rdi)
  movw $0xee00, idt + 4(%rdi)
  shr $16, %eax
  mov %ax, idt + 6(%rdi)
  ret

  .globl main
main:
  call body
  call own
  mov $16, %al
  outb %al, $0xf4               /* exit status 33 */
2:
  jmp 2b

  .globl body
body:
  call first
  call second
  call third
  call fourth
  call fifth
  call sixth
  mov $3, %ebx
  .globl again
again:
  call counted
  dec %ebx
  jnz again
  incl watched
  .globl after_watched
after_watched:
  nop
  ret

  .macro function name
  .globl \name
\name:
  incl calls
  ret
  .endm
  function first
  function second
  function third
  function fourth
  function fifth
  function sixth
  function counted

/* An INT3 and a step. */
  .globl own
own:
  int3
  .globl own_step
own_step:
  pushfq
  orl $0x100, (%rsp)
  popfq
  nop
  pushfq
  andl $~0x100, (%rsp)
  popfq
  ret

on_breakpoint:
  incl own_breakpoints
  iretq

on_debug:
  incl own_debugs
  iretq

  .balign 8
  .data
gdt:
  .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff
  .quad 0x0000890000000067, 0
gdt_pointer:
  .word . - gdt - 1
  .quad gdt
idt_pointer:
  .word 32 * 16 - 1
  .quad idt
  .globl calls, watched, own_breakpoints, own_debugs
calls: .long 0
watched: .long 0
own_breakpoints: .long 0
own_debugs: .long 0

/* The first gigabyte as it is, open to level 3. */
  .balign 4096
root: .fill 512, 8, 0
pointers: .fill 512, 8, 0
directory:
  .set page, 0
  .rept 512
  .quad page | 0x87
  .set page, page + 0x200000
  .endr

  .bss
  .balign 16
idt: .skip 32 * 16
tss: .skip 104
  .balign 16
  .skip 4096
stack0_top:
  .skip 4096
stack3_top:

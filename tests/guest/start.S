/* start.S -- Multiboot entry, a GDT of our own, and one stub for each of the 48 vectors in use. */
/* SPDX-License-Identifier: MIT */
  .set MAGIC, 0x1badb002
  .set WANT_MEMORY_SIZE, 2
  .set CODE, 0x08
  .set DATA, 0x10

  .section .multiboot, "a"
  .balign 4
  .long MAGIC, WANT_MEMORY_SIZE, -(MAGIC + WANT_MEMORY_SIZE)

  .text
  .globl start
start:
  cli
  cld
  mov $stack_top, %esp
  push $0
  popf
  push %ebx
  push %eax
  lgdt gdt_pointer
  mov $DATA, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %fs
  mov %eax, %gs
  mov %eax, %ss
  ljmp $CODE, $1f
1:
  call guest_main
2:
  cli
  hlt
  jmp 2b

/* The exceptions that push an error code get no zero in its place, so that every frame looks alike. */
  .balign 16
  .globl vector_stubs
vector_stubs:
  .set vector, 0
  .rept 48
  .balign 16
  .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17)
  .else
  push $0
  .endif
  push $vector
  jmp common_stub
  .set vector, vector + 1
  .endr

common_stub:
  pusha
  cld
  push %esp
  call trap_taken
  add $4, %esp
  popa
  add $8, %esp
  iret

  .section .rodata
  .balign 8
gdt:
  .quad 0
  .quad 0x00cf9b000000ffff
  .quad 0x00cf93000000ffff
gdt_pointer:
  .word gdt_pointer - gdt - 1
  .long gdt

  .bss
  .balign 16
  .skip 16384
stack_top:

  .section .note.GNU-stack, "", @progbits

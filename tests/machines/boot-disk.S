/* boot-disk.S -- a boot sector that says so on port 0x402, reads the next sector, writes the one behind it, and halts for good. */
/* SPDX-License-Identifier: MIT */
  .code16
  .globl _start
_start:
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movw $0x7c00, %sp
  movw $begun, %si
  call say
  movw $0x0201, %ax             /* one sector: 0/0/2 to 0x8000 */
  movw $0x0002, %cx
  movw $0x0080, %dx
  movw $0x8000, %bx
  int $0x13
  jc fail
  movw $0x8000, %si
  call say
  movw $packet, %si             /* sector 2, by its number */
  movb $0x43, %ah
  movb $0, %al
  movb $0x80, %dl
  int $0x13
  jc fail
  movw $done, %si
  call say
  jmp stop
fail:
  movw $failed, %si
  call say
stop:
  cli
  hlt
  jmp stop
say:
  lodsb
  testb %al, %al
  jz 1f
  movw $0x402, %dx
  outb %al, %dx
  jmp say
1:
  ret
begun: .asciz "boot sector: here\n"
failed: .asciz "boot sector: the disk failed\n"
done: .asciz "boot sector: done\n"
  .balign 4
packet: .byte 16, 0
  .word 1, text, 0
  .quad 2
text: .ascii "written by the guest"
  .org 510
  .word 0xaa55
  .asciz "boot sector: the second one is here\n"
  .org 1024

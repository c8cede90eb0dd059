/* guest.S -- a BIOS image of 64 KiB that computes and ends: what plugins count in it can be told from reading it. */
/* SPDX-License-Identifier: MIT */
/*
 * It runs on guest.ini, and on qemu-system-i386 -bios.  Interrupts stay off and no device is looked at, so that every run executes the same instructions:
 * without the repeated string instructions 10,000 and some.  Each part is a function, whose address its name tells.
 * Assemble as 32-bit code, link at 0xf0000 (guest.ld), and take the bytes.
 */
#define EXIT_PORT 0xf4
#define N 1000

        .text
        .code32
image:

/* --- parts ------------------------------------------------------------------------------ */

/* 2 + 4 * N instructions, no accesses but the return's load: a loop of one block. */
        .globl  registers_only
registers_only:
        movl    $N, %ecx
1:      addl    $3, %eax
        xorl    %eax, %edx
        decl    %ecx
        jnz     1b
        ret

/* 1 + 5 * N + 1; each time a load, a store, a load and a store at once. */
        .globl  loads_and_stores
loads_and_stores:
        movl    $N, %ecx
1:      movl    cells, %eax
        movl    %eax, cells + 4
        incl    cells + 8
        decl    %ecx
        jnz     1b
        ret

/* 1 + N * (3 + 4) + 1; each time: two pushes (with the call's), two pops (with the return's). */
        .globl  calls
calls:
        movl    $N, %ecx
1:      call    leaf
        decl    %ecx
        jnz     1b
        ret
leaf:   pushl   %ebx
        movl    %ecx, %ebx
        popl    %ebx
        ret

/* Every size: 1, 2, 4, 8 (x87), 10 (x87), 16 (SSE), loads and stores; 14 + 1. */
        .globl  sizes
sizes:
        movb    cells, %al
        movb    %al, cells + 64
        movw    cells, %ax
        movw    %ax, cells + 64
        movl    cells, %eax
        movl    %eax, cells + 64
        fldl    cells + 16
        fstpl   cells + 64
        fldt    cells + 32
        fstpt   cells + 64
        movups  cells + 16, %xmm0
        movups  %xmm0, cells + 64
        movsbl  cells, %eax
        movzbl  cells, %edx
        ret

/* 256 elements of 4 bytes, 100 of 1 stored, 16 copied downwards: 372 stores and 272 loads. */
        .globl  strings
strings:
        cld
        movl    $source, %esi
        movl    $target, %edi
        movl    $256, %ecx
        rep movsl
        movl    $target, %edi
        movl    $100, %ecx
        movb    $0x5a, %al
        rep stosb
        movl    $target + 115, %edi
        movl    $source + 15, %esi
        movl    $16, %ecx
        std
        rep movsb
        cld
        ret

/* Three exceptions (#DE); the handler steps over the division. */
        .globl  faults
faults:
        movl    $3, %ebp
1:      xorl    %ecx, %ecx
        xorl    %edx, %edx
        movl    $7, %eax
        divl    %ecx
        decl    %ebp
        jnz     1b
        ret

        .globl  on_divide_error
on_divide_error:
        addl    $2, (%esp)
        iretl

/* --- start ----------------------------------------------------------------------------------- */

        .globl  protected
protected:
        movw    $0x10, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $0x8000, %esp
        lidtl   idt_pointer
        movl    %cr0, %eax
        andl    $~4, %eax               /* EM */
        orl     $2, %eax                /* MP */
        movl    %eax, %cr0
        movl    %cr4, %eax
        orl     $0x600, %eax            /* OSFXSR, OSXMMEXCPT */
        movl    %eax, %cr4
        fninit
        movl    $on_divide_error, %eax  /* the gate of #DE */
        movw    %ax, idt
        movw    $8, idt + 2
        movw    $0x8e00, idt + 4
        shrl    $16, %eax
        movw    %ax, idt + 6
        call    registers_only
        call    loads_and_stores
        call    calls
        call    sizes
        call    strings
        call    faults
        movl    $0x10, %eax
        outl    %eax, $EXIT_PORT
1:      cli
        hlt
        jmp     1b

        .p2align 3
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      /* accessed already: nothing is stored here */
        .quad   0x00cf93000000ffff
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt
idt_pointer:
        .word   8 * 8 - 1
        .long   idt

        .code16
real:
        cli
        movw    $0xf000, %ax
        movw    %ax, %ds
        lgdtl   gdt_pointer - image
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $8, $protected

        .section .reset, "ax"
        .code16
        jmp     real
        .p2align 4

/* RAM, cleared by nobody: all of it is 0. */
        .section .bss
idt:    .skip   64
cells:  .skip   128
source: .skip   1024
target: .skip   1024

/* guest.S -- queues three alarms, sees the interrupt request of the first, and prints their tags as they come; its exit status is 33. */
/* SPDX-License-Identifier: MIT */
        .set    ALARMS, 0xd0010000

        .text
        .align  4
        .long   0x1badb002, 0, -0x1badb002      # a Multiboot header: that is all it takes to be started in 32-bit mode
        .globl  _start
_start:
        mov     $ALARMS, %edi
        movl    $'c', 0(%edi)           # tag
        movl    $3000, 4(%edi)          # delay, in microseconds
        movl    $'a', 0(%edi)
        movl    $1000, 4(%edi)
        movl    $'b', 0(%edi)
        movl    $2000, 4(%edi)
1:      mov     $0x0a, %al              # the interrupt controller's request register
        out     %al, $0x20
        in      $0x20, %al
        test    $1 << 5, %al
        jz      1b
        mov     $3, %ecx
2:      mov     8(%edi), %eax           # due
        cmp     $-1, %eax
        je      2b
        mov     $0x3f8, %dx
        out     %al, %dx
        loop    2b
        mov     $'\n', %al
        out     %al, %dx
        mov     $16, %al                # the exit port: status 16 * 2 + 1
        out     %al, $0xf4
3:      hlt
        jmp     3b

/* linux.S -- an option ROM that takes the place of the boot and starts Linux from real mode, as a boot loader does, so that its set-up asks the video BIOS for a mode. */
/* SPDX-License-Identifier: MIT */
/*
 * The parts come from fw_cfg by DMA: opt/org.backplane/setup (the first sectors of a bzImage), kernel (the rest), initrd, cmdline.  VIDEO_MODE is what `vga=' says:
 * 0xffff for text.
 */
        .code16
        .intel_syntax noprefix
        .set SETUP, 0x9000              /* a segment */
        .set HEAP_END, 0xe000
        .set INITRD, 0x10000000
        .set DIRECTORY, 0x2000          /* a segment */
        .set REQUEST, 0x6000            /* in segment 0 */

        .text
start:  .byte 0x55, 0xaa, ROM_BLOCKS
        push    es
        push    ax
        xor     ax, ax
        mov     es, ax
        mov     word ptr es:[0x19 * 4], offset boot
        mov     es:[0x19 * 4 + 2], cs
        pop     ax
        pop     es
        lret

/* --- fw_cfg ---------------------------------------------------------------------------------- */

/* Reads ECX bytes of item AX to EDI; all numbers of a request are big-endian. */
read_item:
        shl     eax, 16
        or      eax, 0x0a               /* select, read */
        bswap   eax
        mov     gs:[REQUEST], eax
        mov     eax, ecx
        bswap   eax
        mov     gs:[REQUEST + 4], eax
        xor     eax, eax
        mov     gs:[REQUEST + 8], eax
        mov     eax, edi
        bswap   eax
        mov     gs:[REQUEST + 12], eax
        mov     dx, 0x514
        xor     eax, eax
        out     dx, eax
        mov     dx, 0x518
        mov     eax, REQUEST
        bswap   eax
        out     dx, eax
1:      mov     eax, gs:[REQUEST]
        bswap   eax
        test    eax, ~1
        jnz     1b
        ret

/* The file whose name is at CS:SI goes to EDI; ECX is its size. */
read_file:
        push    edi
        mov     ax, DIRECTORY
        mov     es, ax
        mov     edi, 4
1:      mov     ecx, es:[di]
        bswap   ecx
        mov     ax, es:[di + 4]
        xchg    al, ah
        xor     bx, bx
2:      mov     dl, cs:[si + bx]
        cmp     dl, es:[di + bx + 8]
        jne     3f
        inc     bx
        test    dl, dl
        jnz     2b
        pop     edi
        jmp     read_item
3:      add     di, 64
        jmp     1b

/* --- the boot ---------------------------------------------------------------------------------- */

boot:   cli
        xor     ax, ax
        mov     ss, ax
        mov     gs, ax
        mov     sp, 0x7000
        sti
        mov     ax, 0x19
        mov     edi, DIRECTORY << 4
        mov     ecx, 0x2000
        call    read_item
        mov     si, offset setup_name
        mov     edi, SETUP << 4
        call    read_file
        mov     si, offset kernel_name
        mov     edi, 0x100000
        call    read_file
        mov     si, offset cmdline_name
        mov     edi, (SETUP << 4) + HEAP_END
        call    read_file
        mov     si, offset initrd_name
        mov     edi, INITRD
        call    read_file

        cli
        mov     ax, SETUP
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        mov     ss, ax
        mov     sp, HEAP_END
        mov     word ptr ds:[0x1fa], VIDEO_MODE
        mov     byte ptr ds:[0x210], 0xff
        or      byte ptr ds:[0x211], 0x80
        mov     word ptr ds:[0x224], HEAP_END - 0x200
        mov     dword ptr ds:[0x228], (SETUP << 4) + HEAP_END
        mov     dword ptr ds:[0x218], INITRD
        mov     ds:[0x21c], ecx
        ljmp    SETUP + 0x20, 0

setup_name:     .asciz "opt/org.backplane/setup"
kernel_name:    .asciz "opt/org.backplane/kernel"
initrd_name:    .asciz "opt/org.backplane/initrd"
cmdline_name:   .asciz "opt/org.backplane/cmdline"

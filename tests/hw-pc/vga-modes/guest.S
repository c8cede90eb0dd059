/* guest.S -- an option ROM that takes the place of the boot (interrupt 19h), draws in every mode of the video BIOS and then by registers, and announces each. */
/* SPDX-License-Identifier: MIT */
/*
 * A picture that stands is announced by its number, a byte to port 0xe8.  What that port reads tells whether somebody took it already; 0xe9 is QEMU's debug
 * console, and then a key is waited for.  After the last picture comes 0xff.
 */
        .code16
        .intel_syntax noprefix
        .set PORT, 0xe8
        .set VARIABLES, 0x6000          /* in segment 0 */
        .set number, 0                  /* of the picture */
        .set seed, 2
        .set columns, 4
        .set mode, 6
        .set info, 0x100                /* VBE's answers */
        .set block, 0x400

        .text
        .globl start
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

        .macro put port, index, value
        mov     dx, \port
        mov     ax, \index | \value << 8
        out     dx, ax
        .endm

/* --- announcing ----------------------------------------------------------------------------- */

show:   mov     al, gs:[VARIABLES + number]
        inc     byte ptr gs:[VARIABLES + number]
announce:
        mov     dx, PORT
        out     dx, al
        in      al, dx
        cmp     al, 0xe9
        jne     1f
        xor     ax, ax
        int     0x16
1:      ret

/* --- filling ---------------------------------------------------------------------------------- */

/* CX words (0: 64K bytes) from ES:0, each from its address and the seed. */
fill:   xor     di, di
        cld
1:      mov     ax, di
        mov     bx, di
        shr     bx, 5
        imul    ax, ax, 0x1357
        add     ax, bx
        add     ax, gs:[VARIABLES + seed]
        stosw
        test    di, di
        jz      2f
        dec     cx
        jnz     1b
2:      add     word ptr gs:[VARIABLES + seed], 0x2b3d
        ret

/* Each of the four planes at A000, CX words. */
fill_planes:
        mov     ax, 0xa000
        mov     es, ax
        mov     ax, 0x0102
1:      mov     dx, 0x3c4
        out     dx, ax
        push    ax
        push    cx
        call    fill
        pop     cx
        pop     ax
        shl     ah, 1
        test    ah, 0x10
        jz      1b
        mov     ax, 0x0f02
        out     dx, ax
        ret

/* Characters at ES:0, CX of them.  In nine dots b0 to bf differ among adapters; attributes are masked with BL. */
fill_text:
        xor     di, di
1:      mov     ax, di
        shr     ax, 1
        mov     dx, ax
        shr     dx, 4
        imul    dx, dx, 3
        add     dx, ax
        and     dl, bl
        mov     ah, al
        and     ah, 0xf0
        cmp     ah, 0xb0
        jne     2f
        or      al, 0x40
2:      mov     ah, dl
        stosw
        loop    1b
        ret

/* The mode in AX, cleared and without a cursor. */
set_mode:
        int     0x10
        mov     ax, 0x0100
        mov     cx, 0x2000
        int     0x10
        ret

/* --- the BIOS's modes ---------------------------------------------------------------------------- */

/* Eight dots: QEMU knows no sixteen and two. */
text_40:
        call    set_mode
        put     0x3c4, 1, 0x09
        mov     cx, 1000
        jmp     1f
text_80:
        call    set_mode
        mov     cx, 2000
1:      mov     ax, 0xb800
        mov     es, ax
        mov     bl, 0x7f
        call    fill_text
        jmp     show
/* At B000, and the CRTC at 3b4.  (The BIOS's mode 7 looks for the attribute controller at 3da all the same, and leaves the screen dark.) */
text_mono:
        call    set_mode
        put     0x3ce, 6, 0x0a
        mov     ax, 0xb000
        mov     es, ax
        mov     cx, 2000
        mov     bl, 0x78                /* never underlined */
        call    fill_text
        mov     dx, 0x3c2
        mov     al, 0x66
        out     dx, al
        put     0x3b4, 0x0c, 0x00
        put     0x3b4, 0x0d, 0x50
        call    show
        mov     dx, 0x3c2
        mov     al, 0x67
        out     dx, al
        ret
cga:    call    set_mode
        mov     ax, 0xb800
        mov     es, ax
        mov     cx, 8192
        call    fill
        jmp     show
planar: call    set_mode
        mov     cx, 19200
        call    fill_planes
        jmp     show
packed: call    set_mode
        mov     ax, 0xa000
        mov     es, ax
        mov     cx, 32000
        call    fill
        jmp     show

/* --- VBE ------------------------------------------------------------------------------------------- */

/* The number of 64K banks of the mode's picture, in CX. */
banks:  movzx   eax, word ptr es:[VARIABLES + info + 0x10]
        movzx   ecx, word ptr es:[VARIABLES + info + 0x14]
        imul    ecx, eax
        add     ecx, 0xffff
        shr     ecx, 16
        ret

select_bank:
        push    ax
        mov     dx, 0x1ce
        mov     ax, 5
        out     dx, ax
        inc     dx
        mov     ax, cx
        out     dx, ax
        pop     ax
        ret

fill_bank:
        push    cx
        call    select_bank
        mov     ax, 0xa000
        mov     es, ax
        xor     cx, cx
        call    fill
        pop     cx
        ret

/* Mode DX; all banks. */
vbe_set:
        mov     gs:[VARIABLES + mode], dx
        push    gs
        pop     es
        mov     di, VARIABLES + info
        mov     cx, dx
        mov     ax, 0x4f01
        int     0x10
        cmp     ax, 0x004f
        jne     9f
        test    byte ptr gs:[VARIABLES + info], 1
        jz      9f
        cmp     byte ptr gs:[VARIABLES + info + 0x19], 4
        je      9f                      /* QEMU leaves such a mode as the last one had the planes */
        mov     ax, 0x4f02
        mov     bx, gs:[VARIABLES + mode]
        int     0x10
        cmp     ax, 0x004f
        jne     9f
        call    banks
        xchg    cx, ax
        xor     cx, cx
1:      push    ax
        call    fill_bank
        pop     ax
        inc     cx
        cmp     cx, ax
        jb      1b
        clc
        ret
9:      stc
        ret

vbe_all:
        push    gs
        pop     es
        mov     di, VARIABLES + block
        mov     dword ptr es:[di], 0x32454256   /* "VBE2" */
        mov     ax, 0x4f00
        int     0x10
        cmp     ax, 0x004f
        jne     9f
        lfs     si, gs:[VARIABLES + block + 14]
1:      mov     dx, fs:[si]
        cmp     dx, 0xffff
        je      9f
        add     si, 2
        cmp     dx, 0x100               /* the VGA's own are in the list as well */
        jb      1b
        push    fs
        push    si
        call    vbe_set
        jc      2f
        call    show
2:      pop     si
        pop     fs
        jmp     1b
9:      ret

/* 640x480 in the mode of AX with a longer line, and a picture that begins elsewhere. */
vbe_scrolled:
        mov     dx, ax
        call    vbe_set
        jc      9f
        mov     ax, 0x4f06
        xor     bl, bl
        mov     cx, 1024
        int     0x10
        mov     ax, 0x4f07
        xor     bx, bx
        mov     cx, 64
        mov     dx, 33
        int     0x10
        call    show
9:      ret

/* 256 colours of eight bits each. */
vbe_wide_dac:
        mov     dx, 0x101
        call    vbe_set
        mov     ax, 0x4f08
        mov     bx, 0x0800
        int     0x10
        mov     dx, 0x3c8
        xor     al, al
        out     dx, al
        inc     dx
        xor     cx, cx
1:      mov     al, cl
        out     dx, al
        rol     al, 3
        out     dx, al
        not     al
        out     dx, al
        inc     cl
        jnz     1b
        jmp     show

/* --- by registers ---------------------------------------------------------------------------------- */

/* 320x240 in four planes of bytes: as it is, from another address, and split. */
mode_x: mov     ax, 0x13
        call    set_mode
        put     0x3c4, 4, 0x06
        put     0x3d4, 0x11, 0x0c
        put     0x3d4, 0x14, 0x00
        put     0x3d4, 0x17, 0xe3
        mov     dx, 0x3c2
        mov     al, 0xe3
        out     dx, al
        put     0x3d4, 0x06, 0x0d
        put     0x3d4, 0x07, 0x3e
        put     0x3d4, 0x09, 0x41
        put     0x3d4, 0x10, 0xea
        put     0x3d4, 0x11, 0xac
        put     0x3d4, 0x12, 0xdf
        put     0x3d4, 0x15, 0xe7
        put     0x3d4, 0x16, 0x06
        xor     cx, cx
        call    fill_planes
        call    show
        put     0x3d4, 0x0c, 0x12
        put     0x3d4, 0x0d, 0x34
        call    show
        put     0x3d4, 0x18, 0x65       /* line compare */
        put     0x3d4, 0x07, 0x2e
        put     0x3d4, 0x09, 0x01
        jmp     show

/* Bit masks, rotation, functions, set/reset and the four write modes, one in each eighth of 640x480. */
write_modes:
        mov     ax, 0x12
        call    set_mode
        mov     cx, 19200
        call    fill_planes
        mov     ax, 0xa000
        mov     es, ax
        mov     si, offset write_table
        xor     di, di
1:      mov     dx, 0x3ce
        xor     bx, bx
2:      mov     al, cs:[si + bx]        /* index, value ... */
        cmp     al, 0xff
        je      3f
        mov     ah, cs:[si + bx + 1]
        out     dx, ax
        add     bx, 2
        jmp     2b
3:      lea     si, [si + bx + 1]
        mov     cx, 4800
4:      mov     al, es:[di]             /* latches */
        mov     ax, di
        imul    ax, ax, 7
        mov     es:[di], ah
        inc     di
        loop    4b
        cmp     si, offset write_table_end
        jb      1b
        put     0x3ce, 5, 0
        jmp     show
write_table:
        .byte   5, 0, 3, 0x0b, 8, 0x3c, 0xff                    /* mode 0: AND, rotated by three, four bits */
        .byte   3, 0x10, 0, 0x05, 1, 0x03, 8, 0xff, 0xff        /* mode 0: OR, planes 0 and 1 from set/reset */
        .byte   5, 2, 3, 0x18, 8, 0x7e, 0xff                    /* mode 2: XOR */
        .byte   5, 3, 3, 0x00, 0, 0x0a, 8, 0xf3, 0xff           /* mode 3 */
        .byte   5, 1, 0xff                                      /* mode 1: from the latches */
        .byte   5, 0, 0, 0x09, 1, 0x0f, 3, 0, 8, 0x55, 0xff
        .byte   5, 0, 1, 0, 3, 0x1f, 8, 0xff, 0xff
        .byte   5, 3, 3, 0x0a, 0, 0x06, 8, 0xff, 0xff
write_table_end:

/* What comparing colours reads, written into plane 0 of the lower half. */
read_modes:
        mov     ax, 0x12
        call    set_mode
        mov     cx, 19200
        call    fill_planes
        put     0x3ce, 5, 0x08
        put     0x3ce, 2, 0x05
        put     0x3ce, 7, 0x0d
        put     0x3c4, 2, 0x01
        mov     ax, 0xa000
        mov     es, ax
        xor     di, di
1:      mov     al, es:[di]
        mov     es:[di + 19200], al
        inc     di
        cmp     di, 19200
        jb      1b
        put     0x3ce, 5, 0x00
        put     0x3ce, 4, 0x02          /* and plane 2 goes to plane 3 */
        put     0x3c4, 2, 0x08
        xor     di, di
2:      mov     al, es:[di]
        mov     es:[di + 19200], al
        inc     di
        cmp     di, 9600
        jb      2b
        jmp     show

/* Lines of 16 colours twice as high, then some planes only, then another palette. */
planar_registers:
        mov     ax, 0x12
        call    set_mode
        mov     cx, 0
        call    fill_planes
        put     0x3d4, 0x09, 0x41
        call    show
        put     0x3d4, 0x0c, 0x40
        put     0x3d4, 0x13, 0x2c       /* longer lines */
        call    show
        mov     ax, 0x1000              /* a colour, without which QEMU draws nothing anew */
        mov     bx, 0x3a04
        int     0x10
        mov     ax, 0x1000              /* attribute 12h: planes */
        mov     bx, 0x0512
        int     0x10
        call    show
        mov     ax, 0x1000
        mov     bx, 0x0f12
        int     0x10
        mov     ax, 0x1013              /* four bits from the colour select register */
        mov     bx, 0x0100
        int     0x10
        mov     ax, 0x1013
        mov     bx, 0x0501
        int     0x10
        mov     ax, 0x1010
        mov     bx, 0x0053
        mov     cx, 0x2a15
        mov     dh, 0x3f
        int     0x10
        jmp     show

/* --- text by registers --------------------------------------------------------------------------- */

text_registers:
        mov     ax, 3
        call    set_mode
        mov     ax, 0x1003              /* bright backgrounds */
        mov     bx, 0
        int     0x10
        mov     ax, 0xb800
        mov     es, ax
        mov     cx, 8000
        mov     bl, 0xff
        call    fill_text
        call    show
        mov     ax, 0x1112              /* 8x8: fifty rows */
        xor     bl, bl
        int     0x10
        mov     ax, 0x0100
        mov     cx, 0x2000
        int     0x10
        mov     ax, 0xb800
        mov     es, ax
        mov     cx, 8000
        mov     bl, 0xff
        call    fill_text
        call    show
        put     0x3d4, 0x0c, 0x01       /* another start */
        put     0x3d4, 0x0d, 0x45
        call    show
        mov     ax, 3
        call    set_mode
        mov     ax, 0x1101              /* 8x14 in block 2, for bright characters */
        mov     bl, 2
        int     0x10
        mov     ax, 0x1103
        mov     bl, 0x08
        int     0x10
        mov     ax, 0xb800
        mov     es, ax
        mov     cx, 2000
        mov     bl, 0x7f
        call    fill_text
        call    show
        put     0x3c4, 1, 0x01          /* eight dots */
        jmp     show

/* --- the order of things ------------------------------------------------------------------------------ */

boot:   cli
        xor     ax, ax
        mov     ss, ax
        mov     sp, 0x7000
        mov     gs, ax
        sti
        mov     word ptr gs:[VARIABLES + number], 0
        mov     word ptr gs:[VARIABLES + seed], 0
        mov     si, offset steps
1:      mov     ax, cs:[si]
        mov     bx, cs:[si + 2]
        test    bx, bx
        jz      2f
        add     si, 4
        push    si
        call    bx
        pop     si
        jmp     1b
2:      mov     al, 0xff
        call    announce
3:      hlt
        jmp     3b

        .macro step what, mode
        .word   \mode, \what
        .endm
steps:  step    text_40, 0x00
        step    text_40, 0x01
        step    text_80, 0x02
        step    text_80, 0x03
        step    cga, 0x04
        step    cga, 0x05
        step    cga, 0x06
        step    text_mono, 0x03
        step    planar, 0x0d
        step    planar, 0x0e
        step    planar, 0x0f
        step    planar, 0x10
        step    planar, 0x11
        step    planar, 0x12
        step    packed, 0x13
        step    mode_x, 0
        step    write_modes, 0
        step    read_modes, 0
        step    planar_registers, 0
        step    text_registers, 0
        step    vbe_scrolled, 0x101
        step    vbe_scrolled, 0x111
        step    vbe_scrolled, 0x112
        step    vbe_wide_dac, 0
        step    vbe_all, 0
        .word   0, 0

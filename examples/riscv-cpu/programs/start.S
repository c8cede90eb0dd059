/* start.S -- the first instructions, and the way into and out of traps. */
/* SPDX-License-Identifier: MIT */
        .section .text.start
        .globl  _start
_start:
        .option push
        .option norelax
        la      gp, __global_pointer$
        .option pop
        la      sp, stack_top
        la      t0, bss_start           # a loader of plain bytes knows nothing of it, and a reset leaves memory alone
        la      t1, bss_end
1:      sw      zero, 0(t0)
        addi    t0, t0, 4
        bltu    t0, t1, 1b
        la      t0, trap_entry
        csrw    mtvec, t0
        call    main
        call    finish

        .text
        .align  2
        .globl  trap_entry
trap_entry:
        addi    sp, sp, -128
        .irp    n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        sw      x\n, 4 * \n(sp)
        .endr
        addi    t0, sp, 128
        sw      t0, 8(sp)
        csrr    a0, mcause
        mv      a1, sp
        call    trap
        .irp    n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        lw      x\n, 4 * \n(sp)
        .endr
        lw      sp, 8(sp)
        mret

        .bss
        .align  4
        .space  16384
stack_top:

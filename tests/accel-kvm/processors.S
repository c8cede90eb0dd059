/* processors.S -- two processors, 16 bits: INIT and start-up messages, interrupts and NMI between them, memory that changes while the other one runs in it. */
/* SPDX-License-Identifier: MIT */
#include "guest.inc"
	.set	RUNS, 0x600		# the other's turns
	.set	STOP, 0x604		# it shall halt
	.set	HALTS, 0x608		# it does
	.set	NMIS, 0x60c
	.set	IPIS, 0x610
	.set	LOOP, 0x5000		# its program, in RAM
	.code16
	.text

	.macro	SEND message
	movl	$0x01000000, %es:0x310
	movl	$\message, %es:0x300
	.endm

	/* The local APIC within reach of %es, and on. */
	.macro	USE_LAPIC base_flags
	movl	$0x1b, %ecx		# IA32_APIC_BASE
	movl	$LAPIC_LOW + \base_flags, %eax
	xorl	%edx, %edx
	wrmsr
	movw	$LAPIC_LOW >> 4, %ax
	movw	%ax, %es
	movl	$0x1ff, %es:0xf0
	.endm

	.globl	_start
_start:
	cli
	cld
	xorl	%eax, %eax
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	movw	%ax, %es
	movw	$0x7000, %sp
	movw	%cs, %ax
	movw	%ax, %ds
	movw	$program, %si
	movw	$LOOP, %di
	movw	$program_end - program, %cx
	rep movsb
	xorw	%ax, %ax
	movw	%ax, %ds
	movl	$0xf0000000 + on_nmi, 2 * 4
	movl	$0xf0000000 + on_ipi, 0x50 * 4
	USE_LAPIC 0x900
	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%esi, %esi
	xorl	%edi, %edi
	xorl	%ebp, %ebp
	POINT	1			# the other one waits
	call	start
# --- a slot is replaced under its feet -------------------------------------------------------
	movw	$OVERLAY >> 4, %ax
	movw	%ax, %ds
	movl	$0x600dcafe, %ds:0x10
	movw	$200, %cx
1:	COMMAND	PORT_OVERLAY, 1
	movw	%cx, %ds:0x10
	addw	%ds:0x10, %bx
	COMMAND	PORT_OVERLAY, 0
	addl	%ds:0x10, %edx
	decw	%cx
	jnz	1b
	xorw	%ax, %ax
	movw	%ax, %ds
	movl	RUNS, %eax
2:	inb	$PORT_LATE, %al		# it still runs
	cmpl	RUNS, %eax
	je	2b
	call	stop
	POINT	2
# --- messages ----------------------------------------------------------------------------------
	SEND	0x4400			# NMI
3:	cmpb	$1, NMIS
	jne	3b
	movw	$3, %cx
4:	movb	IPIS, %ah
	SEND	0x4050
5:	cmpb	IPIS, %ah
	je	5b
	decw	%cx
	jnz	4b
	call	settle
	xorl	%eax, %eax
	POINT	3
	SEND	0x4500			# INIT
	call	settle
	xorl	%eax, %eax
	POINT	4
	call	start
	call	stop
	POINT	5
	COMMAND	PORT_EXIT, 0
6:	cli
	hlt
	jmp	6b

/* Sends for the other processor and waits until it runs. */
start:
	movl	$0, RUNS
	movl	$0, STOP
	movl	$0, HALTS
	SEND	0x4500			# INIT
	SEND	0x46f1			# start at f1000
	SEND	0x46f1
1:	cmpl	$10, RUNS
	jb	1b
	ret

/* Lets it halt. */
stop:
	movb	$1, STOP
1:	cmpb	$1, HALTS
	jne	1b
	movl	$0, RUNS
	call	settle
	xorl	%eax, %eax
	ret

/* Until it has come to its HLT, or has seen a message.  That cannot be asked for: some 50 ms, in which a busy host runs its thread. */
settle:
	pushl	%ebx
	pushl	%edx
	rdtsc
	movl	%eax, %ebx
1:	inb	$PORT_LATE, %al
	rdtsc
	subl	%ebx, %eax
	cmpl	$1 << 27, %eax
	jb	1b
	popl	%edx
	popl	%ebx
	ret

on_nmi:
	pushw	%ds
	pushw	$0
	popw	%ds
	incb	NMIS
	popw	%ds
	iretw
on_ipi:
	pushw	%es
	pushw	$LAPIC_LOW >> 4
	popw	%es
	movl	$0, %es:0xb0
	popw	%es
	incb	IPIS
	iretw

/* The other's, copied to RAM. */
program:
	lock incl RUNS
	cmpb	$0, STOP
	je	program
	movb	$1, HALTS
1:	sti
	hlt
	jmp	1b
program_end:

	.org	0x1000
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$0x6000, %sp
	USE_LAPIC 0x800
	xorl	%eax, %eax
	ljmp	$0, $LOOP

	.org	0xfff0
	ljmp	$0xf000, $_start
	.org	0x10000

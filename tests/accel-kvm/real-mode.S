/* real-mode.S -- a guest of 16 bits, all of it in ROM: ports, memory of devices, exceptions, interrupts of PIC and PIT, banks, late writes, dirty pages. */
/* SPDX-License-Identifier: MIT */
#include "guest.inc"
	.code16
	.text
	.globl	_start
_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	movw	$0x7000, %sp
	movl	$0x11111111, %ebx
	movl	$0x22222222, %ecx
	movl	$0x33333333, %edx
	movl	$0x44444444, %esi
	movl	$0x55555555, %edi
	movl	$0x66666666, %ebp
	xorl	%eax, %eax
	POINT	1

# --- ports ---------------------------------------------------------------------------------
	movw	$PORT_DATA, %dx
	movl	$0x89abcdef, %eax
	outb	%al, %dx
	outw	%ax, %dx
	outl	%eax, %dx
	inb	%dx, %al
	movl	%eax, %ebx
	inw	%dx, %ax
	addl	%eax, %ebx
	inl	%dx, %eax
	addl	%eax, %ebx
	movw	$0xf000, %ax
	movw	%ax, %ds
	movw	$_start, %si
	movw	$100, %cx
	rep outsb
	movw	$25, %cx
	rep outsl
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	$0x2000, %di
	movw	$33, %cx
	rep insb
	movw	$16, %cx
	rep insw
	movw	$1500, %cx		# more than a page
	rep insl
	std
	movw	$7, %cx
	rep insb
	cld
	POINT	2

# --- memory of a device ------------------------------------------------------------------------
	movw	$MMIO >> 4, %ax
	movw	%ax, %es
	xorw	%di, %di
	movl	$0x01020304, %eax
	movb	%al, %es:(%di)
	movw	%ax, %es:3(%di)
	movl	%eax, %es:6(%di)
	addb	$5, %es:(%di)
	incw	%es:3(%di)
	orl	$0x80808080, %es:6(%di)
	xchgl	%eax, %es:16(%di)
	cmpxchgl %ebx, %es:16(%di)
	notb	%es:20(%di)
	movzbl	%es:6(%di), %ebx
	movswl	%es:3(%di), %ecx
	pushl	%es:6(%di)
	popl	%edx
	movw	$64, %di
	movl	$0xcafef00d, %eax
	movw	$40, %cx
	rep stosl
	movw	$0x100, %di
	movw	$0x2000, %si
	movw	$65, %cx
	rep movsb			# RAM to device
	movw	%es, %ax
	movw	%ax, %ds
	xorw	%ax, %ax
	movw	%ax, %es
	movw	$0x100, %si
	movw	$0x4000, %di
	movw	$20, %cx
	rep movsw			# device to RAM
	movw	%ax, %ds
	POINT	3

# --- exceptions ---------------------------------------------------------------------------------
	movl	$0xf0000000 + on_divide, 0 * 4
	movl	$0xf0000000 + on_int, 0x60 * 4
	xorl	%esi, %esi
	movw	$0x1234, %ax
	xorw	%cx, %cx
	div	%cl			# two bytes
	int	$0x60
	movl	$0xf0000000 + on_trap, 1 * 4
	pushfw
	popw	%ax
	orw	$0x100, %ax
	pushw	%ax
	popfw
	hlt				# whose trap ends it; nor does the run end here
	xorw	%ax, %ax
	movw	$0x6f00, %di		# what lies below the stack
	movw	$0x80, %cx
	rep stosw
	POINT	4

# --- PIC and PIT ----------------------------------------------------------------------------------
	movl	$0xf0000000 + on_tick, 0x20 * 4
	COMMAND	0x20, 0x11
	COMMAND	0x21, 0x20
	COMMAND	0x21, 0x04
	COMMAND	0x21, 0x01
	COMMAND	0x21, 0xfe
	COMMAND	0x43, 0x34
	COMMAND	0x40, 0x9c		# 1193182 / 0x2e9c: 100 a second
	COMMAND	0x40, 0x2e
	xorl	%ebx, %ebx
1:	sti
	hlt
	cli
	cmpw	$5, %bx
	jb	1b
	COMMAND	0x21, 0xff
	COMMAND	0x40, 0
	xorl	%eax, %eax
	# once more, in a loop that does not halt
	movl	$0x5eed, %ebp
	xorl	%ebx, %ebx
	COMMAND	0x21, 0xfe
	sti
2:	cmpw	$3, %bx
	jb	2b
	cli
	COMMAND	0x21, 0xff
	xorw	%ax, %ax
	movw	$0x6f00, %di
	movw	$0x80, %cx
	rep stosw
	xorl	%ebp, %ebp
	xorl	%eax, %eax
	POINT	5

# --- banks: memory that changes places --------------------------------------------------------------
	movw	$WINDOW >> 4, %ax
	movw	%ax, %es
	xorl	%ebx, %ebx
	xorw	%cx, %cx
3:	movb	%cl, %al
	outb	%al, $PORT_BANK
	movw	%cx, %es:0x10
	movw	%cx, %es:0x3ffe
	incw	%cx
	cmpw	$8, %cx
	jb	3b
4:	decw	%cx
	movb	%cl, %al
	orb	$0x80, %al		# read only now
	outb	%al, $PORT_BANK
	movw	$0xffff, %es:0x10
	shll	$3, %ebx
	addw	%es:0x10, %bx
	addw	%es:0x3ffe, %bx
	testw	%cx, %cx
	jnz	4b
	COMMAND	PORT_BANK, 3
	movl	$0x00c3c031, %es:0x20	# code: xor %ax, %ax; ret ... far
	movb	$0xcb, %es:0x22
	movw	$0x7777, %ax
	lcall	$WINDOW >> 4, $0x20
	movw	%ax, %di
	COMMAND	PORT_BANK, 4
	movl	$0xcb1234b8, %es:0x20	# the same place: mov $0x1234, %ax; lret
	lcall	$WINDOW >> 4, $0x20
	movw	%ax, %si
	movw	$ODD >> 4, %ax
	movw	%ax, %es
	movl	$0x0badcafe, %es:0x7fe
	movl	$0xdeadbeef, %es:0xffc
	addl	$1, %es:0x7fe
	movl	%es:0xffa, %edx
	xorl	%eax, %eax
	POINT	6

# --- ROM --------------------------------------------------------------------------------------------
	movw	$0xf000, %ax
	movw	%ax, %es
	movl	%es:_start, %ebx
	movl	$0, %es:_start
	movl	%es:_start, %ecx
	xorl	%eax, %eax
	POINT	7

# --- late writes --------------------------------------------------------------------------------------
	movw	$LATE >> 4, %ax
	movw	%ax, %es
	xorw	%di, %di
	movw	$300, %cx
5:	movw	%cx, %es:(%di)
	movb	%cl, %es:7(%di)
	movl	%ecx, %es:8(%di)
	addw	$2, %di
	decw	%cx
	jnz	5b
	inb	$PORT_LATE, %al
	movzbl	%al, %ebx
	movw	%bx, %es:4
	movb	%es:0, %bh
	xorl	%eax, %eax
	POINT	8

# --- doorbells ------------------------------------------------------------------------------------------
	movw	$BELLS >> 4, %ax
	movw	%ax, %es
	movl	%eax, %es:0
	movb	%al, %es:0
	movw	%ax, %es:0
	movl	$0x55, %es:8
	movl	$0x56, %es:8		# not this
	movw	$0x55, %es:8		# nor this
	movl	$0x55, %es:8
	inb	$PORT_BELLS, %al
	movzbl	%al, %ebx
	xorl	%eax, %eax
	POINT	9

# --- dirty pages ----------------------------------------------------------------------------------------
	COMMAND	PORT_BANK, 0
	COMMAND	PORT_DIRTY, 1
	COMMAND	PORT_DIRTY, 2		# none
	movw	$WINDOW >> 4, %ax
	movw	%ax, %es
	movb	$1, %es:0x0000
	movb	$1, %es:0x2004
	movb	%es:0x1000, %ah		# a read
	COMMAND	PORT_DIRTY, 2		# 0 2
	COMMAND	PORT_DIRTY, 2		# none
	movb	$2, %es:0x2004
	COMMAND	PORT_BANK, 5		# the log of a slot that goes is not lost
	movb	$2, %es:0x1000
	COMMAND	PORT_BANK, 6
	COMMAND	PORT_DIRTY, 2		# 2 21
	movw	$ALL_BANKS >> 4, %ax
	movw	%ax, %es
	movb	$3, %es:0x1000		# an alias: page 1
	movw	$WINDOW >> 4, %ax
	movw	%ax, %es
	movw	$0x3fff, %di
	movw	$0x4242, %ax
	movw	%ax, %es:-1(%di)	# page 27
	movw	$ODD >> 4, %ax
	movw	%ax, %es
	movb	$9, %es:0x7ff		# page 7, by the dispatcher
	COMMAND	PORT_DIRTY, 2		# 1 7 27
	COMMAND	PORT_DIRTY, 0
	movb	$4, %es:0
	COMMAND	PORT_DIRTY, 1
	COMMAND	PORT_DIRTY, 2		# none
	movb	$4, %es:0
	COMMAND	PORT_DIRTY, 2		# 7
	COMMAND	PORT_DIRTY, 0
	xorl	%eax, %eax
	POINT	10

# --- code that changes ------------------------------------------------------------------------------------
	xorw	%ax, %ax
	movw	%ax, %es
	movl	$0xcb1234b8, 0x5000	# mov $0x1234, %ax; lret
	xorl	%ebx, %ebx
	movw	$50, %cx
6:	lcall	$0, $0x5000
	addw	%ax, %bx
	incw	0x5001
	loop	6b
	POINT	11

# --- registers of a processor that runs ---------------------------------------------------------------------
	xorl	%edi, %edi
	movl	$0x5eed, %ebp
	COMMAND	PORT_PEEK, 1
7:	testl	%edi, %edi
	jz	7b
	xorl	%eax, %eax
	POINT	12

# --- accesses that begin in one region and end in another ----------------------------------------------------
	xorl	%ebp, %ebp
	movw	$0xd000, %ax
	movw	%ax, %es
	movl	$0x11223344, %es:0x3fff	# RAM, MMIO
	movl	%es:0x3ffd, %ebx
	movl	$0x55667788, %es:0x4ffd	# MMIO, LATE
	movl	%es:0x4ffd, %ecx
	movl	$0x99aabbcc, %es:0x5fff	# LATE (a byte: how many accesses more of them are is the accelerator's affair), BELLS
	inb	$PORT_LATE, %al
	movzbl	%al, %edx
	inb	$PORT_BELLS, %al
	movzbl	%al, %esi
	movl	$0x12345678, %es:0x87fe	# nothing, ODD
	movl	%es:0x87fd, %edi
	movw	$4, %cx
	movw	$0x3ffa, %di
	movl	$0x600df00d, %eax
	rep stosl
	xorl	%eax, %eax
	POINT	13

	movb	$0, %al
	outb	%al, $PORT_EXIT
8:	cli
	hlt
	jmp	8b

on_divide:
	addw	$1, %si
	pushw	%bp
	movw	%sp, %bp
	addw	$2, 2(%bp)
	popw	%bp
	iretw
on_trap:
	pushw	%bp
	movw	%sp, %bp
	andw	$0xfeff, 6(%bp)
	popw	%bp
	addl	$0x10000, %esi
	iretw

on_int:
	addw	$0x100, %si
	iretw
on_tick:
	incw	%bx
	pushw	%ax
	cmpw	$5, %bx
	jb	1f
	COMMAND	0x21, 0xff		# enough
1:	COMMAND	0x20, 0x20
	popw	%ax
	iretw

	.org	0xfff0
	ljmp	$0xf000, $_start
	.org	0x10000

/* boot-screen.S -- a boot sector that draws in a text mode, in one of 256 colours and in one of four planes; each picture is announced at port 0xe8. */
/* SPDX-License-Identifier: MIT */
	.code16
	.text
	.globl	_start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$0x7c00, %sp
	sti
	cld
# --- what the BIOS has left on the screen ----------------------------------------------------
	movw	$0x0100, %ax		# no cursor: it blinks
	movw	$0x2000, %cx
	int	$0x10
	movw	$0xb800, %ax
	movw	%ax, %es
	xorw	%di, %di
	movw	$0x402, %dx
1:	movb	%es:(%di), %al		# its first line, to the debug console
	outb	%al, %dx
	addw	$2, %di
	cmpw	$160, %di
	jb	1b
	movb	$10, %al
	outb	%al, %dx
	movb	$3, %al
	outb	%al, $0xe8
# --- text, by the BIOS and by hand ---------------------------------------------------------
	movw	$0x0003, %ax
	int	$0x10
	movw	$0x0100, %ax
	movw	$0x2000, %cx
	int	$0x10
	movw	$0x7c00 + message - _start, %si
1:	lodsb
	testb	%al, %al
	jz	2f
	movw	$0x0007, %bx
	movb	$0x0e, %ah
	int	$0x10
	jmp	1b
2:	movw	$0xb800, %ax
	movw	%ax, %es
	movw	$160 * 5, %di
	xorw	%ax, %ax
3:	movb	%al, %ah
	andb	$0x7f, %ah		# each character, each colour
	stosw
	incb	%al
	jnz	3b
	movb	$0, %al
	outb	%al, $0xe8
# --- 320 x 200, 256 colours -------------------------------------------------------------------
	movw	$0x0013, %ax
	int	$0x10
	movw	$0xa000, %ax
	movw	%ax, %es
	xorw	%di, %di
	xorw	%bx, %bx
4:	movw	$160, %cx
	movb	%bl, %al
	movb	%bh, %ah
	rep stosw
	addw	$0x0903, %bx
	cmpw	$320 * 60, %di
	jb	4b
	movw	$320 * 100, %di
	movw	$600, %cx
5:	movw	%cx, %ax
	xorw	%di, %ax
	stosb
	loop	5b
	movb	$1, %al
	outb	%al, $0xe8
# --- 640 x 480, planes --------------------------------------------------------------------------
	movw	$0x0012, %ax
	int	$0x10
	movw	$0x0f02, %ax		# map mask
	movw	$0x3c4, %dx
6:	movb	$2, %al
	outw	%ax, %dx
	movw	$0x5a3c, %bx
	movb	%ah, %bl
	xorw	%di, %di
	movw	$400, %cx
7:	movb	%bl, %es:(%di)
	addw	$37, %di
	rolw	$1, %bx
	loop	7b
	decb	%ah
	jnz	6b
	movw	$0x3ce, %dx
	movw	$0x0105, %ax		# write mode 1: latches
	outw	%ax, %dx
	xorw	%si, %si
	movw	$80 * 300, %di
	movw	%es, %ax
	movw	%ax, %ds
	movw	$800, %cx
	rep movsb
	movb	$2, %al
	outb	%al, $0xe8
	movb	$0xff, %al
	outb	%al, $0xe8
8:	hlt
	jmp	8b
message:
	.asciz	"a program of one sector\r\n"
	.org	510
	.word	0xaa55

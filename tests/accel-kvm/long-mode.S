/* long-mode.S -- a guest of 64 bits: local APIC and I/O APIC, timers, task priority, NMI, exceptions, ring 3, system calls, memory of devices. */
/* SPDX-License-Identifier: MIT */
#include "guest.inc"
	.set	TABLES, 0x10000		# PML4, PDPT, page directories, page table: a page each
	.set	IDT, 0x18000
	.set	TSS, 0x19000
	.set	GDT, 0x19800
	.set	STACK, 0x7000
	.set	STACK_NMI, 0x6000
	.set	USER_STACK, 0x9000
	.set	COUNTS, 0x8000		# of events, 8 bytes a vector
	.set	HOLE, 0x40000		# a page that is not there
	.set	LAPIC, 0xfee00000
	.set	IOAPIC, 0xfec00000
	.set	KERNEL_CODE, 0x08
	.set	KERNEL_DATA, 0x10
	.set	USER_DATA, 0x23
	.set	USER_CODE, 0x2b
	.set	TASK, 0x30

	.text
	.code16
	.globl	_start
_start:
	cli
	cld
	xorl	%eax, %eax
	movw	%ax, %ds
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	movw	$STACK, %sp
	movw	$TABLES >> 4, %ax
	movw	%ax, %es
	# all with accessed and dirty: nobody has to set them
	movl	$TABLES + 0x1067, %es:0x0000
	movl	$TABLES + 0x2067, %es:0x1000
	movl	$TABLES + 0x4067, %es:0x1018		# 3 GiB
	movl	$TABLES + 0x3067, %es:0x2000
	movl	$0xfec000fb, %es:0x4000 + 0x1f6 * 8
	movl	$0xfee000fb, %es:0x4000 + 0x1f7 * 8
	movw	$0x3000, %di
	movl	$0x67, %eax
	movw	$256, %cx
1:	movl	%eax, %es:(%di)
	addl	$0x1000, %eax
	addw	$8, %di
	loop	1b
	movl	$0, %es:0x3000 + (HOLE >> 12) * 8
	movw	$0xf000, %ax
	movw	%ax, %ds
	movw	$gdt - 0xf0000, %si
	movw	$GDT - TABLES, %di
	movw	$64, %cx
	rep movsb
	lgdtl	gdt_pointer - 0xf0000
	lidtl	idt_pointer - 0xf0000
	movl	$0x220, %eax		# PAE, OSFXSR
	movl	%eax, %cr4
	movl	$TABLES, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx
	xorl	%edx, %edx
	movl	$0x101, %eax		# LME, SCE
	wrmsr
	movl	$0x80000031, %eax	# PG, NE, ET, PE
	movl	%eax, %cr0
	ljmpl	$KERNEL_CODE, $start64

	.balign	16
gdt:
	.quad	0
	.quad	0x00af9b000000ffff	# 08: code of 64 bits
	.quad	0x00cf93000000ffff	# 10: data
	.quad	0x00cffb000000ffff	# 18: SYSRET's base
	.quad	0x00cff3000000ffff	# 20: user's data
	.quad	0x00affb000000ffff	# 28: user's code
	.quad	0x0000890000000088 + (TSS & 0xffffff) << 16
	.quad	0
gdt_pointer:
	.word	63
	.long	GDT
idt_pointer:
	.word	0xfff
	.long	IDT

	.code64
	.macro	GATE vector, handler, type=0x8e00, ist=0
	leaq	\handler(%rip), %rax
	movl	$IDT + \vector * 16, %edi
	movw	%ax, (%rdi)
	movw	$KERNEL_CODE, 2(%rdi)
	movw	$\type + \ist, 4(%rdi)
	shrq	$16, %rax
	movw	%ax, 6(%rdi)
	.endm

/* An external interrupt: it is counted, and ended. */
	.macro	COUNTED vector
	pushq	%rax
	incq	COUNTS + \vector * 8
	movl	$LAPIC, %eax
	movl	$0, 0xb0(%rax)
	popq	%rax
	iretq
	.endm

	.macro	WAIT_FOR vector, n
81:	sti
	hlt
	cli
	cmpq	$\n, COUNTS + \vector * 8
	jb	81b
	.endm

/* The source is off now: one more may be on its way where the host was slow. */
	.macro	NO_MORE vector, n
	sti
	inb	$PORT_LATE, %al
	cli
	movq	$\n, COUNTS + \vector * 8
	.endm

start64:
	movl	$USER_DATA, %eax	# also in ring 0: IRET to ring 3 leaves them
	movl	%eax, %ds
	movl	%eax, %es
	movl	$KERNEL_DATA, %eax
	movl	%eax, %ss
	movl	$STACK, %esp
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$STACK, TSS + 4		# RSP0
	movl	$STACK_NMI, TSS + 0x24	# IST1
	movw	$0x68, TSS + 0x66	# ports to 0xff are everybody's
	movb	$0xff, TSS + 0x88
	GATE	2, on_nmi, ist=1
	GATE	3, on_breakpoint, type=0xee00
	GATE	6, on_invalid
	GATE	13, on_protection
	GATE	14, on_page
	GATE	0x30, on_pit
	GATE	0x31, on_timer
	GATE	0x42, on_ipi
	movl	$TASK, %eax
	ltr	%ax
	movl	$0xc0000081, %ecx	# STAR
	xorl	%eax, %eax
	movl	$0x001b0008, %edx
	wrmsr
	incl	%ecx			# LSTAR
	leaq	on_syscall(%rip), %rax
	xorl	%edx, %edx
	wrmsr
	movl	$0xc0000084, %ecx	# SFMASK
	movl	$0x500, %eax		# TF, DF
	wrmsr
	xorl	%eax, %eax
	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%esi, %esi
	xorl	%edi, %edi
	xorl	%ebp, %ebp
	movabsq	$0x8899aabbccddeeff, %r8
	POINT	1

# --- exceptions in ring 0 (a KVM that emulates it, inside of another, knows few instructions) -----
	movl	$HOLE + 0x123, %ebx
	movb	$1, (%rbx)
	POINT	2

# --- the local APIC's timer -------------------------------------------------------------------
	movl	$LAPIC, %ebp
	movl	$0x1ff, 0xf0(%rbp)
	movl	$0xb, 0x3e0(%rbp)	# each clock
	movl	$0x31, 0x320(%rbp)	# once
	movl	$100000, 0x380(%rbp)
	WAIT_FOR 0x31, 1
	movl	$300000, 0x380(%rbp)
	WAIT_FOR 0x31, 2
	movl	$0x20031, 0x320(%rbp)	# again and again
	movl	$2000000, 0x380(%rbp)
	WAIT_FOR 0x31, 6
	movl	$0x10031, 0x320(%rbp)
	movl	$0, 0x380(%rbp)
	movl	0x320(%rbp), %edx
	NO_MORE	0x31, 6
	call	settle
	POINT	3

# --- the PIT, through the I/O APIC ------------------------------------------------------------
	movl	$IOAPIC, %edi
	movl	$0x14, (%rdi)
	movl	$0x30, 0x10(%rdi)
	movl	$0x15, (%rdi)
	movl	$0, 0x10(%rdi)
	COMMAND	0x43, 0x34
	COMMAND	0x40, 0x9c
	COMMAND	0x40, 0x2e
	WAIT_FOR 0x30, 5
	movl	$0x14, (%rdi)
	movl	$0x10030, 0x10(%rdi)
	NO_MORE	0x30, 5
	call	settle
	movl	0x10(%rdi), %edx
	andl	$0x1efff, %edx
	POINT	4

# --- priority ---------------------------------------------------------------------------------------
	movl	$5, %eax
	movq	%rax, %cr8
	movl	0x80(%rbp), %r9d	# 0x50
	movl	$0x70, 0x80(%rbp)
	movq	%cr8, %r10		# 7
	sti
	movl	$0x4042, 0x300(%rbp)	# to itself: class 4
	nop
	movq	COUNTS + 0x42 * 8, %r11	# none yet
	POINT	5
	movl	$3, %eax
	movq	%rax, %cr8
1:	inb	$PORT_LATE, %al		# (a KVM that emulates MOV to CR8 does not tell before the next exit)
	movq	COUNTS + 0x42 * 8, %r12	# one
	testq	%r12, %r12
	jz	1b
	xorl	%eax, %eax
	movq	%rax, %cr8
	cli
	movl	$0x4042, 0x300(%rbp)
	movl	$0x4042, 0x300(%rbp)	# the same once more
	sti
1:	movq	COUNTS + 0x42 * 8, %r13
	cmpq	$2, %r13
	jb	1b
	cli
	movl	$0x4400, 0x300(%rbp)	# NMI
1:	cmpq	$1, COUNTS + 2 * 8
	jb	1b
	call	settle
	POINT	6

# --- memory of a device, eight bytes at a time ---------------------------------------------------------
	movl	$MMIO, %edi
	movabsq	$0x0123456789abcdef, %rax
	movq	%rax, (%rdi)
	movq	%rax, 0x13(%rdi)
	addq	%rax, (%rdi)
	xchgq	%rax, 0x20(%rdi)
	movq	(%rdi), %rbx
	movl	4(%rdi), %ecx
	movq	0xffc(%rdi), %rdx	# half of it is the next device's
	movl	$MMIO + 0x100, %edi
	movl	$20, %ecx
	rep stosq
	movl	$MMIO, %esi
	movl	$0x30000, %edi
	movl	$33, %ecx
	rep movsq
	POINT	7

# --- ring 3 ---------------------------------------------------------------------------------------------
	movl	$0x20031, 0x320(%rbp)
	movl	$3000000, 0x380(%rbp)
	movq	$0, COUNTS + 0x31 * 8
	pushq	$USER_DATA
	pushq	$USER_STACK
	pushq	$0x202			# IF
	pushq	$USER_CODE
	leaq	user(%rip), %rax
	pushq	%rax
	iretq
back:
	movl	$STACK, %esp
	call	settle
	movq	$0, COUNTS + 0x31 * 8
	POINT	20
	movb	$0, %al
	outb	%al, $PORT_EXIT
1:	cli
	hlt
	jmp	1b

/* Below the stacks lies where interrupts came, which is not the same twice. */
settle:
	pushq	%rdi
	pushq	%rcx
	pushq	%rax
	pushfq
	movl	$STACK - 0x200, %edi
	movl	$0x180 / 8, %ecx
	xorl	%eax, %eax
	rep stosq
	movl	$STACK_NMI - 0x100, %edi
	movl	$0x100 / 8, %ecx
	rep stosq
	popfq
	popq	%rax
	popq	%rcx
	popq	%rdi
	movq	$0, -16(%rsp)
	movq	$0, -24(%rsp)
	movq	$0, -32(%rsp)
	movq	$0, -40(%rsp)
	movq	$0, -48(%rsp)
	ret

# --- handlers --------------------------------------------------------------------------------------------
on_nmi:
	incq	COUNTS + 2 * 8
	iretq
on_breakpoint:
	incq	COUNTS + 3 * 8
	iretq
on_invalid:
	incq	COUNTS + 6 * 8
	addq	$2, (%rsp)
	iretq
on_protection:
	popq	COUNTS + 0x400
	incq	COUNTS + 13 * 8
	cmpl	$-1, %eax
	je	back
	incq	(%rsp)
	iretq
on_page:
	popq	COUNTS + 0x408
	pushq	%rax
	movq	%cr2, %rax
	movq	%rax, COUNTS + 0x410
	popq	%rax
	incq	COUNTS + 14 * 8
	addq	$3, (%rsp)
	iretq
on_pit:	COUNTED	0x30
on_timer:
	cmpq	$19, COUNTS + 0x31 * 8
	jb	1f
	pushq	%rax
	movl	$LAPIC, %eax
	movl	$0x10031, 0x320(%rax)	# enough
	popq	%rax
1:	COUNTED 0x31
on_ipi:	COUNTED	0x42
on_syscall:				# (in ring 3, where ring 0 is emulated)
	addq	%rax, COUNTS + 0x418
	incq	%rbx
	pushq	$USER_DATA		# (KVM's emulator, which runs ring 0 on some hosts, has no SYSRET)
	pushq	$USER_STACK
	pushq	%r11
	pushq	$USER_CODE
	pushq	%rcx
	iretq

# --- the user's program ------------------------------------------------------------------------------------
user:
	# until the timer has struck often enough, wherever it does
6:	incq	%rbx
	cmpq	$20, COUNTS + 0x31 * 8
	jb	6b
	movq	$20, COUNTS + 0x31 * 8	# (see NO_MORE)
	movl	$STACK - 0x80, %edi	# what interrupts have left
	movl	$16, %ecx
	xorl	%eax, %eax
	rep stosq
	xorl	%ebx, %ebx
	POINT	9
	movl	$2000, %r15d
1:	movl	%r15d, %eax
	syscall
	decl	%r15d
	jnz	1b
	POINT	10
	# floating point
	movl	$100, %ecx
	cvtsi2sd %ecx, %xmm0
	sqrtsd	%xmm0, %xmm1
	movl	$7, %eax
	cvtsi2sd %eax, %xmm2
2:	mulsd	%xmm2, %xmm1
	divsd	%xmm0, %xmm1
	addsd	%xmm2, %xmm1
	loop	2b
	movl	$MMIO + 0x40, %edi
	movups	%xmm1, (%rdi)
	movups	-1(%rdi), %xmm3
	movq	(%rdi), %r9
	fninit
	fldpi
	fstpl	0x30200
	POINT	11
	ud2
	int3
	hlt				# not in ring 3
	movl	$HOLE + 0x456, %ebx
	movb	$1, (%rbx)
	POINT	12
	# devices
	movw	$PORT_DATA, %dx
	inl	%dx, %eax
	movl	%eax, %r9d
	movl	$0x30400, %edi
	movl	$50, %ecx
	rep insl
	movl	$LATE, %edi
	movl	$200, %ecx
3:	movq	%rcx, (%rdi)
	movw	%cx, 8(%rdi)
	addq	$4, %rdi
	loop	3b
	inb	$PORT_LATE, %al
	movzbl	%al, %r10d
	movl	$BELLS, %edi
	movl	$10, %ecx
4:	movl	$0x55, 8(%rdi)
	movq	%rcx, (%rdi)
	loop	4b
	inb	$PORT_BELLS, %al
	movzbl	%al, %r11d
	POINT	13
	# memory that changes places
	xorl	%ebx, %ebx
	movl	$64, %ecx
	movl	$WINDOW, %edi
5:	movb	%cl, %al
	outb	%al, $PORT_BANK
	addq	%rcx, 8(%rdi)
	imulq	$31, %rbx
	addq	8(%rdi), %rbx
	movl	$0xc3, (%rdi)		# ret
	call	*%rdi
	loop	5b
	POINT	14
	COMMAND	PORT_BANK, 0
	COMMAND	PORT_DIRTY, 1
	COMMAND	PORT_DIRTY, 2		# none
	movl	$ALL_BANKS, %edi
	incl	0x3000(%rdi)
	incl	0x5000(%rdi)
	COMMAND	PORT_DIRTY, 2		# 3 5
	incl	0x3000(%rdi)
	incl	WINDOW + 0x1000
	COMMAND	PORT_DIRTY, 2		# 1 3
	COMMAND	PORT_DIRTY, 2		# none
	COMMAND	PORT_DIRTY, 0
	POINT	15
	movl	$-1, %eax		# the way back to ring 0
	hlt

	.org	0xfff0
	.code16
	ljmp	$0xf000, $_start - 0xf0000
	.org	0x10000

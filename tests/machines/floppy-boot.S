/* floppy-boot.S -- a boot sector for FAT12 floppies: shows HELLO.TXT through the BIOS, writes into it, beeps, and ends the run. */
/* SPDX-License-Identifier: MIT */
# What it says goes to the debug console at 0x402 and to the screen.  It ends by a write to 0xf4: 1 for fine, 2 for not.
	.code16
	.intel_syntax noprefix
	.set	CONSOLE, 0x402
	.set	EXIT, 0xf4
	.set	BUFFER, 0x8000
	.set	BPB_RESERVED, 0x7c0e
	.set	BPB_FATS, 0x7c10
	.set	BPB_ROOT, 0x7c11
	.set	BPB_FAT_SIZE, 0x7c16
	.set	BPB_TRACK, 0x7c18
	.set	BPB_HEADS, 0x7c1a
	.set	BPB_CLUSTER, 0x7c0d

	.text
	.globl	_start
_start:
	jmp	short start
	nop
	.fill	0x3e - 3, 1, 0			# the parameter block: mformat fills it in
start:
	cli
	xor	ax, ax
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	sp, 0x7c00
	sti
	cld
	mov	byte ptr [drive], dl
	mov	si, offset hello
	call	say

	# The root directory follows the FATs.
	mov	al, byte ptr [BPB_FATS]
	xor	ah, ah
	mul	word ptr [BPB_FAT_SIZE]
	add	ax, word ptr [BPB_RESERVED]
	mov	bp, ax				# its first sector
	mov	cx, word ptr [BPB_ROOT]
	shr	cx, 4				# sectors of 16 entries
	add	cx, ax				# the first sector of data
	mov	word ptr [data], cx
next_sector:
	mov	ax, bp
	mov	dh, 2
	call	disk
	mov	di, BUFFER
next_entry:
	mov	si, offset name
	push	di
	mov	cx, 11
	repe	cmpsb
	pop	di
	je	found
	add	di, 32
	cmp	di, BUFFER + 512
	jb	next_entry
	inc	bp
	cmp	bp, word ptr [data]
	jb	next_sector
	mov	si, offset missing
	jmp	fail

found:	mov	ax, word ptr [di + 26]		# its first cluster
	sub	ax, 2
	mov	cl, byte ptr [BPB_CLUSTER]
	xor	ch, ch
	mul	cx
	add	ax, word ptr [data]
	mov	bp, ax
	mov	dh, 2
	call	disk
	mov	si, BUFFER
	call	say				# zeros follow the text
	mov	byte ptr [BUFFER], 'J'		# and is written
	mov	ax, bp
	mov	dh, 3
	call	disk
	mov	byte ptr [BUFFER], 0
	mov	ax, bp
	mov	dh, 2
	call	disk
	cmp	byte ptr [BUFFER], 'J'
	mov	si, offset differs
	jne	fail

	mov	al, 0xb6			# a tone of 1000 Hz for a tenth of a second
	out	0x43, al
	mov	al, 0xa9
	out	0x42, al
	mov	al, 4
	out	0x42, al
	in	al, 0x61
	or	al, 3
	out	0x61, al
	mov	ah, 0x86
	mov	cx, 1
	mov	dx, 0x86a0
	int	0x15
	in	al, 0x61
	and	al, 0xfc
	out	0x61, al
	mov	si, offset fine
	call	say
	mov	al, 1
	jmp	leave
fail:	call	say
	mov	al, 2
leave:	out	EXIT, al
halt:	hlt
	jmp	halt

# Sector ax between BUFFER and the disk; dh is the BIOS's function, 2 or 3.
disk:	push	dx
	xor	dx, dx
	div	word ptr [BPB_TRACK]
	mov	cl, dl
	inc	cl				# sector, from 1 on
	xor	dx, dx
	div	word ptr [BPB_HEADS]
	mov	ch, al				# cylinder
	mov	bl, dl				# head
	pop	dx
	mov	ah, dh
	mov	al, 1
	mov	dh, bl
	mov	dl, byte ptr [drive]
	mov	bx, BUFFER
	int	0x13
	mov	si, offset broken
	jc	fail
	ret

# The text at si, up to a zero, on console and screen.
say:	lodsb
	test	al, al
	jz	done
	mov	dx, CONSOLE
	out	dx, al
	mov	ah, 0x0e
	mov	bx, 7
	int	0x10
	jmp	say
done:	ret

hello:	.asciz	"boot sector: here\r\n"
fine:	.asciz	"boot sector: all is well\r\n"
missing: .asciz	"boot sector: no HELLO.TXT\r\n"
broken:	.asciz	"boot sector: disk error\r\n"
differs: .asciz	"boot sector: not written\r\n"
name:	.ascii	"HELLO   TXT"
drive:	.byte	0
data:	.word	0
	.org	510
	.word	0xaa55

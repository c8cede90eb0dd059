/* chip.S -- a guest that uses i8259, I/O APIC, local APIC, another processor and messages, and prints a letter for each interrupt; twice, with a reset between. */
/* SPDX-License-Identifier: MIT */
/* A BIOS image of 64 KiB.  What it prints does not depend on who models the controllers. */
        .set LAPIC, 0xfee00000
        .set IOAPIC, 0xfec00000
        .set BAR, 0xfeb00000
        .set IDT, 0x1000
        .set COUNT, 0x2000              /* interrupts taken */
        .set AP_SAYS, 0x2004
        .set TICKS, 0x2008              /* of the timer that are wanted still */
        .set BEEN_HERE, 0x200c
        .set AP_CODE, 0x8000

        .code32
        .section .text
base:
start32:
        movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movl $0x7000, %esp
        xorl %eax, %eax
        movl %eax, COUNT
        movl %eax, AP_SAYS
        movl $IDT, %edi
        movl $512, %ecx
        rep stosl
        lidt idt_pointer

        .macro GATE vector, handler
        movl $\handler, %eax
        movw %ax, IDT + 8 * \vector
        movl $0x8e000008, IDT + 8 * \vector + 2
        movw $0x8e00, IDT + 8 * \vector + 4
        shrl $16, %eax
        movw %ax, IDT + 8 * \vector + 6
        .endm
        GATE 0x02, on_nmi
        GATE 0x20, on_pic
        GATE 0x42, on_edge
        GATE 0x43, on_level
        GATE 0x50, on_timer
        GATE 0x60, on_self
        GATE 0x61, on_other
        GATE 0x70, on_message
        GATE 0x71, on_eventfd
        GATE 0x7f, on_spurious

        .macro SAY letter
        movb $\letter, %al
        outb %al, $0xe9
        .endm
        .macro PUT port, value
        movb $\value, %al
        outb %al, $\port
        .endm
        /* until n interrupts have come since the last */
        .macro AWAIT n
        movl $\n, %ecx
        call await
        .endm

        /* a place where the machine may be saved, to go on from there elsewhere */
        .macro SAVE n
        movl $\n, BAR + 0x10
9:      cmpl $0, BAR + 0x10
        jne 9b
        .endm
        call function

/* --- i8259 ---------------------------------------------------------------------- */
        PUT 0x20, 0x11
        PUT 0x21, 0x20
        PUT 0x21, 0x04
        PUT 0x21, 0x01
        PUT 0xa0, 0x11
        PUT 0xa1, 0x28
        PUT 0xa1, 0x02
        PUT 0xa1, 0x01
        PUT 0x21, 0xfe
        PUT 0xa1, 0xff
        call pit
1:      inb $0x20, %al                  /* requested, and not accepted */
        testb $1, %al
        jz 1b
        SAVE 1
        AWAIT 1
        call pit
        AWAIT 1
        PUT 0x21, 0xff

/* --- I/O APIC, edge and level ------------------------------------------------------ */
        movl $0x17f, LAPIC + 0xf0
        movl $0x10700, LAPIC + 0x350
        movl $0x14, %eax                /* input 2 */
        movl $0x42, %ebx
        call entry
        call pit
        AWAIT 1
        call pit
        AWAIT 1
        movl $0x14, %eax
        movl $0x10042, %ebx
        call entry
        movl $0x30, %eax                /* input 16 */
        movl $0x8043, %ebx
        call entry
        movl $3, BAR + 8                /* the pin is raised, and again when its interrupt is served, twice */
        SAVE 2
        AWAIT 3
        movl $0x30, IOAPIC              /* no interrupt is left that nobody ends */
        movl $1000, %ecx
        sti
1:      testl $0x4000, IOAPIC + 0x10
        loopnz 1b
        cli
        jz 1f
        SAY '!'
1:
        movl $0x30, %eax
        movl $0x18043, %ebx
        call entry

/* --- local APIC: timer, messages to itself, priorities ------------------------------- */
        movl $0xb, LAPIC + 0x3e0
        movl $1, TICKS
        movl $0x50, LAPIC + 0x320
        movl $200000, LAPIC + 0x380
        AWAIT 1
        movl $3, TICKS
        movl $0x20050, LAPIC + 0x320
        movl $2000000, LAPIC + 0x380
        SAVE 3
        AWAIT 3
        movl $0, LAPIC + 0x380
        movl $1, %eax                   /* a deadline, where the processor has them */
        cpuid
        testl $0x01000000, %ecx
        jz 2f
        movl $1, TICKS
        movl $0x40050, LAPIC + 0x320
        rdtsc
        addl $20000000, %eax
        adcl $0, %edx
        movl $0x6e0, %ecx
        wrmsr
        SAVE 6
        AWAIT 1
        movl $0x10050, LAPIC + 0x320
2:      movl $0x40060, LAPIC + 0x300
        AWAIT 1
        movl $0x70, LAPIC + 0x80
        movl $0x40060, LAPIC + 0x300
        sti
        nop
        cli
        testl $1, LAPIC + 0x230         /* it waits in IRR */
        jz 1f
        SAY 'r'
1:
        movl $0, LAPIC + 0x80
        AWAIT 1
        movl $0x00000400, LAPIC + 0x300 /* NMI to ID 0 */
        AWAIT 1

/* --- messages of a PCI function ------------------------------------------------------- */
        movl $0xfee00000, %eax
        movb $0x44, %cl
        call config_write
        movl $0x70, %eax
        movb $0x4c, %cl
        call config_write
        movl $0x00110000, %eax          /* on, two vectors */
        movb $0x40, %cl
        call config_write
        movl $0, BAR                    /* vector 0 */
        AWAIT 1
        movl $1, BAR + 4                /* vector 1, by its eventfd */
        AWAIT 1
        movl $3, %eax                   /* both masked */
        movb $0x50, %cl
        call config_write
        movl $0, BAR
        movl $1, BAR + 4
        SAVE 4
        movb $0x54, %cl
        call config_read
        addb $'0', %al                  /* pending: 3 */
        outb %al, $0xe9
        movl $2, %eax
        movb $0x50, %cl
        call config_write
        AWAIT 1
        movl $0, %eax
        movb $0x50, %cl
        call config_write
        AWAIT 1
        movl $3, %eax                   /* masked again, nothing is left: 0 */
        movb $0x50, %cl
        call config_write
        movb $0x54, %cl
        call config_read
        addb $'0', %al
        outb %al, $0xe9
        movl $0, %eax
        movb $0x50, %cl
        call config_write
        movl $1, BAR + 4
        AWAIT 1
        movl $0x60, %eax                /* another message, while somebody waits for the eventfd */
        movb $0x4c, %cl
        call config_write
        movl $1, BAR + 4
        AWAIT 1
        movl $0x70, %eax
        movb $0x4c, %cl
        call config_write
        movl $2, %eax                   /* no bus master sends no message: 2 is pending */
        movb $0x04, %cl
        call config_write
        movl $1, BAR + 4
        movb $0x54, %cl
        call config_read
        addb $'0', %al
        outb %al, $0xe9
        movl $6, %eax
        movb $0x04, %cl
        call config_write
        AWAIT 1

/* --- another processor ----------------------------------------------------------------- */
        movl $ap_start, %esi
        movl $AP_CODE, %edi
        movl $ap_end - ap_start, %ecx
        rep movsb
        movl $0x01000000, LAPIC + 0x310
        movl $0x00004500, LAPIC + 0x300
        movl $0x01000000, LAPIC + 0x310
        movl $0x00004608, LAPIC + 0x300
1:      pause
        cmpl $1, AP_SAYS
        jne 1b
        SAY 'A'
        SAVE 5
        movl $2, AP_SAYS                /* it may halt now */
        AWAIT 1                         /* and send a message to this one first */

        SAY '\n'
        cmpl $0x1234, BEEN_HERE
        je 1f
        movl $0x1234, BEEN_HERE         /* all of it again, after a reset */
        lidt no_idt
        ud2
1:      PUT 0xf4, 0
        cli
1:      hlt
        jmp 1b

/* --- subroutines ------------------------------------------------------------------------- */
await:  cli
        cmpl %ecx, COUNT
        jae 1f
        sti
        hlt
        jmp await
1:      subl %ecx, COUNT
        ret

pit:    PUT 0x43, 0x30                 /* counter 0, mode 0 */
        PUT 0x40, 0x00
        PUT 0x40, 0x04
        ret

/* eax: index of the low half, ebx: value; to ID 0 */
entry:  movl %eax, IOAPIC
        incl %eax
        movl $0x10000, IOAPIC + 0x10
        movl %eax, IOAPIC
        movl $0, IOAPIC + 0x10
        decl %eax
        movl %eax, IOAPIC
        movl %ebx, IOAPIC + 0x10
        ret

/* device 5 on bus 0 */
config_address:
        movzbl %cl, %ecx
        orl $0x80002800, %ecx
        xchgl %eax, %ecx
        movw $0xcf8, %dx
        outl %eax, %dx
        movl %ecx, %eax
        movw $0xcfc, %dx
        ret
config_write:
        call config_address
        outl %eax, %dx
        ret
config_read:
        call config_address
        inl %dx, %eax
        ret
function:
        movl $BAR, %eax
        movb $0x10, %cl
        call config_write
        movl $0x00000006, %eax
        movb $0x04, %cl
        jmp config_write

/* --- interrupts ----------------------------------------------------------------------------- */
        .macro HANDLER name, letter
\name:  pushl %eax
        pushl %edx
        SAY \letter
        incl COUNT
        .endm
        /* As IRET, which KVM does not emulate in protected mode, and emulates it must where the host's KVM is itself a guest's. */
return: pushl 8(%esp)
        popfl
        lret $4
        .macro END_LAPIC
        movl $0, LAPIC + 0xb0
        popl %edx
        popl %eax
        jmp return
        .endm
HANDLER on_pic, 'P'
        PUT 0x20, 0x20
        popl %edx
        popl %eax
        jmp return
HANDLER on_edge, 'E'
        END_LAPIC
        /* A local APIC that ends interrupts when it delivers them, as one of KVM below another hypervisor was seen to do, brings one more. */
on_level:
        pushl %eax
        pushl %edx
        cmpl $0, BAR + 8
        je 1f
        SAY 'L'
        incl COUNT
        movl $0, BAR + 0xc              /* the pin falls, and rises again if it was to be raised more than once */
1:      END_LAPIC
on_timer:
        pushl %eax
        pushl %edx
        cmpl $0, TICKS                  /* one that came while the last was served */
        je 1f
        SAY 'T'
        incl COUNT
        decl TICKS
        jnz 1f
        movl $0x10050, LAPIC + 0x320
1:      END_LAPIC
HANDLER on_self, 'S'
        END_LAPIC
HANDLER on_message, 'M'
        END_LAPIC
HANDLER on_eventfd, 'F'
        END_LAPIC
HANDLER on_other, 'f'
        END_LAPIC
HANDLER on_nmi, 'N'
        popl %edx
        popl %eax
        jmp return
HANDLER on_spurious, '?'
        popl %edx
        popl %eax
        jmp return

/* --- the other processor: real mode, flat data after a detour ------------------------------- */
        .code16
ap_start:
        cli
        lgdtl %cs:ap_gdt_pointer - ap_start
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        movw $0x10, %bx
        movw %bx, %ds
        andb $0xfe, %al
        movl %eax, %cr0
        movl $1, (AP_SAYS)
1:      pause
        cmpl $2, (AP_SAYS)
        jne 1b
        addr32 movl $0x17f, LAPIC + 0xf0
        addr32 movl $0, LAPIC + 0x310          /* to ID 0 */
        addr32 movl $0x4060, LAPIC + 0x300
1:      hlt
        jmp 1b
ap_gdt_pointer:
        .word 23
        .long gdt
ap_end:

/* --- tables -------------------------------------------------------------------------------------- */
        .balign 8
gdt:                                    /* accessed already: it is in ROM */
        .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        .word 23
        .long gdt
no_idt: .word 0
        .long 0
idt_pointer:
        .word 0x3ff
        .long IDT

/* --- reset ------------------------------------------------------------------------------------------ */
        .section .reset, "ax"
        .code16
real:   cli
        lgdtl %cs:gdt_pointer - base
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        ljmpl $8, $start32
        .org 0xf0
        .byte 0xea                      /* jmp f000:ff00 */
        .word 0xff00, 0xf000
        .org 0x100

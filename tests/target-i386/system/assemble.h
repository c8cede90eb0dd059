/* assemble.h -- instructions as bytes: the small assembler of the tables. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_SYSTEM_ASSEMBLE_H
#define TEST_SYSTEM_ASSEMBLE_H

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
enum { ES, CS, SS, DS, FS, GS };

#define BYTE(v, n) ((uint8_t) ((uint64_t) (v) >> (8 * (n)) & 0xff))
#define D8(v) BYTE (v, 0)
#define D16(v) BYTE (v, 0), BYTE (v, 1)
#define D32(v) D16 (v), BYTE (v, 2), BYTE (v, 3)
#define D64(v) D32 (v), BYTE (v, 4), BYTE (v, 5), BYTE (v, 6), BYTE (v, 7)

/* ModRM: a register; memory at a register; memory at an absolute 32-bit address (64-bit code: by SIB). */
#define MODRM(mod, reg, rm) ((uint8_t) ((mod) << 6 | ((reg) & 7) << 3 | ((rm) & 7)))
#define R_R(reg, rm) MODRM (3, reg, rm)
#define R_M(reg, base) MODRM (0, reg, base)             /* base: rax rcx rdx rbx rsi rdi */
#define R_ABS(reg, address) MODRM (0, reg, 4), 0x25, D32 (address)
#define R_ABS32(reg, address) MODRM (0, reg, 5), D32 (address)          /* in 32-bit code */
#define REX_W(reg, rm) ((uint8_t) (0x48 | ((reg) >> 3) << 2 | (rm) >> 3))

/* --- moves and arithmetic: the few that cases need ------------------------------------------------- */
#define MOV_RI64(r, v) REX_W (0, r), (uint8_t) (0xb8 + ((r) & 7)), D64 (v)
#define MOV_RI(r, v) (uint8_t) (0xb8 + (r)), D32 (v)                    /* r < 8; zero-extends */
#define MOV_RM(r, base) 0x48, 0x8b, R_M (r, base)
#define MOV_MR(base, r) 0x48, 0x89, R_M (r, base)
#define MOV_RR(d, s) REX_W (s, d), 0x89, R_R (s, d)
#define MOV_AL_M(base) 0x8a, R_M (RAX, base)
#define MOV_M_AL(base) 0x88, R_M (RAX, base)
#define XOR_R(r) 0x31, R_R (r, r)
#define DIV_R(r) 0xf7, R_R (6, r)
#define IDIV_R(r) 0xf7, R_R (7, r)
#define PUSH_R(r) (uint8_t) (0x50 + (r))
#define POP_R(r) (uint8_t) (0x58 + (r))
#define PUSH_I(v) 0x68, D32 (v)
#define PUSHF 0x9c
#define POPF 0x9d
#define NOP 0x90
#define MAGIC 0x66, 0x87, 0xdb          /* xchg %bx,%bx: speaks to instruments */
#define DAA 0x27                                        /* #UD in 64-bit code */
#define UD2 0x0f, 0x0b
#define HLT 0xf4
#define RET 0xc3
#define CALL_R(r) 0xff, R_R (2, r)
#define JMP_R(r) 0xff, R_R (4, r)
#define JMP_SHORT(d) 0xeb, D8 (d)

/* --- system ------------------------------------------------------------------------------------------- */
#define INT(n) 0xcd, (n)
#define INT3 0xcc
#define ICEBP 0xf1
#define CLI 0xfa
#define STI 0xfb
#define IRETQ 0x48, 0xcf
#define IRETD 0xcf
#define IRETW 0x66, 0xcf
#define LRETQ 0x48, 0xcb
#define LRETD 0xcb
#define LRETW 0x66, 0xcb
#define SYSCALL 0x0f, 0x05
#define SYSRETQ 0x48, 0x0f, 0x07
#define SYSRETL 0x0f, 0x07
#define SYSENTER 0x0f, 0x34
#define SYSEXITQ 0x48, 0x0f, 0x35
#define SYSEXITL 0x0f, 0x35
#define SWAPGS 0x0f, 0x01, 0xf8
#define MOV_CR_R(cr, r) 0x0f, 0x22, R_R (cr, r)         /* cr < 8 */
#define MOV_R_CR(r, cr) 0x0f, 0x20, R_R (cr, r)
#define MOV_CR8_R(r) 0x44, 0x0f, 0x22, R_R (0, r)
#define MOV_R_CR8(r) 0x44, 0x0f, 0x20, R_R (0, r)
#define MOV_DR_R(dr, r) 0x0f, 0x23, R_R (dr, r)
#define MOV_R_DR(r, dr) 0x0f, 0x21, R_R (dr, r)
#define LMSW_R(r) 0x0f, 0x01, R_R (6, r)
#define SMSW_R(r) 0x0f, 0x01, R_R (4, r)                /* 32 bits; with REX.W 64 */
#define CLTS 0x0f, 0x06
#define RDMSR 0x0f, 0x32
#define WRMSR 0x0f, 0x30
#define SGDT_M(b) 0x0f, 0x01, R_M (0, b)
#define SIDT_M(b) 0x0f, 0x01, R_M (1, b)
#define LGDT_M(b) 0x0f, 0x01, R_M (2, b)
#define LIDT_M(b) 0x0f, 0x01, R_M (3, b)
#define INVLPG_M(b) 0x0f, 0x01, R_M (7, b)
#define INVPCID_RM(r, b) 0x66, 0x0f, 0x38, 0x82, R_M (r, b)
#define SLDT_R(r) 0x0f, 0x00, R_R (0, r)
#define STR_R(r) 0x0f, 0x00, R_R (1, r)
#define LLDT_R(r) 0x0f, 0x00, R_R (2, r)
#define LTR_R(r) 0x0f, 0x00, R_R (3, r)
#define VERR_R(r) 0x0f, 0x00, R_R (4, r)
#define VERW_R(r) 0x0f, 0x00, R_R (5, r)
#define LAR_RR(d, s) 0x0f, 0x02, R_R (d, s)
#define LSL_RR(d, s) 0x0f, 0x03, R_R (d, s)
#define MOV_S_R(seg, r) 0x8e, R_R (seg, r)
#define MOV_R_S(r, seg) 0x8c, R_R (seg, r)
#define PUSH_FS 0x0f, 0xa0
#define POP_FS 0x0f, 0xa1
#define PUSH_GS 0x0f, 0xa8
#define POP_GS 0x0f, 0xa9
#define LJMP_M(b) 0xff, R_M (5, b)                      /* m16:32 */
#define LJMPQ_M(b) 0x48, 0xff, R_M (5, b)               /* m16:64 */
#define LCALL_M(b) 0xff, R_M (3, b)
#define LCALLQ_M(b) 0x48, 0xff, R_M (3, b)
#define LSS_RM(r, b) 0x0f, 0xb2, R_M (r, b)
#define LFS_RM(r, b) 0x0f, 0xb4, R_M (r, b)
#define LFSQ_RM(r, b) 0x48, 0x0f, 0xb4, R_M (r, b)
#define LGS_RM(r, b) 0x0f, 0xb5, R_M (r, b)
#define RDFSBASE(r) 0xf3, 0x48, 0x0f, 0xae, R_R (0, r)
#define RDGSBASE(r) 0xf3, 0x48, 0x0f, 0xae, R_R (1, r)
#define WRFSBASE(r) 0xf3, 0x48, 0x0f, 0xae, R_R (2, r)
#define WRGSBASE(r) 0xf3, 0x48, 0x0f, 0xae, R_R (3, r)
#define STAC 0x0f, 0x01, 0xcb
#define CLAC 0x0f, 0x01, 0xca
#define RDTSC 0x0f, 0x31
#define RDTSCP 0x0f, 0x01, 0xf9
#define RDPMC 0x0f, 0x33
#define WBINVD 0x0f, 0x09
#define INVD 0x0f, 0x08
#define MONITOR 0x0f, 0x01, 0xc8
#define MWAIT 0x0f, 0x01, 0xc9
#define IN_AL_DX 0xec
#define IN_AX_DX 0x66, 0xed
#define IN_EAX_DX 0xed
#define IN_AL_I(p) 0xe4, (p)
#define OUT_DX_AL 0xee
#define OUT_DX_AX 0x66, 0xef
#define OUT_DX_EAX 0xef
#define INSB 0x6c
#define OUTSB 0x6e
#define CMPXCHG16B_M(b) 0x48, 0x0f, 0xc7, R_M (1, b)
#define CMPXCHG8B_M(b) 0x0f, 0xc7, R_M (1, b)
#define LOCK 0xf0
#define REP 0xf3
#define RDPKRU 0x0f, 0x01, 0xee
#define WRPKRU 0x0f, 0x01, 0xef
#define XGETBV 0x0f, 0x01, 0xd0
#define XSETBV 0x0f, 0x01, 0xd1
#define MOVAPS_M(b) 0x0f, 0x28, R_M (0, b)
#define MOVUPS_M(b) 0x0f, 0x10, R_M (0, b)
#define FLD1 0xd9, 0xe8
#define FWAIT 0x9b
#define FNOP 0xd9, 0xd0

#endif

/* test-encode.c -- instructions against golden bytes, which another assembler's disassembly has confirmed. */
/* SPDX-License-Identifier: MIT */
#include "host-x64/encode.h"
#include "../suite.h"
#include <check.h>
#include <stdio.h>
#include <string.h>

static void
to_hex (const uint8_t *from, const uint8_t *end, char *out)
{
  for (; from < end; from++)
    out += sprintf (out, "%02x", *from);
  *out = '\0';
}

#define CASE(call, hex) \
  do { \
    uint8_t bytes[64]; \
    char is[129]; \
    Enc enc = { bytes, bytes + sizeof bytes, false, 0 }, *e = &enc; \
    call; \
    to_hex (bytes, enc.p, is); \
    ck_assert_msg (strcmp (is, hex) == 0, "%s: %s, not %s", #call, is, hex); \
    ck_assert_uint_eq (enc.n_insns, 1); \
  } while (0);

START_TEST (test_moves)
{
  CASE (enc_mov_rr (e, 0, RBX, RAX), "8bd8")   /* mov ebx,eax */
  CASE (enc_mov_rr (e, X64_W, R8, RDI), "4c8bc7")   /* mov r8,rdi */
  CASE (enc_mov_ri (e, RCX, 5), "b905000000")   /* mov ecx,0x5 */
  CASE (enc_mov_ri (e, R9, 0xffffffff), "41b9ffffffff")   /* mov r9d,0xffffffff */
  CASE (enc_mov_ri (e, R10, -2), "49c7c2feffffff")   /* mov r10,0xfffffffffffffffe */
  CASE (enc_mov_ri (e, RDX, 0x123456789abcdef0), "48baf0debc9a78563412")   /* movabs rdx,0x123456789abcdef0 */
  /* mov DWORD PTR [rbp+0x102c],0x1010 */
  CASE (enc_mov_mi (e, 0, x64_mem (RBP, 0x102c), 0x1010), "c7852c10000010100000")
  /* mov QWORD PTR [rsp+0x8],0xffffffffffffffff */
  CASE (enc_mov_mi (e, X64_W, x64_mem (RSP, 8), -1), "48c7442408ffffffff")
  CASE (enc_load (e, 0, RAX, x64_mem (RBX, 0)), "8b03")   /* mov eax,DWORD PTR [rbx] */
  CASE (enc_load (e, X64_W, R15, x64_mem (R13, 0)), "4d8b7d00")   /* mov r15,QWORD PTR [r13+0x0] */
  CASE (enc_load (e, 0, RAX, x64_mem (R12, 0)), "418b0424")   /* mov eax,DWORD PTR [r12] */
  CASE (enc_load (e, 0, RDI, x64_mem (RBP, -128)), "8b7d80")   /* mov edi,DWORD PTR [rbp-0x80] */
  CASE (enc_load (e, 0, RDI, x64_mem (RBP, 128)), "8bbd80000000")   /* mov edi,DWORD PTR [rbp+0x80] */
  /* mov eax,DWORD PTR [rbx+r14*4+0x8] */
  CASE (enc_load (e, 0, RAX, x64_mem_index (RBX, R14, 2, 8)), "428b44b308")
  /* mov eax,DWORD PTR [r13+rcx*1+0x0] */
  CASE (enc_load (e, 0, RAX, x64_mem_index (R13, RCX, 0, 0)), "418b440d00")
  /* mov eax,DWORD PTR [rcx*8+0x10] */
  CASE (enc_load (e, 0, RAX, x64_mem_index (X64_NO_REG, RCX, 3, 16)), "8b04cd10000000")
  /* mov eax,DWORD PTR ds:0x1000 */
  CASE (enc_load (e, 0, RAX, x64_mem (X64_NO_REG, 0x1000)), "8b042500100000")
  /* mov DWORD PTR [rax+rcx*1],r11d */
  CASE (enc_store (e, 0, R11, x64_mem_index (RAX, RCX, 0, 0)), "44891c08")
  CASE (enc_store (e, X64_W, RSI, x64_mem (RSP, 0)), "48893424")   /* mov QWORD PTR [rsp],rsi */
  CASE (enc_rm (e, OP_MOV8_STORE, RDI, x64_mem (RAX, 0)), "408838")   /* mov BYTE PTR [rax],dil */
  CASE (enc_rm (e, OP_MOV8_STORE, RBX, x64_mem (RAX, 0)), "8818")   /* mov BYTE PTR [rax],bl */
  CASE (enc_rm (e, OP_MOV16_STORE, R9, x64_mem (RAX, 1)), "6644894801")   /* mov WORD PTR [rax+0x1],r9w */
  CASE (enc_rr (e, OP_MOV8_LOAD, RBX, RSI), "408ade")   /* mov bl,sil */
  CASE (enc_rr (e, 0x8a, RSP, RAX), "8ae0")   /* mov ah,al */
  CASE (enc_rr (e, OP_MOV_LOAD | X64_P66, R14, RCX), "66448bf1")   /* mov r14w,cx */
  CASE (enc_rr (e, OP_MOVZX8, RAX, RDI), "400fb6c7")   /* movzx eax,dil */
  CASE (enc_rr (e, OP_MOVZX8, RAX, RBX), "0fb6c3")   /* movzx eax,bl */
  CASE (enc_rr (e, 0xb6 | X64_0F, RAX, 7), "0fb6c7")   /* movzx eax,bh */
  CASE (enc_rr (e, OP_MOVZX16, R8, R9), "450fb7c1")   /* movzx r8d,r9w */
  CASE (enc_rr (e, OP_MOVSX8 | X64_W, RCX, RSI), "480fbece")   /* movsx rcx,sil */
  CASE (enc_rr (e, OP_MOVSX16, RCX, RDX), "0fbfca")   /* movsx ecx,dx */
  CASE (enc_rr (e, OP_MOVSXD, RCX, RDX), "4863ca")   /* movsxd rcx,edx */
  CASE (enc_rm (e, OP_MOVSX8, RCX, x64_mem (RDX, 0)), "0fbe0a")   /* movsx ecx,BYTE PTR [rdx] */
  /* lea eax,[r12+r13*2-0x4] */
  CASE (enc_rm (e, OP_LEA, RAX, x64_mem_index (R12, R13, 1, -4)), "438d446cfc")
  CASE (enc_rm (e, OP_LEA | X64_W, R8, x64_mem (RSI, 300)), "4c8d862c010000")   /* lea r8,[rsi+0x12c] */
}
END_TEST

START_TEST (test_alu)
{
  CASE (enc_alu_rr (e, ALU_ADD, 0, RBX, R14), "4103de")   /* add ebx,r14d */
  CASE (enc_alu_rr (e, ALU_XOR, X64_W, R9, RAX), "4c33c8")   /* xor r9,rax */
  CASE (enc_alu_rm (e, ALU_SUB, 0, RDX, x64_mem (RBP, 0x60)), "2b5560")   /* sub edx,DWORD PTR [rbp+0x60] */
  /* and QWORD PTR [rbp+0x60],rdx */
  CASE (enc_alu_mr (e, ALU_AND, X64_W, x64_mem (RBP, 0x60), RDX), "48215560")
  CASE (enc_alu_ri (e, ALU_ADC, 0, RSI, 1), "83d601")   /* adc esi,0x1 */
  CASE (enc_alu_ri (e, ALU_AND, 0, RDX, -4096), "81e200f0ffff")   /* and edx,0xfffff000 */
  CASE (enc_alu_ri (e, ALU_AND, X64_W, RDX, -4096), "4881e200f0ffff")   /* and rdx,0xfffffffffffff000 */
  CASE (enc_alu_ri (e, ALU_CMP, 0, RAX, 0x1234), "3d34120000")   /* cmp eax,0x1234 */
  CASE (enc_alu_ri (e, ALU_SBB, X64_W, RAX, 0x1234), "481d34120000")   /* sbb rax,0x1234 */
  CASE (enc_alu_ri (e, ALU_SUB, X64_W, R15, 0x80), "4981ef80000000")   /* sub r15,0x80 */
  CASE (enc_alu_mi (e, ALU_CMP, 0, x64_mem (RBP, 0x2c), 0), "837d2c00")   /* cmp DWORD PTR [rbp+0x2c],0x0 */
  /* sub QWORD PTR [rbp+0x40],0x3e8 */
  CASE (enc_alu_mi (e, ALU_SUB, X64_W, x64_mem (RBP, 0x40), 1000), "48816d40e8030000")
  /* lock or DWORD PTR [rsp+0x38],0x0 */
  CASE (enc_alu_mi (e, ALU_OR, X64_LOCK, x64_mem (RSP, 56), 0), "f0834c243800")
  CASE (enc_rr (e, OP_TEST, RCX, RCX), "85c9")   /* test ecx,ecx */
  CASE (enc_test_ri (e, 0, RBX, 0x40), "f6c340")   /* test bl,0x40 */
  CASE (enc_test_ri (e, 0, RSI, 0x40), "40f6c640")   /* test sil,0x40 */
  CASE (enc_test_ri (e, X64_W, RSI, 0x4000), "f7c600400000")   /* test esi,0x4000 */
  CASE (enc_test_ri (e, X64_W, RSI, -2), "48f7c6feffffff")   /* test rsi,0xfffffffffffffffe */
  CASE (enc_test_mi (e, X64_W, x64_mem (RBP, 48), 0x40), "f6453040")   /* test BYTE PTR [rbp+0x30],0x40 */
  CASE (enc_test_mi (e, X64_W, x64_mem (RBP, 48), 0x4000), "f7453000400000")   /* test DWORD PTR [rbp+0x30],0x4000 */
  CASE (enc_test_mi (e, X64_W, x64_mem (RBP, 48), -2), "48f74530feffffff")   /* test QWORD PTR [rbp+0x30],0xfffffffffffffffe */
  CASE (enc_test_m8 (e, x64_mem (RBP, 48), 2), "f6453002")   /* test BYTE PTR [rbp+0x30],0x2 */
  CASE (enc_rr (e, OP_IMUL, RAX, R10), "410fafc2")   /* imul eax,r10d */
  CASE (enc_imul_rri (e, 0, RAX, R10, 100), "416bc264")   /* imul eax,r10d,0x64 */
  CASE (enc_imul_rri (e, X64_W, RAX, R10, 1000), "4969c2e8030000")   /* imul rax,r10,0x3e8 */
  CASE (enc_imul_rmi (e, X64_W, RAX, x64_mem (RBP, 48), 100), "486b453064")   /* imul rax,QWORD PTR [rbp+0x30],0x64 */
  CASE (enc_imul_rmi (e, 0, RAX, x64_mem (RBP, 48), 1000), "694530e8030000")   /* imul eax,DWORD PTR [rbp+0x30],0x3e8 */
}
END_TEST

START_TEST (test_bits)
{
  CASE (enc_shift_ri (e, SHIFT_SHL, 0, RAX, 1), "d1e0")   /* shl eax,1 */
  CASE (enc_shift_ri (e, SHIFT_SAR, X64_W, R11, 33), "49c1fb21")   /* sar r11,0x21 */
  CASE (enc_shift_ri (e, SHIFT_ROL, 0, RBX, 8), "c1c308")   /* rol ebx,0x8 */
  CASE (enc_shift_cl (e, SHIFT_SHR, 0, R8), "41d3e8")   /* shr r8d,cl */
  CASE (enc_rorx (e, 0, RCX, RAX, 7), "c4e37bf0c807")   /* rorx ecx,eax,0x7 */
  CASE (enc_rorx (e, X64_W, R12, R13, 52), "c443fbf0e534")   /* rorx r12,r13,0x34 */
  CASE (enc_shld_ri (e, 0, RBX, RAX, 4), "0fa4c304")   /* shld ebx,eax,0x4 */
  CASE (enc_bt_ri (e, 0, RDI, 0), "0fbae700")   /* bt edi,0x0 */
  CASE (enc_unary (e, UNARY_NEG, 0, R9), "41f7d9")   /* neg r9d */
  CASE (enc_unary (e, UNARY_NOT, X64_W, RAX), "48f7d0")   /* not rax */
  CASE (enc_unary (e, UNARY_MUL, 0, RSI), "f7e6")   /* mul esi */
  CASE (enc_unary (e, UNARY_IDIV, X64_W, R14), "49f7fe")   /* idiv r14 */
  CASE (enc_bswap (e, 0, RCX), "0fc9")   /* bswap ecx */
  CASE (enc_bswap (e, X64_W, R10), "490fca")   /* bswap r10 */
  CASE (enc_setcc (e, CC_B, RAX), "0f92c0")   /* setb al */
  CASE (enc_setcc (e, CC_G, RDI), "400f9fc7")   /* setg dil */
  CASE (enc_cmov (e, CC_NE, 0, RAX, R15), "410f45c7")   /* cmovne eax,r15d */
  CASE (enc_rr (e, OP_LZCNT, RAX, RBX), "f30fbdc3")   /* lzcnt eax,ebx */
  CASE (enc_rr (e, OP_TZCNT | X64_W, R8, RBX), "f34c0fbcc3")   /* tzcnt r8,rbx */
  CASE (enc_rr (e, OP_POPCNT, RAX, R9), "f3410fb8c1")   /* popcnt eax,r9d */
  CASE (enc_rr (e, OP_BSR, RAX, RBX), "0fbdc3")   /* bsr eax,ebx */
  CASE (enc_rm (e, OP_MOVBE_LOAD, RAX, x64_mem (RBX, 0)), "0f38f003")   /* movbe eax,DWORD PTR [rbx] */
  /* movbe WORD PTR [rbx],ax */
  CASE (enc_rm (e, OP_MOVBE_STORE | X64_P66, RAX, x64_mem (RBX, 0)), "660f38f103")
  CASE (enc_vex_rr (e, OP_ANDN, RAX, RBX, R14), "c4c260f2c6")   /* andn eax,ebx,r14d */
  CASE (enc_vex_rr (e, OP_SHLX | X64_W, RAX, RCX, R14), "c4c2f1f7c6")   /* shlx rax,r14,rcx */
  /* sarx eax,DWORD PTR [rsp+0x40],r9d */
  CASE (enc_vex_rm (e, OP_SARX, RAX, R9, x64_mem (RSP, 64)), "c4e232f7442440")
  CASE (enc_vex_rr (e, OP_SHRX, R8, RAX, RDX), "c4627bf7c2")   /* shrx r8d,edx,eax */
}
END_TEST

START_TEST (test_others)
{
  CASE (enc_vex_rr (e, 0x58 | X64_0F, 1, 2, 3), "c5e858cb")   /* vaddps xmm1,xmm2,xmm3 */
  /* vaddpd ymm9,ymm2,ymm11 */
  CASE (enc_vex_rr (e, 0x58 | X64_0F | X64_P66 | X64_L, 9, 2, 11), "c4416d58cb")
  CASE (enc_rr (e, 0x58 | X64_0F | X64_PF2, 1, 10), "f2410f58ca")   /* addsd xmm1,xmm10 */
  /* addss xmm1,DWORD PTR [rax+rcx*1] */
  CASE (enc_rm (e, 0x58 | X64_0F | X64_PF3, 1, x64_mem_index (RAX, RCX, 0, 0)), "f30f580c08")
  CASE (enc_rr (e, 0x6e | X64_0F | X64_P66, 3, R12), "66410f6edc")   /* movd xmm3,r12d */
  /* movaps XMMWORD PTR [rbp+0x1200],xmm7 */
  CASE (enc_rm (e, OP_MOVAPS_STORE, 7, x64_mem (RBP, 0x1200)), "0f29bd00120000")
  /* fxsave64 [rbp+0x1100] */
  CASE (enc_rm (e, 0xae | X64_0F | X64_W, 0, x64_mem (RBP, 0x1100)), "480fae8500110000")
  CASE (enc_rr (e, 0xd8, 0, 1), "d8c1")   /* fadd st,st(1) */
  CASE (enc_rm (e, 0xdd, 3, x64_mem_index (RAX, RCX, 0, 0)), "dd1c08")   /* fstp QWORD PTR [rax+rcx*1] */
  /* lock cmpxchg DWORD PTR [rcx],edx */
  CASE (enc_rm (e, OP_CMPXCHG | X64_LOCK, RDX, x64_mem (RCX, 0)), "f00fb111")
  /* lock cmpxchg BYTE PTR [rcx],dil */
  CASE (enc_rm (e, 0xb0 | X64_0F | X64_B8REG | X64_LOCK, RDI, x64_mem (RCX, 0)), "f0400fb039")
  /* lock xadd WORD PTR [rcx],dx */
  CASE (enc_rm (e, OP_XADD | X64_LOCK | X64_P66, RDX, x64_mem (RCX, 0)), "f0660fc111")
  CASE (enc_rm (e, OP_XCHG | X64_W, RAX, x64_mem (RCX, 0)), "488701")   /* xchg QWORD PTR [rcx],rax */
  CASE (enc_push (e, R12), "4154")   /* push r12 */
  CASE (enc_pop (e, RBP), "5d")   /* pop rbp */
  CASE (enc_push_m (e, x64_mem (RSP, 56)), "ff742438")   /* push QWORD PTR [rsp+0x38] */
  CASE (enc_ret (e), "c3")   /* ret */
  CASE (enc_call_r (e, RAX), "ffd0")   /* call rax */
  CASE (enc_jmp_r (e, R11), "41ffe3")   /* jmp r11 */
  CASE (enc_jmp_m (e, x64_mem (RCX, 16)), "ff6110")   /* jmp QWORD PTR [rcx+0x10] */
  CASE (enc_nops (e, 3), "0f1f00")   /* nop DWORD PTR [rax] */
  CASE (enc_nops (e, 5), "0f1f440000")   /* nop DWORD PTR [rax+rax*1+0x0] */
}
END_TEST

START_TEST (test_jumps)
{
  uint8_t bytes[512] = { 0 };
  Enc e = { bytes, bytes + sizeof bytes, false, 0 };
  char is[64];
  enc_jmp_to (&e, bytes);                               /* jmp $ */
  enc_jcc_to (&e, CC_NE, bytes);
  to_hex (bytes, e.p, is);
  ck_assert_str_eq (is, "ebfe75fc");
  e.p = bytes + 200;
  enc_jcc_to (&e, CC_B, bytes);
  to_hex (bytes + 200, e.p, is);
  ck_assert_str_eq (is, "0f8232ffffff");
  e.p = bytes;
  uint8_t *forward = enc_jcc (&e, CC_G), *call = enc_call (&e);
  enc_patch (forward, bytes + 100);
  enc_patch (call, bytes + 11);
  to_hex (bytes, e.p, is);
  ck_assert_str_eq (is, "0f8f5e000000e800000000");
}
END_TEST

START_TEST (test_full)
{
  uint8_t bytes[40];
  memset (bytes, 0xaa, sizeof bytes);
  Enc e = { bytes, bytes + 30, false, 0 };
  for (unsigned i = 0; i < 20; i++) {
    enc_mov_ri (&e, R9, 0x123456789abcdef0);
    enc_patch (enc_jmp (&e), bytes);
    enc_alu_mi (&e, ALU_ADD, X64_W, x64_mem (RBP, 0x1000), 0x1000);
  }
  ck_assert (e.full);
  ck_assert (e.p <= bytes + 30);
  for (unsigned i = 30; i < 40; i++)
    ck_assert_uint_eq (bytes[i], 0xaa);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("encode");
  TCase *tcase = tcase_create ("all");
  tcase_add_test (tcase, test_moves);
  tcase_add_test (tcase, test_alu);
  tcase_add_test (tcase, test_bits);
  tcase_add_test (tcase, test_others);
  tcase_add_test (tcase, test_jumps);
  tcase_add_test (tcase, test_full);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}

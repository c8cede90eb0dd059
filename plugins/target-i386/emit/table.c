/* table.c -- which emitter translates which operation.  What has no row raises #UD. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

#define OP(name, emitter) [X86_OP_##name] = emit_##emitter

Emit *const x86_emit[X86_OP__COUNT] = {
  /* arithmetic and logic */
  OP (ADD, add), OP (OR, or), OP (ADC, adc), OP (SBB, sbb), OP (AND, and), OP (SUB, sub), OP (XOR, xor),
  OP (CMP, cmp), OP (TEST, test), OP (NOT, not), OP (NEG, neg), OP (INC, inc), OP (DEC, dec),
  OP (MUL, mul), OP (IMUL, imul), OP (IMUL2, imul2), OP (IMUL3, imul3), OP (DIV, div), OP (IDIV, idiv),
  OP (ROL, rol), OP (ROR, ror), OP (RCL, rcl), OP (RCR, rcr), OP (SHL, shl), OP (SHR, shr), OP (SAR, sar),
  OP (SHLD, shld), OP (SHRD, shrd), OP (BT, bit), OP (BTS, bit), OP (BTR, bit), OP (BTC, bit),
  OP (BSF, bsf), OP (BSR, bsr), OP (TZCNT, tzcnt), OP (LZCNT, lzcnt), OP (POPCNT, popcnt),
  OP (CRC32, crc32), OP (ADCX, adcx), OP (ADOX, adcx), OP (RDRAND, random), OP (RDSEED, random), OP (DAA, bcd), OP (DAS, bcd), OP (AAA, bcd),
  OP (AAS, bcd), OP (AAM, aam), OP (AAD, aad), OP (CBW, cbw), OP (CWD, cwd),

  OP (ANDN, andn), OP (BEXTR, bextr), OP (BLSI, blsi), OP (BLSMSK, blsmsk), OP (BLSR, blsr), OP (BZHI, bzhi),
  OP (MULX, mulx), OP (PDEP, pdep), OP (PEXT, pext), OP (RORX, rorx), OP (SARX, sarx), OP (SHLX, shlx),
  OP (SHRX, shrx),

  /* moves */
  OP (MOV, mov), OP (MOVNTI, mov), OP (MOVZX, movzx), OP (MOVSX, movsx), OP (MOVBE, movbe), OP (LEA, lea),
  OP (XCHG, xchg), OP (XADD, xadd), OP (CMPXCHG, cmpxchg), OP (CMPXCHG8B, cmpxchg8b),
  OP (CMPXCHG16B, cmpxchg16b), OP (BSWAP, bswap),
  OP (SETCC, setcc), OP (CMOVCC, cmovcc), OP (XLAT, xlat), OP (PUSH, push_insn), OP (POP, pop),
  OP (PUSHA, pusha), OP (POPA, popa), OP (PUSHF, pushf), OP (POPF, popf), OP (ENTER, enter),
  OP (LEAVE, leave), OP (MOV_TO_SEG, mov_to_seg), OP (MOV_FROM_SEG, mov_from_seg), OP (PUSH_SEG, push_seg),
  OP (POP_SEG, pop_seg), OP (LDS, load_far_pointer), OP (LES, load_far_pointer),
  OP (LFS, load_far_pointer), OP (LGS, load_far_pointer), OP (LSS, load_far_pointer), OP (NOP, nop),
  OP (PAUSE, nop), OP (PREFETCHNTA, nop), OP (PREFETCHT0, nop), OP (PREFETCHT1, nop), OP (PREFETCHT2, nop),
  OP (PREFETCHW, nop),

  /* single flags */
  OP (CLC, flag_carry), OP (STC, flag_carry), OP (CMC, flag_carry), OP (CLD, direction),
  OP (STD, direction), OP (CLI, cli), OP (STI, sti), OP (LAHF, lahf), OP (SAHF, sahf), OP (SALC, salc),

  /* strings and ports */
  OP (MOVS, movs), OP (CMPS, cmps), OP (SCAS, scas), OP (LODS, lods), OP (STOS, stos), OP (INS, ins),
  OP (OUTS, outs), OP (IN, in), OP (OUT, out),

  /* control flow */
  OP (JCC, jcc), OP (JCXZ, jcxz), OP (LOOP, loop), OP (LOOPE, loop), OP (LOOPNE, loop), OP (JMP, jmp),
  OP (CALL, call_near), OP (RET, ret), OP (JMPF, jmpf), OP (CALLF, callf), OP (RETF, retf),
  OP (IRET, iret), OP (INT, int), OP (INT3, int3), OP (INT1, int1), OP (INTO, into), OP (BOUND, bound),
  OP (SYSENTER, sysenter), OP (SYSEXIT, sysexit),

  /* system */
  OP (ARPL, arpl), OP (LAR, lar), OP (LSL, lar), OP (VERR, verr), OP (VERW, verr), OP (SLDT, sldt),
  OP (STR, sldt), OP (LLDT, lldt), OP (LTR, lldt), OP (SGDT, sgdt), OP (SIDT, sgdt), OP (LGDT, lgdt),
  OP (LIDT, lgdt), OP (SMSW, smsw), OP (LMSW, lmsw), OP (CLTS, clts), OP (INVLPG, invlpg), OP (INVPCID, invpcid),
  OP (INVD, wbinvd), OP (WBINVD, wbinvd), OP (HLT, hlt), OP (CPUID, cpuid), OP (RDTSC, rdtsc),
  OP (RDPMC, rdpmc), OP (RDMSR, rdmsr), OP (WRMSR, wrmsr), OP (MONITOR, monitor), OP (MWAIT, mwait),
  OP (MOV_TO_CR, mov_to_cr), OP (MOV_FROM_CR, mov_from_cr), OP (MOV_TO_DR, mov_to_dr),
  OP (MOV_FROM_DR, mov_from_dr), OP (LFENCE, fence), OP (MFENCE, fence), OP (SFENCE, fence),
  OP (CLFLUSH, clflush), OP (CLFLUSHOPT, clflush), OP (CLWB, clflush),
  OP (RDPKRU, rdpkru), OP (WRPKRU, wrpkru), OP (RDTSCP, rdtscp), OP (RDPID, rdpid), OP (CLAC, clac), OP (STAC, stac), OP (SYSCALL, syscall),
  OP (SYSRET, sysret), OP (SWAPGS, swapgs), OP (RDFSBASE, rdfsbase), OP (RDGSBASE, rdfsbase),
  OP (WRFSBASE, wrfsbase), OP (WRGSBASE, wrfsbase)
};

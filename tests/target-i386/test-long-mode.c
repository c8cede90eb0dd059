/* test-long-mode.c -- paging, segments, transfers and events of the x86 runtime in long mode. */
/* SPDX-License-Identifier: MIT */
#include "stub-machine.h"

#define TOP 0xffffff8000000000u         /* where the first 4 MB are mapped once more: PML4 entry 511, PDPT entry 0 */
#define HOLE 0x0000800000000000u        /* the first address that is not canonical */
#define NX ((uint64_t) 1 << 63)

static BpTlbFill fill;

static bool
walk (uint64_t address, BpMmuAccess access, unsigned mmu)
{
  env->exc_vector = env->exc_old = -1;
  return x86_tlb_fill (env, address, access, mmu, false, &fill);
}

static uint64_t
pushed (unsigned i)
{
  return peek (env->gpr[X86_RSP] + 8 * i, 8);
}

/* --- paging ----------------------------------------------------------------------------------------- */

START_TEST (four_levels)
{
  enum { PT = 0x24000 };
  enter_long (0, true);
  poke (PD4, PT | 7, 8);
  poke (PT + 8 * 5, 0x7000 | 7 | NX, 8);
  env->efer |= EFER_NXE;
  ck_assert (walk (TOP | 0x5123, BP_MMU_STORE, MMU_USER));
  ck_assert_uint_eq (fill.physical, 0x7000);
  ck_assert_uint_eq (fill.page_shift, 12);
  ck_assert (fill.writable && !fill.executable);
  ck_assert_uint_eq (fill.n_words, 4);
  ck_assert_uint_eq (fill.word_size, 8);
  ck_assert_uint_eq (fill.word[0].physical, PML4 + 8 * 511);
  for (unsigned i = 0; i < 4; i++)
    ck_assert_uint_eq (peek (fill.word[i].physical, 8), fill.word[i].value);
  ck_assert_uint_eq (fill.word[3].value, 0x7000 | 0x67 | NX);   /* accessed, dirty */
  ck_assert_uint_eq (fill.word[1].value, PD4 | 0x27);
  ck_assert (!walk (TOP | 0x5000, BP_MMU_FETCH, MMU_USER));
  ck_assert_uint_eq (env->exc_error, 0x15);
  ck_assert_uint_eq (env->cr2, TOP | 0x5000);
  env->efer &= ~(uint64_t) EFER_NXE;
  ck_assert (!walk (TOP | 0x5000, BP_MMU_LOAD, MMU_USER));
  ck_assert_uint_eq (env->exc_error, 0xd);                      /* XD is reserved now */
  ck_assert (!walk (0x4000000000, BP_MMU_LOAD, MMU_USER));      /* PDPT entry 256 */
  ck_assert_uint_eq (env->exc_error, 4);
}
END_TEST

START_TEST (reserved_bits)
{
  enter_long (0, true);
  poke (PD4, 0x87 | 1 << 13, 8);
  ck_assert (!walk (0, BP_MMU_LOAD, MMU_KERNEL));
  ck_assert_uint_eq (env->exc_error, 9);
  poke (PD4, 0x87 | (uint64_t) 1 << 52, 8);                     /* for programs */
  ck_assert (walk (0, BP_MMU_LOAD, MMU_KERNEL));
  poke (PD4, 0x87 | (uint64_t) 1 << 40, 8);                     /* beyond 36 bits here */
  ck_assert (!walk (0, BP_MMU_LOAD, MMU_KERNEL));
  poke (PML4, PDPT4 | 0x87, 8);                                 /* no pages of 512 GB */
  ck_assert (!walk (0, BP_MMU_LOAD, MMU_KERNEL));
  ck_assert_uint_eq (env->exc_error, 9);
}
END_TEST

START_TEST (huge_pages)
{
  enter_long (0, true);
  poke (PDPT4 + 8, 0x40000087, 8);
  ck_assert (!walk (0x40005000, BP_MMU_LOAD, MMU_KERNEL));      /* without the feature, reserved */
  ck_assert_uint_eq (env->exc_error, 9);
  env->cpuid_80000001_edx = 1u << 26;
  ck_assert (walk (0x40005000, BP_MMU_LOAD, MMU_KERNEL));
  ck_assert_uint_eq (fill.physical, 0x40005000);
  ck_assert_uint_eq (fill.page_shift, 30);
  ck_assert_uint_eq (fill.n_words, 2);
  poke (PDPT4 + 8, 0x40000087 | 1 << 20, 8);
  ck_assert (!walk (0x40005000, BP_MMU_LOAD, MMU_KERNEL));
}
END_TEST

/* What a translation is told to rest on, and whose are dropped; who may do what is in system/cases-keys.c. */
START_TEST (protection_keys)
{
  enum { USER = 0x87, KERNEL = 0x83 };
  const uint64_t key_5 = (uint64_t) 5 << 59;
  enter_long (0, true);
  poke (PD4, USER | key_5, 8);
  ck_assert (walk (0, BP_MMU_LOAD, MMU_USER));
  ck_assert_uint_eq (fill.key, 0);
  env->cr4 |= CR4_PKE;
  ck_assert (walk (0, BP_MMU_LOAD, MMU_USER));
  ck_assert (fill.key == 6 && fill.readable);
  ck_assert (walk (0, BP_MMU_LOAD, MMU_KERNEL));
  ck_assert_uint_eq (fill.key, 6);
  env->pkru = 1 << 10;
  ck_assert (walk (0, BP_MMU_FETCH, MMU_USER));
  ck_assert (fill.executable && !fill.readable && !fill.writable);
  ck_assert (!walk (0, BP_MMU_LOAD, MMU_USER));
  ck_assert_uint_eq (env->exc_error, 0x25);
  env->pkru = 2 << 10;
  ck_assert (walk (0, BP_MMU_LOAD, MMU_USER));
  ck_assert (fill.readable && !fill.writable);
  env->cr0 &= ~(uint64_t) CR0_WP;
  ck_assert (walk (0, BP_MMU_STORE, MMU_KERNEL));
  poke (PD4, KERNEL | key_5, 8);
  ck_assert (walk (0, BP_MMU_LOAD, MMU_KERNEL));
  ck_assert_uint_eq (fill.key, 0);
  env->cr4 |= CR4_PKS;
  ck_assert (walk (0, BP_MMU_LOAD, MMU_KERNEL));
  ck_assert_uint_eq (fill.key, 22);
  env->efer &= ~(uint64_t) EFER_LMA;                            /* PAE: no keys */
  env->pdpte[0] = PD4 | 1;
  poke (PD4, USER, 8);
  ck_assert (walk (0, BP_MMU_LOAD, MMU_USER));
  ck_assert_uint_eq (fill.key, 0);
}
END_TEST

START_TEST (keys_that_become_stricter)
{
  enter_long (0, true);
  env->pkru = 0x55555554;
  stub.flushed_keys = 0;
  x86_set_pkru (env, 0x00000004);                               /* more is allowed */
  ck_assert_uint_eq (stub.flushed_keys, 0);
  x86_set_pkru (env, 0x80000008);                               /* key 1 from AD to WD, key 15 gets WD */
  ck_assert_uint_eq (stub.flushed_keys, 0x8002);
  stub.flushed_keys = 0;
  x86_set_pkrs (env, 0x00000003);
  ck_assert_uint_eq (stub.flushed_keys, 0x10000);
  ck_assert (env->pkru == 0x80000008 && env->pkrs == 3);
}
END_TEST

START_TEST (addresses_that_are_not_canonical)
{
  enter_long (0, true);
  ck_assert (!walk (HOLE, BP_MMU_LOAD, MMU_KERNEL));
  ck_assert_int_eq (env->exc_vector, EXC_GP);
  ck_assert_uint_eq (env->exc_error, 0);
  ck_assert_uint_eq (env->bad_address, HOLE);
  ck_assert (!walk (0x4000000000, BP_MMU_LOAD, MMU_KERNEL));
  ck_assert_uint_eq (env->bad_address, 0);
  env->exc_vector = -1;
  ck_assert (!x86_tlb_fill (env, HOLE, BP_MMU_LOAD, MMU_KERNEL, true, &fill));
  ck_assert_int_eq (env->exc_vector, -1);
}
END_TEST

/* --- control registers ---------------------------------------------------------------------------------- */

START_TEST (into_long_mode_and_out)
{
  enter_protected (0);
  env->cr4_allowed |= CR4_PCIDE;
  env->efer = EFER_LME;
  env->cr3 = PML4;
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 0, CR0_PE | CR0_PG));                       /* without PAE */
  env->cr4 = CR4_PAE;
  env->segment[X86_CS].attributes |= SEG_L;
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 0, CR0_PE | CR0_PG));
  env->segment[X86_CS].attributes &= (uint16_t) ~SEG_L;
  SUCCEEDS (helper_mov_to_cr (env, 0, CR0_PE | CR0_PG));
  ck_assert_uint_eq (env->efer, EFER_LME | EFER_LMA);
  ck_assert (!(env->hflags & HF_CODE64));
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 4, 0));                                     /* PAE stays */
  SUCCEEDS (helper_mov_to_cr (env, 4, CR4_PAE | CR4_PCIDE));
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 0, CR0_PE));                                /* PCIDE does not go with that */
  SUCCEEDS (helper_mov_to_cr (env, 4, CR4_PAE));
  SUCCEEDS (helper_mov_to_cr (env, 0, CR0_PE));
  ck_assert_uint_eq (env->efer, EFER_LME);
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 4, CR4_PAE | CR4_PCIDE));                   /* only in long mode */
  enter_long (0, true);
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 0, CR0_PE));                                /* not from 64-bit code */
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 0, env->cr0 | (uint64_t) 1 << 32));
}
END_TEST

START_TEST (process_contexts)
{
  enter_long (0, true);
  env->cr4_allowed |= CR4_PCIDE;
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 3, (uint64_t) 1 << 63 | PML4));
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 3, (uint64_t) 1 << 40 | PML4));
  SUCCEEDS (helper_mov_to_cr (env, 3, PML4 | 5));
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 4, CR4_PAE | CR4_PCIDE));                   /* CR3 has a PCID already */
  SUCCEEDS (helper_mov_to_cr (env, 3, PML4));
  SUCCEEDS (helper_mov_to_cr (env, 4, CR4_PAE | CR4_PCIDE));
  SUCCEEDS (helper_mov_to_cr (env, 3, (uint64_t) 1 << 63 | PML4 | 7));
  ck_assert_uint_eq (env->cr3, PML4 | 7);
  ck_assert_uint_eq (stub.root, PML4);
  ck_assert_uint_eq (stub.asid, 7);
  ck_assert (stub.kept);
  SUCCEEDS (helper_mov_to_cr (env, 3, PML4 | 8));
  ck_assert (!stub.kept && stub.asid == 8);

  SUCCEEDS (helper_invpcid (env, 0, 7, TOP));
  ck_assert (stub.flushed_asid == 7 && stub.flushed_page == TOP);
  FAULTS (EXC_GP, 0, helper_invpcid (env, 0, 7, HOLE));
  SUCCEEDS (helper_invpcid (env, 1, 9, HOLE));
  ck_assert_uint_eq (stub.flushed_asid, 9);
  SUCCEEDS (helper_invpcid (env, 3, 0, 0));
  ck_assert_uint_eq (stub.flushed_asid, BP_TLB_EVERY_ASID);
  unsigned before = stub.flushes_all;
  SUCCEEDS (helper_invpcid (env, 2, 0, 0));
  ck_assert_uint_eq (stub.flushes_all, before + 1);
  FAULTS (EXC_GP, 0, helper_invpcid (env, 4, 0, 0));
  FAULTS (EXC_GP, 0, helper_invpcid (env, 1, 0x1000, 0));
  env->cr4 &= ~(uint64_t) CR4_PCIDE;
  FAULTS (EXC_GP, 0, helper_invpcid (env, 1, 9, 0));
}
END_TEST

START_TEST (other_registers)
{
  enter_long (0, true);
  SUCCEEDS (helper_mov_to_cr (env, 8, 9));
  ck_assert_uint_eq (helper_mov_from_cr (env, 8), 9);
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 8, 16));
  SUCCEEDS (helper_mov_to_cr (env, 2, TOP));
  ck_assert_uint_eq (helper_mov_from_cr (env, 2), TOP);
  SUCCEEDS (helper_mov_to_dr (env, 0, TOP));
  ck_assert_uint_eq (helper_mov_from_dr (env, 0), TOP);
  FAULTS (EXC_GP, 0, helper_mov_to_dr (env, 7, (uint64_t) 1 << 32));
  FAULTS (EXC_GP, 0, helper_mov_to_dr (env, 6, (uint64_t) 1 << 32));
  SUCCEEDS (helper_load_table (env, 0, TOP, 0x7f));
  ck_assert (env->gdtr.base == TOP && env->gdtr.limit == 0x7f);
  FAULTS (EXC_GP, 0, helper_load_table (env, 1, HOLE, 0x7f));
}
END_TEST

START_TEST (flags_when_the_width_changes)
{
  enter_long (0, true);
  env->cc_op = CC_SUB64;
  env->cc_dst = (uint64_t) 1 << 40;
  env->cc_src = 0;
  x86_set_segment (env, X86_CS, LONG_CODE32, 0, 0xffffffff, 0xc09b);
  ck_assert (!(env->hflags & HF_CODE64));
  ck_assert_uint_eq (env->cc_op, CC_EFLAGS);
  ck_assert (!(env->cc_src & X86_FL_ZF));
}
END_TEST

/* --- segments ------------------------------------------------------------------------------------------------ */

START_TEST (mode_bits)
{
  enter_long (3, true);
  x86_set_segment (env, X86_DS, 0, 0x1000, 0, 0);
  x86_set_segment (env, X86_FS, 0, 0x1000, 0, 0);
  ck_assert_uint_eq (env->hflags & (HF_CODE64 | HF_CS32 | HF_SS32 | HF_CPL), HF_CODE64 | HF_SS32 | 3);
  for (unsigned i = 0; i < 6; i++)
    ck_assert (env->hflags & HF_FLAT (i));
  ck_assert (env->hflags & HF_BASE0 (X86_DS) && !(env->hflags & (HF_BASE0 (X86_FS) | HF_BASE0 (X86_GS))));
  x86_set_segment (env, X86_CS, LONG_CODE32, 0, 0xffffffff, 0xc0fb);
  ck_assert_uint_eq (env->hflags & (HF_CODE64 | HF_CS32), HF_CS32);
  ck_assert (!(env->hflags & (HF_FLAT (X86_DS) | HF_BASE0 (X86_DS) | HF_BASE0 (X86_FS))) && env->hflags & HF_BASE0 (X86_GS));
}
END_TEST

START_TEST (null_stacks)
{
  enter_long (0, true);
  SUCCEEDS (helper_load_seg (env, X86_SS, 0));
  ck_assert_uint_eq (x86_cpl (env), 0);
  FAULTS (EXC_GP, 0, helper_load_seg (env, X86_SS, 3));
  enter_long (3, true);
  FAULTS (EXC_GP, 0, helper_load_seg (env, X86_SS, 3));
  enter_long (3, false);
  FAULTS (EXC_GP, 0, helper_load_seg (env, X86_SS, 0));
}
END_TEST

START_TEST (wide_descriptors)
{
  enter_long (0, true);
  set_descriptor64 (LONG_FREE, TOP | 0x3000, 0x67, 0x89);
  SUCCEEDS (helper_ltr (env, LONG_FREE));
  ck_assert_uint_eq (env->segment[BP_X86_TR].base, TOP | 0x3000);
  ck_assert_uint_eq (peek (GDT + LONG_FREE + 5, 1), 0x8b);
  FAULTS (EXC_GP, LONG_FREE, helper_ltr (env, LONG_FREE));              /* busy */
  set_descriptor64 (LONG_FREE, TSS, 0x67, 0x81);
  FAULTS (EXC_GP, LONG_FREE, helper_ltr (env, LONG_FREE));              /* no 16-bit ones */
  set_descriptor64 (LONG_FREE, HOLE, 0x67, 0x89);
  FAULTS (EXC_GP, LONG_FREE, helper_ltr (env, LONG_FREE));
  set_descriptor64 (LONG_FREE, TOP | LDT, 0x7f, 0x82);
  SUCCEEDS (helper_lldt (env, LONG_FREE));
  ck_assert_uint_eq (env->segment[BP_X86_LDTR].base, TOP | LDT);
  set_descriptor (LDT, 8, 0, 0xffffffff, 0xc093);
  SUCCEEDS (helper_load_seg (env, X86_DS, 8 | 4));
  env->gdtr.limit = LONG_FREE + 7;                                      /* half of it is in the table */
  FAULTS (EXC_GP, LONG_FREE, helper_lldt (env, LONG_FREE));
  ck_assert (helper_lar (env, LONG_TSS) >> 32 && helper_lsl (env, LONG_TSS) >> 32);
  set_descriptor (GDT, LONG_FREE, 0, 0, 0x81);
  ck_assert_uint_eq (helper_lar (env, LONG_FREE), 0);
}
END_TEST

START_TEST (bases)
{
  enter_long (3, true);
  FAULTS (EXC_UD, 0, helper_write_base (env, X86_FS, 0x1000));
  env->cr4 |= CR4_FSGSBASE;
  SUCCEEDS (helper_write_base (env, X86_FS, TOP));
  ck_assert_uint_eq (helper_read_base (env, X86_FS), TOP);
  FAULTS (EXC_GP, 0, helper_write_base (env, X86_GS, HOLE));
  SUCCEEDS (helper_load_seg (env, X86_FS, 0));
  ck_assert_uint_eq (env->segment[X86_FS].base, 0);
}
END_TEST

/* --- far transfers --------------------------------------------------------------------------------------------- */

START_TEST (far_jumps)
{
  enter_long (0, true);
  SUCCEEDS (helper_ljmp (env, LONG_CODE0, TOP | 0x600, 8, 0));
  ck_assert_uint_eq (env->eip, TOP | 0x600);
  FAULTS (EXC_GP, 0, helper_ljmp (env, LONG_CODE0, HOLE, 8, 0));
  SUCCEEDS (helper_ljmp (env, LONG_CODE0, TOP | 0x600, 4, 0));
  ck_assert_uint_eq (env->eip, 0x600);
  set_descriptor (GDT, LONG_FREE, 0, 0xffffffff, 0xe09b);               /* L and D */
  FAULTS (EXC_GP, LONG_FREE, helper_ljmp (env, LONG_FREE, 0x600, 4, 0));
  set_descriptor (GDT, LONG_FREE, 0x10000, 0xffff, 0x409b);             /* compatibility mode */
  FAULTS (EXC_GP, 0, helper_ljmp (env, LONG_FREE, 0x10000, 4, 0));
  SUCCEEDS (helper_ljmp (env, LONG_FREE, 0x600, 4, 0));
  ck_assert (!x86_in_code64 (env) && env->segment[X86_CS].base == 0x10000);
  SUCCEEDS (helper_ljmp (env, LONG_CODE0, 0x700, 4, 0));
  ck_assert (x86_in_code64 (env));
  FAULTS (EXC_GP, LONG_TSS, helper_ljmp (env, LONG_TSS, 0, 4, 0));      /* no task switches */
}
END_TEST

START_TEST (call_gates)
{
  enter_long (3, true);
  env->gpr[X86_RSP] = TOP | STACK3;
  set_gate64 (GDT + LONG_FREE, LONG_CODE0, TOP | 0x600, SYS_CALL32, 3, 0);
  SUCCEEDS (helper_lcall (env, LONG_FREE, 0, 8, 0x1234567890));
  ck_assert_uint_eq (x86_cpl (env), 0);
  ck_assert_uint_eq (env->eip, TOP | 0x600);
  ck_assert_uint_eq (env->gpr[X86_RSP], RSP0 - 32);
  ck_assert_uint_eq (pushed (0), 0x1234567890);
  ck_assert_uint_eq (pushed (1), LONG_CODE3);
  ck_assert_uint_eq (pushed (2), TOP | STACK3);
  ck_assert_uint_eq (pushed (3), LONG_DATA3);
  ck_assert_uint_eq (env->segment[X86_SS].selector, 0);
  SUCCEEDS (helper_lret (env, 8, 0));
  ck_assert_uint_eq (x86_cpl (env), 3);
  ck_assert_uint_eq (env->eip, 0x1234567890);
  ck_assert_uint_eq (env->gpr[X86_RSP], TOP | STACK3);
  ck_assert_uint_eq (env->segment[X86_SS].selector, LONG_DATA3);
  poke (GDT + LONG_FREE + 12, 0x0100, 4);                               /* a type in the second half */
  FAULTS (EXC_GP, LONG_FREE, helper_lcall (env, LONG_FREE, 0, 8, 0));
  set_gate64 (GDT + LONG_FREE, LONG_CODE32, 0x600, SYS_CALL32, 3, 0);
  FAULTS (EXC_GP, LONG_CODE32 & ~3u, helper_lcall (env, LONG_FREE, 0, 8, 0));
  set_gate64 (GDT + LONG_FREE, LONG_CODE0, 0x600, SYS_CALL16, 3, 0);
  FAULTS (EXC_GP, LONG_FREE, helper_lcall (env, LONG_FREE, 0, 8, 0));
  env->segment[BP_X86_TR].limit = 10;
  set_gate64 (GDT + LONG_FREE, LONG_CODE0, 0x600, SYS_CALL32, 3, 0);
  FAULTS (EXC_TS, LONG_TSS, helper_lcall (env, LONG_FREE, 0, 8, 0));
}
END_TEST

static void
push_iret (uint64_t rip, uint64_t cs, uint64_t rflags, uint64_t rsp, uint64_t ss)
{
  const uint64_t frame[5] = { rip, cs, rflags, rsp, ss };
  env->gpr[X86_RSP] = STACK0;
  for (unsigned i = 0; i < 5; i++)
    poke (STACK0 + 8 * i, frame[i], 8);
}

START_TEST (nulled_segments_keep_their_base)
{
  enter_long (0, true);
  x86_set_segment (env, X86_GS, LONG_DATA0, TOP, 0xffffffff, 0xc093);
  push_iret (0x600, LONG_CODE3, 2, 0x9000, LONG_DATA3);
  SUCCEEDS (helper_iret_protected (env, 8, 0));
  ck_assert_uint_eq (env->segment[X86_GS].selector, 0);
  ck_assert_uint_eq (env->segment[X86_GS].base, TOP);
  ck_assert_uint_eq (env->segment[X86_GS].attributes, 0);
}
END_TEST

START_TEST (iretq)
{
  enter_long (0, true);
  push_iret (TOP | 0x600, LONG_CODE0, 2 | X86_FL_IF, 0x9008, 0);
  SUCCEEDS (helper_iret_protected (env, 8, 0));                         /* always SS:RSP */
  ck_assert_uint_eq (env->eip, TOP | 0x600);
  ck_assert_uint_eq (env->gpr[X86_RSP], 0x9008);
  ck_assert_uint_eq (env->segment[X86_SS].selector, 0);
  ck_assert (env->eflags & X86_FL_IF);
  push_iret (0x600, LONG_CODE3, 2 | X86_FL_VM, TOP, LONG_DATA3);
  SUCCEEDS (helper_iret_protected (env, 8, 0));
  ck_assert_uint_eq (x86_cpl (env), 3);
  ck_assert_uint_eq (env->gpr[X86_RSP], TOP);
  ck_assert (!(env->eflags & X86_FL_VM));
  enter_long (0, true);
  push_iret (0x600, LONG_CODE3, 2, 0x9000, 3);
  FAULTS (EXC_GP, 0, helper_iret_protected (env, 8, 0));                /* a user has a stack */
  push_iret (0x600, LONG_CODE0, 2, 0x9000, 3);
  FAULTS (EXC_GP, 0, helper_iret_protected (env, 8, 0));
  push_iret (HOLE, LONG_CODE0, 2, 0x9000, 0);
  FAULTS (EXC_GP, 0, helper_iret_protected (env, 8, 0));
  env->gpr[X86_RSP] = HOLE - 8;
  FAULTS (EXC_SS, 0, helper_iret_protected (env, 8, 0));
  env->eflags |= X86_FL_NT;
  FAULTS (EXC_GP, 0, helper_iret_protected (env, 8, 0));
  env->eflags &= ~X86_FL_NT;
  push_iret (0x600, LONG_CODE32, 2, 0x1234567890, LONG_DATA3);          /* to compatibility mode */
  SUCCEEDS (helper_iret_protected (env, 8, 0));
  ck_assert_uint_eq (env->gpr[X86_RSP], 0x34567890);
  ck_assert_uint_eq (env->hflags & (HF_CODE64 | HF_CS32), HF_CS32);
}
END_TEST

/* --- events ---------------------------------------------------------------------------------------------------------- */

START_TEST (events_push_everything)
{
  enter_long (0, true);
  env->gpr[X86_RSP] = TOP | 0x800c;
  env->eip = TOP | 0x100;
  env->eflags = 2 | X86_FL_IF | X86_FL_NT;
  x86_record_exception (env, EXC_GP, 0x18);
  ck_assert_uint_eq (deliver (), 1);
  ck_assert_uint_eq (env->eip, HANDLERS + 16 * EXC_GP);
  ck_assert_uint_eq (env->gpr[X86_RSP], (TOP | 0x8000) - 48);           /* aligned first */
  env->gpr[X86_RSP] &= 0xffff;
  ck_assert_uint_eq (pushed (0), 0x18);
  ck_assert_uint_eq (pushed (1), TOP | 0x100);
  ck_assert_uint_eq (pushed (2), LONG_CODE0);
  ck_assert_uint_eq (pushed (3), 2 | X86_FL_IF | X86_FL_NT | X86_FL_RF);
  ck_assert_uint_eq (pushed (4), TOP | 0x800c);
  ck_assert_uint_eq (pushed (5), LONG_DATA0);
  ck_assert_uint_eq (env->segment[X86_SS].selector, LONG_DATA0);        /* the same level: SS stays */
  ck_assert (!(env->eflags & (X86_FL_IF | X86_FL_NT)));
}
END_TEST

START_TEST (events_from_the_user)
{
  enter_long (3, false);
  set_gate64 (IDT + 16 * 0x80, LONG_CODE0, TOP | 0x5800, SYS_TRAP32, 3, 0);
  env->eflags |= X86_FL_IF;
  DELIVERS (helper_interrupt (env, 0x80, 0x102));
  ck_assert_uint_eq (env->eip, TOP | 0x5800);
  ck_assert (x86_in_code64 (env) && x86_cpl (env) == 0 && env->eflags & X86_FL_IF);
  ck_assert_uint_eq (env->gpr[X86_RSP], RSP0 - 40);
  ck_assert_uint_eq (pushed (0), 0x102);
  ck_assert_uint_eq (pushed (1), LONG_CODE32);
  ck_assert_uint_eq (pushed (3), STACK3);
  ck_assert_uint_eq (pushed (4), LONG_DATA3);
  ck_assert_uint_eq (env->segment[X86_SS].selector, 0);
  enter_long (3, true);
  FAULTS (EXC_GP, 0x81 * 8 + 2, helper_interrupt (env, 0x81, 0x102));   /* the gate is not for users */
}
END_TEST

START_TEST (interrupt_stacks)
{
  enter_long (0, true);
  set_gate64 (IDT + 16 * EXC_DB, LONG_CODE0, HANDLERS, SYS_INT32, 0, 1);
  DELIVERS (x86_raise (env, EXC_DB));
  ck_assert_uint_eq (env->gpr[X86_RSP], (IST1 & ~15) - 40);
  ck_assert_uint_eq (pushed (3), STACK0);
  ck_assert_uint_eq (env->segment[X86_SS].selector, LONG_DATA0);
  set_gate64 (IDT + 16 * EXC_UD, LONG_CODE0, HANDLERS, SYS_INT32, 0, 7);
  env->segment[BP_X86_TR].limit = 36 + 7 * 8 - 2;                       /* a byte short of the seventh */
  FAULTS (EXC_TS, LONG_TSS, helper_interrupt (env, EXC_UD, 0x102));
}
END_TEST

START_TEST (gates_that_are_none)
{
  enter_long (0, true);
  set_gate64 (IDT + 16 * 0x40, LONG_CODE0, HANDLERS, SYS_INT16, 0, 0);
  FAULTS (EXC_GP, 0x40 * 8 + 2, helper_interrupt (env, 0x40, 0x102));
  set_gate64 (IDT + 16 * 0x40, LONG_CODE0, HANDLERS, SYS_TASK_GATE, 0, 0);
  FAULTS (EXC_GP, 0x40 * 8 + 2, helper_interrupt (env, 0x40, 0x102));
  set_gate64 (IDT + 16 * 0x40, LONG_CODE0, HOLE, SYS_INT32, 0, 0);
  FAULTS (EXC_GP, 0, helper_interrupt (env, 0x40, 0x102));
  set_gate64 (IDT + 16 * 0x40, LONG_CODE32 & ~3u, HANDLERS, SYS_INT32, 0, 0);
  FAULTS (EXC_GP, LONG_CODE32 & ~3u, helper_interrupt (env, 0x40, 0x102));
  set_descriptor (GDT, LONG_FREE, 0, 0xffffffff, 0xc09b);               /* 32-bit code handles nothing */
  set_gate64 (IDT + 16 * 0x40, LONG_FREE, HANDLERS, SYS_INT32, 0, 0);
  FAULTS (EXC_GP, LONG_FREE, helper_interrupt (env, 0x40, 0x102));
  env->idtr.limit = 0x40 * 16 + 14;
  FAULTS (EXC_GP, 0x40 * 8 + 2, helper_interrupt (env, 0x40, 0x102));
  env->gpr[X86_RSP] = HOLE + 0x1000;
  FAULTS (EXC_SS, 0, helper_interrupt (env, 0x20, 0x102));
}
END_TEST

/* --- system calls -------------------------------------------------------------------------------------------------------- */

START_TEST (syscall_and_sysret)
{
  enter_long (3, true);
  FAULTS (EXC_UD, 0, helper_syscall (env, 0x102));
  env->efer |= EFER_SCE;
  env->star = (uint64_t) 0x001b0008 << 32;
  env->lstar = TOP | 0x4000;
  env->sfmask = X86_FL_IF | X86_FL_TF | X86_FL_CF;
  x86_set_eflags (env, X86_FL_IF | X86_FL_CF | X86_FL_DF, X86_FL_ALL);
  env->gpr[X86_RSP] = 0x1234567890;
  SUCCEEDS (helper_syscall (env, 0x1000000102));
  ck_assert_uint_eq (env->eip, TOP | 0x4000);
  ck_assert_uint_eq (env->gpr[X86_RCX], 0x1000000102);
  ck_assert_uint_eq (env->gpr[11], 2 | X86_FL_IF | X86_FL_CF | X86_FL_DF);
  ck_assert_uint_eq (x86_eflags (env), 2 | X86_FL_DF);
  ck_assert (x86_cpl (env) == 0 && x86_in_code64 (env));
  ck_assert_uint_eq (env->gpr[X86_RSP], 0x1234567890);
  SUCCEEDS (helper_sysret (env, 8));
  ck_assert_uint_eq (env->eip, 0x1000000102);
  ck_assert_uint_eq (env->segment[X86_CS].selector, 0x2b);
  ck_assert_uint_eq (env->segment[X86_SS].selector, 0x23);
  ck_assert_uint_eq (x86_eflags (env), 2 | X86_FL_IF | X86_FL_CF | X86_FL_DF);
  ck_assert (x86_cpl (env) == 3 && x86_in_code64 (env));
  SUCCEEDS (helper_syscall (env, 0x102));
  env->gpr[X86_RCX] = HOLE;
  FAULTS (EXC_GP, 0, helper_sysret (env, 8));
  ck_assert_uint_eq (x86_cpl (env), 0);                                 /* still the kernel's fault */
  env->gpr[11] = 2 | X86_FL_TF | X86_FL_RF | X86_FL_VM;
  SUCCEEDS (helper_sysret (env, 4));
  ck_assert_uint_eq (env->eip, 0);
  ck_assert_uint_eq (env->segment[X86_CS].selector, 0x1b);
  ck_assert (!x86_in_code64 (env) && env->hflags & HF_CS32);
  ck_assert_uint_eq (x86_eflags (env), 2 | X86_FL_TF);
  ck_assert (stub.pending & X86_IRQ_TRAP);                              /* TF at its end is a trap at once */
  FAULTS (EXC_UD, 0, helper_syscall (env, 0x102));                      /* not in compatibility mode */
  env->own_features = OWN_SYSCALL32;
  env->cstar = TOP | 0x4800;
  SUCCEEDS (helper_syscall (env, 0x102));                               /* or as AMD has it */
  ck_assert (env->eip == (TOP | 0x4800) && x86_in_code64 (env));
}
END_TEST

START_TEST (sysenter_and_sysexit)
{
  enter_long (3, false);
  env->sysenter_cs = 8;
  env->sysenter_esp = TOP | 0x8000;
  env->sysenter_eip = TOP | 0x4000;
  SUCCEEDS (helper_sysenter (env));
  ck_assert (x86_cpl (env) == 0 && x86_in_code64 (env));
  ck_assert_uint_eq (env->eip, TOP | 0x4000);
  ck_assert_uint_eq (env->gpr[X86_RSP], TOP | 0x8000);
  env->gpr[X86_RDX] = 0x1000000010;
  env->gpr[X86_RCX] = HOLE;
  FAULTS (EXC_GP, 0, helper_sysexit (env, 8));
  env->gpr[X86_RCX] = 0x1000000020;
  SUCCEEDS (helper_sysexit (env, 8));
  ck_assert_uint_eq (env->eip, 0x1000000010);
  ck_assert_uint_eq (env->segment[X86_CS].selector, 0x2b);
  ck_assert_uint_eq (env->segment[X86_SS].selector, 0x33);
  SUCCEEDS (helper_sysenter (env));
  env->gpr[X86_RDX] = 0x1000000010;
  SUCCEEDS (helper_sysexit (env, 4));
  ck_assert_uint_eq (env->eip, 0x10);
  ck_assert (!x86_in_code64 (env));
  ck_assert_uint_eq (env->segment[X86_CS].selector, 0x1b);
}
END_TEST

static void
add (TCase *tc)
{
  tcase_add_test (tc, four_levels);
  tcase_add_test (tc, reserved_bits);
  tcase_add_test (tc, huge_pages);
  tcase_add_test (tc, protection_keys);
  tcase_add_test (tc, keys_that_become_stricter);
  tcase_add_test (tc, addresses_that_are_not_canonical);
  tcase_add_test (tc, into_long_mode_and_out);
  tcase_add_test (tc, process_contexts);
  tcase_add_test (tc, other_registers);
  tcase_add_test (tc, flags_when_the_width_changes);
  tcase_add_test (tc, mode_bits);
  tcase_add_test (tc, null_stacks);
  tcase_add_test (tc, wide_descriptors);
  tcase_add_test (tc, bases);
  tcase_add_test (tc, far_jumps);
  tcase_add_test (tc, call_gates);
  tcase_add_test (tc, nulled_segments_keep_their_base);
  tcase_add_test (tc, iretq);
  tcase_add_test (tc, events_push_everything);
  tcase_add_test (tc, events_from_the_user);
  tcase_add_test (tc, interrupt_stacks);
  tcase_add_test (tc, gates_that_are_none);
  tcase_add_test (tc, syscall_and_sysret);
  tcase_add_test (tc, sysenter_and_sysexit);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return run_suite ("long mode", tests, 1);
}

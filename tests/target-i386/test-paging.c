/* test-paging.c -- page walks, their faults and bits, control registers, A20 of the x86 runtime. */
/* SPDX-License-Identifier: MIT */
#include "stub-machine.h"

enum { DIRECTORY = 0x10000, TABLE = 0x11000, PDPT = 0x12000 };
enum { P = 1, W = 2, U = 4, A = 32, D = 64, PS = 128, G = 256 };
#define NX ((uint64_t) 1 << 63)

static BpTlbFill fill;

static bool
walk (uint32_t address, BpMmuAccess access, unsigned mmu)
{
  memset (&fill, 0, sizeof fill);
  env->exc_vector = env->exc_old = -1;
  return x86_tlb_fill (env, address, access, mmu, false, &fill);
}

#define WALKS(address, access, mmu, to) do { \
    ck_assert_msg (walk (address, access, mmu), "fault %x", env->exc_error); \
    ck_assert_uint_eq (fill.physical, (to)); \
  } while (0)
#define REFUSES(address, access, mmu, error) do { \
    ck_assert (!walk (address, access, mmu)); \
    ck_assert_int_eq (env->exc_vector, EXC_PF); \
    ck_assert_uint_eq (env->exc_error, (error)); \
    ck_assert_uint_eq (env->cr2, (address)); \
  } while (0)

static void
legacy (uint32_t pde, uint32_t pte)
{
  env->cr0 = CR0_PE | CR0_PG;
  env->cr3 = DIRECTORY;
  poke32 (DIRECTORY + 4, pde);
  poke32 (TABLE + 4 * 5, pte);          /* linear 00405000 */
}

#define L 0x405000u
#define K MMU_KERNEL
#define US MMU_USER

START_TEST (no_paging)
{
  WALKS (0x12345678, BP_MMU_STORE, K, 0x12345000);
  ck_assert (fill.readable && fill.writable && fill.executable);
  env->a20_mask = ~(1u << 20);
  WALKS (0x00100000, BP_MMU_LOAD, K, 0);
}
END_TEST

START_TEST (legacy_rights)
{
  legacy (TABLE | P | W | U, 0x7000 | P | W | U);
  WALKS (L + 0x123, BP_MMU_LOAD, US, 0x7000);
  ck_assert (fill.readable && !fill.writable && fill.executable);       /* clean: the first store must come back */
  ck_assert_uint_eq (peek32 (DIRECTORY + 4), TABLE | P | W | U | A);
  ck_assert_uint_eq (peek32 (TABLE + 20), 0x7000 | P | W | U | A);
  WALKS (L, BP_MMU_STORE, US, 0x7000);
  ck_assert (fill.writable);
  ck_assert_uint_eq (peek32 (TABLE + 20), 0x7000 | P | W | U | A | D);
  ck_assert_uint_eq (peek32 (DIRECTORY + 4), TABLE | P | W | U | A);
  WALKS (L, BP_MMU_LOAD, US, 0x7000);
  ck_assert (fill.writable);

  legacy (TABLE | P | W, 0x7000 | P | W | U);
  REFUSES (L, BP_MMU_LOAD, US, 5);
  REFUSES (L, BP_MMU_STORE, US, 7);
  REFUSES (L, BP_MMU_FETCH, US, 5);                                     /* without NX fetches are not told apart */
  WALKS (L, BP_MMU_STORE, K, 0x7000);
  legacy (TABLE | P | U, 0x7000 | P | W | U);
  REFUSES (L, BP_MMU_STORE, US, 7);
  WALKS (L, BP_MMU_STORE, K, 0x7000);
  env->cr0 |= CR0_WP;
  REFUSES (L, BP_MMU_STORE, K, 3);
  WALKS (L, BP_MMU_LOAD, K, 0x7000);
  ck_assert (!fill.writable);
  legacy (TABLE | P | U, 0);
  REFUSES (L, BP_MMU_STORE, US, 6);
  legacy (0, 0);
  REFUSES (L, BP_MMU_LOAD, K, 0);
}
END_TEST

START_TEST (refused_accesses_leave_no_trace)
{
  legacy (TABLE | P | W | U, 0x7000 | P | U);
  REFUSES (L, BP_MMU_STORE, US, 7);
  ck_assert (!(peek32 (TABLE + 20) & (A | D)));
  ck_assert (!(peek32 (DIRECTORY + 4) & A));
  legacy (TABLE | P | W | U, 0);
  REFUSES (L, BP_MMU_LOAD, US, 4);
  ck_assert (!(peek32 (DIRECTORY + 4) & A));
}
END_TEST

START_TEST (quiet_walks_record_nothing)
{
  legacy (0, 0);
  ck_assert (!x86_tlb_fill (env, L, BP_MMU_LOAD, K, true, &fill));
  ck_assert_int_eq (env->exc_vector, -1);
  ck_assert_uint_eq (env->cr2, 0);
}
END_TEST

START_TEST (large_pages)
{
  legacy (0x800000 | P | W | U | PS, 0);
  poke32 (0x800000 + 20, 0);
  env->cr4 = CR4_PSE;
  WALKS (L, BP_MMU_STORE, US, 0x805000);
  ck_assert_uint_eq (fill.page_shift, 22);
  ck_assert_uint_eq (peek32 (DIRECTORY + 4), 0x800000 | P | W | U | PS | A | D);
  legacy (0x800000 | P | PS | 3 << 13, 0);                              /* PSE-36 */
  WALKS (L, BP_MMU_LOAD, K, 0x300805000);
  legacy (0x800000 | P | PS | 1 << 17, 0);                              /* beyond MAXPHYADDR */
  REFUSES (L, BP_MMU_LOAD, K, 9);
  legacy (0x800000 | P | PS | 1 << 21, 0);
  REFUSES (L, BP_MMU_LOAD, US, 13);
  env->a20_mask = ~(1u << 20);
  legacy (0x800000 | P | PS, 0);
  WALKS (0x500000, BP_MMU_LOAD, K, 0x800000);
  ck_assert_uint_eq (fill.page_shift, 12);
}
END_TEST

START_TEST (global_pages)
{
  legacy (TABLE | P | W | U, 0x7000 | P | G);
  WALKS (L, BP_MMU_LOAD, K, 0x7000);
  ck_assert (!fill.global);
  env->cr4 = CR4_PGE;
  WALKS (L, BP_MMU_LOAD, K, 0x7000);
  ck_assert (fill.global);
}
END_TEST

/* --- PAE --------------------------------------------------------------------------------------- */

static void
pae (uint64_t pde, uint64_t pte)
{
  env->cr0 = CR0_PE;
  env->cr4 = CR4_PAE;
  env->cr3 = PDPT;
  poke (PDPT, DIRECTORY | P, 8);
  poke (DIRECTORY + 2 * 8, pde, 8);
  poke (TABLE + 8 * 5, pte, 8);
  SUCCEEDS (helper_mov_to_cr (env, 0, CR0_PE | CR0_PG));
}

START_TEST (pae_walk)
{
  pae (TABLE | P | W | U, (uint64_t) 3 << 32 | 0x7000 | P | W | U);
  WALKS (L, BP_MMU_STORE, US, 0x300007000);
  ck_assert_uint_eq (peek (TABLE + 40, 8), (uint64_t) 3 << 32 | 0x7000 | P | W | U | A | D);
  REFUSES (0x40000000, BP_MMU_LOAD, US, 4);                             /* PDPTE 1 is absent */
  pae (0x600000 | P | W | PS, 0);
  WALKS (L, BP_MMU_LOAD, K, 0x605000);
  ck_assert_uint_eq (fill.page_shift, 21);
  pae (0x600000 | P | PS | 1 << 13, 0);
  REFUSES (L, BP_MMU_LOAD, K, 9);
  pae (TABLE | P | (uint64_t) 1 << 36, 0);
  REFUSES (L, BP_MMU_LOAD, K, 9);
}
END_TEST

START_TEST (no_execute)
{
  pae (TABLE | P | W | U, 0x7000 | P | W | U | NX);
  REFUSES (L, BP_MMU_LOAD, US, 13);                                     /* reserved while EFER.NXE is clear */
  env->efer = EFER_NXE;
  WALKS (L, BP_MMU_LOAD, US, 0x7000);
  ck_assert (!fill.executable);
  REFUSES (L, BP_MMU_FETCH, US, 0x15);
  REFUSES (L + 0x1000, BP_MMU_FETCH, K, 0x10);
  pae (TABLE | P | W | U | NX, 0x7000 | P | W | U);
  REFUSES (L, BP_MMU_FETCH, K, 0x11);
}
END_TEST

START_TEST (user_pages_are_kept_from_the_kernel)
{
  enum { S = MMU_KERNEL_SMAP };
  legacy (TABLE | P | W | U, 0x7000 | P | W | U);
  env->cr0 |= CR0_WP;
  env->cr4 = CR4_SMAP;
  WALKS (L, BP_MMU_STORE, K, 0x7000);
  ck_assert (fill.executable);
  REFUSES (L, BP_MMU_LOAD, S, 1);
  REFUSES (L, BP_MMU_STORE, S, 3);
  WALKS (L, BP_MMU_FETCH, S, 0x7000);                                   /* fetches are SMEP's business */
  WALKS (L, BP_MMU_STORE, US, 0x7000);
  env->cr4 |= CR4_SMEP;
  REFUSES (L, BP_MMU_FETCH, K, 0x11);
  WALKS (L, BP_MMU_LOAD, K, 0x7000);
  ck_assert (!fill.executable);
  WALKS (L, BP_MMU_FETCH, US, 0x7000);
  legacy (TABLE | P | W | U, 0x7000 | P | W);                           /* one level that is the kernel's is enough */
  env->cr0 |= CR0_WP;
  WALKS (L, BP_MMU_STORE, S, 0x7000);
  ck_assert (fill.executable);
}
END_TEST

START_TEST (who_may_touch_user_pages)
{
  enter_protected (0);
  env->cr4_allowed |= CR4_SMAP | CR4_SMEP;
  ck_assert_uint_eq (x86_mmu_index (env), MMU_KERNEL);
  SUCCEEDS (helper_mov_to_cr (env, 4, CR4_SMAP | CR4_SMEP));
  ck_assert_uint_eq (stub.flushes_all, 1);
  ck_assert_uint_eq (x86_mmu_index (env), MMU_KERNEL_SMAP);
  x86_set_eflags (env, X86_FL_AC, X86_FL_AC);
  ck_assert_uint_eq (x86_mmu_index (env), MMU_KERNEL);
  ck_assert_uint_eq (x86_mmu_implicit (env), MMU_KERNEL_SMAP);          /* AC excuses only what the program itself does */
  enter_protected (3);
  x86_update_mode (env);
  ck_assert_uint_eq (x86_mmu_index (env), MMU_USER);
  ck_assert_uint_eq (x86_mmu_fetch (env), MMU_USER);
}
END_TEST

START_TEST (pdptes_are_loaded_with_cr3)
{
  pae (TABLE | P | W | U, 0x7000 | P | W | U);
  poke (PDPT, 0, 8);
  WALKS (L, BP_MMU_LOAD, K, 0x7000);
  poke (PDPT, DIRECTORY | P | W, 8);
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 3, PDPT));
  ck_assert_uint_eq (env->pdpte[0], DIRECTORY | P);
  poke (PDPT, 0, 8);
  SUCCEEDS (helper_mov_to_cr (env, 3, PDPT));
  REFUSES (L, BP_MMU_LOAD, K, 0);
}
END_TEST

/* --- control registers ---------------------------------------------------------------------------- */

START_TEST (cr0_rules)
{
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 0, CR0_PG));
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 0, CR0_NW));
  SUCCEEDS (helper_mov_to_cr (env, 0, CR0_PE | 0x0ffaffc0));
  ck_assert_uint_eq (helper_mov_from_cr (env, 0), CR0_PE | CR0_ET);
  ck_assert_uint_eq (stub.flushes_all, 1);
  SUCCEEDS (helper_lmsw (env, CR0_TS));                                 /* PE cannot be cleared so */
  ck_assert_uint_eq (env->cr0, CR0_PE | CR0_ET | CR0_TS);
  ck_assert (env->hflags & HF_TS);
  SUCCEEDS (helper_clts (env));
  ck_assert (!(env->hflags & HF_TS));
  ck_assert_uint_eq (stub.flushes_all, 1);
}
END_TEST

START_TEST (cr3_and_cr4_flushes)
{
  SUCCEEDS (helper_mov_to_cr (env, 3, 0x5000));
  ck_assert_uint_eq (stub.switches + stub.flushes, 0);                  /* no paging, nothing cached by CR3 */
  env->cr0 |= CR0_PE | CR0_PG;
  SUCCEEDS (helper_mov_to_cr (env, 3, 0x5000));
  ck_assert_uint_eq (stub.switches, 1);                                 /* the same value drops translations too */
  ck_assert_uint_eq (stub.root, 0x5000);
  SUCCEEDS (helper_mov_to_cr (env, 3, 0x6018));
  ck_assert_uint_eq (stub.switches, 2);
  ck_assert_uint_eq (stub.root, 0x6000);
  ck_assert (!stub.asid && !stub.kept);
  SUCCEEDS (helper_mov_to_cr (env, 4, CR4_PGE));
  ck_assert_uint_eq (stub.flushes_all, 1);
  SUCCEEDS (helper_mov_to_cr (env, 4, CR4_PGE | CR4_TSD));
  ck_assert_uint_eq (stub.flushes_all, 1);
  FAULTS (EXC_GP, 0, helper_mov_to_cr (env, 4, 1u << 31));
  SUCCEEDS (helper_invlpg (env, 0x1000));
  ck_assert_uint_eq (stub.page_flushes, 1);
  env->cr4_allowed = 0;
  FAULTS (EXC_UD, 0, helper_mov_to_cr (env, 4, 0));
  FAULTS (EXC_UD, 0, helper_mov_to_cr (env, 5, 0));
}
END_TEST

START_TEST (a_second_page_fault_is_a_double_fault)
{
  legacy (0, 0);
  env->exc_old = EXC_PF;
  ck_assert (!x86_tlb_fill (env, L, BP_MMU_LOAD, K, false, &fill));
  ck_assert_int_eq (env->exc_vector, EXC_DF);
  ck_assert_uint_eq (env->exc_error, 0);
  ck_assert (env->exc_has_error);
  env->exc_old = EXC_DF;
  ck_assert (!x86_tlb_fill (env, L, BP_MMU_LOAD, K, false, &fill));
  ck_assert_int_eq (env->exc_vector, EXC_TRIPLE);
  env->exc_old = EXC_GP;                                                /* and after #GP it is just the next */
  ck_assert (!x86_tlb_fill (env, L, BP_MMU_LOAD, K, false, &fill));
  ck_assert_int_eq (env->exc_vector, EXC_PF);
}
END_TEST

static void
add (TCase *tc)
{
  tcase_add_test (tc, no_paging);
  tcase_add_test (tc, legacy_rights);
  tcase_add_test (tc, refused_accesses_leave_no_trace);
  tcase_add_test (tc, quiet_walks_record_nothing);
  tcase_add_test (tc, large_pages);
  tcase_add_test (tc, global_pages);
  tcase_add_test (tc, pae_walk);
  tcase_add_test (tc, no_execute);
  tcase_add_test (tc, user_pages_are_kept_from_the_kernel);
  tcase_add_test (tc, who_may_touch_user_pages);
  tcase_add_test (tc, pdptes_are_loaded_with_cr3);
  tcase_add_test (tc, cr0_rules);
  tcase_add_test (tc, cr3_and_cr4_flushes);
  tcase_add_test (tc, a_second_page_fault_is_a_double_fault);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return run_suite ("paging", tests, 1);
}

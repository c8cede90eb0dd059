/* test-cpuid.c -- models, features, CPUID leaves, MSRs, reset and the exchange of state of the x86 CPU type. */
/* SPDX-License-Identifier: MIT */
#define STUB_WITH_CPU
#include "stub-machine.h"
#include "target-i386/plugin.h"

/* The translator's table is not part of this test. */
const BpTcgFrontend x86_frontend;

#define M_486 "486"
#define M_BASE32 "base32"
#define M_MAX "max"

static uint32_t out[4];

static void
leaf (uint32_t number, uint32_t subleaf)
{
  x86_cpuid (env, number, subleaf, out);
}

static void
configured (const char *model, const char *features)
{
  GError *error = NULL;
  env->model = (char *) model;
  env->features = (char *) features;
  ck_assert (x86_configure_features (env, &error));
  ck_assert_ptr_null (error);
}

static void
refused (const char *features, const char *message)
{
  GError *error = NULL;
  env->model = (char *) M_MAX;
  env->features = (char *) features;
  ck_assert (!x86_configure_features (env, &error));
  ck_assert_str_eq (error->message, message);
  g_error_free (error);
}

/* --- models ------------------------------------------------------------------------------------- */

START_TEST (model_486)
{
  configured (M_486, NULL);
  leaf (0, 0);
  ck_assert_uint_eq (out[0], 1);
  ck_assert_int_eq (memcmp (&out[1], "Genu", 4), 0);
  leaf (1, 0);
  ck_assert_uint_eq (out[0], 0x480);
  ck_assert_uint_eq (out[3], 3);
  leaf (0x80000000, 0);                 /* there is none: the last basic leaf's values */
  ck_assert_uint_eq (out[0], 0x480);
  ck_assert_uint_eq (env->cr4_allowed, CR4_VME | CR4_PVI);
  ck_assert (!env->feature[X86_FEATURE_TSC] && env->feature[X86_FEATURE_FPU] && !env->feature[X86_FEATURE_CMOV]);
  ck_assert_uint_eq (env->physical_bits, 32);
}
END_TEST

START_TEST (model_max)
{
  configured (M_MAX, NULL);
  leaf (1, 0);
  ck_assert_uint_eq (out[0], 0x106ca);
  ck_assert_uint_eq (out[3] & 0x07808171, 0x07808171);  /* FPU PSE TSC MSR PAE CX8 CMOV MMX FXSR SSE SSE2 */
  ck_assert_uint_eq (out[1] >> 8 & 0xff, 8);
  ck_assert (!(out[3] >> 9 & 1));                       /* no local APIC is linked */
  ck_assert (!(out[2] >> 31));
  leaf (0x40000000, 0);
  uint32_t ebx = out[1];
  leaf (0x16, 0);
  ck_assert_uint_eq (ebx, out[1]);
  leaf (0x80000002, 0);
  ck_assert_int_eq (memcmp (out, "Backplane CPU\0\0", 16), 0);
  leaf (0x80000008, 0);
  ck_assert_uint_eq (out[0], 48 << 8 | 40);
  leaf (4, 2);
  ck_assert_uint_eq ((out[2] + 1) * ((out[1] >> 22) + 1) * 64, 2u << 20);
  leaf (4, 3);
  ck_assert_uint_eq (out[0], 0);
  ck_assert_uint_eq (env->cr4_allowed & 0x6ff, 0x6ff);
}
END_TEST

START_TEST (every_model_is_sane)
{
  for (int m = 0; x86_model_names[m]; m++) {
    configured (x86_model_names[m], NULL);
    leaf (0x80000000, 0);
    ck_assert (out[0] == 0x80000008 || x86_family (env) < 6 || !strcmp (x86_model_names[m], "pentium3"));
    ck_assert (env->feature[X86_FEATURE_NONE] && env->feature[X86_FEATURE_CPUID]);
    ck_assert (!env->feature[X86_FEATURE_SSE2] || env->feature[X86_FEATURE_FXSR]);
  }
}
END_TEST

/* --- features ---------------------------------------------------------------------------------------- */

START_TEST (features_switch)
{
  configured (M_BASE32, "-sse2, -nx,+movbe");
  ck_assert (!env->feature[X86_FEATURE_SSE2] && env->feature[X86_FEATURE_MOVBE]);
  leaf (0x80000001, 0);
  ck_assert_uint_eq (out[3] >> 20 & 1, 0);
  configured (M_486, "+cx8");
  ck_assert (env->feature[X86_FEATURE_CX8]);
  env->hypervisor = true;
  configured (M_MAX, NULL);
  leaf (1, 0);
  ck_assert_uint_eq (out[2] >> 31, 1);
}
END_TEST

START_TEST (model_with_features)
{
  GError *error = NULL;
  configured ("base32,-sse2,+movbe", "-nx");
  ck_assert (!env->feature[X86_FEATURE_SSE2] && env->feature[X86_FEATURE_MOVBE]);
  ck_assert_uint_eq (env->cpuid_80000001_edx, 0);
  env->features = NULL;
  env->model = (char *) "base33";
  ck_assert (!x86_configure_features (env, &error));
  ck_assert_str_eq (error->message, "model: no model `base33` (did you mean `base32`?); there are 486, pentium, pentium3, base32, base64, nehalem, haswell, max");
  g_clear_error (&error);
  env->model = (char *) "max,-avx3";
  ck_assert (!x86_configure_features (env, &error));
  ck_assert_str_eq (error->message, "model: no feature `avx3` (did you mean `avx`?)");
  g_clear_error (&error);
}
END_TEST

START_TEST (long_mode_leaves)
{
  enum { SYSCALL = 1 << 11, NX = 1 << 20, GB_PAGES = 1 << 26, LM = 1 << 29 };
  const uint32_t wanted = CR4_PCIDE | CR4_FSGSBASE | CR4_SMEP | CR4_SMAP | CR4_UMIP;
  configured (M_MAX, NULL);
  leaf (0x80000001, 0);
  ck_assert_uint_eq (out[3] & (SYSCALL | NX | GB_PAGES | LM), NX | GB_PAGES | LM);      /* SYSCALL: seen by 64-bit code */
  ck_assert_uint_eq (out[2] & 1, 1);                                                    /* LAHF */
  env->hflags |= HF_CODE64;
  leaf (0x80000001, 0);
  ck_assert_uint_eq (out[3] & SYSCALL, SYSCALL);
  env->hflags = 0;
  leaf (0x80000007, 0);
  ck_assert_uint_eq (out[3], 1 << 8);
  ck_assert_uint_eq (env->cr4_allowed & wanted, wanted);
  configured ("base64", NULL);
  ck_assert (env->feature[X86_FEATURE_LM] && env->feature[X86_FEATURE_CX16] && !env->own_features);
  ck_assert_uint_eq (env->cr4_allowed & wanted, 0);
  configured ("haswell", NULL);
  leaf (1, 0);
  ck_assert_uint_eq (out[0], 0x306c4);
  configured (M_BASE32, NULL);
  leaf (0x80000008, 0);
  ck_assert_uint_eq (out[0], 32 << 8 | 36);
}
END_TEST

START_TEST (features_refused)
{
  refused ("+sse22", "features: no feature `sse22` (did you mean `sse2`?)");
  refused ("-mmxx", "features: no feature `mmxx` (did you mean `mmx`?)");
  refused ("+qwertyuiop", "features: no feature `qwertyuiop`");
  refused ("+monitor", "features: `monitor` is not provided");
  configured (M_MAX, "-avx");
}
END_TEST

/* --- MSRs ------------------------------------------------------------------------------------------------ */

static uint64_t
msr (uint32_t number)
{
  uint64_t value = 0;
  ck_assert (x86_msr_read (env, number, &value));
  return value;
}

START_TEST (msrs)
{
  uint64_t value;
  configured (M_MAX, NULL);
  x86_reset_registers (env, false);
  ck_assert_uint_eq (msr (0x277), G_GUINT64_CONSTANT (0x0007040600070406));
  ck_assert (x86_msr_write (env, 0x277, 0x0106));
  ck_assert (!x86_msr_write (env, 0x277, 2));
  ck_assert (x86_msr_write (env, 0x174, 0x10));
  ck_assert_uint_eq (msr (0x174), 0x10);
  ck_assert_uint_eq (msr (0xfe), 0x508);
  ck_assert (x86_msr_write (env, 0x201, 0xfff000800));
  ck_assert (!x86_msr_write (env, 0x201, (uint64_t) 1 << 40));
  ck_assert (!x86_msr_write (env, 0x2ff, 2));
  ck_assert (!x86_msr_write (env, 0x26f, 0x02));
  ck_assert (x86_msr_write (env, 0x26f, 0x0606060606060606));
  ck_assert_uint_eq (msr (0x179), 0);
  ck_assert (!x86_msr_write (env, 0xfe, 0));
  ck_assert (x86_msr_write (env, 0xc0000080, EFER_NXE));
  ck_assert_uint_eq (stub.flushes_all, 1);
  ck_assert (x86_msr_write (env, 0xc0000080, EFER_LME | EFER_LMA));
  ck_assert_uint_eq (msr (0xc0000080), EFER_LME);               /* LMA is the processor's */
  ck_assert (!x86_msr_write (env, 0xc0000080, EFER_LME | 2));
  env->cr0 |= CR0_PG;
  ck_assert (!x86_msr_write (env, 0xc0000080, 0));              /* not while paging */
  env->cr0 &= ~(uint64_t) CR0_PG;
  ck_assert (!x86_msr_read (env, 0x1b, &value));
  ck_assert (!x86_msr_read (env, 0x12345678, &value));
  set_gpr (env, X86_RCX, 0x12345678);
  FAULTS (EXC_GP, 0, helper_rdmsr (env));
  FAULTS (EXC_GP, 0, helper_wrmsr (env));
  FAULTS (EXC_GP, 0, helper_rdpmc (env));
  configured (M_MAX, "-nx,-syscall,-lm");
  ck_assert (!x86_msr_read (env, 0xc0000080, &value));
}
END_TEST

START_TEST (time_stamp_counter)
{
  configured (M_MAX, NULL);
  env->tsc_frequency = 2400000000u;
  stub.time = 1000;
  ck_assert_uint_eq (helper_rdtsc (env), 2400);
  ck_assert (x86_msr_write (env, 0x10, 100));
  stub.time = 2000;
  ck_assert_uint_eq (helper_rdtsc (env), 2500);
  enter_protected (3);
  env->cr4 = CR4_TSD;
  FAULTS (EXC_GP, 0, helper_rdtsc (env));
}
END_TEST

START_TEST (time_stamp_counter_moves)
{
  uint64_t value;
  configured (M_MAX, NULL);
  env->tsc_frequency = 1000000000;
  stub.time = 1000;
  ck_assert_uint_eq (msr (0x3b), 0);
  ck_assert (x86_msr_write (env, 0x3b, 500));
  ck_assert_uint_eq (helper_rdtsc (env), 1500);
  ck_assert (x86_msr_write (env, 0x10, 700));
  ck_assert_uint_eq (msr (0x3b), (uint64_t) -300);
  ck_assert (x86_msr_write (env, 0xc0000103, 7));
  ck_assert_uint_eq (msr (0xc0000103), 7);
  ck_assert (!x86_msr_write (env, 0xc0000103, (uint64_t) 1 << 32));
  configured (M_MAX, "-tsc-adjust,-rdtscp,-rdpid");
  ck_assert (!x86_msr_read (env, 0x3b, &value) && !x86_msr_write (env, 0x3b, 0) && !x86_msr_read (env, 0xc0000103, &value));
}
END_TEST

START_TEST (extended_features)
{
  configured (M_MAX, NULL);
  leaf (7, 0);
  ck_assert_uint_eq (out[1] & (1 << 1 | 1 << 7 | 1 << 20), 1 << 1 | 1 << 7 | 1 << 20);         /* TSC_ADJUST SMEP SMAP */
  ck_assert_uint_eq (out[2] & (1 << 2 | 1 << 22), 1 << 2 | 1 << 22);                           /* UMIP RDPID */
  ck_assert_uint_eq (env->cr4_allowed & (CR4_SMEP | CR4_SMAP | CR4_UMIP), CR4_SMEP | CR4_SMAP | CR4_UMIP);
  configured (M_MAX, "-smep,-umip");
  ck_assert_uint_eq (env->cr4_allowed & (CR4_SMEP | CR4_SMAP | CR4_UMIP), CR4_SMAP);
  configured (M_BASE32, NULL);
  ck_assert_uint_eq (env->cr4_allowed & (CR4_SMEP | CR4_SMAP | CR4_UMIP), 0);
}
END_TEST

START_TEST (protection_keys)
{
  enum { PKU = 1 << 3, OSPKE = 1 << 4, KEYS = 1 << 9 };
  uint64_t value;
  configured (M_MAX, NULL);
  x86_reset_registers (env, false);
  leaf (7, 0);
  ck_assert_uint_eq (out[2] & (PKU | OSPKE | 1u << 31), PKU | 1u << 31);
  env->cr4 = CR4_PKE;
  leaf (7, 0);
  ck_assert_uint_eq (out[2] & OSPKE, OSPKE);
  ck_assert_uint_eq (env->cr4_allowed & (CR4_PKE | CR4_PKS), CR4_PKE | CR4_PKS);
  leaf (13, 0);
  ck_assert (out[0] & KEYS && out[1] == 576 && out[2] == 2696);
  env->xcr0 = KEYS | 3;
  leaf (13, 0);
  ck_assert_uint_eq (out[1], 2696);
  leaf (13, 1);
  ck_assert_uint_eq (out[1], 584);
  leaf (13, 9);
  ck_assert (out[0] == 8 && out[1] == 2688 && !out[2] && !out[3]);
  leaf (13, 8);
  ck_assert_uint_eq (out[0] | out[1], 0);
  leaf (13, 64 + 9);
  ck_assert_uint_eq (out[0] | out[1], 0);
  ck_assert (x86_msr_write (env, 0x6e1, 0xffffffff) && !x86_msr_write (env, 0x6e1, (uint64_t) 1 << 32));
  ck_assert_uint_eq (msr (0x6e1), 0xffffffff);
  env->pkru = 5;
  x86_reset_registers (env, true);                              /* INIT keeps both */
  ck_assert (env->pkru == 5 && env->pkrs == 0xffffffff);
  x86_reset_registers (env, false);
  ck_assert (!env->pkru && !env->pkrs);
  configured (M_MAX, "-pku,-pks");
  ck_assert_uint_eq (env->cr4_allowed & (CR4_PKE | CR4_PKS), 0);
  ck_assert (!x86_msr_read (env, 0x6e1, &value) && !x86_msr_write (env, 0x6e1, 0));
  leaf (13, 0);
  ck_assert (!(out[0] & KEYS) && out[2] < 2696);
  configured ("haswell", NULL);
  ck_assert (!env->feature[X86_FEATURE_PKU]);
  configured ("haswell", "+pku");
  ck_assert (env->feature[X86_FEATURE_PKU] && env->cr4_allowed & CR4_PKE);
}
END_TEST

/* A local APIC of this test. */
static uint64_t apic_base = 0xfee00900, deadline;
static int64_t deadline_at;
static uint64_t apic_base_read (void *self) { return apic_base; }
static bool
apic_base_write (void *self, uint64_t value)
{
  apic_base = value;
  return true;
}
static bool apic_msr_read (void *self, uint32_t number, uint64_t *value) { *value = number; return number == 0x802; }
static bool apic_msr_write (void *self, uint32_t number, uint64_t value) { return number == 0x808 && value < 0x100; }
static uint64_t deadline_read (void *self) { return deadline; }
static void
deadline_write (void *self, uint64_t value, int64_t at)
{
  deadline = value;
  deadline_at = at;
}
static const BpInterruptControllerIface with_apic = {
  .struct_size = sizeof (BpInterruptControllerIface), .apic_base_read = apic_base_read, .apic_base_write = apic_base_write,
  .msr_read = apic_msr_read, .msr_write = apic_msr_write, .deadline_read = deadline_read, .deadline_write = deadline_write
};

START_TEST (local_apic)
{
  enum { X2APIC = 1 << 21, TSC_DEADLINE = 1 << 24 };
  uint64_t value;
  configured (M_MAX, NULL);
  leaf (1, 0);
  ck_assert_uint_eq (out[2] & (X2APIC | TSC_DEADLINE), 0);      /* none is linked */
  ck_assert (!x86_msr_read (env, 0x802, &value) && !x86_msr_read (env, 0x6e0, &value) && !x86_msr_write (env, 0x6e0, 1));
  leaf (11, 0);
  ck_assert_uint_eq (out[1] | out[3], 0);
  env->intc.table = &with_apic;
  env->apic_id = 5;
  leaf (1, 0);
  ck_assert_uint_eq (out[1] >> 24, 5);
  ck_assert_uint_eq (out[3] >> 9 & 1, 1);
  ck_assert_uint_eq (out[2] & (X2APIC | TSC_DEADLINE), X2APIC | TSC_DEADLINE);
  for (uint32_t level = 0; level < 3; level++) {
    leaf (11, level);
    ck_assert_uint_eq (out[0], 0);
    ck_assert_uint_eq (out[1], level < 2);
    ck_assert_uint_eq (out[2], level < 2 ? (level + 1) << 8 | level : level);
    ck_assert_uint_eq (out[3], 5);
  }
  ck_assert_uint_eq (msr (0x802), 0x802);
  ck_assert (!x86_msr_read (env, 0x803, &value));
  ck_assert (x86_msr_write (env, 0x808, 1) && !x86_msr_write (env, 0x808, 0x100));
  ck_assert (x86_msr_write (env, 0x1b, 0xfee00d00));
  env->tsc_frequency = 2400000000u;
  stub.time = 1000;                                             /* 2400 */
  ck_assert (x86_msr_write (env, 0x6e0, 4801));
  ck_assert_int_eq (deadline_at, 2001);
  ck_assert_uint_eq (msr (0x6e0), 4801);
  ck_assert (x86_msr_write (env, 0x10, 3601));                  /* the deadline comes nearer */
  ck_assert_int_eq (deadline_at, 1500);
  ck_assert (x86_msr_write (env, 0x6e0, 100));
  ck_assert_int_eq (deadline_at, 1000);
  ck_assert (x86_msr_write (env, 0x6e0, UINT64_MAX));           /* in centuries */
  ck_assert (deadline_at > INT64_MAX / 2);
  configured (M_MAX, "-x2apic,-tsc-deadline");
  leaf (1, 0);
  ck_assert_uint_eq (out[2] & (X2APIC | TSC_DEADLINE), 0);
  ck_assert (!x86_msr_write (env, 0x1b, 0xfee00d00) && !x86_msr_read (env, 0x802, &value) && !x86_msr_read (env, 0x6e0, &value));
}
END_TEST

START_TEST (topology)
{
  env->intc.table = &with_apic;
  env->tsc_frequency = 2400000000u;
  env->n_processors = 6;
  env->apic_id = 5;
  configured (M_MAX, NULL);
  leaf (1, 0);
  ck_assert_uint_eq (out[1] >> 16, 5 << 8 | 8);
  ck_assert_uint_eq (out[3] >> 28 & 1, 1);
  leaf (4, 0);
  ck_assert_uint_eq (out[0] >> 14, 7 << 12);            /* eight cores at most, each with caches of its own */
  leaf (4, 2);
  ck_assert_uint_eq (out[0] >> 14, 7 << 12 | 7);        /* and one for all */
  leaf (11, 1);
  ck_assert (out[0] == 3 && out[1] == 6 && out[3] == 5);
  leaf (0x15, 0);
  ck_assert_uint_eq ((uint64_t) out[2] * out[1] / out[0], env->tsc_frequency);
  leaf (0x16, 0);
  ck_assert_uint_eq (out[0], 2400);
  env->n_processors = 129;
  env->apic_id = 128;
  leaf (1, 0);
  ck_assert_uint_eq (out[1] >> 16, 128 << 8 | 255);
  env->apic_id = 5;
  env->n_processors = 1;
  leaf (1, 0);
  ck_assert_uint_eq (out[3] >> 28 & 1, 0);
  leaf (11, 1);
  ck_assert (out[0] == 0 && out[1] == 1 && out[3] == 5);
  env->n_processors = 6;
  configured ("pentium", NULL);                         /* these stand alone */
  leaf (1, 0);
  ck_assert_uint_eq (out[3] >> 28 & 1, 0);
  env->n_processors = 0;
  env->apic_id = 0;
}
END_TEST

START_TEST (bases_and_system_calls)
{
  const uint64_t top = 0xffffff8000000000, hole = 0x0000800000000000;
  static const uint32_t addresses[] = { 0x175, 0x176, 0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102 };
  uint64_t value;
  configured (M_MAX, NULL);
  x86_reset_registers (env, false);
  for (unsigned i = 0; i < G_N_ELEMENTS (addresses); i++) {
    ck_assert (x86_msr_write (env, addresses[i], top));
    ck_assert_uint_eq (msr (addresses[i]), top);
    ck_assert (!x86_msr_write (env, addresses[i], hole));
  }
  ck_assert_uint_eq (env->segment[X86_GS].base, top);
  ck_assert (x86_msr_write (env, 0xc0000081, hole));
  ck_assert (x86_msr_write (env, 0xc0000084, 0xffffffff) && !x86_msr_write (env, 0xc0000084, (uint64_t) 1 << 32));
  configured (M_BASE32, NULL);
  for (unsigned i = 2; i < G_N_ELEMENTS (addresses); i++)
    ck_assert (!x86_msr_read (env, addresses[i], &value) && !x86_msr_write (env, addresses[i], 0));
}
END_TEST

/* --- reset, state -------------------------------------------------------------------------------------------- */

START_TEST (after_reset)
{
  configured (M_MAX, NULL);
  x86_reset_registers (env, false);
  ck_assert_uint_eq (env->eip, 0xfff0);
  ck_assert_uint_eq (env->segment[X86_CS].base, 0xffff0000);
  ck_assert_uint_eq (env->segment[X86_CS].selector, 0xf000);
  ck_assert_uint_eq (env->cr0, 0x60000010);
  ck_assert_uint_eq (x86_eflags (env), 2);
  ck_assert_uint_eq (gpr (env, X86_RDX), 0x106ca);
  ck_assert_uint_eq (env->dr[7], 0x400);
  ck_assert_uint_eq (env->hflags & (HF_PE | HF_CPL | HF_CS32), 0);
  env->cr0 = CR0_PE | CR0_ET | CR0_CD;
  env->pat = 7;
  env->fp[0] = 0x7f;
  x86_reset_registers (env, true);
  ck_assert_uint_eq (env->cr0, CR0_ET | CR0_CD);
  ck_assert_uint_eq (env->pat, 7);
  ck_assert_uint_eq (env->fp[0], 0x7f);
}
END_TEST

START_TEST (state_goes_out_and_in)
{
  BpX86State s = { .struct_size = sizeof s };
  configured (M_MAX, NULL);
  x86_reset_registers (env, false);
  x86_cpu_iface.get_state (env, &s);
  ck_assert_uint_eq (s.rip, 0xfff0);
  ck_assert_uint_eq (s.fxsave[24], 0x80);
  s.rip = 0x100000;
  s.rflags = 2 | X86_FL_ZF | X86_FL_DF | X86_FL_IF;
  s.cr0 = CR0_PE;
  s.segment[BP_X86_CS] = (BpX86Segment) { 0x10, 0xc09b, 0xffffffff, 0 };
  for (unsigned i = 0; i < 6; i++)
    if (i != BP_X86_CS)
      s.segment[i] = (BpX86Segment) { 0x18, 0xc093, 0xffffffff, 0 };
  x86_cpu_iface.set_state (env, &s);
  ck_assert_uint_eq (env->eip, 0x100000);
  ck_assert_uint_eq (x86_eflags (env), 2 | X86_FL_ZF | X86_FL_DF | X86_FL_IF);
  ck_assert_uint_eq (env->hflags & (HF_PE | HF_CS32 | HF_SS32), HF_PE | HF_CS32 | HF_SS32);
  for (unsigned i = 0; i < 6; i++)
    ck_assert (env->hflags & HF_FLAT (i) && (i == X86_CS || env->hflags & HF_BASE0 (i)));
  s.efer = EFER_LME | EFER_SCE;                         /* LMA follows */
  s.cr0 |= CR0_PG;
  s.cr4 = CR4_PAE;
  s.gpr[15] = s.lstar = (uint64_t) 1 << 40;
  s.cr8 = 3;
  s.ymm_high[15][0] = 7;
  s.segment[BP_X86_CS].attributes = 0xa09b;
  memset (s.fxsave + 24, 0xff, 4);                      /* MXCSR */
  x86_cpu_iface.set_state (env, &s);
  ck_assert_uint_eq (env->efer, EFER_LME | EFER_LMA | EFER_SCE);
  ck_assert (x86_in_code64 (env));
  memset (&s, 0, sizeof s);
  s.struct_size = sizeof s;
  x86_cpu_iface.get_state (env, &s);
  ck_assert (s.gpr[15] >> 40 == 1 && s.lstar >> 40 == 1 && s.cr8 == 3 && s.ymm_high[15][0] == 7);
  ck_assert (s.fxsave[24] == 0xff && s.fxsave[25] == 0xff && !s.fxsave[26] && !s.fxsave[27]);
}
END_TEST

START_TEST (type_tables)
{
  char text[2048];
  for (const BpProperty *p = x86_cpu_type.properties; p->name; p++)
    ck_assert (p->help && *p->help);
  for (const BpPinDesc *p = x86_cpu_type.pins; p->name; p++)
    ck_assert (p->help && *p->help);
  for (const BpStateField *f = x86_cpu_type.state; f->name; f++)
    ck_assert (f->size && f->count);
  configured (M_MAX, NULL);
  x86_reset_registers (env, false);
  x86_dump (env, text, sizeof text);
  ck_assert_ptr_nonnull (strstr (text, "EIP=0000fff0"));
}
END_TEST

static void
add (TCase *tc)
{
  tcase_add_test (tc, model_486);
  tcase_add_test (tc, model_max);
  tcase_add_test (tc, every_model_is_sane);
  tcase_add_test (tc, features_switch);
  tcase_add_test (tc, model_with_features);
  tcase_add_test (tc, long_mode_leaves);
  tcase_add_test (tc, features_refused);
  tcase_add_test (tc, msrs);
  tcase_add_test (tc, time_stamp_counter);
  tcase_add_test (tc, time_stamp_counter_moves);
  tcase_add_test (tc, extended_features);
  tcase_add_test (tc, protection_keys);
  tcase_add_test (tc, local_apic);
  tcase_add_test (tc, topology);
  tcase_add_test (tc, bases_and_system_calls);
  tcase_add_test (tc, after_reset);
  tcase_add_test (tc, state_goes_out_and_in);
  tcase_add_test (tc, type_tables);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return run_suite ("cpuid", tests, 1);
}

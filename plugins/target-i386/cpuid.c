/* cpuid.c -- models and features: what CPUID announces, and what the decoder may accept (SDM 2A CPUID). */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/interrupt-controller.h>
#include <string.h>
#include "cpu.h"

/* --- tables ---------------------------------------------------------------------------- */

typedef struct X86Model {
  const char *name;
  uint8_t family, model, stepping;
  uint32_t last_basic, last_extended;   /* last_extended 0: there are none */
  const char *features;         /* names apart by blanks, of which those count that are provided; NULL: all that are provided */
  const char *brand;            /* at most 47 characters */
} X86Model;

static const X86Model models[] = {
#define MODEL(...) { __VA_ARGS__ },
#include "cpu-models.def"
#undef MODEL
};

const char *const x86_model_names[] = {
#define MODEL(name, ...) name,
#include "cpu-models.def"
#undef MODEL
  NULL
};

typedef enum Word { WORD_D1, WORD_C1, WORD_B7, WORD_C7, WORD_D7, WORD_XS, WORD_X7, WORD_Y, WORD_DX, WORD_CX } Word;
typedef enum Provided { PROVIDED_NO, PROVIDED_YES, PROVIDED_HOST } Provided;

typedef struct FeatureBit {
  const char *name;
  uint8_t word, bit, feature, provided;
} FeatureBit;

static const FeatureBit bits[] = {
#define BIT(word_, bit_, name_, feature_, provided_) { name_, WORD_##word_, bit_, X86_FEATURE_##feature_, PROVIDED_##provided_ },
#include "cpu-features.def"
#undef BIT
};

#define BIT_D1(n) (1u << (n))
enum { D1_VME = 1, D1_DE = 2, D1_PSE = 3, D1_TSC = 4, D1_PAE = 6, D1_MCE = 7, D1_APIC = 9, D1_PGE = 13, D1_PSE36 = 17, D1_FXSR = 24, D1_SSE = 25, D1_HTT = 28 };
#define C1_PCID (1u << 17)
#define C1_XSAVE (1u << 26)
#define C1_OSXSAVE (1u << 27)
#define DX_SYSCALL (1u << 11)
#define B7_FSGSBASE (1u << 0)
#define B7_SMEP (1u << 7)
#define B7_SMAP (1u << 20)
#define C7_UMIP (1u << 2)
#define C7_OSPKE (1u << 4)
#define C1_X2APIC (1u << 21)
#define C1_TSC_DEADLINE (1u << 24)
#define C1_HYPERVISOR (1u << 31)

/* --- features -------------------------------------------------------------------------------- */

static uint32_t *
word (X86Cpu *env, unsigned w)
{
  switch ((Word) w) {
  case WORD_D1: return &env->cpuid_1_edx;
  case WORD_C1: return &env->cpuid_1_ecx;
  case WORD_B7: return &env->cpuid_7_ebx;
  case WORD_C7: return &env->cpuid_7_ecx;
  case WORD_D7: return &env->cpuid_7_edx;
  case WORD_XS: return &env->cpuid_13_1_eax;
  case WORD_X7: return &env->cpuid_80000007_edx;
  case WORD_Y: return &env->own_features;
  case WORD_DX: return &env->cpuid_80000001_edx;
  case WORD_CX: break;
  }
  return &env->cpuid_80000001_ecx;
}

static bool
host_has (unsigned feature)
{
#ifdef __x86_64__
  switch (feature) {
  case X86_FEATURE_SSE3: return __builtin_cpu_supports ("sse3");
  case X86_FEATURE_SSSE3: return __builtin_cpu_supports ("ssse3");
  case X86_FEATURE_SSE41: return __builtin_cpu_supports ("sse4.1");
  case X86_FEATURE_SSE42: return __builtin_cpu_supports ("sse4.2");
  case X86_FEATURE_AES: return __builtin_cpu_supports ("aes");
  case X86_FEATURE_PCLMULQDQ: return __builtin_cpu_supports ("pclmul");
  case X86_FEATURE_SHA: return __builtin_cpu_supports ("sha");
  case X86_FEATURE_AVX: return __builtin_cpu_supports ("avx");
  case X86_FEATURE_AVX2: return __builtin_cpu_supports ("avx2");
  case X86_FEATURE_FMA: return __builtin_cpu_supports ("fma");
  case X86_FEATURE_F16C: return __builtin_cpu_supports ("f16c");
  case X86_FEATURE_VAES: return __builtin_cpu_supports ("vaes");
  case X86_FEATURE_VPCLMULQDQ: return __builtin_cpu_supports ("vpclmulqdq");
  default: return false;
  }
#else
  return false;
#endif
}

static bool
is_provided (const FeatureBit *b)
{
  return b->provided == PROVIDED_YES || (b->provided == PROVIDED_HOST && host_has (b->feature));
}

/* Optimal string alignment distance, for words of less than 32 characters. */
static unsigned
distance (const char *a, const char *b)
{
  unsigned d[33][33];
  size_t n = strlen (a), m = strlen (b);
  if (n > 31 || m > 31)
    return 99;
  for (size_t i = 0; i <= n; i++)
    for (size_t j = 0; j <= m; j++) {
      if (!i || !j) {
        d[i][j] = (unsigned) (i + j);
        continue;
      }
      unsigned best = MIN (MIN (d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best = MIN (best, d[i - 2][j - 2] + 1);
      d[i][j] = best;
    }
  return d[n][m];
}

static const FeatureBit *
find_bit (const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS (bits); i++)
    if (!strcmp (bits[i].name, name))
      return &bits[i];
  return NULL;
}

/* Says what there is instead of `name`; the names are `step` bytes apart, and `all` are their list, when they are few. */
static void
refuse_name (const char *key, const char *what, const char *name, const char *const *first, size_t n, size_t step, const char *all, GError **error)
{
  const char *nearest = NULL;
  unsigned best = 1 + (unsigned) strlen (name) / 2;
  for (size_t i = 0; i < n; i++) {
    const char *there = *(const char *const *) ((const char *) first + i * step);
    unsigned d = distance (name, there);
    if (d < best) {
      best = d;
      nearest = there;
    }
  }
  if (nearest)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s: no %s `%s` (did you mean `%s`?)%s", key, what, name, nearest, all);
  else
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s: no %s `%s`%s", key, what, name, all);
}

/* One element of the property: "+name" or "-name". */
static bool
switch_feature (X86Cpu *env, const char *key, const char *text, GError **error)
{
  bool on = text[0] != '-';
  const char *name = text[0] == '+' || text[0] == '-' ? text + 1 : text;
  const FeatureBit *b = find_bit (name);
  if (!b) {
    refuse_name (key, "feature", name, &bits[0].name, G_N_ELEMENTS (bits), sizeof bits[0], "", error);
    return false;
  }
  if (on && !is_provided (b)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s: `%s` is not provided%s", key, name,
                 b->provided == PROVIDED_HOST ? " on this host, which lacks it" : "");
    return false;
  }
  if (on)
    *word (env, b->word) |= 1u << b->bit;
  else
    *word (env, b->word) &= ~(1u << b->bit);
  return true;
}

static bool
switch_features (X86Cpu *env, const char *key, const char *text, GError **error)
{
  bool ok = true;
  char **list = g_strsplit_set (text ? text : "", ", ", -1);
  for (char **p = list; *p && ok; p++)
    if (**p)
      ok = switch_feature (env, key, *p, error);
  g_strfreev (list);
  return ok;
}

/* "name" or "name,+feature,-feature": what follows the name goes to *rest. */
static const X86Model *
find_model (const char *text, const char **rest, GError **error)
{
  size_t n = strcspn (text, ", ");
  char *name = g_strndup (text, n);
  const X86Model *found = NULL;
  for (size_t i = 0; i < G_N_ELEMENTS (models) && !found; i++)
    if (!strcmp (models[i].name, name))
      found = &models[i];
  if (!found) {
    char *names = g_strjoinv (", ", (char **) x86_model_names), *all = g_strconcat ("; there are ", names, NULL);
    refuse_name ("model", "model", name, &models[0].name, G_N_ELEMENTS (models), sizeof models[0], all, error);
    g_free (names);
    g_free (all);
  }
  g_free (name);
  *rest = text + n;
  return found;
}

static void
model_features (X86Cpu *env, const X86Model *m)
{
  char **names = m->features ? g_strsplit (m->features, " ", -1) : NULL;
  for (size_t i = 0; i < G_N_ELEMENTS (bits); i++)
    if (is_provided (&bits[i]) && (!names || g_strv_contains ((const char *const *) names, bits[i].name)))
      *word (env, bits[i].word) |= 1u << bits[i].bit;
  g_strfreev (names);
}

/* --- what follows from the bits ------------------------------------------------------------------ */

static bool
has (const X86Cpu *env, unsigned d1_bit)
{
  return env->cpuid_1_edx >> d1_bit & 1;
}

static void
derive_decoder_features (X86Cpu *env, const X86Model *m)
{
  bool *f = env->feature;
  memset (f, 0, sizeof env->feature);
  for (size_t i = 0; i < G_N_ELEMENTS (bits); i++)
    if (*word (env, bits[i].word) >> bits[i].bit & 1)
      f[bits[i].feature] = true;
  f[X86_FEATURE_NONE] = true;
  f[X86_FEATURE_I486] = m->family >= 4;
  f[X86_FEATURE_CPUID] = true;
  f[X86_FEATURE_RDPMC] = m->family >= 6;
  f[X86_FEATURE_HINT_NOP] = m->family >= 6;
  f[X86_FEATURE_FCMOV] = f[X86_FEATURE_FPU] && f[X86_FEATURE_CMOV];
  f[X86_FEATURE_FISTTP] = f[X86_FEATURE_FPU] && f[X86_FEATURE_SSE3];
}

static void
derive_cr4 (X86Cpu *env, const X86Model *m)
{
  uint32_t v = 0;
  v |= has (env, D1_VME) ? CR4_VME | CR4_PVI : 0;
  v |= has (env, D1_TSC) ? CR4_TSD : 0;
  v |= has (env, D1_DE) ? CR4_DE : 0;
  v |= has (env, D1_PSE) ? CR4_PSE : 0;
  v |= has (env, D1_PAE) ? CR4_PAE : 0;
  v |= has (env, D1_MCE) ? CR4_MCE : 0;
  v |= has (env, D1_PGE) ? CR4_PGE : 0;
  v |= m->family >= 6 ? CR4_PCE : 0;
  v |= has (env, D1_FXSR) ? CR4_OSFXSR : 0;
  v |= has (env, D1_SSE) ? CR4_OSXMMEXCPT : 0;
  v |= env->cpuid_1_ecx & C1_PCID ? CR4_PCIDE : 0;
  v |= env->cpuid_1_ecx & C1_XSAVE ? CR4_OSXSAVE : 0;
  v |= env->cpuid_7_ebx & B7_FSGSBASE ? CR4_FSGSBASE : 0;
  v |= env->cpuid_7_ebx & B7_SMEP ? CR4_SMEP : 0;
  v |= env->cpuid_7_ebx & B7_SMAP ? CR4_SMAP : 0;
  v |= env->cpuid_7_ecx & C7_UMIP ? CR4_UMIP : 0;
  v |= env->cpuid_7_ecx & X86_C7_PKU ? CR4_PKE : 0;
  v |= env->cpuid_7_ecx & X86_C7_PKS ? CR4_PKS : 0;
  env->cr4_allowed = v;
  env->physical_bits = env->feature[X86_FEATURE_LM] ? 40 : has (env, D1_PAE) || has (env, D1_PSE36) ? 36 : 32;
}

bool
x86_configure_features (X86Cpu *env, GError **error)
{
  const char *rest;
  const X86Model *m = find_model (env->model ? env->model : "max", &rest, error);
  if (!m)
    return false;
  env->model_row = m;
  for (unsigned w = WORD_D1; w <= WORD_CX; w++)
    *word (env, w) = 0;
  model_features (env, m);
  if (!switch_features (env, "model", rest, error) || !switch_features (env, "features", env->features, error))
    return false;
  derive_decoder_features (env, m);
  derive_cr4 (env, m);
  if (env->hypervisor)
    env->cpuid_1_ecx |= C1_HYPERVISOR;
  return true;
}

unsigned
x86_family (const X86Cpu *env)
{
  return env->model_row->family;
}

uint32_t
x86_signature (const X86Cpu *env)
{
  const X86Model *m = env->model_row;
  return (uint32_t) (m->model >> 4) << 16 | (uint32_t) m->family << 8 | (uint32_t) (m->model & 15) << 4 | m->stepping;
}

bool
x86_has_apic (const X86Cpu *env)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  return BP_TABLE_HAS (intc, apic_base_read);
}

bool
x86_has_x2apic (const X86Cpu *env)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  return env->cpuid_1_ecx & C1_X2APIC && BP_TABLE_HAS (intc, msr_write);
}

bool
x86_has_tsc_deadline (const X86Cpu *env)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  return env->cpuid_1_ecx & C1_TSC_DEADLINE && BP_TABLE_HAS (intc, deadline_write);
}

const char *
x86_cpuid_bit_name (uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
  static const struct { uint32_t leaf; uint8_t subleaf, reg, word; } words[] = {
    { 1, 0, 3, WORD_D1 }, { 1, 0, 2, WORD_C1 }, { 7, 0, 1, WORD_B7 }, { 7, 0, 2, WORD_C7 }, { 7, 0, 3, WORD_D7 }, { 13, 1, 0, WORD_XS },
    { 0x80000007, 0, 3, WORD_X7 }, { 0x80000001, 0, 3, WORD_DX }, { 0x80000001, 0, 2, WORD_CX }
  };
  for (size_t w = 0; w < G_N_ELEMENTS (words); w++)
    for (size_t i = 0; words[w].leaf == leaf && words[w].subleaf == subleaf && words[w].reg == reg && i < G_N_ELEMENTS (bits); i++)
      if (bits[i].word == words[w].word && bits[i].bit == bit)
        return bits[i].name;
  return NULL;
}

/* --- the instruction --------------------------------------------------------------------------------- */

static uint32_t
text_word (const char *text, size_t at)
{
  uint32_t v = 0;
  for (size_t i = 0, n = strlen (text); i < 4; i++)
    v |= at + i < n ? (uint32_t) (uint8_t) text[at + i] << 8 * i : 0;
  return v;
}

/* The processors of a package are its cores, where the model can say so: as many bits of the APIC id tell them apart. */
static unsigned
id_bits (const X86Cpu *env)
{
  unsigned n = 0;
  while (env->model_row->last_basic >= 4 && 1u << n < env->n_processors)
    n++;
  return n;
}

static void
leaf_1 (const X86Cpu *env, uint32_t out[4])
{
  out[0] = x86_signature (env);
  out[1] = env->apic_id << 24 | (env->feature[X86_FEATURE_CLFLUSH] ? 8 << 8 : 0);
  out[2] = env->cpuid_1_ecx & ~((x86_has_x2apic (env) ? 0 : C1_X2APIC) | (x86_has_tsc_deadline (env) ? 0 : C1_TSC_DEADLINE));
  out[2] |= env->cr4 & CR4_OSXSAVE ? C1_OSXSAVE : 0;
  out[3] = env->cpuid_1_edx;
  if (x86_has_apic (env))
    out[3] |= BIT_D1 (D1_APIC);
  if (id_bits (env) > 0) {
    out[1] |= MIN (1u << id_bits (env), 255) << 16;       /* eight bits: from 129 processors on it is what rounds up to 256 */
    out[3] |= BIT_D1 (D1_HTT);
  }
}

/* 32 KiB L1 caches with 8 ways, 2 MiB L2 with 8 ways for all cores, lines of 64 bytes: the leaves 2, 4 and 80000006 say the same. */
static void
leaf_4 (const X86Cpu *env, uint32_t subleaf, uint32_t out[4])
{
  static const struct { uint8_t type, level; uint16_t sets; } caches[3] = { { 1, 1, 64 }, { 2, 1, 64 }, { 3, 2, 4096 } };
  uint32_t others = (1u << id_bits (env)) - 1;
  if (subleaf >= G_N_ELEMENTS (caches))
    return;
  out[0] = caches[subleaf].type | (uint32_t) caches[subleaf].level << 5 | 1 << 8 | (caches[subleaf].level > 1 ? others << 14 : 0) | others << 26;
  out[1] = 63 | 7u << 22;
  out[2] = caches[subleaf].sets - 1u;
}

/* One thread in a core. */
static void
leaf_b (const X86Cpu *env, uint32_t subleaf, uint32_t out[4])
{
  enum { LEVEL_THREAD = 1, LEVEL_CORE = 2 };
  out[2] = subleaf & 0xff;
  out[3] = env->apic_id;
  if (subleaf > 1)
    return;
  out[0] = subleaf ? id_bits (env) : 0;
  out[1] = subleaf && id_bits (env) ? env->n_processors : 1;
  out[2] |= (subleaf ? LEVEL_CORE : LEVEL_THREAD) << 8;
}

/* The XSAVE area: a component in a subleaf, as runtime/xsave.c lays them out. */
static void
leaf_13 (const X86Cpu *env, uint32_t subleaf, uint32_t out[4])
{
  uint64_t allowed = x86_xcr0_allowed (env);
  if (!env->feature[X86_FEATURE_XSAVE])
    return;
  if (subleaf == 0) {
    out[0] = (uint32_t) allowed;
    out[1] = x86_xsave_size (env->xcr0, false);
    out[2] = x86_xsave_size (allowed, false);
  } else if (subleaf == 1) {
    out[0] = env->cpuid_13_1_eax;
    out[1] = env->feature[X86_FEATURE_XSAVEC] ? x86_xsave_size (env->xcr0, true) : 0;
  } else if (subleaf < 64 && allowed >> subleaf & 1) {
    out[0] = x86_xsave_component (subleaf, &out[1]);
  }
}

/* SDM 3B 19.7.3: the time-stamp counter as a multiple of a crystal's clock, which a local APIC's timer counts too (its default).  That must
 * be exact, and nobody may be led astray by it who does not use the counter for deadlines. */
static void
leaf_15 (const X86Cpu *env, uint32_t out[4])
{
  enum { CRYSTAL = 1000000000, MHZ = 1000000, KHZ = 1000 };
  uint32_t unit = env->tsc_frequency % MHZ ? KHZ : MHZ;
  if (!x86_has_tsc_deadline (env) || env->tsc_frequency % unit != 0)
    return;
  out[0] = CRYSTAL / unit;
  out[1] = (uint32_t) (env->tsc_frequency / unit);
  out[2] = CRYSTAL;
}

/* MHz: base, highest, bus. */
static void
leaf_16 (const X86Cpu *env, uint32_t out[4])
{
  out[0] = out[1] = (uint32_t) (env->tsc_frequency / 1000000);
  out[2] = 100;
}

static void
basic_leaf (const X86Cpu *env, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
  switch (leaf) {
  case 0:
    out[0] = env->model_row->last_basic;
    out[1] = text_word ("GenuineIntel", 0);
    out[3] = text_word ("GenuineIntel", 4);
    out[2] = text_word ("GenuineIntel", 8);
    break;
  case 1:
    leaf_1 (env, out);
    break;
  case 2:       /* TLBs 01 03; L1 30 (code) 2c (data); L2 7d; one round */
    out[0] = 0x00030101;
    out[3] = 0x002c307d;
    break;
  case 4:
    leaf_4 (env, subleaf, out);
    break;
  case 7:
    if (subleaf == 0) {
      out[1] = env->cpuid_7_ebx;
      out[2] = env->cpuid_7_ecx | (env->cr4 & CR4_PKE ? C7_OSPKE : 0);
      out[3] = env->cpuid_7_edx;
    }
    break;
  case 11:
    if (x86_has_apic (env))
      leaf_b (env, subleaf, out);
    break;
  case 13:
    leaf_13 (env, subleaf, out);
    break;
  case 0x15:
    leaf_15 (env, out);
    break;
  case 0x16:
    leaf_16 (env, out);
    break;
  }
}

static void
extended_leaf (const X86Cpu *env, uint32_t leaf, uint32_t out[4])
{
  switch (leaf) {
  case 0x80000000:
    out[0] = env->model_row->last_extended;
    break;
  case 0x80000001:
    out[2] = env->cpuid_80000001_ecx;
    out[3] = env->cpuid_80000001_edx;
    if (env->feature[X86_FEATURE_LM] && !x86_in_code64 (env))
      out[3] &= ~DX_SYSCALL;    /* as Intel has it: announced where it works */
    break;
  case 0x80000002:
  case 0x80000003:
  case 0x80000004:
    for (unsigned i = 0; i < 4; i++)
      out[i] = text_word (env->model_row->brand, 16 * (leaf - 0x80000002) + 4 * i);
    break;
  case 0x80000006:
    out[2] = 2048u << 16 | 6 << 12 | 64;
    break;
  case 0x80000007:
    out[3] = env->cpuid_80000007_edx;
    break;
  case 0x80000008:
    out[0] = env->physical_bits | (env->feature[X86_FEATURE_LM] ? 48 : 32) << 8;
    break;
  }
}

/* A leaf that there is not gives what the last basic leaf gives. */
void
x86_cpuid (X86Cpu *env, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
  const X86Model *m = env->model_row;
  out[0] = out[1] = out[2] = out[3] = 0;
  if (leaf >= 0x80000000 && leaf <= m->last_extended)
    extended_leaf (env, leaf, out);
  else
    basic_leaf (env, leaf <= m->last_basic ? leaf : m->last_basic, subleaf, out);
}

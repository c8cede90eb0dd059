/* maps.c -- turns the map-*.def tables into constant data; the words of their columns are defined here. */
/* SPDX-License-Identifier: MIT */

#include "row.h"

/* --- nodes ---------------------------------------------------------------------------------------------- */

#define ROWS(n, ...) .sub = (const Row[n]) { __VA_ARGS__ }
#define UD { .kind = NODE_UD }
#define PREFIX { .kind = NODE_PREFIX }
/* One row for two encodings: the SSE form that cols tells of, if any, and the VEX form. */
#define OPV(name, a, b, c, d, effect, cols, ...)                                                            \
  {                                                                                                         \
    .kind = NODE_OP, .op = X86_OP_##name, .operands = { TOKEN_##a, TOKEN_##b, TOKEN_##c, TOKEN_##d },       \
    .flags = FLAGS_##effect, .columns = (cols), __VA_ARGS__                                                 \
  }
#define VEX(l0, l1) .vex = { X86_FEATURE_##l0, X86_FEATURE_##l1 }
#define VEX_Wy(l0, l1) VEX (l0, l1), .vex_w = VEX_W_SIZE
#define VEX_W0(l0, l1) VEX (l0, l1), .vex_w = VEX_W_0
#define VEX_W1(l0, l1) VEX (l0, l1), .vex_w = VEX_W_1
#define OP(name, a, b, c, effect, cols)                                                                     \
  {                                                                                                         \
    .kind = NODE_OP, .op = X86_OP_##name, .operands = { TOKEN_##a, TOKEN_##b, TOKEN_##c },                  \
    .flags = FLAGS_##effect, .columns = (cols)                                                              \
  }
#define BY_OPCODE(table) { .kind = NODE_BY_OPCODE, .sub = table }
#define BY_REG(table) { .kind = NODE_BY_REG, .sub = table }
#define BY_RM(table) { .kind = NODE_BY_RM, .sub = table }
#define BY_MOD(...) { .kind = NODE_BY_MOD, ROWS (2, __VA_ARGS__) }
#define BY_PREFIX(...) { .kind = NODE_BY_PREFIX, ROWS (4, __VA_ARGS__) }
#define BY_MODE(...) { .kind = NODE_BY_MODE, ROWS (2, __VA_ARGS__) }
#define BY_OPSIZE(...) { .kind = NODE_BY_OPSIZE, ROWS (3, __VA_ARGS__) }
#define BY_REX_B(...) { .kind = NODE_BY_REX_B, ROWS (2, __VA_ARGS__) }
#define BY_L(...) { .kind = NODE_BY_L, ROWS (2, __VA_ARGS__) }
#define BY_W(...) { .kind = NODE_BY_W, ROWS (2, __VA_ARGS__) }
#define VEX_PREFIX { .kind = NODE_VEX }
#define WITH_66(...) BY_PREFIX (UD, __VA_ARGS__, UD, UD)
#define GROUP(name) static const Row name[8] =

#define FMA_ROW(name, v, h, w) OPV (name, v, h, w, none, none, RMW | FP | VECTOR, VEX (FMA, FMA))
#define FMA_PACKED(name) WITH_66 (BY_W (FMA_ROW (name##PS, Vps, Hps, Wps), FMA_ROW (name##PD, Vpd, Hpd, Wpd)))
#define FMA_SCALAR(name) WITH_66 (BY_W (FMA_ROW (name##SS, Vss, Hss, Wss), FMA_ROW (name##SD, Vsd, Hsd, Wsd)))

/* --- columns -------------------------------------------------------------------------------------------- */

/* what is done to operand 0; the others are read, plain M never touched */
#define NOACC 0ull
#define R ((uint64_t) X86_ACCESS_R << COLUMN_ACCESS_SHIFT)
#define W ((uint64_t) X86_ACCESS_W << COLUMN_ACCESS_SHIFT)
#define RMW ((uint64_t) X86_ACCESS_RW << COLUMN_ACCESS_SHIFT)
#define RMW2 COLUMN_RMW2
#define RMW3 COLUMN_RMW3
#define W2 COLUMN_W2

#define LOCKABLE ((uint64_t) X86_A_LOCKABLE)
#define PRIV0 ((uint64_t) X86_A_PRIV0)
#define IOPL_SENS ((uint64_t) X86_A_IOPL)
#define IO ((uint64_t) X86_A_IO)
#define VM86 ((uint64_t) X86_A_VM86)
#define PMODE ((uint64_t) X86_A_PMODE_ONLY)
#define STACK ((uint64_t) X86_A_STACK)
#define ENDS ((uint64_t) X86_A_ENDS_BLOCK)
#define KEEP ((uint64_t) X86_A_FLAGS_KEEP)
#define ATOMIC ((uint64_t) X86_A_ATOMIC)
#define SERIAL ((uint64_t) X86_A_SERIALIZE)
#define INHIBIT ((uint64_t) X86_A_INHIBIT)
#define UNAL ((uint64_t) X86_A_UNALIGNED)
#define NT ((uint64_t) X86_A_NON_TEMPORAL)
#define HINT ((uint64_t) X86_A_HINT)
#define NOWAIT ((uint64_t) X86_A_NO_WAIT)
#define MMXST ((uint64_t) X86_A_MMX_STATE)
#define FP ((uint64_t) X86_A_SSE_FP)
#define STRING ((uint64_t) X86_A_STRING | COLUMN_REP)
#define STRCMP ((uint64_t) X86_A_STRING | COLUMN_REP_CC)
#define D64 COLUMN_D64
#define F64 COLUMN_F64
#define I64 COLUMN_I64
#define O64 COLUMN_O64
#define CC COLUMN_CC
#define ALIGN16 COLUMN_ALIGN16
#define ALIGN64 COLUMN_ALIGN64
#define ALIGNED COLUMN_ALIGNED
#define ALWAYS_UD COLUMN_ALWAYS_UD

#define BRANCH(kind) (((uint64_t) X86_BRANCH_##kind << COLUMN_BRANCH_SHIFT) | ENDS)
#define UNIT(unit) ((uint64_t) X86_UNIT_##unit << COLUMN_UNIT_SHIFT)
#define CPU(feature) ((uint64_t) X86_FEATURE_##feature << COLUMN_FEATURE_SHIFT)

/* unit and feature in one word: which registers, and since when */
#define X87 (UNIT (X87) | CPU (FPU))
#define X87_FCMOV (UNIT (X87) | CPU (FCMOV))
#define X87_FISTTP (UNIT (X87) | CPU (FISTTP))
#define MMX (UNIT (MMX) | CPU (MMX))
#define MMX_SSE (UNIT (MMX) | CPU (SSE))
#define MMX_SSE2 (UNIT (MMX) | CPU (SSE2))
#define MMX_SSSE3 (UNIT (MMX) | CPU (SSSE3))
#define SSE (UNIT (SSE) | CPU (SSE))
#define SSE2 (UNIT (SSE) | CPU (SSE2))
#define SSE3 (UNIT (SSE) | CPU (SSE3))
#define SSSE3 (UNIT (SSE) | CPU (SSSE3))
#define SSE41 (UNIT (SSE) | CPU (SSE41))
#define SSE42 (UNIT (SSE) | CPU (SSE42))
#define AES (UNIT (SSE) | CPU (AES))
#define SHA (UNIT (SSE) | CPU (SHA))
#define VECTOR UNIT (AVX) /* no SSE form; which feature is said by VEX () */
#define GATHER (RMW | RMW3 | VECTOR)

/* --- the maps: inner tables first ----------------------------------------------------------------------- */

#include "map-groups.def"
#include "map-x87.def"

static const Row map_0f38[256] = {
#define MAP_0F38
#include "map-0f38-0f3a.def"
#undef MAP_0F38
};

static const Row map_0f3a[256] = {
#define MAP_0F3A
#include "map-0f38-0f3a.def"
#undef MAP_0F3A
};

static const Row map_0f[256] = {
#include "map-0f.def"
};

static const Row map_vex_0f[256] = {
#include "map-vex-0f.def"
};

static const Row map_vex_0f38[256] = {
#include "map-vex-0f38.def"
};

static const Row map_vex_0f3a[256] = {
#include "map-vex-0f3a.def"
};

const Row *const x86_vex_maps[4][2] = {
  [1] = { map_vex_0f, map_0f }, [2] = { map_vex_0f38, map_0f38 }, [3] = { map_vex_0f3a, map_0f3a }
};

const Row x86_map_1byte[256] = {
#include "map-1byte.def"
};

/* --- operand tokens and flag effects -------------------------------------------------------------------- */

const TokenInfo x86_token_info[TOKEN__COUNT] = {
#define TOKEN(name, method, size) [TOKEN_##name] = { METHOD_##method, SIZE_##size },
#include "operands.def"
#undef TOKEN
};

enum {
  CF = X86_FL_CF, PF = X86_FL_PF, AF = X86_FL_AF, ZF = X86_FL_ZF, SF = X86_FL_SF, TF = X86_FL_TF,
  IF = X86_FL_IF, DF = X86_FL_DF, OF = X86_FL_OF, IOPL = X86_FL_IOPL, RF = X86_FL_RF,
  VM = X86_FL_VM, AC = X86_FL_AC,
  VIF = X86_FL_VIF, ARITH = X86_FL_ARITH, ALL = X86_FL_ALL
};
#undef NT
enum { NT = X86_FL_NT };

const FlagInfo x86_flag_info[FLAGS__COUNT] = {
#define FLAGS(name, r, w, u, v) [FLAGS_##name] = { .read = r, .written = w, .undefined = u, .varying = v },
#include "flags.def"
#undef FLAGS
};

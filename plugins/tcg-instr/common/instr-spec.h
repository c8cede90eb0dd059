/* instr-spec.h -- values of several parts in one property: "size=32K,ways=8", "4K"; and how what is wrong is said. */
/* SPDX-License-Identifier: MIT */
/*
 * Errors name the part and what would do; the host adds file, line and key.  Sizes take K, M, G (of 1024), numbers 0x and the like.
 */
#ifndef TCG_INSTR_SPEC_H
#define TCG_INSTR_SPEC_H

#include <backplane/common.h>

/* Says why a property cannot be; returns false. */
bool instr_refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

typedef enum InstrSpecKind {
  INSTR_SPEC_BOOL,              /* bool: on, off; the name alone is `on' */
  INSTR_SPEC_U32,               /* uint32_t */
  INSTR_SPEC_SIZE,              /* uint64_t, with K, M, G */
  INSTR_SPEC_ENUM               /* int: index into names */
} InstrSpecKind;
enum { INSTR_SPEC_POWER_OF_TWO = 1 << 0, INSTR_SPEC_REQUIRED = 1 << 1 };

/* A row of a table that ends with name NULL.  Fields that are not named in the text keep what they had. */
typedef struct InstrSpec {
  const char *name;
  InstrSpecKind kind;
  size_t offset;                /* into the caller's struct */
  unsigned flags;
  uint64_t min, max;            /* numbers; both 0: any */
  const char *const *names;     /* ENUM: ends with NULL */
} InstrSpec;

/* "name=value,name=value": each at most once.  false, with error: the struct may be half filled. */
bool instr_spec_parse (const char *text, const InstrSpec *rows, void *into, GError **error);
bool instr_parse_number (const char *text, uint64_t *value, GError **error);    /* decimal, 0x, with K, M, G */
/* The nearest of names (which ends with NULL), for messages; NULL: none is near. */
const char *instr_nearest (const char *word, const char *const *names);

#endif

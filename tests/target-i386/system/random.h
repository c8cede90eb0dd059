/* random.h -- between random.c, which makes the machine of a random case, and random-code.c, which makes its instructions. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_SYSTEM_RANDOM_H
#define TEST_SYSTEM_RANDOM_H

#include "case.h"

enum { N_WINDOW = 8 };                  /* pages of the window in use */

typedef struct Gen {
  Case *c;
  uint64_t dice;
  Mode mode;                    /* of the code being made */
  uint32_t at;                  /* where the next byte goes */
  uint32_t kernel_at, user_at;  /* where code of another mode may go */
  bool for_kvm;
  bool resumes;                 /* handlers go on with the next instruction (random-resume.c) */
} Gen;

static inline bool gen_is_user (const Gen *g) { return image_code (g->mode) == AT_USER_CODE; }
static inline bool gen_is_64 (const Gen *g) { return g->mode == USER64 || g->mode == KERNEL64 || g->mode == RING1_64; }

unsigned gen_below (Gen *g, unsigned n);
bool gen_once_in (Gen *g, unsigned n);
uint64_t gen_address (Gen *g);
void gen_byte (Gen *g, unsigned byte);
void gen_bytes (Gen *g, const uint8_t *bytes, unsigned n);
void gen_word (Gen *g, uint64_t v, unsigned size);
void gen_set (Gen *g, unsigned reg, uint64_t v);
void gen_memory (Gen *g, unsigned reg, unsigned base);
void gen_size (Gen *g, unsigned size);
uint64_t gen_move_on (Gen *g, Mode mode);

void random_instruction (Gen *g);

/* random-resume.c */
void resume_handlers (Gen *g);
uint32_t resume_before (Gen *g);        /* the next instruction begins; for resume_after, which knows where it ends */
void resume_after (Gen *g, uint32_t at);

#endif

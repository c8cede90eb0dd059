/* test-profile.c -- sampled stacks: kept, walked, named and printed. */
/* SPDX-License-Identifier: MIT */
#include "tcg-instr/tcg-profile-tree.h"
#include "tcg-instr/tcg-profile-walk.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* --- aggregation ---------------------------------------------------------------------------------- */

START_TEST (counts)
{
  const uint64_t a[] = { 1, 2, 3 }, b[] = { 1, 2 };
  Stacks *s = stacks_new (100);
  ck_assert (stacks_add (s, 7, 0, a, 3, 1) && stacks_add (s, 7, 0, b, 2, 1) && stacks_add (s, 7, 0, a, 3, 4));
  ck_assert (stacks_add (s, 8, 0, a, 3, 1) && stacks_add (s, 7, 3, a, 3, 1));
  ck_assert_uint_eq (stacks_size (s), 4);
  ck_assert_uint_eq (stacks_at (s, 0)->count, 5);
  stacks_sort (s);
  const Stack *first = stacks_at (s, 0);
  ck_assert (first->n == 2 && first->space == 7 && first->privilege == 0 && first->count == 1);
  ck_assert_uint_eq (stacks_at (s, 1)->count, 5);
  ck_assert_uint_eq (stacks_at (s, 2)->privilege, 3);
  ck_assert_uint_eq (stacks_at (s, 3)->space, 8);
  ck_assert_uint_eq (stacks_frames (s, stacks_at (s, 3))[2], 3);
  stacks_free (s);
}
END_TEST

/* Many, against a table of counts; the limit takes nothing away from what is known. */
START_TEST (many)
{
  enum { N = 5000 };
  static uint64_t wanted[N];
  GRand *rand = g_rand_new_with_seed (5);
  Stacks *s = stacks_new (N);
  uint64_t frames[4];
  memset (wanted, 0, sizeof wanted);
  for (unsigned i = 0; i < 100000; i++) {
    uint32_t k = i < N ? i : (uint32_t) g_rand_int_range (rand, 0, N);
    frames[0] = k % 10;
    frames[1] = k / 10 % 10;
    frames[2] = k / 100;
    wanted[k]++;
    ck_assert (stacks_add (s, 0, 0, frames, 3, 1));
  }
  ck_assert_uint_eq (stacks_size (s), N);
  for (uint32_t k = 0; k < N; k++)
    ck_assert_uint_eq (stacks_at (s, k)->count, wanted[k]);
  frames[0] = 99;
  ck_assert (!stacks_add (s, 0, 0, frames, 3, 1));
  frames[0] = 0;
  frames[1] = 0;
  frames[2] = 0;
  ck_assert (stacks_add (s, 0, 0, frames, 3, 1));
  ck_assert_uint_eq (stacks_size (s), N);
  stacks_free (s);
  g_rand_free (rand);
}
END_TEST

/* --- walking -------------------------------------------------------------------------------------- */

/* A guest: code with a call at 0x1010, 0x1020 ... (each returns 5 bytes later), a stack at 0x8000. */
static uint8_t code[0x1000], stack[0x1000];
#define RETURN_TO(n) (UINT64_C (0x1005) + 0x10 * (n))

static bool
read_toy (void *user, uint64_t address, void *out, size_t size)
{
  uint64_t upper = user ? *(const uint64_t *) user : 0;
  address -= upper;
  if (address >= 0x1000 && address + size <= 0x2000)
    memcpy (out, code + address - 0x1000, size);
  else if (address >= 0x8000 && address + size <= 0x9000)
    memcpy (out, stack + address - 0x8000, size);
  else
    return false;
  return true;
}

static void
put (uint64_t address, uint64_t value, unsigned word)
{
  memcpy (stack + address - 0x8000, &value, word);
}

static void
make_toy (void)
{
  memset (code, 0x90, sizeof code);
  memset (stack, 0, sizeof stack);
  for (unsigned i = 0; i < 0x100; i++)
    code[i * 0x10] = 0xe8;
}

static void
check_walk (const Walk *w, unsigned max, unsigned n, const uint64_t *wanted)
{
  uint64_t out[8];
  ck_assert_uint_eq (walk_frames (w, out, max), n);
  for (unsigned i = 0; i < n; i++)
    ck_assert_uint_eq (out[i], wanted[i]);
}

START_TEST (chain)
{
  unsigned word = _i ? 4 : 8;
  Walk w = { .pc = 0x1800, .sp = 0x8100, .fp = 0x8120, .code_bits = word * 8, .read = read_toy };
  const uint64_t wanted[] = { RETURN_TO (1), RETURN_TO (2), RETURN_TO (3) };
  make_toy ();
  put (0x8120, 0x8200, word);
  put (0x8120 + word, RETURN_TO (1), word);
  put (0x8200, 0x8300, word);
  put (0x8200 + word, RETURN_TO (2), word);
  put (0x8300, 0, word);
  put (0x8300 + word, RETURN_TO (3), word);
  check_walk (&w, 8, 3, wanted);
  check_walk (&w, 2, 2, wanted);
  check_walk (&w, 0, 0, wanted);
  put (0x8200, 0x8120, word);                   /* a chain that comes back */
  check_walk (&w, 8, 2, wanted);
  put (0x8200, 0x8200, word);
  check_walk (&w, 8, 2, wanted);
  put (0x8200, 0x8301, word);
  check_walk (&w, 8, 2, wanted);
  put (0x8200, 0x90000, word);                  /* no memory */
  check_walk (&w, 8, 2, wanted);
  put (0x8200 + word, RETURN_TO (2) + 1, word); /* not after a call */
  check_walk (&w, 8, 1, wanted);
  w.fp = 0x8000;                                /* beneath the stack's top */
  check_walk (&w, 8, 0, wanted);
  w.code_bits = 16;
  w.fp = 0x8120;
  check_walk (&w, 8, 0, wanted);
}
END_TEST

/* At a function's beginning and end the caller's frame is the one that the register knows. */
START_TEST (without_frame)
{
  Walk w = { .pc = 0x1800, .sp = 0x8100, .fp = 0x8120, .code_bits = 64, .read = read_toy, .state = FRAME_AT_ENTRY };
  const uint64_t wanted[] = { RETURN_TO (9), RETURN_TO (1) };
  make_toy ();
  put (0x8120, 0, 8);
  put (0x8128, RETURN_TO (1), 8);
  put (0x8100, RETURN_TO (9), 8);
  check_walk (&w, 8, 2, wanted);
  w.state = FRAME_PUSHED;
  put (0x8100, 0x8120, 8);
  put (0x8108, RETURN_TO (9), 8);
  check_walk (&w, 8, 2, wanted);
  put (0x8108, 12345, 8);
  check_walk (&w, 8, 1, wanted + 1);
}
END_TEST

/* A function at 0x1800 without a frame, called directly from 0x1090. */
START_TEST (leaf_function)
{
  Walk w = { .pc = 0x1804, .sp = 0x8100, .fp = 0x8120, .code_bits = 32, .read = read_toy };
  const uint64_t wanted[] = { RETURN_TO (9), RETURN_TO (1) };
  const uint32_t distance = 0x1800 - (uint32_t) RETURN_TO (9);
  make_toy ();
  memset (code + 0x800, 0x48, 16);              /* dec %eax */
  memcpy (code + 0x91, &distance, 4);
  put (0x8120, 0, 4);
  put (0x8124, RETURN_TO (1), 4);
  put (0x8100, RETURN_TO (9), 4);
  check_walk (&w, 8, 2, wanted);
  w.pc = 0x1800 + 5000;                         /* far behind what was called */
  check_walk (&w, 8, 1, wanted + 1);
  w.pc = 0x17ff;                                /* in front of it */
  check_walk (&w, 8, 1, wanted + 1);
  w.pc = 0x1804;
  code[0x800] = 0x55;                           /* it makes a frame: the top is something that was left there */
  check_walk (&w, 8, 1, wanted + 1);
}
END_TEST

/* A kernel that has kept the program's frame pointer is not called by the program. */
START_TEST (other_half)
{
  static uint64_t upper = UINT64_C (0xffffffff80000000);
  Walk w = { .pc = 0x1800, .sp = 0x8100 + upper, .fp = 0x8120 + upper, .code_bits = 64, .read = read_toy, .user = &upper };
  const uint64_t wanted[] = { RETURN_TO (1) + upper };
  make_toy ();
  put (0x8128, RETURN_TO (1) + upper, 8);
  check_walk (&w, 8, 0, wanted);                /* the program counter is in the lower half */
  w.pc += upper;
  check_walk (&w, 8, 1, wanted);
  w.fp = 0x8120;
  check_walk (&w, 8, 0, wanted);
}
END_TEST

START_TEST (calls)
{
  static const struct {
    uint8_t bytes[8];
    unsigned n;
    bool is_call;
  } cases[] = {
    { { 0xff, 0xd0 }, 2, true },                                /* call *%rax */
    { { 0x41, 0xff, 0xd3 }, 3, true },                          /* call *%r11 */
    { { 0xff, 0x10 }, 2, true },                                /* call *(%rax) */
    { { 0xff, 0x50, 0x18 }, 3, true },                          /* call *24(%rax) */
    { { 0xff, 0x14, 0xc5, 0, 0, 0x20, 0x82 }, 7, true },        /* call *table(,%rax,8) */
    { { 0xff, 0x15, 1, 2, 3, 4 }, 6, true },                    /* call *x(%rip) */
    { { 0xff, 0x54, 0x24, 0x08 }, 4, true },                    /* call *8(%rsp) */
    { { 0xff, 0x90, 1, 2, 0, 0 }, 6, true },                    /* call *513(%rax) */
    { { 0xe8, 1, 2, 3, 4 }, 5, true },
    { { 0xff, 0xe0 }, 2, false },                               /* jmp *%rax */
    { { 0xe9, 1, 2, 3, 4 }, 5, false },
    { { 0xff, 0x15 }, 2, false },
    { { 0x90 }, 1, false },
  };
  Walk w = { .pc = 0x1800, .sp = 0x8100, .fp = 0x8120, .code_bits = 64, .read = read_toy };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    uint64_t out[2];
    make_toy ();
    memset (code, 0x90, sizeof code);
    memcpy (code + 0x500 - cases[i].n, cases[i].bytes, cases[i].n);
    put (0x8128, 0x1500, 8);
    ck_assert_msg (walk_frames (&w, out, 2) == cases[i].is_call, "case %u", i);
  }
}
END_TEST

START_TEST (states)
{
  static const struct {
    uint8_t bytes[16];
    unsigned n, bits;
    FrameState state;
  } cases[] = {
    { { 0x55, 0x48, 0x89, 0xe5 }, 4, 64, FRAME_AT_ENTRY },
    { { 0xf3, 0x0f, 0x1e, 0xfa, 0x55 }, 5, 64, FRAME_AT_ENTRY },
    { { 0x0f, 0x1f, 0x44, 0x00, 0x00, 0x55 }, 6, 64, FRAME_AT_ENTRY },
    { { 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x55 }, 10, 64, FRAME_AT_ENTRY },
    { { 0x66, 0x90, 0xc3 }, 3, 64, FRAME_AT_ENTRY },
    { { 0xf3, 0xc3 }, 2, 64, FRAME_AT_ENTRY },
    { { 0xc2, 8, 0 }, 3, 32, FRAME_AT_ENTRY },
    { { 0x48, 0x89, 0xe5 }, 3, 64, FRAME_PUSHED },
    { { 0x89, 0xe5 }, 2, 32, FRAME_PUSHED },
    { { 0x8b, 0xec }, 2, 32, FRAME_PUSHED },
    { { 0x89, 0xe5 }, 2, 64, FRAME_MADE },
    { { 0x5d, 0xc3 }, 2, 64, FRAME_MADE },
    { { 0xc9, 0xc3 }, 2, 64, FRAME_MADE },
    { { 0x0f, 0x1f }, 2, 64, FRAME_MADE },
    { { 0x66, 0x66 }, 2, 64, FRAME_MADE },
    { { 0 }, 0, 64, FRAME_MADE },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    ck_assert_msg (frame_state (cases[i].bytes, cases[i].n, cases[i].bits) == cases[i].state, "case %u", i);
}
END_TEST

/* --- names ---------------------------------------------------------------------------------------- */

/* Functions of 0x100 bytes; 0x5xx is a name that needs care, 0x9000 and above nobody knows. */
static void
resolve_toy (void *user, uint64_t address, uint64_t space, uint8_t privilege, FrameName *out)
{
  static const char *const names[] = { "zero", "main", "read", "work", "leaf", "operator;()\n<>&" };
  if (address / 0x100 >= G_N_ELEMENTS (names))
    return;
  out->name = names[address / 0x100];
  out->file = address < 0x500 ? "toy.c" : NULL;
  out->line = (uint32_t) (address / 0x10);
}

static Tree *
make_tree (bool by_space)
{
  const uint64_t leaf[] = { 0x400, 0x310, 0x110 }, work[] = { 0x320, 0x110 }, recursive[] = { 0x330, 0x311, 0x312, 0x110 };
  const uint64_t end[] = { 0x410, 0x400 };      /* returns behind work's end: it is work that called */
  const uint64_t strange[] = { 0x500 }, unknown[] = { 0x9123 }, kernel[] = { 0x210 };
  Stacks *s = stacks_new (100);
  stacks_add (s, 0x5000, 3, unknown, 1, 1);
  stacks_add (s, 0x5000, 3, leaf, 3, 10);
  stacks_add (s, 0x6000, 3, work, 2, 5);
  stacks_add (s, 0x5000, 3, recursive, 4, 3);
  stacks_add (s, 0x5000, 3, strange, 1, 2);
  stacks_add (s, 0x5000, 0, kernel, 1, 7);
  stacks_add (s, 0x5000, 3, end, 2, 4);
  Tree *t = tree_new (s, by_space, resolve_toy, NULL);
  stacks_free (s);
  return t;
}

START_TEST (folded)
{
  Tree *t = make_tree (false);
  GString *text = g_string_new (NULL);
  tree_print_folded (t, text);
  ck_assert_str_eq (text->str, "kernel;read 7\n"
                               "user;[0x9000] 1\n"
                               "user;main;work 5\n"
                               "user;main;work;leaf 10\n"
                               "user;main;work;work;work 3\n"
                               "user;operator:():<>& 2\n"
                               "user;work;leaf 4\n");
  tree_free (t);
  t = make_tree (true);
  g_string_truncate (text, 0);
  tree_print_folded (t, text);
  ck_assert (g_str_has_prefix (text->str, "space 0x5000;kernel;read 7\nspace 0x5000;user;[0x9000] 1\n"));
  ck_assert (g_str_has_suffix (text->str, "space 0x6000;user;main;work 5\n"));
  tree_free (t);
  g_string_free (text, TRUE);
}
END_TEST

START_TEST (sums)
{
  Tree *t = make_tree (false);
  const FunctionSum *f = &g_array_index (t->functions, FunctionSum, 0);
  ck_assert_uint_eq (t->samples, 32);
  ck_assert_uint_eq (t->kernel, 7);
  ck_assert (!strcmp (f[0].name, "leaf") && f[0].self == 14 && f[0].total == 14 && f[0].is_user);
  ck_assert (!strcmp (f[1].name, "work") && f[1].self == 8 && f[1].total == 22);
  ck_assert (!strcmp (f[2].name, "read") && f[2].self == 7 && !f[2].is_user);
  ck_assert_str_eq (f[t->functions->len - 1].name, "main");
  ck_assert_uint_eq (f[t->functions->len - 1].total, 18);
  const LineSum *l = &g_array_index (t->lines, LineSum, 0);
  ck_assert (!strcmp (l[0].file, "toy.c") && l[0].line == 0x40 && l[0].self == 10 && !strcmp (l[0].function, "leaf"));
  const SpaceSum *s = &g_array_index (t->spaces, SpaceSum, 0);
  ck_assert_uint_eq (t->spaces->len, 2);
  ck_assert (s[0].space == 0x5000 && s[0].kernel == 7 && s[0].user == 20 && s[1].space == 0x6000 && s[1].user == 5);
  tree_free (t);
}
END_TEST

START_TEST (picture)
{
  Tree *t = make_tree (false);
  GString *text = g_string_new (NULL);
  tree_print_svg (t, "a & b", text);
  ck_assert (g_str_has_prefix (text->str, "<svg ") && g_str_has_suffix (text->str, "</svg>\n"));
  ck_assert_ptr_nonnull (strstr (text->str, "a &amp; b"));
  ck_assert_ptr_nonnull (strstr (text->str, "leaf (10 samples, 31.25%)"));
  ck_assert_ptr_nonnull (strstr (text->str, "operator:():&lt;&gt;&amp;"));
  GMarkupParseContext *parser = g_markup_parse_context_new (&(GMarkupParser){ NULL }, 0, NULL, NULL);
  ck_assert (g_markup_parse_context_parse (parser, text->str, (gssize) text->len, NULL) && g_markup_parse_context_end_parse (parser, NULL));
  g_markup_parse_context_free (parser);
  tree_free (t);

  Stacks *none = stacks_new (1);
  t = tree_new (none, false, resolve_toy, NULL);
  g_string_truncate (text, 0);
  tree_print_folded (t, text);
  ck_assert_str_eq (text->str, "");
  tree_print_svg (t, "nothing", text);
  ck_assert_ptr_nonnull (strstr (text->str, "0 samples"));
  tree_free (t);
  stacks_free (none);
  g_string_free (text, TRUE);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("profile");
  TCase *tc = tcase_create ("profile");
  tcase_add_test (tc, counts);
  tcase_add_test (tc, many);
  tcase_add_loop_test (tc, chain, 0, 2);
  tcase_add_test (tc, without_frame);
  tcase_add_test (tc, leaf_function);
  tcase_add_test (tc, other_half);
  tcase_add_test (tc, calls);
  tcase_add_test (tc, states);
  tcase_add_test (tc, folded);
  tcase_add_test (tc, sums);
  tcase_add_test (tc, picture);
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}

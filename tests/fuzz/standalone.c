/* standalone.c -- runs a fuzz target without libFuzzer: over the files of a corpus, and over variations of them. */
/* SPDX-License-Identifier: MIT */
/*
 * With arguments, only over the files named there, as a libFuzzer program does: that is how a finding is looked at.
 * The variations come from a fixed seed, so that each run is the same.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define VARIATIONS 200          /* of each file */

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Reads of more than there is are found by the sanitizers only when the input has its own heap block. */
static void
run (const uint8_t *data, size_t size)
{
  uint8_t *copy = g_malloc (MAX (size, 1));
  memcpy (copy, data, size);
  LLVMFuzzerTestOneInput (copy, size);
  g_free (copy);
}

/* A few bytes are changed, inserted, left out or repeated, or the end is cut off. */
static void
vary (GByteArray *bytes, GRand *rand)
{
  for (gint32 n = g_rand_int_range (rand, 1, 5); n > 0 && bytes->len > 0; n--) {
    guint at = (guint) g_rand_int_range (rand, 0, (gint32) bytes->len);
    guint length = (guint) g_rand_int_range (rand, 1, 17);
    length = MIN (length, bytes->len - at);
    switch (g_rand_int_range (rand, 0, 5)) {
    case 0: bytes->data[at] = (uint8_t) g_rand_int (rand); break;
    case 1: bytes->data[at] ^= (uint8_t) (1u << g_rand_int_range (rand, 0, 8)); break;
    case 2: g_byte_array_remove_range (bytes, at, length); break;
    case 3: {
      g_autofree uint8_t *piece = g_memdup2 (bytes->data + at, length);
      g_byte_array_append (bytes, piece, length);
      break;
    }
    default:
      if (g_rand_int_range (rand, 0, 8) == 0)
        g_byte_array_set_size (bytes, at);
      break;
    }
  }
}

static bool
run_file (const char *path, unsigned variations)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  char *contents;
  gsize size;
  if (!g_file_get_contents (path, &contents, &size, &error)) {
    fprintf (stderr, "%s\n", error->message);
    return false;
  }
  run ((const uint8_t *) contents, size);
  for (unsigned i = 0; i < variations; i++) {
    g_autoptr (GByteArray) bytes = g_byte_array_new ();
    g_byte_array_append (bytes, (const uint8_t *) contents, (guint) size);
    vary (bytes, rand);
    run (bytes->data, bytes->len);
  }
  g_free (contents);
  return true;
}

static unsigned
run_corpus (const char *directory)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;
  unsigned n = 0;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (directory, name, NULL);
    n += run_file (path, VARIATIONS);
  }
  return n;
}

int
main (int argc, char **argv)
{
  bool fine = true;
  for (int i = 1; i < argc; i++)
    fine &= run_file (argv[i], 0);
  if (argc > 1)
    return !fine;
  unsigned n = run_corpus (CORPUS);
  printf ("%s: %u files of " CORPUS ", and %u variations of each\n", argv[0], n, VARIATIONS);
  return n == 0;
}

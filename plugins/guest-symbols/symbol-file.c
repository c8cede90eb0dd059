/* symbol-file.c -- a file of symbols, whatever its form. */
/* SPDX-License-Identifier: MIT */
#include "guest-symbols.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_TEXT (INT64_C (256) << 20)

/* --- reading ------------------------------------------------------------------------------------ */

static bool
look_at_form (const char *path, bool *is_elf, GError **error)
{
  struct stat st;
  char magic[4] = "";
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  bool fine = fd >= 0 && fstat (fd, &st) == 0;
  if (fine && !S_ISREG (st.st_mode)) {
    errno = S_ISDIR (st.st_mode) ? EISDIR : EINVAL;
    fine = false;
  }
  ssize_t n = fine ? read (fd, magic, sizeof magic) : -1;
  if (n < 0)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot read `%s`: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  *is_elf = n == 4 && !memcmp (magic, "\177ELF", 4);
  if (n < 0 || *is_elf || st.st_size <= MAX_TEXT)
    return n >= 0;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` is neither an ELF file nor text as in System.map", path);
  return false;
}

SymbolFile *
symbol_file_read (const char *path, const char *debug_path, GError **error)
{
  bool is_elf;
  if (!look_at_form (path, &is_elf, error))
    return NULL;
  if (!is_elf && debug_path) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "debug-file and debug-folder are for ELF files; `%s` is text", path);
    return NULL;
  }
  SymbolFile *f = g_new0 (SymbolFile, 1);
  f->table = symbol_table_new ();
  f->blobs = g_ptr_array_new_with_free_func (g_free);
  bool fine = is_elf ? read_elf (f, path, debug_path, error) : read_map (f, path, error);
  if (fine && symbol_table_size (f->table) == 0 && !f->lines) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` has no symbols", path);
    fine = false;
  }
  if (!fine) {
    symbol_file_free (f);
    return NULL;
  }
  symbol_table_finish (f->table);
  return f;
}

void
symbol_file_free (SymbolFile *f)
{
  if (!f)
    return;
  symbol_table_free (f->table);
  g_ptr_array_free (f->blobs, TRUE);
  lines_free (f->lines);
  g_free (f);
}

/* --- whose it is ---------------------------------------------------------------------------------- */

/* Kernels live in the upper half of the addresses; one that does not is told by its Multiboot header. */
SymbolAudience
symbol_file_audience (const SymbolFile *f)
{
  size_t upper = 0, lower = 0, n = symbol_table_size (f->table);
  for (size_t i = 0; i < n; i++) {
    const Symbol *s = symbol_table_at (f->table, i);
    if (s->type == SYMBOL_DATA)
      continue;
    if (s->start >> (f->address_bits - 1) & 1)
      upper++;
    else
      lower++;
  }
  if (n == 0 || upper + lower == 0)
    return FOR_ANY;
  return upper > lower ? FOR_KERNEL : f->is_multiboot ? FOR_ANY : FOR_USER;
}

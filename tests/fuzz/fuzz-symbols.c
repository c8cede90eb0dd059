/* fuzz-symbols.c -- libFuzzer entry for files of symbols: ELF, DWARF and System.map, read and asked about every address that they name. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "guest-symbols/guest-symbols.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define MAX_ASKED 512

static void
require (bool condition)
{
  if (!condition)
    abort ();
}

static size_t
ask (SymbolFile *f, uint64_t address)
{
  const Symbol *s = symbol_table_find (f->table, address);
  const char *file = NULL;
  uint32_t line = 0;
  size_t sum = 0;
  if (s) {
    require (address >= s->start && address < s->end);
    sum += strlen (s->name);
  }
  if (f->lines && lines_find (f->lines, address, &file, &line))
    sum += strlen (file) + line;
  return sum;
}

/* What is found by name is in the table. */
static void
ask_name (SymbolFile *f, const char *name)
{
  const Symbol *s = symbol_table_by_name (f->table, name);
  require (s && !strcmp (s->name, name));
  char *text = demangle (name);
  require (!text || (strlen (text) > 0 && strlen (text) < 16u << 20));
  g_free (text);
}

static size_t
ask_all (SymbolFile *f)
{
  size_t n = symbol_table_size (f->table), sum = 0;
  for (size_t i = 0; i < n && i < MAX_ASKED; i++) {
    const Symbol *s = symbol_table_at (f->table, i);
    sum += ask (f, s->start) + ask (f, s->start + 1) + ask (f, s->end);
    ask_name (f, s->name);
  }
  for (unsigned i = 0; i < 64; i++)
    sum += ask (f, f->load_address + i * 37);
  return sum + ask (f, 0) + ask (f, UINT64_MAX) + symbol_file_audience (f);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  int fd = memfd_create ("symbols", MFD_CLOEXEC);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  require (fd >= 0 && write (fd, data, size) == (ssize_t) size);
  /* the same file as its own debug file: all that is said of pairs */
  SymbolFile *alone = symbol_file_read (path, NULL, NULL), *pair = symbol_file_read (path, path, NULL);
  size_t sum = (alone ? ask_all (alone) : 0) + (pair ? ask_all (pair) : 0);
  symbol_file_free (alone);
  symbol_file_free (pair);
  close (fd);
  return sum == SIZE_MAX;       /* never: but it was computed */
}

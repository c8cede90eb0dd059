/* lines.c -- the source lines of an ELF file: kept closed until somebody asks, then read at once. */
/* SPDX-License-Identifier: MIT */
/*
 * Sections are read, not mapped: a file that is written over meanwhile must not end the program.
 */
#include "guest-symbols.h"
#include "line-table.h"
#include <backplane/log.h>
#include <gelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct Lines {
  int fd;                       /* -1: it was read */
  struct stat identity;         /* of the file when it was opened */
  char *path;
  LineTable *table;             /* NULL: not read yet, or it cannot be */
};

/* --- sections --------------------------------------------------------------------------------- */

/* Is it `.debug_NAME', or `.zdebug_NAME', as compressed sections were once called? */
static bool
is_called (const char *name, const char *wanted)
{
  if (!name)
    return false;
  return g_str_has_prefix (name, ".debug_") ? !strcmp (name + 7, wanted) : g_str_has_prefix (name, ".zdebug_") && !strcmp (name + 8, wanted);
}

static Elf_Scn *
find_section (Elf *elf, const char *wanted, const char **name)
{
  size_t names;
  if (elf_getshdrstrndx (elf, &names) != 0)
    return NULL;
  for (Elf_Scn *s = elf_nextscn (elf, NULL); s; s = elf_nextscn (elf, s)) {
    GElf_Shdr h;
    *name = gelf_getshdr (s, &h) && h.sh_type != SHT_NOBITS ? elf_strptr (elf, names, h.sh_name) : NULL;
    if (is_called (*name, wanted))
      return s;
  }
  return NULL;
}

/* It lives as long as `elf'. */
static Section
load_section (Elf *elf, const char *wanted)
{
  const char *name;
  GElf_Shdr h;
  Elf_Scn *s = find_section (elf, wanted, &name);
  if (!s || !gelf_getshdr (s, &h))
    return (Section) { NULL, 0 };
  if (h.sh_flags & SHF_COMPRESSED ? elf_compress (s, 0, 0) < 0 : name[1] == 'z' && elf_compress_gnu (s, 0, 0) < 0)
    return (Section) { NULL, 0 };
  Elf_Data *data = elf_rawdata (s, NULL);
  return data && data->d_buf ? (Section) { data->d_buf, data->d_size } : (Section) { NULL, 0 };
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool
is_unchanged (const Lines *l)
{
  struct stat now;
  return fstat (l->fd, &now) == 0 && now.st_size == l->identity.st_size && now.st_mtim.tv_sec == l->identity.st_mtim.tv_sec
         && now.st_mtim.tv_nsec == l->identity.st_mtim.tv_nsec;
}

static void
read_table (Lines *l)
{
  unsigned broken;
  GElf_Ehdr header;
  Elf *elf = elf_begin (l->fd, ELF_C_READ, NULL);
  if (!elf || !gelf_getehdr (elf, &header)) {
    bp_warn (NULL, "`%s` has no source lines that can be read: %s", l->path, elf_errmsg (-1));
  } else {
    LineSections sections = {
      .line = load_section (elf, "line"), .line_strings = load_section (elf, "line_str"), .strings = load_section (elf, "str"),
      .is_big_endian = header.e_ident[EI_DATA] == ELFDATA2MSB,
    };
    l->table = line_table_new (&sections, &broken);
    if (broken || !sections.line.data)
      bp_warn (NULL, "`%s`: %u parts of its source lines cannot be read", l->path, MAX (broken, 1));
  }
  elf_end (elf);
}

/* --- the whole -------------------------------------------------------------------------------- */

Lines *
lines_new (int fd, const char *path)
{
  const char *name;
  Elf *elf = elf_begin (fd, ELF_C_READ, NULL);
  bool has_lines = elf && find_section (elf, "line", &name);
  elf_end (elf);
  if (!has_lines)
    return NULL;
  Lines *l = g_new0 (Lines, 1);
  l->fd = fd;
  l->path = g_strdup (path);
  if (fstat (fd, &l->identity) != 0)
    memset (&l->identity, 0, sizeof l->identity);
  return l;
}

void
lines_free (Lines *l)
{
  if (!l)
    return;
  if (l->fd >= 0)
    close (l->fd);
  line_table_free (l->table);
  g_free (l->path);
  g_free (l);
}

bool
lines_find (Lines *l, uint64_t address, const char **file, uint32_t *line)
{
  if (l->fd >= 0) {
    if (is_unchanged (l))
      read_table (l);
    else
      bp_warn (NULL, "`%s` has changed since it was opened: no source lines", l->path);
    close (l->fd);
    l->fd = -1;
  }
  return l->table && line_table_find (l->table, address, file, line);
}

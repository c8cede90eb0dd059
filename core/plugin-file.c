/* plugin-file.c -- finds a shared object that is truncated, on which the host's linker raises SIGBUS, or of another machine, which it calls "not found". */
/* SPDX-License-Identifier: MIT */

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "object.h"

typedef struct Segments {       /* where an ELF header says its program headers are */
  uint64_t offset;
  unsigned n, size;
} Segments;

static bool
read_at (int fd, uint64_t offset, void *to, size_t size)
{
  return pread (fd, to, size, (off_t) offset) == (ssize_t) size;
}

/* --- of which machine it is --------------------------------------------------------------------- */

/* The header of the object that this code is in. */
extern const ElfW (Ehdr) __ehdr_start __attribute__ ((visibility ("hidden")));

typedef struct MachineName {
  uint16_t number;
  const char *name;
} MachineName;

static const MachineName machine_names[] = {
  { EM_386, "i386" },       { EM_X86_64, "x86-64" }, { EM_ARM, "ARM" },     { EM_AARCH64, "AArch64" }, { EM_PPC, "PowerPC" },
  { EM_PPC64, "PowerPC 64" }, { EM_S390, "S/390" },    { EM_MIPS, "MIPS" },   { EM_RISCV, "RISC-V" },    { EM_SPARCV9, "SPARC" },
};

static char *
machine_name (uint16_t number)
{
  for (size_t i = 0; i < G_N_ELEMENTS (machine_names); i++) {
    if (machine_names[i].number == number) {
      return g_strdup (machine_names[i].name);
    }
  }
  return g_strdup_printf ("an unknown one (%u)", number);
}

/* e_type and e_machine have one place in all ELF headers, and the byte order that ident says. */
static char *
machine_verdict (int fd, const unsigned char *ident)
{
  uint16_t type, machine;
  if (!read_at (fd, offsetof (Elf32_Ehdr, e_type), &type, sizeof type) || !read_at (fd, offsetof (Elf32_Ehdr, e_machine), &machine, sizeof machine)) {
    return NULL;                /* truncated: that is found later */
  }
  if (ident[EI_DATA] != __ehdr_start.e_ident[EI_DATA]) {
    type = GUINT16_SWAP_LE_BE (type);
    machine = GUINT16_SWAP_LE_BE (machine);
  }
  if (machine != __ehdr_start.e_machine || ident[EI_CLASS] != __ehdr_start.e_ident[EI_CLASS] || ident[EI_DATA] != __ehdr_start.e_ident[EI_DATA]) {
    g_autofree char *theirs = machine_name (machine), *ours = machine_name (__ehdr_start.e_machine);
    return g_strdup_printf ("it was built for another architecture: %s, %u bits, %s-endian; this Backplane is for %s, %u bits", theirs,
                            ident[EI_CLASS] == ELFCLASS32 ? 32 : 64, ident[EI_DATA] == ELFDATA2MSB ? "big" : "little", ours, (unsigned) sizeof (void *) * 8);
  }
  return type == ET_DYN ? NULL : g_strdup ("it is not a shared object (an object file or a program, perhaps: link it with -shared)");
}

/* --- whether all of it is there ------------------------------------------------------------------ */

static bool
segments_find (int fd, Segments *segments)
{
  if (sizeof (void *) == 8) {
    Elf64_Ehdr header;
    if (!read_at (fd, 0, &header, sizeof header)) {
      return false;
    }
    *segments = (Segments) { header.e_phoff, header.e_phnum, header.e_phentsize };
  } else {
    Elf32_Ehdr header;
    if (!read_at (fd, 0, &header, sizeof header)) {
      return false;
    }
    *segments = (Segments) { header.e_phoff, header.e_phnum, header.e_phentsize };
  }
  return true;
}

/* The bytes of the file that the segment takes. */
static bool
segment_extent (int fd, const Segments *segments, unsigned i, uint64_t *offset, uint64_t *size)
{
  uint64_t at = segments->offset + (uint64_t) i * segments->size;
  if (sizeof (void *) == 8) {
    Elf64_Phdr header;
    if (!read_at (fd, at, &header, sizeof header)) {
      return false;
    }
    *offset = header.p_offset;
    *size = header.p_type == PT_LOAD || header.p_type == PT_DYNAMIC ? header.p_filesz : 0;
  } else {
    Elf32_Phdr header;
    if (!read_at (fd, at, &header, sizeof header)) {
      return false;
    }
    *offset = header.p_offset;
    *size = header.p_type == PT_LOAD || header.p_type == PT_DYNAMIC ? header.p_filesz : 0;
  }
  return true;
}

static char *
truncated (uint64_t have, uint64_t need)
{
  return g_strdup_printf ("the file is truncated: it has %" G_GUINT64_FORMAT
                          " bytes and its headers speak of %" G_GUINT64_FORMAT,
                          have, need);
}

static char *
contents_verdict (int fd, uint64_t file_size)
{
  unsigned char ident[EI_NIDENT];
  if (!read_at (fd, 0, ident, sizeof ident) || memcmp (ident, ELFMAG, SELFMAG) != 0) {
    return g_strdup ("it is not a shared object (no ELF header)");
  }
  char *wrong = machine_verdict (fd, ident);
  if (wrong) {
    return wrong;
  }
  Segments segments;
  if (!segments_find (fd, &segments)) {
    return truncated (file_size, sizeof (Elf64_Ehdr));
  }
  for (unsigned i = 0; i < segments.n; i++) {
    uint64_t offset, size;
    if (!segment_extent (fd, &segments, i, &offset, &size)) {
      return truncated (file_size, segments.offset + (uint64_t) segments.n * segments.size);
    }
    if (size > file_size || offset > file_size - size) {
      return truncated (file_size, offset + size);
    }
  }
  return NULL;
}

char *
plugin_file_verdict (const char *path)
{
  struct stat status;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    return g_strdup (g_strerror (errno));
  }
  char *wrong = NULL;
  if (fstat (fd, &status) < 0) {
    wrong = g_strdup (g_strerror (errno));
  } else if (!S_ISREG (status.st_mode)) {
    wrong = g_strdup ("it is not a regular file");
  } else {
    wrong = contents_verdict (fd, (uint64_t) status.st_size);
  }
  close (fd);
  return wrong;
}

/* plugin-file.c -- finds a truncated shared object before the host's linker maps it, which raises SIGBUS. */
/* SPDX-License-Identifier: MIT */

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
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

static bool
is_native (const unsigned char *ident)
{
  return ident[EI_CLASS] == (sizeof (void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
         ident[EI_DATA] == (G_BYTE_ORDER == G_LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB);
}

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
  if (!is_native (ident)) {
    return NULL;                /* the linker names what it does not take */
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

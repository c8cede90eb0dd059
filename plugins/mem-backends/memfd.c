/* memfd.c -- memory-memfd: RAM from a nameless file in memory, whose descriptor other processes can map. */
/* SPDX-License-Identifier: MIT */
#include "mem-backend.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26       /* linux/memfd.h: log2 of the huge page's size */
#endif

enum { NAME_MOST = 249 };       /* memfd_create (2) */

typedef struct Memfd {
  MemBackend base;
  /* properties */
  bool hugetlb, seal;
  uint64_t hugetlb_size;
} Memfd;

static int
create (const Memfd *m, GError **error)
{
  unsigned flags = MFD_CLOEXEC | (m->seal ? MFD_ALLOW_SEALING : 0);
  if (m->hugetlb_size & (m->hugetlb_size - 1)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY,
                 "hugetlb-size is %" G_GUINT64_FORMAT " bytes; it must be a power of two", m->hugetlb_size);
    return -1;
  }
  if (m->hugetlb) {
    flags |= MFD_HUGETLB;
    if (m->hugetlb_size)
      flags |= (unsigned) g_bit_nth_lsf ((unsigned long) m->hugetlb_size, -1) << MFD_HUGE_SHIFT;
  }
  g_autofree char *name = g_strndup (bp_object_id (m), NAME_MOST);
  int fd = memfd_create (name, flags);
  if (fd < 0 && m->hugetlb && (errno == ENODEV || errno == EINVAL))
    g_set_error (
      error, BP_ERROR, BP_ERROR_FAILED,
      "cannot create a memfd: the host has no huge pages of this size (see /sys/kernel/mm/hugepages)");
  else if (fd < 0)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "cannot create a memfd: %s", g_strerror (errno));
  return fd;
}

static bool
give_size (const Memfd *m, int fd, GError **error)
{
  if (ftruncate (fd, (off_t) m->base.size) != 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "cannot make a memfd of %" G_GUINT64_FORMAT " bytes: %s",
                 m->base.size, g_strerror (errno));
    return false;
  }
  if (m->seal && fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "cannot seal the memfd: %s", g_strerror (errno));
    return false;
  }
  return true;
}

static bool
configure (void *self, GError **error)
{
  Memfd *m = self;
  if (m->hugetlb_size && !m->hugetlb) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "hugetlb-size is given, but hugetlb is off");
    return false;
  }
  int fd = create (m, error);
  if (fd < 0)
    return false;
  struct statfs fs;             /* of hugetlbfs: the block is the huge page */
  uint64_t page_size =
    m->hugetlb && fstatfs (fd, &fs) == 0 ? (uint64_t) fs.f_bsize : (uint64_t) sysconf (_SC_PAGESIZE);
  if (!mem_backend_check_size (&m->base, page_size, error) || !give_size (m, fd, error)) {
    close (fd);
    return false;
  }
  return mem_backend_map (&m->base, fd, 0, page_size, error);
}

static const BpProperty properties[] = {
  MEM_BACKEND_SHARE (
    Memfd, true,
    "Give the descriptor's other users the same memory; off: the machine's changes are its own."),
  BP_PROP_BOOL ("hugetlb", Memfd, hugetlb, false,
                "Take pages from the host's pool of huge pages (vm.nr_hugepages)."),
  BP_PROP_SIZE ("hugetlb-size", Memfd, hugetlb_size, 0,
                "Size of a huge page, for example 2M or 1G; 0: the host's default."),
  BP_PROP_BOOL (
    "seal", Memfd, seal, true,
    "Seal the size, so that another user of the descriptor cannot shrink the file under the machine."),
  BP_PROP_END
};

const BpTypeDesc memory_memfd_type = {
  BP_TYPE ("memory-memfd", BP_KIND_MEMORY, Memfd),
  .description = "RAM from a nameless file in memory that other processes can map",
  .parent = &mem_backend_type,
  .properties = properties,
  .configure = configure,
  .unrealize = mem_backend_unrealize,
  .flags = BP_TYPE_HOT_PLUG,
};

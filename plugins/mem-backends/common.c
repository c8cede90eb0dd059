/* common.c -- what the memory backends share: mapping, hints, allocation ahead of use, release. */
/* SPDX-License-Identifier: MIT */
#include "mem-backend.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  /* Linux 5.14 */
#endif

#define TMPFS_MAGIC 0x01021994  /* linux/magic.h */
#define HUGE_PAGE_SIZE (UINT64_C (2) << 20)
#define MAX_THREADS 64

/* --- mapping ---------------------------------------------------------------------------------- */

bool
mem_backend_check_size (const MemBackend *base, uint64_t page_size, GError **error)
{
  if (base->size && base->size % page_size == 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY,
               "size is %" G_GUINT64_FORMAT
               " bytes; it must be a multiple of the page size, %" G_GUINT64_FORMAT " bytes",
               base->size, page_size);
  return false;
}

static void
mem_backend_set_fd (MemBackend *base, int fd)
{
  base->fd = fd;
  base->has_fd = fd >= 0;
}

static bool
fail_memory (const MemBackend *base, int code, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED,
               "cannot get %" G_GUINT64_FORMAT " bytes (%" G_GUINT64_FORMAT " MiB) of memory: %s", base->size,
               base->size >> 20, g_strerror (code));
  return false;
}

static bool is_pool (const MemBackend *base) { return base->page_size != (uint64_t) sysconf (_SC_PAGESIZE); }

/* Huge pages come from a pool of the host's, which somebody has to fill. */
static bool
fail_pages (const MemBackend *base, int code, GError **error)
{
  uint64_t page_size = base->page_size;
  if (code != ENOMEM || !is_pool (base))
    return fail_memory (base, code, error);
  g_autofree char *path = g_strdup_printf ("/sys/kernel/mm/hugepages/hugepages-%" G_GUINT64_FORMAT "kB/free_hugepages", page_size >> 10), *text = NULL;
  g_autofree char *there = g_file_get_contents (path, &text, NULL, NULL) ? g_strdup_printf ("%s are free", g_strchomp (text)) : g_strdup ("the host does not say how many are free");
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%" G_GUINT64_FORMAT " huge pages of %" G_GUINT64_FORMAT "M are needed, and %s (%.*snr_hugepages reserves more)",
               base->size / page_size, page_size >> 20, there, (int) (strlen (path) - strlen ("free_hugepages")), path);
  return false;
}

/* Address space for the memory, aligned so that huge pages can serve it, and a page behind it that nothing
 * may touch. */
static bool
reserve (MemBackend *base, GError **error)
{
  uint64_t align = MAX (base->page_size, HUGE_PAGE_SIZE);
  if (base->size > (UINT64_C (1) << 47))
    return fail_memory (base, ENOMEM, error);
  base->reserved = base->size + align + base->page_size;
  void *p = mmap (NULL, base->reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    return fail_memory (base, errno, error);
  base->reservation = p;
  base->host = (uint8_t *) (((uintptr_t) p + align - 1) & ~(uintptr_t) (align - 1));
  return true;
}

/* --- hints ------------------------------------------------------------------------------------ */

static void
hint (const MemBackend *base, int advice, const char *what)
{
  if (madvise (base->host, base->size, advice) != 0)
    bp_warn (base, "%s has no effect on this host: %s", what, g_strerror (errno));
}

static void
apply_hints (const MemBackend *base)
{
  if (base->merge && (base->share || is_pool (base)))   /* the kernel says yes, and does nothing */
    bp_warn (base, "merge = on has no effect: the host merges private memory (share = off) of ordinary pages alone");
  else if (base->merge)
    hint (base, MADV_MERGEABLE, "merge = on");
  if (!base->dump)
    hint (base, MADV_DONTDUMP, "dump = off");
  if (base->huge_pages == HUGE_PAGES_ON)
    hint (base, MADV_HUGEPAGE, "hugepages = on");
  else if (base->huge_pages == HUGE_PAGES_OFF)
    hint (base, MADV_NOHUGEPAGE, "hugepages = off");
}

/* --- allocation ahead of use ------------------------------------------------------------------ */

typedef struct Populate {
  uint8_t *start;
  uint64_t size, page_size;
  int code;                     /* errno */
} Populate;

/* For kernels before 5.14: every page is written with what it holds.  The kernel does it, for which a page that cannot be had is an error and not SIGBUS. */
static int
touch (const Populate *p)
{
  for (uint64_t at = 0; at < p->size; at += p->page_size) {
    uint8_t byte;
    struct iovec here = { &byte, 1 }, there = { p->start + at, 1 };
    if (process_vm_readv (getpid (), &here, 1, &there, 1, 0) != 1 || process_vm_writev (getpid (), &here, 1, &there, 1, 0) != 1)
      return errno;
  }
  return 0;
}

static void *
populate (void *data)
{
  Populate *p = data;
  if (!p->size || madvise (p->start, p->size, MADV_POPULATE_WRITE) == 0)
    return NULL;
  p->code = errno == EINVAL ? touch (p) : errno;
  return NULL;
}

/* What would be SIGBUS at a touch is EFAULT here. */
static bool
fail_populate (const MemBackend *base, int code, GError **error)
{
  if (code != EFAULT || is_pool (base))
    return fail_pages (base, code == EFAULT ? ENOMEM : code, error);
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "cannot get %" G_GUINT64_FORMAT " bytes (%" G_GUINT64_FORMAT " MiB) of memory: %s", base->size, base->size >> 20,
               base->has_contents ? "the file system has no room for all of the file, or the file became shorter" : "the host has no pages for all of it");
  return false;
}

/* Who takes more than there is does not get an error: the kernel ends a process, and mostly this one.  A file's pages are not counted: they leave memory again. */
static bool
check_room (const MemBackend *base, GError **error)
{
  uint64_t room = is_pool (base) || (base->share && base->has_contents) ? UINT64_MAX : mem_backend_room ("");
  if (base->size <= room)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "prealloc = on takes %" G_GUINT64_FORMAT " MiB of memory at once, and the host can give %" G_GUINT64_FORMAT
               " MiB (available memory and free swap, within the limits of this process's control groups)", base->size >> 20, room >> 20);
  return false;
}

static bool
populate_all (MemBackend *base, GError **error)
{
  uint64_t page_size = base->page_size, n_pages = base->size / page_size;
  unsigned n = (unsigned) MIN ((uint64_t) CLAMP (base->prealloc_threads, 1, MAX_THREADS), n_pages);
  Populate parts[MAX_THREADS];
  GThread *threads[MAX_THREADS] = { NULL };
  for (unsigned i = 0; i < n; i++) {
    uint64_t first = n_pages * i / n, end = n_pages * (i + 1) / n;
    parts[i] = (Populate) { base->host + first * page_size, (end - first) * page_size, page_size, 0 };
    threads[i] = i ? g_thread_try_new ("prealloc", populate, &parts[i], NULL) : NULL;
    if (!threads[i] && i)
      populate (&parts[i]);
  }
  populate (&parts[0]);
  int code = parts[0].code;
  for (unsigned i = 1; i < n; i++) {
    if (threads[i])
      g_thread_join (threads[i]);
    code = code ? code : parts[i].code;
  }
  return code == 0 || fail_populate (base, code, error);
}

/* --- the whole -------------------------------------------------------------------------------- */

static void
release (MemBackend *base)
{
  if (base->reservation)
    munmap (base->reservation, base->reserved);
  base->reservation = NULL;
  base->host = NULL;
  if (base->has_fd)
    close (base->fd);
  mem_backend_set_fd (base, -1);
}

static bool
map (MemBackend *base, uint64_t offset, GError **error)
{
  int flags = MAP_FIXED | (base->share ? MAP_SHARED : MAP_PRIVATE) | (base->has_fd ? 0 : MAP_ANONYMOUS);
  if (!base->prealloc && !is_pool (base))
    flags |= MAP_NORESERVE;     /* huge pages are reserved in any case: to run out of them later is SIGBUS */
  if (mmap (base->host, base->size, PROT_READ | PROT_WRITE, flags, base->fd, (off_t) offset) == MAP_FAILED)
    return fail_pages (base, errno, error);
  apply_hints (base);
  return mem_backend_apply_numa (base, error) && (!base->prealloc || populate_all (base, error));
}

static bool
is_tmpfs (int fd)
{
  struct statfs fs;
  return fstatfs (fd, &fs) == 0 && (unsigned) fs.f_type == TMPFS_MAGIC;
}

bool
mem_backend_map (MemBackend *base, int fd, uint64_t offset, uint64_t page_size, GError **error)
{
  mem_backend_set_fd (base, fd);
  base->page_size = page_size;
  base->offset = offset;
  base->is_tmpfs = fd >= 0 && is_tmpfs (fd);
  if (!mem_backend_check_size (base, page_size, error) || !mem_backend_check_numa (base, error) || (base->prealloc && !check_room (base, error))
      || !reserve (base, error) || !map (base, offset, error)) {
    release (base);
    return false;
  }
  base->region = bp_region_new_ram (base, "ram", base->host, base->size);
  bp_region_publish (base, base->region, "the memory");
  return true;
}

/* The region is the host's to free, later; disabled it shows nothing and nobody reads through it. */
void
mem_backend_unrealize (void *self)
{
  MemBackend *base = self;
  if (base->region)
    bp_region_set_enabled (base->region, false);
  release (base);
}

/* --- tables ----------------------------------------------------------------------------------- */

static BpRegion *
get_region (void *self)
{
  return ((MemBackend *) self)->region;
}

static uint64_t
get_size (void *self)
{
  return ((MemBackend *) self)->size;
}

/* A private mapping's changes are not in the file: others would see something else. */
static int
get_fd (void *self)
{
  const MemBackend *base = self;
  return base->has_fd && base->share ? base->fd : -1;
}

/* Shared memory is given back where it comes from, a hole; private memory is empty again, unless there is a file whose bytes would show.  Behind a private copy
 * of a nameless file's page the empty one is in memory, too.  Pages of the host's pool would lose their reservation with their contents: when another has
 * them, the guest's next touch is SIGBUS. */
static bool
discard (void *self, uint64_t offset, uint64_t size)
{
  const MemBackend *base = self;
  if (!base->host || offset > base->size || size > base->size - offset || base->is_copy || (base->has_contents && !base->share) || is_pool (base))
    return false;
  if (madvise (base->host + offset, size, base->share ? MADV_REMOVE : MADV_DONTNEED) != 0)
    return false;
  if (base->has_fd && !base->share && fallocate (base->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) offset, (off_t) size) != 0)
    bp_log_unimp (base, "an empty page stays where one was given back: %s", g_strerror (errno));
  return true;
}

/* Only of memory that nobody else sees, and that has no contents of its own. */
static bool
map_private (void *self, int fd, uint64_t offset)
{
  MemBackend *base = self;
  g_autoptr (GError) error = NULL;
  if (base->share || base->has_fd)
    return false;
  if (mmap (base->host, base->size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_NORESERVE, fd, (off_t) offset) == MAP_FAILED)
    return false;
  base->is_copy = true;
  apply_hints (base);
  if (!mem_backend_apply_numa (base, &error))   /* they were of the mapping before */
    bp_warn (base, "%s", error->message);
  return true;
}

static uint64_t fd_offset (void *self) { return ((MemBackend *) self)->offset; }

/* Other file systems may not know yet what was written through a mapping; and behind a private one the file says nothing. */
static bool
is_hole (void *self, uint64_t offset, uint64_t *end)
{
  const MemBackend *base = self;
  *end = base->size;
  if (!base->has_fd || !base->share || !base->is_tmpfs || offset >= base->size)
    return false;
  off_t at = (off_t) (base->offset + offset), data = lseek (base->fd, at, SEEK_DATA);
  if (data < 0)
    return errno == ENXIO;
  off_t next = data > at ? data : lseek (base->fd, at, SEEK_HOLE);
  if (next > at)
    *end = MIN ((uint64_t) next - base->offset, base->size);
  return data > at;
}

static const BpMemoryBackendIface iface = {
  .struct_size = sizeof iface, .region = get_region, .size = get_size, .fd = get_fd, .discard = discard, .map_private = map_private,
  .fd_offset = fd_offset, .is_hole = is_hole,
};

static const BpInterfaceDesc interfaces[] = { { BP_MEMORY_BACKEND_ID, &iface }, { NULL, NULL } };

static const char *const huge_page_names[] = { "default", "on", "off", NULL };

static const BpProperty properties[] = {
  BP_PROP_SIZE_REQUIRED (
    "size", MemBackend, size, 4096, UINT64_C (1) << 47,
    "Bytes of memory; a multiple of the page size (4K; with hugetlb, of the huge page)."),
  BP_PROP_BOOL ("prealloc", MemBackend, prealloc, false,
                "Get every page from the host before the machine starts, so that it cannot run out later; "
                "otherwise at first use."),
  BP_PROP_U32_RANGE ("prealloc-threads", MemBackend, prealloc_threads, 1, 1, MAX_THREADS,
                     "Threads that share the work of prealloc."),
  BP_PROP_BOOL ("merge", MemBackend, merge, false,
                "Let the host merge equal pages of this and other memory (KSM)."),
  BP_PROP_BOOL ("dump", MemBackend, dump, true, "Include the memory in core dumps of the program."),
  BP_PROP_ENUM ("hugepages", MemBackend, huge_pages, HUGE_PAGES_DEFAULT, huge_page_names,
                "Transparent huge pages: on or off for this memory, or as the host is set (default)."),
  BP_PROP_ENUM ("policy", MemBackend, policy, NUMA_DEFAULT, mem_backend_policies,
                "Where the host takes pages from: any NUMA node, `nodes' if it can (preferred; one node), those alone (bind), or those by turns (interleave)."),
  BP_PROP_LIST ("nodes", MemBackend, nodes, NULL, "NUMA nodes of the host that policy is about: numbers and spans, as in 0, 2-3."),
  BP_PROP_END
};

const BpTypeDesc mem_backend_type = {
  BP_TYPE ("memory-backend", BP_KIND_MEMORY, MemBackend),
  .description = "What all memory backends share",
  .properties = properties,
  .interfaces = interfaces,
};

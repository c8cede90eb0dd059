/* boot-common.c -- files, RAM size and the flat protected-mode start that boot loaders share. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/memory-backend.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "boot.h"
#include "hw-pc.h"

#define COPY_PIECE ((size_t) 256 << 10)

/* All of it. */
static uint64_t
boot_ram_total (const BootCommon *boot)
{
  const BpMemoryBackendIface *t = boot->ram.table;
  return BP_TABLE_HAS (t, size) ? t->size (boot->ram.instance) : 0;
}

uint64_t
boot_ram_size (const BootCommon *boot)
{
  return MIN (boot_ram_total (boot), PC_RAM_LIMIT);
}

uint64_t
boot_high_ram (const BootCommon *boot, BpAddressSpace *memory)
{
  uint64_t rest = boot_ram_total (boot) - boot_ram_size (boot);
  const BpFlatRange *r = rest ? bp_as_lookup (memory, BOOT_HIGH_BASE) : NULL;
  bool there = r && r->host && !r->readonly;
  if (r)
    bp_as_leave (memory);
  return there ? rest : 0;
}

/* All of the file, or the reason why not; an end that comes early is ENODATA. */
static int
read_whole (int fd, uint8_t *data, size_t size)
{
  for (size_t at = 0; at < size;) {
    ssize_t n = read (fd, data + at, size - at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 ? errno : ENODATA;
    at += (size_t) n;
  }
  return 0;
}

/* Into memory of its own that goes back to the system as a whole: images are tens of megabytes, which a heap might keep.  The file itself is
 * not mapped, because somebody may cut it short while we look at it. */
static int
read_open_file (int fd, size_t most, uint8_t **data, size_t *size)
{
  struct stat st;
  if (fstat (fd, &st))
    return errno;
  if (!S_ISREG (st.st_mode))
    return EINVAL;
  if ((uint64_t) st.st_size > UINT32_MAX)
    return EFBIG;
  *data = NULL;
  *size = (size_t) st.st_size;
  if (!*size)
    return 0;
  void *map = mmap (NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED)
    return errno;
  *data = map;
  int reason = read_whole (fd, map, MIN (*size, most));
  if (reason)
    boot_unmap_file (data, size);
  return reason;
}

static bool
fail_file (const char *path, int reason, GError **error)
{
  const char *text = reason == EINVAL ? "not a regular file" : reason == ENODATA ? "it was cut short while it was read" : g_strerror (reason);
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot read `%s`: %s", path, text);
  return false;
}

bool
boot_map_file (const char *path, size_t most, uint8_t **data, size_t *size, GError **error)
{
  if (!path || !*path) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no kernel to start: name one with `kernel = FILE`, or on the command line with --kernel FILE");
    return false;
  }
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), reason = fd < 0 ? errno : read_open_file (fd, most, data, size);
  if (fd >= 0)
    close (fd);
  return !reason || fail_file (path, reason, error);
}

void
boot_unmap_file (uint8_t **data, size_t *size)
{
  if (*data)
    munmap (*data, *size);
  *data = NULL;
  *size = 0;
}

/* Piece by piece, so that the host's memory for it is that of one. */
static int
copy_open_file (int fd, BpAddressSpace *memory, uint64_t address, size_t size, bool *hole)
{
  g_autofree uint8_t *piece = g_malloc (COPY_PIECE);
  int reason = 0;
  for (size_t at = 0; at < size && !reason && !*hole; at += COPY_PIECE) {
    size_t n = MIN (size - at, COPY_PIECE);
    reason = read_whole (fd, piece, n);
    *hole = !reason && !bp_as_write (memory, address + at, piece, n);
  }
  return reason;
}

bool
boot_copy_file (const char *path, size_t offset, size_t size, BpAddressSpace *memory, uint64_t address, GError **error)
{
  bool hole = false;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  int reason = fd < 0 || lseek (fd, (off_t) offset, SEEK_SET) < 0 ? errno : copy_open_file (fd, memory, address, size, &hole);
  if (fd >= 0)
    close (fd);
  if (reason)
    return fail_file (path, reason, error);
  if (hole)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "guest memory has holes where `%s` should go", path);
  return !hole;
}

static uint64_t
flat_descriptor (bool code)
{
  return code ? UINT64_C (0x00cf9b000000ffff) : UINT64_C (0x00cf93000000ffff);
}

void
boot_enter_flat32 (BootCommon *boot, BpAddressSpace *memory, uint32_t gdt_address, uint16_t code, uint16_t data, uint32_t entry,
                   const uint64_t gpr[8])
{
  const BpX86CpuIface *cpu = boot->cpu.table;
  uint64_t gdt[8] = { 0 };
  gdt[code >> 3] = flat_descriptor (true);
  gdt[data >> 3] = flat_descriptor (false);
  bp_as_write (memory, gdt_address, gdt, sizeof gdt);
  BpX86State s;
  memset (&s, 0, sizeof s);
  s.struct_size = sizeof s;
  cpu->get_state (boot->cpu.instance, &s);
  memcpy (s.gpr, gpr, 8 * sizeof gpr[0]);
  s.rip = entry;
  s.rflags = 2;
  s.cr0 = 0x11;
  s.gdtr.base = gdt_address;
  s.gdtr.limit = sizeof gdt - 1;
  s.idtr.base = 0;
  s.idtr.limit = 0;
  BpX86Segment flat = { .selector = data, .attributes = 0xc093, .limit = 0xffffffff };
  for (unsigned i = BP_X86_ES; i <= BP_X86_GS; i++)
    s.segment[i] = flat;
  s.segment[BP_X86_CS] = (BpX86Segment) { .selector = code, .attributes = 0xc09b, .limit = 0xffffffff };
  s.halted = 0;
  cpu->set_state (boot->cpu.instance, &s);
}

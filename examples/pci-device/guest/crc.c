/* crc.c -- run in the guest, as root and without a driver: finds the engine, has it read a page of this program, and has it send a message. */
/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"
enum { ID = 0 / 4, CONTROL = 4 / 4, STATUS = 8 / 4, LENGTH = 12 / 4, SOURCE = 16 / 4, RESULT = 24 / 4 };  /* as an array of words */
enum { START = 1, INTERRUPT = 4, BUSY = 1, DONE = 2, EVENTS = 6 };
enum { COMMAND = 4, MEMORY_AND_MASTER = 6, CAPABILITIES = 0x34, MSI = 5 };
#define UNUSED_VECTOR 0xd5

static void
die (const char *what)
{
  perror (what);
  exit (1);
}

static int
open_file (const char *device, const char *name, int flags)
{
  char path[300];
  snprintf (path, sizeof path, DEVICES "/%s/%s", device, name);
  return open (path, flags);
}

static uint32_t
config (int fd, unsigned at, unsigned size)
{
  uint32_t value = 0;
  if (pread (fd, &value, size, at) != (ssize_t) size)
    die ("config");
  return value;
}

static void
set_config (int fd, unsigned at, unsigned size, uint32_t value)
{
  if (pwrite (fd, &value, size, at) != (ssize_t) size)
    die ("config");
}

/* The first device f055:c32c: its name, and its configuration space. */
static int
find (char name[64])
{
  DIR *d = opendir (DEVICES);
  if (!d)
    die (DEVICES);
  for (struct dirent *e; (e = readdir (d));) {
    int fd = e->d_name[0] == '.' ? -1 : open_file (e->d_name, "config", O_RDWR);
    if (fd >= 0 && config (fd, 0, 4) == 0xc32cf055) {
      snprintf (name, 64, "%.63s", e->d_name);
      closedir (d);
      return fd;
    }
    if (fd >= 0)
      close (fd);
  }
  fputs ("there is no device f055:c32c\n", stderr);
  exit (1);
}

/* Where a page of this program is in the machine's memory (Documentation/admin-guide/mm/pagemap). */
static uint64_t
physical (const void *page)
{
  uint64_t entry = 0;
  int fd = open ("/proc/self/pagemap", O_RDONLY);
  if (fd < 0 || pread (fd, &entry, 8, (off_t) ((uintptr_t) page / 4096 * 8)) != 8 || !(entry >> 63))
    die ("/proc/self/pagemap");
  close (fd);
  return (entry & ((UINT64_C (1) << 55) - 1)) * 4096;
}

static uint32_t
crc32 (const char *bytes, size_t n)
{
  uint32_t crc = ~0u;
  for (size_t i = 0; i < 8 * n; i++)
    crc = crc >> 1 ^ ((crc ^ (uint32_t) ((unsigned char) bytes[i / 8] >> i % 8)) & 1 ? 0xedb88320u : 0);
  return ~crc;
}

/* Has the engine read n bytes of a page; its status. */
static uint32_t
run (volatile uint32_t *r, uint64_t source, uint64_t result, uint32_t n, uint32_t more)
{
  r[STATUS] = EVENTS;
  r[SOURCE] = (uint32_t) source;
  r[SOURCE + 1] = (uint32_t) (source >> 32);
  r[RESULT] = (uint32_t) result;
  r[RESULT + 1] = (uint32_t) (result >> 32);
  r[LENGTH] = n;
  r[CONTROL] = START | more;
  while (r[STATUS] & BUSY)
    ;
  return r[STATUS];
}

/* A driver would ask the kernel for a vector.  This takes one that nobody has, and the kernel says that it came. */
static int
switch_messages_on (int fd)
{
  for (unsigned at = config (fd, CAPABILITIES, 1); at; at = config (fd, at + 1, 1)) {
    if (config (fd, at, 1) != MSI)
      continue;
    uint32_t flags = config (fd, at + 2, 2);
    set_config (fd, at + 4, 4, 0xfee00000);     /* processor 0 */
    if (flags & 0x80)
      set_config (fd, at + 8, 4, 0);
    set_config (fd, at + (flags & 0x80 ? 12 : 8), 2, UNUSED_VECTOR);
    set_config (fd, at + 2, 2, flags | 1);
    return 1;
  }
  return 0;
}

int
main (int argc, char **argv)
{
  char name[64], *pages;
  int fd = find (name), bar = open_file (name, "resource0", O_RDWR | O_SYNC);
  set_config (fd, COMMAND, 2, config (fd, COMMAND, 2) | MEMORY_AND_MASTER);
  volatile uint32_t *r = mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, bar, 0);
  pages = mmap (NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
  if (r == MAP_FAILED || pages == MAP_FAILED)
    die ("mmap");
  printf ("%s: %.4s, BAR 0 at 0x%x%08x\n", name, (char[4]) { (char) r[ID], (char) (r[ID] >> 8), (char) (r[ID] >> 16), (char) (r[ID] >> 24) },
          (unsigned) config (fd, 0x14, 4), (unsigned) config (fd, 0x10, 4) & ~15u);

  const char *text = argc > 1 ? argv[1] : "The quick brown fox jumps over the lazy dog";
  size_t n = strlen (text) < 4096 ? strlen (text) : 4096;
  memcpy (pages, text, n);
  uint32_t *result = (uint32_t *) (pages + 4096);
  uint64_t source = physical (pages), to = physical (result);
  if (run (r, source, to, (uint32_t) n, 0) != DONE) {
    puts ("the engine failed");
    return 1;
  }
  printf ("\"%.*s\": %08x, by hand %08x\n", (int) n, text, ((volatile uint32_t *) result)[0], crc32 (text, n));
  printf ("nothing is at 0xfffff0000000: %s\n", run (r, UINT64_C (0xfffff0000000), to, 8, 0) == DONE ? "done?" : "error, as it should be");

  if (!switch_messages_on (fd)) {
    puts ("it has no messages");
    return 0;
  }
  run (r, source, to, (uint32_t) n, INTERRUPT);
  puts ("a message was sent");
  return result[0] == crc32 (text, n) ? 0 : 1;
}

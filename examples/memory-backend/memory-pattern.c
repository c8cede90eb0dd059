/* memory-pattern.c -- RAM that is not zeros at first, as real RAM is not, and that tells what the guest has written of it. */
/* SPDX-License-Identifier: MIT */
/*
 * One tile of the pattern lies in a memory file, and the RAM is private mappings of that tile, one behind the other: a page is copied when the guest first writes to it.
 * So memory costs the host nothing before it is written, and the host's page tables know which pages were written.
 */
#define _GNU_SOURCE
#include <backplane/device.h>
#include <backplane/iface/memory-backend.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define TILE (UINT64_C (2) << 20)
#define MOST_MAPPINGS 16384     /* the host allows a process 65530 */
#define COLUMNS 64              /* of the report's map */

typedef enum Pattern { ZEROS, ONES, CHECKERBOARD, RANDOM } Pattern;
static const char *const pattern_names[] = { "zeros", "ones", "checkerboard", "random", NULL };

/* --- state: wiring | derived -------------------------------------------------- */

typedef struct Memory {
  uint64_t size, seed;          /* properties */
  int pattern;
  char *report;
  uint8_t *host;
  BpRegion *region;
  bool realized;                /* it is a machine's, and not one that is only looked at */
} Memory;

/* --- the pattern ---------------------------------------------------------------- */

static void
fill (const Memory *m, uint64_t *tile, size_t n)
{
  static const uint64_t words[] = { [ZEROS] = 0, [ONES] = ~UINT64_C (0), [CHECKERBOARD] = UINT64_C (0x55aa55aa55aa55aa) };
  uint64_t x = m->seed;
  for (size_t i = 0; i < n; i++) {
    if (m->pattern == RANDOM) {         /* splitmix64 */
      uint64_t z = x += UINT64_C (0x9e3779b97f4a7c15);
      z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
      z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
      tile[i] = z ^ z >> 31;
    } else {
      tile[i] = words[m->pattern];
    }
  }
}

static bool
failed (const char *what, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "cannot %s: %s", what, g_strerror (errno));
  return false;
}

/* A file of `size` bytes of the pattern; -1, with error. */
static int
make_tile (const Memory *m, uint64_t size, GError **error)
{
  int fd = memfd_create ("pattern", MFD_CLOEXEC);
  void *tile = MAP_FAILED;
  if (fd >= 0 && ftruncate (fd, (off_t) size) == 0)
    tile = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (tile == MAP_FAILED) {
    failed ("make the pattern", error);
    if (fd >= 0)
      close (fd);
    return -1;
  }
  fill (m, tile, size / sizeof (uint64_t));
  munmap (tile, size);
  return fd;
}

static bool
map_tiles (Memory *m, int fd, uint64_t tile, GError **error)
{
  for (uint64_t at = 0; at < m->size; at += tile)
    if (mmap (m->host + at, MIN (tile, m->size - at), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED)
      return failed ("map the memory", error);
  return true;
}

/* --- the report -------------------------------------------------------------------- */

/* Whether the process has a page of its own there (Documentation/admin-guide/mm/pagemap): in memory or swapped out, and not a page of the file. */
static bool
is_written (uint64_t entry)
{
  return (entry >> 62 & 3) && !(entry >> 61 & 1);
}

/* Counts pages, all and by column; false: the host does not tell. */
static bool
count_pages (const Memory *m, uint64_t columns[COLUMNS], uint64_t *written)
{
  uint64_t n = m->size / PAGE, entries[512];
  int fd = open ("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  bool good = fd >= 0;
  for (uint64_t page = 0; good && page < n; page += G_N_ELEMENTS (entries)) {
    size_t some = (size_t) MIN (n - page, G_N_ELEMENTS (entries));
    good = pread (fd, entries, some * 8, (off_t) (((uintptr_t) m->host / PAGE + page) * 8)) == (ssize_t) (some * 8);
    for (size_t i = 0; good && i < some; i++)
      if (is_written (entries[i])) {
        columns[(page + i) * COLUMNS / n]++;
        *written += 1;
      }
  }
  if (fd >= 0)
    close (fd);
  return good;
}

static char *
report_text (const Memory *m)
{
  uint64_t n = m->size / PAGE, written = 0, columns[COLUMNS] = { 0 };
  if (!count_pages (m, columns, &written))
    return g_strdup_printf ("%s: the host does not tell which pages were written\n", bp_object_id (m));
  char map[COLUMNS + 1] = "";
  for (unsigned i = 0; i < COLUMNS; i++) {      /* n need not be a multiple of COLUMNS */
    uint64_t pages = ((i + 1) * n + COLUMNS - 1) / COLUMNS - (i * n + COLUMNS - 1) / COLUMNS;
    map[i] = columns[i] == 0 ? '.' : columns[i] < pages ? '+' : '#';
  }
  return g_strdup_printf ("%s: %" PRIu64 " of %" PRIu64 " pages were written (%" PRIu64 " KiB)\n0x0 |%s| 0x%" PRIx64 "\n", bp_object_id (m),
                          written, n, written * PAGE / 1024, map, m->size);
}

static void
write_report (const Memory *m)
{
  g_autofree char *text = report_text (m);
  FILE *file = fopen (m->report, "w");
  bool good = file && fputs (text, file) >= 0;
  if (file)
    good = fclose (file) == 0 && good;
  if (!good)
    bp_warn (m, "cannot write the report to `%s`: %s", m->report, g_strerror (errno));
}

/* --- life cycle: configure, realize, unrealize ------------------------------------------------ */

static bool
configure (void *self, GError **error)
{
  Memory *m = self;
  if (m->size % PAGE) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "size is %" PRIu64 " bytes; it must be a multiple of %d", m->size, PAGE);
    return false;
  }
  uint64_t tile = TILE;
  while (m->size / tile > MOST_MAPPINGS)
    tile *= 2;
  void *host = mmap (NULL, m->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (host == MAP_FAILED)
    return failed ("reserve the memory", error);
  m->host = host;
  int fd = make_tile (m, tile, error);
  if (fd < 0)
    return false;
  bool good = map_tiles (m, fd, tile, error);
  close (fd);                   /* the mappings keep the file */
  if (!good)
    return false;
  m->region = bp_region_new_ram (self, "ram", m->host, m->size);
  bp_region_publish (self, m->region, "the memory");
  return true;
}

static bool
realize (void *self, GError **error)
{
  ((Memory *) self)->realized = true;
  return true;
}

/* Also after a configure that failed half-way, or without a realize, as `backplane check` does it.  The region is the host's to free, later; disabled, nobody reads through it. */
static void
unrealize (void *self)
{
  Memory *m = self;
  if (m->region) {
    bp_region_set_enabled (m->region, false);
    if (m->report && m->realized)
      write_report (m);
  }
  if (m->host)
    munmap (m->host, m->size);
  m->host = NULL;
  m->region = NULL;
  m->realized = false;
}

/* --- tables: interface, properties, type ----------------------------------------------- */

static BpRegion *get_region (void *self) { return ((Memory *) self)->region; }
static uint64_t get_size (void *self) { return ((Memory *) self)->size; }
/* Pages that were written are the process's alone: nobody else can map this memory. */
static int get_fd (void *self) { return -1; }

static const BpMemoryBackendIface iface = { .struct_size = sizeof iface, .region = get_region, .size = get_size, .fd = get_fd };
static const BpInterfaceDesc interfaces[] = { { BP_MEMORY_BACKEND_ID, &iface }, { NULL, NULL } };

static const BpProperty properties[] = {
  BP_PROP_SIZE_REQUIRED ("size", Memory, size, PAGE, UINT64_C (1) << 40, "Bytes of memory, a multiple of 4K, at most 1T."),
  BP_PROP_ENUM ("pattern", Memory, pattern, RANDOM, pattern_names, "What the memory holds at first; checkerboard: aa 55 aa 55 ..."),
  BP_PROP_U64 ("seed", Memory, seed, 1, "Which random pattern; the same seed gives the same bytes."),
  BP_PROP_STRING ("report", Memory, report, NULL,
                  "A file, relative to the current directory, that is told at the end which pages were written; none when not given."),
  BP_PROP_END
};

static const BpTypeDesc type = {
  BP_TYPE ("memory-pattern", BP_KIND_MEMORY, Memory),
  .description = "RAM that starts with a pattern and tells what was written",
  .properties = properties,
  .interfaces = interfaces,
  .configure = configure,
  .realize = realize,
  .unrealize = unrealize,
};

static const BpTypeDesc *const types[] = { &type, NULL };

BP_PLUGIN_DEFINE (.id = "memory-pattern", .version = "1.0", .licence = "MIT", .description = "RAM that starts with a pattern", .types = types);

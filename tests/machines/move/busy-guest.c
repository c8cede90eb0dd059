/* busy-guest.c -- the first program of a Linux guest that is moved: it writes memory and a disk, checks what it has written, and counts on the console. */
/* SPDX-License-Identifier: MIT */
#include "busy-guest.h"
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = PAGE / 8, SECTOR = 512, SECTORS = 1024, WRITERS_MOST = 8, HOT = 64 };

static unsigned pages = 1024;   /* of each writer */
static volatile uint64_t n_pages_written[WRITERS_MOST], n_bad;
volatile uint64_t n_sectors_written, n_pings, n_pings_lost;

uint64_t
mix (uint64_t a, uint64_t b)
{
  uint64_t x = a * UINT64_C (0x9e3779b97f4a7c15) + b * UINT64_C (0xbf58476d1ce4e5b9) + 1;
  x ^= x >> 29;
  x *= UINT64_C (0x94d049bb133111eb);
  return x ^ x >> 32;
}

uint64_t
random_next (uint64_t *state)
{
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

void
bad (const char *what, uint64_t where, uint64_t had, uint64_t wanted)
{
  __atomic_fetch_add (&n_bad, 1, __ATOMIC_SEQ_CST);
  printf ("BAD %s %llu: %llx instead of %llx\n", what, (unsigned long long) where, (unsigned long long) had, (unsigned long long) wanted);
}

/* --- memory ------------------------------------------------------------------------------------------- */

/* Each page holds what follows from its number and how often it was written; most writes go to a few. */
static void *
write_memory (void *user)
{
  uintptr_t me = (uintptr_t) user;
  uint64_t *memory = mmap (NULL, (size_t) pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint32_t *times = calloc (pages, sizeof *times);
  uint64_t seed = me + 88172645463325252u;
  for (;;) {
    uint64_t r = random_next (&seed);
    unsigned page = (unsigned) (r & 7 ? (r >> 8) % HOT : (r >> 8) % pages);
    uint64_t *at = memory + (size_t) page * WORDS, was = mix (me << 32 | page, times[page]), is = mix (me << 32 | page, times[page] + 1);
    for (unsigned i = 0; i < WORDS; i++) {
      uint64_t wanted = times[page] ? was + i : 0;
      if (at[i] != wanted)
        bad ("memory", page * (uint64_t) WORDS + i, at[i], wanted);
      at[i] = is + i;
    }
    times[page]++;
    n_pages_written[me]++;
  }
  return NULL;
}

/* --- two processors that share a word -------------------------------------------------------------------- */

static uint64_t shared_words[2 * WORDS] __attribute__ ((aligned (PAGE)));

/* Each adds one to the word of the other's page: what one has seen is never undone. */
static void *
pass_back_and_forth (void *user)
{
  uintptr_t me = (uintptr_t) user;
  uint64_t *mine = &shared_words[me * WORDS], *other = &shared_words[!me * WORDS], seen = 0;
  for (;;) {
    uint64_t now = __atomic_load_n (other, __ATOMIC_SEQ_CST);
    if (now < seen)
      bad ("shared word", me, now, seen);
    seen = now;
    __atomic_store_n (mine, now + 1, __ATOMIC_SEQ_CST);
    usleep (200);
  }
  return NULL;
}

/* --- a disk, by its ports: ATA's PIO commands ---------------------------------------------------------------- */

enum { DATA = 0x1f0, COUNT = 0x1f2, LBA = 0x1f3, DRIVE = 0x1f6, COMMAND = 0x1f7, CONTROL = 0x3f6 };
enum { BUSY = 0x80, DRQ = 8, ERROR = 1, READ = 0x20, WRITE = 0x30, FLUSH = 0xe7 };

static int
disk_wait (uint8_t wanted)
{
  uint8_t status = 0;
  for (unsigned i = 0; i < 10000000; i++) {
    status = inb (COMMAND);
    if (!(status & BUSY) && (status & wanted) == wanted)
      return status & ERROR;
  }
  printf ("BAD disk: status %x\n", status);
  n_bad++;
  return 1;
}

static int
disk_begin (uint8_t command, unsigned sector)
{
  outb (0xe0, DRIVE);
  outb (1, COUNT);
  outb ((uint8_t) sector, LBA);
  outb ((uint8_t) (sector >> 8), LBA + 1);
  outb (0, LBA + 2);
  outb (command, COMMAND);
  return disk_wait (command == FLUSH ? 0 : DRQ);
}

static void
disk_write (unsigned sector, const uint16_t *data)
{
  if (disk_begin (WRITE, sector))
    bad ("disk's write of sector", sector, 1, 0);
  outsw (DATA, data, SECTOR / 2);
  if (disk_wait (0))
    bad ("disk's write of sector", sector, 2, 0);
}

static void
disk_read (unsigned sector, uint16_t *data)
{
  if (disk_begin (READ, sector))
    bad ("disk's read of sector", sector, 1, 0);
  insw (DATA, data, SECTOR / 2);
  disk_wait (0);
}

static void
fill (uint64_t data[SECTOR / 8], unsigned sector, unsigned times)
{
  for (unsigned i = 0; i < SECTOR / 8; i++)
    data[i] = mix ((uint64_t) sector << 32 | times, i);
}

static void *
write_disk (void *unused)
{
  static unsigned times[SECTORS];
  uint64_t data[SECTOR / 8], wanted[SECTOR / 8], seed = 4711;
  outb (2, CONTROL);            /* no interrupts */
  for (unsigned n = 0;; n++) {
    unsigned sector = random_next (&seed) % SECTORS;
    if (times[sector]) {
      disk_read (sector, (uint16_t *) data);
      fill (wanted, sector, times[sector]);
      if (memcmp (data, wanted, SECTOR) != 0)
        bad ("disk's sector", sector, data[0], wanted[0]);
    }
    fill (data, sector, ++times[sector]);
    disk_write (sector, (uint16_t *) data);
    n_sectors_written++;
    if (n % 64 == 0)
      disk_begin (FLUSH, 0);
    usleep (100);
  }
  return NULL;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

void
start (void *(*f) (void *user), uintptr_t number)
{
  pthread_t thread;
  if (pthread_create (&thread, NULL, f, (void *) number) != 0)
    bad ("thread", number, (uint64_t) errno, 0);
}

static uint64_t
now_ms (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

int
main (int argc, char **argv)
{
  long writers = sysconf (_SC_NPROCESSORS_ONLN);
  mount ("proc", "/proc", "proc", 0, NULL);
  setvbuf (stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < argc; i++)
    if (strncmp (argv[i], "pages=", 6) == 0)
      pages = (unsigned) atoi (argv[i] + 6);
  for (long i = 0; i < writers && i < WRITERS_MOST; i++)
    start (write_memory, (uintptr_t) i);
  start (pass_back_and_forth, 0);
  start (pass_back_and_forth, 1);
  if (ioperm (DATA, 8, 1) == 0 && ioperm (CONTROL, 1, 1) == 0 && inb (COMMAND) != 0xff)
    start (write_disk, 0);
  if (access ("/modules", F_OK) == 0)
    virtio_begin ();
  printf ("BUSY with %ld processors\n", writers);
  uint64_t last = now_ms ();
  for (unsigned tick = 1;; tick++) {
    uint64_t written = 0, now = now_ms ();
    for (unsigned i = 0; i < WRITERS_MOST; i++)
      written += n_pages_written[i];
    if (now < last)
      bad ("clock", tick, now, last);
    last = now;
    printf ("TICK %u pages %llu sectors %llu pings %llu lost %llu bad %llu\n", tick, (unsigned long long) written, (unsigned long long) n_sectors_written,
            (unsigned long long) n_pings, (unsigned long long) n_pings_lost, (unsigned long long) n_bad);
    usleep (20000);
  }
}

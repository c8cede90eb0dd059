/* disk-guest.c -- a Linux program for guests: patterns on a disk, written and verified, also while many requests of all kinds race; discards, zeroes, errors; how many requests it does a second. */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, DEPTH = 32, FIRST = 256, BLOCKS = 4096 };  /* patterns: 16 MiB from 1 MiB on */

static int fd;
static uint8_t *memory;

static void
fail (const char *what, uint64_t where)
{
  printf ("TEST failed: %s at block %llu: %s\n", what, (unsigned long long) where, strerror (errno));
  fflush (stdout);
}

static uint64_t
mix (uint64_t x)
{
  x = (x ^ x >> 31) * UINT64_C (0x9e3779b97f4a7c15);
  return x ^ x >> 29;
}

static void
fill (uint8_t *to, uint64_t block, uint64_t seed)
{
  uint64_t *words = (uint64_t *) to;
  for (unsigned i = 0; i < BLOCK / 8; i++)
    words[i] = mix (block << 20 ^ seed << 10 ^ i);
}

/* --- many at once ------------------------------------------------------------------------------ */

static aio_context_t context;
static struct iocb blocks[DEPTH];

static void
prepare (unsigned i, bool write, uint64_t block, unsigned size)
{
  blocks[i] = (struct iocb) { .aio_data = i, .aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD, .aio_fildes = (uint32_t) fd,
                              .aio_buf = (uintptr_t) (memory + i * (1u << 20)), .aio_nbytes = size, .aio_offset = (int64_t) block * BLOCK };
}

static void
submit (unsigned i)
{
  struct iocb *one = &blocks[i];
  if (syscall (SYS_io_submit, context, 1, &one) != 1)
    fail ("io_submit", 0);
}

static unsigned
wait_one (void)
{
  struct io_event event;
  if (syscall (SYS_io_getevents, context, 1, 1, &event, NULL) != 1)
    fail ("io_getevents", 0);
  unsigned i = (unsigned) event.data;
  if (event.res != (int64_t) blocks[i].aio_nbytes) {
    errno = event.res < 0 ? (int) -event.res : 0;
    fail ("transfer", (uint64_t) blocks[i].aio_offset / BLOCK);
  }
  return i;
}

/* Each block of the area once, in a scattered order. */
static uint64_t scattered (unsigned i) { return FIRST + (uint64_t) i * 1021 % BLOCKS; }

static void
check_one (unsigned i, uint64_t seed)
{
  static uint8_t wanted[BLOCK];
  uint64_t block = (uint64_t) blocks[i].aio_offset / BLOCK;
  fill (wanted, block, seed);
  if (memcmp (wanted, memory + i * (1u << 20), BLOCK) != 0)
    fail ("other contents", block);
}

static void
go_over (bool write, uint64_t seed)
{
  unsigned begun = 0, done = 0;
  for (; done < BLOCKS; done++) {
    for (; begun < BLOCKS && begun - done < DEPTH && begun < DEPTH; begun++) {
      prepare (begun, write, scattered (begun), BLOCK);
      if (write)
        fill (memory + begun * (1u << 20), scattered (begun), seed);
      submit (begun);
    }
    unsigned i = wait_one ();
    if (!write)
      check_one (i, seed);
    if (begun < BLOCKS) {
      prepare (i, write, scattered (begun), BLOCK);
      if (write)
        fill (memory + i * (1u << 20), scattered (begun), seed);
      submit (i);
      begun++;
    }
  }
}

/* --- what the tests ask for ------------------------------------------------------------------------ */

static void
sequential (bool write, uint64_t seed)
{
  enum { PIECE = 256 };         /* 1 MiB */
  for (uint64_t at = 8192; at < 8192 + 2048; at += PIECE) {
    for (unsigned i = 0; write && i < PIECE; i++)
      fill (memory + i * BLOCK, at + i, seed);
    ssize_t n = write ? pwrite (fd, memory, PIECE * BLOCK, (off_t) at * BLOCK) : pread (fd, memory, PIECE * BLOCK, (off_t) at * BLOCK);
    if (n != PIECE * BLOCK)
      fail (write ? "write" : "read", at);
    for (unsigned i = 0; !write && i < PIECE; i++) {
      static uint8_t wanted[BLOCK];
      fill (wanted, at + i, seed);
      if (memcmp (wanted, memory + i * BLOCK, BLOCK) != 0)
        fail ("other contents", at + i);
    }
  }
}

static void
zeroes (void)
{
  uint64_t range[2] = { UINT64_C (8192) * BLOCK, UINT64_C (1024) * BLOCK }, gone[2] = { UINT64_C (9216) * BLOCK, UINT64_C (1024) * BLOCK };
  if (ioctl (fd, BLKZEROOUT, range) != 0)
    fail ("BLKZEROOUT", 8192);
  if (ioctl (fd, BLKDISCARD, gone) != 0)
    fail ("BLKDISCARD", 9216);
  for (uint64_t at = 8192; at < 8192 + 1024; at += 256) {
    if (pread (fd, memory, 1 << 20, (off_t) at * BLOCK) != 1 << 20)
      fail ("read", at);
    for (unsigned i = 0; i < 1 << 20; i++)
      if (memory[i]) {
        fail ("no zeros", at);
        return;
      }
  }
  printf ("TEST zeroes\n");
}

/* --- everything at once -------------------------------------------------------------------------------- */

/* Threads write, read, zero and discard pieces of some sectors; no two of them the same sectors at a time.  What each sector must hold is its generation: of a
 * pattern, 0 zeros; after a discard it may be anything. */
enum { SECTOR = 512, RACE_FIRST = 44 << 11, RACE_SECTORS = 16 << 11, RACE_MOST = 96, RACE_THREADS = 8, RACE_STEPS = 400, UNKNOWN = -1 };
static pthread_mutex_t race_lock = PTHREAD_MUTEX_INITIALIZER;
static bool race_busy[RACE_SECTORS];
static int32_t race_generation[RACE_SECTORS] __attribute__ ((aligned (BLOCK)));
static int32_t race_generations;

static void
race_fill (uint8_t *to, unsigned sector, int32_t generation)
{
  uint64_t *words = (uint64_t *) to;
  for (unsigned i = 0; i < SECTOR / 8; i++)
    words[i] = generation ? mix ((uint64_t) sector << 40 ^ (uint64_t) (uint32_t) generation << 8 ^ i) : 0;
}

static bool
race_take (unsigned first, unsigned n, bool take)
{
  bool fine = true;
  pthread_mutex_lock (&race_lock);
  for (unsigned i = first; i < first + n && take; i++)
    fine = fine && !race_busy[i];
  for (unsigned i = first; i < first + n && fine; i++)
    race_busy[i] = take;
  pthread_mutex_unlock (&race_lock);
  return fine;
}

static void
race_check (const uint8_t *data, unsigned first, unsigned n)
{
  uint8_t wanted[SECTOR];
  for (unsigned i = 0; i < n; i++) {
    race_fill (wanted, first + i, race_generation[first + i]);
    if (race_generation[first + i] != UNKNOWN && memcmp (data + i * SECTOR, wanted, SECTOR) != 0)
      fail ("other contents", (RACE_FIRST + first + i) / 8);
  }
}

static void
race_step (uint8_t *data, uint64_t random)
{
  unsigned n = 1 + random % RACE_MOST, first = (unsigned) (random >> 8) % (RACE_SECTORS - n), what = (unsigned) (random >> 40) % 10;
  if (random >> 50 & 1 && n > 8)        /* what a file system does */
    first &= ~7u, n &= ~7u;
  if (!race_take (first, n, true))
    return;
  uint64_t range[2] = { (uint64_t) (RACE_FIRST + first) * SECTOR, (uint64_t) n * SECTOR };
  int32_t generation = what < 4 ? __atomic_add_fetch (&race_generations, 1, __ATOMIC_RELAXED) : what == 8 ? 0 : UNKNOWN;
  for (unsigned i = 0; i < n && what < 4; i++)
    race_fill (data + i * SECTOR, first + i, generation);
  bool fine = what < 4    ? pwrite (fd, data, range[1], (off_t) range[0]) == (ssize_t) range[1]
              : what < 8  ? pread (fd, data, range[1], (off_t) range[0]) == (ssize_t) range[1]
              : what == 8 ? ioctl (fd, BLKZEROOUT, range) == 0
                          : ioctl (fd, BLKDISCARD, range) == 0;
  if (!fine)
    fail (what < 4 ? "write" : what < 8 ? "read" : what == 8 ? "BLKZEROOUT" : "BLKDISCARD", range[0] / BLOCK);
  else if (what >= 4 && what < 8)
    race_check (data, first, n);
  else
    for (unsigned i = first; i < first + n; i++)
      race_generation[i] = generation;
  race_take (first, n, false);
}

static void *
race_thread (void *user)
{
  uint64_t number = (uintptr_t) user << 32;
  uint8_t *data = memory + (uintptr_t) user * (1 << 20);
  for (unsigned i = 0; i < RACE_STEPS; i++) {
    number = mix (number + i + 1);
    race_step (data, number);
    if (i % 64 == 63 && fsync (fd) != 0)
      fail ("fsync", 0);
  }
  return NULL;
}

static void
race_check_all (void)
{
  for (unsigned at = 0; at < RACE_SECTORS; at += 128) {
    if (pread (fd, memory, 128 * SECTOR, (off_t) (RACE_FIRST + at) * SECTOR) != 128 * SECTOR)
      fail ("read", (RACE_FIRST + at) / 8);
    race_check (memory, at, 128);
  }
}

/* What must be where is kept on the disk itself, behind the area, for `raced'. */
static void
race (bool again)
{
  pthread_t threads[RACE_THREADS];
  const off_t table = (off_t) (RACE_FIRST + RACE_SECTORS) * SECTOR;
  if (again && pread (fd, race_generation, sizeof race_generation, table) != sizeof race_generation)
    fail ("read", (uint64_t) table / BLOCK);
  for (unsigned i = 0; i < RACE_SECTORS && !again; i++)
    race_generation[i] = UNKNOWN;
  for (uintptr_t i = 0; i < RACE_THREADS && !again; i++)
    pthread_create (&threads[i], NULL, race_thread, (void *) i);
  for (unsigned i = 0; i < RACE_THREADS && !again; i++)
    pthread_join (threads[i], NULL);
  race_check_all ();
  if (!again && (pwrite (fd, race_generation, sizeof race_generation, table) != sizeof race_generation || fsync (fd) != 0))
    fail ("write", (uint64_t) table / BLOCK);
  printf ("TEST %s\n", again ? "raced" : "race");
}

static void
one (const char *name, bool write, uint64_t block)
{
  ssize_t n = write ? pwrite (fd, memory, BLOCK, (off_t) block * BLOCK) : pread (fd, memory, BLOCK, (off_t) block * BLOCK);
  printf ("TEST %s %s\n", name, n == BLOCK ? "fine" : strerrorname_np (errno));
  fflush (stdout);
}

/* --- speed ------------------------------------------------------------------------------------------- */

static double
now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void
bench (const char *name, bool write, unsigned depth, unsigned size, uint64_t n_blocks, double seconds)
{
  uint64_t number = 0, done = 0, per = size / BLOCK;
  double begin = now (), end = begin + seconds;
  bool random = size == BLOCK;
#define NEXT (random ? mix (++number) % n_blocks : number++ * per % (n_blocks / per * per))
  for (unsigned i = 0; i < depth; i++) {
    prepare (i, write, NEXT, size);
    submit (i);
  }
  while (now () < end) {
    unsigned i = wait_one ();
    done++;
    prepare (i, write, NEXT, size);
    submit (i);
  }
  for (unsigned i = 0; i < depth; i++, done++)
    wait_one ();
  fsync (fd);
  double took = now () - begin;
  printf ("bench %s %.1f\n", name, (double) done / took);
  fflush (stdout);
#undef NEXT
}

static void
bench_all (double seconds)
{
  uint64_t bytes = 0;
  ioctl (fd, BLKGETSIZE64, &bytes);
  uint64_t n = bytes / BLOCK;
  for (uint64_t at = 0; at < n; at += 256)      /* there is something to read, and space to write to */
    if (pwrite (fd, memory, 1 << 20, (off_t) at * BLOCK) != 1 << 20)
      fail ("write", at);
  fsync (fd);
  bench ("read-1M", false, 1, 1 << 20, n, seconds);
  bench ("write-1M", true, 1, 1 << 20, n, seconds);
  bench ("read-4k-1", false, 1, BLOCK, n, seconds);
  bench ("read-4k-32", false, DEPTH, BLOCK, n, seconds);
  bench ("write-4k-1", true, 1, BLOCK, n, seconds);
  bench ("write-4k-32", true, DEPTH, BLOCK, n, seconds);
}

int
main (int argc, char **argv)
{
  const char *what = argc > 2 ? argv[2] : "";
  uint64_t seed = argc > 3 ? strtoull (argv[3], NULL, 0) : 1;
  fd = argc > 1 ? open (argv[1], O_RDWR | O_DIRECT) : -1;
  if (fd < 0 || posix_memalign ((void **) &memory, BLOCK, (size_t) DEPTH << 20) != 0 || syscall (SYS_io_setup, DEPTH, &context) != 0) {
    fail ("open", 0);
    return 1;
  }
  memset (memory, 0x5a, (size_t) DEPTH << 20);
  if (strcmp (what, "write") == 0) {
    go_over (true, seed);
    sequential (true, seed);
    if (fsync (fd) != 0)
      fail ("fsync", 0);
  }
  if (strcmp (what, "write") == 0 || strcmp (what, "verify") == 0) {
    go_over (false, seed);
    sequential (false, seed);
    printf ("TEST %s\n", what);
  }
  if (strcmp (what, "race") == 0 || strcmp (what, "raced") == 0)
    race (strcmp (what, "raced") == 0);
  if (strcmp (what, "zeroes") == 0)
    zeroes ();
  if (strcmp (what, "errors") == 0) {
    one ("read", false, 100);
    one ("write", true, 200);
    one ("other", true, 300);
  }
  if (strcmp (what, "bench") == 0)
    bench_all (argc > 3 ? strtod (argv[3], NULL) : 3);
  return 0;
}

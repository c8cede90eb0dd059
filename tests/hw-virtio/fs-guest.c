/* fs-guest.c -- what a guest does with its shared folder: fs-guest FOLDER all|unmapped|read-only|snapshot. */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static unsigned failures;
static const char *step = "";
static bool maps;                /* whether files can be mapped to share them */

#define CHECK(x) do { if (!(x)) { printf ("TEST failed: %s: line %d: %s (%s)\n", step, __LINE__, #x, strerror (errno)); failures++; } } while (0)

static void
write_file (const char *name, const char *text)
{
  int fd = open (name, O_CREAT | O_WRONLY | O_TRUNC, 0640);
  CHECK (fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text) && close (fd) == 0);
}

static bool
holds (const char *name, const char *text)
{
  char bytes[4096] = { 0 };
  int fd = open (name, O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read (fd, bytes, sizeof bytes - 1);
  if (fd >= 0)
    close (fd);
  return n == (ssize_t) strlen (text) && memcmp (bytes, text, (size_t) n) == 0;
}

/* --- names ---------------------------------------------------------------------------------- */

static void
test_names (void)
{
  struct stat st, other;
  write_file ("a", "first\n");
  CHECK (holds ("a", "first\n"));
  CHECK (stat ("a", &st) == 0 && (st.st_mode & 0777) == 0640 && st.st_size == 6 && st.st_uid == 0);
  CHECK (open ("a", O_CREAT | O_EXCL | O_WRONLY, 0600) < 0 && errno == EEXIST);
  CHECK (rename ("a", "b") == 0 && stat ("a", &st) < 0 && errno == ENOENT && holds ("b", "first\n"));
  write_file ("c", "second\n");
  CHECK (rename ("c", "b") == 0 && holds ("b", "second\n"));
  CHECK (syscall (SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "b2", 1) == 0);
  write_file ("b", "third\n");
  CHECK (syscall (SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "b2", 1) < 0 && errno == EEXIST);
  CHECK (syscall (SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "b2", 2) == 0 && holds ("b2", "third\n") && holds ("b", "second\n"));
  CHECK (link ("b", "hard") == 0 && stat ("b", &st) == 0 && stat ("hard", &other) == 0);
  CHECK (st.st_nlink == 2 && st.st_ino == other.st_ino);
  CHECK (unlink ("hard") == 0 && holds ("b", "second\n") && stat ("b", &st) == 0 && st.st_nlink == 1);
  CHECK (symlink ("b", "soft") == 0 && holds ("soft", "second\n") && lstat ("soft", &st) == 0 && S_ISLNK (st.st_mode));
  CHECK (mkdir ("d", 0755) == 0 && mkdir ("d/e", 0700) == 0 && rmdir ("d") < 0 && errno == ENOTEMPTY);
  write_file ("d/e/f", "deep\n");
  CHECK (rename ("d", "d2") == 0 && holds ("d2/e/f", "deep\n"));
  CHECK (unlink ("d2/e/f") == 0 && rmdir ("d2/e") == 0 && rmdir ("d2") == 0);
  CHECK (mkfifo ("fifo", 0600) == 0 && stat ("fifo", &st) == 0 && S_ISFIFO (st.st_mode) && unlink ("fifo") == 0);
  CHECK (unlink ("soft") == 0 && unlink ("b") == 0 && unlink ("b2") == 0);
}

static void
test_many (void)
{
  enum { MANY = 2000 };
  static bool seen[MANY];
  char name[32];
  CHECK (mkdir ("many", 0755) == 0);
  for (unsigned i = 0; i < MANY; i++) {
    snprintf (name, sizeof name, "many/file-%u", i);
    int fd = open (name, O_CREAT | O_EXCL | O_WRONLY, 0644);
    CHECK (fd >= 0 && close (fd) == 0);
  }
  DIR *d = opendir ("many");
  unsigned n = 0, i;
  for (struct dirent *e; d && (e = readdir (d));)
    if (sscanf (e->d_name, "file-%u", &i) == 1 && i < MANY && !seen[i]) {
      struct stat st;
      seen[i] = true;
      n++;
      snprintf (name, sizeof name, "many/file-%u", i);
      CHECK (stat (name, &st) == 0 && S_ISREG (st.st_mode));
    }
  CHECK (n == MANY);
  if (d)
    closedir (d);
  for (i = 0; i < MANY; i++) {
    snprintf (name, sizeof name, "many/file-%u", i);
    CHECK (unlink (name) == 0);
  }
  CHECK (rmdir ("many") == 0);
}

/* --- contents ---------------------------------------------------------------------------------- */

static void
test_contents (void)
{
  struct stat st;
  write_file ("log", "one\n");
  int fd = open ("log", O_WRONLY | O_APPEND), again = open ("log", O_WRONLY | O_APPEND);
  CHECK (write (fd, "two\n", 4) == 4 && write (again, "three\n", 6) == 6 && write (fd, "four\n", 5) == 5);
  CHECK (close (fd) == 0 && close (again) == 0 && holds ("log", "one\ntwo\nthree\nfour\n"));
  CHECK (truncate ("log", 7) == 0 && holds ("log", "one\ntwo"));
  CHECK (chmod ("log", 0444) == 0 && stat ("log", &st) == 0 && (st.st_mode & 07777) == 0444);
  struct timespec times[2] = { { 1000000000, 5 }, { 1100000000, 7 } };
  CHECK (utimensat (AT_FDCWD, "log", times, 0) == 0 && stat ("log", &st) == 0 && st.st_mtim.tv_sec == 1100000000);
  CHECK (unlink ("log") == 0);

  fd = open ("gone", O_CREAT | O_RDWR, 0600);
  CHECK (write (fd, "kept", 4) == 4 && unlink ("gone") == 0);
  char bytes[8] = { 0 };
  CHECK (pread (fd, bytes, sizeof bytes, 0) == 4 && memcmp (bytes, "kept", 4) == 0 && fstat (fd, &st) == 0 && st.st_size == 4);
  CHECK (ftruncate (fd, 2) == 0 && fstat (fd, &st) == 0 && st.st_size == 2 && close (fd) == 0);

  fd = open ("holes", O_CREAT | O_RDWR, 0600);
  CHECK (pwrite (fd, "x", 1, 1 << 20) == 1 && lseek (fd, 0, SEEK_DATA) > 0 && posix_fallocate (fd, 0, 4096) == 0 && fsync (fd) == 0);
  int copy = open ("copied", O_CREAT | O_RDWR, 0600);
  CHECK (copy_file_range (fd, NULL, copy, NULL, 4096, 0) > 0);
  CHECK (flock (fd, LOCK_EX) == 0 && close (fd) == 0 && close (copy) == 0 && unlink ("holes") == 0 && unlink ("copied") == 0);
}

static uint32_t
next_random (uint32_t *x)
{
  *x ^= *x << 13;
  *x ^= *x >> 17;
  return *x ^= *x << 5;
}

static void
test_big (void)
{
  enum { WORDS = 1 << 18, TIMES = 8 };
  static uint32_t words[WORDS];
  uint32_t x = 1, sum = 0, again = 0;
  int fd = open ("big", O_CREAT | O_RDWR | O_TRUNC, 0600);
  for (unsigned t = 0; t < TIMES; t++) {
    for (unsigned i = 0; i < WORDS; i++)
      sum += words[i] = next_random (&x);
    CHECK (write (fd, words, sizeof words) == sizeof words);
  }
  CHECK (fsync (fd) == 0 && close (fd) == 0);
  fd = open ("/proc/sys/vm/drop_caches", O_WRONLY);
  if (fd >= 0 && write (fd, "3", 1) == 1)
    close (fd);
  fd = open ("big", O_RDWR);
  for (unsigned t = 0; t < TIMES; t++) {
    CHECK (read (fd, words, sizeof words) == sizeof words);
    for (unsigned i = 0; i < WORDS; i++)
      again += words[i];
  }
  CHECK (sum == again);
  uint32_t *map = !maps ? MAP_FAILED : mmap (NULL, sizeof words, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK (!maps || map != MAP_FAILED);
  if (map != MAP_FAILED) {
    map[5] = 0x12345678;
    CHECK (msync (map, sizeof words, MS_SYNC) == 0 && pread (fd, words, 64, 0) == 64 && words[5] == 0x12345678 && munmap (map, sizeof words) == 0);
  }
  CHECK (close (fd) == 0 && unlink ("big") == 0);
}

/* --- anything in any order, compared with what it has to come to ----------------------------------- */

enum { RANDOM_MOST = 1 << 18, RANDOM_STEPS = 1500 };
typedef struct Random {
  int fd;
  uint32_t x;
  uint8_t bytes[RANDOM_MOST], copy[RANDOM_MOST];
  uint32_t size;
} Random;

static uint32_t below (Random *r, uint32_t n) { return next_random (&r->x) % n; }

static void
random_write (Random *r, uint32_t at, uint32_t size)
{
  for (uint32_t i = 0; i < size; i++)
    r->bytes[at + i] = (uint8_t) next_random (&r->x);
  CHECK (pwrite (r->fd, r->bytes + at, size, at) == size);
  r->size = at + size > r->size ? at + size : r->size;
}

static void
random_read (Random *r, uint32_t at, uint32_t size)
{
  uint32_t there = at >= r->size ? 0 : at + size > r->size ? r->size - at : size;
  CHECK (pread (r->fd, r->copy, size, at) == there && memcmp (r->copy, r->bytes + at, there) == 0);
}

static void
random_truncate (Random *r, uint32_t size)
{
  CHECK (ftruncate (r->fd, size) == 0);
  if (size < r->size)
    memset (r->bytes + size, 0, r->size - size);
  r->size = size;
}

static void
random_hole (Random *r, uint32_t at, uint32_t size)
{
  if (fallocate (r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, size) != 0) {
    CHECK (errno == EOPNOTSUPP);
    return;
  }
  memset (r->bytes + at, 0, size);
}

static void
random_map (Random *r, uint32_t at, uint32_t size)
{
  if (!maps || !r->size)
    return;
  uint8_t *map = mmap (NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
  CHECK (map != MAP_FAILED);
  if (map == MAP_FAILED)
    return;
  CHECK (memcmp (map, r->bytes, r->size) == 0);
  for (uint32_t i = at; i < at + size && i < r->size; i++)
    map[i] = r->bytes[i] = (uint8_t) next_random (&r->x);
  CHECK (munmap (map, r->size) == 0);
}

static void
random_copy (Random *r, uint32_t from, uint32_t to, uint32_t size)
{
  if (from + size > r->size || to + size > RANDOM_MOST || (from < to + size && to < from + size))
    return;
  off_t in = from, out = to;
  ssize_t n = copy_file_range (r->fd, &in, r->fd, &out, size, 0);
  CHECK (n >= 0);
  if (n <= 0)
    return;
  memmove (r->bytes + to, r->bytes + from, (size_t) n);
  r->size = to + (uint32_t) n > r->size ? to + (uint32_t) n : r->size;
}

static void
random_reopen (Random *r)
{
  CHECK (close (r->fd) == 0);
  r->fd = open ("random", O_RDWR);
  struct stat st;
  CHECK (r->fd >= 0 && fstat (r->fd, &st) == 0 && st.st_size == r->size);
}

static void
test_random (void)
{
  static Random r = { .x = 12345 };
  r.fd = open ("random", O_CREAT | O_RDWR | O_TRUNC, 0600);
  r.size = 0;
  memset (r.bytes, 0, sizeof r.bytes);
  for (unsigned i = 0, before = failures; i < RANDOM_STEPS && failures == before; i++) {
    uint32_t at = below (&r, RANDOM_MOST), size = 1 + below (&r, below (&r, 4) ? 3000 : 60000);
    size = at + size > RANDOM_MOST ? RANDOM_MOST - at : size;
    switch (below (&r, 16)) {
    case 0: random_truncate (&r, at); break;
    case 1: random_hole (&r, at, size); break;
    case 2: case 3: random_map (&r, at, size); break;
    case 4: random_copy (&r, below (&r, RANDOM_MOST), at, size); break;
    case 5: random_reopen (&r); break;
    case 6: CHECK (fsync (r.fd) == 0); break;
    case 7: case 8: case 9: case 10: random_write (&r, at, size); break;
    default: random_read (&r, at, size); break;
    }
  }
  random_read (&r, 0, RANDOM_MOST);
  CHECK (close (r.fd) == 0 && unlink ("random") == 0);
}

/* What is written to a mapping has its place, even that of a file that is open to append; and one that is no longer does not. */
static void
test_appended (void)
{
  write_file ("log", "one\n");
  int fd = open ("log", O_RDWR | O_APPEND);
  char *map = !maps ? MAP_FAILED : mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK (!maps || map != MAP_FAILED);
  if (map != MAP_FAILED) {
    map[0] = 'O';
    CHECK (msync (map, 4096, MS_SYNC) == 0 && munmap (map, 4096) == 0);
  } else {
    CHECK (fcntl (fd, F_SETFL, 0) == 0 && pwrite (fd, "O", 1, 0) == 1 && fcntl (fd, F_SETFL, O_APPEND) == 0);
  }
  CHECK (holds ("log", "One\n") && write (fd, "two\n", 4) == 4 && holds ("log", "One\ntwo\n"));
  CHECK (fcntl (fd, F_SETFL, 0) == 0 && pwrite (fd, "T", 1, 4) == 1 && holds ("log", "One\nTwo\n"));
  CHECK (close (fd) == 0 && unlink ("log") == 0);
}

static void
test_attributes (void)
{
  char value[16];
  write_file ("x", "");
  CHECK (setxattr ("x", "user.colour", "green", 5, 0) == 0 && getxattr ("x", "user.colour", value, sizeof value) == 5);
  CHECK (getxattr ("x", "user.colour", value, 5) == 5 && memcmp (value, "green", 5) == 0 && getxattr ("x", "user.colour", value, 4) < 0 && errno == ERANGE);
  char list[256];
  ssize_t n = listxattr ("x", list, sizeof list);
  CHECK (n == 12 && strcmp (list, "user.colour") == 0);
  CHECK (removexattr ("x", "user.colour") == 0 && getxattr ("x", "user.colour", value, sizeof value) < 0);
  CHECK (setxattr ("x", "user.backplane.owner", "0:0:104755:0", 12, 0) < 0 || getxattr ("x", "user.backplane.owner", value, 0) > 0);
  struct statvfs v;
  CHECK (statvfs (".", &v) == 0 && v.f_blocks > 0);
  CHECK (unlink ("x") == 0);
}

/* --- ways out ------------------------------------------------------------------------------------ */

/* The host has left traps: links that lead outside of its folder.  They are the guest's: they lead nowhere, or to files of the guest. */
static void
test_escapes (void)
{
  CHECK (open ("trap-file", O_RDONLY) < 0);
  CHECK (open ("trap-folder/secret", O_RDONLY) < 0);
  CHECK (open ("trap-up/secret", O_RDONLY) < 0);
  int fd = open (".", O_RDONLY | O_DIRECTORY);
  CHECK (fd >= 0 && openat (fd, "../../../secret", O_RDONLY) < 0);
  close (fd);
  CHECK (mknod ("device", S_IFCHR | 0600, 0x103) < 0 || unlink ("device") == 0);
  write_file ("s", "");
  chmod ("s", 04755);
  unlink ("s");
}

static void
all_tests (bool mapped)
{
  static const struct { const char *name; void (*f) (void); } tests[] = {
    { "names", test_names }, { "contents", test_contents }, { "big", test_big }, { "random", test_random }, { "appended", test_appended },
    { "attributes", test_attributes }, { "escapes", test_escapes }, { "many", test_many },
  };
  for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
    step = tests[i].name;
    maps = mapped;
    tests[i].f ();
    printf ("TEST %s done\n", step);
  }
}

/* --- over a snapshot ---------------------------------------------------------------------------------- */

/* Files that are open, and names, survive a snapshot that the host takes when it reads this line. */
static void
wait_for_snapshot (void)
{
  int kept = open ("kept", O_CREAT | O_RDWR, 0600), gone = open ("kept-not", O_CREAT | O_RDWR, 0600);
  char bytes[8] = { 0 };
  struct stat st;
  CHECK (write (kept, "before", 6) == 6 && write (gone, "x", 1) == 1);
  printf ("TEST ready\n");
  while (stat ("go-on", &st) != 0)
    usleep (200000);
  step = "after the snapshot";
  CHECK (pread (kept, bytes, sizeof bytes, 0) == 6 && memcmp (bytes, "before", 6) == 0 && pwrite (kept, "AFTER", 5, 0) == 5);
  CHECK (fstat (gone, &st) != 0 || pwrite (gone, "x", 1, 0) < 0);
  CHECK (close (kept) == 0 && holds ("kept", "AFTERe"));
}

int
main (int argc, char **argv)
{
  setvbuf (stdout, NULL, _IOLBF, 0);
  if (argc < 3 || chdir (argv[1]) != 0)
    return 2;
  CHECK (holds ("hello", "hello from the host\n"));
  if (strcmp (argv[2], "snapshot") == 0)
    wait_for_snapshot ();
  else if (strcmp (argv[2], "read-only") == 0)
    CHECK (open ("new", O_CREAT | O_WRONLY, 0600) < 0 && unlink ("hello") < 0 && errno == EROFS);
  else
    all_tests (strcmp (argv[2], "unmapped") != 0);
  printf ("TEST %s\n", failures ? "failed" : "all well");
  return failures != 0;
}

/* fuzz-fs.c -- any bytes are what a driver says to the server of a shared folder; nothing beside the folder changes. */
/* SPDX-License-Identifier: MIT */
/* Each message: two bytes of size, the operation, a node, then its bytes; handles and nodes that the server gave come up again, being small numbers. */
#include "hw-virtio/fs-server.h"
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static char above[] = "/tmp/backplane-fuzz-fs-XXXXXX";
static char folder[64], secret[64];
static const char secret_text[] = "not to be read";

#define require(holds) \
  do { \
    if (!(holds)) { \
      fprintf (stderr, "fuzz-fs: line %d: not so: %s\n", __LINE__, #holds); \
      abort (); \
    } \
  } while (0)

static void
clean_up (void)
{
  char command[128];
  snprintf (command, sizeof command, "chmod -R u+rwx %s 2>/dev/null; rm -rf %s", above, above);
  require (system (command) == 0);
}

static void
write_file (const char *path, const char *text)
{
  int fd = open (path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
  require (fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text) && close (fd) == 0);
}

static void
make_folder (void)
{
  char path[128];
  require (mkdtemp (above) != NULL);
  atexit (clean_up);
  snprintf (folder, sizeof folder, "%s/f", above);
  snprintf (secret, sizeof secret, "%s/s", above);
  require (mkdir (folder, 0700) == 0);
  write_file (secret, secret_text);
  snprintf (path, sizeof path, "%s/a", folder);
  write_file (path, "some bytes");
  snprintf (path, sizeof path, "%s/b", folder);
  require (mkdir (path, 0700) == 0);
  snprintf (path, sizeof path, "%s/b/c", folder);
  write_file (path, "others");
  snprintf (path, sizeof path, "%s/l", folder);
  require (symlink ("../s", path) == 0);
  snprintf (path, sizeof path, "%s/u", folder);
  require (symlink ("..", path) == 0);
}

static uint64_t
sum_of (const uint8_t *bytes, size_t size)
{
  uint64_t sum = 0;
  for (size_t i = 0; i < size; i++)
    sum = (sum ^ bytes[i]) * UINT64_C (0x100000001b3);
  return sum;
}

/* By sums: a fuzzer learns what it is compared with, and writes it into a file itself. */
static bool
has_secret (const uint8_t *bytes, size_t size)
{
  enum { LENGTH = sizeof secret_text - 1 };
  uint64_t sum = sum_of ((const uint8_t *) secret_text, LENGTH);
  for (size_t i = 0; i + LENGTH <= size; i++)
    if (sum_of (bytes + i, LENGTH) == sum)
      return true;
  return false;
}

/* Not read (no answer has it), not written, nothing beside it. */
static void
check_outside (void)
{
  char text[64] = "";
  struct stat st;
  int fd = open (secret, O_RDONLY);
  require (fd >= 0 && read (fd, text, sizeof text - 1) == sizeof secret_text - 1 && has_secret ((const uint8_t *) text, sizeof secret_text - 1) && close (fd) == 0);
  require (stat (above, &st) == 0 && st.st_nlink == 3);
}

/* What fills the disk is not tried. */
static void
tame (uint8_t *message, size_t size, uint32_t opcode)
{
  const uint64_t least = 0;
  enum { HEAD = sizeof (struct fuse_in_header) };
  if (opcode == FUSE_FALLOCATE && size >= HEAD + 24)
    memset (message + HEAD + 18, 0, 6);
  if (opcode == FUSE_SETATTR && size >= HEAD + 24)
    memset (message + HEAD + 18, 0, 6);
  if (opcode == FUSE_COPY_FILE_RANGE && size >= HEAD + 48)
    memcpy (message + HEAD + 40, &least, 8);
}

static void
one_message (FsServer *s, const uint8_t **at, const uint8_t *end)
{
  static uint8_t answer[FS_ANSWER_MOST];
  size_t wanted = (size_t) ((*at)[0] | (*at)[1] << 8) % 512, size = sizeof (struct fuse_in_header) + MIN (wanted, (size_t) (end - *at) - 4);
  struct fuse_in_header h = { .len = (uint32_t) size, .opcode = (*at)[2], .unique = 1, .nodeid = (*at)[3] };
  uint8_t *message = g_malloc (size);   /* to the byte, for the sanitizer's sake */
  memcpy (message, &h, sizeof h);
  memcpy (message + sizeof h, *at + 4, size - sizeof h);
  *at += 4 + size - sizeof h;
  tame (message, size, h.opcode);
  if (h.opcode != FUSE_SYNCFS && h.opcode != FUSE_FSYNC && h.opcode != FUSE_FSYNCDIR) {
    size_t n = fs_server_answer (s, message, size, answer, 8192);
    require (n <= 8192 && !has_secret (answer, n));
  }
  g_free (message);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static bool made;
  if (!made)
    make_folder ();
  made = true;
  if (size < 1)
    return 0;
  FsShare share = { .read_only = data[0] >> 4 & 1, .cache = FS_CACHE_AUTO, .security = (FsSecurity) (data[0] % 3) };
  require (fs_share_open (&share, folder, NULL));
  FsServer *s = fs_server_new (&share);
  if (data[0] & 0x80) {
    fs_server_load (s, data + 1, size - 1, NULL);
  } else {
    const struct { struct fuse_in_header h; uint32_t in[4]; } init = { { .len = 56, .opcode = FUSE_INIT }, { 7, 31, 0, ~0u } };
    uint8_t answer[256];
    fs_server_answer (s, (const uint8_t *) &init, sizeof init, answer, sizeof answer);
    for (const uint8_t *at = data + 1; data + size - at >= 4;)
      one_message (s, &at, data + size);
    g_autoptr (GByteArray) bytes = fs_server_save (s);
    FsServer *other = fs_server_new (&share);
    require (fs_server_load (other, bytes->data, bytes->len, NULL));
    fs_server_unref (other);
  }
  fs_server_unref (s);
  fs_share_close (&share);
  check_outside ();
  return 0;
}

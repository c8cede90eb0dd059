/* test-request-faults.c -- a disk of a machine whose host fails: each request is answered once, by the truth; threads, io_uring, past the page cache. */
/* SPDX-License-Identifier: MIT */
#include "block/block-test.h"
#include "block/drive.h"
#include "sweep.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK 4096u
#define BLOCKS 256u

/* What is written to standard error is kept, and nobody's calls count there. */
static void
forget_what_was_said (void)
{
  ck_assert (ftruncate (STDERR_FILENO, 0) == 0 && lseek (STDERR_FILENO, 0, SEEK_SET) == 0);
}

static bool
was_said (const char *what)
{
  char text[4096] = "";
  ssize_t n = pread (STDERR_FILENO, text, sizeof text - 1, 0);
  ck_assert_int_ge (n, 0);
  return strstr (text, what);
}

static void
enter (void)
{
  int said = memfd_create ("said", MFD_CLOEXEC);
  ck_assert_int_eq (dup2 (said, STDERR_FILENO), STDERR_FILENO);
  close (said);
  drive_enter ();
}

/* --- requests -------------------------------------------------------------------------------------------- */

enum { PIECES = 24 };

typedef struct Pending {
  BpBlockRequest request;
  struct iovec iov[2];
  unsigned answers;
  int error;
} Pending;

static Pending pending[PIECES];
static uint8_t *memory, model[BLOCKS * BLOCK];
static bool unsure[BLOCKS];
static unsigned n_errors, not_flushed[BLOCKS];  /* the round, from 1, that wrote it; 0: there was a flush behind it */

static void
done (BpBlockRequest *request, int error)
{
  Pending *p = request->user;
  ck_assert_uint_eq (p->answers++, 0);
  p->error = error;
  ck_assert_msg (error == 0 || error == EIO || error == ENOSPC, "an answer of %d", error);
}

static uint32_t
place (unsigned round, unsigned i)
{
  return (round * PIECES + i) * 37 % BLOCKS;
}

static void
submit (unsigned i, BpBlockOp op, uint32_t block)
{
  Pending *p = &pending[i];
  uint8_t *data = memory + i * BLOCK;
  *p = (Pending) { .iov = { { data, 1024 }, { data + 1024, BLOCK - 1024 } } };
  p->request = (BpBlockRequest) { .struct_size = sizeof p->request, .op = op, .offset = block * BLOCK, .size = op == BP_BLOCK_FLUSH ? 0 : BLOCK, .iov = p->iov,
                                  .n_iov = op == BP_BLOCK_READ || op == BP_BLOCK_WRITE ? 2 : 0, .done = done, .user = p };
  bp_block_submit (&drive->backend, &p->request);
}

/* All that was submitted is answered, or it hangs. */
static void
collect (void)
{
  for (unsigned i = 0; i < PIECES;) {
    bp_machine_lock (m);
    bool there = pending[i].answers;
    bp_machine_unlock (m);
    if (there)
      i++;
    else if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (50);
  }
}

static void
write_some (unsigned round)
{
  bp_machine_lock (m);
  for (unsigned i = 0; i < PIECES; i++) {
    memset (memory + i * BLOCK, (int) (round * 50 + i + 1), BLOCK);
    submit (i, i % 8 == 7 ? BP_BLOCK_WRITE_ZEROES : i == 12 ? BP_BLOCK_FLUSH : BP_BLOCK_WRITE, place (round, i));
  }
  bp_machine_unlock (m);
  collect ();
  for (unsigned i = 0; i < BLOCKS && !pending[12].error; i++)
    not_flushed[i] = 0;         /* of the rounds before */
  for (unsigned i = 0; i < PIECES; i++) {
    uint32_t block = place (round, i);
    n_errors += pending[i].error != 0;
    if (i == 12)
      continue;
    unsure[block] = pending[i].error;
    not_flushed[block] = round + 1;
    memset (model + block * BLOCK, i % 8 == 7 ? 0 : (int) (round * 50 + i + 1), BLOCK);
  }
}

static void
read_some (unsigned round)
{
  bp_machine_lock (m);
  for (unsigned i = 0; i < PIECES; i++)
    submit (i, BP_BLOCK_READ, place (round, i));
  bp_machine_unlock (m);
  collect ();
  for (unsigned i = 0; i < PIECES; i++) {
    uint32_t block = place (round, i);
    n_errors += pending[i].error != 0;
    if (!pending[i].error && !unsure[block])
      ck_assert_msg (memcmp (memory + i * BLOCK, model + block * BLOCK, BLOCK) == 0, "block %u differs", block);
  }
}

/* --- the scenario ---------------------------------------------------------------------------------------- */

static const char *format, *keys;

static void
prepare (void)
{
  drive_describe (keys);
  block_create ("a", format, BLOCKS * BLOCK, NULL);
  memset (model, 0, sizeof model);
  memset (unsure, 0, sizeof unsure);
  memset (not_flushed, 0, sizeof not_flushed);
  forget_what_was_said ();
  n_errors = 0;
}

static void
run (void)
{
  g_autofree char *message = drive_start ();
  if (message) {
    bool refused = strstr (message, "m.ini: the host has no ");    /* before anything began */
    n_errors += !refused;
    ck_assert_msg (refused || strstr (message, "`a`") || strstr (message, "io = uring"), "no file in: %s", message);
  } else {
    write_some (0);
    read_some (0);
    write_some (1);
    read_some (1);
  }
  drive_stop ();
}

/* Once the host is well, the disk has what was acknowledged. */
static void
verify (const SweepFault *f, uint32_t failed)
{
  bool harmless = !f || !failed || f->fault == INJECT_SHORT || f->fault == EINTR || f->kind == INJECT_CONTROL;
  ck_assert_msg (!harmless || !n_errors, "%u errors", n_errors);
  if (strcmp (format, "qcow2") == 0)
    block_check ("a", true);
  bool told = was_said ("cannot write all of `a`");
  Image *image = block_open_with ("a", (ImageOptions) { .format = format });
  for (unsigned i = 0; i < BLOCKS; i++) {
    ck_assert_int_eq (image_read (image, i * BLOCK, memory, BLOCK), 0);
    /* a flush that failed says that anything may be lost, and an error at the end that what had none may be */
    if (!unsure[i] && !(f && f->kind == INJECT_FLUSH) && !(told && not_flushed[i]))
      ck_assert_msg (memcmp (memory, model + i * BLOCK, BLOCK) == 0, "block %u is lost", i);
  }
  block_close (image);
}

static const SweepFault faults[] = {
  { INJECT_READ, EIO, 1 }, { INJECT_READ, INJECT_SHORT, INJECT_FOREVER }, { INJECT_WRITE, EIO, 1 }, { INJECT_WRITE, INJECT_SHORT, INJECT_FOREVER }, { INJECT_FLUSH, EIO, 1 },
  { INJECT_RING_ENTRY, EIO, 1 }, { INJECT_RING_ENTRY, EIO, INJECT_FOREVER }, { INJECT_RING_ENTRY, INJECT_SHORT, INJECT_FOREVER }
};
static const SweepFault no_pattern[] = { { INJECT_RING, ENOMEM, 1 }, { INJECT_RING, EAGAIN, 3 }, { INJECT_CONTROL, EMFILE, 1 }, { INJECT_CONTROL, EMFILE, INJECT_FOREVER } };

static bool
can_bypass_cache (void)
{
  int fd = open ("probe", O_RDWR | O_CREAT | O_DIRECT, 0600);
  if (fd >= 0)
    close (fd);
  return fd >= 0;
}

START_TEST (test_requests)
{
  static const SweepScenario s = { "requests", prepare, run, verify };
  static const char *const all[] = { "io = threads", "io = auto", "io = auto\ncache = none", "io = threads\ncache = directsync", "io = auto\ncache = directsync" };
  format = _i & 1 ? "qcow2" : "raw";
  g_autofree char *raw = g_strdup_printf ("file = a\n%s\nformat = %s", all[_i / 2], format);
  keys = raw;
  memory = aligned_alloc (BLOCK, PIECES * BLOCK);
  if (!strstr (keys, "cache") || can_bypass_cache ()) {
    sweep (&s, "backplane-", 6, faults, G_N_ELEMENTS (faults));
    sweep (&s, "", 6, no_pattern, G_N_ELEMENTS (no_pattern));
  }
  free (memory);
}
END_TEST

int
main (void)
{
  const SweepTest tests[] = { { test_requests, 10 } };
  return sweep_run ("request faults", enter, drive_leave, tests, G_N_ELEMENTS (tests));
}

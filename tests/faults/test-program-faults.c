/* test-program-faults.c -- the program itself, under a host whose calls fail: an error that names the file, never a signal. */
/* SPDX-License-Identifier: MIT */
#include "scratch.h"
#include "sweep.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *command;
static int status;

/* The program's faults are in a page that it shares with this one. */
static void
enter (void)
{
  scratch_enter ();
  InjectPage empty = { .kind = -1 };
  ck_assert (g_file_set_contents ("page", (const char *) &empty, sizeof empty, NULL));
  int fd = open ("page", O_RDWR | O_CLOEXEC);
  inject_page = mmap (NULL, sizeof empty, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ck_assert (inject_page != MAP_FAILED);
  close (fd);
}

/* With the library before all others, which AddressSanitizer would otherwise not bear. */
static int
run_program (const char *arguments, bool faults)
{
  g_autofree char *library = g_build_filename (getenv ("BACKPLANE_BUILDDIR"), "tests", "faults", ".libs", "inject.so", NULL);
  g_autofree char *line = faults ? g_strdup_printf ("exec env LD_PRELOAD=%s BACKPLANE_FAULTS=%s/page ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS %s %s >said 2>&1", library, scratch_folder,
                                                    getenv ("BACKPLANE_RUN"), arguments)
                                 : g_strdup_printf ("exec %s %s >said 2>&1", getenv ("BACKPLANE_RUN"), arguments);
  int result = system (line);
  ck_assert_msg (WIFEXITED (result) && WEXITSTATUS (result) < 126, "%s ended with status 0x%x", arguments, (unsigned) result);
  return WEXITSTATUS (result);
}

static void
prepare (void)
{
  g_autofree char *contents = g_strnfill (300000, 'x');
  g_unlink ("out.img");
  ck_assert (g_file_set_contents ("raw", contents, 299520, NULL));
  ck_assert_int_eq (run_program ("img convert -f raw -O qcow2 raw in.qcow2", false), 0);
}

static void
run (void)
{
  status = run_program (command, true);
}

static void
verify (const SweepFault *f, uint32_t failed)
{
  g_autofree char *said = NULL;
  ck_assert (g_file_get_contents ("said", &said, NULL, NULL));
  ck_assert_msg (!status || failed, "%s", said);
  ck_assert_msg (!status || strstr (said, "`in.qcow2`") || strstr (said, "`out.img`") || strstr (said, "errors"), "status %d, and no file in: %s", status, said);
  ck_assert_msg (!f || f->n != INJECT_FOREVER || !failed || status, "it is fine, it says: %s", said);
  int check = run_program ("img check in.qcow2", false);
  ck_assert_msg (check == 0 || (check == 3 && status), "the image is damaged: %d", check);      /* 3: leaks */
}

static const SweepFault faults[] = { { INJECT_WRITE, ENOSPC, INJECT_FOREVER }, { INJECT_READ, EIO, 1 }, { INJECT_FLUSH, EIO, 1 } };

START_TEST (test_img)
{
  static const SweepScenario s = { "img", prepare, run, verify };
  static const char *const all[] = { "img convert in.qcow2 out.img", "img snapshot -c one in.qcow2", "img check -r all in.qcow2" };
  command = all[_i];
  sweep (&s, _i ? "in.qcow2" : "out.img", 3, faults, G_N_ELEMENTS (faults));
}
END_TEST

/* A machine whose memory the host does not give. */
START_TEST (test_memory)
{
  g_autofree char *said = NULL;
  inject_page->least = 64 << 20;
  inject_arm (INJECT_MAP, "", 0, 1, ENOMEM);
  ck_assert (g_file_set_contents ("m.ini", "[machine]\ndescription = a test\n[memory ram]\ntype = memory-anonymous\nsize = 64M\n", -1, NULL));
  int code = run_program ("run m.ini", true);
  inject_disarm ();
  ck_assert (g_file_get_contents ("said", &said, NULL, NULL));
  ck_assert_msg (code == 1 && strstr (said, "m.ini:") && strstr (said, "Cannot allocate memory"), "status %d: %s", code, said);
}
END_TEST

/* Memory that joins a machine that runs: refused, and given when the host has some again. */
START_TEST (test_memory_that_joins)
{
  static const char script[] = "object_add memory-anonymous,id=m1,size=64M\nobject_add memory-anonymous,id=m1,size=64M\nobject_del m1\nquit\n";
  g_autofree char *said = NULL;
  inject_page->least = 64 << 20;
  inject_arm (INJECT_MAP, "", 0, 1, ENOMEM);
  ck_assert (g_file_set_contents ("m.ini", "[machine]\ndescription = a test\n[memory ram]\nmodule = mem-backends\ntype = memory-anonymous\nsize = 1M\n", -1, NULL));
  ck_assert (g_file_set_contents ("script", script, -1, NULL));
  int code = run_program ("run m.ini --monitor stdio <script", true);
  inject_disarm ();
  ck_assert (g_file_get_contents ("said", &said, NULL, NULL));
  g_auto (GStrv) refusals = g_strsplit (said, "Cannot allocate memory", -1);
  ck_assert_msg (code == 0 && g_strv_length (refusals) == 2 && !strstr (said, "no object"), "status %d: %s", code, said);
}
END_TEST

/* --- descriptors ----------------------------------------------------------------------------------------- */

static const char server[] =
  "[machine]\ndescription = a test\n[sandbox]\nseccomp = on\n[memory ram]\nmodule = mem-backends\ntype = memory-anonymous\nsize = 1M\n"
  "[device bus]\nmodule = hw-virtio\ntype = virtio-mmio\n[backend disk]\nmodule = block-backends\ntype = block-image\nfile = raw\nformat = raw\n"
  "[device blk]\nmodule = hw-virtio\ntype = virtio-blk\nbus = bus\naddress = 0\ndrive = disk\niothread = on\n"
  "[monitor qmp]\nmodule = monitor\ntype = monitor-qmp\nlisten = unix:qmp\n[backend port]\nmodule = char-backends\ntype = char-socket\naddress = unix:port\n";

/* With a descriptor more each time: what cannot be had is an error, wherever the last one went, until the machine runs. */
START_TEST (test_descriptors)
{
  enum { FIRST = 5, LAST = 64 };        /* with fewer the dynamic linker fails */
  ck_assert (g_file_set_contents ("m.ini", server, -1, NULL));
  prepare ();
  for (inject_page->descriptors = FIRST; inject_page->descriptors < LAST; inject_page->descriptors++) {
    g_autofree char *said = NULL;
    int code = run_program ("run m.ini --machine-timeout 1", true);
    ck_assert (g_file_get_contents ("said", &said, NULL, NULL));
    if (code == 124)
      return;
    ck_assert_msg (code == 1 && *said, "%u descriptors: status %d: %s", inject_page->descriptors, code, said);
  }
  ck_abort_msg ("it never runs");
}
END_TEST

int
main (void)
{
  if (!getenv ("BACKPLANE_RUN") || !getenv ("BACKPLANE_BUILDDIR")) {
    printf ("BACKPLANE_RUN and BACKPLANE_BUILDDIR are not set: run this by make check\n");
    return 77;
  }
  const SweepTest tests[] = { { test_img, 3 }, { test_memory, 1 }, { test_memory_that_joins, 1 }, { test_descriptors, 1 } };
  return sweep_run ("program faults", enter, scratch_leave, tests, G_N_ELEMENTS (tests));
}

/* vhost-peer.c -- the tests' vhost-user back end as a program, for guests: `vhost-peer SOCKET disk|net [packed]', until it is ended; SIGUSR1 halves the disk. */
/* SPDX-License-Identifier: MIT */
#include "vhost-back-end.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>

int
main (int argc, char **argv)
{
  unsigned knows = BACK_END_INFLIGHT | BACK_END_LOGS | BACK_END_CHANNEL;
  if (argc < 3) {
    fprintf (stderr, "usage: vhost-peer SOCKET disk|net [packed]\n");
    return 1;
  }
  if (strcmp (argv[2], "net") == 0)
    knows |= BACK_END_NET;
  if (argc > 3 && strcmp (argv[3], "packed") == 0)
    knows |= BACK_END_PACKED;
  sigset_t set;
  int got;
  sigemptyset (&set);
  sigaddset (&set, SIGUSR1);
  sigprocmask (SIG_BLOCK, &set, NULL);  /* of its thread, too */
  BackEnd *b = back_end_new (argv[1], BACK_END_FINE, knows);
  for (uint64_t sectors = BACK_END_DISK / 512; sigwait (&set, &got) == 0;)
    back_end_resize (b, sectors /= 2);
  return 1;
}
